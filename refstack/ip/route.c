/*
 * Resolved routes: the way out for a flow.
 *
 * A resolved route is made by each lookup and thrown away by its users; sockets keep theirs until the generation of the tables
 * moves. Path MTUs learnt from ICMP are kept by destination (pmtu.c) and copied into the routes made after that.
 */
#include <stdlib.h>

#include "fib.h"
#include "route.h"

struct route *route_make(struct pl_stack *stack, uint8_t type, struct link *link)
{
	struct route *route = calloc(1, sizeof(*route));

	if (!route)
		return NULL;
	route->references = 1;
	route->generation = stack->fib->generation;
	route->type = type;
	route->link = link;
	link->references++;
	return route;
}

struct route *route_hold(struct route *route)
{
	route->references++;
	return route;
}

void route_put(struct pl_stack *stack, struct route *route)
{
	if (!route || --route->references > 0)
		return;
	link_put(route->link);
	free(route);
}

bool route_valid(const struct pl_stack *stack, const struct route *route)
{
	return route->generation == stack->fib->generation;
}

void route_set_nexthop(struct pl_stack *stack, struct route *route, const struct fib_entry *entry)
{
	route->gateway = route->destination;
	if (!entry)
		return;
	memcpy(route->metric, entry->metric, sizeof(route->metric));
	route->scope = entry->scope;
	if (entry->nexthop.gateway.s_addr && entry->nexthop.scope == RT_SCOPE_LINK) {
		route->gateway = entry->nexthop.gateway;
		route->uses_gateway = true;
	}
	pmtu_apply(stack, route);
}

struct in_addr route_preferred_source(struct pl_stack *stack, const struct fib_entry *entry)
{
	if (entry->preferred_source.s_addr)
		return entry->preferred_source;
	return select_source(stack, entry->nexthop.link, entry->nexthop.gateway, entry->scope);
}

/* --- the way out -------------------------------------------------------------------------------------------------- */

/* The last step: what kind of destination it is on the link that was found. */
static int make_output(struct pl_stack *stack, struct flow *flow, uint8_t type, struct link *link,
		       const struct fib_entry *entry, struct route **made)
{
	bool loopback = link->flags & IFF_LOOPBACK;
	bool is_local = loopback;
	/* What is for an address of this host seems to come in on the link that has the address, or that was named. */
	int asked = entry && entry->type == RTN_LOCAL ? entry->nexthop.link->ifindex : flow->output_link;

	if (ip_is_loopback(flow->source) && !loopback && !CONF_OR(stack, link->ipv4, route_localnet))
		return -EINVAL;
	if (ip_is_limited_broadcast(flow->destination))
		type = RTN_BROADCAST;
	else if (ip_is_multicast(flow->destination))
		type = RTN_MULTICAST;
	else if (ip_is_zero(flow->destination))
		return -EINVAL;
	if (type == RTN_BROADCAST) {
		is_local = true;
		entry = NULL;
	} else if (type == RTN_MULTICAST) {
		is_local = multicast_accepts(stack, link->ipv4, flow->destination, flow->source, flow->protocol);
		if (entry && entry->prefix_length < 4)	/* the default route leads multicast to the link, not to the gateway */
			entry = NULL;
	}
	struct route *route = route_make(stack, type, link);
	if (!route)
		return -ENOBUFS;
	route->destination = flow->destination;
	route->source = flow->source;
	route->is_local = is_local;
	route_set_nexthop(stack, route, entry);
	route->asked_link = asked;
	flow->output_link = link->ifindex;
	*made = route;
	return 0;
}

/* The link of an address of this host: one that was set, or one of a subnet that is local as a whole, as 127.0.0.0/8 is. */
static struct link *local_address_link(struct pl_stack *stack, struct in_addr address)
{
	const struct fib_entry *entry = NULL;
	struct flow flow = { .destination = address };
	struct link *link = address_owner(stack, address);

	if (!link && fib_lookup(stack, &flow, &entry) == 0 && entry->type == RTN_LOCAL)
		link = entry->nexthop.link;
	return link;
}

/* The rules for a source address given. *link: set when the address alone tells where to send. */
static int check_source(struct pl_stack *stack, const struct flow *flow, struct link **link)
{
	if (ip_is_multicast(flow->source) || ip_is_limited_broadcast(flow->source) || ip_is_zero(flow->source))
		return -EINVAL;
	if (!flow->output_link && (ip_is_multicast(flow->destination) || ip_is_limited_broadcast(flow->destination))) {
		*link = local_address_link(stack, flow->source);
		return *link ? 0 : -ENETUNREACH;
	}
	if (!(flow->flags & FLOW_ANY_SOURCE) && !local_address_link(stack, flow->source))
		return -ENETUNREACH;
	return 0;
}

/* The link is given. *done: the destination needs no table. */
static int check_link(struct pl_stack *stack, struct flow *flow, struct link **link, bool *done)
{
	*link = link_by_index(stack, flow->output_link);
	if (!*link)
		return -ENODEV;
	if (!link_is_up(*link))
		return -ENETUNREACH;
	if (ip_is_local_multicast(flow->destination) || ip_is_limited_broadcast(flow->destination) ||
	    flow->protocol == IPPROTO_IGMP) {
		if (!flow->source.s_addr)
			flow->source = select_source(stack, *link, (struct in_addr){ 0 }, RT_SCOPE_LINK);
		*done = true;
	} else if (!flow->source.s_addr) {
		if (ip_is_multicast(flow->destination))
			flow->source = select_source(stack, *link, (struct in_addr){ 0 }, flow->scope);
		else if (!flow->destination.s_addr)
			flow->source = select_source(stack, *link, (struct in_addr){ 0 }, RT_SCOPE_HOST);
	}
	return 0;
}

