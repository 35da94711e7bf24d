/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Owns the routes, by prefix, and the order in which the FIB follows them.
 *
 * What the FIB stores for an address a is the entry of one route and the depth s of its prefix, or
 * nothing. A change of the best route of p/d makes p/d "due" for the addresses under it. A step
 * takes p/d and some addresses for which it is due, looks at the RIB as it is now, and
 *   - if p/d has a route, writes it (with depth d) over what is stored with s <= d;
 *   - else writes the longest shorter prefix's route (its entry and depth; or nothing) over what is
 *     stored with s == d.
 * After it, p/d is not due for these addresses any more.
 *
 * Whatever changes between steps, and in whatever order prefixes are taken, for each address a:
 *   (1) what is stored for a is the best route of a/s now, or a/s is due for a;
 *   (2) every prefix of a longer than s that has a route is due for a.
 * A change of p/d keeps both, since it makes p/d due. A step of the first kind stores for a what
 * the RIB has now (1); the prefixes longer than d are longer than the s before as well (2). A step
 * of the second kind does so too, and between its parent's depth and d no prefix of a has a route.
 * Where a step stores nothing: with a route, s > d, and (1) and (2) do not speak of p/d; without
 * one, s != d, and they do not either. When nothing is due, s is the longest match by (2) and what
 * is stored is its route by (1): the FIB is right.
 *
 * So a step may be put off, and none needs to wait for another. Prefixes of RIB4_AT_ONCE bits or
 * more are done in one step as they change; shorter ones stand in a queue, at most once each beside
 * the one under way, and are done in steps of CHUNK addresses. A record whose routes are gone stays
 * until it is not due. A prefix longer than 24 bits that finds no tbl8 group stays due (starved).
 */
#include "net/rib4.h"

#include "base/log.h"
#include "base/numa.h"

#include <errno.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CHUNK	   UINT32_C(0x10000) /* addresses: 256 entries of tbl24, or as many groups */
#define TAG_SHIFT  24
#define TAG_MASK   (UINT32_C(0xff) << TAG_SHIFT)
#define MAX_DEPTH  32
#define SWEEP_STEP 256

enum due {
	SETTLED,
	QUEUED,
	UNDER_WAY, /* the job's; becomes QUEUED if it changes meanwhile */
	STARVED,
};

/* A prefix. By origin: its routes. */
struct record {
	uint32_t prefix;
	uint8_t depth;
	uint8_t present; /* bit per origin */
	uint8_t best;	 /* of those present */
	uint8_t due;	 /* enum due */
	uint32_t next;	 /* in the queue, or of the free ones */
	uint8_t preference[RIB4_ORIGINS];
	uint32_t metric[RIB4_ORIGINS];
	fib_entry entry[RIB4_ORIGINS];
};

struct rib4 {
	struct fib4 *fib;

	/* Record 0 is nobody's: 0 means none. */
	struct record *records;
	uint32_t max;
	uint32_t used; /* records that were ever in use */
	uint32_t free;

	/*
	 * Open addressing, at most half full: a record's number, below a tag of its hash, which
	 * saves looking at records of other prefixes.
	 */
	uint32_t *index;
	uint32_t index_mask;
	uint64_t seed; /* odd, secret: whoever announces routes cannot choose collisions */

	uint64_t depths; /* bit per depth that some prefix with a route has */
	uint32_t of_depth[MAX_DEPTH + 1];

	/* The queue of short prefixes; the job is its former head. */
	uint32_t head;
	uint32_t tail;
	uint32_t job;
	uint32_t cursor; /* first address that the job has not done */
	uint64_t queued; /* ever */
	uint64_t done;	 /* of these */

	uint32_t sweep; /* where to look for starved records next */
	struct rib4_count count;
};

const char *rib4_origin_name(enum rib4_origin origin)
{
	static const char *const names[] = {
		[RIB4_SERVICE] = "service",
		[RIB4_CONNECTED] = "connected",
		[RIB4_STATIC] = "static",
		[RIB4_OPERATOR] = "operator",
		[RIB4_KERNEL] = "kernel",
	};

	return names[origin];
}

static inline uint32_t mask_of(unsigned int depth)
{
	return depth == 0 ? 0 : UINT32_MAX << (32 - depth);
}

static uint64_t hash_of(const struct rib4 *r, uint32_t prefix, unsigned int depth)
{
	uint64_t h = ((uint64_t)depth << 32 | prefix) * r->seed;

	return (h ^ h >> 32) * UINT64_C(0x9e3779b97f4a7c15);
}

static inline uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)hash & TAG_MASK;
}

