/* SPDX-License-Identifier: BSD-3-Clause */
/* neighbours: the methods that show, add and forget neighbours. */
#ifndef APP_NEIGHBOURS_H
#define APP_NEIGHBOURS_H

#include "method.h"

#define NEIGHBOURS_LIMIT 10000 /* rows of an answer, unless told */

/* A list of {port, address, mac, state, age_s, packets, bytes, routes}. */
method_fn neighbours_show;

/* {port, address} */
method_fn neighbours_add;
method_fn neighbours_del;
/* {flushed}: how many. */
method_fn neighbours_flush;

#endif
