/*
 * Lexing and parsing of simple commands. What it does not know it does not guess: the whole text is then somebody else's.
 */
#include "shell_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "../text.h"

#define MOST_WORDS 256

/* --- arithmetic ----------------------------------------------------------------------------------------------------------- */
struct arithmetic {
	const char *at, *end;
	bool wrong;
	unsigned depth;
};

static long long arithmetic_level(struct arithmetic *a, unsigned level);

static void skip_blanks(struct arithmetic *a)
{
	while (a->at < a->end && isspace((unsigned char)*a->at))
		a->at++;
}

static long long arithmetic_unit(struct arithmetic *a)
{
	unsigned long long value = 0;
	char *end;

	skip_blanks(a);
	if (a->at == a->end || ++a->depth > 64) {
		a->wrong = true;
		return 0;
	}
	if (*a->at == '(') {
		a->at++;
		value = (unsigned long long)arithmetic_level(a, 0);
		skip_blanks(a);
		a->wrong |= a->at == a->end || *a->at != ')';
		a->at += !a->wrong;
	} else if (*a->at == '-' || *a->at == '+' || *a->at == '~') {
		char sign = *a->at++;

		value = (unsigned long long)arithmetic_unit(a);
		value = sign == '-' ? 0 - value : sign == '~' ? ~value : value;
	} else if (isdigit((unsigned char)*a->at)) {
		value = strtoull(a->at, &end, 0);
		a->at = end > a->end ? a->end : end;
	} else {
		a->wrong = true;
	}
	a->depth--;
	return (long long)value;
}

/* The operators, loosest first. */
static const char *const operators[][4] = { { "|" }, { "^" }, { "&" }, { "<<", ">>" }, { "+", "-" }, { "*", "/", "%" } };
#define LEVELS (sizeof(operators) / sizeof(operators[0]))

static const char *operator_here(const struct arithmetic *a, unsigned level)
{
	for (unsigned i = 0; i < 4 && operators[level][i]; i++) {
		size_t length = strlen(operators[level][i]);

		if ((size_t)(a->end - a->at) >= length && !strncmp(a->at, operators[level][i], length))
			return operators[level][i];
	}
	return NULL;
}

static long long apply(struct arithmetic *a, const char *operator, long long left, long long right)
{
	unsigned long long l = (unsigned long long)left, r = (unsigned long long)right;

	switch (*operator) {
	case '|':
		return (long long)(l | r);
	case '^':
		return (long long)(l ^ r);
	case '&':
		return (long long)(l & r);
	case '<':
		return (long long)(l << (r & 63));
	case '>':
		return left >> (r & 63);
	case '+':
		return (long long)(l + r);
	case '-':
		return (long long)(l - r);
	case '*':
		return (long long)(l * r);
	default:
		break;
	}
	if (!right || right == -1) {
		a->wrong |= !right;
		return *operator == '/' ? (long long)(0 - l) : 0;
	}
	return *operator == '/' ? left / right : left % right;
}

static long long arithmetic_level(struct arithmetic *a, unsigned level)
{
	long long left = level == LEVELS ? arithmetic_unit(a) : arithmetic_level(a, level + 1);
	const char *operator;

	if (level == LEVELS)
		return left;
	for (skip_blanks(a); !a->wrong && (operator = operator_here(a, level)); skip_blanks(a)) {
		a->at += strlen(operator);
		left = apply(a, operator, left, arithmetic_level(a, level + 1));
	}
	return left;
}

bool shell_arithmetic(const char *text, size_t length, long long *value)
{
	struct arithmetic a = { .at = text, .end = text + length };

	*value = arithmetic_level(&a, 0);
	skip_blanks(&a);
	return !a.wrong && a.at == a.end;
}

/* --- words ---------------------------------------------------------------------------------------------------------------- */
struct scan {
	const char *at, *end;
	bool bash, wrong;
	struct arena *arena;
};

static bool is_end(const struct scan *scan)
{
	return scan->at >= scan->end;
}

