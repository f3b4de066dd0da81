/*
 * Tables set and shown. What is set is first made ready beside the old table (extensions found and checked, jumps resolved, the
 * hooks found that each chain is reached from, loops refused) and takes its place when all of it is right.
 */
#include "tables.h"

#include <stdio.h>
#include <stdlib.h>

static const struct table_shape {
	const char *name;
	unsigned hooks;
} shapes[TABLES] = {
	[TABLE_RAW] = { "raw", HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_OUT) },
	[TABLE_MANGLE] = { "mangle", HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN) | HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT) |
					     HOOK_BIT(POST_ROUTING) },
	[TABLE_NAT] = { "nat", HOOK_BIT(PRE_ROUTING) | HOOK_BIT(LOCAL_IN) | HOOK_BIT(LOCAL_OUT) | HOOK_BIT(POST_ROUTING) },
	[TABLE_FILTER] = { "filter", HOOK_BIT(LOCAL_IN) | HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT) },
	[TABLE_SECURITY] = { "security", HOOK_BIT(LOCAL_IN) | HOOK_BIT(FORWARD) | HOOK_BIT(LOCAL_OUT) },
};
static const char *const hook_names[NF_INET_NUMHOOKS] = {
	[NF_INET_PRE_ROUTING] = "PREROUTING", [NF_INET_LOCAL_IN] = "INPUT", [NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT", [NF_INET_POST_ROUTING] = "POSTROUTING",
};
const char *const pl_filter_names[] = { "raw", "mangle", "nat", "filter", "security", NULL };

#define MOST_DEPTH 1000		/* chains within chains: each is a level of table_run's recursion */

static int table_id(const char *name)
{
	for (int id = 0; id < TABLES; id++)
		if (!strcmp(shapes[id].name, name))
			return id;
	return -1;
}

/* --- tables as data ----------------------------------------------------------------------------------------------- */

struct pl_filter_rule *pl_filter_rule_new(const struct ipt_entry *entry)
{
	struct pl_filter_rule *rule = entry->next_offset >= sizeof(*entry) ? calloc(1, sizeof(*rule)) : NULL;

	if (!rule)
		return NULL;
	rule->entry = malloc(entry->next_offset);
	if (!rule->entry) {
		free(rule);
		return NULL;
	}
	memcpy(rule->entry, entry, entry->next_offset);
	return rule;
}

void pl_filter_rule_free(struct pl_filter_rule *rule)
{
	if (rule)
		free(rule->entry);
	free(rule);
}

void pl_filter_chain_flush(struct pl_filter_chain *chain)
{
	while (chain->rules) {
		struct pl_filter_rule *rule = chain->rules;

		chain->rules = rule->next;
		pl_filter_rule_free(rule);
	}
}

void pl_filter_free(struct pl_filter_table *table)
{
	while (table && table->chains) {
		struct pl_filter_chain *chain = table->chains;

		table->chains = chain->next;
		pl_filter_chain_flush(chain);
		free(chain);
	}
	free(table);
}

struct pl_filter_chain *pl_filter_chain_find(const struct pl_filter_table *table, const char *name)
{
	for (struct pl_filter_chain *chain = table->chains; chain; chain = chain->next)
		if (!strcmp(chain->name, name))
			return chain;
	return NULL;
}

struct pl_filter_chain *pl_filter_chain_add(struct pl_filter_table *table, const char *name)
{
	struct pl_filter_chain **place = &table->chains, *chain = calloc(1, sizeof(*chain));

	if (!chain)
		return NULL;
	snprintf(chain->name, sizeof(chain->name), "%s", name);
	while (*place && ((*place)->is_builtin || strcmp((*place)->name, name) <= 0))
		place = &(*place)->next;
	chain->next = *place;
	*place = chain;
	return chain;
}

struct pl_filter_table *pl_filter_copy(const struct pl_filter_table *table)
{
	struct pl_filter_table *copy = calloc(1, sizeof(*copy));
	struct pl_filter_chain **last = copy ? &copy->chains : NULL;
	bool done = copy;

	if (copy)
		memcpy(copy->name, table->name, sizeof(copy->name));
	for (const struct pl_filter_chain *chain = table->chains; chain && done; chain = chain->next) {
		struct pl_filter_rule **place;

		*last = malloc(sizeof(**last));
		if (!*last) {
			done = false;
			break;
		}
		**last = *chain;
		(*last)->next = NULL;
		(*last)->rules = NULL;
		place = &(*last)->rules;
		for (const struct pl_filter_rule *rule = chain->rules; rule && done; rule = rule->next) {
			*place = pl_filter_rule_new(rule->entry);
			done = *place;
			place = done ? &(*place)->next : place;
		}
		last = &(*last)->next;
	}
	if (done)
		return copy;
	pl_filter_free(copy);
	return NULL;
}

static struct pl_filter_table *empty_table(int id)
{
	struct pl_filter_table *table = calloc(1, sizeof(*table));
	struct pl_filter_chain **place;

	if (!table)
		return NULL;
	strcpy(table->name, shapes[id].name);
	place = &table->chains;
	for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		if (!(shapes[id].hooks & 1u << hook))
			continue;
		*place = calloc(1, sizeof(**place));
		if (!*place) {
			pl_filter_free(table);
			return NULL;
		}
		strcpy((*place)->name, hook_names[hook]);
		(*place)->is_builtin = true;
		place = &(*place)->next;
	}
	return table;
}

