/* SPDX-License-Identifier: BSD-3-Clause */
/* The methods, asked as a client asks them, about a net without devices. */
#include "asks.h"
#include "net/port.h"

static void test_routes(void **state)
{
	(void)state;
	EXPECT({"route.add",
		       "{\"prefix\":\"203.0.113.0/24\",\"via\":[\"198.18.1.1\"],\"metric\":5}",
		       RES("{\"prefix\":\"203.0.113.0/24\"}")},
		{"show.routes", "{\"prefix\":\"203.0.113.0/24\"}",
			RES("{\"next\":0,\"routes\":[{\"prefix\":\"203.0.113.0/24\",\"origin\":"
			    "\"operator\",\"kind\":\"via\",\"preference\":1,\"metric\":5,\"best\":"
			    "true,"
			    "\"installed\":true,\"next_hops\":[{\"via\":\"198.18.1.1\",\"port\":"
			    "\"wan\",\"resolved\":false}]}]}")},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"blackhole\":true}",
			ERR("-32003", "prefix: 203.0.113.0/24 has an operator's route already; "
				      "delete it first")},
		{"route.del", "{\"prefix\":\"203.0.113.0/24\"}",
			RES("{\"prefix\":\"203.0.113.0/24\"}")},
		{"show.routes", "{\"prefix\":\"203.0.113.0/24\"}", RES("{\"routes\":[]}")},
		{"route.del", "{\"prefix\":\"203.0.113.0/24\"}",
			ERR("-32002", "prefix: 203.0.113.0/24 has no operator's route (others "
				      "follow from the configuration)")},
		{"route.add", "{\"prefix\":\"203.0.113.0/25\",\"blackhole\":true}", "{}"},
		{"route.add", "{\"prefix\":\"203.0.113.128/25\",\"unreachable\":true}", "{}"},
		{"show.routes", "{\"address\":\"203.0.113.7\"}",
			RES("{\"routes\":[{\"prefix\":\"203.0.113.0/25\",\"kind\":\"blackhole\","
			    "\"next_hops\":[]}]}")},
		{"show.routes", "{\"address\":\"203.0.113.129\"}",
			RES("{\"routes\":[{\"kind\":\"unreachable\"}]}")});
}

/* They are shown in their order as numbers, and without a port while they cannot be had. */
static void test_several_gateways(void **state)
{
	(void)state;
	EXPECT({"route.add",
		       "{\"prefix\":\"203.0.113.0/24\",\"via\":[\"198.18.1.1\",\"198.18.0.9\"]}",
		       RES("{\"prefix\":\"203.0.113.0/24\"}")},
		{"show.routes", "{\"prefix\":\"203.0.0.0/16\"}",
			RES("{\"routes\":[{\"prefix\":\"203.0.113.0/24\",\"kind\":\"via\","
			    "\"next_hops\":[{\"via\":\"198.18.0.9\",\"port\":\"lan\"},{\"via\":"
			    "\"198.18.1.1\",\"port\":\"wan\"}]}]}")});
	bed_down(bed, WAN);
	EXPECT({"show.routes", "{\"origin\":\"operator\"}",
		RES("{\"routes\":[{\"next_hops\":[{\"via\":\"198.18.0.9\",\"port\":\"lan\"},"
		    "{\"via\":\"198.18.1.1\",\"port\":null}]}]}")});
}

static void test_routes_that_follow_from_addresses(void **state)
{
	(void)state;
	EXPECT({"show.routes", "{\"address\":\"198.18.1.7\"}",
		       RES("{\"routes\":[{\"prefix\":\"198.18.1.0/24\",\"origin\":\"connected\","
			   "\"kind\":\"connected\",\"port\":\"wan\"}]}")},
		{"show.routes", "{\"address\":\"198.18.1.254\"}",
			RES("{\"routes\":[{\"kind\":\"local\",\"port\":\"wan\"}]}")},
		{"show.routes", "{\"address\":\"198.18.0.255\"}",
			RES("{\"routes\":[{\"kind\":\"broadcast\",\"port\":\"lan\"}]}")},
		{"show.routes", "{\"address\":\"203.0.113.1\"}", RES("{\"routes\":[]}")},
		{"neighbour.add",
			"{\"port\":\"wan\",\"address\":\"198.18.1.7\",\"mac\":\"02:00:00:00:00:"
			"07\"}",
			"{}"},
		{"show.routes", "{\"address\":\"198.18.1.7\"}",
			RES("{\"routes\":[{\"prefix\":\"198.18.1.7/32\",\"kind\":\"neighbour\","
			    "\"next_hops\":[{\"via\":\"198.18.1.7\",\"resolved\":true}]}]}")});
}

