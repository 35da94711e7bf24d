/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel path on a worker: what each stage leaves to the kernel, with and without it; the
 * policer, the rings, and frames from the kernel. The thread's part is played by the test.
 */
#include "frame.h"
#include "net/net.h"
#include "punt_inner.h"
#include "the_worker.h"
#include "wire/arp_hdr.h"
#include "wire/vlan_hdr.h"

enum { TAGGED = 3 };
enum { QUEUE = 16, RATE = 1000, BURST_MOST = RATE / 10 + 1 };

#define TAP_ID	  (7u << 5 | 0) /* of the lan's port, which has slot 0 */
#define ALL_OSPF  FAKE_ADDR(224, 0, 0, 5)
#define ALL_OTHER FAKE_ADDR(224, 0, 0, 6)

static uint8_t frame[FRAME_MAX];
static uint16_t vlans[4096] = {[10] = TAGGED};
static struct punt_groups groups;
static struct port lan = {.slot = 0, .iface = LAN, .punt = TAP_ID, .vlan_iface = vlans};
static struct punt thread;

static struct punt_end *end(void)
{
	return w->kernel;
}

static void turn(bool on)
{
	const uint16_t all[] = {LAN, TAGGED};

	for (size_t i = 0; i < RTE_DIM(all); i++)
		w->net->iface[all[i]].flags = IFACE_UP | (on ? IFACE_KERNEL : 0);
	lan.punt = on ? TAP_ID : 0;
}

static uint32_t addressed(uint32_t len, const uint8_t dst[6])
{
	memcpy(frame, dst, ETH_MAC_LEN);
	memcpy(frame + ETH_MAC_LEN, fake_host_mac[LAN], ETH_MAC_LEN);
	return len;
}

static void put(struct lane *lane, uint32_t len)
{
	lane_put(lane, fake_packet(w, LAN, frame, len, 0, FAKE_POOL), 0);
}

/* The one packet of all lanes is in this one (NULL: it ended for the reason). */
static void expect(const char *name, const struct lane *lane, enum drop_reason reason)
{
	if (fake_in_lanes(w, false) != (lane != NULL) || (lane != NULL && lane->n != 1))
		fail_msg("%s", name);
	fake_dropped(w, lane != NULL ? DROP_MAX : reason);
	fake_rest(w);
}

/* --- what stages decide --- */

static const struct ip4_fields asked = {.id = 1, .ttl = 1, .src = LAN_HOST, .dst = LAN_ADDR};

static uint32_t protocol(uint8_t proto)
{
	struct ip4_fields f = asked;

	f.proto = proto;
	return frame_ip4(frame, f, NULL, 0, "OSPF, or something else.", 24);
}

/* An error about a packet of a protocol. */
static uint32_t error_about(uint8_t proto)
{
	struct ip4_fields f = {.proto = proto, .src = LAN_ADDR, .dst = LAN_HOST, .total_len = 28};
	uint32_t len = frame_icmp(frame, asked, ICMP_TYPE_UNREACH, ICMP_CODE_PORT, 28);
	struct icmp_hdr *icmp = frame_l4(frame);

	ip4_hdr_build((struct ip4_hdr *)(icmp + 1), &f);
	icmp->csum = 0;
	icmp->csum = csum_fold(csum_add(icmp, ICMP_HDR_LEN + 28, 0));
	return len;
}

static uint32_t segment(uint8_t flags)
{
	struct tcp_fields t = {.sport = 40000, .dport = 22, .seq = 9, .flags = flags};

	return frame_tcp(frame, asked, t, 0);
}

static uint32_t arp(uint16_t op)
{
	struct arp_hdr h;

	arp_hdr_request(&h, fake_host_mac[LAN], LAN_HOST, LAN_ADDR);
	h.op = to_be16(op);
	arp_hdr_frame(frame, fake_mac[LAN], &h);
	return ETH_MIN_FRAME;
}

struct decision {
	const char *name;
	struct lane *in;
	stage_fn *fn;
	struct lane *off;	 /* where it is without the kernel path; NULL: dropped, */
	enum drop_reason reason; /* for this; DROP_MAX: consumed */
	bool answers;		 /* or an answer of ours is in `off` */
	bool stays;		 /* the kernel does not get it */
};

