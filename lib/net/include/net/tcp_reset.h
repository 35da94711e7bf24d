/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_reset: refusals of segments that belong to no connection (RFC 9293 3.10.7.1). */
#ifndef NET_TCP_RESET_H
#define NET_TCP_RESET_H

#include "net/worker.h"

/*
 * Answers a segment with a reset that its sender will accept, from the address that it was sent
 * to; a reset, or a segment that is broken, is not answered. The 20 bytes of its header are at
 * hand; m stays the caller's. Worker.
 */
void tcp_reset_answer(struct worker *w, const struct rte_mbuf *m);

#endif
