/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of commands, and a printer for what each of them gets. */
#include "commands.h"

#include "doctor.h"
#include "nic.h"
#include "print_balancers.h"
#include "table.h"

#define NEIGHBOURS_PAGE 10000 /* what show.neighbours says of its limit */
#define BALANCERS_PAGE	1000  /* and show.services, show.backends */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_list(const struct column *columns, const json_t *rows)
{
	struct table t = {.columns = columns};

	table_print(&t, rows);
}

static void print_ports(const json_t *result, bool all)
{
	static const struct column brief[] = {
		{"PORT", "name"},
		{"STATE", "state"},
		{"LINK", "link"},
		{"MAC", "mac"},
		{"MTU", "mtu", true},
		{"RX PACKETS", "rx_packets", true},
		{"RX BYTES", "rx_bytes", true},
		{"TX PACKETS", "tx_packets", true},
		{"TX BYTES", "tx_bytes", true},
		{"MISSED", "rx_missed", true},
		{"ERRORS", "rx_errors", true},
		{"NO MBUF", "rx_nombuf", true},
		{"ADDRESSES", "addresses"},
		{NULL},
	};
	static const struct column devices[] = {
		{"PORT", "name"},
		{"DEVICE", "device"},
		{"DRIVER", "driver"},
		{"NUMA", "numa", true},
		{"MBIT/S", "speed_mbps", true},
		{"LINK CHANGES", "link_changes", true},
		{"RX QUEUES", "rx_queues", true},
		{"TX QUEUES", "tx_queues", true},
		{NULL},
	};

	static const struct column failures[] = {{"PORT", "name"}, {"DEVICE", "device"},
		{"WHY IT FAILED; `config apply` TRIES AGAIN", "error"}, {NULL}};
	json_t *failed = json_array(), *row;
	size_t i;

	json_array_foreach (result, i, row)
		if (json_object_get(row, "error") != NULL)
			json_array_append(failed, row);
	print_list(brief, result);
	if (all) {
		putchar('\n');
		print_list(devices, result);
	}
	if (json_array_size(failed) > 0) {
		putchar('\n');
		print_list(failures, failed);
	}
	json_decref(failed);
}

static void print_offloads(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"PORT", "port"}, {"WORK", "work"}, {"BY", "by"}, {NULL}};
	json_t *rows = json_array(), *port, *row;
	size_t i, k;

	(void)all;
	json_array_foreach (result, i, port) {
		json_array_foreach (json_object_get(port, "offloads"), k, row) {
			json_object_set(row, "port", json_object_get(port, "name"));
			json_array_append(rows, row);
		}
	}
	print_list(columns, rows);
	json_decref(rows);
}

static void print_interfaces(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"INTERFACE", "name"},
		{"PORT", "port"},
		{"VLAN", "vlan", true},
		{"STATE", "state"},
		{"MAC", "mac"},
		{"MTU", "mtu", true},
		{"RX PACKETS", "rx_packets", true},
		{"RX BYTES", "rx_bytes", true},
		{"ADDRESSES", "addresses"},
		{NULL},
	};

	(void)all;
	print_list(columns, result);
}

static void print_kernel(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"PORT", "port"},
		{"INTERFACE", "interface"},
		{"NETNS", "netns"},
		{"CARRIER", "carrier"},
		{"UP PACKETS", "to_kernel_packets", true},
		{"UP BYTES", "to_kernel_bytes", true},
		{"REFUSED", "refused", true},
		{"DOWN PACKETS", "from_kernel_packets", true},
		{"DOWN BYTES", "from_kernel_bytes", true},
		{"GROUPS", "groups", true},
		{NULL},
	};

	(void)all;
	print_list(columns, result);
}

/* Called for each page of a long list, as print_routes() is. */
static void print_neighbours(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"PORT", "port"},
		{"ADDRESS", "address"},
		{"MAC", "mac"},
		{"STATE", "state"},
		{"AGE S", "age_s", true},
		{"PACKETS", "packets", true},
		{"BYTES", "bytes", true},
		{"ROUTES", "routes", true},
		{NULL},
	};
	static struct table t = {.columns = columns};

	(void)all;
	table_print(&t, result);
}

