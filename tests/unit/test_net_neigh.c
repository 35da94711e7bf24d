/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours through their states, second by second: requests, FIB, what workers are told. */
#include "neighbours.h"

/* --- resolving --- */

static void test_answer(void **state)
{
	(void)state;
	resolve(LAN_HOST);
	expect_request(LAN_HOST, broadcast_mac, LAN_ADDR);
	assert_int_equal(state_of(LAN_HOST), NEIGH_INCOMPLETE);
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_GLEAN);
	resolve(LAN_HOST); /* another worker, too */
	expect_quiet();
	arp(LAN_HOST, host_mac, REPLY | TO_US);
	expect_forward(LAN_HOST, host_mac); /* published first */
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
	expect_quiet();
	assert_int_equal(state_of(LAN_HOST), NEIGH_REACHABLE);
	resolve(LAN_HOST); /* a worker that did not see it yet */
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
	expect_quiet();
}

static void test_no_answer(void **state)
{
	(void)state;
	resolve(LAN_HOST);
	for (int i = 0; i < 3; i++) {
		expect_request(LAN_HOST, broadcast_mac, LAN_ADDR);
		bed_wait(b, 800);
		resolve(LAN_HOST); /* packets keep waiting: not asked more often for that */
		expect_quiet();
		bed_wait(b, 250);
	}
	expect(b->w, COMMAND_FAILED, LAN_HOST);
	assert_int_equal(state_of(LAN_HOST), NEIGH_FAILED);
	expect_quiet();
}

/* RFC 1122 2.3.2.1: a flood of packets to a dead host does not flood the link. */
static void test_dead_host(void **state)
{
	uint32_t requests = 0, failed = 0;
	struct command c;

	(void)state;
	for (int ms = 0; ms < 60000; ms += 50) {
		resolve(LAN_HOST);
		while (bed_command(b->w, &c)) {
			requests += c.kind == COMMAND_ARP_REQUEST;
			failed += c.kind == COMMAND_FAILED;
		}
		bed_wait(b, 50);
	}
	assert_in_range(requests, 40, 60);
	assert_in_range(failed, 15, 60000 / 50);
	bed_clear(b);
	bed_wait(b, 10000);
	assert_int_equal(state_of(LAN_HOST), -1); /* nobody asks any more */
}

static void test_answer_after_failure(void **state)
{
	(void)state;
	resolve(LAN_HOST);
	bed_wait(b, 3200);
	assert_int_equal(state_of(LAN_HOST), NEIGH_FAILED);
	bed_clear(b);
	arp(LAN_HOST, host_mac, REPLY | TO_US);
	expect_forward(LAN_HOST, host_mac);
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
}

/* Hosts that cannot be: nothing is asked and nothing kept. */
static void test_impossible(void **state)
{
	static const uint32_t addrs[] = {LAN_NET(0), LAN_NET(255), LAN_ADDR, WAN_HOST, WAN_ADDR, 0,
		IP(10, 0, 0, 1), UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(addrs); i++) {
		resolve(addrs[i]);
		arp(addrs[i], host_mac, TO_US);
		expect_quiet();
		assert_int_equal(state_of(addrs[i]), -1);
	}
	assert_int_equal(bed_kind(b, LAN_ADDR), FIB_LOCAL);
}

/* --- RFC 826: merge --- */

static void test_merge(void **state)
{
	(void)state;
	arp(LAN_HOST, host_mac, 0); /* a stranger's gratuitous ARP */
	arp(LAN_HOST, host_mac, REPLY);
	arp(LAN_HOST, host_mac, REPLY | TO_US); /* an answer to no question */
	assert_int_equal(state_of(LAN_HOST), -1);
	arp(LAN_HOST, host_mac, TO_US); /* asks us: will speak to us */
	assert_int_equal(state_of(LAN_HOST), NEIGH_REACHABLE);
	expect_forward(LAN_HOST, host_mac);
	arp(LAN_HOST, new_mac, 0); /* gratuitous ARP of one that is known */
	expect_forward(LAN_HOST, new_mac);
	assert_memory_equal(row_of(LAN_HOST).mac, new_mac, 6);
	resolve(LAN_NET(2));
	arp(LAN_NET(2), host_mac, 0); /* heard of while being asked for */
	expect_forward(LAN_NET(2), host_mac);
}

