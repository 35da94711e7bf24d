/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage: a worker's balancing: its stages, its flows, what it counts.
 *
 * A worker without balancing has no struct lb_worker (w->lb is NULL), and none of this runs.
 * Everything here is the worker's; control reads counters, each by a single load.
 */
#ifndef LB_STAGE_H
#define LB_STAGE_H

#include "lb/flow.h"
#include "lb/vservice.h"
#include "net/net.h"
#include "net/stage.h"

/* Of one backend, or one service, on one worker. */
struct lb_count {
	alignas(64) uint64_t flows;	 /* now, but for closed ones */
	uint64_t opened;		 /* since the start */
	uint64_t packets_in, bytes_in;	 /* from clients */
	uint64_t packets_out, bytes_out; /* from backends, where they pass */
	uint64_t refused;  /* of a backend: RSTs in answer to SYNs; of a service: new flows */
	uint64_t answered; /* of a backend: flows that it answered */
};
static_assert(sizeof(struct lb_count) == 64, "a backend's counters are one line");

/* What a service's new flows ask, on one worker. */
struct lb_gate {
	ticks due;     /* of its rate: limit.c */
	ticks full;    /* all its backends were: they are not asked again until then */
	ticks guarded; /* SYN proxy, auto: on until then, by SYNs that */
	ticks metered; /* came in the second that began then: */
	uint32_t syns; /* so many */
};

struct lb_ports;
struct lb_inside;
struct sync_end;

struct lb_worker {
	struct flow_table *flows;
	struct lb_count *backend;	/* by slot */
	struct lb_count *service;	/* by slot */
	uint32_t *turn;			/* by service slot: whose turn it is */
	struct lb_gate *gate;		/* by service slot */
	ticks *backend_due;		/* by backend slot: of its rate */
	uint32_t *service_part;		/* control: w, worker: r; flows it may have here, */
	uint32_t *backend_part;		/* of those that there may be on all workers */
	struct lb_proxy *_Atomic proxy; /* control: w once, worker: r; NULL: no SYN proxy yet */
	uint32_t crowd;			/* so many flows, and the hash alone chooses for new ones */
	ticks alone;			/* until then there may be flows without a place */
	uint16_t seconds;		/* the flows' time; of the last timed pass */
	uint32_t sweep_left;		/* buckets of this round */
	ticks swept_at;
	_Atomic uint32_t rounds; /* worker: w, control: r; times that the sweep went round */
	struct lb_view *view;	 /* worker: w before w->view_seq, control: r after */
	/* by index of an address: its ports; control sets the pointers while nobody is led there */
	struct lb_ports *ports[LB_POOL_MAX][LB_NAT_PROTOS];
	struct lb_inside *inside[LB_POOL_MAX]; /* the same of a masquerade; NULL: it is none */
	uint8_t nat_turn[LB_POOL_MAX]; /* by a pool's first address: whose turn it is of them */
	struct sync_end *sync;	       /* of flows told to another instance, and taken from it */
};

/* Flows as control asked for them (COMMAND_FLOWS). */
#define LB_VIEW_ROWS 256
struct lb_view {
	uint32_t n;
	bool more;	  /* ask again, */
	uint32_t next;	  /* from here */
	uint16_t seconds; /* the flows' time */
	struct flow row[LB_VIEW_ROWS];
};

/* Fills in the view if control has asked. Worker, in timed passes, after commands. */
void lb_answer(struct worker *w);

/* Flows that are over end; the time. Worker, in timed passes. */
void lb_time(struct worker *w);

/* What another instance is to know of this worker's flows (lb/sync.h) -> out. In timed passes. */
void lb_sync_time(struct worker *w);

/* Whether stage_replies has anything to look for. */
static inline bool lb_looks_behind(const struct worker *w)
{
	return w->lb != NULL && atomic_load_explicit(&w->net->lb->behind, memory_order_relaxed);
}

/*
 * in -> in | tx | fwd_out | local | error | hand-over | park | drop. Takes out what comes from
 * behind this instance and has to change before it is routed: replies of backends, flows to
 * masquerade.
 */
stage_fn stage_replies;
/*
 * service (aux: a vip's index) -> tx | fwd_out | out | local | error | hand-over | park |
 * consumed | drop
 */
stage_fn stage_balance;
/*
 * quoted -> tx | fwd_out | error | hand-over | park | consumed | drop. ICMP errors, whole and
 * valid, about what services or backends in tunnels were sent: to whom they concern.
 */
stage_fn stage_quoted;
/* sync -> consumed | hand-over | drop: what another instance tells of its flows */
stage_fn stage_sync;

#endif
