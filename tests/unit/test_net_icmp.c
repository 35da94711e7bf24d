/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_icmp: echo in every size and split, its options, and what is not answered. */
#include "exact.h"
#include "frame.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

static const struct ip4_fields asked = {
	.id = 99, .ttl = 3, .tos = 0x20, .frag = IP4_DF, .src = LAN_HOST, .dst = WAN_ADDR};

/* The answer to `asked`, a new datagram of ours. */
static struct ip4_fields answer_from(uint32_t from)
{
	return (struct ip4_fields){
		.id = 0x4242, .ttl = 64, .tos = 0x20, .src = from, .dst = LAN_HOST};
}

static void run(struct rte_mbuf *m)
{
	lane_put(&w->icmp, m, 0);
	w->ip_id = 0x4242;
	fake_run(w, &w->icmp, stage_icmp);
}

static void expect_answer(uint32_t to, uint32_t len)
{
	assert_int_equal(w->out.n, 1);
	assert_int_equal(w->out.aux[0], to);
	assert_int_equal(w->out.pkt[0]->port, PKT_ORIGIN);
	fake_expect(w->out.pkt[0], expected, len);
	assert_int_equal(w->count[COUNT_icmp_echo_replies], 1);
	assert_int_equal(w->books.consumed, 1);
	assert_int_equal(w->books.originated, 1);
}

static void test_echo(void **state)
{
	static const uint32_t sizes[] = {0, 1, 2, 7, 8, 56, 1472, 1473, 8000, 8001, 65507};
	static const size_t segs[] = {0, 1, 7, 100, 1001};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(sizes); i++) {
		for (size_t j = 0; j < RTE_DIM(segs); j++) {
			uint32_t len;

			if (segs[j] && sizes[i] / segs[j] > 2000)
				continue; /* more buffers than there are */
			len = frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, sizes[i]);
			run(fake_packet(w, LAN, frame, len, segs[j],
				segs[j] == 7 ? FAKE_POOL : FAKE_EXACT));
			frame_icmp(
				expected, answer_from(WAN_ADDR), ICMP_TYPE_ECHO_REPLY, 0, sizes[i]);
			expect_answer(LAN_HOST, len);
			fake_rest(w);
		}
	}
}

static void test_in_place(void **state)
{
	uint32_t len = frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, 56);
	struct rte_mbuf *m = fake_packet(w, LAN, frame, len, 0, FAKE_POOL);

	(void)state;
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH;
	run(m);
	assert_ptr_equal(w->out.pkt[0], m);
	assert_int_equal(m->ol_flags, 0);
	fake_rest(w);
}

/* Every value that the checksum can have on its way from request to reply. */
static void test_csum(void **state)
{
	(void)state;
	for (uint32_t id = 0; id < 0x10000; id += 1 + (id > 0x20 && id < 0xf7d0) * 254) {
		uint32_t len = frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, 2);
		struct icmp_hdr *icmp = frame_l4(frame);

		icmp->echo.id = (be16)id;
		icmp->csum = 0;
		icmp->csum = csum_fold(csum_add(icmp, len - 34, 0));
		run(fake_packet(w, LAN, frame, len, 0, FAKE_POOL));
		memcpy(expected, frame, len);
		frame_icmp(expected, answer_from(WAN_ADDR), ICMP_TYPE_ECHO_REPLY, 0, 2);
		icmp = frame_l4(expected);
		icmp->echo.id = (be16)id;
		icmp->csum = 0;
		icmp->csum = csum_fold(csum_add(icmp, len - 34, 0));
		expect_answer(LAN_HOST, len);
		fake_rest(w);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		uint32_t dst;
		uint8_t type;
		enum drop_reason reason; /* DROP_MAX: consumed, an error that was read */
	} cases[] = {
		{"echo reply", WAN_ADDR, 0, DROP_ICMP_TYPE},
		{"unreachable", WAN_ADDR, 3, DROP_MAX},
		{"source quench", WAN_ADDR, 4, DROP_MAX},
		{"redirect", WAN_ADDR, 5, DROP_MAX},
		{"router advertisement", WAN_ADDR, 9, DROP_ICMP_TYPE},
		{"time exceeded", WAN_ADDR, 11, DROP_MAX},
		{"parameter problem", WAN_ADDR, 12, DROP_MAX},
		{"timestamp", WAN_ADDR, 13, DROP_ICMP_TYPE},
		{"unknown", WAN_ADDR, 255, DROP_ICMP_TYPE},
		{"echo to all", 0xffffffff, 8, DROP_ICMP_ECHO_GROUP},
		{"echo to the network", LAN_BCAST, 8, DROP_ICMP_ECHO_GROUP},
		{"echo to a group", 0xe0000001, 8, DROP_ICMP_ECHO_GROUP},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct ip4_fields f = asked;
		uint32_t len;

		f.dst = cases[i].dst;
		len = frame_icmp(frame, f, cases[i].type, 0, 28);
		run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
		if (w->out.n != 0 || (cases[i].reason != DROP_MAX) != (w->books.consumed == 0))
			fail_msg("%s", cases[i].name);
		fake_dropped(w, cases[i].reason);
		assert_int_equal(w->count[COUNT_icmp_errors_in], cases[i].reason == DROP_MAX);
		fake_rest(w);
	}
}

