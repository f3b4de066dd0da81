/*
 * Loss detection by time (RACK, RFC 8985): a packet is lost when one sent later was delivered and the packet itself had a round
 * trip, and a reordering window on top, to be delivered too.
 *
 * The reordering window is nothing while no reordering was ever seen and as many packets as tp->reordering are SACKed (which
 * is the classic rule of three duplicates), or recovery is under way; else a quarter of the least round trip, more after
 * D-SACKs showed that it was too small.
 */
#include "send.h"

#define RACK_STATIC_REO_WND 0x2		/* bits of tcp_recovery */
#define RACK_NO_DUPTHRESH 0x4

/* The hint must not be behind a packet that becomes due for retransmission. */
static void keep_hint_first(struct tcp_sock *tp, struct pktbuf *packet)
{
	if (tp->retransmit_hint ? before(tcp_cb(packet)->seq, tcp_cb(tp->retransmit_hint)->seq) : tp->retrans_out >= tp->lost_out)
		tp->retransmit_hint = packet;
}

/* The packet is lost; if it was a retransmission, that is lost too, and another is due. */
void tcp_mark_lost(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (cb->sacked & TCPCB_SACKED_ACKED)
		return;
	keep_hint_first(tp, packet);
	if (!(cb->sacked & TCPCB_LOST)) {
		tp->lost_out += cb->segments;
		cb->sacked |= TCPCB_LOST;
	} else if (cb->sacked & TCPCB_SACKED_RETRANS) {
		cb->sacked &= (uint8_t)~TCPCB_SACKED_RETRANS;
		tp->retrans_out -= cb->segments;
		COUNT_ADD(tp->sk.stack, TcpExt, TCPLostRetransmit, cb->segments);
	} else {
		return;
	}
	tp->lost += cb->segments;
}

static uint32_t reordering_window(const struct tcp_sock *tp)
{
	if (!tp->reord_seen) {
		if (tp->ca_state >= TCP_CA_STATE_RECOVERY)
			return 0;
		if (tp->sacked_out >= tp->reordering && !(tcp_sysctl(tp)->tcp_recovery & RACK_NO_DUPTHRESH))
			return 0;
	}
	uint32_t window = (tcp_min_rtt(tp) >> 2) * tp->rack.reo_wnd_steps, srtt = tp->srtt_us >> 3;
	return window < srtt ? window : srtt;
}

/* Microseconds until the packet has to be held lost; may be negative. */
int64_t tcp_rack_left_us(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t reo_wnd)
{
	return (int64_t)tp->rack.rtt_us + reo_wnd - tcp_since_us(tp, tcp_sent_us(packet));
}

/* Mark what is lost by now. Microseconds until the last of the others would be; 0: there are none. */
static uint32_t detect_losses(struct tcp_sock *tp)
{
	uint32_t window = reordering_window(tp);
	int64_t longest = 0;

	for (struct pktbuf *packet = tcp_rtx_head(tp); packet; packet = packet->next) {
		struct tcp_control *cb = tcp_cb(packet);

		if (!cb->rack_watched || ((cb->sacked & TCPCB_LOST) && !(cb->sacked & TCPCB_SACKED_RETRANS)))
			continue;
		if (!tcp_sent_after(tp->rack.mstamp_us, tcp_sent_us(packet), tp->rack.end_seq, cb->end_seq))
			continue;
		int64_t left = tcp_rack_left_us(tp, packet, window);
		if (left <= 0) {
			tcp_mark_lost(tp, packet);
			/* Should that be undone, it is not judged again before it is sent again. */
			cb->rack_watched = false;
		} else if (left > longest) {
			longest = left;
		}
	}
	return (uint32_t)longest;
}

/* After an acknowledgement. true: the reordering timer was set, and no other is to be. */
bool tcp_rack_mark_lost(struct tcp_sock *tp)
{
	if (!tp->rack.advanced)
		return false;
	tp->rack.advanced = false;
	uint32_t left = detect_losses(tp);
	if (!left)
		return false;
	uint32_t jiffies = tcp_us_to_jiffies(tp, left + TCP_TIMEOUT_MIN_US);
	tcp_arm(tp, ICSK_TIME_REO_TIMEOUT, jiffies < tp->rto ? jiffies : tp->rto, false);
	return true;
}

/* A packet sent at sent_us, with these tags, was delivered: does it move RACK's notion of the latest one delivered? */
void tcp_rack_advance(struct tcp_sock *tp, uint8_t sacked, uint32_t end_seq, uint64_t sent_us)
{
	uint32_t rtt_us = (uint32_t)tcp_since_us(tp, sent_us);

	/* Sooner than any round trip: it must be the original that arrived, and when that was sent is not known any more. */
	if (rtt_us < tcp_min_rtt(tp) && (sacked & TCPCB_RETRANS))
		return;
	tp->rack.advanced = true;
	tp->rack.rtt_us = rtt_us;
	if (tcp_sent_after(sent_us, tp->rack.mstamp_us, end_seq, tp->rack.end_seq)) {
		tp->rack.mstamp_us = sent_us;
		tp->rack.end_seq = end_seq;
	}
}

/* Is the acknowledgement at hand, by the timestamp it echoes, older than the packet's retransmission? */
bool tcp_needless_retransmission(const struct tcp_sock *tp, const struct pktbuf *packet)
{
	return (tcp_cb(packet)->sacked & TCPCB_RETRANS) && tp->saw_tstamp && tp->rcv_tsecr &&
	       before(tp->rcv_tsecr, tcp_sent_ts(tp, packet));
}

/* The reordering timer has fired: what was given the benefit of the doubt is lost now. */
void tcp_rack_reorder_timeout(struct tcp_sock *tp)
{
	uint32_t in_flight = tcp_packets_in_flight(tp), lost = tp->lost;

	detect_losses(tp);
	if (in_flight != tcp_packets_in_flight(tp)) {
		if (tp->ca_state != TCP_CA_STATE_RECOVERY) {
			tcp_enter_recovery(tp, false);
			if (!tp->cong->cong_control)
				tcp_cwnd_reduction(tp, 1, (int)(tp->lost - lost), 0);
		}
		tcp_retransmit_lost(tp);
	}
	if (tp->pending != ICSK_TIME_RETRANS)
		tcp_rearm_rto(tp);
}

/*
 * D-SACKs say that the window is too small: a quarter of the least round trip more, once a round trip; and back to one quarter
 * when 16 recoveries went by without them.
 */
void tcp_rack_update_reo_wnd(struct tcp_sock *tp, const struct rate_sample *rate)
{
	if ((tcp_sysctl(tp)->tcp_recovery & RACK_STATIC_REO_WND) || !rate->prior_delivered)
		return;
	if (before(rate->prior_delivered, tp->rack.last_delivered))
		tp->rack.dsack_seen = false;
	if (tp->rack.dsack_seen) {
		if (tp->rack.reo_wnd_steps < UINT8_MAX)
			tp->rack.reo_wnd_steps++;
		tp->rack.dsack_seen = false;
		tp->rack.last_delivered = tp->delivered;
		tp->rack.reo_wnd_persist = TCP_RACK_PERSIST;
	} else if (!tp->rack.reo_wnd_persist) {
		tp->rack.reo_wnd_steps = 1;
	}
}
