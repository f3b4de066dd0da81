/*
 * The table of neighbours: finding, making, ageing, collecting.
 *
 * Linux has one table for all its network namespaces, and the files that bound it (neigh/default) in the first of them alone. A
 * stack that is not the first has its own table with the bounds that those files start with.
 *
 * Entries leave in three ways. Every half base_reachable_time the table is walked, if there are gc_thresh1 entries, and what
 * failed or was not used for gc_stale_time goes. A new entry beyond gc_thresh2 (every five seconds) or gc_thresh3 (always)
 * makes room at once; when none can be made at gc_thresh3, there is no new entry and the packet is lost (ENOBUFS). And a link that
 * goes down or changes its address forgets all. An entry whose timer runs is not collected: a question is out, or an answer holds.
 */
#include "neighbour.h"

#include <stdlib.h>

#include "../ip/ip.h"
#include "../socket/sock.h"
#include "arp.h"
#include "ethernet.h"

#define FLUSH_INTERVAL (5 * PL_NSEC_PER_SEC)	/* between two collections for gc_thresh2, and the age that they collect */
#define RANDOM_INTERVAL (300 * PL_NSEC_PER_SEC)	/* RFC 4861 section 6.3.4: a new reachable time every few hours; Linux: minutes */

static unsigned bucket_of(const struct link *link, struct in_addr address)
{
	uint32_t key = ntohl(address.s_addr) ^ (uint32_t)link->ifindex << 16;

	return (key ^ key >> 6 ^ key >> 12) % NEIGHBOUR_BUCKETS;
}

struct neighbour *neighbour_find(const struct pl_stack *stack, const struct link *link, struct in_addr address)
{
	struct neighbour *neighbour = stack->neighbours->bucket[bucket_of(link, address)];

	stack->neighbours->stat.lookups++;
	while (neighbour && (neighbour->link != link || neighbour->address.s_addr != address.s_addr))
		neighbour = neighbour->chain;
	stack->neighbours->stat.hits += neighbour != NULL;
	return neighbour;
}

static void unlink_from_table(struct neighbour_table *table, struct neighbour *neighbour)
{
	struct neighbour **place = &table->bucket[bucket_of(neighbour->link, neighbour->address)];

	while (*place != neighbour)
		place = &(*place)->chain;
	*place = neighbour->chain;
	*(neighbour->older ? &neighbour->older->newer : &table->oldest) = neighbour->newer;
	*(neighbour->newer ? &neighbour->newer->older : &table->newest) = neighbour->older;
	table->count--;
	table->collectable -= !neighbour->kept;
}

void neighbour_remove(struct pl_stack *stack, struct neighbour *neighbour)
{
	unlink_from_table(stack->neighbours, neighbour);
	stack->neighbours->stat.destroys++;
	timer_cancel(stack, &neighbour->timer);
	neighbour_drop_waiting(stack, neighbour);
	free(neighbour);
}

void neighbour_queues_drop(struct pl_stack *stack)
{
	struct neighbour_table *table = stack->neighbours;

	for (struct neighbour *neighbour = table ? table->oldest : NULL; neighbour; neighbour = neighbour->newer)
		neighbour_drop_waiting(stack, neighbour);
}

void neighbour_recount(struct pl_stack *stack, struct neighbour *neighbour)
{
	bool kept = neighbour->state == NUD_PERMANENT || neighbour->flags & NTF_EXT_LEARNED;

	if (kept == neighbour->kept)
		return;
	neighbour->kept = kept;
	stack->neighbours->collectable += kept ? -1u : 1;
}

/* --- collecting --------------------------------------------------------------------------------------------------- */

static bool is_idle(const struct neighbour *neighbour)
{
	return !timer_armed(&neighbour->timer) && !neighbour->held;
}

