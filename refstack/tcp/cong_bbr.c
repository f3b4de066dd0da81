/*
 * BBR, version 1 (draft-cardwell-iccrg-bbr-congestion-control-00), in Linux's units.
 *
 * The path is modelled by two numbers: the bandwidth of its bottleneck (the most that was delivered in a round, over the last
 * ten rounds) and its round trip without queues (the least in ten seconds). Data is paced at a gain times the bandwidth, and what
 * is in flight is held at a gain times their product. STARTUP doubles the rate each round until three rounds bring no quarter
 * more; DRAIN empties the queue that this made; PROBE_BW cycles through gains of 5/4, 3/4 and six times 1; PROBE_RTT keeps four
 * packets in flight for 200 ms when the least round trip is ten seconds old. A policer (a token bucket) is recognised by two
 * stretches of losses at the same rate, and its rate kept for 48 rounds.
 *
 * Bandwidth is in packets per microsecond << 24, gains are << 8.
 */
#include "cong_bbr.h"

static const int pacing_gain_cycle[CYCLE_LEN] = {
	BBR_UNIT * 5 / 4, BBR_UNIT * 3 / 4, BBR_UNIT, BBR_UNIT, BBR_UNIT, BBR_UNIT, BBR_UNIT, BBR_UNIT
};

/* --- rates and windows ---------------------------------------------------------------------------------------------------------------- */

static uint32_t bbr_bw(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	return bbr->lt_use_bw ? bbr->lt_bw : bbr->bw.s[0].value;
}

uint64_t bbr_bytes_per_sec(struct tcp_sock *tp, uint64_t rate, int gain)
{
	rate *= tp->mss_cache;
	rate *= (uint64_t)gain;
	rate >>= BBR_SCALE;
	rate *= 1000000 / 100 * (100 - PACING_MARGIN_PERCENT);
	return rate >> BW_SCALE;
}

static uint64_t bw_to_pacing_rate(struct tcp_sock *tp, uint32_t bw, int gain)
{
	uint64_t rate = bbr_bytes_per_sec(tp, bw, gain);

	return rate < tp->sk.max_pacing_rate ? rate : tp->sk.max_pacing_rate;
}

/* Until there is a bandwidth: the initial window over a round trip, or over a millisecond when none is known. */
static void init_pacing_rate_from_rtt(struct tcp_sock *tp)
{
	uint32_t rtt_us = 1000;

	if (tp->srtt_us) {
		rtt_us = tp->srtt_us >> 3 ? tp->srtt_us >> 3 : 1;
		bbr_of(tp)->has_seen_rtt = true;
	}
	tp->sk.pacing_rate = bw_to_pacing_rate(tp, (uint32_t)(((uint64_t)tp->snd_cwnd << BW_SCALE) / rtt_us), HIGH_GAIN);
}

static void set_pacing_rate(struct tcp_sock *tp, uint32_t bw, int gain)
{
	struct bbr *bbr = bbr_of(tp);
	uint64_t rate = bw_to_pacing_rate(tp, bw, gain);

	if (!bbr->has_seen_rtt && tp->srtt_us)
		init_pacing_rate_from_rtt(tp);
	if (bbr->full_bw_reached || rate > tp->sk.pacing_rate)
		tp->sk.pacing_rate = rate;
}

static uint32_t bbr_min_tso_segs(struct tcp_sock *tp)
{
	return tp->sk.pacing_rate < MIN_TSO_RATE >> 3 ? 1 : 2;
}

static uint32_t tso_segs_goal(struct tcp_sock *tp)
{
	uint64_t bytes = tp->sk.pacing_rate >> TCP_PACING_SHIFT;
	uint32_t segments;

	if (bytes > TCP_LEGACY_GSO_MAX - 1 - TCP_HEADER_RESERVE)
		bytes = TCP_LEGACY_GSO_MAX - 1 - TCP_HEADER_RESERVE;
	segments = (uint32_t)bytes / tp->mss_cache;
	if (segments < bbr_min_tso_segs(tp))
		segments = bbr_min_tso_segs(tp);
	return segments < 0x7f ? segments : 0x7f;
}

static uint32_t bdp(struct tcp_sock *tp, uint32_t bw, int gain)
{
	struct bbr *bbr = bbr_of(tp);
	uint64_t w;

	if (bbr->min_rtt_us == UINT32_MAX)
		return TCP_INIT_CWND;
	w = (uint64_t)bw * bbr->min_rtt_us;
	return (uint32_t)((((w * (uint64_t)gain) >> BBR_SCALE) + (1u << BW_SCALE) - 1) / (1u << BW_SCALE));
}

