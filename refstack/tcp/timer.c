/*
 * The retransmit timer. One timer serves four purposes, one at a time; tp->pending says which:
 *   ICSK_TIME_RETRANS      the retransmission timeout (RFC 6298)
 *   ICSK_TIME_LOSS_PROBE   the tail loss probe
 *   ICSK_TIME_REO_TIMEOUT  packets that RACK will hold lost unless they turn up by then
 *   ICSK_TIME_PROBE0       the zero-window probe
 *
 * Spans are whole jiffies, as in the kernel, but start from the very instant and not from the last tick.
 */
#include "send.h"

uint32_t tcp_us_to_jiffies(const struct tcp_sock *tp, uint64_t us)
{
	return (uint32_t)((us * tcp_hz(tp) + 999999) / 1000000);
}

uint32_t tcp_ms_to_jiffies(const struct tcp_sock *tp, uint64_t ms)
{
	return (uint32_t)((ms * tcp_hz(tp) + 999) / 1000);
}

uint32_t tcp_rto_min_default(const struct tcp_sock *tp)
{
	return tcp_hz(tp) / 5;
}

/* The least timeout in jiffies: the route's rto_min where it is locked, else TCP_RTO_MIN_US or the tunable's. */
uint32_t tcp_rto_min(const struct tcp_sock *tp)
{
	const struct route *route = tp->sk.route;

	if (route && route->metric[RTAX_LOCK] & 1u << RTAX_RTO_MIN)
		return tcp_ms_to_jiffies(tp, route->metric[RTAX_RTO_MIN]);
	return tp->rto_min;
}

uint32_t tcp_rto_min_us(const struct tcp_sock *tp)
{
	return (uint32_t)tcp_jiffies_to_us(tp, tcp_rto_min(tp));
}

/* Run the timer for `what`, `jiffies` from now, or from the next paced departure. */
void tcp_arm(struct tcp_sock *tp, uint8_t what, uint32_t jiffies, bool pace)
{
	struct pl_stack *stack = tp->sk.stack;

	if (pace && tp->wstamp > stack->now)
		jiffies += (uint32_t)((tp->wstamp - stack->now) * tcp_hz(tp) / PL_NSEC_PER_SEC);
	if (jiffies > tp->rto_max)
		jiffies = tp->rto_max;
	tp->pending = what;
	tcp_timer_arm(stack, &tp->retransmit_timer, jiffies_to_time(stack, jiffies));
}

void tcp_disarm(struct tcp_sock *tp, uint8_t what)
{
	if (tp->pending != what && what != ICSK_TIME_NONE)
		return;
	tp->pending = ICSK_TIME_NONE;
	timer_cancel(tp->sk.stack, &tp->retransmit_timer);
}

void tcp_retransmit_soon(struct tcp_sock *tp)
{
	tcp_arm(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN_JIFFIES, false);
}

void tcp_clear_xmit_timers(struct tcp_sock *tp)
{
	tcp_disarm(tp, ICSK_TIME_NONE);
	timer_cancel(tp->sk.stack, &tp->pacing_timer);
}

/* Microseconds until the oldest packet in flight times out; may be negative. */
int64_t tcp_rto_left_us(const struct tcp_sock *tp)
{
	const struct pktbuf *head = tcp_rtx_head(tp);
	int64_t rto = (int64_t)tcp_jiffies_to_us(tp, tp->rto);

	return head ? (int64_t)(tcp_sent_us(head) - tcp_now_us(tp)) + rto : rto;
}

