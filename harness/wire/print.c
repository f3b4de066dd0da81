/*
 * Packets as scripts say them.
 *
 * A packet that a script made is printed with everything it says. A packet decoded from bytes has every field, most of which no
 * reader wants: of these only what a script usually says is printed (flags, numbers, window, options, lengths, types), and the
 * rest when it is out of the ordinary (ECN bits, a TOS, a fragment, a wrong checksum, an urgent pointer).
 */
#include "print.h"

#include <ctype.h>
#include <string.h>

#include "../arena.h"
#include "icmp.h"
#include "igmp.h"
#include "layer.h"
#include "option.h"

static const char *const layer_names[LAYER_COUNT] = {
	[LAYER_NONE] = "none",	 [LAYER_ETHERNET] = "eth", [LAYER_ARP] = "arp", [LAYER_IPV4] = "ipv4",
	[LAYER_IPV6] = "ipv6",	 [LAYER_GRE] = "gre",	   [LAYER_MPLS] = "mpls", [LAYER_PSP] = "psp",
	[LAYER_TCP] = "tcp",	 [LAYER_UDP] = "udp",	   [LAYER_UDPLITE] = "udplite", [LAYER_ICMP] = "icmp",
	[LAYER_ICMPV6] = "icmp", [LAYER_IGMP] = "igmp",	   [LAYER_RAW] = "raw",
};

const char *wire_layer_name(enum layer_kind kind)
{
	return kind < LAYER_COUNT ? layer_names[kind] : "none";
}

void wire_print_headers(struct text *text, const struct packet *packet, unsigned from)
{
	for (unsigned i = from; i < packet->layers; i++)
		text_add(text, "%s%s", i > from ? " " : "", wire_layer_name(packet->layer[i].kind));
	if (from >= packet->layers)
		text_add(text, "none");
}

void wire_print_flags(struct text *text, unsigned flags, bool ace)
{
	static const struct {
		unsigned flag;
		char letter;
	} letters[] = {
		{ WIRE_FIN, 'F' }, { WIRE_SYN, 'S' }, { WIRE_RST, 'R' }, { WIRE_PSH, 'P' }, { WIRE_URG, 'U' },
		{ WIRE_ECE, 'E' }, { WIRE_CWR, 'W' }, { WIRE_AE, 'A' }, { WIRE_ACK, '.' },	/* as scripts write them */
	};
	size_t before = text->length;

	for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (flags & letters[i].flag && !(ace && letters[i].flag >= WIRE_ECE))
			text_put(text, &letters[i].letter, 1);
	if (ace)
		text_add(text, "%u", flags >> 6 & 7);
	if (text->length == before)
		text_add(text, "-");
	if (flags >> 9)
		text_add(text, " reserved %u", flags >> 9);
}

void wire_print_options(struct text *text, const struct layer *layer)
{
	if (layer->options_any) {
		text_add(text, "<...>");
		return;
	}
	for (unsigned i = 0; i < layer->options; i++)
		text_add(text, "%s%s", i ? "," : "<", wire_option_print(layer->kind, &layer->option[i], text->arena));
	if (layer->options)
		text_add(text, ">");
}

static void print_ecn(struct text *text, uint64_t value)
{
	static const char *const words[] = { "noecn", "ect1", "ect0", "ce", "ect01" };

	if (value < sizeof(words) / sizeof(words[0]))
		text_add(text, "%s", words[value]);
	else
		text_add(text, "ecn %llu", (unsigned long long)value);
}

static void print_address(struct text *text, uint64_t value)
{
	text_add(text, "%u.%u.%u.%u", (unsigned)(value >> 24 & 255), (unsigned)(value >> 16 & 255), (unsigned)(value >> 8 & 255),
		 (unsigned)(value & 255));
}

static void print_hardware_address(struct text *text, uint64_t value)
{
	for (int shift = 40; shift >= 0; shift -= 8)
		text_add(text, "%02x%s", (unsigned)(value >> shift & 255), shift ? ":" : "");
}

static void print_hardware_or_any(struct text *text, const struct layer *layer, enum wire_field field)
{
	if (wire_known(layer, field))
		print_hardware_address(text, wire_get(layer, field));
	else
		text_add(text, "...");
}

