/* SPDX-License-Identifier: BSD-3-Clause */
/* tunnel: what is not plain, and what is known of the way. */
#include "tunnel.h"

#include "inner.h"
#include "net/chain.h"

#define GRE_LEN 4

static_assert(
	RTE_PKTMBUF_HEADROOM >= IP4_HDR_LEN + GRE_LEN + TUNNEL_TAG_ROOM, "room in every packet");

static uint16_t mss_of(const struct lb_edit *e, const struct adj *a)
{
	uint32_t none = e->more + IP4_HDR_LEN + TCP_HDR_LEN;

	if (e->mss != LB_MSS_LINK)
		return e->mss;
	return (uint16_t)(RTE_MIN(a->mtu, (uint32_t)lb_path_mtu(e)) - none);
}

void tunnel_send_odd(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, uint32_t adj)
{
	const struct adj *a = &w->net->adj[adj];
	uint32_t from = tunnel_from(w->net, e, a);
	struct ip4_hdr *inner = pkt_ip4(m);

	if (from == 0) {
		drop(w, m, DROP_LB_NO_SOURCE);
		return;
	}
	if (rte_pktmbuf_headroom(m) < e->more + TUNNEL_TAG_ROOM) {
		drop(w, m, DROP_HEADROOM);
		return;
	}
	if (e->mss != 0)
		mss_clamp(w, m, mss_of(e, a));
	ip4_hdr_dec_ttl(inner);
	if (rte_pktmbuf_pkt_len(m) != ETH_HDR_LEN + ip4_hdr_total_len(inner)) /* padded */
		chain_trim(m, ETH_HDR_LEN + ip4_hdr_total_len(inner));
	rte_pktmbuf_prepend(m, e->more);
	tunnel_wrap(w, pkt_ip4(m), inner, e, from);
	w->count[COUNT_ip4_forwarded]++;
	lane_put(&w->fwd_out, m, adj);
}

#define PATH_MTU_SECONDS 600 /* RFC 1191 6.3: then the way may have become wider */

uint16_t tunnel_path_mtu_known(struct lb_backend *b, uint16_t mtu, uint16_t now)
{
	uint16_t at = atomic_load_explicit(&b->path_at, memory_order_relaxed);

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
