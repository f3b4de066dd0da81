/* The instance: made, run and freed. Everything that a stack does starts at a call, a packet or a timer, and ends in settle. */
#include "internal.h"
#include "socket/sock.h"

#include <plumbline/stack.h>
#include <stdlib.h>

const struct pl_machine pl_machine_default = {
	.ram_pages = 1048576,
	.hz = 250,
	.congestion_control = "cubic",
	.available_congestion_control = "reno cubic bbr",
	.allowed_congestion_control = "reno cubic bbr",
};

/* A copy of *from whose strings the stack owns; false: no memory (what was copied is freed with the stack). */
static bool machine_copy(struct pl_machine *to, const struct pl_machine *from)
{
	*to = *from;
	to->congestion_control = strdup(from->congestion_control);
	to->available_congestion_control = strdup(from->available_congestion_control);
	to->allowed_congestion_control = strdup(from->allowed_congestion_control);
	return to->congestion_control && to->available_congestion_control && to->allowed_congestion_control;
}

static void lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

struct pl_stack *pl_stack_new(const struct pl_stack_config *config)
{
	struct pl_stack *stack = calloc(1, sizeof(*stack));

	if (!stack)
		return NULL;
	stack->wall_clock = config->wall_clock;
	stack->capabilities = UINT64_MAX;
	stack->files = config->files;
	stack->next_ifindex = 1;
	prng_seed(&stack->prng, config->seed);
	stack->first_namespace = config->first_namespace;
	lock_init(&stack->lock);
	bool made = machine_copy(&stack->machine, config->machine ? config->machine : &pl_machine_default);
	if (made) {
		if (stack->machine.hz == 0)
			stack->machine.hz = pl_machine_default.hz;
		sysctl_defaults(&stack->sysctl, &stack->machine);
	}
	for (const struct stack_part *part = stack_parts; made && part->make; part++)
		made = part->make(stack) == 0;
	if (!made) {
		pl_stack_free(stack);
		return NULL;
	}
	return stack;
}

void pl_stack_free(struct pl_stack *stack)
{
	size_t parts = 0;

	if (!stack)
		return;
	while (stack_parts[parts].make)
		parts++;
	for (size_t i = parts; i-- > 0;)
		stack_parts[i].free(stack);
	free((char *)stack->machine.congestion_control);
	free((char *)stack->machine.available_congestion_control);
	free((char *)stack->machine.allowed_congestion_control);
	pthread_mutex_destroy(&stack->lock);
	free(stack);
}

pl_time pl_stack_now(const struct pl_stack *stack)
{
	return stack->now;
}

pl_time pl_stack_next_timer(const struct pl_stack *stack)
{
	const struct pl_timer *timer = timer_first(&stack->timers);

	if (!timer)
		return PL_TIME_NEVER;
	return timer->deadline > stack->now ? timer->deadline : stack->now;
}

void pl_stack_run_until(struct pl_stack *stack, pl_time until)
{
	struct pl_timer *timer;

	while ((timer = timer_first(&stack->timers)) && timer->deadline <= until) {
		if (timer->deadline > stack->now)
			stack->now = timer->deadline;
		timer_pop(stack);
		timer->fire(stack, timer);
		stack_settle(stack);
	}
	if (until > stack->now)
		stack->now = until;
}

void stack_settle(struct pl_stack *stack)
{
	if (stack->settling)
		return;
	stack->settling = true;
	do {
		stack_softirq(stack);
		sock_senders_tell(stack);
		calls_run_ready(stack);
	} while (stack->backlog.count || stack->senders || stack->ready_first);
	tcp_reap(stack);
	stack->settling = false;
}

void pl_stack_lock(struct pl_stack *stack)
{
	pthread_mutex_lock(&stack->lock);
}

void pl_stack_unlock(struct pl_stack *stack)
{
	pthread_mutex_unlock(&stack->lock);
}

void pl_stack_set_credentials(struct pl_stack *stack, uint64_t capabilities, uint32_t uid, uint32_t gid)
{
	stack->capabilities = capabilities;
	stack->uid = uid;
	stack->gid = gid;
}

uint64_t pl_stack_capabilities(const struct pl_stack *stack)
{
	return stack->capabilities;
}
