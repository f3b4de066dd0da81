#include "icmp.h"

#include "bytes.h"
#include "layer.h"
#include "packet.h"

#include <stdlib.h>
#include <string.h>

#define ANY_TYPE 256

struct icmp_name {
	bool ipv6;
	unsigned type;
	unsigned code;		/* the row names a code; ANY_TYPE: it names the type */
	const char *name;
};

/* RFC 792, RFC 950, RFC 1122 3.2.2.1, RFC 1256, RFC 1812 5.2.7.1, RFC 8335; RFC 4443. */
static const struct icmp_name names[] = {
	{ false, 0, ANY_TYPE, "echo_reply" },
	{ false, 3, ANY_TYPE, "unreachable" },
	{ false, 3, 0, "net_unreachable" },
	{ false, 3, 1, "host_unreachable" },
	{ false, 3, 2, "protocol_unreachable" },
	{ false, 3, 3, "port_unreachable" },
	{ false, 3, 4, "frag_needed" },
	{ false, 3, 5, "source_route_failed" },
	{ false, 3, 6, "net_unknown" },
	{ false, 3, 7, "host_unknown" },
	{ false, 3, 8, "source_host_isolated" },
	{ false, 3, 9, "net_prohibited" },
	{ false, 3, 10, "host_prohibited" },
	{ false, 3, 11, "net_unreachable_for_tos" },
	{ false, 3, 12, "host_unreachable_for_tos" },
	{ false, 3, 13, "packet_filtered" },
	{ false, 3, 14, "precedence_violation" },
	{ false, 3, 15, "precedence_cutoff" },
	{ false, 4, ANY_TYPE, "source_quench" },
	{ false, 5, ANY_TYPE, "redirect" },
	{ false, 5, 0, "redirect_net" },
	{ false, 5, 1, "redirect_host" },
	{ false, 5, 2, "redirect_net_for_tos" },
	{ false, 5, 3, "redirect_host_for_tos" },
	{ false, 8, ANY_TYPE, "echo_request" },
	{ false, 9, ANY_TYPE, "router_advertisement" },
	{ false, 10, ANY_TYPE, "router_solicitation" },
	{ false, 11, ANY_TYPE, "time_exceeded" },
	{ false, 11, 0, "ttl_exceeded" },
	{ false, 11, 1, "reassembly_exceeded" },
	{ false, 11, 0, "ttl_exceeded_in_transit" },	/* other tools' words */
	{ false, 11, 1, "frag_reass_exceeded" },
	{ false, 12, ANY_TYPE, "parameter_problem" },
	{ false, 12, 0, "pointer_indicates" },
	{ false, 12, 1, "option_missing" },
	{ false, 12, 2, "bad_length" },
	{ false, 13, ANY_TYPE, "timestamp_request" },
	{ false, 14, ANY_TYPE, "timestamp_reply" },
	{ false, 15, ANY_TYPE, "information_request" },
	{ false, 16, ANY_TYPE, "information_reply" },
	{ false, 17, ANY_TYPE, "address_mask_request" },
	{ false, 18, ANY_TYPE, "address_mask_reply" },
	{ false, 42, ANY_TYPE, "extended_echo_request" },
	{ false, 43, ANY_TYPE, "extended_echo_reply" },
	{ true, 1, ANY_TYPE, "unreachable" },
	{ true, 1, 0, "no_route" },
	{ true, 1, 0, "net_unreachable" },
	{ true, 1, 1, "admin_prohibited" },
	{ true, 1, 2, "not_neighbour" },
	{ true, 1, 3, "address_unreachable" },
	{ true, 1, 4, "port_unreachable" },
	{ true, 2, ANY_TYPE, "packet_too_big" },
	{ true, 3, ANY_TYPE, "time_exceeded" },
	{ true, 3, 0, "exceeded_hop_limit" },
	{ true, 3, 1, "exceeded_frag_time" },
	{ true, 4, ANY_TYPE, "parameter_problem" },
	{ true, 4, 0, "header_field" },
	{ true, 4, 1, "unknown_next_header" },
	{ true, 4, 2, "unknown_option" },
	{ true, 128, ANY_TYPE, "echo_request" },
	{ true, 129, ANY_TYPE, "echo_reply" },
};

#define NAMES (sizeof(names) / sizeof(names[0]))

/* "type_42" with prefix "type_": 42, if it is a number of 0 to 255. */
static bool numbered(const char *name, const char *prefix, unsigned *value)
{
	size_t length = strlen(prefix);
	unsigned long number;
	char *end;

	if (strncmp(name, prefix, length) || name[length] < '0' || name[length] > '9')
		return false;
	number = strtoul(name + length, &end, 10);
	if (*end || number > 255)
		return false;
	*value = (unsigned)number;
	return true;
}

