/* What run and compare share: reading scripts, writing captures, reporting. */
#include "runs.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "cases.h"
#include "session.h"
#include "wire/pcap.h"

#define SCRIPT_MOST (16u << 20)		/* bytes: no script is as long */

/* --- scripts --------------------------------------------------------------------------------------------------------- */

/* A whole file into the arena. NULL: *error. */
static char *read_file(const char *path, struct arena *arena, size_t *length, const char **error)
{
	FILE *file = fopen(path, "re");
	size_t room = 65536, used = 0, got;
	char *text;

	if (!file) {
		*error = strerror(errno);
		return NULL;
	}
	text = malloc(room);
	while (text && (got = fread(text + used, 1, room - used, file)) > 0 && used <= SCRIPT_MOST) {
		used += got;
		if (used == room)
			text = realloc(text, room *= 2);
	}
	if (!text)
		abort();
	*error = ferror(file) ? strerror(errno) : used > SCRIPT_MOST ? "too long to be a script" : NULL;
	fclose(file);
	if (!*error) {
		char *copy = arena_memdup(arena, text, used);

		free(text);
		*length = used;
		return copy;
	}
	free(text);
	return NULL;
}

static void unreadable(struct outcome *outcome, const char *reason)
{
	outcome->verdict = OUTCOME_ERROR;
	outcome->unreadable = true;
	outcome->reason = reason;
}

/* What the parser or the checks have to say, as text for the report. */
static void diagnose(const struct diagnostics *diagnostics, const struct script *script, const char *path, const char *text,
		     size_t length, struct arena *arena, struct outcome *outcome)
{
	char *lines = NULL;
	size_t size;
	FILE *stream = open_memstream(&lines, &size);

	if (!stream)
		abort();
	diagnostics_print(diagnostics, script, path, text, length, false, stream);
	fclose(stream);
	outcome->diagnostics = arena_strdup(arena, lines);
	free(lines);
	if (diagnostics->count) {
		const struct diagnostic *first = &diagnostics->item[0];

		outcome->reason = arena_strdup(arena, first->message);
		outcome->line = first->span.line > 0 ? (uint32_t)first->span.line : 0;
	}
}

struct script *read_script(const char *path, const struct command_line *line, struct arena *arena, struct outcome *outcome)
{
	struct diagnostics diagnostics = { 0 };
	const char *error, *name;
	size_t length = 0;
	char *text = read_file(case_file(path, &name, arena), arena, &length, &error);
	struct script *script;

	if (!text) {
		unreadable(outcome, error);
		return NULL;
	}
	script = script_parse_case(path, name, text, length, line->define, line->defines, &diagnostics);
	if (script && !script_check(script, &diagnostics)) {
		diagnostics_free(&diagnostics);
		return script;
	}
	unreadable(outcome, "it is not a script");
	diagnose(&diagnostics, script, path, text, length, arena, outcome);
	diagnostics_free(&diagnostics);
	if (script)
		script_free(script);
	return NULL;
}

const char *script_lines(const struct script *script, const struct source_span *span, struct arena *arena)
{
	const char *at = script->text, *end = script->text + script->length, *stop;
	int line = 1, last = span->end_line > span->line ? span->end_line : span->line;

	if (span->file || span->line < 1 || !at)
		return NULL;
	for (; line < span->line && at < end; at++)
		line += *at == '\n';
	stop = at;
	while (stop < end && (*stop != '\n' || line++ < last))
		stop++;
	return stop > at ? arena_memdup(arena, at, (size_t)(stop - at)) : NULL;
}

/* --- captures -------------------------------------------------------------------------------------------------------- */

/* Where a script's capture goes: its path below the folder, with "..", which would lead out, as "_". */
static char *capture_path(const struct command_line *line, unsigned job, const char *name, struct arena *arena)
{
	char *copy = arena_strdup(arena, line->paths.path[job]), *rest = NULL, *part;
	char *path = arena_strdup(arena, line->pcap);
	size_t length;
	unsigned again = 1;

	for (part = strtok_r(copy, "/", &rest); part; part = strtok_r(NULL, "/", &rest))
		if (strcmp(part, "."))
			path = arena_printf(arena, "%s/%s", path, strcmp(part, "..") ? part : "_");
	length = strlen(path);
	if (length > 4 && !strcmp(path + length - 4, ".pkt"))
		path[length - 4] = '\0';
	/* A script that was named more than once has a capture for each time. */
	for (unsigned i = 0; i < job; i++)
		again += !strcmp(line->paths.path[i], line->paths.path[job]);
	if (again > 1)
		path = arena_printf(arena, "%s-%u", path, again);
	return arena_printf(arena, "%s%s%s.pcap", path, name ? "." : "", name ? name : "");
}

/* Every folder that the path goes through. */
static int make_folders(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		int error;

		*slash = '\0';
		error = mkdir(path, 0777) && errno != EEXIST ? errno : 0;
		*slash = '/';
		if (error)
			return error;
	}
	return 0;
}

const char *write_capture(const struct command_line *line, unsigned job, const char *name, const struct trace *trace,
			  struct arena *arena)
{
	char *path;
	int error;

	if (!line->pcap)
		return NULL;
	path = capture_path(line, job, name, arena);
	error = make_folders(path);
	if (!error)
		error = -pcap_write_trace(path, trace);
	return error ? arena_printf(arena, "cannot write %s: %s", path, strerror(error)) : NULL;
}

/* --- reports --------------------------------------------------------------------------------------------------------- */

static bool colours(FILE *out)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no_color && *no_color);
}

int run_all(const struct command_line *line, void *context,
	    void (*run)(void *context, unsigned job, struct arena *arena, struct outcome *outcome))
{
	struct report report = {
		.ops = line->format, .out = stdout, .verbose = line->verbose, .comparing = line->targets == 2, .context = line->report_context,
		.target = { line->target[0], line->target[1] },
	};
	struct session session = {
		.paths = &line->paths, .workers = line->workers, .limit = line->limit, .report = &report, .run = run, .context = context,
		.live = line->live.pauses ? (struct live *)&line->live : NULL,
	};
	int status;

	for (unsigned i = 0; i < line->targets; i++)
		session.real_time |= !line->ops[i]->virtual_time;
	if (line->output && !(report.out = fopen(line->output, "we"))) {
		fprintf(stderr, "plumbline: cannot write %s: %s\n", line->output, strerror(errno));
		return EXIT_USAGE;
	}
	report.colour = colours(report.out);
	status = session_run(&session);
	if (fflush(report.out) || ferror(report.out)) {
		fprintf(stderr, "plumbline: the report could not be written: %s\n", strerror(errno));
		status = status < 0 ? status : EXIT_USAGE;
	}
	if (report.out != stdout)
		fclose(report.out);
	return status;
}

/* What a signal would have done, now that everything is tidied up. */
int end_by_signal(int signal_number)
{
	fflush(NULL);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
	return EXIT_FAILED;
}
