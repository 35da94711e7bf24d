/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in the way of a balanced packet, each thing by itself. */
#include "edit.h"

static uint32_t no_route(struct worker *w, struct rte_mbuf *m)
{
	drop(w, m, DROP_LB_NO_ROUTE);
	return 0;
}

uint32_t lb_way_odd(struct worker *w, struct rte_mbuf *m, const struct lb_edit *e, fib_entry entry)
{
	uint32_t index = fib_entry_index(entry);
	const struct ip4_hdr *ip = pkt_ip4(m);
	const struct adj *a;

	if (ip->ttl <= 1) {
		error_put(w, m, ERROR_TTL, 0);
		return 0;
	}
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
		return no_route(w, m);
	}
	a = &w->net->adj[index];
	if ((__atomic_load_n(&a->flags, __ATOMIC_ACQUIRE) & ADJ_RESOLVED) == 0) {
		park_put(w, m, a->iface, a->addr);
		return 0;
	}
	if (ip4_hdr_total_len(ip) + e->more > a->mtu && ip4_hdr_dont_fragment(ip)) {
		error_put(w, m, ERROR_FRAG_NEEDED, a->mtu - e->more);
		return 0;
	}
	return index;
}
