/*
 * Raw sockets (raw(7)) and ping sockets (icmp(7)).
 *
 *   raw/receive.c  packets and errors to the raw sockets of their protocol
 *   raw/socket.c   the protocol's row: bind, send with and without the header, receive, ICMP_FILTER
 *   ping/socket.c  datagram sockets that send echo requests and receive the replies
 */
#ifndef REFSTACK_RAW_H
#define REFSTACK_RAW_H

#include "../ip/ip.h"
#include "../socket/datagram.h"
#include "../socket/options.h"

#define RAW_BUCKETS 256

struct raw_host {
	struct sock *bucket[RAW_BUCKETS];	/* raw sockets, by protocol; the last one made first */
	struct sock *ping;			/* ping sockets, the last one bound first */
	uint16_t ping_rover;			/* the identifier given out last */
};

struct raw_sock {
	struct sock sk;			/* sk.port is the protocol, as Linux has it in inet_num */
	bool hashed;
	uint32_t filter;		/* ICMP_FILTER: types not wanted */
	struct datagram_send pending;	/* MSG_MORE: what the first message asked for, and the bytes so far */
	bool has_pending;
	uint8_t *bytes;
	size_t length;
	struct datagram_pending memory;
};
static inline struct raw_sock *raw_sk(struct sock *sk)
{
	return (struct raw_sock *)sk;
}

/* One packet, from its IP header on, for a raw socket; takes it over. */
void raw_queue(struct sock *sk, struct pktbuf *packet);
/* What ip.h's hooks do. */
bool raw_receive(struct pl_stack *stack, struct pktbuf *packet);
void raw_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);
bool raw_router_alert(struct pl_stack *stack, struct pktbuf *packet);
bool ping_receive(struct pl_stack *stack, struct pktbuf *packet);
void ping_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);

/* errno of an ICMP error and whether it is fatal, for raw and ping sockets; false: the error tells them nothing. */
/* A redirect about a packet of sk's: its route may change. Anything else: nothing happens. */
void raw_redirected(struct pl_stack *stack, const struct sock *sk, struct pktbuf *icmp, const struct iphdr *quoted);
bool raw_error_of(struct pl_stack *stack, struct sock *sk, const struct icmphdr *icmp, const struct iphdr *quoted, uint32_t info,
		  struct icmp_error_map *map);
/* Copy a datagram out, with its address and control messages. Bytes, or -EFAULT. */
int64_t raw_read(struct sock *sk, struct msghdr *msg, struct pktbuf *packet, int flags);

#endif
