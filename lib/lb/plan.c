/* SPDX-License-Identifier: BSD-3-Clause */
/* plan: a configuration with slots, and what it inherits from the one in force. */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const enum lb_protocol protos[LB_PROTOS] = {LB_TCP, LB_UDP};

/* A copy of a list, NULL if it is empty; *ok turns false without memory. */
static void *copy_of(const void *list, uint32_t n, size_t size, bool *ok)
{
	void *copy = n == 0 ? NULL : malloc(n * size);

	if (copy != NULL)
		memcpy(copy, list, n * size);
	*ok &= n == 0 || copy != NULL;
	return copy;
}

static bool copy_conf(struct lb_plan *p, const struct lb_conf *c)
{
	bool ok = true;

	p->conf = *c;
	p->conf.pools = copy_of(c->pools, c->n_pools, sizeof(*c->pools), &ok);
	for (uint32_t i = 0; p->conf.pools != NULL && i < c->n_pools; i++)
		p->conf.pools[i].addrs =
			copy_of(c->pools[i].addrs, c->pools[i].n, sizeof(*c->pools[i].addrs), &ok);
	p->conf.masquerades =
		copy_of(c->masquerades, c->n_masquerades, sizeof(*c->masquerades), &ok);
	p->conf.services = NULL; /* each is in its struct lb_svc */
	p->services = calloc(c->n_services + 1, sizeof(*p->services));
	if (p->services == NULL)
		return false;
	for (uint32_t i = 0; i < c->n_services; i++) {
		const struct lb_service_conf *from = &c->services[i];
		struct lb_service_conf *to = &p->services[i].conf;

		*to = *from;
		to->acl = copy_of(from->acl, from->n_acl, sizeof(*from->acl), &ok);
		to->backends =
			copy_of(from->backends, from->n_backends, sizeof(*from->backends), &ok);
		p->services[i].slot[0] = p->services[i].slot[1] = LB_NOBODY;
		p->n_members += from->n_backends;
	}
	p->members = calloc(p->n_members + 1, sizeof(*p->members));
	for (uint32_t i = 0; p->members != NULL && i < p->n_members; i++)
		p->members[i].slot[0] = p->members[i].slot[1] = LB_NOBODY;
	return ok && p->members != NULL;
}

/* The first free one; *from: none before it is, since a build gives none back. */
static uint16_t take(bool *used, uint32_t n, uint32_t *from)
{
	for (; *from < n; ++*from) {
		if (used[*from])
			continue;
		used[*from] = true;
		return (uint16_t)*from;
	}
	return LB_NOBODY;
}

uint16_t lb_service_take(struct net *net, struct lb_plan *p)
{
	struct lb_control *c = net->lb->control;
	uint16_t slot = take(c->service_used, net->lb->n_vservices, &p->services_from);

	if (slot != LB_NOBODY) {
		c->service_base[slot] = (struct lb_count){0};
		c->service_base[slot] = lb_service_count(net, slot);
	}
	return slot;
}

uint16_t lb_backend_take(struct net *net, struct lb_plan *p)
{
	struct lb_control *c = net->lb->control;
	uint16_t slot = take(c->backend_used, net->lb->n_backends, &p->backends_from);

	if (slot != LB_NOBODY) {
		c->backend_base[slot] = (struct lb_count){0};
		c->backend_base[slot] = lb_backend_count(net, slot);
	}
	return slot;
}

/* The same backend of the same service, reached in the same way. */
static const struct lb_member *member_of(struct lb_heirs *h, const struct lb_svc *before,
	const struct lb_svc *now, uint32_t place, uint32_t k)
{
	if (before == NULL || before->conf.mode != now->conf.mode ||
		before->slot[k] != now->slot[k])
		return NULL;
	return lb_heir_member(h, before, &now->members[place], place);
}

/* What was learnt stays; what an operator said stays until the file says something new. */
static void inherit(struct lb_member *m, const struct lb_member *from)
{
	if (from->conf->admin == m->conf->admin)
		m->admin = from->admin;
	if (from->conf->weight == m->conf->weight)
		m->weight = from->weight;
	lb_health_inherit(m, from);
}

static int give_slots(struct net *net, struct lb_plan *p, struct lb_heirs *h, struct lb_svc *s)
{
	for (uint32_t k = 0; k < LB_PROTOS; k++) {
		const struct lb_svc *before;

		if ((s->conf.protocol & protos[k]) == 0)
			continue;
		before = lb_heir_of(h, s, k);
		s->slot[k] = before != NULL ? before->slot[k] : lb_service_take(net, p);
		if (s->slot[k] == LB_NOBODY)
			return -ENOSPC;
		for (uint32_t i = 0; i < s->conf.n_backends; i++) {
			struct lb_member *m = &s->members[i];
			const struct lb_member *from = member_of(h, before, s, i, k);

			if (from != NULL)
				inherit(m, from);
			else if (before == NULL)
				m->learnt.fresh = true;
			m->slot[k] = from != NULL ? from->slot[k] : lb_backend_take(net, p);
			if (m->slot[k] == LB_NOBODY)
				return -ENOSPC;
		}
	}
	return 0;
}

/* A service's members and slots, and how much of the new flows each member gets. */
static int plan_service(
	struct net *net, struct lb_plan *p, struct lb_heirs *h, struct lb_svc *s, ticks now)
{
	int rc;

	for (uint32_t j = 0; j < s->conf.n_backends; j++)
		s->members[j] = (struct lb_member){.conf = &s->conf.backends[j],
			.service = &s->conf,
			.admin = s->conf.backends[j].admin,
			.weight = s->conf.backends[j].weight,
			.slot = {LB_NOBODY, LB_NOBODY}};
	rc = give_slots(net, p, h, s);
	rc = rc < 0 ? rc : lb_vip_take(net->lb->control, p, s->conf.addr, &s->vip);
	lb_weigh(s, now);
	return rc;
}

