/* The retransmission timer's uses: timeouts that double up to a bound, loss probes, window probes. */
#include "peer.h"

#include <string.h>

#include "refstack/tcp/send.h"

static struct fixture fixture;
static struct peer peer;
static struct tcp_sock *tp;

static void setup(void)
{
	fixture_new(&fixture);
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	tp = peer_sock(&peer);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(timer, .init = setup, .fini = teardown);

static void tunable(const char *path, const char *text)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, text, strlen(text)), (ssize_t)strlen(text));
}

static void write_bytes(size_t size)
{
	static const uint8_t bytes[20000];
	int64_t arg[6] = { peer.fd, PL_PTR(bytes), (int64_t)size };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_write, arg), (int64_t)size);
}

static pl_time next_sent(void)
{
	cr_assert_gt(left(&fixture), 0);
	return take(&fixture)->time;
}

static void drain(void)
{
	while (left(&fixture))
		take(&fixture);
}

/* Milliseconds from one packet to the next, rounded down. */
static int64_t gap(pl_time *last)
{
	pl_time before = *last;

	*last = next_sent();
	return (*last - before) / PL_NSEC_PER_MSEC;
}

Test(timer, timeouts_double)
{
	tunable("net/ipv4/tcp_early_retrans", "0");
	drain();
	write_bytes(1000);
	pl_time last = next_sent();
	peer_after(&peer, 10 * PL_NSEC_PER_SEC);
	int64_t first = gap(&last);
	cr_assert(first >= 300 && first <= 308, "%lld", (long long)first);
	for (int64_t span = first * 2; span <= 4 * first; span *= 2) {
		int64_t is = gap(&last);

		cr_assert(is >= span - 4 && is <= span + 4, "%lld, not %lld", (long long)is, (long long)span);
	}
}

Test(timer, timeouts_are_bounded_by_tcp_rto_max_ms)
{
	tunable("net/ipv4/tcp_early_retrans", "0");
	tunable("net/ipv4/tcp_rto_max_ms", "1000");
	int most = 1000;
	int64_t option[6] = { peer.fd, IPPROTO_TCP, 44 /* TCP_RTO_MAX_MS */, PL_PTR(&most), sizeof(most) };
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_setsockopt, option), 0);
	drain();
	write_bytes(1000);
	pl_time last = next_sent();
	peer_after(&peer, 10 * PL_NSEC_PER_SEC);
	gap(&last);
	gap(&last);
	for (int i = 0; i < 5; i++) {
		int64_t is = gap(&last);

		cr_assert(is >= 1000 && is <= 1004, "%lld", (long long)is);
	}
}

Test(timer, a_loss_probe_comes_after_two_round_trips_with_the_last_segment)
{
	drain();
	write_bytes(5000);
	pl_time sent = next_sent();
	drain();
	peer_after(&peer, 260 * PL_NSEC_PER_MSEC);
	cr_assert_eq(left(&fixture), 1);
	const struct sent_packet *probe = take(&fixture);
	int64_t ms = (probe->time - sent) / PL_NSEC_PER_MSEC;
	cr_assert(ms >= 200 && ms <= 208, "%lld", (long long)ms);
	cr_assert_eq(peer_sent_seq(&peer, probe), 4001);
	COUNTER_IS(&fixture, "TcpExt", "TCPLossProbes", 1);
}

Test(timer, an_acknowledgement_of_everything_stops_it)
{
	write_bytes(1000);
	cr_assert_neq(tp->pending, ICSK_TIME_NONE);
	peer_after(&peer, 100 * PL_NSEC_PER_MSEC);
	peer_ack(&peer, 1000, 0, 0);
	cr_assert_eq(tp->pending, ICSK_TIME_NONE);
	drain();
	peer_after(&peer, 10 * PL_NSEC_PER_SEC);
	cr_assert_eq(left(&fixture), 0);
}

Test(timer, given_up_after_tcp_retries2)
{
	tunable("net/ipv4/tcp_retries2", "3");
	write_bytes(1000);
	peer_after(&peer, 60 * PL_NSEC_PER_SEC);
	cr_assert_eq(tp->sk.state, TCP_CLOSE);
	cr_assert_eq(tp->sk.error, ETIMEDOUT);
	COUNTER_IS(&fixture, "TcpExt", "TCPAbortOnTimeout", 1);
}
