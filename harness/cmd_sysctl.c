/* plumbline sysctl list: the tunables as the definition list has them, and the cases that show them. */
#include <getopt.h>
#include <plumbline/sysctl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"
#include "cases.h"
#include "subcommand.h"
#include "text.h"

struct tunable {
	struct pl_sysctl_description is;
	const char *name;		/* dotted: net.ipv4.conf.IF.rp_filter */
	struct text cases;		/* paths, a space between two */
	unsigned case_count;
};

struct sysctl_list {
	struct arena *arena;
	struct tunable *tunable;
	unsigned count;
	bool unknown;			/* a case named a tunable that does not exist */
};

static const char *const marks[] = { [PL_SYSCTL_ACTS] = "acts", [PL_SYSCTL_INERT] = "inert", [PL_SYSCTL_PENDING] = "pending" };

static void collect(struct sysctl_list *list)
{
	struct pl_sysctl_description description;

	while (pl_sysctl_describe(list->count, &description))
		list->count++;
	list->tunable = arena_alloc(list->arena, list->count * sizeof(*list->tunable));
	for (unsigned i = 0; i < list->count; i++) {
		struct tunable *tunable = &list->tunable[i];
		char *name;

		pl_sysctl_describe(i, &tunable->is);
		name = arena_printf(list->arena, "%s/%s", tunable->is.folder, tunable->is.file);
		for (char *c = name; *c; c++)
			if (*c == '/')
				*c = '.';
		tunable->name = name;
		tunable->cases.arena = list->arena;
	}
}

/* One word of a "// tunables:" comment. */
static void shown(void *context, const char *path, const char *word, size_t length)
{
	struct sysctl_list *list = context;

	for (unsigned i = 0; i < list->count; i++) {
		struct tunable *tunable = &list->tunable[i];

		if (strlen(tunable->name) != length || memcmp(tunable->name, word, length))
			continue;
		text_add(&tunable->cases, "%s%s", tunable->case_count++ ? " " : "", path);
		return;
	}
	fprintf(stderr, "plumbline sysctl: %s: there is no tunable %.*s\n", path, (int)length, word);
	list->unknown = true;
}

/* NULL, or why not. */
static const char *scan_cases(struct sysctl_list *list, const char *folder)
{
	struct paths paths = { 0 };
	const char *error = paths_add(&paths, folder, list->arena);

	for (unsigned i = 0; i < paths.count; i++)
		case_words(paths.path[i], "// tunables:", shown, list);
	paths_free(&paths);
	return error;
}

/* "1 to 255", "at least 1", or "". */
static const char *bounds(struct arena *arena, const struct pl_sysctl_description *is)
{
	if (!is->bounded)
		return "";
	if (is->maximum == INT32_MAX || is->maximum == UINT64_MAX)
		return is->minimum ? arena_printf(arena, "at least %lld", (long long)is->minimum) : "not negative";
	return arena_printf(arena, "%lld to %llu", (long long)is->minimum, (unsigned long long)is->maximum);
}

static const char *start(const struct pl_sysctl_description *is)
{
	return is->machine ? "by the machine" : is->start;
}

static void print_text(struct sysctl_list *list)
{
	unsigned marked[3] = { 0 }, with_case = 0;

	for (unsigned i = 0; i < list->count; i++) {
		const struct tunable *tunable = &list->tunable[i];
		const struct pl_sysctl_description *is = &tunable->is;
		const char *limits = bounds(list->arena, is);

		printf("%s\n    %s%s%s; default: %s%s\n    %s\n    %s", tunable->name, is->kind, *limits ? ", " : "", limits,
		       *start(is) ? start(is) : "empty", is->first_namespace ? "; first namespace only" : "", is->meaning, marks[is->mark]);
		printf(is->note ? ": %s\n" : "\n", is->note);
		if (tunable->case_count)
			printf("    shown by %s\n", text_get(&tunable->cases));
		marked[is->mark]++;
		with_case += is->mark == PL_SYSCTL_ACTS && tunable->case_count;
	}
	printf("%u tunables: %u act, %u of them shown by a case; %u inert, %u pending\n", list->count, marked[PL_SYSCTL_ACTS], with_case,
	       marked[PL_SYSCTL_INERT], marked[PL_SYSCTL_PENDING]);
}

