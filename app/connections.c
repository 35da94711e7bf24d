/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One page of a worker's connections after the other, until the answer has as many as were asked
 * for; or one worker after the other, until one has the connection that is to end. Between two
 * questions other calls have their turn, and the workers go on.
 */
#include "connections.h"

#include "app.h"
#include "json.h"
#include "loop.h"
#include "net/net.h"
#include "tcp/stage.h"

#include <stdlib.h>
#include <string.h>

#define ROWS	  1000
#define ANSWER_MS 1000

/* A cursor: the worker, and where in its slabs. */
#define CURSOR_WORKER 32

struct look {
	struct app *app;
	uint64_t cursor;
	uint64_t until_ms; /* when the worker should have answered */
	struct command question;
	bool found; /* COMMAND_ABORT: and ended */
	json_int_t limit;
	const char *state; /* NULL: any; and so on */
	uint16_t port;
	uint32_t remote;
	json_t *rows;
};

static void look_end(void *arg)
{
	struct look *l = arg;

	if (l->app->views.owner == l)
		l->app->views.owner = NULL;
	json_decref(l->rows);
	free(l);
}

static struct look *look_begin(struct app *app, struct call *call)
{
	struct look *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->app = app;
	l->question.kind = COMMAND_CONNECTIONS;
	l->cursor = (uint64_t)param_integer(call, "cursor", 0);
	l->limit = param_integer(call, "limit", ROWS);
	l->state = param_string(call, "state", NULL);
	l->port = (uint16_t)param_integer(call, "port", 0);
	l->remote = param_address(call, "remote");
	l->rows = json_array();
	call->state = l;
	call->state_end = look_end;
	return l;
}

static json_t *endpoint(uint32_t addr, uint16_t port)
{
	char text[IP4_ADDR_TEXT + 8];

	ip4_addr_text(addr, text);
	snprintf(text + strlen(text), 8, ":%u", port);
	return json_string(text);
}

static json_t *options(const struct tcp_info *i)
{
	json_t *list = json_array();

	if (i->timestamps)
		json_array_append_new(list, json_string("timestamps"));
	if (i->sack)
		json_array_append_new(list, json_string("sack"));
	if (i->ecn)
		json_array_append_new(list, json_string("ecn"));
	return list;
}

static json_t *row(uint16_t worker, const struct tcp_info *i)
{
	json_t *row = json_pack("{s:i, s:o, s:o, s:s, s:o}", "worker", worker, "local",
		endpoint(i->local, i->local_port), "remote", endpoint(i->remote, i->remote_port),
		"state", tcp_state_name(i->state), "options", options(i));
	const struct {
		const char *name;
		uint32_t value;
	} numbers[] = {
		{"unread", i->unread},
		{"unsent", i->unsent},
		{"unacked", i->unacked},
		{"send_window", i->send_window},
		{"receive_window", i->receive_window},
		{"cwnd", i->cwnd},
		{"ssthresh", i->ssthresh},
		{"srtt_us", i->srtt_us},
		{"rttvar_us", i->rttvar_us},
		{"rto_us", i->rto_us},
		{"min_rtt_us", i->min_rtt_us},
		{"retransmits", i->retransmits},
		{"mss", i->mss},
		{"send_scale", i->send_scale},
		{"receive_scale", i->receive_scale},
	};

	for (size_t k = 0; k < sizeof(numbers) / sizeof(numbers[0]); k++)
		json_object_set_new(row, numbers[k].name, json_count(numbers[k].value));
	json_object_set_new(row, "cc", json_string(i->cc));
	return row;
}

static bool is_wanted(const struct look *l, const struct tcp_info *i)
{
	return (l->state == NULL || strcmp(l->state, tcp_state_name(i->state)) == 0) &&
	       (l->port == 0 || l->port == i->local_port) &&
	       (l->remote == 0 || l->remote == i->remote);
}

