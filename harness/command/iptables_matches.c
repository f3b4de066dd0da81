/* The options of matches of headers and marks, read into the structures of <linux/netfilter/xt_*.h>. */
#include "iptables.h"

#include <arpa/inet.h>
#include <linux/netfilter/xt_connmark.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpmss.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPTIONS(...) ((const struct iptables_option[]){ __VA_ARGS__, { 0 } })
#define VALUE(name) { name, false, true }
#define PLAIN(name) { name, false, false }
#define FLAG(name) { name, true, true }

/* --- tcp, udp ----------------------------------------------------------------------------------------------------------- */

/* A comma-separated list of flags: ALL, NONE, or names. */
static bool tcp_flags(const char *text, uint8_t *flags)
{
	static const char *const names[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG", NULL };

	*flags = 0;
	if (!strcasecmp(text, "ALL"))
		*flags = 0x3f;
	if (!strcasecmp(text, "ALL") || !strcasecmp(text, "NONE"))
		return true;
	for (;;) {
		size_t length = strcspn(text, ",");
		int word = iptables_word(text, length, names, true);

		if (word < 0)
			return false;
		*flags |= (uint8_t)(1u << word);
		if (!text[length])
			return true;
		text += length + 1;
	}
}

static void tcp_begin(struct iptables_part *part)
{
	struct xt_tcp *tcp = (struct xt_tcp *)part->data;

	tcp->spts[1] = tcp->dpts[1] = UINT16_MAX;
}

static bool tcp_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tcp *tcp = (struct xt_tcp *)part->data;
	uint32_t option;

	switch (which) {
	case 0:
	case 1:
		tcp->invflags |= invert ? XT_TCP_INV_SRCPT : 0;
		return iptables_ports(value, ':', part->ip, &tcp->spts[0], &tcp->spts[1]);
	case 2:
	case 3:
		tcp->invflags |= invert ? XT_TCP_INV_DSTPT : 0;
		return iptables_ports(value, ':', part->ip, &tcp->dpts[0], &tcp->dpts[1]);
	case 4:
		tcp->invflags |= invert ? XT_TCP_INV_FLAGS : 0;
		tcp->flg_mask = 0x17;	/* SYN alone of SYN, RST, ACK and FIN */
		tcp->flg_cmp = 0x02;
		return true;
	case 5:
		tcp->invflags |= invert ? XT_TCP_INV_FLAGS : 0;
		return tcp_flags(value, &tcp->flg_mask) && tcp_flags(second, &tcp->flg_cmp);
	default:
		tcp->invflags |= invert ? XT_TCP_INV_OPTION : 0;
		if (!iptables_u32(value, 255, &option) || !option)
			return false;
		tcp->option = (uint8_t)option;
		return true;
	}
}

static void udp_begin(struct iptables_part *part)
{
	struct xt_udp *udp = (struct xt_udp *)part->data;

	udp->spts[1] = udp->dpts[1] = UINT16_MAX;
}

static bool udp_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_udp *udp = (struct xt_udp *)part->data;

	if (which < 2) {
		udp->invflags |= invert ? XT_UDP_INV_SRCPT : 0;
		return iptables_ports(value, ':', part->ip, &udp->spts[0], &udp->spts[1]);
	}
	udp->invflags |= invert ? XT_UDP_INV_DSTPT : 0;
	return iptables_ports(value, ':', part->ip, &udp->dpts[0], &udp->dpts[1]);
}

