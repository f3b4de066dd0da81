/* The words of a script between the lexer and the grammar: tokens.c, and table.c for what is particular to tables. */
#ifndef HARNESS_TOKENS_H
#define HARNESS_TOKENS_H

#include "parse.h"

#include "grammar.h"

#define YYSTYPE SCRIPT_YYSTYPE
#define YYLTYPE SCRIPT_YYLTYPE
#include "lexer.h"
#include "symbols.h"

struct token {
	struct token *next;
	int kind;
	SCRIPT_YYSTYPE value;
	struct place place;
};

/* A word and what stands for it. */
struct binding {
	struct binding *next;
	struct slice name;
	const struct token *first;
	struct slice path;		/* the same as part of a tunable's name; length 0: it cannot be one */
};

struct slice slice_path(struct slice value);	/* what may be a tunable's name or part of one: the value, or nothing */
/* The words of a text that stands at a place of the script; none when it has characters that are none of the language's. */
struct token_chain tokens_of_text(struct parse *parse, struct slice text, const struct place *at);
/* The next word as it is written: of the innermost block that is being said again, or of the file. */
struct token token_raw_next(struct parse *parse, void *scanner);

/* The rest of a table behind its word. False when the parse has failed. */
bool table_read(struct parse *parse, void *scanner, const struct token *word);

#endif
