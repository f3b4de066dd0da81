/*
 * Datagrams in.
 *
 * The length is checked on arrival, and the checksum of a short datagram; that of a longer one when it is read, as Linux does: a
 * wrong one is dropped by the reader (or by poll and FIONREAD, which look for it so that they do not promise what is not there).
 */
#include "../netfilter/netfilter.h"
#include "udp.h"

#include <netinet/udp.h>

static bool is_lite(const struct pktbuf *packet)
{
	return ip_header(packet)->protocol == IPPROTO_UDPLITE;
}

static const struct udphdr *udp_header(const struct pktbuf *packet)
{
	return (const struct udphdr *)packet->transport;
}

/* Is the checksum right (or not used)? Remembered in the packet. */
static bool checksum_right(struct pktbuf *packet)
{
	size_t length = (size_t)(packet->tail - packet->transport), covered = datagram_control_of(packet)->coverage;
	uint32_t sum;

	if (packet->checksum_ok)
		return true;
	sum = checksum_pseudo(ip_source(packet), ip_destination(packet), ip_header(packet)->protocol, (uint32_t)length);
	packet->checksum_ok = checksum_finish(checksum_add(packet->transport, covered ? covered : length, sum)) == 0;
	return packet->checksum_ok;
}

/* Datagrams up to this length, header included, are checked on arrival. */
#define CHECK_AT_ONCE 76

/* The check of a short datagram on arrival, which leaves the payload's sum for IP_CHECKSUM. */
static bool check_at_once(struct pktbuf *packet)
{
	struct datagram_control *control = datagram_control_of(packet);
	size_t length = (size_t)(packet->tail - packet->transport);

	control->has_sum = true;
	control->sum = checksum_subtract32(checksum_sum32(packet->transport, length),
					   checksum_sum32(packet->transport, sizeof(struct udphdr)));
	return checksum_right(packet);
}

/* What the checksum covers: a datagram without one is fine in UDP and wrong in UDP-Lite. False: wrong as it stands. */
static bool checksum_prepare(struct pktbuf *packet)
{
	const struct udphdr *header = udp_header(packet);
	size_t length = (size_t)(packet->tail - packet->transport);
	uint16_t coverage = ntohs(header->len);

	*datagram_control_of(packet) = (struct datagram_control){ 0 };
	if (!is_lite(packet)) {
		if (!header->check)
			packet->checksum_ok = true;
		return packet->checksum_ok || length > CHECK_AT_ONCE || check_at_once(packet);
	}
	if (!header->check || (coverage && (coverage < sizeof(*header) || coverage > length)))
		return false;
	if (coverage && coverage < length) {
		datagram_control_of(packet)->coverage = coverage;
		return true;
	}
	return packet->checksum_ok || length > CHECK_AT_ONCE || check_at_once(packet);
}

static void drop(struct pl_stack *stack, struct pktbuf *packet)
{
	UDP_COUNT(stack, is_lite(packet), InErrors);
	pktbuf_free(stack, packet);
}

static void drop_checksum(struct pl_stack *stack, struct pktbuf *packet)
{
	UDP_COUNT(stack, is_lite(packet), InCsumErrors);
	drop(stack, packet);
}

/* UDP-Lite: does the datagram cover as much as the reader demands (UDPLITE_RECV_CSCOV)? */
static bool covers_enough(struct udp_sock *up, struct pktbuf *packet)
{
	uint16_t coverage = datagram_control_of(packet)->coverage;

	return !up->receive_coverage_set || !coverage || (up->receive_coverage && coverage >= up->receive_coverage);
}

/* Is there room in the buffer for a packet of this truesize? A first packet always finds some. */
static bool has_room(const struct sock *sk, uint32_t truesize)
{
	return !sk->receive_allocated || sk->receive_allocated + truesize <= (uint32_t)sk->receive_buffer;
}