/* Where in the index the prefix is, or the empty place where it would go. */
static uint32_t place_of(const struct rib4 *r, uint32_t prefix, unsigned int depth, uint64_t hash)
{
	uint32_t at = hash >> 32 & r->index_mask;

	for (; r->index[at] != 0; at = (at + 1) & r->index_mask) {
		const struct record *p = &r->records[r->index[at] & ~TAG_MASK];

		if ((r->index[at] & TAG_MASK) == tag_of(hash) && p->prefix == prefix &&
			p->depth == depth)
			break;
	}
	return at;
}

static struct record *find(const struct rib4 *r, uint32_t prefix, unsigned int depth)
{
	uint32_t at = place_of(r, prefix, depth, hash_of(r, prefix, depth));

	return r->index[at] == 0 ? NULL : &r->records[r->index[at] & ~TAG_MASK];
}

/* An existing record, or a new one without routes; NULL: no room. */
static struct record *find_or_make(struct rib4 *r, uint32_t prefix, unsigned int depth)
{
	uint64_t hash = hash_of(r, prefix, depth);
	uint32_t at = place_of(r, prefix, depth, hash);
	uint32_t number = r->free;
	struct record *p;

	if (r->index[at] != 0)
		return &r->records[r->index[at] & ~TAG_MASK];
	if (number != 0)
		r->free = r->records[number].next;
	else if (r->used < r->max)
		number = ++r->used;
	else
		return NULL;
	p = &r->records[number];
	*p = (struct record){.prefix = prefix, .depth = (uint8_t)depth, .due = SETTLED};
	r->index[at] = tag_of(hash) | number;
	return p;
}

/* Takes the record out of the index; those behind it that it had displaced move up. */
static void unmake(struct rib4 *r, struct record *p)
{
	uint32_t hole = place_of(r, p->prefix, p->depth, hash_of(r, p->prefix, p->depth));
	uint32_t at = hole;

	for (;;) {
		const struct record *q;
		uint32_t home;

		at = (at + 1) & r->index_mask;
		if (r->index[at] == 0)
			break;
		q = &r->records[r->index[at] & ~TAG_MASK];
		home = hash_of(r, q->prefix, q->depth) >> 32 & r->index_mask;
		if (((at - home) & r->index_mask) >= ((at - hole) & r->index_mask)) {
			r->index[hole] = r->index[at];
			hole = at;
		}
	}
	r->index[hole] = 0;
	p->next = r->free;
	r->free = (uint32_t)(p - r->records);
}

/* 0: no route */
static fib_entry best_entry(const struct record *p)
{
	return p->present == 0 ? 0 : p->entry[p->best];
}

/* The longest prefix with a route that holds addr and has one of the depths (a bit each). */
static const struct record *longest(const struct rib4 *r, uint32_t addr, uint64_t depths)
{
	for (depths &= r->depths; depths != 0;) {
		unsigned int depth = 63 - (unsigned int)__builtin_clzll(depths);
		const struct record *p = find(r, addr & mask_of(depth), depth);

		if (p != NULL && p->present != 0)
			return p;
		depths ^= UINT64_C(1) << depth;
	}
	return NULL;
}

/* One step, as described above, for p and the addresses of [first, last]. */
static int step(struct rib4 *r, const struct record *p, uint32_t first, uint32_t last)
{
	unsigned int depth = p->depth;
	const struct record *parent;
	fib_entry stored = 0;

	if (p->present != 0)
		return fib4_replace(
			r->fib, first, last, 0, depth, fib4_stored(best_entry(p), depth));
	parent = longest(r, p->prefix, (UINT64_C(1) << depth) - 1);
	if (parent != NULL)
		stored = fib4_stored(best_entry(parent), parent->depth);
	return fib4_replace(r->fib, first, last, depth, depth, stored);
}

static void set_due(struct rib4 *r, struct record *p, enum due due)
{
	r->count.no_room -= p->due == STARVED;
	r->count.no_room += due == STARVED;
	p->due = (uint8_t)due;
	if (due == SETTLED && p->present == 0)
		unmake(r, p);
}

/* All of p's range in one step: for depths of RIB4_AT_ONCE or more. */
static int settle(struct rib4 *r, struct record *p)
{
	int error = step(r, p, p->prefix, p->prefix | ~mask_of(p->depth));

	if (error != 0)
		r->count.refusals++;
	set_due(r, p, error == 0 ? SETTLED : STARVED);
	return error;
}

static void enqueue(struct rib4 *r, struct record *p)
{
	uint32_t number = (uint32_t)(p - r->records);

	if (p->due == QUEUED)
		return;
	set_due(r, p, QUEUED);
	p->next = 0;
	if (r->head == 0)
		r->head = number;
	else
		r->records[r->tail].next = number;
	r->tail = number;
	r->queued++;
}

