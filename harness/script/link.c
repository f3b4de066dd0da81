/*
 * What only Ethernet links carry: the Ethernet header in front of a packet, and ARP (RFC 826).
 *
 * "arp who-has TARGET tell SENDER" is a request, "arp reply SENDER is-at HARDWARE" an answer, "arp announce ADDRESS" a request for
 * the sender's own address; after these any field may be given by its name, in RFC 826's terms.
 */
#include "parse.h"

#include <string.h>

/* A text of the lexer's form, six pairs of hexadecimal digits, as a number of 48 bits. */
int64_t hardware_address(struct slice text)
{
	int64_t address = 0;

	for (size_t i = 0; i < text.length; i++) {
		char c = text.at[i];

		if (c != ':')
			address = address << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return address;
}

/* An empty address is one that the script does not say. */
struct prefixes prefix_ethernet(struct parse *parse, struct prefixes prefixes, struct slice source, struct slice destination,
				const struct number *type, const struct place *place)
{
	struct prefix *prefix = arena_alloc(parse->arena, sizeof(*prefix));

	if (prefixes.layers)
		parse_error(parse, place, "eth before the other headers", "the Ethernet header is the outermost one");
	prefix->layer.kind = LAYER_ETHERNET;
	if (source.length)
		wire_set(&prefix->layer, WF_ETHERNET_SRC, (uint64_t)hardware_address(source));
	if (destination.length)
		wire_set(&prefix->layer, WF_ETHERNET_DST, (uint64_t)hardware_address(destination));
	if (type)
		field_set(parse, &prefix->layer, WF_ETHERNET_TYPE, *type);
	if (prefixes.last)
		prefixes.last->next = prefix;
	else
		prefixes.first = prefix;
	prefixes.last = prefix;
	prefixes.layers++;
	return prefixes;
}

/*
 * "eth A > B type N: raw (8)" is a frame of bytes, not an IP packet, unless it says something of an IP header or of the
 * protocol inside one.
 */
void body_frame(struct prefixes prefixes, struct body *body)
{
	const struct layer *last = prefixes.last ? &prefixes.last->layer : NULL;
	struct packet *packet = body->packet;

	if (!last || last->kind != LAYER_ETHERNET || !wire_given(last, WF_ETHERNET_TYPE) || !body->padding || body->ip.first ||
	    wire_given(&packet->layer[1], WF_RAW_PROTOCOL))
		return;
	packet->layer[0] = packet->layer[1];
	packet->layers = 1;
}

/* The words before the fields by name: each may follow certain others, and says these fields. */
static const struct arp_word {
	const char *name;
	const char *after;		/* the word that it follows; NULL: it comes first */
	unsigned op;			/* 0: it does not say */
	int form;			/* what must follow it, ITEM_* */
	int field[2];			/* which its value is, -1: none */
} arp_words[] = {
	{ "who-has", NULL, 1, ITEM_ADDRESS, { WF_ARP_TPA, -1 } },
	{ "tell", "who-has", 0, ITEM_ADDRESS, { WF_ARP_SPA, -1 } },
	{ "reply", NULL, 2, ITEM_ADDRESS, { WF_ARP_SPA, -1 } },
	{ "is-at", "reply", 0, ITEM_HARDWARE, { WF_ARP_SHA, -1 } },
	{ "to", "is-at", 0, ITEM_ADDRESS, { WF_ARP_TPA, -1 } },
	{ "announce", NULL, 1, ITEM_ADDRESS, { WF_ARP_SPA, WF_ARP_TPA } },
};

/* What may follow `before`, for a message. */
static const char *arp_expected(struct parse *parse, const char *before)
{
	const char *list = "";

	for (unsigned i = 0; i < sizeof(arp_words) / sizeof(arp_words[0]); i++) {
		const struct arp_word *word = &arp_words[i];

		if (before == word->after || (before && word->after && !strcmp(before, word->after)))
			list = arena_printf(parse->arena, "%s%s %s, ", list, word->name,
					    word->form == ITEM_ADDRESS ? "ADDRESS" : "HARDWARE-ADDRESS");
	}
	return arena_printf(parse->arena, "%s%s", list, field_names(parse, LAYER_ARP));
}

static const struct arp_word *arp_word(struct slice name, const char *before)
{
	for (unsigned i = 0; i < sizeof(arp_words) / sizeof(arp_words[0]); i++) {
		const struct arp_word *word = &arp_words[i];

		if (slice_is(name, word->name) &&
		    (before == word->after || (before && word->after && !strcmp(before, word->after))))
			return word;
	}
	return NULL;
}

struct body *body_arp(struct parse *parse, struct items words, struct items fields, const struct place *place)
{
	struct body *body = body_new(parse, LAYER_ARP, place);
	struct packet *packet = body->packet;
	struct layer *layer = &packet->layer[0];
	const char *before = NULL;

	*layer = (struct layer){ .kind = LAYER_ARP };
	packet->layers = 1;
	packet->payload_given = false;
	for (const struct item *item = words.first; item; item = item->next) {
		const struct arp_word *word = arp_word(item->name, before);

		if (!word) {
			parse_error(parse, &item->name_place, arp_expected(parse, before), "unexpected '%.*s' in an ARP packet",
				    (int)item->name.length, item->name.at);
			return body;
		}
		if ((int)item->kind != word->form) {
			parse_error(parse, item->kind == ITEM_BARE ? &item->name_place : &item->number.place,
				    word->form == ITEM_ADDRESS ? "an IPv4 address" : "a hardware address such as 02:00:00:00:00:01",
				    "wrong kind of value for '%s'", word->name);
			return body;
		}
		if (word->op)
			wire_set(layer, WF_ARP_OP, word->op);
		for (unsigned i = 0; i < 2 && word->field[i] >= 0; i++)
			wire_set(layer, (enum wire_field)word->field[i], (uint64_t)item->number.value);
		before = word->name;
	}
	fields_set(parse, layer, fields);
	return body;
}
