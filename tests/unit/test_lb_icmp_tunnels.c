/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors about tunnels, on one worker and on four: what is learnt, and what clients hear. */
#include "icmp_bed.h"

/* An error to our end of a tunnel about n bytes of a packet that left by it. */
static uint32_t about_outer(
	uint8_t type, uint8_t code, uint32_t mtu, const struct rte_mbuf *sent, uint32_t n)
{
	struct ip4_fields f = {.ttl = 64, .src = ROUTER, .dst = WAN_ADDR, .proto = IP4_PROTO_ICMP};
	static uint8_t message[ICMP_HDR_LEN + 1500];

	n = RTE_MIN(n, ip4_hdr_total_len(pkt_ip4(sent)));
	memcpy(message + ICMP_HDR_LEN, pkt_ip4(sent), n);
	icmp_hdr_build((struct icmp_hdr *)message, type, code, mtu, ICMP_HDR_LEN + n);
	return frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + n);
}

static const struct tunnel_case {
	const char *name;
	uint32_t service;
	uint8_t type, code;
	uint32_t mtu, quote; /* told, and how much of the packet */
	uint8_t out_type, out_code;
	uint32_t out_mtu; /* what the client hears; out_type 0: nothing */
	uint32_t known;	  /* MTU of the way from then on, the tunnel's header taken off */
} tunnel_cases[] = {
	{"ipip", IPIP, 3, 4, 1400, ALL, 3, 4, 1380, 1380},
	{"ipip, just enough is quoted", IPIP, 3, 4, 1400, 48, 3, 4, 1380, 1380},
	{"ipip, a byte less", IPIP, 3, 4, 1400, 47, 0, 0, 0, 1380},
	{"ipip, the outer header alone", IPIP, 3, 4, 1300, 28, 0, 0, 0, 1280},
	{"gre", GRE, 3, 4, 1400, ALL, 3, 4, 1376, 1376},
	{"gre, just enough", GRE, 3, 4, 1400, 52, 3, 4, 1376, 1376},
	{"gre, a byte less", GRE, 3, 4, 1400, 51, 0, 0, 0, 1376},
	{"no MTU told", IPIP, 3, 4, 0, ALL, 3, 4, 556, 556},
	{"less than is believed", IPIP, 3, 4, 100, ALL, 3, 4, 556, 556},
	{"it would have fitted", IPIP, 3, 4, 1480, ALL, 0, 0, 0, 0},
	{"it would just have fitted", IPIP, 3, 4, 1460, ALL, 0, 0, 0, 0},
	{"a byte too long", IPIP, 3, 4, 1459, ALL, 3, 4, 1439, 1439},
	{"no host", IPIP, 3, 1, 0, ALL, 3, 1, 0, 0},
	{"no tunnel there", GRE, 3, 2, 0, ALL, 3, 1, 0, 0},
	{"TTL", IPIP, 11, 0, 0, ALL, 3, 1, 0, 0},
	{"not put together", IPIP, 11, 1, 0, ALL, 0, 0, 0, 0},
};

static void forget(void)
{
	for (uint32_t i = 0; i < net->lb->n_backends; i++)
		atomic_store(&net->lb->backend[i].path_mtu, 0);
}

/* The client hears of it by our own words. */
static void expect_told(const struct tunnel_case *c, uint16_t sport)
{
	struct rte_mbuf *m;
	const struct icmp_hdr *icmp;
	uint16_t by;

	m = only(c->name, LAN, &by);
	icmp = pkt_l4(m);
	assert_int_equal(ip4_hdr_src(pkt_ip4(m)), LAN_ADDR);
	assert_int_equal(ip4_hdr_dst(pkt_ip4(m)), LAN_HOST);
	assert_int_equal(icmp->type, c->out_type);
	assert_int_equal(icmp->code, c->out_code);
	assert_int_equal(from_be32(icmp->rest), c->out_mtu);
	expect_quote(m, 0, LAN_HOST, sport, c->service, 80);
}

