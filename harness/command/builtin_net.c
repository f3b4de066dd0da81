/*
 * tc and ethtool, in the few forms that scripts use to prepare a link; ip has a file of its own.
 *
 * What these programs set is known to the stack alone when it is done here. Once a real shell has been needed, its links are
 * the ones that count, and these forms are its business too.
 */
#include <plumbline/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "builtin_words.h"

bool builtin_number(const char *text, unsigned long most, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*value = strtoul(text, &end, 0);
	return !*end && *value <= most;
}

bool builtin_is_word(const struct shell_command *command, unsigned i, const char *word)
{
	return i < command->words && !strcmp(command->word[i], word);
}

/* Output is not looked at by anybody; a file that is to be made of it is the shell's business. */
bool builtin_is_silent(const struct shell_command *command)
{
	return !command->output || !strcmp(command->output, "/dev/null");
}

bool builtin_is_simple(const struct builtin *b, const struct shell_command *command)
{
	return !b->commands->jail && !b->commands->recalled && builtin_is_silent(command);
}

int builtin_answer(struct builtin *b, int status, const char *what)
{
	text_add(&b->errors, "%s%s", b->errors.length ? "\n" : "", what);
	return status;
}

/* Remembered, for a shell that may be opened later and has to find its links as they are. */
void builtin_remember(struct builtin *b, const struct shell_command *command)
{
	struct text line = { .arena = b->arena };

	if (b->commands->network)
		text_add(&line, "%s\n", b->commands->network);
	for (unsigned i = 0; i < command->words; i++)
		text_add(&line, "%s%s", i ? " " : "", command->word[i]);
	b->commands->network = text_get(&line);
}

/* --- tc qdisc ------------------------------------------------------------------------------------------------------------- */
/* tc qdisc add|replace|change dev DEV root pfifo [limit N]; tc qdisc del|delete dev DEV root [...]. */
struct qdisc_words {
	bool add, change, delete;
	int ifindex;
	unsigned long limit;
	bool limited;
};

static bool qdisc_parse(struct builtin *b, const struct shell_command *command, struct qdisc_words *made)
{
	*made = (struct qdisc_words){ .add = builtin_is_word(command, 2, "add"), .change = builtin_is_word(command, 2, "change"),
				      .delete = builtin_is_word(command, 2, "del") || builtin_is_word(command, 2, "delete") };
	if (!builtin_is_word(command, 1, "qdisc") || !builtin_is_word(command, 3, "dev") || !builtin_is_word(command, 5, "root"))
		return false;
	made->ifindex = pl_link_find(b->commands->stack, command->word[4]);
	if (made->ifindex < 0 || made->ifindex >= 32)
		return false;
	if (made->delete)
		return command->words == 6;
	if ((!made->add && !made->change && !builtin_is_word(command, 2, "replace")) || !builtin_is_word(command, 6, "pfifo"))
		return false;
	if (command->words == 7)
		return true;
	made->limited =
	    command->words == 9 && builtin_is_word(command, 7, "limit") && builtin_number(command->word[8], UINT32_MAX, &made->limit);
	return made->limited;
}

bool builtin_tc_mine(struct builtin *b, const struct shell_command *command)
{
	struct qdisc_words made;

	return builtin_is_simple(b, command) && qdisc_parse(b, command, &made);
}

int builtin_tc_run(struct builtin *b, const struct shell_command *command)
{
	struct qdisc_words made;
	unsigned bit;
	bool there;

	if (!qdisc_parse(b, command, &made))
		return 1;
	bit = 1u << made.ifindex;
	there = b->commands->qdiscs & bit;
	if (made.delete && !there)
		return builtin_answer(b, 2, "Error: Cannot delete qdisc with handle of zero.");
	if (made.add && there)
		return builtin_answer(b, 2, "Error: Exclusivity flag on, cannot modify.");
	if (made.change && !there)
		return builtin_answer(b, 2, "Error: Qdisc not found. To create specify NLM_F_CREATE flag.");
	b->commands->qdiscs = made.delete ? b->commands->qdiscs & ~bit : b->commands->qdiscs | bit;
	pl_link_set_queue_limit(b->commands->stack, made.ifindex, made.limited ? (unsigned)made.limit : UINT32_MAX);
	builtin_remember(b, command);
	return 0;
}

/* --- ethtool -------------------------------------------------------------------------------------------------------------- */
/*
 * ethtool -K DEV FEATURE on|off..., of those that depend on no other. TSO alone decides whether large segments leave whole: software
 * cuts them for a link without it. *on says which, if the command says.
 */
static bool ethtool_parse(struct builtin *b, const struct shell_command *command, int *ifindex, bool *says, bool *on)
{
	static const char *const offloads[] = { "tso", "gso", "gro", NULL };

	if (command->words < 5 || command->words % 2 == 0 ||
	    !(builtin_is_word(command, 1, "-K") || builtin_is_word(command, 1, "--features")))
		return false;
	*says = false;
	for (unsigned i = 3; i < command->words; i += 2) {
		unsigned known = 0;

		while (offloads[known] && !builtin_is_word(command, i, offloads[known]))
			known++;
		if (!offloads[known] || (!builtin_is_word(command, i + 1, "on") && !builtin_is_word(command, i + 1, "off")))
			return false;
		if (known == 0) {
			*says = true;
			*on = builtin_is_word(command, i + 1, "on");
		}
	}
	*ifindex = pl_link_find(b->commands->stack, command->word[2]);
	return *ifindex >= 0;
}

bool builtin_ethtool_mine(struct builtin *b, const struct shell_command *command)
{
	int ifindex;
	bool says, on;

	return builtin_is_simple(b, command) && ethtool_parse(b, command, &ifindex, &says, &on);
}

int builtin_ethtool_run(struct builtin *b, const struct shell_command *command)
{
	int ifindex;
	bool says, on;

	if (!ethtool_parse(b, command, &ifindex, &says, &on))
		return 1;
	if (says)
		pl_link_set_gso(b->commands->stack, ifindex, on);
	builtin_remember(b, command);
	return 0;
}
