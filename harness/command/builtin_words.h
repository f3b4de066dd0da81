/* What the files of built-in network commands share. */
#ifndef HARNESS_BUILTIN_WORDS_H
#define HARNESS_BUILTIN_WORDS_H

#include <netinet/in.h>

#include "builtin.h"

bool builtin_number(const char *text, unsigned long most, unsigned long *value);	/* in C's bases, not negative */
bool builtin_is_word(const struct shell_command *command, unsigned i, const char *word);
int builtin_answer(struct builtin *b, int status, const char *what);			/* to standard error; the status again */
/* For a shell that may be opened later and has to find its links as they are. */
void builtin_remember(struct builtin *b, const struct shell_command *command);

bool builtin_is_silent(const struct shell_command *command);
bool builtin_is_simple(const struct builtin *b, const struct shell_command *command);	/* may it be done here at all */
bool builtin_prefix(const char *text, struct in_addr *address, unsigned *length);	/* ADDRESS[/N], default, all, any */
bool builtin_table(const char *text, unsigned long *table);				/* local, main, default or a number */

/* ip rule (builtin_rule.c); as below. */
bool builtin_rule_mine(struct builtin *b, const struct shell_command *command);
int builtin_rule_run(struct builtin *b, const struct shell_command *command);

/*
 * ip link set, ip neighbour (builtin_link.c), as builtin_ip_mine and builtin_ip_run. They are done to the stack even when there is a
 * shell, because what they lead to in between is seen on the wire: a link that goes down and comes up again.
 */
bool builtin_ip_link_mine(struct builtin *b, const struct shell_command *command);
int builtin_ip_link_run(struct builtin *b, const struct shell_command *command);

#endif
