/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_worker: a router with two interfaces and no devices, for units of stages: packets are put in
 * a lane, the stage is run, and the lanes after it, the counters and the books are looked at.
 *
 *   lan 198.18.0.1/24 (interface 1, slot 0): host 198.18.0.2 is known
 *   wan 198.18.1.1/24 (interface 2, slot 1): host 198.18.1.2 is known, and 198.19.0.0/16 behind it
 */
#ifndef UNIT_FAKE_WORKER_H
#define UNIT_FAKE_WORKER_H

#include "eal.h"
#include "net/net.h"
#include "net/park.h"
#include "net/punt.h"
#include "net/reasm.h"
#include "net/stage.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LAN = 1, WAN = 2 }; /* interfaces, and the adjacencies of their hosts */

/* as ip4_addr(), for tables that are static */
#define FAKE_ADDR(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

#define LAN_ADDR  FAKE_ADDR(198, 18, 0, 1)
#define LAN_HOST  FAKE_ADDR(198, 18, 0, 2)
#define LAN_BCAST FAKE_ADDR(198, 18, 0, 255)
#define WAN_ADDR  FAKE_ADDR(198, 18, 1, 1)
#define WAN_HOST  FAKE_ADDR(198, 18, 1, 2)
#define FAR_HOST  FAKE_ADDR(198, 19, 7, 7)
#define LOOPBACK  FAKE_ADDR(198, 18, 255, 1)

static const uint8_t fake_mac[][6] = {[LAN] = {2, 0, 0, 0, 1, 1}, [WAN] = {2, 0, 0, 0, 2, 1}};
static const uint8_t fake_host_mac[][6] = {[LAN] = {2, 0, 0, 0, 1, 2}, [WAN] = {2, 0, 0, 0, 2, 2}};

static inline void fake_route(
	struct net *net, uint32_t prefix, unsigned int depth, enum fib_kind kind, uint32_t index)
{
	assert_int_equal(rib4_add(net->rib, prefix, depth, RIB4_CONNECTED, 0, 0,
				 fib_entry_make(kind, index)),
		0);
}

static inline void fake_iface(struct net *net, uint16_t index, const char *name, uint32_t addr)
{
	struct iface *f = &net->iface[index];
	uint32_t prefix = addr & ip4_mask(24);

	strcpy(f->name, name);
	f->mac = eth_mac_u48(fake_mac[index]);
	f->addr = addr;
	f->flags = IFACE_UP;
	f->mtu = 1500;
	f->slot = index - 1;
	f->addrs[0] = (struct iface_addr){.addr = addr, .depth = 24};
	f->n_addrs = 1;
	fake_route(net, prefix, 24, FIB_GLEAN, index);
	fake_route(net, prefix, 32, FIB_BROADCAST, index);
	fake_route(net, prefix | 255, 32, FIB_BROADCAST, index);
	fake_route(net, addr, 32, FIB_LOCAL, index);
	adj_set(net, index, index, addr + 1, fake_host_mac[index]);
	fake_route(net, addr + 1, 32, FIB_FORWARD, index);
}

static inline struct net *fake_net(void)
{
	struct net_limits limits = {
		.routes = 1024, .tbl8 = 64, .adjacencies = 16, .groups = 4, .mbuf_size = 2048};
	struct net *net;

	assert_int_equal(net_new(&net, &limits), 0);
	fake_iface(net, LAN, "lan", LAN_ADDR);
	fake_iface(net, WAN, "wan", WAN_ADDR);
	fake_route(net, ip4_addr(198, 19, 0, 0), 16, FIB_FORWARD, WAN);
	fake_route(net, LOOPBACK, 32, FIB_LOCAL, IFACE_LOOPBACK);
	return net;
}

/* The first of n workers on one net; the others are net->worker[1] and so on. */
static inline struct worker *fake_worker(uint16_t n)
{
	static unsigned int pools;
	struct net *net = fake_net();
	struct rte_mempool *pool;
	char name[16];

	snprintf(name, sizeof(name), "fake%u", pools++);
	pool = rte_pktmbuf_pool_create(name, 4095, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(pool);
	net->n_workers = n;
	for (uint16_t i = 0; i < n; i++) {
		net->worker[i] = worker_new(net, i, i, 0, pool);
		assert_non_null(net->worker[i]);
		net->worker[i]->now = clock_of_ms(1000000);
		for (uint16_t slot = 0; slot < PORT_MAX; slot++)
			net->worker[i]->tx[slot].via = -1;
	}
	return net->worker[0];
}

/*
 * A received packet of len bytes in segments of at most seg bytes (0: in one), the first of which
 * is as long as the IPv4 header needs: in exact-size heap buffers, so that a sanitizer sees a read
 * past the end, or in buffers of the pool, which may be written.
 */
enum fake_memory { FAKE_POOL, FAKE_EXACT };

static inline void fake_free(void *addr, void *shared)
{
	free(addr);
	free(shared);
}

static inline void fake_segment(
	struct rte_mbuf *s, const uint8_t *bytes, uint16_t len, enum fake_memory memory)
{
	if (memory == FAKE_EXACT) {
		struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared));
		void *copy = malloc(len);

		assert_true(shared != NULL && copy != NULL);
		shared->free_cb = fake_free;
		shared->fcb_opaque = shared;
		rte_mbuf_ext_refcnt_set(shared, 1);
		rte_pktmbuf_attach_extbuf(s, copy, RTE_BAD_IOVA, len, shared);
		s->data_off = 0;
	}
	memcpy(rte_pktmbuf_append(s, len), bytes, len);
}

