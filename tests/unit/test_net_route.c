/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: what follows from addresses, gateways that come and go, groups, and a new configuration.
 */
#include "bed.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static struct bed *b;

#define FAR  IP(203, 0, 113, 0)
#define DOC2 IP(198, 51, 100, 0)

static int setup(void **state)
{
	(void)state;
	b = bed_new(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_free(b);
	return 0;
}

static struct route_conf via(uint32_t prefix, uint8_t depth, uint32_t gateway)
{
	return (struct route_conf){
		.prefix = prefix, .depth = depth, .n_via = 1, .via = {gateway}, .preference = 1};
}

static struct route_conf via2(uint32_t prefix, uint8_t depth, uint32_t one, uint32_t two)
{
	return (struct route_conf){
		.prefix = prefix, .depth = depth, .n_via = 2, .via = {one, two}, .preference = 1};
}

static int add(struct route_conf r)
{
	int rc = route_add(b->net, &r, RIB4_OPERATOR, b->now);

	bed_clear(b);
	return rc;
}

static void publish(struct route_conf *list, uint32_t n)
{
	struct routes_conf c = {n, list};

	assert_int_equal(route_build(b->net, &c), 0);
	route_publish(b->net, b->now);
	route_retire(b->net);
	bed_clear(b);
}

/* The FIB sends addr to that neighbour. */
static void expect_via(uint32_t addr, uint32_t gateway)
{
	assert_int_equal(bed_kind(b, addr), FIB_FORWARD);
	assert_int_equal(b->net->adj[bed_index(b, addr)].addr, gateway);
}

/* How many buckets of addr's group lead to that neighbour. */
static uint32_t buckets(uint32_t addr, uint32_t gateway)
{
	const struct group *g = &b->net->group[bed_index(b, addr)];
	uint32_t n = 0;

	assert_int_equal(bed_kind(b, addr), FIB_GROUP);
	for (int i = 0; i < GROUP_BUCKETS; i++)
		n += b->net->adj[g->bucket[i]].addr == gateway;
	return n;
}

/* --- connected --- */

static void test_connected(void **state)
{
	static const struct {
		uint32_t addr;
		enum fib_kind kind;
		uint32_t index;
	} cases[] = {
		{LAN_ADDR, FIB_LOCAL, LAN},
		{LAN_NET(0), FIB_BROADCAST, LAN},
		{LAN_NET(255), FIB_BROADCAST, LAN},
		{LAN_NET(1), FIB_GLEAN, LAN},
		{WAN_ADDR, FIB_LOCAL, WAN},
		{WAN_NET(255), FIB_BROADCAST, WAN},
		{IP(198, 18, 2, 0), FIB_NONE, 0},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		assert_int_equal(bed_kind(b, cases[i].addr), cases[i].kind);
		assert_int_equal(bed_index(b, cases[i].addr), cases[i].index);
	}
	bed_down(b, LAN);
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		assert_int_equal(bed_kind(b, cases[i].addr),
			cases[i].index == LAN ? FIB_NONE : cases[i].kind);
	bed_up(b, LAN);
	assert_int_equal(bed_kind(b, LAN_ADDR), FIB_LOCAL);
	assert_int_equal(bed_kind(b, LAN_HOST), FIB_GLEAN);
}

/* RFC 3021: both addresses of a /31 are hosts; a /32 is only itself. */
static void test_short_networks(void **state)
{
	(void)state;
	bed_iface(b, 3, "p2p", lan_mac, IP(192, 0, 2, 4), 31);
	bed_up(b, 3);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 4)), FIB_LOCAL);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 5)), FIB_GLEAN);
	bed_iface(b, 4, "host", lan_mac, IP(192, 0, 2, 9), 32);
	bed_up(b, 4);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 9)), FIB_LOCAL);
	assert_int_equal(bed_kind(b, IP(192, 0, 2, 8)), FIB_NONE);
	assert_int_equal(add(via(FAR, 24, IP(192, 0, 2, 5))), 0);
	expect_via(FAR, IP(192, 0, 2, 5));
}

