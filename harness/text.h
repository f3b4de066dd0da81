/* Text that grows, in an arena. */
#ifndef HARNESS_TEXT_H
#define HARNESS_TEXT_H

#include <stddef.h>

struct arena;

struct text {
	struct arena *arena;
	char *bytes;		/* ends in NUL; NULL while empty */
	size_t length, room;
};

void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_put(struct text *text, const char *bytes, size_t length);
/* What was added so far; "" while empty. */
const char *text_get(const struct text *text);

#endif
