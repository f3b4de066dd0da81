/*
 * IPPROTO_IP options: ip(7), and what do_ip_setsockopt() and do_ip_getsockopt() of Linux 6.18 make of lengths and values. Most are
 * numbers that may come as an int or as one byte and may be read back as either: a row each. IP_OPTIONS, the groups and what else
 * is more than a number have functions of their own.
 */
#include "../ip/mroute.h"
#include "../netfilter/netfilter.h"
#include "multicast.h"
#include "options.h"

#include <linux/capability.h>
#include <stdlib.h>

/* What a number may be, checked in this order: -EPERM, -ENOPROTOOPT, -EINVAL. */
enum ip_rule {
	IP_PRIVILEGED = 1,		/* not 0: CAP_NET_RAW or CAP_NET_ADMIN */
	IP_RAW_ONLY = 2,
	IP_NOT_STREAM = 4,
	IP_NEEDS_BYTE = 8,		/* a length of 0 is wrong, not a 0 */
	IP_BOUNDED = 16,		/* low..high */
};

struct ip_row {
	bool is_flag;			/* one bit of sock.flag: set and get, where given, come first */
	enum sock_flag flag;
	uint8_t rules;
	int low, high;
	int64_t (*set)(struct sock *sk, int value, socklen_t length);
	int64_t (*get)(struct sock *sk, int *value);
};

void ip_set_tos(struct sock *sk, uint8_t tos)
{
	if (sk->tos == tos)
		return;
	sk->tos = tos;
	sk->priority = ip_tos_priority(tos);
	sock_route_forget(sk);
}

/* A stream's ECN bits are its own. */
static int64_t set_tos(struct sock *sk, int value, socklen_t length)
{
	ip_set_tos(sk, (uint8_t)(sk->type == SOCK_STREAM ? (value & ~3) | (sk->tos & 3) : value));
	return 0;
}

static int64_t get_tos(struct sock *sk, int *value)
{
	return *value = sk->tos, 0;
}

/* -1: the tunable's. */
static int64_t set_ttl(struct sock *sk, int value, socklen_t length)
{
	if (value != -1 && (value < 1 || value > 255))
		return -EINVAL;
	sk->unicast_ttl = (int16_t)value;
	return 0;
}

static int64_t get_ttl(struct sock *sk, int *value)
{
	return *value = sk->unicast_ttl < 0 ? sk->stack->sysctl.ip_default_ttl : sk->unicast_ttl, 0;
}

static int64_t set_min_ttl(struct sock *sk, int value, socklen_t length)
{
	return sk->min_ttl = (uint8_t)value, 0;
}

static int64_t get_min_ttl(struct sock *sk, int *value)
{
	return *value = sk->min_ttl, 0;
}

static int64_t set_multicast_ttl(struct sock *sk, int value, socklen_t length)
{
	if (value == -1)
		value = 1;
	if (value < 0 || value > 255)
		return -EINVAL;
	sk->multicast_ttl = (uint8_t)value;
	return 0;
}

static int64_t get_multicast_ttl(struct sock *sk, int *value)
{
	return *value = sk->multicast_ttl, 0;
}

static int64_t set_mtu_discover(struct sock *sk, int value, socklen_t length)
{
	return sk->pmtudisc = (uint8_t)value, 0;
}

static int64_t get_mtu_discover(struct sock *sk, int *value)
{
	return *value = sk->pmtudisc, 0;
}

/*
 * The MTU of the route that the socket keeps, even when it is not a good one any more: only sending finds another. But one that has
 * learnt its path's MTU learns the next one, too.
 */
static int64_t get_mtu(struct sock *sk, int *value)
{
	const struct route *route = sk->route && sk->route->pmtu ? sock_route(sk, NULL) : sk->route;

	if (!route)
		return -ENOTCONN;
	*value = (int)route_mtu(sk->stack, route);
	return 0;
}

/* Errors already queued go with the wish to have them. */
static int64_t set_recverr(struct sock *sk, int value, socklen_t length)
{
	sock_flag_set(sk, SF_RECVERR, value);
	if (!value)
		pktbuf_queue_purge(sk->stack, &sk->error_queue);
	return 0;
}

static int64_t set_router_alert(struct sock *sk, int value, socklen_t length)
{
	if (sk->type != SOCK_RAW || sk->protocol == IPPROTO_RAW)
		return -EINVAL;
	if (sock_flag(sk, SF_RTALERT) == (value != 0))
		return value ? -EADDRINUSE : -ENOBUFS;
	sock_flag_set(sk, SF_RTALERT, value);
	return 0;
}

static int64_t set_recv_fragment_size(struct sock *sk, int value, socklen_t length)
{
	if (sk->type != SOCK_RAW && sk->type != SOCK_DGRAM)
		return -EINVAL;
	sock_flag_set(sk, SF_CMSG_RECVFRAGSIZE, value);
	return 0;
}

