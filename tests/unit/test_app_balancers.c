/* SPDX-License-Identifier: BSD-3-Clause */
/* Services, backends and flows, as an operator sees and changes them. */
#include "asks.h"
#include "conf_text.h"
#include "lb/lb.h"

#define TEXT                                                                                       \
	"services: {echo: {kind: udp-echo, listen: 0.0.0.0:7}}\n"                                  \
	"balancers:\n"                                                                             \
	"  services:\n"                                                                            \
	"    web: {address: 198.18.0.100, port: 80, scheduler: round-robin, backends: ["           \
	"{address: 198.18.1.1, weight: 2}, {address: 198.18.1.2, port: 8000}, "                    \
	"{address: 198.18.1.2, port: 8001}]}\n"                                                    \
	"    dns: {address: 198.18.0.100, port: 53, protocol: both, backends: ["                   \
	"{address: 198.18.1.1}]}\n"                                                                \
	"    many: {address: 198.18.0.101, port: 1000-1999, backends: ["                           \
	"{address: 198.18.1.3, state: drain}, {address: 198.18.1.4}]}\n"
#define PORTS "ports: {wan: {vdev: net_null0, addresses: [198.18.1.254/24]}}\n"

static void apply(struct conf *c)
{
	struct errs e = {0};

	assert_int_equal(lb_build(bed->net, &c->balancers, &e), 0);
	lb_publish(bed->net, bed->now);
	lb_retire(bed->net);
	conf_free(app.conf);
	app.conf = c;
}

static int begin_all(void **state)
{
	struct conf *c = conf_good(PORTS TEXT);
	struct errs e = {0};

	conf_check(c, NULL, &e);
	assert_int_equal(e.n, 0);
	if (setup(state) != 0)
		return 1;
	assert_int_equal(lb_attach(bed->net, &c->balancers), 0);
	for (uint16_t i = 0; i < bed->net->n_workers; i++)
		lb_time(bed->net->worker[i]);
	apply(c);
	return 0;
}

static int end_all(void **state)
{
	lb_detach(bed->net);
	conf_free(app.conf);
	return teardown(state);
}

static void test_services(void **state)
{
	(void)state;
	EXPECT({"show.services", "{}",
		       RES("[{\"name\":\"echo\",\"kind\":\"udp-echo\",\"address\":\"0.0.0.0\","
			   "\"ports\":\"7\",\"protocol\":\"udp\"},"
			   "{\"name\":\"web\",\"kind\":\"balancer\",\"address\":\"198.18.0.100\","
			   "\"ports\":\"80\",\"protocol\":\"tcp\",\"mode\":\"nat\",\"scheduler\":"
			   "\"round-robin\",\"backends\":3,\"open\":3,\"flows\":0},"
			   "{\"name\":\"dns\",\"ports\":\"53\",\"protocol\":\"both\","
			   "\"scheduler\":\"maglev\",\"open\":1},"
			   "{\"name\":\"many\",\"ports\":\"1000-1999\",\"backends\":2,"
			   "\"open\":1}]")},
		{"show.services", "{\"offset\":1,\"limit\":1}", RES("[{\"name\":\"web\"}]")},
		{"show.services", "{\"offset\":3,\"limit\":5}", RES("[{\"name\":\"many\"}]")},
		{"show.services", "{\"offset\":4}", RES("[]")},
		{"service.show", "{\"service\":\"many\"}",
			RES("{\"name\":\"many\",\"table\":65537,\"flow_table\":true,\"backends\":["
			    "{\"address\":\"198.18.1.3\",\"port\":\"same\",\"state\":\"drain\"},"
			    "{\"address\":\"198.18.1.4\",\"state\":\"unknown\"}]}")},
		{"service.show", "{\"service\":\"echo\"}",
			ERR("-32002", "there is no balanced service \\\"echo\\\"; show services "
				      "tells which there are")});
}

