/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP: checked, built, turned into a reply, and the packet that an error quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "fixtures.h"
#include "wire/eth_hdr.h"
#include "wire/icmp_hdr.h"

/* An echo request with len bytes in all; the caller frees it. */
static struct icmp_hdr *echo(size_t len)
{
	uint8_t *p = malloc(len);

	for (size_t i = ICMP_HDR_LEN; i < len; i++)
		p[i] = (uint8_t)i;
	icmp_hdr_build((struct icmp_hdr *)p, ICMP_TYPE_ECHO, 0, 0x12340007, len);
	return (struct icmp_hdr *)p;
}

/* As ping sends it: type 8, id 0x1234, seq 7, and a sum worked out by hand over the header. */
static void test_build(void **state)
{
	static const uint8_t wire[] = {8, 0, 0xe5, 0xc4, 0x12, 0x34, 0, 7};
	struct icmp_hdr *h = echo(ICMP_HDR_LEN);

	(void)state;
	assert_memory_equal(h, wire, sizeof(wire));
	assert_int_equal(from_be16(h->echo.id), 0x1234);
	assert_int_equal(from_be16(h->echo.seq), 7);
	free(h);
}

static void test_check(void **state)
{
	(void)state;
	for (size_t len = 8; len < 80; len++) {
		uint8_t *p = (uint8_t *)echo(len);

		assert_int_equal(icmp_hdr_check(p, len), ICMP_OK);
		for (size_t at = 0; at < len; at++) {
			p[at] ^= 0x10;
			assert_int_equal(icmp_hdr_check(p, len), ICMP_CSUM);
			p[at] ^= 0x10;
		}
		free(p);
	}
}

static void test_truncation(void **state)
{
	struct icmp_hdr *whole = echo(64);

	(void)state;
	for (size_t len = 0; len < 64; len++) {
		uint8_t *p = exact_copy(whole, len);

		assert_int_equal(icmp_hdr_check(p, len), len < 8 ? ICMP_SHORT : ICMP_CSUM);
		free(p);
	}
	free(whole);
}

static void test_echo_reply(void **state)
{
	(void)state;
	for (size_t len = 8; len < 80; len++) {
		struct icmp_hdr *h = echo(len);

		icmp_hdr_to_echo_reply(h);
		assert_int_equal(h->type, ICMP_TYPE_ECHO_REPLY);
		assert_int_equal(from_be32(h->rest), 0x12340007);
		assert_int_equal(icmp_hdr_check(h, len), ICMP_OK);
		free(h);
	}
}

/* With no data and sequence 0 every id, 0 among them, which leaves a reply of zeros alone. */
static void test_echo_reply_of_zeros(void **state)
{
	struct icmp_hdr *h = malloc(ICMP_HDR_LEN);

	(void)state;
	for (uint32_t id = 0; id <= 0xffff; id++) {
		icmp_hdr_build(h, ICMP_TYPE_ECHO, 0, id << 16, ICMP_HDR_LEN);
		icmp_hdr_to_echo_reply(h);
		assert_int_equal(icmp_hdr_check(h, ICMP_HDR_LEN), ICMP_OK);
	}
	free(h);
}

static void test_types(void **state)
{
	(void)state;
	for (uint32_t type = 0; type < 256; type++)
		assert_int_equal(icmp_type_is_error((uint8_t)type),
			type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

/* "Fragmentation needed" about the fixture: every truncation of the quote. */
static void test_quoted(void **state)
{
	uint8_t message[ICMP_HDR_LEN + 60];

	(void)state;
	memcpy(message + ICMP_HDR_LEN, tftp_read_request + ETH_HDR_LEN, 60);
	icmp_hdr_build((struct icmp_hdr *)message, ICMP_TYPE_UNREACH, ICMP_CODE_FRAG_NEEDED, 1400,
		sizeof(message));
	for (size_t len = ICMP_HDR_LEN; len <= sizeof(message); len++) {
		struct icmp_hdr *h = exact_copy(message, len);
		const struct ip4_hdr *ip = icmp_hdr_quoted(h, len);

		assert_int_equal(from_be16(h->unreach.mtu), 1400);
		assert_ptr_equal(ip, len < 36 ? NULL : (void *)(h + 1));
		free(h);
	}
}

static void test_quoted_headers(void **state)
{
	static const struct {
		const char *name;
		uint8_t type, version_ihl;
		size_t len; /* of the quote */
		bool ok;
	} cases[] = {
		{"IHL 5", ICMP_TYPE_TIME_EXCEEDED, 0x45, 28, true},
		{"not an error", ICMP_TYPE_ECHO, 0x45, 28, false},
		{"version 6", ICMP_TYPE_TIME_EXCEEDED, 0x65, 28, false},
		{"IHL 4", ICMP_TYPE_TIME_EXCEEDED, 0x44, 28, false},
		{"IHL 6 with 8 bytes", ICMP_TYPE_TIME_EXCEEDED, 0x46, 32, true},
		{"IHL 6 with 7 bytes", ICMP_TYPE_TIME_EXCEEDED, 0x46, 31, false},
		{"IHL 15 with 8 bytes", ICMP_TYPE_REDIRECT, 0x4f, 68, true},
		{"IHL 15 with 7 bytes", ICMP_TYPE_REDIRECT, 0x4f, 67, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t *p = calloc(1, ICMP_HDR_LEN + cases[i].len);
		struct icmp_hdr *h = (void *)p;

		h->type = cases[i].type;
		p[ICMP_HDR_LEN] = cases[i].version_ihl;
		if (!!icmp_hdr_quoted(h, ICMP_HDR_LEN + cases[i].len) != cases[i].ok)
			fail_msg("%s", cases[i].name);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_echo_reply),
		cmocka_unit_test(test_echo_reply_of_zeros),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_quoted_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
