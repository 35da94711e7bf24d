/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Remembers what it put into the RIB for each interface, since the addresses may be others by the
 * time that it is to be withdrawn.
 *
 * The configuration has a network on one interface only. The kernel may give it to another one as
 * well: that stands behind the configuration's, and behind who came first.
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
	bool kernels; /* of its addresses alone */
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

/* Two addresses of one network mean the same network, once; the kernel's come last. */
static void add(struct connected *c, const struct iface_addr *a, uint32_t prefix, uint8_t depth,
	fib_entry entry)
{
	if (find(c, prefix, depth) == NULL)
		c->item[c->n++] = (struct item){prefix, depth, a->kernels, entry};
}

/* An address of ours before its network, so that nobody asks the wire for it. */
static void collect(struct connected *c, const struct net *net, uint16_t iface)
{
	const struct iface *f = &net->iface[iface];

	c->n = 0;
	for (uint32_t i = 0; i < f->n_addrs; i++)
		add(c, &f->addrs[i], f->addrs[i].addr, 32, fib_entry_make(FIB_LOCAL, iface));
	for (uint32_t i = 0; iface != IFACE_LOOPBACK && i < f->n_addrs; i++) {
		const struct iface_addr *a = &f->addrs[i];
		uint32_t prefix = a->addr & ip4_mask(a->depth);
		fib_entry broadcast = fib_entry_make(FIB_BROADCAST, iface);

		if (a->depth < 31) {
			add(c, a, prefix, 32, broadcast);
			add(c, a, prefix | ~ip4_mask(a->depth), 32, broadcast);
		}
		if (a->depth < 32)
			add(c, a, prefix, a->depth, fib_entry_make(FIB_GLEAN, iface));
	}
}

/* What another interface has for the same prefix, the configuration's first; NULL: nothing. */
static const struct item *rival(const struct net *net, uint16_t iface, const struct item *x)
{
	const struct item *best = NULL;

	for (uint32_t i = 0; i < IFACE_MAX; i++) {
		const struct item *other =
			i == iface ? NULL : find(net->routes->connected[i], x->prefix, x->depth);

		if (other != NULL && (best == NULL || (best->kernels && !other->kernels)))
			best = other;
	}
	return best;
}

/* Another interface may have the same prefix: it is that one's now, or is already. */
static void withdraw(struct net *net, uint16_t iface, const struct item *x)
{
	const struct item *other = rival(net, iface, x);
	struct rib4_route r;

	if (rib4_get(net->rib, x->prefix, x->depth, RIB4_CONNECTED, &r) && r.entry == x->entry) {
		if (other == NULL)
			rib4_del(net->rib, x->prefix, x->depth, RIB4_CONNECTED);
		else
			rib4_add(net->rib, x->prefix, x->depth, RIB4_CONNECTED, 0, 0, other->entry);
	}
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
		int failed = 0;

		if (!x->kernels || rival(net, iface, x) == NULL)
			failed = rib4_add(
				net->rib, x->prefix, x->depth, RIB4_CONNECTED, 0, 0, x->entry);
		rc = failed < 0 ? failed : rc;
		neigh_prefix_changed(net, x->prefix, x->depth);
	}
	for (uint32_t i = old == NULL ? 0 : old->n; i > 0; i--) {
		if (find(c, old->item[i - 1].prefix, old->item[i - 1].depth) == NULL)
			withdraw(net, iface, &old->item[i - 1]);
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
		withdraw(net, iface, &old->item[i - 1]);
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
