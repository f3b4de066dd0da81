/*
 * The sending half of TCP, as its own files see it. tcp.h has what the rest of TCP may use.
 *
 * Two queues hold what the application wrote: the write queue what was never sent, the retransmit queue what was sent and is
 * not yet acknowledged, both in the order of sequence numbers. A buffer stands for one or more packets on the wire
 * (tcp_control.segments), and the counts packets_out, sacked_out, lost_out and retrans_out are in packets. A buffer never
 * changes after it was sent except by being split at a packet boundary, trimmed at its start, or merged with a neighbour.
 */
#ifndef REFSTACK_TCP_SEND_H
#define REFSTACK_TCP_SEND_H

#include "tcp.h"

/* --- what one acknowledgement was found to mean; the names are those that the kernel's documentation and traces use -------- */
enum {
	FLAG_DATA = 0x01,		/* it carried data */
	FLAG_WIN_UPDATE = 0x02,		/* it updated the window */
	FLAG_DATA_ACKED = 0x04,		/* data was acknowledged cumulatively */
	FLAG_RETRANS_DATA_ACKED = 0x08,	/* some of it had been retransmitted */
	FLAG_SYN_ACKED = 0x10,
	FLAG_DATA_SACKED = 0x20,	/* data was newly SACKed */
	FLAG_ECE = 0x40,
	FLAG_LOST_RETRANS = 0x80,	/* a retransmission was found lost */
	FLAG_SLOWPATH = TCP_ACK_SLOWPATH,
	FLAG_ORIG_SACK_ACKED = 0x200,	/* never retransmitted data from before the recovery point was (S)ACKed */
	FLAG_SND_UNA_ADVANCED = 0x400,
	FLAG_DSACKING_ACK = 0x800,
	FLAG_SET_XMIT_TIMER = 0x1000,	/* TLP or RTO timer to be set anew */
	FLAG_SACK_RENEGING = 0x2000,	/* snd_una moved to a packet that was SACKed */
	FLAG_UPDATE_TS_RECENT = TCP_ACK_UPDATE_TS_RECENT,
	FLAG_NO_CHALLENGE_ACK = TCP_ACK_NO_CHALLENGE,
	FLAG_ACK_MAYBE_DELAYED = 0x10000,
	FLAG_DSACK_TLP = 0x20000,	/* the D-SACK is about a loss probe */

	FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED,
	FLAG_NOT_DUP = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED,
	FLAG_CA_ALERT = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK,
	FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED,
};

/* What is to be sent once the acknowledgement has been digested. */
enum tcp_resend { RESEND_NOTHING, RESEND_LOST, RESEND_NEW };

/* What the SACK blocks of one acknowledgement brought to light. */
struct sack_result {
	uint32_t reordered_from;	/* lowest sequence number seen delivered late; snd_nxt: none */
	uint64_t first_sent_us, last_sent_us;	/* of the packets newly SACKed and never retransmitted; 0: none */
	struct rate_sample *rate;
	int flag;
	uint32_t mss_now, delivered;
};

/* Moments that a congestion control may want to know of (tcp_ca_event). */
enum tcp_cong_event { CONG_TX_START, CONG_CWND_RESTART, CONG_COMPLETE_CWR, CONG_LOSS, CONG_ECN_NO_CE, CONG_ECN_IS_CE };

#define TCP_RTO_MIN_MS 200
#define TCP_DEFAULT_MSS 536
#define TCP_NO_ROUND_TRIP UINT32_MAX		/* tcp_min_rtt before the first sample */
#define TCP_TIMEOUT_MIN_US 2000
#define TCP_TIMEOUT_MIN_JIFFIES 2
#define TCP_LEGACY_GSO_MAX 65536
#define TCP_HEADER_RESERVE 192			/* MAX_TCP_HEADER: what Linux leaves for headers in front of a large segment */
#define TCP_GSO_MAX_SIZE (TCP_LEGACY_GSO_MAX - TCP_HEADER_RESERVE - 1)
#define TCP_GSO_MAX_SEGS 65535
#define TCP_PACING_SHIFT 10			/* a large segment holds about a millisecond at the pacing rate */
#define TCP_RACK_PERSIST 16			/* recoveries that an enlarged reordering window lasts */
#define TCP_THIN_LINEAR_RETRIES 6
#define TCP_UNPACED UINT64_MAX			/* sock.pacing_rate before there is one; max_pacing_rate: no limit */

