/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of a configuration's services: built with everything that may fail, published by a few
 * stores and routes, retired by epoch and, for slots, by the sweep of every worker.
 */
#include "lb/lb.h"

#include "base/log.h"
#include "control.h"
#include "inner.h"
#include "synproxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CROWD_SHARE 8 /* of the table's places: when fewer are left, the hash alone chooses */

static const uint8_t protos[LB_PROTOS] = {IP4_PROTO_TCP, IP4_PROTO_UDP};

/* --- the workers' part --- */

static void worker_free_lb(struct lb_worker *b)
{
	if (b == NULL)
		return;
	flow_table_free(b->flows);
	free(b->view);
	free(b->backend);
	free(b->service);
	free(b->turn);
	free(b->gate);
	lb_proxy_free(atomic_load(&b->proxy));
	free(b->backend_due);
	free(b->service_part);
	free(b->backend_part);
	free(b);
}

static int worker_attach(struct worker *w, const struct lb_conf *c, const uint64_t secret[2])
{
	uint32_t slots = LB_PROTOS * c->max_services, backends = LB_PROTOS * c->max_backends;
	struct lb_worker *b = calloc(1, sizeof(*b));

	w->lb = b;
	if (b == NULL)
		return -ENOMEM;
	b->flows = flow_table_new(c->max_flows, secret, w->node);
	b->backend = aligned_alloc(64, backends * sizeof(*b->backend));
	b->service = aligned_alloc(64, slots * sizeof(*b->service));
	b->turn = calloc(slots, sizeof(*b->turn));
	b->view = calloc(1, sizeof(*b->view));
	b->gate = calloc(slots, sizeof(*b->gate));
	b->backend_due = calloc(backends, sizeof(*b->backend_due));
	b->service_part = malloc(slots * sizeof(*b->service_part));
	b->backend_part = malloc(backends * sizeof(*b->backend_part));
	if (b->flows == NULL || b->backend == NULL || b->service == NULL || b->turn == NULL ||
		b->view == NULL || b->gate == NULL || b->backend_due == NULL ||
		b->service_part == NULL || b->backend_part == NULL)
		return -ENOMEM;
	memset(b->backend, 0, backends * sizeof(*b->backend));
	memset(b->service, 0, slots * sizeof(*b->service));
	memset(b->service_part, 0xff, slots * sizeof(*b->service_part));
	memset(b->backend_part, 0xff, backends * sizeof(*b->backend_part));
	for (uint32_t i = 0; i < slots; i++)
		b->turn[i] = w->id; /* workers do not all begin with the same backend */
	b->sweep_left = flow_buckets(b->flows);
	b->crowd = c->max_flows - c->max_flows / CROWD_SHARE;
	return lb_sync_attach(w);
}

/* --- start and end --- */

static int control_new(struct lb *lb, const struct lb_conf *c)
{
	struct lb_control *k = calloc(1, sizeof(*k));

	lb->control = k;
	if (k == NULL)
		return -ENOMEM;
	k->max_vips = c->max_services + LB_POOL_MAX;
	k->vip_at_mask = (uint32_t)rte_align32pow2(2 * k->max_vips) - 1;
	k->vip_at = calloc(k->vip_at_mask + 1, sizeof(*k->vip_at));
	k->service_used = calloc(lb->n_vservices, sizeof(*k->service_used));
	k->backend_used = calloc(lb->n_backends, sizeof(*k->backend_used));
	k->service_kept = calloc(lb->n_vservices, sizeof(*k->service_kept));
	k->backend_kept = calloc(lb->n_backends, sizeof(*k->backend_kept));
	k->service_base = aligned_alloc(64, lb->n_vservices * sizeof(*k->service_base));
	k->backend_base = aligned_alloc(64, lb->n_backends * sizeof(*k->backend_base));
	k->vip = calloc(k->max_vips, sizeof(*k->vip));
	k->of_slot = calloc(lb->n_backends, sizeof(*k->of_slot));
	if (k->service_used == NULL || k->backend_used == NULL || k->service_kept == NULL ||
		k->backend_kept == NULL || k->service_base == NULL || k->backend_base == NULL ||
		k->vip == NULL || k->vip_at == NULL || k->of_slot == NULL)
		return -ENOMEM;
	memset(k->service_base, 0, lb->n_vservices * sizeof(*k->service_base));
	memset(k->backend_base, 0, lb->n_backends * sizeof(*k->backend_base));
	return 0;
}

