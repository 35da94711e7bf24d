/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_invariants: what holds of a stack between any two of its functions, looked at from inside.
 *
 * tcp_invariants() returns NULL, or what is broken. A struct tcp_witness remembers what may only
 * grow, connection by connection; zeroed at the start. Include it with lib/tcp in the include path.
 * It costs time in proportion to all that is queued.
 */
#ifndef TESTS_TCP_INVARIANTS_H
#define TESTS_TCP_INVARIANTS_H

#include "engine.h"

#define TCP_WITNESSED 64 /* connections that are remembered, by index */

struct tcp_witness {
	struct {
		struct tcp_key key;
		uint32_t hash;
		uint32_t iss;
		uint32_t irs;
		uint32_t rcv_nxt;
		uint32_t rcv_end;
		uint32_t snd_una;
		uint32_t snd_edge; /* the furthest that the peer ever let us send */
		uint8_t state;
	} conn[TCP_WITNESSED];
};

/* Sums over all connections, to be compared with the stack's own. */
struct tcp_recount {
	uint64_t held_bytes;
	uint64_t unread;
	uint32_t held_buffers;
	uint32_t held_packets;
	uint32_t half_open;
	uint32_t orphans;
	uint32_t timers;
	uint32_t live;
	uint32_t listed;
};

#define TCP_INVARIANT(condition)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return #condition;                                                         \
	} while (0)

/* A place in the queue that goes on from record to record. */
struct tcp_queue_at {
	const struct rte_mbuf *m;
	uint32_t seq;
};

/* Whether `skip` bytes into buffer m is sequence number seq of the queue, from *at on. */
static inline bool tcp_queue_has(
	struct tcp_queue_at *at, const struct rte_mbuf *m, uint32_t skip, uint32_t seq)
{
	for (; at->m != NULL && at->m != m; at->m = at->m->next)
		at->seq += at->m->data_len;
	return at->m != NULL && skip < m->data_len && at->seq + skip == seq;
}

static inline const char *tcp_invariants_queue(const struct tcp_flight *f, struct tcp_recount *sum)
{
	const struct rte_mbuf *last = NULL;
	uint32_t bytes = 0, held = 0, buffers = 0;

	for (const struct rte_mbuf *b = f->head; b != NULL; last = b, b = b->next) {
		TCP_INVARIANT(b->data_len != 0);
		TCP_INVARIANT(rte_mbuf_refcnt_read(b) >= 1);
		bytes += b->data_len;
		held += held_of(b);
		buffers++;
	}
	TCP_INVARIANT(f->buffers == buffers);
	sum->held_buffers += buffers;
	sum->held_bytes += held;
	TCP_INVARIANT(f->tail == last);
	TCP_INVARIANT(f->head == NULL || f->head_seq + bytes == f->queued_end);
	return NULL;
}

static inline const char *tcp_invariants_record(
	struct tcp_queue_at *at, const struct tcp_sent *r, bool first, bool last)
{
	uint32_t data = r->end - r->seq - !!(r->flags & SENT_SYN) - !!(r->flags & SENT_FIN);

	TCP_INVARIANT(seq_lt(r->seq, r->end));
	TCP_INVARIANT((r->flags & (SENT_SACKED | SENT_LOST)) != (SENT_SACKED | SENT_LOST));
	TCP_INVARIANT(!(r->flags & SENT_SYN) || (first && data == 0));
	TCP_INVARIANT(!(r->flags & SENT_FIN) || last);
	TCP_INVARIANT(data == 0 || tcp_queue_has(at, r->m, r->skip, r->seq));
	return NULL;
}

