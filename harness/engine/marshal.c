/*
 * Marshalling. Each kind of argument has a row with three functions: build it from the script, check what came back in it,
 * print it. Everything else follows from the call table. Pointers point into the run's arena and stay valid until its end.
 */
#include "marshal.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

#include "marshal_kinds.h"

#define MOST_BYTES (UINT64_C(1) << 30)

const struct call_rule call_rules[PL_OP_COUNT] = {
	[PL_OP_socket] = { .effect = EFFECT_SOCKET, .gives_descriptor = true },
	[PL_OP_listen] = { .effect = EFFECT_LISTEN },
	[PL_OP_accept] = { .effect = EFFECT_ACCEPT, .gives_descriptor = true },
	[PL_OP_accept4] = { .effect = EFFECT_ACCEPT, .gives_descriptor = true },
	[PL_OP_connect] = { .effect = EFFECT_CONNECT },
	[PL_OP_sendto] = { .effect = EFFECT_CONNECT },
	[PL_OP_sendmsg] = { .effect = EFFECT_CONNECT },
	[PL_OP_sendmmsg] = { .effect = EFFECT_CONNECT },
	[PL_OP_close] = { .effect = EFFECT_CLOSE },
	[PL_OP_dup] = { .effect = EFFECT_DUP, .gives_descriptor = true },
	[PL_OP_epoll_create] = { .effect = EFFECT_DESCRIPTOR, .gives_descriptor = true },
	[PL_OP_epoll_create1] = { .effect = EFFECT_DESCRIPTOR, .gives_descriptor = true },
	[PL_OP_open] = { .least = 2, .effect = EFFECT_DESCRIPTOR, .gives_descriptor = true },
	[PL_OP_pipe] = { .effect = EFFECT_PIPE },
	[PL_OP_ioctl] = { .least = 2 },
	[PL_OP_fcntl] = { .least = 2 },
};

int call_op(const char *name)
{
	for (int op = 0; op < PL_OP_COUNT; op++)
		if (!strcmp(pl_call_table[op].name, name))
			return op;
	return -1;
}

/* --- helpers -------------------------------------------------------------------------------------------------------------- */
bool marshal_fail(struct marshalled *m, unsigned i, const char *what)
{
	m->error = arena_printf(m->run->arena, "argument %u: %s", i + 1, what);
	return false;
}

bool marshal_number(struct marshalled *m, unsigned i, const struct expr *expr, int64_t *value)
{
	const char *error;

	return eval_int(m->run, expr, value, &error) || marshal_fail(m, i, error);
}

void *marshal_memory(struct marshalled *m, unsigned i, size_t size)
{
	m->memory[i] = arena_alloc_pages(m->run->arena, size);
	m->room[i] = size;
	m->call.arg[i] = PL_PTR(m->memory[i]);
	return m->memory[i];
}

const struct expr *marshal_argument(const struct marshalled *m, unsigned i)
{
	return i < m->spec->arguments ? m->spec->argument[i] : NULL;
}

bool marshal_is_null(const struct marshalled *m, const struct expr *expr)
{
	const char *error;
	int64_t value;

	return (expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD) && eval_int(m->run, expr, &value, &error) && !value;
}

bool marshal_size_after(struct marshalled *m, unsigned i, size_t *size)
{
	const struct expr *expr = marshal_argument(m, i + 1);
	int64_t value;

	*size = 0;
	if (!expr)
		return true;
	if (!marshal_number(m, i + 1, expr, &value))
		return false;
	if (value > (int64_t)MOST_BYTES)
		return marshal_fail(m, i + 1, "a buffer larger than 1 GiB");
	*size = value > 0 ? (size_t)value : 0;
	return true;
}

/* --- numbers -------------------------------------------------------------------------------------------------------------- */
static bool build_int(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind == EXPR_ELLIPSIS && m->call.op == PL_OP_socket && !i) {
		m->call.arg[i] = AF_INET;
		return true;
	}
	return marshal_number(m, i, expr, &m->call.arg[i]);
}

