/*
 * Where an actual packet differs from an expected one.
 *
 * What is compared by default is what packetdrill compares on packets that a stack sends: every field that is given; for TCP also
 * those that are always there in its scripts, so that an acknowledgement number or urgent pointer not given means zero, and TCP
 * and IP options not given mean none. The echoed value of a TCP timestamp is not compared, as packetdrill does not. Beyond that,
 * every checksum must be right, or be left to the device as Linux shows it to a capture.
 */
#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "align.h"
#include "igmp.h"
#include "layer.h"
#include "option.h"
#include "print.h"

struct differ {
	const struct packet_rules *rules;
	struct arena *arena;
	struct packet_difference *difference;
	unsigned most, count;
	const char *prefix;		/* "quoted " inside an ICMP error */
};

struct wire_alignment wire_align(const struct packet *expected, const struct packet *actual)
{
	struct wire_alignment a = { .same = true };
	enum layer_kind first = expected->layers ? expected->layer[0].kind : LAYER_NONE;

	if (actual->layers && actual->layer[0].kind == LAYER_ETHERNET && first != LAYER_ETHERNET)
		a.actual++;
	if (a.actual < actual->layers && first != LAYER_IPV4 && first != LAYER_IPV6 && first != LAYER_ETHERNET &&
	    (actual->layer[a.actual].kind == LAYER_IPV4 || actual->layer[a.actual].kind == LAYER_IPV6))
		a.actual++;
	a.count = expected->layers;
	if (actual->layers - a.actual != a.count)
		a.same = false;
	for (unsigned i = 0; a.same && i < a.count; i++)
		a.same = expected->layer[i].kind == actual->layer[a.actual + i].kind;
	return a;
}

static void add(struct differ *d, const char *field, const char *expected, const char *actual)
{
	if (d->count < d->most)
		d->difference[d->count] = (struct packet_difference){
			.field = *d->prefix ? arena_printf(d->arena, "%s%s", d->prefix, field) : field,
			.expected = expected,
			.actual = actual,
		};
	d->count++;
}

static const char *value_text(struct differ *d, enum wire_field field, const struct layer *layer)
{
	struct text text = { .arena = d->arena };

	if (!wire_known(layer, field))
		return "absent";
	wire_print_value(&text, field, wire_get(layer, field));
	return text_get(&text);
}

static void add_field(struct differ *d, enum wire_field field, const char *expected, const char *actual)
{
	const char *layer = wire_layer_name(wire_field_table[field].layer);

	add(d, arena_printf(d->arena, "%s.%s", layer, wire_field_table[field].name), expected, actual);
}

static bool is_checksum(enum wire_field field)
{
	switch (field) {
	case WF_IPV4_CHECKSUM:
	case WF_GRE_SUM:
	case WF_TCP_CHECKSUM:
	case WF_UDP_CHECKSUM:
	case WF_UDPLITE_CHECKSUM:
	case WF_ICMP_CHECKSUM:
	case WF_ICMPV6_CHECKSUM:
	case WF_IGMP_CHECKSUM:
		return true;
	default:	/* every other field */
		return false;
	}
}

/* Fields that follow from others: told only when nothing else explains them. */
static bool is_derived(enum wire_field field)
{
	switch (field) {
	case WF_IPV4_IHL:
	case WF_IPV4_LENGTH:
	case WF_IPV6_LENGTH:
	case WF_UDP_LENGTH:
	case WF_TCP_DOFF:
	case WF_TCP_END:
	case WF_TCP_ACE:
	case WF_IGMP_NSRCS:
	case WF_IGMP_NRECS:
		return true;
	default:	/* every other field */
		return false;
	}
}

static bool values_fit(enum wire_field field, uint64_t expected, uint64_t actual)
{
	if ((field == WF_IPV4_ECN || field == WF_IPV6_ECN) && expected == WIRE_ECN_ECT01)
		return actual == 1 || actual == 2;
	return expected == actual;
}

static bool skipped(const struct layer *layer, enum wire_field field)
{
	return layer->any >> (field - wire_first_field(layer->kind)) & 1;
}

static void compare_field(struct differ *d, enum wire_field field, const struct layer *expected, const struct layer *actual)
{
	bool known = wire_known(expected, field), seen = wire_known(actual, field);

	if (skipped(expected, field) || skipped(actual, field))
		return;
	if (!known && !(d->rules->check_all && seen))
		return;
	if (known && seen && values_fit(field, wire_get(expected, field), wire_get(actual, field)))
		return;
	add_field(d, field, value_text(d, field, expected), value_text(d, field, actual));
}

