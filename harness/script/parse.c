/*
 * From text to tree: sets the lexer and the grammar going over one script and keeps what they share.
 *
 * The whole tree, the copy of the text included, lives in the script's arena. Errors are collected: a wrong value does not stop
 * the parse, a wrong word does.
 */
#include "parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar.h"

#define YYSTYPE SCRIPT_YYSTYPE
#define YYLTYPE SCRIPT_YYLTYPE
#include "lexer.h"
#include "symbols.h"

/* Longer scripts than this are refused: offsets are kept in 32 bits and nobody writes one. */
#define SCRIPT_LONGEST (64u << 20)
#define SCRIPT_CASES_MOST 1000000

/* Move the place of the next token over `text`. Columns count bytes from 1. */
void parse_advance(struct parse *parse, struct place *place, const char *text, unsigned length)
{
	const char *newline = memchr(text, '\n', length), *last = NULL;

	place->line = parse->line;
	place->column = parse->column;
	place->begin = parse->offset;
	place->in = parse->in;
	parse->offset += length;
	for (; newline; newline = memchr(newline + 1, '\n', length - (size_t)(newline + 1 - text))) {
		parse->line++;
		last = newline;
	}
	parse->column = last ? (int)(text + length - last) : parse->column + (int)length;
	place->end_line = parse->line;
	place->end_column = parse->column;
	place->end = parse->offset;
}

/* The token at `place` is given back to the lexer. */
void parse_unread(struct parse *parse, const struct place *place)
{
	parse->line = place->line;
	parse->column = place->column;
	parse->offset = place->begin;
}

const char *parse_place_text(const struct parse *parse, const struct place *place)
{
	return (place->in ? place->in->text : parse->script->text) + place->begin;
}

struct source_span parse_span(const struct place *place)
{
	return (struct source_span){ place->in ? place->in->path : NULL, place->line, place->column, place->end_line, place->end_column };
}

char *parse_string(struct parse *parse, struct slice text)
{
	return arena_memdup(parse->arena, text.at, text.length);
}

bool slice_is(struct slice text, const char *word)
{
	return !strncmp(text.at, word, text.length) && !word[text.length];
}

/* Words without small letters may be defines that are still to come. */
bool slice_could_be_define(struct slice word)
{
	for (size_t i = 0; i < word.length; i++)
		if (word.at[i] >= 'a' && word.at[i] <= 'z')
			return false;
	return true;
}

void parse_error(struct parse *parse, const struct place *place, const char *expected, const char *format, ...)
{
	struct source_span span = parse_span(place);
	va_list arguments;

	parse->failed = true;
	va_start(arguments, format);
	diagnostics_add(parse->diagnostics, DIAGNOSTIC_ERROR, &span, expected, format, arguments);
	va_end(arguments);
}

/*
 * The parser met a word it cannot use. When a string that ran over a line end came just before, the missing quote is more
 * likely the fault than the word that follows it.
 */
void parse_syntax_error(struct parse *parse, const struct place *place, bool at_end, const char *expected)
{
	const char *text = parse_place_text(parse, place);
	int length = (int)(place->end - place->begin);
	const char *newline = memchr(text, '\n', (size_t)length);
	bool closing = length == 1 && strchr(")]}", *text);
	unsigned depth = parse->depth + closing; /* the wrong bracket has closed nothing */

	if (depth && depth <= BRACKETS_KEPT && (!closing || expected)) {
		const struct place *open = &parse->open[depth - 1];

		expected = arena_printf(parse->arena, "%s%sthe '%c' at %d:%d is still open", expected ? expected : "",
					expected ? "; " : "", *parse_place_text(parse, open), open->line, open->column);
	}

	if (parse->string_place.line && parse->string_place.end_line == place->line) {
		struct place opening = parse->string_place;

		opening.end_line = opening.line;
		opening.end_column = opening.column + 1;
		parse_error(parse, &opening, "\" before the line ends", "this string is not closed on its line");
		return;
	}
	if (at_end) {
		parse_error(parse, place, expected, "the script ends too early");
		return;
	}
	if (newline)
		length = (int)(newline - text);
	parse_error(parse, place, expected, "unexpected '%.*s%s'", length > 40 ? 40 : length, text, length > 40 ? "..." : "");
}

