/* SPDX-License-Identifier: BSD-3-Clause */
/* Backends are named by their service, address and, where there are several, port. */
#include "balancers.h"

#include "app.h"
#include "config/conf.h"
#include "json.h"
#include "lb/lb.h"
#include "lb/maglev.h"
#include "look.h"

#include <stdlib.h>
#include <string.h>

/* --- rows --- */

static void add_counts(json_t *row, const struct lb_count *c)
{
	const struct {
		const char *name;
		uint64_t value;
	} counts[] = {
		{"flows", c->flows},
		{"opened", c->opened},
		{"refused", c->refused},
		{"packets_in", c->packets_in},
		{"bytes_in", c->bytes_in},
		{"packets_out", c->packets_out},
		{"bytes_out", c->bytes_out},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(row, counts[i].name, json_count(counts[i].value));
}

/* The port of a backend; 0: those of a service that has several. */
static uint16_t port_of(const struct lb_member *m)
{
	const struct lb_service_conf *s = m->service;

	return m->conf->port != 0 ? m->conf->port : s->port == s->last_port ? s->port : 0;
}

static json_t *json_port(const struct lb_member *m)
{
	return port_of(m) != 0 ? json_integer(port_of(m)) : json_string("same");
}

/* What was learnt of it; microseconds, null without a good check. */
static void add_learnt(json_t *row, const struct lb_member *m)
{
	const struct lb_learnt *l = &m->learnt;
	char why[LB_REASON_TEXT];

	json_object_set_new(row, "check", json_string(lb_check_name(m->service->check.kind)));
	json_object_set_new(row, "checks", json_count(l->checks));
	json_object_set_new(row, "checks_failed", json_count(l->fails));
	json_object_set_new(
		row, "latency_us", l->last_us != 0 ? json_integer(l->last_us) : json_null());
	json_object_set_new(
		row, "mean_latency_us", l->mean_us != 0 ? json_integer(l->mean_us) : json_null());
	json_object_set_new(row, "last_failure",
		l->failed_at != 0 ? json_string(lb_reason_text(l->reason, l->detail, why))
				  : json_null());
	json_object_set_new(row, "failed_s_ago",
		l->failed_at != 0 ? json_count((clock_now() - l->failed_at) / clock_of_ms(1000))
				  : json_null());
}

static json_t *backend_row(const struct app *app, const struct lb_member *m)
{
	struct lb_count count = lb_member_count(app->net, m);
	json_t *row = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:i, s:i, s:o}", "service",
		m->service->name, "address", json_address(m->conf->addr), "port", json_port(m),
		"state", lb_member_state(m), "health", lb_health_name(m->health), "admin",
		lb_admin_name(m->admin), "weight", m->weight, "effective_weight", (int)m->effective,
		"since_s",
		m->since != 0 ? json_count((clock_now() - m->since) / clock_of_ms(1000))
			      : json_null());

	add_counts(row, &count);
	json_object_set_new(row, "answered", json_count(count.answered));
	add_learnt(row, m);
	return row;
}

static json_t *local_row(const struct service_conf *s)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", s->name, "kind",
		service_kind_name(s->kind), "address", json_address(s->addr), "ports",
		json_sprintf("%u", s->port), "protocol", service_is_udp(s->kind) ? "udp" : "tcp");
}

/* A service's packets are those of its backends, but for the ones that it has no more. */
static json_t *service_row(const struct app *app, const struct lb_running *s)
{
	char ports[LB_PORTS_TEXT];
	struct lb_count sum = {0};
	uint32_t open = 0;
	json_t *row = json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s}", "name", s->conf->name,
		"kind", "balancer", "address", json_address(s->conf->addr), "ports",
		lb_ports_text(s->conf, ports), "protocol", lb_protocol_name(s->conf->protocol),
		"mode", lb_mode_name(s->conf->mode), "scheduler",
		lb_scheduler_name(s->conf->scheduler));

	for (uint32_t i = 0; i < s->conf->n_backends; i++) {
		struct lb_count c = lb_member_count(app->net, &s->members[i]);

		open += s->members[i].effective > 0;
		sum.packets_in += c.packets_in;
		sum.bytes_in += c.bytes_in;
		sum.packets_out += c.packets_out;
		sum.bytes_out += c.bytes_out;
	}
	for (uint32_t k = 0; k < 2; k++) {
		struct lb_count c = lb_service_count(app->net, s->slot[k]);

		sum.flows += c.flows;
		sum.opened += c.opened;
		sum.refused += c.refused;
	}
	json_object_set_new(row, "backends", json_integer(s->conf->n_backends));
	json_object_set_new(row, "open", json_integer(open));
	add_counts(row, &sum);
	return row;
}

