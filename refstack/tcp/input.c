/*
 * A segment for a connection: RFC 9293 3.10.7.4 in its order, with RFC 7323 (PAWS), RFC 5961 and what Linux does.
 *
 *   timestamps -> sequence -> RST -> SYN -> ACK -> the state's own business -> urgent -> text (and FIN, when it is its turn)
 *
 * Each step is a short function that reads the segment, which is constant, and says in struct decisions what is to be done about
 * it; whether the next step follows is its result. conclude() carries the decisions out, in one place and one order. LISTEN and
 * SYN-SENT have handlers of their own, and a table maps states to handlers.
 *
 * Header prediction cannot be seen from outside but in counters and in which segments count as acknowledgements received
 * (tcpi_last_ack_recv): predicted() tells the segments that Linux takes its short cut for.
 */
#include "conn.h"

#define PAWS_24DAYS (60 * 60 * 24 * 24)
#define PAWS_MSL 60
#define TIMEWAIT_LENGTH (60 * PL_NSEC_PER_SEC)

struct decisions {
	bool duplicate_ack;	/* answer with an acknowledgement that repeats what is known, with D-SACK where due */
	bool challenge;		/* RFC 5961: an acknowledgement that makes the true peer speak */
	bool reset_segment;	/* answer with a reset */
	bool connection_reset;	/* the peer's reset counts */
	bool aborted;		/* the connection is gone, and the segment is answered with a reset */
	bool send_and_ack;	/* the segment was taken: send what may go now, acknowledge as due */
	bool send;		/* the same without an acknowledgement */
};

enum step { NEXT, DONE };

/* --- timestamps ----------------------------------------------------------------------------------------------------------- */
/* RFC 7323 section 5.2, with a slack of `window` ticks. A peer that began with timestamp 0 is not held to it. */
static bool paws_ok(const struct pl_stack *stack, uint32_t ts_recent, int64_t stamp, uint32_t tsval, int window)
{
	if ((int32_t)(ts_recent - tsval) <= window)
		return true;
	return tcp_seconds(stack) >= stamp + PAWS_24DAYS || !ts_recent;
}

bool tcp_paws_reject(const struct pl_stack *stack, uint32_t ts_recent, int64_t stamp, uint32_t tsval, bool rst)
{
	if (paws_ok(stack, ts_recent, stamp, tsval, 0))
		return false;
	return !rst || tcp_seconds(stack) < stamp + PAWS_MSL;
}

void tcp_store_ts_recent(struct tcp_sock *tp)
{
	tp->ts_recent = tp->rcv_tsval;
	tp->ts_recent_stamp = tcp_seconds(tp->sk.stack);
}

void tcp_replace_ts_recent(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (!tp->saw_tstamp || after(segment->seq, tp->rcv_wup))
		return;
	if (paws_ok(tp->sk.stack, tp->ts_recent, tp->ts_recent_stamp, tp->rcv_tsval, 0))
		tcp_store_ts_recent(tp);
}

/* What the segment's timestamp is to this connection. */
static void note_timestamp(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	const struct tcp_options *option = &segment->option;
	tp->saw_tstamp = tp->tstamp_ok && option->has_timestamp;
	if (!tp->saw_tstamp)
		return;
	tp->rcv_tsval = option->tsval;
	tp->rcv_tsecr = option->tsecr ? option->tsecr - tp->tsoffset : 0;
}

/*
 * A pure acknowledgement that was overtaken on its way says nothing new and does no harm: it passes for a while (about one
 * timeout, in timestamp units), or is dropped without an answer when its sequence number is old.
 */
enum stale { STALE_HARMLESS, STALE_OLD_ACK, STALE_REJECT };
static enum stale stale_timestamp(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t window = (uint32_t)segment->window << tp->snd_wscale;
	if (!(segment->flags & TH_ACK) || segment->seq != segment->end_seq)
		return STALE_REJECT;
	if (segment->seq != tp->rcv_nxt)
		return before(segment->seq, tp->rcv_nxt) ? STALE_OLD_ACK : STALE_REJECT;
	bool updates_window = after(segment->ack, tp->snd_una) || after(segment->seq, tp->snd_wl1) ||
			      (segment->seq == tp->snd_wl1 && (window > tp->snd_wnd || !window));
	if (segment->ack != tp->snd_una || updates_window)
		return STALE_REJECT;
	uint64_t hz = tp->sk.stack->machine.hz, replay = tp->usec_ts ? tp->rto * (1000000 / hz) : (uint64_t)tp->rto * 1200 / hz;
	return (int64_t)(int32_t)(tp->ts_recent - tp->rcv_tsval) > (int64_t)replay ? STALE_REJECT : STALE_HARMLESS;
}

