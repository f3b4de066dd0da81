/* plumbline check: parse scripts and check all that can be known without running them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cases.h"
#include "paths.h"
#include "script/ast.h"
#include "script/options.h"
#include "subcommand.h"

struct check_line {
	struct arena *arena;
	struct paths paths;
	struct define *define;
	unsigned defines;
	bool quiet;  /* no notes, no summary */
	bool strict; /* every word must have a meaning, as when the script is run */
	bool help;
};

static bool add_define(struct check_line *line, const char *text)
{
	const char *equals = text ? strchr(text, '=') : NULL;

	if (!equals || equals == text)
		return false;
	line->define[line->defines].name = arena_memdup(line->arena, text, (size_t)(equals - text));
	line->define[line->defines].value = equals + 1;
	line->defines++;
	return true;
}

/* One of packetdrill's options: it has no effect here but must be right. */
static int take_option(const struct subcommand *self, struct check_line *line, const char *name, const char *value)
{
	const struct script_option_row *row = script_option_row(name);
	const char *expected;
	char buffer[120];

	if (!row)
		return usage_error(self, "unknown option --%s", name);
	if (!script_option_fits(row, value, buffer, sizeof(buffer), &expected))
		return usage_error(self, "--%s takes %s", name, expected);
	if (row->kind == OPTION_KIND_DEFINE)
		add_define(line, value);
	return EXIT_PASSED;
}

/* "--name=value", "--name value" or "--name". */
static int long_option(const struct subcommand *self, struct check_line *line, int argc, char **argv, int *i)
{
	const char *text = argv[*i] + 2, *equals = strchr(text, '=');
	const char *name = equals ? arena_memdup(line->arena, text, (size_t)(equals - text)) : text;
	const struct script_option_row *row = script_option_row(name);
	const char *value = equals ? equals + 1 : NULL;

	if (!strcmp(text, "help") || !strcmp(text, "quiet") || !strcmp(text, "strict")) {
		*(text[0] == 'h' ? &line->help : text[0] == 'q' ? &line->quiet : &line->strict) = true;
		return EXIT_PASSED;
	}
	if (row && row->kind != OPTION_KIND_FLAG && !value && *i + 1 < argc)
		value = argv[++*i];
	return take_option(self, line, name, value);
}

static int parse_line(const struct subcommand *self, int argc, char **argv, struct check_line *line)
{
	bool options = true;
	const char *error;
	int status;

	for (int i = 1; i < argc; i++) {
		const char *text = argv[i];

		if (options && !strcmp(text, "--")) {
			options = false;
		} else if (options && !strncmp(text, "--", 2)) {
			status = long_option(self, line, argc, argv, &i);
			if (status)
				return status;
		} else if (options && !strncmp(text, "-D", 2)) {
			if (!add_define(line, text[2] ? text + 2 : i + 1 < argc ? argv[++i] : NULL))
				return usage_error(self, "-D takes NAME=VALUE");
		} else if (options && (!strcmp(text, "-h") || !strcmp(text, "-q"))) {
			*(text[1] == 'h' ? &line->help : &line->quiet) = true;
		} else if (options && text[0] == '-' && text[1]) {
			return usage_error(self, "unknown option %s", text);
		} else {
			error = paths_add(&line->paths, text, line->arena);
			if (error)
				return usage_error(self, "%s", error);
		}
	}
	if (!line->help && !line->paths.count)
		return usage_error(self, "no scripts named");
	return EXIT_PASSED;
}

/* One script's messages, as far as they are wanted. */
static void show(const struct check_line *line, struct diagnostics *diagnostics, const char *path, const char *text,
		 size_t length)
{
	bool colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR");
	unsigned kept = 0;

	for (unsigned i = 0; i < diagnostics->count; i++) {
		struct diagnostic item = diagnostics->item[i];

		if (line->quiet && item.level == DIAGNOSTIC_NOTE) {
			free(item.message);
			free(item.expected);
			free(item.file);
		} else {
			diagnostics->item[kept++] = item;
		}
	}
	diagnostics->count = kept;
	diagnostics_print(diagnostics, NULL, path, text, length, colour, stderr);
	diagnostics_free(diagnostics);
}

/* Whether the script is accepted; *status says when it cannot even be read. */
static bool check_one(const struct check_line *line, const char *path, int *status)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script;
	bool accepted = false;
	size_t length;
	const char *name;
	char *text = script_read_file(case_file(path, &name, line->arena), &length);

	if (!text) {
		fprintf(stderr, "plumbline check: %s: %s\n", path, strerror(errno));
		*status = EXIT_USAGE;
		return false;
	}
	script = script_parse_case(path, name, text, length, line->define, line->defines, &diagnostics);
	if (script)
		accepted = !(line->strict ? script_check : script_check_undefined)(script, &diagnostics);
	script_free(script);
	show(line, &diagnostics, path, text, length);
	free(text);
	return accepted;
}

int cmd_check(const struct subcommand *self, int argc, char **argv)
{
	struct check_line line = { .arena = arena_new() };
	unsigned accepted = 0;
	int status;

	line.define = arena_alloc(line.arena, (size_t)argc * sizeof(*line.define));
	status = parse_line(self, argc, argv, &line);
	if (!status && line.help) {
		usage_help(self);
	} else if (!status) {
		cases_expand(&line.paths, line.define, line.defines, line.arena);
		for (unsigned i = 0; i < line.paths.count; i++)
			accepted += check_one(&line, line.paths.path[i], &status);
		if (!status && accepted < line.paths.count)
			status = EXIT_USAGE;	/* as of any script that cannot be read */
		if (!line.quiet)
			printf("%u script%s, %u accepted, %u rejected\n", line.paths.count, line.paths.count == 1 ? "" : "s",
			       accepted, line.paths.count - accepted);
	}
	paths_free(&line.paths);
	arena_free(line.arena);
	return status;
}
