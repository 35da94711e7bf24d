/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which timer stands for what is out or held back, and until when: the retransmission timer
 * (RFC 6298 5), the tail loss probe (RFC 8985 7.2), or the probe of a closed window (RFC 9293
 * 3.8.6.1). timers.c does what is due.
 */
#include "engine.h"

#define TLP_DELAYED_ACK_US 50000 /* for a single segment out: the peer may delay its ACK */
#define TIMER_SLACK_US	   2000

static uint32_t rto_us(const struct tcp *t, const struct tcp_conn *c)
{
	uint64_t us = (uint64_t)c->rto << c->backoff;

	return (uint32_t)RTE_MIN(us, (uint64_t)t->set.rto_max_us);
}

/* RFC 8985 7.2 */
static uint32_t pto_us(const struct tcp *t, const struct tcp_conn *c)
{
	uint32_t us = c->srtt / 4 + TIMER_SLACK_US;

	if (c->flight->n == 1)
		us += TLP_DELAYED_ACK_US;
	return RTE_MIN(us, rto_us(t, c));
}

static bool may_probe(const struct tcp_conn *c)
{
	const struct tcp_flight *f = c->flight;

	return (c->uses & USES_SACK) && f->phase == PHASE_OPEN && f->sacked == 0 && !f->tlp_out &&
	       (c->wants & RTT_KNOWN) && c->backoff == 0 && !state_is_half_open(c->state) &&
	       c->snd_wnd != 0;
}

static void arm(struct tcp *t, struct tcp_conn *c, enum flight_timer timer, uint32_t us)
{
	c->flight->timer = (uint8_t)timer;
	c->rtx_at = tick_in(t, TICKS_OF_US(us));
}

/*
 * No later than R2 (RFC 9293 3.8.3); of probes, which may be answered, the next after it, unless
 * the user's time-out counts them, too.
 */
static void arm_patiently(struct tcp *t, struct tcp_conn *c, enum flight_timer timer, uint32_t us)
{
	uint32_t end = timers_patience(t, c) | 1;
	bool ends = c->snd_wnd != 0 || c->user_timeout != 0 || state_is_half_open(c->state);

	arm(t, c, timer, us);
	if (ends && seq_lt(end, c->rtx_at))
		c->rtx_at = seq_gt(end, t->tick) ? end : t->tick + 2;
}

void rto_arm(struct tcp *t, struct tcp_conn *c, bool restart)
{
	struct tcp_flight *f = c->flight;
	bool running = f != NULL && c->rtx_at != 0;

	if (f == NULL)
		return;
	if (f->n == 0) {
		bool waits = f->held && c->rtx_at != 0 && f->timer == TIMER_PERSIST;
		bool closed = (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt) <= 0;

		if (!f->held)
			c->rtx_at = 0;
		else if (!waits)
			arm_patiently(
				t, c, TIMER_PERSIST, closed ? rto_us(t, c) : RECOVERY_OVERRIDE_US);
		if (f->held) /* a window that opens with data must be seen, too */
			c->odd |= ODD_PROBED;
		return;
	}
	if (running && f->timer == TIMER_REORDER)
		return;
	if (running && !restart &&
		(f->timer == TIMER_RTO || (f->timer == TIMER_TLP && may_probe(c))))
		return;
	if (may_probe(c))
		arm(t, c, TIMER_TLP, pto_us(t, c));
	else
		arm_patiently(t, c, TIMER_RTO, rto_us(t, c));
}

/* RFC 8985 7.2; but who goes on sending without an answer is not for ever put off by that. */
void rto_sent(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	int32_t left;

	if (f == NULL || f->n == 0 || f->timer != TIMER_TLP)
		return;
	left = (int32_t)(flight_sent(f, 0)->at + rto_us(t, c) - t->us);
	arm(t, c, TIMER_TLP, RTE_MIN(pto_us(t, c), (uint32_t)RTE_MAX(left, 1)));
}
