/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rib4: the routes there are, which of them counts, and the FIB that follows.
 *
 * A prefix holds at most one route of each origin. Best is the lowest preference, then the lowest
 * metric, then the first origin; the best alone is in the FIB, whose one writer is the RIB that
 * owns it. Everything here is control's; workers read rib4_fib().
 *
 * When a change is in the FIB:
 *   a prefix of RIB4_AT_ONCE bits or more: when rib4_add() or rib4_del() returns;
 *   a shorter one: after some calls of rib4_poll(), in turn. Meanwhile a reader may get the answer
 *   from before. rib4_pending() tells.
 * Who takes away what an entry names (adjacency, group, service) deletes its routes, takes
 * rib4_mark(), waits for rib4_reached(), and then for the readers: epoch_defer().
 *
 * Prefixes are in host order and have no bit set beyond their depth (0..32).
 */
#ifndef NET_RIB4_H
#define NET_RIB4_H

#include "net/fib4.h"

#include <stdbool.h>
#include <stdint.h>

struct epoch;
struct rib4;

/* Whose route it is; the first counts where preference and metric are equal. */
enum rib4_origin {
	RIB4_SERVICE,	/* a virtual address, or one of a NAT pool */
	RIB4_CONNECTED, /* follows from an interface's address */
	RIB4_STATIC,	/* the configuration's */
	RIB4_OPERATOR,	/* added by hand */
	RIB4_KERNEL,	/* learnt by netlink */
	RIB4_ORIGINS
};

/* "service", "connected", "static", "operator", "kernel" */
const char *rib4_origin_name(enum rib4_origin origin);

enum rib4_state {
	RIB4_INSTALLED, /* best of its prefix, and in the FIB */
	RIB4_PENDING,	/* best of its prefix, but not yet in all of the FIB */
	RIB4_NO_ROOM,	/* best of its prefix, but tbl8 is full: the next shorter prefix serves */
	RIB4_SHADOWED,	/* another origin's is better */
};

/* A route, as a copy. */
struct rib4_route {
	uint32_t prefix;
	uint8_t depth;
	uint8_t preference;
	enum rib4_origin origin;
	enum rib4_state state;
	uint32_t metric;
	fib_entry entry;
};

#define RIB4_AT_ONCE	12
#define RIB4_ROUTES_MAX ((1u << 24) - 1)

struct rib4_conf {
	uint32_t max_routes; /* prefixes, 1..RIB4_ROUTES_MAX; about 60 bytes each */
	uint32_t max_tbl8;   /* /24s that hold longer prefixes, 1..FIB4_TBL8_MAX; 1 KiB each */
	int node;	     /* NUMA node of the FIB, -1: any */
};

/* An empty RIB and its FIB. NULL: no memory, or a number out of range (logged). */
struct rib4 *rib4_new(const struct rib4_conf *conf, struct epoch *epoch);

/* The readers are gone. Drains the epoch, which must still be there. NULL is allowed. */
void rib4_free(struct rib4 *r);

/* Lives as long as the RIB. */
const struct fib4 *rib4_fib(const struct rib4 *r);

/*
 * Adds a route, in place of its origin's one for this prefix if there is one.
 * 0        held, and in the FIB if it is the best (or pending)
 * -EINVAL  not a prefix, no such origin, or an entry that is "no route" or not fib_entry_make()'s
 * -ENOMEM  max_routes prefixes are held, those counted that are withdrawn but pending
 * -ENOSPC  held as RIB4_NO_ROOM; rib4_poll() tries again once a group is free
 * After -EINVAL and -ENOMEM nothing has changed.
 */
int rib4_add(struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin,
	uint8_t preference, uint32_t metric, fib_entry entry);

/* Withdraws an origin's route. 0, or -ENOENT: there is none. */
int rib4_del(struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin);

/* The origin's route for exactly this prefix; false: there is none. */
bool rib4_get(const struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin,
	struct rib4_route *route);

/* The best route for exactly this prefix; false: there is none. */
bool rib4_best(const struct rib4 *r, uint32_t prefix, unsigned int depth, struct rib4_route *route);

/*
 * The best route of the longest prefix, of max_depth bits at most, that addr is in; whether the FIB
 * has it yet or not. False: there is none. Up to 33 probes of a hash: not for packets.
 */
bool rib4_lookup(
	const struct rib4 *r, uint32_t addr, unsigned int max_depth, struct rib4_route *route);

/*
 * Visits routes, in no order, from a cursor on (0 at first): those in the next `most` places of the
 * table, one or none of which is a prefix, as long as visit() returns true. Returns the cursor of
 * the place behind, 0 at the end. visit() and what happens between the calls may add and withdraw
 * routes: those that stay are visited once.
 */
typedef bool rib4_visit(const struct rib4_route *route, void *arg);
uint32_t rib4_walk(
	const struct rib4 *r, uint32_t cursor, uint32_t most, rib4_visit *visit, void *arg);

/*
 * Brings pending changes into the FIB until the TSC has reached `deadline`, give or take 100
 * microseconds, but does a little in any case. Returns rib4_pending(). Costs nothing if that is 0.
 */
uint32_t rib4_poll(struct rib4 *r, uint64_t deadline);

/* Changes of short prefixes that are not in all of the FIB yet. */
uint32_t rib4_pending(const struct rib4 *r);

/* This point of time, which is reached when all that was changed before it is in the FIB. */
uint64_t rib4_mark(const struct rib4 *r);
bool rib4_reached(const struct rib4 *r, uint64_t mark);

struct rib4_count {
	uint32_t prefixes;
	uint32_t routes[RIB4_ORIGINS];
	uint32_t no_room;  /* prefixes that are RIB4_NO_ROOM now */
	uint64_t refusals; /* how often a prefix found no group, since the start */
};

struct rib4_count rib4_count(const struct rib4 *r);

#endif
