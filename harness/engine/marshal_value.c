/* The kinds of arguments whose type depends on a name: option values, and what requests take. */
#include <string.h>

#include "marshal_kinds.h"
#include "types_tables.h"

static const struct type *option_type(const struct marshalled *m)
{
	return type_of_option((int)m->call.arg[1], (int)m->call.arg[2]);
}

bool marshal_optval_in_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t length, size;
	const char *error;
	uint8_t *bytes;

	if (!marshal_size_after(m, i, &size))
		return false;
	m->type[i] = option_type(m);
	if (marshal_is_null(m, expr))
		return true;
	if (expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD)
		return marshal_fail(m, i, "expected [value], {members}, \"bytes\", ... or NULL");
	bytes = marshal_memory(m, i, size > 256 ? size : 256);
	if (expr->kind == EXPR_ELLIPSIS)
		return true;
	if (m->type[i] && m->type[i]->kind == TYPE_STRUCT && size && size < m->type[i]->size && expr->kind == EXPR_STRUCT &&
	    type_by_members(expr))
		m->type[i] = type_by_members(expr);	/* a shorter structure than the table's, if one is known */
	return type_build(m->run, m->type[i], expr, bytes, m->room[i], &length, &error) || marshal_fail(m, i, error);
}

/* Options whose value says what is asked for, and comes back with the answer. */
static bool reads_value(const struct marshalled *m)
{
	return m->type[3] == &type_ip_msfilter || m->type[3] == &type_group_filter;
}

/* SO_GET_FILTER has the number of SO_ATTACH_FILTER, and a length in instructions. */
static size_t length_unit(const struct marshalled *m, unsigned i)
{
	return m->type[i] == &type_program ? type_program.element->size : 1;
}

bool marshal_optval_out_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct expr *after = marshal_argument(m, i + 1);
	int64_t size = 4096;
	const char *error;
	size_t length;

	m->type[i] = option_type(m);
	if (m->type[i] == &type_sock_fprog)
		m->type[i] = &type_program;
	if (after && after->kind != EXPR_ELLIPSIS && !marshal_is_null(m, after) &&
	    !marshal_number(m, i + 1, expr_part(after, 0), &size))
		return false;
	if (size < 0)
		size = 0;
	if (size > 1 << 20)
		return marshal_fail(m, i + 1, "an option longer than 1 MiB");
	if (marshal_is_null(m, expr))
		return true;
	marshal_memory(m, i, (size_t)size * length_unit(m, i));
	if (!reads_value(m) || expr->kind == EXPR_ELLIPSIS)
		return true;
	return type_build(m->run, m->type[i], expr, m->memory[i], (size_t)size, &length, &error) || marshal_fail(m, i, error);
}

static size_t option_length(const struct marshalled *m, unsigned i)
{
	const socklen_t *length = m->memory[i + 1];

	return length && *length * length_unit(m, i) < m->room[i] ? *length * length_unit(m, i) : m->room[i];
}

void marshal_optval_out_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i] && m->call.result >= 0 && !marshal_is_null(m, expr))
		type_compare(m->run, m->type[i], expr, m->memory[i], option_length(m, i), "value", text);
}

void marshal_optval_out_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct type *type = m->type[i];
	size_t length = option_length(m, i);
	bool scalar;

	if (!m->memory[i] || m->call.result < 0) {
		expr_print(m->run, expr, text);
		return;
	}
	if (type && type->kind == TYPE_OPAQUE) {
		type_print_named(m->run, expr, m->memory[i], length, text);
		return;
	}
	if (type && type->kind == TYPE_STRUCT && length < type->size)
		type = NULL;
	scalar = type ? type->kind != TYPE_STRUCT && type->kind != TYPE_BYTES && type->kind != TYPE_TEXT &&
				type->kind != TYPE_ARRAY
		      : length == 1 || length == 2 || length == 4 || length == 8;
	text_add(text, "%s", scalar ? "[" : "");
	type_print(m->run, type, m->memory[i], length, text);
	text_add(text, "%s", scalar ? "]" : "");
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */
bool marshal_request_arg_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct request_row *row = request_row(m->call.op, (unsigned long)m->call.arg[1]);
	const char *error;
	size_t length;
	uint8_t *bytes;

	if (!row->type || marshal_is_null(m, expr) || expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD ||
	    expr->kind == EXPR_OR)
		return marshal_number(m, i, expr, &m->call.arg[i]);
	m->type[i] = row->type;
	bytes = marshal_memory(m, i, 512);
	if (!row->in || expr->kind == EXPR_ELLIPSIS)
		return true;
	return type_build(m->run, row->type, expr, bytes, m->room[i], &length, &error) || marshal_fail(m, i, error);
}

void marshal_request_arg_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct request_row *row = request_row(m->call.op, (unsigned long)m->call.arg[1]);

	if (m->memory[i] && row->out && m->call.result >= 0)
		type_compare(m->run, m->type[i], expr, m->memory[i], m->type[i]->size, "value", text);
}

void marshal_request_arg_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct type *type = m->type[i];
	bool scalar;

	if (!m->memory[i] || m->call.result < 0) {
		expr_print(m->run, expr, text);
		return;
	}
	scalar = type->kind != TYPE_STRUCT && type->kind != TYPE_IFCONF;
	text_add(text, "%s", scalar ? "[" : "");
	type_print(m->run, type, m->memory[i], type->size, text);
	text_add(text, "%s", scalar ? "]" : "");
}
