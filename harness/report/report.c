#include "report.h"

#include <string.h>

static const struct report_ops *const formats[] = { &report_pretty, &report_tap, &report_junit, &report_json };

const char report_names[] = "pretty, tap, junit, json";

const struct report_ops *report_find(const char *name)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(formats[i]->name, name))
			return formats[i];
	return NULL;
}

void report_begin(struct report *report)
{
	report->ops->begin(report);
}

void report_result(struct report *report, const struct outcome *outcome)
{
	report->number++;
	report->totals.count[outcome->verdict]++;
	report->totals.unreadable += outcome->unreadable;
	report->ops->result(report, outcome);
	fflush(report->out);
}

void report_end(struct report *report)
{
	report->ops->end(report);
	fflush(report->out);
}

int report_exit_status(const struct report_totals *totals)
{
	const unsigned *count = totals->count;

	if (totals->unreadable)
		return 2;
	if (count[OUTCOME_FAIL] || count[OUTCOME_ERROR] || count[OUTCOME_DIFFER] || count[OUTCOME_NOISY] || totals->interrupted)
		return 1;
	if (count[OUTCOME_SKIP] && !count[OUTCOME_PASS] && !count[OUTCOME_SAME])
		return 4;
	return 0;
}

/* Length of the UTF-8 sequence at `text`; 0 when it is not one (RFC 3629: no overlong forms, surrogates, or beyond U+10FFFF). */
static size_t sequence(const unsigned char *text)
{
	static const struct {
		unsigned char first, last, second_least, second_most, length;
	} forms[] = {
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (text[0] < forms[i].first || text[0] > forms[i].last)
			continue;
		if (text[1] < forms[i].second_least || text[1] > forms[i].second_most)
			return 0;
		for (size_t j = 2; j < forms[i].length; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return forms[i].length;
	}
	return 0;
}

/* U+FFFE and U+FFFF are not characters, and XML refuses them. */
static bool noncharacter(const unsigned char *text)
{
	return text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xbe;
}

void report_put_clean(FILE *out, const char *text, void (*put)(FILE *out, unsigned char byte))
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = *at < 0x80 ? 1 : sequence(at);

		if (!length || *at == 0x7f || (*at < 0x20 && *at != '\t' && *at != '\n') || (length == 3 && noncharacter(at))) {
			char escaped[8];

			snprintf(escaped, sizeof(escaped), "\\x%02x", *at++);
			for (const char *byte = escaped; *byte; byte++)
				put(out, (unsigned char)*byte);
			continue;
		}
		while (length--)
			put(out, *at++);
	}
}