/* --- icmp --------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint8_t type, low, high;
} icmp_names[] = {
	{ "any", 0xff, 0, 0xff }, { "echo-reply", 0, 0, 0xff }, { "pong", 0, 0, 0xff }, { "destination-unreachable", 3, 0, 0xff },
	{ "network-unreachable", 3, 0, 0 }, { "host-unreachable", 3, 1, 1 }, { "protocol-unreachable", 3, 2, 2 },
	{ "port-unreachable", 3, 3, 3 }, { "fragmentation-needed", 3, 4, 4 }, { "source-route-failed", 3, 5, 5 },
	{ "network-unknown", 3, 6, 6 }, { "host-unknown", 3, 7, 7 }, { "network-prohibited", 3, 9, 9 },
	{ "host-prohibited", 3, 10, 10 }, { "TOS-network-unreachable", 3, 11, 11 }, { "TOS-host-unreachable", 3, 12, 12 },
	{ "communication-prohibited", 3, 13, 13 }, { "host-precedence-violation", 3, 14, 14 }, { "precedence-cutoff", 3, 15, 15 },
	{ "source-quench", 4, 0, 0xff }, { "redirect", 5, 0, 0xff }, { "network-redirect", 5, 0, 0 },
	{ "host-redirect", 5, 1, 1 }, { "TOS-network-redirect", 5, 2, 2 }, { "TOS-host-redirect", 5, 3, 3 },
	{ "echo-request", 8, 0, 0xff }, { "ping", 8, 0, 0xff }, { "router-advertisement", 9, 0, 0xff },
	{ "router-solicitation", 10, 0, 0xff }, { "time-exceeded", 11, 0, 0xff }, { "ttl-exceeded", 11, 0, 0xff },
	{ "ttl-zero-during-transit", 11, 0, 0 }, { "ttl-zero-during-reassembly", 11, 1, 1 }, { "parameter-problem", 12, 0, 0xff },
	{ "ip-header-bad", 12, 0, 0 }, { "required-option-missing", 12, 1, 1 }, { "timestamp-request", 13, 0, 0xff },
	{ "timestamp-reply", 14, 0, 0xff }, { "address-mask-request", 17, 0, 0xff }, { "address-mask-reply", 18, 0, 0xff },
};

static void icmp_begin(struct iptables_part *part)
{
	struct ipt_icmp *icmp = (struct ipt_icmp *)part->data;

	icmp->type = 0xff;
	icmp->code[1] = 0xff;
}

static bool icmp_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct ipt_icmp *icmp = (struct ipt_icmp *)part->data;
	const char *slash = strchr(value, '/');
	char first[8];
	uint32_t type, code = 0;

	icmp->invflags |= invert ? IPT_ICMP_INV : 0;
	for (size_t i = 0; i < sizeof(icmp_names) / sizeof(icmp_names[0]); i++)
		if (!strcasecmp(icmp_names[i].name, value)) {
			icmp->type = icmp_names[i].type;
			icmp->code[0] = icmp_names[i].low;
			icmp->code[1] = icmp_names[i].high;
			return true;
		}
	snprintf(first, sizeof(first), "%.*s", slash ? (int)(slash - value) : 7, value);
	if (!iptables_u32(first, 255, &type) || (slash && !iptables_u32(slash + 1, 255, &code)))
		return false;
	icmp->type = (uint8_t)type;
	icmp->code[0] = (uint8_t)code;
	icmp->code[1] = slash ? (uint8_t)code : 0xff;
	return true;
}

/* --- multiport ------------------------------------------------------------------------------------------------------------ */

static bool multiport_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t flags[] = { XT_MULTIPORT_SOURCE, XT_MULTIPORT_SOURCE, XT_MULTIPORT_DESTINATION,
					 XT_MULTIPORT_DESTINATION, XT_MULTIPORT_EITHER };
	struct xt_multiport_v1 *list = (struct xt_multiport_v1 *)part->data;
	char one[64];

	list->flags = flags[which];
	list->invert = invert;
	while (*value) {
		size_t length = strcspn(value, ",");
		uint16_t low, high;

		if (length >= sizeof(one))
			return false;
		snprintf(one, sizeof(one), "%.*s", (int)length, value);
		bool is_range = strchr(one, ':');
		if (list->count + 1u + is_range > XT_MULTI_PORTS || !iptables_ports(one, ':', part->ip, &low, &high))
			return false;
		list->pflags[list->count] = is_range;
		list->ports[list->count++] = low;
		if (is_range)
			list->ports[list->count++] = high;
		value += length + (value[length] == ',');
	}
	return list->count;
}

static bool multiport_finish(struct iptables_part *part)
{
	uint16_t protocol = part->ip->invflags & IPT_INV_PROTO ? 0 : part->ip->proto;

	return part->seen && (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
			      protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP);
}

/* --- numbers --------------------------------------------------------------------------------------------------------------- */

static bool length_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_length_info *length = (struct xt_length_info *)part->data;
	uint32_t low, high;

	if (!iptables_range(value, ':', UINT16_MAX, &low, &high))
		return false;
	*length = (struct xt_length_info){ (uint16_t)low, (uint16_t)high, invert };
	return true;
}

static bool tcpmss_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tcpmss_match_info *mss = (struct xt_tcpmss_match_info *)part->data;
	uint32_t low, high;

	if (!iptables_range(value, ':', UINT16_MAX, &low, &high))
		return false;
	*mss = (struct xt_tcpmss_match_info){ (uint16_t)low, (uint16_t)high, invert };
	return true;
}

static bool ttl_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t modes[] = { IPT_TTL_EQ, IPT_TTL_EQ, IPT_TTL_LT, IPT_TTL_GT };
	struct ipt_ttl_info *ttl = (struct ipt_ttl_info *)part->data;
	uint32_t number;

	if (!iptables_u32(value, 255, &number) || (invert && which > 1))
		return false;
	*ttl = (struct ipt_ttl_info){ invert ? IPT_TTL_NE : modes[which], (uint8_t)number };
	return true;
}

