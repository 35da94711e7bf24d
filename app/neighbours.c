/* SPDX-License-Identifier: BSD-3-Clause */
/* A port is named as its interface is: "lan", or "lan.10" for a VLAN of it. */
#include "neighbours.h"

#include "app.h"
#include "json.h"
#include "net/neigh.h"
#include "net/net.h"
#include "net/port.h"

#include <errno.h>

struct view {
	const struct net *net;
	uint16_t iface; /* 0: all */
	json_int_t skip, limit;
	json_t *rows;
};

static void visit(const struct neigh_row *n, void *arg)
{
	struct view *v = arg;
	bool known = n->state != NEIGH_INCOMPLETE && n->state != NEIGH_FAILED;

	if (v->iface != 0 && v->iface != n->iface)
		return;
	if (v->skip-- > 0 || (json_int_t)json_array_size(v->rows) >= v->limit)
		return;
	json_array_append_new(v->rows,
		json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:i}", "port",
			v->net->iface[n->iface].name, "address", json_address(n->addr), "mac",
			known ? json_mac(n->mac) : json_null(), "state", neigh_state_name(n->state),
			"age_s", json_count(n->age_ms / 1000), "packets", json_count(n->packets),
			"bytes", json_count(n->bytes), "routes", (int)n->refs));
}

/* The interface that parameter `port` names, 0 without one; false with the call's error. */
static bool get_port(const struct app *app, struct call *call, uint16_t *iface)
{
	const char *name = param_string(call, "port", NULL);

	*iface = 0;
	if (name == NULL)
		return true;
	*iface = iface_by_name(app->net, name);
	if (*iface != 0)
		return true;
	call_fail(call, RPC_NOT_FOUND,
		"port: there is no \"%.40s\"; show ports tells which there are", name);
	return false;
}

json_t *neighbours_show(struct app *app, struct call *call)
{
	struct view v = {
		.net = app->net,
		.skip = param_integer(call, "offset", 0),
		.limit = param_integer(call, "limit", NEIGHBOURS_LIMIT),
	};

	if (!get_port(app, call, &v.iface))
		return NULL;
	v.rows = json_array();
	neigh_walk(app->net, clock_now(), visit, &v);
	return v.rows;
}

static json_t *entry_result(const struct call *call)
{
	return json_pack("{s:s, s:s}", "port", param_string(call, "port", ""), "address",
		param_string(call, "address", ""));
}

json_t *neighbours_add(struct app *app, struct call *call)
{
	uint16_t iface;
	uint8_t mac[6];

	if (!get_port(app, call, &iface))
		return NULL;
	param_mac(call, "mac", mac);
	switch (neigh_add(app->net, iface, param_address(call, "address"), mac, clock_now())) {
	case 0:
		return entry_result(call);
	case -EINVAL:
		return call_fail_param(call, "address", "a host's address on a network of the port",
			"address: %s is no other host's on a network of port %.40s",
			param_string(call, "address", ""), param_string(call, "port", ""));
	default:
		return call_fail(call, RPC_FULL, "address: the table of neighbours is full");
	}
}

json_t *neighbours_del(struct app *app, struct call *call)
{
	uint16_t iface;

	if (!get_port(app, call, &iface))
		return NULL;
	switch (neigh_del(app->net, iface, param_address(call, "address"), clock_now())) {
	case 0:
		return entry_result(call);
	case -EPERM:
		return call_fail(call, RPC_NOT_FOUND,
			"address: %s on port %.40s is the configuration's: take it out of the file",
			param_string(call, "address", ""), param_string(call, "port", ""));
	default:
		return call_fail(call, RPC_NOT_FOUND, "address: %s is no neighbour on port %.40s",
			param_string(call, "address", ""), param_string(call, "port", ""));
	}
}

json_t *neighbours_flush(struct app *app, struct call *call)
{
	uint16_t iface;

	if (!get_port(app, call, &iface))
		return NULL;
	return json_pack("{s:i}", "flushed", (int)neigh_flush(app->net, iface, clock_now()));
}
