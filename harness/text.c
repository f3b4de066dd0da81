#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "arena.h"

/* Room for `more` bytes and the NUL. */
static void reserve(struct text *text, size_t more)
{
	size_t room = text->room ? text->room : 120;
	char *bytes;

	if (text->length + more < text->room)
		return;
	while (room <= text->length + more)
		room *= 2;
	bytes = arena_alloc(text->arena, room);
	if (text->length)
		memcpy(bytes, text->bytes, text->length);
	text->bytes = bytes;
	text->room = room;
}

void text_put(struct text *text, const char *bytes, size_t length)
{
	reserve(text, length);
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = '\0';
}

void text_add(struct text *text, const char *format, ...)
{
	va_list arguments, again;
	int length;

	va_start(arguments, format);
	va_copy(again, arguments);
	reserve(text, 0);
	length = vsnprintf(text->bytes + text->length, text->room - text->length, format, arguments);
	if (length > 0 && (size_t)length >= text->room - text->length) {
		reserve(text, (size_t)length);
		vsnprintf(text->bytes + text->length, text->room - text->length, format, again);
	}
	if (length > 0)
		text->length += (size_t)length;
	va_end(again);
	va_end(arguments);
}

const char *text_get(const struct text *text)
{
	return text->bytes ? text->bytes : "";
}
