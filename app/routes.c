/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * There may be a million routes: they are walked a slice a turn, and no more of them become JSON
 * than one answer may hold.
 */
#include "routes.h"

#include "app.h"
#include "json.h"
#include "net/net.h"
#include "net/route.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE_US 500
#define PLACES	 256 /* walked between two looks at the clock */

/* --- one route as JSON --- */

/* The adjacencies that an entry leads to; returns how many. */
static uint32_t leads_to(
	const struct net *net, fib_entry entry, const struct adj *list[GROUP_MEMBERS])
{
	const struct group *g;

	if (fib_entry_kind(entry) == FIB_FORWARD) {
		list[0] = &net->adj[fib_entry_index(entry)];
		return 1;
	}
	if (fib_entry_kind(entry) != FIB_GROUP)
		return 0;
	g = &net->group[fib_entry_index(entry)];
	for (uint32_t i = 0; i < g->n; i++)
		list[i] = &net->adj[g->member[i]];
	return g->n;
}

static json_t *hop_row(const struct net *net, uint32_t via, const struct adj *a)
{
	return json_pack("{s:o, s:s?, s:b}", "via", json_address(via), "port",
		a != NULL ? net->iface[a->iface].name : NULL, "resolved",
		a != NULL && (a->flags & ADJ_RESOLVED) != 0);
}

/* The gateways as asked for, those that cannot be had now without a port; else the neighbour. */
static json_t *next_hops(const struct net *net, const struct route_row *row)
{
	const struct adj *adj[GROUP_MEMBERS];
	uint32_t n = leads_to(net, row->entry, adj);
	json_t *list = json_array();

	for (uint32_t i = 0; row->conf == NULL && i < n; i++)
		json_array_append_new(list, hop_row(net, adj[i]->addr, adj[i]));
	for (uint32_t i = 0; row->conf != NULL && i < row->conf->n_via; i++) {
		uint32_t via = row->conf->via[i];
		const struct adj *found = NULL;

		for (uint32_t k = 0; k < n; k++)
			if (adj[k]->addr == via)
				found = adj[k];
		json_array_append_new(list, hop_row(net, via, found));
	}
	return list;
}

static const char *kind_of(const struct net *net, const struct route_row *row)
{
	uint32_t index = fib_entry_index(row->entry);

	switch (fib_entry_kind(row->entry)) {
	case FIB_FORWARD:
		if (row->depth == 32 && net->adj[index].addr == row->prefix)
			return "neighbour";
		return "via";
	case FIB_GLEAN:
		return "connected";
	case FIB_BROADCAST:
		return "broadcast";
	case FIB_LOCAL:
		return "local";
	case FIB_SERVICE:
		return "service";
	case FIB_BLACKHOLE:
		return "blackhole";
	case FIB_UNREACHABLE:
		return "unreachable";
	default: /* a group, or none of its gateways can be had now */
		return "via";
	}
}

/* The interface whose addresses a route follows from. */
static const char *port_of(const struct net *net, fib_entry entry)
{
	enum fib_kind kind = fib_entry_kind(entry);

	if (kind == FIB_GLEAN || kind == FIB_BROADCAST || kind == FIB_LOCAL)
		return net->iface[fib_entry_index(entry)].name;
	return NULL;
}

static json_t *route_json(const struct net *net, const struct route_row *row)
{
	return json_pack("{s:o, s:s, s:s, s:i, s:I, s:o, s:s?, s:b, s:b}", "prefix",
		json_prefix(row->prefix, row->depth), "origin", route_origin_name(row->origin),
		"kind", kind_of(net, row), "preference", row->preference, "metric",
		(json_int_t)row->metric, "next_hops", next_hops(net, row), "port",
		port_of(net, row->entry), "best", row->best, "installed", row->installed);
}

/* --- show --- */

struct walk {
	const struct net *net;
	struct ip4_prefix within;
	const char *origin; /* NULL: any */
	json_int_t limit;
	uint32_t cursor;
	json_t *rows;
};

static void walk_end(void *arg)
{
	struct walk *w = arg;

	json_decref(w->rows);
	free(w);
}

static struct walk *walk_begin(struct app *app, struct call *call)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->net = app->net;
	param_prefix(call, "prefix", &w->within.addr, &w->within.len);
	w->origin = param_string(call, "origin", NULL);
	w->limit = param_integer(call, "limit", ROUTES_LIMIT);
	w->cursor = (uint32_t)param_integer(call, "cursor", 0);
	w->rows = json_array();
	call->state = w;
	call->state_end = walk_end;
	return w;
}

static void visit(const struct route_row *row, void *arg)
{
	struct walk *w = arg;

	if (row->depth >= w->within.len && ip4_prefix_has(w->within, row->prefix) &&
		(w->origin == NULL || strcmp(w->origin, route_origin_name(row->origin)) == 0))
		json_array_append_new(w->rows, route_json(w->net, row));
}

