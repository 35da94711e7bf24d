/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in the way of a balanced packet, each thing by itself. */
#include "send.h"

static uint32_t refuse(struct worker *w, struct rte_mbuf *m, enum drop_reason why)
{
	drop(w, m, why);
	return 0;
}

/* An adjacency that the packet may leave by, which is not asked yet whether it is resolved. */
static uint32_t adjacency(
	struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, fib_entry entry)
{
	uint32_t index = fib_entry_index(entry);

	switch (fib_entry_kind(entry)) {
	case FIB_GLEAN:
		park_put(w, m, (uint16_t)index, e->hop);
		return 0;
	case FIB_GROUP:
		index = lookup_member(w, index, m);
		break;
	case FIB_FORWARD:
		break;
	default:
		return refuse(w, m, DROP_LB_NO_ROUTE);
	}
	if (e->kind == LB_EDIT_MAC && w->net->adj[index].addr != e->hop)
		return refuse(w, m, DROP_LB_NOT_NEIGHBOUR); /* a gateway would send it back */
	return index;
}

/* Whether it has to be cut and must not be: its sender is told what would fit. */
static bool is_too_long(
	struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, const struct adj *a)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t mtu = RTE_MIN(a->mtu, (uint32_t)lb_path_mtu(e));

	if (ip4_hdr_total_len(ip) + e->more > IP4_PACKET_MAX) {
		drop(w, m, DROP_LB_TOO_LONG);
		return true;
	}
	if (ip4_hdr_total_len(ip) + e->more <= mtu || !ip4_hdr_dont_fragment(ip) || e->ignore_df)
		return false;
	error_put(w, m, ERROR_FRAG_NEEDED, mtu - e->more);
	return true;
}

uint32_t lb_way_odd(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, fib_entry entry)
{
	const struct adj *a;
	uint32_t index;

	if (pkt_ip4(m)->ttl <= 1) {
		error_put(w, m, ERROR_TTL, 0);
		return 0;
	}
	index = adjacency(w, m, e, entry);
	if (index == 0)
		return 0;
	a = &w->net->adj[index];
	if ((__atomic_load_n(&a->flags, __ATOMIC_ACQUIRE) & ADJ_RESOLVED) == 0) {
		park_put(w, m, a->iface, a->addr);
		return 0;
	}
	return is_too_long(w, m, e, a) ? 0 : index;
}

void lb_send_odd(struct worker *w, struct rte_mbuf *m, struct ip4_hdr *ip, void *l4,
	const struct lb_edit *e, fib_entry entry)
{
	uint32_t adj = lb_way_odd(w, m, e, entry);

	if (adj == 0)
		return;
	if (e->more != 0) {
		tunnel_send_odd(w, m, e, adj);
		return;
	}
	if (e->mss > LB_MSS_LINK)
		mss_clamp(w, m, e->mss);
	ip4_hdr_dec_ttl(ip);
	lb_rewrite(ip, l4, e);
	w->count[COUNT_ip4_forwarded]++;
	lane_put(&w->fwd_out, m, adj);
}