int lb_attach(struct net *net, const struct lb_conf *c)
{
	uint64_t secret[2];
	struct lb *lb;
	int rc;

	if (c->max_flows == 0)
		return 0;
	if (getrandom(secret, sizeof(secret), 0) != (ssize_t)sizeof(secret))
		return -EIO;
	lb = net->lb = calloc(1, sizeof(*lb));
	if (lb == NULL)
		return -ENOMEM;
	lb->n_vservices = LB_PROTOS * c->max_services;
	lb->n_backends = LB_PROTOS * c->max_backends;
	lb->vservice = aligned_alloc(64, lb->n_vservices * sizeof(*lb->vservice));
	lb->backend = aligned_alloc(64, lb->n_backends * sizeof(*lb->backend));
	atomic_store(&lb->match, calloc(1, sizeof(struct lb_match)));
	if (lb->vservice == NULL || lb->backend == NULL || atomic_load(&lb->match) == NULL)
		return -ENOMEM;
	memset(lb->vservice, 0, lb->n_vservices * sizeof(*lb->vservice));
	memset(lb->backend, 0, lb->n_backends * sizeof(*lb->backend));
	lb->cookie_key = siphash_new_key();
	lb->nonces = siphash_new_key();
	lb->session = siphash_new_key().word[0] | 1; /* 0 is none */
	rc = control_new(lb, c);
	for (uint16_t i = 0; rc == 0 && i < net->n_workers; i++)
		rc = worker_attach(net->worker[i], c, secret);
	return rc;
}

static void control_free(struct lb *lb)
{
	struct lb_control *k = lb->control;

	if (k == NULL)
		return;
	if (k->plan != NULL)
		lb_plan_end(k->plan);
	while (k->leaving != NULL) {
		struct lb_leaving *x = k->leaving;

		k->leaving = x->next;
		free(x->slot);
		free(x);
	}
	free(k->service_used);
	free(k->backend_used);
	free(k->service_kept);
	free(k->backend_kept);
	free(k->service_base);
	free(k->backend_base);
	free(k->vip);
	free(k->vip_at);
	free(k->of_slot);
	free(k);
}

void lb_detach(struct net *net)
{
	struct lb *lb = net->lb;

	if (lb == NULL)
		return;
	lb_nat_detach(net);
	lb_unprepare(net);
	for (uint16_t i = 0; i < net->n_workers; i++) {
		if (net->worker[i]->lb != NULL)
			lb_sync_detach(net->worker[i]);
		worker_free_lb(net->worker[i]->lb);
		net->worker[i]->lb = NULL;
	}
	for (uint32_t i = 0; lb->vservice != NULL && i < lb->n_vservices; i++) {
		free(atomic_load(&lb->vservice[i].pick));
		free(atomic_load(&lb->vservice[i].acl));
	}
	control_free(lb);
	lb_match_free(atomic_load(&lb->match));
	free(atomic_load(&lb->sync));
	free(lb->vservice);
	free(lb->backend);
	free(lb);
	net->lb = NULL;
}

/* --- an apply --- */

/* Memory of SYN proxies, once a service has one; it stays. */
static bool make_proxies(struct net *net, const struct lb_conf *c)
{
	bool wanted = false, ok = true;

	for (uint32_t i = 0; i < c->n_services; i++)
		wanted |= c->services[i].syn_proxy != LB_SYN_OFF;
	for (uint16_t i = 0; wanted && i < net->n_workers; i++)
		ok &= lb_proxy_new(net->worker[i]) == 0;
	return ok;
}

int lb_build(struct net *net, const struct lb_conf *c, struct errs *e)
{
	int rc;

	if (net->lb == NULL)
		return 0;
	if (!make_proxies(net, c))
		return -ENOMEM;
	rc = lb_plan_new(net, c, &net->lb->control->next);
	lb_unprepare(net);
	if (rc == -ENOSPC)
		errs_add(e, (struct conf_pos){0}, "balancers",
			"no slot is free: raise system.limits.balanced_services or "
			"balanced_backends, or wait until flows of removed ones have ended");
	return rc;
}

void lb_abandon(struct net *net)
{
	struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;

	if (c == NULL || c->next == NULL)
		return;
	lb_plan_free(net, c->next, c->plan);
	c->next = NULL;
}

