/* Matches of the connection that a packet is part of: conntrack, state, connmark. */
#include <arpa/inet.h>

#include "extensions.h"

#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_state.h>

/* --ctstate: the packet's state, and whether its connection is translated. */
static uint32_t state_bits(const struct pktbuf *packet)
{
	uint32_t bits;

	if (!packet->conntrack)
		return packet->conntrack_info == INFO_UNTRACKED ? XT_CONNTRACK_STATE_UNTRACKED : XT_CONNTRACK_STATE_INVALID;
	bits = XT_CONNTRACK_STATE_BIT(packet->conntrack_info);
	if (packet->conntrack->status & IPS_SRC_NAT)
		bits |= XT_CONNTRACK_STATE_SNAT;
	if (packet->conntrack->status & IPS_DST_NAT)
		bits |= XT_CONNTRACK_STATE_DNAT;
	return bits;
}

struct side_rule {			/* one address or port of one of the tuples */
	uint16_t flag;
	struct in_addr address;
	const union nf_inet_addr *wanted, *mask;
};

static bool addresses_match(const struct conntrack *conntrack, const struct xt_conntrack_mtinfo3 *rule)
{
	const struct tuple *original = &conntrack->tuple[ORIGINAL], *reply = &conntrack->tuple[REPLY];
	const struct side_rule sides[] = {
		{ XT_CONNTRACK_ORIGSRC, original->source, &rule->origsrc_addr, &rule->origsrc_mask },
		{ XT_CONNTRACK_ORIGDST, original->destination, &rule->origdst_addr, &rule->origdst_mask },
		{ XT_CONNTRACK_REPLSRC, reply->source, &rule->replsrc_addr, &rule->replsrc_mask },
		{ XT_CONNTRACK_REPLDST, reply->destination, &rule->repldst_addr, &rule->repldst_mask },
	};

	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++) {
		bool same = (sides[i].address.s_addr & sides[i].mask->ip) == (sides[i].wanted->ip & sides[i].mask->ip);

		if (rule->match_flags & sides[i].flag && same == !!(rule->invert_flags & sides[i].flag))
			return false;
	}
	return true;
}

static bool ports_match(const struct conntrack *conntrack, const struct xt_conntrack_mtinfo3 *rule)
{
	const struct tuple *original = &conntrack->tuple[ORIGINAL], *reply = &conntrack->tuple[REPLY];
	const struct {
		uint16_t flag, port, low, high;
	} sides[] = {
		{ XT_CONNTRACK_ORIGSRC_PORT, original->source_port, rule->origsrc_port, rule->origsrc_port_high },
		{ XT_CONNTRACK_ORIGDST_PORT, original->destination_port, rule->origdst_port, rule->origdst_port_high },
		{ XT_CONNTRACK_REPLSRC_PORT, reply->source_port, rule->replsrc_port, rule->replsrc_port_high },
		{ XT_CONNTRACK_REPLDST_PORT, reply->destination_port, rule->repldst_port, rule->repldst_port_high },
	};

	if (rule->match_flags & XT_CONNTRACK_PROTO &&
	    (original->protocol == rule->l4proto) == !!(rule->invert_flags & XT_CONNTRACK_PROTO))
		return false;
	for (size_t i = 0; i < sizeof(sides) / sizeof(sides[0]); i++)
		if (rule->match_flags & sides[i].flag &&
		    !in_range(ntohs(sides[i].port), sides[i].low, sides[i].high, rule->invert_flags & sides[i].flag))
			return false;
	return true;
}

/* Seconds until the connection is forgotten. */
static uint64_t expires_in(const struct pl_stack *stack, const struct conntrack *conntrack)
{
	pl_time left = conntrack_is_confirmed(conntrack) ? conntrack->timeout - stack->now : conntrack->timeout;

	return left > 0 ? (uint64_t)(left / PL_NSEC_PER_SEC) : 0;
}

static bool match_conntrack(struct rule_packet *at, const void *data, void *unused)
{
	const struct xt_conntrack_mtinfo3 *rule = data;
	const struct conntrack *conntrack = at->packet->conntrack;

	(void)unused;
	if (rule->match_flags & XT_CONNTRACK_STATE &&
	    !!(state_bits(at->packet) & rule->state_mask) == !!(rule->invert_flags & XT_CONNTRACK_STATE))
		return false;
	if (!conntrack)
		return rule->match_flags & XT_CONNTRACK_STATE;
	if (rule->match_flags & XT_CONNTRACK_DIRECTION &&
	    (info_direction(at->packet->conntrack_info) == ORIGINAL) == !!(rule->invert_flags & XT_CONNTRACK_DIRECTION))
		return false;
	if (!addresses_match(conntrack, rule) || !ports_match(conntrack, rule))
		return false;
	if (rule->match_flags & XT_CONNTRACK_STATUS &&
	    !!(conntrack->status & rule->status_mask) == !!(rule->invert_flags & XT_CONNTRACK_STATUS))
		return false;
	return !(rule->match_flags & XT_CONNTRACK_EXPIRES) ||
	       in_range(expires_in(at->stack, conntrack), rule->expires_min, rule->expires_max,
			rule->invert_flags & XT_CONNTRACK_EXPIRES);
}

static bool match_state(struct rule_packet *at, const void *data, void *unused)
{
	(void)unused;
	return ((const struct xt_state_info *)data)->statemask & state_bits(at->packet);
}

static bool match_connmark(struct rule_packet *at, const void *data, void *unused)
{
	const struct xt_connmark_mtinfo1 *rule = data;
	const struct conntrack *conntrack = at->packet->conntrack;

	(void)unused;
	return conntrack && ((conntrack->mark & rule->mask) == rule->mark) != !!rule->invert;
}

const struct match_type matches_of_connections[] = {
	{ "conntrack", 3, sizeof(struct xt_conntrack_mtinfo3), .needs = NEEDS_TRACKING, .match = match_conntrack },
	{ "state", 0, sizeof(struct xt_state_info), .needs = NEEDS_TRACKING, .match = match_state },
	{ "connmark", 1, sizeof(struct xt_connmark_mtinfo1), .needs = NEEDS_TRACKING, .match = match_connmark },
	{ 0 },
};
