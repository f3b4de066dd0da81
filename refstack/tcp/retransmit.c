/*
 * Sending again: one buffer, all that is marked lost, the tail loss probe (RFC 8985 section 7).
 *
 * A buffer that was retransmitted keeps TCPCB_EVER_RETRANS for good (its round trip is ambiguous, Karn) and
 * TCPCB_SACKED_RETRANS as long as the retransmission is thought to be in flight.
 */
#include "send.h"

/* May `packet` be merged into a retransmission before it? Only single packets that the peer has not reported. */
static bool may_collapse(const struct pktbuf *packet)
{
	return tcp_cb(packet)->segments == 1 && !(tcp_cb(packet)->sacked & TCPCB_SACKED_ACKED);
}

/* Merge the buffer behind `to` into it. */
static bool collapse_next(struct tcp_sock *tp, struct pktbuf *to)
{
	struct pktbuf *next = to->next;
	struct tcp_control *cb = tcp_cb(to), *from = tcp_cb(next);
	uint32_t length = pktbuf_length(next);

	if (length && !tcp_move_bytes(tp, to, next, length))
		return false;
	tcp_highest_sack_replace(tp, next, to);
	cb->end_seq = from->end_seq;
	cb->flags |= from->flags;
	cb->sacked |= from->sacked & TCPCB_EVER_RETRANS;
	cb->eor = from->eor;
	if (tp->retransmit_hint == next)
		tp->retransmit_hint = to;
	tcp_adjust_counts(tp, next, from->segments);
	tcp_merge_stamps(to, next);
	tcp_send_buffer_free(tp, &tp->retransmit_queue, next);
	return true;
}

/* A retransmission smaller than `space` takes the small buffers behind it along, as far as they fit (tcp_retrans_collapse). */
static void collapse(struct tcp_sock *tp, struct pktbuf *to, uint32_t space)
{
	if (!tcp_sysctl(tp)->tcp_retrans_collapse || (tcp_cb(to)->flags & TH_SYN))
		return;
	for (struct pktbuf *next = to->next; next; next = to->next) {
		if (pktbuf_length(to) + pktbuf_length(next) > space || !may_collapse(to) || !may_collapse(next) ||
		    !tcp_may_merge(to, next) || after(tcp_cb(next)->end_seq, tcp_wnd_end(tp)) || !collapse_next(tp, to))
			return;
	}
}

/* Drop what is already acknowledged from the front of the buffer. false: nothing is left of it. */
static bool trim_before_resending(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (before(cb->seq, tp->snd_una) && (cb->flags & TH_SYN)) {
		cb->flags &= (uint16_t)~TH_SYN;
		cb->seq++;
	}
	if (!before(cb->seq, tp->snd_una))
		return true;
	if (before(cb->end_seq, tp->snd_una))
		return false;
	tcp_trim_acked(tp, packet, tp->snd_una - cb->seq);
	return true;
}

/*
 * Cut or fill the buffer to what one retransmission of at most `segments` packets may be. 0, -ENOMEM, or -EAGAIN when the
 * window has shrunk below it. With the window closed the first packet goes all the same: it probes the window.
 */
static int fit_retransmission(struct tcp_sock *tp, struct pktbuf *packet, uint32_t segments, uint32_t mss)
{
	struct tcp_control *cb = tcp_cb(packet);
	int32_t window = (int32_t)(tcp_wnd_end(tp) - cb->seq);

	if (window <= 0) {
		if (cb->seq != tp->snd_una)
			return -EAGAIN;
		window = (int32_t)mss;
	}
	uint32_t most = mss * segments;
	if (most > (uint32_t)window)
		most = (uint32_t)window < mss ? (uint32_t)window : (uint32_t)window / mss * mss;
	if (pktbuf_length(packet) > most)
		return tcp_split(tp, &tp->retransmit_queue, packet, most, mss);
	uint32_t counted = cb->segments;
	tcp_set_segments(packet, mss);
	if (cb->segments != counted)
		tcp_adjust_counts(tp, packet, (int64_t)counted - cb->segments);
	uint32_t space = (uint32_t)window < mss ? (uint32_t)window : mss;
	if (pktbuf_length(packet) < space)
		collapse(tp, packet, space);
	return 0;
}

/* Does what was sent still wait for the link or for a neighbour's address? Then sending it again would do no good. */
static bool copy_waits(struct tcp_sock *tp, const struct pktbuf *packet)
{
	if (!packet->waiting_copies)
		return false;
	tp->throttled = true;
	COUNT(tp->sk.stack, TcpExt, TCPSpuriousRtxHostQueues);
	return true;
}

/*
 * Send a buffer of the retransmit queue again, at most `segments` packets of it, without the recovery's counts. 0; a negative
 * error; a positive one when the link's queue was full.
 */