/* What the client sends then meets the MTU that was learnt, at every worker. */
static void expect_known(const struct tunnel_case *c)
{
	uint32_t mtu = c->known != 0 ? c->known : c->service == GRE ? 1476 : 1480;

	for (uint16_t at = 0; at < net->n_workers; at++) {
		struct lb_bed_packet in = {LAN_HOST, c->service, (uint16_t)(5000 + at), 80, TCP_ACK,
			.frag = IP4_DF, .len = mtu - 40};
		struct rte_mbuf *m;
		uint16_t by;

		lb_pass_in(net, at, LAN, frame, lb_bed_frame(frame, &in));
		only(c->name, WAN, &by);
		lb_pass_rest(net);
		in.len++;
		lb_pass_in(net, at, LAN, frame, lb_bed_frame(frame, &in));
		m = only(c->name, LAN, &by);
		assert_int_equal(from_be32(((struct icmp_hdr *)pkt_l4(m))->rest), mtu);
		lb_pass_rest(net);
	}
}

static void check_tunnel(const struct tunnel_case *c, uint16_t sport)
{
	struct lb_bed_packet in = {
		LAN_HOST, c->service, sport, 80, TCP_ACK, .frag = IP4_DF, .len = 1400};
	struct rte_mbuf *m;
	uint32_t len;
	uint16_t by, other;

	forget();
	lb_pass_in(net, sport % net->n_workers, LAN, frame, lb_bed_frame(frame, &in));
	m = only(c->name, WAN, &by);
	len = about_outer(c->type, c->code, c->mtu, m, c->quote);
	lb_pass_rest(net);
	lb_pass_in(net, 0, WAN, frame, len);
	if (c->out_type != 0)
		expect_told(c, sport);
	else
		assert_int_equal(lb_pass_out(net, LAN, &m, 1, &by), 0);
	/* a tunnel of the other kind to the same host may take another way */
	other = slot_of(c->service == IPIP ? "gre" : "ipip", FAR_HOST);
	assert_int_equal(atomic_load(&net->lb->backend[other].path_mtu), 0);
	lb_pass_rest(net);
	expect_known(c);
}

static void test_tunnels(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < RTE_DIM(tunnel_cases); i++)
		check_tunnel(&tunnel_cases[i], (uint16_t)(4000 + i));
	forget();
}

/* Tunnels that are not ours, or from others, and what is no service's inside, are nobody's business
 * here. */
static void test_foreign_tunnels(void **state)
{
	static const uint32_t ends[][3] = {
		{WAN_ADDR, ROUTER, IPIP}, {WAN_ADDR, FAR_HOST, UPSTREAM}, {ROUTER, FAR_HOST, IPIP}};
	struct rte_mbuf *m[OUT_MAX];
	uint16_t by;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		struct ip4_fields inner = {.ttl = 9, .src = LAN_HOST, .dst = ends[i][2]};
		struct ip4_fields outer = {.ttl = 9,
			.frag = IP4_DF,
			.proto = IP4_PROTO_IPIP,
			.src = ends[i][0],
			.dst = ends[i][1]};
		uint32_t len = frame_udp(quoted, inner, 1, 80, 1400);
		struct rte_mbuf *sent;

		len = frame_ip4(frame, outer, NULL, 0, frame_ip(quoted), len - ETH_HDR_LEN);
		sent = fake_packet(net->worker[0], WAN, frame, len, 0, FAKE_POOL);
		len = about_outer(3, 4, 1300, sent, 100);
		consume(net->worker[0], sent);
		lb_pass_in(net, 0, WAN, frame, len);
		assert_int_equal(lb_pass_out(net, LAN, m, OUT_MAX, &by), 0);
		lb_pass_rest(net);
	}
	forget();
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_foreign_tunnels),
	};
	int failed = cmocka_run_group_tests_name("lb_icmp_tunnels", tests, one_worker, tear_down);

	return failed + cmocka_run_group_tests_name(
				"lb_icmp_tunnels, four workers", tests, four_workers, tear_down);
}