/* The index is in network order. */
static int64_t set_unicast_if(struct sock *sk, int value, socklen_t length)
{
	int ifindex = (int)ntohl((uint32_t)value);

	if (length != sizeof(int))
		return -EINVAL;
	if (ifindex && !link_by_index(sk->stack, ifindex))
		return -EADDRNOTAVAIL;
	if (ifindex && sk->bound_link)
		return -EINVAL;
	sk->unicast_link = ifindex;
	return 0;
}

static int64_t get_unicast_if(struct sock *sk, int *value)
{
	return *value = (int)htonl((uint32_t)sk->unicast_link), 0;
}

/* The low port in the low half. */
static int64_t set_local_port_range(struct sock *sk, int value, socklen_t length)
{
	uint16_t low = (uint16_t)value, high = (uint16_t)((uint32_t)value >> 16);

	if (length != sizeof(uint32_t) || (low && high && low > high))
		return -EINVAL;
	sk->port_range_low = low;
	sk->port_range_high = high;
	return 0;
}

static int64_t get_local_port_range(struct sock *sk, int *value)
{
	return *value = (int)(sk->port_range_high << 16 | sk->port_range_low), 0;
}

/* What the kernel gives is the port, which is the protocol only of a raw socket. */
static int64_t get_protocol(struct sock *sk, int *value)
{
	return *value = sk->port_returned ? 0 : sk->port, 0;
}

#define FLAG(bit) .is_flag = true, .flag = (bit)
static const struct ip_row ip_rows[] = {
	[IP_TOS] = { .set = set_tos, .get = get_tos },
	[IP_TTL] = { .rules = IP_NEEDS_BYTE, .set = set_ttl, .get = get_ttl },
	[IP_HDRINCL] = { FLAG(SF_HDRINCL), .rules = IP_RAW_ONLY },
	[IP_ROUTER_ALERT] = { FLAG(SF_RTALERT), .set = set_router_alert },
	[IP_RECVOPTS] = { FLAG(SF_CMSG_RECVOPTS) },
	[IP_RETOPTS] = { FLAG(SF_CMSG_RETOPTS) },
	[IP_PKTINFO] = { FLAG(SF_CMSG_PKTINFO) },
	[IP_MTU_DISCOVER] = { .rules = IP_BOUNDED, .low = IP_PMTUDISC_DONT, .high = IP_PMTUDISC_OMIT, .set = set_mtu_discover,
			      .get = get_mtu_discover },
	[IP_RECVERR] = { FLAG(SF_RECVERR), .set = set_recverr },
	[IP_RECVTTL] = { FLAG(SF_CMSG_TTL) },
	[IP_RECVTOS] = { FLAG(SF_CMSG_TOS) },
	[IP_MTU] = { .get = get_mtu },
	[IP_FREEBIND] = { FLAG(SF_FREEBIND), .rules = IP_NEEDS_BYTE },
	[IP_PASSSEC] = { FLAG(SF_CMSG_PASSSEC) },
	[IP_TRANSPARENT] = { FLAG(SF_TRANSPARENT), .rules = IP_PRIVILEGED | IP_NEEDS_BYTE },
	[IP_RECVORIGDSTADDR] = { FLAG(SF_CMSG_ORIGDSTADDR) },
	[IP_MINTTL] = { .rules = IP_NEEDS_BYTE | IP_BOUNDED, .high = 255, .set = set_min_ttl, .get = get_min_ttl },
	[IP_NODEFRAG] = { FLAG(SF_NODEFRAG), .rules = IP_RAW_ONLY },
	[IP_CHECKSUM] = { FLAG(SF_CMSG_CHECKSUM) },
	[IP_BIND_ADDRESS_NO_PORT] = { FLAG(SF_BIND_ADDRESS_NO_PORT) },
	[IP_RECVFRAGSIZE] = { FLAG(SF_CMSG_RECVFRAGSIZE), .set = set_recv_fragment_size },
	[IP_RECVERR_RFC4884] = { FLAG(SF_RECVERR_RFC4884), .rules = IP_BOUNDED, .high = 1 },
	[IP_MULTICAST_TTL] = { .rules = IP_NOT_STREAM | IP_NEEDS_BYTE, .set = set_multicast_ttl, .get = get_multicast_ttl },
	[IP_MULTICAST_LOOP] = { FLAG(SF_MC_LOOP), .rules = IP_NEEDS_BYTE },
	[IP_MULTICAST_ALL] = { FLAG(SF_MC_ALL), .rules = IP_NEEDS_BYTE | IP_BOUNDED, .high = 1 },
	[IP_UNICAST_IF] = { .set = set_unicast_if, .get = get_unicast_if },
	[IP_LOCAL_PORT_RANGE] = { .set = set_local_port_range, .get = get_local_port_range },
	[IP_PROTOCOL] = { .get = get_protocol },
};

