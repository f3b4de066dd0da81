/* Copies of packets. */
#include "packet.h"

#include <string.h>

#include "../arena.h"
#include "align.h"
#include "layer.h"

struct packet *packet_clone(const struct packet *packet, struct arena *arena)
{
	struct packet *copy = arena_memdup(arena, packet, sizeof(*packet));

	for (unsigned i = 0; i < copy->layers; i++)
		if (copy->layer[i].options)
			copy->layer[i].option = arena_memdup(arena, copy->layer[i].option,
							     copy->layer[i].options * sizeof(struct wire_option));
	for (unsigned i = 0; i < copy->layers; i++)
		if (copy->layer[i].records)
			copy->layer[i].record = arena_memdup(arena, copy->layer[i].record,
							     copy->layer[i].records * sizeof(struct igmp_record));
	if (copy->payload)
		copy->payload = arena_memdup(arena, copy->payload, copy->payload_length);
	if (copy->quoted)
		copy->quoted = packet_clone(copy->quoted, arena);
	return copy;
}

static enum wire_field ecn_field(enum layer_kind kind)
{
	return kind == LAYER_IPV4 ? WF_IPV4_ECN : WF_IPV6_ECN;
}

/* TCP's numbers go with its flags, so a flag that the script did not expect brings its number with it. */
static uint32_t tcp_given(const struct layer *layer)
{
	unsigned flags = (unsigned)wire_value(layer, WF_TCP_FLAGS, 0);
	uint32_t given = 0;

	if (flags & WIRE_ACK)
		given |= 1u << (WF_TCP_ACK - WF_TCP_SPORT);
	if (flags & WIRE_URG)
		given |= 1u << (WF_TCP_URG - WF_TCP_SPORT);
	return given;
}

static void project_layer(struct layer *layer, const struct layer *expected)
{
	uint32_t known = layer->given;

	layer->given &= expected->given;
	layer->any |= expected->any;
	layer->records_given &= expected->records_given;
	if (layer->kind == LAYER_TCP)
		layer->given |= tcp_given(layer) & known;
	if ((layer->kind == LAYER_IPV4 || layer->kind == LAYER_IPV6) && wire_known(layer, ecn_field(layer->kind)) &&
	    wire_get(expected, ecn_field(layer->kind)) == WIRE_ECN_ECT01 &&
	    (wire_get(layer, ecn_field(layer->kind)) == 1 || wire_get(layer, ecn_field(layer->kind)) == 2))
		wire_set(layer, ecn_field(layer->kind), WIRE_ECN_ECT01);
	if (expected->options_any) {
		layer->options = 0;
		layer->options_any = true;
	}
}

struct packet *packet_project(const struct packet *actual, const struct packet *expected, struct arena *arena)
{
	struct packet *copy = packet_clone(actual, arena);
	struct wire_alignment alignment = wire_align(expected, actual);

	if (!alignment.same)
		return copy;
	copy->decoded = false;
	/* Layers that the script leaves to the flow say nothing. */
	for (unsigned i = 0; i < alignment.actual; i++)
		copy->layer[i].given = 0;
	for (unsigned i = 0; i < alignment.count; i++)
		project_layer(&copy->layer[alignment.actual + i], &expected->layer[alignment.expected + i]);
	copy->payload_given = expected->payload_given;
	if (!expected->payload)
		copy->payload = NULL;
	if (!expected->quoted)
		copy->quoted = NULL;
	else if (copy->quoted)
		copy->quoted = packet_project(copy->quoted, expected->quoted, arena);
	return copy;
}
