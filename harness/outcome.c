/*
 * Packing is one walk over the members, written once and used in both directions: a packer either appends to its bytes or
 * takes from them.
 */
#include "outcome.h"

#include <string.h>

#include "arena.h"
#include "text.h"

#define NO_TEXT UINT32_MAX
#define MOST_FAILURES 100000

static const char *const verdict_names[] = {
	[OUTCOME_PASS] = "pass", [OUTCOME_FAIL] = "fail",     [OUTCOME_SKIP] = "skip",	 [OUTCOME_ERROR] = "error",
	[OUTCOME_SAME] = "same", [OUTCOME_DIFFER] = "differ", [OUTCOME_NOISY] = "noisy",
};
_Static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == OUTCOME_VERDICTS, "a name for every verdict");

const char *outcome_verdict_name(enum outcome_verdict verdict)
{
	return verdict_names[verdict];
}

unsigned outcome_line(const struct outcome *outcome)
{
	return outcome->failures ? outcome->failure[0].line : outcome->line;
}

const char *outcome_reason(const struct outcome *outcome)
{
	if (outcome->reason)
		return outcome->reason;
	return outcome->failures ? outcome->failure[0].reason : NULL;
}

struct packer {
	struct text out;		/* packing */
	const uint8_t *in;		/* unpacking; NULL when packing */
	size_t left;
	struct arena *arena;
	bool bad;
};

static void pack_bytes(struct packer *p, void *bytes, size_t length)
{
	if (!p->in) {
		text_put(&p->out, bytes, length);
		return;
	}
	if (length > p->left) {
		p->bad = true;
		memset(bytes, 0, length);
		return;
	}
	memcpy(bytes, p->in, length);
	p->in += length;
	p->left -= length;
}

static void pack_number(struct packer *p, uint32_t *number)
{
	pack_bytes(p, number, sizeof(*number));
}

static void pack_flag(struct packer *p, bool *flag)
{
	uint32_t number = *flag;

	pack_number(p, &number);
	*flag = number != 0;
}

static void pack_text(struct packer *p, const char **text)
{
	uint32_t length = !p->in && *text ? (uint32_t)strlen(*text) : NO_TEXT;

	pack_number(p, &length);
	if (!p->in) {
		if (*text)
			text_put(&p->out, *text, length);
		return;
	}
	*text = NULL;
	if (length == NO_TEXT || p->bad)
		return;
	if (length > p->left) {
		p->bad = true;
		return;
	}
	*text = arena_memdup(p->arena, p->in, length);
	p->in += length;
	p->left -= length;
}

static void pack_failure(struct packer *p, struct outcome_failure *failure)
{
	pack_text(p, &failure->file);
	pack_number(p, &failure->line);
	pack_number(p, &failure->column);
	pack_text(p, &failure->source);
	pack_text(p, &failure->reason);
	pack_text(p, &failure->detail);
	pack_text(p, &failure->suggestion);
}

static void pack_outcome(struct packer *p, struct outcome *outcome)
{
	uint32_t verdict = outcome->verdict;

	pack_text(p, &outcome->path);
	pack_number(p, &verdict);
	if (verdict >= OUTCOME_VERDICTS)
		p->bad = true;
	outcome->verdict = p->bad ? OUTCOME_ERROR : (enum outcome_verdict)verdict;
	pack_flag(p, &outcome->unreadable);
	pack_flag(p, &outcome->noisy);
	pack_number(p, &outcome->tries);
	pack_bytes(p, &outcome->lateness, sizeof(outcome->lateness));
	pack_bytes(p, &outcome->wall, sizeof(outcome->wall));
	pack_text(p, &outcome->reason);
	pack_number(p, &outcome->line);
	pack_text(p, &outcome->diagnostics);
	pack_text(p, &outcome->before);
	pack_text(p, &outcome->first);
	pack_text(p, &outcome->second);
	pack_number(p, &outcome->failures);
	if (outcome->failures > MOST_FAILURES)
		p->bad = true;
	if (p->bad)
		return;
	if (p->in)
		outcome->failure = arena_alloc(p->arena, outcome->failures * sizeof(*outcome->failure));
	for (uint32_t i = 0; i < outcome->failures && !p->bad; i++)
		pack_failure(p, &outcome->failure[i]);
}

uint8_t *outcome_pack(const struct outcome *outcome, struct arena *arena, size_t *length)
{
	struct packer p = { .out = { .arena = arena }, .arena = arena };
	struct outcome copy = *outcome;

	if (copy.failures > MOST_FAILURES)
		copy.failures = MOST_FAILURES;
	pack_outcome(&p, &copy);
	*length = p.out.length;
	return (uint8_t *)p.out.bytes;
}

bool outcome_unpack(const uint8_t *bytes, size_t length, struct arena *arena, struct outcome *outcome)
{
	struct packer p = { .in = bytes, .left = length, .arena = arena };

	memset(outcome, 0, sizeof(*outcome));
	pack_outcome(&p, outcome);
	return !p.bad && !p.left;
}
