/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment that the fast path did not take, for a connection: RFC 9293 3.10.7.4 step by step, in
 * its order, with RFC 7323's PAWS and RFC 5961's challenges where they belong.
 *
 * Each step answers whether the segment goes on to the next.
 */
#include "engine.h"

#define PAWS_IDLE_MS UINT32_C(2073600000) /* 24 days */

/* --- answers --- */

void slow_challenge(struct tcp *t, struct tcp_conn *c)
{
	uint32_t second = (uint32_t)(t->now_us / 1000000);

	if (c->challenge_second != (uint16_t)second) {
		c->challenge_second = (uint16_t)second;
		c->challenges = 0;
	}
	if (t->challenge_second != second) {
		t->challenge_second = second;
		t->challenges = 0;
	}
	if (c->challenges >= t->set.challenge_acks ||
		(t->set.challenge_acks_all != 0 && t->challenges >= t->set.challenge_acks_all)) {
		t->w->count[COUNT_tcp_challenges_limited]++;
		return;
	}
	c->challenges++;
	t->challenges++;
	t->w->count[COUNT_tcp_challenges]++;
	conn_todo(t, c, TODO_ACK);
}

/* --- first: the sequence number, and PAWS --- */

static bool paws_ok(const struct tcp_conn *c, const struct segment *s, uint32_t now_ms)
{
	if (!(c->uses & USES_TS) || (s->flags & TCP_RST))
		return true;
	/* a clock that stood for 24 days may have gone round (RFC 7323 5.5) */
	return seq_geq(s->opts.ts_val, c->ts_recent) || now_ms - c->last_rx > PAWS_IDLE_MS;
}

