#include "../../../../refstack/ip/ip.h"
#include "../support.h"

static struct fixture fixture;
static void setup(void)
{
	fixture_new(&fixture);
}
static void teardown(void)
{
	fixture_free(&fixture);
}
TestSuite(output, .init = setup, .fini = teardown);

static int send_bytes(size_t length, struct ip_send *send)
{
	struct pktbuf *packet = pktbuf_new(fixture.stack, IP_HEADROOM, length);
	uint8_t *bytes = pktbuf_put(packet, length);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)i;
	send->source = addr(LOCAL);
	send->destination = addr(REMOTE);
	send->protocol = 253;
	return ip_send_packet(fixture.stack, packet, send);
}

static struct iphdr header_of(const struct sent_packet *sent)
{
	struct iphdr ip;

	memcpy(&ip, sent->bytes, sizeof(ip));
	cr_assert_eq(sum(sent->bytes, ip.ihl * 4u), 0);
	cr_assert_eq(ntohs(ip.tot_len), sent->length);
	return ip;
}

/* RFC 6864: a datagram that is never cut has no use for an id; others have ids that go up. */
Test(output, identification)
{
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = -1, .dont_fragment = true }), 0);
	struct iphdr ip = header_of(take(&fixture));
	cr_assert_eq(ip.id, 0);
	cr_assert_eq(ip.frag_off, htons(IP_DF));
	cr_assert_eq(ip.ttl, 64);
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = -1, .ttl = 3, .tos = 0x10 }), 0);
	ip = header_of(take(&fixture));
	cr_assert_eq(ip.ttl, 3);
	cr_assert_eq(ip.tos, 0x10);
	uint16_t first = ntohs(ip.id);
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = -1 }), 0);
	ip = header_of(take(&fixture));
	cr_assert_eq((uint16_t)(first + 1), ntohs(ip.id));
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = 77 }), 0);
	ip = header_of(take(&fixture));
	cr_assert_eq(ntohs(ip.id), 77);
}

Test(output, too_long_is_cut_in_eights_or_refused)
{
	cr_assert_eq(pl_link_set_mtu(fixture.stack, fixture.tun, 100), 0);
	cr_assert_eq(send_bytes(200, &(struct ip_send){ .id = 9, .dont_fragment = true }), -EMSGSIZE);
	COUNTER_IS(&fixture, "Ip", "FragFails", 1);
	cr_assert_eq(left(&fixture), 0);
	cr_assert_eq(send_bytes(200, &(struct ip_send){ .id = 9 }), 0);
	size_t offset = 0;
	static const size_t sizes[] = { 80, 80, 40 };
	for (int i = 0; i < 3; i++) {
		const struct sent_packet *sent = take(&fixture);
		struct iphdr ip = header_of(sent);

		cr_assert_eq(sent->length, 20 + sizes[i]);
		cr_assert_eq(ntohs(ip.id), 9);
		cr_assert_eq(ntohs(ip.frag_off), offset / 8 | (i < 2 ? IP_MF : 0));
		for (size_t b = 0; b < sizes[i]; b++)
			cr_assert_eq(sent->bytes[20 + b], (uint8_t)(offset + b));
		offset += sizes[i];
	}
	COUNTER_IS(&fixture, "Ip", "FragCreates", 3);
	COUNTER_IS(&fixture, "Ip", "FragOKs", 1);
}

Test(output, no_route_and_too_long_for_ip)
{
	struct pl_route route = { .ifindex = fixture.tun };

	cr_assert_eq(send_bytes(65516, &(struct ip_send){ .id = 9 }), -EMSGSIZE);
	cr_assert_eq(pl_route_delete(fixture.stack, &route), 0);
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = 9 }), -ENETUNREACH);
	COUNTER_IS(&fixture, "Ip", "OutNoRoutes", 1);
	struct pl_usage usage;
	pl_usage(fixture.stack, &usage);
	cr_assert_eq(usage.packets, 0);
}

Test(output, queue_of_no_length_drops)
{
	cr_assert_eq(pl_link_set_queue_limit(fixture.stack, fixture.tun, 0), 0);
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = 9 }), -ENOBUFS);
	cr_assert_eq(pl_link_set_queue_limit(fixture.stack, fixture.tun, 1), 0);
	cr_assert_eq(send_bytes(10, &(struct ip_send){ .id = 9 }), 0);
	cr_assert_eq(left(&fixture), 1);
}
