/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes by the SYN proxy, as scripts of packets between a client and its backend. */
#include "synproxy_bed.h"

#define POOL FAKE_ADDR(198, 18, 0, 101)

static void test_a_connection(void **state)
{
	struct seg syn, s;
	uint32_t cookie;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	assert_int_equal(bed_service()->flows, 0);
	syn = handshake(7, &cookie);
	assert_int_equal(bed_service()->flows, 1);
	for (uint32_t at = 0; at < 3; at++) { /* data both ways */
		s = client_says(7, TCP_ACK | TCP_PSH, CISN + 1 + at * 10, cookie + 1 + at * 300);
		s.len = 10;
		bed_send(s);
		s = bed_take();
		EXPECT(s, CLIENT(1), syn.dst, TCP_ACK | TCP_PSH, CISN + 1 + at * 10,
			BISN + 1 + at * 300);
		assert_int_equal(s.len, 10);
		s = backend_says(&syn, TCP_ACK | TCP_PSH, BISN + 1 + at * 300, CISN + 11 + at * 10);
		s.len = 300;
		bed_send(s);
		s = bed_take();
		EXPECT(s, VIP, CLIENT(1), TCP_ACK | TCP_PSH, cookie + 1 + at * 300,
			CISN + 11 + at * 10);
		assert_int_equal(s.len, 300);
	}
	bed_send(client_says(7, TCP_FIN | TCP_ACK, CISN + 31, cookie + 901));
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_FIN | TCP_ACK, CISN + 31, BISN + 901);
	bed_send(backend_says(&syn, TCP_FIN | TCP_ACK, BISN + 901, CISN + 32));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_FIN | TCP_ACK, cookie + 901, CISN + 32);
	bed_send(client_says(7, TCP_ACK, CISN + 32, cookie + 902));
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_ACK, CISN + 32, BISN + 902);
	assert_int_equal(bed_service()->flows, 0);
	assert_int_equal(w->count[COUNT_lb_proxied], 1);
	bed_end();
}

/* A client that uses a port again begins by a cookie; so does one that lost patience. */
static void test_ports_again(void **state)
{
	uint32_t cookie, other;
	struct seg syn, s;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	syn = handshake(7, &cookie);
	bed_send(backend_says(&syn, TCP_RST | TCP_ACK, BISN + 1, CISN + 1));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST | TCP_ACK, cookie + 1, CISN + 1);
	cookie = cookie_for(7, CISN + 5000, 536);
	syn = asked(7, CISN + 5000, cookie);
	assert_int_equal(syn.mss, 536);
	other = cookie_for(7, CISN + 9000, 1460); /* the backend has not answered yet */
	syn = asked(7, CISN + 9000, other);
	opened(&syn, other);
	assert_int_equal(bed_service()->flows, 1);
	bed_end();
}

/* What is lost: the cookie's ACK, the SYN to the backend, our ACK to it. */
static void test_losses(void **state)
{
	uint32_t cookie;
	struct seg syn, s;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	cookie = cookie_for(7, CISN, 1460);
	bed_send(client_says(7, TCP_ACK, CISN, cookie + 1)); /* a probe of the window */
	syn = bed_take();
	EXPECT(syn, CLIENT(1), syn.dst, TCP_SYN, CISN, 0);
	bed_after(500);
	fake_run(w, &w->out, stage_fib_out);
	bed_silence();
	bed_after(600);
	fake_run(w, &w->out, stage_fib_out);
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_SYN, CISN, 0);
	bed_send(client_says(7, TCP_ACK, CISN, cookie + 1)); /* too early */
	bed_silence();
	opened(&syn, cookie);
	opened(&syn, cookie); /* it has not got our ACK */
	bed_after(5000);
	fake_run(w, &w->out, stage_fib_out);
	bed_silence();
	assert_int_equal(w->count[COUNT_lb_proxied], 1);
	assert_int_equal(w->books.drop[DROP_LB_PROXY_WAIT], 1);
	bed_end();
}