/* A number that is no descriptor of the script is handed on when the script expects EBADF. */
static bool build_fd(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value;

	if (!marshal_number(m, i, expr, &value))
		return false;
	if (value < 0 || descriptor_find(m->run, (int)value) ||
	    (m->spec->errno_name && !strcmp(m->spec->errno_name, "EBADF"))) {
		m->call.arg[i] = descriptor_live(m->run, (int)value);
		return true;
	}
	m->no_descriptor = true;
	return marshal_fail(m, i, arena_printf(m->run->arena, "the script has no descriptor %lld open", (long long)value));
}

/* --- addresses ------------------------------------------------------------------------------------------------------------ */
static void address_default(const struct marshalled *m, struct sockaddr_in *address)
{
	const struct settings *settings = &m->run->settings;
	bool local = m->call.op == PL_OP_bind;

	address->sin_family = AF_INET;
	address->sin_port = htons((uint16_t)(local ? settings->bind_port : settings->connect_port));
	address->sin_addr = local ? settings->local : settings->remote;
}

bool marshal_address(struct marshalled *m, const struct expr *expr, struct sockaddr_in *address, const char **error)
{
	int64_t value;
	size_t length;

	if (expr->kind == EXPR_ELLIPSIS) {
		address_default(m, address);
		return true;
	}
	if (expr->kind == EXPR_STRUCT)
		return type_build(m->run, type_by_members(expr), expr, (uint8_t *)address, sizeof(struct sockaddr_storage), &length,
				  error);
	if (!eval_int(m->run, expr, &value, error))
		return false;
	address->sin_family = (sa_family_t)value;	/* only the family, as in connect(3, AF_UNSPEC, ...) */
	return true;
}

static bool build_sockaddr_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct expr *length = marshal_argument(m, i + 1);
	struct sockaddr_in *address;
	const char *error;

	if (marshal_is_null(m, expr) && length && length->kind != EXPR_ELLIPSIS)
		return true;		/* NULL and a length of one's own */
	address = marshal_memory(m, i, sizeof(struct sockaddr_storage));
	m->address_default[i] = expr->kind == EXPR_ELLIPSIS;
	return marshal_address(m, expr, address, &error) || marshal_fail(m, i, error);
}

static bool build_socklen_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind == EXPR_ELLIPSIS) {
		m->call.arg[i] = m->memory[i - 1] ? (int64_t)sizeof(struct sockaddr_in) : 0;
		return true;
	}
	return marshal_number(m, i, expr, &m->call.arg[i]);
}

static bool build_sockaddr_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (!marshal_is_null(m, expr))
		marshal_memory(m, i, sizeof(struct sockaddr_storage));
	return true;
}

/* A length that goes in and comes back: [n], or "..." for as much as there is room. */
static bool build_socklen_inout(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value = (int64_t)m->room[i - 1];
	socklen_t *length;

	if (marshal_is_null(m, expr))
		return true;
	length = marshal_memory(m, i, sizeof(*length));
	if (expr->kind != EXPR_ELLIPSIS && !marshal_number(m, i, expr_part(expr, 0), &value))
		return false;
	*length = (socklen_t)value;
	return true;
}

static void check_sockaddr_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const socklen_t *length = m->memory[i + 1];

	if (m->memory[i] && length && expr->kind == EXPR_STRUCT && m->call.result >= 0)
		type_compare(m->run, type_by_members(expr), expr, m->memory[i], *length < m->room[i] ? *length : m->room[i],
			     "address", text);
}

static void check_socklen_inout(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i] && expr->kind != EXPR_ELLIPSIS && m->call.result >= 0)
		type_compare(m->run, &type_u32, expr, m->memory[i], sizeof(socklen_t), "length", text);
}

