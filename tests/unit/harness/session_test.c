#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness/arena.h"
#include "harness/arena.h"
#include "harness/session.h"
#include "harness/subcommand.h"

#define SCRIPTS 12

/* What workers and this process share. */
static struct shared {
	unsigned tries[SCRIPTS];
	unsigned running, most;		/* at a time, in the runs after the first */
} *shared;

static unsigned failures[SCRIPTS];	/* so many runs of a script fail */
static bool quiet[SCRIPTS];		/* and not noisily */
static bool alike[SCRIPTS];		/* noisily, but always for the same reason */
static char told[4096];

static void begin(struct report *report)
{
	(void)report;
}

static void result(struct report *report, const struct outcome *outcome)
{
	size_t length = strlen(told);

	(void)report;
	snprintf(told + length, sizeof(told) - length, "%s:%s:%u ", outcome->path, outcome_verdict_name(outcome->verdict),
		 outcome->tries);
}

static const struct report_ops recorder = { "recorder", begin, result, begin };

static void run(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	unsigned now = __atomic_add_fetch(&shared->running, 1, __ATOMIC_SEQ_CST);
	unsigned tries = ++shared->tries[job];

	/* The first ones take longest, so that they end last. */
	usleep(2000 * (SCRIPTS - job));
	if (tries > 1 && now > shared->most)
		shared->most = now;
	outcome->verdict = tries <= failures[job] ? *(enum outcome_verdict *)context : OUTCOME_PASS;
	outcome->noisy = outcome->verdict != OUTCOME_PASS && !quiet[job];
	outcome->line = 7;
	/* Lateness is never the same twice; what the stack does is. */
	outcome->reason = outcome->noisy && !alike[job] ? arena_printf(arena, "late by %u us", tries) : "it differs";
	__atomic_sub_fetch(&shared->running, 1, __ATOMIC_SEQ_CST);
}

static int session(unsigned workers, bool real_time, enum outcome_verdict failure)
{
	static const char names[] = "abcdefghijklmnop";
	char text[SCRIPTS][2], *path[SCRIPTS];
	struct paths paths = { .path = path, .count = SCRIPTS };
	struct report report = { .ops = &recorder, .out = stdout, .target = { "a", "b" } };
	struct session all = { .paths = &paths, .workers = workers, .real_time = real_time, .report = &report, .run = run,
			       .context = &failure };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	told[0] = '\0';
	for (unsigned i = 0; i < SCRIPTS; i++) {
		snprintf(text[i], sizeof(text[i]), "%c", names[i]);
		path[i] = text[i];
	}
	return session_run(&all);
}

Test(session, told_in_the_order_given_whatever_ends_first)
{
	for (unsigned workers = 1; workers <= 8; workers *= 8) {
		cr_assert_eq(session(workers, false, OUTCOME_FAIL), EXIT_PASSED);
		cr_assert_str_eq(told, "a:pass:1 b:pass:1 c:pass:1 d:pass:1 e:pass:1 f:pass:1 g:pass:1 h:pass:1 i:pass:1 j:pass:1 "
				       "k:pass:1 l:pass:1 ");
	}
}

Test(session, a_noisy_failure_is_run_again_alone)
{
	failures[2] = 1;
	failures[7] = 3;
	failures[9] = 99;
	cr_assert_eq(session(6, true, OUTCOME_FAIL), EXIT_FAILED);
	cr_assert_str_eq(told, "a:pass:1 b:pass:1 c:pass:2 d:pass:1 e:pass:1 f:pass:1 g:pass:1 h:pass:4 i:pass:1 j:fail:4 k:pass:1 "
			       "l:pass:1 ");
	cr_assert_eq(shared->most, 1, "%u at a time", shared->most);
}

Test(session, a_noisy_failure_that_comes_out_alike_twice_is_believed)
{
	failures[3] = 99;
	alike[3] = true;
	cr_assert_eq(session(6, true, OUTCOME_FAIL), EXIT_FAILED);
	cr_assert_str_eq(told, "a:pass:1 b:pass:1 c:pass:1 d:fail:2 e:pass:1 f:pass:1 g:pass:1 h:pass:1 i:pass:1 j:pass:1 k:pass:1 "
			       "l:pass:1 ");
}

Test(session, a_comparison_that_stays_noisy_says_so)
{
	failures[0] = 99;
	cr_assert_eq(session(6, true, OUTCOME_DIFFER), EXIT_FAILED);
	cr_assert_eq(strncmp(told, "a:noisy:4 b:pass:1 ", 19), 0);
}

/* What fails the same way twice beside others fails; what does not is judged alone. */
Test(session, a_failure_beside_others_is_confirmed)
{
	failures[1] = 99;
	failures[4] = 1;
	failures[6] = 2;
	quiet[1] = quiet[4] = quiet[6] = true;
	cr_assert_eq(session(6, true, OUTCOME_FAIL), EXIT_FAILED);
	cr_assert_str_eq(told, "a:pass:1 b:fail:2 c:pass:1 d:pass:1 e:pass:3 f:pass:1 g:fail:2 h:pass:1 i:pass:1 j:pass:1 k:pass:1 "
			       "l:pass:1 ");
	cr_assert_eq(session(1, true, OUTCOME_FAIL), EXIT_FAILED);
	cr_assert_eq(strncmp(told, "a:pass:1 b:fail:1 ", 18), 0, "alone, once is enough");
}

/* In virtual time nothing is late, and a failure is a failure. */
Test(session, no_second_try_in_virtual_time)
{
	failures[0] = 1;
	cr_assert_eq(session(2, false, OUTCOME_FAIL), EXIT_FAILED);
	cr_assert_eq(strncmp(told, "a:fail:1 ", 9), 0);
}

Test(session, exit_statuses)
{
	struct report_totals totals = { 0 };

	totals.count[OUTCOME_SKIP] = 2;
	cr_assert_eq(report_exit_status(&totals), EXIT_SKIPPED);
	totals.count[OUTCOME_PASS] = 1;
	cr_assert_eq(report_exit_status(&totals), EXIT_PASSED);
	totals.count[OUTCOME_ERROR] = 1;
	cr_assert_eq(report_exit_status(&totals), EXIT_FAILED);
	totals.unreadable = 1;
	cr_assert_eq(report_exit_status(&totals), EXIT_USAGE);
}
