/*
 * Memberships of multicast groups (RFC 3376 section 3.1, ip(7)): per socket a list of (group, link) with a filter mode and a
 * list of sources. Each link is told of them, and makes its own filter of all (ip/group.c).
 */
#include "multicast.h"

#include "../ip/igmp.h"

#include <stdlib.h>

/* The link that a request names: by index, by a local address, or where the route to the group leads. Fills imr_ifindex. */
static struct link *request_link(struct pl_stack *stack, struct ip_mreqn *request)
{
	struct link *link = NULL;

	if (request->imr_ifindex)
		return link_by_index(stack, request->imr_ifindex);
	if (request->imr_address.s_addr) {
		link = local_address_link(stack, request->imr_address);
	} else {
		struct flow flow = { .destination = request->imr_multiaddr };
		struct route *route = NULL;

		if (route_output(stack, &flow, &route) == 0) {
			link = route->link;
			route_put(stack, route);
		}
	}
	if (link)
		request->imr_ifindex = link->ifindex;
	return link;
}

/* The groups of the link of a membership; NULL: it is gone. */
static struct mc_device *device_of(const struct pl_stack *stack, int ifindex)
{
	const struct link *link = link_by_index(stack, ifindex);

	return link ? link->ipv4->multicast : NULL;
}

static int mode_of(bool exclude)
{
	return exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
}

static struct ip_memberships *membership_find(struct sock *sk, struct in_addr group, int ifindex)
{
	struct ip_memberships *member = sk->memberships;

	while (member && (member->group.s_addr != group.s_addr || member->ifindex != ifindex))
		member = member->next;
	return member;
}

int64_t multicast_join(struct sock *sk, struct ip_mreqn *request, bool exclude)
{
	struct ip_memberships *member;
	struct link *link;
	int count = 0;

	if (!ip_is_multicast(request->imr_multiaddr))
		return -EINVAL;
	link = request_link(sk->stack, request);
	if (!link)
		return -ENODEV;
	if (membership_find(sk, request->imr_multiaddr, request->imr_ifindex))
		return -EADDRINUSE;
	for (member = sk->memberships; member; member = member->next)
		count++;
	if (count >= sk->stack->sysctl.igmp_max_memberships)
		return -ENOBUFS;
	member = calloc(1, sizeof(*member));
	if (!member)
		return -ENOBUFS;
	member->group = request->imr_multiaddr;
	member->local = request->imr_address;
	member->ifindex = request->imr_ifindex;
	member->exclude = exclude;
	member->next = sk->memberships;
	sk->memberships = member;
	mc_group_join(link->ipv4->multicast, member->group, mode_of(exclude));
	return 0;
}

/* It goes: the link is told first of its filter's going, then of its own. */
static void membership_end(struct pl_stack *stack, struct ip_memberships *member)
{
	struct mc_device *device = device_of(stack, member->ifindex);

	if (device) {
		mc_filter_remove(device, member->group, mode_of(member->exclude), member->source, member->count, true);
		mc_group_leave(device, member->group);
	}
	free(member->source);
	free(member);
}

int64_t multicast_leave(struct sock *sk, struct ip_mreqn *request)
{
	int named = request->imr_ifindex;
	const struct link *link = request_link(sk->stack, request);

	if (!named && !request->imr_address.s_addr && !link)
		return -ENODEV;
	for (struct ip_memberships **at = &sk->memberships; *at; at = &(*at)->next) {
		struct ip_memberships *member = *at;

		if (member->group.s_addr != request->imr_multiaddr.s_addr)
			continue;
		if (request->imr_ifindex ? member->ifindex != request->imr_ifindex
					 : request->imr_address.s_addr && member->local.s_addr != request->imr_address.s_addr)
			continue;
		*at = member->next;
		membership_end(sk->stack, member);
		return 0;
	}
	return -EADDRNOTAVAIL;
}

void multicast_leave_all(struct sock *sk)
{
	struct ip_memberships *member;

	while ((member = sk->memberships)) {
		sk->memberships = member->next;
		membership_end(sk->stack, member);
	}
}

static uint32_t source_index(const struct ip_memberships *member, struct in_addr source)
{
	uint32_t i = 0;

	while (i < member->count && member->source[i].s_addr != source.s_addr)
		i++;
	return i;
}

