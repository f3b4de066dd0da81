/* Makers of expression nodes. Lists are gathered as chains while they are read and become arrays when they end. */
#include "parse.h"

#include <string.h>

struct expr *expr_new(struct parse *parse, enum expr_kind kind, const struct place *place)
{
	struct expr *expr = arena_alloc(parse->arena, sizeof(*expr));

	expr->kind = kind;
	expr->span = parse_span(place);
	return expr;
}

struct expr *expr_integer(struct parse *parse, int64_t value, bool hexadecimal, const struct place *place)
{
	struct expr *expr = expr_new(parse, EXPR_INTEGER, place);

	if (value == INT64_MAX)
		parse_error(parse, place, "a number of 64 bits", "the number is too large");
	expr->integer = value;
	expr->hexadecimal = hexadecimal;
	return expr;
}

struct expr *expr_word(struct parse *parse, struct slice word, const struct place *place)
{
	struct expr *expr = expr_new(parse, EXPR_WORD, place);

	expr->word = parse_string(parse, word);
	return expr;
}

struct expr *expr_string(struct parse *parse, struct bytes bytes, bool open_ended, const struct place *place)
{
	struct expr *expr = expr_new(parse, EXPR_STRING, place);

	expr->bytes = bytes.at;
	expr->length = bytes.length;
	expr->open_ended = open_ended;
	return expr;
}

struct expr *expr_binary(struct parse *parse, char operator, struct expr *left, struct expr *right, const struct place *place)
{
	struct expr *expr = expr_new(parse, operator == '|' ? EXPR_OR : EXPR_BINARY, place);

	expr->operator = operator;
	expr->member = arena_alloc(parse->arena, 2 * sizeof(*expr->member));
	expr->members = 2;
	expr->member[0].value = left;
	expr->member[1].value = right;
	return expr;
}

struct expr *expr_let(struct parse *parse, struct slice name, const struct place *place)
{
	struct expr *expr = expr_new(parse, EXPR_ELLIPSIS, place);

	expr->word = parse_string(parse, name);
	parse_variable(parse, name, place);
	return expr;
}

/* A literal takes the sign; anything else is subtracted from 0. */
struct expr *expr_negative(struct parse *parse, struct expr *operand, const struct place *place)
{
	if (operand->kind == EXPR_INTEGER) {
		operand->integer = (int64_t)(0 - (uint64_t)operand->integer);
		operand->span = parse_span(place);
		return operand;
	}
	if (operand->kind == EXPR_FLOAT) {
		operand->real = -operand->real;
		operand->span = parse_span(place);
		return operand;
	}
	return expr_binary(parse, '-', expr_integer(parse, 0, false, place), operand, place);
}

struct members members_add(struct parse *parse, struct members members, struct expr_member member, const struct place *place)
{
	struct member_node *node = arena_alloc(parse->arena, sizeof(*node));

	node->member = member;
	node->place = *place;
	if (members.last)
		members.last->next = node;
	else
		members.first = node;
	members.last = node;
	members.count++;
	return members;
}

struct expr_member member_named(struct parse *parse, struct slice name, const struct place *place, struct expr *value)
{
	return (struct expr_member){ parse_string(parse, name), NULL, value, parse_span(place) };
}

/* name(argument) = value: the argument is a length that goes with the member. */
struct expr_member member_called(struct parse *parse, struct expr *call, struct expr *value)
{
	struct place place = { call->span.line, call->span.column, call->span.end_line, call->span.end_column, 0, 0, NULL };

	if (call->members != 1)
		parse_error(parse, &place, "one length in the parentheses", "'%s' takes one length, not %u", call->word,
			    call->members);
	return (struct expr_member){ call->word, call->members ? call->member[0].value : NULL, value, call->span };
}

/* An element outside a structure: a plain expression, or "word = value". */
static struct expr *element(struct parse *parse, const struct member_node *node)
{
	struct expr *expr;

	if (!node->member.name)
		return node->member.value;
	if (node->member.argument)
		parse_error(parse, &node->place, "a structure in braces around it", "'%s(...)=' stands outside a structure",
			    node->member.name);
	expr = expr_new(parse, EXPR_ASSIGN, &node->place);
	expr->word = node->member.name;
	expr->member = arena_alloc(parse->arena, sizeof(*expr->member));
	expr->member[0].value = node->member.value;
	expr->members = 1;
	return expr;
}

struct expr *expr_list(struct parse *parse, enum expr_kind kind, struct members members, const struct place *place)
{
	struct expr *expr = expr_new(parse, kind, place);
	unsigned index = 0;

