/* SPDX-License-Identifier: BSD-3-Clause */
/* The stack of a case: made, driven through time, and looked at when all is over. */
#include "script.h"

#include "base/siphash.h"
#include "heap_pool.h"
#include "tcp/table.h"

#include <string.h>

#define MBUFS	  1024
#define TICK_US	  64
#define PATIENCE  UINT64_C(1000000000) /* by then nothing may be left of a case */
#define RUN_STEPS 100000
#define WIND_STEP (UINT64_C(1) << 36)

static const uint64_t seed[4] = {1, 2, 3, 4};

static struct rte_mempool *pool;

struct rte_mempool *bed_pool(void)
{
	if (pool == NULL)
		pool = heap_pool_new(MBUFS, 2048 + RTE_PKTMBUF_HEADROOM);
	return pool;
}

static struct rte_mbuf *starved[MBUFS];

void bed_starve(struct bed *b, uint32_t rest)
{
	if (rest == UINT32_MAX) {
		rte_pktmbuf_free_bulk(starved, b->n_starved);
		b->n_starved = 0;
	}
	while (rte_mempool_avail_count(pool) > rest)
		starved[b->n_starved++] = rte_pktmbuf_alloc(pool);
}

static int route(void *arg, uint32_t remote, uint32_t *local, uint16_t *mtu)
{
	struct bed *b = arg;

	(void)remote;
	if (b->no_route)
		return -ENETUNREACH;
	if (*local == 0)
		*local = OURS;
	*mtu = b->mtu;
	return 0;
}

void bed_begin(struct bed *b, const struct numbering *n)
{
	static struct worker *w;

	if (w == NULL)
		w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w), 64));
	memset(w, 0, sizeof(*w));
	w->pool = bed_pool();
	w->node = -1;
	memset(b, 0, offsetof(struct bed, file));
	b->w = w;
	b->set = tcp_settings_default;
	b->limits = tcp_limits_default;
	b->limits.connections = 64;
	b->limits.time_waits = 16;
	b->limits.listeners = 4;
	b->mtu = 1500;
	b->reading = true;
	b->numbering = n;
	b->listener = -1;
	b->on = bed_peer(b, PEER_PORT);
}

/*
 * Our sequence numbers are a clock of 4 us and a hash (RFC 6528): at which time is the number what
 * the numbering wants?
 */
static uint64_t first_time(const struct bed *b)
{
	const struct siphash_key key = {{seed[0], seed[1]}};
	const struct tcp_key pair = {
		to_be32(OURS), to_be32(PEERS), to_be16(b->on->local_port), to_be16(b->on->port)};
	uint32_t hash = (uint32_t)siphash(&key, &pair, sizeof(pair));

	if (b->numbering->start_us != 0)
		return b->numbering->start_us;
	return (uint64_t)(uint32_t)(b->numbering->ours - hash) << 2;
}

/* From 0 to the start in steps that the timer wheel takes. */
static void wind_up(struct bed *b)
{
	for (uint64_t us = 0; us < b->start_us; us += WIND_STEP) {
		tcp_clock(b->t, us);
		tcp_timers(b->t, UINT32_MAX);
	}
	tcp_clock(b->t, b->start_us);
}

struct tcp *bed_stack(struct bed *b)
{
	const struct tcp_env env = {.route = route, .arg = b};

	if (b->t != NULL)
		return b->t;
	b->start_us = first_time(b);
	b->now_us = b->start_us;
	b->t = tcp_new(b->w, &b->set, &b->limits, &env, seed);
	if (b->t == NULL)
		fail(b, "no memory for a stack");
	wind_up(b);
	return b->t;
}

struct peer *bed_peer(struct bed *b, uint16_t port)
{
	struct peer *p;

	for (uint32_t i = 0; i < b->n_peers; i++)
		if (b->peer[i].port == port)
			return &b->peer[i];
	if (b->n_peers == PEERS_MAX)
		fail(b, "more than %d peers", PEERS_MAX);
	p = &b->peer[b->n_peers++];
	*p = (struct peer){.port = port, .local_port = PORT, .window = UINT16_MAX};
	return p;
}

/* --- time --- */

/* rx + originated = tx + consumed + held + drops, at the end of each pass. */
static void check_books(struct bed *b)
{
	const struct books *k = &b->w->books;
	uint64_t ends = k->tx + k->consumed;
	struct tcp_usage u;

	tcp_usage(b->t, &u);
	ends += u.held_packets;
	for (int i = 0; i < DROP_MAX; i++)
		ends += k->drop[i];
	if (k->rx + k->originated != ends)
		fail(b,
			"the books do not balance: rx %lu originated %lu, tx %lu consumed %lu "
			"held %u, in all %lu",
			k->rx, k->originated, k->tx, k->consumed, u.held_packets, ends);
}

