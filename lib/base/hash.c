/* SPDX-License-Identifier: BSD-3-Clause */
/* Owns the two tables of hash.h: constants, computed once before main(). */
#include "base/hash.h"

#include <stddef.h>

#define KEY_WORD 0x6d5aU

uint32_t hash_high[256], hash_low[256];

void hash_rss_key(uint8_t key[HASH_RSS_KEY_MAX], uint32_t length)
{
	for (uint32_t i = 0; i < length && i < HASH_RSS_KEY_MAX; i++)
		key[i] = i % 2 == 0 ? KEY_WORD >> 8 : KEY_WORD & 255;
}

/* The bits of a word, from the highest, each add the 32 key bits that begin at their place. */
static uint32_t toeplitz(uint16_t word)
{
	uint64_t key =
		(uint64_t)KEY_WORD << 48 | (uint64_t)KEY_WORD << 32 | KEY_WORD << 16 | KEY_WORD;
	uint32_t hash = 0;

	for (int bit = 0; bit < 16; bit++)
		if (word & 0x8000U >> bit)
			hash ^= (uint32_t)(key >> (32 - bit));
	return hash;
}

__attribute__((constructor)) static void fill(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		hash_high[i] = toeplitz((uint16_t)(i << 8));
		hash_low[i] = toeplitz((uint16_t)i);
	}
}
