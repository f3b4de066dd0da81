/*
 * What can be known wrong of a script that parses, before it runs: options, calls and their arguments, symbols, members of
 * structures, and times that cannot be kept.
 *
 * A word that neither a symbol nor a define explains is an error when the script is to run. Before its defines are known, a
 * word in capitals is taken for one of them, unless it looks like a misspelt symbol.
 */
#include <arpa/inet.h>
#include <plumbline/call.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/members.h"
#include "ast.h"
#include "options.h"
#include "symbols.h"

struct check {
	const struct script *script;
	struct diagnostics *diagnostics;
	bool undefined_allowed;
	unsigned errors;
};

static void report(struct check *check, enum diagnostic_level level, const struct source_span *span, const char *expected,
		   const char *format, ...) __attribute__((format(printf, 5, 6)));

static void report(struct check *check, enum diagnostic_level level, const struct source_span *span, const char *expected,
		   const char *format, ...)
{
	va_list arguments;

	if (level == DIAGNOSTIC_ERROR)
		check->errors++;
	va_start(arguments, format);
	diagnostics_add(check->diagnostics, level, span, expected, format, arguments);
	va_end(arguments);
}

/*
 * A word that is none of those that may stand there. `nearest` is what it most likely means to be; without one, `expected` says
 * what may stand there.
 */
static void report_unknown(struct check *check, const struct source_span *span, const char *what, const char *word,
			   const char *nearest, const char *expected)
{
	if (nearest && strcmp(nearest, word))
		report(check, DIAGNOSTIC_ERROR, span, NULL, "unknown %s '%.60s'; did you mean %s?", what, word, nearest);
	else
		report(check, DIAGNOSTIC_ERROR, span, expected, "unknown %s '%.60s'", what, word);
}

/* Words. */

static bool looks_like_define(const char *word)
{
	for (; *word; word++)
		if (*word >= 'a' && *word <= 'z')
			return false;
	return true;
}

static bool noted(const struct check *check, const char *word)
{
	char message[128];

	snprintf(message, sizeof(message), "'%.60s' is taken for a define", word);
	for (unsigned i = 0; i < check->diagnostics->count; i++)
		if (check->diagnostics->item[i].level == DIAGNOSTIC_NOTE &&
		    !strcmp(check->diagnostics->item[i].message, message))
			return true;
	return false;
}

/* Looking for what a word means to be takes time, which is only spent while somebody reads the answer. */
static bool nobody_reads(struct check *check)
{
	if (check->diagnostics->count < DIAGNOSTICS_MOST)
		return false;
	check->errors++;
	return true;
}

static void check_unknown(struct check *check, const char *word, const struct source_span *span)
{
	const char *nearest;

	if ((check->undefined_allowed && noted(check, word)) || nobody_reads(check))
		return;
	nearest = symbol_nearest(word);
	if (check->undefined_allowed && !nearest && looks_like_define(word)) {
		report(check, DIAGNOSTIC_NOTE, span, NULL, "'%.60s' is taken for a define", word);
		return;
	}
	report_unknown(check, span, "symbol", word, nearest, "a number, a symbol, or a word that -D gives a value");
}

static bool is_variable(const struct script *script, const char *word)
{
	for (const struct script_variable *variable = script->variables; variable; variable = variable->next)
		if (!strcmp(variable->name, word))
			return true;
	return false;
}

static void check_word(struct check *check, const char *word, const struct source_span *span)
{
	int64_t value;

	if (!symbol_value(word, &value) && !is_variable(check->script, word))
		check_unknown(check, word, span);
}

/* Structures. The engine's types have their members; here are those that it reads by itself, and others of the manual pages. */

