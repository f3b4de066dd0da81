/* What the tree of a script holds. */
#include "harness/script/ast.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/arena.h"

static struct script *parse_with(const char *text, const struct define *defines, unsigned count)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_parse("test.pkt", text, strlen(text), defines, count, &diagnostics);

	if (diagnostics.count)
		diagnostics_print(&diagnostics, script, NULL, text, strlen(text), false, stderr);
	diagnostics_free(&diagnostics);
	return script;
}

static struct script *parse(const char *text)
{
	struct script *script = parse_with(text, NULL, 0);

	cr_assert_not_null(script, "does not parse: %s", text);
	return script;
}

/* The first message about a script that must not parse or not pass the checks. */
static void rejected(const char *text, int line, int column, const char *message)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_parse("test.pkt", text, strlen(text), NULL, 0, &diagnostics);

	if (script)
		cr_assert(script_check(script, &diagnostics), "accepted: %s", text);
	cr_assert_geq(diagnostics.count, 1);
	cr_assert_str_eq(diagnostics.item[0].message, message);
	cr_assert_eq(diagnostics.item[0].span.line, line, "line %d", diagnostics.item[0].span.line);
	cr_assert_eq(diagnostics.item[0].span.column, column, "column %d", diagnostics.item[0].span.column);
	script_free(script);
	diagnostics_free(&diagnostics);
}

static const struct packet *packet_of(const struct event *event)
{
	cr_assert_eq(event->kind, EVENT_PACKET);
	return &event->packet->packet;
}

Test(parse, times)
{
	struct script *script = parse("0 close(3) = 0\n+.1 close(3) = 0\n1.000000001 close(3) = 0\n* > . 1:1(0) ack 1\n"
				      "+0.1~+0.25 > . 1:1(0) ack 1\n2~3 > . 1:1(0) ack 1\n+0...0.2 close(3) = 0\n"
				      "+0 expect nothing for 1.5\n");
	const struct event *event = script->events;

	cr_assert_eq(script->event_count, 8);
	cr_assert(event->time.kind == TIME_ABSOLUTE && event->time.at == 0);
	event = event->next;
	cr_assert(event->time.kind == TIME_RELATIVE && event->time.at == 100 * PL_NSEC_PER_MSEC);
	event = event->next;
	cr_assert(event->time.kind == TIME_ABSOLUTE && event->time.at == PL_NSEC_PER_SEC + 1);
	event = event->next;
	cr_assert_eq(event->time.kind, TIME_ANY);
	event = event->next;
	cr_assert(event->time.kind == TIME_RELATIVE_RANGE && event->time.at == 100 * PL_NSEC_PER_MSEC &&
		  event->time.until == 250 * PL_NSEC_PER_MSEC);
	event = event->next;
	cr_assert(event->time.kind == TIME_ABSOLUTE_RANGE && event->time.until == 3 * PL_NSEC_PER_SEC);
	event = event->next;
	cr_assert(event->call->blocking && event->call->end == 200 * PL_NSEC_PER_MSEC);
	event = event->next;
	cr_assert(event->kind == EVENT_NOTHING && event->quiet == 1500 * PL_NSEC_PER_MSEC);
	cr_assert_null(event->next);
	script_free(script);
}

Test(parse, line_ends_mean_nothing)
{
	struct script *script = parse("0 close(\n3\n)\n=\n0 +0 < S\n0:0(0)\nwin 5 +1 > . 1:1(0) ack 1 5 close(3)=0");

	cr_assert_eq(script->event_count, 4);
	cr_assert_eq(wire_get(packet_layer(packet_of(script->events->next), LAYER_TCP), WF_TCP_WIN), 5);
	cr_assert_eq(script->events->next->next->next->time.at, 5 * PL_NSEC_PER_SEC);
	script_free(script);
}

Test(parse, options_commands_and_code)
{
	struct script *script = parse("// first\n--mtu=1400 --local_ip=fd00::1\n--strict_segments\n--so_flags=\"a b\"\n"
				      "--define=CC=\"reno\"\n`init \\`x\\``\n0 %{ \t print(1)  }%\n+0 `now`\n`cleanup`\n");

	cr_assert_eq(script->options, 5);
	cr_assert_str_eq(script->option[0].value, "1400");
	cr_assert_str_eq(script->option[1].value, "fd00::1");
	cr_assert_null(script->option[2].value);
	cr_assert_str_eq(script->option[3].value, "a b");
	cr_assert_str_eq(script->option[4].value, "CC=\"reno\"");
	cr_assert_eq(script->option[2].span.line, 3);
	cr_assert_str_eq(script->init_command, "init \\`x\\`");
	cr_assert_str_eq(script->events->text, "print(1)");
	cr_assert_str_eq(script->events->next->text, "now");
	cr_assert_str_eq(script->cleanup_command, "cleanup");
	script_free(script);
}

