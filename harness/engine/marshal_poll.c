/* The kinds of arguments that poll(2) and epoll(7) take. */
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "marshal_kinds.h"
#include "types_tables.h"

bool marshal_pollfds_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	struct pollfd *fds;
	const char *error;
	size_t length;

	if (expr->kind != EXPR_LIST)
		return marshal_fail(m, i, "expected [{fd=..., events=...}, ...]");
	fds = marshal_memory(m, i, (expr->members + 1) * sizeof(*fds));
	for (unsigned j = 0; j < expr->members; j++) {
		if (!type_build(m->run, &type_pollfd, expr->member[j].value, (uint8_t *)&fds[j], sizeof(*fds), &length, &error))
			return marshal_fail(m, i, error);
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
void marshal_pollfds_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
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

void marshal_pollfds_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
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

bool marshal_event_in_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	const char *error;
	size_t length;

	if (marshal_is_null(m, expr))
		return true;
	marshal_memory(m, i, sizeof(struct epoll_event));
	if (expr->kind == EXPR_ELLIPSIS)
		return true;
	if (!type_build(m->run, &type_epoll_event, expr, m->memory[i], m->room[i], &length, &error))
		return marshal_fail(m, i, error);
	event_data_remember(m, expr, m->memory[i]);
	return true;
}

bool marshal_events_out_build(struct marshalled *m, unsigned i, const struct expr *expr)
{
	size_t count;

	if (!marshal_size_after(m, i, &count))
		return false;
	if (count > 4096)
		count = 4096;
	if (!marshal_is_null(m, expr))
		marshal_memory(m, i, (count + 1) * sizeof(struct epoll_event));
	return true;
}

static void compare_event(struct marshalled *m, const struct expr *expr, const struct epoll_event *event, const char *name,
			  struct text *text)
{
	const struct expr *said = struct_member(expr, "events");
	const char *error = "";
	int64_t wanted;

	if (said && said->kind != EXPR_ELLIPSIS && eval_int(m->run, said, &wanted, &error) &&
	    (uint32_t)wanted != event->events) {
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
void marshal_events_out_check(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
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
static const char *event_data_name(const struct marshalled *m, const struct expr *expr, unsigned i,
				   const struct epoll_event *event)
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

void marshal_events_out_print(struct marshalled *m, unsigned i, const struct expr *expr, struct text *text)
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
