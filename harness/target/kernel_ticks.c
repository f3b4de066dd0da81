/*
 * On which processors the kernel's timers are on time.
 *
 * TCP's timers are looked at by each processor's tick, and due when the count of jiffies says so. That count is moved by one
 * processor, in its own tick. All ticks come at the same instant, so that on another processor the tick often finds the count
 * not yet moved, and leaves a timer that is due to the next tick: one jiffy (4 ms with HZ=250) late, every other time. Scripts
 * allow 4 ms; so a test on such a processor fails now and then for no fault of TCP's.
 *
 * Which processor moves the count changes when it goes to sleep and stops its tick. A latency of 0 asked for in
 * /dev/cpu_dma_latency keeps ticks going (Documentation/power/pm_qos_interface.rst), and then it is found out by trying: a
 * receive with a timeout of one jiffy uses the same timers. The request ends with the descriptor.
 */
#include "kernel_ticks.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "kernel.h"

#define TRIES 14		/* a processor that is late every other time is on time so often once in 16384 */
#define TRIED_MOST 32		/* processors */

/* Process-wide: found out before scripts' processes are forked, for all of them. */
static cpu_set_t punctual;
static bool punctual_known;

struct trial {
	pthread_t thread;
	int cpu;
	int64_t jiffy;
	unsigned took[TRIES];		/* in jiffies, from a fixed place within one */
	bool done;
};

/* Sleep until three eighths into a jiffy, and tell by which one a timer of one jiffy has ended. */
static unsigned try_once(int receiver, int64_t jiffy)
{
	int64_t start = (kernel_clock() / jiffy + 1) * jiffy + jiffy * 3 / 8;
	struct timespec time = { .tv_sec = start / PL_NSEC_PER_SEC, .tv_nsec = start % PL_NSEC_PER_SEC };
	char byte;

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
	recv(receiver, &byte, 1, 0);
	return (unsigned)((kernel_clock() - start) / jiffy);
}

static void *trial_main(void *argument)
{
	struct trial *trial = argument;
	struct sched_param lowest = { .sched_priority = sched_get_priority_min(SCHED_FIFO) };
	struct timeval shortest = { .tv_usec = 1 };
	cpu_set_t here;
	int end[2];

	CPU_ZERO(&here);
	CPU_SET(trial->cpu, &here);
	if (pthread_setaffinity_np(pthread_self(), sizeof(here), &here) || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, end) < 0)
		return NULL;
	pthread_setschedparam(pthread_self(), SCHED_FIFO, &lowest);
	setsockopt(end[0], SOL_SOCKET, SO_RCVTIMEO, &shortest, sizeof(shortest));
	for (unsigned i = 0; i < TRIES; i++)
		trial->took[i] = try_once(end[0], trial->jiffy);
	close(end[0]);
	close(end[1]);
	trial->done = true;
	return NULL;
}

/* Late once at most, which anything may be, against the shortest that was seen anywhere. */
static bool is_punctual(const struct trial *trial, unsigned shortest)
{
	unsigned late = 0;

	for (unsigned i = 0; i < TRIES; i++)
		late += trial->took[i] > shortest;
	return trial->done && late <= 1;
}

static void trials_run(struct trial *trial, unsigned count)
{
	unsigned shortest = ~0u;

	for (unsigned i = 0; i < count; i++)
		if (pthread_create(&trial[i].thread, NULL, trial_main, &trial[i]))
			trial[i].cpu = -1;
	for (unsigned i = 0; i < count; i++)
		if (trial[i].cpu >= 0)
			pthread_join(trial[i].thread, NULL);
	for (unsigned i = 0; i < count; i++)
		for (unsigned j = 0; trial[i].done && j < TRIES; j++)
			if (trial[i].took[j] < shortest)
				shortest = trial[i].took[j];
	for (unsigned i = 0; i < count; i++)
		if (is_punctual(&trial[i], shortest))
			CPU_SET(trial[i].cpu, &punctual);
}

int kernel_ticks_begin(void)
{
	struct trial trial[TRIED_MOST] = { 0 };
	struct timespec resolution;
	cpu_set_t allowed;
	unsigned count = 0;
	int32_t none = 0;
	int fd = open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC);

	punctual_known = false;
	if (fd < 0 || write(fd, &none, sizeof(none)) != sizeof(none) || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return fd;
	clock_getres(CLOCK_MONOTONIC_COARSE, &resolution);
	for (int cpu = 0; cpu < CPU_SETSIZE && count < TRIED_MOST; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			trial[count++] = (struct trial){ .cpu = cpu, .jiffy = resolution.tv_nsec };
	CPU_ZERO(&punctual);
	if (count > 1 && resolution.tv_nsec >= PL_NSEC_PER_MSEC)
		trials_run(trial, count);
	punctual_known = CPU_COUNT(&punctual) > 0;
	return fd;
}

void kernel_ticks_end(int fd)
{
	if (fd >= 0)
		close(fd);
	punctual_known = false;
}

int kernel_ticks_cpu(void)
{
	int here = sched_getcpu(), wanted;

	if (!punctual_known || (here >= 0 && CPU_ISSET(here, &punctual)))
		return here;
	wanted = (int)getpid() % CPU_COUNT(&punctual);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &punctual) && wanted-- == 0)
			return cpu;
	return here;
}
