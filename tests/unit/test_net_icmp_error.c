/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_error: what is answered, with what; and all that never is (RFC 1812 4.3.2.7). */
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

static const struct ip4_fields transit = {
	.id = 77, .ttl = 1, .tos = 0x10, .proto = 17, .src = LAN_HOST, .dst = FAR_HOST};

static void run(uint16_t port, uint32_t len, size_t seg, enum error_cause cause, uint32_t value)
{
	error_put(w, fake_packet(w, port, frame, len, seg, FAKE_EXACT), cause, value);
	w->ip_id = 0x4242;
	w->now += clock_of_ms(1000); /* the limits are full again */
	fake_run(w, &w->error, stage_error);
}

/* The message about the packet in `frame`, of which `quote` bytes are quoted. */
static void expect_message(uint8_t type, uint8_t code, uint32_t rest, uint32_t from, uint32_t quote)
{
	struct ip4_fields f = {.id = 0x4242,
		.tos = 0xc0,
		.ttl = 64,
		.proto = IP4_PROTO_ICMP,
		.src = from,
		.dst = ip4_hdr_src(frame_ip(frame))};
	uint8_t message[576];
	uint32_t len;

	memcpy(message + ICMP_HDR_LEN, frame + ETH_HDR_LEN, quote);
	icmp_hdr_build((struct icmp_hdr *)message, type, code, rest, ICMP_HDR_LEN + quote);
	len = frame_ip4(expected, f, NULL, 0, message, ICMP_HDR_LEN + quote);
	assert_int_equal(w->out.n, 1);
	assert_int_equal(w->out.aux[0], f.dst);
	assert_int_equal(w->out.pkt[0]->port, PKT_ORIGIN);
	fake_expect(w->out.pkt[0], expected, len);
}

static void test_causes(void **state)
{
	static const struct {
		enum error_cause cause;
		uint32_t value;
		uint8_t type, code;
		uint32_t rest;
		enum drop_reason reason;
		uint32_t from;
	} causes[] = {
		{ERROR_TTL, 0, 11, 0, 0, DROP_TTL_EXCEEDED, LAN_ADDR},
		{ERROR_REASSEMBLY, 0, 11, 1, 0, DROP_REASM_TIMEOUT, LAN_ADDR},
		{ERROR_NO_ROUTE, 0, 3, 0, 0, DROP_NO_ROUTE, LAN_ADDR},
		{ERROR_UNREACHABLE, 0, 3, 1, 0, DROP_UNREACHABLE, LAN_ADDR},
		{ERROR_NEIGHBOUR, 0, 3, 1, 0, DROP_NEIGHBOUR_FAILED, LAN_ADDR},
		{ERROR_PROTOCOL, 0, 3, 2, 0, DROP_PROTO_UNKNOWN, LAN_ADDR},
		{ERROR_PORT, 0, 3, 3, 0, DROP_UDP_NO_PORT, LAN_ADDR},
		{ERROR_SERVICE, 0, 3, 3, 0, DROP_NO_SERVICE, FAR_HOST},
		{ERROR_BACKEND, 0, 3, 3, 0, DROP_LB_NO_BACKEND, FAR_HOST},
		{ERROR_FRAG_NEEDED, 1400, 3, 4, 1400, DROP_FRAG_NEEDED, LAN_ADDR},
		{ERROR_FRAG_NEEDED, 65535, 3, 4, 65535, DROP_FRAG_NEEDED, LAN_ADDR},
		{ERROR_SOURCE_ROUTE, 0, 3, 5, 0, DROP_IP4_SOURCE_ROUTE, LAN_ADDR},
		{ERROR_OPTION, 22, 12, 0, 22u << 24, DROP_IP4_OPTION, LAN_ADDR},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(causes); i++) {
		uint32_t len = frame_udp(frame, transit, 1000, 33434, 30);

		run(LAN, len, 0, causes[i].cause, causes[i].value);
		expect_message(causes[i].type, causes[i].code, causes[i].rest, causes[i].from,
			len - ETH_HDR_LEN);
		fake_dropped(w, causes[i].reason);
		assert_int_equal(w->count[COUNT_icmp_errors_out], 1);
		fake_rest(w);
	}
}

/* The copy that a redirect is made from reached its end; gateway: the adjacency's neighbour. */
static void test_redirect(void **state)
{
	uint32_t len = frame_udp(frame, transit, 1000, 33434, 30);

	(void)state;
	run(LAN, len, 0, ERROR_REDIRECT, WAN);
	expect_message(5, 1, WAN_HOST, LAN_ADDR, len - ETH_HDR_LEN);
	assert_int_equal(w->books.consumed, 1);
	assert_int_equal(w->count[COUNT_icmp_redirects_out], 1);
	assert_int_equal(w->count[COUNT_icmp_errors_out], 0);
	fake_rest(w);
}

