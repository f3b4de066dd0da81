/* The options of matches that count hosts, connections and bytes, and of a frame's source, read into their structures. */
#include "iptables.h"

#include <arpa/inet.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlimit.h>
#include <linux/netfilter/xt_mac.h>
#include <linux/netfilter/xt_recent.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS(...) ((const struct iptables_option[]){ __VA_ARGS__, { 0 } })
#define VALUE(name) { name, false, true }
#define PLAIN(name) { name, false, false }
#define FLAG(name) { name, true, true }
#define SWITCH(name) { name, true, false }

/* --- connlimit ---------------------------------------------------------------------------------------------------------- */

enum { CONNLIMIT_UPTO, CONNLIMIT_ABOVE, CONNLIMIT_MASK, CONNLIMIT_SADDR, CONNLIMIT_DADDR };

static void connlimit_begin(struct iptables_part *part)
{
	struct xt_connlimit_info *rule = (struct xt_connlimit_info *)part->data;

	memset(&rule->mask, 0xff, sizeof(rule->mask));
}

static bool connlimit_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_connlimit_info *rule = (struct xt_connlimit_info *)part->data;
	uint32_t number = 0;

	switch (which) {
	case CONNLIMIT_UPTO:
	case CONNLIMIT_ABOVE:
		if (part->seen & 1u << (which == CONNLIMIT_UPTO ? CONNLIMIT_ABOVE : CONNLIMIT_UPTO))
			return false;
		rule->flags |= invert != (which == CONNLIMIT_UPTO) ? XT_CONNLIMIT_INVERT : 0;
		return iptables_u32(value, UINT32_MAX, &rule->limit);
	case CONNLIMIT_MASK:
		if (!iptables_u32(value, 32, &number))
			return false;
		memset(&rule->mask, 0, sizeof(rule->mask));
		rule->v4_mask = number ? htonl(UINT32_MAX << (32 - number)) : 0;
		return true;
	case CONNLIMIT_DADDR:
		rule->flags |= XT_CONNLIMIT_DADDR;
		return true;
	default:
		return !(rule->flags & XT_CONNLIMIT_DADDR);
	}
}

static bool connlimit_finish(struct iptables_part *part)
{
	return part->seen & (1u << CONNLIMIT_UPTO | 1u << CONNLIMIT_ABOVE);
}

/* --- recent -------------------------------------------------------------------------------------------------------------- */

enum { RECENT_NAME, RECENT_SECONDS, RECENT_HITCOUNT, RECENT_MASK, RECENT_RDEST, RECENT_RSOURCE, RECENT_RTTL, RECENT_REAP,
       RECENT_SET, RECENT_RCHECK, RECENT_UPDATE, RECENT_REMOVE };

static void recent_begin(struct iptables_part *part)
{
	struct xt_recent_mtinfo_v1 *rule = (struct xt_recent_mtinfo_v1 *)part->data;

	strcpy(rule->name, "DEFAULT");
	memset(&rule->mask, 0xff, sizeof(rule->mask));	/* as iptables does it for either family */
}

static bool recent_text(struct iptables_part *part, unsigned which, const char *value)
{
	struct xt_recent_mtinfo_v1 *rule = (struct xt_recent_mtinfo_v1 *)part->data;
	struct in_addr mask;

	switch (which) {
	case RECENT_NAME:
		if (strlen(value) >= sizeof(rule->name))
			return false;
		strcpy(rule->name, value);	/* what is behind it of a longer one stays, as the program has it */
		return true;
	case RECENT_SECONDS:
		return iptables_u32(value, UINT32_MAX, &rule->seconds) && rule->seconds;
	case RECENT_HITCOUNT:
		return iptables_u32(value, UINT32_MAX, &rule->hit_count);
	default:
		if (!iptables_address(value, strlen(value), &mask))
			return false;
		memset(&rule->mask, 0, sizeof(rule->mask));
		rule->mask.in = mask;
		return true;
	}
}

static bool recent_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const uint8_t flags[] = { [RECENT_RTTL] = XT_RECENT_TTL, [RECENT_REAP] = XT_RECENT_REAP, [RECENT_SET] = XT_RECENT_SET,
					 [RECENT_RCHECK] = XT_RECENT_CHECK, [RECENT_UPDATE] = XT_RECENT_UPDATE,
					 [RECENT_REMOVE] = XT_RECENT_REMOVE };
	struct xt_recent_mtinfo_v1 *rule = (struct xt_recent_mtinfo_v1 *)part->data;

	if (which <= RECENT_MASK)
		return recent_text(part, which, value);
	if (which == RECENT_RDEST || which == RECENT_RSOURCE) {
		rule->side = which == RECENT_RDEST ? XT_RECENT_DEST : XT_RECENT_SOURCE;
		return true;
	}
	rule->check_set |= flags[which];
	rule->invert |= invert;
	return true;
}

