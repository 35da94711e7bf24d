/* SPDX-License-Identifier: BSD-3-Clause */
/* A growing list of errors; running out of memory loses an error's text, never the fact. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void errs_add(struct errs *e, struct conf_pos at, const char *path, const char *fmt, ...)
{
	struct err *grown = realloc(e->list, (e->n + 1) * sizeof(*grown));
	va_list ap;

	if (grown == NULL)
		abort(); /* start-up or apply without memory for one line: nothing sane is left */
	e->list = grown;
	grown[e->n].at = at;
	snprintf(grown[e->n].path, sizeof(grown[e->n].path), "%s", path);
	va_start(ap, fmt);
	vsnprintf(grown[e->n].text, sizeof(grown[e->n].text), fmt, ap);
	va_end(ap);
	e->n++;
}

static int by_position(const void *a, const void *b)
{
	const struct err *x = a, *y = b;

	if (x->at.line != y->at.line)
		return x->at.line < y->at.line ? -1 : 1;
	return (x->at.column > y->at.column) - (x->at.column < y->at.column);
}

void errs_sort(struct errs *e)
{
	if (e->n > 1)
		qsort(e->list, e->n, sizeof(*e->list), by_position);
}

void errs_clear(struct errs *e)
{
	free(e->list);
	*e = (struct errs){0};
}
