/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What time brings: retransmission (RFC 6298), probes of the tail and of a closed window, delayed
 * acknowledgements, keepalive, and the ends of those that wait for nothing any more.
 *
 * A connection has one timer on the wheel, for the first of its times or earlier: moving a time
 * later costs nothing, and a timer that finds nothing due is armed again.
 */
#include "engine.h"

#define ORPHAN_R2_MS 100000 /* RFC 9293 SHLD-11: at least so long */
#define STALL_RATE   250u   /* bytes a second that count as reading */
#define STALL_S	     300    /* over which that is measured, if no time-out says so */
#define BLACK_HOLE   2	    /* retransmissions of a full segment that make us doubt the path */

/* --- patience --- */

static uint32_t patience_ms(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t ms = c->user_timeout != 0 ? c->user_timeout : t->set.r2_ms;

	if (c->state == TCP_SYN_SENT) /* the three minutes (MUST-23) are who says nothing's */
		return c->user_timeout != 0 ? c->user_timeout : t->set.syn_r2_ms;
	/* nobody waits for an orphan, whatever was asked for when somebody did */
	return c->wants & WANT_NOTHING ? RTE_MIN(ms, (uint32_t)ORPHAN_R2_MS) : ms;
}

uint32_t timers_patience(const struct tcp *t, const struct tcp_conn *c)
{
	return c->stuck_since + TICKS_OF_MS(patience_ms(t, c));
}

/*
 * R2 (RFC 9293 3.8.3): true, and the connection is gone, when patience has ended. It begins anew
 * while probes of a closed window are answered (3.8.6.1, MUST-37).
 */
static bool gives_up(struct tcp *t, struct tcp_conn *c)
{
	bool half_open = c->state == TCP_SYN_RCVD && c->backoff >= t->set.syn_ack_retries;

	if (c->snd_wnd == 0 && c->probes == 0 && c->user_timeout == 0 &&
		!state_is_half_open(c->state))
		c->stuck_since = t->tick;
	if (!half_open && t->tick - c->stuck_since < TICKS_OF_MS(patience_ms(t, c)))
		return false;
	t->w->count[half_open ? COUNT_tcp_half_open_expired : COUNT_tcp_timed_out]++;
	conn_end(t, c, c->soft_error != 0 && c->state == TCP_SYN_SENT ? c->soft_error : ETIMEDOUT);
	return true;
}

/* --- peers that do not read --- */

void timers_expect(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	uint32_t queued = f->queued_end - c->snd_una;
	uint32_t seconds = c->stall_timeout != 0 ? c->stall_timeout : STALL_S;
	uint32_t least = seconds * STALL_RATE;

	f->stall_since = t->tick;
	f->stall_from = c->snd_una;
	f->stall_goal = c->snd_una + RTE_MAX(RTE_MIN(queued, least), 1u);
}

/*
 * Whatever it acknowledges beside that, a peer that takes next to nothing of what is queued keeps
 * memory from others. Asked each time that the timer fires, which it does as long as something is
 * out or held back; the rest of the time stands in idle_at. True: it is gone.
 */
static bool let_go(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	uint32_t end;

	if (f == NULL || c->stall_timeout == 0)
		return false;
	if (state_is_half_open(c->state)) { /* a handshake has its own patience */
		timers_expect(t, c);
		return false;
	}
	end = (f->stall_since + TICKS_OF_MS(c->stall_timeout * UINT64_C(1000))) | 1;
	if (tick_due(t, end)) {
		t->w->count[COUNT_tcp_stalled]++;
		conn_reset(t, c, ETIMEDOUT);
		return true;
	}
	if (c->idle_at == 0 || seq_lt(end, c->idle_at))
		c->idle_at = end;
	return false;
}

/* --- retransmission --- */

