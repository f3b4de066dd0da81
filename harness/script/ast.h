/*
 * A parsed script. The grammar builds it, check.c verifies it against the tables (calls, symbols, header fields), the engine
 * walks it. Everything in it lives in one arena and is freed with the script.
 *
 * The language is a superset of packetdrill's; docs/language.md describes it.
 */
#ifndef HARNESS_AST_H
#define HARNESS_AST_H

#include <plumbline/time.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/packet.h"

/* A stretch of the source, for messages: lines and columns count from 1; the end column is past the last character. */
struct source_span {
	const char *file;	/* NULL: the script itself; else an included file */
	int line, column, end_line, end_column;
};

enum expr_kind {
	EXPR_ELLIPSIS,		/* ...; with a word: `let word`, which is given the value that comes there */
	EXPR_INTEGER,
	EXPR_FLOAT,
	EXPR_STRING,		/* "bytes", escapes resolved; adjacent ones joined; open_ended: "bytes"... */
	EXPR_WORD,		/* a symbol or a define's name, looked up when it is used */
	EXPR_OR,		/* a | b */
	EXPR_BINARY,		/* + - * / << >> & : Plumbline's arithmetic */
	EXPR_LIST,		/* [a, b] */
	EXPR_STRUCT,		/* {name=a, name(...)=b, c}: members in order; a name may be NULL */
	EXPR_CALL,		/* htons(80), inet_addr("1.2.3.4"): word and operands */
	EXPR_ASSIGN,		/* word=value as an argument (Plumbline's variables, packetdrill's `WORD = expr`) */
};

struct expr {
	enum expr_kind kind;
	struct source_span span;
	int64_t integer;	/* INTEGER */
	bool hexadecimal;	/* printed back as it was written */
	double real;		/* FLOAT */
	const char *word;	/* WORD, CALL, ASSIGN; ELLIPSIS; FLOAT as it is written */
	const char *bytes;	/* STRING */
	size_t length;		/* STRING */
	bool open_ended;	/* STRING */
	char operator;		/* BINARY: '+', '-', '*', '/', '<', '>', '&' */
	struct expr_member {
		const char *name;	/* STRUCT; NULL elsewhere */
		struct expr *argument;	/* name(argument)=value, NULL without the parentheses */
		struct expr *value;
		struct source_span span;	/* of the name */
	} *member;		/* OR, BINARY: two; LIST, CALL: elements; STRUCT: members; ASSIGN: one */
	unsigned members;
};

enum event_time_kind {
	TIME_RELATIVE,		/* +t */
	TIME_ABSOLUTE,		/* t */
	TIME_ANY,		/* * */
	TIME_RELATIVE_RANGE,	/* +t~+u */
	TIME_ABSOLUTE_RANGE,	/* t~u */
};

struct event_time {
	enum event_time_kind kind;
	pl_time at, until;	/* as written; until only in ranges */
};

enum event_kind {
	EVENT_PACKET,		/* < or > */
	EVENT_CALL,
	EVENT_COMMAND,		/* `shell` */
	EVENT_CODE,		/* %{ python }% */
	EVENT_NOTHING,		/* expect nothing for t */
	EVENT_LET,		/* let name = value */
	EVENT_TUNABLE,		/* sysctl name = value, sysctl name == value */
};

/* if LEFT operator RIGHT { ... } else { ... } */
enum condition_operator {
	CONDITION_EQUAL, CONDITION_UNEQUAL, CONDITION_LESS, CONDITION_GREATER, CONDITION_AT_MOST, CONDITION_AT_LEAST
};
struct condition {
	enum { CONDITION_TARGET, CONDITION_VERSION, CONDITION_NUMBERS } kind;
	enum condition_operator operator;
	const struct expr *left, *right;
};
/* Where an event stands: in one of the two blocks of a condition, which may itself be inside one. */
struct branch {
	const struct branch *outer;
	const struct condition *condition;
	bool otherwise;			/* in the block after `else` */
};

struct tunable_spec {
	const char *name;
	bool write;
	const struct expr *value;
	const char *errno_name;		/* of a write that is to fail; NULL: it is to succeed */
	struct source_span errno_span;
};

struct call_spec {
	const char *name;
	struct source_span name_span;
	struct expr **argument;
	unsigned arguments;
	struct expr *result;		/* EXPR_ELLIPSIS: any */
	const char *errno_name;		/* NULL: none given */
	struct source_span errno_span;
	const char *note;		/* "(Connection refused)", without the parentheses; NULL: none */
	bool blocking;			/* t...u */
	pl_time end;			/* of a blocking call, in the terms of its time kind */
};

struct packet_spec {
	bool inbound;			/* '<' */
	const char *link;		/* NULL: the script's first link */
	struct source_span link_span;
	struct packet packet;		/* what is said of it; fields not said are absent */
	bool late;			/* variables stand in it */
	bool is_fragment;		/* only these bytes behind the packet's IP header are meant */
	unsigned from, until;
	struct layer fragment;		/* what is said of the fragment's own IP header */
};

