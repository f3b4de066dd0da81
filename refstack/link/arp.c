/*
 * ARP (RFC 826): who has an IPv4 address on an Ethernet link.
 *
 * A packet that makes sense is dealt with in two steps. A request for an address of this host, or of one that it stands in for, is
 * answered, and the asker noted; whatever else it is, it may tell the hardware address of somebody already known, or with arp_accept
 * of somebody new. A sender of 0.0.0.0 checks whether an address is taken (RFC 5227): it is answered and not noted.
 */
#include "arp.h"

#include <net/if_arp.h>

#include "../ip/ip.h"
#include "ethernet.h"

#define IEEE802_HARDWARE 6	/* what some send for Ethernet; RFC 1042 */

struct arp_seen {		/* a request or reply that makes sense */
	struct link *link;
	struct in_addr sender, target;
	uint8_t sender_hwaddr[ETH_ALEN], target_hwaddr[ETH_ALEN];
	bool request;
	uint8_t packet_type;	/* PACKET_* of the frame */
	bool delayed;		/* it has waited for proxy_delay */
};

/* --- sending ------------------------------------------------------------------------------------------------------ */

void arp_send(struct pl_stack *stack, struct link *link, uint16_t operation, struct in_addr sender, struct in_addr target,
	      const uint8_t *destination, const uint8_t *target_hwaddr)
{
	struct arp_packet arp = {
		.hardware = htons(ARPHRD_ETHER), .protocol = htons(ETH_P_IP), .hardware_length = ETH_ALEN,
		.protocol_length = sizeof(arp.sender), .operation = htons(operation),
	};
	struct pktbuf *packet;

	if (link->flags & IFF_NOARP)
		return;
	packet = pktbuf_new(stack, IP_HEADROOM, sizeof(arp));
	if (!packet)
		return;
	memcpy(arp.sender_hwaddr, link->hwaddr, ETH_ALEN);
	memcpy(arp.sender, &sender, sizeof(arp.sender));
	if (target_hwaddr)
		memcpy(arp.target_hwaddr, target_hwaddr, ETH_ALEN);
	memcpy(arp.target, &target, sizeof(arp.target));
	memcpy(pktbuf_put(packet, sizeof(arp)), &arp, sizeof(arp));
	ethernet_send(stack, link, packet, ETH_P_ARP, destination ? destination : link->broadcast);
}

/* The address to ask from, by arp_announce: that of the packet that waits, or one of the link's that suits the target. */
static struct in_addr question_source(struct pl_stack *stack, const struct neighbour *neighbour, const struct pktbuf *packet)
{
	const struct in_device *device = neighbour->link->ipv4;
	int announce = CONF_MAX(stack, device, arp_announce);
	struct in_addr source = { 0 };

	if (packet && announce < 2) {
		source = ip_source(packet);
		if (address_type(stack, source) != RTN_LOCAL ||
		    (announce == 1 && !address_on_link(device, neighbour->address, source)))
			source.s_addr = 0;
	}
	return source.s_addr ? source : select_source(stack, neighbour->link, neighbour->address, RT_SCOPE_LINK);
}

void arp_solicit(struct pl_stack *stack, struct neighbour *neighbour, const struct pktbuf *packet)
{
	const struct neigh_sysctls *set = &neighbour->link->ipv4->neigh;
	int64_t number = (int64_t)neighbour->probes - set->ucast_solicit;
	struct in_addr source = question_source(stack, neighbour, packet);

	if (number >= 0 && number < set->app_solicit)	/* a daemon would be asked over netlink, and there is none */
		return;
	arp_send(stack, neighbour->link, ARPOP_REQUEST, source, neighbour->address, number < 0 ? neighbour->hwaddr : NULL, NULL);
}

void arp_announce(struct pl_stack *stack, struct link *link)
{
	for (const struct inet_address *ifa = link->ipv4->addresses; ifa; ifa = ifa->next)
		arp_send(stack, link, ARPOP_REQUEST, ifa->local, ifa->local, NULL, NULL);
}

/* --- whom to answer ----------------------------------------------------------------------------------------------- */

