/*
 * Runs a script on a target: run compares what happens with what the script expects; observe carries out the inputs and
 * records. Both fill a trace.
 */
#ifndef HARNESS_ENGINE_H
#define HARNESS_ENGINE_H

#include <stdio.h>

#include "../target/target.h"
#include "trace.h"

enum verdict { VERDICT_PASS, VERDICT_FAIL, VERDICT_SKIP, VERDICT_ERROR };

/* packetdrill's options and Plumbline's; the script's own win over defaults, the command line wins over both. */
struct run_options {
	const struct define *define;
	unsigned defines;
	const struct script_option *option;	/* from the command line, in packetdrill's names without dashes */
	unsigned options;
	const struct target_ops *target;
	const char *so_file;
	bool keep_going;		/* do not stop at the first failure */
	bool keep_trace;		/* the trace's texts are wanted even when the script passes */
	bool no_commands, no_python;
	uint64_t seed;
	const struct pl_machine *machine;
	const struct live *live;	/* of live_target */
};

/* Whether packetdrill, and so a script or the command line, has an option of this name, and whether it takes a value. */
bool engine_option(const char *name, bool *takes_value);

/* One way in which what happened was not what the script expects. */
struct failure {
	struct source_span span;
	const char *reason;		/* one line: "expected packet did not come", ... */
	const char *detail; /* several lines for people: expected over actual, every differing field marked; or NULL */
	const char *suggestion;		/* the line to paste if the actual behaviour is right; or NULL */
};

struct run_result {
	enum verdict verdict;
	struct failure *failure;	/* the first; with keep_going all of them */
	unsigned failures;
	const char *reason;		/* skip and error */
	bool noisy;			/* the harness's own lateness, or a timer's by a jiffy, could explain the failure */
	bool near_miss;			/* something happened out of its time, but by no more than a jiffy */
	pl_time lateness;
	pl_time wall;			/* real time that it took */
	struct trace trace;
};

/* Everything in the result lives in the arena. */
void engine_run(const struct script *script, const struct run_options *options, struct arena *arena, struct run_result *result);
void engine_observe(const struct script *script, const struct run_options *options, struct arena *arena,
		    struct run_result *result);

/* Where two traces of one script part. */
struct divergence {
	bool same;
	struct source_span span;	/* the nearest event of the script */
	const char *reason;		/* "window differs", "kernel sends, refstack does not", ... */
	const char *detail;		/* both events, one over the other, differing fields marked */
	const char *first, *second;	/* the two events as text; NULL: there is none on that side */
};
void trace_compare(const struct script *script, const struct trace *first, const char *first_name, bool first_virtual,
		   const struct trace *second, const char *second_name, bool second_virtual, struct arena *arena,
		   struct divergence *divergence);

/* The events just before the failure, as lines, for the pretty report. */
void trace_print_tail(const struct trace *trace, unsigned entries, FILE *to);

#endif
