/*
 * Bytes to packets.
 *
 * Layers are taken off one after the other, each from the bytes that the layer around it says are its own. What is wrong inside
 * a header (lengths that lie, options that run over) stays as it is in the fields, so that encoding the packet gives the same
 * bytes again; a header that is not there as a whole becomes a RAW layer, except that TCP is decoded as far as the eight bytes
 * that an ICMP error quotes.
 */
#include "packet.h"

#include <string.h>

#include "../arena.h"
#include "checksum.h"
#include "igmp.h"
#include "bytes.h"
#include "icmp.h"
#include "layer.h"
#include "option.h"

/* The bytes of the layer at hand, and what the layers around it say. */
struct decoder {
	struct arena *arena;
	struct packet *packet;
	const uint8_t *start;			/* of the packet */
	const uint8_t *at;
	size_t left;
	const uint8_t *source, *destination;	/* addresses of the innermost IP header */
	size_t address_length;
	bool fragment;				/* its datagram is not whole: checksums cannot be told */
	unsigned depth;				/* of quoted packets */
};

#define QUOTED_DEPTH 2

/* A new layer. The last place is kept for RAW: NULL when there is no room. */
static struct layer *push(struct decoder *d, enum layer_kind kind)
{
	struct layer *layer;

	if (d->packet->layers >= PACKET_LAYERS - (kind == LAYER_RAW ? 0 : 1))
		return NULL;
	layer = &d->packet->layer[d->packet->layers++];
	layer->kind = kind;
	return layer;
}

static void advance(struct decoder *d, size_t bytes)
{
	d->at += bytes;
	d->left -= bytes;
}

/* Nothing but payload from here on. */
static void take_payload(struct decoder *d)
{
	d->packet->payload = arena_memdup(d->arena, d->at, d->left);
	d->packet->payload_length = d->left;
	d->packet->payload_given = true;
}

static void decode_raw(struct decoder *d, unsigned protocol)
{
	struct layer *layer = push(d, LAYER_RAW);

	if (layer)
		wire_set(layer, WF_RAW_PROTOCOL, protocol);
	take_payload(d);
}

static void cut_short(struct decoder *d)
{
	d->packet->truncated = true;
	d->packet->captured = (size_t)(d->at - d->start) + d->left;
}

static void take_options(struct decoder *d, struct layer *layer, const uint8_t *bytes, size_t length)
{
	layer->options = wire_options_decode(layer->kind, bytes, length, d->arena, &layer->option);
	layer->options_given = true;
}

/*
 * The state of a transport checksum over all the bytes left. `stored` is what the header holds; `length` is what the
 * pseudo-header counts.
 */
static enum wire_checksum transport_checksum(const struct decoder *d, unsigned protocol, unsigned stored, size_t covered,
					     size_t length)
{
	uint64_t pseudo;

	if (d->fragment || d->packet->truncated || !d->address_length)
		return CHECKSUM_UNKNOWN;
	pseudo = wire_checksum_pseudo(d->source, d->destination, d->address_length, (uint8_t)protocol, (uint32_t)length);
	if (wire_checksum_fold(wire_checksum_add(pseudo, d->at, covered)) == 0xffff)
		return CHECKSUM_RIGHT;
	return wire_checksum_fold(pseudo) == stored ? CHECKSUM_PARTIAL : CHECKSUM_WRONG;
}

static enum wire_checksum plain_checksum(const struct decoder *d)
{
	if (d->fragment || d->packet->truncated)
		return CHECKSUM_UNKNOWN;
	return wire_checksum_fold(wire_checksum_add(0, d->at, d->left)) == 0xffff ? CHECKSUM_RIGHT : CHECKSUM_WRONG;
}

