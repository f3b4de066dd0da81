/*
 * TCP inside the stack. Names are RFC 9293's and the kernel's (struct tcp_sock), because those are what TCP_INFO, ss(8) and
 * packetdrill scripts speak of. Sequence numbers are host order, compared with before() and after(); times are pl_time unless
 * the name says jiffies or microseconds.
 *
 * Who does what:
 *   socket.c    the sockets API: proto row, sendmsg, recvmsg, poll, ioctl, shutdown, close
 *   option.c    setsockopt, getsockopt            info.c      TCP_INFO
 *   connect.c   SYN-SENT, simultaneous open       listen.c    LISTEN, request sockets, accept queue
 *   syncookie.c fastopen.c timewait.c
 *   segment.c   bytes to struct tcp_segment; options parsed and written
 *   input.c     a segment for a synchronised connection: the steps of RFC 9293 3.10.7
 *   receive.c   the receive window, the out-of-order queue, delivery, delayed and compressed acknowledgements
 *   ack.c       what an acknowledgement does to the send side     sack.c  the scoreboard
 *   rack.c      loss detection by time (RFC 8985)                 recovery.c  Open, Disorder, CWR, Recovery, Loss; undo
 *   output.c    building and sending segments, Nagle, TSO, probes timer.c  retransmission, probe, keepalive, delayed ACK
 *   rate.c      delivery rate samples                             cong_reno.c cong_cubic.c cong_bbr.c
 *   metrics.c   what is remembered of a destination               ecn.c   RFC 3168 and AccECN
 */
#ifndef REFSTACK_TCP_H
#define REFSTACK_TCP_H

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "../ip/ip.h"
#include "../socket/sock.h"

/* linux/tcp.h, not netinet/tcp.h: struct tcp_info is whole there. It has no state numbers; these are the kernel's. */
enum tcp_state {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_CLOSE, TCP_CLOSE_WAIT,
	TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING, TCP_NEW_SYN_RECV,
};

#define TCP_HEADER 20
#define TCP_MAX_HEADER (TCP_HEADER + 40)
#define TCP_MAX_SACKS 4
#define TCP_INIT_CWND 10
#define TCP_INFINITE_SSTHRESH 0x7fffffff

static inline bool before(uint32_t a, uint32_t b) { return (int32_t)(a - b) < 0; }
static inline bool after(uint32_t a, uint32_t b) { return before(b, a); }

enum { TH_FIN = 1, TH_SYN = 2, TH_RST = 4, TH_PSH = 8, TH_ACK = 16, TH_URG = 32, TH_ECE = 64, TH_CWR = 128, TH_AE = 256 };

struct tcp_sack_block {
	uint32_t start, end;
};

/* A received segment, decoded once; constant from then on. */
struct tcp_segment {
	struct pktbuf *packet;		/* data is at the payload */
	uint32_t seq, end_seq, ack;	/* end_seq counts SYN and FIN */
	uint32_t length;		/* payload bytes */
	uint16_t source_port, destination_port, window, urgent, flags;	/* TH_* */
	struct in_addr source, destination;
	uint8_t ip_tos;			/* ECN in the low bits */
	uint8_t header_length;
	pl_time arrival;
	struct tcp_options {
		bool has_mss, has_wscale, has_sackok, has_timestamp, has_fastopen, fastopen_experimental, has_md5, has_accecn;
		uint16_t mss;
		uint8_t wscale;
		uint32_t tsval, tsecr;
		uint8_t sacks;
		struct tcp_sack_block sack[TCP_MAX_SACKS];
		uint8_t fastopen_length;	/* of the cookie; 0 asks for one */
		uint8_t fastopen_cookie[16];
		const uint8_t *md5;
		uint8_t accecn_order, accecn_fields;
		uint32_t accecn[3];		/* e0b, ceb, e1b, 24 bits */
	} option;
};

