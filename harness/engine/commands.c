/* Commands in backticks: the target runs them where the stack lives. */
#include "run.h"

bool run_command(struct run *run, const char *command, bool init, const char **error)
{
	int status;

	*error = NULL;
	status = run->ops->command(run->target, command, init, run->arena, error);
	if (!status)
		return true;
	if (!*error)
		*error = arena_printf(run->arena, "exit status %d", status);
	else if (status > 0)
		*error = arena_printf(run->arena, "exit status %d: %s", status, *error);
	return false;
}

void run_command_event(struct run *run)
{
	const char *error;
	unsigned entry;
	bool done;

	if (!run_wait_event(run))
		return;
	run_drain(run);
	entry = trace_add(run, TRACE_COMMAND, run->event, run_now(run));
	run->happened = run_now(run);
	done = run_command(run, run->event->text, false, &error);
	run->result->trace.entry[entry].text = run->event->text;
	run->result->trace.entry[entry].result = done ? 0 : 1;
	if (!done)
		run_fail(run, run->event, "command `%s`: %s", run->event->text, error);
}
