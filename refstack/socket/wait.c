/*
 * Waiting without threads.
 *
 * A handler that cannot go on puts its call into one or more wait queues, with or without a deadline, and returns CALL_WAITS. A
 * wake (or the deadline, or a cancellation) moves the call to the stack's ready list; stack_settle, which ends every way into the
 * stack, runs the ready calls in the order in which they were woken. Running a call means leaving all queues and calling its
 * handler again from the top: a wake is only a hint, and the handler finds out for itself what is true now.
 *
 * Queue order is Linux's: add_wait_queue() puts ordinary waiters at the head, add_wait_queue_exclusive() puts exclusive ones at
 * the tail, __wake_up_common() goes from head to tail and stops after the first exclusive waiter that took the wake.
 */
#include "file.h"

#include <stdlib.h>

struct pl_waiting {
	struct pl_waiting *next, **prev;	/* every call that waits */
	struct pl_call *call;
	struct pl_wait *waits;			/* by sibling */
	struct pl_timer deadline;
};

void wait_queue_add(struct wait_queue *queue, struct pl_wait *wait)
{
	wait->queue = queue;
	if (wait->exclusive) {
		wait->next = NULL;
		wait->prev = queue->last;
		*(queue->last ? &queue->last->next : &queue->first) = wait;
		queue->last = wait;
	} else {
		wait->prev = NULL;
		wait->next = queue->first;
		*(queue->first ? &queue->first->prev : &queue->last) = wait;
		queue->first = wait;
	}
}

void wait_queue_remove(struct pl_wait *wait)
{
	struct wait_queue *queue = wait->queue;

	if (!queue)
		return;
	*(wait->prev ? &wait->prev->next : &queue->first) = wait->next;
	*(wait->next ? &wait->next->prev : &queue->last) = wait->prev;
	wait->queue = NULL;
}

void wait_queue_wake(struct wait_queue *queue, uint32_t events)
{
	for (struct pl_wait *wait = queue->first; wait; wait = wait->next)
		if ((!events || wait->events & events) && wait->wake(wait, events) && wait->exclusive && events)
			break;
}

/* Put call at the end of the ready list, unless it is there. */
static void call_make_ready(struct pl_call *call)
{
	struct pl_stack *stack = call->stack;

	if (call->ready)
		return;
	call->ready = true;
	call->ready_next = NULL;
	*(stack->ready_last ? &stack->ready_last->ready_next : &stack->ready_first) = call;
	stack->ready_last = call;
}

static void call_make_unready(struct pl_call *call)
{
	struct pl_stack *stack = call->stack;
	struct pl_call *before = NULL;

	if (!call->ready)
		return;
	for (struct pl_call *other = stack->ready_first; other != call; other = other->ready_next)
		before = other;
	*(before ? &before->ready_next : &stack->ready_first) = call->ready_next;
	if (stack->ready_last == call)
		stack->ready_last = before;
	call->ready = false;
}

static bool call_woken(struct pl_wait *wait, uint32_t events)
{
	bool first = !wait->call->ready;

	call_make_ready(wait->call);
	return first;	/* one that was already awake leaves the wake to the next exclusive waiter */
}

static void call_deadline(struct pl_stack *stack, struct pl_timer *timer)
{
	struct pl_waiting *waiting = (struct pl_waiting *)((char *)timer - offsetof(struct pl_waiting, deadline));

	waiting->call->timed_out = true;
	call_make_ready(waiting->call);
}

/* What the stack keeps for a call that waits, made on first use. NULL: no memory. */
static struct pl_waiting *call_waiting(struct pl_call *call)
{
	struct pl_waiting *waiting = call->waiting;
	struct descriptor_table *table = call->stack->descriptors;

	if (waiting)
		return waiting;
	waiting = calloc(1, sizeof(*waiting));
	if (!waiting)
		return NULL;
	waiting->call = call;
	timer_init(&waiting->deadline, call_deadline);
	waiting->next = table->waiting;
	waiting->prev = &table->waiting;
	if (table->waiting)
		table->waiting->prev = &waiting->next;
	table->waiting = waiting;
	call->waiting = waiting;
	return waiting;
}

/* Leave every queue; the deadline stays. */
static void call_leave_queues(struct pl_call *call)
{
	struct pl_wait *wait, *sibling;

	if (!call->waiting)
		return;
	for (wait = call->waiting->waits; wait; wait = sibling) {
		sibling = wait->sibling;
		wait_queue_remove(wait);
		free(wait);
	}
	call->waiting->waits = NULL;
}