/* --- clocks ------------------------------------------------------------------------------------------------------------ */
/* Microseconds; never 0, which means "not set" in every stamp. */
static inline uint64_t tcp_now_us(const struct tcp_sock *tp)
{
	return (uint64_t)(tp->sk.stack->now / PL_NSEC_PER_USEC) + 1;
}
static inline uint64_t tcp_sent_us(const struct pktbuf *packet)
{
	return (uint64_t)(tcp_cb(packet)->sent / PL_NSEC_PER_USEC) + 1;
}
static inline int64_t tcp_since_us(const struct tcp_sock *tp, uint64_t then_us)
{
	return then_us < tcp_now_us(tp) ? (int64_t)(tcp_now_us(tp) - then_us) : 0;
}
static inline uint32_t tcp_now_ts(const struct tcp_sock *tp)
{
	return tcp_clock_ts(tp->sk.stack, tp->usec_ts);
}
/* The timestamp clock when the buffer was last sent. */
static inline uint32_t tcp_sent_ts(const struct tcp_sock *tp, const struct pktbuf *packet)
{
	return (uint32_t)(tcp_cb(packet)->sent / (tp->usec_ts ? PL_NSEC_PER_USEC : PL_NSEC_PER_MSEC));
}
static inline uint32_t tcp_hz(const struct tcp_sock *tp)
{
	return tp->sk.stack->machine.hz;
}
static inline unsigned tcp_log2(uint64_t value)	/* rounded down; of 0: 0 */
{
	return value ? 63u - (unsigned)__builtin_clzll(value) : 0;
}
uint32_t tcp_us_to_jiffies(const struct tcp_sock *tp, uint64_t us);	/* rounded up */
uint32_t tcp_ms_to_jiffies(const struct tcp_sock *tp, uint64_t ms);	/* rounded up */
static inline uint64_t tcp_jiffies_to_us(const struct tcp_sock *tp, uint64_t jiffies)
{
	return jiffies * 1000000 / tcp_hz(tp);
}
static inline uint64_t tcp_jiffies_to_ms(const struct tcp_sock *tp, uint64_t jiffies)
{
	return jiffies * 1000 / tcp_hz(tp);
}

/* --- shorthands ----------------------------------------------------------------------------------------------------------- */
static inline const struct sysctls *tcp_sysctl(const struct tcp_sock *tp)
{
	return &tp->sk.stack->sysctl;
}
static inline struct pktbuf *tcp_send_head(const struct tcp_sock *tp)
{
	return tp->write_queue.first;
}
static inline struct pktbuf *tcp_rtx_head(const struct tcp_sock *tp)
{
	return tp->retransmit_queue.first;
}
static inline uint32_t tcp_wnd_end(const struct tcp_sock *tp)
{
	return tp->snd_una + tp->snd_wnd;
}
static inline bool tcp_is_reno(const struct tcp_sock *tp)
{
	return !tp->sack_ok;
}
static inline bool tcp_urg_mode(const struct tcp_sock *tp)
{
	return tp->snd_una != tp->snd_up;
}
static inline uint32_t tcp_min_rtt(const struct tcp_sock *tp)
{
	return tp->rtt_min[0].value;
}
static inline bool tcp_in_slow_start(const struct tcp_sock *tp)
{
	return tp->snd_cwnd < tp->snd_ssthresh;
}
static inline bool tcp_in_cwnd_reduction(const struct tcp_sock *tp)
{
	return tp->ca_state == TCP_CA_STATE_CWR || tp->ca_state == TCP_CA_STATE_RECOVERY;
}
static inline bool tcp_is_cwnd_limited(const struct tcp_sock *tp)
{
	return tp->is_cwnd_limited || (tcp_in_slow_start(tp) && tp->snd_cwnd < 2 * tp->max_packets_out);
}
/* Is what leaves spread over time, by TCP's own timer (bbr, SO_MAX_PACING_RATE) or by the link's queue? */
static inline bool tcp_is_paced(const struct tcp_sock *tp)
{
	return tp->pacing != TCP_PACING_NONE || tp->sk.max_pacing_rate != TCP_UNPACED;
}
static inline uint32_t tcp_left_out(const struct tcp_sock *tp)
{
	return tp->sacked_out + tp->lost_out;
}
static inline bool tcp_handshaking(const struct tcp_sock *tp)
{
	return tp->sk.state == TCP_SYN_SENT || tp->sk.state == TCP_SYN_RECV;
}
/* First sequence number that nothing SACKed reaches; snd_una when nothing is SACKed. */
static inline uint32_t tcp_highest_sack_seq(const struct tcp_sock *tp)
{
	if (!tp->sacked_out)
		return tp->snd_una;
	return tp->highest_sack ? tcp_cb(tp->highest_sack)->seq : tp->snd_nxt;
}
static inline void tcp_cong_tell(struct tcp_sock *tp, enum tcp_cong_event event)
{
	if (tp->cong->cwnd_event)
		tp->cong->cwnd_event(tp, event);
}
static inline void tcp_deliver_count(struct tcp_sock *tp, uint32_t packets, bool ece)
{
	tp->delivered += packets;
	if (ece)
		tp->delivered_ce += packets;
}
/* Was the packet (sent at a_us, ending at a_seq) sent after the other? Equal instants are told apart by sequence number. */
static inline bool tcp_sent_after(uint64_t a_us, uint64_t b_us, uint32_t a_seq, uint32_t b_seq)
{
	return a_us > b_us || (a_us == b_us && after(a_seq, b_seq));
}
#define TCPCB_RETRANS (TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS)
#define TCPCB_TAGS (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS | TCPCB_LOST)

