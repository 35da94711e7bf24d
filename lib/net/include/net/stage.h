/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stage: the steps of a pipeline, and how one is run and accounted for.
 *
 * A stage takes every packet of its lane and places it in a lane further down, or drops it with a
 * reason. A source has no lane: it brings packets in and says how many.
 */
#ifndef NET_STAGE_H
#define NET_STAGE_H

#include "net/worker.h"

#include <rte_branch_prediction.h>

typedef uint32_t source_fn(struct worker *w);

/* sources */
source_fn stage_commands; /* takes control's commands: ARP requests out, parks released */
source_fn stage_unpark;	  /* released parks -> in | out | error; timed-out parks -> error */
source_fn stage_handover; /* rings from other workers -> in | local | tx lanes */
source_fn stage_again;	  /* the again ring -> in | out */
source_fn stage_punted; /* the punt thread's rings -> tx | consumed | drop; w->kernel is not NULL */
source_fn stage_rx;	/* one receive queue -> rx */

/* stages and where their packets go */
stage_fn stage_check;	    /* rx -> in | odd */
stage_fn stage_odd;	    /* odd -> arp | in | local | punt | error | drop */
stage_fn stage_arp;	    /* arp -> tx | punt | consumed | drop */
stage_fn stage_fib_in;	    /* in -> fwd | local | service | error | park | drop */
stage_fn stage_fib_host;    /* in -> local | drop: the same of a host that forwards nothing */
stage_fn stage_fib_balance; /* in -> local | service | drop: of one that balances, too */
stage_fn stage_forward;	    /* fwd -> tx | frag | error | park */
stage_fn stage_local;	    /* local -> reasm | steer | hand-over | drop */
stage_fn stage_reassemble;  /* reasm -> steer | again | error (timed out) | drop */
stage_fn stage_steer;	    /* steer -> icmp | udp | tcp | punt | error | hand-over */
/* icmp -> out | answer | tcp, datagram, quoted (errors) | punt | consumed | drop */
stage_fn stage_icmp;
stage_fn stage_udp; /* udp -> out | error | answer | sync | datagram | punt | consumed | drop */
stage_fn stage_tcp_reset;   /* tcp -> out | punt | drop: without a host every port is closed */
stage_fn stage_punt;	    /* punt -> the ring to the kernel | drop */
stage_fn stage_error;	    /* error -> out; the packet that caused it is dropped */
stage_fn stage_fib_out;	    /* out -> fwd_out | again | drop */
stage_fn stage_forward_out; /* fwd_out -> tx | frag | park */
stage_fn stage_fragment;    /* frag -> tx */
/* every tx lane -> its device, and what was dropped -> its pool */
void stage_tx(struct worker *w, bool timed);

/*
 * A step that took n packets is accounted for. timed: a constant at the call; then the time since
 * the last such step of the pass is its own, the look at steps that had nothing to do included.
 */
static __rte_always_inline void stage_count(
	struct worker *w, enum stage_id id, uint32_t n, const bool timed)
{
	struct stage_count *c = &w->stage[id];

	if (n == 0)
		return;
	c->calls++;
	c->packets += n;
	if (timed) {
		ticks now = clock_now();

		c->timed_ticks += now - w->stamp;
		c->timed_packets += n;
		w->stamp = now;
	}
}

/* Runs fn over its lane `in`, if anything is in it. */
static __rte_always_inline void stage(
	struct worker *w, enum stage_id id, struct lane *in, stage_fn *fn, const bool timed)
{
	uint32_t n = in->n;

	if (n == 0)
		return;
	fn(w);
	in->n = 0;
	stage_count(w, id, n, timed);
}

/* The same of one that takes out some packets of its lane and leaves the others in it. */
static __rte_always_inline void sieve(
	struct worker *w, enum stage_id id, const struct lane *in, stage_fn *fn, const bool timed)
{
	uint32_t n = in->n;

	if (n == 0)
		return;
	fn(w);
	stage_count(w, id, n, timed);
}

/* Runs a source if something waits there; returns how many packets it brought. */
static __rte_always_inline uint32_t source(
	struct worker *w, enum stage_id id, bool waits, source_fn *fn, const bool timed)
{
	uint32_t n;

	if (!waits)
		return 0;
	n = fn(w);
	stage_count(w, id, n, timed);
	return n;
}

#endif
