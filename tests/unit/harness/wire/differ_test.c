#include "support.h"

static struct arena *arena;
static struct packet_rules rules;
static struct packet_difference found[16];

static void set_up(void)
{
	arena = arena_new();
	memset(&rules, 0, sizeof(rules));
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(differ, .init = set_up, .fini = tear_down);

static unsigned differ(const struct packet *expected, const struct packet *actual)
{
	return packet_differ(expected, actual, &rules, arena, found, 16);
}

static void difference_is(unsigned i, const char *field, const char *expected, const char *actual)
{
	cr_assert_str_eq(found[i].field, field);
	cr_assert_str_eq(found[i].expected, expected);
	cr_assert_str_eq(found[i].actual, actual);
}

Test(differ, nothing_differs_from_itself)
{
	struct packet *packet = tcp_packet(arena, WIRE_ACK, 1, 10, 1);

	cr_assert_eq(differ(packet, through_bytes(packet, arena)), 0);
	rules.check_all = true;
	cr_assert_eq(differ(through_bytes(packet, arena), through_bytes(packet, arena)), 0);
}

Test(differ, every_differing_field_is_named)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK | WIRE_PSH, 1, 10, 1);
	struct packet *actual = tcp_packet(arena, WIRE_ACK, 2, 9, 3);

	wire_set(&expected->layer[0], WF_IPV4_TTL, 64);
	wire_set(&expected->layer[1], WF_TCP_WIN, 100);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 6);
	difference_is(0, "ipv4.ttl", "64", "255");
	difference_is(1, "tcp.seq", "1", "2");
	difference_is(2, "tcp.win", "100", "257");
	difference_is(3, "tcp.flags", "P.", ".");
	difference_is(4, "tcp.ack", "1", "3");
	difference_is(5, "payload length", "10", "9");
	cr_assert_eq(packet_differ(expected, through_bytes(actual, arena), &rules, arena, found, 2), 6, "all are counted");
}

/* The ends of list that fill the last word of an IP header's options are nobody's concern. */
Test(differ, padding_of_ip_options)
{
	struct packet *expected = ipv4_packet(arena, LAYER_UDP), *actual;
	struct wire_option options[] = { { .kind = 7, .length = 3, .blob = { .length = 1, .bytes = { 4 } } }, { .kind = 0, .length = 1 } };

	expected->payload_given = true;
	give_options(&expected->layer[0], options, 1);
	actual = through_bytes(expected, arena);
	cr_assert_eq(actual->layer[0].options, 2);
	cr_assert_eq(differ(expected, actual), 0);
	options[0].kind = 148;
	cr_assert_eq(differ(expected, actual), 1);
}

Test(differ, a_field_not_given_is_not_compared)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *actual = tcp_packet(arena, WIRE_ACK, 1, 0, 1);

	expected->layer[1].given &= ~(1u << (WF_TCP_WIN - WF_TCP_SPORT));
	wire_set(&actual->layer[1], WF_TCP_WIN, 5);
	wire_set(&actual->layer[0], WF_IPV4_ID, 77);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
	wire_set_any(&expected->layer[1], WF_TCP_WIN);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
}

/* packetdrill's scripts leave out an acknowledgement number, an urgent pointer and options that are not there. */
Test(differ, what_tcp_scripts_leave_out_is_zero_or_none)
{
	struct packet *expected = tcp_packet(arena, WIRE_RST, 1, 0, 0), *actual = tcp_packet(arena, WIRE_RST, 1, 0, 0);
	struct wire_option nop = { .kind = 1, .length = 1 };

	wire_set(&actual->layer[1], WF_TCP_ACK, 9);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.ack", "absent", "9");
	wire_set(&actual->layer[1], WF_TCP_ACK, 0);
	wire_set(&actual->layer[1], WF_TCP_URG, 3);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	wire_set(&actual->layer[1], WF_TCP_URG, 0);
	give_options(&actual->layer[1], &nop, 1);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.options", "none", "<nop,eol,eol,eol>");
	expected->layer[1].options_any = true;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
}

Test(differ, options_in_order_and_by_value)
{
	struct packet *expected = tcp_packet(arena, WIRE_SYN, 0, 0, 0), *actual = tcp_packet(arena, WIRE_SYN, 0, 0, 0);
	struct wire_option want[] = { { .kind = 2, .length = 4, .mss = 1460 }, { .kind = 4, .length = 2 },
				      { .kind = 8, .length = 10, .timestamp = { 100, 7 } } };
	struct wire_option have[] = { { .kind = 2, .length = 4, .mss = 1000 }, { .kind = 4, .length = 2 },
				      { .kind = 8, .length = 10, .timestamp = { 102, 8 } } };
	struct wire_option turned[] = { have[1], have[0], have[2] };

	give_options(&expected->layer[1], want, 3);
	give_options(&actual->layer[1], have, 3);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 2);
	difference_is(0, "option 1 (mss)", "mss 1460", "mss 1000");
	difference_is(1, "option 3 (TS val)", "TS val 100 ecr 7", "TS val 102 ecr 8");
	rules.timestamp_tolerance = 2;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1, "the echo is not compared, as in packetdrill");
	rules.timestamp_tolerance = 1;
	rules.ignore_timestamp_values = true;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	give_options(&actual->layer[1], turned, 3);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.options", "<mss 1460,sackOK,TS val 100 ecr 7>", "<sackOK,mss 1000,TS val 102 ecr 8>");
}

Test(differ, timestamps_wrap)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *actual = tcp_packet(arena, WIRE_ACK, 1, 0, 1);
	struct wire_option want = { .kind = 8, .length = 10, .timestamp = { 1, 0 } };
	struct wire_option have = { .kind = 8, .length = 10, .timestamp = { UINT32_MAX, 0 } };

	give_options(&expected->layer[1], &want, 1);
	give_options(&actual->layer[1], &have, 1);
	expected->layer[1].option = (struct wire_option[]){ want, { 0 }, { 0 } };
	expected->layer[1].options = 3;
	rules.timestamp_tolerance = 2;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
	rules.timestamp_tolerance = 1;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
}

