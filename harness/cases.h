/*
 * Scripts that are many cases (those with tables, docs/language.md): each case is "PATH[NAME]" wherever a script's path is
 * said.
 */
#ifndef HARNESS_CASES_H
#define HARNESS_CASES_H

#include "paths.h"
#include "script/ast.h"

/*
 * Put in the place of each script that has tables its cases. Scripts that cannot be read or parsed stay, for whoever runs them to
 * say why.
 */
void cases_expand(struct paths *paths, const struct define *define, unsigned defines, struct arena *arena);

/* "a.pkt[row]": the file, and *name the case's name; a path without one is a file, and *name is NULL. Arena memory. */
const char *case_file(const char *path, const char **name, struct arena *arena);

/* Each word behind `key` in lines of the file that begin with it ("// shows:"). */
void case_words(const char *path, const char *key, void (*word)(void *context, const char *path, const char *word, size_t length),
		void *context);

#endif
