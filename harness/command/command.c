/* The layers, in their order. */
#include "command.h"

#include "../arena.h"
#include "../target/refstack.h"
#include "jail.h"
#include "remember.h"

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

void command_jail_catch_up(struct command_jail *jail, const char *commands, struct arena *arena)
{
}

void command_jail_close(struct command_jail *jail)
{
}
#endif

#ifdef PLUMBLINE_FUSE
/*
 * A shell after an init command that was not run: whatever that makes for later commands to find, links, files and processes, it
 * makes now. The tree that it sees meanwhile is that of another stack, as fresh as the script's was; the script's own has it done.
 */
static int init_catch_up(struct commands *commands, struct arena *arena, const char **error)
{
	struct target *fresh;
	int status = refstack_target.open(commands->config, arena, &fresh, error);

	if (status) {
		if (!*error)
			*error = "no memory for another stack";
		return status;
	}
	command_jail_show(commands->jail, refstack_target_stack(fresh));
	status = command_jail_run(commands->jail, commands->init, arena, error);
	command_jail_show(commands->jail, commands->stack);
	refstack_target.close(fresh);
	return status;
}

/* The init command of a stack that nothing has been done to yet, if what it does is known. */
static bool init_known(struct commands *commands, const char *command)
{
	commands->recalled = init_recall(commands->config, command);
	if (commands->recalled) {
		commands->init = command;
		pl_stack_lock(commands->stack);
		init_repeat(commands->recalled, commands->stack);
		pl_stack_unlock(commands->stack);
	}
	return commands->recalled;
}

static int init_first_run(struct commands *commands, const char *command, struct arena *arena, const char **error)
{
	struct init_recording *recording = init_record(commands->config, command);
	int status = command_jail_record(commands->jail, command, recording, arena, error);

	init_record_end(recording, !status);
	return status;
}
#endif

static void jail_start(struct commands *commands, struct arena *arena)
{
	int status;

	/* It clones a process: see target/live.c. */
	pl_stack_lock(commands->stack);
	status = command_jail_open(commands->stack, commands->config, arena, &commands->jail, &commands->jail_error);
	pl_stack_unlock(commands->stack);
#ifdef PLUMBLINE_FUSE
	if (!status && commands->recalled)
		status = init_catch_up(commands, arena, &commands->jail_error);
	commands->recalled = NULL;
#endif
	if (status) {
		command_jail_close(commands->jail);
		commands->jail = NULL;
	}
}

int command_run(struct commands *commands, const char *command, bool init, struct arena *arena, const char **error)
{
	bool fresh = init && !commands->used;
	int status;

	pl_stack_lock(commands->stack);
	status = command_builtin(commands, command, arena, error);
	pl_stack_unlock(commands->stack);
	commands->used = true;
	if (status != COMMAND_NOT_MINE)
		return status;
#ifdef PLUMBLINE_FUSE
	if (fresh && init_known(commands, command))
		return 0;
#endif
	if (!commands->jail && !commands->jail_error)
		jail_start(commands, arena);
	if (!commands->jail) {
		*error = commands->jail_error;
		return -1;
	}
	/* The links of the shell become what the built-in forms have made of the stack's. */
	if (commands->network)
		command_jail_catch_up(commands->jail, commands->network, arena);
	commands->network = NULL;
#ifdef PLUMBLINE_FUSE
	if (fresh)
		return init_first_run(commands, command, arena, error);
#else
	(void)fresh;
#endif
	return command_jail_run(commands->jail, command, arena, error);
}

void commands_close(struct commands *commands)
{
	command_jail_close(commands->jail);
	commands->jail = NULL;
}
