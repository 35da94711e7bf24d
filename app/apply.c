/* SPDX-License-Identifier: BSD-3-Clause */
/* The modules in the order in which they come up; all of them, or none. */
#include "apply.h"

#include "app.h"
#include "base/log.h"
#include "config/conf.h"
#include "eal.h"
#include "lb/lb.h"
#include "net/absent.h"
#include "net/net.h"
#include "net/punt.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static int build_ports(struct net *net, const struct conf *c, struct errs *e)
{
	return port_build(net, &c->ports, e);
}

static void publish_ports(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	port_publish(net, now);
}

static int build_punt(struct net *net, const struct conf *c, struct errs *e)
{
	return punt_build(net, &c->ports, e);
}

static void publish_punt(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	(void)now;
	punt_publish(net);
}

static int build_neighbours(struct net *net, const struct conf *c, struct errs *e)
{
	(void)e;
	return neigh_build(net, &c->neighbours);
}

static void publish_neighbours(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	neigh_publish(net, now);
}

static int build_routes(struct net *net, const struct conf *c, struct errs *e)
{
	(void)e;
	return route_build(net, &c->routes);
}

static void publish_routes(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	route_publish(net, now);
}

static int build_kernel(struct net *net, const struct conf *c, struct errs *e)
{
	return kernel_build(net, &c->kernel, &c->ports, e);
}

static void publish_kernel(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	kernel_publish(net, now);
}

static int build_rarp(struct net *net, const struct conf *c, struct errs *e)
{
	(void)e;
	return rarp_build(net, &c->rarp);
}

static void publish_rarp(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	(void)now;
	rarp_publish(net);
}

static int build_balancers(struct net *net, const struct conf *c, struct errs *e)
{
	return lb_build(net, &c->balancers, e);
}

static void publish_balancers(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	lb_publish(net, now);
}

static int build_services(struct net *net, const struct conf *c, struct errs *e)
{
	return service_build(net, &c->services, e);
}

static void publish_services(struct net *net, const struct conf *c, ticks now)
{
	(void)c;
	(void)now;
	service_publish(net);
}

/* Plain values that workers read one at a time: there is nothing to build or retire. */
static void publish_settings(struct net *net, const struct conf *c, ticks now)
{
	bool adaptive = c->system.idle == IDLE_ADAPTIVE || eal_shares_cpu();

	(void)now;
	net->set = c->set;
	for (uint16_t i = 0; i < net->n_workers; i++)
		atomic_store(&net->worker[i]->adaptive, adaptive);
	log_open(c->system.log, c->system.log_level);
}

/* A module without one of the functions has nothing to do there. */
static const struct module {
	const char *name;
	int (*build)(struct net *net, const struct conf *c, struct errs *e);
	void (*abandon)(struct net *net);
	void (*publish)(struct net *net, const struct conf *c, ticks now);
	void (*retire)(struct net *net);
} modules[] = {
	{"settings", NULL, NULL, publish_settings, NULL},
	{"ports", build_ports, port_abandon, publish_ports, NULL},
	{"kernel", build_punt, punt_abandon, publish_punt, NULL},
	{"neighbours", build_neighbours, neigh_abandon, publish_neighbours, neigh_retire},
	{"routes", build_routes, route_abandon, publish_routes, route_retire},
	{"netlink", build_kernel, kernel_abandon, publish_kernel, NULL},
	{"rarp", build_rarp, rarp_abandon, publish_rarp, rarp_retire},
	{"balancers", build_balancers, lb_abandon, publish_balancers, lb_retire},
	{"services", build_services, service_abandon, publish_services, service_retire},
};
#define MODULES (sizeof(modules) / sizeof(modules[0]))

static int build_all(struct net *net, const struct conf *c, struct errs *e)
{
	for (size_t i = 0; i < MODULES; i++) {
		int rc = modules[i].build == NULL ? 0 : modules[i].build(net, c, e);

		if (rc == 0)
			continue;
		if (e->n == 0)
			errs_add(e, (struct conf_pos){0}, modules[i].name, "%s", strerror(-rc));
		while (i-- > 0)
			if (modules[i].abandon != NULL)
				modules[i].abandon(net);
		return rc;
	}
	return 0;
}

/* Everything after the checks: nothing has changed when this fails. */
static int switch_to(struct net *net, const struct conf *c, struct errs *e)
{
	ticks now = clock_now();
	int rc = build_all(net, c, e);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < MODULES; i++)
		modules[i].publish(net, c, now);
	for (size_t i = 0; i < MODULES; i++)
		if (modules[i].retire != NULL)
			modules[i].retire(net);
	return 0;
}

