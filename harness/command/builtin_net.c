/*
 * ip, tc and ethtool, in the few forms that scripts use to prepare a link.
 *
 * What these programs set is known to the stack alone when it is done here. Once a real shell has been needed, its links are
 * the ones that count, and these forms are its business too.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <plumbline/link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "builtin.h"
#include "builtin_words.h"

bool builtin_number(const char *text, unsigned long most, unsigned long *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*value = strtoul(text, &end, 0);
	return !*end && *value <= most;
}

bool builtin_is_word(const struct shell_command *command, unsigned i, const char *word)
{
	return i < command->words && !strcmp(command->word[i], word);
}

/* Output is not looked at by anybody; a file that is to be made of it is the shell's business. */
static bool is_simple(const struct builtin *b, const struct shell_command *command)
{
	return !b->commands->jail && !b->commands->recalled && (!command->output || !strcmp(command->output, "/dev/null"));
}

int builtin_answer(struct builtin *b, int status, const char *what)
{
	text_add(&b->errors, "%s%s", b->errors.length ? "\n" : "", what);
	return status;
}

/* Remembered, for a shell that may be opened later and has to find its links as they are. */
void builtin_remember(struct builtin *b, const struct shell_command *command)
{
	struct text line = { .arena = b->arena };

	if (b->commands->network)
		text_add(&line, "%s\n", b->commands->network);
	for (unsigned i = 0; i < command->words; i++)
		text_add(&line, "%s%s", i ? " " : "", command->word[i]);
	b->commands->network = text_get(&line);
}

/* --- ip tcp_metrics flush, ip route --------------------------------------------------------------------------------------- */
struct route_words {
	struct pl_route route;
	bool replace, change;
	const char *device;
};

static bool address(const char *text, struct in_addr *to)
{
	return inet_pton(AF_INET, text, to) == 1;
}

static bool destination(const char *text, struct pl_route *route)
{
	const char *slash = strchr(text, '/');
	char plain[INET_ADDRSTRLEN];
	unsigned long length = 32;

	if (!strcmp(text, "default")) {
		route->prefix_length = 0;
		return true;
	}
	if ((slash ? (size_t)(slash - text) : strlen(text)) >= sizeof(plain) || (slash && !builtin_number(slash + 1, 32, &length)))
		return false;
	snprintf(plain, sizeof(plain), "%.*s", slash ? (int)(slash - text) : (int)strlen(text), text);
	route->prefix_length = (unsigned)length;
	return address(plain, &route->destination);
}

static bool metric(struct pl_route *route, unsigned which, const char *text)
{
	unsigned long value;

	if (!builtin_number(text, UINT32_MAX, &value))
		return false;
	route->metric[which] = (uint32_t)value;
	return true;
}

static const struct {
	const char *word;
	unsigned metric;
} metric_words[] = {
	{ "advmss", RTAX_ADVMSS }, { "mtu", RTAX_MTU }, { "window", RTAX_WINDOW }, { "initcwnd", RTAX_INITCWND },
	{ "initrwnd", RTAX_INITRWND }, { "hoplimit", RTAX_HOPLIMIT }, { "quickack", RTAX_QUICKACK }, { "cwnd", RTAX_CWND },
	{ "ssthresh", RTAX_SSTHRESH }, { "reordering", RTAX_REORDERING },
};

