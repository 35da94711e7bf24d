/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exact: packets in tables, and in heap buffers exactly as long as they are, so that a sanitizer
 * sees a read or a write past the end. For tests only.
 */
#ifndef TESTS_EXACT_H
#define TESTS_EXACT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct bytes {
	const uint8_t *at;
	size_t len;
};

/* An initialiser of struct bytes, BYTES(0x45, 0x00), in tables that are not static. */
#define BYTES(...)                                                                                 \
	{                                                                                          \
		(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})             \
	}

/* A copy of len bytes; the caller frees it. */
static inline void *exact_copy(const void *p, size_t len)
{
	void *copy = calloc(1, len); /* gcc takes malloc(0) for something uninitialised */

	if (!copy)
		abort();
	if (len)
		memcpy(copy, p, len);
	return copy;
}

/* The same numbers in every run: xorshift64*; *state is any number but 0. */
static inline uint64_t seeded(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1d;
}

#endif
