/* SPDX-License-Identifier: BSD-3-Clause */
/* Areas: zeroed, writable to the last byte, whatever the size; impossible ones refused. */
#include "base/numa.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void sizes_of(void *(*take)(size_t size, int node))
{
	static const size_t sizes[] = {1, 4095, 4096, 4097, 2 << 20, (2 << 20) + 1, 16 << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int node = -1; node <= 0; node++) {
			uint8_t *area = take(sizes[i], node);

			assert_non_null(area);
			assert_int_equal((uintptr_t)area % 4096, 0);
			assert_int_equal(area[0] | area[sizes[i] / 2] | area[sizes[i] - 1], 0);
			area[0] = area[sizes[i] - 1] = 1;
			numa_drop(area, sizes[i]);
		}
	}
}

static void test_sizes(void **state)
{
	(void)state;
	sizes_of(numa_take);
	sizes_of(numa_reserve);
}

/* A terabyte of which two bytes are used; pages that somebody reserved are not for this. */
static void test_reserves_more_than_there_is(void **state)
{
	const size_t size = (size_t)1 << 40;
	uint8_t *area = numa_reserve(size, -1);

	(void)state;
	assert_non_null(area);
	area[0] = area[size - 1] = 1;
	numa_drop(area, size);
}

static void test_refuses_the_impossible(void **state)
{
	(void)state;
	assert_null(numa_take(SIZE_MAX / 4, 0));
	numa_drop(NULL, 4096);
}

static void test_every_cpu_has_a_node(void **state)
{
	(void)state;
	assert_true(numa_of_cpu(0) >= 0);
	assert_int_equal(numa_of_cpu(1u << 20), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_reserves_more_than_there_is),
		cmocka_unit_test(test_refuses_the_impossible),
		cmocka_unit_test(test_every_cpu_has_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
