/*
 * When to acknowledge (RFC 9293 3.8.6.3, RFC 5681 section 4.2), as Linux does it.
 *
 * At once: when more than one full segment has come, in quick mode (the first segments of a connection, after loss, after a
 * pause), when something said so (ACK_NOW). Otherwise after ato jiffies, which follow the spacing of the peer's segments between
 * 40 and 200 ms. A connection that answers what it receives is interactive ("pingpong") and leaves quick mode, since its answers
 * carry the acknowledgements. While data is out of order every segment is acknowledged at once, but after three of these the
 * SACKs are compressed: sent on a timer of 5 % of the round trip.
 */
#include "conn.h"

#define ATO_MIN_MS 40
#define ATO_MAX_MS 200
#define ATO_LIMIT_MS 500
#define QUICKACKS_MAX 16
#define DUPACKS_BEFORE_COMPRESSION 3

static uint32_t ms_to_jiffies(const struct tcp_sock *tp, uint32_t ms)
{
	return (uint32_t)time_to_jiffies_up(tp->sk.stack, ms * PL_NSEC_PER_MSEC);
}

uint32_t tcp_ato_min(const struct tcp_sock *tp)
{
	return ms_to_jiffies(tp, ATO_MIN_MS);
}

/* --- quick and interactive mode -------------------------------------------------------------------------------------------- */
static bool interactive(const struct tcp_sock *tp)
{
	return tp->ack.pingpong >= tp->sk.stack->sysctl.tcp_pingpong_thresh;
}

void tcp_enter_pingpong(struct tcp_sock *tp)
{
	tp->ack.pingpong = (uint8_t)tp->sk.stack->sysctl.tcp_pingpong_thresh;
}

/* Some acknowledgements without delay: as many as half a window has segments. */
void tcp_incr_quickack(struct tcp_sock *tp, unsigned max)
{
	unsigned quick = tp->ack.rcv_mss ? tp->rcv_wnd / (2 * tp->ack.rcv_mss) : 0;
	if (!quick)
		quick = 2;
	if (quick > max)
		quick = max;
	if (quick > tp->ack.quick)
		tp->ack.quick = (uint8_t)quick;
}

void tcp_enter_quickack(struct tcp_sock *tp, unsigned max)
{
	tcp_incr_quickack(tp, max);
	tp->ack.pingpong = 0;
	tp->ack.ato = tcp_ato_min(tp);
}

bool tcp_in_quickack(const struct tcp_sock *tp)
{
	if (tp->sk.route && tp->sk.route->metric[RTAX_QUICKACK])
		return true;
	return tp->ack.quick && !interactive(tp);
}

bool tcp_in_pingpong(const struct tcp_sock *tp)
{
	return interactive(tp);
}

/* --- what has left ------------------------------------------------------------------------------------------------------------ */
void tcp_ack_sent(struct tcp_sock *tp, uint32_t rcv_nxt)
{
	struct pl_stack *stack = tp->sk.stack;
	if (tp->compressed_ack) {
		COUNT_ADD(stack, TcpExt, TCPAckCompressed, tp->compressed_ack);
		tp->compressed_ack = 0;
		timer_cancel(stack, &tp->compressed_ack_timer);
	}
	if (rcv_nxt != tp->rcv_nxt)
		return;
	if (tp->ack.quick && tp->ack.pending & ACK_SCHED && --tp->ack.quick == 0)
		tp->ack.ato = tcp_ato_min(tp);
	tp->ack.pending = 0;
	tp->ack.retry = 0;
	timer_cancel(stack, &tp->delack_timer);
}

/* Data that leaves within ato of what came in is an answer. */
void tcp_data_sent(struct tcp_sock *tp)
{
	uint32_t now = tcp_jiffies32(tp);
	tp->lsndtime = now;
	if (now - tp->ack.lrcvtime < tp->ack.ato && tp->ack.pingpong < UINT8_MAX)
		tp->ack.pingpong++;
}

