/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sums and cuts that are left open: closed by us, or left to a device that does them; wherever a
 * packet of ours goes between the two.
 */
#include "fake_worker.h"
#include "frame.h"
#include "net/gso.h"
#include "net/offload.h"

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

enum { TAGGED = 3, SILENT }; /* on the wan's port */

#define TAG 10
#define MSS 500

static struct worker *w;
static uint8_t frame[FRAME_MAX], copy[FRAME_MAX];

/* Of ours, its data in buffers of seg bytes that nobody may write; port holds PKT_ORIGIN. */
static struct rte_mbuf *ours(uint32_t len, uint32_t head_len, size_t seg)
{
	struct rte_mbuf *m = fake_packet(w, PKT_ORIGIN, frame, head_len, 0, FAKE_POOL);
	struct rte_mbuf *data =
		fake_packet(w, 0, frame + head_len, len - head_len, seg, FAKE_EXACT);

	rte_pktmbuf_chain(m, data);
	w->books.rx -= 2;
	w->books.originated++;
	return m;
}

static struct rte_mbuf *tcp_segment(uint32_t dst, uint8_t flags, uint32_t len, uint16_t df)
{
	struct ip4_fields f = {.id = 100, .frag = df, .ttl = 64, .src = WAN_ADDR, .dst = dst};
	struct tcp_fields t = {
		.sport = 1, .dport = 2, .seq = 1000, .ack = 3, .window = 4, .flags = flags};

	return ours(frame_tcp(frame, f, t, len), ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN, 333);
}

static struct rte_mbuf *udp_datagram(uint32_t len)
{
	struct ip4_fields f = {.id = 100, .ttl = 64, .src = WAN_ADDR, .dst = WAN_HOST};

	return ours(frame_udp(frame, f, 1, 2, len), ETH_HDR_LEN + IP4_HDR_LEN + UDP_HDR_LEN, 333);
}

/* Whether all sums of m, behind l2_len bytes, are right, and nothing is left open. */
static bool is_closed(const struct rte_mbuf *m, uint32_t l2_len)
{
	uint32_t len = rte_pktmbuf_pkt_len(m) - l2_len;
	const struct ip4_hdr *ip = (const struct ip4_hdr *)copy;
	const void *bytes = rte_pktmbuf_read(m, l2_len, len, copy);

	if (bytes != copy)
		memcpy(copy, bytes, len);
	if (offload_is_open(m) || ip4_hdr_check(ip, len) != IP4_OK)
		return false;
	len = ip4_hdr_payload_len(ip);
	return ip->proto == IP4_PROTO_UDP
		       ? udp_hdr_csum_ok(ip4_hdr_payload(ip), ip->src, ip->dst)
		       : tcp_hdr_csum_ok(ip4_hdr_payload(ip), (uint16_t)len, ip->src, ip->dst);
}

static void forward_out(struct rte_mbuf *m, uint32_t adj)
{
	lane_put(&w->fwd_out, m, adj);
	fake_run(w, &w->fwd_out, stage_forward_out);
}

static void rest(void)
{
	w->tx[1].does = 0;
	w->tx[1].segs = 0;
	w->tx[1].open = 0;
	fake_rest(w);
}

/* What was marked and finished is what was there before. */
static void test_a_sum_is_closed(void **state)
{
	(void)state;
	for (uint32_t len = 1; len < 1400; len += 31) {
		for (int udp = 0; udp < 2; udp++) {
			struct rte_mbuf *m =
				udp ? udp_datagram(len) : tcp_segment(WAN_HOST, TCP_ACK, len, 0);

			assert_true(is_closed(m, ETH_HDR_LEN));
			offload_mark(m);
			assert_true(offload_is_open(m));
			assert_int_equal(m->l3_len, IP4_HDR_LEN);
			assert_int_equal(m->l4_len, udp ? UDP_HDR_LEN : TCP_HDR_LEN);
			offload_finish(m);
			fake_expect(m, frame, len + ETH_HDR_LEN + m->l3_len + m->l4_len);
			assert_true(is_closed(m, ETH_HDR_LEN));
			lane_put(&w->out, m, 0);
			rest();
		}
	}
}

