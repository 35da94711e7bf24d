/* SPDX-License-Identifier: BSD-3-Clause */
/* routes: the methods that show, add and withdraw routes. */
#ifndef APP_ROUTES_H
#define APP_ROUTES_H

#include "method.h"

#define ROUTES_LIMIT 1000 /* rows of an answer, unless told */

/*
 * {total, next, routes: a list of {prefix, origin, kind, preference, metric, next_hops, port, best,
 * installed}}, in no order; next is the cursor of the next call, 0 at the end.
 */
method_fn routes_show;

/* The added or withdrawn prefix, as {prefix}. */
method_fn routes_add;
method_fn routes_del;

#endif
