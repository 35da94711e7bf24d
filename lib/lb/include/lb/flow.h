/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow: the flows that a worker balances, and the backend that each has. One core's own; no lock.
 *
 * A bucket is one cache line of three flows. A flow stands in the bucket that its hash names or,
 * where that was full, in one of the next; a look-up is one line, seldom two. Flows never move: a
 * struct flow stays where it is until it ends, and may be named by a number.
 *
 * The table is bounded. A flow ends when its time is over, which is seen when its place is wanted
 * or by flow_sweep(). Where its buckets are full of flows that live, a new one takes the place of
 * one that is worth less (half open, closing, one-way), and of no other: while there is none,
 * flow_add() fails, and the caller balances by the hash alone. So whoever floods the table with
 * half-open flows drives out others of them, never an established one. A closed flow near home goes
 * even before a free place is looked for far off.
 *
 * Time is in seconds, modulo 2^16, and an argument everywhere. Addresses and ports are as they
 * stand in packets.
 */
#ifndef LB_FLOW_H
#define LB_FLOW_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLOW_SLOTS 3 /* in a bucket */
#define FLOW_SECONDS                                                                               \
	28800 /* the longest that a flow may be idle, 8 h: half of the clock and less */
#define FLOW_NONE UINT32_MAX

/* What a flow is worth, in rising order: TCP's states as both directions show them, and UDP's. */
enum flow_state {
	FLOW_FREE = 0,
	FLOW_CLOSED,	  /* reset, or both ends have finished */
	FLOW_NEW,	  /* a SYN, or datagrams of one direction only */
	FLOW_CLOSING,	  /* one end has finished */
	FLOW_TAKEN,	  /* lives at another instance; no packet of it has come here */
	FLOW_ESTABLISHED, /* both directions have been seen */
	FLOW_STATES
};

/* Whose flow it is: a client's end, and the service with the port it asked for. */
struct flow_key {
	uint32_t addr; /* never 0 */
	uint16_t port;
	uint16_t service_port;
	uint16_t service;
};

struct flow {
	uint32_t addr; /* of the client; wire order */
	uint16_t port;
	uint16_t service_port;
	uint16_t service;
	uint16_t backend;
	uint16_t ends;	     /* the second at which it is over unless a packet comes */
	uint8_t state : 7;   /* enum flow_state */
	uint8_t proxied : 1; /* the balancer's: sequence numbers change, too */
	uint8_t marks;	     /* the balancer's */
	uint16_t nat_port;   /* full NAT: the port of ours that it uses towards its backend */
	uint16_t nat_addr;   /* and which of the pool's addresses */
};
static_assert(sizeof(struct flow) == 20, "three and a word are a line");

struct flow_table;

/*
 * A table for about max flows, which are six tenths of its places: 36 bytes each.
 * secret: 16 random bytes, copied. On a NUMA node (-1: any). NULL: no memory.
 */
struct flow_table *flow_table_new(uint32_t max, const uint64_t secret[2], int node);
/* NULL is allowed. */
void flow_table_free(struct flow_table *t);

/* What the other calls take; good enough in all bits to choose a backend by, too. */
uint32_t flow_hash(const struct flow_table *t, const struct flow_key *key);

/* Asks for the line that flow_find() reads first. */
void flow_prefetch(const struct flow_table *t, uint32_t hash);

/* The flow of a key that is not over at `now`, or NULL; a client with address 0 has none. */
struct flow *flow_find(
	struct flow_table *t, uint32_t hash, const struct flow_key *key, uint16_t now);

/*
 * A place for a flow of which flow_find() has just said NULL: its key is filled in, its state is
 * FLOW_NEW, the rest 0; the caller sets what it is and flow_touch()es it. *gone is what had to go
 * for it, which was over or worth less (state FLOW_FREE: nothing): for the caller's books. NULL:
 * no place, counted.
 */
struct flow *flow_add(struct flow_table *t, uint32_t hash, const struct flow_key *key, uint16_t now,
	struct flow *gone);

/* Lives for so many seconds more, up to FLOW_SECONDS. */
static inline void flow_touch(struct flow *f, uint16_t now, uint16_t seconds)
{
	f->ends = (uint16_t)(now + seconds);
}

/* Ends a flow at once. */
void flow_end(struct flow_table *t, struct flow *f);

/* Whether a flow is to end although its time is not over. */
typedef bool flow_doomed(const struct flow *f, const void *arg);

/*
 * Looks at up to *buckets more of the table, which it counts down, and takes out the first flow
 * that is over or doomed (NULL: none is): true, and *gone is what it was. False: none in these.
 * Goes round; the whole table has to be looked at once in FLOW_SECONDS.
 */
bool flow_sweep(struct flow_table *t, uint16_t now, flow_doomed *doomed, const void *arg,
	uint32_t *buckets, struct flow *gone);
uint32_t flow_buckets(const struct flow_table *t);

/* A flow's place, as a number that stays its own while it lives. */
uint32_t flow_ref(const struct flow_table *t, const struct flow *f);
/* Whether a flow stands there, and its time is not over. */
bool flow_lives(const struct flow *f, uint16_t now);
/* Refs are below this. */
uint32_t flow_refs(const struct flow_table *t);
/* What stands there; its state is FLOW_FREE where nothing does. ref: from flow_ref(). */
struct flow *flow_at(struct flow_table *t, uint32_t ref);

/* What it holds and has done; any thread may read, each by a single load. */
struct flow_count {
	uint64_t flows;	    /* now, those counted that are over and were not taken out yet */
	uint64_t added;	    /* since the start */
	uint64_t displaced; /* went for a new one while they lived */
	uint64_t refused;   /* new ones without a place */
};

const struct flow_count *flow_count(const struct flow_table *t);

#endif