/* A backend that refuses, one that is silent, and one that has an old connection. */
static void test_bad_backends(void **state)
{
	uint32_t cookie, tries = 0;
	struct seg syn, s;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	cookie = cookie_for(7, CISN, 1460);
	syn = asked(7, CISN, cookie);
	bed_send(backend_says(&syn, TCP_RST | TCP_ACK, 0, CISN + 1));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST | TCP_ACK, cookie + 1, CISN + 1);
	assert_int_equal(bed_service()->flows, 0);
	assert_int_equal(w->lb->backend[syn.dst - BACKEND(0)].refused, 1);

	cookie = cookie_for(8, CISN, 1460);
	syn = asked(8, CISN, cookie);
	for (uint32_t i = 0; i < 20; i++) {
		bed_after(1100);
		fake_run(w, &w->out, stage_fib_out);
		while (bed_out() > 0) {
			s = bed_take();
			tries += s.flags == TCP_SYN;
		}
	}
	EXPECT(s, VIP, CLIENT(1), TCP_RST | TCP_ACK, cookie + 1, CISN + 1);
	assert_int_equal(tries, 5);
	assert_int_equal(bed_service()->flows, 0);

	cookie = cookie_for(9, CISN, 1460);
	syn = asked(9, CISN, cookie);
	bed_send(backend_says(&syn, TCP_ACK, 77, 99)); /* RFC 9293 3.5.2 */
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_RST, 99, 0);
	bed_after(1100);
	fake_run(w, &w->out, stage_fib_out);
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_SYN, CISN, 0);
	opened(&syn, cookie);
	assert_int_equal(w->count[COUNT_lb_proxy_failed], 2);
	bed_end();
}

/* A client that goes before its backend has answered: the backend is reset. */
static void test_a_client_that_goes(void **state)
{
	uint32_t cookie;
	struct seg syn, s;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	cookie = cookie_for(7, CISN, 1460);
	syn = asked(7, CISN, cookie);
	bed_send(client_says(7, TCP_RST, CISN + 77, 0)); /* not its number */
	assert_int_equal(bed_service()->flows, 1);
	bed_send(client_says(7, TCP_RST, CISN + 1, 0));
	bed_silence();
	assert_int_equal(bed_service()->flows, 0);
	bed_send(backend_says(&syn, TCP_SYN | TCP_ACK, BISN, CISN + 1));
	s = bed_take();
	EXPECT(s, CLIENT(1), syn.dst, TCP_RST, CISN + 1, 0);
	bed_silence();
	bed_end();
}

/* Whoever has no cookie gets nowhere, and leaves nothing. */
static void test_no_cookie(void **state)
{
	uint32_t cookie;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	for (uint32_t i = 0; i < 5000; i++) { /* SYNs of nobody's */
		bed_send(bed_in(CLIENT(2 + i), 7, TCP_SYN));
		bed_ignore();
	}
	assert_int_equal(flow_count(w->lb->flows)->added, 0);
	cookie = cookie_for(7, CISN, 1460);
	for (uint32_t i = 1; i < 1000; i++) { /* guessed ones: a reset */
		bed_send(client_says(7, TCP_ACK, CISN + 1, cookie + 1 + i));
		assert_int_equal(bed_take().flags, TCP_RST);
	}
	bed_send(client_says(7, TCP_RST, CISN + 1, 0));
	bed_silence();
	bed_send(client_says(8, TCP_ACK, CISN + 1, cookie + 1)); /* of another port */
	assert_int_equal(bed_take().flags, TCP_RST);
	assert_int_equal(w->books.drop[DROP_LB_NO_COOKIE], 1001);
	assert_int_equal(flow_count(w->lb->flows)->added, 0);
	bed_after(130000); /* too late */
	bed_send(client_says(7, TCP_ACK, CISN + 1, cookie + 1));
	assert_int_equal(bed_take().flags, TCP_RST);
	assert_int_equal(flow_count(w->lb->flows)->added, 0);
	bed_end();
}

/* What a router says of a backend's segment quotes it with the backend's number again. */
static void quoted_number(const struct seg *said, uint32_t room, const struct seg *want)
{
	struct ip4_fields f = {.ttl = 64, .src = CLIENT(9), .dst = VIP, .proto = IP4_PROTO_ICMP};
	uint8_t frame[200], message[100], bytes[200];
	const struct icmp_hdr *icmp;
	struct rte_mbuf *m;

	bed_bytes(bytes, said);
	memcpy(message + ICMP_HDR_LEN, frame_ip(bytes), room);
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_UNREACH, ICMP_CODE_FRAG_NEEDED, 1300,
		ICMP_HDR_LEN + room);
	m = fake_packet(w, LAN, frame, frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + room),
		0, FAKE_POOL);
	lane_put(&w->quoted, m, 0);
	fake_run(w, &w->quoted, stage_quoted);
	assert_int_equal(bed_out(), 1);
	bed_bytes(bytes, want);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), want->src);
	icmp = pkt_l4(m);
	assert_int_equal(icmp_hdr_check(icmp, ICMP_HDR_LEN + room), ICMP_OK);
	assert_memory_equal(icmp + 1, frame_ip(bytes), room);
	w->fwd_out.n = 0;
	w->books.tx++;
	rte_pktmbuf_free(m);
}

