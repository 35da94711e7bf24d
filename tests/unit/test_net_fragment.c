/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_fragment: each fragment looked at, and all of them put together again. */
#include "exact.h"
#include "frame.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

static const struct ip4_fields passing = {
	.id = 0x1234, .ttl = 9, .tos = 0xb8, .proto = 99, .src = LAN_HOST, .dst = FAR_HOST};

static void run(uint32_t len, size_t seg, uint16_t mtu)
{
	w->net->adj[WAN].mtu = mtu;
	memset(&w->adj_tx[WAN], 0, sizeof(w->adj_tx[WAN]));
	lane_put(&w->frag, fake_packet(w, LAN, frame, len, seg, FAKE_EXACT), WAN);
	fake_run(w, &w->frag, stage_fragment);
}

/* What every fragment must be; returns its bytes of payload. */
static uint32_t inspect(struct rte_mbuf *f, uint16_t mtu)
{
	const struct eth_hdr *eth = pkt_eth(f);
	const struct ip4_hdr *ip = pkt_ip4(f);

	assert_int_equal(rte_mbuf_check(f, 1, &(const char *){NULL}), 0);
	assert_int_equal(rte_mbuf_refcnt_read(f), 1);
	assert_true(RTE_MBUF_DIRECT(f));
	assert_memory_equal(eth->dst, fake_host_mac[WAN], 6);
	assert_memory_equal(eth->src, fake_mac[WAN], 6);
	assert_int_equal(eth_hdr_type(eth), ETH_TYPE_IP4);
	assert_int_equal(ip4_hdr_check(ip, f->pkt_len - ETH_HDR_LEN), IP4_OK);
	assert_true(ip4_hdr_total_len(ip) <= mtu);
	assert_true(ip4_hdr_payload_len(ip) % 8 == 0 || !ip4_hdr_more_fragments(ip));
	assert_int_equal(f->pkt_len, RTE_MAX(ip4_hdr_total_len(ip) + ETH_HDR_LEN, 60u));
	assert_int_equal(from_be16(ip->id), 0x1234);
	return ip4_hdr_payload_len(ip);
}

/*
 * Takes the fragments off the tx lane and reassembles them, in this order or against it: the packet
 * must be that in `expected`.
 */
static void reassemble(uint32_t len, uint16_t mtu, bool backwards)
{
	struct txlane *t = &w->tx[1];
	struct rte_mbuf *whole = NULL;
	uint64_t bytes = 0;
	uint32_t n = t->n, payload = 0;

	assert_int_equal(w->count[COUNT_fragments_made], n);
	assert_int_equal(w->books.originated, n - 1);
	assert_int_equal(w->adj_tx[WAN].packets, n);
	for (uint32_t i = 0; i < n; i++) {
		bytes += t->pkt[i]->pkt_len;
		payload += inspect(t->pkt[i], mtu);
		if (i > 0)
			assert_true(ip4_hdr_frag_offset(pkt_ip4(t->pkt[i])) >
				    ip4_hdr_frag_offset(pkt_ip4(t->pkt[i - 1])));
	}
	assert_int_equal(w->adj_tx[WAN].bytes, bytes);
	assert_int_equal(payload, len - ETH_HDR_LEN - ip4_hdr_len(frame_ip(expected)));
	t->n = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *f = t->pkt[backwards ? n - 1 - i : i];

		assert_null(whole);
		rte_pktmbuf_trim(f, f->pkt_len - ETH_HDR_LEN - ip4_hdr_total_len(pkt_ip4(f)));
		whole = n == 1 ? f : reasm_put(w, f);
	}
	assert_non_null(whole);
	fake_expect(whole, expected, len);
	lane_put(&w->steer, whole, 0);
	fake_rest(w);
}

static void test_sizes(void **state)
{
	static const uint16_t mtus[] = {68, 69, 75, 76, 296, 576, 1280, 1499, 1500, 2000, 9000};
	uint64_t seed = 77;

	(void)state;
	w->net->set.reasm_fragments = 64;
	for (int i = 0; i < 400; i++) {
		uint16_t mtu = mtus[i % (int)RTE_DIM(mtus)];
		uint32_t most = RTE_MIN(((mtu - 20u) & ~7u) * 63, 65515u);
		uint32_t size = mtu - 20 + 1 + (uint32_t)(seeded(&seed) % (most - mtu + 20));
		uint32_t len = frame_ip4(frame, passing, NULL, 0, expected, size);

		frame_fill(frame + 34, size);
		memcpy(expected, frame, len);
		run(len, i % 3 == 1 ? 700 : i % 3 == 2 ? 1001 : 0, mtu);
		reassemble(len, mtu, i & 1);
	}
}

/* The largest packet, the smallest excess, and no excess any more (the MTU has grown). */
static void test_edges(void **state)
{
	static const struct {
		uint32_t payload;
		uint16_t mtu, n;
	} cases[] = {{65515, 1500, 45}, {1481, 1500, 2}, {1480, 1500, 1}, {1480, 1499, 2},
		{49, 68, 2}, {48, 68, 1}};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint32_t len = frame_ip4(frame, passing, NULL, 0, expected, cases[i].payload);

		frame_fill(frame + 34, cases[i].payload);
		memcpy(expected, frame, len);
		run(len, 0, cases[i].mtu);
		assert_int_equal(w->tx[1].n, cases[i].n);
		reassemble(len, cases[i].mtu, false);
	}
}

