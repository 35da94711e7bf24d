/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * health: which backends are up, by checks and by what becomes of their flows.
 *
 * Checks: the first good one takes a backend up, `fall` bad ones in a row take it down, `rise` good
 * ones up again. Flows (passive checks): so many in a row that were refused, or had no answer for
 * three seconds, hold it down for a while, whatever checks say. Nothing here asks a backend
 * anything: results come from the workers as events, and counts are theirs. Control's alone.
 */
#include "base/log.h"
#include "control.h"
#include "wire/ip4_addr.h"

#include <stdio.h>
#include <stdlib.h>

#define RAMP_MS	      1000   /* between two tables of a slow start */
#define SETTLE_PLACES 262144 /* of Maglev's tables, built in one tick: about a millisecond's */
#define LINES	      20     /* logged in a second at the most */

static const char *const reasons[] = {
#define X(name, text) text,
	LB_REASONS(X)
#undef X
};

char *lb_reason_text(enum lb_reason reason, uint32_t detail, char text[LB_REASON_TEXT])
{
	const char *form = reason < LB_REASONS_N ? reasons[reason] : "";
	const char *number = strstr(form, "%u");

	if (number == NULL)
		snprintf(text, LB_REASON_TEXT, "%s", form);
	else
		snprintf(text, LB_REASON_TEXT, "%.*s%u%s", (int)(number - form), form, detail,
			number + 2);
	return text;
}

/* --- what is learnt --- */

bool lb_learn(struct lb_learnt *l, const struct lb_check_conf *c, enum lb_reason reason,
	uint16_t detail, uint32_t latency_us, ticks now)
{
	bool well = reason == LB_REASON_NONE;
	enum lb_health says = well ? LB_HEALTH_UP : LB_HEALTH_DOWN;
	uint32_t need = !well ? c->fall : l->checked == LB_HEALTH_UNKNOWN ? 1 : c->rise;

	need = RTE_MAX(need, 1u);

	l->checks++;
	if (well) {
		latency_us = RTE_MAX(latency_us, 1u);
		l->mean_us =
			l->mean_us == 0 ? latency_us : l->mean_us - l->mean_us / 8 + latency_us / 8;
		l->last_us = latency_us;
	} else {
		l->fails++;
		l->reason = reason;
		l->detail = detail;
		l->failed_at = now;
	}
	l->streak = l->checked == says ? 0 : l->streak + 1;
	if (l->streak < need)
		return false;
	l->checked = says;
	l->streak = 0;
	return true;
}

static void passive_begin(struct lb_passive *p, const struct lb_count *c)
{
	p->begun = true;
	p->answered = c->answered;
	p->opened = c->opened;
	p->refused = c->refused;
	for (uint32_t i = 0; i < LB_PASSIVE_SAMPLES; i++)
		p->at[i] = c->opened;
}

/*
 * An answer, be it to one of many, begins the count anew: a flood of SYNs that nobody means is no
 * reason to hold a backend down, and one that is dead answers none.
 */
uint32_t lb_passive_look(struct lb_passive *p, const struct lb_count *c, bool *silent)
{
	uint64_t refused, unanswered;

	*silent = false;
	if (!p->begun || c->answered != p->answered) {
		passive_begin(p, c);
		return 0;
	}
	memmove(&p->at[0], &p->at[1], sizeof(p->at) - sizeof(p->at[0]));
	p->at[LB_PASSIVE_SAMPLES - 1] = c->opened;
	refused = c->refused - p->refused;
	unanswered = p->at[0] - p->opened; /* refused ones among them */
	*silent = unanswered > refused;
	return (uint32_t)RTE_MIN(RTE_MAX(refused, unanswered), (uint64_t)UINT32_MAX);
}

static bool may_get_flows(const struct lb_member *m)
{
	return m->admin == LB_ENABLED && m->weight > 0;
}

