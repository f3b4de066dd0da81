/* plumbline compare: the same script's inputs on two targets, and where what they do parts. */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "marks.h"
#include "runs.h"

#define LATENESS_MOST (PL_NSEC_PER_MSEC / 2)	/* more than this can put an event into another jiffy of the kernel */

struct compare_context {
	const struct command_line *line;
	struct run_options options[2];
	struct pl_machine machine;
};

/* Whether a side could be run at all; else the outcome says why not. */
static bool observed(const struct run_result *result, const char *target, struct arena *arena, struct outcome *outcome)
{
	if (result->verdict != VERDICT_SKIP && result->verdict != VERDICT_ERROR)
		return true;
	outcome->verdict = result->verdict == VERDICT_SKIP ? OUTCOME_SKIP : OUTCOME_ERROR;
	outcome->reason = arena_printf(arena, "%s: %s", target, result->reason ? result->reason : "it could not be run");
	return false;
}

static void tell_divergence(const struct script *script, const struct divergence *divergence, struct arena *arena,
			    struct outcome *outcome)
{
	struct outcome_failure *failure = arena_alloc(arena, sizeof(*failure));

	outcome->verdict = OUTCOME_DIFFER;
	outcome->first = divergence->first;
	outcome->second = divergence->second;
	outcome->failure = failure;
	outcome->failures = 1;
	*failure = (struct outcome_failure){
		.file = divergence->span.file,
		.line = divergence->span.line > 0 ? (uint32_t)divergence->span.line : 0,
		.source = script_lines(script, &divergence->span, arena),
		.reason = divergence->reason,
		.detail = mark_differences(divergence->detail, arena),
	};
}

static void compare_script(const struct compare_context *compare, unsigned job, const struct script *script, struct arena *arena,
			   struct outcome *outcome)
{
	const struct command_line *line = compare->line;
	struct run_result result[2] = { 0 };
	struct divergence divergence = { 0 };
	const char *error = NULL;

	for (unsigned i = 0; i < 2; i++) {
		engine_observe(script, &compare->options[i], arena, &result[i]);
		outcome->wall += result[i].wall;
		outcome->noisy |= !line->ops[i]->virtual_time && result[i].lateness > LATENESS_MOST;
		if (result[i].lateness > outcome->lateness)
			outcome->lateness = result[i].lateness;
		if (!observed(&result[i], line->target[i], arena, outcome))
			return;
		/* Both sides may be of one name: their place tells them apart. */
		error = write_capture(line, job, strcmp(line->target[0], line->target[1]) ? line->ops[i]->name : i ? "2" : "1",
				      &result[i].trace, arena);
		if (error) {
			outcome->verdict = OUTCOME_ERROR;
			outcome->reason = error;
			return;
		}
	}
	trace_compare(script, &result[0].trace, line->target[0], line->ops[0]->virtual_time, &result[1].trace, line->target[1],
		      line->ops[1]->virtual_time, arena, &divergence);
	outcome->verdict = OUTCOME_SAME;
	if (!divergence.same)
		tell_divergence(script, &divergence, arena, outcome);
}

static void compare_one(void *context, unsigned job, struct arena *arena, struct outcome *outcome)
{
	const struct compare_context *compare = context;
	struct script *script = read_script(compare->line->paths.path[job], compare->line, arena, outcome);

	if (!script)
		return;
	compare_script(compare, job, script, arena, outcome);
	script_free(script);
}

/* Like meets like: the reference stack gets the defaults that the live kernel derives from its machine. */
static void same_machine(struct compare_context *compare, struct arena *arena)
{
	if (!kernel_machine_read(&compare->machine, arena))
		return;
	for (unsigned i = 0; i < 2; i++)
		compare->options[i].machine = &compare->machine;
}

int cmd_compare(const struct subcommand *self, int argc, char **argv)
{
	struct command_line line;
	struct compare_context context = { .line = &line };
	struct target_session *session = NULL;
	const char *note = NULL;
	int status = command_line_parse(self, true, argc, argv, &line);

	if (!status && line.help) {
		usage_help(self);
		command_line_help(true);
	} else if (!status) {
		bool live = line.ops[0] == &kernel_target || line.ops[1] == &kernel_target;

		for (unsigned i = 0; i < 2; i++)
			command_line_run_options(&line, i, &context.options[i]);
		if (live) {
			same_machine(&context, line.arena);
			session = kernel_session_begin(line.arena, &note);
		}
		if (note)
			fprintf(stderr, "plumbline: %s\n", note);
		status = run_all(&line, &context, compare_one);
		if (session)
			kernel_session_end(session);
	}
	command_line_free(&line);
	return status < 0 ? end_by_signal(-status) : status;
}