static void run(const struct decision *d, uint32_t len)
{
	for (int on = 0; on < 2; on++) {
		turn(on);
		put(d->in, len);
		fake_run(w, d->in, d->fn);
		if (on && !d->stays) {
			expect(d->name, &w->punt, 0);
			continue;
		}
		if (d->answers) {
			assert_int_equal(d->off->n, 1);
			fake_rest(w);
		} else {
			expect(d->name, d->off, d->reason);
		}
	}
}

static void test_local(void **state)
{
	const struct decision
		ospf = {"OSPF", &w->steer, stage_steer, &w->error},
		reply = {"an echo reply", &w->icmp, stage_icmp, NULL, DROP_ICMP_TYPE},
		stamp = {"a timestamp request", &w->icmp, stage_icmp, NULL, DROP_ICMP_TYPE},
		echo = {"an echo request", &w->icmp, stage_icmp, &w->out, .stays = true},
		bad = {"broken ICMP", &w->icmp, stage_icmp, NULL, DROP_ICMP_BAD, .stays = true},
		error = {"an ICMP error", &w->icmp, stage_icmp, NULL, DROP_MAX},
		datagram = {"a closed UDP port", &w->udp, stage_udp, &w->error},
		closed = {"a closed TCP port", &w->tcp, stage_tcp_reset, &w->out, .answers = true},
		reset = {"a stray reset", &w->tcp, stage_tcp_reset, NULL, DROP_TCP_NO_PORT},
		torn = {"a broken segment", &w->tcp, stage_tcp_reset, NULL, DROP_TCP_BAD,
			.stays = true};

	(void)state;
	run(&ospf, protocol(IP4_PROTO_OSPF));
	run(&reply, frame_icmp(frame, asked, ICMP_TYPE_ECHO_REPLY, 0, 10));
	run(&stamp, frame_icmp(frame, asked, ICMP_TYPE_TIMESTAMP, 0, 12));
	run(&echo, frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, 10));
	frame[ETH_HDR_LEN + IP4_HDR_LEN + 9] ^= 1;
	run(&bad, ETH_HDR_LEN + IP4_HDR_LEN + ICMP_HDR_LEN + 10);
	run(&error, error_about(IP4_PROTO_TCP));
	run(&error, error_about(IP4_PROTO_UDP));
	run(&error, error_about(IP4_PROTO_OSPF));
	run(&datagram, frame_udp(frame, asked, 1000, 2000, 30));
	run(&closed, segment(TCP_SYN));
	run(&reset, segment(TCP_RST));
	segment(TCP_SYN);
	frame[ETH_HDR_LEN + IP4_HDR_LEN] ^= 1;
	run(&torn, ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN);
}

static void test_arp(void **state)
{
	const struct decision reply = {"a reply to us", &w->arp, stage_arp, NULL, DROP_MAX};
	struct rte_mbuf *m = NULL;

	(void)state;
	run(&reply, arp(ARP_REPLY));
	for (int on = 0; on < 2; on++) {
		turn(on);
		put(&w->arp, arp(ARP_REQUEST));
		fake_run(w, &w->arp, stage_arp);
		assert_int_equal(w->tx[0].n, 1);
		assert_int_equal(w->punt.n, 0);
		fake_rest(w);
		m = fake_packet(w, LAN | PKT_LINK_GROUP, frame, arp(ARP_REPLY), 0, FAKE_POOL);
		lane_put(&w->arp, m, 0);
		fake_run(w, &w->arp, stage_arp);
		expect("a reply to all", NULL, DROP_MAX);
	}
}

