/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_odd: each unusual thing of a frame to its lane or reason, and what is mended on the way. */
#include "exact.h"
#include "frame.h"
#include "net/port.h"
#include "the_worker.h"

enum { TAGGED = 3, GROUP_BOTH = 1, GROUP_WAN };

#define NO_HOST	  FAKE_ADDR(203, 0, 113, 1)
#define BOTH_WAYS FAKE_ADDR(198, 19, 244, 1)
#define BY_WAN	  FAKE_ADDR(198, 19, 245, 1)
#define VOID_HOST FAKE_ADDR(198, 19, 241, 1)

static uint8_t frame[FRAME_MAX];
static uint16_t vlans[4096] = {[10] = TAGGED};

/* 60 bytes from a host on the lan: no padding */
static uint32_t make(uint32_t src, uint32_t dst)
{
	struct ip4_fields f = {.id = 7, .ttl = 64, .src = src, .dst = dst};
	uint32_t len = frame_udp(frame, f, 1000, 2000, 18);

	memcpy(frame, fake_mac[LAN], ETH_MAC_LEN);
	memcpy(frame + ETH_MAC_LEN, fake_host_mac[LAN], ETH_MAC_LEN);
	return len;
}

static void run(struct rte_mbuf *m)
{
	lane_put(&w->odd, m, 0);
	fake_run(w, &w->odd, stage_odd);
}

/* One packet is in the lane, or was dropped where there is none. */
static void expect(const char *name, const struct lane *lane, enum drop_reason reason)
{
	if (fake_in_lanes(w, false) != (lane != NULL) || (lane != NULL && lane->n != 1))
		fail_msg("%s", name);
	fake_dropped(w, lane != NULL ? DROP_MAX : reason);
}

/* A byte takes a value; the header's checksum follows unless the case is about it. */
static void test_bytes(void **state)
{
	const struct {
		const char *name;
		uint8_t at, value, len; /* 0: 60 */
		bool csum_stays;
		const struct lane *lane;
		enum drop_reason reason;
	} cases[] = {
		{"nothing wrong", 15, 0, 0, false, &w->in, 0},
		{"runt", 15, 0, 13, false, NULL, DROP_ETH_SHORT},
		{"one byte", 15, 0, 1, false, NULL, DROP_ETH_SHORT},
		{"Ethernet alone", 15, 0, 14, false, NULL, DROP_IP4_SHORT},
		{"too short for IPv4", 15, 0, 33, false, NULL, DROP_IP4_SHORT},
		{"other station", 5, 9, 0, false, NULL, DROP_ETH_NOT_OURS},
		{"group we did not join", 0, 3, 0, false, NULL, DROP_ETH_NOT_OURS},
		{"source is a group", 6, 3, 0, false, NULL, DROP_ETH_SOURCE},
		{"ARP", 13, 6, 0, false, &w->arp, 0},
		{"IPv6's type", 12, 0x86, 0, false, NULL, DROP_ETH_TYPE},
		{"a length for a type", 12, 0, 0, false, NULL, DROP_ETH_TYPE},
		{"version 6", 14, 0x65, 0, false, NULL, DROP_IP4_VERSION},
		{"header of 4 words", 14, 0x44, 0, false, NULL, DROP_IP4_IHL},
		{"no header", 14, 0x40, 0, false, NULL, DROP_IP4_IHL},
		{"header beyond the packet", 14, 0x4f, 0, true, NULL, DROP_IP4_IHL},
		{"longer than the frame", 17, 47, 0, false, NULL, DROP_IP4_LENGTH},
		{"shorter than its header", 17, 19, 0, false, NULL, DROP_IP4_LENGTH},
		{"checksum", 24, 0x5a, 0, true, NULL, DROP_IP4_CSUM},
		{"TTL 0, forwarding's affair", 22, 0, 0, false, &w->in, 0},
		{"source 0", 26, 0, 0, false, NULL, DROP_IP4_SRC_MARTIAN},
		{"source 127", 26, 127, 0, false, NULL, DROP_IP4_SRC_MARTIAN},
		{"source multicast", 26, 224, 0, false, NULL, DROP_IP4_SRC_MARTIAN},
		{"source class E", 26, 240, 0, false, NULL, DROP_IP4_SRC_MARTIAN},
		{"destination 0", 30, 0, 0, false, NULL, DROP_IP4_DST_MARTIAN},
		{"destination 127", 30, 127, 0, false, NULL, DROP_IP4_DST_MARTIAN},
		{"destination multicast", 30, 239, 0, false, NULL, DROP_MULTICAST},
		{"destination class E", 30, 240, 0, false, NULL, DROP_IP4_DST_MARTIAN},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = make(LAN_HOST, FAR_HOST);

		len = cases[i].len == 0 ? len : cases[i].len;
		frame[cases[i].at] = cases[i].value;
		if (!cases[i].csum_stays && cases[i].at != 14)
			ip4_hdr_csum_set(frame_ip(frame));
		run(fake_packet(w, LAN, frame, len, 0, len < 34 ? FAKE_POOL : FAKE_EXACT));
		expect(cases[i].name, cases[i].lane, cases[i].reason);
		if (cases[i].lane == &w->in) {
			assert_int_equal(w->in.aux[0], FAR_HOST);
			fake_expect(w->in.pkt[0], frame, len);
		}
		fake_rest(w);
	}
	store16(frame + 12, to_be16(ETH_TYPE_RARP));
	run(fake_packet(w, LAN, frame, 60, 0, FAKE_EXACT));
	expect("RARP", &w->arp, 0);
	fake_rest(w);
	w->net->iface[LAN].flags = 0;
	run(fake_packet(w, LAN, frame, make(LAN_HOST, FAR_HOST), 0, FAKE_EXACT));
	expect("interface down", NULL, DROP_IFACE_DOWN);
	fake_rest(w);
	w->net->iface[LAN].flags = IFACE_UP;
}

