/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Destination NAT: packets in, what becomes of them, packets out; both ways, as tables have it.
 * Buffers are exactly as long as their packets, and checksums are whole at the end.
 */
#include "exact.h"
#include "lb_bed.h"
#include "net/error.h"
#include "net/local.h"
#include "net/steer.h"

#define WEB    FAKE_ADDR(198, 18, 0, 100) /* :80 to WAN_HOST:8080, TCP */
#define ANY    FAKE_ADDR(198, 18, 0, 101) /* every port, both protocols, to FAR_HOST */
#define RANGE  FAKE_ADDR(198, 18, 0, 102) /* 1000 to 1999, UDP, to WAN_HOST */
#define NO_WAY FAKE_ADDR(198, 18, 0, 103) /* :80, to where no route goes */
#define NEW    FAKE_ADDR(198, 18, 0, 104) /* :80, to a neighbour that is not known */
#define EMPTY  FAKE_ADDR(198, 18, 0, 105) /* :80, both, nobody to serve it */

#define NO_HOST	 FAKE_ADDR(203, 0, 113, 1)
#define NEW_HOST FAKE_ADDR(198, 18, 1, 77)

static struct lb_bed_conf conf;
static struct worker *w;
static uint8_t frame[FRAME_MAX];

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	lb_bed_backend(lb_bed_service(&conf, "web", WEB, 80, LB_TCP), WAN_HOST, 8080, 1);
	lb_bed_backend(lb_bed_service(&conf, "any", ANY, 0, LB_TCP_AND_UDP), FAR_HOST, 0, 1);
	lb_bed_backend(lb_bed_service(&conf, "range", RANGE, 1000, LB_UDP), WAN_HOST, 0, 1);
	conf.service[2].last_port = 1999;
	lb_bed_backend(lb_bed_service(&conf, "no way", NO_WAY, 80, LB_TCP), NO_HOST, 0, 1);
	lb_bed_backend(lb_bed_service(&conf, "new", NEW, 80, LB_TCP), NEW_HOST, 0, 1);
	lb_bed_backend(lb_bed_service(&conf, "empty", EMPTY, 80, LB_TCP_AND_UDP), WAN_HOST, 81, 0);
	/* one backend without a port of its own for two services */
	lb_bed_backend(lb_bed_service(&conf, "one", WEB, 443, LB_TCP), WAN_HOST, 0, 1);
	lb_bed_backend(lb_bed_service(&conf, "other", WEB + 8, 444, LB_TCP), WAN_HOST, 0, 1);
	w = lb_bed_new(1, &conf);
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

enum end { SENT, PARKED, ERROR, REFUSED, DROPPED, LOCAL, PASSES };

struct nat_case {
	const char *name;
	struct lb_bed_packet in;
	enum end end;
	struct lb_bed_packet
		out;  /* SENT: what differs from `in`, 0: nothing; its adjacency in len */
	uint32_t why; /* enum error_cause with its value, or enum drop_reason */
};

/* Its headers' sums are whole, but for a UDP sum of 0. */
static void expect_sums(const struct rte_mbuf *m)
{
	struct ip4_hdr *ip = pkt_ip4(m);

	assert_int_equal(csum_fold(csum_add(ip, ip4_hdr_len(ip), 0)), 0);
	if (ip4_hdr_is_fragment(ip))
		return;
	if (ip->proto == IP4_PROTO_UDP && ((struct udp_hdr *)pkt_l4(m))->csum == 0)
		return;
	if (!local_csum_ok(m, (uint16_t)ip4_hdr_payload_len(ip)))
		fail_msg("a wrong sum");
}

