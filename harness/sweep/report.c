#include "report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct gathered {
	struct gathered *next;
	struct finding finding;		/* strings are the arena's */
};
struct failure {
	struct failure *next;
	const char *where, *reason;
};

struct findings {
	struct arena *arena;
	bool each;			/* every combination is a group */
	struct batch_counts counts;
	struct gathered *first;
	unsigned groups;
	struct failure *failure, **failure_last;
	const char *skipped;
};

struct findings *findings_new(bool each, struct arena *arena)
{
	struct findings *findings = arena_alloc(arena, sizeof(*findings));

	findings->arena = arena;
	findings->each = each;
	findings->failure_last = &findings->failure;
	return findings;
}

static bool same_group(const struct finding *one, const struct finding *other)
{
	return !strcmp(one->kind, other->kind) && !strcmp(one->subject, other->subject) && !strcmp(one->first, other->first) &&
	       !strcmp(one->second, other->second) && !strcmp(one->reason, other->reason);
}

static void gather(void *context, const struct finding *finding)
{
	struct findings *findings = context;
	struct gathered *gathered;

	for (gathered = findings->first; gathered; gathered = gathered->next)
		if (same_group(&gathered->finding, finding) && (!findings->each || !strcmp(gathered->finding.example, finding->example))) {
			gathered->finding.count += finding->count;
			return;
		}
	gathered = arena_alloc(findings->arena, sizeof(*gathered));
	gathered->finding = *finding;
	gathered->next = findings->first;
	findings->first = gathered;
	findings->groups++;
}

void findings_add(struct findings *findings, const char *text)
{
	batch_read(text, &findings->counts, findings->arena, gather, findings);
}

void findings_fail(struct findings *findings, const char *where, const char *reason)
{
	struct failure *failure = arena_alloc(findings->arena, sizeof(*failure));

	failure->where = arena_strdup(findings->arena, where);
	failure->reason = arena_strdup(findings->arena, reason);
	*findings->failure_last = failure;
	findings->failure_last = &failure->next;
}

void findings_skip(struct findings *findings, const char *reason)
{
	findings->skipped = arena_strdup(findings->arena, reason);
}

enum findings_verdict findings_verdict(const struct findings *findings)
{
	return findings->failure ? FINDINGS_FAILED : findings->skipped ? FINDINGS_SKIPPED :
	       findings->counts.differ ? FINDINGS_DIFFER : FINDINGS_AGREE;
}

/* --- telling ------------------------------------------------------------------------------------------------------------ */

static int rank(const struct finding *finding)
{
	static const char *const kinds[] = { "differ", "known", "skipped", "mapped" };
	int i = 0;

	while (i < 3 && strcmp(kinds[i], finding->kind))
		i++;
	return i;
}

static int by_importance(const void *one, const void *other)
{
	const struct finding *a = *(const struct finding *const *)one, *b = *(const struct finding *const *)other;
	int order = rank(a) - rank(b);

	if (order)
		return order;
	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = strcmp(a->subject, b->subject);
	return order ? order : strcmp(a->first, b->first);
}

static void put_json_text(FILE *out, const char *name, const char *text)
{
	fprintf(out, ",\"%s\":\"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		if ((unsigned char)*text >= ' ')
			fputc(*text, out);
	}
	fputc('"', out);
}

static void put_group_json(const struct finding *finding, const char *family, const struct findings_style *style)
{
	fprintf(style->out, "{\"family\":\"%s\"", family);
	put_json_text(style->out, "kind", finding->kind);
	put_json_text(style->out, "subject", finding->subject);
	if (*finding->first) {
		put_json_text(style->out, style->target[0], finding->first);
		put_json_text(style->out, style->target[1], finding->second);
	}
	if (*finding->reason)
		put_json_text(style->out, "reason", finding->reason);
	put_json_text(style->out, "example", finding->example);
	fprintf(style->out, ",\"count\":%" PRIu64 "}\n", finding->count);
}

static void put_group_text(const struct finding *finding, const struct findings_style *style)
{
	fprintf(style->out, "%-8s %7" PRIu64 "  %s%s%s\n", finding->kind, finding->count, finding->subject, *finding->reason ? ": " : "",
		finding->reason);
	if (!*finding->first)
		return;
	fprintf(style->out, "%18s%-10s%s\n%18s%-10s%s\n", "", style->target[0], finding->first, "", style->target[1], finding->second);
	fprintf(style->out, "%18s%-10s%s\n", "", "e.g.", finding->example);
}

static void put_totals(const struct findings *findings, const char *family, double seconds, const struct findings_style *style)
{
	const struct batch_counts *counts = &findings->counts;
	double share = counts->tried ? 100.0 * (double)counts->agree / (double)counts->tried : 0;

	if (style->json)
		fprintf(style->out,
			"{\"family\":\"%s\",\"kind\":\"total\",\"tried\":%" PRIu64 ",\"agree\":%" PRIu64 ",\"mapped\":%" PRIu64
			",\"known\":%" PRIu64 ",\"differ\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"unsettled\":%" PRIu64 ",\"seconds\":%.1f}\n",
			family, counts->tried, counts->agree, counts->mapped, counts->known, counts->differ, counts->skipped,
			counts->unsettled, seconds);
	else
		fprintf(style->out,
			"%s: %" PRIu64 " combinations, %" PRIu64 " agree (%.3f %%), %" PRIu64 " differ, %" PRIu64
			" known to differ; %" PRIu64 " not carried out, %" PRIu64 " compared with something mapped; %.1f s\n",
			family, counts->tried, counts->agree, share, counts->differ, counts->known, counts->skipped, counts->mapped,
			seconds);
}

void findings_report(const struct findings *findings, const char *family, double seconds, const struct findings_style *style)
{
	const struct finding **order = arena_alloc(findings->arena, (findings->groups + 1) * sizeof(*order));
	unsigned count = 0;

	for (const struct gathered *gathered = findings->first; gathered; gathered = gathered->next)
		order[count++] = &gathered->finding;
	qsort(order, count, sizeof(*order), by_importance);
	for (unsigned i = 0; i < count; i++)
		if (style->json)
			put_group_json(order[i], family, style);
		else
			put_group_text(order[i], style);
	for (const struct failure *failure = findings->failure; failure; failure = failure->next) {
		if (style->json) {
			fprintf(style->out, "{\"family\":\"%s\",\"kind\":\"error\"", family);
			put_json_text(style->out, "example", failure->where);
			put_json_text(style->out, "reason", failure->reason);
			fprintf(style->out, "}\n");
		} else {
			fprintf(style->out, "error    %s: %s\n", failure->where, failure->reason);
		}
	}
	if (findings->skipped && style->json) {
		fprintf(style->out, "{\"family\":\"%s\",\"kind\":\"skip\"", family);
		put_json_text(style->out, "reason", findings->skipped);
		fprintf(style->out, "}\n");
	} else if (findings->skipped) {
		fprintf(style->out, "%s: not carried out: %s\n", family, findings->skipped);
	}
	if (!findings->skipped)
		put_totals(findings, family, seconds, style);
}
