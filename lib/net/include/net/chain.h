/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chain: packets of several segments: sums over them, cuts, and a head that may be written.
 *
 * Lengths and offsets are in bytes from the start of the frame and lie within the packet.
 */
#ifndef NET_CHAIN_H
#define NET_CHAIN_H

#include "net/worker.h"

/* Adds len bytes from off on to a partial sum (wire/csum.h): csum_fold() of it may follow. */
uint32_t chain_csum(const struct rte_mbuf *m, uint32_t off, uint32_t len, uint32_t sum);

/* Whether len bytes of two packets are the same, each from its own offset on. */
bool chain_same(const struct rte_mbuf *a, uint32_t a_off, const struct rte_mbuf *b, uint32_t b_off,
	uint32_t len);

/* Frees what lies behind the first len bytes; len is not 0. */
void chain_trim(struct rte_mbuf *m, uint32_t len);

/*
 * Takes len bytes off the front and frees the segments that this empties. Returns what is left,
 * or NULL when that is nothing.
 */
struct rte_mbuf *chain_behead(struct rte_mbuf *m, uint32_t len);

/*
 * The packet with its first len bytes (of headers) in one segment that nobody shares, so that they
 * may be written: m itself where that is so, which is nearly always, else a copy in its place.
 * NULL without buffers: m is as it was.
 */
struct rte_mbuf *chain_head(struct worker *w, struct rte_mbuf *m, uint32_t len);

/*
 * The packet in buffers that nobody shares: m itself, or a copy in its place. NULL without buffers:
 * m is as it was.
 */
struct rte_mbuf *chain_own(struct worker *w, struct rte_mbuf *m);

#endif