static struct route_conf to_wan(uint32_t prefix, uint8_t depth)
{
	return (struct route_conf){
		.prefix = prefix, .depth = depth, .n_via = 1, .via = {WAN_HOST}, .preference = 1};
}

/* A longer prefix leads elsewhere: nobody on the link draws its traffic by speaking to us. */
static void test_routed_elsewhere(void **state)
{
	struct route_conf r = to_wan(LAN_NET(128), 25);
	uint32_t hop;

	(void)state;
	assert_int_equal(route_add(b->net, &r, RIB4_OPERATOR, b->now), 0);
	hop = bed_index(b, LAN_NET(130));
	arp(LAN_NET(130), host_mac, TO_US);
	assert_int_equal(state_of(LAN_NET(130)), -1);
	assert_int_equal(bed_kind(b, LAN_NET(130)), FIB_FORWARD);
	assert_int_equal(bed_index(b, LAN_NET(130)), hop);
	learn(LAN_NET(120), host_mac);
}

/* The longer prefix comes when they are known: it decides, and what is shorter does not. */
static void test_routed_elsewhere_since(void **state)
{
	struct route_conf longer = to_wan(LAN_NET(128), 25), wide = to_wan(IP(198, 18, 0, 0), 16),
			  all = to_wan(0, 0);

	(void)state;
	learn(LAN_NET(120), host_mac);
	learn(LAN_NET(130), new_mac);
	assert_int_equal(route_add(b->net, &all, RIB4_OPERATOR, b->now), 0);
	assert_int_equal(route_add(b->net, &wide, RIB4_OPERATOR, b->now), 0);
	expect_forward(LAN_NET(130), new_mac);
	assert_int_equal(route_add(b->net, &longer, RIB4_OPERATOR, b->now), 0);
	assert_int_equal(state_of(LAN_NET(130)), -1);
	assert_int_equal(b->net->adj[bed_index(b, LAN_NET(130))].addr, WAN_HOST);
	expect_forward(LAN_NET(120), host_mac);
	assert_int_equal(route_del(b->net, LAN_NET(128), 25, RIB4_OPERATOR), 0);
	assert_int_equal(bed_kind(b, LAN_NET(130)), FIB_GLEAN);
	expect_forward(LAN_NET(120), host_mac);
}

/* The same when it is another link's network. */
static void test_connected_elsewhere_since(void **state)
{
	(void)state;
	learn(LAN_NET(120), host_mac);
	learn(LAN_NET(130), new_mac);
	bed_iface(b, 3, "dmz", wan_mac, LAN_NET(200), 25);
	bed_up(b, 3);
	assert_int_equal(state_of(LAN_NET(130)), -1);
	assert_int_equal(bed_kind(b, LAN_NET(130)), FIB_GLEAN);
	assert_int_equal(bed_index(b, LAN_NET(130)), 3);
	expect_forward(LAN_NET(120), host_mac);
}

/* Whom a route or the operator names stays; a gateway as long as it is one. */
static void test_named_and_routed_elsewhere(void **state)
{
	struct route_conf far = {.prefix = IP(203, 0, 113, 0),
				  .depth = 24,
				  .n_via = 1,
				  .via = {LAN_NET(130)},
				  .preference = 1},
			  longer = to_wan(LAN_NET(128), 25);

	(void)state;
	learn(LAN_NET(130), host_mac);
	assert_int_equal(route_add(b->net, &far, RIB4_OPERATOR, b->now), 0);
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(140), new_mac, b->now), 0);
	assert_int_equal(route_add(b->net, &longer, RIB4_OPERATOR, b->now), 0);
	expect_forward(LAN_NET(130), host_mac);
	expect_forward(LAN_NET(140), new_mac);
	assert_int_equal(route_del(b->net, far.prefix, 24, RIB4_OPERATOR), 0);
	assert_int_equal(state_of(LAN_NET(130)), -1);
	assert_int_equal(b->net->adj[bed_index(b, LAN_NET(130))].addr, WAN_HOST);
}

