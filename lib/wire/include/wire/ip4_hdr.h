/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_hdr: the IPv4 header (RFC 791): check once, then accessors that cannot fail; build, and the
 * edits a router makes.
 *
 * The rules of validity (RFC 1812 5.2.2) are written twice: ip4_hdr_unusual() is the one OR-ed
 * question of the data path, ip4_hdr_check() says what is wrong. The first is zero exactly when
 * the second says IP4_OK and there are no options; a unit holds them to it. Pure functions over
 * bytes at any alignment; addresses and lengths are in the host's order unless typed be16 or be32.
 */
#ifndef WIRE_IP4_HDR_H
#define WIRE_IP4_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/csum.h"
#include "wire/ip4_addr.h"

#define IP4_HDR_LEN	20
#define IP4_HDR_LEN_MAX 60
#define IP4_PACKET_MAX	65535
#define IP4_MTU_MIN	68 /* what every link carries (RFC 791 3.2) */

/* The fragment field, in the host's order. */
#define IP4_DF		0x4000
#define IP4_MF		0x2000
#define IP4_OFFSET_MASK 0x1fff /* in units of 8 bytes */

enum ip4_proto {
	IP4_PROTO_ICMP = 1,
	IP4_PROTO_IGMP = 2,
	IP4_PROTO_IPIP = 4,
	IP4_PROTO_TCP = 6,
	IP4_PROTO_UDP = 17,
	IP4_PROTO_GRE = 47,
	IP4_PROTO_OSPF = 89,
};

struct __attribute__((packed)) ip4_hdr {
	uint8_t version_ihl;
	uint8_t tos;
	be16 total_len;
	be16 id;
	be16 frag;
	uint8_t ttl;
	uint8_t proto;
	be16 csum;
	be32 src;
	be32 dst;
};
_Static_assert(sizeof(struct ip4_hdr) == IP4_HDR_LEN, "as on the wire");

enum ip4_verdict {
	IP4_OK,
	IP4_SHORT,   /* fewer than 20 bytes */
	IP4_VERSION, /* not 4 */
	IP4_IHL,     /* fewer than 5 words */
	IP4_LENGTH,  /* total length less than the header's, or more than there is */
	IP4_CSUM,    /* the header's checksum */
};

/* The partial sum (see csum.h) of the header's first 20 bytes. */
static inline uint32_t ip4_hdr_sum(const struct ip4_hdr *h)
{
	uint64_t sum = csum_plus(load64(h), load64((const uint8_t *)h + 8));

	return csum_fold64(csum_plus(sum, h->dst));
}

/*
 * Zero for a valid header without options; anything else goes to ip4_hdr_check() or to the
 * options. 20 bytes at h can be read; l3_len is what the link brought after its header, padding
 * included: 20 to 65,535.
 *
 * No branch. `length` is the total length with version and IHL above it, where they leave nothing
 * if they are 4 and 5; a difference below zero and a rest up there both show in the upper 16 bits.
 * The sum of a good header folds to 0xffff (never to 0: the version is in it).
 */
static inline uint32_t ip4_hdr_unusual(const struct ip4_hdr *h, uint32_t l3_len)
{
	uint32_t length = (from_be32(load32(h)) ^ 0x45000000) & 0xff00ffff;

	return ((length - IP4_HDR_LEN) | (l3_len - length)) >> 16 | (ip4_hdr_sum(h) ^ 0xffff);
}

/* len: bytes at p, as many as the link brought. Header lengths of 5 to 15 words are legal. */
enum ip4_verdict ip4_hdr_check(const void *p, size_t len);

/* Bytes, options included: 20 to 60. */
static inline uint32_t ip4_hdr_len(const struct ip4_hdr *h)
{
	return (h->version_ihl & 15u) * 4;
}

static inline uint32_t ip4_hdr_total_len(const struct ip4_hdr *h)
{
	return from_be16(h->total_len);
}

static inline uint32_t ip4_hdr_payload_len(const struct ip4_hdr *h)
{
	return ip4_hdr_total_len(h) - ip4_hdr_len(h);
}

static inline void *ip4_hdr_payload(const struct ip4_hdr *h)
{
	return (uint8_t *)(uintptr_t)h + ip4_hdr_len(h);
}

static inline uint32_t ip4_hdr_src(const struct ip4_hdr *h)
{
	return from_be32(h->src);
}

