/* SPDX-License-Identifier: BSD-3-Clause */
/* A configuration comes as a text, or as a file's name when it is too long for a request. */
#include "changes.h"

#include "app.h"
#include "apply.h"
#include "base/log.h"
#include "config/conf.h"
#include "lb/lb.h"
#include "net/absent.h"
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Fails the call with every error of a configuration; returns NULL. Clears e. */
static json_t *fail(struct call *call, const char *file, struct errs *e)
{
	json_t *list = json_array();

	errs_sort(e);
	for (size_t i = 0; i < e->n; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I, s:s, s:s}", "file", file, "line",
				      (json_int_t)e->list[i].at.line, "column",
				      (json_int_t)e->list[i].at.column, "path", e->list[i].path,
				      "text", e->list[i].text));
	call_fail(call, RPC_CONFIG, "%s: %zu error%s; nothing was changed", file, e->n,
		e->n == 1 ? "" : "s");
	call->error.data = list;
	errs_clear(e);
	return NULL;
}

/* Control waits for nobody: not for a pipe's writer, nor for the end of a device. */
static struct conf *read_file(const char *file, struct errs *e)
{
	struct stat st;

	if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) {
		errs_add(e, (struct conf_pos){0}, "file", "cannot be read: not a regular file");
		return NULL;
	}
	return conf_load(file, e);
}

static struct conf *read_given(const struct call *call, struct errs *e)
{
	const char *file = param_string(call, "file", "configuration");
	const char *text = param_string(call, "text", NULL);

	return text == NULL ? read_file(file, e) : conf_parse(file, text, strlen(text), e);
}

/* {diff}; takes the text. */
static json_t *diff_result(struct call *call, char *diff)
{
	json_t *result = diff == NULL ? NULL : json_pack("{s:s}", "diff", diff);

	free(diff);
	return result == NULL ? call_fail(call, RPC_INTERNAL, "out of memory") : result;
}

json_t *changes_diff(struct app *app, struct call *call)
{
	struct errs e = {0};
	struct conf *c = read_given(call, &e);
	char *diff;

	if (c == NULL)
		return fail(call, param_string(call, "file", "configuration"), &e);
	diff = conf_diff(app->conf, c);
	conf_free(c);
	return diff_result(call, diff);
}

/* The same, and which ports could not be opened all the same. */
static json_t *applied(struct app *app, struct call *call, char *diff)
{
	const struct absents *absents = absent_ports(app->net);
	json_t *result = diff_result(call, diff), *list = json_array();

	for (uint32_t i = 0; i < absents->n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s}", "name", absents->list[i].name,
						    "error", absents->list[i].why.text));
	json_object_set_new(result, "failed_ports", list);
	return result;
}

/* A change on its way: what takes long is made ready in some turns, then all is done in one. */
struct change {
	struct app *app;
	struct conf *conf; /* until it is in force; NULL: a rollback's */
	uint32_t turns;
};

static void change_end(void *arg)
{
	struct change *x = arg;

	apply_give_up(x->app);
	conf_free(x->conf);
	free(x);
}

/* Takes c. NULL: no memory, which is the call's error. */
static struct change *change_begin(struct app *app, struct call *call, struct conf *c)
{
	struct change *x = calloc(1, sizeof(*x));

	if (x == NULL) {
		conf_free(c);
		call_fail(call, RPC_INTERNAL, "out of memory");
		return NULL;
	}
	*x = (struct change){.app = app, .conf = c};
	call->state = x;
	call->state_end = change_end;
	return x;
}

json_t *changes_apply(struct app *app, struct call *call)
{
	const char *file = param_string(call, "file", "configuration");
	struct change *x = call->state;
	struct errs e = {0};
	char *diff;

	if (x == NULL) {
		struct conf *c = read_given(call, &e);

		if (c != NULL)
			conf_check(c, app->conf, &e);
		if (e.n > 0) {
			conf_free(c);
			return fail(call, file, &e);
		}
		x = change_begin(app, call, c);
		if (x == NULL)
			return NULL;
	}
	if (apply_prepare(app, x->conf, &x->turns))
		return METHOD_AGAIN;
	if (apply_change(app, x->conf, &diff, &e) < 0)
		return fail(call, file, &e);
	x->conf = NULL;
	return applied(app, call, diff);
}

