/* Matches that remember or compute: asked directly, with a packet made for it. */
#include "refstack/netfilter/tables.h"

#include <arpa/inet.h>
#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_hashlimit.h>
#include <linux/netfilter/xt_recent.h>
#include <linux/netfilter/xt_time.h>
#include <linux/netfilter/xt_u32.h>
#include <stdlib.h>

#include "../support.h"

static struct fixture f;

static void setup(void)
{
	fixture_new(&f);
	/* The filter has a place on the stack once a table was set. */
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");
	cr_assert_eq(pl_filter_set(f.stack, table), 0);
	pl_filter_free(table);
}

static void teardown(void)
{
	fixture_free(&f);
}
TestSuite(matches, .init = setup, .fini = teardown);

struct asked {
	const struct match_type *type;
	const void *data;
	void *state;
};

/* What the check gives; with 0 the match can be asked, and is to be let go of. */
static int begin(struct asked *asked, const char *name, uint8_t revision, const void *data)
{
	const struct ipt_ip ip = { 0 };
	struct rule_place place = { .stack = f.stack, .table = TABLE_FILTER, .hooks = HOOK_BIT(LOCAL_IN), .ip = &ip };
	int error;

	asked->type = match_type_find(name, revision);
	cr_assert_not_null(asked->type, "%s", name);
	asked->data = data;
	asked->state = calloc(1, asked->type->state_size + 1);
	error = asked->type->check ? asked->type->check(&place, data, asked->state) : 0;
	if (error)
		free(asked->state);
	return error;
}

static void end(struct asked *asked)
{
	if (asked->type->release)
		asked->type->release(f.stack, asked->state);
	free(asked->state);
}

/* A UDP datagram from `source` with `length` bytes of "u" in it. */
static bool matches(const struct asked *asked, const char *source, size_t length)
{
	struct pktbuf *packet = pktbuf_new(f.stack, IP_HEADROOM, 1500);
	const struct nf_place place = { .hook = NF_INET_LOCAL_IN };
	uint8_t udp[1024] = { 0x13, 0x88, 0, 9, (uint8_t)((8 + length) >> 8), (uint8_t)(8 + length) };
	struct iphdr header = { 0 };
	bool result;

	memset(udp + 8, 'u', length);
	pktbuf_put(packet, 28 + length);
	make_ip(packet->data, &header, source, LOCAL, IPPROTO_UDP, udp, 8 + length);
	packet->network = packet->data;
	struct rule_packet at = { .stack = f.stack, .packet = packet, .place = &place, .ip = ip_header(packet), .transport = 20 };
	result = asked->type->match(&at, asked->data, asked->state);
	cr_assert_not(at.hotdrop);
	pktbuf_free(f.stack, packet);
	return result;
}

static struct xt_recent_mtinfo_v1 recent(const char *name, uint8_t deeds, uint32_t seconds, uint32_t hits)
{
	struct xt_recent_mtinfo_v1 rule = { .seconds = seconds, .hit_count = hits, .check_set = deeds };

	rule.mask.ip = UINT32_MAX;
	strcpy(rule.name, name);
	return rule;
}

Test(matches, recent_refuses_what_makes_no_sense)
{
	const struct xt_recent_mtinfo_v1 wrong[] = {
		recent("a", 0, 0, 0),
		recent("a", XT_RECENT_SET | XT_RECENT_CHECK, 0, 0),
		recent("a", XT_RECENT_SET, 1, 0),
		recent("a", XT_RECENT_REMOVE, 0, 1),
		recent("a", XT_RECENT_SET | XT_RECENT_TTL, 0, 0),
		recent("a", XT_RECENT_CHECK | XT_RECENT_REAP, 0, 0),
		recent("a", XT_RECENT_CHECK, 0, 256),
		recent("", XT_RECENT_SET, 0, 0),
		recent("a/b", XT_RECENT_SET, 0, 0),
		recent("a", 64 | XT_RECENT_SET, 0, 0),
	};
	struct asked asked;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(begin(&asked, "recent", 1, &wrong[i]), -EINVAL, "%zu", i);
	cr_assert_null(f.stack->netfilter->shared);
}

