/* SPDX-License-Identifier: BSD-3-Clause */
/* pick: from members' weights and states to who gets new flows. */
#include "control.h"
#include "lb/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PRICE 65536 /* of a flow at a backend of weight 1 */
/* Round robin: turns in a round at the most, whatever the weights; and while they change. */
#define TURNS	   65536
#define TURNS_RAMP 4096

/* Who it is, the same at every instance and after every apply. */
static uint64_t id_of(const struct lb_member *m)
{
	return (uint64_t)m->conf->addr << 16 | m->conf->port;
}

/* Who gets new flows. */
enum among {
	AMONG_UP,	/* those that are up, or that nobody checks */
	AMONG_NOT_DOWN, /* none of these: those whose first check has not ended, too */
	AMONG_ALL,	/* so few that they would not bear it (panic) */
};

static bool may_get(const struct lb_svc *s, const struct lb_member *m, enum among among)
{
	bool known = m->health != LB_HEALTH_UNKNOWN || s->conf.check.kind == LB_CHECK_NONE;

	return m->admin == LB_ENABLED && m->weight > 0 &&
	       (among == AMONG_ALL || m->health != LB_HEALTH_DOWN) && (among != AMONG_UP || known);
}

static uint64_t sum_of(const struct lb_svc *s, enum among among)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->conf.n_backends; i++)
		sum += may_get(s, &s->members[i], among) ? s->members[i].weight : 0u;
	return sum;
}

static enum among who(const struct lb_svc *s)
{
	if (sum_of(s, AMONG_NOT_DOWN) * 100 < sum_of(s, AMONG_ALL) * s->conf.panic)
		return AMONG_ALL;
	return sum_of(s, AMONG_UP) > 0 ? AMONG_UP : AMONG_NOT_DOWN;
}

/* It has come up a short while ago. */
static bool grows(const struct lb_svc *s, const struct lb_member *m, ticks now)
{
	return m->health != LB_HEALTH_DOWN && m->since != 0 &&
	       now - m->since < clock_of_ms(s->conf.slow_start_ms);
}

/* With slow start, a backend has a share of its weight that grows: from 1 of `whole` on. */
static uint32_t ramped(const struct lb_svc *s, const struct lb_member *m, uint32_t whole, ticks now)
{
	if (!s->ramps || !grows(s, m, now))
		return whole;
	return RTE_MAX((uint32_t)(whole * (double)(now - m->since) /
				  (double)clock_of_ms(s->conf.slow_start_ms)),
		1u);
}

/* Shares of a weight of 1 are only seen where all weights are counted in smaller parts. */
void lb_weigh(struct lb_svc *s, ticks now)
{
	enum among among = who(s);
	uint32_t most = 1;

	s->ramps = false;
	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		struct lb_member *m = &s->members[i];

		lb_drain_step(m, s->conf.drain_ms, now);
		most = RTE_MAX(most, (uint32_t)m->weight);
		s->ramps |= among != AMONG_ALL && may_get(s, m, among) && grows(s, m, now);
	}
	s->scale = s->ramps ? RTE_MAX(MAGLEV_WEIGHT_MAX / most, 1u) : 1;
	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		struct lb_member *m = &s->members[i];
		uint32_t whole = m->weight * s->scale;

		m->parts = !may_get(s, m, among) ? 0 : ramped(s, m, whole, now);
		m->effective = (m->parts + s->scale - 1) / s->scale;
	}
	s->weighed_at = now;
}

struct turn {
	uint64_t at; /* of a round, in parts of 2^32 */
	uint32_t i;
};

static int by_time(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->i < y->i ? -1 : x->i > y->i;
}

/*
 * A round: each has as many turns as its weight, at equal distances, and the first of them the
 * later, the further behind it stands in the list. So no turn is more than one of its own away
 * from where it should be, and equals come one after the other. 0: no memory.
 */
static uint32_t take_turns(
	const struct lb_pick *p, const uint32_t *weight, uint32_t sum, uint16_t *turn)
{
	struct turn *list = calloc(sum, sizeof(*list));
	uint32_t n = 0;

	if (list == NULL)
		return 0;
	for (uint32_t i = 0; i < p->n; i++)
		for (uint32_t k = 0; k < weight[i]; k++)
			list[n++] = (struct turn){((2 * (uint64_t)p->n * k + 2 * i + 1) << 32) /
							  (2 * p->n * weight[i]),
				i};
	qsort(list, n, sizeof(*list), by_time);
	for (uint32_t k = 0; k < n; k++)
		turn[k] = p->open[list[k].i];
	free(list);
	return n;
}