/* Frames as they come: what is known of their type, and of their group. */
static void test_frames(void **state)
{
	static const uint8_t isis[] = {1, 0x80, 0xc2, 0, 0, 0x14},
			     all[] = {255, 255, 255, 255, 255, 255}, ospf[] = {1, 0, 0x5e, 0, 0, 5},
			     other[] = {1, 0, 0x5e, 0, 0, 6};
	struct ip4_fields f = asked;
	const struct decision type = {"IPv6", &w->odd, stage_odd, NULL, DROP_ETH_TYPE},
			      to_all = {"IPv6 to all", &w->odd, stage_odd, NULL, DROP_ETH_TYPE,
				      .stays = true},
			      joined = {"a group that was joined", &w->odd, stage_odd, NULL,
				      DROP_ETH_NOT_OURS},
			      not = {"one that was not", &w->odd, stage_odd, NULL,
				      DROP_ETH_NOT_OURS, .stays = true},
			      tags = {"a tag in a tag of no VLAN", &w->odd, stage_odd, NULL,
				      DROP_ETH_TYPE, .stays = true},
			      wrong = {"a group in a frame to us", &w->odd, stage_odd, NULL,
				      DROP_MULTICAST, .stays = true};
	uint32_t len;

	(void)state;
	groups = (struct punt_groups){2, {eth_mac_u48(ospf), eth_mac_u48(isis)}};
	if (groups.mac[0] > groups.mac[1]) {
		groups.mac[0] = eth_mac_u48(isis);
		groups.mac[1] = eth_mac_u48(ospf);
	}
	frame_udp(frame, f, 1, 2, 30);
	((struct eth_hdr *)frame)->type = to_be16(0x86dd);
	run(&type, addressed(64, fake_mac[LAN]));
	run(&to_all, addressed(64, all));
	/* 802.1p alone, and VLAN 10 in it, which would pass by our checks */
	memcpy(frame + 12, (uint8_t[]){0x81, 0, 0xe0, 0, 0x81, 0, 0, 10, 8, 0}, 10);
	run(&tags, addressed(64, fake_mac[LAN]));
	((struct eth_hdr *)frame)->type = to_be16(50); /* IEEE 802.3: IS-IS */
	run(&joined, addressed(64, isis));
	f.proto = IP4_PROTO_OSPF;
	f.dst = ALL_OSPF;
	len = frame_ip4(frame, f, NULL, 0, frame, 40);
	run(&joined, addressed(len, ospf));
	run(&not, addressed(len, other));
	run(&wrong, addressed(len, fake_mac[LAN]));
	f.dst = LAN_HOST + 1;
	len = frame_ip4(frame, f, NULL, 0, frame, 40);
	turn(true);
	put(&w->odd, addressed(len, ospf));
	fake_run(w, &w->odd, stage_odd);
	expect("a host in a frame to a group", NULL, DROP_IP4_LINK_GROUP);
	turn(false);
	put(&w->odd, len);
	fake_run(w, &w->odd, stage_odd);
	expect("a host in a frame to a group", NULL, DROP_ETH_NOT_OURS);
	groups.n = 0;
}

/* The kernel's list, in any order, as the data path asks it. */
static void test_groups(void **state)
{
	static const uint8_t station[][ETH_MAC_LEN] = {{2, 0, 0, 0, 0, 1}};
	static uint8_t macs[PUNT_GROUPS + 8][ETH_MAC_LEN];
	struct port port = {.slot = 1, .name = "wan"};
	struct iface *f = &w->net->iface[WAN];

	(void)state;
	w->net->port[1] = &port;
	f->flags = IFACE_UP | IFACE_KERNEL;
	for (uint8_t i = 0; i < RTE_DIM(macs); i++)
		memcpy(macs[i], (uint8_t[]){1, 0, 0x5e, i, 0, (uint8_t)(200 - i)}, ETH_MAC_LEN);
	for (uint32_t n = 0; n <= RTE_DIM(macs); n++) {
		uint32_t taken = RTE_MIN(n, (uint32_t)PUNT_GROUPS);

		assert_int_equal(punt_groups(w->net, &port, macs, n), 0);
		for (uint32_t i = 0; i < RTE_DIM(macs); i++)
			assert_int_equal(punt_joined(w->net, f, eth_mac_u48(macs[i])), i < taken);
		assert_false(punt_joined(w->net, f, 0));
		assert_false(punt_joined(w->net, f, ETH_U48_MASK));
	}
	f->flags = IFACE_UP;
	assert_false(punt_joined(w->net, f, eth_mac_u48(macs[0])));
	assert_int_equal(punt_groups(w->net, &port, station, 1), 0);
	assert_int_equal(port.groups->n, 0); /* a station's address is no group's */
	w->net->port[1] = NULL;
	free(port.groups);
}

