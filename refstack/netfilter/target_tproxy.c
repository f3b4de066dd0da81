/*
 * TPROXY: a packet for somebody else is given to a socket of this host, with its addresses as they are. The socket must have
 * IP_TRANSPARENT. A route that delivers such packets here has to be there as well; the mark is for finding it.
 */
#include <arpa/inet.h>

#include "sockets.h"

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

static enum target_verdict give_to_socket(struct rule_packet *at, uint32_t address, uint16_t port, uint32_t mark, uint32_t mask)
{
	const uint16_t *ports = transport_at(at, 0, 4);
	struct filter_socket found;

	if (!ports || at->fragment)
		return TARGET_DROP;
	if (!filter_find_connected(at, &found))
		filter_find_listener(at, listener_address(at, address), ntohs(port ? port : ports[1]), &found);
	if (!found.is_transparent)
		return TARGET_DROP;
	at->packet->mark = (at->packet->mark & ~mask) ^ mark;
	if (at->packet->assigned)
		sock_put(at->packet->assigned);
	if (found.sk)
		sock_hold(found.sk);
	at->packet->assigned = found.sk;
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
