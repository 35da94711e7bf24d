/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fragments to services and from backends: a datagram is put together, balanced or routed as what
 * it is, and cut again where the next link asks for it; on one worker and on four, in every mode.
 */
#include "lb_pass.h"
#include "net/local.h"
#include "net/port.h"
#include "net/steer.h"

#define NAT	 FAKE_ADDR(198, 18, 0, 100) /* :80 to FAR_HOST:8080 */
#define DSR	 FAKE_ADDR(198, 18, 0, 101) /* :80 to WAN_HOST */
#define IPIP	 FAKE_ADDR(198, 18, 0, 102) /* :80 to FAR_HOST */
#define GRE	 FAKE_ADDR(198, 18, 0, 103) /* :80 to FAR_HOST */
#define STRANGER FAKE_ADDR(198, 19, 1, 1)   /* behind the wan, and no backend */

enum { WORKERS = 4, OUT_MAX = 64 };

static struct lb_bed_conf conf;
static struct lb_masquerade_conf home = {.name = "home",
	.prefix = FAKE_ADDR(10, 0, 0, 0),
	.depth = 8,
	.out = "lan", /* its own address there */
	.port = 10000,
	.last_port = 20000};
static struct net *net;
static uint8_t frame[FRAME_MAX], part[FRAME_MAX], whole[FRAME_MAX];

static void add(const char *name, uint32_t addr, enum lb_mode mode, uint32_t to, uint16_t port)
{
	struct lb_service_conf *s = lb_bed_service(&conf, name, addr, 80, LB_TCP_AND_UDP);

	s->mode = mode;
	lb_bed_backend(s, to, port, 1);
}

static int set_up_workers(uint16_t n)
{
	if (lb_pass_eal() < 0)
		return -1;
	lb_bed_clear(&conf);
	conf.c.max_flows = 4000;
	add("nat", NAT, LB_NAT, FAR_HOST, 8080);
	add("dsr", DSR, LB_DSR, WAN_HOST, 0);
	add("ipip", IPIP, LB_IPIP, FAR_HOST, 0);
	add("gre", GRE, LB_GRE, FAR_HOST, 0);
	net = lb_pass_new(n, &conf);
	return 0;
}

/* What is whole again is shown to the masquerade first, whomever it is for. */
static int set_up_masquerade(uint16_t n)
{
	if (set_up_workers(n) < 0)
		return -1;
	conf.c.masquerades = &home;
	conf.c.n_masquerades = 1;
	assert_int_equal(lb_bed_apply(net, &conf), 0);
	return 0;
}

static int one_worker(void **state)
{
	(void)state;
	return set_up_workers(1);
}

static int four_workers(void **state)
{
	(void)state;
	return set_up_workers(WORKERS);
}

static int one_with_masquerade(void **state)
{
	(void)state;
	return set_up_masquerade(1);
}

static int two_with_masquerade(void **state)
{
	(void)state;
	return set_up_masquerade(2);
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(net->worker[0]);
	return 0;
}

/* The fragment of `frame`, len bytes long, that has n bytes of payload from `from` on; its length.
 */
static uint32_t cut(uint32_t len, uint32_t from, uint32_t n, uint16_t id, uint16_t flags)
{
	const struct ip4_hdr *ip = frame_ip(frame);
	uint32_t payload = len - ETH_HDR_LEN - ip4_hdr_len(ip), left = RTE_MIN(n, payload - from);
	struct ip4_fields f = {.id = id,
		.ttl = 64,
		.frag = (uint16_t)(from / 8 | (from + left < payload ? IP4_MF : 0) | flags),
		.proto = ip->proto,
		.src = ip4_hdr_src(ip),
		.dst = ip4_hdr_dst(ip)};

	return frame_ip4(part, f, NULL, 0, (const uint8_t *)ip4_hdr_payload(ip) + from, left);
}

/* Sends `frame` in fragments of `step` bytes, each at another worker, the last one first. */
static void send_cut(uint16_t at, uint16_t iface, uint32_t len, uint32_t step, uint16_t id)
{
	uint32_t payload = len - ETH_HDR_LEN - IP4_HDR_LEN, n = (payload + step - 1) / step;

	for (uint32_t i = n; i-- > 0;)
		lb_pass_in(net, (at + i) % net->n_workers, iface, part,
			cut(len, i * step, step, id, 0));
}

/*
 * What left by an interface, put together in `whole` from its IPv4 header on: the fragments' sum of
 * payloads, each not longer than the link takes, and the same id in all. Its length.
 */
