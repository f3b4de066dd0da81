/*
 * The reference stack: an IPv4 host inside a process.
 *
 * A pl_stack is one host under virtual time. It reads no clock, no random device, no file and no environment: time, randomness
 * and packets come in through the functions here. It belongs to one thread at a time; whoever shares one holds pl_stack_lock.
 */
#ifndef PLUMBLINE_STACK_H
#define PLUMBLINE_STACK_H

#include <plumbline/call.h>
#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_stack;

/*
 * What Linux derives from the machine it boots on. pl_machine_default describes a 4 GiB machine with HZ=250 and cubic; a
 * comparison fills it from the live kernel so that like meets like.
 */
struct pl_machine {
	uint64_t ram_pages;		/* pages of 4096 bytes that size tcp_mem, udp_mem and the hash tables */
	unsigned hz;			/* jiffies a second */
	const char *congestion_control;	/* the default of new sockets */
	const char *available_congestion_control;	/* space separated, in the kernel's order */
	const char *allowed_congestion_control;
};
extern const struct pl_machine pl_machine_default;

/*
 * Plain files, for the calls that take them beside sockets (open, read, write, sendfile, splice). The stack itself opens no
 * file: whoever embeds it may lend it some. Results are those of the system calls: counts, or minus the error number. The stack
 * keeps the file position of each open file.
 */
struct pl_host_files {
	int64_t (*open)(void *context, const char *path, int flags, int mode, void **file);	/* 0, and the file */
	int64_t (*read)(void *file, void *buffer, size_t size, int64_t offset);
	int64_t (*write)(void *file, const void *buffer, size_t size, int64_t offset);
	int64_t (*size)(void *file);
	void (*close)(void *file);
	void *context;
};

struct pl_stack_config {
	uint64_t seed;			/* the same seed and inputs give the same trace to the byte */
	int64_t wall_clock;		/* what CLOCK_REALTIME reads at instant 0, in nanoseconds since 1970 */
	const struct pl_machine *machine;	/* NULL: pl_machine_default */
	bool first_namespace;		/* with the tunables that only the first network namespace has */
	const struct pl_host_files *files;	/* outlives the stack; NULL: open() gives -ENOENT */
};

/* A stack with an idle loopback link "lo" (ifindex 1, down, no address), as a new network namespace has. NULL: no memory. */
struct pl_stack *pl_stack_new(const struct pl_stack_config *config);

/* Close every socket without a word on the wire and free every byte. Calls still waiting are cancelled first. */
void pl_stack_free(struct pl_stack *stack);

pl_time pl_stack_now(const struct pl_stack *stack);

/* The instant of the next timer, PL_TIME_NEVER when none is armed. */
pl_time pl_stack_next_timer(const struct pl_stack *stack);

/* Fire every timer due up to and including `until`, in the order (deadline, sequence), and leave the clock there. */
void pl_stack_run_until(struct pl_stack *stack, pl_time until);

/* For those who share a stack between threads (the file system, a live run). Who has the lock may take it again. */
void pl_stack_lock(struct pl_stack *stack);
void pl_stack_unlock(struct pl_stack *stack);

/*
 * Privileges of the calls submitted from here on: a mask of 1 << CAP_x (capabilities(7)) and the user and group that
 * ping_group_range and socket ownership look at. A new stack starts with every capability and user 0.
 */
void pl_stack_set_credentials(struct pl_stack *stack, uint64_t capabilities, uint32_t uid, uint32_t gid);
uint64_t pl_stack_capabilities(const struct pl_stack *stack);

#endif