void wire_print_value(struct text *text, enum wire_field field, uint64_t value)
{
	switch (field) {
	case WF_IPV4_ECN:
	case WF_IPV6_ECN:
		return print_ecn(text, value);
	case WF_ARP_SPA:
	case WF_ARP_TPA:
	case WF_IPV4_SRC:
	case WF_IPV4_DST:
	case WF_ICMP_GATEWAY:
	case WF_IGMP_GROUP:
		return print_address(text, value);
	case WF_ETHERNET_DST:
	case WF_ETHERNET_SRC:
	case WF_ARP_SHA:
	case WF_ARP_THA:
		return print_hardware_address(text, value);
	case WF_IPV4_OFFSET:	/* in bytes, where the header counts eights */
		text_add(text, "%llu", (unsigned long long)value * 8);
		return;
	case WF_IPV4_TOS:
	case WF_IPV6_TCLASS:
		text_add(text, "0x%02x", (unsigned)value);
		return;
	case WF_ETHERNET_TYPE:
	case WF_ARP_PTYPE:
	case WF_IPV4_CHECKSUM:
	case WF_IPV6_FLOWLABEL:
	case WF_GRE_FLAGS:
	case WF_GRE_SUM:
	case WF_GRE_OFF:
	case WF_GRE_KEY:
	case WF_GRE_SEQ:
	case WF_GRE_PROTOCOL:
	case WF_TCP_CHECKSUM:
	case WF_UDP_CHECKSUM:
	case WF_UDPLITE_CHECKSUM:
	case WF_ICMP_CHECKSUM:
	case WF_ICMP_REST:
	case WF_ICMPV6_CHECKSUM:
	case WF_ICMPV6_REST:
	case WF_IGMP_CHECKSUM:
	case WF_IGMP_TYPE:
		text_add(text, "0x%llx", (unsigned long long)value);
		return;
	default:	/* the other fields are plain numbers */
		text_add(text, "%llu", (unsigned long long)value);
	}
}

void wire_print_bytes(struct text *text, const uint8_t *bytes, size_t length, size_t most)
{
	size_t shown = length < most ? length : most;

	text_add(text, "\"");
	for (size_t i = 0; i < shown; i++) {
		if (bytes[i] == '"' || bytes[i] == '\\')
			text_add(text, "\\%c", bytes[i]);
		else if (isascii(bytes[i]) && isprint(bytes[i]))
			text_add(text, "%c", bytes[i]);
		else
			text_add(text, "\\x%02x", bytes[i]);
	}
	text_add(text, shown < length ? "\"..." : "\"");
}

/* " name value" of every field from `first` on that is given; nothing for "any". */
static void print_fields(struct text *text, const struct layer *layer, enum wire_field first)
{
	for (unsigned field = first; field < wire_past_field(layer->kind); field++) {
		if (!wire_known(layer, field))
			continue;
		text_add(text, " %s ", wire_field_table[field].name);
		wire_print_value(text, field, wire_get(layer, field));
	}
}

/* One item of the bracket before the transport header. */
static void info_field(struct text *info, const struct layer *layer, enum wire_field field)
{
	if (info->length)
		text_add(info, ", ");
	if (wire_field_table[field].bits == 1 && wire_get(layer, field)) {
		text_add(info, "%s", wire_field_table[field].name);
		return;
	}
	if (field != WF_IPV4_ECN && field != WF_IPV6_ECN)
		text_add(info, "%s ", wire_field_table[field].name);
	wire_print_value(info, field, wire_get(layer, field));
}

/* Whether a decoded field is out of the ordinary. */
static bool remarkable(const struct layer *layer, enum wire_field field)
{
	bool fragment = wire_value(layer, WF_IPV4_MF, 0) || wire_value(layer, WF_IPV4_OFFSET, 0);
	unsigned header;

	switch (field) {
	case WF_IPV4_ECN:
		return wire_get(layer, field) != 0;
	case WF_IPV4_TOS:
		return wire_get(layer, field) & ~UINT64_C(3);
	case WF_IPV4_ID:
	case WF_IPV4_MF:
	case WF_IPV4_OFFSET:
		return fragment;
	case WF_IPV4_RESERVED:
		return wire_get(layer, field) != 0;
	case WF_IPV4_IHL:
		header = 0;
		for (unsigned i = 0; i < layer->options; i++)
			header += layer->option[i].cut ? 1 : layer->option[i].length;
		return wire_get(layer, field) != 5 + (header + 3) / 4;
	case WF_IPV4_CHECKSUM:
		return layer->checksum == CHECKSUM_WRONG;
	default:
		return false;
	}
}

