/*
 * Packets to bytes.
 *
 * Headers are written outermost first, with what is given; then, from the innermost outwards, the lengths and checksums that are
 * not given are filled in, since each needs everything inside it.
 */
#include "packet.h"

#include <string.h>

#include "../arena.h"
#include "checksum.h"
#include "igmp.h"
#include "icmp.h"
#include "layer.h"
#include "option.h"

#define DEFAULT_TTL 255		/* what packetdrill's scripts count on (IP_MINTTL) */

struct encoder {
	const struct packet *packet;
	struct arena *arena;
	uint8_t *bytes;
	size_t length;
	size_t start[PACKET_LAYERS];	/* where each layer's header is */
	const char *error;
	size_t quoted_words;	/* that a quotation with an extension behind it takes, when the script does not say */
};

static void set16(uint8_t *to, uint64_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void set32(uint8_t *to, uint64_t value)
{
	set16(to, value >> 16);
	set16(to + 2, value);
}

static void set48(uint8_t *to, uint64_t value)
{
	set16(to, value >> 32);
	set32(to + 2, value);
}

/* Why a given value cannot be sent: one text a field. */
static const char *const misfits[WF_COUNT] = {
#define WIRE_MISFIT(layer, field, name, bits) [WF_##layer##_##field] = #layer " " name " does not fit into " #bits " bits",
	WIRE_FIELD_LIST(WIRE_MISFIT)
#undef WIRE_MISFIT
};

static const char *check_values(const struct layer *layer)
{
	for (unsigned field = wire_first_field(layer->kind); field < wire_past_field(layer->kind); field++)
		if (wire_known(layer, field) && wire_get(layer, field) >> wire_field_table[field].bits)
			return misfits[field];
	if (layer->kind == LAYER_TCP && wire_value(layer, WF_TCP_WIN, 0) > 0xffff)
		return "TCP win does not fit into 16 bits";
	if (layer->kind == LAYER_PSP)
		return "PSP packets cannot be sent";
	return NULL;
}

/* Bytes of a layer's options, padded to a multiple of four. `to` NULL: only count. */
static size_t put_options(const struct layer *layer, uint8_t *to)
{
	uint8_t one[4 + HEADER_OPTIONS_MAX];
	size_t length = 0;

	for (unsigned i = 0; i < layer->options; i++) {
		size_t size = wire_option_encode(layer->kind, &layer->option[i], one);

		if (to)
			memcpy(to + length, one, size);
		length += size;
	}
	return length + (-length & 3);
}

static unsigned gre_flags(const struct layer *layer)
{
	unsigned flags = 0;

	if (wire_known(layer, WF_GRE_FLAGS))
		return (unsigned)wire_get(layer, WF_GRE_FLAGS);
	if (wire_given(layer, WF_GRE_SUM) || wire_given(layer, WF_GRE_OFF))
		flags |= WIRE_GRE_CHECKSUM;
	if (wire_given(layer, WF_GRE_KEY))
		flags |= WIRE_GRE_KEY;
	if (wire_given(layer, WF_GRE_SEQ))
		flags |= WIRE_GRE_SEQ;
	return flags;
}

/* Whether the three clocks of an ICMP timestamp message stand in the header. */
static bool has_clocks(const struct packet *packet, const struct layer *layer)
{
	unsigned type = (unsigned)wire_value(layer, WF_ICMP_TYPE, 0);

	if (wire_given(layer, WF_ICMP_ORIGINATE) || wire_given(layer, WF_ICMP_RECEIVE) || wire_given(layer, WF_ICMP_TRANSMIT))
		return true;
	return (type == 13 || type == 14) && !packet->payload_given;
}

static size_t header_size(const struct packet *packet, const struct layer *layer)
{
	unsigned flags;

	switch (layer->kind) {
	case LAYER_ETHERNET:
		return ETHERNET_HEADER;
	case LAYER_ARP:
		return ARP_BODY;
	case LAYER_IPV4:
		return IPV4_HEADER + put_options(layer, NULL);
	case LAYER_IPV6:
		return IPV6_HEADER;
	case LAYER_GRE:
		flags = gre_flags(layer);
		return 4u + 4 * !!(flags & WIRE_GRE_CHECKSUM) + 4 * !!(flags & WIRE_GRE_KEY) + 4 * !!(flags & WIRE_GRE_SEQ);
	case LAYER_MPLS:
		return 4;
	case LAYER_TCP:
		return TCP_HEADER + put_options(layer, NULL);
	case LAYER_UDP:
	case LAYER_UDPLITE:
		return UDP_HEADER;
	case LAYER_ICMP:
		return ICMP_HEADER + (has_clocks(packet, layer) ? 12 : 0);
	case LAYER_ICMPV6:
		return ICMP_HEADER;
	case LAYER_IGMP:
		return wire_igmp_encode(layer, NULL);
	case LAYER_NONE:
	case LAYER_PSP:
	case LAYER_RAW:
	case LAYER_COUNT:
		break;
	}
	return 0;
}

static const struct layer *next_layer(const struct encoder *e, unsigned i)
{
	return i + 1 < e->packet->layers ? &e->packet->layer[i + 1] : NULL;
}

/* The protocol number that names the layer inside; 255, reserved for raw IP, when nothing says better. */
static uint64_t inner_protocol(const struct encoder *e, unsigned i)
{
	const struct layer *next = next_layer(e, i);

	if (next && next->kind == LAYER_RAW)
		return wire_value(next, WF_RAW_PROTOCOL, 255);
	if (next && wire_protocol_of_layer(next->kind) >= 0)
		return (uint64_t)wire_protocol_of_layer(next->kind);
	return 255;
}

static uint64_t inner_ethertype(const struct encoder *e, unsigned i)
{
	const struct layer *next = next_layer(e, i);

	return next && wire_ethertype_of_layer(next->kind) >= 0 ? (uint64_t)wire_ethertype_of_layer(next->kind) : 0;
}

static void put_ethernet(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i];

	set48(to, wire_value(layer, WF_ETHERNET_DST, 0));
	set48(to + 6, wire_value(layer, WF_ETHERNET_SRC, 0));
	set16(to + 12, wire_value(layer, WF_ETHERNET_TYPE, inner_ethertype(e, i)));
}

