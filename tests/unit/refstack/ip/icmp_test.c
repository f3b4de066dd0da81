#include "../support.h"

#include <netinet/ip_icmp.h>
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
TestSuite(icmp, .init = setup, .fini = teardown);

static size_t make_icmp(uint8_t *to, uint8_t type, uint8_t code, const void *data, size_t length)
{
	struct icmphdr header = { .type = type, .code = code, .un.echo = { htons(0x1234), htons(7) } };

	memcpy(to, &header, sizeof(header));
	memcpy(to + sizeof(header), data, length);
	header.checksum = sum(to, sizeof(header) + length);
	memcpy(to, &header, sizeof(header));
	return sizeof(header) + length;
}

static void inject_icmp(const char *destination, uint8_t type, const char *data)
{
	uint8_t icmp[256], packet[512];
	size_t length = make_icmp(icmp, type, 0, data, strlen(data));

	length = make_ip(packet, &(struct iphdr){ .tos = 0x1c }, REMOTE, destination, IPPROTO_ICMP, icmp, length);
	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
}

Test(icmp, echo_is_answered_with_its_data_and_tos)
{
	inject_icmp(LOCAL, ICMP_ECHO, "abcdefg");
	const struct sent_packet *sent = take(&fixture);
	struct iphdr ip;
	struct icmphdr icmp;

	memcpy(&ip, sent->bytes, sizeof(ip));
	memcpy(&icmp, sent->bytes + 20, sizeof(icmp));
	cr_assert_eq(sent->length, 20 + 8 + 7);
	cr_assert_eq(ip.saddr, addr(LOCAL).s_addr);
	cr_assert_eq(ip.daddr, addr(REMOTE).s_addr);
	cr_assert_eq(ip.tos, 0x1c);
	cr_assert_eq(ip.ttl, 64);
	cr_assert_eq(sum(sent->bytes, 20), 0);
	cr_assert_eq(sum(sent->bytes + 20, sent->length - 20), 0);
	cr_assert_eq(icmp.type, ICMP_ECHOREPLY);
	cr_assert_eq(ntohs(icmp.un.echo.id), 0x1234);
	cr_assert_arr_eq(sent->bytes + 28, "abcdefg", 7);
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Icmp", "InEchos", 1);
	COUNTER_IS(&fixture, "Icmp", "OutEchoReps", 1);
}

Test(icmp, echo_to_broadcast_is_ignored)
{
	inject_icmp("192.168.255.255", ICMP_ECHO, "x");
	cr_assert_eq(left(&fixture), 0);
	COUNTER_IS(&fixture, "Icmp", "InErrors", 1);
}

Test(icmp, unknown_protocol_is_unreachable)
{
	uint8_t packet[256];
	size_t length = make_ip(packet, NULL, REMOTE, LOCAL, 253, "0123456789", 10);

	cr_assert_eq(pl_link_input(fixture.stack, fixture.tun, packet, length), 0);
	const struct sent_packet *sent = take(&fixture);
	cr_assert_eq(sent->length, 20 + 8 + length);
	cr_assert_eq(sent->bytes[1], 0xc0);
	cr_assert_eq(sent->bytes[20], ICMP_DEST_UNREACH);
	cr_assert_eq(sent->bytes[21], ICMP_PROT_UNREACH);
	cr_assert_arr_eq(sent->bytes + 28, packet, length);
	COUNTER_IS(&fixture, "Ip", "InUnknownProtos", 1);
}
