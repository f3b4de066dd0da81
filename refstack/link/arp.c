/* ARP, RFC 826. */
#include "arp.h"

void arp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	pktbuf_free(stack, packet);
}