static inline uint32_t ip4_hdr_dst(const struct ip4_hdr *h)
{
	return from_be32(h->dst);
}

/* Where the payload belongs in its datagram, in bytes. */
static inline uint32_t ip4_hdr_frag_offset(const struct ip4_hdr *h)
{
	return (from_be16(h->frag) & IP4_OFFSET_MASK) * 8u;
}

static inline bool ip4_hdr_more_fragments(const struct ip4_hdr *h)
{
	return h->frag & to_be16(IP4_MF);
}

static inline bool ip4_hdr_dont_fragment(const struct ip4_hdr *h)
{
	return h->frag & to_be16(IP4_DF);
}

/* Part of a datagram: its ports and its length are not to be trusted for the whole. */
static inline bool ip4_hdr_is_fragment(const struct ip4_hdr *h)
{
	return h->frag & to_be16(IP4_MF | IP4_OFFSET_MASK);
}

/* Writes the checksum over the whole header. */
static inline void ip4_hdr_csum_set(struct ip4_hdr *h)
{
	h->csum = 0;
	h->csum = csum_fold(csum_add(h, ip4_hdr_len(h), 0));
}

/*
 * One less, and the checksum follows (RFC 1624 eqn 3, m' = m - 1 in the low byte of a
 * little-endian word: the checksum grows by one, and 0xffff is skipped). The caller has seen that
 * the TTL is at least 1. TTL, protocol and checksum are one word, with the checksum on top.
 */
static inline void ip4_hdr_dec_ttl(struct ip4_hdr *h)
{
	uint32_t word = load32(&h->ttl);

	store32(&h->ttl, word + 0xffff + ((uint32_t)(word >= 0xfffe0000) << 16));
}

/* The checksum follows: for NAT. */
static inline void ip4_hdr_set_src(struct ip4_hdr *h, uint32_t src)
{
	be32 new = to_be32(src);

	h->csum = csum_update32(h->csum, h->src, new);
	h->src = new;
}

static inline void ip4_hdr_set_dst(struct ip4_hdr *h, uint32_t dst)
{
	be32 new = to_be32(dst);

	h->csum = csum_update32(h->csum, h->dst, new);
	h->dst = new;
}

/* total_len: the new value in bytes; frag: flags and offset in units of 8 bytes. */
static inline void ip4_hdr_set_total_len(struct ip4_hdr *h, uint16_t total_len)
{
	be16 new = to_be16(total_len);

	h->csum = csum_update16(h->csum, h->total_len, new);
	h->total_len = new;
}

static inline void ip4_hdr_set_frag(struct ip4_hdr *h, uint16_t frag)
{
	be16 new = to_be16(frag);

	h->csum = csum_update16(h->csum, h->frag, new);
	h->frag = new;
}

struct ip4_fields {
	uint16_t total_len; /* bytes, the 20 of the header among them */
	uint16_t id;
	uint16_t frag; /* IP4_DF, IP4_MF, offset in units of 8 bytes */
	uint8_t tos;
	uint8_t ttl;
	uint8_t proto;
	uint32_t src;
	uint32_t dst;
};

/*
 * A header of 20 bytes with its checksum. Put together in registers: small stores that the sum
 * then loads as wide words cost 20 cycles more.
 */
static inline void ip4_hdr_build(struct ip4_hdr *h, const struct ip4_fields *f)
{
	uint64_t first = 0x45u | (uint32_t)f->tos << 8 | (uint32_t)to_be16(f->total_len) << 16 |
			 (uint64_t)to_be16(f->id) << 32 | (uint64_t)to_be16(f->frag) << 48;
	uint64_t second = f->ttl | (uint32_t)f->proto << 8 | (uint64_t)to_be32(f->src) << 32;
	be32 dst = to_be32(f->dst);
	uint64_t csum = csum_fold(csum_fold64(csum_plus(csum_plus(first, second), dst)));

	store64(h, first);
	store64((uint8_t *)h + 8, second | csum << 16);
	h->dst = dst;
}

/* UDP's and TCP's pseudo-header, for l4_len bytes of them: a partial sum (see csum.h). */
static inline uint32_t ip4_hdr_pseudo(const struct ip4_hdr *h, uint16_t l4_len)
{
	return csum_pseudo(h->src, h->dst, h->proto, l4_len);
}

#endif
