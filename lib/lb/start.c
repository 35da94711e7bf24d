/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * start: who gets a new flow.
 *
 * The service's list of sources, its limits, its scheduler, which passes over backends that are
 * full; the flow's place in the table.
 *
 * Where there is no place, the hash alone chooses, and chooses the same again for the next packet
 * and for replies: limits do not see such flows. It chooses as soon as the table is nearly full,
 * too, and for what goes on without a flow while there are flows without places: so who was
 * displaced before his handshake was done finds his backend again.
 */
#include "inner.h"
#include "lb/maglev.h"
#include "net/tcp_reset.h"
#include "synproxy.h"

void lb_refuse(struct worker *w, struct rte_mbuf *m, enum drop_reason why)
{
	if (pkt_ip4(m)->proto == IP4_PROTO_UDP &&
		(why == DROP_NO_SERVICE || why == DROP_LB_NO_BACKEND)) {
		error_put(w, m, why == DROP_NO_SERVICE ? ERROR_SERVICE : ERROR_BACKEND, 0);
		return;
	}
	if (pkt_ip4(m)->proto == IP4_PROTO_TCP && why != DROP_LB_ACL && why != DROP_LB_LIMIT)
		tcp_reset_answer(w, m);
	drop(w, m, why);
}

#define FULL_MS	    1  /* a service all of whose backends are full does not ask them for so long */
#define NEXT_PLACES 64 /* of Maglev's table, for a flow whose own place is full; then any */
#define NEXT_TURNS  4096 /* of a round, if backends are full; then any */

/* The hash alone: the same for every packet, whatever the limits. */
static uint16_t by_hash_alone(const struct lb_pick *pick, uint32_t hash)
{
	return pick->place[maglev_place(hash, pick->size)];
}

/* The first of the open ones from some place on that is not full. */
static uint16_t any_open(const struct worker *w, const struct lb_pick *pick, uint32_t from)
{
	for (uint32_t i = 0; i < pick->n; i++) {
		uint16_t slot = pick->open[(from + i) % pick->n];

		if (lb_limit_backend(w, slot))
			return slot;
	}
	return LB_NOBODY;
}

/* The next places are as scattered as the first, and the same at every instance. */
static uint16_t by_hash(const struct worker *w, const struct lb_pick *pick, uint32_t hash)
{
	uint32_t at = maglev_place(hash, pick->size);

	for (uint32_t i = 0; i < RTE_MIN(pick->size, (uint32_t)NEXT_PLACES); i++) {
		if (pick->place[at] == LB_NOBODY || lb_limit_backend(w, pick->place[at]))
			return pick->place[at];
		at = at + 1 == pick->size ? 0 : at + 1;
	}
	return any_open(w, pick, hash);
}

static uint16_t by_turn(struct worker *w, const struct lb_pick *pick, uint16_t service)
{
	uint32_t *turn = &w->lb->turn[service];

	for (uint32_t i = 0; i < RTE_MIN(pick->n_turn, (uint32_t)NEXT_TURNS); i++) {
		uint16_t slot;

		if (*turn >= pick->n_turn)
			*turn = 0;
		slot = pick->turn[(*turn)++];
		if (lb_limit_backend(w, slot))
			return slot;
	}
	return any_open(w, pick, *turn);
}

static uint16_t by_load(struct worker *w, const struct lb_pick *pick, uint16_t service)
{
	uint64_t least = UINT64_MAX;
	uint16_t best = LB_NOBODY;
	uint32_t at = w->lb->turn[service]++;

	/*
	 * Half a flow more than it has, for its weight: with a whole one the heavy would get more
	 * than their share while flows are few, and with none all of the first. Equals take turns.
	 */
	for (uint32_t i = 0; i < pick->n; i++) {
		uint32_t j = (at + i) % pick->n;
		uint64_t load = (2 * w->lb->backend[pick->open[j]].flows + 1) * pick->price[j];

		if (load < least && lb_limit_backend(w, pick->open[j])) {
			least = load;
			best = pick->open[j];
		}
	}
	return best;
}

static uint32_t hash_of(const struct worker *w, const struct flow_key *key)
{
	const struct lb *lb = w->net->lb;

	return lb_hash(lb, key->addr, key->port, &lb->vservice[key->service], key->service_port);
}

static bool is_crowded(const struct worker *w)
{
	return flow_count(w->lb->flows)->flows >= w->lb->crowd;
}

