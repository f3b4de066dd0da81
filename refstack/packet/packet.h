/* Packet sockets by their old name, socket(AF_INET, SOCK_PACKET, protocol): whole frames, links by name (ip(7), packet(7)). */
#ifndef REFSTACK_PACKET_H
#define REFSTACK_PACKET_H

#include "../socket/datagram.h"

extern const struct proto packet_proto;

/*
 * A frame has come in over the link, or is about to leave: a copy for each packet socket that wants such. Those of one protocol see
 * what comes in only. The packet's data begins at the link's own header.
 */
void packet_tap(struct pl_stack *stack, const struct link *link, const struct pktbuf *packet, bool leaving);

#endif
