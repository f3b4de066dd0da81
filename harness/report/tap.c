/*
 * TAP version 14 with kselftest's conventions (the kernel's Documentation/dev-tools/ktap.rst): diagnostics are lines that begin
 * with "# " and stand before the result that they belong to, a skipped test is ok with a SKIP directive, and totals come last.
 */
#include <string.h>

#include "report.h"

static void put_byte(FILE *out, unsigned char byte)
{
	putc(byte, out);
}

static void put_line_byte(FILE *out, unsigned char byte)
{
	putc(byte == '\n' ? ' ' : byte, out);
}

/* A test's name or a directive's reason: '#' would begin a directive, and a line end the line. */
static void put_name_byte(FILE *out, unsigned char byte)
{
	if (byte == '#' || byte == '\\')
		fprintf(out, "\\%c", byte);
	else
		putc(byte == '\n' || byte == '\t' ? ' ' : byte, out);
}

/* Each line of the text as a diagnostic. */
static void diagnose(FILE *out, const char *indent, const char *text)
{
	char line[1024];

	while (text && *text) {
		size_t length = strcspn(text, "\n"), part = length < sizeof(line) - 1 ? length : sizeof(line) - 1;

		memcpy(line, text, part);
		line[part] = '\0';
		fprintf(out, "# %s", indent);
		report_put_clean(out, line, put_byte);
		putc('\n', out);
		text += part;
		text += part == length && *text == '\n';
	}
}

static void diagnose_failure(struct report *report, const struct outcome *outcome, const struct outcome_failure *failure)
{
	fputs("# ", report->out);
	report_put_clean(report->out, failure->file ? failure->file : outcome->path, put_line_byte);
	if (failure->line)
		fprintf(report->out, ":%u", failure->line);
	fputs(": ", report->out);
	report_put_clean(report->out, failure->reason ? failure->reason : "failed", put_line_byte);
	putc('\n', report->out);
	diagnose(report->out, "  ", failure->source);
	diagnose(report->out, "  ", failure->detail);
}

static void tap_begin(struct report *report)
{
	fprintf(report->out, "TAP version 14\n1..%u\n", report->totals.scripts);
}

static void tap_result(struct report *report, const struct outcome *outcome)
{
	bool skip = outcome->verdict == OUTCOME_SKIP;
	bool ok = skip || outcome->verdict == OUTCOME_PASS || outcome->verdict == OUTCOME_SAME;

	if (!ok) {
		if (outcome->reason && !outcome->failures)
			diagnose(report->out, "", outcome->reason);
		diagnose(report->out, "", outcome->diagnostics);
		for (unsigned i = 0; i < outcome->failures; i++)
			diagnose_failure(report, outcome, &outcome->failure[i]);
	}
	fprintf(report->out, "%s %u ", ok ? "ok" : "not ok", report->number);
	report_put_clean(report->out, outcome->path, put_name_byte);
	if (skip) {
		fputs(" # SKIP ", report->out);
		report_put_clean(report->out, outcome->reason ? outcome->reason : "", put_name_byte);
	} else if (!ok && outcome->verdict != OUTCOME_FAIL) {
		fprintf(report->out, " # %s", outcome_verdict_name(outcome->verdict));
	}
	putc('\n', report->out);
}

static void tap_end(struct report *report)
{
	const unsigned *count = report->totals.count;

	if (report->totals.interrupted)
		fprintf(report->out, "Bail out! interrupted\n");
	fprintf(report->out, "# Totals: pass:%u fail:%u xfail:0 xpass:0 skip:%u error:%u\n",
		count[OUTCOME_PASS] + count[OUTCOME_SAME], count[OUTCOME_FAIL] + count[OUTCOME_DIFFER] + count[OUTCOME_NOISY],
		count[OUTCOME_SKIP], count[OUTCOME_ERROR]);
}

const struct report_ops report_tap = { "tap", tap_begin, tap_result, tap_end };