static uint16_t choose(struct worker *w, const struct flow_key *key, const struct lb_pick *pick)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[key->service];

	if (is_crowded(w))
		return by_hash(w, pick, hash_of(w, key));
	switch ((enum lb_scheduler)s->scheduler) {
	case LB_ROUND_ROBIN:
		if (pick->n_turn == 0)
			break; /* an apply changes the scheduler just now, or had no memory */
		return by_turn(w, pick, key->service);
	case LB_LEAST_CONNECTIONS:
		return by_load(w, pick, key->service);
	case LB_SOURCE_HASH:
		return by_hash(w, pick, lb_hash(lb, key->addr, 0, s, 0));
	case LB_MAGLEV:
	case LB_SCHEDULERS:
		break;
	}
	return by_hash(w, pick, hash_of(w, key));
}

uint16_t lb_alone(const struct worker *w, const struct flow_key *key)
{
	const struct lb_pick *pick = lb_pick_of(&w->net->lb->vservice[key->service]);

	return w->now < w->lb->alone && pick != NULL ? by_hash_alone(pick, hash_of(w, key))
						     : LB_NOBODY;
}

/* Who gets the flow; LB_NOBODY: nobody, and why. */
static uint16_t chosen(struct worker *w, const struct flow_key *key, const struct lb_pick *pick,
	uint8_t flags, enum drop_reason *why)
{
	struct lb_gate *gate = &w->lb->gate[key->service];
	uint16_t backend;

	*why = DROP_LB_NO_BACKEND;
	if (pick == NULL || pick->n == 0)
		return LB_NOBODY;
	if ((flags & TCP_SYN) == 0 && w->now < w->lb->alone) /* one without a place goes on */
		return by_hash_alone(pick, hash_of(w, key));
	*why = DROP_LB_LIMIT;
	if (w->now < gate->full || !lb_limit_service(w, key->service))
		return LB_NOBODY;
	backend = choose(w, key, pick);
	if (backend == LB_NOBODY)
		gate->full = w->now + clock_of_ms(FULL_MS);
	return backend;
}

/* A flow has no place, from now on (f is NULL), or may have lost it to f while it was half open. */
static void note_crowd(struct worker *w, const struct flow *f, uint16_t service)
{
	const struct flow_count *c = flow_count(w->lb->flows);
	const uint16_t *idle = w->net->lb->vservice[service].idle;
	ticks until = w->now + clock_of_ms(1000) * idle[f == NULL ? FLOW_ESTABLISHED : FLOW_NEW];

	if (f != NULL && c->displaced == w->count[COUNT_lb_flows_displaced])
		return;
	w->count[COUNT_lb_flows_displaced] = c->displaced;
	w->count[COUNT_lb_flows_refused] = c->refused;
	w->lb->alone = RTE_MAX(w->lb->alone, until);
}

/* A place in the table for a flow to a backend, or NULL. */
static struct flow *place(
	struct worker *w, const struct flow_key *key, uint32_t hash, uint16_t backend)
{
	struct flow gone, *f;

	f = flow_add(w->lb->flows, hash, key, w->lb->seconds, &gone);
	lb_flow_gone(w, &gone);
	note_crowd(w, f, key->service);
	if (f == NULL)
		return NULL;
	f->backend = backend;
	w->lb->backend[backend].flows++;
	w->lb->backend[backend].opened++;
	w->lb->service[key->service].flows++;
	w->lb->service[key->service].opened++;
	lb_limit_took(w, key->service, backend);
	return f;
}

/*
 * A flow whose backend takes no new ones goes on there; one whose backend has gone ends, unless
 * this packet begins another.
 */
static bool goes_on(struct worker *w, struct flow *f, uint8_t proto, uint8_t flags)
{
	const struct lb_backend *b = &w->net->lb->backend[f->backend];
	bool answered = f->state == FLOW_NEW && (f->marks & LB_REPLIED) != 0;
	bool begins = f->state < FLOW_TAKEN && !answered; /* a SYN may come again behind */

	begins &= proto == IP4_PROTO_UDP || (flags & TCP_SYN) != 0;
	begins |= proto == IP4_PROTO_UDP && b->state == LB_BACKEND_DOWN;
	return b->state != LB_BACKEND_ENDED && !begins;
}

void lb_refused(struct worker *w, struct rte_mbuf *m, uint16_t service, enum drop_reason why)
{
	w->lb->service[service].refused++;
	lb_refuse(w, m, why);
}

static uint16_t refused(
	struct worker *w, struct rte_mbuf *m, uint16_t service, enum drop_reason why)
{
	lb_refused(w, m, service, why);
	return LB_NOBODY;
}

