/* Matches of a packet's IP header, its marks, where it is from and who sends it. */
#include <arpa/inet.h>
#include <ctype.h>

#include "../ip/fib.h"
#include "extensions.h"

#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_comment.h>
#include <linux/netfilter/xt_dscp.h>
#include <linux/netfilter/xt_ecn.h>
#include <linux/netfilter/xt_iprange.h>
#include <linux/netfilter/xt_length.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_owner.h>
#include <linux/netfilter/xt_pkttype.h>
#include <linux/netfilter/xt_string.h>
#include <linux/netfilter_ipv4/ipt_ttl.h>

/* --- addrtype ----------------------------------------------------------------------------------------------------------- */

/* RTN_* of an address; with a link, only what is said of that link counts (inet_dev_addr_type). */
static int type_on(struct pl_stack *stack, const struct link *link, uint32_t address)
{
	struct flow flow = { .destination.s_addr = address };
	struct fib_result found = { 0 };
	int type = address_type(stack, flow.destination);

	if (link && (type == RTN_LOCAL || type == RTN_BROADCAST) && fib_lookup_local(stack, &flow, &found) == 0 &&
	    found.nexthop->link != link)
		return RTN_UNICAST;
	return type;
}

static bool match_addrtype(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_addrtype_info_v1 *rule = data;
	const struct link *link = rule->flags & XT_ADDRTYPE_LIMIT_IFACE_IN  ? at->place->in :
				  rule->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT ? at->place->out :
									      NULL;

	(void)state;
	if (rule->source && !!(rule->source & 1u << type_on(at->stack, link, at->ip->saddr)) ==
				    !!(rule->flags & XT_ADDRTYPE_INVERT_SOURCE))
		return false;
	return !rule->dest || !!(rule->dest & 1u << type_on(at->stack, link, at->ip->daddr)) !=
				      !!(rule->flags & XT_ADDRTYPE_INVERT_DEST);
}

static int check_addrtype(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_addrtype_info_v1 *rule = data;
	bool in = rule->flags & XT_ADDRTYPE_LIMIT_IFACE_IN, out = rule->flags & XT_ADDRTYPE_LIMIT_IFACE_OUT;

	(void)state;
	if ((in && out) || (out && place->hooks & (HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN))) ||
	    (in && place->hooks & (HOOK_BIT(POST_ROUTING) | HOOK_BIT(LOCAL_OUT))))
		return -EINVAL;
	return 0;
}

/* --- the IP header -------------------------------------------------------------------------------------------------------- */

static bool match_tos(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_tos_match_info *rule = data;

	(void)state;
	return ((at->ip->tos & rule->tos_mask) == rule->tos_value) != !!rule->invert;
}

static bool match_dscp(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_dscp_info *rule = data;

	(void)state;
	return (at->ip->tos >> 2 == rule->dscp) != !!rule->invert;
}

static int check_dscp(const struct rule_place *place, const void *data, void *state)
{
	(void)place;
	(void)state;
	return ((const struct xt_dscp_info *)data)->dscp > 63 ? -EDOM : 0;
}

static bool match_ecn(struct rule_packet *at, const void *data, void *state)
{
	static const struct {
		uint8_t operation, flag;
	} flags[] = { { XT_ECN_OP_MATCH_ECE, FILTER_ECE }, { XT_ECN_OP_MATCH_CWR, FILTER_CWR } };
	const struct xt_ecn_info *rule = data;
	const struct filter_tcp *tcp = NULL;

	(void)state;
	if (rule->operation & XT_ECN_OP_MATCH_IP &&
	    ((at->ip->tos & XT_ECN_IP_MASK) == rule->ip_ect) == !!(rule->invert & XT_ECN_OP_MATCH_IP))
		return false;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!(rule->operation & flags[i].operation))
			continue;
		tcp = transport_at(at, 0, sizeof(*tcp));
		if (!tcp || !!(tcp->flags & flags[i].flag) == !!(rule->invert & flags[i].operation))
			return false;
	}
	return true;
}

static int check_ecn(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_ecn_info *rule = data;

	(void)state;
	if (rule->operation & XT_ECN_OP_MATCH_MASK || rule->invert & XT_ECN_OP_MATCH_MASK)
		return -EINVAL;
	return rule->operation & (XT_ECN_OP_MATCH_ECE | XT_ECN_OP_MATCH_CWR) &&
			       (place->ip->proto != IPPROTO_TCP || place->ip->invflags & IPT_INV_PROTO) ?
		       -EINVAL :
		       0;
}

static bool match_ttl(struct rule_packet *at, const void *data, void *state)
{
	const struct ipt_ttl_info *rule = data;

	(void)state;
	switch (rule->mode) {
	case IPT_TTL_EQ:
		return at->ip->ttl == rule->ttl;
	case IPT_TTL_NE:
		return at->ip->ttl != rule->ttl;
	case IPT_TTL_LT:
		return at->ip->ttl < rule->ttl;
	case IPT_TTL_GT:
		return at->ip->ttl > rule->ttl;
	}
	return false;
}

static bool match_length(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_length_info *rule = data;

	(void)state;
	return in_range(ntohs(at->ip->tot_len), rule->min, rule->max, rule->invert);
}