/* Start the retransmission timeout anew, or stop it when nothing is in flight (RFC 6298 section 5, rules 5.2 and 5.3). */
void tcp_rearm_rto(struct tcp_sock *tp)
{
	uint32_t rto = tp->rto;

	if (tp->request)	/* the SYN-ACK of a Fast Open child has the timer */
		return;
	if (!tp->packets_out) {
		tcp_disarm(tp, ICSK_TIME_NONE);
		return;
	}
	/* What ran until now was not the timeout: it has been due since the packet was sent. */
	if (tp->pending == ICSK_TIME_REO_TIMEOUT || tp->pending == ICSK_TIME_LOSS_PROBE) {
		int64_t left = tcp_rto_left_us(tp);

		rto = tcp_us_to_jiffies(tp, left > 1 ? (uint64_t)left : 1);
	}
	tcp_arm(tp, ICSK_TIME_RETRANS, rto, true);
}

/* Forget the retransmissions of an episode (tcp_clear_retrans). */
void tcp_clear_retrans(struct tcp_sock *tp)
{
	tp->retrans_out = 0;
	tp->lost_out = 0;
	tp->undo_marker = 0;
	tp->undo_retrans = -1;
	tp->sacked_out = 0;
	tp->rto_stamp = 0;
	tp->total_rto = 0;
	tp->total_rto_recoveries = 0;
	tp->total_rto_time = 0;
}

/* --- giving up ------------------------------------------------------------------------------------------------------------ */

/* Milliseconds that `count` timeouts take which double from `base` jiffies up to rto_max. */
static uint64_t backed_off_ms(const struct tcp_sock *tp, uint32_t count, uint32_t base)
{
	uint32_t doublings = tcp_log2(tp->rto_max / base);
	uint64_t jiffies;

	if (count <= doublings)
		jiffies = ((UINT64_C(2) << count) - 1) * base;
	else
		jiffies = ((UINT64_C(2) << doublings) - 1) * base + (uint64_t)(count - doublings) * tp->rto_max;
	return tcp_jiffies_to_ms(tp, jiffies);
}

/*
 * Have retransmissions gone on for `timeout` milliseconds, or, when that is 0, for as long as `count` timeouts would take that
 * began at the least one? Time counts, not the number of retransmissions (RFC 1122 4.2.3.5 counts R1 and R2 either way).
 */
static bool retransmits_timed_out(const struct tcp_sock *tp, uint32_t count, uint64_t timeout)
{
	if (!tp->retransmits)
		return false;
	if (timeout == 0)
		timeout = backed_off_ms(tp, count, tcp_handshaking(tp) ? tcp_hz(tp) : tcp_rto_min_default(tp));
	uint32_t passed = tcp_now_ts(tp) - tp->retrans_stamp;
	if (tp->usec_ts)
		return (int32_t)(passed + (uint32_t)tcp_jiffies_to_us(tp, 1) - (uint32_t)timeout * 1000) >= 0;
	return (int32_t)(passed - (uint32_t)timeout) >= 0;
}

/* The retransmission timer has fired: is it once too often? true: the connection is gone. */
static bool give_up(struct tcp_sock *tp)
{
	uint32_t most = (uint32_t)tcp_sysctl(tp)->tcp_retries2;
	bool expired = false;

	if (tcp_handshaking(tp)) {
		uint32_t linear = tp->sk.state == TCP_SYN_SENT ? (uint32_t)tcp_sysctl(tp)->tcp_syn_linear_timeouts : 0;

		most = tp->syn_retries ? tp->syn_retries : (uint32_t)tcp_sysctl(tp)->tcp_syn_retries;
		expired = tp->retransmits >= most + linear;
	} else {
		if (retransmits_timed_out(tp, (uint32_t)tcp_sysctl(tp)->tcp_retries1, 0))
			tcp_mtu_black_hole(tp);
		if (sock_flag(&tp->sk, SF_DEAD)) {
			bool alive = tp->rto < tp->rto_max;

			most = tcp_orphan_retries_left(tp, alive);
			if (tcp_out_of_resources(tp, alive || !retransmits_timed_out(tp, most, 0)))
				return true;
		}
	}
	if (!expired)
		expired = retransmits_timed_out(tp, most, tp->user_timeout);
	tcp_fastopen_active_detect_blackhole(tp, expired);
	if (expired) {
		tcp_write_error(tp);
		return true;
	}
	if (tcp_sysctl(tp)->txrehash) {	/* the flow would be hashed to another path */
		tp->timeout_rehash++;
		COUNT(tp->sk.stack, TcpExt, TcpTimeoutRehash);
	}
	return false;
}

