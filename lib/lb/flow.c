/* SPDX-License-Identifier: BSD-3-Clause */
/* The flows' places: taken, given up, swept; bucket.h has how they are found. */
#include "bucket.h"

#include "base/numa.h"

#define REACH 8 /* buckets in which a flow may stand; at a fill of 0.6, 3 in 10,000 find none */

static size_t bytes_of(const struct flow_table *t)
{
	return flow_buckets(t) * sizeof(*t->bucket);
}

struct flow_table *flow_table_new(uint32_t max, const uint64_t secret[2], int node)
{
	struct flow_table *t = numa_take(sizeof(*t), node);

	if (t == NULL)
		return NULL;
	memcpy(t->secret, secret, sizeof(t->secret));
	t->n = (uint32_t)((uint64_t)max * 5 / 3 / FLOW_SLOTS) + 1;
	t->bucket = numa_take(bytes_of(t), node);
	if (t->bucket == NULL) {
		flow_table_free(t);
		return NULL;
	}
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (t == NULL)
		return;
	if (t->bucket != NULL)
		numa_drop(t->bucket, bytes_of(t));
	numa_drop(t, sizeof(*t));
}

uint32_t flow_hash(const struct flow_table *t, const struct flow_key *key)
{
	return bucket_hash(t, key);
}

void flow_prefetch(const struct flow_table *t, uint32_t hash)
{
	__builtin_prefetch(bucket_home(t, hash), 1);
}

struct flow *bucket_find_away(struct bucket *home, const struct flow_key *key)
{
	struct flow *f = NULL;

	for (uint32_t i = 1; f == NULL && i <= home->far; i++)
		f = bucket_find(home + i, key);
	return f;
}

struct flow *flow_find(
	struct flow_table *t, uint32_t hash, const struct flow_key *key, uint16_t now)
{
	return key->addr == 0 ? NULL : bucket_look_up(bucket_home(t, hash), key, now);
}

static uint32_t index_of(const struct flow_table *t, const struct flow *f)
{
	return (uint32_t)(((uintptr_t)f - (uintptr_t)t->bucket) / sizeof(struct bucket));
}

void flow_end(struct flow_table *t, struct flow *f)
{
	struct flow_key key;
	struct bucket *home;

	memcpy(&key, f, offsetof(struct flow, backend));
	home = bucket_home(t, flow_hash(t, &key));
	if (home != &t->bucket[index_of(t, f)] && --home->away == 0)
		home->far = 0;
	memset(f, 0, sizeof(*f));
	t->count.flows--;
}

/* How dear a place is to a new flow: 0 costs nothing, PRICELESS is not to be had. */
enum { EMPTY, OVER, CLOSED, HALF_OPEN, CLOSING, PRICELESS };

/* Among equally dear ones that which ends first is cheaper. No branch: there is no telling. */
#define COST(price) ((uint32_t)(price) << 16)

static inline uint32_t cost(const struct flow *f, uint16_t now)
{
	static const uint8_t prices[FLOW_STATES] = {[FLOW_FREE] = EMPTY,
		[FLOW_CLOSED] = CLOSED,
		[FLOW_NEW] = HALF_OPEN,
		[FLOW_CLOSING] = CLOSING,
		[FLOW_TAKEN] = PRICELESS,
		[FLOW_ESTABLISHED] = PRICELESS};
	uint32_t price = prices[f->state];
	uint32_t left = (uint16_t)(f->ends - now);

	price = (flow_is_over(f, now) & (price != EMPTY)) ? OVER : price;
	return COST(price) | (price > OVER ? left : 0);
}

/*
 * The cheapest place within reach of home, the nearest of those that cost nothing; or NULL. A
 * closed flow's is good enough beyond the first bucket: where flows end as fast as they come all
 * are full of them, and each bucket is a line to wait for.
 */
static struct flow *place_for(struct bucket *home, uint16_t now)
{
	struct flow *best = NULL;
	uint32_t least = COST(PRICELESS);

	for (uint32_t i = 0; i < REACH; i++) {
		for (uint32_t j = 0; j < FLOW_SLOTS; j++) {
			uint32_t c = cost(&home[i].flow[j], now);

			best = c < least ? &home[i].flow[j] : best;
			least = c < least ? c : least;
		}
		if (least < COST(i == 0 ? CLOSED : HALF_OPEN))
			break;
	}
	return best;
}

struct flow *flow_add(struct flow_table *t, uint32_t hash, const struct flow_key *key, uint16_t now,
	struct flow *gone)
{
	struct bucket *home = bucket_home(t, hash);
	bool may = key->addr != 0;
	struct flow *f = may ? bucket_search(home, key) : NULL; /* one that is over */
	uint32_t off;

	*gone = (struct flow){.state = FLOW_FREE};
	if (f == NULL && may)
		f = place_for(home, now);
	if (f == NULL) {
		t->count.refused++;
		return NULL;
	}
	if (f->state != FLOW_FREE) {
		*gone = *f;
		t->count.displaced += !flow_is_over(f, now);
		flow_end(t, f);
	}
	memcpy(f, key, offsetof(struct flow, backend));
	f->state = FLOW_NEW;
	f->ends = now;
	off = index_of(t, f) - (uint32_t)(home - t->bucket);
	if (off > 0) {
		home->away++;
		home->far = off > home->far ? (uint16_t)off : home->far;
	}
	t->count.flows++;
	t->count.added++;
	return f;
}

bool flow_sweep(struct flow_table *t, uint16_t now, flow_doomed *doomed, const void *arg,
	uint32_t *buckets, struct flow *gone)
{
	while (*buckets > 0) {
		struct bucket *b = &t->bucket[t->swept];

		for (uint32_t i = 0; i < FLOW_SLOTS; i++) {
			struct flow *f = &b->flow[i];

			if (f->state == FLOW_FREE ||
				(!flow_is_over(f, now) && (doomed == NULL || !doomed(f, arg))))
				continue;
			*gone = *f;
			flow_end(t, f);
			return true;
		}
		t->swept = t->swept + 1 == flow_buckets(t) ? 0 : t->swept + 1;
		--*buckets;
	}
	return false;
}

uint32_t flow_buckets(const struct flow_table *t)
{
	return t->n + REACH - 1;
}

uint32_t flow_ref(const struct flow_table *t, const struct flow *f)
{
	uint32_t at = index_of(t, f);

	return at * FLOW_SLOTS + (uint32_t)(f - t->bucket[at].flow);
}

bool flow_lives(const struct flow *f, uint16_t now)
{
	return f->state != FLOW_FREE && !flow_is_over(f, now);
}

uint32_t flow_refs(const struct flow_table *t)
{
	return flow_buckets(t) * FLOW_SLOTS;
}

struct flow *flow_at(struct flow_table *t, uint32_t ref)
{
	return &t->bucket[ref / FLOW_SLOTS].flow[ref % FLOW_SLOTS];
}

const struct flow_count *flow_count(const struct flow_table *t)
{
	return &t->count;
}
