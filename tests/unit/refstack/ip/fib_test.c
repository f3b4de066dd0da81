#include "../../../../refstack/ip/fib.h"
#include "../support.h"

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
	fixture_link(&fixture, "tun1", "10.1.0.1", 24);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(fib, .init = setup, .fini = teardown);

/* What route_output makes of a destination: its error, or 0 with link and gateway compared. */
static int lookup(const char *destination, const char *link, const char *gateway, const char *source)
{
	struct flow flow = { .destination = addr(destination) };
	struct route *route = NULL;
	int error = route_output(fixture.stack, &flow, &route);

	if (error)
		return error;
	cr_assert_str_eq(route->link->name, link, "%s leads to %s", destination, route->link->name);
	cr_assert_eq(route->gateway.s_addr, addr(gateway).s_addr);
	cr_assert_eq(flow.source.s_addr, addr(source).s_addr);
	route_put(fixture.stack, route);
	return 0;
}

static int add(const char *destination, unsigned length, const char *gateway, uint8_t type, uint32_t priority)
{
	struct pl_route route = { .destination = addr(destination), .prefix_length = length, .type = type, .priority = priority };

	if (gateway)
		route.gateway = addr(gateway);
	return pl_route_add(fixture.stack, &route, false);
}

Test(fib, longest_prefix_wins)
{
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(add("10.2.3.0", 24, "10.1.0.8", 0, 0), 0);
	cr_assert_eq(lookup("10.2.3.4", "tun1", "10.1.0.8", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.2.4.4", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.1.0.77", "tun1", "10.1.0.77", "10.1.0.1"), 0);
	cr_assert_eq(lookup("8.8.8.8", "tun0", "8.8.8.8", LOCAL), 0);
	cr_assert_eq(lookup("10.1.0.1", "lo", "10.1.0.1", "10.1.0.1"), 0);
	cr_assert_eq(lookup("127.3.2.1", "lo", "127.3.2.1", "127.0.0.1"), 0);
}

Test(fib, types_give_their_errors)
{
	cr_assert_eq(add("10.3.0.0", 16, NULL, RTN_UNREACHABLE, 0), 0);
	cr_assert_eq(add("10.4.0.0", 16, NULL, RTN_PROHIBIT, 0), 0);
	cr_assert_eq(add("10.5.0.0", 16, NULL, RTN_BLACKHOLE, 0), 0);
	cr_assert_eq(add("10.6.0.0", 16, NULL, RTN_THROW, 0), 0);
	cr_assert_eq(lookup("10.3.0.1", "", "", ""), -EHOSTUNREACH);
	cr_assert_eq(lookup("10.4.0.1", "", "", ""), -EACCES);
	cr_assert_eq(lookup("10.5.0.1", "", "", ""), -EINVAL);
	cr_assert_eq(lookup("10.6.0.1", "", "", ""), -ENETUNREACH);
}

Test(fib, what_cannot_be_added)
{
	cr_assert_eq(add("10.2.0.0", 16, "192.168.255.255", 0, 0), -EINVAL);
	cr_assert_eq(add("10.2.0.1", 16, "10.1.0.9", 0, 0), -EINVAL);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.8", 0, 0), -EEXIST);
	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.8", 0, 5), 0);
	struct pl_route gone = { .destination = addr("10.2.0.0"), .prefix_length = 16 };
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), 0);
	cr_assert_eq(lookup("10.2.0.1", "tun1", "10.1.0.8", "10.1.0.1"), 0);
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), 0);
	cr_assert_eq(pl_route_delete(fixture.stack, &gone), -ESRCH);
}

Test(fib, link_down_takes_its_routes_and_up_brings_the_prefix_back)
{
	int tun1 = pl_link_find(fixture.stack, "tun1");

	cr_assert_eq(add("10.2.0.0", 16, "10.1.0.9", 0, 0), 0);
	cr_assert_eq(pl_link_set_up(fixture.stack, tun1, false), 0);
	cr_assert_eq(lookup("10.1.0.9", "tun0", "10.1.0.9", LOCAL), 0);
	cr_assert_eq(lookup("10.1.0.1", "lo", "10.1.0.1", "10.1.0.1"), 0);
	cr_assert_eq(pl_link_set_up(fixture.stack, tun1, true), 0);
	cr_assert_eq(lookup("10.1.0.9", "tun1", "10.1.0.9", "10.1.0.1"), 0);
	cr_assert_eq(lookup("10.2.0.1", "tun0", "10.2.0.1", LOCAL), 0);
}

Test(fib, address_types)
{
	static const struct {
		const char *address;
		int type;
	} expected[] = { { LOCAL, RTN_LOCAL }, { "192.168.255.255", RTN_BROADCAST }, { "255.255.255.255", RTN_BROADCAST },
			 { "224.1.2.3", RTN_MULTICAST }, { "192.168.0.2", RTN_UNICAST }, { "127.9.9.9", RTN_LOCAL },
			 { "0.0.0.0", RTN_BROADCAST }, { "10.1.0.255", RTN_BROADCAST }, { "192.168.0.0", RTN_UNICAST } };

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		cr_assert_eq(address_type(fixture.stack, addr(expected[i].address)), expected[i].type, "%s", expected[i].address);
}

Test(fib, path_mtu_is_learnt_believed_and_forgotten)
{
	struct flow flow = { .destination = addr(REMOTE) };
	struct route *route = NULL;
	uint64_t generation = fixture.stack->fib->generation;

	route_pmtu_learn(fixture.stack, addr(REMOTE), 1400);
	cr_assert_neq(fixture.stack->fib->generation, generation);
	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(route_mtu(fixture.stack, route), 1400);
	cr_assert_not(route_mtu_locked(route));
	route_pmtu_learn(fixture.stack, addr(REMOTE), 1450);	/* larger than known: not believed */
	cr_assert(route_valid(fixture.stack, route));
	pl_stack_run_until(fixture.stack, 600 * PL_NSEC_PER_SEC);
	cr_assert_eq(route_mtu(fixture.stack, route), 1500);
	route_put(fixture.stack, route);
	route_pmtu_learn(fixture.stack, addr(REMOTE), 100);	/* below min_pmtu: that, and no DF any more */
	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(route_mtu(fixture.stack, route), 552);
	cr_assert(route_mtu_locked(route));
	route_put(fixture.stack, route);
}

/* Whoever still holds a route over a link that was deleted may read it. */
Test(fib, route_outlives_its_link)
{
	struct flow flow = { .destination = addr("10.1.0.9") };
	struct route *route = NULL;

	cr_assert_eq(route_output(fixture.stack, &flow, &route), 0);
	cr_assert_eq(pl_link_delete(fixture.stack, pl_link_find(fixture.stack, "tun1")), 0);
	cr_assert_not(route_valid(fixture.stack, route));
	cr_assert_eq(route_mtu(fixture.stack, route), 1500);
	route_put(fixture.stack, route);
	cr_assert_eq(lookup("10.1.0.9", "tun0", "10.1.0.9", LOCAL), 0);
	cr_assert_eq(pl_link_delete(fixture.stack, 1), -EOPNOTSUPP);
}
