/*
 * What came of one script, in the form in which it travels from the process that ran it to the one that reports it. Plain text
 * and numbers: nothing in it refers to the script or the trace.
 */
#ifndef HARNESS_OUTCOME_H
#define HARNESS_OUTCOME_H

#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum outcome_verdict {
	OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_SKIP, OUTCOME_ERROR,	/* of a run */
	OUTCOME_SAME, OUTCOME_DIFFER, OUTCOME_NOISY,			/* of a comparison; skip and error too */
	OUTCOME_VERDICTS
};

/* "pass", ...; as the JSON report says it. */
const char *outcome_verdict_name(enum outcome_verdict verdict);

/* Where a script and a stack, or two stacks, part. Any text may be NULL. */
struct outcome_failure {
	const char *file;		/* NULL: the script itself */
	uint32_t line, column;		/* 0: no place */
	const char *source;		/* the script's lines there */
	const char *reason;
	const char *detail;		/* several lines */
	const char *suggestion;		/* the line to paste */
};

struct outcome {
	const char *path;
	enum outcome_verdict verdict;
	bool unreadable;		/* the script itself is at fault: it cannot be read or parsed */
	bool noisy;			/* the harness's own lateness could explain a failure */
	uint32_t tries;			/* how often it was run */
	pl_time lateness, wall;
	const char *reason;		/* skip and error, one line */
	uint32_t line;			/* of what is wrong with an unreadable script, 0: unknown */
	const char *diagnostics;	/* several lines about that; or NULL */
	const char *before;		/* the events just before the failure, lines */
	struct outcome_failure *failure;
	uint32_t failures;
	const char *first, *second;	/* a comparison's two events, NULL where a side has none */
};

/* The line of what went wrong first, 0 when there is none; and why it is not a pass, in a line, or NULL. */
unsigned outcome_line(const struct outcome *outcome);
const char *outcome_reason(const struct outcome *outcome);

/* To bytes (arena memory) and back. Unpacking checks every length; false: the bytes are not an outcome. */
uint8_t *outcome_pack(const struct outcome *outcome, struct arena *arena, size_t *length);
bool outcome_unpack(const uint8_t *bytes, size_t length, struct arena *arena, struct outcome *outcome);

#endif