/* arp_ignore: which requests for an address of this host stay without an answer. */
static bool is_ignored(struct pl_stack *stack, const struct arp_seen *seen)
{
	const struct in_device *device = seen->link->ipv4;
	struct in_addr any = { 0 };

	switch (CONF_MAX(stack, device, arp_ignore)) {
	case 1:		/* not an address of this link */
		return !address_confirm(stack, device, any, seen->target, RT_SCOPE_HOST).s_addr;
	case 2:		/* nor of the sender's subnet */
		return !address_confirm(stack, device, seen->sender, seen->target, RT_SCOPE_HOST).s_addr;
	case 3:		/* an address that is only for this host, on any link */
		return !address_confirm(stack, NULL, any, seen->target, RT_SCOPE_LINK).s_addr;
	case 8:
		return true;
	default:
		return false;
	}
}

/* arp_filter: would an answer from that address leave over another link? */
static bool is_filtered(struct pl_stack *stack, const struct arp_seen *seen)
{
	struct flow flow = { .destination = seen->sender, .source = seen->target };
	struct route *route;

	if (!CONF_OR(stack, seen->link->ipv4, arp_filter))
		return false;
	if (route_output(stack, &flow, &route))
		return true;
	bool elsewhere = route->link != seen->link;
	if (elsewhere)
		COUNT(stack, TcpExt, ArpFilter);
	route_put(stack, route);
	return elsewhere;
}

static void answer(struct pl_stack *stack, const struct arp_seen *seen)
{
	arp_send(stack, seen->link, ARPOP_REPLY, seen->target, seen->sender, seen->sender_hwaddr, seen->sender_hwaddr);
}

/* Note who asks; false: there is no room to. */
static bool note_asker(struct pl_stack *stack, const struct arp_seen *seen)
{
	struct neighbour *neighbour = neighbour_get(stack, seen->link, seen->sender, false);

	if (neighbour)
		neighbour_update(stack, neighbour, seen->sender_hwaddr, NUD_STALE, NEIGHBOUR_OVERRIDE);
	return neighbour;
}

/* What became of a request. */
enum request_result { REQUEST_DONE, REQUEST_NOT_OURS, REQUEST_PUT_OFF };

static enum request_result deal_with_request(struct pl_stack *stack, const struct arp_seen *seen)
{
	struct link *link = seen->link;
	struct route *route = NULL;

	if (route_input_for(stack, link, seen->sender, seen->target, 0, 0, 0, &route))
		return REQUEST_NOT_OURS;
	bool local = route->type == RTN_LOCAL;
	bool proxy = !local && link->ipv4->conf.forwarding && route->type == RTN_UNICAST &&
		     arp_is_proxy(stack, link, route, seen->sender, seen->target);
	route_put(stack, route);
	if (local) {
		if (!is_ignored(stack, seen) && !is_filtered(stack, seen) && note_asker(stack, seen))
			answer(stack, seen);
		return REQUEST_DONE;
	}
	if (!proxy)
		return REQUEST_NOT_OURS;
	note_asker(stack, seen);
	/* The host itself, if it is there, shall answer first; somebody who asked this host alone wants its answer. */
	if (!seen->delayed && seen->packet_type != PACKET_HOST && link->ipv4->neigh.proxy_delay)
		return REQUEST_PUT_OFF;
	answer(stack, seen);
	return REQUEST_DONE;
}

/* --- what is learnt ----------------------------------------------------------------------------------------------- */

/* arp_accept: may this sender be noted although nobody asked? */
static bool is_accepted(struct pl_stack *stack, const struct arp_seen *seen)
{
	const struct in_device *device = seen->link->ipv4;

	switch (CONF_MAX(stack, device, arp_accept)) {
	case 1:
		return true;
	case 2:		/* from a subnet of the link */
		return address_confirm(stack, device, seen->sender, (struct in_addr){ 0 }, RT_SCOPE_LINK).s_addr;
	default:
		return false;
	}
}

/* Gratuitous ARP: somebody announces an address of its own (RFC 5227 section 3). */
static bool is_announcement(struct pl_stack *stack, const struct arp_seen *seen)
{
	if (seen->sender.s_addr != seen->target.s_addr)
		return false;
	if (!seen->request && memcmp(seen->target_hwaddr, seen->sender_hwaddr, ETH_ALEN))
		return false;
	return address_type(stack, seen->sender) == RTN_UNICAST;
}

