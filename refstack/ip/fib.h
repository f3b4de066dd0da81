/* Routing tables: what `ip route` shows. Resolved routes are made of them in route.c and route_input.c. */
#ifndef REFSTACK_FIB_H
#define REFSTACK_FIB_H


#include "ip.h"

/* A next hop of a route. Dead ones are skipped; a route all of whose next hops are dead is removed. */
struct fib_nexthop {
	struct link *link;		/* NULL for types that lead nowhere */
	struct in_addr gateway;
	uint8_t scope;			/* RT_SCOPE_*: how far the gateway is; NOWHERE for addresses of this host */
	bool on_link;			/* the gateway is taken to be on the link, whatever the addresses say */
};

struct fib_entry {
	struct fib_entry *next;
	struct in_addr destination;
	uint8_t prefix_length, tos, type, scope, protocol;
	uint32_t table, priority;
	struct in_addr preferred_source;
	uint32_t metric[18];
	struct fib_nexthop nexthop;
};

struct fib {
	uint64_t generation;		/* moves with every change that may alter a resolved route */
	struct fib_entry *entries;	/* by table, longest prefix first, then TOS and priority */
	bool custom_local_routes;	/* a local route was added by hand: the short way of source validation is closed */
};

/* The longest matching prefix for the flow over the tables local, main and default. 0 and *found, or the route type's error. */
int fib_lookup(const struct pl_stack *stack, const struct flow *flow, const struct fib_entry **found);

/* Resolved routes made so far are to be looked up again. */
void fib_changed(struct pl_stack *stack);

/* The routes that an address brings: its own, its prefix's, its broadcast addresses'. */
void fib_add_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *ifa);
void fib_delete_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *ifa);
void fib_link_down(struct pl_stack *stack, struct link *link);	/* all its routes but those of its addresses */
void fib_link_gone(struct pl_stack *stack, struct link *link);	/* all its routes */

#endif
