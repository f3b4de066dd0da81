#include "../../../refstack/internal.h"
#include "support.h"

static int fired[1024], fired_count;
static pl_time fired_at[1024];

struct numbered {
	struct pl_timer timer;
	int number;
};

static void note(struct pl_stack *stack, struct pl_timer *timer)
{
	fired[fired_count] = ((struct numbered *)timer)->number;
	fired_at[fired_count++] = stack->now;
}

Test(timer, same_deadline_fires_in_order_of_arming)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });
	struct numbered timers[8];

	for (int i = 0; i < 8; i++) {
		timer_init(&timers[i].timer, note);
		timers[i].number = i;
		timer_arm(stack, &timers[i].timer, 100);
	}
	timer_arm(stack, &timers[2].timer, 100);	/* armed again: now the last */
	timer_cancel(stack, &timers[5].timer);
	timer_cancel(stack, &timers[5].timer);
	pl_stack_run_until(stack, 99);
	cr_assert_eq(fired_count, 0);
	cr_assert_eq(pl_stack_next_timer(stack), 100);
	pl_stack_run_until(stack, 100);
	static const int expected[] = { 0, 1, 3, 4, 6, 7, 2 };
	cr_assert_eq(fired_count, 7);
	cr_assert_arr_eq(fired, expected, sizeof(expected));
	cr_assert_eq(pl_stack_next_timer(stack), PL_TIME_NEVER);
	cr_assert_not(timer_armed(&timers[0].timer));
	pl_stack_free(stack);
}

/* Many timers armed, moved and cancelled at random against a plain sorted walk. */
Test(timer, random_operations_against_a_list)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ .seed = 7 });
	static struct numbered timers[200];
	struct prng prng;

	prng_seed(&prng, 42);
	for (int i = 0; i < 200; i++) {
		timer_init(&timers[i].timer, note);
		timers[i].number = i;
	}
	for (int step = 0; step < 5000; step++) {
		struct pl_timer *timer = &timers[prng_below(&prng, 200)].timer;

		if (prng_below(&prng, 3))
			timer_arm(stack, timer, prng_below(&prng, 50));
		else
			timer_cancel(stack, timer);
	}
	size_t armed = 0;
	for (int i = 0; i < 200; i++)
		armed += timer_armed(&timers[i].timer);
	struct numbered copy[200];
	memcpy(copy, timers, sizeof(copy));
	pl_stack_run_until(stack, 60);
	cr_assert_eq((size_t)fired_count, armed);
	for (int i = 1; i < fired_count; i++) {
		const struct pl_timer *a = &copy[fired[i - 1]].timer, *b = &copy[fired[i]].timer;

		cr_assert(a->deadline < b->deadline || (a->deadline == b->deadline && a->sequence < b->sequence));
		cr_assert_eq(fired_at[i], b->deadline);
	}
	pl_stack_free(stack);
}

Test(timer, jiffies)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });

	uint32_t start = stack_jiffies(stack);
	cr_assert_eq(start, (uint32_t)-75000);
	pl_stack_run_until(stack, 4 * PL_NSEC_PER_MSEC - 1);
	cr_assert_eq(stack_jiffies(stack), start);
	pl_stack_run_until(stack, 4 * PL_NSEC_PER_MSEC);
	cr_assert_eq(stack_jiffies(stack), start + 1);
	cr_assert_eq(time_to_jiffies_up(stack, 5 * PL_NSEC_PER_MSEC), 2);
	cr_assert_eq(time_to_jiffies_up(stack, 8 * PL_NSEC_PER_MSEC), 2);
	cr_assert_eq(jiffies_to_time(stack, 250), PL_NSEC_PER_SEC);
	pl_stack_free(stack);
}
