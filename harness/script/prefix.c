/* What may stand in front of a packet: the link's name, and outer headers. */
#include "parse.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

static struct layer *push(struct parse *parse, struct prefixes *prefixes, enum layer_kind kind)
{
	struct prefix *prefix = arena_alloc(parse->arena, sizeof(*prefix));

	prefix->layer.kind = kind;
	if (prefixes->last)
		prefixes->last->next = prefix;
	else
		prefixes->first = prefix;
	prefixes->last = prefix;
	prefixes->layers++;
	return &prefix->layer;
}

struct prefixes prefix_link(struct parse *parse, struct prefixes prefixes, struct slice name, const struct place *place)
{
	if (prefixes.link || prefixes.layers)
		parse_error(parse, place, "the link first, and one only", "a packet is on one link");
	else if (name.length >= IF_NAMESIZE)
		parse_error(parse, place, "15 characters at most", "the name of the link is too long");
	prefixes.link = parse_string(parse, name);
	prefixes.link_place = *place;
	return prefixes;
}

struct prefixes prefix_ip(struct parse *parse, struct prefixes prefixes, enum layer_kind kind, struct items items,
			  struct slice source, struct slice destination, const struct place *source_place,
			  const struct place *destination_place)
{
	struct layer *layer = push(parse, &prefixes, kind);
	int family = kind == LAYER_IPV4 ? AF_INET : AF_INET6;
	struct in6_addr from = { 0 }, to = { 0 };
	uint32_t word;

	ip_fields(parse, layer, items);
	if (inet_pton(family, parse_string(parse, source), &from) != 1)
		parse_error(parse, source_place, NULL, "bad source address '%.*s'", (int)source.length, source.at);
	if (inet_pton(family, parse_string(parse, destination), &to) != 1)
		parse_error(parse, destination_place, NULL, "bad destination address '%.*s'", (int)destination.length,
			    destination.at);
	if (kind == LAYER_IPV6) {
		layer->source6 = from;
		layer->destination6 = to;
		return prefixes;
	}
	memcpy(&word, &from, 4);
	wire_set(layer, WF_IPV4_SRC, ntohl(word));
	memcpy(&word, &to, 4);
	wire_set(layer, WF_IPV4_DST, ntohl(word));
	return prefixes;
}

/* Which optional words a GRE header has, by the names that packetdrill uses. */
static bool gre_flag(struct slice name, unsigned *flags)
{
	static const struct {
		const char *name;
		unsigned flag;
	} words[] = {
		{ "none", 0 }, { "checksum", WIRE_GRE_CHECKSUM }, { "key", WIRE_GRE_KEY }, { "sequence#", WIRE_GRE_SEQ }
	};

	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (slice_is(name, words[i].name)) {
			*flags |= words[i].flag;
			return true;
		}
	}
	return false;
}

/*
 * A GRE header (RFC 2890). All of sum, off, key and seq may be written whatever the flags say, as packetdrill's form demands;
 * those whose flag is not set are not in the header and are dropped.
 */
struct prefixes prefix_gre(struct parse *parse, struct prefixes prefixes, struct items items, const struct place *place)
{
	static const struct {
		const char *name;
		enum wire_field field;
		unsigned needs;
	} words[] = { { "flags", WF_GRE_FLAGS, 0 },
		      { "sum", WF_GRE_SUM, WIRE_GRE_CHECKSUM },
		      { "off", WF_GRE_OFF, WIRE_GRE_CHECKSUM },
		      { "key", WF_GRE_KEY, WIRE_GRE_KEY },
		      { "seq", WF_GRE_SEQ, WIRE_GRE_SEQ } };
	struct layer *layer = push(parse, &prefixes, LAYER_GRE);
	unsigned flags = 0, i;

	for (const struct item *item = items.first; item; item = item->next) {
		if (item->kind == ITEM_BRACKET) {
			if (!gre_flag(item->name, &flags))
				parse_error(parse, &item->name_place, "none, checksum present, key present, sequence# present",
					    "unknown GRE flag '%.*s'", (int)item->name.length, item->name.at);
			continue;
		}
		for (i = 0; i < sizeof(words) / sizeof(words[0]) && !slice_is(item->name, words[i].name); i++)
			;
		if (i == sizeof(words) / sizeof(words[0])) {
			parse_error(parse, &item->name_place, "flags, sum, off, key, seq", "a GRE header has no field '%.*s'",
				    (int)item->name.length, item->name.at);
			continue;
		}
		field_set(parse, layer, words[i].field, item->number);
		if (words[i].field == WF_GRE_FLAGS)
			flags = (unsigned)wire_get(layer, WF_GRE_FLAGS);
	}
	for (i = 1; i < sizeof(words) / sizeof(words[0]); i++)
		if (!(flags & words[i].needs))
			layer->given &= ~(1u << (words[i].field - WF_GRE_FLAGS));
	wire_set(layer, WF_GRE_FLAGS, flags);
	return prefixes;
}

/* "(label 5, tc 0, [S], ttl 64)" */
struct prefixes prefix_mpls(struct parse *parse, struct prefixes prefixes, struct items items, const struct place *place)
{
	struct layer *layer = push(parse, &prefixes, LAYER_MPLS);

	wire_set(layer, WF_MPLS_BOTTOM, 0);
	for (const struct item *item = items.first; item; item = item->next) {
		if (slice_is(item->name, "S") && item->kind == ITEM_BRACKET)
			wire_set(layer, WF_MPLS_BOTTOM, 1);
		else if (slice_is(item->name, "label") && item->kind == ITEM_NUMBER)
			field_set(parse, layer, WF_MPLS_LABEL, item->number);
		else if (slice_is(item->name, "tc") && item->kind == ITEM_NUMBER)
			field_set(parse, layer, WF_MPLS_TC, item->number);
		else if (slice_is(item->name, "ttl") && item->kind == ITEM_NUMBER)
			field_set(parse, layer, WF_MPLS_TTL, item->number);
		else
			parse_error(parse, &item->name_place, "label N, tc N, [S], ttl N",
				    "unknown part '%.*s' of an MPLS label", (int)item->name.length, item->name.at);
	}
	return prefixes;
}
