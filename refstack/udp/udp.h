/*
 * UDP (RFC 768) and UDP-Lite (RFC 3828).
 *
 *   host.c     tables by port, ports chosen, conflicts, lookup by score
 *   receive.c  packets in: checks, delivery, multicast; recvmsg
 *   send.c     sendmsg, corking, segmentation, checksums
 *   error.c    ICMP errors about datagrams of ours
 *   socket.c   the protocol's rows: bind, connect, options, ioctl, poll
 */
#ifndef REFSTACK_UDP_H
#define REFSTACK_UDP_H

#include <netinet/udp.h>

#include "../ip/ip.h"
#include "../socket/datagram.h"
#include "../socket/options.h"

#define UDP_BUCKETS 256
#define UDP_MAX_SEGMENTS 128

/* One table for UDP, one for UDP-Lite. Sockets by the low bits of their port, the last one hashed first, as Linux has them. */
struct udp_table {
	struct sock *bucket[UDP_BUCKETS];
};
struct udp_host {
	struct udp_table udp, lite;
	uint8_t reuseport_key[16];
	int64_t memory, reserve;	/* pages of all sockets that udp_mem counts, and those not yet told to it; memory.c */
};

/* A datagram that MSG_MORE or UDP_CORK is still collecting. */
struct udp_cork {
	bool pending;
	struct datagram_send send;
	uint16_t port;
	uint8_t *bytes;
	size_t length, room;
	struct datagram_pending memory;
};

struct udp_sock {
	struct sock sk;
	bool hashed;
	bool corked;			/* UDP_CORK */
	bool gro, no_check6_tx, no_check6_rx;
	int encapsulation;
	uint16_t segment;		/* UDP_SEGMENT */
	bool send_coverage_set, receive_coverage_set;
	uint16_t send_coverage, receive_coverage;
	struct udp_cork cork;
	struct {			/* to whom and from where the last corked datagram since connect went; port 0: there was none */
		struct in_addr destination, source;
		uint16_t port;
	} last_cork;
	uint32_t reader_packets;	/* packets at the front of the queue that a reader has taken to its own queue */
	uint32_t deficit;		/* bytes read whose memory is not given back yet */
	int32_t pages;			/* of the protocol's memory, held by this socket */
};
static inline struct udp_sock *udp_sk(struct sock *sk)
{
	return (struct udp_sock *)sk;
}
static inline bool udp_is_lite(const struct sock *sk)
{
	return sk->protocol == IPPROTO_UDPLITE;
}

/* The counters of UDP and UDP-Lite have the same names in two groups. */
#define UDP_COUNT(stack, lite, name)                                                                                           \
	((stack)->counter[(lite) ? CNT_UdpLite_##name : CNT_Udp_##name]++)

/* --- host.c --- */
struct udp_table *udp_table(struct pl_stack *stack, bool lite);
struct sock **udp_bucket(struct udp_table *table, uint16_t port);
/* Give sk port `port`, or a free one for 0; sk is in the table then. 0 or -EADDRINUSE. */
int64_t udp_get_port(struct sock *sk, uint16_t port);
void udp_unhash(struct sock *sk);
void udp_rehash(struct sock *sk);	/* its address changed: it becomes the first of its bucket */
/*
 * Who gets a datagram from source:source_port to destination:port (host order) that came over link; NULL: nobody. packet: the
 * datagram itself, for the program of an SO_REUSEPORT group, or NULL.
 */
struct sock *udp_lookup(struct pl_stack *stack, bool lite, struct in_addr source, uint16_t source_port,
			struct in_addr destination, uint16_t port, int link, const struct pktbuf *packet);
/* The same for a packet that has no route yet (data at its IP header): only the first of its address and port, if connected. */
struct sock *udp_early(struct pl_stack *stack, const struct pktbuf *packet);
/* Does sk take a copy of a datagram to a group? */
bool udp_takes_multicast(const struct sock *sk, struct in_addr source, uint16_t source_port, struct in_addr destination,
			 uint16_t port, int link);

/* --- gso.c --- */
/* Cut a packet with gso_size, data at its UDP header, into its datagrams. Consumes it; the pieces are appended, likewise placed. */
void udp_cut(struct pl_stack *stack, struct pktbuf *packet, struct pktbuf_queue *pieces);

/* --- memory.c --- */
/* Is there memory of the protocol's for a packet of this truesize? Taken from it if so. */
bool udp_memory_take(struct udp_sock *up, uint32_t truesize);
void udp_memory_give_back(struct udp_sock *up, uint32_t bytes);	/* all whole pages but the last that is begun */
void udp_memory_release(struct udp_sock *up);			/* the socket goes: all of it */
int64_t udp_memory(const struct pl_stack *stack);		/* pages, as far as they are told */

/* --- receive.c --- */
int64_t udp_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags);
/* The length of the first datagram whose checksum is right, those before it are dropped; -1: none. */
int64_t udp_first_length(struct sock *sk);

/* --- send.c --- */
int64_t udp_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags);
int64_t udp_push_pending(struct sock *sk);
void udp_drop_pending(struct sock *sk);

/* --- error.c --- */
void udp_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info);

extern const struct ip_protocol udp_protocol, udplite_protocol;

#endif