/* --- the timeout ----------------------------------------------------------------------------------------------------------- */

/* With TCP_USER_TIMEOUT, look again when that has passed. */
static uint32_t clamp_rto_to_user_timeout(const struct tcp_sock *tp)
{
	if (!tp->user_timeout)
		return tp->rto;
	uint32_t elapsed = tcp_now_ts(tp) - tp->retrans_stamp;
	int64_t left = (int64_t)tp->user_timeout - (int64_t)(tp->usec_ts ? elapsed / 1000 : elapsed);
	if (left <= 0)
		return 1;
	uint32_t jiffies = tcp_ms_to_jiffies(tp, (uint64_t)left);
	return tp->rto < jiffies ? tp->rto : jiffies;
}

/* The peer's window is closed over data in flight: retransmissions serve as probes. Has it been silent for too long? */
static bool closed_window_timed_out(const struct tcp_sock *tp, const struct pktbuf *head)
{
	uint32_t since = tcp_now_ts(tp) - (tp->retrans_stamp ? tp->retrans_stamp : tcp_sent_ts(tp, head));
	uint32_t resending = tp->usec_ts ? since / 1000 : since;
	int64_t timeout = (int64_t)tp->rto_max * 2;

	if (tp->user_timeout) {
		if (resending > tp->user_timeout)
			return true;
		if (tcp_ms_to_jiffies(tp, tp->user_timeout) < timeout)
			timeout = tcp_ms_to_jiffies(tp, tp->user_timeout);
	}
	int32_t silent = (int32_t)(tcp_jiffies32(tp) - tp->rcv_tstamp);
	return silent > timeout && tcp_ms_to_jiffies(tp, resending) > timeout;
}

/* Which kind of recovery this timeout is the failure of. */
static void count_failure(struct tcp_sock *tp)
{
	struct pl_stack *stack = tp->sk.stack;
	bool sack = !tcp_is_reno(tp);
	enum counter counter;

	if (tp->ca_state == TCP_CA_STATE_RECOVERY)
		counter = sack ? CNT_TcpExt_TCPSackRecoveryFail : CNT_TcpExt_TCPRenoRecoveryFail;
	else if (tp->ca_state == TCP_CA_STATE_LOSS)
		counter = CNT_TcpExt_TCPLossFailures;
	else if (tp->ca_state == TCP_CA_STATE_DISORDER || tp->sacked_out)
		counter = sack ? CNT_TcpExt_TCPSackFailures : CNT_TcpExt_TCPRenoFailures;
	else
		return;
	stack->counter[counter]++;
}

/* Few packets in flight, and past the initial slow start: duplicate ACKs will not come (Documentation: thin streams). */
static bool stream_is_thin(const struct tcp_sock *tp)
{
	return tp->packets_out < 4 && tp->snd_ssthresh < TCP_INFINITE_SSTHRESH;
}

/* Double the timeout, except for thin streams and for the first SYNs. */
static void back_off(struct tcp_sock *tp)
{
	if (tp->sk.state == TCP_ESTABLISHED && (tp->thin_lto || tcp_sysctl(tp)->tcp_thin_linear_timeouts) && stream_is_thin(tp) &&
	    tp->retransmits <= TCP_THIN_LINEAR_RETRIES) {
		tp->backoff = 0;
		tcp_set_rto(tp);
		if (tp->rto < tcp_rto_min(tp))
			tp->rto = tcp_rto_min(tp);
	} else if (tp->sk.state != TCP_SYN_SENT || tp->total_rto > tcp_sysctl(tp)->tcp_syn_linear_timeouts) {
		tp->backoff++;
		tp->rto = tcp_bound_rto(tp, (uint64_t)tp->rto << 1);
	}
}

