/*
 * Round trips: samples, the smoothed estimate (RFC 6298 with Linux's refinements), the windowed minimum, the timeout.
 *
 * srtt_us is eight times the smoothed round trip, mdev_us and rttvar_us four times a deviation, so that the gains of 1/8 and
 * 1/4 are shifts. Linux departs from the RFC in two ways: rttvar follows the largest deviation of each round trip and decays
 * only once a round trip, and it is never below rto_min, so that the timeout is at least srtt + rto_min.
 */
#include "send.h"

uint32_t tcp_bound_rto(const struct tcp_sock *tp, uint64_t jiffies)
{
	return jiffies < tp->rto_max ? (uint32_t)jiffies : tp->rto_max;
}

void tcp_set_rto(struct tcp_sock *tp)
{
	tp->rto = tcp_bound_rto(tp, tcp_us_to_jiffies(tp, (tp->srtt_us >> 3) + tp->rttvar_us));
}

/* --- the least round trip of the last tcp_min_rtt_wlen seconds (Kathleen Nichols' algorithm) -------------------------------- */

static void rtt_min_restart(struct tcp_sock *tp, uint32_t now, uint32_t value)
{
	for (unsigned i = 0; i < 3; i++) {
		tp->rtt_min[i].time = now;
		tp->rtt_min[i].value = value;
	}
}

void tcp_rtt_init(struct tcp_sock *tp)
{
	rtt_min_restart(tp, tcp_jiffies32(tp), TCP_NO_ROUND_TRIP);
}

/*
 * Three samples are kept: the least of the window, the least since that one, the least since that. A new least replaces all;
 * when the first leaves the window, the next moves up; a quarter and a half of the window without news renew the later two.
 */
static void rtt_min_update(struct tcp_sock *tp, uint32_t value)
{
	uint32_t now = tcp_jiffies32(tp), window = (uint32_t)tcp_sysctl(tp)->tcp_min_rtt_wlen * tcp_hz(tp);

	if (value <= tp->rtt_min[0].value || now - tp->rtt_min[2].time > window) {
		rtt_min_restart(tp, now, value);
		return;
	}
	if (value <= tp->rtt_min[1].value) {
		tp->rtt_min[1].time = tp->rtt_min[2].time = now;
		tp->rtt_min[1].value = tp->rtt_min[2].value = value;
	} else if (value <= tp->rtt_min[2].value) {
		tp->rtt_min[2].time = now;
		tp->rtt_min[2].value = value;
	}

	uint32_t age = now - tp->rtt_min[0].time;
	if (age > window) {
		tp->rtt_min[0] = tp->rtt_min[1];
		tp->rtt_min[1] = tp->rtt_min[2];
		tp->rtt_min[2].time = now;
		tp->rtt_min[2].value = value;
		if (now - tp->rtt_min[0].time > window) {
			tp->rtt_min[0] = tp->rtt_min[1];
			tp->rtt_min[1] = tp->rtt_min[2];
		}
	} else if (tp->rtt_min[1].time == tp->rtt_min[0].time && age > window / 4) {
		tp->rtt_min[1].time = tp->rtt_min[2].time = now;
		tp->rtt_min[1].value = tp->rtt_min[2].value = value;
	} else if (tp->rtt_min[2].time == tp->rtt_min[1].time && age > window / 2) {
		tp->rtt_min[2].time = now;
		tp->rtt_min[2].value = value;
	}
}

/* --- the smoothed estimate ---------------------------------------------------------------------------------------------------- */

static void estimate_first(struct tcp_sock *tp, uint32_t us)
{
	uint32_t least = tcp_rto_min_us(tp);

	tp->srtt_us = us << 3;
	tp->mdev_us = us << 1;
	tp->rttvar_us = tp->mdev_us > least ? tp->mdev_us : least;
	tp->mdev_max_us = tp->rttvar_us;
	tp->rtt_seq = tp->snd_nxt;
}

