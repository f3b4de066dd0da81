/* Batches: what one process carries out, and how its findings travel to the process that reports. */
#ifndef HARNESS_SWEEP_BATCH_H
#define HARNESS_SWEEP_BATCH_H

#include "../outcome.h"
#include "sweep.h"

struct batch_counts {
	uint64_t tried, agree, mapped, differ, known, skipped, unsettled;
};

/* A batch is named by its first combination. What is common to all batches of a command: */
struct sweep {
	const struct target_ops *ops[2];	/* the stack to be looked at, and the one to hold it against */
	const struct pl_machine *machine;
	struct sweep_filter filter;
	bool all;			/* tell of every differing combination, not of one a group */
	struct combination *progress;	/* shared memory, one a batch: where it is, for telling where it died */
};

/*
 * Carry out the batch in this process, which belongs to it from then on. outcome->verdict: same, differ, skip or error (with the
 * reason); outcome->diagnostics: its findings, for batch_read.
 */
void batch_run(const struct sweep *sweep, unsigned number, const struct combination *first, struct arena *arena,
	       struct outcome *outcome);

/* One finding: combinations of one group. */
struct finding {
	const char *kind;		/* "differ", "known", "skipped", "mapped" */
	const char *subject;
	const char *first, *second;	/* what either side gave, where they part; "" for those not compared */
	const char *reason;		/* of the kinds other than differ */
	const char *example;		/* a combination */
	uint64_t count;
};
/* Call `visit` for each finding in the text, and add up the counts. */
void batch_read(const char *text, struct batch_counts *counts, struct arena *arena,
		void (*visit)(void *context, const struct finding *finding), void *context);

#endif
