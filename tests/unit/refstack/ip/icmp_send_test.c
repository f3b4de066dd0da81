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
TestSuite(icmp_send, .init = setup, .fini = teardown);

static size_t inject(const struct iphdr *header, const char *source, const char *destination, uint8_t protocol, const void *payload,
		     size_t length)
{
	uint8_t packet[1600];
	size_t before = fixture.count;

	length = make_ip(packet, header, source, destination, protocol, payload, length);
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
	return fixture.count - before;
}

/* RFC 1122 section 3.2.2: never about a broadcast, a multicast, a later fragment, from a source that is no single host. */
Test(icmp_send, what_no_error_is_about)
{
	cr_assert_eq(inject(NULL, REMOTE, LOCAL, 253, "x", 1), 1);
	cr_assert_eq(inject(NULL, REMOTE, "192.168.255.255", 253, "x", 1), 0);
	cr_assert_eq(inject(NULL, REMOTE, "255.255.255.255", 253, "x", 1), 0);
	cr_assert_eq(inject(NULL, REMOTE, "224.0.0.1", 253, "x", 1), 0);
	cr_assert_eq(inject(NULL, "224.0.0.9", LOCAL, 253, "x", 1), 0);
	cr_assert_eq(inject(NULL, "127.0.0.1", LOCAL, 253, "x", 1), 0);
	cr_assert_eq(inject(NULL, LOCAL, LOCAL, 253, "x", 1), 0);
}

/* An error whose own options are wrong gets no answer; a request whose options are wrong does. */
Test(icmp_send, no_error_about_an_error)
{
	struct iphdr header = { .ihl = 6 };
	uint8_t bytes[40] = { IPOPT_RR, 0, 0, 0, ICMP_DEST_UNREACH };

	cr_assert_eq(inject(&header, REMOTE, LOCAL, IPPROTO_ICMP, bytes, sizeof(bytes)), 0);
	bytes[4] = ICMP_ECHO;
	cr_assert_eq(inject(&header, REMOTE, LOCAL, IPPROTO_ICMP, bytes, sizeof(bytes)), 1);
	bytes[4] = 99;	/* unknown: could be an error */
	cr_assert_eq(inject(&header, REMOTE, LOCAL, IPPROTO_ICMP, bytes, sizeof(bytes)), 0);
}

Test(icmp_send, quotes_up_to_576_bytes_with_precedence)
{
	static uint8_t payload[1400];
	struct iphdr header = { .tos = 0x1c };

	cr_assert_eq(inject(&header, REMOTE, LOCAL, 253, payload, sizeof(payload)), 1);
	const struct sent_packet *sent = take(&fixture);
	cr_assert_eq(sent->length, 576);
	cr_assert_eq(sent->bytes[1], 0xdc);	/* internetwork control, the type of service kept */
	cr_assert_arr_eq(sent->bytes + 12, (struct in_addr[]){ addr(LOCAL) }, 4);
	cr_assert_eq(sum(sent->bytes + 20, sent->length - 20), 0);
}
