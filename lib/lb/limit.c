/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * limit: how many flows a service and each of its backends may have, and how many may begin.
 *
 * Workers share nothing: control deals each a part of what may be had at once, by what it has. What
 * is taken from one is given to another a tick later at the earliest, when nobody can use it any
 * more: so all together exceed a limit by what began between the reading of a worker's count and
 * the writing of its part, some microseconds' worth. New flows a second are divided evenly.
 */
#include "control.h"
#include "inner.h"

#include "base/err.h"

#include <string.h>

#define TURN_TICKS 4 /* then what does not divide goes to others */

/* --- workers --- */

/*
 * Of `rate` flows a second in all, whether one may begin; *due is when the next might, had all
 * come evenly, and lags up to a second behind (or up to one flow, where these are rarer).
 */
static ticks lag(const struct worker *w, uint32_t rate, ticks due, ticks *cost)
{
	ticks second = clock_of_ms(1000), most;

	*cost = second * w->net->n_workers / rate;
	most = RTE_MAX(second, *cost);
	return w->now - due > most ? most : w->now - due;
}

static bool is_slow_enough(const struct worker *w, uint32_t rate, ticks due)
{
	ticks cost, behind;

	if (rate == 0)
		return true;
	behind = lag(w, rate, due, &cost);
	return behind >= cost;
}

static void took(const struct worker *w, uint32_t rate, ticks *due)
{
	ticks cost, behind;

	if (rate == 0)
		return;
	behind = lag(w, rate, *due, &cost);
	*due = w->now - behind + cost;
}

static uint32_t part(const uint32_t *of)
{
	return __atomic_load_n(of, __ATOMIC_RELAXED);
}

bool lb_limit_service(const struct worker *w, uint16_t service)
{
	const struct lb_vservice *s = &w->net->lb->vservice[service];
	const struct lb_worker *b = w->lb;

	return b->service[service].flows < part(&b->service_part[service]) &&
	       is_slow_enough(w, s->rate, b->gate[service].due);
}

bool lb_limit_backend(const struct worker *w, uint16_t backend)
{
	const struct lb_worker *b = w->lb;

	return b->backend[backend].flows < part(&b->backend_part[backend]) &&
	       is_slow_enough(w, w->net->lb->backend[backend].rate, b->backend_due[backend]);
}

void lb_limit_took(struct worker *w, uint16_t service, uint16_t backend)
{
	const struct lb *lb = w->net->lb;

	took(w, lb->vservice[service].rate, &w->lb->gate[service].due);
	took(w, lb->backend[backend].rate, &w->lb->backend_due[backend]);
}

/* --- control --- */

void lb_limit_share(uint32_t limit, uint32_t n, uint32_t turn, const uint32_t *have, uint32_t *may)
{
	uint64_t all = 0, promised = 0, left, spare;

	for (uint32_t i = 0; i < n; i++) {
		all += have[i];
		promised += RTE_MAX(have[i], may[i]);
	}
	left = all < limit ? limit - all : 0;
	spare = promised < limit ? limit - promised : 0;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t want = have[i] + left / n + ((i + turn) % n < left % n);
		uint64_t more = want > may[i] ? RTE_MIN(want - may[i], spare) : 0;

		may[i] = (uint32_t)(want > may[i] ? may[i] + more : want);
		spare -= more;
	}
}

static uint32_t *part_of(struct net *net, uint32_t worker, uint16_t slot, bool backend)
{
	struct lb_worker *b = net->worker[worker]->lb;

	return backend ? &b->backend_part[slot] : &b->service_part[slot];
}

static uint32_t count_of(const struct net *net, uint32_t worker, uint16_t slot, bool backend)
{
	const struct lb_worker *b = net->worker[worker]->lb;

	return (uint32_t)__atomic_load_n(
		backend ? &b->backend[slot].flows : &b->service[slot].flows, __ATOMIC_RELAXED);
}

/* A slot's parts of every worker. */
static void deal(struct net *net, uint32_t limit, uint16_t slot, bool backend)
{
	uint32_t have[WORKER_MAX] = {0}, may[WORKER_MAX];

	memset(may, 0xff, sizeof(may)); /* no limit */
	for (uint32_t i = 0; limit != 0 && i < net->n_workers; i++) {
		have[i] = count_of(net, i, slot, backend);
		may[i] = part(part_of(net, i, slot, backend));
	}
	if (limit != 0)
		lb_limit_share(
			limit, net->n_workers, net->lb->control->ticks / TURN_TICKS, have, may);
	for (uint32_t i = 0; i < net->n_workers; i++)
		if (part(part_of(net, i, slot, backend)) != may[i])
			__atomic_store_n(part_of(net, i, slot, backend), may[i], __ATOMIC_RELAXED);
}

void lb_limit_deal(struct net *net, const struct lb_plan *p)
{
	for (uint32_t i = 0; i < p->conf.n_services; i++) {
		const struct lb_svc *s = &p->services[i];

		for (uint32_t k = 0; k < LB_PROTOS; k++) {
			if (s->slot[k] == LB_NOBODY)
				continue;
			deal(net, s->conf.max_flows, s->slot[k], false);
			for (uint32_t j = 0; j < s->conf.n_backends; j++)
				deal(net, s->members[j].conf->max_flows, s->members[j].slot[k],
					true);
		}
	}
}

#define PATH 96

static bool has_limits(const struct lb_service_conf *s)
{
	for (uint32_t i = 0; i < s->n_backends; i++)
		if (s->backends[i].max_flows != 0 || s->backends[i].rate != 0)
			return true;
	return s->max_flows != 0 || s->rate != 0;
}

void lb_limit_check(const struct lb_service_conf *s, struct errs *e)
{
	char path[PATH];

	snprintf(path, sizeof(path), "balancers.services.%s.flow_table", s->name);
	if (!s->keep && has_limits(s))
		errs_add(e, s->at, path,
			"false, but max_flows and new_flows count flows; it has to be true");
	snprintf(path, sizeof(path), "balancers.services.%s.syn_proxy", s->name);
	if (s->syn_proxy != LB_SYN_OFF && (s->mode > LB_FULL_NAT || !(s->protocol & LB_TCP)))
		errs_add(e, s->at, path,
			"on, but it needs TCP and replies that pass here; protocol tcp or both "
			"with "
			"mode nat or full-nat, or off");
}
