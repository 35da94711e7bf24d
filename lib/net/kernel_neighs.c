/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neighbours. Down: whoever is resolved here is told to the kernel as reachable, with the mark
 * NTF_EXT_LEARNED, so that local programs' packets go at once. Up: those that are permanent there.
 */
#include "kernel_table.h"

#include "base/numa.h"
#include "kernel_told.h"
#include "net/neigh.h"
#include "net/net.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EACH 16 /* neighbours between two looks at the clock */

/* By adjacency: what the kernel was told of it. */
struct given {
	uint32_t index; /* of the link, 0: nothing */
	uint32_t addr;
	uint8_t mac[6];
	bool queued;
};

struct taken {
	uint32_t index;
	uint32_t addr;
	char iface[IFACE_NAME]; /* ours, which may have gone before */
	uint8_t round;
};

struct kneighs {
	struct given *given; /* [limits.adjacencies] */
	uint32_t *queue;     /* a ring of as many */
	uint32_t head, n_queued;
	uint32_t n_taken;
	struct taken taken[NEIGH_KERNELS];
};

int kernel_neighs_new(struct net *net)
{
	struct kneighs *t = calloc(1, sizeof(*t));
	uint32_t n = net->limits.adjacencies;

	net->kernel->neighs = t;
	if (t == NULL)
		return -ENOMEM;
	t->given = numa_take(n * sizeof(*t->given), -1);
	t->queue = numa_take(n * sizeof(*t->queue), -1);
	return t->given == NULL || t->queue == NULL ? -ENOMEM : 0;
}

void kernel_neighs_free(struct net *net)
{
	struct kneighs *t = net->kernel->neighs;

	if (t == NULL)
		return;
	numa_drop(t->given, net->limits.adjacencies * sizeof(*t->given));
	numa_drop(t->queue, net->limits.adjacencies * sizeof(*t->queue));
	free(t);
	net->kernel->neighs = NULL;
}

/* --- up --- */

static struct taken *find_taken(struct kneighs *t, uint32_t index, uint32_t addr)
{
	for (uint32_t i = 0; i < t->n_taken; i++)
		if (t->taken[i].index == index && t->taken[i].addr == addr)
			return &t->taken[i];
	return NULL;
}

static void untake(struct net *net, struct taken *x, ticks now)
{
	struct kneighs *t = net->kernel->neighs;

	neigh_unlearn(net, x->iface, x->addr, now);
	*x = t->taken[--t->n_taken];
	net->kernel->counts.neighbours = t->n_taken;
}

void kernel_neighs_told(struct net *net, const struct rtnl_msg *m, ticks now)
{
	struct kernel *k = net->kernel;
	struct kneighs *t = k->neighs;
	struct taken *x = find_taken(t, m->neigh.index, m->neigh.addr);
	const struct klink *l = kernel_link_of(net, m->neigh.index);
	bool there = l != NULL && l->iface != IFACE_LOOPBACK && !m->gone && m->neigh.permanent &&
		     k->conf.take_neighbours;

	if (there && neigh_learn(net, l->iface, m->neigh.addr, m->neigh.mac, now) < 0) {
		neigh_unlearn(net, net->iface[l->iface].name, m->neigh.addr, now);
		there = false;
	}
	if (x != NULL && !there)
		untake(net, x, now);
	if (!there)
		return;
	if (x == NULL && t->n_taken < NEIGH_KERNELS) {
		x = &t->taken[t->n_taken++];
		*x = (struct taken){.index = m->neigh.index, .addr = m->neigh.addr};
		memcpy(x->iface, net->iface[l->iface].name, sizeof(x->iface));
		k->counts.neighbours = t->n_taken;
	}
	if (x != NULL)
		x->round = k->round;
}

void kernel_neighs_swept(struct net *net, ticks now)
{
	struct kneighs *t = net->kernel->neighs;

	for (uint32_t i = t->n_taken; !net->kernel->disturbed && i > 0; i--)
		if (t->taken[i - 1].round != net->kernel->round)
			untake(net, &t->taken[i - 1], now);
}

/* --- down --- */

void kernel_told_neigh(struct net *net, uint32_t adj)
{
	struct kneighs *t = net->kernel == NULL || !net->kernel->on ? NULL : net->kernel->neighs;

	if (t == NULL || t->given[adj].queued)
		return;
	t->given[adj].queued = true;
	t->queue[(t->head + t->n_queued++) % net->limits.adjacencies] = adj;
}

