/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * routes: a table like the Internet's, the same for the same seed, for tests and benches.
 *
 * Distinct prefixes, 70 % of them /24 and the rest /16 to /23, as a full table has them; beside
 * them as many of /25 to /32 as are asked for. All are within 1.0.0.0 to 223.255.255.255, in random
 * order. Pure: the callers' memory, no I/O.
 */
#ifndef SUPPORT_ROUTES_H
#define SUPPORT_ROUTES_H

#include <stdint.h>

struct route_prefix {
	uint32_t prefix; /* host order */
	uint8_t depth;
};

/* splitmix64: the next of a sequence that any state begins. */
static inline uint64_t random64(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* A number below n; the bias is below n / 2^32. */
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((random64(state) >> 32) * n >> 32);
}

static inline uint32_t depth_mask(unsigned int depth)
{
	return depth == 0 ? 0 : UINT32_MAX << (32 - depth);
}

/*
 * n distinct prefixes of one depth: a bijection of the depth's bits, counted up. There are at least
 * 2/3 * 2^depth to be had.
 */
static inline void routes_of_depth(
	struct route_prefix *out, uint32_t n, unsigned int depth, uint64_t *state)
{
	uint32_t low = UINT32_MAX >> (32 - depth);
	uint32_t a = (uint32_t)random64(state) | 1, b = (uint32_t)random64(state) | 1;

	for (uint32_t i = 0; n > 0; i++) {
		uint32_t bits = i * a & low;

		bits ^= bits >> (depth / 2);
		bits = bits * b & low;
		bits ^= bits >> (depth / 2);
		out->prefix = bits << (32 - depth);
		out->depth = (uint8_t)depth;
		if (out->prefix >= 1u << 24 && out->prefix < 224u << 24) {
			out++;
			n--;
		}
	}
}

/* Fills out[n + n_long]. n up to 1,500,000. */
static inline void routes_mix(struct route_prefix *out, uint32_t n, uint32_t n_long, uint64_t seed)
{
	static const uint16_t per_mille[24] = {[16] = 12, 8, 12, 20, 36, 42, 90, 80};
	uint32_t all = n + n_long, filled = 0;

	for (unsigned int depth = 16; depth < 24; depth++) {
		uint32_t some = (uint32_t)((uint64_t)n * per_mille[depth] / 1000);

		routes_of_depth(out + filled, some, depth, &seed);
		filled += some;
	}
	routes_of_depth(out + filled, n - filled, 24, &seed);
	for (unsigned int depth = 25; depth <= 32; depth++) {
		uint32_t begin = n + n_long * (depth - 25) / 8, end = n + n_long * (depth - 24) / 8;

		routes_of_depth(out + begin, end - begin, depth, &seed);
	}
	for (uint32_t i = all; i > 1; i--) {
		uint32_t j = random_below(&seed, i);
		struct route_prefix swapped = out[i - 1];

		out[i - 1] = out[j];
		out[j] = swapped;
	}
}

#endif
