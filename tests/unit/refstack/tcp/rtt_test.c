/* Round trips and timeouts: figures worked out by hand from RFC 6298 and what Linux makes of it. */
#include "../support.h"

#include "refstack/tcp/send.h"

static struct fixture fixture;
static struct tcp_sock socket_state;
static struct tcp_sock *tp = &socket_state;

static void setup(void)
{
	fixture_new(&fixture);
	memset(tp, 0, sizeof(*tp));
	tp->sk.stack = fixture.stack;
	tp->cong = &tcp_cong_reno;
	tp->rto_min = 50;	/* 200 ms at HZ=250 */
	tp->rto_max = 30000;
	tcp_rtt_init(tp);
}

static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(rtt, .init = setup, .fini = teardown);

/* One sample, in a round trip of its own. */
static void sample(int64_t us)
{
	struct rate_sample rate = { 0 };

	tp->snd_una += 1000;
	tp->snd_nxt = tp->snd_una + 500;
	cr_assert(tcp_rtt_update(tp, FLAG_DATA_ACKED, us, -1, us, &rate));
	cr_assert_eq(rate.rtt_us, us);
}

Test(rtt, first_sample_gives_the_estimate_and_at_least_rto_min_on_top)
{
	sample(40000);
	cr_assert_eq(tp->srtt_us >> 3, 40000);
	cr_assert_eq(tp->mdev_us >> 2, 20000);
	cr_assert_eq(tp->rttvar_us, 200000);	/* 4 * 20 ms is less than rto_min */
	cr_assert_eq(tp->rto, 60);		/* 240 ms */
}

Test(rtt, first_sample_of_a_long_path_gives_three_round_trips)
{
	sample(400000);
	cr_assert_eq(tp->rttvar_us, 800000);
	cr_assert_eq(tp->rto, 300);
}

Test(rtt, timeout_is_rounded_up_to_whole_jiffies)
{
	sample(40001);
	cr_assert_eq(tp->rto, 61);
}

Test(rtt, estimate_moves_by_an_eighth)
{
	sample(80000);
	sample(160000);
	cr_assert_eq(tp->srtt_us >> 3, 90000);
	sample(10000);
	cr_assert_eq(tp->srtt_us >> 3, 80000);
}

/* Deviation 40 ms (times 4), then a sample 80 ms above the estimate: 40 + (80 - 40) / 4 = 50 ms. */
Test(rtt, deviation_moves_by_a_quarter_and_shorter_round_trips_count_an_eighth_of_that)
{
	sample(80000);
	sample(160000);
	cr_assert_eq(tp->mdev_us, 200000);
	/* 80 ms below 90 ms: (80 - 50) ms more of deviation, over 4 and over 8. */
	sample(10000);
	cr_assert_eq(tp->mdev_us, 200000 + 30000 / 8);
}

/* What raised rttvar decays by a quarter each round trip, down to rto_min and no further. */
Test(rtt, variation_decays_once_a_round_trip)
{
	sample(400000);
	cr_assert_eq(tp->rttvar_us, 800000);
	uint32_t before = tp->rttvar_us;
	for (int i = 0; i < 60; i++) {
		sample(400000);
		cr_assert_leq(tp->rttvar_us, before);
		before = tp->rttvar_us;
	}
	cr_assert_eq(tp->rttvar_us, 200003);	/* integer arithmetic stops within three of it */
	cr_assert_eq(tp->rto, 151);
}

Test(rtt, minimum_is_forgotten_after_the_window)
{
	sample(50000);
	sample(30000);
	sample(70000);
	cr_assert_eq(tcp_min_rtt(tp), 30000);
	pl_stack_run_until(fixture.stack, 200 * PL_NSEC_PER_SEC);
	sample(60000);
	cr_assert_eq(tcp_min_rtt(tp), 30000);
	pl_stack_run_until(fixture.stack, 310 * PL_NSEC_PER_SEC);
	sample(90000);
	cr_assert_eq(tcp_min_rtt(tp), 60000);
}

Test(rtt, acknowledgement_that_may_be_delayed_does_not_raise_the_minimum)
{
	struct rate_sample rate = { 0 };

	sample(30000);
	pl_stack_run_until(fixture.stack, 400 * PL_NSEC_PER_SEC);
	cr_assert(tcp_rtt_update(tp, FLAG_DATA_ACKED | FLAG_ACK_MAYBE_DELAYED, 70000, -1, 70000, &rate));
	cr_assert_eq(tcp_min_rtt(tp), 30000);
}

Test(rtt, echoed_timestamps_serve_when_nothing_else_does)
{
	struct rate_sample rate = { 0 };

	cr_assert_not(tcp_rtt_update(tp, FLAG_DATA_ACKED, -1, -1, -1, &rate));
	pl_stack_run_until(fixture.stack, 1000 * PL_NSEC_PER_MSEC);
	tp->saw_tstamp = true;
	tp->rcv_tsecr = 975;
	cr_assert(tcp_rtt_update(tp, FLAG_DATA_ACKED, -1, -1, -1, &rate));
	cr_assert_eq(tp->srtt_us >> 3, 25000);
	cr_assert_eq(rate.rtt_us, 25000);
}

Test(rtt, timeout_is_bounded_by_rto_max)
{
	tp->rto_max = 250;
	sample(3000000);
	cr_assert_eq(tp->rto, 250);
}
