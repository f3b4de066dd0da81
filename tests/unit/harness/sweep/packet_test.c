#include <criterion/criterion.h>
#include <string.h>

#include "harness/sweep/packet.h"

static struct far_end far = { .names = { .remote = FAR_NETWORK + 16, .has_iss = true, .iss = 5000000 }, .next = FAR_ISN + 1,
			      .acknowledged = 5000001, .stamp = 77 };

static unsigned kind(const char *name)
{
	for (unsigned i = 0; i < packet_kinds(); i++)
		if (!strcmp(packet_kind_name(i), name))
			return i;
	cr_assert_fail("no packet %s", name);
	return 0;
}

static unsigned field(const char *name)
{
	for (unsigned i = 0; i < packet_fields(); i++)
		if (!strcmp(packet_field_name(i), name))
			return i;
	cr_assert_fail("no field %s", name);
	return 0;
}

static uint8_t mapped[PACKET_ROOM];

static size_t map(const struct packet *packet)
{
	return packet_map(packet->bytes, packet->length, &far.names, mapped, sizeof(mapped));
}

/* Of a mapped packet: 1 right, 2 wrong. */
static unsigned checksum_at(size_t at)
{
	return (unsigned)(mapped[at] << 8 | mapped[at + 1]);
}

Test(packet, every_kind_is_valid)
{
	for (unsigned i = 0; i < packet_kinds(); i++) {
		struct packet packet;

		packet_make(i, &far, &packet);
		cr_assert_eq(map(&packet), packet.length);
		cr_assert_eq(checksum_at(10), 1, "%s: checksum of the IP header", packet_kind_name(i));
		cr_assert_eq((size_t)(packet.bytes[2] << 8 | packet.bytes[3]), packet.length, "%s", packet_kind_name(i));
		if (packet_kind_layers(i) & LAYER_TCP)
			cr_assert_eq(checksum_at(packet.transport + 16), 1, "%s", packet_kind_name(i));
		if (packet_kind_layers(i) & LAYER_UDP && !packet.fragment)
			cr_assert_eq(checksum_at(packet.transport + 6), 1, "%s", packet_kind_name(i));
		if (packet_kind_layers(i) & LAYER_ICMP)
			cr_assert_eq(checksum_at(packet.transport + 2), 1, "%s", packet_kind_name(i));
	}
}

Test(packet, a_field_is_set_and_the_checksums_follow)
{
	struct packet packet;

	packet_make(kind("tcp-data"), &far, &packet);
	packet_set_field(&packet, field("ip.tos"), 1);	/* the value 1 */
	cr_assert_eq(packet.bytes[1], 1);
	packet_set_field(&packet, field("tcp.flags"), 0x2f);
	cr_assert_eq(packet.bytes[packet.transport + 13], 0x2f);
	map(&packet);
	cr_assert_eq(checksum_at(10), 1);
	cr_assert_eq(checksum_at(packet.transport + 16), 1);
}

Test(packet, a_checksum_that_is_set_stays_wrong)
{
	struct packet packet;

	packet_make(kind("udp"), &far, &packet);
	packet_set_field(&packet, field("udp.checksum"), 13);	/* one more than it is */
	map(&packet);
	cr_assert_eq(checksum_at(packet.transport + 6), 2);
	cr_assert_eq(checksum_at(10), 1);
	packet_make(kind("udp"), &far, &packet);
	packet_set_field(&packet, field("ip.checksum"), 13);
	map(&packet);
	cr_assert_eq(checksum_at(10), 2);
	cr_assert_eq(checksum_at(packet.transport + 6), 1);
}

Test(packet, cut_with_a_header_that_fits_or_not)
{
	struct packet packet;

	packet_make(kind("icmp-echo"), &far, &packet);
	packet_truncate(&packet, 30, false);
	cr_assert_eq(packet.length, 30);
	cr_assert_eq(packet.bytes[3], 36);
	packet_make(kind("icmp-echo"), &far, &packet);
	packet_truncate(&packet, 30, true);
	cr_assert_eq(packet.bytes[3], 30);
	map(&packet);
	cr_assert_eq(checksum_at(22), 1);
	for (size_t length = 0; length < 36; length++) {
		packet_make(kind("icmp-echo"), &far, &packet);
		packet_truncate(&packet, length, true);
		cr_assert_eq(packet.length, length);
	}
}

Test(packet, names_of_the_far_end_and_of_sequence_numbers)
{
	struct packet packet;

	packet_make(kind("tcp-ack"), &far, &packet);
	map(&packet);
	/* 192.0.2.1, and one after the stack's first number. */
	cr_assert_arr_eq(mapped + 12, "\xc0\x00\x02\x01", 4);
	cr_assert_arr_eq(mapped + 28, "\x10\x00\x00\x01", 4);
	cr_assert_arr_eq(mapped + 24, "\x00\x00\x03\xe9", 4);
	packet_map(packet.bytes, packet.length, NULL, mapped, sizeof(mapped));
	cr_assert_arr_eq(mapped + 28, "\x00\x00\x00\x01", 4);
}

/* An ICMP error, quoting `packet` from its `changed`th byte on with one bit other than it was sent; 0: as it was sent. */
static void map_quoting(const struct packet *packet, size_t changed)
{
	struct packet error;

	packet_make(kind("icmp-unreachable-99"), &far, &error);
	memcpy(error.bytes + 28, packet->bytes, packet->length);
	error.length = 28 + packet->length;
	error.bytes[28 + changed] ^= changed ? 1 : 0;
	far.names.sent = packet->bytes;
	far.names.sent_length = packet->length;
	map(&error);
	far.names.sent = NULL;
}

Test(packet, a_quotation_of_what_was_sent_is_told_as_that)
{
	uint8_t told[PACKET_ROOM];
	struct packet packet;

	packet_make(kind("tcp-ack"), &far, &packet);
	packet_set_field(&packet, field("ip.header-length"), 13);
	map_quoting(&packet, 0);
	memcpy(told, mapped + 48, packet.length - 20);
	/* Another connection's numbers make no difference, a byte that is not what was sent does. */
	packet.bytes[31] ^= 7;
	map_quoting(&packet, 0);
	cr_assert_arr_eq(told, mapped + 48, packet.length - 20);
	map_quoting(&packet, 33);
	cr_assert_arr_neq(told, mapped + 48, packet.length - 20);
}

Test(packet, numbers_near_half_the_space_away_are_relative_too)
{
	struct packet packet;

	packet_make(kind("tcp-ack"), &far, &packet);
	packet.bytes[packet.transport + 8] ^= 0x80;
	map(&packet);
	cr_assert_arr_eq(mapped + 28, "\x90\x00\x00\x01", 4);
}

Test(packet, short_and_foreign_packets_are_noise_or_copied)
{
	uint8_t bytes[64] = { 0x60 }, to[64];

	cr_assert(packet_is_noise(bytes, sizeof(bytes)));
	bytes[0] = 0x45;
	cr_assert(packet_is_noise(bytes, 19));
	bytes[9] = 2;
	cr_assert(packet_is_noise(bytes, sizeof(bytes)));
	/* Whatever the header says, nothing behind the packet is looked at. */
	for (unsigned first = 0x40; first < 0x50; first++)
		for (unsigned protocol = 0; protocol < 256; protocol++)
			for (size_t length = 20; length < 64; length++) {
				bytes[0] = (uint8_t)first;
				bytes[9] = (uint8_t)protocol;
				cr_assert_eq(packet_map(bytes, length, &far.names, to, sizeof(to)), length);
			}
}
