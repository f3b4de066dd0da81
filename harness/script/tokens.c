/*
 * Between the lexer and the grammar: what makes one script of several texts, and several of one.
 *
 * A table at the script's top gives words a meaning by rows; `for` and `repeat` say a block several times; `include` puts another
 * file in its place. All of them work on words of the language (tokens), before the grammar sees any, so that a word of a
 * table or a loop may stand wherever a word may, and stand for several. What the grammar gets has the place of its text, so messages
 * about it point there.
 */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "parse.h"
#include "tokens.h"

int script_lex(SCRIPT_YYSTYPE *value, SCRIPT_YYLTYPE *place, void *scanner);
int script_yylex(SCRIPT_YYSTYPE *value, SCRIPT_YYLTYPE *place, void *scanner);

#define REPLAYED_MOST 1000000	/* words that blocks may become: more are a mistake */
#define INCLUDED_MOST 16	/* files within files */

/* A block that is said again: each time with the next value of its variable, if it has one. */
struct loop {
	const struct token *body;
	struct binding variable;	/* name.length 0: none */
	const struct token **value;
	unsigned count, done;
};

struct token_frame {
	struct token_frame *below;
	const struct token *next;
	struct loop *loop;		/* when it is used up it begins again */
	bool literal;			/* its words have no other meaning */
	bool file;			/* an included one */
};

/* --- tokens from text ----------------------------------------------------------------------------------------------------- */
static void chain_add(struct parse *parse, struct token_chain *chain, const struct token *token)
{
	struct token *copy = arena_memdup(parse->arena, token, sizeof(*token));

	copy->next = NULL;
	if (chain->last)
		chain->last->next = copy;
	else
		chain->first = copy;
	chain->last = copy;
}

/* All tokens of a text, whose first character is at this place. */
struct token_chain tokens_of_text(struct parse *parse, struct slice text, const struct place *at)
{
	struct place saved = { parse->line, parse->column, 0, 0, parse->offset, 0, parse->in }, condition = parse->condition;
	char *copy = arena_alloc(parse->arena, text.length + 2);
	struct token_chain chain = { 0 };
	struct token token = { 0 };
	yyscan_t scanner;

	memcpy(copy, text.at, text.length);
	if (script_yylex_init_extra(parse, &scanner)) {
		parse_error(parse, at, NULL, "out of memory");
		return chain;
	}
	parse->line = at->line;
	parse->column = at->column;
	parse->offset = at->begin;
	parse->in = at->in;
	parse->condition.line = 0;
	script_yy_scan_buffer(copy, text.length + 2, scanner);
	while ((token.kind = script_lex(&token.value, &token.place, scanner)) && token.kind != T_SCRIPT_YYerror)
		chain_add(parse, &chain, &token);
	script_yylex_destroy(scanner);
	parse->line = saved.line;
	parse->column = saved.column;
	parse->offset = saved.begin;
	parse->in = saved.in;
	parse->condition = condition;
	return chain;
}

static struct token_frame *push(struct parse *parse, const struct token *first)
{
	struct token_frame *frame = arena_alloc(parse->arena, sizeof(*frame));

	frame->below = parse->frame;
	frame->next = first;
	parse->frame = frame;
	return frame;
}

static void unbind(struct parse *parse, const struct binding *binding)
{
	for (struct binding **at = &parse->bindings; *at; at = &(*at)->next) {
		if (*at == binding) {
			*at = binding->next;
			return;
		}
	}
}

/* The next time that a loop is said, or its end. */
static void loop_turn(struct parse *parse, struct token_frame *frame)
{
	struct loop *loop = frame->loop;

	if (loop->variable.name.length && loop->done)
		unbind(parse, &loop->variable);
	if (loop->done == loop->count) {
		parse->frame = frame->below;
		return;
	}
	if (loop->variable.name.length) {
		loop->variable.first = loop->value[loop->done];
		loop->variable.path = (struct slice){ "", 0 };
		if (!loop->variable.first->next)
			loop->variable.path = slice_path(loop->variable.first->value.text);
		loop->variable.next = parse->bindings;
		parse->bindings = &loop->variable;
	}
	loop->done++;
	frame->next = loop->body;
}

/* The next token as it was written. */
struct token token_raw_next(struct parse *parse, void *scanner)
{
	struct token token = { 0 };

