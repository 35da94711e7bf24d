/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What waits for a hole to be filled: ranges of bytes beyond rcv_nxt, in order, none touching
 * another; a FIN that came early; and the last duplicate, until it is reported.
 *
 * Within a range the bytes are one chain without overlap. A small segment is copied behind the one
 * before it, so that a peer who sends byte by byte holds few buffers; the number of ranges, a
 * connection's share of buffers, and what all connections hold together, are bounded.
 *
 * And what small segments in order hold, which are the application's until it has read them: the
 * engine cannot put them together any more, so it counts them.
 */
#include "engine.h"

#include "net/chain.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_FIRST 4
#define RANGES_MAX   256
#define COPY_BELOW   256
#define SHARE_LEAST  16
#define BUFFERS_MAX  32768 /* of one connection: a chain counts no more than 65,535 */

/* Buffers that one connection may fill with little data: as many as its window has SMALL_BELOW. */
static uint32_t share(const struct tcp_conn *c)
{
	return RTE_MIN(c->rcv_buf / SMALL_BELOW + SHARE_LEAST, (uint32_t)BUFFERS_MAX);
}

static void account(struct tcp *t, struct tcp_ooo *o, const struct range *r, int sign)
{
	o->buffers += (uint32_t)sign * r->buffers;
	t->held_buffers += (uint32_t)sign * r->buffers;
	t->held_packets += (uint32_t)sign * r->packets;
	t->held_bytes += (uint64_t)((int64_t)sign * (int64_t)(r->end - r->start));
}

static void free_chain(struct rte_mbuf *head)
{
	while (head != NULL) {
		struct rte_mbuf *next = head->next;

		head->next = NULL;
		head->nb_segs = 1;
		rte_pktmbuf_free_seg(head);
		head = next;
	}
}

static void remove_range(struct tcp_ooo *o, uint32_t at)
{
	memmove(&o->range[at], &o->range[at + 1], (--o->n - at) * sizeof(o->range[0]));
}

/* Its packets are done with: they count as consumed. */
static void drop_range(struct tcp *t, struct tcp_ooo *o, uint32_t at)
{
	account(t, o, &o->range[at], -1);
	t->w->books.consumed += o->range[at].packets;
	free_chain(o->range[at].head);
	remove_range(o, at);
}

void receive_free(struct tcp *t, struct tcp_conn *c)
{
	while (c->ooo->n > 0)
		drop_range(t, c->ooo, c->ooo->n - 1);
	free(c->ooo);
	c->ooo = NULL;
	c->odd &= (uint8_t)~ODD_OUT_OF_ORDER;
}

static void free_if_empty(struct tcp *t, struct tcp_conn *c)
{
	if (c->ooo->n == 0 && !c->ooo->fin && !c->ooo->duplicate)
		receive_free(t, c);
}

/* With room for one more range. */
static struct tcp_ooo *ooo_of(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_ooo *o = c->ooo;
	uint32_t room = o == NULL ? RANGES_FIRST : o->n == o->room ? 2 * o->room : o->room;

	if (o != NULL && room == o->room)
		return o;
	o = room > RANGES_MAX ? NULL : realloc(o, sizeof(*o) + room * sizeof(o->range[0]));
	if (o == NULL) {
		t->w->count[COUNT_tcp_no_memory]++;
		return NULL;
	}
	if (c->ooo == NULL) {
		memset(o, 0, sizeof(*o));
		o->since = t->tick;
	}
	o->room = room;
	c->ooo = o;
	c->odd |= ODD_OUT_OF_ORDER;
	return o;
}

void receive_duplicate(struct tcp *t, struct tcp_conn *c, uint32_t start, uint32_t end)
{
	struct tcp_ooo *o = c->uses & USES_SACK ? ooo_of(t, c) : NULL;

	t->w->count[COUNT_tcp_duplicates]++;
	if (o == NULL)
		return;
	o->duplicate = true;
	o->dsack = (struct tcp_sack){start, end};
}

/* --- holding --- */

