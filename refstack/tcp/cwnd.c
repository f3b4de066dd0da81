/*
 * The congestion window outside of recovery: its initial size, what idle time and unused room do to it (RFC 2861 in Linux's
 * form), the pacing rate that follows from it, and the record of what the sender was waiting for.
 */
#include "send.h"

uint32_t tcp_init_cwnd(struct tcp_sock *tp, const struct route *route)
{
	uint32_t cwnd = route ? route->metric[RTAX_INITCWND] : 0;

	if (!cwnd)
		cwnd = TCP_INIT_CWND;
	return cwnd < tp->snd_cwnd_clamp ? cwnd : tp->snd_cwnd_clamp;
}

static uint32_t initial_cwnd(struct tcp_sock *tp)
{
	return tcp_init_cwnd(tp, tp->sk.route);
}

/* ssthresh as it would be if a reduction began now: the one in effect, or three quarters of the window if that is more. */
uint32_t tcp_current_ssthresh(const struct tcp_sock *tp)
{
	uint32_t most = (tp->snd_cwnd >> 1) + (tp->snd_cwnd >> 2);

	return tcp_in_cwnd_reduction(tp) || tp->snd_ssthresh > most ? tp->snd_ssthresh : most;
}

/* Sending starts again after nothing was in flight for longer than a timeout: halve the window for each one that went by. */
void tcp_cwnd_after_idle(struct tcp_sock *tp)
{
	if (!tcp_sysctl(tp)->tcp_slow_start_after_idle || tp->packets_out || tp->cong->cong_control)
		return;
	int32_t idle = (int32_t)(tcp_jiffies32(tp) - tp->lsndtime);
	if (idle <= (int32_t)tp->rto)
		return;
	uint32_t cwnd = tp->snd_cwnd, restart = initial_cwnd(tp);

	tcp_cong_tell(tp, CONG_CWND_RESTART);
	tp->snd_ssthresh = tcp_current_ssthresh(tp);
	if (restart > cwnd)
		restart = cwnd;
	while ((idle -= (int32_t)tp->rto) > 0 && cwnd > restart)
		cwnd >>= 1;
	tp->snd_cwnd = cwnd > restart ? cwnd : restart;
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	tp->snd_cwnd_used = 0;
}

/* For a timeout's span the window was not filled: meet the use half way. */
static void shrink_unused(struct tcp_sock *tp)
{
	if (tp->ca_state == TCP_CA_STATE_OPEN && tp->sk.has_descriptor && !tp->nospace) {
		uint32_t initial = initial_cwnd(tp), used = tp->snd_cwnd_used > initial ? tp->snd_cwnd_used : initial;

		if (used < tp->snd_cwnd) {
			tp->snd_ssthresh = tcp_current_ssthresh(tp);
			tp->snd_cwnd = (tp->snd_cwnd + used) >> 1;
		}
		tp->snd_cwnd_used = 0;
	}
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
}

/* Something was sent, or the window kept it from being sent: remember how much of the window this flight uses. */
void tcp_cwnd_validate(struct tcp_sock *tp, bool is_cwnd_limited)
{
	if (!before(tp->snd_una, tp->cwnd_usage_seq) || is_cwnd_limited ||
	    (!tp->is_cwnd_limited && tp->packets_out > tp->max_packets_out)) {
		tp->is_cwnd_limited = is_cwnd_limited;
		tp->max_packets_out = tp->packets_out;
		tp->cwnd_usage_seq = tp->snd_nxt;
	}
	if (tcp_is_cwnd_limited(tp)) {
		tp->snd_cwnd_used = 0;
		tp->snd_cwnd_stamp = tcp_jiffies32(tp);
		return;
	}
	if (tp->packets_out > tp->snd_cwnd_used)
		tp->snd_cwnd_used = tp->packets_out;
	if (tcp_sysctl(tp)->tcp_slow_start_after_idle && (int32_t)(tcp_jiffies32(tp) - tp->snd_cwnd_stamp) >= (int32_t)tp->rto &&
	    !tp->cong->cong_control)
		shrink_unused(tp);
	/* Everything was sent, room is left in the window, and the writer cannot write more: the buffer is too small. */
	if (!tcp_send_head(tp) && tp->nospace && (tp->sk.state == TCP_ESTABLISHED || tp->sk.state == TCP_CLOSE_WAIT))
		tcp_chrono_start(tp, CHRONO_SNDBUF_LIMITED);
}

/* cwnd * mss / srtt, by tcp_pacing_ss_ratio percent in slow start (twice, by default) and tcp_pacing_ca_ratio afterwards. */
void tcp_update_pacing_rate(struct tcp_sock *tp)
{
	uint32_t ratio = (uint32_t)(tp->snd_cwnd < tp->snd_ssthresh / 2 ? tcp_sysctl(tp)->tcp_pacing_ss_ratio
									 : tcp_sysctl(tp)->tcp_pacing_ca_ratio);
	uint32_t packets = tp->snd_cwnd > tp->packets_out ? tp->snd_cwnd : tp->packets_out;
	uint64_t rate = (uint64_t)tp->mss_cache * ((1000000 / 100) << 3) * ratio * packets;

	if (tp->cong->cong_control)	/* it sets the rate itself */
		return;
	if (tp->srtt_us)
		rate /= tp->srtt_us;
	tp->sk.pacing_rate = rate < tp->sk.max_pacing_rate ? rate : tp->sk.max_pacing_rate;
}

/* --- what the sender waits for ---------------------------------------------------------------------------------------- */

static void chrono_set(struct tcp_sock *tp, uint8_t type)
{
	uint32_t now = tcp_jiffies32(tp);

	if (tp->chrono_type != CHRONO_NONE)
		tp->chrono_stat[tp->chrono_type - 1] += now - tp->chrono_start;
	tp->chrono_start = now;
	tp->chrono_type = type;
}

/* Being limited by a window or a buffer is a kind of being busy: the more telling one counts. */
void tcp_chrono_start(struct tcp_sock *tp, int type)
{
	if (type > tp->chrono_type)
		chrono_set(tp, (uint8_t)type);
}

/* Busy ends when nothing is left to be acknowledged, with whatever limited it; a limit ends into busy. */
void tcp_chrono_stop(struct tcp_sock *tp, int type)
{
	if (!tcp_rtx_head(tp) && !tcp_send_head(tp))
		chrono_set(tp, CHRONO_NONE);
	else if (type == tp->chrono_type)
		chrono_set(tp, CHRONO_BUSY);
}
