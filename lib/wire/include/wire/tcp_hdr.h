/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_hdr: the TCP header (RFC 9293 3.1), and the one option that a router touches: the MSS.
 *
 * tcp_hdr_check() once, then the accessors cannot fail; the checksum is a question of its own,
 * because the NIC may have answered it. Pure functions over bytes; values are in the host's order.
 */
#ifndef WIRE_TCP_HDR_H
#define WIRE_TCP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/csum.h"
#include "wire/ip4_hdr.h"

#define TCP_HDR_LEN	20
#define TCP_HDR_LEN_MAX 60

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

enum tcp_opt_kind {
	TCP_OPT_END = 0,
	TCP_OPT_NOP = 1,
	TCP_OPT_MSS = 2,
	TCP_OPT_WSCALE = 3,
	TCP_OPT_SACK_OK = 4, /* SACK permitted */
	TCP_OPT_SACK = 5,
	TCP_OPT_TS = 8,
};

struct __attribute__((packed)) tcp_hdr {
	be16 sport;
	be16 dport;
	be32 seq;
	be32 ack;
	uint8_t offset; /* the header's length in words in the high half, the low half reserved */
	uint8_t flags;
	be16 window;
	be16 csum;
	be16 urgent;
};
_Static_assert(sizeof(struct tcp_hdr) == TCP_HDR_LEN, "as on the wire");

enum tcp_verdict {
	TCP_OK,
	TCP_SHORT,  /* fewer than 20 bytes */
	TCP_OFFSET, /* the data offset is less than 5 words or beyond the segment */
};

/* len: ip4_hdr_payload_len(). */
enum tcp_verdict tcp_hdr_check(const void *p, size_t len);

/* Bytes, options included: 20 to 60 once checked. */
static inline uint32_t tcp_hdr_len(const struct tcp_hdr *h)
{
	return (h->offset >> 4) * 4u;
}

static inline uint16_t tcp_hdr_sport(const struct tcp_hdr *h)
{
	return from_be16(h->sport);
}

static inline uint16_t tcp_hdr_dport(const struct tcp_hdr *h)
{
	return from_be16(h->dport);
}

static inline uint32_t tcp_hdr_seq(const struct tcp_hdr *h)
{
	return from_be32(h->seq);
}

static inline uint32_t tcp_hdr_ack(const struct tcp_hdr *h)
{
	return from_be32(h->ack);
}

static inline uint16_t tcp_hdr_window(const struct tcp_hdr *h)
{
	return from_be16(h->window);
}

static inline uint16_t tcp_hdr_urgent(const struct tcp_hdr *h)
{
	return from_be16(h->urgent);
}

/* What the segment takes of sequence space (RFC 9293 SEG.LEN); l4_len: header, options and data. */
static inline uint32_t tcp_hdr_seg_len(const struct tcp_hdr *h, uint32_t l4_len)
{
	return l4_len - tcp_hdr_len(h) + !!(h->flags & TCP_SYN) + !!(h->flags & TCP_FIN);
}

/* A segment of l4_len bytes, contiguous at h, verifies. src and dst as its IPv4 header has them. */
static inline bool tcp_hdr_csum_ok(const struct tcp_hdr *h, uint16_t l4_len, be32 src, be32 dst)
{
	uint32_t pseudo = csum_pseudo(src, dst, IP4_PROTO_TCP, l4_len);

	return csum_fold(csum_add(h, l4_len, pseudo)) == 0;
}

/* Writes the checksum of a segment of l4_len bytes that is contiguous at h. */
static inline void tcp_hdr_csum_set(struct tcp_hdr *h, uint16_t l4_len, be32 src, be32 dst)
{
	h->csum = 0;
	h->csum = csum_fold(csum_add(h, l4_len, csum_pseudo(src, dst, IP4_PROTO_TCP, l4_len)));
}

struct tcp_fields {
	uint16_t sport;
	uint16_t dport;
	uint32_t seq;
	uint32_t ack;
	uint16_t window;
	uint16_t urgent;
	uint8_t flags;
	uint8_t opt_len; /* bytes of options that follow the 20, a multiple of 4, at most 40 */
};

/* The 20 bytes; the checksum is 0. */
void tcp_hdr_build(struct tcp_hdr *h, const struct tcp_fields *f);

/*
 * The MSS that a SYN announces; 0 if it says none, or if a bad option length stands before it.
 * hdr_len: bytes of the header that can be read, at least 20; the data offset may say more or
 * less, and the smaller counts.
 */
uint16_t tcp_hdr_mss(const struct tcp_hdr *h, uint32_t hdr_len);

/*
 * Lowers every MSS option of a SYN that is above max; the checksum follows (RFC 1624), wherever
 * the option stands. True if something changed. A segment without SYN is left alone, for it
 * announces nothing (RFC 9293 MUST-65). hdr_len as for tcp_hdr_mss().
 */
bool tcp_hdr_clamp_mss(struct tcp_hdr *h, uint32_t hdr_len, uint16_t max);

#endif
