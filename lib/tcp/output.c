/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_output: the only producer of segments. It goes down the dirty list, and asks of each
 * connection what it may say now: what was lost, new data, a probe, an acknowledgement.
 */
#include "engine.h"

#include "net/gso.h"

struct out {
	struct rte_mbuf **pkt;
	uint32_t n;
	uint32_t left; /* segments that there is room for */
};

/* False: no room, or no buffer. */
static bool put(struct tcp *t, struct tcp_conn *c, struct out *o, const struct say *s)
{
	struct rte_mbuf *m = o->left > 0 ? segment_write(t, c, s) : NULL;

	if (m == NULL)
		return false;
	o->pkt[o->n++] = m;
	o->left -= segment_count(c, s->len);
	return true;
}

/* --- again --- */

/* The record's first `len` bytes become one of their own. False: no memory. */
static bool split(struct tcp_flight *f, uint32_t at, uint32_t len)
{
	struct tcp_sent *r, *rest;
	struct rte_mbuf *m;
	uint32_t skip;

	if (!flight_reserve(f, 1))
		return false;
	flight_push(f);
	for (uint32_t i = f->n - 1; i > at + 1; i--)
		*flight_sent(f, i) = *flight_sent(f, i - 1);
	r = flight_sent(f, at);
	rest = flight_sent(f, at + 1);
	*rest = *r;
	rest->seq = r->end = r->seq + len;
	r->flags &= (uint8_t)~SENT_FIN;
	for (m = r->m, skip = r->skip + len; m->next != NULL && skip >= m->data_len; m = m->next)
		skip -= m->data_len;
	rest->m = m;
	rest->skip = (uint16_t)skip;
	return true;
}

static uint32_t data_len(const struct tcp_sent *r)
{
	return r->end - r->seq - ((r->flags & SENT_SYN) != 0) - ((r->flags & SENT_FIN) != 0);
}

static uint8_t syn_flags(const struct tcp *t, const struct tcp_conn *c)
{
	if (c->state == TCP_SYN_RCVD)
		return TCP_SYN | TCP_ACK | (c->uses & USES_ECN ? TCP_ECE : 0);
	/* who gets no answer to a SYN with ECN asks without it (RFC 3168 6.1.1.1) */
	return TCP_SYN | (t->set.ecn && c->backoff == 0 ? TCP_ECE | TCP_CWR : 0);
}

static bool repeat(struct tcp *t, struct tcp_conn *c, struct out *o, uint32_t at)
{
	struct tcp_flight *f = c->flight;
	struct tcp_sent *r = flight_sent(f, at);
	int32_t room = (int32_t)(c->snd_una + c->snd_wnd - r->seq);
	/* no more than a segment, or than a window that has shrunk (RFC 9293 SHLD-16) */
	uint32_t most = room > 0 ? RTE_MIN((uint32_t)room, (uint32_t)c->mss) : c->mss;
	struct say s = {.seq = r->seq, .flags = TCP_ACK};

	if (data_len(r) > most) {
		if (!split(f, at, most))
			return true; /* others need not wait for it; the timer tries again */
		r = flight_sent(f, at);
	}
	s.len = data_len(r);
	s.m = r->m;
	s.skip = r->skip;
	if (r->flags & SENT_SYN)
		s.flags = syn_flags(t, c);
	if (r->flags & SENT_FIN)
		s.flags |= TCP_FIN;
	if (s.len != 0)
		s.flags |= TCP_PSH;
	if (!put(t, c, o, &s))
		return false;
	if (r->flags & SENT_LOST)
		f->lost -= r->end - r->seq;
	r->flags = (uint8_t)((r->flags & ~SENT_LOST) | SENT_AGAIN | SENT_EVER);
	r->at = t->us;
	r->sends += r->sends < UINT8_MAX;
	f->prr_out += r->end - r->seq;
	f->undo_left += f->phase != PHASE_OPEN;
	c->retransmits += c->retransmits < UINT16_MAX;
	t->w->count[COUNT_tcp_retransmits]++;
	t->w->count[COUNT_tcp_syn_retransmits] += (r->flags & SENT_SYN) != 0;
	t->w->count[COUNT_tcp_fast_retransmits] += f->phase == PHASE_RECOVERY;
	t->w->count[COUNT_tcp_loss_retransmits] += f->phase == PHASE_LOSS;
	return true;
}

/*
 * What is marked as lost, oldest first, as far as cwnd and the peer's window reach; the first byte
 * of all may always go (RFC 9293 3.8.6.1). False: no room. *first: that one went.
 */
