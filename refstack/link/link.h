/* Links inside the stack. */
#ifndef REFSTACK_LINK_H
#define REFSTACK_LINK_H

#include <net/if.h>

#include "../internal.h"

struct in_device;	/* IPv4's side of a link: addresses, multicast, conf/IF, neigh/IF; ip/device.c */

struct link {
	struct link *next;
	int ifindex;
	char name[IFNAMSIZ];
	enum pl_link_kind kind;
	unsigned flags;		/* IFF_* */
	unsigned mtu, txqueuelen, queue_limit;
	bool gso;
	uint8_t hwaddr[6];
	void (*output)(void *context, const struct pl_frame *frame);
	void *context;
	struct in_device *ipv4;
	uint64_t rx_packets, rx_bytes, rx_dropped, rx_errors, tx_packets, tx_bytes, tx_dropped, tx_errors, multicast;
};

struct link *link_by_index(const struct pl_stack *stack, int ifindex);
struct link *link_by_name(const struct pl_stack *stack, const char *name);

/*
 * Send an IP packet (data at its IP header) out of packet->link to packet->gateway. Consumes the packet.
 * 0, or -ENOBUFS when the queue is full and -ENETDOWN when the link is down (the packet is dropped and counted).
 */
int link_send(struct pl_stack *stack, struct pktbuf *packet);

#endif
