/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sync_bed: two instances in one process (beds of lb_bed.h), a and b, that tell each other their
 * flows over a wire that may lose and repeat datagrams.
 */
#ifndef UNIT_SYNC_BED_H
#define UNIT_SYNC_BED_H

#include "lb_bed.h"
#include "sync_inner.h"

static struct side {
	struct worker *w; /* its first */
	struct lb_bed_conf conf;
} a, b;

/* What happens between them. */
static struct {
	bool (*loses)(uint32_t n); /* NULL: nothing */
	bool twice;		   /* each comes again, later */
	uint32_t n;		   /* datagrams so far */
} wire;

/* Sync of a side's configuration, and its start with so many workers. */
static inline void start(struct side *s, uint16_t workers, const char *key)
{
	s->conf.c.sync = (struct lb_sync_conf){
		.addr = LAN_ADDR, .peer = LAN_HOST, .port = 7780, .rate = 100000};
	snprintf(s->conf.c.sync.key, sizeof(s->conf.c.sync.key), "%s", key);
	s->w = lb_bed_new(workers, &s->conf);
	assert_int_equal(lb_bed_apply(s->w->net, &s->conf), 0);
	memset(&wire, 0, sizeof(wire));
}

static inline struct worker *worker_of(const struct side *s, uint32_t i)
{
	return s->w->net->worker[i];
}

static inline uint64_t counted(const struct side *s, enum counter c)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < s->w->net->n_workers; i++)
		n += worker_of(s, i)->count[c];
	return n;
}

static inline uint64_t dropped(const struct side *s, enum drop_reason r)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < s->w->net->n_workers; i++)
		n += worker_of(s, i)->books.drop[r];
	return n;
}

static inline void end_side(struct side *s)
{
	for (uint16_t i = 0; i < s->w->net->n_workers; i++) {
		struct worker *w = worker_of(s, i);

		fake_balanced(w);
		fake_in_lanes(w, true);
		rte_pktmbuf_free_bulk(w->to_free, w->n_free);
		w->n_free = 0;
	}
	assert_int_equal(rte_mempool_in_use_count(s->w->pool), 0);
	lb_bed_end(s->w);
}

static inline void end(void)
{
	end_side(&a);
	end_side(&b);
}

/* A packet for the host, from its UDP on; handed over until it is where it belongs. */
static inline void arrive(struct side *s, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m = fake_packet(s->w, LAN, frame, len, 0, FAKE_EXACT);

	lane_put(&s->w->udp, m, 0);
	fake_run(s->w, &s->w->udp, stage_udp);
	fake_run(s->w, &s->w->sync, stage_sync);
	for (uint16_t i = 1; i < s->w->net->n_workers; i++) {
		struct worker *w = worker_of(s, i);

		if (stage_handover(w) == 0)
			continue;
		fake_run(w, &w->in, stage_fib_in);
		fake_run(w, &w->local, stage_local);
		fake_run(w, &w->steer, stage_steer);
		fake_run(w, &w->udp, stage_udp);
		fake_run(w, &w->sync, stage_sync);
	}
}

/* What one has said reaches the other; it is the same host to both, so ends change places. */
static inline void carry(struct side *from, struct side *to)
{
	static uint8_t held[2048];
	static uint32_t held_len;

	for (uint16_t i = 0; i < from->w->net->n_workers; i++) {
		struct worker *w = worker_of(from, i);

		for (uint32_t j = 0; j < w->out.n; j++) {
			struct rte_mbuf *m = w->out.pkt[j];
			struct ip4_hdr *ip = pkt_ip4(m);
			be32 src = ip->src;

			ip->src = ip->dst;
			ip->dst = src;
			wire.n++;
			if (wire.loses == NULL || !wire.loses(wire.n))
				arrive(to, rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_pkt_len(m));
			if (wire.twice && held_len > 0)
				arrive(to, held, held_len);
			held_len = rte_pktmbuf_pkt_len(m);
			memcpy(held, rte_pktmbuf_mtod(m, uint8_t *), held_len);
			w->books.tx++;
			rte_pktmbuf_free(m);
		}
		w->out.n = 0;
	}
}

/* So many milliseconds of both, in timed passes. */
static inline void pass(uint32_t ms)
{
	for (; ms > 0; ms -= RTE_MIN(ms, 20u)) {
		struct side *sides[] = {&a, &b};

		for (int k = 0; k < 2; k++)
			for (uint16_t i = 0; i < sides[k]->w->net->n_workers; i++) {
				struct worker *w = worker_of(sides[k], i);

				w->now += clock_of_ms(RTE_MIN(ms, 20u));
				lb_time(w);
				lb_sync_time(w);
			}
		carry(&a, &b);
		carry(&b, &a);
	}
}

static inline bool listens(const struct side *s)
{
	return atomic_load(&s->w->net->lb->telling) != 0;
}

/* Until each listens to the other. */
static inline void meet(void)
{
	for (int i = 0; i < 10 && !(listens(&a) && listens(&b)); i++)
		pass(1000);
	assert_true(listens(&a) && listens(&b));
}

static inline uint64_t flows_of(const struct side *s)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < s->w->net->n_workers; i++)
		n += flow_count(worker_of(s, i)->lb->flows)->flows;
	return n;
}

#endif