static bool show_chain(struct pl_filter_chain *to, const struct filter_chain *from)
{
	struct pl_filter_rule **place = &to->rules;

	to->drops = from->drops;
	to->counters = from->counters;
	for (unsigned i = 0; i < from->rules; i++) {
		*place = pl_filter_rule_new(from->rule[i].entry);
		if (!*place)
			return false;
		place = &(*place)->next;
	}
	return true;
}

struct pl_filter_table *pl_filter_get(const struct pl_stack *stack, const char *name)
{
	int id = table_id(name);
	struct pl_filter_table *table = id < 0 ? NULL : empty_table(id);
	const struct filter_table *from = stack->netfilter && id >= 0 ? stack->netfilter->table[id] : NULL;

	for (unsigned i = 0; table && from && i < from->chains; i++) {
		struct pl_filter_chain *chain = pl_filter_chain_find(table, from->chain[i].name);

		if (!chain)
			chain = pl_filter_chain_add(table, from->chain[i].name);
		if (!chain || !show_chain(chain, &from->chain[i])) {
			pl_filter_free(table);
			return NULL;
		}
	}
	return table;
}

bool pl_filter_is_set(const struct pl_stack *stack, const char *name)
{
	int id = table_id(name);

	return id >= 0 && stack->netfilter && stack->netfilter->table[id];
}

/* --- tables made ready -------------------------------------------------------------------------------------------- */

static void rule_free(struct pl_stack *stack, struct filter_rule *rule)
{
	for (unsigned i = 0; i < rule->matches; i++) {
		const struct filter_match *match = &rule->match[i];

		if (match->is_checked && match->type->release)
			match->type->release(stack, match->state);
		free(match->state);
	}
	free(rule->match);
	free(rule->entry);
}

void filter_table_free(struct pl_stack *stack, struct filter_table *table)
{
	if (!table)
		return;
	for (unsigned i = 0; i < table->chains; i++) {
		for (unsigned j = 0; j < table->chain[i].rules; j++)
			rule_free(stack, &table->chain[i].rule[j]);
		free(table->chain[i].rule);
	}
	free(table->chain);
	free(table);
}

static struct filter_chain *chain_by_name(struct filter_table *table, const char *name)
{
	for (unsigned i = 0; i < table->chains; i++)
		if (!strcmp(table->chain[i].name, name))
			return &table->chain[i];
	return NULL;
}

static const struct xt_entry_target *target_of(const struct ipt_entry *entry)
{
	return (const struct xt_entry_target *)((const char *)entry + entry->target_offset);
}

