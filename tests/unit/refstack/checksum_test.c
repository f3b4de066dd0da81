#include "../../../refstack/pktbuf.h"
#include "support.h"

/* The worked example of RFC 1071 section 3. */
Test(checksum, rfc1071_example)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	cr_assert_eq(checksum_finish(checksum_add(bytes, sizeof(bytes), 0)), htons((uint16_t)~0xddf2));
}

Test(checksum, any_length_and_alignment_agrees_with_a_plain_sum)
{
	uint8_t bytes[300];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 37 + 255);
	for (size_t start = 0; start < 8; start++)
		for (size_t length = 0; length < 280; length++)
			cr_assert_eq(checksum_finish(checksum_add(bytes + start, length, 0)), sum(bytes + start, length));
}

Test(checksum, pieces_of_even_length_add_up)
{
	uint8_t bytes[64];

	memset(bytes, 0xff, sizeof(bytes));
	bytes[13] = 7;
	for (size_t cut = 0; cut <= 64; cut += 2)
		cr_assert_eq(checksum_finish(checksum_add(bytes + cut, 64 - cut, checksum_add(bytes, cut, 0))), sum(bytes, 64));
}

/* A UDP datagram with its checksum, taken from the wire: sum and pseudo-header give zero. */
Test(checksum, pseudo_header)
{
	static const uint8_t udp[] = { 0x00, 0x35, 0x03, 0xe8, 0x00, 0x0a, 0x00, 0x00, 'h', 'i' };
	uint8_t whole[12 + sizeof(udp)] = { 192, 0, 2, 1, 192, 168, 0, 1, 0, IPPROTO_UDP, 0, sizeof(udp) };

	memcpy(whole + 12, udp, sizeof(udp));
	uint32_t pseudo = checksum_pseudo(addr("192.0.2.1"), addr("192.168.0.1"), IPPROTO_UDP, sizeof(udp));
	cr_assert_eq(checksum_finish(checksum_add(udp, sizeof(udp), pseudo)), sum(whole, sizeof(whole)));
}
