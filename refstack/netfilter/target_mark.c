/*
 * Targets that put something down about a packet or its connection: MARK, CONNMARK, CLASSIFY, CT and NOTRACK; and those that put it
 * down where no packet shows it: LOG, NFLOG, TRACE, AUDIT, IDLETIMER, CHECKSUM (checksums are right when packets leave).
 */
#include <limits.h>

#include "extensions.h"

#include <linux/netfilter/xt_AUDIT.h>
#include <linux/netfilter/xt_CHECKSUM.h>
#include <linux/netfilter/xt_CLASSIFY.h>
#include <linux/netfilter/xt_CONNMARK.h>
#include <linux/netfilter/xt_CT.h>
#include <linux/netfilter/xt_IDLETIMER.h>
#include <linux/netfilter/xt_LOG.h>
#include <linux/netfilter/xt_MARK.h>
#include <linux/netfilter/xt_NFLOG.h>

static enum target_verdict target_mark(struct rule_packet *at, const void *data)
{
	const struct xt_mark_tginfo2 *rule = data;

	at->packet->mark = (at->packet->mark & ~rule->mask) ^ rule->mark;
	return TARGET_CONTINUE;
}

static uint32_t shifted(uint32_t value, const struct xt_connmark_tginfo2 *rule)
{
	return rule->shift_dir == D_SHIFT_RIGHT ? value >> (rule->shift_bits & 31) : value << (rule->shift_bits & 31);
}

static enum target_verdict change_connmark(struct rule_packet *at, const struct xt_connmark_tginfo2 *rule)
{
	struct conntrack *conntrack = at->packet->conntrack;

	if (!conntrack)
		return TARGET_CONTINUE;
	switch (rule->mode) {
	case XT_CONNMARK_SET:
		conntrack->mark = shifted((conntrack->mark & ~rule->ctmask) ^ rule->ctmark, rule);
		break;
	case XT_CONNMARK_SAVE:
		conntrack->mark = (conntrack->mark & ~rule->ctmask) ^ shifted(at->packet->mark & rule->nfmask, rule);
		break;
	case XT_CONNMARK_RESTORE:
		at->packet->mark = (at->packet->mark & ~rule->nfmask) ^ shifted(conntrack->mark & rule->ctmask, rule);
		break;
	}
	return TARGET_CONTINUE;
}

static enum target_verdict target_connmark(struct rule_packet *at, const void *data)
{
	const struct xt_connmark_tginfo1 *rule = data;

	return change_connmark(at, &(struct xt_connmark_tginfo2){ .ctmark = rule->ctmark, .ctmask = rule->ctmask,
								  .nfmask = rule->nfmask, .mode = rule->mode });
}

static enum target_verdict target_connmark_shift(struct rule_packet *at, const void *data)
{
	return change_connmark(at, data);
}

static enum target_verdict target_classify(struct rule_packet *at, const void *data)
{
	at->packet->priority = ((const struct xt_classify_target_info *)data)->priority;
	return TARGET_CONTINUE;
}

/* Nothing is printed; the rule's counters tell. */
static enum target_verdict target_log(struct rule_packet *at, const void *data)
{
	(void)at;
	(void)data;
	return TARGET_CONTINUE;
}

static int check_log(const struct rule_place *place, const void *data)
{
	const struct xt_log_info *rule = data;

	(void)place;
	return rule->level >= 8 || rule->prefix[sizeof(rule->prefix) - 1] ? -EINVAL : 0;
}

static int check_audit(const struct rule_place *place, const void *data)
{
	(void)place;
	return ((const struct xt_audit_info *)data)->type > XT_AUDIT_TYPE_MAX ? -ERANGE : 0;
}

static int check_checksum(const struct rule_place *place, const void *data)
{
	(void)place;
	return ((const struct xt_CHECKSUM_info *)data)->operation == XT_CHECKSUM_OP_FILL ? 0 : -EINVAL;
}

static int check_idle(const struct rule_place *place, const void *data)
{
	const struct idletimer_tg_info *rule = data;

	(void)place;
	return !rule->timeout || rule->timeout >= INT_MAX / 1000 || !*rule->label || !memchr(rule->label, 0, sizeof(rule->label)) ?
		       -EINVAL :
		       0;
}

/* A packet that the tracker is to leave alone. One that this host sent to itself keeps what it is. */
static enum target_verdict target_notrack(struct rule_packet *at, const void *data)
{
	(void)data;
	if (!at->packet->conntrack)
		packet_set_conntrack(at->packet, NULL, INFO_UNTRACKED);
	return TARGET_CONTINUE;
}

/* Zones, helpers and events are not there: of CT only --notrack. */
static int check_ct(const struct rule_place *place, const void *data)
{
	(void)place;
	return ((const struct xt_ct_target_info *)data)->flags & XT_CT_NOTRACK ? 0 : -EOPNOTSUPP;
}

const struct target_type targets_of_marks[] = {
	{ "MARK", 2, sizeof(struct xt_mark_tginfo2), .target = target_mark },
	{ "CONNMARK", 1, sizeof(struct xt_connmark_tginfo1), .needs = NEEDS_TRACKING, .target = target_connmark },
	{ "CONNMARK", 2, sizeof(struct xt_connmark_tginfo2), .needs = NEEDS_TRACKING, .target = target_connmark_shift },
	{ "CLASSIFY", 0, sizeof(struct xt_classify_target_info),
	  .hooks = HOOK_BIT(LOCAL_OUT) | HOOK_BIT(FORWARD) | HOOK_BIT(POST_ROUTING), .target = target_classify },
	{ "LOG", 0, sizeof(struct xt_log_info), .check = check_log, .target = target_log },
	{ "NFLOG", 0, sizeof(struct xt_nflog_info), .target = target_log },
	{ "TRACE", 0, 0, .tables = TABLE_BIT(RAW), .target = target_log },
	{ "AUDIT", 0, sizeof(struct xt_audit_info), .check = check_audit, .target = target_log },
	{ "CHECKSUM", 0, sizeof(struct xt_CHECKSUM_info), .tables = TABLE_BIT(MANGLE), .check = check_checksum, .target = target_log },
	{ "IDLETIMER", 0, sizeof(struct idletimer_tg_info), .check = check_idle, .target = target_log },
	{ "IDLETIMER", 1, sizeof(struct idletimer_tg_info_v1), .check = check_idle, .target = target_log },
	{ "NOTRACK", 0, 0, .tables = TABLE_BIT(RAW), .target = target_notrack },
	{ "CT", 0, sizeof(struct xt_ct_target_info), .tables = TABLE_BIT(RAW), .check = check_ct, .target = target_notrack },
	{ "CT", 1, sizeof(struct xt_ct_target_info_v1), .tables = TABLE_BIT(RAW), .check = check_ct, .target = target_notrack },
	{ "CT", 2, sizeof(struct xt_ct_target_info_v1), .tables = TABLE_BIT(RAW), .check = check_ct, .target = target_notrack },
	{ 0 },
};
