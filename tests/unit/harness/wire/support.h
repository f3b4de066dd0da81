/* Packets for the tests of harness/wire. */
#ifndef TESTS_WIRE_SUPPORT_H
#define TESTS_WIRE_SUPPORT_H

#include <criterion/criterion.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/wire/option.h"
#include "harness/wire/packet.h"

/* An IPv4 packet from 192.168.0.1 to 192.0.2.1 with one more layer, of which only the addresses are given. */
static inline struct packet *ipv4_packet(struct arena *arena, enum layer_kind kind)
{
	struct packet *packet = arena_alloc(arena, sizeof(*packet));

	packet->layers = 2;
	packet->layer[0].kind = LAYER_IPV4;
	packet->layer[1].kind = kind;
	wire_set(&packet->layer[0], WF_IPV4_SRC, 0xc0a80001);
	wire_set(&packet->layer[0], WF_IPV4_DST, 0xc0000201);
	return packet;
}

/* "P. 1:1001(1000) ack 1 win 257" and the like. */
static inline struct packet *tcp_packet(struct arena *arena, unsigned flags, uint32_t seq, size_t length, uint32_t ack)
{
	struct packet *packet = ipv4_packet(arena, LAYER_TCP);
	struct layer *tcp = &packet->layer[1];

	wire_set(tcp, WF_TCP_SPORT, 8080);
	wire_set(tcp, WF_TCP_DPORT, 40000);
	wire_set(tcp, WF_TCP_FLAGS, flags);
	wire_set(tcp, WF_TCP_SEQ, seq);
	wire_set(tcp, WF_TCP_END, (uint32_t)(seq + length));
	if (flags & WIRE_ACK)
		wire_set(tcp, WF_TCP_ACK, ack);
	wire_set(tcp, WF_TCP_WIN, 257);
	packet->payload_length = length;
	packet->payload_given = true;
	return packet;
}

/* The same packet as a script says it that leaves the addresses to the flow. */
static inline struct packet *nameless(struct packet *packet)
{
	packet->layer[0].given &= ~(1u << (WF_IPV4_SRC - WF_IPV4_VERSION) | 1u << (WF_IPV4_DST - WF_IPV4_VERSION));
	return packet;
}

static inline void give_options(struct layer *layer, struct wire_option *options, unsigned count)
{
	layer->option = options;
	layer->options = count;
	layer->options_given = true;
}

static inline uint8_t *encode(const struct packet *packet, struct arena *arena, size_t *length)
{
	const char *error = NULL;
	uint8_t *bytes = packet_encode(packet, arena, length, &error);

	cr_assert(bytes, "%s", error);
	return bytes;
}

/* What the bytes of the packet decode to. */
static inline struct packet *through_bytes(const struct packet *packet, struct arena *arena)
{
	struct packet *decoded = arena_alloc(arena, sizeof(*decoded));
	size_t length;
	uint8_t *bytes = encode(packet, arena, &length);

	packet_decode(bytes, length, packet->layers && packet->layer[0].kind == LAYER_ETHERNET, arena, decoded);
	return decoded;
}

/* Decode these bytes, encode what came of it, and want the same bytes again, but for bytes behind an IP packet. */
static inline struct packet *round_trip(const uint8_t *bytes, size_t length, bool ethernet, struct arena *arena)
{
	struct packet *packet = arena_alloc(arena, sizeof(*packet));
	size_t again_length;
	uint8_t *again;

	packet_decode(bytes, length, ethernet, arena, packet);
	again = encode(packet, arena, &again_length);
	cr_assert_leq(again_length, length, "%zu bytes became %zu: %s", length, again_length, packet_print(packet, arena, false));
	cr_assert(again_length == length || !packet->truncated);
	cr_assert_eq(memcmp(again, bytes, again_length), 0, "%s", packet_print(packet, arena, false));
	return packet;
}

#endif
