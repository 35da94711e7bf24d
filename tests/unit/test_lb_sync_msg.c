/* SPDX-License-Identifier: BSD-3-Clause */
/* What two instances tell each other, as bytes: what is written is read, and nothing else is. */
#include "exact.h"
#include "lb/sync.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct sync_record flow = {
	.client = 0x010012c6,
	.service = 0x640012c6,
	.backend = 0x020112c6,
	.client_port = 0x0102,
	.service_port = 0x5000,
	.backend_port = 0x901f,
	.age = 7,
	.proto = 6,
	.state = SYNC_CLOSING,
	.marks = SYNC_CLIENT_FIN,
};

/* A datagram of n flows; returns its length. */
static size_t flows(uint8_t *p, uint32_t n)
{
	const struct siphash_key key = sync_key("a key");
	struct sync_head h = {.session = 9,
		.number = UINT64_C(0x0102030405060708),
		.kind = SYNC_FLOWS,
		.slot = 63,
		.records = (uint8_t)n,
		.record_len = SYNC_RECORD};

	sync_write_head(p, &h);
	for (uint32_t i = 0; i < n; i++)
		sync_write_record(p + SYNC_HEAD + (size_t)i * SYNC_RECORD, &flow);
	sync_write_tag(p, SYNC_HEAD + (size_t)n * SYNC_RECORD, &key);
	return SYNC_HEAD + (size_t)n * SYNC_RECORD + SYNC_TAG;
}

static void expect_flow(const struct sync_record *r)
{
	assert_memory_equal(r, &flow, offsetof(struct sync_record, marks) + 1);
}

static void test_the_bytes(void **state)
{
	static const uint8_t want[] = {
		'm', 'r', 1, 2, 63, 1, 32, 0,	/* */
		0, 0, 0, 0, 0, 0, 0, 9,		/* session */
		1, 2, 3, 4, 5, 6, 7, 8,		/* number */
		198, 18, 0, 1, 198, 18, 0, 100, /* client, service */
		198, 18, 1, 2, 0, 0, 0, 0,	/* backend, nobody */
		2, 1, 0, 80, 0x1f, 0x90, 0, 0,	/* their ports */
		0, 7, 6, 2, 1, 0, 0, 0,		/* age, TCP, closing, by the client */
	};
	uint8_t p[SYNC_MOST];

	(void)state;
	assert_int_equal(flows(p, 1), sizeof(want) + SYNC_TAG);
	assert_memory_equal(p, want, sizeof(want));
}

static void test_what_is_written_is_read(void **state)
{
	const struct siphash_key key = sync_key("a key"), other = sync_key("a kez");
	struct sync_hello hello = {1, 2, 3}, heard;
	struct sync_head h = {.session = 5, .number = 1, .kind = SYNC_HELLO};
	uint8_t p[SYNC_MOST];
	struct sync_record r;
	size_t len = flows(p, SYNC_RECORDS);

	(void)state;
	assert_int_equal(len, SYNC_MOST);
	assert_true(sync_read_head(p, len, &h));
	assert_true(sync_tag_ok(p, len, &key));
	assert_false(sync_tag_ok(p, len, &other));
	assert_int_equal(h.records, SYNC_RECORDS);
	for (uint32_t i = 0; i < h.records; i++) {
		assert_true(sync_read_record(p, &h, i, &r));
		expect_flow(&r);
	}
	h = (struct sync_head){.session = 5, .number = 1, .kind = SYNC_HELLO};
	sync_write_head(p, &h);
	sync_write_hello(p, &hello);
	assert_true(sync_read_head(p, SYNC_HEAD + SYNC_HELLO_LEN + SYNC_TAG, &h));
	sync_read_hello(p, &heard);
	assert_memory_equal(&heard, &hello, sizeof(hello));
}