/* As much as fits in 576 bytes, of the packet and not of its padding; any segments. */
static void test_quote(void **state)
{
	(void)state;
	for (uint32_t data = 0; data < 1400; data += data < 20 || data > 500 ? 1 : 17) {
		uint32_t len = frame_udp(frame, transit, 1000, 33434, data);
		uint32_t quote = RTE_MIN(len - ETH_HDR_LEN, 576u - 28);

		run(LAN, len < 60 ? 60 : len, data % 3 * 50, ERROR_TTL, 0);
		expect_message(11, 0, 0, LAN_ADDR, quote);
		fake_rest(w);
	}
}

static void test_forbidden(void **state)
{
	static const struct {
		const char *name;
		uint32_t src, dst;
		uint16_t frag;
		uint8_t proto;
		int icmp_type; /* -1: none in the packet */
		uint16_t port;
		bool allowed;
	} cases[] = {
		{"plain", LAN_HOST, FAR_HOST, 0, 17, 0, LAN, true},
		{"don't fragment", LAN_HOST, FAR_HOST, IP4_DF, 17, 0, LAN, true},
		{"first fragment", LAN_HOST, FAR_HOST, IP4_MF, 17, 0, LAN, true},
		{"second fragment", LAN_HOST, FAR_HOST, IP4_MF | 1, 17, 0, LAN, false},
		{"last fragment", LAN_HOST, FAR_HOST, 185, 17, 0, LAN, false},
		{"link broadcast", LAN_HOST, FAR_HOST, 0, 17, 0, LAN | PKT_LINK_GROUP, false},
		{"limited broadcast", LAN_HOST, 0xffffffff, 0, 17, 0, LAN, false},
		{"directed broadcast", LAN_HOST, LAN_BCAST, 0, 17, 0, LAN, false},
		{"multicast", LAN_HOST, 0xe0000001, 0, 17, 0, LAN, false},
		{"from nobody", 0, FAR_HOST, 0, 17, 0, LAN, false},
		{"from network 0", FAKE_ADDR(0, 1, 2, 3), FAR_HOST, 0, 17, 0, LAN, false},
		{"from loopback", FAKE_ADDR(127, 0, 0, 1), FAR_HOST, 0, 17, 0, LAN, false},
		{"from multicast", 0xe0000005, FAR_HOST, 0, 17, 0, LAN, false},
		{"from class E", FAKE_ADDR(240, 0, 0, 1), FAR_HOST, 0, 17, 0, LAN, false},
		{"from the limited broadcast", 0xffffffff, FAR_HOST, 0, 17, 0, LAN, false},
		{"from a directed broadcast", LAN_BCAST, FAR_HOST, 0, 17, 0, LAN, false},
		{"from us", WAN_ADDR, FAR_HOST, 0, 17, 0, LAN, false},
		{"echo", LAN_HOST, FAR_HOST, 0, 1, 8, LAN, true},
		{"echo reply", LAN_HOST, FAR_HOST, 0, 1, 0, LAN, true},
		{"timestamp", LAN_HOST, FAR_HOST, 0, 1, 13, LAN, true},
		{"unreachable", LAN_HOST, FAR_HOST, 0, 1, 3, LAN, false},
		{"source quench", LAN_HOST, FAR_HOST, 0, 1, 4, LAN, false},
		{"redirect", LAN_HOST, FAR_HOST, 0, 1, 5, LAN, false},
		{"time exceeded", LAN_HOST, FAR_HOST, 0, 1, 11, LAN, false},
		{"parameter problem", LAN_HOST, FAR_HOST, 0, 1, 12, LAN, false},
		{"ICMP without a type", LAN_HOST, FAR_HOST, 0, 1, -1, LAN, false},
		{"an unknown protocol that looks so", LAN_HOST, FAR_HOST, 0, 99, 3, LAN, true},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.frag = cases[i].frag,
			.proto = cases[i].proto,
			.src = cases[i].src,
			.dst = cases[i].dst};
		uint8_t payload[8] = {(uint8_t)cases[i].icmp_type};
		uint32_t len = frame_ip4(
			frame, f, NULL, 0, payload, cases[i].icmp_type < 0 ? 0 : sizeof(payload));

		/* split behind the header: the ICMP type is in a segment of its own */
		run(cases[i].port, len, i % 2 ? 34 : 0, ERROR_TTL, 0);
		if (w->out.n != cases[i].allowed ||
			w->count[COUNT_icmp_errors_forbidden] != !cases[i].allowed)
			fail_msg("%s: %u", cases[i].name, w->out.n);
		fake_dropped(w, DROP_TTL_EXCEEDED);
		fake_rest(w);
	}
}

static void test_limits(void **state)
{
	uint32_t len = frame_udp(frame, transit, 1000, 33434, 30);

	(void)state;
	w->now += clock_of_ms(10000);
	for (int i = 0; i < 150; i++)
		error_put(w, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), ERROR_TTL, 0);
	fake_run(w, &w->error, stage_error);
	assert_int_equal(w->out.n, 100);
	assert_int_equal(w->count[COUNT_icmp_errors_limited], 50);
	assert_int_equal(w->books.drop[DROP_TTL_EXCEEDED], 150);
	fake_rest(w);
}

