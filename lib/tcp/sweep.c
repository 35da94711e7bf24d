/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hand that goes round all connections, a few in a pass, while there is a reason: a listener was
 * closed with connections half open, or the buffers that the stack may hold are nearly used up.
 *
 * Under pressure the hand lets go, of those that it passes at a time, the one that holds most: if
 * it holds no less than the average, and its peer has long taken next to nothing of it. Who makes
 * progress stays, however much it holds.
 */
#include "engine.h"

#define LOOK	    64	  /* connections in a pass */
#define STALLED_MS  10000 /* without progress: it may be let go */
#define TICKS_SHIFT 6	  /* a byte for so many ticks, 244 bytes a second, is progress */

/*
 * More than two thirds: what is out of order alone stops at three quarters. Or next to nothing is
 * left beside what is unread.
 */
static bool is_pressed(const struct tcp *t)
{
	return stack_free(t) < t->limits.held_buffers / 8 ||
	       t->held_buffers > t->limits.held_buffers - t->limits.held_buffers / 3 ||
	       t->held_bytes > t->limits.held_bytes - t->limits.held_bytes / 3;
}

static bool is_stalled(const struct tcp *t, const struct tcp_conn *c)
{
	const struct tcp_flight *f = c->flight;
	uint32_t long_ago = TICKS_OF_MS(STALLED_MS), passed;

	if (c->ooo != NULL && t->tick - c->ooo->since >= long_ago)
		return true;
	if (f == NULL || f->head == NULL || state_is_half_open(c->state))
		return false; /* a handshake has a patience of its own */
	passed = t->tick - f->stall_since;
	return passed >= long_ago && c->snd_una - f->stall_from < passed >> TICKS_SHIFT;
}

static uint32_t held_by(const struct tcp_conn *c)
{
	return (c->flight != NULL ? c->flight->buffers : 0) +
	       (c->ooo != NULL ? c->ooo->buffers : 0);
}

/* Whose listener is gone, and none has taken its place: the handshake ends. */
static void close_half_open(struct tcp *t, struct tcp_conn *c)
{
	if (c->state == TCP_SYN_RCVD && c->listener != 0 && !handshake_inherited(t, c))
		conn_reset(t, c, ECONNRESET);
}

static void look_at(struct tcp *t, struct tcp_conn *c, bool pressed, struct tcp_conn **worst)
{
	uint32_t held;

	if (t->closing != 0)
		close_half_open(t, c);
	if (!pressed || c->state == TCP_CLOSED || !is_stalled(t, c))
		return;
	held = held_by(c);
	if ((uint64_t)held * t->conns.used < t->held_buffers)
		return;
	if (*worst == NULL || held > held_by(*worst))
		*worst = c;
}

void sweep_some(struct tcp *t)
{
	bool pressed = is_pressed(t);
	struct tcp_conn *worst = NULL;

	if (likely(!pressed && t->closing == 0))
		return;
	for (uint32_t i = 0; i < RTE_MIN((uint32_t)LOOK, t->conns.fresh); i++) {
		if (t->hand >= t->conns.fresh)
			t->hand = 0;
		look_at(t, &t->conn[t->hand++], pressed, &worst);
	}
	if (worst == NULL)
		return;
	t->w->count[COUNT_tcp_evicted]++;
	conn_reset(t, worst, ENOMEM);
}
