/* ip route add|replace|change|append|del, and ip tcp_metrics flush. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <plumbline/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin_words.h"

enum route_verb { ROUTE_ADD, ROUTE_REPLACE, ROUTE_CHANGE, ROUTE_APPEND, ROUTE_DELETE };

struct route_words {
	struct pl_route route;
	enum route_verb verb;
};

/* A cursor over the command's words. */
struct words {
	struct builtin *b;
	const struct shell_command *command;
	unsigned at;
};

static const char *peek(const struct words *words)
{
	return words->at < words->command->words ? words->command->word[words->at] : "";
}

/* The next word, "" past the last: nothing that takes a value takes that. */
static const char *take(struct words *words)
{
	const char *word = peek(words);

	words->at++;
	return word;
}

static bool take_if(struct words *words, const char *word)
{
	if (strcmp(peek(words), word))
		return false;
	words->at++;
	return true;
}

static bool address(const char *text, struct in_addr *to)
{
	return inet_pton(AF_INET, text, to) == 1;
}

bool builtin_prefix(const char *text, struct in_addr *to, unsigned *prefix_length)
{
	const char *slash = strchr(text, '/');
	char plain[INET_ADDRSTRLEN];
	unsigned long length = 32;

	if (!strcmp(text, "default") || !strcmp(text, "all") || !strcmp(text, "any")) {
		*prefix_length = 0;
		return true;
	}
	if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(plain) || (slash && !builtin_number(slash + 1, 32, &length)))
		return false;
	snprintf(plain, sizeof(plain), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	*prefix_length = (unsigned)length;
	return address(plain, to);
}

/* A word of a small table, or a number. */
struct named {
	const char *name;
	unsigned value;
};

static bool named(const struct named *table, const char *text, unsigned long most, unsigned long *value)
{
	for (; table->name; table++)
		if (!strcmp(table->name, text)) {
			*value = table->value;
			return true;
		}
	return builtin_number(text, most, value);
}

static const struct named tables[] = { { "local", RT_TABLE_LOCAL }, { "main", RT_TABLE_MAIN }, { "default", RT_TABLE_DEFAULT }, { 0 } };
static const struct named scopes[] = { { "global", RT_SCOPE_UNIVERSE }, { "link", RT_SCOPE_LINK }, { "host", RT_SCOPE_HOST }, { 0 } };
static const struct named protocols[] = { { "boot", RTPROT_BOOT }, { "static", RTPROT_STATIC }, { 0 } };
static const struct named types[] = {
	{ "unicast", RTN_UNICAST }, { "local", RTN_LOCAL }, { "broadcast", RTN_BROADCAST }, { "blackhole", RTN_BLACKHOLE },
	{ "unreachable", RTN_UNREACHABLE }, { "prohibit", RTN_PROHIBIT }, { "throw", RTN_THROW }, { 0 },
};
static const struct named metrics[] = {
	{ "advmss", RTAX_ADVMSS }, { "mtu", RTAX_MTU }, { "window", RTAX_WINDOW }, { "initcwnd", RTAX_INITCWND },
	{ "initrwnd", RTAX_INITRWND }, { "hoplimit", RTAX_HOPLIMIT }, { "quickack", RTAX_QUICKACK }, { "cwnd", RTAX_CWND },
	{ "ssthresh", RTAX_SSTHRESH }, { "reordering", RTAX_REORDERING }, { 0 },
};

bool builtin_table(const char *text, unsigned long *table)
{
	return named(tables, text, UINT32_MAX, table);
}

static bool take_named(struct words *words, const struct named *table, unsigned long most, unsigned long *value)
{
	return named(table, take(words), most, value);
}

static bool device(struct words *words, int *ifindex)
{
	*ifindex = pl_link_find(words->b->commands->stack, take(words));
	return *ifindex > 0;
}

/* mtu [lock] N and its like. */
static bool metric(struct words *words, unsigned which, struct pl_route *route)
{
	bool lock = take_if(words, "lock");
	unsigned long value;

	if (!builtin_number(take(words), UINT32_MAX, &value))
		return false;
	route->metric[which] = (uint32_t)value;
	route->metric[RTAX_LOCK] |= lock ? 1u << which : 0;
	return true;
}

