/*
 * Routes for packets that came in: for this host, to be forwarded, or not to be believed (RFC 1812 section 5.3).
 *
 * The source is checked too (RFC 3704): rp_filter 1 wants the way back to lead over the link that the packet came from, 2 wants
 * any way back; and a packet from one of this host's own addresses is a martian unless accept_local says otherwise.
 */
#include <arpa/inet.h>

#include "mroute.h"
#include "route.h"

struct incoming {
	struct link *link;
	struct in_addr source, destination;
	uint8_t tos, protocol;
	uint32_t mark;
	const struct pktbuf *packet;	/* NULL when only the addresses are asked about */
};

static bool leads_over(const struct fib_entry *entry, const struct link *link)
{
	for (unsigned i = 0; i < entry->nexthops; i++)
		if (entry->nexthop[i].link == link && !entry->nexthop[i].dead)
			return true;
	return false;
}

/* The ports of a packet, for rules that ask for them. Fragments have none. */
static void take_ports(struct flow *flow, const struct pktbuf *packet)
{
	const struct iphdr *ip = packet ? ip_header(packet) : NULL;
	const uint8_t *ports = ip ? packet->network + ip->ihl * 4u : NULL;

	if (!ip || ip->frag_off & htons(IP_MF | IP_OFFMASK) || ports + 4 > packet->tail ||
	    (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP && ip->protocol != IPPROTO_UDPLITE &&
	     ip->protocol != IPPROTO_SCTP && ip->protocol != IPPROTO_DCCP))
		return;
	flow->source_port = (uint16_t)(ports[0] << 8 | ports[1]);
	flow->destination_port = (uint16_t)(ports[2] << 8 | ports[3]);
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
	struct fib_result found = { 0 };

	if (!filter && !may_redirect) {
		if (accept_local)
			return 0;
		if (!stack->fib->custom_local_routes && !stack->fib->custom_rules)
			return address_owner(stack, in->source) ? -EINVAL : 0;
	}
	/* The way back: the packet's ends change places. Ports and protocol count only where rules ask for them. */
	flow.input_link = out ? out->ifindex : 0;
	flow.flags = FLOW_ANY_CARRIER;
	if (stack->fib->custom_rules && in->packet) {
		struct flow there = { 0 };

		take_ports(&there, in->packet);
		flow.protocol = in->protocol;
		flow.source_port = there.destination_port;
		flow.destination_port = there.source_port;
	}
	int nothing = filter ? -EXDEV : 0;
	if (fib_lookup(stack, &flow, &found))
		return nothing;
	if (found.entry->type != RTN_UNICAST && (found.entry->type != RTN_LOCAL || !accept_local))
		return -EINVAL;
	if (leads_over(found.entry, in->link) || (in->link->flags & IFF_LOOPBACK && found.entry->type == RTN_LOCAL))
		return found.nexthop->scope >= RT_SCOPE_HOST;
	if (!device->addresses)
		return nothing;
	if (filter == 1)
		return -EXDEV;
	flow.output_link = in->link->ifindex;
	if (fib_lookup(stack, &flow, &found) == 0 && found.entry->type == RTN_UNICAST)
		return found.nexthop->scope >= RT_SCOPE_HOST;
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

	bool ours = multicast_accepts(stack, device, in->destination, in->source, in->protocol);

	if (!ours && !mroute_routes(stack, device, in->destination))
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
	int result = deliver(stack, in, RTN_MULTICAST, route);

	if (result == 0)
		(*route)->is_local = ours;
	return result;
}

static int forward(struct pl_stack *stack, const struct incoming *in, const struct fib_result *found, struct route **made)
{
	struct link *out = found->nexthop->link;
	int neighbour = validate_source(stack, in, out);

	if (neighbour < 0)
		return neighbour;
	struct route *route = route_make(stack, found->entry->type, out);
	if (!route)
		return -ENOBUFS;
	route->source = in->source;
	route->destination = in->destination;
	route_set_nexthop(stack, route, found);
	struct in_addr gateway = found->nexthop->gateway;
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
	struct fib_result found = { 0 };
	int error;

	if (ip_is_multicast(in->source) || ip_is_limited_broadcast(in->source))
		return -EINVAL;
	if (ip_is_limited_broadcast(in->destination) || (!in->source.s_addr && !in->destination.s_addr))
		return broadcast(stack, in, route);
	if (is_martian(stack, in))
		return -EINVAL;
	flow.packet = in->packet;
	take_ports(&flow, in->packet);
	error = fib_lookup(stack, &flow, &found);
	if (error)
		return refuse(stack, in, device->conf.forwarding ? error : -EHOSTUNREACH, route);
	uint8_t type = found.entry->type;
	if (type == RTN_BROADCAST) {
		if (CONF_AND(stack, device, bc_forwarding) && device->conf.forwarding)
			return forward(stack, in, &found, route);
		return broadcast(stack, in, route);
	}
	if (type == RTN_LOCAL) {
		error = validate_source(stack, in, NULL);
		return error < 0 ? error : deliver(stack, in, RTN_LOCAL, route);
	}
	if (!device->conf.forwarding)
		return refuse(stack, in, -EHOSTUNREACH, route);
	if (type != RTN_UNICAST)
		return -EINVAL;
	fib_select_path(stack, &flow, &found);
	return forward(stack, in, &found, route);
}

static int route_for(struct pl_stack *stack, const struct incoming *in, struct route **route)
{
	return ip_is_multicast(in->destination) ? multicast(stack, in, route) : unicast(stack, in, route);
}

int route_input_for(struct pl_stack *stack, struct link *link, struct in_addr source, struct in_addr destination, uint8_t tos,
		    uint8_t protocol, uint32_t mark, struct route **route)
{
	return route_for(stack, &(struct incoming){ .link = link, .source = source, .destination = destination, .tos = tos,
						    .protocol = protocol, .mark = mark }, route);
}

int route_input(struct pl_stack *stack, struct pktbuf *packet, struct route **route)
{
	const struct iphdr *ip = ip_header(packet);

	return route_for(stack, &(struct incoming){ .link = packet->link, .source = ip_source(packet),
						    .destination = ip_destination(packet), .tos = ip->tos, .protocol = ip->protocol,
						    .mark = packet->mark, .packet = packet }, route);
}
