/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_check: configurations and what is wrong with them as a whole. */
#ifndef TESTS_CONF_CHECK_H
#define TESTS_CONF_CHECK_H

#include "conf_text.h"

/* Two ports, on a line each. */
#define LAN(more) "  lan: {vdev: net_null0, addresses: [198.18.0.254/24]" more "}\n"
#define WAN(more) "  wan: {vdev: net_null1, addresses: [198.18.1.254/24]" more "}\n"
#define PORTS	  "ports:\n" LAN("") WAN("")

struct check_case {
	const char *name, *yaml, *errors;
};

/* Whether the errors are those of the case. Takes c. */
static inline bool finds(const struct check_case *x, struct conf *c, const struct conf *running)
{
	struct errs e = {0};
	bool right;
	char *got;

	conf_check(c, running, &e);
	got = conf_errors(&e);
	right = strcmp(got, x->errors) == 0;
	if (!right)
		print_error("%s\ngot\n%swant\n%s", x->name, got, x->errors);
	free(got);
	errs_clear(&e);
	conf_free(c);
	return right;
}

static inline void run(const struct check_case *list, size_t n, const struct conf *running)
{
	int wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += !finds(&list[i], conf_good(list[i].yaml), running);
	assert_int_equal(wrong, 0);
}

#endif
