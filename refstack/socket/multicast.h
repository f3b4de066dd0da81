/* Which multicast groups a socket is in, and from which senders it takes them. */
#ifndef REFSTACK_MULTICAST_H
#define REFSTACK_MULTICAST_H

#include "../ip/ip.h"
#include "file.h"

/* One membership: ip_mc_socklist. Sources are in the order in which they were added. */
struct ip_memberships {
	struct ip_memberships *next;
	struct in_addr group, local;	/* local: the address that named the link, if one did */
	int ifindex;
	bool exclude;			/* MCAST_EXCLUDE: all senders but the sources */
	bool filtered;			/* there is a list of sources, be it empty */
	uint32_t count;
	struct in_addr *source;
};

/* Join, leave; `exclude` is the filter mode that the membership starts with. 0 or minus the kernel's error. */
int64_t multicast_join(struct sock *sk, struct ip_mreqn *request, bool exclude);
int64_t multicast_leave(struct sock *sk, struct ip_mreqn *request);
/* Add or take away one source, in the mode to which the call belongs. */
int64_t multicast_source(struct sock *sk, struct in_addr group, struct in_addr local, int ifindex, struct in_addr source,
			 bool exclude, bool add);
/* Replace the whole filter. */
int64_t multicast_filter_set(struct sock *sk, struct ip_mreqn *request, bool exclude, const struct in_addr *source,
			     uint32_t count);
/*
 * The membership that the request names: find_link: whose link may be named by an address, or be the route's; otherwise by its
 * index alone, whether there is such a link or not. NULL, and *error says why.
 */
const struct ip_memberships *multicast_filter(struct sock *sk, struct ip_mreqn *request, bool find_link, int64_t *error);
void multicast_leave_all(struct sock *sk);

/* Would sk take a packet to `group` from `source` that came in on link ifindex? True for addresses that are not multicast. */
bool multicast_allowed(const struct sock *sk, struct in_addr group, struct in_addr source, int ifindex);

/* setsockopt and getsockopt of the options that are about groups; -ENOPROTOOPT: not one of them. */
int64_t multicast_setsockopt(struct sock *sk, int name, const void *value, socklen_t length);
int64_t multicast_getsockopt(struct sock *sk, int name, void *value, socklen_t *length);

#endif
