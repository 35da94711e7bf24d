/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * state: what sim.c (the loop and the checks) and app.c (the applications) share: the run at hand.
 * Both ends of each flow are a struct side, and a connection's user data. For those two alone.
 */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PORT	40000 /* the client's of the first flow */
#define PATTERN 65536

struct side {
	const struct sim_app *app;
	struct tcp_conn *conn;
	uint32_t flow;
	uint32_t end;
	uint64_t sent;
	uint64_t received;
	uint64_t acked;
	uint64_t unread;
	uint64_t next_read;
	uint64_t next_write;
	bool opened;
	bool slept;
	bool shut;
	bool peer_shut;
	bool ended;
	bool let_go; /* gave up the handle: on_end() will not come */
	int error;
};

struct sim {
	const struct sim_conf *conf;
	struct tcp *stack[2];
	struct rte_mempool *pool;
	struct link link[2];
	struct side side[SIM_FLOWS][2];
	uint64_t now;
	uint64_t begun;
	uint64_t batch_at;
};

extern struct sim sim;
extern const struct tcp_ops app_ops;
extern uint8_t app_pattern[PATTERN + 65536];

#define FAIL(format, ...)                                                                          \
	fail_msg("%s, seed %llu, at %.6f s: " format, sim.conf->name,                              \
		(unsigned long long)sim.conf->seed, (double)(sim.now - sim.begun) / 1e6,           \
		##__VA_ARGS__)

/* Before the first run. */
void app_prepare(void);
/* What the application does by itself, now and (next) in future; UINT64_MAX: nothing. */
void app_move(struct side *s);
uint64_t app_next(const struct side *s);
/* All that the peer was to write has come. */
bool app_has_all(const struct side *s);
/* The handle is given up: on_end() will not come. */
void app_let_go(struct side *s, int error);

#endif
