/* A stack with two Ethernet links, and frames made and looked at, for the tests of link/. */
#ifndef TESTS_FRAMES_H
#define TESTS_FRAMES_H

#include <linux/if_ether.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>

#include "../calls.h"

#define OWN "10.0.0.1"
#define PEER "10.0.0.2"
#define OTHER "10.0.0.3"

static const uint8_t own_hwaddr[6] = { PL_HWADDR_OWN(0) }, peer_hwaddr[6] = { PL_HWADDR_PEER(0) },
		     other_hwaddr[6] = { 2, 0, 0, 0, 9, 9 }, everybody[6] = { 255, 255, 255, 255, 255, 255 }, nobody[6];

/* eth0 with 10.0.0.1/24 and eth1 with 10.0.1.1/24, up, in a stack of nothing else but lo. */
struct wire {
	struct fixture fixture;
	struct pl_stack *stack;
	int eth0, eth1;
};

static inline void frame_out(void *context, const struct pl_frame *frame)
{
	struct fixture *fixture = context;

	fixture->sent = realloc(fixture->sent, (fixture->count + 1) * sizeof(*fixture->sent));
	struct sent_packet *sent = &fixture->sent[fixture->count++];
	*sent = (struct sent_packet){ .ifindex = frame->ifindex, .time = frame->time, .length = frame->length };
	memcpy(sent->bytes, frame->bytes, frame->length);
}

static inline int wire_link(struct wire *wire, const char *name, const char *address)
{
	int ifindex = pl_link_add(wire->stack, &(struct pl_link_config){
		.name = name, .kind = PL_LINK_ETHERNET, .output = frame_out, .context = &wire->fixture });

	cr_assert_gt(ifindex, 0);
	cr_assert_eq(pl_link_set_up(wire->stack, ifindex, true), 0);
	struct pl_address own = { .local = addr(address), .prefix_length = 24 };
	cr_assert_eq(pl_address_add(wire->stack, ifindex, &own), 0);
	return ifindex;
}

static inline void wire_new(struct wire *wire, bool first_namespace)
{
	*wire = (struct wire){ 0 };
	wire->stack = wire->fixture.stack =
	    pl_stack_new(&(struct pl_stack_config){ .seed = 1, .first_namespace = first_namespace });
	cr_assert_not_null(wire->stack);
	pl_link_set_up(wire->stack, pl_link_find(wire->stack, "lo"), true);
	wire->eth0 = wire_link(wire, "eth0", OWN);
	wire->eth1 = wire_link(wire, "eth1", "10.0.1.1");
}

static inline void wire_free(struct wire *wire)
{
	fixture_free(&wire->fixture);
}

static inline void tune(struct wire *wire, const char *path, const char *text)
{
	cr_assert_eq(pl_sysctl_write(wire->stack, path, text, strlen(text)), (ssize_t)strlen(text), "%s=%s", path, text);
}

static inline void run_for(struct wire *wire, double seconds)
{
	pl_stack_run_until(wire->stack, pl_stack_now(wire->stack) + (pl_time)(seconds * 1e9 + .5));
}

/* A frame arrives: 14 bytes of header, then these. */
static inline int frame_in(struct wire *wire, int ifindex, const uint8_t *to, const uint8_t *from, uint16_t protocol,
			   const void *bytes, size_t length)
{
	uint8_t frame[2048];

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = (uint8_t)(protocol >> 8);
	frame[13] = (uint8_t)protocol;
	memcpy(frame + 14, bytes, length);
	return pl_link_input(wire->stack, ifindex, frame, 14 + length);
}

struct arp_text {		/* of Ethernet and IPv4; what is NULL is zero */
	uint16_t operation;
	const uint8_t *sender_hwaddr;
	const char *sender;
	const uint8_t *target_hwaddr;
	const char *target;
	const uint8_t *to;	/* of the frame; NULL: everybody */
};