/* RFC 1812 5.3.4, RFC 1122 3.3.6: a frame to all holds a packet to all. */
static void test_group(void **state)
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255};
	static const uint8_t systems[6] = {1, 0, 0x5e, 0, 0, 1}, routers[6] = {1, 0, 0x5e, 0, 0, 2};
	const struct {
		const char *name;
		const uint8_t *mac;
		uint32_t dst;
		const struct lane *lane;
		enum drop_reason reason;
	} cases[] = {
		{"limited broadcast", all, 0xffffffff, &w->local, 0},
		{"limited broadcast to us", fake_mac[LAN], 0xffffffff, &w->local, 0},
		{"broadcast of the link", all, LAN_BCAST, &w->in, 0},
		{"network of the link", all, LAN_BCAST - 255, &w->in, 0},
		{"all systems", all, 0xe0000001, &w->local, 0},
		{"all systems by its own MAC", systems, 0xe0000001, &w->local, 0},
		{"another host by that MAC", systems, FAR_HOST, NULL, DROP_IP4_LINK_GROUP},
		{"another group by that MAC", systems, 0xe0000002, NULL, DROP_MULTICAST},
		{"a group that nobody joined", routers, 0xe0000002, NULL, DROP_ETH_NOT_OURS},
		{"broadcast of another link", all, WAN_ADDR | 255, NULL, DROP_IP4_LINK_GROUP},
		{"ours", all, LAN_ADDR, NULL, DROP_IP4_LINK_GROUP},
		{"another host", all, FAR_HOST, NULL, DROP_IP4_LINK_GROUP},
		{"no route", all, NO_HOST, NULL, DROP_IP4_LINK_GROUP},
		{"another group", all, 0xe0000002, NULL, DROP_MULTICAST},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = make(LAN_HOST, cases[i].dst);

		memcpy(frame, cases[i].mac, ETH_MAC_LEN);
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		expect(cases[i].name, cases[i].lane, cases[i].reason);
		if (cases[i].lane != NULL)
			assert_int_equal(cases[i].lane->pkt[0]->port,
				LAN | (cases[i].mac == fake_mac[LAN] ? 0 : PKT_LINK_GROUP));
		fake_rest(w);
	}
}

/* RFC 3927 7: nothing of theirs is forwarded, whatever is routed; but such an address may be ours.
 */
static void test_link_local(void **state)
{
	const uint32_t far = FAKE_ADDR(169, 254, 1, 1), ours = FAKE_ADDR(169, 254, 2, 1);
	const uint32_t link = FAKE_ADDR(169, 254, 2, 255), other = FAKE_ADDR(169, 254, 3, 255);
	const struct {
		const char *name;
		uint32_t src, dst;
		const struct lane *lane;
	} cases[] = {
		{"to one that is routed", LAN_HOST, far, NULL},
		{"from one", far, FAR_HOST, NULL},
		{"from one to a neighbour", ours + 1, WAN_HOST, NULL},
		{"from one to us", far, LAN_ADDR, &w->in},
		{"from one to all", far, 0xffffffff, &w->local},
		{"to ours", LAN_HOST, ours, &w->in},
		{"to all of its link", ours + 1, link, &w->in},
		{"to all of another link", ours + 1, other, NULL},
	};

	(void)state;
	fake_route(w->net, FAKE_ADDR(169, 254, 0, 0), 16, FIB_FORWARD, WAN);
	fake_route(w->net, ours, 32, FIB_LOCAL, LAN);
	fake_route(w->net, link, 32, FIB_BROADCAST, LAN);
	fake_route(w->net, other, 32, FIB_BROADCAST, WAN);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = make(cases[i].src, cases[i].dst);

		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		expect(cases[i].name, cases[i].lane, DROP_IP4_LINK_LOCAL);
		fake_rest(w);
	}
}

