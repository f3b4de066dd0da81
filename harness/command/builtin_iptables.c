/*
 * iptables, in the forms that change the tables: rules added, inserted, replaced, deleted and looked for; chains made, flushed,
 * zeroed, renamed and deleted; policies. What it would print nobody sees here, so that -L and -S only look whether the chain is
 * there; whoever reads their output has a real shell, and the real program with it (filter_mirror.c). Words that make the
 * program complain are left to it as well.
 *
 * A command is read as the program reads it, from left to right; then the table is got from the stack, edited, and set as a whole.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <plumbline/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "iptables.h"

#define MOST_CHAIN_NAME 28		/* what iptables takes */
#define MOST_PARTS 10

struct iptables_words {
	char operation;			/* the letter of -A, -D, ...; 0: none yet */
	const char *table, *chain, *other;	/* other: the policy, or the new name */
	uint32_t number;		/* of the rule; 0: by its text */
	struct ipt_ip ip;
	struct iptables_part *match[MOST_PARTS];
	unsigned matches;
	struct iptables_part *target;
	const char *jump;		/* what -j or -g names, NULL: nothing */
	bool has_counters;
	struct xt_counters counters;
};

/* --- reading --------------------------------------------------------------------------------------------------------------- */

struct reader {
	struct arena *arena;
	const struct shell_command *command;
	unsigned at;			/* the next word */
	struct iptables_words *made;
	bool invert;			/* a `!` stands before it */
};

static const char *next_word(struct reader *r)
{
	return r->at < r->command->words ? r->command->word[r->at++] : NULL;
}

/* A value: any word that is no option and no `!`. */
static const char *next_value(struct reader *r)
{
	const char *word = r->at < r->command->words ? r->command->word[r->at] : NULL;

	if (!word || !strcmp(word, "!") || (*word == '-' && word[1] && !isdigit((unsigned char)word[1])))
		return NULL;
	r->at++;
	return word;
}

static bool protocol(const char *text, struct ipt_ip *ip)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "icmp", IPPROTO_ICMP }, { "udplite", IPPROTO_UDPLITE },
		      { "sctp", IPPROTO_SCTP }, { "igmp", IPPROTO_IGMP }, { "gre", IPPROTO_GRE }, { "esp", IPPROTO_ESP },
		      { "ah", IPPROTO_AH }, { "all", 0 }, { "ipencap", IPPROTO_IPIP }, { "ospf", 89 } };
	uint32_t number;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(names[i].name, text)) {
			ip->proto = names[i].number;
			return true;
		}
	if (!iptables_u32(text, 255, &number))
		return false;
	ip->proto = (uint16_t)number;
	return true;
}

static bool interface(const char *text, char *name, unsigned char *mask)
{
	size_t length = strlen(text);

	if (!length || length >= IFNAMSIZ || strpbrk(text, "/ "))
		return false;
	memset(mask, 0, IFNAMSIZ);
	strcpy(name, text);
	if (text[length - 1] == '+')
		memset(mask, 0xff, length - 1);
	else
		memset(mask, 0xff, length + 1);
	return true;
}

static struct iptables_part *part_new(struct reader *r, const struct iptables_extension *type)
{
	struct iptables_part *part = arena_alloc(r->arena, sizeof(*part));

	part->type = type;
	part->ip = &r->made->ip;
	part->data = arena_alloc(r->arena, type->size + sizeof(uint64_t));
	if (type->begin)
		type->begin(part);
	return part;
}

static bool add_match(struct reader *r, const char *name)
{
	const struct iptables_extension *type = name ? iptables_match_find(name) : NULL;

	if (!type || r->made->matches == MOST_PARTS)
		return false;
	r->made->match[r->made->matches++] = part_new(r, type);
	return true;
}

/* The option of this name; -1: it has none. */
static int option_of(const struct iptables_extension *type, const char *name)
{
	for (int i = 0; type->options[i].name; i++)
		if (!strcmp(type->options[i].name, name))
			return i;
	return -1;
}

static bool read_option(struct reader *r, struct iptables_part *part, unsigned which)
{
	const struct iptables_option *option = &part->type->options[which];
	bool invert = r->invert;
	const char *value = NULL, *second = NULL;

	r->invert = false;
	if ((invert && !option->may_invert) || part->seen >> which & 1)
		return false;
	part->seen |= 1u << which;
	if (!option->is_flag && !(value = next_value(r)))
		return false;
	if (part->type->two_words >> which & 1 && !(second = next_value(r)))
		return false;
	return part->type->read(part, which, value, second, invert);
}