/* Room for what offloads hold back: three large segments, an even number, and two more to probe with. */
static uint32_t quantization_budget(struct tcp_sock *tp, uint32_t cwnd)
{
	struct bbr *bbr = bbr_of(tp);

	cwnd += 3 * tso_segs_goal(tp);
	cwnd = (cwnd + 1) & ~1u;
	if (bbr->mode == BBR_PROBE_BW && bbr->cycle_idx == 0)
		cwnd += 2;
	return cwnd;
}

static uint32_t inflight(struct tcp_sock *tp, uint32_t bw, int gain)
{
	return quantization_budget(tp, bdp(tp, bw, gain));
}

/* What will be in flight at the earliest departure of the next packet, if pacing has scheduled ahead. */
static uint32_t packets_at_departure(struct tcp_sock *tp, uint32_t inflight_now)
{
	struct bbr *bbr = bbr_of(tp);
	pl_time now = tp->sk.stack->now, departure = tp->wstamp > now ? tp->wstamp : now;
	uint64_t interval_us = (uint64_t)((departure - now) / PL_NSEC_PER_USEC);
	uint32_t delivered = (uint32_t)((bbr_bw(tp) * interval_us) >> BW_SCALE), at = inflight_now;

	if (bbr->pacing_gain > BBR_UNIT)
		at += tso_segs_goal(tp);
	return delivered >= at ? 0 : at - delivered;
}

static uint16_t extra_acked(struct bbr *bbr)
{
	return bbr->extra_acked[0] > bbr->extra_acked[1] ? bbr->extra_acked[0] : bbr->extra_acked[1];
}

static uint32_t ack_aggregation_cwnd(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t most, room;

	if (!bbr->full_bw_reached)
		return 0;
	most = (uint32_t)(((uint64_t)bbr_bw(tp) * EXTRA_ACKED_MAX_US) / (1u << BW_SCALE));
	room = (EXTRA_ACKED_GAIN * extra_acked(bbr)) >> BBR_SCALE;
	return room < most ? room : most;
}

static void save_cwnd(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	if (bbr->prev_ca_state < TCP_CA_STATE_RECOVERY && bbr->mode != BBR_PROBE_RTT)
		bbr->prior_cwnd = tp->snd_cwnd;
	else if (tp->snd_cwnd > bbr->prior_cwnd)
		bbr->prior_cwnd = tp->snd_cwnd;
}

/* The first round of a recovery keeps what is in flight; then one more packet may go for each delivered. */
static bool recovery_cwnd(struct tcp_sock *tp, const struct rate_sample *rs, uint32_t acked, uint32_t *new_cwnd)
{
	struct bbr *bbr = bbr_of(tp);
	uint8_t prev_state = bbr->prev_ca_state, state = tp->ca_state;
	uint32_t cwnd = tp->snd_cwnd;

	if (rs->losses > 0)
		cwnd = cwnd > rs->losses ? cwnd - rs->losses : 1;
	if (state == TCP_CA_STATE_RECOVERY && prev_state != TCP_CA_STATE_RECOVERY) {
		bbr->packet_conservation = true;
		bbr->next_rtt_delivered = tp->delivered;
		cwnd = tcp_packets_in_flight(tp) + acked;
	} else if (prev_state >= TCP_CA_STATE_RECOVERY && state < TCP_CA_STATE_RECOVERY) {
		cwnd = cwnd > bbr->prior_cwnd ? cwnd : bbr->prior_cwnd;
		bbr->packet_conservation = false;
	}
	bbr->prev_ca_state = state;
	if (bbr->packet_conservation) {
		uint32_t floor = tcp_packets_in_flight(tp) + acked;

		*new_cwnd = cwnd > floor ? cwnd : floor;
		return true;
	}
	*new_cwnd = cwnd;
	return false;
}

