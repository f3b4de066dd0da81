/*
 * TCP inside the stack. Names are RFC 9293's and the kernel's (struct tcp_sock), because those are what TCP_INFO, ss(8) and
 * packetdrill scripts speak of. Sequence numbers are host order, compared with before() and after(); times are pl_time unless
 * the name says jiffies or microseconds.
 *
 * Who does what:
 * The connection and the receiving half:
 *   host.c      what TCP keeps for the whole stack; ISNs and timestamp offsets
 *   socket.c    the sockets API: proto row, poll, ioctl, shutdown      close.c     close, orphans, tcp_done, states
 *   sendmsg.c   bytes of the user into the write queue                 recvmsg.c   and out of the receive queue
 *   option.c    setsockopt, getsockopt            table.c     hash tables, bind conflicts, ephemeral ports
 *   connect.c   SYN-SENT, simultaneous open       listen.c    LISTEN, accept queue
 *   request.c   handshakes under way: SYN-ACK and its timer, the third segment, the child
 *   syncookie.c fastopen.c timewait.c             keepalive.c
 *   migrate.c   handshakes that outlive their listener
 *   segment.c   bytes to struct tcp_segment       header.c    headers and options as they are sent
 *   demux.c     from IP to the socket; checksum; listeners, requests, TIME-WAIT
 *   reset.c     segments without a connection: resets, ACKs of requests and TIME-WAIT
 *   error.c     ICMP errors                       md5.c       RFC 2385
 *   input.c     a segment for a synchronised connection: the steps of RFC 9293 3.10.7
 *   receive.c   the out-of-order queue, delivery  window.c    the receive window and its buffer
 *   delack.c    delayed, quick and compressed acknowledgements
 * The sending half:
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

/* A MSG_ZEROCOPY send, or several in a row that share a buffer: reported when the last buffer holding it is freed (zerocopy.c). */
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

static inline struct tcp_sock *tcp_sk(struct sock *sk) { return (struct tcp_sock *)sk; }
enum { ICSK_TIME_NONE, ICSK_TIME_RETRANS = 1, ICSK_TIME_PROBE0 = 3, ICSK_TIME_LOSS_PROBE = 5, ICSK_TIME_REO_TIMEOUT = 6 };
enum { ACK_SCHED = 1, ACK_TIMER = 2, ACK_PUSHED = 4, ACK_PUSHED2 = 8, ACK_NOW = 16, ACK_NOMEM = 32 };	/* ack.pending */
enum { TCP_NAGLE_OFF = 1, TCP_NAGLE_CORK = 2, TCP_NAGLE_PUSH = 4 };
#define TCP_TIMEOUT_INIT PL_NSEC_PER_SEC
#define TCP_TIMEOUT_FALLBACK (3 * PL_NSEC_PER_SEC)
#define TCP_MIN_MSS 88
#define TCP_MAX_WSCALE 14

/* ====== What the sending half gives ==================================================================================== */
/* ack.c: everything that the segment's acknowledgement does. >0 acceptable, 0 old, <0 invalid (not challenged yet). */
enum { TCP_ACK_DATA = 0x01, TCP_ACK_SLOWPATH = 0x100, TCP_ACK_UPDATE_TS_RECENT = 0x4000, TCP_ACK_NO_CHALLENGE = 0x8000 };
int tcp_ack(struct tcp_sock *tp, const struct tcp_segment *segment, int flag);
void tcp_synack_rtt(struct tcp_sock *tp, pl_time sent);	/* a round trip from the SYN-ACK sent then (0: unknown), passive side */
/*
 * The third segment of a handshake came: undo what a needless timeout of the SYN or SYN-ACK did (tcp_try_undo_spurious_syn), and
 * forget its retransmissions. fastopen: of a Fast Open child, which may have data in flight.
 */
