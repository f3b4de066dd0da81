#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/engine/trace.h"
#include "harness/wire/pcap.h"

static struct arena *arena;
static char folder[] = "/tmp/plumbline-pcap-XXXXXX";
static const char *path;

static void set_up(void)
{
	arena = arena_new();
	cr_assert(mkdtemp(folder));
	path = arena_printf(arena, "%s/test.pcap", folder);
}

static void tear_down(void)
{
	unlink(path);
	rmdir(folder);
	arena_free(arena);
}

TestSuite(pcap, .init = set_up, .fini = tear_down);

static uint8_t *contents(size_t *length)
{
	uint8_t *bytes = arena_alloc(arena, 1 << 20);
	FILE *file = fopen(path, "r");

	cr_assert(file);
	*length = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

static uint32_t word(const uint8_t *bytes, unsigned i)
{
	uint32_t value;

	memcpy(&value, bytes + 4 * i, 4);
	return value;
}

Test(pcap, header_and_records)
{
	struct pcap_file *file = pcap_file_create(path, false);
	uint8_t packet[20] = { 0x45 }, *bytes;
	size_t length;

	pcap_file_add(file, INT64_C(3000000005), false, packet, sizeof(packet), arena);
	cr_assert_eq(pcap_file_close(file), 0);
	bytes = contents(&length);
	cr_assert_eq(length, 24 + 16 + 20);
	cr_assert_eq(word(bytes, 0), 0xa1b23c4d);
	cr_assert_eq(word(bytes, 4), PCAP_SNAP_LENGTH);
	cr_assert_eq(word(bytes, 5), 101);
	cr_assert_eq(word(bytes, 6), 3);
	cr_assert_eq(word(bytes, 7), 5);
	cr_assert_eq(word(bytes, 8), 20);
	cr_assert_eq(word(bytes, 9), 20);
	cr_assert_arr_eq(bytes + 40, packet, 20);
}

/* Where both kinds of links meet, packets without an Ethernet header get one. */
Test(pcap, one_link_type_a_file)
{
	struct trace trace = { .ethernet_links = 2, .count = 2 };
	static const uint8_t frame[34] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45 };
	struct trace_entry entries[2] = {
		{ .kind = TRACE_PACKET_OUT, .link = 0, .bytes = frame + 14, .length = 20, .time = 1 },
		{ .kind = TRACE_PACKET_IN, .link = 1, .bytes = frame, .length = 34, .time = 2 },
	};
	size_t length;
	uint8_t *bytes;

	trace.entry = entries;
	cr_assert_eq(pcap_write_trace(path, &trace), 0);
	bytes = contents(&length);
	cr_assert_eq(word(bytes, 5), 1);
	cr_assert_eq(length, 24 + 2 * (16 + 34));
	cr_assert_eq(bytes[24 + 16 + 12], 8);
	cr_assert_arr_eq(bytes + 24 + 16 + 34 + 16, frame, 34);
}

/* A checksum that was left to the device is what the device would have made it, also in one large segment. */
Test(pcap, checksums_left_to_the_device_are_completed)
{
	struct packet *large = tcp_packet(arena, WIRE_ACK, 1, 60000, 1), decoded;
	struct pcap_file *file = pcap_file_create(path, false);
	unsigned pseudo = 0xc0a8 + 1 + 0xc000 + 0x0201 + 6 + 60020;
	uint8_t *bytes;
	size_t length;

	wire_set(&large->layer[1], WF_TCP_CHECKSUM, (pseudo & 0xffff) + (pseudo >> 16));
	bytes = encode(large, arena, &length);
	pcap_file_add(file, 0, false, bytes, length, arena);
	cr_assert_eq(pcap_file_close(file), 0);
	bytes = contents(&length);
	cr_assert_eq(length, 24 + 16 + 60040);
	packet_decode(bytes + 40, length - 40, false, arena, &decoded);
	cr_assert_eq(decoded.layer[1].checksum, CHECKSUM_RIGHT);
	cr_assert_eq(decoded.payload_length, 60000);
}

Test(pcap, a_wrong_checksum_stays_wrong)
{
	struct packet *packet = tcp_packet(arena, WIRE_ACK, 1, 0, 1);
	struct pcap_file *file = pcap_file_create(path, false);
	uint8_t *bytes, *written;
	size_t length, total;

	wire_set(&packet->layer[1], WF_TCP_CHECKSUM, 0xdead);
	bytes = encode(packet, arena, &length);
	pcap_file_add(file, 0, false, bytes, length, arena);
	cr_assert_eq(pcap_file_close(file), 0);
	written = contents(&total);
	cr_assert_arr_eq(written + 40, bytes, length);
}

Test(pcap, failures_are_told)
{
	struct trace trace = { 0 };

	cr_assert_eq(pcap_write_trace("/nonexistent/folder/x.pcap", &trace), -ENOENT);
	if (access("/dev/full", W_OK) == 0)
		cr_assert_eq(pcap_write_trace("/dev/full", &trace), -ENOSPC);
}
