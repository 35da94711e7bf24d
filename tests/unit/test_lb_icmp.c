/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP about what is balanced, and fragments of it, on one worker and on four: who is told, and
 * what the message quotes then.
 */
#include "icmp_bed.h"

/* --- from the client's side: to the backend that has the flow --- */

static void from_client(uint16_t at, uint32_t service, uint16_t sport, uint32_t quote)
{
	struct lb_bed_packet sent = {service, LAN_HOST, 80, sport, TCP_ACK, .len = 400};
	uint32_t len = about(UPSTREAM, service, 3, 4, 1300, &sent, quote);
	uint16_t owner = begin(at, service, sport), by = 0;
	bool nat = service == NAT, tunnel = service != NAT && service != DSR;
	uint32_t more = service == GRE ? 24 : tunnel ? 20 : 0;
	const struct ip4_hdr *ip;
	struct rte_mbuf *m;

	len = about(UPSTREAM, service, 3, 4, 1300, &sent, quote); /* begin() used the frame */
	lb_pass_in(net, (at + 1) % net->n_workers, LAN, frame, len);
	m = only("error", WAN, &by);
	assert_int_equal(by, owner);
	ip = (const struct ip4_hdr *)((const char *)pkt_ip4(m) + more);
	assert_int_equal(ip->ttl, 63);
	assert_int_equal(ip4_hdr_src(ip), UPSTREAM);
	assert_int_equal(ip4_hdr_dst(ip), nat ? FAR_HOST : service);
	if (tunnel)
		assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), FAR_HOST);
	expect_quote(m, more, nat ? FAR_HOST : service, nat ? 8080 : 80, LAN_HOST, sport);
	lb_pass_rest(net);
}

static void test_from_client(void **state)
{
	static const uint32_t services[] = {NAT, DSR, IPIP, GRE, HASHED};

	(void)state;
	for (uint16_t i = 0; i < 20; i++)
		for (size_t s = 0; s < RTE_DIM(services); s++)
			from_client(i % net->n_workers, services[s], (uint16_t)(1000 + i),
				i % 2 == 0 ? ALL : LEAST);
}

/* Who speaks of no flow of ours is not passed on. */
static void test_from_nowhere(void **state)
{
	static const struct {
		const char *name;
		struct lb_bed_packet about;
		uint32_t quote, dst;
		enum drop_reason why;
	} cases[] = {
		{"no flow", {NAT, LAN_HOST, 80, 9, TCP_ACK}, ALL, NAT, DROP_LB_NO_FLOW},
		{"no flow of a tunnel", {IPIP, LAN_HOST, 80, 9, TCP_ACK}, ALL, IPIP,
			DROP_LB_NO_FLOW},
		{"no service", {NAT, LAN_HOST, 81, 9, TCP_ACK}, ALL, NAT, DROP_LB_NO_FLOW},
		{"another's packet", {LAN_HOST, NAT, 80, 9, TCP_ACK}, ALL, NAT, DROP_LB_NO_FLOW},
		{"a later fragment", {NAT, LAN_HOST, 80, 9, 0, .frag = 8}, ALL, NAT,
			DROP_LB_NO_FLOW},
		{"no ports", {NAT, LAN_HOST, 80, 9, TCP_ACK}, 27, NAT, DROP_LB_NO_FLOW},
		{"no header", {NAT, LAN_HOST, 80, 9, TCP_ACK}, 19, NAT, DROP_LB_NO_FLOW},
		{"nothing", {NAT, LAN_HOST, 80, 9, TCP_ACK}, 0, NAT, DROP_LB_NO_FLOW},
		{"no flow of full NAT", {FULL, LAN_HOST, 80, 9, TCP_ACK}, ALL, FULL,
			DROP_LB_NO_FLOW},
		{"a free port of the pool", {POOL, FAR_HOST, 20000, 8081}, ALL, POOL,
			DROP_LB_NO_FLOW},
		{"a port beyond", {POOL, FAR_HOST, 9, 8081}, ALL, POOL, DROP_LB_NO_FLOW},
		{"a later fragment of a flow", {NAT, LAN_HOST, 80, 11, TCP_ACK, .frag = 8}, ALL,
			NAT, DROP_LB_NO_FLOW},
		{"what another service sent", {NAT, LAN_HOST, 80, 11, TCP_ACK}, ALL, DSR,
			DROP_LB_NO_FLOW},
		{"a pool's, cut short", {POOL, FAR_HOST, 20000, 8081}, 27, POOL, DROP_LB_NO_FLOW},
	};

	(void)state;
	begin(0, NAT, 11);
	begin(0, DSR, 11);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len =
			about(UPSTREAM, cases[i].dst, 3, 3, 0, &cases[i].about, cases[i].quote);

		lb_pass_in(net, 0, LAN, frame, len);
		if (lb_pass_drops(net, cases[i].why) != 1)
			fail_msg("%s", cases[i].name);
		lb_pass_rest(net);
	}
}

