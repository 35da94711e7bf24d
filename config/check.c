/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: every module's own check, and what only the whole configuration shows.
 *
 * Gateways, static neighbours and services have to fit the ports' networks and addresses, and
 * what the process was started with does not change while it runs.
 */
#include "addresses.h"
#include "check_balancers.h"
#include "check_nat.h"
#include "option.h"

#include "lb/lb.h"
#include "wire/ip4_addr.h"

#include <stdio.h>
#include <string.h>

static void check_routes(const struct conf *c, const struct addresses *a, struct errs *e)
{
	char path[48], text[IP4_ADDR_TEXT];

	for (uint32_t i = 0; i < c->routes.n; i++) {
		const struct route_conf *r = &c->routes.list[i];

		for (uint32_t j = 0; r->kind == ROUTE_VIA && j < r->n_via; j++) {
			const char *why = addresses_why_not(a, r->via[j]);

			if (why == NULL)
				continue;
			snprintf(path, sizeof(path), "routes[%u].via", i);
			errs_add(e, r->at, path,
				"%s is %s; a neighbour on a port's network is needed",
				ip4_addr_text(r->via[j], text), why);
		}
	}
}

static void check_statics(const struct conf *c, const struct addresses *a, struct errs *e)
{
	char path[48], text[IP4_ADDR_TEXT];

	for (uint32_t i = 0; i < c->neighbours.n_static; i++) {
		const struct neigh_static *s = &c->neighbours.statics[i];
		const struct network *n = addresses_network(a, s->addr);
		const char *why = addresses_why_not(a, s->addr);

		ip4_addr_text(s->addr, text);
		if (!addresses_iface(&c->ports, s->iface)) {
			snprintf(path, sizeof(path), "neighbours.static[%u].port", i);
			errs_add(e, s->at, path, "there is no port or VLAN `%s`", s->iface);
			continue;
		}
		snprintf(path, sizeof(path), "neighbours.static[%u].address", i);
		if (why)
			errs_add(e, s->at, path, "%s is %s", text, why);
		else if (strcmp(n->iface->name, s->iface) != 0)
			errs_add(e, s->at, path, "%s is on a network of %s", text, n->iface->name);
	}
}

static void check_services(const struct conf *c, const struct addresses *a, struct errs *e)
{
	char path[64], text[IP4_ADDR_TEXT];

	for (uint32_t i = 0; i < c->services.n; i++) {
		const struct service_conf *s = &c->services.list[i];

		if (s->addr == 0 || addresses_own(a, s->addr))
			continue;
		snprintf(path, sizeof(path), "services.%s.listen", s->name);
		errs_add(e, s->at, path,
			"%s is not an address of millrace; one of a port's, or 0.0.0.0 for all",
			ip4_addr_text(s->addr, text));
	}
}

/* --- options among themselves --- */

/* Where an option stands; one that is left out, where the section does that it would be in. */
static struct conf_pos near(const struct conf *c, const char *path)
{
	struct conf_pos at = conf_at(c, path);
	char section[96], *dot;

	snprintf(section, sizeof(section), "%s", path);
	while (at.line == 0 && (dot = strrchr(section, '.')) != NULL) {
		*dot = '\0';
		at = conf_at(c, section);
	}
	return at.line ? at : (struct conf_pos){1, 1};
}

/* Of two options that do not fit each other, the first one if it is given. */
static struct conf_pos either(const struct conf *c, const char *path, const char *other)
{
	struct conf_pos at = conf_at(c, path);

	return at.line ? at : near(c, other);
}

