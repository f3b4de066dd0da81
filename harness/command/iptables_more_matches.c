/* The options of matches of connections, rates, owners and texts, read into the structures of <linux/netfilter/xt_*.h>. */
#include "iptables.h"

#include <arpa/inet.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_rpfilter.h>
#include <linux/netfilter/xt_socket.h>
#include <linux/netfilter/xt_statistic.h>
#include <linux/netfilter/xt_string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define OPTIONS(...) ((const struct iptables_option[]){ __VA_ARGS__, { 0 } })
#define VALUE(name) { name, false, true }
#define PLAIN(name) { name, false, false }
#define FLAG(name) { name, true, true }

static bool needs_option(struct iptables_part *part)
{
	return part->seen;
}

/* --- rates ------------------------------------------------------------------------------------------------------------------ */

static void limit_begin(struct iptables_part *part)
{
	struct xt_rateinfo *rate = (struct xt_rateinfo *)part->data;

	rate->avg = XT_LIMIT_SCALE * 3600u / 3;
	rate->burst = 5;
}

static bool limit_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const struct {
		const char *name;
		uint32_t seconds;
	} units[] = { { "second", 1 }, { "minute", 60 }, { "hour", 3600 }, { "day", 86400 } };
	struct xt_rateinfo *rate = (struct xt_rateinfo *)part->data;
	const char *slash = strchr(value, '/');
	uint32_t seconds = slash ? 0 : 1, count;
	char first[16];

	if (which == 1)
		return iptables_u32(value, 10000, &rate->burst);
	for (size_t i = 0; slash && slash[1] && i < sizeof(units) / sizeof(units[0]) && !seconds; i++)
		if (!strncasecmp(units[i].name, slash + 1, strlen(slash + 1)))
			seconds = units[i].seconds;
	snprintf(first, sizeof(first), "%.*s", slash ? (int)(slash - value) : 15, value);
	if (!seconds || !iptables_u32(first, UINT32_MAX, &count) || !count || count / seconds > XT_LIMIT_SCALE)
		return false;
	rate->avg = XT_LIMIT_SCALE * seconds / count;
	return rate->avg;
}

static bool quota_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_quota_info *quota = (struct xt_quota_info *)part->data;
	unsigned long long bytes;

	if (!iptables_number(value, UINT64_MAX, &bytes))
		return false;
	quota->flags = invert ? XT_QUOTA_INVERT : 0;
	quota->quota = bytes;
	return true;
}

static bool statistic_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_statistic_info *statistic = (struct xt_statistic_info *)part->data;
	uint32_t number;
	double probability;
	char *end;

	statistic->flags |= invert ? XT_STATISTIC_INVERT : 0;
	switch (which) {
	case 0:
		statistic->mode = !strcmp(value, "nth") ? XT_STATISTIC_MODE_NTH : XT_STATISTIC_MODE_RANDOM;
		return !strcmp(value, "nth") || !strcmp(value, "random");
	case 1:
		probability = strtod(value, &end);
		statistic->u.random.probability = (uint32_t)(0x80000000u * probability + 0.5);
		return end > value && !*end && probability >= 0 && probability <= 1;
	case 2:
		if (!iptables_u32(value, UINT32_MAX, &number) || !number)
			return false;
		statistic->u.nth.every = number - 1;
		return true;
	default:
		return iptables_u32(value, UINT32_MAX, &statistic->u.nth.packet);
	}
}

/* The kernel counts from here up to `every`: the packet of each round that is meant. */
static bool statistic_finish(struct iptables_part *part)
{
	struct xt_statistic_info *statistic = (struct xt_statistic_info *)part->data;

	statistic->u.nth.count = statistic->u.nth.every - statistic->u.nth.packet;
	if (statistic->mode == XT_STATISTIC_MODE_RANDOM)
		return part->seen == 3;
	return part->seen == 0xd && statistic->u.nth.packet <= statistic->u.nth.every;
}

/* --- connections -------------------------------------------------------------------------------------------------------------- */

struct named_bit {
	const char *name;
	uint16_t bit;
};

static bool bits(const char *text, const struct named_bit *names, uint16_t *value)
{
	while (*text) {
		size_t length = strcspn(text, ",");
		const struct named_bit *found = names;

		while (found->name && (strlen(found->name) != length || strncasecmp(found->name, text, length)))
			found++;
		if (!found->name)
			return false;
		*value |= found->bit;
		text += length + (text[length] == ',');
	}
	return true;
}

