/*
 * TPROXY: a packet for somebody else is given to a socket of this host, with its addresses as they are. The socket must have
 * IP_TRANSPARENT. A route that delivers such packets here has to be there as well; the mark is for finding it.
 */
#include <arpa/inet.h>

#include "../tcp/conn.h"
#include "../udp/udp.h"
#include "extensions.h"

#include <linux/netfilter/xt_TPROXY.h>

/* The address of the listener: the rule's, or the first primary one of the link that the packet came in on. */
static struct in_addr listener_address(const struct rule_packet *at, uint32_t given)
{
	const struct in_device *device = at->place->in ? at->place->in->ipv4 : NULL;

	if (given)
		return (struct in_addr){ given };
	for (const struct inet_address *ifa = device ? device->addresses : NULL; ifa; ifa = ifa->next)
		if (!(ifa->flags & IFA_F_SECONDARY))
			return ifa->local;
	return (struct in_addr){ at->ip->daddr };
}

/* Who has the connection of the packet's own addresses already. *transparent: he may take it. False: nobody. */
static bool find_connected(const struct rule_packet *at, uint16_t source, uint16_t destination, struct sock **sk,
			   bool *transparent)
{
	struct in_addr from = { at->ip->saddr }, to = { at->ip->daddr };
	int ifindex = at->packet->input_ifindex;

	*sk = NULL;
	if (at->ip->protocol == IPPROTO_UDP) {
		*sk = udp_lookup(at->stack, false, from, source, to, destination, ifindex);
		if (*sk && ((*sk)->state != TCP_ESTABLISHED || !(*sk)->local.s_addr))
			*sk = NULL;
		*transparent = *sk && sock_flag(*sk, SF_TRANSPARENT);
		return *sk;
	}
	const struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	struct tcp_entry *entry = tcp_entry_find(at->stack, to, destination, from, source, ifindex);
	if (!entry)
		return false;
	switch (entry->kind) {
	case TCP_ENTRY_SOCKET:
		*transparent = sock_flag(&((struct tcp_sock *)((char *)entry - offsetof(struct tcp_sock, entry)))->sk,
					 SF_TRANSPARENT);
		return true;
	case TCP_ENTRY_REQUEST:
		*transparent = sock_flag(&((struct tcp_request *)entry)->listener->sk, SF_TRANSPARENT);
		return true;
	case TCP_ENTRY_TIMEWAIT:
		*transparent = ((struct tcp_timewait *)entry)->transparent;
		/* A new connection in its place is the listener's. */
		return !tcp || (tcp->flags & (FILTER_SYN | FILTER_RST | FILTER_ACK | FILTER_FIN)) != FILTER_SYN;
	}
	return false;
}

static struct sock *find_listener(const struct rule_packet *at, uint16_t source, struct in_addr address, uint16_t port)
{
	struct in_addr from = { at->ip->saddr };
	int ifindex = at->packet->input_ifindex;

	if (at->ip->protocol == IPPROTO_TCP) {
		struct tcp_sock *listener = tcp_listener_find(at->stack, address, port, from, source, ifindex);

		return listener ? &listener->sk : NULL;
	}
	struct sock *sk = udp_lookup(at->stack, false, from, source, address, port, ifindex);
	return sk && sk->state != TCP_ESTABLISHED ? sk : NULL;
}

static enum target_verdict give_to_socket(struct rule_packet *at, uint32_t address, uint16_t port, uint32_t mark, uint32_t mask)
{
	const uint16_t *ports = transport_at(at, 0, 4);
	bool transparent = false;
	struct sock *sk;

	if (!ports || at->fragment)
		return TARGET_DROP;
	if (!find_connected(at, ntohs(ports[0]), ntohs(ports[1]), &sk, &transparent)) {
		sk = find_listener(at, ntohs(ports[0]), listener_address(at, address), ntohs(port ? port : ports[1]));
		transparent = sk && sock_flag(sk, SF_TRANSPARENT);
	}
	if (!transparent)
		return TARGET_DROP;
	at->packet->mark = (at->packet->mark & ~mask) ^ mark;
	if (at->packet->assigned)
		sock_put(at->packet->assigned);
	if (sk)
		sock_hold(sk);
	at->packet->assigned = sk;	/* NULL: its own addresses lead to it */
	return TARGET_ACCEPT;
}

static enum target_verdict target_tproxy(struct rule_packet *at, const void *data)
{
	const struct xt_tproxy_target_info *rule = data;

	return give_to_socket(at, rule->laddr, rule->lport, rule->mark_value, rule->mark_mask);
}

static enum target_verdict target_tproxy1(struct rule_packet *at, const void *data)
{
	const struct xt_tproxy_target_info_v1 *rule = data;

	return give_to_socket(at, rule->laddr.ip, rule->lport, rule->mark_value, rule->mark_mask);
}

static int check_tproxy(const struct rule_place *place, const void *data)
{
	(void)data;
	return (place->ip->proto == IPPROTO_TCP || place->ip->proto == IPPROTO_UDP) && !(place->ip->invflags & IPT_INV_PROTO) ?
		       0 :
		       -EINVAL;
}

#define OF_TPROXY .tables = TABLE_BIT(MANGLE), .hooks = HOOK_BIT(PRE_ROUTING), .needs = NEEDS_DEFRAGMENTED, .check = check_tproxy
const struct target_type targets_of_tproxy[] = {
	{ "TPROXY", 0, sizeof(struct xt_tproxy_target_info), OF_TPROXY, .target = target_tproxy },
	{ "TPROXY", 1, sizeof(struct xt_tproxy_target_info_v1), OF_TPROXY, .target = target_tproxy1 },
	{ 0 },
};
