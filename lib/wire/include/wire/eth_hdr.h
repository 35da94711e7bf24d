/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eth_hdr: the Ethernet II header and hardware addresses.
 *
 * Owns nothing; pure functions over bytes, from any thread. Addresses are six bytes in wire order,
 * or a "u48": those bytes as the low 48 bits of a little-endian load, so that one compare, one mask
 * or one store deals with all six.
 */
#ifndef WIRE_ETH_HDR_H
#define WIRE_ETH_HDR_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/bytes.h"

#define ETH_MAC_LEN   6
#define ETH_HDR_LEN   14
#define ETH_MIN_FRAME 60 /* without the FCS; a shorter payload is padded on sending */
#define ETH_MAC_TEXT  18 /* "aa:bb:cc:dd:ee:ff" and its end */

#define ETH_U48_MASK 0xffffffffffffULL /* also the broadcast address as a u48 */

/* EtherTypes, in the host's order: compare them with eth_hdr_type(), or use to_be16(). */
enum eth_type {
	ETH_TYPE_IP4 = 0x0800,
	ETH_TYPE_ARP = 0x0806,
	ETH_TYPE_RARP = 0x8035,
	ETH_TYPE_VLAN = 0x8100, /* IEEE 802.1Q C-tag */
	ETH_TYPE_IP6 = 0x86dd,
	ETH_TYPE_PPPOE_DISC = 0x8863,
	ETH_TYPE_PPPOE_SESS = 0x8864,
	ETH_TYPE_QINQ = 0x88a8, /* IEEE 802.1ad S-tag */
	ETH_TYPE_MIN = 0x0600,	/* below it the field is an IEEE 802.3 length */
};

struct __attribute__((packed)) eth_hdr {
	uint8_t dst[ETH_MAC_LEN];
	uint8_t src[ETH_MAC_LEN];
	be16 type;
};
_Static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "as on the wire");

static inline uint16_t eth_hdr_type(const struct eth_hdr *h)
{
	return from_be16(h->type);
}

/* Six bytes as a u48, and back. Exactly six bytes are read or written. */
static inline uint64_t eth_mac_u48(const uint8_t *mac)
{
	return load32(mac) | (uint64_t)load16(mac + 4) << 32;
}

static inline void eth_mac_store(uint8_t *mac, uint64_t u48)
{
	store32(mac, (uint32_t)u48);
	store16(mac + 4, (uint16_t)(u48 >> 32));
}

/* The header's addresses as u48: one load each, both inside the 14 bytes. */
static inline uint64_t eth_hdr_dst(const struct eth_hdr *h)
{
	return load64(h) & ETH_U48_MASK;
}

static inline uint64_t eth_hdr_src(const struct eth_hdr *h)
{
	return load64((const uint8_t *)h + 4) >> 16;
}

/* The group bit (IEEE 802): multicast, broadcast among it. */
static inline bool eth_is_group(const uint8_t *mac)
{
	return mac[0] & 1;
}

static inline bool eth_is_broadcast(const uint8_t *mac)
{
	return eth_mac_u48(mac) == ETH_U48_MASK;
}

static inline bool eth_is_zero(const uint8_t *mac)
{
	return eth_mac_u48(mac) == 0;
}

/* One station: what may be a source address, or a neighbour's (RFC 1812 3.3.2). */
static inline bool eth_is_unicast(const uint8_t *mac)
{
	return !eth_is_group(mac) && !eth_is_zero(mac);
}

static inline void eth_hdr_build(
	struct eth_hdr *h, const uint8_t *dst, const uint8_t *src, uint16_t type)
{
	memcpy(h->dst, dst, ETH_MAC_LEN);
	memcpy(h->src, src, ETH_MAC_LEN);
	h->type = to_be16(type);
}

/* "aa:bb:cc:dd:ee:ff", two hexadecimal digits each and nothing after; else false, mac untouched. */
bool eth_mac_parse(const char *text, uint8_t *mac);

/* Writes the same form, in small letters; returns text. */
char *eth_mac_text(const uint8_t *mac, char text[ETH_MAC_TEXT]);

#endif
