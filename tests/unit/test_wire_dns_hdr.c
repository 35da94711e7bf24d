/* SPDX-License-Identifier: BSD-3-Clause */
/* One question over DNS, and what answers it: messages as bytes, in buffers exactly as long. */
#include "exact.h"
#include "wire/dns_hdr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void names(void **state)
{
	static const char *const good[] = {"a", "a.", ".", "www.example", "www.example.",
		"_a-b.c1"},
				 *const bad[] = {"", "..", ".a", "a..b", "a.."};
	char label[70] = {0}, longest[260] = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(dns_hdr_name_ok(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(dns_hdr_name_ok(bad[i]));
	memset(label, 'x', 63);
	assert_true(dns_hdr_name_ok(label));
	label[63] = 'x';
	assert_false(dns_hdr_name_ok(label));
	for (int i = 0; i < 253; i++)
		longest[i] = i % 2 ? '.' : 'x';
	assert_true(dns_hdr_name_ok(longest));
	longest[253] = '.';
	assert_true(dns_hdr_name_ok(longest));
	longest[254] = 'x';
	assert_false(dns_hdr_name_ok(longest));
}

static void a_query(void **state)
{
	static const uint8_t www[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\2ex\0\0\1\0\1";
	static const uint8_t root[] = "\x12\x34\x01\0\0\1\0\0\0\0\0\0\0\0\1\0\1";
	uint8_t to[DNS_QUERY_MAX];
	char longest[254] = {0};

	(void)state;
	assert_int_equal(dns_hdr_query(to, 0x1234, "www.ex"), sizeof(www) - 1);
	assert_memory_equal(to, www, sizeof(www) - 1);
	assert_int_equal(dns_hdr_query(to, 0x1234, "www.ex."), sizeof(www) - 1);
	assert_int_equal(dns_hdr_query(to, 0x1234, "."), sizeof(root) - 1);
	assert_memory_equal(to, root, sizeof(root) - 1);
	for (int i = 0; i < 253; i++)
		longest[i] = i % 2 ? '.' : 'x';
	assert_int_equal(dns_hdr_query(to, 1, longest), DNS_QUERY_MAX);
}

static void what_answers(void **state)
{
	const struct {
		const char *name;
		bool answers;
		uint8_t rcode;
		struct bytes message;
	} rows[] = {
#define ROW(n, yes, rcode, ...) {n, yes, rcode, BYTES(__VA_ARGS__)}
		ROW("a whole one", true, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a',
			0, 0, 1, 0, 1),
		ROW("with more behind", true, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 1,
			'a', 0, 0, 1, 0, 1, 0xc0, 12),
		ROW("in another case", true, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1,
			'A', 0, 0, 1, 0, 1),
		ROW("cut", true, 0, 0x12, 0x34, 0x83, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, 1,
			0, 1),
		ROW("NXDOMAIN", true, 3, 0x12, 0x34, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0,
			0, 1, 0, 1),
		ROW("FORMERR without a question", true, 1, 0x12, 0x34, 0x80, 0x01, 0, 0, 0, 0, 0, 0,
			0, 0),
		ROW("nothing asked, nothing wrong", false, 0, 0x12, 0x34, 0x80, 0, 0, 0, 0, 0, 0, 0,
			0, 0),
		ROW("another id", false, 0, 0x12, 0x35, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a',
			0, 0, 1, 0, 1),
		ROW("a query", false, 0, 0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0,
			0, 1, 0, 1),
		ROW("another opcode", false, 0, 0x12, 0x34, 0xa1, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1,
			'a', 0, 0, 1, 0, 1),
		ROW("another name", false, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1,
			'b', 0, 0, 1, 0, 1),
		ROW("another type", false, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 1,
			'a', 0, 0, 28, 0, 1),
		ROW("two questions", false, 0, 0x12, 0x34, 0x81, 0x80, 0, 2, 0, 0, 0, 0, 0, 0, 1,
			'a', 0, 0, 1, 0, 1),
		ROW("no whole question", false, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0,
			1, 'a', 0, 0, 1, 0),
		ROW("no whole header", false, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0),
	};
	uint8_t query[DNS_QUERY_MAX];
	uint32_t len = dns_hdr_query(query, 0x1234, "a");

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *copy = exact_copy(rows[i].message.at, rows[i].message.len), rcode = 0;
		bool yes = dns_hdr_answers(copy, (uint32_t)rows[i].message.len, query, len, &rcode);

		if (yes != rows[i].answers)
			print_error("%s\n", rows[i].name);
		assert_int_equal(yes, rows[i].answers);
		if (yes)
			assert_int_equal(rcode, rows[i].rcode);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(a_query),
		cmocka_unit_test(what_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
