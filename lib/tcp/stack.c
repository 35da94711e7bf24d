/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A stack's memory, and the beginning and end of a connection.
 *
 * Connections, flights and TIME_WAIT records come from slabs: address space for as many as the
 * limits allow, memory only for those that were ever in use. What ends in a pass keeps its memory
 * until the next tcp_clock(), because the burst at hand may still name it.
 */
#include "engine.h"

#include "base/numa.h"

#include <stdlib.h>
#include <string.h>

#define SENT_MAX    65536	   /* segments out at once */
#define SHARE_LEAST UINT64_C(2920) /* two segments of an Ethernet */

const struct tcp_settings tcp_settings_default = {
	.msl_ms = 30000,
	.rto_min_us = 200000,
	.rto_max_us = 60000000,
	.rto_first_us = 1000000,
	.delayed_ack_us = 40000,
	.r1_retries = 3,
	.r2_ms = 900000,
	.syn_r2_ms = 180000,
	.syn_ack_retries = 5,
	.fin_wait_2_ms = 60000,
	.challenge_acks = 2,
	.challenge_acks_all = 0,
	.mtu_floor = 552,
	.timestamps = true,
	.sack = true,
	.window_scaling = true,
	.ecn = false,
	.path_mtu = true,
	.cc = &tcp_cubic,
	.options = {.receive_buffer = 1 << 20,
		.send_buffer = 1 << 20,
		.keepalive_interval_s = 75,
		.keepalive_probes = 10,
		.ttl = 64},
};

const struct tcp_limits tcp_limits_default = {
	.connections = 1 << 20,
	.time_waits = 1 << 18,
	.listeners = 1024,
	.orphans = 1 << 16,
	.held_bytes = UINT64_C(1) << 30,
	.held_buffers = 1 << 18,
};

/* --- slabs --- */

static int slab_open(struct slab *s, uint32_t stride, uint32_t max, int node)
{
	s->base = max != 0 ? numa_reserve((size_t)stride * max, node) : NULL;
	s->stride = stride;
	s->max = max;
	return s->base == NULL && max != 0 ? -ENOMEM : 0;
}

static void slab_close(struct slab *s)
{
	if (s->base != NULL)
		numa_drop(s->base, (size_t)s->stride * s->max);
}

void *slab_take(struct slab *s)
{
	void *p;

	if (s->free != 0) {
		p = s->base + (size_t)(s->free - 1) * s->stride;
		s->free = load32(p);
		memset(p, 0, s->stride);
	} else if (s->fresh < s->max) {
		p = s->base + (size_t)s->fresh++ * s->stride;
	} else {
		return NULL;
	}
	s->used++;
	return p;
}

void slab_give(struct slab *s, void *p)
{
	store32(p, s->free);
	s->free = (uint32_t)(((char *)p - s->base) / s->stride) + 1;
	s->used--;
}

/* --- the stack --- */

static int open_slabs(struct tcp *t, int node)
{
	if (slab_open(&t->conns, sizeof(struct tcp_conn), t->limits.connections, node) < 0 ||
		slab_open(&t->flights, sizeof(struct tcp_flight), t->limits.connections, node) <
			0 ||
		slab_open(&t->tws, sizeof(struct time_wait), t->limits.time_waits, node) < 0)
		return -ENOMEM;
	t->conn = (struct tcp_conn *)t->conns.base;
	t->tw = (struct time_wait *)t->tws.base;
	return 0;
}

static int open_index(struct tcp *t, const uint64_t seed[4], int node)
{
	const struct tcp_table_elements elements = {.first = t->conns.base,
		.second = t->tws.base,
		.split = t->limits.connections,
		.first_stride = sizeof(struct tcp_conn),
		.second_stride = sizeof(struct time_wait)};
	struct siphash_key own;

	t->isn_key = (struct siphash_key){{seed[0], seed[1]}};
	t->cookie_key = (struct siphash_key){{seed[2], seed[3]}};
	/* of the seed, too, so that a run with the same seed is the same run */
	for (uint64_t i = 0; i < RTE_DIM(own.word); i++)
		own.word[i] = siphash(&t->cookie_key, &i, sizeof(i));
	t->next_port = (uint16_t)siphash(&own, &own, sizeof(own));
	t->table = tcp_table_new(
		&elements, t->limits.connections + t->limits.time_waits, own.word, node);
	t->wheel = wheel_new(
		t->conn, sizeof(struct tcp_conn), offsetof(struct tcp_conn, timer), t->tick, node);
	t->delayed.size = rte_align32pow2(t->limits.connections);
	t->delayed.ring = numa_reserve(t->delayed.size * sizeof(t->delayed.ring[0]), node);
	t->listener = calloc(t->limits.listeners, sizeof(*t->listener));
	return t->table == NULL || t->wheel == NULL || t->listener == NULL ||
			       t->delayed.ring == NULL
		       ? -ENOMEM
		       : 0;
}

