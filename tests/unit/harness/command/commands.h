/* Commands of a script x.pkt on a stack that has no links yet but lo. */
#ifndef TESTS_COMMANDS_H
#define TESTS_COMMANDS_H

#include <criterion/criterion.h>
#include <plumbline/stack.h>

#include "harness/arena.h"
#include "harness/command/builtin.h"
#include "harness/target/target.h"

static struct arena *arena;
static struct target_config config = { .script_path = "x.pkt" };
static struct commands commands;
static const char *error;

static inline void set_up(void)
{
	const struct pl_stack_config plain = { 0 };

	arena = arena_new();
	commands = (struct commands){ .stack = pl_stack_new(&plain), .config = &config };
}

static inline void tear_down(void)
{
	pl_stack_free(commands.stack);
	arena_free(arena);
}

/* By the built-in forms alone. */
static inline int run(const char *command)
{
	error = "";
	return command_builtin(&commands, command, arena, &error);
}

#endif
