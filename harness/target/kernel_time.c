/*
 * Time on the live kernel.
 *
 * The target's clock is CLOCK_MONOTONIC, counted from the opening. A wait sleeps until shortly before its end and looks at the
 * clock for the rest, because a processor that idles takes tens of microseconds to come back; how many is learnt from each
 * sleep, and bounded, so that many scripts at once still leave the processors to each other. The process takes the lowest
 * real-time priority if it may: it is asleep nearly always, and when its instant has come it goes before everything ordinary.
 *
 * The script's instant 0 is put three eighths into a jiffy. The kernel's TCP timers count jiffies, so that a script's events, at
 * whole milliseconds after such a start, are away from the edges, and some microseconds more or less do not change what the
 * kernel counts. Where exactly decides by how much a timer seems late (it fires at the second edge after its nominal end):
 * scripts allow 4 ms, and of all starts this one keeps the most timers within that where a jiffy is as long.
 */
#include "kernel.h"
#include "kernel_ticks.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define WAKE_COST_LEAST (20 * PL_NSEC_PER_USEC)
#define EDGE_SIGHT (150 * PL_NSEC_PER_USEC)	/* around the supposed edge of a jiffy, for seeing it */
#define WAKE_COST_MOST (120 * PL_NSEC_PER_USEC)

static int64_t nanoseconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * PL_NSEC_PER_SEC + time.tv_nsec;
}

int64_t kernel_clock(void)
{
	return nanoseconds(CLOCK_MONOTONIC);
}

pl_time kernel_now(struct target *target)
{
	return kernel_clock() - kernel_of(target)->origin;
}

int64_t kernel_wall_clock(struct target *target)
{
	return nanoseconds(CLOCK_REALTIME) - kernel_now(target);
}

pl_time kernel_lateness(struct target *target)
{
	return kernel_of(target)->late;
}

static int first_priority(void)
{
	struct sched_param lowest = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };

	return sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
}

void kernel_priority_yield(struct kernel_target *kernel)
{
	if (kernel->realtime)
		sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &(struct sched_param){ 0 });
}

void kernel_priority_resume(struct kernel_target *kernel)
{
	if (kernel->realtime)
		first_priority();
}

void kernel_priority_raise(struct kernel_target *kernel)
{
	cpu_set_t here;
	int cpu = kernel_ticks_cpu();

	prctl(PR_SET_TIMERSLACK, 1);
	/* Nothing is to be paged out once it was used; limits of those who may not lock all of it are left alone. */
	if (geteuid() == 0)
		mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	kernel->realtime = first_priority() == 0;
	/*
	 * One processor for this thread and those that carry out its calls: handing a call over is then a switch of a few
	 * microseconds instead of waking another processor, and the thread that was woken runs before this one goes on.
	 */
	if (!kernel->realtime || cpu < 0 || sched_getaffinity(0, sizeof(kernel->cpus), &kernel->cpus) < 0)
		return;
	CPU_ZERO(&here);
	CPU_SET(cpu, &here);
	if (sched_setaffinity(0, sizeof(here), &here) == 0)
		kernel->cpu = cpu;
}

void kernel_priority_lower(struct kernel_target *kernel)
{
	kernel_priority_yield(kernel);
	if (kernel->cpu >= 0)
		sched_setaffinity(0, sizeof(kernel->cpus), &kernel->cpus);
}

/* The far ends of the links and their captures; their number. */
static nfds_t link_fds(const struct kernel_target *kernel, struct pollfd fd[2 * KERNEL_LINKS])
{
	nfds_t count = 0;

	for (unsigned i = 0; i < kernel->links; i++) {
		if (kernel->link[i].gone)
			continue;
		if (kernel->link[i].capture)
			fd[count++] = (struct pollfd){ .fd = kernel->link[i].capture_fd, .events = POLLIN };
		if (kernel->link[i].tun >= 0)
			fd[count++] = (struct pollfd){ .fd = kernel->link[i].tun, .events = POLLIN };
	}
	return count;
}

/*
 * The far end of a link that was deleted, by a command, is in error for good, and so may its capture be: who polls them goes on
 * without a rest, at a real-time priority, and the kernel cannot even finish the deletion.
 */
static void links_gone(struct kernel_target *kernel, const struct pollfd *fd, nfds_t count)
{
	for (unsigned i = 0; i < kernel->links; i++)
		for (nfds_t at = 0; at < count; at++)
			if (fd[at].fd == kernel->link[i].tun && fd[at].fd >= 0 && fd[at].revents & (POLLERR | POLLNVAL))
				kernel->link[i].gone = true;
}

