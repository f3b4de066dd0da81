#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/arena.h"
#include "harness/outcome.h"
#include "harness/pool.h"

#define JOBS 64

enum behaviour { PASSES, CRASHES, EXITS, HANGS, LEAVES_A_CHILD, SAYS_A_LOT, DIES_LATER, TAKES_LONG };

struct trial {
	enum behaviour behaviour[JOBS];
	unsigned told[JOBS];		/* how often `done` came */
	enum outcome_verdict verdict[JOBS];
	char reason[JOBS][80];
	size_t said[JOBS];
	pid_t *child;			/* shared with the workers */
	bool stop_after_first;
};

static void run(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	struct trial *trial = context;
	pid_t child;
	char *text;

	switch (trial->behaviour[job]) {
	case PASSES:
		break;
	case CRASHES:
		signal(SIGSEGV, SIG_DFL);
		raise(SIGSEGV);
		break;
	case EXITS:
		_exit(7);
	case HANGS:
		for (;;)
			pause();
	case LEAVES_A_CHILD:
		child = fork();
		if (!child)
			for (;;)
				pause();
		*trial->child = child;
		break;
	case SAYS_A_LOT:
		text = arena_alloc(arena, 3000001);
		memset(text, 'x', 3000000);
		outcome->before = text;
		break;
	case DIES_LATER:
		ualarm(50000, 0);
		break;
	case TAKES_LONG:
		usleep(500000);
		break;
	}
	outcome->verdict = job % 2 ? OUTCOME_FAIL : OUTCOME_PASS;
	outcome->reason = arena_printf(arena, "job %u", job);
}

static void done(void *context, unsigned job, const struct outcome *outcome)
{
	struct trial *trial = context;

	trial->told[job]++;
	trial->verdict[job] = outcome->verdict;
	snprintf(trial->reason[job], sizeof(trial->reason[job]), "%s", outcome->reason);
	trial->said[job] = outcome->before ? strlen(outcome->before) : 0;
	if (trial->stop_after_first)
		raise(SIGTERM);
}

static unsigned descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

static int run_pool(struct trial *trial, unsigned workers, bool fresh, pl_time limit)
{
	unsigned job[JOBS], before = descriptors();
	struct pool pool = { .job = job, .jobs = JOBS, .workers = workers, .fresh = fresh, .limit = limit,
			     .run = run, .done = done, .context = trial };
	int result;

	for (unsigned i = 0; i < JOBS; i++)
		job[i] = JOBS - 1 - i;
	trial->child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	result = pool_run(&pool);
	cr_assert_eq(descriptors(), before, "no descriptor stays open");
	cr_assert(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "no process is left");
	return result;
}

/* Every job is told once, and those that behave have their own outcome. */
static void check(const struct trial *trial)
{
	for (unsigned i = 0; i < JOBS; i++) {
		char reason[16];

		cr_assert_eq(trial->told[i], 1, "job %u was told %u times", i, trial->told[i]);
		if (trial->behaviour[i] == CRASHES || trial->behaviour[i] == EXITS || trial->behaviour[i] == HANGS) {
			cr_assert_eq(trial->verdict[i], OUTCOME_ERROR, "job %u", i);
			continue;
		}
		snprintf(reason, sizeof(reason), "job %u", i);
		cr_assert_str_eq(trial->reason[i], reason);
		cr_assert_eq(trial->verdict[i], i % 2 ? OUTCOME_FAIL : OUTCOME_PASS);
	}
}

Test(pool, every_job_once_with_any_number_of_workers)
{
	for (unsigned workers = 1; workers <= 16; workers *= 4) {
		for (int fresh = 0; fresh < 2; fresh++) {
			struct trial trial = { 0 };

			cr_assert_eq(run_pool(&trial, workers, fresh, 0), 0);
			check(&trial);
		}
	}
}

Test(pool, a_crash_fails_its_own_job_only)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		struct trial trial = { .behaviour = { [0] = CRASHES, [1] = EXITS, [20] = CRASHES, [21] = CRASHES, [63] = EXITS } };

		cr_assert_eq(run_pool(&trial, 3, fresh, 0), 0);
		check(&trial);
		cr_assert_str_eq(trial.reason[20], "the run crashed (SIGSEGV)");
		cr_assert_str_eq(trial.reason[63], "the run ended its process (exit status 7)");
	}
}

Test(pool, a_job_that_takes_too_long_is_stopped)
{
	struct trial trial = { .behaviour = { [5] = HANGS, [40] = HANGS } };

	cr_assert_eq(run_pool(&trial, 2, false, PL_NSEC_PER_SEC / 4), 0);
	check(&trial);
	cr_assert_str_eq(trial.reason[5], "the run took longer than 0.25 s and was stopped");
}

/* Dead, though whoever adopted it may not have reaped it yet. */
static bool dead(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return true;
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z';
}

Test(pool, what_a_job_leaves_behind_is_killed)
{
	for (int fresh = 0; fresh < 2; fresh++) {
		struct trial trial = { .behaviour = { [7] = LEAVES_A_CHILD } };

		cr_assert_eq(run_pool(&trial, 2, fresh, 0), 0);
		check(&trial);
		cr_assert_gt(*trial.child, 0);
		for (int i = 0; i < 500 && !dead(*trial.child); i++)
			usleep(10000);
		cr_assert(dead(*trial.child));
	}
}

Test(pool, long_outcomes_arrive_whole)
{
	struct trial trial = { .behaviour = { [3] = SAYS_A_LOT, [4] = SAYS_A_LOT, [5] = SAYS_A_LOT } };

	cr_assert_eq(run_pool(&trial, 2, false, 0), 0);
	check(&trial);
	cr_assert_eq(trial.said[3], 3000000);
	cr_assert_eq(trial.said[5], 3000000);
}

/* All jobs have their outcomes; the worker that dies has none to answer for. Each of the two has a worker of its own. */
Test(pool, a_worker_that_does_not_end_well)
{
	struct trial trial = { .behaviour = { DIES_LATER, TAKES_LONG } };
	struct pool pool = { .job = (unsigned[]){ 0, 1 }, .jobs = 2, .workers = 2, .run = run, .done = done, .context = &trial };

	cr_assert_eq(pool_run(&pool), -ECHILD);
	cr_assert_eq(trial.told[0], 1);
	cr_assert_eq(trial.told[1], 1);
	cr_assert_str_eq(trial.reason[0], "job 0");
	cr_assert_str_eq(trial.reason[1], "job 1");
}

Test(pool, a_signal_ends_everything)
{
	struct trial trial = { .stop_after_first = true };
	unsigned told = 0;

	for (unsigned i = 0; i < JOBS - 1; i++)
		trial.behaviour[i] = HANGS;
	cr_assert_eq(run_pool(&trial, 4, true, 0), SIGTERM);
	for (unsigned i = 0; i < JOBS; i++)
		told += trial.told[i];
	cr_assert_eq(told, 1);
}
