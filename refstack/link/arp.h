/* ARP, RFC 826. */
#ifndef REFSTACK_ARP_H
#define REFSTACK_ARP_H

#include "link.h"

/* An ARP packet (data at its header) has come in on packet->link. Consumes it. */
void arp_receive(struct pl_stack *stack, struct pktbuf *packet);

#endif