struct tcp *tcp_new(struct worker *w, const struct tcp_settings *s, const struct tcp_limits *l,
	const struct tcp_env *env, const uint64_t seed[4])
{
	struct tcp *t = numa_take(sizeof(*t), w->node);

	if (t == NULL)
		return NULL;
	t->w = w;
	t->set = *s;
	t->limits = *l;
	t->env = *env;
	t->tick = 1;
	stack_weigh(t);
	if (open_slabs(t, w->node) < 0 || open_index(t, seed, w->node) < 0) {
		tcp_free(t);
		return NULL;
	}
	return t;
}

void tcp_configure(struct tcp *t, const struct tcp_settings *s)
{
	t->set = *s;
}

struct worker *tcp_worker(const struct tcp *t)
{
	return t->w;
}

static void conn_strip(struct tcp *t, struct tcp_conn *c)
{
	if (c->flight != NULL)
		flight_free(t, c);
	if (c->ooo != NULL)
		receive_free(t, c);
}

void tcp_free(struct tcp *t)
{
	if (t == NULL)
		return;
	input_flush(t);
	for (uint32_t i = 0; t->conn != NULL && i < t->conns.fresh; i++)
		if (t->conn[i].state != TCP_CLOSED)
			conn_strip(t, &t->conn[i]);
	free(t->listener);
	if (t->delayed.ring != NULL)
		numa_drop(t->delayed.ring, t->delayed.size * sizeof(t->delayed.ring[0]));
	wheel_free(t->wheel);
	tcp_table_free(t->table);
	slab_close(&t->conns);
	slab_close(&t->flights);
	slab_close(&t->tws);
	numa_drop(t, sizeof(*t));
}

/* Those that ended in the last pass give their memory back. */
static void bury(struct tcp *t)
{
	while (t->dead != 0) {
		struct tcp_conn *c = &t->conn[t->dead - 1];

		t->dead = c->dirty_next;
		slab_give(&t->conns, c);
	}
}

void tcp_clock(struct tcp *t, uint64_t now_us)
{
	t->now_us = now_us;
	t->us = (uint32_t)now_us;
	t->tick = (uint32_t)(now_us >> TICK_SHIFT) | 1;
	t->stamp = (uint32_t)(now_us / 1000);
	bury(t);
	stack_weigh(t);
	tcp_table_sweep(t->table);
}

/* --- what all may hold --- */

/* Unread bytes are taken to lie in buffers of 1 KiB: in fact they are fuller, or fewer. */
uint32_t stack_free(const struct tcp *t)
{
	uint64_t used = t->held_buffers + (t->unread >> 10);

	return used < t->limits.held_buffers ? t->limits.held_buffers - (uint32_t)used : 0;
}

void stack_weigh(struct tcp *t)
{
	uint32_t all = t->limits.held_buffers, reserve = all / 16, free = stack_free(t);
	uint64_t room = free > reserve ? free - reserve : 0, share;

	/* all: the power of two below it */
	share = (room * room >> (31 - __builtin_clz(all | 1))) << 9;
	if (room != 0)
		t->share = (int32_t)RTE_MAX(RTE_MIN(share, (uint64_t)INT32_MAX), SHARE_LEAST);
	else
		t->share = free >= reserve / 2 ? 0 : -1;
	/* what was announced is kept to as long as it can be: a refusal costs a time-out */
	t->most = free > 2 * reserve ? INT32_MAX : t->share;
}

bool stack_has_room(const struct tcp *t)
{
	return t->held_buffers < t->limits.held_buffers && t->held_bytes < t->limits.held_bytes;
}

void stack_drop(struct tcp *t, struct segment *s, enum drop_reason why)
{
	drop(t->w, s->m, why);
	s->m = NULL;
}

struct loose *stack_loose(struct tcp *t)
{
	if (t->n_loose == LOOSE_MAX) {
		t->w->count[COUNT_tcp_loose_lost]++;
		return NULL;
	}
	return memset(&t->loose[t->n_loose++], 0, sizeof(t->loose[0]));
}

void stack_refuse_ack(struct tcp *t, const struct tcp_conn *c, uint32_t ack)
{
	struct loose *r = stack_loose(t);

	if (r == NULL)
		return;
	r->key = c->key;
	r->seq = ack;
	r->flags = TCP_RST;
	r->ttl = c->ttl;
	t->w->count[COUNT_tcp_resets_sent]++;
}

/* RFC 6528: a clock of 4 us, and a secret function of the four. */
uint32_t stack_isn(const struct tcp *t, const struct tcp_key *key)
{
	return (uint32_t)(t->now_us >> 2) + (uint32_t)siphash(&t->isn_key, key, sizeof(*key));
}