/* Do the sizes within the entry add up: matches, then one target, to the end? */
static bool entry_is_sound(const struct ipt_entry *entry)
{
	unsigned at = sizeof(*entry);

	if (entry->target_offset < at || entry->next_offset < entry->target_offset + sizeof(struct xt_entry_target) ||
	    entry->target_offset % __alignof__(struct xt_counters))
		return false;
	while (at < entry->target_offset) {
		const struct xt_entry_match *match = (const struct xt_entry_match *)((const char *)entry + at);

		if (entry->target_offset - at < (int)sizeof(*match) || match->u.match_size < sizeof(*match) ||
		    match->u.match_size % __alignof__(struct xt_counters) || match->u.match_size > entry->target_offset - at ||
		    !memchr(match->u.user.name, 0, sizeof(match->u.user.name)))
			return false;
		at += match->u.match_size;
	}
	const struct xt_entry_target *target = target_of(entry);
	return target->u.target_size == entry->next_offset - entry->target_offset &&
	       memchr(target->u.user.name, 0, sizeof(target->u.user.name)) && !(entry->ip.flags & ~IPT_F_MASK) &&
	       !(entry->ip.invflags & ~IPT_INV_MASK);
}

static const char *unknown_in(const struct pl_filter_table *table, const struct ipt_entry *entry)
{
	const struct xt_entry_target *target = target_of(entry);
	const char *name = target->u.user.name;

	for (unsigned at = sizeof(*entry); at < entry->target_offset;) {
		const struct xt_entry_match *match = (const struct xt_entry_match *)((const char *)entry + at);

		if (!match_type_find(match->u.user.name, match->u.user.revision))
			return match->u.user.name;
		at += match->u.match_size;
	}
	if (!*name || !strcmp(name, "ACCEPT") || !strcmp(name, "DROP") || !strcmp(name, "RETURN") ||
	    pl_filter_chain_find(table, name) || target_type_find(name, target->u.user.revision))
		return NULL;
	return name;
}

const char *pl_filter_unknown(const struct pl_filter_table *table)
{
	const char *name = NULL;

	for (const struct pl_filter_chain *chain = table->chains; chain && !name; chain = chain->next)
		for (const struct pl_filter_rule *rule = chain->rules; rule && !name; rule = rule->next)
			if (entry_is_sound(rule->entry))
				name = unknown_in(table, rule->entry);
	return name;
}

static int make_matches(struct filter_rule *rule)
{
	const struct ipt_entry *entry = rule->entry;
	unsigned count = 0;

	for (unsigned at = sizeof(*entry); at < entry->target_offset; count++)
		at += ((const struct xt_entry_match *)((const char *)entry + at))->u.match_size;
	rule->match = calloc(count ? count : 1, sizeof(*rule->match));
	if (!rule->match)
		return -ENOMEM;
	for (unsigned at = sizeof(*entry); at < entry->target_offset;) {
		const struct xt_entry_match *given = (const struct xt_entry_match *)((const char *)entry + at);
		struct filter_match *match = &rule->match[rule->matches];

		match->type = match_type_find(given->u.user.name, given->u.user.revision);
		match->data = given->data;
		if (!match->type)
			return -ENOENT;
		if ((size_t)XT_ALIGN(match->type->size) != given->u.match_size - sizeof(*given))
			return -EINVAL;
		match->state = match->type->state_size ? calloc(1, match->type->state_size) : NULL;
		rule->matches++;
		if (match->type->state_size && !match->state)
			return -ENOMEM;
		at += given->u.match_size;
	}
	return 0;
}

static int make_target(struct filter_table *table, struct filter_rule *rule)
{
	static const struct {
		const char *name;
		enum rule_action action;
	} plain[] = { { "", ACTION_CONTINUE }, { "ACCEPT", ACTION_ACCEPT }, { "DROP", ACTION_DROP }, { "RETURN", ACTION_RETURN } };
	const struct xt_entry_target *target = target_of(rule->entry);
	const char *name = target->u.user.name;

	rule->is_goto = rule->entry->ip.flags & IPT_F_GOTO;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (!strcmp(plain[i].name, name)) {
			rule->action = plain[i].action;
			return 0;
		}
	rule->chain = chain_by_name(table, name);
	if (rule->chain) {
		rule->action = ACTION_JUMP;
		return rule->chain->is_builtin ? -EINVAL : 0;
	}
	rule->action = ACTION_TARGET;
	rule->target = target_type_find(name, target->u.user.revision);
	rule->data = target->data;
	if (!rule->target)
		return -ENOENT;
	return (size_t)XT_ALIGN(rule->target->size) == target->u.target_size - sizeof(*target) ? 0 : -EINVAL;
}