/* --- sendqueue.c: buffers and their counts ------------------------------------------------------------------------------- */
void tcp_set_segments(struct pktbuf *packet, uint32_t mss);	/* how many packets it is, at this payload size */
int tcp_split(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *packet, uint32_t length, uint32_t mss);
void tcp_trim_acked(struct tcp_sock *tp, struct pktbuf *packet, uint32_t length);
bool tcp_may_merge(const struct pktbuf *to, const struct pktbuf *from);
bool tcp_move_bytes(struct tcp_sock *tp, struct pktbuf *to, struct pktbuf *from, uint32_t length);
void tcp_merge_stamps(struct pktbuf *to, const struct pktbuf *from);
void tcp_send_buffer_free(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *packet);	/* queue may be NULL */
void tcp_adjust_counts(struct tcp_sock *tp, const struct pktbuf *packet, int64_t fewer);
void tcp_highest_sack_replace(struct tcp_sock *tp, const struct pktbuf *old, struct pktbuf *replacement);
struct pktbuf *tcp_nondata(struct tcp_sock *tp, uint32_t seq, uint16_t flags);

/* --- transmit.c: one segment ---------------------------------------------------------------------------------------------- */
int tcp_transmit_ack(struct tcp_sock *tp, struct pktbuf *packet, bool queued, uint32_t rcv_nxt);

/* --- output.c: what may go, and when --------------------------------------------------------------------------------------- */
enum tcp_push { PUSH_ALL, PUSH_ONE, PUSH_PROBE };
void tcp_push_with(struct tcp_sock *tp, uint32_t mss, int nonagle);
bool tcp_write_xmit(struct tcp_sock *tp, uint32_t mss, int nonagle, enum tcp_push push);
void tcp_new_data_sent(struct tcp_sock *tp, struct pktbuf *packet);
bool tcp_fits_send_window(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t mss);
uint32_t tcp_tso_segments(const struct tcp_sock *tp, uint32_t mss);
bool tcp_pacing_blocks(struct tcp_sock *tp);

/* --- mss.c ------------------------------------------------------------------------------------------------------------------- */
uint32_t tcp_mss_to_mtu(const struct tcp_sock *tp, uint32_t mss);
int tcp_mtu_probe(struct tcp_sock *tp);		/* 1 sent one, 0 wait for room, -1 none now */
void tcp_mtu_probe_failed(struct tcp_sock *tp);
void tcp_mtu_probe_success(struct tcp_sock *tp);
void tcp_mtu_black_hole(struct tcp_sock *tp);	/* timeouts went on for long: try smaller packets */

/* --- cwnd.c -------------------------------------------------------------------------------------------------------------------- */
uint32_t tcp_init_cwnd(struct tcp_sock *tp, const struct route *route);
uint32_t tcp_current_ssthresh(const struct tcp_sock *tp);
void tcp_cwnd_validate(struct tcp_sock *tp, bool is_cwnd_limited);
void tcp_cwnd_after_idle(struct tcp_sock *tp);
void tcp_chrono_start(struct tcp_sock *tp, int type);
void tcp_chrono_stop(struct tcp_sock *tp, int type);
enum { CHRONO_NONE, CHRONO_BUSY, CHRONO_RWND_LIMITED, CHRONO_SNDBUF_LIMITED };

