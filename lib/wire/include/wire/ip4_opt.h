/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4_opt: IPv4 options as a router meets them (RFC 791 3.1, RFC 1812 4.2.2.1 and 5.3.13).
 *
 * ip4_opt_check() once, after ip4_hdr_check(); everything else then cannot fail. An option that
 * nobody knows passes unchanged, bounded by its length. None of these touches the header's
 * checksum: who has changed an option calls ip4_hdr_csum_set() once, at the end.
 *
 * Pure functions over bytes; addresses are in the host's order, offsets count from the first byte
 * of the IPv4 header.
 */
#ifndef WIRE_IP4_OPT_H
#define WIRE_IP4_OPT_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/ip4_hdr.h"

/* The high bit is "copied": every fragment carries the option (RFC 791 3.1). */
enum ip4_opt_kind {
	IP4_OPT_END = 0,
	IP4_OPT_NOP = 1,
	IP4_OPT_RECORD_ROUTE = 7,
	IP4_OPT_TIMESTAMP = 68,
	IP4_OPT_SECURITY = 130, /* RFC 1108 */
	IP4_OPT_LSRR = 131,	/* loose source and record route */
	IP4_OPT_CIPSO = 134,
	IP4_OPT_STREAM_ID = 136, /* obsolete, ignored (RFC 6814) */
	IP4_OPT_SSRR = 137,	 /* strict source and record route */
	IP4_OPT_ROUTER_ALERT = 148,
};

#define IP4_OPT_COPIED 0x80

/* Where the options are that a router acts upon; 0 is "not there". */
struct ip4_opts {
	uint8_t record_route;
	uint8_t timestamp;
	uint8_t source_route; /* LSRR or SSRR: the kind stands at that offset */
	uint8_t router_alert; /* with the value 0, "examine" (RFC 2113) */
};

/*
 * Walks the options of a checked header and fills *found. Returns 0, or the offset of the octet at
 * fault, which is what an ICMP parameter problem wants (RFC 792): a length of 0 or 1, beyond the
 * header or too short for its kind; a pointer before the data or into less room than an entry
 * takes; an overflow count that would overflow; a second record route, timestamp or source route.
 */
uint32_t ip4_opt_check(const struct ip4_hdr *h, struct ip4_opts *found);

/*
 * Records addr, the address of the interface that the packet leaves by. True if there was a record
 * route with room; a full one is forwarded as it is (RFC 791).
 */
bool ip4_opt_record_route(struct ip4_hdr *h, const struct ip4_opts *found, uint32_t addr);

/*
 * The address whose owner is to stamp next, if the timestamp option names one (flag 3), else 0.
 * Any of the router's own addresses will do (RFC 1812 5.3.13.6).
 */
uint32_t ip4_opt_timestamp_wants(const struct ip4_hdr *h, const struct ip4_opts *found);

/*
 * Stamps: ms since midnight UT, with flag 1 addr before it. With flag 3 only if addr is the address
 * wanted, and nothing changes otherwise. A full option counts us as one that found no room. True
 * if something changed.
 */
bool ip4_opt_timestamp(struct ip4_hdr *h, const struct ip4_opts *found, uint32_t addr, uint32_t ms);

/*
 * The header of a fragment other than the first: the fixed part of from and its copied options,
 * padded with END to whole words. Returns its length in bytes, 20 to 60, and sets the IHL to match;
 * total length, fragment field and checksum are the caller's to set. to: room for the length of
 * from; it may not overlap from.
 */
uint32_t ip4_opt_fragment_hdr(struct ip4_hdr *to, const struct ip4_hdr *from);

#endif