/* An option line: kept in order, for the engine to read. */
void parse_add_option(struct parse *parse, struct slice name, const struct slice *value, const struct place *place)
{
	struct script_option_node *node = arena_alloc(parse->arena, sizeof(*node));

	node->option.name = parse_string(parse, name);
	node->option.value = value ? parse_string(parse, *value) : NULL;
	node->option.span = parse_span(place);
	if (parse->option_last)
		parse->option_last->next = node;
	else
		parse->option_first = node;
	parse->option_last = node;
	parse->script->options++;
}

/* Remember a word in a packet that only a define can explain; script_check decides what that means. */
void parse_undefined(struct parse *parse, struct slice word, const struct place *place)
{
	struct undefined_node *node = arena_alloc(parse->arena, sizeof(*node));

	node->undefined.word = parse_string(parse, word);
	node->undefined.span = parse_span(place);
	if (parse->undefined_last)
		parse->undefined_last->next = node;
	else
		parse->undefined_first = node;
	parse->undefined_last = node;
	parse->script->undefineds++;
}

bool parse_is_variable(const struct parse *parse, struct slice name)
{
	for (const struct script_variable *variable = parse->script->variables; variable; variable = variable->next)
		if (slice_is(name, variable->name))
			return true;
	return false;
}

/* `let` names it: from here on the word is a variable. */
void parse_variable(struct parse *parse, struct slice name, const struct place *place)
{
	struct script_variable *variable;
	int64_t value;

	if (parse_is_variable(parse, name))
		return;
	if (symbol_lookup(name.at, name.length, &value)) {
		parse_error(parse, place, "a name that means nothing else", "'%.*s' has a value already", (int)name.length, name.at);
		return;
	}
	variable = arena_alloc(parse->arena, sizeof(*variable));
	variable->name = parse_string(parse, name);
	variable->next = parse->script->variables;
	parse->script->variables = variable;
}

/* A word where a packet wants a number: a symbol's value, or a define that is still to come. */
struct number parse_word_number(struct parse *parse, struct slice word, const struct place *place)
{
	struct number number = { .place = *place };

	if (parse_is_variable(parse, word)) {
		number.unresolved = true;
		number.late = expr_word(parse, word, place);
		return number;
	}
	if (!symbol_lookup(word.at, word.length, &number.value)) {
		number.unresolved = true;
		parse_undefined(parse, word, place);
	}
	return number;
}

static void finish(struct parse *parse)
{
	struct script *script = parse->script;
	unsigned index = 0;

	script->option = arena_alloc(parse->arena, (script->options + 1) * sizeof(*script->option));
	for (struct script_option_node *node = parse->option_first; node; node = node->next)
		script->option[index++] = node->option;
	script->undefined = arena_alloc(parse->arena, (script->undefineds + 1) * sizeof(*script->undefined));
	index = 0;
	for (struct undefined_node *node = parse->undefined_first; node; node = node->next)
		script->undefined[index++] = node->undefined;
}

static struct script *script_new(const char *path, const char *text, size_t length)
{
	struct arena *arena = arena_new();
	struct script *script = arena_alloc(arena, sizeof(*script));
	char *copy = arena_alloc(arena, length + 2); /* flex wants two zero bytes past the end */

	if (length)
		memcpy(copy, text, length);
	script->arena = arena;
	script->path = path ? arena_strdup(arena, path) : NULL;
	script->text = copy;
	script->length = length;
	return script;
}

