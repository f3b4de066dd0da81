/* The IPPROTO_IP options about multicast groups: both APIs, by IPv4 structures (ip(7)) and by protocol-independent ones (RFC 3678). */
#include "multicast.h"
#include "options.h"

#include <stdlib.h>

/* IP_MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn, told apart by length. */
static int64_t set_multicast_if(struct sock *sk, const void *value, socklen_t length)
{
	struct ip_mreqn request = { .imr_ifindex = 0 };
	const struct link *link;

	if (sk->type == SOCK_STREAM || length < sizeof(struct in_addr))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	if (length >= sizeof(request))
		memcpy(&request, value, sizeof(request));
	else if (length >= sizeof(struct ip_mreq))
		memcpy(&request, value, sizeof(struct ip_mreq));
	else
		memcpy(&request.imr_address, value, sizeof(request.imr_address));
	if (!request.imr_ifindex && !request.imr_address.s_addr) {
		sk->multicast_link = 0;
		sk->multicast_source.s_addr = 0;
		return 0;
	}
	link = request.imr_ifindex ? link_by_index(sk->stack, request.imr_ifindex)
				   : local_address_link(sk->stack, request.imr_address);
	if (!link)
		return -EADDRNOTAVAIL;
	if (sk->bound_link && sk->bound_link != link->ifindex)
		return -EINVAL;
	sk->multicast_link = link->ifindex;
	sk->multicast_source = request.imr_address;
	return 0;
}

static bool connection_oriented(const struct sock *sk)
{
	return sk->type == SOCK_STREAM;
}

static int64_t set_membership(struct sock *sk, const void *value, socklen_t length, bool join)
{
	struct ip_mreqn request = { .imr_ifindex = 0 };

	if (connection_oriented(sk))
		return -EPROTO;
	if (length < sizeof(struct ip_mreq))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&request, value, length >= sizeof(request) ? sizeof(request) : sizeof(struct ip_mreq));
	return join ? multicast_join(sk, &request, true) : multicast_leave(sk, &request);
}

/* IP_ADD_SOURCE_MEMBERSHIP, IP_DROP_SOURCE_MEMBERSHIP, IP_BLOCK_SOURCE, IP_UNBLOCK_SOURCE and their MCAST_* twins. */
static int64_t source_change(struct sock *sk, int name, struct ip_mreqn *request, struct in_addr source)
{
	bool join = name == IP_ADD_SOURCE_MEMBERSHIP || name == MCAST_JOIN_SOURCE_GROUP;
	bool block = name == IP_BLOCK_SOURCE || name == MCAST_BLOCK_SOURCE;
	bool exclude = block || name == IP_UNBLOCK_SOURCE || name == MCAST_UNBLOCK_SOURCE;

	if (join) {
		int64_t result = multicast_join(sk, request, false);

		if (result && result != -EADDRINUSE)
			return result;
	}
	return multicast_source(sk, request->imr_multiaddr, request->imr_address, request->imr_ifindex, source, exclude,
				join || block);
}

static int64_t set_source(struct sock *sk, int name, const void *value, socklen_t length)
{
	struct ip_mreq_source source;
	struct ip_mreqn request = { .imr_ifindex = 0 };

	if (length != sizeof(source))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&source, value, sizeof(source));
	request.imr_multiaddr = source.imr_multiaddr;
	request.imr_address = source.imr_interface;
	return source_change(sk, name, &request, source.imr_sourceaddr);
}