Test(parse, call)
{
	struct script *script =
	    parse("0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 10}], msg_flags=0}, MSG_PEEK|0x2) = -1 EAGAIN "
		  "(Resource temporarily unavailable)\n");
	const struct call_spec *call = script->events->call;
	const struct expr *message = call->argument[1];

	cr_assert_str_eq(call->name, "recvmsg");
	cr_assert_eq(call->arguments, 3);
	cr_assert_eq(call->argument[0]->integer, 4);
	cr_assert_eq(message->kind, EXPR_STRUCT);
	cr_assert_eq(message->members, 3);
	cr_assert_str_eq(message->member[1].name, "msg_iov");
	cr_assert_eq(message->member[1].argument->integer, 1);
	cr_assert_eq(message->member[1].value->kind, EXPR_LIST);
	cr_assert_eq(message->member[1].value->member[0].value->kind, EXPR_STRUCT);
	cr_assert_eq(call->argument[2]->kind, EXPR_OR);
	cr_assert(call->argument[2]->member[1].value->hexadecimal);
	cr_assert_eq(call->result->integer, -1);
	cr_assert_str_eq(call->errno_name, "EAGAIN");
	cr_assert_str_eq(call->note, "Resource temporarily unavailable");
	cr_assert_eq(call->name_span.column, 3);
	script_free(script);
}

Test(parse, strings)
{
	struct script *script = parse("0 write(3, \"a\\n\\x00\\\\\" \"\\\"b\", 6) = \"c\"\n+0 read(3, \"ab\"..., 6) = 6\n");
	const struct expr *string = script->events->call->argument[1];

	cr_assert_eq(string->length, 6);
	cr_assert_eq(memcmp(string->bytes, "a\n\0\\\"b", 6), 0);
	cr_assert_not(string->open_ended);
	cr_assert(script->events->next->call->argument[1]->open_ended);
	script_free(script);
}

Test(parse, arithmetic_binds_as_in_c)
{
	struct script *script = parse("0 listen(1 + 2 * 3 << 1 | 8, -(4 - 1)) = (2 + 3)\n");
	const struct call_spec *call = script->events->call;
	const struct expr *expr = call->argument[0];

	cr_assert_eq(expr->kind, EXPR_OR);
	expr = expr->member[0].value;
	cr_assert_eq(expr->operator, '<');
	expr = expr->member[0].value;
	cr_assert_eq(expr->operator, '+');
	cr_assert_eq(expr->member[1].value->operator, '*');
	cr_assert_eq(call->argument[1]->operator, '-');
	cr_assert_eq(call->argument[1]->member[0].value->integer, 0);
	cr_assert_eq(call->result->operator, '+');
	script_free(script);
}

Test(parse, operators)
{
	int64_t value;

	cr_assert(expr_operate('<', 1, 63, &value) && value == INT64_MIN);
	cr_assert(expr_operate('<', 1, 64, &value) && value == 0);
	cr_assert(expr_operate('+', INT64_MAX, 1, &value) && value == INT64_MIN);
	cr_assert(expr_operate('/', -7, 2, &value) && value == -3);
	cr_assert_not(expr_operate('/', 1, 0, &value));
	cr_assert_not(expr_operate('/', INT64_MIN, -1, &value));
	cr_assert_not(expr_operate('%', 1, 1, &value));
}

Test(parse, tcp_packet_says_what_it_says)
{
	struct script *script =
	    parse("0 > P. 1:1001(1000) ack 5\n+0 < [tos 0x10] S 0:0(0) win 100 <mss 1460,nop,nop,sackOK>\n");
	const struct packet *packet = packet_of(script->events);
	const struct layer *tcp = packet_layer(packet, LAYER_TCP), *ip = packet_layer(packet, LAYER_IPV4);

	cr_assert_eq(packet->layers, 2);
	cr_assert_eq(packet->payload_length, 1000);
	cr_assert(packet->payload_given && !packet->payload);
	cr_assert_eq(wire_get(tcp, WF_TCP_FLAGS), WIRE_PSH | WIRE_ACK);
	cr_assert_eq(wire_get(tcp, WF_TCP_END), 1001);
	cr_assert_not(wire_given(tcp, WF_TCP_WIN));
	cr_assert_not(wire_given(tcp, WF_TCP_SPORT));
	cr_assert_eq(ip->given, 0);
	cr_assert(tcp->options_given && !tcp->options && !tcp->options_any);
	packet = packet_of(script->events->next);
	cr_assert_eq(wire_get(packet_layer(packet, LAYER_IPV4), WF_IPV4_TOS), 0x10);
	tcp = packet_layer(packet, LAYER_TCP);
	cr_assert_eq(tcp->options, 4);
	cr_assert(tcp->option[0].mss == 1460 && tcp->option[0].length == 4 && tcp->option[3].kind == 4);
	script_free(script);
}