/* Another chunk of the job; or the next job begins. */
static void advance(struct rib4 *r)
{
	struct record *p;
	uint32_t last, end;

	if (r->job == 0) {
		r->job = r->head;
		r->head = r->records[r->job].next;
		r->cursor = r->records[r->job].prefix;
		set_due(r, &r->records[r->job], UNDER_WAY);
	}
	p = &r->records[r->job];
	last = p->prefix | ~mask_of(p->depth);
	end = r->cursor | (CHUNK - 1);
	step(r, p, r->cursor, end);
	r->cursor = end + 1;
	if (end != last)
		return;
	r->job = 0;
	r->done++;
	if (p->due == UNDER_WAY)
		set_due(r, p, SETTLED);
}

/* Some group is free again: tries starved records, a few at a time. */
static void feed(struct rib4 *r)
{
	for (uint32_t n = 0; n < SWEEP_STEP && fib4_tbl8_free(r->fib) > 0; n++) {
		struct record *p;

		r->sweep = r->sweep < r->used ? r->sweep + 1 : 1;
		p = &r->records[r->sweep];
		if (p->due == STARVED)
			settle(r, p);
	}
}

uint32_t rib4_poll(struct rib4 *r, uint64_t deadline)
{
	do {
		if (r->job != 0 || r->head != 0)
			advance(r);
		else if (r->count.no_room > 0 && fib4_tbl8_free(r->fib) > 0)
			feed(r);
		else
			break;
	} while (rte_rdtsc() < deadline);
	return rib4_pending(r);
}

uint32_t rib4_pending(const struct rib4 *r)
{
	return (uint32_t)(r->queued - r->done);
}

uint64_t rib4_mark(const struct rib4 *r)
{
	return r->queued;
}

bool rib4_reached(const struct rib4 *r, uint64_t mark)
{
	return r->done >= mark;
}

static bool better(const struct record *p, unsigned int a, unsigned int b)
{
	if (p->preference[a] != p->preference[b])
		return p->preference[a] < p->preference[b];
	if (p->metric[a] != p->metric[b])
		return p->metric[a] < p->metric[b];
	return a < b;
}

static void elect(struct record *p)
{
	p->best = (uint8_t)__builtin_ctz(p->present);
	for (uint8_t o = 0; o < RIB4_ORIGINS; o++)
		if ((p->present & 1u << o) != 0 && better(p, o, p->best))
			p->best = o;
}

/* A prefix got its first route, or lost its last. */
static void count_prefix(struct rib4 *r, unsigned int depth, bool more)
{
	uint32_t *n = &r->of_depth[depth];

	*n += more ? 1 : -1;
	r->count.prefixes += more ? 1 : -1;
	r->depths &= ~(UINT64_C(1) << depth);
	r->depths |= (uint64_t)(*n > 0) << depth;
}

/* p has other routes than before, when `was` was its best entry (0: none). */
static int changed(struct rib4 *r, struct record *p, fib_entry was)
{
	fib_entry is;

	if (p->present != 0)
		elect(p);
	is = best_entry(p);
	if ((was == 0) != (is == 0))
		count_prefix(r, p->depth, is != 0);
	if (is == was)
		return p->due == STARVED ? -ENOSPC : 0;
	if (p->depth >= RIB4_AT_ONCE)
		return settle(r, p);
	enqueue(r, p);
	return 0;
}

static bool is_prefix(uint32_t prefix, unsigned int depth)
{
	return depth <= MAX_DEPTH && (prefix & ~mask_of(depth)) == 0;
}

static bool is_entry(fib_entry entry)
{
	enum fib_kind kind = fib_entry_kind(entry);

	return kind != FIB_NONE && kind < FIB_KINDS && (entry & ~FIB_VISIBLE) == 0;
}

int rib4_add(struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin,
	uint8_t preference, uint32_t metric, fib_entry entry)
{
	struct record *p;
	fib_entry was;

	if (!is_prefix(prefix, depth) || origin >= RIB4_ORIGINS || !is_entry(entry))
		return -EINVAL;
	p = find_or_make(r, prefix, depth);
	if (p == NULL)
		return -ENOMEM;
	was = best_entry(p);
	r->count.routes[origin] += (p->present & 1u << origin) == 0;
	p->present |= (uint8_t)(1u << origin);
	p->preference[origin] = preference;
	p->metric[origin] = metric;
	p->entry[origin] = entry;
	return changed(r, p, was);
}

static struct record *find_route(
	const struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin)
{
	struct record *p;

	if (!is_prefix(prefix, depth) || origin >= RIB4_ORIGINS)
		return NULL;
	p = find(r, prefix, depth);
	return p != NULL && (p->present & 1u << origin) != 0 ? p : NULL;
}

