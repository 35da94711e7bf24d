/* SPDX-License-Identifier: BSD-3-Clause */
#include "print_balancers.h"

#include "table.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column backend_columns[] = {
	{"SERVICE", "service"},
	{"ADDRESS", "address"},
	{"PORT", "port", true},
	{"STATE", "state"},
	{"WEIGHT", "weight", true},
	{"NOW", "effective_weight", true},
	{"FLOWS", "flows", true},
	{"OPENED", "opened", true},
	{"REFUSED", "refused", true},
	{"IN PACKETS", "packets_in", true},
	{"IN BYTES", "bytes_in", true},
	{"OUT PACKETS", "packets_out", true},
	{"OUT BYTES", "bytes_out", true},
	{NULL},
};

static const struct column balanced_columns[] = {
	{"SERVICE", "name"},
	{"ADDRESS", "address"},
	{"PORTS", "ports", true},
	{"PROTOCOL", "protocol"},
	{"MODE", "mode"},
	{"SCHEDULER", "scheduler"},
	{"BACKENDS", "backends", true},
	{"OPEN", "open", true},
	{"FLOWS", "flows", true},
	{"OPENED", "opened", true},
	{"REFUSED", "refused", true},
	{"IN PACKETS", "packets_in", true},
	{"IN BYTES", "bytes_in", true},
	{"OUT PACKETS", "packets_out", true},
	{"OUT BYTES", "bytes_out", true},
	{NULL},
};

/* The rows of balanced services, or of the others: a new reference. */
static json_t *services_of(const json_t *result, bool balanced)
{
	json_t *some = json_array(), *row;
	size_t i;

	json_array_foreach (result, i, row)
		if ((json_object_get(row, "mode") != NULL) == balanced)
			json_array_append(some, row);
	return some;
}

void print_services(const json_t *result, bool all)
{
	static const struct column local_columns[] = {{"SERVICE", "name"}, {"KIND", "kind"},
		{"ADDRESS", "address"}, {"PORT", "ports", true}, {"PROTOCOL", "protocol"}, {NULL}};
	struct table local = {.columns = local_columns}, balanced = {.columns = balanced_columns};
	json_t *here = services_of(result, false), *elsewhere = services_of(result, true);

	(void)all;
	if (json_array_size(here) > 0 || json_array_size(elsewhere) == 0)
		table_print(&local, here);
	if (json_array_size(here) > 0 && json_array_size(elsewhere) > 0)
		putchar('\n');
	if (json_array_size(elsewhere) > 0)
		table_print(&balanced, elsewhere);
	json_decref(here);
	json_decref(elsewhere);
}

/* What is no list, a line each. */
void print_object(const json_t *result, bool all)
{
	const char *key;
	json_t *value;

	(void)all;
	json_object_foreach ((json_t *)(uintptr_t)result, key, value) {
		char *cell;

		if (json_is_array(value))
			continue;
		cell = table_cell(value);
		printf("%-14s  %s\n", key, cell);
		free(cell);
	}
}

/* The same; then its backends. */
void print_service(const json_t *result, bool all)
{
	struct table backends = {.columns = backend_columns};

	print_object(result, all);
	putchar('\n');
	table_print(&backends, json_object_get(result, "backends"));
}

void print_backends(const json_t *result, bool all)
{
	static const struct column more[] = {
		{"SERVICE", "service"},
		{"ADDRESS", "address"},
		{"PORT", "port", true},
		{"STATE", "state"},
		{"HEALTH", "health"},
		{"CHECK", "check"},
		{"US", "latency_us", true},
		{"MEAN US", "mean_latency_us", true},
		{"FAILED", "checks_failed", true},
		{"LAST FAILURE", "last_failure"},
		{"FOR S", "since_s", true},
		{"ADMIN", "admin"},
		{"ANSWERED", "answered", true},
		{NULL},
	};
	static struct table t;

	t.columns = all ? more : backend_columns;
	table_print(&t, result);
}

void print_flows(const json_t *result, bool all)
{
	static const struct column columns[] = {
		{"WORKER", "worker", true},
		{"SERVICE", "service"},
		{"PROTOCOL", "protocol"},
		{"CLIENT", "client"},
		{"VIRTUAL", "virtual"},
		{"BACKEND", "backend"},
		{"STATE", "state"},
		{"ENDS IN S", "expires_s", true},
		{NULL},
	};
	static struct table t = {.columns = columns};

	(void)all;
	table_print(&t, json_object_get(result, "flows"));
}
