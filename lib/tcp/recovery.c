/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Losses: found by time (RACK-TLP, RFC 8985), by the third duplicate where there is no SACK
 * (RFC 6582), or by the retransmission timer (RFC 6298); repaired at PRR's pace (RFC 6937).
 *
 * It marks records and moves cwnd between what congestion control says; output.c sends.
 */
#include "engine.h"

#include <string.h>

#define DUPLICATES  3
#define REO_PERSIST 16 /* recoveries for which a wider reordering window is kept */

static void set_phase(struct tcp_conn *c, enum flight_phase phase)
{
	struct tcp_flight *f = c->flight;

	f->phase = (uint8_t)phase;
	if (phase == PHASE_OPEN && f->sacked == 0 && f->lost == 0 && !f->tlp_out &&
		f->dupacks == 0 && !f->guarded)
		c->odd &= (uint8_t)~ODD_RECOVERY;
	else
		c->odd |= ODD_RECOVERY;
}

uint32_t recovery_initial_window(const struct tcp_conn *c)
{
	return RTE_MIN(10u * c->mss, RTE_MAX(2u * c->mss, 14600u)); /* RFC 6928 2 */
}

/* --- RACK --- */

static bool sent_before(uint32_t at, uint32_t end, uint32_t other_at, uint32_t other_end)
{
	return at == other_at ? seq_lt(end, other_end) : seq_lt(at, other_at);
}

void recovery_delivered(
	struct tcp *t, struct tcp_conn *c, const struct tcp_sent *r, uint32_t ts_ecr)
{
	struct tcp_flight *f = c->flight;
	uint32_t rtt = t->us - r->at;

	if (rtt > RTT_MAX_US) /* no network keeps it so long: a closed window did */
		return;
	if (r->flags & SENT_EVER) {
		uint32_t sent_stamp = (uint32_t)((t->now_us - rtt) / 1000) + c->ts_off;

		/* which of its transmissions was it? (RFC 8985 6.2 step 2) */
		if (rtt < c->min_rtt || (ts_ecr != 0 && seq_lt(ts_ecr, sent_stamp)))
			return;
	} else if (f->sacked != 0 && seq_lt(r->end, f->highest_sack)) {
		f->reordering_seen = true;
		t->w->count[COUNT_tcp_reordered]++;
	}
	f->rack_rtt = rtt;
	if (f->rack_end == 0 || sent_before(f->rack_at, f->rack_end, r->at, r->end)) {
		f->rack_at = r->at;
		f->rack_end = r->end;
	}
}

static uint32_t reordering_window(const struct tcp_conn *c)
{
	const struct tcp_flight *f = c->flight;
	bool repairs = f->phase == PHASE_RECOVERY || f->phase == PHASE_LOSS;
	uint64_t window = (uint64_t)(f->reo_steps + 1) * (c->min_rtt / 4);

	if (!f->reordering_seen && (repairs || f->sacked >= (uint32_t)DUPLICATES * c->mss))
		return 0;
	return c->min_rtt == UINT32_MAX ? 0 : (uint32_t)RTE_MIN(window, (uint64_t)c->srtt / 8);
}

static void unsack(struct tcp_flight *f, struct tcp_sent *r)
{
	r->flags &= (uint8_t)~SENT_SACKED;
	f->sacked -= r->end - r->seq;
	f->run_end = f->run_start;
}

/* Counted once. What was SACKED is not there after all: the peer reneged (RFC 2018 8). */
static void mark_lost(struct tcp_flight *f, struct tcp_sent *r)
{
	if (r->flags & SENT_LOST)
		return;
	if (r->flags & SENT_SACKED)
		unsack(f, r);
	r->flags = (uint8_t)((r->flags & ~(SENT_AGAIN | SENT_SACKED)) | SENT_LOST);
	f->lost += r->end - r->seq;
}

/* The same of what RACK or the timer says is lost: of a repetition that is out, it is. */
static void lose(struct tcp *t, struct tcp_flight *f, struct tcp_sent *r)
{
	t->w->count[COUNT_tcp_lost_retransmits] += (r->flags & SENT_AGAIN) != 0;
	mark_lost(f, r);
}