static inline const char *tcp_invariants_ring(const struct tcp_conn *c, const struct tcp_flight *f)
{
	uint32_t seq = c->snd_una, sacked = 0, lost = 0;
	struct tcp_queue_at at = {f->head, f->head_seq};

	TCP_INVARIANT(f->size >= FLIGHT_INLINE && (f->size & (f->size - 1)) == 0);
	TCP_INVARIANT(f->n <= f->size);
	for (uint32_t i = 0; i < f->n; i++) {
		const struct tcp_sent *r = flight_sent(f, i);
		const char *broken = tcp_invariants_record(&at, r, i == 0, i == f->n - 1);

		if (broken != NULL)
			return broken;
		TCP_INVARIANT(r->seq == seq);
		seq = r->end;
		sacked += r->flags & SENT_SACKED ? r->end - r->seq : 0;
		lost += r->flags & SENT_LOST ? r->end - r->seq : 0;
		TCP_INVARIANT(!flight_in_run(f, r->seq) || (r->flags & SENT_SACKED));
	}
	TCP_INVARIANT(seq == c->snd_nxt);
	TCP_INVARIANT(sacked == f->sacked);
	TCP_INVARIANT(lost == f->lost);
	TCP_INVARIANT((uint64_t)f->sacked + f->lost <= c->snd_nxt - c->snd_una);
	return NULL;
}

/* It fires at that tick or before; one that has passed, at the next. */
static inline bool tcp_timer_stands(const struct tcp *t, const struct tcp_conn *c, uint32_t at)
{
	return wheel_armed(&c->timer) &&
	       seq_leq(c->timer.due, seq_max(at, wheel_now(t->wheel) + 1));
}

static inline const char *tcp_invariants_flight(
	const struct tcp *t, const struct tcp_conn *c, struct tcp_recount *sum)
{
	const struct tcp_flight *f = c->flight;
	const char *broken = tcp_invariants_queue(f, sum);

	if (broken == NULL)
		broken = tcp_invariants_ring(c, f);
	if (broken != NULL)
		return broken;
	/* a SYN that was not sent yet stands before the queue */
	if (!(state_is_half_open(c->state) && f->n == 0)) {
		TCP_INVARIANT((f->cursor != NULL) == seq_lt(c->snd_nxt, f->queued_end));
		TCP_INVARIANT(f->cursor == NULL ||
			      tcp_queue_has(&(struct tcp_queue_at){f->head, f->head_seq}, f->cursor,
				      f->cursor_skip, c->snd_nxt));
	}
	TCP_INVARIANT(c->rtx_at == 0 || f->timer != TIMER_NONE || (c->todo & TODO_LISTED));
	/* whatever is queued or out goes on by itself */
	TCP_INVARIANT(
		(c->todo & TODO_LISTED) || (c->rtx_at != 0 && tcp_timer_stands(t, c, c->rtx_at)));
	return NULL;
}

static inline const char *tcp_invariants_ooo(const struct tcp_conn *c, struct tcp_recount *sum)
{
	const struct tcp_ooo *o = c->ooo;
	uint32_t before = c->rcv_nxt, held = 0;

	TCP_INVARIANT(c->odd & ODD_OUT_OF_ORDER);
	TCP_INVARIANT(o->n <= o->room);
	TCP_INVARIANT(o->n != 0 || o->fin || o->duplicate);
	for (uint32_t i = 0; i < o->n; i++) {
		const struct range *r = &o->range[i];
		uint32_t bytes = 0, buffers = 0;
		const struct rte_mbuf *last = NULL;

		TCP_INVARIANT(seq_gt(r->start, before));
		TCP_INVARIANT(seq_gt(r->end, r->start));
		for (const struct rte_mbuf *m = r->head; m != NULL; last = m, m = m->next) {
			bytes += m->data_len;
			buffers++;
		}
		TCP_INVARIANT(r->tail == last);
		TCP_INVARIANT(bytes == r->end - r->start);
		TCP_INVARIANT(buffers == r->buffers);
		TCP_INVARIANT(r->packets <= r->buffers);
		TCP_INVARIANT(r->buffers <= RTE_MBUF_MAX_NB_SEGS);
		before = r->end;
		sum->held_bytes += bytes;
		sum->held_buffers += buffers;
		held += buffers;
		sum->held_packets += r->packets;
	}
	TCP_INVARIANT(seq_leq(before, c->rcv_end));
	TCP_INVARIANT(held == o->buffers);
	return NULL;
}

