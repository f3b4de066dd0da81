/*
 * In the process of a batch: both targets, combination by combination, and what came of it.
 *
 * A difference is believed when it comes out alike a second time; on a busy machine the kernel may do a little later what it
 * nearly always does at once. One that does not is tried again, and is unsettled if it never comes out alike.
 *
 * Findings of one kind, subject, outcomes and reason are one group: counted, with the first combination as the example. They
 * travel as lines of fields.
 */
#include "batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES 4
#define FIELD '\x1f'			/* between the fields of a finding */
#define BUCKETS 1024

struct group {
	struct group *next;
	char *key;			/* kind, subject, first, second, reason: as fields */
	const char *example;
	uint64_t count;
};

struct run {
	const struct sweep *sweep;
	unsigned number;
	struct arena *arena;
	struct side side[2];
	struct batch_counts counts;
	struct group *bucket[BUCKETS];
	struct text scratch;
};

static unsigned hash(const char *text)
{
	uint32_t value = 2166136261u;

	while (*text)
		value = (value ^ (uint8_t)*text++) * 16777619u;
	return value % BUCKETS;
}

static const char *combination_text(struct run *run, const struct combination *combination,
				    void (*print)(const struct combination *, struct text *))
{
	struct text text = { .arena = run->arena };

	print(combination, &text);
	return text_get(&text);
}

static void found(struct run *run, const char *kind, const struct combination *combination, const char *first,
		  const char *second, const char *reason)
{
	struct group **at;

	run->scratch.length = 0;
	text_add(&run->scratch, "%s%c", kind, FIELD);
	combination_subject(combination, &run->scratch);
	text_add(&run->scratch, "%c%s%c%s%c%s", FIELD, first, FIELD, second, FIELD, reason);
	if (run->sweep->all && !strcmp(kind, "differ")) {
		text_add(&run->scratch, "%c", FIELD);
		combination_print(combination, &run->scratch);
	}
	for (at = &run->bucket[hash(run->scratch.bytes)]; *at; at = &(*at)->next)
		if (!strcmp((*at)->key, run->scratch.bytes)) {
			(*at)->count++;
			return;
		}
	*at = arena_alloc(run->arena, sizeof(**at));
	(*at)->key = arena_strdup(run->arena, run->scratch.bytes);
	(*at)->example = combination_text(run, combination, combination_print);
	(*at)->count = 1;
}

static bool record_same(const struct record *first, const struct record *second)
{
	return !strcmp(first->what, second->what) && first->result == second->result && first->length == second->length &&
	       !memcmp(first->bytes, second->bytes, first->length);
}

/* The first record in which the sides part; -1: they agree. */
static int divergence(const struct side *first, const struct side *second)
{
	unsigned i;

	for (i = 0; i < first->records && i < second->records; i++)
		if (!record_same(&first->record[i], &second->record[i]))
			return (int)i;
	return first->records == second->records && first->overflow == second->overflow ? -1 : (int)i;
}

/* What a side gave there. Where the results differ already, the bytes say nothing more, and would only make many groups of one. */
static const char *side_text(struct run *run, unsigned which, int at)
{
	const struct side *side = &run->side[which], *other = &run->side[!which];
	struct text text = { .arena = run->arena };
	struct record record;

	if (at >= (int)side->records)
		return "nothing more";
	record = side->record[at];
	if (!record.bare && at < (int)other->records && record.result != other->record[at].result)
		record.length = 0;
	record_print(&record, &text);
	return text_get(&text);
}

/* Both sides once; where they part. */
static int try_once(struct run *run, const struct combination *combination, const char **mapped)
{
	for (unsigned i = 0; i < 2; i++) {
		side_run(&run->side[i], combination);
		*mapped = exception_map(combination, run->side[i].record, run->side[i].records);
	}
	return divergence(&run->side[0], &run->side[1]);
}

