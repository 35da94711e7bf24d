/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Flows told: which, when, and how many.
 *
 * A flow whose state has changed is noted, by its place, with others of its slot; they go out
 * together when a datagram is full or FLUSH_MS have passed, as they are then: one that has ended
 * by that time, untold, costs nothing. Beside that a walk goes over all places once in ROUND_MS,
 * or at once when somebody begins to listen. Both take tokens; half of a burst is left to changes.
 */
#include "inside.h"
#include "sync_inner.h"

#include <errno.h>
#include <stdlib.h>

#define ROUND_MS  20000
#define STEP_MS	  1000 /* the walk goes on, a part at a time: so datagrams are not all small */
#define FLUSH_MS  20
#define WALK_MOST 2048 /* places looked at in a pass */
#define HEADERS	  (ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN)

int lb_sync_attach(struct worker *w)
{
	size_t room = rte_pktmbuf_data_room_size(w->pool) - RTE_PKTMBUF_HEADROOM;
	struct sync_end *e = calloc(1, sizeof(*e));

	w->lb->sync = e;
	if (e == NULL)
		return -ENOMEM;
	e->most = (uint16_t)RTE_MIN(
		(size_t)SYNC_RECORDS, (room - HEADERS - SYNC_HEAD - SYNC_TAG) / SYNC_RECORD);
	return 0;
}

void lb_sync_detach(struct worker *w)
{
	free(w->lb->sync);
	w->lb->sync = NULL;
}

/* --- out --- */

void sync_send(struct worker *w, const struct lb_sync *s, uint8_t *p, size_t len)
{
	struct rte_mbuf *m = originate(w);
	uint16_t total = (uint16_t)(len + SYNC_TAG);
	struct ip4_hdr *ip;
	struct udp_hdr *udp;

	if (m == NULL)
		return;
	sync_write_tag(p, len, &s->key);
	rte_pktmbuf_append(m, (uint16_t)(HEADERS + total));
	ip = pkt_ip4(m);
	ip4_hdr_build(ip, &(struct ip4_fields){
				  .total_len = (uint16_t)(IP4_HDR_LEN + UDP_HDR_LEN + total),
				  .id = w->ip_id++,
				  .ttl = (uint8_t)w->net->set.ttl,
				  .proto = IP4_PROTO_UDP,
				  .src = s->addr,
				  .dst = s->peer,
			  });
	udp = pkt_l4(m);
	udp_hdr_build(udp, s->port, s->port, total);
	memcpy(udp + 1, p, total);
	udp_hdr_csum_set(udp, ip->src, ip->dst);
	lane_put(&w->out, m, s->peer);
}

static bool is_mapping(const struct lb *lb, const struct flow *f)
{
	return lb->vservice[f->service].kind == LB_SLOT_MASQUERADE;
}

static uint32_t slot_of(const struct lb *lb, const struct flow *f)
{
	be32 service = is_mapping(lb, f) ? 0 : lb->vservice[f->service].addr;

	return sync_slot(f->addr, service, f->port, f->service_port);
}

static enum sync_state state_of(const struct flow *f)
{
	if (f->state == FLOW_ESTABLISHED)
		return SYNC_ESTABLISHED;
	return f->state == FLOW_CLOSING ? SYNC_CLOSING : SYNC_CLOSED;
}

/* A service's, or a mapping to an address that may move: not to an interface's own. */
static bool can_go_on(const struct lb *lb, const struct flow *f)
{
	return lb->vservice[f->service].kind == LB_SLOT_SERVICE ||
	       (is_mapping(lb, f) && lb->nat[f->nat_addr].addr != 0);
}

/*
 * Whether there is anything to say of it: it lives and is ours, or the other side thinks it lives.
 * Of one that a SYN proxy opened nobody else knows how its numbers change.
 */
static bool is_to_tell(const struct lb *lb, const struct flow *f)
{
	bool lives = f->state == FLOW_ESTABLISHED || f->state == FLOW_CLOSING;

	return (lives || (f->state == FLOW_CLOSED && (f->marks & LB_TOLD) != 0)) && !f->proxied &&
	       can_go_on(lb, f);
}

/* Whom a flow is with; a mapping is with anybody, but its state is of the last connection. */
static void write_service(const struct worker *w, const struct flow *f, struct sync_record *r)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *v = &lb->vservice[f->service];
	const struct lb_backend *b = &lb->backend[f->backend];

	if (is_mapping(lb, f)) {
		if (v->proto == IP4_PROTO_TCP)
			r->backend =
				*lb_inside_with(w->lb->inside[f->nat_addr], from_be16(f->nat_port));
		return;
	}
	r->service = v->addr;
	r->backend = b->addr;
	r->service_port = f->service_port;
	r->backend_port = b->port != 0 ? b->port : f->service_port;
}

/* What is told of a flow of the slot; false: nothing. Its place may be another flow's by now. */
static bool record_of(struct worker *w, struct flow *f, uint32_t slot, struct sync_record *r)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *v = &lb->vservice[f->service];
	const struct lb_backend *b = &lb->backend[f->backend];
	int16_t left = (int16_t)(f->ends - w->lb->seconds);

	if (!is_to_tell(lb, f) || left <= 0 || slot_of(lb, f) != slot ||
		b->state == LB_BACKEND_FREE || b->state == LB_BACKEND_ENDED)
		return false;
	*r = (struct sync_record){.client = f->addr,
		.client_port = f->port,
		.age = (uint16_t)(v->idle[f->state] > left ? v->idle[f->state] - left : 0),
		.proto = v->proto,
		.state = (uint8_t)state_of(f),
		.marks = (uint8_t)(((f->marks & LB_CLIENT_FIN) != 0 ? SYNC_CLIENT_FIN : 0) |
				   ((f->marks & LB_BACKEND_FIN) != 0 ? SYNC_BACKEND_FIN : 0))};
	write_service(w, f, r);
	if (flow_has_source(f)) {
		r->nat = lb->nat[f->nat_addr].addr;
		r->nat_port = f->nat_port;
	}
	if (r->state == SYNC_CLOSED)
		f->marks &= (uint8_t)~LB_TOLD;
	else
		f->marks |= LB_TOLD;
	return true;
}

