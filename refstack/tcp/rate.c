/*
 * Delivery rate samples (draft-cheng-iccrg-delivery-rate-estimation-02).
 *
 * Each packet is stamped, as it is sent, with how much had been delivered and when. When it is delivered itself, the difference
 * is how much was delivered in the time since: the rate is that over the longer of the time it took to send and the time it took
 * to be acknowledged, so that compressed acknowledgements do not look like a faster path.
 */
#include "send.h"

void tcp_rate_sent(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);

	/* A flight begins: the time since the last one says nothing about the path. */
	if (!tp->packets_out)
		tp->first_tx_us = tp->delivered_us = tcp_sent_us(packet);
	cb->first_tx_us = tp->first_tx_us;
	cb->delivered_us = tp->delivered_us;
	cb->delivered = tp->delivered;
	cb->delivered_ce = tp->delivered_ce;
	cb->app_limited = tp->app_limited != 0;
}

/* `packet` was acknowledged or SACKed: the sample is taken from the one that was sent last. */
void tcp_rate_delivered(struct tcp_sock *tp, struct pktbuf *packet, struct rate_sample *rate)
{
	struct tcp_control *cb = tcp_cb(packet);
	uint64_t sent_us = tcp_sent_us(packet);

	if (!cb->delivered_us)
		return;
	if (!rate->prior_delivered || tcp_sent_after(sent_us, tp->first_tx_us, cb->end_seq, rate->last_end_seq)) {
		rate->prior_delivered = cb->delivered;
		rate->prior_delivered_ce = cb->delivered_ce;
		rate->prior_us = cb->delivered_us;
		rate->is_app_limited = cb->app_limited;
		rate->is_retrans = cb->sacked & TCPCB_RETRANS;
		rate->last_end_seq = cb->end_seq;
		tp->first_tx_us = sent_us;
		rate->interval_us = (int64_t)(sent_us - cb->first_tx_us);
	}
	if (cb->sacked & TCPCB_SACKED_ACKED)
		cb->delivered_us = 0;	/* not again when it is acknowledged cumulatively */
}

/* The sample of one acknowledgement that delivered and lost so many packets. interval_us is -1 when it cannot be used. */
void tcp_rate_generate(struct tcp_sock *tp, uint32_t delivered, uint32_t lost, bool sack_reneging, struct rate_sample *rate)
{
	if (tp->app_limited && after(tp->delivered, tp->app_limited))
		tp->app_limited = 0;
	if (delivered)
		tp->delivered_us = tcp_now_us(tp);
	rate->acked_sacked = delivered;
	rate->losses = lost;
	if (!rate->prior_us || sack_reneging) {
		rate->delivered = -1;
		rate->interval_us = -1;
		return;
	}
	rate->delivered = (int32_t)(tp->delivered - rate->prior_delivered);
	rate->delivered_ce = (int32_t)(tp->delivered_ce - rate->prior_delivered_ce);
	rate->send_interval_us = rate->interval_us;
	rate->receive_interval_us = tcp_since_us(tp, rate->prior_us);
	if (rate->receive_interval_us > rate->interval_us)
		rate->interval_us = rate->receive_interval_us;
	if (rate->interval_us < (int64_t)tcp_min_rtt(tp)) {
		rate->interval_us = -1;
		return;
	}
	/* For TCP_INFO: the last one that the application did not hold down, or a better one that it did. */
	if (!rate->is_app_limited || (uint64_t)rate->delivered * tp->rate_interval_us >= (uint64_t)tp->rate_delivered *
												  (uint64_t)rate->interval_us) {
		tp->rate_delivered = (uint32_t)rate->delivered;
		tp->rate_interval_us = (uint32_t)rate->interval_us;
		tp->rate_app_limited = rate->is_app_limited;
	}
}

/* The application has less than a packet to send, and nothing else holds the connection back: samples are not of the path. */
void tcp_rate_check_app_limited(struct tcp_sock *tp)
{
	if (tp->write_seq - tp->snd_nxt < tp->mss_cache && tp->sk.write_allocated < truesize_linear(1) &&
	    tcp_packets_in_flight(tp) < tp->snd_cwnd && tp->lost_out <= tp->retrans_out) {
		tp->app_limited = tp->delivered + tcp_packets_in_flight(tp);
		if (!tp->app_limited)
			tp->app_limited = 1;
	}
}
