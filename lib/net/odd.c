/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_odd: whatever `check` found unusual, each thing asked by itself.
 *
 * odd -> arp | in | local | punt | drop (and error, by the options). Takes VLAN tags off, gives the
 * packet its interface, and names what is wrong with a broken one. What it passes on to `in` meets
 * the same invariants as check's.
 */
#include "net/chain.h"
#include "net/error.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/options.h"
#include "net/port.h"
#include "net/punt.h"
#include "net/stage.h"
#include "wire/vlan_hdr.h"

#define ALL_SYSTEMS_ADDR UINT32_C(0xe0000001)	  /* 224.0.0.1 */
#define ALL_SYSTEMS_MAC	 UINT64_C(0x0100005e0001) /* 01:00:5e:00:00:01 as a u48 */

static const enum drop_reason ip4_reasons[] = {
	[IP4_SHORT] = DROP_IP4_SHORT,
	[IP4_VERSION] = DROP_IP4_VERSION,
	[IP4_IHL] = DROP_IP4_IHL,
	[IP4_LENGTH] = DROP_IP4_LENGTH,
	[IP4_CSUM] = DROP_IP4_CSUM,
};

/* Sets *iface to the VLAN's interface on m's port and takes the tag off, if there is one. */
static bool untag(const struct net *net, struct rte_mbuf *m, uint16_t *iface)
{
	const struct port *p = net->port[net->iface[*iface].slot];
	char *frame = rte_pktmbuf_mtod(m, char *);
	uint16_t vid;

	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		vid = m->vlan_tci & 0xfff;
		m->ol_flags &= ~(RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN);
	} else if (eth_hdr_type(pkt_eth(m)) == ETH_TYPE_VLAN &&
		   m->data_len >= ETH_HDR_LEN + VLAN_HDR_LEN) {
		const struct vlan_hdr *tag = (const struct vlan_hdr *)(frame + ETH_HDR_LEN);

		vid = vlan_hdr_vid(tag);
		m->vlan_tci = from_be16(tag->tci); /* the kernel path puts it back */
		memmove(frame + VLAN_HDR_LEN, frame, 2 * (size_t)ETH_MAC_LEN);
		rte_pktmbuf_adj(m, VLAN_HDR_LEN);
	} else {
		return true;
	}
	if (vid == 0) /* priority only: the port itself */
		return true;
	*iface = p == NULL || p->vlan_iface == NULL ? 0 : p->vlan_iface[vid];
	return *iface != 0;
}

/* Who the frame is for; marks what came by broadcast or multicast. */
static bool frame_is_ours(const struct net *net, const struct iface *f, struct rte_mbuf *m)
{
	uint64_t dst = eth_hdr_dst(pkt_eth(m));

	if (dst == f->mac)
		return true;
	if (dst != ETH_U48_MASK && dst != ALL_SYSTEMS_MAC && !punt_joined(net, f, dst))
		return false;
	m->port |= PKT_LINK_GROUP;
	return true;
}

/* Brings `need` bytes of the frame into the first segment, if it has room for them. */
static bool pull_up(struct rte_mbuf *m, uint32_t need)
{
	uint32_t missing = need - m->data_len;
	char *tail = rte_pktmbuf_mtod_offset(m, char *, m->data_len);
	struct rte_mbuf *next = m->next;

	if (need <= m->data_len)
		return true;
	if (rte_pktmbuf_pkt_len(m) < need || rte_pktmbuf_tailroom(m) < missing)
		return false;
	while (missing > 0) {
		uint16_t take = (uint16_t)RTE_MIN(missing, (uint32_t)next->data_len);

		memcpy(tail, rte_pktmbuf_mtod(next, void *), take);
		tail += take;
		m->data_len += take;
		next->data_off += take;
		next->data_len -= take;
		missing -= take;
		next = next->next;
	}
	return true;
}

/*
 * A checksum that was left to us: a virtio peer says "none, but the data is good". The packet goes
 * on as any other, so the sum is made before anything else sees it.
 */
static void complete_csum(struct rte_mbuf *m)
{
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t at = ETH_HDR_LEN + ip4_hdr_len(ip);
	uint32_t place = ip->proto == IP4_PROTO_TCP ? 16 : 6;

	m->ol_flags &= ~RTE_MBUF_F_RX_L4_CKSUM_MASK;
	if (ip->proto != IP4_PROTO_TCP && ip->proto != IP4_PROTO_UDP)
		return;
	if (m->data_len < at + place + 2 || ip4_hdr_is_fragment(ip))
		return;
	offload_sum(m);
}

static bool group_has(const struct net *net, uint32_t index, uint16_t iface)
{
	for (uint32_t i = 0; i < net->group[index].n; i++)
		if (net->adj[net->group[index].member[i]].iface == iface)
			return true;
	return false;
}

/* RFC 3704: whether the source is routed back where it came from (strict), or at all (loose). */
static bool source_is_routed(const struct net *net, uint16_t iface, uint32_t src)
{
	fib_entry e = fib4_lookup(net->fib, src);
	uint32_t index = fib_entry_index(e);
	bool strict = net->iface[iface].flags & IFACE_URPF_STRICT;

	switch (fib_entry_kind(e)) {
	case FIB_FORWARD:
		return !strict || net->adj[index].iface == iface;
	case FIB_GLEAN:
		return !strict || index == iface;
	case FIB_GROUP:
		return !strict || group_has(net, index, iface);
	default:
		return false;
	}
}

