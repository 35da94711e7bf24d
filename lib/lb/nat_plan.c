/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nat_plan: addresses of ours, of pools and masquerades, from configuration to workers.
 *
 * Each has an index, named in flows, that stays its own while plans have it with the same ports;
 * it is given to another only when no flow can name it any more, as slots are.
 */
#include "base/log.h"
#include "control.h"
#include "inside.h"
#include "ports.h"

#include <errno.h>
#include <string.h>

static const uint8_t protos[LB_NAT_PROTOS] = {IP4_PROTO_TCP, IP4_PROTO_UDP, IP4_PROTO_ICMP};

static bool is_same(const struct lb_nat_use *a, const struct lb_nat_use *b)
{
	return a->used && a->masquerade == b->masquerade && a->addr == b->addr &&
	       a->port == b->port && a->last_port == b->last_port && strcmp(a->name, b->name) == 0;
}

/* --- what an index has --- */

static void give(struct net *net, void (*end)(void *), void *what, bool seen)
{
	if (seen && what != NULL)
		epoch_defer(net->epoch, end, what);
	else
		end(what);
}

static void free_ports(struct net *net, uint32_t nat, bool seen)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct lb_worker *b = net->worker[i]->lb;

		for (uint32_t k = 0; k < LB_NAT_PROTOS; k++) {
			give(net, lb_ports_free, b->ports[nat][k], seen);
			b->ports[nat][k] = NULL;
		}
		give(net, lb_inside_free, b->inside[nat], seen);
		b->inside[nat] = NULL;
	}
}

/* Nobody has seen an index that was not published. */
static void give_index(struct net *net, uint32_t nat, bool seen)
{
	struct lb_control *c = net->lb->control;
	struct lb_nat_use *u = &c->nat[nat];

	free_ports(net, nat, seen);
	for (uint32_t k = 0; k < LB_NAT_PROTOS; k++) {
		if (u->service[k] != LB_NOBODY)
			c->service_used[u->service[k]] = false;
		if (u->backend[k] != LB_NOBODY)
			c->backend_used[u->backend[k]] = false;
	}
	u->used = false;
}

