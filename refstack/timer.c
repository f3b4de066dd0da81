/*
 * A pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986): a tree in which no timer comes before its parent. Melding two
 * heaps makes the later root the first child of the earlier. Taking the root out melds its children in pairs from left to
 * right and then the pairs from right to left. Arming costs O(1), cancelling and firing O(log n) amortised.
 *
 * The order (deadline, sequence) is total, so the order of firing does not depend on the shape of the tree.
 */
#include "timer.h"

#include "internal.h"

/* Where jiffies stand at instant 0: five minutes before the 32-bit counter wraps, as the kernel starts it. */
#define JIFFIES_AT_START(hz) ((uint32_t)(-300 * (int64_t)(hz)))

static bool comes_before(const struct pl_timer *a, const struct pl_timer *b)
{
	return a->deadline != b->deadline ? a->deadline < b->deadline : a->sequence < b->sequence;
}

/* One heap of two; either may be NULL. The roots have no siblings. */
static struct pl_timer *meld(struct pl_timer *a, struct pl_timer *b)
{
	if (!a || !b)
		return a ? a : b;
	if (comes_before(b, a)) {
		struct pl_timer *swap = a;
		a = b;
		b = swap;
	}
	b->previous = a;
	b->sibling = a->child;
	if (a->child)
		a->child->previous = b;
	a->child = b;
	return a;
}

/* One heap of a list of siblings. */
static struct pl_timer *meld_siblings(struct pl_timer *first)
{
	struct pl_timer *pairs = NULL;

	while (first) {
		struct pl_timer *a = first, *b = first->sibling;

		first = b ? b->sibling : NULL;
		a->sibling = a->previous = NULL;
		if (b)
			b->sibling = b->previous = NULL;
		a = meld(a, b);
		a->sibling = pairs;
		pairs = a;
	}
	struct pl_timer *heap = NULL;
	while (pairs) {
		struct pl_timer *next = pairs->sibling;

		pairs->sibling = NULL;
		heap = meld(heap, pairs);
		pairs = next;
	}
	return heap;
}

static void take_out(struct timer_heap *heap, struct pl_timer *timer)
{
	struct pl_timer *rest = meld_siblings(timer->child);

	if (timer == heap->root) {
		heap->root = rest;
	} else {
		if (timer->previous->child == timer)
			timer->previous->child = timer->sibling;
		else
			timer->previous->sibling = timer->sibling;
		if (timer->sibling)
			timer->sibling->previous = timer->previous;
		heap->root = meld(heap->root, rest);
	}
	timer->child = timer->sibling = timer->previous = NULL;
	timer->armed = false;
	heap->count--;
}

void timer_arm(struct pl_stack *stack, struct pl_timer *timer, pl_time deadline)
{
	struct timer_heap *heap = &stack->timers;

	if (timer->armed)
		take_out(heap, timer);
	timer->deadline = deadline;
	timer->sequence = heap->sequence++;
	timer->armed = true;
	heap->root = meld(heap->root, timer);
	heap->count++;
}

void timer_cancel(struct pl_stack *stack, struct pl_timer *timer)
{
	if (timer->armed)
		take_out(&stack->timers, timer);
}

struct pl_timer *timer_first(const struct timer_heap *heap)
{
	return heap->root;
}

struct pl_timer *timer_pop(struct pl_stack *stack)
{
	struct pl_timer *timer = stack->timers.root;

	if (timer)
		take_out(&stack->timers, timer);
	return timer;
}

uint32_t stack_jiffies(const struct pl_stack *stack)
{
	return JIFFIES_AT_START(stack->machine.hz) +
	       (uint32_t)(stack->now / (PL_NSEC_PER_SEC / (int64_t)stack->machine.hz));
}

pl_time jiffies_to_time(const struct pl_stack *stack, int64_t jiffies)
{
	pl_time tick = PL_NSEC_PER_SEC / (int64_t)stack->machine.hz;

	return jiffies > PL_TIME_NEVER / tick ? PL_TIME_NEVER : jiffies * tick;
}

int64_t time_to_jiffies_up(const struct pl_stack *stack, pl_time span)
{
	pl_time tick = PL_NSEC_PER_SEC / (int64_t)stack->machine.hz;

	return span / tick + (span % tick > 0);
}
