/*
 * CUBIC (RFC 9438) with HyStart, in Linux's units.
 *
 * After a loss at window W_max the window follows W(t) = C (t - K)^3 + W_max, with K such that W(0) is the reduced window. Time
 * is kept in 1/1024 s, C is 41/1024 * 10, so that all of it is integer arithmetic. A Reno-like flow's window is estimated beside
 * it and is the least that this one grows to. HyStart ends slow start before it loses packets: when acknowledgements keep coming
 * close together for half a round trip, or when the round trips of a round are clearly longer than the shortest ever.
 */
#include "send.h"

#define BETA 717			/* of 1024: what remains of the window after a loss */
#define BETA_SCALE 1024
#define CUBE_SCALE 410			/* C, with 10 bits of fraction and 10 for its share of a second */
#define TIME_BITS 10			/* t and K count 1/1024 s */
#define CUBE_FACTOR ((UINT64_C(1) << (10 + 3 * TIME_BITS)) / CUBE_SCALE)
#define RENO_SCALE (8 * (BETA_SCALE + BETA) / 3 / (BETA_SCALE - BETA))	/* of 8: acknowledged windows per packet of growth */

#define HYSTART_LOW_WINDOW 16		/* packets: below it the end of slow start is not looked for */
#define HYSTART_MIN_SAMPLES 8
#define HYSTART_ACK_DELTA_US 2000	/* acknowledgements closer than that are one train */
#define HYSTART_DELAY_MIN_US 4000
#define HYSTART_DELAY_MAX_US 16000

struct cubic {
	uint32_t cnt;			/* acknowledged packets per packet of growth */
	uint32_t last_max_cwnd, last_cwnd, last_time;
	uint32_t origin_point;		/* W_max of this epoch */
	uint32_t k;
	uint32_t delay_min;		/* shortest round trip, microseconds */
	uint32_t epoch_start;		/* jiffies; 0: no epoch */
	uint32_t ack_cnt, tcp_cwnd;	/* the Reno-like flow's */
	uint32_t round_start, last_ack;	/* HyStart: microseconds */
	uint32_t end_seq, curr_rtt;
	uint8_t sample_cnt;
	bool found;
};
_Static_assert(sizeof(struct cubic) <= sizeof(((struct tcp_sock *)0)->cong_priv), "a congestion control's own state");

static struct cubic *cubic_of(struct tcp_sock *tp)
{
	return (struct cubic *)tp->cong_priv;
}

static void hystart_reset(struct tcp_sock *tp, struct cubic *ca)
{
	ca->round_start = ca->last_ack = (uint32_t)tcp_now_us(tp);
	ca->end_seq = tp->snd_nxt;
	ca->curr_rtt = UINT32_MAX;
	ca->sample_cnt = 0;
}

static void cubic_init(struct tcp_sock *tp)
{
	memset(cubic_of(tp), 0, sizeof(struct cubic));
	hystart_reset(tp, cubic_of(tp));
}

static uint32_t cube_root(uint64_t value)
{
	uint64_t low = 0, high = 2642245;	/* cube root of 2^64, rounded down */

	while (low < high) {
		uint64_t middle = (low + high + 1) / 2;

		if (middle * middle * middle <= value)
			low = middle;
		else
			high = middle - 1;
	}
	return (uint32_t)low;
}

static void epoch_begin(struct tcp_sock *tp, struct cubic *ca, uint32_t cwnd, uint32_t acked)
{
	ca->epoch_start = tcp_jiffies32(tp);
	ca->ack_cnt = acked;
	ca->tcp_cwnd = cwnd;
	ca->k = 0;
	ca->origin_point = cwnd;
	if (ca->last_max_cwnd > cwnd) {
		ca->k = cube_root(CUBE_FACTOR * (ca->last_max_cwnd - cwnd));
		ca->origin_point = ca->last_max_cwnd;
	}
}