static void estimate_next(struct tcp_sock *tp, uint32_t us)
{
	int32_t off = (int32_t)us - (int32_t)(tp->srtt_us >> 3);

	tp->srtt_us += (uint32_t)off;
	/*
	 * A shorter round trip than expected says little about the next: what it adds to the deviation counts an eighth
	 * (so that a falling round trip does not raise the timeout).
	 */
	bool shorter = off < 0;
	off = (shorter ? -off : off) - (int32_t)(tp->mdev_us >> 2);
	if (shorter && off > 0)
		off >>= 3;
	tp->mdev_us += (uint32_t)off;
	if (tp->mdev_us > tp->mdev_max_us) {
		tp->mdev_max_us = tp->mdev_us;
		if (tp->mdev_max_us > tp->rttvar_us)
			tp->rttvar_us = tp->mdev_max_us;
	}
	if (!after(tp->snd_una, tp->rtt_seq))
		return;
	if (tp->mdev_max_us < tp->rttvar_us)
		tp->rttvar_us -= (tp->rttvar_us - tp->mdev_max_us) >> 2;
	tp->rtt_seq = tp->snd_nxt;
	tp->mdev_max_us = tcp_rto_min_us(tp);
}

/* The round trip that the echoed timestamp shows, -1 when it cannot be told; a millisecond clock shows at least one. */
static int64_t timestamp_rtt_us(const struct tcp_sock *tp)
{
	uint32_t ticks = tcp_now_ts(tp) - tp->rcv_tsecr;

	if (tp->usec_ts)
		return ticks;
	if (ticks >= INT32_MAX / 1000)
		return -1;
	return (ticks ? ticks : 1) * 1000;
}

/*
 * Take the round trip of one acknowledgement, in microseconds, -1 where there is none: seq_rtt_us from the oldest packet that
 * it acknowledges and that was never retransmitted, sack_rtt_us from the first it SACKs, ca_rtt_us from the latest of them
 * (the congestion control's). Echoed timestamps serve when all else is ambiguous: they are coarse (RFC 7323 appendix G is of
 * that opinion too). false: no sample.
 */
bool tcp_rtt_update(struct tcp_sock *tp, int flag, int64_t seq_rtt_us, int64_t sack_rtt_us, int64_t ca_rtt_us,
		    struct rate_sample *rate)
{
	if (seq_rtt_us < 0)
		seq_rtt_us = sack_rtt_us;
	if (seq_rtt_us < 0 && tp->saw_tstamp && tp->rcv_tsecr && (flag & FLAG_ACKED))
		seq_rtt_us = ca_rtt_us = timestamp_rtt_us(tp);
	rate->rtt_us = ca_rtt_us;
	if (seq_rtt_us < 0)
		return false;
	/* The acknowledgement of a lone small packet may have been delayed: it must not raise the minimum. */
	if (!(flag & FLAG_ACK_MAYBE_DELAYED) || ca_rtt_us <= tcp_min_rtt(tp))
		rtt_min_update(tp, ca_rtt_us ? (uint32_t)ca_rtt_us : (uint32_t)tcp_jiffies_to_us(tp, 1));
	if (tp->srtt_us)
		estimate_next(tp, (uint32_t)seq_rtt_us);
	else
		estimate_first(tp, (uint32_t)seq_rtt_us);
	if (tp->srtt_us == 0)
		tp->srtt_us = 1;
	tcp_set_rto(tp);
	tp->backoff = 0;
	return true;
}

/* The passive side's first round trip, from the SYN-ACK sent at `sent`; 0: it was resent, and the sample is ambiguous. */
void tcp_synack_rtt(struct tcp_sock *tp, pl_time sent)
{
	struct rate_sample rate = { .rtt_us = -1 };
	int64_t us = sent ? (tp->sk.stack->now - sent) / PL_NSEC_PER_USEC : -1;

	tcp_rtt_update(tp, FLAG_SYN_ACKED, us, -1, us, &rate);
}

/* Applied to a connection that is up, the delay counts in what is known of its round trip from now on. */
void tcp_set_tx_delay(struct tcp_sock *tp, uint32_t us)
{
	int64_t delta = ((int64_t)us - tp->tx_delay) * 8, srtt = (int64_t)tp->srtt_us + delta;

	tp->tx_delay = us;
	if (!delta || tp->sk.state != TCP_ESTABLISHED)
		return;
	tp->srtt_us = srtt < 1 ? 1 : srtt > UINT32_MAX ? UINT32_MAX : (uint32_t)srtt;
	tcp_set_rto(tp);
	rtt_min_restart(tp, tcp_jiffies32(tp), TCP_NO_ROUND_TRIP);
	tcp_update_pacing_rate(tp);
}