static void put_arp(const struct layer *layer, uint8_t *to)
{
	set16(to, wire_value(layer, WF_ARP_HTYPE, 1));
	set16(to + 2, wire_value(layer, WF_ARP_PTYPE, 0x0800));
	to[4] = (uint8_t)wire_value(layer, WF_ARP_HLEN, 6);
	to[5] = (uint8_t)wire_value(layer, WF_ARP_PLEN, 4);
	set16(to + 6, wire_value(layer, WF_ARP_OP, 1));
	set48(to + 8, wire_value(layer, WF_ARP_SHA, 0));
	set32(to + 14, wire_value(layer, WF_ARP_SPA, 0));
	set48(to + 18, wire_value(layer, WF_ARP_THA, 0));
	set32(to + 24, wire_value(layer, WF_ARP_TPA, 0));
}

/* The traffic byte: the ECN bits, where they are given, over the rest. */
static uint64_t traffic(const struct layer *layer, enum wire_field tos, enum wire_field ecn)
{
	uint64_t value = wire_value(layer, tos, 0);

	return wire_known(layer, ecn) ? (value & ~(uint64_t)3) | wire_get(layer, ecn) : value;
}

static void put_ipv4(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i];
	size_t options = put_options(layer, to + IPV4_HEADER);

	to[0] = (uint8_t)(wire_value(layer, WF_IPV4_VERSION, 4) << 4 | wire_value(layer, WF_IPV4_IHL, 5 + options / 4));
	to[1] = (uint8_t)traffic(layer, WF_IPV4_TOS, WF_IPV4_ECN);
	set16(to + 4, wire_value(layer, WF_IPV4_ID, 0));
	set16(to + 6, wire_value(layer, WF_IPV4_RESERVED, 0) << 15 | wire_value(layer, WF_IPV4_DF, 0) << 14 |
			      wire_value(layer, WF_IPV4_MF, 0) << 13 | wire_value(layer, WF_IPV4_OFFSET, 0));
	to[8] = (uint8_t)wire_value(layer, WF_IPV4_TTL, DEFAULT_TTL);
	to[9] = (uint8_t)wire_value(layer, WF_IPV4_PROTOCOL, inner_protocol(e, i));
	set32(to + 12, wire_value(layer, WF_IPV4_SRC, 0));
	set32(to + 16, wire_value(layer, WF_IPV4_DST, 0));
}

