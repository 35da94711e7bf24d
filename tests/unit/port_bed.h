/* SPDX-License-Identifier: BSD-3-Clause */
/* port_bed: a net with workers for units that apply configurations of ports; no thread runs. */
#ifndef UNIT_PORT_BED_H
#define UNIT_PORT_BED_H

#include "eal.h"
#include "net/net.h"
#include "net/park.h"
#include "net/port.h"
#include "wire/eth_hdr.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define WORKERS 2

static struct net *net;
static struct rte_mempool *pool;
static struct port_conf ports[4];
static struct errs errors;

static inline struct port_conf *device(
	uint32_t i, const char *name, const char *vdev, uint32_t addr)
{
	struct port_conf *c = &ports[i];

	*c = (struct port_conf){.kind = PORT_VDEV, .rx_descriptors = 64, .tx_descriptors = 64};
	snprintf(c->iface.name, sizeof(c->iface.name), "%s", name);
	snprintf(c->device, sizeof(c->device), "%s", vdev);
	c->iface.mtu = 1500;
	c->iface.addrs[0] = (struct addr_conf){.addr = addr, .depth = 24};
	c->iface.n_addrs = 1;
	return c;
}

static inline int build(uint32_t n)
{
	struct ports_conf c = {.n = n, .list = ports};

	return port_build(net, &c, &errors);
}

static inline void apply(uint32_t n)
{
	assert_int_equal(build(n), 0);
	port_publish(net, 1);
}

static inline enum fib_kind kind_of(uint32_t addr)
{
	return fib_entry_kind(fib4_lookup(net->fib, addr));
}

static inline uint32_t queues_of(const struct worker *w)
{
	const struct rxq_list *l = w->rxqs;

	return l == NULL ? 0 : l->n;
}

static inline int set_up(void **state)
{
	struct net_limits limits = net_limits_default;

	(void)state;
	limits.routes = 4096;
	limits.tbl8 = 64;
	limits.adjacencies = 1024;
	assert_int_equal(net_new(&net, &limits), 0);
	net->n_workers = WORKERS;
	net->pool[0] = pool;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		net->owner[i] = (uint8_t)(i % WORKERS);
	for (uint16_t i = 0; i < WORKERS; i++) {
		net->worker[i] = worker_new(net, i, i + 1, -1, pool);
		assert_non_null(net->worker[i]);
	}
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	epoch_drain(net->epoch);
	port_close_all(net);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
	for (uint16_t i = 0; i < WORKERS; i++)
		worker_free_all(net->worker[i]);
	net_free(net);
	errs_clear(&errors);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* EAL, and the pool of all; false: not to be had. */
static inline bool port_bed(void)
{
	if (eal_for_tests(256) < 0)
		return false;
	pool = rte_pktmbuf_pool_create("port", 2047, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, -1);
	return pool != NULL;
}

#endif
