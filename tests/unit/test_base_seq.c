/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers that wrap round: at 0, at 2^31, and as far apart as may be. */
#include "base/seq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint32_t edges[] = {
	0, 1, 2, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
static const uint32_t ahead[] = {1, 2, 1000, 0x7ffffffe, 0x7fffffff};

#define N(array) (sizeof(array) / sizeof((array)[0]))

static void test_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(edges); i++) {
		uint32_t a = edges[i];

		assert_false(seq_lt(a, a));
		assert_false(seq_gt(a, a));
		assert_true(seq_leq(a, a));
		assert_true(seq_geq(a, a));
		assert_int_equal(seq_max(a, a), a);
		assert_int_equal(seq_min(a, a), a);
	}
}

/* From each edge each distance: what is ahead is later, wherever the numbers wrap. */
static void test_ahead_is_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < N(edges); i++) {
		for (size_t j = 0; j < N(ahead); j++) {
			uint32_t a = edges[i], b = a + ahead[j];

			if (!seq_lt(a, b) || !seq_leq(a, b) || seq_gt(a, b) || seq_geq(a, b))
				fail_msg("%#x before %#x", a, b);
			if (seq_lt(b, a) || seq_leq(b, a) || !seq_gt(b, a) || !seq_geq(b, a))
				fail_msg("%#x after %#x", b, a);
			assert_int_equal(seq_max(a, b), b);
			assert_int_equal(seq_max(b, a), b);
			assert_int_equal(seq_min(a, b), a);
			assert_int_equal(seq_min(b, a), a);
		}
	}
}

static void test_within(void **state)
{
	static const struct {
		const char *name;
		uint32_t at, first, length;
		bool within;
	} cases[] = {
		{"an empty range holds nothing", 5, 5, 0, false},
		{"its first", 5, 5, 1, true},
		{"its end", 6, 5, 1, false},
		{"before it", 4, 5, 10, false},
		{"over the wrap, before it", 0xffffffff, 0xfffffff0, 32, true},
		{"over the wrap, after it", 15, 0xfffffff0, 32, true},
		{"over the wrap, its end", 16, 0xfffffff0, 32, false},
		{"over the wrap, just before", 0xffffffef, 0xfffffff0, 32, false},
		{"ends at the wrap", 0xffffffff, 0xfffffff0, 16, true},
		{"ends at the wrap: 0 is out", 0, 0xfffffff0, 16, false},
		{"over 2^31", 0x80000000, 0x7fffffff, 2, true},
		{"more than half of all", 0xfffffffe, 0, 0xffffffff, true},
		{"all but one", 0xffffffff, 0, 0xffffffff, false},
	};

	(void)state;
	for (size_t i = 0; i < N(cases); i++)
		if (seq_within(cases[i].at, cases[i].first, cases[i].length) != cases[i].within)
			fail_msg("%s", cases[i].name);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same),
		cmocka_unit_test(test_ahead_is_later),
		cmocka_unit_test(test_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
