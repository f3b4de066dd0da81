#include "layer.h"

/* IP protocol numbers and Ethernet types (IANA); -1 where a layer has none. */
static const struct {
	enum layer_kind kind;
	int protocol, ethertype;
} numbers[] = {
	{ LAYER_IPV4, 4, 0x0800 },	{ LAYER_IPV6, 41, 0x86dd }, { LAYER_ARP, -1, 0x0806 }, { LAYER_GRE, 47, -1 },
	{ LAYER_MPLS, 137, 0x8847 },	{ LAYER_TCP, 6, -1 },	    { LAYER_UDP, 17, -1 },     { LAYER_UDPLITE, 136, -1 },
	{ LAYER_ICMP, 1, -1 },		{ LAYER_ICMPV6, 58, -1 },   { LAYER_IGMP, 2, -1 },     { LAYER_ETHERNET, -1, 0x6558 },
	{ LAYER_PSP, 17, -1 },
};

#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

enum layer_kind wire_layer_of_protocol(unsigned protocol)
{
	for (unsigned i = 0; i < NUMBERS; i++)
		if (numbers[i].protocol == (int)protocol)
			return numbers[i].kind;
	return LAYER_RAW;
}

enum layer_kind wire_layer_of_ethertype(unsigned type)
{
	for (unsigned i = 0; i < NUMBERS; i++)
		if (numbers[i].ethertype == (int)type)
			return numbers[i].kind;
	return LAYER_RAW;
}

int wire_protocol_of_layer(enum layer_kind kind)
{
	for (unsigned i = 0; i < NUMBERS; i++)
		if (numbers[i].kind == kind)
			return numbers[i].protocol;
	return -1;
}

int wire_ethertype_of_layer(enum layer_kind kind)
{
	for (unsigned i = 0; i < NUMBERS; i++)
		if (numbers[i].kind == kind)
			return numbers[i].ethertype;
	return -1;
}

bool wire_icmp_quotes(bool ipv6, unsigned type)
{
	if (ipv6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

enum icmp_rest wire_icmp_rest(unsigned type, unsigned code)
{
	switch (type) {
	case 3:
		return code == 4 ? ICMP_REST_MTU : ICMP_REST_UNUSED;
	case 5:
		return ICMP_REST_GATEWAY;
	case 12:
		return ICMP_REST_POINTER;
	case 0:
	case 8:
	case 13:
	case 14:
	case 15:
	case 16:
	case 17:
	case 18:
	case 42:
	case 43:
		return ICMP_REST_ECHO;
	}
	return ICMP_REST_UNUSED;
}

enum wire_field wire_first_field(enum layer_kind kind)
{
	unsigned field = 0;

	while (field < WF_COUNT && wire_field_table[field].layer != kind)
		field++;
	return (enum wire_field)field;
}

enum wire_field wire_past_field(enum layer_kind kind)
{
	unsigned field = wire_first_field(kind);

	while (field < WF_COUNT && wire_field_table[field].layer == kind)
		field++;
	return (enum wire_field)field;
}

bool wire_known(const struct layer *layer, enum wire_field field)
{
	return wire_given(layer, field) && !(layer->any >> (field - wire_first_field(layer->kind)) & 1);
}

uint64_t wire_value(const struct layer *layer, enum wire_field field, uint64_t otherwise)
{
	return wire_known(layer, field) ? wire_get(layer, field) : otherwise;
}
