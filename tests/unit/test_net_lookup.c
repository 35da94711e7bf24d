/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage_fib_in, stage_fib_out: each kind of route to its lane or reason, directed broadcasts, and
 * which member of a group a flow goes by.
 */
#include "base/hash.h"
#include "exact.h"
#include "frame.h"
#include "net/error.h"
#include "net/lookup.h"
#include "the_worker.h"

#define VOID_HOST    FAKE_ADDR(198, 19, 241, 1)
#define REFUSED_HOST FAKE_ADDR(198, 19, 242, 1)
#define SERVICE_HOST FAKE_ADDR(198, 19, 243, 1)
#define GROUP_HOST   FAKE_ADDR(198, 19, 244, 1)
#define NO_HOST	     FAKE_ADDR(203, 0, 113, 1)
#define NEW_HOST     FAKE_ADDR(198, 18, 1, 77) /* on the wan, not known */
#define WAN_BCAST    FAKE_ADDR(198, 18, 1, 255)

enum { GROUP = 1, FIRST_MEMBER = 3, MEMBERS = 3 };

static uint8_t frame[FRAME_MAX];

static void run(uint16_t port, uint32_t len, enum fake_memory memory)
{
	lane_put(&w->in, fake_packet(w, port, frame, len, 0, memory), ip4_hdr_dst(frame_ip(frame)));
	fake_run(w, &w->in, stage_fib_in);
}

enum end { LANE, PARKED, DROPPED, AGAIN };

static void expect(const char *name, enum end end, struct lane *lane, uint32_t value, uint32_t len)
{
	uint32_t held = park_held(w->park);

	if (fake_in_lanes(w, false) != (end == LANE) || held != (end == PARKED) ||
		w->again.n != (end == AGAIN))
		fail_msg("%s", name);
	if (end == LANE) {
		assert_int_equal(lane->n, 1);
		assert_int_equal(lane->aux[0], value);
		fake_expect(lane->pkt[0], frame, len);
	}
	fake_dropped(w, end == DROPPED ? (enum drop_reason)value : DROP_MAX);
	if (end == AGAIN) {
		drop(w, w->again.pkt[w->again.head], DROP_DRAIN);
		w->again.n = 0;
	}
	fake_rest(w);
}

static void test_in(void **state)
{
	const struct {
		const char *name;
		uint32_t dst;
		uint16_t port;
		enum end end;
		struct lane *lane;
		uint32_t value;
	} cases[] = {
		{"neighbour", WAN_HOST, LAN, LANE, &w->fwd, WAN},
		{"behind a neighbour", FAR_HOST, LAN, LANE, &w->fwd, WAN},
		{"neighbour on the same link", LAN_HOST, LAN, LANE, &w->fwd, LAN},
		{"our address", LAN_ADDR, LAN, LANE, &w->local, 0},
		{"our other address", WAN_ADDR, LAN, LANE, &w->local, 0},
		{"loopback", LOOPBACK, LAN, LANE, &w->local, 0},
		{"no neighbour yet", NEW_HOST, LAN, PARKED, NULL, 0},
		{"blackhole", VOID_HOST, LAN, DROPPED, NULL, DROP_BLACKHOLE},
		{"unreachable", REFUSED_HOST, LAN, LANE, &w->error, ERROR_UNREACHABLE << 24},
		{"service", SERVICE_HOST, LAN, DROPPED, NULL, DROP_NO_SERVICE},
		{"no route", NO_HOST, LAN, LANE, &w->error, ERROR_NO_ROUTE << 24},
		{"broadcast of its link", LAN_BCAST, LAN, LANE, &w->local, 0},
		{"in a broadcast frame", LAN_BCAST, LAN | PKT_LINK_GROUP, LANE, &w->local, 0},
		{"network of its link", LAN_BCAST - 255, LAN, LANE, &w->local, 0},
		{"broadcast of another", LAN_BCAST, WAN, DROPPED, NULL, DROP_BROADCAST},
		{"network of another", WAN_BCAST - 255, LAN, DROPPED, NULL, DROP_BROADCAST},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = cases[i].dst};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);

		run(cases[i].port, len, FAKE_EXACT);
		expect(cases[i].name, cases[i].end, cases[i].lane, cases[i].value, len);
	}
}

/* A TTL that ends here ends before anybody is asked for: who traces the way is told at once. */
static void test_ttl_before_a_neighbour(void **state)
{
	(void)state;
	for (uint8_t ttl = 0; ttl < 3; ttl++) {
		struct ip4_fields f = {.ttl = ttl, .src = LAN_HOST, .dst = NEW_HOST};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);

		run(LAN, len, FAKE_EXACT);
		expect("ttl", ttl < 2 ? LANE : PARKED, &w->error, ERROR_TTL << 24, len);
	}
}

