/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses as text: what is read is written again as it was (a MAC but for capitals). */
#include <strings.h>

#include "exact.h"
#include "property.h"
#include "wire/eth_hdr.h"
#include "wire/ip4_addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = calloc(1, size + 1), again[32];
	enum ip4_prefix_verdict verdict;
	uint8_t mac[ETH_MAC_LEN];
	struct ip4_prefix prefix;
	uint32_t addr;

	memcpy(text, data, size);
	if (eth_mac_parse(text, mac))
		HOLDS(strcasecmp(eth_mac_text(mac, again), text) == 0);
	if (ip4_addr_parse(text, &addr))
		HOLDS(strcmp(ip4_addr_text(addr, again), text) == 0);
	verdict = ip4_prefix_parse(text, &prefix);
	if (verdict == IP4_PREFIX_OK || verdict == IP4_PREFIX_HOST_BITS)
		HOLDS(strcmp(ip4_prefix_text(prefix, again), text) == 0);
	if (verdict == IP4_PREFIX_OK)
		HOLDS(ip4_prefix_has(prefix, prefix.addr));
	free(text);
	return 0;
}
