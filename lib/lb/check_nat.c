/* SPDX-License-Identifier: BSD-3-Clause */
/* check_nat: what is wrong with pools and masquerades, as far as they and services show it. */
#include "lb/lb.h"
#include "lb/vservice.h"
#include "wire/ip4_addr.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATH 96

/* An address that something of the balancers has. port 0: all of it. */
struct use {
	struct conf_pos at;
	char path[PATH];
	uint32_t addr;
	const char *out; /* of a masquerade with its interface's own address */
	uint16_t port, last_port;
};

static bool is_same_address(const struct use *a, const struct use *b)
{
	if (a->addr != 0 || b->addr != 0)
		return a->addr == b->addr;
	return strcmp(a->out, b->out) == 0;
}

/* Two masquerades may share an address where their ports do not meet. */
static bool meet(const struct use *a, const struct use *b)
{
	return a->port == 0 || b->port == 0 || (a->port <= b->last_port && b->port <= a->last_port);
}

static void check_use(const struct lb_conf *c, const struct use *list, uint32_t n, struct errs *e)
{
	const struct use *u = &list[n];
	char text[IP4_ADDR_TEXT];

	for (uint32_t i = 0; i < n; i++) {
		if (!is_same_address(u, &list[i]) || !meet(u, &list[i]))
			continue;
		if (u->addr == 0)
			errs_add(e, u->at, u->path, "%s has ports of that interface's address, too",
				list[i].path);
		else
			errs_add(e, u->at, u->path, "%s is in %s, too",
				ip4_addr_text(u->addr, text), list[i].path);
		return;
	}
	for (uint32_t i = 0; u->addr != 0 && i < c->n_services; i++)
		if (c->services[i].addr == u->addr) {
			errs_add(e, u->at, u->path, "%s is the address of service %s",
				ip4_addr_text(u->addr, text), c->services[i].name);
			return;
		}
}

static void check_pools(
	const struct lb_conf *c, struct use list[LB_POOL_MAX], uint32_t *n, struct errs *e)
{
	char path[PATH];

	for (uint32_t i = 0; i < c->n_pools; i++) {
		const struct lb_pool_conf *p = &c->pools[i];

		snprintf(path, sizeof(path), "balancers.pools.%s.addresses", p->name);
		if (p->n == 0)
			errs_add(e, p->at, path, "none; at least one is needed");
		for (uint32_t j = 0; j < p->n && *n < LB_POOL_MAX; j++, ++*n) {
			list[*n] = (struct use){.at = p->addrs[j].at, .addr = p->addrs[j].addr};
			memcpy(list[*n].path, path, sizeof(path));
			if (p->addrs[j].addr == 0)
				errs_add(e, p->addrs[j].at, path, "0.0.0.0 is no host's address");
			else
				check_use(c, list, *n, e);
		}
	}
}

static void check_own(const struct lb_masquerade_conf *m, struct errs *e)
{
	char path[PATH];

	snprintf(path, sizeof(path), "balancers.masquerades.%s.takeover", m->name);
	errs_add(e, m->at, path,
		"the interface's own address moves nowhere; `address` names one that does");
}

static void check_masquerades(
	const struct lb_conf *c, struct use list[LB_POOL_MAX], uint32_t *n, struct errs *e)
{
	for (uint32_t i = 0; i < c->n_masquerades && *n < LB_POOL_MAX; i++, ++*n) {
		const struct lb_masquerade_conf *m = &c->masquerades[i];

		list[*n] = (struct use){.at = m->at,
			.addr = m->addr,
			.out = m->out,
			.port = m->port,
			.last_port = m->last_port};
		snprintf(list[*n].path, PATH, "balancers.masquerades.%s.%s", m->name,
			m->addr == 0 ? "out" : "address");
		check_use(c, list, *n, e);
		if (m->addr == 0 && m->takeover)
			check_own(m, e);
	}
}

static const struct lb_pool_conf *pool_named(const struct lb_conf *c, const char *name)
{
	for (uint32_t i = 0; i < c->n_pools; i++)
		if (strcmp(c->pools[i].name, name) == 0)
			return &c->pools[i];
	return NULL;
}

static void check_services(const struct lb_conf *c, struct errs *e)
{
	char path[PATH];

	for (uint32_t i = 0; i < c->n_services; i++) {
		const struct lb_service_conf *s = &c->services[i];

		snprintf(path, sizeof(path), "balancers.services.%s.pool", s->name);
		if (s->mode == LB_FULL_NAT && s->pool[0] == '\0')
			errs_add(e, s->at, path,
				"none; mode full-nat needs the name of one of balancers.pools");
		else if (s->mode > LB_FULL_NAT && s->pool[0] != '\0')
			errs_add(e, s->at, path, "only modes nat and full-nat have one");
		else if (s->pool[0] != '\0' && pool_named(c, s->pool) == NULL)
			errs_add(e, s->at, path, "there is no `%s` in balancers.pools", s->pool);
		else if (s->pool[0] != '\0' && !s->keep)
			errs_add(
				e, s->at, path, "flow_table is false; ports belong to flows in it");
	}
}

/* Each has slots for TCP and for UDP, as many as it needs; a masquerade has three of both kinds. */
static void check_slots(const struct lb_conf *c, struct errs *e)
{
	uint64_t services = (uint64_t)LB_NAT_PROTOS * c->n_masquerades, backends = services;

	for (uint32_t i = 0; i < c->n_services; i++) {
		uint32_t n = c->services[i].protocol == LB_TCP_AND_UDP ? 2 : 1;

		services += n;
		backends += (uint64_t)n * c->services[i].n_backends;
	}
	if (c->n_masquerades > 0 && services > 2 * (uint64_t)c->max_services)
		errs_add(e, c->masquerades[0].at, "balancers.masquerades",
			"three places for each and one for each service's protocol are %" PRIu64
			"; system.limits.balanced_services is %u, which has two each",
			services, c->max_services);
	if (c->n_masquerades > 0 && backends > 2 * (uint64_t)c->max_backends)
		errs_add(e, c->masquerades[0].at, "balancers.masquerades",
			"three places for each and one for each backend's protocol are %" PRIu64
			"; system.limits.balanced_backends is %u, which has two each",
			backends, c->max_backends);
}

int lb_check_nat(const struct lb_conf *c, struct errs *e)
{
	struct use list[LB_POOL_MAX];
	size_t before = e->n;
	uint32_t n = 0, all = c->n_masquerades;

	for (uint32_t i = 0; i < c->n_pools; i++)
		all += c->pools[i].n;
	if (all > LB_POOL_MAX)
		errs_add(e, c->n_pools > 0 ? c->pools[0].at : c->masquerades[0].at,
			"balancers.pools",
			"%u addresses in pools and masquerades; at most %u are allowed", all,
			LB_POOL_MAX);
	if (c->max_flows == 0 && c->n_masquerades > 0) /* addresses of inside would get out */
		errs_add(e, c->masquerades[0].at, "balancers.masquerades",
			"system.limits.flows is 0: nothing is mapped; with masquerades it has to "
			"be more");
	check_slots(c, e);
	check_pools(c, list, &n, e);
	check_masquerades(c, list, &n, e);
	check_services(c, e);
	return e->n == before ? 0 : -1;
}
