/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours as links, interfaces, the configuration and the operator change them; RFC 5227. */
#include "neighbours.h"

/* --- static ones, flush, links --- */

static void test_static(void **state)
{
	struct neigh_static s[] = {{.iface = "lan", .addr = LAN_NET(1), .mac = {2, 0, 0, 0, 0, 1}},
		{.iface = "lan", .addr = LAN_NET(2), .mac = {2, 0, 0, 0, 0, 2}},
		{.iface = "nowhere", .addr = LAN_NET(3), .mac = {2, 0, 0, 0, 0, 3}}};

	(void)state;
	set_conf(100, s, 3);
	assert_int_equal(state_of(LAN_NET(1)), NEIGH_STATIC);
	assert_int_equal(state_of(LAN_NET(3)), -1);
	expect_forward(LAN_NET(2), s[1].mac);
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(4), host_mac, b->now), 0);
	bed_clear(b);
	arp(LAN_NET(1), new_mac, TO_US); /* is not believed */
	expect_forward(LAN_NET(1), s[0].mac);
	bed_wait(b, 60 * MINUTE);
	expect_quiet();
	assert_int_equal(neigh_flush(b->net, 0, b->now), 0);
	/* another configuration: one stays, one goes; the operator's stays too */
	memcpy(s[0].mac, new_mac, 6);
	set_conf(100, s, 1);
	expect_forward(LAN_NET(1), new_mac);
	assert_int_equal(state_of(LAN_NET(2)), -1);
	assert_int_equal(state_of(LAN_NET(4)), NEIGH_STATIC);
	/* the link goes and comes */
	bed_down(b, LAN);
	assert_int_equal(state_of(LAN_NET(1)), -1);
	assert_int_equal(bed_kind(b, LAN_NET(1)), FIB_NONE);
	bed_up(b, LAN);
	expect_forward(LAN_NET(1), new_mac);
	expect_forward(LAN_NET(4), host_mac);
	assert_int_equal(neigh_del(b->net, LAN, LAN_NET(4), b->now), 0);
	assert_int_equal(state_of(LAN_NET(4)), -1);
	assert_int_equal(neigh_del(b->net, LAN, LAN_NET(4), b->now), -ENOENT);
}

/*
 * What the configuration says stands until it says otherwise: deleted by hand it would come back
 * with the next link up. The operator may speak against it, and take that back.
 */
static void test_configured_is_not_deleted(void **state)
{
	struct neigh_static s = {.iface = "lan", .addr = LAN_NET(1), .mac = {2, 0, 0, 0, 0, 1}};

	(void)state;
	set_conf(100, &s, 1);
	assert_int_equal(neigh_del(b->net, LAN, LAN_NET(1), b->now), -EPERM);
	expect_forward(LAN_NET(1), s.mac);
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(1), new_mac, b->now), 0);
	expect_forward(LAN_NET(1), new_mac);
	assert_int_equal(neigh_del(b->net, LAN, LAN_NET(1), b->now), 0);
	expect_forward(LAN_NET(1), s.mac);
	set_conf(100, NULL, 0);
	assert_int_equal(state_of(LAN_NET(1)), -1);
}

static void test_bad_static(void **state)
{
	static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};

	(void)state;
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(4), group, b->now), -EINVAL);
	assert_int_equal(neigh_add(b->net, LAN, WAN_HOST, host_mac, b->now), -EINVAL);
	assert_int_equal(neigh_add(b->net, LAN, LAN_ADDR, host_mac, b->now), -EINVAL);
	assert_int_equal(neigh_add(b->net, LAN, LAN_NET(255), host_mac, b->now), -EINVAL);
}

static void test_flush(void **state)
{
	uint32_t adj;

	(void)state;
	learn(LAN_NET(1), host_mac);
	learn(LAN_NET(2), host_mac);
	adj = neigh_ref(b->net, LAN, LAN_NET(2), b->now);
	assert_int_equal(neigh_flush(b->net, WAN, b->now), 0);
	assert_int_equal(neigh_flush(b->net, LAN, b->now), 2);
	assert_int_equal(state_of(LAN_NET(1)), -1);
	assert_int_equal(state_of(LAN_NET(2)), NEIGH_INCOMPLETE); /* a route's: asked for again */
	expect_request(LAN_NET(2), broadcast_mac, LAN_ADDR);
	neigh_unref(b->net, adj);
}

