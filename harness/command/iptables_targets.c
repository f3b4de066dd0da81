/* The targets' options, read into the structures of <linux/netfilter/xt_*.h>. */
#include "iptables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_DSCP.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_TCPMSS.h>
#include <linux/netfilter/xt_TCPOPTSTRIP.h>
#include <linux/netfilter/xt_TPROXY.h>
#include <linux/netfilter_ipv4/ipt_ECN.h>
#include <linux/netfilter_ipv4/ipt_REJECT.h>
#include <linux/netfilter_ipv4/ipt_TTL.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPTIONS(...) ((const struct iptables_option[]){ __VA_ARGS__, { 0 } })
#define PLAIN(name) { name, false, false }
#define FLAG(name) { name, true, false }

static bool needs_option(struct iptables_part *part)
{
	return part->seen;
}

static bool needs_one_option(struct iptables_part *part)
{
	return part->seen && !(part->seen & (part->seen - 1));
}

/* --- REJECT ------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *alias;
	enum ipt_reject_with with;
} reject_names[] = {
	{ "icmp-net-unreachable", "net-unreach", IPT_ICMP_NET_UNREACHABLE },
	{ "icmp-host-unreachable", "host-unreach", IPT_ICMP_HOST_UNREACHABLE },
	{ "icmp-proto-unreachable", "proto-unreach", IPT_ICMP_PROT_UNREACHABLE },
	{ "icmp-port-unreachable", "port-unreach", IPT_ICMP_PORT_UNREACHABLE },
	{ "icmp-net-prohibited", "net-prohib", IPT_ICMP_NET_PROHIBITED },
	{ "icmp-host-prohibited", "host-prohib", IPT_ICMP_HOST_PROHIBITED },
	{ "tcp-reset", "tcp-rst", IPT_TCP_RESET },
	{ "icmp-admin-prohibited", "admin-prohib", IPT_ICMP_ADMIN_PROHIBITED },
};

static void reject_begin(struct iptables_part *part)
{
	((struct ipt_reject_info *)part->data)->with = IPT_ICMP_PORT_UNREACHABLE;
}

static bool reject_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	size_t length = strlen(value);

	/* As the program: the beginning of a name is enough, and the first that fits counts. */
	for (size_t i = 0; i < sizeof(reject_names) / sizeof(reject_names[0]); i++)
		if (!strncasecmp(reject_names[i].name, value, length) || !strncasecmp(reject_names[i].alias, value, length)) {
			((struct ipt_reject_info *)part->data)->with = reject_names[i].with;
			return length > 0;
		}
	return false;
}

/* --- marks ---------------------------------------------------------------------------------------------------------------- */

static bool mark_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_mark_tginfo2 *rule = (struct xt_mark_tginfo2 *)part->data;
	uint32_t number, mask;

	if (which < 2 ? !iptables_masked(value, &number, &mask) : !iptables_u32(value, UINT32_MAX, &number))
		return false;
	switch (which) {
	case 0:
		*rule = (struct xt_mark_tginfo2){ number, number | mask };
		break;
	case 1:
		*rule = (struct xt_mark_tginfo2){ number, mask };
		break;
	case 2:
		*rule = (struct xt_mark_tginfo2){ 0, ~number };
		break;
	case 3:
		*rule = (struct xt_mark_tginfo2){ number, number };
		break;
	default:
		*rule = (struct xt_mark_tginfo2){ number, 0 };
		break;
	}
	return true;
}

static void connmark_begin(struct iptables_part *part)
{
	struct xt_connmark_tginfo2 *rule = (struct xt_connmark_tginfo2 *)part->data;

	rule->ctmask = rule->nfmask = UINT32_MAX;
}