bool wire_icmp_type(bool ipv6, const char *name, unsigned *type)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (names[i].ipv6 == ipv6 && names[i].code == ANY_TYPE && !strcmp(names[i].name, name)) {
			*type = names[i].type;
			return true;
		}
	}
	return numbered(name, "type_", type);
}

bool wire_icmp_code(bool ipv6, unsigned type, const char *name, unsigned *code)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (names[i].ipv6 == ipv6 && names[i].type == type && names[i].code != ANY_TYPE && !strcmp(names[i].name, name)) {
			*code = names[i].code;
			return true;
		}
	}
	return numbered(name, "code_", code);
}

static const char *name_of(bool ipv6, unsigned type, unsigned code)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (names[i].ipv6 == ipv6 && names[i].type == type && names[i].code == code)
			return names[i].name;
	return NULL;
}

const char *wire_icmp_type_name(bool ipv6, unsigned type)
{
	return name_of(ipv6, type, ANY_TYPE);
}

const char *wire_icmp_code_name(bool ipv6, unsigned type, unsigned code)
{
	return code == ANY_TYPE ? NULL : name_of(ipv6, type, code);
}

/* RFC 4884 section 4 */
bool wire_icmp_extends(unsigned type)
{
	return type == 3 || type == 11 || type == 12;
}

void wire_icmp_decode_other(struct layer *layer, const uint8_t *at, uint32_t named)
{
	if (get32(at) & ~named)
		wire_set(layer, layer->kind == LAYER_ICMP ? WF_ICMP_REST : WF_ICMPV6_REST, get32(at));
}

/*
 * RFC 4884: how many words the quotation has, where the message may be extended. It is not believed of a message that is shorter, or
 * where the quoted packet is shorter and something else than zeros follows it.
 */
static uint32_t decode_length(struct layer *layer, const uint8_t *at, size_t length)
{
	size_t room = at[5] * (size_t)4, total;

	if (!room || !wire_icmp_extends(at[0]) || length < 8 + room || room < 20)
		return 0;
	total = at[8] >> 4 == 4 ? get16(at + 10) : 0;
	if (total < 20)
		return 0;
	for (size_t i = total; i < room; i++)
		if (at[8 + i])
			return 0;
	wire_set(layer, WF_ICMP_LENGTH, at[5]);
	return 0xff0000;
}

/* RFC 8335: what the halves of the sequence field are. */
static void decode_extended_echo(struct layer *layer, const uint8_t *at)
{
	wire_set(layer, WF_ICMP_NUMBER, at[6]);
	if (at[0] == ICMP_EXTENDED_REQUEST) {
		wire_set(layer, WF_ICMP_LOCAL, at[7] & 1);
		return;
	}
	wire_set(layer, WF_ICMP_STATE, at[7] >> 5);
	wire_set(layer, WF_ICMP_ACTIVE, at[7] >> 2 & 1);
	wire_set(layer, WF_ICMP_IP4, at[7] >> 1 & 1);
	wire_set(layer, WF_ICMP_IP6, at[7] & 1);
}

void wire_icmp_decode_rest(struct layer *layer, const uint8_t *at, size_t length)
{
	uint32_t named = decode_length(layer, at, length);
	const uint8_t *rest = at + 4;

	switch (wire_icmp_rest(at[0], at[1])) {
	case ICMP_REST_ECHO:
		wire_set(layer, WF_ICMP_ID, get16(rest));
		wire_set(layer, WF_ICMP_SEQ, get16(rest + 2));
		if (at[0] == ICMP_EXTENDED_REQUEST || at[0] == ICMP_EXTENDED_REPLY)
			decode_extended_echo(layer, at);
		break;
	case ICMP_REST_MTU:
		wire_set(layer, WF_ICMP_MTU, get16(rest + 2));
		wire_icmp_decode_other(layer, rest, 0xffff | named);
		break;
	case ICMP_REST_GATEWAY:
		wire_set(layer, WF_ICMP_GATEWAY, get32(rest));
		break;
	case ICMP_REST_POINTER:
		wire_set(layer, WF_ICMP_POINTER, rest[0]);
		wire_icmp_decode_other(layer, rest, 0xff000000 | named);
		break;
	case ICMP_REST_UNUSED:
		wire_icmp_decode_other(layer, rest, named);
		break;
	}
}
