/*
 * The error queue.
 *
 * ICMP errors, errors found on the way out, transmit timestamps and zero-copy completions wait here for recvmsg(MSG_ERRQUEUE), each
 * with the bytes of the packet that it is about. A report counts against the receive buffer like a packet. While the queue holds
 * an ICMP error, sk->error repeats the first one's number, so that other calls report it too.
 */
#include "error_queue.h"

#include <linux/net_tstamp.h>

#include "../ip/ip.h"
#include "options.h"

/* What a queued packet's control area holds. */
static struct error_report *report_of(struct pktbuf *packet)
{
	_Static_assert(sizeof(struct error_report) <= sizeof(packet->control), "a report fits the packet's control area");
	return (struct error_report *)packet->control;
}

static bool is_icmp(struct pktbuf *packet)
{
	return packet && report_of(packet)->error.ee_origin == SO_EE_ORIGIN_ICMP;
}

/* A packet for a report that has no bytes; NULL: no memory. */
static struct pktbuf *empty_packet(struct pl_stack *stack)
{
	return pktbuf_new(stack, 0, 0);
}

/* Queue a report, charged to the receive buffer or not. */
static void queue_report(struct sock *sk, const struct error_report *report, struct pktbuf *packet, bool charge)
{
	pktbuf_orphan(packet);
	*report_of(packet) = *report;
	if (charge)
		sock_charge_receive(sk, packet);
	pktbuf_queue_push(&sk->error_queue, packet);
	if (!sock_flag(sk, SF_DEAD))
		sock_error_report(sk);
}

bool sock_queue_error(struct sock *sk, const struct error_report *report, struct pktbuf *payload)
{
	struct pl_stack *stack = sk->stack;

	if (!payload)
		payload = empty_packet(stack);
	if (!payload)
		return false;
	if (sk->receive_allocated + payload->truesize >= (uint32_t)sk->receive_buffer) {
		pktbuf_free(stack, payload);
		return false;
	}
	queue_report(sk, report, payload, true);
	return true;
}

/*
 * RFC 4884: an ICMP error may carry, behind the packet that it quotes, an extension; a byte of its header tells where, in words. What
 * the reader gets is the extension's place within the payload, and whether it is well formed: a right checksum (or none) and objects
 * whose lengths add up, where its version is 2; of others nothing is known.
 */
static bool extension_valid(const uint8_t *bytes, size_t length)
{
	size_t at = 4;

	if (bytes[0] >> 4 != 2)
		return true;
	if ((bytes[2] || bytes[3]) && checksum_finish(checksum_add(bytes, length, 0)))
		return false;
	while (at < length) {
		size_t object = at + 4 <= length ? (size_t)(bytes[at] << 8 | bytes[at + 1]) : 0;

		if (object < 4)
			return false;
		at += object;
	}
	return at == length;
}

static void find_extension(const struct pktbuf *payload, const struct icmphdr *header, size_t headers, uint32_t *ee_data)
{
	size_t at = ((const uint8_t *)header)[5] * sizeof(uint32_t);
	struct {
		uint16_t length;
		uint8_t flags, reserved;
	} found = { 0 };

	if (header->type != ICMP_TIME_EXCEEDED && header->type != ICMP_DEST_UNREACH && header->type != ICMP_PARAMETERPROB)
		return;
	if (at < 128 || at < headers || at - headers + 4 > pktbuf_length(payload))
		return;
	at -= headers;
	found.length = (uint16_t)at;
	if (!extension_valid(payload->data + at, pktbuf_length(payload) - at))
		found.flags = 1;	/* SO_EE_RFC4884_FLAG_INVALID */
	memcpy(ee_data, &found, sizeof(found));
}

void sock_queue_icmp_error(struct sock *sk, struct pktbuf *icmp, int error, uint16_t port, uint32_t info, const uint8_t *payload)
{
	const struct icmphdr *header = pktbuf_at(icmp, 0, sizeof(*header));
	const struct iphdr *quoted = (const struct iphdr *)(header + 1);
	struct error_report report = {
		.error = {
			.ee_errno = (uint32_t)error,
			.ee_origin = SO_EE_ORIGIN_ICMP,
			.ee_type = header->type,
			.ee_code = header->code,
			.ee_info = info,
		},
		.target = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = quoted->daddr },
		.offender = ip_source(icmp),
		.stamp = sock_receive_stamp(sk, icmp),
	};
	struct pktbuf *copy;

	if (payload > icmp->tail)
		return;
	copy = pktbuf_copy(sk->stack, icmp, 0);
	if (!copy)
		return;
	pktbuf_pull(copy, (size_t)(payload - icmp->data));
	if (sock_flag(sk, SF_RECVERR_RFC4884))
		find_extension(copy, header, (size_t)(payload - (const uint8_t *)quoted), &report.error.ee_data);
	sock_queue_error(sk, &report, copy);
}

