/* What IPv4 keeps for the whole stack. */
#ifndef REFSTACK_IP_HOST_H
#define REFSTACK_IP_HOST_H

#include "route.h"

/* Identifications of packets that belong to no connection: a counter for each of a number of groups of destinations. */
#define IP_ID_BUCKETS 2048

struct ip_host {
	uint8_t id_key[16];
	struct {
		uint16_t next;
		bool used;		/* it starts anywhere, when first needed */
		uint32_t jiffies;	/* when it was last used */
	} ids[IP_ID_BUCKETS];
	uint8_t multipath_key[16];	/* of the hash that chooses among next hops, unless it has a seed */
	struct fragment_queue *fragments;	/* reassemble.c */
	unsigned fragment_queues;
	uint64_t fragment_memory;		/* bytes they pin, as Linux counts */
	struct mroute *mroute;			/* multicast routing, as long as somebody does it */
};

void reassemble_free(struct pl_stack *stack);

#endif