Test(parse, tcp_options)
{
	struct script *script =
	    parse("0 > . 1:1(0) ack 1 <TS val 1 ecr 2,sack 3:4 5:6>\n+0 > . 1:1(0) ack 1 <...>\n"
		  "+0 > . 1:1(0) ack 1 <FO 1234abcd,FOEXP,nop,nop,eol,eol,nop,nop>\n"
		  "+0 > . 1:1(0) ack 1 <ECN e1b 1 ceb 2 e0b 3,nop>\n+0 > . 1:1(0) ack 1 <md5 0011,wscale 7,nop>\n");
	const struct event *event = script->events;
	const struct layer *tcp = packet_layer(packet_of(event), LAYER_TCP);

	cr_assert(tcp->option[0].timestamp.val == 1 && tcp->option[0].timestamp.ecr == 2 && tcp->option[0].length == 10);
	cr_assert(tcp->option[1].sack.count == 2 && tcp->option[1].sack.block[1].end == 6 && tcp->option[1].length == 18);
	tcp = packet_layer(packet_of(event = event->next), LAYER_TCP);
	cr_assert(tcp->options_any);
	tcp = packet_layer(packet_of(event = event->next), LAYER_TCP);
	cr_assert(tcp->option[0].kind == 34 && tcp->option[0].length == 6 && tcp->option[0].blob.bytes[3] == 0xcd);
	cr_assert(tcp->option[1].kind == 254 && tcp->option[1].length == 4 && tcp->option[1].blob.experimental);
	tcp = packet_layer(packet_of(event = event->next), LAYER_TCP);
	cr_assert(tcp->option[0].kind == 174 && tcp->option[0].length == 11 && tcp->option[0].accecn.count == 3);
	cr_assert(tcp->option[0].accecn.order[0] == 1 && tcp->option[0].accecn.order[2] == 0 &&
		  tcp->option[0].accecn.value[2] == 3);
	tcp = packet_layer(packet_of(event = event->next), LAYER_TCP);
	cr_assert(tcp->option[0].kind == 19 && tcp->option[0].blob.length == 2 && tcp->option[1].wscale == 7);
	script_free(script);
}

