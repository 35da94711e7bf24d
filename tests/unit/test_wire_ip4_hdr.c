/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 headers: the two checkers held to each other, the accessors, the edits of a router. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exact.h"
#include "fixtures.h"
#include "wire/eth_hdr.h"
#include "wire/ip4_hdr.h"

static const uint8_t *const fixture = tftp_read_request + ETH_HDR_LEN;

/* Both checkers on len bytes at p; they must agree. */
static enum ip4_verdict check(const uint8_t *p, uint32_t len)
{
	enum ip4_verdict verdict = ip4_hdr_check(p, len);
	const struct ip4_hdr *h = (const void *)p;

	if (len >= IP4_HDR_LEN)
		assert_int_equal(ip4_hdr_unusual(h, len) == 0,
			verdict == IP4_OK && ip4_hdr_len(h) == IP4_HDR_LEN);
	return verdict;
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *name;
		size_t at; /* of the byte that is changed */
		uint8_t to;
		bool refresh; /* the checksum afterwards */
		uint32_t len;
		enum ip4_verdict verdict;
	} cases[] = {
		{"as it is", 0, 0x45, false, 83, IP4_OK},
		{"padding behind it", 0, 0x45, false, 84, IP4_OK},
		{"one byte missing", 0, 0x45, false, 82, IP4_LENGTH},
		{"a header alone", 0, 0x45, false, 20, IP4_LENGTH},
		{"19 bytes", 0, 0x45, false, 19, IP4_SHORT},
		{"nothing", 0, 0x45, false, 0, IP4_SHORT},
		{"version 6", 0, 0x65, true, 83, IP4_VERSION},
		{"version 0", 0, 0x05, true, 83, IP4_VERSION},
		{"version 5", 0, 0x55, true, 83, IP4_VERSION},
		{"IHL 0", 0, 0x40, false, 83, IP4_IHL},
		{"IHL 4", 0, 0x44, false, 83, IP4_IHL},
		{"IHL 6", 0, 0x46, true, 83, IP4_OK},
		{"IHL 15", 0, 0x4f, true, 83, IP4_OK},
		{"IHL 6, checksum over 20", 0, 0x46, false, 83, IP4_CSUM},
		{"total length 19", 3, 19, true, 83, IP4_LENGTH},
		{"total length 20", 3, 20, true, 83, IP4_OK},
		{"total length 0", 3, 0, true, 83, IP4_LENGTH},
		{"total length 84", 3, 84, true, 83, IP4_LENGTH},
		{"total length 339", 2, 1, true, 83, IP4_LENGTH},
		{"total length 65363", 2, 255, true, 83, IP4_LENGTH},
		{"type of service", 1, 0xff, true, 83, IP4_OK},
		{"reserved flag", 6, 0x80, true, 83, IP4_OK},
		{"TTL 0", 8, 0, true, 83, IP4_OK},
		{"checksum, high byte", 10, 0x26, false, 83, IP4_CSUM},
		{"checksum, low byte", 11, 0xed, false, 83, IP4_CSUM},
		{"source, not in the checksum", 12, 0xc1, false, 83, IP4_CSUM},
		{"destination, not in the checksum", 19, 0x02, false, 83, IP4_CSUM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t buf[84] = {0}, *p;

		memcpy(buf, fixture, 83);
		buf[cases[i].at] = cases[i].to;
		if (cases[i].refresh)
			ip4_hdr_csum_set((struct ip4_hdr *)buf);
		p = exact_copy(buf, cases[i].len);
		if (check(p, cases[i].len) != cases[i].verdict)
			fail_msg("%s: %d", cases[i].name, ip4_hdr_check(p, cases[i].len));
		free(p);
	}
}

static void test_truncation(void **state)
{
	(void)state;
	for (uint32_t len = 0; len <= 83; len++) {
		uint8_t *p = exact_copy(fixture, len);

		assert_int_equal(check(p, len), len < 20   ? IP4_SHORT
						: len < 83 ? IP4_LENGTH
							   : IP4_OK);
		free(p);
	}
}

