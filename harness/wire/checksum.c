#include "checksum.h"

uint64_t wire_checksum_add(uint64_t sum, const uint8_t *bytes, size_t length)
{
	size_t i;

	for (i = 0; i + 1 < length; i += 2)
		sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	if (length & 1)
		sum += (uint32_t)(bytes[length - 1] << 8);
	return sum;
}

uint16_t wire_checksum_fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint64_t wire_checksum_pseudo(const uint8_t *source, const uint8_t *destination, size_t address_length, uint8_t protocol,
			 uint32_t length)
{
	uint64_t sum = wire_checksum_add(wire_checksum_add(0, source, address_length), destination, address_length);

	return sum + protocol + (length >> 16) + (length & 0xffff);
}