/* The fields that begin within `length` bytes, which are at least QUOTED_MINIMUM; TCP_HEADER can be read. */
static void decode_tcp_fields(struct layer *layer, const uint8_t *at, size_t length)
{
	unsigned flags = get16(at + 12) & 0xfff;

	wire_set(layer, WF_TCP_SPORT, get16(at));
	wire_set(layer, WF_TCP_DPORT, get16(at + 2));
	wire_set(layer, WF_TCP_SEQ, get32(at + 4));
	if (length > 8)
		wire_set(layer, WF_TCP_ACK, get32(at + 8));
	if (length > 12) {
		wire_set(layer, WF_TCP_DOFF, at[12] >> 4);
		wire_set(layer, WF_TCP_FLAGS, flags);
		wire_set(layer, WF_TCP_ACE, flags >> 6 & 7);
	}
	if (length > 14)
		wire_set(layer, WF_TCP_WIN, get16(at + 14));
	if (length > 16)
		wire_set(layer, WF_TCP_CHECKSUM, get16(at + 16));
	if (length > 18)
		wire_set(layer, WF_TCP_URG, get16(at + 18));
}

/* The start of a TCP header of which the rest is missing; of a field that is cut in two, what is there. */
static void decode_tcp_start(struct decoder *d)
{
	struct layer *layer = push(d, LAYER_TCP);
	uint8_t header[TCP_HEADER] = { 0 };

	if (!layer)
		return take_payload(d);
	memcpy(header, d->at, d->left);
	decode_tcp_fields(layer, header, d->left);
}

static void decode_tcp(struct decoder *d)
{
	struct layer *layer;
	size_t header;

	if (d->left < TCP_HEADER && d->left >= QUOTED_MINIMUM && d->packet->truncated)
		return decode_tcp_start(d);
	if (d->left < TCP_HEADER)
		return decode_raw(d, 6);
	layer = push(d, LAYER_TCP);
	if (!layer)
		return take_payload(d);
	decode_tcp_fields(layer, d->at, TCP_HEADER);
	layer->checksum = transport_checksum(d, 6, get16(d->at + 16), d->left, d->left);
	header = 4u * (d->at[12] >> 4);
	if (header < TCP_HEADER)
		header = TCP_HEADER;
	if (header > d->left) {
		cut_short(d);
		header = d->left;
	}
	take_options(d, layer, d->at + TCP_HEADER, header - TCP_HEADER);
	advance(d, header);
	wire_set(layer, WF_TCP_END, (uint32_t)(wire_get(layer, WF_TCP_SEQ) + d->left));
	take_payload(d);
}

static void decode_udp(struct decoder *d)
{
	struct layer *layer;
	unsigned length, checksum;

	if (d->left < UDP_HEADER)
		return decode_raw(d, 17);
	layer = push(d, LAYER_UDP);
	if (!layer)
		return take_payload(d);
	length = get16(d->at + 4);
	checksum = get16(d->at + 6);
	wire_set(layer, WF_UDP_SPORT, get16(d->at));
	wire_set(layer, WF_UDP_DPORT, get16(d->at + 2));
	wire_set(layer, WF_UDP_LENGTH, length);
	wire_set(layer, WF_UDP_CHECKSUM, checksum);
	if (!checksum)
		layer->checksum = CHECKSUM_ABSENT;
	else if (length >= UDP_HEADER && length <= d->left)
		layer->checksum = transport_checksum(d, 17, checksum, length, length);
	advance(d, UDP_HEADER);
	take_payload(d);
}

/* RFC 3828: the coverage stands where UDP has the length; 0 covers everything. */
static void decode_udplite(struct decoder *d)
{
	struct layer *layer;
	unsigned coverage;

	if (d->left < UDP_HEADER)
		return decode_raw(d, 136);
	layer = push(d, LAYER_UDPLITE);
	if (!layer)
		return take_payload(d);
	coverage = get16(d->at + 4);
	wire_set(layer, WF_UDPLITE_SPORT, get16(d->at));
	wire_set(layer, WF_UDPLITE_DPORT, get16(d->at + 2));
	wire_set(layer, WF_UDPLITE_COVERAGE, coverage);
	wire_set(layer, WF_UDPLITE_CHECKSUM, get16(d->at + 6));
	if (!coverage || (coverage >= UDP_HEADER && coverage <= d->left))
		layer->checksum = transport_checksum(d, 136, get16(d->at + 6), coverage ? coverage : d->left, d->left);
	advance(d, UDP_HEADER);
	take_payload(d);
}