/*
 * RFC 8985 6.2 step 5: lost is what was sent well before something that has arrived. Returns
 * whether anything was; sets the reordering timer for what may be, a little later.
 */
static bool detect(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	uint32_t patience = f->rack_rtt + reordering_window(c), wait = 0;
	bool found = false;

	if (!(c->uses & USES_SACK) || f->rack_end == 0)
		return false;
	for (uint32_t i = 0; i < f->n; i++) {
		struct tcp_sent *r = flight_sent(f, i);
		int32_t left = (int32_t)(r->at + patience - t->us);

		if (r->flags & (SENT_SACKED | SENT_LOST)) {
			if (flight_in_run(f, r->seq))
				i = flight_first_from(f, f->run_end) - 1;
			continue;
		}
		if (!sent_before(r->at, r->end, f->rack_at, f->rack_end)) {
			if (!(r->flags & SENT_EVER))
				break; /* those behind it were sent later still */
			continue;
		}
		if (left <= 0) {
			lose(t, f, r);
			found = true;
		} else {
			wait = RTE_MAX(wait, (uint32_t)left);
		}
	}
	if (wait != 0) {
		f->timer = TIMER_REORDER;
		c->rtx_at = tick_in(t, TICKS_OF_US(wait) + 1);
	} else if (f->timer == TIMER_REORDER) {
		f->timer = TIMER_NONE;
		c->rtx_at = 0;
	}
	return found;
}

/* --- reductions, and taking them back --- */

static void remember(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	f->undo_cwnd = c->cwnd;
	f->undo_ssthresh = c->ssthresh;
	f->undo_ts = c->uses & USES_TS ? stack_stamp(t, c) : 0;
	f->undo_left = 0;
	memcpy(f->undo_cc, c->cc_state, sizeof(f->undo_cc));
}

/* RFC 5681 equation 4: FlightSize, without what limited transmit and SACK added beyond cwnd. */
static void reduce(struct tcp *t, struct tcp_conn *c)
{
	uint32_t flight = RTE_MIN(c->snd_nxt - c->snd_una, RTE_MAX(c->cwnd, (uint32_t)c->mss));

	c->ssthresh = c->cc->reduce(c, flight, t->us);
}

/* It was no loss: as it was before (RFC 4015 without its caution, RFC 9438 4.9). */
static void undo(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	c->cwnd = RTE_MAX(c->cwnd, f->undo_cwnd);
	c->ssthresh = f->undo_ssthresh;
	memcpy(c->cc_state, f->undo_cc, sizeof(f->undo_cc));
	f->undo_cwnd = f->undo_ts = f->undo_left = 0;
	for (uint32_t i = 0; i < f->n; i++)
		flight_sent(f, i)->flags &= (uint8_t)~SENT_LOST;
	f->lost = f->presumed = 0;
	f->dupacks = 0;
	t->w->count[COUNT_tcp_spurious]++;
	set_phase(c, PHASE_OPEN);
}

/* RFC 3522 3.2: the first ACK that advances decides, by an echo older than the retransmission. */
static bool was_spurious(struct tcp_conn *c, uint32_t ts_ecr)
{
	struct tcp_flight *f = c->flight;
	bool old = ts_ecr != 0 && f->undo_ts != 0 && seq_lt(ts_ecr, f->undo_ts);

	f->undo_ts = 0;
	return old;
}

void recovery_dsack(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	t->w->count[COUNT_tcp_dsacks]++;
	if (f->tlp_out && f->tlp_again) { /* it was the probe: nothing had been lost */
		f->tlp_out = false;
		return;
	}
	if (f->reo_persist == 0 || seq_geq(c->snd_una, f->dsack_round)) { /* once a round trip */
		f->dsack_round = c->snd_nxt;
		f->reo_steps += f->reo_steps < UINT8_MAX;
		f->reo_persist = REO_PERSIST;
	}
	/* all that went again came twice: nothing of it was lost (RFC 3708 3) */
	if (f->undo_cwnd != 0 && f->undo_left != 0 && --f->undo_left == 0)
		undo(t, c);
}

/* --- phases --- */

