/* The small part of the shell's language that built-in commands are written in. */
#ifndef HARNESS_SHELL_TEXT_H
#define HARNESS_SHELL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum shell_joint { SHELL_THEN, SHELL_AND, SHELL_OR };	/* ';' or a new line, '&&', '||' */

/* One simple command: words, and where its output goes. */
struct shell_command {
	struct shell_command *next;
	char **word;
	unsigned words;
	const char *output;		/* `> FILE`; NULL: not redirected */
	bool quiet;			/* what it says on standard error goes nowhere */
	enum shell_joint joint;		/* to the command before it */
};

/*
 * Take text apart: words with quotes and escapes, $((arithmetic)), comments, continued lines, redirections of output, and the
 * joints. *first: the commands. False: the text uses more of the shell than this (variables, pipes, patterns, blocks, ...).
 * `bash`: the text is for bash, where &> is a redirection; in sh it is a command in the background and a file made empty.
 */
bool shell_parse(const char *text, size_t length, bool bash, struct arena *arena, struct shell_command **first);

/* An expression of integers as in $((...)): + - * / % << >> & | ^ ~ ( ). False: it is none, or divides by zero. */
bool shell_arithmetic(const char *text, size_t length, long long *value);

#endif
