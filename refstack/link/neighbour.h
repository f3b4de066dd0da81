/* Neighbours: which hardware address an IPv4 address has on an Ethernet link, and how sure the host is of it. */
#ifndef REFSTACK_NEIGHBOUR_H
#define REFSTACK_NEIGHBOUR_H

#include <linux/if_ether.h>
#include <linux/neighbour.h>

#include "link.h"

/* States by what may be done in them. */
#define NUD_CONNECTED (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE)	/* send without a thought */
#define NUD_VALID (NUD_CONNECTED | NUD_PROBE | NUD_STALE | NUD_DELAY)	/* the hardware address may be used */
#define NUD_TIMED (NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE)	/* the timer will change them */

struct neighbour {
	struct neighbour *chain;		/* of the same bucket */
	struct neighbour *older, *newer;	/* in the order of making */
	struct link *link;
	struct in_addr address;
	uint8_t hwaddr[ETH_ALEN];
	uint8_t state;				/* one of NUD_*, 0: nothing is known and nobody asked */
	uint8_t flags;				/* NTF_ROUTER, NTF_EXT_LEARNED */
	bool managed;				/* NTF_EXT_MANAGED: asked for even when nobody sends */
	bool kept;				/* neither counted by the thresholds nor collected */
	bool header_cached;			/* a packet was sent: from now on sending does not count as use while connected */
	unsigned probes, held;			/* held: somebody is at work on it, do not free */
	pl_time used, confirmed, updated;
	struct pl_timer timer;
	struct pktbuf_queue queue;		/* packets waiting for the hardware address */
	uint32_t queue_truesize;
};

/* Somebody else's address that this host answers ARP requests for. */
struct neighbour_proxy {
	struct neighbour_proxy *next;
	struct link *link;			/* NULL: on any */
	struct in_addr address;
	uint8_t flags;
};

#define NEIGHBOUR_BUCKETS 64

struct neighbour_table {
	struct neighbour *bucket[NEIGHBOUR_BUCKETS];
	struct neighbour *oldest, *newest;
	unsigned count, collectable;
	struct neighbour_proxy *proxies;	/* the one made last first */
	struct pl_timer cleaning, managing;
	pl_time last_flush, last_random;
	struct pktbuf_queue delayed;		/* ARP requests that proxy answers are put off for */
	struct pl_timer delayed_timer;
	struct {				/* /proc/net/stat/arp_cache */
		uint64_t allocs, destroys, hash_grows, lookups, hits, res_failed, periodic_gc_runs, forced_gc_runs,
			unresolved_discards, table_fulls;
	} stat;
};

/* --- the table (neighbour.c) -------------------------------------------------------------------------------------- */
struct neighbour *neighbour_find(const struct pl_stack *stack, const struct link *link, struct in_addr address);
/* Find or make; NULL: the table is full. kept: as in struct neighbour, for a new one. */
struct neighbour *neighbour_get(struct pl_stack *stack, struct link *link, struct in_addr address, bool kept);
void neighbour_queues_drop(struct pl_stack *stack);				/* of all of them */
void neighbour_remove(struct pl_stack *stack, struct neighbour *neighbour);
/* permanent ones and those learnt elsewhere are not counted: the state or the flags have changed */
void neighbour_recount(struct pl_stack *stack, struct neighbour *neighbour);
/* What is known of the hosts on that link no longer holds. keep_permanent: but for what somebody set by hand. */
void neighbours_forget(struct pl_stack *stack, struct link *link, bool keep_permanent);
/* The socket goes: packets of its that wait for neighbours are nobody's from now on. */
void neighbours_disown(struct pl_stack *stack, struct sock *sk);
/* The link is down or has lost its last address: its proxy entries and what waits for them go too. */
void neighbour_link_down(struct pl_stack *stack, struct link *link, bool keep_permanent);
/* The link's reachable time anew: between half and one and a half of base_reachable_time. */
void neighbour_reachable_time(struct pl_stack *stack, struct in_device *device);
struct neighbour_proxy *neighbour_proxy_find(const struct pl_stack *stack, const struct link *link, struct in_addr address);

/* --- states (neighbour_state.c) ----------------------------------------------------------------------------------- */
/* Send an IP packet to packet->gateway over packet->link, now or when the neighbour is known. Consumes it. As link_send. */
int neighbour_output(struct pl_stack *stack, struct pktbuf *packet);
/* The neighbour that the route leads to is known to hear this host. */
void neighbour_confirm_route(struct pl_stack *stack, const struct route *route);
/*
 * Does the neighbour not refuse to answer, as far as is known (fib_multipath_use_neigh)? neighbour_ready: is its hardware address
 * known, or not needed on the link? If it is not, it is asked for.
 */
bool neighbour_good(struct pl_stack *stack, struct link *link, struct in_addr address);
bool neighbour_ready(struct pl_stack *stack, struct link *link, struct in_addr address);
/* Somebody needs the neighbour: ask if nothing is known, doubt what is stale. at_once: the first question leaves now. */
void neighbour_use(struct pl_stack *stack, struct neighbour *neighbour, bool at_once);

void neighbour_drop_waiting(struct pl_stack *stack, struct neighbour *neighbour);
unsigned neighbour_arp_flags(const struct neighbour *neighbour);	/* ATF_* of arp(7) */

/* News of a neighbour; hwaddr NULL: none. 0; -EPERM: not by this way; -EINVAL: no hardware address, and none known. */
enum {
	NEIGHBOUR_OVERRIDE = 1,			/* another hardware address may take the place of one known */
	NEIGHBOUR_ADMIN = 2,			/* by hand: also permanent entries, also to states that make them worse */
	NEIGHBOUR_USE = 4,			/* only to be used: what is known stays, but is no longer permanent */
};
int neighbour_update(struct pl_stack *stack, struct neighbour *neighbour, const uint8_t *hwaddr, uint8_t state, unsigned flags);
void neighbour_timer(struct pl_stack *stack, struct pl_timer *timer);
void neighbours_manage(struct pl_stack *stack, struct pl_timer *timer);

#endif