static enum step syn_challenge(struct tcp_sock *tp, struct decisions *d)
{
	COUNT(tp->sk.stack, TcpExt, TCPSYNChallenge);
	d->challenge = true;
	return DONE;
}

static enum step check_timestamp(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	struct pl_stack *stack = tp->sk.stack;
	if (!tp->saw_tstamp || paws_ok(stack, tp->ts_recent, tp->ts_recent_stamp, tp->rcv_tsval, 1))
		return NEXT;
	enum stale stale = stale_timestamp(tp, segment);
	/* RFC 7323 5.2: a reset is taken whatever its timestamp. */
	if (stale == STALE_HARMLESS || segment->flags & TH_RST)
		return NEXT;
	if (segment->flags & TH_SYN)
		return syn_challenge(tp, d);
	if (stale == STALE_OLD_ACK) {
		COUNT(stack, TcpExt, PAWSOldAck);
		return DONE;
	}
	COUNT(stack, TcpExt, PAWSEstab);
	d->duplicate_ack = !tcp_oow_limited(stack, segment, CNT_TcpExt_TCPACKSkippedPAWS, &tp->last_oow_ack_time);
	return DONE;
}

/* --- sequence, RST, SYN ---------------------------------------------------------------------------------------------------- */
static bool oow_limited(struct pl_stack *stack, enum counter counter, uint32_t *last)
{
	uint32_t now = stack_jiffies(stack);
	uint32_t span = (uint32_t)stack->sysctl.tcp_invalid_ratelimit;
	if (*last && now - *last < span && (int32_t)(now - *last) >= 0) {
		stack->counter[counter]++;
		return true;
	}
	*last = now;
	return false;
}

bool tcp_oow_limited(struct pl_stack *stack, const struct tcp_segment *segment, enum counter counter, uint32_t *last)
{
	/* Data is always answered. */
	if (segment->seq != segment->end_seq && !(segment->flags & TH_SYN))
		return false;
	return oow_limited(stack, counter, last);
}

void tcp_send_challenge_ack(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	struct tcp_host *host = stack->tcp;
	uint32_t limit = (uint32_t)stack->sysctl.tcp_challenge_ack_limit;
	if (oow_limited(stack, CNT_TcpExt_TCPACKSkippedChallenge, &tp->last_oow_ack_time))
		return;
	if (limit != INT32_MAX) {
		/* RFC 5961 section 7: so many a second for the whole host, a random number around the limit, lest it be measured. */
		uint32_t second = (uint32_t)tcp_seconds(stack);
		if (second != host->challenge_second) {
			uint32_t half = (limit + 1) / 2;
			host->challenge_second = second;
			host->challenge_left = half + prng_below(&stack->prng, limit ? limit : 1);
		}
		if (!host->challenge_left)
			return;
		host->challenge_left--;
	}
	COUNT(stack, TcpExt, TCPChallengeACK);
	tcp_send_ack(tp);
}

enum acceptable { SEQ_OK, SEQ_OLD, SEQ_BEYOND };
static enum acceptable check_window(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t right = tp->rcv_nxt + tcp_receive_window(tp), fin = !!(segment->flags & TH_FIN);
	if (before(segment->end_seq, tp->rcv_wup))
		return SEQ_OLD;
	if (!after(segment->end_seq - fin, right))
		return SEQ_OK;
	/* Partly beyond: taken whole by an empty queue, so that a peer which ignores the window is not stuck. */
	if (after(segment->seq, right) || tp->sk.receive_queue.count)
		return SEQ_BEYOND;
	return SEQ_OK;
}

/* After the peer's FIN a reset may carry the sequence number of that FIN. */
static bool reset_after_fin(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint8_t state = tp->sk.state;
	return segment->seq == tp->rcv_nxt - 1 && (state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING);
}

static enum step check_sequence(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	struct pl_stack *stack = tp->sk.stack;
	enum acceptable acceptable = check_window(tp, segment);
	if (acceptable == SEQ_OK)
		return NEXT;
	if (segment->flags & TH_RST) {
		d->connection_reset = reset_after_fin(tp, segment);
		return DONE;
	}
	if (segment->flags & TH_SYN)
		return syn_challenge(tp, d);
	if (acceptable == SEQ_BEYOND)
		COUNT(stack, TcpExt, BeyondWindow);
	d->duplicate_ack = !tcp_oow_limited(stack, segment, CNT_TcpExt_TCPACKSkippedSeq, &tp->last_oow_ack_time);
	return DONE;
}

