/*
 * What may be sent now, and in what sizes.
 *
 * tcp_write_xmit walks the write queue from its head. For each buffer it asks in turn: does pacing let us, does the congestion
 * window, does the receiver's window, do Nagle's rules (one packet) or the rules for waiting until a larger segment can be made
 * (several packets); then it cuts the buffer to what may go and sends it. Segments of several packets leave whole.
 *
 * Nagle's algorithm (RFC 1122 4.2.3.4) in Minshall's variant: a packet smaller than the MSS waits only while an earlier such
 * packet is unacknowledged; snd_sml is the end of the last one sent.
 */
#include "send.h"

/* --- Nagle ------------------------------------------------------------------------------------------------------------- */

static bool small_packet_out(const struct tcp_sock *tp)
{
	return after(tp->snd_sml, tp->snd_una) && !after(tp->snd_sml, tp->snd_nxt);
}

/* Must a packet smaller than the MSS wait? */
static bool small_packet_waits(const struct tcp_sock *tp, int nonagle)
{
	return (nonagle & TCP_NAGLE_CORK) || (!nonagle && tp->packets_out && small_packet_out(tp));
}

static bool nagle_allows(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t mss, int nonagle)
{
	if ((nonagle & TCP_NAGLE_PUSH) || tcp_urg_mode(tp) || (tcp_cb(packet)->flags & TH_FIN))
		return true;
	return pktbuf_length(packet) >= mss || !small_packet_waits(tp, nonagle);
}

/* --- windows -------------------------------------------------------------------------------------------------------------- */

/* Is at least the first packet of the buffer within the receiver's window? */
bool tcp_fits_send_window(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t mss)
{
	const struct tcp_control *cb = tcp_cb(packet);
	uint32_t end = pktbuf_length(packet) > mss ? cb->seq + mss : cb->end_seq;

	return !after(end, tcp_wnd_end(tp));
}

/* Packets that the congestion window has room for; half of the window at most, so that two segments are always under way. */
static uint32_t cwnd_room(const struct tcp_sock *tp)
{
	uint32_t in_flight = tcp_packets_in_flight(tp), half = tp->snd_cwnd / 2 ? tp->snd_cwnd / 2 : 1;

	if (in_flight >= tp->snd_cwnd)
		return 0;
	return tp->snd_cwnd - in_flight < half ? tp->snd_cwnd - in_flight : half;
}

/* --- large segments --------------------------------------------------------------------------------------------------------- */

/*
 * How many packets a large segment should have: what the pacing rate sends in about a millisecond, more when the round trip is
 * short, and never fewer than the congestion control or the tunable asks for.
 */
uint32_t tcp_tso_segments(const struct tcp_sock *tp, uint32_t mss)
{
	uint32_t fewest = tp->cong->min_tso_segs ? tp->cong->min_tso_segs((struct tcp_sock *)(uintptr_t)tp)
						 : (uint32_t)tcp_sysctl(tp)->tcp_min_tso_segs;
	uint64_t bytes = tp->sk.pacing_rate >> TCP_PACING_SHIFT;
	int log = tcp_sysctl(tp)->tcp_tso_rtt_log;
	uint32_t shift = log < 32 ? tcp_min_rtt(tp) >> log : 0;

	if (shift < 32)
		bytes += (uint64_t)TCP_GSO_MAX_SIZE >> shift;
	if (bytes > TCP_GSO_MAX_SIZE)
		bytes = TCP_GSO_MAX_SIZE;
	uint32_t segments = (uint32_t)bytes / mss;
	segments = segments > fewest ? segments : fewest;
	return segments < TCP_GSO_MAX_SEGS ? segments : TCP_GSO_MAX_SEGS;
}

/* Will the next acknowledgement come within the millisecond (or half a round trip) that waiting for it is worth? */
static bool ack_is_near(const struct tcp_sock *tp)
{
	const struct pktbuf *head = tcp_rtx_head(tp);

	if (!head)
		return false;
	pl_time rtt = (pl_time)tp->srtt_us * PL_NSEC_PER_USEC / 8;
	pl_time worth = rtt / 2 < PL_NSEC_PER_MSEC ? rtt / 2 : PL_NSEC_PER_MSEC;
	return tcp_cb(head)->sent + rtt - tp->sk.stack->now <= worth;
}

/* What held the sender back, for those who look at it afterwards. */
struct limited {
	bool cwnd, rwnd;
};

