/* ICMP that is sent. */
#ifndef REFSTACK_IP_ICMP_SEND_H
#define REFSTACK_IP_ICMP_SEND_H

#include "ip.h"

struct icmphdr;

/* Answer `packet` (a request): header (checksum ignored) and data go back to its sender, within the rate limits. */
void icmp_send_reply(struct pl_stack *stack, struct pktbuf *packet, const struct icmphdr *header, const void *data,
		     size_t length);

#endif
