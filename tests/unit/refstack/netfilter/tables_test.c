/* Tables set and shown: what is refused, what is kept, who is counted. */
#include "refstack/netfilter/tables.h"

#include <arpa/inet.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <stdlib.h>

#include "../support.h"

static struct fixture f;

static void setup(void)
{
	fixture_new(&f);
}

static void teardown(void)
{
	fixture_free(&f);
}
TestSuite(tables, .init = setup, .fini = teardown);

/* A rule for UDP to this port (0: for everything), with a target of this name and data. */
static struct pl_filter_rule *udp_rule(uint16_t port, const char *target, const void *data, size_t size)
{
	union {
		struct ipt_entry entry;
		uint64_t align;
		unsigned char bytes[512];
	} made = { 0 };
	struct ipt_entry *entry = &made.entry;
	unsigned at = sizeof(*entry);

	if (port) {
		struct xt_entry_match *match = (struct xt_entry_match *)(made.bytes + at);
		struct xt_udp *udp = (struct xt_udp *)match->data;

		strcpy(match->u.user.name, "udp");
		match->u.match_size = (uint16_t)(sizeof(*match) + XT_ALIGN(sizeof(*udp)));
		*udp = (struct xt_udp){ .spts = { 0, 0xffff }, .dpts = { port, port } };
		at += match->u.match_size;
		entry->ip.proto = IPPROTO_UDP;
	}
	struct xt_entry_target *to = (struct xt_entry_target *)(made.bytes + at);
	strcpy(to->u.user.name, target);
	if (size)
		memcpy(to->data, data, size);
	to->u.target_size = (uint16_t)(sizeof(*to) + XT_ALIGN(size));
	entry->target_offset = (uint16_t)at;
	entry->next_offset = (uint16_t)(at + to->u.target_size);
	return pl_filter_rule_new(entry);
}

static void append(struct pl_filter_table *table, const char *chain, struct pl_filter_rule *rule)
{
	struct pl_filter_rule **place = &pl_filter_chain_find(table, chain)->rules;

	while (*place)
		place = &(*place)->next;
	*place = rule;
}

static int set(struct pl_filter_table *table)
{
	int result = pl_filter_set(f.stack, table);

	pl_filter_free(table);
	return result;
}

static void send_udp(uint16_t port)
{
	uint16_t udp[4] = { htons(5000), htons(port), htons(8), 0 };
	struct iphdr header = { 0 };
	uint8_t packet[64];
	size_t length = make_ip(packet, &header, REMOTE, LOCAL, IPPROTO_UDP, udp, sizeof(udp));

	pl_link_input(f.stack, f.tun, packet, length);
}

Test(tables, a_new_stack_has_empty_ones)
{
	for (const char *const *name = pl_filter_names; *name; name++) {
		struct pl_filter_table *table = pl_filter_get(f.stack, *name);

		cr_assert_not_null(table);
		for (const struct pl_filter_chain *chain = table->chains; chain; chain = chain->next)
			cr_assert(chain->is_builtin && !chain->drops && !chain->rules);
		cr_assert_not(pl_filter_is_set(f.stack, *name));
		pl_filter_free(table);
	}
	cr_assert_null(pl_filter_get(f.stack, "nosuch"));
}

Test(tables, what_matches_is_counted_and_decided)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");

	append(table, "INPUT", udp_rule(9, "DROP", NULL, 0));
	cr_assert_eq(set(table), 0);
	send_udp(9);
	cr_assert_eq(left(&f), 0);
	send_udp(10);
	cr_assert_eq(left(&f), 1);	/* port unreachable */
	table = pl_filter_get(f.stack, "filter");
	const struct pl_filter_chain *input = pl_filter_chain_find(table, "INPUT");
	cr_assert_eq(input->rules->entry->counters.pcnt, 1);
	cr_assert_eq(input->rules->entry->counters.bcnt, 28);
	cr_assert_eq(input->counters.pcnt, 1);
	pl_filter_free(table);
}

Test(tables, counters_given_are_kept)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");
	struct pl_filter_rule *rule = udp_rule(9, "DROP", NULL, 0);

	rule->entry->counters = (struct xt_counters){ 5, 500 };
	append(table, "INPUT", rule);
	cr_assert_eq(set(table), 0);
	send_udp(9);
	table = pl_filter_get(f.stack, "filter");
	cr_assert_eq(pl_filter_chain_find(table, "INPUT")->rules->entry->counters.pcnt, 6);
	pl_filter_free(table);
}

Test(tables, chains_are_jumped_into_and_left)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");

	pl_filter_chain_add(table, "mine");
	append(table, "INPUT", udp_rule(9, "mine", NULL, 0));
	append(table, "INPUT", udp_rule(9, "DROP", NULL, 0));
	append(table, "mine", udp_rule(0, "", NULL, 0));
	append(table, "mine", udp_rule(0, "RETURN", NULL, 0));
	append(table, "mine", udp_rule(0, "ACCEPT", NULL, 0));
	cr_assert_eq(set(table), 0);
	send_udp(9);
	cr_assert_eq(left(&f), 0);
}

