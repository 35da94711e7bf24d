/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Check: each field wrong in turn, alone and at every place of a burst, so that both bodies of the
 * question are asked; random headers, on which the two must agree.
 */
#include "exact.h"
#include "frame.h"
#include "the_worker.h"

#define FRAME 60
#define PLAIN (ETH_HDR_LEN + IP4_HDR_LEN) /* what is read of any frame */

static const char *running = ""; /* the case */

/* From the lan's host to one far away: 46 bytes of IPv4, no padding. */
static void make(uint8_t frame[128])
{
	struct ip4_fields ip = {.id = 7, .ttl = 64, .src = LAN_HOST, .dst = FAR_HOST};

	memset(frame, 0, 128);
	assert_int_equal(frame_udp(frame, ip, 1000, 2000, 18), FRAME);
	memcpy(frame, fake_mac[LAN], ETH_MAC_LEN);
	memcpy(frame + ETH_MAC_LEN, fake_host_mac[LAN], ETH_MAC_LEN);
}

static struct rte_mbuf *receive(const uint8_t *frame, size_t len, uint64_t flags)
{
	struct rte_mbuf *m =
		fake_packet(w, 999, frame, len, 0, len < PLAIN ? FAKE_POOL : FAKE_EXACT);

	m->ol_flags |= flags;
	return m;
}

/* A byte of the frame takes a value; the checksum follows unless the case is about it. */
static const struct {
	const char *name;
	uint8_t at, value;
	bool csum_stays;
	uint8_t len; /* of the frame, 0: 60 */
	bool odd;
	uint64_t flags;
} cases[] = {
	{"plain", 15, 0, false, 0, false, 0},
	{"other station", 0, 4, false, 0, true, 0},
	{"other station, second byte", 1, 1, false, 0, true, 0},
	{"other station, third byte", 2, 1, false, 0, true, 0},
	{"other station, last byte", 5, 9, false, 0, true, 0},
	{"multicast", 0, 3, false, 0, true, 0},
	{"source is a group", 6, 3, false, 0, true, 0},
	{"any other source", 6, 0xfe, false, 0, false, 0},
	{"any source, last byte", 11, 0xff, false, 0, false, 0},
	{"VLAN tag", 12, 0x81, false, 0, true, 0},
	{"ARP", 13, 6, false, 0, true, 0},
	{"version 6", 14, 0x65, false, 0, true, 0},
	{"header of 4 words", 14, 0x44, false, 0, true, 0},
	{"options", 14, 0x46, false, 0, true, 0},
	{"type of service", 15, 0xff, false, 0, false, 0},
	{"longer than the frame", 17, 47, false, 0, true, 0},
	{"much longer than the frame", 16, 0xff, false, 0, true, 0},
	{"shorter than the frame", 17, 45, false, 0, false, 0},
	{"header alone", 17, 20, false, 0, false, 0},
	{"shorter than its header", 17, 19, false, 0, true, 0},
	{"no length", 17, 0, false, 0, true, 0},
	{"short frame", 17, 28, false, 42, false, 0},
	{"shortest frame", 17, 20, false, 34, false, 0},
	{"too short a frame", 17, 20, false, 33, true, 0},
	{"Ethernet alone", 17, 20, false, 14, true, 0},
	{"short, with padding", 17, 28, false, 59, false, 0},
	{"a byte of padding too many", 17, 46, false, 61, true, 0},
	{"four bytes too many", 17, 46, false, 64, true, 0},
	{"padding of a short one too many", 17, 20, false, 61, true, 0},
	{"longer than the minimum", 17, 47, false, 61, false, 0},
	{"longer than the minimum, short of one", 17, 48, false, 61, true, 0},
	{"any identification", 18, 0xff, false, 0, false, 0},
	{"fragment", 20, 0x3f, false, 0, false, 0},
	{"TTL 0", 22, 0, false, 0, false, 0},
	{"TTL 255", 22, 255, false, 0, false, 0},
	{"any protocol", 23, 0xff, false, 0, false, 0},
	{"checksum", 24, 0x5a, true, 0, true, 0},
	{"checksum, low byte", 25, 0x5a, true, 0, true, 0},
	{"TTL without its checksum", 22, 63, true, 0, true, 0},
	{"destination without its checksum", 33, 1, true, 0, true, 0},
	{"source 0", 26, 0, false, 0, true, 0},
	{"source 1", 26, 1, false, 0, false, 0},
	{"source 126", 26, 126, false, 0, false, 0},
	{"source 127", 26, 127, false, 0, true, 0},
	{"source 128", 26, 128, false, 0, false, 0},
	{"source 223", 26, 223, false, 0, false, 0},
	{"source multicast", 26, 224, false, 0, true, 0},
	{"source 255", 26, 255, false, 0, true, 0},
	{"destination 0", 30, 0, false, 0, true, 0},
	{"destination 1", 30, 1, false, 0, false, 0},
	{"destination 127", 30, 127, false, 0, true, 0},
	{"destination 223", 30, 223, false, 0, false, 0},
	{"destination multicast", 30, 224, false, 0, true, 0},
	{"destination 255", 30, 255, false, 0, true, 0},
	{"tag taken off by the device", 15, 0, false, 0, true, RTE_MBUF_F_RX_VLAN_STRIPPED},
	{"tag left on", 15, 0, false, 0, false, RTE_MBUF_F_RX_VLAN},
	{"sum left to us", 15, 0, false, 0, true, RTE_MBUF_F_RX_L4_CKSUM_NONE},
	{"sum good", 15, 0, false, 0, false, RTE_MBUF_F_RX_L4_CKSUM_GOOD},
	{"sum bad", 15, 0, false, 0, false, RTE_MBUF_F_RX_L4_CKSUM_BAD},
};

