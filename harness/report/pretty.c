/*
 * The report for people. A script that passed takes no room (unless asked for); one that failed says at which line, what the
 * script says there, what was expected and what came, the events just before, and the line to paste if what came is right.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum style { STYLE_PLAIN, STYLE_GOOD, STYLE_BAD, STYLE_DOUBT, STYLE_STRONG, STYLE_FAINT };

static void put_byte(FILE *out, unsigned char byte)
{
	putc(byte, out);
}

static void style(struct report *report, enum style style)
{
	static const char *const codes[] = {
		[STYLE_PLAIN] = "\033[0m",  [STYLE_GOOD] = "\033[32m",  [STYLE_BAD] = "\033[31;1m",
		[STYLE_DOUBT] = "\033[33m", [STYLE_STRONG] = "\033[1m", [STYLE_FAINT] = "\033[2m",
	};

	if (report->colour)
		fputs(codes[style], report->out);
}

static void put_styled(struct report *report, enum style which, const char *text)
{
	style(report, which);
	report_put_clean(report->out, text, put_byte);
	style(report, STYLE_PLAIN);
}

/* Every line of the text, indented. */
static void put_lines(struct report *report, const char *indent, enum style which, const char *text)
{
	while (text && *text) {
		size_t length = strcspn(text, "\n");
		char *line = strndup(text, length);

		fputs(indent, report->out);
		if (line)
			put_styled(report, which, line);
		putc('\n', report->out);
		free(line);
		text += length;
		text += *text == '\n';
	}
}

static enum style verdict_style(enum outcome_verdict verdict)
{
	switch (verdict) {
	case OUTCOME_PASS:
	case OUTCOME_SAME:
		return STYLE_GOOD;
	case OUTCOME_SKIP:
	case OUTCOME_NOISY:
		return STYLE_DOUBT;
	case OUTCOME_FAIL:
	case OUTCOME_ERROR:
	case OUTCOME_DIFFER:
	case OUTCOME_VERDICTS:
		break;
	}
	return STYLE_BAD;
}

static void put_heading(struct report *report, const struct outcome *outcome)
{
	style(report, verdict_style(outcome->verdict));
	fprintf(report->out, "%-6s", outcome_verdict_name(outcome->verdict));
	style(report, STYLE_PLAIN);
	putc(' ', report->out);
	put_styled(report, STYLE_STRONG, outcome->path);
}

static void put_source(struct report *report, const struct outcome_failure *failure)
{
	const char *text = failure->source;
	unsigned line = failure->line;

	while (text && *text) {
		size_t length = strcspn(text, "\n");
		char *copy = strndup(text, length);

		style(report, STYLE_FAINT);
		fprintf(report->out, "%6u | ", line++);
		style(report, STYLE_PLAIN);
		if (copy)
			report_put_clean(report->out, copy, put_byte);
		putc('\n', report->out);
		free(copy);
		text += length;
		text += *text == '\n';
	}
}

static void put_failure(struct report *report, const struct outcome *outcome, const struct outcome_failure *failure)
{
	report_put_clean(report->out, failure->file ? failure->file : outcome->path, put_byte);
	if (failure->line)
		fprintf(report->out, ":%u", failure->line);
	if (failure->column)
		fprintf(report->out, ":%u", failure->column);
	fputs(": ", report->out);
	put_styled(report, STYLE_BAD, failure->reason ? failure->reason : "failed");
	putc('\n', report->out);
	put_source(report, failure);
	put_lines(report, "    ", STYLE_PLAIN, failure->detail);
	if (failure->suggestion) {
		fputs("  if that is right, the script should say\n", report->out);
		put_lines(report, "    ", STYLE_STRONG, failure->suggestion);
	}
}

static void pretty_begin(struct report *report)
{
	(void)report;
}

static void put_noise(struct report *report, const struct outcome *outcome)
{
	if (!outcome->noisy)
		return;
	fprintf(report->out, "  the harness was late by up to %.1f ms in this run (run %u time%s): it may be to blame\n",
		(double)outcome->lateness / 1e6, outcome->tries, outcome->tries == 1 ? "" : "s");
}

static void pretty_result(struct report *report, const struct outcome *outcome)
{
	bool good = outcome->verdict == OUTCOME_PASS || outcome->verdict == OUTCOME_SAME;

	if (good && !report->verbose)
		return;
	put_heading(report, outcome);
	if (good || (outcome->reason && !outcome->failures)) {
		if (outcome->reason)
			fprintf(report->out, ": ");
		report_put_clean(report->out, outcome->reason ? outcome->reason : "", put_byte);
	}
	putc('\n', report->out);
	if (good || outcome->verdict == OUTCOME_SKIP)
		return;
	put_lines(report, "", STYLE_PLAIN, outcome->diagnostics);
	for (unsigned i = 0; i < outcome->failures; i++)
		put_failure(report, outcome, &outcome->failure[i]);
	if (outcome->before) {
		fputs("  just before\n", report->out);
		put_lines(report, "    ", STYLE_FAINT, outcome->before);
	}
	put_noise(report, outcome);
	putc('\n', report->out);
}

static void pretty_end(struct report *report)
{
	static const struct {
		enum outcome_verdict verdict;
		const char *words;
	} parts[] = {
		{ OUTCOME_PASS, "passed" },  { OUTCOME_SAME, "same" },	{ OUTCOME_FAIL, "failed" },
		{ OUTCOME_DIFFER, "differ" }, { OUTCOME_NOISY, "noisy" }, { OUTCOME_ERROR, "could not be run" },
		{ OUTCOME_SKIP, "skipped" },
	};
	const char *separator = "";

	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		unsigned count = report->totals.count[parts[i].verdict];

		if (!count && !(i == (report->comparing ? 1 : 0)))
			continue;
		fputs(separator, report->out);
		if (count)
			style(report, verdict_style(parts[i].verdict));
		fprintf(report->out, "%u %s", count, parts[i].words);
		if (count)
			style(report, STYLE_PLAIN);
		separator = ", ";
	}
	if (report->comparing)
		fprintf(report->out, " (%s and %s, %.2f s)", report->target[0], report->target[1], (double)report->totals.wall / 1e9);
	else
		fprintf(report->out, " (%s, %.2f s)", report->target[0], (double)report->totals.wall / 1e9);
	if (report->totals.interrupted)
		fprintf(report->out, ", interrupted: %u of %u scripts were run", report->number, report->totals.scripts);
	putc('\n', report->out);
}

const struct report_ops report_pretty = { "pretty", pretty_begin, pretty_result, pretty_end };