/* `$((...))` at the scan: its value as text. */
static void scan_arithmetic(struct scan *scan, struct text *word)
{
	const char *start = scan->at + 3, *at = start;
	unsigned open = 0;
	long long value;

	if (scan->end - scan->at < 5 || strncmp(scan->at, "$((", 3)) {
		scan->wrong = true;
		return;
	}
	while (at < scan->end && (open || *at != ')')) {
		open += *at == '(';
		open -= *at == ')';
		at++;
	}
	if (scan->end - at < 2 || at[1] != ')' || !shell_arithmetic(start, (size_t)(at - start), &value)) {
		scan->wrong = true;
		return;
	}
	text_add(word, "%lld", value);
	scan->at = at + 2;
}

static void scan_single(struct scan *scan, struct text *word)
{
	const char *close = memchr(scan->at + 1, '\'', (size_t)(scan->end - scan->at - 1));

	if (!close) {
		scan->wrong = true;
		return;
	}
	text_put(word, scan->at + 1, (size_t)(close - scan->at - 1));
	scan->at = close + 1;
}

static void scan_double(struct scan *scan, struct text *word)
{
	for (scan->at++; !scan->wrong && !is_end(scan) && *scan->at != '"';) {
		if (*scan->at == '$') {
			scan_arithmetic(scan, word);
		} else if (*scan->at == '`' || *scan->at == '!') {
			scan->wrong = true;
		} else if (*scan->at == '\\' && scan->end - scan->at > 1 && strchr("$`\"\\\n", scan->at[1])) {
			if (scan->at[1] != '\n')
				text_put(word, scan->at + 1, 1);
			scan->at += 2;
		} else {
			text_put(word, scan->at++, 1);
		}
	}
	scan->wrong |= is_end(scan);
	scan->at += !scan->wrong;
}

/* A word, or NULL with scan->wrong. The text at hand begins one. */
static char *scan_word(struct scan *scan)
{
	struct text word = { .arena = scan->arena };

	if (*scan->at == '~')
		scan->wrong = true;
	while (!scan->wrong && !is_end(scan) && !strchr(" \t\n;&|<>", *scan->at)) {
		switch (*scan->at) {
		case '\'':
			scan_single(scan, &word);
			break;
		case '"':
			scan_double(scan, &word);
			break;
		case '$':
			scan_arithmetic(scan, &word);
			break;
		case '\\':
			scan->wrong = scan->end - scan->at < 2;
			if (!scan->wrong && scan->at[1] != '\n')
				text_put(&word, scan->at + 1, 1);
			scan->at += 2;
			break;
		case '`': case '(': case ')': case '*': case '?': case '[': case '{': case '}':
			scan->wrong = true;
			break;
		default:
			text_put(&word, scan->at++, 1);
		}
	}
	return scan->wrong ? NULL : arena_memdup(scan->arena, text_get(&word), word.length);
}

