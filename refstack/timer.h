/* Timers: a heap ordered by (deadline, sequence), so that timers of one instant fire in the order they were armed. */
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
	size_t slot;			/* place in the heap + 1; 0 when idle */
	void (*fire)(struct pl_stack *stack, struct pl_timer *timer);
};

struct timer_heap {
	struct pl_timer **timer;
	size_t count, room;
	uint64_t sequence;
};

static inline void timer_init(struct pl_timer *timer, void (*fire)(struct pl_stack *, struct pl_timer *))
{
	*timer = (struct pl_timer){ .fire = fire };
}
static inline bool timer_armed(const struct pl_timer *timer)
{
	return timer->slot != 0;
}
/* Arm or move. Room in the heap is reserved when the owner is made (timer_reserve), so that arming cannot fail. */
void timer_arm(struct pl_stack *stack, struct pl_timer *timer, pl_time deadline);
void timer_cancel(struct pl_stack *stack, struct pl_timer *timer);	/* idle timers too */

/* Jiffies as the machine's HZ has them; tcp_jiffies32 and the kernel's coarse clocks are built on it. */
uint32_t stack_jiffies(const struct pl_stack *stack);
pl_time jiffies_to_time(const struct pl_stack *stack, int64_t jiffies);
int64_t time_to_jiffies_up(const struct pl_stack *stack, pl_time span);	/* rounded up, as msecs_to_jiffies does */

#endif
