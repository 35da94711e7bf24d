/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * udp_hdr: the UDP header (RFC 768).
 *
 * udp_hdr_check() once, then the accessors cannot fail; the checksum is a question of its own,
 * because the NIC may have answered it. Pure functions over bytes; values are in the host's order.
 */
#ifndef WIRE_UDP_HDR_H
#define WIRE_UDP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/csum.h"
#include "wire/ip4_hdr.h"

#define UDP_HDR_LEN 8

struct __attribute__((packed)) udp_hdr {
	be16 sport;
	be16 dport;
	be16 len;  /* bytes, header and data */
	be16 csum; /* 0: the sender made none */
};
_Static_assert(sizeof(struct udp_hdr) == UDP_HDR_LEN, "as on the wire");

enum udp_verdict {
	UDP_OK,
	UDP_SHORT,  /* fewer than 8 bytes */
	UDP_LENGTH, /* the length field is less than 8 or more than there is */
};

/* len: ip4_hdr_payload_len(). Bytes after the UDP length are legal and are not data. */
enum udp_verdict udp_hdr_check(const void *p, size_t len);

static inline uint16_t udp_hdr_sport(const struct udp_hdr *h)
{
	return from_be16(h->sport);
}

static inline uint16_t udp_hdr_dport(const struct udp_hdr *h)
{
	return from_be16(h->dport);
}

static inline uint16_t udp_hdr_data_len(const struct udp_hdr *h)
{
	return from_be16(h->len) - UDP_HDR_LEN;
}

/*
 * A checked datagram, contiguous at h, verifies, or has no checksum (RFC 1122 4.1.3.4). src and
 * dst as its IPv4 header has them.
 */
static inline bool udp_hdr_csum_ok(const struct udp_hdr *h, be32 src, be32 dst)
{
	uint16_t len = from_be16(h->len);

	return h->csum == 0 ||
	       csum_fold(csum_add(h, len, csum_pseudo(src, dst, IP4_PROTO_UDP, len))) == 0;
}

/* A checksum that comes out as 0 is sent as its other zero (RFC 768). */
static inline be16 udp_csum_fold(uint32_t sum)
{
	be16 csum = csum_fold(sum);

	return csum ? csum : 0xffff;
}

/* The header alone, without a checksum. data_len: at most 65,507. */
static inline void udp_hdr_build(
	struct udp_hdr *h, uint16_t sport, uint16_t dport, uint16_t data_len)
{
	h->sport = to_be16(sport);
	h->dport = to_be16(dport);
	h->len = to_be16((uint16_t)(UDP_HDR_LEN + data_len));
	h->csum = 0;
}

/* Writes the checksum of a datagram that is contiguous at h. */
static inline void udp_hdr_csum_set(struct udp_hdr *h, be32 src, be32 dst)
{
	uint16_t len = from_be16(h->len);

	h->csum = 0;
	h->csum = udp_csum_fold(csum_add(h, len, csum_pseudo(src, dst, IP4_PROTO_UDP, len)));
}

#endif