static void decode_ip(struct decoder *d);

/*
 * What an ICMP error quotes, in `room` bytes when its header says so (RFC 4884), 0: it does not. What is behind them is the payload, as
 * are bytes past the quoted packet's own length.
 */
static void decode_quoted(struct decoder *d, size_t room)
{
	struct decoder inner = { .arena = d->arena, .start = d->at, .at = d->at, .left = d->left, .depth = d->depth + 1 };
	size_t total = 0;

	if (d->left >= IPV4_HEADER && d->at[0] >> 4 == 4)
		total = get16(d->at + 2);
	else if (d->left >= IPV6_HEADER && d->at[0] >> 4 == 6)
		total = IPV6_HEADER + get16(d->at + 4);
	if (d->depth >= QUOTED_DEPTH || total < IPV4_HEADER)
		return take_payload(d);
	inner.packet = d->packet->quoted = arena_alloc(d->arena, sizeof(*inner.packet));
	inner.packet->decoded = true;
	if (inner.left > total)
		inner.left = total;
	if (room && inner.left > room)
		inner.left = room;
	advance(d, room ? room : inner.left);
	decode_ip(&inner);
	take_payload(d);
}

static void decode_icmp(struct decoder *d)
{
	struct layer *layer;
	unsigned type;

	if (d->left < ICMP_HEADER)
		return decode_raw(d, 1);
	layer = push(d, LAYER_ICMP);
	if (!layer)
		return take_payload(d);
	type = d->at[0];
	wire_set(layer, WF_ICMP_TYPE, type);
	wire_set(layer, WF_ICMP_CODE, d->at[1]);
	wire_set(layer, WF_ICMP_CHECKSUM, get16(d->at + 2));
	layer->checksum = plain_checksum(d);
	wire_icmp_decode_rest(layer, d->at, d->left);
	advance(d, ICMP_HEADER);
	if ((type == 13 || type == 14) && d->left >= 12) {
		wire_set(layer, WF_ICMP_ORIGINATE, get32(d->at));
		wire_set(layer, WF_ICMP_RECEIVE, get32(d->at + 4));
		wire_set(layer, WF_ICMP_TRANSMIT, get32(d->at + 8));
		advance(d, 12);
	}
	if (wire_icmp_quotes(false, type))
		return decode_quoted(d, (size_t)wire_get(layer, WF_ICMP_LENGTH) * 4);
	take_payload(d);
}

static void decode_icmpv6(struct decoder *d)
{
	struct layer *layer;
	unsigned type;

	if (d->left < ICMP_HEADER)
		return decode_raw(d, 58);
	layer = push(d, LAYER_ICMPV6);
	if (!layer)
		return take_payload(d);
	type = d->at[0];
	wire_set(layer, WF_ICMPV6_TYPE, type);
	wire_set(layer, WF_ICMPV6_CODE, d->at[1]);
	wire_set(layer, WF_ICMPV6_CHECKSUM, get16(d->at + 2));
	layer->checksum = transport_checksum(d, 58, get16(d->at + 2), d->left, d->left);
	if (type == 2) {
		wire_set(layer, WF_ICMPV6_MTU, get32(d->at + 4));
	} else if (type == 128 || type == 129) {
		wire_set(layer, WF_ICMPV6_ID, get16(d->at + 4));
		wire_set(layer, WF_ICMPV6_SEQ, get16(d->at + 6));
	} else {
		wire_icmp_decode_other(layer, d->at + 4, 0);
	}
	advance(d, ICMP_HEADER);
	if (wire_icmp_quotes(true, type))
		return decode_quoted(d, 0);
	take_payload(d);
}

