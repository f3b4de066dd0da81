/*
 * Where two runs of one script part.
 *
 * Calls are matched by the script's event that made them, packets by their conversation and their place in it. Of all matches
 * that fail, the one that happened first is the divergence; what follows it may only follow from it.
 *
 * Times are compared from the input that came before (the last call or packet of the script), so that a harness in real time
 * does not add up its own delays. Between two virtual runs they are equal; against a kernel they may differ by what the script
 * tolerates, and by an eighth of the span, which is what Linux's timers promise. What a protocol sends after a random time may
 * come sooner or later by that.
 */
#include "compare.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../text.h"
#include "run.h"

#define DIFFERENCES 16
/* A call that the script does not expect to wait may still wait for a kernel's locks, which other namespaces hold too. */
#define BUSY (100 * PL_NSEC_PER_MSEC)
#define BUSY_REQUEST (2 * PL_NSEC_PER_SEC)	/* requests of ioctl wait for the lock of all namespaces' links */
#define LEAST_TOLERANCE (12 * PL_NSEC_PER_MSEC)	/* three jiffies of 4 ms: a timer fires at the second edge after its end */

struct compare {
	const struct script *script;
	struct side side[2];
	bool exact;			/* both are virtual */
	pl_time tolerance;
	struct arena *arena;
	struct divergence *divergence;
	pl_time at;			/* of the divergence found so far */
	/* Values that differ and stand for one another: cookies, ports that no packet shows. */
	struct pairing {
		struct pairing *next;
		const uint8_t *bytes[2];
		size_t length;
	} *pairings;
};

/* --- pairs of chosen values ----------------------------------------------------------------------------------------------- */
/* Whether the two may stand for each other: neither stands for something else yet. */
static bool pair(struct compare *compare, const void *first, const void *second, size_t length)
{
	struct pairing *pairing;

	for (pairing = compare->pairings; pairing; pairing = pairing->next) {
		bool same_first = pairing->length == length && !memcmp(pairing->bytes[0], first, length);
		bool same_second = pairing->length == length && !memcmp(pairing->bytes[1], second, length);

		if (same_first || same_second)
			return same_first && same_second;
	}
	pairing = arena_alloc(compare->arena, sizeof(*pairing));
	pairing->next = compare->pairings;
	pairing->bytes[0] = arena_memdup(compare->arena, first, length);
	pairing->bytes[1] = arena_memdup(compare->arena, second, length);
	pairing->length = length;
	compare->pairings = pairing;
	return true;
}

/* --- the divergence ------------------------------------------------------------------------------------------------------- */
static bool is_input(const struct trace_entry *entry)
{
	return entry->kind == TRACE_CALL || entry->kind == TRACE_PACKET_IN || entry->kind == TRACE_COMMAND ||
	       entry->kind == TRACE_TUNABLE;
}

/* The input before an entry, NULL at the start. */
static const struct trace_entry *input_before(const struct trace *trace, const struct trace_entry *entry)
{
	for (const struct trace_entry *before = entry; before-- > trace->entry;)
		if (is_input(before))
			return before;
	return NULL;
}

static const struct trace_entry *entry_of_event(const struct trace *trace, const struct event *event)
{
	for (unsigned i = 0; i < trace->count; i++)
		if (is_input(&trace->entry[i]) && trace->entry[i].event == event)
			return &trace->entry[i];
	return NULL;
}

static const char *entry_text(struct compare *compare, const struct trace_entry *entry, const struct side_packet *packet)
{
	const char *what;

	if (!entry)
		return NULL;
	if (packet)
		what = packet_print(packet->packet, compare->arena, true);
	else
		what = entry->text ? entry->text : "";
	return arena_printf(compare->arena, "%12.6f %s", (double)entry->time / 1e9, what);
}

/* Keep it if it is the earliest. False: it is not. */
static bool diverge(struct compare *compare, pl_time at, const struct trace_entry *first,
		    const struct side_packet *first_packet, const struct trace_entry *second,
		    const struct side_packet *second_packet, const char *reason)
{
	struct divergence *divergence = compare->divergence;
	const struct side *side = compare->side;
	const struct trace_entry *entry = first ? first : second, *input;
	unsigned wide = (unsigned)(strlen(side[0].name) > strlen(side[1].name) ? strlen(side[0].name) : strlen(side[1].name));

	if (!divergence->same && at >= compare->at)
		return false;
	compare->at = at;
	divergence->same = false;
	divergence->reason = reason;
	divergence->first = entry_text(compare, first, first_packet);
	divergence->second = entry_text(compare, second, second_packet);
	divergence->detail = arena_printf(compare->arena, "%-*s %s\n%-*s %s", (int)wide, side[0].name,
					  divergence->first ? divergence->first : "nothing", (int)wide, side[1].name,
					  divergence->second ? divergence->second : "nothing");
	input = entry->event ? entry : input_before(first ? side[0].trace : side[1].trace, entry);
	if (input && input->event)
		divergence->span = input->event->span;
	return true;
}