static int64_t set_filter(struct sock *sk, const void *value, socklen_t length)
{
	struct ip_msfilter filter;
	struct ip_mreqn request = { .imr_ifindex = 0 };

	if (length < IP_MSFILTER_SIZE(0))
		return -EINVAL;
	if (length > (socklen_t)sk->stack->sysctl.optmem_max)
		return -ENOBUFS;
	if (!value)
		return -EFAULT;
	memcpy(&filter, value, IP_MSFILTER_SIZE(0));
	if (filter.imsf_numsrc >= 0x3ffffffc || filter.imsf_numsrc > (uint32_t)sk->stack->sysctl.igmp_max_msf)
		return -ENOBUFS;
	if (IP_MSFILTER_SIZE(filter.imsf_numsrc) > length)
		return -EINVAL;
	if (filter.imsf_fmode != MCAST_INCLUDE && filter.imsf_fmode != MCAST_EXCLUDE)
		return -EINVAL;
	request.imr_multiaddr = filter.imsf_multiaddr;
	request.imr_address = filter.imsf_interface;
	return multicast_filter_set(sk, &request, filter.imsf_fmode == MCAST_EXCLUDE,
				    (const struct in_addr *)((const char *)value + IP_MSFILTER_SIZE(0)), filter.imsf_numsrc);
}

static const struct sockaddr_in *ipv4(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? (const struct sockaddr_in *)address : NULL;
}

static int64_t set_group(struct sock *sk, const void *value, socklen_t length, bool join)
{
	struct group_req group;
	struct ip_mreqn request = { .imr_ifindex = 0 };

	if (length < sizeof(group))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&group, value, sizeof(group));
	if (!ipv4(&group.gr_group))
		return -EINVAL;
	request.imr_multiaddr = ipv4(&group.gr_group)->sin_addr;
	request.imr_ifindex = (int)group.gr_interface;
	return join ? multicast_join(sk, &request, true) : multicast_leave(sk, &request);
}

static int64_t set_group_source(struct sock *sk, int name, const void *value, socklen_t length)
{
	struct group_source_req group;
	struct ip_mreqn request = { .imr_ifindex = 0 };

	if (length != sizeof(group))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&group, value, sizeof(group));
	if (!ipv4(&group.gsr_group) || !ipv4(&group.gsr_source))
		return -EADDRNOTAVAIL;
	request.imr_multiaddr = ipv4(&group.gsr_group)->sin_addr;
	request.imr_ifindex = (int)group.gsr_interface;
	return source_change(sk, name, &request, ipv4(&group.gsr_source)->sin_addr);
}

static int64_t set_group_filter(struct sock *sk, const void *value, socklen_t length)
{
	const struct group_filter *filter = value;
	struct ip_mreqn request = { .imr_ifindex = 0 };
	struct in_addr *source;
	int64_t result;

	if (length < GROUP_FILTER_SIZE(0))
		return -EINVAL;
	if (length > (socklen_t)sk->stack->sysctl.optmem_max)
		return -ENOBUFS;
	if (!value)
		return -EFAULT;
	if (filter->gf_numsrc >= 0x1ffffff || filter->gf_numsrc > (uint32_t)sk->stack->sysctl.igmp_max_msf)
		return -ENOBUFS;
	if (GROUP_FILTER_SIZE(filter->gf_numsrc) > length)
		return -EINVAL;
	if (!ipv4(&filter->gf_group))
		return -EADDRNOTAVAIL;
	source = calloc(filter->gf_numsrc + 1, sizeof(*source));
	if (!source)
		return -ENOBUFS;
	result = 0;
	for (uint32_t i = 0; i < filter->gf_numsrc && !result; i++) {
		if (ipv4(&filter->gf_slist[i]))
			source[i] = ipv4(&filter->gf_slist[i])->sin_addr;
		else
			result = -EADDRNOTAVAIL;
	}
	request.imr_multiaddr = ipv4(&filter->gf_group)->sin_addr;
	request.imr_ifindex = (int)filter->gf_interface;
	if (!result && filter->gf_fmode != MCAST_INCLUDE && filter->gf_fmode != MCAST_EXCLUDE)
		result = -EINVAL;
	if (!result)
		result = multicast_filter_set(sk, &request, filter->gf_fmode == MCAST_EXCLUDE, source, filter->gf_numsrc);
	free(source);
	return result;
}

