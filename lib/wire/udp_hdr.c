/* SPDX-License-Identifier: BSD-3-Clause */
/* udp_hdr: UDP headers checked; the contract is in wire/udp_hdr.h. */
#include "wire/udp_hdr.h"

enum udp_verdict udp_hdr_check(const void *p, size_t len)
{
	const struct udp_hdr *h = p;

	if (len < UDP_HDR_LEN)
		return UDP_SHORT;
	if (from_be16(h->len) < UDP_HDR_LEN || from_be16(h->len) > len)
		return UDP_LENGTH;
	return UDP_OK;
}