static void tell_slot(struct worker *w, const struct lb_sync *s, struct sync_end *e, uint32_t slot)
{
	uint8_t p[SYNC_MOST];
	struct sync_head h = {.session = w->net->lb->session,
		.kind = SYNC_FLOWS,
		.slot = (uint8_t)slot,
		.record_len = SYNC_RECORD};

	for (uint32_t i = 0; i < e->n[slot]; i++) {
		struct flow *f = flow_at(w->lb->flows, e->ref[slot][i]);
		struct sync_record r;

		if (record_of(w, f, slot, &r))
			sync_write_record(p + SYNC_HEAD + SYNC_RECORD * h.records++, &r);
	}
	e->n[slot] = 0;
	e->waiting &= ~(UINT64_C(1) << slot);
	e->full &= ~(UINT64_C(1) << slot);
	if (h.records == 0)
		return;
	h.number = ++e->number[slot];
	sync_write_head(p, &h);
	sync_send(w, s, p, SYNC_HEAD + (size_t)SYNC_RECORD * h.records);
	w->count[COUNT_sync_sent]++;
	w->count[COUNT_flows_told] += h.records;
}

static void flush(struct worker *w, const struct lb_sync *s, struct sync_end *e)
{
	uint64_t due = e->full;

	if (w->now - e->flushed_at >= clock_of_ms(FLUSH_MS)) {
		due = e->waiting;
		e->flushed_at = w->now;
	}
	for (uint32_t n = 0; due != 0 && n < SYNC_BUDGET - 1; n++) { /* and a hello */
		tell_slot(w, s, e, (uint32_t)__builtin_ctzll(due));
		due &= due - 1;
	}
	e->full |= due; /* what is left is due in the next pass */
}

/* --- which --- */

/* False: too many wait already. */
static bool put(struct worker *w, const struct flow *f)
{
	struct sync_end *e = w->lb->sync;
	uint32_t slot = slot_of(w->net->lb, f);

	if (e->n[slot] == e->most)
		return false;
	e->ref[slot][e->n[slot]++] = flow_ref(w->lb->flows, f);
	e->waiting |= UINT64_C(1) << slot;
	if (e->n[slot] == e->most)
		e->full |= UINT64_C(1) << slot;
	e->tokens--;
	return true;
}

void lb_sync_note(struct worker *w, const struct flow *f)
{
	if (!is_to_tell(w->net->lb, f))
		return;
	if (w->lb->sync->tokens == 0 || !put(w, f))
		w->count[COUNT_flows_untold]++;
}

static void refill(struct worker *w, const struct lb_sync *s, struct sync_end *e)
{
	uint64_t hz = clock_of_ms(1000), burst = s->rate / 10 + e->most;
	uint64_t passed = RTE_MIN(w->now - e->tokens_at, hz), more = passed * s->rate / hz;

	if (more == 0)
		return;
	e->tokens = RTE_MIN(e->tokens + more, burst);
	e->tokens_at = w->now;
}

static void walk(struct worker *w, const struct lb_sync *s, struct sync_end *e)
{
	uint32_t all = flow_refs(w->lb->flows);
	uint64_t spare = (s->rate / 10 + e->most) / 2;

	if (w->now - e->stepped_at >= clock_of_ms(STEP_MS)) {
		e->left = RTE_MIN(e->left + all / (ROUND_MS / STEP_MS) + 1, all);
		e->stepped_at = w->now;
	}
	for (uint32_t n = RTE_MIN(e->left, (uint32_t)WALK_MOST); n > 0 && e->tokens > spare; n--) {
		const struct flow *f = flow_at(w->lb->flows, e->cursor);

		if (f->state > FLOW_NEW && is_to_tell(w->net->lb, f) && !put(w, f))
			break; /* until its datagram has gone */
		e->cursor = e->cursor + 1 == all ? 0 : e->cursor + 1;
		e->left--;
	}
}

/* Somebody begins to listen, or does so no more. */
static void turn_to(struct worker *w, struct sync_end *e, uint32_t telling)
{
	if (telling == e->telling)
		return;
	e->telling = telling;
	e->left = telling == 0 ? 0 : flow_refs(w->lb->flows);
	e->stepped_at = w->now;
	for (uint64_t due = e->waiting; due != 0; due &= due - 1)
		e->n[__builtin_ctzll(due)] = 0;
	e->waiting = e->full = 0;
}

void lb_sync_time(struct worker *w)
{
	struct lb *lb = w->net->lb;
	const struct lb_sync *s = atomic_load_explicit(&lb->sync, memory_order_acquire);
	struct sync_end *e = w->lb->sync;

	if (s != NULL && w->net->owner[0] == w->id)
		sync_greet(w, s);
	turn_to(w, e, s == NULL ? 0 : atomic_load_explicit(&lb->telling, memory_order_relaxed));
	if (e->telling == 0)
		return;
	refill(w, s, e);
	walk(w, s, e);
	flush(w, s, e);
}
