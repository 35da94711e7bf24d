/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Backends that answer by themselves: by MAC (DSR), in IPv4 (RFC 2003), in GRE (RFC 2784). Packets
 * in, what becomes of them, packets out, as tables have it; what a client's packets alone say of a
 * flow; services that keep none.
 */
#include "inner.h"
#include "lb_bed.h"
#include "net/error.h"
#include "net/local.h"

#define DSR	 FAKE_ADDR(198, 18, 0, 110) /* to WAN_HOST */
#define DSR_FAR	 FAKE_ADDR(198, 18, 0, 111) /* to FAR_HOST, behind WAN_HOST */
#define IPIP	 FAKE_ADDR(198, 18, 0, 112) /* to WAN_HOST */
#define GRE	 FAKE_ADDR(198, 18, 0, 113) /* to FAR_HOST */
#define OTHER	 FAKE_ADDR(198, 18, 0, 114) /* IPIP to FAR_HOST, from SOURCE, without heed of DF */
#define HASHED	 FAKE_ADDR(198, 18, 0, 115) /* DSR, no table of flows, to WAN_HOST and one more */
#define BY_HOST	 FAKE_ADDR(198, 18, 0, 116) /* the same by the client's address alone */
#define NOBODY	 FAKE_ADDR(198, 18, 0, 117) /* the same, and nobody serves it */
#define NAT	 FAKE_ADDR(198, 18, 0, 118) /* to WAN_HOST, MSS 1200 */
#define SOURCE	 FAKE_ADDR(198, 18, 77, 77)
#define LAN_PEER FAKE_ADDR(198, 18, 0, 2)

#define SYN TCP_SYN
#define ACK TCP_ACK
#define DF  IP4_DF

static struct lb_bed_conf conf;
static struct worker *w;
static uint8_t frame[FRAME_MAX], want[FRAME_MAX];

static struct lb_service_conf *service(
	const char *name, uint32_t addr, enum lb_mode mode, uint32_t backend)
{
	struct lb_service_conf *s = lb_bed_service(&conf, name, addr, 80, LB_TCP_AND_UDP);

	s->mode = mode;
	lb_bed_backend(s, backend, 0, 1);
	return s;
}