/* Blanks, continued lines and a comment. */
static void scan_blanks(struct scan *scan)
{
	for (;;) {
		if (is_end(scan))
			return;
		if (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r')
			scan->at++;
		else if (*scan->at == '\\' && scan->end - scan->at > 1 && scan->at[1] == '\n')
			scan->at += 2;
		else if (*scan->at == '#')
			while (!is_end(scan) && *scan->at != '\n')
				scan->at++;
		else
			return;
	}
}

/* --- commands ------------------------------------------------------------------------------------------------------------- */
static bool looking_at(const struct scan *scan, const char *what)
{
	size_t length = strlen(what);

	return (size_t)(scan->end - scan->at) >= length && !strncmp(scan->at, what, length);
}

/* A redirection of output or errors. Those into files other than /dev/null keep the file for the form that writes it. */
static bool scan_redirection(struct scan *scan, struct shell_command *command)
{
	static const struct {
		const char *sign;
		bool out, err, file;
	} rows[] = {
		{ "2>&1", false, false, false }, { "1>&2", false, false, false }, { ">&2", false, false, false },
		{ "&>", true, true, true },      { "2>", false, true, true },     { "1>", true, false, true },
		{ ">", true, false, true },
	};
	char *file;
	size_t i = 0;

	/* To sh, "&>" is a command in the background and an empty one behind it. */
	while (i < sizeof(rows) / sizeof(rows[0]) && (!looking_at(scan, rows[i].sign) || (*rows[i].sign == '&' && !scan->bash)))
		i++;
	if (i == sizeof(rows) / sizeof(rows[0]))
		return false;
	scan->at += strlen(rows[i].sign);
	if (!rows[i].file) {	/* 2>&1: to where the output goes by now */
		command->quiet |= *rows[i].sign == '2' && command->output;
		return true;
	}
	if (looking_at(scan, ">") || looking_at(scan, "&") || looking_at(scan, "|"))
		scan->wrong = true;
	scan_blanks(scan);
	if (is_end(scan) || scan->wrong) {
		scan->wrong = true;
		return true;
	}
	file = scan_word(scan);
	if (!file || ((rows[i].err || command->output) && strcmp(file, "/dev/null")))
		scan->wrong = true;
	if (rows[i].out)
		command->output = file;
	command->quiet |= rows[i].err;
	return true;
}

/* Up to the end of a simple command. */
static void scan_command(struct scan *scan, struct shell_command *command)
{
	char *word[MOST_WORDS];

	for (scan_blanks(scan); !scan->wrong && !is_end(scan); scan_blanks(scan)) {
		if (scan_redirection(scan, command))
			continue;
		if (strchr("\n;&|", *scan->at))
			break;
		if (*scan->at == '<' || command->words == MOST_WORDS) {
			scan->wrong = true;
			break;
		}
		word[command->words++] = scan_word(scan);
	}
	if (!scan->wrong && command->words)
		command->word = arena_memdup(scan->arena, word, command->words * sizeof(*word));
}

/* The joint behind a command. False: nothing follows. */
static bool scan_joint(struct scan *scan, enum shell_joint *joint)
{
	*joint = SHELL_THEN;
	if (is_end(scan))
		return false;
	if (looking_at(scan, "&&") || looking_at(scan, "||")) {
		*joint = *scan->at == '&' ? SHELL_AND : SHELL_OR;
		scan->at += 2;
		while (scan_blanks(scan), !is_end(scan) && *scan->at == '\n')
			scan->at++;
		scan->wrong |= is_end(scan);
	} else if (*scan->at == ';' || *scan->at == '\n') {
		scan->at++;
	} else {
		scan->wrong = true;	/* a pipe, or something in the background */
	}
	return !scan->wrong;
}

/* NAME=value before a command, or a word of the language itself. */
static bool is_language(const char *word)
{
	static const char *const words[] = { "if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "esac",
					     "function", "!", "time", "[[" };
	size_t name = 0;

	while (isalnum((unsigned char)word[name]) || word[name] == '_')
		name++;
	if (name && word[name] == '=')
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i], word))
			return true;
	return false;
}

bool shell_parse(const char *text, size_t length, bool bash, struct arena *arena, struct shell_command **first)
{
	struct scan scan = { .at = text, .end = text + length, .bash = bash, .arena = arena };
	struct shell_command **tail = first;
	enum shell_joint joint = SHELL_THEN, next;
	bool more;

	*first = NULL;
	if (memchr(text, 0, length))
		return false;
	do {
		struct shell_command *command = arena_alloc(arena, sizeof(*command));

		scan_command(&scan, command);
		command->joint = joint;
		more = scan_joint(&scan, &next);
		if (scan.wrong || (!command->words && (command->output || joint != SHELL_THEN || next != SHELL_THEN)))
			return false;
		joint = next;
		if (!command->words)
			continue;
		if (is_language(command->word[0]))
			return false;
		*tail = command;
		tail = &command->next;
	} while (more);
	return true;
}
