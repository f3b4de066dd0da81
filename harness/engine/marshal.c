/*
 * Marshalling. Each kind of argument has a row with three functions: build it from the script, check what came back in it,
 * print it. Everything else follows from the call table. Pointers point into the run's arena and stay valid until its end.
 */
#include "marshal.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/uio.h>

#include "marshal_message.h"

#define MOST_BYTES (UINT64_C(1) << 30)

const struct call_rule call_rules[PL_OP_COUNT] = {
	[PL_OP_socket] = { .effect = EFFECT_SOCKET, .gives_descriptor = true },
	[PL_OP_listen] = { .effect = EFFECT_LISTEN },
	[PL_OP_accept] = { .effect = EFFECT_ACCEPT, .gives_descriptor = true },
	[PL_OP_accept4] = { .effect = EFFECT_ACCEPT, .gives_descriptor = true },
	[PL_OP_connect] = { .effect = EFFECT_CONNECT },
	[PL_OP_sendto] = { .effect = EFFECT_CONNECT },
	[PL_OP_sendmsg] = { .effect = EFFECT_CONNECT },
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

/* --- helpers ---------------------------------------------------------------------------------------------------------------- */
static bool fail(struct marshalled *m, unsigned i, const char *what)
{
	m->error = arena_printf(m->run->arena, "argument %u: %s", i + 1, what);
	return false;
}

static bool number(struct marshalled *m, unsigned i, const struct expr *expr, int64_t *value)
{
	const char *error;

	return eval_int(m->run, expr, value, &error) || fail(m, i, error);
}

static void *memory(struct marshalled *m, unsigned i, size_t size)
{
	m->memory[i] = arena_alloc(m->run->arena, size + 1);
	m->room[i] = size;
	m->call.arg[i] = PL_PTR(m->memory[i]);
	return m->memory[i];
}

static const struct expr *argument(const struct marshalled *m, unsigned i)
{
	return i < m->spec->arguments ? m->spec->argument[i] : NULL;
}

static bool is_null(const struct marshalled *m, const struct expr *expr)
{
	const char *error;
	int64_t value;

	return (expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD) && eval_int(m->run, expr, &value, &error) && !value;
}

/* The size that the argument after a buffer gives it. */
static bool size_after(struct marshalled *m, unsigned i, size_t *size)
{
	const struct expr *expr = argument(m, i + 1);
	int64_t value;

	*size = 0;
	if (!expr)
		return true;
	if (!number(m, i + 1, expr, &value))
		return false;
	if (value > (int64_t)MOST_BYTES)
		return fail(m, i + 1, "a buffer larger than 1 GiB");
	*size = value > 0 ? (size_t)value : 0;
	return true;
}

/* --- numbers ------------------------------------------------------------------------------------------------------------------ */
static bool build_int(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind == EXPR_ELLIPSIS && m->call.op == PL_OP_socket && !i) {
		m->call.arg[i] = AF_INET;
		return true;
	}
	return number(m, i, expr, &m->call.arg[i]);
}

/* A number that is no descriptor of the script is handed on when the script expects EBADF. */
static bool build_fd(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value;

	if (!number(m, i, expr, &value))
		return false;
	if (value < 0 || descriptor_find(m->run, (int)value) ||
	    (m->spec->errno_name && !strcmp(m->spec->errno_name, "EBADF"))) {
		m->call.arg[i] = descriptor_live(m->run, (int)value);
		return true;
	}
	m->no_descriptor = true;
	return fail(m, i, arena_printf(m->run->arena, "the script has no descriptor %lld open", (long long)value));
}

/* --- addresses ------------------------------------------------------------------------------------------------------------- */
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
		return type_build(m->run, type_by_members(expr), expr, (uint8_t *)address, sizeof(*address), &length, error);
	if (!eval_int(m->run, expr, &value, error))
		return false;
	address->sin_family = (sa_family_t)value;	/* only the family, as in connect(3, AF_UNSPEC, ...) */
	return true;
}

static bool build_sockaddr_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct expr *length = argument(m, i + 1);
	struct sockaddr_in *address;
	const char *error;

	if (is_null(m, expr) && length && length->kind != EXPR_ELLIPSIS)
		return true;		/* NULL and a length of one's own */
	address = memory(m, i, sizeof(struct sockaddr_storage));
	m->address_default[i] = expr->kind == EXPR_ELLIPSIS;
	return marshal_address(m, expr, address, &error) || fail(m, i, error);
}

