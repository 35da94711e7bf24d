/* SPDX-License-Identifier: BSD-3-Clause */
/* The flow hash against DPDK's own Toeplitz, which is what NICs compute. */
#include "base/hash.h"
#include "routes.h"

#include <rte_thash.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t softrss(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport, uint32_t words)
{
	uint32_t tuple[3] = {src, dst, (uint32_t)sport << 16 | dport};
	uint8_t key[HASH_RSS_KEY_MAX];

	hash_rss_key(key, 40);
	return rte_softrss(tuple, words, key);
}

static void test_is_toeplitz(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t a = random64(&seed), b = random64(&seed);
		uint32_t src = (uint32_t)a, dst = (uint32_t)(a >> 32);
		uint16_t sport = (uint16_t)b, dport = (uint16_t)(b >> 16);

		assert_int_equal(
			hash_flow(src, dst, sport, dport), softrss(src, dst, sport, dport, 3));
		assert_int_equal(hash_flow(src, dst, 0, 0), softrss(src, dst, 0, 0, 2));
		assert_int_equal(hash_flow_wire(__builtin_bswap32(src), __builtin_bswap32(dst),
					 __builtin_bswap16(sport), __builtin_bswap16(dport)),
			hash_flow(src, dst, sport, dport));
	}
}

/* What comes and what goes is one flow. */
static void test_is_symmetric(void **state)
{
	(void)state;
	assert_int_equal(hash_flow(0xc6120001, 0xc6120101, 1234, 80),
		hash_flow(0xc6120101, 0xc6120001, 80, 1234));
}

static void test_spreads(void **state)
{
	uint32_t hits[8] = {0};

	(void)state;
	for (uint16_t port = 1024; port < 1024 + 8000; port++)
		hits[hash_flow(0xc6120001, 0xc6120101, port, 80) & 7]++;
	for (int i = 0; i < 8; i++)
		assert_in_range(hits[i], 700, 1300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_toeplitz),
		cmocka_unit_test(test_is_symmetric),
		cmocka_unit_test(test_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