static void test_errors(void **state)
{
	struct seg syn, said, knows;
	uint32_t cookie;

	(void)state;
	begin_proxy(LB_SYN_ALWAYS);
	syn = handshake(7, &cookie);
	said = (struct seg){VIP, VPORT, CLIENT(1), 7, TCP_ACK, cookie + 77, CISN + 1, 9, 0, 0};
	knows = backend_says(&syn, TCP_ACK, BISN + 77, CISN + 1);
	knows.window = said.window;
	quoted_number(&said, 40, &knows);
	quoted_number(&said, 28, &knows); /* its checksum is not quoted */
	bed_end();
}

/* Full NAT with one address, which has one port. */
static void set_up_pool(enum lb_syn_proxy mode, uint16_t mss)
{
	static struct lb_addr_conf addr = {.addr = POOL};
	static struct lb_pool_conf pool = {
		.name = "inner", .n = 1, .addrs = &addr, .port = 2000, .last_port = 2000};

	bed_conf();
	service.syn_proxy = mode;
	service.mode = LB_FULL_NAT;
	service.mss = mss;
	strcpy(service.pool, pool.name);
	conf.pools = &pool;
	conf.n_pools = 1;
	bed_begin();
}

/* Without the proxy, what SYNs announce is lowered both ways. */
static void test_full_nat_mss(void **state)
{
	struct seg s = client_says(7, TCP_SYN, CISN, 0);

	(void)state;
	set_up_pool(LB_SYN_OFF, 1200);
	s.mss = 1460;
	bed_send(s);
	s = bed_take();
	assert_int_equal(s.mss, 1200);
	s = backend_says(&s, TCP_SYN | TCP_ACK, BISN, CISN + 1);
	s.mss = 1460;
	bed_send(s);
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_SYN | TCP_ACK, BISN, CISN + 1);
	assert_int_equal(s.mss, 1200);
	bed_end();
}

/* The backend knows the client by an address of ours, and its numbers change all the same. */
static void test_full_nat(void **state)
{
	uint32_t cookie, other;
	struct seg syn, s;

	(void)state;
	set_up_pool(LB_SYN_ALWAYS, 0);
	cookie = cookie_for(7, CISN, 1400);
	other = cookie_for(8, CISN, 1400);
	bed_send(client_says(7, TCP_ACK, CISN + 1, cookie + 1));
	syn = bed_take();
	EXPECT(syn, POOL, syn.dst, TCP_SYN, CISN, 0);
	assert_int_equal(syn.sport, 2000);
	assert_int_equal(syn.dport, BPORT);
	bed_send(backend_says(&syn, TCP_SYN | TCP_ACK, BISN, CISN + 1));
	s = bed_take();
	EXPECT(s, POOL, syn.dst, TCP_ACK, CISN + 1, BISN + 1);
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_ACK, cookie + 1, CISN + 1);
	bed_send(backend_says(&syn, TCP_ACK, BISN + 1, CISN + 1));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_ACK, cookie + 1, CISN + 1);
	bed_send(client_says(7, TCP_ACK, CISN + 1, cookie + 301));
	s = bed_take();
	EXPECT(s, POOL, syn.dst, TCP_ACK, CISN + 1, BISN + 301);
	bed_send(client_says(8, TCP_ACK, CISN + 1, other + 1)); /* no port is left for it */
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST, other + 1, 0);
	bed_silence();
	assert_int_equal(bed_service()->flows, 1);
	bed_end();
}

/* Whoever is refused by a limit when his cookie comes is told: he believes that he is connected. */
static void test_limits(void **state)
{
	uint32_t cookie;
	struct seg s;

	(void)state;
	bed_conf();
	service.syn_proxy = LB_SYN_ALWAYS;
	service.max_flows = 1;
	bed_begin();
	handshake(7, &cookie);
	cookie = cookie_for(8, CISN, 1460);
	bed_send(client_says(8, TCP_ACK, CISN + 1, cookie + 1));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST, cookie + 1, 0);
	assert_int_equal(w->books.drop[DROP_LB_LIMIT], 1);
	assert_int_equal(bed_service()->refused, 1);
	bed_end();
}

