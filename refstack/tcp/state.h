/*
 * What TCP remembers: segments, buffers in queues, handshakes, connections, connections at rest, and what it keeps for the whole
 * stack. Names are RFC 9293's and the kernel's (struct tcp_sock), because those are what TCP_INFO, ss(8) and packetdrill scripts
 * speak of.
 */
#ifndef REFSTACK_TCP_STATE_H
#define REFSTACK_TCP_STATE_H

#include <linux/inet_diag.h>
#include <linux/tcp.h>

#include "../ip/ip.h"
#include "../socket/sock.h"

/* linux/tcp.h, not netinet/tcp.h: struct tcp_info is whole there. The state numbers are in sock.h. */
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
	const uint8_t *header;		/* the TCP header's bytes, for MD5 signatures and TCP_SAVE_SYN */
	pl_time arrival;
	struct tcp_options {
		bool has_mss, has_wscale, has_sackok, has_timestamp, has_fastopen, fastopen_experimental, has_md5, bad_md5, has_accecn;
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

/* A MSG_ZEROCOPY send, or several in a row that share a buffer: reported when the last buffer holding it is freed (stamp.c). */
struct tcp_zerocopy {
	unsigned references;
	uint32_t id, calls, bytes;	/* first notification id, how many calls */
	bool copied;			/* the kernel had to copy after all: SO_EE_CODE_ZEROCOPY_COPIED */
};

/*
 * Per-packet state of a buffer in one of TCP's queues (pktbuf.control). In the receive and out-of-order queues only seq,
 * end_seq and flags mean anything, and data is at the payload.
 */
struct tcp_control {
	uint32_t seq, end_seq;
	uint16_t flags;			/* TH_* to send, or as received */
	uint8_t sacked;			/* TCPCB_* */
	bool eor : 1, txstamp_ack : 1, app_limited : 1;
	bool rack_watched : 1;		/* sent, and neither SACKed nor held lost by RACK since */
	uint32_t segments;		/* tcp_skb_pcount: packets on the wire; 0: not counted yet */
	uint32_t gso_size;		/* payload of each of them (tcp_skb_mss) */
	pl_time sent;			/* last (re)transmission, or the departure that pacing planned; 0: never */
	/* rate sampling at the time of sending */
	uint64_t delivered_us, first_tx_us;
	uint32_t delivered, delivered_ce, in_flight;
	uint32_t timestamp_key;
	uint8_t fragments;		/* user pages of MSG_ZEROCOPY that it refers to */
	uint8_t tx_flags;		/* TCPTX_* */
	struct tcp_zerocopy *zerocopy;	/* holds a reference */
};
enum { TCPTX_SCHED = 1, TCPTX_SOFTWARE = 2 };	/* time stamps wanted of this buffer's last byte; txstamp_ack is the third */
enum { TCPCB_SACKED_ACKED = 1, TCPCB_SACKED_RETRANS = 2, TCPCB_LOST = 4, TCPCB_EVER_RETRANS = 128 };
_Static_assert(sizeof(struct tcp_control) <= sizeof(((struct pktbuf *)0)->control), "fits the packet's control area");
static inline struct tcp_control *tcp_cb(const struct pktbuf *packet) { return (struct tcp_control *)(uintptr_t)packet->control; }

/* Delivery rate over one acknowledgement (draft-cheng-iccrg-delivery-rate-estimation). */
struct rate_sample {
	uint64_t prior_us;		/* delivered_us when the packet sampled was sent; 0: no sample */
	uint32_t prior_delivered, prior_delivered_ce, prior_in_flight, losses, acked_sacked, last_end_seq;
	int32_t delivered, delivered_ce;	/* -1: no valid sample */
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

/*
 * A place in the table of 4-tuples. Three kinds of thing stand there: sockets, handshakes under way and TIME-WAIT. Addresses in
 * network order, ports in host order.
 */
enum tcp_entry_kind { TCP_ENTRY_SOCKET, TCP_ENTRY_REQUEST, TCP_ENTRY_TIMEWAIT };
struct tcp_entry {
	struct tcp_entry *next, **previous;	/* previous: NULL when not in the table */
	enum tcp_entry_kind kind;
	struct in_addr local, remote;
	uint16_t port, remote_port;
	int bound_link;
};

/* A connection that has not finished its handshake: the kernel's request_sock, in state TCP_NEW_SYN_RECV. */
struct tcp_request {
	struct tcp_entry entry;
	struct pl_stack *stack;
	struct tcp_request *next;	/* in the listener's list of requests, later in its accept queue */
	struct tcp_sock *listener;
	struct tcp_sock *child;		/* in the accept queue: what waits there to be accepted */
	struct tcp_sock *fastopen;	/* the child that Fast Open made, accepted or not, until its handshake is over */
	struct pl_timer timer;		/* SYN-ACK retransmission */
	pl_time timeout;		/* the first interval */
	uint32_t rcv_isn, snt_isn, rcv_nxt, ts_recent, ts_offset, last_oow_ack_time, tsval_first, tsval_last;
	uint32_t window_clamp, rcv_wnd;	/* rcv_wnd 0: not chosen yet */
	pl_time synack_sent;		/* the first one; 0 when it was sent again: no round trip can be taken from it */
	uint16_t mss;
	uint8_t snd_wscale, rcv_wscale, num_timeout, num_retrans, tos;
	bool tstamp_ok, sack_ok, wscale_ok, acked, cookie, req_usec_ts, no_srccheck;
	uint8_t ecn;			/* ecn.c: what the SYN asked for and what the SYN-ACK answers */
	uint8_t received_ecn, accecn_fail_mode;
	uint32_t mark;
	int link;			/* the SYN came in on */
	uint8_t syn_tos;
	bool ecn_cookie;		/* a cookie says that the SYN asked for ECN */
	pl_time rst_expires;		/* Fast Open: a child that was reset counts against the limit until then */
	struct ip_options *options;	/* the SYN's IP options, to be returned; NULL: none */
	struct tcp_saved_syn *saved_syn;
};

struct tcp_fastopen_cookie {
	int8_t length;			/* -1: none, 0: ask for one, 4 to 16 */
	bool experimental;
	uint8_t bytes[16];
};

/* What a segment to be sent carries in its options; tcp_header_push writes them in the order and padding that Linux has. */
struct tcp_out_options {
	bool has_mss, has_wscale, has_sackok, has_timestamp, has_fastopen;
	uint16_t mss;
	uint8_t wscale, sacks;
	uint32_t tsval, tsecr;
	struct tcp_sack_block sack[TCP_MAX_SACKS];	/* D-SACK first */
	struct tcp_fastopen_cookie fastopen;
	const struct tcp_md5_key *md5;
	uint8_t accecn_fields;		/* how many of accecn[] go out, 0: no option */
	bool has_accecn;
	uint8_t accecn_order;		/* 0: kind 172 (EE0B, ECEB, EE1B), 1: kind 174 (EE1B, ECEB, EE0B) */
	uint32_t accecn[3];		/* EE0B, ECEB, EE1B */
};
struct tcp_out_header {
	uint16_t source_port, destination_port, window, urgent, flags;	/* window as on the wire; TH_* */
	uint32_t seq, ack;
	struct in_addr source, destination;	/* for the checksum and the MD5 signature */
};

/* A connection at rest: TIME-WAIT, and FIN-WAIT-2 once the socket itself can go. */
struct tcp_timewait {
	struct tcp_entry entry;
	struct pl_stack *stack;
	struct pl_timer timer;
	uint8_t substate;		/* TCP_FIN_WAIT2 or TCP_TIME_WAIT */
	uint32_t rcv_nxt, snd_nxt, rcv_wnd, ts_recent, ts_offset, last_oow_ack_time;
	int64_t ts_recent_stamp;
	uint8_t rcv_wscale, tos, reuse, reuseport;
	bool usec_ts, transparent;
	uint32_t mark, priority, uid;
	struct tcp_md5_key *md5;
	struct tcp_bind_bucket *bind;
	struct tcp_timewait *bind_next, **bind_previous;
	bool connect_bound;
	pl_time entered;
};

/* What TCP keeps for the whole stack (host.c). */
struct tcp_host {
	struct tcp_entry **entries;	/* the table of 4-tuples */
	size_t entry_buckets, entry_count;
	struct tcp_sock **listeners;
	struct tcp_bind_bucket **binds;
	uint8_t isn_key[16], timestamp_key[16], port_key[16], hash_key[16], syncookie_key[2][16];
	uint32_t port_offset[256];	/* RFC 6056 algorithm 4: per-destination counters of connect() */
	uint32_t sockets, orphans, timewaits;	/* what /proc/net/sockstat counts */
	int64_t memory;			/* pages charged, against tcp_mem */
	int64_t memory_pressure;	/* jiffies at which it began, 0: none */
	uint32_t challenge_second, challenge_left;	/* RFC 5961 section 7 */
	uint32_t fastopen_blackholes;	/* times Fast Open was switched off, for the back-off */
	pl_time fastopen_blackhole_since;
	struct tcp_metrics *metrics;	/* metrics.c */
	struct tcp_sock *dead;		/* to be freed by tcp_reap, by listen_next */
};
int tcp_host_new(struct pl_stack *stack);	/* 0 or -ENOMEM; after the randomness is seeded */
void tcp_host_free(struct pl_stack *stack);	/* after every socket is closed: requests, TIME-WAIT, tables */

/* Everything one connection knows. Grouped by role, the kernel's field names. */
struct tcp_sock {
	struct sock sk;
	struct tcp_entry entry;		/* in the table of 4-tuples */
	struct tcp_sock *listen_next;	/* in the table of listeners */
	struct tcp_bind_bucket *bind;	/* holds the port */
	struct tcp_sock *bind_next, **bind_previous;
	bool connect_bound;		/* connect() chose the port, nobody bound it */
	bool write_pending;		/* a writer waits for the connection: its data can carry the handshake's last ACK */
	uint8_t repair_queue;		/* TCP_REPAIR_QUEUE */
	struct tcp_sending {		/* a sendmsg under way that has waited (sendmsg.c) */
		const struct pl_call *call;
		struct tcp_zerocopy *zerocopy;
		size_t in_syn;		/* bytes that went with the SYN */
		bool fastopen, fastopen_done;	/* its connect is under way, is over */
	} sending;
	uint8_t socket_state;		/* SS_*: what connect and listen may still do */

	/* --- sequence space --- */
	uint32_t rcv_nxt, copied_seq, rcv_wup, rcv_wnd, rcv_ssthresh, window_clamp, rcv_mwnd_seq;
	uint32_t snd_nxt, snd_una, snd_sml, snd_wl1, snd_wnd, max_window, write_seq, pushed_seq, snd_up;
	bool urg_mode;
	uint32_t urg_seq;
	uint16_t urg_data;
	uint32_t iss, irs;
	uint8_t snd_wscale, rcv_wscale;

	/* --- options agreed --- */
	bool tstamp_ok, sack_ok, wscale_ok, dsack_seen;
	bool saw_tstamp;		/* the segment at hand has one; rcv_tsval, rcv_tsecr are its, the latter less tsoffset */
	uint16_t mss_clamp, user_mss, advmss;	/* rx_opt.mss_clamp, rx_opt.user_mss, advmss */
	uint32_t ts_recent, rcv_tsval, rcv_tsecr, tsoffset;
	int64_t ts_recent_stamp;		/* seconds */
	uint32_t last_oow_ack_time;
	bool usec_ts;
	struct tcp_sack_block duplicate_sack, selective_acks[TCP_MAX_SACKS];	/* to be sent */
	uint8_t num_sacks;
	bool dsack_due;			/* duplicate_sack goes out with the next segment, before the others */
	struct tcp_sack_block recv_sack_cache[TCP_MAX_SACKS];	/* received: sack.c */
	struct tcp_md5_key *md5_keys;

	/* --- sending --- */
	struct pktbuf_queue write_queue;	/* not yet sent: starts at tcp_send_head */
	struct pktbuf_queue retransmit_queue;	/* sent, not yet acknowledged, by seq */
	uint32_t mss_cache, pmtu_cookie, ext_header_length, tcp_header_len;	/* ext: IP options; tcp: with the usual TCP options */
	uint16_t gso_segs;		/* what a large segment may hold, in packets (tcp_send_mss) */
	uint8_t nonagle;		/* TCP_NAGLE_* */
	bool throttled;			/* TSQ_THROTTLED: go on when packets that wait below have left */
	bool repair, nospace;		/* TCP_REPAIR; SOCK_NOSPACE: the writer waits, or poll said that there is no room */
	uint32_t notsent_lowat;		/* 0: the tunable's */
	uint64_t bytes_sent, bytes_acked, bytes_retrans, bytes_received, segs_out, segs_in, data_segs_out, data_segs_in;
	uint32_t lsndtime;		/* jiffies of the last data sent */

	/* congestion window */
	uint32_t snd_cwnd, snd_ssthresh, snd_cwnd_cnt, snd_cwnd_clamp, snd_cwnd_used, snd_cwnd_stamp;
	uint32_t max_packets_out, cwnd_usage_seq;
	bool is_cwnd_limited;
	uint32_t prior_ssthresh, prior_cwnd, prr_delivered, prr_out, high_seq;
	const struct tcp_cong *cong;
	bool cong_setsockopt, cong_dst_locked, cong_initialized;
	uint64_t cong_priv[26];

	/* loss recovery */
	uint8_t ca_state;			/* TCP_CA_STATE_* */
	uint32_t packets_out, retrans_out, sacked_out, lost_out, lost, reordering, reord_seen, dsack_dups, total_retrans;
	struct pktbuf *highest_sack;		/* the buffer after the highest one SACKed; NULL: the write queue's head */
	struct pktbuf *retransmit_hint;		/* no lost buffer that needs to be sent is before it; NULL: unknown */
	uint32_t undo_marker, retrans_stamp;	/* stamp in units of the timestamp clock */
	int32_t undo_retrans;			/* retransmissions that D-SACK could still declare needless; -1: no undo by D-SACK */
	bool frto, is_sack_reneg, tlp_retrans, thin_lto;
	uint32_t tlp_high_seq;
	struct {
		uint64_t mstamp_us;		/* when the packet was sent that was delivered and sent last */
		uint32_t rtt_us, end_seq, last_delivered;
		uint8_t reo_wnd_steps, reo_wnd_persist;
		bool dsack_seen, advanced;
	} rack;

	/* round trips and timeouts; spans of timers in jiffies */
	uint32_t srtt_us, mdev_us, mdev_max_us, rttvar_us, rtt_seq;	/* srtt is << 3, mdev and rttvar << 2, as the kernel has it */
	struct { uint32_t time, value; } rtt_min[3];			/* windowed minimum: jiffies, microseconds */
	uint32_t rto, rto_min, rto_max, delack_max;
	uint8_t retransmits, backoff, probes_out;
	uint32_t probes_tstamp;			/* jiffies of the first unanswered probe */
	uint32_t user_timeout;			/* milliseconds */
	uint16_t total_rto, total_rto_recoveries, timeout_rehash;
	uint32_t rto_stamp, total_rto_time;	/* milliseconds */

	/* delivery rate */
	uint32_t delivered, delivered_ce, app_limited, rate_delivered, rate_interval_us;
	uint64_t delivered_us, first_tx_us;	/* delivered_mstamp, first_tx_mstamp */
	bool rate_app_limited;
	pl_time wstamp;				/* tcp_wstamp_ns: earliest departure of the next segment */
	enum { TCP_PACING_NONE, TCP_PACING_NEEDED, TCP_PACING_QUEUE } pacing;	/* nobody, TCP's own timer, the link's queue */

	/* how long data waited, and for what (tcp_chrono_*), jiffies */
	uint8_t chrono_type;
	uint32_t chrono_start, chrono_stat[3];

	struct {				/* path MTU probing, RFC 4821: sizes are MTUs */
		bool enabled;
		uint32_t search_high, search_low, probe_size, probe_seq_start, probe_seq_end, probe_timestamp;
	} mtup;
	int linger2;			/* jiffies; 0: tcp_fin_timeout, -1: none (TCP_LINGER2 < 0) */

	/* --- receiving --- */
	struct pktbuf_queue out_of_order;	/* by seq */
	uint32_t rcv_tstamp;			/* jiffies of the last segment that was acceptable */
	struct { uint32_t space, seq; pl_time time; } rcvq_space;
	struct { uint32_t rtt_us, seq; pl_time time; } rcv_rtt_est;
	uint32_t rcv_rtt_last_tsecr;
	uint8_t scaling_ratio;			/* window bytes per 256 bytes of memory */
	struct {				/* icsk_ack; times in jiffies, spans too */
		uint8_t pending;		/* ACK_* */
		uint8_t quick, pingpong, retry;
		uint32_t timeout;		/* when a delayed one is due */
		uint32_t ato, lrcvtime, last_seg_size, rcv_mss, lrcv_flowlabel;
	} ack;
	uint8_t compressed_ack, dup_ack_counter;
	uint32_t compressed_ack_rcv_nxt;
	uint32_t rcv_ooopack;
	uint8_t keepalive_probes;
	int keepalive_time, keepalive_intvl;	/* jiffies; 0: the tunable's */
	uint8_t syn_retries;			/* TCP_SYNCNT, 0: the tunable's */
	uint8_t defer_accept;			/* retransmissions that TCP_DEFER_ACCEPT stands for */
	bool recvmsg_inq, in_call;

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
	uint32_t accept_queue, accept_backlog, request_count, request_young;	/* sk_ack_backlog, sk_max_ack_backlog, qlen, young */
	struct tcp_request *request;		/* Fast Open child in SYN-RECV: fastopen_rsk */
	pl_time syncookie_overflow;		/* when the last cookie was sent */
	bool syncookie_sent;
	bool migrates;				/* stopped listening: its handshakes may go on elsewhere (migrate.c) */
	/* Fast Open, client: */
	struct tcp_fastopen_request {		/* a sendmsg or connect that puts data or a cookie request into the SYN */
		struct tcp_fastopen_cookie cookie;
		const struct msghdr *data;	/* NULL: TCP_FASTOPEN_CONNECT without data yet */
		size_t size, copied;
		bool active;
	} fastopen_req;
	bool syn_fastopen, syn_fastopen_exp, syn_fastopen_ch, syn_fastopen_child, syn_data, syn_data_acked, fastopen_connect, fastopen_no_cookie;
	uint8_t fastopen_client_fail;		/* TFO_* of TCP_INFO */
	struct tcp_saved_syn { uint32_t length; uint8_t bytes[]; } *saved_syn;
	/* Fast Open, listener: */
	struct { int32_t max_qlen, qlen; bool adopted; struct tcp_request *rst_first, *rst_last; uint8_t keys, key[2][16]; } fastopenq;
	uint8_t save_syn;			/* TCP_SAVE_SYN */
	uint32_t tx_delay;			/* TCP_TX_DELAY, microseconds */

	/* --- close --- */
	bool orphan;				/* counted in host->orphans */
	bool counted;				/* counted in host->sockets */
	uint32_t charged;			/* bytes of both queues that forward_allocated and host->memory know of */
};

#endif
