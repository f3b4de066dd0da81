/* BBR among its files: cong_bbr.c is the model and the states, cong_bbr_filter.c what it makes of single samples. */
#ifndef REFSTACK_TCP_CONG_BBR_H
#define REFSTACK_TCP_CONG_BBR_H

#include "send.h"

#define BW_SCALE 24
#define BBR_SCALE 8
#define BBR_UNIT (1 << BBR_SCALE)

enum bbr_mode { BBR_STARTUP, BBR_DRAIN, BBR_PROBE_BW, BBR_PROBE_RTT };

#define CYCLE_LEN 8
#define BW_ROUNDS (CYCLE_LEN + 2)
#define MIN_RTT_WINDOW_SEC 10
#define PROBE_RTT_MODE_MS 200
#define MIN_TSO_RATE 1200000			/* bit/s: below it segments of one packet are sent */
#define PACING_MARGIN_PERCENT 1
#define HIGH_GAIN (BBR_UNIT * 2885 / 1000 + 1)	/* 2/ln 2: the least gain that doubles the rate each round */
#define DRAIN_GAIN (BBR_UNIT * 1000 / 2885)
#define CWND_GAIN (BBR_UNIT * 2)
#define CYCLE_RAND 7
#define CWND_MIN_TARGET 4
#define FULL_BW_THRESH (BBR_UNIT * 5 / 4)
#define FULL_BW_COUNT 3
#define LT_INTERVAL_MIN_RTTS 4
#define LT_LOSS_THRESH 50			/* of 256 */
#define LT_BW_RATIO (BBR_UNIT / 8)
#define LT_BW_DIFF (4000 / 8)			/* bytes/s */
#define LT_BW_MAX_RTTS 48
#define EXTRA_ACKED_GAIN BBR_UNIT
#define EXTRA_ACKED_WINDOW_RTTS 5
#define ACK_EPOCH_RESET (1u << 20)
#define EXTRA_ACKED_MAX_US (100 * 1000)

struct minmax {
	struct { uint32_t round, value; } s[3];
};

struct bbr {
	uint32_t min_rtt_us, min_rtt_stamp, probe_rtt_done_stamp;	/* stamps in jiffies */
	struct minmax bw;
	uint32_t rtt_count, next_rtt_delivered;
	uint64_t cycle_us;
	uint8_t mode, prev_ca_state, cycle_idx, full_bw_count, lt_rtt_count, extra_acked_rounds, extra_acked_win_idx;
	bool packet_conservation, round_start, idle_restart, probe_rtt_round_done, lt_is_sampling, lt_use_bw, has_seen_rtt,
		full_bw_reached;
	uint32_t lt_bw, lt_last_delivered, lt_last_stamp, lt_last_lost;
	int pacing_gain, cwnd_gain;
	uint32_t prior_cwnd, full_bw;
	uint64_t ack_epoch_us;
	uint16_t extra_acked[2];
	uint32_t ack_epoch_acked;
};
_Static_assert(sizeof(struct bbr) <= sizeof(((struct tcp_sock *)0)->cong_priv), "a congestion control's own state");

static inline struct bbr *bbr_of(struct tcp_sock *tp)
{
	return (struct bbr *)tp->cong_priv;
}

/* cong_bbr_filter.c: the largest value of the last `window` rounds */
void bbr_max_reset(struct minmax *m, uint32_t round, uint32_t value);
void bbr_max_update(struct minmax *m, uint32_t window, uint32_t round, uint32_t value);
/* the rate of a policer */
void bbr_policer_reset(struct tcp_sock *tp);
void bbr_policer_sample(struct tcp_sock *tp, const struct rate_sample *rs);
/* cong_bbr.c */
void bbr_reset_probe_bw_mode(struct tcp_sock *tp);
uint64_t bbr_bytes_per_sec(struct tcp_sock *tp, uint64_t rate, int gain);

#endif
