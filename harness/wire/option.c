/*
 * TCP and IP options.
 *
 * Both kinds are type, length, value, with two kinds of a single byte (end of list and no operation). An option is kept in the
 * form of its kind only when its length is the kind's right one, so that encoding what was decoded gives back the same bytes
 * however malformed they were; everything else is a blob. After an end of list the bytes are still decoded, since a script may
 * have to say them.
 */
#include "option.h"

#include <string.h>

#include "../arena.h"
#include "ipopt.h"

static bool single_byte(uint8_t kind)
{
	return kind == TCP_OPTION_EOL || kind == TCP_OPTION_NOP;
}

static enum option_shape tcp_shape(uint8_t kind, unsigned length)
{
	switch (kind) {
	case TCP_OPTION_MSS:
		return length == 4 ? SHAPE_MSS : SHAPE_BLOB;
	case TCP_OPTION_WSCALE:
		return length == 3 ? SHAPE_WSCALE : SHAPE_BLOB;
	case TCP_OPTION_SACK_OK:
		return length == 2 ? SHAPE_NONE : SHAPE_BLOB;
	case TCP_OPTION_SACK:
		return length >= 10 && length <= 34 && length % 8 == 2 ? SHAPE_SACK : SHAPE_BLOB;
	case TCP_OPTION_TIMESTAMP:
		return length == 10 ? SHAPE_TIMESTAMP : SHAPE_BLOB;
	case TCP_OPTION_ACCECN0:
	case TCP_OPTION_ACCECN1:
		return length >= 2 && length <= 11 && length % 3 == 2 ? SHAPE_ACCECN : SHAPE_BLOB;
	}
	return SHAPE_BLOB;
}

enum option_shape wire_option_shape(enum layer_kind layer, const struct wire_option *option)
{
	if (single_byte(option->kind))
		return SHAPE_NONE;
	if (option->cut)
		return SHAPE_BLOB;
	return layer == LAYER_TCP ? tcp_shape(option->kind, option->length) : SHAPE_BLOB;
}

static uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static uint8_t *put32(uint8_t *to, uint32_t value)
{
	to[0] = (uint8_t)(value >> 24);
	to[1] = (uint8_t)(value >> 16);
	to[2] = (uint8_t)(value >> 8);
	to[3] = (uint8_t)value;
	return to + 4;
}

/* The first counter, then CE, then the other one (draft-ietf-tcpm-accurate-ecn 3.2.3). */
static const uint8_t accecn_orders[2][3] = { { 0, 2, 1 }, { 1, 2, 0 } };

const char *wire_accecn_name(const struct wire_option *option, unsigned i)
{
	static const char *const names[] = { "e0b", "e1b", "ceb" };

	return names[option->accecn.order[i] % 3];
}

static void decode_sack(struct wire_option *option, const uint8_t *value)
{
	option->sack.count = (option->length - 2u) / 8;
	for (unsigned i = 0; i < option->sack.count; i++, value += 8) {
		option->sack.block[i].start = get32(value);
		option->sack.block[i].end = get32(value + 4);
	}
}

static void decode_accecn(struct wire_option *option, const uint8_t *value)
{
	option->accecn.count = (option->length - 2u) / 3;
	memcpy(option->accecn.order, accecn_orders[option->kind == TCP_OPTION_ACCECN1], 3);
	for (unsigned i = 0; i < option->accecn.count; i++, value += 3)
		option->accecn.value[i] = (uint32_t)value[0] << 16 | (uint32_t)value[1] << 8 | value[2];
}

static void decode_blob(enum layer_kind layer, struct wire_option *option, const uint8_t *value, size_t length)
{
	if (layer == LAYER_TCP && option->kind == TCP_OPTION_EXPERIMENT && option->length == length + 2 && length >= 2 &&
	    (value[0] << 8 | value[1]) == FAST_OPEN_MAGIC) {
		option->blob.experimental = true;
		value += 2;
		length -= 2;
	}
	option->blob.length = (uint8_t)length;
	memcpy(option->blob.bytes, value, length);
}

/*
 * One option from the first of `left` bytes (at least one): how many of them it took. A length that is too small (0 or 1) or
 * reaches past the header takes all that is left.
 */
