/*
 * Reports: what came of each script, in a form for people or for programs. A report is begun, told each outcome in path order,
 * and ended.
 */
#ifndef HARNESS_REPORT_H
#define HARNESS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "../outcome.h"

struct report_totals {
	unsigned scripts;		/* to be run */
	unsigned count[OUTCOME_VERDICTS];
	unsigned unreadable;		/* of those with an error */
	pl_time wall;			/* of the whole run */
	bool interrupted;
};

struct report {
	const struct report_ops *ops;
	FILE *out;
	bool colour;
	bool verbose;			/* say that a script passed, too */
	bool comparing;
	void *context;			/* of whoever wants the outcomes themselves */
	const char *target[2];		/* names; the second only when comparing */
	struct report_totals totals;
	unsigned number;		/* of the outcome at hand, from 1 */
	FILE *held;			/* junit: the cases, until their number is known */
	char *held_text;
	size_t held_length;
};

struct report_ops {
	const char *name;		/* --format NAME */
	void (*begin)(struct report *report);
	void (*result)(struct report *report, const struct outcome *outcome);
	void (*end)(struct report *report);
};

extern const struct report_ops report_pretty, report_tap, report_junit, report_json;

/* The format of that name, or NULL; "pretty, tap, junit, json" for messages. */
const struct report_ops *report_find(const char *name);
extern const char report_names[];

void report_begin(struct report *report);
void report_result(struct report *report, const struct outcome *outcome);
void report_end(struct report *report);

/* Of a run so far: 0 all passed, 1 some failed, 2 some script could not be read, 4 all skipped. */
int report_exit_status(const struct report_totals *totals);

/* Text as UTF-8 without control characters except tab and newline, which a format may pass on: "\x1b" stands for the others. */
void report_put_clean(FILE *out, const char *text, void (*put)(FILE *out, unsigned char byte));

#endif
