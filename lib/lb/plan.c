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

/* Where clients find it: of one protocol, nobody else is there. */
static bool is_at(const struct lb_service_conf *a, const struct lb_service_conf *b)
{
	return a->addr == b->addr && a->port == b->port;
}

static bool is_wanted(const struct lb_plan *p, const struct lb_service_conf *place, uint32_t k)
{
	for (uint32_t i = 0; i < p->conf.n_services; i++)
		if ((p->services[i].conf.protocol & protos[k]) != 0 &&
			is_at(&p->services[i].conf, place))
			return true;
	return false;
}

/*
 * Whose slot a service of p takes over: the one's at its place, or else the one's of its name at
 * another port, if nobody has come to that place. So nobody is the heir of two, nor two of one.
 */
static const struct lb_svc *heir_of(const struct lb_plan *before, const struct lb_plan *p,
	const struct lb_service_conf *c, uint32_t k)
{
	const struct lb_svc *named = NULL;

	for (uint32_t i = 0; before != NULL && i < before->conf.n_services; i++) {
		const struct lb_svc *s = &before->services[i];

		if (s->slot[k] == LB_NOBODY || s->conf.addr != c->addr)
			continue;
		if (is_at(&s->conf, c))
			return s;
		if (strcmp(s->conf.name, c->name) == 0)
			named = s;
	}
	return named != NULL && !is_wanted(p, &named->conf, k) ? named : NULL;
}

/*
 * The same backend of the same service, reached in the same way. It has its place in the list as
 * before, as a rule.
 */
static const struct lb_member *member_of(
	const struct lb_svc *s, const struct lb_svc *now, uint32_t place, uint32_t k)
{
	const struct lb_backend_conf *c = &now->conf.backends[place];

	if (s == NULL || s->conf.mode != now->conf.mode || s->slot[k] != now->slot[k])
		return NULL;
	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		const struct lb_member *m = &s->members[(place + i) % s->conf.n_backends];

		if (m->conf->addr == c->addr && m->conf->port == c->port)
			return m;
	}
	return NULL;
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

static int give_slots(struct net *net, struct lb_plan *p, struct lb_svc *s)
{
	for (uint32_t k = 0; k < LB_PROTOS; k++) {
		const struct lb_svc *before = heir_of(net->lb->control->plan, p, &s->conf, k);

		if ((s->conf.protocol & protos[k]) == 0)
			continue;
		s->slot[k] = before != NULL ? before->slot[k] : lb_service_take(net, p);
		if (s->slot[k] == LB_NOBODY)
			return -ENOSPC;
		for (uint32_t i = 0; i < s->conf.n_backends; i++) {
			struct lb_member *m = &s->members[i];
			const struct lb_member *from = member_of(before, s, i, k);

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

/* The index of an address; it stays while a plan has it, and a while after. */
int lb_vip_take(struct lb_control *c, struct lb_plan *p, uint32_t address, uint16_t *vip)
{
	be32 addr = to_be32(address);
	uint32_t i, at = c->max_vips;

	for (i = 0; i < c->n_vips && c->vip[i].addr != addr; i++)
		at = c->vip[i].addr == 0 && at == c->max_vips ? i : at;
	if (i == c->n_vips) {
		i = at < c->max_vips ? at : c->n_vips;
		if (i >= c->max_vips)
			return -ENOSPC;
		c->n_vips = RTE_MAX(c->n_vips, i + 1);
		c->vip[i] = (struct lb_vip_use){.addr = addr};
		p->new_vip[p->n_new_vips++] = (uint16_t)i;
	}
	*vip = (uint16_t)i;
	return 0;
}

static int fill_slot(struct net *net, struct lb_svc *s, uint32_t k)
{
	if (s->conf.n_acl > 0) {
		s->acl[k] = lb_acl_new(s->conf.acl, s->conf.n_acl);
		if (s->acl[k] == NULL)
			return -ENOMEM;
	}
	return lb_pick_stays(net, s, k) ? 0 : lb_pick_new(s, k, &s->pick[k]);
}

int lb_plan_new(struct net *net, const struct lb_conf *c, struct lb_plan **plan)
{
	struct lb_control *control = net->lb->control;
	struct lb_plan *p = calloc(1, sizeof(*p));
	ticks now = clock_now();
	int rc = 0;

	if (p == NULL || !copy_conf(p, c) ||
		(p->new_vip = calloc(c->n_services + LB_POOL_MAX, sizeof(*p->new_vip))) == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0, at = 0; rc == 0 && i < c->n_services; i++) {
		struct lb_svc *s = &p->services[i];

		s->members = &p->members[at];
		at += s->conf.n_backends;
		for (uint32_t j = 0; j < s->conf.n_backends; j++)
			s->members[j] = (struct lb_member){.conf = &s->conf.backends[j],
				.service = &s->conf,
				.admin = s->conf.backends[j].admin,
				.weight = s->conf.backends[j].weight,
				.slot = {LB_NOBODY, LB_NOBODY}};
		rc = give_slots(net, p, s);
		rc = rc < 0 ? rc : lb_vip_take(control, p, s->conf.addr, &s->vip);
		lb_weigh(s, now);
		for (uint32_t k = 0; rc == 0 && k < LB_PROTOS; k++)
			if (s->slot[k] != LB_NOBODY)
				rc = fill_slot(net, s, k);
	}
	if (rc == 0)
		rc = lb_nat_plan(net, p);
	if (rc == 0)
		rc = lb_match_new(net, p);
	if (rc == 0)
		rc = lb_sync_new(p);
	if (rc < 0 && p != NULL) {
		lb_plan_free(net, p, control->plan);
		p = NULL;
	}
	*plan = p;
	return rc;
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
