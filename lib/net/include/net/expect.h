/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * expect: replies of other hosts that somebody on this worker waits for, beside TCP's.
 *
 * Whoever asks a host by ICMP echo or from a UDP port of its own notes here what the reply will
 * look like; stage_icmp and stage_udp put what was noted on the lane `answer`, with the number
 * under which it was noted, and know no more of it. A worker with no table (w->expect is NULL), or
 * an empty one, pays a load. Worker.
 */
#ifndef NET_EXPECT_H
#define NET_EXPECT_H

#include "net/worker.h"

/* What a reply has; host order. */
struct expected {
	uint32_t from;	    /* the host that was asked */
	uint32_t to;	    /* the address of ours that asked */
	uint16_t from_port; /* of ICMP: the sequence number */
	uint16_t to_port;   /* of ICMP: the identification */
	uint8_t proto;	    /* IP4_PROTO_UDP or IP4_PROTO_ICMP */
};

#define EXPECT_NONE UINT32_MAX

struct expect;

/* A table for numbers below n. NULL: no memory. */
struct expect *expect_new(uint32_t n);
/* NULL is allowed. */
void expect_free(struct expect *x);

/* Notes it under a number of the caller's, which is free. */
void expect_add(struct expect *x, uint32_t number, const struct expected *e);
/* Nobody waits any more; a number that is free is ignored. */
void expect_del(struct expect *x, uint32_t number);
/* Under which number it was noted, or EXPECT_NONE. */
uint32_t expect_find(const struct expect *x, const struct expected *e);
/* How many are noted. */
uint32_t expect_count(const struct expect *x);

/*
 * The number of a packet for this host: an ICMP echo reply, a datagram, or an ICMP error about what
 * was asked; headers at hand. EXPECT_NONE: nobody waits for it.
 */
uint32_t expect_of(const struct worker *w, const struct rte_mbuf *m);

#endif
