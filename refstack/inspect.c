/* What an observer may see: counters by the kernel's names, and what the stack holds. */
#include <plumbline/inspect.h>

#include "internal.h"

static const struct {
	const char *group, *name;
} counter_names[CNT_COUNT] = {
#define COUNTER(group, name) [CNT_##group##_##name] = { #group, #name },
#include "counter_list.h"
#undef COUNTER
};

int64_t pl_counter(const struct pl_stack *stack, const char *group, const char *name)
{
	for (size_t i = 0; i < CNT_COUNT; i++)
		if (strcmp(counter_names[i].group, group) == 0 && strcmp(counter_names[i].name, name) == 0)
			return (int64_t)stack->counter[i];
	return -1;
}

void pl_usage(const struct pl_stack *stack, struct pl_usage *usage)
{
	*usage = stack->usage;
	usage->timers = stack->timers.count;
}
