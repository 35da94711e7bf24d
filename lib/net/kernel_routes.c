/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Prefixes, each with the kernel's routes and with what we have put there of our own.
 *
 * What is told only changes this table and puts the prefix into a queue; kernel_routes_work()
 * takes it out and brings both sides to what they should be: the kernel's best route into the RIB,
 * ours into the kernel. So a prefix that changes often costs little, and a turn of control's is as
 * short as it is to be. A walk over all prefixes does the same where everything may be different.
 */
#include "kernel_table.h"

#include "base/log.h"
#include "kernel_told.h"
#include "net/net.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define LOOK_EACH 16	 /* prefixes between two looks at the clock */
#define KEEP	  65536u /* prefixes more than the RIB holds: those that are not taken */

enum prefix_flags {
	QUEUED = 1,
	SENT = 2,      /* we have put a route there: metric and sum say which */
	SENT_LASTS = 4 /* it does not go with an interface */
};

struct kprefix {
	uint32_t prefix;
	uint32_t chain; /* next of the hash, or next free */
	uint32_t queue; /* next of the queue */
	uint32_t first; /* the kernel's routes, in its order */
	uint32_t sent_metric;
	uint32_t sent_sum;
	uint8_t depth;
	uint8_t flags;
	uint8_t sent_round;
	bool used;
};

struct kroute {
	uint32_t next; /* of the prefix, or next free */
	uint32_t metric;
	uint32_t hops;
	uint8_t tos;
	uint8_t protocol;
	uint8_t round;
	uint8_t fate;
};
static_assert(sizeof(struct kprefix) + sizeof(struct kroute) <= 48, "there may be a million");

struct kroutes {
	uint32_t room; /* of both tables; place 0 is nobody's */
	uint32_t mask;
	uint32_t *hash;
	struct kprefix *prefix;
	uint32_t prefixes, free_prefix; /* ever used; those that are free again */
	struct kroute *route;
	uint32_t routes, free_route;
	uint32_t head, tail; /* of the queue */
	uint32_t cursor;     /* of the walk, which goes round: */
	uint32_t left;	     /* places that it has not come to; 0: none is under way */
	bool sweep;
	bool giving; /* our own routes are gone through */
	uint32_t give_cursor;
	uint8_t sweep_round;
};

int kernel_routes_new(struct net *net)
{
	struct kroutes *t = calloc(1, sizeof(*t));
	uint32_t buckets = 1024;

	net->kernel->routes = t;
	if (t == NULL)
		return -ENOMEM;
	t->room = net->limits.routes + KEEP;
	while (buckets < t->room)
		buckets *= 2;
	t->mask = buckets - 1;
	/* small pages, which come as they are touched: a huge one takes longer than a turn may */
	t->hash = calloc(buckets, sizeof(*t->hash));
	t->prefix = calloc(t->room, sizeof(*t->prefix));
	t->route = calloc(t->room, sizeof(*t->route));
	t->prefixes = t->routes = 1;
	return t->hash == NULL || t->prefix == NULL || t->route == NULL ? -ENOMEM : 0;
}

/* --- the table --- */

static uint32_t *chain_of(const struct kroutes *t, uint32_t prefix, uint8_t depth)
{
	uint64_t key = (uint64_t)depth << 32 | prefix;

	return &t->hash[key * 0x9e3779b97f4a7c15u >> 32 & t->mask];
}

static uint32_t find(const struct kroutes *t, uint32_t prefix, uint8_t depth)
{
	uint32_t i = *chain_of(t, prefix, depth);

	while (i != 0 && (t->prefix[i].prefix != prefix || t->prefix[i].depth != depth))
		i = t->prefix[i].chain;
	return i;
}

/* 0: there is no room. */
static uint32_t find_or_make(struct kroutes *t, uint32_t prefix, uint8_t depth)
{
	uint32_t i = find(t, prefix, depth), *chain = chain_of(t, prefix, depth);

	if (i != 0)
		return i;
	i = t->free_prefix;
	if (i != 0) {
		t->free_prefix = t->prefix[i].chain;
	} else if (t->prefixes < t->room) {
		i = t->prefixes++;
		t->left += t->left > 0; /* the walk's way has become longer */
	} else {
		return 0;
	}
	t->prefix[i] =
		(struct kprefix){.prefix = prefix, .depth = depth, .chain = *chain, .used = true};
	*chain = i;
	return i;
}

