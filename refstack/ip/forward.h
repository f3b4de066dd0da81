/* Packets that pass through this host. */
#ifndef REFSTACK_IP_FORWARD_H
#define REFSTACK_IP_FORWARD_H

#include "ip.h"

/* Forward a packet by packet->route, or answer with the ICMP error that tells why not. Consumes it. */
void ip_forward(struct pl_stack *stack, struct pktbuf *packet);
void ip_decrement_ttl(struct iphdr *ip);	/* and the checksum */

#endif