/* Two addresses of one network, then one of them, then the other's prefix gets longer. */
static void test_addresses_change(void **state)
{
	struct iface *f = &b->net->iface[LAN];

	(void)state;
	f->addrs[f->n_addrs++] = (struct iface_addr){LAN_NET(253), 24};
	bed_up(b, LAN);
	assert_int_equal(bed_kind(b, LAN_NET(253)), FIB_LOCAL);
	f->addrs[0] = f->addrs[--f->n_addrs];
	bed_up(b, LAN);
	assert_int_equal(bed_kind(b, LAN_NET(253)), FIB_LOCAL);
	assert_int_equal(bed_kind(b, LAN_NET(254)), FIB_GLEAN);
	assert_int_equal(bed_kind(b, LAN_NET(255)), FIB_BROADCAST);
	f->addrs[0] = (struct iface_addr){LAN_NET(130), 25};
	bed_up(b, LAN);
	assert_int_equal(bed_kind(b, LAN_NET(1)), FIB_NONE);
	assert_int_equal(bed_kind(b, LAN_NET(0)), FIB_NONE);
	assert_int_equal(bed_kind(b, LAN_NET(128)), FIB_BROADCAST);
	assert_int_equal(bed_kind(b, LAN_NET(129)), FIB_GLEAN);
	assert_int_equal(bed_kind(b, LAN_NET(253)), FIB_GLEAN);
}

static void test_loopback(void **state)
{
	struct iface *lo = &b->net->iface[IFACE_LOOPBACK];

	(void)state;
	lo->addrs[0] = (struct iface_addr){IP(198, 18, 255, 1), 24};
	lo->n_addrs = 1;
	route_iface_up(b->net, IFACE_LOOPBACK, b->now);
	assert_int_equal(fib4_lookup(b->net->fib, IP(198, 18, 255, 1)),
		fib_entry_make(FIB_LOCAL, IFACE_LOOPBACK));
	assert_int_equal(bed_kind(b, IP(198, 18, 255, 2)), FIB_NONE);
	route_iface_down(b->net, IFACE_LOOPBACK, b->now);
	assert_int_equal(bed_kind(b, IP(198, 18, 255, 1)), FIB_NONE);
}

/* --- one gateway --- */

static void test_gateway(void **state)
{
	(void)state;
	assert_int_equal(add(via(FAR, 24, WAN_HOST)), 0);
	assert_int_equal(add(via(FAR, 16, LAN_HOST)), -EINVAL); /* host bits */
	expect_via(FAR + 9, WAN_HOST);
	assert_int_equal(add(via(FAR, 25, LAN_HOST)), 0);
	expect_via(FAR + 9, LAN_HOST);
	bed_down(b, LAN);
	expect_via(FAR + 9, WAN_HOST); /* the next shorter one serves */
	bed_down(b, WAN);
	assert_int_equal(bed_kind(b, FAR + 9), FIB_NONE);
	bed_up(b, LAN);
	bed_up(b, WAN);
	expect_via(FAR + 9, LAN_HOST);
	expect_via(FAR + 200, WAN_HOST);
	assert_int_equal(route_del(b->net, FAR, 25, RIB4_OPERATOR), 0);
	expect_via(FAR + 9, WAN_HOST);
	assert_int_equal(route_del(b->net, FAR, 25, RIB4_OPERATOR), -ENOENT);
	assert_int_equal(route_del(b->net, FAR, 24, RIB4_STATIC), -ENOENT);
}

