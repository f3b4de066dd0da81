/* Neighbours: which hardware address an IPv4 address has on an Ethernet link, and how sure the host is of it. */
#ifndef REFSTACK_NEIGHBOUR_H
#define REFSTACK_NEIGHBOUR_H

#include "link.h"

/* Send an IP packet to packet->gateway over packet->link, now or when the neighbour is known. Consumes it. As link_send. */
int neighbour_output(struct pl_stack *stack, struct pktbuf *packet);

/*
 * Does the neighbour not refuse to answer, as far as is known (fib_multipath_use_neigh)? neighbour_ready: is its hardware address
 * known, or not needed on the link? If it is not, it is asked for.
 */
bool neighbour_good(struct pl_stack *stack, struct link *link, struct in_addr address);
bool neighbour_ready(struct pl_stack *stack, struct link *link, struct in_addr address);

/* What is known of the hosts on that link no longer holds. keep_permanent: but for what somebody set by hand. */
void neighbours_forget(struct pl_stack *stack, struct link *link, bool keep_permanent);

#endif