static inline struct rte_mbuf *fake_packet(struct worker *w, uint16_t port, const void *frame,
	size_t len, size_t seg, enum fake_memory memory)
{
	const uint8_t *bytes = frame;
	size_t head = len < ETH_HDR_LEN + IP4_HDR_LEN ? len : ETH_HDR_LEN + 4u * (bytes[14] & 15);
	struct rte_mbuf *m = NULL, *last = NULL;

	for (size_t at = 0, n; at < len; at += n) {
		struct rte_mbuf *s = rte_pktmbuf_alloc(w->pool);

		assert_non_null(s);
		n = seg == 0 ? RTE_MIN(len - at, (size_t)(m == NULL ? 1914 : 2000)) : seg;
		n = RTE_MIN(m == NULL ? RTE_MAX(n, head) : n, len - at);
		fake_segment(s, bytes + at, (uint16_t)n, memory);
		if (m == NULL) {
			m = s;
		} else {
			last->next = s;
			m->nb_segs++;
			m->pkt_len += (uint32_t)n;
		}
		last = s;
	}
	assert_non_null(m);
	m->port = port;
	w->books.rx++;
	return m;
}

static inline void fake_run(struct worker *w, struct lane *in, stage_fn *fn)
{
	fn(w);
	in->n = 0;
}

/* The m's bytes from the IPv4 header on are those of a frame of len bytes. */
static inline void fake_expect(const struct rte_mbuf *m, const void *frame, uint32_t len)
{
	uint8_t *copy = malloc(len);
	const uint8_t *got;

	assert_non_null(copy);
	assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len);
	got = rte_pktmbuf_read(m, 0, len, copy);
	assert_memory_equal(
		got + ETH_HDR_LEN, (const uint8_t *)frame + ETH_HDR_LEN, len - ETH_HDR_LEN);
	free(copy);
}

static inline uint32_t fake_in_lanes(struct worker *w, bool take)
{
	struct lane *lanes[] = {&w->rx, &w->odd, &w->arp, &w->in, &w->service, &w->fwd, &w->local,
		&w->reasm, &w->steer, &w->icmp, &w->quoted, &w->udp, &w->answer, &w->tcp, &w->punt,
		&w->error, &w->out, &w->fwd_out, &w->frag};
	uint32_t n = 0;

	for (size_t i = 0; i < RTE_DIM(lanes); i++) {
		n += lanes[i]->n;
		if (take)
			rte_pktmbuf_free_bulk(lanes[i]->pkt, lanes[i]->n);
		lanes[i]->n = take ? 0 : lanes[i]->n;
	}
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		n += w->tx[i].n;
		if (take)
			rte_pktmbuf_free_bulk(w->tx[i].pkt, w->tx[i].n);
		w->tx[i].n = take ? 0 : w->tx[i].n;
	}
	return n;
}

static inline void fake_balanced(struct worker *w)
{
	const struct books *b = &w->books;
	uint64_t ends = b->tx + b->consumed + b->handed_out + park_held(w->park) +
			reasm_held(w->reasm_table) + w->again.n + punt_held(w) +
			fake_in_lanes(w, false);

	for (int i = 0; i < DROP_MAX; i++)
		ends += b->drop[i];
	assert_int_equal(b->rx + b->originated + b->handed_in, ends);
}

/* Books balanced; every packet freed, every count 0. */
static inline void fake_clear(struct worker *w)
{
	fake_balanced(w);
	fake_in_lanes(w, true);
	reasm_drop_all(w);
	if (park_held(w->park) > 0)
		park_drop_all(w);
	rte_pktmbuf_free_bulk(w->to_free, w->n_free);
	w->n_free = 0;
	memset(&w->books, 0, sizeof(w->books));
	memset(w->count, 0, sizeof(w->count));
}

/* The same of the only worker, which has lost no buffer. */
static inline void fake_rest(struct worker *w)
{
	fake_clear(w);
	assert_int_equal(rte_mempool_in_use_count(w->pool), 0);
}

static inline void fake_end(struct worker *w)
{
	struct net *net = w->net;
	struct rte_mempool *pool = w->pool;

	for (uint16_t i = 0; i < net->n_workers; i++)
		worker_free_all(net->worker[i]);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
	net_free(net);
}

/* The one drop of the packet just run, which must have been for this reason. */
static inline void fake_dropped(const struct worker *w, enum drop_reason reason)
{
	for (int i = 0; i < DROP_MAX; i++) {
		if (w->books.drop[i] != (i == (int)reason))
			print_error("%s: %" PRIu64 "\n", drop_name(i), w->books.drop[i]);
		assert_int_equal(w->books.drop[i], i == (int)reason);
	}
}

#endif
