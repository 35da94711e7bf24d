/* SPDX-License-Identifier: BSD-3-Clause */
/* conf_text: configurations for tests: from a text, and their errors as one text. */
#ifndef UNIT_CONF_TEXT_H
#define UNIT_CONF_TEXT_H

#include "config/conf.h"
#include "exact.h"

#include <stdlib.h>
#include <string.h>

/* The errors as printed for the file "t", a line each; free() it. */
static inline char *conf_errors(const struct errs *e)
{
	char *text;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	conf_print_errors(out, "t", e);
	fclose(out);
	return text;
}

/* From an exact-size copy; fails the test with its errors if it has any. */
static inline struct conf *conf_good(const char *yaml)
{
	struct errs e = {0};
	char *copy = exact_copy(yaml, strlen(yaml));
	struct conf *c = conf_parse("t", copy, strlen(yaml), &e);

	free(copy);
	if (c == NULL || e.n)
		fail_msg("%s\n%s", yaml, conf_errors(&e));
	return c;
}

#endif
