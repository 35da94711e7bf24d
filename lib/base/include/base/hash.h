/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash: the flow hash that NICs and software agree on, and the one of tables.
 *
 * Toeplitz with the key 6d 5a repeated (Woo and Park, "Scalable TCP Session Monitoring with
 * Symmetric Receive-side Scaling", 2012) is symmetric in source and destination. Because that key
 * repeats every 16 bits, it depends only on the XOR of the input's 16-bit words: two table loads.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#define HASH_RSS_KEY_MAX 64
/* The key for a device whose key is `length` bytes long, written to key. */
void hash_rss_key(uint8_t key[HASH_RSS_KEY_MAX], uint32_t length);

/* Toeplitz of a 16-bit word by its high and low byte; filled at load time. */
extern uint32_t hash_high[256], hash_low[256];

static inline uint32_t hash_word(uint16_t word)
{
	return hash_high[word >> 8] ^ hash_low[word & 255];
}

/*
 * What RSS computes over IPv4 addresses and ports, all in host order; ports 0 give the hash over
 * addresses alone.
 */
static inline uint32_t hash_flow(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	uint32_t both = src ^ dst;

	return hash_word((uint16_t)(both >> 16 ^ both ^ sport ^ dport));
}

/* The same of what stands in a packet: all four in wire order. */
static inline uint32_t hash_flow_wire(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	uint32_t both = src ^ dst;

	return hash_word(__builtin_bswap16((uint16_t)(both >> 16 ^ both ^ sport ^ dport)));
}

/* Both halves of the product, folded. */
static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/*
 * For tables: of two words under a secret of 16 random bytes, by which an outsider cannot choose
 * what falls together. All 32 bits are good.
 */
static inline uint32_t hash_secret(const uint64_t secret[2], uint64_t a, uint64_t b)
{
	uint64_t once = hash_fold(a ^ secret[0], b ^ secret[1]);

	/* the constant is 2^64 by the golden ratio: neither factor is what it was */
	return (uint32_t)hash_fold(once ^ secret[1], secret[0] ^ UINT64_C(0x9e3779b97f4a7c15));
}

#endif
