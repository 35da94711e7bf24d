/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_local: padding, senders that cannot be, fragments to their owner. */
#include "exact.h"
#include "frame.h"
#include "net/steer.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX];

static void run(uint16_t port, uint32_t len, size_t seg)
{
	lane_put(&w->local, fake_packet(w, port, frame, len, seg, FAKE_EXACT), 0);
	fake_run(w, &w->local, stage_local);
}

static void test_padding(void **state)
{
	static const uint32_t pads[] = {0, 1, 18, 1000, 3000};
	struct ip4_fields f = {.src = LAN_HOST, .dst = LAN_ADDR};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(pads); i++) {
		for (size_t seg = 0; seg < 60; seg += 13) {
			uint32_t len = frame_udp(frame, f, 1, 2, 9);

			run(LAN, len + pads[i], seg);
			assert_int_equal(w->steer.n, 1);
			fake_expect(w->steer.pkt[0], frame, len);
			assert_int_equal(w->count[COUNT_ip4_delivered], 1);
			fake_rest(w);
		}
	}
}

static void test_sources(void **state)
{
	static const struct {
		uint32_t src;
		uint16_t port;
		bool ok;
	} cases[] = {
		{LAN_HOST, LAN, true},
		{FAR_HOST, LAN, true},
		{FAKE_ADDR(9, 9, 9, 9), LAN, true}, /* no route back, but a host */
		{LAN_ADDR, LAN, false},		    /* us */
		{LAN_ADDR, PKT_ORIGIN, true},	    /* us indeed */
		{WAN_ADDR, LAN, false},
		{LOOPBACK, LAN, false},
		{LAN_BCAST, LAN, false},
		{LAN_ADDR & 0xffffff00, LAN, false},
		{0xffffffff, LAN, false},
		{0, LAN, false},
		{FAKE_ADDR(127, 0, 0, 1), LAN, false},
		{0xe0000001, LAN, false},
		{FAKE_ADDR(250, 0, 0, 1), LAN, false},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.src = cases[i].src, .dst = LAN_ADDR};

		run(cases[i].port, frame_udp(frame, f, 1, 2, 9), 0);
		if (w->steer.n != cases[i].ok)
			fail_msg("case %zu", i);
		if (!cases[i].ok)
			fake_dropped(w, DROP_IP4_SRC_MARTIAN);
		fake_rest(w);
	}
}

/* Each fragment goes to the owner of its datagram, and is not asked about again there. */
static void test_fragments(void **state)
{
	struct net *net = w->net;
	uint32_t here = 0;

	(void)state;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		net->owner[i] = (uint8_t)(i & 1);
	for (uint16_t id = 0; id < 64; id++) {
		uint16_t owner[2];

		for (int part = 0; part < 2; part++) {
			struct ip4_fields f = {.id = to_be16(id),
				.frag = part ? 1 : IP4_MF,
				.src = LAN_HOST,
				.dst = LAN_ADDR};
			uint32_t len = frame_udp(frame, f, 1, 2, 8);
			struct rte_mbuf *m = NULL;

			run(LAN, len, 0);
			owner[part] = w->reasm.n ? 0 : 1;
			assert_int_equal(w->books.handed_out, owner[part]);
			if (owner[part] == 1) {
				assert_int_equal(
					rte_ring_sc_dequeue(net->worker[1]->from[0], (void **)&m),
					0);
				rte_pktmbuf_free(m);
			}
			fake_rest(w);
			run(LAN | PKT_STEERED, len, 0);
			assert_int_equal(w->reasm.n, 1);
			fake_rest(w);
		}
		assert_int_equal(owner[0], owner[1]);
		here += owner[0] == 0;
	}
	assert_in_range(here, 16, 48);
}

/* Handed over, a packet was counted by whoever steered it. */
static void test_counted_once(void **state)
{
	struct ip4_fields f = {.src = LAN_HOST, .dst = LAN_ADDR};

	(void)state;
	run(LAN | PKT_STEERED, frame_udp(frame, f, 1, 2, 8), 0);
	assert_int_equal(w->steer.n, 1);
	assert_int_equal(w->count[COUNT_ip4_delivered], 0);
	fake_rest(w);
}

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(192) < 0)
		return -1;
	w = fake_worker(2);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_counted_once),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
