/* Routing tables: what `ip route` and `ip rule` show. Resolved routes are made of them in route.c and route_input.c. */
#ifndef REFSTACK_FIB_H
#define REFSTACK_FIB_H

#include "ip.h"

/* What is known of one destination beyond what its route says; exception.c. */
struct route_exception {
	struct route_exception *next;
	struct in_addr destination;
	struct in_addr gateway;		/* from a redirect; 0: none */
	uint32_t pmtu;			/* from "fragmentation needed"; 0: none */
	bool locked;			/* below min_pmtu: DF is no longer set */
	pl_time expires;
};

/* Of one next hop; routes that are equal but for their destinations share theirs, as they share Linux's fib_info. */
struct route_exceptions {
	unsigned references, count;
	struct route_exception *first;
};

/* A next hop of a route. Dead ones are skipped; a route all of whose next hops are dead is removed. */
struct fib_nexthop {
	struct link *link;		/* NULL for types that lead nowhere */
	struct in_addr gateway;
	struct in_addr source;		/* the address that packets over it have when nothing else says; of several next hops */
	uint8_t scope;			/* RT_SCOPE_*: how far the gateway is; NOWHERE for addresses of this host */
	bool on_link;			/* the gateway is taken to be on the link, whatever the addresses say */
	bool dead;			/* its link is down */
	unsigned weight;
	int32_t upper_bound;		/* of the hash values that choose it; -1: none do */
	struct route_exceptions *exceptions;
};

struct fib_entry {
	struct fib_entry *next;
	struct in_addr destination;
	uint8_t prefix_length, tos, type, scope, protocol;
	uint32_t table, priority;
	struct in_addr preferred_source;
	uint32_t metric[18];
	unsigned nexthops;		/* at least one */
	struct fib_nexthop nexthop[];
};

struct fib_rule {
	struct fib_rule *next;		/* by priority, then in the order added */
	struct pl_rule is;
};

struct fib {
	uint64_t generation;		/* moves with every change that may alter a resolved route */
	struct fib_entry *entries;	/* by table, longest prefix first, then TOS and priority */
	struct fib_rule *rules;
	bool custom_rules;		/* rules were changed: tables local and main are two from then on */
	bool custom_local_routes;	/* a local route was added by hand: the short way of source validation is closed */
};

/* What a lookup finds. */
struct fib_result {
	const struct fib_entry *entry;
	struct fib_nexthop *nexthop;	/* the first that fits; fib_select_path chooses among several */
};

/* ignore_routes_with_linkdown: is a next hop passed by because nobody is at the other end of its link? */
static inline bool fib_nexthop_ignored(const struct pl_stack *stack, const struct fib_nexthop *nexthop)
{
	return !nexthop->link->carrier && nexthop->scope != RT_SCOPE_NOWHERE &&
	       CONF_OR(stack, nexthop->link->ipv4, ignore_routes_with_linkdown);
}

/* The longest matching prefix for the flow, in the tables that the rules name. 0 and *found, or the route type's error. */
int fib_lookup(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found);
/* The same in one table. -EAGAIN: it says nothing. */
int fib_lookup_table(const struct pl_stack *stack, uint32_t table, const struct flow *flow, struct fib_result *found);
/* What table local alone says: until rules are changed it is one with table main. 0 or -errno. */
int fib_lookup_local(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found);
/* fib_lookup by the rules, in order; fib_rule.c. */
int fib_rules_lookup(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found);
int fib_rules_new(struct pl_stack *stack);	/* the first three; 0 or -ENOMEM */
void fib_rules_free(struct pl_stack *stack);
/* -errno that a route of this type gives whoever wants to use it, 0 for those that lead somewhere. */
int fib_type_error(uint8_t type);

/* Resolved routes made so far are to be looked up again. */
void fib_changed(struct pl_stack *stack);

/* The places of entries in their order; fib.c. */
int fib_entry_compare(const struct fib_entry *a, const struct fib_entry *b);
struct fib_entry *fib_entry_new(unsigned nexthops);	/* NULL: no memory */
void fib_entry_free(struct fib_entry *entry);
void fib_entry_insert(struct pl_stack *stack, struct fib_entry *entry);	/* behind those equal to it */
void fib_entry_remove(struct pl_stack *stack, struct fib_entry **place);

/* The routes that an address brings: its own, its prefix's, its broadcast addresses'; fib_address.c. */
void fib_add_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *ifa);
void fib_delete_address(struct pl_stack *stack, struct in_device *device, const struct inet_address *ifa);
void fib_link_up(struct pl_stack *stack, struct link *link);	/* next hops over it live again, where others kept the route */
void fib_link_down(struct pl_stack *stack, struct link *link);	/* all its routes but those of its addresses */
void fib_carrier_changed(struct pl_stack *stack, struct link *link);
void fib_link_gone(struct pl_stack *stack, struct link *link);	/* all its routes */

/* Among several next hops choose as fib_multipath_hash_policy says; multipath.c. */
void fib_select_path(struct pl_stack *stack, const struct flow *flow, struct fib_result *result);
/* A next hop died or lives again: share the hash values out anew. */
void fib_rebalance(const struct pl_stack *stack, struct fib_entry *entry);

/* The exception for a destination that is still believed, or NULL; exception.c. */
const struct route_exception *exception_find(struct pl_stack *stack, struct fib_nexthop *nexthop, struct in_addr destination);
void exceptions_share(const struct pl_stack *stack, struct fib_entry *entry);	/* an entry that is about to be in its table */
void exceptions_put(struct fib_nexthop *nexthop);
bool fib_same_route(const struct fib_entry *a, const struct fib_entry *b);	/* but for destination and TOS; fib_change.c */

#endif