static bool connmark_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_connmark_tginfo2 *rule = (struct xt_connmark_tginfo2 *)part->data;
	uint32_t mask = UINT32_MAX;

	switch (which) {
	case 0:
	case 1:
		rule->mode = XT_CONNMARK_SET;
		if (!iptables_masked(value, &rule->ctmark, &mask))
			return false;
		rule->ctmask = which == 0 ? rule->ctmark | mask : mask;
		return true;
	case 2:
		rule->mode = XT_CONNMARK_SAVE;
		return true;
	case 3:
		rule->mode = XT_CONNMARK_RESTORE;
		return true;
	case 4:
		return iptables_u32(value, UINT32_MAX, &rule->nfmask);
	case 5:
		return iptables_u32(value, UINT32_MAX, &rule->ctmask);
	default:
		rule->nfmask = rule->ctmask = 0;
		if (!iptables_u32(value, UINT32_MAX, &mask))
			return false;
		rule->nfmask = rule->ctmask = mask;
		return true;
	}
}

static bool connmark_finish(struct iptables_part *part)
{
	unsigned mode = part->seen & 0xf, masks = part->seen & 0x70;

	/* One mode; masks only where something is copied, and --mask alone or the others. */
	return mode && !(mode & (mode - 1)) && (!masks || mode & 0xc) && (!(masks & 0x40) || masks == 0x40);
}

static bool classify_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	unsigned major, minor;
	int end = 0;

	if (sscanf(value, "%x:%x%n", &major, &minor, &end) != 2 || value[end] || major > UINT16_MAX || minor > UINT16_MAX)
		return false;
	((struct xt_classify_target_info *)part->data)->priority = major << 16 | minor;
	return true;
}

/* --- LOG, CT -------------------------------------------------------------------------------------------------------------------- */

static void log_begin(struct iptables_part *part)
{
	((struct xt_log_info *)part->data)->level = 4;
}

static bool log_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const char *const levels[] = { "emerg", "alert", "crit", "error", "warning", "notice", "info", "debug", NULL };
	static const uint8_t flags[] = { XT_LOG_TCPSEQ, XT_LOG_TCPOPT, XT_LOG_IPOPT, XT_LOG_UID };
	struct xt_log_info *rule = (struct xt_log_info *)part->data;
	int word;
	uint32_t level;

	switch (which) {
	case 0:
		if (strlen(value) >= sizeof(rule->prefix) || strchr(value, '\n') || !*value)
			return false;
		strcpy(rule->prefix, value);
		return true;
	case 1:
		word = iptables_word(value, strlen(value), levels, true);
		if (word < 0 && !iptables_u32(value, 7, &level))
			return false;
		rule->level = (uint8_t)(word < 0 ? level : (uint32_t)word);
		return true;
	default:
		rule->logflags |= flags[which - 2];
		return true;
	}
}

static bool ct_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	((struct xt_ct_target_info_v1 *)part->data)->flags |= XT_CT_NOTRACK;
	return true;
}

static void notrack_begin(struct iptables_part *part)
{
	((struct xt_ct_target_info_v1 *)part->data)->flags = XT_CT_NOTRACK | XT_CT_NOTRACK_ALIAS;
}

/* --- headers ----------------------------------------------------------------------------------------------------------------------- */

static bool ttl_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	uint32_t number;

	if (!iptables_u32(value, 255, &number) || (which != IPT_TTL_SET && !number))
		return false;
	*(struct ipt_TTL_info *)part->data = (struct ipt_TTL_info){ (uint8_t)which, (uint8_t)number };
	return true;
}

static bool tos_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tos_target_info *rule = (struct xt_tos_target_info *)part->data;
	uint32_t number;

	if (which == 0)
		return iptables_tos(value, &rule->tos_value, &rule->tos_mask);
	if (!iptables_u32(value, 255, &number))
		return false;
	switch (which) {
	case 1:
		*rule = (struct xt_tos_target_info){ 0, (uint8_t)~number };
		break;
	case 2:
		*rule = (struct xt_tos_target_info){ (uint8_t)number, (uint8_t)number };
		break;
	default:
		*rule = (struct xt_tos_target_info){ (uint8_t)number, 0 };
		break;
	}
	return true;
}

static bool dscp_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_DSCP_info *rule = (struct xt_DSCP_info *)part->data;
	uint32_t number;

	if (which == 1)
		return iptables_dscp_class(value, &rule->dscp);
	if (!iptables_u32(value, 63, &number))
		return false;
	rule->dscp = (uint8_t)number;
	return true;
}

