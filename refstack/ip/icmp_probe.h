/* Extended echo, RFC 8335. */
#ifndef REFSTACK_IP_ICMP_PROBE_H
#define REFSTACK_IP_ICMP_PROBE_H

#include "ip.h"

/*
 * Turn the header of an extended echo request, with `length` bytes behind it, into that of the reply. False: it is not answered,
 * because icmp_echo_enable_probe forbids it or it asks about another node's interface.
 */
bool icmp_probe_answer(struct pl_stack *stack, struct icmphdr *header, const uint8_t *data, size_t length);

#endif
