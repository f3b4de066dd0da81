/*
 * BBR's filters: a maximum over rounds, and the rate of a policer.
 */
#include "cong_bbr.h"

/* --- a windowed maximum by Kathleen Nichols' three samples ----------------------------------------------------------------------- */

void bbr_max_reset(struct minmax *m, uint32_t round, uint32_t value)
{
	for (int i = 0; i < 3; i++) {
		m->s[i].round = round;
		m->s[i].value = value;
	}
}

/* The best sample of the window has aged: the next best take over; or a part of it has passed without a second choice. */
static void max_age(struct minmax *m, uint32_t window, uint32_t round, uint32_t value)
{
	uint32_t age = round - m->s[0].round;

	if (age > window) {
		m->s[0] = m->s[1];
		m->s[1] = m->s[2];
		m->s[2].round = round;
		m->s[2].value = value;
		if (round - m->s[0].round > window) {
			m->s[0] = m->s[1];
			m->s[1] = m->s[2];
		}
	} else if (m->s[1].round == m->s[0].round && age > window / 4) {
		m->s[2].round = m->s[1].round = round;
		m->s[2].value = m->s[1].value = value;
	} else if (m->s[2].round == m->s[1].round && age > window / 2) {
		m->s[2].round = round;
		m->s[2].value = value;
	}
}

void bbr_max_update(struct minmax *m, uint32_t window, uint32_t round, uint32_t value)
{
	if (value >= m->s[0].value || round - m->s[2].round > window) {
		bbr_max_reset(m, round, value);
		return;
	}
	if (value >= m->s[1].value) {
		m->s[2].round = m->s[1].round = round;
		m->s[2].value = m->s[1].value = value;
	} else if (value >= m->s[2].value) {
		m->s[2].round = round;
		m->s[2].value = value;
	}
	max_age(m, window, round, value);
}

/* --- a policer's rate ----------------------------------------------------------------------------------------------------------------------- */

static void lt_interval_reset(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	bbr->lt_last_stamp = (uint32_t)(tp->delivered_us / 1000);
	bbr->lt_last_delivered = tp->delivered;
	bbr->lt_last_lost = tp->lost;
	bbr->lt_rtt_count = 0;
}

void bbr_policer_reset(struct tcp_sock *tp)
{
	struct bbr *bbr = bbr_of(tp);

	bbr->lt_bw = 0;
	bbr->lt_use_bw = false;
	bbr->lt_is_sampling = false;
	lt_interval_reset(tp);
}

static void lt_interval_done(struct tcp_sock *tp, uint32_t bw)
{
	struct bbr *bbr = bbr_of(tp);

	if (bbr->lt_bw) {
		uint32_t diff = bw > bbr->lt_bw ? bw - bbr->lt_bw : bbr->lt_bw - bw;

		if (diff * (uint64_t)BBR_UNIT <= (uint64_t)LT_BW_RATIO * bbr->lt_bw ||
		    bbr_bytes_per_sec(tp, diff, BBR_UNIT) <= LT_BW_DIFF) {
			bbr->lt_bw = (bw + bbr->lt_bw) >> 1;
			bbr->lt_use_bw = true;
			bbr->pacing_gain = BBR_UNIT;
			bbr->lt_rtt_count = 0;
			return;
		}
	}
	bbr->lt_bw = bw;
	lt_interval_reset(tp);
}

void bbr_policer_sample(struct tcp_sock *tp, const struct rate_sample *rs)
{
	struct bbr *bbr = bbr_of(tp);
	uint32_t lost, delivered, t;

	if (bbr->lt_use_bw) {
		if (bbr->mode == BBR_PROBE_BW && bbr->round_start && ++bbr->lt_rtt_count >= LT_BW_MAX_RTTS) {
			bbr_policer_reset(tp);
			bbr_reset_probe_bw_mode(tp);
		}
		return;
	}
	/* The first loss begins the sampling: the bucket is empty then. */
	if (!bbr->lt_is_sampling) {
		if (!rs->losses)
			return;
		lt_interval_reset(tp);
		bbr->lt_is_sampling = true;
	}
	if (rs->is_app_limited) {
		bbr_policer_reset(tp);
		return;
	}
	if (bbr->round_start)
		bbr->lt_rtt_count++;
	if (bbr->lt_rtt_count < LT_INTERVAL_MIN_RTTS)
		return;
	if (bbr->lt_rtt_count > 4 * LT_INTERVAL_MIN_RTTS) {
		bbr_policer_reset(tp);
		return;
	}
	/* And a loss ends an interval. */
	if (!rs->losses)
		return;
	lost = tp->lost - bbr->lt_last_lost;
	delivered = tp->delivered - bbr->lt_last_delivered;
	if (!delivered || (uint64_t)lost << BBR_SCALE < (uint64_t)LT_LOSS_THRESH * delivered)
		return;
	t = (uint32_t)(tp->delivered_us / 1000) - bbr->lt_last_stamp;
	if ((int32_t)t < 1)
		return;
	if (t >= UINT32_MAX / 1000) {
		bbr_policer_reset(tp);
		return;
	}
	lt_interval_done(tp, (uint32_t)(((uint64_t)delivered << BW_SCALE) / (t * UINT64_C(1000))));
}
