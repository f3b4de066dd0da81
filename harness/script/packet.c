/*
 * Packets out of names and numbers.
 *
 * A packet is built from its IP header inwards: layer[0] is the IP header, the transport header follows. What a script does not
 * say stays absent, and absent fields are filled in when the packet is sent and not looked at when one is expected. Always
 * given are those of a TCP packet that cannot be left out (flags, sequence number, length, and that it has just these options).
 */
#include "parse.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* The largest IP packet, less the headers that a packet of any kind has. */
#define PAYLOAD_LONGEST 65535

/* Items: names with what follows them. */

struct items items_add(struct items items, struct item *item)
{
	if (items.last)
		items.last->next = item;
	else
		items.first = item;
	items.last = item;
	return items;
}

struct item *item_new(struct parse *parse, struct slice name, const struct place *place)
{
	struct item *item = arena_alloc(parse->arena, sizeof(*item));

	item->name = name;
	item->name_place = *place;
	return item;
}

struct item *item_number(struct parse *parse, struct slice name, const struct place *place, struct number number)
{
	struct item *item = item_new(parse, name, place);

	item->kind = ITEM_NUMBER;
	item->number = number;
	return item;
}

struct item *item_address(struct parse *parse, struct slice name, const struct place *place, struct slice address,
			  const struct place *address_place)
{
	struct item *item = item_new(parse, name, place);
	struct in_addr parsed;

	item->kind = ITEM_ADDRESS;
	item->number.place = *address_place;
	if (inet_pton(AF_INET, parse_string(parse, address), &parsed) == 1)
		item->number.value = ntohl(parsed.s_addr);
	else
		parse_error(parse, address_place, "four numbers of 0 to 255", "bad IPv4 address '%.*s'", (int)address.length,
			    address.at);
	return item;
}

struct item *item_hardware(struct parse *parse, struct slice name, const struct place *place, struct slice address,
			   const struct place *address_place)
{
	struct item *item = item_new(parse, name, place);

	item->kind = ITEM_HARDWARE;
	item->number = (struct number){ .value = hardware_address(address), .place = *address_place };
	return item;
}

struct item *item_bracket(struct parse *parse, struct slice name, const struct place *place)
{
	struct item *item = item_new(parse, name, place);

	item->kind = ITEM_BRACKET;
	return item;
}

/* Fields. */

/* Whether a number may stand in a field of so many bits; says so if not. */
bool number_fits(struct parse *parse, struct number number, unsigned bits, const char *what)
{
	char range[48];

	if (number.late) {
		parse_error(parse, &number.place, "a number that is known before the script runs", "a variable cannot stand here");
		return false;
	}
	if (number.unresolved || (number.value >= 0 && (bits >= 63 || number.value >> bits == 0)))
		return true;
	snprintf(range, sizeof(range), "a number of 0 to %llu", (unsigned long long)((UINT64_C(1) << bits) - 1));
	if (number.value == INT64_MAX)
		parse_error(parse, &number.place, range, "the %s is too large", what);
	else
		parse_error(parse, &number.place, range, "the %s %lld is out of range", what, (long long)number.value);
	return false;
}

/* A field that a variable gives its value. */
void field_late(struct parse *parse, struct layer *layer, enum wire_field field, const struct expr *value)
{
	unsigned first = 0;

	while (wire_field_table[first].layer != layer->kind)
		first++;
	if (!layer->late)
		layer->late = arena_alloc(parse->arena, LAYER_FIELDS * sizeof(*layer->late));
	layer->late[field - first] = value;
	wire_set_any(layer, field);
}

/* Give a field its value; a define that is not known yet is "whatever it is". */
void field_set(struct parse *parse, struct layer *layer, enum wire_field field, struct number number)
{
	if (number.late)
		field_late(parse, layer, field, number.late);
	else if (number.unresolved)
		wire_set_any(layer, field);
	else if (number_fits(parse, number, wire_field_table[field].bits, wire_field_table[field].name))
		wire_set(layer, field, (uint64_t)number.value);
}

