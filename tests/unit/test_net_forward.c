/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_forward, stage_forward_out: what a router changes of a packet, and what it does not send.
 */
#include "frame.h"
#include "net/error.h"
#include "the_worker.h"

/* interfaces of the wan's port, and the adjacencies of their one neighbour */
enum { TAGGED = 3, NARROW, CLAMPED, SILENT, TWIN }; /* TWIN: a second neighbour on the lan */

#define TAG	   10
#define NARROW_MTU 600
#define CLAMP	   1000

static uint8_t frame[FRAME_MAX], want[FRAME_MAX];

/* frame, of len bytes, as it leaves by the adjacency */
static uint32_t sent(uint32_t index, uint32_t len, bool ours)
{
	uint32_t l2 = index == TAGGED ? 18 : 14, side = index == LAN || index == TWIN ? LAN : WAN;
	struct ip4_hdr *ip = (struct ip4_hdr *)(want + l2);

	memset(want, 0, 64);
	memcpy(want, fake_host_mac[side], 6);
	memcpy(want + 6, fake_mac[side], 6);
	memcpy(want + 12, index == TAGGED ? "\x81\x00\x00\x0a\x08\x00" : "\x08\x00", l2 - 12);
	memcpy(ip, frame + 14, len - 14);
	ip->ttl = (uint8_t)(ip->ttl - !ours);
	ip4_hdr_csum_set(ip);
	return l2 - 14 + RTE_MAX(len, 60u);
}

static void expect(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t len)
{
	fake_expect(m, bytes, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), bytes, ETH_HDR_LEN);
}

static void run(bool ours, uint32_t index, uint16_t port, uint32_t len, enum fake_memory memory)
{
	struct lane *in = ours ? &w->fwd_out : &w->fwd;

	lane_put(in, fake_packet(w, port, frame, len, 0, memory), index);
	fake_run(w, in, ours ? stage_forward_out : stage_forward);
}

enum end { SENT, ERROR, FRAG, PARKED, DROPPED };

static const struct {
	const char *name;
	uint32_t adj;
	uint8_t ttl;
	uint16_t l3_len, df;
	bool ours;
	enum fake_memory memory;
	enum end end;
	uint32_t value; /* of the error lane, or why dropped */
} cases[] = {
	{"plain", WAN, 64, 100, 0, false, FAKE_EXACT, SENT, 0},
	{"the last hop but one", WAN, 2, 100, 0, false, FAKE_EXACT, SENT, 0},
	{"TTL 255", WAN, 255, 100, 0, false, FAKE_EXACT, SENT, 0},
	{"TTL 1", WAN, 1, 100, 0, false, FAKE_EXACT, ERROR, ERROR_TTL << 24},
	{"TTL 0", WAN, 0, 100, 0, false, FAKE_EXACT, ERROR, ERROR_TTL << 24},
	{"TTL before the neighbour", SILENT, 1, 100, 0, false, FAKE_EXACT, ERROR, ERROR_TTL << 24},
	{"TTL before the MTU", NARROW, 1, 601, IP4_DF, false, FAKE_EXACT, ERROR, ERROR_TTL << 24},
	{"the MTU", WAN, 64, 1500, IP4_DF, false, FAKE_EXACT, SENT, 0},
	{"too large", WAN, 64, 1501, 0, false, FAKE_POOL, FRAG, 0},
	{"too large, DF", WAN, 64, 1501, IP4_DF, false, FAKE_POOL, ERROR,
		ERROR_FRAG_NEEDED << 24 | 1500},
	{"a narrow link's MTU", NARROW, 64, 600, IP4_DF, false, FAKE_EXACT, SENT, 0},
	{"too large for it", NARROW, 2, 601, 0, false, FAKE_EXACT, FRAG, 0},
	{"too large for it, DF", NARROW, 2, 601, IP4_DF, false, FAKE_EXACT, ERROR,
		ERROR_FRAG_NEEDED << 24 | NARROW_MTU},
	{"unknown neighbour", SILENT, 64, 100, 0, false, FAKE_EXACT, PARKED, 0},
	{"unknown neighbour before the MTU", SILENT, 64, 1501, IP4_DF, false, FAKE_POOL, PARKED, 0},
	{"tag", TAGGED, 64, 100, 0, false, FAKE_POOL, SENT, 0},
	{"tag, the MTU", TAGGED, 64, 1500, IP4_DF, false, FAKE_POOL, SENT, 0},
	{"tag, no room for it", TAGGED, 64, 100, 0, false, FAKE_EXACT, DROPPED, DROP_HEADROOM},
	{"shortest", WAN, 64, 28, 0, false, FAKE_POOL, SENT, 0},
	{"a byte short", WAN, 64, 45, 0, false, FAKE_POOL, SENT, 0},
	{"not short", WAN, 64, 46, 0, false, FAKE_EXACT, SENT, 0},
	{"short, no room for padding", WAN, 64, 45, 0, false, FAKE_EXACT, DROPPED, DROP_HEADROOM},
	{"short, tag", TAGGED, 64, 28, 0, false, FAKE_POOL, SENT, 0},
	{"a clamp and no TCP", CLAMPED, 64, 100, 0, false, FAKE_EXACT, SENT, 0},
	{"ours", WAN, 64, 100, 0, true, FAKE_EXACT, SENT, 0},
	{"ours, for the link alone", WAN, 1, 100, 0, true, FAKE_EXACT, SENT, 0},
	{"ours, too large", NARROW, 64, 601, 0, true, FAKE_EXACT, FRAG, 0},
	{"ours, too large, DF", NARROW, 64, 601, IP4_DF, true, FAKE_EXACT, DROPPED,
		DROP_FRAG_NEEDED},
	{"ours, unknown neighbour", SILENT, 1, 100, 0, true, FAKE_EXACT, PARKED, 0},
	{"ours, tag", TAGGED, 1, 100, 0, true, FAKE_POOL, SENT, 0},
	{"ours, short", WAN, 1, 28, 0, true, FAKE_POOL, SENT, 0},
};

