/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reasm: IPv4 reassembly for local delivery and for a balancer, which needs ports (RFC 791, 815;
 * RFC 5722's rule on overlap).
 *
 * One table a worker; bounded in datagrams, fragments of each, buffers (a quarter of the pool for
 * all workers) and time; whoever needs room ends the oldest. An exact copy of a fragment is
 * ignored, any other overlap drops the whole datagram. Fragments come out as one mbuf chain with a
 * header whose length and checksum are those of the whole.
 */
#ifndef NET_REASM_H
#define NET_REASM_H

#include "net/worker.h"

#define REASM_FRAGMENTS 64
#define REASM_DATAGRAMS 1024 /* the largest limit that a setting allows */

struct reasm *reasm_new(int node);
void reasm_free(struct reasm *r);

/*
 * Takes one fragment (ownership too). Returns the whole datagram when this completed it, else
 * NULL: the fragment is held, or was dropped with its reason.
 */
struct rte_mbuf *reasm_put(struct worker *w, struct rte_mbuf *m);

/*
 * Ends what took too long, at most budget datagrams: those whose first fragment is held go to the
 * error lane (RFC 1122 3.3.2), the rest of their parts and all others are dropped. Returns how many
 * packets are on the error lane for it.
 */
uint32_t reasm_expire(struct worker *w, uint32_t budget);

uint32_t reasm_held(const struct reasm *r); /* fragments held */
void reasm_drop_all(struct worker *w);

#endif