static int set_up(void **state)
{
	struct lb_service_conf *s;

	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	lb_bed_clear(&conf);
	conf.c.max_services = conf.c.max_backends = 16;
	service("dsr", DSR, LB_DSR, WAN_HOST);
	service("dsr far", DSR_FAR, LB_DSR, FAR_HOST);
	service("ipip", IPIP, LB_IPIP, WAN_HOST);
	service("gre", GRE, LB_GRE, FAR_HOST);
	s = service("other", OTHER, LB_IPIP, FAR_HOST);
	s->tunnel_source = SOURCE;
	s->ignore_df = true;
	s = service("hashed", HASHED, LB_DSR, WAN_HOST);
	s->keep = false;
	lb_bed_backend(s, LAN_PEER, 0, 1);
	s = service("by host", BY_HOST, LB_DSR, WAN_HOST);
	s->keep = false;
	s->scheduler = LB_SOURCE_HASH;
	s->last_port = 99;
	lb_bed_backend(s, LAN_PEER, 0, 1);
	s = service("nobody", NOBODY, LB_DSR, WAN_HOST);
	s->keep = false;
	s->backends[0].weight = 0;
	service("nat", NAT, LB_NAT, WAN_HOST)->mss = 1200;
	w = lb_bed_new(1, &conf);
	w->net->set.ttl = 61;
	assert_int_equal(lb_bed_apply(w->net, &conf), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lb_bed_end(w);
	return 0;
}

/* The packet in `frame` goes to its service, as received by the lan. */
static void give(uint32_t len, enum fake_memory memory)
{
	uint32_t dst = ip4_hdr_dst(frame_ip(frame));
	fib_entry e = fib4_lookup(w->net->fib, dst);

	assert_int_equal(fib_entry_kind(e), FIB_SERVICE);
	lane_put(&w->service, fake_packet(w, LAN, frame, len, 0, memory), fib_entry_index(e));
	lb_bed_balance(w);
}

enum end { SENT, ERROR, DROPPED, LOCAL };

static const struct tunnel_case {
	const char *name;
	struct lb_bed_packet in;
	enum end end;
	uint32_t why; /* SENT: the outer header's fragment field; else cause and value, or reason */
	enum fake_memory memory;
} cases[] = {
#define CAUSE(x, value) (uint32_t) ERROR_##x << 24 | (value)
	{"dsr", {LAN_HOST, DSR, 1024, 80, SYN}, SENT, 0, FAKE_EXACT},
	{"dsr, data", {LAN_HOST, DSR, 1024, 80, ACK, .len = 1400}, SENT, 0, FAKE_EXACT},
	{"dsr, UDP", {LAN_HOST, DSR, 1024, 80, 0, .len = 9}, SENT, 0, FAKE_EXACT},
	{"dsr, UDP without a sum", {LAN_HOST, DSR, 1024, 80, 0, .no_csum = true}, SENT, 0,
		FAKE_EXACT},
	{"dsr, options", {LAN_HOST, DSR, 1024, 80, ACK, .opts = 40}, SENT, 0, FAKE_EXACT},
	{"dsr, the last hop but one", {LAN_HOST, DSR, 1024, 80, ACK, .ttl = 2}, SENT, 0,
		FAKE_EXACT},
	{"dsr, TTL 1", {LAN_HOST, DSR, 1024, 80, ACK, .ttl = 1}, ERROR, CAUSE(TTL, 0), FAKE_EXACT},
	{"dsr, the MTU", {LAN_HOST, DSR, 1024, 80, ACK, .frag = DF, .len = 1460}, SENT, 0,
		FAKE_POOL},
	{"dsr, too long", {LAN_HOST, DSR, 1024, 80, ACK, .frag = DF, .len = 1461}, ERROR,
		CAUSE(FRAG_NEEDED, 1500), FAKE_POOL},
	{"dsr, too long, may be cut", {LAN_HOST, DSR, 1024, 80, ACK, .len = 1461}, SENT, 0,
		FAKE_POOL},
	{"dsr, a fragment", {LAN_HOST, DSR, 1024, 80, 0, .frag = IP4_MF, .len = 8}, LOCAL, 0,
		FAKE_EXACT},
	{"dsr, no neighbour", {LAN_HOST, DSR_FAR, 1024, 80, ACK}, DROPPED, DROP_LB_NOT_NEIGHBOUR,
		FAKE_EXACT},
	{"ipip", {LAN_HOST, IPIP, 1024, 80, SYN}, SENT, 0, FAKE_POOL},
	{"ipip, data", {LAN_HOST, IPIP, 1024, 80, ACK, .len = 1400}, SENT, 0, FAKE_POOL},
	{"ipip, UDP", {LAN_HOST, IPIP, 1024, 80, 0, .len = 1}, SENT, 0, FAKE_POOL},
	{"ipip, options", {LAN_HOST, IPIP, 1024, 80, ACK, .opts = 40}, SENT, 0, FAKE_POOL},
	{"ipip, TTL 2", {LAN_HOST, IPIP, 1024, 80, ACK, .ttl = 2}, SENT, 0, FAKE_POOL},
	{"ipip, TTL 1", {LAN_HOST, IPIP, 1024, 80, ACK, .ttl = 1}, ERROR, CAUSE(TTL, 0), FAKE_POOL},
	{"ipip, DF", {LAN_HOST, IPIP, 1024, 80, ACK, .frag = DF}, SENT, DF, FAKE_POOL},
	{"ipip, all the link takes", {LAN_HOST, IPIP, 1024, 80, ACK, .frag = DF, .len = 1440}, SENT,
		DF, FAKE_POOL},
	{"ipip, too long", {LAN_HOST, IPIP, 1024, 80, ACK, .frag = DF, .len = 1441}, ERROR,
		CAUSE(FRAG_NEEDED, 1480), FAKE_POOL},
	{"ipip, may be cut", {LAN_HOST, IPIP, 1024, 80, ACK, .len = 1441}, SENT, 0, FAKE_POOL},
	{"ipip, TTL before the MTU", {LAN_HOST, IPIP, 1024, 80, ACK, 1, DF, 1460}, ERROR,
		CAUSE(TTL, 0), FAKE_POOL},
	{"ipip, a fragment", {LAN_HOST, IPIP, 1024, 80, 0, .frag = 4}, LOCAL, 0, FAKE_EXACT},
	{"ipip, no room", {LAN_HOST, IPIP, 1024, 80, ACK}, DROPPED, DROP_HEADROOM, FAKE_EXACT},
	{"gre", {LAN_HOST, GRE, 1024, 80, SYN}, SENT, 0, FAKE_POOL},
	{"gre, data", {LAN_HOST, GRE, 1024, 80, ACK, .len = 1400}, SENT, 0, FAKE_POOL},
	{"gre, UDP", {LAN_HOST, GRE, 1024, 80, 0, .len = 1}, SENT, 0, FAKE_POOL},
	{"gre, options", {LAN_HOST, GRE, 1024, 80, ACK, .opts = 4}, SENT, 0, FAKE_POOL},
	{"gre, DF, all the link takes", {LAN_HOST, GRE, 1024, 80, ACK, .frag = DF, .len = 1436},
		SENT, DF, FAKE_POOL},
	{"gre, too long", {LAN_HOST, GRE, 1024, 80, ACK, .frag = DF, .len = 1437}, ERROR,
		CAUSE(FRAG_NEEDED, 1476), FAKE_POOL},
	{"gre, may be cut", {LAN_HOST, GRE, 1024, 80, ACK, .len = 1437}, SENT, 0, FAKE_POOL},
	{"gre, TTL 1", {LAN_HOST, GRE, 1024, 80, ACK, .ttl = 1}, ERROR, CAUSE(TTL, 0), FAKE_POOL},
	{"gre, no room", {LAN_HOST, GRE, 1024, 80, ACK}, DROPPED, DROP_HEADROOM, FAKE_EXACT},
	{"a source of its own", {LAN_HOST, OTHER, 1024, 80, ACK}, SENT, 0, FAKE_POOL},
	{"DF not heeded", {LAN_HOST, OTHER, 1024, 80, ACK, .frag = DF}, SENT, 0, FAKE_POOL},
	{"DF not heeded, too long", {LAN_HOST, OTHER, 1024, 80, ACK, .frag = DF, .len = 1460}, SENT,
		0, FAKE_POOL},
	{"longer than IPv4 knows", {LAN_HOST, OTHER, 1024, 80, 0, .len = 65535 - 28 - 19}, DROPPED,
		DROP_LB_TOO_LONG, FAKE_POOL},
	{"as long as it knows", {LAN_HOST, OTHER, 1024, 80, 0, .len = 65535 - 28 - 20}, SENT, 0,
		FAKE_POOL},
	{"another port", {LAN_HOST, IPIP, 1024, 81, 0, .len = 1}, ERROR, CAUSE(SERVICE, 0),
		FAKE_EXACT},
};

/* `frame` as it is sent, in `want`; the frame's own headers as they are inside. */
static uint32_t wrapped(const struct tunnel_case *c, uint32_t len, uint16_t id)
{
	static uint8_t inside[IP4_PACKET_MAX];
	struct ip4_hdr *ip = frame_ip(frame);
	struct ip4_fields f = {.id = id,
		.frag = (uint16_t)c->why,
		.tos = ip->tos,
		.ttl = 61,
		.proto = c->in.dst == GRE ? IP4_PROTO_GRE : IP4_PROTO_IPIP,
		.src = c->in.dst == OTHER ? SOURCE : WAN_ADDR,
		.dst = c->in.dst == IPIP ? WAN_HOST : FAR_HOST};
	uint32_t gre = c->in.dst == GRE ? 4 : 0;

	ip->ttl--;
	ip4_hdr_csum_set(ip);
	if (c->in.dst == DSR) {
		memcpy(want, frame, len);
		return len;
	}
	memcpy(inside, "\x00\x00\x08\x00", 4);
	memcpy(inside + gre, ip, len - ETH_HDR_LEN);
	return frame_ip4(want, f, NULL, 0, inside, gre + len - ETH_HDR_LEN);
}

static void expect_lane(const struct tunnel_case *c, struct lane *l, uint32_t aux, uint32_t len)
{
	if (l->n != 1 || l->aux[0] != aux)
		fail_msg("%s: %u there, %x", c->name, l->n, l->n == 0 ? 0 : l->aux[0]);
	fake_expect(l->pkt[0], c->end == SENT ? want : frame, len);
}

static void check_case(const struct tunnel_case *c)
{
	uint32_t len = lb_bed_frame(frame, &c->in);
	uint16_t id = w->ip_id;

	frame_ip(frame)->tos = 0x2a; /* a class, and ECN */
	ip4_hdr_csum_set(frame_ip(frame));
	give(len, c->memory);
	if (fake_in_lanes(w, false) != (c->end != DROPPED))
		fail_msg("%s: elsewhere", c->name);
	if (c->end == SENT) {
		len = wrapped(c, len, id);
		expect_lane(c, &w->fwd_out, WAN, len);
		assert_int_equal((uint16_t)(w->ip_id - id), c->in.dst != DSR);
	} else if (c->end != DROPPED) {
		expect_lane(c, c->end == ERROR ? &w->error : &w->local,
			c->end == ERROR ? c->why : 0, len); /* as it came */
	}
	fake_dropped(w, c->end == DROPPED ? (enum drop_reason)c->why : DROP_MAX);
	assert_int_equal(w->count[COUNT_ip4_forwarded], c->end == SENT);
	fake_rest(w);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++)
		check_case(&cases[i]);
}