/* RFC 5961 3.2: a reset counts when it is exactly where the next byte is awaited, or, with SACK, after the last byte seen. */
static bool reset_matches(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (segment->seq == tp->rcv_nxt || reset_after_fin(tp, segment))
		return true;
	if (!tp->sack_ok || !tp->num_sacks)
		return false;
	uint32_t highest = tp->selective_acks[0].end;
	for (unsigned i = 1; i < tp->num_sacks; i++)
		if (after(tp->selective_acks[i].end, highest))
			highest = tp->selective_acks[i].end;
	return segment->seq == highest;
}

static enum step check_reset(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	if (!(segment->flags & TH_RST))
		return NEXT;
	if (reset_matches(tp, segment)) {
		d->connection_reset = true;
		return DONE;
	}
	/* A middlebox that dislikes Fast Open may answer its SYN so. */
	if (tp->syn_fastopen && !tp->data_segs_in && tp->sk.state == TCP_ESTABLISHED)
		tcp_fastopen_active_disable(tp);
	d->challenge = true;
	return DONE;
}

static enum step check_syn(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	if (!(segment->flags & TH_SYN))
		return NEXT;
	/* Both sides opened: the peer's SYN-ACK repeats the SYN that was taken already and acknowledges ours. */
	if (tp->sk.state == TCP_SYN_RECV && tp->sk.has_descriptor && segment->flags & TH_ACK &&
	    segment->seq + 1 == segment->end_seq && segment->seq + 1 == tp->rcv_nxt && segment->ack == tp->snd_nxt)
		return NEXT;
	return syn_challenge(tp, d);
}

/* RFC 9293 3.10.7.4, first to fourth. */
static enum step validate(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	if (check_timestamp(tp, segment, d) == DONE || check_sequence(tp, segment, d) == DONE)
		return DONE;
	if (check_reset(tp, segment, d) == DONE)
		return DONE;
	return check_syn(tp, segment, d);
}

/* --- carrying out ------------------------------------------------------------------------------------------------------------ */
static void conclude(struct tcp_sock *tp, const struct tcp_segment *segment, const struct decisions *d)
{
	if (d->connection_reset)
		tcp_connection_reset(tp);
	if (d->reset_segment || d->aborted)
		tcp_send_reset(tp->sk.stack, tp, segment);
	if (d->duplicate_ack)
		tcp_send_dupack(tp, segment);
	if (d->challenge)
		tcp_send_challenge_ack(tp);
	if (d->send_and_ack || d->send)
		tcp_data_send_check(tp);
	if (d->send_and_ack)
		tcp_ack_send_check(tp);
}

/* --- ESTABLISHED -------------------------------------------------------------------------------------------------------------- */
/* Linux's short cut: the very segment that was expected, in order, with nothing else going on. */
static bool predicted(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if ((segment->flags & ~TH_PSH) != TH_ACK || segment->header_length != tp->tcp_header_len)
		return false;
	if ((uint32_t)segment->window << tp->snd_wscale != tp->snd_wnd || segment->seq != tp->rcv_nxt)
		return false;
	if (tp->out_of_order.count || !tp->rcv_wnd || tp->urg_data || after(segment->ack, tp->snd_nxt))
		return false;
	if (tp->saw_tstamp && (int32_t)(tp->rcv_tsval - tp->ts_recent) < 0)
		return false;
	if (!segment->length)
		return true;
	/* The left of a page that the socket has must hold it, and the window all of it. */
	return (int64_t)segment->packet->truesize <= tp->sk.forward_allocated &&
	       !after(segment->end_seq, tp->rcv_nxt + tcp_receive_window(tp));
}

static void predicted_segment(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	struct pl_stack *stack = tp->sk.stack;
	/* The timestamp of a segment at the left edge of the last acknowledgement (RFC 7323 section 4.3). */
	if (tp->saw_tstamp && tp->rcv_nxt == tp->rcv_wup)
		tcp_store_ts_recent(tp);
	tcp_ecn_received(tp, segment);
	if (!segment->length) {
		tp->rcv_rtt_last_tsecr = tp->rcv_tsecr;
		tcp_ack(tp, segment, 0);
		d->send = true;
		return;
	}
	COUNT(stack, TcpExt, TCPHPHits);
	tcp_rtt_measure_timestamp(tp, segment);
	if (segment->ack == tp->snd_una) {
		tp->snd_wl1 = segment->seq;
		tcp_queue_predicted(tp, segment);
		tcp_ack_send_check(tp);
		return;
	}
	tcp_queue_predicted(tp, segment);
	tcp_ack(tp, segment, TCP_ACK_DATA);
	d->send_and_ack = true;
}

