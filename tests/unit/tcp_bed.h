/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_bed: stacks without EAL, a virtual clock, and segments carried between them by hand.
 *
 * A bed is one stack with a worker of its own. Books are checked, and nothing is left, at its end.
 */
#ifndef UNIT_TCP_BED_H
#define UNIT_TCP_BED_H

#include "heap_pool.h"
#include "net/pkt.h"
#include "net/worker.h"
#include "tcp/tcp.h"
#include "wire/tcp_opt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#ifndef BED_POOL
#define BED_POOL 8192
#endif

struct bed {
	struct worker *w;
	struct tcp *t;
	struct rte_mempool *pool;
	uint16_t mtu;
	uint32_t addr;		/* host order */
	struct tcp_leave leave; /* to who carries what it says */
};

static inline int bed_route(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	struct bed *b = arg;

	(void)remote;
	if (*local == 0)
		*local = b->addr;
	*mtu = b->mtu;
	return 0;
}

static inline struct tcp_leave bed_leave(void *arg, uint32_t remote)
{
	const struct bed *b = arg;

	(void)remote;
	return b->leave;
}

static inline void bed_open(struct bed *b, uint32_t addr, const struct tcp_settings *set,
	const struct tcp_limits *limits)
{
	static const uint64_t seed[4] = {1, 2, 3, 4};
	const struct tcp_env env = {.route = bed_route, .leave = bed_leave, .arg = b};

	b->addr = addr;
	b->mtu = 1500;
	b->pool = heap_pool_new(BED_POOL, 2048 + RTE_PKTMBUF_HEADROOM);
	b->w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*b->w), 64));
	assert_true(b->pool != NULL && b->w != NULL);
	memset(b->w, 0, sizeof(*b->w));
	b->w->pool = b->pool;
	b->w->node = -1;
	b->t = tcp_new(b->w, set, limits, &env, seed);
	assert_non_null(b->t);
}

static inline void bed_free_dropped(struct bed *b)
{
	rte_pktmbuf_free_bulk(b->w->to_free, b->w->n_free);
	b->w->n_free = 0;
}

/* Between passes everything that came in is sent, consumed, dropped or held. */
static inline void bed_balanced(const struct bed *b)
{
	const struct books *k = &b->w->books;
	uint64_t ends = k->tx + k->consumed;
	struct tcp_usage u;

	tcp_usage(b->t, &u);
	ends += u.held_packets;
	for (int i = 0; i < DROP_MAX; i++)
		ends += k->drop[i];
	assert_int_equal(k->rx + k->originated, ends);
}

static inline void bed_close(struct bed *b)
{
	bed_balanced(b);
	tcp_free(b->t);
	bed_free_dropped(b);
	assert_int_equal(rte_mempool_in_use_count(b->pool), 0);
	heap_pool_free(b->pool);
	free(b->w);
}

/* A pass: packets in (at most 64; owned by the bed's pool), packets out (at most max). */
static inline uint32_t bed_pass(struct bed *b, uint64_t now_us, struct rte_mbuf **in, uint32_t n,
	struct rte_mbuf **out, uint32_t max)
{
	struct rte_mbuf *stray[64];
	uint32_t strays, sent;

	tcp_clock(b->t, now_us);
	b->w->books.rx += n;
	strays = tcp_input(b->t, in, n, stray);
	for (uint32_t i = 0; i < strays; i++) {
		tcp_refuse(b->t, stray[i]);
		drop(b->w, stray[i], DROP_TCP_NO_PORT);
	}
	tcp_timers(b->t, UINT32_MAX);
	sent = tcp_output(b->t, out, max);
	b->w->books.tx += sent;
	bed_free_dropped(b);
	bed_balanced(b);
	return sent;
}

/* A frame of `from` as received by `to`: one exact buffer of to's pool. Frees m. */
static inline struct rte_mbuf *bed_carry(struct bed *to, struct rte_mbuf *m)
{
	struct rte_mbuf *r = rte_pktmbuf_alloc(to->pool);
	uint32_t len = m->pkt_len;
	char *p;

	assert_non_null(r);
	r->port = 1; /* came in by an interface */
	p = rte_pktmbuf_append(r, (uint16_t)len);
	assert_non_null(p);
	for (const struct rte_mbuf *s = m; s != NULL; p += s->data_len, s = s->next)
		memcpy(p, rte_pktmbuf_mtod(s, char *), s->data_len);
	rte_pktmbuf_free(m);
	return r;
}

/* What `from` has to say, at most 64 segments, what `to` says to that, and back. */
static inline void bed_exchange(struct bed *from, struct bed *to, uint64_t now_us)
{
	struct rte_mbuf *out[64], *in[64];
	uint32_t n = bed_pass(from, now_us, NULL, 0, out, 64);

	for (uint32_t i = 0; i < n; i++)
		in[i] = bed_carry(to, out[i]);
	n = bed_pass(to, now_us, in, n, out, 64);
	for (uint32_t i = 0; i < n; i++)
		in[i] = bed_carry(from, out[i]);
	bed_pass(from, now_us, in, n, out, 0);
}

/* len bytes of a stream that begins at `from`: byte i is a function of its place. */
static inline struct rte_mbuf *bed_data(struct bed *b, uint64_t from, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
	uint8_t *p;

	assert_non_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	assert_non_null(p);
	for (uint32_t i = 0; i < len; i++)
		p[i] = (uint8_t)((from + i) * 31 + ((from + i) >> 8));
	return m;
}

static inline void bed_check_data(const struct rte_mbuf *m, uint64_t from)
{
	for (; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t i = 0; i < m->data_len; i++, from++)
			assert_int_equal(p[i], (uint8_t)(from * 31 + (from >> 8)));
	}
}

#endif
