/*
 * plumbline coverage: the checklist, and for each row of it the cases that show it with their verdicts.
 *
 * A case says what it shows in a comment at its head, "// shows: ID ID". Each case is run on each target once, whatever number of
 * rows it shows; a row of a script's table is a case.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "cases.h"
#include "runs.h"
#include "subcommand.h"

#define TARGETS 2
#define NOT_RUN OUTCOME_VERDICTS

struct requirement {
	const char *id, *place, *text, *oracle;
	unsigned *shown_by;		/* places in the paths */
	unsigned cases, room;
};

struct coverage {
	const struct subcommand *self;
	struct arena *arena;
	const char *checklist, *workers, *output;
	bool json, list, help;
	const char *target[TARGETS];
	unsigned targets;
	struct paths paths;
	struct requirement *requirement;
	unsigned requirements;
	unsigned char *verdict[TARGETS];	/* by the place in the paths; NOT_RUN: not */
	unsigned at, told;			/* the target that is being run, and how many of its cases are told */
	bool unknown;				/* a case shows what the checklist does not have */
};

static const char *const all_targets[TARGETS] = { "refstack", "kernel" };

/* --- the checklist --------------------------------------------------------------------------------------------------------- */
static void add_requirement(struct coverage *coverage, char *line)
{
	struct requirement *old = coverage->requirement, *requirement;
	char *part[4] = { 0 }, *rest = line;

	for (unsigned i = 0; i < 4 && rest; i++)
		part[i] = strsep(&rest, "\t\r");
	if (!(coverage->requirements & (coverage->requirements + 1))) {
		coverage->requirement = arena_alloc(coverage->arena, 2 * (coverage->requirements + 1) * sizeof(*old));
		if (old)
			memcpy(coverage->requirement, old, coverage->requirements * sizeof(*old));
	}
	requirement = &coverage->requirement[coverage->requirements++];
	*requirement = (struct requirement){ .id = part[0], .place = part[1] ? part[1] : "", .text = part[2] ? part[2] : "",
					     .oracle = part[3] ? part[3] : "" };
}

static bool read_checklist(struct coverage *coverage)
{
	size_t length;
	char *text = script_read_file(coverage->checklist, &length), *rest, *line;

	if (!text) {
		fprintf(stderr, "plumbline coverage: %s: %s\n", coverage->checklist, strerror(errno));
		return false;
	}
	rest = arena_memdup(coverage->arena, text, length);
	free(text);
	while ((line = strsep(&rest, "\n")))
		if (*line && *line != '#')
			add_requirement(coverage, line);
	return true;
}

/* --- what the cases show ---------------------------------------------------------------------------------------------------- */
struct showing {
	struct coverage *coverage;
	unsigned place;
	bool again;			/* a case of a script whose unknown ids are told already */
};

static void shows(void *context, const char *path, const char *word, size_t length)
{
	struct showing *showing = context;
	struct coverage *coverage = showing->coverage;
	struct requirement *row = NULL;

	for (unsigned i = 0; i < coverage->requirements && !row; i++)
		if (strlen(coverage->requirement[i].id) == length && !memcmp(coverage->requirement[i].id, word, length))
			row = &coverage->requirement[i];
	if (!row) {
		coverage->unknown = true;
		if (!showing->again)
			fprintf(stderr, "plumbline coverage: %s: the checklist has no %.*s\n", path, (int)length, word);
		return;
	}
	if (row->cases && row->shown_by[row->cases - 1] == showing->place)
		return;
	if (row->cases == row->room) {
		unsigned *old = row->shown_by;

		row->room = row->room ? 2 * row->room : 8;
		row->shown_by = arena_alloc(coverage->arena, row->room * sizeof(*old));
		if (old)
			memcpy(row->shown_by, old, row->cases * sizeof(*old));
	}
	row->shown_by[row->cases++] = showing->place;
}

static void read_cases(struct coverage *coverage)
{
	const char *before = "", *name;

	for (unsigned i = 0; i < coverage->paths.count; i++) {
		const char *file = case_file(coverage->paths.path[i], &name, coverage->arena);
		struct showing showing = { coverage, i, !strcmp(file, before) };

		case_words(file, "// shows:", shows, &showing);
		before = file;
	}
}

/* --- verdicts ---------------------------------------------------------------------------------------------------------------- */
/* A report that keeps verdicts; they come in the order of the paths. */
static void take_begin(struct report *report)
{
	(void)report;
}

static void take_result(struct report *report, const struct outcome *outcome)
{
	struct coverage *coverage = report->context;

	if (coverage->told < coverage->paths.count)
		coverage->verdict[coverage->at][coverage->told++] = (unsigned char)outcome->verdict;
}

