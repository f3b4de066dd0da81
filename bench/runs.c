/*
 * What one run of a script costs on the reference stack: many in one process, after some to warm up.
 *
 *	runs N SCRIPT...	for each: the name, and microseconds of processor time a run, engine and stack together
 *
 * Each run is a whole one, from opening a fresh stack to comparing the last packet; parsing is counted apart, as a script is
 * parsed once.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness/arena.h"
#include "harness/engine/engine.h"

#define WARM_UP 50

static double processor_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static bool run(const struct script *script, struct arena *arena)
{
	struct run_options options = { .target = &refstack_target, .seed = 1, .no_commands = true, .no_python = true };
	struct run_result result = { 0 };

	engine_run(script, &options, arena, &result);
	if (result.verdict != VERDICT_PASS)
		fprintf(stderr, "%s: does not pass: %s\n", script->path, result.reason ? result.reason : "?");
	arena_reset(arena);
	return result.verdict == VERDICT_PASS;
}

static bool measure(const char *path, unsigned times)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = script_read(path, NULL, 0, &diagnostics);
	struct arena *arena = arena_new();
	double begun;
	bool passes = script != NULL;

	if (!script)
		diagnostics_print(&diagnostics, NULL, path, NULL, 0, false, stderr);
	for (unsigned i = 0; i < WARM_UP && passes; i++)
		passes = run(script, arena);
	begun = processor_time();
	for (unsigned i = 0; i < times && passes; i++)
		passes = run(script, arena);
	if (passes)
		printf("%s %.1f\n", path, (processor_time() - begun) / times);
	arena_free(arena);
	diagnostics_free(&diagnostics);
	if (script)
		script_free(script);
	return passes;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 3 || atoi(argv[1]) <= 0) {
		fprintf(stderr, "Usage: %s N SCRIPT...\n", argv[0]);
		return 2;
	}
	for (int i = 2; i < argc; i++)
		failed |= !measure(argv[i], (unsigned)atoi(argv[1]));
	return failed;
}