static void carry_out(void *context, const struct combination *combination)
{
	struct run *run = context;
	const char *first = "", *second = "", *mapped = NULL, *reason = exception_skip(combination);
	bool settled = false;
	int at = -1;

	run->sweep->progress[run->number] = *combination;
	if (reason) {
		run->counts.skipped++;
		found(run, "skipped", combination, "", "", reason);
		return;
	}
	run->counts.tried++;
	for (unsigned i = 0; i < TRIES && !settled; i++) {
		const char *before[2] = { first, second };

		at = try_once(run, combination, &mapped);
		if (at < 0)
			break;
		first = side_text(run, 0, at);
		second = side_text(run, 1, at);
		settled = i && !strcmp(first, before[0]) && !strcmp(second, before[1]);
	}
	if (at < 0) {
		run->counts.agree++;
		if (mapped) {
			run->counts.mapped++;
			found(run, "mapped", combination, "", "", mapped);
		}
		return;
	}
	run->counts.unsettled += !settled;
	reason = exception_known(combination, &run->side[0], &run->side[1]);
	if (reason)
		run->counts.known++;
	else
		run->counts.differ++;
	found(run, reason ? "known" : "differ", combination, first, second, reason ? reason : "");
}

static const char *findings(struct run *run)
{
	struct text text = { .arena = run->arena };
	const struct batch_counts *counts = &run->counts;

	text_add(&text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", counts->tried,
		 counts->agree, counts->mapped, counts->differ, counts->known, counts->skipped, counts->unsettled);
	for (unsigned i = 0; i < BUCKETS; i++)
		for (const struct group *group = run->bucket[i]; group; group = group->next) {
			const char *fifth = group->key;

			for (unsigned f = 0; f < 4; f++)
				fifth = strchr(fifth, FIELD) + 1;
			/* With --all the key ends in the combination, which the example says, too. */
			text_add(&text, "%.*s%c%s%c%" PRIu64 "\n",
				 (int)(fifth - group->key) + (int)strcspn(fifth, "\x1f"), group->key, FIELD, group->example, FIELD,
				 group->count);
		}
	return text_get(&text);
}

void batch_run(const struct sweep *sweep, unsigned number, const struct combination *first, struct arena *arena,
	       struct outcome *outcome)
{
	struct run *run = arena_alloc(arena, sizeof(*run));
	const char *error = NULL;

	run->sweep = sweep;
	run->number = number;
	run->arena = arena;
	run->scratch.arena = arena;
	for (unsigned i = 0; i < 2; i++) {
		int status = side_open(&run->side[i], sweep->ops[i], sweep->machine, first->probe->packet_level, arena,
				       &error);

		if (status < 0) {
			outcome->verdict = status == TARGET_UNAVAILABLE ? OUTCOME_SKIP : OUTCOME_ERROR;
			outcome->reason = arena_printf(arena, "%s: %s", sweep->ops[i]->name, error ? error : strerror(-status));
			if (i)
				side_close(&run->side[0]);
			return;
		}
		if (!first->privileged)
			side_unprivileged(&run->side[i]);
	}
	combinations_visit(first, &sweep->filter, arena, carry_out, run);
	for (unsigned i = 0; i < 2; i++)
		side_close(&run->side[i]);
	outcome->verdict = run->counts.differ ? OUTCOME_DIFFER : OUTCOME_SAME;
	outcome->diagnostics = findings(run);
}

/* --- reading ------------------------------------------------------------------------------------------------------------ */

void batch_read(const char *text, struct batch_counts *counts, struct arena *arena,
		void (*visit)(void *context, const struct finding *finding), void *context)
{
	char *copy = arena_strdup(arena, text), *rest = NULL, *line = strtok_r(copy, "\n", &rest);
	struct batch_counts more = { 0 };

	if (!line || sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &more.tried,
			    &more.agree, &more.mapped, &more.differ, &more.known, &more.skipped, &more.unsettled) != 7)
		return;
	counts->tried += more.tried;
	counts->agree += more.agree;
	counts->mapped += more.mapped;
	counts->differ += more.differ;
	counts->known += more.known;
	counts->skipped += more.skipped;
	counts->unsettled += more.unsettled;
	while ((line = strtok_r(NULL, "\n", &rest))) {
		const char *field[7];
		unsigned fields = 0;

		while (line && fields < 7) {
			char *end = strchr(line, FIELD);

			if (end)
				*end++ = '\0';
			field[fields++] = line;
			line = end;
		}
		if (fields == 7)
			visit(context, &(struct finding){ field[0], field[1], field[2], field[3], field[4], field[5],
							  strtoull(field[6], NULL, 10) });
	}
}