/* A setting lets broadcasts be answered, from the interface's address. */
static void test_echo_group(void **state)
{
	static const uint32_t groups[] = {0xffffffff, LAN_BCAST, 0xe0000001};

	(void)state;
	w->net->set.echo_group = 1;
	for (size_t i = 0; i < RTE_DIM(groups); i++) {
		struct ip4_fields f = asked;
		uint32_t len;

		f.dst = groups[i];
		len = frame_icmp(frame, f, ICMP_TYPE_ECHO, 0, 56);
		run(fake_packet(w, LAN | PKT_LINK_GROUP, frame, len, 0, FAKE_EXACT));
		frame_icmp(expected, answer_from(LAN_ADDR), ICMP_TYPE_ECHO_REPLY, 0, 56);
		expect_answer(LAN_HOST, len);
		fake_rest(w);
	}
	w->net->set.echo_group = 0;
}

static void test_bad(void **state)
{
	(void)state;
	for (uint32_t cut = 0; cut < ICMP_HDR_LEN; cut++) { /* truncated at every byte */
		uint8_t message[8] = {8};
		uint32_t len = frame_ip4(frame, asked, NULL, 0, message, cut);

		frame_ip(frame)->proto = IP4_PROTO_ICMP;
		run(fake_packet(w, LAN, frame, len, cut % 2 ? 34 : 0, FAKE_EXACT));
		fake_dropped(w, DROP_ICMP_BAD);
		fake_rest(w);
	}
	for (uint32_t at = 34; at < 34 + 8 + 5; at++) { /* every byte wrong in turn */
		uint32_t len = frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, 5);

		frame[at] ^= 0x10;
		run(fake_packet(w, LAN, frame, len, at % 2 ? 3 : 0, FAKE_EXACT));
		fake_dropped(w, DROP_ICMP_BAD);
		fake_rest(w);
	}
}

/* RFC 1122 3.2.2.6: this host is in the route that the reply carries back. */
static void test_record_route(void **state)
{
	uint8_t opts[] = {7, 11, 8, 198, 18, 0, 254, 0, 0, 0, 0, 0};
	uint8_t full[] = {7, 11, 12, 198, 18, 0, 254, 1, 2, 3, 4, 0};
	uint8_t message[64];
	struct ip4_fields f = asked;
	uint32_t len;

	(void)state;
	frame_fill(message, sizeof(message));
	f.proto = IP4_PROTO_ICMP;
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_ECHO, 0, 1, sizeof(message));
	len = frame_ip4(frame, f, opts, sizeof(opts), message, sizeof(message));
	run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
	opts[2] = 12;
	store32(opts + 7, to_be32(WAN_ADDR));
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_ECHO_REPLY, 0, 1, sizeof(message));
	f = answer_from(WAN_ADDR);
	f.proto = IP4_PROTO_ICMP;
	frame_ip4(expected, f, opts, sizeof(opts), message, sizeof(message));
	expect_answer(LAN_HOST, len);
	fake_rest(w);

	f = asked; /* a full one stays as it is */
	f.proto = IP4_PROTO_ICMP;
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_ECHO, 0, 1, sizeof(message));
	len = frame_ip4(frame, f, full, sizeof(full), message, sizeof(message));
	run(fake_packet(w, LAN, frame, len, 0, FAKE_EXACT));
	f = answer_from(WAN_ADDR);
	f.proto = IP4_PROTO_ICMP;
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_ECHO_REPLY, 0, 1, sizeof(message));
	frame_ip4(expected, f, full, sizeof(full), message, sizeof(message));
	expect_answer(LAN_HOST, len);
	fake_rest(w);
}

static void test_no_buffer(void **state)
{
	uint32_t n = 0, len = frame_icmp(frame, asked, ICMP_TYPE_ECHO, 0, 56);
	struct rte_mbuf *taken[4096], *m = fake_packet(w, LAN, frame, len, 0, FAKE_EXACT);

	(void)state;
	while ((taken[n] = rte_pktmbuf_alloc(w->pool)) != NULL)
		n++;
	run(m);
	fake_dropped(w, DROP_NO_BUFFER);
	rte_pktmbuf_free_bulk(taken, n);
	fake_rest(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_echo_group),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_record_route),
		cmocka_unit_test(test_no_buffer),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
