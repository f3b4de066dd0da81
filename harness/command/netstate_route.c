/* Routes and policy rules of a network namespace, as netlink tells them. */
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "netstate.h"

static void read_metrics(const struct nlattr *nest, struct pl_route *route)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, nest) {
		unsigned type = mnl_attr_get_type(attribute);

		/* All are numbers but the name of a congestion control. */
		if (type == RTAX_CC_ALGO)
			strncpy(route->congestion, mnl_attr_get_str(attribute), sizeof(route->congestion) - 1);
		else if (type < sizeof(route->metric) / sizeof(route->metric[0]))
			route->metric[type] = netstate_u32(attribute);
	}
}

/* What a route of Linux can have and the stack's have not. */
static void note_foreign(const struct nlattr *attribute, const char **foreign)
{
	switch (mnl_attr_get_type(attribute)) {
	case RTA_VIA:
		*foreign = "a route's gateway cannot be an IPv6 address: the stack has IPv4 alone";
		break;
	case RTA_ENCAP:
		*foreign = "the stack's routes have no encapsulation";
		break;
	case RTA_FLOW:
		*foreign = "the stack's routes have no realms";
		break;
	}
}

static void read_nexthops(const struct nlattr *nest, struct pl_route *route, const char **foreign)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(nest);
	int left = mnl_attr_get_payload_len(nest);

	for (; RTNH_OK(hop, left) && route->nexthops < PL_NEXTHOPS; left -= (int)RTNH_ALIGN(hop->rtnh_len), hop = RTNH_NEXT(hop)) {
		struct pl_nexthop *nexthop = &route->nexthop[route->nexthops++];
		size_t length = hop->rtnh_len - sizeof(*hop);
		const struct nlattr *attr;	/* the name that the macro below takes for granted */

		nexthop->ifindex = hop->rtnh_ifindex;
		nexthop->weight = hop->rtnh_hops + 1u;
		nexthop->on_link = hop->rtnh_flags & RTNH_F_ONLINK;
		mnl_attr_for_each_payload((const void *)(hop + 1), length)
			if (mnl_attr_get_type(attr) == RTA_GATEWAY)
				nexthop->gateway.s_addr = netstate_u32(attr);
			else
				note_foreign(attr, foreign);
	}
}

static void read_attribute(const struct nlattr *attribute, struct pl_route *route, const char **foreign)
{
	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		route->destination.s_addr = netstate_u32(attribute);
		break;
	case RTA_GATEWAY:
		route->gateway.s_addr = netstate_u32(attribute);
		break;
	case RTA_PREFSRC:
		route->preferred_source.s_addr = netstate_u32(attribute);
		break;
	case RTA_OIF:
		route->ifindex = (int)netstate_u32(attribute);
		break;
	case RTA_PRIORITY:
		route->priority = netstate_u32(attribute);
		break;
	case RTA_TABLE:
		route->table = netstate_u32(attribute);
		break;
	case RTA_METRICS:
		read_metrics(attribute, route);
		break;
	case RTA_MULTIPATH:
		read_nexthops(attribute, route, foreign);
		break;
	default:
		note_foreign(attribute, foreign);
		break;
	}
}

/* Routes that the kernel made of addresses are left out: the stack makes its own. */
int netstate_read_route(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct netstate_reading *reading = data;
	struct pl_route *route = &reading->state->route[reading->state->routes];
	const struct nlattr *attribute;

	if (info->rtm_family != AF_INET || info->rtm_protocol == RTPROT_KERNEL || info->rtm_flags & RTM_F_CLONED)
		return MNL_CB_OK;
	if (reading->state->routes == NETSTATE_ENTRIES) {
		reading->full = true;
		return MNL_CB_OK;
	}
	memset(route, 0, sizeof(*route));	/* the padding too: states are compared as bytes */
	route->prefix_length = info->rtm_dst_len;
	route->table = info->rtm_table;
	route->type = info->rtm_type;
	route->scope = info->rtm_scope;
	route->tos = info->rtm_tos;
	route->protocol = info->rtm_protocol;
	route->on_link = info->rtm_flags & RTNH_F_ONLINK;
	mnl_attr_for_each(attribute, message, sizeof(*info))
		read_attribute(attribute, route, &reading->state->foreign);
	/* By way of a next hop object it is shown with the loopback link. */
	if (route->type == RTN_BLACKHOLE)
		route->ifindex = 0;
	reading->state->routes++;
	return MNL_CB_OK;
}

