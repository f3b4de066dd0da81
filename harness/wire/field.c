/* The table of header fields, and access to a layer's. */
#include "packet.h"

#include <assert.h>

const struct wire_field_row wire_field_table[WF_COUNT] = {
#define WIRE_FIELD_ROW(layer, field, name, bits) [WF_##layer##_##field] = { LAYER_##layer, name, bits },
	WIRE_FIELD_LIST(WIRE_FIELD_ROW)
#undef WIRE_FIELD_ROW
};

static const uint8_t first_field[LAYER_COUNT] = {
	[LAYER_ETHERNET] = WF_ETHERNET_DST, [LAYER_ARP] = WF_ARP_HTYPE, [LAYER_IPV4] = WF_IPV4_VERSION,
	[LAYER_IPV6] = WF_IPV6_TCLASS, [LAYER_GRE] = WF_GRE_FLAGS, [LAYER_MPLS] = WF_MPLS_LABEL, [LAYER_PSP] = WF_PSP_SPI,
	[LAYER_TCP] = WF_TCP_SPORT, [LAYER_UDP] = WF_UDP_SPORT, [LAYER_UDPLITE] = WF_UDPLITE_SPORT,
	[LAYER_ICMP] = WF_ICMP_TYPE, [LAYER_ICMPV6] = WF_ICMPV6_TYPE, [LAYER_IGMP] = WF_IGMP_TYPE, [LAYER_RAW] = WF_RAW_PROTOCOL,
};

static unsigned index_of(const struct layer *layer, enum wire_field field)
{
	assert(wire_field_table[field].layer == layer->kind);
	return field - first_field[layer->kind];
}

struct layer *packet_layer(const struct packet *packet, enum layer_kind kind)
{
	for (unsigned i = packet->layers; i-- > 0;)
		if (packet->layer[i].kind == kind)
			return (struct layer *)&packet->layer[i];
	return 0;
}

bool wire_given(const struct layer *layer, enum wire_field field)
{
	return layer->given >> index_of(layer, field) & 1;
}

uint64_t wire_get(const struct layer *layer, enum wire_field field)
{
	return layer->value[index_of(layer, field)];
}

void wire_set(struct layer *layer, enum wire_field field, uint64_t value)
{
	unsigned i = index_of(layer, field);

	layer->given |= 1u << i;
	layer->any &= ~(1u << i);
	layer->value[i] = value;
}

void wire_set_any(struct layer *layer, enum wire_field field)
{
	unsigned i = index_of(layer, field);

	layer->given |= 1u << i;
	layer->any |= 1u << i;
}