/* What went out is what came in, but for TTL, the ends that the case names, and sums. */
static void expect_sent(const struct nat_case *c, uint32_t len)
{
	struct rte_mbuf *m = w->fwd_out.pkt[0];
	struct ip4_hdr *ip = pkt_ip4(m), *was = frame_ip(frame);
	be16 *port = pkt_l4(m);
	bool is_udp = ip->proto == IP4_PROTO_UDP;

	assert_int_equal(w->fwd_out.n, 1);
	assert_int_equal(w->fwd_out.aux[0], c->out.len);
	assert_int_equal(ip4_hdr_src(ip), c->out.src != 0 ? c->out.src : c->in.src);
	assert_int_equal(ip4_hdr_dst(ip), c->out.dst != 0 ? c->out.dst : c->in.dst);
	assert_int_equal(from_be16(port[0]), c->out.sport != 0 ? c->out.sport : c->in.sport);
	assert_int_equal(from_be16(port[1]), c->out.dport != 0 ? c->out.dport : c->in.dport);
	expect_sums(m);
	if (is_udp)
		assert_int_equal(((struct udp_hdr *)pkt_l4(m))->csum == 0, c->in.no_csum);
	assert_int_equal(ip->ttl, was->ttl - 1);
	/* all else is as it was */
	was->src = ip->src;
	was->dst = ip->dst;
	was->ttl = ip->ttl;
	was->csum = ip->csum;
	((be16 *)frame_l4(frame))[0] = port[0];
	((be16 *)frame_l4(frame))[1] = port[1];
	if (is_udp)
		((struct udp_hdr *)frame_l4(frame))->csum = ((struct udp_hdr *)pkt_l4(m))->csum;
	else
		((struct tcp_hdr *)frame_l4(frame))->csum = ((struct tcp_hdr *)pkt_l4(m))->csum;
	fake_expect(m, frame, len);
}

static void expect_lane(const struct nat_case *c, struct lane *l, uint32_t value, uint32_t len)
{
	if (l->n != 1 || fake_in_lanes(w, false) != 1)
		fail_msg("%s: elsewhere", c->name);
	assert_int_equal(l->aux[0], value);
	fake_expect(l->pkt[0], frame, len); /* as it came */
}

/* A segment was refused by a reset from where it went to. */
static void expect_reset(const struct nat_case *c)
{
	struct rte_mbuf *m = w->out.pkt[0];
	struct tcp_hdr *tcp;

	if (w->out.n != 1)
		fail_msg("%s: no reset", c->name);
	tcp = pkt_l4(m);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), c->in.dst);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), c->in.src);
	assert_int_equal(from_be16(tcp->sport), c->in.dport);
	assert_int_equal(from_be16(tcp->dport), c->in.sport);
	assert_true(tcp->flags & TCP_RST);
	expect_sums(m);
	fake_dropped(w, (enum drop_reason)c->why);
}

static void expect(const struct nat_case *c, uint32_t len)
{
	if (park_held(w->park) != (c->end == PARKED))
		fail_msg("%s: parked %u", c->name, park_held(w->park));
	switch (c->end) {
	case SENT:
		if (w->fwd_out.n != 1 || fake_in_lanes(w, false) != 1)
			fail_msg("%s: not sent", c->name);
		expect_sent(c, len);
		break;
	case ERROR:
		expect_lane(c, &w->error, c->why, len);
		break;
	case LOCAL:
		expect_lane(c, &w->local, 0, len);
		break;
	case PASSES:
		expect_lane(c, &w->in, 0, len);
		break;
	case REFUSED:
		expect_reset(c);
		break;
	case DROPPED:
		fake_dropped(w, (enum drop_reason)c->why);
		__attribute__((fallthrough));
	case PARKED:
		assert_int_equal(fake_in_lanes(w, false), 0);
	}
	fake_rest(w);
}

static uint32_t vip_index(uint32_t addr)
{
	fib_entry e = fib4_lookup(w->net->fib, addr);

	assert_int_equal(fib_entry_kind(e), FIB_SERVICE);
	return fib_entry_index(e);
}

static void to_vip(const struct nat_case *c)
{
	uint32_t len = lb_bed_frame(frame, &c->in);

	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT), vip_index(c->in.dst));
	lb_bed_balance(w);
	expect(c, len);
}

#define SYN		TCP_SYN
#define ACK		TCP_ACK
#define CAUSE(x, value) (uint32_t) ERROR_##x << 24 | (value)

