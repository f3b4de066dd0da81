/*
 * IP options between '<' and '>' in the brackets of an IP header: by name, or by kind and bytes.
 *
 * An option is its name and then, in any order, words with numbers (ptr, slots, ovfl, length), slots in braces, and bytes. What a
 * script does not say follows from what it does: the pointer from the slots that are filled, the length from the bytes.
 */
#include "parse.h"

#include <string.h>

#include "../wire/ipopt.h"
#include "../wire/option.h"

struct ip_slots ip_slots_add(struct parse *parse, struct ip_slots slots, struct ip_slot slot)
{
	struct ip_slot *node = arena_memdup(parse->arena, &slot, sizeof(slot));

	node->next = NULL;
	if (slots.last)
		slots.last->next = node;
	else
		slots.first = node;
	slots.last = node;
	slots.count++;
	slots.timed += slot.has_time;
	return slots;
}

struct ip_slot ip_slot_address(struct parse *parse, struct slice address, const struct place *place)
{
	return (struct ip_slot){ .has_address = true, .place = *place,
				 .address = (uint32_t)item_address(parse, address, place, address, place)->number.value };
}

struct ip_slot ip_slot_time(struct ip_slot slot, const struct number *time)
{
	slot.has_time = true;
	slot.any_time = !time;
	if (time)
		slot.time = *time;
	return slot;
}

struct atom *atom_slots(struct parse *parse, struct ip_slots slots, const struct place *place)
{
	struct atom *atom = atom_word(parse, (struct slice){ "{", 1 }, place);

	atom->kind = ATOM_SLOTS;
	atom->slots = slots;
	return atom;
}

struct atom *atom_bytes(struct parse *parse, struct bytes bytes, const struct place *place)
{
	struct atom *atom = atom_word(parse, (struct slice){ "\"", 1 }, place);

	atom->kind = ATOM_BYTES;
	atom->bytes = bytes;
	return atom;
}

struct atom *atom_any(struct parse *parse, const struct place *place)
{
	struct atom *atom = atom_word(parse, (struct slice){ "...", 3 }, place);

	atom->kind = ATOM_ANY;
	return atom;
}

struct item *item_options(struct parse *parse, struct tcp_options options, const struct place *place)
{
	struct item *item = item_new(parse, (struct slice){ "<", 1 }, place);

	item->kind = ITEM_OPTIONS;
	item->options = options;
	return item;
}

/* What the words of one option say. */
struct said {
	struct parse *parse;
	struct place place;
	const struct atom *slots, *form, *cut;
	struct bytes bytes;
	long long kind, ptr, count, ovfl, length, value;	/* -1: not said */
	bool any;
};

static void take_number(struct said *said, const struct atom **atom, unsigned bits, long long *value)
{
	const struct atom *word = *atom, *next = word->kind == ATOM_NUMBER ? word : word->next;

	if (!next || next->kind != ATOM_NUMBER) {
		parse_error(said->parse, &word->place, "a number after it", "'%.*s' needs a value", (int)word->text.length,
			    word->text.at);
		return;
	}
	if (next->number.unresolved && !next->number.late)
		said->any = true;
	else if (number_fits(said->parse, next->number, bits, "value"))
		*value = next->number.value;
	*atom = next;
}

static bool is_form(struct slice word)
{
	return slice_is(word, "tsonly") || slice_is(word, "tsandaddr") || slice_is(word, "tsprespec");
}

static void read_word(struct said *said, const struct atom **atom)
{
	static const char expected[] = "ptr N, slots N, ovfl N, length N, cut, tsonly, tsandaddr, tsprespec, {...}, \"bytes\" or ...";
	struct slice word = (*atom)->text;

	if (slice_is(word, "ptr"))
		take_number(said, atom, 8, &said->ptr);
	else if (slice_is(word, "slots"))
		take_number(said, atom, 4, &said->count);
	else if (slice_is(word, "ovfl"))
		take_number(said, atom, 4, &said->ovfl);
	else if (slice_is(word, "length"))
		take_number(said, atom, 8, &said->length);
	else if (slice_is(word, "cut"))
		said->cut = *atom;
	else if (is_form(word))
		said->form = *atom;
	else
		parse_error(said->parse, &(*atom)->place, expected, "unexpected '%.*s' in an IP option", (int)word.length, word.at);
}

