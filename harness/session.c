#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "subcommand.h"
#include "target/live.h"

#define NOISY_TRIES 4		/* runs of one script alone at most, the first included */

/*
 * In real time, scripts that run beside each other disturb each other. First all run; those that failed run once more, still
 * beside each other, unless they were noisy; and those that were, or that did not fail at the same line twice, run alone, until a
 * run is not noisy or fails for the same reason, to the letter, as the one before.
 */
enum phase { PHASE_ALL, PHASE_CONFIRM, PHASE_ALONE };
#define CONFIRM_MOST (5 * PL_NSEC_PER_SEC)	/* a quiet failure of a script that takes longer than this is believed at once */

/* What is known of one script. The arena holds the outcome until it is reported. */
struct slot {
	struct arena *arena;		/* NULL: none yet, or reported */
	struct outcome outcome;
	unsigned tries;
	bool settled;
	enum phase next;		/* when it is to run again, if it is not settled */
};

struct session_state {
	const struct session *session;
	struct slot *slot;
	unsigned reported, settled;
	enum phase phase;
	bool progress;			/* standard error is a terminal */
	bool ended_badly;		/* a worker, after its last script */
};

static pl_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

/* The line at the bottom of the terminal, gone before anything else is written. */
static void progress_clear(const struct session_state *state)
{
	if (state->progress)
		fputs("\r\033[K", stderr);
}

static void progress_show(const struct session_state *state, const char *what)
{
	const unsigned *count = state->session->report->totals.count;
	unsigned bad = count[OUTCOME_FAIL] + count[OUTCOME_ERROR] + count[OUTCOME_DIFFER] + count[OUTCOME_NOISY];

	if (!state->progress)
		return;
	fprintf(stderr, "\r\033[K[%u/%u]", state->settled, state->session->paths->count);
	if (bad)
		fprintf(stderr, " %u failed", bad);
	fprintf(stderr, " %.60s", what);
	fflush(stderr);
}

/* Everything that is settled and whose turn it is. */
static void report_settled(struct session_state *state, bool all)
{
	const struct session *session = state->session;

	while (state->reported < session->paths->count) {
		struct slot *slot = &state->slot[state->reported];

		if (!slot->settled && !all)
			break;
		state->reported++;
		if (!slot->settled)
			continue;
		progress_clear(state);
		report_result(session->report, &slot->outcome);
		arena_free(slot->arena);
		slot->arena = NULL;
	}
}

static bool failed(const struct outcome *outcome)
{
	return outcome->verdict == OUTCOME_FAIL || outcome->verdict == OUTCOME_DIFFER;
}

/* The outcome as our own: the pool's is gone when `done` returns. */
static void keep(struct slot *slot, const struct outcome *outcome, const char *path)
{
	size_t length;
	uint8_t *bytes;

	arena_free(slot->arena);
	slot->arena = arena_new();
	bytes = outcome_pack(outcome, slot->arena, &length);
	outcome_unpack(bytes, length, slot->arena, &slot->outcome);
	slot->outcome.path = path;
	slot->outcome.tries = slot->tries;
}

/* A noisy failure that is still there when nothing else ran beside it, or when there is no time to run it again. */
static void settle_noisy(struct slot *slot)
{
	slot->settled = true;
	if (slot->outcome.verdict == OUTCOME_DIFFER)
		slot->outcome.verdict = OUTCOME_NOISY;
}

/* How a script failed, told from how it failed before. */
struct way {
	unsigned line;		/* 0: it did not */
	uint64_t reason;	/* a hash */
};

static struct way way_of(const struct slot *slot)
{
	struct way way = { 0 };
	const char *reason;

	if (!slot->arena || !failed(&slot->outcome))
		return way;
	way.line = outcome_line(&slot->outcome);
	reason = outcome_reason(&slot->outcome);
	for (way.reason = 14695981039346656037u; reason && *reason; reason++)	/* FNV-1a */
		way.reason = (way.reason ^ (uint8_t)*reason) * 1099511628211u;
	return way;
}