/* RFC 5382 and 4787 have reasons for the defaults of what is configured. */
void lb_set_idle(struct lb_vservice *v, const struct lb_timeouts_conf *t)
{
	bool tcp = v->proto == IP4_PROTO_TCP;
	uint32_t ms[FLOW_STATES] = {
		[FLOW_CLOSED] = tcp ? t->tcp_closed_ms : t->udp_ms,
		[FLOW_NEW] = tcp ? t->tcp_half_open_ms : t->udp_one_way_ms,
		[FLOW_TAKEN] = tcp ? t->tcp_established_ms : t->udp_ms,
		[FLOW_CLOSING] = tcp ? t->tcp_closing_ms : t->udp_ms,
		[FLOW_ESTABLISHED] = tcp ? t->tcp_established_ms : t->udp_ms,
	};

	for (uint32_t i = 0; i < FLOW_STATES; i++)
		v->idle[i] = (uint16_t)RTE_MIN(ms[i] / 1000, (uint32_t)FLOW_SECONDS);
}

static uint32_t own_or(uint32_t own, uint32_t everybodys)
{
	return own != 0 ? own : everybodys;
}

static struct lb_timeouts_conf timeouts_of(const struct lb_svc *s, const struct lb_conf *c)
{
	const struct lb_timeouts_conf *own = &s->conf.timeouts, *all = &c->timeouts;

	return (struct lb_timeouts_conf){
		.tcp_half_open_ms = own_or(own->tcp_half_open_ms, all->tcp_half_open_ms),
		.tcp_established_ms = own_or(own->tcp_established_ms, all->tcp_established_ms),
		.tcp_closing_ms = own_or(own->tcp_closing_ms, all->tcp_closing_ms),
		.tcp_closed_ms = own_or(own->tcp_closed_ms, all->tcp_closed_ms),
		.udp_one_way_ms = own_or(own->udp_one_way_ms, all->udp_one_way_ms),
		.udp_ms = own_or(own->udp_ms, all->udp_ms),
	};
}

static void set_backend(
	struct lb_backend *b, const struct lb_svc *s, const struct lb_member *m, uint16_t service)
{
	b->addr = to_be32(m->conf->addr);
	b->port = to_be16(m->conf->port);
	b->service = service;
	b->mode = (uint8_t)s->conf.mode;
	b->rate = m->conf->rate;
	b->tunnel_source = to_be32(s->conf.tunnel_source);
	b->ignore_df = s->conf.ignore_df && (s->conf.mode == LB_IPIP || s->conf.mode == LB_GRE);
}

/* Nobody is led to a slot that is new before the match is published. */
static void set_service(struct net *net, struct lb_svc *s, uint32_t k)
{
	struct lb *lb = net->lb;
	struct lb_vservice *v = &lb->vservice[s->slot[k]];
	struct lb_acl *acl = atomic_exchange_explicit(&v->acl, s->acl[k], memory_order_acq_rel);
	struct lb_timeouts_conf timeouts = timeouts_of(s, &lb->control->next->conf);

	s->acl[k] = NULL;
	if (acl != NULL)
		epoch_defer(net->epoch, free, acl);
	v->addr = to_be32(s->conf.addr);
	v->proto = protos[k];
	v->mode = (uint8_t)s->conf.mode;
	v->scheduler = (uint8_t)s->conf.scheduler;
	v->keep = s->conf.keep;
	v->syn_proxy = (uint8_t)s->conf.syn_proxy;
	v->mss = s->conf.mss;
	__atomic_store_n(&v->nat, lb_nat_set(lb->control->next, &s->conf), __ATOMIC_RELEASE);
	v->rate = s->conf.rate;
	v->syn_rate = s->conf.syn_rate;
	lb_set_idle(v, &timeouts);
	for (uint32_t i = 0; i < s->conf.n_backends; i++)
		set_backend(&lb->backend[s->members[i].slot[k]], s, &s->members[i], s->slot[k]);
	__atomic_store_n(&v->kind, LB_SLOT_SERVICE, __ATOMIC_RELEASE);
}

