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
	lb_weigh(lb_svc_of(m), now);
	lb_settle(net, lb_svc_of(m));
}

static void set_admin(struct net *net, struct lb_member *m, enum lb_admin admin, ticks now)
{
	if ((m->admin == LB_MAINTENANCE) != (admin == LB_MAINTENANCE)) {
		lb_health_forget(m);
		lb_health_step(m, now);
	}
	if (m->admin != admin)
		net->lb->control->version++;
	m->admin = admin;
}

void lb_set_admin(struct net *net, struct lb_member *m, enum lb_admin admin, ticks now)
{
	set_admin(net, m, admin, now);
	settle(net, m, now);
}

void lb_set_weight(struct net *net, struct lb_member *m, uint16_t weight, ticks now)
{
	m->weight = weight;
	settle(net, m, now);
}

bool lb_set_admin_all(struct net *net, const char *service, enum lb_admin admin, ticks now)
{
	struct lb_plan *p = plan_of(net);

	for (uint32_t i = 0; p != NULL && i < p->conf.n_services; i++) {
		struct lb_svc *s = &p->services[i];

		if (strcmp(s->conf.name, service) != 0)
			continue;
		for (uint32_t j = 0; j < s->conf.n_backends; j++)
			set_admin(net, &s->members[j], admin, now);
		lb_weigh(s, now);
		lb_settle(net, s);
		return true;
	}
	return false;
}

/* --- services --- */

bool lb_service_at(const struct net *net, uint32_t i, struct lb_running *s)
{
	const struct lb_plan *p = net->lb == NULL ? NULL : net->lb->control->plan;

	if (p == NULL || i >= p->conf.n_services)
		return false;
	*s = (struct lb_running){&p->services[i].conf, p->services[i].members,
		{p->services[i].slot[0], p->services[i].slot[1]}};
	return true;
}

bool lb_service_find(const struct net *net, const char *name, struct lb_running *s)
{
	for (uint32_t i = 0; lb_service_at(net, i, s); i++)
		if (strcmp(s->conf->name, name) == 0)
			return true;
	return false;
}

/* --- counts --- */

static void add(struct lb_count *sum, const struct lb_count *c, int64_t sign)
{
	uint64_t times = (uint64_t)sign;

	sum->flows += times * c->flows;
	sum->opened += times * c->opened;
	sum->packets_in += times * c->packets_in;
	sum->bytes_in += times * c->bytes_in;
	sum->packets_out += times * c->packets_out;
	sum->bytes_out += times * c->bytes_out;
	sum->refused += times * c->refused;
	sum->answered += times * c->answered;
}

/* Workers count by slot for ever: what one counted before it was given out is another's. */
struct lb_count lb_backend_count(const struct net *net, uint16_t slot)
{
	struct lb_count sum = {0};

	if (slot == LB_NOBODY)
		return sum;
	for (uint16_t i = 0; i < net->n_workers; i++)
		add(&sum, &net->worker[i]->lb->backend[slot], 1);
	add(&sum, &net->lb->control->backend_base[slot], -1);
	return sum;
}

struct lb_count lb_service_count(const struct net *net, uint16_t slot)
{
	struct lb_count sum = {0};

	if (slot == LB_NOBODY)
		return sum;
	for (uint16_t i = 0; i < net->n_workers; i++)
		add(&sum, &net->worker[i]->lb->service[slot], 1);
	add(&sum, &net->lb->control->service_base[slot], -1);
	return sum;
}

struct lb_count lb_member_count(const struct net *net, const struct lb_member *m)
{
	struct lb_count sum = lb_backend_count(net, m->slot[0]), other;

	if (m->slot[1] != LB_NOBODY) {
		other = lb_backend_count(net, m->slot[1]);
		add(&sum, &other, 1);
	}
	return sum;
}

struct flow_count lb_flow_count(const struct net *net)
{
	struct flow_count sum = {0};

	for (uint16_t i = 0; net->lb != NULL && i < net->n_workers; i++) {
		const struct flow_count *c = flow_count(net->worker[i]->lb->flows);

		sum.flows += c->flows;
		sum.added += c->added;
		sum.displaced += c->displaced;
		sum.refused += c->refused;
	}
	return sum;
}
