/* Shell commands of a script, and everything they start, in a pid namespace that ends with the process that opened it. */
#ifndef HARNESS_TARGET_SHELL_H
#define HARNESS_TARGET_SHELL_H

#include <stdbool.h>

struct arena;
struct shell;

/*
 * Commands will run in the network namespace of now, with the folder (a descriptor) as their own. `prepare`, unless NULL, runs
 * in the process that outlives all commands, before the first, and may give it another namespace; without its success there
 * are no commands. NULL: *error says why. To be called before the process has threads.
 */
struct shell *shell_open(int folder, bool (*prepare)(void *context), void *context, struct arena *arena, const char **error);

/* Ends everything that commands left running, and removes their files in /tmp. NULL is nothing. */
void shell_close(struct shell *shell);

/* As target_ops.command. */
int shell_run(struct shell *shell, const char *command, struct arena *arena, const char **error);

#endif
