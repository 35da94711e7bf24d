/* SPDX-License-Identifier: BSD-3-Clause */
/* stage_tcp: a closed port's answer to every kind of segment (RFC 9293 3.10.7.1). */
#include "exact.h"
#include "frame.h"
#include "the_worker.h"

static uint8_t frame[FRAME_MAX], expected[FRAME_MAX];

static const struct ip4_fields asked = {.id = 99, .ttl = 3, .src = LAN_HOST, .dst = WAN_ADDR};

static void run(uint32_t len, size_t seg)
{
	lane_put(&w->tcp, fake_packet(w, LAN, frame, len, seg, FAKE_EXACT), 0);
	w->ip_id = 0x4242;
	fake_run(w, &w->tcp, stage_tcp_reset);
}

static void test_segments(void **state)
{
	static const struct {
		const char *name;
		struct tcp_fields in;
		uint32_t data;
		struct tcp_fields out; /* flags 0: no answer */
	} cases[] = {
		{"SYN", {.seq = 1000, .flags = TCP_SYN}, 0,
			{.seq = 0, .ack = 1001, .flags = TCP_RST | TCP_ACK}},
		{"SYN with an ACK field of no meaning", {.seq = 1000, .ack = 5, .flags = TCP_SYN},
			0, {.seq = 0, .ack = 1001, .flags = TCP_RST | TCP_ACK}},
		{"SYN at the end of numbers", {.seq = 0xffffffff, .flags = TCP_SYN}, 0,
			{.seq = 0, .ack = 0, .flags = TCP_RST | TCP_ACK}},
		{"SYN with options", {.seq = 1000, .flags = TCP_SYN, .opt_len = 40}, 0,
			{.seq = 0, .ack = 1001, .flags = TCP_RST | TCP_ACK}},
		{"SYN with data", {.seq = 1000, .flags = TCP_SYN, .opt_len = 4}, 10,
			{.seq = 0, .ack = 1011, .flags = TCP_RST | TCP_ACK}},
		{"SYN, FIN and data", {.seq = 1000, .flags = TCP_SYN | TCP_FIN}, 10,
			{.seq = 0, .ack = 1012, .flags = TCP_RST | TCP_ACK}},
		{"no flags", {.seq = 1000}, 0, {.seq = 0, .ack = 1000, .flags = TCP_RST | TCP_ACK}},
		{"data without ACK", {.seq = 1000, .flags = TCP_PSH}, 1400,
			{.seq = 0, .ack = 2400, .flags = TCP_RST | TCP_ACK}},
		{"ACK", {.seq = 1000, .ack = 0x87654321, .flags = TCP_ACK}, 0,
			{.seq = 0x87654321, .flags = TCP_RST}},
		{"SYN-ACK", {.seq = 1000, .ack = 77, .flags = TCP_SYN | TCP_ACK}, 0,
			{.seq = 77, .flags = TCP_RST}},
		{"FIN-ACK with data", {.seq = 1000, .ack = 77, .flags = TCP_FIN | TCP_ACK}, 33,
			{.seq = 77, .flags = TCP_RST}},
		{"RST", {.seq = 1000, .flags = TCP_RST}, 0, {0}},
		{"RST-ACK", {.seq = 1000, .ack = 1, .flags = TCP_RST | TCP_ACK}, 0, {0}},
		{"all flags", {.seq = 1000, .ack = 1, .flags = 0xff}, 0, {0}},
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct tcp_fields in = cases[i].in, out = cases[i].out;
		struct ip4_fields f = {
			.id = 0x4242, .ttl = 64, .frag = IP4_DF, .src = WAN_ADDR, .dst = LAN_HOST};
		uint32_t len;

		in.sport = out.dport = 40000;
		in.dport = out.sport = 80;
		run(frame_tcp(frame, asked, in, cases[i].data), i % 2 ? 45 : 0);
		if (w->out.n != !!cases[i].out.flags)
			fail_msg("%s", cases[i].name);
		fake_dropped(w, DROP_TCP_NO_PORT);
		assert_int_equal(w->count[COUNT_tcp_resets_out], w->out.n);
		assert_int_equal(w->count[COUNT_tcp_resets_in], !w->out.n);
		if (w->out.n) {
			len = frame_tcp(expected, f, out, 0);
			assert_int_equal(w->out.aux[0], LAN_HOST);
			fake_expect(w->out.pkt[0], expected, len);
		}
		fake_rest(w);
	}
}

static void expect_silence(uint32_t len, size_t seg, enum drop_reason reason)
{
	run(len, seg);
	assert_int_equal(w->out.n, 0);
	fake_dropped(w, reason);
	fake_rest(w);
}

static void test_silence(void **state)
{
	static const uint32_t groups[] = {0xffffffff, LAN_BCAST, 0xe0000001};
	struct tcp_fields syn = {.sport = 1, .dport = 2, .flags = TCP_SYN, .opt_len = 4};
	struct ip4_fields f = asked;
	uint8_t message[24];

	(void)state;
	for (size_t i = 0; i < RTE_DIM(groups); i++) { /* MUST-57 */
		f.dst = groups[i];
		expect_silence(frame_tcp(frame, f, syn, 0), 0, DROP_LOCAL_GROUP);
	}
	f = asked;
	f.proto = IP4_PROTO_TCP;
	for (uint32_t cut = 0; cut < 24; cut++) { /* truncated at every byte */
		frame_tcp(frame, asked, syn, 0);
		memcpy(message, frame_l4(frame), sizeof(message));
		expect_silence(
			frame_ip4(frame, f, NULL, 0, message, cut), cut % 3 * 35, DROP_TCP_BAD);
	}
	for (uint32_t at = 34; at < 34 + 24; at++) { /* every byte wrong in turn */
		uint32_t len = frame_tcp(frame, asked, syn, 0);

		frame[at] ^= 0x04;
		expect_silence(len, at % 2 ? 37 : 0, DROP_TCP_BAD);
	}
	for (uint8_t words = 0; words < 5;
		words++) { /* a header too short, or beyond the segment */
		uint32_t len = frame_tcp(frame, asked, syn, 0);
		struct tcp_hdr *tcp = frame_l4(frame);

		tcp->offset = words == 4 ? 7 << 4 : (uint8_t)(words << 4);
		tcp_hdr_csum_set(tcp, 24, to_be32(asked.src), to_be32(asked.dst));
		expect_silence(len, 0, DROP_TCP_BAD);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_silence),
	};

	return cmocka_run_group_tests(tests, fake_set_up, fake_tear_down);
}
