/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neigh_table: where neighbours live and when each is looked at again; no protocol.
 *
 * A neighbour owns the adjacency of the same index. It is found by a hash of {interface, address},
 * with others of a prefix by a hash of its /24, and woken by a wheel of lists, one for each
 * NEIGH_SLOT_MS, as far ahead as the wheel reaches. Control's alone.
 */
#ifndef NET_NEIGH_TABLE_H
#define NET_NEIGH_TABLE_H

#include "announce.h"
#include "net/neigh.h"
#include "net/worker.h"

#include <sys/queue.h>

#define NEIGH_SLOT_MS	 50
#define NEIGH_SLOTS	 256 /* a power of two; 12.8 s */
#define NEIGH_NEVER	 UINT64_MAX
#define NEIGH_PREFERENCE 255 /* of its /32 route: every other route comes first */

struct neigh {
	LIST_ENTRY(neigh) chain; /* of the hash */
	LIST_ENTRY(neigh) timer; /* of a slot of the wheel, while `timed` */
	LIST_ENTRY(neigh) near;	 /* of the hash by /24 */
	uint32_t addr;		 /* 0: the entry is free */
	uint16_t iface;
	uint8_t mac[6];
	enum neigh_state state;
	bool timed;
	bool installed; /* its /32 is in the RIB */
	bool silent;	/* failed, and not heard of since */
	bool kept;	/* NEIGH_STATIC: seen in the configuration that is being published */
	uint8_t asks;	/* requests since it was last confirmed */
	uint32_t refs;	/* routes that go through it */
	ticks due;	/* when its state has something to do */
	ticks pause;	/* NEIGH_FAILED: from one request to the next */
	ticks asked;
	ticks confirmed;
	ticks used;
	uint64_t tell;		/* workers that are still to hear of its state */
	uint64_t seen;		/* packets sent when it was last looked at */
	struct pair_count base; /* of its adjacency when it was taken */
};

LIST_HEAD(neigh_list, neigh);

/* Neighbours that somebody has named. */
struct neigh_named {
	struct neigh_static *list;
	uint32_t n;
};

struct neigh_table {
	struct neigh_conf conf;	 /* in force, statics copied */
	struct neigh_conf built; /* by neigh_build(), while `pending` */
	bool pending;
	struct neigh_named added;   /* the operator's */
	struct neigh_named kernels; /* told by netlink */

	uint32_t n;	   /* neighbours */
	uint32_t n_static; /* of them */
	uint32_t high;	   /* no entry beyond was ever used */
	uint32_t silences; /* how often a next hop became silent, or was no longer */
	uint32_t cursor;   /* where the search for one to evict goes on */
	ticks complained;  /* last, about no room */
	struct announcer announcer;

	ticks slot;    /* NEIGH_SLOT_MS */
	uint64_t turn; /* the slot reached, counted from time 0 */
	struct neigh_list wheel[NEIGH_SLOTS];

	uint32_t mask; /* of both hashes */
	struct neigh_list *hash;
	struct neigh_list *by24;
	uint32_t *in16;	     /* neighbours in each /16: most prefixes have none */
	struct neigh *entry; /* [limits.adjacencies] */
};

/* NULL: no memory. */
struct neigh_table *neigh_table_new(uint32_t entries);
void neigh_table_free(struct neigh_table *t, uint32_t entries);

struct neigh *neigh_table_find(struct neigh_table *t, uint16_t iface, uint32_t addr);
/* Fills in entry `index`, which is free, and hashes it. */
struct neigh *neigh_table_put(struct neigh_table *t, uint32_t index, uint16_t iface, uint32_t addr);
void neigh_table_remove(struct neigh_table *t, struct neigh *n);

/* Calls fn, which may remove it, for each neighbour in a prefix. */
void neigh_table_within(struct neigh_table *t, uint32_t prefix, uint8_t depth,
	void (*fn)(struct neigh *, void *), void *arg);

/* Has neigh_table_next() bring n: when due, or with the next slot while somebody is to be told. */
void neigh_table_place(struct neigh_table *t, struct neigh *n);
/* A neighbour whose slot has come, taken off the wheel (perhaps before it is due); NULL: no more.
 */
struct neigh *neigh_table_next(struct neigh_table *t, ticks now);

static inline uint32_t neigh_adj(const struct neigh_table *t, const struct neigh *n)
{
	return (uint32_t)(n - t->entry);
}

/* All neighbours in turn: the one after n, the first for NULL. */
struct neigh *neigh_table_after(struct neigh_table *t, struct neigh *n);

#endif