struct event {
	struct event *next;
	enum event_kind kind;
	struct source_span span;
	struct source_span time_span;
	struct event_time time;
	const struct branch *branch;	/* NULL: it is carried out in any case */
	unsigned group;			/* events of one group may happen in any order; 0: none */
	union {
		struct packet_spec *packet;
		struct call_spec *call;
		const char *text;		/* command or code */
		pl_time quiet;			/* EVENT_NOTHING */
		struct {
			const char *name;
			const struct expr *value;
		} let;
		struct tunable_spec *tunable;
	};
};

struct script_option {
	const char *name, *value;	/* without the dashes; value NULL for a bare flag */
	struct source_span span;
};

/* A name that `let` gives a value. */
struct script_variable {
	struct script_variable *next;
	const char *name;
};

/* A table at a script's top: its rows' names. */
struct script_table {
	const char **row;
	unsigned rows;
};

struct script {
	const char *path;
	const char *text;		/* the source, for messages */
	size_t length;
	struct script_option *option;
	unsigned options;
	const char *init_command, *cleanup_command;	/* NULL: none */
	struct source_span init_span, cleanup_span;
	struct event *events;
	unsigned event_count;
	/* Words in packets that no symbol and no define explains; their values are marked as any. script_check judges them. */
	struct script_undefined {
		const char *word;
		struct source_span span;
	} *undefined;
	unsigned undefineds;
	struct script_variable *variables;
	struct script_table *table;	/* the script is a case for each row, of several tables for each combination */
	unsigned tables;
	struct arena *arena;
};

/* A message about a script, with its place. Notes are remarks about a script that is accepted. */
enum diagnostic_level { DIAGNOSTIC_ERROR, DIAGNOSTIC_NOTE };
struct diagnostic {
	enum diagnostic_level level;
	struct source_span span;
	char *message;			/* what is wrong */
	char *expected;			/* what could stand there, or NULL */
	char *file;			/* span.file, its own copy; NULL: the script itself */
};
struct diagnostics {
	struct diagnostic *item;
	unsigned count;
};
#define DIAGNOSTICS_MOST 100	/* further ones are counted by nobody and not kept */

/* -D NAME=VALUE */
struct define {
	const char *name, *value;
};

/*
 * Parse `length` bytes of script text (they need not end in NUL). `path` is for messages and includes. NULL when it cannot be
 * parsed: *diagnostics then says why. A script that parses may still have diagnostics from script_check.
 */
struct script *script_parse(const char *path, const char *text, size_t length, const struct define *defines, unsigned count,
			    struct diagnostics *diagnostics);
/* The same for one case of a script that has tables: "row", or of several tables "row,row". NULL: the first. */
struct script *script_parse_case(const char *path, const char *name, const char *text, size_t length,
				 const struct define *defines, unsigned count, struct diagnostics *diagnostics);
/* How many cases a script is; 0: it has no table, and is one. */
unsigned script_cases(const struct script *script);
/* The name of case number i, in the arena. */
const char *script_case_name(const struct script *script, unsigned i, struct arena *arena);
struct script *script_read(const char *path, const struct define *defines, unsigned count, struct diagnostics *diagnostics);
/* Everything that can be known wrong without running: unknown calls, symbols, fields, impossible times. Number of errors. */
unsigned script_check(const struct script *script, struct diagnostics *diagnostics);
/*
 * The same before the script's defines are known: a word in capitals that resembles no symbol is taken for a define that
 * `run -D` will supply, and only noted.
 */
unsigned script_check_undefined(const struct script *script, struct diagnostics *diagnostics);
/* The whole of a file, malloc'd, not NUL-terminated; NULL with errno set. */
char *script_read_file(const char *path, size_t *length);
void script_free(struct script *script);
void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_level level, const struct source_span *span,
		     const char *expected, const char *format, va_list arguments) __attribute__((format(printf, 5, 0)));
void diagnostics_free(struct diagnostics *diagnostics);
/* file:line:column: error: message, the source line, the stretch underlined, what was expected. */
void diagnostics_print(const struct diagnostics *diagnostics, const struct script *script, const char *path, const char *text,
		       size_t length, bool colour, void *stream);

/*
 * The result of an operator of EXPR_OR and EXPR_BINARY ('|', '&', '+', '-', '*', '/', '<' for <<, '>' for >>) in 64 bits, two's
 * complement; false: there is none (a division by 0).
 */
bool expr_operate(char operator, int64_t left, int64_t right, int64_t *result);

/* The value of a symbol (SOCK_STREAM, EPOLLIN, ECONNREFUSED, ...): one table, also used to print values back. */
bool symbol_value(const char *word, int64_t *value);
/* Name of a value within a family ("errno", "SO_", "MSG_", ...), or NULL. */
const char *symbol_name(const char *family, int64_t value);

#endif
