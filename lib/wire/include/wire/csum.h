/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * csum: the Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * A partial sum is the ones-complement sum of 16-bit words as they lie in memory, so a checksum is
 * stored as it comes and no function here swaps bytes. Every partial sum that a function returns
 * is at most 0xffff: thousands of them add up in a uint32_t with a plain +.
 */
#ifndef WIRE_CSUM_H
#define WIRE_CSUM_H

#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"

/*
 * Adds len bytes at p (any length, any alignment) to a partial sum. An odd last byte counts as if
 * a zero followed it. A chunk that starts at an odd offset of its message: see csum_at_odd().
 */
uint32_t csum_add(const void *p, size_t len, uint32_t sum);

/*
 * The ones-complement sum of 64-bit words, of which csum_fold64() makes a partial sum. A carry out
 * of the top comes in again at the bottom, and cannot carry twice.
 */
static inline uint64_t csum_plus(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < a);
}

/*
 * A wide sum as a partial one. A word plus itself with its halves swapped has the sum of the
 * halves, the carry brought round, in its upper half.
 */
static inline uint32_t csum_fold64(uint64_t sum)
{
	uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);

	return (half + (half << 16 | half >> 16)) >> 16;
}

/* Any partial sum, complemented: the checksum as it is stored. 0 means that the data verify. */
static inline be16 csum_fold(uint32_t sum)
{
	return (be16) ~((sum + (sum << 16 | sum >> 16)) >> 16);
}

/* The partial sum of a chunk that starts at an odd offset of its message (RFC 1071, 2 (B)). */
static inline uint32_t csum_at_odd(uint32_t sum)
{
	return __builtin_bswap16((uint16_t)~csum_fold(sum));
}

/* The partial sum of UDP's and TCP's pseudo-header (RFC 768, RFC 9293 3.1); l4_len in bytes. */
static inline uint32_t csum_pseudo(be32 src, be32 dst, uint8_t proto, uint16_t l4_len)
{
	return csum_fold64((uint64_t)src + dst + to_be16(l4_len) + ((uint32_t)proto << 8));
}

/*
 * The checksum after one aligned 16-bit word of its data went from old to new: equation 3 of
 * RFC 1624, HC' = ~(~HC + ~m + m'). (Equation 4, or RFC 1141's, can give 0xffff where the whole
 * computation gives 0.) It is what the whole computation gives unless the data become zeros alone,
 * which an IPv4 header and what has a pseudo-header cannot.
 */
static inline be16 csum_update16(be16 csum, be16 old, be16 new)
{
	return csum_fold((uint32_t)(uint16_t)~csum + (uint16_t)~old + new);
}

/* The same for 32 bits at an even offset: an address, a sequence number. */
static inline be16 csum_update32(be16 csum, be32 old, be32 new)
{
	uint64_t sum = (uint64_t)(uint16_t)~csum + (uint32_t)~old + new;

	return (be16)~csum_fold64(sum);
}

#endif
