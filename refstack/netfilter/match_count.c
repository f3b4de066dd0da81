/* Matches that count connections, and what they have carried: connlimit, connbytes. */
#include <stdlib.h>

#include "extensions.h"

#include <linux/netfilter/xt_connbytes.h>
#include <linux/netfilter/xt_connlimit.h>

/* --- connlimit ---------------------------------------------------------------------------------------------------------- */

/*
 * How many connections there are of each address, or network. Every packet that is asked about brings its connection in; those
 * that are no more, or are over, go out when another packet of the same address comes. A connection that is new counts from its
 * first packet on, whether or not that is let through.
 */
struct counted {
	struct counted *next;
	struct tuple tuple;		/* of its first packet */
};
struct counted_host {
	struct counted_host *next;
	uint32_t address;
	uint32_t then;			/* jiffies when a connection was brought in last */
	unsigned count;
	struct counted *first;
};
#define MOST_FORGOTTEN 8		/* connections that one packet sends out, and one more */

static void release_connlimit(struct pl_stack *stack, void *state)
{
	struct counted_host **hosts = state;

	(void)stack;
	while (*hosts) {
		struct counted_host *host = *hosts;

		*hosts = host->next;
		while (host->first) {
			struct counted *counted = host->first;

			host->first = counted->next;
			free(counted);
		}
		free(host);
	}
}

static bool is_over(const struct pl_stack *stack, const struct tuple *tuple)
{
	enum direction direction;
	const struct conntrack *conntrack = conntrack_find(stack, tuple, &direction);

	return !conntrack || (tuple->protocol == IPPROTO_TCP &&
			      (conntrack->tcp.state == TRACKED_TIME_WAIT || conntrack->tcp.state == TRACKED_CLOSE));
}

/* Is the connection among the host's? What is over, in front of it, goes out. */
static bool host_has(const struct pl_stack *stack, struct counted_host *host, const struct tuple *tuple)
{
	unsigned forgotten = 0;

	for (struct counted **place = &host->first; *place && forgotten <= MOST_FORGOTTEN;) {
		struct counted *counted = *place;
		enum direction direction;

		if (tuple_equal(&counted->tuple, tuple) && conntrack_find(stack, tuple, &direction))
			return true;
		if (!is_over(stack, &counted->tuple)) {
			place = &counted->next;
			continue;
		}
		*place = counted->next;
		free(counted);
		host->count--;
		forgotten++;
	}
	return false;
}

static bool host_add(struct counted_host *host, const struct tuple *tuple)
{
	struct counted *counted = calloc(1, sizeof(*counted)), **last = &host->first;

	if (!counted)
		return false;
	counted->tuple = *tuple;
	while (*last)
		last = &(*last)->next;
	*last = counted;
	host->count++;
	return true;
}

/*
 * The connections of the address, with this one; 0: no memory. One that is new is not looked for when another one was brought in
 * within the same jiffy: what comes twice then counts twice.
 */
static unsigned connections_of(struct pl_stack *stack, struct counted_host **hosts, uint32_t address, const struct tuple *tuple,
			       bool is_new)
{
	struct counted_host *host = *hosts;
	uint32_t now = stack_jiffies(stack);

	while (host && host->address != address)
		host = host->next;
	if (!host) {
		host = calloc(1, sizeof(*host));
		if (!host)
			return 0;
		host->address = address;
		host->next = *hosts;
		*hosts = host;
		host->then = now - 1;
	}
	if ((host->then != now || !is_new) && host_has(stack, host, tuple))
		return host->count;
	host->then = now;
	return host_add(host, tuple) ? host->count : 0;
}

static bool match_connlimit(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_connlimit_info *rule = data;
	uint32_t address = (rule->flags & XT_CONNLIMIT_DADDR ? at->ip->daddr : at->ip->saddr) & rule->mask.ip;
	const struct conntrack *conntrack = at->packet->conntrack;
	struct tuple tuple;
	unsigned count = 0;

	if (conntrack)
		tuple = conntrack->tuple[ORIGINAL];
	if (conntrack || tuple_of(at->ip, pktbuf_length(at->packet), &tuple))
		count = connections_of(at->stack, state, address, &tuple, !conntrack || !conntrack_is_confirmed(conntrack));
	if (!count) {
		at->hotdrop = true;
		return false;
	}
	return (count > rule->limit) != !!(rule->flags & XT_CONNLIMIT_INVERT);
}

/* --- connbytes ---------------------------------------------------------------------------------------------------------- */

/* Connections that begin from now on are counted, whatever the tunable said. */
static int check_connbytes(const struct rule_place *place, const void *data, void *state)
{
	const struct xt_connbytes_info *rule = data;

	(void)state;
	if (rule->what > XT_CONNBYTES_AVGPKT || rule->direction > XT_CONNBYTES_DIR_BOTH)
		return -EINVAL;
	place->stack->sysctl.nf_conntrack_acct = 1;
	return 0;
}

static uint64_t of_directions(const uint64_t value[2], uint8_t which)
{
	return which == XT_CONNBYTES_DIR_BOTH ? value[ORIGINAL] + value[REPLY] : value[which];
}

static bool match_connbytes(struct rule_packet *at, const void *data, void *state)
{
	const struct xt_connbytes_info *rule = data;
	const struct conntrack *conntrack = at->packet->conntrack;
	uint64_t value, packets;

	(void)state;
	if (!conntrack || !conntrack->is_counted)
		return false;
	packets = of_directions(conntrack->packets, rule->direction);
	value = rule->what == XT_CONNBYTES_PKTS ? packets : of_directions(conntrack->bytes, rule->direction);
	if (rule->what == XT_CONNBYTES_AVGPKT)
		value = packets ? value / packets : 0;
	/* FROM above TO is the range turned inside out. */
	return rule->count.to >= rule->count.from ? value >= rule->count.from && value <= rule->count.to :
						    value < rule->count.to || value > rule->count.from;
}

const struct match_type matches_of_counts[] = {
	{ "connlimit", 1, sizeof(struct xt_connlimit_info), .needs = NEEDS_TRACKING, .state_size = sizeof(struct counted_host *),
	  .release = release_connlimit, .match = match_connlimit },
	{ "connbytes", 0, sizeof(struct xt_connbytes_info), .needs = NEEDS_TRACKING, .check = check_connbytes,
	  .match = match_connbytes },
	{ 0 },
};