static void detail_add(struct compare *compare, const char *line)
{
	compare->divergence->detail = arena_printf(compare->arena, "%s\n  %s", compare->divergence->detail, line);
}

/* --- times ---------------------------------------------------------------------------------------------------------------- */
/* How far from the same input two entries lie. */
static bool spans(const struct compare *compare, const struct trace_entry *first, const struct trace_entry *second,
		  pl_time span[2])
{
	const struct trace_entry *input = input_before(compare->side[0].trace, first), *other;

	span[0] = first->time;
	span[1] = second->time;
	if (!input)
		return true;
	other = entry_of_event(compare->side[1].trace, input->event);
	if (!other)
		return false;
	span[0] -= input->time;
	span[1] -= other->time;
	return true;
}

static pl_time tolerance(const struct compare *compare, pl_time span)
{
	return compare->exact ? 0 : span / 8 > compare->tolerance ? span / 8 : compare->tolerance;
}

static bool times_fit(const struct compare *compare, const pl_time span[2], pl_time chance)
{
	return llabs(span[0] - span[1]) <= tolerance(compare, span[0] > span[1] ? span[0] : span[1]) + chance;
}

/*
 * Retransmissions and the like follow the packet before them in their flow: a deviation that one may have is not counted again
 * for each that follows.
 */
static bool follows(const struct compare *compare, const struct side_packet *first, const struct side_packet *second,
		    pl_time chance)
{
	pl_time span[2];

	if (!first->before || !second->before)
		return false;
	span[0] = first->entry->time - first->before->entry->time;
	span[1] = second->entry->time - second->before->entry->time;
	return times_fit(compare, span, chance);
}

/* A packet that the script expects within a range of times may come anywhere in it: how wide it is, 0 for any other. */
static pl_time range_of(const struct side_packet *packet)
{
	const struct event *event = packet->entry->event;

	if (!event || (event->time.kind != TIME_RELATIVE_RANGE && event->time.kind != TIME_ABSOLUTE_RANGE))
		return 0;
	return event->time.until - event->time.at;
}

/* --- packets -------------------------------------------------------------------------------------------------------------- */
/* Fast Open cookies are the stack's own: the second's is written as the first's when it stands for it. */
static void pair_cookies(struct compare *compare, const struct packet *first, struct packet *second)
{
	struct layer *mine = packet_layer(first, LAYER_TCP), *other = packet_layer(second, LAYER_TCP);

	for (unsigned i = 0; mine && other && i < mine->options && i < other->options; i++) {
		struct wire_option *a = &mine->option[i], *b = &other->option[i];

		if (a->kind != b->kind || a->length != b->length || (a->kind != 34 && a->kind != 254) ||
		    a->blob.length != b->blob.length || a->blob.length < 4)
			continue;
		if (pair(compare, a->blob.bytes, b->blob.bytes, a->blob.length))
			memcpy(b->blob.bytes, a->blob.bytes, a->blob.length);
	}
}

/* Timestamps count time: they may be as far apart as the times of the packets may. */
static const char *vals_differ(struct compare *compare, const struct side_packet *first, const struct side_packet *second)
{
	int64_t apart = (int32_t)(first->val - second->val);
	int64_t allowed = 2 * tolerance(compare, first->entry->time) / PL_NSEC_PER_MSEC;

	/* A SYN cookie keeps options in the lowest six bits of the SYN-ACK's, which is a little before its time for that. */
	if (!compare->exact && first->val_is_rough)
		allowed += 2 * 64;
	if (!first->has_val || !second->has_val || llabs(apart) <= allowed)
		return NULL;
	return arena_printf(compare->arena, "TS val differs: %u after the first, %s has %u", first->val, compare->side[1].name,
			    second->val);
}

