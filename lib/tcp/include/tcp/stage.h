/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_stage: a stack as stages of a worker's pipeline. Worker.
 *
 * The worker has a stack (w->stack, tcp_attach()). Time reaches it by the pass's clock: w->now.
 */
#ifndef TCP_STAGE_H
#define TCP_STAGE_H

#include "net/stage.h"
#include "tcp/tcp.h"

/*
 * Gives a worker its stack, whose way out is the worker's FIB and whose ports are those that bring
 * answers home. seed: as for tcp_new(). 0 or -ENOMEM. Control; the worker does not run yet.
 */
int tcp_attach(struct worker *w, const struct tcp_settings *s, const struct tcp_limits *l,
	const uint64_t seed[4]);
/* The worker has ended: connections are forgotten. */
void tcp_detach(struct worker *w);

/*
 * Connections and TIME_WAIT records as control asked for them (COMMAND_CONNECTIONS), or what came
 * of the end of one (COMMAND_ABORT).
 */
#define TCP_VIEW_ROWS 256
struct tcp_view {
	uint32_t n;
	bool more;     /* ask again, */
	uint32_t next; /* from here */
	bool found;    /* it is ended */
	struct tcp_info row[TCP_VIEW_ROWS];
};

/*
 * The way to remote as the stack takes it: *local (if it is 0) becomes the address to send from.
 * 0 or -ENETUNREACH. Worker.
 */
int tcp_stage_route(const struct worker *w, uint32_t remote, uint32_t *local, uint16_t *mtu);
/* The worker to which answers from remote come. */
uint16_t tcp_stage_owner(const struct worker *w, uint32_t local, uint32_t remote,
	uint16_t local_port, uint16_t remote_port);

stage_fn stage_tcp; /* tcp -> consumed | drop; ICMP errors about our segments, too */

/* What connections have to say -> out, at most TCP_BUDGET. timed: and what time has brought. */
void stage_tcp_output(struct worker *w, bool timed);

#endif
