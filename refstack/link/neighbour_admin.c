/* Neighbours set by hand: `ip neighbour` and the requests of arp(7). */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdlib.h>

#include "../ip/ip.h"
#include "neighbour.h"

unsigned neighbour_arp_flags(const struct neighbour *neighbour)
{
	if (neighbour->state & NUD_PERMANENT)
		return ATF_PERM | ATF_COM;
	return neighbour->state & NUD_VALID ? ATF_COM : 0;
}

static int proxy_set(struct pl_stack *stack, const struct pl_neighbour *given, unsigned flags)
{
	struct neighbour_table *table = stack->neighbours;
	struct link *link = given->ifindex ? link_by_index(stack, given->ifindex) : NULL;
	struct neighbour_proxy *proxy = table->proxies;

	while (proxy && (proxy->link != link || proxy->address.s_addr != given->address.s_addr))
		proxy = proxy->next;
	if (proxy)
		return 0;
	proxy = calloc(1, sizeof(*proxy));
	if (!proxy)
		return -ENOBUFS;
	*proxy = (struct neighbour_proxy){ .next = table->proxies, .link = link, .address = given->address };
	table->proxies = proxy;
	return 0;
}

/* An entry that says "use" or "manage" is asked for at once. */
static int entry_set(struct pl_stack *stack, struct link *link, const struct pl_neighbour *given, unsigned flags)
{
	unsigned how = NEIGHBOUR_ADMIN | NEIGHBOUR_OVERRIDE;
	struct neighbour *neighbour = neighbour_find(stack, link, given->address);
	bool kept = given->state & NUD_PERMANENT || given->flags & NTF_EXT_LEARNED;

	if (!neighbour) {
		if (!(flags & NLM_F_CREATE))
			return -ENOENT;
		neighbour = neighbour_get(stack, link, given->address, kept);
		if (!neighbour)
			return -ENOBUFS;
	} else if (flags & NLM_F_EXCL) {
		return -EEXIST;
	} else if (!(flags & NLM_F_REPLACE)) {
		how &= ~(unsigned)NEIGHBOUR_OVERRIDE;
	}
	neighbour->flags = given->flags & (NTF_ROUTER | NTF_EXT_LEARNED);
	if (given->managed && !neighbour->managed)
		timer_arm(stack, &stack->neighbours->managing, stack->now + SYSCTL_TIME(stack, stack->sysctl.neigh_default.interval_probe_time));
	neighbour->managed = given->managed;
	if (given->flags & NTF_USE || given->managed)
		how |= NEIGHBOUR_USE;
	int error = neighbour_update(stack, neighbour, given->has_hwaddr ? given->hwaddr : NULL, (uint8_t)given->state, how);
	neighbour_recount(stack, neighbour);
	if (!error && how & NEIGHBOUR_USE)
		neighbour_use(stack, neighbour, true);
	return error;
}

int pl_neighbour_set(struct pl_stack *stack, const struct pl_neighbour *neighbour, unsigned flags)
{
	struct link *link = neighbour->ifindex ? link_by_index(stack, neighbour->ifindex) : NULL;
	int result;

	if (neighbour->ifindex && !link)
		return -ENODEV;
	if (neighbour->flags & NTF_PROXY)
		return proxy_set(stack, neighbour, flags);
	if (!link || link->kind != PL_LINK_ETHERNET)
		return -EINVAL;
	result = entry_set(stack, link, neighbour, flags);
	stack_settle(stack);
	return result;
}

static int proxy_delete(struct pl_stack *stack, const struct link *link, struct in_addr address)
{
	struct neighbour_proxy **place = &stack->neighbours->proxies;

	while (*place && ((*place)->link != link || (*place)->address.s_addr != address.s_addr))
		place = &(*place)->next;
	if (!*place)
		return -ENOENT;
	struct neighbour_proxy *proxy = *place;
	*place = proxy->next;
	free(proxy);
	return 0;
}

int pl_neighbour_delete(struct pl_stack *stack, const struct pl_neighbour *given)
{
	struct link *link = given->ifindex ? link_by_index(stack, given->ifindex) : NULL;
	struct neighbour *neighbour;

	if (given->ifindex && !link)
		return -ENODEV;
	if (given->flags & NTF_PROXY)
		return proxy_delete(stack, link, given->address);
	if (!link)
		return -EINVAL;
	neighbour = neighbour_find(stack, link, given->address);
	if (!neighbour)
		return -ENOENT;
	neighbour_update(stack, neighbour, NULL, NUD_FAILED, NEIGHBOUR_OVERRIDE | NEIGHBOUR_ADMIN);
	neighbour_remove(stack, neighbour);
	stack_settle(stack);
	return 0;
}

void pl_neighbour_flush(struct pl_stack *stack, int ifindex)
{
	for (struct neighbour *neighbour = stack->neighbours->oldest, *next; neighbour; neighbour = next) {
		next = neighbour->newer;
		if ((ifindex && neighbour->link->ifindex != ifindex) || neighbour->state & (NUD_PERMANENT | NUD_NOARP))
			continue;
		neighbour_update(stack, neighbour, NULL, NUD_FAILED, NEIGHBOUR_OVERRIDE | NEIGHBOUR_ADMIN);
		next = neighbour->newer;
		neighbour_remove(stack, neighbour);
	}
	stack_settle(stack);
}

bool pl_neighbour_get(const struct pl_stack *stack, unsigned index, struct pl_neighbour *to)
{
	const struct neighbour *neighbour = stack->neighbours->oldest;
	const struct neighbour_proxy *proxy = stack->neighbours->proxies;

	for (; neighbour && index; index--)
		neighbour = neighbour->newer;
	if (neighbour) {
		*to = (struct pl_neighbour){ .ifindex = neighbour->link->ifindex, .address = neighbour->address,
					     .has_hwaddr = neighbour->state & NUD_VALID, .state = neighbour->state,
					     .flags = neighbour->flags, .managed = neighbour->managed };
		memcpy(to->hwaddr, neighbour->hwaddr, sizeof(to->hwaddr));
		return true;
	}
	for (; proxy && index; index--)
		proxy = proxy->next;
	if (proxy)
		*to = (struct pl_neighbour){ .ifindex = proxy->link ? proxy->link->ifindex : 0, .address = proxy->address,
					     .flags = NTF_PROXY };
	return proxy;
}
