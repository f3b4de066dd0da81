/*
 * TCP inside the stack. state.h has the structures. Sequence numbers are host order, compared with before() and after(); times are pl_time unless
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
 *   migrate.c   handshakes that outlive their listener           repair.c    TCP_REPAIR
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

#include "state.h"

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
void tcp_set_tx_delay(struct tcp_sock *tp, uint32_t us);	/* TCP_TX_DELAY */
bool tcp_cong_of_route(struct tcp_sock *tp);	/* the one that the route names (congctl), in place of any other; false: it names none */
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
/* Is there a way to the other end? Looked up again when it is stale; ip_dynaddr. False: the soft error tells why. */
bool tcp_route_ready(struct tcp_sock *tp);
int tcp_connect_send(struct tcp_sock *tp);		/* SYN, Fast Open data through tcp_fastopen_send_syn; 0 or -errno */
void tcp_sent(struct sock *sk);				/* packets that waited below have left */
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
 * stamp.c: MSG_ZEROCOPY. _start at the beginning of sendmsg, with the last buffer of the write queue or NULL, gives a
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
void tcp_ecn_received(struct tcp_sock *tp, const struct tcp_segment *segment);		/* marks, ESTABLISHED, every good segment */
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
