#include "cases.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"

const char *case_file(const char *path, const char **name, struct arena *arena)
{
	size_t length = strlen(path);
	const char *open = strrchr(path, '[');

	*name = NULL;
	if (length < 3 || path[length - 1] != ']' || !open || open == path || !access(path, F_OK))
		return path;
	*name = arena_memdup(arena, open + 1, (size_t)(path + length - 1 - open - 1));
	return arena_memdup(arena, path, (size_t)(open - path));
}

static void add(struct paths *paths, char *path)
{
	if (!path)
		abort();
	if (paths->count == paths->room) {
		paths->room = paths->room ? 2 * paths->room : 64;
		paths->path = realloc(paths->path, paths->room * sizeof(*paths->path));
		if (!paths->path)
			abort();
	}
	paths->path[paths->count++] = path;
}

/* The script at `path` goes into `to`, or each of its cases does. */
static void expand(struct paths *to, char *path, const struct define *define, unsigned defines, struct arena *arena)
{
	struct diagnostics diagnostics = { 0 };
	struct script *script = NULL;
	unsigned cases = 0;
	size_t length;
	const char *name;
	char *text = strcmp(case_file(path, &name, arena), path) ? NULL : script_read_file(path, &length);

	/* Most scripts say neither word, and need not be parsed to know it. */
	if (text && (memmem(text, length, "table", 5) || memmem(text, length, "include", 7)))
		script = script_parse(path, text, length, define, defines, &diagnostics);
	cases = script ? script_cases(script) : 0;
	if (!cases)
		add(to, strdup(path));
	for (unsigned i = 0; i < cases; i++)
		add(to, strdup(arena_printf(arena, "%s[%s]", path, script_case_name(script, i, arena))));
	diagnostics_free(&diagnostics);
	script_free(script);
	free(text);
	free(path);
}

void cases_expand(struct paths *paths, const struct define *define, unsigned defines, struct arena *arena)
{
	struct paths expanded = { 0 };

	for (unsigned i = 0; i < paths->count; i++)
		expand(&expanded, paths->path[i], define, defines, arena);
	free(paths->path);
	*paths = expanded;
}

void case_words(const char *path, const char *key, void (*word)(void *context, const char *path, const char *word, size_t length),
		void *context)
{
	size_t length, key_length = strlen(key);
	char *text = script_read_file(path, &length);

	for (const char *line = text, *end; text && line < text + length; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + length - line));
		if (!end)
			end = text + length;
		if ((size_t)(end - line) <= key_length || memcmp(line, key, key_length))
			continue;
		for (const char *at = line + key_length; at < end;) {
			size_t gap = 0, size = 0;

			while (at + gap < end && (at[gap] == ' ' || at[gap] == '\r'))
				gap++;
			while (at + gap + size < end && at[gap + size] != ' ' && at[gap + size] != '\r')
				size++;
			if (size)
				word(context, path, at + gap, size);
			at += gap + size;
		}
	}
	free(text);
}