int rib4_del(struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin)
{
	struct record *p = find_route(r, prefix, depth, origin);
	fib_entry was;

	if (p == NULL)
		return -ENOENT;
	was = best_entry(p);
	r->count.routes[origin]--;
	p->present &= (uint8_t) ~(1u << origin);
	changed(r, p, was);
	return 0;
}

static void copy_route(const struct record *p, enum rib4_origin o, struct rib4_route *route)
{
	static const enum rib4_state states[] = {
		[SETTLED] = RIB4_INSTALLED,
		[QUEUED] = RIB4_PENDING,
		[UNDER_WAY] = RIB4_PENDING,
		[STARVED] = RIB4_NO_ROOM,
	};

	*route = (struct rib4_route){
		.prefix = p->prefix,
		.depth = p->depth,
		.preference = p->preference[o],
		.origin = o,
		.state = o == p->best ? states[p->due] : RIB4_SHADOWED,
		.metric = p->metric[o],
		.entry = p->entry[o],
	};
}

bool rib4_get(const struct rib4 *r, uint32_t prefix, unsigned int depth, enum rib4_origin origin,
	struct rib4_route *route)
{
	const struct record *p = find_route(r, prefix, depth, origin);

	if (p != NULL)
		copy_route(p, origin, route);
	return p != NULL;
}

bool rib4_best(const struct rib4 *r, uint32_t prefix, unsigned int depth, struct rib4_route *route)
{
	const struct record *p = is_prefix(prefix, depth) ? find(r, prefix, depth) : NULL;

	if (p == NULL || p->present == 0)
		return false;
	copy_route(p, p->best, route);
	return true;
}

bool rib4_lookup(
	const struct rib4 *r, uint32_t addr, unsigned int max_depth, struct rib4_route *route)
{
	const struct record *p = longest(r, addr, (UINT64_C(2) << max_depth) - 1);

	if (p != NULL)
		copy_route(p, p->best, route);
	return p != NULL;
}

uint32_t rib4_walk(
	const struct rib4 *r, uint32_t cursor, uint32_t most, rib4_visit *visit, void *arg)
{
	struct rib4_route route;

	for (; cursor < r->used && most > 0; most--) {
		const struct record *p = &r->records[++cursor];

		for (unsigned int o = 0; o < RIB4_ORIGINS; o++) {
			if ((p->present & 1u << o) == 0)
				continue;
			copy_route(p, o, &route);
			if (!visit(&route, arg))
				return cursor < r->used ? cursor : 0;
		}
	}
	return cursor < r->used ? cursor : 0;
}

struct rib4_count rib4_count(const struct rib4 *r)
{
	return r->count;
}

const struct fib4 *rib4_fib(const struct rib4 *r)
{
	return r->fib;
}

static size_t records_size(const struct rib4 *r)
{
	return ((size_t)r->max + 1) * sizeof(struct record);
}

static size_t index_size(const struct rib4 *r)
{
	return ((size_t)r->index_mask + 1) * sizeof(uint32_t);
}

/* Of the least power of two that is no less than twice max_routes, and 4. */
static uint32_t index_mask(uint32_t max_routes)
{
	return UINT32_MAX >> (__builtin_clz((max_routes - 1) | 1) - 1);
}

struct rib4 *rib4_new(const struct rib4_conf *conf, struct epoch *epoch)
{
	struct rib4 *r;

	if (conf->max_routes == 0 || conf->max_routes > RIB4_ROUTES_MAX || conf->max_tbl8 == 0 ||
		conf->max_tbl8 > FIB4_TBL8_MAX) {
		log_error("routes: %u prefixes and %u tbl8 groups: allowed are 1 to %u and 1 to %u",
			conf->max_routes, conf->max_tbl8, RIB4_ROUTES_MAX, FIB4_TBL8_MAX);
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->max = conf->max_routes;
	r->index_mask = index_mask(conf->max_routes);
	if (getrandom(&r->seed, sizeof(r->seed), 0) < 0)
		r->seed = rte_rdtsc();
	r->seed |= 1;
	r->records = numa_take(records_size(r), -1);
	r->index = numa_take(index_size(r), -1);
	r->fib = fib4_new(conf->max_tbl8, conf->node, epoch);
	if (r->records == NULL || r->index == NULL || r->fib == NULL) {
		log_error("routes: no memory for %u prefixes and %u tbl8 groups", conf->max_routes,
			conf->max_tbl8);
		rib4_free(r);
		return NULL;
	}
	return r;
}

void rib4_free(struct rib4 *r)
{
	if (r == NULL)
		return;
	fib4_free(r->fib);
	numa_drop(r->index, index_size(r));
	numa_drop(r->records, records_size(r));
	free(r);
}
