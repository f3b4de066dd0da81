/*
 * Policy routing: rules say in which table the route of a packet is looked up, by more than its destination.
 *
 * They are tried in the order of their priorities. A table that says nothing about the destination (or "throw") leaves it to the
 * next rule; a rule may also refuse by itself. ip-rule(8).
 */
#include <linux/fib_rules.h>
#include <stdlib.h>

#include "fib.h"

static int rule_new(struct pl_stack *stack, const struct pl_rule *is)
{
	struct fib_rule **place = &stack->fib->rules, *rule = calloc(1, sizeof(*rule));

	if (!rule)
		return -ENOMEM;
	rule->is = *is;
	while (*place && (*place)->is.priority <= is->priority)
		place = &(*place)->next;
	rule->next = *place;
	*place = rule;
	return 0;
}

int fib_rules_new(struct pl_stack *stack)
{
	static const struct pl_rule first[] = {
		{ .priority = 0, .table = RT_TABLE_LOCAL, .action = FR_ACT_TO_TBL },
		{ .priority = 0x7ffe, .table = RT_TABLE_MAIN, .action = FR_ACT_TO_TBL },
		{ .priority = 0x7fff, .table = RT_TABLE_DEFAULT, .action = FR_ACT_TO_TBL },
	};
	int error = 0;

	for (size_t i = 0; !error && i < sizeof(first) / sizeof(first[0]); i++)
		error = rule_new(stack, &first[i]);
	return error;
}

void fib_rules_free(struct pl_stack *stack)
{
	while (stack->fib->rules) {
		struct fib_rule *rule = stack->fib->rules;

		stack->fib->rules = rule->next;
		free(rule);
	}
}

/* --- lookup ------------------------------------------------------------------------------------------------------- */

static bool in_prefix(struct in_addr address, struct in_addr prefix, unsigned length)
{
	return !((address.s_addr ^ prefix.s_addr) & prefix_mask(length).s_addr);
}

static bool link_is(const struct pl_stack *stack, const char *name, int ifindex)
{
	const struct link *link = *name ? link_by_name(stack, name) : NULL;

	return !*name || (link && link->ifindex == ifindex);
}

static bool in_range(const uint16_t range[2], uint16_t port)
{
	return !range[1] || (port >= range[0] && port <= range[1]);
}

static bool selects(const struct pl_stack *stack, const struct pl_rule *rule, const struct flow *flow)
{
	/* What this host sends came in by the loopback link, as far as rules are concerned. */
	int input = flow->input_link ? flow->input_link : link_loopback(stack)->ifindex;

	return link_is(stack, rule->input_link, input) && link_is(stack, rule->output_link, flow->output_link) &&
	       !((rule->mark ^ flow->mark) & rule->mark_mask) &&
	       (!rule->has_uids || (flow->uid >= rule->uids[0] && flow->uid <= rule->uids[1])) &&
	       in_prefix(flow->source, rule->source, rule->source_length) &&
	       in_prefix(flow->destination, rule->destination, rule->destination_length) &&
	       (!rule->tos || rule->tos == (flow->tos & IPTOS_TOS_MASK)) &&
	       (!rule->protocol || rule->protocol == flow->protocol) && in_range(rule->source_ports, flow->source_port) &&
	       in_range(rule->destination_ports, flow->destination_port);
}

/* -EAGAIN: ask the next rule. */
static int rule_action(const struct pl_stack *stack, const struct pl_rule *rule, const struct flow *flow, struct fib_result *found)
{
	int error;

	switch (rule->action) {
	case FR_ACT_TO_TBL:
		error = fib_lookup_table(stack, rule->table, flow, found);
		if (!error && rule->suppresses && found->entry->prefix_length <= rule->suppress_length)
			return -EAGAIN;
		return error;
	case FR_ACT_UNREACHABLE:
		return -ENETUNREACH;
	case FR_ACT_PROHIBIT:
		return -EACCES;
	case FR_ACT_NOP:
		return -EAGAIN;
	default:
		return -EINVAL;
	}
}

static const struct fib_rule *rule_at(const struct pl_stack *stack, uint32_t priority)
{
	const struct fib_rule *rule = stack->fib->rules;

	while (rule && rule->is.priority != priority)
		rule = rule->next;
	return rule;
}

int fib_rules_lookup(const struct pl_stack *stack, const struct flow *flow, struct fib_result *found)
{
	const struct fib_rule *rule = stack->fib->rules;

	while (rule) {
		const struct fib_rule *target = NULL;

		if (selects(stack, &rule->is, flow) != rule->is.invert) {
			if (rule->is.action == FR_ACT_GOTO) {
				target = rule_at(stack, rule->is.target);	/* none yet: as if the rule were not there */
			} else {
				int error = rule_action(stack, &rule->is, flow, found);

				if (error != -EAGAIN)
					return error;
			}
		}
		rule = target ? target : rule->next;
	}
	return -EAGAIN;
}

