#include <criterion/criterion.h>
#include <string.h>

#include "harness/sweep/batch.h"
#include "harness/sweep/family.h"

static struct arena *arena;

static void set_up(void)
{
	arena = arena_new();
}

static void tear_down(void)
{
	arena_free(arena);
}

TestSuite(combination, .init = set_up, .fini = tear_down);

static const struct sweep_family *family(const char *name)
{
	for (unsigned i = 0; sweep_families[i]; i++)
		if (!strcmp(sweep_families[i]->name, name))
			return sweep_families[i];
	cr_assert_fail("no family %s", name);
	return NULL;
}

struct seen {
	unsigned count;
	struct combination last;
};

static void see(void *context, const struct combination *combination)
{
	struct seen *seen = context;

	seen->count++;
	seen->last = *combination;
}

static struct seen visit(const char *name, const struct sweep_probe *probe, const struct sweep_filter *filter)
{
	struct combination first = { .family = family(name), .probe = probe, .socket = family(name)->socket[0], .privileged = true };
	struct seen seen = { 0 };

	combinations_visit(&first, filter, arena, see, &seen);
	return seen;
}

Test(combination, every_place_is_visited_once)
{
	const struct sweep_filter all = { .terms = 0 };

	/* 3 levels, 128 options, 11 lengths; setting: 7 lengths of 11 values, 2 of 2. */
	cr_assert_eq(visit("udp", &probe_getsockopt, &all).count, 3 * 128 * 11);
	cr_assert_eq(visit("udp", &probe_setsockopt, &all).count, 3 * 128 * (7 * 11 + 2 * 2));
}

Test(combination, a_filter_leaves_what_matches)
{
	const struct sweep_filter filter = { .term = { "level=SOL_SOCKET", "option=12,SO_MARK", "length=4" }, .terms = 3 };
	struct seen seen = visit("udp", &probe_getsockopt, &filter);
	struct text text = { .arena = arena };

	cr_assert_eq(seen.count, 2);
	combination_print(&seen.last, &text);
	cr_assert_str_eq(text_get(&text), "udp, fresh, root: getsockopt level SOL_SOCKET, option SO_MARK (36), length 4");
}

Test(combination, a_probe_without_the_axis_has_none_of_it)
{
	const struct sweep_filter option = { .term = { "option=12" }, .terms = 1 };
	const struct sweep_filter privilege = { .term = { "privilege=user" }, .terms = 1 };
	const struct sweep_filter socket = { .term = { "socket=udp" }, .terms = 1 };

	cr_assert_eq(visit("udp", &probe_bind, &option).count, 0);
	cr_assert_eq(visit("udp", &probe_bind, &privilege).count, 0);
	cr_assert_gt(visit("udp", &probe_bind, &socket).count, 1000);
}

Test(combination, every_nth)
{
	const struct sweep_filter all = { .terms = 0 }, tenth = { .every = 10 };
	unsigned whole = visit("udp", &probe_bind, &all).count;

	cr_assert_eq(visit("udp", &probe_bind, &tenth).count, (whole + 9) / 10);
}

Test(combination, an_axis_that_is_none_is_found)
{
	const struct sweep_filter good = { .term = { "state=bound", "value=1" }, .terms = 2 };
	const struct sweep_filter bad = { .term = { "state=bound", "colour=red" }, .terms = 2 };
	const struct sweep_filter half = { .term = { "state" }, .terms = 1 };

	cr_assert_null(filter_unknown(&good, family("udp")));
	cr_assert_str_eq(filter_unknown(&bad, family("udp")), "colour=red");
	cr_assert_str_eq(filter_unknown(&half, family("udp")), "state");
}

Test(combination, what_is_left_out_has_a_reason)
{
	const struct sweep_filter flags = { .term = { "request=SIOCSIFFLAGS", "argument=tun0" }, .terms = 2 };
	const struct sweep_filter length = { .term = { "request=SIOCGIFMTU", "argument=tun0" }, .terms = 2 };
	struct seen seen = visit("udp", &probe_ioctl, &flags);

	cr_assert_eq(seen.count, 1);
	cr_assert_not_null(exception_skip(&seen.last));
	seen.last.privileged = false;
	cr_assert_null(exception_skip(&seen.last));
	seen = visit("udp", &probe_ioctl, &length);
	cr_assert_null(exception_skip(&seen.last));
}

Test(combination, a_cookie_is_mapped_to_whether_there_is_one)
{
	const struct sweep_filter cookie = { .term = { "level=SOL_SOCKET", "option=57", "length=8" }, .terms = 3 };
	struct seen seen = visit("udp", &probe_getsockopt, &cookie);
	struct record record[2] = { { .what = "getsockopt", .length = 12, .bytes = { 8, 0, 0, 0, 0x17, 0x42 } },
				    { .what = "getsockopt", .length = 12, .bytes = { 8, 0, 0, 0, 0x99, 0, 1 } } };

	cr_assert_not_null(exception_map(&seen.last, record, 2));
	cr_assert_arr_eq(record[0].bytes, record[1].bytes, SWEEP_BYTES);
	cr_assert_eq(record[0].bytes[4], 1);
}

static void check_finding(void *context, const struct finding *finding)
{
	cr_assert_str_eq(finding->kind, "differ");
	cr_assert_str_eq(finding->subject, "bind any");
	cr_assert_str_eq(finding->first, "bind 0");
	cr_assert_str_eq(finding->second, "bind -EINVAL");
	cr_assert_str_eq(finding->reason, "");
	cr_assert_str_eq(finding->example, "udp, fresh");
	cr_assert_eq(finding->count, 7);
	++*(unsigned *)context;
}

Test(combination, findings_are_read_and_nonsense_is_not)
{
	struct batch_counts counts = { .tried = 1 };
	unsigned found = 0;

	batch_read("10 3 2 7 0 1 0\ndiffer\x1f" "bind any\x1f" "bind 0\x1f" "bind -EINVAL\x1f\x1f" "udp, fresh\x1f" "7\n", &counts, arena,
		   check_finding, &found);
	cr_assert_eq(found, 1);
	cr_assert_eq(counts.tried, 11);
	cr_assert_eq(counts.differ, 7);
	batch_read("", &counts, arena, check_finding, &found);
	batch_read("ten\nx\n", &counts, arena, check_finding, &found);
	batch_read("1 1 0 0 0 0 0\ndiffer\x1f" "short\n", &counts, arena, check_finding, &found);
	cr_assert_eq(found, 1);
}
