/*
 * Threads that carry out calls which may wait, for targets in real time. They serve one target, whose own thread posts calls,
 * is told of finished ones and interrupts others; nothing here is shared with anybody else.
 */
#ifndef HARNESS_TARGET_WORKER_H
#define HARNESS_TARGET_WORKER_H

#include <plumbline/call.h>
#include <stdbool.h>

struct workers;

struct workers_ops {
	/* On a thread: the call's result. `seen` is the thread's own and starts at 0, for what a thread must do once. */
	int64_t (*carry_out)(void *context, const struct pl_call *call, unsigned *seen);
	pl_time (*now)(void *context);				/* on any thread */
	void (*finish)(void *context, struct pl_call *call);	/* on the target's thread: the call is finished */
};

/*
 * `realtime`: the target's thread has the lowest real-time priority and keeps to one processor; the threads then get the next
 * priority above it on the same processor, so that a posted call is at once as far as it gets. NULL: no memory.
 */
struct workers *workers_new(const struct workers_ops *ops, void *context, bool realtime);

/*
 * Interrupts whatever still waits; such calls are not told of. False: a call could not be interrupted, and its thread still uses
 * the context.
 */
bool workers_free(struct workers *workers);

/* Readable when a thread has finished a call: then workers_harvest has something to do. */
int workers_fd(const struct workers *workers);

/* Returns when the call is finished, or is seen to wait. False: there is no thread for it. */
bool workers_post(struct workers *workers, struct pl_call *call);

/* Finish the calls that threads are done with. True when there was one. */
bool workers_harvest(struct workers *workers);

/* Interrupt a call that waits, as a signal does, and finish it. False: it is not under way. */
bool workers_cancel(struct workers *workers, struct pl_call *call);

#endif