/* One thing to do, with what goes with it; the program complains of anything else. */
static bool recent_finish(struct iptables_part *part)
{
	const uint8_t deeds = XT_RECENT_SET | XT_RECENT_CHECK | XT_RECENT_UPDATE | XT_RECENT_REMOVE;
	const struct xt_recent_mtinfo_v1 *rule = (const struct xt_recent_mtinfo_v1 *)part->data;
	unsigned deed = rule->check_set & deeds, times = 1u << RECENT_SECONDS | 1u << RECENT_HITCOUNT | 1u << RECENT_REAP;

	if (!deed || deed & (deed - 1))
		return false;
	if (part->seen & times && !(deed & (XT_RECENT_CHECK | XT_RECENT_UPDATE)))
		return false;
	return !(part->seen & 1u << RECENT_REAP) || part->seen & 1u << RECENT_SECONDS;
}

/* --- connbytes ------------------------------------------------------------------------------------------------------------ */

enum { CONNBYTES_RANGE, CONNBYTES_DIRECTION, CONNBYTES_MODE };

/* FROM, FROM: or FROM:TO; inverted it is the range turned inside out. */
static bool connbytes_range(struct xt_connbytes_info *rule, const char *value, bool invert)
{
	const char *colon = strchr(value, ':');
	unsigned long long from, to = UINT64_MAX;
	char first[24];

	snprintf(first, sizeof(first), "%.*s", colon ? (int)(colon - value) : (int)sizeof(first) - 1, value);
	if (!iptables_number(first, UINT64_MAX, &from) || (colon && colon[1] && !iptables_number(colon + 1, UINT64_MAX, &to)) ||
	    to < from)
		return false;
	rule->count.from = invert ? to : from;
	rule->count.to = invert ? from : to;
	return true;
}

static bool connbytes_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	static const char *const directions[] = { "original", "reply", "both", NULL };
	static const char *const modes[] = { "packets", "bytes", "avgpkt", NULL };
	struct xt_connbytes_info *rule = (struct xt_connbytes_info *)part->data;
	int index;

	if (which == CONNBYTES_RANGE)
		return connbytes_range(rule, value, invert);
	index = iptables_word(value, strlen(value), which == CONNBYTES_DIRECTION ? directions : modes, false);
	if (index < 0)
		return false;
	*(which == CONNBYTES_DIRECTION ? &rule->direction : &rule->what) = (uint8_t)index;
	return true;
}

static bool connbytes_finish(struct iptables_part *part)
{
	return part->seen == (1u << CONNBYTES_RANGE | 1u << CONNBYTES_DIRECTION | 1u << CONNBYTES_MODE);
}

/* --- mac ------------------------------------------------------------------------------------------------------------------ */

static bool mac_read(struct iptables_part *part, unsigned which, const char *value, const char *second, bool invert)
{
	struct xt_mac_info *rule = (struct xt_mac_info *)part->data;
	unsigned char *to = rule->srcaddr;
	int end = 0;

	rule->invert = invert;
	return strspn(value, "0123456789abcdefABCDEF:") == strlen(value) &&
	       sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", to, to + 1, to + 2, to + 3, to + 4, to + 5, &end) == 6 && !value[end];
}

static bool mac_finish(struct iptables_part *part)
{
	return part->seen;
}

const struct iptables_extension iptables_count_matches[] = {
	{ "connbytes", 0, sizeof(struct xt_connbytes_info), 0,
	  .options = OPTIONS(VALUE("connbytes"), PLAIN("connbytes-dir"), PLAIN("connbytes-mode")), NULL, connbytes_read, connbytes_finish },
	{ "connlimit", 1, sizeof(struct xt_connlimit_info), 0,
	  .options = OPTIONS(VALUE("connlimit-upto"), VALUE("connlimit-above"), PLAIN("connlimit-mask"), SWITCH("connlimit-saddr"),
			     SWITCH("connlimit-daddr")),
	  connlimit_begin, connlimit_read, connlimit_finish },
	{ "mac", 0, sizeof(struct xt_mac_info), 0, .options = OPTIONS(VALUE("mac-source")), NULL, mac_read, mac_finish },
	{ "recent", 1, sizeof(struct xt_recent_mtinfo_v1), 0,
	  .options = OPTIONS(PLAIN("name"), PLAIN("seconds"), PLAIN("hitcount"), PLAIN("mask"), SWITCH("rdest"), SWITCH("rsource"),
			     SWITCH("rttl"), SWITCH("reap"), FLAG("set"), FLAG("rcheck"), FLAG("update"), FLAG("remove")),
	  recent_begin, recent_read, recent_finish },
	{ 0 },
};
