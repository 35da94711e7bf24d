/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table of flows that is too small: a flood of SYNs from nobody while honest clients connect, and
 * more established flows than there are places. 1,000 flows, every scheduler.
 */
#include "limits_bed.h"

#define FLOOD 20000

static const enum lb_scheduler schedulers[] = {
	LB_MAGLEV, LB_ROUND_ROBIN, LB_LEAST_CONNECTIONS, LB_SOURCE_HASH};

static uint32_t flooded;

/* n SYNs from addresses that never answer. */
static void flood(uint32_t n)
{
	while (n-- > 0) {
		flooded++;
		bed_send(bed_in(
			CLIENT(4096 + flooded % 8192), (uint16_t)(1 + flooded / 8192), TCP_SYN));
		assert_int_equal(bed_out(), 1);
		bed_ignore();
	}
}

/* A segment from the client; the backend that gets it. */
static uint32_t forth(uint32_t client, uint16_t port, uint8_t flags)
{
	struct seg got;

	bed_send(bed_in(client, port, flags));
	assert_int_equal(bed_out(), 1);
	got = bed_take();
	assert_int_equal(got.src, client);
	assert_int_equal(got.dport, BPORT);
	return got.dst;
}

/* The backend's answer comes from the service. */
static void back(uint32_t from, uint32_t client, uint16_t port, uint8_t flags)
{
	struct seg got;

	bed_send((struct seg){from, BPORT, client, port, flags, 1, 1, 1000, 0, 0});
	assert_int_equal(bed_out(), 1);
	got = bed_take();
	assert_int_equal(got.src, VIP);
	assert_int_equal(got.sport, VPORT);
	assert_int_equal(got.dst, client);
}

/* A whole connection, a thousand SYNs of others between any two of its packets. */
static void honest(uint32_t client, uint16_t port, uint32_t between)
{
	uint32_t to = forth(client, port, TCP_SYN);

	flood(between);
	back(to, client, port, TCP_SYN | TCP_ACK);
	flood(between);
	assert_int_equal(forth(client, port, TCP_ACK), to);
	flood(between);
	assert_int_equal(forth(client, port, TCP_ACK | TCP_PSH), to);
	flood(between);
	back(to, client, port, TCP_ACK | TCP_PSH);
	assert_int_equal(forth(client, port, TCP_ACK | TCP_FIN), to);
	flood(between);
	back(to, client, port, TCP_ACK | TCP_FIN);
	assert_int_equal(forth(client, port, TCP_ACK), to);
}

static void test_flood(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(schedulers); i++) {
		uint32_t old;

		bed_conf();
		service.scheduler = schedulers[i];
		bed_begin();
		old = forth(CLIENT(1), 1, TCP_SYN);
		back(old, CLIENT(1), 1, TCP_SYN | TCP_ACK);
		assert_int_equal(forth(CLIENT(1), 1, TCP_ACK), old);
		flood(FLOOD / 4);
		for (uint16_t n = 0; n < 20; n++)
			honest(CLIENT(100 + n), 7, 1000);
		/* who was established before is untouched */
		assert_int_equal(forth(CLIENT(1), 1, TCP_ACK), old);
		assert_true(w->count[COUNT_lb_flows_displaced] > FLOOD / 2);
		assert_int_equal(
			w->count[COUNT_lb_flows_displaced], flow_count(w->lb->flows)->displaced);
		assert_int_equal(
			lb_flow_count(w->net).displaced, flow_count(w->lb->flows)->displaced);
		assert_int_equal(bed_service()->refused, 0);
		bed_end();
	}
}