static void test_bad_routes(void **state)
{
#define TARGET "via: a route needs gateways, or blackhole, or unreachable: one of them"
#define OFF    "via: not every gateway is a neighbour on a network of our ports"
	(void)state;
	EXPECT({"route.add", "{\"prefix\":\"203.0.113.0/24\"}", ERR("-32602", TARGET)},
		{"route.add",
			"{\"prefix\":\"203.0.113.0/24\",\"blackhole\":true,\"unreachable\":true}",
			ERR("-32602", TARGET)},
		{"route.add",
			"{\"prefix\":\"203.0.113.0/24\",\"blackhole\":true,\"via\":[\"1.1.1.1\"]}",
			ERR("-32602", TARGET)},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"blackhole\":false}",
			ERR("-32602", TARGET)},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"via\":[\"10.0.0.1\"]}",
			ERR("-32602", OFF)},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"via\":[\"198.18.1.254\"]}",
			ERR("-32602", OFF)},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"via\":[\"224.0.0.1\"]}",
			ERR("-32602", "via: 224.0.0.1 is no host's address")},
		{"route.add",
			"{\"prefix\":\"203.0.113.0/24\",\"via\":[\"198.18.1.1\",\"198.18.1.1\"]}",
			ERR("-32602", "via: 198.18.1.1 is given twice")},
		{"route.add", "{\"prefix\":\"203.0.113.1/24\",\"blackhole\":true}",
			"{\"error\":{\"code\":-32602,\"data\":{\"parameter\":\"prefix\"}}}"},
		{"route.add", "{\"prefix\":\"203.0.113.0/24\",\"blackhole\":true,\"metrik\":1}",
			ERR("-32602", "metrik: route.add has no such parameter")},
		{"show.routes", "{\"origin\":\"operator\"}", RES("{\"routes\":[]}")});
}

/* Many routes come in pages; a page takes what turns it takes; each route comes once. */
static void test_many_routes(void **state)
{
	enum { MANY = 4000 };
	static uint8_t seen[MANY];
	json_int_t next = 0;
	int pages = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < MANY; i++) {
		struct route_conf r = {.prefix = IP(20, 0, 0, 0) + (i << 8),
			.depth = 24,
			.kind = ROUTE_BLACKHOLE,
			.preference = 1};

		assert_int_equal(route_add(bed->net, &r, RIB4_OPERATOR, bed->now), 0);
	}
	do {
		char params[64];
		json_t *answer, *rows, *row;
		size_t i;

		snprintf(params, sizeof(params), "{\"cursor\":%d,\"prefix\":\"20.0.0.0/8\"}",
			(int)next);
		answer = ask("show.routes", params);
		rows = json_object_get(json_object_get(answer, "result"), "routes");
		assert_in_range(json_array_size(rows), 0, 1000);
		json_array_foreach (rows, i, row) {
			unsigned int b, c;

			assert_int_equal(sscanf(json_string_value(json_object_get(row, "prefix")),
						 "20.%u.%u.0/24", &b, &c),
				2);
			seen[b << 8 | c]++;
		}
		next = json_integer_value(
			json_object_get(json_object_get(answer, "result"), "next"));
		json_decref(answer);
		pages++;
	} while (next != 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(seen[i], 1);
	assert_in_range(pages, MANY / 1000, MANY / 1000 + 1);
}

static void test_neighbours(void **state)
{
	(void)state;
	EXPECT({"show.neighbours", "{}", RES("[]")},
		{"neighbour.add",
			"{\"port\":\"lan\",\"address\":\"198.18.0.7\",\"mac\":\"02:00:00:00:00:"
			"07\"}",
			RES("{\"port\":\"lan\",\"address\":\"198.18.0.7\"}")},
		{"show.neighbours", "{\"port\":\"lan\"}",
			RES("[{\"port\":\"lan\",\"address\":\"198.18.0.7\",\"mac\":"
			    "\"02:00:00:00:00:07\",\"state\":\"static\",\"packets\":0}]")},
		{"show.neighbours", "{\"port\":\"wan\"}", RES("[]")},
		{"show.neighbours", "{\"offset\":1}", RES("[]")},
		{"show.neighbours", "{\"port\":\"dmz\"}",
			ERR("-32002", "port: there is no \\\"dmz\\\"; show ports tells which there "
				      "are")},
		{"neighbour.add",
			"{\"port\":\"lan\",\"address\":\"198.18.1.7\",\"mac\":\"02:00:00:00:00:"
			"07\"}",
			ERR("-32602", "address: 198.18.1.7 is no other host's on a network of port "
				      "lan")},
		{"neighbour.flush", "{}", RES("{\"flushed\":0}")},
		{"neighbour.del", "{\"port\":\"lan\",\"address\":\"198.18.0.7\"}",
			RES("{\"port\":\"lan\",\"address\":\"198.18.0.7\"}")},
		{"neighbour.del", "{\"port\":\"lan\",\"address\":\"198.18.0.7\"}",
			ERR("-32002", "address: 198.18.0.7 is no neighbour on port lan")},
		{"route.add", "{\"prefix\":\"0.0.0.0/0\",\"via\":[\"198.18.0.9\"]}", "{}"},
		{"show.neighbours", "{}",
			RES("[{\"address\":\"198.18.0.9\",\"mac\":null,\"state\":\"incomplete\","
			    "\"routes\":1}]")});
}

