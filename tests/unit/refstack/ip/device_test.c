#include "../../../../refstack/ip/fib.h"
#include "../support.h"

#include <stdio.h>

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(device, .init = setup, .fini = teardown);

static int add(const char *local, unsigned length, unsigned scope)
{
	return pl_address_add(fixture.stack, fixture.tun,
			      &(struct pl_address){ .local = addr(local), .prefix_length = length, .scope = scope });
}

static const char *source_for(const char *destination, uint8_t scope)
{
	static char text[32];
	struct in_addr source = select_source(fixture.stack, link_by_name(fixture.stack, "tun0"), addr(destination), scope);

	snprintf(text, sizeof(text), "%u.%u.%u.%u", ((uint8_t *)&source)[0], ((uint8_t *)&source)[1], ((uint8_t *)&source)[2],
		 ((uint8_t *)&source)[3]);
	return text;
}

Test(device, second_address_of_a_prefix_is_secondary)
{
	cr_assert_eq(add("192.168.0.2", 16, 0), 0);
	cr_assert_eq(add("192.168.0.2", 16, 0), -EEXIST);
	cr_assert_eq(add("192.168.0.3", 16, RT_SCOPE_LINK), -EINVAL);
	cr_assert_str_eq(source_for("192.168.7.7", RT_SCOPE_UNIVERSE), LOCAL);
	cr_assert_eq(pl_address_delete(fixture.stack, fixture.tun, addr(LOCAL), 16), 0);
	cr_assert_eq(address_type(fixture.stack, addr("192.168.0.2")), RTN_UNICAST);	/* went with the primary one */
	cr_assert_eq(pl_address_delete(fixture.stack, fixture.tun, addr(LOCAL), 16), -EADDRNOTAVAIL);
}

Test(device, secondary_takes_over_when_allowed)
{
	fixture.stack->sysctl.conf_all.promote_secondaries = 1;
	cr_assert_eq(add("192.168.0.2", 16, 0), 0);
	cr_assert_eq(pl_address_delete(fixture.stack, fixture.tun, addr(LOCAL), 16), 0);
	cr_assert_eq(address_type(fixture.stack, addr("192.168.0.2")), RTN_LOCAL);
	cr_assert_eq(address_type(fixture.stack, addr("192.168.255.255")), RTN_BROADCAST);
	cr_assert_str_eq(source_for("192.168.7.7", RT_SCOPE_UNIVERSE), "192.168.0.2");
}

Test(device, source_fits_prefix_and_scope)
{
	cr_assert_eq(add("172.16.0.1", 24, 0), 0);
	cr_assert_eq(add("169.254.0.1", 16, RT_SCOPE_LINK), 0);
	cr_assert_str_eq(source_for("172.16.0.9", RT_SCOPE_UNIVERSE), "172.16.0.1");
	cr_assert_str_eq(source_for("8.8.8.8", RT_SCOPE_UNIVERSE), LOCAL);
	cr_assert_str_eq(source_for("169.254.0.9", RT_SCOPE_UNIVERSE), LOCAL);
	cr_assert_str_eq(source_for("169.254.0.9", RT_SCOPE_LINK), "169.254.0.1");
}

Test(device, loopback_gets_its_address_when_it_comes_up)
{
	struct pl_stack *stack = pl_stack_new(&(struct pl_stack_config){ 0 });

	cr_assert_eq(address_type(stack, addr("127.0.0.1")), RTN_UNICAST);
	cr_assert_eq(pl_link_set_up(stack, 1, true), 0);
	cr_assert_eq(address_type(stack, addr("127.0.0.1")), RTN_LOCAL);
	pl_stack_free(stack);
}