static void ipv4_info(struct text *info, const struct packet *packet, const struct layer *layer, bool outer)
{
	for (unsigned field = WF_IPV4_VERSION; field <= WF_IPV4_DST; field++) {
		if (!wire_known(layer, field) || (packet->decoded && !remarkable(layer, field)))
			continue;
		/* An outer header says its addresses after the bracket; those of the innermost are the flow's. */
		if ((outer || packet->decoded) && (field == WF_IPV4_SRC || field == WF_IPV4_DST))
			continue;
		info_field(info, layer, field);
	}
	if (layer->options || layer->options_any) {
		text_add(info, info->length ? ", " : "");
		wire_print_options(info, layer);
	}
}

static void ipv6_info(struct text *info, const struct packet *packet, const struct layer *layer)
{
	for (unsigned field = WF_IPV6_TCLASS; field <= WF_IPV6_TTL; field++) {
		if (!wire_known(layer, field))
			continue;
		if (packet->decoded && (field == WF_IPV6_TTL || field == WF_IPV6_FLOWLABEL))
			continue;
		if (packet->decoded && !(wire_get(layer, field) & (field == WF_IPV6_TCLASS ? ~UINT64_C(3) : 3)))
			continue;
		info_field(info, layer, field);
	}
}

/* "[ect0, ttl 64] " */
static void print_info(struct text *text, const struct packet *packet, const struct layer *layer, bool outer)
{
	struct text info = { .arena = text->arena };

	if (layer->kind == LAYER_IPV4)
		ipv4_info(&info, packet, layer, outer);
	else
		ipv6_info(&info, packet, layer);
	if (info.length)
		text_add(text, "[%s] ", text_get(&info));
}

static void print_address6(struct text *text, const struct in6_addr *address)
{
	for (int i = 0; i < 16; i += 2)
		text_add(text, "%s%x", i ? ":" : "", address->s6_addr[i] << 8 | address->s6_addr[i + 1]);
}

/* An IP header with another one inside: its addresses belong to what is said. */
static void print_outer_ip(struct text *text, const struct packet *packet, const struct layer *layer)
{
	text_add(text, "%s ", wire_layer_name(layer->kind));
	print_info(text, packet, layer, true);
	if (layer->kind == LAYER_IPV4) {
		print_address(text, wire_value(layer, WF_IPV4_SRC, 0));
		text_add(text, " > ");
		print_address(text, wire_value(layer, WF_IPV4_DST, 0));
	} else {
		print_address6(text, &layer->source6);
		text_add(text, " > ");
		print_address6(text, &layer->destination6);
	}
	text_add(text, ": ");
}

static void print_gre(struct text *text, const struct layer *layer)
{
	if (wire_value(layer, WF_GRE_FLAGS, 0) || wire_given(layer, WF_GRE_KEY) || wire_given(layer, WF_GRE_SEQ) ||
	    wire_given(layer, WF_GRE_SUM))
		text_add(text, "gre flags 0x%x, sum 0x%x, off 0x%x, key 0x%x, seq 0x%x: ", (unsigned)wire_value(layer, WF_GRE_FLAGS, 0),
			 (unsigned)wire_value(layer, WF_GRE_SUM, 0), (unsigned)wire_value(layer, WF_GRE_OFF, 0),
			 (unsigned)wire_value(layer, WF_GRE_KEY, 0), (unsigned)wire_value(layer, WF_GRE_SEQ, 0));
	else
		text_add(text, "gre: ");
}

static void print_mpls(struct text *text, const struct packet *packet, unsigned i)
{
	const struct layer *layer = &packet->layer[i];

	text_add(text, "%s (label %u, tc %u, %sttl %u)", i && packet->layer[i - 1].kind == LAYER_MPLS ? "" : "mpls",
		 (unsigned)wire_value(layer, WF_MPLS_LABEL, 0), (unsigned)wire_value(layer, WF_MPLS_TC, 0),
		 wire_value(layer, WF_MPLS_BOTTOM, 0) ? "[S], " : "", (unsigned)wire_value(layer, WF_MPLS_TTL, 0));
	if (i + 1 == packet->layers || packet->layer[i + 1].kind != LAYER_MPLS)
		text_add(text, ": ");
}