/* Between an apply's two stores an address may have the index of another's. */
static void test_an_index_of_before(void **state)
{
	struct lb_bed_packet of = {FULL + 10, LAN_HOST, 80, 1900, TCP_ACK};
	uint32_t len;

	(void)state;
	begin(0, NAT, 1900);
	fake_route(net, FULL + 10, 32, FIB_SERVICE,
		fib_entry_index(fib4_lookup(net->fib, NAT)) & ~FIB_SERVICE_ARP);
	len = about(UPSTREAM, FULL + 10, 3, 3, 0, &of, ALL);
	lb_pass_in(net, 0, LAN, frame, len);
	assert_int_equal(lb_pass_drops(net, DROP_LB_NO_FLOW), 1);
	lb_pass_rest(net);
}

/* Whose backend has gone; and who has no place in the table, of whom the hash alone tells. */
static void test_without_a_backend(void **state)
{
	struct lb_bed_packet sent = {NAT, LAN_HOST, 80, 12, TCP_ACK, .len = 40};
	struct lb_bed_packet unknown = {NAT, LAN_HOST, 80, 13, TCP_ACK};
	struct lb_bed_packet full = {FULL, LAN_HOST, 80, 13, TCP_ACK};
	struct lb_backend *b = &net->lb->backend[slot_of("nat", FAR_HOST)];
	uint16_t by;

	(void)state;
	begin(0, NAT, 12);
	b->state = LB_BACKEND_ENDED;
	lb_pass_in(net, 0, LAN, frame, about(UPSTREAM, NAT, 3, 3, 0, &sent, ALL));
	b->state = LB_BACKEND_OPEN;
	assert_int_equal(lb_pass_drops(net, DROP_LB_NO_FLOW), 1);
	lb_pass_rest(net);
	for (uint16_t i = 0; i < net->n_workers; i++)
		net->worker[i]->lb->alone = net->worker[i]->now + 1;
	lb_pass_in(net, 0, LAN, frame, about(UPSTREAM, NAT, 3, 3, 0, &unknown, ALL));
	assert_int_equal(ip4_hdr_dst(pkt_ip4(only("alone", WAN, &by))), FAR_HOST);
	lb_pass_rest(net);
	lb_pass_in(net, 0, LAN, frame, about(UPSTREAM, FULL, 3, 3, 0, &full, ALL));
	assert_int_equal(lb_pass_drops(net, DROP_LB_NO_FLOW), 1); /* it has no source of ours */
	lb_pass_rest(net);
	for (uint16_t i = 0; i < net->n_workers; i++)
		net->worker[i]->lb->alone = 0;
}

/* --- from the backend's side: to the client --- */

/* from: who complains of the packet that the backend should have got. */
static void from_backend(uint16_t at, uint32_t from, uint16_t sport, uint32_t quote)
{
	struct lb_bed_packet got = {LAN_HOST, FAR_HOST, sport, 8080, TCP_ACK, .len = 300};
	uint16_t owner = begin(at, NAT, sport), by = 0;
	uint32_t len = about(from, LAN_HOST, 3, from == ROUTER ? 4 : 3, 1200, &got, quote);
	struct rte_mbuf *m;

	lb_pass_in(net, (at + 3) % net->n_workers, WAN, frame, len);
	m = only("error", LAN, &by);
	assert_int_equal(by, owner);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), from == FAR_HOST ? NAT : from);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), LAN_HOST);
	assert_int_equal(pkt_ip4(m)->ttl, 63);
	expect_quote(m, 0, LAN_HOST, sport, NAT, 80);
	lb_pass_rest(net);
}

