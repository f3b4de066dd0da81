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

TestSuite(packet, .init = set_up, .fini = tear_down);

Test(packet, a_clone_shares_nothing)
{
	struct packet *packet = nameless(tcp_packet(arena, WIRE_ACK, 1, 3, 1)), *copy;
	struct wire_option option = { .kind = 2, .length = 4, .mss = 1460 };

	give_options(&packet->layer[1], &option, 1);
	packet->payload = arena_memdup(arena, "abc", 3);
	packet->quoted = nameless(ipv4_packet(arena, LAYER_UDP));
	copy = packet_clone(packet, arena);
	wire_set(&copy->layer[1], WF_TCP_SEQ, 9);
	copy->layer[1].option[0].mss = 1;
	((uint8_t *)copy->payload)[0] = 'x';
	copy->quoted->layers = 0;
	cr_assert_eq(wire_get(&packet->layer[1], WF_TCP_SEQ), 1);
	cr_assert_eq(packet->layer[1].option[0].mss, 1460);
	cr_assert_eq(packet->payload[0], 'a');
	cr_assert_eq(packet->quoted->layers, 2);
}

/* The line to paste says what the script's line said, with the values that were seen. */
Test(packet, a_projection_says_what_the_script_said)
{
	struct packet *expected = nameless(tcp_packet(arena, WIRE_ACK, 1, 10, 1)), *actual = nameless(tcp_packet(arena, WIRE_ACK | WIRE_PSH, 2, 20, 3));
	struct wire_option nop[] = { { .kind = 1, .length = 1 }, { .kind = 1, .length = 1 }, { .kind = 1, .length = 1 },
				     { .kind = 1, .length = 1 } };

	expected->layer[1].given &= ~(1u | 2u | 1u << (WF_TCP_WIN - WF_TCP_SPORT));	/* neither ports nor a window */
	wire_set(&expected->layer[0], WF_IPV4_TTL, 64);
	give_options(&actual->layer[1], nop, 4);
	actual = packet_project(through_bytes(actual, arena), expected, arena);
	cr_assert_str_eq(packet_print(actual, arena, true), "> [ttl 255] P. 2:22(20) ack 3 <nop,nop,nop,nop>");
	expected->layer[1].options_any = true;
	actual = packet_project(through_bytes(actual, arena), expected, arena);
	cr_assert_str_eq(packet_print(actual, arena, true), "> [ttl 255] P. 2:22(20) ack 3 <...>");
}

Test(packet, a_projection_brings_the_number_of_a_flag_not_expected)
{
	struct packet *expected = nameless(tcp_packet(arena, WIRE_RST, 1, 0, 0)), *actual = nameless(tcp_packet(arena, WIRE_RST | WIRE_ACK, 1, 0, 5));

	expected->layer[1].given &= ~(1u | 2u | 1u << (WF_TCP_WIN - WF_TCP_SPORT));
	actual = packet_project(through_bytes(actual, arena), expected, arena);
	cr_assert_str_eq(packet_print(actual, arena, true), "> R. 1:1(0) ack 5");
}

Test(packet, a_projection_on_other_headers_is_the_packet_itself)
{
	struct packet *expected = nameless(tcp_packet(arena, WIRE_RST, 1, 0, 0)), *udp = nameless(ipv4_packet(arena, LAYER_UDP));

	udp->payload_length = 4;
	cr_assert_str_eq(packet_print(packet_project(through_bytes(udp, arena), expected, arena), arena, true), "> udp (4)");
}

Test(packet, fields_are_given_set_and_any)
{
	struct layer layer = { .kind = LAYER_TCP };

	cr_assert_not(wire_given(&layer, WF_TCP_WIN));
	cr_assert_eq(wire_get(&layer, WF_TCP_WIN), 0);
	wire_set(&layer, WF_TCP_WIN, 5);
	cr_assert(wire_given(&layer, WF_TCP_WIN));
	cr_assert_eq(wire_get(&layer, WF_TCP_WIN), 5);
	wire_set_any(&layer, WF_TCP_WIN);
	cr_assert(wire_given(&layer, WF_TCP_WIN));
	for (unsigned field = 0; field < WF_COUNT; field++)
		cr_assert(wire_field_table[field].name && wire_field_table[field].bits >= 1 && wire_field_table[field].bits <= 48);
}

/* A layer's fields fit into its bits. */
Test(packet, no_layer_has_more_fields_than_it_has_room_for)
{
	unsigned count[LAYER_COUNT] = { 0 };

	for (unsigned field = 0; field < WF_COUNT; field++)
		cr_assert_leq(++count[wire_field_table[field].layer], LAYER_FIELDS);
}