/* Called for each answer of a long list: the heads come with the first. */
static void print_routes(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"PREFIX", "prefix"},
		{"ORIGIN", "origin"},
		{"KIND", "kind"},
		{"PREF", "preference", true},
		{"METRIC", "metric", true},
		{"BEST", "best"},
		{"IN FIB", "installed"},
		{"PORT", "port"},
		{"NEXT HOPS", "next_hops"},
		{NULL},
	};
	static struct table t = {.columns = columns};

	(void)all;
	table_print(&t, json_object_get(result, "routes"));
}

/* Called for each answer of a long list, as print_routes() is. */
static void print_connections(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"WORKER", "worker", true},
		{"LOCAL", "local"},
		{"REMOTE", "remote"},
		{"STATE", "state"},
		{"UNREAD", "unread", true},
		{"UNSENT", "unsent", true},
		{"UNACKED", "unacked", true},
		{"CWND", "cwnd", true},
		{"SRTT US", "srtt_us", true},
		{"AGAIN", "retransmits", true},
		{NULL},
	};
	static const struct column more[] = {
		{"WORKER", "worker", true},
		{"LOCAL", "local"},
		{"REMOTE", "remote"},
		{"STATE", "state"},
		{"SND WND", "send_window", true},
		{"RCV WND", "receive_window", true},
		{"SSTHRESH", "ssthresh", true},
		{"RTO US", "rto_us", true},
		{"MSS", "mss", true},
		{"CC", "cc"},
		{"OPTIONS", "options"},
		{NULL},
	};
	static struct table t;

	t.columns = all ? more : columns;
	table_print(&t, json_object_get(result, "connections"));
}

static void print_workers(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"WORKER", "id", true},
		{"CPU", "cpu", true},
		{"NUMA", "numa", true},
		{"LCORE", "lcore", true},
		{"BUSY %", "busy_percent", true},
		{"PASSES", "passes", true},
		{"IDLE", "idle", true},
		{"SLEEPS", "sleeps", true},
		{"HANDED IN", "handed_in", true},
		{"HANDED OUT", "handed_out", true},
		{"RX QUEUES", "rx_queues"},
		{NULL},
	};

	(void)all;
	print_list(columns, result);
}

/* The rows in which `key` is not 0, or all: a new reference. */
static json_t *rows_that_count(const json_t *rows, const char *key, bool all)
{
	json_t *some = json_array(), *row;
	size_t i;

	json_array_foreach (rows, i, row) {
		if (all || json_integer_value(json_object_get(row, key)) != 0)
			json_array_append(some, row);
	}
	return some;
}

static void print_stages(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"WORKER", "worker", true},
		{"STAGE", "stage"},
		{"CALLS", "calls", true},
		{"PACKETS", "packets", true},
		{"PER CALL", "packets_per_call", true},
		{"CYCLES EACH", "cycles_per_packet", true},
		{"WHAT", "text"},
		{NULL},
	};
	json_t *rows = rows_that_count(result, "calls", all);

	print_list(columns, rows);
	json_decref(rows);
}

static void print_drops(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"REASON", "reason"}, {"COUNT", "count", true}, {"WHAT", "text"}, {NULL}};
	json_t *rows = rows_that_count(result, "count", all);

	print_list(columns, rows);
	json_decref(rows);
}

/* Adds "nic.imissed" and so on for what is nested; lists, which tell of single workers, not. */
static void flatten(json_t *rows, const char *prefix, const json_t *object, bool all)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		char name[96];

		snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix != 0 ? "." : "", key);
		if (json_is_object(value))
			flatten(rows, name, value, all);
		else if (json_is_boolean(value) ||
			 (json_is_integer(value) && (all || json_integer_value(value) != 0)))
			json_array_append_new(
				rows, json_pack("{s:s, s:O}", "name", name, "count", value));
	}
}

