/* plumbline run: scripts against one target. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "marks.h"
#include "runs.h"

#define EVENTS_BEFORE 6			/* told before a failure */

struct run_context {
	const struct command_line *line;
	struct run_options options;
};

static void tell_failures(const struct script *script, const struct run_result *result, struct arena *arena,
			  struct outcome *outcome)
{
	outcome->failures = result->failures;
	outcome->failure = arena_alloc(arena, result->failures * sizeof(*outcome->failure));
	for (unsigned i = 0; i < result->failures; i++) {
		const struct failure *failure = &result->failure[i];

		outcome->failure[i] = (struct outcome_failure){
			.file = failure->span.file,
			.line = failure->span.line > 0 ? (uint32_t)failure->span.line : 0,
			.source = script_lines(script, &failure->span, arena),
			.reason = failure->reason,
			.detail = mark_differences(failure->detail, arena),
			.suggestion = failure->suggestion,
		};
	}
}

static const char *trace_tail(const struct trace *trace, struct arena *arena)
{
	char *lines = NULL, *copy;
	size_t size;
	FILE *stream = open_memstream(&lines, &size);

	if (!stream)
		abort();
	trace_print_tail(trace, EVENTS_BEFORE, stream);
	fclose(stream);
	copy = size ? arena_strdup(arena, lines) : NULL;
	free(lines);
	return copy;
}

static enum outcome_verdict outcome_of(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_PASS:
		return OUTCOME_PASS;
	case VERDICT_FAIL:
		return OUTCOME_FAIL;
	case VERDICT_SKIP:
		return OUTCOME_SKIP;
	case VERDICT_ERROR:
		break;
	}
	return OUTCOME_ERROR;
}

static void run_one(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	const struct run_context *run = context;
	const char *path = run->line->paths.path[job], *error;
	struct script *script = read_script(path, run->line, arena, outcome);
	struct run_result result = { 0 };

	if (!script)
		return;
	engine_run(script, &run->options, arena, &result);
	outcome->verdict = outcome_of(result.verdict);
	outcome->reason = result.verdict == VERDICT_SKIP || result.verdict == VERDICT_ERROR ? result.reason : NULL;
	outcome->noisy = result.noisy;
	outcome->lateness = result.lateness;
	outcome->wall = result.wall;
	tell_failures(script, &result, arena, outcome);
	if (result.verdict == VERDICT_FAIL || result.verdict == VERDICT_ERROR)
		outcome->before = trace_tail(&result.trace, arena);
	error = result.verdict == VERDICT_SKIP ? NULL : write_capture(run->line, job, NULL, &result.trace, arena);
	if (error) {
		outcome->verdict = OUTCOME_ERROR;
		outcome->reason = error;
	}
	script_free(script);
}

static int run_live(struct command_line *line, struct run_context *context)
{
	int status = live_open(&line->live);

	if (status < 0) {
		fprintf(stderr, "plumbline: %s\n", strerror(-status));
		return EXIT_FAILED;
	}
	status = run_all(line, context, run_one);
	live_close(&line->live);
	return status;
}

int run_scripts(struct command_line *line)
{
	struct run_context context = { .line = line };
	struct target_session *session = NULL;
	const char *note = NULL;
	int status;

	command_line_run_options(line, 0, &context.options);
	if (line->ops[0] == &kernel_target)
		session = kernel_session_begin(line->arena, &note);
	if (note)
		fprintf(stderr, "plumbline: %s\n", note);
	status = run_live(line, &context);
	if (session)
		kernel_session_end(session);
	return status;
}

int cmd_run(const struct subcommand *self, int argc, char **argv)
{
	struct command_line line;
	int status = command_line_parse(self, false, argc, argv, &line);

	if (!status && line.help) {
		usage_help(self);
		command_line_help(false);
	} else if (!status) {
		status = run_scripts(&line);
	}
	command_line_free(&line);
	return status < 0 ? end_by_signal(-status) : status;
}
