/*
 * Routes for packets that came in: for this host, to be forwarded, or not to be believed (RFC 1812 section 5.3).
 *
 * The source is checked too (RFC 3704): rp_filter 1 wants the way back to lead over the link that the packet came from, 2 wants
 * any way back; and a packet from one of this host's own addresses is a martian unless accept_local says otherwise.
 */
#include <arpa/inet.h>

#include "route.h"

struct incoming {
	struct link *link;
	struct in_addr source, destination;
	uint8_t tos, protocol;
	uint32_t mark;
};

static bool leads_over(const struct fib_entry *entry, const struct link *link)
{
	return entry->nexthop.link == link;
}

/*
 * Is the source believable? 0: yes, over a gateway; 1: yes, and it is a neighbour on that link; -EINVAL: a martian;
 * -EXDEV: the reverse path filter. `out` is the link it would be forwarded to, NULL when it is for this host.
 */
static int validate_source(struct pl_stack *stack, const struct incoming *in, const struct link *out)
{
	struct in_device *device = in->link->ipv4;
	int filter = CONF_MAX(stack, device, rp_filter);
	bool accept_local = CONF_OR(stack, device, accept_local);
	bool may_redirect = out == in->link && CONF_OR(stack, device, send_redirects);
	struct flow flow = { .destination = in->source, .source = in->destination, .tos = in->tos, .mark =
			     CONF_OR(stack, device, src_valid_mark) ? in->mark : 0 };
	const struct fib_entry *entry = NULL;

	if (!filter && !may_redirect && !stack->fib->custom_local_routes)
		return !accept_local && address_owner(stack, in->source) ? -EINVAL : 0;
	int nothing = filter ? -EXDEV : 0;
	if (fib_lookup(stack, &flow, &entry))
		return nothing;
	if (entry->type != RTN_UNICAST && (entry->type != RTN_LOCAL || !accept_local))
		return -EINVAL;
	if (leads_over(entry, in->link) || (in->link->flags & IFF_LOOPBACK && entry->type == RTN_LOCAL))
		return entry->nexthop.scope >= RT_SCOPE_HOST;
	if (!device->addresses)
		return nothing;
	if (filter == 1)
		return -EXDEV;
	flow.output_link = in->link->ifindex;
	if (fib_lookup(stack, &flow, &entry) == 0 && entry->type == RTN_UNICAST)
		return entry->nexthop.scope >= RT_SCOPE_HOST;
	return 0;
}

static struct route *deliver_route(struct pl_stack *stack, const struct incoming *in, uint8_t type)
{
	struct route *route = route_make(stack, type, in->link);

	if (!route)
		return NULL;
	route->source = in->source;
	route->destination = route->gateway = in->destination;
	route->is_local = type != RTN_UNREACHABLE;
	return route;
}

static int deliver(struct pl_stack *stack, const struct incoming *in, uint8_t type, struct route **route)
{
	*route = deliver_route(stack, in, type);
	return *route ? 0 : -ENOBUFS;
}

/* Nowhere to go: ip_receive answers with an ICMP error where this host is a router. */
static int refuse(struct pl_stack *stack, const struct incoming *in, int error, struct route **route)
{
	int result = deliver(stack, in, RTN_UNREACHABLE, route);

	if (result == 0)
		(*route)->error = error;
	return result;
}

static int broadcast(struct pl_stack *stack, const struct incoming *in, struct route **route)
{
	if (!ip_is_zero(in->source)) {
		int error = validate_source(stack, in, NULL);

		if (error < 0)
			return error;
	}
	return deliver(stack, in, RTN_BROADCAST, route);
}

