/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every route that somebody asked for, in a hash over places that do not move; the RIB has those
 * whose gateways can be reached now.
 */
#include "net/route.h"

#include "base/log.h"
#include "kernel_told.h"
#include "net/neigh.h"
#include "net/net.h"
#include "route_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int route_new(struct net *net)
{
	struct route_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return -ENOMEM;
	net->routes = t;
	t->n_places = 1;
	t->hash = calloc(1, sizeof(*t->hash));
	if (t->hash == NULL || hops_new(&t->hops) < 0) {
		free(t->hash);
		free(t);
		net->routes = NULL;
		return -ENOMEM;
	}
	return 0;
}

void route_free(struct net *net)
{
	struct route_table *t = net->routes;

	for (uint32_t i = 0; i < IFACE_MAX; i++)
		free(t->connected[i]);
	hops_free(&t->hops);
	free(t->place);
	free(t->hash);
	free(t->built);
	free(t);
	net->routes = NULL;
}

const char *route_origin_name(enum rib4_origin o)
{
	return rib4_origin_name(o);
}

/* --- the places --- */

static uint32_t *chain_of(
	struct route_table *t, uint32_t prefix, uint8_t depth, enum rib4_origin origin)
{
	uint64_t key = (uint64_t)origin << 40 | (uint64_t)depth << 32 | prefix;

	return &t->hash[key * 0x9e3779b97f4a7c15u >> 32 & t->mask];
}

static struct route *find(
	struct route_table *t, uint32_t prefix, uint8_t depth, enum rib4_origin origin)
{
	for (uint32_t i = *chain_of(t, prefix, depth, origin); i != 0; i = t->place[i].next) {
		struct route *r = &t->place[i];

		if (r->prefix == prefix && r->depth == depth && r->origin == origin)
			return r;
	}
	return NULL;
}

static void rehash(struct route_table *t, uint32_t *hash, uint32_t buckets)
{
	free(t->hash);
	t->hash = hash;
	t->mask = buckets - 1;
	for (uint32_t i = 1; i < t->n_places; i++) {
		struct route *r = &t->place[i];
		uint32_t *chain;

		if (r->hops == NULL)
			continue;
		chain = chain_of(t, r->prefix, r->depth, r->origin);
		r->next = *chain;
		*chain = i;
	}
}

/* Room for n more routes, so that adding them cannot fail. */
static int reserve(struct route_table *t, uint32_t n)
{
	uint64_t need = (uint64_t)t->n + n + 1;
	uint32_t room = RTE_MAX(t->room, 1024u), *hash;
	struct route *grown;

	if (need <= t->room)
		return 0;
	while (room < need)
		room *= 2;
	grown = realloc(t->place, room * sizeof(*grown));
	if (grown == NULL)
		return -ENOMEM;
	t->place = grown;
	hash = calloc(room, sizeof(*hash));
	if (hash == NULL)
		return -ENOMEM;
	t->room = room;
	rehash(t, hash, room);
	return 0;
}

static struct route *insert(struct route_table *t, const struct route *new)
{
	uint32_t i = t->free != 0 ? t->free : t->n_places++;
	uint32_t *chain = chain_of(t, new->prefix, new->depth, new->origin);
	struct route *r = &t->place[i];

	if (i == t->free)
		t->free = r->next;
	*r = *new;
	r->next = *chain;
	*chain = i;
	t->n++;
	return r;
}

static void erase(struct route_table *t, struct route *r)
{
	uint32_t i = (uint32_t)(r - t->place);
	uint32_t *link = chain_of(t, r->prefix, r->depth, r->origin);

	while (*link != i)
		link = &t->place[*link].next;
	*link = r->next;
	r->hops = NULL;
	r->next = t->free;
	t->free = i;
	t->n--;
}

/* --- the RIB --- */

static int into_rib(struct net *net, const struct route *r)
{
	int rc = 0;

	if (r->hops->entry == 0)
		rib4_del(net->rib, r->prefix, r->depth, r->origin);
	else
		rc = rib4_add(net->rib, r->prefix, r->depth, r->origin, r->preference, r->metric,
			r->hops->entry);
	neigh_prefix_changed(net, r->prefix, r->depth);
	kernel_told_route(net, r->prefix, r->depth, r->origin);
	return rc;
}

