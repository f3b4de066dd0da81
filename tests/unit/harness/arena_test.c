/* Memory that is freed all at once: its alignment, and how few pages the buffers of calls touch. */
#include <criterion/criterion.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "harness/arena.h"

#define PAGE 4096

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(arena, .init = set_up, .fini = tear_down);

Test(arena, memory_is_zeroed_aligned_and_apart)
{
	unsigned char *before = NULL;

	for (int round = 0; round < 3; round++) {
		for (size_t size = 1; size < 40000; size = size * 2 + 1) {
			unsigned char *bytes = arena_alloc(arena, size);

			cr_assert_eq((uintptr_t)bytes % alignof(max_align_t), 0);
			for (size_t i = 0; i < size; i++)
				cr_assert_eq(bytes[i], 0, "byte %zu of %zu", i, size);
			memset(bytes, 0xff, size);
			cr_assert(!before || *before == 0xff);
			before = bytes;
		}
		arena_reset(arena);
		before = NULL;
	}
}

Test(arena, buffers_touch_as_few_pages_as_they_can)
{
	for (size_t size = 1; size < 4 * PAGE; size += 77) {
		arena_alloc(arena, 24 + size % 1000);
		unsigned char *bytes = arena_alloc_pages(arena, size);
		uintptr_t first = (uintptr_t)bytes / PAGE, last = ((uintptr_t)bytes + size - 1) / PAGE;

		cr_assert_eq(last - first + 1, (size + PAGE - 1) / PAGE, "%zu bytes", size);
		memset(bytes, 0xff, size + 1);
	}
}