/* Make room. */
static unsigned collect_now(struct pl_stack *stack)
{
	struct neighbour_table *table = stack->neighbours;
	int64_t most = (int64_t)table->collectable - stack->sysctl.neigh_default.gc_thresh2;
	unsigned collected = 0;

	table->stat.forced_gc_runs++;
	for (struct neighbour *neighbour = table->oldest, *next; neighbour; neighbour = next) {
		bool old = stack->now - neighbour->updated > FLUSH_INTERVAL;

		next = neighbour->newer;
		if (neighbour->kept || !is_idle(neighbour))
			continue;
		if (!old && neighbour->state != NUD_FAILED && neighbour->state != NUD_NOARP)
			continue;
		neighbour_remove(stack, neighbour);
		if (++collected >= most)
			break;
	}
	table->last_flush = stack->now;
	return collected;
}

static bool has_room(struct pl_stack *stack)
{
	const struct neigh_sysctls *limits = &stack->sysctl.neigh_default;
	struct neighbour_table *table = stack->neighbours;
	bool full = (int64_t)table->collectable >= limits->gc_thresh3;
	bool crowded = (int64_t)table->collectable >= limits->gc_thresh2 && stack->now - table->last_flush > FLUSH_INTERVAL;

	if ((!full && !crowded) || collect_now(stack) || !full)
		return true;
	table->stat.table_fulls++;
	return false;
}

static void clean(struct pl_stack *stack)
{
	stack->neighbours->stat.periodic_gc_runs++;
	if ((int64_t)stack->neighbours->count < stack->sysctl.neigh_default.gc_thresh1)
		return;
	for (struct neighbour *neighbour = stack->neighbours->oldest, *next; neighbour; neighbour = next) {
		pl_time stale = SYSCTL_TIME(stack, neighbour->link->ipv4->neigh.gc_stale_time);

		next = neighbour->newer;
		if (neighbour->kept || !is_idle(neighbour))
			continue;
		if (neighbour->used < neighbour->confirmed)
			neighbour->used = neighbour->confirmed;
		if (neighbour->state == NUD_FAILED || stack->now - neighbour->used >= stale)
			neighbour_remove(stack, neighbour);
	}
}

static void cleaning_arm(struct pl_stack *stack)
{
	struct neighbour_table *table = stack->neighbours;
	pl_time half = SYSCTL_TIME(stack, stack->sysctl.neigh_default.base_reachable_time / 2);
	pl_time jiffy = SYSCTL_TIME(stack, 1);

	if (!timer_armed(&table->cleaning))
		timer_arm(stack, &table->cleaning, stack->now + (half > jiffy ? half : jiffy));
}

/* Only a table with entries is cleaned: an idle stack has no timers. */
static void cleaning_due(struct pl_stack *stack, struct pl_timer *timer)
{
	struct neighbour_table *table = stack->neighbours;

	if (stack->now - table->last_random > RANDOM_INTERVAL) {
		table->last_random = stack->now;
		for (struct link *link = stack->links; link; link = link->next)
			if (link->kind == PL_LINK_ETHERNET)
				neighbour_reachable_time(stack, link->ipv4);
	}
	clean(stack);
	if (table->count)
		cleaning_arm(stack);
}

/* --- making ------------------------------------------------------------------------------------------------------- */

/* What needs no question has its hardware address from the start: groups, broadcasts, everybody on a link without ARP. */
static void start_state(struct pl_stack *stack, struct neighbour *neighbour)
{
	int type = address_type(stack, neighbour->address);

	if (type == RTN_MULTICAST)
		ethernet_map_multicast(neighbour->address, neighbour->hwaddr);
	else if (neighbour->link->flags & IFF_NOARP)
		memcpy(neighbour->hwaddr, neighbour->link->hwaddr, ETH_ALEN);
	else if (type == RTN_BROADCAST)
		memcpy(neighbour->hwaddr, neighbour->link->broadcast, ETH_ALEN);
	else
		return;
	neighbour->state = NUD_NOARP;
}

struct neighbour *neighbour_get(struct pl_stack *stack, struct link *link, struct in_addr address, bool kept)
{
	struct neighbour_table *table = stack->neighbours;
	struct neighbour *neighbour = neighbour_find(stack, link, address);