int route_output(struct pl_stack *stack, struct flow *flow, struct route **route)
{
	struct link *link = NULL;
	const struct fib_entry *entry = NULL;
	bool done = false;
	int error;

	if (flow->source.s_addr) {
		error = check_source(stack, flow, &link);
		if (error)
			return error;
		if (link)
			return make_output(stack, flow, RTN_UNICAST, link, NULL, route);
	}
	if (flow->output_link) {
		error = check_link(stack, flow, &link, &done);
		if (error)
			return error;
		if (done)
			return make_output(stack, flow, RTN_UNICAST, link, NULL, route);
	}
	if (!flow->destination.s_addr) {
		/* 0.0.0.0 stands for this host. */
		flow->destination = flow->source;
		if (!flow->destination.s_addr)
			flow->destination.s_addr = flow->source.s_addr = htonl(INADDR_LOOPBACK);
		return make_output(stack, flow, RTN_LOCAL, link_loopback(stack), NULL, route);
	}
	error = fib_lookup(stack, flow, &entry);
	if (error && !flow->output_link)
		return error;
	if (error) {
		/* Whoever names the link may send although no route says so: the destination is taken to be on it. */
		if (!flow->source.s_addr)
			flow->source = select_source(stack, link, (struct in_addr){ 0 }, RT_SCOPE_LINK);
		return make_output(stack, flow, RTN_UNICAST, link, NULL, route);
	}
	if (entry->type == RTN_LOCAL) {
		if (!flow->source.s_addr)
			flow->source = entry->preferred_source.s_addr ? entry->preferred_source : flow->destination;
		return make_output(stack, flow, RTN_LOCAL, link_loopback(stack), entry, route);
	}
	if (!flow->source.s_addr)
		flow->source = route_preferred_source(stack, entry);
	return make_output(stack, flow, entry->type, entry->nexthop.link, entry, route);
}

struct route *sock_route(struct sock *sk, int *error)
{
	if (sk->route && route_valid(sk->stack, sk->route))
		return sk->route;
	struct flow flow = {
		.destination = sk->options && sk->options->source_route ? sk->options->first_hop : sk->remote,
		.source = sk->source, .output_link = sk->bound_link, .tos = sk->tos,
		.scope = sock_flag(sk, SF_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.protocol = (uint8_t)sk->protocol, .mark = sk->mark, .uid = sk->uid,
		.flags = sock_flag(sk, SF_TRANSPARENT) || sock_flag(sk, SF_HDRINCL) ? FLOW_ANY_SOURCE : 0,
		.source_port = sk->port, .destination_port = sk->remote_port,
	};
	struct route *route = NULL;
	int result = route_output(sk->stack, &flow, &route);

	route_put(sk->stack, sk->route);
	sk->route = result ? NULL : route;
	if (error)
		*error = result;
	return sk->route;
}

/* --- what a route says -------------------------------------------------------------------------------------------- */

#define IP_MAX_MTU 65535u
#define IP_HEADER_MIN 20u

uint32_t route_mtu(const struct pl_stack *stack, const struct route *route)
{
	uint32_t mtu = route->pmtu && stack->now < route->pmtu_expires ? route->pmtu : route->metric[RTAX_MTU];

	if (!mtu) {
		mtu = route->link->mtu;
		/* A locked metric without a value: no path MTU discovery, so beyond the link only what every host must take. */
		if (route->metric[RTAX_LOCK] & 1u << RTAX_MTU && route->uses_gateway && mtu > 576)
			mtu = 576;
	}
	return mtu < IP_MAX_MTU ? mtu : IP_MAX_MTU;
}

uint32_t route_forward_mtu(const struct pl_stack *stack, const struct route *route)
{
	if (stack->sysctl.ip_forward_use_pmtu || route_mtu_locked(route))
		return route_mtu(stack, route);
	uint32_t mtu = route->metric[RTAX_MTU] ? route->metric[RTAX_MTU] : route->link->mtu;
	return mtu < IP_MAX_MTU ? mtu : IP_MAX_MTU;
}

uint32_t route_advmss(const struct pl_stack *stack, const struct route *route)
{
	if (route->metric[RTAX_ADVMSS])
		return route->metric[RTAX_ADVMSS];
	uint32_t headers = IP_HEADER_MIN + 20, mtu = route_mtu(stack, route);
	uint32_t mss = mtu > headers ? mtu - headers : 0, least = (uint32_t)stack->sysctl.route_min_adv_mss;
	if (mss < least)
		mss = least;
	return mss < IP_MAX_MTU - headers ? mss : IP_MAX_MTU - headers;
}

bool route_mtu_locked(const struct route *route)
{
	return route->pmtu_locked || route->metric[RTAX_LOCK] & 1u << RTAX_MTU;
}

int address_type(struct pl_stack *stack, struct in_addr address)
{
	struct flow flow = { .destination = address };
	const struct fib_entry *entry = NULL;

	if (ip_is_zero(address) || ip_is_limited_broadcast(address))
		return RTN_BROADCAST;
	if (ip_is_multicast(address))
		return RTN_MULTICAST;
	if (fib_lookup(stack, &flow, &entry) || !entry)
		return RTN_UNICAST;
	return entry->type;
}