/* --- up and back --- */

static uint32_t punt(uint32_t len, uint32_t n)
{
	uint32_t before = punt_held(w);

	for (uint32_t i = 0; i < n; i++)
		put(&w->punt, len);
	fake_run(w, &w->punt, stage_punt);
	fake_balanced(w);
	return punt_held(w) - before;
}

/* The thread has taken up all that there is, and gives it back. */
static void give_back(enum drop_reason r, uint32_t n)
{
	struct rte_mbuf *m = NULL;

	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(rte_ring_dequeue(end()->up, (void **)&m), 0);
		assert_int_equal(m->hash.usr, TAP_ID);
		m->hash.usr = r;
		assert_int_equal(rte_ring_enqueue(end()->back, m), 0);
	}
	assert_true(rte_ring_empty(end()->up));
	assert_true(n == 0 || punt_waits(w));
	while (punt_held(w) > 0)
		assert_true(stage_punted(w) > 0);
	assert_false(punt_waits(w));
}

/* What the worker has put aside for frames of the kernel's is no packet. */
static void no_stock(void)
{
	struct rte_mbuf *m = NULL;

	while (rte_ring_dequeue(end()->stock, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

static void rest(void)
{
	no_stock();
	fake_rest(w);
	memset(end()->due, 0, sizeof(end()->due));
}

static uint32_t ports(uint8_t proto, uint16_t sport, uint16_t dport)
{
	struct tcp_fields t = {.sport = sport, .dport = dport, .flags = TCP_ACK};

	return proto == IP4_PROTO_TCP ? frame_tcp(frame, asked, t, 10)
				      : frame_udp(frame, asked, sport, dport, 10);
}

/* Long packets are bounded by their buffers: those of the pool are not theirs alone. */
static void test_buffers(void **state)
{
	uint32_t len = frame_udp(frame, asked, 1, 2, 4000), most = end()->most_buffers;
	struct rte_mbuf *m = NULL;

	(void)state;
	turn(true);
	end()->most_buffers = 16;
	for (int i = 0; i < 10; i++)
		lane_put(&w->punt, fake_packet(w, LAN, frame, len, 1000, FAKE_POOL), 0);
	m = w->punt.pkt[0];
	assert_int_equal(m->nb_segs, 5);
	fake_run(w, &w->punt, stage_punt);
	assert_int_equal(punt_held(w), 2); /* of three quarters */
	assert_int_equal(w->books.drop[DROP_PUNT_FULL], 8);
	assert_int_equal(end()->held_buffers, 10);
	give_back(DROP_MAX, 2);
	assert_int_equal(end()->held_buffers, 0);
	end()->most_buffers = most;
	rest();
}

static void test_ring(void **state)
{
	uint32_t len = frame_udp(frame, asked, 1, 2, 30);

	(void)state;
	turn(true);
	assert_int_equal(punt(len, QUEUE + 3), QUEUE * 3 / 4);
	assert_int_equal(w->books.drop[DROP_PUNT_FULL], QUEUE / 4 + 3);
	len = ports(IP4_PROTO_TCP, 179, 40000); /* who has more room */
	assert_int_equal(punt(len, QUEUE), QUEUE / 4);
	give_back(DROP_MAX, QUEUE);
	assert_int_equal(w->books.consumed, QUEUE);
	assert_int_equal(w->count[COUNT_punted], QUEUE);
	assert_int_equal(punt(len, 2), 2);
	give_back(DROP_PUNT_REFUSED, 2);
	assert_int_equal(w->books.drop[DROP_PUNT_REFUSED], 2);
	assert_int_equal(w->count[COUNT_punted], QUEUE);
	rest();
	turn(false); /* since the stage before it looked */
	assert_int_equal(punt(len, 1), 0);
	fake_dropped(w, DROP_PUNT_OFF);
	rest();
}

static void test_vlan(void **state)
{
	uint32_t len = addressed(frame_udp(frame, asked, 1, 2, 30), fake_mac[LAN]);
	struct rte_mbuf *m = fake_packet(w, TAGGED, frame, len, 0, FAKE_POOL);
	const uint8_t *bytes;

	(void)state;
	turn(true);
	m->vlan_tci = 5 << 13 | 10;
	lane_put(&w->punt, m, 0);
	fake_run(w, &w->punt, stage_punt);
	assert_int_equal(rte_pktmbuf_pkt_len(m), len + VLAN_HDR_LEN);
	bytes = rte_pktmbuf_mtod(m, const uint8_t *);
	assert_memory_equal(bytes, frame, 2 * ETH_MAC_LEN);
	assert_memory_equal(bytes + 12, "\x81\x00\xa0\x0a\x08\x00", 6);
	assert_memory_equal(bytes + 18, frame + ETH_HDR_LEN, len - ETH_HDR_LEN);
	give_back(DROP_MAX, 1);
	rest();
}

/* A burst of packets, each given back at once; how many of them went up. */
static uint32_t burst(uint32_t len, uint32_t n)
{
	uint32_t up = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t one = punt(len, 1);

		give_back(DROP_MAX, one);
		up += one;
	}
	return up;
}

/* A flood in one class leaves the other alone; either has its rate, and a tenth of it at once. */
static void test_policer(void **state)
{
	static const struct {
		const char *name;
		uint8_t proto; /* 0: what `type` says */
		uint16_t sport, dport, type;
		bool routing;
	} cases[] = {
		{"a closed UDP port", IP4_PROTO_UDP, 1000, 2000, 0, false},
		{"from a BFD port alone", IP4_PROTO_UDP, 3784, 2000, 0, false},
		{"BGP, opened by the peer", IP4_PROTO_TCP, 1000, 179, 0, true},
		{"BGP, opened by us", IP4_PROTO_TCP, 179, 1000, 0, true},
		{"SSH", IP4_PROTO_TCP, 1000, 22, 0, false},
		{"BFD", IP4_PROTO_UDP, 49152, 3784, 0, true},
		{"its echo", IP4_PROTO_UDP, 49152, 3785, 0, true},
		{"BFD over several hops", IP4_PROTO_UDP, 49152, 4784, 0, true},
		{"OSPF", IP4_PROTO_OSPF, 0, 0, 0, true},
		{"ICMP", IP4_PROTO_ICMP, 0, 0, 0, false},
		{"ARP", 0, 0, 0, ETH_TYPE_ARP, true},
		{"IS-IS", 0, 0, 0, 50, true},
		{"IPv6", 0, 0, 0, 0x86dd, false},
	};

	(void)state;
	turn(true);
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		bool l4 = cases[i].proto == IP4_PROTO_TCP || cases[i].proto == IP4_PROTO_UDP;
		uint32_t len = l4 ? ports(cases[i].proto, cases[i].sport, cases[i].dport)
				  : protocol(cases[i].proto);

		if (cases[i].proto == 0)
			((struct eth_hdr *)frame)->type = to_be16(cases[i].type);
		if (burst(len, BURST_MOST + 20) != BURST_MOST)
			fail_msg("%s", cases[i].name);
		assert_int_equal(w->books.drop[DROP_PUNT_LIMITED], 20);
		len = ports(IP4_PROTO_TCP, 1, cases[i].routing ? 22 : 179);
		if (burst(len, 1) != 1) /* the other class */
			fail_msg("%s: its class", cases[i].name);
		rest();
	}
}

static void test_policer_in_time(void **state)
{
	uint32_t len = ports(IP4_PROTO_UDP, 1000, 2000), up = 0;
	ticks start = w->now;

	(void)state;
	turn(true);
	assert_int_equal(burst(len, BURST_MOST + 5), BURST_MOST);
	for (int ms = 0; ms < 100; ms++) { /* twice its rate, for a tenth of a second */
		w->now += clock_of_ms(1);
		up += burst(len, 2);
	}
	assert_in_range(up, RATE / 10 - 1, RATE / 10);
	w->now += clock_of_ms(10000); /* what it did not use is not saved up */
	assert_int_equal(burst(len, 2 * BURST_MOST), BURST_MOST);
	w->now = start;
	rest();
}

/* --- down --- */

/* A frame of the kernel's, as the thread hands it on. */
static void come(uint32_t id)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);

	memset(rte_pktmbuf_append(m, ETH_MIN_FRAME), 0x5a, ETH_MIN_FRAME);
	m->hash.usr = id;
	assert_int_equal(rte_ring_enqueue(end()->down, m), 0);
	assert_true(punt_waits(w));
	assert_int_equal(stage_punted(w), 1);
	fake_balanced(w);
}

