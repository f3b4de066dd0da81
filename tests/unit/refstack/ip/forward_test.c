#include "../support.h"

#include <netinet/ip_icmp.h>
#include <string.h>

static struct fixture fixture;
static int tun1;

static void tune(const char *path, const char *value)
{
	cr_assert_eq(pl_sysctl_write(fixture.stack, path, value, strlen(value)), (ssize_t)strlen(value), "%s", path);
}

static void setup(void)
{
	fixture_new(&fixture);
	tun1 = fixture_link(&fixture, "tun1", "10.1.0.1", 24);
	tune("net/ipv4/ip_forward", "1");
	tune("net/ipv4/icmp_ratemask", "0");
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(forward, .init = setup, .fini = teardown);

static void pass(const char *source, const char *destination, uint8_t ttl, uint16_t fragment, size_t payload)
{
	static const uint8_t zeros[1480];
	uint8_t packet[1500];
	struct iphdr header = { .ttl = ttl, .frag_off = htons(fragment), .id = htons(7) };
	size_t length = make_ip(packet, &header, source, destination, IPPROTO_UDP, zeros, payload);

	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
}

Test(forward, hop_count_goes_down)
{
	pass("192.168.0.5", "10.1.0.5", 9, 0, 100);
	const struct sent_packet *sent = take(&fixture);
	cr_assert_eq(sent->ifindex, tun1);
	cr_assert_eq(sent->bytes[8], 8);
	cr_assert_eq(sum(sent->bytes, 20), 0);
	COUNTER_IS(&fixture, "Ip", "ForwDatagrams", 1);
	COUNTER_IS(&fixture, "Ip", "OutRequests", 0);
}

Test(forward, hop_count_used_up)
{
	pass("192.168.0.5", "10.1.0.5", 1, 0, 100);
	const struct sent_packet *sent = take(&fixture);
	cr_assert_eq(sent->ifindex, fixture.tun);
	cr_assert_eq(sent->bytes[20], ICMP_TIME_EXCEEDED);
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Ip", "InHdrErrors", 1);
}

Test(forward, too_long_for_the_next_link)
{
	cr_assert_eq(pl_link_set_mtu(fixture.stack, tun1, 600), 0);
	pass("192.168.0.5", "10.1.0.5", 64, IP_DF, 1000);
	const struct sent_packet *sent = take(&fixture);
	cr_assert_eq(sent->ifindex, fixture.tun);
	cr_assert_eq(sent->bytes[20], ICMP_DEST_UNREACH);
	cr_assert_eq(sent->bytes[21], ICMP_FRAG_NEEDED);
	cr_assert_eq(sent->bytes[26] << 8 | sent->bytes[27], 600);
	cr_assert_eq(sent->length, 576);
	pass("192.168.0.5", "10.1.0.5", 64, 0, 1000);
	cr_assert_eq(take(&fixture)->length, 20 + 576);
	cr_assert_eq(take(&fixture)->length, 20 + 424);
	cr_assert_eq(left(&fixture), 0);
}

Test(forward, off_means_off)
{
	tune("net/ipv4/ip_forward", "0");
	pass("192.168.0.5", "10.1.0.5", 64, 0, 100);
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Ip", "InAddrErrors", 1);
}

/* A neighbour that could have used the gateway itself is told so, ever less often. */
Test(forward, redirects_back_off)
{
	struct pl_route route = { .destination = addr("10.9.0.0"), .prefix_length = 16, .gateway = addr("192.168.0.7") };
	unsigned redirects = 0;

	cr_assert_eq(pl_route_add(fixture.stack, &route, false), 0);
	for (int i = 0; i < 100; i++) {
		pass("192.168.0.5", "10.9.0.1", 64, 0, 8);
		while (left(&fixture)) {
			const struct sent_packet *sent = take(&fixture);

			if (sent->bytes[9] != IPPROTO_ICMP)
				continue;
			redirects++;
			cr_assert_eq(sent->bytes[20], ICMP_REDIRECT);
			cr_assert_arr_eq(sent->bytes + 24, (struct in_addr[]){ addr("192.168.0.7") }, 4);
		}
		pl_stack_run_until(fixture.stack, pl_stack_now(fixture.stack) + 10 * PL_NSEC_PER_MSEC);
	}
	cr_assert_eq(redirects, 5);	/* 0, 40+, 80+, 160+, 320+ ms apart in a second */
}
