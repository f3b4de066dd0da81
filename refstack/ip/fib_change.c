/* `ip route add`, `append`, `replace`, `del`: with the checks that the kernel makes, in its order. */
#include <stdlib.h>

#include "fib.h"

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
		else if (own || route.type == RTN_MULTICAST ||
			 (route.type == RTN_UNICAST && !route.gateway.s_addr && !route.nexthops))
			route.scope = RT_SCOPE_LINK;
	}
	return route;
}

/* A gateway that is said to be on the link: it only must not be an address of this host, or a group's. */
static int take_gateway(struct pl_stack *stack, const struct pl_nexthop *given, struct fib_nexthop *nexthop)
{
	nexthop->link = link_by_index(stack, given->ifindex);
	if (!nexthop->link)
		return -ENODEV;
	if (!link_is_up(nexthop->link))
		return -ENETDOWN;
	if (address_type(stack, given->gateway) != RTN_UNICAST)
		return -EINVAL;
	nexthop->scope = RT_SCOPE_LINK;
	nexthop->on_link = true;
	return 0;
}

/* The way to the gateway: it has to be on a link that is up, nearer than the route itself. */
static int resolve_gateway(struct pl_stack *stack, const struct pl_route *route, const struct pl_nexthop *given,
			   struct fib_nexthop *nexthop)
{
	struct fib_result found = { 0 };
	struct flow flow = { .destination = given->gateway, .output_link = given->ifindex, .scope = (uint8_t)(route->scope + 1) };
	int error = -EAGAIN;

	nexthop->gateway = given->gateway;
	if (given->on_link)
		return route->scope >= RT_SCOPE_LINK ? -EINVAL : take_gateway(stack, given, nexthop);
	if (flow.scope < RT_SCOPE_LINK)
		flow.scope = RT_SCOPE_LINK;
	if (route->table != RT_TABLE_MAIN)
		error = fib_lookup_table(stack, route->table, &flow, &found);
	if (error)
		error = fib_lookup(stack, &flow, &found);
	if (error)
		return error;
	if (found.entry->type != RTN_UNICAST && found.entry->type != RTN_LOCAL)
		return -EINVAL;
	nexthop->scope = found.entry->scope;
	nexthop->link = found.nexthop->link;
	return link_is_up(nexthop->link) ? 0 : -ENETDOWN;
}

static int resolve_nexthop(struct pl_stack *stack, const struct pl_route *route, const struct pl_nexthop *given,
			   struct fib_nexthop *nexthop)
{
	nexthop->weight = given->weight ? given->weight : 1;
	if (given->gateway.s_addr && route->scope == RT_SCOPE_HOST)
		return -EINVAL;
	if (given->gateway.s_addr)
		return resolve_gateway(stack, route, given, nexthop);
	nexthop->link = link_by_index(stack, given->ifindex);
	if (!nexthop->link)
		return -ENODEV;
	if (route->scope == RT_SCOPE_HOST) {
		nexthop->scope = RT_SCOPE_NOWHERE;
		return 0;
	}
	nexthop->scope = RT_SCOPE_HOST;
	return link_is_up(nexthop->link) ? 0 : -ENETDOWN;
}

/* The nearest scope that a route of the type may have. */
static uint8_t least_scope(uint8_t type)
{
	return type == RTN_LOCAL ? RT_SCOPE_HOST : type == RTN_BROADCAST || type == RTN_ANYCAST ? RT_SCOPE_LINK : 0;
}

static int check_route(const struct pl_route *route)
{
	if (route->prefix_length > 32 || (route->destination.s_addr & ~prefix_mask(route->prefix_length).s_addr))
		return -EINVAL;
	if (route->type > RTN_MAX || route->tos & IPTOS_ECN_MASK)
		return -EINVAL;
	if (least_scope(route->type) > route->scope || route->scope > RT_SCOPE_HOST || route->nexthops > PL_NEXTHOPS)
		return -EINVAL;
	if (fib_type_error(route->type))
		return route->ifindex || route->gateway.s_addr || route->nexthops ? -EINVAL : 0;
	return route->type > RTN_MULTICAST || (route->scope == RT_SCOPE_HOST && route->nexthops > 1) ? -EINVAL : 0;
}

static int check_source(struct pl_stack *stack, const struct pl_route *route)
{
	bool own = route->type == RTN_LOCAL && route->destination.s_addr == route->preferred_source.s_addr;

	return route->preferred_source.s_addr && !own && address_type(stack, route->preferred_source) != RTN_LOCAL ? -EINVAL : 0;
}

/* What no header can say is the most that one can. */
static void clamp_metrics(uint32_t metric[18])
{
	if (metric[RTAX_ADVMSS] > 65535 - 40)
		metric[RTAX_ADVMSS] = 65535 - 40;
	if (metric[RTAX_MTU] > 65535 - 15)
		metric[RTAX_MTU] = 65535 - 15;
	if (metric[RTAX_HOPLIMIT] > 255)
		metric[RTAX_HOPLIMIT] = 255;
}

static int set_metrics(const struct pl_route *route, uint32_t metric[18])
{
	memcpy(metric, route->metric, sizeof(route->metric));
	clamp_metrics(metric);
	metric[RTAX_CC_ALGO] = *route->congestion ? tcp_cong_key(route->congestion) : 0;
	return *route->congestion && !metric[RTAX_CC_ALGO] ? -EINVAL : 0;
}