/* --- `ip rule add`, `del` ----------------------------------------------------------------------------------------- */

/* Without a priority a rule goes in front of all but the first. */
static uint32_t default_priority(const struct pl_stack *stack)
{
	const struct fib_rule *second = stack->fib->rules ? stack->fib->rules->next : NULL;

	return second && second->is.priority ? second->is.priority - 1 : 0;
}

/* The smallest table with no route in it, for a rule that names none. */
static uint32_t empty_table(const struct pl_stack *stack)
{
	for (uint32_t table = 1; table < RT_TABLE_MAX; table++) {
		const struct fib_entry *entry = stack->fib->entries;

		while (entry && entry->table != table)
			entry = entry->next;
		if (!entry && table < RT_TABLE_DEFAULT)
			return table;
	}
	return 0;
}

static int check_rule(const struct pl_rule *rule)
{
	if (rule->source_length > 32 || rule->destination_length > 32 || rule->tos & ~IPTOS_TOS_MASK)
		return -EINVAL;
	if (rule->action == FR_ACT_GOTO && rule->target <= rule->priority)
		return -EINVAL;
	if (rule->source_ports[0] > rule->source_ports[1] || rule->destination_ports[0] > rule->destination_ports[1])
		return -EINVAL;
	return 0;
}

static bool is_same(const struct pl_rule *a, const struct pl_rule *b)
{
	return a->priority == b->priority && a->action == b->action && a->table == b->table && a->tos == b->tos &&
	       a->protocol == b->protocol && a->mark == b->mark && a->mark_mask == b->mark_mask &&
	       a->source.s_addr == b->source.s_addr && a->source_length == b->source_length &&
	       a->destination.s_addr == b->destination.s_addr && a->destination_length == b->destination_length &&
	       !strcmp(a->input_link, b->input_link) && !strcmp(a->output_link, b->output_link) &&
	       a->has_uids == b->has_uids && !memcmp(a->uids, b->uids, sizeof(a->uids)) &&
	       !memcmp(a->source_ports, b->source_ports, sizeof(a->source_ports)) &&
	       !memcmp(a->destination_ports, b->destination_ports, sizeof(a->destination_ports));
}

int pl_rule_add(struct pl_stack *stack, const struct pl_rule *given)
{
	struct pl_rule rule = *given;
	int error;

	if (!rule.action)
		rule.action = FR_ACT_TO_TBL;
	if (!rule.priority)
		rule.priority = default_priority(stack);
	if (rule.action == FR_ACT_TO_TBL && !rule.table)
		rule.table = empty_table(stack);
	if (rule.mark && !rule.mark_mask)
		rule.mark_mask = UINT32_MAX;
	error = check_rule(&rule);
	if (error)
		return error;
	for (const struct fib_rule *other = stack->fib->rules; other; other = other->next)
		if (is_same(&other->is, &rule))
			return -EEXIST;
	error = rule_new(stack, &rule);
	if (error)
		return error;
	stack->fib->custom_rules = true;
	fib_changed(stack);
	return 0;
}

static bool is_given(const struct pl_rule *rule, const struct pl_rule *given)
{
	return (!given->priority || rule->priority == given->priority) && (!given->action || rule->action == given->action) &&
	       (!given->table || rule->table == given->table) && (!given->mark || rule->mark == given->mark) &&
	       (!given->mark_mask || rule->mark_mask == given->mark_mask) && (!given->tos || rule->tos == given->tos) &&
	       (!given->protocol || rule->protocol == given->protocol) &&
	       (!*given->input_link || !strcmp(rule->input_link, given->input_link)) &&
	       (!*given->output_link || !strcmp(rule->output_link, given->output_link)) &&
	       (!given->source_length ||
		(rule->source_length == given->source_length && rule->source.s_addr == given->source.s_addr)) &&
	       (!given->destination_length ||
		(rule->destination_length == given->destination_length && rule->destination.s_addr == given->destination.s_addr)) &&
	       (!given->has_uids || !memcmp(rule->uids, given->uids, sizeof(rule->uids))) &&
	       (!given->source_ports[1] || !memcmp(rule->source_ports, given->source_ports, sizeof(rule->source_ports))) &&
	       (!given->destination_ports[1] ||
		!memcmp(rule->destination_ports, given->destination_ports, sizeof(rule->destination_ports)));
}

int pl_rule_delete(struct pl_stack *stack, const struct pl_rule *given)
{
	for (struct fib_rule **place = &stack->fib->rules, *rule; (rule = *place); place = &rule->next) {
		if (!is_given(&rule->is, given))
			continue;
		*place = rule->next;
		free(rule);
		stack->fib->custom_rules = true;
		fib_changed(stack);
		return 0;
	}
	return -ENOENT;
}