/* Sleep until something is to be read from a link or a thread has finished a call, at most until `until`. */
static void sleep_until(struct kernel_target *kernel, pl_time until)
{
	struct pollfd fd[2 * KERNEL_LINKS + 1];
	nfds_t links = link_fds(kernel, fd), count = links;
	struct timespec left, *limit = NULL;
	pl_time span;

	fd[count++] = (struct pollfd){ .fd = workers_fd(kernel->workers), .events = POLLIN };
	if (until != PL_TIME_NEVER) {
		span = until - kernel_now(&kernel->target);
		if (span < 0)
			span = 0;
		left = (struct timespec){ .tv_sec = span / PL_NSEC_PER_SEC, .tv_nsec = span % PL_NSEC_PER_SEC };
		limit = &left;
	}
	if (ppoll(fd, count, limit, NULL) > 0)
		links_gone(kernel, fd, links);
}

bool kernel_idle(struct kernel_target *kernel, int fd)
{
	struct pollfd poll_fd[2 * KERNEL_LINKS + 1];
	nfds_t count = link_fds(kernel, poll_fd);

	poll_fd[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(poll_fd, count + 1, -1) > 0)
		links_gone(kernel, poll_fd, count);
	return poll_fd[count].revents;
}

/* Sleep or, when the end is near, just return, so that the caller looks again. */
static void rest(struct kernel_target *kernel, pl_time until)
{
	pl_time now = kernel_now(&kernel->target), wake, over;

	if (until == PL_TIME_NEVER) {
		sleep_until(kernel, PL_TIME_NEVER);
		return;
	}
	wake = until - kernel->wake_cost;
	if (now >= wake) {
		sleep_until(kernel, 0);
		return;
	}
	sleep_until(kernel, wake);
	over = kernel_now(&kernel->target) - wake;
	if (over <= 0)
		return;		/* a packet or a call ended it */
	kernel->wake_cost -= kernel->wake_cost / 8;
	if (over > kernel->wake_cost)
		kernel->wake_cost = over;
	if (kernel->wake_cost < WAKE_COST_LEAST)
		kernel->wake_cost = WAKE_COST_LEAST;
	if (kernel->wake_cost > WAKE_COST_MOST)
		kernel->wake_cost = WAKE_COST_MOST;
}

enum target_event kernel_wait(struct target *target, pl_time until, unsigned want)
{
	struct kernel_target *kernel = kernel_of(target);
	bool ahead = kernel_now(target) < until;

	for (;;) {
		bool packet = kernel_capture_drain(kernel);
		pl_time now;

		kernel->told |= workers_harvest(kernel->workers);
		now = kernel_now(target);
		if (kernel->told && want & 1 << TARGET_CALL) {
			kernel->told = false;
			return TARGET_CALL;
		}
		if (packet && want & 1 << TARGET_PACKET)
			return TARGET_PACKET;
		if (now >= until) {
			if (ahead && now - until > kernel->late)
				kernel->late = now - until;
			return TARGET_TIME;
		}
		/* The other half of a packet is due any moment. */
		if (kernel_capture_halfway(kernel) && until > now + 50 * PL_NSEC_PER_USEC)
			sleep_until(kernel, now + 50 * PL_NSEC_PER_USEC);
		else
			rest(kernel, until);
	}
}

/* Sleep without looking at anything else. */
static void sleep_only(int64_t until)
{
	struct timespec time = { .tv_sec = until / PL_NSEC_PER_SEC, .tv_nsec = until % PL_NSEC_PER_SEC };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

/*
 * The end of the next jiffy, found by watching the coarse clock, which moves when jiffies do, in steps of 50 us. For kernels
 * whose jiffies do not begin at multiples of their length on the monotonic clock.
 */
static int64_t jiffy_edge_search(int64_t jiffy)
{
	int64_t begun = kernel_clock(), before = nanoseconds(CLOCK_MONOTONIC_COARSE);

	while (nanoseconds(CLOCK_MONOTONIC_COARSE) == before && kernel_clock() < begun + 2 * jiffy)
		sleep_only(kernel_clock() + 50 * PL_NSEC_PER_USEC);
	return kernel_clock();
}

/*
 * clock_getres(2) of the coarse clock is the length of a jiffy. Since Linux 6.4 jiffies begin at its multiples; that this is
 * so is seen by the coarse clock moving around such an instant.
 */
pl_time kernel_start(struct target *target)
{
	struct timespec resolution;
	int64_t jiffy, into, edge, before, start;

	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	jiffy = resolution.tv_sec * PL_NSEC_PER_SEC + resolution.tv_nsec;
	into = jiffy * 3 / 8;
	start = kernel_clock();
	if (jiffy < 100 * PL_NSEC_PER_USEC)
		return start - kernel_of(target)->origin;
	edge = (start + into + jiffy - 1) / jiffy * jiffy;
	sleep_only(edge - EDGE_SIGHT);
	before = nanoseconds(CLOCK_MONOTONIC_COARSE);
	sleep_only(edge + EDGE_SIGHT);
	if (nanoseconds(CLOCK_MONOTONIC_COARSE) == before)
		edge = jiffy_edge_search(jiffy);
	start = edge + into;
	sleep_only(start - WAKE_COST_MOST);
	while (kernel_clock() < start)
		;
	return start - kernel_of(target)->origin;
}
