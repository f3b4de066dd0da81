#include "support.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(decode, .init = set_up, .fini = tear_down);

/* A SYN as Linux sends it, taken from a capture. */
static const uint8_t syn[] = {
	0x45, 0x00, 0x00, 0x3c, 0x1c, 0x46, 0x40, 0x00, 0x40, 0x06, 0x9b, 0xcb, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0x00, 0x02, 0x01,
	0x9c, 0x40, 0x1f, 0x90, 0x00, 0x00, 0x00, 0x2a, 0x00, 0x00, 0x00, 0x00, 0xa0, 0x02, 0xfa, 0xf0, 0x00, 0x00, 0x00, 0x00,
	0x02, 0x04, 0x05, 0xb4, 0x04, 0x02, 0x08, 0x0a, 0x00, 0x00, 0x00, 0x64, 0x00, 0x00, 0x00, 0x00, 0x01, 0x03, 0x03, 0x07,
};

Test(decode, every_field_of_ipv4_and_tcp)
{
	struct packet *packet = round_trip(syn, sizeof(syn), false, arena);
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *tcp = packet_layer(packet, LAYER_TCP);

	cr_assert_eq(packet->layers, 2);
	cr_assert_eq(wire_get(ip, WF_IPV4_VERSION), 4);
	cr_assert_eq(wire_get(ip, WF_IPV4_IHL), 5);
	cr_assert_eq(wire_get(ip, WF_IPV4_TOS), 0);
	cr_assert_eq(wire_get(ip, WF_IPV4_LENGTH), 60);
	cr_assert_eq(wire_get(ip, WF_IPV4_ID), 0x1c46);
	cr_assert_eq(wire_get(ip, WF_IPV4_DF), 1);
	cr_assert_eq(wire_get(ip, WF_IPV4_MF), 0);
	cr_assert_eq(wire_get(ip, WF_IPV4_OFFSET), 0);
	cr_assert_eq(wire_get(ip, WF_IPV4_TTL), 64);
	cr_assert_eq(wire_get(ip, WF_IPV4_PROTOCOL), 6);
	cr_assert_eq(wire_get(ip, WF_IPV4_SRC), 0xc0a80001);
	cr_assert_eq(wire_get(ip, WF_IPV4_DST), 0xc0000201);
	cr_assert_eq(wire_get(tcp, WF_TCP_SPORT), 40000);
	cr_assert_eq(wire_get(tcp, WF_TCP_DPORT), 8080);
	cr_assert_eq(wire_get(tcp, WF_TCP_SEQ), 42);
	cr_assert_eq(wire_get(tcp, WF_TCP_END), 42);
	cr_assert_eq(wire_get(tcp, WF_TCP_FLAGS), WIRE_SYN);
	cr_assert_eq(wire_get(tcp, WF_TCP_WIN), 64240);
	cr_assert_eq(wire_get(tcp, WF_TCP_DOFF), 10);
	cr_assert_eq(tcp->options, 5);
	cr_assert_str_eq(packet_print(packet, arena, true),
			 "> S 42:42(0) win 64240 checksum 0x0 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
}

/* The header's checksum above is right; TCP's was zeroed on purpose. */
Test(decode, checksums_right_wrong_partial_and_absent)
{
	struct packet *packet = round_trip(syn, sizeof(syn), false, arena), *tcp = tcp_packet(arena, WIRE_ACK, 1, 3, 1);
	struct packet *udp = ipv4_packet(arena, LAYER_UDP), *decoded;
	uint8_t *bytes;
	size_t length;

	cr_assert_eq(packet->layer[0].checksum, CHECKSUM_RIGHT);
	cr_assert_eq(packet->layer[1].checksum, CHECKSUM_WRONG);
	decoded = through_bytes(tcp, arena);
	cr_assert_eq(decoded->layer[1].checksum, CHECKSUM_RIGHT);
	/* The pseudo-header alone: 192.168.0.1, 192.0.2.1, protocol 6, 23 bytes. */
	wire_set(&tcp->layer[1], WF_TCP_CHECKSUM, (0xc0a8 + 1 + 0xc000 + 0x0201 + 6 + 23 + 1) & 0xffff);
	cr_assert_eq(through_bytes(tcp, arena)->layer[1].checksum, CHECKSUM_PARTIAL);
	wire_set(&udp->layer[1], WF_UDP_CHECKSUM, 0);
	cr_assert_eq(through_bytes(udp, arena)->layer[1].checksum, CHECKSUM_ABSENT);
	bytes = encode(tcp, arena, &length);
	bytes[10] ^= 1;
	cr_assert_eq(round_trip(bytes, length, false, arena)->layer[0].checksum, CHECKSUM_WRONG);
}

Test(decode, a_checksum_of_a_fragment_cannot_be_told)
{
	struct packet *udp = ipv4_packet(arena, LAYER_UDP);

	wire_set(&udp->layer[0], WF_IPV4_MF, 1);
	udp->payload_length = 16;
	cr_assert_eq(through_bytes(udp, arena)->layer[1].checksum, CHECKSUM_UNKNOWN);
	wire_set(&udp->layer[0], WF_IPV4_OFFSET, 2);
	cr_assert_eq(through_bytes(udp, arena)->layer[1].kind, LAYER_RAW, "a later fragment has no UDP header");
}

/* Cut anywhere: nothing is invented, and the same bytes come back. */
Test(decode, truncated_at_every_byte)
{
	for (size_t length = 0; length < sizeof(syn); length++) {
		struct packet *packet = round_trip(syn, length, false, arena);

		if (length)
			cr_assert(packet->truncated, "at %zu", length);
		if (length < 20)
			cr_assert_eq(packet->layer[0].kind, LAYER_RAW, "at %zu", length);
		else
			cr_assert_eq(packet->layer[0].kind, LAYER_IPV4, "at %zu", length);
		if (length >= 28)
			cr_assert_eq(wire_get(packet_layer(packet, LAYER_TCP), WF_TCP_SEQ), 42, "at %zu", length);
		if (length == 28)
			cr_assert_not(wire_given(packet_layer(packet, LAYER_TCP), WF_TCP_ACK));
	}
}

Test(decode, lengths_that_lie)
{
	static const struct {
		unsigned at;
		uint8_t value;
		enum layer_kind kind;		/* of the second layer */
		bool truncated;
	} lies[] = {
		{ 0, 0x44, LAYER_TCP, false },	/* a header of four words is taken for five */
		{ 0, 0x4f, LAYER_RAW, false },	/* the whole packet is header */
		{ 3, 19, LAYER_RAW, false },	/* shorter than its header */
		{ 3, 61, LAYER_TCP, true },
		{ 32, 0x40, LAYER_TCP, false },
		{ 32, 0xf0, LAYER_TCP, true },
	};

	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint8_t bytes[sizeof(syn)];
		struct packet *packet;

		memcpy(bytes, syn, sizeof(syn));
		bytes[lies[i].at] = lies[i].value;
		packet = round_trip(bytes, sizeof(bytes), false, arena);
		cr_assert_eq(packet->layer[1].kind, lies[i].kind, "lie %u", i);
		cr_assert_eq(packet->truncated, lies[i].truncated, "lie %u", i);
	}
}