static void put_ipv6(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i];

	set32(to, UINT64_C(6) << 28 | traffic(layer, WF_IPV6_TCLASS, WF_IPV6_ECN) << 20 | wire_value(layer, WF_IPV6_FLOWLABEL, 0));
	to[6] = (uint8_t)wire_value(layer, WF_IPV6_PROTOCOL, inner_protocol(e, i));
	to[7] = (uint8_t)wire_value(layer, WF_IPV6_TTL, DEFAULT_TTL);
	memcpy(to + 8, &layer->source6, 16);
	memcpy(to + 24, &layer->destination6, 16);
}

static void put_gre(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i];
	unsigned flags = gre_flags(layer);

	set16(to, flags);
	set16(to + 2, wire_value(layer, WF_GRE_PROTOCOL, inner_ethertype(e, i)));
	to += 4;
	if (flags & WIRE_GRE_CHECKSUM) {
		set16(to + 2, wire_value(layer, WF_GRE_OFF, 0));
		to += 4;
	}
	if (flags & WIRE_GRE_KEY) {
		set32(to, wire_value(layer, WF_GRE_KEY, 0));
		to += 4;
	}
	if (flags & WIRE_GRE_SEQ)
		set32(to, wire_value(layer, WF_GRE_SEQ, 0));
}

static void put_mpls(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i], *next = next_layer(e, i);
	bool bottom = !next || next->kind != LAYER_MPLS;

	set32(to, wire_value(layer, WF_MPLS_LABEL, 0) << 12 | wire_value(layer, WF_MPLS_TC, 0) << 9 |
			  wire_value(layer, WF_MPLS_BOTTOM, bottom) << 8 | wire_value(layer, WF_MPLS_TTL, DEFAULT_TTL));
}

static void put_tcp(const struct layer *layer, uint8_t *to)
{
	size_t options = put_options(layer, to + TCP_HEADER);
	uint64_t flags = wire_value(layer, WF_TCP_FLAGS, 0);

	if (wire_known(layer, WF_TCP_ACE))
		flags = (flags & ~UINT64_C(0x1c0)) | wire_get(layer, WF_TCP_ACE) << 6;
	set16(to, wire_value(layer, WF_TCP_SPORT, 0));
	set16(to + 2, wire_value(layer, WF_TCP_DPORT, 0));
	set32(to + 4, wire_value(layer, WF_TCP_SEQ, 0));
	set32(to + 8, wire_value(layer, WF_TCP_ACK, 0));
	set16(to + 12, wire_value(layer, WF_TCP_DOFF, 5 + options / 4) << 12 | flags);
	set16(to + 14, wire_value(layer, WF_TCP_WIN, 0));
	set16(to + 18, wire_value(layer, WF_TCP_URG, 0));
}

static void put_udp(const struct layer *layer, uint8_t *to)
{
	set16(to, wire_value(layer, WF_UDP_SPORT, 0));
	set16(to + 2, wire_value(layer, WF_UDP_DPORT, 0));
}

static void put_udplite(const struct layer *layer, uint8_t *to)
{
	set16(to, wire_value(layer, WF_UDPLITE_SPORT, 0));
	set16(to + 2, wire_value(layer, WF_UDPLITE_DPORT, 0));
	set16(to + 4, wire_value(layer, WF_UDPLITE_COVERAGE, 0));
}

/* The parts of the sequence field of an extended echo that are given, over what it holds. */
static void put_extended_echo(const struct layer *layer, uint8_t *to)
{
	static const struct {
		enum wire_field field;
		uint8_t shift, mask;
	} parts[] = {
		{ WF_ICMP_LOCAL, 0, 0x01 }, { WF_ICMP_STATE, 5, 0xe0 }, { WF_ICMP_ACTIVE, 2, 0x04 }, { WF_ICMP_IP4, 1, 0x02 },
		{ WF_ICMP_IP6, 0, 0x01 },
	};

	if (wire_known(layer, WF_ICMP_NUMBER))
		to[6] = (uint8_t)wire_get(layer, WF_ICMP_NUMBER);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (wire_known(layer, parts[i].field))
			to[7] = (uint8_t)((to[7] & ~parts[i].mask) |
					  (wire_get(layer, parts[i].field) << parts[i].shift & parts[i].mask));
}

