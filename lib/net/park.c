/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A hash of the neighbours that packets wait for, each with its packets in order of arrival.
 *
 * A neighbour is on one of two lists: `asking` until control answers or time is up, then `ended`,
 * which stage_unpark empties from the front. Whatever comes for it meanwhile joins behind, so that
 * nothing overtakes. It leaves the hash with its last packet.
 */
#include "net/park.h"

#include "base/numa.h"
#include "net/error.h"
#include "net/net.h"
#include "net/stage.h"

#include <sys/queue.h>

#define HASH_BITS 12
#define ASK_MS	  1000 /* between two requests to control for one neighbour */

static_assert(1 << HASH_BITS >= PARK_MAX, "chains stay short");

struct parked {
	STAILQ_ENTRY(parked) next;
	struct rte_mbuf *m;
};

enum wait { ASKING, RESOLVED, FAILED };

struct waiting {
	TAILQ_ENTRY(waiting) next; /* of `asking` or `ended` */
	LIST_ENTRY(waiting) chain;
	STAILQ_HEAD(, parked) packets;
	uint32_t n;
	uint32_t addr;
	uint16_t iface;
	enum wait state;
	ticks since;
	ticks asked;
};

struct park {
	uint32_t held; /* packets */
	TAILQ_HEAD(waiting_list, waiting) asking, ended;
	STAILQ_HEAD(, parked) free_packets;
	TAILQ_HEAD(, waiting) free_waiting;
	LIST_HEAD(, waiting) hash[1 << HASH_BITS];
	struct waiting waiting[PARK_MAX]; /* each has a packet */
	struct parked parked[PARK_MAX];
};

struct park *park_new(int node)
{
	struct park *p = numa_take(sizeof(*p), node);

	if (p == NULL)
		return NULL;
	TAILQ_INIT(&p->asking);
	TAILQ_INIT(&p->ended);
	STAILQ_INIT(&p->free_packets);
	TAILQ_INIT(&p->free_waiting);
	for (uint32_t i = 0; i < PARK_MAX; i++) {
		STAILQ_INSERT_TAIL(&p->free_packets, &p->parked[i], next);
		TAILQ_INSERT_TAIL(&p->free_waiting, &p->waiting[i], next);
	}
	return p;
}

void park_free(struct park *p)
{
	numa_drop(p, sizeof(*p));
}

uint32_t park_held(const struct park *p)
{
	return p->held;
}

static uint32_t slot_of(uint16_t iface, uint32_t addr)
{
	return ((addr ^ (uint32_t)iface << 20) * 0x9e3779b1u) >> (32 - HASH_BITS);
}

static struct waiting *find(struct park *p, uint16_t iface, uint32_t addr)
{
	struct waiting *x;

	LIST_FOREACH (x, &p->hash[slot_of(iface, addr)], chain) {
		if (x->addr == addr && x->iface == iface)
			return x;
	}
	return NULL;
}

static struct waiting *start(struct park *p, uint16_t iface, uint32_t addr, ticks now)
{
	struct waiting *x = TAILQ_FIRST(&p->free_waiting);

	TAILQ_REMOVE(&p->free_waiting, x, next);
	STAILQ_INIT(&x->packets);
	x->n = 0;
	x->iface = iface;
	x->addr = addr;
	x->state = ASKING;
	x->since = now;
	LIST_INSERT_HEAD(&p->hash[slot_of(iface, addr)], x, chain);
	TAILQ_INSERT_TAIL(&p->asking, x, next);
	return x;
}

/* A neighbour's wait has ended, or what its end was has changed, or its last packet has gone. */
static void set_state(struct worker *w, struct waiting *x, enum wait state)
{
	w->resolved += (state == RESOLVED) - (x->state == RESOLVED);
	x->state = state;
}

static void end(struct worker *w, struct waiting *x, bool resolved)
{
	struct park *p = w->park;

	if (x->state == ASKING) {
		TAILQ_REMOVE(&p->asking, x, next);
		TAILQ_INSERT_TAIL(&p->ended, x, next);
		w->released++;
	}
	set_state(w, x, resolved ? RESOLVED : FAILED);
}

static void forget(struct worker *w, struct waiting *x)
{
	struct park *p = w->park;

	if (x->state == ASKING) {
		TAILQ_REMOVE(&p->asking, x, next);
	} else {
		TAILQ_REMOVE(&p->ended, x, next);
		w->released--;
	}
	set_state(w, x, ASKING);
	LIST_REMOVE(x, chain);
	TAILQ_INSERT_HEAD(&p->free_waiting, x, next);
}