static void end(struct net *net, struct route *r)
{
	struct hops *h = r->hops;

	rib4_del(net->rib, r->prefix, r->depth, r->origin);
	neigh_prefix_changed(net, r->prefix, r->depth);
	kernel_told_route(net, r->prefix, r->depth, r->origin);
	erase(net->routes, r);
	hops_drop(net, h);
}

/* Routes of the sets that changed have in the RIB what these amount to now. */
static void catch_up(struct net *net)
{
	struct route_table *t = net->routes;
	uint32_t lost = 0;
	bool any = false;
	struct hops *h;

	LIST_FOREACH (h, &t->hops.all, all)
		any |= h->changed;
	for (uint32_t i = 1; any && i < t->n_places; i++) {
		const struct route *r = &t->place[i];

		if (r->hops != NULL && r->hops->changed)
			lost += into_rib(net, r) < 0;
	}
	LIST_FOREACH (h, &t->hops.all, all)
		hops_settle(net, h);
	if (lost > 0)
		log_error("routes: no room for %u of them", lost);
}

/* Something changed that gateways depend on: every set of them is looked at anew. */
static void follow(struct net *net, ticks now)
{
	struct hops *h;

	LIST_FOREACH (h, &net->routes->hops.all, all)
		hops_resolve(net, h, now);
	catch_up(net);
}

void route_iface_up(struct net *net, uint16_t iface, ticks now)
{
	connected_set(net, iface);
	follow(net, now);
}

void route_iface_down(struct net *net, uint16_t iface, ticks now)
{
	connected_clear(net, iface);
	follow(net, now);
}

void route_tick(struct net *net)
{
	struct route_table *t = net->routes;

	if (t->silences == neigh_silences(net))
		return;
	t->silences = neigh_silences(net);
	hops_regroup(net);
}

/* --- the configuration --- */

static bool is_gateway(uint32_t addr)
{
	return !ip4_src_is_martian(addr);
}

static void check_one(const struct route_conf *r, struct errs *e)
{
	char addr[IP4_ADDR_TEXT];

	if (r->depth > 32 || (r->prefix & ~ip4_mask(r->depth)) != 0)
		errs_add(e, r->at, "routes.prefix", "has bits set beyond its length");
	if (r->kind == ROUTE_VIA && (r->n_via == 0 || r->n_via > GROUP_MEMBERS))
		errs_add(e, r->at, "routes.via", "1 to %u gateways", GROUP_MEMBERS);
	for (uint32_t i = 0; r->kind == ROUTE_VIA && i < r->n_via && i < GROUP_MEMBERS; i++) {
		ip4_addr_text(r->via[i], addr);
		if (!is_gateway(r->via[i]))
			errs_add(e, r->at, "routes.via", "%s is no host's address", addr);
		for (uint32_t j = 0; j < i; j++) {
			if (r->via[j] == r->via[i])
				errs_add(e, r->at, "routes.via", "%s is given twice", addr);
		}
	}
}

static int by_prefix(const void *a, const void *b)
{
	const struct route_conf *x = *(const struct route_conf *const *)a;
	const struct route_conf *y = *(const struct route_conf *const *)b;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x < y ? -1 : 1; /* the order of the file */
}

static void check_twice(const struct routes_conf *c, struct errs *e)
{
	const struct route_conf **sorted = malloc((c->n + 1) * sizeof(*sorted));

	if (sorted == NULL)
		return; /* the later of two then counts */
	for (uint32_t i = 0; i < c->n; i++)
		sorted[i] = &c->list[i];
	qsort(sorted, c->n, sizeof(*sorted), by_prefix);
	for (uint32_t i = 1; i < c->n; i++) {
		if (sorted[i]->prefix == sorted[i - 1]->prefix &&
			sorted[i]->depth == sorted[i - 1]->depth)
			errs_add(e, sorted[i]->at, "routes.prefix", "is the same as in line %u",
				sorted[i - 1]->at.line);
	}
	free(sorted);
}

