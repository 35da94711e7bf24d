/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP and RARP: the fixture [arp-exchange], every truncation, each field wrong in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "fixtures.h"
#include "wire/arp_hdr.h"
#include "wire/ip4_addr.h"

static const uint8_t client_mac[] = {0x00, 0x05, 0x5d, 0x61, 0x58, 0xa8};
static const uint8_t our_mac[] = {0x00, 0x05, 0x5d, 0xa1, 0xb8, 0x40};
static const uint8_t broadcast[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static void test_check(void **state)
{
	static const struct {
		const char *name;
		size_t at; /* of the byte that is changed */
		uint8_t to;
		enum arp_verdict verdict;
	} cases[] = {
		{"as it is", 0, 0x00, ARP_OK},
		{"htype, high byte", 0, 0x01, ARP_HTYPE},
		{"htype 6", 1, 0x06, ARP_HTYPE},
		{"ptype, high byte", 2, 0x86, ARP_PTYPE},
		{"ptype, low byte", 3, 0x06, ARP_PTYPE},
		{"hlen 0", 4, 0, ARP_LENGTHS},
		{"hlen 8", 4, 8, ARP_LENGTHS},
		{"plen 0", 5, 0, ARP_LENGTHS},
		{"plen 16", 5, 16, ARP_LENGTHS},
		{"op 0", 7, 0, ARP_OP},
		{"op 2", 7, ARP_REPLY, ARP_OK},
		{"op 3", 7, RARP_REQUEST, ARP_OK},
		{"op 4", 7, RARP_REPLY, ARP_OK},
		{"op 5", 7, 5, ARP_OP},
		{"op 0x0101", 6, 1, ARP_OP},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t *p = exact_copy(arp_exchange_request + ETH_HDR_LEN, ARP_HDR_LEN);

		p[cases[i].at] = cases[i].to;
		if (arp_hdr_check(p, ARP_HDR_LEN) != cases[i].verdict)
			fail_msg("%s", cases[i].name);
		free(p);
	}
}

static void test_truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len <= sizeof(arp_exchange_request) - ETH_HDR_LEN; len++) {
		uint8_t *p = exact_copy(arp_exchange_request + ETH_HDR_LEN, len);

		assert_int_equal(arp_hdr_check(p, len), len < ARP_HDR_LEN ? ARP_SHORT : ARP_OK);
		free(p);
	}
}

static void test_accessors(void **state)
{
	const struct arp_hdr *h = (const void *)(arp_exchange_request + ETH_HDR_LEN);

	(void)state;
	assert_int_equal(arp_hdr_op(h), ARP_REQUEST);
	assert_int_equal(arp_hdr_spa(h), ip4_addr(192, 168, 0, 55));
	assert_int_equal(arp_hdr_tpa(h), ip4_addr(192, 168, 0, 2));
}

static void test_request_is_the_fixture(void **state)
{
	uint8_t *frame = exact_copy(arp_exchange_reply, ETH_MIN_FRAME);
	struct arp_hdr h;

	(void)state;
	arp_hdr_request(&h, client_mac, ip4_addr(192, 168, 0, 55), ip4_addr(192, 168, 0, 2));
	arp_hdr_frame(frame, broadcast, &h);
	assert_memory_equal(frame, arp_exchange_request, ETH_MIN_FRAME);
	free(frame);
}

static void test_reply_is_the_fixture(void **state)
{
	uint8_t *p = exact_copy(arp_exchange_request + ETH_HDR_LEN, ARP_HDR_LEN);
	struct arp_hdr *h = (void *)p;
	uint8_t frame[ETH_MIN_FRAME];

	(void)state;
	arp_hdr_to_reply(h, our_mac);
	arp_hdr_frame(frame, h->tha, h);
	assert_memory_equal(frame, arp_exchange_reply, ETH_MIN_FRAME);
	free(p);
}

/* RFC 903: who am I, asked of everybody; the answer names the server as sender. */
static void test_rarp(void **state)
{
	uint8_t frame[ETH_MIN_FRAME];
	struct arp_hdr h, want;

	(void)state;
	arp_hdr_build(&h, RARP_REQUEST, client_mac, 0, client_mac, 0);
	arp_hdr_frame(frame, broadcast, &h);
	assert_int_equal(eth_hdr_type((const struct eth_hdr *)frame), ETH_TYPE_RARP);
	assert_int_equal(arp_hdr_check(frame + ETH_HDR_LEN, ARP_HDR_LEN), ARP_OK);

	arp_hdr_to_rarp_reply(&h, ip4_addr(192, 168, 0, 55), our_mac, ip4_addr(192, 168, 0, 2));
	arp_hdr_build(&want, RARP_REPLY, our_mac, ip4_addr(192, 168, 0, 2), client_mac,
		ip4_addr(192, 168, 0, 55));
	assert_memory_equal(&h, &want, ARP_HDR_LEN);
	arp_hdr_frame(frame, h.tha, &h);
	assert_memory_equal(frame, client_mac, ETH_MAC_LEN);
	assert_memory_equal(frame + ETH_MAC_LEN, our_mac, ETH_MAC_LEN);
	assert_int_equal(eth_hdr_type((const struct eth_hdr *)frame), ETH_TYPE_RARP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_request_is_the_fixture),
		cmocka_unit_test(test_reply_is_the_fixture),
		cmocka_unit_test(test_rarp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
