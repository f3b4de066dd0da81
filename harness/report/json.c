/* JSON Lines: one object a script (RFC 8259), nothing before and nothing after. */
#include "report.h"

static void put_json(FILE *out, unsigned char byte)
{
	if (byte == '"' || byte == '\\')
		fprintf(out, "\\%c", byte);
	else if (byte == '\n')
		fputs("\\n", out);
	else if (byte == '\t')
		fputs("\\t", out);
	else
		putc(byte, out);
}

static void put_string(FILE *out, const char *text)
{
	if (!text) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	report_put_clean(out, text, put_json);
	putc('"', out);
}

static void put_member(FILE *out, const char *name, const char *text)
{
	fputs(", ", out);
	put_string(out, name);
	fputs(": ", out);
	put_string(out, text);
}

static void json_begin(struct report *report)
{
	(void)report;
}

static void put_line(FILE *out, const struct outcome *outcome)
{
	if (outcome_line(outcome))
		fprintf(out, ", \"line\": %u", outcome_line(outcome));
	else
		fputs(", \"line\": null", out);
}

static void json_run(struct report *report, const struct outcome *outcome)
{
	put_member(report->out, "target", report->target[0]);
	put_member(report->out, "verdict", outcome_verdict_name(outcome->verdict));
	put_line(report->out, outcome);
	put_member(report->out, "reason", outcome_reason(outcome));
}

static void json_compare(struct report *report, const struct outcome *outcome)
{
	bool parted = outcome->verdict == OUTCOME_DIFFER || outcome->verdict == OUTCOME_NOISY;

	put_member(report->out, "verdict", outcome_verdict_name(outcome->verdict));
	put_member(report->out, report->target[0], outcome->first);
	put_member(report->out, report->target[1], outcome->second);
	put_member(report->out, "divergence", parted ? outcome_reason(outcome) : NULL);
	put_line(report->out, outcome);
	put_member(report->out, "reason", outcome_reason(outcome));
}

static void json_result(struct report *report, const struct outcome *outcome)
{
	fputs("{\"path\": ", report->out);
	put_string(report->out, outcome->path);
	if (report->comparing)
		json_compare(report, outcome);
	else
		json_run(report, outcome);
	fprintf(report->out, ", \"wall_ms\": %.3f}\n", (double)outcome->wall / 1e6);
}

static void json_end(struct report *report)
{
	(void)report;
}

const struct report_ops report_json = { "json", json_begin, json_result, json_end };
