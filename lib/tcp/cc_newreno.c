/* SPDX-License-Identifier: BSD-3-Clause */
/* Slow start and congestion avoidance (RFC 5681 3.1), counted in bytes (RFC 3465 2.1). */
#include "tcp/cc.h"

#include <rte_common.h>

enum { ACKED }; /* of cc_state: bytes acknowledged since cwnd last grew */

static void start(struct tcp_conn *c, uint32_t now_us)
{
	(void)now_us;
	c->cc_state[ACKED] = 0;
}

static void acked(struct tcp_conn *c, uint32_t bytes, uint32_t rtt_us, uint32_t now_us)
{
	(void)rtt_us, (void)now_us;
	if (c->cwnd < c->ssthresh) {
		uint32_t room = c->ssthresh - c->cwnd;

		c->cwnd += RTE_MIN(bytes, room);
		if (bytes <= room)
			return;
		bytes -= room;
	}
	c->cc_state[ACKED] += bytes;
	while (c->cc_state[ACKED] >= c->cwnd) { /* a segment for each window */
		c->cc_state[ACKED] -= c->cwnd;
		c->cwnd += c->mss;
	}
}

static uint32_t reduce(struct tcp_conn *c, uint32_t flight, uint32_t now_us)
{
	(void)now_us;
	c->cc_state[ACKED] = 0;
	return RTE_MAX(flight / 2, 2u * c->mss);
}

static void timeout(struct tcp_conn *c, uint32_t now_us)
{
	(void)now_us;
	c->cc_state[ACKED] = 0;
}

const struct tcp_cc tcp_newreno = {
	.name = "newreno",
	.start = start,
	.acked = acked,
	.reduce = reduce,
	.timeout = timeout,
	.idle = timeout,
};