/* The flags as one word; bits that the expected ACE speaks of are left to it. */
static void compare_flags(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	bool ace = wire_known(expected, WF_TCP_ACE) && !d->rules->check_all;
	unsigned mask = ace ? ~0x1c0u : ~0u;
	unsigned want = (unsigned)wire_get(expected, WF_TCP_FLAGS), have = (unsigned)wire_value(actual, WF_TCP_FLAGS, 0);
	struct text expected_text = { .arena = d->arena }, actual_text = { .arena = d->arena };

	if (!wire_known(expected, WF_TCP_FLAGS) || skipped(actual, WF_TCP_FLAGS) || !((want ^ have) & mask))
		return;
	wire_print_flags(&expected_text, want & mask, false);
	wire_print_flags(&actual_text, have & mask, false);
	add(d, "tcp.flags", text_get(&expected_text), text_get(&actual_text));
}

/* A number that a script leaves out when it is zero. */
static void compare_or_zero(struct differ *d, enum wire_field field, const struct layer *expected, const struct layer *actual)
{
	uint64_t have = wire_value(actual, field, 0);

	if (skipped(expected, field) || skipped(actual, field) || wire_value(expected, field, 0) == have)
		return;
	add_field(d, field, value_text(d, field, expected), value_text(d, field, actual));
}

static void compare_tcp_numbers(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	compare_flags(d, expected, actual);
	if (!d->rules->check_all && wire_known(expected, WF_TCP_ACE))
		compare_field(d, WF_TCP_ACE, expected, actual);
	if (d->rules->check_all || *d->prefix) {
		compare_field(d, WF_TCP_ACK, expected, actual);
		compare_field(d, WF_TCP_URG, expected, actual);
	} else {
		compare_or_zero(d, WF_TCP_ACK, expected, actual);
		compare_or_zero(d, WF_TCP_URG, expected, actual);
	}
}

static bool handled_apart(enum wire_field field)
{
	return field == WF_TCP_FLAGS || field == WF_TCP_ACE || field == WF_TCP_ACK || field == WF_TCP_URG;
}

/* A checksum that nobody gave must fit the bytes that were seen. */
static void compare_checksum(struct differ *d, enum wire_field field, const struct layer *expected, const struct layer *actual)
{
	if (skipped(expected, field) || skipped(actual, field))
		return;
	if (wire_known(expected, field) && !d->rules->check_all) {
		compare_field(d, field, expected, actual);
		return;
	}
	if (actual->checksum == CHECKSUM_WRONG && !(d->rules->check_all && expected->checksum == CHECKSUM_WRONG))
		add_field(d, field, "right", arena_printf(d->arena, "wrong (%s)", value_text(d, field, actual)));
	else if (d->rules->check_all && expected->checksum == CHECKSUM_WRONG && actual->checksum == CHECKSUM_RIGHT)
		add_field(d, field, arena_printf(d->arena, "wrong (%s)", value_text(d, field, expected)), "right");
	else if (d->rules->check_all && (expected->checksum == CHECKSUM_ABSENT) != (actual->checksum == CHECKSUM_ABSENT) &&
		 expected->checksum && actual->checksum)
		add_field(d, field, expected->checksum == CHECKSUM_ABSENT ? "absent" : "present",
			  actual->checksum == CHECKSUM_ABSENT ? "absent" : "present");
}

static const char *options_text(struct differ *d, const struct layer *layer)
{
	struct text text = { .arena = d->arena };

	wire_print_options(&text, layer);
	return text.length ? text_get(&text) : "none";
}

static bool timestamps_fit(const struct packet_rules *rules, const struct wire_option *expected, const struct wire_option *actual)
{
	int64_t apart = (int32_t)(actual->timestamp.val - expected->timestamp.val);

	if (rules->check_all && expected->timestamp.ecr != actual->timestamp.ecr)
		return false;
	return rules->ignore_timestamp_values || llabs(apart) <= rules->timestamp_tolerance;
}