/* --- delayed acknowledgements --------------------------------------------------------------------------------------------------- */
/* No longer than the peer's least RTO would allow (rto_min of the route or the tunable). */
static uint32_t delack_max(const struct tcp_sock *tp)
{
	uint32_t rto_min = tcp_rto_min(tp), from_rto = (rto_min > 2 ? rto_min : 2) - 1;
	return tp->delack_max && tp->delack_max < from_rto ? tp->delack_max : from_rto;
}

static uint32_t bounded_ato(const struct tcp_sock *tp)
{
	uint32_t ato = tp->ack.ato, least = tcp_ato_min(tp);
	if (ato > least) {
		bool soon = interactive(tp) || tp->ack.pending & ACK_PUSHED;
		uint32_t most = ms_to_jiffies(tp, soon ? ATO_MAX_MS : ATO_LIMIT_MS);
		if (tp->srtt_us) {
			uint32_t rtt = (uint32_t)time_to_jiffies_up(tp->sk.stack, (tp->srtt_us >> 3) * PL_NSEC_PER_USEC);
			rtt = rtt > least ? rtt : least;
			most = rtt < most ? rtt : most;
		}
		ato = ato < most ? ato : most;
	}
	uint32_t limit = delack_max(tp);
	return ato < limit ? ato : limit;
}

void tcp_schedule_delack(struct tcp_sock *tp)
{
	tp->ack.pending |= ACK_SCHED;
}

void tcp_send_delayed_ack(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	uint32_t ato = bounded_ato(tp), now = tcp_jiffies32(tp), timeout = now + ato;
	/* No ticks: the next one, which is half a tick away on the average. */
	pl_time span = ato ? jiffies_to_time(stack, ato) : jiffies_to_time(stack, 1) / 2;
	if (tp->ack.pending & ACK_TIMER) {	/* Linux counts ticks here, begun ones as whole */
		if ((int32_t)(tp->ack.timeout - (now + (ato >> 2))) <= 0) {
			tcp_send_ack(tp);
			return;
		}
		if ((int32_t)(timeout - tp->ack.timeout) >= 0)
			return;
	}
	tp->ack.timeout = timeout;
	tp->ack.pending |= ACK_SCHED | ACK_TIMER;
	tcp_timer_arm(stack, &tp->delack_timer, span);
}

/* An acknowledgement that may wait for company, but not for ever. */
void tcp_delack_arm(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	tp->ack.pending |= ACK_TIMER;
	tp->ack.timeout = tcp_jiffies32(tp) + (uint32_t)time_to_jiffies_up(stack, ATO_MAX_MS * PL_NSEC_PER_MSEC);
	tcp_timer_arm(stack, &tp->delack_timer, ATO_MAX_MS * PL_NSEC_PER_MSEC);
}

static void send_compressed(struct tcp_sock *tp)
{
	if (!tp->compressed_ack)
		return;
	/* One acknowledgement goes out after all: it was not saved. */
	timer_cancel(tp->sk.stack, &tp->compressed_ack_timer);
	tp->compressed_ack--;
	tcp_send_ack(tp);
}

void tcp_flush_compressed_ack(struct tcp_sock *tp)
{
	send_compressed(tp);
}

static void delack_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct tcp_sock *tp = (struct tcp_sock *)((char *)timer - offsetof(struct tcp_sock, delack_timer));
	if (tp->sk.state == TCP_CLOSE || tp->sk.state == TCP_LISTEN)
		return;
	if (tp->compressed_ack) {
		send_compressed(tp);
		return;
	}
	if (!(tp->ack.pending & ACK_TIMER))
		return;
	tp->ack.pending &= (uint8_t)~ACK_TIMER;
	if (!(tp->ack.pending & ACK_SCHED))
		return;
	if (interactive(tp)) {
		/* No answer came that could carry it: not so interactive. */
		tp->ack.pingpong = 0;
		tp->ack.ato = tcp_ato_min(tp);
	} else {
		tp->ack.ato = tp->ack.ato << 1 < tp->rto ? tp->ack.ato << 1 : tp->rto;
	}
	tcp_send_ack(tp);
	COUNT(stack, TcpExt, DelayedACKs);
}

