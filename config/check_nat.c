/* SPDX-License-Identifier: BSD-3-Clause */
/* check_nat: pools and masquerades beside ports, gateways and neighbours. */
#include "check_nat.h"

#include "check_balancers.h"
#include "wire/ip4_addr.h"

#include <stdio.h>

/* Who of the file has an address that is to be virtual, NULL if nobody has. */
static const char *why_taken(const struct conf *c, const struct addresses *a, uint32_t addr)
{
	if (ip4_src_is_martian(addr))
		return "no address that a host may have";
	if (addresses_own(a, addr) || addresses_network(a, addr) != NULL) {
		const char *why = addresses_why_not(a, addr);

		if (why != NULL)
			return why;
	}
	for (uint32_t i = 0; i < c->routes.n; i++)
		for (uint32_t j = 0;
			c->routes.list[i].kind == ROUTE_VIA && j < c->routes.list[i].n_via; j++)
			if (c->routes.list[i].via[j] == addr)
				return "a gateway's";
	for (uint32_t i = 0; i < c->neighbours.n_static; i++)
		if (c->neighbours.statics[i].addr == addr)
			return "a neighbour's";
	for (uint32_t i = 0; i < c->balancers.n_services; i++)
		for (uint32_t j = 0; j < c->balancers.services[i].n_backends; j++)
			if (c->balancers.services[i].backends[j].addr == addr)
				return "a backend's";
	return NULL;
}

static void check_address(const struct conf *c, const struct addresses *a, struct conf_pos at,
	const char *path, uint32_t addr, struct errs *e)
{
	const char *why = why_taken(c, a, addr);
	char text[IP4_ADDR_TEXT];

	if (why != NULL)
		errs_add(e, at, path, "%s is %s; one that nobody has is needed",
			ip4_addr_text(addr, text), why);
}

void check_nat(const struct conf *c, const struct addresses *a, struct errs *e)
{
	char path[96];

	for (uint32_t i = 0; i < c->balancers.n_pools; i++) {
		const struct lb_pool_conf *p = &c->balancers.pools[i];

		snprintf(path, sizeof(path), "balancers.pools.%s.addresses", p->name);
		for (uint32_t j = 0; j < p->n; j++)
			check_address(c, a, p->addrs[j].at, path, p->addrs[j].addr, e);
	}
	for (uint32_t i = 0; i < c->balancers.n_masquerades; i++) {
		const struct lb_masquerade_conf *m = &c->balancers.masquerades[i];

		if (c->system.pipeline == PIPELINE_HOST) {
			snprintf(path, sizeof(path), "balancers.masquerades.%s", m->name);
			errs_add(e, m->at, path, "%s", NO_BALANCER);
		}
		snprintf(path, sizeof(path), "balancers.masquerades.%s.out", m->name);
		if (!addresses_iface(&c->ports, m->out))
			errs_add(e, m->at, path, "there is no port or VLAN `%s`", m->out);
		snprintf(path, sizeof(path), "balancers.masquerades.%s.address", m->name);
		if (m->addr != 0)
			check_address(c, a, m->at, path, m->addr, e);
	}
}
