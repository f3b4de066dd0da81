/*
 * Sockets: what is common to all of them, and the seam to the protocols.
 *
 * A call enters by pl_call_submit; its row's handler finds the socket and asks the protocol's operation. An operation either
 * gives the result or registers what it waits for and returns CALL_WAITS; when that happens the handler is run again from the
 * top, so a handler keeps in call->progress what it has already done. Nothing blocks a thread.
 */
#ifndef REFSTACK_SOCK_H
#define REFSTACK_SOCK_H

#include <linux/errqueue.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "../internal.h"

#define CALL_WAITS INT64_MIN

/*
 * Who wants to know that something became true of a socket, a pipe or an epoll set: calls that wait, epoll sets. Woken from the
 * first to the last; as on Linux ordinary waiters join at the front, exclusive ones at the back, and a wake ends with the first
 * exclusive waiter that it woke.
 */
struct pl_wait;
struct wait_queue {
	struct pl_wait *first, *last;
};

enum sock_flag {		/* bits of sock.flag, the kernel's SOCK_* flags and SO_* switches */
	SF_DEAD, SF_DONE, SF_URGINLINE, SF_KEEPOPEN, SF_LINGER, SF_BROADCAST, SF_TIMESTAMP, SF_DBG, SF_RCVTSTAMP,
	SF_RCVTSTAMPNS, SF_LOCALROUTE, SF_ZEROCOPY, SF_TXTIME, SF_RXQ_OVFL, SF_NOFCS, SF_LOCK_FILTER, SF_SELECT_ERR_QUEUE,
	SF_NO_CHECK_TX, SF_TIMESTAMP_NEW, SF_PASSSEC, SF_TRANSPARENT, SF_FREEBIND, SF_HDRINCL, SF_NODEFRAG, SF_MC_LOOP,
	SF_MC_ALL, SF_RECVERR, SF_RECVERR_RFC4884, SF_BIND_ADDRESS_NO_PORT, SF_DEFER_CONNECT, SF_RTALERT, SF_RCV_INQ,
	SF_CORK, SF_CMSG_PKTINFO, SF_CMSG_TTL, SF_CMSG_TOS, SF_CMSG_RECVOPTS, SF_CMSG_RETOPTS, SF_CMSG_PASSSEC,
	SF_CMSG_ORIGDSTADDR, SF_CMSG_CHECKSUM, SF_CMSG_RECVFRAGSIZE, SF_WIFI_STATUS, SF_RCVMARK, SF_RCVPRIORITY,
	SF_PREFER_BUSY_POLL, SF_TIMESTAMPING_RX_SOFTWARE, SF_CONFIRM_NEIGHBOUR,
	SF_COUNT
};
_Static_assert(SF_COUNT <= 64, "sock.flag is 64 bits");

/* sock.state: the kernel's numbers, as /proc/net/tcp and TCP_INFO show them. netinet/tcp.h has the same: do not include both. */
enum tcp_state {
	TCP_ESTABLISHED = 1, TCP_SYN_SENT, TCP_SYN_RECV, TCP_FIN_WAIT1, TCP_FIN_WAIT2, TCP_TIME_WAIT, TCP_CLOSE, TCP_CLOSE_WAIT,
	TCP_LAST_ACK, TCP_LISTEN, TCP_CLOSING, TCP_NEW_SYN_RECV,
};
enum { RCV_SHUTDOWN = 1, SEND_SHUTDOWN = 2, SHUTDOWN_MASK = 3 };	/* sock.shutdown */

struct sock;

/*
 * An IPv4 options area to send, as IP_OPTIONS gave it: at most 40 bytes, a multiple of four. The first address of a source route
 * is taken out into first_hop and the others moved up, so that its last place is free for the destination. Record route and
 * timestamp are as they were given: the address and time of this host are for the output to fill in.
 */
struct ip_options {
	uint8_t length;
	uint8_t bytes[40];
	struct in_addr first_hop;	/* with a source route: where the packet goes first */
	bool source_route, strict;
};

