/*
 * The pool.
 *
 * Each worker has a socket pair: numbers of jobs go in, frames (length, job, packed outcome) come back. A worker holds a few jobs
 * at a time so that it need not wait for the next between two short ones; it takes them in the order in which they were sent,
 * so when it dies, the first one not answered is the one that killed it, and the others go to another worker. Death is
 * seen on a pidfd rather than at the end of the socket, which a grandchild may still hold open.
 *
 * A worker leads a process group of its own. Whatever a job started and left behind is killed with the group.
 */
#include "pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena.h"
#include "outcome.h"

#define AHEAD 8				/* jobs that a worker holds at most */
#define DISMISS_WAIT (2 * PL_NSEC_PER_SEC)	/* for a worker without a job to end by itself */
#define FRAME_MOST (64u << 20)		/* no outcome is as long as this */

struct frame {
	uint32_t length, job;
};

struct worker {
	pid_t pid;			/* 0: there is none */
	int pidfd, socket;
	unsigned held[AHEAD], holds;	/* jobs sent and not answered, oldest first */
	pl_time since;			/* when it got to the oldest one */
	bool late;			/* killed for taking too long */
	uint8_t *bytes;			/* of frames, as far as they have come */
	size_t length, room;
};

struct pool_state {
	const struct pool *pool;
	struct worker *worker;
	struct pollfd *wait;		/* two a worker, then those of pool->watched */
	struct arena *arena;
	unsigned next;			/* of pool->job */
	unsigned *again, agains;	/* jobs to hand out again */
	unsigned finished;
	int failed;			/* errno of making a worker */
	bool ended_badly;		/* a worker, after it had answered for all its jobs */
	sigset_t outside;		/* the signal mask to wait with */
};

static volatile sig_atomic_t stop_signal;

/* Back from the background: what is watched may be another. */
static void on_continue(int number)
{
}

static void on_stop(int number)
{
	stop_signal = number;
}

/* A signal that whoever started us has us ignore stays ignored. */
static void catch_stop(int number, struct sigaction *old)
{
	struct sigaction stop = { .sa_handler = on_stop };

	sigaction(number, NULL, old);
	if (old->sa_handler != SIG_IGN)
		sigaction(number, &stop, NULL);
}

static pl_time now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

/* --- in the worker --------------------------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	while (length) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return false;
		at += sent;
		length -= (size_t)sent;
	}
	return true;
}

static void worker_set_up(pid_t parent)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);
	sigaction(SIGINT, &plain, NULL);
	sigaction(SIGTERM, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* What a script's commands print must not get between the lines of the report. */
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
}

/* Of the address sanitizer, where the program is built with it: whether memory was lost, told on standard error. */
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

/* Until no more jobs come. The process's exit status. */
static int worker_main(const struct pool *pool, int fd)
{
	struct arena *arena = arena_new();
	uint32_t job;

	do {
		struct outcome outcome = { .tries = 1 };
		struct frame frame;
		uint8_t *bytes;
		size_t length;

		if (recv(fd, &job, sizeof(job), MSG_WAITALL) != sizeof(job))
			break;
		pool->run(pool->context, job, arena, &outcome);
		bytes = outcome_pack(&outcome, arena, &length);
		frame = (struct frame){ .length = (uint32_t)length, .job = job };
		if (!write_all(fd, &frame, sizeof(frame)) || !write_all(fd, bytes, length))
			break;
		arena_reset(arena);
	} while (!pool->fresh);
	arena_free(arena);
	/* A process with a single job may sit in namespaces in which the sanitizer cannot look at it. */
	return !pool->fresh && __lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check() ? 1 : 0;
}

/* --- in the parent --------------------------------------------------------------------------------------------------- */

static bool worker_start(struct pool_state *state, struct worker *worker)
{
	pid_t parent = getpid();
	int pair[2], status;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		state->failed = errno;
		return false;
	}
	fflush(NULL);
	worker->pid = fork();
	if (worker->pid == 0) {
		for (unsigned i = 0; i < state->pool->workers; i++)
			if (state->worker[i].pid > 0 && &state->worker[i] != worker) {
				close(state->worker[i].socket);
				close(state->worker[i].pidfd);
			}
		close(pair[0]);
		worker_set_up(parent);
		status = worker_main(state->pool, pair[1]);
		fflush(NULL);
		_exit(status);
	}
	state->failed = worker->pid < 0 ? errno : 0;
	close(pair[1]);
	worker->socket = pair[0];
	worker->pidfd = worker->pid > 0 ? pidfd_open(worker->pid, 0) : -1;
	if (worker->pid > 0 && worker->pidfd < 0) {
		state->failed = errno;
		kill(worker->pid, SIGKILL);
		waitpid(worker->pid, NULL, 0);
	}
	if (state->failed) {
		close(pair[0]);
		worker->pid = 0;
		return false;
	}
	/* Here as well as in the worker: whoever is first. */
	setpgid(worker->pid, worker->pid);
	fcntl(worker->pidfd, F_SETFD, FD_CLOEXEC);
	worker->holds = 0;
	worker->length = 0;
	worker->late = false;
	return true;
}