static bool repair(struct tcp *t, struct tcp_conn *c, struct out *o, bool *first)
{
	struct tcp_flight *f = c->flight;

	for (uint32_t i = 0; i < f->n && f->lost > 0; i++) {
		struct tcp_sent *r = flight_sent(f, i);
		uint32_t pipe = flight_pipe(c, f);
		bool partial = i == 0 && !(c->uses & USES_SACK); /* RFC 6582 3.2 step 3 */

		if (!(r->flags & SENT_LOST))
			continue;
		if (pipe != 0 && !partial &&
			pipe + RTE_MIN(r->end - r->seq, (uint32_t)c->mss) > c->cwnd)
			return true;
		if (i != 0 && seq_gt(r->end, c->snd_una + c->snd_wnd) && c->snd_wnd < c->max_wnd)
			return true;
		if (!repeat(t, c, o, i))
			return false;
		*first |= i == 0;
	}
	return true;
}

/* --- new data --- */

static bool wants_fin(const struct tcp_conn *c)
{
	return (c->state == TCP_FIN_WAIT_1 || c->state == TCP_CLOSING ||
		       c->state == TCP_LAST_ACK) &&
	       (c->flight == NULL || !flight_has_fin(c->flight));
}

static void move_cursor(struct tcp_flight *f, uint32_t len)
{
	f->cursor_skip += len;
	while (f->cursor != NULL && f->cursor_skip >= f->cursor->data_len) {
		f->cursor_skip -= f->cursor->data_len;
		f->cursor = f->cursor->next;
	}
}

/* A record of what has gone out, with the place of its data. There is room for it. */
static void record(struct tcp *t, struct tcp_conn *c, uint32_t len, uint8_t flags)
{
	struct tcp_flight *f = c->flight;
	struct tcp_sent *r = flight_push(f);

	r->seq = c->snd_nxt;
	r->end = c->snd_nxt + len + (flags != 0);
	r->at = t->us;
	r->flags = flags;
	r->sends = 1;
	r->m = len != 0 ? f->cursor : NULL;
	r->skip = (uint16_t)f->cursor_skip;
	c->snd_nxt = r->end;
	move_cursor(f, len);
}

/*
 * flags: SENT_SYN, SENT_FIN or 0. What is longer than a segment goes as one packet, to be cut
 * later, and is remembered by segment. False: no room.
 */
static bool send_new(struct tcp *t, struct tcp_conn *c, struct out *o, uint32_t len, uint8_t flags,
	bool leave_sum)
{
	struct tcp_flight *f = c->flight;
	struct say s = {.seq = c->snd_nxt,
		.len = len,
		.m = f->cursor,
		.skip = f->cursor_skip,
		.flags = TCP_ACK,
		.leave_sum = leave_sum};

	if (flags & SENT_SYN)
		s.flags = syn_flags(t, c);
	if (flags & SENT_FIN)
		s.flags |= TCP_FIN;
	if (len != 0 && c->snd_nxt + len == f->queued_end)
		s.flags |= TCP_PSH;
	if (!flight_reserve(f, len / RTE_MAX(c->mss, 1u) + 1) || !put(t, c, o, &s))
		return false;
	f->prr_out += len;
	t->w->count[COUNT_tcp_data_segments_out] += len != 0 ? segment_count(c, len) : 0;
	for (; len > c->mss; len -= c->mss)
		record(t, c, c->mss, 0);
	record(t, c, len, flags);
	return true;
}

enum verdict { VERDICT_SEND, VERDICT_WAIT, VERDICT_HOLD };

/*
 * How much may go now. WAIT: an acknowledgement will change that; HOLD: nothing that is out will,
 * the sender's silly window avoidance and Nagle's rule included (RFC 9293 3.8.6.2.1, 3.7.4).
 */