Test(parse, tcp_flags)
{
	static const struct {
		const char *text;
		unsigned flags;
		int ace;
	} forms[] = {
		{ ".", WIRE_ACK, -1 },
		{ "-", 0, -1 },
		{ "SEWA", WIRE_SYN | WIRE_ECE | WIRE_CWR | WIRE_AE, -1 },
		{ ".5", WIRE_ACK | 5 << 6, 5 },
		{ "P.5", WIRE_PSH | WIRE_ACK | 5 << 6, 5 },
		{ "FRU", WIRE_FIN | WIRE_RST | WIRE_URG, -1 },
		{ "S.", WIRE_SYN | WIRE_ACK, -1 },
		{ ".0", WIRE_ACK, -1 },
		{ "S3", WIRE_SYN | 3 << 6, 3 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		char text[80];
		struct script *script;
		const struct layer *tcp;

		snprintf(text, sizeof(text), "0 > %s 1:1(0)\n", forms[i].text);
		script = parse(text);
		tcp = packet_layer(packet_of(script->events), LAYER_TCP);
		cr_assert_eq(wire_get(tcp, WF_TCP_FLAGS), forms[i].flags, "%s", forms[i].text);
		cr_assert_eq(wire_given(tcp, WF_TCP_ACE), forms[i].ace >= 0, "%s", forms[i].text);
		script_free(script);
	}
}

Test(parse, ip_header)
{
	struct script *script =
	    parse("0 < [ttl 3, id 5, df, mf 0, offset 1480, proto 17, checksum 0x1234, ihl 6, length 40, src 1.2.3.4, "
		  "dst 255.0.0.1, ect1, reserved, version 5] udp 7 > 9 (5) length 3 checksum 0 \"hello\"\n");
	const struct packet *packet = packet_of(script->events);
	const struct layer *ip = packet_layer(packet, LAYER_IPV4), *udp = packet_layer(packet, LAYER_UDP);

	cr_assert_eq(wire_get(ip, WF_IPV4_TTL), 3);
	cr_assert_eq(wire_get(ip, WF_IPV4_OFFSET), 185);
	cr_assert(wire_given(ip, WF_IPV4_DF) && wire_get(ip, WF_IPV4_DF) == 1);
	cr_assert(wire_given(ip, WF_IPV4_MF) && wire_get(ip, WF_IPV4_MF) == 0);
	cr_assert_eq(wire_get(ip, WF_IPV4_SRC), 0x01020304);
	cr_assert_eq(wire_get(ip, WF_IPV4_DST), 0xff000001);
	cr_assert_eq(wire_get(ip, WF_IPV4_ECN), 1);
	cr_assert_eq(wire_get(udp, WF_UDP_SPORT), 7);
	cr_assert_eq(wire_get(udp, WF_UDP_LENGTH), 3);
	cr_assert(wire_given(udp, WF_UDP_CHECKSUM));
	cr_assert_eq(packet->payload_length, 5);
	cr_assert_eq(memcmp(packet->payload, "hello", 5), 0);
	script_free(script);
}

Test(parse, prefixes)
{
	struct script *script = parse(
	    "--link=tun1\n0 < tun1: ipv4 [ttl 9] 1.1.1.1 > 2.2.2.2: gre: mpls (label 5, tc 1, [S], ttl 2): . 1:1(0) win 1\n"
	    "+0 > encap psp spi 7 F. 1:1(0) ack 1\n+0 > ipv6 ::1 > fe80::1: udp (3)\n");
	const struct packet *packet = packet_of(script->events);

	cr_assert_str_eq(script->events->packet->link, "tun1");
	cr_assert_eq(packet->layers, 5);
	cr_assert_eq(packet->layer[0].kind, LAYER_IPV4);
	cr_assert_eq(wire_get(&packet->layer[0], WF_IPV4_DST), 0x02020202);
	cr_assert_eq(packet->layer[1].kind, LAYER_GRE);
	cr_assert_eq(wire_get(&packet->layer[2], WF_MPLS_BOTTOM), 1);
	cr_assert_eq(packet->layer[3].kind, LAYER_IPV4);
	packet = packet_of(script->events->next);
	cr_assert_eq(packet->layers, 4);
	cr_assert_eq(wire_get(&packet->layer[2], WF_PSP_SPI), 7);
	packet = packet_of(script->events->next->next);
	cr_assert_eq(packet->layer[0].destination6.s6_addr[0], 0xfe);
	script_free(script);
}

Test(parse, icmp)
{
	struct script *script =
	    parse("0 < icmp unreachable frag_needed mtu 1200 [1:1001(1000)]\n+0 < icmp unreachable port_unreachable [udp (7)]\n"
		  "+0 > icmp echo_reply id 3 seq 4 [raw (13)] \"hello\"\n+0 < icmp redirect redirect_host gateway 10.0.0.1\n"
		  "+0 < icmp type_42 code_7\n+0 < icmp time_exceeded [[ttl 1] 7 > 9 S 5:5(0) win 3]\n");
	const struct event *event = script->events;
	const struct packet *packet = packet_of(event);

	cr_assert_eq(wire_get(packet_layer(packet, LAYER_ICMP), WF_ICMP_MTU), 1200);
	cr_assert_eq(packet_layer(packet->quoted, LAYER_TCP)->given,
		     1u << (WF_TCP_SEQ - WF_TCP_SPORT) | 1u << (WF_TCP_END - WF_TCP_SPORT));
	cr_assert_eq(packet->quoted->payload_length, 1000);
	packet = packet_of(event = event->next);
	cr_assert_eq(packet->quoted->payload_length, 7);
	cr_assert_not_null(packet_layer(packet->quoted, LAYER_UDP));
	packet = packet_of(event = event->next);
	cr_assert_null(packet->quoted);
	cr_assert_eq(packet->payload_length, 5);
	packet = packet_of(event = event->next);
	cr_assert_eq(wire_get(packet_layer(packet, LAYER_ICMP), WF_ICMP_GATEWAY), 0x0a000001);
	cr_assert_not(packet->payload_given);
	packet = packet_of(event = event->next);
	cr_assert_eq(wire_get(packet_layer(packet, LAYER_ICMP), WF_ICMP_CODE), 7);
	packet = packet_of(event->next);
	cr_assert_eq(wire_get(packet_layer(packet->quoted, LAYER_TCP), WF_TCP_DPORT), 9);
	cr_assert_eq(wire_get(packet_layer(packet->quoted, LAYER_IPV4), WF_IPV4_TTL), 1);
	script_free(script);
}

Test(parse, ip_version_six)
{
	struct script *script =
	    parse("--ip_version=ipv6\n0 > [flowlabel 0x3, tos 0x8] . 1:1(0) ack 1\n+0 < icmp unreachable no_route\n");
	const struct packet *packet = packet_of(script->events);

	cr_assert_eq(packet->layer[0].kind, LAYER_IPV6);
	cr_assert_eq(wire_get(&packet->layer[0], WF_IPV6_FLOWLABEL), 3);
	cr_assert_eq(packet_of(script->events->next)->layer[1].kind, LAYER_ICMPV6);
	script_free(script);
}

Test(parse, defines)
{
	static const struct define defines[] = {
		{ "MSS", "1000" },    { "HEX", "0x10" },   { "CC", "\"reno\"" },           { "LEVEL", "SOL_IP" },
		{ "COOKIE", "12ab" }, { "RUN", "`true`" }, { "CODE", "host_unreachable" }, { "MSS", "1460" }
	};
	struct script *script = parse_with("--define=HEX=5\n0 setsockopt(3, LEVEL, HEX, CC, 4) = 0\n+0 RUN\n"
					   "+0 < icmp unreachable CODE\n+0 < S 0:0(0) win 1 <mss MSS,FO COOKIE>\n",
					   defines, 8);
	const struct call_spec *call;
	const struct layer *tcp;

	cr_assert_not_null(script);
	call = script->events->call;
	cr_assert_str_eq(call->argument[1]->word, "SOL_IP");
	cr_assert_eq(call->argument[2]->integer, 16, "the command line wins over the script");
	cr_assert_str_eq(call->argument[3]->bytes, "reno");
	cr_assert_str_eq(script->events->next->text, "true");
	cr_assert_eq(wire_get(packet_layer(packet_of(script->events->next->next), LAYER_ICMP), WF_ICMP_CODE), 1);
	tcp = packet_layer(packet_of(script->events->next->next->next), LAYER_TCP);
	cr_assert_eq(tcp->option[0].mss, 1460, "the later define wins");
	cr_assert_eq(tcp->option[1].blob.bytes[1], 0xab);
	script_free(script);
}

Test(parse, words_that_a_define_may_explain)
{
	struct script *script = parse("0 < S 0:0(0) win WIN <mss MSS,FO COOKIE>\n+0 < icmp TYPE CODE\n");
	struct diagnostics diagnostics = { 0 };
	const struct layer *tcp = packet_layer(packet_of(script->events), LAYER_TCP);

	cr_assert_eq(script->undefineds, 5);
	cr_assert(tcp->option[0].any_value && tcp->option[1].any_value);
	cr_assert(wire_given(tcp, WF_TCP_WIN) && tcp->any);
	cr_assert_eq(script_check_undefined(script, &diagnostics), 0);
	cr_assert_eq(diagnostics.count, 5);
	cr_assert_eq(diagnostics.item[0].level, DIAGNOSTIC_NOTE);
	diagnostics_free(&diagnostics);
	cr_assert_eq(script_check(script, &diagnostics), 5);
	diagnostics_free(&diagnostics);
	script_free(script);
}

Test(parse, bytes_of_every_value)
{
	char text[3] = "0 ";

	for (int byte = 0; byte < 256; byte++) {
		struct diagnostics diagnostics = { 0 };

		text[1] = (char)byte;
		cr_assert_null(script_parse(NULL, text, 2, NULL, 0, &diagnostics));
		cr_assert_geq(diagnostics.count, 1);
		diagnostics_free(&diagnostics);
	}
}

Test(parse, deep_nesting_is_refused)
{
	struct diagnostics diagnostics = { 0 };
	size_t depth = 100000;
	char *text = malloc(depth + 16);

	strcpy(text, "0 f(");
	memset(text + 4, '[', depth);
	cr_assert_null(script_parse(NULL, text, depth + 4, NULL, 0, &diagnostics));
	cr_assert_geq(diagnostics.count, 1);
	diagnostics_free(&diagnostics);
	free(text);
}

Test(parse, rejects)
{
	rejected("0 acept(3, ..., ...) = 4\n", 1, 3, "unknown call 'acept'; did you mean accept?");
	rejected("0 close(3) = 0\n+0 < P. 1:10(10) ack 1 win 5\n", 2, 9, "the sequence numbers and the length do not agree");
	rejected("0 close(3) = 0\n+0 < S 0:0(0)\n", 2, 6, "an inbound TCP packet needs a window");
	rejected("--mtu=x\n0 close(3) = 0\n", 1, 1, "bad value 'x' of --mtu");
	rejected("0 < tun9: . 1:1(0) win 1\n", 1, 5, "there is no link 'tun9'");
	rejected("1 close(3) = 0\n0.5 close(3) = 0\n", 2, 1, "time goes backward from 1 to 0.5");
}

/* Sequence numbers wrap. */
Test(parse, sequence_numbers_wrap)
{
	struct script *script = parse("0 > . 4294967295:9(10) ack 1\n");

	cr_assert_eq(wire_get(packet_layer(packet_of(script->events), LAYER_TCP), WF_TCP_END), 9);
	script_free(script);
}

/* What is printed of a packet parses to the same packet. */
Test(parse, printed_packets_parse_again)
{
	static const char *const lines[] = {
		"< S 0:0(0) win 32792 <mss 1000,sackOK,nop,nop,nop,wscale 7>",
		"> P. 1:1001(1000) ack 1",
		"> [ect01] . 1:1(0) ack 1 <...>",
		"< [tos 0x10, id 5, df, mf, offset 1480, ttl 64] udp 1 > 2 (5) \"hello\"",
		"> .5 1:1(0) ack 1 <nop,nop,TS val 1 ecr 2>",
		"< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]",
		"< icmp echo_request id 4 seq 5 [raw (13)] \"hello\"",
		"> ipv4 1.1.1.1 > 2.2.2.2: . 1:1(0) ack 1",
		"> mpls (label 1, tc 0, ttl 9) (label 2, tc 3, [S], ttl 4): . 1:1(0) ack 1",
		"< P. 1:4(3) ack 1 win 9 \"a\\\"\\x01\"",
		"> encap psp spi 7 . 1:1(0) ack 1",
		"< udplite (8) coverage 12",
		"< igmp v2 query maxresp 100 group 224.0.0.1",
		"< igmp v1 query",
		"> [<...>] udp (5)",
		"< [ttl 1, <ra,nop,eol>] udp (5)",
		"< [<rr {}>] udp (5)",
		"< [<rr slots 9 {}>] udp (5)",
		"< [<rr slots 3 {10.0.0.1},nop>] udp (5)",
		"< [<rr ptr 5 {10.0.0.1, 0.0.0.0}>] udp (5)",
		"< [<lsrr {10.0.0.1, 10.0.0.2},nop>] udp (5)",
		"< [<ssrr ptr 8 {10.0.0.1}>] udp (5)",
		"< [<ts tsonly slots 4 {}>] udp (5)",
		"> [<ts tsonly slots 4 {..., 7}>] udp (5)",
		"> [<ts tsandaddr slots 4 ovfl 3 {10.0.0.1=..., 10.0.0.2=5}>] udp (5)",
		"< [<ts tsprespec {10.0.0.1=..., 10.0.0.2}>] udp (5)",
		"< [<ra 5,sid 7>] udp (5)",
		"< [<sec \"\\x00\\x01\",cipso \"abc\">] udp (5)",
		"> [<ra ...,kind 99 ...>] udp (5)",
		"< [<kind 99 \"ab\",kind 7 length 3>] udp (5)",
		"< [<nop,nop,nop,kind 7 cut>] udp (5)",
		"< [<kind 68 length 1 \"\\x05\">] udp (5)",
		"< [src 10.0.0.1, dst 10.0.0.2] udp (5)",
		"< igmp query group 224.0.0.1",
		"> igmp v1 report group 239.0.0.1",
		"> igmp v2 report group 239.0.0.1",
		"> igmp leave group 239.0.0.1",
		"< igmp type 0x13 checksum 0x1234 group 239.0.0.1",
		"< igmp v3 query maxresp 10 group 239.0.0.1 suppress 1 qrv 2 qqic 125 {10.0.0.1, 10.0.0.2}",
		"< igmp v3 query nsrcs 3 {}",
		"> igmp v3 report []",
		"> igmp v3 report [to_ex 239.0.0.1 {}, allow 239.0.0.2 {10.0.0.1, 10.0.0.2}, block 239.0.0.3 {10.0.0.1}]",
		"< igmp v3 report reserved 7 nrecs 2 [is_in 239.0.0.1 nsrcs 2 {10.0.0.1}, type_9 239.0.0.2 auxlen 3 {} \"abcd\"]",
		"> R 1:1(0)",
		"> arp who-has 192.168.0.2 tell 192.168.0.1",
		"< arp reply 192.168.0.2 is-at 02:00:00:00:01:01",
		("< arp who-has 192.168.0.2 tell 192.168.0.1 htype 6 ptype 0x86dd hlen 8 plen 16 sha 02:00:00:00:00:09 "
		 "tha ff:ff:ff:ff:ff:ff"),
		"< arp op 3 sha 02:00:00:00:00:09 spa 10.0.0.1",
		"> eth 02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff: arp who-has 10.0.0.2",
		"> eth ... > 01:00:5e:00:00:01: [ttl 1] udp (8)",
		"< eth 02:00:00:00:01:01 > 02:00:00:00:00:01 type 0x88cc: raw (4) \"\\x00\\x01\\x02\\x03\"",
		"< eth 02:00:00:00:01:01 > 02:00:00:00:00:01 type 0x0806: raw (2)",
	};
	struct arena *arena = arena_new();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct script *script = parse(arena_printf(arena, "0 %s\n", lines[i]));

		cr_assert_str_eq(packet_print(packet_of(script->events), arena, lines[i][0] == '>'), lines[i]);
		script_free(script);
	}
	arena_free(arena);
}