int tcp_resend(struct tcp_sock *tp, struct pktbuf *packet, uint32_t segments)
{
	struct pl_stack *stack = tp->sk.stack;
	struct tcp_control *cb = tcp_cb(packet);
	int error;

	if (copy_waits(tp, packet))
		return -EBUSY;
	tp->mtup.probe_size = 0;	/* with losses about, a probe tells nothing */
	if (!trim_before_resending(tp, packet))
		return -EINVAL;
	if (!tcp_route_ready(tp))
		return -EHOSTUNREACH;
	error = fit_retransmission(tp, packet, segments, tcp_current_mss(tp));
	if (error)
		return error;
	if ((cb->flags & (TH_SYN | TH_ECE | TH_CWR)) == (TH_SYN | TH_ECE | TH_CWR))
		tcp_ecn_clear_syn(tp, packet);
	COUNT_ADD(stack, Tcp, RetransSegs, cb->segments);
	if (cb->flags & TH_SYN)
		COUNT(stack, TcpExt, TCPSynRetrans);
	tp->total_retrans += cb->segments;
	tp->bytes_retrans += pktbuf_length(packet);
	error = tcp_transmit(tp, packet, true);
	if (error)
		COUNT_ADD(stack, TcpExt, TCPRetransFail, cb->segments);
	cb->sacked |= TCPCB_EVER_RETRANS;	/* even when it failed: its stamp is not the first sending's any more */
	return error;
}

/* tcp_resend, counted as a retransmission of this recovery. */
int tcp_retransmit(struct tcp_sock *tp, struct pktbuf *packet, uint32_t segments)
{
	struct tcp_control *cb = tcp_cb(packet);
	int error = tcp_resend(tp, packet, segments);

	if (error == 0) {
		cb->sacked |= TCPCB_SACKED_RETRANS;
		tp->retrans_out += cb->segments;
	}
	if (!tp->retrans_stamp)
		tp->retrans_stamp = tcp_sent_ts(tp, packet);
	if (tp->undo_retrans < 0)
		tp->undo_retrans = 0;
	tp->undo_retrans += (int32_t)cb->segments;
	return error;
}

/*
 * Retransmit what is marked lost, in the order of sequence numbers, as far as the congestion window goes. The hint remembers
 * where to go on.
 */
void tcp_retransmit_lost(struct tcp_sock *tp)
{
	struct pktbuf *head = tcp_rtx_head(tp), *packet = tp->retransmit_hint ? tp->retransmit_hint : head;
	bool hole = false, rearm = false;

	if (tp->packets_out == 0)
		return;
	uint32_t max_segments = tcp_tso_segments(tp, tcp_current_mss(tp));
	for (; packet && !tcp_pacing_blocks(tp); packet = packet->next) {
		uint8_t sacked = tcp_cb(packet)->sacked;
		int32_t room = (int32_t)(tp->snd_cwnd - tcp_packets_in_flight(tp));

		if (!hole)
			tp->retransmit_hint = packet;
		if (room <= 0 || tp->retrans_out >= tp->lost_out)
			break;
		if (!(sacked & TCPCB_LOST)) {
			hole |= !(sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED));
			continue;
		}
		if (sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS))
			continue;
		bool slow_start = tp->ca_state == TCP_CA_STATE_LOSS;
		if (tcp_retransmit(tp, packet, (uint32_t)room < max_segments ? (uint32_t)room : max_segments) != 0)
			break;
		if (slow_start)
			COUNT_ADD(tp->sk.stack, TcpExt, TCPSlowStartRetrans, tcp_cb(packet)->segments);
		else
			COUNT_ADD(tp->sk.stack, TcpExt, TCPFastRetrans, tcp_cb(packet)->segments);
		if (tcp_in_cwnd_reduction(tp))
			tp->prr_out += tcp_cb(packet)->segments;
		rearm |= packet == head && tp->pending != ICSK_TIME_REO_TIMEOUT;
	}
	if (rearm)
		tcp_arm(tp, ICSK_TIME_RETRANS, tp->rto, true);
}

/* What was lost was lost for another reason than congestion: send it again without reducing the window. */
static void retransmit_uncongested(struct tcp_sock *tp)
{
	if (!tp->lost_out)
		return;
	if (tcp_is_reno(tp))
		tcp_reno_sacked_limit(tp);
	if (tp->ca_state != TCP_CA_STATE_LOSS) {
		tp->high_seq = tp->snd_nxt;
		tp->snd_ssthresh = tcp_current_ssthresh(tp);
		tp->prior_ssthresh = 0;
		tp->undo_marker = 0;
		tcp_set_ca_state(tp, TCP_CA_STATE_LOSS);
	}
	tcp_retransmit_lost(tp);
}