static void test_link(void **state)
{
	uint32_t adj;

	(void)state;
	learn(LAN_NET(1), host_mac);
	adj = neigh_ref(b->net, LAN, LAN_NET(2), b->now);
	resolve(LAN_NET(3));
	bed_clear(b);
	bed_down(b, LAN);
	assert_int_equal(state_of(LAN_NET(1)), -1);
	assert_int_equal(state_of(LAN_NET(2)), NEIGH_FAILED);
	expect(b->w, COMMAND_FAILED, LAN_NET(2)); /* what waits need not wait longer */
	expect(b->w, COMMAND_FAILED, LAN_NET(3));
	resolve(LAN_NET(1));
	arp(LAN_NET(2), host_mac, TO_US);
	bed_wait(b, 5000);
	expect_quiet();
	bed_up(b, LAN);
	expect_request(LAN_NET(2), broadcast_mac, LAN_ADDR);
	arp(LAN_NET(2), host_mac, REPLY | TO_US);
	expect_forward(LAN_NET(2), host_mac);
	assert_int_equal(bed_index(b, LAN_NET(2)), adj);
	neigh_unref(b->net, adj);
}

/* An interface whose MAC, MTU or addresses change keeps the neighbours that are still possible. */
static void test_iface_changes(void **state)
{
	struct iface *f = &b->net->iface[LAN];
	const struct adj *a;

	(void)state;
	learn(LAN_NET(1), host_mac);
	learn(LAN_NET(200), host_mac);
	f->mac = eth_mac_u48(new_mac);
	f->mtu = 9000;
	f->mss = 1400;
	f->vlan = 100;
	f->addrs[0].addr = f->addr = LAN_NET(2);
	f->addrs[0].depth = 25;
	bed_up(b, LAN);
	assert_int_equal(state_of(LAN_NET(1)), NEIGH_REACHABLE);
	assert_int_equal(state_of(LAN_NET(200)), -1);
	assert_int_equal(bed_kind(b, LAN_NET(200)), FIB_NONE);
	a = &b->net->adj[bed_index(b, LAN_NET(1))];
	assert_int_equal(a->mtu, 9000);
	assert_int_equal(a->mss, 1400);
	assert_int_equal(a->l2_len, 18);
	assert_int_equal(a->flags, ADJ_RESOLVED);
	assert_memory_equal(&a->l2_first, host_mac, 6);
	assert_memory_equal((const uint8_t *)&a->l2_first + 6, new_mac, 2);
	assert_memory_equal(a->l2_rest, new_mac + 2, 4);
	assert_memory_equal(a->l2_rest + 4, "\x81\x00\x00\x64\x08\x00", 6);
}

/* An address of ours in place of a neighbour's is not undone when that neighbour ages. */
static void test_our_address_wins(void **state)
{
	struct iface *f = &b->net->iface[LAN];

	(void)state;
	learn(LAN_NET(1), host_mac);
	f->addrs[f->n_addrs++] = (struct iface_addr){.addr = LAN_NET(1), .depth = 24};
	bed_up(b, LAN);
	assert_int_equal(state_of(LAN_NET(1)), -1);
	assert_int_equal(bed_kind(b, LAN_NET(1)), FIB_LOCAL);
	bed_wait(b, 21 * MINUTE);
	assert_int_equal(bed_kind(b, LAN_NET(1)), FIB_LOCAL);
}

/* A route for the neighbour's own address comes first, whoever asked for it. */
static void test_route_wins(void **state)
{
	struct route_conf r = {
		.prefix = LAN_NET(1), .depth = 32, .kind = ROUTE_BLACKHOLE, .preference = 1};

	(void)state;
	assert_int_equal(route_add(b->net, &r, RIB4_OPERATOR, b->now), 0);
	learn(LAN_NET(1), host_mac);
	assert_int_equal(bed_kind(b, LAN_NET(1)), FIB_BLACKHOLE);
	assert_int_equal(route_del(b->net, LAN_NET(1), 32, RIB4_OPERATOR), 0);
	expect_forward(LAN_NET(1), host_mac);
}

/* --- RFC 5227 --- */