static uint32_t together(uint16_t iface, uint32_t frames)
{
	struct rte_mbuf *m[OUT_MAX];
	uint16_t by;
	uint32_t n = lb_pass_out(net, iface, m, OUT_MAX, &by), len = 0;
	struct ip4_hdr *ip = frame_ip(whole);

	if (n == 0 || n != frames)
		fail_msg("%u frames, not %u", n, frames);
	memcpy(ip, pkt_ip4(m[0]), IP4_HDR_LEN);
	for (uint32_t i = 0; i < n; i++) {
		const struct ip4_hdr *x = pkt_ip4(m[i]);
		uint8_t copy[1500];

		assert_true(ip4_hdr_total_len(x) <= 1500);
		assert_int_equal(csum_fold(csum_add(x, ip4_hdr_len(x), 0)), 0);
		assert_int_equal(ip4_hdr_frag_offset(x), len);
		assert_int_equal(ip4_hdr_more_fragments(x), i + 1 < n);
		assert_false(ip4_hdr_dont_fragment(x));
		assert_int_equal(x->id, ip->id);
		memcpy((uint8_t *)(ip + 1) + len,
			rte_pktmbuf_read(
				m[i], ETH_HDR_LEN + IP4_HDR_LEN, ip4_hdr_payload_len(x), copy),
			ip4_hdr_payload_len(x));
		len += ip4_hdr_payload_len(x);
	}
	ip->frag = 0;
	ip->total_len = to_be16((uint16_t)(IP4_HDR_LEN + len));
	return ETH_HDR_LEN + IP4_HDR_LEN + len;
}

/* The client's datagram is in `whole`, behind so many bytes, with these ends and its data. */
static void expect_datagram(uint32_t more, uint32_t src, uint32_t dst, uint16_t sport,
	uint16_t dport, uint32_t data, uint32_t len)
{
	struct ip4_hdr *ip = (struct ip4_hdr *)((char *)frame_ip(whole) + more);
	struct udp_hdr *udp = (struct udp_hdr *)(ip + 1);
	uint8_t *want = malloc(data);

	assert_int_equal(len, ETH_HDR_LEN + more + IP4_HDR_LEN + UDP_HDR_LEN + data);
	assert_int_equal(ip4_hdr_src(ip), src);
	assert_int_equal(ip4_hdr_dst(ip), dst);
	assert_int_equal(from_be16(udp->sport), sport);
	assert_int_equal(from_be16(udp->dport), dport);
	assert_true(udp_hdr_csum_ok(udp, ip->src, ip->dst));
	frame_fill(want, data);
	assert_memory_equal(udp + 1, want, data);
	free(want);
}

/* --- to services --- */

static const struct {
	uint32_t service, dst; /* the outer header's */
	uint32_t more;
	uint32_t frames; /* that a datagram of 1,600 bytes of data, and one of 4,000, leave in */
	uint32_t frames_long;
} modes[] = {
	{NAT, FAR_HOST, 0, 2, 3},
	{DSR, DSR, 0, 2, 3},
	{IPIP, FAR_HOST, 20, 2, 3},
	{GRE, FAR_HOST, 24, 2, 3},
};

static void to_service(size_t i, uint16_t n, uint32_t data, uint32_t step, uint32_t frames)
{
	uint32_t service = modes[i].service, len;
	struct lb_bed_packet in = {LAN_HOST, service, (uint16_t)(1000 + n), 80, .len = data};
	bool nat = service == NAT;

	send_cut(n, LAN, lb_bed_frame(frame, &in), step, (uint16_t)(n * 31));
	len = together(WAN, frames);
	assert_int_equal(ip4_hdr_dst(frame_ip(whole)), modes[i].dst);
	if (modes[i].more == 0) /* the client's own id, which it takes care of */
		assert_int_equal(from_be16(frame_ip(whole)->id), (uint16_t)(n * 31));
	expect_datagram(modes[i].more, LAN_HOST, nat ? FAR_HOST : service, in.sport,
		nat ? 8080 : 80, data, len);
	assert_int_equal(((struct ip4_hdr *)((char *)frame_ip(whole) + modes[i].more))->ttl, 63);
	lb_pass_rest(net);
}

static void test_to_services(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(modes); i++)
		for (uint16_t n = 0; n < 12; n++) {
			to_service(i, n, 1600, 800, modes[i].frames);
			to_service(i, n, 4000, 1480, modes[i].frames_long);
			/* the first part has not all of the header */
			to_service(i, n, 400, 8, 1);
		}
}

