/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel tells, as bytes, and what RIB and interfaces have of it. */
#include "kernel_bed.h"

static struct told_route via(uint32_t prefix, uint32_t metric, uint32_t index, uint32_t gateway)
{
	return (struct told_route){
		.prefix = prefix, .depth = 24, .metric = metric, .n = 1, .hop = {{index, gateway}}};
}

static struct told_route gone(struct told_route r)
{
	r.message = RTM_DELROUTE;
	return r;
}

static struct told_route replacing(struct told_route r)
{
	r.flags = NLM_F_REPLACE;
	return r;
}

static void tell(struct told_route r)
{
	tell_route(&told, r);
	turn();
}

static void expect_none(uint32_t addr)
{
	assert_int_equal(bed_kind(b, addr), FIB_NONE);
}

static void expect_fate(enum kernel_fate fate, uint64_t n)
{
	assert_int_equal(kernel_counts(b->net).fate[fate], n);
}

/* --- routes --- */

static void test_come_and_go(void **state)
{
	struct rib4_route r;

	(void)state;
	tell(via(FAR, 20, WAN_K, WAN_HOST));
	expect_via(FAR, WAN_HOST);
	assert_true(rib4_get(b->net->rib, FAR, 24, RIB4_KERNEL, &r));
	assert_int_equal(r.preference, 20);
	assert_int_equal(r.metric, 20);
	tell(replacing(via(FAR, 20, LAN_K, LAN_HOST)));
	expect_via(FAR, LAN_HOST);
	tell(gone(via(FAR, 20, LAN_K, LAN_HOST)));
	expect_none(FAR);
	assert_int_equal(kernel_counts(b->net).routes, 0);
}

static void test_metrics(void **state)
{
	(void)state;
	tell(via(FAR, 20, WAN_K, WAN_HOST));
	tell(via(FAR, 10, LAN_K, LAN_HOST));
	expect_via(FAR, LAN_HOST);
	expect_fate(KERNEL_SHADOWED, 1);
	tell(gone(via(FAR, 10, LAN_K, LAN_HOST)));
	expect_via(FAR, WAN_HOST);
	/* one that cannot be taken does not count, however low its metric */
	tell(via(FAR, 1, OTHER_K, IP(10, 0, 0, 1)));
	expect_via(FAR, WAN_HOST);
	expect_fate(KERNEL_OTHER_LINK, 1);
}

/* Of one metric the first counts: a new one comes before the others unless it says otherwise. */
static void test_order(void **state)
{
	struct told_route last = via(FAR, 0, LAN_K, LAN_NET(3));

	(void)state;
	last.flags = NLM_F_APPEND;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	tell(last);
	expect_via(FAR, WAN_HOST);
	tell(via(FAR, 0, LAN_K, LAN_HOST));
	expect_via(FAR, LAN_HOST);
	tell(replacing(via(FAR, 0, LAN_K, LAN_NET(2))));
	expect_via(FAR, LAN_NET(2));
	tell(gone(via(FAR, 0, LAN_K, LAN_NET(2))));
	expect_via(FAR, WAN_HOST);
	last.flags = NLM_F_MULTI; /* a dump has them in their order, whatever was missed */
	tell_route(&told, last);
	last = via(FAR, 0, WAN_K, WAN_HOST);
	last.flags = NLM_F_MULTI;
	tell(last);
	expect_via(FAR, LAN_NET(3));
	assert_int_equal(kernel_counts(b->net).routes, 2);
}

static void test_static_counts_more(void **state)
{
	struct route_conf c = {
		.prefix = FAR, .depth = 24, .n_via = 1, .via = {LAN_HOST}, .preference = 1};

	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	assert_int_equal(route_add(b->net, &c, RIB4_OPERATOR, b->now), 0);
	expect_via(FAR, LAN_HOST);
	assert_int_equal(route_del(b->net, FAR, 24, RIB4_OPERATOR), 0);
	expect_via(FAR, WAN_HOST);
}

