/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp_hdr: ICMP messages checked; the contract is in wire/icmp_hdr.h. */
#include "wire/icmp_hdr.h"

enum icmp_verdict icmp_hdr_check(const void *p, size_t len)
{
	if (len < ICMP_HDR_LEN)
		return ICMP_SHORT;
	return csum_fold(csum_add(p, len, 0)) == 0 ? ICMP_OK : ICMP_CSUM;
}

const struct ip4_hdr *icmp_hdr_quoted(const struct icmp_hdr *h, size_t len)
{
	const struct ip4_hdr *ip = (const void *)(h + 1);

	if (!icmp_type_is_error(h->type))
		return NULL;
	if (len < ICMP_HDR_LEN + IP4_HDR_LEN + ICMP_QUOTE_L4)
		return NULL;
	if (ip->version_ihl >> 4 != 4 || ip4_hdr_len(ip) < IP4_HDR_LEN)
		return NULL;
	return len >= ICMP_HDR_LEN + ip4_hdr_len(ip) + ICMP_QUOTE_L4 ? ip : NULL;
}