/* False: the kernel refused it. */
static bool ask_neigh(struct net *net, const struct given *g, uint16_t type)
{
	be32 addr = to_be32(g->addr);
	struct rtnl_request q;
	struct ndmsg *n = rtnl_begin(
		&q, type, type == RTM_NEWNEIGH ? NLM_F_CREATE | NLM_F_REPLACE : 0, sizeof(*n));

	n->ndm_family = AF_INET;
	n->ndm_ifindex = (int)g->index;
	n->ndm_state = NUD_REACHABLE;
	n->ndm_flags = NTF_EXT_LEARNED;
	mnl_attr_put(q.h, NDA_DST, sizeof(addr), &addr);
	if (type == RTM_NEWNEIGH)
		mnl_attr_put(q.h, NDA_LLADDR, sizeof(g->mac), g->mac);
	return kernel_ask(net, &q, type == RTM_NEWNEIGH ? 0 : -ENOENT, "a neighbour") == 0;
}

static bool is_resolved(const struct neigh_row *row)
{
	return row->state == NEIGH_REACHABLE || row->state == NEIGH_PROBING ||
	       row->state == NEIGH_STATIC;
}

static void settle(struct net *net, uint32_t adj)
{
	struct kernel *k = net->kernel;
	struct given *g = &k->neighs->given[adj], before = *g;
	struct neigh_row row;
	bool there = neigh_get(net, adj, clock_now(), &row);
	const struct klink *l = NULL;

	g->queued = before.queued = false;
	if (k->conf.give_neighbours && k->wanted && there && is_resolved(&row) && !row.kernels)
		l = kernel_link_of_iface(net, row.iface);
	if (l != NULL && !l->up)
		l = NULL;
	*g = (struct given){0};
	if (l != NULL) {
		g->index = l->index;
		g->addr = row.addr;
		memcpy(g->mac, row.mac, sizeof(g->mac));
	}
	if (memcmp(g, &before, sizeof(*g)) == 0)
		return;
	if (there && row.kernels) { /* it took the place of ours */
		k->counts.neighbours_given -= before.index != 0;
		return;
	}
	if (before.index != 0 && (before.index != g->index || before.addr != g->addr))
		ask_neigh(net, &before, RTM_DELNEIGH);
	if (g->index != 0 && !ask_neigh(net, g, RTM_NEWNEIGH))
		g->index = 0; /* until something changes about it */
	k->counts.neighbours_given += g->index != 0;
	k->counts.neighbours_given -= before.index != 0;
}

void kernel_neighs_give_all(struct net *net)
{
	/* adjacencies are handed out from 1 on: there is none behind the first that never was one
	 */
	for (uint32_t i = 1; i < net->limits.adjacencies && net->adj[i].addr != 0; i++)
		kernel_told_neigh(net, i);
}

void kernel_neighs_give(struct net *net, uint32_t index)
{
	struct kneighs *t = net->kernel->neighs;

	for (uint32_t i = 1; i < net->limits.adjacencies && net->adj[i].addr != 0; i++) {
		if (t->given[i].index == index) {
			t->given[i].index = 0;
			net->kernel->counts.neighbours_given--;
		}
		kernel_told_neigh(net, i);
	}
}

void kernel_neighs_take_back(struct net *net, uint32_t index)
{
	const struct kneighs *t = net->kernel->neighs;

	for (uint32_t i = 1; i < net->limits.adjacencies && net->adj[i].addr != 0; i++)
		if (t->given[i].index == index)
			kernel_told_neigh(net, i);
}

bool kernel_neighs_work(struct net *net, ticks deadline)
{
	struct kneighs *t = net->kernel->neighs;

	if (!net->kernel->counts.synced)
		return false; /* which links there are is not known yet */
	do {
		for (int i = 0; i < LOOK_EACH && t->n_queued > 0; i++) {
			uint32_t adj = t->queue[t->head];

			t->head = (t->head + 1) % net->limits.adjacencies;
			t->n_queued--;
			settle(net, adj);
		}
	} while (t->n_queued > 0 && clock_now() < deadline);
	return t->n_queued > 0;
}

void kernel_neighs_end(struct net *net, ticks now)
{
	struct kneighs *t = net->kernel->neighs;

	while (t->n_taken > 0)
		untake(net, &t->taken[t->n_taken - 1], now);
	memset(t->given, 0, net->limits.adjacencies * sizeof(*t->given));
	t->n_queued = 0;
	net->kernel->counts.neighbours_given = 0;
}
