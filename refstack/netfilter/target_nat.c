/* Targets of the nat table: SNAT, DNAT, MASQUERADE, REDIRECT, NETMAP. */
#include <arpa/inet.h>

#include "extensions.h"
#include "nat.h"

static enum target_verdict set_up(struct rule_packet *at, const struct nf_nat_range2 *range, enum manipulation manipulation)
{
	struct conntrack *conntrack = at->packet->conntrack;

	if (!conntrack)
		return TARGET_DROP;
	return nat_setup(at->stack, conntrack, range, manipulation) == NF_VERDICT_ACCEPT ? TARGET_ACCEPT : TARGET_DROP;
}

/* The older form of a range in the newer one's words. */
static struct nf_nat_range2 widened(const struct nf_nat_ipv4_multi_range_compat *old)
{
	return (struct nf_nat_range2){
		.flags = old->range[0].flags,
		.min_addr.ip = old->range[0].min_ip, .max_addr.ip = old->range[0].max_ip,
		.min_proto = old->range[0].min, .max_proto = old->range[0].max,
	};
}

static int check_single(const struct rule_place *place, const void *data)
{
	(void)place;
	return ((const struct nf_nat_ipv4_multi_range_compat *)data)->rangesize == 1 ? 0 : -EINVAL;
}

/* The address is not the rule's to say. */
static int check_without_address(const struct rule_place *place, const void *data)
{
	const struct nf_nat_ipv4_multi_range_compat *rule = data;

	(void)place;
	return rule->rangesize != 1 || rule->range[0].flags & NF_NAT_RANGE_MAP_IPS ? -EINVAL : 0;
}

static int check_with_address(const struct rule_place *place, const void *data)
{
	const struct nf_nat_ipv4_multi_range_compat *rule = data;

	(void)place;
	return rule->rangesize != 1 || !(rule->range[0].flags & NF_NAT_RANGE_MAP_IPS) ? -EINVAL : 0;
}

static enum target_verdict target_snat(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = widened(data);

	return set_up(at, &range, MANIP_SOURCE);
}

static enum target_verdict target_dnat(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = widened(data);

	return set_up(at, &range, MANIP_DESTINATION);
}

static enum target_verdict target_snat_range(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = { 0 };

	memcpy(&range, data, sizeof(struct nf_nat_range));
	return set_up(at, &range, MANIP_SOURCE);
}

static enum target_verdict target_dnat_range(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = { 0 };

	memcpy(&range, data, sizeof(struct nf_nat_range));
	return set_up(at, &range, MANIP_DESTINATION);
}

static enum target_verdict target_snat2(struct rule_packet *at, const void *data)
{
	return set_up(at, data, MANIP_SOURCE);
}

static enum target_verdict target_dnat2(struct rule_packet *at, const void *data)
{
	return set_up(at, data, MANIP_DESTINATION);
}

/* The address that the link sends from; forgotten when the link or the address goes. */
static enum target_verdict target_masquerade(struct rule_packet *at, const void *data)
{
	struct conntrack *conntrack = at->packet->conntrack;
	struct nf_nat_range2 range = widened(data);
	struct in_addr source;

	if (!at->ip->saddr)	/* asking for an address, as DHCP does */
		return TARGET_ACCEPT;
	source = select_source(at->stack, at->place->out, at->packet->route->gateway, RT_SCOPE_UNIVERSE);
	if (!source.s_addr || !conntrack)
		return TARGET_DROP;
	conntrack->masquerade_link = at->place->out->ifindex;
	range.flags |= NF_NAT_RANGE_MAP_IPS;
	range.min_addr.ip = range.max_addr.ip = source.s_addr;
	return set_up(at, &range, MANIP_SOURCE);
}

/* To this host: the first address of the link that the packet came in on, or the loopback address for what was made here. */
static enum target_verdict target_redirect(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = widened(data);
	uint32_t address = htonl(INADDR_LOOPBACK);

	if (at->place->hook != NF_INET_LOCAL_OUT) {
		const struct in_device *device = at->place->in ? at->place->in->ipv4 : NULL;

		address = device && device->addresses ? device->addresses->local.s_addr : 0;
		if (!address)
			return TARGET_DROP;
	}
	range.flags |= NF_NAT_RANGE_MAP_IPS;
	range.min_addr.ip = range.max_addr.ip = address;
	return set_up(at, &range, MANIP_DESTINATION);
}

/* The network part of the address is the rule's, the rest stays. */
static enum target_verdict target_netmap(struct rule_packet *at, const void *data)
{
	struct nf_nat_range2 range = widened(data);
	uint32_t hosts = range.min_addr.ip ^ range.max_addr.ip;
	enum manipulation manipulation = hook_manipulation(at->place->hook);
	uint32_t address = manipulation == MANIP_SOURCE ? at->ip->saddr : at->ip->daddr;

	range.flags |= NF_NAT_RANGE_MAP_IPS;
	range.min_addr.ip = range.max_addr.ip = (address & hosts) | (range.min_addr.ip & ~hosts);
	return set_up(at, &range, manipulation);
}

#define OLD sizeof(struct nf_nat_ipv4_multi_range_compat)
#define RANGE sizeof(struct nf_nat_range)
#define RANGE2 sizeof(struct nf_nat_range2)
#define OF_SOURCE .tables = TABLE_BIT(NAT), .hooks = HOOK_BIT(POST_ROUTING) | HOOK_BIT(LOCAL_IN), .needs = NEEDS_TRACKING
#define OF_DESTINATION .tables = TABLE_BIT(NAT), .hooks = HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_OUT), .needs = NEEDS_TRACKING

const struct target_type targets_of_nat[] = {
	{ "SNAT", 0, OLD, OF_SOURCE, .check = check_single, .target = target_snat },
	{ "SNAT", 1, RANGE, OF_SOURCE, .target = target_snat_range },
	{ "SNAT", 2, RANGE2, OF_SOURCE, .target = target_snat2 },
	{ "DNAT", 0, OLD, OF_DESTINATION, .check = check_single, .target = target_dnat },
	{ "DNAT", 1, RANGE, OF_DESTINATION, .target = target_dnat_range },
	{ "DNAT", 2, RANGE2, OF_DESTINATION, .target = target_dnat2 },
	{ "REDIRECT", 0, OLD, OF_DESTINATION, .check = check_without_address, .target = target_redirect },
	{ "MASQUERADE", 0, OLD, .tables = TABLE_BIT(NAT), .hooks = HOOK_BIT(POST_ROUTING), .needs = NEEDS_TRACKING,
	  .check = check_without_address, .target = target_masquerade },
	{ "NETMAP", 0, OLD, .tables = TABLE_BIT(NAT), .needs = NEEDS_TRACKING,
	  .hooks = HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_OUT) | HOOK_BIT(POST_ROUTING) | HOOK_BIT(LOCAL_IN),
	  .check = check_with_address, .target = target_netmap },
	{ 0 },
};
