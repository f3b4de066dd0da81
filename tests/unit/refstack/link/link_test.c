#include "../support.h"

#include <errno.h>

static struct pl_stack *stack;
static void setup(void)
{
	stack = pl_stack_new(&(struct pl_stack_config){ 0 });
}
static void teardown(void)
{
	pl_stack_free(stack);
}
TestSuite(link, .init = setup, .fini = teardown);

static int add(const char *name, enum pl_link_kind kind, unsigned mtu)
{
	return pl_link_add(stack, &(struct pl_link_config){ .name = name, .kind = kind, .mtu = mtu });
}

Test(link, names_and_numbers)
{
	cr_assert_eq(pl_link_find(stack, "lo"), 1);
	cr_assert_eq(add("tun0", PL_LINK_TUN, 0), 2);
	cr_assert_eq(add("tun0", PL_LINK_TUN, 0), -EEXIST);
	cr_assert_eq(add("a name", PL_LINK_TUN, 0), -EINVAL);
	cr_assert_eq(add("..", PL_LINK_TUN, 0), -EINVAL);
	cr_assert_eq(add("", PL_LINK_TUN, 0), -EINVAL);
	cr_assert_eq(add(NULL, PL_LINK_TUN, 0), -EINVAL);
	cr_assert_eq(add("sixteen-letters-", PL_LINK_TUN, 0), -EINVAL);
	cr_assert_eq(add("tun1", PL_LINK_TUN, 67), -EINVAL);
	cr_assert_eq(add("lo2", PL_LINK_LOOPBACK, 0), -EINVAL);
	cr_assert_eq(pl_link_delete(stack, 2), 0);
	cr_assert_eq(pl_link_find(stack, "tun0"), -ENODEV);
	cr_assert_eq(add("tun0", PL_LINK_TUN, 0), 3);	/* numbers are not used again */
}

Test(link, absent_links)
{
	cr_assert_eq(pl_link_delete(stack, 9), -ENODEV);
	cr_assert_eq(pl_link_set_up(stack, 9, true), -ENODEV);
	cr_assert_eq(pl_link_set_mtu(stack, 9, 100), -ENODEV);
	cr_assert_eq(pl_link_set_queue_limit(stack, 9, 0), -ENODEV);
	cr_assert_eq(pl_address_add(stack, 9, &(struct pl_address){ 0 }), -ENODEV);
	cr_assert_eq(pl_link_set_mtu(stack, 1, 100), 0);
}

/* Each packet that a large segment stands for is counted by its congestion codepoint. */
Test(link, large_segments_are_counted_as_what_they_stand_for)
{
	struct fixture fixture;
	uint8_t packet[3100], tcp[20 + 3000] = { [12] = 5 << 4 };

	fixture_new(&fixture);
	size_t length = make_ip(packet, NULL, REMOTE, LOCAL, IPPROTO_TCP, tcp, sizeof(tcp));
	cr_assert_eq(pl_link_input_gso(fixture.stack, fixture.tun, packet, length, 1000), 0);
	COUNTER_IS(&fixture, "IpExt", "InNoECTPkts", 3);
	COUNTER_IS(&fixture, "Ip", "InReceives", 1);
	cr_assert_eq(pl_link_input_gso(fixture.stack, fixture.tun, packet, 3, 1000), 0);
	fixture_free(&fixture);
}