/* Within a round trip of an ECN reduction there is no second one (RFC 3168 6.1.2). */
static void enter_recovery(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f->phase == PHASE_OPEN) {
		remember(t, c);
		reduce(t, c);
		c->wants |= c->uses & USES_ECN ? CWR_DUE : 0;
	}
	f->prr_flight = RTE_MAX(c->snd_nxt - c->snd_una, (uint32_t)c->mss);
	f->prr_delivered = f->prr_out = 0;
	f->recover = c->snd_nxt;
	f->guarded = !(c->uses & USES_SACK);
	f->tlp_out = false;
	t->w->count[COUNT_tcp_recoveries]++;
	t->w->count[COUNT_tcp_reno_recoveries] += !(c->uses & USES_SACK);
	set_phase(c, PHASE_RECOVERY);
}

/* RFC 6937 3, with the slow start reduction bound. una: after this acknowledgement. */
static void pace(struct tcp_conn *c, uint32_t una, uint32_t delivered)
{
	struct tcp_flight *f = c->flight;
	uint32_t pipe = flight_pipe_from(c, f, una), quota;
	int64_t most;

	f->prr_delivered += delivered;
	if (pipe > c->ssthresh) {
		most = (int64_t)(((uint64_t)f->prr_delivered * c->ssthresh + f->prr_flight - 1) /
				 f->prr_flight) -
		       f->prr_out;
	} else {
		most = (int64_t)f->prr_delivered - f->prr_out;
		most = RTE_MAX(most, (int64_t)delivered) + c->mss;
		most = RTE_MIN(most, (int64_t)(c->ssthresh - pipe));
	}
	if (f->prr_out == 0) /* the first retransmission goes in any case */
		most = RTE_MAX(most, (int64_t)c->mss);
	quota = most > 0 ? (uint32_t)most : 0;
	c->cwnd = RTE_MAX(pipe + quota, (uint32_t)c->mss);
}

static void leave(struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f->phase == PHASE_RECOVERY)
		c->cwnd = RTE_MAX(RTE_MIN(c->ssthresh, CWND_MAX), (uint32_t)c->mss);
	if (f->reo_persist > 0 && --f->reo_persist == 0)
		f->reo_steps = 0;
	f->dupacks = 0;
	f->presumed = 0;
	f->undo_ts = 0;
	set_phase(c, PHASE_OPEN);
}

/*
 * RFC 5681 3.1, RFC 7661: an unused window does not grow. It was used if these bytes were out when
 * cwnd last held something back. out: bytes out before this ACK.
 */
static void grow(struct tcp *t, struct tcp_conn *c, uint32_t bytes, uint32_t out)
{
	struct tcp_flight *f = c->flight;
	bool slow_start = c->cwnd < c->ssthresh;

	if (bytes == 0)
		return;
	if (f->phase != PHASE_LOSS && !seq_lt(c->snd_una, f->full_end) &&
		!(slow_start && c->cwnd < 2 * out)) {
		f->full_end = c->snd_una; /* never far behind */
		return;
	}
	c->cc->acked(c, bytes, c->srtt / 8, t->us);
	c->cwnd = RTE_MIN(c->cwnd, CWND_MAX);
}

/*
 * The probe's end: RFC 8985 7.4.2. An ACK up to its end may be the original's, until a DSACK says
 * so; one beyond shows that a repeated segment was needed: it was a loss.
 */
static void tlp_acked(struct tcp *t, struct tcp_conn *c, uint32_t una)
{
	struct tcp_flight *f = c->flight;

	if (!f->tlp_out || (f->tlp_again ? seq_leq(una, f->tlp_end) : seq_lt(una, f->tlp_end)))
		return;
	f->tlp_out = false;
	if (f->tlp_again && f->phase == PHASE_OPEN) {
		t->w->count[COUNT_tcp_tail_losses]++;
		reduce(t, c);
		c->cwnd = RTE_MIN(c->cwnd, c->ssthresh);
	}
}

void recovery_nothing_new(struct tcp_conn *c, uint32_t ack)
{
	struct tcp_flight *f = c->flight;

	if (!f->tlp_out || !f->tlp_again || ack != f->tlp_end)
		return;
	f->tlp_out = false;
	set_phase(c, (enum flight_phase)f->phase);
}

