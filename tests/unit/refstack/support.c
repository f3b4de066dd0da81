#include "support.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static void keep(void *context, const struct pl_frame *frame)
{
	struct fixture *fixture = context;

	fixture->sent = realloc(fixture->sent, (fixture->count + 1) * sizeof(*fixture->sent));
	cr_assert(fixture->sent && frame->length <= sizeof(fixture->sent->bytes));
	struct sent_packet *sent = &fixture->sent[fixture->count++];
	*sent = (struct sent_packet){ .ifindex = frame->ifindex, .time = frame->time, .length = frame->length,
				      .gso_size = frame->gso_size };
	memcpy(sent->bytes, frame->bytes, frame->length);
}

int fixture_link(struct fixture *fixture, const char *name, const char *address, unsigned prefix_length)
{
	int ifindex = pl_link_add(fixture->stack, &(struct pl_link_config){
		.name = name, .kind = PL_LINK_TUN, .output = keep, .context = fixture });
	struct pl_address own = { .local = addr(address), .prefix_length = prefix_length };

	cr_assert_gt(ifindex, 0);
	cr_assert_eq(pl_address_add(fixture->stack, ifindex, &own), 0);
	cr_assert_eq(pl_link_set_up(fixture->stack, ifindex, true), 0);
	return ifindex;
}

void fixture_new(struct fixture *fixture)
{
	*fixture = (struct fixture){ .stack = pl_stack_new(&(struct pl_stack_config){ .seed = 1 }) };
	cr_assert_not_null(fixture->stack);
	cr_assert_eq(pl_link_set_up(fixture->stack, pl_link_find(fixture->stack, "lo"), true), 0);
	fixture->tun = fixture_link(fixture, "tun0", LOCAL, 16);
	struct pl_route route = { .ifindex = fixture->tun };
	cr_assert_eq(pl_route_add(fixture->stack, &route, false), 0);
}

void fixture_free(struct fixture *fixture)
{
	pl_stack_free(fixture->stack);
	free(fixture->sent);
	*fixture = (struct fixture){ 0 };
}

size_t left(const struct fixture *fixture)
{
	return fixture->count - fixture->taken;
}

const struct sent_packet *take(struct fixture *fixture)
{
	cr_assert_lt(fixture->taken, fixture->count, "no packet was sent");
	return &fixture->sent[fixture->taken++];
}

struct in_addr addr(const char *text)
{
	struct in_addr address;

	cr_assert_eq(inet_pton(AF_INET, text, &address), 1);
	return address;
}

uint16_t sum(const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	uint32_t total = 0;

	for (size_t i = 0; i < length; i++)
		total += (uint32_t)from[i] << (i % 2 ? 0 : 8);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return htons((uint16_t)~total);
}

size_t make_ip(uint8_t *to, const struct iphdr *header, const char *source, const char *destination, uint8_t protocol,
	       const void *payload, size_t length)
{
	struct iphdr ip = header ? *header : (struct iphdr){ 0 };

	ip.version = ip.version ? ip.version : 4;
	ip.ihl = ip.ihl ? ip.ihl : 5;
	ip.ttl = ip.ttl ? ip.ttl : 64;
	ip.protocol = protocol;
	ip.saddr = addr(source).s_addr;
	ip.daddr = addr(destination).s_addr;
	ip.tot_len = ip.tot_len ? ip.tot_len : htons((uint16_t)(sizeof(ip) + length));
	memcpy(to, &ip, sizeof(ip));
	if (length)
		memcpy(to + sizeof(ip), payload, length);
	if (!ip.check) {
		ip.check = sum(to, ip.ihl * 4u < sizeof(ip) + length ? ip.ihl * 4u : sizeof(ip));
		memcpy(to, &ip, sizeof(ip));
	}
	return sizeof(ip) + length;
}
