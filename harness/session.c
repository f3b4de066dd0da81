#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "subcommand.h"

#define NOISY_TRIES 4		/* runs of one script at most */

/* What is known of one script. The arena holds the outcome until it is reported. */
struct slot {
	struct arena *arena;		/* NULL: none yet, or reported */
	struct outcome outcome;
	unsigned tries;
	bool settled;
};

struct session_state {
	const struct session *session;
	struct slot *slot;
	unsigned reported, settled;
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

static void on_done(void *context, unsigned job, const struct outcome *outcome)
{
	struct session_state *state = context;
	struct slot *slot = &state->slot[job];
	bool noisy;

	slot->tries++;
	keep(slot, outcome, state->session->paths->path[job]);
	noisy = state->session->real_time && failed(outcome) && outcome->noisy;
	slot->settled = !noisy || slot->tries == NOISY_TRIES;
	if (noisy && slot->settled)
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

/* The scripts not settled, through so many workers: 0, or a signal or error as pool_run has it. */
static int run_unsettled(struct session_state *state, unsigned workers)
{
	const struct session *session = state->session;
	unsigned *job = calloc(session->paths->count + 1, sizeof(*job)), jobs = 0;
	struct pool pool = {
		.job = job, .fresh = session->real_time, .limit = session->limit,
		.run = run_job, .done = on_done, .context = state,
	};
	int result;

	if (!job)
		abort();
	for (unsigned i = 0; i < session->paths->count; i++)
		if (!state->slot[i].settled)
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
	result = run_unsettled(&state, session->workers);
	for (unsigned tries = 1; !result && state.settled < session->paths->count && tries < NOISY_TRIES; tries++)
		result = run_unsettled(&state, 1);
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
