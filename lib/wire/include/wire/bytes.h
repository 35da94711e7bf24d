/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bytes: loads and stores that need no alignment, and network byte order.
 *
 * A be16 or be32 holds its value as the wire has it; everything else is in the host's order.
 */
#ifndef WIRE_BYTES_H
#define WIRE_BYTES_H

#include <stdint.h>
#include <string.h>

typedef uint16_t be16;
typedef uint32_t be32;

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "millrace is written for little-endian CPUs"
#endif

static inline uint16_t load16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void store64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Host to wire and back: the same swap, named after the direction. */
static inline be16 to_be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static inline uint16_t from_be16(be16 v)
{
	return __builtin_bswap16(v);
}

static inline be32 to_be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

static inline uint32_t from_be32(be32 v)
{
	return __builtin_bswap32(v);
}

#endif
