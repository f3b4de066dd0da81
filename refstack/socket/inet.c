/* What IPv4 sockets have in common whatever their protocol: the checks of bind, and the ranges of ports. */
#include <linux/capability.h>

#include "../ip/ip.h"
#include "options.h"

/* Addresses that are not this host's may be bound to with the tunable's or the socket's leave (inet_can_nonlocal_bind). */
static bool may_bind_elsewhere(const struct sock *sk)
{
	return sk->stack->sysctl.ip_nonlocal_bind || sock_flag(sk, SF_FREEBIND) || sock_flag(sk, SF_TRANSPARENT);
}

bool inet_address_bindable(struct sock *sk, struct in_addr address, int type)
{
	return may_bind_elsewhere(sk) || address.s_addr == INADDR_ANY || type == RTN_LOCAL || type == RTN_MULTICAST ||
	       type == RTN_BROADCAST;
}

int64_t inet_bind_check(struct sock *sk, const struct sockaddr *address, socklen_t length, struct sockaddr_in *out)
{
	uint16_t port;

	if (length < sizeof(*out))
		return -EINVAL;
	memcpy(out, address, sizeof(*out));
	/* AF_UNSPEC was once taken for AF_INET; it still is, with the address any. */
	if (out->sin_family != AF_INET && (out->sin_family != AF_UNSPEC || out->sin_addr.s_addr != INADDR_ANY))
		return -EAFNOSUPPORT;
	out->sin_family = AF_INET;
	if (!inet_address_bindable(sk, out->sin_addr, address_type(sk->stack, out->sin_addr)))
		return -EADDRNOTAVAIL;
	port = ntohs(out->sin_port);
	if (port && port < sk->stack->sysctl.ip_unprivileged_port_start && !capable(sk->stack, CAP_NET_BIND_SERVICE))
		return -EACCES;
	return sk->state != TCP_CLOSE || (sk->port && !sk->port_returned) ? -EINVAL : 0;
}

int64_t inet_bind(struct sock *sk, const struct sockaddr *address, socklen_t length,
		  int64_t (*get_port)(struct sock *sk, uint16_t port))
{
	struct sockaddr_in in;
	int64_t result = inet_bind_check(sk, address, length, &in);
	uint16_t port;
	int type;

	if (result)
		return result;
	port = ntohs(in.sin_port);
	type = address_type(sk->stack, in.sin_addr);
	sk->local = sk->source = in.sin_addr;
	if (type == RTN_MULTICAST || type == RTN_BROADCAST)
		sk->source.s_addr = INADDR_ANY;
	if (port || !sock_flag(sk, SF_BIND_ADDRESS_NO_PORT)) {
		result = get_port(sk, port);
		if (result) {
			sk->local.s_addr = sk->source.s_addr = INADDR_ANY;
			return result;
		}
	}
	if (sk->local.s_addr)
		sk->bound_address = true;
	if (port)
		sk->bound_port = true;
	sk->remote.s_addr = INADDR_ANY;
	sk->remote_port = 0;
	sock_route_forget(sk);
	return 0;
}

void port_range(const struct sock *sk, uint16_t *low, uint16_t *high)
{
	int first = sk->stack->sysctl.ip_local_port_range[0], last = sk->stack->sysctl.ip_local_port_range[1];

	*low = (uint16_t)first;
	*high = (uint16_t)last;
	if (sk->port_range_low && (int)sk->port_range_low >= first && (int)sk->port_range_low <= last)
		*low = (uint16_t)sk->port_range_low;
	if (sk->port_range_high && (int)sk->port_range_high >= *low && (int)sk->port_range_high <= last)
		*high = (uint16_t)sk->port_range_high;
}

bool port_reserved(const struct pl_stack *stack, uint16_t port)
{
	return stack->sysctl.ip_local_reserved_ports[port / 8] >> port % 8 & 1;
}

int64_t inet_getname(struct sock *sk, struct sockaddr_in *address, bool peer)
{
	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	if (sk->type != SOCK_STREAM)
		sock_route_refresh(sk);
	if (peer) {
		if (!sk->remote_port || sk->state == TCP_CLOSE || sk->state == TCP_SYN_SENT)
			return -ENOTCONN;
		address->sin_port = htons(sk->remote_port);
		address->sin_addr = sk->remote;
	} else {
		address->sin_port = htons(sk->port);
		address->sin_addr = sk->local.s_addr ? sk->local : sk->source;
	}
	return 0;
}

int64_t inet_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length)
{
	return level == IPPROTO_IP ? ip_setsockopt(sk, name, value, length) : -ENOPROTOOPT;
}

int64_t inet_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length)
{
	return level == IPPROTO_IP ? ip_getsockopt(sk, name, value, length) : -EOPNOTSUPP;
}
