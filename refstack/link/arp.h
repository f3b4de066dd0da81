/* ARP, RFC 826. */
#ifndef REFSTACK_ARP_H
#define REFSTACK_ARP_H

#include <linux/if_ether.h>

#include "neighbour.h"

struct arp_packet {		/* for Ethernet and IPv4, as it lies in a frame */
	uint16_t hardware, protocol;
	uint8_t hardware_length, protocol_length;
	uint16_t operation;
	uint8_t sender_hwaddr[ETH_ALEN], sender[4], target_hwaddr[ETH_ALEN], target[4];
};

/* An ARP packet (data at its header) has come in on packet->link. Consumes it. */
void arp_receive(struct pl_stack *stack, struct pktbuf *packet);

/* The next question about a neighbour, by its count of them. packet: one that waits for the answer, or NULL. */
void arp_solicit(struct pl_stack *stack, struct neighbour *neighbour, const struct pktbuf *packet);

/* Tell everybody on the link its addresses. */
void arp_announce(struct pl_stack *stack, struct link *link);

/*
 * Send an ARP packet. destination: of the frame, NULL: everybody; target_hwaddr NULL: zeros. Nothing is sent on a link
 * without ARP.
 */
void arp_send(struct pl_stack *stack, struct link *link, uint16_t operation, struct in_addr sender, struct in_addr target,
	      const uint8_t *destination, const uint8_t *target_hwaddr);

/* --- answers for others, put off (arp_proxy.c) ---------------------------------------------------------------------- */
/* Does this host answer for `target`, which `route` leads to? */
bool arp_is_proxy(struct pl_stack *stack, struct link *link, const struct route *route, struct in_addr sender,
		  struct in_addr target);
/* Deal with the request again within the link's proxy_delay. Consumes it. */
void arp_delay(struct pl_stack *stack, struct pktbuf *packet);
void arp_delayed_due(struct pl_stack *stack, struct pl_timer *timer);
void arp_delayed_drop(struct pl_stack *stack, const struct link *link);	/* requests that came on link, NULL: on any */
/* A request whose wait is over. Consumes it. */
void arp_process_delayed(struct pl_stack *stack, struct pktbuf *packet);

#endif