int route_check(const struct routes_conf *c, struct errs *e)
{
	size_t before = e->n;

	for (uint32_t i = 0; i < c->n; i++)
		check_one(&c->list[i], e);
	check_twice(c, e);
	return e->n == before ? 0 : -EINVAL;
}

static int convert(
	struct net *net, struct route *r, const struct route_conf *c, enum rib4_origin origin)
{
	*r = (struct route){
		.hops = hops_take(net, c),
		.prefix = c->prefix,
		.metric = c->metric,
		.depth = c->depth,
		.origin = origin,
		.preference = c->preference,
		.kept = true,
	};
	return r->hops == NULL ? -ENOMEM : 0;
}

static void drop_built(struct net *net)
{
	struct route_table *t = net->routes;

	for (; t->n_built > 0; t->n_built--)
		hops_drop(net, t->built[t->n_built - 1].hops);
	free(t->built);
	t->built = NULL;
}

void route_abandon(struct net *net)
{
	drop_built(net);
}

int route_build(struct net *net, const struct routes_conf *c)
{
	struct route_table *t = net->routes;

	drop_built(net);
	t->built = malloc((c->n + 1) * sizeof(*t->built));
	if (t->built == NULL || reserve(t, c->n) < 0)
		return -ENOMEM;
	for (; t->n_built < c->n; t->n_built++) {
		if (convert(net, &t->built[t->n_built], &c->list[t->n_built], RIB4_STATIC) < 0) {
			drop_built(net);
			return -ENOMEM;
		}
	}
	return 0;
}

/* Adds a route, or replaces its origin's for the prefix, without a gap; takes new's reference. */
static int put(struct net *net, const struct route *new)
{
	struct route *r = find(net->routes, new->prefix, new->depth, new->origin);
	struct hops *before = NULL;
	int rc;

	if (r == NULL) {
		r = insert(net->routes, new);
	} else if (r->hops == new->hops && r->metric == new->metric &&
		   r->preference == new->preference) {
		r->kept = true;
		hops_drop(net, new->hops);
		return 0;
	} else {
		before = r->hops;
		r->hops = new->hops;
		r->metric = new->metric;
		r->preference = new->preference;
		r->kept = true;
	}
	rc = into_rib(net, r);
	if (before != NULL)
		hops_drop(net, before);
	return rc;
}

/* What stays is not touched, what is new comes before what goes: a packet always has a route. */
void route_publish(struct net *net, ticks now)
{
	struct route_table *t = net->routes;
	uint32_t lost = 0;

	if (t->built == NULL)
		return;
	follow(net, now);
	for (uint32_t i = 1; i < t->n_places; i++)
		t->place[i].kept = t->place[i].origin != RIB4_STATIC;
	for (uint32_t i = 0; i < t->n_built; i++)
		lost += put(net, &t->built[i]) < 0;
	t->n_built = 0;
	drop_built(net);
	for (uint32_t i = 1; i < t->n_places; i++) {
		if (t->place[i].hops != NULL && !t->place[i].kept)
			end(net, &t->place[i]);
	}
	if (lost > 0)
		log_error("routes: no room for %u of them", lost);
}

/* Nothing is left over: the RIB sees to what its readers may still hold. */
void route_retire(struct net *net)
{
	(void)net;
}

/* --- the operator, the kernel --- */

/* A route as it was asked for. */
static struct route_conf conf_of(const struct route *r)
{
	const struct hops *h = r->hops;
	struct route_conf c = {
		.prefix = r->prefix,
		.depth = r->depth,
		.kind = h->kind,
		.n_via = h->n,
		.preference = r->preference,
		.metric = r->metric,
	};

	memcpy(c.via, h->via, h->n * sizeof(h->via[0]));
	return c;
}

static bool is_plausible(const struct net *net, const struct route_conf *c)
{
	struct errs e = {0};
	bool ok;

	check_one(c, &e);
	ok = e.n == 0;
	errs_clear(&e);
	for (uint32_t i = 0; ok && c->kind == ROUTE_VIA && i < c->n_via; i++)
		ok = hops_possible(net, c->via[i]);
	return ok;
}

