/* ICMP sent: replies to requests, and errors about packets that cannot be dealt with (RFC 1122 section 3.2.2). */
#include "../netfilter/netfilter.h"
#include "icmp_send.h"

#include <arpa/inet.h>

#include "icmp.h"
#include "options.h"
#include "route.h"

#define QUOTE_LIMIT 576u	/* RFC 1812 section 4.3.2.3: as much as fits without exceeding this, IP header included */
#define DUMMY_SOURCE 0xc0000008	/* 192.0.0.8, RFC 7600: a host without any address still tells what is wrong */

/* Header and data into a packet, checksummed, and out by the route. */
static void push(struct pl_stack *stack, const struct icmphdr *header, const void *data, size_t length, struct ip_send *send,
		 uint8_t counted_as, const struct pktbuf *about)
{
	struct pktbuf *packet = pktbuf_new(stack, IP_HEADROOM, sizeof(*header) + length);

	if (!packet)
		return;
	struct icmphdr *icmp = memcpy(pktbuf_put(packet, sizeof(*header)), header, sizeof(*header));
	if (length)
		memcpy(pktbuf_put(packet, length), data, length);
	icmp->checksum = 0;
	/* Linux sums from minus zero: an echo reply of nothing but zeros carries 0, not 0xffff. */
	icmp->checksum = checksum_finish(checksum_add(icmp, sizeof(*icmp) + length, 0xffff));
	packet->mark = send->mark;
	if (about)
		nf_packet_attach(packet, about);
	icmp_count_out(stack, counted_as);
	if (send->route->type == RTN_MULTICAST)
		send->ttl = 1;
	send->protocol = IPPROTO_ICMP;
	send->id = -1;
	ip_send_packet(stack, packet, send);
}

struct in_addr ip_specific_destination(struct pl_stack *stack, const struct pktbuf *packet)
{
	const struct route *route = packet->route;
	struct fib_result found = { 0 };

	if (route && route->is_local && route->type != RTN_BROADCAST && route->type != RTN_MULTICAST)
		return ip_destination(packet);
	if (ip_is_zero(ip_source(packet)))
		return select_source(stack, packet->link, (struct in_addr){ 0 }, RT_SCOPE_LINK);
	struct flow flow = { .destination = ip_source(packet), .tos = ip_header(packet)->tos };
	if (fib_lookup(stack, &flow, &found) == 0)
		return route_preferred_source(stack, &found);
	return select_source(stack, packet->link, ip_source(packet), RT_SCOPE_UNIVERSE);
}

static uint32_t reply_mark(const struct pl_stack *stack, const struct pktbuf *packet)
{
	return stack->sysctl.fwmark_reflect ? packet->mark : 0;
}

void icmp_send_reply(struct pl_stack *stack, struct pktbuf *packet, const struct icmphdr *header, const void *data,
		     size_t length)
{
	struct ip_options options = { 0 };
	bool limited;

	if (!options_echo(stack, packet, &options) || !icmp_global_allows(stack, header->type, header->code, &limited))
		return;
	struct flow flow = {
		.destination = options.source_route ? options.first_hop : ip_source(packet),
		.source = ip_specific_destination(stack, packet), .tos = ip_header(packet)->tos,
		.protocol = IPPROTO_ICMP, .mark = reply_mark(stack, packet),
	};
	struct route *route = NULL;
	if (route_output(stack, &flow, &route))
		return;
	if (icmp_peer_allows(stack, route, flow.destination, limited)) {
		struct ip_send send = { .source = flow.source, .destination = ip_source(packet), .tos = flow.tos,
					.route = route, .options = options.length ? &options : NULL, .mark = flow.mark };

		push(stack, header, data, length, &send, ICMP_ECHOREPLY, NULL);	/* Linux counts every reply as this one */
	}
	route_put(stack, route);
}