static bool next_job(struct pool_state *state, unsigned *job)
{
	if (state->agains) {
		*job = state->again[--state->agains];
		return true;
	}
	if (state->next == state->pool->jobs)
		return false;
	*job = state->pool->job[state->next++];
	return true;
}

/* How many jobs a worker may hold now: fewer towards the end, so that the last ones are shared out. */
static unsigned jobs_ahead(const struct pool_state *state)
{
	unsigned left = state->pool->jobs - state->next + state->agains;
	unsigned share = left / (2 * state->pool->workers);

	if (state->pool->fresh || share < 1)
		return 1;
	return share < AHEAD ? share : AHEAD;
}

static void worker_feed(struct pool_state *state, struct worker *worker)
{
	uint32_t number;
	unsigned job;

	while (worker->holds < jobs_ahead(state) && next_job(state, &job)) {
		if (!worker->holds)
			worker->since = now();
		worker->held[worker->holds++] = job;
		number = job;
		/* If the worker has died, its end is dealt with when the pidfd tells of it. */
		write_all(worker->socket, &number, sizeof(number));
	}
}

static void finish(struct pool_state *state, struct worker *worker, const struct outcome *outcome)
{
	unsigned job = worker->held[0];

	worker->holds--;
	memmove(worker->held, worker->held + 1, worker->holds * sizeof(*worker->held));
	worker->since = now();
	state->finished++;
	state->pool->done(state->pool->context, job, outcome);
	arena_reset(state->arena);
}

static void fail(struct pool_state *state, struct worker *worker, const char *reason)
{
	struct outcome outcome = { .verdict = OUTCOME_ERROR, .tries = 1, .reason = reason, .wall = now() - worker->since };

	finish(state, worker, &outcome);
}

/* Frames that have come as a whole. */
static void worker_frames(struct pool_state *state, struct worker *worker)
{
	struct outcome outcome;
	struct frame frame;
	size_t at = 0;

	while (worker->length - at >= sizeof(frame)) {
		memcpy(&frame, worker->bytes + at, sizeof(frame));
		if (frame.length > FRAME_MOST || !worker->holds || frame.job != worker->held[0]) {
			kill(worker->pid, SIGKILL);
			break;
		}
		if (worker->length - at - sizeof(frame) < frame.length)
			break;
		at += sizeof(frame);
		if (outcome_unpack(worker->bytes + at, frame.length, state->arena, &outcome))
			finish(state, worker, &outcome);
		else
			fail(state, worker, "the run's result cannot be read");
		at += frame.length;
	}
	memmove(worker->bytes, worker->bytes + at, worker->length - at);
	worker->length -= at;
}

static void worker_read(struct pool_state *state, struct worker *worker)
{
	ssize_t got;

	for (;;) {
		if (worker->room - worker->length < 65536) {
			worker->room = worker->room ? 2 * worker->room : 131072;
			worker->bytes = realloc(worker->bytes, worker->room);
			if (!worker->bytes)
				abort();
		}
		got = recv(worker->socket, worker->bytes + worker->length, worker->room - worker->length, MSG_DONTWAIT);
		if (got <= 0)
			break;
		worker->length += (size_t)got;
	}
	worker_frames(state, worker);
}

static const char *how_it_ended(const struct pool_state *state, const struct worker *worker, const siginfo_t *info)
{
	if (worker->late)
		return arena_printf(state->arena, "the run took longer than %g s and was stopped",
				    (double)state->pool->limit / (double)PL_NSEC_PER_SEC);
	if (info->si_code == CLD_EXITED)
		return arena_printf(state->arena, "the run ended its process (exit status %d)", info->si_status);
	return arena_printf(state->arena, "the run crashed (SIG%s)", sigabbrev_np(info->si_status));
}

/* The worker is gone: what it still said counts, then the job it was at failed and the rest goes to others. */
static void worker_end(struct pool_state *state, struct worker *worker)
{
	siginfo_t info = { 0 };

	worker_read(state, worker);
	kill(-worker->pid, SIGKILL);
	waitid(P_PIDFD, (id_t)worker->pidfd, &info, WEXITED);
	if (worker->holds)
		fail(state, worker, how_it_ended(state, worker, &info));
	else if (info.si_code != CLD_EXITED || info.si_status)
		state->ended_badly = true;
	while (worker->holds)
		state->again[state->agains++] = worker->held[--worker->holds];
	close(worker->socket);
	close(worker->pidfd);
	worker->pid = 0;
}

/* Kill workers whose job takes too long; when the next one would (PL_TIME_NEVER: none). */
static pl_time check_limits(struct pool_state *state)
{
	pl_time time = now(), next = PL_TIME_NEVER;

	for (unsigned i = 0; i < state->pool->workers && state->pool->limit; i++) {
		struct worker *worker = &state->worker[i];
		pl_time until = worker->since + state->pool->limit;

		if (!worker->pid || !worker->holds || worker->late)
			continue;
		if (until <= time) {
			worker->late = true;
			kill(-worker->pid, SIGKILL);
		} else if (until < next) {
			next = until;
		}
	}
	return next;
}