/* Every length of header and of packet against every length of link payload. */
static void test_lengths(void **state)
{
	(void)state;
	for (uint32_t ihl = 0; ihl <= 15; ihl++) {
		for (uint32_t total_len = 0; total_len <= 70; total_len++) {
			uint8_t *p = calloc(1, 64);
			struct ip4_hdr *h = (void *)p;
			enum ip4_verdict want = ihl < 5		      ? IP4_IHL
						: total_len < ihl * 4 ? IP4_LENGTH
						: total_len > 64      ? IP4_LENGTH
								      : IP4_OK;

			h->version_ihl = (uint8_t)(0x40 | ihl);
			h->total_len = to_be16((uint16_t)total_len);
			ip4_hdr_csum_set(h);
			assert_int_equal(check(p, 64), want);
			free(p);
		}
	}
}

/* All 65,536 checksums, and the extremes of both lengths. */
static void test_checkers_agree_on_all_values(void **state)
{
	static uint8_t packet[IP4_PACKET_MAX];
	static const uint32_t link_lens[] = {20, 21, 46, 83, 1500, 32767, 32768, 65534, 65535};
	struct ip4_hdr *h = (void *)packet;

	(void)state;
	memcpy(packet, fixture, 20);
	for (uint32_t csum = 0; csum <= 0xffff; csum++) {
		h->csum = (be16)csum;
		assert_int_equal(check(packet, 83) == IP4_OK, csum == to_be16(0x25ec));
	}
	for (uint32_t total_len = 0; total_len <= 0xffff; total_len++) {
		h->total_len = to_be16((uint16_t)total_len);
		ip4_hdr_csum_set(h);
		for (size_t i = 0; i < sizeof(link_lens) / sizeof(*link_lens); i++)
			check(packet, link_lens[i]);
	}
}

static void test_checkers_agree_on_mutations(void **state)
{
	uint8_t *p = malloc(83);
	uint64_t rng = 5;
	int good = 0;

	(void)state;
	for (int round = 0; round < 300000; round++) {
		uint64_t r = seeded(&rng);

		memcpy(p, fixture, 83);
		p[r % 20] = (uint8_t)(r >> 8);
		if (r >> 16 & 1)
			p[(r >> 17) % 20] ^= (uint8_t)(1 << (r >> 24) % 8);
		if (r >> 32 & 1 && (p[0] & 15) >= 5)
			ip4_hdr_csum_set((struct ip4_hdr *)p);
		good += check(p, 83) == IP4_OK;
	}
	assert_in_range(good, 50000, 250000);
	free(p);
}

static void test_accessors(void **state)
{
	uint8_t *p = exact_copy(fixture, 83);
	const struct ip4_hdr *h = (const void *)p;

	(void)state;
	assert_int_equal(ip4_hdr_len(h), 20);
	assert_int_equal(ip4_hdr_total_len(h), 83);
	assert_int_equal(ip4_hdr_payload_len(h), 63);
	assert_ptr_equal(ip4_hdr_payload(h), p + 20);
	assert_int_equal(from_be16(h->id), 0x9325);
	assert_int_equal(h->ttl, 128);
	assert_int_equal(h->proto, IP4_PROTO_UDP);
	assert_int_equal(ip4_hdr_src(h), ip4_addr(192, 168, 0, 55));
	assert_int_equal(ip4_hdr_dst(h), ip4_addr(192, 168, 0, 1));
	assert_false(ip4_hdr_is_fragment(h));
	free(p);
}