/* clang-format off */
static const char *const members[] = {
	"sa_family", "sin_family", "sin_port", "sin_addr", "sin6_family", "sin6_port", "sin6_addr", "sin6_scope_id",
	"sin6_flowinfo",
	"msg_name", "msg_namelen", "msg_iov", "msg_iovlen", "msg_control", "msg_controllen", "msg_flags", "msg_hdr", "msg_len",
	"iov_base", "iov_len",
	"cmsg_level", "cmsg_type", "cmsg_data", "cmsg_len",
	"ee_errno", "ee_origin", "ee_type", "ee_code", "ee_info", "ee_data", "offender",
	"scm_sec", "scm_nsec",
	"fd", "events", "revents", "ptr", "u32", "u64",
	"onoff", "linger", "l_onoff", "l_linger",
	"tv_sec", "tv_usec", "tv_nsec",
	"imr_multiaddr", "imr_address", "imr_interface", "imr_ifindex", "imr_sourceaddr", "imsf_multiaddr", "imsf_interface",
	"imsf_fmode", "imsf_numsrc", "imsf_slist",
	"gr_interface", "gr_group", "gsr_interface", "gsr_group", "gsr_source", "gf_interface", "gf_group", "gf_fmode",
	"gf_numsrc", "gf_slist",
	"ipi_ifindex", "ipi_spec_dst", "ipi_addr", "ipi6_addr", "ipi6_ifindex",
	"pid", "uid", "gid", "data",
	"ifr_name", "ifr_flags", "ifr_addr", "ifr_dstaddr", "ifr_broadaddr", "ifr_netmask", "ifr_hwaddr", "ifr_mtu",
	"ifr_ifindex", "ifr_metric", "ifr_qlen", "ifr_newname", "ifc_len", "ifc_req",
	"tcpm_addr", "tcpm_key", "tcpm_keylen", "tcpm_flags", "tcpm_prefixlen", "tcpm_ifindex",
	"opt_code", "opt_val", "snd_wl1", "snd_wnd", "max_window", "rcv_wnd", "rcv_wup",
	"gre", "flags", "sum", "off", "key", "seq", "none", "checksum", "sequence#", "label", "tc", "S", "ttl",
};
/* clang-format on */

#define MEMBERS (sizeof(members) / sizeof(members[0]))

static const char *member_name(const void *table, unsigned index)
{
	return ((const char *const *)table)[index];
}

static bool member_known(const char *name)
{
	int64_t value;

	for (unsigned i = 0; i < MEMBERS; i++)
		if (!strcmp(members[i], name))
			return true;
	/* Netlink attributes are symbols. */
	return symbol_value(name, &value) || type_member_known(name);
}

static void check_member(struct check *check, const char *name, const struct source_span *span)
{
	const char *nearest;

	if (member_known(name) || nobody_reads(check))
		return;
	nearest = word_nearest(name, members, MEMBERS, member_name);
	if (!nearest && looks_like_define(name)) {
		check_unknown(check, name, span);
		return;
	}
	report_unknown(check, span, "member", name, nearest, "a member of the structure that belongs here");
}

/* Functions in expressions. */

static const struct function {
	const char *name;
	bool text; /* its operand is a string */
} functions[] = { { "htons", false }, { "htonl", false },    { "ntohs", false },
		  { "ntohl", false }, { "inet_addr", true }, { "inet6_addr", true } };

#define FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

static const char *function_name(const void *table, unsigned index)
{
	return ((const struct function *)table)[index].name;
}

static void check_expr(struct check *check, const struct expr *expr);

static void check_address(struct check *check, const struct expr *operand, bool ipv6_only)
{
	struct in6_addr address;

	if (!ipv6_only && inet_pton(AF_INET, operand->bytes, &address) == 1)
		return;
	if (inet_pton(AF_INET6, operand->bytes, &address) == 1)
		return;
	report(check, DIAGNOSTIC_ERROR, &operand->span, ipv6_only ? "an IPv6 address" : "an IP address such as \"192.0.2.1\"",
	       "\"%.60s\" is not an IP address", operand->bytes);
}

static void check_function(struct check *check, const struct expr *expr)
{
	const struct expr *operand = expr->members ? expr->member[0].value : NULL;
	unsigned i = 0;

	while (i < FUNCTIONS && strcmp(functions[i].name, expr->word))
		i++;
	if (i == FUNCTIONS && nobody_reads(check))
		return;
	if (i == FUNCTIONS) {
		report_unknown(check, &expr->span, "function", expr->word,
			       word_nearest(expr->word, functions, FUNCTIONS, function_name),
			       "htons, htonl, inet_addr, inet6_addr");
		return;
	}
	if (expr->members != 1) {
		report(check, DIAGNOSTIC_ERROR, &expr->span, "one operand", "%s takes one operand, not %u", expr->word,
		       expr->members);
		return;
	}
	if (functions[i].text && operand->kind != EXPR_STRING)
		report(check, DIAGNOSTIC_ERROR, &operand->span, "a string", "%s takes an address in a string", expr->word);
	else if (functions[i].text)
		check_address(check, operand, !strcmp(expr->word, "inet6_addr"));
	else
		check_expr(check, operand);
	if (!strcmp(expr->word, "htons") && operand->kind == EXPR_INTEGER && (operand->integer < 0 || operand->integer > 65535))
		report(check, DIAGNOSTIC_ERROR, &operand->span, "a number of 0 to 65535", "%lld does not fit into 16 bits",
		       (long long)operand->integer);
}

