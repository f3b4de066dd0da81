/*
 * Ping sockets: datagrams that are ICMP echo requests out and replies in (icmp(7), ping_group_range). The identifier stands where a
 * port would.
 */
#include <stdlib.h>

#include "../ip/icmp.h"
#include "../raw/raw.h"

#define EXTENDED_ECHO 42

struct ping_sock {
	struct sock sk;
	bool hashed;
};
static struct ping_sock *ping_sk(struct sock *sk)
{
	return (struct ping_sock *)sk;
}

/* Only groups within ping_group_range may have one. */
static int ping_init(struct sock *sk)
{
	const uint32_t *range = sk->stack->sysctl.ping_group_range;

	sk->reuse = 1;
	return sk->stack->gid >= range[0] && sk->stack->gid <= range[1] ? 0 : -EACCES;
}

static void ping_unhash(struct sock *sk)
{
	struct sock **at = &sk->stack->raw->ping;

	if (!ping_sk(sk)->hashed)
		return;
	while (*at != sk)
		at = &(*at)->hash_next;
	*at = sk->hash_next;
	ping_sk(sk)->hashed = false;
	sk->port = 0;
}

static bool identifier_taken(const struct sock *sk, uint16_t identifier)
{
	for (const struct sock *other = sk->stack->raw->ping; other; other = other->hash_next)
		if (other != sk && other->port == identifier)
			return true;
	return false;
}

/*
 * The next identifier that nobody has, or the one asked for: ping sockets may share theirs. Linux begins anywhere. Here it is in
 * the upper half, as ports that are chosen are, where scripts seldom name one.
 */
static int64_t ping_get_port(struct sock *sk, uint16_t identifier)
{
	struct raw_host *host = sk->stack->raw;

	if (!host->ping_rover)
		host->ping_rover = (uint16_t)(0x8000 + prng_below(&sk->stack->prng, 0x4000));
	for (uint32_t i = 0; !identifier && i < 65536; i++) {
		host->ping_rover++;
		if (host->ping_rover && !identifier_taken(sk, host->ping_rover))
			identifier = host->ping_rover;
	}
	if (!identifier)
		return -EADDRINUSE;
	sk->port = identifier;
	sk->hash_next = host->ping;
	host->ping = sk;
	ping_sk(sk)->hashed = true;
	return 0;
}

static int64_t ping_bind(struct sock *sk, const struct sockaddr *address, socklen_t length)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)address;
	int64_t result;
	int type;

	if (length < sizeof(*in))
		return -EINVAL;
	if (in->sin_family != AF_INET && (in->sin_family != AF_UNSPEC || in->sin_addr.s_addr != INADDR_ANY))
		return -EAFNOSUPPORT;
	type = address_type(sk->stack, in->sin_addr);
	if (in->sin_addr.s_addr && (type == RTN_MULTICAST || type == RTN_BROADCAST ||
				    !inet_address_bindable(sk, in->sin_addr, type)))
		return -EADDRNOTAVAIL;
	if (sk->port)
		return -EINVAL;
	result = ping_get_port(sk, ntohs(in->sin_port));
	if (result)
		return result;
	sk->local = sk->source = in->sin_addr;
	sk->bound_address = sk->local.s_addr != 0;
	sk->bound_port = in->sin_port != 0;
	sk->remote.s_addr = 0;
	sk->remote_port = 0;
	sock_route_forget(sk);
	return 0;
}

static int64_t ping_disconnect(struct sock *sk)
{
	sk->state = TCP_CLOSE;
	sk->remote.s_addr = 0;
	sk->remote_port = 0;
	sk->bound_link = 0;
	if (!sk->bound_address)
		sk->local.s_addr = sk->source.s_addr = 0;
	if (!sk->bound_port)
		ping_unhash(sk);
	sock_route_forget(sk);
	return 0;
}

static int64_t ping_connect(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags)
{
	if (length < sizeof(address->sa_family))
		return -EINVAL;
	if (address->sa_family == AF_UNSPEC)
		return ping_disconnect(sk);
	if (!sk->port && ping_get_port(sk, 0))
		return -EAGAIN;
	return datagram_connect(sk, address, length, NULL);
}

/* --- send ---------------------------------------------------------------------------------------------------------------- */

static bool is_request(const struct icmphdr *icmp)
{
	return (icmp->type == ICMP_ECHO || icmp->type == EXTENDED_ECHO) && icmp->code == 0;
}

static int64_t destination(struct sock *sk, const struct msghdr *msg, struct datagram_send *send)
{
	const struct sockaddr_in *to = msg->msg_name;

	if (!to) {
		send->destination = sk->remote;
		return sk->state == TCP_ESTABLISHED ? 0 : -EDESTADDRREQ;
	}
	if (msg->msg_namelen < sizeof(*to))
		return -EINVAL;
	if (to->sin_family != AF_INET)
		return -EAFNOSUPPORT;
	send->destination = to->sin_addr;
	return 0;
}