static void read_words(struct said *said, const struct atom *atom)
{
	for (; atom && !said->parse->failed; atom = atom->next) {
		switch (atom->kind) {
		case ATOM_WORD:
			read_word(said, &atom);
			break;
		case ATOM_NUMBER:
			take_number(said, &atom, 16, &said->value);
			break;
		case ATOM_SLOTS:
			said->slots = atom;
			break;
		case ATOM_BYTES:
			said->bytes = said->bytes.given ? parse_join(said->parse, said->bytes, atom->bytes) : atom->bytes;
			break;
		case ATOM_ANY:
			said->any = true;
			break;
		case ATOM_BLOCK:
			parse_error(said->parse, &atom->place, NULL, "an IP option has no blocks");
			break;
		}
	}
}

static void put32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 24);
	to[1] = (uint8_t)(value >> 16);
	to[2] = (uint8_t)(value >> 8);
	to[3] = (uint8_t)value;
}

static void put_time(struct said *said, const struct ip_slot *slot, struct wire_option *option, unsigned at)
{
	if (slot->any_time || (slot->time.unresolved && !slot->time.late))
		option->any_bytes |= UINT64_C(15) << at;
	else if (slot->has_time && number_fits(said->parse, slot->time, 32, "time"))
		put32(option->blob.bytes + at, (uint32_t)slot->time.value);
}

/* Slots of `size` bytes behind `fixed` bytes, the first of which is the pointer. `filled`: before it, when it is not given. */
static void put_slots(struct said *said, struct wire_option *option, unsigned fixed, unsigned size, unsigned filled)
{
	unsigned listed = said->slots ? said->slots->slots.count : 0;
	unsigned count = said->count >= 0 ? (unsigned)said->count : listed, at = fixed;

	if (count < listed || fixed + count * size > HEADER_OPTIONS_MAX - 2) {
		parse_error(said->parse, &said->place, "as many slots as are listed, and 40 bytes of options at most",
			    "the option cannot have %u slots", count);
		return;
	}
	for (const struct ip_slot *slot = said->slots ? said->slots->slots.first : NULL; slot; slot = slot->next, at += size) {
		if (slot->has_address)
			put32(option->blob.bytes + at, slot->address);
		if (slot->has_time || slot->any_time)
			put_time(said, slot, option, at + (size == 8 ? 4 : 0));
		if (slot->has_address != (size == 8 || fixed == 1) || (slot->has_time && fixed == 1))
			parse_error(said->parse, &slot->place, fixed == 1 ? "an address" : size == 8 ? "ADDRESS=TIME" : "a time",
				    "this is not what a slot of the option holds");
	}
	option->blob.length = (uint8_t)(fixed + count * size);
	option->blob.bytes[0] = said->ptr >= 0 ? (uint8_t)said->ptr : (uint8_t)(fixed + 3 + filled * size);
}

static void put_timestamps(struct said *said, struct wire_option *option)
{
	unsigned form = IP_TS_ONLY;

	if (!said->form) {
		parse_error(said->parse, &said->place, "ts tsonly, ts tsandaddr, ts tsprespec or ts \"bytes\"",
			    "the form of the timestamp option is missing");
		return;
	}
	while (!wire_ip_timestamp_form(form) || !slice_is(said->form->text, wire_ip_timestamp_form(form)))
		form++;
	put_slots(said, option, 2, form == IP_TS_ONLY ? 4 : 8, said->slots ? said->slots->slots.timed : 0);
	option->blob.bytes[1] = (uint8_t)(form | (said->ovfl >= 0 ? said->ovfl << 4 : 0));
}

