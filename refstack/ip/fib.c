/*
 * Routing tables.
 *
 * A table is a list ordered so that the first entry that matches is the longest prefix, then the exact TOS, then the lowest
 * priority value: a host in a test has a handful of routes, and a walk over them costs less than any tree. Rules are the three
 * that Linux starts with: table local, then main, then default.
 */
#include "fib.h"

#include <stdlib.h>

int fib_host_new(struct pl_stack *stack)
{
	stack->fib = calloc(1, sizeof(*stack->fib));
	return stack->fib ? 0 : -ENOMEM;
}

void fib_host_free(struct pl_stack *stack)
{
	struct fib *fib = stack->fib;

	while (fib && fib->entries) {
		struct fib_entry *entry = fib->entries;

		fib->entries = entry->next;
		free(entry);
	}
	free(fib);
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

static int type_error(uint8_t type)
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
	if (entry->scope < flow->scope)
		return false;
	if (type_error(entry->type))
		return true;
	return !flow->output_link || (entry->nexthop.link && entry->nexthop.link->ifindex == flow->output_link);
}

/* The first match of one table, whatever its type; NULL: none. */
static const struct fib_entry *match_in(const struct pl_stack *stack, uint32_t table, const struct flow *flow)
{
	for (const struct fib_entry *entry = stack->fib->entries; entry; entry = entry->next)
		if (entry->table == table && entry_matches(entry, flow))
			return entry;
	return NULL;
}

/*
 * As long as there are no rules but the first three, Linux keeps the tables local and main in one trie: the longest prefix of
 * both wins, and the local one of two as long as each other.
 */
int fib_lookup(const struct pl_stack *stack, const struct flow *flow, const struct fib_entry **found)
{
	const struct fib_entry *local = match_in(stack, RT_TABLE_LOCAL, flow), *main = match_in(stack, RT_TABLE_MAIN, flow);
	const struct fib_entry *best = local && (!main || local->prefix_length >= main->prefix_length) ? local : main;
	int error = best ? type_error(best->type) : -EAGAIN;

	if (error) {
		const struct fib_entry *last = match_in(stack, RT_TABLE_DEFAULT, flow);

		if (last) {
			best = last;
			error = type_error(last->type);
		}
	}
	if (!error)
		*found = best;
	return error == -EAGAIN ? -ENETUNREACH : error;
}

/* --- change ------------------------------------------------------------------------------------------------------- */

/* Does a come before b in its table? Entries of different tables are kept apart by their numbers. */
static int entry_compare(const struct fib_entry *a, const struct fib_entry *b)
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

static void entry_insert(struct pl_stack *stack, struct fib_entry *entry)
{
	struct fib_entry **place = &stack->fib->entries;

	while (*place && entry_compare(*place, entry) <= 0)
		place = &(*place)->next;
	entry->next = *place;
	*place = entry;
	fib_changed(stack);
}

static void entry_remove(struct pl_stack *stack, struct fib_entry **place)
{
	struct fib_entry *entry = *place;

	*place = entry->next;
	free(entry);
	fib_changed(stack);
}

static void remove_matching(struct pl_stack *stack, bool (*matches)(const struct fib_entry *, const void *), const void *what)
{
	struct fib_entry **place = &stack->fib->entries;

	while (*place) {
		if (matches(*place, what))
			entry_remove(stack, place);
		else
			place = &(*place)->next;
	}
}

static bool routes_over(const struct fib_entry *entry, const void *link)
{
	return entry->nexthop.link == link;
}

static bool routes_over_but_own(const struct fib_entry *entry, const void *link)
{
	return entry->nexthop.link == link && entry->nexthop.scope != RT_SCOPE_NOWHERE;
}

static bool prefers(const struct fib_entry *entry, const void *local)
{
	return entry->preferred_source.s_addr == ((const struct in_addr *)local)->s_addr;
}

void fib_link_down(struct pl_stack *stack, struct link *link)
{
	remove_matching(stack, routes_over_but_own, link);
	fib_changed(stack);
}

void fib_link_gone(struct pl_stack *stack, struct link *link)
{
	remove_matching(stack, routes_over, link);
	fib_changed(stack);
}

/* --- routes that addresses bring ---------------------------------------------------------------------------------- */