/* Two instances of a balancer speak to each other from an address of a port. */
static void check_sync(const struct conf *c, const struct addresses *a, struct errs *e)
{
	const struct lb_sync_conf *s = &c->balancers.sync;
	char text[IP4_ADDR_TEXT];

	if (s->addr == 0 && s->peer == 0)
		return;
	if (!addresses_own(a, s->addr))
		errs_add(e, near(c, "balancers.sync.address"), "balancers.sync.address",
			"%s is not an address of millrace; one of a port's is needed",
			ip4_addr_text(s->addr, text));
	if (addresses_own(a, s->peer) || ip4_src_is_martian(s->peer))
		errs_add(e, near(c, "balancers.sync.peer"), "balancers.sync.peer",
			"%s is not the address of another host", ip4_addr_text(s->peer, text));
	if (s->key[0] == '\0')
		errs_add(e, near(c, "balancers.sync.key"), "balancers.sync.key",
			"missing; a text that the two instances alone have");
	if (c->system.pipeline == PIPELINE_HOST)
		errs_add(e, near(c, "balancers.sync"), "balancers.sync", "%s", NO_BALANCER);
	for (uint32_t i = 0; i < c->services.n; i++)
		if (c->services.list[i].kind <= SERVICE_UDP_DISCARD &&
			c->services.list[i].port == s->port &&
			(c->services.list[i].addr == 0 || c->services.list[i].addr == s->addr))
			errs_add(e, near(c, "balancers.sync.port"), "balancers.sync.port",
				"service %s has this port", c->services.list[i].name);
}

static void check_socket(const struct conf *c, struct errs *e)
{
	if (c->system.control_socket[0] != '/')
		errs_add(e, conf_at(c, "system.control_socket"), "system.control_socket",
			"`%s` is not an absolute path", c->system.control_socket);
	if (c->system.sockets.path[0] != '/' && c->system.sockets.path[0] != '\0')
		errs_add(e, conf_at(c, "system.socket_service"), "system.socket_service",
			"`%s` is not an absolute path", c->system.sockets.path);
}

static void check_kernel(const struct conf *c, struct errs *e)
{
	if (strchr(c->ports.kernel_netns, '/') != NULL)
		errs_add(e, conf_at(c, "system.kernel.netns"), "system.kernel.netns",
			"`%s` is not a namespace's name; see `ip netns`", c->ports.kernel_netns);
}

static void check_parks(const struct conf *c, struct errs *e)
{
	if (c->set.park_each > c->set.park_total)
		errs_add(e, either(c, "neighbours.park_each", "neighbours.park_total"),
			"neighbours.park_each", "%u is more than park_total, %u", c->set.park_each,
			c->set.park_total);
}

static void check_host_iface(const struct iface_conf *f, struct errs *e)
{
	const struct {
		const char *name;
		bool on;
	} routers[] = {{"proxy_arp", f->proxy_arp}, {"directed_broadcast", f->directed_broadcast}};
	char path[96];

	for (size_t i = 0; i < sizeof(routers) / sizeof(routers[0]); i++) {
		if (!routers[i].on)
			continue;
		snprintf(path, sizeof(path), "ports.%s.%s", f->name, routers[i].name);
		errs_add(e, f->at, path, "a router's; system.pipeline is host");
	}
}

/* What asks for packets to be forwarded, of a host. */
static void check_host(const struct conf *c, struct errs *e)
{
	if (c->system.pipeline != PIPELINE_HOST)
		return;
	if (c->balancers.n_services > 0)
		errs_add(e, c->balancers.services[0].at, "balancers.services", "%s", NO_BALANCER);
	for (uint32_t i = 0; i < c->ports.n; i++) {
		check_host_iface(&c->ports.list[i].iface, e);
		for (uint32_t j = 0; j < c->ports.list[i].n_vlans; j++)
			check_host_iface(&c->ports.list[i].vlans[j], e);
	}
}

static void check_room_for_routes(const struct conf *c, struct errs *e)
{
	if (c->routes.n > c->system.limits.routes)
		errs_add(e, conf_at(c, "routes"), "routes", "%u routes; system.limits.routes is %u",
			c->routes.n, c->system.limits.routes);
}

static void check_room_for_neighbours(const struct conf *c, struct errs *e)
{
	uint32_t neighbours = c->neighbours.max + c->neighbours.n_static;

	if (neighbours >= c->system.limits.adjacencies)
		errs_add(e, either(c, "neighbours.max", "system.limits.adjacencies"),
			"neighbours.max",
			"with the static ones %u; system.limits.adjacencies, %u, has to be more",
			neighbours, c->system.limits.adjacencies);
}

