/*
 * Plumbline's options are one table, from which parsing and help are made. What it does not have is looked up among packetdrill's
 * options and passed on to the engine, so that a packetdrill command line works as it is.
 */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cases.h"

#define DEFAULT_SEED 1
#define WORKERS_MOST 1024
#define REAL_TIME_SHARE 8		/* scripts in real time mostly wait: so many a processor */
#define LIMIT_SECONDS 300

enum option_id {
	OPTION_HELP, OPTION_TARGET, OPTION_TARGETS, OPTION_JOBS, OPTION_FORMAT, OPTION_OUTPUT, OPTION_DEFINE, OPTION_PCAP,
	OPTION_KEEP_GOING, OPTION_NO_COMMANDS, OPTION_NO_PYTHON, OPTION_SEED, OPTION_TIME_LIMIT, OPTION_VERBOSE,
	OPTION_MOUNT, OPTION_REAL_TIME, OPTION_PAUSE_AT,
};

enum option_where { IN_RUN = 1, IN_COMPARE = 2, IN_BOTH = 3 };

struct option_row {
	enum option_id id;
	char letter;			/* -j; 0: none */
	const char *name;		/* --jobs */
	const char *value;		/* "N"; NULL: it takes none */
	enum option_where where;
	const char *help;
};

static const struct option_row rows[] = {
	{ OPTION_TARGET, 0, "target", "TARGET", IN_RUN, "refstack (the default), kernel, or so:FILE, a shared object" },
	{ OPTION_TARGETS, 0, "targets", "A,B", IN_COMPARE, "what to compare (refstack,kernel)" },
	{ OPTION_JOBS, 'j', "jobs", "N", IN_BOTH, "run N scripts at a time" },
	{ OPTION_FORMAT, 0, "format", "NAME", IN_BOTH, "how to report: pretty (the default), tap, junit or json" },
	{ OPTION_OUTPUT, 'o', "output", "FILE", IN_BOTH, "write the report to FILE" },
	{ OPTION_DEFINE, 'D', "define", "NAME=VALUE", IN_BOTH, "NAME stands for VALUE in the scripts" },
	{ OPTION_PCAP, 0, "pcap", "DIR", IN_BOTH, "write a capture of each script's packets below DIR" },
	{ OPTION_KEEP_GOING, 0, "keep-going", NULL, IN_RUN, "do not stop a script at its first failure" },
	{ OPTION_NO_COMMANDS, 0, "no-commands", NULL, IN_BOTH, "refuse scripts' shell commands" },
	{ OPTION_NO_PYTHON, 0, "no-python", NULL, IN_BOTH, "refuse scripts' Python" },
	{ OPTION_SEED, 0, "seed", "N", IN_BOTH, "of everything random in the reference stack (1)" },
	{ OPTION_TIME_LIMIT, 0, "time-limit", "SECONDS", IN_BOTH, "stop a script that takes longer (300)" },
	{ OPTION_MOUNT, 0, "mount", "DIR", IN_RUN, "mount the tree of the script's stack on DIR while it runs" },
	{ OPTION_REAL_TIME, 0, "real-time", NULL, IN_RUN, "virtual time keeps pace with the wall clock" },
	{ OPTION_PAUSE_AT, 0, "pause-at", "LINE", IN_RUN, "with --mount: stop before the event at LINE until Enter, or a write to DIR/control" },
	{ OPTION_VERBOSE, 'v', "verbose", NULL, IN_BOTH, "report scripts that pass, too" },
	{ OPTION_HELP, 'h', "help", NULL, IN_BOTH, "say this" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

void command_line_help(bool comparing)
{
	printf("\nOptions:\n");
	for (size_t i = 0; i < ROWS; i++) {
		char left[64], letter[8] = "    ";

		if (!(rows[i].where & (comparing ? IN_COMPARE : IN_RUN)))
			continue;
		if (rows[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ", rows[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, rows[i].name, rows[i].value ? " " : "",
			 rows[i].value ? rows[i].value : "");
		printf("  %-26s %s\n", left, rows[i].help);
	}
	printf("  every packetdrill option, as --NAME=VALUE (--tolerance_usecs=10000, --mtu=1400, ...); it overrides the script's own\n");
}

static const struct option_row *row_named(const char *name, size_t length, bool comparing)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].where & (comparing ? IN_COMPARE : IN_RUN) && strlen(rows[i].name) == length &&
		    !strncmp(rows[i].name, name, length))
			return &rows[i];
	return NULL;
}

static const struct option_row *row_lettered(char letter, bool comparing)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].where & (comparing ? IN_COMPARE : IN_RUN) && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

/* A whole decimal or hexadecimal number between the bounds. */
static bool parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 0);
	return !*end && !errno && *number >= least && *number <= most;
}

