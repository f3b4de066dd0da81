/*
 * JUnit XML as CI servers read it, with everything that the stricter of the schemas in use (JUnit.xsd of the Ant task) demands.
 * The suite's counts stand in its start tag, so the cases are held back until all have come.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

static void put_xml(FILE *out, unsigned char byte)
{
	if (byte == '<')
		fputs("&lt;", out);
	else if (byte == '>')
		fputs("&gt;", out);
	else if (byte == '&')
		fputs("&amp;", out);
	else if (byte == '"')
		fputs("&quot;", out);
	else
		putc(byte, out);
}

/* Inside an attribute, a line end would be read as a space. */
static void put_xml_attribute(FILE *out, unsigned char byte)
{
	if (byte == '\n')
		fputs("&#10;", out);
	else if (byte == '\t')
		fputs("&#9;", out);
	else
		put_xml(out, byte);
}

static void put_attribute(FILE *out, const char *name, const char *text)
{
	fprintf(out, " %s=\"", name);
	report_put_clean(out, text, put_xml_attribute);
	putc('"', out);
}

static void junit_begin(struct report *report)
{
	report->held = open_memstream(&report->held_text, &report->held_length);
	if (!report->held)
		abort();
}

static void put_text(FILE *out, const char *text)
{
	if (text && *text) {
		report_put_clean(out, text, put_xml);
		putc('\n', out);
	}
}

static void put_failures(FILE *out, const struct outcome *outcome)
{
	for (unsigned i = 0; i < outcome->failures; i++) {
		const struct outcome_failure *failure = &outcome->failure[i];

		report_put_clean(out, failure->file ? failure->file : outcome->path, put_xml);
		fprintf(out, ":%u: ", failure->line);
		put_text(out, failure->reason ? failure->reason : "failed");
		put_text(out, failure->source);
		put_text(out, failure->detail);
	}
	put_text(out, outcome->diagnostics);
	put_text(out, outcome->before);
}

/* The element that says why a case did not pass. */
static void put_outcome(FILE *out, const char *element, const struct outcome *outcome)
{
	const char *reason = outcome_reason(outcome);

	fprintf(out, "      <%s", element);
	put_attribute(out, "message", reason ? reason : outcome_verdict_name(outcome->verdict));
	if (outcome->verdict == OUTCOME_SKIP) {
		fputs("/>\n", out);
		return;
	}
	put_attribute(out, "type", outcome_verdict_name(outcome->verdict));
	putc('>', out);
	put_failures(out, outcome);
	fprintf(out, "</%s>\n", element);
}

/* "a/b/c.pkt": the case "c.pkt" of the class "a.b". */
static void put_case_name(FILE *out, const char *path)
{
	const char *slash;
	char *folder;

	while (!strncmp(path, "./", 2))
		path += 2;
	slash = strrchr(path, '/');
	folder = strndup(path, slash ? (size_t)(slash - path) : 0);

	if (!folder)
		abort();
	for (char *byte = folder; *byte; byte++)
		if (*byte == '/')
			*byte = '.';
	put_attribute(out, "classname", *folder ? folder : "plumbline");
	put_attribute(out, "name", slash ? slash + 1 : path);
	free(folder);
}

static void junit_result(struct report *report, const struct outcome *outcome)
{
	FILE *out = report->held;

	fputs("    <testcase", out);
	put_case_name(out, outcome->path);
	fprintf(out, " time=\"%.6f\"", (double)outcome->wall / 1e9);
	if (outcome->verdict == OUTCOME_PASS || outcome->verdict == OUTCOME_SAME) {
		fputs("/>\n", out);
		return;
	}
	fputs(">\n", out);
	switch (outcome->verdict) {
	case OUTCOME_SKIP:
		put_outcome(out, "skipped", outcome);
		break;
	case OUTCOME_ERROR:
		put_outcome(out, "error", outcome);
		break;
	case OUTCOME_PASS:
	case OUTCOME_SAME:
	case OUTCOME_FAIL:
	case OUTCOME_DIFFER:
	case OUTCOME_NOISY:
	case OUTCOME_VERDICTS:
		put_outcome(out, "failure", outcome);
		break;
	}
	fputs("    </testcase>\n", out);
}

static void put_counts(struct report *report)
{
	const unsigned *count = report->totals.count;

	fprintf(report->out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"%.6f\"", report->number,
		count[OUTCOME_FAIL] + count[OUTCOME_DIFFER] + count[OUTCOME_NOISY], count[OUTCOME_ERROR], count[OUTCOME_SKIP],
		(double)report->totals.wall / 1e9);
}

static void put_suite(struct report *report)
{
	char stamp[32];
	time_t start = time(NULL) - (time_t)(report->totals.wall / PL_NSEC_PER_SEC);
	struct tm when;

	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&start, &when));
	fputs("  <testsuite name=\"", report->out);
	fputs(report->comparing ? "plumbline compare " : "plumbline run ", report->out);
	report_put_clean(report->out, report->target[0], put_xml_attribute);
	if (report->comparing) {
		putc(' ', report->out);
		report_put_clean(report->out, report->target[1], put_xml_attribute);
	}
	fprintf(report->out, "\" package=\"plumbline\" id=\"0\" hostname=\"localhost\" timestamp=\"%s\"", stamp);
	put_counts(report);
	fputs(">\n    <properties/>\n", report->out);
}

static void junit_end(struct report *report)
{
	fclose(report->held);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n", report->out);
	put_suite(report);
	fwrite(report->held_text, 1, report->held_length, report->out);
	fputs("    <system-out/>\n    <system-err/>\n  </testsuite>\n</testsuites>\n", report->out);
	free(report->held_text);
}

const struct report_ops report_junit = { "junit", junit_begin, junit_result, junit_end };
