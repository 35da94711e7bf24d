/* SPDX-License-Identifier: BSD-3-Clause */
/* track: what a flow's packets say of its state, and when flows end. */
#include "sync_inner.h"
#include "synproxy.h"

static struct lb_count *count_of(struct worker *w, const struct flow *f)
{
	return &w->lb->backend[f->backend];
}

/* Closed flows do not count as their backend's any more. */
static void set_state(struct worker *w, struct flow *f, enum flow_state state)
{
	int64_t more = (f->state == FLOW_CLOSED) - (state == FLOW_CLOSED);

	count_of(w, f)->flows += (uint64_t)more;
	w->lb->service[f->service].flows += (uint64_t)more;
	if (state == f->state)
		return;
	f->state = (uint8_t)state;
	if (w->lb->sync->telling != 0 && state != FLOW_NEW)
		lb_sync_note(w, f);
}

static bool has(const struct flow *f, uint8_t marks)
{
	return (f->marks & marks) == marks;
}

/*
 * Sequence numbers are not looked at, so a reset may be anybody's, and its receiver has the say
 * (RFC 5961 3). A flow is closed with its first; where both ends go on all the same, it lives on.
 */
static void track_reset(struct worker *w, struct flow *f, bool from_client)
{
	if (f->state == FLOW_NEW && !from_client && has(f, LB_BEGUN) && !has(f, LB_REPLIED))
		count_of(w, f)->refused++;
	f->marks &= (uint8_t) ~(LB_CLIENT_ALIVE | LB_BACKEND_ALIVE);
	set_state(w, f, FLOW_CLOSED);
}

static bool outlives_reset(struct flow *f, bool from_client)
{
	f->marks |= from_client ? LB_CLIENT_ALIVE : LB_BACKEND_ALIVE;
	return has(f, LB_CLIENT_ALIVE | LB_BACKEND_ALIVE);
}

/* RFC 9293's states as seen from between; of who has not finished is not asked for the last ACK. */
static void track_tcp(struct worker *w, struct flow *f, uint8_t flags, bool from_client)
{
	if (flags & TCP_RST) {
		track_reset(w, f, from_client);
		return;
	}
	if ((flags & TCP_SYN) && from_client && f->state != FLOW_ESTABLISHED) {
		if (f->state != FLOW_NEW) /* else it comes again */
			f->marks &= (uint8_t)~LB_OF_CONNECTION;
		f->marks |= LB_BEGUN;
		set_state(w, f, FLOW_NEW);
		return;
	}
	if (flags & TCP_FIN)
		f->marks |= from_client ? LB_CLIENT_FIN : LB_BACKEND_FIN;
	if (has(f, LB_CLIENT_FIN | LB_BACKEND_FIN))
		set_state(w, f, FLOW_CLOSED);
	else if (f->state == FLOW_CLOSED && !outlives_reset(f, from_client))
		return;
	else if (f->marks & (LB_CLIENT_FIN | LB_BACKEND_FIN))
		set_state(w, f, FLOW_CLOSING);
	else if (f->state == FLOW_CLOSED || (from_client && has(f, LB_REPLIED)))
		set_state(w, f, FLOW_ESTABLISHED);
}

/*
 * Where replies pass elsewhere, the client's packets alone tell. The mark LB_REPLIED, for want of
 * replies, is set by a SYN, or by the first packet of a flow under way:
 *
 *   state        SYN   FIN      RST     other, UDP's
 *   NEW          NEW   CLOSING  CLOSED  ESTABLISHED from the second packet on
 *   ESTABLISHED  same  CLOSING  CLOSED  same
 *   CLOSING      NEW   same     CLOSED  same: it acknowledges what the backend still sends
 *   CLOSED       NEW   CLOSING  same    ESTABLISHED from the second on: the reset was another's
 *
 * One packet alone, which anybody can send in another's name, never makes a flow that others may
 * not drive out. The backend's FIN is not seen: CLOSING lasts until its time is over.
 */
static void track_one_way(struct worker *w, struct flow *f, uint8_t flags)
{
	bool first = (f->marks & LB_REPLIED) == 0;

	if (flags & TCP_RST) {
		f->marks &= (uint8_t)~LB_REPLIED;
		set_state(w, f, FLOW_CLOSED);
		return;
	}
	f->marks |= LB_REPLIED;
	if (flags & TCP_SYN)
		set_state(w, f, f->state == FLOW_ESTABLISHED ? FLOW_ESTABLISHED : FLOW_NEW);
	else if (flags & TCP_FIN)
		set_state(w, f, FLOW_CLOSING);
	else if (f->state != FLOW_CLOSING && !first)
		set_state(w, f, FLOW_ESTABLISHED);
}

