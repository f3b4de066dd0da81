/* Memory that is freed all at once. */
#ifndef HARNESS_ARENA_H
#define HARNESS_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena;
struct arena *arena_new(void);
void arena_free(struct arena *arena);
/* Forget everything but keep the memory for reuse: what a per-run arena does between runs. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned for anything; running out of memory ends the program with a message (the harness has nothing else to do). */
void *arena_alloc(struct arena *arena, size_t size);
/*
 * As arena_alloc, for `size` bytes that a call takes or gives, and one behind them: they touch as few pages as they can, because a
 * kernel that sends a caller's own pages (MSG_ZEROCOPY) charges for each that it touches.
 */
void *arena_alloc_pages(struct arena *arena, size_t size);
char *arena_strdup(struct arena *arena, const char *text);
void *arena_memdup(struct arena *arena, const void *bytes, size_t size);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments);

#endif
