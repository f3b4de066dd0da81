/*
 * The receive window and the buffer behind it.
 *
 * Linux advertises memory, not bytes: scaling_ratio says how many bytes of payload 256 bytes of receive buffer are good for,
 * taken from the packets that arrive (payload over truesize). rcv_ssthresh is the window that the peer has been seen to deserve;
 * it grows with each full segment and never beyond window_clamp. The buffer itself follows the reader (dynamic right-sizing):
 * whoever reads more in a round trip than before gets a buffer for twice that, up to the third value of tcp_rmem.
 */
#include "conn.h"

#define WINDOW_SHIFT 8			/* scaling_ratio counts in 256ths */
#define DEFAULT_SCALING_RATIO 128
#define SIGNED_WINDOW 32767u

void tcp_receive_init(struct tcp_sock *tp)
{
	tp->scaling_ratio = DEFAULT_SCALING_RATIO;
}

uint32_t tcp_receive_window(const struct tcp_sock *tp)
{
	int32_t window = (int32_t)(tp->rcv_wup + tp->rcv_wnd - tp->rcv_nxt);
	return window < 0 ? 0 : (uint32_t)window;
}

static int window_from_space(const struct tcp_sock *tp, int64_t space)
{
	return (int)(space * tp->scaling_ratio >> WINDOW_SHIFT);
}

uint32_t tcp_window_from_space(const struct tcp_sock *tp, int space)
{
	int window = window_from_space(tp, space);
	return window < 0 ? 0 : (uint32_t)window;
}

uint32_t tcp_space_from_window(const struct tcp_sock *tp, uint32_t window)
{
	uint64_t space = ((uint64_t)window << WINDOW_SHIFT) / tp->scaling_ratio;
	return space > INT32_MAX ? INT32_MAX : (uint32_t)space;
}

/* May be negative: more memory is in use than the buffer allows. */
int tcp_space(const struct tcp_sock *tp)
{
	return window_from_space(tp, (int64_t)tp->sk.receive_buffer - tp->sk.receive_allocated);
}

int tcp_full_space(const struct tcp_sock *tp)
{
	return window_from_space(tp, tp->sk.receive_buffer);
}

static uint32_t max_window_field(uint8_t scale)
{
	return UINT32_C(65535) << scale;
}

static int floor_log2(uint32_t value)
{
	return value ? 31 - __builtin_clz(value) : 0;
}

void tcp_select_initial_window(const struct pl_stack *stack, int space_given, uint32_t mss, uint32_t *rcv_wnd,
			       uint32_t *window_clamp, bool wscale_ok, uint8_t *rcv_wscale, uint32_t init_rcv_wnd)
{
	const struct sysctls *sysctl = &stack->sysctl;
	uint32_t clamp = *window_clamp ? *window_clamp : max_window_field(TCP_MAX_WSCALE);
	uint32_t space = space_given < 0 ? 0 : (uint32_t)space_given;
	if (space > clamp)
		space = clamp;
	if (mss && space > mss)
		space -= space % mss;
	*rcv_wnd = sysctl->tcp_workaround_signed_windows && space > SIGNED_WINDOW ? SIGNED_WINDOW : space;
	if (init_rcv_wnd && *rcv_wnd > init_rcv_wnd * mss)
		*rcv_wnd = init_rcv_wnd * mss;
	*rcv_wscale = 0;
	if (wscale_ok) {
		/* The scale must do for the largest window that there can ever be. */
		if (space < (uint32_t)sysctl->tcp_rmem[2])
			space = (uint32_t)sysctl->tcp_rmem[2];
		if (space < (uint32_t)sysctl->rmem_max)
			space = (uint32_t)sysctl->rmem_max;
		if (space > clamp)
			space = clamp;
		int scale = floor_log2(space) - 15;
		*rcv_wscale = (uint8_t)(scale < 0 ? 0 : scale > TCP_MAX_WSCALE ? TCP_MAX_WSCALE : scale);
	}
	*window_clamp = clamp < max_window_field(*rcv_wscale) ? clamp : max_window_field(*rcv_wscale);
}