/* RFC 2923 2.1: large segments vanish and nobody says why: smaller ones, which may be cut. */
static void doubt_path(struct tcp *t, struct tcp_conn *c)
{
	if (c->flight->timeouts != BLACK_HOLE || (c->wants & NO_DF) || c->mss <= TCP_MSS_DEFAULT)
		return;
	c->wants |= NO_DF;
	c->mss = TCP_MSS_DEFAULT;
	t->w->count[COUNT_tcp_black_holes]++;
}

static void count_probe(struct tcp_conn *c)
{
	c->probes += c->probes < UINT8_MAX;
	c->odd |= ODD_PROBED;
	c->backoff += c->backoff < 16;
}

static void expired(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f->n > 0 && c->snd_wnd == 0 && !state_is_half_open(c->state)) {
		recovery_resend_first(c); /* the peer is there, its window is closed: a probe */
		count_probe(c);
		t->w->count[COUNT_tcp_window_probes]++;
		conn_todo(t, c, TODO_SEND);
		return;
	}
	doubt_path(t, c);
	recovery_timeout(t, c);
	if (f->timeouts < t->set.r1_retries || (c->wants & TOLD_R1) || c->listener != 0)
		return;
	c->wants |= TOLD_R1;
	if (c->ops != NULL && c->ops->on_notice != NULL)
		c->ops->on_notice(t, c, ETIMEDOUT);
}

static void persist(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	bool closed = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt) <= 0;

	f->held = false;
	f->override = !closed;
	f->window_probe = closed;
	if (closed)
		count_probe(c);
	conn_todo(t, c, TODO_SEND);
}

/*
 * What a closed window keeps out for hours stays old, and does not become new when the clock of
 * records has gone half round. A timer fires once a minute at least as long as anything is out.
 */
static void age(struct tcp *t, struct tcp_flight *f)
{
	uint32_t old = t->us - RECORD_OLD_US;

	if (t->tick - f->aged_at < TICKS_OF_US(RECORD_OLD_US / 2))
		return;
	f->aged_at = t->tick;
	for (uint32_t i = 0; i < f->n; i++)
		flight_sent(f, i)->at = seq_max(flight_sent(f, i)->at, old);
	f->rack_at = seq_max(f->rack_at, old);
}

static void retransmission(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	enum flight_timer timer;

	c->rtx_at = 0;
	if (f == NULL)
		return;
	age(t, f);
	timer = f->timer;
	f->timer = TIMER_NONE;
	conn_todo(t, c, TODO_SEND); /* which sets the next */
	if (timer == TIMER_TLP) {
		recovery_probe(t, c);
		return;
	}
	if (timer == TIMER_REORDER) {
		recovery_reorder_timer(t, c);
		return;
	}
	if (gives_up(t, c))
		return;
	if (timer == TIMER_PERSIST)
		persist(t, c);
	else if (timer == TIMER_RTO && f->n > 0)
		expired(t, c);
}

/* --- keepalive and orphans --- */

/* RFC 9293 3.8.4: only when nothing is out, and one lost probe ends nothing. */
static void keepalive(struct tcp *t, struct tcp_conn *c)
{
	uint32_t quiet = t->stamp - c->last_rx;
	uint64_t due =
		(uint64_t)c->keep_idle * 1000 + (uint64_t)c->probes * c->keep_interval * 1000;

	if (c->flight != NULL || quiet < due) {
		uint64_t left = c->flight != NULL ? (uint64_t)c->keep_idle * 1000 : due - quiet;

		c->idle_at = tick_in(t, TICKS_OF_MS(left) + 1);
		return;
	}
	if (c->probes >= c->keep_probes) {
		t->w->count[COUNT_tcp_timed_out]++;
		conn_reset(t, c, ETIMEDOUT);
		return;
	}
	c->probes++;
	c->odd |= ODD_PROBED;
	c->idle_at = tick_in(t, TICKS_OF_MS((uint64_t)c->keep_interval * 1000));
	conn_todo(t, c, TODO_PROBE);
}