static uint32_t seg_len(const struct segment *s)
{
	return s->len + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

/*
 * RFC 9293 table 6. A FIN takes no room: it may stand just behind the window. Of a reset the place
 * alone counts, even if the window is closed (MUST-66, RFC 5961 3.2).
 */
static bool in_window(const struct tcp_conn *c, const struct segment *s)
{
	uint32_t window = c->rcv_end - c->rcv_nxt, len = s->flags & TCP_RST ? 0 : seg_len(s);

	if (len == 0)
		return s->seq == c->rcv_nxt || seq_within(s->seq, c->rcv_nxt, window);
	if (s->seq == c->rcv_nxt && s->len == 0)
		return true;
	return window != 0 && (seq_within(s->seq, c->rcv_nxt, window) ||
				      seq_within(s->seq + len - 1, c->rcv_nxt, window + 1));
}

/* What is old comes off the front: SYN first, then data. */
static void trim_front(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	uint32_t old = c->rcv_nxt - s->seq;

	if (!seq_lt(s->seq, c->rcv_nxt))
		return;
	if (s->flags & TCP_SYN) {
		s->flags &= (uint8_t)~TCP_SYN;
		s->seq++;
		old--;
	}
	if (old == 0)
		return;
	receive_duplicate(t, c, s->seq, s->seq + RTE_MIN(old, s->len));
	s->skip += RTE_MIN(old, s->len);
	s->seq += RTE_MIN(old, s->len);
	s->len -= RTE_MIN(old, s->len);
}

/* A handshake in which both sides asked: the answer has the SYN's own number (RFC 9293 figure 8).
 */
static void take_syn_ack(const struct tcp_conn *c, struct segment *s)
{
	if (c->state != TCP_SYN_RCVD || (s->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK) ||
		s->seq != c->irs || s->ack != c->snd_nxt)
		return;
	s->flags &= (uint8_t)~TCP_SYN;
	s->seq++;
}

/* The peer asks again, for our answer was lost: it goes again (PROTOCOLS: no deadlock). */
static bool syn_again(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	if (c->state != TCP_SYN_RCVD || (s->flags & (TCP_SYN | TCP_ACK)) != TCP_SYN ||
		s->seq != c->irs)
		return false;
	if (c->flight != NULL && c->flight->n > 0 && c->flight->lost == 0)
		recovery_resend_first(c);
	conn_todo(t, c, TODO_SEND);
	return true;
}

/*
 * At once; but to an ACK without anything only so often (RFC 5961 7): two stacks that disagree
 * would answer each other for ever.
 */
static void answer(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	if (seg_len(s) == 0)
		slow_challenge(t, c);
	else
		conn_todo(t, c, TODO_ACK);
}

/* A segment that is not acceptable is answered by an ACK, so that the two agree again. */
static void refuse(struct tcp *t, struct tcp_conn *c, struct segment *s, enum drop_reason why)
{
	if (!(s->flags & TCP_RST)) {
		if (s->len != 0 && seq_leq(s->seq + s->len, c->rcv_nxt))
			receive_duplicate(t, c, s->seq, s->seq + s->len);
		answer(t, c, s);
	}
	stack_drop(t, s, why);
}

/*
 * Data that the window has no room for are not taken in part; but what the segment says besides
 * them counts, if it is the next (RFC 9293 3.10.7.4, MUST-66).
 */
static bool without_data(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (s->len == 0 || seq_gt(s->seq, c->rcv_nxt) || seq_leq(s->seq + s->len, c->rcv_end) ||
		(s->flags & (TCP_SYN | TCP_RST)))
		return false;
	t->w->count[COUNT_tcp_beyond_window]++;
	conn_todo(t, c, TODO_ACK);
	s->skip += c->rcv_nxt - s->seq; /* where it began: the urgent pointer counts from there */
	s->seq = c->rcv_nxt;
	s->len = 0;
	s->flags &= (uint8_t)~TCP_FIN;
	return true;
}

static bool step_sequence(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	take_syn_ack(c, s);
	if (syn_again(t, c, s)) {
		stack_drop(t, s, DROP_TCP_DUPLICATE);
		return false;
	}
	if ((c->uses & USES_TS) && !(s->opts.has & TCP_HAS_TS) && !(s->flags & TCP_RST)) {
		stack_drop(t, s, DROP_TCP_PAWS); /* silently (RFC 7323 3.2) */
		return false;
	}
	if (!paws_ok(c, s, t->stamp)) {
		t->w->count[COUNT_tcp_paws]++;
		refuse(t, c, s, DROP_TCP_PAWS);
		return false;
	}
	if (!in_window(c, s)) {
		bool old = seq_leq(s->seq + seg_len(s), c->rcv_nxt);

		if (without_data(t, c, s))
			return true;
		refuse(t, c, s, old ? DROP_TCP_DUPLICATE : DROP_TCP_WINDOW);
		return false;
	}
	if (s->len != 0 && seq_gt(s->seq + s->len, c->rcv_end) && !(s->flags & TCP_RST) &&
		!without_data(t, c, s)) {
		refuse(t, c, s, DROP_TCP_WINDOW);
		return false;
	}
	if ((c->uses & USES_TS) && (s->opts.has & TCP_HAS_TS) && seq_leq(s->seq, c->last_ack) &&
		seq_geq(s->opts.ts_val, c->ts_recent))
		c->ts_recent = s->opts.ts_val;
	if (!(s->flags & TCP_RST))
		trim_front(t, c, s);
	return true;
}

/* --- second and fourth: RST and SYN (RFC 5961 3, 4) --- */

static bool step_reset(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	int error = c->state == TCP_SYN_RCVD && (c->wants & IS_ACTIVE) ? ECONNREFUSED : ECONNRESET;

	if (!(s->flags & TCP_RST))
		return true;
	if (s->seq != c->rcv_nxt) {
		slow_challenge(t, c);
		stack_drop(t, s, DROP_TCP_RESET_BLIND);
		return false;
	}
	t->w->count[COUNT_tcp_resets_received]++;
	t->w->count[COUNT_tcp_embryonic_resets] += c->listener != 0;
	consume(t->w, s->m);
	s->m = NULL;
	conn_end(t, c, error);
	return false;
}

static bool step_syn(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	if (!(s->flags & TCP_SYN))
		return true;
	stack_drop(t, s, DROP_TCP_SYN_BLIND);
	if (c->state == TCP_SYN_RCVD && !(c->wants & IS_ACTIVE))
		conn_end(t, c, ECONNRESET); /* back to LISTEN: the peer may ask again */
	else
		slow_challenge(t, c);
	return false;
}

/* --- fifth: ACK --- */

/* RFC 5961 5: not older than the largest window that was ever open, not of what was never sent. */
static bool ack_acceptable(const struct tcp_conn *c, const struct segment *s)
{
	return seq_leq(s->ack, c->snd_nxt) && seq_geq(s->ack, c->snd_una - c->max_wnd);
}

/* RFC 9293 3.10.7.4: from segments that are no older than the last that said it. */
static void take_window(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	uint32_t window = s->window << c->snd_scale;

	if (seq_lt(s->ack, c->snd_una) || seq_lt(s->seq, c->snd_wl1))
		return;
	c->snd_wl1 = s->seq;
	if (window == c->snd_wnd)
		return;
	if (window > c->snd_wnd && c->flight != NULL) {
		if (c->snd_wnd == 0) {
			c->backoff = 0;
			if (c->flight->n > 0 && c->flight->lost == 0)
				recovery_resend_first(c); /* what probed it was refused */
		}
		recovery_window_opens(c);
		conn_todo(t, c, TODO_SEND);
	}
	c->snd_wnd = window;
	c->max_wnd = RTE_MAX(c->max_wnd, window);
}

static bool half_open_ack(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	bool passive = c->listener != 0;

	if (!seq_gt(s->ack, c->snd_una) || seq_gt(s->ack, c->snd_nxt)) {
		stack_refuse_ack(t, c, s->ack);
		stack_drop(t, s, DROP_TCP_ACK);
		return false;
	}
	if (passive && !handshake_inherited(t, c)) {
		stack_drop(t, s, DROP_TCP_CLOSED);
		conn_reset(t, c, ECONNRESET);
		return false;
	}
	if (passive &&
		listener_waits(t, &t->listener[c->listener - 1])) { /* the peer sends again */
		stack_drop(t, s, DROP_TCP_BACKLOG);
		return false;
	}
	handshake_done(t, c, s);
	return true;
}

/* Our FIN was acknowledged. False: the connection is gone. */
static bool fin_acked(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->wants & WANT_NOTHING)
			c->idle_at = tick_in(t, TICKS_OF_MS(t->set.fin_wait_2_ms));
		conn_arm(t, c);
		return true;
	case TCP_CLOSING:
		consume(t->w, s->m);
		s->m = NULL;
		conn_time_wait(t, c);
		return false;
	case TCP_LAST_ACK:
		consume(t->w, s->m);
		s->m = NULL;
		conn_end(t, c, 0);
		return false;
	default:
		return true;
	}
}

