/* NewReno: RFC 5681. */
#include "send.h"

static void reno_cong_avoid(struct tcp_sock *tp, uint32_t ack, uint32_t acked)
{
	if (!tcp_is_cwnd_limited(tp))
		return;
	if (tcp_in_slow_start(tp)) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	tcp_cong_avoid_additive(tp, tp->snd_cwnd, acked);
}

static uint32_t reno_ssthresh(struct tcp_sock *tp)
{
	return tp->snd_cwnd / 2 > 2 ? tp->snd_cwnd / 2 : 2;
}

uint32_t tcp_reno_undo_cwnd(struct tcp_sock *tp)
{
	return tp->snd_cwnd > tp->prior_cwnd ? tp->snd_cwnd : tp->prior_cwnd;
}

const struct tcp_cong tcp_cong_reno = {
	.name = "reno",
	.non_restricted = true,
	.ssthresh = reno_ssthresh,
	.cong_avoid = reno_cong_avoid,
	.undo_cwnd = tcp_reno_undo_cwnd,
};
