/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 headers and options: the two checkers agree; whatever passes can be stamped, sent on and
 * cut into fragments, and still passes afterwards.
 */
#include "exact.h"
#include "property.h"
#include "wire/ip4_opt.h"

#define ADDR 0xc61200fe

static enum ip4_verdict check(const uint8_t *p, size_t len)
{
	enum ip4_verdict verdict = ip4_hdr_check(p, len);
	const struct ip4_hdr *h = (const void *)p;

	if (len >= IP4_HDR_LEN)
		HOLDS((ip4_hdr_unusual(h, (uint32_t)len) == 0) ==
			(verdict == IP4_OK && ip4_hdr_len(h) == IP4_HDR_LEN));
	return verdict;
}

static void check_fragment(const struct ip4_hdr *h)
{
	struct ip4_hdr *later = malloc(ip4_hdr_len(h));
	uint32_t len = ip4_opt_fragment_hdr(later, h);
	struct ip4_opts found;

	HOLDS(len == ip4_hdr_len(later) && len <= ip4_hdr_len(h) && len % 4 == 0);
	HOLDS(ip4_opt_check(later, &found) == 0);
	HOLDS(!found.record_route && !found.timestamp);
	free(later);
}

static void forward(struct ip4_hdr *h)
{
	struct ip4_opts found, again;
	uint32_t fault = ip4_opt_check(h, &found);

	if (fault) {
		HOLDS(fault >= IP4_HDR_LEN && fault < ip4_hdr_len(h));
		return;
	}
	check_fragment(h);
	ip4_opt_record_route(h, &found, ADDR);
	if (ip4_opt_timestamp_wants(h, &found))
		HOLDS(ip4_opt_timestamp(h, &found, ip4_opt_timestamp_wants(h, &found), 1));
	else
		ip4_opt_timestamp(h, &found, ADDR, 1);
	/* Our count may be the last that the overflow field holds: the next router's fault. */
	if (ip4_opt_check(h, &again) == 0)
		HOLDS(memcmp(&found, &again, sizeof(found)) == 0);
	ip4_hdr_csum_set(h);
	if (h->ttl)
		ip4_hdr_dec_ttl(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ip4_hdr *h;

	check(data, size);
	if (size < IP4_HDR_LEN)
		return 0;
	h = exact_copy(data, size);
	if (ip4_hdr_len(h) >= IP4_HDR_LEN && ip4_hdr_len(h) <= size)
		ip4_hdr_csum_set(h); /* else nearly no input gets past the checksum */
	if (check((uint8_t *)h, size) == IP4_OK) {
		HOLDS(ip4_hdr_len(h) + ip4_hdr_payload_len(h) <= size);
		forward(h);
		HOLDS(check((uint8_t *)h, size) == IP4_OK);
	}
	free(h);
	return 0;
}
