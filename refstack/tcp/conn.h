/*
 * The connection and the receiving half of TCP among themselves; what both halves share is in tcp.h.
 */
#ifndef REFSTACK_TCP_CONN_H
#define REFSTACK_TCP_CONN_H

#include "tcp.h"

/* Socket-level states of a stream socket (socket.state): they decide what connect and listen may do. */
enum { SS_UNCONNECTED = 1, SS_CONNECTING, SS_CONNECTED, SS_DISCONNECTING };


/* Bits of the tcp_fastopen tunable. */
enum { TFO_CLIENT = 1, TFO_SERVER = 2, TFO_CLIENT_NO_COOKIE = 4, TFO_SERVER_COOKIE_NOT_REQUIRED = 0x200,
       TFO_SERVER_WITHOUT_SOCKOPT = 0x400 };

/* tcp_sock.urg_data: the byte in the low bits, and what is known of it. */
enum { TCP_URG_VALID = 0x100, TCP_URG_NOTYET = 0x200, TCP_URG_READ = 0x400 };

#define FASTOPEN_COOKIE_SIZE 8		/* of the cookies made here */
#define FASTOPEN_COOKIE_MIN 4
#define FASTOPEN_COOKIE_MAX 16

/* --- host.c -------------------------------------------------------------------------------------------------------- */
uint32_t tcp_initial_sequence(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			      uint16_t remote_port);
uint32_t tcp_timestamp_offset(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			      uint16_t remote_port);
uint64_t tcp_port_offset(const struct pl_stack *stack, struct in_addr local, struct in_addr remote, uint16_t remote_port);
uint32_t tcp_tuple_hash(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
			uint16_t remote_port);

/* --- table.c, port.c --------------------------------------------------------------------------------------------------- */
/* Who holds a port. The fast fields remember what the first binders had in common, so that later ones need no search. */
struct tcp_bind_bucket {
	struct tcp_bind_bucket *next;
	uint16_t port;
	int8_t fastreuse;	/* 1: every owner had SO_REUSEADDR and does not listen; 0: not so; -1: taken by connect() only */
	int8_t fastreuseport;	/* 1: the last binder that was unlike fast_address and fastuid had SO_REUSEPORT; 0: no; -1: connect() */
	uint32_t fastuid;
	struct in_addr fast_address;
	struct tcp_sock *owners;
	struct tcp_timewait *timewaits;
};
int tcp_tables_new(struct tcp_host *host);
void tcp_tables_free(struct pl_stack *stack);	/* with the requests and TIME-WAIT entries still in them */
void tcp_entry_insert(struct pl_stack *stack, struct tcp_entry *entry);
void tcp_entry_remove(struct pl_stack *stack, struct tcp_entry *entry);	/* harmless when it is not in the table */
/* The entry of the four-tuple that may take a segment from link ifindex; NULL: none. */
struct tcp_entry *tcp_entry_find(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
				 uint16_t remote_port, int ifindex);
int tcp_listener_insert(struct tcp_sock *tp);	/* with SO_REUSEPORT it joins its group: 0 or -errno */
void tcp_listener_remove(struct tcp_sock *tp);
/*
 * Who listens for a segment from remote to local. packet: the segment itself, for the program of an SO_REUSEPORT group, which sees
 * it from `payload` bytes behind the start of its IP header on; NULL: no program is asked.
 */
struct tcp_sock *tcp_listener_find(const struct pl_stack *stack, struct in_addr local, uint16_t port, struct in_addr remote,
				   uint16_t remote_port, int ifindex, const struct pktbuf *packet, size_t payload);
struct tcp_bind_bucket **tcp_bind_chain(struct pl_stack *stack, uint16_t port);
/* Walk the whole table: call visit for every entry until it returns false. Entries may be removed by visit. */
void tcp_entries_each(struct pl_stack *stack, bool (*visit)(struct tcp_entry *entry, void *context), void *context);

