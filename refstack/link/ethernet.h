/* Ethernet frames (RFC 894, RFC 1112 section 6.4). */
#ifndef REFSTACK_ETHERNET_H
#define REFSTACK_ETHERNET_H

#include <linux/if_ether.h>

#include "link.h"

extern const uint8_t ethernet_broadcast[ETH_ALEN];

static inline bool ethernet_is_group(const uint8_t hwaddr[ETH_ALEN])	/* multicast or broadcast */
{
	return hwaddr[0] & 1;
}

/* The hardware address that frames to an IPv4 group go to. */
void ethernet_map_multicast(struct in_addr group, uint8_t hwaddr[ETH_ALEN]);

/*
 * Send a packet (data at what the frame is to carry) to `destination` from the link's own address: counted, and dropped where
 * Linux drops (no carrier, a queue of no length). Consumes the packet. 0, or -ENOBUFS when the queue is full, -ENOMEM.
 */
int ethernet_send(struct pl_stack *stack, struct link *link, struct pktbuf *packet, uint16_t protocol,
		  const uint8_t destination[ETH_ALEN]);

#endif
