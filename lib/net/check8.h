/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check8: check's question, asked of eight packets at once, word by word in vectors.
 *
 * It is check.c's unusual() of each of the eight; a unit holds the two to each other. Without AVX2
 * it never finds eight plain packets. For check.c alone.
 */
#ifndef NET_CHECK8_H
#define NET_CHECK8_H

#include "net/pkt.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

/* What the packets of a burst have in common. */
struct arrival {
	uint64_t mac;	  /* u48 */
	uint32_t demands; /* not 0: the interface asks for more, nothing is plain */
	uint16_t iface;
};

#ifdef __AVX2__

/* One word of eight packets; four words of two; bytes to be moved. */
typedef uint32_t eight __attribute__((vector_size(32)));
typedef uint64_t quads __attribute__((vector_size(32)));
typedef uint8_t octets __attribute__((vector_size(32)));
typedef __int128 halves __attribute__((vector_size(32)));
typedef __int128 unaligned __attribute__((aligned(1)));

static inline eight check8_pair(const void *low, const void *high)
{
	return (eight)(halves){*(const unaligned *)low, *(const unaligned *)high};
}

/* From the pairs {0, 4}, {1, 5}, {2, 6} and {3, 7} of packets: word k of all eight is column k. */
static inline void check8_columns(const eight p[4], eight column[4])
{
	quads low01 = (quads)__builtin_shufflevector(p[0], p[1], 0, 8, 1, 9, 4, 12, 5, 13);
	quads low23 = (quads)__builtin_shufflevector(p[2], p[3], 0, 8, 1, 9, 4, 12, 5, 13);
	quads high01 = (quads)__builtin_shufflevector(p[0], p[1], 2, 10, 3, 11, 6, 14, 7, 15);
	quads high23 = (quads)__builtin_shufflevector(p[2], p[3], 2, 10, 3, 11, 6, 14, 7, 15);

	column[0] = (eight)__builtin_shufflevector(low01, low23, 0, 4, 2, 6);
	column[1] = (eight)__builtin_shufflevector(low01, low23, 1, 5, 3, 7);
	column[2] = (eight)__builtin_shufflevector(high01, high23, 0, 4, 2, 6);
	column[3] = (eight)__builtin_shufflevector(high01, high23, 1, 5, 3, 7);
}

static inline eight check8_swapped(eight w)
{
	octets b = (octets)w;

	return (eight)__builtin_shufflevector(b, b, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14,
		13, 12, 19, 18, 17, 16, 23, 22, 21, 20, 27, 26, 25, 24, 31, 30, 29, 28);
}

/* Of each word the sum of its halves. */
static inline eight check8_sum(eight w)
{
	return (w & 0xffff) + (w >> 16);
}

/*
 * In the top bit, for addresses as they lie in memory: the first octet is 0, 127 or 224 and up, or
 * the first two are 169.254.
 */
static inline eight check8_not_forwarded(eight addr)
{
	eight octet = addr & 0xff, link_local = (eight)((addr & 0xffff) == 0xfea9);

	return (octet - 1) | (223 - octet) | ((octet ^ 127) - 1) | link_local;
}

/* How far a flag of an mbuf is from the top bit. */
#define CHECK8_TO_TOP(flag) (31 - __builtin_ctz((uint32_t)(flag)))

static_assert(
	RTE_MBUF_F_RX_L4_CKSUM_NONE == (RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD),
	"the sum is left to us where both bits are set");
static_assert(offsetof(struct rte_mbuf, pkt_len) == offsetof(struct rte_mbuf, ol_flags) + 12,
	"flags, packet type and length are four words");

/* In the top bit: what is wrong with lengths, checksum, addresses and flags. */
static inline eight check8_faults(const eight ip[5], eight flags, eight length)
{
	eight total = check8_swapped(ip[0]) & 0xffff;
	eight sum = check8_sum(ip[0]) + check8_sum(ip[1]) + check8_sum(ip[2]) + check8_sum(ip[3]) +
		    check8_sum(ip[4]);

	/* a good sum is a multiple of 0xffff, from once (the version is in it) to ten times */
	return (total - IP4_HDR_LEN) | (length - ETH_HDR_LEN - total) |
	       ((ETH_HDR_LEN + total - length) & (ETH_MIN_FRAME - length)) |
	       -(check8_sum(sum) ^ 0xffff) | check8_not_forwarded(ip[3]) |
	       check8_not_forwarded(ip[4]) | flags << CHECK8_TO_TOP(RTE_MBUF_F_RX_VLAN_STRIPPED) |
	       (flags << CHECK8_TO_TOP(RTE_MBUF_F_RX_L4_CKSUM_BAD) &
		       flags << CHECK8_TO_TOP(RTE_MBUF_F_RX_L4_CKSUM_GOOD));
}

/*
 * Whether none of the eight packets at m is unusual; then *bytes grows by their lengths. Their
 * destinations, in host order, are stored in any case. Of each, 34 bytes are read: two, sixteen
 * from there to the IPv4 total length, and the last sixteen.
 */
static inline bool check8_plain(
	const struct arrival *a, struct rte_mbuf *const *m, uint32_t dst[8], uint64_t *bytes)
{
	const uint32_t mac = (uint32_t)(a->mac >> 16);
	/* words from the third byte on: our MAC, a source that is no group, IPv4, 20 bytes */
	const eight want = {mac, 0, 0x00080000, 0x45, mac, 0, 0x00080000, 0x45};
	const eight mask = {~0u, 1, 0xffff0000, 0xff, ~0u, 1, 0xffff0000, 0xff};
	eight first[4], second[4], meta[4], ip[5], column[4], to, odd = {0};
	uint32_t odd_rest = a->demands;
	quads any, sum;

	for (int i = 0; i < 4; i++) {
		const struct rte_mbuf *low = m[i], *high = m[i + 4];
		const char *x = rte_pktmbuf_mtod(low, const char *);
		const char *y = rte_pktmbuf_mtod(high, const char *);

		odd_rest |= (load16(x) ^ (uint16_t)a->mac) | (load16(y) ^ (uint16_t)a->mac);
		odd_rest |= (low->data_len - (ETH_HDR_LEN + IP4_HDR_LEN + 0u)) >> 31;
		odd_rest |= (high->data_len - (ETH_HDR_LEN + IP4_HDR_LEN + 0u)) >> 31;
		first[i] = check8_pair(x + 2, y + 2);
		second[i] = check8_pair(x + 18, y + 18);
		meta[i] = check8_pair(&low->ol_flags, &high->ol_flags);
		odd |= first[i] ^ want;
	}
	check8_columns(first, column);
	ip[0] = column[3];
	check8_columns(second, ip + 1);
	check8_columns(meta, column);
	to = check8_swapped(ip[4]);
	memcpy(dst, &to, sizeof(to));
	any = (quads)((odd & mask) | (check8_faults(ip, column[0], column[3]) & 1u << 31));
	if ((any[0] | any[1] | any[2] | any[3] | odd_rest) != 0)
		return false;
	sum = (quads)column[3];
	sum = (sum >> 32) + (sum & UINT32_MAX);
	*bytes += sum[0] + sum[1] + sum[2] + sum[3];
	return true;
}

#else

static inline bool check8_plain(
	const struct arrival *a, struct rte_mbuf *const *m, uint32_t dst[8], uint64_t *bytes)
{
	(void)a, (void)m, (void)dst, (void)bytes;
	return false;
}

#endif
#endif