/* The first range that ends at seq or after it. */
static uint32_t place(const struct tcp_ooo *o, uint32_t seq)
{
	uint32_t at = o->n;

	while (at > 0 && seq_geq(o->range[at - 1].end, seq))
		at--;
	return at;
}

static bool copied_behind(const struct range *r, const struct rte_mbuf *m)
{
	struct rte_mbuf *tail = r->tail;

	if (m->pkt_len >= COPY_BELOW || m->nb_segs != 1 || !RTE_MBUF_DIRECT(tail) ||
		rte_mbuf_refcnt_read(tail) != 1 || rte_pktmbuf_tailroom(tail) < m->data_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(tail, char *, tail->data_len), rte_pktmbuf_mtod(m, char *),
		m->data_len);
	tail->data_len += m->data_len;
	return true;
}

/* m's bytes begin where r ends. */
static void append(struct tcp *t, struct tcp_ooo *o, struct range *r, struct rte_mbuf *m)
{
	account(t, o, r, -1);
	r->end += m->pkt_len;
	if (copied_behind(r, m)) {
		consume(t->w, m);
	} else {
		r->buffers += m->nb_segs;
		r->packets++;
		r->tail->next = m;
		r->tail = rte_pktmbuf_lastseg(m);
	}
	account(t, o, r, 1);
}

static void insert(struct tcp *t, struct tcp_ooo *o, uint32_t at, uint32_t seq, struct rte_mbuf *m)
{
	struct range *r = &o->range[at];

	memmove(r + 1, r, (o->n++ - at) * sizeof(*r));
	*r = (struct range){.start = seq,
		.end = seq + m->pkt_len,
		.head = m,
		.tail = rte_pktmbuf_lastseg(m),
		.buffers = m->nb_segs,
		.packets = 1};
	account(t, o, r, 1);
}

static void join_next(struct tcp_ooo *o, uint32_t at)
{
	struct range *a = &o->range[at], *b = a + 1;

	a->tail->next = b->head;
	a->tail = b->tail;
	a->end = b->end;
	a->buffers += b->buffers;
	a->packets += b->packets;
	remove_range(o, at + 1);
}

/* Holds m's bytes from seq on, but for those that are held already. There is room for a range. */
static void put(struct tcp *t, struct tcp_conn *c, uint32_t seq, struct rte_mbuf *m)
{
	struct tcp_ooo *o = c->ooo;
	uint32_t end = seq + m->pkt_len, at = place(o, seq), next = at;
	bool behind = at < o->n && seq_leq(o->range[at].start, seq);

	o->newest = seq;
	if (behind) {
		uint32_t known = o->range[at].end - seq;

		if (seq_leq(end, o->range[at].end)) {
			receive_duplicate(t, c, seq, end);
			drop(t->w, m, DROP_TCP_DUPLICATE);
			return;
		}
		if (known != 0)
			m = chain_behead(m, known);
		seq += known;
		next = at + 1;
	}
	while (next < o->n && seq_leq(o->range[next].end, end))
		drop_range(t, o, next); /* covered by what has just come */
	if (next < o->n && seq_lt(o->range[next].start, end))
		chain_trim(m, o->range[next].start - seq);
	if (behind)
		append(t, o, &o->range[at], m);
	else
		insert(t, o, at, seq, m);
	if (at + 1 < o->n && o->range[at].end == o->range[at + 1].start)
		join_next(o, at);
}

/* A quarter is left to those who send: peers that leave holes cannot keep them from it. */
static bool may_hold(const struct tcp *t)
{
	return t->held_buffers < t->limits.held_buffers - t->limits.held_buffers / 4 &&
	       t->held_bytes < t->limits.held_bytes - t->limits.held_bytes / 4;
}

void receive_hold(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	struct tcp_ooo *o = may_hold(t) && !conn_is_pressed(t, c) ? ooo_of(t, c) : NULL;

	conn_todo(t, c, TODO_ACK);
	if (o == NULL || o->buffers + s->m->nb_segs > share(c)) {
		stack_drop(t, s, DROP_TCP_HOLD_FULL);
		return;
	}
	t->w->count[COUNT_tcp_out_of_order]++;
	if (s->flags & TCP_FIN) {
		o->fin = true;
		o->fin_at = s->seq + s->len;
	}
	if (s->len != 0) {
		put(t, c, s->seq, input_take(s));
		return;
	}
	consume(t->w, s->m);
	s->m = NULL;
}

