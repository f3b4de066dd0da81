/*
 * What a script computes while it runs: variables (`let`), conditions (`if`), and tunables as events.
 *
 * A variable is a number. Addresses are kept as inet_addr() gives them, ports as a packet says them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "types.h"

/* --- variables ------------------------------------------------------------------------------------------------------------ */
void variable_set(const struct run *run, const char *name, int64_t value)
{
	struct variable *variable;

	for (variable = run->variables->first; variable; variable = variable->next) {
		if (!strcmp(variable->name, name)) {
			variable->value = value;
			return;
		}
	}
	variable = arena_alloc(run->arena, sizeof(*variable));
	*variable = (struct variable){ run->variables->first, name, value };
	run->variables->first = variable;
}

bool variable_get(const struct run *run, const char *name, int64_t *value)
{
	for (const struct variable *variable = run->variables->first; variable; variable = variable->next) {
		if (!strcmp(variable->name, name)) {
			*value = variable->value;
			return true;
		}
	}
	return false;
}

void run_let_event(struct run *run)
{
	const char *error;
	int64_t value;

	if (!run_wait_event(run))
		return;
	if (eval_int(run, run->event->let.value, &value, &error))
		variable_set(run, run->event->let.name, value);
	else
		run_error(run, run->event, "let %s: %s", run->event->let.name, error);
}

/* --- in packets ------------------------------------------------------------------------------------------------------------ */
static bool is_address(enum wire_field field)
{
	return field == WF_IPV4_SRC || field == WF_IPV4_DST || field == WF_ARP_SPA || field == WF_ARP_TPA ||
	       field == WF_ICMP_GATEWAY || field == WF_IGMP_GROUP;
}

static bool layer_resolve(const struct run *run, struct layer *layer, const char **error)
{
	unsigned first = 0;
	int64_t value;

	while (first < WF_COUNT && wire_field_table[first].layer != layer->kind)
		first++;
	for (unsigned i = 0; layer->late && i < LAYER_FIELDS; i++) {
		enum wire_field field = first + i;
		unsigned bits = wire_field_table[field < WF_COUNT ? field : 0].bits;

		if (!layer->late[i])
			continue;
		if (!eval_int(run, layer->late[i], &value, error))
			return false;
		if (is_address(field))
			value = ntohl((uint32_t)value);
		if (value < 0 || (bits < 63 && value >> bits)) {
			*error = arena_printf(run->arena, "%lld does not fit the field '%s'", (long long)value,
					      wire_field_table[field].name);
			return false;
		}
		wire_set(layer, field, (uint64_t)value);
	}
	return true;
}

bool packet_resolve(const struct run *run, struct packet *packet, const char **error)
{
	int64_t value;

	for (unsigned i = 0; i < packet->layers; i++)
		if (!layer_resolve(run, &packet->layer[i], error))
			return false;
	if (packet->late_length) {
		if (!eval_int(run, packet->late_length, &value, error))
			return false;
		if (value < 0 || value > UINT16_MAX) {
			*error = arena_printf(run->arena, "%lld cannot be a length", (long long)value);
			return false;
		}
		packet->payload_length = (size_t)value;
		packet->payload_given = true;
	}
	return !packet->quoted || packet_resolve(run, packet->quoted, error);
}

/* --- conditions ------------------------------------------------------------------------------------------------------------ */
#define REFERENCE_VERSION "6.18"	/* the Linux that the reference stack behaves as */

/* "6.12" as 6 * 1000 + 12 */
static int64_t version_number(const char *text)
{
	char *end;
	long major = strtol(text, &end, 10), minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

	return major * 1000 + minor;
}

static int64_t target_version(const struct run *run)
{
	struct utsname name;

	if (!run->ops->virtual_time && !uname(&name))
		return version_number(name.release);
	return version_number(REFERENCE_VERSION);
}

static bool compares(enum condition_operator operator, int64_t left, int64_t right)
{
	switch (operator) {
	case CONDITION_EQUAL:
		return left == right;
	case CONDITION_UNEQUAL:
		return left != right;
	case CONDITION_LESS:
		return left < right;
	case CONDITION_GREATER:
		return left > right;
	case CONDITION_AT_MOST:
		return left <= right;
	case CONDITION_AT_LEAST:
		return left >= right;
	}
	return false;
}

static bool decide(const struct run *run, const struct condition *condition, bool *holds, const char **error)
{
	const struct expr *left = condition->left, *right = condition->right;
	int64_t first, second;

	switch (condition->kind) {
	case CONDITION_TARGET:
		*holds = compares(condition->operator, !strcmp(run->ops->name, right->word), 1);
		return true;
	case CONDITION_VERSION:
		*holds = compares(condition->operator, target_version(run), version_number(right->word));
		return true;
	case CONDITION_NUMBERS:
		break;
	}
	if (!eval_int(run, left, &first, error) || !eval_int(run, right, &second, error))
		return false;
	*holds = compares(condition->operator, first, second);
	return true;
}

/* Each condition is decided once, when the first event behind it comes up. */
static bool holds(struct run *run, const struct condition *condition, bool *result)
{
	struct decision *decision = run->decisions;
	const char *error;

	while (decision && decision->condition != condition)
		decision = decision->next;
	if (!decision) {
		decision = arena_alloc(run->arena, sizeof(*decision));
		*decision = (struct decision){ run->decisions, condition, false };
		run->decisions = decision;
		if (!decide(run, condition, &decision->holds, &error)) {
			run_error(run, run->event, "if: %s", error);
			return false;
		}
	}
	*result = decision->holds;
	return true;
}

