/* A call of the script made into a struct pl_call, and what came back compared and printed: by the kinds of its arguments. */
#ifndef HARNESS_ENGINE_MARSHAL_H
#define HARNESS_ENGINE_MARSHAL_H

#include "types.h"

/* What a call means to the engine beyond its arguments. */
enum call_effect {
	EFFECT_NONE, EFFECT_SOCKET, EFFECT_LISTEN, EFFECT_ACCEPT, EFFECT_CONNECT, EFFECT_DESCRIPTOR, EFFECT_DUP, EFFECT_PIPE,
	EFFECT_CLOSE,
};

struct call_rule {
	unsigned least;			/* arguments that must be given; 0: all of the row's */
	enum call_effect effect;
	bool gives_descriptor;		/* a result of zero or more is one */
};
extern const struct call_rule call_rules[PL_OP_COUNT];

struct marshalled {
	struct pl_call call;
	struct run *run;
	const struct call_spec *spec;
	const struct call_rule *rule;
	const struct pl_call_row *row;
	void *memory[6];		/* what a pointer argument points to */
	size_t room[6];			/* its size */
	const struct type *type[6];	/* of its value, where a table says */
	bool address_default[6];	/* "..." where an address stands */
	const char *error;
	int given;			/* what the script calls the descriptor that it gave; 0: none */
	bool no_descriptor;		/* the error: a descriptor is not open */
};

/* The call's number, or -1. */
int call_op(const char *name);

/*
 * Build the call. NULL: *error (arena), and *script: it is the script that is wrong, not what happened before (a descriptor
 * that an earlier call did not give).
 */
struct marshalled *marshal(struct run *run, const struct call_spec *spec, const char **error, bool *script);

/* Compare what came back with what the script says of it; false: *differences, one a line. The result is not looked at. */
bool marshal_check(struct marshalled *marshalled, const char **differences);

/*
 * The call as text, with its outputs and its result. `as_said`: where the script leaves something open ("..."), so does the
 * text: the line to paste; otherwise everything that came back is shown.
 */
const char *marshal_print(struct marshalled *marshalled, bool as_said);

#endif