static int resolve(struct pl_stack *stack, const struct pl_route *route, struct fib_entry *entry)
{
	struct pl_nexthop only = { .gateway = route->gateway, .ifindex = route->ifindex, .on_link = route->on_link };

	for (unsigned i = 0; i < entry->nexthops && !fib_type_error(route->type); i++) {
		int error = resolve_nexthop(stack, route, route->nexthops ? &route->nexthop[i] : &only, &entry->nexthop[i]);

		if (error)
			return error;
		entry->nexthop[i].source =
			select_source(stack, entry->nexthop[i].link, entry->nexthop[i].gateway, route->scope);
	}
	fib_rebalance(stack, entry);
	return check_source(stack, route);
}

/* The entry that the route asks for, not yet in its table. */
static int make_entry(struct pl_stack *stack, const struct pl_route *route, struct fib_entry **made)
{
	int error = check_route(route);
	struct fib_entry *entry = error ? NULL : fib_entry_new(route->nexthops ? route->nexthops : 1);

	if (!entry)
		return error ? error : -ENOMEM;
	entry->destination = route->destination;
	entry->prefix_length = (uint8_t)route->prefix_length;
	entry->tos = route->tos;
	entry->type = route->type;
	entry->scope = route->scope;
	entry->protocol = route->protocol;
	entry->table = route->table;
	entry->priority = route->priority;
	entry->preferred_source = route->preferred_source;
	error = set_metrics(route, entry->metric);
	if (!error)
		error = resolve(stack, route, entry);
	if (error) {
		fib_entry_free(entry);
		return error;
	}
	*made = entry;
	return 0;
}

static void insert(struct pl_stack *stack, struct fib_entry *entry)
{
	if (entry->type == RTN_LOCAL)
		stack->fib->custom_local_routes = true;
	fib_entry_insert(stack, entry);
}

int pl_route_add(struct pl_stack *stack, const struct pl_route *given, bool replace)
{
	struct pl_route route = with_defaults(given);
	struct fib_entry *entry = NULL;
	int error = make_entry(stack, &route, &entry);

	if (error)
		return error;
	for (struct fib_entry **place = &stack->fib->entries; *place; place = &(*place)->next) {
		if (fib_entry_compare(*place, entry) != 0)
			continue;
		if (!replace) {
			fib_entry_free(entry);
			return -EEXIST;
		}
		exceptions_share(stack, entry);
		entry->next = (*place)->next;
		(*place)->next = entry;
		fib_entry_remove(stack, place);
		stack->fib->custom_local_routes |= entry->type == RTN_LOCAL;
		return 0;
	}
	insert(stack, entry);
	return 0;
}

static bool same_nexthop(const struct fib_nexthop *a, const struct fib_nexthop *b)
{
	return a->link == b->link && a->gateway.s_addr == b->gateway.s_addr && a->weight == b->weight;
}

bool fib_same_route(const struct fib_entry *a, const struct fib_entry *b)
{
	if (a->table != b->table || a->priority != b->priority || a->type != b->type || a->scope != b->scope ||
	    a->protocol != b->protocol || a->nexthops != b->nexthops || a->preferred_source.s_addr != b->preferred_source.s_addr || memcmp(a->metric, b->metric, sizeof(a->metric)))
		return false;
	for (unsigned i = 0; i < a->nexthops; i++)
		if (!same_nexthop(&a->nexthop[i], &b->nexthop[i]))
			return false;
	return true;
}

int pl_route_append(struct pl_stack *stack, const struct pl_route *given)
{
	struct pl_route route = with_defaults(given);
	struct fib_entry *entry = NULL;
	int error = make_entry(stack, &route, &entry);

	if (error)
		return error;
	for (const struct fib_entry *other = stack->fib->entries; other; other = other->next)
		if (!fib_entry_compare(other, entry) && fib_same_route(other, entry)) {
			fib_entry_free(entry);
			return -EEXIST;
		}
	insert(stack, entry);
	return 0;
}

static bool nexthop_matches(const struct fib_nexthop *nexthop, const struct in_addr gateway, int ifindex)
{
	return (!gateway.s_addr || nexthop->gateway.s_addr == gateway.s_addr) &&
	       (!ifindex || (nexthop->link && nexthop->link->ifindex == ifindex));
}

static bool nexthops_match(const struct fib_entry *entry, const struct pl_route *route)
{
	if (!route->nexthops)
		return nexthop_matches(&entry->nexthop[0], route->gateway, route->ifindex);
	if (route->nexthops != entry->nexthops)
		return false;
	for (unsigned i = 0; i < entry->nexthops; i++)
		if (!nexthop_matches(&entry->nexthop[i], route->nexthop[i].gateway, route->nexthop[i].ifindex))
			return false;
	return true;
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
	       nexthops_match(entry, route);
}

int pl_route_delete(struct pl_stack *stack, const struct pl_route *route)
{
	uint32_t table = with_defaults(route).table;

	for (struct fib_entry **place = &stack->fib->entries; *place; place = &(*place)->next)
		if (route_matches(*place, route, table)) {
			fib_entry_remove(stack, place);
			return 0;
		}
	return -ESRCH;
}
