/*
 * IGMP messages: by version and name, with the lists of version 3.
 *
 * "igmp v1 query", "igmp v2 report group G", "igmp leave group G", "igmp v3 query group G qrv 2 qqic 125 {A, B}", "igmp v3 report
 * [to_ex G {}, allow G {A}]"; or "igmp type N" and fields. A name gives the type, and what else the version means by it.
 */
#include "parse.h"

#include <arpa/inet.h>
#include <string.h>

#include "../wire/igmp.h"

static const struct igmp_name {
	const char *version;		/* NULL: none is said */
	const char *name;
	enum igmp_type type;
	bool list;			/* it has one, empty when none is written */
} igmp_names[] = {
	{ "v1", "query", IGMP_QUERY, false },	   { "v1", "report", IGMP_REPORT_V1, false },
	{ "v2", "query", IGMP_QUERY, false },	   { "v2", "report", IGMP_REPORT_V2, false },
	{ "v2", "leave", IGMP_LEAVE, false },	   { "v3", "query", IGMP_QUERY, true },
	{ "v3", "report", IGMP_REPORT_V3, true },  { NULL, "query", IGMP_QUERY, false },
	{ NULL, "leave", IGMP_LEAVE, false },
};

static const struct igmp_name *name_find(const struct item *first)
{
	const struct item *second = first->next;

	for (size_t i = 0; i < sizeof(igmp_names) / sizeof(igmp_names[0]); i++) {
		const struct igmp_name *name = &igmp_names[i];

		if (name->version ? second && slice_is(first->name, name->version) && slice_is(second->name, name->name)
				  : !second && slice_is(first->name, name->name))
			return name;
	}
	return NULL;
}

struct igmp_sources igmp_sources_add(struct parse *parse, struct igmp_sources sources, struct slice address,
				     const struct place *place)
{
	struct igmp_source *source = arena_alloc(parse->arena, sizeof(*source));

	source->address = (uint32_t)item_address(parse, address, place, address, place)->number.value;
	if (sources.last)
		sources.last->next = source;
	else
		sources.first = source;
	sources.last = source;
	sources.count++;
	sources.given = true;
	return sources;
}

static void take_sources(struct parse *parse, struct igmp_record *record, struct igmp_sources sources)
{
	uint32_t *source = arena_alloc(parse->arena, (sources.count + 1) * sizeof(*source));

	record->source = source;
	record->sources = sources.count;
	record->count = (uint16_t)sources.count;
	for (const struct igmp_source *from = sources.first; from; from = from->next)
		*source++ = from->address;
}

/* "to_ex 232.0.0.1 nsrcs 5 {10.0.0.1} "aux"" */
struct igmp_list *igmp_record(struct parse *parse, struct slice type, const struct place *place, struct slice group,
			      const struct place *group_place, struct items fields, struct igmp_sources sources,
			      struct bytes aux)
{
	struct igmp_list *node = arena_alloc(parse->arena, sizeof(*node));
	struct igmp_record *record = &node->record;
	unsigned number = 0;

	if (!wire_igmp_record_type(parse_string(parse, type), &number))
		parse_error(parse, place, "is_in, is_ex, to_in, to_ex, allow, block or type_N", "unknown type '%.*s' of a group record",
			    (int)type.length, type.at);
	record->type = (uint8_t)number;
	record->group = (uint32_t)item_address(parse, group, group_place, group, group_place)->number.value;
	take_sources(parse, record, sources);
	record->aux = (const uint8_t *)aux.at;
	record->aux_length = aux.length;
	record->aux_words = (uint8_t)((aux.length + 3) / 4);
	if (aux.length > 1020)
		parse_error(parse, &aux.place, "1020 bytes at most", "too many bytes of auxiliary data");
	for (const struct item *item = fields.first; item; item = item->next) {
		if (slice_is(item->name, "nsrcs") && number_fits(parse, item->number, 16, "nsrcs"))
			record->count = (uint16_t)item->number.value;
		else if (slice_is(item->name, "auxlen") && number_fits(parse, item->number, 8, "auxlen"))
			record->aux_words = (uint8_t)item->number.value;
		else
			parse_error(parse, &item->name_place, "nsrcs, auxlen", "a group record has no field '%.*s'",
				    (int)item->name.length, item->name.at);
	}
	return node;
}

static void records_set(struct parse *parse, struct layer *layer, const struct igmp_list *list)
{
	unsigned count = 0;

	for (const struct igmp_list *node = list; node; node = node->next)
		count++;
	layer->record = arena_alloc(parse->arena, (count + 1) * sizeof(*layer->record));
	/* The chain has the last record first. */
	layer->records = count;
	for (const struct igmp_list *node = list; node; node = node->next)
		layer->record[--count] = node->record;
}

static void list_set(struct parse *parse, struct layer *layer, const struct igmp_name *name, struct igmp_text text)
{
	bool report = name && name->type == IGMP_REPORT_V3;

	if (!text.records && !text.sources.given) {
		layer->records_given = name && name->list;
		if (layer->records_given && !report) {
			layer->record = arena_alloc(parse->arena, sizeof(*layer->record));
			layer->records = 1;
		}
		return;
	}
	if (!name || !name->list || report != (text.records != NULL)) {
		parse_error(parse, &text.place, report ? "records in brackets" : "sources in braces, after igmp v3 query",
			    "this IGMP message has no such list");
		return;
	}
	layer->records_given = true;
	if (report) {
		records_set(parse, layer, text.records);
	} else {
		layer->record = arena_alloc(parse->arena, sizeof(*layer->record));
		layer->records = 1;
		take_sources(parse, layer->record, text.sources);
	}
}

struct body *body_igmp(struct parse *parse, struct items words, struct items fields, struct igmp_text text,
		       struct bytes payload, const struct place *place)
{
	struct body *body = body_new(parse, LAYER_IGMP, place);
	struct layer *layer = &body->packet->layer[1];
	const struct igmp_name *name = words.first ? name_find(words.first) : NULL;

	body->packet->payload_given = false;
	if (words.first && !name) {
		parse_error(parse, &words.first->name_place,
			    "v1 query, v1 report, v2 query, v2 report, v3 query, v3 report, query, leave or a field",
			    "unknown IGMP message '%.*s%s%.*s'", (int)words.first->name.length, words.first->name.at,
			    words.first->next ? " " : "", words.first->next ? (int)words.first->next->name.length : 0,
			    words.first->next ? words.first->next->name.at : "");
		return body;
	}
	if (name)
		wire_set(layer, WF_IGMP_TYPE, name->type);
	fields_set(parse, layer, fields);
	if (name && name->version && !strcmp(name->version, "v1") && name->type == IGMP_QUERY &&
	    !wire_given(layer, WF_IGMP_MAXRESP))
		wire_set(layer, WF_IGMP_MAXRESP, 0);
	list_set(parse, layer, name, text);
	body_payload(parse, body, payload);
	return body;
}
