#include "../../../refstack/random.h"
#include "support.h"

/* Vector 63 of the reference tables of SipHash-2-4 (key and message 00 01 02 ...), and the one of the paper's appendix. */
Test(random, siphash_vectors)
{
	uint8_t key[16], message[64];

	for (int i = 0; i < 64; i++)
		message[i] = (uint8_t)i;
	for (int i = 0; i < 16; i++)
		key[i] = (uint8_t)i;
	cr_assert_eq(siphash(key, message, 15), UINT64_C(0xa129ca6149be45e5));
	cr_assert_eq(siphash(key, message, 0), UINT64_C(0x726fdb47dd0e0e31));
	cr_assert_eq(siphash(key, message, 8), UINT64_C(0x93f5f5799a932462));
}

/* First outputs of xoshiro256** from state 1, 2, 3, 4, as its published code gives them. */
Test(random, xoshiro_vectors)
{
	struct prng prng = { { 1, 2, 3, 4 } };

	cr_assert_eq(prng_u64(&prng), UINT64_C(11520));
	cr_assert_eq(prng_u64(&prng), UINT64_C(0));
	cr_assert_eq(prng_u64(&prng), UINT64_C(1509978240));
	cr_assert_eq(prng_u64(&prng), UINT64_C(1215971899390074240));
}

Test(random, below_stays_below_and_covers)
{
	struct prng prng;
	unsigned seen = 0;

	prng_seed(&prng, 3);
	cr_assert_eq(prng_below(&prng, 0), 0);
	for (int i = 0; i < 200; i++) {
		uint32_t value = prng_below(&prng, 5);

		cr_assert_lt(value, 5);
		seen |= 1u << value;
	}
	cr_assert_eq(seen, 31);
}

Test(random, seeds_differ)
{
	struct prng a, b;

	prng_seed(&a, 0);
	prng_seed(&b, 1);
	cr_assert_neq(prng_u64(&a), prng_u64(&b));
}
