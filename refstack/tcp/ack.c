/*
 * What an acknowledgement does to the sending half (RFC 9293 3.10.7.4, fifth step, with RFC 5961 section 5).
 *
 * In order: is it acceptable; what of the peer's window does it bring; what do its SACK blocks say; which packets leave the
 * retransmit queue, and how long were they under way; what does that mean for loss recovery; what is the new congestion window;
 * what may be sent again. New data is sent afterwards, by whoever called (tcp_data_send_check).
 */
#include "send.h"

/* One acknowledgement on its way through the steps. */
struct ack_event {
	const struct tcp_segment *segment;
	int flag;			/* FLAG_* */
	uint32_t prior_una, prior_fack;	/* snd_una, and the highest SACKed, before it */
	struct sack_result sack;
	struct rate_sample rate;
	enum tcp_resend resend;
};

/* --- window ----------------------------------------------------------------------------------------------------------------- */

static void advance_una(struct tcp_sock *tp, uint32_t ack)
{
	tp->bytes_acked += ack - tp->snd_una;
	tp->snd_una = ack;
}

/* Newer segments may update the window: by sequence, or a larger window in the same one (RFC 9293), or one that closes. */
static void update_window(struct tcp_sock *tp, struct ack_event *event)
{
	const struct tcp_segment *segment = event->segment;
	uint32_t window = segment->window;

	if (!(segment->flags & TH_SYN))
		window <<= tp->snd_wscale;
	if (after(segment->ack, tp->snd_una) || after(segment->seq, tp->snd_wl1) ||
	    (segment->seq == tp->snd_wl1 && (window > tp->snd_wnd || !window))) {
		event->flag |= FLAG_WIN_UPDATE;
		tp->snd_wl1 = segment->seq;
		if (tp->snd_wnd != window) {
			tp->snd_wnd = window;
			if (tcp_send_head(tp))
				tcp_cwnd_after_idle(tp);
			if (window > tp->max_window) {
				tp->max_window = window;
				tcp_sync_mss(tp, tp->pmtu_cookie);
			}
		}
	}
	advance_una(tp, segment->ack);
}

/* Data waits for the window, nothing is in flight: is it open now, or when is the next probe? */
static void check_probe(struct tcp_sock *tp)
{
	const struct pktbuf *head = tcp_send_head(tp);

	if (!head)
		return;
	if (after(tcp_cb(head)->end_seq, tcp_wnd_end(tp))) {
		tcp_arm(tp, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(tp, tcp_probe0_when(tp)), true);
		return;
	}
	tp->backoff = 0;
	tp->probes_tstamp = 0;
	tcp_disarm(tp, ICSK_TIME_NONE);
}

/* --- the retransmit queue ----------------------------------------------------------------------------------------------------- */

/* What leaves the queue with one acknowledgement. */
struct cleaned {
	uint64_t first_sent_us, last_sent_us;	/* of those never retransmitted; 0: none */
	uint32_t reordered_from, packets;
	bool whole;			/* the last one taken was taken whole */
};

/* Packets at the front of `packet` that are acknowledged: all, some of a large segment, none. */
static uint32_t acknowledged_packets(struct tcp_sock *tp, struct pktbuf *packet, bool *whole)
{
	struct tcp_control *cb = tcp_cb(packet);
	uint32_t segments = cb->segments;

	*whole = !after(cb->end_seq, tp->snd_una);
	if (*whole)
		return segments;
	if (segments == 1 || !after(tp->snd_una, cb->seq))
		return 0;
	tcp_trim_acked(tp, packet, tp->snd_una - cb->seq);
	return segments - cb->segments;
}

/* `packets` of this buffer, which started at `start`, are delivered: its tags leave the counts. */
static void account_acknowledged(struct tcp_sock *tp, struct ack_event *event, struct pktbuf *packet, uint32_t start,
				 uint32_t packets, struct cleaned *cleaned)
{
	struct tcp_control *cb = tcp_cb(packet);

	if (cb->sacked & TCPCB_RETRANS) {
		if (cb->sacked & TCPCB_SACKED_RETRANS)
			tp->retrans_out -= packets;
		event->flag |= FLAG_RETRANS_DATA_ACKED;
	} else if (!(cb->sacked & TCPCB_SACKED_ACKED)) {
		cleaned->last_sent_us = tcp_sent_us(packet);
		if (!cleaned->first_sent_us)
			cleaned->first_sent_us = cleaned->last_sent_us;
		if (before(start, cleaned->reordered_from))
			cleaned->reordered_from = start;
		if (!after(cb->end_seq, tp->high_seq))
			event->flag |= FLAG_ORIG_SACK_ACKED;
	}
	if (cb->sacked & TCPCB_SACKED_ACKED) {
		tp->sacked_out -= packets;
	} else if (!tcp_is_reno(tp)) {
		tcp_deliver_count(tp, packets, event->flag & FLAG_ECE);
		if (!tcp_needless_retransmission(tp, packet))
			tcp_rack_advance(tp, cb->sacked, cb->end_seq, tcp_sent_us(packet));
	}
	if (cb->sacked & TCPCB_LOST)
		tp->lost_out -= packets;
	tp->packets_out -= packets;
	cleaned->packets += packets;
	tcp_rate_delivered(tp, packet, &event->rate);
	if (cb->flags & TH_SYN) {
		event->flag |= FLAG_SYN_ACKED;
		tp->retrans_stamp = 0;
	} else {
		event->flag |= FLAG_DATA_ACKED;
	}
}

