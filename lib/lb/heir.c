/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heir: which service and backend of the plan in force a new plan's goes on as.
 *
 * There may be thousands of each, in any order: they are found in lists that are sorted first.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const enum lb_protocol protos[LB_PROTOS] = {LB_TCP, LB_UDP};

/* Where clients find it: of one protocol, nobody else is there. */
static int by_place(const void *a, const void *b)
{
	const struct lb_service_conf *x = &(*(struct lb_svc *const *)a)->conf;
	const struct lb_service_conf *y = &(*(struct lb_svc *const *)b)->conf;

	return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : x->port - y->port;
}

static int by_name(const void *a, const void *b)
{
	const struct lb_svc *x = *(struct lb_svc *const *)a, *y = *(struct lb_svc *const *)b;

	return strcmp(x->conf.name, y->conf.name);
}

static int by_end(const void *a, const void *b)
{
	const struct lb_backend_conf *x = (*(struct lb_member *const *)a)->conf;
	const struct lb_backend_conf *y = (*(struct lb_member *const *)b)->conf;

	return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1) : x->port - y->port;
}

/* A plan's services in an order; NULL without memory. */
static const struct lb_svc **sorted(
	const struct lb_plan *p, int (*order)(const void *a, const void *b))
{
	uint32_t n = p == NULL ? 0 : p->conf.n_services;
	const struct lb_svc **list = calloc(n + 1, sizeof(*list));

	for (uint32_t i = 0; list != NULL && i < n; i++)
		list[i] = &p->services[i];
	if (list != NULL)
		qsort(list, n, sizeof(*list), order);
	return list;
}

int lb_heirs_new(struct lb_heirs *h, const struct lb_plan *before, const struct lb_plan *now)
{
	*h = (struct lb_heirs){.n_before = before == NULL ? 0 : before->conf.n_services,
		.n_now = now->conf.n_services,
		.at = sorted(before, by_place),
		.named = sorted(before, by_name),
		.wanted = sorted(now, by_place),
		.member = calloc(before == NULL ? 1 : before->n_members + 1, sizeof(*h->member))};
	if (h->at != NULL && h->named != NULL && h->wanted != NULL && h->member != NULL)
		return 0;
	lb_heirs_end(h);
	return -ENOMEM;
}

void lb_heirs_end(struct lb_heirs *h)
{
	free(h->at);
	free(h->named);
	free(h->wanted);
	free(h->member);
	*h = (struct lb_heirs){0};
}

/* Of a list by places, the first that is where s is; *end: behind the last of them. */
static const struct lb_svc **run_at(
	const struct lb_svc **list, uint32_t n, const struct lb_svc *s, const struct lb_svc ***end)
{
	const struct lb_svc **first = bsearch(&s, list, n, sizeof(*list), by_place);

	*end = first;
	if (first == NULL)
		return NULL;
	while (first > list && by_place(first - 1, &s) == 0)
		first--;
	while (*end < list + n && by_place(*end, &s) == 0)
		++*end;
	return first;
}

/* Whether the new plan has somebody of the protocol where s is. */
static bool is_wanted(const struct lb_heirs *h, const struct lb_svc *s, uint32_t k)
{
	const struct lb_svc **end, **x = run_at(h->wanted, h->n_now, s, &end);

	for (; x < end; x++)
		if (((*x)->conf.protocol & protos[k]) != 0)
			return true;
	return false;
}

/*
 * The one at its place, or else the one of its name at another port, if nobody has come to that
 * place. So nobody is the heir of two, nor two of one.
 */
const struct lb_svc *lb_heir_of(const struct lb_heirs *h, const struct lb_svc *s, uint32_t k)
{
	const struct lb_svc **end, **x = run_at(h->at, h->n_before, s, &end), **named;

	for (; x < end; x++)
		if ((*x)->slot[k] != LB_NOBODY)
			return *x;
	named = bsearch(&s, h->named, h->n_before, sizeof(*h->named), by_name);
	if (named == NULL || (*named)->slot[k] == LB_NOBODY || (*named)->conf.addr != s->conf.addr)
		return NULL;
	return is_wanted(h, *named, k) ? NULL : *named;
}

/* It has its place in the list as before, as a rule. */
const struct lb_member *lb_heir_member(
	struct lb_heirs *h, const struct lb_svc *was, const struct lb_member *m, uint32_t place)
{
	const struct lb_member **found,
		*at = place < was->conf.n_backends ? &was->members[place] : NULL;

	if (at != NULL && by_end(&at, &m) == 0)
		return at;
	if (h->members_of != was) {
		for (uint32_t i = 0; i < was->conf.n_backends; i++)
			h->member[i] = &was->members[i];
		qsort(h->member, was->conf.n_backends, sizeof(*h->member), by_end);
		h->members_of = was;
	}
	found = bsearch(&m, h->member, was->conf.n_backends, sizeof(*h->member), by_end);
	return found == NULL ? NULL : *found;
}
