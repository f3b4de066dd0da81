/* Routes that come and go with addresses and links. */
#include <stdlib.h>

#include "fib.h"

static void remove_matching(struct pl_stack *stack, bool (*matches)(const struct fib_entry *, const void *), const void *what)
{
	struct fib_entry **place = &stack->fib->entries;

	while (*place) {
		if (matches(*place, what))
			fib_entry_remove(stack, place);
		else
			place = &(*place)->next;
	}
}

static bool prefers(const struct fib_entry *entry, const void *local)
{
	return entry->preferred_source.s_addr == ((const struct in_addr *)local)->s_addr;
}

/* --- links -------------------------------------------------------------------------------------------------------- */

/* Is the route of no use any more: does every next hop of it lead over dead links? */
static bool all_dead(const struct fib_entry *entry)
{
	for (unsigned i = 0; i < entry->nexthops; i++)
		if (!entry->nexthop[i].dead)
			return false;
	return true;
}

static void lose_link(struct pl_stack *stack, const struct link *link, bool gone)
{
	struct fib_entry **place = &stack->fib->entries;

	while (*place) {
		struct fib_entry *entry = *place;
		bool touched = false;

		for (unsigned i = 0; i < entry->nexthops; i++) {
			struct fib_nexthop *nexthop = &entry->nexthop[i];

			if (nexthop->link != link || (!gone && nexthop->scope == RT_SCOPE_NOWHERE))
				continue;
			nexthop->dead = touched = true;
			if (gone)
				nexthop->link = NULL;
		}
		if (touched && all_dead(entry)) {
			fib_entry_remove(stack, place);
			continue;
		}
		if (touched)
			fib_rebalance(stack, entry);
		place = &entry->next;
	}
	fib_changed(stack);
}

void fib_link_down(struct pl_stack *stack, struct link *link)
{
	lose_link(stack, link, false);
}

void fib_link_gone(struct pl_stack *stack, struct link *link)
{
	lose_link(stack, link, true);
}

void fib_link_up(struct pl_stack *stack, struct link *link)
{
	for (struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next) {
		bool touched = false;

		for (unsigned i = 0; i < entry->nexthops; i++)
			if (entry->nexthop[i].link == link && entry->nexthop[i].dead) {
				entry->nexthop[i].dead = false;
				touched = true;
			}
		if (touched)
			fib_rebalance(stack, entry);
	}
	fib_changed(stack);
}

