/*
 * The sending half's share in the life of a socket: what it starts with, becoming established, the send buffer, the end.
 */
#include "send.h"

/* --- beginnings --------------------------------------------------------------------------------------------------------- */

static void init_timers(struct tcp_sock *tp)
{
	timer_init(&tp->retransmit_timer, tcp_send_timer_fire);
	timer_init(&tp->pacing_timer, tcp_pacing_timer_fire);
	tp->pending = ICSK_TIME_NONE;
}

/* What a new connection knows of congestion: nothing. */
static void init_congestion(struct tcp_sock *tp)
{
	tp->snd_cwnd = TCP_INIT_CWND;
	tp->snd_ssthresh = TCP_INFINITE_SSTHRESH;
	tp->snd_cwnd_cnt = 0;
	tp->is_cwnd_limited = false;
	tp->max_packets_out = 0;
	tp->ca_state = TCP_CA_STATE_OPEN;
	tp->rack.reo_wnd_steps = 1;
}

static void init_timeouts(struct tcp_sock *tp)
{
	tp->rto = tcp_hz(tp);
	tp->mdev_us = 1000000;
	tp->rto_min = tcp_us_to_jiffies(tp, (uint64_t)tcp_sysctl(tp)->tcp_rto_min_us);
	tp->rto_max = tcp_ms_to_jiffies(tp, (uint64_t)tcp_sysctl(tp)->tcp_rto_max_ms);
	tp->delack_max = tcp_hz(tp) / 5;
	tcp_rtt_init(tp);
}

void tcp_send_init(struct tcp_sock *tp)
{
	init_timers(tp);
	init_congestion(tp);
	init_timeouts(tp);
	tp->snd_cwnd_clamp = UINT32_MAX;
	tp->mss_cache = TCP_DEFAULT_MSS;
	tp->reordering = (uint32_t)tcp_sysctl(tp)->tcp_reordering;
	tp->app_limited = UINT32_MAX;
	tp->rate_app_limited = true;
	tp->undo_retrans = -1;
	tp->sk.pacing_rate = TCP_UNPACED;
	tcp_cong_assign(tp);
}

/* The SYN-ACK timed out before it was answered: if the answer shows that it was only late, this is undone. */
static void note_synack_timeouts(struct tcp_sock *tp, const struct tcp_request *request)
{
	tp->total_rto = request->num_timeout;
	tp->total_rto_recoveries = 1;
	tp->undo_marker = request->snt_isn;
	tp->retrans_stamp = request->tsval_first ? request->tsval_first - request->ts_offset
						 : (uint32_t)(request->synack_sent / PL_NSEC_PER_MSEC);
	uint32_t passed = tcp_now_ts(tp) - tp->retrans_stamp;
	tp->total_rto_time = tp->usec_ts ? passed / 1000 : passed;
}

/* tp is a copy of the listener, its queues are empty and its sequence numbers are the child's already. */
void tcp_send_init_child(struct tcp_sock *tp, const struct tcp_request *request)
{
	const struct tcp_cong *cong = tp->cong;
	bool chosen = tp->cong_setsockopt;

	init_timers(tp);
	init_congestion(tp);
	tcp_rtt_init(tp);
	tp->rto = tcp_hz(tp);
	tp->app_limited = UINT32_MAX;
	tp->rate_app_limited = true;
	tp->undo_retrans = -1;
	tp->total_retrans = request->num_retrans;
	tcp_cong_assign(tp);
	if (chosen)
		tp->cong = cong;
	tp->cong_initialized = false;
	if (request->num_timeout)
		note_synack_timeouts(tp, request);
}

/* --- established -------------------------------------------------------------------------------------------------------------- */

/* The third segment of the handshake has come. */
void tcp_handshake_done(struct tcp_sock *tp, bool fastopen)
{
	if (!fastopen) {
		tcp_try_undo_spurious_syn(tp);
		tp->retrans_stamp = 0;
		return;
	}
	/* A timeout of the SYN-ACK may have been taken for one of the data: there is none in flight. */
	if (tp->ca_state == TCP_CA_STATE_LOSS && !tp->packets_out)
		tcp_try_undo_recovery(tp);
	tcp_rto_stats_end(tp);
	tp->retransmits = 0;
	/* The first SYN-ACK timeout set the stamp; unless data was retransmitted as well it means nothing any more. */
	if (!tcp_any_retransmission(tp))
		tp->retrans_stamp = 0;
}

/* The connection can transfer data now. */
void tcp_init_transfer(struct tcp_sock *tp)
{
	int error = 0;

	tcp_mtup_init(tp);
	const struct route *route = sock_route(&tp->sk, &error);
	tcp_metrics_init(tp);
	/* RFC 5681 section 3.1: a SYN or SYN-ACK lost more than once is a sign of congestion. */
	if (tp->total_retrans > 1 && tp->undo_marker)
		tp->snd_cwnd = 1;
	else
		tp->snd_cwnd = tcp_init_cwnd(tp, route);
	tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	if (!tp->cong_initialized)
		tcp_cong_init(tp);
	if (!tp->sk.send_buffer_locked)
		tcp_sndbuf_expand(tp);
	tcp_init_buffer_space(tp);
}