static void decode_igmp(struct decoder *d)
{
	struct layer *layer;

	if (d->left < IGMP_HEADER)
		return decode_raw(d, 2);
	layer = push(d, LAYER_IGMP);
	if (!layer)
		return take_payload(d);
	layer->checksum = plain_checksum(d);
	advance(d, wire_igmp_decode(layer, d->at, d->left, d->arena));
	take_payload(d);
}

static void decode_mpls(struct decoder *d)
{
	struct layer *layer;
	uint32_t entry;

	do {
		layer = d->left >= 4 ? push(d, LAYER_MPLS) : NULL;
		if (!layer)
			return decode_raw(d, 137);
		entry = get32(d->at);
		wire_set(layer, WF_MPLS_LABEL, entry >> 12);
		wire_set(layer, WF_MPLS_TC, entry >> 9 & 7);
		wire_set(layer, WF_MPLS_BOTTOM, entry >> 8 & 1);
		wire_set(layer, WF_MPLS_TTL, entry & 0xff);
		advance(d, 4);
	} while (!(entry >> 8 & 1));
	/* Nothing names what follows the stack: its first nibble tells (RFC 4928). */
	if (d->left && (d->at[0] >> 4 == 4 || d->at[0] >> 4 == 6))
		return decode_ip(d);
	decode_raw(d, 0);
}

static void decode_ethernet(struct decoder *d);

static void decode_by_ethertype(struct decoder *d, unsigned type);

/* RFC 2784 and 2890; with the old routing bit the layout is not known. */
static void decode_gre(struct decoder *d)
{
	unsigned flags = d->left >= 4 ? get16(d->at) : 0;
	size_t header = 4u + 4 * !!(flags & WIRE_GRE_CHECKSUM) + 4 * !!(flags & WIRE_GRE_KEY) + 4 * !!(flags & WIRE_GRE_SEQ);
	struct layer *layer;
	unsigned protocol;

	if (d->left < header || flags & 0x4007)
		return decode_raw(d, 47);
	layer = push(d, LAYER_GRE);
	if (!layer)
		return take_payload(d);
	protocol = get16(d->at + 2);
	wire_set(layer, WF_GRE_FLAGS, flags);
	wire_set(layer, WF_GRE_PROTOCOL, protocol);
	if (flags & WIRE_GRE_CHECKSUM)
		layer->checksum = plain_checksum(d);
	advance(d, 4);
	if (flags & WIRE_GRE_CHECKSUM) {
		wire_set(layer, WF_GRE_SUM, get16(d->at));
		wire_set(layer, WF_GRE_OFF, get16(d->at + 2));
		advance(d, 4);
	}
	if (flags & WIRE_GRE_KEY) {
		wire_set(layer, WF_GRE_KEY, get32(d->at));
		advance(d, 4);
	}
	if (flags & WIRE_GRE_SEQ) {
		wire_set(layer, WF_GRE_SEQ, get32(d->at));
		advance(d, 4);
	}
	decode_by_ethertype(d, protocol);
}

static void decode_by_protocol(struct decoder *d, unsigned protocol)
{
	switch (wire_layer_of_protocol(protocol)) {
	case LAYER_TCP:
		return decode_tcp(d);
	case LAYER_UDP:
		return decode_udp(d);
	case LAYER_UDPLITE:
		return decode_udplite(d);
	case LAYER_ICMP:
		return decode_icmp(d);
	case LAYER_ICMPV6:
		return decode_icmpv6(d);
	case LAYER_IGMP:
		return decode_igmp(d);
	case LAYER_GRE:
		return decode_gre(d);
	case LAYER_MPLS:
		return decode_mpls(d);
	case LAYER_IPV4:
	case LAYER_IPV6:
		/* The protocol number and the version in the header must say the same. */
		if (d->left && d->at[0] >> 4 == (protocol == 4 ? 4 : 6))
			return decode_ip(d);
		return decode_raw(d, protocol);
	case LAYER_NONE:
	case LAYER_ETHERNET:
	case LAYER_ARP:
	case LAYER_PSP:
	case LAYER_RAW:
	case LAYER_COUNT:
		break;
	}
	decode_raw(d, protocol);
}

