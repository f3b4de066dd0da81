/* A shell for the commands of one script, in which the script's stack stands in place of the kernel's. See jail.c. */
#ifndef HARNESS_JAIL_H
#define HARNESS_JAIL_H

#include <plumbline/stack.h>

struct arena;
struct target_config;
struct command_jail;

/*
 * Make the namespaces, links and shell for a stack that was opened by `config`. This process moves to the new network namespace
 * (and, when it is not root, user namespace). 0, or -1 with *error a message in the arena; *jail is to be closed in both cases.
 */
int command_jail_open(struct pl_stack *stack, const struct target_config *config, struct arena *arena, struct command_jail **jail,
		      const char **error);
void command_jail_close(struct command_jail *jail);	/* NULL is ignored */

/* Commands that were done to the stack before there was a jail, for the jail's links alone. */
void command_jail_catch_up(struct command_jail *jail, const char *commands, struct arena *arena);

/* As /bin/sh -c in the script's folder: 0, or the exit status, or -1 when it cannot be run, with *error a message. */
int command_jail_run(struct command_jail *jail, const char *command, struct arena *arena, const char **error);

struct init_recording;
/* The same, with everything noted that it does. */
int command_jail_record(struct command_jail *jail, const char *command, struct init_recording *recording, struct arena *arena,
			const char **error);

/* From now on commands see and change this stack, which was opened by the same configuration. */
void command_jail_show(struct command_jail *jail, struct pl_stack *stack);

#endif
