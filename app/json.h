/* SPDX-License-Identifier: BSD-3-Clause */
/* json: numbers, addresses and MACs of ours as jansson values, new references each. */
#ifndef APP_JSON_H
#define APP_JSON_H

#include "wire/eth_hdr.h"
#include "wire/ip4_addr.h"

#include <jansson.h>

/* A counter: JSON's integers here have 63 bits, which no counter outgrows. */
static inline json_t *json_count(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static inline json_t *json_address(uint32_t addr)
{
	char text[IP4_ADDR_TEXT];

	return json_string(ip4_addr_text(addr, text));
}

/* "198.18.1.1:80" */
static inline json_t *json_endpoint(uint32_t addr, uint16_t port)
{
	char text[IP4_ADDR_TEXT];

	return json_sprintf("%s:%u", ip4_addr_text(addr, text), port);
}

static inline json_t *json_prefix(uint32_t addr, uint8_t depth)
{
	char text[IP4_PREFIX_TEXT];

	return json_string(ip4_prefix_text((struct ip4_prefix){addr, depth}, text));
}

static inline json_t *json_mac(const uint8_t *mac)
{
	char text[ETH_MAC_TEXT];

	return json_string(eth_mac_text(mac, text));
}

#endif