/* Nothing is known of it any more. */
static void drop_prefix(struct kroutes *t, uint32_t i)
{
	struct kprefix *p = &t->prefix[i];
	uint32_t *link = chain_of(t, p->prefix, p->depth);

	while (*link != i)
		link = &t->prefix[*link].chain;
	*link = p->chain;
	*p = (struct kprefix){.chain = t->free_prefix};
	t->free_prefix = i;
}

static void enqueue(struct kroutes *t, uint32_t i)
{
	struct kprefix *p = &t->prefix[i];

	if (p->flags & QUEUED)
		return;
	p->flags |= QUEUED;
	p->queue = 0;
	if (t->tail != 0)
		t->prefix[t->tail].queue = i;
	else
		t->head = i;
	t->tail = i;
}

static void set_fate(struct kernel *k, struct kroute *r, enum kernel_fate fate)
{
	k->counts.fate[r->fate]--;
	k->counts.fate[fate]++;
	r->fate = (uint8_t)fate;
}

/* Takes the route that *link names out. */
static void drop_route(struct kernel *k, uint32_t *link)
{
	struct kroutes *t = k->routes;
	uint32_t i = *link;
	struct kroute *r = &t->route[i];

	*link = r->next;
	kernel_hops_drop(k, r->hops);
	k->counts.routes--;
	k->counts.fate[r->fate]--;
	*r = (struct kroute){.next = t->free_route};
	t->free_route = i;
}

/* --- what is told --- */

static bool is_kernels(const struct kernel *k, const struct rtnl_route *r)
{
	return r->table == k->conf.table && r->protocol != RTPROT_KERNEL &&
	       r->protocol != RTPROT_REDIRECT && r->type != RTN_LOCAL && r->type != RTN_BROADCAST &&
	       r->type != RTN_MULTICAST && r->type != RTN_ANYCAST && !r->cloned;
}

/* The one with the same key; with hops != 0, with these too. */
static uint32_t *find_route(
	struct kroutes *t, struct kprefix *p, const struct rtnl_route *r, uint32_t hops)
{
	uint32_t *link = &p->first;

	for (; *link != 0; link = &t->route[*link].next) {
		const struct kroute *x = &t->route[*link];

		if (x->metric == r->metric && x->tos == r->tos &&
			(hops == 0 || (x->hops == hops && x->protocol == r->protocol)))
			return link;
	}
	return link;
}

/* Takes a place for a route. 0: there is none. */
static uint32_t take_place(struct kroutes *t)
{
	uint32_t i = t->free_route;

	if (i != 0)
		t->free_route = t->route[i].next;
	else if (t->routes < t->room)
		i = t->routes++;
	return i;
}

/*
 * Where among those of one key it belongs, the first of which counts: in the place of the first,
 * at the end, as dumps and `ip route append` have it, or before all.
 */
static uint32_t *where(struct kernel *k, struct kprefix *p, const struct rtnl_msg *m)
{
	uint32_t *link = &p->first;

	if (m->replaces)
		link = find_route(k->routes, p, &m->route, 0);
	else if (m->listed || m->appended)
		while (*link != 0)
			link = &k->routes->route[*link].next;
	if (m->replaces && *link != 0)
		drop_route(k, link);
	return link;
}

/* Takes the reference to hops. */
static void add_route(struct kernel *k, struct kprefix *p, const struct rtnl_msg *m, uint32_t hops)
{
	struct kroutes *t = k->routes;
	uint32_t *link = find_route(t, p, &m->route, hops), i = *link;

	if (i != 0 && !m->listed) {
		t->route[i].round = k->round;
		kernel_hops_drop(k, hops);
		return;
	}
	if (i != 0)
		drop_route(k, link); /* the dump has the order that is right now */
	link = where(k, p, m);
	i = take_place(t);
	if (i == 0) {
		kernel_hops_drop(k, hops);
		return;
	}
	t->route[i] = (struct kroute){.next = *link,
		.metric = m->route.metric,
		.hops = hops,
		.tos = m->route.tos,
		.protocol = m->route.protocol,
		.round = k->round,
		.fate = KERNEL_SHADOWED};
	*link = i;
	k->counts.routes++;
	k->counts.fate[KERNEL_SHADOWED]++;
}