/* --- services --- */

static json_t *no_service(struct call *call, const char *name)
{
	return call_fail(call, RPC_NOT_FOUND,
		"there is no balanced service \"%.40s\"; show services tells which there are",
		name);
}

json_t *services_show(struct app *app, struct call *call)
{
	const struct services_conf *local = &app->conf->services;
	uint32_t at = (uint32_t)param_integer(call, "offset", 0);
	uint32_t end = at + (uint32_t)param_integer(call, "limit", BALANCERS_LIMIT);
	json_t *rows = json_array();
	struct lb_running s;

	for (; at < end && at < local->n; at++)
		json_array_append_new(rows, local_row(&local->list[at]));
	for (; at < end && lb_service_at(app->net, at - local->n, &s); at++)
		json_array_append_new(rows, service_row(app, &s));
	return rows;
}

json_t *services_show_one(struct app *app, struct call *call)
{
	const char *name = param_string(call, "service", "");
	struct lb_running s;
	json_t *row, *list;

	if (!lb_service_find(app->net, name, &s))
		return no_service(call, name);
	row = service_row(app, &s);
	list = json_array();
	for (uint32_t i = 0; i < s.conf->n_backends; i++)
		json_array_append_new(list, backend_row(app, &s.members[i]));
	json_object_set_new(row, "table", json_integer(s.conf->table_size));
	json_object_set_new(row, "flow_table", json_boolean(s.conf->keep));
	json_object_set_new(row, "backends", list);
	return row;
}

static json_t *set_all(struct app *app, struct call *call, enum lb_admin admin)
{
	const char *name = param_string(call, "service", "");
	struct lb_running s;

	if (!lb_set_admin_all(app->net, name, admin, clock_now()))
		return no_service(call, name);
	lb_service_find(app->net, name, &s);
	return json_pack("{s:s, s:s, s:i}", "service", name, "admin", lb_admin_name(admin),
		"backends", (int)s.conf->n_backends);
}

json_t *services_drain(struct app *app, struct call *call)
{
	return set_all(app, call, LB_DRAIN);
}

json_t *services_enable(struct app *app, struct call *call)
{
	return set_all(app, call, LB_ENABLED);
}

json_t *services_maintain(struct app *app, struct call *call)
{
	return set_all(app, call, LB_MAINTENANCE);
}

/* --- backends --- */

struct backends {
	const struct app *app;
	const char *service; /* NULL: all */
	json_int_t skip, limit;
	json_t *rows;
};

static void visit(struct lb_member *m, void *arg)
{
	struct backends *b = arg;

	if (b->service != NULL && strcmp(b->service, m->service->name) != 0)
		return;
	if (b->skip-- > 0 || (json_int_t)json_array_size(b->rows) >= b->limit)
		return;
	json_array_append_new(b->rows, backend_row(b->app, m));
}

json_t *backends_show(struct app *app, struct call *call)
{
	struct backends b = {
		.app = app,
		.service = param_string(call, "service", NULL),
		.skip = param_integer(call, "offset", 0),
		.limit = param_integer(call, "limit", BALANCERS_LIMIT),
	};
	struct lb_running s;

	if (b.service != NULL && !lb_service_find(app->net, b.service, &s))
		return no_service(call, b.service);
	b.rows = json_array();
	lb_members(app->net, visit, &b);
	return b.rows;
}

/* The backend that the call names; NULL with its error. */
static struct lb_member *named(struct app *app, struct call *call)
{
	const char *service = param_string(call, "service", "");
	const char *backend = param_string(call, "backend", "");
	struct lb_member *m;
	struct lb_running s;
	uint32_t addr, n = 0;
	uint16_t port;

	param_endpoint(call, "backend", &addr, &port);
	if (!lb_service_find(app->net, service, &s)) {
		no_service(call, service);
		return NULL;
	}
	m = lb_member_find(app->net, service, addr, port);
	/* the service's port may be named, too, of a backend that has it */
	if (m == NULL && port != 0)
		m = lb_member_find(app->net, service, addr, 0);
	if (m != NULL && (port == 0 || port_of(m) == port))
		return m;
	for (uint32_t i = 0; i < s.conf->n_backends; i++)
		n += s.members[i].conf->addr == addr;
	if (port == 0 && n > 1)
		call_fail_param(call, "backend", "its address and port",
			"backend: %s has several ports in service %s: name one, as %s:80", backend,
			service, backend);
	else
		call_fail(call, RPC_NOT_FOUND,
			"service %s has no backend %s; show backends tells which there are",
			service, backend);
	return NULL;
}

