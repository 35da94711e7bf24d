/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What moves neighbours from state to state: packets that wait and ARP packets, as workers tell;
 * time; routes, interfaces, the configuration and the operator. The steps are in neigh_step.c.
 */
#include "net/neigh.h"

#include "base/log.h"
#include "neigh_named.h"
#include "neigh_step.h"
#include "net/net.h"
#include "net/port.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <stdlib.h>

#define PAUSE_MAX_MS 30000 /* between requests for a gateway that does not answer */

static const struct neigh_conf defaults = {
	.age_ms = 20 * 60 * 1000,
	.retry_ms = 1000,
	.retries = 3,
	.max = 16384,
	.gratuitous = 2,
};

int neigh_new(struct net *net)
{
	int rc = adj_pool_new(net);

	if (rc < 0)
		return rc;
	net->neigh = neigh_table_new(net->limits.adjacencies);
	if (net->neigh == NULL) {
		adj_pool_free(net);
		return -ENOMEM;
	}
	net->neigh->conf = defaults;
	return 0;
}

void neigh_free(struct net *net)
{
	neigh_table_free(net->neigh, net->limits.adjacencies);
	net->neigh = NULL;
	adj_pool_free(net);
}

/* --- what workers told --- */

/* RFC 1122 2.3.2.1: not more than one request a second for one address. */
static bool may_ask(const struct net *net, const struct neigh *n, ticks now)
{
	return now - n->asked >= clock_of_ms(net->neigh->conf.retry_ms);
}

/* Nobody of that address was needed yet; nor is he now, if it is routed elsewhere since. */
static void on_stranger(struct net *net, uint16_t iface, uint32_t addr, ticks now)
{
	struct neigh *n;

	if (!neigh_step_possible(net, iface, addr))
		return;
	if (fib4_lookup(net->fib, addr) != fib_entry_make(FIB_GLEAN, iface)) {
		neigh_step_release(net, iface, addr);
		return;
	}
	n = neigh_step_make(net, iface, addr, true, now);
	if (n != NULL)
		neigh_step_ask(net, n, now);
}

static void on_resolve(struct net *net, uint16_t iface, uint32_t addr, ticks now)
{
	struct neigh *n = neigh_table_find(net->neigh, iface, addr);

	if (n == NULL) {
		on_stranger(net, iface, addr, now);
	} else if (n->state == NEIGH_FAILED && n->due != NEIGH_NEVER && may_ask(net, n, now)) {
		neigh_step_ask(net, n, now);
	} else if (n->state != NEIGH_INCOMPLETE) {
		neigh_step_tell_all(net, n);
	}
}

/* Whether packets for addr would have it asked for: no prefix longer than the link's has it. */
static bool is_wanted(const struct net *net, uint16_t iface, uint32_t addr)
{
	struct rib4_route r;

	return neigh_step_possible(net, iface, addr) && rib4_lookup(net->rib, addr, 31, &r) &&
	       r.entry == fib_entry_make(FIB_GLEAN, iface);
}

/* RFC 826: merge into what is known; make an entry only for who asks us. */
static void on_arp(struct net *net, const struct event *e, ticks now)
{
	struct neigh *n = neigh_table_find(net->neigh, e->iface, e->addr);
	char addr[IP4_ADDR_TEXT], mac[ETH_MAC_TEXT];

	if (n == NULL) {
		if (e->arp_reply || !e->arp_to_us || !is_wanted(net, e->iface, e->addr))
			return;
		n = neigh_step_make(net, e->iface, e->addr, true, now);
		if (n == NULL)
			return;
	}
	if (n->state == NEIGH_STATIC || (net->iface[e->iface].flags & IFACE_UP) == 0)
		return;
	if (neigh_is_resolved(n) && memcmp(n->mac, e->mac, sizeof(n->mac)) != 0)
		log_detail("%s on %s is at %s now", ip4_addr_text(e->addr, addr),
			net->iface[e->iface].name, eth_mac_text(e->mac, mac));
	neigh_step_resolve(net, n, NEIGH_REACHABLE, e->mac, now);
}