	while (parse->frame && !parse->frame->next) {
		struct token_frame *frame = parse->frame;

		if (frame->loop)
			loop_turn(parse, frame);
		else
			parse->frame = frame->below;
		parse->included -= frame->file;
	}
	if (parse->frame) {
		token = *parse->frame->next;
		parse->frame->next = token.next;
		if (++parse->replayed == REPLAYED_MOST)
			parse_error(parse, &token.place, NULL, "the blocks of this script become too long");
		if (parse->replayed >= REPLAYED_MOST)
			token.kind = 0;
		return token;
	}
	token.kind = script_lex(&token.value, &token.place, scanner);
	/* The end of the text is where its last word is. */
	if (token.place.line)
		parse->read_place = token.place;
	else
		token.place = parse->read_place;
	return token;
}

static const struct binding *binding_of(const struct parse *parse, struct slice word)
{
	for (const struct binding *binding = parse->bindings; binding; binding = binding->next)
		if (binding->name.length == word.length && !memcmp(binding->name.at, word.at, word.length))
			return binding;
	return NULL;
}

struct slice slice_path(struct slice value)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

	for (size_t i = 0; i < value.length; i++)
		if (!value.at[i] || !strchr(allowed, value.at[i]))
			return (struct slice){ "", 0 };
	return value;
}

/* A tunable's name has words too, between dots or slashes. */
static struct slice meant_path(struct parse *parse, struct slice path)
{
	struct slice part = { path.at, 0 }, rest;
	const struct binding *binding;
	const char *meant;
	char separator;

	if (!parse->bindings || path.length > NAME_MAX)		/* that long it is no tunable's */
		return path;
	while (part.length < path.length && path.at[part.length] != '.' && path.at[part.length] != '/')
		part.length++;
	rest = (struct slice){ path.at + part.length, path.length - part.length };
	binding = binding_of(parse, part);
	if (binding && binding->path.length)
		part = binding->path;
	if (!rest.length)
		return part;
	separator = *rest.at;
	rest = meant_path(parse, (struct slice){ rest.at + 1, rest.length - 1 });
	meant = arena_printf(parse->arena, "%.*s%c%.*s", (int)part.length, part.at, separator, (int)rest.length, rest.at);
	return (struct slice){ meant, strlen(meant) };
}

/* The next token, with what words stand for in their places. */
static struct token meant_next(struct parse *parse, void *scanner)
{
	for (;;) {
		struct token token = token_raw_next(parse, scanner);
		bool literal = parse->frame && parse->frame->literal;
		const struct binding *binding = token.kind == T_WORD && !literal ? binding_of(parse, token.value.text) : NULL;

		if (token.kind == T_PATH && !literal)
			token.value.text = meant_path(parse, token.value.text);
		if (!binding)
			return token;
		push(parse, binding->first)->literal = true;
	}
}

/* --- numbers of times ----------------------------------------------------------------------------------------------------- */
struct reader {
	struct parse *parse;
	const struct token *at;
	bool wrong;
};

static int64_t read_sum(struct reader *reader, int above);

static int64_t read_primary(struct reader *reader)
{
	const struct token *token = reader->at;
	int64_t value = 0;

	if (!token) {
		reader->wrong = true;
		return 0;
	}
	reader->at = token->next;
	switch (token->kind) {
	case T_INTEGER:
	case T_HEX:
		return token->value.integer;
	case '-':
		return (int64_t)(0 - (uint64_t)read_primary(reader));
	case '(':
		value = read_sum(reader, 0);
		if (!reader->at || reader->at->kind != ')')
			reader->wrong = true;
		else
			reader->at = reader->at->next;
		return value;
	case T_WORD:
		reader->wrong |= !symbol_lookup(token->value.text.at, token->value.text.length, &value);
		return value;
	}
	reader->wrong = true;
	return 0;
}

static int binds(int kind)
{
	return kind == '*' || kind == '/' ? 2 : kind == '+' || kind == '-' ? 1 : 0;
}

static int64_t read_sum(struct reader *reader, int above)
{
	int64_t value = read_primary(reader);

	while (reader->at && !reader->wrong && binds(reader->at->kind) > above) {
		int operator = reader->at->kind;

		reader->at = reader->at->next;
		if (!expr_operate((char)operator, value, read_sum(reader, binds(operator)), &value))
			reader->wrong = true;
	}
	return value;
}

