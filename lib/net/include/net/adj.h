/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * adj: adjacencies, each the rewrite that sends a packet to one neighbour, and ECMP groups.
 *
 * Control writes, workers read. An adjacency is one cache line; a change of MAC is one aligned
 * 64-bit store (destination and the first two source bytes), so that a reader sees the old or the
 * new. A change of port is a new adjacency. An index is reused only after every worker has passed
 * a quiescent state. Index 0 is never handed out.
 */
#ifndef NET_ADJ_H
#define NET_ADJ_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

enum {
	ADJ_RESOLVED = 1, /* l2 is valid: packets may go */
	ADJ_ASKED = 2,	  /* control waits for an ARP packet of the neighbour: report each */
};

struct adj {
	/* Ethernet header as sent: destination, source, [tag,] EtherType; wire order */
	alignas(64) uint64_t l2_first; /* bytes 0 to 7; control: w (one store), workers: r */
	uint8_t l2_rest[10];	       /* bytes 8 to 17 */
	uint8_t l2_len;		       /* 14, or 18 with a VLAN tag */
	uint8_t flags;		       /* control: w (release, after l2), workers: r */
	uint16_t plain; /* largest packet that needs no more than its header: the MTU when resolved
			   and without a clamp, else 0; control: w (last), workers: r */
	uint16_t iface; /* index of the interface it leaves by */
	uint16_t slot;	/* the port's: a worker's tx lane */
	uint16_t mtu;	/* largest IPv4 packet of the interface, bytes */
	uint16_t mss;	/* TCP MSS to clamp to, 0 = off */
	uint32_t addr;	/* the neighbour's address, host order */
};
static_assert(sizeof(struct adj) == 64, "an adjacency is one cache line");

/* Resilient ECMP: a bucket moves only when its member goes or a new member takes its share. */
#define GROUP_BUCKETS 64
#define GROUP_MEMBERS 16
struct group {
	uint32_t bucket[GROUP_BUCKETS]; /* adjacency index; control: w, workers: r */
	uint32_t n;			/* control's: members */
	uint32_t member[GROUP_MEMBERS]; /* control's: adjacency indexes */
};

#endif