static void parse_run(struct parse *parse)
{
	struct script *script = parse->script;
	yyscan_t scanner = NULL;

	if (script_yylex_init_extra(parse, &scanner)) {
		parse_error(parse, &(struct place){ 1, 1, 1, 1, 0, 0, NULL }, NULL, "out of memory");
		return;
	}
	/* The arena's copy is writable, as flex needs it; the tree's pointers into it are not meant to be. */
	script_yy_scan_buffer((char *)(uintptr_t)script->text, script->length + 2, scanner);
	if (script_grammar(scanner, parse))
		parse->failed = true;
	script_yylex_destroy(scanner);
}

unsigned script_cases(const struct script *script)
{
	unsigned cases = script->tables > 0;

	for (unsigned i = 0; i < script->tables; i++)
		if (__builtin_mul_overflow(cases, script->table[i].rows, &cases) || cases > SCRIPT_CASES_MOST)
			return SCRIPT_CASES_MOST;
	return cases;
}

const char *script_case_name(const struct script *script, unsigned i, struct arena *arena)
{
	const char *name = "";

	/* The last table's rows come one after the other. */
	for (unsigned table = script->tables; table-- > 0; i /= script->table[table].rows)
		name = arena_printf(arena, "%s%s%s", script->table[table].row[i % script->table[table].rows], *name ? "," : "", name);
	return name;
}

struct script *script_parse(const char *path, const char *text, size_t length, const struct define *defines, unsigned count,
			    struct diagnostics *diagnostics)
{
	return script_parse_case(path, NULL, text, length, defines, count, diagnostics);
}

struct script *script_parse_case(const char *path, const char *name, const char *text, size_t length,
				 const struct define *defines, unsigned count, struct diagnostics *diagnostics)
{
	struct parse parse = { .define = defines, .defines = count, .diagnostics = diagnostics, .line = 1, .column = 1,
			       .wanted_case = name, .read_place = { 1, 1, 1, 1, 0, 0, NULL } };

	if (length > SCRIPT_LONGEST) {
		parse_error(&parse, &(struct place){ 1, 1, 1, 1, 0, 0, NULL }, NULL, "the script is too long (%zu bytes)", length);
		return NULL;
	}
	parse.script = script_new(path, text, length);
	parse.arena = parse.script->arena;
	parse.tail = &parse.script->events;
	parse_run(&parse);
	if (parse.failed) {
		script_free(parse.script);
		return NULL;
	}
	if (name && !parse.script->tables) {
		parse_error(&parse, &(struct place){ 0 }, NULL, "the script has no table, so no case '%.80s'", name);
		script_free(parse.script);
		return NULL;
	}
	finish(&parse);
	return parse.script;
}

/* The whole of a file, malloc'd; NULL with errno set. */
char *script_read_file(const char *path, size_t *length)
{
	FILE *file = fopen(path, "rb");
	size_t room = 0, used = 0, got;
	char *text = NULL, *larger;
	int saved;

	if (!file)
		return NULL;
	do {
		room = room ? room * 2 : 8192;
		larger = realloc(text, room);
		if (!larger) {
			errno = ENOMEM;
			goto failed;
		}
		text = larger;
		errno = 0;
		got = fread(text + used, 1, room - used, file);
		used += got;
		if (ferror(file))
			goto failed;
	} while (used == room);
	fclose(file);
	*length = used;
	return text;
failed:
	saved = errno;
	free(text);
	fclose(file);
	errno = saved ? saved : EIO;
	return NULL;
}

struct script *script_read(const char *path, const struct define *defines, unsigned count, struct diagnostics *diagnostics)
{
	size_t length;
	char *text = script_read_file(path, &length);
	struct script *script;

	if (!text) {
		struct parse parse = { .diagnostics = diagnostics };

		parse_error(&parse, &(struct place){ 0 }, NULL, "cannot read the script: %s", strerror(errno));
		return NULL;
	}
	script = script_parse(path, text, length, defines, count, diagnostics);
	free(text);
	return script;
}

void script_free(struct script *script)
{
	if (script)
		arena_free(script->arena);
}