/* RFC 7323 5.4: each connection's clock begins somewhere else; the same pair's goes on. */
uint32_t stack_ts_offset(const struct tcp *t, const struct tcp_key *key)
{
	return (uint32_t)(siphash(&t->isn_key, key, sizeof(*key)) >> 32);
}

/* --- connections --- */

static void conn_options(struct tcp *t, struct tcp_conn *c, const struct tcp_options *o)
{
	c->rcv_buf = o->receive_buffer;
	c->snd_buf = o->send_buffer;
	c->user_timeout = o->user_timeout_ms;
	c->stall_timeout = (uint16_t)RTE_MIN((o->stall_timeout_ms + 999) / 1000, UINT16_MAX);
	c->keep_idle = o->keepalive_idle_s;
	c->keep_interval = o->keepalive_interval_s;
	c->keep_probes = o->keepalive_probes;
	c->ttl = o->ttl;
	c->tos = o->tos & 0xfc;
	c->wants = o->nodelay ? WANT_NODELAY : 0;
	c->cc = o->cc != NULL ? o->cc : t->set.cc;
	c->our_mss = o->mss;
}

struct tcp_conn *conn_new(
	struct tcp *t, const struct tcp_key *key, uint32_t hash, const struct tcp_options *options)
{
	struct tcp_conn *c = slab_take(&t->conns);

	if (c == NULL || tcp_table_add(t->table, hash, conn_index(t, c)) < 0) {
		if (c != NULL)
			slab_give(&t->conns, c);
		t->w->count[COUNT_tcp_no_memory]++;
		return NULL;
	}
	t->changes++;
	c->key = *key;
	c->hash = hash;
	conn_options(t, c, options);
	c->ts_off = stack_ts_offset(t, key);
	c->peer_mss = TCP_MSS_DEFAULT;
	c->rto = t->set.rto_first_us;
	c->ssthresh = CWND_MAX;
	c->min_rtt = UINT32_MAX;
	c->last_rx = t->stamp;
	c->stuck_since = t->tick;
	return c;
}

/* Out of every list and table; the memory stays until the next pass. */
static void conn_remove(struct tcp *t, struct tcp_conn *c)
{
	tcp_table_remove(t->table, c->hash, conn_index(t, c));
	t->changes++;
	wheel_cancel(t->wheel, conn_index(t, c));
	if (c->listener != 0) {
		t->listener[c->listener - 1].half_open--;
		t->closing -= !t->listener[c->listener - 1].open;
		c->listener = 0;
	}
	t->half_open -= state_is_half_open(c->state);
	t->w->count[COUNT_tcp_attempt_fails] += state_is_half_open(c->state);
	t->w->count[COUNT_tcp_established_resets] +=
		c->state == TCP_ESTABLISHED || c->state == TCP_CLOSE_WAIT;
	t->orphans -= (c->wants & WANT_NOTHING) != 0;
	t->unread -= c->unread;
	c->unread = 0;
	conn_strip(t, c);
	c->state = TCP_CLOSED;
	if (!(c->todo & TODO_LISTED)) {
		c->dirty_next = t->dead;
		t->dead = conn_index(t, c) + 1;
	} /* else tcp_output() finds it closed, and does so */
}

/* The handle is the application's no more: it hears so, unless it said so. */
static void conn_tell_end(struct tcp *t, struct tcp_conn *c, int error)
{
	const struct tcp_ops *ops = c->ops;

	if (t->run == c)
		input_flush(t);
	if (c->state == TCP_CLOSED || (c->wants & WANT_NOTHING) || c->listener != 0)
		return;
	c->ops = NULL;
	c->wants |= IS_ENDING;
	if (ops != NULL && ops->on_end != NULL)
		ops->on_end(t, c, error);
}

void conn_end(struct tcp *t, struct tcp_conn *c, int error)
{
	conn_tell_end(t, c, error);
	if (c->state != TCP_CLOSED)
		conn_remove(t, c);
}

void conn_reset(struct tcp *t, struct tcp_conn *c, int error)
{
	struct loose *l = c->state == TCP_SYN_SENT ? NULL : stack_loose(t);

	if (l != NULL) {
		l->key = c->key;
		l->seq = conn_seq(c);
		l->ack = c->rcv_nxt;
		l->flags = TCP_RST | TCP_ACK;
		l->ttl = c->ttl;
		l->tos = c->tos;
		if (c->uses & USES_TS) { /* RFC 7323 3.2 */
			l->opts.has = TCP_HAS_TS;
			l->opts.ts_val = stack_stamp(t, c);
			l->opts.ts_ecr = c->ts_recent;
		}
		t->w->count[COUNT_tcp_resets_sent]++;
	}
	conn_end(t, c, error);
}

/* What is left of it. */
static struct time_wait record_of(const struct tcp_conn *c)
{
	uint32_t window = (c->rcv_end - c->rcv_nxt) >> c->rcv_scale;