Test(decode, padding_behind_the_packet_is_not_part_of_it)
{
	uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };
	struct packet *udp = ipv4_packet(arena, LAYER_UDP);
	struct packet packet;
	size_t length;
	uint8_t *bytes;

	udp->payload_length = 3;
	bytes = encode(udp, arena, &length);
	memcpy(frame + 14, bytes, length);
	packet_decode(frame, sizeof(frame), true, arena, &packet);
	cr_assert_eq(packet.layers, 3);
	cr_assert_eq(packet.payload_length, 3);
	cr_assert_eq(packet.layer[2].checksum, CHECKSUM_RIGHT);
}

Test(decode, icmp_errors_quote_as_far_as_the_bytes_reach)
{
	struct packet *error = ipv4_packet(arena, LAYER_ICMP), *decoded;

	wire_set(&error->layer[1], WF_ICMP_TYPE, 3);
	wire_set(&error->layer[1], WF_ICMP_CODE, 4);
	wire_set(&error->layer[1], WF_ICMP_MTU, 1400);
	error->quoted = tcp_packet(arena, WIRE_ACK, 5000, 1000, 1);
	decoded = through_bytes(error, arena);
	cr_assert_eq(decoded->quoted->layers, 2);
	cr_assert(decoded->quoted->truncated);
	cr_assert_eq(wire_get(&decoded->quoted->layer[1], WF_TCP_SEQ), 5000);
	cr_assert_not(wire_given(&decoded->quoted->layer[1], WF_TCP_ACK));
	cr_assert_eq(wire_get(&decoded->quoted->layer[0], WF_IPV4_LENGTH), 1040);
	cr_assert_str_eq(packet_print(decoded, arena, false), "< icmp unreachable frag_needed mtu 1400 [5000:6000(1000)]");
}

