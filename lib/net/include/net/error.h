/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error: why a packet is on the error lane, in the lane's aux word.
 *
 * One list gives each cause its ICMP type and code and the reason under which the packet itself
 * is then dropped; the low 24 bits of aux carry a value where the ICMP message has one (next-hop
 * MTU, octet pointer, index of the adjacency whose neighbour is the better gateway).
 */
#ifndef NET_ERROR_H
#define NET_ERROR_H

#include "net/worker.h"

/* clang-format off */
#define ERROR_CAUSES(X) /* cause, ICMP type, code, drop reason */ \
	X(TTL, 11, 0, TTL_EXCEEDED)		/* RFC 1812 5.3.1 */ \
	X(REASSEMBLY, 11, 1, REASM_TIMEOUT)	/* RFC 1122 3.3.2 */ \
	X(NO_ROUTE, 3, 0, NO_ROUTE)		/* RFC 1812 5.2.7.1 */ \
	X(UNREACHABLE, 3, 1, UNREACHABLE)	/* the route says so */ \
	X(NEIGHBOUR, 3, 1, NEIGHBOUR_FAILED)	/* RFC 1812 3.3.2: ARP fails */ \
	X(PROTOCOL, 3, 2, PROTO_UNKNOWN) \
	X(PORT, 3, 3, UDP_NO_PORT) \
	X(SERVICE, 3, 3, NO_SERVICE)		/* a virtual address has no such port */ \
	X(BACKEND, 3, 3, LB_NO_BACKEND)		/* nobody serves it now */ \
	X(FRAG_NEEDED, 3, 4, FRAG_NEEDED)	/* value: next-hop MTU, RFC 1191 */ \
	X(SOURCE_ROUTE, 3, 5, IP4_SOURCE_ROUTE)	/* RFC 1812 5.2.4.1 */ \
	X(OPTION, 12, 0, IP4_OPTION)		/* value: octet that is wrong */ \
	X(REDIRECT, 5, 1, MAX)			/* value: adjacency; the packet is a copy */
/* clang-format on */

enum error_cause {
#define X(name, type, code, reason) ERROR_##name,
	ERROR_CAUSES(X)
#undef X
		ERROR_MAX
};

/* Places m on the error lane: stage_error answers its sender and drops it. Takes ownership. */
static inline void error_put(
	struct worker *w, struct rte_mbuf *m, enum error_cause cause, uint32_t value)
{
	lane_put(&w->error, m, (uint32_t)cause << 24 | value);
}

static inline enum error_cause error_cause(uint32_t aux)
{
	return (enum error_cause)(aux >> 24);
}

static inline uint32_t error_value(uint32_t aux)
{
	return aux & 0xffffff;
}

#endif
