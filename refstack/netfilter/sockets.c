/* Who on this host a packet is for, asked before it is delivered: the target TPROXY, the match socket. */
#include "sockets.h"

#include <arpa/inet.h>

#include "../tcp/conn.h"
#include "../udp/udp.h"

static bool find_tcp(const struct rule_packet *at, uint16_t source, uint16_t destination, struct filter_socket *found)
{
	const struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	struct tcp_entry *entry = tcp_entry_find(at->stack, (struct in_addr){ at->ip->daddr }, destination,
						 (struct in_addr){ at->ip->saddr }, source, at->packet->input_ifindex);
	struct sock *sk;

	if (!entry)
		return false;
	switch (entry->kind) {
	case TCP_ENTRY_SOCKET:
		sk = &((struct tcp_sock *)((char *)entry - offsetof(struct tcp_sock, entry)))->sk;
		*found = (struct filter_socket){ .is_full = true, .is_transparent = sock_flag(sk, SF_TRANSPARENT),
						 .mark = sk->mark };
		return true;
	case TCP_ENTRY_REQUEST:
		found->is_transparent = sock_flag(&((struct tcp_request *)entry)->listener->sk, SF_TRANSPARENT);
		return true;
	case TCP_ENTRY_TIMEWAIT:
		found->is_transparent = ((struct tcp_timewait *)entry)->transparent;
		/* A new connection in its place is the listener's. */
		return !tcp || (tcp->flags & (FILTER_SYN | FILTER_RST | FILTER_ACK | FILTER_FIN)) != FILTER_SYN;
	}
	return false;
}

static struct sock *find_udp(const struct rule_packet *at, uint16_t source, struct in_addr address, uint16_t port)
{
	return udp_lookup(at->stack, false, (struct in_addr){ at->ip->saddr }, source, address, port, at->packet->input_ifindex,
			  NULL);
}

static void describe(struct filter_socket *found, struct sock *sk)
{
	*found = (struct filter_socket){
		.sk = sk, .is_full = true, .is_transparent = sock_flag(sk, SF_TRANSPARENT), .mark = sk->mark,
		.is_wildcard = !sk->local.s_addr,
	};
}

bool filter_find_connected(const struct rule_packet *at, struct filter_socket *found)
{
	const uint16_t *ports = transport_at(at, 0, 4);
	struct sock *sk;

	*found = (struct filter_socket){ 0 };
	if (!ports || at->fragment)
		return false;
	if (at->ip->protocol == IPPROTO_TCP)
		return find_tcp(at, ntohs(ports[0]), ntohs(ports[1]), found);
	sk = find_udp(at, ntohs(ports[0]), (struct in_addr){ at->ip->daddr }, ntohs(ports[1]));
	if (!sk || sk->state != TCP_ESTABLISHED || !sk->local.s_addr)
		return false;
	describe(found, sk);
	return true;
}

bool filter_find_listener(const struct rule_packet *at, struct in_addr address, uint16_t port, struct filter_socket *found)
{
	const uint16_t *ports = transport_at(at, 0, 4);
	struct sock *sk = NULL;

	*found = (struct filter_socket){ 0 };
	if (!ports || at->fragment)
		return false;
	if (at->ip->protocol == IPPROTO_TCP) {
		struct tcp_sock *listener = tcp_listener_find(at->stack, address, port, (struct in_addr){ at->ip->saddr },
							      ntohs(ports[0]), at->packet->input_ifindex, NULL, 0);

		sk = listener ? &listener->sk : NULL;
	} else {
		sk = find_udp(at, ntohs(ports[0]), address, port);
		if (sk && sk->state == TCP_ESTABLISHED)
			sk = NULL;
	}
	if (sk)
		describe(found, sk);
	return sk;
}