/* --- data in order --- */

bool receive_room(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (likely(!conn_is_pressed(t, c)))
		return true;
	conn_todo(t, c, TODO_ACK);
	stack_drop(t, s, DROP_TCP_PRESSED);
	return false;
}

static void count_small(struct tcp_conn *c, uint32_t n)
{
	c->small += n * 256;
	c->uses |= HOLDS_SMALL;
}

bool receive_small(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (c->small / 256 < share(c)) {
		count_small(c, 1);
		return true;
	}
	conn_todo(t, c, TODO_ACK);
	stack_drop(t, s, DROP_TCP_CROWDED);
	return false;
}

/*
 * They are taken to be spread over what is unread: which of it was read is not known. What is read
 * is the oldest, so that a count is wrong by no more than a share.
 */
void receive_small_read(struct tcp_conn *c, uint32_t before)
{
	c->small = before == 0 ? 0 : (uint32_t)((uint64_t)c->small * c->unread / before);
	if (c->small == 0)
		c->uses &= (uint8_t)~HOLDS_SMALL;
}

/* --- releasing --- */

static void release_first(struct tcp *t, struct tcp_conn *c)
{
	struct range r = c->ooo->range[0];
	uint32_t known = c->rcv_nxt - r.start;
	struct rte_mbuf *m = r.head;

	account(t, c->ooo, &r, -1);
	t->w->books.consumed += r.packets;
	remove_range(c->ooo, 0);
	/* a chain again: lists of buffers do not count what is behind the first */
	m->pkt_len = r.end - r.start;
	m->nb_segs = (uint16_t)r.buffers;
	if (known != 0)
		m = chain_behead(m, known);
	if (r.end - r.start < r.buffers * SMALL_BELOW)
		count_small(c, r.buffers);
	c->unread += r.end - c->rcv_nxt;
	t->unread += r.end - c->rcv_nxt;
	c->rcv_nxt = r.end;
	if (seq_geq(c->rcv_nxt, c->rcv_up))
		c->odd &= (uint8_t)~ODD_URGENT;
	input_deliver(t, c, m);
}

bool receive_release(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_ooo *o = c->ooo;
	bool fin;

	o->since = t->tick;
	while (o->n > 0 && seq_leq(o->range[0].start, c->rcv_nxt)) {
		if (seq_leq(o->range[0].end, c->rcv_nxt))
			drop_range(t, o, 0);
		else
			release_first(t, c);
	}
	fin = o->fin && o->fin_at == c->rcv_nxt;
	if (fin || (o->fin && seq_lt(o->fin_at, c->rcv_nxt)))
		o->fin = false;
	conn_todo(t, c, TODO_ACK); /* RFC 5681 4.2: at once when a hole is filled */
	free_if_empty(t, c);
	return fin;
}

uint32_t receive_sacks(struct tcp *t, struct tcp_conn *c, struct tcp_sack *sacks, uint32_t max)
{
	struct tcp_ooo *o = c->ooo;
	uint32_t n = 0, newest = o->n;

	if (o->duplicate && n < max) {
		o->duplicate = false;
		t->w->count[COUNT_tcp_dsacks_out]++;
		sacks[n++] = o->dsack;
	}
	for (uint32_t i = 0; i < o->n && newest == o->n; i++)
		if (seq_leq(o->range[i].start, o->newest) && seq_lt(o->newest, o->range[i].end))
			newest = i;
	/* the one that grew last, then round from there: what was reported before comes again */
	for (uint32_t i = 0; i < o->n && n < max; i++) {
		const struct range *r = &o->range[(newest + o->n - i) % o->n];

		sacks[n++] = (struct tcp_sack){r->start, r->end};
	}
	free_if_empty(t, c);
	return n;
}
