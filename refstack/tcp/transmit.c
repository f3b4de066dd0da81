/*
 * One segment: from a buffer to a packet.
 *
 * A queued buffer is copied, because it stays for retransmission; one that is in no queue (pure ACKs, probes, resets) is used
 * up. A buffer of several packets leaves as one large segment with gso_size set; where the link cannot carry it, the link cuts
 * it.
 */
#include "send.h"

/* The urgent pointer of a segment that starts at `seq`; 0: no URG (RFC 6093 section 3.1 describes what is done here). */
static uint16_t urgent_pointer(const struct tcp_sock *tp, uint32_t seq)
{
	if (!tcp_urg_mode(tp) || !before(seq, tp->snd_up))
		return 0;
	if (before(tp->snd_up, seq + 0x10000))
		return (uint16_t)(tp->snd_up - seq);
	return after(seq + 0xffff, tp->snd_nxt) ? 0xffff : 0;
}

/* The large-segment shape and the bytes of `packet` in a new packet with room for headers in front. NULL: no memory. */
static struct pktbuf *copy_for_sending(struct tcp_sock *tp, const struct pktbuf *packet)
{
	uint32_t length = pktbuf_length(packet);
	struct pktbuf *copy = pktbuf_new(tp->sk.stack, IP_HEADROOM + TCP_MAX_HEADER, length);

	if (!copy)
		return NULL;
	if (length)
		memcpy(pktbuf_put(copy, length), packet->data, length);
	if (tcp_cb(packet)->segments > 1) {
		copy->gso_size = (uint16_t)tcp_cb(packet)->gso_size;
		copy->gso_segs = (uint16_t)tcp_cb(packet)->segments;
	}
	copy->truesize = packet->truesize;
	return copy;
}

static int hand_to_ip(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct sock *sk = &tp->sk;
	int error = 0;
	struct route *route = sock_route(sk, &error);

	if (!route) {
		COUNT(sk->stack, Ip, OutNoRoutes);
		pktbuf_free(sk->stack, packet);
		return -EHOSTUNREACH;
	}
	bool confirms = sock_flag(sk, SF_CONFIRM_NEIGHBOUR);
	sock_flag_set(sk, SF_CONFIRM_NEIGHBOUR, false);
	return ip_send_packet(sk->stack, packet, &(struct ip_send){
		.source = sk->source,
		.destination = sk->remote,
		.protocol = IPPROTO_TCP,
		.tos = sk->tos,
		.ttl = sk->unicast_ttl > 0 ? (uint8_t)sk->unicast_ttl : 0,
		.dont_fragment = sock_dont_fragment(sk, route),
		.options = sk->options,
		.route = route,
		.sk = sk,
		.id = -1,
		.confirms = confirms,
	});
}

/* Pacing: when the segment after this one may leave, from the rate and what is left of earlier idle time. */
static void plan_next_departure(struct tcp_sock *tp, const struct pktbuf *packet, pl_time prior)
{
	uint64_t rate = tp->sk.pacing_rate;

	/* The first packets of a connection leave unpaced. */
	if (!tcp_is_paced(tp) || rate == TCP_UNPACED || rate == 0 || tp->data_segs_out < TCP_INIT_CWND)
		return;
	pl_time span = (pl_time)((uint64_t)pktbuf_length(packet) * (uint64_t)PL_NSEC_PER_SEC / rate);
	pl_time credit = tp->wstamp - prior;
	tp->wstamp += span - (credit < span / 2 ? credit : span / 2);
}

/* Bookkeeping of a segment that carries data, before it leaves. */
static void data_leaves(struct tcp_sock *tp, uint32_t length, uint32_t segments)
{
	if (tcp_packets_in_flight(tp) == 0)
		tcp_cong_tell(tp, CONG_TX_START);
	tp->lsndtime = tcp_jiffies32(tp);
	tcp_data_sent(tp);
	tp->data_segs_out += segments;
	tp->bytes_sent += length;
}

