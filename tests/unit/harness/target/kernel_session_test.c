/* What a run widens is put back when the last run has ended, however they end. On files that stand for the tunables. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/arena.h"
#include "harness/target/kernel_session.h"

static char folder[] = "/tmp/session_test_XXXXXX", allowed[64], available[64], state[64];
static struct session_files files = { allowed, available, state };
static struct arena *arena;
static const char *note;

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

static const char *allowed_now(void)
{
	static char text[128];
	FILE *file = fopen(allowed, "r");

	cr_assert(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static void setup(void)
{
	arena = arena_new();
	cr_assert(mkdtemp(folder));
	snprintf(allowed, sizeof(allowed), "%s/allowed", folder);
	snprintf(available, sizeof(available), "%s/available", folder);
	snprintf(state, sizeof(state), "%s/state", folder);
	put(allowed, "reno\n");
	put(available, "reno cubic bbr\n");
}

static void teardown(void)
{
	unlink(allowed);
	unlink(available);
	unlink(state);
	rmdir(folder);
	arena_free(arena);
}

TestSuite(kernel_session, .init = setup, .fini = teardown, .timeout = 60);

Test(kernel_session, widens_and_restores)
{
	struct target_session *session = session_begin(&files, arena, &note);

	cr_assert_null(note);
	cr_assert_str_eq(allowed_now(), "reno cubic bbr");
	kernel_session_end(session);
	cr_assert_str_eq(allowed_now(), "reno");
	cr_assert_neq(access(state, F_OK), 0);
}

Test(kernel_session, leaves_alone_what_suffices)
{
	struct target_session *session;

	put(allowed, "bbr reno cubic\n");
	session = session_begin(&files, arena, &note);
	cr_assert_neq(access(state, F_OK), 0);
	kernel_session_end(session);
	cr_assert_str_eq(allowed_now(), "bbr reno cubic");
}

Test(kernel_session, the_last_one_restores)
{
	struct target_session *first = session_begin(&files, arena, &note), *second = session_begin(&files, arena, &note), *third;

	kernel_session_end(first);
	cr_assert_str_eq(allowed_now(), "reno cubic bbr");
	third = session_begin(&files, arena, &note);
	kernel_session_end(second);
	cr_assert_str_eq(allowed_now(), "reno cubic bbr");
	kernel_session_end(third);
	cr_assert_str_eq(allowed_now(), "reno");
	cr_assert_neq(access(state, F_OK), 0);
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* A process that has begun a session and sleeps. */
static pid_t begun_elsewhere(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		session_begin(&files, arena, &note);
		(void)!write(ready[1], "", 1);
		for (;;)
			pause();
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void state_gone(void)
{
	for (int i = 0; i < 5000 && access(state, F_OK) == 0; i++)
		nap();
	cr_assert_neq(access(state, F_OK), 0);
}

Test(kernel_session, a_killed_run_restores)
{
	pid_t pid = begun_elsewhere();

	cr_assert_str_eq(allowed_now(), "reno cubic bbr");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	state_gone();
	cr_assert_str_eq(allowed_now(), "reno");
}

Test(kernel_session, a_killed_run_does_not_restore_under_another)
{
	struct target_session *session;
	pid_t pid = begun_elsewhere();

	session = session_begin(&files, arena, &note);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 50; i++)
		nap();
	cr_assert_str_eq(allowed_now(), "reno cubic bbr");
	kernel_session_end(session);
	cr_assert_str_eq(allowed_now(), "reno");
}

Test(kernel_session, goes_on_from_what_a_killed_guardian_left)
{
	struct target_session *session;

	put(state, "reno\nreno cubic bbr\n");
	put(allowed, "reno cubic bbr\n");
	session = session_begin(&files, arena, &note);
	kernel_session_end(session);
	cr_assert_str_eq(allowed_now(), "reno");
	cr_assert_neq(access(state, F_OK), 0);
}

Test(kernel_session, respects_what_others_set_meanwhile)
{
	struct target_session *session = session_begin(&files, arena, &note);

	put(allowed, "bbr\n");
	kernel_session_end(session);
	cr_assert_str_eq(allowed_now(), "bbr");
}

Test(kernel_session, says_what_it_may_not)
{
	struct target_session *session;

	strcat(state, "/not-a-folder/state");
	session = session_begin(&files, arena, &note);
	cr_assert(note && strstr(note, "\"reno\""));
	cr_assert_str_eq(allowed_now(), "reno");
	kernel_session_end(session);
	kernel_session_end(NULL);
}