static const struct nat_case requests[] = {
	{"tcp", {LAN_HOST, WEB, 1024, 80, SYN, .seq = 5}, SENT,
		{.dst = WAN_HOST, .dport = 8080, .len = WAN}, 0},
	{"tcp with data", {LAN_HOST, WEB, 1024, 80, ACK, .len = 1400}, SENT,
		{.dst = WAN_HOST, .dport = 8080, .len = WAN}, 0},
	{"tcp with options in IPv4", {LAN_HOST, WEB, 1025, 80, SYN, .opts = 8}, SENT,
		{.dst = WAN_HOST, .dport = 8080, .len = WAN}, 0},
	{"all options there may be", {LAN_HOST, WEB, 1026, 80, SYN, .opts = 40}, SENT,
		{.dst = WAN_HOST, .dport = 8080, .len = WAN}, 0},
	{"any port", {LAN_HOST, ANY, 1024, 7, SYN}, SENT, {.dst = FAR_HOST, .len = WAN}, 0},
	{"any port, the last", {LAN_HOST, ANY, 1024, 65535, SYN}, SENT,
		{.dst = FAR_HOST, .len = WAN}, 0},
	{"any port, the first", {LAN_HOST, ANY, 1024, 1, SYN}, SENT, {.dst = FAR_HOST, .len = WAN},
		0},
	{"udp", {LAN_HOST, ANY, 1024, 53, .len = 30}, SENT, {.dst = FAR_HOST, .len = WAN}, 0},
	{"udp without a sum", {LAN_HOST, ANY, 1024, 53, .len = 30, .no_csum = true}, SENT,
		{.dst = FAR_HOST, .len = WAN}, 0},
	{"udp, nothing in it", {LAN_HOST, ANY, 1024, 53}, SENT, {.dst = FAR_HOST, .len = WAN}, 0},
	{"udp with options in IPv4", {LAN_HOST, ANY, 1024, 53, .opts = 4}, SENT,
		{.dst = FAR_HOST, .len = WAN}, 0},
	{"first of a range", {LAN_HOST, RANGE, 9, 1000}, SENT, {.dst = WAN_HOST, .len = WAN}, 0},
	{"last of a range", {LAN_HOST, RANGE, 9, 1999}, SENT, {.dst = WAN_HOST, .len = WAN}, 0},
	{"before a range", {LAN_HOST, RANGE, 9, 999}, ERROR, .why = CAUSE(SERVICE, 0)},
	{"behind a range", {LAN_HOST, RANGE, 9, 2000}, ERROR, .why = CAUSE(SERVICE, 0)},
	{"another protocol's port", {LAN_HOST, RANGE, 9, 1000, SYN}, REFUSED,
		.why = DROP_NO_SERVICE},
	{"another port", {LAN_HOST, WEB, 9, 81, SYN}, REFUSED, .why = DROP_NO_SERVICE},
	{"a reset to another port", {LAN_HOST, WEB, 9, 81, TCP_RST}, DROPPED,
		.why = DROP_NO_SERVICE},
	{"udp to a port of tcp", {LAN_HOST, WEB, 9, 80}, ERROR, .why = CAUSE(SERVICE, 0)},
	{"the last hop but one", {LAN_HOST, WEB, 9, 80, SYN, .ttl = 2}, SENT,
		{.dst = WAN_HOST, .dport = 8080, .len = WAN}, 0},
	{"the last hop", {LAN_HOST, WEB, 9, 80, SYN, .ttl = 1}, ERROR, .why = CAUSE(TTL, 0)},
	{"as long as a link takes", {LAN_HOST, ANY, 9, 80, .frag = IP4_DF, .len = 1472}, SENT,
		{.dst = FAR_HOST, .len = WAN}, 0},
	{"longer than that", {LAN_HOST, ANY, 9, 80, .frag = IP4_DF, .len = 1473}, ERROR,
		.why = CAUSE(FRAG_NEEDED, 1500)},
	{"longer, and may be cut", {LAN_HOST, ANY, 9, 80, .len = 1473}, SENT,
		{.dst = FAR_HOST, .len = WAN}, 0},
	{"no route", {LAN_HOST, NO_WAY, 9, 80, SYN}, DROPPED, .why = DROP_LB_NO_ROUTE},
	{"a neighbour to be asked for", {LAN_HOST, NEW, 9, 80, SYN}, PARKED, .why = 0},
	{"nobody serves it", {LAN_HOST, EMPTY, 9, 80, SYN}, REFUSED, .why = DROP_LB_NO_BACKEND},
	{"nobody serves it by udp", {LAN_HOST, EMPTY, 9, 80}, ERROR, .why = CAUSE(BACKEND, 0)},
	{"a first fragment", {LAN_HOST, ANY, 9, 80, .frag = IP4_MF, .len = 16}, LOCAL, .why = 0},
	{"a later fragment", {LAN_HOST, ANY, 9, 80, .frag = 3, .len = 16}, LOCAL, .why = 0},
};

