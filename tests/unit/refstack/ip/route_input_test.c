#include "../../../../refstack/ip/fib.h"
#include "../support.h"

static struct fixture fixture;
static struct link *tun0;
static void setup(void)
{
	fixture_new(&fixture);
	fixture_link(&fixture, "tun1", "10.1.0.1", 24);
	tun0 = link_by_name(fixture.stack, "tun0");
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(route_input, .init = setup, .fini = teardown);

/* The type of the route for a packet over tun0, or the error. */
static int input(const char *source, const char *destination)
{
	struct route *route = NULL;
	int result = route_input_for(fixture.stack, tun0, addr(source), addr(destination), 0, 253, 0, &route);

	if (result == 0) {
		result = route->type;
		route_put(fixture.stack, route);
	}
	return result;
}

Test(route_input, kinds_of_destination)
{
	cr_assert_eq(input(REMOTE, LOCAL), RTN_LOCAL);
	cr_assert_eq(input(REMOTE, "10.1.0.1"), RTN_LOCAL);
	cr_assert_eq(input(REMOTE, "192.168.255.255"), RTN_BROADCAST);
	cr_assert_eq(input(REMOTE, "255.255.255.255"), RTN_BROADCAST);
	cr_assert_eq(input("0.0.0.0", "255.255.255.255"), RTN_BROADCAST);
	cr_assert_eq(input(REMOTE, "224.0.0.1"), RTN_MULTICAST);
	cr_assert_eq(input(REMOTE, "224.0.0.77"), -EINVAL);
	cr_assert_eq(input(REMOTE, "10.1.0.9"), RTN_UNREACHABLE);
	fixture.stack->sysctl.conf_all.forwarding = tun0->ipv4->conf.forwarding = 1;
	cr_assert_eq(input(REMOTE, "10.1.0.9"), RTN_UNICAST);
}

Test(route_input, martians)
{
	static const char *const sources[] = { "127.0.0.1", LOCAL, "10.1.0.1", "224.1.1.1", "255.255.255.255", "0.0.0.0" };

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		cr_assert_eq(input(sources[i], LOCAL), -EINVAL, "%s", sources[i]);
	cr_assert_eq(input(REMOTE, "127.0.0.1"), -EINVAL);
	tun0->ipv4->conf.route_localnet = 1;
	cr_assert_eq(input(REMOTE, "127.0.0.1"), RTN_LOCAL);
	tun0->ipv4->conf.accept_local = 1;
	cr_assert_eq(input(LOCAL, LOCAL), RTN_LOCAL);
}

/* RFC 3704: strict wants the way back over the same link, loose any way back. */
Test(route_input, reverse_path)
{
	struct pl_route nowhere = { .ifindex = tun0->ifindex };

	cr_assert_eq(input("10.1.0.9", LOCAL), RTN_LOCAL);
	tun0->ipv4->conf.rp_filter = 1;
	cr_assert_eq(input("10.1.0.9", LOCAL), -EXDEV);
	cr_assert_eq(input("192.168.0.9", LOCAL), RTN_LOCAL);
	cr_assert_eq(input(REMOTE, LOCAL), RTN_LOCAL);
	fixture.stack->sysctl.conf_all.rp_filter = 2;	/* the larger of the two counts */
	cr_assert_eq(input("10.1.0.9", LOCAL), RTN_LOCAL);
	cr_assert_eq(pl_route_delete(fixture.stack, &nowhere), 0);
	cr_assert_eq(input(REMOTE, LOCAL), -EXDEV);
}
