/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_fib_in, stage_fib_host, stage_fib_balance, stage_fib_out: where a packet goes, by the one
 * FIB.
 *
 * in (aux: destination, its slot prefetched) -> fwd (aux: adjacency) | local | service | error |
 * park | drop, and tx for a directed broadcast out (aux: destination) -> fwd_out | again (an
 * address of ours) | park | drop
 */
#include "net/lookup.h"

#include "base/hash.h"
#include "net/error.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/park.h"
#include "net/rewrite.h"
#include "net/stage.h"
#include "wire/vlan_hdr.h"

uint32_t lookup_member(const struct worker *w, uint32_t index, const struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint16_t sport = 0, dport = 0;
	bool ports = ip->proto == IP4_PROTO_TCP || ip->proto == IP4_PROTO_UDP;

	if (ports && !ip4_hdr_is_fragment(ip) && m->data_len >= ETH_HDR_LEN + ip4_hdr_len(ip) + 4) {
		sport = load16(pkt_l4(m));
		dport = load16((const char *)pkt_l4(m) + 2);
	}
	/* the owner of a flow is chosen by this hash's low bits: take others */
	uint32_t hash = hash_flow_wire(ip->src, ip->dst, sport, dport) * 0x9e3779b1u;

	return w->net->group[index].bucket[hash >> 26];
}
_Static_assert(GROUP_BUCKETS == 64, "six bits of hash choose a bucket");

/*
 * The same for ICMP of our own, by its destination alone: an error's source is the address of the
 * interface that it leaves by, which therefore must not depend on the source.
 */
static uint32_t group_member_to(const struct worker *w, uint32_t index, uint32_t dst)
{
	uint32_t hash = hash_flow_wire(0, to_be32(dst), 0, 0) * 0x9e3779b1u;

	return w->net->group[index].bucket[hash >> 26];
}

/* The interface of an entry; member: the adjacency, if it is a group. */
static uint16_t iface_of(const struct net *net, fib_entry e, uint32_t member)
{
	switch (fib_entry_kind(e)) {
	case FIB_GLEAN:
		return (uint16_t)fib_entry_index(e);
	case FIB_FORWARD:
		return net->adj[fib_entry_index(e)].iface;
	case FIB_GROUP:
		return net->adj[member].iface;
	default:
		return IFACE_LOOPBACK;
	}
}

uint16_t lookup_egress(const struct worker *w, const struct rte_mbuf *m, uint32_t dst)
{
	fib_entry e = fib4_lookup(w->net->fib, dst);
	bool group = fib_entry_kind(e) == FIB_GROUP;

	return iface_of(w->net, e, group ? lookup_member(w, fib_entry_index(e), m) : 0);
}

uint16_t lookup_icmp_egress(const struct worker *w, uint32_t dst)
{
	fib_entry e = fib4_lookup(w->net->fib, dst);
	bool group = fib_entry_kind(e) == FIB_GROUP;

	return iface_of(w->net, e, group ? group_member_to(w, fib_entry_index(e), dst) : 0);
}

/*
 * A directed broadcast, made one on its link where the interface allows it (RFC 2644: off by
 * default). It is nobody's in particular, so no sender is told why it did not go.
 */
static void broadcast_out(struct worker *w, struct rte_mbuf *m, uint16_t iface)
{
	const struct iface *f = &w->net->iface[iface];
	struct ip4_hdr *ip = pkt_ip4(m);
	struct adj all = {.l2_len = ETH_HDR_LEN};
	uint8_t header[ETH_TAGGED_LEN];

	if (ip->ttl <= 1 || ip4_hdr_total_len(ip) > f->mtu) {
		drop(w, m, ip->ttl <= 1 ? DROP_TTL_EXCEEDED : DROP_FRAG_NEEDED);
		return;
	}
	memset(header, 0xff, ETH_MAC_LEN);
	eth_mac_store(header + ETH_MAC_LEN, f->mac);
	store16(header + 12, to_be16(f->vlan == 0 ? ETH_TYPE_IP4 : ETH_TYPE_VLAN));
	vlan_hdr_build((struct vlan_hdr *)(header + ETH_HDR_LEN), f->vlan, 0, ETH_TYPE_IP4);
	all.l2_first = load64(header);
	memcpy(all.l2_rest, header + 8, sizeof(all.l2_rest));
	all.l2_len = f->vlan == 0 ? ETH_HDR_LEN : ETH_TAGGED_LEN;
	if (!rewrite_pad(m) || !rewrite(&all, m)) {
		drop(w, m, DROP_HEADROOM);
		return;
	}
	ip4_hdr_dec_ttl(ip);
	w->count[COUNT_ip4_forwarded]++;
	tx_put(w, f->slot, m);
}

/* A broadcast address of a connected prefix: ours too on its own link (RFC 1812 5.3.5.2). */
static void broadcast_in(struct worker *w, struct rte_mbuf *m, uint16_t iface)
{
	uint16_t flags = w->net->iface[iface].flags;

	if (iface == pkt_iface(m))
		lane_put(&w->local, m, 0);
	else if (flags & IFACE_DIRECTED_BCAST && flags & IFACE_UP)
		broadcast_out(w, m, iface);
	else
		drop(w, m, DROP_BROADCAST);
}