/* "NAME=VALUE": a name is a letter or '_', then letters, digits and '_'. */
static bool parse_define(struct command_line *line, const char *text)
{
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : 0;
	struct define *more;

	if (!length || (*text >= '0' && *text <= '9') ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") < length)
		return false;
	more = arena_alloc(line->arena, (line->defines + 1) * sizeof(*more));
	if (line->defines)
		memcpy(more, line->define, line->defines * sizeof(*more));
	more[line->defines++] = (struct define){
		.name = arena_memdup(line->arena, text, length),
		.value = arena_strdup(line->arena, equals + 1),
	};
	line->define = more;
	return true;
}

static bool find_target(struct command_line *line, unsigned which, const char *name)
{
	line->target[which] = name;
	line->ops[which] = target_find(name);
	line->so_file[which] = !strncmp(name, "so:", 3) ? name + 3 : NULL;
	return line->ops[which] && (!line->so_file[which] || *line->so_file[which]);
}

/* "refstack,kernel" */
static bool find_targets(struct command_line *line, const char *names)
{
	char *copy = arena_strdup(line->arena, names), *comma = strchr(copy, ',');

	if (!comma)
		return false;
	*comma = '\0';
	return find_target(line, 0, copy) && find_target(line, 1, comma + 1);
}

static void add_pause(struct command_line *line, unsigned at)
{
	unsigned *more = arena_alloc(line->arena, (line->live.pauses + 1) * sizeof(*more));

	if (line->live.pauses)
		memcpy(more, line->live.pause_at, line->live.pauses * sizeof(*more));
	more[line->live.pauses++] = at;
	line->live.pause_at = more;
}

static bool is_live(const struct command_line *line)
{
	return line->live.directory || line->live.real_time || line->live.pauses;
}

/* What a live run needs; then it runs on the live reference stack, as long as it takes. */
static int check_live(const struct subcommand *self, struct command_line *line)
{
	if (line->ops[0] != &refstack_target)
		return usage_error(self, "--mount, --real-time and --pause-at are for the reference stack, not for the target '%s'",
				   line->target[0]);
	if (line->live.pauses && !line->live.directory)
		return usage_error(self, "--pause-at needs --mount DIR, to look around in");
	if (line->live.directory && line->paths.count > 1)
		return usage_error(self, "--mount takes one script, not %u", line->paths.count);
#ifndef PLUMBLINE_FUSE
	if (line->live.directory)
		return usage_error(self, "this program was built without libfuse3: it mounts nothing");
#endif
	line->ops[0] = &live_target;
	if (!line->limited)
		line->limit = 0;
	return EXIT_PASSED;
}

static int set_option(const struct subcommand *self, struct command_line *line, const struct option_row *row, const char *value)
{
	uint64_t number = 0;

	switch (row->id) {
	case OPTION_HELP:
		line->help = true;
		break;
	case OPTION_TARGET:
		if (!find_target(line, 0, value))
			return usage_error(self, "there is no target '%s': refstack, kernel or so:FILE", value);
		break;
	case OPTION_TARGETS:
		if (!find_targets(line, value))
			return usage_error(self, "'%s' does not name two targets: A,B, each refstack, kernel or so:FILE", value);
		break;
	case OPTION_JOBS:
		if (!parse_number(value, 1, WORKERS_MOST, &number))
			return usage_error(self, "-j takes a number from 1 to %u, not '%s'", WORKERS_MOST, value);
		line->workers = (unsigned)number;
		break;
	case OPTION_FORMAT:
		line->format = report_find(value);
		if (!line->format)
			return usage_error(self, "there is no format '%s': %s", value, report_names);
		break;
	case OPTION_OUTPUT:
		line->output = value;
		break;
	case OPTION_DEFINE:
		if (!parse_define(line, value))
			return usage_error(self, "-D takes NAME=VALUE, not '%s'", value);
		break;
	case OPTION_PCAP:
		line->pcap = value;
		break;
	case OPTION_KEEP_GOING:
		line->keep_going = true;
		break;
	case OPTION_NO_COMMANDS:
		line->no_commands = true;
		break;
	case OPTION_NO_PYTHON:
		line->no_python = true;
		break;
	case OPTION_SEED:
		if (!parse_number(value, 0, UINT64_MAX, &line->seed))
			return usage_error(self, "--seed takes a number, not '%s'", value);
		break;
	case OPTION_TIME_LIMIT:
		if (!parse_number(value, 1, 1000000, &number))
			return usage_error(self, "--time-limit takes a number of seconds, not '%s'", value);
		line->limit = (pl_time)number * PL_NSEC_PER_SEC;
		line->limited = true;
		break;
	case OPTION_VERBOSE:
		line->verbose = true;
		break;
	case OPTION_MOUNT:
		line->live.directory = value;
		break;
	case OPTION_REAL_TIME:
		line->live.real_time = true;
		break;
	case OPTION_PAUSE_AT:
		if (!parse_number(value, 1, INT_MAX, &number))
			return usage_error(self, "--pause-at takes a line number, not '%s'", value);
		add_pause(line, (unsigned)number);
		break;
	}
	return EXIT_PASSED;
}

static int add_packetdrill_option(const struct subcommand *self, struct command_line *line, const char *name, const char *value,
				  bool takes_value)
{
	struct script_option *more;

	if (!takes_value && value)
		return usage_error(self, "--%s takes no value", name);
	more = arena_alloc(line->arena, (line->options + 1) * sizeof(*more));
	if (line->options)
		memcpy(more, line->option, line->options * sizeof(*more));
	more[line->options++] = (struct script_option){ .name = name, .value = value };
	line->option = more;
	return EXIT_PASSED;
}

/* --name, --name=value or --name value; *at is moved on past what was used. */
static int parse_long(const struct subcommand *self, struct command_line *line, bool comparing, char **argv, int *at)
{
	const char *text = argv[*at] + 2, *value = strchr(text, '=');
	size_t length = value ? (size_t)(value - text) : strlen(text);
	const struct option_row *row = row_named(text, length, comparing);
	const char *name = arena_memdup(line->arena, text, length);
	bool takes_value = row && row->value;

	if (!row && !engine_option(name, &takes_value))
		return usage_error(self, "there is no option --%s", name);
	if (value)
		value++;
	else if (takes_value && !(value = argv[++*at]))
		return usage_error(self, "--%s takes a value", name);
	if (!row)
		return add_packetdrill_option(self, line, name, value, takes_value);
	if (!row->value && value)
		return usage_error(self, "--%s takes no value", name);
	return set_option(self, line, row, value);
}

/* -j N, -jN, and letters without a value together. */
static int parse_letters(const struct subcommand *self, struct command_line *line, bool comparing, char **argv, int *at)
{
	const char *letter = argv[*at] + 1;
	int error = EXIT_PASSED;

	while (*letter && !error) {
		const struct option_row *row = row_lettered(*letter, comparing);
		const char *value = NULL;

		if (!row)
			return usage_error(self, "there is no option -%c", *letter);
		letter++;
		if (row->value) {
			value = *letter ? letter : argv[++*at];
			if (!value)
				return usage_error(self, "-%c takes a value", row->letter);
			letter = "";
		}
		error = set_option(self, line, row, value);
	}
	return error;
}

static int add_path(const struct subcommand *self, struct command_line *line, const char *argument)
{
	const char *error = paths_add(&line->paths, argument, line->arena);

	return error ? usage_error(self, "%s", error) : EXIT_PASSED;
}

static unsigned default_workers(const struct command_line *line)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned workers = processors > 0 && processors < WORKERS_MOST ? (unsigned)processors : 1;

	for (unsigned i = 0; i < line->targets; i++)
		if (!line->ops[i]->virtual_time)
			return workers * REAL_TIME_SHARE < WORKERS_MOST ? workers * REAL_TIME_SHARE : WORKERS_MOST;
	return workers;
}