/* Per-packet state of a buffer in the write or retransmit queue (pktbuf.control). */
struct tcp_control {
	uint32_t seq, end_seq;
	uint16_t flags;			/* TH_* to send */
	uint8_t sacked;			/* TCPCB_* */
	bool eor, txstamp_ack, fully_sent_once;
	uint8_t zerocopy;
	pl_time sent;			/* last (re)transmission */
	uint32_t segments;		/* tcp_skb_pcount */
	/* rate sampling at the time of sending */
	uint32_t delivered, delivered_ce;
	pl_time delivered_time, first_tx_time;
	bool app_limited;
	uint32_t in_flight;
	uint32_t timestamp_key;
	uint32_t tx_flags;		/* SKBTX_* */
};
enum { TCPCB_SACKED_ACKED = 1, TCPCB_SACKED_RETRANS = 2, TCPCB_LOST = 4, TCPCB_EVER_RETRANS = 128 };
static inline struct tcp_control *tcp_cb(struct pktbuf *packet) { return (struct tcp_control *)packet->control; }

/* Delivery rate over one acknowledgement (draft-cheng-iccrg-delivery-rate-estimation). */
struct rate_sample {
	pl_time prior_time;
	uint32_t prior_delivered, prior_delivered_ce, prior_in_flight, losses, acked_sacked, last_end_seq;
	int32_t delivered, delivered_ce;
	int64_t interval_us, send_interval_us, receive_interval_us, rtt_us;
	bool is_app_limited, is_retrans, is_ack_delayed;
};

struct tcp_sock;

/* A congestion control: a row each in cong.c. Shapes and moments are those of the kernel's tcp_congestion_ops. */
struct tcp_cong {
	const char *name;
	bool needs_ecn, non_restricted;
	void (*init)(struct tcp_sock *tp);
	void (*release)(struct tcp_sock *tp);
	uint32_t (*ssthresh)(struct tcp_sock *tp);
	void (*cong_avoid)(struct tcp_sock *tp, uint32_t ack, uint32_t acked);
	void (*set_state)(struct tcp_sock *tp, uint8_t new_state);
	void (*cwnd_event)(struct tcp_sock *tp, int event);
	uint32_t (*undo_cwnd)(struct tcp_sock *tp);
	void (*pkts_acked)(struct tcp_sock *tp, uint32_t acked, int64_t rtt_us, uint32_t in_flight);
	void (*cong_control)(struct tcp_sock *tp, uint32_t ack, int flag, const struct rate_sample *rs);
	uint32_t (*min_tso_segs)(struct tcp_sock *tp);
	uint32_t (*sndbuf_expand)(struct tcp_sock *tp);
	size_t (*get_info)(struct tcp_sock *tp, uint32_t ext, union tcp_cc_info *info);
};
const struct tcp_cong *tcp_cong_find(const char *name);
enum { TCP_CA_STATE_OPEN, TCP_CA_STATE_DISORDER, TCP_CA_STATE_CWR, TCP_CA_STATE_RECOVERY, TCP_CA_STATE_LOSS };

/* A connection that has not finished its handshake: the kernel's request_sock. Its own file: listen.c. */
struct tcp_request;

/* Everything one connection knows. Grouped by role, the kernel's field names. */
struct tcp_sock {
	struct sock sk;

	/* --- sequence space --- */
	uint32_t rcv_nxt, copied_seq, rcv_wup, rcv_wnd, rcv_ssthresh, window_clamp, rcv_mwnd_seq;
	uint32_t snd_nxt, snd_una, snd_sml, snd_wl1, snd_wnd, max_window, write_seq, pushed_seq, snd_up;
	bool urg_mode;
	uint32_t urg_seq;
	uint16_t urg_data;
	uint32_t iss, irs;
	uint8_t snd_wscale, rcv_wscale;

	/* --- options agreed --- */
	bool tstamp_ok, sack_ok, wscale_ok, dsack_seen, saw_tstamp;
	uint16_t mss_clamp, user_mss, advmss;	/* rx_opt.mss_clamp, rx_opt.user_mss, advmss */
	uint32_t ts_recent, rcv_tsval, rcv_tsecr, tsoffset;
	int64_t ts_recent_stamp;		/* seconds */
	uint32_t last_oow_ack_time;
	bool usec_ts;
	struct tcp_sack_block duplicate_sack[1], selective_acks[4], recv_sack_cache[4];
	uint8_t num_sacks;
	struct tcp_md5_key *md5_keys;

