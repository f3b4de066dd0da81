/* Address translation: choosing it (nat.c) and doing it to a packet (nat_packet.c). */
#ifndef REFSTACK_NETFILTER_NAT_H
#define REFSTACK_NETFILTER_NAT_H

#include "conntrack.h"

enum manipulation { MANIP_SOURCE, MANIP_DESTINATION };
static inline enum manipulation hook_manipulation(unsigned hook)
{
	return hook == NF_INET_POST_ROUTING || hook == NF_INET_LOCAL_IN ? MANIP_SOURCE : MANIP_DESTINATION;
}

/* Choose the translation of a new connection; nothing when it is confirmed. The range is that of the rule's target. */
enum nf_verdict nat_setup(struct pl_stack *stack, struct conntrack *conntrack, const struct nf_nat_range2 *range,
			  enum manipulation manipulation);

/* The nat hook: the table for the first packet of a connection, then the translation of this one. */
enum nf_verdict nat_hook(struct pl_stack *stack, struct pktbuf *packet, const struct nf_place *place, int *error);

/*
 * Make the headers at `offset` (from data) say the target tuple's source or destination; checksums are mended by what changed
 * (RFC 1624). The packet may end behind the ports, as quoted ones do. False: there is less than that.
 */
bool nat_change_packet(struct pktbuf *packet, size_t offset, const struct tuple *target, enum manipulation manipulation);

/* An ICMP error and the packet that it quotes, as their connection is translated. False: it is to be dropped. */
bool nat_change_icmp_error(struct pl_stack *stack, struct pktbuf *packet, struct conntrack *conntrack,
			   enum ip_conntrack_info info, unsigned hook);

#endif
