/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP messages: a quote lies inside its message; an echo request becomes a valid reply. */
#include "exact.h"
#include "property.h"
#include "wire/icmp_hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ip4_hdr *quoted;
	struct icmp_hdr *h;

	icmp_hdr_check(data, size);
	if (size < ICMP_HDR_LEN)
		return 0;
	h = exact_copy(data, size);
	icmp_hdr_build(h, data[0], data[1], 0, size); /* or nearly none gets past the checksum */
	HOLDS(icmp_hdr_check(h, size) == ICMP_OK);
	quoted = icmp_hdr_quoted(h, size);
	if (quoted) {
		HOLDS(icmp_type_is_error(h->type));
		HOLDS((uint8_t *)ip4_hdr_payload(quoted) + ICMP_QUOTE_L4 <= (uint8_t *)h + size);
	}
	if (h->type == ICMP_TYPE_ECHO) {
		icmp_hdr_to_echo_reply(h);
		HOLDS(icmp_hdr_check(h, size) == ICMP_OK);
	}
	free(h);
	return 0;
}