static const struct report_ops take_verdicts = { "coverage", take_begin, take_result, take_begin };

/* Run all cases on one target: an exit status, or minus the number of a signal. */
static int run_target(struct coverage *coverage)
{
	char *argv[] = { "coverage", "--target", arena_strdup(coverage->arena, coverage->target[coverage->at]), "-j",
			 arena_strdup(coverage->arena, coverage->workers ? coverage->workers : "1"), NULL };
	struct command_line line;
	int status;

	for (unsigned i = 0; i < coverage->paths.count; i++)
		coverage->verdict[coverage->at][i] = NOT_RUN;
	coverage->told = 0;
	status = command_line_parse_paths(coverage->self, coverage->workers ? 5 : 3, argv, &coverage->paths, &line);
	if (!status) {
		line.format = &take_verdicts;
		line.report_context = coverage;
		status = run_scripts(&line);
	}
	command_line_free(&line);
	return status;
}

static const char *verdict_text(unsigned verdict)
{
	return verdict == NOT_RUN ? "not run" : outcome_verdict_name((enum outcome_verdict)verdict);
}

/* Of all cases of a row together: the worst of them, but one that was skipped does not undo one that passed. */
static const char *row_verdict(const struct coverage *coverage, const struct requirement *row, unsigned target)
{
	unsigned count[OUTCOME_VERDICTS + 1] = { 0 };

	for (unsigned i = 0; i < row->cases; i++)
		count[coverage->verdict[target][row->shown_by[i]]]++;
	if (!row->cases)
		return "none";
	return verdict_text(count[OUTCOME_ERROR]  ? OUTCOME_ERROR
			    : count[OUTCOME_FAIL] ? OUTCOME_FAIL
			    : count[OUTCOME_PASS] ? OUTCOME_PASS
			    : count[OUTCOME_SKIP] ? OUTCOME_SKIP
						  : NOT_RUN);
}

/* --- reports ----------------------------------------------------------------------------------------------------------------- */
static void print_case(const struct coverage *coverage, unsigned place, FILE *out)
{
	bool passed = true;

	for (unsigned i = 0; i < coverage->targets; i++)
		passed &= coverage->verdict[i][place] == OUTCOME_PASS;
	if (passed && !coverage->list)
		return;
	fprintf(out, "    %s", coverage->paths.path[place]);
	for (unsigned i = 0; i < coverage->targets && !coverage->list; i++)
		fprintf(out, "  %s %s", coverage->target[i], verdict_text(coverage->verdict[i][place]));
	fputc('\n', out);
}

static void print_text(const struct coverage *coverage, FILE *out)
{
	unsigned shown = 0, passing = 0;

	fprintf(out, "%-26s %6s", "id", "cases");
	for (unsigned i = 0; i < coverage->targets; i++)
		fprintf(out, "  %-8s", coverage->target[i]);
	fputs("  requirement\n", out);
	for (unsigned r = 0; r < coverage->requirements; r++) {
		const struct requirement *row = &coverage->requirement[r];
		bool passes = row->cases > 0;

		fprintf(out, "%-26s %6u", row->id, row->cases);
		for (unsigned i = 0; i < coverage->targets; i++) {
			const char *verdict = row_verdict(coverage, row, i);

			fprintf(out, "  %-8s", verdict);
			passes &= !strcmp(verdict, "pass");
		}
		fprintf(out, "  %s\n", row->text);
		for (unsigned i = 0; i < row->cases; i++)
			print_case(coverage, row->shown_by[i], out);
		shown += row->cases > 0;
		passing += passes;
	}
	fprintf(out, "%u ids: %u with cases, %u without", coverage->requirements, shown, coverage->requirements - shown);
	if (!coverage->list)
		fprintf(out, "; %u pass on %s%s%s", passing, coverage->target[0], coverage->targets > 1 ? " and " : "",
			coverage->targets > 1 ? coverage->target[1] : "");
	fprintf(out, "; %u cases\n", coverage->paths.count);
}