bool event_wanted(struct run *run, const struct event *event)
{
	const struct branch *branch = event->branch;
	const struct branch *chain[64];
	unsigned depth = 0;
	bool result;

	/* The outermost first: what is inside another branch is not even looked at. */
	for (; branch && depth < 64; branch = branch->outer)
		chain[depth++] = branch;
	while (depth--)
		if (!holds(run, chain[depth]->condition, &result) || result == chain[depth]->otherwise)
			return false;
	return true;
}

/* --- tunables --------------------------------------------------------------------------------------------------------------- */
/* "net.ipv4.x" as a path; "net/ipv4/x" is one already. */
static const char *tunable_path(const struct run *run, const char *name)
{
	char *path = arena_strdup(run->arena, name);

	if (path[strcspn(path, "./")] != '.')
		return path;
	for (char *at = path; *at; at++)
		*at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
	return path;
}

static const char *value_text(const struct run *run, const struct expr *expr, const char **error)
{
	int64_t number;

	if (expr->kind == EXPR_STRING)
		return arena_memdup(run->arena, expr->bytes, expr->length);
	/* A word that is no number of the script's is the value itself: cubic. */
	if (expr->kind == EXPR_WORD && !variable_get(run, expr->word, &number) && !symbol_value(expr->word, &number))
		return expr->word;
	return eval_int(run, expr, &number, error) ? arena_printf(run->arena, "%lld", (long long)number) : NULL;
}

/* Blanks of any kind between parts are one blank; none at the ends. */
static char *normal(const struct run *run, const char *text, size_t length)
{
	char *copy = arena_memdup(run->arena, text, length), *rest = NULL, *joined = arena_strdup(run->arena, "");

	for (char *part = strtok_r(copy, " \t\n", &rest); part; part = strtok_r(NULL, " \t\n", &rest))
		joined = arena_printf(run->arena, "%s%s%s", joined, *joined ? " " : "", part);
	return joined;
}

static void tunable_trace(struct run *run, const char *text, int64_t result)
{
	unsigned entry = trace_add(run, TRACE_TUNABLE, run->event, run_now(run));

	run->result->trace.entry[entry].text = text;
	run->result->trace.entry[entry].result = result;
}

static void tunable_write(struct run *run, const struct tunable_spec *spec)
{
	const char *error = NULL, *value = value_text(run, spec->value, &error), *result = "";
	int64_t wanted = 0;
	ssize_t status;

	if (!value) {
		run_error(run, run->event, "sysctl %s: %s", spec->name, error);
		return;
	}
	status = run->ops->sysctl_write(run->target, tunable_path(run, spec->name), value, strlen(value));
	if (spec->errno_name)
		symbol_value(spec->errno_name, &wanted);
	if (status < 0)
		result = arena_printf(run->arena, " %s", errno_text(run, (int)-status));
	tunable_trace(run, arena_printf(run->arena, "sysctl %s = \"%s\"%s", spec->name, value, result), status < 0 ? status : 0);
	if (run->observing || (status < 0 ? -status : 0) == wanted)
		return;
	run_fail(run, run->event, "sysctl %s = \"%s\": expected %s, but it %s", spec->name, value,
		 wanted ? spec->errno_name : "success", status < 0 ? arena_printf(run->arena, "failed with%s", result) : "succeeded")
		->suggestion = arena_printf(run->arena, "%s sysctl %s = \"%s\"%s", event_time_text(run, run->event), spec->name, value,
					    result);
}

static void tunable_read(struct run *run, const struct tunable_spec *spec)
{
	const char *error = NULL, *wanted, *actual;
	bool capture = spec->value->kind == EXPR_ELLIPSIS;
	char buffer[4096];
	ssize_t length = run->ops->sysctl_read(run->target, tunable_path(run, spec->name), buffer, sizeof(buffer));

	if (length < 0) {
		actual = errno_text(run, (int)-length);
		tunable_trace(run, arena_printf(run->arena, "sysctl %s: %s", spec->name, actual), length);
		if (!run->observing)
			run_fail(run, run->event, "sysctl %s cannot be read: %s", spec->name, actual);
		return;
	}
	actual = normal(run, buffer, (size_t)length);
	tunable_trace(run, arena_printf(run->arena, "sysctl %s == \"%s\"", spec->name, actual), 0);
	if (capture && spec->value->word)
		variable_set(run, spec->value->word, strtoll(actual, NULL, 0));
	if (capture || run->observing)
		return;
	wanted = value_text(run, spec->value, &error);
	if (!wanted)
		run_error(run, run->event, "sysctl %s: %s", spec->name, error);
	else if (strcmp(normal(run, wanted, strlen(wanted)), actual))
		run_fail(run, run->event, "sysctl %s: expected \"%s\", actual \"%s\"", spec->name, wanted, actual)->suggestion =
			arena_printf(run->arena, "%s sysctl %s == \"%s\"", event_time_text(run, run->event), spec->name, actual);
}

void run_tunable_event(struct run *run)
{
	if (!run_wait_event(run))
		return;
	run_drain(run);
	if (run->event->tunable->write)
		tunable_write(run, run->event->tunable);
	else
		tunable_read(run, run->event->tunable);
}