/* Of a pool's address, or masquerades': whether the kernel says who has it. */
static bool is_taken_over(const struct lb_conf *c, uint32_t addr)
{
	bool moves = false;

	for (uint32_t i = 0; i < c->n_pools; i++)
		for (uint32_t j = 0; j < c->pools[i].n; j++)
			if (c->pools[i].addrs[j].addr == addr)
				return c->pools[i].takeover;
	for (uint32_t i = 0; i < c->n_masquerades; i++) {
		if (c->masquerades[i].addr == addr && !c->masquerades[i].takeover)
			return false;
		moves |= c->masquerades[i].addr == addr;
	}
	return moves;
}

/* The routes to addresses that are new, and none to those that have gone. */
static void route_vips(struct net *net, const struct lb_plan *p, ticks now)
{
	struct lb_control *c = net->lb->control;

	for (uint32_t i = 0; i < c->n_vips; i++)
		c->vip[i].live = c->vip[i].arp = false;
	for (uint32_t i = 0; i < p->conf.n_services; i++) {
		struct lb_vip_use *v = &c->vip[p->services[i].vip];

		v->live = true;
		v->arp |= !p->services[i].conf.takeover;
	}
	for (uint32_t i = 0; i < LB_POOL_MAX; i++) {
		if ((p->nat >> i & 1) == 0 || c->nat[i].vip == LB_NOBODY)
			continue;
		c->vip[c->nat[i].vip].live = true;
		c->vip[c->nat[i].vip].arp =
			!is_taken_over(&p->conf, from_be32(c->vip[c->nat[i].vip].addr));
	}
	for (uint32_t i = 0; i < c->n_vips; i++) {
		uint32_t addr = from_be32(c->vip[i].addr);
		uint32_t arp = c->vip[i].arp ? FIB_SERVICE_ARP : 0;
		struct rib4_route old;
		bool there = rib4_get(net->rib, addr, 32, RIB4_SERVICE, &old);
		bool known = there && (fib_entry_index(old.entry) & FIB_SERVICE_ARP) != 0;

		if (c->vip[i].addr == 0)
			continue;
		if (!c->vip[i].live) {
			if (there)
				rib4_del(net->rib, addr, 32, RIB4_SERVICE);
			continue;
		}
		if (rib4_add(net->rib, addr, 32, RIB4_SERVICE, 0, 0,
			    fib_entry_make(FIB_SERVICE, i | arp)) == -ENOMEM)
			log_error("balancers: no room for a route: raise system.limits.routes");
		if (!known && c->vip[i].arp)
			lb_vip_announce(&c->vip[i], now);
	}
}

static void set_seed(struct lb *lb, const char *text)
{
	/* FNV-1a, twice from different bases: a text becomes a key, whoever computes it */
	uint64_t h[2] = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x84222325cbf29ce4)};

	for (const char *p = text; *p != '\0'; p++)
		for (uint32_t i = 0; i < 2; i++)
			h[i] = (h[i] ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	lb->seed[0] = h[0];
	lb->seed[1] = h[1];
}

void lb_publish(struct net *net, ticks now)
{
	struct lb *lb = net->lb;
	struct lb_control *c = lb == NULL ? NULL : lb->control;
	struct lb_match *match;

	if (c == NULL || c->next == NULL)
		return;
	set_seed(lb, c->next->conf.seed);
	lb_nat_publish(net, c->next);
	for (uint32_t i = 0; i < c->next->conf.n_services; i++) {
		struct lb_svc *s = &c->next->services[i];

		for (uint32_t k = 0; k < LB_PROTOS; k++)
			if (s->slot[k] != LB_NOBODY)
				set_service(net, s, k);
		lb_settle(net, s);
	}
	lb_limit_deal(net, c->next);
	atomic_store(&net->whole_again, c->next->conf.n_masquerades > 0);
	atomic_store(&lb->behind, lb_match_looks_behind(c->next->match));
	match = atomic_exchange_explicit(&lb->match, c->next->match, memory_order_acq_rel);
	c->next->match = NULL;
	epoch_defer(net->epoch, lb_match_free, match);
	lb_sync_publish(net, c->next);
	route_vips(net, c->next, now);
	c->old = c->plan;
	c->plan = c->next;
	c->next = NULL;
	lb_health_plan(net);
}

/* --- what has gone --- */