static void test_requests(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(requests); i++)
		to_vip(&requests[i]);
}

/* A packet from behind; `in` was emptied of it unless it passes. */
static void from_behind(const struct nat_case *c)
{
	uint32_t len = lb_bed_frame(frame, &c->in);

	lane_put(&w->in, fake_packet(w, WAN, frame, len, 0, FAKE_EXACT), 0);
	lb_bed_replies(w);
	expect(c, len);
}

static const struct nat_case replies[] = {
	{"tcp", {WAN_HOST, LAN_HOST, 8080, 1024, SYN | ACK}, SENT,
		{.src = WEB, .sport = 80, .len = LAN}, 0},
	{"options in IPv4", {WAN_HOST, LAN_HOST, 8080, 1025, SYN | ACK, .opts = 12}, SENT,
		{.src = WEB, .sport = 80, .len = LAN}, 0},
	{"udp of any port", {FAR_HOST, LAN_HOST, 53, 1024, .len = 9}, SENT,
		{.src = ANY, .len = LAN}, 0},
	{"udp without a sum", {FAR_HOST, LAN_HOST, 53, 1024, .len = 9, .no_csum = true}, SENT,
		{.src = ANY, .len = LAN}, 0},
	{"tcp of any port", {FAR_HOST, LAN_HOST, 65535, 1024, SYN | ACK}, SENT,
		{.src = ANY, .len = LAN}, 0},
	{"udp of a range", {WAN_HOST, LAN_HOST, 1999, 9}, SENT, {.src = RANGE, .len = LAN}, 0},
	{"one service of a backend's", {WAN_HOST, LAN_HOST, 443, 7, SYN | ACK}, SENT,
		{.src = WEB, .len = LAN}, 0},
	{"another one of its", {WAN_HOST, LAN_HOST, 444, 7, SYN | ACK}, SENT,
		{.src = WEB + 8, .len = LAN}, 0},
	{"the last hop", {WAN_HOST, LAN_HOST, 8080, 1024, ACK, .ttl = 1}, ERROR,
		.why = CAUSE(TTL, 0)},
	{"too long", {WAN_HOST, LAN_HOST, 8080, 1024, ACK, .frag = IP4_DF, .len = 1461}, ERROR,
		.why = CAUSE(FRAG_NEEDED, 1500)},
	{"no flow of that client's", {WAN_HOST, LAN_HOST, 8080, 1, SYN | ACK}, PASSES, .why = 0},
	{"another port of the backend", {WAN_HOST, LAN_HOST, 8081, 1024, SYN | ACK}, PASSES,
		.why = 0},
	{"another protocol", {WAN_HOST, LAN_HOST, 8080, 1024}, PASSES, .why = 0},
	{"somebody else", {WAN_HOST + 1, LAN_HOST, 8080, 1024, ACK}, PASSES, .why = 0},
	{"to ourselves", {FAR_HOST, LAN_ADDR, 53, 1024}, PASSES, .why = 0},
	{"to a service", {FAR_HOST, WEB, 1024, 80, SYN}, PASSES, .why = 0},
	{"a fragment", {WAN_HOST, LAN_HOST, 8080, 1024, ACK, .frag = IP4_MF, .len = 20}, LOCAL,
		.why = 0},
	{"a fragment of somebody else", {WAN_HOST + 1, LAN_HOST, 8080, 1024, ACK, .frag = IP4_MF},
		PASSES, .why = 0},
};

