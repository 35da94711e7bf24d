/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * edit: what changes of a balanced packet, and how it is sent.
 *
 * A packet is sent when nothing stands in its way any more: a route, a neighbour that answers, TTL,
 * MTU. Until then nothing of it is rewritten, so that who parks it, or complains of it to its
 * sender, has it as it came; a parked packet begins again at fib(in). What needs no more than its
 * headers goes straight to its device, the rest by forward_out.
 */
#ifndef LB_EDIT_H
#define LB_EDIT_H

#include "lb/nat.h"
#include "lb/stage.h"
#include "net/error.h"
#include "net/lookup.h"
#include "net/mss.h"
#include "net/park.h"
#include "net/rewrite.h"

enum lb_edit_kind {
	LB_EDIT_NONE,
	LB_EDIT_DST,
	LB_EDIT_SRC,
	LB_EDIT_BOTH,
	LB_EDIT_MAC,  /* nothing of IPv4's but TTL; the hop is a neighbour, not behind one */
	LB_EDIT_IPIP, /* a header in front, from src.addr (0: the egress interface's) to the hop */
	LB_EDIT_GRE,  /* the same, with GRE's behind it */
	LB_EDIT_KINDS
};

#define LB_MSS_LINK 1 /* what the egress MTU leaves for TCP's data */

struct lb_edit {
	uint32_t hop;	   /* host order: where it is routed to */
	uint8_t kind;	   /* enum lb_edit_kind */
	uint8_t more;	   /* bytes that it grows by */
	bool ignore_df;	   /* too long, it is cut, whatever it says */
	uint16_t mss;	   /* a SYN's is lowered to this, or LB_MSS_LINK; 0: it is left alone */
	uint16_t path_mtu; /* what is known of the way beyond the egress link; 0: nothing */
	struct nat_end src, dst;
	uint32_t seq, ack; /* what is added to TCP's numbers: SYN proxy */
};

/* The longest packet that the way beyond the link takes whole, as far as is known. */
static inline int32_t lb_path_mtu(const struct lb_edit *e)
{
	return (uint16_t)(e->path_mtu - 1) + 1;
}

/*
 * The adjacency by which m goes to e->hop; 0: it went elsewhere (parked, dropped, its sender told).
 * Takes ownership if it is 0.
 */
uint32_t lb_way_odd(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, fib_entry entry);

/* One question: below zero, there is a reason to look closer. ip: m's header. */
static inline int32_t lb_in_way(
	const struct adj *a, const struct ip4_hdr *ip, const struct lb_edit *e)
{
	int32_t plain = __atomic_load_n(&a->plain, __ATOMIC_ACQUIRE);
	int32_t len = (int32_t)ip4_hdr_total_len(ip) + e->more;

	return (plain - len) | (lb_path_mtu(e) - len) | (ip->ttl - 2) |
	       -(int32_t)(e->kind == LB_EDIT_MAC && a->addr != e->hop);
}

/* The same as lb_way_odd(), where one question says that nothing is in the way. */
static inline uint32_t lb_way(
	struct worker *w, struct rte_mbuf *m, const struct ip4_hdr *ip, const struct lb_edit *e)
{
	fib_entry entry = fib4_lookup(w->net->fib, e->hop);
	uint32_t adj = fib_entry_index(entry);

	if (unlikely(fib_entry_kind(entry) != FIB_FORWARD ||
		     lb_in_way(&w->net->adj[adj], ip, e) < 0))
		return lb_way_odd(w, m, e, entry);
	return adj;
}

/* Other numbers in a segment; its checksum follows (RFC 1624). */
static inline void lb_shift(struct tcp_hdr *tcp, uint32_t seq, uint32_t ack)
{
	be32 new_seq = to_be32(tcp_hdr_seq(tcp) + seq), new_ack = to_be32(tcp_hdr_ack(tcp) + ack);

	tcp->csum = csum_update32(tcp->csum, tcp->seq, new_seq);
	tcp->csum = csum_update32(tcp->csum, tcp->ack, new_ack);
	tcp->seq = new_seq;
	tcp->ack = new_ack;
}

/* A fragment that is not the first has no ports: l4 is NULL then. */
static inline void lb_rewrite(struct ip4_hdr *ip, void *l4, const struct lb_edit *e)
{
	if (unlikely((e->seq | e->ack) != 0) && l4 != NULL)
		lb_shift(l4, e->seq, e->ack);
	switch ((enum lb_edit_kind)e->kind) {
	case LB_EDIT_BOTH:
		nat_src(ip, l4, e->src);
		__attribute__((fallthrough));
	case LB_EDIT_DST:
		nat_dst(ip, l4, e->dst);
		break;
	case LB_EDIT_SRC:
		nat_src(ip, l4, e->src);
		break;
	case LB_EDIT_NONE:
	case LB_EDIT_MAC:
	case LB_EDIT_IPIP:
	case LB_EDIT_GRE:
	case LB_EDIT_KINDS:
		break;
	}
}

#endif