static void print_ports(struct text *text, const struct packet *packet, const struct layer *layer, enum wire_field source)
{
	if (!packet->decoded && wire_known(layer, source) && wire_known(layer, source + 1))
		text_add(text, "%u > %u ", (unsigned)wire_get(layer, source), (unsigned)wire_get(layer, source + 1));
}

/* " name value" of fields that only a script that means them gives. */
static void print_extra(struct text *text, const struct packet *packet, const struct layer *layer, enum wire_field field)
{
	bool wrong = packet->decoded && layer->checksum == CHECKSUM_WRONG && !strcmp(wire_field_table[field].name, "checksum");

	if (!wire_known(layer, field) || (packet->decoded && !wrong))
		return;
	text_add(text, " %s ", wire_field_table[field].name);
	wire_print_value(text, field, wire_get(layer, field));
}

/* Contents, where a script gave them. */
static void print_payload(struct text *text, const struct packet *packet)
{
	if (packet->decoded || !packet->payload || !packet->payload_length)
		return;
	text_add(text, " ");
	wire_print_bytes(text, packet->payload, packet->payload_length, SIZE_MAX);
}

static void print_tcp(struct text *text, const struct packet *packet, const struct layer *layer)
{
	unsigned flags = (unsigned)wire_value(layer, WF_TCP_FLAGS, 0);
	bool ace = wire_known(layer, WF_TCP_ACE) && !packet->decoded;
	uint32_t seq = (uint32_t)wire_value(layer, WF_TCP_SEQ, 0);
	uint32_t end = (uint32_t)wire_value(layer, WF_TCP_END, seq + packet->payload_length);

	print_ports(text, packet, layer, WF_TCP_SPORT);
	if (ace)
		flags = (flags & ~0x1c0u) | (unsigned)wire_get(layer, WF_TCP_ACE) << 6;
	wire_print_flags(text, flags, ace);
	text_add(text, " %u:%u(%zu)", seq, end, packet->payload_length);
	if (wire_known(layer, WF_TCP_ACK) && (flags & WIRE_ACK || wire_get(layer, WF_TCP_ACK)))
		text_add(text, " ack %u", (uint32_t)wire_get(layer, WF_TCP_ACK));
	if (wire_known(layer, WF_TCP_WIN))
		text_add(text, " win %u", (uint32_t)wire_get(layer, WF_TCP_WIN));
	if (wire_known(layer, WF_TCP_URG) && (flags & WIRE_URG || wire_get(layer, WF_TCP_URG)))
		text_add(text, " urg %u", (unsigned)wire_get(layer, WF_TCP_URG));
	print_extra(text, packet, layer, WF_TCP_DOFF);
	print_extra(text, packet, layer, WF_TCP_CHECKSUM);
	if (layer->options || layer->options_any)
		text_add(text, " ");
	wire_print_options(text, layer);
	print_payload(text, packet);
}

static void print_udp(struct text *text, const struct packet *packet, const struct layer *layer)
{
	bool lite = layer->kind == LAYER_UDPLITE;

	text_add(text, lite ? "udplite " : "udp ");
	print_ports(text, packet, layer, lite ? WF_UDPLITE_SPORT : WF_UDP_SPORT);
	text_add(text, "(%zu)", packet->payload_length);
	if (lite && wire_known(layer, WF_UDPLITE_COVERAGE) && (!packet->decoded || wire_get(layer, WF_UDPLITE_COVERAGE)))
		text_add(text, " coverage %u", (unsigned)wire_get(layer, WF_UDPLITE_COVERAGE));
	if (!lite)
		print_extra(text, packet, layer, WF_UDP_LENGTH);
	print_extra(text, packet, layer, lite ? WF_UDPLITE_CHECKSUM : WF_UDP_CHECKSUM);
	print_payload(text, packet);
}

size_t wire_stated_payload(const struct packet *packet)
{
	const struct layer *inner = packet->layers ? &packet->layer[packet->layers - 1] : NULL;
	const struct layer *ip = packet_layer(packet, LAYER_IPV4);
	size_t headers = 0, total;

	if (!packet->decoded || !packet->truncated || !inner)
		return packet->payload_length;
	if (ip) {
		total = wire_get(ip, WF_IPV4_LENGTH);
		headers = 4 * wire_get(ip, WF_IPV4_IHL);
	} else if ((ip = packet_layer(packet, LAYER_IPV6))) {
		total = wire_get(ip, WF_IPV6_LENGTH);
	} else {
		return packet->payload_length;
	}
	if (inner->kind == LAYER_TCP)
		headers += 4 * wire_value(inner, WF_TCP_DOFF, 5);
	else if (inner->kind != LAYER_RAW)
		headers += UDP_HEADER;
	return total > headers ? total - headers : 0;
}