static void test_from_backend(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 40; i++)
		from_backend(i % net->n_workers, i & 1 ? FAR_HOST : ROUTER, (uint16_t)(2000 + i),
			i & 2 ? ALL : LEAST);
}

/* What is said of a packet to a backend of the service that is not the flow's: it goes on as it is.
 */
static void test_from_another_backend(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < 20; i++) {
		uint16_t by, sport = (uint16_t)(2100 + i);
		uint32_t to = begin_by(i % net->n_workers, TWO, sport, &by);
		uint32_t other = to == FAR_HOST ? WAN_HOST : FAR_HOST;
		struct lb_bed_packet got = {LAN_HOST, other, sport, 8090, TCP_ACK};

		lb_pass_in(net, 0, WAN, frame, about(ROUTER, LAN_HOST, 3, 1, 0, &got, ALL));
		expect_quote(only("another", LAN, &by), 0, LAN_HOST, sport, other, 8090);
		lb_pass_rest(net);
		got.dst = to;
		lb_pass_in(net, 0, WAN, frame, about(ROUTER, LAN_HOST, 3, 1, 0, &got, ALL));
		expect_quote(only("its own", LAN, &by), 0, LAN_HOST, sport, TWO, 80);
		lb_pass_rest(net);
	}
}

/* --- flows with a source of ours --- */

static const struct source_case {
	uint32_t service, client;
	uint16_t backend_port, iface; /* where the client is */
} source_cases[] = {
	{FULL, LAN_HOST, 8081, LAN},
	{HAIRPIN, ROUTER, 9000, WAN},
};

/* A client's first packet, at a worker; the port that the flow has at the pool's address. */
static uint16_t begin_source(
	const struct source_case *c, uint16_t at, uint16_t sport, uint16_t *owner)
{
	struct lb_bed_packet in = {c->client, c->service, sport, 80, TCP_SYN};
	struct rte_mbuf *m;
	uint16_t port;

	lb_pass_in(net, at, c->iface, frame, lb_bed_frame(frame, &in));
	m = only("first packet", WAN, owner);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), POOL);
	port = from_be16(((const be16 *)pkt_l4(m))[0]);
	lb_pass_rest(net);
	return port;
}

/* What the backend, or a router before it, says of the pool's packet: the client hears it. */
static void to_pool(
	const struct source_case *c, uint16_t at, uint32_t from, uint16_t sport, uint32_t quote)
{
	uint16_t owner = 0, by = 0, port = begin_source(c, at, sport, &owner);
	struct lb_bed_packet got = {POOL, FAR_HOST, port, c->backend_port, TCP_ACK, .len = 300};
	struct lb_bed_packet other = got;
	struct rte_mbuf *m;

	lb_pass_in(net, (at + 3) % net->n_workers, WAN, frame,
		about(from, POOL, 3, from == FAR_HOST ? 3 : 4, 1200, &got, quote));
	m = only("error", c->iface, &by);
	assert_int_equal(by, owner);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), from == FAR_HOST ? c->service : from);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), c->client);
	assert_int_equal(pkt_ip4(m)->ttl, 63);
	expect_quote(m, 0, c->client, sport, c->service, 80);
	lb_pass_rest(net);
	other.dport++; /* not this flow's */
	lb_pass_in(net, at, WAN, frame, about(from, POOL, 3, 3, 0, &other, quote));
	assert_int_equal(lb_pass_drops(net, DROP_LB_NO_FLOW), 1);
	lb_pass_rest(net);
}

/* What the client, or a router before it, says of the service's packet: the backend hears it. */
static void to_backend(
	const struct source_case *c, uint16_t at, uint32_t from, uint16_t sport, uint32_t quote)
{
	uint16_t owner = 0, by = 0, port = begin_source(c, at, sport, &owner);
	struct lb_bed_packet sent = {c->service, c->client, 80, sport, TCP_ACK, .len = 400};
	struct rte_mbuf *m;

	lb_pass_in(net, (at + 1) % net->n_workers, c->iface, frame,
		about(from, c->service, 3, 4, 1300, &sent, quote));
	m = only("error", WAN, &by);
	assert_int_equal(by, owner);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), from == c->client ? POOL : from);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), FAR_HOST);
	assert_int_equal(pkt_ip4(m)->ttl, 63);
	expect_quote(m, 0, FAR_HOST, c->backend_port, POOL, port);
	lb_pass_rest(net);
}

