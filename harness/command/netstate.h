/*
 * What `ip`, `tc` and `ethtool` have set in a network namespace, read over netlink, and carried over to a reference stack.
 *
 * A command runs among links that mirror the stack's. The state before it and the state after it are compared; what it added,
 * removed or changed is done to the stack in the same words.
 */
#ifndef HARNESS_NETSTATE_H
#define HARNESS_NETSTATE_H

#include <net/if.h>
#include <plumbline/link.h>
#include <plumbline/stack.h>
#include <stdbool.h>

#define NETSTATE_LINKS 16
#define NETSTATE_ENTRIES 64
#define NETSTATE_NEIGHBOURS 512

struct netstate_link {
	int ifindex;			/* in the namespace */
	char name[IFNAMSIZ];
	unsigned mtu, txqueuelen, queue_limit;
	uint8_t hwaddr[6];
	bool up, gso, arp, carrier;
	bool limited;			/* a pfifo with queue_limit stands in front of it */
};
struct netstate_address {
	int ifindex;
	struct pl_address address;
};
struct netstate {
	struct netstate_link link[NETSTATE_LINKS];
	struct netstate_address address[NETSTATE_ENTRIES];
	struct pl_route route[NETSTATE_ENTRIES];	/* ifindex: in the namespace */
	struct pl_neighbour neighbour[NETSTATE_NEIGHBOURS];	/* so does ifindex here */
	struct pl_rule rule[NETSTATE_ENTRIES];
	unsigned links, addresses, routes, neighbours, rules;
	const char *foreign;		/* what there is and the stack cannot have, static text; NULL: nothing */
};

/* Between netstate.c and netstate_route.c: a dump being read. */
struct nlattr;
struct nlmsghdr;
struct netstate_reading {
	struct netstate *state;
	bool full;			/* more than a netstate holds */
};
uint32_t netstate_u32(const struct nlattr *attribute);	/* 0 for one that is too short */
int netstate_read_route(const struct nlmsghdr *message, void *reading);
int netstate_read_rule(const struct nlmsghdr *message, void *reading);

/*
 * Let the namespace's links promote secondary addresses where the stack's do: what becomes of a link's addresses when one is deleted
 * there is carried over afterwards. Neither the tree, which stands over the namespace's own files, nor `sysctl` reaches them.
 */
void netstate_show_conf(struct pl_stack *stack);

/*
 * Make the stack's neighbours those of the namespace's links, so that `ip neighbour` shows, changes and deletes what the stack knows.
 * What netlink refuses is left out.
 */
void netstate_show_neighbours(const struct pl_stack *stack);

/*
 * Read the state of the network namespace this process is in. false with *error (static text) when netlink refuses, or when
 * there is more than a netstate holds.
 */
bool netstate_read(struct netstate *state, const char **error);

/*
 * What happens to links while a command runs, in order: a link that goes down and comes up again has lost its neighbours, and its
 * states before and after do not show it. open: NULL when netlink refuses, which the other functions take. apply: does it to the stack, and
 * brings state->link up to date.
 */
struct mnl_socket;
struct mnl_socket *netstate_watch_open(void);
void netstate_watch_apply(struct mnl_socket *watch, struct pl_stack *stack, struct netstate *state);
void netstate_watch_close(struct mnl_socket *watch);

/*
 * Do to the stack what leads from `before` to `after`. Links are matched by name; those the stack does not have are passed by.
 * NULL, or what the stack does not take, static text: the rest is done all the same.
 */
const char *netstate_apply(struct pl_stack *stack, const struct netstate *before, const struct netstate *after);

#endif
