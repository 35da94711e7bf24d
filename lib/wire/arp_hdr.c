/* SPDX-License-Identifier: BSD-3-Clause */
/* arp_hdr: ARP and RARP bodies checked and made; the contract is in wire/arp_hdr.h. */
#include "wire/arp_hdr.h"

#define ARP_HTYPE_ETHERNET 1

enum arp_verdict arp_hdr_check(const void *p, size_t len)
{
	const struct arp_hdr *h = p;

	if (len < ARP_HDR_LEN)
		return ARP_SHORT;
	if (h->htype != to_be16(ARP_HTYPE_ETHERNET))
		return ARP_HTYPE;
	if (h->ptype != to_be16(ETH_TYPE_IP4))
		return ARP_PTYPE;
	if (h->hlen != ETH_MAC_LEN || h->plen != sizeof(h->spa))
		return ARP_LENGTHS;
	if (arp_hdr_op(h) < ARP_REQUEST || arp_hdr_op(h) > RARP_REPLY)
		return ARP_OP;
	return ARP_OK;
}

void arp_hdr_build(struct arp_hdr *h, enum arp_op op, const uint8_t *sha, uint32_t spa,
	const uint8_t *tha, uint32_t tpa)
{
	h->htype = to_be16(ARP_HTYPE_ETHERNET);
	h->ptype = to_be16(ETH_TYPE_IP4);
	h->hlen = ETH_MAC_LEN;
	h->plen = sizeof(h->spa);
	h->op = to_be16(op);
	memcpy(h->sha, sha, ETH_MAC_LEN);
	h->spa = to_be32(spa);
	eth_mac_store(h->tha, tha ? eth_mac_u48(tha) : 0);
	h->tpa = to_be32(tpa);
}

void arp_hdr_to_reply(struct arp_hdr *h, const uint8_t *mac)
{
	be32 asked = h->tpa;

	h->op = to_be16(ARP_REPLY);
	memcpy(h->tha, h->sha, ETH_MAC_LEN);
	h->tpa = h->spa;
	memcpy(h->sha, mac, ETH_MAC_LEN);
	h->spa = asked;
}

void arp_hdr_to_rarp_reply(struct arp_hdr *h, uint32_t tpa, const uint8_t *sha, uint32_t spa)
{
	h->op = to_be16(RARP_REPLY);
	memcpy(h->sha, sha, ETH_MAC_LEN);
	h->spa = to_be32(spa);
	h->tpa = to_be32(tpa);
}

void arp_hdr_frame(uint8_t frame[ETH_MIN_FRAME], const uint8_t *dst, const struct arp_hdr *h)
{
	uint16_t type = arp_hdr_op(h) >= RARP_REQUEST ? ETH_TYPE_RARP : ETH_TYPE_ARP;

	memset(frame, 0, ETH_MIN_FRAME);
	eth_hdr_build((struct eth_hdr *)frame, dst, h->sha, type);
	memcpy(frame + ETH_HDR_LEN, h, ARP_HDR_LEN);
}
