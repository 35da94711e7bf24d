/* SPDX-License-Identifier: BSD-3-Clause */
/* ip4_hdr: the exact verdict on an IPv4 header; the contract is in wire/ip4_hdr.h. */
#include "wire/ip4_hdr.h"

enum ip4_verdict ip4_hdr_check(const void *p, size_t len)
{
	const struct ip4_hdr *h = p;

	if (len < IP4_HDR_LEN)
		return IP4_SHORT;
	if (h->version_ihl >> 4 != 4)
		return IP4_VERSION;
	if (ip4_hdr_len(h) < IP4_HDR_LEN)
		return IP4_IHL;
	if (ip4_hdr_total_len(h) < ip4_hdr_len(h) || ip4_hdr_total_len(h) > len)
		return IP4_LENGTH;
	if (csum_fold(csum_add(h, ip4_hdr_len(h), 0)) != 0)
		return IP4_CSUM;
	return IP4_OK;
}