/*
 * rto_min TIME: in ms or s; without a unit it would be raw jiffies, which is left to the program itself. The kernel heeds it only
 * when it is locked, and so the program always locks it.
 */
static bool rto_min(struct words *words, struct pl_route *route)
{
	char *end;
	unsigned long value = strtoul(take(words), &end, 10);

	if (strcmp(end, "ms") && strcmp(end, "s"))
		return false;
	route->metric[RTAX_RTO_MIN] = (uint32_t)(*end == 's' ? value * 1000 : value);
	route->metric[RTAX_LOCK] |= 1u << RTAX_RTO_MIN;
	return true;
}

/* congctl [lock] NAME */
static bool congestion(struct words *words, struct pl_route *route)
{
	bool lock = take_if(words, "lock");
	const char *name = take(words);

	if (!*name || strlen(name) >= sizeof(route->congestion))
		return false;
	strcpy(route->congestion, name);
	route->metric[RTAX_LOCK] |= lock ? 1u << RTAX_CC_ALGO : 0;
	return true;
}

/* nexthop [via GATEWAY] [dev LINK] [weight N] [onlink] */
static bool nexthop(struct words *words, struct pl_route *route)
{
	struct pl_nexthop *made = &route->nexthop[route->nexthops];
	unsigned long weight = 1;

	if (route->nexthops == PL_NEXTHOPS)
		return false;
	route->nexthops++;
	for (;;) {
		bool understood = true;

		if (take_if(words, "via"))
			understood = address(take(words), &made->gateway);
		else if (take_if(words, "dev"))
			understood = device(words, &made->ifindex);
		else if (take_if(words, "weight"))
			understood = builtin_number(take(words), 256, &weight) && weight;
		else if (take_if(words, "onlink"))
			made->on_link = true;
		else
			break;
		if (!understood)
			return false;
	}
	made->weight = (unsigned)weight;
	return true;
}

/* One attribute with its value; false: not known here. */
static bool attribute(struct words *words, struct pl_route *route)
{
	const char *word = take(words);
	unsigned long value = 0;
	bool done = false;

	for (const struct named *row = metrics; row->name; row++)
		if (!strcmp(row->name, word))
			return metric(words, row->value, route);
	if (!strcmp(word, "via"))
		return address(take(words), &route->gateway);
	if (!strcmp(word, "src"))
		return address(take(words), &route->preferred_source);
	if (!strcmp(word, "dev"))
		return device(words, &route->ifindex);
	if (!strcmp(word, "nexthop"))
		return nexthop(words, route);
	if (!strcmp(word, "rto_min"))
		return rto_min(words, route);
	if (!strcmp(word, "congctl"))
		return congestion(words, route);
	if (!strcmp(word, "onlink"))
		return route->on_link = true;
	if (!strcmp(word, "features")) {
		route->metric[RTAX_FEATURES] |= RTAX_FEATURE_ECN;
		return take_if(words, "ecn");
	}
	if (!strcmp(word, "metric") || !strcmp(word, "priority") || !strcmp(word, "preference")) {
		done = builtin_number(take(words), UINT32_MAX, &value);
		route->priority = (unsigned)value;
	} else if (!strcmp(word, "table")) {
		done = take_named(words, tables, UINT32_MAX, &value);
		route->table = (unsigned)value;
	} else if (!strcmp(word, "scope")) {
		done = take_named(words, scopes, 255, &value);
		route->scope = (uint8_t)value;
	} else if (!strcmp(word, "proto") || !strcmp(word, "protocol")) {
		done = take_named(words, protocols, 255, &value);
		route->protocol = (uint8_t)value;
	} else if (!strcmp(word, "tos") || !strcmp(word, "dsfield")) {
		done = builtin_number(take(words), 255, &value);
		route->tos = (uint8_t)value;
	}
	return done;
}

