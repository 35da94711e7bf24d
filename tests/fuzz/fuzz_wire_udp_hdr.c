/* SPDX-License-Identifier: BSD-3-Clause */
/* UDP datagrams: what passes the check can be summed, and a checksum once set verifies. */
#include "exact.h"
#include "property.h"
#include "wire/udp_hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const be32 src = to_be32(0xc6120001), dst = to_be32(0xc6120101);
	struct udp_hdr *h;

	if (udp_hdr_check(data, size) != UDP_OK)
		return 0;
	h = exact_copy(data, size);
	HOLDS(UDP_HDR_LEN + (size_t)udp_hdr_data_len(h) <= size);
	udp_hdr_csum_ok(h, src, dst);
	udp_hdr_csum_set(h, src, dst);
	HOLDS(h->csum != 0 && udp_hdr_csum_ok(h, src, dst));
	free(h);
	return 0;
}