int command_line_parse(const struct subcommand *self, bool comparing, int argc, char **argv, struct command_line *line)
{
	bool options = true;
	int error = EXIT_PASSED;

	memset(line, 0, sizeof(*line));
	line->arena = arena_new();
	line->format = &report_pretty;
	line->seed = DEFAULT_SEED;
	line->limit = LIMIT_SECONDS * PL_NSEC_PER_SEC;
	line->targets = comparing ? 2 : 1;
	find_target(line, 0, "refstack");
	if (comparing)
		find_target(line, 1, "kernel");
	for (int at = 1; at < argc && !error && !line->help; at++) {
		if (options && !strcmp(argv[at], "--"))
			options = false;
		else if (options && !strncmp(argv[at], "--", 2))
			error = parse_long(self, line, comparing, argv, &at);
		else if (options && argv[at][0] == '-' && argv[at][1])
			error = parse_letters(self, line, comparing, argv, &at);
		else
			error = add_path(self, line, argv[at]);
	}
	if (error || line->help)
		return error;
	cases_expand(&line->paths, line->define, line->defines, line->arena);
	if (!line->paths.count)
		return usage_error(self, "which scripts? Name files, or folders of *.pkt files");
	if (!line->workers)
		line->workers = default_workers(line);
	return is_live(line) ? check_live(self, line) : EXIT_PASSED;
}

int command_line_parse_paths(const struct subcommand *self, int argc, char **argv, const struct paths *paths,
			     struct command_line *line)
{
	char **all = calloc((size_t)argc + paths->count + 2, sizeof(*all)), dashes[] = "--";
	int status;

	if (!all)
		abort();
	memcpy(all, argv, (size_t)argc * sizeof(*all));
	all[argc] = dashes;
	memcpy(all + argc + 1, paths->path, paths->count * sizeof(*all));
	status = command_line_parse(self, false, argc + 1 + (int)paths->count, all, line);
	free(all);
	return status;
}

void command_line_free(struct command_line *line)
{
	paths_free(&line->paths);
	arena_free(line->arena);
}

void command_line_run_options(const struct command_line *line, unsigned which, struct run_options *options)
{
	*options = (struct run_options){
		.define = line->define,
		.defines = line->defines,
		.option = line->option,
		.options = line->options,
		.target = line->ops[which],
		.so_file = line->so_file[which],
		.keep_going = line->keep_going,
		.no_commands = line->no_commands,
		.no_python = line->no_python,
		.seed = line->seed,
		.live = &line->live,
	};
}
