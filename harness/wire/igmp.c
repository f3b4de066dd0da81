/*
 * IGMP, versions 1 to 3 (RFC 1112 appendix I, RFC 2236, RFC 3376).
 *
 * All versions share their first four bytes, and all but the reports of version 3 the four after these. The lists of version 3
 * are records: of a report the group records, of a query one record of which only the sources count.
 */
#include "igmp.h"

#include <stdlib.h>
#include <string.h>

#include "../arena.h"
#include "layer.h"
#include "print.h"

#define QUERY_V3 12		/* bytes of a query before its sources */
#define RECORD 8		/* bytes of a record before its sources */

static const char *const record_names[] = { [1] = "is_in", [2] = "is_ex", [3] = "to_in", [4] = "to_ex", [5] = "allow", [6] = "block" };

#define RECORD_NAMES (sizeof(record_names) / sizeof(record_names[0]))

const char *wire_igmp_record_name(unsigned type)
{
	return type < RECORD_NAMES ? record_names[type] : NULL;
}

bool wire_igmp_record_type(const char *name, unsigned *type)
{
	unsigned long number;
	char *end;

	for (unsigned i = 1; i < RECORD_NAMES; i++) {
		if (!strcmp(record_names[i], name)) {
			*type = i;
			return true;
		}
	}
	if (strncmp(name, "type_", 5) || name[5] < '0' || name[5] > '9')
		return false;
	number = strtoul(name + 5, &end, 10);
	*type = (unsigned)number;
	return !*end && number <= 255;
}

enum igmp_form wire_igmp_form(const struct layer *layer)
{
	bool report = wire_value(layer, WF_IGMP_TYPE, 0) == IGMP_REPORT_V3;

	if (wire_given(layer, WF_IGMP_NRECS) || wire_given(layer, WF_IGMP_RESERVED) || (report && layer->records_given))
		return IGMP_RECORDS;
	if (wire_given(layer, WF_IGMP_S) || wire_given(layer, WF_IGMP_RESV) || wire_given(layer, WF_IGMP_QRV) ||
	    wire_given(layer, WF_IGMP_QQIC) || wire_given(layer, WF_IGMP_NSRCS) || layer->records_given)
		return IGMP_SOURCES;
	return IGMP_PLAIN;
}

static uint8_t *put16(uint8_t *to, uint64_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
	return to + 2;
}

static uint8_t *put32(uint8_t *to, uint64_t value)
{
	return put16(put16(to, value >> 16), value);
}

static uint8_t *put_sources(const struct igmp_record *record, uint8_t *to)
{
	for (unsigned i = 0; i < record->sources; i++)
		to = put32(to, record->source[i]);
	return to;
}

static uint8_t *put_record(const struct igmp_record *record, uint8_t *to)
{
	*to++ = record->type;
	*to++ = record->aux_words;
	to = put16(to, record->count);
	to = put32(to, record->group);
	to = put_sources(record, to);
	if (record->aux_length)
		memcpy(to, record->aux, record->aux_length);
	return to + record->aux_length;
}

static size_t encoded_length(const struct layer *layer)
{
	enum igmp_form form = wire_igmp_form(layer);
	size_t length = form == IGMP_SOURCES ? QUERY_V3 : IGMP_HEADER;

	for (unsigned i = 0; form != IGMP_PLAIN && i < layer->records; i++)
		length += (form == IGMP_RECORDS ? RECORD + layer->record[i].aux_length : 0) + 4 * (size_t)layer->record[i].sources;
	return length;
}

size_t wire_igmp_encode(const struct layer *layer, uint8_t *to)
{
	enum igmp_form form = wire_igmp_form(layer);

	if (!to)
		return encoded_length(layer);
	to[0] = (uint8_t)wire_value(layer, WF_IGMP_TYPE, form == IGMP_RECORDS ? IGMP_REPORT_V3 : IGMP_QUERY);
	to[1] = (uint8_t)wire_value(layer, WF_IGMP_MAXRESP, 0);
	if (form == IGMP_RECORDS) {
		put16(to + 4, wire_value(layer, WF_IGMP_RESERVED, 0));
		to = put16(to + 6, wire_value(layer, WF_IGMP_NRECS, layer->records));
		for (unsigned i = 0; i < layer->records; i++)
			to = put_record(&layer->record[i], to);
		return encoded_length(layer);
	}
	put32(to + 4, wire_value(layer, WF_IGMP_GROUP, 0));
	if (form == IGMP_PLAIN)
		return IGMP_HEADER;
	to[8] = (uint8_t)(wire_value(layer, WF_IGMP_RESV, 0) << 4 | wire_value(layer, WF_IGMP_S, 0) << 3 |
			  wire_value(layer, WF_IGMP_QRV, 0));
	to[9] = (uint8_t)wire_value(layer, WF_IGMP_QQIC, 0);
	put16(to + 10, wire_value(layer, WF_IGMP_NSRCS, layer->records ? layer->record[0].sources : 0));
	if (layer->records)
		put_sources(&layer->record[0], to + QUERY_V3);
	return encoded_length(layer);
}