/* Adds it, or replaces its origin's; resolved: its gateways were looked at. 0 or -ENOSPC. */
static int set(struct net *net, struct route *r, bool resolved, ticks now)
{
	uint32_t prefix = r->prefix;
	uint8_t depth = r->depth;

	if (!resolved)
		hops_resolve(net, r->hops, now);
	if (r->hops->refs > 1 && r->hops->changed)
		catch_up(net); /* what it found out is true of the others too */
	hops_settle(net, r->hops);
	if (put(net, r) == 0)
		return 0;
	end(net, find(net->routes, prefix, depth, r->origin));
	return -ENOSPC;
}

int route_add(struct net *net, const struct route_conf *c, enum rib4_origin origin, ticks now)
{
	struct route r;

	if (!is_plausible(net, c))
		return -EINVAL;
	if (find(net->routes, c->prefix, c->depth, origin) != NULL)
		return -EEXIST;
	if (reserve(net->routes, 1) < 0 || convert(net, &r, c, origin) < 0)
		return -ENOSPC;
	return set(net, &r, false, now);
}

int route_reserve(struct net *net, uint32_t n)
{
	return reserve(net->routes, n);
}

/* Many have the same gateways, which follow() looks at whenever something about them changes. */
int route_learn(struct net *net, const struct route_conf *c, ticks now)
{
	struct route r;

	if (reserve(net->routes, 1) < 0 || convert(net, &r, c, RIB4_KERNEL) < 0)
		return -ENOSPC;
	return set(net, &r, r.hops->refs > 1, now);
}

bool route_given(const struct net *net, uint32_t prefix, uint8_t depth, struct route_conf *c)
{
	const struct route *best = NULL;

	for (enum rib4_origin o = RIB4_STATIC; o <= RIB4_OPERATOR; o++) {
		const struct route *r = find(net->routes, prefix, depth, o);
		bool better = best == NULL || r == NULL || r->preference < best->preference ||
			      (r->preference == best->preference && r->metric < best->metric);

		if (r != NULL && r->hops->entry != 0 && better)
			best = r;
	}
	if (best != NULL)
		*c = conf_of(best);
	return best != NULL;
}

int route_del(struct net *net, uint32_t prefix, uint8_t depth, enum rib4_origin origin)
{
	struct route *r = find(net->routes, prefix, depth, origin);

	if (r == NULL)
		return -ENOENT;
	end(net, r);
	return 0;
}

/* --- the view --- */

static void show(const struct net *net, const struct route *r,
	void (*fn)(const struct route_row *, void *), void *arg)
{
	struct rib4_route in_rib;
	struct route_conf conf = conf_of(r);
	struct route_row row = {
		.prefix = r->prefix,
		.depth = r->depth,
		.origin = r->origin,
		.preference = r->preference,
		.metric = r->metric,
		.entry = r->hops->entry,
		.conf = &conf,
	};

	if (rib4_get(net->rib, r->prefix, r->depth, r->origin, &in_rib)) {
		row.best = in_rib.state != RIB4_SHADOWED;
		row.installed = in_rib.state == RIB4_INSTALLED;
	}
	fn(&row, arg);
}

/* The interfaces come first, since they do not grow in number. */
uint32_t route_walk(struct net *net, uint32_t cursor, uint32_t most,
	void (*fn)(const struct route_row *, void *), void *arg)
{
	const struct route_table *t = net->routes;
	uint32_t end_of_all = IFACE_MAX + t->n_places;

	for (; most > 0 && cursor < end_of_all; most--, cursor++) {
		const struct route *r = NULL;

		if (cursor < IFACE_MAX)
			connected_walk(net, (uint16_t)cursor, fn, arg);
		else if (cursor > IFACE_MAX)
			r = &t->place[cursor - IFACE_MAX];
		if (r != NULL && r->hops != NULL)
			show(net, r, fn, arg);
	}
	return cursor < end_of_all ? cursor : 0;
}
