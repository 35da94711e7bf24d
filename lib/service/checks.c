/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list of checks, from control to the workers, and each worker's timetable.
 *
 * A worker refers to the list that it has taken over until it takes the next: `seen` tells control
 * which that is, and what is older than every worker's is freed.
 */
#include "service/checks.h"

#include "base/log.h"
#include "checks_inner.h"
#include "lb/stage.h"
#include "net/expect.h"
#include "tcp/stage.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_GAP_MS 10 /* between two backends' first checks */
#define SLEEP_MS     1000

struct checks {
	struct check_list *_Atomic list; /* control: w, workers: r; NULL: none yet */
	struct check_list *old;
	uint64_t version; /* lb's that the list is made of */
	uint64_t number;
};

/* --- control --- */

static void list_free(struct check_list *l)
{
	if (l != NULL)
		free(l->confs);
	free(l);
}

struct making {
	struct check_list *list; /* NULL: only counted */
	const struct lb_service_conf *service;
	uint32_t services, items;
};

/* The one that is configured, the backend's, or the service's if it has one alone. */
static uint16_t port_of(const struct lb_member *m)
{
	if (m->service->check.kind == LB_CHECK_ICMP)
		return 0;
	if (m->service->check.port != 0)
		return (uint16_t)m->service->check.port;
	return m->conf->port != 0 ? m->conf->port : m->service->port;
}

static void add(struct lb_member *m, void *arg)
{
	const struct lb_service_conf *s = m->service;
	struct making *x = arg;

	if (s->check.kind == LB_CHECK_NONE || m->admin == LB_MAINTENANCE)
		return;
	if (s != x->service) { /* members of a service come in a row */
		x->service = s;
		x->services++;
		if (x->list != NULL)
			x->list->confs[x->services - 1] = s->check;
	}
	if (x->list != NULL)
		x->list->item[x->items] = (struct check_item){
			.slot = m->slot[0] != LB_NOBODY ? m->slot[0] : m->slot[1],
			.port = port_of(m),
			.addr = m->conf->addr,
			.conf = &x->list->confs[x->services - 1]};
	x->items++;
}

static struct check_list *list_new(struct net *net)
{
	struct making x = {0};
	struct check_list *l;

	lb_members(net, add, &x);
	l = calloc(1, sizeof(*l) + x.items * sizeof(l->item[0]));
	if (l == NULL || (l->confs = calloc(x.services + 1, sizeof(*l->confs))) == NULL) {
		free(l);
		return NULL;
	}
	l->n = x.items;
	x = (struct making){.list = l};
	lb_members(net, add, &x);
	return l;
}

/* Those that are older than what any worker has. */
static void free_old(struct net *net)
{
	struct check_list **link = &net->checks->old;
	uint64_t least = UINT64_MAX;

	for (uint16_t i = 0; *link != NULL && i < net->n_workers; i++)
		least = RTE_MIN(least,
			atomic_load_explicit(&net->worker[i]->checks->seen, memory_order_acquire));
	while (*link != NULL) {
		struct check_list *l = *link;

		if (l->number >= least) {
			link = &l->next;
			continue;
		}
		*link = l->next;
		list_free(l);
	}
}

void checks_tick(struct net *net)
{
	struct checks *c = net->checks;
	struct check_list *l;

	if (c == NULL)
		return;
	free_old(net);
	if (c->version == lb_version(net))
		return;
	l = list_new(net);
	if (l == NULL) {
		log_error("balancers: no memory for checks: they go on as they were");
		c->version = lb_version(net);
		return;
	}
	c->version = lb_version(net);
	l->number = ++c->number;
	l = atomic_exchange_explicit(&c->list, l, memory_order_acq_rel);
	if (l != NULL) {
		l->next = c->old;
		c->old = l;
	}
}

/* --- start and end --- */

