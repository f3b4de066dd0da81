/*
 * The live-kernel target's own parts.
 *
 * kernel.c          opening, closing, injecting, tunables: the table of functions
 * kernel_net.c      the namespace, its links, addresses and routes
 * kernel_capture.c  what leaves on a link, with the kernel's time stamps
 * kernel_call.c     system calls, on threads where they might block
 * kernel_time.c     instants, waits, priorities
 * kernel_ticks.c    processors on which the kernel's timers are on time
 * kernel_session.c  what is widened once for a whole run, and put back
 * kernel_machine.c  what the reference stack must know of this machine
 * worker.c          the threads; shell.c: commands, in a pid namespace of their own
 *
 * Everything that a script could leave behind hangs on one process: the links die with their file descriptors, the network
 * namespace with the last process in it, and every process that a command started with the first process of their pid
 * namespace, which ends when the target's process does, however that comes about.
 */
#ifndef HARNESS_TARGET_KERNEL_H
#define HARNESS_TARGET_KERNEL_H

#include <sched.h>
#include <signal.h>

#include "../arena.h"
#include "shell.h"
#include "target.h"
#include "worker.h"

#define KERNEL_LINKS 8
#define KERNEL_DESCRIPTORS 4096	/* of those with higher numbers no account is kept */

/* One packet that left. Seen twice: by the capture, which knows when, and at the far end of the tun, which knows it whole. */
struct sent_packet {
	struct sent_packet *next;
	pl_time time;			/* on the target's clock */
	pl_time seen;			/* when it was read, for giving up on its other half */
	uint8_t *bytes;			/* all of it, or only its first `captured` bytes */
	size_t length, captured;
	unsigned gso_size, gso_segments;
	bool whole;			/* both views of it are in */
};
struct sent_queue {
	struct sent_packet *first, **last;
};

struct kernel_link {
	enum pl_link_kind kind;
	char name[16];
	int ifindex;
	int tun;			/* the far end of the link; -1 on the loopback */
	bool gone;			/* deleted: nothing will come from it */
	struct pcap *capture;
	int capture_fd;
	struct sent_queue captured;	/* in the order of their leaving */
	struct sent_queue received;	/* read from the tun, the capture has not told of them yet */
};

struct kernel_target {
	struct target target;
	struct kernel_link link[KERNEL_LINKS];
	unsigned links;			/* those that were begun to be made */
	int64_t origin;			/* CLOCK_MONOTONIC when the target opened */
	int folder;			/* the script's, for relative paths */
	bool bulk;			/* config.bulk */
	bool realtime;			/* has a real-time priority */
	int cpu;			/* the processor it keeps to; -1: any */
	cpu_set_t cpus;			/* those that it might run on before */
	pl_time late;			/* the longest lateness so far */
	pl_time wake_cost;		/* how long before its end a sleep must be cut short to be on time */
	struct workers *workers;
	uint64_t descriptor[KERNEL_DESCRIPTORS / 64];	/* those that the script's calls opened */
	bool told;			/* a call was finished that no wait has told of yet */
	bool capabilities_set;		/* by cap_set: from then on calls run on threads, which alone have them */
	unsigned capabilities_version;
	uint32_t capability[3][2];	/* by cap_flag_t: effective, permitted, inheritable */
	struct shell_hooks hooks;
	struct shell *shell;	/* NULL: no commands here */
	uint8_t *buffer;		/* for one packet read from a tun */
};

static inline struct kernel_target *kernel_of(struct target *target)
{
	return (struct kernel_target *)target;
}

#define KERNEL_PACKET_ROOM 131072	/* more than any packet with its headers */

/* The folder of the script, which paths in it are relative to: a descriptor or -1. */
int kernel_folder_open(const char *script_path);

/* kernel_time.c */
int64_t kernel_clock(void);					/* CLOCK_MONOTONIC in nanoseconds */
pl_time kernel_now(struct target *target);
pl_time kernel_start(struct target *target);
int64_t kernel_wall_clock(struct target *target);
enum target_event kernel_wait(struct target *target, pl_time until, unsigned want);
pl_time kernel_lateness(struct target *target);
/* Sleep until something is to be read from a link or from `fd`: whether it is from `fd`. */
bool kernel_idle(struct kernel_target *kernel, int fd);
/* Take on a real-time priority and pin memory, as far as allowed. */
void kernel_priority_raise(struct kernel_target *kernel);
void kernel_priority_lower(struct kernel_target *kernel);	/* back to what it was */
/* For a moment: on the same processor as everybody else, and then before them again. */
void kernel_priority_yield(struct kernel_target *kernel);
void kernel_priority_resume(struct kernel_target *kernel);

/* kernel_net.c: 0, TARGET_UNAVAILABLE or -errno, with *error a message. */
int kernel_namespace_enter(struct arena *arena, const char **error);
int kernel_links_make(struct kernel_target *kernel, const struct target_config *config, bool capture, struct arena *arena,
		      const char **error);
void kernel_links_close(struct kernel_target *kernel);

/* kernel_capture.c */
int kernel_capture_open(struct kernel_link *link, struct arena *arena, const char **error);
void kernel_capture_close(struct kernel_link *link);
/* Read everything that has left so far. True when a packet can be taken. */
bool kernel_capture_drain(struct kernel_target *kernel);
/* A packet was seen at one end only, so far. */
bool kernel_capture_halfway(const struct kernel_target *kernel);
bool kernel_take(struct target *target, struct arena *arena, struct target_packet *packet);

/* kernel_call.c */
void kernel_submit(struct target *target, struct pl_call *call);
void kernel_cancel(struct target *target, struct pl_call *call);
int kernel_calls_open(struct kernel_target *kernel);
bool kernel_calls_close(struct kernel_target *kernel);	/* false: a call goes on, and uses the target */

#endif