/* Where the curve wants the window to be one shortest round trip from now, as acknowledged packets per packet of growth. */
static void follow_curve(struct tcp_sock *tp, struct cubic *ca, uint32_t cwnd)
{
	uint64_t t = (uint64_t)(int64_t)(int32_t)(tcp_jiffies32(tp) - ca->epoch_start), offset, delta;
	uint32_t target;

	t += tcp_us_to_jiffies(tp, ca->delay_min);
	t = (t << TIME_BITS) / tcp_hz(tp);
	offset = t < ca->k ? ca->k - t : t - ca->k;
	delta = (CUBE_SCALE * offset * offset * offset) >> (10 + 3 * TIME_BITS);
	target = (uint32_t)(t < ca->k ? ca->origin_point - delta : ca->origin_point + delta);
	ca->cnt = target > cwnd ? cwnd / (target - cwnd) : 100 * cwnd;
	/* Nothing was lost yet: grow by 5 % a round trip at least, to find out where that is. */
	if (ca->last_max_cwnd == 0 && ca->cnt > 20)
		ca->cnt = 20;
}

/* Not slower than a Reno-like flow with the same loss rate: RFC 9438 4.3. */
static void follow_reno(struct cubic *ca, uint32_t cwnd)
{
	uint32_t per = (cwnd * RENO_SCALE) >> 3;

	while (per && ca->ack_cnt > per) {
		ca->ack_cnt -= per;
		ca->tcp_cwnd++;
	}
	if (ca->tcp_cwnd > cwnd && ca->cnt > cwnd / (ca->tcp_cwnd - cwnd))
		ca->cnt = cwnd / (ca->tcp_cwnd - cwnd);
	if (ca->cnt < 2)
		ca->cnt = 2;
}

static void cubic_update(struct tcp_sock *tp, struct cubic *ca, uint32_t cwnd, uint32_t acked)
{
	uint32_t now = tcp_jiffies32(tp);

	ca->ack_cnt += acked;
	if (ca->last_cwnd == cwnd && (int32_t)(now - ca->last_time) <= (int32_t)(tcp_hz(tp) / 32))
		return;
	/* The curve moves only with time: within one jiffy there is nothing new to it. */
	if (!ca->epoch_start || now != ca->last_time) {
		ca->last_cwnd = cwnd;
		ca->last_time = now;
		if (!ca->epoch_start)
			epoch_begin(tp, ca, cwnd, acked);
		follow_curve(tp, ca, cwnd);
	}
	follow_reno(ca, cwnd);
}

static void cubic_cong_avoid(struct tcp_sock *tp, uint32_t ack, uint32_t acked)
{
	struct cubic *ca = cubic_of(tp);

	if (!tcp_is_cwnd_limited(tp))
		return;
	if (tcp_in_slow_start(tp)) {
		acked = tcp_slow_start(tp, acked);
		if (!acked)
			return;
	}
	cubic_update(tp, ca, tp->snd_cwnd, acked);
	tcp_cong_avoid_additive(tp, ca->cnt, acked);
}

static uint32_t cubic_ssthresh(struct tcp_sock *tp)
{
	struct cubic *ca = cubic_of(tp);
	uint32_t cwnd = tp->snd_cwnd, reduced = (uint32_t)((uint64_t)cwnd * BETA / BETA_SCALE);

	ca->epoch_start = 0;
	/* Fast convergence: a window that did not get back to where it was makes room for others. */
	if (cwnd < ca->last_max_cwnd)
		ca->last_max_cwnd = (uint32_t)((uint64_t)cwnd * (BETA_SCALE + BETA) / (2 * BETA_SCALE));
	else
		ca->last_max_cwnd = cwnd;
	return reduced > 2 ? reduced : 2;
}

static void cubic_set_state(struct tcp_sock *tp, uint8_t new_state)
{
	if (new_state == TCP_CA_STATE_LOSS)
		cubic_init(tp);
}

/* Time in which nothing was sent does not count for the curve. */
static void cubic_cwnd_event(struct tcp_sock *tp, int event)
{
	struct cubic *ca = cubic_of(tp);
	uint32_t now = tcp_jiffies32(tp);
	int32_t idle = (int32_t)(now - tp->lsndtime);

	if (event != CONG_TX_START || !ca->epoch_start || idle <= 0)
		return;
	ca->epoch_start += (uint32_t)idle;
	if (after(ca->epoch_start, now))
		ca->epoch_start = now;
}