static uint32_t common_divisor(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Weights in their lowest terms, so that a round has at most so many turns or one for each. */
static uint32_t reduce(uint32_t *weight, uint32_t n, uint32_t most)
{
	uint32_t divisor = 0, sum = 0;

	for (uint32_t i = 0; i < n; i++)
		divisor = common_divisor(divisor, weight[i]);
	for (uint32_t i = 0; i < n; i++)
		sum += weight[i] /= divisor;
	while (sum > most && sum > n) {
		sum = 0;
		for (uint32_t i = 0; i < n; i++)
			sum += weight[i] = (weight[i] + 1) / 2;
	}
	return sum;
}

/* A backend's weight in the table, whether it may get flows now or not. */
static uint16_t share_of(const struct lb_svc *s, const struct lb_member *m)
{
	return (uint16_t)(m->parts > 0 ? m->parts : m->weight * s->scale);
}

int lb_table_build(uint16_t *place, const struct lb_svc *s)
{
	struct maglev_backend *b = calloc(s->conf.n_backends + 1, sizeof(*b));
	int rc;

	if (b == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->conf.n_backends; i++)
		b[i] = (struct maglev_backend){id_of(&s->members[i]), share_of(s, &s->members[i]),
			s->members[i].parts > 0};
	rc = maglev_build(place, s->conf.table_size, b, s->conf.n_backends);
	free(b);
	return rc;
}

/* Of the table of indexes, which may have been made before, to slots. */
static int fill_places(
	struct lb_pick *p, const struct lb_svc *s, uint32_t which, const uint16_t *table)
{
	int rc = table == NULL ? lb_table_build(p->place, s) : 0;

	table = table == NULL ? p->place : table;
	for (uint32_t i = 0; rc == 0 && i < p->size; i++)
		p->place[i] =
			table[i] == MAGLEV_NONE ? MAGLEV_NONE : s->members[table[i]].slot[which];
	return rc;
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return sum ^ sum >> 32;
}

uint64_t lb_table_key(const struct lb_svc *s)
{
	uint64_t sum = mix(1, s->conf.table_size);

	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		const struct lb_member *m = &s->members[i];

		sum = mix(sum, id_of(m));
		sum = mix(sum, (uint64_t)share_of(s, m) << 1 | (m->parts > 0));
	}
	return sum | 1;
}

/* All that a table depends on, in 64 bits. */
static uint64_t made_of(const struct lb_svc *s, uint32_t which)
{
	uint64_t sum = mix(s->conf.scheduler == LB_ROUND_ROBIN, s->conf.table_size);

	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		const struct lb_member *m = &s->members[i];

		sum = mix(sum, id_of(m));
		sum = mix(sum, (uint64_t)m->weight * s->scale << 32 | m->parts);
		sum = mix(sum, m->slot[which]);
	}
	return sum;
}

bool lb_pick_stays(const struct net *net, const struct lb_svc *s, uint32_t which)
{
	const struct lb_pick *now = atomic_load(&net->lb->vservice[s->slot[which]].pick);

	return now != NULL && now->made_of == made_of(s, which);
}

int lb_pick_new(
	const struct lb_svc *s, uint32_t which, const uint16_t *table, struct lb_pick **pick)
{
	uint32_t n = s->conf.n_backends, size = s->conf.table_size, turns = 0;
	uint32_t *weight = calloc(n + 1, sizeof(*weight));
	struct lb_pick *p;
	int rc;

	*pick = NULL;
	if (weight == NULL)
		return -ENOMEM;
	for (uint32_t i = 0, open = 0; i < n; i++)
		if (s->members[i].parts > 0)
			weight[open++] = s->members[i].parts;
	for (uint32_t i = 0; i < n; i++)
		turns += s->members[i].parts > 0;
	if (turns > 0 && s->conf.scheduler == LB_ROUND_ROBIN)
		turns = reduce(weight, turns, s->ramps ? TURNS_RAMP : TURNS);
	p = calloc(1, sizeof(*p) + size * sizeof(p->place[0]) + n * sizeof(*p->price) +
			      (n + turns) * sizeof(*p->open) + sizeof(*p->price));
	if (p == NULL) {
		free(weight);
		return -ENOMEM;
	}
	p->made_of = made_of(s, which);
	p->size = size;
	p->price = (uint32_t *)(((uintptr_t)&p->place[size] + 3) & ~(uintptr_t)3);
	p->open = (uint16_t *)(p->price + n);
	p->turn = p->open + n;
	for (uint32_t i = 0; i < n; i++) {
		if (s->members[i].parts == 0)
			continue;
		p->price[p->n] = PRICE / s->members[i].parts;
		p->open[p->n++] = s->members[i].slot[which];
	}
	if (s->conf.scheduler == LB_ROUND_ROBIN && p->n > 0)
		p->n_turn = take_turns(p, weight, turns, p->turn);
	free(weight);
	rc = fill_places(p, s, which, table);
	if (rc < 0)
		free(p);
	else
		*pick = p;
	return rc;
}

static uint8_t state_of(const struct lb_member *m)
{
	if (m->learnt.ended)
		return LB_BACKEND_ENDED;
	if (m->effective > 0)
		return LB_BACKEND_OPEN;
	return m->admin == LB_ENABLED && m->weight > 0 ? LB_BACKEND_DOWN : LB_BACKEND_CLOSED;
}

void lb_settle(struct net *net, struct lb_svc *s)
{
	struct lb *lb = net->lb;

	for (uint32_t k = 0; k < LB_PROTOS; k++) {
		struct lb_vservice *v;
		struct lb_pick *old, *pick;

		if (s->slot[k] == LB_NOBODY)
			continue;
		v = &lb->vservice[s->slot[k]];
		for (uint32_t i = 0; i < s->conf.n_backends; i++) {
			struct lb_backend *b = &lb->backend[s->members[i].slot[k]];

			__atomic_store_n(
				&b->weight, (uint16_t)s->members[i].effective, __ATOMIC_RELAXED);
			__atomic_store_n(&b->state, state_of(&s->members[i]), __ATOMIC_RELAXED);
		}
		pick = s->pick[k];
		s->pick[k] = NULL;
		if (pick == NULL &&
			(lb_pick_stays(net, s, k) || lb_pick_new(s, k, NULL, &pick) < 0))
			continue; /* it is right, or has to serve: states count all the same */
		old = atomic_exchange_explicit(&v->pick, pick, memory_order_acq_rel);
		if (old != NULL)
			epoch_defer(net->epoch, free, old);
	}
}
