/*
 * The reference stack, live.
 *
 * Another thread serves the mounted tree, so that whoever looks into it is answered whatever this one does: carries out a
 * script's command, waits for Python, sleeps, or looks into the tree itself. The two share the stack under its lock. The
 * serving thread allocates memory under that lock alone, and processes are cloned under it (command/jail.c): no clone finds an
 * allocator that was stopped halfway.
 *
 * Real time. `ahead` is what virtual time has over the monotonic clock. Waiting moves the stack's clock in steps that real time
 * allows; events still happen at their exact virtual instants, and a script's trace is the same to the byte as without. What
 * takes real time and no virtual time (commands, stopping) does not count: virtual time goes on from where it was.
 */
#include "live.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#ifdef PLUMBLINE_FUSE
#include "../../fusefs/fusefs.h"
#endif
#include "../arena.h"
#include "refstack.h"

#define CONTROL "control"		/* the file in DIR that says where the script is, and is written to to go on */

struct live_stack {
	struct target target;
	struct target *inner;
	struct pl_stack *stack;
	const struct live *live;
	pl_time ahead;			/* virtual minus monotonic time */
	pl_time start;			/* the virtual instant of script time 0 */
	pl_time waiting_until;		/* whoever looks may move the clock up to here; 0: the script is at work */
	int stir;			/* eventfd: the waits look again */
	struct fusefs *fs;
	pthread_t server;
	bool serving;
	int stop;			/* eventfd: the server ends */
	const char *place;		/* where the script is stopped; NULL: it is not */
	bool go;			/* it was told to go on */
};

static struct live_stack *live_of(struct target *target)
{
	return (struct live_stack *)target;
}

static struct target *lock(struct target *target)
{
	pl_stack_lock(live_of(target)->stack);
	return live_of(target)->inner;
}

static void unlock(struct target *target)
{
	pl_stack_unlock(live_of(target)->stack);
}

