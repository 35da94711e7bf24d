/* SPDX-License-Identifier: BSD-3-Clause */
/* The registry: everything that can be asked of the process, in one list. */
#include "balancers.h"
#include "changes.h"
#include "connections.h"
#include "lb/maglev.h"
#include "method.h"
#include "neighbours.h"
#include "net/adj.h"
#include "peer.h"
#include "plan.h"
#include "routes.h"
#include "show.h"

static json_t *list_methods(struct app *app, struct call *call)
{
	(void)app;
	(void)call;
	return method_list(&methods);
}

/* clang-format off */
#define SERVICE {"service", PARAM_STRING, true, .help = "its name"}
#define BACKEND {"backend", PARAM_HOST, true, .help = "its address; its port, if it has several"}
/* clang-format on */

static const struct method list[] = {
	{"rpc.list", "every method with its parameters", list_methods, true},

	{"show.ports", "devices: link, counters, addresses, offloads", show_ports, true},
	{"show.plan", "what the configuration takes of the machine: CPUs, memory, cards", plan_show,
		true},
	{"show.interfaces", "ports and their VLANs: state, addresses, packets in", show_interfaces,
		true},
	{"show.netlink",
		"what is taken from the kernel and given to it: routes, addresses, neighbours",
		show_netlink, true},
	{"show.kernel", "ports' interfaces in the kernel: what went up and came down", show_kernel,
		true},
	{"show.neighbours", "neighbours with MAC, state, and what was sent to them",
		neighbours_show, true,
		{
			{"port", PARAM_STRING, .help = "of this port only"},
			{"limit", PARAM_INTEGER, false, 1, NEIGHBOURS_LIMIT,
				.help = "rows of the answer (10000)"},
			{"offset", PARAM_INTEGER, false, 0, UINT32_MAX,
				.help = "rows left out before"},
		}},
	{"show.routes", "routes of every origin, and whether they are in force", routes_show, true,
		{
			{"prefix", PARAM_PREFIX, .help = "only what lies within it"},
			{"address", PARAM_ADDRESS, .help = "only the route that serves it"},
			{"origin", PARAM_CHOICE, .words = "connected|static|operator|kernel",
				.help = "only of this origin"},
			{"limit", PARAM_INTEGER, false, 1, 10000,
				.help = "about how many rows the answer has (1000)"},
			{"cursor", PARAM_INTEGER, false, 0, UINT32_MAX,
				.help = "where to go on: `next` of the answer before"},
		}},
	{"show.connections", "TCP connections that end here, TIME_WAIT among them",
		connections_show, true,
		{
			{"state", PARAM_CHOICE, .words = CONNECTION_STATES,
				.help = "only in this state"},
			{"port", PARAM_INTEGER, false, 1, 65535,
				.help = "only of this port of ours"},
			{"remote", PARAM_ADDRESS, .help = "only with this peer"},
			{"limit", PARAM_INTEGER, false, 1, 10000,
				.help = "about how many rows the answer has (1000)"},
			{"cursor", PARAM_INTEGER, false, 0, INT64_MAX,
				.help = "where to go on: `next` of the answer before"},
		}},
	{"show.services", "what answers here, and what is balanced: counts of the latter",
		services_show, true,
		{
			{"limit", PARAM_INTEGER, false, 1, BALANCERS_LIMIT,
				.help = "rows of the answer (1000)"},
			{"offset", PARAM_INTEGER, false, 0, INT32_MAX,
				.help = "rows left out before"},
		}},
	{"show.backends", "backends: state, weight, flows, packets and bytes both ways",
		backends_show, true,
		{
			{"service", PARAM_STRING, .help = "of this service only"},
			{"limit", PARAM_INTEGER, false, 1, BALANCERS_LIMIT,
				.help = "rows of the answer (1000)"},
			{"offset", PARAM_INTEGER, false, 0, UINT32_MAX,
				.help = "rows left out before"},
		}},
	{"show.flows", "flows that are balanced, and the backend that each has", flows_show, true,
		{
			{"service", PARAM_STRING, .help = "of this service only"},
			{"backend", PARAM_HOST, .help = "only of this backend"},
			{"client", PARAM_ADDRESS, .help = "only of this client"},
			{"limit", PARAM_INTEGER, false, 1, 10000,
				.help = "about how many rows the answer has (1000)"},
			{"cursor", PARAM_INTEGER, false, 0, INT64_MAX,
				.help = "where to go on: `next` of the answer before"},
		}},
	{"show.peer", "the other instance that flows are told to: is it there, what was told",
		peer_show, true},
	{"show.workers", "workers: CPU, queues, load", show_workers, true},
	{"show.stages", "stages of each worker: calls, packets, cycles", show_stages, true},
	{"show.counters", "the books, every counter, NIC drops, buffers", show_counters, true},
	{"show.drops", "every reason for which packets are dropped, with its count", show_drops,
		true},

	{"route.add", "adds a route until the process ends (config.save keeps it)", routes_add,
		false,
		{
			{"prefix", PARAM_PREFIX, true, .help = "the destinations"},
			{"via", PARAM_ADDRESSES, false, 1, GROUP_MEMBERS,
				.help = "gateways; several share the flows"},
			{"blackhole", PARAM_BOOLEAN, .help = "packets are dropped silently"},
			{"unreachable", PARAM_BOOLEAN, .help = "packets are dropped, senders told"},
			{"metric", PARAM_INTEGER, false, 0, UINT32_MAX,
				.help = "lower wins among equal preferences (0)"},
			{"preference", PARAM_INTEGER, false, 0, 255, .help = "lower wins (1)"},
		}},
	{"route.del", "withdraws a route that was added", routes_del, false,
		{{"prefix", PARAM_PREFIX, true, .help = "the destinations"}}},

	{"neighbour.add", "adds a neighbour that is not asked for and does not age", neighbours_add,
		false,
		{{"port", PARAM_STRING, true, .help = "a port or VLAN, as configured"},
			{"address", PARAM_ADDRESS, true, .help = "the neighbour's"},
			{"mac", PARAM_MAC, true, .help = "its MAC address"}}},
	{"neighbour.del", "forgets a neighbour", neighbours_del, false,
		{{"port", PARAM_STRING, true, .help = "a port or VLAN, as configured"},
			{"address", PARAM_ADDRESS, true, .help = "the neighbour's"}}},
	{"neighbour.flush", "forgets the neighbours that were learnt", neighbours_flush, false,
		{{"port", PARAM_STRING, .help = "of this port only"}}},

	{"connection.abort", "resets a TCP connection that ends here", connections_abort, false,
		{
			{"local", PARAM_ENDPOINT, true, .help = "our end"},
			{"remote", PARAM_ENDPOINT, true, .help = "the peer's"},
		}},

	{"service.show", "a balanced service with its backends", services_show_one, true,
		{SERVICE}},
	{"service.drain", "no new flows for any of its backends, until the process ends",
		services_drain, false, {SERVICE}},
	{"service.enable", "its backends get flows again", services_enable, false, {SERVICE}},
	{"service.maintain", "no new flows for any of its backends, and no checks",
		services_maintain, false, {SERVICE}},
	{"backend.drain", "no new flows for a backend, until the process ends", backends_drain,
		false, {SERVICE, BACKEND}},
	{"backend.enable", "a backend gets flows again", backends_enable, false,
		{SERVICE, BACKEND}},
	{"backend.maintain", "no new flows for a backend, and no checks", backends_maintain, false,
		{SERVICE, BACKEND}},
	{"backend.weight",
		"a backend's share of new flows, until the process ends (config.save keeps it)",
		backends_weight, false,
		{SERVICE, BACKEND,
			{"weight", PARAM_INTEGER, true, 0, MAGLEV_WEIGHT_MAX,
				.help = "beside the others'; 0: none"}}},

	{"config.diff", "what a configuration would change", changes_diff, true,
		{{"file", PARAM_STRING, true,
			 .help = "its name; the daemon reads it if there is no text"},
			{"text", PARAM_STRING, .help = "its text"}}},
	{"config.apply", "makes a configuration the one in force, or changes nothing",
		changes_apply, false,
		{{"file", PARAM_STRING, true,
			 .help = "its name; the daemon reads it if there is no text"},
			{"text", PARAM_STRING, .help = "its text"}}},
	{"config.rollback", "back to the configuration before the last apply", changes_rollback,
		false},
	{"config.save", "writes the configuration with what was added or said by hand",
		changes_save, false,
		{{"file", PARAM_STRING, .help = "the file that the process was started with"}}},
};

const struct registry methods = {list, sizeof(list) / sizeof(*list)};