int64_t multicast_setsockopt(struct sock *sk, int name, const void *value, socklen_t length)
{
	switch (name) {
	case IP_MULTICAST_IF:
		return set_multicast_if(sk, value, length);
	case IP_ADD_MEMBERSHIP:
	case IP_DROP_MEMBERSHIP:
		return set_membership(sk, value, length, name == IP_ADD_MEMBERSHIP);
	case IP_ADD_SOURCE_MEMBERSHIP:
	case IP_DROP_SOURCE_MEMBERSHIP:
	case IP_BLOCK_SOURCE:
	case IP_UNBLOCK_SOURCE:
		return set_source(sk, name, value, length);
	case IP_MSFILTER:
		return set_filter(sk, value, length);
	case MCAST_JOIN_GROUP:
	case MCAST_LEAVE_GROUP:
		return set_group(sk, value, length, name == MCAST_JOIN_GROUP);
	case MCAST_JOIN_SOURCE_GROUP:
	case MCAST_LEAVE_SOURCE_GROUP:
	case MCAST_BLOCK_SOURCE:
	case MCAST_UNBLOCK_SOURCE:
		return set_group_source(sk, name, value, length);
	case MCAST_MSFILTER:
		return set_group_filter(sk, value, length);
	}
	return -ENOPROTOOPT;
}

/* IP_MSFILTER: the caller's structure names the group and the room; what fits is filled in, the number is the true one. */
static int64_t get_filter(struct sock *sk, void *value, socklen_t *length)
{
	struct ip_mreqn request = { .imr_ifindex = 0 };
	const struct ip_memberships *member;
	struct ip_msfilter *filter = value;
	uint32_t copied;
	int64_t error;

	if (*length < IP_MSFILTER_SIZE(0))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	request.imr_multiaddr = filter->imsf_multiaddr;
	request.imr_address = filter->imsf_interface;
	member = multicast_filter(sk, &request, true, &error);
	if (!member)
		return error;
	copied = member->count < filter->imsf_numsrc ? member->count : filter->imsf_numsrc;
	filter->imsf_numsrc = member->count;
	filter->imsf_fmode = member->exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
	if (copied)
		memcpy((char *)value + IP_MSFILTER_SIZE(0), member->source, copied * sizeof(struct in_addr));
	*length = (socklen_t)IP_MSFILTER_SIZE(copied);
	return 0;
}

static int64_t get_group_filter(struct sock *sk, void *value, socklen_t *length)
{
	struct ip_mreqn request = { .imr_ifindex = 0 };
	const struct ip_memberships *member;
	struct group_filter *filter = value;
	uint32_t copied;
	int64_t error;

	if (*length < GROUP_FILTER_SIZE(0))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	if (!ipv4(&filter->gf_group))
		return -EINVAL;
	request.imr_multiaddr = ipv4(&filter->gf_group)->sin_addr;
	request.imr_ifindex = (int)filter->gf_interface;
	member = multicast_filter(sk, &request, false, &error);
	if (!member)
		return error;
	copied = member->count < filter->gf_numsrc ? member->count : filter->gf_numsrc;
	for (uint32_t i = 0; i < copied; i++) {
		struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = member->source[i] };

		memset(&filter->gf_slist[i], 0, sizeof(filter->gf_slist[i]));
		memcpy(&filter->gf_slist[i], &source, sizeof(source));
	}
	filter->gf_numsrc = member->count;
	filter->gf_fmode = member->exclude ? MCAST_EXCLUDE : MCAST_INCLUDE;
	*length = (socklen_t)GROUP_FILTER_SIZE(copied);
	return 0;
}

int64_t multicast_getsockopt(struct sock *sk, int name, void *value, socklen_t *length)
{
	if (name == IP_MULTICAST_IF)
		return sockopt_copy_out(value, length, &sk->multicast_source, sizeof(sk->multicast_source));
	if (name == IP_MSFILTER)
		return get_filter(sk, value, length);
	if (name == MCAST_MSFILTER)
		return get_group_filter(sk, value, length);
	return -ENOPROTOOPT;
}
