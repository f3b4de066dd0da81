#include <criterion/criterion.h>
#include <string.h>

#include "fake.h"
#include "harness/engine/run.h"

#define LISTEN                                                                                                                 \
	"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"                                                                        \
	"+0 bind(3, ..., ...) = 0\n"                                                                                           \
	"+0 listen(3, 1) = 0\n"
#define HANDSHAKE                                                                                                              \
	LISTEN "+0 < S 0:0(0) win 1000 <mss 1000>\n"                                                                           \
	       "+0 > S. 0:0(0) ack 1 <mss 1460>\n"                                                                             \
	       "+.1 < . 1:1(0) ack 1 win 257\n"                                                                                \
	       "+0 accept(3, ..., ...) = 4\n"
#define PASSES(result) cr_assert_eq((result)->verdict, VERDICT_PASS, "%s", (result)->reason)

static const struct layer *injected_tcp(unsigned i)
{
	struct packet *packet = arena_alloc(fake_arena, sizeof(*packet));

	packet_decode(fake.in[i].bytes, fake.in[i].length, false, fake_arena, packet);
	return packet_layer(packet, LAYER_TCP);
}

static uint16_t peer_port(void)
{
	return (uint16_t)wire_get(injected_tcp(0), WF_TCP_SPORT);
}

/* The connection's first write makes it send `text` after `after`. */
static const char *on_write;
static pl_time on_write_after;

static void submit(struct fake *made, struct pl_call *call)
{
	if (call->op != PL_OP_write) {
		fake_submit_plain(made, call);
		return;
	}
	fake_send(on_write_after, on_write, 8080, peer_port());
	fake_finish(call, call->arg[2]);
}

static struct run_result *write_gives(const char *sent, pl_time after, const char *script)
{
	fake.inject = fake_answer_syn;
	fake.submit = submit;
	on_write = sent;
	on_write_after = after;
	return fake_run(script);
}

Test(run, acknowledgements_are_relative_to_what_the_stack_sent)
{
	fake.inject = fake_answer_syn;
	PASSES(fake_run(HANDSHAKE));
	cr_assert_eq(fake.ins, 2);
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_SEQ), 1);
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_ACK), 5001);
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_SPORT), peer_port());
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_DPORT), 8080);
	cr_assert_eq(fake.in[1].at - fake.in[0].at, 100 * PL_NSEC_PER_MSEC);
}

Test(run, the_peers_numbers_are_its_own_when_it_says_them_with_syn)
{
	fake.inject = fake_answer_syn;
	PASSES(fake_run(LISTEN "+0 < S 7000:7000(0) win 1000\n+0 > S. 0:0(0) ack 7001 <...>\n+0 < . 1:1(0) ack 1 win 257\n"));
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_SEQ), 7001);
}

Test(run, data_in_time_passes)
{
	PASSES(write_gives("P. 5001:6001(1000) ack 1 win 100", 0, HANDSHAKE "+0 write(4, ..., 1000) = 1000\n"
								       "+0 > P. 1:1001(1000) ack 1 win 100\n"));
}

Test(run, a_field_that_differs_is_named_with_both_values)
{
	struct run_result *result =
	    write_gives("P. 5001:6001(1000) ack 1 win 90", 0,
			HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1 win 100\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert_eq(result->failures, 1);
	cr_assert_eq(result->failure[0].span.line, 9);
	cr_assert(strstr(result->failure[0].reason, "tcp.win: expected 100, actual 90"), "%s", result->failure[0].reason);
	cr_assert_str_eq(result->failure[0].suggestion, "+0 > P. 1:1001(1000) ack 1 win 90");
}

Test(run, every_difference_is_told)
{
	struct run_result *result =
	    write_gives("F. 5001:6001(1000) ack 1 win 90", 0,
			HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1 win 100\n");

	cr_assert(strstr(result->failure[0].detail, "tcp.win"), "%s", result->failure[0].detail);
	cr_assert(strstr(result->failure[0].detail, "tcp.flags"), "%s", result->failure[0].detail);
}

Test(run, options_that_the_script_does_not_say_are_a_difference)
{
	struct run_result *result = write_gives("P. 5001:6001(1000) ack 1 win 90 <nop,nop,sack 3:4>", 0,
						HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "options"), "%s", result->reason);
}

Test(run, late_beyond_the_tolerance_fails)
{
	struct run_result *result = write_gives("P. 5001:6001(1000) ack 1 win 90", 5 * PL_NSEC_PER_MSEC,
						HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "timing error"), "%s", result->reason);
}

