/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Acknowledgements: what they take off the queue, what they say of the round trip (RFC 6298,
 * RFC 7323 4), and SACK blocks (RFC 2018, RFC 2883). What follows from them is recovery.c's.
 */
#include "engine.h"

/* RFC 6298 2. The minimum bounds what is added, as in Linux: a steady long path has no variance. */
static void take_rtt(struct tcp *t, struct tcp_conn *c, uint32_t rtt_us)
{
	uint32_t rtt = RTE_MIN(RTE_MAX(rtt_us, 1u), RTT_MAX_US), deviation;

	c->backoff = 0; /* Karn's: only a new measurement ends it */
	if (!(c->wants & RTT_KNOWN)) {
		c->wants |= RTT_KNOWN;
		c->srtt = rtt * 8;
		c->rttvar = rtt * 2;
	} else {
		int32_t off = (int32_t)(rtt - c->srtt / 8);

		c->srtt += (uint32_t)off;
		deviation = (uint32_t)(off < 0 ? -off : off);
		c->rttvar += deviation - c->rttvar / 4;
	}
	c->rto = c->srtt / 8 + RTE_MAX(c->rttvar, t->set.rto_min_us);
	c->rto = RTE_MIN(c->rto, t->set.rto_max_us);
}

/*
 * What went once was measured to the microsecond; of what went again the timestamp says which copy
 * it was (RFC 7323 4.1), in milliseconds, which are too coarse for the minimum.
 */
static void sample(struct tcp *t, struct tcp_conn *c, uint32_t rtt_us, uint32_t ts_ecr)
{
	uint32_t ms = stack_stamp(t, c) - ts_ecr;

	if (rtt_us != 0 && rtt_us <= RTT_MAX_US) { /* else a closed window had kept it */
		c->min_rtt = RTE_MIN(c->min_rtt, rtt_us);
		take_rtt(t, c, rtt_us);
	} else if (ts_ecr != 0 && ms <= RTT_MAX_US / 1000) {
		take_rtt(t, c, RTE_MAX(ms, 1u) * 1000);
	}
}

/* A record leaves the books of what is out. Returns its bytes if they were not delivered before. */
static uint32_t account(struct tcp_flight *f, const struct tcp_sent *r, uint32_t bytes)
{
	if (r->flags & SENT_SACKED) {
		f->sacked -= bytes;
		if (f->sacked == 0)
			f->run_end = f->run_start;
		return 0;
	}
	if (r->flags & SENT_LOST)
		f->lost -= bytes;
	return bytes;
}

/* The record's first bytes are acknowledged, not all. */
static uint32_t shorten(struct tcp_flight *f, struct tcp_sent *r, uint32_t bytes)
{
	uint32_t fresh = account(f, r, bytes), skip = r->skip + bytes;

	r->seq += bytes;
	while (r->m != NULL && r->m->next != NULL && skip >= r->m->data_len) {
		skip -= r->m->data_len;
		r->m = r->m->next;
	}
	r->skip = (uint16_t)skip;
	return fresh;
}

static void free_acked(struct tcp *t, struct tcp_flight *f, uint32_t ack)
{
	while (f->head != NULL && seq_leq(f->head_seq + f->head->data_len, ack)) {
		struct rte_mbuf *m = f->head;

		f->head = m->next;
		f->head_seq += m->data_len;
		f->buffers--;
		t->held_buffers--;
		t->held_bytes -= held_of(m);
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
	}
	if (f->head == NULL)
		f->tail = NULL;
}

/*
 * What ack takes off the ring. Returns the bytes delivered now; *rtt: 0 without a clean sample:
 * where something that went again is among them, the others may have waited for it.
 */
static uint32_t pop(struct tcp *t, struct tcp_conn *c, uint32_t ack, uint32_t ts_ecr, uint32_t *rtt,
	uint8_t *gone)
{
	struct tcp_flight *f = c->flight;
	uint32_t delivered = 0;
	bool again = false;

	while (f->n > 0) {
		struct tcp_sent *r = flight_sent(f, 0);

		if (seq_gt(r->end, ack)) {
			if (seq_gt(ack, r->seq))
				delivered += shorten(f, r, ack - r->seq);
			break;
		}
		if (!(r->flags & SENT_SACKED)) {
			recovery_delivered(t, c, r, ts_ecr);
			again |= (r->flags & SENT_EVER) != 0; /* Karn's rule */
			*rtt = again ? 0 : RTE_MAX(t->us - r->at, 1u);
		}
		delivered += account(f, r, r->end - r->seq);
		*gone |= r->flags & (SENT_SYN | SENT_FIN);
		f->first++;
		f->n--;
	}
	return delivered;
}

static void advance(
	struct tcp *t, struct tcp_conn *c, uint32_t ack, uint32_t ts_ecr, uint32_t delivered)
{
	struct tcp_flight *f = c->flight;
	uint32_t acked = ack - c->snd_una, data, rtt = 0;
	uint8_t gone = 0;

