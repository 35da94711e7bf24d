/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of gateways, hashed by their content; each holds its neighbours and its group. */
#include "hops.h"

#include "base/log.h"
#include "base/numa.h"
#include "net/neigh.h"
#include "net/net.h"
#include "route_table.h"

#include <errno.h>
#include <stdlib.h>

int hops_new(struct hops_table *t)
{
	LIST_INIT(&t->all);
	t->hash = numa_take(HOPS_HASH * sizeof(*t->hash), -1);
	return t->hash == NULL ? -ENOMEM : 0;
}

void hops_free(struct hops_table *t)
{
	struct hops *h;

	while ((h = LIST_FIRST(&t->all)) != NULL) {
		LIST_REMOVE(h, all);
		free(h);
	}
	numa_drop(t->hash, HOPS_HASH * sizeof(*t->hash));
}

static int ascending(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static struct hops_list *chain_of(struct hops_table *t, const struct hops *h)
{
	uint64_t sum = h->kind;

	for (uint32_t i = 0; i < h->n; i++)
		sum = (sum + h->via[i]) * 0x9e3779b97f4a7c15u;
	return &t->hash[sum >> 48];
}
static_assert(HOPS_HASH == 1 << 16, "sixteen bits choose a chain");

struct hops *hops_take(struct net *net, const struct route_conf *c)
{
	struct hops_table *t = &net->routes->hops;
	struct hops *h = calloc(1, sizeof(*h)), *old;
	struct hops_list *chain;

	if (h == NULL)
		return NULL;
	h->kind = c->kind;
	h->n = c->kind == ROUTE_VIA ? c->n_via : 0;
	memcpy(h->via, c->via, h->n * sizeof(h->via[0]));
	qsort(h->via, h->n, sizeof(h->via[0]), ascending);
	chain = chain_of(t, h);
	LIST_FOREACH (old, chain, chain) {
		if (old->kind == h->kind && old->n == h->n &&
			memcmp(old->via, h->via, h->n * sizeof(h->via[0])) == 0) {
			free(h);
			old->refs++;
			return old;
		}
	}
	if (h->kind == ROUTE_BLACKHOLE)
		h->entry = fib_entry_make(FIB_BLACKHOLE, 0);
	if (h->kind == ROUTE_UNREACHABLE)
		h->entry = fib_entry_make(FIB_UNREACHABLE, 0);
	h->refs = 1;
	LIST_INSERT_HEAD(chain, h, chain);
	LIST_INSERT_HEAD(&t->all, h, all);
	return h;
}

void hops_drop(struct net *net, struct hops *h)
{
	if (--h->refs > 0)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		if (h->adj[i] != 0)
			neigh_unref(net, h->adj[i]);
	}
	hops_settle(net, h);
	if (h->group != 0)
		adj_group_return(net, h->group);
	LIST_REMOVE(h, chain);
	LIST_REMOVE(h, all);
	free(h);
}

/* Whether it is this interface's network in the RIB, if several have it (see connected.c). */
static bool has_network(const struct net *net, uint16_t iface, const struct iface_addr *a)
{
	uint32_t prefix = a->addr & ip4_mask(a->depth);
	struct rib4_route r;

	return rib4_get(net->rib, prefix, a->depth, RIB4_CONNECTED, &r) &&
	       r.entry == fib_entry_make(FIB_GLEAN, iface);
}

/* The interface on whose network a gateway is, 0 for none; the longest network counts. */
static uint16_t iface_of(const struct net *net, uint32_t via, bool only_up)
{
	uint16_t best = 0;
	uint8_t depth = 0;

	for (uint16_t i = 1; i < IFACE_MAX; i++) {
		const struct iface *f = &net->iface[i];
		const struct iface_addr *a = NULL;

		if (only_up ? net->routes->connected[i] != NULL : f->name[0] != '\0')
			a = iface_link(f, via);
		if (a != NULL && (best == 0 || a->depth > depth ||
					 (a->depth == depth && has_network(net, i, a)))) {
			best = i;
			depth = a->depth;
		}
	}
	return best;
}

/* Of an interface that is up or down. */
static bool is_ours(const struct net *net, uint32_t addr)
{
	for (uint16_t i = 0; i < IFACE_MAX; i++) {
		if (iface_owns(&net->iface[i], addr))
			return true;
	}
	return false;
}

bool hops_possible(const struct net *net, uint32_t via)
{
	return iface_of(net, via, false) != 0 && !is_ours(net, via);
}

static bool is_local(const struct net *net, uint32_t addr)
{
	struct rib4_route r;

	return rib4_get(net->rib, addr, 32, RIB4_CONNECTED, &r) &&
	       fib_entry_kind(r.entry) == FIB_LOCAL;
}

static uint32_t members(const struct net *net, const struct hops *h, uint32_t member[GROUP_MEMBERS],
	bool silent_too)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		if (h->adj[i] != 0 && (silent_too || !neigh_is_silent(net, h->adj[i])))
			member[n++] = h->adj[i];
	}
	return n;
}

/* What the set amounts to, with the members that it has now. */
static fib_entry amounts_to(struct net *net, struct hops *h)
{
	uint32_t member[GROUP_MEMBERS], n = members(net, h, member, false);

	if (n == 0)
		n = members(net, h, member, true);
	if (n == 0)
		return 0;
	if (h->n > 1 && h->group == 0)
		h->group = adj_group_take(net);
	if (h->n > 1 && h->group == 0)
		log_warning("routes: no group is free: of %u next hops, one is used", h->n);
	if (h->group == 0)
		return fib_entry_make(FIB_FORWARD, member[0]);
	adj_group_set(net, h->group, member, n);
	return fib_entry_make(FIB_GROUP, h->group);
}

void hops_resolve(struct net *net, struct hops *h, ticks now)
{
	fib_entry entry;

	if (h->kind != ROUTE_VIA)
		return;
	for (uint32_t i = 0; i < h->n; i++) {
		uint16_t iface = is_local(net, h->via[i]) ? 0 : iface_of(net, h->via[i], true);

		if (h->adj[i] != 0 && net->adj[h->adj[i]].iface == iface)
			continue;
		if (h->adj[i] != 0)
			h->gone[h->n_gone++] = h->adj[i];
		h->adj[i] = iface == 0 ? 0 : neigh_ref(net, iface, h->via[i], now);
	}
	entry = amounts_to(net, h);
	h->changed = entry != h->entry;
	h->entry = entry;
}

void hops_regroup(struct net *net)
{
	struct hops *h;

	LIST_FOREACH (h, &net->routes->hops.all, all) {
		if (h->group != 0)
			amounts_to(net, h);
	}
}

void hops_settle(struct net *net, struct hops *h)
{
	for (; h->n_gone > 0; h->n_gone--)
		neigh_unref(net, h->gone[h->n_gone - 1]);
	h->changed = false;
}
