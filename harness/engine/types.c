/* Building, comparing and printing values by their type. */
#include "types_tables.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define SCALAR_KINDS (1u << TYPE_SIGNED | 1u << TYPE_UNSIGNED | 1u << TYPE_NETWORK | 1u << TYPE_ADDRESS | 1u << TYPE_DESCRIPTOR)

static bool is_scalar(const struct type *type)
{
	return SCALAR_KINDS >> type->kind & 1;
}

/* --- scalars -------------------------------------------------------------------------------------------------------------- */
static bool scalar_fits(const struct type *type, unsigned size, int64_t value)
{
	if (size >= 8)
		return true;
	/* As packetdrill: a signed number may also be given as the unsigned one with the same bits. */
	return value >= -(INT64_C(1) << (8 * size - 1)) && value < INT64_C(1) << (8 * size);
}

static void scalar_store(const struct type *type, unsigned size, int64_t value, uint8_t *to)
{
	uint64_t bits = (uint64_t)value;

	if (type->kind == TYPE_NETWORK)		/* htons() has already turned it; what is left is to keep the low bytes */
		bits = (uint64_t)value;
	memcpy(to, &bits, size);		/* little-endian hosts only, as the wire code */
}

static int64_t scalar_load(const struct type *type, unsigned size, const uint8_t *from)
{
	uint64_t bits = 0;

	memcpy(&bits, from, size);
	if ((type->kind == TYPE_SIGNED || type->kind == TYPE_DESCRIPTOR) && size < 8 && bits >> (8 * size - 1) & 1)
		bits |= ~UINT64_C(0) << 8 * size;
	return (int64_t)bits;
}

/* A scalar is as wide as its type, or as the caller's length when that is another sensible width (IP_TTL as a byte). */
static unsigned scalar_size(const struct type *type, size_t room)
{
	return room == 1 || room == 2 || room == 4 || room == 8 ? (room < type->size ? (unsigned)room : type->size)
								: type->size;
}

static bool scalar_eval(const struct run *run, const struct type *type, const struct expr *expr, int64_t *value,
			const char **error)
{
	if (type->kind == TYPE_ADDRESS && expr->kind == EXPR_STRING) {
		struct in_addr address;

		if (inet_pton(AF_INET, expr->bytes, &address) != 1) {
			*error = arena_printf(run->arena, "\"%s\" is no IPv4 address", expr->bytes);
			return false;
		}
		*value = address.s_addr;
		return true;
	}
	if (!eval_int(run, expr, value, error))
		return false;
	if (type->kind == TYPE_DESCRIPTOR)
		*value = descriptor_live(run, (int)*value);
	return true;
}

static void scalar_print(const struct run *run, const struct type *type, unsigned size, const uint8_t *bytes, struct text *text)
{
	int64_t value = scalar_load(type, size, bytes);
	char address[INET_ADDRSTRLEN];
	const char *name;
	int script_fd;

	switch (type->kind) {
	case TYPE_NETWORK:
		text_add(text, size == 2 ? "htons(%u)" : "htonl(%u)",
			 size == 2 ? ntohs((uint16_t)value) : ntohl((uint32_t)value));
		return;
	case TYPE_ADDRESS:
		text_add(text, "inet_addr(\"%s\")", inet_ntop(AF_INET, bytes, address, sizeof(address)));
		return;
	case TYPE_DESCRIPTOR:
		script_fd = descriptor_script(run, (int)value);
		text_add(text, "%d", script_fd >= 0 ? script_fd : (int)value);
		return;
	case TYPE_UNSIGNED:
		name = type->family ? symbol_name(type->family, value) : NULL;
		if (name)
			text_add(text, "%s", name);
		else
			text_add(text, "%llu", (unsigned long long)value);
		return;
	default:
		name = type->family ? symbol_name(type->family, value) : NULL;
		if (name)
			text_add(text, "%s", name);
		else
			text_add(text, "%lld", (long long)value);
		return;
	}
}

/* --- structs ------------------------------------------------------------------------------------------------------------- */
/* The member of `type` that the i-th of the expression speaks of: by name, else by place. */
static const struct type_member *member_of(const struct type *type, const struct expr *expr, unsigned i)
{
	const char *name = expr->kind == EXPR_STRUCT ? expr->member[i].name : NULL;

	if (!name && expr->member[i].value && expr->member[i].value->kind == EXPR_ASSIGN)
		name = expr->member[i].value->word;
	if (!name)
		return i < type->members ? &type->member[i] : NULL;
	for (unsigned j = 0; j < type->members; j++)
		if (!strcmp(type->member[j].name, name))
			return &type->member[j];
	return NULL;
}

