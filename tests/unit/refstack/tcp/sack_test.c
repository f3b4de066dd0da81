/* The scoreboard: what SACK blocks make of the counts that recovery goes by. */
#include "peer.h"

#include <string.h>

#include "refstack/tcp/send.h"

static struct fixture fixture;
static struct peer peer;
static struct tcp_sock *tp;

/* Ten segments of 1000 bytes are under way. */
static void setup(void)
{
	static const uint8_t bytes[10000];

	fixture_new(&fixture);
	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/tcp_early_retrans", "0", 1), 1);
	peer_connect(&peer, &fixture, 100 * PL_NSEC_PER_MSEC);
	tp = peer_sock(&peer);
	int64_t write[6] = { peer.fd, PL_PTR(bytes), sizeof(bytes) };
	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_write, write), (int64_t)sizeof(bytes));
	cr_assert_eq(tp->packets_out, 10);
	peer_after(&peer, 100 * PL_NSEC_PER_MSEC);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(sack, .init = setup, .fini = teardown);

Test(sack, a_block_is_counted_once)
{
	peer_ack(&peer, 0, 4000, 5000);
	cr_assert_eq(tp->sacked_out, 1);
	peer_ack(&peer, 0, 4000, 5000);
	cr_assert_eq(tp->sacked_out, 1);
	cr_assert_eq(tcp_packets_in_flight(tp), 9);
	peer_ack(&peer, 0, 4000, 6000);
	cr_assert_eq(tp->sacked_out, 2);
}

Test(sack, a_block_that_splits_a_buffer_counts_whole_packets)
{
	peer_ack(&peer, 0, 4500, 6200);	/* from the middle of one packet to that of another */
	cr_assert_eq(tp->sacked_out, 1);
	cr_assert_eq(tp->packets_out, 10);
}

Test(sack, three_segments_behind_a_hole_mean_a_loss)
{
	peer_ack(&peer, 0, 1000, 3000);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_DISORDER);
	cr_assert_eq(tp->lost_out, 0);
	peer_ack(&peer, 0, 1000, 4000);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_RECOVERY);
	cr_assert_eq(tp->lost_out, 1);
	cr_assert_eq(tp->retrans_out, 1);
}

Test(sack, an_acknowledgement_takes_its_packets_out_of_the_counts)
{
	peer_ack(&peer, 0, 1000, 3000);
	peer_ack(&peer, 3000, 0, 0);
	cr_assert_eq(tp->packets_out, 7);
	cr_assert_eq(tp->sacked_out, 0);
	cr_assert_eq(tp->ca_state, TCP_CA_STATE_OPEN);
}

Test(sack, blocks_beyond_what_was_sent_or_upside_down_mean_nothing)
{
	peer_ack(&peer, 0, 9000, 12000);
	cr_assert_eq(tp->sacked_out, 0);
	peer_ack(&peer, 0, 5000, 4000);
	cr_assert_eq(tp->sacked_out, 0);
	COUNTER_IS(&fixture, "TcpExt", "TCPSACKDiscard", 2);
}

Test(sack, a_hole_that_fills_late_teaches_reordering)
{
	cr_assert_eq(tp->reordering, 3);
	peer_ack(&peer, 0, 6000, 7000);
	peer_ack(&peer, 0, 1000, 2000);		/* five packets before the highest */
	cr_assert_eq(tp->reordering, 6);
	cr_assert_eq(tp->reord_seen, 1);
}

Test(sack, a_duplicate_block_is_told_from_a_new_one)
{
	peer_ack(&peer, 5000, 0, 0);
	peer_ack(&peer, 5000, 1000, 2000);	/* below what is acknowledged: D-SACK (RFC 2883) */
	cr_assert_eq(tp->dsack_dups, 1);
	cr_assert_eq(tp->sacked_out, 0);
}
