/* SPDX-License-Identifier: BSD-3-Clause */
/* member: backends as control and operators know them. */
#include "control.h"

#include <string.h>

static struct lb_plan *plan_of(struct net *net)
{
	return net->lb == NULL ? NULL : net->lb->control->plan;
}

void lb_members(struct net *net, void (*fn)(struct lb_member *m, void *arg), void *arg)
{
	struct lb_plan *p = plan_of(net);

	for (uint32_t i = 0; p != NULL && i < p->n_members; i++)
		fn(&p->members[i], arg);
}

static struct lb_svc *service_of(struct net *net, const struct lb_member *m)
{
	struct lb_plan *p = plan_of(net);

	for (uint32_t i = 0; i < p->conf.n_services; i++)
		if (&p->services[i].conf == m->service)
			return &p->services[i];
	return NULL;
}

struct lb_member *lb_member_find(struct net *net, const char *service, uint32_t addr, uint16_t port)
{
	struct lb_plan *p = plan_of(net);
	struct lb_member *found = NULL;

	for (uint32_t i = 0; p != NULL && i < p->n_members; i++) {
		struct lb_member *m = &p->members[i];

		if (strcmp(m->service->name, service) != 0 || m->conf->addr != addr)
			continue;
		if (m->conf->port == port)
			return m;
		if (port == 0 && found != NULL)
			return NULL;
		found = port == 0 ? m : found;
	}
	return found;
}

static void settle(struct net *net, const struct lb_member *m, ticks now)
{
	struct lb_svc *s = service_of(net, m);

	lb_weigh(s, now);
	lb_settle(net, s);
}

void lb_set_health(struct net *net, struct lb_member *m, enum lb_health health, ticks now)
{
	if (m->health == health)
		return;
	/* what is up when it is first looked at need not start slowly */
	m->since = m->health == LB_HEALTH_UNKNOWN && health == LB_HEALTH_UP ? 0 : now;
	m->health = health;
	settle(net, m, now);
}

void lb_set_admin(struct net *net, struct lb_member *m, enum lb_admin admin, ticks now)
{
	m->admin = admin;
	settle(net, m, now);
}

void lb_set_weight(struct net *net, struct lb_member *m, uint16_t weight, ticks now)
{
	m->weight = weight;
	settle(net, m, now);
}

static void add(struct lb_count *sum, const struct lb_count *c)
{
	sum->flows += c->flows;
	sum->opened += c->opened;
	sum->packets_in += c->packets_in;
	sum->bytes_in += c->bytes_in;
	sum->packets_out += c->packets_out;
	sum->bytes_out += c->bytes_out;
	sum->refused += c->refused;
	sum->answered += c->answered;
}

struct lb_count lb_backend_count(const struct net *net, uint16_t slot)
{
	struct lb_count sum = {0};

	for (uint16_t i = 0; slot != LB_NOBODY && i < net->n_workers; i++)
		add(&sum, &net->worker[i]->lb->backend[slot]);
	return sum;
}

struct lb_count lb_service_count(const struct net *net, uint16_t slot)
{
	struct lb_count sum = {0};

	for (uint16_t i = 0; slot != LB_NOBODY && i < net->n_workers; i++)
		add(&sum, &net->worker[i]->lb->service[slot]);
	return sum;
}