/*
 * Whether a flow needs a source of ours: always in full NAT; in NAT with a pool, where the client
 * is on the backend's side, and answers would go past us.
 */
static bool needs_source(
	const struct worker *w, const struct rte_mbuf *m, uint16_t service, uint16_t backend)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[service];

	if (s->mode == LB_FULL_NAT)
		return true;
	return s->mode == LB_NAT && s->nat != 0 &&
	       lookup_egress(w, m, from_be32(lb->backend[backend].addr)) == pkt_iface(m);
}

/* The flow gets a source of ours if it needs one. False: there is none, and the flow has ended. */
static bool gets_source(struct worker *w, const struct rte_mbuf *m, struct flow *f)
{
	if (flow_has_source(f) || !needs_source(w, m, f->service, f->backend) || lb_pool_take(w, f))
		return true;
	lb_flow_gone(w, f);
	flow_end(w->lb->flows, f);
	return false;
}

struct flow *lb_begin(struct worker *w, const struct rte_mbuf *m, uint32_t hash,
	const struct flow_key *key, enum drop_reason *why)
{
	const struct lb_vservice *s = &w->net->lb->vservice[key->service];
	uint16_t backend = chosen(w, key, lb_pick_of(s), TCP_SYN, why);
	struct flow *f;

	if (backend == LB_NOBODY)
		return NULL;
	*why = DROP_LB_TABLE_FULL;
	f = place(w, key, hash, backend);
	if (f == NULL)
		return NULL;
	*why = DROP_LB_NO_PORT;
	return gets_source(w, m, f) ? f : NULL;
}

static uint16_t start(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends,
	uint32_t hash, const struct flow_key *key, struct flow **f)
{
	const struct lb *lb = w->net->lb;
	const struct lb_vservice *s = &lb->vservice[key->service];
	const struct lb_pick *pick = lb_pick_of(s);
	enum lb_proxy_verdict verdict;
	enum drop_reason why;
	uint16_t backend;

	if (*f != NULL) {
		bool closes = lb->backend[(*f)->backend].state == LB_BACKEND_ENDED &&
			      s->proto == IP4_PROTO_TCP && (ends->flags & TCP_SYN) == 0;

		if (goes_on(w, *f, s->proto, ends->flags))
			return (*f)->backend;
		lb_flow_gone(w, *f);
		flow_end(w->lb->flows, *f);
		*f = NULL;
		if (closes)
			return refused(w, m, key->service, DROP_LB_BACKEND_GONE);
	}
	if (!lb_acl_allows(s, key->addr))
		return refused(w, m, key->service, DROP_LB_ACL);
	verdict = s->syn_proxy == LB_SYN_OFF ? LB_PROXY_NOT : lb_proxy_start(w, m, ends, hash, key);
	if (verdict == LB_PROXY_TOOK)
		return LB_NOBODY;
	if (verdict == LB_PROXY_ALONE && pick != NULL && pick->n > 0) {
		backend = by_hash_alone(pick, hash_of(w, key));
		if ((ends->flags & TCP_RST) == 0 && needs_source(w, m, key->service, backend))
			return refused(w, m, key->service, DROP_LB_NO_COOKIE);
		return backend;
	}
	backend = chosen(w, key, pick, ends->flags, &why);
	if (backend == LB_NOBODY)
		return refused(w, m, key->service, why);
	if ((ends->flags & TCP_RST) != 0)
		return backend;
	*f = place(w, key, hash, backend);
	if (*f == NULL) /* the same for its next packets, whatever the scheduler */
		backend = by_hash_alone(pick, hash_of(w, key));
	return backend;
}

uint16_t lb_start(struct worker *w, struct rte_mbuf *m, const struct lb_ends *ends, uint32_t hash,
	const struct flow_key *key, struct flow **f)
{
	uint16_t backend = start(w, m, ends, hash, key, f);

	/* one that goes on has its source already, if it needs one */
	if (backend == LB_NOBODY || (*f != NULL && (*f)->state != FLOW_NEW))
		return backend;
	if (*f == NULL && needs_source(w, m, key->service, backend))
		return refused(w, m, key->service,
			ends->flags & TCP_RST ? DROP_LB_NO_FLOW : DROP_LB_TABLE_FULL);
	if (*f == NULL || gets_source(w, m, *f))
		return backend;
	*f = NULL;
	return refused(w, m, key->service, DROP_LB_NO_PORT);
}