Test(run, an_eighth_of_the_span_is_tolerated)
{
	PASSES(write_gives("P. 5001:6001(1000) ack 1 win 90", 224 * PL_NSEC_PER_MSEC,
			   HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+.2 > P. 1:1001(1000) ack 1\n"));
}

Test(run, any_time_is_any_time)
{
	PASSES(write_gives("P. 5001:6001(1000) ack 1 win 90", 20 * PL_NSEC_PER_SEC,
			   HANDSHAKE "+0 write(4, ..., 1000) = 1000\n* > P. 1:1001(1000) ack 1\n"));
}

Test(run, a_range_of_times)
{
	PASSES(write_gives("P. 5001:6001(1000) ack 1 win 90", 300 * PL_NSEC_PER_MSEC,
			   HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+.2~+.4 > P. 1:1001(1000) ack 1\n"));
}

Test(run, outside_a_range_of_times)
{
	struct run_result *result = write_gives("P. 5001:6001(1000) ack 1 win 90", 500 * PL_NSEC_PER_MSEC,
						HANDSHAKE "+0 write(4, ..., 1000) = 1000\n+.2~+.4 > P. 1:1001(1000) ack 1\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "relative time range +0.200000~+0.400000"), "%s", result->reason);
}

Test(run, a_packet_that_does_not_come_is_missed)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	result = fake_run(HANDSHAKE "+0 > P. 1:1001(1000) ack 1\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "timed out waiting for packet"), "%s", result->reason);
	cr_assert_eq(result->failure[0].span.line, 8);
}

/* Two segments for one write. */
static void submit_in_two(struct fake *made, struct pl_call *call)
{
	if (call->op != PL_OP_write) {
		fake_submit_plain(made, call);
		return;
	}
	fake_send(0, ". 5001:6001(1000) ack 1 win 100", 8080, peer_port());
	fake_send(0, "P. 6001:6501(500) ack 1 win 100", 8080, peer_port());
	fake_finish(call, call->arg[2]);
}

Test(run, segments_are_joined_to_what_the_script_says)
{
	fake.inject = fake_answer_syn;
	fake.submit = submit_in_two;
	PASSES(fake_run(HANDSHAKE "+0 write(4, ..., 1500) = 1500\n+0 > P. 1:1501(1500) ack 1 win 100\n"));
}

Test(run, segments_are_not_joined_when_they_are_to_be_strict)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	fake.submit = submit_in_two;
	result =
	    fake_run("--strict_segments\n" HANDSHAKE "+0 write(4, ..., 1500) = 1500\n+0 > P. 1:1501(1500) ack 1 win 100\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
}

Test(run, packets_of_other_conversations_are_passed_over)
{
	fake.inject = fake_answer_syn;
	fake_script("0 > . 1:1(0) ack 1\n");	/* makes the arena */
	fake_send(50 * PL_NSEC_PER_MSEC, ". 1:1(0) ack 1 win 5", 9999, 9998);
	PASSES(fake_run(HANDSHAKE));
}

/* A peer on each of two ports; the first write is answered to the second. */
static void answer_both(struct fake *made, const struct packet *packet)
{
	fake_answer_syn(made, packet);
	if (made->ins != 2)
		return;
	fake_send(0, ". 5001:5001(0) ack 1 win 9", 8080, 700);
	fake_send(0, ". 5001:5001(0) ack 1 win 8", 8080, 800);
}

Test(run, packets_of_a_flow_wait_for_their_event)
{
	fake.inject = answer_both;
	PASSES(fake_run(LISTEN "+0 < 700 > 8080 S 0:0(0) win 1000\n+0 > 8080 > 700 S. 0:0(0) ack 1 <...>\n"
			       "+0 < 800 > 8080 S 0:0(0) win 1000\n+0 > 8080 > 800 S. 0:0(0) ack 1 <...>\n"
			       "+0 > 8080 > 800 . 1:1(0) ack 1 win 8\n+0 > 8080 > 700 . 1:1(0) ack 1 win 9\n"));
}

Test(run, a_failure_is_not_the_end_with_keep_going)
{
	struct run_result *result;

	fake_options.keep_going = true;
	result = write_gives("P. 5001:6001(1000) ack 1 win 90", 0,
			     HANDSHAKE "+0 write(4, ..., 1000) = 999\n+0 > P. 1:1001(1000) ack 1 win 100\n");
	cr_assert_eq(result->failures, 2);
	cr_assert_eq(result->failure[0].span.line, 8);
	cr_assert_eq(result->failure[1].span.line, 9);
}

Test(run, what_is_not_fatal_is_a_warning)
{
	struct run_result *result = write_gives("P. 5001:6001(1000) ack 1 win 90", 0,
						"--non_fatal=packet\n" HANDSHAKE
						"+0 write(4, ..., 1000) = 1000\n+0 > P. 1:1001(1000) ack 1 win 100\n");

	PASSES(result);
	cr_assert_eq(result->failures, 1);
}

/* --- timestamps ----------------------------------------------------------------------------------------------------------- */
static void answer_with_timestamps(struct fake *made, const struct packet *packet)
{
	const struct layer *tcp = packet_layer(packet, LAYER_TCP);

	if (wire_get(tcp, WF_TCP_FLAGS) & WIRE_SYN)
		fake_send(0, "S. 5000:5000(0) ack 1 win 100 <mss 1460,sackOK,TS val 777000 ecr 200,nop,wscale 7>", 8080,
			  peer_port());
}

#define TIMESTAMPS                                                           \
	LISTEN "+0 < S 0:0(0) win 1000 <mss 1000,sackOK,TS val 200 ecr 0>\n" \
	       "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 100 ecr 200,nop,wscale 7>\n"

Test(run, an_echoed_timestamp_is_what_the_stack_sent)
{
	fake.inject = answer_with_timestamps;
	PASSES(fake_run(TIMESTAMPS "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 300 ecr 100>\n"));
	cr_assert_eq(injected_tcp(1)->option[2].timestamp.ecr, 777000);
	cr_assert_eq(injected_tcp(1)->option[2].timestamp.val, 300);
}

Test(run, an_echo_of_nothing_fails)
{
	struct run_result *result;

	fake.inject = answer_with_timestamps;
	result = fake_run(TIMESTAMPS "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 300 ecr 101>\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "ecr 101"), "%s", result->reason);
}

Test(run, an_echo_may_be_scaled)
{
	fake.inject = answer_with_timestamps;
	PASSES(fake_run("--tcp_ts_ecr_scaled\n" TIMESTAMPS "+.1 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 300 ecr 101>\n"));
	cr_assert_eq(injected_tcp(1)->option[2].timestamp.ecr, 777001);
}

/* --- calls ---------------------------------------------------------------------------------------------------------------- */
static void submit_reads(struct fake *made, struct pl_call *call)
{
	if (call->op == PL_OP_read)
		fake_later(call, 200 * PL_NSEC_PER_MSEC, 10);
	else
		fake_submit_plain(made, call);
}

Test(run, a_blocking_call_ends_in_its_time)
{
	fake.inject = fake_answer_syn;
	fake.submit = submit_reads;
	PASSES(fake_run(HANDSHAKE "+0...0.2 read(4, ..., 100) = 10\n+.3 close(4) = 0\n"));
}

Test(run, a_blocking_call_that_ends_too_early_fails)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	fake.submit = submit_reads;
	result = fake_run(HANDSHAKE "+0...0.3 read(4, ..., 100) = 10\n+.4 close(4) = 0\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert_eq(result->failure[0].span.line, 8);
	cr_assert(strstr(result->reason, "system call return"), "%s", result->reason);
}

Test(run, a_call_still_under_way_at_the_end_fails)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	fake.submit = submit_reads;
	result = fake_run(HANDSHAKE "+0...5 read(4, ..., 100) = 10\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
}

Test(run, a_result_that_differs_is_told_with_its_error)
{
	struct run_result *result = fake_run("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
					     "+0 listen(3, 1) = -1 EADDRINUSE (Address already in use)\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "expected result -1 EADDRINUSE but got 0"), "%s", result->reason);
	cr_assert_str_eq(result->failure[0].suggestion, "+0 listen(3, 1) = 0");
}

Test(run, descriptors_are_the_scripts_own)
{
	PASSES(fake_run("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 close(3) = 0\n"
			"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n"));
}

Test(run, a_descriptor_that_is_not_open_fails)
{
	struct run_result *result = fake_run("0 close(3) = 0\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "no descriptor 3"), "%s", result->reason);
}

/* --- the rest ------------------------------------------------------------------------------------------------------------- */
Test(run, the_first_event_is_at_zero)
{
	cr_assert_eq(fake_run("0.5 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n")->verdict, VERDICT_FAIL);
}

Test(run, time_does_not_go_backward)
{
	struct run_result *result = fake_run("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n1 bind(3, ..., ...) = 0\n"
					     ".5 listen(3, 1) = 0\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "backward"), "%s", result->reason);
}

Test(run, commands_run_in_their_places)
{
	PASSES(fake_run("`a`\n0 `b`\n`c`\n"));
	cr_assert_str_eq(fake.commands, "init:a;b;c;");
}

static void sends_while_it_runs(struct fake *fake)
{
	fake_send(10 * PL_NSEC_PER_MSEC, "P. 5001:6001(1000) ack 1 win 90", 8080, peer_port());
	fake_send(11 * PL_NSEC_PER_MSEC, "P. 6001:7001(1000) ack 1 win 90", 8080, peer_port());
	fake->now += 50 * PL_NSEC_PER_MSEC;
}

static void sent_before_it_ran(struct fake *fake)
{
	sends_while_it_runs(fake);
	fake->out[fake->outs - 2].at -= 30 * PL_NSEC_PER_MSEC;
}

/* What the stack sends while a command runs, and before the packet before it is taken, follows them. */
Test(run, a_packet_may_come_while_the_command_before_it_runs)
{
	static const char text[] = HANDSHAKE "+.1 `a`\n+0~+.01 > P. 1:1001(1000) ack 1\n+0 > P. 1001:2001(1000) ack 1\n";

	fake.inject = fake_answer_syn;
	fake.command = sends_while_it_runs;
	PASSES(fake_run(text));
}

Test(run, a_packet_that_came_before_the_command_fails)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	fake.command = sent_before_it_ran;
	result = fake_run(HANDSHAKE "+.1 `a`\n+0~+.01 > P. 1:1001(1000) ack 1\n+0 > P. 1001:2001(1000) ack 1\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "relative time range"), "%s", result->reason);
}

Test(run, without_an_init_command_there_is_no_cleanup)
{
	PASSES(fake_run("0 `b`\n`c`\n"));
	cr_assert_str_eq(fake.commands, "b;");
}

Test(run, a_command_that_fails_fails_the_script)
{
	struct run_result *result = fake_run("0 `false`\n");

	cr_assert_eq(result->verdict, VERDICT_FAIL);
	cr_assert(strstr(result->reason, "exit status 3: it said no"), "%s", result->reason);
}

Test(run, what_is_refused_is_skipped)
{
	fake_options.no_commands = true;
	cr_assert_eq(fake_run("0 `b`\n")->verdict, VERDICT_SKIP);
	fake_options.no_python = true;
	cr_assert_eq(fake_run("0 %{ pass }%\n")->verdict, VERDICT_SKIP);
}

Test(run, silence_is_expected)
{
	struct run_result *result;

	fake_script("0 > . 1:1(0) ack 1\n");
	PASSES(fake_run("0 expect nothing for 1\n"));
	fake.now = 0;
	fake_send(2 * PL_NSEC_PER_SEC, ". 1:1(0) ack 1 win 5", 9999, 9998);
	result = fake_run("0 expect nothing for 3\n");
	cr_assert_eq(result->verdict, VERDICT_FAIL);
}

Test(run, observing_goes_on_whatever_happens)
{
	struct run_result *result;

	fake.inject = fake_answer_syn;
	result = fake_observe(HANDSHAKE "+0 > P. 1:1001(1000) ack 1\n+0 close(4) = -1 EBADF (no)\n");
	cr_assert_eq(result->failures, 0);
	cr_assert_eq(wire_get(injected_tcp(1), WF_TCP_ACK), 5001);
	cr_assert_eq(result->trace.count, 8);
	cr_assert_eq(result->trace.entry[4].kind, TRACE_PACKET_OUT);
	cr_assert_str_eq(result->trace.entry[7].text, "close(4) = 0");
}

Test(run, an_icmp_error_quotes_the_flow)
{
	struct packet packet;
	const struct layer *quoted;

	fake.inject = fake_answer_syn;
	PASSES(fake_run(HANDSHAKE "+0 < icmp unreachable host_unreachable [1:1001(1000)]\n"));
	packet_decode(fake.in[2].bytes, fake.in[2].length, false, fake_arena, &packet);
	cr_assert(packet.quoted);
	quoted = packet_layer(packet.quoted, LAYER_TCP);
	cr_assert_eq(wire_get(quoted, WF_TCP_SEQ), 5001);
	cr_assert_eq(wire_get(quoted, WF_TCP_SPORT), 8080);
	cr_assert_eq(wire_get(quoted, WF_TCP_DPORT), peer_port());
}
