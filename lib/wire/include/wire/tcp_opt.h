/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_opt: TCP's options (RFC 9293 3.2, 7323, 2018, 2883) read into a small value, and written
 * from one.
 *
 * Pure functions over bytes at any alignment (MUST-64); every value is in the host's order. Reading
 * never fails: a length that cannot be, or not of that kind, ends the options (MUST-7) and leaves
 * what stood before it; what is unknown is skipped by its length (MUST-6, MUST-68); an option in
 * the wrong place (MSS, window scale or SACK-permitted without SYN) is ignored. What stands in a
 * block or a timestamp is for the connection to judge: here nothing is known of it.
 */
#ifndef WIRE_TCP_OPT_H
#define WIRE_TCP_OPT_H

#include "wire/tcp_hdr.h"

#define TCP_OPT_MAX	40 /* bytes of options that a header holds */
#define TCP_OPT_TS_LEN	12 /* timestamps, with the two no-operations that align them */
#define TCP_OPT_SACKS	4  /* blocks that fit; 3 beside timestamps */
#define TCP_WSCALE_MAX	14 /* RFC 7323 2.3 */
#define TCP_MSS_DEFAULT 536

enum {
	TCP_HAS_MSS = 1,
	TCP_HAS_WSCALE = 2,
	TCP_HAS_SACK_OK = 4,
	TCP_HAS_TS = 8,
};

/* [start, end) of sequence space. */
struct tcp_sack {
	uint32_t start;
	uint32_t end;
};

struct tcp_opts {
	uint8_t has;	/* TCP_HAS_... */
	uint8_t wscale; /* 0 to 14: more is read as 14 */
	uint8_t n_sacks;
	uint16_t mss; /* as it stands there, whatever it says */
	uint32_t ts_val;
	uint32_t ts_ecr;
	struct tcp_sack sack[TCP_OPT_SACKS];
};

/*
 * Of a header that tcp_hdr_check() liked, all of which can be read; sets all of *o, 0 for what is
 * not there. Later ones win over earlier.
 */
void tcp_opt_read(const struct tcp_hdr *h, struct tcp_opts *o);

/*
 * The timestamps alone, where they are the only option and stand as everybody sends them
 * (no-operation twice, kind 8, length 10): 12 bytes after a header of 32. False: ask
 * tcp_opt_read().
 */
static inline bool tcp_opt_ts_only(const struct tcp_hdr *h, uint32_t *val, uint32_t *ecr)
{
	const uint8_t *p = (const uint8_t *)(h + 1);

	if (h->offset >> 4 != 8 || load32(p) != to_be32(0x0101080a))
		return false;
	*val = from_be32(load32(p + 4));
	*ecr = from_be32(load32(p + 8));
	return true;
}

/*
 * Writes what `has` and n_sacks say to p and returns the length, a multiple of 4 and at most 40:
 * SACK blocks beyond the room are left out, the last ones first. No-operations before an option
 * align it and nothing follows the last, so that there is no end of options, and no padding of
 * zeros after one (MUST-69). p: room for 40, of which no more than the length is written.
 *
 * Whether the segment is a SYN is the caller's knowledge.
 */
uint32_t tcp_opt_write(void *p, const struct tcp_opts *o);

#endif