static void test_refused(void **state)
{
	struct route_conf r = via(FAR, 24, WAN_HOST);

	(void)state;
	assert_int_equal(add(via(FAR, 24, IP(10, 0, 0, 1))), -EINVAL);
	assert_int_equal(add(via(FAR, 24, LAN_ADDR)), -EINVAL);
	assert_int_equal(add(via(FAR, 24, LAN_NET(255))), -EINVAL);
	assert_int_equal(add(via(FAR, 24, 0)), -EINVAL);
	assert_int_equal(add(via(FAR, 24, IP(224, 0, 0, 1))), -EINVAL);
	assert_int_equal(add(via2(FAR, 24, LAN_HOST, LAN_HOST)), -EINVAL);
	assert_int_equal(add(via(FAR, 33, LAN_HOST)), -EINVAL);
	r.n_via = 0;
	assert_int_equal(add(r), -EINVAL);
	r.n_via = GROUP_MEMBERS + 1;
	assert_int_equal(add(r), -EINVAL);
	assert_int_equal(bed_kind(b, FAR), FIB_NONE);
	assert_int_equal(add(via(FAR, 24, WAN_HOST)), 0);
	assert_int_equal(add(via(FAR, 24, LAN_HOST)), -EEXIST);
	expect_via(FAR, WAN_HOST);
	bed_down(b, LAN);
	assert_int_equal(add(via(DOC2, 24, LAN_HOST)), 0); /* waits for its link */
	assert_int_equal(bed_kind(b, DOC2), FIB_NONE);
	bed_up(b, LAN);
	expect_via(DOC2, LAN_HOST);
}

static void test_verdicts(void **state)
{
	struct route_conf black = {
		.prefix = FAR, .depth = 24, .kind = ROUTE_BLACKHOLE, .preference = 1};
	struct route_conf unreachable = {
		.prefix = FAR, .depth = 25, .kind = ROUTE_UNREACHABLE, .preference = 1};

	(void)state;
	assert_int_equal(add(black), 0);
	assert_int_equal(add(unreachable), 0);
	assert_int_equal(bed_kind(b, FAR + 1), FIB_UNREACHABLE);
	assert_int_equal(bed_kind(b, FAR + 129), FIB_BLACKHOLE);
	bed_down(b, LAN);
	bed_down(b, WAN);
	assert_int_equal(bed_kind(b, FAR + 1), FIB_UNREACHABLE);
}

/* The longest connected network has the gateway, as it has any destination. */
static void test_longest_network(void **state)
{
	(void)state;
	bed_iface(b, 3, "inner", lan_mac, LAN_NET(2), 28);
	bed_up(b, 3);
	assert_int_equal(add(via(FAR, 24, LAN_NET(1))), 0);
	assert_int_equal(b->net->adj[bed_index(b, FAR)].iface, 3);
	bed_down(b, 3); /* the wider network remains */
	assert_int_equal(b->net->adj[bed_index(b, FAR)].iface, LAN);
	bed_up(b, 3);
	assert_int_equal(b->net->adj[bed_index(b, FAR)].iface, 3);
}

/* --- groups --- */

static void test_group(void **state)
{
	uint32_t before[GROUP_BUCKETS];
	const struct group *g;

	(void)state;
	assert_int_equal(add(via2(FAR, 24, LAN_HOST, WAN_HOST)), 0);
	assert_int_equal(buckets(FAR, LAN_HOST), 32);
	assert_int_equal(buckets(FAR, WAN_HOST), 32);
	g = &b->net->group[bed_index(b, FAR)];
	memcpy(before, g->bucket, sizeof(before));
	bed_down(b, WAN);
	assert_int_equal(buckets(FAR, LAN_HOST), 64);
	for (int i = 0; i < GROUP_BUCKETS; i++) {
		if (b->net->adj[before[i]].addr == LAN_HOST)
			assert_int_equal(before[i], g->bucket[i]);
	}
	bed_down(b, LAN);
	assert_int_equal(bed_kind(b, FAR), FIB_NONE);
	bed_up(b, WAN);
	assert_int_equal(buckets(FAR, WAN_HOST), 64);
	bed_up(b, LAN);
	assert_int_equal(buckets(FAR, LAN_HOST), 32);
}

static void heard(uint32_t addr, uint16_t iface)
{
	struct event e = {.kind = EVENT_ARP,
		.arp_reply = 1,
		.arp_to_us = 1,
		.iface = iface,
		.mac = {2, 0, 0, 0, 0, 1},
		.addr = addr};

	neigh_event(b->net, &e, b->now);
	bed_wait(b, 50);
	bed_clear(b);
}

