/*
 * Timers, ordered by (deadline, sequence), so that timers of one instant fire in the order they were armed. The heap is made
 * of the timers themselves: arming allocates nothing and cannot fail.
 */
#ifndef REFSTACK_TIMER_H
#define REFSTACK_TIMER_H

#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_stack;

/* Embedded in what it belongs to; zeroed memory is an idle timer once timer_init has set fire. */
struct pl_timer {
	pl_time deadline;
	uint64_t sequence;
	void (*fire)(struct pl_stack *stack, struct pl_timer *timer);
	struct pl_timer *child, *sibling, *previous;	/* in the heap; previous is the parent for a first child */
	bool armed;
};

struct timer_heap {
	struct pl_timer *root;
	size_t count;
	uint64_t sequence;
};

static inline void timer_init(struct pl_timer *timer, void (*fire)(struct pl_stack *, struct pl_timer *))
{
	*timer = (struct pl_timer){ .fire = fire };
}
static inline bool timer_armed(const struct pl_timer *timer)
{
	return timer->armed;
}
/* Arm or move; a deadline in the past fires at the present instant. */
void timer_arm(struct pl_stack *stack, struct pl_timer *timer, pl_time deadline);
void timer_cancel(struct pl_stack *stack, struct pl_timer *timer);	/* idle timers too */
/* The timer that fires next, NULL: none; and the same one taken out of the heap. */
struct pl_timer *timer_first(const struct timer_heap *heap);
struct pl_timer *timer_pop(struct pl_stack *stack);

/* Jiffies as the machine's HZ has them; tcp_jiffies32 and the kernel's coarse clocks are built on it. */
uint32_t stack_jiffies(const struct pl_stack *stack);
pl_time jiffies_to_time(const struct pl_stack *stack, int64_t jiffies);
int64_t time_to_jiffies_up(const struct pl_stack *stack, pl_time span);	/* rounded up, as msecs_to_jiffies does */

#endif