/* `odd_at` of the burst is unusual (n: none is): the rest is in `in`, in order. */
static void expect(struct rte_mbuf **burst, uint32_t n, uint32_t odd_at)
{
	uint64_t packets = w->iface_rx[LAN].packets, bytes = w->iface_rx[LAN].bytes, sum = 0;
	uint32_t j = 0;

	for (uint32_t i = 0; i < n; i++) {
		lane_put(&w->rx, burst[i], 0);
		sum += rte_pktmbuf_pkt_len(burst[i]);
	}
	fake_run(w, &w->rx, stage_check);
	assert_int_equal(w->iface_rx[LAN].packets - packets, n);
	assert_int_equal(w->iface_rx[LAN].bytes - bytes, sum);
	if (w->odd.n != (odd_at < n))
		print_error("%s\n", running);
	assert_int_equal(w->odd.n, odd_at < n);
	assert_int_equal(w->in.n, n - w->odd.n);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(burst[i]->port, LAN);
		if (i == odd_at) {
			assert_ptr_equal(w->odd.pkt[0], burst[i]);
			continue;
		}
		assert_ptr_equal(w->in.pkt[j], burst[i]);
		assert_int_equal(w->in.aux[j++], ip4_hdr_dst(pkt_ip4(burst[i])));
	}
	fake_rest(w);
}

static void test_fields(void **state)
{
	static const uint32_t lengths[] = {1, 8, 9, 17};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		uint8_t plain[128], frame[128];
		uint8_t len = cases[i].len == 0 ? FRAME : cases[i].len;

		running = cases[i].name;
		make(plain);
		make(frame);
		frame[cases[i].at] = cases[i].value;
		if (!cases[i].csum_stays)
			ip4_hdr_csum_set(frame_ip(frame));
		for (size_t l = 0; l < RTE_DIM(lengths); l++) {
			uint32_t n = lengths[l];

			for (uint32_t at = 0; at < n; at++) {
				struct rte_mbuf *burst[17];

				for (uint32_t k = 0; k < n; k++)
					burst[k] = k == at ? receive(frame, len, cases[i].flags)
							   : receive(plain, FRAME, 0);
				expect(burst, n, cases[i].odd ? at : n);
			}
		}
	}
}

/* The IPv4 header must be whole in the first segment; the rest may be anywhere. */
static void test_segments(void **state)
{
	uint8_t frame[128], big[3000];

	(void)state;
	make(frame);
	for (uint16_t head = 20; head <= PLAIN; head += 7) {
		struct rte_mbuf *burst[8];

		for (uint32_t k = 0; k < 8; k++) {
			struct rte_mbuf *rest;

			burst[k] = receive(frame, FRAME, 0);
			if (k != 3)
				continue;
			rest = rte_pktmbuf_copy(burst[k], w->pool, head, UINT32_MAX);
			burst[k]->data_len = head;
			burst[k]->next = rest;
			burst[k]->nb_segs = 2;
		}
		expect(burst, 8, head < PLAIN ? 3 : 8);
	}
	memset(big, 0, sizeof(big));
	memcpy(big, frame, FRAME);
	store16(big + 16, to_be16(sizeof(big) - ETH_HDR_LEN));
	ip4_hdr_csum_set(frame_ip(big));
	expect((struct rte_mbuf *[]){fake_packet(w, 0, big, sizeof(big), 1000, FAKE_EXACT)}, 1, 1);
}