static void decode_ipv4_fields(struct layer *layer, const uint8_t *at)
{
	unsigned fragment = get16(at + 6);

	wire_set(layer, WF_IPV4_VERSION, at[0] >> 4);
	wire_set(layer, WF_IPV4_IHL, at[0] & 15);
	wire_set(layer, WF_IPV4_TOS, at[1]);
	wire_set(layer, WF_IPV4_ECN, at[1] & 3);
	wire_set(layer, WF_IPV4_LENGTH, get16(at + 2));
	wire_set(layer, WF_IPV4_ID, get16(at + 4));
	wire_set(layer, WF_IPV4_RESERVED, fragment >> 15);
	wire_set(layer, WF_IPV4_DF, fragment >> 14 & 1);
	wire_set(layer, WF_IPV4_MF, fragment >> 13 & 1);
	wire_set(layer, WF_IPV4_OFFSET, fragment & 0x1fff);
	wire_set(layer, WF_IPV4_TTL, at[8]);
	wire_set(layer, WF_IPV4_PROTOCOL, at[9]);
	wire_set(layer, WF_IPV4_CHECKSUM, get16(at + 10));
	wire_set(layer, WF_IPV4_SRC, get32(at + 12));
	wire_set(layer, WF_IPV4_DST, get32(at + 16));
}

static void decode_ipv4(struct decoder *d)
{
	struct layer *layer = push(d, LAYER_IPV4);
	size_t header = 4u * (d->at[0] & 15), total = get16(d->at + 2);

	if (!layer)
		return take_payload(d);
	decode_ipv4_fields(layer, d->at);
	d->source = d->at + 12;
	d->destination = d->at + 16;
	d->address_length = 4;
	d->fragment = (get16(d->at + 6) & 0x3fff) != 0;
	if (header > d->left || total > d->left)
		cut_short(d);
	if (header < IPV4_HEADER)
		header = IPV4_HEADER;
	if (header > d->left)
		header = d->left;
	if (!d->packet->truncated || header < d->left)
		layer->checksum = wire_checksum_fold(wire_checksum_add(0, d->at, header)) == 0xffff ? CHECKSUM_RIGHT : CHECKSUM_WRONG;
	take_options(d, layer, d->at + IPV4_HEADER, header - IPV4_HEADER);
	/* Bytes past the total length are a link's padding, unless the length cannot be true. */
	if (total >= header && total < d->left)
		d->left = total;
	advance(d, header);
	if (wire_get(layer, WF_IPV4_OFFSET) || total < header)
		return decode_raw(d, (unsigned)wire_get(layer, WF_IPV4_PROTOCOL));
	decode_by_protocol(d, (unsigned)wire_get(layer, WF_IPV4_PROTOCOL));
}

static void decode_ipv6(struct decoder *d)
{
	struct layer *layer = push(d, LAYER_IPV6);
	size_t length = get16(d->at + 4);
	uint32_t first = get32(d->at);

	if (!layer)
		return take_payload(d);
	wire_set(layer, WF_IPV6_TCLASS, first >> 20 & 0xff);
	wire_set(layer, WF_IPV6_ECN, first >> 20 & 3);
	wire_set(layer, WF_IPV6_FLOWLABEL, first & 0xfffff);
	wire_set(layer, WF_IPV6_LENGTH, length);
	wire_set(layer, WF_IPV6_PROTOCOL, d->at[6]);
	wire_set(layer, WF_IPV6_TTL, d->at[7]);
	memcpy(&layer->source6, d->at + 8, 16);
	memcpy(&layer->destination6, d->at + 24, 16);
	d->source = d->at + 8;
	d->destination = d->at + 24;
	d->address_length = 16;
	if (length > d->left - IPV6_HEADER)
		cut_short(d);
	else
		d->left = IPV6_HEADER + length;
	advance(d, IPV6_HEADER);
	decode_by_protocol(d, (unsigned)wire_get(layer, WF_IPV6_PROTOCOL));
}