static bool build_socklen_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind == EXPR_ELLIPSIS) {
		m->call.arg[i] = m->memory[i - 1] ? (int64_t)sizeof(struct sockaddr_in) : 0;
		return true;
	}
	return number(m, i, expr, &m->call.arg[i]);
}

static bool build_sockaddr_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (!is_null(m, expr))
		memory(m, i, sizeof(struct sockaddr_storage));
	return true;
}

/* A length that goes in and comes back: [n], or "..." for as much as there is room. */
static bool build_socklen_inout(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value = (int64_t)m->room[i - 1];
	socklen_t *length;

	if (is_null(m, expr))
		return true;
	length = memory(m, i, sizeof(*length));
	if (expr->kind != EXPR_ELLIPSIS && !number(m, i, expr_unwrap(expr), &value))
		return false;
	*length = (socklen_t)value;
	return true;
}

static void check_sockaddr_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const socklen_t *length = m->memory[i + 1];

	if (m->memory[i] && length && expr->kind == EXPR_STRUCT && m->call.result >= 0)
		type_compare(m->run, type_by_members(expr), expr, m->memory[i], *length < m->room[i] ? *length : m->room[i], "address",
			     text);
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
		type_print(m->run, &type_sockaddr, m->memory[i], *length < m->room[i] ? *length : m->room[i], text);
}

static void print_socklen_inout(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (!m->memory[i])
		expr_print(m->run, expr, text);
	else
		text_add(text, "[%u]", *(const socklen_t *)m->memory[i]);
}

/* --- buffers ----------------------------------------------------------------------------------------------------------------- */
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

	if (!size_after(m, i, &size))
		return false;
	if (is_null(m, expr))
		return true;
	if (expr->kind == EXPR_STRING && size < expr->length)
		size = expr->length;
	bytes = memory(m, i, size);
	if (expr->kind == EXPR_ELLIPSIS)
		echo_default(m, bytes, size);
	return marshal_bytes(m, expr, size, bytes, &error) || fail(m, i, error);
}

static bool build_buf_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t size;

	if (!size_after(m, i, &size))
		return false;
	if (is_null(m, expr))
		return true;
	if (expr->kind != EXPR_ELLIPSIS && expr->kind != EXPR_STRING)
		return fail(m, i, "expected ..., NULL or a string for a buffer");
	memory(m, i, size);
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
		return fail(m, i, "expected a path in quotes");
	memcpy(memory(m, i, expr->length), expr->bytes, expr->length);
	return true;
}

/* --- options ----------------------------------------------------------------------------------------------------------------- */
static const struct type *option_type(const struct marshalled *m)
{
	return type_of_option((int)m->call.arg[1], (int)m->call.arg[2]);
}

static bool build_optval_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t length, size;
	const char *error;
	uint8_t *bytes;

	if (!size_after(m, i, &size))
		return false;
	m->type[i] = option_type(m);
	if (is_null(m, expr))
		return true;
	if (expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD)
		return fail(m, i, "expected [value], {members}, \"bytes\", ... or NULL");
	bytes = memory(m, i, size > 256 ? size : 256);
	if (expr->kind == EXPR_ELLIPSIS)
		return true;
	if (m->type[i] && m->type[i]->kind == TYPE_STRUCT && size && size < m->type[i]->size && expr->kind == EXPR_STRUCT)
		m->type[i] = NULL;	/* a shorter structure than the table's: by its members */
	return type_build(m->run, m->type[i], expr, bytes, m->room[i], &length, &error) || fail(m, i, error);
}

static bool build_optval_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct expr *after = argument(m, i + 1);
	int64_t size = 4096;

	m->type[i] = option_type(m);
	if (after && after->kind != EXPR_ELLIPSIS && !is_null(m, after) && !number(m, i + 1, expr_unwrap(after), &size))
		return false;
	if (size < 0)
		size = 0;
	if (size > 1 << 20)
		return fail(m, i + 1, "an option longer than 1 MiB");
	if (!is_null(m, expr))
		memory(m, i, (size_t)size);
	return true;
}