static void compare_packets(struct compare *compare, const struct side_packet *first, const struct side_packet *second)
{
	const struct packet_rules rules = { .check_all = true };
	struct packet_difference difference[DIFFERENCES];
	pl_time chance = first->entry->chance > second->entry->chance ? first->entry->chance : second->entry->chance;
	const char *reason = NULL;
	pl_time span[2] = { 0, 0 };
	unsigned count;

	pair_cookies(compare, first->packet, second->packet);
	count = packet_differ(first->packet, second->packet, &rules, compare->arena, difference, DIFFERENCES);
	if (count > DIFFERENCES)
		count = DIFFERENCES;
	if (count)
		reason =
		    arena_printf(compare->arena, "%s differs: %s has %s, %s %s", difference[0].field, compare->side[0].name,
				 difference[0].expected, compare->side[1].name, difference[0].actual);
	if (!reason)
		reason = vals_differ(compare, first, second);
	if (range_of(first) > chance)
		chance = range_of(first);
	if (!reason && spans(compare, first->entry, second->entry, span) && !times_fit(compare, span, chance) &&
	    !follows(compare, first, second, chance))
		reason =
		    arena_printf(compare->arena, "the time differs: %s sends it %.6f after the input before, %s %.6f",
				 compare->side[0].name, (double)span[0] / 1e9, compare->side[1].name, (double)span[1] / 1e9);
	if (!reason || !diverge(compare, first->entry->time < second->entry->time ? first->entry->time : second->entry->time,
				first->entry, first, second->entry, second, reason))
		return;
	for (unsigned i = 0; i < count; i++)
		detail_add(compare, arena_printf(compare->arena, "%s: %s %s, %s %s", difference[i].field, compare->side[0].name,
						 difference[i].expected, compare->side[1].name, difference[i].actual));
}

/* A packet that only one side has, unless the other was not watched for long enough to see it. */
static void lone_packet(struct compare *compare, unsigned which, const struct side_packet *packet)
{
	const char *has = compare->side[which].name, *not = compare->side[1 - which].name;
	const char *reason = arena_printf(compare->arena, "%s sends a packet that %s does not", has, not);
	pl_time watched = compare->side[1 - which].trace->end;

	if (packet->entry->time > watched - tolerance(compare, packet->entry->time) - packet->entry->chance)
		return;
	if (which)
		diverge(compare, packet->entry->time, NULL, NULL, packet->entry, packet, reason);
	else
		diverge(compare, packet->entry->time, packet->entry, packet, NULL, NULL, reason);
}

/* The flow of the side that is this one of the other. */
static struct side_flow *flow_counterpart(const struct side *side, const struct side_flow *flow)
{
	for (struct side_flow *other = side->flows; other; other = other->next)
		if (other->protocol == flow->protocol && other->local.s_addr == flow->local.s_addr &&
		    other->link == flow->link && other->remote.s_addr == flow->remote.s_addr &&
		    other->named_port == flow->named_port && other->remote_port == flow->remote_port &&
		    (other->echo_id == flow->echo_id ||
		     (side_chose(side, other->echo_id) && side_chose(side, flow->echo_id))))
			return other;
	return NULL;
}

static void compare_flows(struct compare *compare)
{
	for (struct side_flow *flow = compare->side[0].flows; flow; flow = flow->next) {
		const struct side_flow *other = flow_counterpart(&compare->side[1], flow);
		struct side_packet *first = flow->packets, *second = other ? other->packets : NULL;

		for (; first && second; first = first->next, second = second->next)
			compare_packets(compare, first, second);
		for (; first; first = first->next)
			lone_packet(compare, 0, first);
		for (; second; second = second->next)
			lone_packet(compare, 1, second);
	}
	for (struct side_flow *flow = compare->side[1].flows; flow; flow = flow->next)
		if (!flow_counterpart(&compare->side[0], flow))
			for (struct side_packet *packet = flow->packets; packet; packet = packet->next)
				lone_packet(compare, 1, packet);
}

/* --- calls ---------------------------------------------------------------------------------------------------------------- */
/* Numbers behind these words follow the time, in units of so many nanoseconds. */
static const struct {
	const char *word;
	int64_t unit;
} timed_words[] = {
	{ "scm_nsec=", 1 }, { "TCP_NLA_BUSY=", 1000 }, { "TCP_NLA_RWND_LIMITED=", 1000 }, { "TCP_NLA_SNDBUF_LIMITED=", 1000 },
	{ "TCP_NLA_MIN_RTT=", 1000 }, { "TCP_NLA_SRTT=", 8000 }, { "tv_nsec=", 1 }, { "tv_usec=", 1000 },
	{ "tcpi_rto=", 1000 }, { "tcpi_ato=", 1000 }, { "tcpi_rtt=", 1000 }, { "tcpi_rttvar=", 1000 }, { "tcpi_rcv_rtt=", 1000 },
	{ "tcpi_min_rtt=", 1000 }, { "tcpi_busy_time=", 1000 }, { "tcpi_rwnd_limited=", 1000 }, { "tcpi_sndbuf_limited=", 1000 },
	{ "tcpi_last_data_sent=", 1000000 }, { "tcpi_last_data_recv=", 1000000 }, { "tcpi_last_ack_recv=", 1000000 },
	{ "tcpi_total_rto_time=", 1000000 }, { "tcpi_pacing_rate=", 0 }, { "tcpi_delivery_rate=", 0 },
	{ "TCP_NLA_PACING_RATE=", 0 }, { "TCP_NLA_DELIVERY_RATE=", 0 }, { "TCP_NLA_EDT=", 0 },
};