/* One attribute and its value at words[i]; how many words it is, 0 when it is not known here. */
static unsigned route_word(const struct shell_command *command, unsigned i, struct route_words *made)
{
	const char *word = command->word[i], *value = i + 1 < command->words ? command->word[i + 1] : NULL;
	unsigned long metric_value;

	if (!value)
		return 0;
	if (!strcmp(word, "via"))
		return address(value, &made->route.gateway) ? 2 : 0;
	if (!strcmp(word, "src"))
		return address(value, &made->route.preferred_source) ? 2 : 0;
	if (!strcmp(word, "dev")) {
		made->device = value;
		return 2;
	}
	if (!strcmp(word, "metric") || !strcmp(word, "priority")) {
		if (!builtin_number(value, UINT32_MAX, &metric_value))
			return 0;
		made->route.priority = (unsigned)metric_value;
		return 2;
	}
	for (size_t j = 0; j < sizeof(metric_words) / sizeof(metric_words[0]); j++) {
		unsigned which = metric_words[j].metric;
		bool lock = !strcmp(value, "lock");

		if (strcmp(metric_words[j].word, word) || (lock && i + 2 >= command->words))
			continue;
		if (!metric(&made->route, which, lock ? command->word[i + 2] : value))
			return 0;
		made->route.metric[RTAX_LOCK] |= lock ? 1u << which : 0;
		return lock ? 3 : 2;
	}
	return 0;
}

static bool route_parse(struct builtin *b, const struct shell_command *command, struct route_words *made)
{
	unsigned i = builtin_is_word(command, 1, "-4") ? 3 : 2, words;

	*made = (struct route_words){ .route = { .table = RT_TABLE_MAIN, .type = RTN_UNICAST, .protocol = RTPROT_BOOT } };
	made->change = builtin_is_word(command, i, "change");
	made->replace = made->change || builtin_is_word(command, i, "replace");
	if ((!made->replace && !builtin_is_word(command, i, "add")) || i + 1 >= command->words ||
	    !destination(command->word[i + 1], &made->route))
		return false;
	for (i += 2; i < command->words; i += words) {
		words = route_word(command, i, made);
		if (!words)
			return false;
	}
	if (made->device) {
		made->route.ifindex = pl_link_find(b->commands->stack, made->device);
		if (made->route.ifindex < 0)
			return false;
	}
	made->route.scope = made->route.gateway.s_addr ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
	return true;
}

static bool is_metrics_flush(const struct shell_command *command)
{
	return builtin_is_word(command, 1, "tcp_metrics") && builtin_is_word(command, 2, "flush") &&
	       (command->words == 3 || (command->words == 4 && builtin_is_word(command, 3, "all")));
}

bool builtin_ip_mine(struct builtin *b, const struct shell_command *command)
{
	struct route_words made;
	unsigned route = builtin_is_word(command, 1, "-4") ? 2 : 1;

	if (is_metrics_flush(command))	/* of the stack alone: it has no part in a real shell's namespace */
		return !command->output || !strcmp(command->output, "/dev/null");
	if (!is_simple(b, command))
		return false;
	if (builtin_is_word(command, route, "route") || builtin_is_word(command, route, "ro"))
		return route_parse(b, command, &made);
	return builtin_ip_link_mine(b, command);
}

/* `change` changes what is there: a route that only it made is taken back. */
static int route_run(struct builtin *b, const struct route_words *made)
{
	int status = pl_route_add(b->commands->stack, &made->route, made->replace && !made->change);

	if (made->change && !status) {
		pl_route_delete(b->commands->stack, &made->route);
		return -ENOENT;
	}
	if (made->change && status == -EEXIST)
		status = pl_route_add(b->commands->stack, &made->route, true);
	return status;
}

int builtin_ip_run(struct builtin *b, const struct shell_command *command)
{
	struct route_words made;
	int status;

	if (is_metrics_flush(command)) {
		pl_tcp_metrics_flush(b->commands->stack);
		return 0;
	}
	if (builtin_ip_link_mine(b, command))
		return builtin_ip_link_run(b, command);
	if (!route_parse(b, command, &made))
		return 1;
	status = route_run(b, &made);
	if (!status) {
		builtin_remember(b, command);
		return 0;
	}
	return builtin_answer(b, 2, arena_printf(b->arena, "RTNETLINK answers: %s", strerrordesc_np(-status)));
}

/* --- tc qdisc ------------------------------------------------------------------------------------------------------------- */
/* tc qdisc add|replace|change dev DEV root pfifo [limit N]; tc qdisc del|delete dev DEV root [...]. */
struct qdisc_words {
	bool add, change, delete;
	int ifindex;
	unsigned long limit;
	bool limited;
};

