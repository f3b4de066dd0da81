#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>

#include "fake.h"
#include "harness/engine/run.h"

static struct settings settings;
static const char *error;
static struct source_span where;

static bool make(const char *script, const struct script_option *option, unsigned count)
{
	struct run_options options = { .option = option, .options = count };
	struct script *parsed = fake_script(script);

	return settings_make(parsed, &options, fake_arena, &settings, &error, &where);
}

Test(settings, defaults)
{
	cr_assert(make("0 > . 1:1(0) ack 1\n", NULL, 0));
	cr_assert_eq(settings.local.s_addr, inet_addr("192.168.0.1"));
	cr_assert_eq(settings.prefix_length, 16);
	cr_assert_eq(settings.remote.s_addr, inet_addr("192.0.2.1"));
	cr_assert_eq(settings.tolerance_usecs, 4000);
	cr_assert_float_eq(settings.tolerance_percent, 12.5, 0.001);
	cr_assert_eq(settings.mtu, 1500);
}

Test(settings, the_scripts_own_win_over_defaults_and_the_command_line_over_both)
{
	const struct script_option line = { .name = "mtu", .value = "1400" };

	cr_assert(make("--mtu=1300\n--tolerance_usecs=9000\n0 > . 1:1(0) ack 1\n", NULL, 0));
	cr_assert_eq(settings.mtu, 1300);
	cr_assert_eq(settings.tolerance_usecs, 9000);
	cr_assert(make("--mtu=1300\n--tolerance_usecs=9000\n0 > . 1:1(0) ack 1\n", &line, 1));
	cr_assert_eq(settings.mtu, 1400);
	cr_assert_eq(settings.tolerance_usecs, 9000);
}

Test(settings, addresses)
{
	const struct script_option line[] = { { .name = "remote_ip", .value = "198.51.100.7/24" },
					      { .name = "netmask_ip", .value = "255.255.255.0" } };

	cr_assert(make("0 > . 1:1(0) ack 1\n", line, 2));
	cr_assert_eq(settings.remote.s_addr, inet_addr("198.51.100.7"));
	cr_assert_eq(settings.remote_prefix_length, 24);
	cr_assert_eq(settings.prefix_length, 24);
}

static bool refused(const char *name, const char *value)
{
	const struct script_option line = { .name = name, .value = value };

	error = NULL;
	return !make("0 > . 1:1(0) ack 1\n", &line, 1) && error && strstr(error, name);
}

Test(settings, bad_values_are_refused)
{
	cr_assert(refused("mtu", "many"));
	cr_assert(refused("mtu", "-1"));
	cr_assert(refused("bind_port", "0"));
	cr_assert(refused("bind_port", "65536"));
	cr_assert(refused("mss", NULL));
	cr_assert(refused("strict_segments", "yes"));
	cr_assert(refused("netmask_ip", "255.0.255.0"));
	cr_assert(refused("local_ip", "1.2.3"));
	cr_assert(refused("tolerance_percent", "101"));
	cr_assert(refused("tcp_ts_tick_usecs", "1000001"));
	cr_assert(refused("ip_version", "ipv5"));
	cr_assert(refused("code_format", "perl"));
	cr_assert(refused("nonsense", "1"));
}

Test(settings, what_no_target_has_is_noted)
{
	const struct script_option line = { .name = "wire_client" };

	cr_assert(make("0 > . 1:1(0) ack 1\n", &line, 1));
	cr_assert_str_eq(settings.unsupported, "wire_client");
}

Test(settings, names_are_known)
{
	bool value;

	cr_assert(engine_option("mtu", &value) && value);
	cr_assert(engine_option("strict_segments", &value) && !value);
	cr_assert_not(engine_option("mtus", &value));
}