static unsigned get16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

/* As many addresses as are said to be there and are there; the bytes that they took. */
static size_t take_sources(struct igmp_record *record, const uint8_t *bytes, size_t length, struct arena *arena)
{
	uint32_t *source;

	record->sources = record->count <= length / 4 ? record->count : (unsigned)(length / 4);
	source = arena_alloc(arena, (record->sources + 1) * sizeof(*source));
	for (unsigned i = 0; i < record->sources; i++)
		source[i] = get32(bytes + 4 * (size_t)i);
	record->source = source;
	return 4 * (size_t)record->sources;
}

/* One record; 0: it is not there as a whole. */
static size_t take_record(struct igmp_record *record, const uint8_t *bytes, size_t length, struct arena *arena)
{
	size_t size;

	if (length < RECORD)
		return 0;
	*record = (struct igmp_record){
		.type = bytes[0], .aux_words = bytes[1], .count = (uint16_t)get16(bytes + 2), .group = get32(bytes + 4),
		.aux_length = bytes[1] * 4u,
	};
	size = RECORD + 4 * (size_t)record->count;
	if (size + record->aux_length > length)
		return 0;
	take_sources(record, bytes + RECORD, length - RECORD, arena);
	record->aux = arena_memdup(arena, bytes + size, record->aux_length);
	return size + record->aux_length;
}

static size_t decode_report(struct layer *layer, const uint8_t *bytes, size_t length, struct arena *arena)
{
	unsigned count = get16(bytes + 6), room = count <= length / RECORD ? count : (unsigned)(length / RECORD);
	size_t at = IGMP_HEADER, size;

	wire_set(layer, WF_IGMP_RESERVED, get16(bytes + 4));
	wire_set(layer, WF_IGMP_NRECS, count);
	layer->records_given = true;
	layer->record = arena_alloc(arena, (room + 1) * sizeof(*layer->record));
	while (layer->records < room && (size = take_record(&layer->record[layer->records], bytes + at, length - at, arena))) {
		at += size;
		layer->records++;
	}
	return at;
}

size_t wire_igmp_decode(struct layer *layer, const uint8_t *bytes, size_t length, struct arena *arena)
{
	wire_set(layer, WF_IGMP_TYPE, bytes[0]);
	wire_set(layer, WF_IGMP_MAXRESP, bytes[1]);
	wire_set(layer, WF_IGMP_CHECKSUM, get16(bytes + 2));
	if (bytes[0] == IGMP_REPORT_V3)
		return decode_report(layer, bytes, length, arena);
	wire_set(layer, WF_IGMP_GROUP, get32(bytes + 4));
	if (bytes[0] != IGMP_QUERY || length < QUERY_V3)
		return IGMP_HEADER;
	wire_set(layer, WF_IGMP_RESV, bytes[8] >> 4);
	wire_set(layer, WF_IGMP_S, bytes[8] >> 3 & 1);
	wire_set(layer, WF_IGMP_QRV, bytes[8] & 7);
	wire_set(layer, WF_IGMP_QQIC, bytes[9]);
	wire_set(layer, WF_IGMP_NSRCS, get16(bytes + 10));
	layer->records_given = true;
	layer->record = arena_alloc(arena, sizeof(*layer->record));
	layer->records = 1;
	layer->record[0].count = (uint16_t)get16(bytes + 10);
	return QUERY_V3 + take_sources(&layer->record[0], bytes + QUERY_V3, length - QUERY_V3, arena);
}

static void print_sources(struct text *text, const struct igmp_record *record)
{
	text_add(text, "{");
	for (unsigned i = 0; i < record->sources; i++) {
		text_add(text, i ? ", " : "");
		wire_print_value(text, WF_IGMP_GROUP, record->source[i]);
	}
	text_add(text, "}");
}