Test(matches, recent_lists_are_shared_and_go_with_their_last_rule)
{
	struct xt_recent_mtinfo_v1 set = recent("a", XT_RECENT_SET, 0, 0), check = recent("a", XT_RECENT_CHECK, 2, 0),
				   twice = recent("a", XT_RECENT_CHECK, 0, 2);
	struct asked setting, checking, counting;

	cr_assert_eq(begin(&setting, "recent", 1, &set), 0);
	cr_assert_eq(begin(&checking, "recent", 1, &check), 0);
	cr_assert_eq(begin(&counting, "recent", 1, &twice), 0);
	cr_assert_not(matches(&checking, REMOTE, 1));
	cr_assert(matches(&setting, REMOTE, 1));
	cr_assert(matches(&checking, REMOTE, 1));
	cr_assert_not(matches(&checking, "192.0.2.2", 1));
	cr_assert_not(matches(&counting, REMOTE, 1));
	pl_stack_run_until(f.stack, pl_stack_now(f.stack) + 3 * PL_NSEC_PER_SEC);
	cr_assert_not(matches(&checking, REMOTE, 1));
	cr_assert(matches(&setting, REMOTE, 1));
	cr_assert(matches(&counting, REMOTE, 1));
	end(&setting);
	end(&counting);
	cr_assert(matches(&checking, REMOTE, 1));
	end(&checking);
	cr_assert_null(f.stack->netfilter->shared);
	/* A new list of the name is empty. */
	cr_assert_eq(begin(&checking, "recent", 1, &check), 0);
	cr_assert_not(matches(&checking, REMOTE, 1));
	end(&checking);
}

static struct xt_hashlimit_mtinfo3 hashlimit(uint32_t mode, uint64_t average, uint64_t burst)
{
	struct xt_hashlimit_mtinfo3 rule = { .name = "h",
					     .cfg = { .avg = average, .burst = burst, .mode = mode, .gc_interval = 1000, .expire = 10000,
						      .srcmask = 32, .dstmask = 32 } };

	return rule;
}

Test(matches, hashlimit_has_a_bucket_for_each_source)
{
	struct xt_hashlimit_mtinfo3 rule = hashlimit(XT_HASHLIMIT_HASH_SIP, XT_HASHLIMIT_SCALE_v2, 2);
	struct asked asked;

	cr_assert_eq(begin(&asked, "hashlimit", 3, &rule), 0);
	cr_assert(matches(&asked, REMOTE, 1));
	cr_assert(matches(&asked, REMOTE, 1));
	cr_assert_not(matches(&asked, REMOTE, 1));
	cr_assert(matches(&asked, "192.0.2.2", 1));
	pl_stack_run_until(f.stack, pl_stack_now(f.stack) + PL_NSEC_PER_SEC);
	cr_assert(matches(&asked, REMOTE, 1));
	cr_assert_not(matches(&asked, REMOTE, 1));
	end(&asked);
}

Test(matches, hashlimit_refuses_what_makes_no_sense)
{
	struct xt_hashlimit_mtinfo3 wrong[] = {
		hashlimit(0, XT_HASHLIMIT_SCALE_v2, 0), hashlimit(128, XT_HASHLIMIT_SCALE_v2, 1),
		hashlimit(XT_HASHLIMIT_RATE_MATCH, 0, 1), hashlimit(XT_HASHLIMIT_RATE_MATCH, 1, 1), hashlimit(0, UINT64_MAX / 2, 3),
	};
	static const int errors[] = { -ERANGE, -EINVAL, -ERANGE, -EINVAL, -ERANGE };
	struct asked asked;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(begin(&asked, "hashlimit", 3, &wrong[i]), errors[i], "%zu", i);
	wrong[0] = hashlimit(0, XT_HASHLIMIT_SCALE_v2, 1);
	wrong[0].cfg.expire = 0;
	cr_assert_eq(begin(&asked, "hashlimit", 3, &wrong[0]), -EINVAL);
	cr_assert_null(f.stack->netfilter->shared);
}

