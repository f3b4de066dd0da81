/* The row of raw sockets: raw(7). */
#include "raw.h"

#include <stdlib.h>

#include "../ip/icmp.h"
#include "../ip/mroute.h"
#include "../ip/output.h"

/* linux/icmp.h has it, and cannot be included with netinet/ip_icmp.h. */
#ifndef ICMP_FILTER
#define ICMP_FILTER 1
#endif

static int raw_init(struct sock *sk)
{
	struct sock **bucket = &sk->stack->raw->bucket[sk->protocol & 255];

	sk->reuse = 1;
	sk->port = (uint16_t)sk->protocol;
	sock_flag_set(sk, SF_HDRINCL, sk->protocol == IPPROTO_RAW);
	sk->hash_next = *bucket;
	*bucket = sk;
	raw_sk(sk)->hashed = true;
	return 0;
}

static void raw_unhash(struct sock *sk)
{
	struct sock **at = &sk->stack->raw->bucket[sk->protocol & 255];

	if (!raw_sk(sk)->hashed)
		return;
	while (*at != sk)
		at = &(*at)->hash_next;
	*at = sk->hash_next;
	raw_sk(sk)->hashed = false;
}

static void drop_pending(struct sock *sk)
{
	struct raw_sock *raw = raw_sk(sk);

	if (raw->has_pending) {
		datagram_uncharge_pending(sk, &raw->memory);
		datagram_send_end(sk, &raw->pending);
		sock_write_space(sk);
	}
	free(raw->bytes);
	raw->bytes = NULL;
	raw->length = 0;
	raw->has_pending = false;
}

static int64_t raw_bind(struct sock *sk, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	int type;

	if (sk->state != TCP_CLOSE || length < sizeof(*in))
		return -EINVAL;
	type = address_type(sk->stack, in->sin_addr);
	if (!inet_address_bindable(sk, in->sin_addr, type))
		return -EADDRNOTAVAIL;
	sk->local = sk->source = in->sin_addr;
	if (type == RTN_MULTICAST || type == RTN_BROADCAST)
		sk->source.s_addr = INADDR_ANY;
	sock_route_forget(sk);
	return 0;
}

/* As Linux has it, the socket leaves the table with its peer: it receives nothing from then on. */
static int64_t raw_disconnect(struct sock *sk)
{
	sk->state = TCP_CLOSE;
	sk->remote.s_addr = sk->local.s_addr = sk->source.s_addr = 0;
	sk->remote_port = 0;
	sk->bound_link = 0;
	raw_unhash(sk);
	sock_route_forget(sk);
	return 0;
}

static int64_t raw_connect(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags)
{
	if (length < sizeof(address->sa_family))
		return -EINVAL;
	return address->sa_family == AF_UNSPEC ? raw_disconnect(sk) : datagram_connect(sk, address, length, NULL);
}

/* The name's port is the protocol, until the socket has been disconnected. */
static int64_t raw_getname(struct sock *sk, struct sockaddr_in *address, bool peer)
{
	int64_t result = inet_getname(sk, address, peer);

	if (!peer && !raw_sk(sk)->hashed)
		address->sin_port = 0;
	return result;
}

/* --- send ------------------------------------------------------------------------------------------------------------------ */

