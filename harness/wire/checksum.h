/* The Internet checksum (RFC 1071), the harness's own. */
#ifndef HARNESS_WIRE_CHECKSUM_H
#define HARNESS_WIRE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * A running one's complement sum over big-endian 16-bit words. Every piece but the last must have an even length. Start from 0;
 * wire_checksum_fold brings it to 16 bits, and the checksum field holds the complement of that.
 */
uint64_t wire_checksum_add(uint64_t sum, const uint8_t *bytes, size_t length);
uint16_t wire_checksum_fold(uint64_t sum);

/* The sum of the pseudo-header (RFC 9293 3.1, RFC 768; RFC 8200 8.1): addresses as in the IP header, 4 or 16 bytes each. */
uint64_t wire_checksum_pseudo(const uint8_t *source, const uint8_t *destination, size_t address_length, uint8_t protocol,
			 uint32_t length);

#endif