static json_t *backend_result(const struct lb_member *m)
{
	return json_pack("{s:s, s:o, s:o, s:s, s:i}", "service", m->service->name, "address",
		json_address(m->conf->addr), "port", json_port(m), "state", lb_member_state(m),
		"weight", m->weight);
}

static json_t *set_one(struct app *app, struct call *call, enum lb_admin admin)
{
	struct lb_member *m = named(app, call);

	if (m == NULL)
		return NULL;
	lb_set_admin(app->net, m, admin, clock_now());
	return backend_result(m);
}

json_t *backends_drain(struct app *app, struct call *call)
{
	return set_one(app, call, LB_DRAIN);
}

json_t *backends_enable(struct app *app, struct call *call)
{
	return set_one(app, call, LB_ENABLED);
}

json_t *backends_maintain(struct app *app, struct call *call)
{
	return set_one(app, call, LB_MAINTENANCE);
}

json_t *backends_weight(struct app *app, struct call *call)
{
	struct lb_member *m = named(app, call);

	if (m == NULL)
		return NULL;
	lb_set_weight(app->net, m, (uint16_t)param_integer(call, "weight", 1), clock_now());
	return backend_result(m);
}

/* --- flows --- */

/* Names by the services' slots; free() it. NULL: no memory. */
static const char **names_of(const struct net *net)
{
	const char **names = calloc(net->lb->n_vservices, sizeof(*names));
	struct lb_running s;

	for (uint32_t i = 0; names != NULL && lb_service_at(net, i, &s); i++)
		for (uint32_t k = 0; k < 2; k++)
			if (s.slot[k] != LB_NOBODY)
				names[s.slot[k]] = s.conf->name;
	return names;
}

static json_t *flow_row(const struct net *net, const struct worker *w, const struct flow *f,
	const char *const *name)
{
	const struct lb_vservice *s = &net->lb->vservice[f->service];
	const struct lb_backend *b = &net->lb->backend[f->backend];
	uint16_t left = (uint16_t)(f->ends - w->lb->view->seconds);

	return json_pack("{s:i, s:s?, s:s, s:o, s:o, s:o, s:s, s:i}", "worker", w->id, "service",
		name[f->service], "protocol", s->proto == IP4_PROTO_TCP ? "tcp" : "udp", "client",
		json_endpoint(from_be32(f->addr), from_be16(f->port)), "virtual",
		json_endpoint(from_be32(s->addr), from_be16(f->service_port)), "backend",
		json_endpoint(
			from_be32(b->addr), from_be16(b->port != 0 ? b->port : f->service_port)),
		"state", lb_flow_state_name(f->state), "expires_s", left);
}

static bool take(struct look *l, const struct worker *w, uint32_t *next)
{
	const struct lb_view *v = w->lb->view;
	const char **names = names_of(w->net);

	*next = v->next;
	for (uint32_t i = 0; names != NULL && i < v->n; i++)
		json_array_append_new(l->rows, flow_row(w->net, w, &v->row[i], names));
	free(names);
	return v->more;
}

/* The filters, as workers apply them; false with the call's error. */
static bool ask_for(struct app *app, struct call *call, struct command *c)
{
	const char *name = param_string(call, "service", NULL);
	struct lb_running s = {.slot = {LB_NOBODY, LB_NOBODY}};

	*c = (struct command){.kind = COMMAND_FLOWS, .sender = param_address(call, "client")};
	param_endpoint(call, "backend", &c->backend, &c->backend_port);
	if (name != NULL && !lb_service_find(app->net, name, &s)) {
		no_service(call, name);
		return false;
	}
	c->service = (uint16_t)(s.slot[0] + 1); /* LB_NOBODY becomes 0: no filter */
	c->other_service = (uint16_t)(s.slot[1] + 1);
	return true;
}

json_t *flows_show(struct app *app, struct call *call)
{
	struct look *l = call->state;
	json_t *otherwise;

	if (app->net->lb == NULL)
		return json_pack("{s:i, s:[]}", "next", 0, "flows");
	if (l == NULL) {
		l = look_begin(app, call, sizeof(*l));
		if (l == NULL)
			return call_fail(call, RPC_INTERNAL, "no memory");
		l->take = take;
		if (!ask_for(app, call, &l->question))
			return NULL;
	}
	if (!look_done(l, call, &otherwise))
		return otherwise;
	return json_pack("{s:I, s:O}", "next", (json_int_t)l->cursor, "flows", l->rows);
}