static size_t option_length(const struct marshalled *m, unsigned i)
{
	const socklen_t *length = m->memory[i + 1];

	return length && *length < m->room[i] ? *length : m->room[i];
}

static void check_optval_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i] && m->call.result >= 0 && !is_null(m, expr))
		type_compare(m->run, m->type[i], expr, m->memory[i], option_length(m, i), "value", text);
}

static void print_optval_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct type *type = m->type[i];
	size_t length = option_length(m, i);
	bool scalar;

	if (!m->memory[i] || m->call.result < 0) {
		expr_print(m->run, expr, text);
		return;
	}
	if (type && type->kind == TYPE_STRUCT && length < type->size)
		type = NULL;
	scalar = type ? type->kind != TYPE_STRUCT && type->kind != TYPE_BYTES && type->kind != TYPE_TEXT &&
				type->kind != TYPE_ARRAY && type->kind != TYPE_OPAQUE
		      : length == 1 || length == 2 || length == 4 || length == 8;
	text_add(text, "%s", scalar ? "[" : "");
	type_print(m->run, type, m->memory[i], length, text);
	text_add(text, "%s", scalar ? "]" : "");
}

/* --- requests ---------------------------------------------------------------------------------------------------------------- */
static bool build_request_arg(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const struct request_row *row = request_row(m->call.op, (unsigned long)m->call.arg[1]);
	const char *error;
	size_t length;
	uint8_t *bytes;

	if (!row->type || is_null(m, expr) || expr->kind == EXPR_INTEGER || expr->kind == EXPR_WORD || expr->kind == EXPR_OR)
		return number(m, i, expr, &m->call.arg[i]);
	m->type[i] = row->type;
	bytes = memory(m, i, 512);
	if (!row->in || expr->kind == EXPR_ELLIPSIS)
		return true;
	return type_build(m->run, row->type, expr, bytes, m->room[i], &length, &error) || fail(m, i, error);
}

static void check_request_arg(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i] && m->call.result >= 0)
		type_compare(m->run, m->type[i], expr, m->memory[i], m->type[i]->size, "value", text);
}

static void print_request_arg(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct type *type = m->type[i];

	if (!m->memory[i] || m->call.result < 0) {
		expr_print(m->run, expr, text);
		return;
	}
	text_add(text, "%s", type->kind == TYPE_STRUCT ? "" : "[");
	type_print(m->run, type, m->memory[i], type->size, text);
	text_add(text, "%s", type->kind == TYPE_STRUCT ? "" : "]");
}

/* --- poll and epoll ------------------------------------------------------------------------------------------------------------ */
extern const struct type type_pollfd, type_epoll_event;

static bool build_pollfds(struct marshalled *m, unsigned i, const struct expr *expr)
{
	struct pollfd *fds;
	const char *error;
	size_t length;

	if (expr->kind != EXPR_LIST)
		return fail(m, i, "expected [{fd=..., events=...}, ...]");
	fds = memory(m, i, (expr->members + 1) * sizeof(*fds));
	for (unsigned j = 0; j < expr->members; j++) {
		if (!type_build(m->run, &type_pollfd, expr->member[j].value, (uint8_t *)&fds[j], sizeof(*fds), &length, &error))
			return fail(m, i, error);
		fds[j].revents = 0;
	}
	return true;
}

static const struct expr *struct_member(const struct expr *expr, const char *name)
{
	for (unsigned i = 0; expr->kind == EXPR_STRUCT && i < expr->members; i++)
		if (expr->member[i].name && !strcmp(expr->member[i].name, name))
			return expr->member[i].value;
	return NULL;
}

void marshal_flags(const char *family, uint32_t value, struct text *text)
{
	const char *separator = "";

	for (unsigned bit = 0; bit < 32; bit++) {
		const char *name = value >> bit & 1 ? symbol_name(family, INT64_C(1) << bit) : NULL;

		if (!name)
			continue;
		text_add(text, "%s%s", separator, name);
		separator = "|";
		value &= ~(1u << bit);
	}
	if (value || !*separator)
		text_add(text, value ? "%s0x%x" : "%s%u", separator, value);
}

