/* SPDX-License-Identifier: BSD-3-Clause */
/* Parks: order, bounds, both ends, time, and that nothing is lost from the books. */
#include "bed.h"
#include "net/error.h"
#include "wire/ip4_hdr.h"

static struct bed *b;

static int setup(void **state)
{
	(void)state;
	b = bed_new(1);
	b->net->set.park_each = 4;
	b->net->set.park_total = 10;
	b->net->set.park_ms = 5000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	park_drop_all(b->w);
	bed_rest(b);
	bed_free(b);
	return 0;
}

/* A packet to dst with this identification, as forwarded or of our own, parked for a next hop. */
static void park(uint32_t next_hop, uint16_t id, uint16_t port)
{
	uint8_t frame[ETH_HDR_LEN + IP4_HDR_LEN] = {0};
	struct ip4_fields f = {.total_len = IP4_HDR_LEN,
		.id = id,
		.ttl = 64,
		.proto = IP4_PROTO_UDP,
		.src = WAN_HOST,
		.dst = IP(198, 19, 0, 7)};
	struct rte_mbuf *m;

	ip4_hdr_build((struct ip4_hdr *)(frame + ETH_HDR_LEN), &f);
	m = bed_frame(b, port, frame, sizeof(frame));
	park_put(b->w, m, LAN, next_hop);
}

static uint16_t id_of(const struct rte_mbuf *m)
{
	return from_be16(pkt_ip4(m)->id);
}

/* The lane holds packets first, first + 1 ... first + n - 1, which are then taken off. */
static void expect_lane(struct lane *l, uint16_t first, uint32_t n)
{
	assert_int_equal(l->n, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(id_of(l->pkt[i]), first + i);
		if (l != &b->w->error)
			assert_int_equal(l->aux[i], IP(198, 19, 0, 7));
		else
			assert_int_equal(error_cause(l->aux[i]), ERROR_NEIGHBOUR);
	}
	rte_pktmbuf_free_bulk(l->pkt, n);
	l->n = 0;
}

static void expect_event(uint32_t addr)
{
	struct event e;

	assert_true(bed_event(b->w, &e));
	assert_int_equal(e.kind, EVENT_RESOLVE);
	assert_int_equal(e.iface, LAN);
	assert_int_equal(e.addr, addr);
}

static void expect_no_event(void)
{
	struct event e;

	assert_false(bed_event(b->w, &e));
}

static void test_resolved(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 3; id++)
		park(LAN_HOST, id, WAN);
	expect_event(LAN_HOST);
	expect_no_event(); /* one request for all of them */
	assert_int_equal(park_held(b->w->park), 3);
	assert_int_equal(stage_unpark(b->w), 0);
	park_resolved(b->w, LAN, LAN_HOST);
	park(LAN_HOST, 4, WAN); /* joins behind, instead of overtaking */
	assert_int_equal(stage_unpark(b->w), 4);
	assert_true(b->w->in.pkt[0]->port & PKT_WAITED);
	expect_lane(&b->w->in, 1, 4);
	expect_no_event();
	assert_int_equal(park_held(b->w->park), 0);
	assert_int_equal(b->w->count[COUNT_parked], 4);
	assert_int_equal(b->w->count[COUNT_unparked], 4);
	park(LAN_HOST, 5, WAN); /* asked for anew */
	expect_event(LAN_HOST);
}

static void test_failed(void **state)
{
	(void)state;
	park(LAN_HOST, 1, WAN);
	park(LAN_HOST, 2, WAN);
	park(LAN_HOST, 3, PKT_ORIGIN);
	park_failed(b->w, LAN, LAN_NET(2)); /* somebody else */
	park_failed(b->w, WAN, LAN_HOST);   /* another interface */
	assert_int_equal(stage_unpark(b->w), 0);
	park_failed(b->w, LAN, LAN_HOST);
	assert_int_equal(stage_unpark(b->w), 3);
	expect_lane(&b->w->error, 1, 2); /* the sender is told, but not we ourselves */
	assert_int_equal(b->w->books.drop[DROP_NEIGHBOUR_FAILED], 1);
}

static void test_own_packets_go_out(void **state)
{
	(void)state;
	park(LAN_HOST, 1, PKT_ORIGIN);
	park_resolved(b->w, LAN, LAN_HOST);
	assert_int_equal(stage_unpark(b->w), 1);
	expect_lane(&b->w->out, 1, 1);
}

/* What comes back and finds no way again is not let round for ever. */
static void test_waits_once(void **state)
{
	(void)state;
	park(LAN_HOST, 1, WAN | PKT_WAITED);
	expect_lane(&b->w->error, 1, 1);
	park(LAN_HOST, 1, PKT_ORIGIN | PKT_WAITED);
	assert_int_equal(b->w->books.drop[DROP_NEIGHBOUR_FAILED], 1);
	expect_no_event();
}