static void check_operands(struct check *check, const struct expr *expr)
{
	for (unsigned i = 0; i < expr->members; i++) {
		const struct expr *operand = expr->member[i].value;

		switch (operand->kind) {
		case EXPR_STRING:
		case EXPR_LIST:
		case EXPR_STRUCT:
		case EXPR_ELLIPSIS:
		case EXPR_ASSIGN:
			report(check, DIAGNOSTIC_ERROR, &operand->span, "a number or a symbol",
			       "this has no place in arithmetic");
			break;
		case EXPR_INTEGER:
			if (expr->operator== '/' && i == 1 && !operand->integer)
				report(check, DIAGNOSTIC_ERROR, &operand->span, "a divisor other than 0", "a division by zero");
			break;
		case EXPR_FLOAT:
		case EXPR_WORD:
		case EXPR_OR:
		case EXPR_BINARY:
		case EXPR_CALL:
			check_expr(check, operand);
			break;
		}
	}
}

static void check_expr(struct check *check, const struct expr *expr)
{
	switch (expr->kind) {
	case EXPR_ELLIPSIS:
	case EXPR_INTEGER:
	case EXPR_FLOAT:
	case EXPR_STRING:
		return;
	case EXPR_WORD:
		check_word(check, expr->word, &expr->span);
		return;
	case EXPR_CALL:
		check_function(check, expr);
		return;
	case EXPR_OR:
	case EXPR_BINARY:
		check_operands(check, expr);
		return;
	case EXPR_ASSIGN:
		check_member(check, expr->word, &expr->span);
		check_expr(check, expr->member[0].value);
		return;
	case EXPR_STRUCT:
	case EXPR_LIST:
		for (unsigned i = 0; i < expr->members; i++) {
			const struct expr_member *member = &expr->member[i];

			if (member->name)
				check_member(check, member->name, &member->span);
			if (member->argument)
				check_expr(check, member->argument);
			check_expr(check, member->value);
		}
		return;
	}
}

/* Calls. */

struct call_shape {
	const char *name;
	unsigned least, most;
	const enum pl_arg *arg; /* NULL: not known */
};

static bool call_find(const char *name, struct call_shape *shape)
{
	for (unsigned i = 0; i < PL_OP_COUNT; i++) {
		const struct pl_call_row *row = &pl_call_table[i];

		if (strcmp(row->name, name))
			continue;
		*shape = (struct call_shape){ .name = row->name, .arg = row->arg };
		while (shape->most < 6 && row->arg[shape->most] != PL_ARG_NONE)
			shape->most++;
		shape->least = shape->most;
		/* Their last argument is only there when what stands before it asks for it. */
		if (i == PL_OP_fcntl || i == PL_OP_open || i == PL_OP_ioctl)
			shape->least--;
		return true;
	}
	/* PSP associations: scripts that make them are read, though no target can carry them out. */
	if (!strcmp(name, "psp_rx_assoc") || !strcmp(name, "psp_tx_assoc")) {
		*shape = (struct call_shape){ .name = name, .least = 2, .most = 2 };
		return true;
	}
	return false;
}

static const char *call_name(const void *table, unsigned index)
{
	return ((const struct pl_call_row *)table)[index].name;
}

/* Whether an argument of this kind can only be a number. */
static bool number_wanted(enum pl_arg kind)
{
	return kind == PL_ARG_FD || kind == PL_ARG_INT || kind == PL_ARG_LEVEL || kind == PL_ARG_OPTNAME ||
	       kind == PL_ARG_SIZE || kind == PL_ARG_TIMEOUT_MS || kind == PL_ARG_REQUEST;
}