/* All of it is one flow, that of the same ports in one piece. */
static void test_one_flow(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, NAT, 3000, 80, .len = 100};
	uint64_t before = 0, after = 0;
	struct rte_mbuf *m[1];
	uint16_t by, of_parts;

	(void)state;
	for (uint16_t i = 0; i < net->n_workers; i++)
		before += flow_count(net->worker[i]->lb->flows)->flows;
	lb_pass_in(net, 0, LAN, frame, lb_bed_frame(frame, &in));
	assert_int_equal(lb_pass_out(net, WAN, m, 1, &by), 1);
	lb_pass_rest(net);
	send_cut(1, LAN, lb_bed_frame(frame, &in), 48, 99);
	assert_int_equal(lb_pass_out(net, WAN, m, 1, &of_parts), 1);
	lb_pass_rest(net);
	assert_int_equal(by, of_parts);
	for (uint16_t i = 0; i < net->n_workers; i++)
		after += flow_count(net->worker[i]->lb->flows)->flows;
	assert_int_equal(after - before, 1);
}

/*
 * Nor does it matter that the NIC steers as we do: it has steered the parts, by what these have.
 * The headers of a datagram whose first part is short are put into one buffer, and so is all of it.
 */
static void test_where_the_nic_steers(void **state)
{
	struct port port = {.rss_trusted = true};

	(void)state;
	for (uint16_t i = 0; i < 16; i++) {
		struct lb_bed_packet in = {LAN_HOST, NAT, (uint16_t)(4000 + i), 80, .len = 100};
		struct rte_mbuf *m[1];
		uint16_t by, of_parts;

		lb_pass_in(net, 0, LAN, frame, lb_bed_frame(frame, &in));
		assert_int_equal(lb_pass_out(net, WAN, m, 1, &by), 1);
		lb_pass_rest(net);
		net->port[net->iface[LAN].slot] = &port;
		send_cut(1, LAN, lb_bed_frame(frame, &in), 48, (uint16_t)(99 + i));
		net->port[net->iface[LAN].slot] = NULL;
		assert_int_equal(lb_pass_out(net, WAN, m, 1, &of_parts), 1);
		lb_pass_rest(net);
		assert_int_equal(by, of_parts);
	}
}

/* --- from backends --- */

static void from_backend(uint16_t n, uint32_t data, uint32_t step, uint32_t frames)
{
	struct lb_bed_packet in = {LAN_HOST, NAT, (uint16_t)(2000 + n), 80, .len = 10};
	struct lb_bed_packet out = {FAR_HOST, LAN_HOST, 8080, (uint16_t)(2000 + n), .len = data};
	uint32_t len;

	lb_pass_in(net, n % net->n_workers, LAN, frame, lb_bed_frame(frame, &in));
	lb_pass_rest(net);
	send_cut(n, WAN, lb_bed_frame(frame, &out), step, (uint16_t)(n * 17));
	len = together(LAN, frames);
	expect_datagram(0, NAT, LAN_HOST, 80, out.dport, data, len);
	lb_pass_rest(net);
}

static void test_from_backends(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < 12; n++) {
		from_backend(n, 1600, 800, 2);
		from_backend(n, 4000, 1480, 3);
		from_backend(n, 500, 256, 1);
	}
}

/* What a backend says in parts to others, and what others say, gets there, and is what it was. */
static void test_own_affairs(void **state)
{
	static const struct {
		uint32_t src;
		uint16_t sport;
		uint32_t frames; /* that 500 bytes in two parts leave in */
	} cases[] = {
		{FAR_HOST, 53, 1},   /* a backend's, put together on the way */
		{FAR_HOST, 8080, 1}, /* from its service's port, to who has no flow */
		{STRANGER, 53, 2},   /* nobody's business: two parts */
		{WAN_HOST, 80, 2},   /* a backend of DSR, whose replies are not ours */
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct lb_bed_packet out = {cases[i].src, LAN_HOST, cases[i].sport, 9, .len = 500};
		struct rte_mbuf *m[OUT_MAX];
		uint16_t by;

		send_cut((uint16_t)i, WAN, lb_bed_frame(frame, &out), 256, 5);
		assert_int_equal(lb_pass_out(net, LAN, m, OUT_MAX, &by), cases[i].frames);
		assert_int_equal(ip4_hdr_src(pkt_ip4(m[0])), cases[i].src);
		assert_int_equal(pkt_ip4(m[0])->ttl, 63);
		if (cases[i].frames == 1)
			assert_true(
				local_csum_ok(m[0], (uint16_t)ip4_hdr_payload_len(pkt_ip4(m[0]))));
		lb_pass_rest(net);
	}
}