/* What is not said of revents is that there are none. */
static void check_pollfds(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct pollfd *fds = m->memory[i];

	for (unsigned j = 0; j < expr->members; j++) {
		const struct expr *said = struct_member(expr->member[j].value, "revents");
		int64_t wanted = 0;
		const char *error = "";

		if (said && (said->kind == EXPR_ELLIPSIS || !eval_int(m->run, said, &wanted, &error)))
			continue;
		if ((uint16_t)wanted == (uint16_t)fds[j].revents)
			continue;
		text_add(text, "revents of pollfd %u: expected ", j);
		marshal_flags("POLL", (uint16_t)wanted, text);
		text_add(text, ", actual ");
		marshal_flags("POLL", (uint16_t)fds[j].revents, text);
		text_add(text, "\n");
	}
}

static void print_pollfds(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct pollfd *fds = m->memory[i];

	text_add(text, "[");
	for (unsigned j = 0; j < expr->members; j++) {
		int script_fd = descriptor_script(m->run, fds[j].fd);

		text_add(text, "%s{fd=%d, events=", j ? ", " : "", script_fd >= 0 ? script_fd : fds[j].fd);
		marshal_flags("POLL", (uint16_t)fds[j].events, text);
		text_add(text, ", revents=");
		marshal_flags("POLL", (uint16_t)fds[j].revents, text);
		text_add(text, "}");
	}
	text_add(text, "]");
}

/* The name under which an event expression speaks of its data. */
static const char *data_name(const struct expr *expr)
{
	static const char *const names[] = { "fd", "ptr", "u32", "u64" };

	for (size_t i = 0; expr && i < sizeof(names) / sizeof(names[0]); i++)
		if (struct_member(expr, names[i]))
			return names[i];
	return NULL;
}

static void event_data_remember(struct marshalled *m, const struct expr *expr, const struct epoll_event *event)
{
	struct event_data *data;

	if (!data_name(expr))
		return;
	data = arena_alloc(m->run->arena, sizeof(*data));
	*data = (struct event_data){ .next = m->run->event_data, .value = event->data.u64, .name = data_name(expr) };
	m->run->event_data = data;
}

static bool build_event_in(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const char *error;
	size_t length;

	if (is_null(m, expr))
		return true;
	memory(m, i, sizeof(struct epoll_event));
	if (expr->kind == EXPR_ELLIPSIS)
		return true;
	if (!type_build(m->run, &type_epoll_event, expr, m->memory[i], m->room[i], &length, &error))
		return fail(m, i, error);
	event_data_remember(m, expr, m->memory[i]);
	return true;
}

static bool build_events_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t count;

	if (!size_after(m, i, &count))
		return false;
	if (count > 4096)
		count = 4096;
	if (!is_null(m, expr))
		memory(m, i, (count + 1) * sizeof(struct epoll_event));
	return true;
}

static void compare_event(struct marshalled *m, const struct expr *expr, const struct epoll_event *event, const char *name,
			  struct text *text)
{
	const struct expr *said = struct_member(expr, "events");
	const char *error = "";
	int64_t wanted;

	if (said && said->kind != EXPR_ELLIPSIS && eval_int(m->run, said, &wanted, &error) && (uint32_t)wanted != event->events) {
		text_add(text, "%s.events: expected ", name);
		marshal_flags("EPOLL", (uint32_t)wanted, text);
		text_add(text, ", actual ");
		marshal_flags("EPOLL", event->events, text);
		text_add(text, "\n");
	}
	for (unsigned i = 0; i < expr->members; i++) {
		const struct expr one = { .kind = EXPR_STRUCT, .member = &expr->member[i], .members = 1 };

		if (expr->member[i].value != said)
			type_compare(m->run, &type_epoll_event, &one, (const uint8_t *)event, sizeof(*event), name, text);
	}
}

/* One event is the first of what came back, all zeros when nothing did; a list is all of it. */
static void check_events_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct epoll_event *events = m->memory[i];

	if (!events || m->call.result < 0)
		return;
	if (expr->kind == EXPR_STRUCT) {
		compare_event(m, expr, events, "event", text);
		return;
	}
	if (expr->kind != EXPR_LIST)
		return;
	if (expr->members != m->call.result)
		text_add(text, "events: expected %u, actual %lld\n", expr->members, (long long)m->call.result);
	for (unsigned j = 0; j < expr->members && j < m->call.result; j++)
		compare_event(m, expr->member[j].value, &events[j], arena_printf(m->run->arena, "event %u", j), text);
}