/* Nothing is rewritten of what does not leave; what leaves is counted by its neighbour and port. */
static void check_case(size_t i, uint32_t len)
{
	uint32_t index = cases[i].adj;
	struct pair_count before = adj_sent(w->net, index);
	uint32_t tx_bytes = w->tx[1].bytes, out = sent(index, len, cases[i].ours);
	enum end end = cases[i].end;

	run(cases[i].ours, index, LAN, len, cases[i].memory);
	if (fake_in_lanes(w, false) != (end < PARKED) || park_held(w->park) != (end == PARKED))
		fail_msg("%s", cases[i].name);
	assert_int_equal(w->tx[1].n, end == SENT);
	assert_int_equal(w->frag.n, end == FRAG);
	assert_int_equal(w->error.n, end == ERROR);
	if (end == SENT) {
		expect(w->tx[1].pkt[0], want, out);
	} else if (end == FRAG) {
		fake_expect(w->frag.pkt[0], want, len);
		assert_int_equal(w->frag.aux[0], index);
	} else if (end == ERROR) {
		expect(w->error.pkt[0], frame, len);
		assert_int_equal(w->error.aux[0], cases[i].value);
	}
	fake_dropped(w, end == DROPPED ? (enum drop_reason)cases[i].value : DROP_MAX);
	assert_int_equal(
		w->count[COUNT_ip4_forwarded], !cases[i].ours && (end == SENT || end == FRAG));
	assert_int_equal(adj_sent(w->net, index).packets - before.packets, end == SENT);
	assert_int_equal(adj_sent(w->net, index).bytes - before.bytes, end == SENT ? out : 0);
	assert_int_equal(w->tx[1].bytes - tx_bytes, end == SENT ? out : 0);
	fake_rest(w);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = {
			.ttl = cases[i].ttl, .frag = cases[i].df, .src = LAN_HOST, .dst = FAR_HOST};

		check_case(i, frame_udp(frame, f, 1000, 2000, cases[i].l3_len - 28u));
	}
}