/* A tag is taken off and names the interface, whether it is in the frame or beside it. */
static void test_vlan(void **state)
{
	static const struct {
		const char *name;
		uint16_t tci, port, iface; /* 0: dropped */
		bool known;		   /* the port has VLANs */
	} cases[] = {
		{"known", 10, LAN, TAGGED, true},
		{"known, with priority", 0xf00a, LAN, TAGGED, true},
		{"unknown", 11, LAN, 0, true},
		{"unknown, the last", 4095, LAN, 0, true},
		{"priority alone", 0xe000, LAN, LAN, true},
		{"a port without VLANs", 10, LAN, 0, false},
		{"priority on it", 0x6000, LAN, LAN, false},
		{"no port any more", 10, WAN, 0, true},
	};
	struct port port = {.slot = 0};

	(void)state;
	w->net->port[0] = &port;
	for (size_t i = 0; i < 2 * RTE_DIM(cases); i++) {
		size_t k = i / 2;
		bool stripped = i & 1;
		uint32_t len = make(LAN_HOST, FAR_HOST);
		struct pair_count before = w->iface_rx[TAGGED];
		uint8_t tagged[64];
		struct rte_mbuf *m;

		memcpy(frame, fake_mac[cases[k].port], ETH_MAC_LEN);
		memcpy(tagged, frame, 12);
		store16(tagged + 12, to_be16(ETH_TYPE_VLAN));
		store16(tagged + 14, to_be16(cases[k].tci));
		memcpy(tagged + 16, frame + 12, len - 12);
		m = fake_packet(w, cases[k].port, stripped ? frame : tagged,
			stripped ? len : len + 4, 0, FAKE_POOL);
		if (stripped) {
			m->ol_flags |= RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_VLAN;
			m->vlan_tci = cases[k].tci;
		}
		port.vlan_iface = cases[k].known ? vlans : NULL;
		run(m);
		expect(cases[k].name, cases[k].iface ? &w->in : NULL, DROP_VLAN_UNKNOWN);
		if (cases[k].iface != 0) {
			assert_int_equal(m->port, cases[k].iface);
			assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED, 0);
			fake_expect(m, frame, len);
			assert_memory_equal(pkt_eth(m), frame, ETH_HDR_LEN);
		}
		assert_int_equal(
			w->iface_rx[TAGGED].packets - before.packets, cases[k].iface == TAGGED);
		assert_int_equal(w->iface_rx[TAGGED].bytes - before.bytes,
			cases[k].iface == TAGGED ? len : 0);
		fake_rest(w);
	}
	port.vlan_iface = vlans;
	make(LAN_HOST, FAR_HOST);
	memcpy(frame + 12, "\x81\x00\x00\x0a\x81\x00\x00\x0a\x08\x00", 10);
	run(fake_packet(w, LAN, frame, 64, 0, FAKE_POOL));
	expect("two tags", NULL, DROP_ETH_TYPE);
	fake_rest(w);
	run(fake_packet(w, LAN, frame, 17, 0, FAKE_POOL));
	expect("half a tag", NULL, DROP_ETH_TYPE);
	fake_rest(w);
	w->net->port[0] = NULL;
}

/* RFC 3704 2.2, 2.4: what the lan's interface takes, strictly and loosely. */
static void test_urpf(void **state)
{
	static const struct {
		const char *name;
		uint32_t src;
		bool strict, loose;
	} cases[] = {
		{"neighbour", LAN_HOST, true, true},
		{"neighbour not known", LAN_HOST + 50, true, true},
		{"neighbour of another link", WAN_HOST, false, true},
		{"one not known there", WAN_HOST + 50, false, true},
		{"behind another link", FAR_HOST, false, true},
		{"by either link", BOTH_WAYS, true, true},
		{"by others", BY_WAN, false, true},
		{"no route", NO_HOST, false, false},
		{"blackhole", VOID_HOST, false, false},
		{"broadcast", LAN_BCAST, false, false},
		{"us", LAN_ADDR, false, false},
	};
	struct iface *lan = &w->net->iface[LAN];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = make(cases[i].src, FAR_HOST);

		lan->flags = IFACE_UP | IFACE_URPF_STRICT;
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		expect(cases[i].name, cases[i].strict ? &w->in : NULL, DROP_URPF);
		fake_rest(w);
		lan->flags = IFACE_UP | IFACE_URPF_LOOSE;
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		expect(cases[i].name, cases[i].loose ? &w->in : NULL, DROP_URPF);
		fake_rest(w);
		lan->flags = IFACE_UP;
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		expect(cases[i].name, &w->in, 0);
		fake_rest(w);
	}
}

