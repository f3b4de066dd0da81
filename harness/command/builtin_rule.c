/* ip rule add|del. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <plumbline/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin_words.h"

/* "N" or "N-M" */
static bool port_range(const char *text, uint16_t range[2])
{
	unsigned long first, last;
	char *end;

	first = last = strtoul(text, &end, 10);
	if (end == text)
		return false;
	if (*end == '-')
		last = strtoul(end + 1, &end, 10);
	if (*end || first > 65535 || last > 65535)
		return false;
	range[0] = (uint16_t)first;
	range[1] = (uint16_t)last;
	return true;
}

/* MARK[/MASK] */
static bool mark(const char *text, struct pl_rule *rule)
{
	char *end;

	rule->mark = (uint32_t)strtoul(text, &end, 0);
	rule->mark_mask = UINT32_MAX;
	if (end != text && *end == '/')
		rule->mark_mask = (uint32_t)strtoul(end + 1, &end, 0);
	return end != text && !*end;
}

static bool protocol(const char *text, uint8_t *number)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = { { "icmp", 1 }, { "tcp", 6 }, { "udp", 17 } };
	unsigned long value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i].name, text)) {
			*number = names[i].number;
			return true;
		}
	if (!builtin_number(text, 255, &value))
		return false;
	*number = (uint8_t)value;
	return true;
}

static bool link_name(const char *text, char name[16])
{
	if (strlen(text) >= 16)
		return false;
	memset(name, 0, 16);
	memcpy(name, text, strlen(text));
	return true;
}

static const struct {
	const char *word;
	uint8_t action;
} actions[] = { { "blackhole", FR_ACT_BLACKHOLE }, { "unreachable", FR_ACT_UNREACHABLE }, { "prohibit", FR_ACT_PROHIBIT },
		{ "nop", FR_ACT_NOP } };

static bool is_any(const char *word, const char *a, const char *b, const char *c)
{
	return !strcmp(word, a) || (b && !strcmp(word, b)) || (c && !strcmp(word, c));
}

/* A word and its value; false: not known here. */
static bool selector(const char *word, const char *value, struct pl_rule *rule)
{
	unsigned long number;
	bool good;

	if (!strcmp(word, "from"))
		return builtin_prefix(value, &rule->source, &rule->source_length);
	if (!strcmp(word, "to"))
		return builtin_prefix(value, &rule->destination, &rule->destination_length);
	if (!strcmp(word, "fwmark"))
		return mark(value, rule);
	if (!strcmp(word, "iif"))
		return link_name(value, rule->input_link);
	if (!strcmp(word, "oif"))
		return link_name(value, rule->output_link);
	if (!strcmp(word, "ipproto"))
		return protocol(value, &rule->protocol);
	if (!strcmp(word, "sport"))
		return port_range(value, rule->source_ports);
	if (!strcmp(word, "dport"))
		return port_range(value, rule->destination_ports);
	if (is_any(word, "table", "lookup", NULL)) {
		good = builtin_table(value, &number);
		rule->table = (uint32_t)number;
		return good;
	}
	good = builtin_number(value, UINT32_MAX, &number);
	if (is_any(word, "pref", "priority", "preference") || !strcmp(word, "order")) {
		rule->priority = (uint32_t)number;
	} else if (is_any(word, "tos", "dsfield", NULL)) {
		rule->tos = (uint8_t)number;
		good &= number < 256;
	} else if (!strcmp(word, "goto")) {
		rule->action = FR_ACT_GOTO;
		rule->target = (uint32_t)number;
	} else if (is_any(word, "suppress_prefixlength", "sup_pl", NULL)) {
		rule->suppresses = true;
		rule->suppress_length = (unsigned)number;
	} else {
		return false;
	}
	return good;
}

static bool rule_parse(const struct shell_command *command, struct pl_rule *rule, bool *add)
{
	unsigned i = builtin_is_word(command, 1, "-4") ? 3 : 2;

	*rule = (struct pl_rule){ 0 };
	*add = builtin_is_word(command, i, "add");
	if (!*add && !builtin_is_word(command, i, "del") && !builtin_is_word(command, i, "delete"))
		return false;
	for (i++; i < command->words; i++) {
		const char *word = command->word[i];
		bool action = false;

		if (!strcmp(word, "not")) {
			rule->invert = true;
			continue;
		}
		for (size_t j = 0; j < sizeof(actions) / sizeof(actions[0]); j++)
			if (!strcmp(actions[j].word, word)) {
				rule->action = actions[j].action;
				action = true;
			}
		if (action)
			continue;
		if (i + 1 >= command->words || !selector(word, command->word[++i], rule))
			return false;
	}
	/* As ip(8) has it: a rule that is to be added and names no table leads to table main. */
	if (*add && !rule->action && !rule->table)
		rule->table = RT_TABLE_MAIN;
	return true;
}

bool builtin_rule_mine(struct builtin *b, const struct shell_command *command)
{
	struct pl_rule rule;
	bool add;

	return rule_parse(command, &rule, &add);
}

int builtin_rule_run(struct builtin *b, const struct shell_command *command)
{
	struct pl_rule rule;
	int status;
	bool add;

	if (!rule_parse(command, &rule, &add))
		return 1;
	status = add ? pl_rule_add(b->commands->stack, &rule) : pl_rule_delete(b->commands->stack, &rule);
	if (!status) {
		builtin_remember(b, command);
		return 0;
	}
	return builtin_answer(b, 2, arena_printf(b->arena, "RTNETLINK answers: %s", strerrordesc_np(-status)));
}