/* The field of a layer that scripts call by this name, or WF_COUNT. */
static enum wire_field field_named(enum layer_kind kind, struct slice name)
{
	for (unsigned i = 0; i < WF_COUNT; i++)
		if (wire_field_table[i].layer == kind && slice_is(name, wire_field_table[i].name))
			return i;
	return WF_COUNT;
}

/* Fields that have a place of their own in a packet, before its fields by name. */
static bool has_place(unsigned field)
{
	return (field >= WF_TCP_SPORT && field <= WF_TCP_END) || field == WF_UDP_SPORT || field == WF_UDP_DPORT ||
	       field == WF_UDPLITE_SPORT || field == WF_UDPLITE_DPORT || field == WF_ICMP_TYPE || field == WF_ICMP_CODE ||
	       field == WF_ICMPV6_TYPE || field == WF_ICMPV6_CODE || field == WF_IPV4_ECN || field == WF_IPV6_ECN;
}

/* The names of a layer's fields, for a message. */
const char *field_names(struct parse *parse, enum layer_kind kind)
{
	char names[400];
	size_t used = 0;

	for (unsigned i = 0; i < WF_COUNT; i++)
		if (wire_field_table[i].layer == kind && !has_place(i) && used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", used ? ", " : "",
						 wire_field_table[i].name);
	return arena_strdup(parse->arena, names);
}

/* What a field may be given as, besides a number. */
static int field_form(enum wire_field field)
{
	switch (field) {
	case WF_ICMP_GATEWAY:
	case WF_IGMP_GROUP:
	case WF_ARP_SPA:
	case WF_ARP_TPA:
		return ITEM_ADDRESS;
	case WF_ARP_SHA:
	case WF_ARP_THA:
		return ITEM_HARDWARE;
	default:
		return ITEM_NUMBER;
	}
}

static const char *const form_names[] = { [ITEM_NUMBER] = "a number",
					  [ITEM_ADDRESS] = "an IPv4 address",
					  [ITEM_HARDWARE] = "a hardware address such as 02:00:00:00:00:01" };

/* Fields by name after a transport header. */
void fields_set(struct parse *parse, struct layer *layer, struct items fields)
{
	for (const struct item *item = fields.first; item; item = item->next) {
		enum wire_field field = field_named(layer->kind, item->name);

		if (field == WF_COUNT) {
			parse_error(parse, &item->name_place, field_names(parse, layer->kind),
				    "this header has no field '%.*s'", (int)item->name.length, item->name.at);
		} else if (item->kind != ITEM_NUMBER && (int)item->kind != field_form(field)) {
			parse_error(parse, &item->number.place, form_names[field_form(field)], "wrong kind of value for '%s'",
				    wire_field_table[field].name);
		} else if (wire_given(layer, field)) {
			parse_error(parse, &item->name_place, NULL, "'%s' is given twice", wire_field_table[field].name);
		} else if (field == WF_TCP_WIN) {
			if (item->number.late || number_fits(parse, item->number, 16, "window"))
				field_set(parse, layer, field, item->number);
		} else {
			field_set(parse, layer, field, item->number);
		}
	}
}

/* The IP header. */

static const struct {
	const char *name;
	unsigned value;
} ecn_words[] = { { "noecn", 0 }, { "ect1", 1 }, { "ect0", 2 }, { "ce", 3 }, { "ect01", WIRE_ECN_ECT01 } };

static bool ecn_field(struct parse *parse, struct layer *layer, const struct item *item)
{
	if (item->kind != ITEM_BARE)
		return false;
	for (unsigned i = 0; i < sizeof(ecn_words) / sizeof(ecn_words[0]); i++) {
		if (!slice_is(item->name, ecn_words[i].name))
			continue;
		wire_set(layer, layer->kind == LAYER_IPV6 ? WF_IPV6_ECN : WF_IPV4_ECN, ecn_words[i].value);
		return true;
	}
	return false;
}

