/* Matches of what the transport header says: tcp, udp, icmp, multiport, tcpmss. */
#include <arpa/inet.h>

#include "extensions.h"

#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>

const uint8_t *filter_tcp_option(const struct rule_packet *at, uint8_t kind, uint8_t *length)
{
	const struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	uint32_t size = tcp ? (uint32_t)(tcp->offset >> 4) * 4 : 0;
	const uint8_t *option = size > sizeof(*tcp) ? transport_at(at, sizeof(*tcp), size - sizeof(*tcp)) : NULL;

	for (uint32_t i = 0; option && i < size - sizeof(*tcp);) {
		bool single = option[i] < 2;
		uint32_t left = (uint32_t)(size - sizeof(*tcp)) - i;

		if (option[i] == kind) {
			*length = single || left < 2 ? 1 : option[i + 1];
			return *length <= left ? option + i : NULL;
		}
		i += single || left < 2 || !option[i + 1] ? 1 : option[i + 1];
	}
	return NULL;
}

static bool match_tcp(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_tcp *rule = data;
	const struct filter_tcp *tcp;
	uint8_t length;

	(void)state;
	if (at->fragment) {
		at->hotdrop |= at->fragment == 1;	/* it could overwrite the flags of a header let through (RFC 3128) */
		return false;
	}
	tcp = transport_at(at, 0, sizeof(*tcp));
	if (!tcp) {
		at->hotdrop = true;
		return false;
	}
	if (!in_range(ntohs(tcp->source), rule->spts[0], rule->spts[1], rule->invflags & XT_TCP_INV_SRCPT) ||
	    !in_range(ntohs(tcp->destination), rule->dpts[0], rule->dpts[1], rule->invflags & XT_TCP_INV_DSTPT))
		return false;
	if (((tcp->flags & rule->flg_mask) == rule->flg_cmp) == !!(rule->invflags & XT_TCP_INV_FLAGS))
		return false;
	if (!rule->option)
		return true;
	uint32_t size = (uint32_t)(tcp->offset >> 4) * 4;
	if (size < sizeof(*tcp) || !transport_at(at, 0, size)) {
		at->hotdrop = true;
		return false;
	}
	return !!filter_tcp_option(at, rule->option, &length) != !!(rule->invflags & XT_TCP_INV_OPTION);
}

static int check_tcp(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct xt_tcp *)data)->invflags & ~XT_TCP_INV_MASK ? -EINVAL : 0;
}

static bool match_udp(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_udp *rule = data;
	const uint16_t *ports;

	(void)state;
	if (at->fragment)
		return false;
	ports = transport_at(at, 0, 8);
	if (!ports) {
		at->hotdrop = true;
		return false;
	}
	return in_range(ntohs(ports[0]), rule->spts[0], rule->spts[1], rule->invflags & XT_UDP_INV_SRCPT) &&
	       in_range(ntohs(ports[1]), rule->dpts[0], rule->dpts[1], rule->invflags & XT_UDP_INV_DSTPT);
}

static int check_udp(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct xt_udp *)data)->invflags & ~XT_UDP_INV_MASK ? -EINVAL : 0;
}

static bool match_icmp(struct rule_packet *at, const void *data, void *state)
{
	const struct ipt_icmp *rule = data;
	const uint8_t *icmp;

	(void)state;
	if (at->fragment)
		return false;
	icmp = transport_at(at, 0, sizeof(struct icmphdr));
	if (!icmp) {
		at->hotdrop = true;
		return false;
	}
	bool same = rule->type == 0xff ||
		    (icmp[0] == rule->type && icmp[1] >= rule->code[0] && icmp[1] <= rule->code[1]);
	return same != !!(rule->invflags & IPT_ICMP_INV);
}

static int check_icmp(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct ipt_icmp *)data)->invflags & ~IPT_ICMP_INV ? -EINVAL : 0;
}

/* One of the ports of the list, or of the ranges in it: two elements whose first has its flag set. */
static bool in_port_list(const struct xt_multiport_v1 *rule, uint16_t port)
{
	for (unsigned i = 0; i < rule->count && i < XT_MULTI_PORTS; i++) {
		if (rule->pflags[i] && i + 1 < XT_MULTI_PORTS) {
			if (port >= rule->ports[i] && port <= rule->ports[i + 1])
				return true;
			i++;
		} else if (port == rule->ports[i]) {
			return true;
		}
	}
	return false;
}

static bool match_multiport(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_multiport_v1 *rule = data;
	const uint16_t *ports;
	bool source, destination;

	(void)state;
	if (at->fragment)
		return false;
	ports = transport_at(at, 0, 4);
	if (!ports) {
		at->hotdrop = true;
		return false;
	}
	source = rule->flags != XT_MULTIPORT_DESTINATION && in_port_list(rule, ntohs(ports[0]));
	destination = rule->flags != XT_MULTIPORT_SOURCE && in_port_list(rule, ntohs(ports[1]));
	return (source || destination) != !!rule->invert;
}

static int check_multiport(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_multiport_v1 *rule = data;
	uint16_t protocol = place->ip->proto;

	(void)state;
	if (place->ip->invflags & IPT_INV_PROTO || rule->count > XT_MULTI_PORTS || rule->flags > XT_MULTIPORT_EITHER)
		return -EINVAL;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE || protocol == IPPROTO_SCTP ||
			       protocol == IPPROTO_DCCP ?
		       0 :
		       -EINVAL;
}

static bool match_tcpmss(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_tcpmss_match_info *rule = data;
	const struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	uint8_t length = 0;

	(void)state;
	if (!tcp || tcp->offset >> 4 < 5 || !transport_at(at, 0, (tcp->offset >> 4) * 4u)) {
		at->hotdrop = true;
		return false;
	}
	const uint8_t *option = filter_tcp_option(at, 2, &length);
	if (!option || length != 4)
		return rule->invert;
	return in_range((uint16_t)(option[2] << 8 | option[3]), rule->mss_min, rule->mss_max, rule->invert);
}

const struct match_type matches_of_ports[] = {
	{ "tcp", 0, sizeof(struct xt_tcp), IPPROTO_TCP, .check = check_tcp, .match = match_tcp },
	{ "udp", 0, sizeof(struct xt_udp), IPPROTO_UDP, .check = check_udp, .match = match_udp },
	{ "udplite", 0, sizeof(struct xt_udp), IPPROTO_UDPLITE, .check = check_udp, .match = match_udp },
	{ "icmp", 0, sizeof(struct ipt_icmp), IPPROTO_ICMP, .check = check_icmp, .match = match_icmp },
	{ "multiport", 1, sizeof(struct xt_multiport_v1), .check = check_multiport, .match = match_multiport },
	{ "tcpmss", 0, sizeof(struct xt_tcpmss_match_info), IPPROTO_TCP, .match = match_tcpmss },
	{ 0 },
};