/* More established flows than places: none is touched, who has none is served by the hash. */
static void full_of_established(uint32_t limit)
{
	static uint32_t to[3000];

	for (size_t i = 0; i < RTE_DIM(schedulers); i++) {
		uint64_t displaced;

		bed_conf();
		service.scheduler = schedulers[i];
		backend[0].max_flows = limit;
		bed_begin();
		for (uint16_t n = 0; n < RTE_DIM(to); n++) {
			to[n] = forth(CLIENT(n), 9, TCP_SYN);
			back(to[n], CLIENT(n), 9, TCP_SYN | TCP_ACK);
			assert_int_equal(forth(CLIENT(n), 9, TCP_ACK), to[n]);
		}
		assert_true(w->count[COUNT_lb_flows_refused] > 1000);
		for (uint16_t n = 0; n < RTE_DIM(to); n++) {
			assert_int_equal(forth(CLIENT(n), 9, TCP_ACK | TCP_PSH), to[n]);
			back(to[n], CLIENT(n), 9, TCP_ACK);
		}
		assert_true(w->count[COUNT_lb_alone_out] > 1000);
		/* a place that is free again is another's; who has none may be quiet for long */
		displaced = flow_count(w->lb->flows)->displaced;
		forth(CLIENT(0), 9, TCP_RST);
		for (uint16_t n = 0; flow_count(w->lb->flows)->displaced == displaced; n++) {
			assert_true(n < 2000);
			forth(CLIENT(4000 + n), 9, TCP_SYN);
		}
		bed_after(60000);
		for (uint16_t n = 1; n < RTE_DIM(to); n++)
			back(to[n], CLIENT(n), 9, TCP_ACK);
		bed_end();
	}
}

static void test_full_of_established(void **state)
{
	(void)state;
	full_of_established(0);
}

/* The hash alone knows no limits: it says the same of a SYN and of what follows. */
static void test_full_with_a_limit(void **state)
{
	(void)state;
	full_of_established(100);
}

/* What a backend sends to where the hash would not have it is its own affair; and so is all later.
 */
static void test_not_ours(void **state)
{
	uint32_t to, other;

	(void)state;
	bed_conf();
	bed_begin();
	flood(3000);
	to = forth(CLIENT(1), 1, TCP_SYN);
	other = to == BACKEND(0) ? BACKEND(1) : BACKEND(0);
	flood(3000);
	bed_send((struct seg){other, BPORT, CLIENT(1), 1, TCP_ACK, 1, 1, 1000, 0, 0});
	bed_silence(); /* it is forwarded as it is */
	assert_int_equal(w->fwd.n, 1);
	fake_in_lanes(w, true);
	w->books.tx++;
	back(to, CLIENT(1), 1, TCP_SYN | TCP_ACK);
	bed_after(40000); /* all half-open ones are over */
	bed_send((struct seg){to, BPORT, CLIENT(1), 1, TCP_ACK, 1, 1, 1000, 0, 0});
	bed_silence();
	fake_in_lanes(w, true);
	w->books.tx++;
	bed_end();
}

/* Datagrams have no beginning to tell: while there are flows without a place, the hash has all. */
static void test_datagrams(void **state)
{
	uint8_t frame[ETH_HDR_LEN + 100];

	(void)state;
	bed_conf();
	service.protocol = LB_UDP;
	bed_begin();
	for (uint32_t n = 0; n < 3000; n++) {
		uint32_t len, to;

		for (uint32_t again = 0; again < 2; again++) {
			len = frame_udp(frame,
				(struct ip4_fields){.ttl = 64, .src = CLIENT(n), .dst = VIP}, 53,
				VPORT, 8);
			bed_give(frame, len);
			assert_int_equal(bed_out(), 1);
			if (again == 0)
				to = ip4_hdr_dst(pkt_ip4(w->fwd_out.pkt[0]));
			assert_int_equal(ip4_hdr_dst(pkt_ip4(w->fwd_out.pkt[0])), to);
			w->books.tx++;
			fake_in_lanes(w, true);
			len = frame_udp(frame,
				(struct ip4_fields){.ttl = 64, .src = to, .dst = CLIENT(n)}, BPORT,
				53, 8);
			bed_give(frame, len);
			assert_int_equal(bed_out(), 1);
			assert_int_equal(ip4_hdr_src(pkt_ip4(w->fwd_out.pkt[0])), VIP);
			w->books.tx++;
			fake_in_lanes(w, true);
		}
	}
	assert_true(w->count[COUNT_lb_alone_out] > 1000);
	bed_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_full_of_established),
		cmocka_unit_test(test_full_with_a_limit),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_datagrams),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
