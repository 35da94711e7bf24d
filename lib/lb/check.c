/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check: what is wrong with services and backends, as far as they alone show it. Control.
 *
 * Whatever is compared with everything else is sorted first: there may be thousands of each.
 */
#include "control.h"
#include "lb/lb.h"
#include "lb/maglev.h"
#include "wire/ip4_addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH 96

/* Ports of an address: a service's, or those that a backend of one answers from. */
struct span {
	uint32_t addr;
	uint16_t first, last;
	uint8_t protocol; /* enum lb_protocol: one bit */
	const struct lb_service_conf *service;
	const struct lb_backend_conf *backend; /* NULL: the service's */
};

struct spans {
	struct span *list;
	uint32_t n;
};

static const char *service_path(const struct lb_service_conf *s, const char *member, char to[PATH])
{
	snprintf(
		to, PATH, "balancers.services.%s%s%s", s->name, *member != '\0' ? "." : "", member);
	return to;
}

static const char *backend_path(const struct lb_service_conf *s, const struct lb_backend_conf *b,
	const char *member, char to[PATH])
{
	snprintf(to, PATH, "balancers.services.%s.backends[%u]%s%s", s->name,
		(unsigned)(b - s->backends), *member != '\0' ? "." : "", member);
	return to;
}

static bool is_one_port(const struct lb_service_conf *s)
{
	return s->port == s->last_port;
}

static bool is_nat(const struct lb_service_conf *s)
{
	return s->mode == LB_NAT || s->mode == LB_FULL_NAT;
}

/* Whether a host may have it, by itself. */
static bool is_host(uint32_t addr)
{
	return !ip4_src_is_martian(addr);
}

/* --- one service --- */

static void check_memory_of_flows(const struct lb_service_conf *s, struct errs *e)
{
	char path[PATH];

	if (s->keep)
		return;
	if (is_nat(s))
		errs_add(e, s->at, service_path(s, "flow_table", path),
			"false, but mode %s has to remember flows; dsr, ipip and gre need not",
			lb_mode_name(s->mode));
	else if (s->scheduler == LB_ROUND_ROBIN || s->scheduler == LB_LEAST_CONNECTIONS)
		errs_add(e, s->at, service_path(s, "flow_table", path),
			"false, but scheduler %s has to remember flows; maglev and source-hash "
			"need not",
			lb_scheduler_name(s->scheduler));
}

/* A time of its own for flows that it cannot have, or does not remember. */
static void check_timeouts(const struct lb_service_conf *s, struct errs *e)
{
	const struct lb_timeouts_conf *t = &s->timeouts;
	const struct {
		const char *member;
		uint32_t ms;
		enum lb_protocol of;
	} times[] = {
		{"timeouts.tcp_half_open", t->tcp_half_open_ms, LB_TCP},
		{"timeouts.tcp_established", t->tcp_established_ms, LB_TCP},
		{"timeouts.tcp_closing", t->tcp_closing_ms, LB_TCP},
		{"timeouts.tcp_closed", t->tcp_closed_ms, LB_TCP},
		{"timeouts.udp_one_way", t->udp_one_way_ms, LB_UDP},
		{"timeouts.udp", t->udp_ms, LB_UDP},
	};
	char path[PATH];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		const char *name = lb_protocol_name(times[i].of);

		if (times[i].ms == 0)
			continue;
		service_path(s, times[i].member, path);
		if ((s->protocol & times[i].of) == 0)
			errs_add(e, s->at, path,
				"the service has no %s; same, or protocol %s or both", name, name);
		else if (!s->keep)
			errs_add(e, s->at, path,
				"with flow_table false, no flow is known; same, or flow_table "
				"true");
	}
}

static void check_table(const struct lb_service_conf *s, struct errs *e)
{
	char path[PATH];

	service_path(s, "table", path);
	if (!maglev_size_ok(s->table_size))
		errs_add(e, s->at, path, "%u is not prime; a prime up to %u is needed, as 65537",
			s->table_size, MAGLEV_SIZE_MAX);
	else if (s->table_size < s->n_backends)
		errs_add(e, s->at, path,
			"%u places are fewer than its %u backends; a hundred for each are "
			"recommended",
			s->table_size, s->n_backends);
}

static void check_weights(const struct lb_service_conf *s, struct errs *e)
{
	char path[PATH];
	uint32_t sum = 0;

	for (uint32_t i = 0; i < s->n_backends; i++)
		sum += s->backends[i].weight;
	if (sum == 0)
		errs_add(e, s->at, service_path(s, "backends", path),
			s->n_backends == 0 ? "none; at least one is needed"
					   : "all have weight 0; at least one with 1 to %d is "
					     "needed (state: drain is for all)",
			MAGLEV_WEIGHT_MAX);
}

/* The port that a packet is for can be rewritten by NAT alone, and found again for one port alone.
 */
