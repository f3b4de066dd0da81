/* The probes of the packet sweep: a packet with one field changed, and a packet cut at each byte, into each state. */
#include <string.h>

#include "family.h"
#include "packet.h"

static unsigned kind_count(const struct combination *combination)
{
	return packet_kinds();
}

static void kind_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", packet_kind_name(index));
}

static unsigned field_count(const struct combination *combination)
{
	return packet_fields();
}

static void field_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", packet_field_name(index));
}

/* A field that the packet does not have has no values. */
static unsigned value_count(const struct combination *combination)
{
	unsigned field = combination->index[1];

	return packet_kind_layers(combination->index[0]) & packet_field_layer(field) ? packet_field_values(field) : 0;
}

static void value_print(const struct combination *combination, unsigned index, struct text *text)
{
	packet_field_value_print(combination->index[1], index, text);
}

static const struct sweep_axis axis_packet = { "packet", kind_count, kind_print };
static const struct sweep_axis axis_field = { "field", field_count, field_print };
static const struct sweep_axis axis_value = { "value", value_count, value_print };

/* `change` makes of the packet what is to be injected. */
static void run(struct side *side, const struct combination *combination,
		void (*change)(const struct combination *combination, struct packet *packet))
{
	struct packet packet;
	int64_t result;

	if (!side->far)
		side->far = arena_alloc(side->arena, sizeof(*side->far));
	side->names = &side->far->names;
	result = packet_state_make(side, combination, side->far);
	if (result < 0) {
		side_record(side, "the state cannot be had", result, NULL, 0);
		return;
	}
	packet_make(combination->index[0], side->far, &packet);
	change(combination, &packet);
	side->far->names.sent = packet.bytes;
	side->far->names.sent_length = packet.length;
	packet_inject(side, &packet);
	packet_state_record(side, combination, side->far);
	packet_state_undo(side, side->far);
	side->far->names.sent = NULL;
}

static void change_field(const struct combination *combination, struct packet *packet)
{
	packet_set_field(packet, combination->index[1], combination->index[2]);
}

static void run_field(struct side *side, const struct combination *combination, int64_t fd)
{
	run(side, combination, change_field);
}

/* --- truncation ---------------------------------------------------------------------------------------------------------- */

#define CUT_MOST 72

static unsigned cut_count(const struct combination *combination)
{
	return CUT_MOST;
}

static void cut_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%u", index);
}

static unsigned honesty_count(const struct combination *combination)
{
	return 2;
}

static void honesty_print(const struct combination *combination, unsigned index, struct text *text)
{
	text_add(text, "%s", index ? "fitting" : "as-it-was");
}

static const struct sweep_axis axis_cut = { "bytes", cut_count, cut_print };
static const struct sweep_axis axis_header = { "header", honesty_count, honesty_print };

static bool cut_valid(const struct combination *combination)
{
	static const struct far_end far;
	struct packet packet;

	packet_make(combination->index[0], &far, &packet);
	return combination->index[1] < packet.length;
}

static void change_length(const struct combination *combination, struct packet *packet)
{
	packet_truncate(packet, combination->index[1], combination->index[2]);
}

static void run_cut(struct side *side, const struct combination *combination, int64_t fd)
{
	run(side, combination, change_length);
}

const struct sweep_probe probe_packet_field = {
	.name = "packet",
	.axis = { &axis_packet, &axis_field, &axis_value },
	.groups = 2,
	.packet_level = true,
	.run = run_field,
};
const struct sweep_probe probe_packet_cut = {
	.name = "truncated",
	.axis = { &axis_packet, &axis_cut, &axis_header },
	.groups = 1,
	.packet_level = true,
	.valid = cut_valid,
	.run = run_cut,
};