static const char *unknown_member(const struct run *run, const struct type *type, const struct expr *expr, unsigned i)
{
	const char *name = expr->member[i].name;

	return name ? arena_printf(run->arena, "%s has no member %s", type->name ? type->name : "the structure", name)
		    : arena_printf(run->arena, "%s has only %u members", type->name ? type->name : "the structure",
				   type->members);
}

static bool struct_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, size_t room,
			 size_t *length, const char **error)
{
	uint8_t whole[8192] = { 0 };
	size_t used, end = type->size;

	if (expr->kind != EXPR_STRUCT && expr->kind != EXPR_LIST) {
		*error = arena_printf(run->arena, "expected {members of %s}", type->name ? type->name : "a structure");
		return false;
	}
	for (unsigned i = 0; i < expr->members; i++) {
		const struct type_member *member = member_of(type, expr, i);
		const struct expr *value = type_member_value(expr, i);

		if (!member) {
			*error = unknown_member(run, type, expr, i);
			return false;
		}
		if (value->kind == EXPR_ELLIPSIS)
			continue;
		if (!type_build(run, member->type, value, whole + member->offset, sizeof(whole) - member->offset, &used, error))
			return false;
		if (member->offset + used > end)	/* an array at the structure's end, as long as it is said to be */
			end = member->offset + used;
	}
	*length = end;
	memcpy(to, whole, end < room ? end : room);
	return true;
}

static bool array_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, size_t room,
			size_t *length, const char **error)
{
	size_t used;

	*length = 0;
	for (unsigned i = 0; i < expr->members; i++) {
		if (*length + type->element->size > room) {
			*error = "too many elements";
			return false;
		}
		if (!type_build(run, type->element, expr->member[i].value, to + *length, type->element->size, &used, error))
			return false;
		*length += used;
	}
	return true;
}

/* --- the three operations ------------------------------------------------------------------------------------------------- */
/* What a value is when no table says: by how it is written. */
static const struct type *type_guess(const struct expr *expr)
{
	if (expr->kind == EXPR_STRING)
		return &type_bytes;
	if (expr->kind == EXPR_STRUCT)
		return type_by_members(expr);
	return &type_int;
}

/* A table may say bytes or a struct where the script gives a number (an opaque value), or a number where it gives bytes. */
static const struct type *type_settle(const struct type *type, const struct expr *expr)
{
	if (type && (type->kind == TYPE_POINTER || type->kind == TYPE_IFCONF))
		return type;
	if (!type || (expr->kind == EXPR_STRING && type->kind != TYPE_TEXT && type->kind != TYPE_ADDRESS))
		return type_guess(expr);
	if ((type->kind == TYPE_BYTES || type->kind == TYPE_TEXT || type->kind == TYPE_OPAQUE) && expr->kind != EXPR_STRING)
		return type_guess(expr);
	if (type->kind == TYPE_STRUCT && expr->kind == EXPR_LIST && expr->members == 1 && type->members != 1)
		return type_guess(expr);
	return type;
}

bool type_build(const struct run *run, const struct type *type, const struct expr *expr, uint8_t *to, size_t room,
		size_t *length, const char **error)
{
	int64_t value;

	type = type_settle(type, expr);
	if (!type) {
		*error = "no known structure has these members";
		return false;
	}
	switch (type->kind) {
	case TYPE_TEXT:
	case TYPE_BYTES:
	case TYPE_OPAQUE:
		*length = expr->length;
		memcpy(to, expr->bytes, expr->length < room ? expr->length : room);
		return true;
	case TYPE_STRUCT:
		return struct_build(run, type, expr, to, room, length, error);
	case TYPE_ARRAY:
		return array_build(run, type, expr, to, room, length, error);
	case TYPE_STAMPS:
		*length = 3 * sizeof(struct timespec);
		return stamps_eval(run, expr, &value, error);
	case TYPE_POINTER:
		*length = type->size;
		return pointer_build(run, type, expr, to, error);
	case TYPE_IFCONF:
		*length = type->size;
		return ifconf_build(run, expr, to, error);
	case TYPE_ATTRIBUTES:
		return attributes_build(run, expr, to, room, length, error);
	default:
		break;
	}
	*length = scalar_size(type, room);
	if (!scalar_eval(run, type, expr_part(expr, 0), &value, error))
		return false;
	if (!scalar_fits(type, (unsigned)*length, value)) {
		*error = arena_printf(run->arena, "%lld does not fit %zu bytes", (long long)value, *length);
		return false;
	}
	scalar_store(type, (unsigned)*length, value, to);
	return true;
}