static void test_replies(void **state)
{
	static const struct lb_bed_packet begin[] = {
		{LAN_HOST, WEB, 1024, 80, SYN},
		{LAN_HOST, WEB, 1025, 80, SYN},
		{LAN_HOST, ANY, 1024, 65535, SYN},
		{LAN_HOST, ANY, 1024, 53},
		{LAN_HOST, RANGE, 9, 1999},
		{LAN_HOST, WEB, 7, 443, SYN},
		{LAN_HOST, WEB + 8, 7, 444, SYN},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(begin); i++) {
		uint32_t len = lb_bed_frame(frame, &begin[i]);

		lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT),
			vip_index(begin[i].dst));
		lb_bed_balance(w);
		assert_int_equal(w->fwd_out.n, 1);
		fake_rest(w);
	}
	for (size_t i = 0; i < RTE_DIM(replies); i++)
		from_behind(&replies[i]);
}

/* A header that is cut off by the packet's end or the buffer's is nobody's flow, and not read. */
static void test_short(void **state)
{
	static const uint8_t protos[] = {IP4_PROTO_TCP, IP4_PROTO_UDP};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(protos); i++) {
		for (uint32_t len = 0; len < (protos[i] == IP4_PROTO_TCP ? 20u : 8u); len++) {
			struct ip4_fields f = {
				.ttl = 9, .proto = protos[i], .src = LAN_HOST, .dst = ANY};
			uint32_t n = frame_ip4(frame, f, NULL, 0, frame + 100, len);
			struct nat_case c = {.name = "short"};

			lane_put(&w->service, fake_packet(w, LAN, frame, n, 0, FAKE_EXACT),
				vip_index(ANY));
			lb_bed_balance(w);
			fake_dropped(w, protos[i] == IP4_PROTO_TCP ? DROP_TCP_BAD : DROP_UDP_BAD);
			fake_rest(w);
			f.src = FAR_HOST, f.dst = LAN_HOST;
			n = frame_ip4(frame, f, NULL, 0, frame + 100, len);
			lane_put(&w->in, fake_packet(w, WAN, frame, n, 0, FAKE_EXACT), 0);
			lb_bed_replies(w);
			expect_lane(&c, &w->in, 0, n);
			fake_rest(w);
		}
	}
}

/* The index is another address's by now: nobody gets what is not for him. */
static void test_an_index_of_before(void **state)
{
	struct nat_case c = {
		"index", {LAN_HOST, WEB, 7000, 80, SYN}, REFUSED, .why = DROP_NO_SERVICE};
	uint32_t len = lb_bed_frame(frame, &c.in);

	(void)state;
	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT), vip_index(NEW));
	lb_bed_balance(w);
	expect(&c, len);
}

/* Who may not even have sent it gets no reset. */
static void test_a_wrong_sum_gets_no_reset(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, WEB, 1024, 81, SYN};
	uint32_t len = lb_bed_frame(frame, &in);

	(void)state;
	((struct tcp_hdr *)frame_l4(frame))->seq ^= to_be32(1);
	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT), vip_index(WEB));
	lb_bed_balance(w);
	assert_int_equal(w->out.n, 0);
	fake_dropped(w, DROP_NO_SERVICE);
	fake_rest(w);
}

/* A whole burst and more, of many flows, leaves in its order. */
static void test_bursts(void **state)
{
	struct lb_bed_packet p = {LAN_HOST, WEB, 2000, 80, SYN};

	(void)state;
	for (uint32_t n = 1; n <= 70; n += 23) {
		for (uint32_t i = 0; i < n; i++, p.sport++) {
			uint32_t len = lb_bed_frame(frame, &p);

			lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT),
				vip_index(WEB));
		}
		lb_bed_balance(w);
		assert_int_equal(w->fwd_out.n, n);
		for (uint32_t i = 0; i < n; i++) {
			const struct tcp_hdr *tcp = pkt_l4(w->fwd_out.pkt[i]);

			assert_int_equal(from_be16(tcp->sport), p.sport - n + i);
			expect_sums(w->fwd_out.pkt[i]);
		}
		fake_rest(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_bursts),
		cmocka_unit_test(test_an_index_of_before),
		cmocka_unit_test(test_a_wrong_sum_gets_no_reset),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
