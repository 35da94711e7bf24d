/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bucket: the flows' buckets, and the look-up that stages have inline (flow.c has the rest).
 *
 * A flow's home is the bucket that its hash names; it stands there or in one of the next. The home
 * counts those of its own that stand elsewhere and knows how far off they may be, so that a look-up
 * goes no further than it may find something.
 */
#ifndef LB_BUCKET_H
#define LB_BUCKET_H

#include "base/hash.h"
#include "lb/flow.h"

#include <string.h>

struct bucket {
	alignas(64) struct flow flow[FLOW_SLOTS];
	uint16_t away; /* flows whose home this is, and that stand elsewhere */
	uint16_t far;  /* none of them by more buckets */
};
static_assert(sizeof(struct bucket) == 64, "one line a probe");
static_assert(offsetof(struct flow, backend) == 10, "a flow begins with its key");
static_assert(offsetof(struct flow_key, service) == 8, "a key is a word and a half");

struct flow_table {
	struct bucket *bucket;
	uint32_t n; /* buckets that are homes; some more follow, in which their flows may stand */
	uint64_t secret[2];
	uint32_t swept; /* the bucket that flow_sweep() looks at next */
	alignas(64) struct flow_count count;
};

/* Half of the clock's circle is the past. */
static inline bool flow_is_over(const struct flow *f, uint16_t now)
{
	return (int16_t)(f->ends - now) <= 0;
}

static inline uint32_t bucket_hash(const struct flow_table *t, const struct flow_key *key)
{
	return hash_secret(t->secret, (uint64_t)key->addr << 32 | key->service,
		(uint64_t)key->port << 16 | key->service_port);
}

static inline struct bucket *bucket_home(const struct flow_table *t, uint32_t hash)
{
	return &t->bucket[(uint64_t)hash * t->n >> 32];
}

/*
 * The flow of a key in one bucket, or NULL. All are compared before one question is asked: which
 * of them it is cannot be predicted. The key's address is not 0: a free place is zeros.
 */
static inline struct flow *bucket_find(struct bucket *b, const struct flow_key *key)
{
	uint64_t most, word;
	uint32_t found = 0;

	memcpy(&most, key, sizeof(most));
	for (uint32_t i = 0; i < FLOW_SLOTS; i++) {
		const struct flow *f = &b->flow[i];

		memcpy(&word, f, sizeof(word));
		word = (word ^ most) | (uint64_t)(f->service ^ key->service);
		found |= (uint32_t)(word == 0) << i;
	}
	return found == 0 ? NULL : &b->flow[__builtin_ctz(found)];
}

/* The flow of a key that is not in its home: in one of the next buckets, or NULL. */
struct flow *bucket_find_away(struct bucket *home, const struct flow_key *key);

/* The flow of a key wherever it stands, also if it is over, by its home; or NULL. */
static inline struct flow *bucket_search(struct bucket *home, const struct flow_key *key)
{
	struct flow *f = bucket_find(home, key);

	if (__builtin_expect(f == NULL, 0))
		f = bucket_find_away(home, key);
	return f;
}

/* flow_find(), inline. */
static inline struct flow *bucket_look_up(
	struct bucket *home, const struct flow_key *key, uint16_t now)
{
	struct flow *f = bucket_search(home, key);

	return f == NULL || flow_is_over(f, now) ? NULL : f;
}

#endif
