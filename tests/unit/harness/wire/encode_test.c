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

TestSuite(encode, .init = set_up, .fini = tear_down);

static const char *error_of(const struct packet *packet)
{
	const char *error = NULL;
	size_t length;

	cr_assert_null(packet_encode(packet, arena, &length, &error));
	return error;
}

Test(encode, what_is_not_given_makes_the_packet_right)
{
	struct packet *packet = through_bytes(tcp_packet(arena, WIRE_ACK | WIRE_PSH, 1, 1000, 1), arena);
	const struct layer *ip = &packet->layer[0], *tcp = &packet->layer[1];

	cr_assert_eq(wire_get(ip, WF_IPV4_LENGTH), 1040);
	cr_assert_eq(wire_get(ip, WF_IPV4_IHL), 5);
	cr_assert_eq(wire_get(ip, WF_IPV4_TTL), 255);
	cr_assert_eq(wire_get(ip, WF_IPV4_PROTOCOL), 6);
	cr_assert_eq(ip->checksum, CHECKSUM_RIGHT);
	cr_assert_eq(wire_get(tcp, WF_TCP_DOFF), 5);
	cr_assert_eq(tcp->checksum, CHECKSUM_RIGHT);
	cr_assert_eq(packet->payload_length, 1000);
	cr_assert_eq(packet->payload[999], 0, "bytes not given are zeros");
}

/* A type of ICMP message that has this field. */
static unsigned icmp_type_with(enum wire_field field)
{
	switch (field) {
	case WF_ICMP_GATEWAY:
		return 5;
	case WF_ICMP_POINTER:
		return 12;
	case WF_ICMP_REST:
		return 40;
	case WF_ICMP_MTU:
		return 3;
	case WF_ICMP_LENGTH:
		return 11;
	case WF_ICMP_NUMBER:
	case WF_ICMP_LOCAL:
		return 42;
	case WF_ICMP_STATE:
	case WF_ICMP_ACTIVE:
	case WF_ICMP_IP4:
	case WF_ICMP_IP6:
		return 43;
	default:
		return 13;
	}
}

/* Every field of every layer stands as it was given, however wrong. */
Test(encode, given_fields_stand)
{
	for (unsigned field = 0; field < WF_COUNT; field++) {
		enum layer_kind kind = wire_field_table[field].layer;
		struct packet *packet, *decoded;
		struct layer *layer;
		uint64_t value;

		/* PSP is never sent, and these are not in the header or say what the layer is. */
		if (kind == LAYER_PSP || field == WF_TCP_END || field == WF_IPV4_VERSION || kind == LAYER_RAW)
			continue;
		packet = ipv4_packet(arena, kind);
		if (kind == LAYER_IPV4)
			packet->layers = 1;
		if (kind == LAYER_ETHERNET || kind == LAYER_ARP) {
			packet->layers = kind == LAYER_ARP ? 2 : 1;
			packet->layer[0] = (struct layer){ .kind = LAYER_ETHERNET };
			packet->layer[1] = (struct layer){ .kind = kind };
		}
		if (kind == LAYER_IPV6)
			packet->layers = 1, packet->layer[0] = (struct layer){ .kind = kind };
		layer = &packet->layer[packet->layers - 1];
		if (kind == LAYER_GRE)
			wire_set(layer, WF_GRE_FLAGS, WIRE_GRE_CHECKSUM | WIRE_GRE_KEY | WIRE_GRE_SEQ);
		if (kind == LAYER_ICMP)
			wire_set(layer, WF_ICMP_TYPE, icmp_type_with(field));
		if (kind == LAYER_ICMP && field == WF_ICMP_MTU)
			wire_set(layer, WF_ICMP_CODE, 4);
		if (field == WF_ICMP_LENGTH)
			packet->quoted = ipv4_packet(arena, LAYER_UDP);
		if (kind == LAYER_ICMPV6)
			wire_set(layer, WF_ICMPV6_TYPE, field == WF_ICMPV6_MTU ? 2 : field == WF_ICMPV6_REST ? 200 : 128);
		value = UINT64_C(0xa5a5a5a5a5a5a5) & ((UINT64_C(1) << (field == WF_TCP_WIN ? 16 : wire_field_table[field].bits)) - 1);
		/* Values that would change what the layer is. */
		if (field == WF_GRE_FLAGS)
			value = WIRE_GRE_KEY;
		if (field == WF_ICMP_TYPE || field == WF_ICMPV6_TYPE)
			value = 0xa5;
		if (field == WF_MPLS_BOTTOM)
			value = 1;
		wire_set(layer, field, value);
		decoded = through_bytes(packet, arena);
		layer = packet_layer(decoded, kind);
		cr_assert(layer, "%s of layer %d", wire_field_table[field].name, kind);
		cr_assert(wire_given(layer, field), "%s of layer %d", wire_field_table[field].name, kind);
		cr_assert_eq(wire_get(layer, field), value, "%s of layer %d: %llx", wire_field_table[field].name, kind,
			     (unsigned long long)wire_get(layer, field));
	}
}