/* The source: of the interface that the message leaves by; what was asked, where that is on it. */
static void test_source(void **state)
{
	struct ip4_fields f = transit;
	struct iface *lan = &w->net->iface[LAN];
	uint32_t len;

	(void)state;
	f.src = FAR_HOST; /* came in by lan, is reached by wan */
	f.dst = LAN_HOST;
	len = frame_udp(frame, f, 1, 2, 8);
	run(LAN, len, 0, ERROR_TTL, 0);
	expect_message(11, 0, 0, WAN_ADDR, len - ETH_HDR_LEN);
	fake_rest(w);

	lan->addrs[1] = (struct iface_addr){.addr = LAN_ADDR + 9, .depth = 24};
	lan->n_addrs = 2;
	f.src = LAN_HOST;
	f.dst = LAN_ADDR + 9; /* a second address of lan */
	len = frame_udp(frame, f, 1, 2, 8);
	run(LAN, len, 0, ERROR_PORT, 0);
	expect_message(3, 3, 0, LAN_ADDR + 9, len - ETH_HDR_LEN);
	fake_rest(w);
	lan->n_addrs = 1;

	f.dst = WAN_ADDR; /* an address of ours, but not of lan */
	len = frame_udp(frame, f, 1, 2, 8);
	run(LAN, len, 0, ERROR_PORT, 0);
	expect_message(3, 3, 0, LAN_ADDR, len - ETH_HDR_LEN);
	fake_rest(w);

	f.src = ip4_addr(8, 8, 8, 8); /* no way back: as good as any */
	len = frame_udp(frame, f, 1, 2, 8);
	run(WAN, len, 0, ERROR_TTL, 0);
	expect_message(11, 0, 0, WAN_ADDR, len - ETH_HDR_LEN);
	fake_rest(w);

	lan->addr = 0; /* an interface without addresses: the loopback's, or nothing */
	lan->n_addrs = 0;
	f.src = LAN_HOST;
	len = frame_udp(frame, f, 1, 2, 8);
	run(LAN, len, 0, ERROR_TTL, 0);
	assert_int_equal(w->out.n, 0);
	assert_int_equal(w->count[COUNT_icmp_errors_forbidden], 1);
	fake_rest(w);
	w->net->iface[IFACE_LOOPBACK].addr = LOOPBACK;
	run(LAN, len, 0, ERROR_TTL, 0);
	expect_message(11, 0, 0, LOOPBACK, len - ETH_HDR_LEN);
	fake_rest(w);
	w->net->iface[IFACE_LOOPBACK].addr = 0;
	lan->addr = LAN_ADDR;
	lan->n_addrs = 1;
}

/* RFC 1812 4.3.2.4: over several ways back, too, the source is the one's that it takes. */
static void test_source_of_several(void **state)
{
	uint32_t seen[3] = {0}, members[] = {LAN, WAN};
	struct ip4_fields f = transit;

	(void)state;
	adj_group_set(w->net, 1, members, 2);
	fake_route(w->net, FAKE_ADDR(198, 18, 64, 0), 24, FIB_GROUP, 1);
	for (uint32_t i = 0; i < 100; i++) {
		uint16_t iface;

		f.src = FAKE_ADDR(198, 18, 64, 1) + i;
		run(LAN, frame_udp(frame, f, 1000, (uint16_t)(33434 + i), 8), 0, ERROR_TTL, 0);
		fake_run(w, &w->out, stage_fib_out);
		assert_int_equal(w->fwd_out.n, 1);
		iface = w->net->adj[w->fwd_out.aux[0]].iface;
		assert_int_equal(
			ip4_hdr_src(pkt_ip4(w->fwd_out.pkt[0])), w->net->iface[iface].addr);
		seen[iface]++;
		fake_rest(w);
	}
	assert_in_range(seen[LAN], 20, 80);
	assert_int_equal(rib4_del(w->net->rib, FAKE_ADDR(198, 18, 64, 0), 24, RIB4_CONNECTED), 0);
}

static void test_no_buffer(void **state)
{
	struct rte_mbuf *taken[4096];
	uint32_t n = 0, len = frame_udp(frame, transit, 1, 2, 8);

	(void)state;
	error_put(w, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), ERROR_TTL, 0);
	while ((taken[n] = rte_pktmbuf_alloc(w->pool)) != NULL)
		n++;
	w->now += clock_of_ms(1000);
	fake_run(w, &w->error, stage_error);
	assert_int_equal(w->out.n, 0);
	assert_int_equal(w->books.drop[DROP_NO_BUFFER], 1);
	assert_int_equal(w->books.drop[DROP_TTL_EXCEEDED], 1);
	rte_pktmbuf_free_bulk(taken, n);
	fake_rest(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_causes),
		cmocka_unit_test(test_redirect),
		cmocka_unit_test(test_quote),
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_source_of_several),
		cmocka_unit_test(test_no_buffer),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
