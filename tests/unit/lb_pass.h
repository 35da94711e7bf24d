/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lb_pass: balancing workers that make whole passes, stages in the order of pipelines/appliance.c,
 * until nothing is on its way between them: a frame in by any worker, all frames out.
 */
#ifndef UNIT_LB_PASS_H
#define UNIT_LB_PASS_H

#include "lb_bed.h"

/* EAL, however many groups of tests there are; -1: none. */
static inline int lb_pass_eal(void)
{
	static bool up;

	up = up || eal_for_tests(128) == 0;
	return up ? 0 : -1;
}

/* n workers that balance what b has. */
static inline struct net *lb_pass_new(uint16_t n, const struct lb_bed_conf *b)
{
	struct net *net = lb_bed_new(n, b)->net;

	net->set.ttl = 64;
	net->set.reasm_ms = 10000;
	net->set.reasm_datagrams = 64;
	net->set.reasm_fragments = 64;
	assert_int_equal(lb_bed_apply(net, b), 0);
	return net;
}

static inline void lb_pass(struct worker *w)
{
	if (lb_looks_behind(w))
		stage_replies(w);
	fake_run(w, &w->in, stage_fib_in);
	fake_run(w, &w->service, stage_balance);
	fake_run(w, &w->fwd, stage_forward);
	fake_run(w, &w->local, stage_local);
	fake_run(w, &w->reasm, stage_reassemble);
	fake_run(w, &w->steer, stage_steer);
	fake_run(w, &w->icmp, stage_icmp);
	fake_run(w, &w->quoted, stage_quoted);
	fake_run(w, &w->error, stage_error);
	fake_run(w, &w->out, stage_fib_out);
	fake_run(w, &w->fwd_out, stage_forward_out);
	fake_run(w, &w->frag, stage_fragment);
}

/* False: nothing waits for the worker from itself or others. */
static inline bool lb_sources(struct worker *w)
{
	return (w->net->n_workers > 1 ? stage_handover(w) : 0) + stage_again(w) > 0;
}

/* A frame of len bytes that came by an interface, at the worker `at`. Ends by the tenth pass. */
static inline void lb_pass_in(
	struct net *net, uint16_t at, uint16_t iface, const uint8_t *frame, uint32_t len)
{
	struct worker *w = net->worker[at];
	struct rte_mbuf *m = fake_packet(w, iface, frame, len, 0, FAKE_POOL);
	bool more = true;

	lane_put(&w->in, m, ip4_hdr_dst(pkt_ip4(m)));
	lb_pass(w);
	for (uint32_t pass = 0; more; pass++) {
		assert_true(pass < 10);
		more = false;
		for (uint16_t i = 0; i < net->n_workers; i++) {
			if (!lb_sources(net->worker[i]))
				continue;
			more = true;
			lb_pass(net->worker[i]);
		}
	}
	for (uint16_t i = 0; i < net->n_workers; i++)
		fake_balanced(net->worker[i]);
}

/*
 * How many frames left by an interface; *by: the worker that sent the last of them, m: up to max of
 * them, owned by the lane still.
 */
static inline uint32_t lb_pass_out(
	struct net *net, uint16_t iface, struct rte_mbuf **m, uint32_t max, uint16_t *by)
{
	uint32_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++) {
		const struct txlane *t = &net->worker[i]->tx[iface - 1];

		for (uint32_t j = 0; j < t->n; j++, n++) {
			assert_true(n < max);
			m[n] = t->pkt[j];
			*by = i;
		}
	}
	return n;
}

/* How often a reason was counted since the last rest. */
static inline uint64_t lb_pass_drops(const struct net *net, enum drop_reason why)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++)
		n += net->worker[i]->books.drop[why];
	return n;
}

static inline void lb_pass_rest(struct net *net)
{
	for (uint16_t i = 0; i < net->n_workers; i++)
		fake_clear(net->worker[i]);
	assert_int_equal(rte_mempool_in_use_count(net->worker[0]->pool), 0);
}

#endif
