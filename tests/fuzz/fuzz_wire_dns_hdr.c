/* SPDX-License-Identifier: BSD-3-Clause */
/* Any message after any name: one that answers a query has its id, and a query answers none. */
#include "exact.h"
#include "property.h"
#include "wire/bytes.h"
#include "wire/dns_hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t end = size > 0 ? strnlen((const char *)data, size) : 0;
	uint8_t query[DNS_QUERY_MAX], rcode = 0, *copy;
	uint32_t len;

	if (end == size || !dns_hdr_name_ok((const char *)data))
		return 0;
	len = dns_hdr_query(query, 0x1234, (const char *)data);
	HOLDS(len >= DNS_HDR_LEN + 5 && len <= DNS_QUERY_MAX);
	copy = exact_copy(query, len);
	HOLDS(!dns_hdr_answers(copy, len, query, len, &rcode));
	copy[2] |= 0x80;
	HOLDS(dns_hdr_answers(copy, len, query, len, &rcode) && rcode == 0);
	free(copy);
	copy = exact_copy(data + end + 1, size - end - 1);
	if (dns_hdr_answers(copy, (uint32_t)(size - end - 1), query, len, &rcode))
		HOLDS(load16(copy) == to_be16(0x1234) && rcode < 16);
	free(copy);
	return 0;
}