static bool tos_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_tos_match_info *tos = (struct xt_tos_match_info *)part->data;

	tos->invert = invert;
	return iptables_tos(value, &tos->tos_value, &tos->tos_mask);
}

static bool dscp_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_dscp_info *dscp = (struct xt_dscp_info *)part->data;
	uint32_t number;

	dscp->invert = invert;
	if (which == 1)
		return iptables_dscp_class(value, &dscp->dscp);
	if (!iptables_u32(value, 63, &number))
		return false;
	dscp->dscp = (uint8_t)number;
	return true;
}

static bool ecn_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t operations[] = { XT_ECN_OP_MATCH_CWR, XT_ECN_OP_MATCH_ECE, XT_ECN_OP_MATCH_IP };
	struct xt_ecn_info *ecn = (struct xt_ecn_info *)part->data;
	uint32_t number = 0;

	ecn->operation |= operations[which];
	ecn->invert |= invert ? operations[which] : 0;
	if (which == 2 && !iptables_u32(value, 3, &number))
		return false;
	if (which == 2)
		ecn->ip_ect = (uint8_t)number;
	return true;
}

static bool mark_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_mark_mtinfo1 *mark = (struct xt_mark_mtinfo1 *)part->data;	/* connmark has the same members */

	_Static_assert(sizeof(struct xt_connmark_mtinfo1) == sizeof(struct xt_mark_mtinfo1), "mark and connmark");
	mark->invert = invert;
	return iptables_masked(value, &mark->mark, &mark->mask);
}

static bool needs_option(struct iptables_part *part)
{
	return part->seen;
}

const struct iptables_extension iptables_matches[] = {
	{ "tcp", 0, sizeof(struct xt_tcp), IPPROTO_TCP,
	  .options = OPTIONS(VALUE("source-port"), VALUE("sport"), VALUE("destination-port"), VALUE("dport"), FLAG("syn"), VALUE("tcp-flags"),
		  VALUE("tcp-option")), tcp_begin, tcp_read, .two_words = 1 << 5 },
	{ "udp", 0, sizeof(struct xt_udp), IPPROTO_UDP,
	  .options = OPTIONS(VALUE("source-port"), VALUE("sport"), VALUE("destination-port"), VALUE("dport")), udp_begin, udp_read },
	{ "icmp", 0, sizeof(struct ipt_icmp), IPPROTO_ICMP, .options = OPTIONS(VALUE("icmp-type")), icmp_begin, icmp_read },
	{ "multiport", 1, sizeof(struct xt_multiport_v1), 0,
	  .options = OPTIONS(VALUE("source-ports"), VALUE("sports"), VALUE("destination-ports"), VALUE("dports"), VALUE("ports")), NULL,
	  multiport_read, multiport_finish },
	{ "connmark", 1, sizeof(struct xt_connmark_mtinfo1), 0, .options = OPTIONS(VALUE("mark")), NULL, mark_read, needs_option },
	{ "dscp", 0, sizeof(struct xt_dscp_info), 0, .options = OPTIONS(VALUE("dscp"), VALUE("dscp-class")), NULL, dscp_read, needs_option },
	{ "ecn", 0, sizeof(struct xt_ecn_info), 0, .options = OPTIONS(FLAG("ecn-tcp-cwr"), FLAG("ecn-tcp-ece"), VALUE("ecn-ip-ect")), NULL,
	  ecn_read, needs_option },
	{ "length", 0, sizeof(struct xt_length_info), 0, .options = OPTIONS(VALUE("length")), NULL, length_read, needs_option },
	{ "mark", 1, sizeof(struct xt_mark_mtinfo1), 0, .options = OPTIONS(VALUE("mark")), NULL, mark_read, needs_option },
	{ "tcpmss", 0, sizeof(struct xt_tcpmss_match_info), 0, .options = OPTIONS(VALUE("mss")), NULL, tcpmss_read, needs_option },
	{ "tos", 1, sizeof(struct xt_tos_match_info), 0, .options = OPTIONS(VALUE("tos")), NULL, tos_read, needs_option },
	{ "ttl", 0, sizeof(struct ipt_ttl_info), 0, .options = OPTIONS(VALUE("ttl"), VALUE("ttl-eq"), PLAIN("ttl-lt"), PLAIN("ttl-gt")), NULL,
	  ttl_read, needs_option },
	{ 0 },
};

const struct iptables_extension *iptables_match_find(const char *name)
{
	static const struct iptables_extension *const groups[] = { iptables_matches, iptables_more_matches, iptables_count_matches };

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct iptables_extension *row = groups[i]; row->name; row++)
			if (!strcmp(row->name, name))
				return row;
	return NULL;
}