static void check_arguments(struct check *check, const struct call_spec *call, const struct call_shape *shape)
{
	for (unsigned i = 0; i < call->arguments; i++) {
		const struct expr *argument = call->argument[i];
		bool composed = argument->kind == EXPR_STRING || argument->kind == EXPR_STRUCT || argument->kind == EXPR_LIST;

		if (shape->arg && i < 6 && number_wanted(shape->arg[i]) && composed)
			report(check, DIAGNOSTIC_ERROR, &argument->span, "a number or a symbol",
			       "argument %u of %s is a number", i + 1, call->name);
		else
			check_expr(check, argument);
	}
}

static void check_errno(struct check *check, const char *name, const struct source_span *span)
{
	const char *nearest;
	int64_t value;

	if (!name)
		return;
	if (symbol_value(name, &value) && symbol_name("errno", value) && name[0] == 'E')
		return;
	if (nobody_reads(check))
		return;
	nearest = symbol_nearest(name);
	if (check->undefined_allowed && !nearest && looks_like_define(name)) {
		check_unknown(check, name, span);
		return;
	}
	report_unknown(check, span, "error", name, nearest, "an error such as EINVAL");
}

static void check_tunable(struct check *check, const struct tunable_spec *spec)
{
	if (spec->value->kind == EXPR_LIST || spec->value->kind == EXPR_STRUCT ||
	    (spec->write && spec->value->kind == EXPR_ELLIPSIS))
		report(check, DIAGNOSTIC_ERROR, &spec->value->span, "a number, a word, or a text in quotes",
		       "this cannot be the value of a tunable");
	else if (spec->value->kind != EXPR_WORD)
		check_expr(check, spec->value);
	check_errno(check, spec->errno_name, &spec->errno_span);
}

/* The conditions around an event. Each is looked at once, at the first event behind it. */
static void check_branches(struct check *check, const struct branch *branch, const struct branch *before)
{
	const struct branch *outer = before;

	while (outer && outer != branch)
		outer = outer->outer;
	if (!branch || outer == branch || branch->otherwise)
		return;
	check_branches(check, branch->outer, before);
	if (branch->condition->kind == CONDITION_NUMBERS) {
		check_expr(check, branch->condition->left);
		check_expr(check, branch->condition->right);
	}
}

static void check_call(struct check *check, const struct event *event)
{
	const struct call_spec *call = event->call;
	struct call_shape shape;
	char buffer[40];

	if (!call_find(call->name, &shape)) {
		if (nobody_reads(check))
			return;
		report_unknown(check, &call->name_span, "call", call->name,
			       word_nearest(call->name, pl_call_table, PL_OP_COUNT, call_name), "a socket call");
		return;
	}
	if (call->arguments < shape.least || call->arguments > shape.most) {
		snprintf(buffer, sizeof(buffer), shape.least == shape.most ? "%u" : "%u or %u", shape.least, shape.most);
		report(check, DIAGNOSTIC_ERROR, &call->name_span, NULL, "%s takes %s arguments, not %u", call->name, buffer,
		       call->arguments);
	}
	check_arguments(check, call, &shape);
	check_expr(check, call->result);
	check_errno(check, call->errno_name, &call->errno_span);
}

/* Times. */

static double seconds(pl_time time)
{
	return (double)time / 1e9;
}

/* How far the script's time has come at least; an absolute time may not lie before that. */
static void check_time(struct check *check, const struct event *event, pl_time *now)
{
	const struct event_time *time = &event->time;
	pl_time before = *now;

	switch (time->kind) {
	case TIME_ANY:
		return;
	case TIME_RELATIVE:
	case TIME_RELATIVE_RANGE:
		if (__builtin_add_overflow(*now, time->at, now))
			*now = PL_TIME_NEVER;
		break;
	case TIME_ABSOLUTE:
	case TIME_ABSOLUTE_RANGE:
		if (time->at < *now) {
			report(check, DIAGNOSTIC_ERROR, &event->time_span, NULL, "time goes backward from %.9g to %.9g",
			       seconds(*now), seconds(time->at));
			return;
		}
		*now = time->at;
		break;
	}
	/* What was relative to an event at an unknown time is only a lower bound; so is this, and it holds. */
	if (*now < before)
		*now = before;
}

/* Options and links. */