/* A header that is said to be longer than what the packet names of it takes the bytes that follow for its own. */
Test(encode, a_longer_header_is_summed_whole)
{
	struct packet *packet = arena_alloc(arena, sizeof(*packet)), *decoded;
	static const uint8_t bytes[8] = { 0x94, 4, 0, 0, 'a', 'b', 'c', 'd' };

	*packet = (struct packet){ .layers = 2, .payload_given = true, .payload = bytes, .payload_length = sizeof(bytes) };
	packet->layer[0].kind = LAYER_IPV4;
	packet->layer[1].kind = LAYER_RAW;
	wire_set(&packet->layer[0], WF_IPV4_IHL, 6);
	decoded = through_bytes(packet, arena);
	cr_assert_eq(wire_get(&decoded->layer[0], WF_IPV4_IHL), 6);
	cr_assert_eq(decoded->layer[0].checksum, CHECKSUM_RIGHT);
}

Test(encode, values_that_do_not_fit_are_refused)
{
	for (unsigned field = 0; field < WF_COUNT; field++) {
		struct packet *packet = ipv4_packet(arena, wire_field_table[field].layer);

		if (wire_field_table[field].layer == LAYER_IPV4)
			packet->layers = 1;
		wire_set(&packet->layer[packet->layers - 1], field, UINT64_C(1) << wire_field_table[field].bits);
		cr_assert(strstr(error_of(packet), wire_field_table[field].name), "%s", wire_field_table[field].name);
	}
}

Test(encode, a_window_has_sixteen_bits)
{
	struct packet *packet = tcp_packet(arena, WIRE_ACK, 1, 0, 1);

	wire_set(&packet->layer[1], WF_TCP_WIN, 65536);
	cr_assert_str_eq(error_of(packet), "TCP win does not fit into 16 bits");
}

Test(encode, packets_that_cannot_be_are_refused)
{
	struct packet *tcp = tcp_packet(arena, WIRE_ACK, 1, 65536, 1), *psp = ipv4_packet(arena, LAYER_PSP);
	struct packet *ect = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *options = tcp_packet(arena, WIRE_ACK, 1, 0, 1);
	struct wire_option long_list[2] = { { .kind = 5, .length = 34, .sack.count = 4 }, { .kind = 8, .length = 10 } };

	cr_assert_str_eq(error_of(tcp), "an IPv4 packet has at most 65535 bytes");
	cr_assert_str_eq(error_of(psp), "PSP packets cannot be sent");
	wire_set(&ect->layer[0], WF_IPV4_ECN, WIRE_ECN_ECT01);
	cr_assert(error_of(ect));
	give_options(&options->layer[1], long_list, 2);
	cr_assert_str_eq(error_of(options), "TCP options have at most 40 bytes");
}

Test(encode, options_are_padded_to_whole_words)
{
	struct wire_option mss[] = { { .kind = 2, .length = 4, .mss = 1460 }, { .kind = 3, .length = 3, .wscale = 7 } };
	struct packet *packet = tcp_packet(arena, WIRE_SYN, 0, 0, 0), *decoded;

	give_options(&packet->layer[1], mss, 2);
	decoded = through_bytes(packet, arena);
	cr_assert_eq(wire_get(&decoded->layer[1], WF_TCP_DOFF), 7);
	cr_assert_str_eq(packet_print(decoded, arena, true), "> S 0:0(0) win 257 <mss 1460,wscale 7,eol>");
}

Test(encode, ecn_bits_lie_over_the_tos)
{
	struct packet *packet = tcp_packet(arena, WIRE_ACK, 1, 0, 1);

	wire_set(&packet->layer[0], WF_IPV4_TOS, 0x10);
	wire_set(&packet->layer[0], WF_IPV4_ECN, 3);
	cr_assert_eq(wire_get(&through_bytes(packet, arena)->layer[0], WF_IPV4_TOS), 0x13);
}

Test(encode, ace_takes_the_place_of_the_ecn_flags)
{
	struct packet *packet = tcp_packet(arena, WIRE_ACK | WIRE_CWR, 1, 0, 1);

	wire_set(&packet->layer[1], WF_TCP_ACE, 5);
	cr_assert_eq(wire_get(&through_bytes(packet, arena)->layer[1], WF_TCP_FLAGS), WIRE_ACK | WIRE_AE | WIRE_ECE);
}

