/* SPDX-License-Identifier: BSD-3-Clause */
/* lb_stages: the balancer's stages, for units that look at what they send. */
#ifndef UNIT_LB_STAGES_H
#define UNIT_LB_STAGES_H

#include "fake_worker.h"
#include "lb/stage.h"

/*
 * What went straight to a device stands in the lane fwd_out, with its adjacency, beside what goes
 * by forward_out: where it stops is no affair of most tests.
 */
static inline void lb_bed_fetch(struct worker *w)
{
	for (uint16_t slot = 0; slot < PORT_MAX; slot++) {
		struct txlane *t = &w->tx[slot];

		for (uint32_t i = 0; i < t->n; i++) {
			uint32_t adj = 1;

			while (memcmp(&w->net->adj[adj], pkt_eth(t->pkt[i]), ETH_HDR_LEN) != 0)
				assert_true(++adj < 16);
			lane_put(&w->fwd_out, t->pkt[i], adj);
		}
		t->n = 0;
		t->bytes = 0;
	}
}

static inline void lb_bed_balance(struct worker *w)
{
	fake_run(w, &w->service, stage_balance);
	lb_bed_fetch(w);
}

static inline void lb_bed_replies(struct worker *w)
{
	stage_replies(w);
	lb_bed_fetch(w);
}

#endif