static bool match_iprange(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_iprange_mtinfo *rule = data;

	(void)state;
	if (rule->flags & IPRANGE_SRC && !in_range(ntohl(at->ip->saddr), ntohl(rule->src_min.ip), ntohl(rule->src_max.ip),
						   rule->flags & IPRANGE_SRC_INV))
		return false;
	return !(rule->flags & IPRANGE_DST) || in_range(ntohl(at->ip->daddr), ntohl(rule->dst_min.ip),
							ntohl(rule->dst_max.ip), rule->flags & IPRANGE_DST_INV);
}

/* --- beside the packet ----------------------------------------------------------------------------------------------------- */

static bool match_mark(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_mark_mtinfo1 *rule = data;

	(void)state;
	return ((at->packet->mark & rule->mask) == rule->mark) != !!rule->invert;
}

static bool match_comment(struct rule_packet *at, const void *data, void *state)
{
	(void)at;
	(void)data;
	(void)state;
	return true;
}

static bool match_pkttype(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_pkttype_info *rule = data;
	int type = at->packet->packet_type;

	(void)state;
	if (type == PACKET_LOOPBACK)
		type = ip_is_multicast((struct in_addr){ at->ip->daddr }) ? PACKET_MULTICAST : PACKET_BROADCAST;
	return (type == rule->pkttype) != !!rule->invert;
}

/*
 * What the kernel says by itself in ICMP and TCP leaves by a socket of its own, which has no user. Other packets have no socket at
 * all, nor has what a socket sends after it was closed.
 */
static bool is_from_kernel_socket(const struct rule_packet *at)
{
	return !at->place->sk && !at->packet->forwarded && at->place->hook != NF_INET_LOCAL_IN &&
	       (at->ip->protocol == IPPROTO_ICMP || at->ip->protocol == IPPROTO_TCP);
}

static bool match_owner(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_owner_match_info *rule = data;
	const struct sock *sk = at->place->sk;
	bool of_kernel = is_from_kernel_socket(at);

	(void)state;
	if (!of_kernel && (!sk || !sk->has_descriptor))
		return rule->match == rule->invert;
	if (rule->match & rule->invert & XT_OWNER_SOCKET)
		return false;
	if (of_kernel)
		return !((rule->match ^ rule->invert) & (XT_OWNER_UID | XT_OWNER_GID));
	if (rule->match & XT_OWNER_UID && !in_range(sk->uid, rule->uid_min, rule->uid_max, rule->invert & XT_OWNER_UID))
		return false;
	return !(rule->match & XT_OWNER_GID) ||
	       in_range(at->stack->gid, rule->gid_min, rule->gid_max, rule->invert & XT_OWNER_GID);
}

/* --- string -------------------------------------------------------------------------------------------------------------- */

static bool same_bytes(const uint8_t *a, const uint8_t *b, size_t length, bool ignore_case)
{
	for (size_t i = 0; i < length; i++)
		if (a[i] != b[i] && !(ignore_case && toupper(a[i]) == toupper(b[i])))
			return false;
	return true;
}

static bool match_string(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_string_info *rule = data;
	uint32_t length = pktbuf_length(at->packet), size = rule->patlen;
	bool found = false, invert = rule->u.v1.flags & XT_STRING_FLAG_INVERT;

	(void)state;
	for (uint32_t i = rule->from_offset; !found && i <= rule->to_offset && i + size <= length; i++)
		found = same_bytes(at->packet->data + i, (const uint8_t *)rule->pattern, size,
				   rule->u.v1.flags & XT_STRING_FLAG_IGNORECASE);
	return found != invert;
}

static int check_string(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_string_info *rule = data;
	static const char *const known[] = { "bm", "kmp" };

	(void)place;
	(void)state;
	if (rule->from_offset > rule->to_offset || !rule->patlen || rule->patlen > XT_STRING_MAX_PATTERN_SIZE ||
	    rule->algo[sizeof(rule->algo) - 1] ||
	    rule->u.v1.flags & ~(XT_STRING_FLAG_INVERT | XT_STRING_FLAG_IGNORECASE))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(rule->algo, known[i]))
			return 0;
	return -ENOENT;
}

const struct match_type matches_of_packets[] = {
	{ "addrtype", 1, sizeof(struct xt_addrtype_info_v1), .check = check_addrtype, .match = match_addrtype },
	{ "comment", 0, sizeof(struct xt_comment_info), .match = match_comment },
	{ "dscp", 0, sizeof(struct xt_dscp_info), .check = check_dscp, .match = match_dscp },
	{ "ecn", 0, sizeof(struct xt_ecn_info), .check = check_ecn, .match = match_ecn },
	{ "iprange", 1, sizeof(struct xt_iprange_mtinfo), .match = match_iprange },
	{ "length", 0, sizeof(struct xt_length_info), .match = match_length },
	{ "mark", 1, sizeof(struct xt_mark_mtinfo1), .match = match_mark },
	{ "owner", 1, sizeof(struct xt_owner_match_info), .hooks = HOOK_BIT(LOCAL_OUT) | HOOK_BIT(POST_ROUTING) | HOOK_BIT(LOCAL_IN),
	  .match = match_owner },
	{ "pkttype", 0, sizeof(struct xt_pkttype_info), .match = match_pkttype },
	{ "string", 1, sizeof(struct xt_string_info), .check = check_string, .match = match_string },
	{ "tos", 1, sizeof(struct xt_tos_match_info), .match = match_tos },
	{ "ttl", 0, sizeof(struct ipt_ttl_info), .match = match_ttl },
	{ 0 },
};
