/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP about what is balanced, and fragments of it, on one worker and on four: who is told, and
 * what the message quotes then.
 */
#include "lb_pass.h"
#include "net/local.h"
#include "net/steer.h"

#define NAT	 FAKE_ADDR(198, 18, 0, 100) /* :80 to FAR_HOST:8080 */
#define DSR	 FAKE_ADDR(198, 18, 0, 101) /* :80 to WAN_HOST */
#define IPIP	 FAKE_ADDR(198, 18, 0, 102) /* :80 to FAR_HOST */
#define GRE	 FAKE_ADDR(198, 18, 0, 103) /* :80 to FAR_HOST */
#define HASHED	 FAKE_ADDR(198, 18, 0, 104) /* :80 to FAR_HOST by IPIP, no table of flows */
#define OTHER	 FAKE_ADDR(198, 18, 0, 105) /* to WAN_HOST by NAT, any port */
#define FULL	 FAKE_ADDR(198, 18, 0, 106) /* :80 to FAR_HOST:8081, full NAT */
#define HAIRPIN	 FAKE_ADDR(198, 18, 0, 107) /* :80 to FAR_HOST:9000, NAT with the pool */
#define POOL	 FAKE_ADDR(198, 18, 1, 110)
#define ROUTER	 FAKE_ADDR(198, 19, 9, 9)  /* somewhere behind the wan */
#define UPSTREAM FAKE_ADDR(203, 0, 113, 9) /* somewhere on the client's side */

enum { WORKERS = 4, OUT_MAX = 64 };

static struct lb_bed_conf conf;
static struct lb_addr_conf pool_addr = {.addr = POOL};
static struct lb_pool_conf pool = {
	.name = "inner", .n = 1, .addrs = &pool_addr, .port = 20000, .last_port = 20999};
static struct net *net;
static uint8_t frame[FRAME_MAX], quoted[FRAME_MAX];

static void add(const char *name, uint32_t addr, enum lb_mode mode, uint32_t to, uint16_t port)
{
	struct lb_service_conf *s =
		lb_bed_service(&conf, name, addr, addr == OTHER ? 0 : 80, LB_TCP_AND_UDP);

	s->mode = mode;
	s->keep = addr != HASHED;
	if (addr == FULL || addr == HAIRPIN)
		strcpy(s->pool, pool.name);
	lb_bed_backend(s, to, port, 1);
}

static int set_up_workers(uint16_t n)
{
	if (lb_pass_eal() < 0)
		return -1;
	lb_bed_clear(&conf);
	conf.c.max_flows = 4000;
	conf.c.pools = &pool;
	conf.c.n_pools = 1;
	add("nat", NAT, LB_NAT, FAR_HOST, 8080);
	add("dsr", DSR, LB_DSR, WAN_HOST, 0);
	add("ipip", IPIP, LB_IPIP, FAR_HOST, 0);
	add("gre", GRE, LB_GRE, FAR_HOST, 0);
	add("hashed", HASHED, LB_IPIP, FAR_HOST, 0);
	add("other", OTHER, LB_NAT, WAN_HOST, 0);
	add("full", FULL, LB_FULL_NAT, FAR_HOST, 8081);
	add("hairpin", HAIRPIN, LB_NAT, FAR_HOST, 9000);
	net = lb_pass_new(n, &conf);
	fake_route(net, FAKE_ADDR(203, 0, 113, 0), 24, FIB_FORWARD, LAN);
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

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(net->worker[0]);
	return 0;
}

/* The one frame that left, by this interface; *by: who sent it. */
static struct rte_mbuf *only(const char *name, uint16_t iface, uint16_t *by)
{
	struct rte_mbuf *m[OUT_MAX];
	uint16_t other;

	if (lb_pass_out(net, iface, m, OUT_MAX, by) != 1 ||
		lb_pass_out(net, iface == LAN ? WAN : LAN, &m[1], OUT_MAX - 1, &other) != 0)
		fail_msg("%s: not one frame", name);
	return m[0];
}

static bool is_whole(const struct ip4_hdr *ip, uint32_t room)
{
	return ip4_hdr_check(ip, room) == IP4_OK;
}

/* A client's first packet, at a worker; who sent it on. */
static uint16_t begin(uint16_t at, uint32_t service, uint16_t sport)
{
	struct lb_bed_packet in = {LAN_HOST, service, sport, 80, TCP_SYN};
	uint16_t by = 0;

	lb_pass_in(net, at, LAN, frame, lb_bed_frame(frame, &in));
	only("first packet", WAN, &by);
	lb_pass_rest(net);
	return by;
}