static bool step_ack(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	bool fin_out;

	if (!(s->flags & TCP_ACK)) {
		stack_drop(t, s, DROP_TCP_NO_ACK);
		return false;
	}
	if (c->state == TCP_SYN_RCVD && !half_open_ack(t, c, s))
		return false;
	if (c->state == TCP_CLOSED) { /* by on_accept() */
		stack_drop(t, s, DROP_TCP_CLOSED);
		return false;
	}
	if (!ack_acceptable(c, s)) {
		if (seq_gt(s->ack, c->snd_nxt))
			answer(t, c, s);
		else
			slow_challenge(t, c);
		stack_drop(t, s, DROP_TCP_ACK);
		return false;
	}
	fin_out = c->flight != NULL && flight_has_fin(c->flight);
	if (seq_geq(s->ack, c->snd_una))
		ack_slow(t, c, s);
	if (c->state == TCP_CLOSED) { /* by on_sent() */
		stack_drop(t, s, DROP_TCP_CLOSED);
		return false;
	}
	take_window(t, c, s);
	return !fin_out || c->snd_una != c->snd_nxt || fin_acked(t, c, s);
}

/* --- sixth to eighth: URG, the data, FIN --- */

static void step_urgent(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	uint32_t end = s->seq - s->skip + tcp_hdr_urgent(s->h);

	if (!(s->flags & TCP_URG) || !state_may_receive(c->state) || !seq_gt(end, c->rcv_nxt))
		return;
	if ((c->odd & ODD_URGENT) && !seq_gt(end, c->rcv_up))
		return;
	c->rcv_up = end;
	c->odd |= ODD_URGENT;
	if (c->ops != NULL && c->ops->on_urgent != NULL)
		c->ops->on_urgent(t, c);
}

