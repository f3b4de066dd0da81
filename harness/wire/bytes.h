/* Numbers in network order. */
#ifndef HARNESS_WIRE_BYTES_H
#define HARNESS_WIRE_BYTES_H

#include <stdint.h>

static inline unsigned get16(const uint8_t *bytes)
{
	return (unsigned)bytes[0] << 8 | bytes[1];
}

static inline uint32_t get32(const uint8_t *bytes)
{
	return (uint32_t)get16(bytes) << 16 | get16(bytes + 2);
}

static inline uint64_t get48(const uint8_t *bytes)
{
	return (uint64_t)get16(bytes) << 32 | get32(bytes + 2);
}

#endif
