/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_udp: the services, who takes a port, what is malformed; and the table's life. */
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "net/udp.h"
#include "the_worker.h"

#include <errno.h>

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

static struct udp_service_conf services[] = {
	{.name = "echo", .kind = UDP_ECHO, .port = 7},
	{.name = "discard", .kind = UDP_DISCARD, .port = 9},
	{.name = "wan only", .kind = UDP_ECHO, .port = 5000, .addr = WAN_ADDR},
	{.name = "discard at lan", .kind = UDP_DISCARD, .port = 7, .addr = LAN_ADDR},
};
static const struct udp_conf conf = {.n = RTE_DIM(services), .list = services};

static const struct ip4_fields asked = {
	.id = 99, .ttl = 3, .frag = IP4_DF, .src = LAN_HOST, .dst = WAN_ADDR};
static const struct ip4_fields answered = {
	.id = 0x4242, .ttl = 64, .src = WAN_ADDR, .dst = LAN_HOST};

static void run(struct rte_mbuf *m)
{
	lane_put(&w->udp, m, 0);
	w->ip_id = 0x4242;
	fake_run(w, &w->udp, stage_udp);
}

static void expect_echo(uint32_t len)
{
	assert_int_equal(w->out.n, 1);
	assert_int_equal(w->out.aux[0], LAN_HOST);
	fake_expect(w->out.pkt[0], expected, len);
	assert_int_equal(w->count[COUNT_udp_echo], 1);
	fake_rest(w);
}

static void test_echo(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 18, 1472, 1473, 9000, 65507};
	static const size_t segs[] = {0, 1, 5, 1000};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		for (size_t j = 0; j < RTE_DIM(segs); j++) {
			uint32_t len;

			if (segs[j] && sizes[i] / segs[j] > 1900)
				continue;
			len = frame_udp(frame, asked, 40000, 7, sizes[i]);
			run(fake_packet(w, LAN, frame, len, segs[j], FAKE_EXACT));
			frame_udp(expected, answered, 7, 40000, sizes[i]);
			expect_echo(len);
		}
	}
}

/* A sender that makes no checksum gets none back. */
static void test_no_csum(void **state)
{
	uint32_t len = frame_udp(frame, asked, 40000, 7, 100);

	(void)state;
	((struct udp_hdr *)frame_l4(frame))->csum = 0;
	run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
	frame_udp(expected, answered, 7, 40000, 100);
	((struct udp_hdr *)frame_l4(expected))->csum = 0;
	expect_echo(len);
}

/* Bytes between the UDP length and the IPv4 length are no data. */
static void test_surplus(void **state)
{
	uint8_t message[40];
	struct ip4_fields f = asked;
	uint32_t len = frame_udp(frame, asked, 40000, 7, 20);

	(void)state;
	memcpy(message, frame_l4(frame), 28);
	memset(message + 28, 0xee, 12);
	f.proto = IP4_PROTO_UDP;
	run(fake_packet(
		w, LAN, expected, frame_ip4(expected, f, NULL, 0, message, 40), 0, FAKE_EXACT));
	frame_udp(expected, answered, 7, 40000, 20);
	expect_echo(len);
}

static void test_ports(void **state)
{
	static const struct {
		const char *name;
		uint32_t dst;
		uint16_t sport, dport;
		enum { ECHOED, DISCARDED, NO_PORT, DROPPED } out;
		enum drop_reason reason;
	} cases[] = {
		{"echo", WAN_ADDR, 1024, 7, ECHOED, 0},
		{"echo from port 0", WAN_ADDR, 0, 7, ECHOED, 0},
		{"discard", WAN_ADDR, 1024, 9, DISCARDED, 0},
		{"discard by broadcast", LAN_BCAST, 1024, 9, DISCARDED, 0},
		{"an exact address first", LAN_ADDR, 1024, 7, DISCARDED, 0},
		{"on its address", WAN_ADDR, 1024, 5000, ECHOED, 0},
		{"on another address", LAN_ADDR, 1024, 5000, NO_PORT, 0},
		{"nobody", WAN_ADDR, 1024, 8, NO_PORT, 0},
		{"port 0", WAN_ADDR, 1024, 0, NO_PORT, 0},
		{"port 65535", WAN_ADDR, 1024, 65535, NO_PORT, 0},
		{"nobody, by broadcast", LAN_BCAST, 1024, 8, NO_PORT, 0},
		{"echo to all", 0xffffffff, 1024, 7, DROPPED, DROP_LOCAL_GROUP},
		{"echo to the network", LAN_BCAST, 1024, 7, DROPPED, DROP_LOCAL_GROUP},
		{"echo to a group", 0xe0000001, 1024, 7, DROPPED, DROP_LOCAL_GROUP},
		{"echo from echo", WAN_ADDR, 7, 7, DROPPED, DROP_UDP_LOOP},
		{"echo from chargen", WAN_ADDR, 19, 7, DROPPED, DROP_UDP_LOOP},
		{"echo from daytime", WAN_ADDR, 13, 5000, DROPPED, DROP_UDP_LOOP},
		{"echo from our own kind", WAN_ADDR, 5000, 7, DROPPED, DROP_UDP_LOOP},
		{"discard from echo", WAN_ADDR, 7, 9, DISCARDED, 0},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = asked;
		uint32_t len, got;

		f.dst = cases[i].dst;
		len = frame_udp(frame, f, cases[i].sport, cases[i].dport, 20);
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		got = w->out.n		  ? ECHOED
		      : w->error.n	  ? NO_PORT
		      : w->books.consumed ? DISCARDED
					  : DROPPED;
		if (got != cases[i].out)
			fail_msg("%s: %u", cases[i].name, got);
		if (got == NO_PORT)
			assert_int_equal(error_cause(w->error.aux[0]), ERROR_PORT);
		if (got == DROPPED)
			fake_dropped(w, cases[i].reason);
		fake_rest(w);
	}
}

