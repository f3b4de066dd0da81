/* Between the two files of flows: which packets are a flow's, and what it makes of their numbers. */
#ifndef HARNESS_ENGINE_FLOWS_H
#define HARNESS_ENGINE_FLOWS_H

#include "run.h"

/* Where a packet comes from and goes to, as far as it says; zeros for the rest. As seen by the sender. */
struct tuple {
	struct in_addr source, destination;
	uint16_t source_port, destination_port;
};
struct tuple packet_tuple(const struct packet *packet);
/* The flow that has the ports and addresses that the packet gives, or NULL. */
struct flow *flow_named(const struct run *run, const struct tuple *tuple, int protocol, bool inbound);
/* The fields that hold a transport's ports. False: it has none. */
bool flow_port_fields(const struct layer *layer, enum wire_field *source, enum wire_field *destination);
/* The port that the stack has given to the flow's socket; 0: none, or it does not tell. */
uint16_t flow_socket_port(struct run *run, const struct flow *flow);
unsigned packet_tcp_flags(const struct packet *packet);		/* WIRE_SYN, ...; 0: it is no TCP segment */

#endif