/* Parts without an end are held within reassembly's bounds, and nothing of them goes out. */
static void test_bounds(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, NAT, 1000, 80, .len = 1000};
	struct rte_mbuf *m[1];
	uint64_t held = 0, full;
	uint16_t by;

	(void)state;
	for (uint16_t id = 0; id < 1000; id++)
		lb_pass_in(net, id % net->n_workers, LAN, part,
			cut(lb_bed_frame(frame, &in), 0, 512, id, 0));
	full = lb_pass_drops(net, DROP_REASM_FULL);
	for (uint16_t i = 0; i < net->n_workers; i++) {
		assert_in_range(reasm_held(net->worker[i]->reasm_table), 1, 64);
		held += reasm_held(net->worker[i]->reasm_table);
	}
	assert_int_equal(held + full, 1000);
	assert_int_equal(lb_pass_out(net, WAN, m, 1, &by), 0);
	lb_pass_rest(net);
	/* parts that overlap end all of it */
	lb_pass_in(net, 0, LAN, part, cut(lb_bed_frame(frame, &in), 0, 512, 1, 0));
	lb_pass_in(net, 0, LAN, part, cut(lb_bed_frame(frame, &in), 256, 2000, 1, 0));
	assert_int_equal(lb_pass_drops(net, DROP_REASM_OVERLAP), 2);
	assert_int_equal(lb_pass_out(net, WAN, m, 1, &by), 0);
	lb_pass_rest(net);
}

/* --- for this host --- */

static uint64_t counted(enum counter c)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < net->n_workers; i++)
		n += net->worker[i]->count[c];
	return n;
}

static void test_echoes(void **state)
{
	static const uint32_t to[] = {LAN_ADDR, WAN_ADDR, NAT};

	(void)state;
	for (uint16_t n = 0; n < 12; n++) {
		struct ip4_fields f = {.ttl = 1, .src = LAN_HOST, .dst = to[n % RTE_DIM(to)]};
		uint32_t len = frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 3000);
		uint64_t delivered = counted(COUNT_ip4_delivered);

		send_cut(n, LAN, len, 1480, (uint16_t)(500 + n));
		assert_int_equal(together(LAN, 3), len);
		assert_int_equal(ip4_hdr_src(frame_ip(whole)), f.dst);
		assert_int_equal(ip4_hdr_dst(frame_ip(whole)), LAN_HOST);
		assert_int_equal(icmp_hdr_check((struct icmp_hdr *)frame_l4(whole),
					 len - ETH_HDR_LEN - IP4_HDR_LEN),
			ICMP_OK);
		assert_int_equal(counted(COUNT_ip4_delivered), delivered + 1);
		lb_pass_rest(net);
	}
}

/* Datagrams get to the worker that owns their ports, within and beyond a masquerade's range. */
static void test_datagrams(void **state)
{
	(void)state;
	for (uint16_t n = 0; n < 12; n++) {
		struct lb_bed_packet in = {LAN_HOST, LAN_ADDR, (uint16_t)(1000 + n),
			n & 1 ? 53 : (uint16_t)(10000 + n), .len = 2000};
		uint32_t len = lb_bed_frame(frame, &in);
		const struct worker *w = net->worker[steer_owner_by(net->worker[0], to_be32(in.src),
			to_be32(in.dst), to_be16(in.sport), to_be16(in.dport))];

		send_cut(n, LAN, len, 800, (uint16_t)(700 + n));
		assert_int_equal(w->udp.n, 1);
		assert_int_equal(rte_pktmbuf_pkt_len(w->udp.pkt[0]), len);
		assert_int_equal(pkt_iface(w->udp.pkt[0]), LAN);
		assert_true(local_csum_ok(w->udp.pkt[0], (uint16_t)(UDP_HDR_LEN + in.len)));
		lb_pass_rest(net);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_to_services),
		cmocka_unit_test(test_one_flow),
		cmocka_unit_test(test_where_the_nic_steers),
		cmocka_unit_test(test_from_backends),
		cmocka_unit_test(test_own_affairs),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_echoes),
		cmocka_unit_test(test_datagrams),
	};
	int failed = cmocka_run_group_tests_name("lb_fragments", tests, one_worker, tear_down);

	failed += cmocka_run_group_tests_name(
		"lb_fragments, four workers", tests, four_workers, tear_down);
	failed += cmocka_run_group_tests_name(
		"lb_fragments, masquerade", tests, one_with_masquerade, tear_down);
	return failed + cmocka_run_group_tests_name("lb_fragments, masquerade, two workers", tests,
				two_with_masquerade, tear_down);
}
