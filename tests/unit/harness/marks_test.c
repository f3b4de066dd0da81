#include <criterion/criterion.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/marks.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(marks, .init = set_up, .fini = tear_down);

#define MARKS(text, marked) cr_assert_str_eq(mark_differences(text, arena), marked)

Test(marks, every_word_that_differs)
{
	MARKS("expected  > P. 1:11(10) ack 1 win 5\n"
	      "actual    > . 2:12(10) ack 1 win 6",
	      "expected  > P. 1:11(10) ack 1 win 5\n"
	      "actual    > . 2:12(10) ack 1 win 6\n"
	      "            ^ ^^^^^^^^           ^");
}

Test(marks, options_one_by_one)
{
	MARKS("expected  <mss 1460,sackOK,nop>\nactual    <mss 1400,sackOK,nop>\n  what else is said",
	      "expected  <mss 1460,sackOK,nop>\nactual    <mss 1400,sackOK,nop>\n               ^^^^\n  what else is said");
}

Test(marks, words_that_are_missing)
{
	MARKS("expected  a b c\nactual    a c", "expected  a b c\nactual    a c\n            ^");
	MARKS("expected  a b c\nactual    a b", "expected  a b c\nactual    a b\n              ^");
	MARKS("expected  a b\nactual    a b c d", "expected  a b\nactual    a b c d\n              ^ ^");
}

/* The time of a packet is seldom what is wrong with it. */
Test(marks, times_only_when_nothing_else_differs)
{
	MARKS("expected  0.100000 > x 1\nactual    0.200000 > x 2",
	      "expected  0.100000 > x 1\nactual    0.200000 > x 2\n                       ^");
	MARKS("expected  0.100000 > x\nactual    0.200000 > x", "expected  0.100000 > x\nactual    0.200000 > x\n          ^^^^^^^^");
}

Test(marks, nothing_to_mark)
{
	cr_assert_null(mark_differences(NULL, arena));
	MARKS("", "");
	MARKS("one line", "one line");
	MARKS("a x y\nb x y", "a x y\nb x y");
	MARKS("a x\n  more of it", "a x\n  more of it");
	MARKS("a x\n", "a x\n");
}

Test(marks, long_lines_are_left_alone)
{
	char *text = arena_alloc(arena, 4100);

	memset(text, 'a', 4096);
	for (unsigned i = 1; i < 4096; i += 2)
		text[i] = ' ';
	text[2047] = '\n';
	MARKS(text, text);
}