static void check_option(struct check *check, const struct script_option *option)
{
	const struct script_option_row *row = script_option_row(option->name);
	const char *expected, *nearest;
	char buffer[120];

	if (!row && nobody_reads(check))
		return;
	if (!row) {
		nearest = script_option_nearest(option->name);
		report(check, DIAGNOSTIC_ERROR, &option->span, NULL, "unknown option --%.60s%s%s%s", option->name,
		       nearest ? "; did you mean --" : "", nearest ? nearest : "", nearest ? "?" : "");
		return;
	}
	if (script_option_fits(row, option->value, buffer, sizeof(buffer), &expected))
		return;
	if (row->kind == OPTION_KIND_FLAG)
		report(check, DIAGNOSTIC_ERROR, &option->span, expected, "--%s takes no value", option->name);
	else if (!option->value || !*option->value)
		report(check, DIAGNOSTIC_ERROR, &option->span, expected, "--%s needs a value", option->name);
	else
		report(check, DIAGNOSTIC_ERROR, &option->span, expected, "bad value '%.80s' of --%s", option->value,
		       option->name);
}

static const char *option_value(const struct script *script, const char *name)
{
	const char *value = NULL;

	for (unsigned i = 0; i < script->options; i++)
		if (!strcmp(script->option[i].name, name))
			value = script->option[i].value;
	return value;
}

/* Addresses of a family that the script's own IP version cannot use. */
static void check_families(struct check *check)
{
	static const char *const names[] = { "local_ip", "remote_ip", "gateway_ip" };
	const char *version = option_value(check->script, "ip_version");

	for (unsigned i = 0; version && i < check->script->options; i++) {
		const struct script_option *option = &check->script->option[i];

		for (unsigned j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			bool ipv6 = option->value && strchr(option->value, ':');

			if (strcmp(option->name, names[j]) || !option->value || ipv6 == !strcmp(version, "ipv6"))
				continue;
			report(check, DIAGNOSTIC_ERROR, &option->span, ipv6 ? "an IPv4 address" : "an IPv6 address",
			       "--%s does not belong to --ip_version=%s", option->name, version);
		}
	}
}

static bool link_exists(const struct script *script, const char *name)
{
	struct script_link link;

	if (!strcmp(name, "tun0"))
		return true;
	for (unsigned i = 0; i < script->options; i++)
		if (!strcmp(script->option[i].name, "link") && script->option[i].value &&
		    script_link_parse(script->option[i].value, &link) && !strcmp(link.name, name))
			return true;
	return false;
}

static void check_packet(struct check *check, const struct event *event)
{
	const char *link = event->packet->link;

	if (link && !link_exists(check->script, link))
		report(check, DIAGNOSTIC_ERROR, &event->packet->link_span, "tun0, or the name of a --link",
		       "there is no link '%s'", link);
}

static unsigned check_script(struct check *check)
{
	const struct script *script = check->script;
	const struct branch *before = NULL;
	pl_time now = 0, entered = 0;

	for (unsigned i = 0; i < script->options; i++)
		check_option(check, &script->option[i]);
	check_families(check);
	for (const struct event *event = script->events; event; event = event->next) {
		check_branches(check, event->branch, before);
		/* Blocks of one condition take the place of one another. */
		if (event->branch && event->branch != before && event->branch->otherwise)
			now = entered;
		else if (event->branch != before)
			entered = now;
		before = event->branch;
		check_time(check, event, &now);
		if (event->kind == EVENT_LET)
			check_expr(check, event->let.value);
		else if (event->kind == EVENT_TUNABLE)
			check_tunable(check, event->tunable);
		else if (event->kind == EVENT_CALL)
			check_call(check, event);
		else if (event->kind == EVENT_PACKET)
			check_packet(check, event);
	}
	for (unsigned i = 0; i < script->undefineds; i++)
		check_unknown(check, script->undefined[i].word, &script->undefined[i].span);
	return check->errors;
}

unsigned script_check(const struct script *script, struct diagnostics *diagnostics)
{
	return check_script(&(struct check){ .script = script, .diagnostics = diagnostics });
}

unsigned script_check_undefined(const struct script *script, struct diagnostics *diagnostics)
{
	return check_script(&(struct check){ .script = script, .diagnostics = diagnostics, .undefined_allowed = true });
}
