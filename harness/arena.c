#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 16384
#define PAGE 4096

struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) unsigned char bytes[];
};

struct arena {
	struct chunk *first;	/* in use */
	struct chunk *spare;	/* kept by arena_reset */
};

static void *must(void *memory)
{
	if (!memory) {
		fputs("plumbline: out of memory\n", stderr);
		abort();
	}
	return memory;
}

struct arena *arena_new(void)
{
	return must(calloc(1, sizeof(struct arena)));
}

static void chunks_free(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	chunks_free(arena->first);
	chunks_free(arena->spare);
	free(arena);
}

void arena_reset(struct arena *arena)
{
	while (arena->first) {
		struct chunk *chunk = arena->first;

		arena->first = chunk->next;
		if (chunk->size == CHUNK) {
			chunk->next = arena->spare;
			arena->spare = chunk;
		} else {
			free(chunk);
		}
	}
}

static struct chunk *chunk_for(struct arena *arena, size_t size)
{
	struct chunk *chunk = arena->spare;

	if (chunk && size <= CHUNK) {
		arena->spare = chunk->next;
	} else {
		size_t room = size > CHUNK ? size : CHUNK;

		chunk = must(malloc(sizeof(*chunk) + room));
		chunk->size = room;
	}
	chunk->used = 0;
	chunk->next = arena->first;
	arena->first = chunk;
	return chunk;
}

static size_t round_up(size_t value, size_t to)
{
	return (value + to - 1) & ~(to - 1);
}

static void *alloc_aligned(struct arena *arena, size_t size, size_t alignment)
{
	struct chunk *chunk = arena->first;
	size_t room = round_up(size, alignof(max_align_t)), skip;
	void *memory;

	skip = chunk ? -(uintptr_t)(chunk->bytes + chunk->used) & (alignment - 1) : 0;
	if (!chunk || chunk->size - chunk->used < skip + room) {
		chunk = chunk_for(arena, room + alignment);
		skip = -(uintptr_t)chunk->bytes & (alignment - 1);
	}
	memory = chunk->bytes + chunk->used + skip;
	chunk->used += skip + room;
	return memset(memory, 0, room);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	return alloc_aligned(arena, size, alignof(max_align_t));
}

void *arena_alloc_pages(struct arena *arena, size_t size)
{
	size_t alignment = alignof(max_align_t);

	while (alignment < size && alignment < PAGE)
		alignment *= 2;
	return alloc_aligned(arena, size + 1, alignment);
}

void *arena_memdup(struct arena *arena, const void *bytes, size_t size)
{
	void *copy = arena_alloc(arena, size + 1);

	return size ? memcpy(copy, bytes, size) : copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_memdup(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments)
{
	va_list again;
	int length;
	char *text;

	va_copy(again, arguments);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	text = arena_alloc(arena, (size_t)length + 1);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = arena_vprintf(arena, format, arguments);
	va_end(arguments);
	return text;
}
