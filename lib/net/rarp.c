/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The RARP table: MACs in ascending order, replaced as a whole. Built and published by control,
 * searched by workers, retired by epoch.
 */
#include "net/rarp.h"

#include "net/net.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <stdlib.h>

struct rarp_table {
	uint32_t n;
	struct rarp_row {
		uint64_t mac; /* as a u48 */
		uint32_t addr;
	} row[];
};

static int by_mac(const void *a, const void *b)
{
	uint64_t x = ((const struct rarp_row *)a)->mac, y = ((const struct rarp_row *)b)->mac;

	return (x > y) - (x < y);
}

static struct rarp_table *make(const struct rarp_conf *c)
{
	struct rarp_table *t = malloc(sizeof(*t) + c->n * sizeof(t->row[0]));

	if (t == NULL)
		return NULL;
	t->n = c->n;
	for (uint32_t i = 0; i < c->n; i++)
		t->row[i] = (struct rarp_row){eth_mac_u48(c->list[i].mac), c->list[i].addr};
	qsort(t->row, t->n, sizeof(t->row[0]), by_mac);
	return t;
}

static const struct rarp_row *search(const struct rarp_table *t, uint64_t mac)
{
	struct rarp_row key = {.mac = mac};

	return bsearch(&key, t->row, t->n, sizeof(key), by_mac);
}

/* The second and later entries of a MAC are at fault: the first in the file is the one kept. */
static void check_entry(const struct rarp_conf *c, const struct rarp_table *t, uint32_t i,
	const char *path, struct errs *e)
{
	const struct rarp_entry_conf *x = &c->list[i];
	const struct rarp_row *row = t == NULL ? NULL : search(t, eth_mac_u48(x->mac));
	bool twice = row != NULL && ((row > t->row && row[-1].mac == row->mac) ||
					    (row + 1 < t->row + t->n && row[1].mac == row->mac));

	if (!eth_is_unicast(x->mac))
		errs_add(e, x->at, path, "not the MAC of one station");
	if (ip4_src_is_martian(x->addr))
		errs_add(e, x->at, path, "not an address that a host may have");
	if (twice)
		errs_add(e, x->at, path, "this MAC is given more than once");
}

int rarp_check(const struct rarp_conf *c, struct errs *e)
{
	struct rarp_table *t = make(c);
	size_t before = e->n;

	for (uint32_t i = 0; i < c->n; i++) {
		char path[32];

		snprintf(path, sizeof(path), "rarp[%u]", i);
		check_entry(c, t, i, path, e);
	}
	free(t);
	return e->n == before ? 0 : -EINVAL;
}

int rarp_build(struct net *net, const struct rarp_conf *c)
{
	rarp_abandon(net);
	net->rarp_built = make(c);
	return net->rarp_built == NULL ? -ENOMEM : 0;
}

void rarp_abandon(struct net *net)
{
	free(net->rarp_built);
	net->rarp_built = NULL;
}

void rarp_publish(struct net *net)
{
	if (net->rarp_built == NULL)
		return;
	rarp_retire(net);
	net->rarp_old = atomic_exchange(&net->rarp, net->rarp_built);
	net->rarp_built = NULL;
}

void rarp_retire(struct net *net)
{
	if (net->rarp_old != NULL)
		epoch_defer(net->epoch, free, net->rarp_old);
	net->rarp_old = NULL;
}

void rarp_free(struct net *net)
{
	rarp_abandon(net);
	free(net->rarp_old);
	free(net->rarp);
}

uint32_t rarp_lookup(const struct net *net, const uint8_t mac[6])
{
	const struct rarp_table *t = atomic_load_explicit(&net->rarp, memory_order_acquire);
	const struct rarp_row *row = t == NULL ? NULL : search(t, eth_mac_u48(mac));

	return row == NULL ? 0 : row->addr;
}