static enum verdict may_send(const struct tcp_conn *c, bool force, uint32_t *len)
{
	struct tcp_flight *f = c->flight;
	uint32_t unsent = f->queued_end - c->snd_nxt, pipe = flight_pipe(c, f);
	int32_t room = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt);
	bool idle = c->snd_nxt == c->snd_una, all;

	*len = RTE_MIN(unsent, (uint32_t)c->mss);
	if (room < (int32_t)*len)
		*len = room > 0 ? (uint32_t)room : 0;
	if (*len == 0)
		return idle ? VERDICT_HOLD : VERDICT_WAIT;
	if (pipe != 0 && pipe + *len > c->cwnd && !force) {
		c->flight->full_end = c->snd_nxt;
		return VERDICT_WAIT;
	}
	if (!flight_reserve(f, 2)) /* what is out makes room */
		return VERDICT_WAIT;
	all = *len == unsent;
	if (*len == c->mss || force ||
		(all && (c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT)))
		return VERDICT_SEND;
	if (all && !(c->wants & (WANT_CORK | WANT_MORE)) &&
		(idle || (c->wants & WANT_NODELAY) || seq_gt(c->snd_up, c->snd_nxt)))
		return VERDICT_SEND;
	if (!all && *len >= c->max_wnd / 2)
		return VERDICT_SEND;
	return idle ? VERDICT_HOLD : VERDICT_WAIT;
}

/* What is left to whoever sends; not asked where it makes no difference. */
static struct tcp_leave leave_of(const struct tcp *t, const struct tcp_conn *c)
{
	struct tcp_leave l = {0};

	if (t->env.leave != NULL && c->flight->queued_end - c->snd_nxt > SEGMENT_COPIED)
		l = t->env.leave(t->env.arg, from_be32(c->key.remote));
	l.burst = RTE_MIN(l.burst, (uint32_t)GSO_MAX * c->mss);
	return l;
}

/*
 * Full segments that may go at once, as one packet: whole ones, so that Nagle sees no difference.
 * What only one of them may say (CWR), or each in its own way (URG), goes in one of its own.
 */
static uint32_t together(const struct tcp_conn *c, uint32_t burst)
{
	const struct tcp_flight *f = c->flight;
	uint32_t most = f->queued_end - c->snd_nxt, pipe = flight_pipe(c, f);

	if ((c->wants & CWR_DUE) || seq_gt(c->snd_up, c->snd_nxt))
		return c->mss;
	most = RTE_MIN(most, c->snd_una + c->snd_wnd - c->snd_nxt);
	most = RTE_MIN(most, c->cwnd > pipe ? c->cwnd - pipe : 0);
	most = RTE_MIN(most, burst);
	return RTE_MAX(most / c->mss, 1u) * c->mss;
}

/* False: no room. *sent: something new went. */
static bool send_data(struct tcp *t, struct tcp_conn *c, struct out *o, bool *sent)
{
	struct tcp_flight *f = c->flight;
	bool force = f->tlp_send == 1 || f->override;
	struct tcp_leave leave = leave_of(t, c);
	uint32_t len;

	while (seq_lt(c->snd_nxt, f->queued_end)) {
		enum verdict v = may_send(c, force, &len);
		bool last;

		if (v != VERDICT_SEND) {
			f->held = v == VERDICT_HOLD;
			return true;
		}
		if (len == c->mss && leave.burst > len)
			len = together(c, RTE_MIN(leave.burst, o->left * c->mss));
		if (!flight_reserve(f, len / c->mss + 1))
			len = RTE_MIN(len, (uint32_t)c->mss);
		last = c->snd_nxt + len == f->queued_end;
		if (!send_new(t, c, o, len, last && wants_fin(c) ? SENT_FIN : 0, leave.sums))
			return false;
		*sent = true;
		force = false;
		f->override = false;
		f->tlp_send = 0;
	}
	f->held = false;
	return true;
}

static bool send_fin(struct tcp *t, struct tcp_conn *c, struct out *o, bool *sent)
{
	struct tcp_flight *f = conn_flight(t, c);

	if (f == NULL)
		return true; /* the timer of an orphan ends it, if memory never comes */
	if (c->snd_nxt != f->queued_end || !flight_reserve(f, 1))
		return true;
	if ((int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt) <= 0) {
		f->held = c->snd_nxt == c->snd_una;
		return true;
	}
	*sent = true;
	return send_new(t, c, o, 0, SENT_FIN, false);
}

/* An octet beyond a closed window (RFC 9293 3.8.6.1): new once, then the same again. */
static bool send_probe(struct tcp *t, struct tcp_conn *c, struct out *o)
{
	struct tcp_flight *f = c->flight;
	bool data = seq_lt(c->snd_nxt, f->queued_end);

	f->window_probe = false;
	if (f->n != 0)
		return repeat(t, c, o, 0);
	if (!data && !wants_fin(c))
		return true;
	t->w->count[COUNT_tcp_window_probes]++;
	return send_new(t, c, o, data, data ? 0 : SENT_FIN, false);
}

