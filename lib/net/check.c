/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_check: Ethernet and IPv4 of a burst from one receive queue, in one OR-ed question.
 *
 * rx -> in (aux: destination) | odd. What goes to `in` is a valid IPv4 packet without options, to
 * our MAC, from and to plausible unicast addresses, on an interface that asks for nothing more.
 * Sets m->port of both; the FIB entry of what goes to `in` is on its way into the cache.
 *
 * Eight packets are asked at once (15 cycles a packet less than one by one); where one of them is
 * unusual, and at the end of a burst, each is asked by itself.
 */
#include "check8.h"
#include "net/net.h"
#include "net/stage.h"

#define BLOCK 8

/* How many packets ahead mbufs and headers are fetched: whole blocks. */
#define MBUFS_AHEAD 32
#define HEADS_AHEAD 16

/* The first octet decides: 0, 127 and everything from 224 up is not a unicast host. */
static inline uint32_t not_unicast(uint32_t addr)
{
	uint32_t octet = addr >> 24;

	return (octet - 1 >= 223) | (octet == 127);
}

/* Zero for a packet that may go to `in`. */
static inline uint64_t unusual(const struct arrival *a, const struct rte_mbuf *m)
{
	const struct eth_hdr *eth = pkt_eth(m);
	const struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t length = rte_pktmbuf_pkt_len(m), payload = length - ETH_HDR_LEN;
	/* below zero where there is more padding than a short frame needs */
	uint32_t padding = (ip4_hdr_total_len(ip) - payload) & (ETH_MIN_FRAME - length);

	/* a buffer has room for the headers whatever the frame's length: reads are safe */
	return (eth_hdr_dst(eth) ^ a->mac) | (eth->type ^ to_be16(ETH_TYPE_IP4)) |
	       (eth->src[0] & 1) | (m->data_len < ETH_HDR_LEN + IP4_HDR_LEN) |
	       ip4_hdr_unusual(ip, payload) | padding >> 31 | not_unicast(ip4_hdr_src(ip)) |
	       not_unicast(ip4_hdr_dst(ip)) | ip4_is_link_local(ip4_hdr_src(ip)) |
	       ip4_is_link_local(ip4_hdr_dst(ip)) | a->demands |
	       ((m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) |
	       ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_NONE);
}

/* Packets first to last - 1, one by one. Returns the bytes of all. */
static uint64_t check_each(struct worker *w, const struct arrival *a, uint32_t first, uint32_t last)
{
	uint64_t bytes = 0;

	for (uint32_t i = first; i < last; i++) {
		struct rte_mbuf *m = w->rx.pkt[i];
		uint32_t dst = ip4_hdr_dst(pkt_ip4(m));

		bytes += rte_pktmbuf_pkt_len(m);
		m->port = a->iface;
		if (unlikely(unusual(a, m))) {
			lane_put(&w->odd, m, 0);
			continue;
		}
		rte_prefetch0(fib4_slot(w->net->fib, dst));
		lane_put(&w->in, m, dst);
	}
	return bytes;
}

/* Eight packets at once, if all are plain. */
static inline bool check_eight(
	struct worker *w, const struct arrival *a, uint32_t first, uint64_t *bytes)
{
	const struct fib4 *fib = w->net->fib;
	struct rte_mbuf **m = &w->rx.pkt[first];
	struct lane *in = &w->in;
	uint32_t n = in->n;

	if (unlikely(!check8_plain(a, m, &in->aux[n], bytes)))
		return false;
	memcpy(&in->pkt[n], m, BLOCK * sizeof(*m));
	for (uint32_t i = 0; i < BLOCK; i++) {
		m[i]->port = a->iface;
		rte_prefetch0(fib4_slot(fib, in->aux[n + i]));
	}
	in->n = n + BLOCK;
	return true;
}

static inline void fetch_mbufs(const struct lane *l, uint32_t first)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		rte_prefetch0(l->pkt[first + i]);
}

static inline void fetch_heads(const struct lane *l, uint32_t first)
{
	for (uint32_t i = 0; i < BLOCK; i++)
		rte_prefetch0(rte_pktmbuf_mtod(l->pkt[first + i], void *));
}

void stage_check(struct worker *w)
{
	const struct iface *f = &w->net->iface[w->rx_iface];
	const struct arrival a = {
		.mac = f->mac,
		.demands = (f->flags & (IFACE_URPF_STRICT | IFACE_URPF_LOOSE)) |
			   ((f->flags & IFACE_UP) ^ IFACE_UP),
		.iface = w->rx_iface,
	};
	struct lane *rx = &w->rx;
	uint32_t n = rx->n;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < BLOCK; i++) /* so that every block is whole, for the fetches */
		rx->pkt[n + i] = rx->pkt[n - 1];
	for (uint32_t i = 0; i < n && i < MBUFS_AHEAD; i += BLOCK)
		fetch_mbufs(rx, i);
	for (uint32_t i = 0; i < n && i < HEADS_AHEAD; i += BLOCK)
		fetch_heads(rx, i);
	for (uint32_t i = 0; i < n; i += BLOCK) {
		if (i + MBUFS_AHEAD < n)
			fetch_mbufs(rx, i + MBUFS_AHEAD);
		if (i + HEADS_AHEAD < n)
			fetch_heads(rx, i + HEADS_AHEAD);
		if (i + BLOCK > n || !check_eight(w, &a, i, &bytes))
			bytes += check_each(w, &a, i, RTE_MIN(i + BLOCK, n));
	}
	w->iface_rx[w->rx_iface].packets += n;
	w->iface_rx[w->rx_iface].bytes += bytes;
}