static void set_cwnd(struct tcp_sock *tp, const struct rate_sample *rs, uint32_t acked, uint32_t bw, int gain)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t cwnd = tp->snd_cwnd, target;

	if (acked && !recovery_cwnd(tp, rs, acked, &cwnd)) {
		target = quantization_budget(tp, bdp(tp, bw, gain) + ack_aggregation_cwnd(tp));
		if (bbr->full_bw_reached)
			cwnd = cwnd + acked < target ? cwnd + acked : target;
		else if (cwnd < target || tp->delivered < TCP_INIT_CWND)
			cwnd += acked;
		if (cwnd < CWND_MIN_TARGET)
			cwnd = CWND_MIN_TARGET;
	}
	tp->snd_cwnd = cwnd < tp->snd_cwnd_clamp ? cwnd : tp->snd_cwnd_clamp;
	if (bbr->mode == BBR_PROBE_RTT && tp->snd_cwnd > CWND_MIN_TARGET)
		tp->snd_cwnd = CWND_MIN_TARGET;
}

/* --- PROBE_BW's cycle --------------------------------------------------------------------------------------------------------------------- */

static bool is_next_cycle_phase(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	bool full_length = tp->delivered_us > bbr->cycle_us && tp->delivered_us - bbr->cycle_us > bbr->min_rtt_us;
	uint32_t in_flight;

	if (bbr->pacing_gain == BBR_UNIT)
		return full_length;
	in_flight = packets_at_departure(tp, rs->prior_in_flight);
	if (bbr->pacing_gain > BBR_UNIT)
		return full_length && (rs->losses || in_flight >= inflight(tp, bbr->bw.s[0].value, bbr->pacing_gain));
	return full_length || in_flight <= inflight(tp, bbr->bw.s[0].value, BBR_UNIT);
}

static void advance_cycle_phase(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	bbr->cycle_idx = (bbr->cycle_idx + 1) & (CYCLE_LEN - 1);
	bbr->cycle_us = tp->delivered_us;
}

void bbr_reset_probe_bw_mode(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	bbr->mode = BBR_PROBE_BW;
	bbr->cycle_idx = (uint8_t)(CYCLE_LEN - 1 - prng_below(&tp->sk.stack->prng, CYCLE_RAND));
	advance_cycle_phase(tp);
}

static void reset_mode(struct tcp_sock *tp)
{
	if (bbr_of(tp)->full_bw_reached)
		bbr_reset_probe_bw_mode(tp);
	else
		bbr_of(tp)->mode = BBR_STARTUP;
}

/* --- the model ----------------------------------------------------------------------------------------------------------------------------- */

static void update_bw(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	uint64_t bw;

	bbr->round_start = false;
	if (rs->delivered < 0 || rs->interval_us <= 0)
		return;
	if (!before(rs->prior_delivered, bbr->next_rtt_delivered)) {
		bbr->next_rtt_delivered = tp->delivered;
		bbr->rtt_count++;
		bbr->round_start = true;
		bbr->packet_conservation = false;
	}
	bbr_policer_sample(tp, rs);
	bw = ((uint64_t)rs->delivered << BW_SCALE) / (uint64_t)rs->interval_us;
	if (!rs->is_app_limited || bw >= bbr->bw.s[0].value)
		bbr_max_update(&bbr->bw, BW_ROUNDS, bbr->rtt_count, (uint32_t)bw);
}

static void update_ack_aggregation(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t expected, extra;
	int64_t epoch_us;

	if (rs->acked_sacked == 0 || rs->delivered < 0 || rs->interval_us <= 0)
		return;
	if (bbr->round_start && ++bbr->extra_acked_rounds >= EXTRA_ACKED_WINDOW_RTTS) {
		bbr->extra_acked_rounds = 0;
		bbr->extra_acked_win_idx = !bbr->extra_acked_win_idx;
		bbr->extra_acked[bbr->extra_acked_win_idx] = 0;
	}
	epoch_us = tp->delivered_us > bbr->ack_epoch_us ? (int64_t)(tp->delivered_us - bbr->ack_epoch_us) : 0;
	expected = (uint32_t)(((uint64_t)bbr_bw(tp) * (uint64_t)epoch_us) / (1u << BW_SCALE));
	if (bbr->ack_epoch_acked <= expected || bbr->ack_epoch_acked + rs->acked_sacked >= ACK_EPOCH_RESET) {
		bbr->ack_epoch_acked = 0;
		bbr->ack_epoch_us = tp->delivered_us;
		expected = 0;
	}
	bbr->ack_epoch_acked += rs->acked_sacked;
	if (bbr->ack_epoch_acked > 0xfffff)
		bbr->ack_epoch_acked = 0xfffff;
	extra = bbr->ack_epoch_acked - expected;
	if (extra > tp->snd_cwnd)
		extra = tp->snd_cwnd;
	if (extra > bbr->extra_acked[bbr->extra_acked_win_idx])
		bbr->extra_acked[bbr->extra_acked_win_idx] = (uint16_t)extra;
}