	expr->members = members.count;
	expr->member = arena_alloc(parse->arena, (members.count + 1) * sizeof(*expr->member));
	for (const struct member_node *node = members.first; node; node = node->next, index++) {
		if (kind == EXPR_STRUCT)
			expr->member[index] = node->member;
		else
			expr->member[index].value = element(parse, node);
	}
	return expr;
}

struct expr *expr_call(struct parse *parse, struct slice name, struct members arguments, const struct place *place)
{
	struct expr *expr = expr_list(parse, EXPR_CALL, arguments, place);

	expr->word = parse_string(parse, name);
	return expr;
}

struct expr **expr_arguments(struct parse *parse, struct members arguments)
{
	struct expr **argument = arena_alloc(parse->arena, (arguments.count + 1) * sizeof(*argument));
	unsigned index = 0;

	for (const struct member_node *node = arguments.first; node; node = node->next)
		argument[index++] = element(parse, node);
	return argument;
}

/* Names and numbers (of a GRE header) as a structure. */
struct expr *expr_items(struct parse *parse, struct items items, const struct place *place)
{
	struct members members = { 0 };

	for (const struct item *item = items.first; item; item = item->next) {
		int64_t value = item->kind == ITEM_NUMBER ? item->number.value : 1;
		struct expr *number = expr_integer(parse, value, false, &item->name_place);
		struct expr_member member = member_named(parse, item->name, &item->name_place, number);

		members = members_add(parse, members, member, &item->name_place);
	}
	return expr_list(parse, EXPR_STRUCT, members, place);
}

/* One MPLS label of a stack that is a value. */
struct members mpls_member(struct parse *parse, struct members members, struct items items, const struct place *place)
{
	return members_add(parse, members, (struct expr_member){ .value = expr_items(parse, items, place) }, place);
}

/* The parts of a sum in a packet, which must be known while the packet is read. */
static bool fold(struct parse *parse, const struct expr *expr, struct number *number);

static bool fold_binary(struct parse *parse, const struct expr *expr, struct number *number)
{
	struct number left = { .place = number->place }, right = left;

	if (!fold(parse, expr->member[0].value, &left) || !fold(parse, expr->member[1].value, &right))
		return false;
	number->unresolved = left.unresolved || right.unresolved;
	number->late = left.late || right.late ? expr : NULL;
	if (!number->unresolved && !expr_operate(expr->operator, left.value, right.value, &number->value)) {
		parse_error(parse, &number->place, NULL, "the arithmetic has no result");
		return false;
	}
	return true;
}

static bool fold(struct parse *parse, const struct expr *expr, struct number *number)
{
	switch (expr->kind) {
	case EXPR_INTEGER:
		number->value = expr->integer;
		return true;
	case EXPR_WORD: {
		struct place place = { expr->span.line, expr->span.column, expr->span.end_line, expr->span.end_column, 0, 0, NULL };

		*number = parse_word_number(parse, (struct slice){ expr->word, strlen(expr->word) }, &place);
		return true;
	}
	case EXPR_OR:
	case EXPR_BINARY:
		return fold_binary(parse, expr, number);
	case EXPR_ELLIPSIS:
	case EXPR_FLOAT:
	case EXPR_STRING:
	case EXPR_LIST:
	case EXPR_STRUCT:
	case EXPR_CALL:
	case EXPR_ASSIGN:
		break;
	}
	parse_error(parse, &number->place, "numbers, symbols and + - * / << >> & |", "this is not a number");
	return false;
}

struct number expr_number(struct parse *parse, const struct expr *expr, const struct place *place)
{
	struct number number = { .place = *place };

	fold(parse, expr, &number);
	number.place = *place;
	return number;
}

/* The result of an operation as two's complement arithmetic of 64 bits gives it; false: there is none. */
bool expr_operate(char operator, int64_t left, int64_t right, int64_t *result)
{
	uint64_t a = (uint64_t)left, b = (uint64_t)right;

	switch (operator) {
	case '|':
		*result = left | right;
		return true;
	case '&':
		*result = left & right;
		return true;
	case '+':
		*result = (int64_t)(a + b);
		return true;
	case '-':
		*result = (int64_t)(a - b);
		return true;
	case '*':
		*result = (int64_t)(a * b);
		return true;
	case '/':
		if (!right || (left == INT64_MIN && right == -1))
			return false;
		*result = left / right;
		return true;
	case '<':
		*result = b < 64 ? (int64_t)(a << b) : 0;
		return true;
	case '>':
		*result = b < 64 ? (int64_t)(a >> b) : 0;
		return true;
	}
	return false;
}