void tcp_init_buffer_space(struct tcp_sock *tp)
{
	int app_win = tp->sk.stack->sysctl.tcp_app_win;
	uint32_t most = tcp_window_from_space(tp, tp->sk.receive_buffer), mss = tp->advmss;
	tp->rcvq_space.time = tp->sk.stack->now;
	tp->rcvq_space.seq = tp->copied_seq;
	if (tp->window_clamp >= most) {
		tp->window_clamp = most;
		if (app_win && most > 4 * mss) {
			uint32_t reserved = most - (app_win < 32 ? most >> app_win : 0);
			tp->window_clamp = reserved > 4 * mss ? reserved : 4 * mss;
		}
	}
	/* One segment is kept for the application, so that a slow reader never closes the window all of a sudden. */
	if (app_win && tp->window_clamp > 2 * mss && tp->window_clamp + mss > most)
		tp->window_clamp = most - mss > 2 * mss && most > mss ? most - mss : 2 * mss;
	if (tp->rcv_ssthresh > tp->window_clamp)
		tp->rcv_ssthresh = tp->window_clamp;
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	uint32_t space = TCP_INIT_CWND * mss;
	if (space > tp->rcv_ssthresh)
		space = tp->rcv_ssthresh;
	tp->rcvq_space.space = space < tp->rcv_wnd ? space : tp->rcv_wnd;
}

#define CLAMP_MINIMUM 1152		/* half of the least receive buffer */

/* TCP_WINDOW_CLAMP, and the clamp that follows the buffer. 0 or -EINVAL. */
int tcp_set_window_clamp(struct tcp_sock *tp, uint32_t wanted)
{
	uint32_t old = tp->window_clamp, clamp = wanted > CLAMP_MINIMUM ? wanted : CLAMP_MINIMUM;
	if (!wanted) {
		if (tp->sk.state != TCP_CLOSE)
			return -EINVAL;
		tp->window_clamp = 0;
		return 0;
	}
	tp->window_clamp = clamp;
	if (clamp < old) {
		if (tp->rcv_ssthresh > clamp)
			tp->rcv_ssthresh = clamp;
	} else if (clamp > old) {
		/* What is offered already stays usable. */
		uint32_t offered = tp->rcv_wnd < clamp ? tp->rcv_wnd : clamp;
		if (tp->rcv_ssthresh < offered)
			tp->rcv_ssthresh = offered;
	}
	return 0;
}

/* --- the window of the next segment -------------------------------------------------------------------------------------- */
static int round_down_scale(int value, uint8_t scale)
{
	return value & ~((1 << scale) - 1);
}

static int round_up_scale(int value, uint8_t scale)
{
	return round_down_scale(value + (1 << scale) - 1, scale);
}

void tcp_adjust_rcv_ssthresh(struct tcp_sock *tp)
{
	uint32_t least = 4u * tp->advmss;
	if (tp->rcv_ssthresh > least)
		tp->rcv_ssthresh = least;
}

/* With tcp_shrink_window the offer follows the free memory, also downwards. */
static int shrinking_window(struct tcp_sock *tp, int free, int full, int allowed, int mss)
{
	free = round_down_scale(free, tp->rcv_wscale);
	if (free < full >> 1) {
		tp->ack.quick = 0;
		if (tcp_under_memory_pressure(tp->sk.stack))
			tcp_adjust_rcv_ssthresh(tp);
		if (free < allowed >> 4 || free < mss || free < 1 << tp->rcv_wscale)
			return 0;
	}
	if (free > (int)tp->rcv_ssthresh)
		free = round_up_scale((int)tp->rcv_ssthresh, tp->rcv_wscale);
	return free;
}

/* Without scaling: a multiple of the peer's segments, kept as it is while it is within one of the free space. */
static int unscaled_window(const struct tcp_sock *tp, int free, int full, int mss)
{
	int window = (int)tp->rcv_wnd;
	if (window <= free - mss || window > free)
		return free / mss * mss;
	if (mss == full && free > window + (full >> 1))
		return free;
	return window;
}

/*
 * What the window should be (RFC 9293 3.8.6.2.2 and RFC 1122 4.2.3.3, receiver's side silly window avoidance): nothing when
 * less than a segment or a sixteenth of the buffer is free.
 */