static bool ecn_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct ipt_ECN_info *rule = (struct ipt_ECN_info *)part->data;
	uint32_t number = 0;

	switch (which) {
	case 0:
		rule->operation |= IPT_ECN_OP_SET_ECE | IPT_ECN_OP_SET_CWR;
		return true;
	default:
		if (!iptables_u32(value, which == 3 ? 3 : 1, &number))
			return false;
		rule->operation |= (uint8_t)(which == 1 ? IPT_ECN_OP_SET_CWR : which == 2 ? IPT_ECN_OP_SET_ECE : IPT_ECN_OP_SET_IP);
		if (which == 1)
			rule->proto.tcp.cwr = number & 1;
		else if (which == 2)
			rule->proto.tcp.ece = number & 1;
		else
			rule->ip_ect = (uint8_t)number;
		return true;
	}
}

static bool ecn_finish(struct iptables_part *part)
{
	return part->seen && (!(part->seen & 1) || !(part->seen & 6));
}

static bool tcpmss_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tcpmss_info *rule = (struct xt_tcpmss_info *)part->data;
	uint32_t number = XT_TCPMSS_CLAMP_PMTU;

	if (which == 0 && !iptables_u32(value, UINT16_MAX - 40, &number))
		return false;
	rule->mss = (uint16_t)number;
	return true;
}

static bool strip_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const char *const names[] = { "wscale", "mss", "sack-permitted", "sack", "timestamp", "md5", NULL };
	static const uint8_t kinds[] = { 3, 2, 4, 5, 8, 19 };
	struct xt_tcpoptstrip_target_info *rule = (struct xt_tcpoptstrip_target_info *)part->data;
	char one[32];

	while (*value) {
		size_t length = strcspn(value, ",");
		int word = iptables_word(value, length, names, false);
		uint32_t kind;

		snprintf(one, sizeof(one), "%.*s", (int)length, value);
		if (word >= 0)
			kind = kinds[word];
		else if (!iptables_u32(one, 255, &kind) || kind < 2)
			return false;
		rule->strip_bmap[kind >> 5] |= 1u << (kind & 31);
		value += length + (value[length] == ',');
	}
	return true;
}

/* --- nat ----------------------------------------------------------------------------------------------------------------------------- */

static bool has_ports(const struct ipt_ip *ip)
{
	return ip->proto == IPPROTO_TCP || ip->proto == IPPROTO_UDP || ip->proto == IPPROTO_SCTP || ip->proto == IPPROTO_DCCP ||
	       ip->proto == IPPROTO_ICMP;
}

/* ADDRESS[-ADDRESS][:PORT[-PORT][/BASE]], each of the two optional. */
static bool destination(const char *text, const struct ipt_ip *ip, struct nf_nat_range2 *range)
{
	const char *colon = strchr(text, ':'), *dash = strchr(text, '-'), *end = colon ? colon : text + strlen(text);
	struct in_addr low, high;
	char ports[32];
	uint16_t first, last;
	uint32_t base;

	if (end > text) {
		const char *between = dash && dash < end ? dash : end;

		if (!iptables_address(text, (size_t)(between - text), &low))
			return false;
		high = low;
		if (between < end && !iptables_address(between + 1, (size_t)(end - between - 1), &high))
			return false;
		range->flags |= NF_NAT_RANGE_MAP_IPS;
		range->min_addr.ip = low.s_addr;
		range->max_addr.ip = high.s_addr;
	}
	if (!colon)
		return end > text;
	const char *slash = strchr(colon, '/');
	if (!has_ports(ip) || strlen(colon + 1) >= sizeof(ports) || strchr(colon + 1, ':'))
		return false;
	snprintf(ports, sizeof(ports), "%.*s", slash ? (int)(slash - colon - 1) : (int)strlen(colon + 1), colon + 1);
	if (!iptables_ports(ports, '-', ip, &first, &last) || !first)
		return false;
	range->flags |= NF_NAT_RANGE_PROTO_SPECIFIED;
	range->min_proto.all = htons(first);
	range->max_proto.all = htons(last);
	if (!slash)
		return true;
	if (!iptables_u32(slash + 1, UINT16_MAX, &base) || !base)
		return false;
	range->flags |= NF_NAT_RANGE_PROTO_OFFSET;
	range->base_proto.all = htons((uint16_t)base);
	return true;
}