/* What is not a unicast address of a host: local delivery, or the reason for the end. */
static void to_group(struct worker *w, struct rte_mbuf *m, uint32_t dst)
{
	if (ip4_is_broadcast(dst) || dst == ALL_SYSTEMS_ADDR)
		lane_put(&w->local, m, 0);
	else if (!ip4_is_multicast(dst))
		drop(w, m, DROP_IP4_DST_MARTIAN);
	else if (punt_joined(w->net, &w->net->iface[pkt_iface(m)], eth_hdr_dst(pkt_eth(m))))
		lane_put(&w->punt, m, 0);
	else
		drop(w, m, DROP_MULTICAST);
}

/* RFC 3927 7: what is link-local is for this host, or for nobody; no route says otherwise. */
static bool strays(const struct net *net, uint16_t iface, uint32_t src, uint32_t dst)
{
	fib_entry e = fib4_lookup(net->fib, dst);

	return (ip4_is_link_local(src) || ip4_is_link_local(dst)) &&
	       fib_entry_kind(e) != FIB_LOCAL && e != fib_entry_make(FIB_BROADCAST, iface);
}

static void odd_ip4(struct worker *w, struct rte_mbuf *m, uint16_t iface)
{
	const struct net *net = w->net;
	const struct iface *f = &net->iface[iface];
	uint32_t src, dst, head = ETH_HDR_LEN + IP4_HDR_LEN;
	enum ip4_verdict v = IP4_SHORT;

	if (pull_up(m, head) &&
		pull_up(m, ETH_HDR_LEN + RTE_MAX(ip4_hdr_len(pkt_ip4(m)), (uint32_t)IP4_HDR_LEN)))
		v = ip4_hdr_check(pkt_ip4(m), rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN);
	else if (m->data_len >= head)
		v = IP4_IHL;
	if (v != IP4_OK) {
		drop(w, m, ip4_reasons[v]);
		return;
	}
	chain_trim(m, ETH_HDR_LEN + ip4_hdr_total_len(pkt_ip4(m))); /* what the link padded */
	src = ip4_hdr_src(pkt_ip4(m));
	dst = ip4_hdr_dst(pkt_ip4(m));
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		complete_csum(m);
	if (ip4_src_is_martian(src)) {
		drop(w, m, DROP_IP4_SRC_MARTIAN);
		return;
	}
	if ((f->flags & (IFACE_URPF_STRICT | IFACE_URPF_LOOSE)) != 0 &&
		!source_is_routed(net, iface, src)) {
		drop(w, m, DROP_URPF);
		return;
	}
	if (ip4_hdr_len(pkt_ip4(m)) > IP4_HDR_LEN) {
		w->count[COUNT_ip4_options]++;
		if (!options_pass(w, m))
			return;
		dst = ip4_hdr_dst(pkt_ip4(m));
	}
	if (dst >> 28 >= 0xe || ip4_dst_is_martian(dst)) {
		to_group(w, m, dst);
		return;
	}
	if ((m->port & PKT_LINK_GROUP) &&
		fib4_lookup(net->fib, dst) != fib_entry_make(FIB_BROADCAST, iface)) {
		drop(w, m, DROP_IP4_LINK_GROUP);
		return;
	}
	if (strays(net, iface, src, dst)) {
		drop(w, m, DROP_IP4_LINK_LOCAL);
		return;
	}
	lane_put(&w->in, m, dst);
}

/* A type that nobody here knows. A tag behind a mere priority would pass for a VLAN of ours there.
 */
static bool is_kernels(const struct worker *w, const struct iface *f, const struct rte_mbuf *m)
{
	const struct eth_hdr *eth = pkt_eth(m);

	return punt_wants(w, m) && !eth_is_broadcast(eth->dst) &&
	       (eth_hdr_type(eth) != ETH_TYPE_VLAN || f->vlan != 0);
}

static void odd_frame(struct worker *w, struct rte_mbuf *m)
{
	uint16_t iface = pkt_iface(m);
	const struct iface *f;

	if (m->data_len < ETH_HDR_LEN) {
		drop(w, m, DROP_ETH_SHORT);
		return;
	}
	if (!untag(w->net, m, &iface)) {
		drop(w, m, DROP_VLAN_UNKNOWN);
		return;
	}
	if (iface != pkt_iface(m)) {
		w->iface_rx[iface].packets++;
		w->iface_rx[iface].bytes += rte_pktmbuf_pkt_len(m);
		m->port = iface;
	}
	f = &w->net->iface[iface];
	if (!frame_is_ours(w->net, f, m)) {
		drop(w, m, DROP_ETH_NOT_OURS);
		return;
	}
	if (eth_is_group(pkt_eth(m)->src)) {
		drop(w, m, DROP_ETH_SOURCE);
		return;
	}
	if ((f->flags & IFACE_UP) == 0) {
		drop(w, m, DROP_IFACE_DOWN);
		return;
	}
	switch (eth_hdr_type(pkt_eth(m))) {
	case ETH_TYPE_ARP:
	case ETH_TYPE_RARP:
		lane_put(&w->arp, m, 0);
		return;
	case ETH_TYPE_IP4:
		odd_ip4(w, m, iface);
		return;
	default:
		if (is_kernels(w, f, m))
			lane_put(&w->punt, m, 0);
		else
			drop(w, m, DROP_ETH_TYPE);
	}
}

void stage_odd(struct worker *w)
{
	for (uint32_t i = 0; i < w->odd.n; i++)
		odd_frame(w, w->odd.pkt[i]);
}
