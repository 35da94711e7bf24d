/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Next hops as the kernel's routes name them, and what they amount to here. A million routes have
 * a few hundred sets of next hops, so each set is judged once, and anew when links, addresses or
 * nexthop objects have changed.
 *
 * Routes may name a nexthop object (FRR's do). The objects are read by themselves: the kernel's
 * own expansion of them into routes is off where net.ipv4.nexthop_compat_mode is 0, and not told
 * anew when a member leaves a group.
 */
#include "kernel_table.h"

#include "base/numa.h"
#include "net/net.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define HASH	     65536u
#define NEXTHOPS_MAX 65536u

int kernel_hops_new(struct kernel *k)
{
	k->hops_hash = numa_take(HASH * sizeof(*k->hops_hash), -1);
	k->nexthops = numa_take(HASH * sizeof(struct knexthop *), -1);
	k->hops_used = 1;
	return k->hops_hash == NULL || k->nexthops == NULL ? -ENOMEM : 0;
}

void kernel_hops_free(struct kernel *k)
{
	for (uint32_t i = 1; i < k->hops_used; i++) {
		free(k->hops[i].hop);
		free(k->hops[i].conf);
	}
	free(k->hops);
	for (uint32_t i = 0; k->nexthops != NULL && i < HASH; i++) {
		struct knexthop *x = k->nexthops[i], *next;

		for (; x != NULL; x = next) {
			next = x->chain;
			free(x);
		}
	}
	numa_drop(k->hops_hash, HASH * sizeof(*k->hops_hash));
	numa_drop(k->nexthops, HASH * sizeof(struct knexthop *));
}

/* --- the sets --- */

/* Routes that name an object differ by nothing else. */
static uint32_t count_of(const struct rtnl_route *r)
{
	return r->nexthop != 0 ? 0 : r->n < RTNL_HOPS ? r->n : RTNL_HOPS;
}

static uint32_t *chain_of(const struct kernel *k, const struct rtnl_route *r)
{
	uint64_t sum = (uint64_t)r->nexthop << 8 | r->type;

	for (uint32_t i = 0; i < count_of(r); i++) {
		const struct rtnl_hop *h = &r->hop[i];

		sum = (sum * 0x9e3779b97f4a7c15u) ^ ((uint64_t)h->gateway << 32 | h->index);
		sum = (sum * 0x9e3779b97f4a7c15u) ^ ((uint32_t)h->weight << 8 | h->flags);
	}
	return &k->hops_hash[(sum * 0x9e3779b97f4a7c15u) >> 48];
}
static_assert(HASH == 1 << 16, "sixteen bits choose a chain");

static bool same(const struct khops *h, const struct rtnl_route *r)
{
	if (h->type != r->type || h->nexthop != r->nexthop || h->n != count_of(r))
		return false;
	for (uint32_t i = 0; i < h->n; i++) {
		const struct rtnl_hop *a = &h->hop[i], *b = &r->hop[i];

		if (a->gateway != b->gateway || a->index != b->index || a->weight != b->weight ||
			a->flags != b->flags)
			return false;
	}
	return true;
}

static uint32_t free_place(struct kernel *k)
{
	uint32_t i = k->hops_free;

	if (i != 0) {
		k->hops_free = k->hops[i].chain;
		return i;
	}
	if (k->hops_used >= k->hops_room) {
		uint32_t room = k->hops_room == 0 ? 1024 : 2 * k->hops_room;
		struct khops *grown = realloc(k->hops, room * sizeof(*grown));

		if (grown == NULL)
			return 0;
		k->hops = grown;
		k->hops_room = room;
	}
	return k->hops_used++;
}

uint32_t kernel_hops_take(struct kernel *k, const struct rtnl_route *r)
{
	uint32_t *chain = chain_of(k, r), i;
	struct rtnl_hop *hop;

	for (i = *chain; i != 0; i = k->hops[i].chain) {
		if (same(&k->hops[i], r)) {
			k->hops[i].refs++;
			return i;
		}
	}
	hop = malloc((count_of(r) + 1) * sizeof(*hop));
	i = hop == NULL ? 0 : free_place(k);
	if (i == 0) {
		free(hop);
		return 0;
	}
	memcpy(hop, r->hop, count_of(r) * sizeof(*hop));
	k->hops[i] = (struct khops){.chain = *chain,
		.refs = 1,
		.type = r->type,
		.nexthop = r->nexthop,
		.n = count_of(r),
		.hop = hop};
	*chain = i;
	return i;
}

void kernel_hops_drop(struct kernel *k, uint32_t hops)
{
	struct khops *h = &k->hops[hops];
	struct rtnl_route as = {.type = h->type, .nexthop = h->nexthop, .n = h->n};
	uint32_t *link;

	if (--h->refs > 0)
		return;
	memcpy(as.hop, h->hop, h->n * sizeof(*h->hop));
	for (link = chain_of(k, &as); *link != hops;)
		link = &k->hops[*link].chain;
	*link = h->chain;
	free(h->hop);
	free(h->conf);
	*h = (struct khops){.chain = k->hops_free};
	k->hops_free = hops;
}

/* --- nexthop objects --- */

static struct knexthop **place_of(const struct kernel *k, uint32_t id)
{
	struct knexthop **x = &k->nexthops[id * 0x9e3779b1u >> 16];

	while (*x != NULL && (*x)->as.id != id)
		x = &(*x)->chain;
	return x;
}

/* Also one that is only asked for, so that it is known to matter when it comes. */
static struct knexthop *nexthop_of(struct kernel *k, uint32_t id)
{
	struct knexthop **place = place_of(k, id);

	if (*place == NULL && k->counts.nexthops < NEXTHOPS_MAX) {
		*place = calloc(1, sizeof(**place));
		if (*place != NULL)
			(*place)->as.id = id;
		k->counts.nexthops += *place != NULL;
	}
	return *place;
}

/* Whether routes name it, which the kernel drops with it, without a word. */
static bool has_routes(const struct kernel *k, uint32_t id)
{
	static const uint8_t types[] = {RTN_UNICAST, RTN_BLACKHOLE};

	for (size_t t = 0; t < sizeof(types); t++) {
		const struct rtnl_route as = {.type = types[t], .nexthop = id};

		for (uint32_t i = *chain_of(k, &as); i != 0; i = k->hops[i].chain)
			if (k->hops[i].nexthop == id)
				return true;
	}
	return false;
}

static void lose(struct net *net, struct knexthop **place, ticks now)
{
	struct kernel *k = net->kernel;
	struct knexthop *x = *place;

	if (has_routes(k, x->as.id))
		kernel_again(net, now);
	if (x->wanted) {
		x->known = false;
		k->topology++;
		kernel_routes_walk(net, false);
		return;
	}
	*place = x->chain;
	k->counts.nexthops--;
	free(x);
}

/* Those that routes once asked for make room; routes that still do ask again. */
static void purge(struct net *net)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < HASH; i++) {
		struct knexthop **x = &k->nexthops[i];

		while (*x != NULL) {
			struct knexthop *was = *x;

			if (was->known) {
				x = &was->chain;
				continue;
			}
			*x = was->chain;
			k->counts.nexthops--;
			free(was);
		}
	}
	k->topology++;
	kernel_routes_walk(net, false);
}