/* Queue one datagram for one socket. Consumes. */
static void deliver_one(struct pl_stack *stack, struct sock *sk, struct pktbuf *packet)
{
	uint32_t kept;

	if (!covers_enough(udp_sk(sk), packet)) {
		sk->drops++;
		drop(stack, packet);
		return;
	}
	if (sk->filter && !checksum_right(packet)) {
		sk->drops++;
		drop_checksum(stack, packet);
		return;
	}
	kept = sock_filter(sk, packet);
	if (!kept) {
		sk->drops++;
		drop(stack, packet);
		return;
	}
	if (kept < pktbuf_length(packet))
		pktbuf_trim(packet, kept < sizeof(struct udphdr) ? sizeof(struct udphdr) : kept);
	pktbuf_pull(packet, sizeof(struct udphdr));
	if (!has_room(sk, packet->truesize)) {
		sk->drops++;
		UDP_COUNT(stack, is_lite(packet), RcvbufErrors);
		drop(stack, packet);
		return;
	}
	if (!udp_memory_take(udp_sk(sk), packet->truesize)) {
		sk->drops++;		/* Linux counts it nowhere else */
		pktbuf_free(stack, packet);
		return;
	}
	if (sk->remote.s_addr)
		sk->incoming_cpu = 0;	/* the one that there is: SO_INCOMING_CPU of a connected socket */
	datagram_queue(sk, packet);
}

/* A packet for one socket, data at the UDP header: one datagram, or several in one. Consumes. */
static void deliver(struct pl_stack *stack, struct sock *sk, struct pktbuf *packet)
{
	struct pktbuf_queue pieces = { 0 };

	if (!packet->gso_size || udp_sk(sk)->gro) {
		deliver_one(stack, sk, packet);
		return;
	}
	udp_cut(stack, packet, &pieces);
	while ((packet = pktbuf_queue_pop(&pieces)))
		deliver_one(stack, sk, packet);
}

/* To a group or a broadcast address: a copy for each socket that takes it. Consumes. */
static void deliver_multicast(struct pl_stack *stack, struct pktbuf *packet, uint16_t source_port, uint16_t port)
{
	struct in_addr source = ip_source(packet), destination = ip_destination(packet);
	bool lite = is_lite(packet);
	struct sock *first = NULL, *sk;

	for (sk = *udp_bucket(udp_table(stack, lite), port); sk; sk = sk->hash_next) {
		struct pktbuf *copy;

		if (!udp_takes_multicast(sk, source, source_port, destination, port, packet->input_ifindex))
			continue;
		if (!first) {
			first = sk;
			continue;
		}
		copy = pktbuf_copy(stack, packet, 0);
		if (copy) {
			deliver(stack, sk, copy);
			continue;
		}
		sk->drops++;
		UDP_COUNT(stack, lite, RcvbufErrors);
		UDP_COUNT(stack, lite, InErrors);
	}
	if (first) {
		deliver(stack, first, packet);
		return;
	}
	UDP_COUNT(stack, lite, IgnoredMulti);
	pktbuf_free(stack, packet);
}

/* Nobody listens: say so, unless the datagram is damaged. Consumes. */
static void refuse(struct pl_stack *stack, struct pktbuf *packet)
{
	if (!checksum_right(packet)) {
		drop_checksum(stack, packet);
		return;
	}
	UDP_COUNT(stack, is_lite(packet), NoPorts);
	icmp_send_error(stack, packet, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
	pktbuf_free(stack, packet);
}

static bool udp_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct udphdr *header = pktbuf_at(packet, 0, sizeof(*header));
	bool lite = is_lite(packet);
	uint16_t source_port, port;
	struct sock *sk, *early = NULL;

	if (!header || ntohs(header->len) > pktbuf_length(packet) || (!lite && ntohs(header->len) < sizeof(*header))) {
		drop(stack, packet);
		return true;
	}
	if (!lite)
		pktbuf_trim(packet, ntohs(header->len));
	source_port = ntohs(header->source);
	port = ntohs(header->dest);
	if (!checksum_prepare(packet)) {
		drop_checksum(stack, packet);
		return true;
	}
	sk = nf_assigned_socket(packet);
	if (!sk && !lite && stack->sysctl.ip_early_demux && !packet->frag_max_size)
		early = udp_early(stack, packet);
	if (!sk && !early && packet->route && (packet->route->type == RTN_BROADCAST || packet->route->type == RTN_MULTICAST)) {
		deliver_multicast(stack, packet, source_port, port);
		return true;
	}
	if (early) {		/* found before the way was: it has the datagram alone, even one to a group */
		sock_arrival_keep(early, packet, true);
		sk = early;
	}
	if (!sk)
		sk = udp_lookup(stack, lite, ip_source(packet), source_port, ip_destination(packet), port, packet->input_ifindex,
				packet);
	if (sk)
		deliver(stack, sk, packet);
	else
		refuse(stack, packet);
	return true;
}

const struct ip_protocol udp_protocol = {
	.number = IPPROTO_UDP,
	.receive = udp_receive,
	.error = udp_error,
	.early = udp_early,
};
const struct ip_protocol udplite_protocol = { .number = IPPROTO_UDPLITE, .receive = udp_receive, .error = udp_error };