/* One of our own: whether it is there. */
static void own_told(struct kernel *k, const struct rtnl_msg *m, uint32_t i)
{
	struct kprefix *p = &k->routes->prefix[i];
	bool same = (p->flags & SENT) != 0 && p->sent_metric == m->route.metric;

	if (m->gone) {
		k->counts.routes_given -= same;
		if (same)
			p->flags &= (uint8_t)~SENT;
		return;
	}
	p->sent_round = k->round;
	if (p->flags & SENT)
		return;
	p->flags |= SENT; /* of an earlier life */
	p->sent_metric = m->route.metric;
	p->sent_sum = 0;
	k->counts.routes_given++;
}

void kernel_routes_told(struct net *net, const struct rtnl_msg *m)
{
	struct kernel *k = net->kernel;
	struct kroutes *t = k->routes;
	const struct rtnl_route *r = &m->route;
	uint32_t i, hops;

	if (!is_kernels(k, r))
		return;
	i = m->gone ? find(t, r->prefix, r->depth) : find_or_make(t, r->prefix, r->depth);
	if (i == 0)
		return;
	enqueue(t, i);
	if (r->protocol == k->conf.protocol) {
		own_told(k, m, i);
		return;
	}
	if (m->replaces && (t->prefix[i].flags & SENT) && t->prefix[i].sent_metric == r->metric) {
		t->prefix[i].flags &= (uint8_t)~SENT; /* it took our place */
		k->counts.routes_given--;
	}
	hops = kernel_hops_take(k, r);
	if (hops == 0)
		return;
	if (!m->gone) {
		add_route(k, &t->prefix[i], m, hops);
		return;
	}
	if (*find_route(t, &t->prefix[i], r, hops) != 0)
		drop_route(k, find_route(t, &t->prefix[i], r, hops));
	else if (*find_route(t, &t->prefix[i], r, 0) != 0)
		drop_route(k, find_route(t, &t->prefix[i], r, 0));
	kernel_hops_drop(k, hops);
}

/* --- up: the kernel's best route into the RIB --- */

static bool is_taken(enum kernel_fate fate)
{
	return fate == KERNEL_TAKEN || fate == KERNEL_PARTLY;
}

static void take(struct net *net, const struct kprefix *p)
{
	struct kernel *k = net->kernel;
	struct kroutes *t = k->routes;
	uint32_t best = 0;

	for (uint32_t i = p->first; i != 0; i = t->route[i].next) {
		struct kroute *r = &t->route[i];
		enum kernel_fate fate =
			r->tos != 0 ? KERNEL_TOS : kernel_hops_find(net, r->hops)->fate;

		set_fate(k, r, is_taken(fate) ? KERNEL_SHADOWED : fate);
		if (is_taken(fate) && (best == 0 || r->metric < t->route[best].metric))
			best = i;
	}
	if (best != 0 && k->conf.take_routes && k->wanted) {
		const struct khops *h = kernel_hops_find(net, t->route[best].hops);
		struct route_conf c = *h->conf;
		int rc;

		c.prefix = p->prefix;
		c.depth = p->depth;
		c.metric = t->route[best].metric;
		c.preference = k->conf.preference;
		rc = route_learn(net, &c, clock_now());
		set_fate(k, &t->route[best], rc == 0 ? h->fate : KERNEL_NO_ROOM);
		if (rc == 0)
			return;
	}
	route_del(net, p->prefix, p->depth, RIB4_KERNEL);
}

/* --- down: ours into the kernel --- */

static void give(struct net *net, struct kprefix *p)
{
	struct kernel *k = net->kernel;
	bool there = p->flags & SENT;
	struct rtnl_request q;
	struct route_conf c;
	/* a default route would take the host's own connections with it */
	bool any = k->conf.give_routes && k->wanted && !(k->at_home && p->depth == 0) &&
		   route_given(net, p->prefix, p->depth, &c);
	bool same = any && there && p->sent_metric == c.metric;

	if (!any && !there)
		return;
	any = any && kernel_give_make(net, &c, same, &q);
	if (any && same && p->sent_sum == kernel_give_sum(&q))
		return;
	if (any)
		any = kernel_give(net, &q);
	if (there && !(any && same))
		kernel_give_back(net, p->prefix, p->depth, p->sent_metric);
	k->counts.routes_given += any;
	k->counts.routes_given -= there;
	p->flags &= (uint8_t) ~(SENT | SENT_LASTS);
	if (!any)
		return;
	p->flags |= c.kind == ROUTE_VIA ? SENT : SENT | SENT_LASTS;
	p->sent_metric = c.metric;
	p->sent_sum = kernel_give_sum(&q);
	p->sent_round = k->round;
}

