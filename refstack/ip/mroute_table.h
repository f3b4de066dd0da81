/* What the routing daemon has said; between mroute.c and mroute_packet.c. */
#ifndef REFSTACK_IP_MROUTE_TABLE_H
#define REFSTACK_IP_MROUTE_TABLE_H

#include "mroute.h"

#define VIF_STATIC 0x8000u		/* as ip_mr_vif shows those that somebody else than the daemon added */

struct vif {				/* a link that takes part */
	int ifindex;			/* 0: none */
	uint8_t flags, threshold;
	bool fixed;			/* not the daemon's own: stays when its are flushed */
	struct in_addr local, remote;
	uint64_t bytes_in, packets_in, bytes_out, packets_out;
};

struct mfc {				/* a source and a group; either may be any */
	struct mfc *next;
	struct in_addr origin, group;
	bool resolved, fixed;
	uint16_t parent;		/* the vif that packets have to come by */
	uint8_t ttl[MAXVIFS];		/* packets with more than that go on over the vif; 255: none does */
	uint64_t packets, bytes, wrong;
	pl_time asserted;		/* when the daemon was last told of a wrong vif */
	bool was_asserted;
	struct pktbuf_queue waiting;	/* not resolved: what came meanwhile */
	struct pl_timer expires;
};

struct mroute {
	struct sock *sk;
	struct vif vif[MAXVIFS];
	struct mfc *entries;
	bool asserts, pim;
};

/* The vif of a link, the highest of several, and its number; NULL: the link takes no part. */
struct vif *mroute_vif_of(struct mroute *mroute, const struct link *link, int *number);
struct mfc *mroute_find(struct mroute *mroute, struct in_addr origin, struct in_addr group, bool resolved);
/* What the daemon has said goes behind all else, what it is asked before. NULL: no memory. */
struct mfc *mroute_entry_new(struct mroute *mroute, struct in_addr origin, struct in_addr group, bool resolved);
void mroute_resolve(struct pl_stack *stack, struct mfc *entry, struct pktbuf_queue *waiting);	/* what waited goes on */

#endif
