/* Tables that rules share by name, each there as long as a rule holds it. */
#ifndef REFSTACK_NETFILTER_SHARED_H
#define REFSTACK_NETFILTER_SHARED_H

#include "extensions.h"

enum shared_kind { SHARED_RECENT, SHARED_HASHLIMIT };

#define SHARED_NAME 256

struct shared_table {			/* the first member of what is shared */
	struct shared_table *next;
	enum shared_kind kind;
	unsigned holders;
	char name[SHARED_NAME];
	void (*free)(struct shared_table *table);
};

/*
 * The table of that name, held once more; a new one of `size` zeroed bytes where there is none. NULL: no memory. `free` is called
 * when the last holder lets go.
 */
struct shared_table *shared_table_hold(struct pl_stack *stack, enum shared_kind kind, const char *name, size_t size,
				       void (*free)(struct shared_table *table));
/* Let go of it; `state` is that of a match, which begins with the pointer to the table. */
void shared_table_release(struct pl_stack *stack, void *state);

#endif