/* Packets that wait for its answer, or that ask for it too late, go where the FIB leads now. */
static void test_awaited_and_routed_elsewhere(void **state)
{
	struct route_conf longer = to_wan(LAN_NET(128), 25);
	struct command c;

	(void)state;
	resolve(LAN_NET(130));
	bed_clear(b);
	assert_int_equal(route_add(b->net, &longer, RIB4_OPERATOR, b->now), 0);
	assert_int_equal(state_of(LAN_NET(130)), -1);
	assert_true(bed_command(b->w, &c)); /* the gateway is asked for */
	expect(b->w, COMMAND_RESOLVED, LAN_NET(130));
	expect_quiet();
	resolve(LAN_NET(131));
	assert_int_equal(state_of(LAN_NET(131)), -1);
	expect(b->w, COMMAND_RESOLVED, LAN_NET(131));
	expect_quiet();
}

/* --- ageing --- */

static void test_unused(void **state)
{
	(void)state;
	learn(LAN_HOST, host_mac);
	bed_wait(b, 19 * MINUTE);
	assert_int_equal(state_of(LAN_HOST), NEIGH_REACHABLE);
	arp(LAN_HOST, host_mac, TO_US); /* heard of is not used */
	bed_wait(b, MINUTE + 100);
	assert_int_equal(state_of(LAN_HOST), -1);
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_GLEAN);
	expect_quiet(); /* silently */
}

static void test_used(void **state)
{
	(void)state;
	learn(LAN_HOST, host_mac);
	for (int minute = 0; minute < 19; minute++) {
		send_to(LAN_HOST);
		bed_wait(b, MINUTE);
	}
	expect_quiet();
	bed_wait(b, MINUTE + 100);
	expect_request(LAN_HOST, host_mac, LAN_ADDR); /* by unicast */
	assert_int_equal(state_of(LAN_HOST), NEIGH_PROBING);
	assert_true(b->net->adj[bed_index(b, LAN_HOST)].flags & ADJ_ASKED);
	expect_forward(LAN_HOST, host_mac); /* meanwhile packets go */
	bed_wait(b, 500);
	arp(LAN_HOST, host_mac, REPLY | TO_US);
	assert_int_equal(state_of(LAN_HOST), NEIGH_REACHABLE);
	assert_false(b->net->adj[bed_index(b, LAN_HOST)].flags & ADJ_ASKED);
	expect_quiet();
	assert_int_equal(row_of(LAN_HOST).age_ms, 0);
	assert_int_equal(row_of(LAN_HOST).packets, 19);
	assert_int_equal(row_of(LAN_HOST).bytes, 1900);
	send_to(LAN_HOST);
	bed_wait(b, 20 * MINUTE + 200);
	expect_request(LAN_HOST, host_mac, LAN_ADDR);
}

static void test_used_but_gone(void **state)
{
	(void)state;
	learn(LAN_HOST, host_mac);
	bed_wait(b, 10 * MINUTE);
	send_to(LAN_HOST);
	bed_wait(b, 10 * MINUTE + 100);
	for (int i = 0; i < 3; i++) {
		expect_request(LAN_HOST, host_mac, LAN_ADDR);
		expect_quiet();
		assert_int_equal(state_of(LAN_HOST), NEIGH_PROBING);
		bed_wait(b, 1050);
	}
	assert_int_equal(state_of(LAN_HOST), -1);
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_GLEAN);
	expect_quiet();
	resolve(LAN_HOST);
	expect_request(LAN_HOST, broadcast_mac, LAN_ADDR);
}

/* --- next hops of routes --- */