Test(parse, fragments)
{
	struct script *script = parse("0 < fragment [ttl 9, mf 0] 8:24 of [id 7] udp (100)\n");
	const struct packet_spec *spec = script->events->packet;

	cr_assert(spec->is_fragment && spec->from == 8 && spec->until == 24);
	cr_assert_eq(wire_get(&spec->fragment, WF_IPV4_TTL), 9);
	cr_assert(wire_given(&spec->fragment, WF_IPV4_MF));
	cr_assert_eq(wire_get(&spec->packet.layer[0], WF_IPV4_ID), 7);
	cr_assert_eq(spec->packet.payload_length, 100);
	script_free(script);
	rejected("0 < fragment 4:8 of udp (100)\n", 1, 14, "a fragment cannot begin at byte 4");
	rejected("0 < fragment 16:8 of udp (100)\n", 1, 17, "the fragment is upside down");
	rejected("0 < fragment 0:8 of arp who-has 10.0.0.1\n", 1, 14, "only an IPv4 packet has fragments");
}

static struct script *parse_case(const char *text, const char *name)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_parse_case("test.pkt", name, text, strlen(text), NULL, 0, &diagnostics);

	diagnostics_free(&diagnostics);
	return script;
}

Test(parse, tables)
{
	static const char text[] = "table {\n\tcase | A | B // names\n\n one | 1 | -1 EINVAL (bad)\n two | (2|4) | 0\n}\n"
				   "table {\nC\n7\n8\n}\n0 listen(A, C) = B\n";
	struct script *script = parse(text);
	struct arena *arena = arena_new();
	const struct call_spec *call = script->events->call;

	cr_assert_eq(script_cases(script), 4);
	cr_assert_str_eq(script_case_name(script, 0, arena), "one,1");
	cr_assert_str_eq(script_case_name(script, 3, arena), "two,2");
	cr_assert_eq(call->argument[0]->integer, 1);
	cr_assert_eq(call->argument[1]->integer, 7);
	cr_assert_str_eq(call->errno_name, "EINVAL");
	cr_assert_str_eq(call->note, "bad");
	cr_assert_eq(call->argument[0]->span.line, 4);
	cr_assert_eq(call->argument[0]->span.column, 8);
	script_free(script);
	script = parse_case(text, "two,2");
	call = script->events->call;
	cr_assert_eq(call->argument[0]->kind, EXPR_OR);
	cr_assert_eq(call->argument[1]->integer, 8);
	script_free(script);
	cr_assert_null(parse_case(text, "three,1"));
	cr_assert_null(parse_case("0 close(3) = 0\n", "one"));
	arena_free(arena);
	rejected("table {\nA|B\n1\n}\n0 close(A) = 0\n", 3, 1, "this row has 1 cell");
	rejected("table {\nA\n}\n0 close(A) = 0\n", 1, 1, "this table has no rows");
	rejected("table {\nA\n1\n0 close(A) = 0\n", 1, 1, "this table is never closed");
	rejected("table {\nA b\n1\n}\n0 close(A) = 0\n", 2, 1, "this cannot be the name of a column");
	rejected("table {\ncase|A\nx|1\nx|2\n}\n0 close(A) = 0\n", 4, 1, "there are two rows 'x'");
}

