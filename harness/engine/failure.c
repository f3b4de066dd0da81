/* What went wrong, put into words. */
#include "run.h"

#include <string.h>

static struct failure *failure_add(struct run *run, const struct event *event, const char *format, va_list arguments)
{
	struct run_result *result = run->result;
	struct failure *failure;

	if (result->failures == run->failure_room) {
		struct failure *old = result->failure;

		run->failure_room = run->failure_room ? 2 * run->failure_room : 4;
		result->failure = arena_alloc(run->arena, run->failure_room * sizeof(*old));
		if (old)
			memcpy(result->failure, old, result->failures * sizeof(*old));
	}
	failure = &result->failure[result->failures++];
	*failure = (struct failure){ .reason = arena_vprintf(run->arena, format, arguments) };
	if (event)
		failure->span = event->span;
	return failure;
}

/* The script and the stack part here. */
struct failure *run_fail(struct run *run, const struct event *event, const char *format, ...)
{
	struct failure *failure;
	va_list arguments;

	va_start(arguments, format);
	failure = failure_add(run, event, format, arguments);
	va_end(arguments);
	if (run->result->verdict != VERDICT_ERROR)
		run->result->verdict = VERDICT_FAIL;
	return failure;
}

/* The script cannot be carried out. The run ends even with keep_going. */
void run_error(struct run *run, const struct event *event, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	run->result->reason = failure_add(run, event, format, arguments)->reason;
	va_end(arguments);
	run->result->verdict = VERDICT_ERROR;
}

bool run_stopped(const struct run *run)
{
	switch (run->result->verdict) {
	case VERDICT_PASS:
		return false;
	case VERDICT_FAIL:
		return !run->options->keep_going && !run->observing;
	case VERDICT_SKIP:
	case VERDICT_ERROR:
		return true;
	}
	return true;
}

/* A time as scripts say it: no more digits than it needs. */
static const char *seconds(struct arena *arena, pl_time time)
{
	char text[32];
	size_t length;

	snprintf(text, sizeof(text), "%.9f", (double)time / 1e9);
	length = strlen(text);
	while (text[length - 1] == '0')
		length--;
	if (text[length - 1] == '.')
		length--;
	text[length] = 0;
	return arena_strdup(arena, text);
}

static const char *time_text(const struct run *run, const struct event *event)
{
	const char *at = seconds(run->arena, event->time.at), *until = seconds(run->arena, event->time.until);

	switch (event->time.kind) {
	case TIME_RELATIVE:
		return arena_printf(run->arena, "+%s", at);
	case TIME_ABSOLUTE:
		return at;
	case TIME_ANY:
		return "*";
	case TIME_RELATIVE_RANGE:
		return arena_printf(run->arena, "+%s~+%s", at, until);
	case TIME_ABSOLUTE_RANGE:
		return arena_printf(run->arena, "%s~%s", at, until);
	}
	return "";
}

const char *event_time_text(const struct run *run, const struct event *event)
{
	const char *text = time_text(run, event);

	if (event->kind != EVENT_CALL || !event->call->blocking)
		return text;
	return arena_printf(run->arena, "%s...%s", text, seconds(run->arena, event->call->end));
}

const char *errno_text(const struct run *run, int error)
{
	const char *name = symbol_name("errno", error);

	if (!name)
		return arena_printf(run->arena, "error %d", error);
	return arena_printf(run->arena, "%s (%s)", name, strerrordesc_np(error));
}