void neigh_event(struct net *net, const struct event *e, ticks now)
{
	switch ((enum event_kind)e->kind) {
	case EVENT_RESOLVE:
		on_resolve(net, e->iface, e->addr, now);
		return;
	case EVENT_ARP:
		on_arp(net, e, now);
		return;
	case EVENT_CHECKED: /* a balancer's */
		return;
	case EVENT_CONFLICT:
		announce_conflict(net, e, now);
		return;
	}
}

/* --- time --- */

/* Looks whether it is used, and whether that or its last word are too long ago. */
static void grow_old(struct net *net, struct neigh *n, ticks now)
{
	ticks age = clock_of_ms(net->neigh->conf.age_ms);
	uint64_t packets = adj_sent(net, neigh_adj(net->neigh, n)).packets;

	if (packets != n->seen || n->refs > 0)
		n->used = now;
	n->seen = packets;
	n->due = RTE_MIN(n->used, n->confirmed) + age;
	if (now - n->used >= age)
		neigh_step_forget(net, n);
	else if (now - n->confirmed >= age)
		neigh_step_probe(net, n, now);
	else
		neigh_table_place(net->neigh, n);
}

/* Nobody answered in time. */
static void go_on(struct net *net, struct neigh *n, ticks now)
{
	if (n->state == NEIGH_FAILED && n->refs == 0) {
		neigh_step_forget(net, n);
	} else if (n->state == NEIGH_FAILED) {
		ticks pause = RTE_MIN(2 * n->pause, clock_of_ms(PAUSE_MAX_MS));

		neigh_step_ask_again(net, n, now);
		n->pause = pause;
		n->due = now + pause;
		neigh_table_place(net->neigh, n);
	} else if (n->asks < net->neigh->conf.retries) {
		neigh_step_ask_again(net, n, now);
	} else if (n->state == NEIGH_INCOMPLETE) {
		neigh_step_fail(net, n, now);
	} else {
		neigh_step_lose(net, n, now);
	}
}

void neigh_tick(struct net *net, ticks now)
{
	struct neigh *n;

	while ((n = neigh_table_next(net->neigh, now)) != NULL) {
		if (n->tell != 0)
			neigh_step_tell(net, n);
		if (n->state == NEIGH_REACHABLE)
			grow_old(net, n, now);
		else if (now >= n->due)
			go_on(net, n, now);
		else
			neigh_table_place(net->neigh, n);
	}
	announce_tick(net, now);
	adj_pool_poll(net);
}

/* --- routes --- */

/* A neighbour that nobody named goes if a prefix longer than its link's leads elsewhere. */
static void give_way(struct net *net, struct neigh *n, uint8_t depth)
{
	const struct iface *f = &net->iface[n->iface];
	const struct iface_addr *link = iface_link(f, n->addr);

	if (n->refs > 0 || n->state == NEIGH_STATIC || (f->flags & IFACE_UP) == 0 ||
		(link != NULL && depth < link->depth))
		return;
	if (!is_wanted(net, n->iface, n->addr))
		neigh_step_yield(net, n);
}

struct change {
	struct net *net;
	uint8_t depth;
};

static void look_at(struct neigh *n, void *arg)
{
	const struct change *c = arg;

	give_way(c->net, n, c->depth);
}

void neigh_prefix_changed(struct net *net, uint32_t prefix, uint8_t depth)
{
	struct change c = {net, depth};

	neigh_table_within(net->neigh, prefix, depth, look_at, &c);
}

/* --- routes' next hops --- */

uint32_t neigh_ref(struct net *net, uint16_t iface, uint32_t addr, ticks now)
{
	struct neigh *n = neigh_table_find(net->neigh, iface, addr);

	if (n == NULL) {
		n = neigh_step_make(net, iface, addr, false, now);
		if (n == NULL)
			return 0;
		neigh_step_ask(net, n, now);
	}
	n->refs++;
	neigh_step_install(net, n); /* unresolved too: what it says of itself is then of interest */
	return neigh_adj(net->neigh, n);
}

void neigh_unref(struct net *net, uint32_t adj)
{
	struct neigh *n = &net->neigh->entry[adj];

	if (--n->refs > 0)
		return;
	if (!neigh_is_resolved(n))
		neigh_step_forget(net, n);
	else
		give_way(net, n, 32);
}