static int64_t destination(struct sock *sk, const struct msghdr *msg, struct datagram_send *send)
{
	const struct sockaddr_in *to = msg->msg_name;

	if (!msg->msg_namelen) {
		send->destination = sk->remote;
		return sk->state == TCP_ESTABLISHED ? 0 : -EDESTADDRREQ;
	}
	if (msg->msg_namelen < sizeof(*to))
		return -EINVAL;
	if (to->sin_family != AF_INET && to->sin_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	send->destination = to->sin_addr;
	return 0;
}

/* Whether the link had no room is told only to those who want errors. */
static int64_t sent(const struct sock *sk, int error)
{
	return error == -ENOBUFS && !sock_flag(sk, SF_RECVERR) ? 0 : error;
}

/*
 * IP_HDRINCL: the caller's own header, which must be as long as a header is. Source, id, total length and checksum are filled in
 * where it leaves them out.
 */
static int64_t send_with_header(struct sock *sk, const struct msghdr *msg, size_t length, struct datagram_send *send, int flags)
{
	struct pl_stack *stack = sk->stack;
	uint32_t mtu = send->route->link->mtu;
	struct pktbuf *packet;
	struct ip_send about;
	struct iphdr *ip;
	int64_t result;

	if (length > mtu) {
		sock_queue_local_error(sk, EMSGSIZE, send->destination, sk->remote_port, mtu);
		return -EMSGSIZE;
	}
	if (length < sizeof(*ip))
		return -EINVAL;
	if (flags & MSG_PROBE_ONLY) {
		datagram_probe(sk, send);
		return 0;
	}
	result = datagram_may_send(sk, send);
	if (result)
		return result;
	packet = pktbuf_new(stack, IP_HEADROOM, length);
	if (!packet)
		return -ENOBUFS;
	ip = pktbuf_put(packet, length);
	result = msg_copy_in(msg, 0, ip, length) < length ? -EFAULT : 0;
	if (!result && (ip->ihl < 5 || ip->ihl * 4u > length))
		result = -EINVAL;
	if (result) {
		COUNT(stack, Ip, OutDiscards);
		pktbuf_free(stack, packet);
		return result;
	}
	about = (struct ip_send){ .source.s_addr = ip->saddr, .destination.s_addr = ip->daddr, .protocol = ip->protocol,
				  .dont_fragment = ip->frag_off & htons(IP_DF) };
	if (!ip->saddr)
		ip->saddr = send->source.s_addr;
	ip->tot_len = htons((uint16_t)length);
	if (!ip->id)
		ip->id = htons(ip_select_id(stack, &about, 1));
	ip->check = 0;
	ip->check = checksum_finish(checksum_add(ip, ip->ihl * 4u, 0));
	if (ip->protocol == IPPROTO_ICMP && ip->ihl * 4u < length)
		icmp_count_out(stack, ((uint8_t *)ip)[ip->ihl * 4u]);
	packet->network = packet->data;
	packet->transport = packet->data + ip->ihl * 4u;
	packet->route = route_hold(send->route);
	packet->gateway.s_addr = send->route->has_nexthop ? send->route->gateway.s_addr : ip->daddr;
	packet->mark = send->mark;
	packet->priority = send->priority;
	packet->confirms = send->confirms;
	packet->checksum_in_software = true;
	return sent(sk, datagram_transmit_whole(sk, packet, send));
}

static int64_t send_bytes(struct sock *sk, const struct datagram_send *send, const uint8_t *bytes, size_t length)
{
	struct pktbuf *packet = pktbuf_new(sk->stack, IP_HEADROOM, length);
	uint32_t options = send->options ? send->options->length : 0;
	struct ip_send ip;

	if (!packet)
		return -ENOBUFS;
	if (length)
		memcpy(pktbuf_put(packet, length), bytes, length);
	packet->checksum_in_software = true;
	if (send->protocol == IPPROTO_ICMP && length)
		icmp_count_out(sk->stack, bytes[0]);
	datagram_ip_send(sk, send, (uint32_t)(length + sizeof(struct iphdr) + options), &ip);
	return sent(sk, datagram_transmit(sk, packet, &ip, send));
}

/* Add the message to what MSG_MORE has collected. */
static int64_t collect(struct sock *sk, const struct msghdr *msg, size_t length)
{
	struct raw_sock *raw = raw_sk(sk);
	/* Unlike other datagrams these are sent whatever error is pending, and after shutdown. */
	int64_t result = datagram_check_size(sk, &raw->pending, (uint32_t)(raw->length + length));
	uint8_t *bytes = result ? NULL : realloc(raw->bytes, raw->length + length + 1);

	if (result)
		return result;
	if (!bytes)
		return -ENOBUFS;
	raw->bytes = bytes;
	if (msg_copy_in(msg, 0, raw->bytes + raw->length, length) < length)
		return -EFAULT;
	raw->length += length;
	datagram_charge_pending(sk, &raw->pending, &raw->memory, (uint32_t)length, 0);
	return 0;
}

/*
 * Without IP_HDRINCL: collect, and send unless there is more. `send` is taken over: the first message says how the datagram goes, the
 * last one, which may be a MSG_PROBE with nothing of its own, from whom to whom, as Linux has it.
 */
static int64_t append(struct sock *sk, const struct msghdr *msg, size_t length, struct datagram_send *send, int flags)
{
	struct raw_sock *raw = raw_sk(sk);
	struct in_addr source = send->source, destination = send->destination;
	int64_t result = 0;

	if (raw->has_pending || flags & MSG_PROBE_ONLY) {
		datagram_send_end(sk, send);
	} else {
		raw->pending = *send;
		raw->has_pending = true;
	}
	if (!(flags & MSG_PROBE_ONLY))
		result = collect(sk, msg, length);
	if (!result && !(flags & MSG_MORE) && raw->has_pending) {
		raw->pending.source = source;
		raw->pending.destination = destination;
		datagram_uncharge_pending(sk, &raw->memory);
		result = send_bytes(sk, &raw->pending, raw->bytes, raw->length);
		drop_pending(sk);
	}
	if (result)
		drop_pending(sk);
	sock_route_refresh(sk);
	return result;
}

static int64_t raw_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags)
{
	bool header = sock_flag(sk, SF_HDRINCL);
	size_t length = msg_length(msg);
	struct datagram_send send;
	int64_t result;

	if (length > UINT16_MAX)
		return -EMSGSIZE;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	datagram_send_begin(sk, &send, call, flags);
	result = destination(sk, msg, &send);
	if (header)
		send.protocol = IPPROTO_RAW;
	if (!result && msg->msg_controllen)
		result = datagram_send_control(sk, msg, &send);
	if (!result && header && (send.options || sk->options))
		result = -EINVAL;
	/* The type and code of an ICMP message are part of what the way is looked up by. */
	if (!result && !header && sk->protocol == IPPROTO_ICMP && length < 2)
		result = -EFAULT;
	if (!result)
		result = datagram_route(sk, &send, 0, flags, false);
	if (!header)
		send.protocol = sk->protocol;
	if (!result && header)
		result = send_with_header(sk, msg, length, &send, flags);
	else if (!result && flags & MSG_PROBE_ONLY)
		datagram_probe(sk, &send);
	if (!result && !header && !(flags & MSG_PROBE_ONLY && flags & MSG_CONFIRM && !length))
		return (result = append(sk, msg, length, &send, flags)) ? result : (int64_t)length;
	datagram_send_end(sk, &send);
	return result ? result : (int64_t)length;
}