static int make_ports(struct net *net, uint32_t nat, const struct lb_nat_use *u)
{
	uint32_t n = u->masquerade ? LB_NAT_PROTOS : LB_NAT_ICMP;

	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct worker *w = net->worker[i];

		for (uint32_t k = 0; k < n; k++)
			if ((w->lb->ports[nat][k] = lb_ports_new(u->port, u->last_port, w->node)) ==
				NULL)
				return -ENOMEM;
		if (u->masquerade && (w->lb->inside[nat] = lb_inside_new(
					      u->port, u->last_port, w->node)) == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int take_slots(struct net *net, struct lb_plan *p, struct lb_nat_use *u)
{
	for (uint32_t k = 0; k < LB_NAT_PROTOS; k++)
		u->service[k] = u->backend[k] = LB_NOBODY;
	for (uint32_t k = 0; u->masquerade && k < LB_NAT_PROTOS; k++) {
		u->service[k] = lb_service_take(net, p);
		u->backend[k] = lb_backend_take(net, p);
		if (u->service[k] == LB_NOBODY || u->backend[k] == LB_NOBODY)
			return -ENOSPC;
	}
	return 0;
}

/* The index of what is wanted: the one that has it, or a new one. */
static int take_index(
	struct net *net, struct lb_plan *p, const struct lb_nat_use *want, uint16_t *nat)
{
	struct lb_control *c = net->lb->control;
	uint64_t now = c->plan == NULL ? 0 : c->plan->nat;
	uint32_t i = 0;
	int rc;

	while (i < LB_POOL_MAX && !((now >> i & 1) != 0 && is_same(&c->nat[i], want)))
		i++;
	if (i == LB_POOL_MAX) {
		for (i = 0; i < LB_POOL_MAX && c->nat[i].used; i++)
			;
		if (i == LB_POOL_MAX)
			return -ENOSPC;
		c->nat[i] = *want;
		c->nat[i].used = true;
		p->new_nat |= UINT64_C(1) << i;
		rc = take_slots(net, p, &c->nat[i]);
		rc = rc < 0 ? rc : make_ports(net, i, &c->nat[i]);
		if (rc < 0)
			return rc;
	}
	p->nat |= UINT64_C(1) << i;
	*nat = (uint16_t)i;
	c->nat[i].vip = LB_NOBODY;
	return want->addr == 0 ? 0 : lb_vip_take(c, p, want->addr, &c->nat[i].vip);
}

/* --- a plan --- */

int lb_nat_plan(struct net *net, struct lb_plan *p)
{
	uint16_t nat = 0;
	int rc = 0;

	for (uint32_t i = 0; i < p->conf.n_pools; i++) {
		const struct lb_pool_conf *c = &p->conf.pools[i];

		for (uint32_t j = 0; rc == 0 && j < c->n; j++) {
			struct lb_nat_use want = {.addr = c->addrs[j].addr,
				.port = c->port,
				.last_port = c->last_port};

			rc = take_index(net, p, &want, &nat);
			p->pool[i] |= UINT64_C(1) << nat;
		}
	}
	for (uint32_t i = 0; rc == 0 && i < p->conf.n_masquerades; i++) {
		const struct lb_masquerade_conf *c = &p->conf.masquerades[i];
		struct lb_nat_use want = {.masquerade = true,
			.addr = c->addr,
			.port = c->port,
			.last_port = c->last_port};

		snprintf(want.name, sizeof(want.name), "%s", c->name);
		rc = take_index(net, p, &want, &p->masquerade[i]);
	}
	return rc;
}

void lb_nat_abandon(struct net *net, struct lb_plan *p)
{
	for (uint32_t i = 0; i < LB_POOL_MAX; i++)
		if (p->new_nat >> i & 1)
			give_index(net, i, false);
	p->new_nat = 0;
}

void lb_nat_fill(const struct net *net, const struct lb_plan *p, struct lb_match *m)
{
	const struct lb_control *c = net->lb->control;

	for (uint32_t i = 0; i < LB_POOL_MAX; i++)
		if ((p->nat >> i & 1) != 0 && c->nat[i].vip != LB_NOBODY)
			m->vip[c->nat[i].vip].nat = (uint16_t)i;
	m->n_masquerades = p->conf.n_masquerades;
	memcpy(m->masquerade, p->masquerade, sizeof(m->masquerade));
}

uint64_t lb_nat_set(const struct lb_plan *p, const struct lb_service_conf *c)
{
	for (uint32_t i = 0; c->pool[0] != '\0' && i < p->conf.n_pools; i++)
		if (strcmp(p->conf.pools[i].name, c->pool) == 0)
			return p->pool[i];
	return 0;
}

/* --- what workers see --- */

static uint16_t iface_named(const struct net *net, const char *name)
{
	for (uint16_t i = 1; i < IFACE_MAX; i++)
		if (strcmp(net->iface[i].name, name) == 0)
			return i;
	return IFACE_LOOPBACK;
}

/*
 * Its mappings hold many connections, so it waits for none of them to be answered: four minutes
 * for TCP between connections (RFC 5382 REQ-5), the whole time for UDP (RFC 4787 REQ-5).
 */
static void set_idle(struct lb_vservice *v, const struct lb_timeouts_conf *t)
{
	struct lb_timeouts_conf mapping = *t;

	mapping.tcp_half_open_ms = t->tcp_closing_ms;
	mapping.udp_one_way_ms = t->udp_ms;
	if (v->proto == IP4_PROTO_ICMP)
		mapping.udp_one_way_ms = mapping.udp_ms = t->icmp_ms;
	lb_set_idle(v, &mapping);
}

static void set_masquerade(struct net *net, const struct lb_masquerade_conf *c, uint16_t nat,
	const struct lb_timeouts_conf *t)
{
	const struct lb_nat_use *u = &net->lb->control->nat[nat];
	struct lb_nat *n = &net->lb->nat[nat];

	n->prefix = to_be32(c->prefix);
	n->mask = to_be32(ip4_mask(c->depth));
	n->out = iface_named(net, c->out);
	__atomic_store_n(&n->each, (c->max_mappings + net->n_workers - 1) / net->n_workers,
		__ATOMIC_RELAXED);
	for (uint32_t k = 0; k < LB_NAT_PROTOS; k++) {
		struct lb_vservice *v = &net->lb->vservice[u->service[k]];
		struct lb_backend *b = &net->lb->backend[u->backend[k]];

		n->service[k] = u->service[k];
		n->backend[k] = u->backend[k];
		v->addr = to_be32(c->addr);
		v->proto = protos[k];
		v->mode = LB_NAT; /* answers pass here */
		v->keep = true;
		v->nat = UINT64_C(1) << nat;
		set_idle(v, t);
		b->service = u->service[k];
		__atomic_store_n(&b->state, LB_BACKEND_OPEN, __ATOMIC_RELAXED);
		__atomic_store_n(&v->kind, LB_SLOT_MASQUERADE, __ATOMIC_RELEASE);
	}
}

void lb_nat_publish(struct net *net, const struct lb_plan *p)
{
	for (uint32_t i = 0; i < LB_POOL_MAX; i++) {
		const struct lb_nat_use *u = &net->lb->control->nat[i];
		struct lb_nat *n = &net->lb->nat[i];

		if ((p->nat >> i & 1) == 0)
			continue;
		n->addr = to_be32(u->addr);
		n->port = u->port;
		n->last_port = u->last_port;
		n->state = u->masquerade ? LB_NAT_MASQUERADE : LB_NAT_POOL;
	}
	for (uint32_t i = 0; i < p->conf.n_masquerades; i++)
		set_masquerade(net, &p->conf.masquerades[i], p->masquerade[i], &p->conf.timeouts);
}

void lb_nat_tick(struct net *net)
{
	const struct lb_plan *p = net->lb->control->plan;

	for (uint32_t i = 0; p != NULL && i < p->conf.n_masquerades; i++) {
		struct lb_nat *n = &net->lb->nat[p->masquerade[i]];
		uint16_t out = iface_named(net, p->conf.masquerades[i].out);

		if (n->out != out)
			__atomic_store_n(&n->out, out, __ATOMIC_RELAXED);
	}
}

/* --- what has gone --- */

void lb_nat_end(struct net *net, uint64_t set)
{
	for (uint32_t i = 0; i < LB_POOL_MAX; i++) {
		const struct lb_nat_use *u = &net->lb->control->nat[i];

		if ((set >> i & 1) == 0)
			continue;
		__atomic_store_n(&net->lb->nat[i].state, LB_NAT_ENDED, __ATOMIC_RELEASE);
		for (uint32_t k = 0; u->masquerade && k < LB_NAT_PROTOS; k++) {
			__atomic_store_n(&net->lb->vservice[u->service[k]].kind, LB_SLOT_ENDED,
				__ATOMIC_RELEASE);
			__atomic_store_n(&net->lb->backend[u->backend[k]].state, LB_BACKEND_ENDED,
				__ATOMIC_RELEASE);
		}
	}
}

void lb_nat_free(struct net *net, uint64_t set)
{
	for (uint32_t i = 0; i < LB_POOL_MAX; i++) {
		const struct lb_nat_use *u = &net->lb->control->nat[i];

		if ((set >> i & 1) == 0)
			continue;
		for (uint32_t k = 0; u->masquerade && k < LB_NAT_PROTOS; k++) {
			net->lb->vservice[u->service[k]].kind = LB_SLOT_FREE;
			net->lb->backend[u->backend[k]].state = LB_BACKEND_FREE;
		}
		net->lb->nat[i].state = LB_NAT_FREE;
		give_index(net, i, true);
	}
}

void lb_nat_detach(struct net *net)
{
	for (uint16_t j = 0; j < net->n_workers; j++) {
		struct lb_worker *b = net->worker[j]->lb;

		for (uint32_t i = 0; b != NULL && i < LB_POOL_MAX; i++) {
			for (uint32_t k = 0; k < LB_NAT_PROTOS; k++)
				lb_ports_free(b->ports[i][k]);
			lb_inside_free(b->inside[i]);
		}
	}
}
