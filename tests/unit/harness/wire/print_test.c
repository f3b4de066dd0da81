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

TestSuite(print, .init = set_up, .fini = tear_down);

#define PRINTS(packet, text) cr_assert_str_eq(packet_print(packet, arena, true), text)

Test(print, tcp_as_scripts_say_it)
{
	struct packet *packet = nameless(tcp_packet(arena, WIRE_ACK | WIRE_PSH, 1, 1000, 1));
	struct wire_option options[] = { { .kind = 1, .length = 1 }, { .kind = 1, .length = 1 },
					 { .kind = 8, .length = 10, .timestamp = { 100, 200 } } };

	give_options(&packet->layer[1], options, 3);
	PRINTS(through_bytes(packet, arena), "> P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 200>");
	PRINTS(packet, "> 8080 > 40000 P. 1:1001(1000) ack 1 win 257 <nop,nop,TS val 100 ecr 200>");
	cr_assert_eq(packet_print(packet, arena, false)[0], '<');
}

Test(print, every_flag)
{
	static const struct {
		unsigned flags;
		const char *text;
	} rows[] = {
		{ 0, "> - 5:5(0) win 257" }, { WIRE_FIN, "> F 5:5(0) win 257" }, { WIRE_SYN, "> S 5:5(0) win 257" },
		{ WIRE_RST, "> R 5:5(0) win 257" }, { WIRE_PSH, "> P 5:5(0) win 257" },
		{ WIRE_ACK, "> . 5:5(0) ack 7 win 257" }, { WIRE_URG, "> U 5:5(0) win 257 urg 0" },
		{ WIRE_ECE | WIRE_CWR | WIRE_SYN, "> SEW 5:5(0) win 257" }, { WIRE_AE, "> A 5:5(0) win 257" },
		{ 0x200, "> - reserved 1 5:5(0) win 257" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		PRINTS(through_bytes(nameless(tcp_packet(arena, rows[i].flags, 5, 0, 7)), arena), rows[i].text);
}

/* AccECN's counter is a digit where the script wrote one. */
Test(print, ace_as_a_digit)
{
	struct packet *packet = nameless(tcp_packet(arena, WIRE_ACK, 1, 0, 1));

	packet->layer[1].given &= ~3u;	/* no ports */
	wire_set(&packet->layer[1], WF_TCP_ACE, 5);
	PRINTS(packet, "> .5 1:1(0) ack 1 win 257");
}

Test(print, what_is_out_of_the_ordinary_in_an_ip_header)
{
	struct packet *packet = nameless(tcp_packet(arena, WIRE_ACK, 1, 0, 1));
	struct layer *ip = &packet->layer[0];

	wire_set(ip, WF_IPV4_TTL, 1);
	PRINTS(through_bytes(packet, arena), "> . 1:1(0) ack 1 win 257");
	wire_set(ip, WF_IPV4_ECN, 2);
	PRINTS(through_bytes(packet, arena), "> [ect0] . 1:1(0) ack 1 win 257");
	wire_set(ip, WF_IPV4_TOS, 0x10);
	PRINTS(through_bytes(packet, arena), "> [tos 0x12, ect0] . 1:1(0) ack 1 win 257");
	wire_set(ip, WF_IPV4_MF, 1);
	wire_set(ip, WF_IPV4_ID, 5);
	PRINTS(through_bytes(packet, arena), "> [tos 0x12, ect0, id 5, mf, offset 0] . 1:1(0) ack 1 win 257");
	wire_set(ip, WF_IPV4_CHECKSUM, 1);
	PRINTS(through_bytes(packet, arena), "> [tos 0x12, ect0, id 5, mf, offset 0, checksum 0x1] . 1:1(0) ack 1 win 257");
}

Test(print, what_a_script_said_of_an_ip_header)
{
	struct packet *packet = nameless(tcp_packet(arena, WIRE_ACK, 1, 0, 1));

	packet->layer[1].given &= ~3u;
	wire_set(&packet->layer[0], WF_IPV4_ECN, 0);
	wire_set(&packet->layer[0], WF_IPV4_TTL, 64);
	PRINTS(packet, "> [noecn, ttl 64] . 1:1(0) ack 1 win 257");
	wire_set(&packet->layer[0], WF_IPV4_ECN, WIRE_ECN_ECT01);
	packet->layer[1].options_any = true;
	PRINTS(packet, "> [ect01, ttl 64] . 1:1(0) ack 1 win 257 <...>");
}

Test(print, datagrams)
{
	struct packet *udp = nameless(ipv4_packet(arena, LAYER_UDP)), *lite = nameless(ipv4_packet(arena, LAYER_UDPLITE));

	udp->payload_length = 10;
	PRINTS(through_bytes(udp, arena), "> udp (10)");
	udp->payload = (const uint8_t *)"ab\"\\\0\x7f\xff  !";
	PRINTS(udp, "> udp (10) \"ab\\\"\\\\\\x00\\x7f\\xff  !\"");
	wire_set(&lite->layer[1], WF_UDPLITE_COVERAGE, 8);
	PRINTS(through_bytes(lite, arena), "> udplite (0) coverage 8");
}

Test(print, icmp)
{
	struct packet *packet = nameless(ipv4_packet(arena, LAYER_ICMP));
	struct layer *icmp = &packet->layer[1];

	wire_set(icmp, WF_ICMP_TYPE, 8);
	wire_set(icmp, WF_ICMP_ID, 7);
	packet->payload_length = 56;
	packet->payload_given = true;
	PRINTS(through_bytes(packet, arena), "> icmp echo_request id 7 [raw (64)]");
	wire_set(icmp, WF_ICMP_TYPE, 3);
	wire_set(icmp, WF_ICMP_CODE, 3);
	icmp->given &= ~(1u << (WF_ICMP_ID - WF_ICMP_TYPE));
	packet->payload_length = 0;
	packet->payload_given = false;
	packet->quoted = nameless(ipv4_packet(arena, LAYER_UDP));
	packet->quoted->payload_length = 10;
	PRINTS(packet, "> icmp unreachable port_unreachable [udp (10)]");
	PRINTS(through_bytes(packet, arena), "> icmp unreachable port_unreachable [udp (10)]");
	packet->quoted = NULL;
	wire_set(icmp, WF_ICMP_TYPE, 77);
	wire_set(icmp, WF_ICMP_CODE, 99);
	PRINTS(packet, "> icmp type_77 code_99");
}

Test(print, tunnels)
{
	struct packet packet = { .layers = 4 };

	packet.layer[0].kind = LAYER_IPV4;
	packet.layer[1].kind = LAYER_MPLS;
	packet.layer[2].kind = LAYER_IPV4;
	packet.layer[3].kind = LAYER_TCP;
	wire_set(&packet.layer[0], WF_IPV4_SRC, 0x01020304);
	wire_set(&packet.layer[0], WF_IPV4_DST, 0x05060708);
	wire_set(&packet.layer[1], WF_MPLS_LABEL, 16);
	wire_set(&packet.layer[1], WF_MPLS_TTL, 64);
	wire_set(&packet.layer[3], WF_TCP_FLAGS, WIRE_ACK);
	PRINTS(through_bytes(&packet, arena),
	       "> ipv4 1.2.3.4 > 5.6.7.8: mpls (label 16, tc 0, [S], ttl 64): . 0:0(0) ack 0 win 0");
}

Test(print, arp_and_igmp_by_field)
{
	struct packet arp = { .layers = 2 }, *igmp = nameless(ipv4_packet(arena, LAYER_IGMP));

	arp.layer[0].kind = LAYER_ETHERNET;
	arp.layer[1].kind = LAYER_ARP;
	wire_set(&arp.layer[1], WF_ARP_SPA, 0xc0a80001);
	PRINTS(through_bytes(&arp, arena), "> arp who-has 0.0.0.0 tell 192.168.0.1 sha 00:00:00:00:00:00");
	wire_set(&arp.layer[1], WF_ARP_OP, 2);
	wire_set(&arp.layer[1], WF_ARP_SHA, UINT64_C(0x020000000001));
	wire_set(&arp.layer[1], WF_ARP_HLEN, 7);
	PRINTS(through_bytes(&arp, arena),
	       "> arp reply 192.168.0.1 is-at 02:00:00:00:00:01 hlen 7 tha 00:00:00:00:00:00 tpa 0.0.0.0");
	wire_set(&igmp->layer[1], WF_IGMP_TYPE, 0x16);
	wire_set(&igmp->layer[1], WF_IGMP_GROUP, 0xe0000009);
	PRINTS(igmp, "> igmp v2 report group 224.0.0.9");
}