static void test_padding(void **state)
{
	static const uint32_t pads[] = {0, 1, 40, 1000, 3000};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(pads); i++) {
		for (size_t seg = 0; seg < 60; seg += 13) {
			uint32_t len = make(LAN_HOST, FAR_HOST);

			run(fake_packet(w, LAN, frame, len + pads[i], seg, FAKE_EXACT));
			expect("padding", &w->in, 0);
			fake_expect(w->in.pkt[0], frame, len);
			fake_rest(w);
		}
	}
}

/* The frame cut after head bytes and then after each step. */
static struct rte_mbuf *cut(uint32_t len, uint16_t head, uint16_t step, enum fake_memory memory)
{
	struct rte_mbuf *m = fake_packet(w, LAN, frame, head, 0, memory), *last = m;

	for (uint32_t at = head, n; at < len; at += n) {
		n = RTE_MIN((uint32_t)step, len - at);
		last->next = rte_pktmbuf_alloc(w->pool);
		last = last->next;
		memcpy(rte_pktmbuf_append(last, (uint16_t)n), frame + at, n);
		m->nb_segs++;
		m->pkt_len += n;
	}
	return m;
}

/* The header, options among it, comes together in the first segment. */
static void test_segments(void **state)
{
	static const uint16_t steps[] = {1, 7, 20, 100};
	static const uint8_t nops[8] = {1, 1, 1, 1, 1, 1, 1, 0};

	(void)state;
	for (uint32_t opt_len = 0; opt_len <= sizeof(nops); opt_len += 4) {
		struct ip4_fields f = {.ttl = 9, .proto = 253, .src = LAN_HOST, .dst = FAR_HOST};
		uint32_t len, need = ETH_HDR_LEN + IP4_HDR_LEN + opt_len;

		len = frame_ip4(frame, f, nops, opt_len, "twenty bytes of data", 20);
		memcpy(frame, fake_mac[LAN], ETH_MAC_LEN);
		for (uint16_t head = ETH_HDR_LEN; head <= need; head++) {
			for (size_t s = 0; s < RTE_DIM(steps); s++) {
				run(cut(len, head, steps[s], FAKE_POOL));
				expect("cut", &w->in, 0);
				assert_true(w->in.pkt[0]->data_len >= need);
				assert_int_equal(w->count[COUNT_ip4_options], opt_len > 0);
				fake_expect(w->in.pkt[0], frame, len);
				fake_rest(w);
			}
		}
		run(cut(len, ETH_HDR_LEN, 20, FAKE_EXACT));
		expect("no room", NULL, DROP_IP4_SHORT);
		fake_rest(w);
	}
}

/* What a virtio peer left to us is made; nothing else is. */
static void test_csum(void **state)
{
	struct ip4_fields f = {.ttl = 9, .src = LAN_HOST, .dst = FAR_HOST};
	struct tcp_fields t = {.sport = 1, .dport = 2, .seq = 3, .flags = TCP_ACK};

	(void)state;
	for (uint32_t data = 0; data < 40; data++) {
		for (int tcp = 0; tcp < 2; tcp++) {
			uint32_t len = tcp ? frame_tcp(frame, f, t, data)
					   : frame_udp(frame, f, 1, 2, data);
			uint8_t *sum = (uint8_t *)frame_l4(frame) + (tcp ? 16 : 6);
			uint16_t right = load16(sum);

			memcpy(frame, fake_mac[LAN], ETH_MAC_LEN);
			for (int left = 0; left < 2; left++) {
				struct rte_mbuf *m;

				store16(sum, 0x1234);
				m = cut(len, 60 < len ? 60 : (uint16_t)len, 9, FAKE_POOL);
				m->ol_flags |= left ? RTE_MBUF_F_RX_L4_CKSUM_NONE : 0;
				run(m);
				expect("checksum", &w->in, 0);
				if (left)
					store16(sum, right);
				fake_expect(m, frame, len);
				fake_rest(w);
			}
		}
	}
}

static int set_up(void **state)
{
	struct iface *tagged;

	if (fake_set_up(state) < 0)
		return -1;
	tagged = &w->net->iface[TAGGED];
	tagged->mac = eth_mac_u48(fake_mac[LAN]);
	tagged->flags = IFACE_UP;
	tagged->vlan = 10;
	adj_group_set(w->net, GROUP_BOTH, (uint32_t[]){LAN, WAN}, 2);
	adj_group_set(w->net, GROUP_WAN, (uint32_t[]){WAN}, 1);
	fake_route(w->net, BOTH_WAYS, 32, FIB_GROUP, GROUP_BOTH);
	fake_route(w->net, BY_WAN, 32, FIB_GROUP, GROUP_WAN);
	fake_route(w->net, VOID_HOST, 32, FIB_BLACKHOLE, 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_urpf),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_csum),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
