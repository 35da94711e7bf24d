/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * laps: the preloaded ring, and a worker around it; for one bench's only source.
 *
 * One ring is both the receive and the transmit queue of one device. The next hops' MAC is the
 * port's own, so that what is sent is received again; it goes out by a second interface, as it
 * does in a router.
 */
#ifndef PERF_LAPS_H
#define PERF_LAPS_H

#include "measure.h"
#include "net/net.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include <stdio.h>
#include <stdlib.h>

#define RING  131072
#define FRAME 60 /* 64 with the FCS */

static const uint8_t laps_mac[ETH_MAC_LEN] = {2, 0, 0, 0, 0, 1};

static struct {
	struct net *net;
	struct worker *w;
	uint16_t device;
	struct rte_ring *ring;
	struct rte_mempool *pool;
} laps;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* Tables, a worker, and two interfaces of one port: 1, where packets come in, and 2. */
static void laps_net(const struct net_limits *limits)
{
	must(net_new(&laps.net, limits) == 0, "no memory for the tables");
	laps.net->set = net_settings_default;
	laps.net->n_workers = 1;
	laps.w = worker_new(laps.net, 0, 1, -1, laps.pool);
	must(laps.w != NULL, "no memory for the worker");
	laps.net->worker[0] = laps.w;
	for (uint16_t i = 1; i <= 2; i++) {
		struct iface *f = &laps.net->iface[i];

		f->mac = eth_mac_u48(laps_mac);
		f->flags = IFACE_UP;
		f->mtu = 1500;
		f->slot = i - 1;
	}
}

/* An adjacency by interface 2, which leads back. */
static uint32_t laps_hop(uint32_t addr)
{
	uint32_t hop = adj_take(laps.net);

	must(hop != 0, "no adjacency");
	adj_set(laps.net, hop, 2, addr, laps_mac);
	return hop;
}

static void laps_route(uint32_t prefix, uint8_t depth, uint32_t hop)
{
	must(rib4_add(laps.net->rib, prefix, depth, RIB4_STATIC, 1, 0,
		     fib_entry_make(FIB_FORWARD, hop)) == 0,
		"a route was refused");
}

static void laps_routes_done(void)
{
	while (rib4_pending(laps.net->rib) > 0)
		rib4_poll(laps.net->rib, UINT64_MAX);
}

static void laps_device(void)
{
	struct rte_eth_conf conf = {0};
	struct rxq_list *l = calloc(1, sizeof(*l) + sizeof(l->q[0]));
	int id;

	laps.ring = rte_ring_create("laps", RING, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
	must(laps.ring != NULL && l != NULL, "no memory for the ring");
	id = rte_eth_from_rings("laps", &laps.ring, 1, &laps.ring, 1, 0);
	must(id >= 0, "no device from the ring");
	laps.device = (uint16_t)id;
	must(rte_eth_dev_configure(laps.device, 1, 1, &conf) == 0 &&
			rte_eth_rx_queue_setup(laps.device, 0, 512, 0, NULL, laps.pool) == 0 &&
			rte_eth_tx_queue_setup(laps.device, 0, 512, 0, NULL) == 0 &&
			rte_eth_dev_start(laps.device) == 0,
		"the device did not start");
	l->n = 1;
	l->q[0] = (struct rxq){laps.device, 0, 1, 0, -1};
	laps.w->rxqs = l;
	laps.w->n_slots = 2;
	for (int slot = 0; slot < 2; slot++) {
		laps.w->tx[slot].device = laps.device;
		laps.w->tx[slot].ready = 1;
		laps.w->tx[slot].via = -1;
	}
}

static struct rte_mbuf *laps_take(void)
{
	struct rte_mbuf *m;

	must(rte_ring_sc_dequeue(laps.ring, (void **)&m) == 0, "a packet was lost");
	return m;
}

static void laps_give(struct rte_mbuf *m)
{
	must(rte_ring_sp_enqueue(laps.ring, m) == 0, "the ring is full");
}

static void laps_empty(void)
{
	struct rte_mbuf *m;

	while (rte_ring_sc_dequeue(laps.ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

/* What is in flight came back, and nothing was dropped. */
static void laps_are_clean(uint32_t packets)
{
	for (int r = 0; r < DROP_MAX; r++)
		must(laps.w->books.drop[r] == 0, "a packet was dropped");
	must(laps.w->books.rx == laps.w->books.tx &&
			laps.w->count[COUNT_ip4_forwarded] == laps.w->books.tx,
		"a packet was not forwarded");
	must(rte_ring_count(laps.ring) == packets, "a packet was lost");
}

#endif