/* Of our own packets nobody is told where they could not go. */
static void test_out(void **state)
{
	const struct {
		const char *name;
		uint32_t dst;
		enum end end;
		uint32_t value;
	} cases[] = {
		{"neighbour", WAN_HOST, LANE, WAN},
		{"behind a neighbour", FAR_HOST, LANE, WAN},
		{"our address", LAN_ADDR, AGAIN, 0},
		{"no neighbour yet", NEW_HOST, PARKED, 0},
		{"blackhole", VOID_HOST, DROPPED, DROP_BLACKHOLE},
		{"unreachable", REFUSED_HOST, DROPPED, DROP_UNREACHABLE},
		{"service", SERVICE_HOST, DROPPED, DROP_NO_SERVICE},
		{"no route", NO_HOST, DROPPED, DROP_NO_ROUTE},
		{"broadcast", LAN_BCAST, DROPPED, DROP_BROADCAST},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_ADDR, .dst = cases[i].dst};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);

		lane_put(&w->out, fake_packet(w, PKT_ORIGIN, frame, len, 0, FAKE_EXACT), f.dst);
		fake_run(w, &w->out, stage_fib_out);
		expect(cases[i].name, cases[i].end, &w->fwd_out, cases[i].value, len);
	}
}

static void test_egress(void **state)
{
	static const struct {
		uint32_t dst;
		uint16_t iface;
	} cases[] = {
		{WAN_HOST, WAN},
		{FAR_HOST, WAN},
		{NEW_HOST, WAN},
		{LAN_HOST, LAN},
		{GROUP_HOST, WAN},
		{NO_HOST, IFACE_LOOPBACK},
		{VOID_HOST, IFACE_LOOPBACK},
		{LAN_ADDR, IFACE_LOOPBACK},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = cases[i].dst};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);
		struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);

		assert_int_equal(lookup_egress(w, m, f.dst), cases[i].iface);
		consume(w, m);
		fake_rest(w);
	}
}

/* RFC 2644: onto the link, in a broadcast frame, where the link's interface allows it. */
static void test_directed(void **state)
{
	static const struct {
		const char *name;
		uint32_t dst;
		uint16_t flags, vlan, l3_len;
		uint8_t ttl;
		enum fake_memory memory;
		enum drop_reason drop; /* DROP_MAX: sent */
	} cases[] = {
		{"allowed", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 100, 2, FAKE_EXACT,
			DROP_MAX},
		{"network", WAN_BCAST - 255, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 100, 9, FAKE_EXACT,
			DROP_MAX},
		{"the MTU", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 1500, 9, FAKE_EXACT,
			DROP_MAX},
		{"short", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 28, 9, FAKE_POOL,
			DROP_MAX},
		{"tagged", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0x123, 100, 9, FAKE_POOL,
			DROP_MAX},
		{"tagged, short", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0x123, 28, 9,
			FAKE_POOL, DROP_MAX},
		{"tagged, no room", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0x123, 100, 9,
			FAKE_EXACT, DROP_HEADROOM},
		{"no room for padding", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 28, 9,
			FAKE_EXACT, DROP_HEADROOM},
		{"TTL", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 100, 1, FAKE_EXACT,
			DROP_TTL_EXCEEDED},
		{"too large", WAN_BCAST, IFACE_UP | IFACE_DIRECTED_BCAST, 0, 1501, 9, FAKE_POOL,
			DROP_FRAG_NEEDED},
		{"link down", WAN_BCAST, IFACE_DIRECTED_BCAST, 0, 100, 9, FAKE_EXACT,
			DROP_BROADCAST},
		{"not allowed", WAN_BCAST, IFACE_UP, 0, 100, 9, FAKE_EXACT, DROP_BROADCAST},
	};
	struct iface *wan = &w->net->iface[WAN];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {.ttl = cases[i].ttl, .src = LAN_HOST, .dst = cases[i].dst};
		uint32_t len = frame_udp(frame, f, 1, 2, cases[i].l3_len - 28u);
		uint32_t l2 = cases[i].vlan == 0 ? 14 : 18, out = l2 - 14 + RTE_MAX(len, 60u);
		uint8_t want[1600] = {0};
		bool sent = cases[i].drop == DROP_MAX;

		wan->flags = cases[i].flags;
		wan->vlan = cases[i].vlan;
		run(LAN, len, cases[i].memory);
		if (w->tx[1].n != sent || w->count[COUNT_ip4_forwarded] != sent)
			fail_msg("%s", cases[i].name);
		fake_dropped(w, cases[i].drop);
		if (sent) {
			memset(want, 0xff, 6);
			memcpy(want + 6, fake_mac[WAN], 6);
			memcpy(want + 12, l2 == 14 ? "\x08\x00" : "\x81\x00\x01\x23\x08\x00",
				l2 - 12);
			frame_ip(frame)->ttl--;
			ip4_hdr_csum_set(frame_ip(frame));
			memcpy(want + l2, frame + 14, len - 14);
			fake_expect(w->tx[1].pkt[0], want, out);
			assert_memory_equal(rte_pktmbuf_mtod(w->tx[1].pkt[0], void *), want, l2);
		}
		fake_rest(w);
	}
	wan->flags = IFACE_UP;
	wan->vlan = 0;
}