uint32_t tcp_wanted_window(struct tcp_sock *tp)
{
	int mss = (int)tp->ack.rcv_mss, free = tcp_space(tp), allowed = tcp_full_space(tp);
	int full = (int64_t)tp->window_clamp < allowed ? (int)tp->window_clamp : allowed;
	if (mss > full) {
		mss = full;
		if (mss <= 0)
			return 0;
	}
	if (tp->sk.stack->sysctl.tcp_shrink_window && tp->rcv_wscale)
		return (uint32_t)shrinking_window(tp, free, full, allowed, mss);
	if (free < full >> 1) {
		tp->ack.quick = 0;
		if (tcp_under_memory_pressure(tp->sk.stack))
			tcp_adjust_rcv_ssthresh(tp);
		free = round_down_scale(free, tp->rcv_wscale);
		if (free < allowed >> 4 || free < mss)
			return 0;
	}
	if (free > (int)tp->rcv_ssthresh)
		free = (int)tp->rcv_ssthresh;
	return (uint32_t)(tp->rcv_wscale ? round_up_scale(free, tp->rcv_wscale) : unscaled_window(tp, free, full, mss));
}

uint16_t tcp_select_window(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	uint32_t old = tp->rcv_wnd;
	if (tp->ack.pending & ACK_NOMEM) {
		tp->rcv_wnd = 0;
		tp->rcv_wup = tp->rcv_nxt;
		return 0;
	}
	uint32_t current = tcp_receive_window(tp), window = tcp_wanted_window(tp);
	if (window < current && !(stack->sysctl.tcp_shrink_window && tp->rcv_wscale)) {
		/* RFC 9293 3.8.6: a window once offered is not taken back. */
		if (!window)
			COUNT(stack, TcpExt, TCPWantZeroWindowAdv);
		window = (uint32_t)round_up_scale((int)current, tp->rcv_wscale);
	}
	tp->rcv_wnd = window;
	tp->rcv_wup = tp->rcv_nxt;
	uint32_t most = !tp->rcv_wscale && stack->sysctl.tcp_workaround_signed_windows ? SIGNED_WINDOW :
											  max_window_field(tp->rcv_wscale);
	uint16_t field = (uint16_t)((window < most ? window : most) >> tp->rcv_wscale);
	if (!field && old)
		COUNT(stack, TcpExt, TCPToZeroWindowAdv);
	else if (field && !old)
		COUNT(stack, TcpExt, TCPFromZeroWindowAdv);
	return field;
}

/* --- growing ---------------------------------------------------------------------------------------------------------------- */
/* The peer's packets cost more memory than the ratio says: still allow some growth while the window is small. */
static uint32_t cautious_growth(const struct tcp_sock *tp, uint32_t length, uint32_t truesize)
{
	uint32_t cost = tcp_window_from_space(tp, (int)truesize) >> 1;
	uint32_t window = tcp_window_from_space(tp, tp->sk.stack->sysctl.tcp_rmem[2]) >> 1;
	for (; tp->rcv_ssthresh <= window; cost >>= 1, window >>= 1)
		if (cost <= length)
			return 2 * tp->ack.rcv_mss;
	return 0;
}

void tcp_grow_window(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	uint32_t length = segment->length, truesize = segment->packet->truesize;
	int64_t space = tcp_space(tp);
	int64_t room = (space < tp->window_clamp ? space : tp->window_clamp) - tp->rcv_ssthresh;
	if (room <= 0)
		return;
	if (tcp_under_memory_pressure(tp->sk.stack)) {
		tcp_adjust_rcv_ssthresh(tp);
		return;
	}
	uint32_t more = tcp_window_from_space(tp, (int)truesize) <= length ? 2u * tp->advmss :
									      cautious_growth(tp, length, truesize);
	if (!more)
		return;
	if (more < 2 * length)
		more = 2 * length;
	tp->rcv_ssthresh += room < more ? (uint32_t)room : more;
	tp->ack.quick |= 1;
}

