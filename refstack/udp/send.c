/*
 * Datagrams out: sendmsg, datagrams collected over several calls (MSG_MORE, UDP_CORK), one send that becomes several datagrams
 * (UDP_SEGMENT), checksums.
 */
#include "udp.h"

#include <stdlib.h>

#define LOOPBACK_HEADER 14

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* SOL_UDP control messages (udp_cmsg_send): the segment size. 1: there are others, left for the IP layer; 0, or -EINVAL. */
static int64_t udp_control(const struct msghdr *msg, uint16_t *segment)
{
	const struct cmsghdr *control = NULL;
	bool bad = false, others = false;

	while ((control = control_next(msg, control, &bad))) {
		others |= control->cmsg_level != IPPROTO_UDP;
		if (control->cmsg_level != IPPROTO_UDP)
			continue;
		if (control->cmsg_type != UDP_SEGMENT || control->cmsg_len != CMSG_LEN(sizeof(*segment)))
			return -EINVAL;
		memcpy(segment, CMSG_DATA(control), sizeof(*segment));
	}
	return bad ? -EINVAL : others;
}

/* Where a message goes: its address, or the one the socket is connected to. */
static int64_t destination(struct sock *sk, const struct msghdr *msg, struct datagram_send *send, uint16_t *port)
{
	const struct sockaddr_in *to = msg->msg_name;

	if (!to) {
		if (sk->state != TCP_ESTABLISHED)
			return -EDESTADDRREQ;
		send->destination = sk->remote;
		*port = sk->remote_port;
		return 0;
	}
	if (msg->msg_namelen < sizeof(*to))
		return -EINVAL;
	if (to->sin_family != AF_INET && to->sin_family != AF_UNSPEC)
		return -EAFNOSUPPORT;
	send->destination = to->sin_addr;
	*port = ntohs(to->sin_port);
	return *port ? 0 : -EINVAL;
}

/* --- packets -------------------------------------------------------------------------------------------------------------- */

static void write_checksum(struct sock *sk, const struct datagram_send *send, struct pktbuf *packet)
{
	const struct udp_sock *up = udp_sk(sk);
	struct udphdr *header = (struct udphdr *)packet->data;
	uint32_t length = pktbuf_length(packet), covered = length;

	if (udp_is_lite(sk)) {
		/* A coverage of more than there is stands for all of it, as 0 does. */
		if (up->send_coverage_set && up->send_coverage < length) {
			header->len = htons(up->send_coverage);
			if (up->send_coverage)
				covered = up->send_coverage;
		}
	} else if (sock_flag(sk, SF_NO_CHECK_TX)) {
		return;
	}
	/* With a source route Linux sums over the first hop's address, not the last one's. */
	header->check = checksum_finish(checksum_add(header, covered, checksum_pseudo(send->source, send->hop,
										     (uint8_t)sk->protocol, length)));
	if (!header->check)
		header->check = 0xffff;
}

/*
 * One datagram with `length` bytes of payload, of a message of `whole` bytes, by which DF is decided; a `segment` makes it one
 * large packet that stands for as many as it has segments. 0 or the error of the way out; counted.
 */
static int64_t send_packet(struct sock *sk, const struct datagram_send *send, uint16_t port, const uint8_t *bytes, size_t length,
			   size_t whole, uint16_t segment)
{
	struct pl_stack *stack = sk->stack;
	struct pktbuf *packet = pktbuf_new(stack, IP_HEADROOM, sizeof(struct udphdr) + length);
	uint32_t options = send->options ? send->options->length : 0;
	struct udphdr *header;
	struct ip_send ip;
	int error;

	if (!packet)
		return -ENOBUFS;
	header = pktbuf_put(packet, sizeof(*header));
	*header = (struct udphdr){
		.source = htons(sk->port),
		.dest = htons(port),
		.len = htons((uint16_t)(sizeof(*header) + length)),
	};
	if (length)
		memcpy(pktbuf_put(packet, length), bytes, length);
	write_checksum(sk, send, packet);
	packet->checksum_ok = true;
	packet->checksum_in_software = udp_is_lite(sk);
	if (segment) {
		packet->gso_size = segment;
		packet->gso_segs = (uint16_t)((length + segment - 1) / segment);
	}
	datagram_ip_send(sk, send, (uint32_t)(whole + sizeof(*header) + sizeof(struct iphdr) + options), &ip);
	error = datagram_transmit(sk, packet, &ip, send);
	if (!error) {
		UDP_COUNT(stack, udp_is_lite(sk), OutDatagrams);
	} else if (error == -ENOBUFS && !sock_flag(sk, SF_RECVERR)) {
		UDP_COUNT(stack, udp_is_lite(sk), SndbufErrors);
		error = 0;
	}
	return error;
}