/* --- HyStart ---------------------------------------------------------------------------------------------------------------- */

/* The time that four large segments take at the pacing rate: a train's own length. At most a millisecond. */
static uint32_t train_slack_us(const struct tcp_sock *tp)
{
	uint64_t rate = tp->sk.pacing_rate, us;

	if (!rate)
		return 0;
	us = UINT64_C(4) * TCP_GSO_MAX_SIZE * 1000000 / rate;
	return us < 1000 ? (uint32_t)us : 1000;
}

static bool train_is_long(struct tcp_sock *tp, struct cubic *ca)
{
	uint32_t now = (uint32_t)tcp_now_us(tp), threshold;

	if ((int32_t)(now - ca->last_ack) > HYSTART_ACK_DELTA_US)
		return false;
	ca->last_ack = now;
	threshold = ca->delay_min + train_slack_us(tp);
	/* A paced sender spreads its packets over the whole round trip, another one over half of it at most. */
	if (!tcp_is_paced(tp))
		threshold /= 2;
	return (int32_t)(now - ca->round_start) > (int32_t)threshold;
}

static bool delay_has_grown(struct cubic *ca, uint32_t delay)
{
	uint32_t slack = ca->delay_min / 8;

	slack = slack < HYSTART_DELAY_MIN_US ? HYSTART_DELAY_MIN_US : slack > HYSTART_DELAY_MAX_US ? HYSTART_DELAY_MAX_US : slack;
	if (ca->curr_rtt > delay)
		ca->curr_rtt = delay;
	if (ca->sample_cnt < HYSTART_MIN_SAMPLES) {
		ca->sample_cnt++;
		return false;
	}
	return ca->curr_rtt > ca->delay_min + slack;
}

static void hystart_update(struct tcp_sock *tp, struct cubic *ca, uint32_t delay)
{
	if (after(tp->snd_una, ca->end_seq))
		hystart_reset(tp, ca);
	if (tp->snd_cwnd < HYSTART_LOW_WINDOW)
		return;
	if (train_is_long(tp, ca)) {
		ca->found = true;
		COUNT(tp->sk.stack, TcpExt, TCPHystartTrainDetect);
		COUNT_ADD(tp->sk.stack, TcpExt, TCPHystartTrainCwnd, tp->snd_cwnd);
		tp->snd_ssthresh = tp->snd_cwnd;
	}
	if (delay_has_grown(ca, delay)) {
		ca->found = true;
		COUNT(tp->sk.stack, TcpExt, TCPHystartDelayDetect);
		COUNT_ADD(tp->sk.stack, TcpExt, TCPHystartDelayCwnd, tp->snd_cwnd);
		tp->snd_ssthresh = tp->snd_cwnd;
	}
}

static void cubic_pkts_acked(struct tcp_sock *tp, uint32_t acked, int64_t rtt_us, uint32_t in_flight)
{
	struct cubic *ca = cubic_of(tp);
	uint32_t delay = rtt_us ? (uint32_t)rtt_us : 1;

	/* The first second after a loss still measures the queue that it came from. */
	if (rtt_us < 0 || (ca->epoch_start && (int32_t)(tcp_jiffies32(tp) - ca->epoch_start) < (int32_t)tcp_hz(tp)))
		return;
	if (ca->delay_min == 0 || ca->delay_min > delay)
		ca->delay_min = delay;
	if (!ca->found && tcp_in_slow_start(tp))
		hystart_update(tp, ca, delay);
}

const struct tcp_cong tcp_cong_cubic = {
	.name = "cubic",
	.init = cubic_init,
	.ssthresh = cubic_ssthresh,
	.cong_avoid = cubic_cong_avoid,
	.set_state = cubic_set_state,
	.cwnd_event = cubic_cwnd_event,
	.undo_cwnd = tcp_reno_undo_cwnd,
	.pkts_acked = cubic_pkts_acked,
};
