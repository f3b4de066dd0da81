#include <criterion/criterion.h>

#include "harness/wire/checksum.h"

/* The example of RFC 1071 section 3. */
Test(checksum, example_of_rfc_1071)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };

	cr_assert_eq(wire_checksum_fold(wire_checksum_add(0, bytes, sizeof(bytes))), 0xddf2);
}

Test(checksum, an_odd_byte_is_padded_on_the_right)
{
	static const uint8_t odd[] = { 0x12, 0x34, 0x56 }, even[] = { 0x12, 0x34, 0x56, 0x00 };

	cr_assert_eq(wire_checksum_add(0, odd, sizeof(odd)), wire_checksum_add(0, even, sizeof(even)));
}

/* Carries come round even when many of them pile up. */
Test(checksum, carries_come_round)
{
	static uint8_t ones[65536];

	for (unsigned i = 0; i < sizeof(ones); i++)
		ones[i] = 0xff;
	cr_assert_eq(wire_checksum_fold(wire_checksum_add(0, ones, sizeof(ones))), 0xffff);
	cr_assert_eq(wire_checksum_fold(0x1ffff), 1);
	cr_assert_eq(wire_checksum_fold(UINT64_C(0xffff0001)), 1);
}

Test(checksum, the_pseudo_header_counts_addresses_protocol_and_length)
{
	static const uint8_t source[] = { 192, 168, 0, 1 }, destination[] = { 192, 0, 2, 1 };

	cr_assert_eq(wire_checksum_pseudo(source, destination, 4, 6, 20), 0xc0a8 + 0x0001 + 0xc000 + 0x0201 + 6 + 20);
	cr_assert_eq(wire_checksum_pseudo(source, destination, 4, 17, 0x12345),
		     0xc0a8 + 0x0001 + 0xc000 + 0x0201 + 17 + 1 + 0x2345);
}