	if (neighbour || (!kept && !has_room(stack)))
		return neighbour;
	neighbour = calloc(1, sizeof(*neighbour));
	if (!neighbour)
		return NULL;
	table->stat.allocs++;
	neighbour->link = link;
	neighbour->address = address;
	neighbour->kept = kept;
	neighbour->updated = neighbour->used = stack->now;
	neighbour->confirmed = stack->now - 2 * SYSCTL_TIME(stack, link->ipv4->neigh.base_reachable_time);
	timer_init(&neighbour->timer, neighbour_timer);
	start_state(stack, neighbour);
	struct neighbour **bucket = &table->bucket[bucket_of(link, address)];
	neighbour->chain = *bucket;
	*bucket = neighbour;
	neighbour->older = table->newest;
	*(table->newest ? &table->newest->newer : &table->oldest) = neighbour;
	table->newest = neighbour;
	table->count++;
	table->collectable += !kept;
	cleaning_arm(stack);
	return neighbour;
}

void neighbour_reachable_time(struct pl_stack *stack, struct in_device *device)
{
	uint32_t base = (uint32_t)device->neigh.base_reachable_time;

	device->reachable_time = base ? SYSCTL_TIME(stack, (int64_t)prng_below(&stack->prng, base) + base / 2) : 0;
}

/* --- proxies ------------------------------------------------------------------------------------------------------ */

struct neighbour_proxy *neighbour_proxy_find(const struct pl_stack *stack, const struct link *link, struct in_addr address)
{
	struct neighbour_proxy *proxy = stack->neighbours->proxies;

	while (proxy && (proxy->address.s_addr != address.s_addr || (proxy->link && proxy->link != link)))
		proxy = proxy->next;
	return proxy;
}

/* --- forgetting --------------------------------------------------------------------------------------------------- */

void neighbours_forget(struct pl_stack *stack, struct link *link, bool keep_permanent)
{
	struct neighbour_table *table = stack->neighbours;

	for (struct neighbour *neighbour = table->oldest, *next; neighbour; neighbour = next) {
		next = neighbour->newer;
		if (neighbour->link == link && !(keep_permanent && neighbour->state == NUD_PERMANENT))
			neighbour_remove(stack, neighbour);
	}
}

void neighbours_disown(struct pl_stack *stack, struct sock *sk)
{
	for (struct neighbour *neighbour = stack->neighbours->oldest; neighbour; neighbour = neighbour->newer)
		for (struct pktbuf *packet = neighbour->queue.first; packet; packet = packet->next)
			if (packet->owner == sk)
				pktbuf_orphan(packet);
}

void neighbour_link_down(struct pl_stack *stack, struct link *link, bool keep_permanent)
{
	struct neighbour_proxy **place = &stack->neighbours->proxies;

	neighbours_forget(stack, link, keep_permanent);
	while (*place) {
		struct neighbour_proxy *proxy = *place;

		if (proxy->link != link) {
			place = &proxy->next;
			continue;
		}
		*place = proxy->next;
		free(proxy);
	}
	arp_delayed_drop(stack, link);
}

int neighbour_host_new(struct pl_stack *stack)
{
	stack->neighbours = calloc(1, sizeof(*stack->neighbours));
	if (!stack->neighbours)
		return -ENOMEM;
	timer_init(&stack->neighbours->cleaning, cleaning_due);
	timer_init(&stack->neighbours->managing, neighbours_manage);
	timer_init(&stack->neighbours->delayed_timer, arp_delayed_due);
	return 0;
}

void neighbour_host_free(struct pl_stack *stack)
{
	struct neighbour_table *table = stack->neighbours;

	if (!table)
		return;
	while (table->oldest)
		neighbour_remove(stack, table->oldest);
	while (table->proxies) {
		struct neighbour_proxy *proxy = table->proxies;

		table->proxies = proxy->next;
		free(proxy);
	}
	arp_delayed_drop(stack, NULL);
	timer_cancel(stack, &table->cleaning);
	timer_cancel(stack, &table->managing);
	timer_cancel(stack, &table->delayed_timer);
	free(table);
	stack->neighbours = NULL;
}