void kernel_hops_nexthop_told(struct net *net, const struct rtnl_msg *m, ticks now)
{
	struct kernel *k = net->kernel;
	struct knexthop **place = place_of(k, m->nexthop.id), *x;
	bool news;

	if (m->gone) {
		if (*place != NULL && (*place)->known)
			lose(net, place, now);
		return;
	}
	if (*place == NULL && k->counts.nexthops >= NEXTHOPS_MAX)
		purge(net);
	x = nexthop_of(k, m->nexthop.id);
	if (x == NULL)
		return;
	news = !x->known || memcmp(&x->as, &m->nexthop, sizeof(x->as)) != 0;
	x->as = m->nexthop;
	x->known = true;
	x->round = k->round;
	if (news && x->wanted) {
		k->topology++;
		kernel_routes_walk(net, false);
	}
}

void kernel_hops_swept(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = 0; !k->disturbed && i < HASH; i++) {
		struct knexthop **x = &k->nexthops[i];

		while (*x != NULL) {
			struct knexthop *was = *x;

			if (was->known && was->round != k->round)
				lose(net, x, now);
			if (*x == was)
				x = &was->chain;
		}
	}
}

/* --- what a set amounts to --- */

static void refuse(struct khops *h, enum kernel_fate why)
{
	h->partial = true;
	if (h->fate == KERNEL_TAKEN)
		h->fate = (uint8_t)why; /* the first reason, should no hop be left */
}