static void expect_bad(uint32_t len, size_t seg)
{
	run(fake_packet(w, LAN, frame, len, seg, FAKE_EXACT));
	fake_dropped(w, DROP_UDP_BAD);
	fake_rest(w);
}

static void test_bad(void **state)
{
	uint8_t message[8 + 12];
	struct ip4_fields f = asked;
	uint32_t len;

	(void)state;
	f.proto = IP4_PROTO_UDP;
	for (uint32_t cut = 0; cut < 20; cut++) { /* truncated at every byte */
		frame_udp(frame, asked, 40000, 7, 12);
		memcpy(message, frame_l4(frame), sizeof(message));
		expect_bad(frame_ip4(frame, f, NULL, 0, message, cut), cut % 3 * 30);
	}
	for (uint32_t at = 34; at < 34 + 20; at++) { /* every byte wrong in turn */
		len = frame_udp(frame, asked, 40000, 7, 12);
		frame[at] ^= 0x20;
		expect_bad(len, 0);
	}
	len = frame_udp(frame, asked, 40000, 7, 12);
	((struct udp_hdr *)frame_l4(frame))->len = to_be16(7);
	((struct udp_hdr *)frame_l4(frame))->csum = 0;
	expect_bad(len, 0);
}

/* What the NIC says is good is believed, and nothing else. */
static void test_nic_csum(void **state)
{
	static const uint64_t flags[] = {0, RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_GOOD,
		RTE_MBUF_F_RX_L4_CKSUM_NONE};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		uint32_t len = frame_udp(frame, asked, 40000, 7, 12);
		struct rte_mbuf *m;

		((struct udp_hdr *)frame_l4(frame))->csum ^= 0x0101;
		m = fake_packet(w, LAN, frame, len, 0, FAKE_POOL);
		m->ol_flags = flags[i];
		run(m);
		assert_int_equal(w->out.n, flags[i] == RTE_MBUF_F_RX_L4_CKSUM_GOOD);
		fake_rest(w);
		m = fake_packet(w, LAN, frame, frame_udp(frame, asked, 40000, 7, 12), 0, FAKE_POOL);
		m->ol_flags = flags[i];
		run(m);
		assert_int_equal(w->out.n, 1);
		fake_rest(w);
	}
}

static void test_check(void **state)
{
	struct udp_service_conf bad[] = {
		{.name = "a", .port = 7},
		{.name = "b", .port = 7},
		{.name = "c", .port = 0},
		{.name = "d", .port = 1, .addr = 0xe0000001},
		{.name = "e", .port = 7, .addr = LAN_ADDR},
	};
	struct errs e = {0};

	(void)state;
	assert_int_equal(udp_check(&conf, &e), 0);
	assert_int_equal(e.n, 0);
	assert_int_equal(
		udp_check(&(struct udp_conf){.n = RTE_DIM(bad), .list = bad}, &e), -EINVAL);
	assert_int_equal(e.n, 3);
	assert_string_equal(e.list[0].path, "services.b.listen");
	assert_string_equal(e.list[1].path, "services.c.listen");
	assert_string_equal(e.list[2].path, "services.d.listen");
	errs_clear(&e);
}

/* Built is not published; abandoned is as if it had never been. */
static void test_life(void **state)
{
	struct udp_service_conf other[] = {{.name = "x", .kind = UDP_DISCARD, .port = 4}};
	const struct udp_conf second = {.n = 1, .list = other};
	struct net *net = w->net;

	(void)state;
	assert_int_equal(udp_build(net, &second), 0);
	assert_int_equal(udp_service(net, LAN_ADDR, 4), -1);
	udp_abandon(net);
	assert_int_equal(udp_service(net, LAN_ADDR, 4), -1);
	assert_int_equal(udp_service(net, WAN_ADDR, 7), UDP_ECHO);
	assert_int_equal(udp_build(net, &second), 0);
	udp_publish(net);
	assert_int_equal(udp_service(net, LAN_ADDR, 4), UDP_DISCARD);
	assert_int_equal(udp_service(net, WAN_ADDR, 7), -1);
	udp_retire(net);
	assert_int_equal(epoch_waiting(net->epoch), 1);
	epoch_drain(net->epoch);
	assert_int_equal(udp_build(net, &(struct udp_conf){0}), 0);
	udp_publish(net);
	udp_retire(net);
	assert_int_equal(udp_service(net, LAN_ADDR, 4), -1);
	assert_int_equal(udp_build(net, &conf), 0);
	udp_publish(net);
	udp_retire(net);
}

static int set_up(void **state)
{
	if (fake_set_up(state) < 0)
		return -1;
	if (udp_service(w->net, LAN_ADDR, 7) != -1 || udp_build(w->net, &conf) < 0)
		return -1;
	udp_publish(w->net);
	udp_retire(w->net);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_no_csum),
		cmocka_unit_test(test_surplus),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_nic_csum),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_life),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