/* RFC 6582 3.2 step 3: the next hole of a peer without SACK is at the front. */
static bool partial(struct tcp_conn *c, uint32_t una)
{
	struct tcp_flight *f = c->flight;

	if ((c->uses & USES_SACK) || f->phase != PHASE_RECOVERY || f->n == 0 ||
		seq_geq(una, f->recover) || (flight_sent(f, 0)->flags & SENT_LOST))
		return false;
	mark_lost(f, flight_sent(f, 0));
	return true;
}

/* RFC 6937 3: without SACK, what the duplicates stood for is not delivered twice. */
static uint32_t newly_delivered(struct tcp_conn *c, uint32_t acked, uint32_t delivered)
{
	struct tcp_flight *f = c->flight;
	uint32_t known = RTE_MIN(f->presumed, acked > c->mss ? acked - c->mss : 0);

	f->presumed -= known;
	return delivered > known ? delivered - known : 0;
}

/* The end of a phase, and what is known to be lost by now. una: after this ACK. */
static void judge(struct tcp *t, struct tcp_conn *c, uint32_t una, bool advances, uint32_t ts_ecr)
{
	struct tcp_flight *f = c->flight;
	bool left = false;

	if (advances && (f->phase == PHASE_RECOVERY || f->phase == PHASE_LOSS) &&
		was_spurious(c, ts_ecr))
		undo(t, c);
	if (f->phase != PHASE_OPEN && seq_geq(una, f->recover)) {
		leave(c);
		left = true;
	}
	if (seq_gt(una, f->recover))
		f->guarded = false;
	if ((detect(t, c) || partial(c, una) || (left && f->lost != 0)) &&
		(f->phase == PHASE_OPEN || f->phase == PHASE_REDUCED))
		enter_recovery(t, c);
}

void recovery_acked(
	struct tcp *t, struct tcp_conn *c, uint32_t acked, uint32_t delivered, uint32_t ts_ecr)
{
	struct tcp_flight *f = c->flight;
	uint32_t una = c->snd_una + acked, out = c->snd_nxt - c->snd_una;
	/* the ACK that ends a recovery leaves the window at ssthresh (RFC 6582 3.2 step 3) */
	bool repaired = f->phase == PHASE_RECOVERY;

	if (likely(f->phase == PHASE_OPEN && f->sacked == 0 && !(c->odd & ODD_RECOVERY))) {
		grow(t, c, delivered, out);
		return;
	}
	if (acked != 0) {
		tlp_acked(t, c, una);
		delivered = newly_delivered(c, acked, delivered);
	}
	judge(t, c, una, acked != 0, ts_ecr);
	if (f->phase == PHASE_RECOVERY)
		pace(c, una, delivered);
	else if (f->phase != PHASE_REDUCED && !repaired)
		grow(t, c, delivered, out);
	if (acked != 0 && f->phase == PHASE_OPEN)
		f->dupacks = f->presumed = 0;
	set_phase(c, (enum flight_phase)f->phase);
	conn_todo(t, c, TODO_SEND);
}

/*
 * RFC 6582 3.2 step 2: each duplicate says that a segment has left the network, and lets a new one
 * go (RFC 3042). Those that only what went again has caused begin nothing.
 */
void recovery_duplicate(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	t->w->count[COUNT_tcp_duplicate_acks]++;
	f->dupacks += f->dupacks < UINT8_MAX;
	c->odd |= ODD_RECOVERY;
	if (f->phase != PHASE_LOSS)
		f->presumed += RTE_MIN(flight_pipe(c, f), (uint32_t)c->mss);
	if ((f->phase == PHASE_OPEN || f->phase == PHASE_REDUCED) && f->dupacks == DUPLICATES &&
		f->n > 0 && !f->guarded) {
		mark_lost(f, flight_sent(f, 0));
		enter_recovery(t, c);
	}
	if (f->phase == PHASE_RECOVERY)
		pace(c, c->snd_una, c->mss);
	conn_todo(t, c, TODO_SEND);
}

void recovery_ecn(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f == NULL || f->phase != PHASE_OPEN)
		return;
	reduce(t, c);
	c->cwnd = RTE_MAX(RTE_MIN(c->cwnd, c->ssthresh), (uint32_t)c->mss);
	c->wants |= CWR_DUE;
	f->recover = c->snd_nxt;
	t->w->count[COUNT_tcp_ecn_reductions]++;
	set_phase(c, PHASE_REDUCED);
}