/* --- the send buffer -------------------------------------------------------------------------------------------------------------- */

static uint32_t round_up_to_power(uint32_t value)
{
	uint32_t power = 1;

	while (power < value)
		power <<= 1;
	return power;
}

/* Room for the window twice over (what is in flight, and what will be sent meanwhile), within tcp_wmem[2]. */
void tcp_sndbuf_expand(struct tcp_sock *tp)
{
	uint32_t mss = tp->mss_clamp > tp->mss_cache ? tp->mss_clamp : tp->mss_cache;
	uint32_t each = round_up_to_power(mss + TCP_HEADER_RESERVE + SKB_SHARED_INFO) + SKB_OVERHEAD;
	uint32_t packets = TCP_INIT_CWND;
	uint32_t times = tp->cong->sndbuf_expand ? tp->cong->sndbuf_expand(tp) : 2;

	if (packets < tp->snd_cwnd)
		packets = tp->snd_cwnd;
	if (packets < tp->reordering + 1)
		packets = tp->reordering + 1;
	uint64_t wanted = (uint64_t)times * packets * each;
	uint64_t most = (uint64_t)tcp_sysctl(tp)->tcp_wmem[2];
	if ((uint64_t)tp->sk.send_buffer < wanted)
		tp->sk.send_buffer = (int)(wanted < most ? wanted : most);
}

/* A larger buffer would be of use: the window is not full, the user did not fix the size, and memory is not short. */
static bool should_expand(const struct tcp_sock *tp)
{
	const struct pl_stack *stack = tp->sk.stack;

	return !tp->sk.send_buffer_locked && !tcp_under_memory_pressure(stack) && stack->tcp->memory < (int64_t)stack->sysctl.tcp_mem[0] &&
	       tcp_packets_in_flight(tp) < tp->snd_cwnd;
}

/* Room may have come up for a writer that waits: let the buffer grow, wake it if there is enough. */
void tcp_check_space(struct tcp_sock *tp)
{
	if (!tp->nospace || sock_flag(&tp->sk, SF_DEAD))
		return;
	if (should_expand(tp)) {
		tcp_sndbuf_expand(tp);
		tp->snd_cwnd_stamp = tcp_jiffies32(tp);
	}
	if (tcp_stream_writeable(tp, true)) {
		tp->nospace = false;
		sock_wake(&tp->sk, TCP_WAKE_WRITE);
		tcp_chrono_stop(tp, CHRONO_SNDBUF_LIMITED);
	}
}

/* --- the end -------------------------------------------------------------------------------------------------------------------------- */

void tcp_send_destroy(struct tcp_sock *tp)
{
	tcp_clear_xmit_timers(tp);
	tcp_cong_release(tp);
	tcp_write_queue_purge(tp);
}

/* connect(AF_UNSPEC): nothing of the old connection is left. */
void tcp_send_disconnect(struct tcp_sock *tp)
{
	tcp_clear_xmit_timers(tp);
	tcp_write_queue_purge(tp);
	tcp_cong_release(tp);
	memset(tp->cong_priv, 0, sizeof(tp->cong_priv));
	tcp_set_ca_state(tp, TCP_CA_STATE_OPEN);
	tp->srtt_us = tp->rttvar_us = tp->mdev_max_us = tp->rtt_seq = 0;
	init_timeouts(tp);
	tcp_rto_stats_end(tp);
	tcp_clear_retrans(tp);
	memset(&tp->rack, 0, sizeof(tp->rack));
	init_congestion(tp);
	tp->retransmits = tp->backoff = tp->probes_out = 0;
	tp->probes_tstamp = 0;
	tp->is_sack_reneg = tp->frto = tp->tlp_retrans = tp->nospace = false;
	tp->tlp_high_seq = 0;
	tp->delivered = tp->delivered_ce = 0;
	tp->total_retrans = tp->dsack_dups = tp->reord_seen = tp->retrans_stamp = 0;
	tp->bytes_sent = tp->bytes_acked = tp->bytes_retrans = 0;
	tp->segs_out = tp->data_segs_out = 0;
	tp->lost = 0;
	tp->app_limited = UINT32_MAX;
	tp->rate_app_limited = true;
	tp->rate_delivered = tp->rate_interval_us = 0;
	tp->delivered_us = tp->first_tx_us = 0;
	tp->snd_up = tp->snd_una;
	tp->ecn_flags = 0;
	tp->highest_sack = NULL;
	tp->timeout_rehash = 0;
	tp->wstamp = 0;
	tp->sk.pacing_rate = TCP_UNPACED;
}