static int64_t source_remove(struct sock *sk, struct ip_memberships *member, struct in_addr source, bool exclude)
{
	uint32_t at = source_index(member, source);

	if (!member->filtered || at == member->count)
		return -EADDRNOTAVAIL;
	if (member->count == 1 && !exclude) {	/* taking from nobody is leaving: RFC 3376 3.1 */
		struct ip_mreqn request = { .imr_multiaddr = member->group, .imr_ifindex = member->ifindex };

		return multicast_leave(sk, &request);
	}
	mc_filter_remove(device_of(sk->stack, member->ifindex), member->group, mode_of(exclude), &source, 1, false);
	member->count--;
	memmove(member->source + at, member->source + at + 1, (member->count - at) * sizeof(*member->source));
	return 0;
}

static int64_t source_append(struct sock *sk, struct ip_memberships *member, struct in_addr source)
{
	struct in_addr *longer;

	if (member->filtered && member->count >= (uint32_t)sk->stack->sysctl.igmp_max_msf)
		return -ENOBUFS;
	if (source_index(member, source) < member->count)
		return -EADDRNOTAVAIL;
	longer = realloc(member->source, (member->count + 1) * sizeof(*longer));
	if (!longer)
		return -ENOBUFS;
	member->source = longer;
	member->source[member->count++] = source;
	member->filtered = true;
	mc_filter_add(device_of(sk->stack, member->ifindex), member->group, mode_of(member->exclude), &source, 1, false);
	return 0;
}

int64_t multicast_source(struct sock *sk, struct in_addr group, struct in_addr local, int ifindex, struct in_addr source,
			 bool exclude, bool add)
{
	struct ip_mreqn request = { .imr_multiaddr = group, .imr_address = local, .imr_ifindex = ifindex };
	struct ip_memberships *member;

	if (!ip_is_multicast(group))
		return -EINVAL;
	if (!request_link(sk->stack, &request))
		return -ENODEV;
	member = membership_find(sk, group, request.imr_ifindex);
	if (!member)
		return -EINVAL;
	if (member->exclude != exclude) {	/* the mode changes only while there is no list */
		struct mc_device *device = device_of(sk->stack, member->ifindex);

		if (member->filtered)
			return -EINVAL;
		mc_filter_add(device, group, mode_of(exclude), NULL, 0, true);
		mc_filter_remove(device, group, mode_of(member->exclude), NULL, 0, true);
		member->exclude = exclude;
	}
	return add ? source_append(sk, member, source) : source_remove(sk, member, source, exclude);
}

int64_t multicast_filter_set(struct sock *sk, struct ip_mreqn *request, bool exclude, const struct in_addr *source,
			     uint32_t count)
{
	struct ip_memberships *member;
	struct in_addr *list = NULL;
	struct mc_device *device;

	if (!ip_is_multicast(request->imr_multiaddr))
		return -EINVAL;
	if (!request_link(sk->stack, request))
		return -ENODEV;
	if (!exclude && !count)
		return multicast_leave(sk, request);
	member = membership_find(sk, request->imr_multiaddr, request->imr_ifindex);
	if (!member)
		return -EINVAL;
	if (count) {
		list = malloc(count * sizeof(*list));
		if (!list)
			return -ENOBUFS;
		memcpy(list, source, count * sizeof(*list));
	}
	device = device_of(sk->stack, member->ifindex);
	if (mc_filter_add(device, member->group, mode_of(exclude), list, count, true)) {
		free(list);
		return -ENOBUFS;
	}
	mc_filter_remove(device, member->group, mode_of(member->exclude), member->source, member->count, true);
	free(member->source);
	member->source = list;
	member->count = count;
	member->filtered = count != 0;
	member->exclude = exclude;
	return 0;
}

const struct ip_memberships *multicast_filter(struct sock *sk, struct ip_mreqn *request, bool find_link, int64_t *error)
{
	const struct ip_memberships *member = NULL;

	*error = -EINVAL;
	if (!ip_is_multicast(request->imr_multiaddr))
		return NULL;
	*error = -ENODEV;
	if (find_link && !request_link(sk->stack, request))
		return NULL;
	*error = -EADDRNOTAVAIL;
	member = membership_find(sk, request->imr_multiaddr, request->imr_ifindex);
	return member;
}

static bool member_takes(const struct ip_memberships *member, struct in_addr source)
{
	bool listed = source_index(member, source) < member->count;

	return member->filtered ? listed != member->exclude : member->exclude;
}

bool multicast_allowed(const struct sock *sk, struct in_addr group, struct in_addr source, int ifindex)
{
	if (!ip_is_multicast(group))
		return true;
	for (const struct ip_memberships *member = sk->memberships; member; member = member->next)
		if (member->group.s_addr == group.s_addr && member->ifindex == ifindex)
			return member_takes(member, source);
	return sock_flag(sk, SF_MC_ALL);
}
