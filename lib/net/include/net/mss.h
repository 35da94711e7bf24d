/* SPDX-License-Identifier: BSD-3-Clause */
/* mss: the MSS of SYNs that pass, lowered to what a link or a tunnel leaves (RFC 4459 3.2). */
#ifndef NET_MSS_H
#define NET_MSS_H

#include "net/worker.h"

/*
 * Lowers the MSS that a SYN in m announces to at most mss bytes, and counts it; leaves alone what
 * is no TCP, or a fragment without its header. Options beyond m's first segment are not looked at.
 */
void mss_clamp(struct worker *w, struct rte_mbuf *m, uint16_t mss);

#endif