Test(tables, loops_are_refused)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");

	pl_filter_chain_add(table, "a");
	pl_filter_chain_add(table, "b");
	append(table, "a", udp_rule(0, "b", NULL, 0));
	append(table, "b", udp_rule(9, "a", NULL, 0));
	cr_assert_eq(pl_filter_set(f.stack, table), 0, "nothing leads there");
	append(table, "INPUT", udp_rule(9, "a", NULL, 0));
	cr_assert_eq(set(table), -ELOOP);
	table = pl_filter_get(f.stack, "filter");
	cr_assert_null(pl_filter_chain_find(table, "INPUT")->rules, "nothing has changed");
	pl_filter_free(table);
}

Test(tables, what_is_unknown_or_misplaced_is_refused)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter");
	uint8_t ttl[2] = { 0, 64 };

	append(table, "INPUT", udp_rule(9, "NOSUCH", NULL, 0));
	cr_assert_str_eq(pl_filter_unknown(table), "NOSUCH");
	cr_assert_eq(set(table), -ENOENT);
	table = pl_filter_get(f.stack, "filter");
	append(table, "INPUT", udp_rule(9, "TTL", ttl, sizeof(ttl)));
	cr_assert_null(pl_filter_unknown(table));
	cr_assert_eq(set(table), -EINVAL, "TTL is of the table mangle");
	table = pl_filter_get(f.stack, "mangle");
	append(table, "INPUT", udp_rule(9, "TTL", ttl, 1));
	cr_assert_eq(set(table), 0, "padding counts");
	table = pl_filter_get(f.stack, "mangle");
	append(table, "INPUT", udp_rule(9, "TTL", NULL, 0));
	cr_assert_eq(set(table), -EINVAL, "without data");
	table = pl_filter_get(f.stack, "filter");
	append(table, "INPUT", udp_rule(9, "OUTPUT", NULL, 0));
	cr_assert_eq(set(table), -EINVAL, "a built-in chain is not jumped to");
}

Test(tables, sizes_that_do_not_add_up_are_refused)
{
	static const struct {
		uint16_t target, next;
	} sizes[] = { { 0, 200 }, { 112, 100 }, { 113, 145 }, { 112, 112 }, { 144, 176 } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct pl_filter_table *table = pl_filter_get(f.stack, "filter");
		struct pl_filter_rule *rule = udp_rule(9, "DROP", NULL, 0);
		struct ipt_entry *entry = calloc(1, 512);

		memcpy(entry, rule->entry, rule->entry->next_offset);
		free(rule->entry);
		rule->entry = entry;
		entry->target_offset = sizes[i].target;
		entry->next_offset = sizes[i].next;
		append(table, "INPUT", rule);
		cr_expect_eq(set(table), -EINVAL, "%u %u", sizes[i].target, sizes[i].next);
	}
}

Test(tables, a_copy_says_the_same)
{
	struct pl_filter_table *table = pl_filter_get(f.stack, "filter"), *copy;

	pl_filter_chain_add(table, "mine");
	append(table, "mine", udp_rule(9, "DROP", NULL, 0));
	copy = pl_filter_copy(table);
	cr_assert_str_eq(pl_filter_chain_find(copy, "mine")->name, "mine");
	cr_assert_neq(pl_filter_chain_find(copy, "mine")->rules->entry, pl_filter_chain_find(table, "mine")->rules->entry);
	cr_assert_eq(set(copy), 0);
	pl_filter_free(table);
}

Test(tables, addresses_interfaces_and_protocols_match_as_they_are_written)
{
	const struct iphdr ip = { .saddr = addr("10.1.2.3").s_addr, .daddr = addr("10.9.9.9").s_addr, .protocol = IPPROTO_UDP };
	struct link tun = { .name = "tun0" };
	struct ipt_ip rule = { .src = addr("10.1.0.0"), .smsk = addr("255.255.0.0"), .proto = IPPROTO_UDP };

	cr_expect(rule_matches_ip(&rule, &ip, &tun, NULL, false));
	rule.invflags = IPT_INV_SRCIP;
	cr_expect_not(rule_matches_ip(&rule, &ip, &tun, NULL, false));
	rule.invflags = IPT_INV_PROTO;
	cr_expect_not(rule_matches_ip(&rule, &ip, &tun, NULL, false));
	rule.invflags = 0;
	memcpy(rule.iniface, "tun", 3);
	memset(rule.iniface_mask, 0xff, 3);
	cr_expect(rule_matches_ip(&rule, &ip, &tun, NULL, false), "tun+");
	memset(rule.iniface_mask, 0xff, 4);
	cr_expect_not(rule_matches_ip(&rule, &ip, &tun, NULL, false), "tun alone");
	cr_expect_not(rule_matches_ip(&rule, &ip, NULL, NULL, false), "no link");
	rule.invflags = IPT_INV_VIA_IN;
	cr_expect(rule_matches_ip(&rule, &ip, NULL, NULL, false));
	rule.flags = IPT_F_FRAG;
	cr_expect_not(rule_matches_ip(&rule, &ip, NULL, NULL, false));
	cr_expect(rule_matches_ip(&rule, &ip, NULL, NULL, true));
}