static void put_icmp(const struct encoder *e, const struct layer *layer, uint8_t *to)
{
	to[0] = (uint8_t)wire_value(layer, WF_ICMP_TYPE, 0);
	to[1] = (uint8_t)wire_value(layer, WF_ICMP_CODE, 0);
	set32(to + 4, wire_value(layer, WF_ICMP_REST, 0));
	if (wire_known(layer, WF_ICMP_GATEWAY))
		set32(to + 4, wire_get(layer, WF_ICMP_GATEWAY));
	if (wire_known(layer, WF_ICMP_ID))
		set16(to + 4, wire_get(layer, WF_ICMP_ID));
	if (wire_known(layer, WF_ICMP_SEQ))
		set16(to + 6, wire_get(layer, WF_ICMP_SEQ));
	if (wire_known(layer, WF_ICMP_MTU))
		set16(to + 6, wire_get(layer, WF_ICMP_MTU));
	if (wire_known(layer, WF_ICMP_POINTER))
		to[4] = (uint8_t)wire_get(layer, WF_ICMP_POINTER);
	if (wire_known(layer, WF_ICMP_LENGTH))
		to[5] = (uint8_t)wire_get(layer, WF_ICMP_LENGTH);
	else if (e->quoted_words)
		to[5] = (uint8_t)e->quoted_words;
	put_extended_echo(layer, to);
	if (has_clocks(e->packet, layer)) {
		set32(to + 8, wire_value(layer, WF_ICMP_ORIGINATE, 0));
		set32(to + 12, wire_value(layer, WF_ICMP_RECEIVE, 0));
		set32(to + 16, wire_value(layer, WF_ICMP_TRANSMIT, 0));
	}
}

static void put_icmpv6(const struct layer *layer, uint8_t *to)
{
	to[0] = (uint8_t)wire_value(layer, WF_ICMPV6_TYPE, 0);
	to[1] = (uint8_t)wire_value(layer, WF_ICMPV6_CODE, 0);
	set32(to + 4, wire_value(layer, WF_ICMPV6_REST, 0));
	if (wire_known(layer, WF_ICMPV6_MTU))
		set32(to + 4, wire_get(layer, WF_ICMPV6_MTU));
	if (wire_known(layer, WF_ICMPV6_ID))
		set16(to + 4, wire_get(layer, WF_ICMPV6_ID));
	if (wire_known(layer, WF_ICMPV6_SEQ))
		set16(to + 6, wire_get(layer, WF_ICMPV6_SEQ));
}

static void put_header(const struct encoder *e, unsigned i, uint8_t *to)
{
	const struct layer *layer = &e->packet->layer[i];

	switch (layer->kind) {
	case LAYER_ETHERNET:
		return put_ethernet(e, i, to);
	case LAYER_ARP:
		return put_arp(layer, to);
	case LAYER_IPV4:
		return put_ipv4(e, i, to);
	case LAYER_IPV6:
		return put_ipv6(e, i, to);
	case LAYER_GRE:
		return put_gre(e, i, to);
	case LAYER_MPLS:
		return put_mpls(e, i, to);
	case LAYER_TCP:
		return put_tcp(layer, to);
	case LAYER_UDP:
		return put_udp(layer, to);
	case LAYER_UDPLITE:
		return put_udplite(layer, to);
	case LAYER_ICMP:
		return put_icmp(e, layer, to);
	case LAYER_ICMPV6:
		return put_icmpv6(layer, to);
	case LAYER_IGMP:
		wire_igmp_encode(layer, to);
		return;
	case LAYER_NONE:
	case LAYER_PSP:
	case LAYER_RAW:
	case LAYER_COUNT:
		return;
	}
}

