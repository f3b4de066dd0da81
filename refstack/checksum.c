/*
 * The Internet checksum, RFC 1071. Sums are kept as the 16-bit words lie in memory, so that a finished checksum is stored
 * without swapping; a sum that starts at an odd byte is rotated by the caller's choice of even offsets, which is all that the
 * protocols here need.
 */
#include <arpa/inet.h>

#include "pktbuf.h"

#include <string.h>

static uint32_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t checksum_add(const void *bytes, size_t length, uint32_t seed)
{
	const uint8_t *from = bytes;
	uint64_t sum = seed;

	for (; length >= 4; length -= 4, from += 4) {
		uint32_t word;

		memcpy(&word, from, sizeof(word));
		sum += word;
	}
	if (length >= 2) {
		uint16_t half;

		memcpy(&half, from, sizeof(half));
		sum += half;
		from += 2;
		length -= 2;
	}
	if (length) {
		uint16_t half = 0;

		memcpy(&half, from, 1);
		sum += half;
	}
	return fold(sum);
}

uint16_t checksum_finish(uint32_t sum)
{
	return (uint16_t)~fold(sum);
}

uint32_t checksum_pseudo(struct in_addr source, struct in_addr destination, uint8_t protocol, uint32_t length)
{
	uint64_t sum = (uint64_t)source.s_addr + destination.s_addr + htonl(protocol) + htonl(length);

	return fold(sum);
}