static bool differs(const struct option *o, const struct conf *a, const struct conf *b)
{
	if (o->type == LIST && list_count(o, a) != list_count(o, b))
		return true;
	return memcmp((const char *)a + o->offset, (const char *)b + o->offset, o->size) != 0;
}

/* What the process is started with stays as it is. */
static void check_restart(const struct section *s, const char *path, const struct conf *c,
	const struct conf *running, struct errs *e)
{
	for (const struct option *o = s->options; o < s->options + s->n; o++) {
		char option_path[96];

		snprintf(
			option_path, sizeof(option_path), "%s%s%s", path, *path ? "." : "", o->key);
		if (o->type == MAP)
			check_restart(o->of, option_path, c, running, e);
		else if (o->restart && differs(o, c, running))
			errs_add(e, near(c, option_path), option_path,
				"changes only with a restart of millrace");
	}
}

/* --- all of it --- */

/* Sections that were read as they stand in the file: what spans others is not asked. */
struct sound {
	bool system, ports, routes, neighbours, rarp, services, balancers;
};

/* Whether an error is about a section, or something in it. */
static bool is_about(const struct err *x, const char *section)
{
	size_t n = strlen(section);

	return strncmp(x->path, section, n) == 0 && strchr(".[", x->path[n]) != NULL;
}

/* What is about no section may have been meant for any. */
static bool is_sound(const struct err *list, size_t n, const char *section)
{
	for (const struct err *x = list; x < list + n; x++) {
		bool known = false;

		for (uint32_t i = 0; i < conf_section.n; i++)
			known |= is_about(x, conf_section.options[i].key);
		if (!known || is_about(x, section))
			return false;
	}
	return true;
}

static void check_references(const struct conf *c, const struct sound *s, struct errs *e)
{
	struct addresses a;

	if (addresses_new(&a, &c->ports)) {
		if (s->routes)
			check_routes(c, &a, e);
		if (s->neighbours)
			check_statics(c, &a, e);
		if (s->services)
			check_services(c, &a, e);
		if (s->balancers && s->routes && s->neighbours)
			check_balancers(c, &a, e);
		if (s->balancers)
			check_nat(c, &a, e);
		if (s->system && s->balancers && s->services)
			check_sync(c, &a, e);
	} else {
		errs_add(e, (struct conf_pos){0}, "file", "no memory to check it");
	}
	addresses_free(&a);
}

static void check_sound(const struct conf *c, const struct sound *s, struct errs *e)
{
	if (s->ports)
		port_check(&c->ports, e);
	if (s->routes)
		route_check(&c->routes, e);
	if (s->neighbours)
		neigh_check(&c->neighbours, e);
	if (s->rarp)
		rarp_check(&c->rarp, e);
	if (s->services)
		service_check(&c->services, e);
	if (s->balancers && s->system)
		lb_check(&c->balancers, e);
	if (s->balancers)
		lb_check_nat(&c->balancers, e);
	if (s->ports)
		check_references(c, s, e);
	if (s->system)
		check_socket(c, e);
	if (s->system)
		check_kernel(c, e);
	if (s->system && s->ports)
		check_host(c, e);
	if (s->neighbours)
		check_parks(c, e);
	if (s->system && s->routes)
		check_room_for_routes(c, e);
	if (s->system && s->neighbours)
		check_room_for_neighbours(c, e);
}

void conf_check(const struct conf *c, const struct conf *running, struct errs *e)
{
	check_sound(c, &(struct sound){true, true, true, true, true, true, true}, e);
	if (running)
		check_restart(&conf_section, "", c, running, e);
	errs_sort(e);
}

void conf_check_half(const struct conf *c, struct errs *e, size_t before)
{
	const struct err *list = e->list + before;
	size_t n = e->n - before;
	struct sound s = {
		.system = is_sound(list, n, "system"),
		.ports = is_sound(list, n, "ports"),
		.routes = is_sound(list, n, "routes"),
		.neighbours = is_sound(list, n, "neighbours"),
		.rarp = is_sound(list, n, "rarp"),
		.services = is_sound(list, n, "services"),
		.balancers = is_sound(list, n, "balancers"),
	};

	check_sound(c, &s, e);
}