static void test_fragment_field(void **state)
{
	static const struct {
		uint16_t frag;
		uint32_t offset;
		bool more, dont, part;
	} cases[] = {
		{0x0000, 0, false, false, false},
		{0x4000, 0, false, true, false},
		{0x8000, 0, false, false, false},
		{0x2000, 0, true, false, true},
		{0x0001, 8, false, false, true},
		{0x20b9, 1480, true, false, true},
		{0x1fff, 65528, false, false, true},
		{0xffff, 65528, true, true, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct ip4_hdr h = {.frag = to_be16(cases[i].frag)};

		assert_int_equal(ip4_hdr_frag_offset(&h), cases[i].offset);
		assert_int_equal(ip4_hdr_more_fragments(&h), cases[i].more);
		assert_int_equal(ip4_hdr_dont_fragment(&h), cases[i].dont);
		assert_int_equal(ip4_hdr_is_fragment(&h), cases[i].part);
	}
}

/* Every TTL with every identification, so with every checksum: as if computed anew. */
static void test_dec_ttl(void **state)
{
	struct ip4_hdr h, anew;

	(void)state;
	memcpy(&h, fixture, sizeof(h));
	for (uint32_t id = 0; id <= 0xffff; id++) {
		uint8_t ttl = (uint8_t)(1 + id % 255);

		h.id = (be16)id;
		h.ttl = ttl;
		ip4_hdr_csum_set(&h);
		ip4_hdr_dec_ttl(&h);
		anew = h;
		ip4_hdr_csum_set(&anew);
		assert_int_equal(h.ttl, ttl - 1);
		assert_int_equal(h.csum, anew.csum);
	}
}

static void test_edits_keep_the_checksum(void **state)
{
	uint64_t rng = 6;
	struct ip4_hdr h, anew;

	(void)state;
	memcpy(&h, fixture, sizeof(h));
	for (int round = 0; round < 100000; round++) {
		uint64_t r = seeded(&rng);

		ip4_hdr_set_src(&h, (uint32_t)r);
		ip4_hdr_set_dst(&h, (uint32_t)(r >> 32));
		ip4_hdr_set_total_len(&h, (uint16_t)(r >> 13));
		ip4_hdr_set_frag(&h, (uint16_t)(r >> 43));
		anew = h;
		ip4_hdr_csum_set(&anew);
		assert_int_equal(h.csum, anew.csum);
		assert_int_equal(ip4_hdr_src(&h), (uint32_t)r);
		assert_int_equal(ip4_hdr_dst(&h), (uint32_t)(r >> 32));
		assert_int_equal(ip4_hdr_total_len(&h), (uint16_t)(r >> 13));
		assert_int_equal(from_be16(h.frag), (uint16_t)(r >> 43));
	}
}

static void test_build_is_the_fixture(void **state)
{
	const struct ip4_fields f = {
		.total_len = 83,
		.id = 0x9325,
		.ttl = 128,
		.proto = IP4_PROTO_UDP,
		.src = ip4_addr(192, 168, 0, 55),
		.dst = ip4_addr(192, 168, 0, 1),
	};
	struct ip4_hdr *h = malloc(IP4_HDR_LEN);

	(void)state;
	ip4_hdr_build(h, &f);
	assert_memory_equal(h, fixture, IP4_HDR_LEN);
	free(h);
}

/* Each field in its place. */
static void test_build(void **state)
{
	static const uint8_t wire[] = {0x45, 0xc0, 0x01, 0x02, 0x03, 0x04, 0x40, 0x05, 0x06, 0x07,
		0, 0, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f};
	const struct ip4_fields f = {.total_len = 0x0102,
		.id = 0x0304,
		.frag = IP4_DF | 5,
		.tos = 0xc0,
		.ttl = 6,
		.proto = 7,
		.src = 0x08090a0b,
		.dst = 0x0c0d0e0f};
	struct ip4_hdr h, want;

	(void)state;
	memcpy(&want, wire, sizeof(want));
	ip4_hdr_csum_set(&want);
	ip4_hdr_build(&h, &f);
	assert_memory_equal(&h, &want, sizeof(h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_checkers_agree_on_all_values),
		cmocka_unit_test(test_checkers_agree_on_mutations),
		cmocka_unit_test(test_accessors),
		cmocka_unit_test(test_fragment_field),
		cmocka_unit_test(test_dec_ttl),
		cmocka_unit_test(test_edits_keep_the_checksum),
		cmocka_unit_test(test_build_is_the_fixture),
		cmocka_unit_test(test_build),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