static inline const char *tcp_invariants_witness(
	const struct tcp *t, const struct tcp_conn *c, struct tcp_witness *w)
{
	uint32_t index = conn_index(t, c), edge = c->snd_una + c->snd_wnd;

	if (index >= TCP_WITNESSED)
		return NULL;
	if (!tcp_key_equal(&w->conn[index].key, &c->key) || w->conn[index].iss != c->iss ||
		w->conn[index].irs != c->irs || w->conn[index].state == TCP_CLOSED ||
		state_is_half_open(w->conn[index].state)) {
		w->conn[index].key = c->key;
		w->conn[index].iss = c->iss;
		w->conn[index].irs = c->irs;
		w->conn[index].snd_edge = edge;
	} else {
		TCP_INVARIANT(seq_geq(c->rcv_nxt, w->conn[index].rcv_nxt));
		TCP_INVARIANT(seq_geq(c->rcv_end, w->conn[index].rcv_end));
		TCP_INVARIANT(seq_geq(c->snd_una, w->conn[index].snd_una));
	}
	w->conn[index].rcv_nxt = c->rcv_nxt;
	w->conn[index].rcv_end = c->rcv_end;
	w->conn[index].snd_una = c->snd_una;
	w->conn[index].snd_edge = seq_max(w->conn[index].snd_edge, edge);
	w->conn[index].state = c->state;
	if (!state_is_half_open(c->state)) /* a probe's octet, and a FIN, may stand behind it */
		TCP_INVARIANT(seq_leq(c->snd_nxt, w->conn[index].snd_edge + 2));
	return NULL;
}

static inline const char *tcp_invariants_conn(const struct tcp *t, const struct tcp_conn *c,
	struct tcp_witness *w, struct tcp_recount *sum)
{
	const char *broken = NULL;

	sum->half_open += state_is_half_open(c->state);
	sum->orphans += (c->wants & WANT_NOTHING) != 0;
	sum->timers += wheel_armed(&c->timer);
	sum->live++;
	sum->unread += c->unread;
	TCP_INVARIANT(
		c->state <= TCP_LAST_ACK && c->state != TCP_LISTEN && c->state != TCP_TIME_WAIT);
	TCP_INVARIANT(tcp_table_find(t->table, c->hash, &c->key) == conn_index(t, c));
	TCP_INVARIANT(seq_leq(c->snd_una, c->snd_nxt));
	TCP_INVARIANT(seq_leq(c->rcv_nxt, c->rcv_end));
	TCP_INVARIANT((c->listener != 0) == (c->state == TCP_SYN_RCVD && !(c->wants & IS_ACTIVE)));
	TCP_INVARIANT(c->flight != NULL || c->snd_una == c->snd_nxt);
	TCP_INVARIANT(c->flight != NULL || c->rtx_at == 0);
	TCP_INVARIANT(((c->uses & HOLDS_SMALL) != 0) == (c->small != 0));
	TCP_INVARIANT(c->ooo != NULL || !(c->odd & ODD_OUT_OF_ORDER));
	if (!state_is_half_open(c->state)) {
		TCP_INVARIANT(c->mss != 0 && c->mss <= RTE_MAX(c->peer_mss, 8));
		TCP_INVARIANT(c->cwnd >= c->mss && c->cwnd <= 2 * CWND_MAX);
		TCP_INVARIANT(!(c->todo & TODO_ACK) || (c->todo & TODO_LISTED));
		TCP_INVARIANT(c->ack_at == 0 || (c->todo & (TODO_LISTED | TODO_DELAYED)) ||
			      tcp_timer_stands(t, c, c->ack_at));
		/* what was shut down gets its FIN out, and has it acknowledged */
		TCP_INVARIANT((c->state != TCP_FIN_WAIT_1 && c->state != TCP_CLOSING &&
				      c->state != TCP_LAST_ACK) ||
			      c->flight != NULL || (c->todo & TODO_LISTED));
		TCP_INVARIANT(c->rcv_nxt == c->last_ack || c->ack_at != 0 ||
			      (c->todo & TODO_LISTED)); /* each byte is acknowledged at last */
	}
	if (c->flight != NULL)
		broken = tcp_invariants_flight(t, c, sum);
	if (broken == NULL && c->ooo != NULL)
		broken = tcp_invariants_ooo(c, sum);
	return broken != NULL ? broken : tcp_invariants_witness(t, c, w);
}