static void decode_ip(struct decoder *d)
{
	if (d->left >= IPV4_HEADER && d->at[0] >> 4 == 4)
		return decode_ipv4(d);
	if (d->left >= IPV6_HEADER && d->at[0] >> 4 == 6)
		return decode_ipv6(d);
	if (d->left && (d->at[0] >> 4 == 4 || d->at[0] >> 4 == 6))
		cut_short(d);
	decode_raw(d, 0);
}

/* RFC 826, in the places that IPv4 over Ethernet gives the addresses, whatever lengths the packet claims for them. */
static void decode_arp(struct decoder *d)
{
	struct layer *layer = d->left >= ARP_BODY ? push(d, LAYER_ARP) : NULL;

	if (!layer)
		return decode_raw(d, 0);
	wire_set(layer, WF_ARP_HTYPE, get16(d->at));
	wire_set(layer, WF_ARP_PTYPE, get16(d->at + 2));
	wire_set(layer, WF_ARP_HLEN, d->at[4]);
	wire_set(layer, WF_ARP_PLEN, d->at[5]);
	wire_set(layer, WF_ARP_OP, get16(d->at + 6));
	wire_set(layer, WF_ARP_SHA, get48(d->at + 8));
	wire_set(layer, WF_ARP_SPA, get32(d->at + 14));
	wire_set(layer, WF_ARP_THA, get48(d->at + 18));
	wire_set(layer, WF_ARP_TPA, get32(d->at + 24));
	advance(d, ARP_BODY);
	take_payload(d);
}

static void decode_by_ethertype(struct decoder *d, unsigned type)
{
	switch (wire_layer_of_ethertype(type)) {
	case LAYER_IPV4:
	case LAYER_IPV6:
		if (d->left && d->at[0] >> 4 == (type == 0x0800 ? 4 : 6))
			return decode_ip(d);
		break;
	case LAYER_ARP:
		return decode_arp(d);
	case LAYER_MPLS:
		return decode_mpls(d);
	case LAYER_ETHERNET:
		return decode_ethernet(d);
	case LAYER_NONE:
	case LAYER_GRE:
	case LAYER_PSP:
	case LAYER_TCP:
	case LAYER_UDP:
	case LAYER_UDPLITE:
	case LAYER_ICMP:
	case LAYER_ICMPV6:
	case LAYER_IGMP:
	case LAYER_RAW:
	case LAYER_COUNT:
		break;
	}
	decode_raw(d, 0);
}

static void decode_ethernet(struct decoder *d)
{
	struct layer *layer = d->left >= ETHERNET_HEADER ? push(d, LAYER_ETHERNET) : NULL;

	if (!layer) {
		if (d->left < ETHERNET_HEADER)
			cut_short(d);
		return decode_raw(d, 0);
	}
	wire_set(layer, WF_ETHERNET_DST, get48(d->at));
	wire_set(layer, WF_ETHERNET_SRC, get48(d->at + 6));
	wire_set(layer, WF_ETHERNET_TYPE, get16(d->at + 12));
	advance(d, ETHERNET_HEADER);
	decode_by_ethertype(d, (unsigned)wire_get(layer, WF_ETHERNET_TYPE));
}

void packet_decode(const uint8_t *bytes, size_t length, bool ethernet, struct arena *arena, struct packet *packet)
{
	struct decoder d = { .arena = arena, .packet = packet, .start = bytes, .at = bytes, .left = length };

	memset(packet, 0, sizeof(*packet));
	packet->decoded = true;
	if (ethernet)
		decode_ethernet(&d);
	else
		decode_ip(&d);
}