bool neigh_is_silent(const struct net *net, uint32_t adj)
{
	return net->neigh->entry[adj].silent;
}

uint32_t neigh_silences(const struct net *net)
{
	return net->neigh->silences;
}

/* --- interfaces --- */

/* What follows from the interface is written anew; who did not answer is asked again. */
void neigh_iface_up(struct net *net, uint16_t iface, ticks now)
{
	struct neigh_table *t = net->neigh;

	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n)) {
		if (n->iface != iface)
			continue;
		if (!neigh_step_possible(net, iface, n->addr))
			neigh_step_lose(net, n, now);
		else if (neigh_is_resolved(n))
			adj_set(net, neigh_adj(t, n), iface, n->addr, n->mac);
		else if (may_ask(net, n, now) || n->due == NEIGH_NEVER)
			neigh_step_lose(net, n, now);
	}
	neigh_named_set(net, iface, now);
	announce_start(net, iface, t->conf.gratuitous, now);
}

/* Next hops stay, silent, until their routes have let go of them or the interface is back. */
void neigh_iface_down(struct net *net, uint16_t iface)
{
	struct neigh_table *t = net->neigh;

	announce_stop(net, iface);
	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n)) {
		if (n->iface != iface)
			continue;
		if (n->refs == 0)
			neigh_step_forget(net, n);
		else
			neigh_step_suspend(net, n);
	}
}

/* --- the configuration --- */

static int by_iface_and_addr(const void *a, const void *b)
{
	const struct neigh_static *x = *(const struct neigh_static *const *)a;
	const struct neigh_static *y = *(const struct neigh_static *const *)b;
	int by_name = strcmp(x->iface, y->iface);

	if (by_name != 0)
		return by_name;
	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	return x < y ? -1 : 1; /* the order of the file */
}

static void check_twice(const struct neigh_conf *c, struct errs *e)
{
	const struct neigh_static **sorted = malloc((c->n_static + 1) * sizeof(*sorted));

	if (sorted == NULL)
		return; /* the later of two then counts */
	for (uint32_t i = 0; i < c->n_static; i++)
		sorted[i] = &c->statics[i];
	qsort(sorted, c->n_static, sizeof(*sorted), by_iface_and_addr);
	for (uint32_t i = 1; i < c->n_static; i++) {
		if (sorted[i]->addr == sorted[i - 1]->addr &&
			strcmp(sorted[i]->iface, sorted[i - 1]->iface) == 0)
			errs_add(e, sorted[i]->at, "neighbours.static",
				"the same address is given in line %u", sorted[i - 1]->at.line);
	}
	free(sorted);
}

int neigh_check(const struct neigh_conf *c, struct errs *e)
{
	size_t before = e->n;

	for (uint32_t i = 0; i < c->n_static; i++) {
		const struct neigh_static *s = &c->statics[i];

		if (!eth_is_unicast(s->mac))
			errs_add(e, s->at, "neighbours.static.mac", "not the MAC of one station");
		if (ip4_src_is_martian(s->addr))
			errs_add(e, s->at, "neighbours.static.address",
				"not an address that a host may have");
	}
	check_twice(c, e);
	return e->n == before ? 0 : -EINVAL;
}

int neigh_build(struct net *net, const struct neigh_conf *c)
{
	struct neigh_table *t = net->neigh;
	struct neigh_static *copy = malloc((c->n_static + 1) * sizeof(*copy));

	if (copy == NULL)
		return -ENOMEM;
	if (c->n_static > 0)
		memcpy(copy, c->statics, c->n_static * sizeof(*copy));
	free(t->built.statics);
	t->built = *c;
	t->built.statics = copy;
	t->pending = true;
	return 0;
}

void neigh_abandon(struct net *net)
{
	net->neigh->pending = false; /* the next build frees the list */
}