static unsigned range_flag(const char *option)
{
	return !strcmp(option, "random")       ? NF_NAT_RANGE_PROTO_RANDOM :
	       !strcmp(option, "random-fully") ? NF_NAT_RANGE_PROTO_RANDOM_FULLY :
						 NF_NAT_RANGE_PERSISTENT;
}

static bool dnat_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct nf_nat_range2 *range = (struct nf_nat_range2 *)part->data;

	if (which == 0)
		return destination(value, part->ip, range);
	range->flags |= range_flag(part->type->options[which].name);
	return true;
}

static void old_range_begin(struct iptables_part *part)
{
	((struct nf_nat_ipv4_multi_range_compat *)part->data)->rangesize = 1;
}

static bool old_range_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct nf_nat_ipv4_multi_range_compat *rule = (struct nf_nat_ipv4_multi_range_compat *)part->data;
	struct nf_nat_range2 range = { 0 };
	bool addresses = !strcmp(part->type->name, "SNAT");
	uint16_t low, high;

	if (which) {
		rule->range[0].flags |= range_flag(part->type->options[which].name);
		return true;
	}
	if (addresses) {
		if (!destination(value, part->ip, &range) || range.flags & NF_NAT_RANGE_PROTO_OFFSET)
			return false;
	} else {
		if (!has_ports(part->ip) || part->ip->proto == IPPROTO_ICMP || !iptables_ports(value, '-', part->ip, &low, &high))
			return false;
		range.flags = NF_NAT_RANGE_PROTO_SPECIFIED;
		range.min_proto.all = htons(low);
		range.max_proto.all = htons(high);
	}
	rule->range[0].flags |= range.flags;
	rule->range[0].min_ip = range.min_addr.ip;
	rule->range[0].max_ip = range.max_addr.ip;
	rule->range[0].min = range.min_proto;
	rule->range[0].max = range.max_proto;
	return true;
}

static bool needs_destination(struct iptables_part *part)
{
	return part->seen & 1;
}

static bool netmap_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct nf_nat_ipv4_multi_range_compat *rule = (struct nf_nat_ipv4_multi_range_compat *)part->data;
	struct in_addr address, mask;

	if (!iptables_network(value, &address, &mask))
		return false;
	rule->range[0].flags = NF_NAT_RANGE_MAP_IPS;
	rule->range[0].min_ip = address.s_addr;
	rule->range[0].max_ip = address.s_addr | ~mask.s_addr;
	return true;
}

static bool tproxy_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tproxy_target_info_v1 *rule = (struct xt_tproxy_target_info_v1 *)part->data;
	struct in_addr address;
	uint32_t port;

	switch (which) {
	case 0:
		if (!iptables_u32(value, UINT16_MAX, &port))
			return false;
		rule->lport = htons((uint16_t)port);
		return true;
	case 1:
		if (!iptables_address(value, strlen(value), &address))
			return false;
		rule->laddr.ip = address.s_addr;
		return true;
	default:
		return iptables_masked(value, &rule->mark_value, &rule->mark_mask);
	}
}

