/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remembers what it put into the RIB for each interface, since the addresses may be others by the
 * time that it is to be withdrawn.
 */
#include "connected.h"

#include "base/log.h"
#include "net/neigh.h"
#include "net/net.h"
#include "route_table.h"

#include <errno.h>
#include <stdlib.h>

struct item {
	uint32_t prefix;
	uint8_t depth;
	fib_entry entry;
};

struct connected {
	uint32_t n;
	struct item item[4 * IFACE_ADDRS];
};

static const struct item *find(const struct connected *c, uint32_t prefix, uint8_t depth)
{
	for (uint32_t i = 0; c != NULL && i < c->n; i++) {
		if (c->item[i].prefix == prefix && c->item[i].depth == depth)
			return &c->item[i];
	}
	return NULL;
}

/* Two addresses of one network mean the same network, once. */
static void add(
	struct connected *c, uint32_t prefix, uint8_t depth, enum fib_kind k, uint16_t iface)
{
	if (find(c, prefix, depth) == NULL)
		c->item[c->n++] = (struct item){prefix, depth, fib_entry_make(k, iface)};
}

/* An address of ours before its network, so that nobody asks the wire for it. */
static void collect(struct connected *c, const struct net *net, uint16_t iface)
{
	const struct iface *f = &net->iface[iface];

	c->n = 0;
	for (uint32_t i = 0; i < f->n_addrs; i++)
		add(c, f->addrs[i].addr, 32, FIB_LOCAL, iface);
	for (uint32_t i = 0; iface != IFACE_LOOPBACK && i < f->n_addrs; i++) {
		uint8_t depth = f->addrs[i].depth;
		uint32_t prefix = f->addrs[i].addr & ip4_mask(depth);

		if (depth < 31) {
			add(c, prefix, 32, FIB_BROADCAST, iface);
			add(c, prefix | ~ip4_mask(depth), 32, FIB_BROADCAST, iface);
		}
		if (depth < 32)
			add(c, prefix, depth, FIB_GLEAN, iface);
	}
}

/* Another interface may have the same prefix by now: that stays. */
static void withdraw(struct net *net, const struct item *x)
{
	struct rib4_route r;

	if (rib4_get(net->rib, x->prefix, x->depth, RIB4_CONNECTED, &r) && r.entry == x->entry)
		rib4_del(net->rib, x->prefix, x->depth, RIB4_CONNECTED);
	neigh_prefix_changed(net, x->prefix, x->depth);
}

int connected_set(struct net *net, uint16_t iface)
{
	struct connected **place = &net->routes->connected[iface], *old = *place;
	struct connected *c = malloc(sizeof(*c));
	int rc = 0;

	if (c == NULL)
		return -ENOMEM;
	collect(c, net, iface);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct item *x = &c->item[i];
		int failed =
			rib4_add(net->rib, x->prefix, x->depth, RIB4_CONNECTED, 0, 0, x->entry);

		rc = failed < 0 ? failed : rc;
		neigh_prefix_changed(net, x->prefix, x->depth);
	}
	for (uint32_t i = old == NULL ? 0 : old->n; i > 0; i--) {
		if (find(c, old->item[i - 1].prefix, old->item[i - 1].depth) == NULL)
			withdraw(net, &old->item[i - 1]);
	}
	free(old);
	*place = c;
	if (rc < 0)
		log_error("routes: no room for the addresses of %s", net->iface[iface].name);
	return rc;
}

void connected_clear(struct net *net, uint16_t iface)
{
	struct connected **place = &net->routes->connected[iface], *old = *place;

	for (uint32_t i = old == NULL ? 0 : old->n; i > 0; i--)
		withdraw(net, &old->item[i - 1]);
	free(old);
	*place = NULL;
}

void connected_walk(
	struct net *net, uint16_t iface, void (*fn)(const struct route_row *, void *), void *arg)
{
	const struct connected *c = net->routes->connected[iface];

	for (uint32_t i = 0; c != NULL && i < c->n; i++) {
		const struct item *x = &c->item[i];
		struct rib4_route r;
		struct route_row row = {.prefix = x->prefix,
			.depth = x->depth,
			.origin = RIB4_CONNECTED,
			.entry = x->entry};

		if (rib4_get(net->rib, x->prefix, x->depth, RIB4_CONNECTED, &r) &&
			r.entry == x->entry) {
			row.best = r.state != RIB4_SHADOWED;
			row.installed = r.state == RIB4_INSTALLED;
		}
		fn(&row, arg);
	}
}