static void check_full_bw_reached(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t bw = bbr->bw.s[0].value;

	if (bbr->full_bw_reached || !bbr->round_start || rs->is_app_limited)
		return;
	if (bw >= (uint32_t)(((uint64_t)bbr->full_bw * FULL_BW_THRESH) >> BBR_SCALE)) {
		bbr->full_bw = bw;
		bbr->full_bw_count = 0;
		return;
	}
	bbr->full_bw_reached = ++bbr->full_bw_count >= FULL_BW_COUNT;
}

static void check_drain(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	if (bbr->mode == BBR_STARTUP && bbr->full_bw_reached) {
		bbr->mode = BBR_DRAIN;
		tp->snd_ssthresh = inflight(tp, bbr->bw.s[0].value, BBR_UNIT);
	}
	if (bbr->mode == BBR_DRAIN && packets_at_departure(tp, tcp_packets_in_flight(tp)) <= inflight(tp, bbr->bw.s[0].value, BBR_UNIT))
		bbr_reset_probe_bw_mode(tp);
}

static void check_probe_rtt_done(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	if (!bbr->probe_rtt_done_stamp || !after(tcp_jiffies32(tp), bbr->probe_rtt_done_stamp))
		return;
	bbr->min_rtt_stamp = tcp_jiffies32(tp);
	if (tp->snd_cwnd < bbr->prior_cwnd)
		tp->snd_cwnd = bbr->prior_cwnd;
	reset_mode(tp);
}

static void in_probe_rtt(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t in_flight = tcp_packets_in_flight(tp);

	/* The window is small for the probe's sake: samples meanwhile do not show what the path could do. */
	tp->app_limited = tp->delivered + in_flight ? tp->delivered + in_flight : 1;
	if (!bbr->probe_rtt_done_stamp && in_flight <= CWND_MIN_TARGET) {
		bbr->probe_rtt_done_stamp = tcp_jiffies32(tp) + tcp_ms_to_jiffies(tp, PROBE_RTT_MODE_MS);
		bbr->probe_rtt_round_done = false;
		bbr->next_rtt_delivered = tp->delivered;
	} else if (bbr->probe_rtt_done_stamp) {
		if (bbr->round_start)
			bbr->probe_rtt_round_done = true;
		if (bbr->probe_rtt_round_done)
			check_probe_rtt_done(tp);
	}
}

static void update_min_rtt(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	bool expired = after(tcp_jiffies32(tp), bbr->min_rtt_stamp + MIN_RTT_WINDOW_SEC * tcp_hz(tp));

	if (rs->rtt_us >= 0 && (rs->rtt_us < (int64_t)bbr->min_rtt_us || (expired && !rs->is_ack_delayed))) {
		bbr->min_rtt_us = (uint32_t)rs->rtt_us;
		bbr->min_rtt_stamp = tcp_jiffies32(tp);
	}
	if (expired && !bbr->idle_restart && bbr->mode != BBR_PROBE_RTT) {
		bbr->mode = BBR_PROBE_RTT;
		save_cwnd(tp);
		bbr->probe_rtt_done_stamp = 0;
	}
	if (bbr->mode == BBR_PROBE_RTT)
		in_probe_rtt(tp);
	/* Restarting after idleness takes the first delivery. */
	if (rs->delivered > 0)
		bbr->idle_restart = false;
}

static void update_gains(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	switch ((enum bbr_mode)bbr->mode) {
	case BBR_STARTUP:
		bbr->pacing_gain = HIGH_GAIN;
		bbr->cwnd_gain = HIGH_GAIN;
		break;
	case BBR_DRAIN:
		bbr->pacing_gain = DRAIN_GAIN;
		bbr->cwnd_gain = HIGH_GAIN;
		break;
	case BBR_PROBE_BW:
		bbr->pacing_gain = bbr->lt_use_bw ? BBR_UNIT : pacing_gain_cycle[bbr->cycle_idx];
		bbr->cwnd_gain = CWND_GAIN;
		break;
	case BBR_PROBE_RTT:
		bbr->pacing_gain = BBR_UNIT;
		bbr->cwnd_gain = BBR_UNIT;
		break;
	}
}

