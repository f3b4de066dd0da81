/* Matches that remember how many packets came before: limit, quota, statistic. */
#include "extensions.h"

#include <linux/netfilter/xt_limit.h>
#include <linux/netfilter/xt_quota.h>
#include <linux/netfilter/xt_statistic.h>

/*
 * limit: a bucket of credits that fills with the jiffies. A credit is as small a part of a jiffy as lets a day's worth of them fit
 * 32 bits (a power of two), so that slow rates are still exact.
 */
struct limit_state {
	uint32_t then, credit, most, cost;
};

static uint32_t credits_per_jiffy(const struct pl_stack *stack)
{
	uint32_t most = UINT32_MAX / (stack->machine.hz * 60u * 60 * 24), power = 1;

	while (power <= most / 2)
		power *= 2;
	return power;
}

/* `span` in units of XT_LIMIT_SCALE to a second; 32 bits, as the kernel counts. */
static uint32_t credits(const struct pl_stack *stack, uint32_t span)
{
	uint32_t per_second = stack->machine.hz * credits_per_jiffy(stack);

	if (span > UINT32_MAX / per_second)
		return span / XT_LIMIT_SCALE * per_second;
	return span * per_second / XT_LIMIT_SCALE;
}

static int check_limit(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_rateinfo *rule = data;
	struct limit_state *limit = state;

	if (rule->burst == 0 || credits(place->stack, rule->avg * rule->burst) < credits(place->stack, rule->avg))
		return -ERANGE;
	limit->then = stack_jiffies(place->stack);
	limit->credit = limit->most = credits(place->stack, rule->avg * rule->burst);
	limit->cost = credits(place->stack, rule->avg);
	return 0;
}

static bool match_limit(struct rule_packet *at, const void *data, void *state)
{
	struct limit_state *limit = state;
	uint32_t now = stack_jiffies(at->stack);

	(void)data;
	limit->credit += (now - limit->then) * credits_per_jiffy(at->stack);
	limit->then = now;
	if (limit->credit > limit->most)
		limit->credit = limit->most;
	if (limit->credit < limit->cost)
		return false;
	limit->credit -= limit->cost;
	return true;
}

static int check_quota(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_quota_info *rule = data;

	(void)place;
	*(uint64_t *)state = rule->quota;
	return rule->flags & ~XT_QUOTA_INVERT ? -EINVAL : 0;
}

static bool match_quota(struct rule_packet *at, const void *data, void *state)
{
	bool invert = ((const struct xt_quota_info *)data)->flags & XT_QUOTA_INVERT;
	uint64_t *left = state;

	if (*left < pktbuf_length(at->packet)) {
		*left = 0;	/* smaller ones that would still fit are not let through either */
		return invert;
	}
	*left -= pktbuf_length(at->packet);
	return !invert;
}

static int check_statistic(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_statistic_info *rule = data;

	(void)place;
	*(uint32_t *)state = rule->u.nth.count;
	return rule->mode > XT_STATISTIC_MODE_MAX || rule->flags & ~XT_STATISTIC_MASK ? -EINVAL : 0;
}

static bool match_statistic(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_statistic_info *rule = data;
	uint32_t *count = state;
	bool hit;

	if (rule->mode == XT_STATISTIC_MODE_RANDOM) {
		hit = (filter_random(at->stack) & 0x7fffffff) < rule->u.random.probability;
	} else {
		*count = *count == rule->u.nth.every ? 0 : *count + 1;
		hit = *count == 0;
	}
	return hit != !!(rule->flags & XT_STATISTIC_INVERT);
}

const struct match_type matches_of_rates[] = {
	{ "limit", 0, sizeof(struct xt_rateinfo), .state_size = sizeof(struct limit_state), .check = check_limit,
	  .match = match_limit },
	{ "quota", 0, sizeof(struct xt_quota_info), .state_size = sizeof(uint64_t), .check = check_quota, .match = match_quota },
	{ "statistic", 0, sizeof(struct xt_statistic_info), .state_size = sizeof(uint32_t), .check = check_statistic,
	  .match = match_statistic },
	{ 0 },
};