/* The sum of the pseudo-header of the innermost IP layer outside layer i; 0 without one. */
static uint64_t pseudo_sum(const struct encoder *e, unsigned i, uint8_t protocol, size_t length)
{
	while (i-- > 0) {
		const uint8_t *header = e->bytes + e->start[i];

		if (e->packet->layer[i].kind == LAYER_IPV4)
			return wire_checksum_pseudo(header + 12, header + 16, 4, protocol, (uint32_t)length);
		if (e->packet->layer[i].kind == LAYER_IPV6)
			return wire_checksum_pseudo(header + 8, header + 24, 16, protocol, (uint32_t)length);
	}
	return 0;
}

/*
 * A checksum at `offset` of layer i: the given one, or the one that makes `covered` bytes add up together with `sum`. What is
 * given must be in place already; the checksum itself must still be zero.
 */
static void fill_checksum(struct encoder *e, unsigned i, size_t offset, enum wire_field field, size_t covered, uint64_t sum)
{
	const struct layer *layer = &e->packet->layer[i];
	uint8_t *header = e->bytes + e->start[i];
	uint16_t right = (uint16_t)~wire_checksum_fold(wire_checksum_add(sum, header, covered));

	/* Zero would say that there is none (RFC 768, RFC 3828 3.1). */
	if (!right && (layer->kind == LAYER_UDP || layer->kind == LAYER_UDPLITE))
		right = 0xffff;
	set16(header + offset, wire_value(layer, field, right));
}

static void finish_udp(struct encoder *e, unsigned i, size_t length)
{
	const struct layer *layer = &e->packet->layer[i];

	if (length > 0xffff && !wire_known(layer, WF_UDP_LENGTH))
		e->error = "a UDP datagram has at most 65535 bytes";
	set16(e->bytes + e->start[i] + 4, wire_value(layer, WF_UDP_LENGTH, length));
	fill_checksum(e, i, 6, WF_UDP_CHECKSUM, length, pseudo_sum(e, i, 17, length));
}

static void finish_udplite(struct encoder *e, unsigned i, size_t length)
{
	size_t covered = wire_value(&e->packet->layer[i], WF_UDPLITE_COVERAGE, 0);

	if (!covered || covered > length)
		covered = length;
	fill_checksum(e, i, 6, WF_UDPLITE_CHECKSUM, covered, pseudo_sum(e, i, 136, length));
}

static void finish_ipv4(struct encoder *e, unsigned i, size_t length)
{
	const struct layer *layer = &e->packet->layer[i];
	size_t header = header_size(e->packet, layer), summed = wire_value(layer, WF_IPV4_IHL, header / 4) * 4;

	if (length > 0xffff && !wire_known(layer, WF_IPV4_LENGTH))
		e->error = "an IPv4 packet has at most 65535 bytes";
	if (header > 60 && !wire_known(layer, WF_IPV4_IHL))
		e->error = "IPv4 options have at most 40 bytes";
	set16(e->bytes + e->start[i] + 2, wire_value(layer, WF_IPV4_LENGTH, length));
	/* A receiver sums as many bytes as the header says that it has, also where what follows is the script's own bytes. */
	if (summed < header)
		summed = header;
	fill_checksum(e, i, 10, WF_IPV4_CHECKSUM, summed < length ? summed : length, 0);
}

static void finish_ipv6(struct encoder *e, unsigned i, size_t length)
{
	const struct layer *layer = &e->packet->layer[i];

	if (length - IPV6_HEADER > 0xffff && !wire_known(layer, WF_IPV6_LENGTH))
		e->error = "an IPv6 payload has at most 65535 bytes";
	set16(e->bytes + e->start[i] + 4, wire_value(layer, WF_IPV6_LENGTH, length - IPV6_HEADER));
}

static void finish_tcp(struct encoder *e, unsigned i, size_t length)
{
	const struct layer *layer = &e->packet->layer[i];

	if (header_size(e->packet, layer) > 60 && !wire_known(layer, WF_TCP_DOFF))
		e->error = "TCP options have at most 40 bytes";
	fill_checksum(e, i, 16, WF_TCP_CHECKSUM, length, pseudo_sum(e, i, 6, length));
}