/*
 * The member by which the frame goes: of those received, and of our own, the same. But for ICMP of
 * our own: that has one for all that goes to this destination.
 */
static uint32_t member(uint32_t len)
{
	static uint32_t own_icmp;
	uint32_t index, own;

	run(LAN, len, FAKE_EXACT);
	assert_int_equal(w->fwd.n, 1);
	index = w->fwd.aux[0];
	fake_rest(w);
	lane_put(&w->out, fake_packet(w, PKT_ORIGIN, frame, len, 0, FAKE_EXACT), GROUP_HOST);
	fake_run(w, &w->out, stage_fib_out);
	assert_int_equal(w->fwd_out.n, 1);
	own = w->fwd_out.aux[0];
	if (frame_ip(frame)->proto == IP4_PROTO_ICMP && own_icmp == 0)
		own_icmp = own;
	assert_int_equal(own, frame_ip(frame)->proto == IP4_PROTO_ICMP ? own_icmp : index);
	fake_rest(w);
	assert_in_range(index, FIRST_MEMBER, FIRST_MEMBER + MEMBERS - 1);
	return index;
}

/* Whatever else differs, a flow keeps its member, or its packets would overtake each other. */
static void test_flow(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (uint32_t flow = 0; flow < 64; flow++) {
		uint64_t r = seeded(&seed);
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST + (r & 0x7f), .dst = GROUP_HOST};
		struct tcp_fields t = {.sport = (uint16_t)(r >> 16), .dport = (uint16_t)(r >> 32)};
		uint32_t udp = member(frame_udp(frame, f, t.sport, t.dport, 0));
		uint32_t icmp = member(frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 8));

		for (uint32_t k = 0; k < 8; k++) {
			f.id = (uint16_t)(7 * k);
			f.tos = (uint8_t)(k << 5);
			f.ttl = (uint8_t)(60 + k);
			t.seq = 1000 * k;
			assert_int_equal(
				member(frame_udp(frame, f, t.sport, t.dport, 100 * k)), udp);
			assert_int_equal(member(frame_tcp(frame, f, t, 10 * k)), udp);
			assert_int_equal(member(frame_icmp(frame, f, (uint8_t)k, 0, 16 * k)), icmp);
			assert_int_equal(member(frame_ip4(frame, f, NULL, 0, &seed, k)), icmp);
		}
	}
}

/* The later fragments have no ports, so the first one's are not looked at. */
static void test_fragments(void **state)
{
	uint64_t seed = 9;

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST + i, .dst = GROUP_HOST};
		uint32_t whole = member(frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 8));

		for (uint32_t k = 0; k < 8; k++) {
			uint64_t r = seeded(&seed);

			f.id = (uint16_t)r;
			f.frag = (uint16_t)(k == 0 ? IP4_MF : (r & IP4_MF) | k);
			assert_int_equal(member(frame_udp(frame, f, (uint16_t)(r >> 16),
						 (uint16_t)(r >> 32), 40)),
				whole);
		}
	}
}

/* A UDP header that ends before its ports: by addresses, without a look past the end. */
static void test_no_ports(void **state)
{
	struct ip4_fields f = {
		.ttl = 64, .proto = IP4_PROTO_UDP, .src = LAN_HOST, .dst = GROUP_HOST};
	uint32_t by_addresses = member(frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 8));

	(void)state;
	for (uint32_t len = 0; len < 4; len++)
		assert_int_equal(member(frame_ip4(frame, f, NULL, 0, "abc", len)), by_addresses);
}