static void check_port(
	const struct lb_service_conf *s, const struct lb_backend_conf *b, struct errs *e)
{
	char path[PATH];

	if (b->port == 0)
		return;
	backend_path(s, b, "port", path);
	if (!is_nat(s) && (!is_one_port(s) || b->port != s->port))
		errs_add(e, b->at, path,
			"%u, but mode %s leaves the port as it is; same is allowed, or mode nat or "
			"full-nat",
			b->port, lb_mode_name(s->mode));
	else if (s->mode == LB_NAT && !is_one_port(s))
		errs_add(e, b->at, path,
			"%u for several ports of the service: a reply would not say which; same is "
			"allowed, or mode full-nat",
			b->port);
}

static bool is_later(struct conf_pos a, struct conf_pos b)
{
	return a.line != b.line ? a.line > b.line : a.column > b.column;
}

static int by_address_and_port(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->service != y->service)
		return x->service < y->service ? -1 : 1;
	return x->backend < y->backend ? -1 : x->backend > y->backend;
}

/* From which ports a backend answers: its own, or the service's. */
static struct span span_of(const struct lb_service_conf *s, const struct lb_backend_conf *b)
{
	return (struct span){.addr = b->addr,
		.first = b->port != 0 ? b->port : s->port,
		.last = b->port != 0 ? b->port : s->last_port,
		.service = s,
		.backend = b};
}

static void check_twice(const struct lb_service_conf *s, struct spans *room, struct errs *e)
{
	char path[PATH];

	for (uint32_t i = 0; i < s->n_backends; i++)
		room->list[i] = span_of(s, &s->backends[i]);
	qsort(room->list, s->n_backends, sizeof(*room->list), by_address_and_port);
	for (uint32_t i = 1; i < s->n_backends; i++) {
		const struct span *a = &room->list[i - 1], *b = a + 1;

		if (a->addr == b->addr && a->first == b->first)
			errs_add(e, b->backend->at, backend_path(s, b->backend, "", path),
				"backends[%u], on line %u, has this address and port; a weight "
				"gives it more",
				(unsigned)(a->backend - s->backends), a->backend->at.line);
	}
}

static void check_tunnel(const struct lb_service_conf *s, struct errs *e)
{
	char path[PATH], text[IP4_ADDR_TEXT];
	bool tunnel = s->mode == LB_IPIP || s->mode == LB_GRE;

	if (!tunnel && s->tunnel_source != 0)
		errs_add(e, s->at, service_path(s, "tunnel_source", path),
			"mode %s has no tunnel; ipip and gre have", lb_mode_name(s->mode));
	else if (s->tunnel_source != 0 && !is_host(s->tunnel_source))
		errs_add(e, s->at, service_path(s, "tunnel_source", path),
			"%s is not an address that a host may have",
			ip4_addr_text(s->tunnel_source, text));
	if (!tunnel && s->ignore_df)
		errs_add(e, s->at, service_path(s, "ignore_df", path),
			"mode %s makes no packet longer; ipip and gre do", lb_mode_name(s->mode));
}

static void check_service(const struct lb_service_conf *s, struct spans *room, struct errs *e)
{
	char path[PATH], text[IP4_ADDR_TEXT];

	if (!is_host(s->addr))
		errs_add(e, s->at, service_path(s, "address", path),
			"%s is not an address that a host may have", ip4_addr_text(s->addr, text));
	check_memory_of_flows(s, e);
	check_timeouts(s, e);
	lb_limit_check(s, e);
	check_tunnel(s, e);
	check_table(s, e);
	check_weights(s, e);
	for (uint32_t i = 0; i < s->n_backends; i++) {
		const struct lb_backend_conf *b = &s->backends[i];

		check_port(s, b, e);
		if (!is_host(b->addr))
			errs_add(e, b->at, backend_path(s, b, "address", path),
				"%s is not an address that a host may have",
				ip4_addr_text(b->addr, text));
	}
	check_twice(s, room, e);
}

/* --- services among themselves --- */

/*
 * Calls clash(earlier, later) for what overlaps, of spans in order: whoever reaches furthest is
 * asked about, so each span is in one pair at the most.
 */
static void overlaps(const struct spans *spans,
	void (*clash)(const struct span *a, const struct span *b, struct errs *e), struct errs *e)
{
	const struct span *furthest = NULL;

	for (const struct span *x = spans->list; x < spans->list + spans->n; x++) {
		bool beside = furthest != NULL && furthest->addr == x->addr;

		if (beside && x->first <= furthest->last && x->service != furthest->service)
			clash(furthest, x, e);
		if (!beside || x->last > furthest->last)
			furthest = x;
	}
}

static void collide(const struct span *a, const struct span *b, struct errs *e)
{
	const struct lb_service_conf *first = a->service, *second = b->service;
	char path[PATH], text[IP4_ADDR_TEXT], ports[LB_PORTS_TEXT];

	if (is_later(first->at, second->at)) {
		first = b->service;
		second = a->service;
	}
	errs_add(e, second->at, service_path(second, "port", path),
		"service %s, on line %u, has %s port %s at %s", first->name, first->at.line,
		lb_protocol_name(a->protocol), lb_ports_text(first, ports),
		ip4_addr_text(second->addr, text));
}