/* RFC 4884: what follows the quoted packet is kept as the payload. */
Test(decode, bytes_behind_a_quoted_packet)
{
	struct packet *error = ipv4_packet(arena, LAYER_ICMP), *decoded;
	static const uint8_t extension[] = { 0x20, 0, 0, 0, 1, 2, 3, 4 };

	wire_set(&error->layer[1], WF_ICMP_TYPE, 11);
	error->quoted = ipv4_packet(arena, LAYER_UDP);
	error->payload = extension;
	error->payload_length = sizeof(extension);
	decoded = through_bytes(error, arena);
	cr_assert_eq(decoded->quoted->layer[1].kind, LAYER_UDP);
	cr_assert_eq(decoded->payload_length, sizeof(extension));
	cr_assert_arr_eq(decoded->payload, extension, sizeof(extension));
	cr_assert_eq(wire_get(&decoded->layer[1], WF_ICMP_LENGTH), 32, "the quotation is filled up to 128 bytes");
	wire_set(&error->layer[1], WF_ICMP_LENGTH, 7);
	decoded = through_bytes(error, arena);
	cr_assert_eq(decoded->payload_length, sizeof(extension));
	cr_assert_eq(wire_get(&decoded->layer[1], WF_ICMP_LENGTH), 7);
}

/* RFC 8335: the sequence field is a number and flags. */
Test(decode, extended_echo)
{
	struct packet *reply = ipv4_packet(arena, LAYER_ICMP), *decoded;

	wire_set(&reply->layer[1], WF_ICMP_TYPE, 43);
	wire_set(&reply->layer[1], WF_ICMP_NUMBER, 7);
	wire_set(&reply->layer[1], WF_ICMP_STATE, 2);
	wire_set(&reply->layer[1], WF_ICMP_ACTIVE, 1);
	wire_set(&reply->layer[1], WF_ICMP_IP4, 1);
	decoded = through_bytes(reply, arena);
	cr_assert_eq(wire_get(&decoded->layer[1], WF_ICMP_SEQ), 0x0746);
	cr_assert_str_eq(packet_print(decoded, arena, false), "< icmp extended_echo_reply number 7 state 2 active 1 ip4 1 [raw (8)]");
}

Test(decode, a_quotation_in_a_quotation_ends)
{
	struct packet *error = ipv4_packet(arena, LAYER_UDP);
	unsigned depth = 0;

	for (int i = 0; i < 6; i++) {
		struct packet *outer = ipv4_packet(arena, LAYER_ICMP);

		wire_set(&outer->layer[1], WF_ICMP_TYPE, 3);
		error->payload = (const uint8_t *)"";
		outer->quoted = error;
		outer->payload = (const uint8_t *)"";
		error = outer;
	}
	for (const struct packet *at = through_bytes(error, arena); at->quoted; at = at->quoted)
		depth++;
	cr_assert_eq(depth, 2);
}

Test(decode, layers_never_run_out_of_room)
{
	uint8_t bytes[20 * 20] = { 0 };
	struct packet *packet;

	for (unsigned i = 0; i < 20; i++) {
		uint8_t *header = bytes + 20 * i;

		header[0] = 0x45;
		header[2] = (uint8_t)((sizeof(bytes) - 20 * i) >> 8);
		header[3] = (uint8_t)(sizeof(bytes) - 20 * i);
		header[9] = 4;
	}
	packet = round_trip(bytes, sizeof(bytes), false, arena);
	cr_assert_leq(packet->layers, PACKET_LAYERS);
}

/* Bytes made at random, many of them with a believable start: each comes back as it was. */
Test(decode, random_bytes_come_back)
{
	uint32_t state = 1;
	uint8_t bytes[120];

	for (unsigned round = 0; round < 20000; round++) {
		static const uint8_t protocols[] = { 6, 17, 1, 2, 47, 4, 136, 58, 137, 41 };
		size_t length;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			state = state * 1664525 + 1013904223;
			bytes[i] = state >> 30 ? (uint8_t)(state >> 16) : 0;
		}
		length = state >> 16 & 127;
		if (length > sizeof(bytes))
			length = sizeof(bytes);
		bytes[0] = round % 8 ? 0x45 + (round % 8 == 1 ? round >> 3 & 7 : 0) : 0x60;
		bytes[9] = protocols[round % sizeof(protocols)];
		if (round & 16) {
			bytes[2] = 0;
			bytes[3] = (uint8_t)length;
			bytes[6] = bytes[7] = 0;
		}
		round_trip(bytes, length, false, arena);
		arena_reset(arena);
	}
}
