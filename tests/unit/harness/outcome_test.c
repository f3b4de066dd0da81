#include <criterion/criterion.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/outcome.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(outcome, .init = set_up, .fini = tear_down);

static struct outcome example(void)
{
	static struct outcome_failure failures[] = {
		{ .line = 3, .column = 4, .source = "+0 > S", .reason = "one", .detail = "a\nb", .suggestion = "+0 > S." },
		{ .file = "other.pkt", .line = 9, .reason = "" },
	};

	return (struct outcome){
		.path = "x.pkt", .verdict = OUTCOME_DIFFER, .unreadable = true, .noisy = true, .tries = 3, .lateness = 5,
		.wall = INT64_C(1) << 40, .reason = NULL, .line = 8, .diagnostics = "d", .before = "b", .failure = failures,
		.failures = 2, .first = "A", .second = NULL,
	};
}

Test(outcome, comes_back_as_it_was)
{
	struct outcome outcome = example(), back;
	size_t length;
	uint8_t *bytes = outcome_pack(&outcome, arena, &length);

	cr_assert(outcome_unpack(bytes, length, arena, &back));
	cr_assert_str_eq(back.path, "x.pkt");
	cr_assert_eq(back.verdict, OUTCOME_DIFFER);
	cr_assert(back.unreadable && back.noisy);
	cr_assert_eq(back.tries, 3);
	cr_assert_eq(back.lateness, 5);
	cr_assert_eq(back.wall, INT64_C(1) << 40);
	cr_assert_null(back.reason);
	cr_assert_eq(back.line, 8);
	cr_assert_str_eq(back.diagnostics, "d");
	cr_assert_str_eq(back.before, "b");
	cr_assert_str_eq(back.first, "A");
	cr_assert_null(back.second);
	cr_assert_eq(back.failures, 2);
	cr_assert_null(back.failure[0].file);
	cr_assert_eq(back.failure[0].column, 4);
	cr_assert_str_eq(back.failure[0].suggestion, "+0 > S.");
	cr_assert_str_eq(back.failure[1].file, "other.pkt");
	cr_assert_str_eq(back.failure[1].reason, "", "empty is not absent");
	cr_assert_null(back.failure[1].detail);
}

Test(outcome, anything_shorter_is_refused)
{
	struct outcome outcome = example(), back;
	size_t length;
	uint8_t *bytes = outcome_pack(&outcome, arena, &length);

	for (size_t cut = 0; cut < length; cut++) {
		uint8_t *copy = arena_memdup(arena, bytes, cut);

		cr_assert_not(outcome_unpack(copy, cut, arena, &back), "%zu of %zu bytes", cut, length);
	}
	bytes = arena_memdup(arena, bytes, length + 1);
	cr_assert_not(outcome_unpack(bytes, length + 1, arena, &back));
}

Test(outcome, bytes_that_lie_are_refused_or_harmless)
{
	struct outcome outcome = example(), back;
	size_t length;
	uint8_t *bytes = outcome_pack(&outcome, arena, &length);

	for (size_t at = 0; at < length; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			uint8_t *copy = arena_memdup(arena, bytes, length);

			copy[at] ^= (uint8_t)(1u << bit);
			if (outcome_unpack(copy, length, arena, &back))
				cr_assert_lt(back.verdict, OUTCOME_VERDICTS);
		}
		if (at % 64 == 0)
			arena_memdup(arena, bytes, length);
	}
}

Test(outcome, the_line_and_reason_to_tell)
{
	struct outcome outcome = example();

	cr_assert_eq(outcome_line(&outcome), 3);
	cr_assert_str_eq(outcome_reason(&outcome), "one");
	outcome.reason = "why";
	cr_assert_str_eq(outcome_reason(&outcome), "why");
	outcome.failures = 0;
	cr_assert_eq(outcome_line(&outcome), 8);
	cr_assert_str_eq(outcome_verdict_name(OUTCOME_NOISY), "noisy");
}
