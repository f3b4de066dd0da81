/*
 * Commands of scripts on a reference stack, in layers: the built-in forms, which need no process and no privilege, and a shell
 * in a private namespace for the rest.
 */
#ifndef HARNESS_COMMAND_H
#define HARNESS_COMMAND_H

#include <plumbline/stack.h>
#include <stdbool.h>

struct arena;

/* What the built-in interpreter says of a command that has a form it does not know. Nothing was carried out then. */
#define COMMAND_NOT_MINE (-2)

/*
 * Run `command` as /bin/sh would in the folder of `script_path`. 0 when it exits with 0; else its exit status, or -1 when it cannot
 * be run at all, with *error (arena) a message or what it wrote to standard error. `init`: it is the init command of a fresh stack.
 */
int command_run(struct pl_stack *stack, const char *command, const char *script_path, bool init, struct arena *arena,
		const char **error);

/* The built-in forms alone. As command_run, or COMMAND_NOT_MINE. */
int command_builtin(struct pl_stack *stack, const char *command, const char *script_path, struct arena *arena, const char **error);

/* A shell in a private namespace, where the stack's tree stands in place of the kernel's. As command_run. */
int command_jail_run(struct pl_stack *stack, const char *command, const char *script_path, bool init, struct arena *arena,
		     const char **error);

#endif
