/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table's buckets: linear probing, a cache line at a time.
 *
 * An element's home is the bucket that the top bits of its hash name. It stands there or, where
 * that is full, in the next bucket that is not: from its home to where it stands all buckets are
 * full, so a bucket with an empty slot ends every search. Removing keeps it so: what stands further
 * on than it need moves back into the hole.
 *
 * Twice the buckets need one more top bit. Homes are moved in their order, each with all of its
 * elements wherever they stand: what hashes below `moved` is in the new area, all else in the old
 * one, and both are whole tables at any time. A search therefore looks into one of them only, also
 * while the table grows.
 *
 * Memory comes zeroed and is backed as it is touched, which moving does in order: the longest that
 * one addition waits for is the kernel zeroing one page (0.1 ms where pages are of 2 MiB). Emptied
 * areas go back 2 MiB at a time.
 */
#include "tcp/table.h"

#include "base/hash.h"
#include "base/numa.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define SLOTS	    8
#define FULL_ENOUGH 6  /* elements a bucket, before there are twice as many */
#define FIRST_SHIFT 26 /* 64 buckets: a page */
#define LAST_SHIFT  2  /* 64 GiB */
#define AT_ADD	    2  /* homes moved; all are before the old area has 6.5 a bucket */
#define AT_SWEEP    16 /* homes moved */
#define PIECE	    ((size_t)2 << 20)
#define ALL_HASHES  ((uint64_t)1 << 32)

struct bucket {
	alignas(64) uint32_t hash[SLOTS];
	uint32_t stored[SLOTS]; /* ~index; 0 is an empty slot, as in memory that nobody touched */
};
static_assert(sizeof(struct bucket) == 64, "one line a probe");

struct area {
	struct bucket *buckets; /* NULL: none */
	uint32_t shift;		/* from a hash to its home */
};

/* Elements from index `from` on. */
struct range {
	const char *at;
	uint32_t from;
	uint32_t stride;
};

struct tcp_table {
	alignas(64) uint64_t moved; /* hashes below are in area 0, others in area 1 */
	struct area area[2];
	uint64_t secret[2];
	alignas(64) struct range range[2];
	uint32_t split;

	uint32_t count;
	uint32_t max;
	int node;
	size_t dropped; /* bytes of area 1 that went back */
};

/* --- one bucket: sets of slots as bits --- */

#ifdef __AVX2__

static inline uint32_t slots_with(const uint32_t words[SLOTS], uint32_t wanted)
{
	__m256i eight = _mm256_load_si256((const __m256i *)words);
	__m256i same = _mm256_cmpeq_epi32(eight, _mm256_set1_epi32((int)wanted));

	return (uint32_t)_mm256_movemask_ps(_mm256_castsi256_ps(same));
}

#else

static inline uint32_t slots_with(const uint32_t words[SLOTS], uint32_t wanted)
{
	uint32_t slots = 0;

	for (uint32_t i = 0; i < SLOTS; i++)
		slots |= (uint32_t)(words[i] == wanted) << i;
	return slots;
}

#endif

static inline uint32_t slots_empty(const struct bucket *b)
{
	return slots_with(b->stored, 0);
}

static inline uint32_t first_of(uint32_t slots)
{
	return (uint32_t)__builtin_ctz(slots);
}

/* --- one area --- */

static inline uint32_t last_of(const struct area *a)
{
	return UINT32_MAX >> a->shift;
}

static inline size_t bytes_of(const struct area *a)
{
	return a->buckets == NULL ? 0 : ((size_t)last_of(a) + 1) * sizeof(struct bucket);
}

static void put(struct area *a, uint32_t hash, uint32_t stored)
{
	uint32_t at = hash >> a->shift, empty;

	while ((empty = slots_empty(&a->buckets[at])) == 0)
		at = (at + 1) & last_of(a);
	a->buckets[at].hash[first_of(empty)] = hash;
	a->buckets[at].stored[first_of(empty)] = stored;
}

/* A slot of a bucket whose element may stand `nearer` buckets nearer to its home, or SLOTS. */
static uint32_t slot_to_move(const struct area *a, uint32_t at, uint32_t nearer)
{
	const struct bucket *b = &a->buckets[at];

	for (uint32_t i = 0; i < SLOTS; i++)
		if (b->stored[i] != 0 && ((at - (b->hash[i] >> a->shift)) & last_of(a)) >= nearer)
			return i;
	return SLOTS;
}