/* RFC 768: a sum of zero is sent as all ones, since zero says that there is none. */
Test(encode, a_udp_checksum_of_zero_is_sent_as_ones)
{
	struct packet *packet = ipv4_packet(arena, LAYER_UDP);
	uint8_t filler[2];

	packet->payload_length = 2;
	packet->payload = filler;
	for (unsigned i = 0; i < 65536; i++) {
		filler[0] = (uint8_t)(i >> 8);
		filler[1] = (uint8_t)i;
		if (wire_get(&through_bytes(packet, arena)->layer[1], WF_UDP_CHECKSUM) == 0xffff)
			return;
		cr_assert_neq(wire_get(&through_bytes(packet, arena)->layer[1], WF_UDP_CHECKSUM), 0);
		arena_reset(arena);
		packet = ipv4_packet(arena, LAYER_UDP);
		packet->payload_length = 2;
		packet->payload = filler;
	}
	cr_assert_fail("some payload must give it");
}

Test(encode, udplite_covers_what_it_says)
{
	for (unsigned coverage = 0; coverage <= 20; coverage++) {
		struct packet *packet = ipv4_packet(arena, LAYER_UDPLITE);
		uint8_t *bytes;
		size_t length;
		struct packet decoded;

		if (coverage > 0 && coverage < 8)
			continue;
		packet->payload_length = 12;
		wire_set(&packet->layer[1], WF_UDPLITE_COVERAGE, coverage);
		bytes = encode(packet, arena, &length);
		packet_decode(bytes, length, false, arena, &decoded);
		cr_assert_eq(decoded.layer[1].checksum, CHECKSUM_RIGHT, "coverage %u", coverage);
		/* The last byte is covered only by 0, everything, and 20. */
		bytes[length - 1] ^= 0xff;
		packet_decode(bytes, length, false, arena, &decoded);
		cr_assert_eq(decoded.layer[1].checksum, coverage == 0 || coverage == 20 ? CHECKSUM_WRONG : CHECKSUM_RIGHT,
			     "coverage %u", coverage);
	}
}

Test(encode, quoted_packets_reach_eight_bytes_past_their_header_unless_contents_are_given)
{
	struct packet *error = ipv4_packet(arena, LAYER_ICMP);
	size_t length;

	wire_set(&error->layer[1], WF_ICMP_TYPE, 3);
	error->quoted = tcp_packet(arena, WIRE_ACK, 1, 1000, 1);
	encode(error, arena, &length);
	cr_assert_eq(length, 20 + 8 + 20 + 8);
	error->quoted->payload = arena_alloc(arena, 1000);
	encode(error, arena, &length);
	cr_assert_eq(length, 20 + 8 + 20 + 20 + 1000);
}

Test(encode, tunnels_name_what_they_carry)
{
	struct packet packet = { .layers = 5 }, *decoded;
	static const enum layer_kind kinds[] = { LAYER_IPV4, LAYER_GRE, LAYER_MPLS, LAYER_MPLS, LAYER_IPV4 };

	for (unsigned i = 0; i < 5; i++)
		packet.layer[i].kind = kinds[i];
	wire_set(&packet.layer[1], WF_GRE_KEY, 7);
	wire_set(&packet.layer[1], WF_GRE_SUM, 0);
	wire_set_any(&packet.layer[1], WF_GRE_SUM);
	decoded = through_bytes(&packet, arena);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(decoded->layer[i].kind, kinds[i], "layer %u", i);
	cr_assert_eq(wire_get(&decoded->layer[0], WF_IPV4_PROTOCOL), 47);
	cr_assert_eq(wire_get(&decoded->layer[1], WF_GRE_PROTOCOL), 0x8847);
	cr_assert_eq(wire_get(&decoded->layer[1], WF_GRE_KEY), 7);
	cr_assert_eq(decoded->layer[1].checksum, CHECKSUM_RIGHT);
	cr_assert_eq(wire_get(&decoded->layer[2], WF_MPLS_BOTTOM), 0);
	cr_assert_eq(wire_get(&decoded->layer[3], WF_MPLS_BOTTOM), 1);
}

Test(encode, ipv6_and_icmpv6)
{
	struct packet packet = { .layers = 2, .payload_length = 4 }, *decoded;

	packet.layer[0].kind = LAYER_IPV6;
	packet.layer[0].source6.s6_addr[15] = 1;
	packet.layer[0].destination6.s6_addr[15] = 2;
	packet.layer[1].kind = LAYER_ICMPV6;
	wire_set(&packet.layer[1], WF_ICMPV6_TYPE, 128);
	wire_set(&packet.layer[1], WF_ICMPV6_ID, 9);
	decoded = through_bytes(&packet, arena);
	cr_assert_eq(wire_get(&decoded->layer[0], WF_IPV6_LENGTH), 12);
	cr_assert_eq(wire_get(&decoded->layer[0], WF_IPV6_PROTOCOL), 58);
	cr_assert_eq(decoded->layer[0].destination6.s6_addr[15], 2);
	cr_assert_eq(decoded->layer[1].checksum, CHECKSUM_RIGHT);
	cr_assert_eq(wire_get(&decoded->layer[1], WF_ICMPV6_ID), 9);
}