static void print_quoted(struct text *text, const struct packet *quoted)
{
	const struct layer *inner = quoted->layers ? &quoted->layer[quoted->layers - 1] : NULL;
	size_t length = wire_stated_payload(quoted);

	if (inner && inner->kind == LAYER_TCP) {
		uint32_t seq = (uint32_t)wire_value(inner, WF_TCP_SEQ, 0);

		text_add(text, " [%u:%u(%zu)]", seq, (uint32_t)(seq + length), length);
	} else if (inner) {
		text_add(text, " [%s (%zu)]", wire_layer_name(inner->kind), length);
	}
}

static void print_icmp_fields(struct text *text, const struct packet *packet, const struct layer *layer)
{
	bool ipv6 = layer->kind == LAYER_ICMPV6;
	unsigned checksum = ipv6 ? WF_ICMPV6_CHECKSUM : WF_ICMP_CHECKSUM;

	for (unsigned field = wire_first_field(layer->kind) + 2; field < wire_past_field(layer->kind); field++) {
		bool plain = !wire_value(layer, field, 0) || (field == checksum && layer->checksum != CHECKSUM_WRONG);

		if (!wire_known(layer, field) || (packet->decoded && plain))
			continue;
		if (field == WF_ICMP_SEQ && packet->decoded && wire_known(layer, WF_ICMP_NUMBER))
			continue;	/* its parts have words of their own */
		text_add(text, " %s ", wire_field_table[field].name);
		wire_print_value(text, field, wire_get(layer, field));
	}
}

static void print_icmp(struct text *text, const struct packet *packet, const struct layer *layer)
{
	bool ipv6 = layer->kind == LAYER_ICMPV6;
	unsigned type = (unsigned)wire_value(layer, ipv6 ? WF_ICMPV6_TYPE : WF_ICMP_TYPE, 0);
	unsigned code = (unsigned)wire_value(layer, ipv6 ? WF_ICMPV6_CODE : WF_ICMP_CODE, 0);
	const char *name = wire_icmp_type_name(ipv6, type), *code_name = wire_icmp_code_name(ipv6, type, code);

	if (name)
		text_add(text, "icmp %s", name);
	else
		text_add(text, "icmp type_%u", type);
	if (code_name)
		text_add(text, " %s", code_name);
	else if (code)
		text_add(text, " code_%u", code);
	print_icmp_fields(text, packet, layer);
	if (packet->quoted)
		print_quoted(text, packet->quoted);
	else if (packet->payload_given)
		text_add(text, " [raw (%zu)]", packet->payload_length + ICMP_HEADER);
	print_payload(text, packet);
}

/* Layers that have no look of their own in packetdrill: the name, and every field by name. */
static void print_plain(struct text *text, const struct packet *packet, const struct layer *layer)
{
	text_add(text, "%s", wire_layer_name(layer->kind));
	print_fields(text, layer, wire_first_field(layer->kind));
	if (packet->payload_given && (packet->payload_length || layer->kind == LAYER_RAW))
		text_add(text, " (%zu)", packet->payload_length);
	print_payload(text, packet);
}

/* Around an IP or ARP packet the addresses say little to a reader; a script that gives them wants to see them. */
static void print_ethernet(struct text *text, const struct packet *packet, unsigned i)
{
	const struct layer *layer = &packet->layer[i];
	bool raw = i + 1 == packet->layers || packet->layer[i + 1].kind == LAYER_RAW;

	if ((packet->decoded && !raw) || !layer->given)
		return;
	text_add(text, "eth ");
	print_hardware_or_any(text, layer, WF_ETHERNET_SRC);
	text_add(text, " > ");
	print_hardware_or_any(text, layer, WF_ETHERNET_DST);
	if (wire_known(layer, WF_ETHERNET_TYPE) && (raw || !packet->decoded))
		text_add(text, " type 0x%04x", (unsigned)wire_get(layer, WF_ETHERNET_TYPE));
	text_add(text, ": ");
}