void sock_queue_local_error(struct sock *sk, int error, struct in_addr destination, uint16_t port, uint32_t info)
{
	struct error_report report = {
		.error = { .ee_errno = (uint32_t)error, .ee_origin = SO_EE_ORIGIN_LOCAL, .ee_info = info },
		.target = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = destination },
	};

	if (sock_flag(sk, SF_RECVERR))
		sock_queue_error(sk, &report, NULL);
}

void sock_queue_timestamp(struct sock *sk, uint32_t type, uint32_t key, struct pktbuf *payload, bool statistics)
{
	struct error_report report = {
		.error = { .ee_errno = ENOMSG, .ee_origin = SO_EE_ORIGIN_TIMESTAMPING, .ee_info = type },
		.stamp = stack_wall_clock(sk->stack),
		.statistics = statistics,
	};

	if (sk->timestamping & SOF_TIMESTAMPING_OPT_ID)
		report.error.ee_data = key;
	sock_queue_error(sk, &report, payload);
}

void sock_queue_zerocopy(struct sock *sk, uint32_t first, uint32_t last, bool copied)
{
	struct pktbuf *tail = sk->error_queue.last;
	struct error_report report = {
		.error = {
			.ee_origin = SO_EE_ORIGIN_ZEROCOPY,
			.ee_code = copied ? SO_EE_CODE_ZEROCOPY_COPIED : 0,
			.ee_info = first,
			.ee_data = last,
		},
	};

	if (sock_flag(sk, SF_DEAD))
		return;
	if (tail && report_of(tail)->error.ee_origin == SO_EE_ORIGIN_ZEROCOPY) {
		struct sock_extended_err *before = &report_of(tail)->error;
		uint64_t count = (uint64_t)(before->ee_data - before->ee_info) + 1 + (last - first) + 1;

		if (first == before->ee_data + 1 && count < UINT64_C(1) << 32) {
			before->ee_data = last;
			sock_error_report(sk);
			return;
		}
	}
	tail = empty_packet(sk->stack);
	if (tail)
		queue_report(sk, &report, tail, false);
}

void sock_queue_sent(struct sock *sk, uint32_t type, uint32_t key, struct pktbuf *payload, int link)
{
	struct error_report report = {
		.error = { .ee_errno = ENOMSG, .ee_origin = SO_EE_ORIGIN_TIMESTAMPING, .ee_info = type, .ee_data = key },
		.stamp = stack_wall_clock(sk->stack),
		.link = payload ? link : 0,
	};

	sock_queue_error(sk, &report, payload);
}

/* Take the first report; sk->error becomes the next ICMP error's, or nothing (sock_dequeue_err_skb). */
static struct pktbuf *report_take(struct sock *sk)
{
	struct pktbuf *packet = pktbuf_queue_pop(&sk->error_queue), *next = sk->error_queue.first;

	if (!packet)
		return NULL;
	if (is_icmp(next))
		sk->error = (int)report_of(next)->error.ee_errno;
	else if (is_icmp(packet))
		sk->error = 0;
	if (next)
		sock_error_report(sk);
	return packet;
}

/* The control message: the error, and who reported it. IP_RECVERR's own layout. */
static void put_report(struct sock *sk, struct msghdr *msg, struct pktbuf *packet)
{
	const struct error_report *report = report_of(packet);
	struct {
		struct sock_extended_err error;
		struct sockaddr_in offender;
	} block = { .error = report->error };

	if (report->error.ee_origin == SO_EE_ORIGIN_ICMP) {
		block.offender.sin_family = AF_INET;
		block.offender.sin_addr = report->offender;
		msg_put_error_ip(sk, msg, packet, (struct in_addr){ 0 });
	} else if (report->link && sk->timestamping & SOF_TIMESTAMPING_OPT_CMSG) {
		block.offender.sin_family = AF_INET;
		block.offender.sin_addr = ip_source(packet);
		packet->input_ifindex = report->link;
		msg_put_error_ip(sk, msg, packet, ip_source(packet));
	}
	msg_put_control(msg, IPPROTO_IP, IP_RECVERR, &block, sizeof(block));
}

int64_t sock_receive_error(struct sock *sk, struct msghdr *msg, int flags)
{
	struct pktbuf *packet = report_take(sk);
	size_t length = msg_length(msg), copied;
	const struct error_report *report;

	if (!packet)
		return -EAGAIN;
	report = report_of(packet);
	copied = pktbuf_length(packet);
	if (copied > length) {
		copied = length;
		msg->msg_flags |= MSG_TRUNC;
	}
	if (msg_copy_out(msg, 0, packet->data, copied) < copied) {
		pktbuf_free(sk->stack, packet);
		return -EFAULT;
	}
	msg_put_error_stamp(sk, msg, report->stamp, report->statistics ? packet : NULL);
	if (msg->msg_name && report->target.sin_family) {
		memcpy(msg->msg_name, &report->target, sizeof(report->target));
		msg->msg_namelen = sizeof(report->target);
	}
	put_report(sk, msg, packet);
	msg->msg_flags |= MSG_ERRQUEUE;
	pktbuf_free(sk->stack, packet);
	return (int64_t)copied;
}