static inline void arp_bytes(uint8_t bytes[28], const struct arp_text *arp)
{
	struct in_addr sender = arp->sender ? addr(arp->sender) : (struct in_addr){ 0 };
	struct in_addr target = arp->target ? addr(arp->target) : (struct in_addr){ 0 };

	memcpy(bytes, (const uint8_t[8]){ 0, 1, 8, 0, 6, 4, 0, (uint8_t)arp->operation }, 8);
	memcpy(bytes + 8, arp->sender_hwaddr ? arp->sender_hwaddr : nobody, 6);
	memcpy(bytes + 14, &sender, 4);
	memcpy(bytes + 18, arp->target_hwaddr ? arp->target_hwaddr : nobody, 6);
	memcpy(bytes + 24, &target, 4);
}

static inline void arp_in(struct wire *wire, int ifindex, struct arp_text arp)
{
	uint8_t bytes[28];

	arp_bytes(bytes, &arp);
	frame_in(wire, ifindex, arp.to ? arp.to : everybody, arp.sender_hwaddr ? arp.sender_hwaddr : nobody, ETH_P_ARP, bytes,
		 sizeof(bytes));
}

/* PEER tells its hardware address to this host. */
static inline void reply_in(struct wire *wire, const uint8_t *hwaddr)
{
	arp_in(wire, wire->eth0, (struct arp_text){ .operation = ARPOP_REPLY, .sender_hwaddr = hwaddr, .sender = PEER,
						    .target_hwaddr = own_hwaddr, .target = OWN, .to = own_hwaddr });
}

/* The next frame sent is this ARP packet, to arp.to. Its time. */
static inline pl_time arp_out(struct wire *wire, struct arp_text arp)
{
	const struct sent_packet *sent = take(&wire->fixture);
	uint8_t bytes[28];

	arp_bytes(bytes, &arp);
	cr_assert_eq(sent->length, 42);
	cr_assert_arr_eq(sent->bytes, arp.to ? arp.to : everybody, 6, "destination");
	cr_assert_arr_eq(sent->bytes + 6, arp.sender_hwaddr, 6, "source");
	cr_assert_arr_eq(sent->bytes + 12, "\x08\x06", 2);
	cr_assert_arr_eq(sent->bytes + 14, bytes, 28);
	return sent->time;
}

static inline pl_time request_out(struct wire *wire, const char *target, const uint8_t *to)
{
	return arp_out(wire, (struct arp_text){ .operation = ARPOP_REQUEST, .sender_hwaddr = own_hwaddr, .sender = OWN,
						.target = target, .to = to });
}

/* The next frame is an IPv4 packet to that hardware address. */
static inline const struct sent_packet *ip_out(struct wire *wire, const uint8_t *to)
{
	const struct sent_packet *sent = take(&wire->fixture);

	cr_assert_arr_eq(sent->bytes + 12, "\x08\x00", 2);
	cr_assert_arr_eq(sent->bytes, to, 6);
	return sent;
}

static inline void nothing_out(struct wire *wire)
{
	cr_assert_eq(left(&wire->fixture), 0, "%zu frames were sent", left(&wire->fixture));
}

/* /proc/net/arp has a line of that address that contains `text`; NULL: no line. */
static inline void arp_file_has(struct wire *wire, const char *address, const char *text)
{
	char *file, *line, spaced[32];

	cr_assert_gt(pl_inspect_file(wire->stack, "arp", &file), 0);
	snprintf(spaced, sizeof(spaced), "\n%s ", address);
	line = strstr(file, spaced);
	if (!text) {
		cr_assert_null(line, "%s", file);
	} else {
		cr_assert_not_null(line, "no %s in: %s", address, file);
		line[1 + strcspn(line + 1, "\n")] = 0;
		cr_assert_not_null(strstr(line, text), "no %s in: %s", text, line);
	}
	free(file);
}

static inline int64_t send_udp(struct wire *wire, int fd, const char *to, int flags)
{
	struct sockaddr_in name = socket_address(to, 9);

	return CALL(&wire->fixture, sendto, fd, PL_PTR("hello"), 5, flags, PL_PTR(&name), sizeof(name));
}

#endif
