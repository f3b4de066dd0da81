/*
 * Multicast routing: what this host as a router does with packets to groups.
 *
 * A raw socket of IGMP is the routing daemon's: by its options (MRT_*, linux/mroute.h) it names the links that take part (vifs) and says
 * from where a source's packets to a group come and over which of them they go on. Of a packet for which nothing is said it is told
 * by a message on that socket; the packet waits for the answer.
 */
#ifndef REFSTACK_IP_MROUTE_H
#define REFSTACK_IP_MROUTE_H

#include "ip.h"

#include <linux/mroute.h>

/* The MRT_* options, names from MRT_BASE to MRT_MAX. Errors as Linux gives them. */
static inline bool mroute_is_option(int name)
{
	return name >= MRT_BASE && name <= MRT_MAX;
}
int64_t mroute_setsockopt(struct sock *sk, int name, const void *value, socklen_t length);
int64_t mroute_getsockopt(struct sock *sk, int name, void *value, socklen_t *length);
void mroute_socket_gone(struct sock *sk);	/* it is closed: with the daemon goes all that it said */
void mroute_link_gone(struct pl_stack *stack, const struct link *link);
void mroute_free(struct pl_stack *stack);

/* Are packets to that group which the device gets or sends routed? */
bool mroute_routes(const struct pl_stack *stack, const struct in_device *device, struct in_addr group);
/* A packet to a group has come in, from another host or looped back from this one. Consumes it. */
void mroute_receive(struct pl_stack *stack, struct pktbuf *packet);

#endif