json_t *changes_rollback(struct app *app, struct call *call)
{
	struct change *x = call->state;
	struct errs e = {0};
	char *diff;

	if (app->previous == NULL)
		return call_fail(call, RPC_NOT_FOUND, "nothing was applied since the start");
	if (x == NULL)
		x = change_begin(app, call, NULL);
	if (x == NULL)
		return NULL;
	if (apply_prepare(app, app->previous, &x->turns))
		return METHOD_AGAIN;
	if (apply_rollback(app, &diff, &e) < 0)
		return fail(call, app->previous->file, &e);
	return applied(app, call, diff);
}

/* What an operator added or said, as lists that grow. */
struct added {
	struct net *net;
	struct route_conf *routes;
	struct neigh_static *statics;
	struct lb_backend_conf *backends;
	uint32_t n_routes, n_statics, n_backends;
	bool out_of_memory;
};

/* A list of n items with room for one more; as it was, without memory. */
static void *grown(struct added *a, void *list, uint32_t n, size_t size)
{
	void *more = realloc(list, (n + 1) * size);

	a->out_of_memory |= more == NULL;
	return more == NULL ? list : more;
}

static void add_route(const struct route_row *row, void *arg)
{
	struct added *a = arg;

	if (row->origin != RIB4_OPERATOR || row->conf == NULL)
		return;
	a->routes = grown(a, a->routes, a->n_routes, sizeof(*a->routes));
	if (!a->out_of_memory)
		a->routes[a->n_routes++] = *row->conf;
}

static void add_static(const struct neigh_row *row, void *arg)
{
	struct added *a = arg;
	struct neigh_static *x;

	if (row->state != NEIGH_STATIC || row->kernels)
		return;
	a->statics = grown(a, a->statics, a->n_statics, sizeof(*a->statics));
	if (a->out_of_memory)
		return;
	x = &a->statics[a->n_statics++];
	*x = (struct neigh_static){.addr = row->addr};
	memcpy(x->mac, row->mac, sizeof(x->mac));
	snprintf(x->iface, sizeof(x->iface), "%s", a->net->iface[row->iface].name);
}

static void add_backend(struct lb_member *m, void *arg)
{
	struct added *a = arg;
	struct lb_backend_conf *x;

	if (m->admin == m->conf->admin && m->weight == m->conf->weight)
		return;
	a->backends = grown(a, a->backends, a->n_backends, sizeof(*a->backends));
	if (a->out_of_memory)
		return;
	x = &a->backends[a->n_backends++];
	*x = *m->conf;
	x->admin = m->admin;
	x->weight = m->weight;
}

/* The text to save, the caller's to free; NULL with the reason in e. */
static char *text_with_added(struct app *app, struct errs *e)
{
	struct added a = {.net = app->net};
	uint32_t cursor = 0;
	char *text = NULL;

	do
		cursor = route_walk(app->net, cursor, UINT32_MAX, add_route, &a);
	while (cursor != 0);
	neigh_walk(app->net, clock_now(), add_static, &a);
	lb_members(app->net, add_backend, &a);
	if (a.out_of_memory) {
		errs_add(e, (struct conf_pos){0}, "save", "out of memory");
	} else {
		struct conf_extra extra = {
			{a.n_routes, a.routes}, a.n_statics, a.statics, a.n_backends, a.backends};

		text = conf_with(app->conf, &extra, e);
	}
	free(a.routes);
	free(a.statics);
	free(a.backends);
	return text;
}

json_t *changes_save(struct app *app, struct call *call)
{
	const char *file = param_string(call, "file", app->file);
	struct errs e = {0};
	char *text = text_with_added(app, &e);
	int rc;

	if (text == NULL)
		return fail(call, file, &e);
	rc = conf_store(file, text);
	free(text);
	if (rc < 0)
		return call_fail(call, RPC_INTERNAL, "%s: %s", file, strerror(-rc));
	return json_pack("{s:s}", "file", file);
}