	delivered += pop(t, c, ack, ts_ecr, &rtt, &gone);
	sample(t, c, rtt, ts_ecr);
	free_acked(t, f, ack);
	recovery_acked(t, c, acked, delivered, ts_ecr);
	c->snd_una = ack;
	f->timeouts = 0;
	/* they stay near, or would be ahead again 2 GiB later */
	c->snd_up = seq_max(c->snd_up, ack);
	f->highest_sack = seq_max(f->highest_sack, ack);
	c->stuck_since = t->tick;
	c->wants &= (uint16_t)~TOLD_R1;
	data = acked - ((gone & SENT_SYN) != 0) - ((gone & SENT_FIN) != 0);
	if (f->n == 0 && f->head == NULL)
		flight_free(t, c);
	if (c->flight != NULL || c->state != TCP_ESTABLISHED) /* a FIN may have had no window */
		conn_todo(t, c, TODO_SEND);
	if (c->flight != NULL) {
		rto_arm(t, c, true);
		if (seq_geq(ack, f->stall_goal))
			timers_expect(t, c);
	}
	if (data != 0 && c->ops != NULL && c->ops->on_sent != NULL)
		c->ops->on_sent(t, c, data);
}

void ack_advance(struct tcp *t, struct tcp_conn *c, uint32_t ack, uint32_t ts_ecr)
{
	advance(t, c, ack, ts_ecr, 0);
}

/* --- SACK --- */

/*
 * Marks what the block covers wholly. Returns the bytes that were not known to be there. The block
 * that grows comes again with each ACK: what it had covered before is passed over.
 */
static uint32_t mark(struct tcp *t, struct tcp_conn *c, const struct tcp_sack *block)
{
	struct tcp_flight *f = c->flight;
	bool goes_on = flight_in_run(f, block->start);
	uint32_t first = flight_first_from(f, goes_on ? f->run_end : block->start);
	uint32_t end = 0, delivered = 0;

	for (uint32_t i = first; i < f->n; i++) {
		struct tcp_sent *r = flight_sent(f, i);

		if (seq_gt(r->end, block->end))
			break;
		end = r->end;
		if (r->flags & SENT_SACKED)
			continue;
		recovery_delivered(t, c, r, 0); /* the timestamp is that of the hole's edge */
		delivered += account(f, r, r->end - r->seq);
		r->flags = (uint8_t)((r->flags & ~SENT_LOST) | SENT_SACKED);
		f->highest_sack = f->sacked == 0 ? r->end : seq_max(f->highest_sack, r->end);
		f->sacked += r->end - r->seq;
	}
	if (delivered != 0) {
		/* not the block's own start: what is only covered in part may be split there */
		f->run_start = goes_on ? f->run_start : flight_sent(f, first)->seq;
		f->run_end = end;
	}
	return delivered;
}

/* RFC 2883: the first block is below the ACK, or inside the second: a duplicate arrived. */
static bool is_dsack(const struct segment *s)
{
	const struct tcp_sack *first = &s->opts.sack[0], *second = &s->opts.sack[1];

	if (seq_lt(first->start, s->ack))
		return true;
	return s->opts.n_sacks > 1 && seq_geq(first->start, second->start) &&
	       seq_leq(first->end, second->end);
}

static uint32_t sacks(struct tcp *t, struct tcp_conn *c, const struct segment *s)
{
	uint32_t delivered = 0, first = 0;

	if (s->opts.n_sacks == 0 || !(c->uses & USES_SACK))
		return 0;
	if (is_dsack(s)) {
		recovery_dsack(t, c);
		first = 1;
	}
	for (uint32_t i = first; i < s->opts.n_sacks; i++) {
		const struct tcp_sack *block = &s->opts.sack[i];

		if (seq_lt(block->start, block->end) && seq_gt(block->start, c->snd_una) &&
			seq_leq(block->end, c->snd_nxt))
			delivered += mark(t, c, block);
		else
			t->w->count[COUNT_tcp_sacks_ignored]++;
	}
	return delivered;
}

/*
 * RFC 5681 2: nothing new but that something arrived; with SACK, only what SACK says counts. From a
 * closed window come the answers to our probes.
 */
static bool is_duplicate(const struct tcp_conn *c, const struct segment *s)
{
	return c->flight->n > 0 && s->len == 0 && !(s->flags & (TCP_SYN | TCP_FIN)) &&
	       s->window << c->snd_scale == c->snd_wnd && c->snd_wnd != 0 && !(c->uses & USES_SACK);
}

void ack_slow(struct tcp *t, struct tcp_conn *c, struct segment *s)
{
	uint32_t ts_ecr = (c->uses & USES_TS) && (s->opts.has & TCP_HAS_TS) ? s->opts.ts_ecr : 0;
	uint32_t delivered;
	bool duplicate;

	if (c->flight == NULL)
		return;
	delivered = sacks(t, c, s);
	if (seq_gt(s->ack, c->snd_una)) {
		advance(t, c, s->ack, ts_ecr, delivered);
		return;
	}
	duplicate = is_duplicate(c, s);
	if (duplicate)
		recovery_duplicate(t, c);
	else if (delivered != 0)
		recovery_acked(t, c, 0, delivered, ts_ecr);
	else if (s->len == 0 && s->opts.n_sacks == 0)
		recovery_nothing_new(c, s->ack);
	if (c->snd_wnd == 0 && c->user_timeout == 0) /* it answers our probes: it lives */
		c->stuck_since = t->tick;
}