/* --name: of the target, of a match that was named, or of the protocol's own match, which then is one too. */
static bool extension_option(struct reader *r, const char *name)
{
	struct iptables_words *made = r->made;
	int which;

	if (made->target && (which = option_of(made->target->type, name)) >= 0)
		return read_option(r, made->target, (unsigned)which);
	for (unsigned i = made->matches; i-- > 0;)
		if ((which = option_of(made->match[i]->type, name)) >= 0)
			return read_option(r, made->match[i], (unsigned)which);
	if (!made->ip.proto || made->ip.invflags & IPT_INV_PROTO)
		return false;
	for (const struct iptables_extension *type = iptables_matches; type->name; type++) {
		if (type->protocol != made->ip.proto || (which = option_of(type, name)) < 0)
			continue;
		for (unsigned i = 0; i < made->matches; i++)
			if (made->match[i]->type == type)
				return false;
		return add_match(r, type->name) && read_option(r, made->match[made->matches - 1], (unsigned)which);
	}
	return false;
}

static bool is_chain_name(const char *name)
{
	return name && *name && *name != '-' && *name != '!' && strlen(name) <= MOST_CHAIN_NAME && !strpbrk(name, " \t\n");
}

/* -A chain, -D chain [number], -P chain target, ... */
static bool operation(struct reader *r, char letter)
{
	struct iptables_words *made = r->made;
	const char *word;
	bool optional = strchr("LSFZX", letter);

	if (made->operation || r->invert)
		return false;
	made->operation = letter;
	made->chain = next_value(r);
	if (!made->chain)
		return optional;
	if (!is_chain_name(made->chain))
		return false;
	if (strchr("DIRLSZ", letter)) {
		word = r->at < r->command->words ? r->command->word[r->at] : NULL;
		if (word && isdigit((unsigned char)*word)) {
			r->at++;
			if (!iptables_u32(word, INT32_MAX, &made->number) || !made->number)
				return false;
		}
	}
	if (letter == 'R' && !made->number)
		return false;
	if (letter == 'P' || letter == 'E') {
		made->other = next_value(r);
		return letter == 'E' ? is_chain_name(made->other) :
				       made->other && (!strcmp(made->other, "ACCEPT") || !strcmp(made->other, "DROP"));
	}
	return true;
}

static bool is_verdict(const char *name)
{
	return !strcmp(name, "ACCEPT") || !strcmp(name, "DROP") || !strcmp(name, "RETURN");
}

static bool jump(struct reader *r, bool go)
{
	const struct iptables_extension *type;
	const char *name = next_value(r);

	if (!name || r->made->jump || r->invert)
		return false;
	r->made->jump = name;
	r->made->ip.flags |= go ? IPT_F_GOTO : 0;
	if (is_verdict(name))
		return !go;
	type = go ? NULL : iptables_target_find(name);
	if (type) {
		r->made->target = part_new(r, type);
		return true;
	}
	/* A chain, or an extension that is not known here: those have names in capitals. */
	for (const char *c = name; *c; c++)
		if (islower((unsigned char)*c) || go)
			return is_chain_name(name);
	return false;
}

static bool counters(struct reader *r)
{
	const char *packets = next_value(r), *bytes = next_value(r);
	unsigned long long value;

	if (!packets || !bytes || r->invert || !iptables_number(packets, UINT64_MAX - 1, &value))
		return false;
	r->made->counters.pcnt = value;
	if (!iptables_number(bytes, UINT64_MAX - 1, &value))
		return false;
	r->made->counters.bcnt = value;
	r->made->has_counters = true;
	return true;
}

static const struct {
	const char *name;
	char letter;
} long_names[] = {
	{ "append", 'A' }, { "check", 'C' }, { "delete", 'D' }, { "insert", 'I' }, { "replace", 'R' }, { "list", 'L' },
	{ "list-rules", 'S' }, { "flush", 'F' }, { "zero", 'Z' }, { "new-chain", 'N' }, { "delete-chain", 'X' },
	{ "rename-chain", 'E' }, { "policy", 'P' }, { "table", 't' }, { "protocol", 'p' }, { "proto", 'p' }, { "source", 's' },
	{ "src", 's' }, { "destination", 'd' }, { "dst", 'd' }, { "match", 'm' }, { "jump", 'j' }, { "goto", 'g' },
	{ "in-interface", 'i' }, { "out-interface", 'o' }, { "fragment", 'f' }, { "verbose", 'v' }, { "numeric", 'n' },
	{ "exact", 'x' }, { "wait", 'w' }, { "set-counters", 'c' }, { "line-numbers", '0' },
};

static bool take_invert(struct reader *r, uint8_t flag)
{
	if (r->invert)
		r->made->ip.invflags |= flag;
	r->invert = false;
	return true;
}