void recovery_resend_first(struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	struct tcp_sent *r = flight_sent(f, 0);

	if (r->flags & SENT_SACKED) /* what the peer had is its to forget (RFC 2018 8) */
		unsack(f, r);
	mark_lost(f, r);
}

void recovery_window_opens(struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	if (f->timer == TIMER_PERSIST) {
		f->timer = TIMER_NONE;
		f->held = false;
		c->rtx_at = 0;
	} else if (f->n > 0 && c->snd_wnd == 0) { /* what went into it was refused */
		recovery_resend_first(c);
		c->rtx_at = 0;
	}
}

void recovery_resegment(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;

	for (uint32_t i = 0; f != NULL && i < f->n; i++) {
		struct tcp_sent *r = flight_sent(f, i);

		if (r->end - r->seq > c->mss && !(r->flags & (SENT_SACKED | SENT_LOST)))
			mark_lost(f, r);
	}
	conn_todo(t, c, TODO_SEND);
}

/* --- timers --- */

/* A peer that threw away what it had said to hold (RFC 2018 8): it is there no more. */
static void forget_sacks(struct tcp_flight *f)
{
	f->sacked = 0;
	f->run_end = f->run_start;
	for (uint32_t i = 0; i < f->n; i++)
		flight_sent(f, i)->flags &= (uint8_t)~SENT_SACKED;
}

/* RFC 8985 6.3: the first, and what went so long ago; without SACK everything. */
static void mark_on_timeout(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	bool rack = (c->uses & USES_SACK) && f->rack_end != 0;
	uint32_t patience = f->rack_rtt + reordering_window(c);

	for (uint32_t i = 0; i < f->n; i++) {
		struct tcp_sent *r = flight_sent(f, i);

		if (i == 0 || !rack || (int32_t)(r->at + patience - t->us) <= 0)
			lose(t, f, r);
	}
}

void recovery_timeout(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	/* once for a window (RFC 5681 3.1): recovery and ECN did it already */
	bool first = f->phase == PHASE_OPEN || (f->phase == PHASE_LOSS && f->timeouts == 0);

	t->w->count[COUNT_tcp_timeouts]++;
	t->w->count[COUNT_tcp_recoveries_failed] += f->phase == PHASE_RECOVERY;
	if (first && !state_is_half_open(c->state)) {
		remember(t, c);
		reduce(t, c);
	}
	if (f->n > 0 && (flight_sent(f, 0)->flags & SENT_SACKED)) {
		t->w->count[COUNT_tcp_sacks_reneged]++;
		forget_sacks(f);
	}
	f->presumed = 0;
	mark_on_timeout(t, c);
	c->backoff += c->backoff < 16;
	f->timeouts += f->timeouts < UINT8_MAX;
	c->cwnd = flight_pipe(c, f) + c->mss;
	c->cc->timeout(c, t->us);
	f->recover = c->snd_nxt;
	f->guarded = !(c->uses & USES_SACK);
	f->dupacks = 0;
	f->tlp_out = false;
	set_phase(c, PHASE_LOSS);
	conn_todo(t, c, TODO_SEND);
}

void recovery_reorder_timer(struct tcp *t, struct tcp_conn *c)
{
	if (!detect(t, c))
		return;
	if (c->flight->phase == PHASE_OPEN || c->flight->phase == PHASE_REDUCED) {
		enter_recovery(t, c);
		pace(c, c->snd_una, 0);
	}
	conn_todo(t, c, TODO_SEND);
}

void recovery_probe(struct tcp *t, struct tcp_conn *c)
{
	struct tcp_flight *f = c->flight;
	bool fresh = seq_lt(c->snd_nxt, f->queued_end) &&
		     (int32_t)(c->snd_una + c->snd_wnd - c->snd_nxt) > 0;

	f->tlp_send = fresh ? 1 : 2;
	f->tlp_again = !fresh;
	f->tlp_out = true;
	f->tlp_end = c->snd_nxt;
	t->w->count[COUNT_tcp_tail_probes]++;
	set_phase(c, (enum flight_phase)f->phase);
	conn_todo(t, c, TODO_SEND);
}
