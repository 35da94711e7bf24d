/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 addresses: what they are, and as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/ip4_addr.h"

enum { ZERO = 1, LOOP = 2, MULTI = 4, E = 8, BCAST = 16, LINK = 32, BAD_SRC = 64, BAD_DST = 128 };

static uint32_t kinds(uint32_t a)
{
	return (ip4_is_zero_net(a) ? ZERO : 0) | (ip4_is_loopback(a) ? LOOP : 0) |
	       (ip4_is_multicast(a) ? MULTI : 0) | (ip4_is_class_e(a) ? E : 0) |
	       (ip4_is_broadcast(a) ? BCAST : 0) | (ip4_is_link_local(a) ? LINK : 0) |
	       (ip4_src_is_martian(a) ? BAD_SRC : 0) | (ip4_dst_is_martian(a) ? BAD_DST : 0);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *addr;
		uint32_t kinds;
	} cases[] = {
		{"0.0.0.0", ZERO | BAD_SRC | BAD_DST},
		{"0.255.255.255", ZERO | BAD_SRC | BAD_DST},
		{"1.0.0.0", 0},
		{"10.1.2.3", 0},
		{"126.255.255.255", 0},
		{"127.0.0.0", LOOP | BAD_SRC | BAD_DST},
		{"127.255.255.255", LOOP | BAD_SRC | BAD_DST},
		{"128.0.0.0", 0},
		{"169.253.255.255", 0},
		{"169.254.0.0", LINK},
		{"169.254.255.255", LINK},
		{"169.255.0.0", 0},
		{"223.255.255.255", 0},
		{"224.0.0.0", MULTI | BAD_SRC},
		{"239.255.255.255", MULTI | BAD_SRC},
		{"240.0.0.0", E | BAD_SRC | BAD_DST},
		{"255.255.255.254", E | BAD_SRC | BAD_DST},
		{"255.255.255.255", E | BCAST | BAD_SRC},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint32_t addr;

		assert_true(ip4_addr_parse(cases[i].addr, &addr));
		if (kinds(addr) != cases[i].kinds)
			fail_msg("%s: 0x%x", cases[i].addr, kinds(addr));
	}
}

static void test_address_text(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint32_t addr;
	} cases[] = {
		{"0.0.0.0", true, 0},
		{"198.18.0.254", true, 0xc61200fe},
		{"255.255.255.255", true, 0xffffffff},
		{"1.2.3.4", true, 0x01020304},
		{"100.10.1.99", true, 0x640a0163},
		{"", false},
		{"1", false},
		{"1.2.3", false},
		{"1.2.3.", false},
		{"1.2.3.4.", false},
		{"1.2.3.4.5", false},
		{".1.2.3.4", false},
		{"1..2.3", false},
		{"256.0.0.1", false},
		{"1.2.3.999", false},
		{"1.2.3.4294967297", false},
		{"01.2.3.4", false},
		{"1.2.3.00", false},
		{"1.2.3.4 ", false},
		{" 1.2.3.4", false},
		{"+1.2.3.4", false},
		{"-1.2.3.4", false},
		{"0x1.2.3.4", false},
		{"1.2.3.4/24", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = exact_copy(cases[i].text, strlen(cases[i].text) + 1);
		uint32_t addr = 0x5a5a5a5a;
		char again[IP4_ADDR_TEXT];

		if (ip4_addr_parse(text, &addr) != cases[i].ok)
			fail_msg("\"%s\"", text);
		assert_int_equal(addr, cases[i].ok ? cases[i].addr : 0x5a5a5a5a);
		if (cases[i].ok)
			assert_string_equal(ip4_addr_text(addr, again), text);
		free(text);
	}
}

static void test_prefix_text(void **state)
{
	static const struct {
		const char *text;
		enum ip4_prefix_verdict verdict;
		uint32_t addr;
		uint8_t len;
	} cases[] = {
		{"0.0.0.0/0", IP4_PREFIX_OK, 0, 0},
		{"198.18.0.0/15", IP4_PREFIX_OK, 0xc6120000, 15},
		{"10.0.0.1/32", IP4_PREFIX_OK, 0x0a000001, 32},
		{"128.0.0.0/1", IP4_PREFIX_OK, 0x80000000, 1},
		{"198.18.0.254/24", IP4_PREFIX_HOST_BITS, 0xc61200fe, 24},
		{"0.0.0.1/0", IP4_PREFIX_HOST_BITS, 1, 0},
		{"10.0.0.1/31", IP4_PREFIX_HOST_BITS, 0x0a000001, 31},
		{"", IP4_PREFIX_ADDR},
		{"/24", IP4_PREFIX_ADDR},
		{"10.0.0/8", IP4_PREFIX_ADDR},
		{"10.0.0.256/8", IP4_PREFIX_ADDR},
		{"10.0.0.0.0/8", IP4_PREFIX_ADDR},
		{"10.0.0.0", IP4_PREFIX_LEN},
		{"10.0.0.0/", IP4_PREFIX_LEN},
		{"10.0.0.0/33", IP4_PREFIX_LEN},
		{"10.0.0.0/4294967304", IP4_PREFIX_LEN},
		{"10.0.0.0/08", IP4_PREFIX_LEN},
		{"10.0.0.0/-8", IP4_PREFIX_LEN},
		{"10.0.0.0/8 ", IP4_PREFIX_LEN},
		{"10.0.0.0/255.0.0.0", IP4_PREFIX_LEN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = exact_copy(cases[i].text, strlen(cases[i].text) + 1);
		struct ip4_prefix p = {0x5a5a5a5a, 99};
		char again[IP4_PREFIX_TEXT];
		enum ip4_prefix_verdict verdict = ip4_prefix_parse(text, &p);

		if (verdict != cases[i].verdict)
			fail_msg("\"%s\": %d", text, verdict);
		if (verdict == IP4_PREFIX_OK || verdict == IP4_PREFIX_HOST_BITS) {
			assert_int_equal(p.addr, cases[i].addr);
			assert_int_equal(p.len, cases[i].len);
			assert_string_equal(ip4_prefix_text(p, again), text);
		} else {
			assert_int_equal(p.len, 99);
		}
		free(text);
	}
}

static void test_masks(void **state)
{
	const struct ip4_prefix net = {0xc6120000, 15}, all = {0, 0}, host = {0x0a000001, 32};

	(void)state;
	assert_int_equal(ip4_mask(0), 0);
	assert_int_equal(ip4_mask(1), 0x80000000);
	assert_int_equal(ip4_mask(24), 0xffffff00);
	assert_int_equal(ip4_mask(32), 0xffffffff);
	assert_true(ip4_prefix_has(net, ip4_addr(198, 19, 255, 255)));
	assert_false(ip4_prefix_has(net, ip4_addr(198, 20, 0, 0)));
	assert_true(ip4_prefix_has(all, 0xffffffff));
	assert_true(ip4_prefix_has(host, 0x0a000001));
	assert_false(ip4_prefix_has(host, 0x0a000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_address_text),
		cmocka_unit_test(test_prefix_text),
		cmocka_unit_test(test_masks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