/* The dirty list is whole, and so is that of the dead; together with the living they are all. */
static inline const char *tcp_invariants_lists(const struct tcp *t, struct tcp_recount *sum)
{
	uint32_t n = 0, last = 0, dead = 0, closed = 0;

	for (uint32_t i = t->dirty_first; i != 0; last = i, i = t->conn[i - 1].dirty_next) {
		TCP_INVARIANT(n++ <= t->conns.fresh);
		TCP_INVARIANT(t->conn[i - 1].todo & TODO_LISTED);
		closed += t->conn[i - 1].state == TCP_CLOSED;
	}
	TCP_INVARIANT(n == 0 || last == t->dirty_last);
	for (uint32_t i = t->dead; i != 0; i = t->conn[i - 1].dirty_next) {
		TCP_INVARIANT(dead++ <= t->conns.fresh);
		TCP_INVARIANT(t->conn[i - 1].state == TCP_CLOSED);
		TCP_INVARIANT(!(t->conn[i - 1].todo & TODO_LISTED));
	}
	sum->listed = n;
	TCP_INVARIANT(sum->live + dead + closed == t->conns.used);
	return NULL;
}

static inline const char *tcp_invariants_listeners(const struct tcp *t)
{
	uint32_t closing = 0;

	for (uint32_t i = 0; i < t->n_listeners; i++) {
		uint32_t half_open = 0;

		for (uint32_t c = 0; c < t->conns.fresh; c++)
			half_open +=
				t->conn[c].state == TCP_SYN_RCVD && t->conn[c].listener == i + 1;
		TCP_INVARIANT(t->listener[i].half_open == half_open);
		closing += t->listener[i].open ? 0 : half_open;
	}
	TCP_INVARIANT(t->closing == closing);
	return NULL;
}

static inline const char *tcp_invariants_books(const struct tcp *t)
{
	const struct books *b = &t->w->books;
	uint64_t ends = b->tx + b->consumed + t->held_packets;

	for (int i = 0; i < DROP_MAX; i++)
		ends += b->drop[i];
	TCP_INVARIANT(b->rx + b->originated == ends);
	return NULL;
}

/* NULL, or what does not hold. The books: with every packet that went in and out in them. */
static inline const char *tcp_invariants(const struct tcp *t, struct tcp_witness *w)
{
	struct tcp_recount sum = {0};
	const char *broken = NULL;

	for (uint32_t i = 0; i < t->conns.fresh && broken == NULL; i++) {
		if (t->conn[i].state != TCP_CLOSED)
			broken = tcp_invariants_conn(t, &t->conn[i], w, &sum);
		else if (i < TCP_WITNESSED)
			w->conn[i].state = TCP_CLOSED;
	}
	if (broken == NULL)
		broken = tcp_invariants_lists(t, &sum);
	if (broken == NULL)
		broken = tcp_invariants_listeners(t);
	if (broken == NULL)
		broken = tcp_invariants_books(t);
	if (broken != NULL)
		return broken;
	TCP_INVARIANT(t->run == NULL);
	TCP_INVARIANT(t->held_bytes == sum.held_bytes);
	TCP_INVARIANT(t->unread == sum.unread);
	TCP_INVARIANT(t->held_buffers == sum.held_buffers);
	TCP_INVARIANT(t->held_packets == sum.held_packets);
	TCP_INVARIANT(t->half_open == sum.half_open);
	TCP_INVARIANT(t->orphans == sum.orphans);
	TCP_INVARIANT(wheel_count(t->wheel) == sum.timers);
	TCP_INVARIANT(tcp_table_count(t->table) == sum.live + t->tws.used);
	return NULL;
}

#endif