static int make_rules(struct filter_table *table, struct filter_chain *chain, const struct pl_filter_chain *from)
{
	unsigned count = 0;
	int error = 0;

	for (const struct pl_filter_rule *rule = from->rules; rule; rule = rule->next)
		count++;
	chain->rule = calloc(count ? count : 1, sizeof(*chain->rule));
	if (!chain->rule)
		return -ENOMEM;
	for (const struct pl_filter_rule *given = from->rules; given && !error; given = given->next) {
		struct filter_rule *rule = &chain->rule[chain->rules];

		if (!entry_is_sound(given->entry))
			return -EINVAL;
		rule->entry = malloc(given->entry->next_offset);
		if (!rule->entry)
			return -ENOMEM;
		memcpy(rule->entry, given->entry, given->entry->next_offset);
		chain->rules++;
		error = make_matches(rule);
		if (!error)
			error = make_target(table, rule);
	}
	return error;
}

/* Every chain there is, empty yet, so that jumps find them. */
static int make_chains(struct filter_table *table, const struct pl_filter_table *from)
{
	unsigned count = 0;

	for (const struct pl_filter_chain *chain = from->chains; chain; chain = chain->next)
		count++;
	table->chain = calloc(count ? count : 1, sizeof(*table->chain));
	if (!table->chain)
		return -ENOMEM;
	for (const struct pl_filter_chain *given = from->chains; given; given = given->next) {
		struct filter_chain *chain = &table->chain[table->chains++];

		memcpy(chain->name, given->name, sizeof(chain->name));
		chain->name[sizeof(chain->name) - 1] = 0;
		chain->counters = given->counters;
		for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			if (!(shapes[table->id].hooks & 1u << hook) || strcmp(hook_names[hook], given->name))
				continue;
			if (table->at_hook[hook])
				return -EINVAL;
			table->at_hook[hook] = chain;
			chain->is_builtin = true;
			chain->drops = given->drops;
			chain->hook = hook;
		}
		if (chain->is_builtin != given->is_builtin)
			return -EINVAL;
	}
	for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		if (shapes[table->id].hooks & 1u << hook && !table->at_hook[hook])
			return -EINVAL;
	return 0;
}

/* A verdict about every packet: what stands behind it in the chain is never reached. */
static bool ends_chain(const struct filter_rule *rule)
{
	static const struct ipt_ip anything;

	return (rule->action == ACTION_ACCEPT || rule->action == ACTION_DROP || rule->action == ACTION_RETURN) && !rule->matches &&
	       !memcmp(&rule->entry->ip, &anything, sizeof(anything));
}

/* Follow every jump from here; -ELOOP: one leads to a chain that is being followed already. */
static int mark_hooks(struct filter_chain *chain, unsigned hooks, unsigned depth)
{
	enum { IDLE, FOLLOWED };

	if (chain->visit == FOLLOWED || depth > MOST_DEPTH)
		return -ELOOP;
	if ((chain->hooks & hooks) == hooks)
		return 0;
	chain->visit = FOLLOWED;
	chain->hooks |= hooks;
	for (unsigned i = 0; i < chain->rules && !ends_chain(&chain->rule[i]); i++) {
		int error = chain->rule[i].chain ? mark_hooks(chain->rule[i].chain, hooks, depth + 1) : 0;

		if (error)
			return error;
	}
	chain->visit = IDLE;
	return 0;
}

static bool protocol_fits(uint16_t wanted, const struct ipt_ip *ip)
{
	return !wanted || (ip->proto == wanted && !(ip->invflags & IPT_INV_PROTO));
}