	/* --- sending --- */
	struct pktbuf_queue write_queue;	/* not yet sent: starts at tcp_send_head */
	struct pktbuf_queue retransmit_queue;	/* sent, not yet acknowledged, by seq */
	uint32_t mss_cache, pmtu_cookie, ext_header_length, tcp_header_len, xmit_size_goal_segs;
	uint32_t packets_out, retrans_out, max_packets_out, cwnd_usage_seq, sacked_out, lost_out, lost, reordering, reord_seen;
	uint32_t retrans_stamp, undo_marker, undo_retrans, high_seq, prior_ssthresh, prior_cwnd, prr_delivered, prr_out;
	int32_t undo_retrans_count;
	uint32_t snd_cwnd, snd_ssthresh, snd_cwnd_cnt, snd_cwnd_clamp, snd_cwnd_used, snd_cwnd_stamp;
	uint32_t total_retrans, notsent_lowat, high_retrans;
	uint8_t ca_state, retransmits, backoff, probes_out, syn_retries_set, ca_dst_locked;
	bool is_cwnd_limited, nonagle_off, repair, is_sack_reneg, tlp_retrans, fast_retrans_pending;
	uint8_t nonagle;		/* TCP_NAGLE_OFF 1, TCP_NAGLE_CORK 2, TCP_NAGLE_PUSH 4 */
	struct pktbuf *highest_sack, *retransmit_skb_hint;
	uint32_t tlp_high_seq, snd_cwnd_min;
	uint64_t bytes_sent, bytes_acked, bytes_retrans, bytes_received, segs_out, segs_in, data_segs_out, data_segs_in;
	uint32_t dsack_dups, lsndtime, delivered, delivered_ce, app_limited, rate_delivered, rate_interval_us;
	bool rate_app_limited;
	pl_time delivered_mstamp, first_tx_mstamp, tcp_mstamp, next_pacing_time;
	uint32_t srtt_us, mdev_us, mdev_max_us, rttvar_us, rtt_seq;	/* srtt is << 3, as the kernel keeps it */
	int64_t rto;			/* jiffies, as icsk_rto */
	uint32_t rto_min_jiffies, delack_max_jiffies, rto_max_jiffies;
	struct { struct { uint32_t time, value; } s[3]; } rtt_min;	/* windowed minimum */
	struct { pl_time mstamp; uint64_t rtt_us; uint32_t end_seq; uint8_t reo_wnd_steps, reo_wnd_persist; bool dsack_seen,
		 advanced; uint32_t last_delivered; } rack;
	uint32_t frto_undo, frto;
	pl_time busy_start, rwnd_limited_time, sndbuf_limited_time, busy_time;
	uint8_t chrono_type;
	pl_time chrono_start, chrono_stat[3];
	struct { int enabled; uint32_t probe_size, search_high, search_low, probe_seq_start, probe_seq_end, probe_timestamp; } mtup;
	uint32_t total_rto, total_rto_recoveries, rto_stamp, total_rto_time;
	uint32_t user_timeout;		/* milliseconds */
	uint32_t linger2;		/* jiffies; -1u: TCP_LINGER2 < 0 */
	uint64_t ca_priv[26];
	const struct tcp_cong *cong;
	bool cong_setsockopt;

	/* --- receiving --- */
	struct pktbuf_queue out_of_order;	/* by seq */
	uint32_t rcv_tstamp;
	struct { uint32_t space, seq; pl_time time; } rcvq_space;
	struct { uint32_t rtt_us, seq; pl_time time; } rcv_rtt_est;
	uint32_t rcv_rtt_last_tsecr, scaling_ratio;
	struct { uint8_t pending, quick, pingpong, retry; uint32_t ato, lrcvtime, last_seg_size, rcv_mss; pl_time timeout; } ack;
	uint8_t compressed_ack, dup_ack_counter;
	uint32_t compressed_ack_rcv_nxt;
	uint8_t pred_flags_ok, rcv_ooopack;
	uint32_t rcv_ooopack_count;
	uint8_t defer_accept, keepalive_probes;
	int keepalive_time_jiffies, keepalive_intvl_jiffies;
	bool fin_received, recvmsg_inq, thin_lto, quickack_forced;

	/* --- ECN --- */
	uint16_t ecn_flags;
	uint32_t received_ce, delivered_ecn_bytes[3], received_ecn_bytes[3];

	/* --- timers --- */
	struct pl_timer retransmit_timer;	/* icsk_retransmit_timer: RTO, TLP, reordering, probe; which one: pending */
	uint8_t pending;			/* ICSK_TIME_* */
	struct pl_timer delack_timer, keepalive_timer, pacing_timer, compressed_ack_timer;