/* Packets in several buffers: reassembly makes them. */
static void test_chains(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, IPIP, 1024, 80, ACK, .len = 4000};
	struct tunnel_case c = {"a chain", in, SENT, 0, FAKE_POOL};
	uint32_t len = lb_bed_frame(frame, &in);
	uint16_t id = w->ip_id;

	(void)state;
	lane_put(&w->service, fake_packet(w, LAN, frame, len, 1000, FAKE_POOL),
		fib_entry_index(fib4_lookup(w->net->fib, IPIP)));
	lb_bed_balance(w);
	len = wrapped(&c, len, id);
	expect_lane(&c, &w->fwd_out, WAN, len);
	/* and then it is cut, behind the outer header */
	fake_run(w, &w->fwd_out, stage_forward_out);
	fake_run(w, &w->frag, stage_fragment);
	assert_int_equal(w->tx[WAN - 1].n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct rte_mbuf *m = w->tx[WAN - 1].pkt[i];

		assert_int_equal(pkt_ip4(m)->proto, IP4_PROTO_IPIP);
		assert_int_equal(from_be16(pkt_ip4(m)->id), id);
		assert_int_equal(ip4_hdr_more_fragments(pkt_ip4(m)), i < 2);
	}
	fake_rest(w);
}

/* A frame shorter than Ethernet's is none any more: it leaves in its turn, before what follows. */
static void test_short_frames_in_turn(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, IPIP, 1024, 80, ACK};

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		in.len = i % 2 == 0 ? 0 : 100;
		in.seq = i;
		lane_put(&w->service,
			fake_packet(w, LAN, frame, lb_bed_frame(frame, &in), 0, FAKE_POOL),
			fib_entry_index(fib4_lookup(w->net->fib, IPIP)));
	}
	fake_run(w, &w->service, stage_balance);
	fake_run(w, &w->fwd_out, stage_forward_out);
	assert_int_equal(w->tx[WAN - 1].n, 4);
	for (uint32_t i = 0; i < 4; i++) {
		const struct ip4_hdr *inner = pkt_l4(w->tx[WAN - 1].pkt[i]);

		assert_int_equal(tcp_hdr_seq((const struct tcp_hdr *)(inner + 1)), i);
	}
	fake_rest(w);
}