static enum step has_flags(const struct tcp_segment *segment)
{
	return segment->flags & (TH_ACK | TH_RST | TH_SYN) ? NEXT : DONE;
}

static void established(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct decisions d = { 0 };
	note_timestamp(tp, segment);
	if (predicted(tp, segment)) {
		predicted_segment(tp, segment, &d);
	} else if (has_flags(segment) == NEXT) {
		bool valid = validate(tp, segment, &d) == NEXT;
		if (valid)
			tcp_ecn_received(tp, segment);
		if (valid && tcp_ack(tp, segment, TCP_ACK_SLOWPATH | TCP_ACK_UPDATE_TS_RECENT) >= 0) {
			tcp_rtt_measure_timestamp(tp, segment);
			tcp_urgent(tp, segment);
			tcp_data_queue(tp, segment);
			d.send_and_ack = true;
		} else if (!d.connection_reset) {
			tp->sk.drops++;
		}
	} else {
		tp->sk.drops++;
	}
	conclude(tp, segment, &d);
}

/* --- the other synchronised states ---------------------------------------------------------------------------------------------- */
/* The handshake is complete. */
static enum step leave_syn_recv(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct tcp_request *request = tp->request;
	tp->delivered++;
	if (!tp->srtt_us)
		tcp_synack_rtt(tp, request ? request->synack_sent : 0);
	if (tp->tstamp_ok)
		tp->advmss = (uint16_t)(tp->advmss - 12);
	tcp_handshake_done(tp, request != NULL);
	if (request) {
		tcp_fastopen_remove(tp, false);
		tcp_rearm_rto(tp);
	} else {
		tcp_init_transfer(tp);
		tp->copied_seq = tp->rcv_nxt;
	}
	tcp_set_state(tp, TCP_ESTABLISHED);
	sock_wake(&tp->sk, TCP_WAKE_STATE);
	tp->snd_una = segment->ack;
	tp->snd_wnd = (uint32_t)segment->window << tp->snd_wscale;
	tp->snd_wl1 = segment->seq;
	tcp_update_pacing_rate(tp);
	tp->lsndtime = tcp_jiffies32(tp);
	tcp_initialize_rcv_mss(tp);
	if (tp->sk.shutdown & SEND_SHUTDOWN)
		tcp_shutdown_send(tp);
	return NEXT;
}

/* Data beyond what an orphan can still take: nobody is there to read it. */
static bool new_data(const struct tcp_sock *tp, const struct tcp_segment *segment)
{
	return segment->end_seq != segment->seq && after(segment->end_seq - !!(segment->flags & TH_FIN), tp->rcv_nxt);
}

static enum step abort_on_data(struct tcp_sock *tp, struct decisions *d)
{
	tcp_done(tp);
	COUNT(tp->sk.stack, TcpExt, TCPAbortOnData);
	d->aborted = true;
	return DONE;
}

/* Our FIN is acknowledged. An orphan does not wait for the peer's for ever, and a short wait needs no socket. */
static enum step leave_fin_wait1(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	if (tp->request) {
		tcp_handshake_done(tp, true);
		tcp_fastopen_remove(tp, false);
		tcp_rearm_rto(tp);
	}
	if (tp->snd_una != tp->write_seq)
		return NEXT;
	tcp_set_state(tp, TCP_FIN_WAIT2);
	sock_flag_set(&tp->sk, SF_CONFIRM_NEIGHBOUR, true);
	tp->sk.shutdown |= SEND_SHUTDOWN;
	if (!sock_flag(&tp->sk, SF_DEAD)) {
		sock_wake(&tp->sk, TCP_WAKE_STATE);	/* a lingering close */
		return NEXT;
	}
	if (tp->linger2 < 0)
		return abort_on_data(tp, d);
	if (new_data(tp, segment)) {
		if (tp->syn_fastopen && segment->flags & TH_FIN)
			tcp_fastopen_active_disable(tp);
		return abort_on_data(tp, d);
	}
	pl_time span = tcp_fin_time(tp);
	if (span > TIMEWAIT_LENGTH) {
		tcp_keepalive_arm(tp, span - TIMEWAIT_LENGTH);
	} else if (segment->flags & TH_FIN) {
		tcp_keepalive_arm(tp, span);
	} else {
		tcp_time_wait(tp, TCP_FIN_WAIT2, span);
		return DONE;
	}
	return NEXT;
}