/* Numbers behind these words are the machine's: which processor it was, what it has counted so far. */
static const char *const machine_words[] = { "SO_INCOMING_CPU, [", "SO_INCOMING_NAPI_ID, [", "SO_COOKIE, [", "SO_NETNS_COOKIE, [" };

static bool ends_with(const char *start, const char *at, const char *word)
{
	size_t length = strlen(word);

	return (size_t)(at - start) >= length && !strncmp(at - length, word, length);
}

/* Whether two numbers that stand at the same place may differ there. */
static bool numbers_fit(struct compare *compare, const char *start, const char *at, long long first, long long second)
{
	if (ends_with(start, at, "htons(") && first >= 0 && second >= 0 && first <= UINT16_MAX && second <= UINT16_MAX &&
	    side_chose(&compare->side[0], (uint16_t)first) && side_chose(&compare->side[1], (uint16_t)second)) {
		uint16_t a = (uint16_t)first, b = (uint16_t)second;

		if (side_port(&compare->side[0], a) != a || side_port(&compare->side[1], b) != b)
			return side_port(&compare->side[0], a) == side_port(&compare->side[1], b);
		return pair(compare, &a, &b, sizeof(a));
	}
	for (size_t i = 0; i < sizeof(machine_words) / sizeof(machine_words[0]); i++)
		if (ends_with(start, at, machine_words[i]))
			return pair(compare, &(long long[]){ first, (long long)i }, &(long long[]){ second, (long long)i },
				    2 * sizeof(long long));
	for (size_t i = 0; !compare->exact && i < sizeof(timed_words) / sizeof(timed_words[0]); i++)
		if (ends_with(start, at, timed_words[i].word))
			return !timed_words[i].unit ||
			       llabs(first - second) * timed_words[i].unit <=
				       tolerance(compare, llabs(first) * timed_words[i].unit);
	return false;
}

/*
 * A struct timeval or timespec at a call's "tv_sec=" that is a time of day: nanoseconds since the script's start by the side's own
 * clock, and *end behind it. False: it is a span of time, or nothing of the kind.
 */
static bool time_of_day(const struct side *side, const char *at, int64_t *since, const char **end)
{
	const int64_t day = INT64_C(24) * 3600 * PL_NSEC_PER_SEC;
	long long seconds, part;
	char unit;
	int length = 0;

	if (sscanf(at, "%lld, tv_%csec=%lld%n", &seconds, &unit, &part, &length) != 3 || !length ||
	    seconds > INT64_MAX / PL_NSEC_PER_SEC / 2)
		return false;
	*since = seconds * PL_NSEC_PER_SEC + part * (unit == 'u' ? PL_NSEC_PER_USEC : 1) - side->trace->wall_clock;
	*end = at + length;
	return llabs(*since) < day;
}

/* Both are times of day, not too far apart: they are passed over. */
static bool times_of_day_fit(struct compare *compare, const char *start, const char **first, const char **second)
{
	const char *first_end, *second_end;
	int64_t a, b;

	if (!ends_with(start, *first, "tv_sec=") || !time_of_day(&compare->side[0], *first, &a, &first_end) ||
	    !time_of_day(&compare->side[1], *second, &b, &second_end) || llabs(a - b) > tolerance(compare, llabs(a)))
		return false;
	*first = first_end;
	*second = second_end;
	return true;
}

/* Two texts of one call: the same but for values that stand for one another. */
static bool texts_fit(struct compare *compare, const char *first, const char *second)
{
	const char *start = first;

	while (*first && *second) {
		char *first_end, *second_end;
		long long a, b;

		if (!isdigit((unsigned char)*first) || !isdigit((unsigned char)*second)) {
			if (*first++ != *second++)
				return false;
			continue;
		}
		if (times_of_day_fit(compare, start, &first, &second))
			continue;
		a = strtoll(first, &first_end, 10);
		b = strtoll(second, &second_end, 10);
		if (a != b && !numbers_fit(compare, start, first, a, b))
			return false;
		first = first_end;
		second = second_end;
	}
	return *first == *second;
}