/* A sum that is zero is sent as the other zero, for zero means that there is none (RFC 768). */
static void test_a_datagram_whose_sum_is_zero(void **state)
{
	struct rte_mbuf *m = udp_datagram(100);
	const be16 *csum = &((struct udp_hdr *)pkt_l4(m))->csum;
	uint32_t other_zeros = 0;

	(void)state;
	for (uint32_t word = 0; word < 65536; word++) { /* one of them makes it zero */
		store16(rte_pktmbuf_mtod(m->next, void *), (uint16_t)word);
		offload_sum(m);
		assert_int_not_equal(*csum, 0);
		other_zeros += *csum == 0xffff;
	}
	assert_true(other_zeros > 0);
	lane_put(&w->out, m, 0);
	rest();
}

static const struct {
	const char *name;
	uint8_t does;
	bool udp;
	uint32_t adj;
	bool left;
} ports[] = {
	{"a port that does nothing", 0, false, WAN, false},
	{"nothing, UDP", 0, true, WAN, false},
	{"nothing, a tag", 0, false, TAGGED, false},
	{"TCP's sum", OFFLOAD_TCP_SUM, false, WAN, true},
	{"TCP's sum, a tag", OFFLOAD_TCP_SUM, false, TAGGED, true},
	{"TCP's sum, UDP", OFFLOAD_TCP_SUM, true, WAN, false},
	{"UDP's sum", OFFLOAD_UDP_SUM, true, WAN, true},
	{"UDP's sum, TCP", OFFLOAD_UDP_SUM | OFFLOAD_IP4_SUM, false, WAN, false},
};

static void test_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(ports); i++) {
		struct rte_mbuf *m = ports[i].udp ? udp_datagram(700)
						  : tcp_segment(WAN_HOST, TCP_ACK, 700, IP4_DF);
		uint32_t l2 = ports[i].adj == TAGGED ? 18 : 14;

		w->tx[1].does = ports[i].does;
		offload_mark(m);
		forward_out(m, ports[i].adj);
		assert_int_equal(w->tx[1].n, 1);
		if (ports[i].left != offload_is_open(m) || ports[i].left != w->tx[1].open ||
			ports[i].left == is_closed(m, l2))
			fail_msg("%s", ports[i].name);
		if (ports[i].left)
			assert_int_equal(m->l2_len, l2);
		rest();
	}
}

/* A forwarded packet is nobody's to sum, whatever the port does. */
static void test_others_packets(void **state)
{
	struct ip4_fields f = {.ttl = 64, .src = LAN_HOST, .dst = WAN_HOST};
	uint32_t len = frame_udp(frame, f, 1, 2, 100);
	struct rte_mbuf *m;

	(void)state;
	((struct udp_hdr *)frame_l4(frame))->csum ^= 1; /* wrong, and none of our business */
	m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);
	w->tx[1].does = UINT8_MAX;
	lane_put(&w->fwd, m, WAN);
	fake_run(w, &w->fwd, stage_forward);
	assert_int_equal(w->tx[1].n, 1);
	assert_false(w->tx[1].open || is_closed(m, ETH_HDR_LEN));
	rest();
}

static struct rte_mbuf *to_be_cut(uint8_t flags, uint32_t len, uint16_t df)
{
	struct rte_mbuf *m = tcp_segment(WAN_HOST, flags, len, df);

	gso_mark(m, TCP_HDR_LEN, MSS);
	return m;
}

/* The segments on the tx lane: every byte in its place, the flags where they belong. */
static void check_cut(uint32_t len, uint32_t l2)
{
	uint32_t n = (len + MSS - 1) / MSS;

	assert_int_equal(w->tx[1].n, n);
	assert_int_equal(w->books.originated, n);
	assert_false(w->tx[1].open);
	for (uint32_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = w->tx[1].pkt[i];
		const struct tcp_hdr *h = (const struct tcp_hdr *)(copy + IP4_HDR_LEN);
		uint32_t part = RTE_MIN(len - i * MSS, (uint32_t)MSS);
		const uint8_t *data = frame + ETH_HDR_LEN + IP4_HDR_LEN + TCP_HDR_LEN + i * MSS;

		assert_true(is_closed(m, l2)); /* and now it is in copy */
		assert_int_equal(rte_pktmbuf_pkt_len(m),
			RTE_MAX(l2 + IP4_HDR_LEN + TCP_HDR_LEN + part, l2 + 46u));
		assert_int_equal(tcp_hdr_seq(h), 1000 + i * MSS);
		assert_int_equal(from_be16(((const struct ip4_hdr *)copy)->id), 100 + i);
		assert_int_equal(h->flags, i + 1 < n ? TCP_ACK : TCP_ACK | TCP_PSH | TCP_FIN);
		assert_memory_equal(h + 1, data, part);
		for (const struct rte_mbuf *b = m; b != NULL; b = b->next)
			assert_int_not_equal(b->data_len, 0); /* virtio devices stop at one */
	}
}

