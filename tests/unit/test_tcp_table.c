/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of connections: keys in, elements out, against an oracle that only remembers. */
#include "base/numa.h"
#include "exact.h"
#include "tcp/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#define MANY	    100000u
#define FIRST_BYTES 64
#define OTHER_BYTES 24
#define NONE	    TCP_TABLE_NONE

static const uint64_t secret[2] = {0x0123456789abcdef, 0xfedcba9876543210};

static bool no_memory;

void *__real_numa_take(size_t size, int node);
void *__wrap_numa_take(size_t size, int node);

void *__wrap_numa_take(size_t size, int node)
{
	return no_memory ? NULL : __real_numa_take(size, node);
}

/* --- elements in two ranges, and what the oracle remembers of each --- */

struct bed {
	struct tcp_table *table;
	char *first, *second;
	uint32_t split;
	uint32_t n;
	uint32_t held;
	bool *in;
	uint64_t seed;
};

/* Keys differ from each other; those of index n and up belong to no element. */
static struct tcp_key nth_key(uint32_t i)
{
	return (struct tcp_key){
		.local = 0x0a000001 + i % 3,
		.remote = 0xc6120000 + i / 7 % 1000,
		.local_port = (uint16_t)(80 + i % 7),
		.remote_port = (uint16_t)(i / 7000),
	};
}

static struct tcp_key *key_at(const struct bed *b, uint32_t i)
{
	return (struct tcp_key *)(i < b->split ? b->first + (size_t)i * FIRST_BYTES
					       : b->second + (size_t)(i - b->split) * OTHER_BYTES);
}

static struct bed new_bed(uint32_t n, uint32_t split, uint32_t max)
{
	struct bed b = {.n = n, .split = split, .seed = 1};
	struct tcp_table_elements elements = {
		.split = split, .first_stride = FIRST_BYTES, .second_stride = OTHER_BYTES};

	b.first = calloc(split + 1, FIRST_BYTES);
	b.second = calloc(n - split + 1, OTHER_BYTES);
	b.in = calloc(n, sizeof(*b.in));
	assert_true(b.first != NULL && b.second != NULL && b.in != NULL);
	for (uint32_t i = 0; i < n; i++)
		*key_at(&b, i) = nth_key(i);
	elements.first = b.first;
	elements.second = b.second;
	b.table = tcp_table_new(&elements, max, secret, -1);
	assert_non_null(b.table);
	return b;
}

static void free_bed(struct bed *b)
{
	tcp_table_free(b->table);
	free(b->first);
	free(b->second);
	free(b->in);
}

static uint32_t hash_of(const struct bed *b, uint32_t i)
{
	struct tcp_key key = nth_key(i);

	return tcp_table_hash(b->table, &key);
}

static void add(struct bed *b, uint32_t i)
{
	assert_int_equal(tcp_table_add(b->table, hash_of(b, i), i), 0);
	b->in[i] = true;
	b->held++;
}

static void take_out(struct bed *b, uint32_t i)
{
	tcp_table_remove(b->table, hash_of(b, i), i);
	b->in[i] = false;
	b->held--;
}

static uint32_t expected(const struct bed *b, uint32_t i)
{
	return i < b->n && b->in[i] ? i : NONE;
}

static void check_one(const struct bed *b, uint32_t i)
{
	struct tcp_key key = nth_key(i);

	assert_int_equal(tcp_table_find(b->table, hash_of(b, i), &key), expected(b, i));
}

static void check_first(const struct bed *b, uint32_t n)
{
	assert_int_equal(tcp_table_count(b->table), b->held);
	for (uint32_t i = 0; i < n; i++)
		check_one(b, i);
}

static void check_all(const struct bed *b)
{
	check_first(b, b->n + 100);
}

static uint32_t below(struct bed *b, uint32_t n)
{
	return (uint32_t)(seeded(&b->seed) >> 33) % n;
}

