/* Recovery and undo: the states, what the window becomes in them, and what gives it back. */
#include "peer.h"

#include <string.h>

#include "refstack/tcp/send.h"

static struct fixture fixture;
static struct peer peer;
static struct tcp_sock *tp;

static void tunable(const char *path, const char *text)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, text, strlen(text)), (ssize_t)strlen(text));
}

static void write_segments(unsigned segments)
{
	static const uint8_t bytes[30000];
	int64_t arg[6] = { peer.fd, PL_PTR(bytes), segments * 1000 };

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_write, arg), (int64_t)segments * 1000);
}

static void after_ms(int64_t ms)
{
	peer_after(&peer, ms * PL_NSEC_PER_MSEC);
}

static void setup(void)
{
	fixture_new(&fixture);
	tunable("net/ipv4/tcp_early_retrans", "0");
	tunable("net/ipv4/tcp_congestion_control", "reno");
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	tp = peer_sock(&peer);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(recovery, .init = setup, .fini = teardown);

Test(recovery, a_loss_halves_the_window_and_ends_with_the_last_of_it_acknowledged)
{
	write_segments(10);
	after_ms(100);
	peer_ack(&peer, 0, 1000, 10000);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_RECOVERY);
	cr_assert_eq(tp->snd_ssthresh, 5);
	cr_assert_eq(tp->prior_cwnd, 10);
	after_ms(100);
	peer_ack(&peer, 10000, 0, 0);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_OPEN);
	cr_assert_eq(tp->snd_cwnd, 5);
}

Test(recovery, a_duplicate_report_of_the_retransmission_gives_the_window_back)
{
	write_segments(10);
	after_ms(100);
	peer_ack(&peer, 0, 1000, 5000);
	cr_assert_eq(tp->undo_retrans, 1);
	after_ms(20);
	peer_ack(&peer, 10000, 0, 1000);	/* everything arrived, the first one twice */
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_OPEN);
	cr_assert_geq(tp->snd_cwnd, 10);
	cr_assert_eq(tp->snd_ssthresh, (uint32_t)TCP_INFINITE_SSTHRESH);
	COUNTER_IS(&fixture, "TcpExt", "TCPFullUndo", 1);
}

Test(recovery, a_timeout_leaves_one_packet_and_doubles_the_next)
{
	write_segments(10);
	uint32_t rto = tp->rto;
	after_ms(400);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_LOSS);
	cr_assert_eq(tp->snd_cwnd, 1);
	cr_assert_eq(tp->lost_out, 10);
	cr_assert_eq(tp->rto, 2 * rto);
	cr_assert_eq(tp->backoff, 1);
}

Test(recovery, acknowledgements_of_what_was_not_sent_again_undo_a_timeout)
{
	write_segments(14);
	after_ms(400);
	cr_assert(tp->frto);
	peer_ack(&peer, 1000, 0, 0);
	peer_ack(&peer, 5000, 0, 0);		/* sent once, so they were never lost: RFC 5682 */
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_OPEN);
	cr_assert_geq(tp->snd_cwnd, 10);
	COUNTER_IS(&fixture, "TcpExt", "TCPSpuriousRTOs", 1);
}

Test(recovery, without_f_rto_a_timeout_stays)
{
	tunable("net/ipv4/tcp_frto", "0");
	write_segments(10);
	after_ms(400);
	cr_assert_not(tp->frto);
	peer_ack(&peer, 1000, 0, 0);
	peer_ack(&peer, 3000, 0, 0);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_LOSS);
	COUNTER_IS(&fixture, "TcpExt", "TCPSpuriousRTOs", 0);
}

Test(recovery, rack_waits_a_quarter_of_a_round_trip_for_fewer_than_three)
{
	write_segments(3);
	after_ms(100);
	peer_ack(&peer, 0, 1000, 2000);
	cr_assert_eq(tp->lost_out, 0);
	cr_assert_eq(tp->pending, ICSK_TIME_REO_TIMEOUT);
	after_ms(20);
	cr_assert_eq(tp->lost_out, 0);
	after_ms(20);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_RECOVERY);
	cr_assert_eq(tp->retrans_out, 1);
}

Test(recovery, rack_learns_from_needless_retransmissions_once_it_saw_reordering)
{
	write_segments(10);
	after_ms(100);
	peer_ack(&peer, 0, 6000, 7000);
	peer_ack(&peer, 0, 1000, 2000);		/* late: reordering */
	peer_ack(&peer, 10000, 0, 0);
	cr_assert_eq(tp->rack.reo_wnd_steps, 1);
	write_segments(10);
	after_ms(100);
	peer_ack(&peer, 10000, 11000, 15000);
	cr_assert_eq(tp->retrans_out, 0);
	after_ms(40);
	cr_assert_eq(tp->retrans_out, 1);
	peer_ack(&peer, 20000, 10000, 11000);	/* it was late, not lost */
	cr_assert_eq(tp->rack.reo_wnd_steps, 2);	/* RFC 8985 6.2, step 4 */
	cr_assert_eq(tp->rack.reo_wnd_persist, TCP_RACK_PERSIST);
}