/* All of the tokens as one number. */
static bool number_of(struct parse *parse, const struct token *first, int64_t *value)
{
	struct reader reader = { .parse = parse, .at = first };

	*value = read_sum(&reader, 0);
	return !reader.wrong && !reader.at;
}

/* --- blocks --------------------------------------------------------------------------------------------------------------- */
static bool too_early(struct parse *parse, const struct token *token, const struct place *place, const char *what)
{
	if (token->kind && token->kind != T_SCRIPT_YYerror)
		return false;
	if (token->kind != T_SCRIPT_YYerror)
		parse_error(parse, place, "}", "this %s is never closed", what);
	return true;
}

/* A block's tokens, after its '{' and up to its '}'. */
static bool read_block(struct parse *parse, void *scanner, const struct place *place, const char *what,
		       const struct token **body)
{
	struct token_chain chain = { 0 };
	unsigned depth = 1;

	for (;;) {
		struct token token = token_raw_next(parse, scanner);

		if (too_early(parse, &token, place, what))
			return false;
		depth += token.kind == '{';
		depth -= token.kind == '}';
		if (!depth)
			break;
		chain_add(parse, &chain, &token);
	}
	*body = chain.first;
	return true;
}

static void loop_begin(struct parse *parse, struct loop *loop)
{
	if (loop->count && loop->body)
		push(parse, NULL)->loop = loop;
}

/* Tokens up to ',' or '{' outside parentheses; which of them ended it. */
static int read_value(struct parse *parse, void *scanner, const struct place *place, struct token_chain *chain)
{
	unsigned depth = 0;

	for (;;) {
		struct token token = meant_next(parse, scanner);

		if (too_early(parse, &token, place, "block"))
			return 0;
		if (!depth && (token.kind == ',' || token.kind == '{'))
			return token.kind;
		depth += token.kind == '(' || token.kind == '[';
		depth -= depth && (token.kind == ')' || token.kind == ']');
		chain_add(parse, chain, &token);
	}
}

/* repeat N { ... } */
static bool read_repeat(struct parse *parse, void *scanner, const struct token *word)
{
	struct loop *loop = arena_alloc(parse->arena, sizeof(*loop));
	struct token_chain count = { 0 };
	int64_t number;

	if (read_value(parse, scanner, &word->place, &count) != '{' || !number_of(parse, count.first, &number) || number < 0 ||
	    number > 100000) {
		parse_error(parse, &word->place, "repeat N { ... } with an N of 0 to 100000", "this is not how a block is repeated");
		return false;
	}
	if (!read_block(parse, scanner, &word->place, "block", &loop->body))
		return false;
	loop->count = (unsigned)number;
	loop_begin(parse, loop);
	return true;
}

static void loop_value(struct parse *parse, struct loop *loop, const struct token *first)
{
	const struct token **old = loop->value;

	if (!(loop->count & (loop->count + 1))) {
		loop->value = arena_alloc(parse->arena, 2 * ((size_t)loop->count + 1) * sizeof(*old));
		if (old)
			memcpy(loop->value, old, loop->count * sizeof(*old));
	}
	loop->value[loop->count++] = first;
}

/* "A to B" is every number from the one to the other. */
static bool loop_range(struct parse *parse, struct loop *loop, const struct token *first)
{
	const struct token *to = first;
	struct token_chain before = { 0 };
	int64_t from, until;

	while (to && !(to->kind == T_WORD && slice_is(to->value.text, "to"))) {
		chain_add(parse, &before, to);
		to = to->next;
	}
	if (!to || !number_of(parse, before.first, &from) || !number_of(parse, to->next, &until) || until - from > 100000)
		return false;
	for (; from <= until; from++) {
		struct token token = { .kind = T_INTEGER, .place = first->place };

		token.value.text = (struct slice){ arena_printf(parse->arena, "%lld", (long long)from), 0 };
		token.value.text.length = strlen(token.value.text.at);
		token.value.integer = from;
		loop_value(parse, loop, arena_memdup(parse->arena, &token, sizeof(token)));
	}
	return true;
}