/* The list's own text has no control characters; paths may have anything. */
static void put_json(const char *text)
{
	putchar('"');
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else if (*c < ' ')
			printf("\\u%04x", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

static void print_member(const char *name, const char *text)
{
	printf("\"%s\": ", name);
	if (text)
		put_json(text);
	else
		printf("null");
	printf(", ");
}

static void print_json(struct sysctl_list *list)
{
	for (unsigned i = 0; i < list->count; i++) {
		const struct tunable *tunable = &list->tunable[i];
		const struct pl_sysctl_description *is = &tunable->is;

		putchar('{');
		print_member("name", tunable->name);
		print_member("kind", is->kind);
		print_member("default", is->machine ? NULL : is->start);
		if (is->bounded)
			printf("\"minimum\": %lld, \"maximum\": %llu, ", (long long)is->minimum, (unsigned long long)is->maximum);
		printf("\"mode\": \"%04o\", \"first_namespace\": %s, ", is->mode, is->first_namespace ? "true" : "false");
		print_member("meaning", is->meaning);
		print_member("mark", marks[is->mark]);
		print_member("note", is->note);
		printf("\"cases\": [");
		if (tunable->case_count) {
			char *cases = arena_strdup(list->arena, text_get(&tunable->cases)), *save;

			for (char *path = strtok_r(cases, " ", &save), *first = path; path; path = strtok_r(NULL, " ", &save)) {
				printf("%s", path == first ? "" : ", ");
				put_json(path);
			}
		}
		printf("]}\n");
	}
}

/* The manual page, in mdoc. The list's text is troff-safe (meaning_list.h). */
static void print_man(struct sysctl_list *list)
{
	printf(".Dd November 22, 2026\n.Dt PLUMBLINE-SYSCTL 7\n.Os\n.Sh NAME\n.Nm plumbline-sysctl\n"
	       ".Nd tunables of the reference stack\n.Sh DESCRIPTION\n"
	       "The reference stack of\n.Xr plumbline 1\nhas the tunables of Linux 6.18, by the same names and with the same rules.\n"
	       "What is inert cannot matter to this stack; what is pending matters on Linux and does not yet here.\n"
	       ".Ql IF\nis\n.Ql all ,\n.Ql default\nor the name of a link.\n"
	       "This page is made from the list of definitions;\n.Ql plumbline sysctl list\nprints it with the cases that show each.\n"
	       ".Bl -tag -width Ds\n");
	for (unsigned i = 0; i < list->count; i++) {
		const struct pl_sysctl_description *is = &list->tunable[i].is;
		const char *limits = bounds(list->arena, is);

		printf(".It Va %s\n%c%s.\nTakes: %s%s%s.\nDefault: %s.\n", list->tunable[i].name, is->meaning[0] >= 'a' && is->meaning[0] <= 'z' ? is->meaning[0] - 32 : is->meaning[0],
		       is->meaning + 1, is->kind, *limits ? ", " : "", limits, *start(is) ? start(is) : "empty");
		if (is->first_namespace)
			printf("Only in the first network namespace.\n");
		if (is->mark != PL_SYSCTL_ACTS)
			printf("%s: %s.\n", is->mark == PL_SYSCTL_INERT ? "Inert" : "Pending", is->note);
	}
	printf(".El\n.Sh SEE ALSO\n.Xr plumbline 1 ,\n.Xr ip 7 ,\n.Xr tcp 7 ,\n.Xr sysctl 8\n");
}

static const struct sysctl_format {
	const char *name;
	void (*print)(struct sysctl_list *list);
} formats[] = { { "text", print_text }, { "json", print_json }, { "man", print_man }, { 0 } };

static const struct sysctl_format *find_format(const char *name)
{
	for (const struct sysctl_format *row = formats; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

/* 0: go on; otherwise the exit status plus one. */
static int parse(const struct subcommand *self, int argc, char **argv, const struct sysctl_format **format, const char **cases)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "cases", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	optind = 1;
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			*format = find_format(optarg);
			if (!*format)
				return usage_error(self, "--format takes text, json or man") + 1;
			break;
		case 'c':
			*cases = optarg;
			break;
		case 'h':
			return usage_help(self) + 1;
		case ':':
			return usage_error(self, "%s needs a value", argv[optind - 1]) + 1;
		default:
			return usage_error(self, "unknown option %s", argv[optind - 1]) + 1;
		}
	}
	if (optind != argc - 1 || strcmp(argv[optind], "list"))
		return usage_error(self, "'list' is expected") + 1;
	return 0;
}

int cmd_sysctl(const struct subcommand *self, int argc, char **argv)
{
	struct sysctl_list list = { 0 };
	const struct sysctl_format *format = formats;
	const char *cases = NULL, *error = NULL;
	int status = parse(self, argc, argv, &format, &cases);

	if (status)
		return status - 1;
	list.arena = arena_new();
	collect(&list);
	if (cases || !access("cases", R_OK))
		error = scan_cases(&list, cases ? cases : "cases");
	if (error)
		status = usage_error(self, "%s", error);
	else
		format->print(&list);
	arena_free(list.arena);
	return status ? status : list.unknown ? EXIT_FAILED : EXIT_PASSED;
}