static bool struct_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes,
			   size_t length, const char *name, struct text *text)
{
	bool same = true;

	for (unsigned i = 0; i < expr->members; i++) {
		const struct type_member *member = member_of(type, expr, i);
		const char *inner;

		if (!member) {
			text_add(text, "%s: %s\n", name, unknown_member(run, type, expr, i));
			return false;
		}
		inner = *name ? arena_printf(run->arena, "%s.%s", name, member->name) : member->name;
		if (member->offset + member->type->size > length) {
			text_add(text, "%s: expected, but only %zu bytes came\n", inner, length);
			same = false;
			continue;
		}
		if (!type_compare(run, member->type, type_member_value(expr, i), bytes + member->offset,
				  member->type->size ? member->type->size : length - member->offset, inner, text))
			same = false;
	}
	return same;
}

static bool bytes_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes,
			  size_t length, const char *name, struct text *text)
{
	size_t wanted = expr->length, actual = length;

	if (type->kind == TYPE_TEXT && wanted != actual) {	/* as far as the NUL */
		wanted = strnlen(expr->bytes, wanted);
		actual = strnlen((const char *)bytes, actual);
	}
	if (expr->open_ended && actual > wanted)
		actual = wanted;
	if (wanted == actual && !memcmp(expr->bytes, bytes, wanted))
		return true;
	text_add(text, "%s: expected ", name);
	text_quote(text, expr->bytes, wanted);
	text_add(text, ", actual ");
	text_quote(text, bytes, actual);
	text_add(text, "\n");
	return false;
}

/* `let name`: a port as packets say it, an address as inet_addr() gives it, a descriptor by the script's number. */
static void capture(const struct run *run, const struct type *type, unsigned size, const struct expr *expr, const uint8_t *bytes)
{
	int64_t value = scalar_load(type, size, bytes);

	if (!expr->word)
		return;
	if (type->kind == TYPE_NETWORK)
		value = size == 2 ? ntohs((uint16_t)value) : ntohl((uint32_t)value);
	if (type->kind == TYPE_DESCRIPTOR && descriptor_script(run, (int)value) >= 0)
		value = descriptor_script(run, (int)value);
	variable_set(run, expr->word, value);
}

static bool scalar_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes,
			   size_t length, const char *name, struct text *text)
{
	unsigned size = scalar_size(type, length);
	uint8_t wanted[8] = { 0 };
	const char *error;
	int64_t value;

	if (length < size) {
		text_add(text, "%s: expected %u bytes, actual %zu\n", name, size, length);
		return false;
	}
	expr = expr_part(expr, 1);
	if (expr->kind == EXPR_ELLIPSIS) {
		capture(run, type, size, expr, bytes);
		return true;
	}
	if (!scalar_eval(run, type, expr, &value, &error)) {
		text_add(text, "%s: %s\n", name, error);
		return false;
	}
	scalar_store(type, size, value, wanted);
	if (!memcmp(wanted, bytes, size))
		return true;
	text_add(text, "%s: expected ", name);
	expr_print(run, expr, text);
	text_add(text, ", actual ");
	scalar_print(run, type, size, bytes, text);
	text_add(text, "\n");
	return false;
}

static bool array_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes,
			  size_t length, const char *name, struct text *text)
{
	bool same = true;

	for (unsigned i = 0; i < expr->members; i++) {
		size_t offset = (size_t)i * type->element->size;

		if (offset + type->element->size > length) {
			text_add(text, "%s: expected %u elements, actual %zu\n", name, expr->members,
				 length / type->element->size);
			return false;
		}
		if (!type_compare(run, type->element, expr->member[i].value, bytes + offset, type->element->size,
				  arena_printf(run->arena, "%s[%u]", name, i), text))
			same = false;
	}
	return same;
}