static bool qdisc_parse(struct builtin *b, const struct shell_command *command, struct qdisc_words *made)
{
	*made = (struct qdisc_words){ .add = builtin_is_word(command, 2, "add"), .change = builtin_is_word(command, 2, "change"),
				      .delete = builtin_is_word(command, 2, "del") || builtin_is_word(command, 2, "delete") };
	if (!builtin_is_word(command, 1, "qdisc") || !builtin_is_word(command, 3, "dev") || !builtin_is_word(command, 5, "root"))
		return false;
	made->ifindex = pl_link_find(b->commands->stack, command->word[4]);
	if (made->ifindex < 0 || made->ifindex >= 32)
		return false;
	if (made->delete)
		return command->words == 6;
	if ((!made->add && !made->change && !builtin_is_word(command, 2, "replace")) || !builtin_is_word(command, 6, "pfifo"))
		return false;
	if (command->words == 7)
		return true;
	made->limited =
	    command->words == 9 && builtin_is_word(command, 7, "limit") && builtin_number(command->word[8], UINT32_MAX, &made->limit);
	return made->limited;
}

bool builtin_tc_mine(struct builtin *b, const struct shell_command *command)
{
	struct qdisc_words made;

	return is_simple(b, command) && qdisc_parse(b, command, &made);
}

int builtin_tc_run(struct builtin *b, const struct shell_command *command)
{
	struct qdisc_words made;
	unsigned bit;
	bool there;

	if (!qdisc_parse(b, command, &made))
		return 1;
	bit = 1u << made.ifindex;
	there = b->commands->qdiscs & bit;
	if (made.delete && !there)
		return builtin_answer(b, 2, "Error: Cannot delete qdisc with handle of zero.");
	if (made.add && there)
		return builtin_answer(b, 2, "Error: Exclusivity flag on, cannot modify.");
	if (made.change && !there)
		return builtin_answer(b, 2, "Error: Qdisc not found. To create specify NLM_F_CREATE flag.");
	b->commands->qdiscs = made.delete ? b->commands->qdiscs & ~bit : b->commands->qdiscs | bit;
	pl_link_set_queue_limit(b->commands->stack, made.ifindex, made.limited ? (unsigned)made.limit : UINT32_MAX);
	builtin_remember(b, command);
	return 0;
}

/* --- ethtool -------------------------------------------------------------------------------------------------------------- */
/* ethtool -K DEV tso on|off gso on|off: both, as one switch. */
static bool ethtool_parse(struct builtin *b, const struct shell_command *command, int *ifindex, bool *on)
{
	bool tso, gso;

	if (command->words != 7 || !(builtin_is_word(command, 1, "-K") || builtin_is_word(command, 1, "--features")))
		return false;
	tso = builtin_is_word(command, 3, "tso") && builtin_is_word(command, 5, "gso");
	gso = builtin_is_word(command, 3, "gso") && builtin_is_word(command, 5, "tso");
	if ((!tso && !gso) || strcmp(command->word[4], command->word[6]))
		return false;
	*on = builtin_is_word(command, 4, "on");
	if (!*on && !builtin_is_word(command, 4, "off"))
		return false;
	*ifindex = pl_link_find(b->commands->stack, command->word[2]);
	return *ifindex >= 0;
}

bool builtin_ethtool_mine(struct builtin *b, const struct shell_command *command)
{
	int ifindex;
	bool on;

	return is_simple(b, command) && ethtool_parse(b, command, &ifindex, &on);
}

int builtin_ethtool_run(struct builtin *b, const struct shell_command *command)
{
	int ifindex;
	bool on;

	if (!ethtool_parse(b, command, &ifindex, &on))
		return 1;
	pl_link_set_gso(b->commands->stack, ifindex, on);
	builtin_remember(b, command);
	return 0;
}
