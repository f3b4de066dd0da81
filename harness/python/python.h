/*
 * Python for scripts: one long-lived interpreter for each process that runs scripts, started when the first script needs it.
 */
#ifndef HARNESS_PYTHON_H
#define HARNESS_PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct python_variable {
	const char *name;
	uint64_t value;
};
/* A block of code, and the variables that are set before it runs. All blocks of a script share their names. */
struct python_block {
	int line;
	const char *text;
	const struct python_variable *variable;
	unsigned variables;
};
struct python_result {
	int failed;			/* index of the block that went wrong; -1: none */
	const char *message;		/* what Python says of it, in lines */
	const char *output;		/* what the blocks printed */
};

/*
 * Run the blocks of one script. False: they could not be run at all, and *error (arena) says why. `command`: NULL for the
 * interpreter kept here, else a shell command that is given the whole program as a file (packetdrill's --code_command).
 */
bool python_run(const char *path, const struct python_block *block, unsigned blocks, const char *command, struct arena *arena,
		struct python_result *result, const char **error);

#endif