/*
 * Several packets could go, but not as many as a large segment may have: is it better to wait for the next acknowledgement and
 * send a larger one? Only while the sender is not recovering, wrote within the last millisecond, and has less window open than
 * 1/tcp_tso_win_divisor of the whole.
 */
static bool tso_should_defer(const struct tcp_sock *tp, const struct pktbuf *packet, struct limited *limited, uint32_t max_segments)
{
	const struct tcp_control *cb = tcp_cb(packet);
	uint32_t length = pktbuf_length(packet), mss = tp->mss_cache;
	uint32_t send_win = tcp_wnd_end(tp) - cb->seq, cong_win = (tp->snd_cwnd - tcp_packets_in_flight(tp)) * mss;
	uint32_t open = send_win < cong_win ? send_win : cong_win;

	if (tp->ca_state >= TCP_CA_STATE_RECOVERY || tp->sk.stack->now - tp->wstamp > PL_NSEC_PER_MSEC)
		return false;
	if (open >= max_segments * mss || (packet != tp->write_queue.last && open >= length))
		return false;
	int divisor = tcp_sysctl(tp)->tcp_tso_win_divisor;
	if (divisor) {
		uint32_t whole = tp->snd_cwnd * mss < tp->snd_wnd ? tp->snd_cwnd * mss : tp->snd_wnd;

		if (open >= whole / (uint32_t)divisor)
			return false;
	} else if (open > 3 * mss) {	/* receivers acknowledge every other packet: three can be waited for */
		return false;
	}
	if (!ack_is_near(tp))
		return false;
	if (cong_win < send_win && cong_win <= length) {
		limited->cwnd = true;
		return true;
	}
	if (cong_win >= send_win && send_win <= length) {
		limited->rwnd = true;
		return true;
	}
	return !(cb->flags & TH_FIN) && !cb->eor;	/* nothing will be added to such a buffer */
}

/* Bytes of a buffer of several packets that may go: whole packets, and the small rest only if Nagle would let it. */
static uint32_t sendable_bytes(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t mss, uint32_t packets, int nonagle)
{
	uint32_t window = tcp_wnd_end(tp) - tcp_cb(packet)->seq, most = mss * packets, length = pktbuf_length(packet);

	if (most <= window && packet != tp->write_queue.last)
		return most;
	uint32_t wanted = length < window ? length : window;
	if (most <= wanted)
		return most;
	uint32_t rest = wanted % mss;
	return rest && small_packet_waits(tp, nonagle) ? wanted - rest : wanted;
}

/* Fill a buffer that is smaller than what may go with bytes of the one behind it. */
static void grow(struct tcp_sock *tp, struct pktbuf *packet, uint32_t room)
{
	struct pktbuf *next = packet->next;

	if (!next || !tcp_may_merge(packet, next))
		return;
	struct tcp_control *cb = tcp_cb(packet), *behind = tcp_cb(next);
	uint32_t bytes = pktbuf_length(next) < room ? pktbuf_length(next) : room;
	if (bytes == 0 || !tcp_move_bytes(tp, packet, next, bytes))
		return;
	cb->end_seq += bytes;
	behind->seq += bytes;
	if (pktbuf_length(next) > 0)
		return;
	cb->end_seq = behind->end_seq;	/* with its FIN */
	cb->eor = behind->eor;
	cb->flags |= behind->flags;
	tcp_merge_stamps(packet, next);
	tcp_send_buffer_free(tp, &tp->write_queue, next);
}

/* --- pacing --------------------------------------------------------------------------------------------------------------------- */

/* With pacing of TCP's own: is the next departure still to come? Its timer is set then. */
bool tcp_pacing_blocks(struct tcp_sock *tp)
{
	if (!tcp_is_paced(tp) || tp->pacing == TCP_PACING_QUEUE || tp->wstamp <= tp->sk.stack->now)
		return false;
	if (!timer_armed(&tp->pacing_timer))
		timer_arm(tp->sk.stack, &tp->pacing_timer, tp->wstamp);
	return true;
}

void tcp_pacing_timer_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct tcp_sock *tp = (struct tcp_sock *)((char *)timer - offsetof(struct tcp_sock, pacing_timer));

	if (!(1 << tp->sk.state & (1 << TCP_ESTABLISHED | 1 << TCP_FIN_WAIT1 | 1 << TCP_CLOSING | 1 << TCP_CLOSE_WAIT |
				   1 << TCP_LAST_ACK)))
		return;
	if (tp->lost_out > tp->retrans_out && tp->snd_cwnd > tcp_packets_in_flight(tp))
		tcp_retransmit_lost(tp);
	tcp_write_xmit(tp, tcp_current_mss(tp), tp->nonagle, PUSH_ALL);
}