static const struct named_bit state_names[] = {
	{ "INVALID", XT_CONNTRACK_STATE_INVALID }, { "NEW", XT_CONNTRACK_STATE_BIT(IP_CT_NEW) },
	{ "ESTABLISHED", XT_CONNTRACK_STATE_BIT(IP_CT_ESTABLISHED) }, { "RELATED", XT_CONNTRACK_STATE_BIT(IP_CT_RELATED) },
	{ "UNTRACKED", XT_CONNTRACK_STATE_UNTRACKED }, { "SNAT", XT_CONNTRACK_STATE_SNAT }, { "DNAT", XT_CONNTRACK_STATE_DNAT },
	{ 0 },
};
static const struct named_bit status_names[] = {
	{ "EXPECTED", IPS_EXPECTED }, { "SEEN_REPLY", IPS_SEEN_REPLY }, { "ASSURED", IPS_ASSURED }, { "CONFIRMED", IPS_CONFIRMED },
	{ 0 },
};

static bool conntrack_address(struct xt_conntrack_mtinfo3 *rule, unsigned which, const char *value)
{
	struct in_addr address, mask;
	union nf_inet_addr *const sides[][2] = {
		{ &rule->origsrc_addr, &rule->origsrc_mask }, { &rule->origdst_addr, &rule->origdst_mask },
		{ &rule->replsrc_addr, &rule->replsrc_mask }, { &rule->repldst_addr, &rule->repldst_mask },
	};

	if (!iptables_network(value, &address, &mask))
		return false;
	sides[which][0]->ip = address.s_addr;
	if (mask.s_addr == UINT32_MAX)
		memset(sides[which][1], 0xff, sizeof(*sides[which][1]));
	else
		sides[which][1]->ip = mask.s_addr;
	return true;
}

static bool conntrack_ports(struct xt_conntrack_mtinfo3 *rule, unsigned which, const char *value)
{
	uint32_t low, high;

	if (!iptables_range(value, ':', UINT16_MAX, &low, &high))
		return false;
	switch (which) {
	case 0:
		rule->origsrc_port = (uint16_t)low;
		rule->origsrc_port_high = (uint16_t)high;
		break;
	case 1:
		rule->origdst_port = (uint16_t)low;
		rule->origdst_port_high = (uint16_t)high;
		break;
	case 2:
		rule->replsrc_port = (uint16_t)low;
		rule->replsrc_port_high = (uint16_t)high;
		break;
	default:
		rule->repldst_port = (uint16_t)low;
		rule->repldst_port_high = (uint16_t)high;
		break;
	}
	return true;
}

static bool protocol_number(const char *text, uint16_t *protocol)
{
	static const char *const names[] = { "tcp", "udp", "icmp", "udplite", "sctp", "igmp", "gre", NULL };
	static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_UDPLITE, IPPROTO_SCTP, IPPROTO_IGMP,
					   IPPROTO_GRE };
	int word = iptables_word(text, strlen(text), names, true);
	uint32_t number;

	if (word >= 0)
		number = numbers[word];
	else if (!iptables_u32(text, 255, &number) || !number)
		return false;
	*protocol = (uint16_t)number;
	return true;
}

static bool conntrack_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint16_t flags[] = {
		XT_CONNTRACK_STATE, XT_CONNTRACK_PROTO, XT_CONNTRACK_STATUS, XT_CONNTRACK_EXPIRES, XT_CONNTRACK_DIRECTION,
		XT_CONNTRACK_ORIGSRC, XT_CONNTRACK_ORIGDST, XT_CONNTRACK_REPLSRC, XT_CONNTRACK_REPLDST,
		XT_CONNTRACK_ORIGSRC_PORT, XT_CONNTRACK_ORIGDST_PORT, XT_CONNTRACK_REPLSRC_PORT, XT_CONNTRACK_REPLDST_PORT,
	};
	struct xt_conntrack_mtinfo3 *rule = (struct xt_conntrack_mtinfo3 *)part->data;

	rule->match_flags |= flags[which];
	rule->invert_flags |= invert ? flags[which] : 0;
	switch (which) {
	case 0:
		return bits(value, state_names, &rule->state_mask);
	case 1:
		return protocol_number(value, &rule->l4proto);
	case 2:
		return bits(value, status_names, &rule->status_mask);
	case 3:
		return iptables_range(value, ':', UINT32_MAX, &rule->expires_min, &rule->expires_max);
	case 4:
		if (!strcasecmp(value, "REPLY"))
			rule->invert_flags ^= XT_CONNTRACK_DIRECTION;
		return !strcasecmp(value, "REPLY") || !strcasecmp(value, "ORIGINAL");
	default:
		return which < 9 ? conntrack_address(rule, which - 5, value) : conntrack_ports(rule, which - 9, value);
	}
}