/* for NAME in VALUE, VALUE, A to B { ... } */
static bool read_for(struct parse *parse, void *scanner, const struct token *word)
{
	static const char form[] = "for NAME in VALUE, ... { ... } or for NAME in A to B { ... }";
	struct loop *loop = arena_alloc(parse->arena, sizeof(*loop));
	struct token name = token_raw_next(parse, scanner), in = token_raw_next(parse, scanner);
	int end;

	if (name.kind != T_WORD || in.kind != T_WORD || !slice_is(in.value.text, "in")) {
		parse_error(parse, name.kind == T_WORD ? &in.place : &name.place, form, "this is not how a loop is written");
		return false;
	}
	loop->variable.name = name.value.text;
	do {
		struct token_chain value = { 0 };

		end = read_value(parse, scanner, &word->place, &value);
		if (end && !value.first) {
			parse_error(parse, &word->place, form, "a value of the loop is missing");
			return false;
		}
		if (end && !loop_range(parse, loop, value.first))
			loop_value(parse, loop, value.first);
	} while (end == ',');
	if (!end || !read_block(parse, scanner, &word->place, "block", &loop->body))
		return false;
	loop_begin(parse, loop);
	return true;
}

/* --- files ---------------------------------------------------------------------------------------------------------------- */
static const char *included_path(struct parse *parse, struct slice name, const struct place *place)
{
	const char *from = place->in ? place->in->path : parse->script->path, *slash = from ? strrchr(from, '/') : NULL;

	if (!slash || (name.length && *name.at == '/'))
		return parse_string(parse, name);
	return arena_printf(parse->arena, "%.*s/%.*s", (int)(slash - from), from, (int)name.length, name.at);
}

static bool read_include(struct parse *parse, void *scanner, const struct token *word)
{
	struct token name = meant_next(parse, scanner);
	struct source_text *in = arena_alloc(parse->arena, sizeof(*in));
	struct place begin = { 1, 1, 1, 1, 0, 0, in };
	struct token_chain chain;
	struct stat status;
	char *text;

	if (name.kind != T_STRING) {
		parse_error(parse, &word->place, "include \"FILE\"", "the name of the file to include is missing");
		return false;
	}
	in->path = included_path(parse, name.value.text, &name.place);
	if (++parse->included > INCLUDED_MOST) {
		parse_error(parse, &name.place, NULL, "files include one another too deeply");
		return false;
	}
	text = stat(in->path, &status) || !S_ISREG(status.st_mode) || status.st_size > 1 << 24
		       ? NULL : script_read_file(in->path, &in->length);
	if (!text) {
		parse_error(parse, &name.place, "a file that can be read", "cannot read '%.200s'", in->path);
		return false;
	}
	in->text = arena_memdup(parse->arena, text, in->length);
	free(text);
	chain = tokens_of_text(parse, (struct slice){ in->text, in->length }, &begin);
	push(parse, chain.first)->file = true;
	return !parse->failed;
}

/* --- the grammar's source --------------------------------------------------------------------------------------------------- */
static bool read_directive(struct parse *parse, void *scanner, const struct token *token)
{
	switch (token->kind) {
	case T_REPEAT:
		return read_repeat(parse, scanner, token);
	case T_FOR:
		return read_for(parse, scanner, token);
	case T_INCLUDE:
		return read_include(parse, scanner, token);
	default:
		return table_read(parse, scanner, token);
	}
}

int script_yylex(SCRIPT_YYSTYPE *value, SCRIPT_YYLTYPE *place, void *scanner)
{
	struct parse *parse = script_yyget_extra(scanner);
	struct token token;

	for (;;) {
		token = meant_next(parse, scanner);
		/* "expect nothing for T", and words of notes and in brackets, which are nothing but words */
		if (parse->brackets || (token.kind == T_FOR && parse->previous == T_NOTHING))
			break;
		if (token.kind != T_REPEAT && token.kind != T_FOR && token.kind != T_INCLUDE && token.kind != T_TABLE)
			break;
		if (!read_directive(parse, scanner, &token)) {
			token.kind = T_SCRIPT_YYerror;
			break;
		}
	}
	parse->last_place = token.place;
	parse->brackets += token.kind == '(' || token.kind == '[';
	parse->brackets -= parse->brackets && (token.kind == ')' || token.kind == ']');
	*value = token.value;
	*place = parse->last_place;
	return parse->previous = token.kind;
}