/* A gateway that does not answer has no part, as long as there is one that does. */
static void test_group_silent(void **state)
{
	(void)state;
	assert_int_equal(add(via2(FAR, 24, LAN_HOST, WAN_HOST)), 0);
	heard(LAN_HOST, LAN);
	assert_int_equal(buckets(FAR, WAN_HOST), 32); /* it is still being asked */
	bed_wait(b, 3200);
	assert_int_equal(buckets(FAR, LAN_HOST), 64);
	bed_wait(b, 60000);
	assert_int_equal(buckets(FAR, LAN_HOST), 64);
	heard(WAN_HOST, WAN);
	assert_int_equal(buckets(FAR, WAN_HOST), 32);
	bed_down(b, LAN);
	bed_up(b, LAN);
	assert_int_equal(buckets(FAR, LAN_HOST), 32);
	heard(LAN_HOST, LAN);
	assert_int_equal(buckets(FAR, LAN_HOST), 32);
}

/* Of several that are all silent, each is tried. */
static void test_group_all_silent(void **state)
{
	(void)state;
	assert_int_equal(add(via2(FAR, 24, LAN_HOST, WAN_HOST)), 0);
	bed_wait(b, 5000);
	assert_int_equal(buckets(FAR, LAN_HOST), 32);
	assert_int_equal(buckets(FAR, WAN_HOST), 32);
	heard(WAN_HOST, WAN);
	assert_int_equal(buckets(FAR, WAN_HOST), 64);
}

/* A thousand routes by the same gateways, in whatever order, are one group. */
static void test_group_shared(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t prefix = IP(100, 64, 0, 0) + (i << 8);

		assert_int_equal(add(i & 1 ? via2(prefix, 24, LAN_HOST, WAN_HOST)
					   : via2(prefix, 24, WAN_HOST, LAN_HOST)),
			0);
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(bed_index(b, IP(100, 64, 0, 0) + (i << 8)),
			bed_index(b, IP(100, 64, 0, 0)));
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(
			route_del(b->net, IP(100, 64, 0, 0) + (i << 8), 24, RIB4_OPERATOR), 0);
	/* and come back when nobody uses them: there are only seven */
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(add(via2(FAR, 24, LAN_NET(1 + i), WAN_HOST)), 0);
		assert_int_equal(bed_kind(b, FAR), FIB_GROUP);
		assert_int_equal(route_del(b->net, FAR, 24, RIB4_OPERATOR), 0);
		bed_wait(b, 50);
		bed_clear(b);
	}
}

static void test_no_group_left(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 7; i++)
		assert_int_equal(add(via2(IP(100, 64, i, 0), 24, LAN_NET(1 + i), WAN_HOST)), 0);
	assert_int_equal(add(via2(FAR, 24, LAN_NET(100), WAN_HOST)), 0);
	assert_int_equal(bed_kind(b, FAR), FIB_FORWARD); /* better than nothing */
	assert_int_equal(route_del(b->net, IP(100, 64, 0, 0), 24, RIB4_OPERATOR), 0);
}

/* A group is free again: whoever finds that out, every route of the set has it from then on. */
static void test_a_group_for_all(void **state)
{
	(void)state;
	for (int publishes = 0; publishes < 2; publishes++) {
		test_no_group_left(NULL);
		bed_wait(b, 100);
		if (publishes)
			publish(NULL, 0);
		else
			assert_int_equal(add(via2(DOC2, 24, LAN_NET(100), WAN_HOST)), 0);
		assert_int_equal(buckets(FAR, WAN_HOST), 32);
		bed_down(b, LAN);
		bed_down(b, WAN);
		assert_int_equal(bed_kind(b, FAR), FIB_NONE); /* and gives it back */
		bed_up(b, LAN);
		bed_up(b, WAN);
		route_del(b->net, FAR, 24, RIB4_OPERATOR);
		route_del(b->net, DOC2, 24, RIB4_OPERATOR);
		for (uint32_t i = 1; i < 7; i++)
			route_del(b->net, IP(100, 64, i, 0), 24, RIB4_OPERATOR);
		bed_wait(b, 100);
	}
}