static void test_groups(void **state)
{
	struct told_route r = {.prefix = FAR, .depth = 24, .n = 3};

	(void)state;
	r.hop[0].index = LAN_K;
	r.hop[0].gateway = LAN_HOST;
	r.hop[1].index = WAN_K;
	r.hop[1].gateway = WAN_HOST;
	r.hop[2].index = OTHER_K;
	r.hop[2].gateway = IP(10, 0, 0, 1);
	tell(r);
	assert_int_equal(bed_kind(b, FAR), FIB_GROUP);
	assert_int_equal(b->net->group[bed_index(b, FAR)].n, 2);
	expect_fate(KERNEL_PARTLY, 1);
	r.hop[0].flags = RTNH_F_DEAD;
	r.n = 2;
	tell(replacing(r));
	expect_via(FAR, WAN_HOST);
	r.hop[0].flags = 0;
	tell(replacing(r));
	expect_fate(KERNEL_TAKEN, 1);
	r.hop[1].weight = 4;
	tell(replacing(r));
	expect_fate(KERNEL_PARTLY, 1);
}

static void test_verdicts(void **state)
{
	static const struct {
		uint8_t type;
		enum fib_kind kind;
	} cases[] = {
		{RTN_BLACKHOLE, FIB_BLACKHOLE},
		{RTN_UNREACHABLE, FIB_UNREACHABLE},
		{RTN_PROHIBIT, FIB_UNREACHABLE},
		{RTN_THROW, FIB_NONE},
		{RTN_NAT, FIB_NONE},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct told_route r = {.prefix = FAR, .depth = 24, .type = cases[i].type};

		tell(r);
		assert_int_equal(bed_kind(b, FAR), cases[i].kind);
		tell(gone(r));
		expect_none(FAR);
	}
}

/* Our own, the kernel's own, another table's, a cache's: none of these is even known. */
static void test_what_is_passed_over(void **state)
{
	struct told_route r = via(FAR, 0, WAN_K, WAN_HOST);

	(void)state;
	r.protocol = 77;
	tell(r);
	r.protocol = RTPROT_KERNEL;
	tell(r);
	r.protocol = 0;
	r.table = RT_TABLE_LOCAL;
	tell(r);
	r.table = 100;
	tell(r);
	r.table = 0;
	for (r.type = RTN_LOCAL; r.type <= RTN_MULTICAST; r.type++)
		tell(r);
	expect_none(FAR);
	assert_int_equal(kernel_counts(b->net).routes, 0);
}

static void test_why_not(void **state)
{
	struct told_route tos = via(FAR + 256 * 3, 0, WAN_K, WAN_HOST);

	(void)state;
	tos.tos = 16;
	tell_route(&told, via(FAR, 0, WAN_K, 0));
	tell_route(&told, via(FAR + 256, 0, WAN_K, LAN_HOST)); /* by the wrong interface */
	tell_route(&told, via(FAR + 256 * 2, 0, WAN_K, WAN_ADDR));
	tell_route(&told, tos);
	tell_route(&told, (struct told_route){.prefix = FAR, .depth = 16, .nexthop = 12});
	turn();
	expect_fate(KERNEL_NO_GATEWAY, 1);
	expect_fate(KERNEL_NOT_NEIGHBOUR, 2);
	expect_fate(KERNEL_TOS, 1);
	expect_fate(KERNEL_NO_NEXTHOP, 1);
	assert_int_equal(kernel_counts(b->net).routes, 5);
	assert_int_equal(rib4_count(b->net->rib).routes[RIB4_KERNEL], 0);
}

/* In whatever order object, group and route are told. */
static void test_nexthop_objects(void **state)
{
	struct told_route r = {.prefix = FAR, .depth = 24, .nexthop = 3};

	(void)state;
	tell(r);
	expect_none(FAR);
	tell_group(&told, 3, 1, 2);
	turn();
	expect_none(FAR);
	tell_nexthop(&told, RTM_NEWNEXTHOP, 1, WAN_K, WAN_HOST);
	turn();
	expect_via(FAR, WAN_HOST);
	expect_fate(KERNEL_PARTLY, 1);
	tell_nexthop(&told, RTM_NEWNEXTHOP, 2, LAN_K, LAN_HOST);
	turn();
	assert_int_equal(bed_kind(b, FAR), FIB_GROUP);
	expect_fate(KERNEL_TAKEN, 1);
	tell_nexthop(&told, RTM_NEWNEXTHOP, 1, LAN_K, LAN_HOST); /* both the same now */
	turn();
	expect_via(FAR, LAN_HOST);
	tell_nexthop(&told, RTM_DELNEXTHOP, 3, 0, 0);
	turn();
	expect_none(FAR);
}