Test(differ, ect01_takes_either)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *actual = tcp_packet(arena, WIRE_ACK, 1, 0, 1);

	wire_set(&expected->layer[0], WF_IPV4_ECN, WIRE_ECN_ECT01);
	for (unsigned ecn = 0; ecn < 4; ecn++) {
		wire_set(&actual->layer[0], WF_IPV4_ECN, ecn);
		cr_assert_eq(differ(expected, through_bytes(actual, arena)), ecn == 1 || ecn == 2 ? 0 : 1);
	}
	difference_is(0, "ipv4.ecn", "ect01", "ce");
}

Test(differ, ace_instead_of_the_ecn_flags)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1);
	struct packet *actual = tcp_packet(arena, WIRE_ACK | WIRE_AE | WIRE_ECE, 1, 0, 1);

	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.flags", ".", "EA.");
	wire_set(&expected->layer[1], WF_TCP_ACE, 5);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
	wire_set(&expected->layer[1], WF_TCP_ACE, 4);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.ace", "4", "5");
}

Test(differ, a_wrong_checksum_is_a_difference_unless_it_was_asked_for)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *actual = tcp_packet(arena, WIRE_ACK, 1, 0, 1);

	wire_set(&actual->layer[1], WF_TCP_CHECKSUM, 0x1234);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "tcp.checksum", "right", "wrong (0x1234)");
	wire_set(&expected->layer[1], WF_TCP_CHECKSUM, 0x1234);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
	wire_set_any(&expected->layer[1], WF_TCP_CHECKSUM);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
}

Test(differ, other_headers)
{
	struct packet *tcp = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *udp = ipv4_packet(arena, LAYER_UDP);

	cr_assert_eq(differ(tcp, through_bytes(udp, arena)), 1);
	difference_is(0, "headers", "ipv4 tcp", "ipv4 udp");
}

/* A script speaks of the packet; the link's header, and an IP header of which it says nothing, need not be there. */
Test(differ, layers_that_need_not_be_said)
{
	struct packet *bare = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *framed = packet_clone(bare, arena);

	memmove(&framed->layer[1], &framed->layer[0], 2 * sizeof(framed->layer[0]));
	framed->layer[0] = (struct layer){ .kind = LAYER_ETHERNET };
	framed->layers = 3;
	cr_assert_eq(differ(bare, through_bytes(framed, arena)), 0);
	bare->layer[0] = bare->layer[1];
	bare->layers = 1;
	cr_assert_eq(differ(bare, through_bytes(framed, arena)), 0);
}

Test(differ, contents)
{
	struct packet *expected = ipv4_packet(arena, LAYER_UDP), *actual = ipv4_packet(arena, LAYER_UDP);

	expected->payload_length = actual->payload_length = 5;
	expected->payload_given = true;
	actual->payload = (const uint8_t *)"hexlo";
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0, "only the length is known");
	expected->payload = (const uint8_t *)"hello";
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	difference_is(0, "payload at 2", "\"llo\"", "\"xlo\"");
}

Test(differ, quoted_packets)
{
	struct packet *expected = ipv4_packet(arena, LAYER_ICMP), *actual;

	wire_set(&expected->layer[1], WF_ICMP_TYPE, 3);
	expected->quoted = tcp_packet(arena, WIRE_ACK, 1, 1000, 1);
	expected->quoted->layer[1].given = 1u << (WF_TCP_SEQ - WF_TCP_SPORT);
	actual = packet_clone(expected, arena);
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 0);
	wire_set(&actual->quoted->layer[1], WF_TCP_SEQ, 2);
	actual->quoted->payload_length = 999;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 2);
	difference_is(0, "quoted tcp.seq", "1", "2");
	difference_is(1, "quoted payload length", "1000", "999");
	actual->quoted = NULL;
	cr_assert_eq(differ(expected, through_bytes(actual, arena)), 1);
	cr_assert_str_eq(found[0].field, "quoted packet");
	cr_assert_str_eq(found[0].actual, "none");
}

Test(differ, two_stacks_are_held_to_every_field)
{
	struct packet *first = tcp_packet(arena, WIRE_ACK, 1, 0, 1), *second = tcp_packet(arena, WIRE_ACK, 1, 0, 1);
	struct wire_option stamp = { .kind = 8, .length = 10, .timestamp = { 1, 2 } }, other = stamp;

	rules.check_all = true;
	wire_set(&second->layer[0], WF_IPV4_DF, 1);
	other.timestamp.ecr = 3;
	give_options(&first->layer[1], &stamp, 1);
	give_options(&second->layer[1], &other, 1);
	cr_assert_eq(differ(through_bytes(first, arena), through_bytes(second, arena)), 2);
	difference_is(0, "ipv4.df", "0", "1");
	cr_assert_str_eq(found[1].field, "option 1 (TS val)");
}

Test(differ, a_packet_cut_short)
{
	struct packet *expected = tcp_packet(arena, WIRE_ACK, 1, 0, 1), actual;
	size_t length;
	uint8_t *bytes;

	wire_set(&expected->layer[0], WF_IPV4_LENGTH, 50);
	bytes = encode(expected, arena, &length);
	packet_decode(bytes, length, false, arena, &actual);
	wire_set_any(&expected->layer[0], WF_IPV4_LENGTH);
	expected->payload_given = false;
	cr_assert_eq(differ(expected, &actual), 1);
	difference_is(0, "length", "as the headers say", "cut short at 40 bytes");
}
