/* SPDX-License-Identifier: BSD-3-Clause */
/* What control does in every turn of its loop, in slices of a millisecond at the most. */
#include "app.h"

#include "apply.h"
#include "control.h"
#include "lb/lb.h"
#include "loop.h"
#include "net/kernel.h"
#include "net/neigh.h"
#include "net/net.h"
#include "net/port_link.h"
#include "net/punt.h"
#include "net/route.h"
#include "service/checks.h"
#include "service/service.h"

#include <errno.h>
#include <sys/epoll.h>

#define TICK_MS	  50
#define LOAD_MS	  1000
#define KERNEL_US 500
#define EVENTS	  64 /* of one worker in one turn */

/* Takes what workers told. True: there may be more. */
static bool take_events(struct net *net, ticks now)
{
	struct event e[EVENTS];
	bool more = false;

	for (uint16_t i = 0; i < net->n_workers; i++) {
		unsigned int n = mailbox_take(net->worker[i]->events, e, EVENTS);

		for (unsigned int k = 0; k < n; k++)
			if (e[k].kind == EVENT_CHECKED)
				lb_checked(net, &e[k], now);
			else
				neigh_event(net, &e[k], now);
		more |= n == EVENTS;
	}
	return more;
}

/*
 * Time that a worker has spent in stages since its start: what was measured in one pass of
 * sixteen, for all of its packets.
 */
static double busy_ticks(const struct worker *w)
{
	double sum = 0;

	for (int i = 0; i < STAGE_MAX; i++) {
		const struct stage_count *c = &w->stage[i];

		if (c->timed_packets > 0)
			sum += (double)c->timed_ticks / (double)c->timed_packets *
			       (double)c->packets;
	}
	return sum;
}

static void take_load(struct app *app, ticks now)
{
	double elapsed = (double)(now - app->load_at);

	for (uint16_t i = 0; i < app->net->n_workers; i++) {
		double busy = busy_ticks(app->net->worker[i]);
		double percent = 100 * (busy - app->busy_ticks[i]) / elapsed;

		/* what is extrapolated may come out below 0 or beyond 100 */
		app->load[i] = (uint8_t)(percent < 0 ? 0 : percent > 100 ? 100 : percent + 0.5);
		app->busy_ticks[i] = busy;
	}
	app->load_at = now;
}

static void tick(struct app *app, ticks now)
{
	neigh_tick(app->net, now);
	route_tick(app->net);
	port_link_poll(app->net, now);
	punt_poll(app->net);
	service_poll(app->net);
	lb_tick(app->net, now);
	checks_tick(app->net);
	if (now - app->load_at >= clock_of_ms(LOAD_MS))
		take_load(app, now);
	app->next_tick = now + clock_of_ms(TICK_MS);
}

static void kernel_told(void *arg, uint32_t events)
{
	(void)arg;
	(void)events; /* it has ended the sleep: kernel_work() reads */
}

static void watch_kernel(struct app *app)
{
	int fd = kernel_fd(app->net);

	if (fd == app->kernel_fd)
		return;
	loop_del(app->loop, app->kernel_fd);
	app->kernel_fd = fd;
	if (fd >= 0 && loop_add(app->loop, fd, EPOLLIN, kernel_told, NULL) < 0)
		app->kernel_fd = -1; /* it is looked at with each tick */
}

/* True: there is more. */
static bool work_with_kernel(struct app *app)
{
	bool more;

	watch_kernel(app);
	more = kernel_work(app->net, clock_now() + clock_of_us(KERNEL_US));
	watch_kernel(app); /* if it has closed its socket: the next connection gets that number */
	return more;
}

/* The file that was read again. True: there is more. */
static bool reread(struct app *app)
{
	int rc;

	if (app->reread == NULL)
		return false;
	rc = apply_reread_more(app);
	if (rc != -EAGAIN)
		notify_reloaded(&app->notify, app->net, rc == 0);
	return rc == -EAGAIN;
}

int app_work(void *arg)
{
	struct app *app = arg;
	ticks now = clock_now();
	bool more = take_events(app->net, now);
	int sleep_ms;

	if (now >= app->next_tick)
		tick(app, now);
	notify_tick(&app->notify, app->net, now);
	more |= rib4_poll(app->net->rib, clock_now() + clock_of_us(500)) > 0;
	more |= work_with_kernel(app);
	more |= reread(app);
	epoch_poll(app->net->epoch);
	sleep_ms = control_work(app->control, loop_now_ms(app->loop));
	if (more)
		return 0;
	return sleep_ms < 0 || sleep_ms > TICK_MS ? TICK_MS : sleep_ms;
}