/* --- a new configuration --- */

static void test_publish(void **state)
{
	struct route_conf one[] = {
		via(FAR, 24, WAN_HOST), via(DOC2, 24, LAN_HOST), via(DOC2, 25, WAN_HOST)};
	struct route_conf two[] = {via(DOC2, 24, LAN_NET(2)), via(FAR, 24, WAN_HOST)};

	(void)state;
	publish(one, 3);
	expect_via(FAR, WAN_HOST);
	expect_via(DOC2, WAN_HOST);
	expect_via(DOC2 + 128, LAN_HOST);
	assert_int_equal(add(via(IP(100, 64, 0, 0), 24, WAN_HOST)), 0);
	assert_int_equal(add(via(FAR, 24, LAN_HOST)), 0); /* the same preference: static counts */
	expect_via(FAR, WAN_HOST);
	publish(two, 2);
	expect_via(FAR, WAN_HOST);
	expect_via(DOC2, LAN_NET(2));
	expect_via(DOC2 + 128, LAN_NET(2));
	publish(NULL, 0);
	expect_via(FAR, LAN_HOST); /* the operator's is untouched */
	expect_via(IP(100, 64, 0, 0), WAN_HOST);
	assert_int_equal(bed_kind(b, DOC2), FIB_NONE);
}

/* A build that is followed by another one, not by publish, leaves nothing behind. */
static void test_abandoned(void **state)
{
	struct route_conf one[] = {via(FAR, 24, WAN_HOST)}, two[] = {via(DOC2, 24, LAN_HOST)};
	struct routes_conf c = {1, one};

	(void)state;
	assert_int_equal(route_build(b->net, &c), 0);
	publish(two, 1);
	assert_int_equal(bed_kind(b, FAR), FIB_NONE);
	expect_via(DOC2, LAN_HOST);
	route_publish(b->net, b->now); /* of nothing */
	expect_via(DOC2, LAN_HOST);
}

static _Atomic bool stop;
static _Atomic uint64_t looks, gaps;

static void *watch(void *arg)
{
	const struct net *net = arg;

	while (!atomic_load(&stop)) {
		epoch_online(net->epoch, 0);
		gaps += fib_entry_kind(fib4_lookup(net->fib, FAR)) == FIB_NONE;
		gaps += fib_entry_kind(fib4_lookup(net->fib, DOC2 + 128)) == FIB_NONE;
		looks++;
		epoch_offline(net->epoch, 0);
	}
	return NULL;
}

/* Beside a reader: what stays, and what changes its gateway, is there at every moment. */
static void test_no_gap(void **state)
{
	struct route_conf one[] = {via(FAR, 24, WAN_HOST), via(DOC2, 24, LAN_HOST)};
	struct route_conf two[] = {via2(DOC2, 24, LAN_HOST, WAN_HOST), via(FAR, 24, WAN_HOST),
		via(DOC2, 25, WAN_HOST)};
	pthread_t reader;

	(void)state;
	publish(one, 2);
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&reader, NULL, watch, b->net), 0);
	while (atomic_load(&looks) == 0)
		sched_yield();
	for (int i = 0; i < 1000; i++) {
		publish(i & 1 ? one : two, i & 1 ? 2 : 3);
		for (bed_wait(b, 50); epoch_waiting(b->net->epoch) > 0; sched_yield())
			epoch_poll(b->net->epoch);
	}
	atomic_store(&stop, true);
	pthread_join(reader, NULL);
	assert_int_equal(gaps, 0);
}

