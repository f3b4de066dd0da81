#include "paths.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "arena.h"
#include "cases.h"

static void add(struct paths *paths, const char *path)
{
	if (paths->count == paths->room) {
		paths->room = paths->room ? 2 * paths->room : 64;
		paths->path = realloc(paths->path, paths->room * sizeof(*paths->path));
		if (!paths->path)
			abort();
	}
	paths->path[paths->count] = strdup(path);
	if (!paths->path[paths->count++])
		abort();
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_script(const FTSENT *entry)
{
	size_t length = strlen(entry->fts_path);

	return entry->fts_info == FTS_F && length > 4 && !strcmp(entry->fts_path + length - 4, ".pkt");
}

static const char *add_folder(struct paths *paths, const char *folder, struct arena *arena)
{
	char *argument = arena_strdup(arena, folder), *roots[2] = { argument, NULL };
	size_t length = strlen(argument);
	unsigned before = paths->count;
	const char *error = NULL;
	FTSENT *entry;
	FTS *walk;

	while (length > 1 && argument[length - 1] == '/')
		argument[--length] = '\0';
	/* Symbolic links count as what they lead to; the walk itself sees when they lead in a circle. */
	walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
	if (!walk)
		return arena_printf(arena, "%s: %s", folder, strerror(errno));
	while ((entry = fts_read(walk))) {
		if (is_script(entry))
			add(paths, entry->fts_path);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
			error = arena_printf(arena, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
	}
	fts_close(walk);
	if (!error && paths->count == before)
		error = arena_printf(arena, "%s: no scripts (*.pkt) in this folder", folder);
	if (paths->count > before)
		qsort(paths->path + before, paths->count - before, sizeof(*paths->path), by_name);
	return error;
}

const char *paths_add(struct paths *paths, const char *argument, struct arena *arena)
{
	struct stat status;
	const char *name;

	if (stat(argument, &status) && stat(case_file(argument, &name, arena), &status))
		return arena_printf(arena, "%s: %s", argument, strerror(errno));
	if (S_ISDIR(status.st_mode))
		return add_folder(paths, argument, arena);
	add(paths, argument);
	return NULL;
}

void paths_free(struct paths *paths)
{
	for (unsigned i = 0; i < paths->count; i++)
		free(paths->path[i]);
	free(paths->path);
}
