/* SPDX-License-Identifier: BSD-3-Clause */
/* Hashes and a timer wheel over one array, whose pages are backed as the entries are used. */
#include "neigh_table.h"

#include "base/numa.h"

#include <stdlib.h>

#define NETS16 ((size_t)1 << 16)

static_assert((NEIGH_SLOTS & (NEIGH_SLOTS - 1)) == 0, "a turn's slot is its low bits");

struct neigh_table *neigh_table_new(uint32_t entries)
{
	struct neigh_table *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->mask = (1u << (32 - __builtin_clz(entries))) - 1;
	t->slot = RTE_MAX(clock_of_ms(NEIGH_SLOT_MS), (ticks)1);
	t->hash = numa_take((t->mask + 1) * sizeof(*t->hash), -1);
	t->entry = numa_take(entries * sizeof(*t->entry), -1);
	t->by24 = numa_take((t->mask + 1) * sizeof(*t->by24), -1);
	t->in16 = numa_take(NETS16 * sizeof(*t->in16), -1);
	if (t->hash == NULL || t->entry == NULL || t->by24 == NULL || t->in16 == NULL) {
		neigh_table_free(t, entries);
		return NULL;
	}
	return t;
}

void neigh_table_free(struct neigh_table *t, uint32_t entries)
{
	if (t == NULL)
		return;
	numa_drop(t->hash, (t->mask + 1) * sizeof(*t->hash));
	numa_drop(t->entry, entries * sizeof(*t->entry));
	numa_drop(t->by24, (t->mask + 1) * sizeof(*t->by24));
	numa_drop(t->in16, NETS16 * sizeof(*t->in16));
	free(t->conf.statics);
	free(t->built.statics);
	free(t->added.list);
	free(t->kernels.list);
	free(t);
}

static struct neigh_list *chain_of(struct neigh_table *t, uint16_t iface, uint32_t addr)
{
	uint64_t key = (uint64_t)iface << 32 | addr;

	return &t->hash[key * 0x9e3779b97f4a7c15u >> 32 & t->mask];
}

static struct neigh_list *near_of(struct neigh_table *t, uint32_t addr)
{
	return &t->by24[(uint64_t)(addr >> 8) * 0x9e3779b97f4a7c15u >> 32 & t->mask];
}

struct neigh *neigh_table_find(struct neigh_table *t, uint16_t iface, uint32_t addr)
{
	struct neigh *n;

	LIST_FOREACH (n, chain_of(t, iface, addr), chain) {
		if (n->addr == addr && n->iface == iface)
			return n;
	}
	return NULL;
}

struct neigh *neigh_table_put(struct neigh_table *t, uint32_t index, uint16_t iface, uint32_t addr)
{
	struct neigh *n = &t->entry[index];

	*n = (struct neigh){.addr = addr, .iface = iface, .due = NEIGH_NEVER};
	LIST_INSERT_HEAD(chain_of(t, iface, addr), n, chain);
	LIST_INSERT_HEAD(near_of(t, addr), n, near);
	t->in16[addr >> 16]++;
	t->n++;
	t->high = RTE_MAX(t->high, index);
	return n;
}

static void unplace(struct neigh *n)
{
	if (n->timed)
		LIST_REMOVE(n, timer);
	n->timed = false;
}

void neigh_table_remove(struct neigh_table *t, struct neigh *n)
{
	unplace(n);
	LIST_REMOVE(n, chain);
	LIST_REMOVE(n, near);
	t->in16[n->addr >> 16]--;
	n->addr = 0;
	t->n--;
}

/* From first to last, all of one /16. */
static void within16(struct neigh_table *t, uint32_t first, uint32_t last,
	void (*fn)(struct neigh *, void *), void *arg)
{
	for (uint32_t net = first >> 8; t->in16[first >> 16] > 0 && net <= last >> 8; net++) {
		struct neigh *n = LIST_FIRST(near_of(t, net << 8)), *next;

		for (; n != NULL; n = next) {
			next = LIST_NEXT(n, near);
			if (n->addr >> 8 == net && n->addr >= first && n->addr <= last)
				fn(n, arg);
		}
	}
}

void neigh_table_within(struct neigh_table *t, uint32_t prefix, uint8_t depth,
	void (*fn)(struct neigh *, void *), void *arg)
{
	uint32_t last = prefix | ~ip4_mask(depth);

	for (uint32_t net = prefix >> 16; t->n > 0 && net <= last >> 16; net++) {
		uint32_t first = net << 16;

		within16(t, RTE_MAX(first, prefix), RTE_MIN(first | 0xffff, last), fn, arg);
	}
}

void neigh_table_place(struct neigh_table *t, struct neigh *n)
{
	uint64_t turn = t->turn + 1;

	unplace(n);
	if (n->tell == 0) {
		if (n->due == NEIGH_NEVER)
			return;
		turn = RTE_MAX(turn, (n->due + t->slot - 1) / t->slot);
		turn = RTE_MIN(turn, t->turn + NEIGH_SLOTS - 1);
	}
	LIST_INSERT_HEAD(&t->wheel[turn & (NEIGH_SLOTS - 1)], n, timer);
	n->timed = true;
}

struct neigh *neigh_table_next(struct neigh_table *t, ticks now)
{
	uint64_t reached = now / t->slot;
	struct neigh *n;

	if (reached > t->turn + NEIGH_SLOTS)
		t->turn = reached - NEIGH_SLOTS; /* a turn of the whole wheel finds them all */
	for (;; t->turn++) {
		n = LIST_FIRST(&t->wheel[t->turn & (NEIGH_SLOTS - 1)]);
		if (n != NULL) {
			unplace(n);
			return n;
		}
		if (t->turn >= reached)
			return NULL;
	}
}

struct neigh *neigh_table_after(struct neigh_table *t, struct neigh *n)
{
	for (uint32_t i = n == NULL ? 1 : neigh_adj(t, n) + 1; i <= t->high; i++) {
		if (t->entry[i].addr != 0)
			return &t->entry[i];
	}
	return NULL;
}