static void collect(struct bed *b)
{
	struct rte_mbuf *pkt[64];
	uint32_t n;

	do {
		n = tcp_output(b->t, pkt, b->numbering->burst);
		for (uint32_t i = 0; i < n; i++) {
			b->w->books.tx++;
			if (b->n_out == QUEUED_MAX) {
				rte_pktmbuf_free_bulk(pkt + i, n - i);
				fail(b, "more than %d packets at once", QUEUED_MAX);
			}
			b->out[b->n_out].m = pkt[i];
			b->out[b->n_out++].at = b->now_us - b->start_us;
		}
	} while (n == b->numbering->burst);
}

void bed_pass(struct bed *b)
{
	struct rte_mbuf *stray[TCP_BURST];
	struct tcp *t = bed_stack(b);
	uint32_t n = b->n_in, strays;

	tcp_clock(t, b->now_us);
	b->n_in = 0;
	b->w->books.rx += n;
	strays = tcp_input(t, b->in, n, stray);
	for (uint32_t i = 0; i < strays; i++) {
		tcp_refuse(t, stray[i]);
		drop(b->w, stray[i], DROP_TCP_NO_PORT);
	}
	tcp_timers(t, UINT32_MAX);
	collect(b);
	rte_pktmbuf_free_bulk(b->w->to_free, b->w->n_free);
	b->w->n_free = 0;
	check_books(b);
}

static void run(struct bed *b, uint64_t us, bool until_packet)
{
	uint64_t goal;

	bed_stack(b);
	goal = b->start_us + us;

	for (int i = 0; b->now_us < goal && !(until_packet && b->n_out != 0); i++) {
		uint64_t left = goal - b->now_us, step = tcp_next_timer(b->t, left);

		if (i == RUN_STEPS)
			fail(b, "timers fire without end");
		b->now_us += RTE_MIN(RTE_MAX(step, (uint64_t)TICK_US), left);
		bed_pass(b);
	}
}

void bed_run_to(struct bed *b, uint64_t us)
{
	run(b, us, false);
}

void bed_run_until_packet(struct bed *b, uint64_t us)
{
	run(b, us, true);
}

/* --- looking --- */

struct looking {
	const struct peer *for_whom;
	enum tcp_state state;
};

static void see(void *arg, const struct tcp_info *info)
{
	struct looking *l = arg;

	if (info->remote_port == l->for_whom->port && info->local_port == l->for_whom->local_port)
		l->state = info->state;
}

enum tcp_state bed_state(struct bed *b, const struct peer *p)
{
	struct looking l = {p, TCP_CLOSED};
	uint64_t cursor = 0;

	while (tcp_walk(bed_stack(b), &cursor, 64, see, &l))
		;
	return l.state;
}

/* --- the end --- */

static void throw_away(struct bed *b)
{
	for (uint32_t i = 0; i < b->n_out; i++)
		rte_pktmbuf_free(b->out[i].m);
	rte_pktmbuf_free_bulk(b->in, b->n_in);
	b->n_out = b->n_in = 0;
	bed_starve(b, UINT32_MAX);
}

static void nothing_is_left(struct bed *b)
{
	struct tcp_usage u;

	tcp_usage(b->t, &u);
	if (u.connections + u.half_open + u.orphans + u.time_waits + u.timers + u.held_buffers +
			u.held_bytes + u.held_packets !=
		0)
		fail(b,
			"left behind: %u connections, %u half open, %u orphans, %u TIME_WAIT, "
			"%u timers, %u buffers, %lu bytes, %u packets",
			u.connections, u.half_open, u.orphans, u.time_waits, u.timers,
			u.held_buffers, u.held_bytes, u.held_packets);
}

void bed_end(struct bed *b)
{
	if (b->t == NULL)
		return;
	for (uint32_t i = 0; i < b->n_peers; i++) {
		if (b->peer[i].conn != NULL)
			tcp_abort(b->t, b->peer[i].conn);
		b->peer[i].conn = NULL;
	}
	if (b->listener >= 0)
		tcp_unlisten(b->t, b->listener);
	bed_pass(b);
	for (uint64_t end = b->now_us + PATIENCE; b->now_us < end;) {
		throw_away(b);
		b->now_us += RTE_MAX(tcp_next_timer(b->t, PATIENCE), (uint64_t)TICK_US);
		bed_pass(b);
	}
	throw_away(b);
	nothing_is_left(b);
	tcp_free(b->t);
	b->t = NULL;
	if (rte_mempool_in_use_count(b->w->pool) != 0)
		fail(b, "%u buffers leaked", rte_mempool_in_use_count(b->w->pool));
}

void bed_break(struct bed *b)
{
	throw_away(b);
	rte_pktmbuf_free_bulk(b->w->to_free, b->w->n_free);
	b->w->n_free = 0;
	tcp_free(b->t);
	b->t = NULL;
	if (rte_mempool_in_use_count(pool) == 0)
		return;
	heap_pool_free(pool); /* the next case has one of its own */
	pool = NULL;
}