static void test_backends(void **state)
{
	struct lb_member *m = lb_member_find(bed->net, "dns", IP(198, 18, 1, 1), 0);

	(void)state;
	for (uint16_t i = 0; i < 2; i++)
		for (uint16_t k = 0; k < 2; k++)
			bed->net->worker[i]->lb->backend[m->slot[k]] = (struct lb_count){.flows = 1,
				.opened = 10,
				.packets_in = 100,
				.bytes_in = 1000,
				.packets_out = 200,
				.bytes_out = 2000,
				.refused = 3,
				.answered = 4};
	lb_set_health(bed->net, m, LB_HEALTH_UP, bed->now);
	EXPECT({"show.backends", "{\"service\":\"dns\"}",
		       RES("[{\"service\":\"dns\",\"address\":\"198.18.1.1\",\"port\":53,"
			   "\"state\":\"up\",\"health\":\"up\",\"admin\":\"enabled\",\"weight\":1,"
			   "\"effective_weight\":1,\"flows\":4,\"opened\":40,\"packets_in\":400,"
			   "\"bytes_in\":4000,\"packets_out\":800,\"bytes_out\":8000,\"refused\":"
			   "12,\"answered\":16}]")},
		{"show.backends", "{\"offset\":1,\"limit\":2}",
			RES("[{\"address\":\"198.18.1.2\",\"port\":8000},"
			    "{\"address\":\"198.18.1.2\",\"port\":8001,\"state\":\"unknown\","
			    "\"since_s\":null}]")},
		{"show.backends", "{\"service\":\"shop\"}",
			ERR("-32002", "there is no balanced service \\\"shop\\\"; show services "
				      "tells which there are")});
}

static void test_changes(void **state)
{
	(void)state;
	EXPECT({"backend.drain", "{\"service\":\"web\",\"backend\":\"198.18.1.2:8001\"}",
		       RES("{\"service\":\"web\",\"address\":\"198.18.1.2\",\"port\":8001,"
			   "\"state\":\"drain\",\"weight\":1}")},
		{"backend.weight",
			"{\"service\":\"web\",\"backend\":\"198.18.1.1:80\",\"weight\":7}",
			RES("{\"port\":80,\"weight\":7}")},
		{"backend.maintain", "{\"service\":\"dns\",\"backend\":\"198.18.1.1\"}",
			RES("{\"state\":\"maintenance\"}")},
		{"service.show", "{\"service\":\"web\"}",
			RES("{\"open\":2,\"backends\":[{\"weight\":7,\"effective_weight\":7},"
			    "{\"state\":\"unknown\"},{\"state\":\"drain\",\"effective_weight\":0}]"
			    "}")});
	/* an apply of the same file leaves what an operator said */
	apply(conf_good(PORTS TEXT));
	EXPECT({"service.show", "{\"service\":\"web\"}",
		       RES("{\"backends\":[{\"weight\":7},{},{\"state\":\"drain\"}]}")},
		{"backend.enable", "{\"service\":\"web\",\"backend\":\"198.18.1.2:8001\"}",
			RES("{\"state\":\"unknown\"}")},
		{"service.drain", "{\"service\":\"web\"}",
			RES("{\"service\":\"web\",\"admin\":\"drain\",\"backends\":3}")},
		{"show.services", "{\"offset\":1,\"limit\":1}", RES("[{\"open\":0}]")},
		{"service.maintain", "{\"service\":\"web\"}", RES("{\"admin\":\"maintenance\"}")},
		{"service.enable", "{\"service\":\"web\"}", RES("{\"admin\":\"enabled\"}")},
		{"show.services", "{\"offset\":1,\"limit\":1}", RES("[{\"open\":3}]")});
}

static void test_bad_changes(void **state)
{
	(void)state;
	EXPECT({"backend.drain", "{\"service\":\"web\",\"backend\":\"198.18.1.2\"}",
		       ERR("-32602", "backend: 198.18.1.2 has several ports in service web: name "
				     "one, as 198.18.1.2:80")},
		{"backend.drain", "{\"service\":\"web\",\"backend\":\"198.18.1.9\"}",
			ERR("-32002", "service web has no backend 198.18.1.9; show backends tells "
				      "which there are")},
		{"backend.drain", "{\"service\":\"web\",\"backend\":\"198.18.1.1:81\"}",
			ERR("-32002", "service web has no backend 198.18.1.1:81; show backends "
				      "tells which there are")},
		{"backend.drain", "{\"service\":\"shop\",\"backend\":\"198.18.1.1\"}",
			ERR("-32002", "there is no balanced service \\\"shop\\\"; show services "
				      "tells which there are")},
		{"backend.drain", "{\"service\":\"web\",\"backend\":\"me:80\"}",
			ERR("-32602", "backend: \\\"me:80\\\" is not an IPv4 address, with a port "
				      "or without, as \\\"198.18.1.1:80\\\"")},
		{"backend.weight",
			"{\"service\":\"web\",\"backend\":\"198.18.1.1\",\"weight\":257}",
			ERR("-32602", "weight: 257 is not a whole number from 0 to 256")});
}