static int plan_services(struct net *net, struct lb_plan *p)
{
	ticks now = clock_now();
	struct lb_heirs heirs;
	int rc = lb_heirs_new(&heirs, net->lb->control->plan, p);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0, at = 0; rc == 0 && i < p->conf.n_services; i++) {
		struct lb_svc *s = &p->services[i];

		s->members = &p->members[at];
		at += s->conf.n_backends;
		rc = plan_service(net, p, &heirs, s, now);
	}
	lb_heirs_end(&heirs);
	return rc;
}

/* *plan is what has been made of it; NULL: nothing. */
static int begin(struct net *net, const struct lb_conf *c, struct lb_plan **plan)
{
	struct lb_plan *p = *plan = calloc(1, sizeof(*p));

	lb_vip_begin(net->lb->control);
	if (p == NULL || !copy_conf(p, c) ||
		(p->new_vip = calloc(c->n_services + LB_POOL_MAX, sizeof(*p->new_vip))) == NULL)
		return -ENOMEM;
	return plan_services(net, p);
}

static int fill_slot(struct net *net, struct lb_svc *s, uint32_t k, const uint16_t *table)
{
	if (s->conf.n_acl > 0) {
		s->acl[k] = lb_acl_new(s->conf.acl, s->conf.n_acl);
		if (s->acl[k] == NULL)
			return -ENOMEM;
	}
	return lb_pick_stays(net, s, k) ? 0 : lb_pick_new(s, k, table, &s->pick[k]);
}

/* What workers will see of each service. */
static int fill_slots(struct net *net, struct lb_plan *p)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < p->conf.n_services; i++) {
		struct lb_svc *s = &p->services[i];
		struct lb_prepared *e = lb_prepared_for(net, s);

		for (uint32_t k = 0; rc == 0 && k < LB_PROTOS; k++)
			if (s->slot[k] != LB_NOBODY)
				rc = fill_slot(net, s, k, e == NULL ? NULL : e->place);
		if (e != NULL)
			lb_prepared_done(e);
	}
	return rc;
}

/* What came of making *plan: with an error there is none. */
static int made(struct net *net, struct lb_plan **plan, int rc)
{
	if (rc < 0 && *plan != NULL) {
		lb_plan_free(net, *plan, net->lb->control->plan);
		*plan = NULL;
	}
	return rc;
}

int lb_plan_bare(struct net *net, const struct lb_conf *c, struct lb_plan **plan)
{
	return made(net, plan, begin(net, c, plan));
}

int lb_plan_new(struct net *net, const struct lb_conf *c, struct lb_plan **plan)
{
	int rc = begin(net, c, plan);

	if (rc == 0)
		rc = fill_slots(net, *plan);
	if (rc == 0)
		rc = lb_nat_plan(net, *plan);
	if (rc == 0)
		rc = lb_match_new(net, *plan);
	if (rc == 0)
		rc = lb_sync_new(*plan);
	return made(net, plan, rc);
}

void lb_plan_mark(const struct lb *lb, const struct lb_plan *p)
{
	struct lb_control *c = lb->control;

	memset(c->service_kept, 0, lb->n_vservices * sizeof(*c->service_kept));
	memset(c->backend_kept, 0, lb->n_backends * sizeof(*c->backend_kept));
	for (uint32_t k = 0; p != NULL && k < LB_PROTOS; k++) {
		for (uint32_t i = 0; i < p->conf.n_services; i++)
			if (p->services[i].slot[k] != LB_NOBODY)
				c->service_kept[p->services[i].slot[k]] = true;
		for (uint32_t i = 0; i < p->n_members; i++)
			if (p->members[i].slot[k] != LB_NOBODY)
				c->backend_kept[p->members[i].slot[k]] = true;
	}
}

static void give_back(struct lb_control *c, const struct lb_plan *p)
{
	for (uint32_t k = 0; k < LB_PROTOS; k++) {
		for (uint32_t i = 0; i < p->conf.n_services; i++) {
			uint16_t slot = p->services[i].slot[k];

			if (slot != LB_NOBODY && !c->service_kept[slot])
				c->service_used[slot] = false;
		}
		for (uint32_t i = 0; p->members != NULL && i < p->n_members; i++) {
			uint16_t slot = p->members[i].slot[k];

			if (slot != LB_NOBODY && !c->backend_kept[slot])
				c->backend_used[slot] = false;
		}
	}
	for (uint32_t i = 0; i < p->n_new_vips; i++)
		c->vip[p->new_vip[i]].addr = 0;
}

void lb_plan_end(struct lb_plan *p)
{
	for (uint32_t i = 0; p->services != NULL && i < p->conf.n_services; i++) {
		struct lb_svc *s = &p->services[i];

		free(s->conf.acl);
		free(s->conf.backends);
		for (uint32_t k = 0; k < LB_PROTOS; k++) {
			free(s->pick[k]);
			free(s->acl[k]);
		}
	}
	for (uint32_t i = 0; p->conf.pools != NULL && i < p->conf.n_pools; i++)
		free(p->conf.pools[i].addrs);
	free(p->conf.pools);
	free(p->conf.masquerades);
	free(p->services);
	free(p->members);
	free(p->new_vip);
	lb_match_free(p->match);
	free(p->sync);
	free(p);
}

void lb_plan_free(struct net *net, struct lb_plan *p, const struct lb_plan *than)
{
	if (p->services != NULL) {
		lb_plan_mark(net->lb, than);
		give_back(net->lb->control, p);
	}
	lb_nat_abandon(net, p);
	lb_plan_end(p);
}