static void bbr_cong_control(struct tcp_sock *tp, uint32_t ack, int flag, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t bw;

	update_bw(tp, rs);
	update_ack_aggregation(tp, rs);
	if (bbr->mode == BBR_PROBE_BW && is_next_cycle_phase(tp, rs))
		advance_cycle_phase(tp);
	check_full_bw_reached(tp, rs);
	check_drain(tp);
	update_min_rtt(tp, rs);
	update_gains(tp);
	bw = bbr_bw(tp);
	set_pacing_rate(tp, bw, bbr->pacing_gain);
	set_cwnd(tp, rs, rs->acked_sacked, bw, bbr->cwnd_gain);
}

static void bbr_init(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	*bbr = (struct bbr){
		.prev_ca_state = TCP_CA_STATE_OPEN,
		.next_rtt_delivered = tp->delivered,
		.min_rtt_us = tcp_min_rtt(tp),
		.min_rtt_stamp = tcp_jiffies32(tp),
		.ack_epoch_us = tcp_now_us(tp),
	};
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	bbr_max_reset(&bbr->bw, 0, 0);
	init_pacing_rate_from_rtt(tp);
	bbr->lt_last_delivered = tp->delivered;
	bbr_policer_reset(tp);
	bbr->mode = BBR_STARTUP;
	if (tp->pacing == TCP_PACING_NONE)
		tp->pacing = TCP_PACING_NEEDED;
}

static void bbr_cwnd_event(struct tcp_sock *tp, int event)
{
	struct bbr *bbr = bbr_of(tp);

	if (event != CONG_TX_START || !tp->app_limited)
		return;
	bbr->idle_restart = true;
	bbr->ack_epoch_us = tcp_now_us(tp);
	bbr->ack_epoch_acked = 0;
	/* Pace out of idleness at the path's rate: nothing is known to be queued. */
	if (bbr->mode == BBR_PROBE_BW)
		set_pacing_rate(tp, bbr_bw(tp), BBR_UNIT);
	else if (bbr->mode == BBR_PROBE_RTT)
		check_probe_rtt_done(tp);
}

static uint32_t bbr_undo_cwnd(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	bbr->full_bw = 0;
	bbr->full_bw_count = 0;
	bbr_policer_reset(tp);
	return tp->snd_cwnd;
}

static uint32_t bbr_ssthresh(struct tcp_sock *tp)
{
	save_cwnd(tp);
	return tp->snd_ssthresh;
}

static uint32_t bbr_sndbuf_expand(struct tcp_sock *tp)
{
	return 3;
}

static void bbr_set_state(struct tcp_sock *tp, uint8_t new_state)
{
	struct bbr *bbr = bbr_of(tp);
	struct rate_sample loss = { .losses = 1 };

	if (new_state != TCP_CA_STATE_LOSS)
		return;
	bbr->prev_ca_state = TCP_CA_STATE_LOSS;
	bbr->full_bw = 0;
	bbr->round_start = true;
	bbr_policer_sample(tp, &loss);
}

static size_t bbr_get_info(struct tcp_sock *tp, uint32_t ext, union tcp_cc_info *info)
{
	struct bbr *bbr = bbr_of(tp);
	uint64_t bw = bbr_bw(tp);

	if (!(ext & (1 << (INET_DIAG_BBRINFO - 1) | 1 << (INET_DIAG_VEGASINFO - 1))))
		return 0;
	bw = bw * tp->mss_cache * 1000000 >> BW_SCALE;
	memset(&info->bbr, 0, sizeof(info->bbr));
	info->bbr.bbr_bw_lo = (uint32_t)bw;
	info->bbr.bbr_bw_hi = (uint32_t)(bw >> 32);
	info->bbr.bbr_min_rtt = bbr->min_rtt_us;
	info->bbr.bbr_pacing_gain = (uint32_t)bbr->pacing_gain;
	info->bbr.bbr_cwnd_gain = (uint32_t)bbr->cwnd_gain;
	return sizeof(info->bbr);
}

const struct tcp_cong tcp_cong_bbr = {
	.name = "bbr",
	.non_restricted = true,
	.init = bbr_init,
	.ssthresh = bbr_ssthresh,
	.set_state = bbr_set_state,
	.cwnd_event = bbr_cwnd_event,
	.undo_cwnd = bbr_undo_cwnd,
	.cong_control = bbr_cong_control,
	.min_tso_segs = bbr_min_tso_segs,
	.sndbuf_expand = bbr_sndbuf_expand,
	.get_info = bbr_get_info,
};