static void copy_name(char name[16], const struct nlattr *attribute)
{
	strncpy(name, mnl_attr_get_str(attribute), 15);
}

static void read_range(const struct nlattr *attribute, uint16_t range[2])
{
	struct fib_rule_port_range ports;

	if (mnl_attr_get_payload_len(attribute) < sizeof(ports))
		return;
	memcpy(&ports, mnl_attr_get_payload(attribute), sizeof(ports));
	range[0] = ports.start;
	range[1] = ports.end;
}

static void read_uids(const struct nlattr *attribute, struct pl_rule *rule)
{
	struct fib_rule_uid_range uids;

	if (mnl_attr_get_payload_len(attribute) < sizeof(uids))
		return;
	memcpy(&uids, mnl_attr_get_payload(attribute), sizeof(uids));
	rule->uids[0] = uids.start;
	rule->uids[1] = uids.end;
	rule->has_uids = uids.start != 0 || uids.end != UINT32_MAX;
}

static void read_rule_attribute(const struct nlattr *attribute, struct pl_rule *rule)
{
	switch (mnl_attr_get_type(attribute)) {
	case FRA_PRIORITY:
		rule->priority = netstate_u32(attribute);
		break;
	case FRA_SRC:
		rule->source.s_addr = netstate_u32(attribute);
		break;
	case FRA_DST:
		rule->destination.s_addr = netstate_u32(attribute);
		break;
	case FRA_IIFNAME:
		copy_name(rule->input_link, attribute);
		break;
	case FRA_OIFNAME:
		copy_name(rule->output_link, attribute);
		break;
	case FRA_FWMARK:
		rule->mark = netstate_u32(attribute);
		break;
	case FRA_FWMASK:
		rule->mark_mask = netstate_u32(attribute);
		break;
	case FRA_TABLE:
		rule->table = netstate_u32(attribute);
		break;
	case FRA_GOTO:
		rule->target = netstate_u32(attribute);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		rule->suppress_length = netstate_u32(attribute);
		rule->suppresses = rule->suppress_length != UINT32_MAX;
		break;
	case FRA_IP_PROTO:
		rule->protocol = mnl_attr_get_u8(attribute);
		break;
	case FRA_SPORT_RANGE:
		read_range(attribute, rule->source_ports);
		break;
	case FRA_DPORT_RANGE:
		read_range(attribute, rule->destination_ports);
		break;
	case FRA_UID_RANGE:
		read_uids(attribute, rule);
		break;
	}
}

int netstate_read_rule(const struct nlmsghdr *message, void *data)
{
	const struct fib_rule_hdr *info = mnl_nlmsg_get_payload(message);
	struct netstate_reading *reading = data;
	struct pl_rule *rule = &reading->state->rule[reading->state->rules];
	const struct nlattr *attribute;

	if (info->family != AF_INET)
		return MNL_CB_OK;
	if (reading->state->rules == NETSTATE_ENTRIES) {
		reading->full = true;
		return MNL_CB_OK;
	}
	memset(rule, 0, sizeof(*rule));
	rule->action = info->action;
	rule->tos = info->tos;
	rule->table = info->table;
	rule->source_length = info->src_len;
	rule->destination_length = info->dst_len;
	rule->invert = info->flags & FIB_RULE_INVERT;
	mnl_attr_for_each(attribute, message, sizeof(*info))
		read_rule_attribute(attribute, rule);
	if (!rule->suppresses)
		rule->suppress_length = 0;
	reading->state->rules++;
	return MNL_CB_OK;
}