/* Fifth: what an acceptable acknowledgement means to the state. */
static enum step acknowledged(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	switch ((enum tcp_state)tp->sk.state) {
	case TCP_SYN_RECV:
		return leave_syn_recv(tp, segment);
	case TCP_FIN_WAIT1:
		return leave_fin_wait1(tp, segment, d);
	case TCP_CLOSING:
		if (tp->snd_una != tp->write_seq)
			return NEXT;
		tcp_time_wait(tp, TCP_TIME_WAIT, 0);
		return DONE;
	case TCP_LAST_ACK:
		if (tp->snd_una != tp->write_seq)
			return NEXT;
		tcp_metrics_update(tp);
		tcp_done(tp);
		return DONE;
	case TCP_CLOSE:
		return DONE;
	case TCP_ESTABLISHED:
	case TCP_SYN_SENT:
	case TCP_FIN_WAIT2:
	case TCP_TIME_WAIT:
	case TCP_CLOSE_WAIT:
	case TCP_LISTEN:
	case TCP_NEW_SYN_RECV:
		break;
	}
	return NEXT;
}

/* Seventh and eighth. RFC 1122 4.2.2.13: data for one who closed altogether is answered with a reset. */
static enum step take_text(struct tcp_sock *tp, const struct tcp_segment *segment, struct decisions *d)
{
	uint8_t state = tp->sk.state;
	bool peer_done = state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK;
	bool closing = peer_done || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
	if (peer_done && !before(segment->seq, tp->rcv_nxt))
		return NEXT;
	if (closing && tp->sk.shutdown & RCV_SHUTDOWN && new_data(tp, segment)) {
		COUNT(tp->sk.stack, TcpExt, TCPAbortOnData);
		d->connection_reset = true;
		d->reset_segment = true;
		return DONE;
	}
	if (closing || state == TCP_ESTABLISHED)
		tcp_data_queue(tp, segment);
	return NEXT;
}

static void synchronised(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	struct decisions d = { 0 };
	note_timestamp(tp, segment);
	/* A Fast Open child in SYN-RECV: what a request checks (a repeated SYN, timestamps) comes first. */
	if (tp->request && !tcp_fastopen_child_check(tp, segment))
		return;
	if (has_flags(segment) == NEXT && validate(tp, segment, &d) == NEXT) {
		int acceptable = tcp_ack(tp, segment, TCP_ACK_SLOWPATH | TCP_ACK_UPDATE_TS_RECENT | TCP_ACK_NO_CHALLENGE);
		if (acceptable <= 0 && tp->sk.state == TCP_SYN_RECV) {
			d.reset_segment = true;
		} else if (acceptable < 0) {
			d.challenge = true;
			tp->sk.drops++;
		} else if (acknowledged(tp, segment, &d) == NEXT) {
			tcp_urgent(tp, segment);
			d.send_and_ack = take_text(tp, segment, &d) == NEXT && tp->sk.state != TCP_CLOSE;
		}
	} else if (!d.connection_reset) {
		tp->sk.drops++;
	}
	conclude(tp, segment, &d);
}

/* --- dispatch ---------------------------------------------------------------------------------------------------------------------- */
static void ignored(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	(void)tp;
	(void)segment;
}

static void (*const handler[])(struct tcp_sock *, const struct tcp_segment *) = {
	[TCP_ESTABLISHED] = established,
	[TCP_SYN_SENT] = tcp_synsent_segment,
	[TCP_SYN_RECV] = synchronised,
	[TCP_FIN_WAIT1] = synchronised,
	[TCP_FIN_WAIT2] = synchronised,
	[TCP_TIME_WAIT] = ignored,	/* no socket is in it */
	[TCP_CLOSE] = ignored,
	[TCP_CLOSE_WAIT] = synchronised,
	[TCP_LAST_ACK] = synchronised,
	[TCP_LISTEN] = tcp_listen_segment,
	[TCP_CLOSING] = synchronised,
	[TCP_NEW_SYN_RECV] = ignored,	/* requests are no sockets */
};
_Static_assert(sizeof(handler) / sizeof(handler[0]) == TCP_NEW_SYN_RECV + 1, "a handler for each state");

void tcp_socket_segment(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	handler[tp->sk.state](tp, segment);
	tcp_mem_update(tp);
}
