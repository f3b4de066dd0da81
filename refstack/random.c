/*
 * Randomness of the instance.
 *
 * xoshiro256** by David Blackman and Sebastiano Vigna (prng.di.unimi.it), its state filled by splitmix64 as its authors advise,
 * so that seeds that differ in one bit give unrelated streams. SipHash-2-4 by Jean-Philippe Aumasson and Daniel J. Bernstein
 * (131002.net/siphash). Both are written here from their published definitions.
 */
#include "random.h"

#include <string.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

void prng_seed(struct prng *prng, uint64_t seed)
{
	for (int i = 0; i < 4; i++) {
		uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		prng->s[i] = z ^ z >> 31;
	}
}

uint64_t prng_u64(struct prng *prng)
{
	uint64_t *s = prng->s;
	uint64_t result = rotate_left(s[1] * 5, 7) * 9;
	uint64_t carried = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= carried;
	s[3] = rotate_left(s[3], 45);
	return result;
}

uint32_t prng_u32(struct prng *prng)
{
	return (uint32_t)(prng_u64(prng) >> 32);
}

/* Lemire's multiplication with rejection of the few values that would favour some results. */
uint32_t prng_below(struct prng *prng, uint32_t bound)
{
	if (bound == 0)
		return 0;
	uint32_t unfair = -bound % bound;
	for (;;) {
		uint64_t product = (uint64_t)prng_u32(prng) * bound;

		if ((uint32_t)product >= unfair)
			return (uint32_t)(product >> 32);
	}
}

void prng_bytes(struct prng *prng, void *bytes, size_t length)
{
	uint8_t *to = bytes;

	while (length > 0) {
		uint64_t word = prng_u64(prng);
		size_t n = length < sizeof(word) ? length : sizeof(word);

		for (size_t i = 0; i < n; i++)
			*to++ = (uint8_t)(word >> 8 * i);
		length -= n;
	}
}

static uint64_t load_le64(const uint8_t *bytes, size_t length)
{
	uint64_t word = 0;

	for (size_t i = 0; i < length; i++)
		word |= (uint64_t)bytes[i] << 8 * i;
	return word;
}

static void sip_rounds(uint64_t v[4], int rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotate_left(v[1], 13) ^ v[0];
		v[3] = rotate_left(v[3], 16) ^ v[2];
		v[0] = rotate_left(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotate_left(v[1], 17) ^ v[2];
		v[3] = rotate_left(v[3], 21) ^ v[0];
		v[2] = rotate_left(v[2], 32);
	}
}

uint64_t siphash(const uint8_t key[16], const void *bytes, size_t length)
{
	const uint8_t *from = bytes;
	uint64_t k0 = load_le64(key, 8), k1 = load_le64(key + 8, 8);
	uint64_t v[4] = { k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
			  k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573) };
	size_t left = length;

	for (; left >= 8; left -= 8, from += 8) {
		uint64_t word = load_le64(from, 8);

		v[3] ^= word;
		sip_rounds(v, 2);
		v[0] ^= word;
	}
	uint64_t last = load_le64(from, left) | (uint64_t)length << 56;
	v[3] ^= last;
	sip_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	sip_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