/*
 * One protocol's operations: a table row each in tcp/, udp/, raw/, ping/. NULL: the call gives -EOPNOTSUPP.
 *
 * Flags of connect, accept, sendmsg and recvmsg are MSG_*; MSG_DONTWAIT is set when the descriptor is O_NONBLOCK.
 * Addresses to bind, connect and in sendmsg's msg_name are not NULL where their length is not 0, and length is at most
 * sizeof(struct sockaddr_storage); everything else about them is the protocol's to check.
 * recvmsg: msg_name is NULL, or has room for a struct sockaddr_storage: the operation sets msg_namelen to the address's length
 * (0: none). msg_control and msg_controllen are moved on by msg_put_control. msg_flags gets MSG_TRUNC, MSG_CTRUNC, ....
 */
struct proto {
	const char *name;		/* as in /proc/net/protocols */
	int type;			/* SOCK_STREAM, ... */
	int family;			/* SO_DOMAIN; 0: AF_INET */
	int protocol;			/* IPPROTO_*; 0 with IPPROTO_RAW sockets: any */
	size_t size;			/* of its socket structure, which starts with struct sock */
	int (*init)(struct sock *sk);	/* after the common part; 0 or -errno */
	/*
	 * The last descriptor is gone, and its reference goes after this: take another if the socket is to live on. 0, or
	 * CALL_WAITS to linger (then it is run again). call is NULL when there is none that could wait; SO_LINGER then waits not.
	 */
	int64_t (*close)(struct sock *sk, struct pl_call *call);
	void (*destroy)(struct sock *sk);	/* free what init and use have allocated; no packets are sent */
	int64_t (*bind)(struct sock *sk, const struct sockaddr *address, socklen_t length);
	int64_t (*connect)(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags);
	int64_t (*listen)(struct sock *sk, int backlog);
	/* 0 and in *child the connection, with a reference that becomes the caller's. */
	int64_t (*accept)(struct sock *sk, struct pl_call *call, int flags, struct sock **child);
	int64_t (*shutdown)(struct sock *sk, int how);	/* how is one of SHUT_*; state, sk->shutdown and wakes are its own */
	int64_t (*getname)(struct sock *sk, struct sockaddr_in *address, bool peer);	/* 0 or -ENOTCONN; also after accept */
	int64_t (*sendmsg)(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags);
	int64_t (*recvmsg)(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags);
	int64_t (*setsockopt)(struct sock *sk, int level, int name, const void *value, socklen_t length);
	int64_t (*getsockopt)(struct sock *sk, int level, int name, void *value, socklen_t *length);
	int64_t (*ioctl)(struct sock *sk, unsigned long request, void *argument);
	/*
	 * Lend the bytes received, in order, to `take`, a packet's at a time, and consume as many as it says; less than it was lent
	 * ends it, so does an urgent byte that is not inline. Bytes consumed, with what that does to the window (tcp_read_sock).
	 */
	int64_t (*read_sock)(struct sock *sk, size_t (*take)(void *context, const uint8_t *bytes, size_t length), void *context);
	uint32_t (*poll)(struct sock *sk);	/* EPOLLIN | ..., level-triggered truth */
	/* Told when an option that the common part keeps has changed; all may be NULL. */
	void (*keepalive)(struct sock *sk, bool on);			/* SO_KEEPALIVE */
	int64_t (*set_receive_low_water)(struct sock *sk, int value);	/* SO_RCVLOWAT; NULL: kept, 0 as 1 */
	int64_t (*timestamp_key)(struct sock *sk, uint32_t flags);	/* SOF_TIMESTAMPING_OPT_ID switched on: sets timestamp_key */
	void (*header_changed)(struct sock *sk);	/* IP_OPTIONS or route changed: synchronise the segment size */
	void (*rehash)(struct sock *sk);		/* SO_BINDTODEVICE, or an address that connect chose */
	void (*unhash)(struct sock *sk);		/* leave the protocol's tables */
	void (*sent)(struct sock *sk);			/* packets that waited below have left (sk_write_space of sock_wfree) */
	bool peek_offset;				/* knows SO_PEEK_OFF */
};