/* --- receive ---------------------------------------------------------------------------------------------------------------- */

static int64_t raw_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
{
	struct pktbuf *packet;
	uint32_t offset;
	int64_t result;

	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (flags & MSG_ERRQUEUE)
		return sock_receive_error(sk, msg, flags);
	packet = datagram_take(sk, call, flags, &offset, &result);
	if (!packet)
		return result;
	result = raw_read(sk, msg, packet, flags);
	pktbuf_free(sk->stack, packet);
	return result;
}

/* --- options --------------------------------------------------------------------------------------------------------------- */

static int64_t raw_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length)
{
	struct raw_sock *raw = raw_sk(sk);

	if (level != SOL_RAW)
		return inet_setsockopt(sk, level, name, value, length);
	if (name != ICMP_FILTER)
		return -ENOPROTOOPT;
	if (sk->protocol != IPPROTO_ICMP)
		return -EOPNOTSUPP;
	if (length && !value)
		return -EFAULT;
	if (length)
		memcpy(&raw->filter, value, length < sizeof(raw->filter) ? length : sizeof(raw->filter));
	return 0;
}

static int64_t raw_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length)
{
	if (level != SOL_RAW)
		return inet_getsockopt(sk, level, name, value, length);
	if (name != ICMP_FILTER)
		return -ENOPROTOOPT;
	if (sk->protocol != IPPROTO_ICMP)
		return -EOPNOTSUPP;
	return sockopt_copy_out(value, length, &raw_sk(sk)->filter, sizeof(raw_sk(sk)->filter));
}

static int64_t raw_close(struct sock *sk, struct pl_call *call)
{
	mroute_socket_gone(sk);
	return datagram_close(sk, call);
}

const struct proto raw_proto = {
	.name = "RAW",
	.type = SOCK_RAW,
	.size = sizeof(struct raw_sock),
	.init = raw_init,
	.close = raw_close,
	.destroy = drop_pending,
	.bind = raw_bind,
	.connect = raw_connect,
	.shutdown = datagram_shutdown,
	.getname = raw_getname,
	.sendmsg = raw_sendmsg,
	.recvmsg = raw_recvmsg,
	.setsockopt = raw_setsockopt,
	.getsockopt = raw_getsockopt,
	.ioctl = datagram_ioctl,
	.poll = datagram_poll,
	.unhash = raw_unhash,
};
