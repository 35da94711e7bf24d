/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet headers and hardware addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "fixtures.h"
#include "wire/eth_hdr.h"

static const uint8_t request_src[] = {0x00, 0x05, 0x5d, 0x61, 0x58, 0xa8};

static void test_header(void **state)
{
	uint8_t *p = exact_copy(arp_exchange_request, ETH_HDR_LEN);
	const struct eth_hdr *h = (const void *)p;
	struct eth_hdr built;

	(void)state;
	assert_int_equal(eth_hdr_type(h), ETH_TYPE_ARP);
	assert_true(eth_hdr_dst(h) == ETH_U48_MASK);
	assert_true(eth_hdr_dst(h) == eth_mac_u48(h->dst));
	assert_true(eth_hdr_src(h) == 0xa858615d0500);
	assert_true(eth_hdr_src(h) == eth_mac_u48(h->src));
	eth_hdr_build(&built, h->dst, request_src, ETH_TYPE_ARP);
	assert_memory_equal(&built, p, ETH_HDR_LEN);
	free(p);
}

static void test_u48_and_back(void **state)
{
	uint8_t *mac = exact_copy(request_src, ETH_MAC_LEN);
	uint8_t *back = exact_copy("\0\0\0\0\0\0", ETH_MAC_LEN);

	(void)state;
	eth_mac_store(back, eth_mac_u48(mac));
	assert_memory_equal(back, mac, ETH_MAC_LEN);
	free(mac);
	free(back);
}

static void test_kinds(void **state)
{
	static const struct {
		uint8_t mac[ETH_MAC_LEN];
		bool group, broadcast, zero, unicast;
	} cases[] = {
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true, true, false, false},
		{{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01}, true, false, false, false},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, true, false, false, false},
		{{0x00, 0x00, 0x00, 0x00, 0x00, 0x00}, false, false, true, false},
		{{0x00, 0x00, 0x00, 0x00, 0x00, 0x01}, false, false, false, true},
		{{0x02, 0x00, 0x00, 0x00, 0x00, 0x00}, false, false, false, true},
		{{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}, false, false, false, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(eth_is_group(cases[i].mac), cases[i].group);
		assert_int_equal(eth_is_broadcast(cases[i].mac), cases[i].broadcast);
		assert_int_equal(eth_is_zero(cases[i].mac), cases[i].zero);
		assert_int_equal(eth_is_unicast(cases[i].mac), cases[i].unicast);
	}
}

static void test_text(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{"00:05:5d:61:58:a8", true},
		{"00:05:5D:61:58:A8", true},
		{"", false},
		{"0", false},
		{"00", false},
		{"00:", false},
		{"00:05:5d:61:58", false},
		{"00:05:5d:61:58:", false},
		{"00:05:5d:61:58:a", false},
		{"00:05:5d:61:58:a8:", false},
		{"00:05:5d:61:58:a80", false},
		{"00:05:5d:61:58:a8 ", false},
		{" 00:05:5d:61:58:a8", false},
		{"0:5:5d:61:58:a8", false},
		{"00-05-5d-61-58-a8", false},
		{"00:05:5d:61:58:ag", false},
		{"00:05:5d:61:58:@8", false},
		{"00:05:5d:61:58:\xe1g", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *text = exact_copy(cases[i].text, strlen(cases[i].text) + 1);
		uint8_t mac[ETH_MAC_LEN] = {1, 2, 3, 4, 5, 6};
		char again[ETH_MAC_TEXT];

		if (eth_mac_parse(text, mac) != cases[i].ok)
			fail_msg("\"%s\"", text);
		if (cases[i].ok) {
			assert_memory_equal(mac, request_src, ETH_MAC_LEN);
			assert_string_equal(eth_mac_text(mac, again), "00:05:5d:61:58:a8");
		} else {
			assert_memory_equal(mac, "\1\2\3\4\5\6", ETH_MAC_LEN);
		}
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_u48_and_back),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
