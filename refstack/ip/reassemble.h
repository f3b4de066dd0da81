/* Fragments put together again. */
#ifndef REFSTACK_IP_REASSEMBLE_H
#define REFSTACK_IP_REASSEMBLE_H

#include "ip.h"

/* Who asks: fragments collected for different reasons are never mixed. */
enum reassemble_user { REASSEMBLE_LOCAL, REASSEMBLE_ROUTER_ALERT, REASSEMBLE_CONNTRACK_IN, REASSEMBLE_CONNTRACK_OUT };

/* Takes a fragment over. The whole packet when this completes one, else NULL. */
struct pktbuf *reassemble(struct pl_stack *stack, struct pktbuf *packet, enum reassemble_user user);

#endif