/* The message as it is, but for the identifier and the checksum, which are the stack's. */
static int64_t send_request(struct sock *sk, const struct msghdr *msg, size_t length, const struct datagram_send *send)
{
	uint32_t options = send->options ? send->options->length : 0;
	struct pktbuf *packet;
	struct icmphdr *icmp;
	struct ip_send ip;
	int64_t result = datagram_check_size(sk, send, (uint32_t)length);

	if (!result)
		result = datagram_may_send(sk, send);
	if (result)
		return result;
	packet = pktbuf_new(sk->stack, IP_HEADROOM, length);
	if (!packet)
		return -ENOBUFS;
	icmp = pktbuf_put(packet, length);
	msg_copy_in(msg, 0, icmp, length);
	icmp->un.echo.id = htons(sk->port);
	icmp->checksum = 0;
	icmp->checksum = checksum_finish(checksum_add(icmp, length, 0));
	packet->checksum_ok = true;
	icmp_count_out(sk->stack, icmp->type);
	datagram_ip_send(sk, send, (uint32_t)(length + sizeof(struct iphdr) + options), &ip);
	result = datagram_transmit(sk, packet, &ip, send);
	return result == -ENOBUFS && !sock_flag(sk, SF_RECVERR) ? 0 : result;
}

static int64_t ping_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags)
{
	size_t length = msg_length(msg);
	struct datagram_send send;
	struct icmphdr icmp;
	int64_t result;

	if (!sk->port && ping_get_port(sk, 0))
		return -EAGAIN;
	if (length > UINT16_MAX)
		return -EMSGSIZE;
	if (length < sizeof(icmp))
		return -EINVAL;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (msg_copy_in(msg, 0, &icmp, sizeof(icmp)) < sizeof(icmp))
		return -EFAULT;
	if (!is_request(&icmp))
		return -EINVAL;
	datagram_send_begin(sk, &send, call, flags);
	result = destination(sk, msg, &send);
	if (!result && msg->msg_controllen)
		result = datagram_send_control(sk, msg, &send);
	send.protocol = sk->protocol;
	if (!result)
		result = datagram_route(sk, &send, 0, flags, false);
	if (!result && flags & MSG_PROBE_ONLY)
		datagram_probe(sk, &send);
	else if (!result)
		result = send_request(sk, msg, length, &send);
	sock_route_refresh(sk);
	datagram_send_end(sk, &send);
	return result ? result : (int64_t)length;
}

/* --- receive -------------------------------------------------------------------------------------------------------------- */

/* Who sent with this identifier from the address that the packet came to; NULL: nobody. */
static struct sock *ping_lookup(struct pl_stack *stack, const struct pktbuf *packet, uint16_t identifier)
{
	for (struct sock *sk = stack->raw->ping; sk; sk = sk->hash_next)
		if (sk->port == identifier && (!sk->local.s_addr || sk->local.s_addr == ip_destination(packet).s_addr) &&
		    (!sk->bound_link || sk->bound_link == packet->input_ifindex))
			return sk;
	return NULL;
}

bool ping_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct icmphdr *icmp = pktbuf_at(packet, 0, sizeof(*icmp));
	struct sock *sk = icmp ? ping_lookup(stack, packet, ntohs(icmp->un.echo.id)) : NULL;
	struct pktbuf *copy = sk ? pktbuf_copy(stack, packet, 0) : NULL;

	if (copy) {
		/* The sum of what came from outside was made when it was checked; a looped packet is not summed. */
		*datagram_control_of(copy) = (struct datagram_control){ 0 };
		datagram_control_of(copy)->has_sum = true;
		datagram_control_of(copy)->sum = checksum_sum32(copy->data, pktbuf_length(copy));
		raw_queue(sk, copy);
	}
	return sk != NULL;
}

void ping_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info)
{
	const struct icmphdr *header = pktbuf_at(icmp, 0, sizeof(*header));
	const struct icmphdr *inner = (const struct icmphdr *)((const uint8_t *)quoted + quoted->ihl * 4u);
	struct icmp_error_map map;
	struct sock *sk;

	if (!is_request(inner))
		return;
	sk = ping_lookup(stack, icmp, ntohs(inner->un.echo.id));
	if (!sk)
		return;
	raw_redirected(stack, sk, icmp, quoted);
	if (!raw_error_of(stack, sk, header, quoted, info, &map))	/* source quench and redirects are told here, as some error */
		map = (struct icmp_error_map){ EREMOTEIO, false };
	if (header->type == ICMP_DEST_UNREACH && header->code == ICMP_FRAG_NEEDED && sk->pmtudisc == IP_PMTUDISC_DONT)
		return;
	if (sock_flag(sk, SF_RECVERR))
		sock_queue_icmp_error(sk, icmp, map.error, 0, info, (const uint8_t *)inner);
	else if (!map.fatal || sk->state != TCP_ESTABLISHED)
		return;
	sk->error = map.error;
	sock_error_report(sk);
}

static int64_t ping_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
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
	result = raw_read(sk, msg, packet, flags & ~MSG_TRUNC);	/* MSG_TRUNC does not give the whole length here */
	pktbuf_free(sk->stack, packet);
	return result;
}

const struct proto ping_proto = {
	.name = "PING",
	.type = SOCK_DGRAM,
	.protocol = IPPROTO_ICMP,
	.size = sizeof(struct ping_sock),
	.init = ping_init,
	.close = datagram_close,
	.bind = ping_bind,
	.connect = ping_connect,
	.shutdown = datagram_shutdown,
	.getname = inet_getname,
	.sendmsg = ping_sendmsg,
	.recvmsg = ping_recvmsg,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.poll = datagram_poll,
	.unhash = ping_unhash,
};
