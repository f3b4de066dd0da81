/* ICMP, as its files share it. */
#ifndef REFSTACK_IP_ICMP_H
#define REFSTACK_IP_ICMP_H

#include "ip.h"

/* The rate limits and what is remembered of other hosts for their sake. */
struct icmp_peer {
	struct icmp_peer *next;
	struct in_addr address;
	uint32_t tokens, last;			/* of icmp_ratelimit and of error_cost, in jiffies */
	uint32_t used;				/* when it was last asked for, in jiffies */
	uint32_t redirects;			/* sent to it */
	uint32_t fragments;			/* received from it */
};
struct icmp_host {
	struct icmp_peer *peers;
	unsigned peer_count;
	int32_t credit;				/* messages that may go out now, all destinations together */
	uint32_t credit_stamp;			/* jiffies */
};

void icmp_count_in(struct pl_stack *stack, uint8_t type);
void icmp_count_out(struct pl_stack *stack, uint8_t type);
bool icmp_type_is_error(uint8_t type);

/* The three questions before sending, in this order; icmp_limit.c. `limited` carries from the second to the third. */
bool icmp_global_allows(struct pl_stack *stack, uint8_t type, uint8_t code, bool *limited);
bool icmp_peer_allows(struct pl_stack *stack, const struct route *route, struct in_addr destination, bool limited);
struct icmp_peer *icmp_peer_find(struct pl_stack *stack, struct in_addr address);
bool icmp_peer_spend(struct pl_stack *stack, struct icmp_peer *peer, uint32_t cost, uint32_t burst);

#define ICMP_TYPE_MAX 18	/* address mask reply: what lies above is unknown to a host */
#define ICMP_HEADER 8u

#endif