/* --- the loop --------------------------------------------------------------------------------------------------------------------- */

/* A buffer of the write queue was sent for the first time. */
void tcp_new_data_sent(struct tcp_sock *tp, struct pktbuf *packet)
{
	struct tcp_control *cb = tcp_cb(packet);
	bool first = tp->packets_out == 0;

	tp->snd_nxt = cb->end_seq;
	pktbuf_queue_remove(&tp->write_queue, packet);
	pktbuf_queue_push(&tp->retransmit_queue, packet);
	if (!tp->highest_sack)
		tp->highest_sack = packet;
	tp->packets_out += cb->segments;
	if (first || tp->pending == ICSK_TIME_LOSS_PROBE)
		tcp_rearm_rto(tp);
	COUNT_ADD(tp->sk.stack, TcpExt, TCPOrigDataSent, cb->segments);
	tcp_check_space(tp);
}

/*
 * How much of the buffer at the head of the write queue may go now: sizes it, and cuts it. false: nothing.
 */
static bool shape_head(struct tcp_sock *tp, struct pktbuf *packet, uint32_t mss, int nonagle, enum tcp_push push,
		       uint32_t max_segments, struct limited *limited)
{
	uint32_t room = cwnd_room(tp);

	if (room == 0) {
		if (push != PUSH_PROBE)
			return false;
		room = 1;	/* a loss probe goes whatever the window says */
	}
	if (room > max_segments)
		room = max_segments;
	if (room * mss > pktbuf_length(packet))
		grow(tp, packet, room * mss - pktbuf_length(packet));
	tcp_set_segments(packet, mss);
	if (!tcp_fits_send_window(tp, packet, mss)) {
		limited->rwnd = true;
		return false;
	}
	uint32_t bytes = mss;
	if (tcp_cb(packet)->segments == 1) {
		if (!nagle_allows(tp, packet, mss, packet == tp->write_queue.last ? nonagle : TCP_NAGLE_PUSH))
			return false;
	} else {
		if (push == PUSH_ALL && tso_should_defer(tp, packet, limited, max_segments))
			return false;
		if (!tcp_urg_mode(tp))
			bytes = sendable_bytes(tp, packet, mss, room, nonagle);
	}
	if (pktbuf_length(packet) > bytes && tcp_split(tp, &tp->write_queue, packet, bytes, mss))
		return false;
	return tcp_cb(packet)->end_seq != tcp_cb(packet)->seq;	/* empty: its bytes are still to come */
}

/*
 * Does as much wait below TCP as is good for one connection: about a millisecond's worth, two packets at least,
 * tcp_limit_output_bytes at most? One packet may always be under way.
 */
static bool too_many_wait(struct tcp_sock *tp, const struct pktbuf *packet)
{
	const struct pktbuf *head = tcp_rtx_head(tp);
	uint64_t limit = tp->sk.pacing_rate >> TCP_PACING_SHIFT, most = (uint64_t)tcp_sysctl(tp)->tcp_limit_output_bytes;

	if (!tp->sk.write_allocated)
		return false;
	limit = limit > 2 * (uint64_t)packet->truesize ? limit : 2 * (uint64_t)packet->truesize;
	limit = limit < most ? limit : most;
	if (tp->sk.write_allocated < limit || !head || !head->next)
		return false;
	tp->throttled = true;
	return true;
}

/* Packets of this socket that waited below have left: go on with what was held back for them (tcp_tsq_write). */
void tcp_sent(struct sock *sk)
{
	struct tcp_sock *tp = tcp_sk(sk);
	const uint32_t sending = 1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT1 | 1u << TCP_CLOSING | 1u << TCP_CLOSE_WAIT |
				 1u << TCP_LAST_ACK;

	if (!tp->throttled)
		return;
	tp->throttled = false;
	if (!(sending >> sk->state & 1))
		return;
	if (tp->lost_out > tp->retrans_out && tp->snd_cwnd > tcp_packets_in_flight(tp))
		tcp_retransmit_lost(tp);
	tcp_write_xmit(tp, tcp_current_mss(tp), tp->nonagle, PUSH_ALL);
}

/*
 * Send what may be sent. PUSH_ONE: one buffer at most; PUSH_PROBE: one, as a loss probe. true: nothing is in flight and yet
 * data is left, so a probe timer has to be set.
 */