static pl_time monotonic(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

static void stir(int fd)
{
	const uint64_t one = 1;

	(void)!write(fd, &one, sizeof(one));
}

/* --- the tree --------------------------------------------------------------------------------------------------------------- */
#ifdef PLUMBLINE_FUSE
/* Whoever looks sees the stack as it is now. */
static void catch_up(void *context)
{
	struct live_stack *live = context;
	pl_time paced = monotonic() + live->ahead;

	if (live->live->real_time)
		pl_stack_run_until(live->stack, paced < live->waiting_until ? paced : live->waiting_until);
}

static ssize_t control_read(void *context, char **text)
{
	struct live_stack *live = context;
	double now = (double)(pl_stack_now(live->stack) - live->start) / 1e9;

	if (live->place)
		return asprintf(text, "paused at %.6f before %s\n", now, live->place);
	return asprintf(text, "running at %.6f\n", now);
}

static ssize_t control_write(void *context, const char *text, size_t size)
{
	struct live_stack *live = context;

	(void)text;
	if (!live->place)
		return -EAGAIN;
	live->go = true;
	return (ssize_t)size;
}

static const struct fusefs_file files[] = { { CONTROL, 0644, control_read, control_write }, { 0 } };

static void *serve(void *context)
{
	struct live_stack *live = context;
	struct pollfd wait[2] = { { .fd = fusefs_fd(live->fs), .events = POLLIN }, { .fd = live->stop, .events = POLLIN } };
	bool mounted = true;

	while (mounted && !(wait[1].revents & POLLIN)) {
		if (poll(wait, 2, -1) < 0)
			continue;
		pl_stack_lock(live->stack);
		mounted = fusefs_serve(live->fs);
		pl_stack_unlock(live->stack);
		stir(live->stir);
	}
	return NULL;
}

static int tree_open(struct live_stack *live, struct arena *arena, const char **error)
{
	struct fusefs_config config = { .stack = live->stack, .directory = live->live->directory, .guarded = true, .files = files,
					.before = catch_up, .context = live };
	sigset_t all, before;
	const char *wrong;

	live->fs = fusefs_mount(&config, &wrong);
	if (!live->fs) {
		*error = arena_printf(arena, "%s: %s", config.directory, wrong);
		return -EIO;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	live->serving = pthread_create(&live->server, NULL, serve, live) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return live->serving ? 0 : -EAGAIN;
}

static void tree_close(struct live_stack *live)
{
	if (live->serving) {
		stir(live->stop);
		pthread_join(live->server, NULL);
	}
	fusefs_unmount(live->fs);
}
#else
static int tree_open(struct live_stack *live, struct arena *arena, const char **error)
{
	*error = "this program was built without libfuse3: it mounts nothing";
	return -ENOSYS;
}

static void tree_close(struct live_stack *live)
{
}
#endif

/* --- opening and closing ------------------------------------------------------------------------------------------------------ */
static void live_target_close(struct target *target)
{
	struct live_stack *live = live_of(target);

	tree_close(live);
	if (live->inner)
		live->inner->ops->close(live->inner);
	if (live->stir >= 0)
		close(live->stir);
	if (live->stop >= 0)
		close(live->stop);
}

static int live_target_open(const struct target_config *config, struct arena *arena, struct target **target, const char **error)
{
	struct live_stack *live = arena_alloc(arena, sizeof(*live));
	int status;

	live->target.ops = &live_target;
	live->live = config->live;
	live->stir = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	live->stop = eventfd(0, EFD_CLOEXEC);
	status = live->stir < 0 || live->stop < 0 ? -errno : refstack_target.open(config, arena, &live->inner, error);
	if (!status) {
		live->stack = refstack_target_stack(live->inner);
		status = live->live->directory ? tree_open(live, arena, error) : 0;
	} else {
		live->inner = NULL;
	}
	*target = &live->target;
	if (status)
		live_target_close(&live->target);
	return status;
}

/* --- time --------------------------------------------------------------------------------------------------------------------- */
/* Virtual time goes on from where it is. Under the lock. */
static void pace_anew(struct live_stack *live)
{
	live->ahead = pl_stack_now(live->stack) - monotonic();
}

/* Until virtual time has come to `until` if all is well, or somebody has been at the tree. */
static void sleep_until(struct live_stack *live, pl_time until)
{
	struct pollfd wait = { .fd = live->stir, .events = POLLIN };
	pl_time left = until - live->ahead - monotonic();
	struct timespec timeout = { .tv_sec = left / PL_NSEC_PER_SEC, .tv_nsec = left % PL_NSEC_PER_SEC };
	uint64_t stirs;

	if (left > 0 && ppoll(&wait, 1, &timeout, NULL) > 0)
		(void)!read(live->stir, &stirs, sizeof(stirs));
}

static enum target_event live_wait(struct target *target, pl_time until, unsigned want)
{
	struct live_stack *live = live_of(target);
	enum target_event event;
	pl_time next, paced;
	bool reached;

	for (;;) {
		struct target *inner = lock(target);

		paced = live->live->real_time ? monotonic() + live->ahead : until;
		event = inner->ops->wait(inner, until < paced ? until : paced, want);
		next = pl_stack_next_timer(live->stack);
		if (next > until)
			next = until;
		reached = event != TARGET_TIME || !live->live->real_time || pl_stack_now(live->stack) >= until || next == PL_TIME_NEVER;
		live->waiting_until = reached ? 0 : until;
		unlock(target);
		if (reached)
			return event;
		sleep_until(live, next);
	}
}

static pl_time live_now(struct target *target)
{
	struct target *inner = lock(target);
	pl_time now = inner->ops->now(inner);

	unlock(target);
	return now;
}

static pl_time live_start(struct target *target)
{
	struct target *inner = lock(target);
	pl_time start = inner->ops->start(inner);

	live_of(target)->start = start;
	pace_anew(live_of(target));
	unlock(target);
	return start;
}

static int64_t live_wall_clock(struct target *target)
{
	struct target *inner = live_of(target)->inner;

	return inner->ops->wall_clock(inner);
}

static pl_time live_lateness(struct target *target)
{
	(void)target;
	return 0;
}

/* --- stopping ----------------------------------------------------------------------------------------------------------------- */
static void tell(const struct live *live, enum live_news what)
{
	char byte = (char)what;

	(void)!write(live->told[1], &byte, 1);
}

static void live_pause(struct target *target, const char *place)
{
	struct live_stack *live = live_of(target);
	struct pollfd wait[2] = { { .fd = live->stir, .events = POLLIN }, { .fd = live->live->go[0], .events = POLLIN } };
	char bytes[64];
	uint64_t stirs;
	bool go = false;

	/* An Enter that came when the script was going on already. */
	while (read(live->live->go[0], bytes, sizeof(bytes)) > 0)
		;
	fprintf(stderr, "plumbline: paused before %s\n           Enter, or a write to %s/" CONTROL ", goes on.\n", place,
		live->live->directory);
	lock(target);
	live->place = place;
	live->go = false;
	unlock(target);
	tell(live->live, LIVE_PAUSED);
	while (!go) {
		poll(wait, 2, -1);
		(void)!read(live->stir, &stirs, sizeof(stirs));
		lock(target);
		go = live->go || (wait[1].revents & POLLIN);
		if (go) {
			live->place = NULL;
			pace_anew(live);
		}
		unlock(target);
		/* The process at the terminal is gone. */
		if (wait[1].revents & POLLHUP)
			_exit(1);
	}
	tell(live->live, LIVE_GOES_ON);
}

/* --- the rest is the reference stack's, under the lock -------------------------------------------------------------------------- */
static void live_submit(struct target *target, struct pl_call *call)
{
	struct target *inner = lock(target);

	inner->ops->submit(inner, call);
	unlock(target);
}

static void live_cancel(struct target *target, struct pl_call *call)
{
	struct target *inner = lock(target);

	inner->ops->cancel(inner, call);
	unlock(target);
}

static int live_inject(struct target *target, unsigned link, const void *bytes, size_t length, unsigned gso_size)
{
	struct target *inner = lock(target);
	int status = inner->ops->inject(inner, link, bytes, length, gso_size);

	unlock(target);
	return status;
}

static bool live_take(struct target *target, struct arena *arena, struct target_packet *packet)
{
	struct target *inner = lock(target);
	bool taken = inner->ops->take(inner, arena, packet);

	unlock(target);
	return taken;
}

static ssize_t live_sysctl_read(struct target *target, const char *path, char *buffer, size_t size)
{
	struct target *inner = lock(target);
	ssize_t length = inner->ops->sysctl_read(inner, path, buffer, size);

	unlock(target);
	return length;
}

static ssize_t live_sysctl_write(struct target *target, const char *path, const char *text, size_t length)
{
	struct target *inner = lock(target);
	ssize_t taken = inner->ops->sysctl_write(inner, path, text, length);

	unlock(target);
	return taken;
}

/* Commands take the lock where they touch the stack, and leave it while a shell runs: that may look into the tree. */
static int live_command(struct target *target, const char *command, bool init, struct arena *arena, const char **error)
{
	struct target *inner = live_of(target)->inner;
	int status = inner->ops->command(inner, command, init, arena, error);

	lock(target);
	pace_anew(live_of(target));
	unlock(target);
	return status;
}

const struct target_ops live_target = {
	.name = "refstack",
	.virtual_time = true,
	.open = live_target_open,
	.close = live_target_close,
	.now = live_now,
	.start = live_start,
	.wall_clock = live_wall_clock,
	.wait = live_wait,
	.submit = live_submit,
	.cancel = live_cancel,
	.inject = live_inject,
	.take = live_take,
	.sysctl_read = live_sysctl_read,
	.sysctl_write = live_sysctl_write,
	.command = live_command,
	.lateness = live_lateness,
	.pause = live_pause,
};