	return (struct time_wait){.key = c->key,
		.hash = c->hash,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.ts_recent = c->ts_recent,
		.ts_off = c->ts_off,
		.window = (uint16_t)RTE_MIN(window, WINDOW_UNSCALED),
		.uses = c->uses,
		.ttl = c->ttl};
}

/* Remembered, unless there is no room even after the oldest made some. */
static void remember(struct tcp *t, const struct time_wait *record)
{
	struct time_wait *tw;

	if (t->tw_first != 0 && t->tws.used == t->tws.max) {
		t->w->count[COUNT_tcp_time_wait_overflow]++;
		timewait_end(t, &t->tw[t->tw_first - 1]);
	}
	tw = slab_take(&t->tws);
	if (tw == NULL)
		return;
	*tw = *record;
	timewait_begin(t, tw);
}

void conn_time_wait(struct tcp *t, struct tcp_conn *c)
{
	bool owes_ack = (c->todo & TODO_ACK) != 0;
	struct time_wait record;

	conn_tell_end(t, c, 0);
	if (c->state == TCP_CLOSED)
		return;
	record = record_of(c);
	conn_remove(t, c);
	remember(t, &record);
	if (owes_ack) /* of the peer's FIN */
		timewait_ack(t, &record);
}

void conn_arm(struct tcp *t, struct tcp_conn *c)
{
	uint32_t first = 0;

	if (c->rtx_at != 0)
		first = c->rtx_at;
	if (c->idle_at != 0 && (first == 0 || seq_lt(c->idle_at, first)))
		first = c->idle_at;
	if (first == 0 || (wheel_armed(&c->timer) && seq_leq(c->timer.due, first)))
		return; /* one that fires early finds nothing to do, and arms again */
	wheel_arm(t->wheel, conn_index(t, c), first);
}

void conn_wait_for_ack(struct tcp *t, struct tcp_conn *c)
{
	struct delayed *d = &t->delayed;
	uint32_t last = (d->first + d->n) & (d->size - 1);

	if (c->todo & TODO_DELAYED) /* its entry will find that there is time left */
		return;
	if (d->n == d->size) { /* no room to wait in */
		conn_todo(t, c, TODO_ACK);
		return;
	}
	c->todo |= TODO_DELAYED;
	d->ring[last].conn = conn_index(t, c);
	d->ring[last].at = c->ack_at;
	d->n++;
}

/* --- what is queued and out --- */

/* RFC 5681 4.1: what was measured before a silence longer than the RTO holds no more. */
static void restart_after_idle(struct tcp *t, struct tcp_conn *c)
{
	if (c->cwnd == 0 || t->tick - c->stuck_since < TICKS_OF_US(c->rto))
		return;
	c->cwnd = RTE_MIN(c->cwnd, recovery_initial_window(c));
	c->cc->idle(c, t->us);
}

struct tcp_flight *conn_flight(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f != NULL)
		return f;
	f = slab_take(&t->flights);
	if (f == NULL)
		return NULL;
	f->sent = f->inline_sent;
	f->size = FLIGHT_INLINE;
	f->head_seq = f->queued_end = f->full_end = c->snd_nxt;
	restart_after_idle(t, c);
	c->stuck_since = t->tick;
	f->stall_since = f->aged_at = t->tick;
	f->stall_from = c->snd_una;
	f->stall_goal = c->snd_una + 1; /* the first byte; ack.c goes on from there */
	c->flight = f;
	return f;
}

void flight_free(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	while (f->head != NULL) {
		struct rte_mbuf *m = f->head;

		f->head = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		t->held_buffers--;
		t->held_bytes -= held_of(m);
		rte_pktmbuf_free_seg(m);
	}
	if (f->sent != f->inline_sent)
		free(f->sent);
	c->flight = NULL;
	c->odd &= (uint8_t)~ODD_RECOVERY;
	c->rtx_at = 0;
	slab_give(&t->flights, f);
}

/* A ring of twice the size. */
static bool grow(struct tcp_flight *f)
{
	struct tcp_sent *more = f->size < SENT_MAX ? malloc(2 * f->size * sizeof(*more)) : NULL;

	if (more == NULL)
		return false;
	for (uint32_t i = 0; i < f->n; i++)
		more[i] = *flight_sent(f, i);
	if (f->sent != f->inline_sent)
		free(f->sent);
	f->sent = more;
	f->first = 0;
	f->size *= 2;
	return true;
}

bool flight_reserve(struct tcp_flight *f, uint32_t n)
{
	while (f->size - f->n < n)
		if (!grow(f))
			return false;
	return true;
}

struct tcp_sent *flight_push(struct tcp_flight *f)
{
	return memset(flight_sent(f, f->n++), 0, sizeof(struct tcp_sent));
}