/* --- reading ------------------------------------------------------------------------------------------------------------- */

/*
 * Give back the memory of a datagram that was read. Linux moves all that is queued to a queue of the reader's and gives memory back
 * in steps of a quarter of the buffer while that queue has more: until then the bytes count as used.
 */
static void give_back(struct udp_sock *up, struct pktbuf *packet)
{
	struct sock *sk = &up->sk;

	if (!packet->owner)
		return;
	packet->owner = NULL;
	packet->charge = NULL;
	up->deficit += packet->truesize;
	if (up->deficit < (uint32_t)sk->receive_buffer >> 2 && up->reader_packets)
		return;
	sk->receive_allocated -= up->deficit;
	udp_memory_give_back(up, up->deficit);
	up->deficit = 0;
}

/* The packet left the queue: it was the reader's, or all that is queued becomes the reader's with it. */
static void reader_took(struct udp_sock *up)
{
	if (!up->reader_packets)
		up->reader_packets = up->sk.receive_queue.count + 1;
	up->reader_packets--;
}

int64_t udp_first_length(struct sock *sk)
{
	struct pktbuf *packet;

	while ((packet = sk->receive_queue.first) && !checksum_right(packet)) {
		pktbuf_queue_remove(&sk->receive_queue, packet);
		reader_took(udp_sk(sk));
		sk->drops++;
		drop_checksum(sk->stack, packet);
	}
	return packet ? (int64_t)pktbuf_length(packet) : -1;
}

/* One datagram into *msg. Bytes, or what recvmsg returns for MSG_TRUNC; -EFAULT. */
static int64_t read_packet(struct sock *sk, struct msghdr *msg, struct pktbuf *packet, uint32_t offset, int flags)
{
	size_t length = pktbuf_length(packet) - offset, wanted = msg_length(msg);
	size_t copied = wanted < length ? wanted : length;
	struct sockaddr_in *name = msg->msg_name;

	if (copied < pktbuf_length(packet) && wanted < length)
		msg->msg_flags |= MSG_TRUNC;
	if (msg_copy_out(msg, 0, packet->data + offset, copied) < copied) {
		if (!(flags & MSG_PEEK)) {
			sk->drops++;
			UDP_COUNT(sk->stack, udp_is_lite(sk), InErrors);
		}
		return -EFAULT;
	}
	if (!(flags & MSG_PEEK))
		UDP_COUNT(sk->stack, udp_is_lite(sk), InDatagrams);
	msg_put_received(sk, msg, packet);
	if (name) {
		*name = (struct sockaddr_in){
			.sin_family = AF_INET,
			.sin_port = udp_header(packet)->source,
			.sin_addr = ip_source(packet),
		};
		msg->msg_namelen = sizeof(*name);
	}
	if (udp_sk(sk)->gro && packet->gso_size)
		msg_put_control(msg, SOL_UDP, UDP_GRO, &(int){ packet->gso_size }, sizeof(int));
	msg_put_received_ip(sk, msg, packet);
	datagram_peek_moved(sk, flags, (uint32_t)copied);
	return (int64_t)(flags & MSG_TRUNC ? pktbuf_length(packet) : copied);
}

int64_t udp_recvmsg(struct sock *sk, struct pl_call *call, struct msghdr *msg, int flags)
{
	if (flags & MSG_ERRQUEUE)
		return sock_receive_error(sk, msg, flags);
	for (;;) {
		uint32_t offset = 0;
		int64_t result;
		struct pktbuf *packet = datagram_take(sk, call, flags, &offset, &result);
		bool right;

		if (!packet)
			return result;
		if (!(flags & MSG_PEEK))
			reader_took(udp_sk(sk));
		right = checksum_right(packet);
		if (right)
			result = read_packet(sk, msg, packet, offset, flags);
		if (!(flags & MSG_PEEK))
			give_back(udp_sk(sk), packet);
		if (right) {
			pktbuf_free(sk->stack, packet);
			return result;
		}
		if (flags & MSG_PEEK) {		/* also a peek throws it away */
			pktbuf_queue_remove(&sk->receive_queue, packet);
			reader_took(udp_sk(sk));
			pktbuf_free(sk->stack, packet);
		}
		sk->drops++;
		drop_checksum(sk->stack, packet);
		msg->msg_flags &= ~MSG_TRUNC;
	}
}