/* What pads a short frame does not get inside. */
static void test_padding(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, GRE, 1024, 80, 0};
	struct tunnel_case c = {"padded", in, SENT, 0, FAKE_POOL};
	uint32_t len = lb_bed_frame(frame, &in);
	uint16_t id = w->ip_id;

	(void)state;
	memset(frame + len, 0xee, 60 - len);
	give(60, FAKE_POOL);
	len = wrapped(&c, len, id);
	expect_lane(&c, &w->fwd_out, WAN, len);
	fake_rest(w);
}

static void test_no_source(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, GRE, 1024, 80, ACK};
	uint32_t addr = w->net->iface[WAN].addr;

	(void)state;
	w->net->iface[WAN].addr = 0;
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	fake_dropped(w, DROP_LB_NO_SOURCE);
	fake_rest(w);
	w->net->iface[IFACE_LOOPBACK].addr = LOOPBACK;
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	assert_int_equal(ip4_hdr_src(pkt_ip4(w->fwd_out.pkt[0])), LOOPBACK);
	fake_rest(w);
	w->net->iface[WAN].addr = addr;
	w->net->iface[IFACE_LOOPBACK].addr = 0;
}

/* --- the MSS of SYNs --- */

static uint32_t syn_with_mss(
	uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint16_t mss)
{
	struct tcp_fields t = {.sport = sport, .dport = dport, .flags = TCP_SYN, .opt_len = 4};
	uint32_t len =
		frame_tcp(frame, (struct ip4_fields){.ttl = 64, .src = src, .dst = dst}, t, 0);
	struct tcp_hdr *tcp = frame_l4(frame);
	uint8_t *option = (uint8_t *)(tcp + 1);

	option[0] = TCP_OPT_MSS;
	option[1] = 4;
	store16(option + 2, to_be16(mss));
	tcp_hdr_csum_set(tcp, TCP_HDR_LEN + 4, frame_ip(frame)->src, frame_ip(frame)->dst);
	return len;
}