/* Is a message of `length` bytes not too long? One that is cut into segments may have what an IP packet may. */
static int64_t check_size(struct sock *sk, const struct datagram_send *send, size_t length)
{
	uint32_t options = send->options ? send->options->length : 0;

	if (!send->segment)
		return datagram_check_size(sk, send, (uint32_t)(length + sizeof(struct udphdr)));
	if (length + sizeof(struct udphdr) + sizeof(struct iphdr) + options <= UINT16_MAX)
		return 0;
	sock_queue_local_error(sk, EMSGSIZE, send->destination, sk->remote_port, UINT16_MAX - options);
	return -EMSGSIZE;
}

/*
 * The checks of UDP_SEGMENT, then a datagram a segment; the IP layer counts the whole as one datagram. The loopback link takes it as
 * one packet, which is cut where it is received, if at all; but not one that with its Ethernet header has 64 KiB.
 */
static int64_t send_segments(struct sock *sk, const struct datagram_send *send, uint16_t port, const uint8_t *bytes, size_t length)
{
	uint32_t options = send->options ? send->options->length : 0;
	size_t headers = sizeof(struct iphdr) + options + sizeof(struct udphdr);
	size_t part = length < send->segment ? length : send->segment;
	int64_t result = 0;
	uint64_t sent = sk->stack->counter[CNT_Udp_OutDatagrams];

	if (headers + part > sock_path_mtu(sk, send->route))
		return -EMSGSIZE;
	if (length > (size_t)send->segment * UDP_MAX_SEGMENTS || sock_flag(sk, SF_NO_CHECK_TX))
		return -EINVAL;
	if (udp_is_lite(sk))
		return -EIO;
	if (length <= send->segment)
		return send_packet(sk, send, port, bytes, length, length, 0);
	if (send->route->link->flags & IFF_LOOPBACK && send->route->link->gso && headers + length + LOOPBACK_HEADER <= UINT16_MAX)
		return send_packet(sk, send, port, bytes, length, length, send->segment);
	for (size_t at = 0; at < length && !result; at += part) {
		struct datagram_send one = *send;

		if (at)		/* the first tells for all */
			one.timestamp_flags = 0;
		part = length - at < send->segment ? length - at : send->segment;
		result = send_packet(sk, &one, port, bytes + at, part, length, 0);
	}
	sk->stack->counter[CNT_Udp_OutDatagrams] = sent + (result == 0);
	return result;
}

static int64_t send_bytes(struct sock *sk, const struct datagram_send *send, uint16_t port, const uint8_t *bytes, size_t length)
{
	int64_t result;

	if (send->segment)
		return send_segments(sk, send, port, bytes, length);
	result = datagram_check_size(sk, send, (uint32_t)(length + sizeof(struct udphdr)));
	return result ? result : send_packet(sk, send, port, bytes, length, length, 0);
}

/* --- corking ------------------------------------------------------------------------------------------------------------------ */

void udp_drop_pending(struct sock *sk)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;

	if (!cork->pending)
		return;
	datagram_uncharge_pending(sk, &cork->memory);
	datagram_send_end(sk, &cork->send);
	free(cork->bytes);
	*cork = (struct udp_cork){ 0 };
	sock_write_space(sk);
}

int64_t udp_push_pending(struct sock *sk)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;
	int64_t result;

	if (!cork->pending)
		return 0;
	datagram_uncharge_pending(sk, &cork->memory);
	result = send_bytes(sk, &cork->send, cork->port, cork->bytes, cork->length);
	udp_drop_pending(sk);
	return result;
}

/*
 * Add the message to what is pending, unless it is a MSG_PROBE, and send it all unless more is to come. The bytes of this message, or
 * an error.
 */
static int64_t append(struct sock *sk, const struct msghdr *msg, size_t length, int flags, bool more)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;
	bool probe = flags & MSG_PROBE_ONLY;
	int64_t result = 0;

	if (!probe && cork->length + length > cork->room) {
		size_t room = cork->length + length + 512;
		uint8_t *bytes = realloc(cork->bytes, room);

		if (!bytes)
			result = -ENOBUFS;
		else
			cork->bytes = bytes;
		if (bytes)
			cork->room = room;
	}
	if (!result && !probe)
		result = check_size(sk, &cork->send, cork->length + length);
	if (!result && !probe && msg_copy_in(msg, 0, cork->bytes + cork->length, length) < length)
		result = -EFAULT;
	if (result) {
		udp_drop_pending(sk);
		return result;
	}
	if (!probe) {
		cork->length += length;
		datagram_charge_pending(sk, &cork->send, &cork->memory, (uint32_t)length, sizeof(struct udphdr));
	}
	if (!more)
		result = udp_push_pending(sk);
	return result ? result : (int64_t)length;
}

