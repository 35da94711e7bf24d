/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_cc: congestion control (RFC 5681's framework; RFC 9002's division of labour): recovery.c says
 * what was lost and when, an algorithm says how large the window is.
 *
 * An algorithm keeps its own state in c->cc_state, writes c->cwnd and c->ssthresh, and nothing
 * else. Bytes throughout.
 */
#ifndef TCP_CC_H
#define TCP_CC_H

#include "tcp/conn.h"

struct tcp_cc {
	const char *name;
	/* The connection is established; cwnd holds the initial window, ssthresh is unlimited. */
	void (*start)(struct tcp_conn *c, uint32_t now_us);
	/*
	 * `bytes` were acknowledged outside recovery, and the window was in use. rtt_us: smoothed,
	 * 0: unknown.
	 */
	void (*acked)(struct tcp_conn *c, uint32_t bytes, uint32_t rtt_us, uint32_t now_us);
	/* Congestion, once per round trip: returns the new ssthresh, `flight` bytes being out. */
	uint32_t (*reduce)(struct tcp_conn *c, uint32_t flight, uint32_t now_us);
	/* The retransmission timer fired, after reduce(); cwnd becomes one segment. */
	void (*timeout)(struct tcp_conn *c, uint32_t now_us);
	/* Nothing was sent for longer than the RTO; cwnd was put back to the restart window. */
	void (*idle)(struct tcp_conn *c, uint32_t now_us);
};

extern const struct tcp_cc tcp_newreno; /* RFC 5681, 6582 */
extern const struct tcp_cc tcp_cubic;	/* RFC 9438 */

/* By its name; NULL: none. */
const struct tcp_cc *tcp_cc_named(const char *name);

#endif
