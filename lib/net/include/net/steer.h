/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer: which worker owns a packet's flow.
 *
 * One symmetric Toeplitz hash and one map for every port: by ports for TCP and UDP, by addresses
 * for the rest, by addresses and identification for fragments, and for ICMP errors by the packet
 * that they quote. Transit packets are never steered.
 */
#ifndef NET_STEER_H
#define NET_STEER_H

#include "net/worker.h"
#include "wire/bytes.h"

/* The owner of m, a packet for this host; this worker where that is certain already. */
uint16_t steer_owner(const struct worker *w, const struct rte_mbuf *m);
/* The same of a packet that may have been put here by a NIC, or by another worker: then it is home.
 */
uint16_t steer_owner_of(const struct worker *w, const struct rte_mbuf *m);
/* The owner of a flow, by its ends; all as they stand in packets. */
uint16_t steer_owner_by(const struct worker *w, be32 src, be32 dst, be16 sport, be16 dport);

#endif
