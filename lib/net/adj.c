/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adj: who owns which index of the adjacency and group tables, and how their entries are written.
 *
 * Control's alone. A returned index waits twice before it is free: until the RIB's changes up to
 * its return are in the FIB (its mark), then until no worker holds what it read before (epoch).
 */
#include "net/net.h"

#include "base/log.h"
#include "wire/bytes.h"
#include "wire/eth_hdr.h"
#include "wire/vlan_hdr.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

/* Indexes 1 to limit - 1 of one table: those never used yet, and a stack of those that were. */
struct indexes {
	uint32_t *free;
	uint32_t n_free;
	uint32_t fresh;
	uint32_t limit;
};

struct returned {
	STAILQ_ENTRY(returned) next;
	struct indexes *to;
	uint64_t mark;
	uint32_t index;
};

struct adj_pool {
	struct indexes adjs;
	struct indexes groups;
	STAILQ_HEAD(, returned) returned; /* not in the FIB yet; marks only grow */
};

static int indexes_new(struct indexes *x, uint32_t limit)
{
	x->free = malloc(limit * sizeof(*x->free));
	x->fresh = 1;
	x->limit = limit;
	return x->free == NULL ? -ENOMEM : 0;
}

static uint32_t take(struct indexes *x)
{
	if (x->n_free > 0)
		return x->free[--x->n_free];
	return x->fresh < x->limit ? x->fresh++ : 0;
}

int adj_pool_new(struct net *net)
{
	struct adj_pool *p = calloc(1, sizeof(*p));

	net->adj_pool = p;
	if (p == NULL)
		return -ENOMEM;
	STAILQ_INIT(&p->returned);
	if (indexes_new(&p->adjs, net->limits.adjacencies) < 0 ||
		indexes_new(&p->groups, net->limits.groups) < 0) {
		adj_pool_free(net);
		return -ENOMEM;
	}
	return 0;
}

void adj_pool_free(struct net *net)
{
	struct adj_pool *p = net->adj_pool;
	struct returned *r;

	if (p == NULL)
		return;
	epoch_drain(net->epoch); /* what it deferred points into the pool */
	while ((r = STAILQ_FIRST(&p->returned)) != NULL) {
		STAILQ_REMOVE_HEAD(&p->returned, next);
		free(r);
	}
	free(p->adjs.free);
	free(p->groups.free);
	free(p);
	net->adj_pool = NULL;
}

static void reuse(void *arg)
{
	struct returned *r = arg;

	r->to->free[r->to->n_free++] = r->index;
	free(r);
}

void adj_pool_poll(struct net *net)
{
	struct adj_pool *p = net->adj_pool;
	struct returned *r;

	while ((r = STAILQ_FIRST(&p->returned)) != NULL && rib4_reached(net->rib, r->mark)) {
		STAILQ_REMOVE_HEAD(&p->returned, next);
		epoch_defer(net->epoch, reuse, r);
	}
}

static void give_back(struct net *net, struct indexes *to, uint32_t index)
{
	struct returned *r = malloc(sizeof(*r));

	if (r == NULL) {
		log_error("no memory to return an index of the next hops: it is lost");
		return;
	}
	*r = (struct returned){.to = to, .mark = rib4_mark(net->rib), .index = index};
	STAILQ_INSERT_TAIL(&net->adj_pool->returned, r, next);
	adj_pool_poll(net);
}

uint32_t adj_take(struct net *net)
{
	return take(&net->adj_pool->adjs);
}

void adj_return(struct net *net, uint32_t index)
{
	give_back(net, &net->adj_pool->adjs, index);
}

uint32_t adj_group_take(struct net *net)
{
	return take(&net->adj_pool->groups);
}

void adj_group_return(struct net *net, uint32_t index)
{
	give_back(net, &net->adj_pool->groups, index);
}

static void set_flags(struct adj *a, uint8_t flags)
{
	bool plain = (flags & ADJ_RESOLVED) != 0 && a->mss == 0;

	__atomic_store_n(&a->flags, flags, __ATOMIC_RELEASE);
	__atomic_store_n(&a->plain, plain ? a->mtu : 0, __ATOMIC_RELEASE);
}

