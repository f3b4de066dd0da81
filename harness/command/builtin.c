/* Built-in forms of commands. */
#include "command.h"

int command_builtin(struct pl_stack *stack, const char *command, const char *script_path, struct arena *arena, const char **error)
{
	(void)stack;
	(void)command;
	(void)script_path;
	(void)arena;
	(void)error;
	return COMMAND_NOT_MINE;
}