static void watched_add(struct pool_state *state)
{
	struct pollfd *wait = state->wait + 2 * state->pool->workers;
	int fd[2] = { -1, -1 };

	if (state->pool->watched)
		state->pool->watched(state->pool->live, fd);
	for (unsigned i = 0; i < 2; i++)
		wait[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
}

static void wait_for_workers(struct pool_state *state)
{
	pl_time until = check_limits(state), left = until - now();
	struct timespec timeout = { left / PL_NSEC_PER_SEC, left % PL_NSEC_PER_SEC };
	unsigned workers = state->pool->workers;

	if (left < 0)
		timeout = (struct timespec){ 0 };
	watched_add(state);
	for (unsigned i = 0; i < workers; i++) {
		struct worker *worker = &state->worker[i];

		state->wait[2 * i] = (struct pollfd){ .fd = worker->pid ? worker->socket : -1, .events = POLLIN };
		state->wait[2 * i + 1] = (struct pollfd){ .fd = worker->pid ? worker->pidfd : -1, .events = POLLIN };
	}
	if (ppoll(state->wait, 2 * workers + 2, until == PL_TIME_NEVER ? NULL : &timeout, &state->outside) <= 0)
		return;
	for (unsigned i = 2 * workers; i < 2 * workers + 2; i++)
		if (state->wait[i].revents)
			state->pool->readable(state->pool->live, state->wait[i].fd);
	for (unsigned i = 0; i < workers; i++) {
		struct worker *worker = &state->worker[i];

		if (state->wait[2 * i + 1].revents)
			worker_end(state, worker);
		else if (state->wait[2 * i].revents & POLLIN)
			worker_read(state, worker);
		else if (state->wait[2 * i].revents)
			kill(worker->pid, SIGKILL);	/* it has closed its socket and says nothing more */
	}
}

static void feed_workers(struct pool_state *state)
{
	unsigned running = 0;

	for (unsigned i = 0; i < state->pool->workers; i++) {
		struct worker *worker = &state->worker[i];
		bool more = state->agains || state->next < state->pool->jobs;

		/* A process that has answered its one job is on its way out. */
		if (worker->pid && !state->pool->fresh)
			worker_feed(state, worker);
		else if (!worker->pid && more && worker_start(state, worker))
			worker_feed(state, worker);
		running += worker->pid != 0;
	}
	/* Fewer workers than asked for will do; none will not. */
	if (running)
		state->failed = 0;
}

/* All is done: workers end by themselves when no more jobs can come. */
static void dismiss_workers(struct pool_state *state)
{
	pl_time until = now() + DISMISS_WAIT;

	for (unsigned i = 0; i < state->pool->workers; i++)
		if (state->worker[i].pid)
			shutdown(state->worker[i].socket, SHUT_WR);
	for (unsigned i = 0; i < state->pool->workers; i++) {
		struct worker *worker = &state->worker[i];
		struct pollfd wait = { .fd = worker->pidfd, .events = POLLIN };
		pl_time left = until - now();

		if (worker->pid && poll(&wait, 1, left > 0 ? (int)(left / PL_NSEC_PER_MSEC) : 0) > 0)
			worker_end(state, worker);
	}
}

static void kill_workers(struct pool_state *state)
{
	for (unsigned i = 0; i < state->pool->workers; i++) {
		struct worker *worker = &state->worker[i];

		if (worker->pid) {
			kill(worker->pid, SIGKILL);
			kill(-worker->pid, SIGKILL);
			waitpid(worker->pid, NULL, 0);
			close(worker->socket);
			close(worker->pidfd);
		}
		free(worker->bytes);
	}
}

int pool_run(const struct pool *pool)
{
	struct sigaction old_interrupt, old_terminate, old_continue, continued = { .sa_handler = on_continue };
	struct pool_state state = { .pool = pool, .arena = arena_new() };
	sigset_t block;

	state.worker = calloc(pool->workers, sizeof(*state.worker));
	state.wait = calloc(2 * pool->workers + 2, sizeof(*state.wait));
	state.again = calloc(pool->workers * AHEAD + 1, sizeof(*state.again));
	if (!state.worker || !state.wait || !state.again)
		abort();
	stop_signal = 0;
	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGCONT);
	sigprocmask(SIG_BLOCK, &block, &state.outside);
	catch_stop(SIGINT, &old_interrupt);
	catch_stop(SIGTERM, &old_terminate);
	sigaction(SIGCONT, &continued, &old_continue);
	while (state.finished < pool->jobs && !stop_signal && !state.failed) {
		feed_workers(&state);
		if (!state.failed)
			wait_for_workers(&state);
	}
	if (!stop_signal)
		dismiss_workers(&state);
	kill_workers(&state);
	sigaction(SIGINT, &old_interrupt, NULL);
	sigaction(SIGTERM, &old_terminate, NULL);
	sigaction(SIGCONT, &old_continue, NULL);
	sigprocmask(SIG_SETMASK, &state.outside, NULL);
	arena_free(state.arena);
	free(state.worker);
	free(state.wait);
	free(state.again);
	if (stop_signal)
		return stop_signal;
	return state.failed ? -state.failed : state.ended_badly ? -ECHILD : 0;
}