/* A flow of a client's port to a service's port, on the worker. */
static void add_flow(uint16_t worker, const char *service, uint32_t backend, uint16_t backend_port,
	uint16_t service_port, uint16_t client_port)
{
	struct lb_worker *b = bed->net->worker[worker]->lb;
	const struct lb_member *m = lb_member_find(bed->net, service, backend, backend_port);
	struct lb_running s;
	struct flow gone, *f;
	struct flow_key key = {.addr = to_be32(LAN_NET(1 + client_port % 2)),
		.port = to_be16(client_port),
		.service_port = to_be16(service_port)};

	assert_non_null(m);
	assert_true(lb_service_find(bed->net, service, &s));
	key.service = s.slot[0];
	f = flow_add(b->flows, flow_hash(b->flows, &key), &key, b->seconds, &gone);
	assert_non_null(f);
	f->backend = m->slot[0];
	f->state = FLOW_ESTABLISHED;
	flow_touch(f, b->seconds, 300);
}

static void test_flows(void **state)
{
	(void)state;
	add_flow(0, "web", IP(198, 18, 1, 1), 0, 80, 4001);
	add_flow(1, "web", IP(198, 18, 1, 2), 8001, 80, 4002);
	add_flow(1, "many", IP(198, 18, 1, 4), 0, 1234, 4003);
	EXPECT({"show.flows", "{\"service\":\"web\"}",
		       RES("{\"next\":0,\"flows\":[{\"worker\":0,\"service\":\"web\",\"protocol\":"
			   "\"tcp\",\"client\":\"198.18.0.2:4001\",\"virtual\":\"198.18.0.100:80\","
			   "\"backend\":\"198.18.1.1:80\",\"state\":\"ESTABLISHED\",\"expires_s\":"
			   "300},{\"worker\":1,\"client\":\"198.18.0.1:4002\",\"backend\":"
			   "\"198.18.1.2:8001\"}]}")},
		{"show.flows", "{\"backend\":\"198.18.1.4\"}",
			RES("{\"flows\":[{\"service\":\"many\",\"virtual\":\"198.18.0.101:1234\","
			    "\"backend\":\"198.18.1.4:1234\"}]}")},
		{"show.flows", "{\"backend\":\"198.18.1.2:8000\"}", RES("{\"flows\":[]}")},
		{"show.flows", "{\"backend\":\"198.18.1.2:8001\"}", RES("{\"flows\":[{}]}")},
		{"show.flows", "{\"client\":\"198.18.0.2\"}", RES("{\"flows\":[{},{}]}")},
		{"show.flows", "{\"client\":\"198.18.0.2\",\"service\":\"many\"}",
			RES("{\"flows\":[{}]}")},
		{"show.flows", "{\"service\":\"dns\"}", RES("{\"flows\":[]}")},
		{"show.flows", "{\"service\":\"echo\"}",
			ERR("-32002", "there is no balanced service \\\"echo\\\"; show services "
				      "tells which there are")},
		{"show.counters", "{}", RES("{\"flows\":{\"now\":3,\"added\":3}}")});
}

