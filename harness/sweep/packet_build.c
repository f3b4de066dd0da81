/* Packets as the far end would send them, and their header fields. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "packet.h"

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t sum(uint32_t sum, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* --- checksums ---------------------------------------------------------------------------------------------------------- */

static void ip_checksum(uint8_t *ip, size_t length)
{
	size_t header = (ip[0] & 15) * 4u;

	put16(ip + 10, 0);
	put16(ip + 10, ~sum(0, ip, header < length ? header : length) & 0xffff);
}

/* Over what is there; `place` within the transport is the checksum's. */
static void transport_checksum(struct packet *packet, size_t place, bool pseudo)
{
	uint8_t header[12] = { 0 }, *at = packet->bytes + packet->transport;
	size_t length = packet->length - packet->transport;
	uint32_t value;

	if (length < place + 2)
		return;
	put16(at + place, 0);
	memcpy(header, packet->bytes + 12, 8);
	header[9] = packet->bytes[9];
	put16(header + 10, (uint32_t)length);
	value = sum(pseudo ? sum(0, header, sizeof(header)) : 0, at, length);
	value = ~value & 0xffff;
	put16(at + place, value ? value : 0xffff);
}

enum fix { FIX_IP = 1, FIX_TRANSPORT = 2 };

static void fix_checksums(struct packet *packet, unsigned protocol, unsigned fix)
{
	if (fix & FIX_TRANSPORT && !packet->fragment)
		switch (protocol) {
		case IPPROTO_TCP:
			transport_checksum(packet, 16, true);
			break;
		case IPPROTO_UDP:
		case IPPROTO_UDPLITE:
			transport_checksum(packet, 6, true);
			break;
		case IPPROTO_ICMP:
		case IPPROTO_IGMP:
			transport_checksum(packet, 2, false);
			break;
		default:
			break;
		}
	if (fix & FIX_IP)
		ip_checksum(packet->bytes, packet->length);
}

/* --- building ----------------------------------------------------------------------------------------------------------- */

static uint8_t *begin(struct packet *packet, const struct far_end *far, unsigned protocol, uint32_t destination, const void *options,
		      size_t option_length)
{
	uint8_t *ip = packet->bytes;

	memset(packet, 0, sizeof(*packet));
	packet->transport = 20 + option_length;
	packet->length = packet->transport;
	ip[0] = (uint8_t)(0x40 | packet->transport / 4);
	put16(ip + 4, 0x1234);
	ip[8] = 64;
	ip[9] = (uint8_t)protocol;
	put32(ip + 12, far->names.remote);
	put32(ip + 16, destination);
	if (option_length)
		memcpy(ip + 20, options, option_length);
	return ip + packet->transport;
}

static void end(struct packet *packet, size_t transport_length)
{
	packet->length = packet->transport + transport_length;
	put16(packet->bytes + 2, (uint32_t)packet->length);
	fix_checksums(packet, packet->bytes[9], FIX_IP | FIX_TRANSPORT);
}

#define TCP_STAMP 100000u		/* the far end's clock stands still */

static void build_tcp(const struct far_end *far, unsigned flags, size_t bytes, struct packet *packet)
{
	static const uint8_t syn[] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7 };
	static const uint8_t plain[] = { 1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0 };
	uint8_t *tcp = begin(packet, far, IPPROTO_TCP, LOCAL_ADDRESS, NULL, 0);
	size_t options = flags & TH_SYN_ ? sizeof(syn) : sizeof(plain), stamp = flags & TH_SYN_ ? 28 : 24;

	put16(tcp, REMOTE_PORT);
	put16(tcp + 2, BOUND_PORT);
	put32(tcp + 4, flags & TH_SYN_ ? FAR_ISN : far->next);
	if (flags & TH_ACK_)
		put32(tcp + 8, far->acknowledged);
	tcp[12] = (uint8_t)((20 + options) / 4 << 4);
	tcp[13] = (uint8_t)flags;
	put16(tcp + 14, 1000);
	memcpy(tcp + 20, flags & TH_SYN_ ? syn : plain, options);
	put32(tcp + stamp, TCP_STAMP);
	put32(tcp + stamp + 4, flags & TH_ACK_ ? far->stamp : 0);
	memset(tcp + 20 + options, 'd', bytes);
	end(packet, 20 + options + bytes);
}

