/*
 * IPv4 input: the checks of RFC 1122 section 3.2.1 in the order that Linux makes them, each with its counter; then the route
 * decides between delivery to this host, forwarding, and nothing.
 */
#include <arpa/inet.h>

#include "forward.h"
#include "mroute.h"
#include "options.h"
#include "reassemble.h"
#include "../netfilter/netfilter.h"

/* Drops with the counter named; every way out of input without delivery goes through here. */
static void drop(struct pl_stack *stack, struct pktbuf *packet, enum counter counter)
{
	stack->counter[counter]++;
	pktbuf_free(stack, packet);
}

static void count_arrival(struct pl_stack *stack, const struct pktbuf *packet, enum counter packets, enum counter octets)
{
	stack->counter[packets]++;
	stack->counter[octets] += pktbuf_length(packet);
}

/*
 * The header: long enough, version 4, checksum right, the length it states present. What the link padded is cut off.
 * False: dropped and counted.
 */
static bool check_header(struct pl_stack *stack, struct pktbuf *packet)
{
	static const enum counter ecn[4] = { CNT_IpExt_InNoECTPkts, CNT_IpExt_InECT1Pkts, CNT_IpExt_InECT0Pkts,
					     CNT_IpExt_InCEPkts };
	const struct iphdr *ip = pktbuf_at(packet, 0, sizeof(*ip));

	if (!ip || ip->ihl < 5 || ip->version != 4) {
		drop(stack, packet, CNT_Ip_InHdrErrors);
		return false;
	}
	stack->counter[ecn[ip->tos & 3]] += packet->gso_segs ? packet->gso_segs : 1;
	if (!pktbuf_at(packet, 0, ip->ihl * 4u)) {
		drop(stack, packet, CNT_Ip_InHdrErrors);
		return false;
	}
	if (checksum_finish(checksum_add(ip, ip->ihl * 4u, 0)) != 0) {
		COUNT(stack, IpExt, InCsumErrors);
		drop(stack, packet, CNT_Ip_InHdrErrors);
		return false;
	}
	uint32_t length = ntohs(ip->tot_len);
	if (pktbuf_length(packet) < length) {
		drop(stack, packet, CNT_IpExt_InTruncatedPkts);
		return false;
	}
	if (length < ip->ihl * 4u) {
		drop(stack, packet, CNT_Ip_InHdrErrors);
		return false;
	}
	pktbuf_trim(packet, length);
	packet->network = packet->data;
	packet->transport = packet->data + ip->ihl * 4u;
	return true;
}

void ip_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	int error;

	if (packet->packet_type == PACKET_OTHERHOST) {
		pktbuf_free(stack, packet);
		return;
	}
	count_arrival(stack, packet, CNT_Ip_InReceives, CNT_IpExt_InOctets);
	if (!check_header(stack, packet))
		return;
	packet = nf_hook(stack, packet, NF_INET_PRE_ROUTING, packet->link, NULL, NULL, &error);
	if (packet)
		ip_receive_checked(stack, packet);
}

/* A packet that no route wants: an ICMP error when this host is a router, and the counter in either case. */
static void unreachable(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct in_device *device = packet->link->ipv4;
	int error = packet->route->error, code = -1;

	switch (error) {
	case -EHOSTUNREACH:
		if (!device->conf.forwarding)
			COUNT(stack, Ip, InAddrErrors);
		code = ICMP_HOST_UNREACH;
		break;
	case -ENETUNREACH:
		COUNT(stack, IpExt, InNoRoutes);
		code = ICMP_NET_UNREACH;
		break;
	case -EACCES:
		code = ICMP_PKT_FILTERED;
		break;
	}
	if (device->conf.forwarding && code >= 0 && icmp_route_error_allowed(stack, ip_source(packet)))
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, (uint8_t)code, 0);
	pktbuf_free(stack, packet);
}

void ip_receive_checked(struct pl_stack *stack, struct pktbuf *packet)
{
	struct route *route = packet->route;	/* set when this host sent it to itself */
	int error = 0;

	if (!route)
		route = early_route(stack, packet);
	if (!route)
		error = route_input(stack, packet, &route);
	if (error) {
		if (error == -EXDEV)
			COUNT(stack, TcpExt, IPReversePathFilter);
		pktbuf_free(stack, packet);
		return;
	}
	packet->route = route;
	if (ip_header(packet)->ihl > 5 && !options_receive(stack, packet))
		return;
	route = packet->route;
	if (route->type == RTN_MULTICAST) {
		count_arrival(stack, packet, CNT_IpExt_InMcastPkts, CNT_IpExt_InMcastOctets);
		if (mroute_routes(stack, packet->link->ipv4, ip_destination(packet))) {
			mroute_receive(stack, packet);
			return;
		}
	} else if (route->type == RTN_BROADCAST) {
		count_arrival(stack, packet, CNT_IpExt_InBcastPkts, CNT_IpExt_InBcastOctets);
	} else if ((packet->packet_type == PACKET_BROADCAST || packet->packet_type == PACKET_MULTICAST) &&
		   CONF_OR(stack, packet->link->ipv4, drop_unicast_in_l2_multicast)) {
		/* RFC 1122 section 3.3.6: a unicast in a link-layer broadcast. */
		pktbuf_free(stack, packet);
		return;
	}
	if (route->is_local)
		ip_deliver(stack, packet);
	else if (route->type == RTN_UNREACHABLE)
		unreachable(stack, packet);
	else
		ip_forward(stack, packet);
}

void ip_deliver(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	int error;

	if (ip->frag_off & htons(IP_MF | IP_OFFMASK)) {
		packet = reassemble(stack, packet, REASSEMBLE_LOCAL);
		if (!packet)
			return;
	}
	packet = nf_hook(stack, packet, NF_INET_LOCAL_IN, packet->link, NULL, NULL, &error);
	if (!packet)
		return;
	ip = ip_header(packet);
	packet->transport = packet->network + ip->ihl * 4u;
	pktbuf_pull(packet, (size_t)(packet->transport - packet->data));
	uint8_t protocol = ip->protocol;
	bool raw = ip_raw_receive && ip_raw_receive(stack, packet);
	const struct ip_protocol *row = ip_protocol_find(stack, protocol);
	if (row) {
		nf_packet_forget(packet);
		row->receive(stack, packet);
		COUNT(stack, Ip, InDelivers);
		return;
	}
	if (raw) {
		COUNT(stack, Ip, InDelivers);
	} else {
		COUNT(stack, Ip, InUnknownProtos);
		icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
	}
	pktbuf_free(stack, packet);
}