static void print_counters(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"COUNTER", "name"}, {"COUNT", "count", true}, {NULL}};
	json_t *rows = json_array();

	flatten(rows, "", result, all);
	print_list(columns, rows);
	json_decref(rows);
}

static void print_netlink(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"KERNEL'S ROUTES", "fate"}, {"COUNT", "count", true}, {"MEANS", "text"}, {NULL}};
	json_t *rows = json_array(), *fate;
	size_t i;

	json_array_foreach (json_object_get(result, "fates"), i, fate)
		if (all || json_integer_value(json_object_get(fate, "count")) != 0)
			json_array_append(rows, fate);
	print_list(columns, rows);
	json_decref(rows);
	print_counters(json_object_get(result, "counters"), all);
}

static void print_nothing(const json_t *result, bool all)
{
	(void)result;
	(void)all;
}

static void print_flushed(const json_t *result, bool all)
{
	json_int_t n = json_integer_value(json_object_get(result, "flushed"));

	(void)all;
	printf("%" JSON_INTEGER_FORMAT " neighbour%s forgotten\n", n, n == 1 ? "" : "s");
}

static void print_diff(const json_t *result, bool all)
{
	const char *diff = json_string_value(json_object_get(result, "diff"));
	json_t *port;
	size_t i;

	(void)all;
	if (diff != NULL)
		fputs(*diff != 0 ? diff : "no difference\n", stdout);
	json_array_foreach (json_object_get(result, "failed_ports"), i, port)
		printf("port %s still fails: %s\n",
			json_string_value(json_object_get(port, "name")),
			json_string_value(json_object_get(port, "error")));
}

static void print_saved(const json_t *result, bool all)
{
	const char *file = json_string_value(json_object_get(result, "file"));

	(void)all;
	if (file != NULL)
		printf("saved to %s\n", file);
}

static void print_methods(const json_t *result, bool all)
{
	json_t *method, *param;
	size_t i, k;

	(void)all;
	json_array_foreach (result, i, method) {
		char *name = table_cell(json_object_get(method, "name"));
		char *summary = table_cell(json_object_get(method, "summary"));

		printf("%s: %s\n", name, summary);
		free(name);
		free(summary);
		json_array_foreach (json_object_get(method, "params"), k, param) {
			const char *help = json_string_value(json_object_get(param, "help"));

			printf("  %s%s: %s; %s\n",
				json_string_value(json_object_get(param, "name")),
				json_is_true(json_object_get(param, "required")) ? ""
										 : " (optional)",
				json_string_value(json_object_get(param, "allowed")), help);
		}
	}
}

static void print_nics(const json_t *result, bool all)
{
	static const struct column brief[] = {
		{"ADDRESS", "address"},
		{"DRIVER", "driver"},
		{"BEFORE", "driver_before"},
		{"INTERFACES", "interfaces"},
		{"LINK", "link"},
		{"MBIT/S", "speed_mbps", true},
		{"NUMA", "numa", true},
		{"GROUP", "iommu_group", true},
		{"WITH", "group_has"},
		{"IN USE BY", "in_use_by"},
		{NULL},
	};
	static const struct column more[] = {
		{"ADDRESS", "address"},
		{"ID", "id"},
		{"ON TOP", "on_top"},
		{NULL},
	};

	print_list(brief, result);
	if (all) {
		putchar('\n');
		print_list(more, result);
	}
}

static void print_drivers(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"ADDRESS", "address"},
		{"BEFORE", "before"},
		{"DRIVER", "driver"},
		{"INTERFACES", "interfaces"},
		{NULL},
	};

	(void)all;
	print_list(columns, result);
}