static void test_next_hop(void **state)
{
	uint32_t adj = neigh_ref(b->net, LAN, LAN_HOST, b->now);

	(void)state;
	assert_int_not_equal(adj, 0);
	expect_request(LAN_HOST, broadcast_mac, LAN_ADDR);
	/* in the FIB unresolved, so that workers report what it says of itself */
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_FORWARD);
	assert_int_equal(bed_index(b, LAN_HOST), adj);
	assert_int_equal(b->net->adj[adj].flags, ADJ_ASKED);
	assert_int_equal(b->net->adj[adj].addr, LAN_HOST);
	assert_int_equal(neigh_ref(b->net, LAN, LAN_HOST, b->now), adj);
	arp(LAN_HOST, host_mac, REPLY | TO_US);
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
	expect_forward(LAN_HOST, host_mac);
	bed_wait(b, 20 * MINUTE + 100); /* unused, but needed: probed, and stays */
	for (int i = 0; i < 3; i++) {
		expect_request(LAN_HOST, host_mac, LAN_ADDR);
		bed_wait(b, 1050);
	}
	assert_int_equal(state_of(LAN_HOST), NEIGH_INCOMPLETE);
	expect_request(LAN_HOST, broadcast_mac, LAN_ADDR);
	assert_int_equal(b->net->adj[adj].flags, ADJ_ASKED);
	assert_int_equal(bed_index(b, LAN_HOST), adj);
	assert_int_equal(row_of(LAN_HOST).refs, 2);
	neigh_unref(b->net, adj);
	assert_int_equal(state_of(LAN_HOST), NEIGH_INCOMPLETE);
	neigh_unref(b->net, adj);
	assert_int_equal(state_of(LAN_HOST), -1);
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_GLEAN);
}

/* A gateway that is off is asked for ever more seldom, and found when it comes back. */
static void test_gateway_off(void **state)
{
	uint32_t adj = neigh_ref(b->net, LAN, LAN_HOST, b->now), requests = 0;
	struct command c;

	(void)state;
	for (int second = 0; second < 600; second++) {
		bed_wait(b, 1000);
		while (bed_command(b->w, &c))
			requests += c.kind == COMMAND_ARP_REQUEST;
	}
	assert_in_range(requests, 20, 30);
	assert_int_equal(state_of(LAN_HOST), NEIGH_FAILED);
	arp(LAN_HOST, host_mac, 0); /* it announces itself */
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
	expect_forward(LAN_HOST, host_mac);
	assert_int_equal(bed_index(b, LAN_HOST), adj);
	neigh_unref(b->net, adj);
	assert_int_equal(state_of(LAN_HOST), NEIGH_REACHABLE);
}

/* --- the table --- */

static void test_full(void **state)
{
	(void)state;
	set_conf(3, NULL, 0);
	for (uint8_t i = 1; i <= 3; i++) {
		learn(LAN_NET(i), host_mac);
		send_to(LAN_NET(i));
	}
	resolve(LAN_NET(4));
	expect_quiet();
	assert_int_equal(state_of(LAN_NET(4)), -1);
	neigh_del(b->net, LAN, LAN_NET(2), b->now);
	resolve(LAN_NET(4));
	expect_request(LAN_NET(4), broadcast_mac, LAN_ADDR);
	/* routes' next hops and what the operator adds are not turned away */
	assert_int_not_equal(neigh_ref(b->net, LAN, LAN_NET(5), b->now), 0);
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(6), host_mac, b->now), 0);
}

/* Who only asked us, and was never sent anything, makes way for who is needed. */
static void test_evicted(void **state)
{
	(void)state;
	set_conf(3, NULL, 0);
	for (uint8_t i = 1; i <= 3; i++)
		learn(LAN_NET(i), host_mac);
	send_to(LAN_NET(1));
	send_to(LAN_NET(3));
	resolve(LAN_NET(4));
	expect_request(LAN_NET(4), broadcast_mac, LAN_ADDR);
	assert_int_equal(state_of(LAN_NET(1)), NEIGH_REACHABLE);
	assert_int_equal(state_of(LAN_NET(2)), -1);
	assert_int_equal(state_of(LAN_NET(3)), NEIGH_REACHABLE);
}

