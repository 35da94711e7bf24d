/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_steer: which protocol's lane, and on which worker. */
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "net/port.h"
#include "net/steer.h"
#include "the_worker.h"

enum { WORKERS = 4, FLOWS = 400 };

static uint8_t frame[FRAME_MAX];

/* Steers the frame from worker 0; returns the worker where it is then. */
static uint16_t owner_in(uint16_t port, uint32_t len, size_t seg)
{
	struct rte_mbuf *m = fake_packet(w, port, frame, len, seg, FAKE_EXACT);
	uint16_t owner = 0;

	lane_put(&w->steer, m, 0);
	fake_run(w, &w->steer, stage_steer);
	if (w->books.handed_out > 0) {
		struct rte_mbuf *got = NULL;

		for (owner = 1; owner < WORKERS; owner++)
			if (rte_ring_sc_dequeue(w->net->worker[owner]->from[0], (void **)&got) == 0)
				break;
		assert_ptr_equal(got, m);
		assert_int_equal(w->count[COUNT_handed_over], 1);
		assert_true(w->to_ring >> owner & 1);
		assert_int_equal(steer_owner(w, m), owner);
		fake_expect(m, frame, len);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(fake_in_lanes(w, false), owner == 0);
	fake_rest(w);
	return owner;
}

static uint16_t owner_of(uint32_t len)
{
	return owner_in(LAN, len, 0);
}

/* Each worker has a share of the flows. */
static void expect_spread(const uint32_t by_owner[WORKERS])
{
	for (uint16_t i = 0; i < WORKERS; i++)
		assert_in_range(by_owner[i], FLOWS / WORKERS / 2, FLOWS / WORKERS * 2);
}

static void test_protocols(void **state)
{
	const struct {
		uint8_t proto;
		const struct lane *lane;
		uint32_t value;
	} cases[] = {
		{IP4_PROTO_ICMP, &w->icmp, 0},
		{IP4_PROTO_UDP, &w->udp, 0},
		{IP4_PROTO_TCP, &w->tcp, 0},
		{0, &w->error, ERROR_PROTOCOL << 24},
		{2, &w->error, ERROR_PROTOCOL << 24},
		{47, &w->error, ERROR_PROTOCOL << 24},
		{255, &w->error, ERROR_PROTOCOL << 24},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		for (uint32_t payload = 0; payload < 40; payload++) { /* their stages judge it */
			struct ip4_fields f = {
				.proto = cases[i].proto, .src = LAN_HOST, .dst = LAN_ADDR};
			uint32_t len = frame_ip4(frame, f, NULL, 0, frame + 64, payload);

			lane_put(&w->steer,
				fake_packet(w, LAN | PKT_STEERED, frame, len, 0, FAKE_EXACT), 0);
			fake_run(w, &w->steer, stage_steer);
			if (cases[i].lane->n != 1 || fake_in_lanes(w, false) != 1)
				fail_msg("protocol %u", cases[i].proto);
			assert_int_equal(cases[i].lane->aux[0], cases[i].value);
			fake_expect(cases[i].lane->pkt[0], frame, len);
			fake_rest(w);
		}
	}
}

/* A flow has one owner, whichever way its packet goes and whatever else is in it. */
static void test_flows(void **state)
{
	uint32_t by_owner[WORKERS] = {0};
	uint64_t seed = 3;

	(void)state;
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint64_t r = seeded(&seed);
		uint16_t sport = (uint16_t)(r >> 16), dport = (uint16_t)(r >> 32);
		struct ip4_fields to = {.src = LAN_HOST + (r & 63), .dst = LAN_ADDR};
		struct ip4_fields back = {.id = (uint16_t)r, .src = to.dst, .dst = to.src};
		struct tcp_fields t = {.sport = sport, .dport = dport, .flags = TCP_SYN};
		struct tcp_fields t_back = {.sport = dport, .dport = sport, .seq = 9};
		uint16_t owner = owner_of(frame_udp(frame, to, sport, dport, 0));

		by_owner[owner]++;
		assert_int_equal(owner_of(frame_udp(frame, back, dport, sport, 30)), owner);
		assert_int_equal(owner_of(frame_tcp(frame, to, t, 0)), owner);
		assert_int_equal(owner_of(frame_tcp(frame, back, t_back, 100)), owner);
	}
	expect_spread(by_owner);
}

/* What has no ports goes by its addresses alone, either way. */
static void test_addresses(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		struct ip4_fields to = {
			.id = 1, .proto = 253, .src = LAN_HOST + i, .dst = LAN_ADDR};
		struct ip4_fields back = {.id = 2, .src = to.dst, .dst = to.src};
		uint16_t owner = owner_of(frame_icmp(frame, to, ICMP_TYPE_ECHO, 0, 20));

		assert_int_equal(
			owner_of(frame_icmp(frame, back, ICMP_TYPE_ECHO_REPLY, 0, 0)), owner);
		assert_int_equal(owner_of(frame_ip4(frame, to, NULL, 0, "ninebytes", 9)), owner);
		to.proto = IP4_PROTO_UDP; /* and what ends before its ports */
		assert_int_equal(owner_of(frame_ip4(frame, to, NULL, 0, "abc", 3)), owner);
	}
}