static void test_cut_by_us(void **state)
{
	static const uint32_t lens[] = {MSS + 1, 2 * MSS, 2 * MSS + 77, 7 * MSS};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(lens); i++) {
		for (uint32_t adj = WAN; adj <= TAGGED; adj++) {
			w->tx[1].does = OFFLOAD_TCP_SUM; /* which is not TSO */
			w->tx[1].segs = UINT16_MAX;
			forward_out(to_be_cut(TCP_ACK | TCP_PSH | TCP_FIN, lens[i], IP4_DF), adj);
			check_cut(lens[i], adj == TAGGED ? 18 : 14);
			rest();
		}
	}
}

static void test_cut_by_a_device(void **state)
{
	struct rte_mbuf *m = to_be_cut(TCP_ACK, 5 * MSS, IP4_DF);
	uint16_t segs = m->nb_segs;

	(void)state;
	w->tx[1].does = OFFLOAD_TSO | OFFLOAD_TCP_SUM;
	w->tx[1].segs = segs;
	forward_out(m, TAGGED);
	assert_int_equal(w->tx[1].n, 1);
	assert_true(gso_wanted(m) && w->tx[1].open);
	assert_int_equal(m->l2_len, 18);
	assert_int_equal(m->tso_segsz, MSS);
	assert_int_not_equal(rte_pktmbuf_mtod_offset(m, struct ip4_hdr *, 18)->csum, 0);
	rest();

	/* one that wants the IPv4 checksum to be 0, and to make it */
	m = to_be_cut(TCP_ACK, 5 * MSS, IP4_DF);
	w->tx[1].does = OFFLOAD_TSO | OFFLOAD_TCP_SUM | OFFLOAD_IP4_SUM;
	w->tx[1].segs = segs;
	forward_out(m, WAN);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM);
	assert_int_equal(pkt_ip4(m)->csum, 0);
	rest();

	/* more buffers than it takes */
	m = to_be_cut(TCP_ACK | TCP_PSH | TCP_FIN, 5 * MSS, IP4_DF);
	w->tx[1].does = OFFLOAD_TSO | OFFLOAD_TCP_SUM;
	w->tx[1].segs = segs - 1;
	forward_out(m, WAN);
	check_cut(5 * MSS, ETH_HDR_LEN);
	rest();
}

/* A route has changed to a link that is narrower than what the segments were made for. */
static void test_a_link_too_narrow(void **state)
{
	uint16_t mtu = w->net->adj[WAN].mtu;

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		w->tx[1].does = OFFLOAD_TSO | OFFLOAD_TCP_SUM;
		w->tx[1].segs = UINT16_MAX;
		w->net->adj[WAN].mtu = w->net->adj[WAN].plain = 400;
		for (int df = 0; df < 2; df++) {
			struct rte_mbuf *m;

			if (cut) {
				m = to_be_cut(TCP_ACK, 2 * MSS, df ? IP4_DF : 0);
			} else {
				m = tcp_segment(WAN_HOST, TCP_ACK, MSS, df ? IP4_DF : 0);
				offload_mark(m);
			}
			forward_out(m, WAN);
			assert_int_equal(w->frag.n, !df);
			if (df)
				fake_dropped(w, DROP_FRAG_NEEDED);
			else
				assert_true(is_closed(m, ETH_HDR_LEN));
			fake_rest(w);
		}
	}
	w->net->adj[WAN].mtu = w->net->adj[WAN].plain = mtu;
	rest();
}

/* To an address of our own: what arrives is whole, however long. */
static void test_delivered_here(void **state)
{
	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		struct rte_mbuf *m = tcp_segment(LOOPBACK, TCP_ACK, 3 * MSS, IP4_DF);

		if (cut)
			gso_mark(m, TCP_HDR_LEN, MSS);
		else
			offload_mark(m);
		lane_put(&w->out, m, LOOPBACK);
		fake_run(w, &w->out, stage_fib_out);
		assert_int_equal(w->again.n, 1);
		assert_true(is_closed(m, ETH_HDR_LEN));
		assert_int_equal(stage_again(w), 1);
		rest();
	}
}