static bool state_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_conntrack_mtinfo3 *rule = (struct xt_conntrack_mtinfo3 *)part->data;

	rule->match_flags = XT_CONNTRACK_STATE | XT_CONNTRACK_STATE_ALIAS;
	rule->invert_flags = invert ? XT_CONNTRACK_STATE : 0;
	return bits(value, state_names, &rule->state_mask);
}

/* --- where from, where to, who --------------------------------------------------------------------------------------------------- */

static const struct named_bit type_names[] = {
	{ "UNSPEC", XT_ADDRTYPE_UNSPEC }, { "UNICAST", XT_ADDRTYPE_UNICAST }, { "LOCAL", XT_ADDRTYPE_LOCAL },
	{ "BROADCAST", XT_ADDRTYPE_BROADCAST }, { "ANYCAST", XT_ADDRTYPE_ANYCAST }, { "MULTICAST", XT_ADDRTYPE_MULTICAST },
	{ "BLACKHOLE", XT_ADDRTYPE_BLACKHOLE }, { "UNREACHABLE", XT_ADDRTYPE_UNREACHABLE },
	{ "PROHIBIT", XT_ADDRTYPE_PROHIBIT }, { 0 },
};

static bool addrtype_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_addrtype_info_v1 *rule = (struct xt_addrtype_info_v1 *)part->data;

	switch (which) {
	case 0:
		rule->flags |= invert ? XT_ADDRTYPE_INVERT_SOURCE : 0;
		return bits(value, type_names, &rule->source);
	case 1:
		rule->flags |= invert ? XT_ADDRTYPE_INVERT_DEST : 0;
		return bits(value, type_names, &rule->dest);
	case 2:
		rule->flags |= XT_ADDRTYPE_LIMIT_IFACE_IN;
		return true;
	default:
		rule->flags |= XT_ADDRTYPE_LIMIT_IFACE_OUT;
		return true;
	}
}

static bool owner_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_owner_match_info *rule = (struct xt_owner_match_info *)part->data;

	switch (which) {
	case 0:
		rule->match |= XT_OWNER_UID;
		rule->invert |= invert ? XT_OWNER_UID : 0;
		return iptables_range(value, '-', UINT32_MAX - 1, &rule->uid_min, &rule->uid_max);
	case 1:
		rule->match |= XT_OWNER_GID;
		rule->invert |= invert ? XT_OWNER_GID : 0;
		return iptables_range(value, '-', UINT32_MAX - 1, &rule->gid_min, &rule->gid_max);
	default:
		rule->match |= XT_OWNER_SOCKET;
		rule->invert |= invert ? XT_OWNER_SOCKET : 0;
		return true;
	}
}

static bool iprange_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_iprange_mtinfo *rule = (struct xt_iprange_mtinfo *)part->data;
	const char *mark = strchr(value, '-');
	struct in_addr low, high;

	if (!iptables_address(value, mark ? (size_t)(mark - value) : strlen(value), &low))
		return false;
	high = low;
	if (mark && !iptables_address(mark + 1, strlen(mark + 1), &high))
		return false;
	if (which == 0) {
		rule->flags |= (uint8_t)(IPRANGE_SRC | (invert ? IPRANGE_SRC_INV : 0));
		rule->src_min.ip = low.s_addr;
		rule->src_max.ip = high.s_addr;
	} else {
		rule->flags |= (uint8_t)(IPRANGE_DST | (invert ? IPRANGE_DST_INV : 0));
		rule->dst_min.ip = low.s_addr;
		rule->dst_max.ip = high.s_addr;
	}
	return true;
}

static bool pkttype_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const char *const names[] = { "unicast", "broadcast", "multicast", NULL };	/* PACKET_HOST, ... */
	struct xt_pkttype_info *rule = (struct xt_pkttype_info *)part->data;

	rule->invert = invert;
	rule->pkttype = iptables_word(value, strlen(value), names, true);
	return rule->pkttype >= 0;
}

static bool socket_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t flags[] = { XT_SOCKET_TRANSPARENT, XT_SOCKET_NOWILDCARD, XT_SOCKET_RESTORESKMARK };

	((struct xt_socket_mtinfo3 *)part->data)->flags |= flags[which];
	return true;
}

static bool rpfilter_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t flags[] = { XT_RPFILTER_LOOSE, XT_RPFILTER_VALID_MARK, XT_RPFILTER_ACCEPT_LOCAL, XT_RPFILTER_INVERT };

	((struct xt_rpfilter_info *)part->data)->flags |= flags[which];
	return true;
}

#define SWITCH(name) { name, true, false }

/* --- text ------------------------------------------------------------------------------------------------------------------------- */

