/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bed: a whole struct net with workers and two interfaces, without devices or threads, for units of
 * what control and workers tell each other. Time is a number here; frames that leave are read from
 * the tx lanes.
 *
 *   lan 198.18.0.254/24 (interface 1, slot 0), wan 198.18.1.254/24 (interface 2, slot 1)
 */
#ifndef UNIT_BED_H
#define UNIT_BED_H

#include "eal.h"
#include "net/neigh.h"
#include "net/net.h"
#include "net/park.h"
#include "net/route.h"
#include "net/stage.h"

#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { LO, LAN, WAN };

/* ip4_addr() for initialisers */
#define IP(a, b, c, d) (UINT32_C(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define LAN_NET(host)  IP(198, 18, 0, host)
#define WAN_NET(host)  IP(198, 18, 1, host)
#define LAN_ADDR       LAN_NET(254)
#define WAN_ADDR       WAN_NET(254)
#define LAN_HOST       LAN_NET(1)
#define WAN_HOST       WAN_NET(1)

static const uint8_t lan_mac[6] = {2, 0, 0, 0, 0, 0xa1}, wan_mac[6] = {2, 0, 0, 0, 0, 0xa2};
static const uint8_t broadcast_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct bed {
	struct net *net;
	struct worker *w; /* the first */
	struct rte_mempool *pool;
	ticks now;
};

/* As ports do it, before bed_up(). */
static inline void bed_iface(struct bed *b, uint16_t index, const char *name, const uint8_t mac[6],
	uint32_t addr, uint8_t depth)
{
	struct iface *f = &b->net->iface[index];

	snprintf(f->name, sizeof(f->name), "%s", name);
	f->mac = eth_mac_u48(mac);
	f->addr = addr;
	f->mtu = 1500;
	f->slot = index - 1;
	f->addrs[0] = (struct iface_addr){.addr = addr, .depth = depth};
	f->n_addrs = 1;
	for (uint16_t i = 0; i < b->net->n_workers; i++) {
		b->net->worker[i]->tx[f->slot].ready = 1;
		b->net->worker[i]->tx[f->slot].via = -1;
	}
}

/* As a link that comes or goes. */
static inline void bed_up(struct bed *b, uint16_t index)
{
	b->net->iface[index].flags |= IFACE_UP;
	route_iface_up(b->net, index, b->now);
	neigh_iface_up(b->net, index, b->now);
}

static inline void bed_down(struct bed *b, uint16_t index)
{
	b->net->iface[index].flags &= (uint16_t)~IFACE_UP;
	route_iface_down(b->net, index, b->now);
	neigh_iface_down(b->net, index);
}

/* Lets time pass in steps of control's loop. */
static inline void bed_wait(struct bed *b, uint64_t ms)
{
	for (uint64_t left = ms; left > 0;) {
		uint64_t step = RTE_MIN(left, (uint64_t)50);

		b->now += clock_of_ms(step);
		left -= step;
		neigh_tick(b->net, b->now);
		route_tick(b->net);
		while (rib4_poll(b->net->rib, clock_now()) > 0)
			;
		epoch_poll(b->net->epoch);
	}
	for (uint16_t i = 0; i < b->net->n_workers; i++)
		b->net->worker[i]->now = b->now;
}

/* The next command to a worker; false: there is none. */
static inline bool bed_command(struct worker *w, struct command *c)
{
	return mailbox_take(w->commands, c, 1) == 1;
}

static inline bool bed_event(struct worker *w, struct event *e)
{
	return mailbox_take(w->events, e, 1) == 1;
}

static inline void bed_clear(struct bed *b)
{
	struct command c;
	struct event e;

	for (uint16_t i = 0; i < b->net->n_workers; i++) {
		while (bed_command(b->net->worker[i], &c))
			;
		while (bed_event(b->net->worker[i], &e))
			;
	}
}

/* A net of those sizes with n workers and both interfaces up, nothing waiting in a mailbox. */
static inline struct bed *bed_with(uint16_t n, const struct net_limits *limits)
{
	static unsigned int pools;
	struct bed *b = calloc(1, sizeof(*b));
	char name[16];

	assert_non_null(b);
	assert_int_equal(net_new(&b->net, limits), 0);
	snprintf(name, sizeof(name), "bed%u", pools++);
	b->pool = rte_pktmbuf_pool_create(name, 8191, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);
	assert_non_null(b->pool);
	b->now = clock_of_ms(1000000);
	b->net->n_workers = n;
	for (uint16_t i = 0; i < n; i++) {
		b->net->worker[i] = worker_new(b->net, i, i, -1, b->pool);
		assert_non_null(b->net->worker[i]);
		b->net->worker[i]->now = b->now;
	}
	b->w = b->net->worker[0];
	bed_iface(b, LAN, "lan", lan_mac, LAN_ADDR, 24);
	bed_iface(b, WAN, "wan", wan_mac, WAN_ADDR, 24);
	bed_up(b, LAN);
	bed_up(b, WAN);
	bed_wait(b, 5000); /* announced */
	bed_clear(b);
	return b;
}

static inline struct bed *bed_new(uint16_t n)
{
	struct net_limits limits = {.routes = 4096,
		.tbl8 = 64,
		.adjacencies = 256,
		.groups = 8,
		.mbufs = 0,
		.mbuf_size = 0};

	return bed_with(n, &limits);
}

/* Takes the frames off the tx lanes, and what was dropped; every buffer is back then. */
static inline void bed_rest(struct bed *b)
{
	for (uint16_t i = 0; i < b->net->n_workers; i++) {
		struct worker *w = b->net->worker[i];

		for (uint16_t slot = 0; slot < PORT_MAX; slot++) {
			rte_pktmbuf_free_bulk(w->tx[slot].pkt, w->tx[slot].n);
			w->tx[slot].n = 0;
		}
		rte_pktmbuf_free_bulk(w->to_free, w->n_free);
		w->n_free = 0;
	}
	assert_int_equal(rte_mempool_in_use_count(b->pool), 0);
}

static inline void bed_free(struct bed *b)
{
	struct rte_mempool *pool = b->pool;

	for (uint16_t i = 0; i < b->net->n_workers; i++)
		worker_free_all(b->net->worker[i]);
	b->net->n_workers = 0;
	net_free(b->net);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	rte_mempool_free(pool);
	free(b);
}

static inline void bed_free_copy(void *addr, void *shared)
{
	free(addr);
	free(shared);
}

/* A frame as received on an interface, in a buffer exactly as long: a sanitizer sees its end. */
static inline struct rte_mbuf *bed_frame(
	struct bed *b, uint16_t port, const void *frame, size_t len)
{
	struct rte_mbuf_ext_shared_info *shared = malloc(sizeof(*shared));
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
	void *copy = malloc(len);

	assert_true(m != NULL && copy != NULL && shared != NULL);
	shared->free_cb = bed_free_copy;
	shared->fcb_opaque = shared;
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(m, copy, RTE_BAD_IOVA, (uint16_t)len, shared);
	m->data_off = 0;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	m->port = port;
	b->w->books.rx++;
	return m;
}

/* What the FIB says of an address. */
static inline enum fib_kind bed_kind(const struct bed *b, uint32_t addr)
{
	return fib_entry_kind(fib4_lookup(b->net->fib, addr));
}

static inline uint32_t bed_index(const struct bed *b, uint32_t addr)
{
	return fib_entry_index(fib4_lookup(b->net->fib, addr));
}

#endif
