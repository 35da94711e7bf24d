/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vlan_hdr: the four bytes that an IEEE 802.1Q or 802.1ad tag puts after the addresses' EtherType.
 * Every value is legal, so there is nothing to check but the length. Pure functions over bytes.
 */
#ifndef WIRE_VLAN_HDR_H
#define WIRE_VLAN_HDR_H

#include <stdint.h>

#include "wire/bytes.h"

#define VLAN_HDR_LEN 4
#define VLAN_VID_MAX 4094 /* 0 is "priority only", 4095 is reserved (802.1Q 9.6) */

struct __attribute__((packed)) vlan_hdr {
	be16 tci;  /* PCP (3 bits), DEI (1), VID (12) */
	be16 type; /* the EtherType of what follows */
};
_Static_assert(sizeof(struct vlan_hdr) == VLAN_HDR_LEN, "as on the wire");

static inline uint16_t vlan_hdr_vid(const struct vlan_hdr *h)
{
	return from_be16(h->tci) & 0xfff;
}

static inline uint8_t vlan_hdr_pcp(const struct vlan_hdr *h)
{
	return from_be16(h->tci) >> 13;
}

static inline uint16_t vlan_hdr_type(const struct vlan_hdr *h)
{
	return from_be16(h->type);
}

static inline void vlan_hdr_build(struct vlan_hdr *h, uint16_t vid, uint8_t pcp, uint16_t type)
{
	h->tci = to_be16((uint16_t)(pcp << 13 | (vid & 0xfff)));
	h->type = to_be16(type);
}

#endif
