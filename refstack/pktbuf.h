/*
 * Packets inside the stack, and how their memory is counted.
 *
 * Accounting model. Linux charges a socket for the memory that a packet pins (its truesize), not for its bytes; window growth,
 * EPOLLOUT edges, SO_SNDBUF and SO_RCVBUF limits and TCP_INFO depend on it. A packet buffer here is one contiguous block, but
 * it carries the truesize that the same packet would have in Linux: the constants and rules that give it are in pktbuf.c and
 * nowhere else.
 */
#ifndef REFSTACK_PKTBUF_H
#define REFSTACK_PKTBUF_H

#include <netinet/in.h>
#include <plumbline/time.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pl_stack;
struct sock;
struct link;
struct route;
struct conntrack;

/* sizeof(struct sk_buff) and sizeof(struct skb_shared_info) on x86-64, cache aligned. */
#define SKB_OVERHEAD 256
#define SKB_SHARED_INFO 320

/* What was found in the IP options of a received packet: offsets of the options from the IP header's start, 0: absent. */
struct ip_options_found {
	uint8_t length;			/* bytes of options, 0: none */
	uint8_t source_route, record_route, timestamp, router_alert, security;
	bool strict;			/* the source route is a strict one */
	bool source_route_hit;		/* this host is the hop that the source route names now */
	bool record_address, stamp_address, stamp_time;	/* put in on arrival; forwarding mends the addresses */
	bool changed;			/* the checksum has to be made anew */
	struct in_addr next_hop;	/* with source_route_hit */
};

struct pktbuf {
	struct pktbuf *next, *prev;	/* in one queue at a time */
	uint8_t *head, *data, *tail, *end;	/* block, first byte, past the last byte, past the block */
	unsigned references;
	uint32_t truesize;		/* bytes charged to the owner */
	struct sock *owner;		/* charged socket, or NULL */
	uint32_t *charge;		/* the owner's account that truesize was added to */
	pl_time arrival;		/* when it came in from a link; 0: made here */
	struct link *link;		/* arrived on, or to leave on */
	int input_ifindex;		/* the link it arrived on; 0: made here */
	struct route *route;
	uint8_t *network, *transport;	/* header positions within the block, NULL before they are known */
	struct in_addr gateway;		/* next hop, network order */
	uint16_t gso_size, gso_segs;
	uint32_t mark, priority;
	uint8_t packet_type;		/* PACKET_HOST, PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST, PACKET_LOOPBACK */
	bool has_source_hwaddr;		/* it came in an Ethernet frame from source_hwaddr */
	uint8_t source_hwaddr[6];
	bool confirms;			/* whoever sends it knows that the neighbour hears this host */
	bool forwarded;			/* passing through this host */
	bool checksum_ok;		/* verified, or made here */
	bool checksum_in_software;	/* no device's to fill in (raw, UDP-Lite): checked even over the loopback */
	bool df_allowed_frag;		/* fragment although DF is set (IP_PMTUDISC_PROBE family's ignore_df) */
	uint32_t tailroom;		/* bytes that Linux could still append to this packet's head when merging packets */
	uint16_t frag_max_size;		/* reassembled: its largest fragment; 0: came whole */
	bool frag_df;			/* reassembled: a largest fragment had DF */
	uint16_t *pieces;		/* reassembled to be passed on: the lengths of its fragments' payloads, ended by 0; or NULL */
	uint16_t built_mtu;		/* made here, as fragments for this MTU, which a wider way does not join; 0: as one */
	struct conntrack *conntrack;	/* the connection that it is part of, as netfilter/ tracks them; held */
	uint8_t conntrack_info;		/* enum ip_conntrack_info; without a connection 0, or INFO_UNTRACKED */
	struct sock *assigned;		/* TPROXY gave it to this socket; held */
	struct sock *sender;		/* the socket that sent it, or NULL; held while the packet waits (sock_send_waits) */
	struct pktbuf *original;	/* what it is a copy of in the sender's queue, or NULL; held likewise */
	uint16_t waiting_copies;	/* of this one, below the socket that sent them */
	bool waits;
	struct ip_options_found options;
	union {				/* the protocol that holds the packet keeps its own state here */
		uint64_t align;
		uint8_t control[96];
	};
};

struct pktbuf_queue {
	struct pktbuf *first, *last;
	uint32_t count;
	uint32_t bytes;			/* sum of the lengths as they were queued: whoever changes a queued packet's length mends it */
};

static inline uint32_t pktbuf_length(const struct pktbuf *packet)
{
	return (uint32_t)(packet->tail - packet->data);
}

/* A buffer with `headroom` free bytes in front and `size` bytes behind; NULL: no memory. Counted in the stack's usage. */
struct pktbuf *pktbuf_new(struct pl_stack *stack, size_t headroom, size_t size);
struct pktbuf *pktbuf_copy(struct pl_stack *stack, const struct pktbuf *packet, size_t headroom);
struct pktbuf *pktbuf_hold(struct pktbuf *packet);
void pktbuf_free(struct pl_stack *stack, struct pktbuf *packet);	/* NULL too; gives back the owner's charge */

void pktbuf_orphan(struct pktbuf *packet);	/* give back the owner's charge now */

/* Make room for `length` bytes behind the data; the block may move, so no pointers into it may be kept. false: no memory. */
bool pktbuf_reserve(struct pl_stack *stack, struct pktbuf *packet, size_t length);
void *pktbuf_push(struct pktbuf *packet, size_t length);	/* extend at the front; asserts the room */
void *pktbuf_put(struct pktbuf *packet, size_t length);		/* extend at the back; asserts the room */
/* The checked accessor: `length` bytes at `offset` from data, or NULL when the packet is shorter. */
void *pktbuf_at(const struct pktbuf *packet, size_t offset, size_t length);
void pktbuf_pull(struct pktbuf *packet, size_t length);		/* drop from the front */
void pktbuf_trim(struct pktbuf *packet, size_t length);		/* keep the first length bytes */

void pktbuf_queue_push(struct pktbuf_queue *queue, struct pktbuf *packet);
void pktbuf_queue_insert_after(struct pktbuf_queue *queue, struct pktbuf *after, struct pktbuf *packet);	/* NULL: first */
void pktbuf_queue_remove(struct pktbuf_queue *queue, struct pktbuf *packet);
struct pktbuf *pktbuf_queue_pop(struct pktbuf_queue *queue);
void pktbuf_queue_purge(struct pl_stack *stack, struct pktbuf_queue *queue);

/* The accounting rules. */
/* A packet that a tun device hands in, or, with its Ethernet header, a tap device. */
uint32_t truesize_received(size_t length, bool ethernet);
uint32_t tailroom_received(size_t length, bool ethernet);
uint32_t truesize_linear(size_t length);		/* a packet built with alloc_skb(length) */
uint32_t truesize_tcp_data(uint32_t length);		/* a TCP send-queue buffer holding `length` bytes in page fragments */

/* The Internet checksum (RFC 1071) of the bytes, folded, not complemented; `sum` seeds it. Any alignment. */
uint32_t checksum_add(const void *bytes, size_t length, uint32_t sum);
uint16_t checksum_finish(uint32_t sum);
uint32_t checksum_pseudo(struct in_addr source, struct in_addr destination, uint8_t protocol, uint32_t length);

#endif
