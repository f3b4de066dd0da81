/*
 * Commands of scripts on a reference stack, in layers: the built-in forms, which need no process and no privilege, and a shell
 * in a private namespace for the rest.
 */
#ifndef HARNESS_COMMAND_H
#define HARNESS_COMMAND_H

#include <plumbline/stack.h>
#include <stdbool.h>

struct arena;
struct target_config;
struct command_jail;
struct init_effect;

/* What the built-in interpreter says of a command that has a form it does not know. Nothing was carried out then. */
#define COMMAND_NOT_MINE (-2)

/* Whoever runs commands for one script: its stack, and the shell once a command has needed one. Zeroed but for the first two. */
struct commands {
	struct pl_stack *stack;
	const struct target_config *config;	/* what the stack was opened by */
	struct command_jail *jail;
	const char *jail_error;		/* why there can be none */
	const char *network;		/* the lines of ip, tc and ethtool that were carried out without it; NULL: none */
	/* An init command that was not run, because what it does was known: its text and effect. NULL once a shell has run it. */
	const char *init;
	const struct init_effect *recalled;
	bool used;			/* the stack is no longer as it was opened */
	unsigned qdiscs;		/* by ifindex: links that `tc qdisc add ... root` has given a queue */
};

/*
 * Run `command` as /bin/sh would in the script's folder. 0 when it exits with 0; else its exit status, or -1 when it cannot be run
 * at all, with *error (arena) a message or what it wrote to standard error. `init`: it is the init command of a fresh stack.
 * The arena must outlive the commands.
 */
int command_run(struct commands *commands, const char *command, bool init, struct arena *arena, const char **error);
void commands_close(struct commands *commands);

/* The built-in forms alone. As command_run, or COMMAND_NOT_MINE. */
int command_builtin(struct commands *commands, const char *command, struct arena *arena, const char **error);

#endif
