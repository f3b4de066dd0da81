/* UDP, ICMP and every other protocol, as the tracker sees them. TCP has a file of its own. */
#include <arpa/inet.h>

#include "conntrack.h"
#include "tables.h"

#define STREAM_AFTER (2 * PL_NSEC_PER_SEC)	/* datagrams both ways for so long: more than a question and an answer */

struct ports_header {
	uint16_t source, destination, length, checksum;
};

bool transport_checksum_right(const struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	const uint8_t *transport = packet->network + ip->ihl * 4u;
	size_t length = (size_t)(packet->tail - transport);
	uint32_t sum = 0xffff;	/* of the IP header, which Linux includes: zeros alone are right */

	if (packet->checksum_ok)
		return true;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP)
		sum += checksum_pseudo((struct in_addr){ ip->saddr }, (struct in_addr){ ip->daddr }, ip->protocol, (uint32_t)length);
	return checksum_finish(checksum_add(transport, length, sum)) == 0;
}

static pl_time timeout(const struct pl_stack *stack, int jiffies)
{
	return jiffies_to_time(stack, jiffies);
}

static bool udp_is_sound(const struct pl_stack *stack, const struct pktbuf *packet, const struct nf_place *place)
{
	uint32_t offset = ip_header(packet)->ihl * 4u;
	const struct ports_header *udp = pktbuf_at(packet, offset, sizeof(*udp));
	bool lite = ip_header(packet)->protocol == IPPROTO_UDPLITE;

	if (!udp)
		return false;
	uint32_t length = ntohs(udp->length), there = pktbuf_length(packet) - offset;
	if (lite) {
		uint32_t coverage = length ? length : there;

		if (coverage < sizeof(*udp) || coverage > there || !udp->checksum)
			return false;
		if (!stack->sysctl.nf_conntrack_checksum || place->hook != NF_INET_PRE_ROUTING)
			return true;
		/* Linux sums as if the protocol were UDP: what another host sent is right by chance only. */
		return !checksum_finish(checksum_add(udp, coverage, checksum_pseudo(ip_source(packet), ip_destination(packet),
										    IPPROTO_UDP, there)));
	}
	if (length > there || length < sizeof(*udp))
		return false;
	return !udp->checksum || !stack->sysctl.nf_conntrack_checksum || place->hook != NF_INET_PRE_ROUTING ||
	       transport_checksum_right(packet);
}

static enum tracked track_udp(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			      enum ip_conntrack_info info, const struct nf_place *place)
{
	pl_time span = timeout(stack, stack->sysctl.nf_conntrack_udp_timeout);

	if (!udp_is_sound(stack, packet, place))
		return TRACKED_INVALID;
	if (!conntrack_is_confirmed(conntrack))
		conntrack->stream_since = stack->now + STREAM_AFTER;
	if (conntrack->status & IPS_SEEN_REPLY && stack->now > conntrack->stream_since) {
		span = timeout(stack, stack->sysctl.nf_conntrack_udp_timeout_stream);
		conntrack->status |= IPS_ASSURED;
	}
	conntrack_refresh(stack, conntrack, info, packet, span);
	return TRACKED_VALID;
}

static enum tracked track_icmp(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			       enum ip_conntrack_info info)
{
	uint8_t type = conntrack->tuple[ORIGINAL].icmp_type;

	if (!conntrack_is_confirmed(conntrack) && type != ICMP_ECHO && type != ICMP_TIMESTAMP && type != ICMP_INFO_REQUEST &&
	    type != ICMP_ADDRESS)
		return TRACKED_INVALID;
	conntrack_refresh(stack, conntrack, info, packet, timeout(stack, stack->sysctl.nf_conntrack_icmp_timeout));
	return TRACKED_VALID;
}

/* RFC 9260 appendix A: CRC32c over the packet with the checksum's field zero, which is stored with its least byte first. */
static uint32_t crc32c(const uint8_t *bytes, size_t length, size_t field)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < length; i++) {
		crc ^= i >= field && i < field + sizeof(crc) ? 0 : bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

#define SCTP_HEADER 12u
#define SCTP_CHECKSUM 8u	/* where it is */

/* Of SCTP no more is looked at than that the packet is whole. */
static bool sctp_is_sound(const struct pl_stack *stack, const struct pktbuf *packet, const struct nf_place *place)
{
	uint32_t offset = ip_header(packet)->ihl * 4u;
	const uint8_t *sctp = pktbuf_at(packet, offset, SCTP_HEADER), *sum;

	if (!sctp)
		return false;
	if (!stack->sysctl.nf_conntrack_checksum || place->hook != NF_INET_PRE_ROUTING)
		return true;
	sum = sctp + SCTP_CHECKSUM;
	return crc32c(sctp, pktbuf_length(packet) - offset, SCTP_CHECKSUM) ==
	       (sum[0] | (uint32_t)sum[1] << 8 | (uint32_t)sum[2] << 16 | (uint32_t)sum[3] << 24);
}

enum tracked track_protocol(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			    enum ip_conntrack_info info, const struct nf_place *place)
{
	switch (conntrack->tuple[ORIGINAL].protocol) {
	case IPPROTO_TCP:
		return track_tcp(stack, packet, conntrack, info, place);
	case IPPROTO_UDP:
	case IPPROTO_UDPLITE:
		return track_udp(stack, packet, conntrack, info, place);
	case IPPROTO_ICMP:
		return track_icmp(stack, packet, conntrack, info);
	case IPPROTO_SCTP:
		if (!sctp_is_sound(stack, packet, place))
			return TRACKED_INVALID;
		/* fall through */
	default:
		conntrack_refresh(stack, conntrack, info, packet,
				  timeout(stack, stack->sysctl.nf_conntrack_generic_timeout));
		return TRACKED_VALID;
	}
}
