/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP: the fixture [tftp-read-request], every truncation, lengths and checksums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "fixtures.h"
#include "wire/eth_hdr.h"
#include "wire/udp_hdr.h"

#define LEN 63

static const struct ip4_hdr *const ip = (const void *)(tftp_read_request + ETH_HDR_LEN);
static const uint8_t *const fixture = tftp_read_request + ETH_HDR_LEN + IP4_HDR_LEN;

static void test_fixture(void **state)
{
	uint8_t *p = exact_copy(fixture, LEN);
	struct udp_hdr *h = (void *)p;

	(void)state;
	assert_int_equal(udp_hdr_check(p, LEN), UDP_OK);
	assert_int_equal(udp_hdr_sport(h), 1492);
	assert_int_equal(udp_hdr_dport(h), 69);
	assert_int_equal(udp_hdr_data_len(h), 55);
	assert_true(udp_hdr_csum_ok(h, ip->src, ip->dst));
	assert_int_equal(ip4_hdr_pseudo(ip, LEN), csum_pseudo(ip->src, ip->dst, 17, LEN));

	udp_hdr_build(h, 1492, 69, 55);
	assert_int_equal(h->csum, 0);
	udp_hdr_csum_set(h, ip->src, ip->dst);
	assert_memory_equal(p, fixture, LEN);
	free(p);
}

static void test_truncation(void **state)
{
	(void)state;
	for (size_t len = 0; len <= LEN; len++) {
		uint8_t *p = exact_copy(fixture, len);

		assert_int_equal(udp_hdr_check(p, len), len < 8	    ? UDP_SHORT
							: len < LEN ? UDP_LENGTH
								    : UDP_OK);
		free(p);
	}
}

/* Every length field: what is accepted can be summed without reading past the end. */
static void test_lengths(void **state)
{
	uint8_t *p = exact_copy(fixture, LEN);
	struct udp_hdr *h = (void *)p;

	(void)state;
	for (uint32_t len = 0; len <= 0xffff; len++) {
		bool ok = len >= 8 && len <= LEN;

		h->len = to_be16((uint16_t)len);
		assert_int_equal(udp_hdr_check(p, LEN), ok ? UDP_OK : UDP_LENGTH);
		if (!ok)
			continue;
		assert_int_equal(udp_hdr_csum_ok(h, ip->src, ip->dst), len == LEN);
		assert_int_equal(udp_hdr_data_len(h), len - 8);
	}
	free(p);
}

static void test_bad_checksums(void **state)
{
	uint8_t *p = exact_copy(fixture, LEN);
	struct udp_hdr *h = (void *)p;

	(void)state;
	for (size_t at = 0; at < LEN; at++) {
		p[at] ^= 0x01;
		if (udp_hdr_check(p, LEN) == UDP_OK)
			assert_false(udp_hdr_csum_ok(h, ip->src, ip->dst));
		p[at] ^= 0x01;
	}
	assert_false(udp_hdr_csum_ok(h, ip->src ^ 1, ip->dst));
	assert_false(udp_hdr_csum_ok(h, ip->src, ip->dst ^ 1));
	h->csum = 0; /* none was made */
	assert_true(udp_hdr_csum_ok(h, ip->src, ip->dst));
	free(p);
}

/* Some data sum up to a checksum of 0; they travel as 0xffff and verify. */
static void test_zero_is_sent_as_ones(void **state)
{
	struct udp_hdr *h = malloc(UDP_HDR_LEN);
	uint32_t ones = 0;

	(void)state;
	for (uint32_t sport = 0; sport <= 0xffff; sport++) {
		udp_hdr_build(h, (uint16_t)sport, 53, 0);
		udp_hdr_csum_set(h, ip->src, ip->dst);
		assert_int_not_equal(h->csum, 0);
		assert_true(udp_hdr_csum_ok(h, ip->src, ip->dst));
		ones += h->csum == 0xffff;
	}
	assert_int_equal(ones, 1);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fixture),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_bad_checksums),
		cmocka_unit_test(test_zero_is_sent_as_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
