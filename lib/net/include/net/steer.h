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

/* The owner of m, a packet for this host; this worker where that is certain already. */
uint16_t steer_owner(const struct worker *w, const struct rte_mbuf *m);

#endif