static size_t decode_one(enum layer_kind layer, const uint8_t *bytes, size_t left, struct wire_option *option)
{
	size_t size;

	option->kind = bytes[0];
	option->length = 1;
	if (single_byte(bytes[0]))
		return 1;
	option->cut = left == 1 || bytes[1] > left;
	if (left == 1)
		return 1;
	option->length = bytes[1];
	size = bytes[1] < 2 || bytes[1] > left ? left : bytes[1];
	switch (wire_option_shape(layer, option)) {
	case SHAPE_NONE:
		break;
	case SHAPE_MSS:
		option->mss = (uint16_t)(bytes[2] << 8 | bytes[3]);
		break;
	case SHAPE_WSCALE:
		option->wscale = bytes[2];
		break;
	case SHAPE_SACK:
		decode_sack(option, bytes + 2);
		break;
	case SHAPE_TIMESTAMP:
		option->timestamp.val = get32(bytes + 2);
		option->timestamp.ecr = get32(bytes + 6);
		break;
	case SHAPE_ACCECN:
		decode_accecn(option, bytes + 2);
		break;
	case SHAPE_BLOB:
		decode_blob(layer, option, bytes + 2, size - 2);
		break;
	}
	return size;
}

unsigned wire_options_decode(enum layer_kind layer, const uint8_t *bytes, size_t length, struct arena *arena,
			     struct wire_option **options)
{
	struct wire_option found[HEADER_OPTIONS_MAX];
	unsigned count = 0;
	size_t at = 0;

	memset(found, 0, sizeof(found));
	while (at < length && count < HEADER_OPTIONS_MAX)
		at += decode_one(layer, bytes + at, length - at, &found[count++]);
	*options = arena_memdup(arena, found, count * sizeof(*found));
	return count;
}

static size_t blob_length(const struct wire_option *option)
{
	return option->blob.length < sizeof(option->blob.bytes) ? option->blob.length : sizeof(option->blob.bytes);
}

static size_t encode_value(enum layer_kind layer, const struct wire_option *option, uint8_t *to)
{
	uint8_t *at = to;

	switch (wire_option_shape(layer, option)) {
	case SHAPE_NONE:
		break;
	case SHAPE_MSS:
		*at++ = (uint8_t)(option->mss >> 8);
		*at++ = (uint8_t)option->mss;
		break;
	case SHAPE_WSCALE:
		*at++ = option->wscale;
		break;
	case SHAPE_SACK:
		for (unsigned i = 0; i < option->sack.count && i < 4; i++)
			at = put32(put32(at, option->sack.block[i].start), option->sack.block[i].end);
		break;
	case SHAPE_TIMESTAMP:
		at = put32(put32(at, option->timestamp.val), option->timestamp.ecr);
		break;
	case SHAPE_ACCECN:
		for (unsigned i = 0; i < option->accecn.count && i < 3; i++) {
			*at++ = (uint8_t)(option->accecn.value[i] >> 16);
			*at++ = (uint8_t)(option->accecn.value[i] >> 8);
			*at++ = (uint8_t)option->accecn.value[i];
		}
		break;
	case SHAPE_BLOB:
		if (option->blob.experimental) {
			*at++ = FAST_OPEN_MAGIC >> 8;
			*at++ = FAST_OPEN_MAGIC & 0xff;
		}
		memcpy(at, option->blob.bytes, blob_length(option));
		at += blob_length(option);
		break;
	}
	return (size_t)(at - to);
}

/* The header ended before the length byte. With one, an option that is cut has a length of more than what was left, at least 3. */
static bool no_length(const struct wire_option *option)
{
	return option->cut && option->length == 1;
}

size_t wire_option_encode(enum layer_kind layer, const struct wire_option *option, uint8_t *to)
{
	to[0] = option->kind;
	if (single_byte(option->kind) || no_length(option))
		return 1;
	to[1] = option->length;
	return 2 + encode_value(layer, option, to + 2);
}

