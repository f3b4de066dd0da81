/* Between the files that carry out commands without a shell. */
#ifndef HARNESS_BUILTIN_H
#define HARNESS_BUILTIN_H

#include "../arena.h"
#include "../text.h"
#include "command.h"
#include "shell_text.h"

/* A shell script that a command names, taken apart. */
struct builtin_file {
	struct builtin_file *next;
	const struct shell_command *command;
	struct shell_command *list;
};

/* One command being looked at and carried out. */
struct builtin {
	struct commands *commands;
	struct arena *arena;
	struct text errors;		/* what it said on standard error */
	struct builtin_file *files;
	unsigned depth;			/* of scripts within scripts */
};

/*
 * ip, tc and ethtool. _mine: whether the command is of a form that is known here, which nothing but its words (and the links
 * that there are) decides; _run: its exit status.
 */
bool builtin_ip_mine(struct builtin *b, const struct shell_command *command);
int builtin_ip_run(struct builtin *b, const struct shell_command *command);
bool builtin_tc_mine(struct builtin *b, const struct shell_command *command);
int builtin_tc_run(struct builtin *b, const struct shell_command *command);
bool builtin_iptables_mine(struct builtin *b, const struct shell_command *command);
int builtin_iptables_run(struct builtin *b, const struct shell_command *command);
bool builtin_ethtool_mine(struct builtin *b, const struct shell_command *command);
int builtin_ethtool_run(struct builtin *b, const struct shell_command *command);

#endif
