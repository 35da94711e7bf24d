/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tunnel: a client's packet, as it came, inside one of ours to its backend: in IPv4 (RFC 2003), or
 * in GRE without key, sequence or checksum (RFC 2784).
 *
 * The outer header has the inner's type of service (RFC 2003 3.1, and with it ECN, RFC 6040 4.1)
 * and its DF bit; where that is not set, or not heeded, and it is too long, forward_out cuts it,
 * and the backend puts it together.
 */
#include "edit.h"
#include "inner.h"
#include "net/chain.h"

#define GRE_LEN	 4
#define TAG_ROOM 4 /* the Ethernet header grows by a tag at the most */

static_assert(RTE_PKTMBUF_HEADROOM >= IP4_HDR_LEN + GRE_LEN + TAG_ROOM, "room in every packet");

/* The address that the outer header is from; 0: there is none. */
static uint32_t source_of(const struct net *net, const struct lb_edit *e, const struct adj *a)
{
	if (e->src.addr != 0)
		return from_be32(e->src.addr);
	return net->iface[a->iface].addr != 0 ? net->iface[a->iface].addr
					      : net->iface[IFACE_LOOPBACK].addr;
}

static uint16_t mss_of(const struct lb_edit *e, const struct adj *a)
{
	uint32_t none = e->more + IP4_HDR_LEN + TCP_HDR_LEN;

	if (e->mss != LB_MSS_LINK)
		return e->mss;
	return (uint16_t)(RTE_MIN(a->mtu, (uint32_t)lb_path_mtu(e)) - none);
}

/* The outer header in front of m, whose Ethernet header moves there: it is written yet. */
static void wrap(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, uint32_t from)
{
	const struct ip4_hdr *inner = pkt_ip4(m);
	uint32_t len = ip4_hdr_total_len(inner);

	rte_pktmbuf_prepend(m, e->more);
	ip4_hdr_build(pkt_ip4(m),
		&(struct ip4_fields){
			.total_len = (uint16_t)(len + e->more),
			.id = w->ip_id++,
			.frag = ip4_hdr_dont_fragment(inner) && !e->ignore_df ? IP4_DF : 0,
			.tos = inner->tos,
			.ttl = (uint8_t)w->net->set.ttl,
			.proto = e->kind == LB_EDIT_GRE ? IP4_PROTO_GRE : IP4_PROTO_IPIP,
			.src = from,
			.dst = e->hop,
		});
	if (e->kind == LB_EDIT_GRE) /* no flags, and what is in it */
		store32(pkt_l4(m), to_be32(ETH_TYPE_IP4));
}

void tunnel_send(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, uint32_t adj)
{
	const struct adj *a = &w->net->adj[adj];
	uint32_t from = source_of(w->net, e, a);

	if (unlikely(from == 0)) {
		drop(w, m, DROP_LB_NO_SOURCE);
		return;
	}
	if (unlikely(rte_pktmbuf_headroom(m) < e->more + TAG_ROOM)) {
		drop(w, m, DROP_HEADROOM);
		return;
	}
	if (unlikely(e->mss != 0))
		mss_clamp(w, m, mss_of(e, a));
	ip4_hdr_dec_ttl(pkt_ip4(m));
	if (rte_pktmbuf_pkt_len(m) != ETH_HDR_LEN + ip4_hdr_total_len(pkt_ip4(m))) /* padded */
		chain_trim(m, ETH_HDR_LEN + ip4_hdr_total_len(pkt_ip4(m)));
	wrap(w, m, e, from);
	w->count[COUNT_ip4_forwarded]++;
	if (likely(ip4_hdr_total_len(pkt_ip4(m)) <= __atomic_load_n(&a->plain, __ATOMIC_ACQUIRE)))
		rewrite_send(w, m, adj);
	else
		lane_put(&w->fwd_out, m, adj);
}

#define PATH_MTU_SECONDS 600 /* RFC 1191 6.3: then the way may have become wider */

uint16_t tunnel_path_mtu(struct lb_backend *b, uint16_t now)
{
	uint16_t mtu = atomic_load_explicit(&b->path_mtu, memory_order_relaxed);
	uint16_t at;

	if (likely(mtu == 0))
		return 0;
	at = atomic_load_explicit(&b->path_at, memory_order_relaxed);
	if ((uint16_t)(now - at) < PATH_MTU_SECONDS)
		return mtu;
	atomic_store_explicit(&b->path_mtu, 0, memory_order_relaxed);
	return 0;
}

void tunnel_learn(struct lb_backend *b, uint16_t mtu, uint16_t now)
{
	uint16_t known = tunnel_path_mtu(b, now);

	if (known != 0 && known <= mtu)
		return;
	atomic_store_explicit(&b->path_at, now, memory_order_relaxed);
	atomic_store_explicit(&b->path_mtu, mtu, memory_order_relaxed);
}