Test(parse, blocks_said_several_times)
{
	struct script *script = parse("repeat 2 { for i in 1 to 3 { +0 close(i) = 0 } for S in 7, (8 + 1) { +0 listen(3, S) = 0 } }\n");
	static const int64_t wanted[] = { 1, 2, 3, 1, 2, 3 };
	unsigned closes = 0, listens = 0;

	cr_assert_eq(script->event_count, 10);
	for (const struct event *event = script->events; event; event = event->next) {
		if (!strcmp(event->call->name, "close"))
			cr_assert_eq(event->call->argument[0]->integer, wanted[closes++]);
		else
			listens++;
	}
	cr_assert(closes == 6 && listens == 4);
	script_free(script);
	script = parse("0 close(3) = -1 EBADF (for a repeat of include)\n");
	cr_assert_str_eq(script->events->call->note, "for a repeat of include");
	script_free(script);
	rejected("repeat x { +0 close(3) = 0 }\n", 1, 1, "this is not how a block is repeated");
	rejected("repeat 2 { +0 close(3) = 0\n", 1, 1, "this block is never closed");
	rejected("for in 1 { +0 close(3) = 0 }\n", 1, 8, "this is not how a loop is written");
	rejected("repeat 3000 { repeat 3000 { +0 close(3) = 0 } }\n", 1, 43, "the blocks of this script become too long");
	rejected("include \"/nowhere\" 0 close(3) = 0\n", 1, 9, "cannot read '/nowhere'");
}