/* The MSS that the packet on its way announces, off bytes behind its first header. */
static uint16_t mss_sent(uint32_t off)
{
	struct rte_mbuf *m = w->fwd_out.pkt[0];
	struct ip4_hdr *ip = (struct ip4_hdr *)((char *)pkt_ip4(m) + off);
	struct tcp_hdr *tcp = ip4_hdr_payload(ip);
	uint16_t mss = tcp_hdr_mss(tcp, TCP_HDR_LEN + 4);

	assert_int_equal(w->fwd_out.n, 1);
	assert_true(tcp_hdr_csum_ok(tcp, TCP_HDR_LEN + 4, ip->src, ip->dst));
	fake_rest(w);
	return mss;
}

static void test_mss(void **state)
{
	static const struct {
		uint32_t service;
		uint16_t in, off, out;
	} syns[] = {
		{IPIP, 1460, 20, 1440},
		{IPIP, 1440, 20, 1440},
		{IPIP, 536, 20, 536},
		{GRE, 1460, 24, 1436},
		{DSR, 1460, 0, 1460},
		{NAT, 1460, 0, 1200},
		{NAT, 1199, 0, 1199},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(syns); i++) {
		give(syn_with_mss(LAN_HOST, syns[i].service, 2000, 80, syns[i].in), FAKE_POOL);
		assert_int_equal(mss_sent(syns[i].off), syns[i].out);
	}
	/* the backend's, on its way back */
	lane_put(&w->in,
		fake_packet(w, WAN, frame, syn_with_mss(WAN_HOST, LAN_HOST, 80, 2000, 1460), 0,
			FAKE_POOL),
		LAN_HOST);
	lb_bed_replies(w);
	assert_int_equal(w->in.n, 0);
	assert_int_equal(ip4_hdr_src(pkt_ip4(w->fwd_out.pkt[0])), NAT);
	assert_int_equal(mss_sent(0), 1200);
}

