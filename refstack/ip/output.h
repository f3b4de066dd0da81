/* Output, as the files of the IP layer see it. */
#ifndef REFSTACK_IP_OUTPUT_H
#define REFSTACK_IP_OUTPUT_H

#include "ip.h"

/* Send a packet whose header is complete, by packet->route. Consumes it. 0 or -errno as link_send and fragmentation have it. */
int ip_output(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk);
/* The same for one that this host made: the filter's output rules see it first. -EPERM: they dropped it. */
int ip_local_out(struct pl_stack *stack, struct pktbuf *packet, struct sock *sk);

#endif
