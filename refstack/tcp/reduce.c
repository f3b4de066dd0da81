/*
 * Reducing the congestion window in steps, by Proportional Rate Reduction (RFC 6937bis, draft-ietf-tcpm-prr-rfc6937bis).
 *
 * Between the moment of congestion and the end of the recovery the window follows what is delivered: while more than ssthresh
 * is in flight, ssthresh/prior_cwnd packets go out for each one delivered; below that, as many as are delivered, and one more
 * while acknowledgements advance and nothing new is lost (slow start reduction bound), never beyond ssthresh.
 */
#include "send.h"

void tcp_set_ca_state(struct tcp_sock *tp, uint8_t state)
{
	if (tp->cong->set_state)
		tp->cong->set_state(tp, state);
	tp->ca_state = state;
}

void tcp_init_cwnd_reduction(struct tcp_sock *tp)
{
	tp->high_seq = tp->snd_nxt;
	tp->tlp_high_seq = 0;
	tp->snd_cwnd_cnt = 0;
	tp->prior_cwnd = tp->snd_cwnd;
	tp->prr_delivered = 0;
	tp->prr_out = 0;
	tp->snd_ssthresh = tp->cong->ssthresh(tp);
	tcp_ecn_queue_cwr(tp);
}

/* One acknowledgement within the reduction delivered and lost so many packets. */
void tcp_cwnd_reduction(struct tcp_sock *tp, int newly_delivered, int newly_lost, int flag)
{
	int32_t in_flight = (int32_t)tcp_packets_in_flight(tp), below = (int32_t)tp->snd_ssthresh - in_flight, quota;

	if (newly_delivered <= 0 || !tp->prior_cwnd)
		return;
	tp->prr_delivered += (uint32_t)newly_delivered;
	if (below < 0) {
		uint64_t share = ((uint64_t)tp->snd_ssthresh * tp->prr_delivered + tp->prior_cwnd - 1) / tp->prior_cwnd;

		quota = (int32_t)share - (int32_t)tp->prr_out;
	} else {
		quota = (int32_t)(tp->prr_delivered - tp->prr_out);
		if (quota < newly_delivered)
			quota = newly_delivered;
		if ((flag & FLAG_SND_UNA_ADVANCED) && !newly_lost)
			quota++;
		if (quota > below)
			quota = below;
	}
	/* The first retransmission of a recovery goes whatever the arithmetic says. */
	if (quota < 1 && !tp->prr_out)
		quota = 1;
	else if (quota < 0)
		quota = 0;
	tp->snd_cwnd = (uint32_t)(in_flight + quota);
}

/* The reduction is over: the window is ssthresh, unless it was undone. */
void tcp_end_cwnd_reduction(struct tcp_sock *tp)
{
	if (tp->cong->cong_control)
		return;
	if (tp->snd_ssthresh < TCP_INFINITE_SSTHRESH && (tp->ca_state == TCP_CA_STATE_CWR || tp->undo_marker)) {
		tp->snd_cwnd = tp->snd_ssthresh;
		tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	}
	tcp_cong_tell(tp, CONG_COMPLETE_CWR);
}

/* Congestion without loss: an ECN echo, or this host's own queue was full. */
void tcp_enter_cwr(struct tcp_sock *tp)
{
	tp->prior_ssthresh = 0;
	if (tp->ca_state >= TCP_CA_STATE_CWR)
		return;
	tp->undo_marker = 0;
	tcp_init_cwnd_reduction(tp);
	tcp_set_ca_state(tp, TCP_CA_STATE_CWR);
}

bool tcp_any_retransmission(const struct tcp_sock *tp)
{
	const struct pktbuf *head = tcp_rtx_head(tp);

	return tp->retrans_out || (head && (tcp_cb(head)->sacked & TCPCB_EVER_RETRANS));
}

/* Open, or Disorder while anything is SACKed, lost or retransmitted. */
void tcp_try_keep_open(struct tcp_sock *tp)
{
	uint8_t state = tcp_left_out(tp) || tcp_any_retransmission(tp) ? TCP_CA_STATE_DISORDER : TCP_CA_STATE_OPEN;

	if (tp->ca_state != state) {
		tcp_set_ca_state(tp, state);
		tp->high_seq = tp->snd_nxt;
	}
}

/*
 * A loss probe was sent up to tlp_high_seq, and an acknowledgement came: did the probe repair a loss (then the window has to be
 * reduced as if it had been found otherwise), or was it needless?
 */
void tcp_tlp_acked(struct tcp_sock *tp, uint32_t ack, int flag)
{
	if (before(ack, tp->tlp_high_seq))
		return;
	if (!tp->tlp_retrans || (flag & FLAG_DSACK_TLP)) {
		tp->tlp_high_seq = 0;
	} else if (after(ack, tp->tlp_high_seq)) {
		tcp_init_cwnd_reduction(tp);
		tcp_set_ca_state(tp, TCP_CA_STATE_CWR);
		tcp_end_cwnd_reduction(tp);
		tcp_try_keep_open(tp);
		COUNT(tp->sk.stack, TcpExt, TCPLossProbeRecovery);
	} else if (!(flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED))) {
		tp->tlp_high_seq = 0;	/* a bare duplicate: original and probe both arrived */
	}
}