void lb_track_odd(struct worker *w, struct flow *f, uint8_t flags, bool from_client)
{
	const struct lb_vservice *s = &w->net->lb->vservice[f->service];
	bool closing = (f->marks & (LB_CLIENT_FIN | LB_BACKEND_FIN)) != 0;

	if (f->state == FLOW_TAKEN) /* from now on it is ours */
		set_state(w, f, closing ? FLOW_CLOSING : FLOW_ESTABLISHED);
	if (!lb_replies_pass(s->mode)) {
		track_one_way(w, f, flags);
		return;
	}
	if (s->proto == IP4_PROTO_TCP)
		track_tcp(w, f, flags, from_client);
	else if (f->state == FLOW_NEW && !from_client)
		set_state(w, f, FLOW_ESTABLISHED);
	if (!from_client && (f->marks & LB_REPLIED) == 0 && (flags & TCP_RST) == 0) {
		f->marks |= LB_REPLIED;
		count_of(w, f)->answered++;
	}
}

void lb_track_again(struct worker *w, struct flow *f)
{
	bool stays = f->state == FLOW_ESTABLISHED;

	f->marks &= (uint8_t) ~(LB_CLIENT_FIN | LB_BACKEND_FIN);
	set_state(w, f, FLOW_ESTABLISHED);
	if (stays && w->lb->sync->telling != 0) /* whom it is with is told, too */
		lb_sync_note(w, f);
}

void lb_flow_gone(struct worker *w, const struct flow *gone)
{
	if (gone->state != FLOW_FREE && flow_has_source(gone))
		lb_pool_give(w, gone);
	if (gone->state == FLOW_FREE || gone->state == FLOW_CLOSED)
		return;
	count_of(w, gone)->flows--;
	w->lb->service[gone->service].flows--;
}

/*
 * Its backend's slot, its service's, or its address of ours is nobody's any more, or its client has
 * lost its welcome.
 */
static bool is_doomed(const struct flow *f, const void *arg)
{
	const struct lb *lb = arg;

	return lb->vservice[f->service].kind == LB_SLOT_ENDED ||
	       lb->backend[f->backend].state == LB_BACKEND_ENDED ||
	       (flow_has_source(f) && lb->nat[f->nat_addr].state == LB_NAT_ENDED) ||
	       !lb_acl_allows(&lb->vservice[f->service], f->addr);
}

#define ROUND_MS    20000 /* to look at every flow once, */
#define ROUND_LEAST 8192  /* but no fewer buckets a second: small tables go round sooner */
#define SWEEP_MAX   1024  /* buckets at a time */
#define SWEEP_IDLE  4096  /* where it comes seldom, since there is nothing to do */

/* Buckets that are due. */
static uint32_t due(const struct worker *w, uint32_t all)
{
	double seconds = (double)(w->now - w->lb->swept_at) / (double)clock_of_ms(1000);
	double each = RTE_MAX(all * 1000. / ROUND_MS, (double)ROUND_LEAST);
	uint32_t most = w->quiet > 0 ? SWEEP_IDLE : SWEEP_MAX;

	return (uint32_t)RTE_MIN(seconds * each, (double)most);
}

static void went_round(struct lb_worker *b)
{
	uint32_t rounds = atomic_load_explicit(&b->rounds, memory_order_relaxed);

	b->sweep_left = flow_buckets(b->flows);
	atomic_store_explicit(&b->rounds, rounds + 1, memory_order_release);
}

void lb_time(struct worker *w)
{
	struct lb_worker *b = w->lb;
	uint32_t buckets, left = due(w, flow_buckets(b->flows));
	struct flow gone;

	b->seconds = (uint16_t)(w->now / clock_of_ms(1000));
	lb_proxy_time(w);
	if (left == 0)
		return;
	b->swept_at = w->now;
	if (flow_count(b->flows)->flows == 0) { /* seen at a glance */
		went_round(b);
		return;
	}
	for (; left > 0; left -= buckets) {
		uint32_t n = buckets = RTE_MIN(left, b->sweep_left);

		while (flow_sweep(b->flows, b->seconds, is_doomed, w->net->lb, &n, &gone))
			lb_flow_gone(w, &gone);
		b->sweep_left -= buckets;
		if (b->sweep_left == 0)
			went_round(b);
	}
}
