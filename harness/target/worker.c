/*
 * Each thread sleeps on one word, its state, which tells both sides whose turn it is:
 *
 *	IDLE -> POSTED -> RUNNING -> FINISHED -> IDLE		the poster looks on until it is finished
 *	                  RUNNING -> WAITING -> FINISHED		the poster saw it wait and went on; a descriptor tells it of the end
 *
 * Whether a call waits is seen from its thread: it sleeps. Interrupting is a signal without a handler's work, sent again until
 * the call has ended, because one that comes before the thread sleeps is lost.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WORKER_STACK (256 * 1024)
#define LOOK_AFTER (100 * PL_NSEC_PER_USEC)	/* how long a call may take before it is looked at whether it waits */
#define CANCEL_SIGNAL (SIGRTMIN + 3)
#define CANCEL_AGAIN PL_NSEC_PER_MSEC
#define CANCEL_LIMIT (2 * PL_NSEC_PER_SEC)

enum worker_state { WORKER_IDLE, WORKER_POSTED, WORKER_RUNNING, WORKER_WAITING, WORKER_FINISHED, WORKER_EXIT };

struct worker {
	struct worker *next;
	struct workers *pool;
	pthread_t thread;
	pid_t tid;
	int status;			/* /proc/self/task/TID/stat; -1: not opened */
	_Atomic uint32_t state;
	struct pl_call *call;
	int64_t result;
	pl_time completed;
	unsigned seen;
};

struct workers {
	const struct workers_ops *ops;
	void *context;
	bool realtime;
	int finished;			/* eventfd */
	struct worker *first;
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value, pl_time most)
{
	struct timespec limit = { .tv_sec = most / PL_NSEC_PER_SEC, .tv_nsec = most % PL_NSEC_PER_SEC };

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, most == PL_TIME_NEVER ? NULL : &limit, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static int64_t monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

static void signal_ignored(int number)
{
}

static void *worker_main(void *argument)
{
	struct worker *worker = argument;
	struct workers *pool = worker->pool;

	worker->tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		uint32_t state = atomic_load(&worker->state);
		uint64_t one = 1;

		if (state == WORKER_EXIT)
			return NULL;
		if (state != WORKER_POSTED) {
			futex_wait(&worker->state, state, PL_TIME_NEVER);
			continue;
		}
		atomic_store(&worker->state, WORKER_RUNNING);
		worker->result = pool->ops->carry_out(pool->context, worker->call, &worker->seen);
		worker->completed = pool->ops->now(pool->context);
		state = atomic_exchange(&worker->state, WORKER_FINISHED);
		if (state == WORKER_WAITING)
			(void)!write(pool->finished, &one, sizeof(one));
		futex_wake(&worker->state);
	}
}

static struct worker *worker_new(struct workers *pool)
{
	struct sched_param above = { .sched_priority = sched_get_priority_min(SCHED_FIFO) + 1 };
	struct worker *worker = calloc(1, sizeof(*worker));
	pthread_attr_t attributes;
	int status;

	if (!worker)
		return NULL;
	worker->pool = pool;
	worker->status = -1;
	atomic_init(&worker->state, WORKER_IDLE);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, WORKER_STACK);
	status = pthread_create(&worker->thread, &attributes, worker_main, worker);
	pthread_attr_destroy(&attributes);
	if (status) {
		free(worker);
		return NULL;
	}
	/* Threads start with the ordinary policy: their creator's is reset on fork. */
	if (pool->realtime)
		pthread_setschedparam(worker->thread, SCHED_FIFO, &above);
	worker->next = pool->first;
	pool->first = worker;
	return worker;
}

static struct worker *worker_idle(struct workers *pool)
{
	for (struct worker *worker = pool->first; worker; worker = worker->next)
		if (atomic_load(&worker->state) == WORKER_IDLE)
			return worker;
	return worker_new(pool);
}

/* The state in proc_pid_stat(5), the first letter behind the last parenthesis. */
static bool worker_sleeps(struct worker *worker)
{
	char text[128], path[64];
	const char *behind;
	ssize_t length;

	if (worker->status < 0) {
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)worker->tid);
		worker->status = open(path, O_RDONLY | O_CLOEXEC);
	}
	length = pread(worker->status, text, sizeof(text) - 1, 0);
	if (length <= 0)
		return true;		/* no procfs: whoever takes so long must be waiting */
	text[length] = '\0';
	behind = strrchr(text, ')');
	return behind && behind[1] == ' ' && behind[2] == 'S';
}

