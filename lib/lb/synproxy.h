/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * synproxy: what a worker's other files ask of its SYN proxy. Worker, but for the first two.
 *
 * A flow with `proxied` was opened by it: its packets are shown to lb_proxy_in() or lb_proxy_out()
 * before they are tracked and sent.
 */
#ifndef LB_SYNPROXY_H
#define LB_SYNPROXY_H

#include "inner.h"

/* Memory beside a worker's flows, 20 bytes each, unless it has it. -1: no memory. Control. */
int lb_proxy_new(struct worker *w);
/* NULL is allowed. */
void lb_proxy_free(struct lb_proxy *p);

enum lb_proxy_verdict {
	LB_PROXY_NOT,	/* as without it */
	LB_PROXY_TOOK,	/* m is its own */
	LB_PROXY_ALONE, /* during a flood: it may go on by the hash alone, if it needs no place */
};

/* A packet without a flow, for a service with the option. */
enum lb_proxy_verdict lb_proxy_start(struct worker *w, struct rte_mbuf *m,
	const struct lb_ends *ends, uint32_t hash, const struct flow_key *key);

/*
 * A packet of a proxied flow, from either end: e, or *seq, gets what changes of its numbers. False:
 * m was taken.
 */
bool lb_proxy_in(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f,
	struct lb_edit *e);
bool lb_proxy_out(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, struct flow *f,
	uint32_t *seq);

/* From the numbers of a proxied flow's backend to those that its client knows; 0: none yet. */
uint32_t lb_proxy_shift(const struct worker *w, const struct flow *f);

/* SYNs that backends have not answered. In timed passes. */
void lb_proxy_time(struct worker *w);

#endif