/* An interface that is down or asks for more has nothing plain. */
static void test_interface(void **state)
{
	static const uint16_t flags[] = {
		0, IFACE_UP | IFACE_URPF_STRICT, IFACE_UP | IFACE_URPF_LOOSE, IFACE_URPF_LOOSE};
	uint8_t frame[128];

	(void)state;
	make(frame);
	for (size_t i = 0; i < RTE_DIM(flags); i++) {
		w->net->iface[LAN].flags = flags[i];
		for (uint32_t k = 0; k < 9; k++)
			lane_put(&w->rx, receive(frame, FRAME, 0), 0);
		fake_run(w, &w->rx, stage_check);
		assert_int_equal(w->odd.n, 9);
		assert_int_equal(w->in.n, 0);
		fake_rest(w);
	}
	w->net->iface[LAN].flags = IFACE_UP | IFACE_PROXY_ARP | IFACE_REDIRECTS;
	for (uint32_t k = 0; k < 9; k++)
		lane_put(&w->rx, receive(frame, FRAME, 0), 0);
	fake_run(w, &w->rx, stage_check);
	assert_int_equal(w->in.n, 9);
	fake_rest(w);
	w->net->iface[LAN].flags = IFACE_UP;
}

/* RFC 3927 7: neither from a link-local address nor to one; its neighbours in number are plain. */
static void test_link_local(void **state)
{
	static const struct {
		uint8_t first, second;
		bool odd;
	} nets[] = {{169, 254, true}, {169, 253, false}, {169, 255, false}, {168, 254, false},
		{254, 169, true}, {1, 254, false}};

	(void)state;
	for (uint32_t i = 0; i < 2 * RTE_DIM(nets); i++) {
		uint8_t frame[128], *addr = frame + (i % 2 ? 30 : 26);

		for (uint32_t n = 1; n <= 9; n += 8) {
			struct rte_mbuf *burst[9];

			for (uint32_t k = 0; k < n; k++) {
				make(frame);
				if (k == n / 2) {
					addr[0] = nets[i / 2].first;
					addr[1] = nets[i / 2].second;
					ip4_hdr_csum_set(frame_ip(frame));
				}
				burst[k] = receive(frame, FRAME, 0);
			}
			expect(burst, n, nets[i / 2].odd ? n / 2 : n);
		}
	}
}

/* A frame with up to two bytes of its headers changed; often with a checksum that is right. */
static struct rte_mbuf *random_packet(uint64_t *seed)
{
	uint64_t r = seeded(seed);
	uint8_t frame[128];

	make(frame);
	frame[r % PLAIN] = (uint8_t)(r >> 8);
	if ((r >> 52 & 15) == 0)
		memcpy(frame + (r >> 56 & 1 ? 26 : 30), "\xa9\xfe", 2);
	if (r >> 16 & 1)
		frame[(r >> 17) % 31 + 3] ^= (uint8_t)(1 << (r >> 22 & 7));
	if (r >> 25 & 3)
		ip4_hdr_csum_set(frame_ip(frame));
	if ((r >> 27 & 7) == 0) { /* ones' complement has two zeros: both are a right checksum */
		uint32_t id = (uint32_t)frame_ip(frame)->id + frame_ip(frame)->csum;

		frame_ip(frame)->id = (be16)((id & 0xffff) + (id >> 16));
		frame_ip(frame)->csum = r >> 48 & 1 ? 0xffff : 0;
	}
	return receive(frame, (r >> 30 & 3) == 0 ? PLAIN + (r >> 32) % 40 : FRAME,
		(r >> 40 & 15) == 0 ? r >> 44 & 0x1ff : 0);
}

static void test_agreement(void **state)
{
	uint64_t seed = 42;
	uint32_t plain = 0, eights = 0;

	(void)state;
	for (uint32_t round = 0; round < 20000; round++) {
		struct rte_mbuf *burst[8], *odd[8];
		uint32_t n_odd = 0;

		/* seven of a kind: else eight would rarely be plain together */
		for (uint32_t k = 0; k < 8; k++) {
			uint8_t frame[128];

			make(frame);
			burst[k] = k == round % 8 ? random_packet(&seed) : receive(frame, FRAME, 0);
		}
		for (uint32_t k = 0; k < 8; k++) {
			lane_put(&w->rx, burst[k], 0);
			fake_run(w, &w->rx, stage_check);
			if (w->odd.n > 0)
				odd[n_odd++] = burst[k];
			w->odd.n = w->in.n = 0;
		}
		for (uint32_t k = 0; k < 8; k++)
			lane_put(&w->rx, burst[k], 0);
		fake_run(w, &w->rx, stage_check);
		assert_int_equal(w->odd.n, n_odd);
		assert_memory_equal(w->odd.pkt, odd, n_odd * sizeof(*odd));
		plain += n_odd == 0;
		eights++;
		fake_rest(w);
	}
	assert_in_range(plain, eights / 10, eights - eights / 10); /* both answers were tried */
}

static int set_up(void **state)
{
	if (fake_set_up(state) < 0)
		return -1;
	w->rx_iface = LAN;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_interface),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_agreement),
	};

	return cmocka_run_group_tests(tests, set_up, fake_tear_down);
}