/*
 * Send one segment; `rcv_nxt` is what it acknowledges. A queued buffer stays, a loose one is consumed. 0; a negative error; or
 * a positive one when the link's queue was full, which is taken as a sign of congestion.
 */
int tcp_transmit_ack(struct tcp_sock *tp, struct pktbuf *packet, bool queued, uint32_t rcv_nxt)
{
	struct sock *sk = &tp->sk;
	struct tcp_control *cb = tcp_cb(packet);
	pl_time prior = tp->wstamp;

	if (tp->wstamp < sk->stack->now)
		tp->wstamp = sk->stack->now;
	cb->sent = tp->wstamp;
	struct pktbuf *copy = copy_for_sending(tp, packet);
	if (!copy) {
		if (!queued)
			pktbuf_free(sk->stack, packet);
		return -ENOBUFS;
	}
	uint32_t length = pktbuf_length(packet), segments = cb->segments, seq = cb->seq, end_seq = cb->end_seq;
	/* PSH: the receiver's GRO is to pass a large segment on at once. */
	uint16_t flags = cb->segments > 1 ? cb->flags | TH_PSH : cb->flags;
	struct tcp_out_options options;
	memset(&options, 0, sizeof(options));
	if (flags & TH_SYN)
		tcp_options_syn(tp, packet, &options);
	else
		tcp_options_established(tp, packet, &options);
	struct tcp_out_header header = {
		.source_port = sk->port, .destination_port = sk->remote_port, .source = sk->source, .destination = sk->remote,
		.seq = seq, .ack = flags & TH_ACK ? rcv_nxt : 0, .flags = flags, .urgent = urgent_pointer(tp, seq),
	};
	if (header.urgent)
		header.flags |= TH_URG;
	if (!(flags & TH_SYN)) {
		header.window = tcp_select_window(tp);
		header.flags |= tcp_ecn_send(tp, packet);
	} else {
		header.window = (uint16_t)(tp->rcv_wnd < 65535 ? tp->rcv_wnd : 65535);
	}
	tcp_header_push(copy, &header, &options);

	if (flags & TH_ACK)
		tcp_ack_sent(tp, rcv_nxt);
	if (length)
		data_leaves(tp, length, segments);
	if (after(end_seq, tp->snd_nxt) || seq == end_seq)
		COUNT_ADD(sk->stack, Tcp, OutSegs, segments);
	tp->segs_out += segments;
	bool stamped = cb->tx_flags != 0;
	if (cb->zerocopy)
		cb->zerocopy->copied = true;	/* no link here sends user pages without copying them */
	if (!queued)
		pktbuf_free(sk->stack, packet);
	if (stamped)
		pktbuf_hold(copy);
	copy->sender = sk;
	copy->original = queued ? packet : NULL;

	int error = hand_to_ip(tp, copy);
	if (error == -ENOBUFS) {
		tcp_enter_cwr(tp);
		error = ENOBUFS;
	}
	if (stamped) {
		if (error >= 0)
			tcp_stamp_sent(tp, packet, copy, error == 0);
		pktbuf_free(sk->stack, copy);
	}
	if (error == 0 && queued) {
		cb->rack_watched = true;
		plan_next_departure(tp, packet, prior);
		tcp_rate_sent(tp, packet);
	}
	return error;
}

int tcp_transmit(struct tcp_sock *tp, struct pktbuf *packet, bool queued)
{
	return tcp_transmit_ack(tp, packet, queued, tp->rcv_nxt);
}

/*
 * The sequence number of a segment that carries none of its own: snd_nxt, but not beyond the right edge of the peer's window,
 * which may have shrunk; a difference that the window's scale explains does not count.
 */
static uint32_t acceptable_seq(const struct tcp_sock *tp)
{
	uint32_t edge = tcp_wnd_end(tp);

	if (!before(edge, tp->snd_nxt) || (tp->wscale_ok && tp->snd_nxt - edge < 1u << tp->rcv_wscale))
		return tp->snd_nxt;
	return edge;
}