void neigh_publish(struct net *net, ticks now)
{
	struct neigh_table *t = net->neigh;

	if (!t->pending)
		return;
	free(t->conf.statics);
	t->conf = t->built;
	t->built.statics = NULL;
	t->pending = false;
	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n))
		n->kept = false;
	neigh_named_set(net, 0, now);
	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n)) {
		if (n->state == NEIGH_STATIC && !n->kept)
			neigh_step_lose(net, n, now);
	}
}

/* Nothing is left over: workers saw of a change what they saw of any other. */
void neigh_retire(struct net *net)
{
	(void)net;
}

/* --- the operator --- */

int neigh_add(struct net *net, uint16_t iface, uint32_t addr, const uint8_t mac[6], ticks now)
{
	return neigh_named_add(net, &net->neigh->added, iface, addr, mac, now);
}

int neigh_del(struct net *net, uint16_t iface, uint32_t addr, ticks now)
{
	struct neigh_table *t = net->neigh;
	const char *name = net->iface[iface].name;
	bool added = neigh_named_has(&t->added, name, addr);

	if (!added && neigh_named_find(t, name, addr) != NULL)
		return -EPERM; /* it would come back with the next link up */
	if (!added && neigh_table_find(t, iface, addr) == NULL)
		return -ENOENT;
	neigh_named_remove(net, &t->added, name, addr, now);
	return 0;
}

int neigh_learn(struct net *net, uint16_t iface, uint32_t addr, const uint8_t mac[6], ticks now)
{
	struct neigh_table *t = net->neigh;

	if (t->kernels.n >= NEIGH_KERNELS &&
		!neigh_named_has(&t->kernels, net->iface[iface].name, addr))
		return -ENOSPC;
	return neigh_named_add(net, &t->kernels, iface, addr, mac, now);
}

int neigh_unlearn(struct net *net, const char *iface, uint32_t addr, ticks now)
{
	struct neigh_table *t = net->neigh;

	if (!neigh_named_has(&t->kernels, iface, addr))
		return -ENOENT;
	neigh_named_remove(net, &t->kernels, iface, addr, now);
	return 0;
}

uint32_t neigh_flush(struct net *net, uint16_t iface, ticks now)
{
	struct neigh_table *t = net->neigh;
	uint32_t flushed = 0;

	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n)) {
		if (n->state == NEIGH_STATIC || (iface != 0 && n->iface != iface))
			continue;
		neigh_step_lose(net, n, now);
		flushed++;
	}
	return flushed;
}

static struct neigh_row row_of(const struct net *net, const struct neigh *n, ticks now)
{
	uint32_t adj = neigh_adj(net->neigh, n);
	struct pair_count sent = adj_sent(net, adj);
	struct neigh_row row = {
		.iface = n->iface,
		.addr = n->addr,
		.state = n->state,
		.adj = adj,
		.age_ms = n->confirmed == 0 ? 0 : clock_to_ms(now - n->confirmed),
		.packets = sent.packets - n->base.packets,
		.bytes = sent.bytes - n->base.bytes,
		.refs = n->refs,
		.kernels =
			n->state == NEIGH_STATIC && neigh_named_is_kernels(net, n->iface, n->addr),
	};

	memcpy(row.mac, n->mac, sizeof(row.mac));
	return row;
}

void neigh_walk(struct net *net, ticks now, void (*fn)(const struct neigh_row *, void *), void *arg)
{
	struct neigh_table *t = net->neigh;

	for (struct neigh *n = neigh_table_after(t, NULL); n; n = neigh_table_after(t, n)) {
		struct neigh_row row = row_of(net, n, now);

		fn(&row, arg);
	}
}

bool neigh_get(const struct net *net, uint32_t adj, ticks now, struct neigh_row *row)
{
	const struct neigh *n = &net->neigh->entry[adj];

	if (adj == 0 || adj > net->neigh->high || n->addr == 0)
		return false;
	*row = row_of(net, n, now);
	return true;
}

const char *neigh_state_name(enum neigh_state s)
{
	static const char *const names[] = {
		[NEIGH_INCOMPLETE] = "incomplete",
		[NEIGH_REACHABLE] = "reachable",
		[NEIGH_PROBING] = "probing",
		[NEIGH_FAILED] = "failed",
		[NEIGH_STATIC] = "static",
	};

	return names[s];
}
