/* Tables that rules share by name. */
#include "shared.h"

#include <stdio.h>
#include <stdlib.h>

struct shared_table *shared_table_hold(struct pl_stack *stack, enum shared_kind kind, const char *name, size_t size,
				       void (*free)(struct shared_table *table))
{
	struct shared_table *table = stack->netfilter->shared;

	while (table && (table->kind != kind || strcmp(table->name, name)))
		table = table->next;
	if (!table) {
		table = calloc(1, size);
		if (!table)
			return NULL;
		table->kind = kind;
		table->free = free;
		snprintf(table->name, sizeof(table->name), "%s", name);
		table->next = stack->netfilter->shared;
		stack->netfilter->shared = table;
	}
	table->holders++;
	return table;
}

void shared_table_release(struct pl_stack *stack, void *state)
{
	struct shared_table *table = *(struct shared_table **)state, **place = &stack->netfilter->shared;

	if (--table->holders)
		return;
	while (*place != table)
		place = &(*place)->next;
	*place = table->next;
	table->free(table);
}