/* Many: in time that grows with their number, not with its square. */
static void test_many(void **state)
{
	struct net_limits limits = net_limits_default;
	uint32_t n = 100000;
	struct route_conf *list = calloc(n, sizeof(*list));
	clock_t start;

	(void)state;
	bed_free(b);
	b = bed_with(1, &limits);
	assert_non_null(list);
	for (uint32_t i = 0; i < n; i++)
		list[i] = via(
			IP(20, 0, 0, 0) + (i << 8), 24, i & 1 ? WAN_NET(1 + i % 200) : LAN_HOST);
	start = clock();
	publish(list, n);
	publish(list, n);
	for (uint32_t i = 0; i < n; i += 997)
		expect_via(list[i].prefix, list[i].via[0]);
	bed_down(b, WAN);
	for (uint32_t i = 0; i < n; i += 997)
		assert_int_equal(bed_kind(b, list[i].prefix), i & 1 ? FIB_NONE : FIB_FORWARD);
	bed_up(b, WAN);
	publish(NULL, 0);
	assert_true(clock() - start < 5 * CLOCKS_PER_SEC); /* of CPU; a square would take hours */
	assert_int_equal(bed_kind(b, list[0].prefix), FIB_NONE);
	free(list);
}

static void test_check(void **state)
{
	struct route_conf list[] = {via(FAR, 24, WAN_HOST), via(FAR + 1, 24, WAN_HOST),
		via(DOC2, 24, IP(255, 255, 255, 255)), via2(DOC2, 25, LAN_HOST, LAN_HOST),
		via(FAR, 24, LAN_HOST), via(FAR, 25, LAN_HOST)};
	struct routes_conf c = {RTE_DIM(list), list};
	struct errs e = {0};

	(void)state;
	for (uint32_t i = 0; i < c.n; i++)
		list[i].at.line = i + 1;
	assert_int_equal(route_check(&c, &e), -EINVAL);
	errs_sort(&e);
	assert_int_equal(e.n, 4);
	for (uint32_t i = 0; i < e.n; i++)
		assert_int_equal(e.list[i].at.line, i + 2);
	errs_clear(&e);
	c.n = 1;
	assert_int_equal(route_check(&c, &e), 0);
}

/* --- the view --- */

struct view {
	uint32_t n[RIB4_ORIGINS], waiting, shadowed, installed;
};

static void count(const struct route_row *row, void *arg)
{
	struct view *v = arg;

	v->n[row->origin]++;
	v->waiting += row->entry == 0;
	v->shadowed += row->entry != 0 && !row->best;
	v->installed += row->installed;
	assert_int_equal(row->conf != NULL, row->origin != RIB4_CONNECTED);
	if (row->conf != NULL)
		assert_int_equal(row->conf->prefix, row->prefix);
}

static void test_walk(void **state)
{
	struct route_conf one[] = {via(FAR, 24, WAN_HOST), via2(DOC2, 24, LAN_HOST, WAN_HOST)};

	(void)state;
	publish(one, 2);
	assert_int_equal(add(via(FAR, 24, LAN_HOST)), 0);
	assert_int_equal(add(via(IP(100, 64, 0, 0), 10, WAN_HOST)), 0);
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	for (uint32_t most = 1; most < 3000; most *= 7) {
		struct view v = {0};
		uint32_t cursor = 0;

		do {
			cursor = route_walk(b->net, cursor, most, count, &v);
		} while (cursor != 0);
		assert_int_equal(v.n[RIB4_CONNECTED], 8);
		assert_int_equal(v.n[RIB4_STATIC], 2);
		assert_int_equal(v.n[RIB4_OPERATOR], 2);
		assert_int_equal(v.waiting, 0);
		assert_int_equal(v.shadowed, 1);
		assert_int_equal(v.installed, 11);
	}
	bed_down(b, WAN);
	while (rib4_poll(b->net->rib, clock_now()) > 0)
		;
	struct view v = {0};

	assert_int_equal(route_walk(b->net, 0, UINT32_MAX, count, &v), 0);
	assert_int_equal(v.waiting, 2);
	assert_int_equal(v.n[RIB4_CONNECTED], 4);
	assert_int_equal(v.installed, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(connected), TEST(short_networks),
		TEST(addresses_change), TEST(loopback), TEST(gateway), TEST(refused),
		TEST(verdicts), TEST(longest_network), TEST(group), TEST(group_silent),
		TEST(group_all_silent), TEST(group_shared), TEST(no_group_left),
		TEST(a_group_for_all), TEST(publish), TEST(abandoned), TEST(no_gap), TEST(many),
		TEST(check), TEST(walk)};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