static void print_sockaddr_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const socklen_t *length = m->memory[i + 1];

	if (!m->memory[i] || !length || m->call.result < 0 || !*length)
		expr_print(m->run, expr, text);
	else
		type_print(m->run, expr->kind == EXPR_STRUCT && type_by_members(expr) ? type_by_members(expr) : &type_sockaddr,
			   m->memory[i], *length < m->room[i] ? *length : m->room[i], text);
}

static void print_socklen_inout(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (!m->memory[i])
		expr_print(m->run, expr, text);
	else
		text_add(text, "[%u]", *(const socklen_t *)m->memory[i]);
}

/* --- buffers -------------------------------------------------------------------------------------------------------------- */
bool marshal_bytes(struct marshalled *m, const struct expr *expr, size_t size, void *to, const char **error)
{
	if (expr->kind == EXPR_ELLIPSIS)
		return true;
	if (expr->kind != EXPR_STRING) {
		*error = "expected ..., NULL or a string for a buffer";
		return false;
	}
	memcpy(to, expr->bytes, expr->length < size ? expr->length : size);
	return true;
}

/* A ping socket refuses what is no echo request, so the default contents are one. */
static void echo_default(const struct marshalled *m, uint8_t *bytes, size_t size)
{
	const struct flow *flow = NULL;

	for (const struct descriptor *descriptor = m->run->descriptors; descriptor && !flow; descriptor = descriptor->next)
		if (!descriptor->closed && descriptor->live_fd == m->call.arg[0])
			flow = descriptor->flow;
	if (flow && flow->protocol == IPPROTO_ICMP && flow->type == SOCK_DGRAM && size >= 8)
		bytes[0] = 8;
}

static bool build_buf_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const char *error;
	uint8_t *bytes;
	size_t size;

	if (!marshal_size_after(m, i, &size))
		return false;
	if (marshal_is_null(m, expr))
		return true;
	if (expr->kind == EXPR_STRING && size < expr->length)
		size = expr->length;
	bytes = marshal_memory(m, i, size);
	if (expr->kind == EXPR_ELLIPSIS)
		echo_default(m, bytes, size);
	return marshal_bytes(m, expr, size, bytes, &error) || marshal_fail(m, i, error);
}

static bool build_buf_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t size;

	if (!marshal_size_after(m, i, &size))
		return false;
	if (marshal_is_null(m, expr))
		return true;
	if (expr->kind != EXPR_ELLIPSIS && expr->kind != EXPR_STRING)
		return marshal_fail(m, i, "expected ..., NULL or a string for a buffer");
	marshal_memory(m, i, size);
	return true;
}

static size_t bytes_in(const struct marshalled *m, unsigned i)
{
	if (!m->memory[i] || m->call.result < 0)
		return 0;
	return (size_t)m->call.result < m->room[i] ? (size_t)m->call.result : m->room[i];
}

static void check_buf_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (expr->kind == EXPR_STRING && m->call.result >= 0)
		type_compare(m->run, &type_bytes, expr, m->memory[i], bytes_in(m, i), "contents", text);
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	return !length || (!bytes[0] && !memcmp(bytes, bytes + 1, length - 1));
}

void marshal_print_bytes(const uint8_t *bytes, size_t length, struct text *text)
{
	if (all_zero(bytes, length))
		text_add(text, "...");
	else
		text_quote(text, bytes, length);
}

static void print_buf_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (bytes_in(m, i))
		marshal_print_bytes(m->memory[i], bytes_in(m, i), text);
	else
		expr_print(m->run, expr, text);
}

static bool build_path(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind != EXPR_STRING)
		return marshal_fail(m, i, "expected a path in quotes");
	memcpy(marshal_memory(m, i, expr->length), expr->bytes, expr->length);
	return true;
}

/* --- the rest ------------------------------------------------------------------------------------------------------------- */
static bool build_timespec(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const char *error;
	size_t length;

	if (marshal_is_null(m, expr))
		return true;
	marshal_memory(m, i, sizeof(struct timespec));
	return type_build(m->run, &type_timespec, expr, m->memory[i], m->room[i], &length, &error) || marshal_fail(m, i, error);
}