/* The checksum is mended, not made (RFC 1624): over all sums it is what making it would give. */
static void test_checksum(void **state)
{
	static const uint8_t ttls[] = {2, 255};

	(void)state;
	for (size_t t = 0; t < RTE_DIM(ttls); t++) {
		for (uint32_t id = 0; id < 65536; id++) {
			struct ip4_fields f = {.id = (uint16_t)id,
				.ttl = ttls[t],
				.proto = 253,
				.src = LAN_HOST,
				.dst = FAR_HOST};
			uint32_t len = frame_ip4(frame, f, NULL, 0, frame, 26);

			run(false, WAN, LAN, len, FAKE_POOL);
			expect(w->tx[1].pkt[0], want, sent(WAN, len, false));
			rte_pktmbuf_free(w->tx[1].pkt[0]);
			w->tx[1].n = 0;
			w->books.tx++;
		}
	}
	fake_rest(w);
}

/* A burst: one that stays behind does not hold up or change the others. */
static void test_burst(void **state)
{
	struct ip4_fields f = {.src = LAN_HOST, .dst = FAR_HOST};

	(void)state;
	for (uint32_t odd = 0; odd < 9; odd++) {
		for (uint32_t i = 0; i < 9; i++) {
			f.ttl = i == odd ? 1 : (uint8_t)(10 + i);
			lane_put(&w->fwd,
				fake_packet(
					w, LAN, frame, frame_udp(frame, f, 1, 2, 50), 0, FAKE_POOL),
				WAN);
		}
		fake_run(w, &w->fwd, stage_forward);
		assert_int_equal(w->error.n, 1);
		assert_int_equal(w->tx[1].n, 8);
		assert_int_equal(w->count[COUNT_ip4_forwarded], 8);
		for (uint32_t i = 0; i < 8; i++)
			assert_int_equal(pkt_ip4(w->tx[1].pkt[i])->ttl, 9 + i + (i >= odd));
		fake_rest(w);
	}
}

/* RFC 879's option in a SYN: lowered to what the way out carries, never raised. */
static void test_mss(void **state)
{
	static const struct {
		const char *name;
		uint32_t adj;
		uint8_t flags;
		uint16_t frag, mss, want;
	} tcp[] = {
		{"SYN", CLAMPED, TCP_SYN, 0, 1460, CLAMP},
		{"SYN ACK", CLAMPED, TCP_SYN | TCP_ACK, 0, 1460, CLAMP},
		{"first fragment", CLAMPED, TCP_SYN, IP4_MF, 1460, CLAMP},
		{"as large", CLAMPED, TCP_SYN, 0, CLAMP, CLAMP},
		{"smaller", CLAMPED, TCP_SYN, 0, 536, 536},
		{"no SYN", CLAMPED, TCP_ACK, 0, 1460, 1460},
		{"a later fragment", CLAMPED, TCP_SYN, 5, 1460, 1460},
		{"no clamp", WAN, TCP_SYN, 0, 1460, 1460},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(tcp); i++) {
		struct ip4_fields f = {
			.ttl = 64, .frag = tcp[i].frag, .src = LAN_HOST, .dst = FAR_HOST};
		struct tcp_fields t = {
			.sport = 1, .dport = 2, .seq = 3, .flags = tcp[i].flags, .opt_len = 4};
		uint32_t len = frame_tcp(frame, f, t, 8);
		uint8_t option[] = {
			TCP_OPT_MSS, 4, (uint8_t)(tcp[i].mss >> 8), (uint8_t)tcp[i].mss};
		uint8_t *l4 = frame_l4(frame);

		memcpy(l4 + TCP_HDR_LEN, option, sizeof(option));
		tcp_hdr_csum_set((struct tcp_hdr *)l4, 32, to_be32(f.src), to_be32(f.dst));
		run(false, tcp[i].adj, LAN, len, FAKE_EXACT);
		store16(l4 + TCP_HDR_LEN + 2, to_be16(tcp[i].want));
		tcp_hdr_csum_set((struct tcp_hdr *)l4, 32, to_be32(f.src), to_be32(f.dst));
		if (w->count[COUNT_mss_clamped] != (tcp[i].mss != tcp[i].want))
			fail_msg("%s", tcp[i].name);
		assert_int_equal(w->tx[1].n, 1);
		expect(w->tx[1].pkt[0], want, sent(tcp[i].adj, len, false));
		fake_rest(w);
	}
}

