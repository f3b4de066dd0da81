/*
 * A command of iptables taken apart, from left to right as the program does it. What it would complain of is of no form known
 * here, and left to the program.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "iptables.h"
#include "shell_text.h"

#define MOST_CHAIN_NAME 28		/* what iptables takes */

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

	if (!type || r->made->matches == IPTABLES_PARTS)
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

bool iptables_is_verdict(const char *name)
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
	if (iptables_is_verdict(name))
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

bool iptables_parse(struct arena *arena, const struct shell_command *command, struct iptables_words *made)
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