static int multicast(struct pl_stack *stack, const struct incoming *in, struct route **route)
{
	struct in_device *device = in->link->ipv4;

	if (!multicast_accepts(stack, device, in->destination, in->source, in->protocol))
		return -EINVAL;
	if (ip_is_multicast(in->source) || ip_is_limited_broadcast(in->source))
		return -EINVAL;
	if (ip_is_loopback(in->source) && !CONF_OR(stack, device, route_localnet))
		return -EINVAL;
	if (ip_is_zero(in->source)) {
		/* Only a host that has no address yet may say so, in IGMP or within the link. */
		if (!ip_is_local_multicast(in->destination) && in->protocol != IPPROTO_IGMP)
			return -EINVAL;
	} else {
		int error = validate_source(stack, in, NULL);

		if (error < 0)
			return error;
	}
	return deliver(stack, in, RTN_MULTICAST, route);
}

static int forward(struct pl_stack *stack, const struct incoming *in, const struct fib_entry *entry, struct route **made)
{
	struct link *out = entry->nexthop.link;
	int neighbour = validate_source(stack, in, out);

	if (neighbour < 0)
		return neighbour;
	struct route *route = route_make(stack, entry->type, out);
	if (!route)
		return -ENOBUFS;
	route->source = in->source;
	route->destination = in->destination;
	route_set_nexthop(stack, route, entry);
	struct in_addr gateway = { route->uses_gateway ? route->gateway.s_addr : 0 };
	route->do_redirect = out == in->link && neighbour && CONF_OR(stack, out->ipv4, send_redirects) &&
			     (CONF_OR(stack, out->ipv4, shared_media) || address_on_link(out->ipv4, in->source, gateway));
	*made = route;
	return 0;
}

/* Addresses that never make sense on the wire. */
static bool is_martian(const struct pl_stack *stack, const struct incoming *in)
{
	bool localnet = CONF_OR(stack, in->link->ipv4, route_localnet);

	if (ip_is_zero(in->source) || ip_is_zero(in->destination))
		return true;
	return !localnet && (ip_is_loopback(in->destination) || ip_is_loopback(in->source));
}

static int unicast(struct pl_stack *stack, const struct incoming *in, struct route **route)
{
	struct in_device *device = in->link->ipv4;
	struct flow flow = { .destination = in->destination, .source = in->source, .tos = in->tos, .protocol = in->protocol,
			     .input_link = in->link->ifindex, .mark = in->mark };
	const struct fib_entry *entry = NULL;
	int error;

	if (ip_is_multicast(in->source) || ip_is_limited_broadcast(in->source))
		return -EINVAL;
	if (ip_is_limited_broadcast(in->destination) || (!in->source.s_addr && !in->destination.s_addr))
		return broadcast(stack, in, route);
	if (is_martian(stack, in))
		return -EINVAL;
	error = fib_lookup(stack, &flow, &entry);
	if (error)
		return refuse(stack, in, device->conf.forwarding ? error : -EHOSTUNREACH, route);
	if (entry->type == RTN_BROADCAST) {
		if (CONF_AND(stack, device, bc_forwarding) && device->conf.forwarding)
			return forward(stack, in, entry, route);
		return broadcast(stack, in, route);
	}
	if (entry->type == RTN_LOCAL) {
		error = validate_source(stack, in, NULL);
		return error < 0 ? error : deliver(stack, in, RTN_LOCAL, route);
	}
	if (!device->conf.forwarding)
		return refuse(stack, in, -EHOSTUNREACH, route);
	if (entry->type != RTN_UNICAST)
		return -EINVAL;
	return forward(stack, in, entry, route);
}

int route_input_for(struct pl_stack *stack, struct link *link, struct in_addr source, struct in_addr destination, uint8_t tos,
		    uint8_t protocol, uint32_t mark, struct route **route)
{
	struct incoming in = { .link = link, .source = source, .destination = destination, .tos = tos, .protocol = protocol,
			       .mark = mark };

	return ip_is_multicast(destination) ? multicast(stack, &in, route) : unicast(stack, &in, route);
}

int route_input(struct pl_stack *stack, struct pktbuf *packet, struct route **route)
{
	const struct iphdr *ip = ip_header(packet);

	return route_input_for(stack, packet->link, ip_source(packet), ip_destination(packet), ip->tos, ip->protocol,
			       packet->mark, route);
}