static bool comment_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_comment_info *rule = (struct xt_comment_info *)part->data;

	if (strlen(value) >= sizeof(rule->comment))
		return false;
	strcpy(rule->comment, value);
	return true;
}

static void string_begin(struct iptables_part *part)
{
	((struct xt_string_info *)part->data)->to_offset = UINT16_MAX;
}

static bool string_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_string_info *rule = (struct xt_string_info *)part->data;
	uint32_t number;

	switch (which) {
	case 0:
		rule->u.v1.flags |= invert ? XT_STRING_FLAG_INVERT : 0;
		rule->patlen = (uint8_t)strlen(value);
		memcpy(rule->pattern, value, strlen(value) < sizeof(rule->pattern) ? strlen(value) : 0);
		return *value && strlen(value) < sizeof(rule->pattern);
	case 1:
		snprintf(rule->algo, sizeof(rule->algo), "%s", value);
		return !strcmp(value, "bm") || !strcmp(value, "kmp");
	case 2:
	case 3:
		if (!iptables_u32(value, UINT16_MAX, &number))
			return false;
		*(which == 2 ? &rule->from_offset : &rule->to_offset) = (uint16_t)number;
		return true;
	default:
		rule->u.v1.flags |= XT_STRING_FLAG_IGNORECASE;
		return true;
	}
}

static bool string_finish(struct iptables_part *part)
{
	return (part->seen & 3) == 3;
}

const struct iptables_extension iptables_more_matches[] = {
	{ "addrtype", 1, sizeof(struct xt_addrtype_info_v1), 0,
	  .options = OPTIONS(VALUE("src-type"), VALUE("dst-type"), { "limit-iface-in", true, false }, { "limit-iface-out", true, false }), NULL,
	  addrtype_read, needs_option },
	{ "comment", 0, sizeof(struct xt_comment_info), 0, .options = OPTIONS(PLAIN("comment")), NULL, comment_read, needs_option },
	{ "conntrack", 3, sizeof(struct xt_conntrack_mtinfo3), 0,
	  .options = OPTIONS(VALUE("ctstate"), VALUE("ctproto"), VALUE("ctstatus"), VALUE("ctexpire"), PLAIN("ctdir"), VALUE("ctorigsrc"),
		  VALUE("ctorigdst"), VALUE("ctreplsrc"), VALUE("ctrepldst"), VALUE("ctorigsrcport"), VALUE("ctorigdstport"),
		  VALUE("ctreplsrcport"), VALUE("ctrepldstport")), NULL, conntrack_read, needs_option },
	{ "state", 3, sizeof(struct xt_conntrack_mtinfo3), 0, .options = OPTIONS(VALUE("state")), NULL, state_read, needs_option,
	  .real_name = "conntrack" },
	{ "iprange", 1, sizeof(struct xt_iprange_mtinfo), 0, .options = OPTIONS(VALUE("src-range"), VALUE("dst-range")), NULL, iprange_read,
	  needs_option },
	{ "limit", 0, sizeof(struct xt_rateinfo), 0, .options = OPTIONS(PLAIN("limit"), PLAIN("limit-burst")), limit_begin, limit_read },
	{ "owner", 1, sizeof(struct xt_owner_match_info), 0, .options = OPTIONS(VALUE("uid-owner"), VALUE("gid-owner"), FLAG("socket-exists")),
	  NULL, owner_read, needs_option },
	{ "pkttype", 0, sizeof(struct xt_pkttype_info), 0, .options = OPTIONS(VALUE("pkt-type")), NULL, pkttype_read, needs_option },
	{ "quota", 0, sizeof(struct xt_quota_info), 0, .options = OPTIONS(VALUE("quota")), NULL, quota_read, needs_option },
	{ "rpfilter", 0, sizeof(struct xt_rpfilter_info), 0,
	  .options = OPTIONS(SWITCH("loose"), SWITCH("validmark"), SWITCH("accept-local"), SWITCH("invert")), NULL, rpfilter_read },
	{ "socket", 3, sizeof(struct xt_socket_mtinfo3), 0,
	  .options = OPTIONS(SWITCH("transparent"), SWITCH("nowildcard"), SWITCH("restore-skmark")), NULL, socket_read },
	{ "statistic", 0, sizeof(struct xt_statistic_info), 0,
	  .options = OPTIONS(PLAIN("mode"), VALUE("probability"), VALUE("every"), PLAIN("packet")), NULL, statistic_read, statistic_finish },
	{ "string", 1, sizeof(struct xt_string_info), 0,
	  .options = OPTIONS(VALUE("string"), PLAIN("algo"), PLAIN("from"), PLAIN("to"), { "icase", true, false }), string_begin, string_read,
	  string_finish },
	{ 0 },
};
