/* The layers, in their order. */
#include "command.h"

#include "../arena.h"
#include "../target/target.h"
#include "jail.h"

#ifndef PLUMBLINE_FUSE
int command_jail_open(struct pl_stack *stack, const struct target_config *config, struct arena *arena,
		      struct command_jail **jail, const char **error)
{
	*error = arena_printf(arena, "this program was built without libfuse3: only sysctl, echo >, ip, tc and ethtool in their "
				     "plain forms can be run");
	return -1;
}

int command_jail_run(struct command_jail *jail, const char *command, struct arena *arena, const char **error)
{
	return -1;
}

void command_jail_close(struct command_jail *jail)
{
}
#endif

/* The links of a new shell become what the built-in forms have made of the stack's. */
static void jail_start(struct commands *commands, struct arena *arena)
{
	const char *error;

	if (command_jail_open(commands->stack, commands->config, arena, &commands->jail, &commands->jail_error) < 0) {
		command_jail_close(commands->jail);
		commands->jail = NULL;
	} else if (commands->network) {
		command_jail_run(commands->jail, commands->network, arena, &error);
	}
}

int command_run(struct commands *commands, const char *command, bool init, struct arena *arena, const char **error)
{
	int status = command_builtin(commands, command, arena, error);

	if (status != COMMAND_NOT_MINE)
		return status;
	if (!commands->jail && !commands->jail_error)
		jail_start(commands, arena);
	if (!commands->jail) {
		*error = commands->jail_error;
		return -1;
	}
	return command_jail_run(commands->jail, command, arena, error);
}

void commands_close(struct commands *commands)
{
	command_jail_close(commands->jail);
	commands->jail = NULL;
}
