/* The translation of one packet: addresses, ports, identifiers, and the checksums that cover them. */
#include <arpa/inet.h>

#include "nat.h"

/* RFC 1624 equation 3: the checksum after a word of what it covers has changed. */
static void mend(uint16_t *checksum, uint16_t before, uint16_t after)
{
	uint32_t sum = (uint16_t)~*checksum + (uint32_t)(uint16_t)~before + after;

	sum = (sum & 0xffff) + (sum >> 16);
	*checksum = (uint16_t)~((sum & 0xffff) + (sum >> 16));
}

static void mend_address(uint16_t *checksum, uint32_t before, uint32_t after)
{
	mend(checksum, (uint16_t)before, (uint16_t)after);
	mend(checksum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
}

/* Where the checksum of a protocol with ports lies in its header; 0: it has none that is known here. */
static size_t checksum_offset(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return 16;
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return 6;
	default:
		return 0;
	}
}

static bool change_ports(struct pktbuf *packet, size_t at, const struct tuple *target, enum manipulation manipulation,
			 uint32_t address_before, uint32_t address_after)
{
	size_t place = checksum_offset(target->protocol);
	uint16_t *ports = pktbuf_at(packet, at, 8), *checksum = place ? pktbuf_at(packet, at + place, 2) : NULL;
	uint16_t after = manipulation == MANIP_SOURCE ? target->source_port : target->destination_port;

	if (!ports)
		return false;
	uint16_t *port = &ports[manipulation == MANIP_SOURCE ? 0 : 1], before = *port;
	*port = after;
	/* UDP without a checksum stays without; and what comes to 0 is written as all ones (RFC 768). */
	if (!checksum || (target->protocol == IPPROTO_UDP && !*checksum))
		return true;
	mend_address(checksum, address_before, address_after);
	mend(checksum, before, after);
	if (target->protocol != IPPROTO_TCP && !*checksum)
		*checksum = 0xffff;
	return true;
}

static bool change_icmp(struct pktbuf *packet, size_t at, const struct tuple *target)
{
	struct icmphdr *icmp = pktbuf_at(packet, at, sizeof(*icmp));

	if (!icmp)
		return false;
	if (icmp_is_error(icmp->type))
		return true;
	mend(&icmp->checksum, icmp->un.echo.id, target->source_port);
	icmp->un.echo.id = target->source_port;
	return true;
}

bool nat_change_packet(struct pktbuf *packet, size_t offset, const struct tuple *target, enum manipulation manipulation)
{
	struct iphdr *ip = pktbuf_at(packet, offset, sizeof(*ip));

	if (!ip)
		return false;
	size_t transport = offset + ip->ihl * 4u;
	uint32_t *address = manipulation == MANIP_SOURCE ? &ip->saddr : &ip->daddr, before = *address;
	uint32_t after = manipulation == MANIP_SOURCE ? target->source.s_addr : target->destination.s_addr;
	bool done = true;

	if (target->protocol == IPPROTO_ICMP)
		done = change_icmp(packet, transport, target);
	else if (checksum_offset(target->protocol) || target->source_port || target->destination_port)
		done = change_ports(packet, transport, target, manipulation, before, after);
	if (!done)
		return false;
	mend_address(&ip->check, before, after);
	*address = after;
	return true;
}