void fib_carrier_changed(struct pl_stack *stack, struct link *link)
{
	for (struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		for (unsigned i = 0; i < entry->nexthops; i++)
			if (entry->nexthop[i].link == link) {
				fib_rebalance(stack, entry);
				break;
			}
	fib_changed(stack);
}

/* --- routes that addresses bring ---------------------------------------------------------------------------------- */

/* What the kernel adds on its own for an address; no error is told to anyone, and an entry that is there stays. */
static void add_kernel_route(struct pl_stack *stack, struct in_device *device, uint8_t type, struct in_addr destination,
			     unsigned prefix_length, struct in_addr source)
{
	struct fib_entry *entry = fib_entry_new(1);

	if (!entry)
		return;
	entry->destination.s_addr = destination.s_addr & prefix_mask(prefix_length).s_addr;
	entry->prefix_length = (uint8_t)prefix_length;
	entry->type = type;
	entry->scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	entry->protocol = RTPROT_KERNEL;
	entry->table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
	entry->preferred_source = source;
	entry->nexthop[0].link = device->link;
	entry->nexthop[0].weight = 1;
	entry->nexthop[0].scope = type == RTN_LOCAL ? RT_SCOPE_NOWHERE : RT_SCOPE_HOST;
	for (struct fib_entry *other = stack->fib->entries; other; other = other->next)
		if (fib_entry_compare(other, entry) == 0 && other->type == type && other->nexthop[0].link == device->link &&
		    other->preferred_source.s_addr == source.s_addr) {
			fib_entry_free(entry);
			return;
		}
	fib_entry_insert(stack, entry);
}

static struct inet_address *primary_of(struct in_device *device, const struct inet_address *ifa)
{
	for (struct inet_address *other = device->addresses; other; other = other->next)
		if (!(other->flags & IFA_F_SECONDARY) && other->mask.s_addr == ifa->mask.s_addr &&
		    address_matches(ifa->address, other))
			return other;
	return NULL;
}

static bool has_prefix_route(const struct inet_address *ifa)
{
	struct in_addr prefix = { ifa->address.s_addr & ifa->mask.s_addr };

	return !ip_is_zero(prefix) && !(ifa->flags & IFA_F_SECONDARY) &&
	       (prefix.s_addr != ifa->local.s_addr || ifa->prefix_length < 32);
}

static struct in_addr subnet_broadcast(const struct inet_address *ifa)
{
	return (struct in_addr){ (ifa->address.s_addr & ifa->mask.s_addr) | ~ifa->mask.s_addr };
}

void fib_add_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *ifa)
{
	struct in_addr source = ifa->local;

	if (ifa->flags & IFA_F_SECONDARY) {
		const struct inet_address *primary = primary_of(device, ifa);

		if (!primary)
			return;
		source = primary->local;
	}
	add_kernel_route(stack, device, RTN_LOCAL, ifa->local, 32, source);
	if (!link_is_up(device->link))
		return;
	if (ifa->broadcast.s_addr && !ip_is_limited_broadcast(ifa->broadcast))
		add_kernel_route(stack, device, RTN_BROADCAST, ifa->broadcast, 32, source);
	if (!has_prefix_route(ifa))
		return;
	add_kernel_route(stack, device, device->link->flags & IFF_LOOPBACK ? RTN_LOCAL : RTN_UNICAST, ifa->address,
			 ifa->prefix_length, source);
	if (ifa->prefix_length < 31)
		add_kernel_route(stack, device, RTN_BROADCAST, subnet_broadcast(ifa), 32, source);
}

struct kernel_route {
	uint8_t type;
	struct in_addr destination;
	unsigned prefix_length;
	const struct link *link;
};

static bool is_kernel_route(const struct fib_entry *entry, const void *what)
{
	const struct kernel_route *route = what;

	return entry->protocol == RTPROT_KERNEL && entry->type == route->type && entry->nexthop[0].link == route->link &&
	       entry->prefix_length == route->prefix_length && entry->destination.s_addr == route->destination.s_addr;
}

/* Does another address of the device still want what this one brought? */
static bool other_wants_broadcast(const struct in_device *device, const struct inet_address *gone, struct in_addr broadcast)
{
	for (const struct inet_address *ifa = device->addresses; ifa; ifa = ifa->next)
		if (ifa != gone && (ifa->broadcast.s_addr == broadcast.s_addr ||
				    (has_prefix_route(ifa) && ifa->prefix_length < 31 &&
				     subnet_broadcast(ifa).s_addr == broadcast.s_addr)))
			return true;
	return false;
}

/* `gone` is out of the device's list already. */
void fib_delete_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *gone)
{
	const struct link *link = device->link;
	struct in_addr prefix = { gone->address.s_addr & gone->mask.s_addr }, subnet = subnet_broadcast(gone);
	bool local_kept = address_owner(stack, gone->local) == link;

	if (has_prefix_route(gone)) {
		uint8_t type = link->flags & IFF_LOOPBACK ? RTN_LOCAL : RTN_UNICAST;

		if (!primary_of(device, gone))
			remove_matching(stack, is_kernel_route,
					&(struct kernel_route){ type, prefix, gone->prefix_length, link });
		if (gone->prefix_length < 31 && !other_wants_broadcast(device, gone, subnet))
			remove_matching(stack, is_kernel_route, &(struct kernel_route){ RTN_BROADCAST, subnet, 32, link });
	}
	if (gone->broadcast.s_addr && !other_wants_broadcast(device, gone, gone->broadcast))
		remove_matching(stack, is_kernel_route, &(struct kernel_route){ RTN_BROADCAST, gone->broadcast, 32, link });
	if (!local_kept) {
		remove_matching(stack, is_kernel_route, &(struct kernel_route){ RTN_LOCAL, gone->local, 32, link });
		if (!address_owner(stack, gone->local))
			remove_matching(stack, prefers, &gone->local);
	}
	fib_changed(stack);
}