void packet_tcp(const struct far_end *far, unsigned flags, size_t bytes, struct packet *packet)
{
	build_tcp(far, flags, bytes, packet);
}

#define URG 32

static void build_urgent(const struct far_end *far, unsigned flags, size_t bytes, struct packet *packet)
{
	build_tcp(far, flags, bytes, packet);
	put16(packet->bytes + packet->transport + 18, 2);
	fix_checksums(packet, IPPROTO_TCP, FIX_TRANSPORT);
}

static void fill_udp(uint8_t *udp, unsigned port, size_t bytes)
{
	put16(udp, REMOTE_PORT);
	put16(udp + 2, port);
	put16(udp + 4, (uint32_t)(8 + bytes));
	memset(udp + 8, 'u', bytes);
}

static void build_udp(const struct far_end *far, unsigned port, size_t bytes, struct packet *packet)
{
	fill_udp(begin(packet, far, IPPROTO_UDP, LOCAL_ADDRESS, NULL, 0), port, bytes);
	end(packet, 8 + bytes);
}

static void build_udp_to(const struct far_end *far, unsigned destination, size_t bytes, struct packet *packet)
{
	fill_udp(begin(packet, far, IPPROTO_UDP, destination, NULL, 0), BOUND_PORT, bytes);
	end(packet, 8 + bytes);
}

static void build_udplite(const struct far_end *far, unsigned port, size_t bytes, struct packet *packet)
{
	fill_udp(begin(packet, far, IPPROTO_UDPLITE, LOCAL_ADDRESS, NULL, 0), port, bytes);
	end(packet, 8 + bytes);
}

/* Type and code; the rest of the header is an identifier that an ICMP socket may have, and a sequence number. */
static void build_icmp(const struct far_end *far, unsigned type_code, size_t bytes, struct packet *packet)
{
	uint8_t *icmp = begin(packet, far, IPPROTO_ICMP, LOCAL_ADDRESS, NULL, 0);

	put16(icmp, type_code);
	put16(icmp + 4, BOUND_PORT);
	put16(icmp + 6, 1);
	memset(icmp + 8, 'i', bytes);
	end(packet, 8 + bytes);
}

/* About a packet that the stack would have sent to the far end, with twenty bytes of its transport's header. */
static void build_icmp_error(const struct far_end *far, unsigned type_code, size_t protocol, struct packet *packet)
{
	uint8_t *icmp = begin(packet, far, IPPROTO_ICMP, LOCAL_ADDRESS, NULL, 0), *quote = icmp + 8;

	put16(icmp, type_code);
	if (type_code == 0x0304)	/* fragmentation needed: the next hop's MTU */
		put16(icmp + 6, 1200);
	else if (type_code >> 8 == 5)	/* redirect: the gateway */
		put32(icmp + 4, LOCAL_ADDRESS + 1);
	quote[0] = 0x45;
	put16(quote + 2, 60);
	put16(quote + 6, 0x4000);
	quote[8] = 63;
	quote[9] = (uint8_t)protocol;
	put32(quote + 12, LOCAL_ADDRESS);
	put32(quote + 16, far->names.remote);
	ip_checksum(quote, 20);
	if (protocol == IPPROTO_ICMP) {
		quote[20] = 8;
		put16(quote + 24, BOUND_PORT);
	} else {
		put16(quote + 20, BOUND_PORT);
		put16(quote + 22, REMOTE_PORT);
		put32(quote + 24, protocol == IPPROTO_TCP ? far->acknowledged - 1 : 40 << 16);
		put32(quote + 28, far->next);
		quote[32] = 0x50;
		quote[33] = TH_ACK_;
	}
	end(packet, 8 + 40);
}

static void build_igmp(const struct far_end *far, unsigned type_code, size_t length, struct packet *packet)
{
	static const uint8_t router_alert[] = { 148, 4, 0, 0 };
	uint8_t *igmp = begin(packet, far, IPPROTO_IGMP, type_code >> 8 == 0x11 ? INADDR_ALLHOSTS_GROUP : GROUP_ADDRESS, router_alert, 4);

	packet->bytes[8] = 1;
	put16(igmp, type_code);
	if (type_code >> 8 != 0x11)
		put32(igmp + 4, GROUP_ADDRESS);
	end(packet, length);
}