struct sock {
	struct pl_stack *stack;
	const struct proto *proto;
	struct sock *hash_next;		/* in its protocol's tables */
	struct sock *all_next, **all_prev;	/* every socket of the stack */
	struct sock *senders_next;	/* in stack->senders, when told_later */
	bool told_later;
	unsigned references;		/* one for the open file, one for each who keeps a pointer to it */
	bool has_descriptor;
	uint8_t state;			/* enum tcp_state; datagram sockets use TCP_CLOSE and TCP_ESTABLISHED */
	uint8_t shutdown;		/* RCV_SHUTDOWN 1, SEND_SHUTDOWN 2 */
	bool poll_unblocking;		/* the poll at hand is of an O_NONBLOCK descriptor: EAGAIN after it does no harm */
	uint8_t reuse, reuseport;	/* sk_reuse is small integer: 2 is forced */
	uint64_t flag;			/* 1 << SF_* */
	int type, protocol;
	int error, error_soft;		/* sk_err, sk_err_soft: positive errno */

	/* Addresses in network order, ports in host order; the kernel's inet_sock names in the comments. */
	struct in_addr local;		/* inet_rcv_saddr: what it is bound to */
	struct in_addr source;		/* inet_saddr: what it sends from */
	struct in_addr remote;		/* inet_daddr */
	uint16_t port, remote_port;	/* inet_sport and inet_num, inet_dport */
	bool port_returned;		/* inet_num is 0: getsockname still gives the port, but it is others' to take */
	int bound_link;			/* SO_BINDTODEVICE, ifindex or 0 */
	bool bound_address, bound_port;	/* SOCK_BINDADDR_LOCK, SOCK_BINDPORT_LOCK */

	int receive_buffer, send_buffer;	/* sk_rcvbuf, sk_sndbuf: doubled as Linux keeps them */
	bool receive_buffer_locked, send_buffer_locked;
	uint32_t receive_allocated;	/* sk_rmem_alloc */
	uint32_t write_allocated;	/* sk_wmem_alloc, without the initial 1 */
	uint32_t write_queued;		/* sk_wmem_queued */
	int32_t forward_allocated;	/* sk_forward_alloc */
	uint32_t optmem;		/* sk_omem_alloc */
	int receive_low_water;		/* SO_RCVLOWAT */
	pl_time receive_timeout, send_timeout;	/* SO_RCVTIMEO, SO_SNDTIMEO; PL_TIME_NEVER: none */
	int64_t linger_seconds;		/* SO_LINGER; a negative time became the longest there is */
	uint32_t mark, priority;
	uint64_t max_pacing_rate, pacing_rate;
	uint32_t timestamping;		/* SOF_TIMESTAMPING_* */
	int timestamping_phc;
	uint32_t timestamp_key;		/* sk_tskey */
	uint32_t zerocopy_key;		/* sk_zckey */
	uint32_t drops;			/* sk_drops */
	int64_t stamp;			/* sk_stamp: wall clock of the last packet, or -1 */
	uint32_t uid;
	uint64_t cookie;		/* SO_COOKIE; 0: none given yet */
	uint32_t inode;			/* a number of its own, for the /proc/net files */
	int peek_offset;		/* SO_PEEK_OFF; -1: off */
	int busy_poll, busy_poll_budget, incoming_cpu, txtime_clock;
	uint32_t txtime_flags;
	int8_t transmit_rehash;		/* SO_TXREHASH */

	struct pktbuf_queue receive_queue;
	struct pktbuf_queue error_queue;
	struct wait_queue wait;		/* calls and epoll sets interested in this socket */

	uint8_t tos, received_tos, min_ttl, pmtudisc;	/* received_tos: of the handshake's last segment (rcv_tos) */
	int16_t unicast_ttl;		/* -1: the tunable's default */
	uint8_t multicast_ttl;
	int multicast_link, unicast_link;	/* IP_MULTICAST_IF, IP_UNICAST_IF */
	struct in_addr multicast_source;
	struct ip_memberships *memberships;
	struct filter *filter;		/* SO_ATTACH_FILTER */
	struct sock_group *group;	/* SO_REUSEPORT, group.h */
	uint32_t port_range_low, port_range_high;	/* IP_LOCAL_PORT_RANGE, 0: the tunable's */
	struct ip_options *options;	/* IP_OPTIONS to send, or NULL */
	struct route *route;		/* cached, checked by its generation */
	struct route *arrival;		/* the same for what comes in: the route of an earlier packet; ip/early.c */
	int arrival_link;		/* that it came by */
	uint16_t ip_id;			/* inet_id: the next identification once connected; ip_select_id's own */
	bool ip_id_set;
};

