/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp_bed: services of every mode on one worker or four (lb_pass.h), and ICMP errors about what
 * is balanced for them.
 */
#ifndef UNIT_ICMP_BED_H
#define UNIT_ICMP_BED_H

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
#define TWO	 FAKE_ADDR(198, 18, 0, 108) /* :80 to FAR_HOST:8090 and WAN_HOST:8090 */
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

static inline void add(
	const char *name, uint32_t addr, enum lb_mode mode, uint32_t to, uint16_t port)
{
	struct lb_service_conf *s =
		lb_bed_service(&conf, name, addr, addr == OTHER ? 0 : 80, LB_TCP_AND_UDP);

	s->mode = mode;
	s->keep = addr != HASHED;
	if (addr == FULL || addr == HAIRPIN)
		strcpy(s->pool, pool.name);
	lb_bed_backend(s, to, port, 1);
}

static inline int set_up_workers(uint16_t n)
{
	if (lb_pass_eal() < 0)
		return -1;
	lb_bed_clear(&conf);
	conf.c.max_flows = 4000;
	conf.c.max_services = 9;
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
	add("two", TWO, LB_NAT, FAR_HOST, 8090);
	lb_bed_backend(&conf.service[conf.c.n_services - 1], WAN_HOST, 8090, 1);
	net = lb_pass_new(n, &conf);
	fake_route(net, FAKE_ADDR(203, 0, 113, 0), 24, FIB_FORWARD, LAN);
	return 0;
}

static inline int one_worker(void **state)
{
	(void)state;
	return set_up_workers(1);
}

static inline int four_workers(void **state)
{
	(void)state;
	return set_up_workers(WORKERS);
}

static inline int tear_down(void **state)
{
	(void)state;
	lb_bed_end(net->worker[0]);
	return 0;
}

/* The one frame that left, by this interface; *by: who sent it. */
static inline struct rte_mbuf *only(const char *name, uint16_t iface, uint16_t *by)
{
	struct rte_mbuf *m[OUT_MAX];
	uint16_t other;

	if (lb_pass_out(net, iface, m, OUT_MAX, by) != 1 ||
		lb_pass_out(net, iface == LAN ? WAN : LAN, &m[1], OUT_MAX - 1, &other) != 0)
		fail_msg("%s: not one frame", name);
	return m[0];
}

static inline bool is_whole(const struct ip4_hdr *ip, uint32_t room)
{
	return ip4_hdr_check(ip, room) == IP4_OK;
}

/* A client's first packet, at a worker; *by: who sent it on. Where it went. */
static inline uint32_t begin_by(uint16_t at, uint32_t service, uint16_t sport, uint16_t *by)
{
	struct lb_bed_packet in = {LAN_HOST, service, sport, 80, TCP_SYN};
	uint32_t to;

	lb_pass_in(net, at, LAN, frame, lb_bed_frame(frame, &in));
	to = ip4_hdr_dst(pkt_ip4(only("first packet", WAN, by)));
	lb_pass_rest(net);
	return to;
}

/* The same; who sent it on. */
static inline uint16_t begin(uint16_t at, uint32_t service, uint16_t sport)
{
	uint16_t by = 0;

	begin_by(at, service, sport, &by);
	return by;
}

/* A backend of the bed, for TCP. */
static inline uint16_t slot_of(const char *service, uint32_t addr)
{
	const struct lb_member *m = lb_member_find(net, service, addr, 0);

	assert_non_null(m);
	return m->slot[0];
}

/* An error of an ICMP type and code about the first n bytes of the packet of p; its length. */
static inline uint32_t about(uint32_t src, uint32_t dst, uint8_t type, uint8_t code, uint32_t rest,
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
static inline void expect_quote(const struct rte_mbuf *m, uint32_t off, uint32_t src,
	uint16_t sport, uint32_t dst, uint16_t dport)
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

#endif
