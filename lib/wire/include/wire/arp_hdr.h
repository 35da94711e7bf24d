/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp_hdr: ARP (RFC 826) and RARP (RFC 903) for IPv4 over Ethernet.
 *
 * arp_hdr_check() once, then the accessors cannot fail. The check is about form only: whether the
 * addresses make sense (a group address as sender, a conflict) is the neighbour table's question.
 * Pure functions over bytes; protocol addresses are in the host's order.
 */
#ifndef WIRE_ARP_HDR_H
#define WIRE_ARP_HDR_H

#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/eth_hdr.h"

#define ARP_HDR_LEN 28

enum arp_op {
	ARP_REQUEST = 1,
	ARP_REPLY = 2,
	RARP_REQUEST = 3,
	RARP_REPLY = 4,
};

struct __attribute__((packed)) arp_hdr {
	be16 htype; /* 1: Ethernet */
	be16 ptype; /* ETH_TYPE_IP4 */
	uint8_t hlen;
	uint8_t plen;
	be16 op;
	uint8_t sha[ETH_MAC_LEN]; /* sender */
	be32 spa;
	uint8_t tha[ETH_MAC_LEN]; /* target */
	be32 tpa;
};
_Static_assert(sizeof(struct arp_hdr) == ARP_HDR_LEN, "as on the wire");

enum arp_verdict {
	ARP_OK,
	ARP_SHORT,   /* fewer than 28 bytes */
	ARP_HTYPE,   /* not Ethernet */
	ARP_PTYPE,   /* not IPv4 */
	ARP_LENGTHS, /* hlen is not 6 or plen is not 4 */
	ARP_OP,	     /* not one of enum arp_op */
};

/* len: bytes after the Ethernet header, padding included. */
enum arp_verdict arp_hdr_check(const void *p, size_t len);

static inline enum arp_op arp_hdr_op(const struct arp_hdr *h)
{
	return (enum arp_op)from_be16(h->op);
}

static inline uint32_t arp_hdr_spa(const struct arp_hdr *h)
{
	return from_be32(h->spa);
}

static inline uint32_t arp_hdr_tpa(const struct arp_hdr *h)
{
	return from_be32(h->tpa);
}

/* All 28 bytes; tha NULL is all zeros, which is what a request says about its target. */
void arp_hdr_build(struct arp_hdr *h, enum arp_op op, const uint8_t *sha, uint32_t spa,
	const uint8_t *tha, uint32_t tpa);

/*
 * Who has tpa? With spa 0 it is an RFC 5227 probe, with spa == tpa an announcement (the form of
 * gratuitous ARP that RFC 5227 2.3 chose).
 */
static inline void arp_hdr_request(
	struct arp_hdr *h, const uint8_t *sha, uint32_t spa, uint32_t tpa)
{
	arp_hdr_build(h, ARP_REQUEST, sha, spa, NULL, tpa);
}

/*
 * Turns a checked request into its reply in place: what was asked for (tpa) is at mac. The frame
 * goes to h->tha, which is now the asker (RFC 826: "send the packet to the new target").
 */
void arp_hdr_to_reply(struct arp_hdr *h, const uint8_t *mac);

/* Turns a checked RARP request in place: h->tha, as asked, has address tpa, says sha at spa. */
void arp_hdr_to_rarp_reply(struct arp_hdr *h, uint32_t tpa, const uint8_t *sha, uint32_t spa);

/*
 * A whole untagged frame, padded with zeros to ETH_MIN_FRAME bytes. The EtherType follows from the
 * op. The source is h->sha.
 */
void arp_hdr_frame(uint8_t frame[ETH_MIN_FRAME], const uint8_t *dst, const struct arp_hdr *h);

#endif
