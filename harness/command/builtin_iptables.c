/*
 * iptables, in the forms that change the tables: rules added, inserted, replaced, deleted and looked for; chains made, flushed,
 * zeroed, renamed and deleted; policies. What it would print nobody sees here, so that -L and -S only look whether the chain is
 * there; whoever reads their output has a real shell, and the real program with it (filter_mirror.c). Words that make the
 * program complain are left to it as well.
 *
 * The table is got from the stack, edited, and set as a whole.
 */
#include <errno.h>
#include <plumbline/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "iptables.h"

bool builtin_iptables_mine(struct builtin *b, const struct shell_command *command)
{
	struct iptables_words made;

	return (!command->output || !strcmp(command->output, "/dev/null")) && iptables_parse(b->arena, command, &made);
}

/* --- the rule as bytes ------------------------------------------------------------------------------------------------------------- */

static unsigned aligned(size_t size)
{
	return (unsigned)XT_ALIGN(size);
}

static void name_part(struct xt_entry_match *to, unsigned size, const char *name, uint8_t revision)
{
	to->u.match_size = (uint16_t)size;
	snprintf(to->u.user.name, sizeof(to->u.user.name), "%s", name);
	to->u.user.revision = revision;
}

static const char *kernel_name(const struct iptables_extension *type)
{
	return type->real_name ? type->real_name : type->name;
}

static struct ipt_entry *make_entry(struct arena *arena, const struct iptables_words *made)
{
	unsigned size = sizeof(struct ipt_entry), head = sizeof(struct xt_entry_match), at = size;
	unsigned target = aligned(made->target ? made->target->type->size : sizeof(int));

	for (unsigned i = 0; i < made->matches; i++)
		size += head + aligned(made->match[i]->type->size);
	struct ipt_entry *entry = arena_alloc(arena, size + head + target);
	entry->ip = made->ip;
	entry->counters = made->counters;
	for (unsigned i = 0; i < made->matches; i++) {
		struct xt_entry_match *match = (struct xt_entry_match *)((char *)entry + at);
		const struct iptables_extension *type = made->match[i]->type;

		name_part(match, head + aligned(type->size), kernel_name(type), type->revision);
		memcpy(match->data, made->match[i]->data, type->size);
		at += match->u.match_size;
	}
	/* A target begins as a match does: size, name, revision. */
	struct xt_entry_match *to = (struct xt_entry_match *)((char *)entry + at);
	name_part(to, head + target, made->target ? kernel_name(made->target->type) : made->jump ? made->jump : "",
		  made->target ? made->target->type->revision : 0);
	if (made->target)
		memcpy(to->data, made->target->data, made->target->type->size);
	entry->target_offset = (uint16_t)at;
	entry->next_offset = (uint16_t)(at + to->u.match_size);
	return entry;
}

/* Two rules that say the same; the counters do not count. */
static bool same_rule(const struct ipt_entry *a, const struct ipt_entry *b)
{
	return a->next_offset == b->next_offset && a->target_offset == b->target_offset && !memcmp(&a->ip, &b->ip, sizeof(a->ip)) &&
	       !memcmp(a->elems, b->elems, a->next_offset - sizeof(*a));
}

/* --- editing the table --------------------------------------------------------------------------------------------------------------- */

struct edit {
	const struct iptables_words *made;
	struct arena *arena;
	struct pl_filter_table *table;
	struct pl_filter_chain *chain;
	bool changed;
	const char *wrong;		/* what iptables says of it */
};

#define NO_CHAIN "No chain/target/match by that name."

static bool fail(struct edit *edit, const char *wrong)
{
	edit->wrong = wrong;
	return false;
}

static struct pl_filter_rule **rule_at(struct edit *edit, uint32_t number)
{
	struct pl_filter_rule **place = &edit->chain->rules;

	while (number > 1 && *place) {
		place = &(*place)->next;
		number--;
	}
	return number == 1 || !number ? place : NULL;
}

static struct pl_filter_rule **rule_like(struct edit *edit, const struct ipt_entry *entry)
{
	struct pl_filter_rule **place = &edit->chain->rules;

