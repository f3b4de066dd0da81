/* Shell commands of a script, and everything they start, in a pid namespace that ends with the process that opened it. */
#ifndef HARNESS_TARGET_SHELL_H
#define HARNESS_TARGET_SHELL_H

#include <plumbline/time.h>
#include <stdbool.h>
#include <sys/types.h>

struct arena;
struct shell;

/* What a user of a shell may add to it: commands on a reference stack see its tree in place of the kernel's. */
struct shell_hooks {
	bool (*enter)(void *context);		/* in the first process, before its mounts are made: into another namespace */
	const char *(*prepare)(void *context);	/* in the first process, once its mounts are its own: NULL, or what went wrong */
	void (*wait)(void *context, int fd);	/* while a command runs: until fd is readable */
	void *context;
	int keep[2];				/* descriptors that prepare needs, and may close */
};

/*
 * Commands will run with the folder (a descriptor) as their own, in the network namespace of now or that which hooks->enter goes
 * to. NULL: *error says why. hooks may be NULL; they outlive the shell. To be called before the process has threads.
 */
struct shell *shell_open(int folder, const struct shell_hooks *hooks, struct arena *arena, const char **error);

/* Ends everything that commands left running, and removes their files in /tmp. NULL is nothing. */
void shell_close(struct shell *shell);

/* Whether a number, which shells tell their commands as their own, stands in a file's name and is not part of a longer one. */
bool shell_name_has_number(const char *name, pid_t value);

/* As target_ops.command. `urgent`: events wait for its end, so that it goes before what is not. */
int shell_run(struct shell *shell, const char *command, bool urgent, struct arena *arena, const char **error);

/* How long the last command took beyond the processor time that it used: it slept, or was kept waiting. */
pl_time shell_idle(const struct shell *shell);

#endif