static int worker_attach(struct worker *w, uint32_t slots)
{
	struct check_host *h = calloc(1, sizeof(*h));

	w->checks = h;
	if (h == NULL)
		return -ENOMEM;
	h->w = w;
	h->n = slots;
	h->run = calloc(slots, sizeof(*h->run));
	if (h->run != NULL)
		h->wheel = wheel_new(h->run, sizeof(*h->run), offsetof(struct check_run, timer),
			(uint32_t)clock_to_ms(clock_now()), w->node);
	w->expect = expect_new(slots);
	if (h->wheel == NULL || w->expect == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		h->run[i].slot = (uint16_t)i;
	return 0;
}

int checks_attach(struct net *net)
{
	int rc = 0;

	if (net->lb == NULL)
		return 0;
	net->checks = calloc(1, sizeof(*net->checks));
	if (net->checks == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; rc == 0 && i < net->n_workers; i++)
		rc = worker_attach(net->worker[i], net->lb->n_backends);
	return rc;
}

static void worker_detach(struct worker *w)
{
	struct check_host *h = w->checks;

	if (h == NULL)
		return;
	for (uint32_t i = 0; h->run != NULL && i < h->n; i++)
		if (h->run[i].state != CHECK_IDLE)
			check_forget(h, &h->run[i]);
	wheel_free(h->wheel);
	expect_free(w->expect);
	free(h->run);
	free(h);
	w->checks = NULL;
	w->expect = NULL;
}

void checks_detach(struct net *net)
{
	struct checks *c = net->checks;

	if (c == NULL)
		return;
	for (uint16_t i = 0; i < net->n_workers; i++)
		if (net->worker[i] != NULL)
			worker_detach(net->worker[i]);
	list_free(atomic_load(&c->list));
	while (c->old != NULL) {
		struct check_list *l = c->old;

		c->old = l->next;
		list_free(l);
	}
	free(c);
	net->checks = NULL;
}

/* --- a worker's timetable --- */

void check_told(struct check_host *h, struct check_run *r, enum lb_reason reason, uint16_t detail)
{
	ticks took = h->w->now - r->begun;
	struct event e = {.kind = EVENT_CHECKED, .reason = (uint8_t)reason};

	if (r->state != CHECK_ASKING)
		return;
	e.check.slot = r->slot;
	e.check.detail = detail;
	e.check.latency_us = (uint32_t)clock_to_us(took);
	worker_tell(h->w, &e);
	h->w->count[COUNT_checks_failed] += reason != LB_REASON_NONE;
	r->state = CHECK_TOLD;
}

void check_over(struct check_host *h, struct check_run *r)
{
	check_forget(h, r);
	r->state = CHECK_IDLE;
	wheel_arm(h->wheel, r->slot, (uint32_t)clock_to_ms(r->begun) + r->item->conf->interval_ms);
}

static void begin(struct check_host *h, struct check_run *r)
{
	int rc;

	r->begun = h->w->now;
	r->is_unreachable = false;
	r->passed_over = 0;
	if (!check_is_mine(h, r->item)) {
		check_over(h, r);
		return;
	}
	r->state = CHECK_ASKING;
	wheel_arm(h->wheel, r->slot, check_ms(h->w) + r->item->conf->timeout_ms);
	h->w->count[COUNT_checks]++;
	rc = check_ask(h, r);
	if (rc == 0)
		return;
	if (rc == -ENETUNREACH) /* an operator should see that */
		check_told(h, r, LB_REASON_NO_ROUTE, 0);
	else
		h->w->count[COUNT_checks_skipped]++;
	check_over(h, r);
}

static void on_timer(struct check_host *h, struct check_run *r)
{
	if (r->item == NULL)
		return;
	if (r->state == CHECK_IDLE) {
		begin(h, r);
		return;
	}
	check_told(h, r, r->is_unreachable ? LB_REASON_UNREACHABLE : LB_REASON_TIMEOUT, 0);
	check_over(h, r);
}

/* --- a new list --- */

static bool same(const struct check_item *a, const struct check_item *b)
{
	return a->addr == b->addr && a->port == b->port &&
	       memcmp(a->conf, b->conf, sizeof(*a->conf)) == 0;
}

/* One that was there and is asked as before goes on; others begin, one after another. */
static void take(struct check_host *h, const struct check_item *i, uint32_t wait_ms)
{
	struct check_run *r = &h->run[i->slot];
	bool goes_on = r->item != NULL && same(r->item, i);

	if (!goes_on && r->state != CHECK_IDLE) {
		check_forget(h, r);
		r->state = CHECK_IDLE;
	}
	r->item = i;
	r->number = h->list->number;
	if (r->http != NULL)
		r->http->want = i->conf->body;
	if (!goes_on)
		wheel_arm(h->wheel, r->slot, check_ms(h->w) + wait_ms);
}

static void leave(struct check_host *h, struct check_run *r)
{
	if (r->state != CHECK_IDLE)
		check_forget(h, r);
	r->state = CHECK_IDLE;
	r->item = NULL;
	wheel_cancel(h->wheel, r->slot);
}

static void take_over(struct check_host *h, const struct check_list *l)
{
	h->list = l;
	for (uint32_t i = 0; i < l->n; i++) {
		uint64_t gap = RTE_MIN(
			(uint64_t)FIRST_GAP_MS * l->n, (uint64_t)l->item[i].conf->interval_ms);

		take(h, &l->item[i], (uint32_t)(gap * i / l->n));
	}
	for (uint32_t i = 0; i < h->n; i++)
		if (h->run[i].item != NULL && h->run[i].number != l->number)
			leave(h, &h->run[i]);
	atomic_store_explicit(&h->seen, l->number, memory_order_release);
}

void checks_run(struct worker *w)
{
	struct check_host *h = w->checks;
	uint32_t slots[CHECKS_BUDGET], n;
	const struct check_list *l;

	if (h == NULL)
		return;
	l = atomic_load_explicit(&w->net->checks->list, memory_order_acquire);
	if (l == NULL)
		return;
	tcp_clock(w->stack, clock_to_us(w->now));
	if (l != h->list)
		take_over(h, l);
	n = wheel_advance(h->wheel, check_ms(w), slots, CHECKS_BUDGET);
	for (uint32_t i = 0; i < n; i++)
		on_timer(h, &h->run[slots[i]]);
	w->checks_wake = 0;
	if (wheel_count(h->wheel) > 0)
		w->checks_wake =
			w->now + clock_of_ms(wheel_next(h->wheel, SLEEP_MS) - wheel_now(h->wheel));
}