/* What the kernel adds on its own for an address; no error is told to anyone, and an entry that is there stays. */
static void add_kernel_route(struct pl_stack *stack, struct in_device *device, uint8_t type, struct in_addr destination,
			     unsigned prefix_length, struct in_addr source)
{
	struct fib_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return;
	entry->destination.s_addr = destination.s_addr & prefix_mask(prefix_length).s_addr;
	entry->prefix_length = (uint8_t)prefix_length;
	entry->type = type;
	entry->scope = type == RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
	entry->protocol = RTPROT_KERNEL;
	entry->table = type == RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
	entry->preferred_source = source;
	entry->nexthop.link = device->link;
	entry->nexthop.scope = type == RTN_LOCAL ? RT_SCOPE_NOWHERE : RT_SCOPE_HOST;
	for (struct fib_entry *other = stack->fib->entries; other; other = other->next)
		if (entry_compare(other, entry) == 0 && other->type == type && other->nexthop.link == device->link &&
		    other->preferred_source.s_addr == source.s_addr) {
			free(entry);
			return;
		}
	entry_insert(stack, entry);
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

	return entry->protocol == RTPROT_KERNEL && entry->type == route->type && entry->nexthop.link == route->link &&
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

/* --- `ip route add`, `replace`, `del` ----------------------------------------------------------------------------- */

/* The values that the command leaves out, as ip(8) fills them in. */
static struct pl_route with_defaults(const struct pl_route *given)
{
	struct pl_route route = *given;

	if (!route.type)
		route.type = RTN_UNICAST;
	bool own = route.type == RTN_LOCAL || route.type == RTN_BROADCAST || route.type == RTN_ANYCAST;
	if (!route.table)
		route.table = own ? RT_TABLE_LOCAL : RT_TABLE_MAIN;
	if (!route.protocol)
		route.protocol = RTPROT_BOOT;
	if (!route.scope) {
		if (route.type == RTN_LOCAL)
			route.scope = RT_SCOPE_HOST;
		else if (own || route.type == RTN_MULTICAST || (route.type == RTN_UNICAST && !route.gateway.s_addr))
			route.scope = RT_SCOPE_LINK;
	}
	return route;
}

/* The way to the gateway: it has to be on a link that is up, nearer than the route itself. */
static int resolve_gateway(const struct pl_stack *stack, const struct pl_route *route, struct fib_nexthop *nexthop)
{
	const struct fib_entry *found = NULL;
	struct flow flow = { .destination = route->gateway, .output_link = route->ifindex,
			     .scope = (uint8_t)(route->scope + 1) };

	if (route->scope >= RT_SCOPE_LINK)
		return -EINVAL;
	if (flow.scope < RT_SCOPE_LINK)
		flow.scope = RT_SCOPE_LINK;
	int error = fib_lookup(stack, &flow, &found);
	if (error)
		return error;
	if (found->type != RTN_UNICAST && found->type != RTN_LOCAL)
		return -EINVAL;
	nexthop->scope = found->scope;
	nexthop->link = found->nexthop.link;
	nexthop->gateway = route->gateway;
	return nexthop->link && link_is_up(nexthop->link) ? 0 : -ENETDOWN;
}

static int resolve_nexthop(const struct pl_stack *stack, const struct pl_route *route, struct fib_nexthop *nexthop)
{
	if (type_error(route->type))
		return route->ifindex || route->gateway.s_addr ? -EINVAL : 0;
	if (route->gateway.s_addr)
		return resolve_gateway(stack, route, nexthop);
	nexthop->link = link_by_index(stack, route->ifindex);
	if (!nexthop->link)
		return -ENODEV;
	if (route->scope == RT_SCOPE_HOST) {
		nexthop->scope = RT_SCOPE_NOWHERE;
		return 0;
	}
	nexthop->scope = RT_SCOPE_HOST;
	return link_is_up(nexthop->link) ? 0 : -ENETDOWN;
}

static int check_route(struct pl_stack *stack, const struct pl_route *route)
{
	if (route->prefix_length > 32 || (route->destination.s_addr & ~prefix_mask(route->prefix_length).s_addr))
		return -EINVAL;
	if (route->type > RTN_MAX || route->tos & ~IPTOS_TOS_MASK)
		return -EINVAL;
	if (route->preferred_source.s_addr &&
	    (route->type != RTN_LOCAL || route->destination.s_addr != route->preferred_source.s_addr) &&
	    address_type(stack, route->preferred_source) != RTN_LOCAL)
		return -EINVAL;
	return 0;
}

int pl_route_add(struct pl_stack *stack, const struct pl_route *given, bool replace)
{
	struct pl_route route = with_defaults(given);
	struct fib_nexthop nexthop = { 0 };
	int error = check_route(stack, &route);

	if (!error)
		error = resolve_nexthop(stack, &route, &nexthop);
	if (error)
		return error;
	struct fib_entry *entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	*entry = (struct fib_entry){
		.destination = route.destination, .prefix_length = (uint8_t)route.prefix_length, .tos = route.tos,
		.type = route.type, .scope = route.scope, .protocol = route.protocol, .table = route.table,
		.priority = route.priority, .preferred_source = route.preferred_source, .nexthop = nexthop,
	};
	memcpy(entry->metric, route.metric, sizeof(entry->metric));
	for (struct fib_entry **place = &stack->fib->entries; *place; place = &(*place)->next) {
		if (entry_compare(*place, entry) != 0)
			continue;
		if (!replace) {
			free(entry);
			return -EEXIST;
		}
		entry_remove(stack, place);
		break;
	}
	if (entry->type == RTN_LOCAL)
		stack->fib->custom_local_routes = true;
	entry_insert(stack, entry);
	return 0;
}

/* What the command leaves out matches anything. */
static bool route_matches(const struct fib_entry *entry, const struct pl_route *route, uint32_t table)
{
	return entry->table == table && entry->prefix_length == route->prefix_length &&
	       entry->destination.s_addr == route->destination.s_addr && entry->tos == route->tos &&
	       (!route->type || entry->type == route->type) && (!route->scope || entry->scope == route->scope) &&
	       (!route->protocol || entry->protocol == route->protocol) &&
	       (!route->priority || entry->priority == route->priority) &&
	       (!route->preferred_source.s_addr || entry->preferred_source.s_addr == route->preferred_source.s_addr) &&
	       (!route->gateway.s_addr || entry->nexthop.gateway.s_addr == route->gateway.s_addr) &&
	       (!route->ifindex || (entry->nexthop.link && entry->nexthop.link->ifindex == route->ifindex));
}

int pl_route_delete(struct pl_stack *stack, const struct pl_route *route)
{
	uint32_t table = with_defaults(route).table;

	for (struct fib_entry **place = &stack->fib->entries; *place; place = &(*place)->next)
		if (route_matches(*place, route, table)) {
			entry_remove(stack, place);
			return 0;
		}
	return -ESRCH;
}