/* Fields that every ARP packet for IPv4 over Ethernet has, and a target address that a request leaves open. */
static bool arp_ordinary(const struct layer *layer, enum wire_field field)
{
	uint64_t value = wire_value(layer, field, 0);

	switch (field) {
	case WF_ARP_HTYPE:
		return value == 1;
	case WF_ARP_PTYPE:
		return value == 0x0800;
	case WF_ARP_HLEN:
		return value == 6;
	case WF_ARP_PLEN:
		return value == 4;
	case WF_ARP_THA:
		return !value && wire_value(layer, WF_ARP_OP, 0) == 1;
	default:
		return false;
	}
}

/* "arp who-has 192.168.0.2 tell 192.168.0.1 sha 02:...", "arp reply 192.168.0.2 is-at 02:...", then the rest by name. */
static void print_arp(struct text *text, const struct packet *packet, const struct layer *layer)
{
	unsigned op = (unsigned)wire_value(layer, WF_ARP_OP, 0);
	bool request = op == 1 && wire_known(layer, WF_ARP_TPA), reply = op == 2 && wire_known(layer, WF_ARP_SPA);
	bool tell = request && wire_known(layer, WF_ARP_SPA), at = reply && wire_known(layer, WF_ARP_SHA);

	text_add(text, "arp");
	if (request || reply) {
		text_add(text, request ? " who-has " : " reply ");
		print_address(text, wire_get(layer, request ? WF_ARP_TPA : WF_ARP_SPA));
	}
	if (tell || at) {
		text_add(text, tell ? " tell " : " is-at ");
		wire_print_value(text, tell ? WF_ARP_SPA : WF_ARP_SHA, wire_get(layer, tell ? WF_ARP_SPA : WF_ARP_SHA));
	}
	for (unsigned field = WF_ARP_HTYPE; field <= WF_ARP_TPA; field++) {
		bool said = (field == WF_ARP_OP && (request || reply)) || (field == WF_ARP_TPA && request) ||
			    (field == WF_ARP_SPA && (reply || tell)) || (field == WF_ARP_SHA && at);

		if (said || !wire_known(layer, field) || (packet->decoded && arp_ordinary(layer, field)))
			continue;
		text_add(text, " %s ", wire_field_table[field].name);
		wire_print_value(text, field, wire_get(layer, field));
	}
}

static void print_layer(struct text *text, const struct packet *packet, unsigned i, unsigned last_ip)
{
	const struct layer *layer = &packet->layer[i];

	switch (layer->kind) {
	case LAYER_IPV4:
	case LAYER_IPV6:
		if (i < last_ip)
			return print_outer_ip(text, packet, layer);
		return print_info(text, packet, layer, false);
	case LAYER_GRE:
		return print_gre(text, layer);
	case LAYER_MPLS:
		return print_mpls(text, packet, i);
	case LAYER_PSP:
		text_add(text, "encap psp spi %u ", (unsigned)wire_value(layer, WF_PSP_SPI, 0));
		return;
	case LAYER_TCP:
		return print_tcp(text, packet, layer);
	case LAYER_UDP:
	case LAYER_UDPLITE:
		if (i + 1 < packet->layers)	/* it carries PSP, which is said to be there by itself */
			return;
		return print_udp(text, packet, layer);
	case LAYER_ICMP:
	case LAYER_ICMPV6:
		return print_icmp(text, packet, layer);
	case LAYER_ETHERNET:
		return print_ethernet(text, packet, i);
	case LAYER_ARP:
		return print_arp(text, packet, layer);
	case LAYER_IGMP:
		wire_igmp_print(text, layer, packet->decoded);
		return print_payload(text, packet);
	case LAYER_RAW:
		return print_plain(text, packet, layer);
	case LAYER_NONE:
	case LAYER_COUNT:
		return;
	}
}

const char *packet_print(const struct packet *packet, struct arena *arena, bool outbound)
{
	struct text text = { .arena = arena };
	unsigned last_ip = 0;

	for (unsigned i = 0; i < packet->layers; i++)
		if (packet->layer[i].kind == LAYER_IPV4 || packet->layer[i].kind == LAYER_IPV6)
			last_ip = i;
	text_add(&text, outbound ? "> " : "< ");
	for (unsigned i = 0; i < packet->layers; i++)
		print_layer(&text, packet, i, last_ip);
	return text_get(&text);
}
