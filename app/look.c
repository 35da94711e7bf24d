/* SPDX-License-Identifier: BSD-3-Clause */
/* One page of a worker after the other, until the answer has as many rows as were asked for. */
#include "look.h"

#include "app.h"
#include "loop.h"
#include "net/net.h"

#include <stdlib.h>

#define ANSWER_MS 1000

/* A cursor: the worker, and where in its table. */
#define CURSOR_WORKER 32

static void look_end(void *arg)
{
	struct look *l = arg;

	if (l->app->views.owner == l)
		l->app->views.owner = NULL;
	json_decref(l->rows);
	free(l);
}

void *look_begin(struct app *app, struct call *call, size_t size)
{
	struct look *l = calloc(1, size);

	if (l == NULL)
		return NULL;
	l->app = app;
	l->cursor = (uint64_t)param_integer(call, "cursor", 0);
	l->limit = param_integer(call, "limit", LOOK_ROWS);
	l->rows = json_array();
	call->state = l;
	call->state_end = look_end;
	return l;
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
	if (l->question.kind != COMMAND_ABORT)
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
	uint32_t next = 0;

	if (l->take(l, l->app->net->worker[v->id], &next))
		l->cursor = (uint64_t)v->id << CURSOR_WORKER | next;
	else
		l->cursor = (uint64_t)(v->id + 1) << CURSOR_WORKER;
}

static bool has_answered(const struct look *l)
{
	const struct views *v = &l->app->views;

	return atomic_load_explicit(&l->app->net->worker[v->id]->view_seq, memory_order_acquire) !=
	       v->seq;
}

bool look_done(struct look *l, struct call *call, json_t **otherwise)
{
	struct views *v = &l->app->views;
	bool mine = v->owner == l;

	*otherwise = METHOD_WAITS;
	if (v->owner != NULL && !mine)
		return false;
	if (v->asked && has_answered(l)) {
		v->asked = false;
		if (mine)
			take(l);
	}
	if (mine && v->asked && loop_now_ms(l->app->loop) > l->until_ms) {
		*otherwise = call_fail(
			call, RPC_LATER, "worker %u did not answer within %d ms", v->id, ANSWER_MS);
		return false;
	}
	if (l->cursor >> CURSOR_WORKER >= l->app->net->n_workers) {
		l->cursor = 0;
	} else if (!l->found && (json_int_t)json_array_size(l->rows) < l->limit) {
		*otherwise = ask(l) ? METHOD_WAITS : METHOD_AGAIN;
		return false;
	}
	v->owner = NULL;
	return true;
}
