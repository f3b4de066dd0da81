/* The stack's only randomness: a xoshiro256** stream seeded from the configuration. */
#ifndef REFSTACK_RANDOM_H
#define REFSTACK_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct prng {
	uint64_t s[4];
};
void prng_seed(struct prng *prng, uint64_t seed);
uint64_t prng_u64(struct prng *prng);
uint32_t prng_u32(struct prng *prng);
uint32_t prng_below(struct prng *prng, uint32_t bound);	/* uniform in [0, bound); 0 for bound 0 */
void prng_bytes(struct prng *prng, void *bytes, size_t length);
/* A keyed hash for sequence numbers, cookies and hash choices: SipHash-2-4. */
uint64_t siphash(const uint8_t key[16], const void *bytes, size_t length);

#endif
