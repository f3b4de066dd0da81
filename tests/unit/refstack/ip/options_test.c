#include "../support.h"

#include <netinet/ip_icmp.h>
#include <string.h>

static struct fixture fixture;
static int tun1;
static void setup(void)
{
	fixture_new(&fixture);
	tun1 = fixture_link(&fixture, "tun1", "10.1.0.1", 24);
	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/icmp_ratemask", "0", 1), 1);
	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/ip_forward", "1", 1), 1);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(options, .init = setup, .fini = teardown);

/* An echo request with these options (length a multiple of four). */
static void inject(const char *destination, const void *options, size_t length)
{
	uint8_t echo[8] = { ICMP_ECHO, 0, 0xf7, 0xff }, payload[64], packet[128];
	struct iphdr header = { .ihl = 5 + length / 4 };

	memcpy(payload, options, length);
	memcpy(payload + length, echo, sizeof(echo));
	size_t total = make_ip(packet, &header, REMOTE, destination, IPPROTO_ICMP, payload, length + sizeof(echo));
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, total), 0);
}

Test(options, record_route_is_recorded_and_echoed)
{
	static const uint8_t option[12] = { IPOPT_RR, 11, 4 };

	inject(LOCAL, option, sizeof(option));
	const struct sent_packet *reply = take(&fixture);
	cr_assert_eq(reply->bytes[0], 0x48);
	cr_assert_eq(reply->bytes[22], 12);	/* this host on the way in and on the way out: full */
	cr_assert_arr_eq(reply->bytes + 23, (struct in_addr[]){ addr(LOCAL) }, 4);
	cr_assert_arr_eq(reply->bytes + 27, (struct in_addr[]){ addr(LOCAL) }, 4);
	cr_assert_eq(sum(reply->bytes, 32), 0);
}

Test(options, malformed_ones_are_pointed_at)
{
	static const struct {
		uint8_t option[4], pointer;
	} bad[] = { { { IPOPT_RR, 0, 0, 0 }, 20 },  { { IPOPT_RR, 2, 1, 1 }, 21 },     { { IPOPT_RR, 4, 3, 0 }, 22 },
		    { { 1, IPOPT_RR, 9, 4 }, 21 },  { { IPOPT_TS, 4, 4, 0 }, 22 },     { { IPOPT_TS, 4, 5, 0xf0 }, 23 },
		    { { IPOPT_LSRR, 3, 3, 0 }, 22 }, { { IPOPT_RA, 3, 0, 0 }, 21 },     { { 1, 1, 1, 0x94 }, 23 } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		inject(LOCAL, bad[i].option, 4);
		const struct sent_packet *error = take(&fixture);
		const uint8_t *icmp = error->bytes + (error->bytes[0] & 15) * 4;

		cr_assert_eq(icmp[0], ICMP_PARAMETERPROB, "%zu", i);
		cr_assert_eq(icmp[4], bad[i].pointer, "%zu: %u", i, icmp[4]);
	}
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", (int64_t)(sizeof(bad) / sizeof(bad[0])));
}

Test(options, loose_source_route_is_followed)
{
	uint8_t option[8] = { IPOPT_LSRR, 7, 4 };

	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/conf/all/accept_source_route", "1", 1), 1);
	memcpy(option + 3, (struct in_addr[]){ addr("10.1.0.7") }, 4);
	inject(LOCAL, option, sizeof(option));
	const struct sent_packet *passed = take(&fixture);
	cr_assert_eq(passed->ifindex, tun1);
	cr_assert_arr_eq(passed->bytes + 16, (struct in_addr[]){ addr("10.1.0.7") }, 4);
	cr_assert_arr_eq(passed->bytes + 23, (struct in_addr[]){ addr("10.1.0.1") }, 4);	/* the link it left by */
	cr_assert_eq(passed->bytes[22], 8);
	cr_assert_eq(passed->bytes[8], 63);
	cr_assert_eq(sum(passed->bytes, 28), 0);
	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/conf/all/accept_source_route", "0", 1), 1);
	inject(LOCAL, option, sizeof(option));
	cr_assert_eq(left(&fixture), 0);
}
