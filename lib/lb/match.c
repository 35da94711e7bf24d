/* SPDX-License-Identifier: BSD-3-Clause */
/* match: the snapshot by which packets find services. */
#include "control.h"
#include "wire/ip4_hdr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t protos[LB_PROTOS] = {IP4_PROTO_TCP, IP4_PROTO_UDP};

struct placed {
	struct lb_range range;
	uint16_t vip;
};

static int by_vip(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->vip != y->vip)
		return x->vip < y->vip ? -1 : 1;
	if (x->range.proto != y->range.proto)
		return x->range.proto < y->range.proto ? -1 : 1;
	return x->range.lo < y->range.lo ? -1 : x->range.lo > y->range.lo;
}

/* The ranges of all services, in the order of their addresses. False: no memory. */
static bool fill_ranges(struct lb_match *m, const struct lb_plan *p)
{
	struct placed *list = calloc(LB_PROTOS * p->conf.n_services + 1, sizeof(*list));
	uint32_t n = 0;

	m->range = calloc(LB_PROTOS * p->conf.n_services + 1, sizeof(*m->range));
	if (list == NULL || m->range == NULL) {
		free(list);
		return false;
	}
	for (uint32_t i = 0; i < p->conf.n_services; i++) {
		const struct lb_svc *s = &p->services[i];

		for (uint32_t k = 0; k < LB_PROTOS; k++)
			if (s->slot[k] != LB_NOBODY)
				list[n++] = (struct placed){
					{protos[k], s->conf.port, s->conf.last_port, s->slot[k]},
					s->vip};
	}
	qsort(list, n, sizeof(*list), by_vip);
	for (uint32_t i = 0; i < n; i++) {
		struct lb_vip *v = &m->vip[list[i].vip];

		v->first = v->n == 0 ? i : v->first;
		v->n++;
		m->range[i] = list[i].range;
		if (v->n == 1 && list[i].range.lo == list[i].range.hi) {
			v->one = lb_port_of(list[i].range.proto, to_be16(list[i].range.lo));
			v->service = list[i].range.service;
		}
	}
	free(list);
	return true;
}

static void bind(struct lb_match *m, struct lb_binding b)
{
	uint32_t i = lb_binding_hash(b.addr, b.port, b.proto);

	while (m->binding[i & m->bindings_mask].proto != 0)
		i++;
	m->binding[i & m->bindings_mask] = b;
	m->source[lb_filter(b.addr) / 64] |= UINT64_C(1) << lb_filter(b.addr) % 64;
}

static bool is_bound(const struct lb_svc *s)
{
	return s->conf.mode == LB_NAT;
}

/* The port that a backend answers from; 0: several. */
static uint16_t port_of(const struct lb_service_conf *s, const struct lb_backend_conf *b)
{
	return b->port != 0 ? b->port : s->port == s->last_port ? s->port : 0;
}

/* False: no memory. */
static bool fill_bindings(struct lb_match *m, const struct lb_plan *p)
{
	uint32_t n = 0, places = 2;

	for (uint32_t i = 0; i < p->conf.n_services; i++)
		if (is_bound(&p->services[i]))
			n += LB_PROTOS * p->services[i].conf.n_backends;
	while (places < 2 * n + 2)
		places *= 2;
	m->bindings_mask = places - 1;
	m->binding = calloc(places, sizeof(*m->binding));
	if (m->binding == NULL)
		return false;
	for (uint32_t i = 0; i < p->conf.n_services; i++) {
		const struct lb_svc *s = &p->services[i];

		for (uint32_t k = 0; is_bound(s) && k < LB_PROTOS; k++)
			for (uint32_t j = 0; s->slot[k] != LB_NOBODY && j < s->conf.n_backends; j++)
				bind(m, (struct lb_binding){
						.addr = to_be32(s->members[j].conf->addr),
						.port = to_be16(
							port_of(&s->conf, s->members[j].conf)),
						.proto = protos[k],
						.service = s->slot[k],
						.service_port = to_be16(s->conf.port),
					});
	}
	return true;
}

static int by_addr(const void *a, const void *b)
{
	const struct lb_seat *x = a, *y = b;

	return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : x->backend - y->backend;
}

/* False: no memory. */
static bool fill_seats(struct lb_match *m, const struct lb_plan *p)
{
	m->seat = calloc(LB_PROTOS * p->n_members + 1, sizeof(*m->seat));
	if (m->seat == NULL)
		return false;
	for (uint32_t i = 0; i < p->n_members; i++)
		for (uint32_t k = 0; k < LB_PROTOS; k++)
			if (p->members[i].slot[k] != LB_NOBODY)
				m->seat[m->n_seats++] = (struct lb_seat){
					to_be32(p->members[i].conf->addr), p->members[i].slot[k]};
	qsort(m->seat, m->n_seats, sizeof(*m->seat), by_addr);
	return true;
}

void lb_match_free(void *match)
{
	struct lb_match *m = match;

	if (m == NULL)
		return;
	free(m->vip);
	free(m->range);
	free(m->binding);
	free(m->seat);
	free(m);
}

bool lb_match_looks_behind(const struct lb_match *m)
{
	if (m->n_masquerades > 0)
		return true;
	for (uint32_t i = 0; i <= m->bindings_mask; i++)
		if (m->binding[i].proto != 0)
			return true;
	return false;
}

int lb_match_new(struct net *net, struct lb_plan *p)
{
	const struct lb_control *c = net->lb->control;
	struct lb_match *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -ENOMEM;
	m->n_vips = c->n_vips;
	m->vip = aligned_alloc(alignof(struct lb_vip), (c->n_vips + 1) * sizeof(*m->vip));
	if (m->vip != NULL)
		memset(m->vip, 0, (c->n_vips + 1) * sizeof(*m->vip));
	if (m->vip == NULL || !fill_ranges(m, p) || !fill_bindings(m, p) || !fill_seats(m, p)) {
		lb_match_free(m);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < c->n_vips; i++) {
		m->vip[i].addr = c->vip[i].addr;
		m->vip[i].nat = LB_NOBODY;
	}
	lb_nat_fill(net, p, m);
	p->match = m;
	return 0;
}