static void add_gateway(struct khops *h, struct route_conf *c, uint32_t gateway)
{
	for (uint32_t i = 0; i < c->n_via; i++)
		if (c->via[i] == gateway)
			return;
	if (c->n_via == GROUP_MEMBERS)
		h->partial = true;
	else
		c->via[c->n_via++] = gateway;
}

static void add_hop(
	const struct net *net, struct khops *h, struct route_conf *c, const struct rtnl_hop *hop)
{
	const struct klink *l = kernel_link_of(net, hop->index);
	const struct iface *f = l == NULL ? NULL : &net->iface[l->iface];

	if (hop->flags & RTNL_HOP_DEAD || (l != NULL && !l->up))
		refuse(h, KERNEL_NO_NEXTHOP);
	else if (hop->flags & RTNL_HOP_OTHER)
		refuse(h, KERNEL_OTHER_GATEWAY);
	else if (l == NULL || l->iface == IFACE_LOOPBACK)
		refuse(h, KERNEL_OTHER_LINK);
	else if (hop->gateway == 0)
		refuse(h, KERNEL_NO_GATEWAY);
	else if (iface_link(f, hop->gateway) == NULL || iface_owns(f, hop->gateway))
		refuse(h, KERNEL_NOT_NEIGHBOUR);
	else
		add_gateway(h, c, hop->gateway);
}

/* An object's hops; a group's members are objects again, never groups. */
static void add_nexthop(
	struct net *net, struct khops *h, struct route_conf *c, uint32_t id, bool top)
{
	struct kernel *k = net->kernel;
	struct knexthop *x = nexthop_of(k, id);

	if (x != NULL)
		x->wanted = true;
	if (x == NULL || !x->known || (x->as.is_group && !top)) {
		refuse(h, KERNEL_NO_NEXTHOP);
		return;
	}
	if (x->as.blackhole) {
		c->kind = ROUTE_BLACKHOLE;
		return;
	}
	if (!x->as.is_group) {
		add_hop(net, h, c, &x->as.hop);
		return;
	}
	for (uint32_t i = 0; i < x->as.n && i < RTNL_HOPS; i++) {
		h->partial |= x->as.member[i].weight != x->as.member[0].weight;
		add_nexthop(net, h, c, x->as.member[i].id, false);
	}
	h->partial |= x->as.n > RTNL_HOPS;
}

static void judge(struct net *net, struct khops *h, struct route_conf *c)
{
	switch (h->nexthop != 0 ? RTN_UNICAST : h->type) { /* an object may be a blackhole */
	case RTN_BLACKHOLE:
		c->kind = ROUTE_BLACKHOLE;
		break;
	case RTN_UNREACHABLE:
	case RTN_PROHIBIT:
		c->kind = ROUTE_UNREACHABLE;
		break;
	case RTN_UNICAST:
		if (h->nexthop != 0)
			add_nexthop(net, h, c, h->nexthop, true);
		for (uint32_t i = 0; i < h->n; i++) {
			h->partial |= h->hop[i].weight != h->hop[0].weight;
			add_hop(net, h, c, &h->hop[i]);
		}
		if (h->nexthop == 0 && h->n == 0)
			refuse(h, KERNEL_NO_GATEWAY);
		break;
	default:
		refuse(h, KERNEL_KIND);
		break;
	}
	if (c->kind != ROUTE_VIA || c->n_via > 0)
		h->fate = h->partial ? KERNEL_PARTLY : KERNEL_TAKEN;
}

const struct khops *kernel_hops_find(struct net *net, uint32_t hops)
{
	struct kernel *k = net->kernel;
	struct khops *h = &k->hops[hops];
	struct route_conf c = {.kind = ROUTE_VIA};

	if (h->stamp == k->topology)
		return h;
	if (h->conf == NULL)
		h->conf = malloc(sizeof(*h->conf));
	h->fate = KERNEL_TAKEN;
	h->partial = false;
	judge(net, h, &c);
	if (h->conf == NULL)
		h->fate = KERNEL_NO_ROOM;
	else
		*h->conf = c;
	h->stamp = k->topology;
	return h;
}