static void append(struct park *p, struct waiting *x, struct rte_mbuf *m)
{
	struct parked *k = STAILQ_FIRST(&p->free_packets);

	STAILQ_REMOVE_HEAD(&p->free_packets, next);
	k->m = m;
	STAILQ_INSERT_TAIL(&x->packets, k, next);
	x->n++;
	p->held++;
}

static struct rte_mbuf *take_oldest(struct park *p, struct waiting *x)
{
	struct parked *k = STAILQ_FIRST(&x->packets);

	STAILQ_REMOVE_HEAD(&x->packets, next);
	STAILQ_INSERT_HEAD(&p->free_packets, k, next);
	x->n--;
	p->held--;
	return k->m;
}

static void ask(struct worker *w, struct waiting *x)
{
	struct event e = {.kind = EVENT_RESOLVE, .iface = x->iface, .addr = x->addr};

	x->asked = w->now;
	worker_tell(w, &e);
}

/* Back to the FIB lane that it left; or, when nobody answered, to its sender's disappointment. */
static void release(struct worker *w, struct rte_mbuf *m, bool resolved)
{
	bool ours = m->port & PKT_ORIGIN;

	if (resolved) {
		m->port |= PKT_WAITED;
		w->count[COUNT_unparked]++;
		lane_put(ours ? &w->out : &w->in, m, ip4_hdr_dst(pkt_ip4(m)));
	} else if (ours) {
		drop(w, m, DROP_NEIGHBOUR_FAILED);
	} else {
		error_put(w, m, ERROR_NEIGHBOUR, 0);
	}
}

/* Whether the neighbour's own entry in the FIB says that packets may go by now. */
static bool may_go(const struct net *net, uint16_t iface, uint32_t addr)
{
	fib_entry e = fib4_lookup(net->fib, addr);
	const struct adj *a = &net->adj[fib_entry_index(e)];

	return fib_entry_kind(e) == FIB_FORWARD && a->addr == addr && a->iface == iface &&
	       (__atomic_load_n(&a->flags, __ATOMIC_ACQUIRE) & ADJ_RESOLVED) != 0;
}

void park_put(struct worker *w, struct rte_mbuf *m, uint16_t iface, uint32_t addr)
{
	const struct net_settings *set = &w->net->set;
	uint32_t each = RTE_MAX(set->park_each, 1u), total = RTE_MIN(set->park_total, PARK_MAX);
	struct park *p = w->park;
	struct waiting *x = find(p, iface, addr);

	if (unlikely(m->port & PKT_WAITED)) {
		release(w, m, false); /* once is enough: it shall not go round for ever */
		return;
	}
	if (x != NULL && x->n >= each) {
		drop(w, take_oldest(p, x), DROP_PARK_NEIGHBOUR_FULL);
	} else if (p->held >= total) {
		drop(w, x == NULL ? m : take_oldest(p, x), DROP_PARK_FULL);
		if (x == NULL)
			return;
	}
	w->count[COUNT_parked]++;
	if (x != NULL) {
		append(p, x, m);
		return;
	}
	x = start(p, iface, addr, w->now);
	append(p, x, m);
	if (may_go(w->net, iface, addr))
		end(w, x, true);
	else
		ask(w, x);
}

void park_resolved(struct worker *w, uint16_t iface, uint32_t addr)
{
	struct waiting *x = find(w->park, iface, addr);

	if (x != NULL)
		end(w, x, true);
}

void park_failed(struct worker *w, uint16_t iface, uint32_t addr)
{
	struct waiting *x = find(w->park, iface, addr);

	if (x != NULL && x->state == ASKING)
		end(w, x, false);
}

void park_expire(struct worker *w)
{
	ticks limit = clock_of_ms(w->net->set.park_ms), again_after = clock_of_ms(ASK_MS);
	struct waiting *x, *next;

	for (x = TAILQ_FIRST(&w->park->asking); x != NULL; x = next) {
		next = TAILQ_NEXT(x, next);
		if (w->now - x->since >= limit)
			end(w, x, false);
		else if (w->now - x->asked >= again_after)
			ask(w, x);
	}
}

uint32_t stage_unpark(struct worker *w)
{
	struct park *p = w->park;
	struct waiting *x;
	uint32_t n = 0;

	while (n < UNPARK_BUDGET && (x = TAILQ_FIRST(&p->ended)) != NULL) {
		release(w, take_oldest(p, x), x->state == RESOLVED);
		n++;
		if (x->n == 0)
			forget(w, x);
	}
	return n;
}

void park_drop_all(struct worker *w)
{
	struct park *p = w->park;

	for (uint32_t i = 0; i < 1 << HASH_BITS; i++) {
		struct waiting *x;

		while ((x = LIST_FIRST(&p->hash[i])) != NULL) {
			while (x->n > 0)
				drop(w, take_oldest(p, x), DROP_DRAIN);
			forget(w, x);
		}
	}
}