static inline bool sock_flag(const struct sock *sk, enum sock_flag flag)
{
	return sk->flag >> flag & 1;
}
static inline void sock_flag_set(struct sock *sk, enum sock_flag flag, bool on)
{
	sk->flag = on ? sk->flag | UINT64_C(1) << flag : sk->flag & ~(UINT64_C(1) << flag);
}

/* --- made and freed ------------------------------------------------------------------------------------------------ */
/* Zeroed but for the defaults of SOL_SOCKET and IPPROTO_IP, with one reference; proto->init is the caller's. NULL: no memory. */
struct sock *sock_new(struct pl_stack *stack, const struct proto *proto, int type, int protocol);
/* A copy of a listening socket for a connection of its own: options, not memberships, queues, names or route. NULL: no memory. */
struct sock *sock_clone(const struct sock *parent);
void sock_hold(struct sock *sk);
void sock_put(struct sock *sk);		/* the last reference destroys it */
/* A descriptor for sk, which takes over the caller's reference; SOCK_NONBLOCK, SOCK_CLOEXEC in flags. -EMFILE, -ENOMEM: untouched. */
int socket_install(struct pl_stack *stack, struct sock *sk, int flags);
/* Every socket of the stack, linked by all_next, for the /proc/net files and udiag-like walks. */
struct sock *sock_first(const struct pl_stack *stack);
/* The rows a protocol registers, in refstack/socket/protocols.c: tcp_proto, udp_proto, udplite_proto, raw_proto, ping_proto. */
extern const struct proto tcp_proto, udp_proto, udplite_proto, raw_proto, ping_proto;

/* --- waiting --------------------------------------------------------------------------------------------------------- */
/*
 * Let `call` wait until sock_wake(sk) reports one of `events` (EPOLL*), or until `timeout` has passed since it was first
 * submitted. Returns CALL_WAITS, or -EAGAIN when the timeout is 0 or has passed, or -EINTR when the call was cancelled.
 * Handlers: `return sock_wait(sk, call, EPOLLIN, timeout)`.
 */
int64_t sock_wait(struct sock *sk, struct pl_call *call, uint32_t events, pl_time timeout);
/* The same, first come first served, one call a wake: accept, and receiving datagrams. */
int64_t sock_wait_exclusive(struct sock *sk, struct pl_call *call, uint32_t events, pl_time timeout);
/*
 * Something became true of sk: wake the calls and epoll sets that asked for one of `events`; 0: everyone, exclusive waiters all.
 * Edge-triggered sets see every wake. The four below are the kernel's sk_data_ready, sk_write_space (when there is room),
 * sk_state_change and sk_error_report: the events of each are those that Linux reports with it.
 */
