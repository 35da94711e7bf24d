/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_forward, stage_forward_out: the edits of a router, and the neighbour's Ethernet header.
 *
 * fwd (aux: adjacency) -> tx | frag | error | park; fwd_out -> tx | frag | park. Everything that
 * is not plain (TTL, MTU, unresolved neighbour, redirect, MSS clamp, short frame) is one question.
 * Nothing of a packet is rewritten before it is certain to leave.
 */
#include "net/error.h"
#include "net/gso.h"
#include "net/mss.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/park.h"
#include "net/rewrite.h"
#include "net/stage.h"

/*
 * RFC 1812 5.2.7.2: the sender is a neighbour on the link that the packet came from, the next hop
 * is another one of the same network, and no source route says otherwise.
 */
static bool may_redirect(const struct worker *w, const struct rte_mbuf *m, const struct adj *next)
{
	const struct net *net = w->net;
	const struct iface *f = &net->iface[pkt_iface(m)];
	uint32_t src = ip4_hdr_src(pkt_ip4(m));
	fib_entry e = fib4_lookup(net->fib, src);
	const struct adj *from = &net->adj[fib_entry_index(e)];

	if (net->set.redirects == 0 || (f->flags & IFACE_REDIRECTS) == 0 ||
		w->redirects >= REDIRECT_BUDGET || ip4_hdr_len(pkt_ip4(m)) > IP4_HDR_LEN)
		return false;
	if (fib_entry_kind(e) != FIB_FORWARD || from->iface != pkt_iface(m) || from->addr != src)
		return false;
	return next->addr != src && iface_link(f, src) != NULL &&
	       iface_link(f, src) == iface_link(f, next->addr);
}

/* The packet goes on; its sender is told of the better gateway by a copy. */
static void redirect(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	struct rte_mbuf *copy;

	if (!may_redirect(w, m, &w->net->adj[index]))
		return;
	copy = rte_pktmbuf_copy(m, w->pool, 0, UINT32_MAX);
	if (copy == NULL)
		return;
	copy->port = m->port;
	w->books.originated++;
	w->redirects++;
	error_put(w, copy, ERROR_REDIRECT, index);
}

/*
 * A packet of ours of which something was left open: its device does that, or we. False: it was cut
 * and has gone. What does not fit the link is closed whole, as a route may have changed.
 */
static bool leave_or_finish(struct worker *w, struct rte_mbuf *m, uint32_t index)
{
	const struct adj *a = &w->net->adj[index];
	struct txlane *t = &w->tx[a->slot];
	bool cut = gso_wanted(m);
	uint8_t does = cut && m->nb_segs > t->segs ? 0 : t->does;
	struct rte_mbuf *part[GSO_MAX];
	uint16_t n;

	if ((cut ? gso_len(m) : ip4_hdr_total_len(pkt_ip4(m))) > a->mtu) {
		offload_finish(m);
		return true;
	}
	if (offload_leave(m, does, a->l2_len)) {
		t->open = 1;
		return true;
	}
	if (!cut) {
		offload_finish(m);
		return true;
	}
	n = gso_cut(w, m, part);
	for (uint16_t i = 0; i < n; i++)
		rewrite_send(w, part[i], index);
	return false;
}

/*
 * The unusual: true when the packet goes on to the plain rewrite, false when it has gone
 * elsewhere. ours: a packet of our own, which keeps its TTL and of which nobody is told.
 */
static __rte_always_inline bool odd_forward(
	struct worker *w, struct rte_mbuf *m, uint32_t index, const bool ours)
{
	const struct adj *a = &w->net->adj[index];
	struct ip4_hdr *ip = pkt_ip4(m);

	if (!ours && ip->ttl <= 1) {
		error_put(w, m, ERROR_TTL, 0);
		return false;
	}
	if ((__atomic_load_n(&a->flags, __ATOMIC_ACQUIRE) & ADJ_RESOLVED) == 0) {
		park_put(w, m, a->iface, a->addr);
		return false;
	}
	if (!ours && a->iface == pkt_iface(m))
		redirect(w, m, index);
	if (a->mss != 0)
		mss_clamp(w, m, a->mss);
	if (ours && offload_is_open(m) && !leave_or_finish(w, m, index))
		return false;
	if (ip4_hdr_total_len(ip) > a->mtu && !(ours && gso_wanted(m))) {
		if (ip4_hdr_dont_fragment(ip)) {
			if (ours)
				drop(w, m, DROP_FRAG_NEEDED);
			else
				error_put(w, m, ERROR_FRAG_NEEDED, a->mtu);
			return false;
		}
		if (!ours) {
			ip4_hdr_dec_ttl(ip);
			w->count[COUNT_ip4_forwarded]++;
		}
		lane_put(&w->frag, m, index);
		return false;
	}
	if (!rewrite_pad(m)) {
		drop(w, m, DROP_HEADROOM);
		return false;
	}
	return true;
}

/* One question: a difference below zero is a reason to look closer. */
static __rte_always_inline bool is_odd(
	const struct adj *a, const struct rte_mbuf *m, const struct ip4_hdr *ip, const bool ours)
{
	int32_t plain = __atomic_load_n(&a->plain, __ATOMIC_ACQUIRE);
	int32_t below = (plain - (int32_t)ip4_hdr_total_len(ip)) |
			((int32_t)rte_pktmbuf_pkt_len(m) - ETH_MIN_FRAME);

	if (!ours)
		below |= (ip->ttl - 2) | ((a->iface ^ pkt_iface(m)) - 1);
	else
		below |= -(int32_t)offload_is_open(m);
	return below < 0;
}

static __rte_always_inline void forward(struct worker *w, const struct lane *l, const bool ours)
{
	const struct adj *adjs = w->net->adj;
	struct pair_count *adj_tx = w->adj_tx;
	uint32_t n = l->n, gone = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = l->pkt[i];
		uint32_t index = l->aux[i];
		const struct adj *a = &adjs[index];
		struct ip4_hdr *ip = pkt_ip4(m);

		if (unlikely(is_odd(a, m, ip, ours)) && !odd_forward(w, m, index, ours)) {
			gone++;
			continue;
		}
		if (unlikely(!rewrite(a, m))) {
			drop(w, m, DROP_HEADROOM);
			gone++;
			continue;
		}
		if (!ours)
			ip4_hdr_dec_ttl(ip);
		adj_tx[index].packets++;
		adj_tx[index].bytes += rte_pktmbuf_pkt_len(m);
		tx_put(w, a->slot, m);
	}
	if (!ours)
		w->count[COUNT_ip4_forwarded] += n - gone;
}

void stage_forward(struct worker *w)
{
	forward(w, &w->fwd, false);
	w->redirects = 0;
}

void stage_forward_out(struct worker *w)
{
	forward(w, &w->fwd_out, true);
}