static void compressed_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	(void)stack;
	struct tcp_sock *tp = (struct tcp_sock *)((char *)timer - offsetof(struct tcp_sock, compressed_ack_timer));
	send_compressed(tp);
}

void tcp_delack_init(struct tcp_sock *tp)
{
	timer_init(&tp->delack_timer, delack_fire);
	timer_init(&tp->compressed_ack_timer, compressed_fire);
	tp->delack_max = ms_to_jiffies(tp, ATO_MAX_MS);
}

/* --- after a segment, after a read --------------------------------------------------------------------------------------------- */
/*
 * More than one full segment is acknowledged at once, unless the window would shrink: then the reader's progress does it. Working out
 * the window comes first: half a buffer in use ends quick mode.
 */
static bool due_now(struct tcp_sock *tp)
{
	if (tp->rcv_nxt - tp->rcv_wup > tp->ack.rcv_mss &&
	    (tp->rcv_nxt - tp->copied_seq < (uint32_t)tp->sk.receive_low_water || tcp_wanted_window(tp) >= tp->rcv_wnd))
		return true;
	return tp->ack.pending & ACK_NOW || tcp_in_quickack(tp);
}

static void compress(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	tp->compressed_ack++;
	if (timer_armed(&tp->compressed_ack_timer))
		return;
	uint32_t rtt = tp->rcv_rtt_est.rtt_us;
	if (tp->srtt_us && tp->srtt_us < rtt)
		rtt = tp->srtt_us;
	/* rtt is eight times microseconds. */
	pl_time delay = (pl_time)rtt * (PL_NSEC_PER_USEC >> 3) / 20;
	if (delay > (pl_time)stack->sysctl.tcp_comp_sack_delay_ns)
		delay = (pl_time)stack->sysctl.tcp_comp_sack_delay_ns;
	/* The timer has so much slack, and uses it. */
	pl_time slack = (pl_time)stack->sysctl.tcp_comp_sack_slack_ns, at = stack->now + delay;
	timer_arm(stack, &tp->compressed_ack_timer, slack < PL_TIME_NEVER - at ? at + slack : PL_TIME_NEVER);
}

void tcp_ack_send_check(struct tcp_sock *tp)
{
	if (!(tp->ack.pending & ACK_SCHED))
		return;
	if (due_now(tp)) {
		tcp_send_ack(tp);
		return;
	}
	if (!tp->out_of_order.count) {
		tcp_send_delayed_ack(tp);
		return;
	}
	if (!tp->sack_ok || tp->compressed_ack >= tp->sk.stack->sysctl.tcp_comp_sack_nr) {
		tcp_send_ack(tp);
		return;
	}
	if (tp->compressed_ack_rcv_nxt != tp->rcv_nxt) {
		tp->compressed_ack_rcv_nxt = tp->rcv_nxt;
		tp->dup_ack_counter = 0;
	}
	if (tp->dup_ack_counter < DUPACKS_BEFORE_COMPRESSION) {
		tp->dup_ack_counter++;
		tcp_send_ack(tp);
		return;
	}
	compress(tp);
}

/* An acknowledgement is pending: does the read make it due? */
static bool due_after_read(const struct tcp_sock *tp, int copied)
{
	if (!(tp->ack.pending & ACK_SCHED))
		return false;
	if (tp->rcv_nxt - tp->rcv_wup > tp->ack.rcv_mss)
		return true;
	/* The buffer was emptied, and a short segment said that the peer has no more for now. */
	bool pushed = tp->ack.pending & ACK_PUSHED2 || (tp->ack.pending & ACK_PUSHED && !interactive(tp));
	return copied > 0 && pushed && !tp->sk.receive_allocated;
}

