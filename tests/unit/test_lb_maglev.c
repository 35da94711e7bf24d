/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev tables: shares, purity, and what moves when a backend comes, goes or changes. */
#include "lb/maglev.h"
#include "routes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 65537
#define MANY 1000

static struct maglev_backend backends[MANY];
static uint16_t one[SIZE], other[SIZE];
static uint32_t share[MANY + 1];

/* n backends of weight 1, all usable, with ids as addresses in a row have them. */
static void row(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		backends[i] = (struct maglev_backend){
			.id = (UINT64_C(0xc6120100) + i) << 16 | 80, .weight = 1, .usable = true};
}

static void build(uint16_t *place, uint32_t n)
{
	memset(place, 0x55, SIZE * sizeof(*place));
	assert_int_equal(maglev_build(place, SIZE, backends, n), 0);
}

/* share[i]: places of backend i; share[n]: of nobody. */
static void count(const uint16_t *place, uint32_t n)
{
	memset(share, 0, sizeof(share));
	for (uint32_t at = 0; at < SIZE; at++) {
		assert_true(place[at] < n || place[at] == MAGLEV_NONE);
		share[place[at] == MAGLEV_NONE ? n : place[at]]++;
	}
}

static void assert_near(uint32_t value, double wanted, double percent)
{
	assert_true(value > wanted * (1 - percent / 100) - 1.5);
	assert_true(value < wanted * (1 + percent / 100) + 1.5);
}

/* Places of others than `but` that are not what they were. */
static uint32_t moved(uint16_t but)
{
	uint32_t n = 0;

	for (uint32_t at = 0; at < SIZE; at++)
		n += one[at] != other[at] && one[at] != but && other[at] != but;
	return n;
}