Test(parse, parts_for_a_define)
{
	static const struct define defines[] = { { "HERE", "1" } };
	static const char text[] = "0 close(3) = 0\n#ifdef HERE\n+0 close(4) = 0\n#endif\n"
				   "#ifdef ELSEWHERE\n+0 $ # % \n#endif\n+0 close(5) = 0\n";
	struct script *script = parse_with(text, defines, 1);

	cr_assert_eq(script->event_count, 3);
	cr_assert_eq(script->events->next->next->span.line, 8);
	script_free(script);
	script = parse_with("0 close(3) = 0\n#ifdef HERE\n+0 close(4) = 0\n#endif\n", NULL, 0);
	cr_assert_eq(script->event_count, 1);
	script_free(script);
	rejected("0 close(3) = 0\n#ifdef A\n+0 close(4) = 0\n", 2, 1, "this #ifdef is never closed");
	rejected("0 close(3) = 0\n#endif\n", 2, 1, "there is no #ifdef before this #endif");
	rejected("0 close(3) = 0\n#ifdef A\n#ifdef B\n#endif\n#endif\n", 3, 1, "an #ifdef stands in another, of line 2");
}

Test(parse, variables)
{
	struct script *script = parse("0 read(3, ..., 9) = let n\n+0 let m = (n + 1)\n+0 < [id m, src n] udp n > 9 (m)\n");
	const struct event *event = script->events;
	const struct packet *packet;

	cr_assert(event->call->result->kind == EXPR_ELLIPSIS && !strcmp(event->call->result->word, "n"));
	event = event->next;
	cr_assert(event->kind == EVENT_LET && !strcmp(event->let.name, "m") && event->let.value->kind == EXPR_BINARY);
	event = event->next;
	packet = packet_of(event);
	cr_assert(event->packet->late && packet->late_length && packet->layer[0].late && packet->layer[1].late);
	cr_assert_str_eq(packet->layer[1].late[0]->word, "n");
	cr_assert_null(packet->layer[1].late[1]);
	script_free(script);
	rejected("0 let SOCK_STREAM = 1\n", 1, 7, "'SOCK_STREAM' has a value already");
	rejected("0 let n = 1\n+0 < S 0:0(0) win 1 <mss n>\n", 2, 26, "a variable cannot stand here");
	rejected("0 close(n) = 0\n+0 let m = n\n", 1, 9, "unknown symbol 'n'");
}