static void print_record(struct text *text, const struct igmp_record *record)
{
	const char *name = wire_igmp_record_name(record->type);

	if (name)
		text_add(text, "%s ", name);
	else
		text_add(text, "type_%u ", record->type);
	wire_print_value(text, WF_IGMP_GROUP, record->group);
	if (record->count != record->sources)
		text_add(text, " nsrcs %u", record->count);
	if (record->aux_words * 4u != record->aux_length)
		text_add(text, " auxlen %u", record->aux_words);
	text_add(text, " ");
	print_sources(text, record);
	if (record->aux_length) {
		text_add(text, " ");
		wire_print_bytes(text, record->aux, record->aux_length, SIZE_MAX);
	}
}

void wire_igmp_print_list(struct text *text, const struct layer *layer)
{
	if (wire_igmp_form(layer) != IGMP_RECORDS) {
		print_sources(text, layer->records ? &layer->record[0] : &(struct igmp_record){ 0 });
		return;
	}
	text_add(text, "[");
	for (unsigned i = 0; i < layer->records; i++) {
		text_add(text, i ? ", " : "");
		print_record(text, &layer->record[i]);
	}
	text_add(text, "]");
}

bool wire_igmp_same_list(const struct layer *a, const struct layer *b)
{
	if (a->records != b->records)
		return false;
	for (unsigned i = 0; i < a->records; i++) {
		const struct igmp_record *one = &a->record[i], *other = &b->record[i];

		if (one->type != other->type || one->group != other->group || one->count != other->count ||
		    one->sources != other->sources || one->aux_words != other->aux_words || one->aux_length != other->aux_length ||
		    memcmp(one->source, other->source, one->sources * sizeof(*one->source)) ||
		    (one->aux_length && memcmp(one->aux, other->aux, one->aux_length)))
			return false;
	}
	return true;
}

/* Version and message, where the fields are those of one; the fields that this says are taken out of *left. */
static void print_name(struct text *text, const struct layer *layer, uint32_t *left)
{
	unsigned type = (unsigned)wire_value(layer, WF_IGMP_TYPE, 0);
	enum igmp_form form = wire_igmp_form(layer);
	const char *name = NULL;

	if (!wire_known(layer, WF_IGMP_TYPE))
		return;
	if (type == IGMP_QUERY && form == IGMP_SOURCES)
		name = "v3 query";
	else if (type == IGMP_QUERY && form == IGMP_PLAIN)
		name = !wire_known(layer, WF_IGMP_MAXRESP) ? "query" : wire_get(layer, WF_IGMP_MAXRESP) ? "v2 query" : "v1 query";
	else if (type == IGMP_REPORT_V1 && form == IGMP_PLAIN)
		name = "v1 report";
	else if (type == IGMP_REPORT_V2 && form == IGMP_PLAIN)
		name = "v2 report";
	else if (type == IGMP_LEAVE && form == IGMP_PLAIN)
		name = "leave";
	else if (type == IGMP_REPORT_V3 && layer->records_given)
		name = "v3 report";
	if (!name)
		return;
	text_add(text, " %s", name);
	*left &= ~1u;
	if (!strcmp(name, "v1 query"))
		*left &= ~(1u << (WF_IGMP_MAXRESP - WF_IGMP_TYPE));
}

/* Decoded fields that say nothing: zeros where a message has nothing, numbers that count the list, a right checksum. */
static bool plain_field(const struct layer *layer, unsigned field)
{
	switch (field) {
	case WF_IGMP_CHECKSUM:
		return layer->checksum != CHECKSUM_WRONG;
	case WF_IGMP_NRECS:
		return wire_get(layer, field) == layer->records;
	case WF_IGMP_NSRCS:
		return layer->records && wire_get(layer, field) == layer->record[0].sources;
	case WF_IGMP_MAXRESP:
		return !wire_get(layer, field) && wire_value(layer, WF_IGMP_TYPE, 0) != IGMP_QUERY;
	case WF_IGMP_RESERVED:
	case WF_IGMP_RESV:
	case WF_IGMP_S:
		return !wire_get(layer, field);
	default:	/* a type, a group, robustness and interval are always of interest */
		return false;
	}
}

void wire_igmp_print(struct text *text, const struct layer *layer, bool decoded)
{
	uint32_t left = layer->given;

	text_add(text, "igmp");
	print_name(text, layer, &left);
	for (unsigned field = WF_IGMP_TYPE; field <= WF_IGMP_NRECS; field++) {
		if (!(left >> (field - WF_IGMP_TYPE) & 1) || !wire_known(layer, field) || (decoded && plain_field(layer, field)))
			continue;
		text_add(text, " %s ", wire_field_table[field].name);
		wire_print_value(text, field, wire_get(layer, field));
	}
	if (layer->records_given) {
		text_add(text, " ");
		wire_igmp_print_list(text, layer);
	}
}