static bool options_fit(const struct differ *d, enum layer_kind kind, const struct wire_option *expected,
			const struct wire_option *actual)
{
	uint8_t want[4 + HEADER_OPTIONS_MAX], have[4 + HEADER_OPTIONS_MAX];
	size_t length;

	if (expected->any_value || actual->any_value)
		return true;
	if (wire_option_shape(kind, expected) == SHAPE_TIMESTAMP && wire_option_shape(kind, actual) == SHAPE_TIMESTAMP)
		return timestamps_fit(d->rules, expected, actual);
	length = wire_option_encode(kind, expected, want);
	if (length != wire_option_encode(kind, actual, have))
		return false;
	for (unsigned i = 0; i < HEADER_OPTIONS_MAX; i++)
		if ((expected->any_bytes | actual->any_bytes) >> i & 1)
			want[2 + i] = have[2 + i];
	return !memcmp(want, have, length);
}

static const char *option_field(struct differ *d, const struct layer *layer, unsigned i)
{
	const struct wire_option *option = &layer->option[i];
	const char *name = wire_option_name(layer->kind, option, d->arena);

	if (wire_option_shape(layer->kind, option) == SHAPE_TIMESTAMP)
		name = "TS val";
	return arena_printf(d->arena, "option %u (%s)", i + 1, name);
}

/* How many options there are; those of IP without the ends of list that only pad the header. */
static unsigned options_counted(const struct layer *layer)
{
	unsigned count = layer->options;

	while (layer->kind == LAYER_IPV4 && count && !layer->option[count - 1].kind)
		count--;
	return count;
}

static bool same_kinds(const struct layer *expected, const struct layer *actual)
{
	if (options_counted(expected) != options_counted(actual))
		return false;
	for (unsigned i = 0; i < options_counted(expected); i++)
		if (expected->option[i].kind != actual->option[i].kind)
			return false;
	return true;
}

/* Options in their order. Lists of different kinds are shown whole; else each option that differs. */
static void compare_options(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	bool quoted = *d->prefix && !expected->options_given && !expected->options && !d->rules->check_all;

	if (expected->options_any || actual->options_any || quoted)
		return;
	if (expected->kind == LAYER_IPV4 && !expected->options && wire_given(expected, WF_IPV4_IHL) && !d->rules->check_all)
		return;
	if (!same_kinds(expected, actual)) {
		add(d, arena_printf(d->arena, "%s.options", wire_layer_name(expected->kind)), options_text(d, expected),
		    options_text(d, actual));
		return;
	}
	for (unsigned i = 0; i < options_counted(expected); i++)
		if (!options_fit(d, expected->kind, &expected->option[i], &actual->option[i]))
			add(d, option_field(d, expected, i), wire_option_print(expected->kind, &expected->option[i], d->arena),
			    wire_option_print(expected->kind, &actual->option[i], d->arena));
}

static const char *address6_text(struct differ *d, const struct in6_addr *address)
{
	struct text text = { .arena = d->arena };

	for (int i = 0; i < 16; i += 2)
		text_add(&text, "%s%x", i ? ":" : "", address->s6_addr[i] << 8 | address->s6_addr[i + 1]);
	return text_get(&text);
}

static void compare_addresses6(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	static const struct in6_addr none;

	if (memcmp(&expected->source6, &none, 16) && memcmp(&expected->source6, &actual->source6, 16))
		add(d, "ipv6.src", address6_text(d, &expected->source6), address6_text(d, &actual->source6));
	if (memcmp(&expected->destination6, &none, 16) && memcmp(&expected->destination6, &actual->destination6, 16))
		add(d, "ipv6.dst", address6_text(d, &expected->destination6), address6_text(d, &actual->destination6));
}

/* The lists of IGMPv3, which are given or not as wholes. */
static void compare_igmp_lists(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	struct text expected_text = { .arena = d->arena }, actual_text = { .arena = d->arena };

	if (!expected->records_given && !(d->rules->check_all && actual->records_given))
		return;
	if (expected->records_given && actual->records_given && wire_igmp_same_list(expected, actual))
		return;
	if (expected->records_given)
		wire_igmp_print_list(&expected_text, expected);
	if (actual->records_given)
		wire_igmp_print_list(&actual_text, actual);
	add(d, wire_igmp_form(expected) == IGMP_RECORDS ? "igmp.records" : "igmp.sources",
	    expected_text.length ? text_get(&expected_text) : "none", actual_text.length ? text_get(&actual_text) : "none");
}