/* The fragment offset is said in bytes and travels in units of eight. */
static void offset_field(struct parse *parse, struct layer *layer, const struct item *item)
{
	if (item->number.late) {
		struct expr *eight = expr_integer(parse, 8, false, &item->number.place);

		field_late(parse, layer, WF_IPV4_OFFSET, expr_binary(parse, '/', (struct expr *)item->number.late, eight,
								     &item->number.place));
		return;
	}
	if (!number_fits(parse, item->number, 16, "offset"))
		return;
	if (item->number.value & 7)
		parse_error(parse, &item->number.place, "a multiple of 8", "a fragment cannot begin at byte %lld",
			    (long long)item->number.value);
	else if (item->number.unresolved)
		wire_set_any(layer, WF_IPV4_OFFSET);
	else
		wire_set(layer, WF_IPV4_OFFSET, (uint64_t)item->number.value / 8);
}

static void ip_field(struct parse *parse, struct layer *layer, const struct item *item)
{
	enum wire_field field = field_named(layer->kind, item->name);
	bool address = field == WF_IPV4_SRC || field == WF_IPV4_DST;
	const char *name = field < WF_COUNT ? wire_field_table[field].name : NULL;

	if (field == WF_COUNT) {
		parse_error(parse, &item->name_place,
			    arena_printf(parse->arena, "%s, noecn, ect0, ect1, ce or ect01", field_names(parse, layer->kind)),
			    "an IP header has no field '%.*s'", (int)item->name.length, item->name.at);
	} else if (wire_given(layer, field)) {
		parse_error(parse, &item->name_place, NULL, "'%s' is given twice", name);
	} else if (item->kind == ITEM_BARE && wire_field_table[field].bits == 1) {
		wire_set(layer, field, 1);
	} else if (item->kind == ITEM_BARE) {
		parse_error(parse, &item->name_place, address ? "an IPv4 address" : "a number", "'%s' needs a value", name);
	} else if (address != (item->kind == ITEM_ADDRESS) && !item->number.late) {
		parse_error(parse, &item->number.place, address ? "an IPv4 address" : "a number",
			    "wrong kind of value for '%s'", name);
	} else if (field == WF_IPV4_OFFSET) {
		offset_field(parse, layer, item);
	} else {
		field_set(parse, layer, field, item->number);
	}
}

static void ip_header_options(struct parse *parse, struct layer *layer, const struct item *item)
{
	if (layer->kind != LAYER_IPV4)
		parse_error(parse, &item->name_place, NULL, "only an IPv4 header has options");
	else if (layer->options_given)
		parse_error(parse, &item->name_place, NULL, "the options are given twice");
	else
		ip_options_set(parse, layer, item);
}

/* What stands in brackets before a packet. A flow label says nothing of an IPv4 packet, as in packetdrill. */
void ip_fields(struct parse *parse, struct layer *layer, struct items items)
{
	if (items.first && layer->kind != LAYER_IPV4 && layer->kind != LAYER_IPV6) {
		parse_error(parse, &items.first->name_place, NULL, "this packet has no IP header");
		return;
	}
	for (const struct item *item = items.first; item; item = item->next) {
		if (item->kind == ITEM_OPTIONS) {
			ip_header_options(parse, layer, item);
			continue;
		}
		if (ecn_field(parse, layer, item))
			continue;
		if (layer->kind == LAYER_IPV4 && slice_is(item->name, "flowlabel") && item->kind == ITEM_NUMBER) {
			number_fits(parse, item->number, 20, "flowlabel");
			continue;
		}
		ip_field(parse, layer, item);
	}
}

/* Bodies. */

struct body *body_new(struct parse *parse, enum layer_kind kind, const struct place *place)
{
	struct body *body = arena_alloc(parse->arena, sizeof(*body));
	struct packet *packet;