/* The header for one MAC on an interface: 14 or 18 bytes, the rest of the 18 zero. */
static uint8_t header(uint8_t l2[18], const struct iface *i, const uint8_t *mac)
{
	uint8_t *type = l2 + 2 * ETH_MAC_LEN;

	memset(l2, 0, 18);
	memcpy(l2, mac, ETH_MAC_LEN);
	eth_mac_store(l2 + ETH_MAC_LEN, i->mac);
	if (i->vlan == 0) {
		store16(type, to_be16(ETH_TYPE_IP4));
		return ETH_HDR_LEN;
	}
	store16(type, to_be16(ETH_TYPE_VLAN));
	vlan_hdr_build((struct vlan_hdr *)(type + 2), i->vlan, 0, ETH_TYPE_IP4);
	return ETH_HDR_LEN + VLAN_HDR_LEN;
}

/*
 * Beside the neighbour's MAC everything follows from the interface. Where that has changed, new
 * packets wait while it is written; a packet already past the question may leave with the old
 * source address or a mixture, once.
 */
void adj_set(struct net *net, uint32_t index, uint16_t iface, uint32_t addr, const uint8_t *mac)
{
	const struct iface *i = &net->iface[iface];
	struct adj *a = &net->adj[index];
	uint8_t l2[18] = {0};
	uint8_t len = mac == NULL ? 0 : header(l2, i, mac);

	if (mac == NULL || a->l2_len != len || memcmp(a->l2_rest, l2 + 8, sizeof(a->l2_rest)) != 0)
		set_flags(a, a->flags & ~ADJ_RESOLVED);
	a->mtu = i->mtu;
	a->mss = i->mss;
	a->iface = iface;
	a->slot = i->slot;
	a->addr = addr;
	if (mac == NULL)
		return;
	a->l2_len = len;
	memcpy(a->l2_rest, l2 + 8, sizeof(a->l2_rest));
	__atomic_store_n(&a->l2_first, load64(l2), __ATOMIC_RELAXED);
	set_flags(a, a->flags | ADJ_RESOLVED);
}

void adj_set_asked(struct net *net, uint32_t index, bool asked)
{
	struct adj *a = &net->adj[index];

	set_flags(a, asked ? a->flags | ADJ_ASKED : a->flags & ~ADJ_ASKED);
}

struct pair_count adj_sent(const struct net *net, uint32_t index)
{
	struct pair_count sum = {0};

	for (uint32_t i = 0; i < net->n_workers; i++) {
		const struct pair_count *c = &net->worker[i]->adj_tx[index];

		sum.packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
	}
	return sum;
}

static int member_of(const uint32_t *member, uint32_t n, uint32_t adj)
{
	for (uint32_t i = 0; i < n; i++) {
		if (member[i] == adj)
			return (int)i;
	}
	return -1;
}

static uint32_t poorest(const uint32_t *held, uint32_t n)
{
	uint32_t best = 0;

	for (uint32_t i = 1; i < n; i++) {
		if (held[i] < held[best])
			best = i;
	}
	return best;
}

/*
 * A member may keep share buckets, the first GROUP_BUCKETS % n of them to be full one more. In
 * order: members keep what they have up to that, the buckets that are left go to whoever has
 * least.
 */
void adj_group_set(struct net *net, uint32_t index, const uint32_t *member, uint32_t n)
{
	struct group *g = &net->group[index];
	uint32_t share = GROUP_BUCKETS / n, extra = GROUP_BUCKETS % n;
	uint32_t held[GROUP_MEMBERS] = {0};
	uint64_t open = 0;

	for (uint32_t b = 0; b < GROUP_BUCKETS; b++) {
		int m = member_of(member, n, g->bucket[b]);

		if (m >= 0 && (held[m] < share || (held[m] == share && extra > 0))) {
			extra -= held[m] == share;
			held[m]++;
		} else {
			open |= UINT64_C(1) << b;
		}
	}
	for (; open != 0; open &= open - 1) {
		uint32_t m = poorest(held, n);

		held[m]++;
		__atomic_store_n(&g->bucket[__builtin_ctzll(open)], member[m], __ATOMIC_RELAXED);
	}
	g->n = n;
	memcpy(g->member, member, n * sizeof(*member));
}