void tcp_rcvbuf_grow(struct tcp_sock *tp, uint32_t measured)
{
	const struct sysctls *sysctl = &tp->sk.stack->sysctl;
	uint32_t before_now = tp->rcvq_space.space;
	tp->rcvq_space.space = measured;
	if (!sysctl->tcp_moderate_rcvbuf || tp->sk.receive_buffer_locked)
		return;
	/* The measure is a round trip old; and a sender in slow start doubles its rate meanwhile. */
	uint64_t window = (uint64_t)measured * 2;
	if (before_now)
		window += window * (measured - before_now) / before_now * 2;
	if (tp->out_of_order.count)
		window += tcp_cb(tp->out_of_order.last)->end_seq - tp->rcv_nxt;
	uint32_t most = (uint32_t)sysctl->tcp_rmem[2];
	uint32_t buffer = window > UINT32_MAX ? most : tcp_space_from_window(tp, (uint32_t)window);
	if (buffer > most)
		buffer = most;
	if ((int64_t)buffer > tp->sk.receive_buffer) {
		tp->sk.receive_buffer = (int)buffer;
		tp->window_clamp = tcp_window_from_space(tp, (int)buffer);
	}
}

/* The reader took bytes: once a round trip, see whether it takes more than the buffer was made for. */
void tcp_rcv_space_adjust(struct tcp_sock *tp)
{
	pl_time now = tp->sk.stack->now;
	if (!tp->rcv_rtt_est.rtt_us || (now - tp->rcvq_space.time) / PL_NSEC_PER_USEC < tp->rcv_rtt_est.rtt_us >> 3)
		return;
	int64_t copied = (int32_t)(tp->copied_seq - tp->rcvq_space.seq);
	copied -= (int32_t)(tp->rcv_nxt - tp->copied_seq);
	if (copied > (int64_t)tp->rcvq_space.space)
		tcp_rcvbuf_grow(tp, (uint32_t)copied);
	tp->rcvq_space.seq = tp->copied_seq;
	tp->rcvq_space.time = now;
}

/* --- the receiver's own round trip ------------------------------------------------------------------------------------------- */
/*
 * A sample in microseconds. A lower one counts at once. Higher ones are smoothed in when they come from timestamps and the
 * reader keeps up (else they would measure the reader); from whole windows they say nothing.
 */
static void rtt_update(struct tcp_sock *tp, uint32_t sample, bool of_window)
{
	uint32_t old = tp->rcv_rtt_est.rtt_us, scaled = sample << 3;
	if (!old || scaled < old)
		tp->rcv_rtt_est.rtt_us = scaled;
	else if (!of_window && tp->rcv_nxt == tp->copied_seq)
		tp->rcv_rtt_est.rtt_us = old - (old >> 3) + sample;
}

/* Without timestamps: the time that the window which was offered takes to be filled. */
void tcp_rtt_measure_window(struct tcp_sock *tp)
{
	pl_time now = tp->sk.stack->now;
	if (tp->rcv_rtt_est.time) {
		if (before(tp->rcv_nxt, tp->rcv_rtt_est.seq))
			return;
		pl_time span = (now - tp->rcv_rtt_est.time) / PL_NSEC_PER_USEC;
		rtt_update(tp, span ? (uint32_t)span : 1, true);
	}
	tp->rcv_rtt_est.seq = tp->rcv_nxt + tp->rcv_wnd;
	tp->rcv_rtt_est.time = now;
}

/* With timestamps: from full segments that echo a timestamp not seen echoed before. */
void tcp_rtt_measure_timestamp(struct tcp_sock *tp, const struct tcp_segment *segment)
{
	if (tp->rcv_tsecr == tp->rcv_rtt_last_tsecr)
		return;
	tp->rcv_rtt_last_tsecr = tp->rcv_tsecr;
	if (segment->end_seq - segment->seq < tp->ack.rcv_mss)
		return;
	uint32_t unit = tp->usec_ts ? 1 : 1000, delta = tcp_clock_ts(tp->sk.stack, tp->usec_ts) - tp->rcv_tsecr;
	if (delta && delta < INT32_MAX / unit)
		rtt_update(tp, delta * unit, false);
}

/* What the peer's segments carry, before any has come. */
void tcp_initialize_rcv_mss(struct tcp_sock *tp)
{
	uint32_t hint = tp->advmss < tp->mss_cache ? tp->advmss : tp->mss_cache;
	if (hint > tp->rcv_wnd / 2)
		hint = tp->rcv_wnd / 2;
	if (hint > TCP_MSS_DEFAULT)
		hint = TCP_MSS_DEFAULT;
	tp->ack.rcv_mss = hint > TCP_MIN_MSS ? hint : TCP_MIN_MSS;
}