/* --- sendmsg -------------------------------------------------------------------------------------------------------------------- */

/* One message that is a datagram: copy and send. */
static int64_t send_message(struct sock *sk, const struct msghdr *msg, size_t length, int flags, const struct datagram_send *send,
			    uint16_t port)
{
	uint8_t small[2048], *bytes = length <= sizeof(small) ? small : malloc(length);
	int64_t result;

	if (!bytes)
		return -ENOBUFS;
	result = check_size(sk, send, length);
	if (!result)
		result = datagram_may_send(sk, send);
	if (!result && msg_copy_in(msg, 0, bytes, length) < length)
		result = -EFAULT;
	if (!result)
		result = send_bytes(sk, send, port, bytes, length);
	if (!result && flags & MSG_ZEROCOPY && length && sock_flag(sk, SF_ZEROCOPY)) {
		sock_queue_zerocopy(sk, sk->zerocopy_key, sk->zerocopy_key, true);	/* no device here takes pages */
		sk->zerocopy_key++;
	}
	if (bytes != small)
		free(bytes);
	return result ? result : (int64_t)length;
}

/* Everything up to the route, into *send. */
static int64_t prepare(struct sock *sk, const struct msghdr *msg, int flags, struct datagram_send *send, uint16_t *port)
{
	bool connected = !msg->msg_name;
	int64_t result = destination(sk, msg, send, port);

	send->segment = udp_sk(sk)->segment;
	if (!result && msg->msg_controllen) {
		result = udp_control(msg, &send->segment);
		if (result > 0) {
			result = datagram_send_control(sk, msg, send);
			connected = false;
		}
	}
	send->protocol = sk->protocol;	/* IP_PROTOCOL is for raw sockets */
	return result ? result : datagram_route(sk, send, *port, flags, connected);
}

/*
 * Linux keeps the addresses that connect chose where corking keeps its own. So while a connected socket's route stays good,
 * what it sends without an address goes over that route to where the last corked datagram went.
 */
static void follow_last_cork(const struct udp_sock *up, struct datagram_send *send, uint16_t *port)
{
	if (!send->kept_route || !up->last_cork.port)
		return;
	send->destination = send->hop = up->last_cork.destination;
	send->source = up->last_cork.source;
	*port = up->last_cork.port;
}

int64_t udp_sendmsg(struct sock *sk, struct pl_call *call, const struct msghdr *msg, int flags)
{
	struct udp_sock *up = udp_sk(sk);
	bool more = up->corked || flags & MSG_MORE;
	size_t length = msg_length(msg);
	struct datagram_send send;
	int64_t result;
	uint16_t port;

	if (!sk->port && udp_get_port(sk, 0))
		return -EAGAIN;
	if (length > UINT16_MAX)
		return -EMSGSIZE;
	if (flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (up->cork.pending) {
		result = append(sk, msg, length, flags, more);
		sock_route_refresh(sk);
		return result;
	}
	datagram_send_begin(sk, &send, call, flags);
	result = prepare(sk, msg, flags, &send, &port);
	if (!result && flags & MSG_PROBE_ONLY) {
		datagram_probe(sk, &send);
		datagram_send_end(sk, &send);
		return (int64_t)length;
	}
	if (!result && more) {
		up->last_cork.destination = send.destination;
		up->last_cork.source = send.source;
		up->last_cork.port = port;
		/* Too much is too much even with an error pending, which the next call tells. */
		result = check_size(sk, &send, length);
		if (!result)
			result = datagram_may_send(sk, &send);
		if (!result) {
			up->cork = (struct udp_cork){ .pending = true, .send = send, .port = port };
			return append(sk, msg, length, flags, true);
		}
	}
	if (!result) {
		follow_last_cork(up, &send, &port);
		result = send_message(sk, msg, length, flags, &send, port);
	}
	datagram_send_end(sk, &send);
	if (result == -ENOBUFS)
		UDP_COUNT(sk->stack, udp_is_lite(sk), SndbufErrors);
	return result;
}