static void test_announce(void **state)
{
	(void)state;
	bed_down(b, LAN);
	bed_up(b, LAN);
	expect_request(LAN_ADDR, broadcast_mac, LAN_ADDR);
	expect_quiet();
	bed_wait(b, 1900);
	expect_quiet();
	bed_wait(b, 200);
	expect_request(LAN_ADDR, broadcast_mac, LAN_ADDR);
	bed_wait(b, 10000);
	expect_quiet();
}

/* Ports whose queues are not there yet: announced as soon as they are. */
static void test_announce_late(void **state)
{
	(void)state;
	bed_down(b, LAN);
	b->w->tx[LAN - 1].ready = 0;
	bed_up(b, LAN);
	bed_wait(b, 1000);
	expect_quiet();
	b->w->tx[LAN - 1].ready = 1;
	bed_wait(b, 50);
	expect_request(LAN_ADDR, broadcast_mac, LAN_ADDR);
	bed_down(b, LAN); /* before the second */
	bed_wait(b, 5000);
	expect_quiet();
}

static void test_conflict(void **state)
{
	struct event e = {.kind = EVENT_CONFLICT, .iface = LAN, .addr = LAN_ADDR};

	(void)state;
	memcpy(e.mac, new_mac, 6);
	for (int round = 0; round < 3; round++) {
		neigh_event(b->net, &e, b->now);
		expect_request(LAN_ADDR, broadcast_mac, LAN_ADDR);
		for (int second = 0; second < 10; second++) {
			neigh_event(b->net, &e, b->now); /* both defend: no loop of the two */
			expect_quiet();
			bed_wait(b, 1000);
		}
	}
	e.addr = LAN_HOST; /* not ours any more */
	neigh_event(b->net, &e, b->now);
	expect_quiet();
}

/* VRRP's new owner of an address that the kernel gave us is right. */
static void test_conflict_of_the_kernels(void **state)
{
	struct event e = {.kind = EVENT_CONFLICT, .iface = LAN, .addr = LAN_NET(100)};
	struct iface *f = &b->net->iface[LAN];

	(void)state;
	f->addrs[f->n_addrs++] = (struct iface_addr){.addr = e.addr, .depth = 24, .kernels = true};
	memcpy(e.mac, new_mac, 6);
	neigh_event(b->net, &e, b->now);
	expect_quiet();
	f->addrs[f->n_addrs - 1].kernels = false;
	neigh_event(b->net, &e, b->now);
	expect_request(e.addr, broadcast_mac, e.addr);
	f->n_addrs--;
}

static void test_check(void **state)
{
	struct neigh_static s[] = {
		{.at = {1, 1}, .iface = "lan", .addr = LAN_NET(1), .mac = {1, 0, 0, 0, 0, 1}},
		{.at = {2, 1}, .iface = "lan", .addr = LAN_NET(2), .mac = {2, 0, 0, 0, 0, 2}},
		{.at = {3, 1}, .iface = "wan", .addr = LAN_NET(2), .mac = {2, 0, 0, 0, 0, 2}},
		{.at = {4, 1}, .iface = "lan", .addr = LAN_NET(2), .mac = {2, 0, 0, 0, 0, 3}},
		{.at = {5, 1},
			.iface = "lan",
			.addr = IP(127, 0, 0, 1),
			.mac = {2, 0, 0, 0, 0, 4}}};
	struct neigh_conf c = {.n_static = RTE_DIM(s), .statics = s};
	struct errs e = {0};

	(void)state;
	assert_int_equal(neigh_check(&c, &e), -EINVAL);
	errs_sort(&e);
	assert_int_equal(e.n, 3);
	assert_int_equal(e.list[0].at.line, 1);
	assert_int_equal(e.list[1].at.line, 4);
	assert_int_equal(e.list[2].at.line, 5);
	errs_clear(&e);
	c.n_static = 0;
	assert_int_equal(neigh_check(&c, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(static), TEST(configured_is_not_deleted),
		TEST(bad_static), TEST(flush), TEST(link), TEST(iface_changes),
		TEST(our_address_wins), TEST(route_wins), TEST(announce), TEST(announce_late),
		TEST(conflict), TEST(conflict_of_the_kernels), TEST(check)};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
