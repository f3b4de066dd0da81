/*
 * Datagrams out: sendmsg, datagrams collected over several calls (MSG_MORE, UDP_CORK), one send that becomes several datagrams
 * (UDP_SEGMENT), checksums.
 */
#include "udp.h"

#include <stdlib.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* SOL_UDP control messages (udp_cmsg_send): the segment size. 0, or -EINVAL. Others are left for the IP layer. */
static int64_t udp_control(const struct msghdr *msg, uint16_t *segment)
{
	const struct cmsghdr *control = NULL;
	bool bad = false;

	while ((control = control_next(msg, control, &bad))) {
		if (control->cmsg_level != IPPROTO_UDP)
			continue;
		if (control->cmsg_type != UDP_SEGMENT || control->cmsg_len != CMSG_LEN(sizeof(*segment)))
			return -EINVAL;
		memcpy(segment, CMSG_DATA(control), sizeof(*segment));
	}
	return bad ? -EINVAL : 0;
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
		uint16_t coverage = 0;		/* all of it */

		if (up->send_coverage_set && up->send_coverage < length)
			coverage = up->send_coverage;
		if (coverage)
			covered = coverage;
		header->len = htons(up->send_coverage_set ? coverage : (uint16_t)length);
	} else if (sock_flag(sk, SF_NO_CHECK_TX)) {
		return;
	}
	/* With a source route Linux sums over the first hop's address, not the last one's. */
	header->check = checksum_finish(checksum_add(header, covered, checksum_pseudo(send->source, send->hop,
										     (uint8_t)sk->protocol, length)));
	if (!header->check)
		header->check = 0xffff;
}

/* One datagram with `length` bytes of payload. 0 or the error of the way out; counted. */
static int64_t send_packet(struct sock *sk, const struct datagram_send *send, uint16_t port, const uint8_t *bytes, size_t length)
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
	datagram_ip_send(sk, send, (uint32_t)(pktbuf_length(packet) + sizeof(struct iphdr) + options), &ip);
	error = datagram_transmit(sk, packet, &ip, send);
	if (!error) {
		UDP_COUNT(stack, udp_is_lite(sk), OutDatagrams);
	} else if (error == -ENOBUFS && !sock_flag(sk, SF_RECVERR)) {
		UDP_COUNT(stack, udp_is_lite(sk), SndbufErrors);
		error = 0;
	}
	return error;
}

/* The checks of UDP_SEGMENT, then a datagram a segment. The IP layer counts the whole as one datagram. */
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
	for (size_t at = 0; at < length && !result; at += part) {
		struct datagram_send one = *send;

		if (at)		/* the first tells for all */
			one.timestamp_flags = 0;
		part = length - at < send->segment ? length - at : send->segment;
		result = send_packet(sk, &one, port, bytes + at, part);
	}
	sk->stack->counter[CNT_Udp_OutDatagrams] = sent + (result == 0);
	return result;
}

static int64_t send_bytes(struct sock *sk, const struct datagram_send *send, uint16_t port, const uint8_t *bytes, size_t length)
{
	int64_t result;

	if (send->segment && length > send->segment)
		return send_segments(sk, send, port, bytes, length);
	if (send->segment && length + sizeof(struct udphdr) + sizeof(struct iphdr) > sock_path_mtu(sk, send->route))
		return -EMSGSIZE;
	result = datagram_check_size(sk, send, (uint32_t)(length + sizeof(struct udphdr)));
	return result ? result : send_packet(sk, send, port, bytes, length);
}

/* --- corking ------------------------------------------------------------------------------------------------------------------ */

void udp_drop_pending(struct sock *sk)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;

	if (!cork->pending)
		return;
	datagram_send_end(sk, &cork->send);
	free(cork->bytes);
	*cork = (struct udp_cork){ 0 };
}

int64_t udp_push_pending(struct sock *sk)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;
	int64_t result;

	if (!cork->pending)
		return 0;
	result = send_bytes(sk, &cork->send, cork->port, cork->bytes, cork->length);
	udp_drop_pending(sk);
	return result;
}

/* Add the message to what is pending, and send it all unless more is to come. The bytes of this message, or an error. */
static int64_t append(struct sock *sk, const struct msghdr *msg, size_t length, bool more)
{
	struct udp_cork *cork = &udp_sk(sk)->cork;
	int64_t result = 0;

	if (cork->length + length > cork->room) {
		size_t room = cork->length + length + 512;
		uint8_t *bytes = realloc(cork->bytes, room);

		if (!bytes)
			result = -ENOBUFS;
		else
			cork->bytes = bytes;
		if (bytes)
			cork->room = room;
	}
	if (!result && !cork->send.segment)
		result = datagram_check_size(sk, &cork->send, (uint32_t)(cork->length + length + sizeof(struct udphdr)));
	if (!result && msg_copy_in(msg, 0, cork->bytes + cork->length, length) < length)
		result = -EFAULT;
	if (result) {
		udp_drop_pending(sk);
		return result;
	}
	cork->length += length;
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
	result = datagram_check_size(sk, send, send->segment ? 0 : (uint32_t)(length + sizeof(struct udphdr)));
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
		if (!result)
			result = datagram_send_control(sk, msg, send);
		connected = false;
	}
	send->protocol = sk->protocol;	/* IP_PROTOCOL is for raw sockets */
	return result ? result : datagram_route(sk, send, *port, flags, connected);
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
	if (up->cork.pending)
		return append(sk, msg, length, more);
	datagram_send_begin(sk, &send, call, flags);
	result = prepare(sk, msg, flags, &send, &port);
	if (!result && flags & MSG_PROBE_ONLY) {
		datagram_probe(sk, &send);
		datagram_send_end(sk, &send);
		return (int64_t)length;
	}
	if (!result && more) {
		/* Too much is too much even with an error pending, which the next call tells. */
		result = send.segment ? 0 : datagram_check_size(sk, &send, (uint32_t)(length + sizeof(struct udphdr)));
		if (!result)
			result = datagram_may_send(sk, &send);
		if (!result) {
			up->cork = (struct udp_cork){ .pending = true, .send = send, .port = port };
			return append(sk, msg, length, true);
		}
	}
	if (!result)
		result = send_message(sk, msg, length, flags, &send, port);
	datagram_send_end(sk, &send);
	if (result == -ENOBUFS)
		UDP_COUNT(sk->stack, udp_is_lite(sk), SndbufErrors);
	return result;
}
