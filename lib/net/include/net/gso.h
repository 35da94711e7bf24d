/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gso: what TSO does, in software (rte_gso): one packet that is longer than its link allows, of
 * many TCP segments' data, becomes the segments.
 */
#ifndef NET_GSO_H
#define NET_GSO_H

#include "net/worker.h"

#include <stdbool.h>

#define GSO_MAX 64 /* segments of one packet */

/* Whether m is to be cut by the device, or by gso_cut() where the device cannot. */
static inline bool gso_wanted(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
}

/* The IPv4 length of the longest segment. */
static inline uint32_t gso_len(const struct rte_mbuf *m)
{
	return m->l3_len + m->l4_len + m->tso_segsz;
}

/* Marks m, an IPv4 packet of TCP whose TCP header has tcp_len bytes, to be cut every `mss`. */
void gso_mark(struct rte_mbuf *m, uint16_t tcp_len, uint16_t mss);

/*
 * Cuts m into segments that refer to its data, each with headers and checksums of its own. Takes
 * ownership, and writes at most GSO_MAX packets to out; those beyond the first are originated.
 * 0, and m dropped as NO_BUFFER, without buffers. Worker.
 */
uint16_t gso_cut(struct worker *w, struct rte_mbuf *m, struct rte_mbuf *out[GSO_MAX]);

#endif