/* Take what is acknowledged off the queue. */
static struct cleaned remove_acknowledged(struct tcp_sock *tp, struct ack_event *event)
{
	struct cleaned cleaned = { .reordered_from = tp->snd_nxt, .whole = true };
	struct pktbuf *packet, *next;

	for (packet = tcp_rtx_head(tp); packet; packet = next) {
		uint32_t start = tcp_cb(packet)->seq;
		bool whole;
		uint32_t packets = acknowledged_packets(tp, packet, &whole);

		if (!packets)
			break;
		account_acknowledged(tp, event, packet, start, packets, &cleaned);
		cleaned.whole = whole;
		if (!whole)
			break;
		tcp_stamp_acked(tp, packet, event->prior_una, event->segment);
		next = packet->next;
		if (tp->retransmit_hint == packet)
			tp->retransmit_hint = NULL;
		tcp_highest_sack_replace(tp, packet, next);
		tcp_send_buffer_free(tp, &tp->retransmit_queue, packet);
	}
	if (!packet) {
		tcp_chrono_stop(tp, CHRONO_BUSY);
	} else {
		tcp_stamp_acked(tp, packet, event->prior_una, event->segment);
		if (tcp_cb(packet)->sacked & TCPCB_SACKED_ACKED)
			event->flag |= FLAG_SACK_RENEGING;
	}
	/* Urgent data that is acknowledged is urgent no more. */
	if (tp->snd_up - event->prior_una <= tp->snd_una - event->prior_una)
		tp->snd_up = tp->snd_una;
	return cleaned;
}

/* The round trips that this acknowledgement shows. true: the estimate moved. */
static bool measure(struct tcp_sock *tp, struct ack_event *event, const struct cleaned *cleaned, uint32_t prior_sacked,
		    int64_t *sack_rtt_us)
{
	int64_t seq_rtt_us = -1, ca_rtt_us = -1;

	if (cleaned->first_sent_us && !(event->flag & FLAG_RETRANS_DATA_ACKED)) {
		seq_rtt_us = tcp_since_us(tp, cleaned->first_sent_us);
		ca_rtt_us = tcp_since_us(tp, cleaned->last_sent_us);
		/* A lone small packet with nothing else happening: the peer may have waited before it acknowledged. */
		if (cleaned->packets == 1 && cleaned->whole && !prior_sacked && tp->snd_una - event->prior_una < tp->mss_cache &&
		    event->rate.prior_delivered + 1 == tp->delivered && !(event->flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED)))
			event->flag |= FLAG_ACK_MAYBE_DELAYED;
	}
	*sack_rtt_us = -1;
	if (event->sack.first_sent_us) {
		*sack_rtt_us = tcp_since_us(tp, event->sack.first_sent_us);
		ca_rtt_us = tcp_since_us(tp, event->sack.last_sent_us);
	}
	return tcp_rtt_update(tp, event->flag, seq_rtt_us, *sack_rtt_us, ca_rtt_us, &event->rate);
}

/* What the packets that left the queue mean beyond their round trip. */
static void progress(struct tcp_sock *tp, struct ack_event *event, const struct cleaned *cleaned)
{
	event->flag |= FLAG_SET_XMIT_TIMER;
	if (tp->mtup.probe_size && !after(tp->mtup.probe_seq_end, tp->snd_una))
		tcp_mtu_probe_success(tp);
	if (!tcp_is_reno(tp)) {
		/* A hole was filled by the original: it was reordered. */
		if (before(cleaned->reordered_from, event->prior_fack))
			tcp_check_sack_reordering(tp, cleaned->reordered_from, false);
		return;
	}
	tcp_reno_sacked_remove(tp, (int)cleaned->packets, event->flag & FLAG_ECE);
	/* Without SACK there is no telling that it was an original. */
	if (event->flag & FLAG_RETRANS_DATA_ACKED)
		event->flag &= ~FLAG_ORIG_SACK_ACKED;
}

