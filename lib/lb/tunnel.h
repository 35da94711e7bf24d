/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tunnel: a client's packet, as it came, inside one of ours to its backend: in IPv4 (RFC 2003), or
 * in GRE without key, sequence or checksum (RFC 2784).
 *
 * The outer header has the inner's type of service (RFC 2003 3.1, and with it ECN, RFC 6040 4.1)
 * and its DF bit; where that is not set, or not heeded, and it is too long, forward_out cuts it,
 * and the backend puts it together.
 */
#ifndef LB_TUNNEL_H
#define LB_TUNNEL_H

#include "edit.h"

#define TUNNEL_TAG_ROOM 4 /* the Ethernet header grows by a tag at the most */

/* The outer header of an inner packet, at `outer` and in front of it. from: host order. */
static __rte_always_inline void tunnel_wrap(struct worker *w, struct ip4_hdr *outer,
	const struct ip4_hdr *inner, const struct lb_edit *e, uint32_t from)
{
	bool gre = e->kind == LB_EDIT_GRE;

	ip4_hdr_build(
		outer, &(struct ip4_fields){
			       .total_len = (uint16_t)(ip4_hdr_total_len(inner) + e->more),
			       .id = w->ip_id++,
			       .frag = ip4_hdr_dont_fragment(inner) && !e->ignore_df ? IP4_DF : 0,
			       .tos = inner->tos,
			       .ttl = (uint8_t)w->net->set.ttl,
			       .proto = gre ? IP4_PROTO_GRE : IP4_PROTO_IPIP,
			       .src = from,
			       .dst = e->hop,
		       });
	if (gre) /* no flags, and what is in it */
		store32(outer + 1, to_be32(ETH_TYPE_IP4));
}

/* The address that the outer header is from, host order; 0: there is none. */
static inline uint32_t tunnel_from(
	const struct net *net, const struct lb_edit *e, const struct adj *a)
{
	if (likely(e->src.addr != 0))
		return from_be32(e->src.addr);
	return net->iface[a->iface].addr != 0 ? net->iface[a->iface].addr
					      : net->iface[IFACE_LOOPBACK].addr;
}

/*
 * Sends m, in whose way nothing stands, in a packet of ours by an adjacency: TTL one less (RFC 2003
 * 3.1), its MSS clamped. Takes ownership (tunnel.c).
 */
void tunnel_send_odd(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, uint32_t adj);

/*
 * The same of what is plain. The Ethernet header comes before the outer one: with it two bytes of
 * what is behind it are loaded, which would have to wait for stores just made.
 */
static __rte_always_inline void tunnel_send(struct worker *w, struct rte_mbuf *m,
	struct ip4_hdr *inner, const struct lb_edit *e, uint32_t adj)
{
	const struct adj *a = &w->net->adj[adj];
	uint16_t len = (uint16_t)(ETH_HDR_LEN + ip4_hdr_total_len(inner) + e->more);
	uint32_t from = tunnel_from(w->net, e, a);

	if (unlikely(from == 0 || m->nb_segs > 1 || m->data_off < e->more + TUNNEL_TAG_ROOM)) {
		struct lb_edit odd = *e;

		tunnel_send_odd(w, m, &odd, adj);
		return;
	}
	ip4_hdr_dec_ttl(inner);
	w->count[COUNT_ip4_forwarded]++;
	m->data_off -= e->more;
	m->data_len = len; /* without what padded the frame */
	m->pkt_len = len;
	rewrite(a, m);
	tunnel_wrap(w, (struct ip4_hdr *)((char *)inner - e->more), inner, e, from);
	rewrite_tx(w, m, adj);
}

#endif