	body->spec = arena_alloc(parse->arena, sizeof(*body->spec));
	packet = body->packet = &body->spec->packet;
	packet->layer[0].kind = parse->ipv6 || kind == LAYER_ICMPV6 ? LAYER_IPV6 : LAYER_IPV4;
	packet->layer[1].kind = kind;
	packet->layers = 2;
	packet->payload_given = true;
	body->place = *place;
	return body;
}

struct body *body_ip(struct body *body, struct items items)
{
	body->ip = items;
	return body;
}

static void payload_length(struct parse *parse, struct packet *packet, struct number length)
{
	packet->late_length = length.late;
	if (length.unresolved)
		packet->payload_given = false;
	else if (number_fits(parse, length, 16, "length"))
		packet->payload_length = (size_t)length.value;
}

/* The contents, which must be as long as the packet says that it is. */
void body_payload(struct parse *parse, struct body *body, struct bytes payload)
{
	struct packet *packet = body->packet;

	if (!payload.given)
		return;
	if (!packet->payload_given) {
		packet->late_length = NULL;
		packet->payload_given = true;
		packet->payload_length = payload.length;
	} else if (payload.length != packet->payload_length) {
		parse_error(parse, &payload.place, arena_printf(parse->arena, "%zu bytes", packet->payload_length),
			    "the contents have %zu bytes where the packet says %zu", payload.length, packet->payload_length);
	}
	packet->payload = (const uint8_t *)payload.at;
}

static void check_size(struct parse *parse, const struct body *body, size_t headers)
{
	if (body->packet->payload_length + headers > PAYLOAD_LONGEST)
		parse_error(parse, &body->place, "65535 bytes with its headers at most", "the packet is too large");
}

/* TCP. */

static const char flag_letters[] = "FSRP.UEWA"; /* in the order of the header's bits, FIN first */

static void flag_add(struct parse *parse, struct flags *flags, char letter, const struct place *place)
{
	const char *found = letter ? strchr(flag_letters, letter) : NULL;
	bool ecn = found && found - flag_letters >= 6;

	if (letter >= '0' && letter <= '7') {
		if (flags->ace >= 0 || flags->bits & (WIRE_ECE | WIRE_CWR | WIRE_AE))
			parse_error(parse, place, "E, W and A, or one digit", "the ACE digit '%c' contradicts an ECN flag",
				    letter);
		flags->ace = letter - '0';
		return;
	}
	if (!found) {
		parse_error(parse, place, "F S R P . U E W A, a digit of 0 to 7, or - for none", "unknown TCP flag '%c'",
			    letter);
		return;
	}
	if (ecn && flags->ace >= 0)
		parse_error(parse, place, "E, W and A, or one digit", "the flag '%c' contradicts the ACE digit", letter);
	flags->bits |= 1u << (found - flag_letters);
}

/* Letters as in "SEW", then what begins with a dot: "." or ".5" (an ACE count of 5). */
struct flags flags_parse(struct parse *parse, struct slice word, struct slice dotted, const struct place *place)
{
	struct flags flags = { 0, -1, *place };

	for (size_t i = 0; i < word.length && !parse->failed; i++)
		flag_add(parse, &flags, word.at[i], place);
	for (size_t i = 0; i < dotted.length && !parse->failed; i++)
		flag_add(parse, &flags, dotted.at[i], place);
	return flags;
}

/* ACE 0 is the same as none of the three ECN flags, and is left at that. */
static void flags_set(struct layer *layer, struct flags flags)
{
	if (flags.ace > 0) {
		wire_set(layer, WF_TCP_ACE, (unsigned)flags.ace);
		flags.bits |= (unsigned)flags.ace << 6;
	}
	wire_set(layer, WF_TCP_FLAGS, flags.bits);
}

