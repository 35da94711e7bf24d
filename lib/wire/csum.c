/* SPDX-License-Identifier: BSD-3-Clause */
/* csum: the sum over any number of bytes; the contract is in wire/csum.h. */
#include "wire/csum.h"

uint32_t csum_add(const void *p, size_t len, uint32_t sum)
{
	const uint8_t *at = p;
	uint64_t low = sum, high = 0;

	/*
	 * Halves of 64-bit words add up in two 64-bit registers: no carry to look after for 2^32
	 * words, and the compiler makes vectors of it.
	 */
	for (; len >= 8; at += 8, len -= 8) {
		uint64_t v = load64(at);

		low += (uint32_t)v;
		high += v >> 32;
	}
	if (len & 4) {
		low += load32(at);
		at += 4;
	}
	if (len & 2) {
		high += load16(at);
		at += 2;
	}
	if (len & 1)
		low += *at;
	return csum_fold64(low + high);
}