static void test_sources(void **state)
{
	const uint16_t full = slot_of("full", FAR_HOST);
	struct lb_count before = lb_backend_count(net, full), now;

	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		const struct source_case *c = &source_cases[i & 1];
		uint32_t quote = i & 2 ? ALL : LEAST;
		uint16_t sport = (uint16_t)(6000 + i);

		to_pool(c, i % net->n_workers, i & 4 ? FAR_HOST : UPSTREAM, sport, quote);
		to_backend(c, i % net->n_workers, i & 4 ? c->client : UPSTREAM, sport, quote);
	}
	now = lb_backend_count(net, full);
	assert_int_equal(now.packets_out - before.packets_out, 20);
	assert_int_equal(now.packets_in - before.packets_in, 60); /* a SYN twice */
}

/* What is no error about a flow is routed as it is. */
static void test_transit(void **state)
{
	static const struct {
		const char *name;
		struct lb_bed_packet about;
		uint32_t src, quote;
		uint8_t type;
	} cases[] = {
		{"no flow", {LAN_HOST, FAR_HOST, 9, 8080, TCP_ACK}, FAR_HOST, ALL, 3},
		{"another port", {LAN_HOST, FAR_HOST, 9, 8081, TCP_ACK}, FAR_HOST, ALL, 3},
		{"another host", {LAN_HOST, ROUTER, 9, 8080, TCP_ACK}, ROUTER, ALL, 3},
		{"not the client's packet", {UPSTREAM, FAR_HOST, 2000, 8080, TCP_ACK}, FAR_HOST,
			ALL, 3},
		{"cut short", {LAN_HOST, FAR_HOST, 2000, 8080, TCP_ACK}, FAR_HOST, 27, 3},
		{"an echo reply", {LAN_HOST, FAR_HOST, 2000, 8080, TCP_ACK}, FAR_HOST, ALL, 0},
	};

	(void)state;
	begin(0, NAT, 2000);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = about(cases[i].src, LAN_HOST, cases[i].type, 0, 0, &cases[i].about,
			cases[i].quote);
		struct rte_mbuf *m;
		uint16_t by;

		lb_pass_in(net, 0, WAN, frame, len);
		m = only(cases[i].name, LAN, &by);
		frame_ip(frame)->ttl--;
		ip4_hdr_csum_set(frame_ip(frame));
		if (len >= 60)
			fake_expect(m, frame, len);
		assert_memory_equal(pkt_ip4(m), frame_ip(frame), len - ETH_HDR_LEN);
		lb_pass_rest(net);
	}
}

/* --- echo --- */

static void test_echo(void **state)
{
	static const uint32_t services[] = {NAT, DSR, IPIP, GRE, HASHED};

	(void)state;
	for (uint16_t i = 0; i < 20; i++) {
		uint32_t service = services[i % RTE_DIM(services)];
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = service};
		uint32_t len = frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 100);
		struct rte_mbuf *m;
		uint16_t by;

		lb_pass_in(net, i % net->n_workers, LAN, frame, len);
		m = only("echo", LAN, &by);
		assert_int_equal(ip4_hdr_src(pkt_ip4(m)), service);
		assert_int_equal(((struct icmp_hdr *)pkt_l4(m))->type, ICMP_TYPE_ECHO_REPLY);
		lb_pass_rest(net);
		len = frame_icmp(frame, f, ICMP_TYPE_TIMESTAMP, 0, 12);
		lb_pass_in(net, 0, LAN, frame, len);
		assert_int_equal(lb_pass_drops(net, DROP_ICMP_TYPE), 1);
		lb_pass_rest(net);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_client),
		cmocka_unit_test(test_from_nowhere),
		cmocka_unit_test(test_an_index_of_before),
		cmocka_unit_test(test_without_a_backend),
		cmocka_unit_test(test_from_backend),
		cmocka_unit_test(test_from_another_backend),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_transit),
		cmocka_unit_test(test_echo),
	};
	int failed = cmocka_run_group_tests_name("lb_icmp", tests, one_worker, tear_down);

	return failed +
	       cmocka_run_group_tests_name("lb_icmp, four workers", tests, four_workers, tear_down);
}