/* Empties a slot, and lets no search end before what stands behind it. */
static void clear(struct area *a, uint32_t at, uint32_t slot)
{
	bool full = slots_empty(&a->buckets[at]) == 0;
	uint32_t from = at;

	while (full) { /* a bucket that was not full ends what may have to move */
		uint32_t found;

		from = (from + 1) & last_of(a);
		full = slots_empty(&a->buckets[from]) == 0;
		found = slot_to_move(a, from, (from - at) & last_of(a));
		if (found == SLOTS)
			continue;
		a->buckets[at].hash[slot] = a->buckets[from].hash[found];
		a->buckets[at].stored[slot] = a->buckets[from].stored[found];
		at = from;
		slot = found;
	}
	a->buckets[at].stored[slot] = 0;
}

/* --- growing --- */

/* All elements whose home in area 1 is `home` go to area 0. */
static void move_home(struct tcp_table *t, uint32_t home)
{
	struct area *old = &t->area[1];
	uint32_t at = home;
	bool full;

	do {
		struct bucket *b = &old->buckets[at];

		full = slots_empty(b) == 0;
		for (uint32_t i = 0; i < SLOTS; i++) {
			/* what moves back into the slot may be of this home, too */
			while (b->stored[i] != 0 && b->hash[i] >> old->shift == home) {
				put(&t->area[0], b->hash[i], b->stored[i]);
				clear(old, at, i);
			}
		}
		at = (at + 1) & last_of(old);
	} while (full);
}

static void drop_piece(struct tcp_table *t)
{
	struct area *old = &t->area[1];
	size_t left = bytes_of(old) - t->dropped, size = left < PIECE ? left : PIECE;

	numa_drop((char *)old->buckets + t->dropped, size);
	t->dropped += size;
	if (size == left) {
		old->buckets = NULL;
		t->dropped = 0;
	}
}

static void go_on(struct tcp_table *t, uint32_t homes)
{
	if (t->area[1].buckets == NULL)
		return;
	if (t->moved == ALL_HASHES) {
		drop_piece(t);
		return;
	}
	for (; homes > 0 && t->moved < ALL_HASHES; homes--) {
		move_home(t, (uint32_t)(t->moved >> t->area[1].shift));
		t->moved += (uint64_t)1 << t->area[1].shift;
	}
}

static bool take(struct tcp_table *t, struct area *a, uint32_t shift)
{
	size_t size = ((size_t)(UINT32_MAX >> shift) + 1) * sizeof(struct bucket);

	a->shift = shift;
	a->buckets = numa_take(size, t->node);
	return a->buckets != NULL;
}

/* Whether one more fits; begins to grow where it does not. */
static bool has_room(struct tcp_table *t)
{
	struct area next;

	if (t->count >= t->max)
		return false;
	if (t->moved < ALL_HASHES || t->count / FULL_ENOUGH <= last_of(&t->area[0]))
		return true;
	while (t->area[1].buckets != NULL)
		drop_piece(t);
	if (t->area[0].shift == LAST_SHIFT || !take(t, &next, t->area[0].shift - 1))
		return false;
	t->area[1] = t->area[0];
	t->area[0] = next;
	t->moved = 0;
	return true;
}

/* --- */

struct tcp_table *tcp_table_new(
	const struct tcp_table_elements *elements, uint32_t max, const uint64_t secret[2], int node)
{
	struct tcp_table *t = numa_take(sizeof(*t), node);

	if (t == NULL)
		return NULL;
	t->node = node;
	t->max = max;
	t->secret[0] = secret[0];
	t->secret[1] = secret[1];
	t->split = elements->split;
	t->range[0] = (struct range){elements->first, 0, elements->first_stride};
	t->range[1] = (struct range){elements->second, elements->split, elements->second_stride};
	t->moved = ALL_HASHES;
	if (!take(t, &t->area[0], FIRST_SHIFT)) {
		tcp_table_free(t);
		return NULL;
	}
	return t;
}

