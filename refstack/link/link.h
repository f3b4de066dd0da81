/* Links inside the stack. */
#ifndef REFSTACK_LINK_H
#define REFSTACK_LINK_H

#include <net/if.h>

#include "../internal.h"

struct in_device;	/* IPv4's side of a link: addresses, multicast, conf/IF, neigh/IF; ip/device.c */
struct link;

/* What the kinds of link differ in: a row each in link.c. */
struct link_kind {
	const char *name;
	unsigned mtu, txqueuelen, flags;	/* defaults; IFF_* besides IFF_UP and IFF_RUNNING */
	unsigned hardware_type;			/* ARPHRD_* */
	unsigned header_length;			/* bytes in front of the IP header */
	unsigned max_mtu, min_mtu;
	/* Put an IP packet, its counters taken, on the wire. Consumes it. */
	void (*transmit)(struct pl_stack *stack, struct link *link, struct pktbuf *packet);
	/* Bytes have come in, data at their first: IP packets go to ip_receive. Consumes them. 0, or -EINVAL: not a packet. */
	int (*receive)(struct pl_stack *stack, struct link *link, struct pktbuf *packet);
};

struct link {
	struct link *next;
	int ifindex;
	char name[IFNAMSIZ];
	enum pl_link_kind kind;
	const struct link_kind *ops;
	unsigned flags;		/* IFF_* */
	unsigned mtu, txqueuelen, queue_limit;
	bool gso, carrier;
	uint8_t hwaddr[6];
	uint8_t broadcast[6];	/* where frames to everybody go; SIOCSIFHWBROADCAST */
	void (*output)(void *context, const struct pl_frame *frame);
	void *context;
	struct in_device *ipv4;
	unsigned references;	/* routes that lead over it; a deleted link is freed with the last of them */
	bool deleted;
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors, tx_packets, tx_bytes, tx_dropped, tx_errors, multicast;
};

struct link *link_by_index(const struct pl_stack *stack, int ifindex);
struct link *link_by_name(const struct pl_stack *stack, const char *name);

/* `name` with `rest` behind it, as much as fits, into the IFNAMSIZ bytes of `to`, the rest of which are 0. */
void link_name_join(char *to, const char *name, const char *rest);
void link_put(struct link *link);	/* a route gives up its reference */
static inline struct link *link_loopback(const struct pl_stack *stack)
{
	return stack->links;	/* the first link of every stack, and it cannot be deleted */
}
static inline bool link_is_up(const struct link *link)
{
	return link->flags & IFF_UP;
}

/*
 * Send an IP packet (data at its IP header) out of packet->link to packet->gateway. Consumes the packet.
 * 0, also when the link is down, or -ENOBUFS when the queue is full: the packet is dropped and counted.
 */
int link_send(struct pl_stack *stack, struct pktbuf *packet);

/*
 * The same past the neighbours: through the queue and out, with `header` (the kind's header_length bytes; NULL: none) in front.
 * What a link without a carrier is given is dropped and counted, and the result is 0.
 */
int link_transmit(struct pl_stack *stack, struct pktbuf *packet, const void *header);

/* link_kind.receive of Ethernet links. */
int ethernet_receive(struct pl_stack *stack, struct link *link, struct pktbuf *packet);

/*
 * A packet (data at its IP header) that this host sends to itself arrives over `link` at the next stack_softirq. It keeps the
 * route that it was sent by: its source is an address of this host, which no route for a packet from outside would allow.
 * Consumes it.
 */
void link_loop_back(struct pl_stack *stack, struct link *link, struct pktbuf *packet);

/*
 * Cut a large TCP packet into those that fit gso_size, as software segmentation does. Consumes it; the pieces are appended to
 * `pieces`. A packet whose header makes no sense, or that no memory is there for, is dropped.
 */
void link_segment(struct pl_stack *stack, struct pktbuf *packet, struct pktbuf_queue *pieces);

#endif