/* A fragment's fragments keep its place, and its "more". */
static void test_refragment(void **state)
{
	struct ip4_fields f = passing;
	uint8_t payload[1480];

	(void)state;
	frame_fill(payload, sizeof(payload));
	for (int more = 0; more < 2; more++) {
		uint32_t len, at = 185;

		f.frag = (uint16_t)(185 | (more ? IP4_MF : 0));
		len = frame_ip4(frame, f, NULL, 0, payload, sizeof(payload));
		run(len, 0, 576);
		assert_int_equal(w->tx[1].n, 3);
		for (uint16_t i = 0; i < 3; i++) {
			const struct ip4_hdr *ip = pkt_ip4(w->tx[1].pkt[i]);

			assert_int_equal(ip4_hdr_frag_offset(ip), at * 8);
			assert_int_equal(ip4_hdr_more_fragments(ip), more || i < 2);
			assert_memory_equal(
				ip + 1, payload + (at - 185) * 8, inspect(w->tx[1].pkt[i], 576));
			at += ip4_hdr_payload_len(ip) / 8;
		}
		assert_int_equal(at, 370);
		fake_rest(w);
	}
}

/*
 * A fragment that ends beyond the longest packet has no place for all of its parts: offsets would
 * begin again from 0, and take the flags with them.
 */
static void test_beyond_the_end(void **state)
{
	static const struct {
		uint16_t offset; /* in units of 8 bytes */
		uint32_t payload;
		bool passes;
	} cases[] = {
		{8191, 1480, false},
		{8190, 1000, false},
		{8064, 1008, false}, /* 65,520 bytes, and the header */
		{8064, 1003, true},  /* 65,535 in all */
		{8064, 1004, false},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = passing;

		f.frag = cases[i].offset;
		run(frame_ip4(frame, f, NULL, 0, expected, cases[i].payload), 0, 576);
		if (!cases[i].passes)
			fake_dropped(w, DROP_REASM_BAD);
		assert_int_equal(w->tx[1].n, cases[i].passes ? 2 : 0);
		fake_rest(w);
	}
}

/* RFC 791 3.1: all options in the first fragment, in the others what is marked as copied. */
static void test_options(void **state)
{
	static const uint8_t opts[] = {
		7, 7, 4, 0, 0, 0, 0, 1, 148, 4, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0};
	static const uint8_t copied[] = {148, 4, 0, 0};
	uint8_t payload[1000];
	uint32_t len;

	(void)state;
	frame_fill(payload, sizeof(payload));
	len = frame_ip4(frame, passing, opts, sizeof(opts), payload, sizeof(payload));
	run(len, 60, 500);
	assert_int_equal(w->tx[1].n, 3);
	for (uint16_t i = 0; i < 3; i++) {
		const struct ip4_hdr *ip = pkt_ip4(w->tx[1].pkt[i]);

		inspect(w->tx[1].pkt[i], 500);
		if (i == 0) {
			assert_int_equal(ip4_hdr_len(ip), 20 + sizeof(opts));
			assert_memory_equal(ip + 1, opts, sizeof(opts));
		} else {
			assert_int_equal(ip4_hdr_len(ip), 20 + sizeof(copied));
			assert_memory_equal(ip + 1, copied, sizeof(copied));
		}
	}
	memcpy(expected, frame, len);
	reassemble(len, 500, false);
}

/* On a VLAN the header is longer, the packet is not. */
static void test_tagged(void **state)
{
	uint32_t len = frame_ip4(frame, passing, NULL, 0, expected, 1000);

	(void)state;
	w->net->iface[WAN].vlan = 10;
	adj_set(w->net, WAN, WAN, WAN_HOST, fake_host_mac[WAN]);
	run(len, 0, 996);
	assert_int_equal(w->tx[1].n, 2);
	for (uint16_t i = 0; i < 2; i++) {
		const uint8_t *bytes = rte_pktmbuf_mtod(w->tx[1].pkt[i], const uint8_t *);

		assert_memory_equal(bytes + 12, "\x81\x00\x00\x0a\x08\x00", 6);
		assert_int_equal(ip4_hdr_check(bytes + 18, w->tx[1].pkt[i]->pkt_len - 18), IP4_OK);
	}
	w->net->iface[WAN].vlan = 0;
	adj_set(w->net, WAN, WAN, WAN_HOST, fake_host_mac[WAN]);
	fake_rest(w);
}

/* Whatever is missing when buffers run out, the books balance. */
static void test_no_buffers(void **state)
{
	struct rte_mbuf *taken[4096];
	uint32_t len = frame_ip4(frame, passing, NULL, 0, expected, 8000);

	(void)state;
	for (uint32_t spare = 0; spare < 6; spare++) {
		struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);
		uint32_t n = 0;

		while ((taken[n] = rte_pktmbuf_alloc(w->pool)) != NULL)
			n++;
		n -= spare;
		rte_pktmbuf_free_bulk(taken + n, spare);
		lane_put(&w->frag, m, WAN);
		w->net->adj[WAN].mtu = 1500;
		fake_run(w, &w->frag, stage_fragment);
		fake_dropped(w, DROP_FRAGMENT_FAILED);
		assert_int_equal(w->tx[1].n, spare);
		rte_pktmbuf_free_bulk(taken, n);
		fake_rest(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_refragment),
		cmocka_unit_test(test_beyond_the_end),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_tagged),
		cmocka_unit_test(test_no_buffers),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