static bool build_fds_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind != EXPR_LIST || expr->members != 2)
		return marshal_fail(m, i, "expected two descriptors in brackets");
	marshal_memory(m, i, 2 * sizeof(int));
	return true;
}

/* A file position: [n] by pointer; a number is NULL when it is 0, and otherwise a pointer that leads nowhere. */
static bool build_offset(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value;

	if (expr->kind != EXPR_LIST)
		return marshal_number(m, i, expr, &m->call.arg[i]);
	if (!marshal_number(m, i, expr_unwrap(expr), &value))
		return false;
	memcpy(marshal_memory(m, i, sizeof(value)), &value, sizeof(value));
	return true;
}

static void print_offset(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i])
		text_add(text, "[%lld]", (long long)*(int64_t *)m->memory[i]);
	else
		expr_print(m->run, expr, text);
}

/* --- the table ------------------------------------------------------------------------------------------------------------ */
static const struct kind_row {
	bool (*build)(struct marshalled *m, unsigned i, const struct expr *expr);
	/* Adds a line for each difference; NULL: nothing comes back in it. */
	void (*check)(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
	/* With what came back; NULL: as the script says it. */
	void (*print)(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text);
} kind_rows[] = {
	[PL_ARG_FD] = { build_fd, NULL, NULL },
	[PL_ARG_INT] = { build_int, NULL, NULL },
	[PL_ARG_SOCKADDR_IN] = { build_sockaddr_in, NULL, NULL },
	[PL_ARG_SOCKLEN_IN] = { build_socklen_in, NULL, NULL },
	[PL_ARG_SOCKADDR_OUT] = { build_sockaddr_out, check_sockaddr_out, print_sockaddr_out },
	[PL_ARG_SOCKLEN_INOUT] = { build_socklen_inout, check_socklen_inout, print_socklen_inout },
	[PL_ARG_BUF_IN] = { build_buf_in, NULL, NULL },
	[PL_ARG_BUF_OUT] = { build_buf_out, check_buf_out, print_buf_out },
	[PL_ARG_SIZE] = { build_int, NULL, NULL },
	[PL_ARG_IOV_IN] = { marshal_iov_in, NULL, NULL },
	[PL_ARG_IOV_OUT] = { marshal_iov_out, marshal_iov_check, marshal_iov_print },
	[PL_ARG_MSG_IN] = { marshal_msg_in, NULL, NULL },
	[PL_ARG_MSG_OUT] = { marshal_msg_out, marshal_msg_check, marshal_msg_print },
	[PL_ARG_MMSG_IN] = { marshal_mmsg_in, marshal_mmsg_check, marshal_mmsg_print },
	[PL_ARG_MMSG_OUT] = { marshal_mmsg_out, marshal_mmsg_check, marshal_mmsg_print },
	[PL_ARG_LEVEL] = { build_int, NULL, NULL },
	[PL_ARG_OPTNAME] = { build_int, NULL, NULL },
	[PL_ARG_OPTVAL_IN] = { marshal_optval_in_build, NULL, NULL },
	[PL_ARG_OPTVAL_OUT] = { marshal_optval_out_build, marshal_optval_out_check, marshal_optval_out_print },
	[PL_ARG_REQUEST] = { build_int, NULL, NULL },
	[PL_ARG_REQUEST_ARG] = { marshal_request_arg_build, marshal_request_arg_check, marshal_request_arg_print },
	[PL_ARG_POLLFDS] = { marshal_pollfds_build, marshal_pollfds_check, marshal_pollfds_print },
	[PL_ARG_EVENT_IN] = { marshal_event_in_build, NULL, NULL },
	[PL_ARG_EVENTS_OUT] = { marshal_events_out_build, marshal_events_out_check, marshal_events_out_print },
	[PL_ARG_TIMEOUT_MS] = { build_int, NULL, NULL },
	[PL_ARG_TIMESPEC] = { build_timespec, NULL, NULL },
	[PL_ARG_FDS_OUT] = { build_fds_out, NULL, NULL },
	[PL_ARG_OFFSET] = { build_offset, NULL, print_offset },
	[PL_ARG_PATH] = { build_path, NULL, NULL },
};

/* A count that says how many elements the list before it has must say so: anything else reads past it. */
static bool counts_agree(struct marshalled *m)
{
	for (unsigned i = 0; i + 1 < m->spec->arguments && i < 5; i++) {
		enum pl_arg kind = m->row->arg[i];
		const struct expr *list = m->spec->argument[i];

		if (kind != PL_ARG_IOV_IN && kind != PL_ARG_IOV_OUT && kind != PL_ARG_POLLFDS && kind != PL_ARG_MMSG_IN &&
		    kind != PL_ARG_MMSG_OUT)
			continue;
		if (list->kind == EXPR_LIST && m->call.arg[i + 1] > (int64_t)list->members)
			return marshal_fail(m, i + 1,
					    arena_printf(m->run->arena, "the count is %lld, but there are %u elements",
							 (long long)m->call.arg[i + 1], list->members));
	}
	return true;
}

struct marshalled *marshal(struct run *run, const struct call_spec *spec, const char **error, bool *script)
{
	struct marshalled *m = arena_alloc(run->arena, sizeof(*m));
	int op = call_op(spec->name);
	unsigned most = 0;

	*script = true;
	if (op < 0) {
		*error = arena_printf(run->arena, "unknown system call %s", spec->name);
		return NULL;
	}
	*m = (struct marshalled){ .run = run, .spec = spec, .row = &pl_call_table[op], .rule = &call_rules[op] };
	m->call.op = (enum pl_op)op;
	while (most < 6 && m->row->arg[most] != PL_ARG_NONE)
		most++;
	if (spec->arguments > most || spec->arguments < (m->rule->least ? m->rule->least : most)) {
		*error = arena_printf(run->arena, "%s takes %u arguments, not %u", spec->name, most, spec->arguments);
		return NULL;
	}
	for (unsigned i = 0; i < spec->arguments; i++)
		if (!kind_rows[m->row->arg[i]].build(m, i, spec->argument[i])) {
			*error = m->error;
			*script = !m->no_descriptor;
			return NULL;
		}
	if (!counts_agree(m)) {
		*error = m->error;
		return NULL;
	}
	return m;
}

bool marshal_check(struct marshalled *m, const char **differences)
{
	struct text text = { .arena = m->run->arena };

	for (unsigned i = 0; i < m->spec->arguments; i++) {
		const struct kind_row *row = &kind_rows[m->row->arg[i]];

		if (row->check)
			row->check(m, i, m->spec->argument[i], &text);
	}
	*differences = text_get(&text);
	return !text.length;
}

static void print_result(const struct marshalled *m, struct text *text)
{
	if (m->call.result < 0)
		text_add(text, " = -1 %s", errno_text(m->run, (int)-m->call.result));
	else
		text_add(text, " = %lld", m->given ? m->given : (long long)m->call.result);
}

const char *marshal_print(struct marshalled *m, bool as_said)
{
	struct text text = { .arena = m->run->arena };

	text_add(&text, "%s(", m->spec->name);
	for (unsigned i = 0; i < m->spec->arguments; i++) {
		const struct kind_row *row = &kind_rows[m->row->arg[i]];
		const struct expr *expr = m->spec->argument[i];

		text_add(&text, "%s", i ? ", " : "");
		if (row->print && m->call.finished && !(as_said && expr->kind == EXPR_ELLIPSIS))
			row->print(m, i, expr, &text);
		else
			expr_print(m->run, expr, &text);
	}
	text_add(&text, ")");
	if (m->call.finished)
		print_result(m, &text);
	return text_get(&text);
}
