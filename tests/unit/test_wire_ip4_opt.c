/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 options: what is wrong and where, and what a forwarder writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "wire/ip4_opt.h"

#define ADDR_BYTES 198, 18, 1, 254
#define ADDR	   0xc61201fe
#define MS_BYTES   0x01, 0x02, 0x03, 0x04
#define MS	   0x01020304

/* A header with these options, padded with END, exactly as long as it says; the caller frees it. */
static struct ip4_hdr *with_options(struct bytes opts)
{
	uint8_t buf[IP4_HDR_LEN_MAX] = {0};
	size_t len = IP4_HDR_LEN + (opts.len + 3) / 4 * 4;
	struct ip4_hdr *h = (void *)buf;

	assert_true(len <= sizeof(buf));
	h->version_ihl = (uint8_t)(0x40 | len / 4);
	h->total_len = to_be16((uint16_t)len);
	h->ttl = 64;
	if (opts.len)
		memcpy(h + 1, opts.at, opts.len);
	ip4_hdr_csum_set(h);
	return exact_copy(buf, len);
}

static void test_check(void **state)
{
	const struct {
		const char *name;
		struct bytes opts;
		uint32_t fault;
		struct ip4_opts found;
	} cases[] = {
		{"none", {NULL, 0}, 0, {0}},
		{"END, then anything", BYTES(0, 7, 1, 0), 0, {0}},
		{"NOPs", BYTES(1, 1, 1, 1), 0, {0}},
		{"unknown, 2 bytes", BYTES(25, 2, 0, 0), 0, {0}},
		{"unknown, to the end", BYTES(25, 4, 9, 9), 0, {0}},
		{"unknown, length 0", BYTES(25, 0, 0, 0), 21, {0}},
		{"unknown, length 1", BYTES(1, 25, 1, 0), 22, {0}},
		{"unknown, beyond the header", BYTES(25, 5, 0, 0), 21, {0}},
		{"unknown, length 255", BYTES(25, 255, 0, 0), 21, {0}},
		{"a kind and no length", BYTES(1, 1, 1, 25), 23, {0}},

		{"record route", BYTES(7, 7, 4, 0, 0, 0, 0), 0, {.record_route = 20}},
		{"record route after NOP", BYTES(1, 7, 7, 4, 0, 0, 0, 0), 0, {.record_route = 21}},
		{"record route, full", BYTES(7, 7, 8, 9, 9, 9, 9), 0, {.record_route = 20}},
		{"record route, no data", BYTES(7, 3, 4), 0, {.record_route = 20}},
		{"record route, length 2", BYTES(7, 2, 4), 21, {.record_route = 20}},
		{"record route, pointer 0", BYTES(7, 7, 0, 0, 0, 0, 0), 22, {.record_route = 20}},
		{"record route, pointer 3", BYTES(7, 7, 3, 0, 0, 0, 0), 22, {.record_route = 20}},
		{"record route, pointer 255", BYTES(7, 7, 255, 0, 0, 0, 0), 0,
			{.record_route = 20}},
		{"record route, room for 3", BYTES(7, 7, 5, 0, 0, 0, 0), 22, {.record_route = 20}},
		{"record route, room for 1", BYTES(7, 7, 7, 0, 0, 0, 0), 22, {.record_route = 20}},
		{"record route twice", BYTES(7, 3, 4, 7, 3, 4), 23, {.record_route = 20}},

		{"LSRR", BYTES(131, 7, 4, 1, 2, 3, 4), 0, {.source_route = 20}},
		{"SSRR", BYTES(137, 7, 4, 1, 2, 3, 4), 0, {.source_route = 20}},
		{"LSRR, room for 2", BYTES(131, 7, 6, 1, 2, 3, 4), 22, {.source_route = 20}},
		{"LSRR and SSRR", BYTES(131, 3, 4, 137, 3, 4), 23, {.source_route = 20}},

		{"timestamp", BYTES(68, 8, 5, 0, 0, 0, 0, 0), 0, {.timestamp = 20}},
		{"timestamp, length 3", BYTES(68, 3, 5, 0), 21, {.timestamp = 20}},
		{"timestamp, pointer 4", BYTES(68, 8, 4, 0, 0, 0, 0, 0), 22, {.timestamp = 20}},
		{"timestamp, room for 3", BYTES(68, 8, 6, 0, 0, 0, 0, 0), 22, {.timestamp = 20}},
		{"timestamp, full", BYTES(68, 8, 9, 0xe0, 0, 0, 0, 0), 0, {.timestamp = 20}},
		{"timestamp, overflow full", BYTES(68, 8, 9, 0xf0, 0, 0, 0, 0), 23,
			{.timestamp = 20}},
		{"timestamp, overflow not in use", BYTES(68, 8, 5, 0xf0, 0, 0, 0, 0), 0,
			{.timestamp = 20}},
		{"timestamp and address, room for 4", BYTES(68, 8, 5, 1, 0, 0, 0, 0), 22,
			{.timestamp = 20}},
		{"timestamp prespecified, room for 4", BYTES(68, 8, 5, 3, 0, 0, 0, 0), 22,
			{.timestamp = 20}},
		{"timestamp prespecified, all stamped", BYTES(68, 4, 5, 0xf3), 0,
			{.timestamp = 20}},
		{"timestamp, unknown flag", BYTES(68, 8, 5, 9, 0, 0, 0, 0), 0, {.timestamp = 20}},
		{"timestamp twice", BYTES(68, 4, 5, 0, 68, 4, 5, 0), 24, {.timestamp = 20}},

		{"router alert", BYTES(148, 4, 0, 0), 0, {.router_alert = 20}},
		{"router alert, reserved value", BYTES(148, 4, 0, 1), 0, {0}},
		{"router alert, length 3", BYTES(148, 3, 0), 21, {0}},
		{"router alert, length 5", BYTES(148, 5, 0, 0, 0), 21, {0}},
		{"everything", BYTES(1, 131, 3, 4, 68, 4, 5, 3, 148, 4, 0, 0, 7, 3, 4, 25, 2), 0,
			{.source_route = 21,
				.timestamp = 24,
				.router_alert = 28,
				.record_route = 32}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ip4_hdr *h = with_options(cases[i].opts);
		struct ip4_opts found;
		uint32_t fault = ip4_opt_check(h, &found);

		if (fault != cases[i].fault || memcmp(&found, &cases[i].found, sizeof(found)))
			fail_msg("%s: %u", cases[i].name, fault);
		free(h);
	}
}

/* Each length and pointer of the kinds with a pointer: no fault means that writing is safe. */
static void test_what_passes_is_safe_to_write(void **state)
{
	static const uint8_t kinds[] = {
		IP4_OPT_RECORD_ROUTE, IP4_OPT_TIMESTAMP, IP4_OPT_LSRR, IP4_OPT_SSRR};

	(void)state;
	for (uint32_t i = 0; i < sizeof(kinds) << 16; i++) {
		uint8_t opts[12] = {IP4_OPT_NOP, kinds[i >> 16], (uint8_t)i, (uint8_t)(i >> 8),
			(uint8_t)(i * 7 & 0xf3)};
		struct ip4_hdr *h = with_options((struct bytes){opts, sizeof(opts)});
		struct ip4_opts found;

		if (ip4_opt_check(h, &found) == 0) {
			ip4_opt_record_route(h, &found, ADDR);
			ip4_opt_timestamp(h, &found, ip4_opt_timestamp_wants(h, &found), MS);
		}
		free(h);
	}
}

static void test_record_route(void **state)
{
	const struct {
		const char *name;
		struct bytes before, after;
		bool changed;
	} cases[] = {
		{"first", BYTES(7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0),
			BYTES(7, 11, 8, ADDR_BYTES, 0, 0, 0, 0), true},
		{"second", BYTES(7, 11, 8, 1, 2, 3, 4, 0, 0, 0, 0),
			BYTES(7, 11, 12, 1, 2, 3, 4, ADDR_BYTES), true},
		{"full", BYTES(7, 7, 8, 1, 2, 3, 4), BYTES(7, 7, 8, 1, 2, 3, 4), false},
		{"none", BYTES(1, 1, 1, 1), BYTES(1, 1, 1, 1), false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ip4_hdr *h = with_options(cases[i].before);
		struct ip4_opts found;

		assert_int_equal(ip4_opt_check(h, &found), 0);
		if (ip4_opt_record_route(h, &found, ADDR) != cases[i].changed ||
			memcmp(h + 1, cases[i].after.at, cases[i].after.len))
			fail_msg("%s", cases[i].name);
		free(h);
	}
}

static void test_timestamp(void **state)
{
	const struct {
		const char *name;
		struct bytes before, after;
		uint32_t wants;
		bool changed;
	} cases[] = {
		{"time only", BYTES(68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0),
			BYTES(68, 12, 9, 0, MS_BYTES, 0, 0, 0, 0), 0, true},
		{"time only, second", BYTES(68, 12, 9, 0, 9, 9, 9, 9, 0, 0, 0, 0),
			BYTES(68, 12, 13, 0, 9, 9, 9, 9, MS_BYTES), 0, true},
		{"address and time", BYTES(68, 12, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0),
			BYTES(68, 12, 13, 1, ADDR_BYTES, MS_BYTES), 0, true},
		{"prespecified, ours", BYTES(68, 12, 5, 3, ADDR_BYTES, 0, 0, 0, 0),
			BYTES(68, 12, 13, 3, ADDR_BYTES, MS_BYTES), ADDR, true},
		{"prespecified, another's", BYTES(68, 12, 5, 3, 9, 9, 9, 9, 0, 0, 0, 0),
			BYTES(68, 12, 5, 3, 9, 9, 9, 9, 0, 0, 0, 0), 0x09090909, false},
		{"prespecified, all stamped", BYTES(68, 12, 13, 3, ADDR_BYTES, 0, 0, 0, 0),
			BYTES(68, 12, 13, 3, ADDR_BYTES, 0, 0, 0, 0), 0, false},
		{"full", BYTES(68, 8, 9, 0x20, 9, 9, 9, 9), BYTES(68, 8, 9, 0x30, 9, 9, 9, 9), 0,
			true},
		{"full, with addresses", BYTES(68, 4, 5, 0xe1), BYTES(68, 4, 5, 0xf1), 0, true},
		{"unknown flag", BYTES(68, 8, 5, 2, 0, 0, 0, 0), BYTES(68, 8, 5, 2, 0, 0, 0, 0), 0,
			false},
		{"none", BYTES(1, 1, 1, 1), BYTES(1, 1, 1, 1), 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ip4_hdr *h = with_options(cases[i].before);
		struct ip4_opts found;

		assert_int_equal(ip4_opt_check(h, &found), 0);
		assert_int_equal(ip4_opt_timestamp_wants(h, &found), cases[i].wants);
		if (ip4_opt_timestamp(h, &found, ADDR, MS) != cases[i].changed ||
			memcmp(h + 1, cases[i].after.at, cases[i].after.len))
			fail_msg("%s", cases[i].name);
		free(h);
	}
}

static void test_fragment_header(void **state)
{
	const struct {
		const char *name;
		struct bytes first, later;
	} cases[] = {
		{"none", {NULL, 0}, {NULL, 0}},
		{"NOPs and END", BYTES(1, 1, 0, 131), {NULL, 0}},
		{"nothing that is copied", BYTES(7, 7, 4, 0, 0, 0, 0), {NULL, 0}},
		{"router alert after record route", BYTES(7, 3, 4, 148, 4, 0, 0),
			BYTES(148, 4, 0, 0)},
		{"padded", BYTES(1, 131, 7, 4, 1, 2, 3, 4), BYTES(131, 7, 4, 1, 2, 3, 4, 0)},
		{"unknown, copied and not", BYTES(0x9e, 3, 9, 0x1e, 3, 8, 0x9f, 2),
			BYTES(0x9e, 3, 9, 0x9f, 2, 0, 0, 0)},
		{"40 bytes copied",
			BYTES(0x9e, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0,
				1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8),
			BYTES(0x9e, 40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0,
				1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ip4_hdr *first = with_options(cases[i].first);
		struct ip4_hdr *later = malloc(ip4_hdr_len(first));
		size_t want = IP4_HDR_LEN + cases[i].later.len;
		struct ip4_opts found;

		memset(later, 0x5a, ip4_hdr_len(first));
		assert_int_equal(ip4_opt_check(first, &found), 0);
		if (ip4_opt_fragment_hdr(later, first) != want || ip4_hdr_len(later) != want ||
			memcmp(later + 1, cases[i].later.at ? cases[i].later.at : (void *)"",
				cases[i].later.len))
			fail_msg("%s", cases[i].name);
		assert_memory_equal((uint8_t *)later + 1, (uint8_t *)first + 1, IP4_HDR_LEN - 1);
		free(first);
		free(later);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_what_passes_is_safe_to_write),
		cmocka_unit_test(test_record_route),
		cmocka_unit_test(test_timestamp),
		cmocka_unit_test(test_fragment_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
