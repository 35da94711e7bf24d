/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP options: bytes to values and back, cut at each byte, at every alignment, beyond the room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/tcp_opt.h"

#define MSS	1460
#define VAL	0x01020304
#define ECR	0xf5f6f7f8
#define MSS_IS	2, 4, 5, 180
#define TS_IS	8, 10, 1, 2, 3, 4, 0xf5, 0xf6, 0xf7, 0xf8
#define BLOCK_1 0, 0, 0, 1, 0, 0, 0, 2
#define BLOCK_2 0, 0, 1, 0, 0, 0, 2, 0
#define BLOCK_3 0, 1, 0, 0, 0, 2, 0, 0
#define BLOCK_4 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1

static const struct tcp_sack blocks[TCP_OPT_SACKS] = {
	{1, 2},
	{0x100, 0x200},
	{0x10000, 0x20000},
	{0xffffffff, 1},
};

/* A header and these options, padded with END to words, in just so many bytes; to be freed. */
static struct tcp_hdr *header(uint8_t flags, const void *opts, size_t len)
{
	uint8_t buf[TCP_HDR_LEN_MAX] = {0};
	const struct tcp_fields f = {.flags = flags, .opt_len = (uint8_t)((len + 3) / 4 * 4)};

	assert_true(len <= TCP_OPT_MAX);
	tcp_hdr_build((struct tcp_hdr *)buf, &f);
	if (len)
		memcpy(buf + TCP_HDR_LEN, opts, len);
	return exact_copy(buf, TCP_HDR_LEN + f.opt_len);
}

/* What a reader of these options is told; what was in the value before does not show. */
static struct tcp_opts read_back(uint8_t flags, const void *opts, size_t len)
{
	struct tcp_hdr *h = header(flags, opts, len);
	struct tcp_opts o;

	memset(&o, 0xa5, sizeof(o));
	tcp_opt_read(h, &o);
	free(h);
	return o;
}

/* Blocks beyond n_sacks do not count: an option that was overridden may have left some. */
static bool same(const struct tcp_opts *a, const struct tcp_opts *b)
{
	return a->has == b->has && a->mss == b->mss && a->wscale == b->wscale &&
	       a->ts_val == b->ts_val && a->ts_ecr == b->ts_ecr && a->n_sacks == b->n_sacks &&
	       memcmp(a->sack, b->sack, a->n_sacks * sizeof(*a->sack)) == 0;
}

