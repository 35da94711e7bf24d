/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * offload: what a packet of our own leaves to whoever sends it, and the software twin of that.
 *
 * A packet whose data lie elsewhere is made without reading them: its TCP or UDP checksum is left
 * open (offload_mark), or it is to be cut as well (gso_mark). Only packets of our own are so, and
 * only until stage_forward_out knows the port: what the port's device does not do is done there.
 * So what is on a tx lane, parked or handed over to be sent may be open; what is delivered here
 * or cut to fragments is not. The IPv4 checksum is always right, until a device asks for none.
 */
#ifndef NET_OFFLOAD_H
#define NET_OFFLOAD_H

#include <rte_mbuf.h>

#include <stdbool.h>

/* What a port's device does of packets that we send. */
enum {
	OFFLOAD_TCP_SUM = 1,
	OFFLOAD_UDP_SUM = 2,
	OFFLOAD_IP4_SUM = 4,
	OFFLOAD_TSO = 8,
};

#define OFFLOAD_OPEN (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)

/* Whether something of m was left open. */
static inline bool offload_is_open(const struct rte_mbuf *m)
{
	return (m->ol_flags & OFFLOAD_OPEN) != 0;
}

/*
 * Leaves the checksum of m open: a whole IPv4 packet of TCP or UDP, at pkt_ip4(), its headers in
 * the first segment. It holds the pseudo-header's sum, as devices want it.
 */
void offload_mark(struct rte_mbuf *m);

/* Computes the TCP or UDP checksum of such a packet, whatever stands in its place. */
void offload_sum(struct rte_mbuf *m);

/* Closes what was left open. What was to be cut stays one packet, and is valid as that. */
void offload_finish(struct rte_mbuf *m);

/*
 * Leaves to a device that does `does` what is open of m, behind l2_len bytes of Ethernet and tag.
 * False, m unchanged: it does not do that.
 */
bool offload_leave(struct rte_mbuf *m, uint8_t does, uint16_t l2_len);

#endif
