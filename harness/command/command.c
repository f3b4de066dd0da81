/* The layers, in their order. */
#include "command.h"

#include "../arena.h"

int __attribute__((weak)) command_jail_run(struct pl_stack *stack, const char *command, const char *script_path, bool init,
					   struct arena *arena, const char **error)
{
	(void)stack;
	(void)script_path;
	(void)init;
	*error = arena_printf(arena, "`%s` is not one of the built-in forms (sysctl, echo >, ip, tc, ethtool)", command);
	return -1;
}

int command_run(struct pl_stack *stack, const char *command, const char *script_path, bool init, struct arena *arena,
		const char **error)
{
	int status = command_builtin(stack, command, script_path, arena, error);

	return status == COMMAND_NOT_MINE ? command_jail_run(stack, command, script_path, init, arena, error) : status;
}