/* As conf_print_errors() prints them. */
static void log_err(enum log_level level, const char *file, const struct err *x, const char *more)
{
	if (x->at.line != 0)
		log_line(level, "%s:%u:%u: %s: %s%s", file, x->at.line, x->at.column, x->path,
			x->text, more);
	else
		log_line(level, "%s: %s: %s%s", file, x->path, x->text, more);
}

/* What is in force although it is not quite what the file says. */
static void tell_shortfalls(struct net *net, const char *file)
{
	const struct absents *absents = absent_ports(net);

	for (uint32_t i = 0; i < absents->n; i++)
		log_err(LEVEL_ERROR, file, &absents->list[i].why,
			"; the others go on, and the next apply tries it again");
	for (size_t i = 0; i < net->made_do.n; i++)
		log_err(LEVEL_WARNING, file, &net->made_do.list[i], "");
	errs_clear(&net->made_do);
}

int apply_start(struct app *app, struct errs *e)
{
	int rc = switch_to(app->net, app->conf, e);

	if (rc == 0)
		tell_shortfalls(app->net, app->conf->file);
	return rc;
}

/* c is in force; what was is what a rollback goes to, unless it means the same. */
static void remember(struct app *app, struct conf *c, const char *diff)
{
	bool same = diff != NULL && diff[0] == '\0';

	conf_free(same ? app->conf : app->previous);
	if (!same)
		app->previous = app->conf;
	app->conf = c;
}

bool apply_prepare(struct app *app, const struct conf *c, uint32_t *turns)
{
	/* each has some services' tables; backends that come and go may spoil some, not for ever */
	return (*turns)++ <= 2 * c->balancers.n_services && lb_prepare(app->net, &c->balancers);
}

void apply_give_up(struct app *app)
{
	lb_unprepare(app->net);
}

int apply_change(struct app *app, struct conf *c, char **diff, struct errs *e)
{
	int rc;

	*diff = NULL;
	conf_check(c, app->conf, e);
	if (e->n > 0)
		return -EINVAL;
	rc = switch_to(app->net, c, e);
	if (rc < 0)
		return rc;
	tell_shortfalls(app->net, c->file);
	log_notice("configuration applied: %s", c->file);
	*diff = conf_diff(app->conf, c);
	remember(app, c, *diff);
	return 0;
}

int apply_rollback(struct app *app, char **diff, struct errs *e)
{
	struct conf *c = app->previous;
	int rc;

	*diff = NULL;
	if (c == NULL) {
		errs_add(
			e, (struct conf_pos){0}, "rollback", "nothing was applied since the start");
		return -ENOENT;
	}
	app->previous = NULL; /* apply_change() would free what it goes to */
	rc = apply_change(app, c, diff, e);
	if (rc < 0)
		app->previous = c;
	return rc;
}

/* Of the file that was read again; takes its errors. */
static int refuse_reread(struct app *app, struct errs *e)
{
	errs_sort(e);
	for (size_t i = 0; i < e->n; i++)
		log_err(LEVEL_ERROR, app->file, &e->list[i], "");
	log_error("the configuration stays as it was");
	errs_clear(e);
	apply_give_up(app);
	conf_free(app->reread);
	app->reread = NULL;
	return -EINVAL; /* a device may say -EAGAIN, which has another meaning here */
}

int apply_reread(struct app *app)
{
	struct errs e = {0};

	conf_free(app->reread);
	app->reread = conf_load(app->file, &e);
	app->reread_turns = 0;
	if (app->reread != NULL)
		conf_check(app->reread, app->conf, &e);
	return e.n > 0 ? refuse_reread(app, &e) : -EAGAIN;
}

int apply_reread_more(struct app *app)
{
	struct errs e = {0};
	char *diff;
	int rc;

	if (apply_prepare(app, app->reread, &app->reread_turns))
		return -EAGAIN;
	rc = apply_change(app, app->reread, &diff, &e);
	free(diff);
	if (rc < 0)
		return refuse_reread(app, &e);
	app->reread = NULL;
	return 0;
}

void apply_end(struct app *app)
{
	conf_free(app->conf);
	conf_free(app->previous);
	conf_free(app->reread);
	app->conf = app->previous = app->reread = NULL;
}