/* All fragments of a datagram have one owner; datagrams of one flow have several. */
static void test_fragments(void **state)
{
	uint32_t by_owner[WORKERS] = {0};

	(void)state;
	for (uint16_t i = 0; i < FLOWS; i++) {
		struct ip4_fields f = {
			.id = (uint16_t)(i * 77), .frag = IP4_MF, .src = LAN_HOST, .dst = LAN_ADDR};
		uint16_t owner = owner_of(frame_udp(frame, f, 1, 2, 8));

		by_owner[owner]++;
		for (uint16_t k = 1; k < 4; k++) {
			f.frag = (uint16_t)(k == 3 ? k : IP4_MF | k);
			assert_int_equal(owner_of(frame_udp(frame, f, k, i, 8)), owner);
		}
	}
	expect_spread(by_owner);
}

/* An error goes to whoever sent what it quotes, so that one worker sees all of a flow. */
static void test_errors(void **state)
{
	static const uint8_t types[] = {ICMP_TYPE_UNREACH, ICMP_TYPE_SOURCE_QUENCH,
		ICMP_TYPE_REDIRECT, ICMP_TYPE_TIME_EXCEEDED, ICMP_TYPE_PARAM_PROBLEM};
	uint64_t seed = 5;

	(void)state;
	for (uint32_t i = 0; i < FLOWS / 4; i++) {
		uint64_t r = seeded(&seed);
		struct ip4_fields sent = {.src = LAN_ADDR, .dst = FAR_HOST + (r & 63)};
		struct ip4_fields told = {
			.proto = IP4_PROTO_ICMP, .src = WAN_HOST, .dst = LAN_ADDR};
		uint8_t message[ICMP_HDR_LEN + IP4_HDR_LEN + ICMP_QUOTE_L4];
		uint32_t len = frame_udp(frame, sent, (uint16_t)(r >> 16), (uint16_t)(r >> 32), 9);
		uint16_t owner = owner_of(len), by_addresses;

		memcpy(message + ICMP_HDR_LEN, frame + ETH_HDR_LEN, sizeof(message) - ICMP_HDR_LEN);
		by_addresses = owner_of(frame_icmp(frame, told, ICMP_TYPE_ECHO, 0, 8));
		for (size_t t = 0; t < RTE_DIM(types); t++) {
			struct icmp_hdr *h = (struct icmp_hdr *)message;

			icmp_hdr_build(h, types[t], 0, 0, sizeof(message));
			len = frame_ip4(frame, told, NULL, 0, message, sizeof(message));
			assert_int_equal(owner_of(len), owner);
			/* a quote that ends before the ports says nothing of a flow */
			for (uint32_t n = 0; n < ICMP_HDR_LEN + IP4_HDR_LEN + 4; n++) {
				len = frame_ip4(frame, told, NULL, 0, message, n);
				assert_int_equal(owner_of(len), by_addresses);
			}
		}
	}
}

/* Where the packet was steered already, or the NIC steers as we do, nobody asks again. */
static void test_home(void **state)
{
	struct port port = {.rss_trusted = true};
	uint32_t elsewhere = 0;

	(void)state;
	for (uint16_t i = 0; i < 64; i++) {
		struct ip4_fields f = {.id = i, .src = LAN_HOST + i, .dst = LAN_ADDR};
		uint32_t len = frame_udp(frame, f, 1000, i, 40);
		uint16_t owner = owner_of(len);

		elsewhere += owner != 0;
		assert_int_equal(owner_in(LAN | PKT_STEERED, len, 0), 0);
		w->net->port[0] = &port;
		assert_int_equal(owner_of(len), 0);
		assert_int_equal(owner_in(WAN, len, 0), owner); /* the other port does not */
		port.rss_trusted = false;
		assert_int_equal(owner_of(len), owner);
		port.rss_trusted = true;
		len = frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 8); /* nor is this its hash */
		owner = owner_of(len);
		w->net->port[0] = NULL;
		assert_int_equal(owner_of(len), owner);
	}
	assert_in_range(elsewhere, 32, 64);
}

/* A ring that is full is a reason, not a wait. */
static void test_full(void **state)
{
	struct ip4_fields f = {.src = LAN_HOST, .dst = LAN_ADDR};
	uint32_t sent = 0, len = 0;
	struct rte_mbuf *m;
	struct rte_ring *ring;
	uint16_t owner = 0;

	(void)state;
	for (uint16_t port = 0; owner == 0; port++)
		owner = owner_of(len = frame_udp(frame, f, 1, port, 4));
	ring = w->net->worker[owner]->from[0];
	for (; w->books.drop[DROP_HANDOVER_FULL] == 0 && sent < 4000; sent++) {
		lane_put(&w->steer, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), 0);
		fake_run(w, &w->steer, stage_steer);
	}
	fake_dropped(w, DROP_HANDOVER_FULL);
	assert_int_equal(w->books.handed_out, rte_ring_count(ring));
	assert_int_equal(sent, rte_ring_count(ring) + 1);
	while (rte_ring_sc_dequeue(ring, (void **)&m) == 0)
		rte_pktmbuf_free(m);
	fake_rest(w);
}

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(192) < 0)
		return -1;
	w = fake_worker(WORKERS);
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		w->net->owner[i] = (uint8_t)(i % WORKERS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
