#include "../support.h"

#include <errno.h>
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
TestSuite(input, .init = setup, .fini = teardown);

static size_t packet_of(uint8_t *packet, const struct iphdr *header)
{
	return make_ip(packet, header, REMOTE, LOCAL, 253, "payload!", 8);
}

static void inject(const uint8_t *packet, size_t length)
{
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
}

/* Each check has its counter, and the first that fails is the one that counts. */
Test(input, each_fault_has_its_counter)
{
	uint8_t packet[64];

	packet_of(packet, NULL);
	inject(packet, 19);
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", 1);
	packet_of(packet, &(struct iphdr){ .check = 0x1234 });
	inject(packet, 28);
	COUNTER_IS(&fixture, "IpExt", "InCsumErrors", 1);
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", 2);
	packet_of(packet, &(struct iphdr){ .tot_len = htons(29) });
	inject(packet, 28);
	COUNTER_IS(&fixture, "IpExt", "InTruncatedPkts", 1);
	packet_of(packet, &(struct iphdr){ .tot_len = htons(19) });
	inject(packet, 28);
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", 3);
	packet_of(packet, NULL);
	packet[0] = 0x44;
	inject(packet, 28);
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", 4);
	COUNTER_IS(&fixture, "Ip", "InReceives", 5);
	COUNTER_IS(&fixture, "Ip", "InDelivers", 0);
	cr_assert_eq(left(&fixture), 0);
}

Test(input, what_the_link_padded_is_cut_off)
{
	uint8_t packet[64] = { 0 };

	packet_of(packet, NULL);
	inject(packet, 46);
	cr_assert_eq(take(&fixture)->length, 20 + 8 + 28);
}

Test(input, congestion_codepoints_are_counted)
{
	uint8_t packet[64];

	for (uint8_t tos = 0; tos < 4; tos++) {
		packet_of(packet, &(struct iphdr){ .tos = tos });
		inject(packet, 28);
	}
	COUNTER_IS(&fixture, "IpExt", "InNoECTPkts", 1);
	COUNTER_IS(&fixture, "IpExt", "InECT1Pkts", 1);
	COUNTER_IS(&fixture, "IpExt", "InECT0Pkts", 1);
	COUNTER_IS(&fixture, "IpExt", "InCEPkts", 1);
}

Test(input, what_is_no_packet_and_links_that_are_down)
{
	static const uint8_t bytes[] = { 0x70, 1, 2 };

	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, bytes, sizeof(bytes)), -EINVAL);
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, bytes, 0), -EINVAL);
	cr_assert_eq(pl_link_input(fixture.stack, 99, bytes, sizeof(bytes)), -ENODEV);
	cr_assert_eq(pl_link_set_up(fixture.stack, fixture.tun, false), 0);
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, bytes, sizeof(bytes)), -ENETDOWN);
	COUNTER_IS(&fixture, "Ip", "InReceives", 0);
}