bool lb_drain_step(struct lb_member *m, uint32_t drain_ms, ticks now)
{
	struct lb_learnt *l = &m->learnt;
	bool before = l->ended;

	if (may_get_flows(m))
		l->drains_since = 0;
	else if (l->drains_since == 0)
		l->drains_since = now;
	l->ended = l->drains_since != 0 && drain_ms != 0 &&
		   now - l->drains_since >= clock_of_ms(drain_ms);
	return l->ended != before;
}

bool lb_health_step(struct lb_member *m, ticks now)
{
	struct lb_learnt *l = &m->learnt;
	enum lb_health health = l->held_until != 0 ? LB_HEALTH_DOWN : l->checked;

	if (health == m->health)
		return false;
	/* a service that begins sends to whoever is well, at once */
	m->since = l->fresh && health == LB_HEALTH_UP ? 0 : now;
	l->fresh = false;
	m->health = health;
	return true;
}

void lb_health_forget(struct lb_member *m)
{
	m->learnt.checked = LB_HEALTH_UNKNOWN;
	m->learnt.streak = 0;
}

void lb_health_inherit(struct lb_member *m, const struct lb_member *from)
{
	m->health = from->health;
	m->since = from->since;
	m->learnt = from->learnt;
	if (m->service->check.kind == LB_CHECK_NONE && from->service->check.kind != LB_CHECK_NONE)
		lb_health_forget(m);
	if ((m->admin == LB_MAINTENANCE) != (from->admin == LB_MAINTENANCE))
		lb_health_forget(m);
	if (m->service->passive_fails == 0) {
		m->learnt.held_until = 0;
		m->learnt.passive.begun = false;
	}
}

/* --- what is told --- */

/* One line a change, but no more than so many a second. */
static void tell(struct lb_control *c, const struct lb_member *m, ticks now)
{
	static const char *const names[] = {"not known to be up", "up", "down"};
	const struct lb_learnt *l = &m->learnt;
	char addr[IP4_ADDR_TEXT], port[8] = "", why[LB_REASON_TEXT];
	bool down = m->health == LB_HEALTH_DOWN;

	if (now - c->lines_at >= clock_of_ms(1000)) {
		if (c->unsaid > 0)
			log_notice("balancers: %u more changes of backends' states", c->unsaid);
		c->lines = LINES;
		c->unsaid = 0;
		c->lines_at = now;
	}
	if (c->lines == 0) {
		c->unsaid++;
		return;
	}
	c->lines--;
	if (m->conf->port != 0)
		snprintf(port, sizeof(port), ":%u", m->conf->port);
	log_notice("service %s: backend %s%s is %s%s%s", m->service->name,
		ip4_addr_text(m->conf->addr, addr), port, names[m->health], down ? ": " : "",
		down ? lb_reason_text(l->reason, l->detail, why) : "");
}

static void step(struct lb_member *m, ticks now)
{
	if (!lb_health_step(m, now))
		return;
	m->learnt.untold = true;
	lb_svc_of(m)->changed = true;
}

void lb_checked(struct net *net, const struct event *e, ticks now)
{
	struct lb_control *c = net->lb == NULL ? NULL : net->lb->control;
	struct lb_member *m;

	if (c == NULL || c->of_slot == NULL || e->check.slot >= net->lb->n_backends)
		return;
	m = c->of_slot[e->check.slot];
	if (m == NULL || m->service->check.kind == LB_CHECK_NONE || m->admin == LB_MAINTENANCE)
		return; /* it was asked before that was so */
	lb_learn(&m->learnt, &m->service->check, (enum lb_reason)e->reason, e->check.detail,
		e->check.latency_us, now);
	step(m, now);
}

void lb_set_health(struct net *net, struct lb_member *m, enum lb_health health, ticks now)
{
	m->learnt.checked = health;
	m->learnt.streak = 0;
	if (!lb_health_step(m, now))
		return;
	lb_weigh(lb_svc_of(m), now);
	lb_settle(net, lb_svc_of(m));
}

