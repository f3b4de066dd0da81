#include "../../../../refstack/udp/udp.h"
#include "../support.h"

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(udp_memory, .init = setup, .fini = teardown);

/* A socket of no host: what counts is what is charged to it. */
static struct udp_sock make_socket(void)
{
	return (struct udp_sock){ .sk.stack = fixture.stack };
}

Test(udp_memory, pages_are_told_by_the_megabyte)
{
	struct udp_sock up = make_socket();

	cr_assert(udp_memory_take(&up, 1000));
	cr_assert_eq(up.pages, 1);
	cr_assert_eq(up.sk.forward_allocated, 3096);
	cr_assert_eq(udp_memory(fixture.stack), 0);
	cr_assert(udp_memory_take(&up, 256 * 4096));
	cr_assert_eq(udp_memory(fixture.stack), up.pages);
	udp_memory_release(&up);
	cr_assert_eq(udp_memory(fixture.stack), 0);
}

Test(udp_memory, above_the_first_value_only_for_those_that_hold_little)
{
	struct udp_sock many = make_socket(), few = make_socket();

	cr_assert(udp_memory_take(&many, 300 * 4096));
	fixture.stack->sysctl.udp_mem[0] = 0;
	many.sk.receive_allocated = 300 * 4096;
	cr_assert_not(udp_memory_take(&many, 4096));
	cr_assert(udp_memory_take(&few, 800));
	few.sk.receive_allocated = 800;
	fixture.stack->sysctl.udp_rmem_min = 800;
	cr_assert(udp_memory_take(&few, 3296));		/* the rest of its page */
	cr_assert_not(udp_memory_take(&few, 800));
	fixture.stack->sysctl.udp_rmem_min = 801;
	cr_assert(udp_memory_take(&few, 800));
	fixture.stack->sysctl.udp_mem[2] = 0;
	cr_assert_not(udp_memory_take(&few, 4096));
	udp_memory_give_back(&many, 300 * 4096);
	cr_assert_eq(many.pages, 1);
}
