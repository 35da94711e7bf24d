/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum against the definition of RFC 1071, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/csum.h"

/* RFC 1071 1: big-endian words, a zero after an odd byte, carries brought round one by one. */
static uint16_t sum_by_definition(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return (uint16_t)sum;
}

static void fill(uint8_t *p, size_t len, int pattern, uint64_t *rng)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern == 0 ? 0 : pattern == 1 ? 0xff : (uint8_t)seeded(rng);
}

static void test_rfc1071_example(void **state)
{
	static const uint8_t words[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

	(void)state;
	assert_int_equal(from_be16((be16)csum_add(words, sizeof(words), 0)), 0xddf2);
	assert_int_equal(from_be16(csum_fold(csum_add(words, sizeof(words), 0))), 0x220d);
}

static void test_every_length_and_alignment(void **state)
{
	uint64_t rng = 1;

	(void)state;
	for (int pattern = 0; pattern < 3; pattern++) {
		for (size_t len = 0; len < 300; len++) {
			size_t skip = len % 9;
			uint8_t *p = malloc(skip + len);
			uint32_t sum;

			fill(p, skip + len, pattern, &rng);
			sum = csum_add(p + skip, len, 0);
			assert_in_range(sum, 0, 0xffff);
			assert_int_equal(from_be16((be16)sum), sum_by_definition(p + skip, len, 0));
			free(p);
		}
	}
}

static void test_long_data(void **state)
{
	static uint8_t data[70000];
	uint64_t rng = 2;

	(void)state;
	for (int pattern = 0; pattern < 3; pattern++) {
		fill(data, sizeof(data), pattern, &rng);
		assert_int_equal(from_be16((be16)csum_add(data, sizeof(data), 0)),
			sum_by_definition(data, sizeof(data), 0));
	}
}

static void test_chunks(void **state)
{
	uint8_t data[99];
	uint64_t rng = 3;
	be16 whole;

	(void)state;
	fill(data, sizeof(data), 2, &rng);
	whole = csum_fold(csum_add(data, sizeof(data), 0));
	for (size_t cut = 0; cut <= sizeof(data); cut++) {
		uint32_t head = csum_add(data, cut, 0);
		uint32_t tail = csum_add(data + cut, sizeof(data) - cut, 0);

		if (cut % 2)
			tail = csum_at_odd(tail);
		else
			assert_int_equal(
				csum_fold(csum_add(data + cut, sizeof(data) - cut, head)), whole);
		assert_int_equal(csum_fold(head + tail), whole);
	}
}

static void test_folds(void **state)
{
	static const struct {
		uint64_t sum;
		uint32_t folded;
	} cases[] = {
		{0, 0},
		{1, 1},
		{0xffff, 0xffff},
		{0x10000, 1},
		{0x1fffe, 0xffff},
		{0xffffffff, 0xffff},
		{0x100000000, 1},
		{0xffff0000ffff0001, 1},
		{0xfffffffffffffffe, 0xfffe},
		{0xffffffffffffffff, 0xffff},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(csum_fold64(cases[i].sum), cases[i].folded);
		if (cases[i].sum <= UINT32_MAX)
			assert_int_equal(
				csum_fold((uint32_t)cases[i].sum), (uint16_t)~cases[i].folded);
	}
	assert_true(csum_plus(UINT64_MAX, UINT64_MAX) == UINT64_MAX);
	assert_true(csum_plus(UINT64_MAX, 1) == 1);
}

static void test_pseudo_header(void **state)
{
	/* 192.168.0.55 to 192.168.0.1, UDP, 63 bytes, as RFC 768 draws it. */
	static const uint8_t pseudo[] = {192, 168, 0, 55, 192, 168, 0, 1, 0, 17, 0, 63};

	(void)state;
	assert_int_equal(csum_pseudo(load32(pseudo), load32(pseudo + 4), 17, 63),
		csum_add(pseudo, sizeof(pseudo), 0));
	assert_in_range(csum_pseudo(UINT32_MAX, UINT32_MAX, 255, 65535), 0, 0xffff);
}

/* RFC 1624 4: with equation 4 this one came out as 0xffff. */
static void test_rfc1624_example(void **state)
{
	(void)state;
	assert_int_equal(
		csum_update16(to_be16(0xdd2f), to_be16(0x5555), to_be16(0x3285)), to_be16(0x0000));
}

static void test_update_is_the_whole_computation(void **state)
{
	uint8_t data[20];
	uint64_t rng = 4;

	(void)state;
	for (int round = 0; round < 20; round++) {
		be16 csum, old;
		be32 old32, new32 = (be32)seeded(&rng);

		fill(data, sizeof(data), 2, &rng);
		csum = csum_fold(csum_add(data, sizeof(data), 0));
		old = load16(data + 6);
		for (uint32_t new = 0; new <= 0xffff; new ++) {
			store16(data + 6, (be16) new);
			assert_int_equal(csum_update16(csum, old, (be16) new),
				csum_fold(csum_add(data, sizeof(data), 0)));
		}
		store16(data + 6, old);
		old32 = load32(data + 12);
		store32(data + 12, new32);
		assert_int_equal(csum_update32(csum, old32, new32),
			csum_fold(csum_add(data, sizeof(data), 0)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc1071_example),
		cmocka_unit_test(test_every_length_and_alignment),
		cmocka_unit_test(test_long_data),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_folds),
		cmocka_unit_test(test_pseudo_header),
		cmocka_unit_test(test_rfc1624_example),
		cmocka_unit_test(test_update_is_the_whole_computation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