static void call_waiting_free(struct pl_call *call)
{
	struct pl_waiting *waiting = call->waiting;

	if (!waiting)
		return;
	call_leave_queues(call);
	timer_cancel(call->stack, &waiting->deadline);
	*waiting->prev = waiting->next;
	if (waiting->next)
		waiting->next->prev = waiting->prev;
	free(waiting);
	call->waiting = NULL;
}

int call_wait_on(struct pl_call *call, struct wait_queue *queue, uint32_t events, bool exclusive)
{
	struct pl_waiting *waiting = call_waiting(call);
	struct pl_wait *wait = waiting ? malloc(sizeof(*wait)) : NULL;

	if (!wait)
		return -ENOMEM;
	*wait = (struct pl_wait){
		.events = events | EPOLLERR | EPOLLHUP,
		.exclusive = exclusive,
		.wake = call_woken,
		.call = call,
		.sibling = waiting->waits,
	};
	waiting->waits = wait;
	wait_queue_add(queue, wait);
	return 0;
}

int call_wait_until(struct pl_call *call, pl_time deadline)
{
	struct pl_waiting *waiting = call_waiting(call);

	if (!waiting)
		return -ENOMEM;
	if (deadline == PL_TIME_NEVER)
		return 0;
	if (!timer_armed(&waiting->deadline) || waiting->deadline.deadline != deadline)
		timer_arm(call->stack, &waiting->deadline, deadline);
	return 0;
}

int64_t call_wait(struct pl_call *call, struct wait_queue *queue, uint32_t events, bool exclusive, pl_time timeout)
{
	pl_time deadline = timeout > PL_TIME_NEVER - call->since ? PL_TIME_NEVER : call->since + timeout;

	if (timeout == 0 || call->timed_out)
		return -EAGAIN;
	if (call->cancelled)
		return -EINTR;
	if (call_wait_on(call, queue, events, exclusive) || call_wait_until(call, deadline))
		return -ENOMEM;
	return CALL_WAITS;
}

void call_wait_restart(struct pl_call *call)
{
	call->since = call->stack->now;
	call->timed_out = false;
	if (call->waiting)
		timer_cancel(call->stack, &call->waiting->deadline);
}

int64_t sock_wait(struct sock *sk, struct pl_call *call, uint32_t events, pl_time timeout)
{
	return call_wait(call, &sk->wait, events, false, timeout);
}

int64_t sock_wait_exclusive(struct sock *sk, struct pl_call *call, uint32_t events, pl_time timeout)
{
	return call_wait(call, &sk->wait, events, true, timeout);
}

void sock_wake(struct sock *sk, uint32_t events)
{
	wait_queue_wake(&sk->wait, events);
}

pl_time sock_receive_timeout(const struct sock *sk, const struct pl_call *call, int flags)
{
	return flags & MSG_DONTWAIT ? 0 : sk->receive_timeout;
}

pl_time sock_send_timeout(const struct sock *sk, const struct pl_call *call, int flags)
{
	return flags & MSG_DONTWAIT ? 0 : sk->send_timeout;
}

void call_finish(struct pl_call *call, int64_t result)
{
	call_make_unready(call);
	call_waiting_free(call);
	for (int i = 0; i < 2; i++) {
		struct pl_file *file = call->file[i];

		call->file[i] = NULL;
		if (file)
			file_put(file, NULL);
	}
	call->result = result;
	call->completed = call->stack->now;
	call->finished = true;
	if (call->done)
		call->done(call);	/* may free it */
}

void calls_run_ready(struct pl_stack *stack)
{
	struct pl_call *call;

	while ((call = stack->ready_first)) {
		call_make_unready(call);
		call_leave_queues(call);
		call_run(call);
	}
}

void pl_call_cancel(struct pl_stack *stack, struct pl_call *call)
{
	if (call->finished || !call->waiting)
		return;
	call->cancelled = true;
	call_make_unready(call);
	call_leave_queues(call);
	call_run(call);
	stack_settle(stack);
}

void calls_cancel_all(struct pl_stack *stack)
{
	struct descriptor_table *table = stack->descriptors;

	while (table->waiting)
		call_finish(table->waiting->call, -EINTR);
}