static void clean_queue(struct tcp_sock *tp, struct ack_event *event)
{
	uint32_t prior_sacked = tp->sacked_out;
	struct cleaned cleaned = remove_acknowledged(tp, event);
	int64_t sack_rtt_us;
	bool measured = measure(tp, event, &cleaned, prior_sacked, &sack_rtt_us);
	const struct pktbuf *head = tcp_rtx_head(tp);

	if (event->flag & FLAG_ACKED) {
		progress(tp, event, &cleaned);
	} else if (head && measured && sack_rtt_us >= 0 && sack_rtt_us > tcp_since_us(tp, tcp_sent_us(head))) {
		/* The round trip is of a packet sent before the head's last retransmission: the timeout may be set anew. */
		event->flag |= FLAG_SET_XMIT_TIMER;
	}
	if (tp->cong->pkts_acked)
		tp->cong->pkts_acked(tp, cleaned.packets, event->rate.rtt_us,
				     tp->mss_cache * (tp->delivered - event->rate.prior_delivered));
}

/* --- afterwards -------------------------------------------------------------------------------------------------------------------- */

/* Packets delivered since `prior`, counted for all to see. */
static uint32_t newly_delivered(struct tcp_sock *tp, uint32_t prior, int flag)
{
	uint32_t delivered = tp->delivered - prior;

	COUNT_ADD(tp->sk.stack, TcpExt, TCPDelivered, delivered);
	if (flag & FLAG_ECE)
		COUNT_ADD(tp->sk.stack, TcpExt, TCPDeliveredCE, delivered);
	return delivered;
}

/* With high reordering any delivery lets the window grow; else only what is delivered in order (RFC 5681). */
static bool may_raise_cwnd(const struct tcp_sock *tp, int flag)
{
	if (tp->reordering > (uint32_t)tcp_sysctl(tp)->tcp_reordering)
		return flag & FLAG_FORWARD_PROGRESS;
	return flag & FLAG_DATA_ACKED;
}

static void adjust_cwnd(struct tcp_sock *tp, struct ack_event *event, uint32_t delivered)
{
	if (tp->cong->cong_control) {
		tp->cong->cong_control(tp, event->segment->ack, event->flag, &event->rate);
		return;
	}
	if (tcp_in_cwnd_reduction(tp)) {
		tcp_cwnd_reduction(tp, (int)delivered, (int)event->rate.losses, event->flag);
	} else if (may_raise_cwnd(tp, event->flag)) {
		tp->cong->cong_avoid(tp, event->segment->ack, delivered);
		tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	}
	tcp_update_pacing_rate(tp);
}

static void send_again(struct tcp_sock *tp, enum tcp_resend resend)
{
	if (resend == RESEND_NOTHING || tp->sk.state == TCP_SYN_SENT)
		return;
	if (resend == RESEND_NEW) {
		tcp_push_with(tp, tcp_current_mss(tp), TCP_NAGLE_OFF);
		if (after(tp->snd_nxt, tp->high_seq))
			return;
		tp->frto = false;	/* nothing could be sent: recover the usual way */
	}
	tcp_retransmit_lost(tp);
}

/* Duplicates that this segment stands for: a pure ACK merged from several (GRO) for all of them. */
static uint32_t duplicates(const struct ack_event *event)
{
	uint16_t merged = event->segment->packet ? event->segment->packet->gso_segs : 0;

	if (event->flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK))
		return 0;
	return !(event->flag & FLAG_DATA) && merged > 1 ? merged : 1;
}

static void read_sack_and_window(struct tcp_sock *tp, struct ack_event *event)
{
	const struct tcp_segment *segment = event->segment;

	if (segment->seq != segment->end_seq)
		event->flag |= FLAG_DATA;
	else
		COUNT(tp->sk.stack, TcpExt, TCPPureAcks);
	update_window(tp, event);
	if (segment->option.sacks && tp->sack_ok)
		event->flag |= tcp_sack_process(tp, segment, event->prior_una, &event->sack);
	if (tcp_ecn_echo_received(tp, segment))
		event->flag |= FLAG_ECE;
	if (event->sack.delivered)
		tcp_deliver_count(tp, event->sack.delivered, event->flag & FLAG_ECE);
}