static void count_needs(struct filter_table *table, unsigned needs)
{
	table->track_users += needs & NEEDS_TRACKING ? 1 : 0;
	table->defragment_users += needs & NEEDS_DEFRAGMENTED ? 1 : 0;
}

static int check_rule(struct pl_stack *stack, struct filter_table *table, const struct filter_chain *chain,
		      struct filter_rule *rule)
{
	struct rule_place place = { .stack = stack, .table = table->id, .hooks = chain->hooks, .ip = &rule->entry->ip,
				    .entry = rule->entry };
	int error = 0;

	for (unsigned i = 0; i < rule->matches && !error; i++) {
		const struct match_type *type = rule->match[i].type;

		if ((type->tables && !(type->tables & 1u << table->id)) || (type->hooks && chain->hooks & ~type->hooks) ||
		    !protocol_fits(type->protocol, place.ip))
			return -EINVAL;
		error = type->check ? type->check(&place, rule->match[i].data, rule->match[i].state) : 0;
		rule->match[i].is_checked = !error;
		count_needs(table, type->needs);
	}
	const struct target_type *type = rule->target;
	if (error || !type)
		return error;
	if ((type->tables && !(type->tables & 1u << table->id)) || (type->hooks && chain->hooks & ~type->hooks) ||
	    !protocol_fits(type->protocol, place.ip))
		return -EINVAL;
	count_needs(table, type->needs);
	return type->check ? type->check(&place, rule->data) : 0;
}

static int make_ready(struct pl_stack *stack, struct filter_table *table, const struct pl_filter_table *from)
{
	const struct pl_filter_chain *given = from->chains;
	int error = make_chains(table, from);

	for (unsigned i = 0; i < table->chains && !error; i++, given = given->next)
		error = make_rules(table, &table->chain[i], given);
	for (unsigned hook = 0; hook < NF_INET_NUMHOOKS && !error; hook++)
		if (table->at_hook[hook])
			error = mark_hooks(table->at_hook[hook], 1u << hook, 0);
	for (unsigned i = 0; i < table->chains; i++)
		for (unsigned j = 0; j < table->chain[i].rules && !error; j++)
			error = check_rule(stack, table, &table->chain[i], &table->chain[i].rule[j]);
	return error;
}

/* --- the stack's part ------------------------------------------------------------------------------------------------- */

static struct netfilter *netfilter_get(struct pl_stack *stack)
{
	if (!stack->netfilter)
		stack->netfilter = calloc(1, sizeof(*stack->netfilter));
	return stack->netfilter;
}

int pl_filter_set(struct pl_stack *stack, const struct pl_filter_table *from)
{
	int id = table_id(from->name), error = 0;
	struct netfilter *netfilter = netfilter_get(stack);
	struct filter_table *table = calloc(1, sizeof(*table));

	if (id < 0 || !netfilter || !table) {
		free(table);
		return id < 0 ? -ENOENT : -ENOMEM;
	}
	table->id = (enum filter_table_id)id;
	error = make_ready(stack, table, from);
	if (!error && table->track_users)
		error = conntrack_enable(stack);
	if (error) {
		filter_table_free(stack, table);
		return error;
	}
	struct filter_table *old = netfilter->table[id];
	unsigned tracked = netfilter->track_users;
	netfilter->track_users += table->track_users - (old ? old->track_users : 0);
	netfilter->defragment_users += table->defragment_users - (old ? old->defragment_users : 0);
	netfilter->table[id] = table;
	if (!tracked && netfilter->track_users)
		conntrack_resume(stack);
	filter_table_free(stack, old);
	return 0;
}

int netfilter_host_new(struct pl_stack *stack)
{
	(void)stack;	/* made with the first table */
	return 0;
}

void netfilter_host_free(struct pl_stack *stack)
{
	struct netfilter *netfilter = stack->netfilter;

	if (!netfilter)
		return;
	for (unsigned id = 0; id < TABLES; id++)
		filter_table_free(stack, netfilter->table[id]);
	conntrack_host_free(stack);
	free(netfilter);
	stack->netfilter = NULL;
}