/* Every bit counts for the tag. */
static void test_a_bit_that_changed(void **state)
{
	const struct siphash_key key = sync_key("a key");
	uint8_t p[SYNC_MOST];
	size_t len = flows(p, 2);

	(void)state;
	for (size_t bit = 0; bit < len * 8; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(sync_tag_ok(p, len, &key));
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(sync_tag_ok(p, len, &key));
}

static void test_what_is_no_datagram(void **state)
{
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
	} cases[] = {{"magic", 0, 'M'}, {"version", 2, 2}, {"kind", 3, 3}, {"kind 0", 3, 0},
		{"a hello with flows", 3, 1}, {"slot", 4, 64}, {"more records", 5, 3},
		{"fewer records", 5, 1}, {"shorter records", 6, 31}, {"longer records", 6, 33},
		{"no session", 15, 0}};
	uint8_t p[SYNC_MOST];
	struct sync_head h;
	size_t len = flows(p, 2);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t was = p[cases[i].at];

		p[cases[i].at] = cases[i].value;
		if (sync_read_head(p, len, &h))
			fail_msg("%s was taken", cases[i].name);
		p[cases[i].at] = was;
	}
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = exact_copy(p, n);

		assert_false(sync_read_head(cut, n, &h));
		free(cut);
	}
}

/* A later version may say more of each flow; what we know stands where it did. */
static void test_longer_records_are_read(void **state)
{
	struct sync_head h;
	struct sync_record r;
	uint8_t p[SYNC_HEAD + 2 * 40 + SYNC_TAG];

	(void)state;
	flows(p, 1);
	p[5] = 2;
	p[6] = 40;
	sync_write_record(p + SYNC_HEAD + 40, &flow);
	assert_true(sync_read_head(p, sizeof(p), &h));
	assert_true(sync_read_record(p, &h, 1, &r));
	expect_flow(&r);
}

static void test_records_that_cannot_be(void **state)
{
	struct sync_record bad[] = {flow, flow, flow, flow, flow};
	struct sync_head h = {.record_len = SYNC_RECORD};
	uint8_t p[SYNC_MOST];
	struct sync_record r;

	(void)state;
	bad[0].state = 0;
	bad[1].state = SYNC_CLOSED + 1;
	bad[2].proto = 1;
	bad[3].client = 0;
	bad[4].client = to_be32(0xe0000001);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		sync_write_record(p + SYNC_HEAD, &bad[i]);
		assert_false(sync_read_record(p, &h, 0, &r));
	}
	bad[2].service = 0; /* echoes have mappings */
	sync_write_record(p + SYNC_HEAD, &bad[2]);
	assert_true(sync_read_record(p, &h, 0, &r));
	bad[2].proto = 2;
	sync_write_record(p + SYNC_HEAD, &bad[2]);
	assert_false(sync_read_record(p, &h, 0, &r));
}

static void test_numbers_come_once(void **state)
{
	static const struct {
		uint64_t number;
		bool is_new;
	} steps[] = {{1, true}, {1, false}, {3, true}, {2, true}, {2, false}, {66, true},
		{3, false}, {4, true}, {4, false}, {2, false}, {1000, true}, {936, false},
		{937, true}, {999, true}, {999, false}, {1000, false}, {UINT64_MAX, true},
		{UINT64_MAX, false}, {1001, false}};
	struct sync_window w = {0, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (sync_is_new(&w, steps[i].number) != steps[i].is_new)
			fail_msg("step %zu", i);
}

/* As far ahead as the window is long: nothing of before is in it. */
static void test_a_window_ahead(void **state)
{
	struct sync_window w = {0};

	(void)state;
	for (uint64_t n = 1; n <= 3; n++)
		assert_true(sync_is_new(&w, n));
	assert_true(sync_is_new(&w, 3 + 64));
	for (uint64_t n = 3 + 63; n > 3; n--)
		assert_true(sync_is_new(&w, n));
	assert_false(sync_is_new(&w, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_bytes),
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_a_bit_that_changed),
		cmocka_unit_test(test_what_is_no_datagram),
		cmocka_unit_test(test_longer_records_are_read),
		cmocka_unit_test(test_records_that_cannot_be),
		cmocka_unit_test(test_numbers_come_once),
		cmocka_unit_test(test_a_window_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
