/* The rows of UDP and UDP-Lite: what a socket of theirs can do. */
#include "udp.h"

#include <sys/ioctl.h>
#include <linux/sockios.h>

/* Newer than some headers. */
enum {
	OPT_CORK = 1, OPT_ENCAP = 100, OPT_NO_CHECK6_TX = 101, OPT_NO_CHECK6_RX = 102, OPT_SEGMENT = 103, OPT_GRO = 104,
	OPT_SEND_COVERAGE = 10, OPT_RECEIVE_COVERAGE = 11,
};

static void udp_destroy(struct sock *sk)
{
	udp_drop_pending(sk);
	udp_memory_release(udp_sk(sk));
}

static int64_t udp_close(struct sock *sk, struct pl_call *call)
{
	udp_drop_pending(sk);
	return datagram_close(sk, call);
}

static int64_t udp_bind(struct sock *sk, const struct sockaddr *address, socklen_t length)
{
	return inet_bind(sk, address, length, udp_get_port);
}

/* connect to AF_UNSPEC: forget the peer, and what was not bound to on purpose. */
static int64_t udp_disconnect(struct sock *sk)
{
	sk->state = TCP_CLOSE;
	sk->remote.s_addr = 0;
	sk->remote_port = 0;
	sk->bound_link = 0;
	if (!sk->bound_address) {
		sk->local.s_addr = sk->source.s_addr = 0;
		if (sk->bound_port)
			udp_rehash(sk);
	}
	if (!sk->bound_port)
		udp_unhash(sk);
	sock_route_forget(sk);
	return 0;
}

static int64_t udp_connect(struct sock *sk, struct pl_call *call, const struct sockaddr *address, socklen_t length, int flags)
{
	if (length < sizeof(address->sa_family))
		return -EINVAL;
	if (address->sa_family == AF_UNSPEC)
		return udp_disconnect(sk);
	if (!sk->port && udp_get_port(sk, 0))
		return -EAGAIN;
	int64_t result = datagram_connect(sk, address, length, udp_rehash);
	struct udp_cork *cork = &udp_sk(sk)->cork;

	if (result)
		return result;
	udp_sk(sk)->last_cork.port = 0;
	/* As Linux has it, what is still collected goes to the new peer, over the route that it had. */
	if (!cork->send.options || !cork->send.options->source_route)
		cork->send.destination = cork->send.hop = sk->remote;
	cork->send.source = sk->source;
	cork->port = sk->remote_port;
	return 0;
}

/* UDP-Lite's coverage is everything (0), or at least the header. */
static uint16_t coverage(int value)
{
	if (value && value < (int)sizeof(struct udphdr))
		return sizeof(struct udphdr);
	return (uint16_t)(value > UINT16_MAX ? UINT16_MAX : value);
}

static int64_t set_lite(struct sock *sk, int name, int value)
{
	struct udp_sock *up = udp_sk(sk);

	if (!udp_is_lite(sk))
		return -ENOPROTOOPT;
	if (name == OPT_SEND_COVERAGE) {
		up->send_coverage = coverage(value);
		up->send_coverage_set = true;
	} else {
		up->receive_coverage = coverage(value);
		up->receive_coverage_set = true;
	}
	return 0;
}

static int64_t set_option(struct sock *sk, int name, int value)
{
	struct udp_sock *up = udp_sk(sk);

	switch (name) {
	case OPT_CORK:
		up->corked = value;
		if (!value)
			udp_push_pending(sk);
		sock_route_refresh(sk);
		return 0;
	case OPT_ENCAP:
		if (value != 0 && value != 2 && value != 3)	/* UDP_ENCAP_ESPINUDP, UDP_ENCAP_L2TPINUDP */
			return -ENOPROTOOPT;
		up->encapsulation = value;
		return 0;
	case OPT_NO_CHECK6_TX:
		up->no_check6_tx = value;
		return 0;
	case OPT_NO_CHECK6_RX:
		up->no_check6_rx = value;
		return 0;
	case OPT_SEGMENT:
		if (value < 0 || value > UINT16_MAX)
			return -EINVAL;
		up->segment = (uint16_t)value;
		return 0;
	case OPT_GRO:
		up->gro = value;
		return 0;
	case OPT_SEND_COVERAGE:
	case OPT_RECEIVE_COVERAGE:
		return set_lite(sk, name, value);
	}
	return -ENOPROTOOPT;
}

static int64_t udp_setsockopt(struct sock *sk, int level, int name, const void *value, socklen_t length)
{
	int number;

	if (level != IPPROTO_UDP && level != IPPROTO_UDPLITE)
		return inet_setsockopt(sk, level, name, value, length);
	if (length < sizeof(number))
		return -EINVAL;
	if (!value)
		return -EFAULT;
	memcpy(&number, value, sizeof(number));
	return set_option(sk, name, number);
}

static int64_t udp_getsockopt(struct sock *sk, int level, int name, void *value, socklen_t *length)
{
	const struct udp_sock *up = udp_sk(sk);
	int number;

	if (level != IPPROTO_UDP && level != IPPROTO_UDPLITE)
		return inet_getsockopt(sk, level, name, value, length);
	if (!length)
		return -EFAULT;
	if ((int)*length < 0)
		return -EINVAL;
	switch (name) {
	case OPT_CORK:
		number = up->corked;
		break;
	case OPT_ENCAP:
		number = up->encapsulation;
		break;
	case OPT_NO_CHECK6_TX:
		number = up->no_check6_tx;
		break;
	case OPT_NO_CHECK6_RX:
		number = up->no_check6_rx;
		break;
	case OPT_SEGMENT:
		number = up->segment;
		break;
	case OPT_GRO:
		number = up->gro;
		break;
	case OPT_SEND_COVERAGE:
		number = up->send_coverage;
		break;
	case OPT_RECEIVE_COVERAGE:
		number = up->receive_coverage;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sockopt_copy_out(value, length, &number, sizeof(number));
}

static int64_t udp_ioctl(struct sock *sk, unsigned long request, void *argument)
{
	int64_t first;
	int number;

	switch (request) {
	case SIOCOUTQ:
		number = (int)sk->write_allocated;
		break;
	case SIOCINQ:
		first = udp_first_length(sk);
		number = first > 0 ? (int)first : 0;
		break;
	default:
		return -ENOTTY;
	}
	if (!argument)
		return -EFAULT;
	memcpy(argument, &number, sizeof(number));
	return 0;
}

static uint32_t udp_poll(struct sock *sk)
{
	/* Whoever would block must not be told of a datagram whose checksum is wrong. */
	if (!(sk->shutdown & RCV_SHUTDOWN) && !sk->poll_unblocking)
		udp_first_length(sk);
	return datagram_poll(sk);
}

#define UDP_ROW(text, number)                                                                                                  \
	{                                                                                                                      \
		.name = text, .type = SOCK_DGRAM, .protocol = number, .size = sizeof(struct udp_sock), .close = udp_close,     \
		.destroy = udp_destroy, .bind = udp_bind, .connect = udp_connect, .shutdown = datagram_shutdown,               \
		.getname = inet_getname, .sendmsg = udp_sendmsg, .recvmsg = udp_recvmsg, .setsockopt = udp_setsockopt,         \
		.getsockopt = udp_getsockopt, .ioctl = udp_ioctl, .poll = udp_poll, .rehash = udp_rehash,                      \
		.unhash = udp_unhash, .peek_offset = true,                                                                     \
	}
const struct proto udp_proto = UDP_ROW("UDP", IPPROTO_UDP);
const struct proto udplite_proto = UDP_ROW("UDP-Lite", IPPROTO_UDPLITE);