static void count_timeout(struct tcp_sock *tp)
{
	if (!tp->retransmits) {
		tp->total_rto_recoveries++;
		tp->rto_stamp = tcp_clock_ts(tp->sk.stack, false);
	}
	tp->retransmits++;
	tp->total_rto++;
}

/* RFC 6298 rules 5.4 to 5.7: the oldest packet again, and a longer wait for the next time. */
void tcp_retransmit_timer(struct tcp_sock *tp)
{
	struct pktbuf *head = tcp_rtx_head(tp);

	if (tp->request) {
		tcp_fastopen_synack_timer(tp);
		return;
	}
	if (!tp->packets_out || !head)
		return;
	if (!tp->snd_wnd && !sock_flag(&tp->sk, SF_DEAD) && !tcp_handshaking(tp)) {
		if (closed_window_timed_out(tp, head)) {
			tcp_write_error(tp);
			return;
		}
		tcp_enter_loss(tp);
		tcp_retransmit(tp, tcp_rtx_head(tp), 1);
	} else {
		COUNT(tp->sk.stack, TcpExt, TCPTimeouts);
		if (give_up(tp))
			return;
		if (tp->retransmits == 0)
			count_failure(tp);
		tcp_enter_loss(tp);
		count_timeout(tp);
		if (tcp_retransmit(tp, tcp_rtx_head(tp), 1) > 0) {	/* no room on this host: soon again */
			tcp_arm(tp, ICSK_TIME_RETRANS, tcp_hz(tp) / 2, false);
			return;
		}
	}
	back_off(tp);
	tcp_arm(tp, ICSK_TIME_RETRANS, clamp_rto_to_user_timeout(tp), false);
}

void tcp_send_timer_fire(struct pl_stack *stack, struct pl_timer *timer)
{
	struct tcp_sock *tp = (struct tcp_sock *)((char *)timer - offsetof(struct tcp_sock, retransmit_timer));
	uint8_t what = tp->pending;

	if (tp->sk.state == TCP_CLOSE || tp->sk.state == TCP_LISTEN)
		return;
	sock_hold(&tp->sk);
	switch (what) {
	case ICSK_TIME_REO_TIMEOUT:
		tcp_rack_reorder_timeout(tp);
		break;
	case ICSK_TIME_LOSS_PROBE:
		tcp_send_loss_probe(tp);
		break;
	case ICSK_TIME_RETRANS:
		tp->pending = ICSK_TIME_NONE;
		tcp_retransmit_timer(tp);
		break;
	case ICSK_TIME_PROBE0:
		tp->pending = ICSK_TIME_NONE;
		tcp_probe_timer(tp);
		break;
	}
	sock_put(&tp->sk);
}

/*
 * RFC 6069: an ICMP unreachable about the segment that timed out says that the path was broken, not congested; one step of the
 * back-off is taken back, and the timeout counts from when the segment was sent.
 */
void tcp_revert_backoff(struct tcp_sock *tp, uint32_t seq)
{
	struct pktbuf *head = tcp_rtx_head(tp);
	uint32_t passed;

	if (seq != tp->snd_una || !tp->retransmits || !tp->backoff || !head)
		return;
	tp->backoff--;
	if (tp->srtt_us)
		tcp_set_rto(tp);
	else
		tp->rto = tcp_hz(tp);
	tp->rto = tcp_bound_rto(tp, (uint64_t)tp->rto << tp->backoff);
	passed = tcp_us_to_jiffies(tp, (uint64_t)tcp_since_us(tp, tcp_sent_us(head)));
	if (passed < tp->rto)
		tcp_arm(tp, ICSK_TIME_RETRANS, tp->rto - passed, false);
	else
		tcp_retransmit_timer(tp);
}