/* A burst of random keys, absent ones and the same ones twice among them. */
static void check_burst(struct bed *b, uint32_t n)
{
	struct tcp_key copies[TCP_BURST];
	const struct tcp_key *keys[TCP_BURST] = {NULL};
	uint32_t which[TCP_BURST], hashes[TCP_BURST], indexes[TCP_BURST];

	for (uint32_t i = 0; i < n; i++) {
		which[i] = i > 0 && below(b, 8) == 0 ? which[i - 1] : below(b, b->n + b->n / 4);
		copies[i] = nth_key(which[i]);
		keys[i] = &copies[i];
	}
	tcp_table_find_burst(b->table, keys, n, hashes, indexes);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(hashes[i], tcp_table_hash(b->table, keys[i]));
		assert_int_equal(indexes[i], tcp_table_find(b->table, hashes[i], keys[i]));
		assert_int_equal(indexes[i], expected(b, which[i]));
	}
}

/* --- scripts --- */

enum deed { ADD, REMOVE, HIT, MISS };

static void a_script_of_keys(void **state)
{
	static const struct {
		enum deed deed;
		uint32_t index; /* and the key of this number */
	} script[] = {
		{MISS, 0},
		{ADD, 0},
		{HIT, 0},
		{MISS, 1},
		{ADD, 1},
		{ADD, 5},
		{HIT, 0},
		{HIT, 1},
		{HIT, 5},
		{REMOVE, 0},
		{MISS, 0},
		{HIT, 1},
		{ADD, 0},
		{HIT, 0},
		{REMOVE, 1},
		{REMOVE, 5},
		{REMOVE, 0},
		{MISS, 0},
		{MISS, 1},
		{MISS, 5},
	};
	struct bed b = new_bed(10, 5, 10);

	(void)state;
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]); i++) {
		uint32_t index = script[i].index;

		if (script[i].deed == ADD)
			add(&b, index);
		else if (script[i].deed == REMOVE)
			take_out(&b, index);
		else
			assert_int_equal(expected(&b, index), script[i].deed == HIT ? index : NONE);
		check_all(&b);
	}
	free_bed(&b);
}

/* Every bit of a key is part of it. */
static void a_key_differs_by_any_bit(void **state)
{
	struct bed b = new_bed(1, 1, 1);
	uint32_t hash = hash_of(&b, 0);

	(void)state;
	add(&b, 0);
	for (uint32_t bit = 0; bit < 96; bit++) {
		struct tcp_key key = nth_key(0);

		((uint8_t *)&key)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(tcp_key_equal(&key, key_at(&b, 0)));
		assert_int_equal(tcp_table_find(b.table, hash, &key), NONE);
		assert_int_not_equal(tcp_table_hash(b.table, &key), hash);
	}
	free_bed(&b);
}

static void the_secret_keys_the_hash(void **state)
{
	struct tcp_table_elements none = {.split = 0};
	uint32_t same = 0, hits[64] = {0};

	(void)state;
	for (uint32_t bit = 0; bit < 128; bit++) {
		uint64_t other[2] = {secret[0], secret[1]};
		struct tcp_table *a = tcp_table_new(&none, 1, secret, -1), *b;

		other[bit / 64] ^= UINT64_C(1) << bit % 64;
		b = tcp_table_new(&none, 1, other, -1);
		for (uint32_t i = 0; i < 100; i++) {
			struct tcp_key key = nth_key(i);

			same += tcp_table_hash(a, &key) == tcp_table_hash(b, &key);
		}
		if (bit == 0) /* keys that differ little spread over the top bits */
			for (uint32_t i = 0; i < 64000; i++) {
				struct tcp_key key = nth_key(i);

				hits[tcp_table_hash(a, &key) >> 26]++;
			}
		tcp_table_free(a);
		tcp_table_free(b);
	}
	assert_in_range(same, 0, 1);
	for (uint32_t i = 0; i < 64; i++)
		assert_in_range(hits[i], 850, 1150);
}

/* --- at random --- */

