#include "../support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(proc, .init = setup, .fini = teardown);

static void file_is(const char *name, const char *expected)
{
	char *text = NULL;
	ssize_t length = pl_inspect_file(fixture.stack, name, &text);

	cr_assert_eq(length, (ssize_t)strlen(expected), "%s: %zd\n%s", name, length, text);
	cr_assert_arr_eq(text, expected, strlen(expected));
	free(text);
}

/* Text read from a namespace of Linux 6.18 with the same links, addresses and routes. */
Test(proc, links_and_routes)
{
	file_is("dev",
		"Inter-|   Receive                                                |  Transmit\n"
		" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
		"compressed\n"
		"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n"
		"  tun0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n");
	file_is("route",
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
		"                                                       \n"
		"tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0"
		"                                                                               \n"
		"tun0\t0000A8C0\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0"
		"                                                                               \n");
	file_is("igmp", "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
			"1\tlo        :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"
			"2\ttun0      :     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n");
	file_is("arp", "IP address       HW type     Flags       HW address            Mask     Device\n");
}

Test(proc, sockets)
{
	static const char line[] = "   53: 0100A8C0:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 ";
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(53), .sin_addr = addr(LOCAL) };
	int64_t fd = pl_call_now(fixture.stack, PL_OP_socket, (const int64_t[6]){ AF_INET, SOCK_DGRAM, 0 });
	char *text = NULL;

	cr_assert_eq(pl_call_now(fixture.stack, PL_OP_bind, (const int64_t[6]){ fd, PL_PTR(&own), sizeof(own) }), 0);
	cr_assert_eq(pl_inspect_file(fixture.stack, "udp", &text), 2 * 128);
	cr_assert_arr_eq(text + 128, line, sizeof(line) - 1);
	free(text);
}

Test(proc, every_name_can_be_read_and_no_other)
{
	char *text = NULL;

	for (size_t i = 0; pl_inspect_names[i]; i++) {
		cr_assert_geq(pl_inspect_file(fixture.stack, pl_inspect_names[i], &text), 0, "%s", pl_inspect_names[i]);
		free(text);
	}
	cr_assert_eq(pl_inspect_file(fixture.stack, "nothing", &text), -ENOENT);
}