/* RFC 1122 2.3.2.2: the latest are kept. */
static void test_each_is_bounded(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 7; id++)
		park(LAN_HOST, id, WAN);
	assert_int_equal(b->w->books.drop[DROP_PARK_NEIGHBOUR_FULL], 3);
	park_resolved(b->w, LAN, LAN_HOST);
	stage_unpark(b->w);
	expect_lane(&b->w->in, 4, 4);
}

static void test_all_are_bounded(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 10; id++)
		park(LAN_NET(id), id, WAN);
	bed_clear(b);
	park(LAN_NET(11), 11, WAN); /* a newcomer finds no room */
	assert_int_equal(b->w->books.drop[DROP_PARK_FULL], 1);
	expect_no_event();
	park(LAN_NET(3), 33, WAN); /* who waits already has his oldest make way */
	assert_int_equal(b->w->books.drop[DROP_PARK_FULL], 2);
	assert_int_equal(park_held(b->w->park), 10);
	park_resolved(b->w, LAN, LAN_NET(3));
	assert_int_equal(stage_unpark(b->w), 1);
	expect_lane(&b->w->in, 33, 1);
	park(LAN_NET(11), 11, WAN);
	assert_int_equal(b->w->books.drop[DROP_PARK_FULL], 2);
}

/* The largest setting: all of the memory, and back. */
static void test_maximum(void **state)
{
	uint32_t released = 0, n;

	(void)state;
	b->net->set.park_each = 1024;
	b->net->set.park_total = 1 << 20;
	for (uint32_t i = 0; i < PARK_MAX + 100; i++)
		park(LAN_NET(1 + i % 200), (uint16_t)i, WAN);
	assert_int_equal(park_held(b->w->park), PARK_MAX);
	assert_int_equal(b->w->books.drop[DROP_PARK_FULL], 100);
	for (uint32_t i = 1; i <= 200; i++)
		park_resolved(b->w, LAN, LAN_NET(i));
	while ((n = stage_unpark(b->w)) > 0) {
		assert_true(n <= UNPARK_BUDGET);
		released += n;
		assert_int_equal(b->w->in.n, n);
		rte_pktmbuf_free_bulk(b->w->in.pkt, n);
		b->w->in.n = 0;
	}
	assert_int_equal(released, PARK_MAX);
	assert_int_equal(park_held(b->w->park), 0);
}

/* No more than the budget in a pass, whatever the end was, and in the order of the answers. */
static void test_budget(void **state)
{
	(void)state;
	b->net->set.park_each = b->net->set.park_total = 100;
	for (uint16_t id = 0; id < 40; id++)
		park(LAN_HOST, id, WAN);
	for (uint16_t id = 40; id < 50; id++)
		park(LAN_NET(2), id, WAN);
	park_failed(b->w, LAN, LAN_HOST);
	park_resolved(b->w, LAN, LAN_NET(2));
	assert_int_equal(stage_unpark(b->w), UNPARK_BUDGET);
	expect_lane(&b->w->error, 0, UNPARK_BUDGET);
	assert_int_equal(stage_unpark(b->w), 50 - UNPARK_BUDGET);
	expect_lane(&b->w->error, UNPARK_BUDGET, 40 - UNPARK_BUDGET);
	expect_lane(&b->w->in, 40, 10);
	assert_int_equal(stage_unpark(b->w), 0);
}

static void after(uint64_t ms)
{
	b->w->now += clock_of_ms(ms);
	park_expire(b->w);
}

static void test_time(void **state)
{
	(void)state;
	park(LAN_HOST, 1, WAN);
	expect_event(LAN_HOST);
	for (int second = 1; second < 5; second++) {
		after(500);
		expect_no_event();
		after(500);
		expect_event(LAN_HOST);
		assert_int_equal(stage_unpark(b->w), 0);
	}
	after(1000); /* control never answered */
	expect_no_event();
	assert_int_equal(stage_unpark(b->w), 1);
	expect_lane(&b->w->error, 1, 1);
}

/* An answer that came between the look-up and the park is seen at once. */
static void test_look_again(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	(void)state;
	assert_int_equal(neigh_add(b->net, LAN, LAN_HOST, mac, b->now), 0);
	park(LAN_HOST, 1, WAN);
	expect_no_event();
	assert_int_equal(stage_unpark(b->w), 1);
	expect_lane(&b->w->in, 1, 1);
}

static void test_drain(void **state)
{
	(void)state;
	for (uint16_t id = 1; id <= 9; id++)
		park(LAN_NET(id), id, WAN);
	park_resolved(b->w, LAN, LAN_NET(4));
	park_drop_all(b->w);
	assert_int_equal(b->w->books.drop[DROP_DRAIN], 9);
	assert_int_equal(park_held(b->w->park), 0);
	assert_int_equal(stage_unpark(b->w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_resolved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_packets_go_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_waits_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_maximum, setup, teardown),
		cmocka_unit_test_setup_teardown(test_budget, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
	};

	if (eal_for_tests(128) < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