static void random_changes_against_the_oracle(void **state)
{
	struct bed b = new_bed(MANY, MANY / 3, MANY);
	uint32_t aim = 0;

	(void)state;
	for (uint32_t i = 0; i < 600000; i++) {
		uint32_t at = below(&b, MANY);

		if (i % 50000 == 0) /* rises and falls, and grows on the way */
			aim = below(&b, 4);
		if (!b.in[at] && below(&b, 4) <= aim)
			add(&b, at);
		else if (b.in[at] && below(&b, 4) > aim)
			take_out(&b, at);
		check_one(&b, below(&b, MANY + 100));
		if (i % 16 == 0)
			check_burst(&b, 1 + below(&b, TCP_BURST));
		if (i % 64 == 0)
			tcp_table_sweep(b.table);
		if (i % 100000 == 0)
			check_all(&b);
	}
	check_all(&b);
	for (uint32_t i = 0; i < MANY; i++)
		if (b.in[i])
			take_out(&b, i);
	check_all(&b);
	free_bed(&b);
}

/* With nobody sweeping: every state of growing is looked into. */
static void all_are_found_while_it_grows(void **state)
{
	struct bed b = new_bed(MANY, MANY / 2, MANY);
	size_t most = 0;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		add(&b, i);
		for (uint32_t j = 0; j < 8; j++)
			check_one(&b, below(&b, i + 100));
		if (i < 1000)
			check_first(&b, i + 100);
		check_burst(&b, TCP_BURST);
		if (tcp_table_memory(b.table) > most)
			most = tcp_table_memory(b.table);
	}
	check_all(&b);
	/* at least three to a bucket in the new area, as many again in the old one for a while */
	assert_in_range(most, MANY * 64 / 6, MANY * 64 / 6 * 3);
	free_bed(&b);
}

static void sweeping_ends_the_growing(void **state)
{
	struct bed b = new_bed(MANY, 0, MANY);
	size_t before = tcp_table_memory(b.table), after;
	uint32_t sweeps = 0, growths = 0;

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		size_t then = tcp_table_memory(b.table);

		add(&b, i);
		if (tcp_table_memory(b.table) <= then)
			continue;
		growths++;
		assert_int_equal(tcp_table_memory(b.table), before * 3);
		for (; tcp_table_memory(b.table) != before * 2; sweeps++)
			tcp_table_sweep(b.table);
		before *= 2;
		check_all(&b);
	}
	after = tcp_table_memory(b.table);
	tcp_table_sweep(b.table);
	assert_int_equal(tcp_table_memory(b.table), after);
	/* MANY in buckets of six: from 64 buckets to 32768 */
	assert_int_equal(growths, 9);
	assert_in_range(sweeps, 9, 9 * 2 + 32768 / 8);
	check_all(&b);
	free_bed(&b);
}

static void bursts_of_every_length(void **state)
{
	struct bed b = new_bed(5000, 2000, 5000);

	(void)state;
	for (uint32_t i = 0; i < b.n; i += 1 + i % 2)
		add(&b, i);
	for (uint32_t n = 0; n <= TCP_BURST; n++)
		for (uint32_t i = 0; i < 50; i++)
			check_burst(&b, n);
	free_bed(&b);
}

/* --- the worst cases --- */

