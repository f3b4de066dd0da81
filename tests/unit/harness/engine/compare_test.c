#include <criterion/criterion.h>
#include <string.h>

#include "fake.h"

/*
 * A client script on two fakes, whose packets the test chooses: the traces are compared.
 */
#define CLIENT                                                                                                                 \
	"0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"                                                                        \
	"+0 connect(3, ..., ...) = 0\n"                                                                                        \
	"+0 > S 0:0(0) <...>\n"                                                                                                \
	"+.1 < S. 0:0(0) ack 1 win 100 <mss 1000>\n"                                                                           \
	"+0 > . 1:1(0) ack 1\n"                                                                                                \
	"+.1 close(3) = 0\n"

static struct side_made {
	const char *syn, *ack, *more;	/* what connect and the SYN-ACK make it send */
	uint16_t port;
	pl_time ack_after;
	int64_t close_result;
} sides[2], *side;
static struct divergence divergence;

static void submit(struct fake *made, struct pl_call *call)
{
	if (call->op == PL_OP_connect)
		fake_send(0, side->syn, side->port, 8080);
	if (call->op == PL_OP_close)
		fake_finish(call, side->close_result);
	else
		fake_submit_plain(made, call);
}

static void inject(struct fake *made, const struct packet *packet)
{
	if (side->ack)
		fake_send(side->ack_after, side->ack, side->port, 8080);
	if (side->more)
		fake_send(side->ack_after, side->more, side->port, 8080);
}

static void setup(void)
{
	sides[0] = (struct side_made){ "S 1000:1000(0) win 500 <mss 1460>", ". 1001:1001(0) ack 1 win 500", NULL, 40000, 0, 0 };
	sides[1] = (struct side_made){ "S 7000:7000(0) win 500 <mss 1460>", ". 7001:7001(0) ack 1 win 500", NULL, 50000, 0, 0 };
}
TestSuite(compare, .init = setup);

static void compare_with(bool first_virtual, bool second_virtual)
{
	struct script *script = fake_script(CLIENT);
	struct run_result *result[2];

	for (unsigned i = 0; i < 2; i++) {
		memset(&fake, 0, sizeof(fake));
		fake.submit = submit;
		fake.inject = inject;
		side = &sides[i];
		result[i] = arena_alloc(fake_arena, sizeof(*result[i]));
		engine_observe(script, &fake_options, fake_arena, result[i]);
	}
	trace_compare(script, &result[0]->trace, "one", first_virtual, &result[1]->trace, "two", second_virtual, fake_arena,
		      &divergence);
}

#define DIFFERS(number, what) \
	do { \
		cr_assert_not(divergence.same); \
		cr_assert(strstr(divergence.reason, what), "%s", divergence.reason); \
		cr_assert_eq(divergence.span.line, number, "line %d", divergence.span.line); \
	} while (0)

Test(compare, ports_and_first_numbers_stand_for_each_other)
{
	compare_with(true, true);
	cr_assert(divergence.same, "%s", divergence.reason);
}

Test(compare, a_reset_may_have_the_number_of_the_connection_before)
{
	sides[0].ack = "S 90000:90000(0) win 500 <mss 1460>";
	sides[0].more = "R 1001:1001(0) win 0";
	sides[1].ack = "S 97000:97000(0) win 500 <mss 1460>";
	sides[1].more = "R 7001:7001(0) win 0";
	compare_with(true, true);
	cr_assert(divergence.same, "%s", divergence.reason);
	sides[1].more = "R 7002:7002(0) win 0";
	compare_with(true, true);
	DIFFERS(4, "tcp.seq");
}

Test(compare, a_window_that_differs)
{
	sides[1].ack = ". 7001:7001(0) ack 1 win 499";
	compare_with(true, true);
	DIFFERS(5, "tcp.win differs: one has 500, two 499");
	cr_assert(strstr(divergence.first, "win 500") && strstr(divergence.second, "win 499"));
}

Test(compare, a_number_that_differs_from_the_first)
{
	sides[1].ack = ". 7002:7002(0) ack 1 win 500";
	compare_with(true, true);
	DIFFERS(5, "tcp.seq differs");
}

Test(compare, a_packet_that_only_one_sends)
{
	sides[1].ack = NULL;
	compare_with(true, true);
	DIFFERS(5, "one sends a packet that two does not");
	cr_assert_not(divergence.second);
}

Test(compare, the_earliest_is_told)
{
	sides[1].close_result = -9;
	sides[1].syn = "S 7000:7000(0) win 400 <mss 1460>";
	compare_with(true, true);
	DIFFERS(3, "tcp.win differs");
}

Test(compare, results_of_calls)
{
	sides[1].close_result = -9;
	compare_with(true, true);
	DIFFERS(6, "the call's result differs");
}

Test(compare, virtual_times_are_equal)
{
	sides[1].ack_after = 1;
	compare_with(true, true);
	DIFFERS(5, "the time differs");
}

Test(compare, real_times_may_differ_a_little)
{
	sides[1].ack_after = 10 * PL_NSEC_PER_MSEC;
	compare_with(true, false);
	cr_assert(divergence.same, "%s", divergence.reason);
	sides[1].ack_after = 20 * PL_NSEC_PER_MSEC;
	compare_with(true, false);
	DIFFERS(5, "the time differs");
}

Test(compare, options_that_differ)
{
	sides[1].syn = "S 7000:7000(0) win 500 <mss 1400>";
	compare_with(true, true);
	DIFFERS(3, "mss");
}

Test(compare, timestamps_follow_the_time)
{
	sides[0].syn = "S 1000:1000(0) win 500 <mss 1460,sackOK,TS val 5000 ecr 0>";
	sides[1].syn = "S 7000:7000(0) win 500 <mss 1460,sackOK,TS val 999 ecr 0>";
	sides[0].ack = ". 1001:1001(0) ack 1 win 500 <nop,nop,TS val 5100 ecr 0>";
	sides[1].ack = ". 7001:7001(0) ack 1 win 500 <nop,nop,TS val 1099 ecr 0>";
	compare_with(true, true);
	cr_assert(divergence.same, "%s", divergence.reason);
	sides[1].ack = ". 7001:7001(0) ack 1 win 500 <nop,nop,TS val 1100 ecr 0>";
	compare_with(true, true);
	DIFFERS(5, "TS val differs");
	compare_with(true, false);
	cr_assert(divergence.same, "%s", divergence.reason);
}

Test(compare, cookies_stand_for_each_other)
{
	sides[0].syn = "S 1000:1000(0) win 500 <mss 1460,FO 0011223344556677,nop,nop>";
	sides[1].syn = "S 7000:7000(0) win 500 <mss 1460,FO 8899aabbccddeeff,nop,nop>";
	compare_with(true, true);
	cr_assert(divergence.same, "%s", divergence.reason);
	sides[1].syn = "S 7000:7000(0) win 500 <mss 1460,FO,nop,nop>";
	compare_with(true, true);
	cr_assert_not(divergence.same);
}