static void compare_layer(struct differ *d, const struct layer *expected, const struct layer *actual)
{
	for (unsigned field = wire_first_field(expected->kind); field < wire_past_field(expected->kind); field++) {
		if (handled_apart(field))
			continue;
		if (is_checksum(field))
			compare_checksum(d, field, expected, actual);
		else if (field != WF_TCP_END && !(d->rules->check_all && is_derived(field)))
			compare_field(d, field, expected, actual);
	}
	if (expected->kind == LAYER_TCP)
		compare_tcp_numbers(d, expected, actual);
	if (expected->kind == LAYER_IGMP)
		compare_igmp_lists(d, expected, actual);
	if (expected->kind == LAYER_IPV6)
		compare_addresses6(d, expected, actual);
	if (expected->kind == LAYER_TCP || expected->kind == LAYER_IPV4)
		compare_options(d, expected, actual);
}

static void compare_payload(struct differ *d, const struct packet *expected, const struct packet *actual)
{
	size_t want = wire_stated_payload(expected), have = wire_stated_payload(actual), i = 0;
	struct text expected_text = { .arena = d->arena }, actual_text = { .arena = d->arena };

	if (!expected->payload_given)
		return;
	if (want != have) {
		add(d, "payload length", arena_printf(d->arena, "%zu", want), arena_printf(d->arena, "%zu", have));
		return;
	}
	if (!expected->payload || !actual->payload || expected->payload_length != actual->payload_length ||
	    !memcmp(expected->payload, actual->payload, expected->payload_length))
		return;
	while (expected->payload[i] == actual->payload[i])
		i++;
	wire_print_bytes(&expected_text, expected->payload + i, expected->payload_length - i, 16);
	wire_print_bytes(&actual_text, actual->payload + i, actual->payload_length - i, 16);
	add(d, arena_printf(d->arena, "payload at %zu", i), text_get(&expected_text), text_get(&actual_text));
}

static void compare_packets(struct differ *d, const struct packet *expected, const struct packet *actual);

static void compare_quoted(struct differ *d, const struct packet *expected, const struct packet *actual)
{
	if (!expected->quoted) {
		if (d->rules->check_all && actual->quoted)
			add(d, "quoted packet", "none", packet_print(actual->quoted, d->arena, false) + 2);
		return;
	}
	if (!actual->quoted) {
		add(d, "quoted packet", packet_print(expected->quoted, d->arena, false) + 2, "none");
		return;
	}
	d->prefix = "quoted ";
	compare_packets(d, expected->quoted, actual->quoted);
	d->prefix = "";
}

/* Lengths and the like, which check_all leaves until it is known that nothing else differs. */
static void compare_derived(struct differ *d, const struct packet *expected, const struct packet *actual, struct wire_alignment a)
{
	for (unsigned i = 0; i < a.count; i++) {
		const struct layer *want = &expected->layer[a.expected + i], *have = &actual->layer[a.actual + i];

		for (unsigned field = wire_first_field(want->kind); field < wire_past_field(want->kind); field++)
			if (is_derived(field) && field != WF_TCP_END && field != WF_TCP_ACE)
				compare_field(d, field, want, have);
	}
}

static void compare_packets(struct differ *d, const struct packet *expected, const struct packet *actual)
{
	struct wire_alignment a = wire_align(expected, actual);
	unsigned before = d->count;

	if (!a.same) {
		struct text want = { .arena = d->arena }, have = { .arena = d->arena };

		wire_print_headers(&want, expected, 0);
		wire_print_headers(&have, actual, a.actual);
		add(d, "headers", text_get(&want), text_get(&have));
		return;
	}
	for (unsigned i = 0; i < a.count; i++)
		compare_layer(d, &expected->layer[a.expected + i], &actual->layer[a.actual + i]);
	compare_payload(d, expected, actual);
	compare_quoted(d, expected, actual);
	if (d->rules->check_all && d->count == before)
		compare_derived(d, expected, actual, a);
	if (actual->truncated && !expected->truncated && !*d->prefix)
		add(d, "length", "as the headers say", arena_printf(d->arena, "cut short at %zu bytes", actual->captured));
}

unsigned packet_differ(const struct packet *expected, const struct packet *actual, const struct packet_rules *rules,
		       struct arena *arena, struct packet_difference *difference, unsigned most)
{
	struct differ d = { .rules = rules, .arena = arena, .difference = difference, .most = most, .prefix = "" };

	compare_packets(&d, expected, actual);
	return d.count;
}