static void test_read(void **state)
{
	const struct tcp_opts none = {0}, mss = {.has = TCP_HAS_MSS, .mss = MSS};
	const struct tcp_opts ts = {.has = TCP_HAS_TS, .ts_val = VAL, .ts_ecr = ECR};
	const struct tcp_opts sack_ok = {.has = TCP_HAS_SACK_OK};
	const struct tcp_opts one = {.n_sacks = 1, .sack = {{1, 2}}};
	const struct tcp_opts linux_syn = {
		.has = TCP_HAS_MSS | TCP_HAS_WSCALE | TCP_HAS_SACK_OK | TCP_HAS_TS,
		.mss = MSS,
		.wscale = 7,
		.ts_val = VAL,
		.ts_ecr = ECR,
	};
	const struct {
		const char *name;
		uint8_t flags;
		struct bytes opts;
		struct tcp_opts want;
	} cases[] = {
		{"none", TCP_SYN, {NULL, 0}, none},
		{"no-operations alone", TCP_ACK, BYTES(1, 1, 1, 1), none},
		{"END at once", TCP_ACK, BYTES(0, 0, 0, 0), none},
		{"MSS", TCP_SYN, BYTES(MSS_IS), mss},
		{"MSS 0", TCP_SYN, BYTES(2, 4, 0, 0), {.has = TCP_HAS_MSS}},
		{"MSS 65535", TCP_SYN | TCP_ACK, BYTES(2, 4, 255, 255),
			{.has = TCP_HAS_MSS, .mss = 65535}},
		{"MSS without SYN", TCP_ACK, BYTES(MSS_IS), none},
		{"MSS without SYN, then timestamps", TCP_ACK, BYTES(MSS_IS, TS_IS), ts},
		{"MSS twice", TCP_SYN, BYTES(2, 4, 2, 24, MSS_IS), mss},
		{"window scale 0", TCP_SYN, BYTES(3, 3, 0), {.has = TCP_HAS_WSCALE}},
		{"window scale 14", TCP_SYN, BYTES(3, 3, 14),
			{.has = TCP_HAS_WSCALE, .wscale = 14}},
		{"window scale 15", TCP_SYN, BYTES(3, 3, 15),
			{.has = TCP_HAS_WSCALE, .wscale = 14}},
		{"window scale 255", TCP_SYN, BYTES(3, 3, 255),
			{.has = TCP_HAS_WSCALE, .wscale = 14}},
		{"window scale without SYN", TCP_ACK, BYTES(3, 3, 7), none},
		{"SACK permitted", TCP_SYN, BYTES(4, 2), sack_ok},
		{"SACK permitted without SYN", TCP_ACK, BYTES(4, 2), none},
		{"timestamps", TCP_ACK, BYTES(1, 1, TS_IS), ts},
		{"timestamps on a SYN", TCP_SYN, BYTES(TS_IS), ts},
		{"timestamps on a RST", TCP_RST, BYTES(TS_IS), ts},
		{"timestamps twice", TCP_ACK, BYTES(8, 10, 0, 0, 0, 0, 0, 0, 0, 0, TS_IS), ts},
		{"as Linux sends a SYN", TCP_SYN, BYTES(MSS_IS, 4, 2, TS_IS, 1, 3, 3, 7),
			linux_syn},
		{"as BSD sends a SYN", TCP_SYN, BYTES(MSS_IS, 1, 3, 3, 7, 1, 1, TS_IS, 4, 2, 0, 0),
			linux_syn},
		{"one block", TCP_ACK, BYTES(1, 1, 5, 10, BLOCK_1), one},
		{"two blocks", TCP_ACK, BYTES(5, 18, BLOCK_1, BLOCK_2),
			{.n_sacks = 2, .sack = {{1, 2}, {0x100, 0x200}}}},
		{"three beside timestamps", TCP_ACK,
			BYTES(1, 1, TS_IS, 1, 1, 5, 26, BLOCK_2, BLOCK_1, BLOCK_3),
			{.has = TCP_HAS_TS,
				.ts_val = VAL,
				.ts_ecr = ECR,
				.n_sacks = 3,
				.sack = {{0x100, 0x200}, {1, 2}, {0x10000, 0x20000}}}},
		{"four blocks", TCP_ACK, BYTES(5, 34, BLOCK_1, BLOCK_2, BLOCK_3, BLOCK_4),
			{.n_sacks = 4,
				.sack = {{1, 2}, {0x100, 0x200}, {0x10000, 0x20000},
					{0xffffffff, 1}}}},
		{"the later SACK option counts", TCP_ACK,
			BYTES(5, 18, BLOCK_2, BLOCK_3, 5, 10, BLOCK_1), one},
		{"SACK of no block", TCP_ACK, BYTES(5, 2, TS_IS), ts},
		{"unknown ones are skipped", TCP_SYN, BYTES(77, 2, 254, 5, 2, 4, 9, MSS_IS), mss},
		{"unknown of 36, MSS last", TCP_SYN,
			BYTES(77, 36, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10,
				5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, 5, 10, MSS_IS),
			mss},
		{"after length 0", TCP_SYN, BYTES(77, 0, MSS_IS), none},
		{"after length 1", TCP_SYN, BYTES(77, 1, MSS_IS), none},
		{"after END", TCP_SYN, BYTES(0, MSS_IS), none},
		{"before END and rubbish", TCP_SYN, BYTES(MSS_IS, 0, 8, 10, 3, 3), mss},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tcp_opts got =
			read_back(cases[i].flags, cases[i].opts.at, cases[i].opts.len);

		if (!same(&got, &cases[i].want))
			fail_msg("%s", cases[i].name);
	}
}

