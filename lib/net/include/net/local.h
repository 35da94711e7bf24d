/* SPDX-License-Identifier: BSD-3-Clause */
/* local: what the protocols of this host share. Worker. */
#ifndef NET_LOCAL_H
#define NET_LOCAL_H

#include "net/worker.h"

#include <stdbool.h>

/*
 * Whether the checksum of a TCP segment or a UDP datagram of len bytes behind m's IPv4 header
 * verifies: by the NIC's word, or by ours.
 */
bool local_csum_ok(const struct rte_mbuf *m, uint16_t len);

/*
 * Sends m, a request whose payload is the answer already, back to its sender from the address
 * `from` (host order), as a packet of our own: consumed and originated. The headers may be written.
 */
void local_answer(struct worker *w, struct rte_mbuf *m, uint32_t from);

#endif