static void test_down(void **state)
{
	static const struct {
		const char *name;
		uint32_t id;
		bool on, link;
		enum drop_reason reason; /* DROP_MAX: it went */
	} cases[] = {
		{"to its port", TAP_ID, true, true, DROP_MAX},
		{"of an interface that was replaced", TAP_ID - 32, true, true, DROP_PUNT_OFF},
		{"of a port that has gone", TAP_ID | 5, true, true, DROP_PUNT_OFF},
		{"turned off", TAP_ID, false, true, DROP_PUNT_OFF},
		{"link down", TAP_ID, true, false, DROP_PUNT_NO_LINK},
		{"too long", TAP_TOO_LONG, true, true, DROP_PUNT_TOO_LONG},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		turn(cases[i].on);
		if (!cases[i].link)
			w->net->iface[LAN].flags &= (uint16_t)~IFACE_UP;
		come(cases[i].id);
		if (w->tx[0].n != (cases[i].reason == DROP_MAX))
			fail_msg("%s", cases[i].name);
		fake_dropped(w, cases[i].reason);
		assert_int_equal(w->books.originated, 1);
		assert_int_equal(w->count[COUNT_from_kernel], w->tx[0].n);
		rest();
	}
}

/* The thread's buffers are made up for, as long as there are any. */
static void test_stock(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	for (int i = 0; i < 100; i++)
		stage_punted(w);
	assert_int_equal(rte_ring_count(end()->stock), end()->most_stock / 32 * 32);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(rte_ring_dequeue(end()->stock, (void **)&m), 0);
		rte_pktmbuf_free(m);
	}
	stage_punted(w);
	assert_int_equal(rte_ring_count(end()->stock), end()->most_stock / 32 * 32 - 8);
	rest();
}