/* A length that cannot be ends the options: what stood before counts, what follows does not. */
static void test_bad_lengths(void **state)
{
	static const struct {
		uint8_t kind, good; /* the length that is right, of a multiple of step */
		uint8_t step;
	} kinds[] = {
		{TCP_OPT_MSS, 4, 0},
		{TCP_OPT_WSCALE, 3, 0},
		{TCP_OPT_SACK_OK, 2, 0},
		{TCP_OPT_SACK, 2, 8},
		{TCP_OPT_TS, 10, 0},
		{77, 2, 1},
	};
	uint32_t tried = 0;

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		for (uint32_t len = 0; len <= 255; len++) {
			/* SACK permitted, the option, MSS at its end. */
			uint8_t opts[TCP_OPT_MAX] = {
				TCP_OPT_SACK_OK, 2, kinds[k].kind, (uint8_t)len};
			uint32_t after = 2 + len;
			bool good = len == kinds[k].good ||
				    (kinds[k].step && len > kinds[k].good &&
					    (len - kinds[k].good) % kinds[k].step == 0);
			struct tcp_opts o;

			if (len >= 2 && after + 4 <= sizeof(opts)) {
				const uint8_t mss[] = {2, 4, 2, 24};

				memcpy(opts + after, mss, sizeof(mss));
			} else {
				good = good && after <= sizeof(opts);
			}
			o = read_back(TCP_SYN, opts, sizeof(opts));
			assert_true(o.has & TCP_HAS_SACK_OK);
			if (!good) {
				assert_int_equal(o.has, TCP_HAS_SACK_OK);
				assert_int_equal(o.n_sacks, 0);
			} else if (after + 4 <= sizeof(opts)) {
				assert_true(o.has & TCP_HAS_MSS);
				assert_int_equal(o.mss, 536);
			}
			tried++;
		}
	}
	assert_int_equal(tried, 6 * 256);
}

/* Each option alone, cut at each of its bytes by the header's end. */
static void test_cut(void **state)
{
	const struct bytes opts[] = {
		BYTES(MSS_IS),
		BYTES(3, 3, 7),
		BYTES(4, 2),
		BYTES(TS_IS),
		BYTES(5, 10, BLOCK_1),
		BYTES(5, 34, BLOCK_1, BLOCK_2, BLOCK_3, BLOCK_4),
		BYTES(77, 6, 1, 1, 1, 1),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(opts) / sizeof(*opts); i++) {
		for (uint32_t len = 1; len < opts[i].len; len++) {
			/* No-operations first, so that the cut is where the header ends. */
			uint8_t cut[TCP_OPT_MAX];
			uint32_t end = (len + 3) / 4 * 4;
			struct tcp_opts o;

			memset(cut, TCP_OPT_NOP, sizeof(cut));
			memcpy(cut + end - len, opts[i].at, len);
			o = read_back(TCP_SYN, cut, end);
			assert_int_equal(o.has, 0);
			assert_int_equal(o.n_sacks, 0);
		}
	}
}

/* A SYN's options where the data offset ends after each word: whole ones count, no other byte. */
static void test_cut_by_the_offset(void **state)
{
	static const uint8_t opts[] = {MSS_IS, 4, 2, TS_IS, 1, 3, 3, 7, 5, 10, BLOCK_1, 1, 1, 1, 1};
	static const struct {
		uint32_t end;
		uint8_t has;
	} whole[] = {
		{4, TCP_HAS_MSS}, {6, TCP_HAS_SACK_OK}, {16, TCP_HAS_TS}, {20, TCP_HAS_WSCALE}};

	(void)state;
	for (uint32_t len = 0; len <= sizeof(opts) / 4 * 4; len += 4) {
		struct tcp_opts o = read_back(TCP_SYN, opts, len);
		uint8_t has = 0;

		for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
			has |= whole[i].end <= len ? whole[i].has : 0;
		assert_int_equal(o.has, has);
		assert_int_equal(o.n_sacks, len >= 30);
	}
}

