/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of errors: all kept, ordered by where they stand, cut to fit. */
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_orders_by_position(void **state)
{
	struct errs e = {0};

	(void)state;
	errs_add(&e, (struct conf_pos){9, 1}, "c", "third");
	errs_add(&e, (struct conf_pos){2, 7}, "b", "second %d", 2);
	errs_add(&e, (struct conf_pos){2, 3}, "a", "first");
	errs_sort(&e);
	assert_int_equal(e.n, 3);
	assert_string_equal(e.list[0].text, "first");
	assert_string_equal(e.list[1].text, "second 2");
	assert_string_equal(e.list[2].path, "c");
	errs_clear(&e);
	assert_int_equal(e.n, 0);
	assert_null(e.list);
}

static void test_cuts_what_is_too_long(void **state)
{
	struct errs e = {0};
	char word[2000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	errs_add(&e, (struct conf_pos){1, 1}, word, "%s", word);
	assert_int_equal(strlen(e.list[0].path), sizeof(e.list[0].path) - 1);
	assert_int_equal(strlen(e.list[0].text), sizeof(e.list[0].text) - 1);
	errs_clear(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders_by_position),
		cmocka_unit_test(test_cuts_what_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