/* Indexes come back, and a new neighbour does not inherit what was sent to an old one. */
static void test_reuse(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		uint32_t addr = LAN_NET((uint32_t)(1 + round % 250));

		learn(addr, host_mac);
		assert_int_equal(row_of(addr).packets, 0);
		send_to(addr);
		assert_int_equal(row_of(addr).packets, 1);
		assert_int_equal(neigh_del(b->net, LAN, addr, b->now), 0);
		epoch_poll(b->net->epoch);
	}
}

/* A reader that is in the middle of a pass keeps an adjacency from being written over. */
static void test_reader(void **state)
{
	uint32_t adj;

	(void)state;
	learn(LAN_HOST, host_mac);
	adj = bed_index(b, LAN_HOST);
	epoch_online(b->net->epoch, 0);
	neigh_del(b->net, LAN, LAN_HOST, b->now);
	for (int i = 0; i < 300; i++) {
		learn(LAN_NET(2), new_mac);
		assert_int_not_equal(bed_index(b, LAN_NET(2)), adj);
		neigh_del(b->net, LAN, LAN_NET(2), b->now);
		epoch_poll(b->net->epoch);
		if (i == 200)
			break;
	}
	epoch_quiescent(b->net->epoch, 0);
	epoch_offline(b->net->epoch, 0);
	epoch_poll(b->net->epoch);
}

/* No group of the FIB is left for its /32: it cannot be reached, and nobody waits for ever. */
static void test_no_room_in_fib(void **state)
{
	struct net_limits limits = {.routes = 256, .tbl8 = 2, .adjacencies = 64, .groups = 2};

	(void)state;
	bed_free(b);
	b = bed_with(1, &limits);
	bed_iface(b, 3, "big", lan_mac, IP(10, 0, 0, 1), 8);
	bed_up(b, 3);
	bed_wait(b, 5000);
	bed_clear(b);
	for (int round = 0; round < 3; round++) {
		struct event e = {.kind = EVENT_RESOLVE, .iface = 3, .addr = IP(10, 1, 1, 1)};
		struct command c;

		neigh_event(b->net, &e, b->now);
		assert_true(bed_command(b->w, &c));
		assert_int_equal(c.kind, COMMAND_ARP_REQUEST);
		e.kind = EVENT_ARP;
		e.arp_reply = e.arp_to_us = 1;
		memcpy(e.mac, host_mac, 6);
		neigh_event(b->net, &e, b->now);
		assert_true(bed_command(b->w, &c));
		assert_int_equal(c.kind, COMMAND_FAILED);
		bed_wait(b, 5000);
		bed_clear(b);
	}
	assert_int_equal(bed_kind(b, IP(10, 1, 1, 1)), FIB_GLEAN);
}

/* --- workers that do not listen --- */

static void test_full_mailbox(void **state)
{
	struct command c = {.kind = COMMAND_SNAPSHOT};

	(void)state;
	bed_free(b);
	b = bed_new(2);
	resolve(LAN_HOST);
	bed_clear(b);
	while (mailbox_post(b->net->worker[1]->commands, &c))
		;
	arp(LAN_HOST, host_mac, REPLY | TO_US);
	expect(b->w, COMMAND_RESOLVED, LAN_HOST);
	bed_wait(b, 200);
	while (bed_command(b->net->worker[1], &c) && c.kind == COMMAND_SNAPSHOT)
		;
	bed_wait(b, 100);
	expect(b->net->worker[1], COMMAND_RESOLVED, LAN_HOST);
	expect_quiet();
	bed_wait(b, 1000);
	expect_quiet();
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(answer), TEST(no_answer), TEST(dead_host),
		TEST(answer_after_failure), TEST(impossible), TEST(merge), TEST(routed_elsewhere),
		TEST(routed_elsewhere_since), TEST(connected_elsewhere_since),
		TEST(named_and_routed_elsewhere), TEST(awaited_and_routed_elsewhere), TEST(unused),
		TEST(used), TEST(used_but_gone), TEST(next_hop), TEST(gateway_off), TEST(full),
		TEST(evicted), TEST(reuse), TEST(reader), TEST(no_room_in_fib), TEST(full_mailbox)};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