/* An error of an ICMP type and code about the first n bytes of the packet of p; its length. */
static uint32_t about(uint32_t src, uint32_t dst, uint8_t type, uint8_t code, uint32_t rest,
	const struct lb_bed_packet *p, uint32_t n)
{
	struct ip4_fields f = {.ttl = 64, .src = src, .dst = dst, .proto = IP4_PROTO_ICMP};
	static uint8_t message[ICMP_HDR_LEN + 1500];
	uint32_t len = lb_bed_frame(quoted, p) - ETH_HDR_LEN;

	n = RTE_MIN(n, len);
	memcpy(message + ICMP_HDR_LEN, frame_ip(quoted), n);
	icmp_hdr_build((struct icmp_hdr *)message, type, code, rest, ICMP_HDR_LEN + n);
	return frame_ip4(frame, f, NULL, 0, message, ICMP_HDR_LEN + n);
}

/* The ends of what an error quotes, and that every sum holds which the error has. */
static void expect_quote(const struct rte_mbuf *m, uint32_t off, uint32_t src, uint16_t sport,
	uint32_t dst, uint16_t dport)
{
	const struct ip4_hdr *ip = (const struct ip4_hdr *)((const char *)pkt_ip4(m) + off), *in;
	const struct icmp_hdr *icmp = ip4_hdr_payload(ip);
	uint32_t len = ip4_hdr_payload_len(ip);
	const be16 *port;

	assert_true(is_whole(ip, rte_pktmbuf_pkt_len(m) - ETH_HDR_LEN - off));
	assert_int_equal(icmp_hdr_check(icmp, len), ICMP_OK);
	in = icmp_hdr_quoted(icmp, len);
	assert_non_null(in);
	assert_int_equal(csum_fold(csum_add(in, ip4_hdr_len(in), 0)), 0);
	assert_int_equal(ip4_hdr_src(in), src);
	assert_int_equal(ip4_hdr_dst(in), dst);
	port = ip4_hdr_payload(in);
	assert_int_equal(from_be16(port[0]), sport);
	assert_int_equal(from_be16(port[1]), dport);
	if (len - ICMP_HDR_LEN == ip4_hdr_total_len(in) && in->proto == IP4_PROTO_TCP)
		assert_true(tcp_hdr_csum_ok((const struct tcp_hdr *)port,
			(uint16_t)ip4_hdr_payload_len(in), in->src, in->dst));
}

#define ALL   1500
#define LEAST 28 /* IPv4's header and eight bytes */

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
		{"a pool's, cut short", {POOL, FAR_HOST, 20000, 8081}, 27, POOL, DROP_LB_NO_FLOW},
	};

	(void)state;
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
	(void)state;
	for (uint16_t i = 0; i < 40; i++) {
		const struct source_case *c = &source_cases[i & 1];
		uint32_t quote = i & 2 ? ALL : LEAST;
		uint16_t sport = (uint16_t)(6000 + i);

		to_pool(c, i % net->n_workers, i & 4 ? FAR_HOST : UPSTREAM, sport, quote);
		to_backend(c, i % net->n_workers, i & 4 ? c->client : UPSTREAM, sport, quote);
	}
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

/* --- about tunnels: to the client whose packet was inside --- */

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
	uint16_t by;

	forget();
	lb_pass_in(net, sport % net->n_workers, LAN, frame, lb_bed_frame(frame, &in));
	m = only(c->name, WAN, &by);
	len = about_outer(c->type, c->code, c->mtu, m, c->quote);
	lb_pass_rest(net);
	lb_pass_in(net, 0, WAN, frame, len);
	if (c->out_type != 0)
		expect_told(c, sport);
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

/* Tunnels that are not ours, and what is no service's inside, are nobody's business here. */
static void test_foreign_tunnels(void **state)
{
	static const uint32_t ends[][2] = {{ROUTER, IPIP}, {FAR_HOST, UPSTREAM}};
	struct rte_mbuf *m[OUT_MAX];
	uint16_t by;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(ends); i++) {
		struct ip4_fields inner = {.ttl = 9, .src = LAN_HOST, .dst = ends[i][1]};
		struct ip4_fields outer = {.ttl = 9,
			.frag = IP4_DF,
			.proto = IP4_PROTO_IPIP,
			.src = WAN_ADDR,
			.dst = ends[i][0]};
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
		cmocka_unit_test(test_from_backend),
		cmocka_unit_test(test_sources),
		cmocka_unit_test(test_transit),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_foreign_tunnels),
		cmocka_unit_test(test_echo),
	};
	int failed = cmocka_run_group_tests_name("lb_icmp", tests, one_worker, tear_down);

	return failed +
	       cmocka_run_group_tests_name("lb_icmp, four workers", tests, four_workers, tear_down);
}
