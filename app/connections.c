/* SPDX-License-Identifier: BSD-3-Clause */
/* Connections, from the views of the workers that own them. */
#include "connections.h"

#include "json.h"
#include "look.h"
#include "tcp/stage.h"

#include <string.h>

struct connections_look {
	struct look look;
	const char *state; /* NULL: any; and so on */
	uint16_t port;
	uint32_t remote;
};

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
		json_endpoint(i->local, i->local_port), "remote",
		json_endpoint(i->remote, i->remote_port), "state", tcp_state_name(i->state),
		"options", options(i));
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

static bool is_wanted(const struct connections_look *l, const struct tcp_info *i)
{
	return (l->state == NULL || strcmp(l->state, tcp_state_name(i->state)) == 0) &&
	       (l->port == 0 || l->port == i->local_port) &&
	       (l->remote == 0 || l->remote == i->remote);
}

static bool take(struct look *l, const struct worker *w, uint32_t *next)
{
	const struct tcp_view *view = w->view;

	*next = view->next;
	for (uint32_t i = 0; i < view->n; i++)
		if (is_wanted((const struct connections_look *)l, &view->row[i]))
			json_array_append_new(l->rows, row(w->id, &view->row[i]));
	return view->more;
}

static bool take_end(struct look *l, const struct worker *w, uint32_t *next)
{
	(void)next;
	l->found = w->view->found;
	return false;
}

json_t *connections_show(struct app *app, struct call *call)
{
	struct connections_look *l = call->state;
	json_t *otherwise;

	if (l == NULL) {
		l = look_begin(app, call, sizeof(*l));
		if (l == NULL)
			return call_fail(call, RPC_INTERNAL, "no memory");
		l->look.question.kind = COMMAND_CONNECTIONS;
		l->look.take = take;
		l->state = param_string(call, "state", NULL);
		l->port = (uint16_t)param_integer(call, "port", 0);
		l->remote = param_address(call, "remote");
	}
	if (!look_done(&l->look, call, &otherwise))
		return otherwise;
	return json_pack(
		"{s:I, s:O}", "next", (json_int_t)l->look.cursor, "connections", l->look.rows);
}

json_t *connections_abort(struct app *app, struct call *call)
{
	struct look *l = call->state != NULL ? call->state : look_begin(app, call, sizeof(*l));
	const char *local = param_string(call, "local", ""),
		   *remote = param_string(call, "remote", "");
	json_t *otherwise;

	if (l == NULL)
		return call_fail(call, RPC_INTERNAL, "no memory");
	l->question.kind = COMMAND_ABORT;
	l->take = take_end;
	param_endpoint(call, "local", &l->question.sender, &l->question.local_port);
	param_endpoint(call, "remote", &l->question.addr, &l->question.port);
	if (!look_done(l, call, &otherwise))
		return otherwise;
	if (!l->found)
		return call_fail(
			call, RPC_NOT_FOUND, "there is no connection of %s and %s", local, remote);
	return json_pack("{s:s, s:s}", "local", local, "remote", remote);
}
