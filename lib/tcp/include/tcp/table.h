/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_table: which connection a segment belongs to. One core's own; no lock.
 *
 * Buckets of one cache line: eight entries of a hash and an element's index each; what does not
 * fit its bucket stands in the next. The whole 32-bit hash is kept, so that growing touches no
 * connection; growing moves a few buckets at each insertion and each sweep, never all at once. It
 * does not shrink. The hash is keyed by a secret: an outsider cannot fill one bucket.
 *
 * What an index names is the caller's: tcp keeps connections and TIME_WAIT records in one table.
 * Whatever it is begins with its struct tcp_key.
 */
#ifndef TCP_TABLE_H
#define TCP_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In wire order. */
struct tcp_key {
	uint32_t local;
	uint32_t remote;
	uint16_t local_port;
	uint16_t remote_port;
};
_Static_assert(sizeof(struct tcp_key) == 12, "three words");

#define TCP_TABLE_NONE UINT32_MAX

static inline bool tcp_key_equal(const struct tcp_key *a, const struct tcp_key *b)
{
	return ((a->local ^ b->local) | (a->remote ^ b->remote) |
		       (uint32_t)(a->local_port ^ b->local_port) |
		       (uint32_t)(a->remote_port ^ b->remote_port)) == 0;
}

/*
 * Where elements are: index i below `split` at first + i * first_stride, others at
 * second + (i - split) * second_stride. Aligned to 4 bytes. Only a look-up touches one, and only
 * that which its key's hash leads to.
 */
struct tcp_table_elements {
	const char *first;
	const char *second;
	uint32_t split;
	uint32_t first_stride;
	uint32_t second_stride;
};

struct tcp_table;

/*
 * secret: 16 random bytes; it and *elements are copied. Starts small, on a NUMA node (-1: any);
 * holds at most max elements. NULL: no memory.
 */
struct tcp_table *tcp_table_new(const struct tcp_table_elements *elements, uint32_t max,
	const uint64_t secret[2], int node);
/* NULL is allowed. */
void tcp_table_free(struct tcp_table *t);

/* What add, remove and find take: the same for a key as long as the table lives. */
uint32_t tcp_table_hash(const struct tcp_table *t, const struct tcp_key *key);

/*
 * 0, or -ENOMEM: it holds max elements, or there is no memory to grow; nothing was changed. Neither
 * the key nor index (below TCP_TABLE_NONE) is in the table: the caller has looked.
 */
int tcp_table_add(struct tcp_table *t, uint32_t hash, uint32_t index);
/* index is in the table under hash. */
void tcp_table_remove(struct tcp_table *t, uint32_t hash, uint32_t index);

/* The element of a key, or TCP_TABLE_NONE. */
uint32_t tcp_table_find(const struct tcp_table *t, uint32_t hash, const struct tcp_key *key);

#define TCP_BURST 64

/*
 * n (at most TCP_BURST) keys in three passes: hash and prefetch the bucket; probe and prefetch the
 * element; verify. Writes hashes and indexes (TCP_TABLE_NONE for what is not there).
 */
void tcp_table_find_burst(const struct tcp_table *t, const struct tcp_key *const *keys, uint32_t n,
	uint32_t *hashes, uint32_t *indexes);

/* Goes on with growing, if it is: called once a pass. */
void tcp_table_sweep(struct tcp_table *t);

uint32_t tcp_table_count(const struct tcp_table *t);
/* Bytes of all buckets: 11 to 21 an element from some hundreds on, up to 32 while it grows. */
size_t tcp_table_memory(const struct tcp_table *t);

#endif