void tcp_handshake_done(struct tcp_sock *tp, bool fastopen);
void tcp_update_pacing_rate(struct tcp_sock *tp);
uint32_t tcp_rto_min(const struct tcp_sock *tp);	/* jiffies: the route's, the socket's or the tunable's */
void tcp_rearm_rto(struct tcp_sock *tp);
void tcp_retransmit_soon(struct tcp_sock *tp);		/* the retransmission timeout in the least time: a SYN-SENT oddity */
void tcp_clear_xmit_timers(struct tcp_sock *tp);	/* retransmission, probe and pacing */
void tcp_clear_retrans(struct tcp_sock *tp);
void tcp_check_space(struct tcp_sock *tp);		/* room for the writer: grow the buffer, wake it */
/* What a fresh socket and a child of `listener` start with in the sending half; tp is otherwise zero or a copy of the listener. */
void tcp_send_init(struct tcp_sock *tp);
void tcp_send_init_child(struct tcp_sock *tp, const struct tcp_request *request);
void tcp_send_destroy(struct tcp_sock *tp);		/* queues, timers, congestion control state; no packets */
void tcp_send_disconnect(struct tcp_sock *tp);		/* connect(AF_UNSPEC): back to what tcp_send_init leaves */
/* output.c */
int tcp_connect_send(struct tcp_sock *tp);		/* SYN, Fast Open data through tcp_fastopen_send_syn; 0 or -errno */
void tcp_push_pending(struct tcp_sock *tp);		/* __tcp_push_pending_frames with the current MSS */
void tcp_push(struct tcp_sock *tp, int flags, uint32_t mss_now, int nonagle, uint32_t size_goal);	/* flags: MSG_* */
void tcp_push_one(struct tcp_sock *tp, uint32_t mss_now);
void tcp_mark_push(struct tcp_sock *tp, struct pktbuf *packet);
bool tcp_forced_push(const struct tcp_sock *tp);
void tcp_data_send_check(struct tcp_sock *tp);		/* after input: send what may go, tcp_check_space */
void tcp_send_ack(struct tcp_sock *tp);
void tcp_send_ack_of(struct tcp_sock *tp, uint32_t rcv_nxt);	/* __tcp_send_ack */
void tcp_send_fin(struct tcp_sock *tp);
void tcp_send_active_reset(struct tcp_sock *tp);
int tcp_send_synack(struct tcp_sock *tp);		/* simultaneous open */
void tcp_send_window_probe(struct tcp_sock *tp);	/* leaving TCP_REPAIR */
int tcp_write_wakeup(struct tcp_sock *tp, enum counter counter);	/* keepalive and zero-window probes: 0 sent, <0 not, >0 no */
uint32_t tcp_send_mss(struct tcp_sock *tp, uint32_t *size_goal, int flags);
uint32_t tcp_sync_mss(struct tcp_sock *tp, uint32_t pmtu);
uint32_t tcp_current_mss(struct tcp_sock *tp);
uint32_t tcp_mtu_to_mss(struct tcp_sock *tp, uint32_t pmtu);
void tcp_mtup_init(struct tcp_sock *tp);
void tcp_mtu_reduced(struct tcp_sock *tp, uint32_t mtu);	/* ICMP fragmentation needed, after its checks (error.c) */
void tcp_simple_retransmit(struct tcp_sock *tp);
void tcp_resend_syn_data(struct tcp_sock *tp);	/* Fast Open: the data of the SYN was not acknowledged */
int tcp_retransmit(struct tcp_sock *tp, struct pktbuf *packet, uint32_t segments);	/* tcp_retransmit_skb */
/* Send a segment: the queued buffer stays (a copy leaves), a loose one is consumed. 0 or -errno. Adds header and IP header. */
int tcp_transmit(struct tcp_sock *tp, struct pktbuf *packet, bool queued);
void tcp_init_transfer(struct tcp_sock *tp);		/* metrics, congestion control, tcp_init_buffer_space: now ESTABLISHED */
void tcp_write_queue_purge(struct tcp_sock *tp);
void tcp_retransmit_timer(struct tcp_sock *tp);
void tcp_revert_backoff(struct tcp_sock *tp, uint32_t seq);	/* RFC 6069: an ICMP unreachable about the segment at seq (error.c) */
uint32_t tcp_reset_xmit_timer_jiffies(struct tcp_sock *tp);
/* A buffer for the write queue with room for `size` bytes; charged by tcp_wmem_add when queued. NULL: no memory. */
struct pktbuf *tcp_stream_alloc(struct tcp_sock *tp, size_t size);
void tcp_wmem_add(struct tcp_sock *tp, int32_t truesize);	/* sk_wmem_queued and sk_forward_alloc */
/*
 * sendqueue.c: put a buffer at the end of the write queue and charge it (tcp_skb_entail). Whoever appends bytes to a queued
 * buffer adds them to its truesize and to tcp_wmem_add, and moves end_seq and write_seq; the buffer's block may have to grow
 * first (pktbuf_reserve).
 */