static json_t *answer(const struct net *net, json_t *rows, uint32_t next)
{
	struct rib4_count count = rib4_count(net->rib);
	json_int_t total = 0;

	for (int i = 0; i < RIB4_ORIGINS; i++)
		total += count.routes[i];
	return json_pack(
		"{s:I, s:I, s:O}", "total", total, "next", (json_int_t)next, "routes", rows);
}

/* The one route by which an address is reached. */
static json_t *serving(const struct net *net, uint32_t addr)
{
	json_t *rows = json_array(), *result;
	struct rib4_route r;

	if (rib4_lookup(net->rib, addr, 32, &r)) {
		struct route_row row = {
			.prefix = r.prefix,
			.depth = r.depth,
			.origin = r.origin,
			.preference = r.preference,
			.metric = r.metric,
			.entry = r.entry,
			.best = true,
			.installed = r.state == RIB4_INSTALLED,
		};

		json_array_append_new(rows, route_json(net, &row));
	}
	result = answer(net, rows, 0);
	json_decref(rows);
	return result;
}

json_t *routes_show(struct app *app, struct call *call)
{
	struct walk *w = call->state;
	ticks deadline = clock_now() + clock_of_us(SLICE_US);

	if (param_given(call, "address"))
		return serving(app->net, param_address(call, "address"));
	if (w == NULL)
		w = walk_begin(app, call);
	if (w == NULL)
		return call_fail(call, RPC_INTERNAL, "no memory");
	do {
		json_int_t room = w->limit - (json_int_t)json_array_size(w->rows);

		if (room <= 0)
			return answer(app->net, w->rows, w->cursor);
		w->cursor = route_walk(
			app->net, w->cursor, room < PLACES ? (uint32_t)room : PLACES, visit, w);
		if (w->cursor == 0)
			return answer(app->net, w->rows, 0);
	} while (clock_now() < deadline);
	return METHOD_AGAIN;
}

/* --- the operator's --- */

static json_t *prefix_result(uint32_t prefix, uint8_t depth)
{
	return json_pack("{s:o}", "prefix", json_prefix(prefix, depth));
}

/* What the route does with its packets; false with the call's error. */
static bool get_target(struct call *call, struct route_conf *r)
{
	int given = param_given(call, "via") + param_boolean(call, "blackhole") +
		    param_boolean(call, "unreachable");

	if (given != 1) {
		call_fail_param(call, "via", "a list of gateways, or blackhole, or unreachable",
			"via: a route needs gateways, or blackhole, or unreachable: one of them");
		return false;
	}
	r->kind = param_boolean(call, "blackhole")     ? ROUTE_BLACKHOLE
		  : param_boolean(call, "unreachable") ? ROUTE_UNREACHABLE
						       : ROUTE_VIA;
	r->n_via = param_addresses(call, "via", r->via, GROUP_MEMBERS);
	return true;
}

static bool check(struct call *call, const struct route_conf *r)
{
	struct routes_conf one = {.n = 1, .list = (struct route_conf *)(uintptr_t)r};
	struct errs e = {0};

	if (route_check(&one, &e) != 0)
		call_fail_param(
			call, "via", "1 to 16 addresses of hosts", "via: %s", e.list[0].text);
	errs_clear(&e);
	return call->error.code == 0;
}

json_t *routes_add(struct app *app, struct call *call)
{
	struct route_conf r = {
		.preference = (uint8_t)param_integer(call, "preference", 1),
		.metric = (uint32_t)param_integer(call, "metric", 0),
	};
	const char *text = param_string(call, "prefix", "");

	param_prefix(call, "prefix", &r.prefix, &r.depth);
	if (!get_target(call, &r) || !check(call, &r))
		return NULL;
	switch (route_add(app->net, &r, RIB4_OPERATOR, clock_now())) {
	case 0:
		return prefix_result(r.prefix, r.depth);
	case -EINVAL:
		return call_fail_param(call, "via", "addresses on networks of our ports, not ours",
			"via: not every gateway is a neighbour on a network of our ports");
	case -EEXIST:
		return call_fail(call, RPC_EXISTS,
			"prefix: %s has an operator's route already; delete it first", text);
	default:
		return call_fail(call, RPC_FULL, "prefix: no room for %s: see system.limits", text);
	}
}

json_t *routes_del(struct app *app, struct call *call)
{
	uint32_t prefix;
	uint8_t depth;

	param_prefix(call, "prefix", &prefix, &depth);
	if (route_del(app->net, prefix, depth, RIB4_OPERATOR) != 0)
		return call_fail(call, RPC_NOT_FOUND,
			"prefix: %s has no operator's route (others follow from the configuration)",
			param_string(call, "prefix", ""));
	return prefix_result(prefix, depth);
}