/* All under one hash, the last bucket's among them: searches go round to the first. */
static void many_under_one_hash(void **state)
{
	static const uint32_t hashes[] = {0, 1, 0x80000000, UINT32_MAX};

	(void)state;
	for (size_t h = 0; h < sizeof(hashes) / sizeof(hashes[0]); h++) {
		struct bed b = new_bed(800, 400, 800); /* grows twice */

		for (uint32_t i = 0; i < b.n; i++) {
			/* others among them, before, on and behind the same homes */
			uint32_t hash = i % 4 == 3 ? hash_of(&b, i) : hashes[h];

			assert_int_equal(tcp_table_add(b.table, hash, i), 0);
			for (uint32_t j = 0; j <= i; j += 1 + i / 25) {
				struct tcp_key key = nth_key(j);

				hash = j % 4 == 3 ? hash_of(&b, j) : hashes[h];
				assert_int_equal(tcp_table_find(b.table, hash, &key), j);
			}
		}
		for (uint32_t i = 0; i < b.n; i++) {
			uint32_t gone = i * 7 % b.n; /* 7 and 800 have no common divisor */

			tcp_table_remove(
				b.table, gone % 4 == 3 ? hash_of(&b, gone) : hashes[h], gone);
			for (uint32_t k = 0; k < b.n; k += 1 + i % 50) {
				uint32_t j = k * 7 % b.n;
				struct tcp_key key = nth_key(j);
				uint32_t hash = j % 4 == 3 ? hash_of(&b, j) : hashes[h];

				assert_int_equal(
					tcp_table_find(b.table, hash, &key), k <= i ? NONE : j);
			}
		}
		assert_int_equal(tcp_table_count(b.table), 0);
		free_bed(&b);
	}
}

/* A burst whose first candidates are others' with the same hash, and buckets that overflow. */
static void a_burst_through_crowded_buckets(void **state)
{
	struct bed b = new_bed(64, 32, 64);
	const struct tcp_key *keys[64];
	uint32_t hashes[64], indexes[64];

	(void)state;
	/* under each key's own hash stand seven others before it */
	for (uint32_t i = 0; i < 8; i++)
		for (uint32_t j = 8; j > 0; j--) {
			uint32_t index = i * 8 + j - 1;

			assert_int_equal(tcp_table_add(b.table, hash_of(&b, i * 8), index), 0);
		}
	for (uint32_t i = 0; i < 64; i++)
		keys[i] = key_at(&b, i);
	tcp_table_find_burst(b.table, keys, 64, hashes, indexes);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(indexes[i], i % 8 == 0 ? i : NONE);
	free_bed(&b);
}

static void full_is_full(void **state)
{
	static const uint32_t sizes[] = {1, 2, 383, 384, 385, 1000};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct bed b = new_bed(sizes[s] + 1, sizes[s], sizes[s]);

		for (uint32_t i = 0; i < sizes[s]; i++)
			add(&b, i);
		assert_int_equal(tcp_table_add(b.table, hash_of(&b, sizes[s]), sizes[s]), -ENOMEM);
		check_all(&b);
		take_out(&b, 0);
		add(&b, sizes[s]);
		assert_int_equal(tcp_table_add(b.table, hash_of(&b, 0), 0), -ENOMEM);
		check_all(&b);
		free_bed(&b);
	}
}

static void no_memory_to_grow(void **state)
{
	struct tcp_table_elements none = {.split = 0};
	struct bed b = new_bed(1000, 500, 1000);
	uint32_t fitted = 0;

	(void)state;
	no_memory = true;
	assert_null(tcp_table_new(&none, 1, secret, -1));
	while (tcp_table_add(b.table, hash_of(&b, fitted), fitted) == 0) {
		b.in[fitted++] = true;
		b.held++;
	}
	assert_int_equal(fitted, 6 * 64);
	check_all(&b);
	take_out(&b, 1);
	add(&b, 1);
	no_memory = false;
	for (uint32_t i = fitted; i < b.n; i++)
		add(&b, i);
	check_all(&b);
	free_bed(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_script_of_keys),
		cmocka_unit_test(a_key_differs_by_any_bit),
		cmocka_unit_test(the_secret_keys_the_hash),
		cmocka_unit_test(random_changes_against_the_oracle),
		cmocka_unit_test(all_are_found_while_it_grows),
		cmocka_unit_test(sweeping_ends_the_growing),
		cmocka_unit_test(bursts_of_every_length),
		cmocka_unit_test(many_under_one_hash),
		cmocka_unit_test(a_burst_through_crowded_buckets),
		cmocka_unit_test(full_is_full),
		cmocka_unit_test(no_memory_to_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