bool tcp_write_xmit(struct tcp_sock *tp, uint32_t mss, int nonagle, enum tcp_push push)
{
	struct limited limited = { false, false };
	uint32_t sent = 0;
	struct pktbuf *packet;

	if (push == PUSH_ALL) {
		int probe = tcp_mtu_probe(tp);

		if (probe == 0)
			return false;
		sent = probe > 0;
	}
	uint32_t max_segments = tcp_tso_segments(tp, mss);
	while ((packet = tcp_send_head(tp))) {
		if (tcp_pacing_blocks(tp) || !shape_head(tp, packet, mss, nonagle, push, max_segments, &limited))
			break;
		if (too_many_wait(tp, packet))
			break;
		if (tcp_transmit(tp, packet, true) != 0)
			break;
		uint32_t segments = tcp_cb(packet)->segments;
		tcp_new_data_sent(tp, packet);
		if (pktbuf_length(packet) < segments * mss)
			tp->snd_sml = tcp_cb(packet)->end_seq;
		sent += segments;
		if (push != PUSH_ALL)
			break;
	}
	if (limited.rwnd)
		tcp_chrono_start(tp, CHRONO_RWND_LIMITED);
	else
		tcp_chrono_stop(tp, CHRONO_RWND_LIMITED);
	bool cwnd_limited = limited.cwnd || tcp_packets_in_flight(tp) >= tp->snd_cwnd;
	if (sent || cwnd_limited)
		tcp_cwnd_validate(tp, cwnd_limited);
	if (sent == 0)
		return tp->packets_out == 0 && tcp_send_head(tp);
	if (tcp_in_cwnd_reduction(tp))
		tp->prr_out += sent;
	if (push != PUSH_PROBE)
		tcp_schedule_loss_probe(tp, false);
	return false;
}

/* --- pushing ------------------------------------------------------------------------------------------------------------------------ */

/* Send what may go under the given rules of Nagle, and see to it that something is timed if it was nothing. */
void tcp_push_with(struct tcp_sock *tp, uint32_t mss, int nonagle)
{
	if (tp->sk.state != TCP_CLOSE && tcp_write_xmit(tp, mss, nonagle, PUSH_ALL))
		tcp_check_probe_timer(tp);
}

void tcp_push_pending(struct tcp_sock *tp)
{
	if (tcp_send_head(tp))
		tcp_push_with(tp, tcp_current_mss(tp), tp->nonagle);
}

void tcp_push_one(struct tcp_sock *tp, uint32_t mss_now)
{
	tcp_write_xmit(tp, mss_now, TCP_NAGLE_PUSH, PUSH_ONE);
}

void tcp_mark_push(struct tcp_sock *tp, struct pktbuf *packet)
{
	tcp_cb(packet)->flags |= TH_PSH;
	tp->pushed_seq = tp->write_seq;
}

/* More than half of the largest window seen was queued since the last PSH: it is time for one. */
bool tcp_forced_push(const struct tcp_sock *tp)
{
	return after(tp->write_seq, tp->pushed_seq + (tp->max_window >> 1));
}

/* A small last buffer may wait while earlier packets of this socket still sit in the link's queue (tcp_autocorking). */
static bool autocorks(const struct tcp_sock *tp, const struct pktbuf *last, uint32_t size_goal)
{
	return pktbuf_length(last) < size_goal && tcp_sysctl(tp)->tcp_autocorking && tcp_rtx_head(tp) &&
	       tp->sk.write_allocated >= last->truesize && !tcp_cb(last)->eor;
}

void tcp_push(struct tcp_sock *tp, int flags, uint32_t mss_now, int nonagle, uint32_t size_goal)
{
	struct pktbuf *last = tp->write_queue.last;

	if (!last)
		return;
	if (!(flags & MSG_MORE) || tcp_forced_push(tp))
		tcp_mark_push(tp, last);
	if (flags & MSG_OOB)
		tp->snd_up = tp->write_seq;
	if (autocorks(tp, last, size_goal)) {
		if (!tp->throttled)
			COUNT(tp->sk.stack, TcpExt, TCPAutoCorking);
		tp->throttled = true;
		return;
	}
	tcp_push_with(tp, mss_now, flags & MSG_MORE ? TCP_NAGLE_CORK : nonagle);
}

void tcp_data_send_check(struct tcp_sock *tp)
{
	tcp_push_pending(tp);
	tcp_check_space(tp);
}
