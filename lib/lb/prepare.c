/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * prepare: tables of places made before the apply that needs them, some in each turn of control, so
 * that a change of hundreds of services does not hold it.
 *
 * A table is a function of a service's backends alone, by their indexes in its list: it is known by
 * a hash of those (lb_table_key()), and services with the same backends have the same. Nothing else
 * is remembered from one turn to the next: what is missing is found anew.
 */
#include "control.h"

#include <stdlib.h>

#define PLACES	    262144u /* in one turn: some four milliseconds of work, */
#define PLACES_EACH 64u	    /* or so many a service, which its plan takes as long as */

/* Where a table stands, or will. The key is never 0. */
static struct lb_prepared *entry_at(struct lb_prepared *list, uint32_t mask, uint64_t key)
{
	uint32_t i = (uint32_t)key;

	while (list[i & mask].key != 0 && list[i & mask].key != key)
		i++;
	return &list[i & mask];
}

/* Room for n tables more, half of it left free. False: no memory. */
static bool make_room(struct lb_control *c, uint32_t n)
{
	uint32_t places = (uint32_t)rte_align32pow2(2 * (c->n_prepared + n) + 2);
	struct lb_prepared *list;

	if (c->prepared != NULL && places <= c->prepared_mask + 1)
		return true;
	list = calloc(places, sizeof(*list));
	if (list == NULL)
		return false;
	for (uint32_t i = 0; c->prepared != NULL && i <= c->prepared_mask; i++)
		if (c->prepared[i].key != 0)
			*entry_at(list, places - 1, c->prepared[i].key) = c->prepared[i];
	free(c->prepared);
	c->prepared = list;
	c->prepared_mask = places - 1;
	return true;
}

/* Whether an apply would make a table that is the same a turn later: slow starts change on. */
static bool is_wanted(const struct net *net, const struct lb_svc *s)
{
	for (uint32_t k = 0; k < LB_PROTOS; k++)
		if (s->slot[k] != LB_NOBODY && !lb_pick_stays(net, s, k))
			return !s->ramps;
	return false;
}

static uint16_t *table_of(const struct lb_svc *s)
{
	uint16_t *place = malloc(s->conf.table_size * sizeof(*place));

	if (place != NULL && lb_table_build(place, s) == 0)
		return place;
	free(place);
	return NULL;
}

/* True: tables are missing. */
static bool make_some(struct net *net, const struct lb_plan *p)
{
	uint32_t most = RTE_MAX(PLACES, PLACES_EACH * p->conf.n_services), places = 0;
	struct lb_control *c = net->lb->control;
	bool more = false;

	for (uint32_t i = 0; i <= c->prepared_mask; i++)
		c->prepared[i].users = 0;
	for (uint32_t i = 0; i < p->conf.n_services; i++) {
		const struct lb_svc *s = &p->services[i];
		struct lb_prepared *e;

		if (!is_wanted(net, s))
			continue;
		e = entry_at(c->prepared, c->prepared_mask, lb_table_key(s));
		if (e->place == NULL && places >= most) {
			more = true;
			continue;
		}
		if (e->place == NULL) {
			places += s->conf.table_size;
			c->n_prepared += e->key == 0;
			e->key = lb_table_key(s);
			e->place = table_of(s);
			if (e->place == NULL)
				return false; /* the apply will say so */
		}
		e->users++;
	}
	return more;
}

bool lb_prepare(struct net *net, const struct lb_conf *c)
{
	struct lb_control *control = net->lb == NULL ? NULL : net->lb->control;
	struct lb_plan *p;
	bool more;

	if (control == NULL || !make_room(control, c->n_services) || lb_plan_bare(net, c, &p) < 0)
		return false;
	more = make_some(net, p);
	lb_plan_free(net, p, control->plan);
	return more;
}

void lb_unprepare(struct net *net)
{
	struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;

	if (c == NULL || c->prepared == NULL)
		return;
	for (uint32_t i = 0; i <= c->prepared_mask; i++)
		free(c->prepared[i].place);
	free(c->prepared);
	c->prepared = NULL;
	c->n_prepared = 0;
}

struct lb_prepared *lb_prepared_for(const struct net *net, const struct lb_svc *s)
{
	const struct lb_control *c = net->lb->control;
	struct lb_prepared *e;

	if (c->prepared == NULL || !is_wanted(net, s))
		return NULL; /* it is not among the users */
	e = entry_at(c->prepared, c->prepared_mask, lb_table_key(s));
	return e->place == NULL ? NULL : e;
}

void lb_prepared_done(struct lb_prepared *e)
{
	if (e->users > 1) {
		e->users--;
		return;
	}
	free(e->place);
	e->place = NULL;
}