/* An acknowledgement of something, or of nothing new, while packets were in flight. */
static void acknowledge_flight(struct tcp_sock *tp, struct ack_event *event, uint32_t delivered, uint32_t lost)
{
	bool reneging = tp->is_sack_reneg;

	clean_queue(tp, event);
	tcp_rack_update_reo_wnd(tp, &event->rate);
	if (tp->tlp_high_seq)
		tcp_tlp_acked(tp, event->segment->ack, event->flag);
	if (!(event->flag & FLAG_NOT_DUP) || (event->flag & FLAG_CA_ALERT) || tp->ca_state != TCP_CA_STATE_OPEN)
		tcp_recovery_step(tp, event->prior_una, duplicates(event), &event->flag, &event->resend);
	if ((event->flag & FLAG_SET_XMIT_TIMER) && !tcp_schedule_loss_probe(tp, true))
		tcp_rearm_rto(tp);
	/* The peer heard what was sent, or says again what it misses: so does the neighbour on the way (RFC 4861 section 7.3.1). */
	if (event->flag & FLAG_FORWARD_PROGRESS || !(event->flag & FLAG_NOT_DUP))
		sock_flag_set(&tp->sk, SF_CONFIRM_NEIGHBOUR, true);
	delivered = newly_delivered(tp, delivered, event->flag);
	event->rate.is_ack_delayed = event->flag & FLAG_ACK_MAYBE_DELAYED;
	tcp_rate_generate(tp, delivered, tp->lost - lost, reneging, &event->rate);
	adjust_cwnd(tp, event, delivered);
	send_again(tp, event->resend);
}

/* Below snd_una: only its SACK blocks may still tell something. Far below: it may be forged (RFC 5961 section 5.2). */
static int old_acknowledgement(struct tcp_sock *tp, struct ack_event *event, uint32_t delivered)
{
	const struct tcp_segment *segment = event->segment;
	uint64_t most = tp->bytes_acked < tp->max_window ? tp->bytes_acked : tp->max_window;

	if (before(segment->ack, tp->snd_una - (uint32_t)most)) {
		if (!(event->flag & FLAG_NO_CHALLENGE_ACK))
			tcp_send_challenge_ack(tp);
		return -1;
	}
	if (!segment->option.sacks || !tp->sack_ok)
		return 0;
	/* Linux marks what the blocks tell, but does not count it as delivered. */
	event->flag |= tcp_sack_process(tp, segment, event->prior_una, &event->sack);
	tcp_recovery_step(tp, event->prior_una, 0, &event->flag, &event->resend);
	newly_delivered(tp, delivered, event->flag);
	send_again(tp, event->resend);
	return 0;
}

/*
 * Take in a segment's acknowledgement. `flag` says what the caller knows: TCP_ACK_SLOWPATH when the segment was not just the
 * one expected, TCP_ACK_UPDATE_TS_RECENT. 1: acceptable; 0: old; -1: too old to be honest; -2: it
 * acknowledges what was never sent. The last two are challenged, unless TCP_ACK_NO_CHALLENGE.
 */
int tcp_ack(struct tcp_sock *tp, const struct tcp_segment *segment, int flag)
{
	uint32_t prior_packets = tp->packets_out, delivered = tp->delivered, lost = tp->lost;
	struct ack_event event = {
		.segment = segment, .flag = flag, .prior_una = tp->snd_una, .sack.rate = NULL, .rate.rtt_us = -1,
	};

	event.sack.rate = &event.rate;
	if (before(segment->ack, tp->snd_una))
		return old_acknowledgement(tp, &event, delivered);
	if (after(segment->ack, tp->snd_nxt)) {
		if (!(flag & FLAG_NO_CHALLENGE_ACK))
			tcp_send_challenge_ack(tp);
		return -2;
	}
	if (after(segment->ack, tp->snd_una)) {
		event.flag |= FLAG_SND_UNA_ADVANCED;
		tp->retransmits = 0;
	}
	event.prior_fack = tcp_is_reno(tp) ? tp->snd_una : tcp_highest_sack_seq(tp);
	event.rate.prior_in_flight = tcp_packets_in_flight(tp);
	if (flag & FLAG_UPDATE_TS_RECENT)
		tcp_replace_ts_recent(tp, segment);
	if ((event.flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) == FLAG_SND_UNA_ADVANCED) {
		tp->snd_wl1 = segment->seq;
		advance_una(tp, segment->ack);
		event.flag |= FLAG_WIN_UPDATE;
		COUNT(tp->sk.stack, TcpExt, TCPHPAcks);
	} else {
		read_sack_and_window(tp, &event);
	}
	tcp_ecn_accept_cwr(tp, segment);
	tp->sk.error_soft = 0;
	tp->probes_out = 0;
	tp->rcv_tstamp = tcp_jiffies32(tp);
	if (prior_packets) {
		acknowledge_flight(tp, &event, delivered, lost);
		return 1;
	}
	/* Nothing was in flight: a late D-SACK, an answer to a probe. */
	if (event.flag & FLAG_DSACKING_ACK) {
		tcp_recovery_step(tp, event.prior_una, 0, &event.flag, &event.resend);
		newly_delivered(tp, delivered, event.flag);
	}
	check_probe(tp);
	if (tp->tlp_high_seq)
		tcp_tlp_acked(tp, segment->ack, event.flag);
	return 1;
}