Test(matches, u32_looks_no_further_than_the_packet)
{
	struct xt_u32 rule = { .ntests = 1 };
	struct asked asked;

	rule.tests[0] = (struct xt_u32_test){ .nnums = 1, .nvalues = 1, .location = { { 28, 0 } }, .value = { { 0, UINT32_MAX } } };
	cr_assert_eq(begin(&asked, "u32", 0, &rule), 0);
	cr_assert(matches(&asked, REMOTE, 4));
	cr_assert_not(matches(&asked, REMOTE, 3));
	/* Offsets that wrap around. */
	rule.tests[0].location[0].number = UINT32_MAX;
	cr_assert_not(matches(&asked, REMOTE, 4));
	rule.tests[0] = (struct xt_u32_test){ .nnums = 2, .nvalues = 1, .location = { { 28, 0 }, { UINT32_MAX, XT_U32_AT } },
					      .value = { { 0, UINT32_MAX } } };
	cr_assert_not(matches(&asked, REMOTE, 4));
	rule.invert = 1;
	cr_assert(matches(&asked, REMOTE, 4));
	end(&asked);
	rule.ntests = XT_U32_MAXSIZE + 2;
	cr_assert_eq(begin(&asked, "u32", 0, &rule), -EINVAL);
	rule.ntests = 1;
	rule.tests[0].nnums = XT_U32_MAXSIZE + 2;
	cr_assert_eq(begin(&asked, "u32", 0, &rule), -EINVAL);
}

/* At 23:30 on Friday the 3rd of January 2020, and an hour later. */
Test(matches, time_over_midnight_belongs_to_the_day_before)
{
	struct xt_time_info rule = { .date_stop = UINT32_MAX, .daytime_start = 23 * 3600, .daytime_stop = 3600,
				     .monthdays_match = XT_TIME_ALL_MONTHDAYS, .weekdays_match = 1u << 5 };
	struct asked asked;

	f.stack->wall_clock = 1578094200 * PL_NSEC_PER_SEC - pl_stack_now(f.stack);
	cr_assert_eq(begin(&asked, "time", 0, &rule), 0);
	cr_assert(matches(&asked, REMOTE, 1));
	f.stack->wall_clock += 3600 * PL_NSEC_PER_SEC;
	cr_assert_not(matches(&asked, REMOTE, 1));	/* Saturday */
	rule.flags = XT_TIME_CONTIGUOUS;
	cr_assert(matches(&asked, REMOTE, 1));
	rule.monthdays_match = 1u << 4;
	cr_assert_not(matches(&asked, REMOTE, 1));	/* it is still the 3rd */
	f.stack->wall_clock += 2 * 3600 * PL_NSEC_PER_SEC;
	cr_assert_not(matches(&asked, REMOTE, 1));
	end(&asked);
	rule.daytime_start = 86400;
	cr_assert_eq(begin(&asked, "time", 0, &rule), -EDOM);
}

Test(matches, connbytes_has_connections_counted)
{
	const struct xt_connbytes_info rule = { .what = XT_CONNBYTES_AVGPKT, .direction = XT_CONNBYTES_DIR_BOTH, .count = { 1, 2 } };
	const struct xt_connbytes_info wrong = { .what = 3 };
	struct asked asked;

	cr_assert_eq(f.stack->sysctl.nf_conntrack_acct, 0);
	cr_assert_eq(begin(&asked, "connbytes", 0, &wrong), -EINVAL);
	cr_assert_eq(begin(&asked, "connbytes", 0, &rule), 0);
	cr_assert_eq(f.stack->sysctl.nf_conntrack_acct, 1);
	cr_assert_not(matches(&asked, REMOTE, 1));	/* no connection, nothing to count */
	end(&asked);
}
