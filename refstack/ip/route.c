/*
 * Resolved routes: the way out for a flow.
 *
 * A resolved route is made by each lookup and thrown away by its users; sockets keep theirs until the generation of the tables
 * moves. Path MTUs learnt from ICMP are kept by destination (exception.c) and copied into the routes made after that.
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

void route_set_nexthop(struct pl_stack *stack, struct route *route, const struct fib_result *found)
{
	const struct route_exception *exception;

	route->gateway = route->destination;
	if (!found)
		return;
	route->has_nexthop = true;
	memcpy(route->metric, found->entry->metric, sizeof(route->metric));
	route->scope = found->entry->scope;
	if (found->nexthop->gateway.s_addr && found->nexthop->scope == RT_SCOPE_LINK) {
		route->gateway = found->nexthop->gateway;
		route->uses_gateway = true;
	}
	exception = exception_find(stack, found->nexthop, route->destination);
	if (!exception)
		return;
	route->pmtu = exception->pmtu;
	route->pmtu_locked = exception->locked;
	route->pmtu_expires = exception->expires;
	if (exception->gateway.s_addr) {
		route->gateway = exception->gateway;
		route->uses_gateway = route->redirected = true;
	}
}

struct in_addr route_preferred_source(struct pl_stack *stack, const struct fib_result *found)
{
	if (found->entry->preferred_source.s_addr)
		return found->entry->preferred_source;
	return select_source(stack, found->nexthop->link, found->nexthop->gateway, found->entry->scope);
}

/* --- the way out -------------------------------------------------------------------------------------------------- */

/* The last step: what kind of destination it is on the link that was found. */
static int make_output(struct pl_stack *stack, struct flow *flow, uint8_t type, struct link *link,
		       const struct fib_result *found, struct route **made)
{
	bool loopback = link->flags & IFF_LOOPBACK;
	bool is_local = loopback;
	/* What is for an address of this host seems to come in on the link that has the address, or that was named. */
	int asked = found && found->entry->type == RTN_LOCAL ? found->nexthop->link->ifindex : flow->output_link;

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
		found = NULL;
	} else if (type == RTN_MULTICAST) {
		is_local = multicast_accepts(stack, link->ipv4, flow->destination, flow->source, flow->protocol);
		if (found && found->entry->prefix_length < 4)	/* the default route leads multicast to the link, not to the gateway */
			found = NULL;
	}
	struct route *route = route_make(stack, type, link);
	if (!route)
		return -ENOBUFS;
	route->destination = flow->destination;
	route->source = flow->source;
	route->is_local = is_local;
	route_set_nexthop(stack, route, found);
	route->asked_link = asked;
	flow->output_link = link->ifindex;
	*made = route;
	return 0;
}

struct link *local_address_link(struct pl_stack *stack, struct in_addr address)
{
	struct fib_result found = { 0 };
	struct flow flow = { .destination = address };
	struct link *link = address_owner(stack, address);

	/* Linux asks table local alone, which is one with table main until rules part them. */
	if (!link && fib_lookup_local(stack, &flow, &found) == 0 && found.entry->type == RTN_LOCAL)
		link = found.nexthop->link;
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
	struct fib_result found = { 0 };
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
	error = fib_lookup(stack, flow, &found);
	if (error && !flow->output_link)
		return error;
	if (error) {
		/* Whoever names the link may send although no route says so: the destination is taken to be on it. */
		if (!flow->source.s_addr)
			flow->source = select_source(stack, link, (struct in_addr){ 0 }, RT_SCOPE_LINK);
		return make_output(stack, flow, RTN_UNICAST, link, NULL, route);
	}
	if (found.entry->type == RTN_LOCAL) {
		struct in_addr preferred = found.entry->preferred_source;

		if (!flow->source.s_addr)
			flow->source = preferred.s_addr ? preferred : flow->destination;
		return make_output(stack, flow, RTN_LOCAL, link_loopback(stack), &found, route);
	}
	fib_select_path(stack, flow, &found);
	if (!flow->source.s_addr)
		flow->source = route_preferred_source(stack, &found);
	return make_output(stack, flow, found.entry->type, found.nexthop->link, &found, route);
}

struct flow sock_flow(const struct sock *sk)
{
	return (struct flow){
		.destination = sk->options && sk->options->source_route ? sk->options->first_hop : sk->remote,
		.source = sk->source, .output_link = sk->bound_link, .tos = sk->tos,
		.scope = sock_flag(sk, SF_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.protocol = (uint8_t)sk->protocol, .mark = sk->mark, .uid = sk->uid,
		.flags = sock_flag(sk, SF_TRANSPARENT) || sock_flag(sk, SF_HDRINCL) ? FLOW_ANY_SOURCE : 0,
		.source_port = sk->port, .destination_port = sk->remote_port,
	};
}

struct route *sock_route(struct sock *sk, int *error)
{
	if (sk->route && route_valid(sk->stack, sk->route))
		return sk->route;
	struct flow flow = sock_flow(sk);
	struct route *route = NULL;
	int result = route_output(sk->stack, &flow, &route);

	route_put(sk->stack, sk->route);
	sk->route = result ? NULL : route;
	if (error)
		*error = result;
	return sk->route;
}

void sock_route_refresh(struct sock *sk)
{
	if (sk->route)
		sock_route(sk, NULL);
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
	struct fib_result found = { 0 };

	if (ip_is_zero(address) || ip_is_limited_broadcast(address))
		return RTN_BROADCAST;
	if (ip_is_multicast(address))
		return RTN_MULTICAST;
	return fib_lookup_local(stack, &flow, &found) ? RTN_UNICAST : found.entry->type;
}

struct flow quoted_flow(const struct sock *sk, const struct iphdr *quoted, uint32_t mark)
{
	struct flow flow = { .destination.s_addr = quoted->daddr, .source.s_addr = quoted->saddr, .tos = quoted->tos,
			     .protocol = quoted->protocol, .mark = mark };

	if (!sk)
		return flow;
	flow.output_link = sk->bound_link;
	flow.tos = sk->tos;
	flow.mark = sk->mark;
	flow.uid = sk->uid;
	flow.scope = sock_flag(sk, SF_LOCALROUTE) ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	return flow;
}

void sock_pmtu_learn(struct sock *sk, const struct iphdr *quoted, uint32_t mtu)
{
	struct flow flow = quoted_flow(sk, quoted, 0);
	struct route *route = NULL;

	if (sk->pmtudisc == IP_PMTUDISC_INTERFACE || sk->pmtudisc == IP_PMTUDISC_OMIT)
		return;
	route_pmtu_learn(sk->stack, &flow, mtu);
	if (!sk->route || route_valid(sk->stack, sk->route) || route_output(sk->stack, &flow, &route))
		return;
	route_put(sk->stack, sk->route);
	sk->route = route;
}
