/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_balancers: whether virtual addresses are nobody else's, and backends can be reached.
 *
 * A backend is a neighbour, or there is a static route to it. Where a port has an interface in the
 * kernel, routes may come from there at any time, so a backend without one is no error. Routes and
 * services may be very many: what is looked for in them is sorted first.
 */
#include "check_balancers.h"

#include "wire/ip4_addr.h"

#include <stdio.h>
#include <stdlib.h>

/* What of the configuration is looked for, each in order. */
struct index {
	const struct route_conf **routes;
	const struct lb_service_conf **services;
	uint32_t n_routes, n_services;
	bool kernel; /* gives routes that the file does not know */
};

static int by_prefix(const void *a, const void *b)
{
	const struct route_conf *x = *(const struct route_conf *const *)a,
				*y = *(const struct route_conf *const *)b;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	return x->depth - y->depth;
}

static int by_address(const void *a, const void *b)
{
	const struct lb_service_conf *x = *(const struct lb_service_conf *const *)a,
				     *y = *(const struct lb_service_conf *const *)b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool index_new(struct index *x, const struct conf *c)
{
	*x = (struct index){.n_routes = c->routes.n,
		.n_services = c->balancers.n_services,
		.routes = malloc((c->routes.n + 1) * sizeof(*x->routes)),
		.services = malloc((c->balancers.n_services + 1) * sizeof(*x->services))};
	if (x->routes == NULL || x->services == NULL)
		return false;
	for (uint32_t i = 0; i < x->n_routes; i++)
		x->routes[i] = &c->routes.list[i];
	qsort(x->routes, x->n_routes, sizeof(*x->routes), by_prefix);
	for (uint32_t i = 0; i < x->n_services; i++)
		x->services[i] = &c->balancers.services[i];
	qsort(x->services, x->n_services, sizeof(*x->services), by_address);
	for (uint32_t i = 0; i < c->ports.n; i++)
		x->kernel |= c->ports.list[i].kernel[0] != '\0';
	return true;
}

static void index_free(struct index *x)
{
	free(x->routes);
	free(x->services);
}

/* A service with the address, NULL if none has it. */
static const struct lb_service_conf *service_at(const struct index *x, uint32_t addr)
{
	const struct lb_service_conf key = {.addr = addr}, *at = &key, **found;

	found = bsearch(&at, x->services, x->n_services, sizeof(*x->services), by_address);
	return found == NULL ? NULL : *found;
}

/* The static route that serves an address, NULL if none does. */
static const struct route_conf *route_of(const struct index *x, uint32_t addr)
{
	for (int depth = 32; depth >= 0; depth--) {
		const struct route_conf key = {.prefix = addr & ip4_mask((uint8_t)depth),
						.depth = (uint8_t)depth},
					*at = &key, **found;

		found = bsearch(&at, x->routes, x->n_routes, sizeof(*x->routes), by_prefix);
		if (found != NULL)
			return *found;
	}
	return NULL;
}

/* --- services --- */

static void check_address(
	const struct lb_service_conf *s, const struct addresses *a, struct errs *e)
{
	const struct network *n = addresses_network(a, s->addr);
	char path[96], text[IP4_ADDR_TEXT];
	const char *why =
		n != NULL || addresses_own(a, s->addr) ? addresses_why_not(a, s->addr) : NULL;

	if (why == NULL)
		return;
	snprintf(path, sizeof(path), "balancers.services.%s.address", s->name);
	errs_add(e, s->at, path, "%s is %s; one that nobody has is needed",
		ip4_addr_text(s->addr, text), why);
}

/* Neighbours that the file knows of would have to share their address with a service. */
static void check_neighbours(const struct conf *c, const struct index *x, struct errs *e)
{
	char path[96], text[IP4_ADDR_TEXT];
	const struct lb_service_conf *s;

	for (uint32_t i = 0; i < c->routes.n; i++)
		for (uint32_t j = 0; j < c->routes.list[i].n_via; j++) {
			if (c->routes.list[i].kind != ROUTE_VIA ||
				(s = service_at(x, c->routes.list[i].via[j])) == NULL)
				continue;
			snprintf(path, sizeof(path), "routes[%u].via", i);
			errs_add(e, c->routes.list[i].at, path,
				"%s is the address of service %s, on line %u; a neighbour on a "
				"port's network is needed",
				ip4_addr_text(s->addr, text), s->name, s->at.line);
		}
	for (uint32_t i = 0; i < c->neighbours.n_static; i++) {
		if ((s = service_at(x, c->neighbours.statics[i].addr)) == NULL)
			continue;
		snprintf(path, sizeof(path), "neighbours.static[%u].address", i);
		errs_add(e, c->neighbours.statics[i].at, path,
			"%s is the address of service %s, on line %u", ip4_addr_text(s->addr, text),
			s->name, s->at.line);
	}
}

/* --- backends --- */

/* Why packets would not get to a backend, NULL if they would. */
static const char *why_unreachable(const struct addresses *a, const struct index *x,
	const struct lb_service_conf *s, uint32_t addr)
{
	const struct route_conf *r;

	if (addresses_own(a, addr) || addresses_network(a, addr) != NULL)
		return addresses_why_not(a, addr);
	if (s->mode == LB_DSR)
		return "on no network of any port, and mode dsr reaches neighbours alone";
	if (x->kernel)
		return NULL;
	r = route_of(x, addr);
	if (r == NULL)
		return "on no network of any port, and no route leads to it";
	return r->kind == ROUTE_VIA ? NULL : "where a blackhole or unreachable route leads";
}

static void check_backends(const struct lb_service_conf *s, const struct addresses *a,
	const struct index *x, struct errs *e)
{
	char path[96], text[IP4_ADDR_TEXT];

	for (uint32_t i = 0; i < s->n_backends; i++) {
		const struct lb_backend_conf *b = &s->backends[i];
		const struct lb_service_conf *other = service_at(x, b->addr);
		const char *why = why_unreachable(a, x, s, b->addr);

		if (ip4_src_is_martian(b->addr))
			continue; /* lb_check() has said so */
		snprintf(path, sizeof(path), "balancers.services.%s.backends[%u].address", s->name,
			i);
		ip4_addr_text(b->addr, text);
		if (other != NULL)
			errs_add(e, b->at, path,
				"%s is the address of service %s, on line %u; a host's is needed",
				text, other->name, other->at.line);
		else if (why != NULL)
			errs_add(e, b->at, path, "%s is %s; a host on a port's network%s is needed",
				text, why, s->mode == LB_DSR ? "" : ", or behind a static route,");
	}
}

void check_balancers(const struct conf *c, const struct addresses *a, struct errs *e)
{
	struct index x;

	if (c->balancers.n_services == 0)
		return;
	if (index_new(&x, c)) {
		for (uint32_t i = 0; i < c->balancers.n_services; i++) {
			check_address(&c->balancers.services[i], a, e);
			check_backends(&c->balancers.services[i], a, &x, e);
		}
		check_neighbours(c, &x, e);
	} else {
		errs_add(e, (struct conf_pos){0}, "file", "no memory to check it");
	}
	index_free(&x);
}