	while (*place && !same_rule((*place)->entry, entry))
		place = &(*place)->next;
	return *place ? place : NULL;
}

static bool put_rule(struct edit *edit, struct pl_filter_rule **place)
{
	struct pl_filter_rule *rule = pl_filter_rule_new(make_entry(edit->arena, edit->made));

	if (!rule)
		return fail(edit, "Memory allocation problem.");
	rule->next = *place;
	*place = rule;
	return true;
}

static bool add_rule(struct edit *edit)
{
	struct pl_filter_rule **place = &edit->chain->rules;

	if (edit->made->operation == 'A') {
		while (*place)
			place = &(*place)->next;
	} else if (edit->made->number > 1) {
		place = rule_at(edit, edit->made->number);
		if (!place)
			return fail(edit, "Index of insertion too big.");
	}
	return put_rule(edit, place);
}

static void take_rule(struct pl_filter_rule **place)
{
	struct pl_filter_rule *rule = *place;

	*place = rule->next;
	pl_filter_rule_free(rule);
}

static bool delete_rule(struct edit *edit)
{
	struct pl_filter_rule **place;

	if (edit->made->number) {
		place = rule_at(edit, edit->made->number);
		if (!place || !*place)
			return fail(edit, "Index of deletion too big.");
	} else {
		place = rule_like(edit, make_entry(edit->arena, edit->made));
		if (!place)
			return fail(edit, "Bad rule (does a matching rule exist in that chain?).");
	}
	if (edit->made->operation == 'C')
		return true;
	take_rule(place);
	return true;
}

static bool replace_rule(struct edit *edit)
{
	struct pl_filter_rule **place = rule_at(edit, edit->made->number);

	if (!place || !*place)
		return fail(edit, "Index of replacement too big.");
	take_rule(place);
	return put_rule(edit, place);
}

static bool for_each(struct edit *edit, bool (*one)(struct edit *edit, struct pl_filter_chain *chain))
{
	if (edit->chain)
		return one(edit, edit->chain);
	for (struct pl_filter_chain *chain = edit->table->chains; chain; chain = chain->next)
		if (!one(edit, chain))
			return false;
	return true;
}

static bool flush(struct edit *edit, struct pl_filter_chain *chain)
{
	pl_filter_chain_flush(chain);
	return true;
}

static bool zero(struct edit *edit, struct pl_filter_chain *chain)
{
	uint32_t number = 0;

	for (struct pl_filter_rule *rule = chain->rules; rule; rule = rule->next)
		if (!edit->made->number || ++number == edit->made->number)
			rule->entry->counters = (struct xt_counters){ 0 };
	if (edit->made->number > number)
		return fail(edit, "Index of deletion too big.");
	if (!edit->made->number)
		chain->counters = (struct xt_counters){ 0 };
	return true;
}

static bool is_referred(const struct pl_filter_table *table, const char *name)
{
	for (const struct pl_filter_chain *chain = table->chains; chain; chain = chain->next)
		for (const struct pl_filter_rule *rule = chain->rules; rule; rule = rule->next) {
			const struct xt_entry_target *target =
			    (const struct xt_entry_target *)((const char *)rule->entry + rule->entry->target_offset);

			if (!strcmp(target->u.user.name, name))
				return true;
		}
	return false;
}

static bool delete_chain(struct edit *edit, struct pl_filter_chain *chain)
{
	struct pl_filter_chain **place = &edit->table->chains;

	if (chain->is_builtin)
		return fail(edit, "Invalid argument. Run `dmesg' for more information.");
	if (is_referred(edit->table, chain->name))
		return fail(edit, "Too many links.");
	if (chain->rules)
		return fail(edit, "Directory not empty.");
	while (*place != chain)
		place = &(*place)->next;
	*place = chain->next;
	free(chain);
	return true;
}