static void build_other(const struct far_end *far, unsigned protocol, size_t bytes, struct packet *packet)
{
	memset(begin(packet, far, protocol, LOCAL_ADDRESS, NULL, 0), 'r', bytes);
	end(packet, bytes);
}

/* A UDP datagram behind an options area. */
static const uint8_t option_record[] = { 7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t option_stamp[] = { 68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t option_stamp_address[] = { 68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t option_loose[] = { 131, 7, 4, 10, 128, 0, 1, 0 };
static const uint8_t option_strict[] = { 137, 7, 4, 10, 128, 0, 1, 0 };
static const uint8_t option_alert[] = { 148, 4, 0, 0 };
static const uint8_t option_security[] = { 130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
static const uint8_t option_cipso[] = { 134, 8, 0, 0, 0, 1, 1, 2 };
static const struct {
	const uint8_t *bytes;
	size_t length;
} option_areas[] = {
	{ option_record, sizeof(option_record) },   { option_stamp, sizeof(option_stamp) },
	{ option_stamp_address, sizeof(option_stamp_address) }, { option_loose, sizeof(option_loose) },
	{ option_strict, sizeof(option_strict) },   { option_alert, sizeof(option_alert) },
	{ option_security, sizeof(option_security) }, { option_cipso, sizeof(option_cipso) },
};

static void build_options(const struct far_end *far, unsigned which, size_t bytes, struct packet *packet)
{
	fill_udp(begin(packet, far, IPPROTO_UDP, LOCAL_ADDRESS, option_areas[which].bytes, option_areas[which].length), BOUND_PORT, bytes);
	end(packet, 8 + bytes);
}

/* The same in an echo request, whose answer has options of its own. */
static void build_options_echo(const struct far_end *far, unsigned which, size_t bytes, struct packet *packet)
{
	uint8_t *icmp = begin(packet, far, IPPROTO_ICMP, LOCAL_ADDRESS, option_areas[which].bytes, option_areas[which].length);

	icmp[0] = 8;
	end(packet, 8 + bytes);
}

/* Of a datagram of 24 bytes: its first sixteen or its last eight. The first comes with the checksum of the whole. */
static void build_fragment(const struct far_end *far, unsigned last, size_t bytes, struct packet *packet)
{
	uint8_t whole[24], *at;

	fill_udp(begin(packet, far, IPPROTO_UDP, LOCAL_ADDRESS, NULL, 0), BOUND_PORT, 16);
	end(packet, 24);
	memcpy(whole, packet->bytes + 20, sizeof(whole));
	at = begin(packet, far, IPPROTO_UDP, LOCAL_ADDRESS, NULL, 0);
	memcpy(at, last ? whole + 16 : whole, last ? 8 : 16);
	put16(packet->bytes + 6, last ? 2 : 0x2000);
	packet->fragment = true;
	end(packet, last ? 8 : 16);
}

#define TCP_LAYERS (LAYER_IP | LAYER_TCP | LAYER_TCP_OPTIONS)
#define UDP_LAYERS (LAYER_IP | LAYER_UDP)
#define ICMP_LAYERS (LAYER_IP | LAYER_ICMP)
#define QUOTE_LAYERS (LAYER_IP | LAYER_ICMP | LAYER_QUOTE)
#define OPTION_LAYERS (LAYER_IP | LAYER_OPTIONS | LAYER_UDP)
#define ECHO_LAYERS (LAYER_IP | LAYER_OPTIONS | LAYER_ICMP)

static const struct {
	const char *name;
	unsigned layers;
	void (*build)(const struct far_end *far, unsigned argument, size_t size, struct packet *packet);
	unsigned argument;
	size_t size;
} kinds[] = {
	{ "tcp-syn", TCP_LAYERS, build_tcp, TH_SYN_, 0 },
	{ "tcp-syn-data", TCP_LAYERS, build_tcp, TH_SYN_, 5 },
	{ "tcp-syn-ack", TCP_LAYERS, build_tcp, TH_SYN_ | TH_ACK_, 0 },
	{ "tcp-ack", TCP_LAYERS, build_tcp, TH_ACK_, 0 },
	{ "tcp-data", TCP_LAYERS, build_tcp, TH_ACK_ | TH_PSH_, 5 },
	{ "tcp-fin", TCP_LAYERS, build_tcp, TH_ACK_ | TH_FIN_, 0 },
	{ "tcp-fin-data", TCP_LAYERS, build_tcp, TH_ACK_ | TH_FIN_ | TH_PSH_, 5 },
	{ "tcp-rst", TCP_LAYERS, build_tcp, TH_RST_, 0 },
	{ "tcp-rst-ack", TCP_LAYERS, build_tcp, TH_RST_ | TH_ACK_, 0 },
	{ "tcp-urgent", TCP_LAYERS, build_urgent, TH_ACK_ | URG, 5 },
	{ "udp", UDP_LAYERS, build_udp, BOUND_PORT, 5 },
	{ "udp-empty", UDP_LAYERS, build_udp, BOUND_PORT, 0 },
	{ "udp-deaf", UDP_LAYERS, build_udp, DEAF_PORT, 5 },
	{ "udp-broadcast", UDP_LAYERS, build_udp_to, 0xc0a8ffff, 5 },
	{ "udp-limited-broadcast", UDP_LAYERS, build_udp_to, INADDR_BROADCAST, 5 },
	{ "udp-multicast", UDP_LAYERS, build_udp_to, GROUP_ADDRESS, 5 },
	{ "udp-passing", UDP_LAYERS, build_udp_to, FORWARD_ADDRESS, 5 },
	{ "udp-nowhere", UDP_LAYERS, build_udp_to, 0xcb007101, 5 },
	{ "udplite", UDP_LAYERS, build_udplite, BOUND_PORT, 5 },
	{ "icmp-echo", ICMP_LAYERS, build_icmp, 0x0800, 8 },
	{ "icmp-echo-reply", ICMP_LAYERS, build_icmp, 0x0000, 8 },
	{ "icmp-timestamp", ICMP_LAYERS, build_icmp, 0x0d00, 12 },
	{ "icmp-mask", ICMP_LAYERS, build_icmp, 0x1100, 4 },
	{ "icmp-unreachable-udp", QUOTE_LAYERS, build_icmp_error, 0x0303, IPPROTO_UDP },
	{ "icmp-unreachable-tcp", QUOTE_LAYERS, build_icmp_error, 0x0303, IPPROTO_TCP },
	{ "icmp-unreachable-icmp", QUOTE_LAYERS, build_icmp_error, 0x0301, IPPROTO_ICMP },
	{ "icmp-unreachable-99", QUOTE_LAYERS, build_icmp_error, 0x0302, 99 },
	{ "icmp-need-fragments-udp", QUOTE_LAYERS, build_icmp_error, 0x0304, IPPROTO_UDP },
	{ "icmp-need-fragments-tcp", QUOTE_LAYERS, build_icmp_error, 0x0304, IPPROTO_TCP },
	{ "icmp-quench-tcp", QUOTE_LAYERS, build_icmp_error, 0x0400, IPPROTO_TCP },
	{ "icmp-redirect-udp", QUOTE_LAYERS, build_icmp_error, 0x0501, IPPROTO_UDP },
	{ "icmp-exceeded-udp", QUOTE_LAYERS, build_icmp_error, 0x0b00, IPPROTO_UDP },
	{ "icmp-exceeded-tcp", QUOTE_LAYERS, build_icmp_error, 0x0b00, IPPROTO_TCP },
	{ "icmp-parameter-udp", QUOTE_LAYERS, build_icmp_error, 0x0c00, IPPROTO_UDP },
	{ "igmp-query", LAYER_IP | LAYER_OPTIONS | LAYER_IGMP, build_igmp, 0x1164, 8 },
	{ "igmp-query-3", LAYER_IP | LAYER_OPTIONS | LAYER_IGMP, build_igmp, 0x1164, 12 },
	{ "igmp-report", LAYER_IP | LAYER_OPTIONS | LAYER_IGMP, build_igmp, 0x1600, 8 },
	{ "igmp-leave", LAYER_IP | LAYER_OPTIONS | LAYER_IGMP, build_igmp, 0x1700, 8 },
	{ "protocol-99", LAYER_IP | LAYER_OTHER, build_other, 99, 8 },
	{ "options-record-route", OPTION_LAYERS, build_options, 0, 5 },
	{ "options-time-stamp", OPTION_LAYERS, build_options, 1, 5 },
	{ "options-time-stamp-address", OPTION_LAYERS, build_options, 2, 5 },
	{ "options-loose-route", OPTION_LAYERS, build_options, 3, 5 },
	{ "options-strict-route", OPTION_LAYERS, build_options, 4, 5 },
	{ "options-router-alert", OPTION_LAYERS, build_options, 5, 5 },
	{ "options-security", OPTION_LAYERS, build_options, 6, 5 },
	{ "options-cipso", OPTION_LAYERS, build_options, 7, 5 },
	{ "echo-record-route", ECHO_LAYERS, build_options_echo, 0, 8 },
	{ "echo-time-stamp", ECHO_LAYERS, build_options_echo, 1, 8 },
	{ "echo-time-stamp-address", ECHO_LAYERS, build_options_echo, 2, 8 },
	{ "echo-loose-route", ECHO_LAYERS, build_options_echo, 3, 8 },
	{ "fragment-first", UDP_LAYERS, build_fragment, 0, 0 },
	{ "fragment-last", LAYER_IP, build_fragment, 1, 0 },
};

unsigned packet_kinds(void)
{
	return sizeof(kinds) / sizeof(kinds[0]);
}

const char *packet_kind_name(unsigned kind)
{
	return kinds[kind].name;
}

unsigned packet_kind_layers(unsigned kind)
{
	return kinds[kind].layers;
}

void packet_make(unsigned kind, const struct far_end *far, struct packet *packet)
{
	kinds[kind].build(far, kinds[kind].argument, kinds[kind].size, packet);
}

/* --- fields -------------------------------------------------------------------------------------------------------------- */

/* Where a field is: bits from the start of the IP header, or of the transport's. */
static const struct field {
	const char *name;
	unsigned layer;
	bool transport;
	unsigned bit, bits;
	unsigned keep;			/* checksums that are not made right again: the field is one */
	bool every;			/* of its values are tried */
} fields[] = {
	{ "none", LAYER_IP, false, 0, 0, 0, true },	/* the packet as it is */
	{ "ip.version", LAYER_IP, false, 0, 4, 0, true },
	{ "ip.header-length", LAYER_IP, false, 4, 4, 0, true },
	{ "ip.tos", LAYER_IP, false, 8, 8, 0, false },
	{ "ip.length", LAYER_IP, false, 16, 16, 0, false },
	{ "ip.id", LAYER_IP, false, 32, 16, 0, false },
	{ "ip.flags", LAYER_IP, false, 48, 3, 0, true },
	{ "ip.offset", LAYER_IP, false, 51, 13, 0, false },
	{ "ip.ttl", LAYER_IP, false, 64, 8, 0, false },
	{ "ip.protocol", LAYER_IP, false, 72, 8, 0, false },
	{ "ip.any-protocol", LAYER_OTHER, false, 72, 8, 0, true },
	{ "ip.checksum", LAYER_IP, false, 80, 16, FIX_IP, false },
	{ "ip.source", LAYER_IP, false, 96, 32, 0, false },
	{ "ip.destination", LAYER_IP, false, 128, 32, 0, false },
	{ "option.kind", LAYER_OPTIONS, false, 160, 8, 0, true },
	{ "option.length", LAYER_OPTIONS, false, 168, 8, 0, false },
	{ "option.pointer", LAYER_OPTIONS, false, 176, 8, 0, false },
	{ "option.fourth", LAYER_OPTIONS, false, 184, 8, 0, false },
	{ "tcp.source-port", LAYER_TCP, true, 0, 16, 0, false },
	{ "tcp.destination-port", LAYER_TCP, true, 16, 16, 0, false },
	{ "tcp.sequence", LAYER_TCP, true, 32, 32, 0, false },
	{ "tcp.acknowledgement", LAYER_TCP, true, 64, 32, 0, false },
	{ "tcp.header-length", LAYER_TCP, true, 96, 4, 0, true },
	{ "tcp.reserved", LAYER_TCP, true, 100, 4, 0, false },
	{ "tcp.flags", LAYER_TCP, true, 104, 8, 0, true },
	{ "tcp.window", LAYER_TCP, true, 112, 16, 0, false },
	{ "tcp.checksum", LAYER_TCP, true, 128, 16, FIX_TRANSPORT, false },
	{ "tcp.urgent", LAYER_TCP, true, 144, 16, 0, false },
	{ "tcp.option-0", LAYER_TCP_OPTIONS, true, 160, 8, 0, false },
	{ "tcp.option-1", LAYER_TCP_OPTIONS, true, 168, 8, 0, false },
	{ "tcp.option-2", LAYER_TCP_OPTIONS, true, 176, 8, 0, false },
	{ "tcp.option-3", LAYER_TCP_OPTIONS, true, 184, 8, 0, false },
	{ "tcp.option-4-7", LAYER_TCP_OPTIONS, true, 192, 32, 0, false },
	{ "tcp.option-8-11", LAYER_TCP_OPTIONS, true, 224, 32, 0, false },
	{ "udp.source-port", LAYER_UDP, true, 0, 16, 0, false },
	{ "udp.destination-port", LAYER_UDP, true, 16, 16, 0, false },
	{ "udp.length", LAYER_UDP, true, 32, 16, 0, false },
	{ "udp.checksum", LAYER_UDP, true, 48, 16, FIX_TRANSPORT, false },
	{ "icmp.type", LAYER_ICMP, true, 0, 8, 0, true },
	{ "icmp.code", LAYER_ICMP, true, 8, 8, 0, false },
	{ "icmp.checksum", LAYER_ICMP, true, 16, 16, FIX_TRANSPORT, false },
	{ "icmp.rest-0", LAYER_ICMP, true, 32, 8, 0, false },
	{ "icmp.rest-1", LAYER_ICMP, true, 40, 8, 0, false },
	{ "icmp.rest-2-3", LAYER_ICMP, true, 48, 16, 0, false },
	{ "quote.version", LAYER_QUOTE, true, 64, 4, 0, true },
	{ "quote.header-length", LAYER_QUOTE, true, 68, 4, 0, true },
	{ "quote.tos", LAYER_QUOTE, true, 72, 8, 0, false },
	{ "quote.length", LAYER_QUOTE, true, 80, 16, 0, false },
	{ "quote.offset", LAYER_QUOTE, true, 112, 16, 0, false },
	{ "quote.ttl", LAYER_QUOTE, true, 128, 8, 0, false },
	{ "quote.protocol", LAYER_QUOTE, true, 136, 8, 0, false },
	{ "quote.checksum", LAYER_QUOTE, true, 144, 16, 0, false },
	{ "quote.source", LAYER_QUOTE, true, 160, 32, 0, false },
	{ "quote.destination", LAYER_QUOTE, true, 192, 32, 0, false },
	{ "quote.source-port", LAYER_QUOTE, true, 224, 16, 0, false },
	{ "quote.destination-port", LAYER_QUOTE, true, 240, 16, 0, false },
	{ "quote.sequence", LAYER_QUOTE, true, 256, 32, 0, false },
	{ "igmp.type", LAYER_IGMP, true, 0, 8, 0, true },
	{ "igmp.code", LAYER_IGMP, true, 8, 8, 0, false },
	{ "igmp.checksum", LAYER_IGMP, true, 16, 16, FIX_TRANSPORT, false },
	{ "igmp.group", LAYER_IGMP, true, 32, 32, 0, false },
};

unsigned packet_fields(void)
{
	return sizeof(fields) / sizeof(fields[0]);
}

const char *packet_field_name(unsigned field)
{
	return fields[field].name;
}

unsigned packet_field_layer(unsigned field)
{
	return fields[field].layer;
}

/* Fields that do not take every value take those at which something may happen. */
#define BYTE_VALUES 16			/* so many of them, the first, are for fields of up to eight bits, too */

static const struct {
	const char *name;
	enum { FROM_ZERO, FROM_ONES, FROM_OWN } from;
	int64_t add;
} long_values[] = {
	{ "0", FROM_ZERO, 0 },	       { "1", FROM_ZERO, 1 },		{ "2", FROM_ZERO, 2 },	      { "3", FROM_ZERO, 3 },
	{ "4", FROM_ZERO, 4 },	       { "7", FROM_ZERO, 7 },		{ "8", FROM_ZERO, 8 },	      { "10", FROM_ZERO, 10 },
	{ "40", FROM_ZERO, 40 },       { "128", FROM_ZERO, 128 },	{ "ones", FROM_ONES, 0 },     { "ones-1", FROM_ONES, -1 },
	{ "own-1", FROM_OWN, -1 },     { "own+1", FROM_OWN, 1 },	{ "own-4", FROM_OWN, -4 },    { "own+4", FROM_OWN, 4 },
	{ "20", FROM_ZERO, 20 },       { "28", FROM_ZERO, 28 },		{ "68", FROM_ZERO, 68 },      { "1500", FROM_ZERO, 1500 },
	{ "own-8", FROM_OWN, -8 },     { "own+8", FROM_OWN, 8 },	{ "own+5", FROM_OWN, 5 },     { "own-5", FROM_OWN, -5 },
	{ "own+1000", FROM_OWN, 1000 }, { "own-1000", FROM_OWN, -1000 }, { "own+65535", FROM_OWN, 65535 },
	{ "own+100000", FROM_OWN, 100000 }, { "own-100000", FROM_OWN, -100000 }, { "own+2^31", FROM_OWN, INT64_C(1) << 31 },
};

unsigned packet_field_values(unsigned field)
{
	unsigned bits = fields[field].bits;

	if (fields[field].every)
		return 1u << bits;
	return bits <= 8 ? BYTE_VALUES : sizeof(long_values) / sizeof(long_values[0]);
}

void packet_field_value_print(unsigned field, unsigned value, struct text *text)
{
	if (fields[field].every)
		text_add(text, "%u", value);
	else
		text_add(text, "%s", long_values[value].name);
}

/* The number in so many bits, most significant first, none of which crosses eight bytes. */
static uint64_t bits_get(const uint8_t *bytes, unsigned bit, unsigned bits)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bits; i++)
		value = value << 1 | (bytes[(bit + i) / 8] >> (7 - (bit + i) % 8) & 1);
	return value;
}

static void bits_put(uint8_t *bytes, unsigned bit, unsigned bits, uint64_t value)
{
	for (unsigned i = 0; i < bits; i++) {
		uint8_t mask = (uint8_t)(1u << (7 - (bit + i) % 8));

		if (value >> (bits - 1 - i) & 1)
			bytes[(bit + i) / 8] |= mask;
		else
			bytes[(bit + i) / 8] &= (uint8_t)~mask;
	}
}

void packet_set_field(struct packet *packet, unsigned field, unsigned value)
{
	const struct field *row = &fields[field];
	uint8_t *from = packet->bytes + (row->transport ? packet->transport : 0);
	unsigned protocol = packet->bytes[9];
	uint64_t number = value;

	if (!row->bits)
		return;
	if (!row->every) {
		number = long_values[value].from == FROM_ONES ? (UINT64_C(1) << row->bits) - 1 :
			 long_values[value].from == FROM_OWN ? bits_get(from, row->bit, row->bits) : 0;
		number += (uint64_t)long_values[value].add;
	}
	bits_put(from, row->bit, row->bits, number);
	fix_checksums(packet, protocol, (FIX_IP | FIX_TRANSPORT) & ~row->keep);
}

void packet_truncate(struct packet *packet, size_t length, bool honest)
{
	unsigned protocol = packet->length >= 20 ? packet->bytes[9] : 0;

	packet->length = length;
	if (!honest || length < 20)
		return;
	put16(packet->bytes + 2, (uint32_t)length);
	if (length < packet->transport)
		packet->transport = length;
	fix_checksums(packet, protocol, FIX_IP | FIX_TRANSPORT);
}
