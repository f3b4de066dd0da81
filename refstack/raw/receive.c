/* Packets and errors to raw sockets: every socket of the protocol whose addresses and link agree gets a copy. */
#include "raw.h"

#include <stdlib.h>

#include "../socket/error_queue.h"
#include "../socket/multicast.h"

int raw_host_new(struct pl_stack *stack)
{
	stack->raw = calloc(1, sizeof(*stack->raw));
	return stack->raw ? 0 : -ENOMEM;
}

void raw_host_free(struct pl_stack *stack)
{
	free(stack->raw);
	stack->raw = NULL;
}

/* The socket's own address and its peer's, where it has them, and its link. */
static bool matches(const struct sock *sk, uint8_t protocol, struct in_addr peer, struct in_addr own, int link)
{
	return sk->port == protocol && (!sk->remote.s_addr || sk->remote.s_addr == peer.s_addr) &&
	       (!sk->local.s_addr || sk->local.s_addr == own.s_addr) && (!sk->bound_link || sk->bound_link == link);
}

/* ICMP_FILTER: a bit for each of the first 32 types; others pass. */
static bool filtered(struct sock *sk, const struct pktbuf *packet)
{
	const uint8_t *type = pktbuf_at(packet, 0, 1);

	if (sk->protocol != IPPROTO_ICMP)
		return false;
	return !pktbuf_at(packet, 0, sizeof(struct icmphdr)) || (*type < 32 && raw_sk(sk)->filter >> *type & 1);
}

void raw_queue(struct sock *sk, struct pktbuf *packet)
{
	uint32_t kept = sock_filter(sk, packet);

	if (!kept || sk->receive_allocated >= (uint32_t)sk->receive_buffer) {
		sk->drops++;
		pktbuf_free(sk->stack, packet);
	} else {
		if (kept < pktbuf_length(packet))
			pktbuf_trim(packet, kept);
		datagram_queue(sk, packet);
	}
}

/* A copy with data at the IP header; NULL: no memory. */
static struct pktbuf *copy_with_header(struct pl_stack *stack, const struct pktbuf *packet)
{
	struct pktbuf *copy = pktbuf_copy(stack, packet, 0);

	if (copy)
		copy->data = copy->network;
	if (copy)
		*datagram_control_of(copy) = (struct datagram_control){ 0 };
	return copy;
}

bool raw_receive(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	struct in_addr source = ip_source(packet), destination = ip_destination(packet);
	bool taken = false;

	for (struct sock *sk = stack->raw->bucket[ip->protocol]; sk; sk = sk->hash_next) {
		struct pktbuf *copy;

		if (!matches(sk, ip->protocol, source, destination, packet->input_ifindex))
			continue;
		taken = true;
		if (filtered(sk, packet) || !multicast_allowed(sk, destination, source, packet->input_ifindex))
			continue;
		copy = copy_with_header(stack, packet);
		if (copy)
			raw_queue(sk, copy);
	}
	return taken;
}

/* A packet with the router alert option that is passing through: to each raw socket of its protocol that asked for such. */
bool raw_router_alert(struct pl_stack *stack, struct pktbuf *packet)
{
	const struct iphdr *ip = ip_header(packet);
	bool taken = false;

	for (struct sock *sk = stack->raw->bucket[ip->protocol]; sk; sk = sk->hash_next) {
		struct pktbuf *copy;

		if (!sock_flag(sk, SF_RTALERT) || (sk->bound_link && sk->bound_link != packet->input_ifindex))
			continue;
		taken = true;
		copy = copy_with_header(stack, packet);
		if (copy)
			raw_queue(sk, copy);
	}
	if (taken)
		pktbuf_free(stack, packet);
	return taken;
}

void raw_redirected(struct pl_stack *stack, const struct sock *sk, struct pktbuf *icmp, const struct iphdr *quoted)
{
	const struct icmphdr *header = pktbuf_at(icmp, 0, sizeof(*header));
	struct flow flow = quoted_flow(sk, quoted, 0);

	if (header->type == ICMP_REDIRECT)
		route_redirect(stack, icmp, &flow, NULL);
}

bool raw_error_of(struct pl_stack *stack, struct sock *sk, const struct icmphdr *icmp, const struct iphdr *quoted, uint32_t info,
		  struct icmp_error_map *map)
{
	*map = (struct icmp_error_map){ EHOSTUNREACH, false };
	switch (icmp->type) {
	case ICMP_SOURCE_QUENCH:
	case ICMP_REDIRECT:
		return false;
	case ICMP_PARAMETERPROB:
		*map = (struct icmp_error_map){ EPROTO, true };
		return true;
	case ICMP_DEST_UNREACH:
		if (icmp->code > NR_ICMP_UNREACH)
			return true;
		*map = icmp_error_map[icmp->code];
		if (icmp->code == ICMP_FRAG_NEEDED) {
			sock_pmtu_learn(sk, quoted, info);
			*map = (struct icmp_error_map){ EMSGSIZE, sk->pmtudisc != IP_PMTUDISC_DONT };
		}
		return true;
	}
	return true;
}

/* Told to those who asked (IP_RECVERR), and to connected sockets when it is fatal. */
static void tell(struct pl_stack *stack, struct sock *sk, struct pktbuf *icmp, const struct iphdr *quoted, uint32_t info)
{
	const struct icmphdr *header = pktbuf_at(icmp, 0, sizeof(*header));
	bool asked = sock_flag(sk, SF_RECVERR);
	struct icmp_error_map map;
	const uint8_t *payload = (const uint8_t *)quoted;

	raw_redirected(stack, sk, icmp, quoted);
	if (!raw_error_of(stack, sk, header, quoted, info, &map) || (!asked && sk->state != TCP_ESTABLISHED))
		return;
	if (!sock_flag(sk, SF_HDRINCL))
		payload += quoted->ihl * 4u;
	if (asked)
		sock_queue_icmp_error(sk, icmp, map.error, 0, info, payload);
	if (asked || map.fatal) {
		sk->error = map.error;
		sock_error_report(sk);
	}
}

void raw_error(struct pl_stack *stack, struct pktbuf *icmp, const struct iphdr *quoted, size_t length, uint32_t info)
{
	struct in_addr own = { quoted->saddr }, peer = { quoted->daddr };

	for (struct sock *sk = stack->raw->bucket[quoted->protocol]; sk; sk = sk->hash_next)
		if (matches(sk, quoted->protocol, peer, own, icmp->link->ifindex))
			tell(stack, sk, icmp, quoted, info);
}

int64_t raw_read(struct sock *sk, struct msghdr *msg, struct pktbuf *packet, int flags)
{
	size_t length = pktbuf_length(packet), wanted = msg_length(msg);
	size_t copied = wanted < length ? wanted : length;
	struct sockaddr_in *name = msg->msg_name;

	if (copied < length)
		msg->msg_flags |= MSG_TRUNC;
	if (msg_copy_out(msg, 0, packet->data, copied) < copied)
		return -EFAULT;
	msg_put_received(sk, msg, packet);
	if (name) {
		*name = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = ip_source(packet) };
		msg->msg_namelen = sizeof(*name);
	}
	msg_put_received_ip(sk, msg, packet);
	return (int64_t)(flags & MSG_TRUNC ? length : copied);
}