/* --- both --- */

static void settle(struct net *net, uint32_t i)
{
	struct kernel *k = net->kernel;
	struct kprefix *p = &k->routes->prefix[i];

	while (!k->wanted && p->first != 0)
		drop_route(k, &p->first);
	take(net, p);
	if (k->counts.synced)
		give(net, p);
	if (p->first == 0 && (p->flags & (SENT | QUEUED)) == 0)
		drop_prefix(k->routes, i);
}

static void settle_next(struct net *net)
{
	struct kroutes *t = net->kernel->routes;
	uint32_t i = t->head;

	t->head = t->prefix[i].queue;
	if (t->head == 0)
		t->tail = 0;
	t->prefix[i].flags &= (uint8_t)~QUEUED;
	settle(net, i);
}

void kernel_routes_walk(struct net *net, bool sweep)
{
	struct kroutes *t = net->kernel->routes;

	t->left = t->prefixes; /* from where it is, so that each has its turn however often */
	t->sweep |= sweep;
	if (sweep)
		t->sweep_round = net->kernel->round;
}

/* What has been there longer than since the round began was brought by it, or is gone. */
static bool is_old(const struct kernel *k, uint8_t round)
{
	return round != k->routes->sweep_round && round != k->round;
}

static void sweep_one(struct kernel *k, struct kprefix *p)
{
	uint32_t *link = &p->first;

	while (*link != 0) {
		struct kroute *r = &k->routes->route[*link];

		if (is_old(k, r->round))
			drop_route(k, link);
		else
			link = &r->next;
	}
	if (p->flags & SENT && is_old(k, p->sent_round)) {
		p->flags &= (uint8_t)~SENT;
		k->counts.routes_given--;
	}
}

static void walk_next(struct net *net)
{
	struct kroutes *t = net->kernel->routes;
	uint32_t i = t->cursor < t->prefixes ? t->cursor : 0;

	if (t->prefix[i].used) {
		if (t->sweep)
			sweep_one(net->kernel, &t->prefix[i]);
		settle(net, i);
	}
	t->cursor = i + 1;
	if (--t->left == 0)
		t->sweep = false;
}

void kernel_told_route(struct net *net, uint32_t prefix, uint8_t depth, enum rib4_origin origin)
{
	struct kernel *k = net->kernel;
	uint32_t i;

	if (k == NULL || !k->on || (origin != RIB4_STATIC && origin != RIB4_OPERATOR))
		return;
	i = find_or_make(k->routes, prefix, depth);
	if (i != 0)
		enqueue(k->routes, i);
}

void kernel_routes_give_all(struct net *net)
{
	struct kroutes *t = net->kernel->routes;

	t->giving = true;
	t->give_cursor = 0;
}

static void see_own(const struct route_row *row, void *net)
{
	kernel_told_route(net, row->prefix, row->depth, row->origin);
}

bool kernel_routes_work(struct net *net, ticks deadline)
{
	struct kroutes *t = net->kernel->routes;

	do {
		if (t->giving) {
			t->give_cursor = route_walk(net, t->give_cursor, LOOK_EACH, see_own, net);
			t->giving = t->give_cursor != 0;
		}
		for (int i = 0; i < LOOK_EACH && t->head != 0; i++)
			settle_next(net);
		for (int i = 0; i < LOOK_EACH && t->left != 0; i++)
			walk_next(net);
		if (!t->giving && t->head == 0 && t->left == 0)
			return false;
	} while (clock_now() < deadline);
	return true;
}

void kernel_routes_end(struct net *net)
{
	struct kroutes *t = net->kernel->routes;

	for (uint32_t i = 1; i < t->prefixes; i++)
		if (t->prefix[i].used && (t->prefix[i].flags & SENT_LASTS))
			kernel_give_back(net, t->prefix[i].prefix, t->prefix[i].depth,
				t->prefix[i].sent_metric);
}

void kernel_routes_free(struct net *net)
{
	struct kroutes *t = net->kernel->routes;

	if (t == NULL)
		return;
	if (net->kernel->on)
		kernel_routes_end(net);
	free(t->hash);
	free(t->prefix);
	free(t->route);
	free(t);
}