/* Whether what came of a script is final; else slot->next says when it is to run again. */
static bool final(const struct session_state *state, struct slot *slot, struct way before)
{
	bool bad = failed(&slot->outcome), noisy = bad && slot->outcome.noisy;
	bool confirm = state->session->workers > 1 && slot->outcome.wall <= CONFIRM_MOST;
	struct way way = way_of(slot);
	bool same_line = bad && way.line == before.line;

	slot->next = PHASE_ALONE;
	if (!state->session->real_time)
		return true;
	switch (state->phase) {
	case PHASE_ALL:
		if (!noisy && confirm)
			slot->next = PHASE_CONFIRM;
		return !bad || (!noisy && !confirm);
	case PHASE_CONFIRM:
		return same_line && !noisy;
	case PHASE_ALONE:
		return !noisy || (same_line && way.reason == before.reason) || slot->tries >= NOISY_TRIES;
	}
	return true;
}

static void on_done(void *context, unsigned job, const struct outcome *outcome)
{
	struct session_state *state = context;
	struct slot *slot = &state->slot[job];
	struct way before = way_of(slot);

	slot->tries++;
	keep(slot, outcome, state->session->paths->path[job]);
	slot->settled = final(state, slot, before);
	if (slot->settled && failed(&slot->outcome) && slot->outcome.noisy && state->session->real_time &&
	    way_of(slot).reason != before.reason)
		settle_noisy(slot);
	state->settled += slot->settled;
	if (slot->settled)
		report_settled(state, false);
	progress_show(state, state->session->paths->path[job]);
}

static void run_job(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	const struct session_state *state = context;

	state->session->run(state->session->context, job, arena, outcome);
}

/* The scripts whose turn it is in this phase, through so many workers: 0, or a signal or error as pool_run has it. */
static int run_phase(struct session_state *state, enum phase phase, unsigned workers)
{
	const struct session *session = state->session;
	unsigned *job = calloc(session->paths->count + 1, sizeof(*job)), jobs = 0;
	struct pool pool = {
		.job = job, .fresh = session->real_time, .limit = session->limit,
		.run = run_job, .done = on_done, .context = state,
		.watched = session->live ? live_watched : NULL, .readable = live_readable, .live = session->live,
	};
	int result;

	if (!job)
		abort();
	state->phase = phase;
	for (unsigned i = 0; i < session->paths->count; i++)
		if (!state->slot[i].settled && state->slot[i].next == phase)
			job[jobs++] = i;
	pool.jobs = jobs;
	pool.workers = workers < jobs ? workers : jobs;
	result = jobs ? pool_run(&pool) : 0;
	free(job);
	if (result == -ECHILD) {
		state->ended_badly = true;
		result = 0;
	}
	return result;
}

int session_run(const struct session *session)
{
	struct session_state state = { .session = session, .progress = isatty(STDERR_FILENO) };
	struct report *report = session->report;
	pl_time start = now();
	int result;

	state.slot = calloc(session->paths->count + 1, sizeof(*state.slot));
	if (!state.slot)
		abort();
	report->totals.scripts = session->paths->count;
	report_begin(report);
	result = run_phase(&state, PHASE_ALL, session->workers);
	if (!result)
		result = run_phase(&state, PHASE_CONFIRM, session->workers);
	while (!result && state.settled < session->paths->count)
		result = run_phase(&state, PHASE_ALONE, 1);
	for (unsigned i = 0; i < session->paths->count; i++)
		if (state.slot[i].arena && !state.slot[i].settled)
			settle_noisy(&state.slot[i]);
	report->totals.interrupted = result != 0;
	report_settled(&state, true);
	progress_clear(&state);
	report->totals.wall = now() - start;
	report_end(report);
	for (unsigned i = 0; i < session->paths->count; i++)
		arena_free(state.slot[i].arena);
	free(state.slot);
	if (result < 0)
		fprintf(stderr, "plumbline: no worker process can be started: %s\n", strerror(-result));
	if (state.ended_badly)
		fprintf(stderr, "plumbline: a worker process did not end well\n");
	if (result > 0)
		return -result;
	return result || state.ended_badly ? EXIT_FAILED : report_exit_status(&report->totals);
}