/* --- retransmit.c ------------------------------------------------------------------------------------------------------------- */
int tcp_resend(struct tcp_sock *tp, struct pktbuf *packet, uint32_t segments);	/* without the recovery's counting */
void tcp_retransmit_lost(struct tcp_sock *tp);
void tcp_send_loss_probe(struct tcp_sock *tp);
bool tcp_schedule_loss_probe(struct tcp_sock *tp, bool advancing_rto);

/* --- probe.c --------------------------------------------------------------------------------------------------------------------- */
uint32_t tcp_probe0_base(const struct tcp_sock *tp);
uint32_t tcp_probe0_when(const struct tcp_sock *tp);
uint32_t tcp_clamp_probe0_to_user_timeout(const struct tcp_sock *tp, uint32_t when);
void tcp_check_probe_timer(struct tcp_sock *tp);
void tcp_probe_timer(struct tcp_sock *tp);
uint32_t tcp_orphan_retries_left(const struct tcp_sock *tp, bool alive);

/* --- timer.c ---------------------------------------------------------------------------------------------------------------------- */
void tcp_arm(struct tcp_sock *tp, uint8_t what, uint32_t jiffies, bool pace);	/* the retransmit timer, for ICSK_TIME_* */
void tcp_disarm(struct tcp_sock *tp, uint8_t what);				/* if it runs for that */
int64_t tcp_rto_left_us(const struct tcp_sock *tp);	/* until the head's timeout, from when it was sent */
uint32_t tcp_rto_min_us(const struct tcp_sock *tp);
uint32_t tcp_rto_min_default(const struct tcp_sock *tp);	/* 200 ms in jiffies */
void tcp_send_timer_fire(struct pl_stack *stack, struct pl_timer *timer);
void tcp_pacing_timer_fire(struct pl_stack *stack, struct pl_timer *timer);

/* --- rtt.c ---------------------------------------------------------------------------------------------------------------------- */
void tcp_rtt_init(struct tcp_sock *tp);
bool tcp_rtt_update(struct tcp_sock *tp, int flag, int64_t seq_rtt_us, int64_t sack_rtt_us, int64_t ca_rtt_us,
		    struct rate_sample *rate);
void tcp_set_rto(struct tcp_sock *tp);
uint32_t tcp_bound_rto(const struct tcp_sock *tp, uint64_t jiffies);

/* --- sack.c, rack.c ------------------------------------------------------------------------------------------------------------- */
int tcp_sack_process(struct tcp_sock *tp, const struct tcp_segment *segment, uint32_t prior_una, struct sack_result *result);
void tcp_check_sack_reordering(struct tcp_sock *tp, uint32_t low_seq, bool by_timestamp);
uint8_t tcp_sack_tag(struct tcp_sock *tp, struct sack_result *result, struct pktbuf *packet, uint32_t start, uint32_t end,
		     bool duplicate, uint32_t segments);
bool tcp_needless_retransmission(const struct tcp_sock *tp, const struct pktbuf *packet);
void tcp_rack_advance(struct tcp_sock *tp, uint8_t sacked, uint32_t end_seq, uint64_t sent_us);
bool tcp_rack_mark_lost(struct tcp_sock *tp);
void tcp_rack_reorder_timeout(struct tcp_sock *tp);
void tcp_rack_update_reo_wnd(struct tcp_sock *tp, const struct rate_sample *rate);
int64_t tcp_rack_left_us(const struct tcp_sock *tp, const struct pktbuf *packet, uint32_t reo_wnd);
void tcp_mark_lost(struct tcp_sock *tp, struct pktbuf *packet);

