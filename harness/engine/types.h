/*
 * What values look like: the C types of option values, ioctl arguments, control messages and addresses, as rows of tables.
 * One description serves to build bytes from what a script says, to compare what came back, and to print it.
 */
#ifndef HARNESS_ENGINE_TYPES_H
#define HARNESS_ENGINE_TYPES_H

#include "../text.h"
#include "run.h"

enum type_kind {
	TYPE_SIGNED, TYPE_UNSIGNED,
	TYPE_NETWORK,		/* unsigned, in network order: ports */
	TYPE_ADDRESS,		/* struct in_addr */
	TYPE_DESCRIPTOR,	/* int, mapped between script and target */
	TYPE_TEXT,		/* characters up to a NUL or to the end */
	TYPE_BYTES,		/* as many as there are */
	TYPE_OPAQUE,		/* as long as it comes, read by the members that a script names: TCP_INFO */
	TYPE_STRUCT, TYPE_ARRAY,
	TYPE_STAMPS,		/* struct scm_timestamping: {scm_sec=, scm_nsec=} in script time, and only its first stamp */
	TYPE_POINTER,		/* to a text, or to as many elements as there are said to be */
	TYPE_IFCONF,		/* struct ifconf, with the array that it points to */
	TYPE_ATTRIBUTES,	/* netlink attributes: {TCP_NLA_BUSY=123, ...} */
};

struct type_member {
	const char *name;
	const struct type *type;
	unsigned offset;
};

struct type {
	const char *name;	/* of a struct */
	enum type_kind kind;
	unsigned size;		/* 0: as long as it comes */
	const char *family;	/* of the symbols that name its values, or NULL */
	const struct type_member *member;
	unsigned members;
	const struct type *element;	/* ARRAY, POINTER */
};

/* Types that several tables use. */
extern const struct type type_int, type_u8, type_u16, type_u32, type_u64, type_bytes, type_opaque, type_text, type_sockaddr,
    type_timeval, type_timespec, type_stamps, type_attributes, type_descriptor, type_network16, type_address;

/* The type of an option's value, an ioctl's argument, a control message's data. NULL: no row, go by what is said. */
const struct type *type_of_option(int level, int name);
const struct type *type_of_control(int level, int type);
struct request_row {
	enum pl_op op;
	unsigned long request;
	const struct type *type;	/* NULL: an integer by value */
	bool in, out;
};
const struct request_row *request_row(enum pl_op op, unsigned long request);
/* The struct that has members of all the names that the expression uses, or NULL. */
const struct type *type_by_members(const struct expr *expr);

/* A quoted string with escapes. */
void text_quote(struct text *text, const void *bytes, size_t length);

/* eval.c. False: *error (arena) says why it has no value. */
bool eval_int(const struct run *run, const struct expr *expr, int64_t *value, const char **error);
void expr_print(const struct run *run, const struct expr *expr, struct text *text);
/* An integer in brackets or alone. */
const struct expr *expr_unwrap(const struct expr *expr);
/* Of a number that a call reads and writes, given as [what goes in, what comes back]: part 0 or 1. Else as expr_unwrap. */
const struct expr *expr_part(const struct expr *expr, unsigned part);

/*
 * Bytes of `expr` as a value of `type` (NULL: an int for a number, bytes for a string, a struct by its members). At most `room`
 * are written; *length is how many the value has.
 */
bool type_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, size_t room,
		size_t *length, const char **error);
/* Whether the bytes are what `expr` says; each difference goes into `text` as "name: expected x, actual y", one a line. */
bool type_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes, size_t length,
		  const char *name, struct text *text);
void type_print(const struct run *run, const struct type *type, const uint8_t *bytes, size_t length, struct text *text);
/* Only the members that `expr` names, of the struct that has them; anything else as "...". */
void type_print_named(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length, struct text *text);

#endif