/* Open while it waits for its neighbour: which port it will leave by is not known before. */
static void test_parked(void **state)
{
	struct rte_mbuf *m = tcp_segment(WAN_HOST, TCP_ACK, 700, IP4_DF);

	(void)state;
	offload_mark(m);
	forward_out(m, SILENT);
	assert_int_equal(park_held(w->park), 1);
	park_resolved(w, SILENT, WAN_HOST + SILENT);
	assert_int_equal(stage_unpark(w), 1);
	assert_int_equal(w->out.n, 1);
	w->out.n = 0;
	forward_out(m, WAN);
	assert_true(is_closed(m, ETH_HDR_LEN));
	rest();
}

/* What is handed over to be sent is open, and its new holder shows it to the driver. */
static void test_handed_over(void **state)
{
	struct worker *other = w->net->worker[1];
	struct rte_mbuf *m = tcp_segment(WAN_HOST, TCP_ACK, 700, IP4_DF);

	(void)state;
	offload_mark(m);
	w->tx[1].does = OFFLOAD_TCP_SUM;
	w->tx[1].via = 1;
	forward_out(m, WAN);
	tx_flush(w, 1);
	assert_false(w->tx[1].open);
	assert_int_equal(stage_handover(other), 1);
	assert_int_equal(other->tx[1].n, 1);
	assert_true(other->tx[1].open && offload_is_open(other->tx[1].pkt[0]));
	other->tx[1].open = 0;
	w->tx[1].via = -1;
	fake_rest(other);
	rest();
}

/* A driver that refuses whatever asks for a sum of UDP. */
static uint16_t prepared;
static uint16_t prepare(void *queue, struct rte_mbuf **pkt, uint16_t n)
{
	uint16_t i = 0;

	(void)queue;
	while (i < n && (pkt[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK) != RTE_MBUF_F_TX_UDP_CKSUM)
		i++;
	prepared += i;
	return i;
}

/* What a driver refuses is dropped; what is before and behind it goes, in its order. */
static void test_a_driver_refuses(void **state)
{
	const struct rte_eth_conf conf = {0};
	struct rte_ring *ring = rte_ring_create("out", 64, SOCKET_ID_ANY, RING_F_SP_ENQ);
	int device = rte_eth_from_ring(ring);
	struct txlane *t = &w->tx[1];
	uint32_t left = 0;

	(void)state;
	assert_true(device >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)device, 0, 1, &conf), 0);
	assert_int_equal(rte_eth_tx_queue_setup((uint16_t)device, 0, 64, 0, NULL), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)device), 0);
	rte_eth_fp_ops[device].tx_pkt_prepare = prepare;
	t->device = (uint16_t)device;
	t->ready = 1;
	t->does = OFFLOAD_TCP_SUM | OFFLOAD_UDP_SUM;
	for (uint32_t i = 0; i < 7; i++) {
		struct rte_mbuf *m = i % 3 == 0 ? udp_datagram(500)
						: tcp_segment(WAN_HOST, TCP_ACK, 500 + i, IP4_DF);

		offload_mark(m);
		forward_out(m, WAN);
	}
	tx_flush(w, 1);
	assert_int_equal(prepared, 4);
	assert_int_equal(w->books.drop[DROP_TX_REFUSED], 3);
	for (struct rte_mbuf *m; rte_ring_dequeue(ring, (void **)&m) == 0; left++) {
		assert_true(rte_pktmbuf_pkt_len(m) > 500);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(left, 4);
	t->ready = 0;
	rest();
	rte_eth_dev_stop((uint16_t)device);
	rte_eth_dev_close((uint16_t)device);
	rte_ring_free(ring);
}

static void add_iface(uint16_t index, uint16_t vlan, const uint8_t *mac)
{
	struct iface *f = &w->net->iface[index];

	f->mac = eth_mac_u48(fake_mac[WAN]);
	f->flags = IFACE_UP;
	f->mtu = 1500;
	f->vlan = vlan;
	f->slot = 1;
	adj_set(w->net, index, index, WAN_HOST + index, mac);
}

static int set_up(void **state)
{
	(void)state;
	if (eal_for_tests(128) < 0)
		return -1;
	w = fake_worker(2);
	add_iface(TAGGED, TAG, fake_host_mac[WAN]);
	add_iface(SILENT, 0, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_end(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sum_is_closed),
		cmocka_unit_test(test_a_datagram_whose_sum_is_zero),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_others_packets),
		cmocka_unit_test(test_cut_by_us),
		cmocka_unit_test(test_cut_by_a_device),
		cmocka_unit_test(test_a_link_too_narrow),
		cmocka_unit_test(test_delivered_here),
		cmocka_unit_test(test_parked),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_a_driver_refuses),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