static const char *hex(const uint8_t *bytes, size_t length, struct arena *arena)
{
	static const char digits[] = "0123456789abcdef";
	char *text = arena_alloc(arena, 2 * length + 1);

	for (size_t i = 0; i < length; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return text;
}

/* "md5 00ff": the name, and the bytes if there are any. */
static const char *print_blob(const char *name, const struct wire_option *option, struct arena *arena)
{
	if (!blob_length(option))
		return name;
	return arena_printf(arena, "%s %s", name, hex(option->blob.bytes, blob_length(option), arena));
}

static const char *tcp_name(const struct wire_option *option)
{
	switch (option->kind) {
	case TCP_OPTION_EOL:
		return "eol";
	case TCP_OPTION_NOP:
		return "nop";
	case TCP_OPTION_MSS:
		return "mss";
	case TCP_OPTION_WSCALE:
		return "wscale";
	case TCP_OPTION_SACK_OK:
		return "sackOK";
	case TCP_OPTION_SACK:
		return "sack";
	case TCP_OPTION_TIMESTAMP:
		return "TS";
	case TCP_OPTION_MD5:
		return "md5";
	case TCP_OPTION_FAST_OPEN:
		return "FO";
	case TCP_OPTION_ACCECN0:
	case TCP_OPTION_ACCECN1:
		return "ECN";
	case TCP_OPTION_EXPERIMENT:
		return option->blob.experimental ? "FOEXP" : NULL;
	}
	return NULL;
}

const char *wire_option_name(enum layer_kind layer, const struct wire_option *option, struct arena *arena)
{
	const char *name = NULL;

	if (layer == LAYER_TCP)
		name = tcp_name(option);
	else if (layer == LAYER_IPV4)
		name = wire_ip_option_name(option->kind);
	return name ? name : arena_printf(arena, "kind %u", option->kind);
}

static const char *print_sack(const struct wire_option *option, struct arena *arena)
{
	const char *text = "sack";

	for (unsigned i = 0; i < option->sack.count && i < 4; i++)
		text = arena_printf(arena, "%s %u:%u", text, option->sack.block[i].start, option->sack.block[i].end);
	return text;
}

static const char *print_accecn(const struct wire_option *option, struct arena *arena)
{
	const char *text = "ECN";

	for (unsigned i = 0; i < option->accecn.count && i < 3; i++)
		text = arena_printf(arena, "%s %s %u", text, wire_accecn_name(option, i), option->accecn.value[i]);
	return text;
}

/* Kinds with a name whose blob is their right form; the others say their number, and a length that does not fit the bytes. */
static bool blob_by_name(const struct wire_option *option)
{
	unsigned right = 2u + option->blob.length + (option->blob.experimental ? 2 : 0);

	if (option->length != right)
		return false;
	return option->kind == TCP_OPTION_MD5 || option->kind == TCP_OPTION_FAST_OPEN ||
	       option->blob.experimental;
}

const char *wire_option_print(enum layer_kind layer, const struct wire_option *option, struct arena *arena)
{
	const char *name = wire_option_name(layer, option, arena);

	if (layer == LAYER_IPV4)
		return wire_ip_option_print(option, arena);
	if (option->any_value)
		return arena_printf(arena, "%s ...", name);
	switch (wire_option_shape(layer, option)) {
	case SHAPE_NONE:
		return name;
	case SHAPE_MSS:
		return arena_printf(arena, "mss %u", option->mss);
	case SHAPE_WSCALE:
		return arena_printf(arena, "wscale %u", option->wscale);
	case SHAPE_SACK:
		return print_sack(option, arena);
	case SHAPE_TIMESTAMP:
		return arena_printf(arena, "TS val %u ecr %u", option->timestamp.val, option->timestamp.ecr);
	case SHAPE_ACCECN:
		return print_accecn(option, arena);
	case SHAPE_BLOB:
		break;
	}
	if (blob_by_name(option))
		return print_blob(name, option, arena);
	name = arena_printf(arena, "kind %u", option->kind);
	if (no_length(option))
		return arena_printf(arena, "%s cut", name);
	if (option->length != option->blob.length + 2u)
		name = arena_printf(arena, "%s length %u", name, option->length);
	return print_blob(name, option, arena);
}