static void put_bytes(struct said *said, struct wire_option *option)
{
	const struct bytes *bytes = &said->bytes;

	if (bytes->length > HEADER_OPTIONS_MAX - 2) {
		parse_error(said->parse, &bytes->place, "38 bytes at most", "too many bytes in an IP option");
		return;
	}
	memcpy(option->blob.bytes, bytes->at, bytes->length);
	option->blob.length = (uint8_t)bytes->length;
}

static void put_value(struct said *said, struct wire_option *option)
{
	unsigned kind = option->kind;

	if (said->bytes.given)
		return put_bytes(said, option);
	switch (kind) {
	case IP_OPTION_RR:
		put_slots(said, option, 1, 4, said->slots ? said->slots->slots.count : 0);
		return;
	case IP_OPTION_LSRR:
	case IP_OPTION_SSRR:
		put_slots(said, option, 1, 4, 0);
		return;
	case IP_OPTION_TS:
		put_timestamps(said, option);
		return;
	case IP_OPTION_RA:
	case IP_OPTION_SID:
		option->blob.length = 2;
		option->blob.bytes[0] = said->value > 0 ? (uint8_t)(said->value >> 8) : 0;
		option->blob.bytes[1] = said->value > 0 ? (uint8_t)said->value : 0;
		return;
	default:
		if (said->slots)
			parse_error(said->parse, &said->slots->place, "bytes in quotes", "this option has no slots");
	}
}

/* Name or "kind N", and what follows. */
static void option_read(struct parse *parse, const struct tcp_option_text *text, struct wire_option *option)
{
	struct said said = { .parse = parse, .place = text->place, .kind = -1, .ptr = -1, .count = -1, .ovfl = -1, .length = -1,
			     .value = -1 };
	const struct atom *atom = text->atom;
	unsigned kind = 0;

	if (slice_is(atom->text, "kind")) {
		take_number(&said, &atom, 8, &said.kind);
		kind = said.kind > 0 ? (unsigned)said.kind : 0;
	} else if (!wire_ip_option_kind(parse_string(parse, atom->text), &kind)) {
		parse_error(parse, &atom->place, "eol, nop, rr, ts, lsrr, ssrr, ra, sec, cipso, sid or kind N",
			    "unknown IP option '%.*s'", (int)atom->text.length, atom->text.at);
		return;
	}
	read_words(&said, atom->next);
	option->kind = (uint8_t)kind;
	option->length = 1;
	option->any_value = said.any;
	if (parse->failed || kind <= IP_OPTION_NOP)
		return;
	option->cut = said.cut != NULL;
	if (said.cut)
		return;
	if (said.kind < 0 || said.bytes.given)
		put_value(&said, option);
	option->length = said.length >= 0 ? (uint8_t)said.length : (uint8_t)(option->blob.length + 2);
}

void ip_options_set(struct parse *parse, struct layer *layer, const struct item *item)
{
	unsigned count = 0, size = 0;

	layer->options_given = true;
	layer->options_any = item->options.any;
	for (const struct tcp_option_text *text = item->options.first; text; text = text->next)
		count++;
	layer->option = arena_alloc(parse->arena, (count + 1) * sizeof(*layer->option));
	for (const struct tcp_option_text *text = item->options.first; text && !parse->failed; text = text->next) {
		uint8_t bytes[4 + HEADER_OPTIONS_MAX];
		struct wire_option *option = &layer->option[layer->options++];

		option_read(parse, text, option);
		size += (unsigned)wire_option_encode(LAYER_IPV4, option, bytes);
	}
	if (size > HEADER_OPTIONS_MAX && !parse->failed)
		parse_error(parse, &item->name_place, "40 bytes at most", "the IP options have %u bytes", size);
}