/* A line each, the bad ones last, where they are seen. */
static void print_exam(const json_t *result, bool all)
{
	static const char *const verdicts[] = {"ok", "warn", "bad"};
	json_t *row;
	size_t i;

	(void)all;
	for (size_t v = 0; v < sizeof(verdicts) / sizeof(*verdicts); v++) {
		json_array_foreach (json_object_get(result, "checks"), i, row) {
			const char *verdict = json_string_value(json_object_get(row, "verdict"));
			const char *mend = json_string_value(json_object_get(row, "mend"));

			if (strcmp(verdict, verdicts[v]) != 0)
				continue;
			printf("%-4s  %-9s  %s: %s%s%s\n", verdict,
				json_string_value(json_object_get(row, "check")),
				json_string_value(json_object_get(row, "found")),
				json_string_value(json_object_get(row, "means")),
				mend != NULL ? " -> " : "", mend != NULL ? mend : "");
		}
	}
}

/* clang-format off */
#define SERVICE {"service", ARG_PLACE, "SERVICE"}
#define BACKEND {"backend", ARG_PLACE, "ADDRESS[:PORT]"}
/* clang-format on */

const struct command commands[] = {
	{"show ports", "devices: link, counters, addresses; --all: drivers, queues", "show.ports",
		print_ports},
	{"show offloads", "which work is each device's, and which ours", "show.ports",
		print_offloads},
	{"show interfaces", "ports and their VLANs", "show.interfaces", print_interfaces},
	{"show netlink", "what is taken from the kernel and given to it; --all: also zeros",
		"show.netlink", print_netlink},
	{"show kernel", "ports' interfaces in the kernel", "show.kernel", print_kernel},
	{"show neighbours", "neighbours: MAC, state, what was sent to them", "show.neighbours",
		print_neighbours, {{"port", ARG_PLACE_MAYBE, "PORT"}}, .page = NEIGHBOURS_PAGE},
	{"show routes", "routes: all, those within a prefix, or the one that serves an address",
		"show.routes", print_routes,
		{
			{"prefix", ARG_PLACE_MAYBE, "PREFIX"},
			{"address", ARG_WORD, "ADDRESS"},
			{"origin", ARG_WORD, "connected|static|operator|kernel"},
			{"limit", ARG_WORD, "ROWS"},
		}},
	{"show connections", "TCP connections that end here; --all: timers and windows, too",
		"show.connections", print_connections,
		{
			{"state", ARG_WORD, "STATE"},
			{"port", ARG_WORD, "PORT"},
			{"remote", ARG_WORD, "ADDRESS"},
			{"limit", ARG_WORD, "ROWS"},
		}},
	{"show services", "what answers here, and what is balanced", "show.services",
		print_services, .page = BALANCERS_PAGE},
	{"show backends", "balanced backends; --all: health, and what checks found",
		"show.backends", print_backends, {{"service", ARG_PLACE_MAYBE, "SERVICE"}},
		.page = BALANCERS_PAGE},
	{"show flows", "balanced flows: clients and their backends", "show.flows", print_flows,
		{
			{"service", ARG_PLACE_MAYBE, "SERVICE"},
			{"backend", ARG_WORD, "ADDRESS[:PORT]"},
			{"client", ARG_WORD, "ADDRESS"},
			{"limit", ARG_WORD, "ROWS"},
		}},
	{"show peer", "the other instance of this balancer, and what was told", "show.peer",
		print_object},
	{"show workers", "workers: CPU, queues, load", "show.workers", print_workers},
	{"show stages", "stages: calls, packets, cycles; --all: also those never called",
		"show.stages", print_stages},
	{"show counters", "the books, counters, NIC drops, buffers; --all: also zeros",
		"show.counters", print_counters},
	{"show drops", "why packets were dropped; --all: every reason there is", "show.drops",
		print_drops},
	{"show methods", "what the control socket can be asked, for programs", "rpc.list",
		print_methods},

	{"route add", "adds a route; several gateways share its flows", "route.add", print_nothing,
		{
			{"prefix", ARG_PLACE, "PREFIX"},
			{"via", ARG_WORDS, "GATEWAY"},
			{"blackhole", ARG_FLAG},
			{"unreachable", ARG_FLAG},
			{"metric", ARG_WORD, "N"},
			{"preference", ARG_WORD, "N"},
		}},
	{"route del", "withdraws a route that was added", "route.del", print_nothing,
		{{"prefix", ARG_PLACE, "PREFIX"}}},
	{"neighbour add", "adds a neighbour that does not age", "neighbour.add", print_nothing,
		{
			{"address", ARG_PLACE, "ADDRESS"},
			{"mac", ARG_PLACE, "MAC"},
			{"port", ARG_PLACE, "PORT"},
		}},
	{"neighbour del", "forgets a neighbour", "neighbour.del", print_nothing,
		{{"address", ARG_PLACE, "ADDRESS"}, {"port", ARG_PLACE, "PORT"}}},
	{"neighbour flush", "forgets what was learnt, on one port or all", "neighbour.flush",
		print_flushed, {{"port", ARG_PLACE_MAYBE, "PORT"}}},
	{"connection abort", "resets a TCP connection, as `show connections` has its ends",
		"connection.abort", print_nothing,
		{{"local", ARG_PLACE, "ADDRESS:PORT"}, {"remote", ARG_PLACE, "ADDRESS:PORT"}}},

	{"service show", "a balanced service with its backends", "service.show", print_service,
		{SERVICE}},
	{"service drain", "no new flows for its backends; those that it has go on", "service.drain",
		print_nothing, {SERVICE}},
	{"service enable", "its backends get flows again", "service.enable", print_nothing,
		{SERVICE}},
	{"service maintain", "no new flows for its backends, and no checks", "service.maintain",
		print_nothing, {SERVICE}},
	{"backend drain", "no new flows for a backend; those that it has go on", "backend.drain",
		print_nothing, {SERVICE, BACKEND}},
	{"backend enable", "a backend gets flows again", "backend.enable", print_nothing,
		{SERVICE, BACKEND}},
	{"backend maintain", "no new flows for a backend, and no checks", "backend.maintain",
		print_nothing, {SERVICE, BACKEND}},
	{"backend weight", "a backend's share of new flows beside the others'", "backend.weight",
		print_nothing, {SERVICE, BACKEND, {"weight", ARG_NUMBER, "N"}}},

	{"config diff", "what a file would change", "config.diff", print_diff,
		{{"file", ARG_FILE, "FILE"}}},
	{"config apply", "makes a file the configuration, or says what is wrong with it",
		"config.apply", print_diff, {{"file", ARG_FILE, "FILE"}}},
	{"config rollback", "back to the configuration before the last apply", "config.rollback",
		print_diff},
	{"config save",
		"writes the configuration, with routes, neighbours and states of backends as they "
		"are",
		"config.save", print_saved, {{"file", ARG_FILE_MAYBE, "FILE"}}},

	{"nic list",
		"this machine's network cards: driver, link, IOMMU group, who uses them; "
		"--all: ids",
		NULL, print_nics, .here = nic_list},
	{"nic bind", "gives cards to DPDK; not those that routes or an SSH session need", NULL,
		print_drivers,
		{
			{"address", ARG_PLACES, "ADDRESS|INTERFACE"},
			{"driver", ARG_WORD, "vfio-pci"},
			{"force", ARG_FLAG},
		},
		.here = nic_bind},
	{"nic unbind",
		"gives them back to the drivers that they had; names: and their interfaces' "
		"names",
		NULL, print_drivers, {{"address", ARG_PLACES, "ADDRESS"}, {"names", ARG_FLAG}},
		.here = nic_unbind},

	{"doctor",
		"whether this machine is fit for a configuration, or for the millrace that runs: "
		"what was found, what it means -> what mends it; exit status 1 if something is bad",
		NULL, print_exam, {{"file", ARG_PLACE_MAYBE, "CONFIG.yaml"}},
		.here = doctor_examine},
};
const size_t n_commands = sizeof(commands) / sizeof(*commands);