/* The rule's own words; -p, -s, ... */
static bool rule_word(struct reader *r, char letter)
{
	struct ipt_ip *ip = &r->made->ip;
	const char *value;

	if (letter == 'f') {
		ip->flags |= IPT_F_FRAG;
		return take_invert(r, IPT_INV_FRAG);
	}
	value = next_value(r);
	if (!value)
		return false;
	switch (letter) {
	case 'p':
		return !ip->proto && take_invert(r, IPT_INV_PROTO) && protocol(value, ip) &&
		       (ip->proto || !(ip->invflags & IPT_INV_PROTO));
	case 's':
		return !ip->smsk.s_addr && take_invert(r, IPT_INV_SRCIP) && iptables_network(value, &ip->src, &ip->smsk);
	case 'd':
		return !ip->dmsk.s_addr && take_invert(r, IPT_INV_DSTIP) && iptables_network(value, &ip->dst, &ip->dmsk);
	case 'i':
		return take_invert(r, IPT_INV_VIA_IN) && interface(value, ip->iniface, ip->iniface_mask);
	case 'o':
		return take_invert(r, IPT_INV_VIA_OUT) && interface(value, ip->outiface, ip->outiface_mask);
	case 'm':
		return !r->invert && add_match(r, value);
	default:
		return false;
	}
}

static bool option_letter(struct reader *r, char letter)
{
	const char *word;

	if (strchr("ACDIRLSFZNXEP", letter))
		return operation(r, letter);
	switch (letter) {
	case 't':
		r->made->table = next_value(r);
		return r->made->table && !r->invert;
	case 'j':
	case 'g':
		return jump(r, letter == 'g');
	case 'c':
		return counters(r);
	case 'v':
	case 'n':
	case 'x':
	case '0':
		return !r->invert;
	case 'w':
		word = r->at < r->command->words ? r->command->word[r->at] : NULL;
		r->at += word && isdigit((unsigned char)*word);
		return !r->invert;
	default:
		return rule_word(r, letter);
	}
}

/* -nvL: letters that stand alone, the last of which may take words. */
static bool letters(struct reader *r, const char *word)
{
	for (word++; word[1]; word++)
		if (!strchr("nvx", *word) || !option_letter(r, *word))
			return false;
	return isalpha((unsigned char)*word) && option_letter(r, *word);
}

static bool read_word(struct reader *r, const char *word)
{
	if (!strcmp(word, "!")) {
		bool twice = r->invert;

		r->invert = true;
		return !twice;
	}
	if (word[0] != '-' || !word[1])
		return false;
	if (word[1] != '-')
		return letters(r, word);
	for (size_t i = 0; i < sizeof(long_names) / sizeof(long_names[0]); i++)
		if (!strcmp(long_names[i].name, word + 2))
			return option_letter(r, long_names[i].letter);
	return extension_option(r, word + 2);
}

static bool is_table(const char *name)
{
	for (const char *const *known = pl_filter_names; *known; known++)
		if (!strcmp(*known, name))
			return true;
	return false;
}

/* What the words may not say together. */
static bool makes_sense(const struct iptables_words *made)
{
	bool is_rule = strchr("ACDIR", made->operation), by_number = made->operation == 'D' && made->number;
	bool says_rule = made->matches || made->jump || made->ip.proto || made->ip.smsk.s_addr || made->ip.dmsk.s_addr ||
			 made->ip.iniface[0] || made->ip.outiface[0] || made->ip.flags || made->ip.invflags;

	if ((!is_rule || by_number) && (says_rule || (made->has_counters && made->operation != 'P')))
		return false;
	if (is_rule && !by_number) {
		bool input = !strcmp(made->chain, "INPUT") || !strcmp(made->chain, "PREROUTING");
		bool output = !strcmp(made->chain, "OUTPUT") || !strcmp(made->chain, "POSTROUTING");

		/* The program refuses these by the names alone. */
		if ((input && made->ip.outiface[0]) || (output && made->ip.iniface[0]))
			return false;
	}
	if (made->jump && !strcmp(made->table, "nat") && !strcmp(made->jump, "DROP"))
		return false;
	return made->operation != 'P' || strcmp(made->table, "nat") || strcmp(made->other, "DROP");
}

static bool iptables_parse(struct arena *arena, const struct shell_command *command, struct iptables_words *made)
{
	struct reader r = { .arena = arena, .command = command, .at = 1, .made = made };
	const char *word;

	*made = (struct iptables_words){ .table = "filter" };
	while ((word = next_word(&r)))
		if (!read_word(&r, word))
			return false;
	if (r.invert || !made->operation || !is_table(made->table))
		return false;
	for (unsigned i = 0; i < made->matches; i++)
		if (made->match[i]->type->finish && !made->match[i]->type->finish(made->match[i]))
			return false;
	if (made->target && made->target->type->finish && !made->target->type->finish(made->target))
		return false;
	return makes_sense(made);
}

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
	if (made.jump && !made.target && !is_verdict(made.jump) && !pl_filter_chain_find(edit.table, made.jump))
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