static void put_json(const char *text, FILE *out)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else if (*c < ' ')
			fprintf(out, "\\u%04x", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

static void put_member(const char *name, const char *text, FILE *out)
{
	fprintf(out, ", \"%s\": ", name);
	put_json(text, out);
}

static void print_json(const struct coverage *coverage, FILE *out)
{
	for (unsigned r = 0; r < coverage->requirements; r++) {
		const struct requirement *row = &coverage->requirement[r];

		fputs("{\"id\": ", out);
		put_json(row->id, out);
		put_member("requirement", row->text, out);
		put_member("oracle", row->oracle, out);
		fputs(", \"cases\": [", out);
		for (unsigned i = 0; i < row->cases; i++) {
			fputs(i ? ", " : "", out);
			put_json(coverage->paths.path[row->shown_by[i]], out);
		}
		fputc(']', out);
		for (unsigned i = 0; i < coverage->targets; i++)
			put_member(coverage->target[i], row_verdict(coverage, row, i), out);
		fputs("}\n", out);
	}
}

static int report(const struct coverage *coverage)
{
	FILE *out = coverage->output ? fopen(coverage->output, "we") : stdout;
	int failed;

	if (!out) {
		fprintf(stderr, "plumbline coverage: cannot write %s: %s\n", coverage->output, strerror(errno));
		return EXIT_USAGE;
	}
	(coverage->json ? print_json : print_text)(coverage, out);
	failed = fflush(out) || ferror(out);
	if (out != stdout)
		failed |= fclose(out);
	return failed ? EXIT_USAGE : EXIT_PASSED;
}

/* --- the command line --------------------------------------------------------------------------------------------------------- */
static bool take_targets(struct coverage *coverage, const char *text)
{
	char *rest = arena_strdup(coverage->arena, text), *part;

	coverage->targets = 0;
	while ((part = strsep(&rest, ","))) {
		unsigned i = 0;

		while (i < TARGETS && strcmp(all_targets[i], part))
			i++;
		if (i == TARGETS || coverage->targets == TARGETS)
			return false;
		coverage->target[coverage->targets++] = all_targets[i];
	}
	return coverage->targets;
}

static int parse_arguments(struct coverage *coverage, int argc, char **argv)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },    { "checklist", required_argument, NULL, 'c' },
		{ "targets", required_argument, NULL, 't' },   { "jobs", required_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },    { "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },	       { 0 },
	};
	const char *error = NULL;
	int option;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "f:c:t:j:o:lh", options, NULL)) >= 0) {
		if (option == 'f' && strcmp(optarg, "text") && strcmp(optarg, "json"))
			return usage_error(coverage->self, "--format takes text or json");
		if (option == 't' && !take_targets(coverage, optarg))
			return usage_error(coverage->self, "--targets takes refstack, kernel, or both with a comma");
		if (option == '?')
			return usage_error(coverage->self, "unknown option or missing value: %s", argv[optind - 1]);
		coverage->json = option == 'f' ? !strcmp(optarg, "json") : coverage->json;
		coverage->checklist = option == 'c' ? optarg : coverage->checklist;
		coverage->workers = option == 'j' ? optarg : coverage->workers;
		coverage->output = option == 'o' ? optarg : coverage->output;
		coverage->list |= option == 'l';
		coverage->help |= option == 'h';
	}
	for (int i = optind; i < argc && !error; i++)
		error = paths_add(&coverage->paths, argv[i], coverage->arena);
	if (optind == argc && !coverage->help)
		error = paths_add(&coverage->paths, "cases", coverage->arena);
	if (error)
		return usage_error(coverage->self, "%s", error);
	cases_expand(&coverage->paths, NULL, 0, coverage->arena);
	return EXIT_PASSED;
}

static int run_targets(struct coverage *coverage)
{
	int worst = EXIT_PASSED;

	for (unsigned i = 0; i < coverage->targets; i++) {
		int status;

		coverage->verdict[i] = arena_alloc(coverage->arena, coverage->paths.count + 1);
		memset(coverage->verdict[i], NOT_RUN, coverage->paths.count + 1);
		if (coverage->list)
			continue;
		coverage->at = i;
		status = run_target(coverage);
		if (status < 0)
			return status;
		if (status && status != EXIT_SKIPPED)
			worst = EXIT_FAILED;
	}
	return worst;
}

int cmd_coverage(const struct subcommand *self, int argc, char **argv)
{
	struct coverage coverage = { .self = self, .arena = arena_new(), .checklist = "cases/checklist.tsv",
				     .target = { "refstack", "kernel" }, .targets = TARGETS };
	int status = parse_arguments(&coverage, argc, argv);

	if (!status && coverage.help) {
		usage_help(self);
	} else if (!status && !read_checklist(&coverage)) {
		status = EXIT_USAGE;
	} else if (!status) {
		read_cases(&coverage);
		status = run_targets(&coverage);
		if (status >= 0 && report(&coverage))
			status = EXIT_USAGE;
		if (!status && coverage.unknown)
			status = EXIT_FAILED;
	}
	paths_free(&coverage.paths);
	arena_free(coverage.arena);
	return status < 0 ? end_by_signal(-status) : status;
}