static void data_in_order(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	uint32_t len = s->len;

	t->w->books.consumed++;
	c->rcv_nxt += len;
	c->unread += len;
	t->unread += len;
	c->rcv_mss = (uint16_t)RTE_MIN(RTE_MAX(len, (uint32_t)c->rcv_mss), UINT16_MAX);
	if (seq_geq(c->rcv_nxt, c->rcv_up))
		c->odd &= (uint8_t)~ODD_URGENT;
	conn_todo(t, c, TODO_ACK_LATER);
	input_deliver(t, c, input_take(s));
}

/* True: a FIN stands at rcv_nxt. */
static bool step_data(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	bool fin = (s->flags & TCP_FIN) != 0;

	if (s->len == 0 && !fin)
		return false;
	if (!state_may_receive(c->state))
		return false;
	if (s->len != 0 && (c->odd & ODD_DEAF)) { /* nobody will read it (RFC 9293 3.10.4) */
		t->w->count[COUNT_tcp_unread_resets]++;
		stack_drop(t, s, DROP_TCP_CLOSED);
		conn_reset(t, c, ECONNRESET);
		return false;
	}
	if (seq_gt(s->seq, c->rcv_nxt)) {
		receive_hold(t, c, s);
		return false;
	}
	if (s->len != 0 && !receive_room(t, c, s))
		return false;
	if (s->len != 0 && s->len < SMALL_BELOW && c->unread != 0 && !receive_small(t, c, s))
		return false;
	if (s->len != 0)
		data_in_order(t, c, s);
	if (!fin && c->ooo != NULL)
		fin = receive_release(t, c);
	return fin;
}

static void step_fin(struct tcp *t, struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->rcv_end++; /* it takes a number, but no room in the buffer */
	if (c->ooo != NULL)
		receive_free(t, c);
	conn_todo(t, c, TODO_ACK);
	input_flush(t);
	switch (c->state) {
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1: /* ours is not acknowledged, or step 5 had moved on */
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		break;
	default: /* by the application, in input_flush() */
		return;
	}
	if (c->ops != NULL && c->ops->on_close != NULL)
		c->ops->on_close(t, c);
	if (c->state == TCP_FIN_WAIT_2)
		conn_time_wait(t, c);
}

/* ECN (RFC 3168 6.1): a mark is echoed until the sender says CWR; an echo of ours reduces. */
static void step_ecn(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	if (!(c->uses & USES_ECN))
		return;
	if (s->h->flags & TCP_CWR)
		c->odd &= (uint8_t)~ODD_ECHO;
	if ((s->ip->tos & 3) == 3 && s->len != 0) {
		c->odd |= ODD_ECHO;
		conn_todo(t, c, TODO_ACK);
	}
	if (s->h->flags & TCP_ECE)
		recovery_ecn(t, c);
}

void slow_segment(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	tcp_opt_read(s->h, &s->opts);
	if (c->state == TCP_SYN_SENT) {
		handshake_syn_sent(t, c, s);
		return;
	}
	if (!step_sequence(t, c, s) || !step_reset(t, c, s) || !step_syn(t, c, s))
		return;
	c->last_rx = t->stamp;
	c->probes = 0;
	if (c->snd_wnd != 0 && (c->flight == NULL || !c->flight->held))
		c->odd &= (uint8_t)~ODD_PROBED;
	if (!step_ack(t, c, s))
		return;
	slow_rest(t, c, s);
}

void slow_rest(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	step_ecn(t, c, s);
	step_urgent(t, c, s);
	if (c->state != TCP_CLOSED && step_data(t, c, s))
		step_fin(t, c);
	if (s->m != NULL)
		consume(t->w, s->m);
}