/* A group that is its own member, and one of groups: they do not send us round. */
static void test_groups_of_groups(void **state)
{
	(void)state;
	tell_group(&told, 3, 3, 4);
	tell_group(&told, 4, 3, 1);
	tell_route(&told, (struct told_route){.prefix = FAR, .depth = 24, .nexthop = 3});
	turn();
	expect_none(FAR);
	expect_fate(KERNEL_NO_NEXTHOP, 1);
}

/* --- what a dump does not bring is gone --- */

static void test_sweep(void **state)
{
	(void)state;
	tell_route(&told, via(FAR, 0, WAN_K, WAN_HOST));
	tell_route(&told, via(FAR + 256, 0, WAN_K, WAN_HOST));
	turn();
	begin_round(DUMP_ROUTES);
	tell_route(&told, via(FAR, 0, WAN_K, WAN_HOST));
	tell_route(&told, via(FAR + 512, 0, WAN_K, WAN_HOST)); /* told meanwhile */
	tell_round_over(0);
	expect_via(FAR, WAN_HOST);
	expect_none(FAR + 256);
	expect_via(FAR + 512, WAN_HOST);
	assert_int_equal(kernel_counts(b->net).resyncs, 1);
}

/* It changed while it was read: nothing is taken for gone. */
static void test_interrupted(void **state)
{
	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	begin_round(DUMP_ROUTES);
	tell_round_over(NLM_F_DUMP_INTR);
	expect_via(FAR, WAN_HOST);
	assert_int_equal(kernel_counts(b->net).interrupted, 1);
	assert_int_equal(kernel_counts(b->net).resyncs, 0);
}

static void test_garbage(void **state)
{
	struct kernel_counts before = kernel_counts(b->net), after;

	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	tell_route(&told, (struct told_route){.prefix = FAR, .depth = 40});
	tell_route(&told, via(FAR + 256, 0, WAN_K, WAN_HOST)); /* behind a bad one: it counts */
	turn();
	expect_via(FAR + 256, WAN_HOST);
	tell_route(&told, via(FAR + 512, 0, WAN_K, WAN_HOST));
	((struct nlmsghdr *)told.bytes)->nlmsg_len = 4;
	turn();
	expect_none(FAR + 512);
	after = kernel_counts(b->net);
	assert_int_equal(after.malformed - before.malformed, 2);
	expect_via(FAR, WAN_HOST);
}

/* The last port's interface goes, and an apply fails before all is taken back: it goes on. */
static void test_the_end_and_a_build_that_is_abandoned(void **state)
{
	const struct ports_conf none = {0};
	struct errs e = {0};

	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	assert_int_equal(kernel_build(b->net, &kernel_conf_default, &none, &e), 0);
	kernel_publish(b->net, clock_now());
	assert_int_equal(kernel_build(b->net, &kernel_conf_default, &none, &e), 0);
	kernel_abandon(b->net);
	turn();
	expect_none(FAR);
	assert_int_equal(kernel_fd(b->net), -1);
}

/* --- links and addresses --- */

/* What makes all of them be looked at comes faster than that is done: the last have their turn. */
static void test_changes_without_a_pause(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 64; i++)
		tell_route(&told, via(FAR + 256 * i, 0, WAN_K, WAN_HOST));
	turn();
	expect_via(FAR + 256 * 63, WAN_HOST);
	tell_link(&told, RTM_NEWLINK, WAN_K, "wan-k", false);
	for (uint32_t i = 1; i <= 8; i++) {
		tell_addr(&told, i % 2 ? RTM_NEWADDR : RTM_DELADDR, LAN_K, VIP, 32, 0);
		assert_int_equal(send(kernel, told.bytes, told.n, 0), told.n);
		told.n = 0;
		b->net->kernel->again = false;
		kernel_work(b->net, 0); /* as little as there can be */
	}
	rib4_poll(b->net->rib, clock_now() + clock_of_ms(1000));
	expect_none(FAR);
	expect_none(FAR + 256 * 63);
}