/*
 * Packets now known to be too large (or refused) are marked lost and sent again, with neither the window reduced nor the state
 * of recovery, if any, disturbed: it is not the network that is congested.
 */
void tcp_simple_retransmit(struct tcp_sock *tp)
{
	/* A Fast Open SYN that was too large is two buffers, neither of which need be too large by itself. */
	bool all = tp->syn_data && tp->sk.state == TCP_SYN_SENT;
	uint32_t mss = tcp_current_mss(tp);

	for (struct pktbuf *packet = tcp_rtx_head(tp); packet; packet = packet->next) {
		uint32_t each = tcp_cb(packet)->gso_size && tcp_cb(packet)->segments > 1 ? tcp_cb(packet)->gso_size
											  : pktbuf_length(packet);
		if (all || each > mss)
			tcp_mark_lost(tp, packet);
	}
	retransmit_uncongested(tp);
}

/* The SYN-ACK acknowledged the SYN but not the data in it: all of it is to be sent again. */
void tcp_resend_syn_data(struct tcp_sock *tp)
{
	for (struct pktbuf *packet = tcp_rtx_head(tp); packet; packet = packet->next)
		tcp_mark_lost(tp, packet);
	retransmit_uncongested(tp);
}

/* --- tail loss probe ---------------------------------------------------------------------------------------------------- */

/*
 * Arm the probe: two round trips after the last packet, and for a single packet long enough for a delayed acknowledgement; at
 * the time of the retransmission timeout if that is sooner. false: no probe is due, the timeout is to be armed instead.
 */
bool tcp_schedule_loss_probe(struct tcp_sock *tp, bool advancing_rto)
{
	int mode = tcp_sysctl(tp)->tcp_early_retrans;
	uint32_t timeout = tcp_hz(tp);

	if (tp->request || (mode != 3 && mode != 4) || !tp->packets_out || !tp->sack_ok ||
	    (tp->ca_state != TCP_CA_STATE_OPEN && tp->ca_state != TCP_CA_STATE_CWR))
		return false;
	if (tp->srtt_us) {
		uint32_t us = (tp->srtt_us >> 2) + (tp->packets_out == 1 ? tcp_rto_min_us(tp) : TCP_TIMEOUT_MIN_US);

		timeout = tcp_us_to_jiffies(tp, us);
	}
	int64_t left = advancing_rto ? (int64_t)tcp_jiffies_to_us(tp, tp->rto) : tcp_rto_left_us(tp);
	if (left > 0 && tcp_us_to_jiffies(tp, (uint64_t)left) < timeout)
		timeout = tcp_us_to_jiffies(tp, (uint64_t)left);
	tcp_arm(tp, ICSK_TIME_LOSS_PROBE, timeout, true);
	return true;
}

/* The last packet once more; of a large segment only its last packet. */
static bool resend_last(struct tcp_sock *tp, uint32_t mss)
{
	struct pktbuf *last = tp->retransmit_queue.last;
	uint32_t segments = tcp_cb(last)->segments;

	if (segments > 1 && pktbuf_length(last) > (segments - 1) * mss) {
		if (tcp_split(tp, &tp->retransmit_queue, last, (segments - 1) * mss, mss))
			return false;
		last = last->next;
	}
	if (tcp_resend(tp, last, 1) != 0)
		return false;
	tp->tlp_retrans = true;
	return true;
}

/* The probe timer has fired: send new data if there is any, else the last packet again; one probe in a tail loss episode. */
void tcp_send_loss_probe(struct tcp_sock *tp)
{
	uint32_t mss = tcp_current_mss(tp), out = tp->packets_out;
	struct pktbuf *head = tcp_send_head(tp);
	bool sent;

	if (tp->tlp_high_seq) {
		tcp_rearm_rto(tp);
		return;
	}
	tp->tlp_retrans = false;
	if (head && tcp_fits_send_window(tp, head, mss)) {
		tcp_write_xmit(tp, mss, TCP_NAGLE_OFF, PUSH_PROBE);
		sent = tp->packets_out > out;
	} else {
		if (!tp->retransmit_queue.last) {
			tcp_disarm(tp, ICSK_TIME_LOSS_PROBE);
			return;
		}
		if (copy_waits(tp, tp->retransmit_queue.last)) {
			tcp_rearm_rto(tp);
			return;
		}
		sent = resend_last(tp, mss);
	}
	if (sent) {
		tp->tlp_high_seq = tp->snd_nxt;
		COUNT(tp->sk.stack, TcpExt, TCPLossProbes);
		tp->pending = ICSK_TIME_NONE;	/* the timeout counts from now */
	}
	tcp_rearm_rto(tp);
}