	/* --- set-up --- */
	struct tcp_request *accept_first, **accept_last;	/* listener: connections to be accepted */
	struct tcp_request *requests;				/* listener: not yet established */
	uint32_t accept_queue, accept_backlog, request_count, request_young;
	struct sock *listener;
	struct { bool requested, syn_data, syn_data_acked, syn_fastopen_exp, client_fail, connect, no_cookie; uint8_t cookie_length;
		 uint8_t cookie[16]; uint8_t keys; uint8_t key[2][16]; struct tcp_request *request; uint32_t backlog; } fastopen;
	void *saved_syn;
	uint32_t saved_syn_length;
	uint8_t save_syn;

	/* --- close --- */
	uint32_t orphan_retries;
	pl_time fin_wait2_until;
};

static inline struct tcp_sock *tcp_sk(struct sock *sk) { return (struct tcp_sock *)sk; }
enum { ICSK_TIME_NONE, ICSK_TIME_RETRANS = 1, ICSK_TIME_PROBE0 = 3, ICSK_TIME_LOSS_PROBE = 5, ICSK_TIME_REO_TIMEOUT = 6 };

/* --- the seam between receiving and sending halves ------------------------------------------------------------------- */
/* ack.c: everything that the segment's acknowledgement does. >0 acceptable, 0 old, <0 invalid: challenge with that reason. */
int tcp_ack(struct tcp_sock *tp, const struct tcp_segment *segment, int flag);
/* output.c */
int tcp_connect_send(struct tcp_sock *tp);		/* SYN (with Fast Open data); 0 or -errno */
void tcp_push_pending(struct tcp_sock *tp);		/* __tcp_push_pending_frames with the current MSS */
void tcp_push(struct tcp_sock *tp, int flags, uint32_t mss_now, int nonagle, uint32_t size_goal);
void tcp_send_ack(struct tcp_sock *tp);
void tcp_send_fin(struct tcp_sock *tp);
void tcp_send_active_reset(struct tcp_sock *tp);
int tcp_send_synack(struct tcp_sock *tp);		/* simultaneous open */
void tcp_send_challenge_ack(struct tcp_sock *tp);
void tcp_check_space(struct tcp_sock *tp);
uint32_t tcp_send_mss(struct tcp_sock *tp, uint32_t *size_goal, int flags);
uint32_t tcp_sync_mss(struct tcp_sock *tp, uint32_t pmtu);
uint32_t tcp_current_mss(struct tcp_sock *tp);
void tcp_mtu_reduced(struct tcp_sock *tp, uint32_t mtu);	/* ICMP fragmentation needed */
uint16_t tcp_select_window(struct tcp_sock *tp);
void tcp_init_transfer(struct tcp_sock *tp);		/* metrics, congestion control, buffers: on becoming ESTABLISHED */
void tcp_write_queue_purge(struct tcp_sock *tp);
void tcp_retransmit_timer(struct tcp_sock *tp);
void tcp_rearm_rto(struct tcp_sock *tp);
void tcp_clear_retrans(struct tcp_sock *tp);
/* receive.c */
void tcp_data_queue(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_cleanup_rbuf(struct tcp_sock *tp, int copied);	/* the reader took bytes: is a window update due? */
void tcp_schedule_delack(struct tcp_sock *tp);
uint32_t tcp_receive_window(const struct tcp_sock *tp);
void tcp_rcv_space_adjust(struct tcp_sock *tp);
/* socket.c */
void tcp_done(struct tcp_sock *tp);			/* to CLOSE, wake everyone */
void tcp_reset_received(struct tcp_sock *tp, int error);
void tcp_write_error(struct tcp_sock *tp);		/* timed out: sk_err_soft or ETIMEDOUT */
void tcp_set_state(struct tcp_sock *tp, uint8_t state);	/* with the CurrEstab, … counters */
void tcp_enter_memory_pressure(struct tcp_sock *tp);
/* timewait.c */
void tcp_time_wait(struct tcp_sock *tp, uint8_t state, pl_time timeout);

static inline uint32_t tcp_jiffies32(const struct tcp_sock *tp) { return stack_jiffies(tp->sk.stack); }
static inline uint32_t tcp_packets_in_flight(const struct tcp_sock *tp)
{
	return tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
}

#endif
