/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * icmp_hdr: ICMP for IPv4 (RFC 792; codes of RFC 1122 and 1812, next-hop MTU of RFC 1191).
 *
 * icmp_hdr_check() once over the whole message, then the accessors cannot fail. Pure functions
 * over bytes; values are in the host's order.
 */
#ifndef WIRE_ICMP_HDR_H
#define WIRE_ICMP_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/bytes.h"
#include "wire/csum.h"
#include "wire/ip4_hdr.h"

#define ICMP_HDR_LEN  8
#define ICMP_QUOTE_L4 8 /* bytes that every error quotes after the IPv4 header (RFC 792) */

enum icmp_type {
	ICMP_TYPE_ECHO_REPLY = 0,
	ICMP_TYPE_UNREACH = 3,
	ICMP_TYPE_SOURCE_QUENCH = 4, /* neither sent nor acted upon (RFC 6633) */
	ICMP_TYPE_REDIRECT = 5,
	ICMP_TYPE_ECHO = 8,
	ICMP_TYPE_ROUTER_ADVERT = 9,
	ICMP_TYPE_ROUTER_SOLICIT = 10,
	ICMP_TYPE_TIME_EXCEEDED = 11,
	ICMP_TYPE_PARAM_PROBLEM = 12,
	ICMP_TYPE_TIMESTAMP = 13,
	ICMP_TYPE_TIMESTAMP_REPLY = 14,
};

enum icmp_unreach_code {
	ICMP_CODE_NET = 0,
	ICMP_CODE_HOST = 1,
	ICMP_CODE_PROTO = 2,
	ICMP_CODE_PORT = 3,
	ICMP_CODE_FRAG_NEEDED = 4,
	ICMP_CODE_SOURCE_ROUTE = 5,
	ICMP_CODE_NET_TOS = 11,
	ICMP_CODE_HOST_TOS = 12,
	ICMP_CODE_PROHIBITED = 13, /* RFC 1812 5.2.7.1 */
};

enum icmp_time_exceeded_code {
	ICMP_CODE_TTL = 0,
	ICMP_CODE_REASSEMBLY = 1,
};

enum icmp_redirect_code {
	ICMP_CODE_REDIRECT_NET = 0, /* a router sends the host's form alone (RFC 1812 5.2.7.2) */
	ICMP_CODE_REDIRECT_HOST = 1,
};

enum icmp_param_problem_code {
	ICMP_CODE_POINTER = 0,
	ICMP_CODE_OPTION_MISSING = 1, /* RFC 1122 3.2.2.5 */
};

struct __attribute__((packed)) icmp_hdr {
	uint8_t type;
	uint8_t code;
	be16 csum;
	union {
		struct __attribute__((packed)) {
			be16 id;
			be16 seq;
		} echo;
		struct __attribute__((packed)) {
			be16 zero;
			be16 mtu; /* ICMP_CODE_FRAG_NEEDED; 0 from routers before RFC 1191 */
		} unreach;
		be32 gateway;	 /* redirect */
		uint8_t pointer; /* parameter problem: the octet at fault, from the header's start
				  */
		be32 rest;
	};
};
_Static_assert(sizeof(struct icmp_hdr) == ICMP_HDR_LEN, "as on the wire");

enum icmp_verdict {
	ICMP_OK,
	ICMP_SHORT, /* fewer than 8 bytes */
	ICMP_CSUM,
};

/* len: the whole message, contiguous at p (ip4_hdr_payload_len() of a whole datagram). */
enum icmp_verdict icmp_hdr_check(const void *p, size_t len);

/*
 * A message about another packet: none of these may ever cause an ICMP error (RFC 1122 3.2.2). A
 * type that nobody knows is none; it is ignored anyway.
 */
static inline bool icmp_type_is_error(uint8_t type)
{
	const uint32_t errors = 1u << ICMP_TYPE_UNREACH | 1u << ICMP_TYPE_SOURCE_QUENCH |
				1u << ICMP_TYPE_REDIRECT | 1u << ICMP_TYPE_TIME_EXCEEDED |
				1u << ICMP_TYPE_PARAM_PROBLEM;

	return type < 32 && (errors >> type & 1);
}

/*
 * The packet that an error is about: an IPv4 header of legal length and at least the 8 bytes
 * after it lie inside the message of len bytes; else NULL. The quoted total length and checksum
 * say what the packet was on its way and are not to be trusted as a bound.
 */
const struct ip4_hdr *icmp_hdr_quoted(const struct icmp_hdr *h, size_t len);

/* type, code and rest, then the checksum over len bytes, the 8 of the header among them. */
static inline void icmp_hdr_build(
	struct icmp_hdr *h, uint8_t type, uint8_t code, uint32_t rest, size_t len)
{
	h->type = type;
	h->code = code;
	h->csum = 0;
	h->rest = to_be32(rest);
	h->csum = csum_fold(csum_add(h, len, 0));
}

/*
 * Turns a checked echo request into its reply in place; the data are not read. Where the update
 * gives 0 the other zero is written: a reply of zeros alone (id, sequence and data) verifies with
 * that one only, any other with both.
 */
static inline void icmp_hdr_to_echo_reply(struct icmp_hdr *h)
{
	be16 csum = csum_update16(h->csum, ICMP_TYPE_ECHO, ICMP_TYPE_ECHO_REPLY);

	h->type = ICMP_TYPE_ECHO_REPLY;
	h->csum = csum ? csum : 0xffff;
}

#endif
