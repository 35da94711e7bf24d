/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP headers and the MSS clamp, at every alignment and with every bad option length. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/tcp_hdr.h"

static const be32 src = 0x3700a8c0, dst = 0x0100a8c0; /* 192.168.0.55, 192.168.0.1 */

/* A segment of the header and these options, with its checksum; the caller frees it. */
static struct tcp_hdr *segment(uint8_t flags, struct bytes opts)
{
	uint8_t buf[TCP_HDR_LEN_MAX] = {0};
	uint8_t opt_len = (uint8_t)((opts.len + 3) / 4 * 4);
	struct tcp_hdr *h = (void *)buf;
	const struct tcp_fields f = {
		.sport = 1025,
		.dport = 80,
		.seq = 1000,
		.ack = 8001,
		.window = 4096,
		.urgent = 7,
		.flags = flags,
		.opt_len = opt_len,
	};

	tcp_hdr_build(h, &f);
	if (opts.len)
		memcpy(h + 1, opts.at, opts.len);
	tcp_hdr_csum_set(h, TCP_HDR_LEN + opt_len, src, dst);
	return exact_copy(buf, TCP_HDR_LEN + opt_len);
}

static void test_header(void **state)
{
	static const uint8_t wire[] = {0x04, 0x01, 0x00, 0x50, 0x00, 0x00, 0x03, 0xe8, 0x00, 0x00,
		0x1f, 0x41, 0x50, 0x18, 0x10, 0x00, 0x00, 0x00, 0x00, 0x07};
	struct tcp_hdr *h = segment(TCP_PSH | TCP_ACK, (struct bytes){NULL, 0});

	(void)state;
	assert_int_equal(tcp_hdr_check(h, TCP_HDR_LEN), TCP_OK);
	assert_int_equal(tcp_hdr_len(h), 20);
	assert_int_equal(tcp_hdr_sport(h), 1025);
	assert_int_equal(tcp_hdr_dport(h), 80);
	assert_int_equal(tcp_hdr_seq(h), 1000);
	assert_int_equal(tcp_hdr_ack(h), 8001);
	assert_int_equal(tcp_hdr_window(h), 4096);
	assert_int_equal(tcp_hdr_urgent(h), 7);
	assert_true(tcp_hdr_csum_ok(h, 20, src, dst));
	assert_false(tcp_hdr_csum_ok(h, 20, src ^ 1, dst));
	h->csum = 0;
	assert_memory_equal(h, wire, sizeof(wire));
	free(h);
}

static void test_check(void **state)
{
	(void)state;
	for (uint32_t words = 0; words <= 15; words++) {
		for (size_t len = 0; len <= 64; len++) {
			uint8_t *p = calloc(1, len ? len : 1);

			if (len > 12)
				p[12] = (uint8_t)(words << 4 | 15);
			assert_int_equal(tcp_hdr_check(p, len), len < 20 ? TCP_SHORT
								: words < 5 || words * 4 > len
									? TCP_OFFSET
									: TCP_OK);
			free(p);
		}
	}
}

