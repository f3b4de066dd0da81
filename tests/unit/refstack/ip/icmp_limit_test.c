#include "../support.h"

#include <stdio.h>
#include <string.h>

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
	pl_stack_run_until(fixture.stack, PL_NSEC_PER_SEC);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(icmp_limit, .init = setup, .fini = teardown);

static void tune(const char *path, const char *value)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, value, strlen(value)), (ssize_t)strlen(value), "%s", path);
}

/* Packets of an unknown protocol; how many errors came back. */
static size_t provoke(unsigned count, const char *source)
{
	uint8_t packet[64];
	size_t length = make_ip(packet, NULL, source, LOCAL, 253, "x", 1), before = fixture.count;

	while (count--)
		cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
	return fixture.count - before;
}

Test(icmp_limit, six_at_once_to_a_destination_then_one_a_second)
{
	cr_assert_eq(provoke(20, REMOTE), 6);
	COUNTER_IS(&fixture, "Icmp", "OutRateLimitHost", 14);
	cr_assert_eq(provoke(20, "192.0.2.2"), 6);
	pl_stack_run_until(fixture.stack, 2 * PL_NSEC_PER_SEC);
	cr_assert_eq(provoke(20, REMOTE), 1);
}

Test(icmp_limit, ratelimit_and_mask_switch_it_off)
{
	tune("net/ipv4/icmp_ratelimit", "0");
	tune("net/ipv4/icmp_msgs_burst", "10000");
	tune("net/ipv4/icmp_msgs_per_sec", "10000");
	pl_stack_run_until(fixture.stack, 2 * PL_NSEC_PER_SEC);
	cr_assert_eq(provoke(40, REMOTE), 40);
	tune("net/ipv4/icmp_ratelimit", "1000");
	tune("net/ipv4/icmp_ratemask", "0");
	cr_assert_eq(provoke(40, REMOTE), 40);
}

/* All destinations together: the burst, give or take the random price of each message. */
Test(icmp_limit, whole_host)
{
	size_t sent = 0;
	char source[32];

	tune("net/ipv4/icmp_msgs_burst", "20");
	pl_stack_run_until(fixture.stack, 2 * PL_NSEC_PER_SEC);
	for (int i = 1; i < 200; i++) {
		snprintf(source, sizeof(source), "192.0.2.%d", i);
		sent += provoke(1, source);
	}
	cr_assert_geq(sent, 10);
	cr_assert_leq(sent, 45);
	cr_assert_eq(pl_counter(fixture.stack, "Icmp", "OutRateLimitGlobal"), (int64_t)(199 - sent));
}