static void sequence_set(struct parse *parse, struct packet *packet, struct layer *layer, struct sequence sequence)
{
	field_set(parse, layer, WF_TCP_SEQ, sequence.start);
	field_set(parse, layer, WF_TCP_END, sequence.end);
	payload_length(parse, packet, sequence.length);
	if (parse->failed || sequence.start.unresolved || sequence.end.unresolved || sequence.length.unresolved)
		return;
	if ((uint32_t)(sequence.start.value + sequence.length.value) != (uint32_t)sequence.end.value)
		parse_error(parse, &sequence.place,
			    arena_printf(parse->arena, "%lld:%u(%lld)", (long long)sequence.start.value,
					 (uint32_t)(sequence.start.value + sequence.length.value),
					 (long long)sequence.length.value),
			    "the sequence numbers and the length do not agree");
}

struct body *body_tcp(struct parse *parse, struct flags flags, struct sequence sequence, struct items fields,
		      struct tcp_options options, struct bytes payload, const struct place *place)
{
	struct body *body = body_new(parse, LAYER_TCP, place);
	struct layer *layer = &body->packet->layer[1];

	flags_set(layer, flags);
	sequence_set(parse, body->packet, layer, sequence);
	fields_set(parse, layer, fields);
	tcp_options_set(parse, layer, options);
	body_payload(parse, body, payload);
	check_size(parse, body, 40);
	return body;
}

/* "[1:1001(1000)]" in an ICMP error: the segment that it is about. */
struct body *body_quoted_tcp(struct parse *parse, struct sequence sequence, const struct place *place)
{
	struct body *body = body_new(parse, LAYER_TCP, place);

	sequence_set(parse, body->packet, &body->packet->layer[1], sequence);
	return body;
}

struct body *body_ports(struct parse *parse, struct body *body, struct number source, struct number destination)
{
	struct layer *layer = &body->packet->layer[body->packet->layers - 1];
	enum wire_field field = layer->kind == LAYER_TCP   ? WF_TCP_SPORT
				: layer->kind == LAYER_UDP ? WF_UDP_SPORT
							   : WF_UDPLITE_SPORT;

	if (source.late || number_fits(parse, source, 16, "source port"))
		field_set(parse, layer, field, source);
	if (destination.late || number_fits(parse, destination, 16, "destination port"))
		field_set(parse, layer, field + 1, destination);
	return body;
}

/* "encap psp spi 7": UDP and PSP headers between IP and TCP. */
struct body *body_encap(struct parse *parse, struct body *body, struct items items, const struct place *place)
{
	struct packet *packet = body->packet;
	const struct item *protocol = items.first, *spi = protocol->next;

	if (!slice_is(protocol->name, "psp") || !slice_is(spi->name, "spi")) {
		parse_error(parse, place, "encap psp spi and a number", "unknown encapsulation '%.*s'",
			    (int)protocol->name.length, protocol->name.at);
		return body;
	}
	packet->layer[3] = packet->layer[1];
	packet->layer[1] = (struct layer){ .kind = LAYER_UDP };
	packet->layer[2] = (struct layer){ .kind = LAYER_PSP };
	packet->layers = 4;
	field_set(parse, &packet->layer[2], WF_PSP_SPI, spi->number);
	return body;
}

/* UDP, UDP-Lite, anything else. */

struct body *body_udp(struct parse *parse, enum layer_kind kind, struct items fields, struct number length,
		      struct bytes payload, const struct place *place)
{
	struct body *body = body_new(parse, kind, place);

	payload_length(parse, body->packet, length);
	fields_set(parse, &body->packet->layer[1], fields);
	body_payload(parse, body, payload);
	check_size(parse, body, 28);
	return body;
}

struct body *body_raw(struct parse *parse, struct items fields, struct number length, struct bytes payload,
		      const struct place *place)
{
	struct body *body = body_new(parse, LAYER_RAW, place);

	body->padding = true;
	payload_length(parse, body->packet, length);
	fields_set(parse, &body->packet->layer[1], fields);
	body_payload(parse, body, payload);
	check_size(parse, body, 20);
	return body;
}
