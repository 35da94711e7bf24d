/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * seq: numbers that wrap round (RFC 1982, RFC 9293 3.4): sequence numbers, timestamps, ticks of 32
 * bits. Each comparison holds while the two are less than 2^31 apart.
 */
#ifndef BASE_SEQ_H
#define BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static inline bool seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static inline bool seq_geq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
	return seq_gt(a, b) ? a : b;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
	return seq_lt(a, b) ? a : b;
}

/* Whether at stands in [first, first + length). */
static inline bool seq_within(uint32_t at, uint32_t first, uint32_t length)
{
	return at - first < length;
}

#endif
