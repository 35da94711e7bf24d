/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * syncookie: an initial sequence number that remembers a SYN, so that we need not (RFC 4987 3.6).
 *
 * 32 bits: a count of 64-second periods (its low 5 bits), an index of MSS (3 bits) and 24 bits of
 * SipHash over the addresses, the ports, the peer's ISN, the period and the index, under our
 * secret: who guesses one is right once in 2^24. Where both sides use timestamps, the low 6 bits of
 * the value that we send carry the window scale, SACK and ECN; without them a cookie's connection
 * has none of these. Nothing vouches for those bits: a peer that changes its echo harms itself.
 *
 * No state but the secret, which every worker has alike: a cookie may come back to any of them.
 * Values are in the host's order unless they are in the key.
 */
#ifndef NET_SYNCOOKIE_H
#define NET_SYNCOOKIE_H

#include "base/siphash.h"

#include <stdbool.h>
#include <stdint.h>

/* As in the packets, wire order: `local` is us. */
struct syncookie_flow {
	uint32_t local;
	uint32_t remote;
	uint16_t local_port;
	uint16_t remote_port;
};

#define SYNCOOKIE_NO_WSCALE 15 /* the peer does no window scaling, and so we do none */

/* What is remembered. */
struct syncookie_memory {
	/*
	 * Of the peer, 536 if it says none. On return the largest of the table that is not larger:
	 * 216 (and for anything below it), 536, 1220, 1300, 1400, 1440, 1460, 8960.
	 */
	uint16_t mss;
	uint8_t wscale; /* of the peer, 0 to 14, or SYNCOOKIE_NO_WSCALE */
	bool sack;
	bool ecn;
	bool timestamps; /* set by the caller, always: the three above need them */
};

/*
 * The ISN of the SYN-ACK. A cookie is good for the period that it was made in and the next: 64 to
 * 128 seconds. A SYN that comes again within the period gets the same one. now_ms: one clock for
 * all workers, that never goes back.
 */
uint32_t syncookie_make(const struct siphash_key *secret, const struct syncookie_flow *flow,
	uint32_t peer_isn, const struct syncookie_memory *memory, uint64_t now_ms);

/*
 * The timestamp of the SYN-ACK as the wire has it: the largest value that has the six bits and is
 * not later than `clock`, thus at most 63 less. clock: with the connection's offset, if it has one.
 */
uint32_t syncookie_stamp(const struct syncookie_memory *memory, uint32_t clock);

/*
 * The ACK that completes a handshake: its ACK number less one, its sequence number less one, and
 * the timestamp that it echoes (if memory->timestamps was set by the caller; else it is not looked
 * at). True: the rest of memory is set. False: no cookie of ours, or too old; memory is untouched.
 */
bool syncookie_check(const struct siphash_key *secret, const struct syncookie_flow *flow,
	uint32_t cookie, uint32_t peer_isn, uint32_t echoed, uint64_t now_ms,
	struct syncookie_memory *memory);

#endif
