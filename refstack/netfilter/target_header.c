/* Targets that change the headers: TTL, TOS, DSCP, ECN, TCPOPTSTRIP. All of the mangle table. */
#include "extensions.h"

#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>

static enum target_verdict target_ttl(struct rule_packet *at, const void *data)
{
	const struct ipt_TTL_info *rule = data;
	struct iphdr *ip = ip_header(at->packet);
	int ttl = ip->ttl;

	switch (rule->mode) {
	case IPT_TTL_SET:
		ttl = rule->ttl;
		break;
	case IPT_TTL_INC:
		ttl = ttl + rule->ttl > 255 ? 255 : ttl + rule->ttl;
		break;
	case IPT_TTL_DEC:
		ttl = ttl < rule->ttl ? 0 : ttl - rule->ttl;
		break;
	}
	ip->ttl = (uint8_t)ttl;
	ip_header_changed(ip);
	return TARGET_CONTINUE;
}

static int check_ttl(const struct rule_place *place, const void *data)
{
	const struct ipt_TTL_info *rule = data;

	(void)place;
	return rule->mode > IPT_TTL_MAXMODE || (rule->mode != IPT_TTL_SET && rule->ttl == 0) ? -EINVAL : 0;
}

static void set_tos(struct rule_packet *at, uint8_t tos)
{
	struct iphdr *ip = ip_header(at->packet);

	ip->tos = tos;
	ip_header_changed(ip);
}

static enum target_verdict target_tos(struct rule_packet *at, const void *data)
{
	const struct xt_tos_target_info *rule = data;

	set_tos(at, (uint8_t)((at->ip->tos & ~rule->tos_mask) ^ rule->tos_value));
	return TARGET_CONTINUE;
}

static enum target_verdict target_dscp(struct rule_packet *at, const void *data)
{
	const struct xt_DSCP_info *rule = data;

	set_tos(at, (uint8_t)((at->ip->tos & 3) | rule->dscp << 2));
	return TARGET_CONTINUE;
}

static int check_dscp(const struct rule_place *place, const void *data)
{
	(void)place;
	return ((const struct xt_DSCP_info *)data)->dscp > 63 ? -EDOM : 0;
}

/* TCP's flags and options are covered by its checksum: it is taken anew over what `length` bytes from the header make. */
static void tcp_changed(struct rule_packet *at, struct filter_tcp *tcp)
{
	uint32_t length = pktbuf_length(at->packet) - at->transport;

	tcp->checksum = 0;
	tcp->checksum = checksum_finish(checksum_add(tcp, length,
		checksum_pseudo(ip_source(at->packet), ip_destination(at->packet), IPPROTO_TCP, length)));
}

static enum target_verdict target_ecn(struct rule_packet *at, const void *data)
{
	const struct ipt_ECN_info *rule = data;
	struct filter_tcp *tcp;
	uint8_t flags;

	if (rule->operation & IPT_ECN_OP_SET_IP)
		set_tos(at, (uint8_t)((at->ip->tos & ~IPT_ECN_IP_MASK) | (rule->ip_ect & IPT_ECN_IP_MASK)));
	if (!(rule->operation & (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR)) || at->ip->protocol != IPPROTO_TCP)
		return TARGET_CONTINUE;
	tcp = transport_at(at, 0, sizeof(*tcp));
	if (!tcp)
		return TARGET_DROP;
	flags = tcp->flags;
	if (rule->operation & IPT_ECN_OP_SET_ECE)
		flags = (uint8_t)((flags & ~FILTER_ECE) | (rule->proto.tcp.ece ? FILTER_ECE : 0));
	if (rule->operation & IPT_ECN_OP_SET_CWR)
		flags = (uint8_t)((flags & ~FILTER_CWR) | (rule->proto.tcp.cwr ? FILTER_CWR : 0));
	if (flags != tcp->flags) {
		tcp->flags = flags;
		tcp_changed(at, tcp);
	}
	return TARGET_CONTINUE;
}

static int check_ecn(const struct rule_place *place, const void *data)
{
	const struct ipt_ECN_info *rule = data;

	if (rule->operation & IPT_ECN_OP_MASK || rule->ip_ect & ~IPT_ECN_IP_MASK)
		return -EINVAL;
	return rule->operation & (IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR) &&
			       (place->ip->proto != IPPROTO_TCP || place->ip->invflags & IPT_INV_PROTO) ?
		       -EINVAL :
		       0;
}

/* Options of these kinds become padding. */
static enum target_verdict target_strip(struct rule_packet *at, const void *data)
{
	const struct xt_tcpoptstrip_target_info *rule = data;
	struct filter_tcp *tcp = transport_at(at, 0, sizeof(*tcp));
	uint32_t size = tcp ? (uint32_t)(tcp->offset >> 4) * 4 : 0;
	bool changed = false;

	if (at->fragment)
		return TARGET_CONTINUE;
	if (!tcp || size < sizeof(*tcp) || !transport_at(at, 0, size))
		return TARGET_DROP;
	uint8_t *option = (uint8_t *)(tcp + 1);
	for (uint32_t i = 0, left = size - (uint32_t)sizeof(*tcp), length; i < left; i += length) {
		length = option[i] < 2 || i + 1 >= left || option[i + 1] < 2 ? 1 : option[i + 1];
		if (i + length > left)
			break;
		if (rule->strip_bmap[option[i] >> 5] >> (option[i] & 31) & 1) {
			memset(option + i, 1, length);
			changed = true;
		}
	}
	if (changed)
		tcp_changed(at, tcp);
	return TARGET_CONTINUE;
}

const struct target_type targets_of_headers[] = {
	{ "TTL", 0, sizeof(struct ipt_TTL_info), .tables = TABLE_BIT(MANGLE), .check = check_ttl, .target = target_ttl },
	{ "TOS", 1, sizeof(struct xt_tos_target_info), .tables = TABLE_BIT(MANGLE), .target = target_tos },
	{ "DSCP", 0, sizeof(struct xt_DSCP_info), .tables = TABLE_BIT(MANGLE), .check = check_dscp, .target = target_dscp },
	{ "ECN", 0, sizeof(struct ipt_ECN_info), .tables = TABLE_BIT(MANGLE), .check = check_ecn, .target = target_ecn },
	{ "TCPOPTSTRIP", 0, sizeof(struct xt_tcpoptstrip_target_info), IPPROTO_TCP, .tables = TABLE_BIT(MANGLE),
	  .target = target_strip },
	{ 0 },
};