void sock_wake(struct sock *sk, uint32_t events);
static inline void sock_data_ready(struct sock *sk)
{
	sock_wake(sk, EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND);
}
static inline void sock_write_space(struct sock *sk)
{
	sock_wake(sk, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}
static inline void sock_state_change(struct sock *sk)
{
	sock_wake(sk, 0);
}
static inline void sock_error_report(struct sock *sk)
{
	sock_wake(sk, EPOLLERR);
}
/* 0 for MSG_DONTWAIT in flags, else SO_RCVTIMEO or SO_SNDTIMEO. */
pl_time sock_receive_timeout(const struct sock *sk, const struct pl_call *call, int flags);
pl_time sock_send_timeout(const struct sock *sk, const struct pl_call *call, int flags);

/* --- memory ---------------------------------------------------------------------------------------------------------- */
/*
 * A packet that a socket sent (packet->sender) has to wait in a queue below: the socket is charged for it (sk_wmem_alloc) and held
 * until it leaves, to be sent or dropped. Senders are told of that by sock_senders_tell, when all that may leave has left.
 */
void sock_send_waits(struct pktbuf *packet);
void sock_send_left(struct pl_stack *stack, struct pktbuf *packet);	/* harmless for one that did not wait */
void sock_senders_tell(struct pl_stack *stack);
void sock_senders_forget(struct pl_stack *stack);	/* the stack goes: nobody is told */
void sock_charge_receive(struct sock *sk, struct pktbuf *packet);	/* sk_rmem_alloc += truesize; pktbuf_free gives back */
int sock_error_take(struct sock *sk);	/* -sk_err, cleared; 0 when none */

/* --- helpers shared by the protocols -------------------------------------------------------------------------------------- */
size_t msg_length(const struct msghdr *msg);	/* sum of iov_len */
size_t msg_copy_in(const struct msghdr *msg, size_t offset, void *to, size_t length);		/* bytes copied */
size_t msg_copy_out(struct msghdr *msg, size_t offset, const void *from, size_t length);	/* bytes copied */
/* Append a control message (put_cmsg), moving msg_control on: sets MSG_CTRUNC in msg->msg_flags when it does not fit whole. */
void msg_put_control(struct msghdr *msg, int level, int type, const void *data, size_t length);
/* SOL_SOCKET control messages of a received packet: SO_TIMESTAMP*, SO_RXQ_OVFL, SO_MARK, ... as switched on (sock_recv_cmsgs). */
void msg_put_received(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet);
void msg_put_received_stamp(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet);	/* the stamps alone */
/* IPPROTO_IP control messages of a received packet: IP_PKTINFO, IP_TTL, IP_TOS, ... as switched on (ip_cmsg_recv). */
void msg_put_received_ip(struct sock *sk, struct msghdr *msg, const struct pktbuf *packet);
/*
 * The error queue: what IP_RECVERR, SO_TIMESTAMPING and MSG_ZEROCOPY report, read with MSG_ERRQUEUE.
 */
struct error_report {
	struct sock_extended_err error;
	struct sockaddr_in target;	/* the address that recvmsg names: where the packet was going; sin_family 0: none */
	struct in_addr offender;	/* who sent the ICMP error; only with SO_EE_ORIGIN_ICMP */
	int64_t stamp;			/* CLOCK_REALTIME, nanoseconds; 0: none */
	int link;			/* a time stamp's packet left over this link, and the payload starts with its IP header */
	bool statistics;		/* the payload is SCM_TIMESTAMPING_OPT_STATS */
};
/*
 * Queue a report and tell the socket's waiters; `payload` (from its data pointer on) is taken over and may be NULL. False: the
 * receive buffer is full, the report is lost.
 */
bool sock_queue_error(struct sock *sk, const struct error_report *report, struct pktbuf *payload);
/* An ICMP error about a packet of ours, for a socket with IP_RECVERR: payload at `payload`, within icmp (ip_icmp_error). */
void sock_queue_icmp_error(struct sock *sk, struct pktbuf *icmp, int error, uint16_t port, uint32_t info, const uint8_t *payload);
/* An error found here, of a packet to destination:port (host order): ip_local_error. Nothing without IP_RECVERR. */
void sock_queue_local_error(struct sock *sk, int error, struct in_addr destination, uint16_t port, uint32_t info);
/* SO_TIMESTAMPING: SCM_TSTAMP_* with its key, stamped now. `payload`: the packet as it left, or NULL for SOF_TIMESTAMPING_OPT_TSONLY. */
void sock_queue_timestamp(struct sock *sk, uint32_t type, uint32_t key, struct pktbuf *payload, bool statistics);
/* MSG_ZEROCOPY: sends first..last (by zerocopy_key) are done; joined with the report before when they follow it. */
void sock_queue_zerocopy(struct sock *sk, uint32_t first, uint32_t last, bool copied);
int64_t sock_receive_error(struct sock *sk, struct msghdr *msg, int flags);	/* recvmsg with MSG_ERRQUEUE */

/* Of the packet's bytes from data on, how many the socket's filter lets through: 0 drops it (socket/filter.c). */
uint32_t sock_filter(const struct sock *sk, const struct pktbuf *packet);

/* SOL_SOCKET and IPPROTO_IP options common to the protocols; protocols call ip_* for levels they do not own. */
int64_t sock_setsockopt(struct sock *sk, int name, const void *value, socklen_t length);
int64_t sock_getsockopt(struct sock *sk, int name, void *value, socklen_t *length);
int64_t ip_setsockopt(struct sock *sk, int name, const void *value, socklen_t length);
int64_t ip_getsockopt(struct sock *sk, int name, void *value, socklen_t *length);
/* Copy an option's value out as Linux does: min(*length, size) bytes, *length set to what was copied. */
int64_t sockopt_copy_out(void *value, socklen_t *length, const void *from, size_t size);

#endif