void tcp_send_ack_of(struct tcp_sock *tp, uint32_t rcv_nxt)
{
	if (tp->sk.state == TCP_CLOSE)
		return;
	struct pktbuf *ack = tcp_nondata(tp, acceptable_seq(tp), TH_ACK);
	if (ack)
		tcp_transmit_ack(tp, ack, false, rcv_nxt);
}

void tcp_send_ack(struct tcp_sock *tp)
{
	tcp_send_ack_of(tp, tp->rcv_nxt);
}

/* A reset of our own making (RFC 9293 3.10.4, ABORT), from a state that has sequence numbers. */
void tcp_send_active_reset(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;

	COUNT(stack, Tcp, OutRsts);
	struct pktbuf *reset = tcp_nondata(tp, acceptable_seq(tp), TH_ACK | TH_RST);
	if (!reset || tcp_transmit(tp, reset, false) != 0)
		COUNT(stack, TcpExt, TCPAbortFailed);
}

/* A simultaneous open: our SYN goes out once more, as a SYN-ACK. 0, or -EFAULT when there is no SYN to be answered for. */
int tcp_send_synack(struct tcp_sock *tp)
{
	struct pktbuf *syn = tcp_rtx_head(tp);

	if (!syn || !(tcp_cb(syn)->flags & TH_SYN))
		return -EFAULT;
	if (!(tcp_cb(syn)->flags & TH_ACK)) {
		tcp_cb(syn)->flags |= TH_ACK;
		tcp_ecn_send_synack(tp, syn);
	}
	return tcp_transmit(tp, syn, true);
}

/*
 * FIN: on the last buffer if that was not sent yet, else in a buffer of its own. It goes out as soon as cwnd and window let
 * it; Nagle does not hold it.
 */
void tcp_send_fin(struct tcp_sock *tp)
{
	struct pktbuf *last = tp->write_queue.last;

	if (last) {
		tcp_cb(last)->flags |= TH_FIN;
		tcp_cb(last)->end_seq++;
		tp->write_seq++;
	} else {
		struct pktbuf *fin = tcp_nondata(tp, tp->write_seq, TH_ACK | TH_FIN);

		if (!fin)
			return;
		tcp_chrono_start(tp, CHRONO_BUSY);
		pktbuf_queue_push(&tp->write_queue, fin);
		tcp_wmem_add(tp, (int32_t)fin->truesize);
		tp->write_seq = tcp_cb(fin)->end_seq;
	}
	tcp_push_with(tp, tcp_current_mss(tp), TCP_NAGLE_OFF);
}

/* The SYN in the retransmit queue, sent, and its timer: the end of connect(). 0 or -errno. */
int tcp_connect_send(struct tcp_sock *tp)
{
	int error = 0;

	if (!sock_route(&tp->sk, &error))
		return -EHOSTUNREACH;
	struct pktbuf *syn = tcp_nondata(tp, tp->write_seq, TH_SYN);
	if (!syn)
		return -ENOBUFS;
	tp->write_seq++;
	tp->retrans_stamp = tcp_now_ts(tp);
	tcp_wmem_add(tp, (int32_t)syn->truesize);
	pktbuf_queue_push(&tp->retransmit_queue, syn);
	tp->packets_out += tcp_cb(syn)->segments;
	tcp_ecn_send_syn(tp, syn);
	error = tp->fastopen_req.active ? tcp_fastopen_send_syn(tp, syn) : tcp_transmit(tp, syn, true);
	if (error == -ECONNREFUSED)
		return error;
	/* After sending, so that the SYN counts among the segments that carry something new. */
	tp->snd_nxt = tp->pushed_seq = tcp_send_head(tp) ? tcp_cb(tcp_send_head(tp))->seq : tp->write_seq;
	COUNT(tp->sk.stack, Tcp, ActiveOpens);
	tcp_arm(tp, ICSK_TIME_RETRANS, tp->rto, false);
	return 0;
}