static void test_a_link_that_goes(void **state)
{
	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	tell_link(&told, RTM_DELLINK, WAN_K, "wan-k", false);
	turn();
	expect_none(FAR);
	expect_fate(KERNEL_OTHER_LINK, 1);
	tell_link(&told, RTM_NEWLINK, WAN_K + 10, "wan-k", true);
	tell_route(&told, via(FAR, 0, WAN_K + 10, WAN_HOST));
	turn();
	expect_via(FAR, WAN_HOST);
}

static void test_a_link_of_another_name(void **state)
{
	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	tell_link(&told, RTM_NEWLINK, WAN_K, "renamed", true);
	turn();
	expect_none(FAR);
	tell_link(&told, RTM_NEWLINK, WAN_K, "wan-k", true);
	turn();
	expect_via(FAR, WAN_HOST);
}

static void test_a_link_that_is_set_down(void **state)
{
	(void)state;
	tell(via(FAR, 0, WAN_K, WAN_HOST));
	tell_link(&told, RTM_NEWLINK, WAN_K, "wan-k", false);
	turn();
	expect_none(FAR);
	assert_true(b->net->iface[WAN].flags & IFACE_UP);
	tell_link(&told, RTM_NEWLINK, WAN_K, "wan-k", true);
	turn();
	expect_via(FAR, WAN_HOST);
}

static void test_addresses(void **state)
{
	(void)state;
	tell_addr(&told, RTM_NEWADDR, WAN_K, WAN_ADDR, 24, 0); /* the configuration's */
	tell_addr(&told, RTM_NEWADDR, WAN_K, WAN_NET(78), 24, 77);
	tell_addr(&told, RTM_NEWADDR, OTHER_K, WAN_NET(79), 24, 0);
	turn();
	assert_int_equal(b->net->iface[WAN].n_addrs, 1);
	tell_addr(&told, RTM_NEWADDR, WAN_K, VIP, 32, 0);
	tell_addr(&told, RTM_NEWADDR, WAN_K, IP(192, 0, 2, 1), 24, 0);
	turn();
	assert_int_equal(bed_kind(b, VIP), FIB_LOCAL);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 9)), FIB_GLEAN);
	assert_int_equal(kernel_counts(b->net).addresses, 2);
	tell(via(FAR, 0, WAN_K, IP(192, 0, 2, 9)));
	expect_via(FAR, IP(192, 0, 2, 9));
	tell_addr(&told, RTM_DELADDR, WAN_K, VIP, 32, 0);
	tell_addr(&told, RTM_DELADDR, WAN_K, IP(192, 0, 2, 1), 24, 0);
	turn();
	assert_int_equal(bed_kind(b, VIP), FIB_GLEAN);
	expect_none(IP(192, 0, 2, 9));
	expect_none(FAR);
	assert_int_equal(b->net->iface[WAN].n_addrs, 1);
}

/* More than an interface of ours has room for; those that are no host's do not come at all. */
static void test_many_addresses(void **state)
{
	(void)state;
	tell_addr(&told, RTM_NEWADDR, WAN_K, IP(127, 0, 0, 9), 32, 0);
	tell_addr(&told, RTM_NEWADDR, WAN_K, IP(224, 0, 0, 9), 32, 0);
	for (uint32_t i = 0; i < 2 * KERNEL_LINK_ADDRS; i++)
		tell_addr(&told, RTM_NEWADDR, WAN_K, IP(192, 0, 2, 1) + i, 32, 0);
	turn();
	assert_int_equal(b->net->iface[WAN].n_addrs, IFACE_ADDRS);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 1)), FIB_LOCAL);
	expect_none(IP(127, 0, 0, 9));
	tell_link(&told, RTM_DELLINK, WAN_K, "wan-k", false);
	turn();
	assert_int_equal(b->net->iface[WAN].n_addrs, 1);
}