static const struct ip_row *ip_row(int name)
{
	return name > 0 && (size_t)name < sizeof(ip_rows) / sizeof(ip_rows[0]) ? &ip_rows[name] : NULL;
}

/* The checks that rows share, in the kernel's order. */
static int64_t ip_check(const struct sock *sk, const struct ip_row *row, int value, socklen_t length)
{
	if (row->rules & IP_PRIVILEGED && value && !capable(sk->stack, CAP_NET_RAW) && !capable(sk->stack, CAP_NET_ADMIN))
		return -EPERM;
	if (row->rules & IP_RAW_ONLY && sk->type != SOCK_RAW)
		return -ENOPROTOOPT;
	if (row->rules & IP_NOT_STREAM && sk->type == SOCK_STREAM)
		return -EINVAL;
	if (row->rules & IP_NEEDS_BYTE && length < 1)
		return -EINVAL;
	if (row->rules & IP_BOUNDED && (value < row->low || value > row->high))
		return -EINVAL;
	return 0;
}

/* IPsec policies of a socket: there is no IPsec here, so that only taking them away succeeds. */
static int64_t set_security_policy(const struct sock *sk, int name, const void *value, socklen_t length)
{
	if (!capable(sk->stack, CAP_NET_ADMIN))
		return -EPERM;
	if (!value && !length)
		return 0;
	if (!length || length > 4096)
		return -EMSGSIZE;
	if (!value)
		return -EFAULT;
	return name == IP_XFRM_POLICY ? -EINVAL : -EOPNOTSUPP;
}

int64_t ip_setsockopt(struct sock *sk, int name, const void *value, socklen_t length)
{
	const struct ip_row *row = ip_row(name);
	int64_t result;
	int number = 0;

	if (mroute_is_option(name))
		return mroute_setsockopt(sk, name, value, length);
	if (name == IP_OPTIONS)
		return ip_set_header_options(sk, value, length);
	if (name == IP_IPSEC_POLICY || name == IP_XFRM_POLICY)
		return set_security_policy(sk, name, value, length);
	if (!row || (!row->set && !row->is_flag))
		return multicast_setsockopt(sk, name, value, length);
	if (length && !value)
		return -EFAULT;
	if (length >= sizeof(number))
		memcpy(&number, value, sizeof(number));
	else if (length)
		number = *(const uint8_t *)value;
	result = ip_check(sk, row, number, length);
	if (result)
		return result;
	if (row->set)
		return row->set(sk, number, length);
	sock_flag_set(sk, row->flag, number);
	return 0;
}

/* A number that fits a byte is given as one to a caller with room for less than an int. */
static int64_t ip_number_out(void *value, socklen_t *length, int number)
{
	uint8_t byte = (uint8_t)number;

	if (*length > 0 && *length < sizeof(number) && number >= 0 && number <= 255)
		return sockopt_copy_out(value, length, &byte, sizeof(byte));
	return sockopt_copy_out(value, length, &number, sizeof(number));
}

#define SO_ORIGINAL_DST 80	/* <linux/netfilter_ipv4.h> */

/* Where the connection was going before the filter translated it. */
static int64_t get_original_destination(const struct sock *sk, void *value, const socklen_t *length)
{
	struct sockaddr_in original;

	if (sk->type != SOCK_STREAM)
		return -ENOPROTOOPT;
	if (*length < sizeof(original))
		return -EINVAL;
	if (!nf_original_destination(sk->stack, IPPROTO_TCP, sk->local, sk->port, sk->remote, sk->remote_port, &original))
		return -ENOENT;
	if (!value)
		return -EFAULT;
	memcpy(value, &original, sizeof(original));
	return 0;
}

int64_t ip_getsockopt(struct sock *sk, int name, void *value, socklen_t *length)
{
	const struct ip_row *row = ip_row(name);
	int64_t result = 0;
	int number = 0;

	if (!length)
		return -EFAULT;
	if ((int)*length < 0)
		return -EINVAL;
	if (mroute_is_option(name))
		return mroute_getsockopt(sk, name, value, length);
	if (name == IP_OPTIONS)
		return ip_get_header_options(sk, value, length);
	if (name == IP_PKTOPTIONS)
		return ip_get_packet_options(sk, value, length);
	if (name == SO_ORIGINAL_DST)
		return get_original_destination(sk, value, length);
	if (!row || (!row->get && !row->is_flag))
		return multicast_getsockopt(sk, name, value, length);
	if (row->get)
		result = row->get(sk, &number);
	else
		number = sock_flag(sk, row->flag);
	return result ? result : ip_number_out(value, length, number);
}

int64_t sockopt_copy_out(void *value, socklen_t *length, const void *from, size_t size)
{
	if (!length)
		return -EFAULT;
	if ((int)*length < 0)
		return -EINVAL;
	if (*length > size)
		*length = (socklen_t)size;
	if (*length && !value)
		return -EFAULT;
	if (*length)
		memcpy(value, from, *length);
	return 0;
}
