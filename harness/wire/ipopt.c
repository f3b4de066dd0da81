/*
 * IP options (RFC 791 3.1, RFC 1108, RFC 2113, CIPSO).
 *
 * Options that routers fill in are a pointer and slots: those before the pointer are filled, those from it on are free. Where a
 * free slot holds anything but zeros, or the pointer points between slots, the option is written with its pointer and all its
 * slots as they stand; and where its length does not fit its kind, as bytes.
 */
#include "ipopt.h"

#include <string.h>

#include "../arena.h"
#include "../text.h"
#include "option.h"
#include "print.h"

static const struct {
	uint8_t kind;
	const char *name;
} names[] = {
	{ IP_OPTION_EOL, "eol" },     { IP_OPTION_NOP, "nop" },	    { IP_OPTION_RR, "rr" },   { IP_OPTION_TS, "ts" },
	{ IP_OPTION_SEC, "sec" },     { IP_OPTION_LSRR, "lsrr" },   { IP_OPTION_CIPSO, "cipso" }, { IP_OPTION_SID, "sid" },
	{ IP_OPTION_SSRR, "ssrr" },   { IP_OPTION_RA, "ra" },
};

#define NAMES (sizeof(names) / sizeof(names[0]))

const char *wire_ip_option_name(unsigned kind)
{
	for (unsigned i = 0; i < NAMES; i++)
		if (names[i].kind == kind)
			return names[i].name;
	return NULL;
}

bool wire_ip_option_kind(const char *name, unsigned *kind)
{
	for (unsigned i = 0; i < NAMES; i++) {
		if (!strcmp(names[i].name, name)) {
			*kind = names[i].kind;
			return true;
		}
	}
	return false;
}