/* Take `port`, or one of the ephemeral range when it is 0, for a socket whose address is set. 0, -EADDRINUSE, -ENOMEM. */
int tcp_get_port(struct tcp_sock *tp, uint16_t port);
void tcp_put_port(struct tcp_sock *tp);
/* A child shares its listener's port: -ENOMEM or 0. */
int tcp_inherit_port(struct tcp_sock *listener, struct tcp_sock *child);
/* Enter the table of four-tuples, choosing a port first when there is none. 0, -EADDRNOTAVAIL, -ENOMEM. */
int tcp_hash_connect(struct tcp_sock *tp);
void tcp_timewait_bind(struct tcp_timewait *tw, struct tcp_bind_bucket *bucket);
void tcp_timewait_unbind(struct tcp_timewait *tw);

/* --- segments without a socket: reset.c --------------------------------------------------------------------------------- */
/* Answer a segment with a reset (tp may be NULL: no connection). Resets are not answered. */
void tcp_send_reset(struct pl_stack *stack, struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_timewait_ack(struct tcp_timewait *tw, const struct tcp_segment *segment);
void tcp_request_ack(struct tcp_request *request, const struct tcp_segment *segment);

/* --- handshakes: listen.c request.c child.c syncookie.c fastopen.c connect.c ------------------------------------------------ */
int64_t tcp_listen(struct sock *sk, int backlog);
int64_t tcp_accept(struct sock *sk, struct pl_call *call, int flags, struct sock **child);
void tcp_listen_stop(struct tcp_sock *tp);	/* the listener is closed: its children are reset */
void tcp_listen_forget(struct tcp_sock *tp);	/* the stack is freed: nothing is sent */
void tcp_listen_segment(struct tcp_sock *listener, const struct tcp_segment *segment);
/* A SYN for a listener; isn: the sequence number that TIME-WAIT gives the new connection, or 0. */
void tcp_listen_syn(struct tcp_sock *listener, const struct tcp_segment *segment, uint32_t isn);
/* The first segment of a child that was just made. */
void tcp_child_segment(struct tcp_sock *listener, struct tcp_sock *child, const struct tcp_segment *segment);
/* To the end of the accept queue. */
void tcp_accept_enqueue(struct tcp_request *request, struct tcp_sock *child);
static inline bool tcp_accept_full(const struct tcp_sock *listener)
{
	return listener->accept_queue > listener->accept_backlog;
}

struct tcp_request *tcp_request_new(struct tcp_sock *listener, const struct tcp_segment *segment);	/* NULL: no memory */
void tcp_request_enter(struct tcp_request *request);	/* into the listener's list and the table, timer started */
void tcp_request_free(struct tcp_request *request);
void tcp_request_drop(struct tcp_request *request);	/* out of its listener's list, then freed */
struct route *tcp_request_route(const struct tcp_request *request, int *error);	/* held, or NULL */
/* The window that the SYN-ACK offers, a multiple of mss. */
void tcp_request_choose_window(struct tcp_request *request, const struct route *route, uint32_t mss);
unsigned tcp_options_synack(struct tcp_request *request, uint16_t mss, const struct tcp_fastopen_cookie *cookie, uint32_t tsval,
			    struct tcp_out_options *options);
/* Send the SYN-ACK; cookie is the Fast Open option to add, NULL for none. 0 or -errno. */
int tcp_request_synack(struct tcp_request *request, const struct tcp_fastopen_cookie *cookie);
int tcp_request_retransmit(struct tcp_request *request);
pl_time tcp_request_timeout(const struct tcp_request *request);	/* the interval that runs now */
/* Out of its listener's list, and into another's; timers and the table of four-tuples stay as they are. */
void tcp_request_move(struct tcp_request *request, struct tcp_sock *target);
/* What a segment is to a handshake: answered or dropped, not for it at all, or the acknowledgement that completes it. */
enum request_check { REQUEST_DONE, REQUEST_NOT_OURS, REQUEST_GOOD };
enum request_check tcp_request_check(struct tcp_request *request, const struct tcp_segment *segment, bool fastopen);
/* The connection that a segment completes, as a child of `listener`; the listener when it is to refuse it; NULL when it is done with. */
struct tcp_sock *tcp_request_segment(struct tcp_request *request, struct tcp_sock *listener, const struct tcp_segment *segment);
/* migrate.c. A listener stops: do its handshakes and children move to its group (tcp_migrate_req)? */
bool tcp_migrate_begin(struct tcp_sock *listener);
/* The listener that takes over from the request's, which has stopped; NULL: none, counted as a failure if there could be one. */
struct tcp_sock *tcp_migrate_target(const struct tcp_request *request);
void tcp_migrate_hold(struct tcp_request *request, struct tcp_sock *target);	/* make it the request's listener; no lists */
/* The full socket of a completed handshake: state SYN-RECV, not yet in the accept queue. NULL: no room, no memory, no route. */
struct tcp_sock *tcp_child_new(struct tcp_request *request, const struct tcp_segment *segment);
uint16_t tcp_mss_clamp(const struct tcp_sock *tp, uint32_t mss);	/* TCP_MAXSEG bounds it */

/* The cookie for a SYN, with *mss rounded down to one that a cookie can tell. */
uint32_t tcp_syncookie_make(struct tcp_sock *listener, const struct tcp_segment *syn, uint16_t *mss);
uint32_t tcp_syncookie_timestamp(const struct tcp_request *request, uint32_t now);
/* The third segment of a handshake that was not remembered: the child, or NULL. *valid: the cookie was good. */
struct tcp_sock *tcp_syncookie_check(struct tcp_sock *listener, const struct tcp_segment *segment, bool *valid);

void tcp_fastopen_init_key_once(struct pl_stack *stack);
void tcp_fastopen_queue_tune(struct tcp_sock *listener, int backlog);
bool tcp_fastopen_no_cookie(const struct tcp_sock *tp, int flag);
/* A SYN with or without data: the child when it may start at once; *answer is what the SYN-ACK returns (length -1: nothing). */
struct tcp_sock *tcp_fastopen_try(struct tcp_sock *listener, const struct tcp_segment *syn, struct tcp_request *request,
				  struct tcp_fastopen_cookie *answer);
void tcp_fastopen_remove(struct tcp_sock *child, bool reset);	/* the request of a Fast Open child is done with */
void tcp_fastopen_add_data(struct tcp_sock *tp, const struct tcp_segment *syn);
bool tcp_fastopen_child_check(struct tcp_sock *tp, const struct tcp_segment *segment);
bool tcp_fastopen_synack(struct tcp_sock *tp, const struct tcp_segment *synack);
bool tcp_fastopen_defer_connect(struct tcp_sock *tp, int *error);
bool tcp_fastopen_cookie_check(struct tcp_sock *tp, uint16_t *mss, struct tcp_fastopen_cookie *cookie);
void tcp_fastopen_active_disable(struct tcp_sock *tp);
void tcp_fastopen_ofo_check(struct tcp_sock *tp);
void tcp_fastopen_request_free(struct tcp_sock *tp);

int64_t tcp_connect_call(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags);
/* As connect(), also from within sendmsg with MSG_FASTOPEN. */
int64_t tcp_stream_connect(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags,
			   bool from_sendmsg);
int tcp_connect_start(struct tcp_sock *tp);	/* addresses are set, the state is SYN-SENT: send the SYN. 0 or -errno */
int tcp_disconnect(struct tcp_sock *tp);
void tcp_reset_source(struct tcp_sock *tp);	/* an address that was not bound is given up */
void tcp_synsent_segment(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_finish_connect(struct tcp_sock *tp);

/* --- input.c -------------------------------------------------------------------------------------------------------------- */
/* A segment for a socket in any state but LISTEN. */
void tcp_socket_segment(struct tcp_sock *tp, const struct tcp_segment *segment);
/* RFC 5961 section 7 and tcp_invalid_ratelimit: true when an answer to this segment is to be left out. */
bool tcp_oow_limited(struct pl_stack *stack, const struct tcp_segment *segment, enum counter counter, uint32_t *last);
bool tcp_paws_reject(const struct pl_stack *stack, uint32_t ts_recent, int64_t ts_recent_stamp, uint32_t tsval, bool rst);
void tcp_store_ts_recent(struct tcp_sock *tp);
bool tcp_in_window(uint32_t seq, uint32_t end_seq, uint32_t left, uint32_t right);	/* RFC 9293 3.10.7.4, first */
/* The MSS that the peer's SYN allows: its option, TCP_MAXSEG, 536. */
uint16_t tcp_syn_mss(const struct tcp_segment *segment, uint16_t user_mss, uint16_t otherwise);

/* --- receive.c, window.c, delack.c ------------------------------------------------------------------------------------------ */
void tcp_fin(struct tcp_sock *tp);
void tcp_queue_predicted(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_receive_event(struct tcp_sock *tp, const struct tcp_segment *segment);	/* tcp_event_data_recv */
void tcp_send_dupack(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_mem_release(struct tcp_sock *tp);	/* the socket goes: its pages with it */
bool tcp_receive_memory(struct tcp_sock *tp, const struct tcp_segment *segment);	/* mem.c: may it be queued? */
void tcp_flush_compressed_ack(struct tcp_sock *tp);
void tcp_delack_arm(struct tcp_sock *tp);
void tcp_delack_init(struct tcp_sock *tp);
uint32_t tcp_ato_min(const struct tcp_sock *tp);
bool tcp_in_pingpong(const struct tcp_sock *tp);
void tcp_data_ready(struct tcp_sock *tp);
void tcp_urgent(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_ack_send_check(struct tcp_sock *tp);		/* after a segment was taken in: acknowledge now, later, not */
void tcp_send_delayed_ack(struct tcp_sock *tp);
void tcp_enter_quickack(struct tcp_sock *tp, unsigned max);
void tcp_incr_quickack(struct tcp_sock *tp, unsigned max);
bool tcp_in_quickack(const struct tcp_sock *tp);
void tcp_measure_rcv_mss(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_grow_window(struct tcp_sock *tp, const struct tcp_segment *segment);
void tcp_initialize_rcv_mss(struct tcp_sock *tp);
void tcp_rtt_measure_window(struct tcp_sock *tp);
void tcp_rtt_measure_timestamp(struct tcp_sock *tp, const struct tcp_segment *segment);
int tcp_set_window_clamp(struct tcp_sock *tp, uint32_t wanted);
void tcp_rcvbuf_grow(struct tcp_sock *tp, uint32_t measured);	/* the buffer for a reader of so much a round trip */
uint32_t tcp_wanted_window(struct tcp_sock *tp);		/* __tcp_select_window */
void tcp_adjust_rcv_ssthresh(struct tcp_sock *tp);
void tcp_receive_init(struct tcp_sock *tp);
uint32_t tcp_space_from_window(const struct tcp_sock *tp, uint32_t window);
uint32_t tcp_window_from_space(const struct tcp_sock *tp, int space);

/* --- sockets ---------------------------------------------------------------------------------------------------------------- */
int64_t tcp_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags);
int64_t tcp_read_sock(struct sock *sk, size_t (*take)(void *context, const uint8_t *bytes, size_t length), void *context);
int64_t tcp_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags);
int64_t tcp_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length);
int64_t tcp_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length);
int64_t tcp_close(struct sock *sk, struct pl_call *call);
int64_t tcp_shutdown(struct sock *sk, int how);
int64_t tcp_ioctl(struct sock *sk, unsigned long request, void *argument);
uint32_t tcp_poll(struct sock *sk);
int tcp_init_sock(struct sock *sk);
void tcp_destroy_sock(struct sock *sk);
uint32_t tcp_inq(const struct tcp_sock *tp);		/* SIOCINQ */
void tcp_count_sock(struct tcp_sock *tp);
void tcp_shutdown_send(struct tcp_sock *tp);
void tcp_destroy_orphan(struct tcp_sock *tp);
void tcp_discard(struct tcp_sock *tp);
pl_time tcp_fin_time(const struct tcp_sock *tp);
int64_t tcp_set_congestion(struct tcp_sock *tp, const void *value, socklen_t length);
int64_t tcp_set_ulp(struct tcp_sock *tp, const void *value, socklen_t length);
int64_t tcp_set_fastopen_key(struct tcp_sock *tp, const void *value, socklen_t length);
/* repair.c */
bool tcp_may_repair(const struct tcp_sock *tp);
int64_t tcp_set_repair(struct tcp_sock *tp, int value);
int64_t tcp_get_repair(struct tcp_sock *tp);
int64_t tcp_set_repair_queue(struct tcp_sock *tp, int value);
int64_t tcp_get_repair_queue(struct tcp_sock *tp);
int64_t tcp_set_queue_seq(struct tcp_sock *tp, int value);
int64_t tcp_get_queue_seq(struct tcp_sock *tp);
int64_t tcp_set_repair_options(struct tcp_sock *tp, const void *value, socklen_t length);
int64_t tcp_set_repair_window(struct tcp_sock *tp, const void *value, socklen_t length);
int64_t tcp_get_repair_window(struct tcp_sock *tp, void *value, socklen_t *length);
int64_t tcp_get_structure(struct tcp_sock *tp, int name, void *value, socklen_t *length);
void tcp_keepalive_init(struct tcp_sock *tp);
uint32_t tcp_keepalive_interval(const struct tcp_sock *tp);
int tcp_keepalive_probes(const struct tcp_sock *tp);
uint32_t tcp_keepalive_elapsed(const struct tcp_sock *tp);
bool tcp_readable(const struct tcp_sock *tp, int target);	/* tcp_stream_is_readable */
void tcp_keepalive_init(struct tcp_sock *tp);
void tcp_set_keepalive(struct tcp_sock *tp, bool on);
uint32_t tcp_keepalive_elapsed(const struct tcp_sock *tp);	/* jiffies since the peer was last heard of */

/* --- error.c, timewait.c, md5.c ------------------------------------------------------------------------------------------------ */
void tcp_icmp_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);
enum tcp_timewait_verdict { TIMEWAIT_DONE, TIMEWAIT_RESET, TIMEWAIT_ACK, TIMEWAIT_SYN };
enum tcp_timewait_verdict tcp_timewait_segment(struct tcp_timewait *tw, const struct tcp_segment *segment, uint32_t *isn);
void tcp_timewait_free(struct tcp_timewait *tw);
uint32_t tcp_timewait_next_isn(const struct tcp_timewait *tw);
/* May a new connection take over the four-tuple of a connection in TIME-WAIT? Then its numbers go on from there. */
bool tcp_timewait_reusable(struct tcp_sock *tp, const struct tcp_timewait *tw, bool chosen_port);

struct tcp_md5_key {
	struct tcp_md5_key *next;
	struct in_addr remote;
	uint8_t prefix_length, length;
	uint8_t flags;
	int ifindex;
	uint8_t key[TCP_MD5SIG_MAXKEYLEN];
};
void tcp_md5_sign(const struct tcp_md5_key *key, struct in_addr source, struct in_addr destination, const uint8_t *header,
		  size_t header_length, const uint8_t *payload, size_t length, uint8_t digest[16]);
int64_t tcp_md5_set(struct tcp_sock *tp, int name, const void *value, socklen_t length);
void tcp_md5_list_free(struct tcp_md5_key *list);
int tcp_md5_copy(struct tcp_sock *to, const struct tcp_sock *from, struct in_addr remote);
/* false: the segment's signature, or its absence, is wrong; counted. */
bool tcp_md5_accept(struct pl_stack *stack, const struct tcp_sock *tp, const struct tcp_segment *segment);
bool tcp_md5_accept_key(struct pl_stack *stack, const struct tcp_md5_key *key, const struct tcp_segment *segment);

#endif
