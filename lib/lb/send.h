/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send: a packet of which it is known what changes, on its way.
 *
 * Nobody gets the address of the struct lb_edit that a stage fills: what is odd is given a copy. So
 * it stays in registers, and is not put together from small stores that wide loads wait for.
 */
#ifndef LB_SEND_H
#define LB_SEND_H

#include "tunnel.h"

/* What is not plain: it may have to be clamped, padded or cut. Takes ownership. */
void lb_send_odd(struct worker *w, struct rte_mbuf *m, struct ip4_hdr *ip, void *l4,
	const struct lb_edit *e, fib_entry entry);

/*
 * Whether nothing is to do but what lb_send_by() does. In a tunnel the shortest datagram is long
 * enough for Ethernet: what padded its frame does not count.
 */
static inline bool lb_is_plain(const struct adj *a, const struct rte_mbuf *m,
	const struct ip4_hdr *ip, const struct lb_edit *e)
{
	int32_t spare = (int32_t)(rte_pktmbuf_pkt_len(m) + e->more) - ETH_MIN_FRAME;

	return (lb_in_way(a, ip, e) | spare | -(int32_t)e->mss) >= 0;
}

/* The same by an adjacency in whose way nothing stands. Takes ownership. */
static __rte_always_inline void lb_send_plain(struct worker *w, struct rte_mbuf *m,
	struct ip4_hdr *ip, void *l4, const struct lb_edit *e, uint32_t adj)
{
	ip4_hdr_dec_ttl(ip);
	lb_rewrite(ip, l4, e);
	w->count[COUNT_ip4_forwarded]++;
	rewrite_send_full(w, m, adj);
}

/*
 * Takes ownership; ip and l4: m's headers, entry: what the FIB has for e->hop. What is plain leaves
 * at once: forward_out would ask the same again.
 */
static __rte_always_inline void lb_send_by(struct worker *w, struct rte_mbuf *m, struct ip4_hdr *ip,
	void *l4, const struct lb_edit *e, fib_entry entry)
{
	const struct adj *a = &w->net->adj[fib_entry_index(entry)];

	if (unlikely(fib_entry_kind(entry) != FIB_FORWARD || !lb_is_plain(a, m, ip, e))) {
		struct lb_edit odd = *e;

		lb_send_odd(w, m, ip, l4, &odd, entry);
	} else if (e->more != 0) {
		tunnel_send(w, m, ip, e, fib_entry_index(entry));
	} else {
		lb_send_plain(w, m, ip, l4, e, fib_entry_index(entry));
	}
}

/* The same of any packet. */
static inline void lb_send(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e)
{
	lb_send_by(w, m, pkt_ip4(m), pkt_l4(m), e, fib4_lookup(w->net->fib, e->hop));
}

#endif