/* Auto: as without it until SYNs come too fast, and again some time after they no longer do. */
static void test_auto(void **state)
{
	struct seg before, s;
	uint32_t cookie;

	(void)state;
	begin_proxy(LB_SYN_AUTO);
	bed_send(client_says(7, TCP_SYN, CISN, 0));
	before = bed_take();
	EXPECT(before, CLIENT(1), before.dst, TCP_SYN, CISN, 0);
	bed_send(backend_says(&before, TCP_SYN | TCP_ACK, BISN, CISN + 1));
	bed_take();
	for (uint32_t i = 0; i < 3000; i++) {
		bed_send(bed_in(CLIENT(2 + i), 7, TCP_SYN));
		bed_ignore();
	}
	assert_in_range(flow_count(w->lb->flows)->added, 100, 102);
	assert_in_range(w->count[COUNT_lb_cookies_sent], 2899, 2901);
	bed_send(client_says(7, TCP_ACK, CISN + 1, BISN + 1)); /* its flow is known */
	s = bed_take();
	EXPECT(s, CLIENT(1), before.dst, TCP_ACK, CISN + 1, BISN + 1);
	handshake(8, &cookie);
	/* an ACK of nobody's leaves nothing, but goes on: it may be of an old connection */
	bed_send(client_says(9, TCP_ACK, CISN + 1, 12345));
	s = bed_take();
	EXPECT(s, CLIENT(1), s.dst, TCP_ACK, CISN + 1, 12345);
	assert_in_range(flow_count(w->lb->flows)->added, 101, 103);
	for (uint32_t t = 0; t < 20; t++) { /* half the rate and more goes on for it */
		bed_after(1001);
		for (uint32_t i = 0; i < 60; i++) {
			bed_send(bed_in(CLIENT(4000 + t * 60 + i), 7, TCP_SYN));
			bed_ignore();
		}
	}
	assert_in_range(flow_count(w->lb->flows)->added, 101, 103);
	cookie = cookie_for(10, CISN, 1460);
	for (uint32_t t = 0; t < 22; t++) { /* and less does not */
		bed_after(500);
		bed_send(bed_in(CLIENT(8000 + t), 7, TCP_SYN));
		bed_ignore();
	}
	bed_send(client_says(11, TCP_SYN, CISN, 0));
	s = bed_take();
	EXPECT(s, CLIENT(1), s.dst, TCP_SYN, CISN, 0);
	asked(10, CISN, cookie); /* cookies that were out are still good */
	bed_end();
}

/* In a flood, what has neither flow nor cookie needs an address of ours: there is none without. */
static void test_auto_full_nat(void **state)
{
	uint64_t full;
	struct seg s;

	(void)state;
	set_up_pool(LB_SYN_AUTO, 0);
	for (uint32_t i = 0; i < 3000; i++) {
		bed_send(bed_in(CLIENT(2 + i), 7, TCP_SYN));
		bed_ignore();
	}
	full = w->books.drop[DROP_LB_TABLE_FULL];
	bed_send(client_says(9, TCP_ACK, CISN + 1, 12345));
	s = bed_take();
	EXPECT(s, VIP, CLIENT(1), TCP_RST, 12345, 0);
	bed_send(client_says(9, TCP_RST, CISN + 1, 0));
	bed_silence();
	assert_int_equal(w->books.drop[DROP_LB_NO_COOKIE], 1);
	assert_int_equal(w->books.drop[DROP_LB_NO_FLOW], 1);
	assert_int_equal(w->books.drop[DROP_LB_TABLE_FULL], full);
	bed_end();
}

/* Honest clients during a flood, in a table of 1,000: every handshake comes to its end. */
static void test_flood(void **state)
{
	(void)state;
	for (enum lb_syn_proxy mode = LB_SYN_AUTO; mode <= LB_SYN_ALWAYS; mode++) {
		uint32_t n = 0;

		begin_proxy(mode);
		for (uint16_t port = 100; port < 120; port++) {
			uint32_t cookie;
			struct seg s;

			for (uint32_t i = 0; i < 1000; i++, n++) {
				bed_send(bed_in(
					CLIENT(2 + n % 8192), (uint16_t)(1 + n / 8192), TCP_SYN));
				bed_ignore();
			}
			handshake(port, &cookie);
			bed_send(client_says(port, TCP_ACK, CISN + 1, cookie + 1));
			s = bed_take();
			EXPECT(s, CLIENT(1), s.dst, TCP_ACK, CISN + 1, BISN + 1);
		}
		assert_int_equal(w->count[COUNT_lb_proxied], 20);
		assert_int_equal(w->count[COUNT_lb_flows_displaced], 0);
		bed_end();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_connection),
		cmocka_unit_test(test_ports_again),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_bad_backends),
		cmocka_unit_test(test_a_client_that_goes),
		cmocka_unit_test(test_no_cookie),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_full_nat),
		cmocka_unit_test(test_full_nat_mss),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_auto),
		cmocka_unit_test(test_auto_full_nat),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
