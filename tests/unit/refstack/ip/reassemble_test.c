#include "../support.h"

#include <netinet/ip_icmp.h>
#include <string.h>

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
	cr_assert_eq(pl_sysctl_write(fixture.stack, "net/ipv4/icmp_ratemask", "0", 1), 1);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(reassemble, .init = setup, .fini = teardown);

/* Bytes [from, to) of an echo request of 64 bytes as a fragment. */
static void inject(uint16_t id, unsigned from, unsigned to, uint8_t tos)
{
	uint8_t echo[64] = { ICMP_ECHO }, packet[128];

	for (unsigned i = 8; i < sizeof(echo); i++)
		echo[i] = (uint8_t)i;
	uint16_t check = sum(echo, sizeof(echo));
	memcpy(echo + 2, &check, sizeof(check));
	struct iphdr header = { .id = htons(id), .tos = tos, .frag_off = htons((uint16_t)(from / 8 | (to < 64 ? IP_MF : 0))) };
	size_t length = make_ip(packet, &header, REMOTE, LOCAL, IPPROTO_ICMP, echo + from, to - from);
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
}

Test(reassemble, every_order_gives_the_whole)
{
	static const unsigned cut[4] = { 0, 24, 48, 64 };
	static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

	for (uint16_t i = 0; i < 6; i++) {
		for (int k = 0; k < 3; k++) {
			cr_assert_eq(left(&fixture), 0);
			inject(i, cut[order[i][k]], cut[order[i][k] + 1], 0);
		}
		const struct sent_packet *reply = take(&fixture);
		cr_assert_eq(reply->length, 84);
		for (uint8_t b = 8; b < 64; b++)
			cr_assert_eq(reply->bytes[20 + b], b);
	}
	COUNTER_IS(&fixture, "Ip", "ReasmReqds", 18);
	COUNTER_IS(&fixture, "Ip", "ReasmOKs", 6);
	COUNTER_IS(&fixture, "Ip", "ReasmFails", 0);
}

/* RFC 5722: an overlap makes the datagram worthless, also for fragments that come afterwards. */
Test(reassemble, overlap_discards_the_datagram)
{
	inject(1, 0, 24, 0);
	inject(1, 16, 48, 0);
	COUNTER_IS(&fixture, "IpExt", "ReasmOverlaps", 1);
	COUNTER_IS(&fixture, "Ip", "ReasmFails", 1);
	inject(1, 24, 64, 0);
	cr_assert_eq(left(&fixture), 0);
	struct pl_usage usage;
	pl_usage(fixture.stack, &usage);
	cr_assert_eq(usage.packets, 1);	/* the last one waits for its own datagram */
}

Test(reassemble, duplicate_is_harmless)
{
	inject(1, 0, 24, 0);
	inject(1, 0, 24, 0);
	inject(1, 8, 16, 0);
	inject(1, 24, 64, 0);
	cr_assert_eq(take(&fixture)->length, 84);
	COUNTER_IS(&fixture, "Ip", "ReasmFails", 0);
}

Test(reassemble, timeout_tells_the_sender_only_with_the_first_fragment)
{
	inject(1, 0, 24, 0);
	inject(2, 24, 48, 0);
	pl_stack_run_until(fixture.stack, 30 * PL_NSEC_PER_SEC - 1);
	cr_assert_eq(left(&fixture), 0);
	pl_stack_run_until(fixture.stack, 30 * PL_NSEC_PER_SEC);
	const struct sent_packet *error = take(&fixture);
	cr_assert_eq(left(&fixture), 0);
	cr_assert_eq(error->bytes[20], ICMP_TIME_EXCEEDED);
	cr_assert_eq(error->bytes[21], ICMP_EXC_FRAGTIME);
	cr_assert_eq(error->length, 20 + 8 + 20 + 24);
	COUNTER_IS(&fixture, "Ip", "ReasmTimeout", 2);
	struct pl_usage usage;
	pl_usage(fixture.stack, &usage);
	cr_assert_eq(usage.packets + usage.timers, 0);
}

/* RFC 3168 section 5.3: CE on one fragment marks the whole; a mix of ECT and not-ECT is dropped. */
Test(reassemble, congestion_experienced)
{
	inject(1, 0, 24, 2);
	inject(1, 24, 64, 3);
	cr_assert_eq(take(&fixture)->bytes[1] & 3, 3);
	inject(2, 0, 24, 0);
	inject(2, 24, 64, 3);
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Ip", "ReasmFails", 1);
}

/* More than ipfrag_max_dist fragments of others in between: the id has come round, what was there is forgotten. */
Test(reassemble, distance)
{
	inject(1, 0, 24, 0);
	for (uint16_t id = 100; id < 165; id++)
		inject(id, 0, 24, 0);
	inject(1, 24, 64, 0);
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Ip", "ReasmFails", 1);
	inject(1, 0, 24, 0);
	cr_assert_eq(left(&fixture), 1);
}