static void expect_wans(void)
{
	assert_int_equal(bed_kind(b, WAN_ADDR), FIB_LOCAL);
	assert_int_equal(bed_index(b, WAN_ADDR), WAN);
	assert_int_equal(bed_kind(b, WAN_HOST), FIB_GLEAN);
	assert_int_equal(bed_index(b, WAN_HOST), WAN);
}

/* As with the kernel, an address of no network at all makes no route of its network: all would go.
 */
static void test_an_address_of_no_network(void **state)
{
	(void)state;
	tell_addr(&told, RTM_NEWADDR, WAN_K, VIP, 0, 0);
	turn();
	assert_int_equal(bed_kind(b, VIP), FIB_LOCAL);
	expect_none(FAR);
}

/* What another port has by its configuration stays its own, while they are there and after. */
static void test_addresses_of_another_port(void **state)
{
	(void)state;
	tell_addr(&told, RTM_NEWADDR, LAN_K, VIP, 24, 0);
	tell_addr(&told, RTM_NEWADDR, LAN_K, WAN_ADDR, 32, 0);
	turn();
	assert_int_equal(bed_kind(b, VIP), FIB_LOCAL);
	expect_wans();
	tell_addr(&told, RTM_DELADDR, LAN_K, VIP, 24, 0);
	tell_addr(&told, RTM_DELADDR, LAN_K, WAN_ADDR, 32, 0);
	turn();
	expect_wans();
}

/* Nor do gateways on a port's network go with another one that was given the same. */
static void test_gateways_on_a_network_of_two_ports(void **state)
{
	struct route_conf c = {.prefix = FAR, .depth = 24, .n_via = 1, .preference = 1};

	(void)state;
	for (uint16_t other = LAN; other <= WAN; other++) {
		uint32_t link = other == LAN ? LAN_K : WAN_K;
		uint32_t host = other == LAN ? WAN_HOST : LAN_HOST;

		c.via[0] = host;
		assert_int_equal(route_add(b->net, &c, RIB4_OPERATOR, b->now), 0);
		tell_addr(&told, RTM_NEWADDR, link, host + 70, 24, 0);
		turn();
		expect_via(FAR, host);
		assert_int_equal(b->net->adj[bed_index(b, FAR)].iface, other == LAN ? WAN : LAN);
		assert_int_equal(route_del(b->net, FAR, 24, RIB4_OPERATOR), 0);
		tell_addr(&told, RTM_DELADDR, link, host + 70, 24, 0);
		turn();
	}
}

/* Of two interfaces that were given one address the other has it when one loses it. */
static void test_one_address_twice(void **state)
{
	(void)state;
	tell_addr(&told, RTM_NEWADDR, LAN_K, FAR, 32, 0);
	tell_addr(&told, RTM_NEWADDR, WAN_K, FAR, 32, 0);
	turn();
	assert_int_equal(bed_index(b, FAR), LAN);
	tell_addr(&told, RTM_DELADDR, LAN_K, FAR, 32, 0);
	turn();
	assert_int_equal(bed_kind(b, FAR), FIB_LOCAL);
	assert_int_equal(bed_index(b, FAR), WAN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_come_and_go),
		TEST(test_metrics),
		TEST(test_order),
		TEST(test_static_counts_more),
		TEST(test_groups),
		TEST(test_verdicts),
		TEST(test_what_is_passed_over),
		TEST(test_why_not),
		TEST(test_nexthop_objects),
		TEST(test_groups_of_groups),
		TEST(test_sweep),
		TEST(test_interrupted),
		TEST(test_garbage),
		TEST(test_the_end_and_a_build_that_is_abandoned),
		TEST(test_changes_without_a_pause),
		TEST(test_a_link_that_goes),
		TEST(test_a_link_of_another_name),
		TEST(test_a_link_that_is_set_down),
		TEST(test_addresses),
		TEST(test_many_addresses),
		TEST(test_an_address_of_no_network),
		TEST(test_addresses_of_another_port),
		TEST(test_gateways_on_a_network_of_two_ports),
		TEST(test_one_address_twice),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