/* RFC 1812 5.2.7.2: the packet goes on, and a copy as it came tells its sender of the shorter way.
 */
static void test_redirect(void **state)
{
	static const struct {
		const char *name;
		uint32_t redirects; /* the setting */
		uint16_t flags;
		uint32_t src, adj;
		bool ours, copied;
	} same[] = {
		{"back by the same link", 1, IFACE_REDIRECTS, LAN_HOST, TWIN, false, true},
		{"out by another", 1, IFACE_REDIRECTS, LAN_HOST, WAN, false, false},
		{"off", 0, IFACE_REDIRECTS, LAN_HOST, TWIN, false, false},
		{"off for the interface", 1, 0, LAN_HOST, TWIN, false, false},
		{"no neighbour of ours", 1, IFACE_REDIRECTS, FAR_HOST, TWIN, false, false},
		{"a neighbour not known", 1, IFACE_REDIRECTS, LAN_HOST + 1, TWIN, false, false},
		{"ours", 1, IFACE_REDIRECTS, LAN_HOST, TWIN, true, false},
	};
	struct net_settings old = w->net->set;

	(void)state;
	for (size_t i = 0; i < RTE_DIM(same); i++) {
		struct ip4_fields f = {.ttl = 64, .src = same[i].src, .dst = FAR_HOST};
		uint32_t len = frame_udp(frame, f, 1, 2, 50);
		uint16_t slot = w->net->adj[same[i].adj].slot;

		w->net->set.redirects = same[i].redirects;
		w->net->iface[LAN].flags = (uint16_t)(IFACE_UP | same[i].flags);
		run(same[i].ours, same[i].adj, LAN, len, FAKE_POOL);
		if (w->error.n != same[i].copied)
			fail_msg("%s", same[i].name);
		assert_int_equal(w->books.originated, same[i].copied);
		if (same[i].copied) {
			assert_int_equal(w->error.aux[0], ERROR_REDIRECT << 24 | TWIN);
			assert_int_equal(w->error.pkt[0]->port, LAN);
			expect(w->error.pkt[0], frame, len);
		}
		assert_int_equal(w->tx[slot].n, 1);
		expect(w->tx[slot].pkt[0], want, sent(same[i].adj, len, same[i].ours));
		fake_rest(w);
	}
	w->net->set.redirects = 1;
	for (int pass = 0; pass < 2; pass++) { /* so many a pass, for the lanes' sake */
		struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = FAR_HOST};
		uint32_t len = frame_udp(frame, f, 1, 2, 50);

		for (uint32_t i = 0; i < REDIRECT_BUDGET + 4; i++)
			lane_put(&w->fwd, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), TWIN);
		fake_run(w, &w->fwd, stage_forward);
		assert_int_equal(w->error.n, REDIRECT_BUDGET);
		assert_int_equal(w->tx[0].n, REDIRECT_BUDGET + 4);
		fake_rest(w);
	}
	w->net->set = old;
	w->net->iface[LAN].flags = IFACE_UP;
}

static void add_iface(uint16_t index, uint16_t vlan, uint16_t mtu, uint16_t mss, const uint8_t *mac)
{
	struct iface *f = &w->net->iface[index];

	f->mac = eth_mac_u48(fake_mac[WAN]);
	f->flags = IFACE_UP;
	f->mtu = mtu;
	f->mss = mss;
	f->vlan = vlan;
	f->slot = 1;
	adj_set(w->net, index, index, WAN_HOST + index, mac);
}

static int set_up(void **state)
{
	if (fake_set_up(state) < 0)
		return -1;
	add_iface(TAGGED, TAG, 1500, 0, fake_host_mac[WAN]);
	add_iface(NARROW, 0, NARROW_MTU, 0, fake_host_mac[WAN]);
	add_iface(CLAMPED, 0, 1500, CLAMP, fake_host_mac[WAN]);
	add_iface(SILENT, 0, 1500, 0, NULL);
	adj_set(w->net, TWIN, LAN, LAN_HOST + 7, fake_host_mac[LAN]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_redirect),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
