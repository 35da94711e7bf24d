/* SPDX-License-Identifier: BSD-3-Clause */
/* rewrite: an adjacency's Ethernet header in front of a packet. */
#ifndef NET_REWRITE_H
#define NET_REWRITE_H

#include "net/adj.h"
#include "net/net.h"
#include "net/pkt.h"

#include <stdbool.h>

#define ETH_TAGGED_LEN (ETH_HDR_LEN + 4)

/* Sixteen bytes: the header of 14, and two of the packet behind it. */
typedef uint16_t head_words __attribute__((vector_size(16), aligned(1)));

/*
 * Writes a's header in place of the 14 bytes at the frame's start, growing by four for a tag. The
 * caller holds m directly (not shared). False, nothing changed: no headroom for the tag.
 *
 * One load and one store of sixteen bytes: of an aligned load each half is whole, which is what
 * control's one store of eight asks for.
 */
static inline bool rewrite(const struct adj *a, struct rte_mbuf *m)
{
	const head_words *from = __builtin_assume_aligned(a, 64);
	head_words *to = rte_pktmbuf_mtod(m, head_words *);

	if (unlikely(a->l2_len != ETH_HDR_LEN)) {
		to = (head_words *)rte_pktmbuf_prepend(m, ETH_TAGGED_LEN - ETH_HDR_LEN);
		if (to == NULL)
			return false;
		store32((char *)to + ETH_HDR_LEN, load32(a->l2_rest + 6));
	}
	*to = __builtin_shufflevector(*from, *to, 0, 1, 2, 3, 4, 5, 6, 15);
	return true;
}

/* Ethernet frames have 60 bytes at least; what we add is zero. False: no tailroom for it. */
static inline bool rewrite_pad(struct rte_mbuf *m)
{
	uint32_t missing;
	char *tail;

	if (rte_pktmbuf_pkt_len(m) >= ETH_MIN_FRAME)
		return true;
	missing = ETH_MIN_FRAME - rte_pktmbuf_pkt_len(m);
	tail = rte_pktmbuf_append(m, (uint16_t)missing);
	if (tail == NULL)
		return false;
	memset(tail, 0, missing);
	return true;
}

/* A frame with the header of an adjacency leaves by it. Takes ownership. */
static inline void rewrite_tx(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	w->adj_tx[index].packets++;
	w->adj_tx[index].bytes += rte_pktmbuf_pkt_len(m);
	tx_put(w, w->net->adj[index].slot, m);
}

/*
 * Sends m, of which nothing is left to do and that is long enough, by an adjacency. False: there
 * was no room for its header, and it is dropped. Takes ownership.
 */
static inline bool rewrite_send_full(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	if (unlikely(!rewrite(&w->net->adj[index], m))) {
		drop(w, m, DROP_HEADROOM);
		return false;
	}
	rewrite_tx(w, m, index);
	return true;
}

/* The same of any length; for stages that make many of one. */
static inline bool rewrite_send(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	if (rewrite_pad(m))
		return rewrite_send_full(w, m, index);
	drop(w, m, DROP_HEADROOM);
	return false;
}

#endif