/* --- what is known of the way --- */

static struct lb_backend *backend_of(uint32_t service)
{
	for (uint32_t i = 0; i < w->net->lb->n_backends; i++) {
		struct lb_backend *b = &w->net->lb->backend[i];

		if (b->state == LB_BACKEND_OPEN &&
			w->net->lb->vservice[b->service].addr == to_be32(service) &&
			w->net->lb->vservice[b->service].proto == IP4_PROTO_TCP)
			return b;
	}
	fail_msg("no backend");
	return NULL;
}

static void test_path_mtu(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, IPIP, 1024, 80, ACK, .frag = DF, .len = 1340};
	struct lb_backend *b = backend_of(IPIP);
	uint16_t now = w->lb->seconds;

	(void)state;
	tunnel_learn(b, 1400, now);
	tunnel_learn(b, 1450, now);		      /* an older one's echo, perhaps */
	tunnel_learn(b, 1400, (uint16_t)(now + 500)); /* which is nothing new: it is forgotten */
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	assert_int_equal(w->fwd_out.n, 1);
	fake_rest(w);
	in.len++;
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	assert_int_equal(w->error.n, 1);
	assert_int_equal(w->error.aux[0], CAUSE(FRAG_NEEDED, 1380));
	fake_rest(w);
	in.frag = 0; /* routers may cut it */
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	assert_int_equal(w->fwd_out.n, 1);
	fake_rest(w);
	give(syn_with_mss(LAN_HOST, IPIP, 2000, 80, 1460), FAKE_POOL);
	assert_int_equal(mss_sent(20), 1340);
	in.frag = DF; /* in time the way may have become wider */
	w->lb->seconds = (uint16_t)(now + 600);
	give(lb_bed_frame(frame, &in), FAKE_POOL);
	assert_int_equal(w->fwd_out.n, 1);
	assert_int_equal(atomic_load(&b->path_mtu), 0);
	fake_rest(w);
	w->lb->seconds = now;
	tunnel_learn(b, 1400, 65500); /* the clock goes round */
	assert_int_equal(tunnel_path_mtu(b, 100), 1400);
	assert_int_equal(tunnel_path_mtu(b, 700), 0);
}

/* --- flows of which one end is seen --- */

static const struct {
	const char *name;
	const char *packets; /* s: SYN, a: ACK, f: FIN, r: RST, u: UDP */
	enum flow_state state;
} lives[] = {
	{"half open", "s", FLOW_NEW},
	{"asked again", "ss", FLOW_NEW},
	{"open", "sa", FLOW_ESTABLISHED},
	{"one packet of a flow under way", "a", FLOW_NEW},
	{"two of them", "aa", FLOW_ESTABLISHED},
	{"a SYN in between", "sas", FLOW_ESTABLISHED},
	{"closing", "saf", FLOW_CLOSING},
	{"half closed, and reads", "safaa", FLOW_CLOSING},
	{"closed before it was open", "sf", FLOW_CLOSING},
	{"reset", "sar", FLOW_CLOSED},
	{"reset before it was open", "sr", FLOW_CLOSED},
	{"again from the same port", "safs", FLOW_NEW},
	{"and open", "safsa", FLOW_ESTABLISHED},
	{"again after a reset", "sars", FLOW_NEW},
	{"a packet that the reset overtook", "sara", FLOW_CLOSED},
	{"a reset that was another's", "saraa", FLOW_ESTABLISHED},
	{"a datagram", "u", FLOW_NEW},
	{"two", "uu", FLOW_ESTABLISHED},
	{"many", "uuuu", FLOW_ESTABLISHED},
};