bool type_compare(const struct run *run, const struct type *type, const struct expr *expr, const uint8_t *bytes, size_t length,
		  const char *name, struct text *text)
{
	if (expr->kind == EXPR_ELLIPSIS) {
		if (!type)
			type = &type_int;
		if (expr->word && is_scalar(type) && length >= scalar_size(type, length))
			capture(run, type, scalar_size(type, length), expr, bytes);
		return true;
	}
	type = type_settle(type, expr);
	if (!type) {
		text_add(text, "%s: no known structure has these members\n", name);
		return false;
	}
	switch (type->kind) {
	case TYPE_TEXT:
	case TYPE_BYTES:
	case TYPE_OPAQUE:
		return bytes_compare(run, type, expr, bytes, length, name, text);
	case TYPE_STRUCT:
		return struct_compare(run, type, expr, bytes, length, name, text);
	case TYPE_ARRAY:
		return array_compare(run, type, expr, bytes, length, name, text);
	case TYPE_STAMPS:
		return stamps_compare(run, expr, bytes, length, name, text);
	case TYPE_POINTER:
		return pointer_compare(expr, bytes, name, text);
	case TYPE_IFCONF:
		return ifconf_compare(run, expr, bytes, name, text);
	case TYPE_ATTRIBUTES:
		return attributes_compare(run, expr, bytes, length, name, text);
	default:
		return scalar_compare(run, type, expr, bytes, length, name, text);
	}
}

/* A member that is another view of bytes that were printed before it is left out. */
static void struct_print(const struct run *run, const struct type *type, const uint8_t *bytes, size_t length, struct text *text)
{
	size_t printed = 0;

	text_add(text, "{");
	for (unsigned i = 0; i < type->members; i++) {
		const struct type_member *member = &type->member[i];

		if (member->offset + member->type->size > length)
			break;
		if (member->offset < printed)
			continue;
		printed = member->offset + member->type->size;
		text_add(text, "%s%s=", i ? ", " : "", member->name);
		type_print(run, member->type, bytes + member->offset,
			   member->type->size ? member->type->size : length - member->offset, text);
	}
	text_add(text, "}");
}

void type_print(const struct run *run, const struct type *type, const uint8_t *bytes, size_t length, struct text *text)
{
	if (!type)
		type = length == 1 || length == 2 || length == 4 || length == 8 ? &type_int : &type_bytes;
	switch (type->kind) {
	case TYPE_TEXT:
		text_quote(text, bytes, strnlen((const char *)bytes, length));
		return;
	case TYPE_BYTES:
		text_quote(text, bytes, length);
		return;
	case TYPE_OPAQUE:
		text_add(text, "...");
		return;
	case TYPE_STRUCT:
		struct_print(run, type, bytes, length, text);
		return;
	case TYPE_ARRAY:
		text_add(text, "[");
		for (size_t offset = 0; offset + type->element->size <= length; offset += type->element->size) {
			text_add(text, "%s", offset ? ", " : "");
			type_print(run, type->element, bytes + offset, type->element->size, text);
		}
		text_add(text, "]");
		return;
	case TYPE_STAMPS:
		stamps_print(run, bytes, length, text);
		return;
	case TYPE_POINTER:
		pointer_print(bytes, text);
		return;
	case TYPE_IFCONF:
		ifconf_print(run, bytes, text);
		return;
	case TYPE_ATTRIBUTES:
		attributes_print(bytes, length, text);
		return;
	default:
		break;
	}
	if (!is_scalar(type) || length < scalar_size(type, length))
		text_quote(text, bytes, length);
	else
		scalar_print(run, type, scalar_size(type, length), bytes, text);
}

void type_print_named(const struct run *run, const struct expr *expr, const uint8_t *bytes, size_t length, struct text *text)
{
	const struct type *type = expr->kind == EXPR_STRUCT ? type_by_members(expr) : NULL;

	if (!type) {
		text_add(text, "...");
		return;
	}
	text_add(text, "{");
	for (unsigned i = 0; i < expr->members; i++) {
		const struct type_member *member = member_of(type, expr, i);

		text_add(text, "%s%s=", i ? ", " : "", member->name);
		if (member->offset + member->type->size > length)
			text_add(text, "...");
		else
			type_print(run, member->type, bytes + member->offset, member->type->size, text);
	}
	text_add(text, "}");
}