/* Many come in pages, each flow once; those whose time is over do not come. */
static void test_many_flows(void **state)
{
	static bool seen[2][1000];
	json_int_t cursor = 0;
	uint32_t pages = 0, n = 0;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++)
		add_flow(i % 2, "many", IP(198, 18, 1, 4), 0, 1500, (uint16_t)(10000 + i));
	do {
		char params[64];
		json_t *answer, *row;
		size_t i;

		snprintf(params, sizeof(params), "{\"limit\":100,\"cursor\":%lld}",
			(long long)cursor);
		answer = ask("show.flows", params);
		json_array_foreach (
			json_object_get(json_object_get(answer, "result"), "flows"), i, row) {
			const char *client = json_string_value(json_object_get(row, "client"));
			uint32_t port = (uint32_t)atoi(strchr(client, ':') + 1) - 10000;

			assert_in_range(port, 0, 999);
			assert_false(seen[port % 2][port]);
			seen[port % 2][port] = true;
			n++;
		}
		cursor = json_integer_value(
			json_object_get(json_object_get(answer, "result"), "next"));
		json_decref(answer);
		assert_in_range(++pages, 1, 1000);
	} while (cursor != 0);
	assert_int_equal(n, 1000);
	assert_in_range(pages, 3, 11);
	for (uint16_t i = 0; i < 2; i++)
		bed->net->worker[i]->lb->seconds += 301;
	EXPECT({"show.flows", "{}", RES("{\"flows\":[]}")});
}

static void set_peer(uint64_t session, uint32_t telling)
{
	atomic_store(&bed->net->lb->peer, session);
	atomic_store(&bed->net->lb->telling, telling);
	lb_tick(bed->net, clock_now());
}

static void test_peer(void **state)
{
	(void)state;
	EXPECT({"show.peer", "{}", RES("{\"state\":\"off\"}")});
	apply(conf_good(PORTS TEXT "  sync: {address: 198.18.1.254, peer: 198.18.1.9, rate: 7000, "
				   "key: none of your business}\n"));
	EXPECT({"show.peer", "{}",
		RES("{\"state\":\"down\",\"since_s\":null,\"listens\":false,\"session\":null,"
		    "\"address\":\"198.18.1.254\",\"peer\":\"198.18.1.9\",\"port\":7780,"
		    "\"rate\":7000,\"pending\":0,\"unwalked\":0}")});
	set_peer(0xabc, 0);
	EXPECT({"show.peer", "{}",
		RES("{\"state\":\"up\",\"listens\":false,\"session\":\"0000000000000abc\"}")});
	set_peer(0xabc, 1);
	for (uint16_t i = 0; i < 2; i++) {
		uint64_t *count = bed->net->worker[i]->count;

		count[COUNT_hellos_heard] += 2;
		count[COUNT_sync_sent] += 3;
		count[COUNT_flows_told] += 40;
		count[COUNT_flows_homeless] += 5;
		bed->net->worker[i]->books.drop[DROP_SYNC_KEY] += 6;
	}
	EXPECT({"show.peer", "{}",
		RES("{\"state\":\"up\",\"listens\":true,\"hellos_heard\":4,\"sync_sent\":6,"
		    "\"sync_read\":0,\"flows_told\":80,\"flows_homeless\":10,\"flows_taken\":0,"
		    "\"refused\":{\"SYNC_KEY\":12,\"SYNC_OLD\":0}}")});
	set_peer(0, 0);
	EXPECT({"show.peer", "{}", RES("{\"state\":\"down\",\"session\":null}")});
	for (uint16_t i = 0; i < 2; i++)
		bed->net->worker[i]->books.drop[DROP_SYNC_KEY] = 0;
}

/* Without a table of flows there is nothing, and it says so. */
static void test_none(void **state)
{
	(void)state;
	EXPECT({"show.flows", "{}", RES("{\"next\":0,\"flows\":[]}")},
		{"show.peer", "{}", RES("{\"state\":\"off\"}")}, {"show.backends", "{}", RES("[]")},
		{"service.drain", "{\"service\":\"web\"}",
			ERR("-32002", "there is no balanced service \\\"web\\\"; show services "
				      "tells which there are")});
}

#define BALANCED(f) cmocka_unit_test_setup_teardown(f, begin_all, end_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BALANCED(test_services),
		BALANCED(test_backends),
		BALANCED(test_changes),
		BALANCED(test_bad_changes),
		BALANCED(test_flows),
		BALANCED(test_many_flows),
		BALANCED(test_peer),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};

	if (eal_for_tests(256) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
