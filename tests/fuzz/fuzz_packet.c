/*
 * The packet decoder, on bytes from anywhere: decoding never fails, printing and comparing what came of it never fails either,
 * and encoding it gives the same bytes again (but for bytes behind an IP packet, which belong to no layer).
 *
 * The first byte chooses where the packet begins: at an Ethernet header when it is odd.
 */
#include <stdlib.h>
#include <string.h>

#include "harness/arena.h"
#include "harness/wire/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct packet_rules strict = { .check_all = true }, plain = { 0 };
	struct packet_difference difference[4];
	struct packet packet, *copy;
	const char *error = NULL;
	struct arena *arena;
	uint8_t *bytes;
	size_t length;

	if (!size)
		return 0;
	arena = arena_new();
	packet_decode(data + 1, size - 1, data[0] & 1, arena, &packet);
	packet_print(&packet, arena, true);
	bytes = packet_encode(&packet, arena, &length, &error);
	if (!bytes || length > size - 1 || memcmp(bytes, data + 1, length))
		abort();
	copy = packet_clone(&packet, arena);
	if (packet_differ(copy, &packet, &strict, arena, difference, 4))
		abort();
	copy->decoded = false;
	packet_print(copy, arena, false);
	packet_print(packet_project(&packet, copy, arena), arena, false);
	/* Against a packet of other bytes: any answer will do. */
	packet_decode(data + 1, (size - 1) / 2, data[0] & 1, arena, &packet);
	packet_differ(copy, &packet, &plain, arena, difference, 4);
	packet_differ(&packet, copy, &strict, arena, difference, 4);
	packet_project(&packet, copy, arena);
	arena_free(arena);
	return 0;
}