/* Every kind but forward and group, for received packets. */
static void divert_in(struct worker *w, struct rte_mbuf *m, uint32_t dst, fib_entry e)
{
	uint32_t index = fib_entry_index(e);

	switch (fib_entry_kind(e)) {
	case FIB_LOCAL:
		lane_put(&w->local, m, 0);
		return;
	case FIB_GLEAN:
		if (pkt_ip4(m)->ttl <= 1) /* it goes nowhere, whoever is there (RFC 1812 5.3.1) */
			error_put(w, m, ERROR_TTL, 0);
		else
			park_put(w, m, (uint16_t)index, dst);
		return;
	case FIB_BROADCAST:
		broadcast_in(w, m, (uint16_t)index);
		return;
	case FIB_BLACKHOLE:
		drop(w, m, DROP_BLACKHOLE);
		return;
	case FIB_UNREACHABLE:
		error_put(w, m, ERROR_UNREACHABLE, 0);
		return;
	case FIB_SERVICE:
		if (w->lb != NULL)
			lane_put(&w->service, m, index);
		else
			drop(w, m, DROP_NO_SERVICE);
		return;
	case FIB_NONE:
	case FIB_FORWARD:
	case FIB_GROUP:
	case FIB_KINDS:
		break;
	}
	error_put(w, m, ERROR_NO_ROUTE, 0);
}

void stage_fib_in(struct worker *w)
{
	const struct fib4 *fib = w->net->fib;
	const struct adj *adj = w->net->adj;
	struct lane *in = &w->in, *fwd = &w->fwd;
	uint32_t n = in->n, n_fwd = fwd->n;

	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		uint32_t dst = in->aux[i];
		fib_entry e = fib4_follow(fib, fib4_load(fib4_slot(fib, dst)), dst);
		uint32_t index = fib_entry_index(e);

		if (unlikely(fib_entry_kind(e) != FIB_FORWARD)) {
			if (fib_entry_kind(e) != FIB_GROUP) {
				divert_in(w, m, dst, e);
				continue;
			}
			index = lookup_member(w, index, m);
		}
		rte_prefetch0(&adj[index]);
		fwd->pkt[n_fwd] = m;
		fwd->aux[n_fwd++] = index;
	}
	fwd->n = n_fwd;
}

/*
 * A host takes what is for it, or for all on the link; it sends nothing on (RFC 1122 3.2.1.3).
 * balances: what is for a virtual address is its, too.
 */
static __rte_always_inline void fib_end(struct worker *w, const bool balances)
{
	const struct fib4 *fib = w->net->fib;
	struct lane *in = &w->in;

	for (uint32_t i = 0; i < in->n; i++) {
		struct rte_mbuf *m = in->pkt[i];
		fib_entry e = fib4_lookup(fib, in->aux[i]);
		enum fib_kind kind = fib_entry_kind(e);

		if (kind == FIB_LOCAL ||
			(kind == FIB_BROADCAST && fib_entry_index(e) == pkt_iface(m)))
			lane_put(&w->local, m, 0);
		else if (balances && kind == FIB_SERVICE && w->lb != NULL)
			lane_put(&w->service, m, fib_entry_index(e));
		else
			drop(w, m, DROP_IP4_NOT_OURS);
	}
}

void stage_fib_host(struct worker *w)
{
	fib_end(w, false);
}

void stage_fib_balance(struct worker *w)
{
	fib_end(w, true);
}

/* Every kind but forward, for packets of our own: nobody is told when they cannot go. */
static void divert_out(struct worker *w, struct rte_mbuf *m, uint32_t dst, fib_entry e)
{
	uint32_t index = fib_entry_index(e);

	switch (fib_entry_kind(e)) {
	case FIB_GLEAN:
		park_put(w, m, (uint16_t)index, dst);
		return;
	case FIB_GROUP:
		if (pkt_ip4(m)->proto == IP4_PROTO_ICMP)
			lane_put(&w->fwd_out, m, group_member_to(w, index, dst));
		else
			lane_put(&w->fwd_out, m, lookup_member(w, index, m));
		return;
	case FIB_LOCAL:
		if (offload_is_open(m)) /* no device will close it */
			offload_finish(m);
		again(w, m);
		return;
	case FIB_BLACKHOLE:
		drop(w, m, DROP_BLACKHOLE);
		return;
	case FIB_UNREACHABLE:
		drop(w, m, DROP_UNREACHABLE);
		return;
	case FIB_BROADCAST:
		drop(w, m, DROP_BROADCAST);
		return;
	case FIB_SERVICE:
		drop(w, m, DROP_NO_SERVICE);
		return;
	case FIB_NONE:
	case FIB_FORWARD:
	case FIB_KINDS:
		break;
	}
	drop(w, m, DROP_NO_ROUTE);
}

void stage_fib_out(struct worker *w)
{
	const struct fib4 *fib = w->net->fib;
	struct lane *out = &w->out;

	for (uint32_t i = 0; i < out->n; i++) {
		fib_entry e = fib4_lookup(fib, out->aux[i]);

		if (unlikely(fib_entry_kind(e) != FIB_FORWARD))
			divert_out(w, out->pkt[i], out->aux[i], e);
		else
			lane_put(&w->fwd_out, out->pkt[i], fib_entry_index(e));
	}
}