/* What a reply comes from has to say whose it is: address, port and protocol are all there is. */
static void confuse(const struct span *a, const struct span *b, struct errs *e)
{
	const struct span *first = a, *second = b;
	char path[PATH], text[IP4_ADDR_TEXT];

	if (is_later(a->backend->at, b->backend->at)) {
		first = b;
		second = a;
	}
	errs_add(e, second->backend->at, backend_path(second->service, second->backend, "", path),
		"service %s, on line %u, has %s port %u of %s as a backend by mode nat, too: a "
		"reply would not say whose it is; one of them must use full-nat",
		first->service->name, first->backend->at.line, lb_protocol_name(a->protocol),
		b->first, ip4_addr_text(b->addr, text));
}

/* Several ports of a backend are bound to one service as a whole. */
static void confuse_ranges(const struct span *a, const struct span *b, struct errs *e)
{
	const struct lb_service_conf *s = b->service;
	char path[PATH], text[IP4_ADDR_TEXT];

	if (span_of(a->service, a->backend).last >= span_of(s, b->backend).first &&
		span_of(s, b->backend).last >= span_of(a->service, a->backend).first)
		return; /* said */
	errs_add(e, b->backend->at, backend_path(s, b->backend, "", path),
		"service %s, on line %u, has several %s ports of %s by mode nat, and so has this "
		"one; one service with all of them, or full-nat",
		a->service->name, a->backend->at.line, lb_protocol_name(a->protocol),
		ip4_addr_text(b->addr, text));
}

static void check_collisions(
	const struct lb_conf *c, enum lb_protocol protocol, struct spans *room, struct errs *e)
{
	room->n = 0;
	for (uint32_t i = 0; i < c->n_services; i++) {
		const struct lb_service_conf *s = &c->services[i];

		if (s->protocol & protocol)
			room->list[room->n++] = (struct span){.addr = s->addr,
				.first = s->port,
				.last = s->last_port,
				.protocol = (uint8_t)protocol,
				.service = s};
	}
	qsort(room->list, room->n, sizeof(*room->list), by_address_and_port);
	overlaps(room, collide, e);
}

/* Backends by destination NAT, in order; wide: of services with several ports, as if with all. */
static void list_replies(
	const struct lb_conf *c, enum lb_protocol protocol, bool wide, struct spans *to)
{
	to->n = 0;
	for (uint32_t i = 0; i < c->n_services; i++) {
		const struct lb_service_conf *s = &c->services[i];

		if (s->mode != LB_NAT || (s->protocol & protocol) == 0 || (wide && is_one_port(s)))
			continue;
		for (uint32_t j = 0; j < s->n_backends; j++) {
			struct span *x = &to->list[to->n];

			if (wide && s->backends[j].port != 0)
				continue;
			to->n++;
			*x = span_of(s, &s->backends[j]);
			x->protocol = (uint8_t)protocol;
			x->first = wide ? 0 : x->first;
			x->last = wide ? UINT16_MAX : x->last;
		}
	}
	qsort(to->list, to->n, sizeof(*to->list), by_address_and_port);
}

static void check_replies(
	const struct lb_conf *c, enum lb_protocol protocol, struct spans *room, struct errs *e)
{
	list_replies(c, protocol, false, room);
	overlaps(room, confuse, e);
	list_replies(c, protocol, true, room);
	overlaps(room, confuse_ranges, e);
}

/* --- limits --- */

static void check_limits(const struct lb_conf *c, uint32_t backends, struct errs *e)
{
	struct conf_pos at = c->services[0].at;

	if (c->max_flows == 0)
		errs_add(e, at, "balancers.services",
			"system.limits.flows is 0: nothing is balanced; with services it has to be "
			"more");
	if (c->n_services > c->max_services)
		errs_add(e, at, "balancers.services",
			"%u services; system.limits.balanced_services is %u", c->n_services,
			c->max_services);
	if (backends > c->max_backends)
		errs_add(e, at, "balancers.services",
			"%u backends in all; system.limits.balanced_backends is %u", backends,
			c->max_backends);
}

int lb_check(const struct lb_conf *c, struct errs *e)
{
	size_t before = e->n;
	uint32_t backends = 0;
	struct spans room;

	if (c->n_services == 0)
		return 0;
	for (uint32_t i = 0; i < c->n_services; i++)
		backends += c->services[i].n_backends;
	room.list = calloc((size_t)c->n_services + backends, sizeof(*room.list));
	if (room.list == NULL) {
		errs_add(e, (struct conf_pos){0}, "balancers", "no memory to check it");
		return -1;
	}
	check_limits(c, backends, e);
	for (uint32_t i = 0; i < c->n_services; i++) {
		check_service(&c->services[i], &room, e);
		lb_check_health(&c->services[i], e);
	}
	for (enum lb_protocol p = LB_TCP; p <= LB_UDP; p++) {
		check_collisions(c, p, &room, e);
		check_replies(c, p, &room, e);
	}
	free(room.list);
	return e->n == before ? 0 : -1;
}
