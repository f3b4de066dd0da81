/*
 * Ethernet: 14 bytes of destination, source and protocol in front of every packet.
 *
 * A frame for another host is not thrown away at once but marked (PACKET_OTHERHOST), because Linux counts it and shows it to
 * packet sockets before IP and ARP pass it by. A tag of IEEE 802.1Q that names no VLAN only carries a priority: the packet behind
 * it is taken as if it were not there. Frames of a VLAN, of IPv6, of IEEE 802.3 with a length in place of the protocol end here.
 */
#include "ethernet.h"

#include "../ip/ip.h"
#include "arp.h"

#define VLAN_TAG 4	/* bytes: priority and VLAN, then the protocol that follows */
#define VLAN_MASK 0x0fff

const uint8_t ethernet_broadcast[ETH_ALEN] = { 255, 255, 255, 255, 255, 255 };

void ethernet_map_multicast(struct in_addr group, uint8_t hwaddr[ETH_ALEN])
{
	uint32_t low = ntohl(group.s_addr);

	memcpy(hwaddr, (const uint8_t[]){ 0x01, 0x00, 0x5e, low >> 16 & 0x7f, low >> 8 & 0xff, low & 0xff }, ETH_ALEN);
}

static uint8_t packet_type(const struct link *link, const uint8_t destination[ETH_ALEN])
{
	if (!ethernet_is_group(destination))
		return memcmp(destination, link->hwaddr, ETH_ALEN) ? PACKET_OTHERHOST : PACKET_HOST;
	return memcmp(destination, link->broadcast, ETH_ALEN) ? PACKET_MULTICAST : PACKET_BROADCAST;
}

/* The protocol of the packet, in host order, with tags that only carry a priority taken off. 0: nothing that goes on. */
static uint16_t packet_protocol(struct pktbuf *packet, uint16_t protocol)
{
	while (protocol == ETH_P_8021Q || protocol == ETH_P_8021AD) {
		const uint8_t *tag = pktbuf_at(packet, 0, VLAN_TAG);

		if (!tag || ((tag[0] << 8 | tag[1]) & VLAN_MASK))
			return 0;
		protocol = (uint16_t)(tag[2] << 8 | tag[3]);
		pktbuf_pull(packet, VLAN_TAG);
	}
	return protocol;
}

int ethernet_receive(struct pl_stack *stack, struct link *link, struct pktbuf *packet)
{
	const struct ethhdr *header = pktbuf_at(packet, 0, sizeof(*header));

	if (!header) {
		pktbuf_free(stack, packet);
		return -EINVAL;
	}
	link->rx_packets++;
	link->rx_bytes += pktbuf_length(packet);
	packet->packet_type = packet_type(link, header->h_dest);
	packet->has_source_hwaddr = true;
	memcpy(packet->source_hwaddr, header->h_source, ETH_ALEN);
	pktbuf_pull(packet, sizeof(*header));
	switch (packet_protocol(packet, ntohs(header->h_proto))) {
	case ETH_P_IP:
		ip_receive(stack, packet);
		break;
	case ETH_P_ARP:
		arp_receive(stack, packet);
		break;
	default:
		pktbuf_free(stack, packet);
	}
	return 0;
}

int ethernet_send(struct pl_stack *stack, struct link *link, struct pktbuf *packet, uint16_t protocol,
		  const uint8_t destination[ETH_ALEN])
{
	struct ethhdr header = { .h_proto = htons(protocol) };

	memcpy(header.h_dest, destination, ETH_ALEN);
	memcpy(header.h_source, link->hwaddr, ETH_ALEN);
	packet->link = link;
	return link_transmit(stack, packet, &header);
}
