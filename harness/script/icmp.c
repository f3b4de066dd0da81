/* ICMP messages: their types and codes by name, their fields, what they quote. */
#include "parse.h"

#include "../wire/icmp.h"

/*
 * Names that only ICMPv6 has make the message one of ICMPv6, whatever the script's IP version: packetdrill's IPv6 scripts are
 * told their version on the command line.
 */
static enum layer_kind type_find(struct parse *parse, struct slice text, unsigned *type)
{
	const char *name = parse_string(parse, text);

	if (!parse->ipv6 && wire_icmp_type(false, name, type))
		return LAYER_ICMP;
	if (wire_icmp_type(true, name, type))
		return LAYER_ICMPV6;
	return LAYER_NONE;
}

static bool code_find(struct parse *parse, enum layer_kind kind, unsigned type, struct slice text, unsigned *code)
{
	const char *name = parse_string(parse, text);

	return wire_icmp_code(kind == LAYER_ICMPV6, type, name, code);
}

static const char *add_name(struct parse *parse, const char *names, const char *name)
{
	if (!name)
		return names;
	return arena_printf(parse->arena, "%s%s%s", names, *names ? ", " : "", name);
}

/* The names of the types, or of the codes of one type, for a message. */
static const char *type_names(struct parse *parse)
{
	const char *names = "";

	for (unsigned i = 0; i < 256; i++)
		names = add_name(parse, names, wire_icmp_type_name(parse->ipv6, i));
	return add_name(parse, names, "or type_N");
}

static const char *code_names(struct parse *parse, enum layer_kind kind, unsigned type)
{
	const char *names = "";

	for (unsigned i = 0; i < 256; i++)
		names = add_name(parse, names, wire_icmp_code_name(kind == LAYER_ICMPV6, type, i));
	return *names ? add_name(parse, names, "or code_N") : "code_N";
}

static struct body *type_set(struct parse *parse, struct icmp_text text, const struct place *place)
{
	unsigned type = 0, code = 0;
	enum layer_kind kind = type_find(parse, text.type, &type);
	struct body *body = body_new(parse, kind == LAYER_ICMPV6 ? LAYER_ICMPV6 : LAYER_ICMP, place);
	struct layer *layer = &body->packet->layer[1];
	enum wire_field first = layer->kind == LAYER_ICMPV6 ? WF_ICMPV6_TYPE : WF_ICMP_TYPE;

	if (kind != LAYER_NONE) {
		wire_set(layer, first, type);
	} else if (slice_could_be_define(text.type)) {
		wire_set_any(layer, first);
		parse_undefined(parse, text.type, &text.type_place);
	} else {
		parse_error(parse, &text.type_place, type_names(parse), "unknown ICMP type '%.*s'", (int)text.type.length,
			    text.type.at);
	}
	if (!text.has_code || code_find(parse, layer->kind, type, text.code, &code)) {
		wire_set(layer, first + 1, code);
	} else if (slice_could_be_define(text.code)) {
		wire_set_any(layer, first + 1);
		parse_undefined(parse, text.code, &text.code_place);
	} else {
		parse_error(parse, &text.code_place, code_names(parse, layer->kind, type),
			    "'%.*s' is not a code of ICMP type '%.*s'", (int)text.code.length, text.code.at,
			    (int)text.type.length, text.type.at);
	}
	return body;
}

/* The next-hop MTU is only there in one message of each version (RFC 1191, RFC 4443). */
static void check_mtu(struct parse *parse, const struct layer *layer, struct items fields)
{
	bool right;

	if (layer->kind == LAYER_ICMP)
		right = (wire_get(layer, WF_ICMP_TYPE) == 3 && wire_get(layer, WF_ICMP_CODE) == 4);
	else
		right = (wire_get(layer, WF_ICMPV6_TYPE) == 2 && wire_get(layer, WF_ICMPV6_CODE) == 0);
	if (right || (layer->any & 3))
		return;
	for (const struct item *item = fields.first; item; item = item->next)
		if (slice_is(item->name, "mtu"))
			parse_error(parse, &item->name_place, "mtu with unreachable frag_needed or packet_too_big",
				    "this ICMP message carries no MTU");
}

/* The bytes of an ICMP message without a quotation: "[raw (N)]" counts its 8 bytes of header too. */
static void raw_contents(struct parse *parse, struct body *body, const struct body *raw)
{
	if (raw->packet->late_length) {
		parse_error(parse, &raw->place, "a number that is known before the script runs", "a variable cannot stand here");
		return;
	}
	if (raw->packet->payload_given && raw->packet->payload_length < 8) {
		parse_error(parse, &raw->place, "8 or more", "an ICMP message has at least 8 bytes");
		return;
	}
	body->packet->payload_given = raw->packet->payload_given;
	body->packet->payload_length = raw->packet->payload_length - 8;
	body->packet->payload = raw->packet->payload;
}

/* "raw (N)" is the message's own bytes, unless it says something of a header: then it is a packet of some protocol, and quoted. */
static bool is_contents(const struct body *quoted)
{
	return quoted->padding && !quoted->ip.first && !wire_given(&quoted->packet->layer[1], WF_RAW_PROTOCOL);
}

struct body *body_icmp(struct parse *parse, struct icmp_text text, struct items fields, struct body *quoted,
		       struct bytes payload, const struct place *place)
{
	struct body *body = type_set(parse, text, place);
	struct packet *packet = body->packet;

	packet->payload_given = false;
	fields_set(parse, &packet->layer[1], fields);
	check_mtu(parse, &packet->layer[1], fields);
	if (quoted && is_contents(quoted)) {
		raw_contents(parse, body, quoted);
		body_payload(parse, body, payload);
		return body;
	}
	if (quoted) {
		ip_fields(parse, &quoted->packet->layer[0], quoted->ip);
		packet->quoted = quoted->packet;
	}
	if (payload.given && quoted && packet->layer[1].kind == LAYER_ICMP &&
	    wire_icmp_extends((unsigned)wire_get(&packet->layer[1], WF_ICMP_TYPE)))
		body_payload(parse, body, payload);
	else if (payload.given)
		parse_error(parse, &payload.place, "[raw (N)] before the contents",
			    "only a message that quotes nothing, or that has extensions, has contents of its own");
	return body;
}