const char *wire_ip_timestamp_form(unsigned form)
{
	static const char *const forms[] = { [IP_TS_ONLY] = "tsonly", [IP_TS_AND_ADDRESS] = "tsandaddr",
					     [IP_TS_PRESPECIFIED] = "tsprespec" };

	return form < sizeof(forms) / sizeof(forms[0]) ? forms[form] : NULL;
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool all_zero(const uint8_t *bytes, size_t length)
{
	while (length--)
		if (*bytes++)
			return false;
	return true;
}

/* An option of slots: `fixed` bytes of the blob before them, the first the pointer, and `size` bytes a slot. */
struct slots {
	const uint8_t *bytes;
	unsigned pointer, fixed, size, count;
	unsigned filled;		/* before the pointer */
	bool plain;			/* pointer and free slots are as they ought to be */
};

static bool slots_read(const struct wire_option *option, unsigned fixed, unsigned size, struct slots *slots)
{
	unsigned length = option->blob.length, first = fixed + 3;	/* the pointer counts from 1, and kind and length too */

	if (length < fixed || (length - fixed) % size)
		return false;
	*slots = (struct slots){ .bytes = option->blob.bytes + fixed, .pointer = option->blob.bytes[0], .fixed = fixed,
				 .size = size, .count = (length - fixed) / size };
	slots->plain = slots->pointer >= first && (slots->pointer - first) % size == 0 &&
		       (slots->pointer - first) / size <= slots->count;
	if (slots->plain)
		slots->filled = (slots->pointer - first) / size;
	return true;
}

static void add_address(struct text *text, uint32_t address)
{
	wire_print_value(text, WF_IPV4_SRC, address);
}

static void print_route(struct text *text, const struct slots *slots, unsigned count)
{
	text_add(text, " {");
	for (unsigned i = 0; i < count; i++) {
		text_add(text, i ? ", " : "");
		add_address(text, get32(slots->bytes + 4 * (size_t)i));
	}
	text_add(text, "}");
}

static bool print_rr(struct text *text, const struct wire_option *option)
{
	struct slots slots;

	if (!slots_read(option, 1, 4, &slots))
		return false;
	text_add(text, "rr");
	slots.plain &= all_zero(slots.bytes + 4 * (size_t)slots.filled, 4 * (size_t)(slots.count - slots.filled));
	if (!slots.plain)
		text_add(text, " ptr %u", slots.pointer);
	else if (slots.filled < slots.count)
		text_add(text, " slots %u", slots.count);
	print_route(text, &slots, slots.plain ? slots.filled : slots.count);
	return true;
}

static bool print_source_route(struct text *text, const struct wire_option *option)
{
	struct slots slots;

	if (!slots_read(option, 1, 4, &slots))
		return false;
	text_add(text, "%s", wire_ip_option_name(option->kind));
	if (slots.pointer != 4)
		text_add(text, " ptr %u", slots.pointer);
	print_route(text, &slots, slots.count);
	return true;
}

static void print_time(struct text *text, const struct wire_option *option, const struct slots *slots, unsigned i, unsigned at)
{
	unsigned place = slots->fixed + i * slots->size + at;

	if (option->any_bytes >> place & 1)
		text_add(text, "...");
	else
		text_add(text, "%u", get32(option->blob.bytes + place));
}

static bool print_ts(struct text *text, const struct wire_option *option)
{
	unsigned flags = option->blob.length >= 2 ? option->blob.bytes[1] : 0, form = flags & 15, shown;
	const char *name = wire_ip_timestamp_form(form);
	struct slots slots;

	if (!name || option->blob.length < 2 || !slots_read(option, 2, form == IP_TS_ONLY ? 4 : 8, &slots))
		return false;
	shown = slots.filled;
	for (unsigned i = slots.filled; i < slots.count; i++) {
		const uint8_t *slot = slots.bytes + (size_t)i * slots.size;

		if (form == IP_TS_PRESPECIFIED)
			shown = slots.count;
		slots.plain &= all_zero(slot + (form == IP_TS_PRESPECIFIED ? 4 : 0), form == IP_TS_PRESPECIFIED ? 4 : slots.size);
	}
	text_add(text, "ts %s", name);
	if (!slots.plain)
		text_add(text, " ptr %u", slots.pointer), shown = slots.count;
	else if (shown < slots.count)
		text_add(text, " slots %u", slots.count);
	if (flags >> 4)
		text_add(text, " ovfl %u", flags >> 4);
	text_add(text, " {");
	for (unsigned i = 0; i < shown; i++) {
		text_add(text, i ? ", " : "");
		if (form != IP_TS_ONLY)
			add_address(text, get32(slots.bytes + 8 * (size_t)i));
		if (form != IP_TS_ONLY && (!slots.plain || i < slots.filled))
			text_add(text, "=");
		if (form == IP_TS_ONLY || !slots.plain || i < slots.filled)
			print_time(text, option, &slots, i, form == IP_TS_ONLY ? 0 : 4);
	}
	text_add(text, "}");
	return true;
}

static bool print_named(struct text *text, const struct wire_option *option)
{
	unsigned value;

	switch (option->kind) {
	case IP_OPTION_RR:
		return print_rr(text, option);
	case IP_OPTION_LSRR:
	case IP_OPTION_SSRR:
		return print_source_route(text, option);
	case IP_OPTION_TS:
		return print_ts(text, option);
	case IP_OPTION_RA:
	case IP_OPTION_SID:
		if (option->blob.length != 2)
			return false;
		value = (unsigned)option->blob.bytes[0] << 8 | option->blob.bytes[1];
		text_add(text, value || option->kind == IP_OPTION_SID ? "%s %u" : "%s", wire_ip_option_name(option->kind), value);
		return true;
	default:	/* the others are bytes */
		return false;
	}
}

const char *wire_ip_option_print(const struct wire_option *option, struct arena *arena)
{
	const char *name = wire_ip_option_name(option->kind);
	struct text text = { .arena = arena };

	if (option->any_value)
		return name ? arena_printf(arena, "%s ...", name) : arena_printf(arena, "kind %u ...", option->kind);
	if (option->kind == IP_OPTION_EOL || option->kind == IP_OPTION_NOP)
		return name;
	if (!option->cut && option->length == option->blob.length + 2u && print_named(&text, option))
		return text_get(&text);
	if (name && !option->cut && option->length == option->blob.length + 2u)
		text_add(&text, "%s", name);
	else
		text_add(&text, "kind %u", option->kind);
	if (option->cut && option->length == 1)
		text_add(&text, " cut");
	else if (option->length != option->blob.length + 2u)
		text_add(&text, " length %u", option->length);
	if (option->blob.length) {
		text_add(&text, " ");
		wire_print_bytes(&text, option->blob.bytes, option->blob.length, SIZE_MAX);
	}
	return text_get(&text);
}

unsigned wire_ip_timestamps(const struct wire_option *option, unsigned *at, unsigned *step)
{
	unsigned form = option->blob.length >= 2 ? option->blob.bytes[1] & 15 : 0;
	struct slots slots;

	if (option->kind != IP_OPTION_TS || option->cut || option->length != option->blob.length + 2u || option->blob.length < 2 ||
	    !wire_ip_timestamp_form(form) || !slots_read(option, 2, form == IP_TS_ONLY ? 4 : 8, &slots))
		return 0;
	*step = slots.size;
	*at = 2 + (form == IP_TS_ONLY ? 0 : 4);
	return slots.filled;
}