/* All members get their share, also of the flows that one worker owns. */
static void test_spread(void **state)
{
	uint32_t all[MEMBERS] = {0}, owned[MEMBERS] = {0}, n = 4000, n_owned = 0;
	uint64_t seed = 11;

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t r = seeded(&seed);
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST + (r & 0x3f), .dst = GROUP_HOST};
		uint32_t len = frame_udp(frame, f, (uint16_t)(r >> 16), 53, 10), m = member(len);
		const struct udp_hdr *udp = frame_l4(frame);
		uint32_t hash = hash_flow_wire(
			to_be32(f.src), to_be32(f.dst), load16(udp), load16((const char *)udp + 2));

		all[m - FIRST_MEMBER]++;
		if (hash % 4 == 1) {
			owned[m - FIRST_MEMBER]++;
			n_owned++;
		}
	}
	assert_in_range(n_owned, n / 5, n / 3);
	for (uint32_t m = 0; m < MEMBERS; m++) {
		assert_in_range(all[m], n / 4, n * 5 / 12);
		assert_in_range(owned[m], n_owned / 4, n_owned * 5 / 12);
	}
}

/* A host forwards to nobody, whatever its routes say, and tells nobody that it does not. */
static void test_host(void **state)
{
	static const struct {
		const char *name;
		uint32_t dst;
		uint16_t port;
		bool taken;
	} hosts[] = {
		{"its address", LAN_ADDR, LAN, true},
		{"of another port", WAN_ADDR, LAN, true},
		{"its loopback's", LOOPBACK, LAN, true},
		{"its link's broadcast", LAN_BCAST, LAN, true},
		{"another link's broadcast", LAN_BCAST, WAN, false},
		{"a neighbour", WAN_HOST, LAN, false},
		{"a neighbour not known", WAN_HOST + 9, LAN, false},
		{"behind a gateway", FAR_HOST, LAN, false},
		{"behind several", GROUP_HOST, LAN, false},
		{"no route", FAKE_ADDR(203, 0, 113, 1), LAN, false},
		{"blackhole", VOID_HOST, LAN, false},
		{"unreachable", REFUSED_HOST, LAN, false},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(hosts); i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = hosts[i].dst};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);

		lane_put(&w->in, fake_packet(w, hosts[i].port, frame, len, 0, FAKE_EXACT), f.dst);
		fake_run(w, &w->in, stage_fib_host);
		if (w->local.n != hosts[i].taken || fake_in_lanes(w, false) != hosts[i].taken)
			fail_msg("%s", hosts[i].name);
		if (!hosts[i].taken)
			fake_dropped(w, DROP_IP4_NOT_OURS);
		fake_rest(w);
	}
}

/* Of a balancer virtual addresses are its, too; a host has none. */
static void test_balancer(void **state)
{
	static struct lb_worker *const some = (struct lb_worker *)1; /* nobody looks into it */
	static const struct {
		stage_fn *stage;
		bool balances, taken;
	} rows[] = {
		{stage_fib_balance, true, true},
		{stage_fib_balance, false, false},
		{stage_fib_host, true, false},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(rows); i++) {
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = SERVICE_HOST};
		uint32_t len = frame_udp(frame, f, 1, 2, 20);

		w->lb = rows[i].balances ? some : NULL;
		lane_put(&w->in, fake_packet(w, LAN, frame, len, 0, FAKE_EXACT), f.dst);
		fake_run(w, &w->in, rows[i].stage);
		assert_int_equal(w->service.n, rows[i].taken);
		if (!rows[i].taken)
			fake_dropped(w, DROP_IP4_NOT_OURS);
		w->lb = NULL;
		fake_rest(w);
	}
}

static int set_up(void **state)
{
	uint32_t members[MEMBERS];

	if (fake_set_up(state) < 0)
		return -1;
	for (uint32_t i = 0; i < MEMBERS; i++) {
		members[i] = FIRST_MEMBER + i;
		adj_set(w->net, members[i], WAN, WAN_HOST + 1 + i, fake_host_mac[WAN]);
	}
	adj_group_set(w->net, GROUP, members, MEMBERS);
	fake_route(w->net, VOID_HOST & ip4_mask(24), 24, FIB_BLACKHOLE, 0);
	fake_route(w->net, REFUSED_HOST & ip4_mask(24), 24, FIB_UNREACHABLE, 0);
	fake_route(w->net, SERVICE_HOST & ip4_mask(24), 24, FIB_SERVICE, 0);
	fake_route(w->net, GROUP_HOST & ip4_mask(24), 24, FIB_GROUP, GROUP);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in),
		cmocka_unit_test(test_ttl_before_a_neighbour),
		cmocka_unit_test(test_out),
		cmocka_unit_test(test_egress),
		cmocka_unit_test(test_directed),
		cmocka_unit_test(test_flow),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_no_ports),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_balancer),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