/* Lengths and checksums of layer i, now that everything inside it is there. */
static void finish_header(struct encoder *e, unsigned i)
{
	size_t length = e->length - e->start[i];

	switch (e->packet->layer[i].kind) {
	case LAYER_IPV4:
		return finish_ipv4(e, i, length);
	case LAYER_IPV6:
		return finish_ipv6(e, i, length);
	case LAYER_GRE:
		if (gre_flags(&e->packet->layer[i]) & WIRE_GRE_CHECKSUM)
			fill_checksum(e, i, 4, WF_GRE_SUM, length, 0);
		return;
	case LAYER_TCP:
		return finish_tcp(e, i, length);
	case LAYER_UDP:
		return finish_udp(e, i, length);
	case LAYER_UDPLITE:
		return finish_udplite(e, i, length);
	case LAYER_ICMP:
		return fill_checksum(e, i, 2, WF_ICMP_CHECKSUM, length, 0);
	case LAYER_ICMPV6:
		return fill_checksum(e, i, 2, WF_ICMPV6_CHECKSUM, length, pseudo_sum(e, i, 58, length));
	case LAYER_IGMP:
		return fill_checksum(e, i, 2, WF_IGMP_CHECKSUM, length, 0);
	case LAYER_NONE:
	case LAYER_ETHERNET:
	case LAYER_ARP:
	case LAYER_MPLS:
	case LAYER_PSP:
	case LAYER_RAW:
	case LAYER_COUNT:
		return;
	}
}

/* What an ICMP error quotes, cut as the conventions in packet.h say. */
static const uint8_t *encode_quoted(struct encoder *e, size_t *length)
{
	const struct packet *quoted = e->packet->quoted;
	const uint8_t *bytes;
	size_t most;

	*length = 0;
	if (!quoted)
		return NULL;
	bytes = packet_encode(quoted, e->arena, length, &e->error);
	if (!bytes || quoted->truncated || quoted->payload || !quoted->layers)
		return bytes;
	most = header_size(quoted, &quoted->layer[0]) + QUOTED_MINIMUM;
	if (*length > most)
		*length = most;
	return bytes;
}

#define EXTENDED_WORDS 32		/* RFC 4884 4.5: what an extended message quotes takes at least 128 bytes */

/* How many bytes the quotation takes: with an extension behind it whole words, filled up with zeros. */
static size_t quoted_room(struct encoder *e, size_t length)
{
	const struct packet *packet = e->packet;
	const struct layer *icmp = packet_layer(packet, LAYER_ICMP);
	size_t words = (length + 3) / 4;

	if (!icmp || !packet->quoted || (!packet->payload_length && !wire_known(icmp, WF_ICMP_LENGTH)))
		return length;
	if (wire_known(icmp, WF_ICMP_LENGTH))
		return wire_get(icmp, WF_ICMP_LENGTH) * 4 > length ? (size_t)wire_get(icmp, WF_ICMP_LENGTH) * 4 : length;
	if (packet->decoded)
		return length;
	e->quoted_words = words > EXTENDED_WORDS ? words : EXTENDED_WORDS;
	return e->quoted_words * 4;
}

uint8_t *packet_encode(const struct packet *packet, struct arena *arena, size_t *length, const char **error)
{
	struct encoder e = { .packet = packet, .arena = arena };
	size_t headers = 0, quoted_length, room;
	const uint8_t *quoted;
	unsigned i;

	for (i = 0; i < packet->layers && !e.error; i++) {
		e.error = check_values(&packet->layer[i]);
		e.start[i] = headers;
		headers += header_size(packet, &packet->layer[i]);
	}
	quoted = e.error ? NULL : encode_quoted(&e, &quoted_length);
	if (e.error) {
		*error = e.error;
		return NULL;
	}
	room = quoted_room(&e, quoted_length);
	e.length = headers + room + packet->payload_length;
	e.bytes = arena_alloc(arena, e.length + 1);
	for (i = 0; i < packet->layers; i++)
		put_header(&e, i, e.bytes + e.start[i]);
	if (quoted)
		memcpy(e.bytes + headers, quoted, quoted_length);
	if (packet->payload && packet->payload_length)
		memcpy(e.bytes + headers + room, packet->payload, packet->payload_length);
	for (i = packet->layers; i-- > 0;)
		finish_header(&e, i);
	*length = packet->truncated && packet->captured < e.length ? packet->captured : e.length;
	*error = e.error;
	return e.error ? NULL : e.bytes;
}
