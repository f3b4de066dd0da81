/* Expressions: their values, and how they are written. */
#include "types.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* --- text ---------------------------------------------------------------------------------------------------------------- */
void text_quote(struct text *text, const void *bytes, size_t length)
{
	const uint8_t *byte = bytes;

	text_add(text, "\"");
	for (size_t i = 0; i < length; i++) {
		if (byte[i] == '"' || byte[i] == '\\')
			text_add(text, "\\%c", byte[i]);
		else if (byte[i] == '\n')
			text_add(text, "\\n");
		else if (byte[i] >= 32 && byte[i] < 127)
			text_add(text, "%c", byte[i]);
		else
			text_add(text, "\\x%02x", byte[i]);
	}
	text_add(text, "\"");
}

/* --- values --------------------------------------------------------------------------------------------------------------- */
static bool eval_word(const struct run *run, const char *word, int64_t *value, const char **error)
{
	if (symbol_value(word, value) || variable_get(run, word, value))
		return true;
	for (unsigned i = 0; i < run->options->defines; i++) {
		const struct define *define = &run->options->define[i];
		char *end;

		if (strcmp(define->name, word))
			continue;
		*value = strtoll(define->value, &end, 0);
		if ((*define->value && !*end) || symbol_value(define->value, value))
			return true;
	}
	*error = arena_printf(run->arena, "unknown symbol %s", word);
	return false;
}

static bool eval_function(const struct run *run, const struct expr *expr, int64_t *value, const char **error)
{
	const struct expr *operand = expr->members == 1 ? expr->member[0].value : NULL;
	struct in_addr address;
	int64_t number;

	if (operand && !strcmp(expr->word, "inet_addr") && operand->kind == EXPR_STRING) {
		if (inet_pton(AF_INET, operand->bytes, &address) == 1) {
			*value = address.s_addr;
			return true;
		}
		*error = arena_printf(run->arena, "\"%s\" is no IPv4 address", operand->bytes);
		return false;
	}
	if (operand && (!strcmp(expr->word, "htons") || !strcmp(expr->word, "htonl"))) {
		if (!eval_int(run, operand, &number, error))
			return false;
		*value = expr->word[4] == 's' ? htons((uint16_t)number) : htonl((uint32_t)number);
		return true;
	}
	*error = arena_printf(run->arena, "unknown function %s", expr->word);
	return false;
}

static bool eval_binary(const struct run *run, const struct expr *expr, int64_t *value, const char **error)
{
	int64_t left, right;

	if (!eval_int(run, expr->member[0].value, &left, error) || !eval_int(run, expr->member[1].value, &right, error))
		return false;
	if (expr_operate(expr->operator, left, right, value))
		return true;
	*error = "the arithmetic has no result (a division by zero?)";
	return false;
}

static const char *const kind_names[] = {
	[EXPR_ELLIPSIS] = "...", [EXPR_INTEGER] = "a number", [EXPR_FLOAT] = "a fraction", [EXPR_STRING] = "a string",
	[EXPR_WORD] = "a word", [EXPR_OR] = "a number", [EXPR_BINARY] = "a number", [EXPR_LIST] = "a list",
	[EXPR_STRUCT] = "a structure", [EXPR_CALL] = "a number", [EXPR_ASSIGN] = "an assignment",
};

bool eval_int(const struct run *run, const struct expr *expr, int64_t *value, const char **error)
{
	int64_t other;

	switch (expr->kind) {
	case EXPR_INTEGER:
		*value = expr->integer;
		return true;
	case EXPR_WORD:
		return eval_word(run, expr->word, value, error);
	case EXPR_OR:
		if (!eval_int(run, expr->member[0].value, value, error) || !eval_int(run, expr->member[1].value, &other, error))
			return false;
		*value |= other;
		return true;
	case EXPR_BINARY:
		return eval_binary(run, expr, value, error);
	case EXPR_CALL:
		return eval_function(run, expr, value, error);
	case EXPR_ELLIPSIS:
	case EXPR_FLOAT:
	case EXPR_STRING:
	case EXPR_LIST:
	case EXPR_STRUCT:
	case EXPR_ASSIGN:
		break;
	}
	*error = arena_printf(run->arena, "expected a number, not %s", kind_names[expr->kind]);
	return false;
}

const struct expr *expr_unwrap(const struct expr *expr)
{
	return expr->kind == EXPR_LIST && expr->members == 1 ? expr->member[0].value : expr;
}

const struct expr *expr_part(const struct expr *expr, unsigned part)
{
	return expr->kind == EXPR_LIST && expr->members == 2 ? expr->member[part].value : expr_unwrap(expr);
}

/* --- print ---------------------------------------------------------------------------------------------------------------- */
static void print_members(const struct run *run, const struct expr *expr, const char *open, const char *close,
			  struct text *text)
{
	text_add(text, "%s", open);
	for (unsigned i = 0; i < expr->members; i++) {
		const struct expr_member *member = &expr->member[i];

		if (i)
			text_add(text, ", ");
		if (expr->kind == EXPR_STRUCT && member->name) {
			text_add(text, "%s", member->name);
			if (member->argument) {
				text_add(text, "(");
				expr_print(run, member->argument, text);
				text_add(text, ")");
			}
			text_add(text, "=");
		}
		expr_print(run, member->value, text);
	}
	text_add(text, "%s", close);
}

static void print_pair(const struct run *run, const struct expr *expr, const char *operator, struct text *text)
{
	expr_print(run, expr->member[0].value, text);
	text_add(text, "%s", operator);
	expr_print(run, expr->member[1].value, text);
}

/* An operator as it is written: shifts are two characters. */
static const char *operator_text(char operator, char text[3])
{
	text[0] = operator;
	text[1] = operator == '<' || operator == '>' ? operator : 0;
	text[2] = 0;
	return text;
}

void expr_print(const struct run *run, const struct expr *expr, struct text *text)
{
	char operator[3];

	switch (expr->kind) {
	case EXPR_ELLIPSIS:
		text_add(text, expr->word ? "let %s" : "...", expr->word);
		break;
	case EXPR_INTEGER:
		text_add(text, expr->hexadecimal ? "0x%llx" : "%lld", (long long)expr->integer);
		break;
	case EXPR_FLOAT:
		text_add(text, "%g", expr->real);
		break;
	case EXPR_STRING:
		text_quote(text, expr->bytes, expr->length);
		text_add(text, "%s", expr->open_ended ? "..." : "");
		break;
	case EXPR_WORD:
		text_add(text, "%s", expr->word);
		break;
	case EXPR_OR:
		print_pair(run, expr, "|", text);
		break;
	case EXPR_BINARY:
		print_pair(run, expr, operator_text(expr->operator, operator), text);
		break;
	case EXPR_LIST:
		print_members(run, expr, "[", "]", text);
		break;
	case EXPR_STRUCT:
		print_members(run, expr, "{", "}", text);
		break;
	case EXPR_CALL:
		text_add(text, "%s", expr->word);
		print_members(run, expr, "(", ")", text);
		break;
	case EXPR_ASSIGN:
		text_add(text, "%s=", expr->word);
		expr_print(run, expr->member[0].value, text);
		break;
	}
}
