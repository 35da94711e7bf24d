/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC (RFC 9438). Windows are in bytes here and in segments in the RFC's formulas; time is in
 * milliseconds. W_cubic(t) = C * (t - K)^3 + W_max, C = 0.4 segments per cubic second.
 */
#include "tcp/cc.h"

#include <rte_common.h>

/* Of cc_state. */
enum {
	W_MAX, /* bytes: where the last reduction happened, the plateau of this epoch */
	K,     /* ms from the epoch's start until W_max is reached again */
	EPOCH, /* us: when this stage of congestion avoidance began; 0: it has not */
	W_EST, /* bytes: what Reno would have */
	PRIOR, /* bytes: cwnd before the last reduction */
	ACKED, /* bytes towards the next step of W_EST */
};

#define BETA_NUM     7 /* beta = 0.7 (4.6) */
#define BETA_DEN     10
#define ALPHA_NUM    9 /* 3 * (1 - beta) / (1 + beta) = 9 / 17 (4.3) */
#define ALPHA_DEN    17
#define D_MAX_MS     1000000 /* so far from K the curve is beyond all windows; its cube fits */
#define EPOCH_MAX_US (UINT32_C(1) << 30)
#define CWND_LIMIT   (UINT32_C(1) << 30)
#define STEP	     64 /* bytes of W_EST that are worth a division */

static uint32_t cube_root(uint64_t x)
{
	uint64_t root = 0;

	for (int bit = 21; bit >= 0; bit--) {
		uint64_t next = root | UINT64_C(1) << bit;

		if (next * next * next <= x)
			root = next;
	}
	return (uint32_t)root;
}

/* K = cbrt((W_max - cwnd) / C) (figure 2): in ms, of bytes; 1e9 / 0.4 = 2.5e9. */
static uint32_t k_of(uint32_t bytes, uint32_t mss)
{
	return cube_root((uint64_t)bytes * UINT64_C(2500000000) / mss);
}

/* The window of the curve t ms after the epoch began (figure 1). */
static uint32_t curve(const struct tcp_conn *c, uint32_t t)
{
	int64_t d = RTE_MIN((int64_t)t - c->cc_state[K], (int64_t)D_MAX_MS);
	/* 0.4 * d^3 segments, d in seconds */
	int64_t rise = d * d * d / 2500000 * c->mss / 1000, window;

	window = RTE_MAX((int64_t)c->cc_state[W_MAX] + rise, (int64_t)c->mss);
	return (uint32_t)RTE_MIN(window, (int64_t)INT32_MAX);
}

static void start(struct tcp_conn *c, uint32_t now_us)
{
	(void)now_us;
	for (int i = 0; i < 6; i++)
		c->cc_state[i] = 0;
}

static void begin_epoch(struct tcp_conn *c, uint32_t now_us)
{
	c->cc_state[EPOCH] = (now_us - 1) | 1; /* not 0, and not to come */
	c->cc_state[W_EST] = c->cwnd;
	c->cc_state[ACKED] = 0;
	if (c->cwnd < c->cc_state[W_MAX]) {
		c->cc_state[K] = k_of(c->cc_state[W_MAX] - c->cwnd, c->mss);
	} else {
		c->cc_state[K] = 0;
		c->cc_state[W_MAX] = c->cwnd;
	}
}

/* Milliseconds of this epoch, which never wraps round. */
static uint32_t epoch_ms(struct tcp_conn *c, uint32_t now_us)
{
	if (now_us - c->cc_state[EPOCH] > EPOCH_MAX_US)
		c->cc_state[EPOCH] = (now_us - EPOCH_MAX_US) | 1;
	return (now_us - c->cc_state[EPOCH]) / 1000;
}

/* What a Reno flow would have by now (4.3). Small steps are gathered, or rounding would eat them.
 */
static void reno_friendly(struct tcp_conn *c, uint32_t bytes)
{
	bool caught_up = c->cc_state[W_EST] >= c->cc_state[PRIOR];
	uint64_t step;

	c->cc_state[ACKED] += bytes;
	step = (uint64_t)c->cc_state[ACKED] * c->mss * (caught_up ? ALPHA_DEN : ALPHA_NUM) /
	       ALPHA_DEN / RTE_MAX(c->cwnd, 1u);
	if (step < STEP)
		return;
	c->cc_state[ACKED] = 0;
	c->cc_state[W_EST] = (uint32_t)RTE_MIN(c->cc_state[W_EST] + step, (uint64_t)CWND_LIMIT);
}

static void acked(struct tcp_conn *c, uint32_t bytes, uint32_t rtt_us, uint32_t now_us)
{
	uint32_t target, most, now_ms;

	if (c->cwnd < c->ssthresh) {
		uint32_t room = c->ssthresh - c->cwnd;

		c->cwnd += RTE_MIN(bytes, room);
		if (bytes <= room)
			return;
		bytes -= room;
	}
	if (c->cc_state[EPOCH] == 0)
		begin_epoch(c, now_us);
	reno_friendly(c, bytes);
	now_ms = epoch_ms(c, now_us);
	target = curve(c, now_ms + rtt_us / 1000); /* where it shall be a round trip from now */
	most = c->cwnd + c->cwnd / 2;
	target = RTE_MIN(RTE_MAX(target, c->cwnd), most);
	if (curve(c, now_ms) < c->cc_state[W_EST]) { /* the Reno-friendly region */
		c->cwnd = RTE_MAX(c->cwnd, RTE_MIN(c->cc_state[W_EST], most));
		return;
	}
	/* (target - cwnd) / cwnd for each segment acknowledged (4.4, 4.5) */
	c->cwnd += (uint32_t)RTE_MIN(
		(uint64_t)(target - c->cwnd) * bytes / c->cwnd, (uint64_t)(target - c->cwnd));
}

static uint32_t reduce(struct tcp_conn *c, uint32_t flight, uint32_t now_us)
{
	(void)flight, (void)now_us; /* an unused window did not grow: cwnd stands for flight_size */
	c->cc_state[PRIOR] = c->cwnd;
	/* fast convergence (4.7): who shrinks leaves room to others */
	if (c->cwnd < c->cc_state[W_MAX])
		c->cc_state[W_MAX] =
			(uint32_t)((uint64_t)c->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
	else
		c->cc_state[W_MAX] = c->cwnd;
	c->cc_state[EPOCH] = 0;
	return RTE_MAX((uint32_t)((uint64_t)c->cwnd * BETA_NUM / BETA_DEN), 2u * c->mss);
}

static void idle(struct tcp_conn *c, uint32_t now_us)
{
	(void)now_us;
	c->cc_state[EPOCH] = 0; /* what was idle does not count as time (5.8) */
}

/* The next stage begins at its own plateau, K = 0 (4.8). */
static void timeout(struct tcp_conn *c, uint32_t now_us)
{
	(void)now_us;
	c->cc_state[EPOCH] = 0;
	c->cc_state[W_MAX] = 0;
}

const struct tcp_cc tcp_cubic = {
	.name = "cubic",
	.start = start,
	.acked = acked,
	.reduce = reduce,
	.timeout = timeout,
	.idle = idle,
};
