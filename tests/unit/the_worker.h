/* SPDX-License-Identifier: BSD-3-Clause */
/* the_worker: the one fake worker of a unit's cases, as cmocka's group sets it up and ends it. */
#ifndef UNIT_THE_WORKER_H
#define UNIT_THE_WORKER_H

#include "fake_worker.h"

static struct worker *w;

static inline int fake_set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	w = fake_worker(1);
	return 0;
}

static inline int fake_tear_down(void **state)
{
	(void)state;
	fake_end(w);
	return 0;
}

#endif