void tcp_queue_entail(struct tcp_sock *tp, struct pktbuf *packet);
void tcp_send_buffer_free(struct tcp_sock *tp, struct pktbuf_queue *queue, struct pktbuf *packet);	/* queue may be NULL */
/* rate.c: sendmsg calls it before it queues anything: is it the application that holds the connection back? */
void tcp_rate_check_app_limited(struct tcp_sock *tp);
/* stamp.c: sendmsg is done and `packet` holds its last byte: SOF_TIMESTAMPING_* asked of it (tcp_tx_timestamp) */
void tcp_stamp_request(struct tcp_sock *tp, struct pktbuf *packet, uint32_t timestamping);
/*
 * zerocopy.c: MSG_ZEROCOPY. _start at the beginning of sendmsg, with the last buffer of the write queue or NULL, gives a
 * notification to be (or that continues the buffer's); _attach for each buffer that takes bytes of this call: false when the
 * buffer belongs to another notification, or to none, and a new buffer is needed; _finish at the end (failed: nothing was
 * queued and no notification is due).
 */
struct tcp_zerocopy *tcp_zerocopy_start(struct tcp_sock *tp, struct pktbuf *last, size_t size);
bool tcp_zerocopy_attach(struct tcp_zerocopy *zerocopy, struct pktbuf *packet);
void tcp_zerocopy_finish(struct tcp_sock *tp, struct tcp_zerocopy *zerocopy, bool failed);
void tcp_zerocopy_release(struct tcp_sock *tp, struct tcp_zerocopy *zerocopy);
/* recovery.c: a SYN answered by a SYN-ACK that echoes its first timestamp was resent needlessly; before tcp_ack */
void tcp_try_undo_spurious_syn(struct tcp_sock *tp);
/* info.c */
struct tcp_info_linux;					/* info.h */
void tcp_get_info(struct tcp_sock *tp, struct tcp_info_linux *info);
/* cong.c: TCP_CONGESTION; 0 or -ENOENT, -EPERM, -EBUSY */
int tcp_set_congestion_control(struct tcp_sock *tp, const char *name, bool privileged);
/* ecn.c: the handshake's flags and options, and what arriving data says */
void tcp_ecn_request(struct tcp_request *request, const struct tcp_segment *syn);	/* tcp_ecn_create_request */
uint16_t tcp_ecn_synack_flags(const struct tcp_request *request);			/* TH_ECE, TH_CWR, TH_AE of the SYN-ACK */
void tcp_ecn_cookie(struct tcp_request *request, const struct route *route, bool asked);	/* the same, from a SYN cookie */
void tcp_ecn_child(struct tcp_sock *tp, const struct tcp_request *request);
void tcp_ecn_third_ack(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_ecn_receive_synack(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_ecn_receive_syn(struct tcp_sock *tp, const struct tcp_segment *segment);	/* simultaneous open */
void tcp_ecn_check_ce(struct tcp_sock *tp, const struct tcp_segment *segment);		/* data: CE seen, echo it */
void tcp_ecn_accept_cwr(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_ecn_received(struct tcp_sock *tp, const struct tcp_segment *segment);		/* AccECN counters, every segment */
/* The AccECN option, when it is wanted and fits behind `size` bytes of options: sets options->has_accecn, returns the new size. */
unsigned tcp_accecn_syn_options(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options, unsigned size);
unsigned tcp_accecn_synack_options(struct tcp_request *request, struct tcp_out_options *options, unsigned size);
unsigned tcp_accecn_options(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options, unsigned size);
/* metrics.c (the cookie part belongs to the receiving half) */
void tcp_metrics_update(struct tcp_sock *tp);		/* a connection ends well */
void tcp_metrics_free(struct pl_stack *stack);
void tcp_fastopen_cache_get(struct tcp_sock *tp, uint16_t *mss, struct tcp_fastopen_cookie *cookie);
void tcp_fastopen_cache_set(struct tcp_sock *tp, uint16_t mss, const struct tcp_fastopen_cookie *cookie, bool syn_lost,
			    uint16_t try_experimental);
bool tcp_peer_is_proven(struct pl_stack *stack, struct in_addr remote);

/* ====== What the connection and the receiving half give ================================================================ */
/* segment.c: data at the TCP header. false: too short, a bad header length or a bad checksum, counted. */
bool tcp_segment_decode(struct pl_stack *stack, struct pktbuf *packet, struct tcp_segment *segment);
/* header.c: option sizes are multiples of four; the return value is what they take. */
unsigned tcp_options_syn(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options);
unsigned tcp_options_established(struct tcp_sock *tp, const struct pktbuf *packet, struct tcp_out_options *options);
/* Put the TCP header with its options before the payload: order and padding as Linux, checksum and signature made. */
uint16_t tcp_advertise_mss(struct tcp_sock *tp);	/* the MSS option of a SYN: advmss, never more than the route's */
void tcp_header_push(struct pktbuf *packet, const struct tcp_out_header *header, const struct tcp_out_options *options);
/* receive.c */
void tcp_data_queue(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_receive_destroy(struct tcp_sock *tp);		/* queues and timers of the receiving half */
/* window.c */
uint32_t tcp_receive_window(const struct tcp_sock *tp);
uint16_t tcp_select_window(struct tcp_sock *tp);	/* the window field of the next segment; moves rcv_wnd, rcv_wup */
/* The window of a SYN or SYN-ACK and its scale, from `space` bytes of buffer. */
void tcp_select_initial_window(const struct pl_stack *stack, int space, uint32_t mss, uint32_t *rcv_wnd, uint32_t *window_clamp,
			       bool wscale_ok, uint8_t *rcv_wscale, uint32_t init_rcv_wnd);
void tcp_init_buffer_space(struct tcp_sock *tp);
void tcp_rcv_space_adjust(struct tcp_sock *tp);
int tcp_space(const struct tcp_sock *tp);		/* free receive memory, as window bytes; may be negative */
int tcp_full_space(const struct tcp_sock *tp);
/* delack.c */
void tcp_cleanup_rbuf(struct tcp_sock *tp, int copied);	/* the reader took bytes: is a window update due? */
void tcp_schedule_delack(struct tcp_sock *tp);
/* A segment that acknowledges rcv_nxt leaves (tcp_event_ack_sent), or carries data (tcp_event_data_sent's pingpong part). */
void tcp_ack_sent(struct tcp_sock *tp, uint32_t rcv_nxt);
void tcp_data_sent(struct tcp_sock *tp);
void tcp_enter_quickack(struct tcp_sock *tp, unsigned max);
void tcp_enter_pingpong(struct tcp_sock *tp);
/* input.c */
void tcp_send_challenge_ack(struct tcp_sock *tp);
void tcp_replace_ts_recent(struct tcp_sock *tp, const struct tcp_segment *segment);	/* tcp_ack, TCP_ACK_UPDATE_TS_RECENT */
/* mem.c: what all sockets hold against tcp_mem */
bool tcp_under_memory_pressure(const struct pl_stack *stack);
void tcp_mem_update(struct tcp_sock *tp);		/* after tp's queues grew or shrank */
/* socket.c: may the writer go on? wake: is it worth waking him (__sk_stream_is_writeable); and sk_stream_memory_free */
bool tcp_stream_writeable(const struct tcp_sock *tp, bool wake);
bool tcp_stream_memory_free(const struct tcp_sock *tp);
void tcp_write_space(struct tcp_sock *tp);		/* sk_write_space: wake the writer when there is room worth it */
/* What sock_wake is told: sk_data_ready, sk_write_space, sk_error_report, sk_state_change. */
#define TCP_WAKE_DATA (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND)
#define TCP_WAKE_WRITE (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
#define TCP_WAKE_ERROR EPOLLERR
#define TCP_WAKE_STATE UINT32_MAX
/* close.c */
void tcp_reap(struct pl_stack *stack);			/* free sockets that are done with; ends every way into the stack */
void tcp_connection_reset(struct tcp_sock *tp);		/* the peer's reset is good: tcp_reset */
void tcp_done_with_error(struct tcp_sock *tp, int error);
void tcp_done(struct tcp_sock *tp);			/* to CLOSE, wake everyone */
void tcp_write_error(struct tcp_sock *tp);		/* timed out: sk_err_soft or ETIMEDOUT */
void tcp_set_state(struct tcp_sock *tp, uint8_t state);	/* with the CurrEstab, … counters; leaves the tables on CLOSE */
bool tcp_out_of_resources(struct tcp_sock *tp, bool do_reset);	/* orphans beyond tcp_max_orphans: killed, true */
void tcp_enter_memory_pressure(struct tcp_sock *tp);
void tcp_close_timer(struct tcp_sock *tp, pl_time timeout);	/* keepalive timer for FIN-WAIT-2 of an orphan */
/* keepalive.c */
void tcp_keepalive_arm(struct tcp_sock *tp, pl_time after);
void tcp_keepalive_stop(struct tcp_sock *tp);
uint32_t tcp_keepalive_time_when(const struct tcp_sock *tp);	/* jiffies */
/* fastopen.c: the SYN with a cookie, a cookie request, data: called by tcp_connect_send with the SYN already queued */
int tcp_fastopen_send_syn(struct tcp_sock *tp, struct pktbuf *syn);
void tcp_fastopen_synack_timer(struct tcp_sock *tp);	/* RTO of a Fast Open child in SYN-RECV: the SYN-ACK again */
void tcp_fastopen_active_detect_blackhole(struct tcp_sock *tp, bool expired);
bool tcp_fastopen_active_should_disable(struct tcp_sock *tp);
/* timewait.c */
void tcp_time_wait(struct tcp_sock *tp, uint8_t state, pl_time timeout);
/* md5.c */
const struct tcp_md5_key *tcp_md5_lookup(const struct tcp_sock *tp, struct in_addr remote);

static inline uint32_t tcp_jiffies32(const struct tcp_sock *tp) { return stack_jiffies(tp->sk.stack); }
static inline uint32_t tcp_packets_in_flight(const struct tcp_sock *tp)
{
	return tp->packets_out - (tp->sacked_out + tp->lost_out) + tp->retrans_out;
}
/*
 * Arm a timer that the kernel counts in ticks: it never fires before its time, so a packet that comes at that very instant comes
 * first.
 */
static inline void tcp_timer_arm(struct pl_stack *stack, struct pl_timer *timer, pl_time span)
{
	timer_arm(stack, timer, stack->now + span + 1);
}
static inline int64_t tcp_seconds(const struct pl_stack *stack)	/* never 0, which is "no stamp" */
{
	return stack->now / PL_NSEC_PER_SEC + 1;
}
/* The clock of TCP timestamps, before the connection's offset: milliseconds, or microseconds with usec_ts. */
static inline uint32_t tcp_clock_ts(const struct pl_stack *stack, bool usec)
{
	return (uint32_t)(stack->now / (usec ? PL_NSEC_PER_USEC : PL_NSEC_PER_MSEC));
}

/* The timestamp that a segment carries: when it was sent, on the connection's clock. */
static inline uint32_t tcp_packet_ts(const struct tcp_sock *tp, const struct pktbuf *packet)
{
	return (uint32_t)(tcp_cb(packet)->sent / (tp->usec_ts ? PL_NSEC_PER_USEC : PL_NSEC_PER_MSEC)) + tp->tsoffset;
}

#endif
