/* Targets that hand a packet, or a copy of it, to somebody else: TEE, NFQUEUE. */
#include <arpa/inet.h>

#include "../ip/output.h"
#include "extensions.h"

#include <linux/netfilter/xt_NFQUEUE.h>
#include <linux/netfilter/xt_TEE.h>

/* --- TEE ------------------------------------------------------------------------------------------------------------------ */

/* The way to the next hop that the rule names, for a packet that keeps its own destination. */
static struct route *route_by(struct pl_stack *stack, const struct xt_tee_tginfo *rule, uint8_t tos)
{
	struct flow flow = { .destination.s_addr = rule->gw.ip, .tos = tos };
	struct route *route = NULL;

	if (*rule->oif)
		flow.output_link = pl_link_find(stack, rule->oif);
	return flow.output_link >= 0 && route_output(stack, &flow, &route) == 0 ? route : NULL;
}

/*
 * A copy goes to another host of the network. It says DF, so that it is not taken to pieces on the way, and its TTL is one less
 * where the packet itself has not been forwarded yet. It is part of no connection, and passes the hooks of what this host
 * sends; copies are not copied.
 */
static enum target_verdict target_tee(struct rule_packet *at, const void *data)
{
	const struct xt_tee_tginfo *rule = data;
	struct netfilter *netfilter = at->stack->netfilter;
	struct route *route;
	struct pktbuf *copy;
	struct iphdr *ip;

	if (netfilter->is_copying)
		return TARGET_CONTINUE;
	copy = pktbuf_copy(at->stack, at->packet, IP_HEADROOM);
	route = copy ? route_by(at->stack, rule, at->ip->tos) : NULL;
	if (!route) {
		pktbuf_free(at->stack, copy);
		return TARGET_CONTINUE;
	}
	packet_set_conntrack(copy, NULL, INFO_UNTRACKED);
	ip = ip_header(copy);
	ip->frag_off |= htons(IP_DF);
	if (at->place->hook == NF_INET_PRE_ROUTING || at->place->hook == NF_INET_LOCAL_IN)
		ip->ttl--;
	ip_header_changed(ip);
	route_put(at->stack, copy->route);
	copy->route = route;
	copy->gateway = route->gateway;
	copy->forwarded = false;
	netfilter->is_copying = true;
	ip_local_out(at->stack, copy, NULL);
	netfilter->is_copying = false;
	return TARGET_CONTINUE;
}

static int check_tee(const struct rule_place *place, const void *data)
{
	const struct xt_tee_tginfo *rule = data;

	(void)place;
	return !rule->gw.ip || rule->oif[sizeof(rule->oif) - 1] ? -EINVAL : 0;
}

/* --- NFQUEUE: there is nobody who listens to a queue ------------------------------------------------------------------------ */

static enum target_verdict target_queue(struct rule_packet *at, const void *data)
{
	(void)at;
	(void)data;
	return TARGET_DROP;
}

static enum target_verdict target_queue_or_pass(struct rule_packet *at, const void *data)
{
	const struct xt_NFQ_info_v3 *rule = data;

	(void)at;
	return rule->flags & NFQ_FLAG_BYPASS ? TARGET_ACCEPT : TARGET_DROP;
}

static int check_queue(const struct rule_place *place, const void *data)
{
	const struct xt_NFQ_info_v3 *rule = data;

	(void)place;
	if (!rule->queues_total)
		return -EINVAL;
	if ((uint32_t)rule->queuenum + rule->queues_total > UINT16_MAX + 1u)
		return -ERANGE;
	return rule->flags & ~NFQ_FLAG_MASK ? -EINVAL : 0;
}

const struct target_type targets_of_copies[] = {
	{ "NFQUEUE", 0, sizeof(struct xt_NFQ_info), .target = target_queue },
	{ "NFQUEUE", 2, sizeof(struct xt_NFQ_info_v2), .check = check_queue, .target = target_queue_or_pass },
	{ "NFQUEUE", 3, sizeof(struct xt_NFQ_info_v3), .check = check_queue, .target = target_queue_or_pass },
	{ "TEE", 1, sizeof(struct xt_tee_tginfo), .check = check_tee, .target = target_tee },
	{ 0 },
};