Test(parse, tunables)
{
	struct script *script = parse("0 sysctl net.ipv4.x = \"1 2\"\n+0 sysctl net/ipv4/y-z == reno\n+0 sysctl a.b = 5 EINVAL (no)\n");
	const struct event *event = script->events;

	cr_assert(event->kind == EVENT_TUNABLE && event->tunable->write && !strcmp(event->tunable->name, "net.ipv4.x"));
	event = event->next;
	cr_assert(!event->tunable->write && !strcmp(event->tunable->name, "net/ipv4/y-z"));
	cr_assert_str_eq(event->tunable->value->word, "reno");
	cr_assert_str_eq(event->next->tunable->errno_name, "EINVAL");
	script_free(script);
	script = parse("for LINK in tun0, 4 { +0 sysctl LINK.LINKS/LINK == 1 }\n");
	cr_assert_str_eq(script->events->tunable->name, "tun0.LINKS/tun0");
	cr_assert_str_eq(script->events->next->tunable->name, "4.LINKS/4");
	script_free(script);
	script = parse("table {\nNAME|WRONG\na.ipv4.b|(1 + 2)\n}\n0 sysctl NAME == 1\n+0 sysctl net/NAME/WRONG == 1\n");
	cr_assert_str_eq(script->events->tunable->name, "a.ipv4.b");
	cr_assert_str_eq(script->events->next->tunable->name, "net/a.ipv4.b/WRONG");
	script_free(script);
	rejected("0 sysctl net.ipv4.x = {a=1}\n", 1, 23, "this cannot be the value of a tunable");
	rejected("0 sysctl net.ipv4.x = 1 EINVALL\n", 1, 25, "unknown error 'EINVALL'; did you mean EINVAL?");
}

Test(parse, conditions_and_groups)
{
	struct script *script = parse("if target == kernel { 0 close(3) = 0 if 1 < 2 { +0 close(4) = 0 } } else { 0 close(5) = 0 }\n"
				      "if kernel >= 6.12 { +0 close(6) = 0 }\nany order { +0 > udp (1) +0 > udp (2) }\n");
	const struct event *event = script->events;

	cr_assert(event->branch->condition->kind == CONDITION_TARGET && !event->branch->otherwise && !event->branch->outer);
	cr_assert(event->next->branch->condition->kind == CONDITION_NUMBERS && event->next->branch->outer == event->branch);
	event = event->next->next;
	cr_assert(event->branch->otherwise && event->branch->condition == script->events->branch->condition);
	event = event->next;
	cr_assert(event->branch->condition->kind == CONDITION_VERSION && event->branch->condition->operator == CONDITION_AT_LEAST);
	cr_assert_str_eq(event->branch->condition->right->word, "6.12");
	event = event->next;
	cr_assert(!event->branch && event->group && event->group == event->next->group);
	script_free(script);
	rejected("if target < kernel { 0 close(3) = 0 }\n", 1, 4, "this is no condition on the target");
	rejected("if kernel > 6 { 0 close(3) = 0 }\n", 1, 4, "this is no condition on the kernel's version");
	rejected("any order { 0 close(3) = 0 }\n", 1, 13, "only outbound packets may come in any order");
}

Test(parse, underlines)
{
	static const char text[] = "0\tclose(3) = 0\n+0 frob(3) = 0\n";
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_parse("a.pkt", text, strlen(text), NULL, 0, &diagnostics);
	char *shown;
	size_t size;
	FILE *stream = open_memstream(&shown, &size);

	cr_assert_eq(script_check(script, &diagnostics), 1);
	diagnostics_print(&diagnostics, script, NULL, NULL, 0, false, stream);
	fclose(stream);
	cr_assert_str_eq(shown,
			 "a.pkt:2:4: error: unknown call 'frob'\n  +0 frob(3) = 0\n     ^~~~\n  expected: a socket call\n");
	free(shown);
	diagnostics_free(&diagnostics);
	script_free(script);
}

/* Words that only Plumbline reserves stay free for the defines of packetdrill's scripts. */
Test(parse, defines_win_over_own_words)
{
	static const struct define defines[] = { { "length", "7" }, { "for", "\"x\"" } };
	struct script *script = parse_with("0 write(3, for, length) = length\n", defines, 2);

	cr_assert_not_null(script);
	cr_assert_eq(script->events->call->argument[2]->integer, 7);
	cr_assert_str_eq(script->events->call->argument[1]->bytes, "x");
	script_free(script);
}