/* The name by which the script knows an event's data: what it was registered as, or else what is said here. */
static const char *event_data_name(const struct marshalled *m, const struct expr *expr, unsigned i, const struct epoll_event *event)
{
	const char *name;

	for (const struct event_data *data = m->run->event_data; data; data = data->next)
		if (data->value == event->data.u64)
			return data->name;
	if (expr->kind == EXPR_LIST)
		expr = i < expr->members ? expr->member[i].value : NULL;
	name = data_name(expr);
	return name ? name : "u64";
}

static void print_event(struct marshalled *m, const struct epoll_event *event, const char *name, struct text *text)
{
	text_add(text, "{events=");
	marshal_flags("EPOLL", event->events, text);
	text_add(text, ", %s=", name);
	if (!strcmp(name, "fd"))
		type_print(m->run, &type_descriptor, (const uint8_t *)&event->data, 4, text);
	else
		text_add(text, "%llu", (unsigned long long)(name[1] == '3' ? event->data.u32 : event->data.u64));
	text_add(text, "}");
}

static void print_events_out(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	const struct epoll_event *events = m->memory[i];
	bool list = expr->kind == EXPR_LIST || m->call.result > 1;

	if (!events || m->call.result < 0) {
		expr_print(m->run, expr, text);
		return;
	}
	if (!m->call.result) {
		text_add(text, list ? "[]" : "{events=0, ptr=0}");
		return;
	}
	text_add(text, "%s", list ? "[" : "");
	for (int64_t j = 0; j < m->call.result; j++) {
		text_add(text, "%s", j ? ", " : "");
		print_event(m, &events[j], event_data_name(m, expr, (unsigned)j, &events[j]), text);
	}
	text_add(text, "%s", list ? "]" : "");
}

/* --- the rest ------------------------------------------------------------------------------------------------------------------ */
static bool build_timespec(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const char *error;
	size_t length;

	if (is_null(m, expr))
		return true;
	memory(m, i, sizeof(struct timespec));
	return type_build(m->run, &type_timespec, expr, m->memory[i], m->room[i], &length, &error) || fail(m, i, error);
}

static bool build_fds_out(struct marshalled *m, unsigned i, const struct expr *expr)
{
	if (expr->kind != EXPR_LIST || expr->members != 2)
		return fail(m, i, "expected two descriptors in brackets");
	memory(m, i, 2 * sizeof(int));
	return true;
}

/* A file position: [n] by pointer; a number is NULL when it is 0, and otherwise a pointer that leads nowhere. */
static bool build_offset(struct marshalled *m, unsigned i, const struct expr *expr)
{
	int64_t value;

	if (expr->kind != EXPR_LIST)
		return number(m, i, expr, &m->call.arg[i]);
	if (!number(m, i, expr_unwrap(expr), &value))
		return false;
	memcpy(memory(m, i, sizeof(value)), &value, sizeof(value));
	return true;
}

static void print_offset(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
{
	if (m->memory[i])
		text_add(text, "[%lld]", (long long)*(int64_t *)m->memory[i]);
	else
		expr_print(m->run, expr, text);
}

/* --- the table ------------------------------------------------------------------------------------------------------------------- */
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
	[PL_ARG_OPTVAL_IN] = { build_optval_in, NULL, NULL },
	[PL_ARG_OPTVAL_OUT] = { build_optval_out, check_optval_out, print_optval_out },
	[PL_ARG_REQUEST] = { build_int, NULL, NULL },
	[PL_ARG_REQUEST_ARG] = { build_request_arg, check_request_arg, print_request_arg },
	[PL_ARG_POLLFDS] = { build_pollfds, check_pollfds, print_pollfds },
	[PL_ARG_EVENT_IN] = { build_event_in, NULL, NULL },
	[PL_ARG_EVENTS_OUT] = { build_events_out, check_events_out, print_events_out },
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
			return fail(m, i + 1, arena_printf(m->run->arena, "the count is %lld, but there are %u elements",
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