const struct iptables_extension iptables_targets[] = {
	{ "CLASSIFY", 0, sizeof(struct xt_classify_target_info), 0, .options = OPTIONS(PLAIN("set-class")), NULL, classify_read, needs_option },
	{ "CONNMARK", 2, sizeof(struct xt_connmark_tginfo2), 0,
	  .options = OPTIONS(PLAIN("set-mark"), PLAIN("set-xmark"), FLAG("save-mark"), FLAG("restore-mark"), PLAIN("nfmask"), PLAIN("ctmask"),
		  PLAIN("mask")), connmark_begin, connmark_read, connmark_finish },
	{ "CT", 2, sizeof(struct xt_ct_target_info_v1), 0, .options = OPTIONS(FLAG("notrack")), NULL, ct_read, needs_option },
	{ "DNAT", 2, sizeof(struct nf_nat_range2), 0, .options = OPTIONS(PLAIN("to-destination"), FLAG("random"), FLAG("persistent")), NULL,
	  dnat_read, needs_destination },
	{ "DSCP", 0, sizeof(struct xt_DSCP_info), 0, .options = OPTIONS(PLAIN("set-dscp"), PLAIN("set-dscp-class")), NULL, dscp_read,
	  needs_one_option },
	{ "ECN", 0, sizeof(struct ipt_ECN_info), 0,
	  .options = OPTIONS(FLAG("ecn-tcp-remove"), PLAIN("ecn-tcp-cwr"), PLAIN("ecn-tcp-ece"), PLAIN("ecn-ip-ect")), NULL, ecn_read, ecn_finish },
	{ "LOG", 0, sizeof(struct xt_log_info), 0,
	  .options = OPTIONS(PLAIN("log-prefix"), PLAIN("log-level"), FLAG("log-tcp-sequence"), FLAG("log-tcp-options"), FLAG("log-ip-options"),
		  FLAG("log-uid")), log_begin, log_read },
	{ "MARK", 2, sizeof(struct xt_mark_tginfo2), 0,
	  .options = OPTIONS(PLAIN("set-mark"), PLAIN("set-xmark"), PLAIN("and-mark"), PLAIN("or-mark"), PLAIN("xor-mark")), NULL, mark_read,
	  needs_one_option },
	{ "MASQUERADE", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), 0,
	  .options = OPTIONS(PLAIN("to-ports"), FLAG("random"), FLAG("random-fully")), old_range_begin, old_range_read },
	{ "NETMAP", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), 0, .options = OPTIONS(PLAIN("to")), old_range_begin, netmap_read,
	  needs_option },
	{ "NOTRACK", 2, sizeof(struct xt_ct_target_info_v1), 0, .options = OPTIONS({ 0 }), notrack_begin, ct_read, .real_name = "CT" },
	{ "REDIRECT", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), 0, .options = OPTIONS(PLAIN("to-ports"), FLAG("random")),
	  old_range_begin, old_range_read },
	{ "REJECT", 0, sizeof(struct ipt_reject_info), 0, .options = OPTIONS(PLAIN("reject-with")), reject_begin, reject_read },
	{ "SNAT", 0, sizeof(struct nf_nat_ipv4_multi_range_compat), 0,
	  .options = OPTIONS(PLAIN("to-source"), FLAG("random"), FLAG("random-fully"), FLAG("persistent")), old_range_begin, old_range_read,
	  needs_destination },
	{ "TCPMSS", 0, sizeof(struct xt_tcpmss_info), 0, .options = OPTIONS(PLAIN("set-mss"), FLAG("clamp-mss-to-pmtu")), NULL, tcpmss_read,
	  needs_one_option },
	{ "TCPOPTSTRIP", 0, sizeof(struct xt_tcpoptstrip_target_info), 0, .options = OPTIONS(PLAIN("strip-options")), NULL, strip_read,
	  needs_option },
	{ "TOS", 1, sizeof(struct xt_tos_target_info), 0,
	  .options = OPTIONS(PLAIN("set-tos"), PLAIN("and-tos"), PLAIN("or-tos"), PLAIN("xor-tos")), NULL, tos_read, needs_one_option },
	{ "TPROXY", 1, sizeof(struct xt_tproxy_target_info_v1), 0,
	  .options = OPTIONS(PLAIN("on-port"), PLAIN("on-ip"), PLAIN("tproxy-mark")), NULL, tproxy_read, needs_destination },
	{ "TTL", 0, sizeof(struct ipt_TTL_info), 0, .options = OPTIONS(PLAIN("ttl-set"), PLAIN("ttl-inc"), PLAIN("ttl-dec")), NULL, ttl_read,
	  needs_one_option },
	{ 0 },
};

const struct iptables_extension *iptables_target_find(const char *name)
{
	for (const struct iptables_extension *row = iptables_targets; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}
