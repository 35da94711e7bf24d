/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_local: packets for this host, before they are whole and before they have an owner.
 *
 * local -> reasm | steer | hand-over | drop. Takes the link's padding off; nobody after it need
 * know that there was any. Refuses senders that are not one other host (RFC 1122 3.2.1.3).
 */
#include "net/local.h"

#include "net/chain.h"
#include "net/lookup.h"
#include "net/options.h"
#include "net/stage.h"
#include "net/steer.h"

bool local_csum_ok(const struct rte_mbuf *m, uint16_t len)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t sum = ip4_hdr_pseudo(ip, len);

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return csum_fold(chain_csum(m, ETH_HDR_LEN + ip4_hdr_len(ip), len, sum)) == 0;
}

void local_answer(struct worker *w, struct rte_mbuf *m, uint32_t from)
{
	struct ip4_hdr *ip = pkt_ip4(m);

	ip->dst = ip->src;
	ip->src = to_be32(from);
	ip->id = to_be16(w->ip_id++);
	ip->frag = 0;
	ip->ttl = (uint8_t)w->net->set.ttl;
	if (ip4_hdr_len(ip) > IP4_HDR_LEN)
		options_answer(ip);
	ip4_hdr_csum_set(ip);
	m->port = PKT_ORIGIN;
	m->ol_flags = 0; /* what the NIC said of the request; m is direct */
	w->books.consumed++;
	w->books.originated++;
	lane_put(&w->out, m, ip4_hdr_dst(ip));
}

static void fragment_in(struct worker *w, struct rte_mbuf *m)
{
	uint16_t owner = m->port & PKT_STEERED ? w->id : steer_owner(w, m);

	if (owner != w->id)
		handover(w, owner, m);
	else
		lane_put(&w->reasm, m, 0);
}

void stage_local(struct worker *w)
{
	struct lane *l = &w->local;

	for (uint32_t i = 0; i < l->n; i++)
		rte_prefetch0(fib4_slot(w->net->fib, ip4_hdr_src(pkt_ip4(l->pkt[i]))));
	for (uint32_t i = 0; i < l->n; i++) {
		struct rte_mbuf *m = l->pkt[i];
		const struct ip4_hdr *ip = pkt_ip4(m);

		if (!(m->port & PKT_ORIGIN) && !lookup_is_peer(w->net, ip4_hdr_src(ip))) {
			drop(w, m, DROP_IP4_SRC_MARTIAN);
			continue;
		}
		chain_trim(m, ETH_HDR_LEN + ip4_hdr_total_len(ip));
		if (ip4_hdr_is_fragment(ip)) {
			fragment_in(w, m);
			continue;
		}
		if (!(m->port & PKT_STEERED)) /* else the worker that steered it has counted it */
			w->count[COUNT_ip4_delivered]++;
		lane_put(&w->steer, m, 0);
	}
}