/* Take the result of a call that a thread is done with. */
static void worker_collect(struct worker *worker)
{
	struct workers *pool = worker->pool;
	struct pl_call *call = worker->call;

	call->result = worker->result;
	call->completed = worker->completed;
	worker->call = NULL;
	atomic_store(&worker->state, WORKER_IDLE);
	pool->ops->finish(pool->context, call);
}

bool workers_harvest(struct workers *pool)
{
	uint64_t count;
	bool any = false;

	if (read(pool->finished, &count, sizeof(count)) != sizeof(count))
		return false;
	for (struct worker *worker = pool->first; worker; worker = worker->next) {
		if (atomic_load(&worker->state) != WORKER_FINISHED)
			continue;
		if (!worker->call) {
			atomic_store(&worker->state, WORKER_IDLE);
			continue;
		}
		worker_collect(worker);
		any = true;
	}
	return any;
}

bool workers_post(struct workers *pool, struct pl_call *call)
{
	struct worker *worker = worker_idle(pool);

	if (!worker)
		return false;
	worker->call = call;
	atomic_store(&worker->state, WORKER_POSTED);
	futex_wake(&worker->state);
	for (bool first = true;; first = false) {
		uint32_t state = atomic_load(&worker->state), running = WORKER_RUNNING;

		if (state == WORKER_FINISHED) {
			worker_collect(worker);
			return true;
		}
		/* With real-time priorities the thread went as far as it could before futex_wake returned. */
		if (state == WORKER_RUNNING && (pool->realtime || !first) && worker_sleeps(worker) &&
		    atomic_compare_exchange_strong(&worker->state, &running, WORKER_WAITING))
			return true;
		futex_wait(&worker->state, state, LOOK_AFTER);
	}
}

/* Until its call has ended. False: it cannot be interrupted. */
static bool worker_interrupt(struct worker *worker)
{
	int64_t begun = monotonic();

	while (monotonic() - begun < CANCEL_LIMIT) {
		uint32_t state = atomic_load(&worker->state);

		if (state != WORKER_POSTED && state != WORKER_RUNNING && state != WORKER_WAITING)
			return true;
		pthread_kill(worker->thread, CANCEL_SIGNAL);
		futex_wait(&worker->state, state, CANCEL_AGAIN);
	}
	return false;
}

bool workers_cancel(struct workers *pool, struct pl_call *call)
{
	struct worker *worker = pool->first;

	while (worker && worker->call != call)
		worker = worker->next;
	if (!worker)
		return false;
	if (worker_interrupt(worker)) {
		worker_collect(worker);
		return true;
	}
	/* The thread is given up, and finishes a call that is nobody's. */
	worker->call = NULL;
	call->result = -EINTR;
	call->completed = pool->ops->now(pool->context);
	pool->ops->finish(pool->context, call);
	return true;
}

int workers_fd(const struct workers *pool)
{
	return pool->finished;
}

struct workers *workers_new(const struct workers_ops *ops, void *context, bool realtime)
{
	struct sigaction action = { .sa_handler = signal_ignored };	/* without SA_RESTART */
	struct workers *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	sigemptyset(&action.sa_mask);
	sigaction(CANCEL_SIGNAL, &action, NULL);
	pool->ops = ops;
	pool->context = context;
	pool->realtime = realtime;
	pool->finished = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pool->finished >= 0 && worker_new(pool))
		return pool;
	if (pool->finished >= 0)
		close(pool->finished);
	free(pool);
	return NULL;
}

bool workers_free(struct workers *pool)
{
	struct worker *worker;
	bool stuck = false;

	if (!pool)
		return true;
	while ((worker = pool->first)) {
		uint32_t state;

		pool->first = worker->next;
		worker_interrupt(worker);
		state = atomic_exchange(&worker->state, WORKER_EXIT);
		if (state == WORKER_RUNNING || state == WORKER_WAITING) {
			stuck = true;	/* it ends with the process, and keeps its memory until then */
			continue;
		}
		futex_wake(&worker->state);
		pthread_join(worker->thread, NULL);
		if (worker->status >= 0)
			close(worker->status);
		free(worker);
	}
	if (stuck)
		return false;
	close(pool->finished);
	free(pool);
	return true;
}