static bool send_all(struct tcp *t, struct tcp_conn *c, struct out *o)
{
	struct tcp_flight *f = c->flight;
	bool sent = false, first = false;

	c->max_wnd = RTE_MAX(c->max_wnd, c->snd_wnd);
	if (unlikely(c->wants & MTU_LOW))
		icmp_mtu_again(t, c);
	if (f == NULL && !wants_fin(c))
		return true;
	if (f != NULL && f->lost > 0 && !repair(t, c, o, &first))
		return false;
	if (state_is_half_open(c->state)) {
		if (f != NULL && f->n == 0 && !send_new(t, c, o, 0, SENT_SYN, false))
			return false;
	} else {
		if (f != NULL && f->window_probe && !send_probe(t, c, o))
			return false;
		if (f != NULL && f->tlp_send == 2) {
			if (f->n != 0 && !repeat(t, c, o, f->n - 1))
				return false;
			f->tlp_send = 0;
		}
		if (f != NULL && !send_data(t, c, o, &sent))
			return false;
		if (wants_fin(c) && !send_fin(t, c, o, &sent))
			return false;
	}
	rto_arm(t, c, first);
	if (sent)
		rto_sent(t, c);
	return true;
}

/* --- acknowledgements and probes of their own --- */

static bool ack_is_due(struct tcp *t, struct tcp_conn *c)
{
	if (c->todo & TODO_ACK)
		return true;
	if (!(c->todo & TODO_ACK_LATER))
		return false;
	if (c->rcv_nxt - c->last_ack >= 2 * (uint32_t)c->rcv_mss) /* RFC 9293 SHLD-19 */
		return true;
	c->todo &= (uint8_t)~TODO_ACK_LATER;
	if (c->ack_at == 0) {
		c->ack_at = tick_in(t, TICKS_OF_US(t->set.delayed_ack_us));
		conn_wait_for_ack(t, c);
	}
	return (c->todo & TODO_ACK) != 0;
}

/* Nothing, just before what the peer expects: it answers (RFC 9293 3.8.4). */
static bool keepalive(struct tcp *t, struct tcp_conn *c, struct out *o)
{
	if (!put(t, c, o, &(struct say){.seq = c->snd_nxt - 1, .flags = TCP_ACK}))
		return false;
	c->todo &= (uint8_t)~TODO_PROBE;
	t->w->count[COUNT_tcp_keepalives]++;
	return true;
}

/* All that c has to say; false: not all, it stays on the list. */
static bool speak(struct tcp *t, struct tcp_conn *c, struct out *o)
{
	if ((c->todo & TODO_SEND) && !send_all(t, c, o))
		return false;
	c->todo &= (uint8_t)~TODO_SEND;
	if ((c->todo & TODO_PROBE) && !keepalive(t, c, o))
		return false;
	if (ack_is_due(t, c) && c->state != TCP_SYN_SENT &&
		!put(t, c, o, &(struct say){.seq = conn_seq(c), .flags = TCP_ACK}))
		return false;
	c->todo &= TODO_LISTED | TODO_DELAYED;
	conn_arm(t, c);
	return true;
}

static bool write_loose(struct tcp *t, struct out *o)
{
	uint32_t n = 0;

	for (; n < t->n_loose && o->left > 0; o->left--) {
		struct rte_mbuf *m = segment_loose(t, &t->loose[n++]);

		if (m != NULL)
			o->pkt[o->n++] = m;
	}
	t->n_loose -= n;
	memmove(t->loose, t->loose + n, t->n_loose * sizeof(t->loose[0]));
	return t->n_loose == 0;
}

uint32_t tcp_output(struct tcp *t, struct rte_mbuf **pkt, uint32_t max)
{
	struct out o = {.pkt = pkt, .left = max};

	if (t->n_loose > 0 && !write_loose(t, &o))
		return o.n;
	while (t->dirty_first != 0) {
		struct tcp_conn *c = &t->conn[t->dirty_first - 1];

		if (c->state != TCP_CLOSED && !speak(t, c, &o))
			break; /* no room: it is the first next time */
		t->dirty_first = c->dirty_next;
		if (t->dirty_first == 0)
			t->dirty_last = 0;
		c->todo &= (uint8_t)~TODO_LISTED;
		c->dirty_next = 0;
		if (c->state == TCP_CLOSED) {
			c->dirty_next = t->dead;
			t->dead = conn_index(t, c) + 1;
		}
	}
	return o.n;
}

bool tcp_has_output(const struct tcp *t)
{
	return t->dirty_first != 0 || t->n_loose > 0;
}