void tcp_cleanup_rbuf(struct tcp_sock *tp, int copied)
{
	bool due = due_after_read(tp, copied);
	if (copied > 0 && !due && !(tp->sk.shutdown & RCV_SHUTDOWN)) {
		uint32_t now = tcp_receive_window(tp);
		/* A window that at least doubles is worth a segment of its own. */
		if (2 * (uint64_t)now <= tp->window_clamp) {
			uint32_t window = tcp_wanted_window(tp);
			due = window && window >= 2 * now;
		}
	}
	if (due)
		tcp_send_ack(tp);
}

/* --- what arrives ----------------------------------------------------------------------------------------------------------------- */
/* The peer's segment size, from which full segments are told from short ones; and the memory that it costs. */
static void note_full_segment(struct tcp_sock *tp, uint32_t size, const struct tcp_segment *segment)
{
	if (size != tp->ack.rcv_mss) {
		uint32_t ratio = (uint32_t)(((uint64_t)segment->length << 8) / segment->packet->truesize);
		uint8_t old = tp->scaling_ratio;
		tp->scaling_ratio = (uint8_t)(ratio ? ratio : 1);
		if (old != tp->scaling_ratio) {
			tcp_set_window_clamp(tp, tcp_window_from_space(tp, tp->sk.receive_buffer));
			if (tp->window_clamp < tp->rcvq_space.space)
				tp->rcvq_space.space = tp->window_clamp;
		}
	}
	tp->ack.rcv_mss = size < tp->advmss ? size : tp->advmss;
	if (segment->flags & TH_PSH)
		tp->ack.pending |= ACK_PUSHED;
}

void tcp_measure_rcv_mss(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t last = tp->ack.last_seg_size;
	uint32_t size = segment->packet->gso_size ? segment->packet->gso_size : segment->length;
	tp->ack.last_seg_size = 0;
	if (size >= tp->ack.rcv_mss) {
		note_full_segment(tp, size, segment);
		return;
	}
	/* Shorter than before: twice the same size, header and all, is the new one. SACK blocks must not look like data lacking. */
	uint32_t whole = size + segment->header_length;
	bool unpushed = !(segment->flags & (TH_PSH | TH_URG | TH_RST | TH_SYN | TH_FIN));
	if (whole >= TCP_MSS_DEFAULT + TCP_HEADER || (whole >= TCP_MIN_MSS + TCP_HEADER && unpushed)) {
		uint32_t without = whole - tp->tcp_header_len;
		tp->ack.last_seg_size = without;
		if (without == last) {
			tp->ack.rcv_mss = without;
			return;
		}
	}
	if (tp->ack.pending & ACK_PUSHED)
		tp->ack.pending |= ACK_PUSHED2;
	tp->ack.pending |= ACK_PUSHED;
}

static void measure_spacing(struct tcp_sock *tp)
{
	uint32_t now = tcp_jiffies32(tp), least = tcp_ato_min(tp);
	uint32_t gap = now - tp->ack.lrcvtime;
	if (!tp->ack.ato) {
		tcp_incr_quickack(tp, QUICKACKS_MAX);
		tp->ack.ato = least;
	} else if (gap <= least / 2) {
		tp->ack.ato = (tp->ack.ato >> 1) + least / 2;
	} else if (gap < tp->ack.ato) {
		tp->ack.ato = (tp->ack.ato >> 1) + gap;
		if (tp->ack.ato > tp->rto)
			tp->ack.ato = tp->rto;
	} else if (gap > tp->rto) {
		/* A pause after which a sender starts slowly. */
		tcp_incr_quickack(tp, QUICKACKS_MAX);
	}
	tp->ack.lrcvtime = now;
}

void tcp_receive_event(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	tp->ack.pending |= ACK_SCHED;
	tcp_measure_rcv_mss(tp, segment);
	tcp_rtt_measure_window(tp);
	measure_spacing(tp);
	tcp_ecn_check_ce(tp, segment);
	if (segment->length >= 128)
		tcp_grow_window(tp, segment);
}