/* A call, or what was read or written of a tunable. */
static bool is_call(const struct trace_entry *entry)
{
	return entry->kind == TRACE_CALL || entry->kind == TRACE_TUNABLE;
}

static const char *result_of(const struct trace_entry *call)
{
	const char *result = "", *next = call->text;

	while ((next = strstr(next, " = ")))
		result = next++;
	return result;
}

static void compare_call(struct compare *compare, const struct trace_entry *first)
{
	const struct trace_entry *second = entry_of_event(compare->side[1].trace, first->event);
	const struct call_spec *call = first->kind == TRACE_CALL ? first->event->call : NULL;	/* NULL: a tunable */
	pl_time span[2] = { first->ended - first->time, 0 }, busy = BUSY;

	/* What stands in a condition need not be there on both. */
	if (!second && first->event->branch)
		return;
	if (!second) {
		diverge(compare, first->time, first, NULL, NULL, NULL,
			arena_printf(compare->arena, "%s did not come as far as this call", compare->side[1].name));
		return;
	}
	span[1] = second->ended - second->time;
	if (call && !strcmp(call->name, "ioctl"))
		busy = BUSY_REQUEST;
	if (!texts_fit(compare, first->text, second->text))
		diverge(compare, first->time < second->time ? first->time : second->time, first, NULL, second, NULL,
			strcmp(result_of(first), result_of(second)) ? "the call's result differs"
								    : "what the call gives differs");
	else if (!times_fit(compare, span, (call && call->blocking) || compare->exact ? 0 : busy))
		diverge(compare, first->time < second->time ? first->time : second->time, first, NULL, second, NULL,
			arena_printf(compare->arena, "the call takes %.6f on %s, %.6f on %s", (double)span[0] / 1e9,
				     compare->side[0].name, (double)span[1] / 1e9, compare->side[1].name));
}

static void compare_calls(struct compare *compare)
{
	const struct trace *first = compare->side[0].trace, *second = compare->side[1].trace;

	for (unsigned i = 0; i < first->count; i++)
		if (is_call(&first->entry[i]))
			compare_call(compare, &first->entry[i]);
	for (unsigned i = 0; i < second->count; i++)
		if (is_call(&second->entry[i]) && !second->entry[i].event->branch && !entry_of_event(first, second->entry[i].event))
			diverge(compare, second->entry[i].time, NULL, NULL, &second->entry[i], NULL,
				arena_printf(compare->arena, "%s did not come as far as this call", compare->side[0].name));
}

/* A command is a question too: it must succeed on both, or on neither. What it prints is nobody's. */
static void compare_commands(struct compare *compare)
{
	const struct trace *trace = compare->side[0].trace;

	for (unsigned i = 0; i < trace->count; i++) {
		const struct trace_entry *first = &trace->entry[i], *second;

		if (first->kind != TRACE_COMMAND)
			continue;
		second = entry_of_event(compare->side[1].trace, first->event);
		if (second && !first->result != !second->result)
			diverge(compare, first->time < second->time ? first->time : second->time, first, NULL, second, NULL,
				arena_printf(compare->arena, "the command fails on %s only",
					     compare->side[first->result ? 0 : 1].name));
	}
}

/* --- all of it ------------------------------------------------------------------------------------------------------------ */
static pl_time script_tolerance(const struct script *script, struct arena *arena)
{
	const struct run_options none = { 0 };
	struct settings settings;
	struct source_span where;
	const char *error;
	pl_time own;

	if (!settings_make(script, &none, arena, &settings, &error, &where))
		return LEAST_TOLERANCE;
	own = (pl_time)settings.tolerance_usecs * PL_NSEC_PER_USEC;
	return own > LEAST_TOLERANCE ? own : LEAST_TOLERANCE;
}

void trace_compare(const struct script *script, const struct trace *first, const char *first_name, bool first_virtual,
		   const struct trace *second, const char *second_name, bool second_virtual, struct arena *arena,
		   struct divergence *divergence)
{
	struct compare compare = { .script = script, .exact = first_virtual && second_virtual, .arena = arena,
				   .divergence = divergence };
	const uint8_t *named;

	*divergence = (struct divergence){ .same = true };
	compare.tolerance = script_tolerance(script, arena);
	named = script_numbers(script, arena);
	side_make(&compare.side[0], first, first_name, first_virtual, named, arena);
	side_make(&compare.side[1], second, second_name, second_virtual, named, arena);
	compare_calls(&compare);
	compare_commands(&compare);
	compare_flows(&compare);
}
