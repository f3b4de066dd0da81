/* What the datagram protocols share: UDP, UDP-Lite, raw, ping. */
#ifndef REFSTACK_DATAGRAM_H
#define REFSTACK_DATAGRAM_H

#include "../ip/ip.h"
#include "file.h"

/* What Linux adds to the bytes of a packet that it allocates for sending: room for a link header, and rounding. */
#define SEND_SLACK 31
#define MSG_PROBE_ONLY 0x10		/* MSG_PROBE: confirm the neighbour, send nothing */

/* A received datagram's control area. */
struct datagram_control {
	int64_t stamp;			/* CLOCK_REALTIME when it came, 0: stamped when read */
	uint32_t drops;			/* the socket's count of lost packets when this one was queued */
	uint16_t coverage;		/* UDP-Lite: bytes that the checksum covers; 0: all */
	bool has_info;			/* IP_PKTINFO was on when it was queued: only then is there something to tell */
	bool has_sum;			/* the sum below was made when the packet was checked on arrival */
	uint32_t sum;			/* IP_CHECKSUM: ones' complement sum of 32 bits over the datagram's bytes */
};
static inline struct datagram_control *datagram_control_of(struct pktbuf *packet)
{
	return (struct datagram_control *)packet->control;
}

/* Arithmetic of IP_CHECKSUM: the sum of bytes as 32-bit words of the machine, and the difference of two sums. */
uint32_t checksum_sum32(const void *bytes, size_t length);
uint32_t checksum_subtract32(uint32_t sum, uint32_t part);

/* --- receiving (datagram.c) ---------------------------------------------------------------------------------------------- */
/* Queue a packet for sk, charged, and tell it. Whether there is room is the protocol's to say. */
void datagram_queue(struct sock *sk, struct pktbuf *packet);
/*
 * The next packet for recvmsg: waits as flags and SO_RCVTIMEO say. The packet stays queued with MSG_PEEK, else it is taken out; the
 * caller frees its reference.
 * *offset: where reading starts (SO_PEEK_OFF). NULL: *result is what recvmsg returns.
 */
struct pktbuf *datagram_take(struct sock *sk, struct pl_call *call, int flags, uint32_t *offset, int64_t *result);
/* Move SO_PEEK_OFF on: `length` bytes were read, or peeked. */
void datagram_peek_moved(struct sock *sk, int flags, uint32_t length);
uint32_t datagram_poll(struct sock *sk);
int64_t datagram_ioctl(struct sock *sk, unsigned long request, void *argument);	/* SIOCOUTQ; SIOCINQ: the first one's length */
int64_t datagram_shutdown(struct sock *sk, int how);
int64_t datagram_close(struct sock *sk, struct pl_call *call);

/* --- sending (datagram_send.c) ---------------------------------------------------------------------------------------------- */
/* What one message asks of the packet it becomes: the kernel's ipcm_cookie. */
struct datagram_send {
	struct in_addr source;		/* IP_PKTINFO's, or 0 */
	struct in_addr destination, hop;	/* where it goes; hop: the first one of a source route, else destination */
	int link;			/* 0: any */
	int tos;			/* -1: the socket's */
	int ttl;			/* 0: the socket's */
	int protocol;
	uint32_t mark, priority, timestamp_flags;
	bool confirms;			/* MSG_CONFIRM: the caller knows that the neighbour hears this host */
	bool has_timestamp_key;
	uint32_t timestamp_key;		/* from a control message; else the socket's next */
	uint16_t segment;		/* UDP_SEGMENT */
	const struct ip_options *options;
	struct ip_options *own_options;	/* from a control message: freed by datagram_send_end */
	struct route *route;		/* held, by datagram_route */
	bool kept_route;		/* it is the one that the connected socket keeps */
	struct pl_call *call;		/* that sends, */
	int flags;			/* with these MSG_* */
};
void datagram_send_begin(const struct sock *sk, struct datagram_send *send, struct pl_call *call, int flags);
void datagram_send_end(struct sock *sk, struct datagram_send *send);
/* IPPROTO_IP and SOL_SOCKET control messages of a message to send (ip_cmsg_send). 0 or -EINVAL, -EPERM. */
int64_t datagram_send_control(struct sock *sk, const struct msghdr *msg, struct datagram_send *send);
/* The SOL_SOCKET ones alone: all that TCP looks at. */
int64_t datagram_send_socket_control(struct sock *sk, const struct msghdr *msg, struct datagram_send *send);
/*
 * Find the way: fills source, destination (0 becomes a loopback address) and route from destination, the control messages and the
 * socket. `connected`: the socket's own route may be used and kept. 0, -EACCES for broadcast without leave, or the route's error.
 */
int64_t datagram_route(struct sock *sk, struct datagram_send *send, uint16_t port, int flags, bool connected);
/* MSG_PROBE in place of sending: with MSG_CONFIRM the neighbour on the way is confirmed. */
void datagram_probe(struct sock *sk, const struct datagram_send *send);
/* The IP layer's part of it, for a datagram of `length` bytes with its IP header. */
void datagram_ip_send(struct sock *sk, const struct datagram_send *send, uint32_t length, struct ip_send *ip);
/*
 * Give a datagram to the IP layer. Linux's device lets go of it at once, which wakes whoever waits to write: an edge that
 * EPOLLET sees after every datagram. Consumes the packet; 0 or the error of the way out.
 */
int datagram_transmit(struct sock *sk, struct pktbuf *packet, const struct ip_send *ip, const struct datagram_send *send);
/* The same for a packet that has its IP header and its route (ip_output). */
int datagram_transmit_whole(struct sock *sk, struct pktbuf *packet, const struct datagram_send *send);
/*
 * May a socket send now: minus its pending error, -EPIPE after shutdown, -EAGAIN or CALL_WAITS while packets that wait for their
 * neighbours fill its send buffer, or 0 (sock_alloc_send_skb).
 */
int64_t datagram_may_send(struct sock *sk, const struct datagram_send *send);
/*
 * -EMSGSIZE, with a report for IP_RECVERR, when `length` bytes behind the IP header are too many for one datagram; -ENOBUFS when its
 * fragments are too many for the send buffer.
 */
int64_t datagram_check_size(struct sock *sk, const struct datagram_send *send, uint32_t length);

/* What a datagram that is still collected (MSG_MORE) takes of the send buffer. */
struct datagram_pending {
	uint32_t charged;
	uint32_t last;			/* bytes in the last of the packets that Linux would build by now, with its IP header */
};
/*
 * `length` more bytes are collected, after a header of `transport` bytes if they are the first. Linux builds the packets at once: the
 * first bytes of each are allocated, what is added comes in pages; of what is to be cut into segments the headers are allocated.
 */
void datagram_charge_pending(struct sock *sk, const struct datagram_send *send, struct datagram_pending *pending, uint32_t length,
			     uint32_t transport);
void datagram_uncharge_pending(struct sock *sk, struct datagram_pending *pending);

/* connect and its undoing, as ip4_datagram_connect and __udp_disconnect; `rehash` may be NULL. */
int64_t datagram_connect(struct sock *sk, const struct sockaddr *address, socklen_t length, void (*rehash)(struct sock *sk));
/* Control messages are walked as Linux does, which is stricter than CMSG_NXTHDR: NULL at the end, *bad when one is malformed. */
const struct cmsghdr *control_next(const struct msghdr *msg, const struct cmsghdr *before, bool *bad);

#endif