void tcp_table_free(struct tcp_table *t)
{
	if (t == NULL)
		return;
	while (t->area[1].buckets != NULL)
		drop_piece(t);
	numa_drop(t->area[0].buckets, bytes_of(&t->area[0]));
	numa_drop(t, sizeof(*t));
}

static inline uint32_t hash_of(const struct tcp_table *t, const struct tcp_key *key)
{
	uint64_t addresses = (uint64_t)key->remote << 32 | key->local;
	uint64_t ports = (uint64_t)key->remote_port << 16 | key->local_port;

	return hash_secret(t->secret, addresses, ports);
}

uint32_t tcp_table_hash(const struct tcp_table *t, const struct tcp_key *key)
{
	return hash_of(t, key);
}

static inline const struct area *area_of(const struct tcp_table *t, uint32_t hash)
{
	return &t->area[hash >= t->moved];
}

static inline const struct tcp_key *key_of(const struct tcp_table *t, uint32_t index)
{
	const struct range *r = &t->range[index >= t->split];

	return (const void *)(r->at + (size_t)(index - r->from) * r->stride);
}

int tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t index)
{
	go_on(t, AT_ADD);
	if (!has_room(t))
		return -ENOMEM;
	put(&t->area[hash >= t->moved], hash, ~index);
	t->count++;
	return 0;
}

void tcp_table_remove(struct tcp_table *t, uint32_t hash, uint32_t index)
{
	struct area *a = &t->area[hash >= t->moved];
	uint32_t at = hash >> a->shift, slots;

	/* an index stands in the table once: its hash need not be compared */
	while ((slots = slots_with(a->buckets[at].stored, ~index)) == 0)
		at = (at + 1) & last_of(a);
	clear(a, at, first_of(slots));
	t->count--;
}

uint32_t tcp_table_find(const struct tcp_table *t, uint32_t hash, const struct tcp_key *key)
{
	const struct area *a = area_of(t, hash);

	for (uint32_t at = hash >> a->shift;; at = (at + 1) & last_of(a)) {
		const struct bucket *b = &a->buckets[at];
		uint32_t empty = slots_empty(b), slots = slots_with(b->hash, hash) & ~empty;

		for (; slots != 0; slots &= slots - 1) {
			uint32_t index = ~b->stored[first_of(slots)];

			if (tcp_key_equal(key_of(t, index), key))
				return index;
		}
		if (empty != 0)
			return TCP_TABLE_NONE;
	}
}

static_assert(TCP_BURST <= 64, "a bit each");

void tcp_table_find_burst(const struct tcp_table *t, const struct tcp_key *const *keys, uint32_t n,
	uint32_t *hashes, uint32_t *indexes)
{
	const struct bucket *buckets[TCP_BURST];
	uint64_t again = 0; /* neither found nor missing after one bucket and one element */

	for (uint32_t i = 0; i < n; i++) {
		uint32_t hash = hash_of(t, keys[i]);
		const struct area *a = area_of(t, hash);

		hashes[i] = hash;
		buckets[i] = &a->buckets[hash >> a->shift];
		__builtin_prefetch(buckets[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *b = buckets[i];
		uint32_t empty = slots_empty(b), slots = slots_with(b->hash, hashes[i]) & ~empty;

		indexes[i] = TCP_TABLE_NONE;
		if (slots != 0) {
			indexes[i] = ~b->stored[first_of(slots)];
			__builtin_prefetch(key_of(t, indexes[i]));
		} else if (empty == 0) {
			again |= (uint64_t)1 << i;
		}
	}
	for (uint32_t i = 0; i < n; i++)
		if (indexes[i] != TCP_TABLE_NONE && !tcp_key_equal(key_of(t, indexes[i]), keys[i]))
			again |= (uint64_t)1 << i;
	for (; again != 0; again &= again - 1) {
		uint32_t i = (uint32_t)__builtin_ctzll(again);

		indexes[i] = tcp_table_find(t, hashes[i], keys[i]);
	}
}

void tcp_table_sweep(struct tcp_table *t)
{
	go_on(t, AT_SWEEP);
}

uint32_t tcp_table_count(const struct tcp_table *t)
{
	return t->count;
}

size_t tcp_table_memory(const struct tcp_table *t)
{
	return bytes_of(&t->area[0]) + bytes_of(&t->area[1]) - t->dropped;
}
