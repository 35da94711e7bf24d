/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * park: packets of one worker that wait for a neighbour.
 *
 * Bounded for each neighbour and in all. Parking posts one request to control (and again each
 * second while packets wait); control's answer releases the packets, ahead of new ones, into the
 * lane that they left, or hands them to the error lane. What control never answers expires.
 */
#ifndef NET_PARK_H
#define NET_PARK_H

#include "net/worker.h"

#define PARK_MAX 4096 /* the largest park_total that a setting allows */

/* Memory for PARK_MAX packets. NULL without memory. */
struct park *park_new(int node);
void park_free(struct park *p);

/*
 * Parks m, whose next hop is addr on iface. Takes ownership. Nothing of m may have been rewritten.
 * Where there is no room, the oldest packet for the same neighbour makes way (RFC 1122 2.3.2.2:
 * the latest is to be saved). A packet waits once. The adjacency is looked at once more, so that an
 * answer that came meanwhile is not missed.
 */
void park_put(struct worker *w, struct rte_mbuf *m, uint16_t iface, uint32_t addr);

/* What control answered: releases, through stage_unpark, within its budget. */
void park_resolved(struct worker *w, uint16_t iface, uint32_t addr);
void park_failed(struct worker *w, uint16_t iface, uint32_t addr);

/*
 * Asks control again for what it has not answered in a second, and ends what it has not answered
 * in net->set.park_ms as if it had failed. Call it some times a second.
 */
void park_expire(struct worker *w);

/* Packets held. */
uint32_t park_held(const struct park *p);
/* Drops everything as DRAIN (shutdown). */
void park_drop_all(struct worker *w);

#endif
