/* What sweeps have found, gathered by group and told as text or as JSON lines. */
#ifndef HARNESS_SWEEP_REPORT_H
#define HARNESS_SWEEP_REPORT_H

#include <stdio.h>

#include "batch.h"

struct findings;			/* of one family */

/* `each`: combinations that differ are not put together in groups. */
struct findings *findings_new(bool each, struct arena *arena);
/* Add what a batch sent. */
void findings_add(struct findings *findings, const char *text);
/* Batches that could not be carried out, or not to their end: `where` is what it was at. */
void findings_fail(struct findings *findings, const char *where, const char *reason);
void findings_skip(struct findings *findings, const char *reason);

enum findings_verdict { FINDINGS_AGREE, FINDINGS_DIFFER, FINDINGS_FAILED, FINDINGS_SKIPPED };
enum findings_verdict findings_verdict(const struct findings *findings);

struct findings_style {
	FILE *out;
	bool json;
	const char *target[2];
};
/* Groups first, most combinations first, then the totals. */
void findings_report(const struct findings *findings, const char *family, double seconds, const struct findings_style *style);

#endif
