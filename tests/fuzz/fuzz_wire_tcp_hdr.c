/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP headers: after the clamp no MSS is above the limit and the checksum verifies; a header that
 * was cut by its fragment is clamped without a look past the cut.
 */
#include "exact.h"
#include "property.h"
#include "wire/tcp_hdr.h"

#define MAX 1200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const be32 src = to_be32(0xc6120001), dst = to_be32(0xc6120101);
	enum tcp_verdict verdict = tcp_hdr_check(data, size);
	uint16_t before;
	struct tcp_hdr *h;
	bool changed;

	if (verdict == TCP_SHORT)
		return 0;
	h = exact_copy(data, size);
	tcp_hdr_csum_set(h, (uint16_t)size, src, dst);
	before = tcp_hdr_mss(h, (uint32_t)size);
	changed = tcp_hdr_clamp_mss(h, (uint32_t)size, MAX);
	HOLDS(tcp_hdr_csum_ok(h, (uint16_t)size, src, dst));
	HOLDS(tcp_hdr_mss(h, (uint32_t)size) == (before > MAX ? MAX : before));
	HOLDS(changed || before <= MAX);
	HOLDS(!tcp_hdr_clamp_mss(h, (uint32_t)size, MAX));
	if (verdict == TCP_OK)
		HOLDS(tcp_hdr_len(h) >= TCP_HDR_LEN && tcp_hdr_len(h) <= size);
	free(h);
	return 0;
}
