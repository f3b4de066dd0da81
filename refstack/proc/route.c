/* /proc/net/route: table main, by destination. */
#include <net/route.h>
#include <stdlib.h>

#include "../ip/fib.h"
#include "proc.h"

#define WIDTH 127

static int by_destination(const void *left, const void *right)
{
	const struct fib_entry *a = *(const struct fib_entry *const *)left, *b = *(const struct fib_entry *const *)right;
	uint32_t x = ntohl(a->destination.s_addr), y = ntohl(b->destination.s_addr);

	if (x != y)
		return x < y ? -1 : 1;
	if (a->prefix_length != b->prefix_length)
		return a->prefix_length > b->prefix_length ? -1 : 1;
	if (a->tos != b->tos)
		return a->tos > b->tos ? -1 : 1;
	return a->priority < b->priority ? -1 : a->priority > b->priority;
}

static unsigned flags_of(const struct fib_entry *entry)
{
	unsigned flags = RTF_UP;

	if (entry->type == RTN_UNREACHABLE || entry->type == RTN_PROHIBIT)
		flags |= RTF_REJECT;
	if (entry->nexthop[0].gateway.s_addr)
		flags |= RTF_GATEWAY;
	if (entry->prefix_length == 32)
		flags |= RTF_HOST;
	return flags;
}

static void write_entry(FILE *to, const struct fib_entry *entry)
{
	proc_line(to, WIDTH, "%s\t%08X\t%08X\t%04X\t%d\t%u\t%d\t%08X\t%d\t%u\t%u",
		  entry->nexthop[0].link ? entry->nexthop[0].link->name : "*", entry->destination.s_addr,
		  entry->nexthop[0].gateway.s_addr, flags_of(entry), 0, 0, (int)entry->priority, prefix_mask(entry->prefix_length).s_addr,
		  entry->metric[RTAX_ADVMSS] ? (int)entry->metric[RTAX_ADVMSS] + 40 : 0, entry->metric[RTAX_WINDOW],
		  entry->metric[RTAX_RTT] >> 3);
}

void proc_route(struct pl_stack *stack, FILE *to)
{
	const struct fib_entry **entries = NULL;
	size_t count = 0;

	proc_line(to, WIDTH, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		count += entry->table == RT_TABLE_MAIN;
	entries = count ? calloc(count, sizeof(const struct fib_entry *)) : NULL;
	if (!entries)
		return;
	count = 0;
	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		if (entry->table == RT_TABLE_MAIN && entry->type != RTN_BROADCAST && entry->type != RTN_MULTICAST)
			entries[count++] = entry;
	qsort(entries, count, sizeof(const struct fib_entry *), by_destination);
	for (size_t i = 0; i < count; i++)
		write_entry(to, entries[i]);
	free(entries);
}