/* Every option behind 0 to 7 no-operations, and those behind each other option (MUST-64). */
static void test_alignment(void **state)
{
	const struct {
		struct bytes opt;
		struct tcp_opts want;
	} cases[] = {
		{BYTES(MSS_IS), {.has = TCP_HAS_MSS, .mss = MSS}},
		{BYTES(3, 3, 7), {.has = TCP_HAS_WSCALE, .wscale = 7}},
		{BYTES(4, 2), {.has = TCP_HAS_SACK_OK}},
		{BYTES(TS_IS), {.has = TCP_HAS_TS, .ts_val = VAL, .ts_ecr = ECR}},
		{BYTES(5, 26, BLOCK_1, BLOCK_2, BLOCK_3),
			{.n_sacks = 3, .sack = {{1, 2}, {0x100, 0x200}, {0x10000, 0x20000}}}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		for (uint32_t nops = 0; nops < 8; nops++) {
			uint8_t opts[TCP_OPT_MAX];
			struct tcp_opts o;

			memset(opts, TCP_OPT_NOP, nops);
			memcpy(opts + nops, cases[i].opt.at, cases[i].opt.len);
			o = read_back(TCP_SYN, opts, nops + cases[i].opt.len);
			assert_true(same(&o, &cases[i].want));
		}
	}
}

static void test_ts_only(void **state)
{
	const struct {
		const char *name;
		struct bytes opts;
		bool only;
	} cases[] = {
		{"as everybody sends them", BYTES(1, 1, TS_IS), true},
		{"behind", BYTES(TS_IS, 1, 1), false},
		{"with more room", BYTES(1, 1, TS_IS, 1, 1, 1, 1), false},
		{"with SACK permitted", BYTES(4, 2, TS_IS), false},
		{"none", {NULL, 0}, false},
		{"no-operations", BYTES(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), false},
		{"of another length", BYTES(1, 1, 8, 9, 1, 2, 3, 4, 5, 6, 7, 8), false},
		{"a word short", BYTES(1, 1, 8, 10, 1, 2, 3, 4), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct tcp_hdr *h = header(TCP_ACK, cases[i].opts.at, cases[i].opts.len);
		uint32_t val = 0, ecr = 0;

		if (tcp_opt_ts_only(h, &val, &ecr) != cases[i].only ||
			val != (cases[i].only ? VAL : 0) || ecr != (cases[i].only ? ECR : 0))
			fail_msg("%s", cases[i].name);
		free(h);
	}
}

static void test_write(void **state)
{
	const struct {
		const char *name;
		struct tcp_opts o;
		struct bytes want;
	} cases[] = {
		{"none", {.mss = 1, .wscale = 1}, {NULL, 0}},
		{"MSS", {.has = TCP_HAS_MSS, .mss = MSS}, BYTES(MSS_IS)},
		{"window scale", {.has = TCP_HAS_WSCALE, .wscale = 7}, BYTES(1, 3, 3, 7)},
		{"window scale beyond 14", {.has = TCP_HAS_WSCALE, .wscale = 15},
			BYTES(1, 3, 3, 14)},
		{"SACK permitted", {.has = TCP_HAS_SACK_OK}, BYTES(1, 1, 4, 2)},
		{"timestamps", {.has = TCP_HAS_TS, .ts_val = VAL, .ts_ecr = ECR},
			BYTES(1, 1, TS_IS)},
		{"a SYN's",
			{.has = TCP_HAS_MSS | TCP_HAS_WSCALE | TCP_HAS_SACK_OK | TCP_HAS_TS,
				.mss = MSS,
				.wscale = 7,
				.ts_val = VAL,
				.ts_ecr = ECR},
			BYTES(MSS_IS, 4, 2, TS_IS, 1, 3, 3, 7)},
		{"one block", {.n_sacks = 1, .sack = {{1, 2}}}, BYTES(1, 1, 5, 10, BLOCK_1)},
		{"four beside timestamps: three",
			{.has = TCP_HAS_TS,
				.ts_val = VAL,
				.ts_ecr = ECR,
				.n_sacks = 4,
				.sack = {{1, 2}, {0x100, 0x200}, {0x10000, 0x20000},
					{0xffffffff, 1}}},
			BYTES(1, 1, TS_IS, 1, 1, 5, 26, BLOCK_1, BLOCK_2, BLOCK_3)},
		{"more than there can be: four",
			{.n_sacks = 255,
				.sack = {{1, 2}, {0x100, 0x200}, {0x10000, 0x20000},
					{0xffffffff, 1}}},
			BYTES(1, 1, 5, 34, BLOCK_1, BLOCK_2, BLOCK_3, BLOCK_4)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		/* Just the bytes that are wanted: the sanitizer sees one too many. */
		uint8_t *p = exact_copy(cases[i].want.at, cases[i].want.len);
		uint32_t len;

		memset(p, 0xee, cases[i].want.len);
		len = tcp_opt_write(p, &cases[i].o);
		if (len != cases[i].want.len || (len && memcmp(p, cases[i].want.at, len)))
			fail_msg("%s", cases[i].name);
		free(p);
	}
}

/* The room that a set of options leaves for blocks. */
static uint32_t blocks_beside(uint8_t has)
{
	uint32_t len = 0;

	len += has & TCP_HAS_MSS ? 4 : 0;
	len += has & TCP_HAS_WSCALE ? 4 : 0;
	len += has & TCP_HAS_TS ? 12 : has & TCP_HAS_SACK_OK ? 4 : 0;
	return (36 - len) / 8;
}

/* Kinds that follow each other, no END, and no-operations only before an option. */
static void assert_padding(const uint8_t *opts, uint32_t len)
{
	uint32_t at = 0, nops = 0;

	while (at < len) {
		assert_int_not_equal(opts[at], TCP_OPT_END);
		nops = opts[at] == TCP_OPT_NOP ? nops + 1 : 0;
		assert_true(nops <= 2);
		at += opts[at] == TCP_OPT_NOP ? 1 : opts[at + 1];
	}
	assert_int_equal(at, len);
	assert_int_equal(nops, 0);
	assert_int_equal(len % 4, 0);
}

/* All sets of options by all numbers of blocks, by every shift: what was written is read. */
static void test_round_trip(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 16 * 5 * 15; i++) {
		struct tcp_opts in = {.has = i % 16, .n_sacks = (uint8_t)(i / 16 % 5)}, out;
		uint8_t opts[TCP_OPT_MAX + 4];
		uint32_t len;

		in.mss = in.has & TCP_HAS_MSS ? (uint16_t)(i * 977) : 0;
		in.wscale = in.has & TCP_HAS_WSCALE ? (uint8_t)(i / 80) : 0;
		in.ts_val = in.has & TCP_HAS_TS ? VAL + i : 0;
		in.ts_ecr = in.has & TCP_HAS_TS ? ECR + i : 0;
		memcpy(in.sack, blocks, in.n_sacks * sizeof(*blocks));
		memset(opts, 0xee, sizeof(opts));
		len = tcp_opt_write(opts, &in);
		assert_true(len <= TCP_OPT_MAX);
		assert_padding(opts, len);
		for (uint32_t rest = len; rest < sizeof(opts); rest++)
			assert_int_equal(opts[rest], 0xee);
		out = read_back(TCP_SYN, opts, len);
		if (in.n_sacks > blocks_beside(in.has))
			in.n_sacks = (uint8_t)blocks_beside(in.has);
		assert_true(same(&in, &out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_bad_lengths),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_cut_by_the_offset),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_ts_only),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
