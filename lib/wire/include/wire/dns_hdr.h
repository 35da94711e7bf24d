/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dns_hdr: one question over DNS (RFC 1035), and whether a message answers it.
 *
 * Pure functions over bytes at any alignment. Nothing of an answer is read but its header and the
 * question that it repeats.
 */
#ifndef WIRE_DNS_HDR_H
#define WIRE_DNS_HDR_H

#include <stdbool.h>
#include <stdint.h>

#define DNS_HDR_LEN   12
#define DNS_NAME_MAX  253 /* letters of a name without its last dot (RFC 1035 2.3.4) */
#define DNS_QUERY_MAX (DNS_HDR_LEN + DNS_NAME_MAX + 2 + 4)

/* Whether a text is a name: labels of 1 to 63 bytes, a dot at the end allowed; "." is the root. */
bool dns_hdr_name_ok(const char *name);

/*
 * A question for the addresses (A, IN) of a name that is one, recursion desired: written to `to`,
 * which has DNS_QUERY_MAX bytes; its length. id: in the host's order.
 */
uint32_t dns_hdr_query(uint8_t *to, uint16_t id, const char *name);

/*
 * Whether a message is the answer to a query of dns_hdr_query(): its id, its question (RFC 5452
 * 9.1; letters may have changed their case), a response. A refusal may have left the question out.
 * *rcode: 0 is well (RFC 1035 4.1.1).
 */
bool dns_hdr_answers(const uint8_t *message, uint32_t len, const uint8_t *query, uint32_t query_len,
	uint8_t *rcode);

#endif