/* --- as time goes --- */

/* What its flows have shown since the last look; TCP's alone. */
static void look_at_flows(const struct net *net, struct lb_member *m, ticks now)
{
	const struct lb_service_conf *s = m->service;
	struct lb_learnt *l = &m->learnt;
	struct lb_count count;
	uint32_t fails;
	bool silent;

	if (now < l->held_until || s->passive_fails == 0 || m->slot[0] == LB_NOBODY)
		return;
	count = lb_backend_count(net, m->slot[0]);
	if (l->held_until != 0)
		l->passive.begun = false;
	l->held_until = 0;
	fails = lb_passive_look(&l->passive, &count, &silent);
	if (fails < s->passive_fails)
		return;
	l->reason = silent ? LB_REASON_FLOWS_SILENT : LB_REASON_FLOWS_REFUSED;
	l->detail = (uint16_t)RTE_MIN(fails, (uint32_t)UINT16_MAX);
	l->failed_at = now;
	l->held_until = now + clock_of_ms(s->passive_hold_ms);
}

static void look_at(const struct net *net, struct lb_svc *s, ticks now)
{
	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		struct lb_member *m = &s->members[i];

		look_at_flows(net, m, now);
		step(m, now);
		s->changed |= lb_drain_step(m, s->conf.drain_ms, now);
	}
	s->changed |= s->ramps && now - s->weighed_at >= clock_of_ms(RAMP_MS);
}

/* What is said of a backend is in force. */
static void settle(struct net *net, struct lb_svc *s, ticks now)
{
	s->changed = false;
	lb_weigh(s, now);
	lb_settle(net, s);
	for (uint32_t i = 0; i < s->conf.n_backends; i++) {
		if (s->members[i].learnt.untold)
			tell(net->lb->control, &s->members[i], now);
		s->members[i].learnt.untold = false;
	}
}

/* Some of those that have changed: the others' turn comes first in the next tick. */
static void settle_changed(struct net *net, struct lb_plan *p, ticks now)
{
	struct lb_control *c = net->lb->control;
	uint32_t n = p->conf.n_services, places = 0;

	for (uint32_t i = 0; i < n && places < SETTLE_PLACES; i++) {
		struct lb_svc *s = &p->services[c->next_settled++ % n];

		if (!s->changed)
			continue;
		settle(net, s, now);
		places += s->conf.table_size;
	}
}

void lb_health_tick(struct net *net, ticks now)
{
	struct lb_control *c = net->lb->control;
	struct lb_plan *p = c->plan;

	if (p == NULL)
		return;
	if (now - c->stepped_at >= clock_of_ms(LB_PASSIVE_MS)) {
		c->stepped_at = now;
		for (uint32_t i = 0; i < p->conf.n_services; i++)
			look_at(net, &p->services[i], now);
	}
	settle_changed(net, p, now);
}

/* What its slot has counted before is another's, or was not looked at. */
static void begin_flows(const struct net *net, struct lb_member *m)
{
	struct lb_count count = lb_backend_count(net, m->slot[0]);
	bool silent;

	if (m->service->passive_fails > 0 && !m->learnt.passive.begun)
		lb_passive_look(&m->learnt.passive, &count, &silent);
}

void lb_health_plan(struct net *net)
{
	struct lb_control *c = net->lb->control;
	uint32_t n = net->lb->n_backends;

	memset(c->of_slot, 0, n * sizeof(*c->of_slot));
	for (uint32_t i = 0; i < c->plan->n_members; i++) {
		struct lb_member *m = &c->plan->members[i];

		for (uint32_t k = 0; k < LB_PROTOS; k++)
			if (m->slot[k] != LB_NOBODY)
				c->of_slot[m->slot[k]] = m;
		begin_flows(net, m);
	}
	c->version++;
}

uint64_t lb_version(const struct net *net)
{
	return net->lb == NULL ? 0 : net->lb->control->version;
}