static void idle(struct tcp *t, struct tcp_conn *c)
{
	c->idle_at = 0;
	if (c->state == TCP_FIN_WAIT_2 && (c->wants & WANT_NOTHING)) {
		t->w->count[COUNT_tcp_orphans_ended]++;
		conn_end(t, c, ETIMEDOUT);
		return;
	}
	if (c->keep_idle != 0 && !state_is_half_open(c->state))
		keepalive(t, c);
}

/* --- delayed acknowledgements --- */

#define DELAYED_AHEAD 16 /* entries whose connections are fetched before they are looked at */

static void prefetch_delayed(const struct tcp *t, const struct delayed *d, uint32_t i)
{
	const struct tcp_conn *c = &t->conn[d->ring[(d->first + i) & (d->size - 1)].conn];

	rte_prefetch0(c);
	rte_prefetch0(&c->user);
}

/* An entry's time has come: for its connection, unless that has answered, or waits anew. */
static void delayed_due(struct tcp *t, struct tcp_conn *c)
{
	c->todo &= (uint8_t)~TODO_DELAYED;
	if (c->state == TCP_CLOSED || c->ack_at == 0)
		return;
	if (!tick_due(t, c->ack_at)) {
		conn_wait_for_ack(t, c);
		return;
	}
	c->ack_at = 0;
	t->w->count[COUNT_tcp_delayed_acks]++;
	conn_todo(t, c, TODO_ACK);
}

static void delayed_sweep(struct tcp *t)
{
	struct delayed *d = &t->delayed;

	while (d->n > 0 && tick_due(t, d->ring[d->first & (d->size - 1)].at)) {
		uint32_t conn = d->ring[d->first++ & (d->size - 1)].conn;

		d->n--;
		if (d->n > DELAYED_AHEAD)
			prefetch_delayed(t, d, DELAYED_AHEAD);
		delayed_due(t, &t->conn[conn]);
	}
}

/* --- the wheel --- */

static void fire(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_CLOSED) /* by a callback of one that fired with it */
		return;
	if (tick_due(t, c->rtx_at))
		retransmission(t, c);
	if (c->state != TCP_CLOSED && tick_due(t, c->idle_at))
		idle(t, c);
	if (c->state != TCP_CLOSED && !let_go(t, c))
		conn_arm(t, c);
}

uint32_t tcp_timers(struct tcp *t, uint32_t max)
{
	uint32_t fired[64], total = 0, n;

	do {
		n = wheel_advance(t->wheel, t->tick, fired, RTE_MIN(max - total, RTE_DIM(fired)));
		for (uint32_t i = 0; i < n; i++)
			fire(t, &t->conn[fired[i]]);
		total += n;
	} while (n == RTE_DIM(fired) && total < max);
	delayed_sweep(t);
	timewait_sweep(t, max);
	sweep_some(t);
	return total;
}

static uint32_t sooner(const struct tcp *t, uint32_t left, uint32_t at)
{
	return seq_leq(at, t->tick) ? 0 : RTE_MIN(left, at - t->tick);
}

uint64_t tcp_next_timer(const struct tcp *t, uint64_t horizon_us)
{
	uint32_t horizon = (uint32_t)RTE_MIN(horizon_us >> TICK_SHIFT, (uint64_t)INT32_MAX);
	uint32_t next = wheel_next(t->wheel, horizon);
	uint32_t left = seq_gt(next, t->tick) ? next - t->tick : 0; /* the wheel may be behind */

	if (t->closing != 0)
		return 0;
	if (t->tw_first != 0)
		left = sooner(t, left, t->tw[t->tw_first - 1].until);
	if (t->delayed.n > 0)
		left = sooner(
			t, left, t->delayed.ring[t->delayed.first & (t->delayed.size - 1)].at);
	return RTE_MIN((uint64_t)left << TICK_SHIFT, horizon_us);
}