/* A worker that ends gives every buffer back; what was held is in its books. */
static void test_end(void **state)
{
	struct rte_mbuf *m = NULL;

	(void)state;
	turn(true);
	assert_int_equal(punt(frame_udp(frame, asked, 1, 2, 30), 5), 5);
	assert_int_equal(rte_ring_dequeue(end()->up, (void **)&m), 0);
	m->hash.usr = DROP_MAX;
	rte_ring_enqueue(end()->back, m);
	rte_ring_enqueue(end()->down, rte_pktmbuf_alloc(w->pool));
	rte_ring_enqueue(end()->stock, rte_pktmbuf_alloc(w->pool));
	end()->spare[end()->n_spare++] = rte_pktmbuf_alloc(w->pool);
	punt_end_free(w);
	assert_null(end());
	assert_int_equal(w->books.drop[DROP_DRAIN], 5);
	assert_int_equal(w->books.consumed, 1);
	fake_rest(w); /* asserts that no buffer is lost */
	assert_int_equal(punt_ends_new(&thread), 0);
}

static int set_up(void **state)
{
	struct iface *f;

	if (fake_set_up(state) < 0)
		return -1;
	f = &w->net->iface[TAGGED];
	*f = w->net->iface[LAN];
	f->vlan = 10;
	strcpy(f->name, "lan.10");
	w->net->limits.punt_queue = QUEUE;
	w->net->limits.mbufs = 4096;
	w->net->set.punt_rate = RATE;
	w->net->port[0] = &lan;
	atomic_store(&lan.groups, &groups);
	thread.net = w->net;
	if (bell_open(&thread.bell) < 0)
		return -1;
	return punt_ends_new(&thread);
}

static int tear_down(void **state)
{
	w->net->port[0] = NULL;
	bell_close(&thread.bell);
	return fake_tear_down(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_arp),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_buffers),
		cmocka_unit_test(test_vlan),
		cmocka_unit_test(test_policer),
		cmocka_unit_test(test_policer_in_time),
		cmocka_unit_test(test_down),
		cmocka_unit_test(test_stock),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