/* True: the worker was asked, by this call or by one before it that is no more. */
static bool ask(struct look *l)
{
	struct views *v = &l->app->views;
	struct worker *w;

	if (v->asked)
		return true;
	v->id = (uint16_t)(l->cursor >> CURSOR_WORKER);
	w = l->app->net->worker[v->id];
	v->seq = atomic_load_explicit(&w->view_seq, memory_order_acquire);
	if (l->question.kind == COMMAND_CONNECTIONS)
		l->question.addr = (uint32_t)l->cursor;
	v->asked = net_command(l->app->net, v->id, &l->question) == 0;
	v->owner = l;
	l->until_ms = loop_now_ms(l->app->loop) + ANSWER_MS;
	return v->asked;
}

/* The worker's answer is there: takes it, and moves the cursor on. */
static void take(struct look *l)
{
	const struct views *v = &l->app->views;
	const struct tcp_view *view = l->app->net->worker[v->id]->view;

	l->found = l->question.kind == COMMAND_ABORT && view->found;
	for (uint32_t i = 0; i < view->n; i++)
		if (is_wanted(l, &view->row[i]))
			json_array_append_new(l->rows, row(v->id, &view->row[i]));
	l->cursor = l->question.kind == COMMAND_CONNECTIONS && view->more
			    ? (uint64_t)v->id << CURSOR_WORKER | view->next
			    : (uint64_t)(v->id + 1) << CURSOR_WORKER;
}

static bool has_answered(const struct look *l)
{
	const struct views *v = &l->app->views;

	return atomic_load_explicit(&l->app->net->worker[v->id]->view_seq, memory_order_acquire) !=
	       v->seq;
}

/*
 * A turn of a call: true when all that it asks for is there; else *otherwise is what the method
 * returns, because it has to be called once more or has failed.
 */
static bool is_done(struct app *app, struct call *call, struct look *l, json_t **otherwise)
{
	struct views *v = &app->views;
	bool mine = v->owner == l;

	*otherwise = METHOD_WAITS;
	if (v->owner != NULL && !mine)
		return false;
	if (v->asked && has_answered(l)) {
		v->asked = false;
		if (mine)
			take(l);
	}
	if (mine && v->asked && loop_now_ms(app->loop) > l->until_ms) {
		*otherwise = call_fail(
			call, RPC_LATER, "worker %u did not answer within %d ms", v->id, ANSWER_MS);
		return false;
	}
	if (l->cursor >> CURSOR_WORKER >= app->net->n_workers) {
		l->cursor = 0;
	} else if (!l->found && (json_int_t)json_array_size(l->rows) < l->limit) {
		*otherwise = ask(l) ? METHOD_WAITS : METHOD_AGAIN;
		return false;
	}
	v->owner = NULL;
	return true;
}

json_t *connections_show(struct app *app, struct call *call)
{
	struct look *l = call->state != NULL ? call->state : look_begin(app, call);
	json_t *otherwise;

	if (l == NULL)
		return call_fail(call, RPC_INTERNAL, "no memory");
	if (!is_done(app, call, l, &otherwise))
		return otherwise;
	return json_pack("{s:I, s:O}", "next", (json_int_t)l->cursor, "connections", l->rows);
}

json_t *connections_abort(struct app *app, struct call *call)
{
	struct look *l = call->state != NULL ? call->state : look_begin(app, call);
	const char *local = param_string(call, "local", ""),
		   *remote = param_string(call, "remote", "");
	json_t *otherwise;

	if (l == NULL)
		return call_fail(call, RPC_INTERNAL, "no memory");
	l->question.kind = COMMAND_ABORT;
	param_endpoint(call, "local", &l->question.sender, &l->question.local_port);
	param_endpoint(call, "remote", &l->question.addr, &l->question.port);
	if (!is_done(app, call, l, &otherwise))
		return otherwise;
	if (!l->found)
		return call_fail(
			call, RPC_NOT_FOUND, "there is no connection of %s and %s", local, remote);
	return json_pack("{s:s, s:s}", "local", local, "remote", remote);
}