static uint8_t flags_of(char packet)
{
	switch (packet) {
	case 's':
		return TCP_SYN;
	case 'f':
		return TCP_FIN | TCP_ACK;
	case 'r':
		return TCP_RST;
	default:
		return packet == 'a' ? TCP_ACK : 0;
	}
}

static void test_lives(void **state)
{
	(void)state;
	for (uint16_t i = 0; i < RTE_DIM(lives); i++) {
		struct lb_bed_packet in = {LAN_HOST, DSR, (uint16_t)(3000 + i), 80};
		struct flow_key key = {
			to_be32(LAN_HOST), to_be16(in.sport), to_be16(80), LB_NOBODY};
		struct flow *f = NULL;

		for (const char *p = lives[i].packets; *p != '\0'; p++) {
			in.flags = flags_of(*p);
			give(lb_bed_frame(frame, &in), FAKE_EXACT);
			assert_int_equal(w->fwd_out.n, 1);
			fake_rest(w);
		}
		for (key.service = 0; f == NULL && key.service < w->net->lb->n_vservices;
			key.service++)
			f = flow_find(
				w->lb->flows, flow_hash(w->lb->flows, &key), &key, w->lb->seconds);
		if (f == NULL || f->state != lives[i].state)
			fail_msg("%s: %d", lives[i].name, f == NULL ? -1 : f->state);
	}
}

/* --- services that keep no flows --- */

static uint64_t packets_in(void)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->net->lb->n_backends; i++)
		n += w->lb->backend[i].packets_in;
	return n;
}

/* Each client's packets go to one backend, and nothing is remembered. */
static void hashed(uint32_t service, bool by_host)
{
	uint64_t flows = flow_count(w->lb->flows)->flows, before = packets_in();
	uint32_t to[2] = {0, 0};

	for (uint16_t i = 0; i < 400; i++) {
		struct lb_bed_packet in = {LAN_HOST, service, (uint16_t)(1000 + i / 2),
			(uint16_t)(by_host ? 80 + i % 20 : 80), i & 1 ? ACK : SYN};
		uint32_t adj;
		static uint32_t last;

		give(lb_bed_frame(frame, &in), FAKE_EXACT);
		assert_int_equal(w->fwd_out.n, 1);
		adj = w->fwd_out.aux[0];
		if (i & 1 || (by_host && i > 0))
			assert_int_equal(adj, last);
		last = adj;
		to[adj == LAN]++;
		fake_rest(w);
	}
	assert_int_equal(packets_in() - before, 400);
	assert_int_equal(flow_count(w->lb->flows)->flows, flows);
	if (by_host)
		assert_true(to[0] == 400 || to[1] == 400);
	else
		assert_in_range(to[0], 120, 280);
}

static void test_hashed(void **state)
{
	struct lb_bed_packet in = {LAN_HOST, NOBODY, 1000, 80, SYN};

	(void)state;
	hashed(HASHED, false);
	hashed(BY_HOST, true);
	give(lb_bed_frame(frame, &in), FAKE_EXACT);
	assert_int_equal(w->out.n, 1); /* a reset */
	fake_dropped(w, DROP_LB_NO_BACKEND);
	fake_rest(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_short_frames_in_turn),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_no_source),
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_path_mtu),
		cmocka_unit_test(test_lives),
		cmocka_unit_test(test_hashed),
	};

	return cmocka_run_group_tests_name("lb_tunnel", tests, set_up, tear_down);
}
