/* What the files about resolved routes share. */
#ifndef REFSTACK_ROUTE_H
#define REFSTACK_ROUTE_H

#include "fib.h"

/* A route with one reference; NULL: no memory. */
struct route *route_make(struct pl_stack *stack, uint8_t type, struct link *link);
/* Gateway, metrics and path MTU as found; NULL: the next hop is the destination, which is set already. */
void route_set_nexthop(struct pl_stack *stack, struct route *route, const struct fib_result *found);
/* The source that the route found prefers. */
struct in_addr route_preferred_source(struct pl_stack *stack, const struct fib_result *found);

#endif