static void test_counters(void **state)
{
	struct rpc *one, *other;
	struct worker *w = bed->w;

	(void)state;
	w->books.rx = 10;
	w->books.tx = 7;
	w->books.drop[DROP_NO_ROUTE] = 2;
	w->books.handed_out = 1;
	w->count[COUNT_ip4_forwarded] = 7;
	EXPECT({"show.counters", "{}",
		RES("{\"rx\":10,\"tx\":7,\"originated\":0,\"consumed\":0,\"held\":1,\"drops\":2,"
		    "\"balanced\":true,\"ip4_forwarded\":7,\"udp_echo\":0,\"nic\":{\"imissed\":0},"
		    "\"workers\":[{\"balanced\":true},{\"balanced\":true}]}")});

	/* whoever asks gets books from after he asked, also beside others */
	one = begin("show.counters", "{}");
	assert_int_equal(rpc_step(one, &app), RPC_WAITS);
	passes();
	w->books.rx = 11;
	other = begin("show.counters", "{}");
	assert_int_equal(rpc_step(other, &app), RPC_WAITS);
	json_decref(end(one));
	for (int i = 0; i < 2; i++) {
		json_t *answer = end(i == 0 ? other : begin("show.counters", "{}"));
		json_t *result = json_object_get(answer, "result");

		assert_int_equal(json_integer_value(json_object_get(result, "rx")), 11);
		assert_true(json_is_false(json_object_get(result, "balanced")));
		json_decref(answer);
	}
	w->books.rx = 10;
}

static void test_drops(void **state)
{
	json_t *answer, *list;

	(void)state;
	bed->net->worker[0]->books.drop[DROP_URPF] = 3;
	bed->net->worker[1]->books.drop[DROP_URPF] = 4;
	bed->net->worker[1]->books.drop[DROP_TX_FULL] = 9;
	answer = ask("show.drops", "{}");
	list = json_object_get(answer, "result");
	assert_int_equal(json_array_size(list), DROP_MAX);
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 0), "reason")), "TX_FULL");
	assert_string_equal(
		json_string_value(json_object_get(json_array_get(list, 1), "reason")), "URPF");
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 1), "count")), 7);
	json_decref(answer);
	memset(bed->net->worker[0]->books.drop, 0, sizeof(bed->w->books.drop));
	memset(bed->net->worker[1]->books.drop, 0, sizeof(bed->w->books.drop));
}

static void test_lists(void **state)
{
	static const struct {
		const char *method;
		size_t rows;
		const char *first;
	} cases[] = {
		{"show.ports", 0, NULL},
		{"show.workers", 2,
			"{\"id\":0,\"rx_queues\":[],\"busy_percent\":0,\"handed_in\":0}"},
		{"show.stages", 2 * STAGE_MAX,
			"{\"worker\":0,\"stage\":\"commands\",\"packets_per_call\":null}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *answer = ask(cases[i].method, "{}");
		json_t *list = json_object_get(answer, "result");
		json_t *first = cases[i].first != NULL ? json_loads(cases[i].first, 0, NULL) : NULL;

		assert_int_equal(json_array_size(list), cases[i].rows);
		if (first != NULL && !holds(json_array_get(list, 0), first))
			fail_msg("%s: %s", cases[i].method, json_dumps(list, JSON_COMPACT));
		json_decref(first);
		json_decref(answer);
	}
	EXPECT({"show.kernel", "{}", RES("[]")});
	EXPECT({"show.netlink", "{}",
		RES("{\"on\":false,\"synced\":false,\"interfaces\":[],"
		    "\"counters\":{\"routes\":0,\"refused\":0}}")});
	EXPECT({"show.interfaces", "{}",
		RES("[{\"name\":\"lo\",\"mac\":null},{\"name\":\"lan\",\"mac\":\"02:00:00:00:00:"
		    "a1\",\"state\":\"up\",\"mtu\":"
		    "1500,"
		    "\"addresses\":[\"198.18.0.254/24\"]},{\"name\":\"wan\"}]")});
}

/* No method fails for lack of a parameter that it does not declare as needed, or without its help.
 */
static void test_registry(void **state)
{
	json_t *answer = ask("rpc.list", "{}"), *m, *p;
	size_t i, k;

	(void)state;
	assert_int_equal(json_array_size(json_object_get(answer, "result")), methods.n);
	json_array_foreach (json_object_get(answer, "result"), i, m) {
		json_array_foreach (json_object_get(m, "params"), k, p)
			assert_non_null(json_object_get(p, "help"));
	}
	json_decref(answer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_routes),
		TEST(test_several_gateways),
		TEST(test_routes_that_follow_from_addresses),
		TEST(test_bad_routes),
		TEST(test_many_routes),
		TEST(test_neighbours),
		TEST(test_counters),
		TEST(test_drops),
		TEST(test_lists),
		TEST(test_registry),
	};

	if (eal_for_tests(256) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
