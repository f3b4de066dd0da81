/* Neighbours: which hardware address an IPv4 address has on an Ethernet link, and how sure the host is of it. */
#ifndef REFSTACK_NEIGHBOUR_H
#define REFSTACK_NEIGHBOUR_H

#include "link.h"

/* Send an IP packet to packet->gateway over packet->link, now or when the neighbour is known. Consumes it. As link_send. */
int neighbour_output(struct pl_stack *stack, struct pktbuf *packet);

/* What is known of the hosts on that link no longer holds. keep_permanent: but for what somebody set by hand. */
void neighbours_forget(struct pl_stack *stack, struct link *link, bool keep_permanent);

#endif