static void learn(struct pl_stack *stack, const struct arp_seen *seen)
{
	struct neighbour *neighbour = neighbour_find(stack, seen->link, seen->sender);
	bool accepted = is_accepted(stack, seen), announcement = (neighbour || accepted) && is_announcement(stack, seen);

	if (!neighbour && accepted &&
	    (announcement || (!seen->request && address_type(stack, seen->sender) == RTN_UNICAST)))
		neighbour = neighbour_get(stack, seen->link, seen->sender, false);
	if (!neighbour)
		return;
	/* The first of several answers counts, as several proxies may have answered; an announcement counts always. */
	pl_time locked = SYSCTL_TIME(stack, seen->link->ipv4->neigh.locktime);
	bool override = announcement || stack->now > neighbour->updated + locked;
	/* Only an answer to this host says that the neighbour hears it. */
	bool heard = !seen->request && seen->packet_type == PACKET_HOST;
	neighbour_update(stack, neighbour, seen->sender_hwaddr, heard ? NUD_REACHABLE : NUD_STALE,
			 override ? NEIGHBOUR_OVERRIDE : 0);
}

/* --- receiving ---------------------------------------------------------------------------------------------------- */

/* Long enough, of Ethernet and IPv4, a request or a reply, about an address that somebody can have. */
static bool makes_sense(const struct pl_stack *stack, const struct pktbuf *packet, struct arp_seen *seen)
{
	const struct arp_packet *arp = pktbuf_at(packet, 0, sizeof(*arp));
	const struct in_device *device = packet->link->ipv4;

	if (!arp || arp->hardware_length != ETH_ALEN || arp->protocol_length != sizeof(arp->sender))
		return false;
	if (arp->hardware != htons(ARPHRD_ETHER) && arp->hardware != htons(IEEE802_HARDWARE))
		return false;
	if (arp->protocol != htons(ETH_P_IP) ||
	    (arp->operation != htons(ARPOP_REQUEST) && arp->operation != htons(ARPOP_REPLY)))
		return false;
	*seen = (struct arp_seen){ .link = packet->link, .request = arp->operation == htons(ARPOP_REQUEST),
				   .packet_type = packet->packet_type };
	memcpy(&seen->sender, arp->sender, sizeof(arp->sender));
	memcpy(&seen->target, arp->target, sizeof(arp->target));
	memcpy(seen->sender_hwaddr, arp->sender_hwaddr, ETH_ALEN);
	memcpy(seen->target_hwaddr, arp->target_hwaddr, ETH_ALEN);
	if (ip_is_multicast(seen->target) || (ip_is_loopback(seen->target) && !CONF_OR(stack, device, route_localnet)))
		return false;
	return seen->sender.s_addr != seen->target.s_addr || !CONF_OR(stack, device, drop_gratuitous_arp);
}

/* Consumes the packet. */
static void process(struct pl_stack *stack, struct pktbuf *packet, bool delayed)
{
	struct arp_seen seen;
	enum request_result result = REQUEST_NOT_OURS;

	if (!makes_sense(stack, packet, &seen)) {
		pktbuf_free(stack, packet);
		return;
	}
	seen.delayed = delayed;
	if (!seen.sender.s_addr) {
		if (seen.request && address_type(stack, seen.target) == RTN_LOCAL && !is_ignored(stack, &seen))
			answer(stack, &seen);
	} else {
		if (seen.request)
			result = deal_with_request(stack, &seen);
		if (result == REQUEST_PUT_OFF) {
			arp_delay(stack, packet);
			return;
		}
		if (result == REQUEST_NOT_OURS)
			learn(stack, &seen);
	}
	pktbuf_free(stack, packet);
}

void arp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	if (packet->link->flags & IFF_NOARP || packet->packet_type == PACKET_OTHERHOST)
		pktbuf_free(stack, packet);
	else
		process(stack, packet, false);
}

void arp_process_delayed(struct pl_stack *stack, struct pktbuf *packet)
{
	process(stack, packet, true);
}