static void test_sizes_are_primes(void **state)
{
	static const uint32_t good[] = {2, 3, 251, 509, 4093, 65537, 655373, MAGLEV_SIZE_MAX};
	static const uint32_t bad[] = {
		0, 1, 4, 65536, 65539 - 1, 4094, MAGLEV_SIZE_MAX + 4, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(maglev_size_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(maglev_size_ok(bad[i]));
}

static void test_equal_weights_have_equal_shares(void **state)
{
	static const uint32_t numbers[] = {1, 2, 3, 7, 100, MANY};

	(void)state;
	for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
		uint32_t n = numbers[k];

		row(n);
		build(one, n);
		count(one, n);
		assert_int_equal(share[n], 0);
		for (uint32_t i = 0; i < n; i++)
			assert_near(share[i], (double)SIZE / n, 0);
	}
}

static void test_shares_are_as_the_weights(void **state)
{
	uint32_t sum = 0;

	(void)state;
	row(100);
	for (uint32_t i = 0; i < 100; i++) {
		backends[i].weight = (uint16_t)(i * i % 17 * 16); /* 0 to 256 */
		sum += backends[i].weight;
	}
	build(one, 100);
	count(one, 100);
	assert_int_equal(share[100], 0);
	for (uint32_t i = 0; i < 100; i++) {
		assert_near(share[i], (double)SIZE * backends[i].weight / sum, 1);
		assert_true(backends[i].weight > 0 || share[i] == 0);
	}
}

static void test_the_order_does_not_matter(void **state)
{
	uint64_t seed = 11;

	(void)state;
	row(100);
	for (uint32_t i = 0; i < 100; i++) {
		backends[i].weight = (uint16_t)(1 + i % 5);
		backends[i].usable = i % 7 != 0;
	}
	build(one, 100);
	for (uint32_t at = 0; at < SIZE; at++) /* by whom it is, not where it stands */
		one[at] = (uint16_t)(backends[one[at]].id >> 16);
	for (uint32_t i = 99; i > 0; i--) {
		uint32_t j = random_below(&seed, i + 1);
		struct maglev_backend b = backends[i];

		backends[i] = backends[j];
		backends[j] = b;
	}
	build(other, 100);
	for (uint32_t at = 0; at < SIZE; at++)
		assert_int_equal(one[at], (uint16_t)(backends[other[at]].id >> 16));
}

static void test_a_backend_that_goes_down_moves_its_own_share_alone(void **state)
{
	(void)state;
	row(100);
	build(one, 100);
	backends[42].usable = false;
	build(other, 100);
	count(other, 100);
	assert_int_equal(share[42], 0);
	assert_int_equal(share[100], 0);
	assert_int_equal(moved(42), 0);
	for (uint32_t i = 0; i < 100; i++)
		if (i != 42)
			assert_near(share[i], SIZE / 99.0, 1.5);
	backends[42].usable = true;
	build(other, 100);
	assert_memory_equal(one, other, sizeof(one));
}

/* The paper's 5.3: some 1 % or less of the places beside the share move for one of a hundred. */
static void test_a_backend_less_moves_few_others(void **state)
{
	(void)state;
	row(100);
	build(one, 100);
	backends[42].weight = 0;
	build(other, 100);
	assert_true(moved(42) < SIZE / 25);
}

static void test_one_after_another_down_to_the_last(void **state)
{
	(void)state;
	row(10);
	for (uint32_t down = 0; down < 10; down++) {
		build(one, 10);
		count(one, 10);
		assert_int_equal(share[10], 0);
		for (uint32_t i = 0; i < 10; i++)
			assert_true((share[i] > 0) == (i >= down));
		backends[down].usable = false;
	}
	build(one, 10);
	count(one, 10);
	assert_int_equal(share[10], SIZE);
	build(one, 0);
	for (uint32_t at = 0; at < SIZE; at++)
		assert_int_equal(one[at], MAGLEV_NONE);
}

/* Kept as bytes: who upgrades one balancer of two must not move flows. */
static uint64_t sum_of(uint32_t n)
{
	uint64_t sum = 0;

	build(one, n);
	for (uint32_t at = 0; at < SIZE; at++)
		sum = sum * UINT64_C(0x100000001b3) + one[at];
	return sum;
}

static void test_the_table_is_what_it_was(void **state)
{
	(void)state;
	row(3);
	backends[1].weight = 2;
	assert_int_equal(sum_of(3), UINT64_C(0x6aeffa7c060c8060));
	row(7);
	for (uint16_t i = 0; i < 7; i++)
		backends[i].weight = (uint16_t)(1 + 5 * i);
	assert_int_equal(sum_of(7), UINT64_C(0xb71a55b67ae01d15));
	backends[4].usable = backends[5].usable = false;
	assert_int_equal(sum_of(7), UINT64_C(0x5e39c61e4c419a72));
}

static void test_every_place_of_a_small_table(void **state)
{
	static const struct maglev_backend pair[] = {
		{.id = 1, .weight = 1, .usable = true}, {.id = 2, .weight = 256, .usable = true}};
	uint16_t *place = malloc(2 * sizeof(*place)); /* exact, for the sanitizer */

	(void)state;
	assert_non_null(place);
	assert_int_equal(maglev_build(place, 2, pair, 2), 0);
	assert_true(place[0] != place[1] || place[0] == 1);
	free(place);
	for (uint64_t hash = 0; hash <= UINT32_MAX; hash += 65521)
		assert_true(maglev_place((uint32_t)hash, SIZE) < SIZE);
	assert_int_equal(maglev_place(UINT32_MAX, SIZE), SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_are_primes),
		cmocka_unit_test(test_equal_weights_have_equal_shares),
		cmocka_unit_test(test_shares_are_as_the_weights),
		cmocka_unit_test(test_the_order_does_not_matter),
		cmocka_unit_test(test_a_backend_that_goes_down_moves_its_own_share_alone),
		cmocka_unit_test(test_a_backend_less_moves_few_others),
		cmocka_unit_test(test_one_after_another_down_to_the_last),
		cmocka_unit_test(test_the_table_is_what_it_was),
		cmocka_unit_test(test_every_place_of_a_small_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