static bool verb_of(const char *word, enum route_verb *verb)
{
	static const struct named verbs[] = { { "add", ROUTE_ADD }, { "replace", ROUTE_REPLACE }, { "change", ROUTE_CHANGE },
					      { "append", ROUTE_APPEND }, { "del", ROUTE_DELETE }, { "delete", ROUTE_DELETE }, { 0 } };
	unsigned long value;

	if (*word < 'a' || !named(verbs, word, 0, &value))
		return false;
	*verb = (enum route_verb)value;
	return true;
}

static bool route_parse(struct builtin *b, const struct shell_command *command, struct route_words *made)
{
	struct words words = { b, command, builtin_is_word(command, 1, "-4") ? 3 : 2 };
	unsigned long type = 0;

	*made = (struct route_words){ 0 };
	if (!verb_of(take(&words), &made->verb))
		return false;
	if (peek(&words)[0] >= 'a' && named(types, peek(&words), 0, &type))
		words.at++;
	made->route.type = (uint8_t)type;
	if (!builtin_prefix(take(&words), &made->route.destination, &made->route.prefix_length))
		return false;
	while (words.at < command->words)
		if (!attribute(&words, &made->route))
			return false;
	return words.at == command->words;
}

static bool is_metrics_flush(const struct shell_command *command)
{
	return builtin_is_word(command, 1, "tcp_metrics") && builtin_is_word(command, 2, "flush") &&
	       (command->words == 3 || (command->words == 4 && builtin_is_word(command, 3, "all")));
}

static bool is_what(const struct shell_command *command, const char *a, const char *b, const char *c)
{
	unsigned what = builtin_is_word(command, 1, "-4") ? 2 : 1;

	return builtin_is_word(command, what, a) || builtin_is_word(command, what, b) || builtin_is_word(command, what, c);
}

static bool is_rule(const struct shell_command *command)
{
	return is_what(command, "rule", "ru", "ru");
}

static bool is_route(const struct shell_command *command)
{
	return is_what(command, "route", "ro", "r");
}

bool builtin_ip_mine(struct builtin *b, const struct shell_command *command)
{
	struct route_words made;

	if (is_metrics_flush(command))	/* of the stack alone: it has no part in a real shell's namespace */
		return !command->output || !strcmp(command->output, "/dev/null");
	if (builtin_is_silent(command) && builtin_ip_link_mine(b, command))
		return true;
	if (!builtin_is_simple(b, command))
		return false;
	if (is_rule(command))
		return builtin_rule_mine(b, command);
	if (is_route(command))
		return route_parse(b, command, &made);
	return false;
}

/* `change` changes what is there: a route that only it made is taken back. */
static int route_change(struct pl_stack *stack, const struct pl_route *route)
{
	int status = pl_route_add(stack, route, false);

	if (!status) {
		pl_route_delete(stack, route);
		return -ENOENT;
	}
	return status == -EEXIST ? pl_route_add(stack, route, true) : status;
}

static int route_run(struct pl_stack *stack, const struct route_words *made)
{
	switch (made->verb) {
	case ROUTE_CHANGE:
		return route_change(stack, &made->route);
	case ROUTE_APPEND:
		return pl_route_append(stack, &made->route);
	case ROUTE_DELETE:
		return pl_route_delete(stack, &made->route);
	default:
		return pl_route_add(stack, &made->route, made->verb == ROUTE_REPLACE);
	}
}

int builtin_ip_run(struct builtin *b, const struct shell_command *command)
{
	struct route_words made;
	int status;

	if (is_metrics_flush(command)) {
		pl_tcp_metrics_flush(b->commands->stack);
		return 0;
	}
	if (is_rule(command))
		return builtin_rule_run(b, command);
	if (!is_route(command))
		return builtin_ip_link_run(b, command);
	if (!route_parse(b, command, &made))
		return 1;
	status = route_run(b->commands->stack, &made);
	if (!status) {
		builtin_remember(b, command);
		return 0;
	}
	return builtin_answer(b, 2, arena_printf(b->arena, "RTNETLINK answers: %s", strerrordesc_np(-status)));
}
