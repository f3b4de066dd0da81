/*
 * Routing tables.
 *
 * All tables are one list ordered so that within a table the first entry that matches is the longest prefix, then the exact TOS,
 * then the lowest priority value: a host in a test has a handful of routes, and a walk over them costs less than any tree.
 * Which tables are looked at, the rules say (fib_rule.c); as long as nobody changed those, a shorter way gives the same.
 */
#include "fib.h"

#include <stdlib.h>

int fib_host_new(struct pl_stack *stack)
{
	stack->fib = calloc(1, sizeof(*stack->fib));
	return stack->fib ? fib_rules_new(stack) : -ENOMEM;
}

void fib_host_free(struct pl_stack *stack)
{
	struct fib *fib = stack->fib;

	if (!fib)
		return;
	while (fib->entries) {
		struct fib_entry *entry = fib->entries;

		fib->entries = entry->next;
		fib_entry_free(entry);
	}
	fib_rules_free(stack);
	free(fib);
	stack->fib = NULL;
}

void fib_changed(struct pl_stack *stack)
{
	stack->fib->generation++;
}

void route_cache_flush(struct pl_stack *stack)
{
	fib_changed(stack);
}

/* --- lookup ------------------------------------------------------------------------------------------------------- */

int fib_type_error(uint8_t type)
{
	switch (type) {
	case RTN_BLACKHOLE:
		return -EINVAL;
	case RTN_UNREACHABLE:
		return -EHOSTUNREACH;
	case RTN_PROHIBIT:
		return -EACCES;
	case RTN_THROW:
		return -EAGAIN;
	default:
		return 0;
	}
}

static bool entry_matches(const struct fib_entry *entry, const struct flow *flow)
{
	if ((flow->destination.s_addr ^ entry->destination.s_addr) & prefix_mask(entry->prefix_length).s_addr)
		return false;
	if (entry->tos && entry->tos != (flow->tos & IPTOS_TOS_MASK))
		return false;
	return entry->scope >= flow->scope;
}

/* The first next hop that lives and, where the flow names a link, leads over that. */
static struct fib_nexthop *usable_nexthop(const struct pl_stack *stack, const struct fib_entry *entry, const struct flow *flow)
{
	for (unsigned i = 0; i < entry->nexthops; i++) {
		const struct fib_nexthop *nexthop = &entry->nexthop[i];

		if (nexthop->dead || !nexthop->link || (!(flow->flags & FLOW_ANY_CARRIER) && fib_nexthop_ignored(stack, nexthop)))
			continue;
		if (!flow->output_link || nexthop->link->ifindex == flow->output_link)
			return (struct fib_nexthop *)nexthop;
	}
	return NULL;
}

int fib_lookup_table(const struct pl_stack *stack, uint32_t table, const struct flow *flow, struct fib_result *found)
{
	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next) {
		if (entry->table != table || !entry_matches(entry, flow))
			continue;
		int error = fib_type_error(entry->type);
		struct fib_nexthop *nexthop = error ? NULL : usable_nexthop(stack, entry, flow);
		if (!error && !nexthop)
			continue;
		*found = (struct fib_result){ entry, nexthop };
		return error;
	}
	return -EAGAIN;
}

/*
 * As long as there are no rules but the first three, Linux keeps the tables local and main in one trie: the longest prefix of
 * both wins, and the local one of two as long as each other.
 */
static int lookup_merged(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found)
{
	struct fib_result local = { 0 }, main = { 0 };
	int in_local = fib_lookup_table(stack, RT_TABLE_LOCAL, flow, &local);
	int in_main = fib_lookup_table(stack, RT_TABLE_MAIN, flow, &main);
	bool take_local = local.entry && (!main.entry || local.entry->prefix_length >= main.entry->prefix_length);
	int error = take_local ? in_local : in_main;

	*found = take_local ? local : main;
	if (error) {
		struct fib_result last = { 0 };
		int in_last = fib_lookup_table(stack, RT_TABLE_DEFAULT, flow, &last);

		if (last.entry) {
			*found = last;
			error = in_last;
		}
	}
	return error;
}

int fib_lookup(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found)
{
	int error = stack->fib->custom_rules ? fib_rules_lookup(stack, flow, found) : lookup_merged(stack, flow, found);

	return error == -EAGAIN ? -ENETUNREACH : error;
}

int fib_lookup_local(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found)
{
	if (stack->fib->custom_rules)
		return fib_lookup_table(stack, RT_TABLE_LOCAL, flow, found);
	return lookup_merged(stack, flow, found);
}

/* --- entries ------------------------------------------------------------------------------------------------------ */

/* Does a come before b in its table? Entries of different tables are kept apart by their numbers. */
int fib_entry_compare(const struct fib_entry *a, const struct fib_entry *b)
{
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	if (a->prefix_length != b->prefix_length)
		return a->prefix_length > b->prefix_length ? -1 : 1;
	if (a->destination.s_addr != b->destination.s_addr)
		return ntohl(a->destination.s_addr) < ntohl(b->destination.s_addr) ? -1 : 1;
	if (a->tos != b->tos)
		return a->tos > b->tos ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return 0;
}

struct fib_entry *fib_entry_new(unsigned nexthops)
{
	struct fib_entry *entry = calloc(1, sizeof(*entry) + nexthops * sizeof(entry->nexthop[0]));

	if (entry)
		entry->nexthops = nexthops;
	return entry;
}

void fib_entry_free(struct fib_entry *entry)
{
	for (unsigned i = 0; i < entry->nexthops; i++)
		exceptions_put(&entry->nexthop[i]);
	free(entry);
}

void fib_entry_insert(struct pl_stack *stack, struct fib_entry *entry)
{
	struct fib_entry **place = &stack->fib->entries;

	exceptions_share(stack, entry);
	while (*place && fib_entry_compare(*place, entry) <= 0)
		place = &(*place)->next;
	entry->next = *place;
	*place = entry;
	fib_changed(stack);
}

void fib_entry_remove(struct pl_stack *stack, struct fib_entry **place)
{
	struct fib_entry *entry = *place;

	*place = entry->next;
	fib_entry_free(entry);
	fib_changed(stack);
}