/* RFC 1122 section 3.2.2: what an error must never be about. */
static bool may_be_told(const struct pktbuf *packet, uint8_t type)
{
	const struct iphdr *ip = ip_header(packet);
	const struct route *route = packet->route;

	if (packet->packet_type != PACKET_HOST || !route)
		return false;
	/* A broadcast that only passes through (bc_forwarding) is a packet like others. */
	if ((route->type == RTN_BROADCAST && route->is_local) || route->type == RTN_MULTICAST)
		return false;
	if (ip->frag_off & htons(IP_OFFMASK))
		return false;
	if (icmp_type_is_error(type) && ip->protocol == IPPROTO_ICMP) {
		const uint8_t *inner = packet->network + ip->ihl * 4u;

		if (inner >= packet->tail || icmp_type_is_error(*inner))
			return false;
	}
	return true;
}

/* The address the error comes from: the one the packet was sent to, or one of this router's. */
static struct in_addr error_source(struct pl_stack *stack, const struct pktbuf *packet)
{
	const struct route *route = packet->route;
	struct link *came_over = link_by_index(stack, packet->input_ifindex);

	if (route->is_local)
		return ip_destination(packet);
	if (stack->sysctl.icmp_errors_use_inbound_ifaddr && came_over)
		return select_source(stack, came_over, ip_source(packet), RT_SCOPE_LINK);
	return (struct in_addr){ 0 };
}

void icmp_send_error(struct pl_stack *stack, struct pktbuf *packet, uint8_t type, uint8_t code, uint32_t info)
{
	struct ip_options options = { 0 };
	struct route *route = NULL;
	bool limited;

	if (!may_be_told(packet, type) || !icmp_global_allows(stack, type, code, &limited))
		return;
	const struct iphdr *ip = ip_header(packet);
	struct flow flow = {
		.source = error_source(stack, packet), .protocol = IPPROTO_ICMP, .mark = reply_mark(stack, packet),
		.tos = icmp_type_is_error(type) ? (ip->tos & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL : ip->tos,
	};
	if (!options_echo(stack, packet, &options))
		return;
	flow.destination = options.source_route ? options.first_hop : ip_source(packet);
	if (route_output(stack, &flow, &route))
		return;
	uint32_t room = route_mtu(stack, route);
	if (room > QUOTE_LIMIT)
		room = QUOTE_LIMIT;
	uint32_t headers = sizeof(*ip) + options.length + ICMP_HEADER;
	if (icmp_peer_allows(stack, route, flow.destination, limited) && room > headers + sizeof(*ip)) {
		uint32_t length = (uint32_t)(packet->tail - packet->network);
		struct ip_send send = { .source = flow.source, .destination = ip_source(packet), .tos = flow.tos,
					.route = route, .options = options.length ? &options : NULL, .mark = flow.mark };
		struct icmphdr header = { .type = type, .code = code };

		if (!send.source.s_addr)
			send.source.s_addr = htonl(DUMMY_SOURCE);
		header.un.gateway = type == ICMP_REDIRECT ? info : htonl(type == ICMP_PARAMETERPROB ? info << 24 : info);
		push(stack, &header, packet->network, length < room - headers ? length : room - headers, &send, type,
		     icmp_type_is_error(type) ? packet : NULL);
	}
	route_put(stack, route);
}

/*
 * Redirects come ever more slowly while the sender ignores them, at most redirect_number of them, and start anew when none was
 * due for redirect_silence (RFC 1812 section 5.2.7.2).
 */
void icmp_send_redirect(struct pl_stack *stack, struct pktbuf *packet)
{
	struct icmp_peer *peer = icmp_peer_find(stack, ip_source(packet));
	uint32_t now = stack_jiffies(stack);
	uint32_t silence = (uint32_t)stack->sysctl.route_redirect_silence, load = (uint32_t)stack->sysctl.route_redirect_load;

	if (!peer)
		return;
	if ((int32_t)(now - (peer->last + silence)) > 0) {
		peer->tokens = 0;
		peer->redirects = 0;
	}
	if (peer->redirects >= (uint32_t)stack->sysctl.route_redirect_number) {
		peer->last = now;
		return;
	}
	if (peer->redirects && (int32_t)(now - (peer->last + (load << peer->redirects))) <= 0)
		return;
	icmp_send_error(stack, packet, ICMP_REDIRECT, ICMP_REDIR_HOST, packet->route->gateway.s_addr);
	peer = icmp_peer_find(stack, ip_source(packet));
	if (!peer)
		return;
	peer->last = now;
	peer->redirects++;
}