static void end_service(struct net *net, struct lb_leaving *x, uint16_t slot)
{
	struct lb_vservice *v = &net->lb->vservice[slot];
	struct lb_pick *pick = atomic_exchange(&v->pick, NULL);
	struct lb_acl *acl = atomic_exchange(&v->acl, NULL);

	__atomic_store_n(&v->kind, LB_SLOT_ENDED, __ATOMIC_RELEASE);
	if (pick != NULL)
		epoch_defer(net->epoch, free, pick);
	if (acl != NULL)
		epoch_defer(net->epoch, free, acl);
	x->slot[x->n_services++] = slot;
}

/* Slots that the old plan had and this one has not: their flows end in the workers' next rounds. */
static void leave(struct net *net, const struct lb_plan *old)
{
	struct lb_control *c = net->lb->control;
	struct lb_leaving *x = calloc(1, sizeof(*x));
	size_t room = LB_PROTOS * ((size_t)old->conf.n_services + old->n_members) + 1;
	uint64_t nat = old->nat & ~c->plan->nat;

	if (x == NULL || (x->slot = calloc(room, sizeof(*x->slot))) == NULL) {
		free(x);
		log_error("balancers: no memory to give slots back: they are lost");
		return;
	}
	lb_plan_mark(net->lb, c->plan);
	for (uint32_t k = 0; k < LB_PROTOS; k++)
		for (uint32_t i = 0; i < old->conf.n_services; i++)
			if (old->services[i].slot[k] != LB_NOBODY &&
				!c->service_kept[old->services[i].slot[k]])
				end_service(net, x, old->services[i].slot[k]);
	for (uint32_t k = 0; k < LB_PROTOS; k++)
		for (uint32_t i = 0; i < old->n_members; i++) {
			uint16_t slot = old->members[i].slot[k];

			if (slot == LB_NOBODY || c->backend_kept[slot])
				continue;
			__atomic_store_n(
				&net->lb->backend[slot].state, LB_BACKEND_ENDED, __ATOMIC_RELEASE);
			x->slot[x->n_services + x->n_backends++] = slot;
		}
	lb_nat_end(net, x->nat = nat);
	if (x->n_services + x->n_backends == 0 && nat == 0) {
		free(x->slot);
		free(x);
		return;
	}
	for (uint16_t i = 0; i < net->n_workers; i++) /* the round under way does not count */
		x->need[i] = atomic_load(&net->worker[i]->lb->rounds) + 2;
	x->next = c->leaving;
	c->leaving = x;
}

void lb_retire(struct net *net)
{
	struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;

	if (c == NULL || c->old == NULL)
		return;
	leave(net, c->old);
	for (uint32_t i = 0; i < c->n_vips; i++)
		if (!c->vip[i].live)
			c->vip[i].addr = 0;
	lb_plan_end(c->old);
	c->old = NULL;
}

static bool has_left(const struct net *net, const struct lb_leaving *x)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		uint32_t rounds =
			atomic_load_explicit(&net->worker[i]->lb->rounds, memory_order_acquire);

		if ((int32_t)(rounds - x->need[i]) < 0)
			return false;
	}
	return true;
}

static void free_slots(struct net *net, const struct lb_leaving *x)
{
	struct lb_control *c = net->lb->control;

	for (uint32_t i = 0; i < x->n_services; i++) {
		net->lb->vservice[x->slot[i]].kind = LB_SLOT_FREE;
		c->service_used[x->slot[i]] = false;
	}
	for (uint32_t i = x->n_services; i < x->n_services + x->n_backends; i++) {
		net->lb->backend[x->slot[i]].state = LB_BACKEND_FREE;
		atomic_store(&net->lb->backend[x->slot[i]].path_mtu, 0);
		c->backend_used[x->slot[i]] = false;
	}
	lb_nat_free(net, x->nat);
}

/* --- as time goes --- */

void lb_tick(struct net *net, ticks now)
{
	struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;

	if (c == NULL)
		return;
	lb_sync_tick(net, now);
	c->ticks++;
	if (c->plan != NULL)
		lb_limit_deal(net, c->plan);
	lb_nat_tick(net);
	for (struct lb_leaving **at = &c->leaving; *at != NULL;) {
		struct lb_leaving *x = *at;

		if (!has_left(net, x)) {
			at = &x->next;
			continue;
		}
		*at = x->next;
		free_slots(net, x);
		free(x->slot);
		free(x);
	}
	lb_vip_tick(net, now);
	lb_health_tick(net, now);
}