static void test_seg_len(void **state)
{
	static const struct {
		uint8_t flags;
		uint32_t l4_len, seg_len;
	} cases[] = {
		{TCP_SYN, 20, 1},
		{TCP_ACK, 20, 0},
		{TCP_ACK, 40, 20},
		{TCP_FIN | TCP_ACK, 20, 1},
		{TCP_FIN | TCP_ACK, 1044, 1025},
		{TCP_SYN | TCP_FIN, 21, 3},
		{TCP_RST, 20, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct tcp_hdr h = {.offset = 0x50, .flags = cases[i].flags};

		assert_int_equal(tcp_hdr_seg_len(&h, cases[i].l4_len), cases[i].seg_len);
	}
}

static void test_clamp(void **state)
{
	const struct {
		const char *name;
		uint8_t flags;
		struct bytes before;
		uint16_t mss; /* before */
		bool changed;
		struct bytes after;
	} cases[] = {
		{"MSS 1460", TCP_SYN, BYTES(2, 4, 5, 180), 1460, true, BYTES(2, 4, 4, 0)},
		{"MSS 1025", TCP_SYN, BYTES(2, 4, 4, 1), 1025, true, BYTES(2, 4, 4, 0)},
		{"MSS 1024", TCP_SYN, BYTES(2, 4, 4, 0), 1024, false, BYTES(2, 4, 4, 0)},
		{"MSS 536", TCP_SYN, BYTES(2, 4, 2, 24), 536, false, BYTES(2, 4, 2, 24)},
		{"MSS 65535", TCP_SYN, BYTES(2, 4, 255, 255), 65535, true, BYTES(2, 4, 4, 0)},
		{"SYN-ACK", TCP_SYN | TCP_ACK, BYTES(2, 4, 5, 180), 1460, true, BYTES(2, 4, 4, 0)},
		{"no SYN", TCP_ACK, BYTES(2, 4, 5, 180), 0, false, BYTES(2, 4, 5, 180)},
		{"no options", TCP_SYN, {NULL, 0}, 0, false, {NULL, 0}},
		{"as Linux sends it", TCP_SYN,
			BYTES(2, 4, 5, 180, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7), 1460,
			true, BYTES(2, 4, 4, 0, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7)},
		{"odd offset", TCP_SYN, BYTES(1, 2, 4, 5, 180, 0, 0, 0), 1460, true,
			BYTES(1, 2, 4, 4, 0, 0, 0, 0)},
		{"after an unknown one", TCP_SYN, BYTES(77, 3, 9, 2, 4, 5, 180), 1460, true,
			BYTES(77, 3, 9, 2, 4, 4, 0)},
		{"last of 40", TCP_SYN,
			BYTES(77, 36, 2, 4, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 5, 180),
			1460, true,
			BYTES(77, 36, 2, 4, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 4, 0)},
		{"twice", TCP_SYN, BYTES(2, 4, 5, 180, 1, 2, 4, 9, 9), 1460, true,
			BYTES(2, 4, 4, 0, 1, 2, 4, 4, 0)},
		{"after END", TCP_SYN, BYTES(0, 2, 4, 5, 180), 0, false, BYTES(0, 2, 4, 5, 180)},
		{"after length 0", TCP_SYN, BYTES(77, 0, 2, 4, 5, 180), 0, false,
			BYTES(77, 0, 2, 4, 5, 180)},
		{"after length 1", TCP_SYN, BYTES(77, 1, 2, 4, 5, 180), 0, false,
			BYTES(77, 1, 2, 4, 5, 180)},
		{"after one beyond the header", TCP_SYN, BYTES(77, 9, 2, 4, 5, 180), 0, false,
			BYTES(77, 9, 2, 4, 5, 180)},
		{"MSS of length 3", TCP_SYN, BYTES(2, 3, 5, 2, 4, 5, 180), 1460, true,
			BYTES(2, 3, 5, 2, 4, 4, 0)},
		{"MSS of length 5", TCP_SYN, BYTES(2, 5, 5, 180, 9), 0, false,
			BYTES(2, 5, 5, 180, 9)},
		{"MSS cut by the header's end", TCP_SYN, BYTES(1, 1, 2, 4), 0, false,
			BYTES(1, 1, 2, 4)},
		{"a kind and no length", TCP_SYN, BYTES(1, 1, 1, 2), 0, false, BYTES(1, 1, 1, 2)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tcp_hdr *h = segment(cases[i].flags, cases[i].before);
		uint32_t len = tcp_hdr_len(h);

		if (tcp_hdr_mss(h, len) != cases[i].mss ||
			tcp_hdr_clamp_mss(h, len, 1024) != cases[i].changed ||
			(cases[i].after.len &&
				memcmp(h + 1, cases[i].after.at, cases[i].after.len)) ||
			!tcp_hdr_csum_ok(h, (uint16_t)len, src, dst))
			fail_msg("%s", cases[i].name);
		free(h);
	}
}

/* Every truncation of a SYN of 60 bytes whose data offset still says 60. */
static void test_clamp_of_a_cut_header(void **state)
{
	const struct bytes opts = BYTES(1, 2, 4, 5, 180, 4, 2, 2, 4, 5, 180, 8, 10, 1, 2, 3, 4, 0,
		0, 0, 0, 3, 3, 7, 77, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 5, 180);
	struct tcp_hdr *whole = segment(TCP_SYN, opts);

	(void)state;
	for (uint32_t len = TCP_HDR_LEN; len <= TCP_HDR_LEN_MAX; len++) {
		struct tcp_hdr *h = exact_copy(whole, len);

		assert_int_equal(tcp_hdr_mss(h, len), len < 25 ? 0 : 1460);
		assert_int_equal(tcp_hdr_clamp_mss(h, len, 1024), len >= 25);
		free(h);
	}
	free(whole);
}

/* All values at both alignments: the checksum is what the whole computation gives. */
static void test_clamp_keeps_the_checksum(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 0x20000; i++) {
		uint8_t opts[8] = {TCP_OPT_NOP}, *mss = opts + (i >> 16);
		struct tcp_hdr *h;

		mss[0] = TCP_OPT_MSS;
		mss[1] = 4;
		store16(mss + 2, to_be16((uint16_t)i));
		h = segment(TCP_SYN, (struct bytes){opts, sizeof(opts)});
		assert_int_equal(tcp_hdr_mss(h, 28), i & 0xffff);
		tcp_hdr_clamp_mss(h, 28, 536);
		assert_true(tcp_hdr_csum_ok(h, 28, src, dst));
		assert_true(tcp_hdr_mss(h, 28) <= 536);
		free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_seg_len),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_clamp_of_a_cut_header),
		cmocka_unit_test(test_clamp_keeps_the_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
