/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TIME_WAIT (RFC 9293 3.10.7.4, RFC 1337, RFC 6191): what is left of a connection for 2 MSL.
 *
 * All last equally long, so they stand in a list in the order of their ends. A FIN that comes
 * again is acknowledged again and begins the 2 MSL anew; a reset is ignored (RFC 1337); a SYN of a
 * later incarnation ends the record and reaches the listener.
 */
#include "engine.h"

static void unlink_tw(struct tcp *t, struct time_wait *tw)
{
	if (tw->prev != 0)
		t->tw[tw->prev - 1].next = tw->next;
	else
		t->tw_first = tw->next;
	if (tw->next != 0)
		t->tw[tw->next - 1].prev = tw->prev;
	else
		t->tw_last = tw->prev;
}

static void append(struct tcp *t, struct time_wait *tw)
{
	uint32_t number = (uint32_t)(tw - t->tw) + 1;

	tw->until = tick_in(t, TICKS_OF_MS(2 * (uint64_t)t->set.msl_ms));
	tw->next = 0;
	tw->prev = t->tw_last;
	if (t->tw_last != 0)
		t->tw[t->tw_last - 1].next = number;
	else
		t->tw_first = number;
	t->tw_last = number;
}

static uint32_t table_index(const struct tcp *t, const struct time_wait *tw)
{
	return t->limits.connections + (uint32_t)(tw - t->tw);
}

void timewait_begin(struct tcp *t, struct time_wait *tw)
{
	if (tcp_table_add(t->table, tw->hash, table_index(t, tw)) < 0) {
		t->w->count[COUNT_tcp_no_memory]++;
		slab_give(&t->tws, tw);
		return;
	}
	t->changes++;
	t->w->count[COUNT_tcp_time_waits]++;
	append(t, tw);
}

void timewait_end(struct tcp *t, struct time_wait *tw)
{
	tcp_table_remove(t->table, tw->hash, table_index(t, tw));
	t->changes++;
	unlink_tw(t, tw);
	tw->until = 0; /* not in use */
	slab_give(&t->tws, tw);
}

void timewait_sweep(struct tcp *t, uint32_t max)
{
	while (max-- > 0 && t->tw_first != 0 && tick_due(t, t->tw[t->tw_first - 1].until))
		timewait_end(t, &t->tw[t->tw_first - 1]);
}

void timewait_ack(struct tcp *t, const struct time_wait *tw)
{
	struct loose *l = stack_loose(t);

	if (l == NULL)
		return;
	l->key = tw->key;
	l->seq = tw->snd_nxt;
	l->ack = tw->rcv_nxt;
	l->window = tw->window;
	l->flags = TCP_ACK;
	l->ttl = tw->ttl;
	if (tw->uses & USES_TS) {
		l->opts.has = TCP_HAS_TS;
		l->opts.ts_val = t->stamp + tw->ts_off;
		l->opts.ts_ecr = tw->ts_recent;
	}
}

/* RFC 6191, and RFC 1122 4.2.2.13 where there are no timestamps: surely a later incarnation's? */
static bool is_later(const struct time_wait *tw, const struct segment *s)
{
	if ((tw->uses & USES_TS) && (s->opts.has & TCP_HAS_TS) && s->opts.ts_val != tw->ts_recent)
		return seq_gt(s->opts.ts_val, tw->ts_recent);
	return seq_gt(s->seq, tw->rcv_nxt);
}

static bool reopens(struct tcp *t, struct time_wait *tw, struct segment *s)
{
	struct listener *l = listener_for(t, &s->key);
	uint32_t above = tw->snd_nxt;

	if ((s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN || l == NULL || !is_later(tw, s))
		return false;
	t->w->count[COUNT_tcp_time_wait_reused]++;
	timewait_end(t, tw);
	return handshake_listen(t, l, s, above);
}

bool timewait_segment(struct tcp *t, struct time_wait *tw, struct segment *s)
{
	bool old_ts;

	tcp_opt_read(s->h, &s->opts);
	if (s->flags & TCP_RST) {
		stack_drop(t, s, DROP_TCP_TIME_WAIT);
		return true;
	}
	if (reopens(t, tw, s))
		return true;
	if (!(s->flags & (TCP_ACK | TCP_SYN)) && s->seq == tw->rcv_nxt) { /* the fifth step */
		stack_drop(t, s, DROP_TCP_NO_ACK);
		return true;
	}
	old_ts = (tw->uses & USES_TS) && (s->opts.has & TCP_HAS_TS) &&
		 seq_lt(s->opts.ts_val, tw->ts_recent);
	/* the peer's FIN again: its place is the last before rcv_nxt */
	if ((s->flags & TCP_FIN) && s->seq + s->len + 1 == tw->rcv_nxt && !old_ts) {
		unlink_tw(t, tw);
		append(t, tw);
	}
	if (s->len != 0 || (s->flags & (TCP_SYN | TCP_FIN)) || s->seq != tw->rcv_nxt ||
		((s->flags & TCP_ACK) && seq_gt(s->ack, tw->snd_nxt)))
		timewait_ack(t, tw);
	stack_drop(t, s, DROP_TCP_TIME_WAIT);
	return true;
}