/* -X without a name: every chain that is not built in. */
static bool delete_chains(struct edit *edit)
{
	struct pl_filter_chain *chain = edit->table->chains, *next;

	if (edit->chain)
		return delete_chain(edit, edit->chain);
	for (; chain; chain = next) {
		next = chain->next;
		if (!chain->is_builtin && !delete_chain(edit, chain))
			return false;
	}
	return true;
}

static bool set_policy(struct edit *edit)
{
	if (!edit->chain->is_builtin)
		return fail(edit, "Bad built-in chain name.");
	edit->chain->drops = !strcmp(edit->made->other, "DROP");
	if (edit->made->has_counters)
		edit->chain->counters = edit->made->counters;
	return true;
}

static bool rename_chain(struct edit *edit)
{
	const char *name = edit->made->other;

	if (pl_filter_chain_find(edit->table, name))
		return fail(edit, "File exists.");
	for (struct pl_filter_chain *chain = edit->table->chains; chain; chain = chain->next)
		for (struct pl_filter_rule *rule = chain->rules; rule; rule = rule->next) {
			struct xt_entry_target *target = (struct xt_entry_target *)((char *)rule->entry + rule->entry->target_offset);

			if (!strcmp(target->u.user.name, edit->chain->name))
				strcpy(target->u.user.name, name);
		}
	strcpy(edit->chain->name, name);
	return true;
}

static bool new_chain(struct edit *edit)
{
	if (edit->chain)
		return fail(edit, "Chain already exists.");
	return pl_filter_chain_add(edit->table, edit->made->chain) || fail(edit, "Memory allocation problem.");
}

static bool edit_table(struct edit *edit)
{
	char letter = edit->made->operation;

	edit->changed = !strchr("CLS", letter);
	if (letter == 'N')
		return new_chain(edit);
	if (edit->made->chain && !edit->chain)
		return fail(edit, letter == 'P' ? "Bad built-in chain name." : NO_CHAIN);
	switch (letter) {
	case 'A':
	case 'I':
		return add_rule(edit);
	case 'C':
	case 'D':
		return delete_rule(edit);
	case 'R':
		return replace_rule(edit);
	case 'F':
		return for_each(edit, flush);
	case 'Z':
		return for_each(edit, zero);
	case 'X':
		return delete_chains(edit);
	case 'P':
		return set_policy(edit);
	case 'E':
		return rename_chain(edit);
	default:
		return true;
	}
}

static int answer(struct builtin *b, int status, const char *what)
{
	text_add(&b->errors, "%siptables: %s", b->errors.length ? "\n" : "", what);
	return status;
}

/* A jump to a chain that is not there: iptables takes the name for that of an extension, and finds none. */
static int unknown_target(struct builtin *b, const char *name)
{
	text_add(&b->errors,
		 "%siptables v1.8.9 (legacy): Couldn't load target `%s':No such file or directory\n\n"
		 "Try `iptables -h' or 'iptables --help' for more information.", b->errors.length ? "\n" : "", name);
	return 2;
}

int builtin_iptables_run(struct builtin *b, const struct shell_command *command)
{
	struct iptables_words made;
	struct edit edit = { .made = &made, .arena = b->arena };
	int status = 0;

	if (!iptables_parse(b->arena, command, &made))
		return 2;
	edit.table = pl_filter_get(b->commands->stack, made.table);
	if (!edit.table)
		return answer(b, 1, "Memory allocation problem.");
	edit.chain = made.chain ? pl_filter_chain_find(edit.table, made.chain) : NULL;
	if (made.jump && !made.target && !iptables_is_verdict(made.jump) && !pl_filter_chain_find(edit.table, made.jump))
		status = unknown_target(b, made.jump);
	else if (!edit_table(&edit))
		status = answer(b, 1, edit.wrong);
	if (!status && edit.changed) {
		int error = pl_filter_set(b->commands->stack, edit.table);

		if (error == -EINVAL)
			status = answer(b, 1, "Invalid argument. Run `dmesg' for more information.");
		else if (error)
			status = answer(b, 1, error == -ENOENT ? NO_CHAIN : arena_printf(b->arena, "%s.", strerror(-error)));
	}
	pl_filter_free(edit.table);
	return status;
}