/* --- recovery.c, reduce.c ------------------------------------------------------------------------------------------------------------ */
void tcp_recovery_step(struct tcp_sock *tp, uint32_t prior_una, uint32_t dupacks, int *flag, enum tcp_resend *resend);
void tcp_enter_loss(struct tcp_sock *tp);
void tcp_enter_recovery(struct tcp_sock *tp, bool ece);
void tcp_enter_cwr(struct tcp_sock *tp);
void tcp_cwnd_reduction(struct tcp_sock *tp, int newly_delivered, int newly_lost, int flag);
void tcp_init_cwnd_reduction(struct tcp_sock *tp);
void tcp_end_cwnd_reduction(struct tcp_sock *tp);
void tcp_set_ca_state(struct tcp_sock *tp, uint8_t state);
void tcp_try_keep_open(struct tcp_sock *tp);
bool tcp_any_retransmission(const struct tcp_sock *tp);
void tcp_forget_hints(struct tcp_sock *tp);
void tcp_reno_sacked_add(struct tcp_sock *tp, uint32_t dupacks, bool ece);
void tcp_reno_sacked_remove(struct tcp_sock *tp, int acked, bool ece);
void tcp_reno_sacked_reset(struct tcp_sock *tp);
bool tcp_reno_sacked_limit(struct tcp_sock *tp);
void tcp_tlp_acked(struct tcp_sock *tp, uint32_t ack, int flag);
void tcp_rto_stats_end(struct tcp_sock *tp);
bool tcp_try_undo_recovery(struct tcp_sock *tp);

/* --- rate.c ------------------------------------------------------------------------------------------------------------------- */
void tcp_rate_sent(struct tcp_sock *tp, struct pktbuf *packet);
void tcp_rate_delivered(struct tcp_sock *tp, struct pktbuf *packet, struct rate_sample *rate);
void tcp_rate_generate(struct tcp_sock *tp, uint32_t delivered, uint32_t lost, bool sack_reneging, struct rate_sample *rate);

/* --- cong.c, cong_*.c ------------------------------------------------------------------------------------------------------------- */
extern const struct tcp_cong tcp_cong_reno, tcp_cong_cubic, tcp_cong_bbr;
void tcp_cong_assign(struct tcp_sock *tp);	/* the default of new sockets */
void tcp_cong_init(struct tcp_sock *tp);	/* the connection is established */
void tcp_cong_release(struct tcp_sock *tp);
uint32_t tcp_slow_start(struct tcp_sock *tp, uint32_t acked);	/* acknowledged packets that remain for congestion avoidance */
void tcp_cong_avoid_additive(struct tcp_sock *tp, uint32_t per, uint32_t acked);
uint32_t tcp_reno_undo_cwnd(struct tcp_sock *tp);

/* --- ecn.c ----------------------------------------------------------------------------------------------------------------------- */
enum { ECN_OK = 1, ECN_QUEUE_CWR = 2, ECN_DEMAND_CWR = 4, ECN_SEEN = 8, ECN_ACCECN = 16, ECN_ANY = ECN_OK | ECN_ACCECN };
void tcp_ecn_queue_cwr(struct tcp_sock *tp);
void tcp_ecn_withdraw_cwr(struct tcp_sock *tp);
void tcp_ecn_send_syn(struct tcp_sock *tp, struct pktbuf *syn);
void tcp_ecn_clear_syn(struct tcp_sock *tp, struct pktbuf *syn);
void tcp_ecn_send_synack(struct tcp_sock *tp, struct pktbuf *synack);
uint16_t tcp_ecn_send(struct tcp_sock *tp, const struct pktbuf *packet);	/* sets ECT in sk->tos; header flags */
bool tcp_ecn_echo_received(const struct tcp_sock *tp, const struct tcp_segment *segment);

/* --- stamp.c: transmit time stamps and MSG_ZEROCOPY ----------------------------------------------------------------------------- */
/* SCHED: the packet reached the link's queue; SND: it left (not when the queue dropped it). */
void tcp_stamp_sent(struct tcp_sock *tp, const struct pktbuf *packet, const struct pktbuf *sent, bool left);
void tcp_stamp_acked(struct tcp_sock *tp, struct pktbuf *packet, uint32_t prior_una, const struct tcp_segment *segment);
struct tcp_zerocopy *tcp_zerocopy_hold(struct tcp_zerocopy *zerocopy);

/* --- sendsock.c ------------------------------------------------------------------------------------------------------------------- */
void tcp_sndbuf_expand(struct tcp_sock *tp);

/* --- info.c ---------------------------------------------------------------------------------------------------------------------- */
struct pktbuf *tcp_statistics(struct tcp_sock *tp, const struct pktbuf *packet, int ttl);

/* --- metrics.c -------------------------------------------------------------------------------------------------------------------- */
void tcp_metrics_init(struct tcp_sock *tp);

#endif
