/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lane: packets on their way from one stage to the next, private to a worker.
 *
 * Beside each packet stands one word whose meaning the lane fixes (a destination, an entry of the
 * FIB, the cause of an error). A lane cannot overflow: all sources of packets together bring at
 * most LANE_SIZE a pass, and before the tx lanes a stage makes at most one packet of one.
 */
#ifndef NET_LANE_H
#define NET_LANE_H

#include <rte_mbuf.h>

#include <assert.h>
#include <stdint.h>

#define RX_BUDGET	64
#define HANDOVER_BUDGET 64
#define AGAIN_BUDGET	32
#define UNPARK_BUDGET	32  /* whatever a park's end was */
#define TIMER_BUDGET	32  /* what reassembly's time-outs bring to the error lane */
#define REDIRECT_BUDGET 16  /* copies of forwarded packets that ICMP redirects are made from */
#define TCP_BUDGET	128 /* segments that tcp_output() makes */
#define SOCKETS_BUDGET	64  /* datagrams of local programs, and what else they ask for */
#define CHECKS_BUDGET	32  /* questions to balanced backends */
#define SYNC_BUDGET	16  /* datagrams that tell another instance of flows */
#define PUNT_BUDGET	64  /* frames from the kernel: for tx lanes alone, which are flushed */
#define PROXY_BUDGET	32  /* packets that a SYN proxy makes beyond those that it takes */
#define LANE_SIZE	512

static_assert(RX_BUDGET + HANDOVER_BUDGET + AGAIN_BUDGET + UNPARK_BUDGET + TIMER_BUDGET +
			      REDIRECT_BUDGET + TCP_BUDGET + SOCKETS_BUDGET + CHECKS_BUDGET +
			      SYNC_BUDGET + PROXY_BUDGET <=
		      LANE_SIZE,
	"what all sources bring in one pass must fit a lane");

struct lane {
	uint32_t n;
	struct rte_mbuf *pkt[LANE_SIZE];
	uint32_t aux[LANE_SIZE];
};

static inline void lane_put(struct lane *l, struct rte_mbuf *m, uint32_t aux)
{
	uint32_t i = l->n;

	l->pkt[i] = m;
	l->aux[i] = aux;
	l->n = i + 1;
}

#endif
