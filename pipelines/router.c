/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a packet through the router, from top to bottom; nothing runs backwards.
 *
 *   rx -> check -> fib(in) -> forward -----------------------------------> tx
 *           |-> odd ->^ |-> local -> reassemble -> steer -> icmp | udp | tcp
 *                       '-> error -> fib(out) -> forward_out -> fragment -> tx
 *
 * Each stage takes a whole lane, and places every packet in a lane further down or drops it with
 * a reason; net/stage.h says which lanes. A transit packet crosses check, fib_in, forward and tx,
 * and no more. What has to go back (a packet of our own for an address of our own) waits on the
 * again ring for the next pass; what waits for a neighbour is parked and enters by unpark. What is
 * for this host and nobody takes goes by the punt lane to the kernel, where its port has an
 * interface there (net/punt.h); the kernel's frames come in by punted and go straight to tx.
 */
#include "pipelines/router.h"

#include "net/net.h"
#include "net/stage.h"

/* timed: take the TSC after every stage, and look after commands and timers. */
static __rte_always_inline uint32_t pass(struct worker *w, const bool timed)
{
	uint32_t n = 0;

	if (timed)
		w->stamp = w->now = clock_now();

	/* sources: each brings at most its budget */
	n += source(w, STAGE_commands, timed, stage_commands, timed);
	n += source(w, STAGE_unpark, w->released > 0, stage_unpark, timed);
	n += source(w, STAGE_handover, w->net->n_workers > 1, stage_handover, timed);
	n += source(w, STAGE_again, w->again.n > 0, stage_again, timed);
	n += source(w, STAGE_punted, w->kernel != NULL, stage_punted, timed);
	n += source(w, STAGE_rx, true, stage_rx, timed);
	if (n == 0 && !timed) /* every lane is empty; commands and timers may fill one unasked */
		return 0;

	/* received packets */
	stage(w, STAGE_check, &w->rx, stage_check, timed);
	stage(w, STAGE_odd, &w->odd, stage_odd, timed);
	stage(w, STAGE_arp, &w->arp, stage_arp, timed);
	stage(w, STAGE_fib_in, &w->in, stage_fib_in, timed);
	stage(w, STAGE_forward, &w->fwd, stage_forward, timed);

	/* packets for this host */
	stage(w, STAGE_local, &w->local, stage_local, timed);
	stage(w, STAGE_reassemble, &w->reasm, stage_reassemble, timed);
	stage(w, STAGE_steer, &w->steer, stage_steer, timed);
	stage(w, STAGE_icmp, &w->icmp, stage_icmp, timed);
	stage(w, STAGE_udp, &w->udp, stage_udp, timed);
	stage(w, STAGE_tcp, &w->tcp, stage_tcp_reset, timed);
	stage(w, STAGE_punt, &w->punt, stage_punt, timed);

	/* packets of our own */
	stage(w, STAGE_error, &w->error, stage_error, timed);
	stage(w, STAGE_fib_out, &w->out, stage_fib_out, timed);
	stage(w, STAGE_forward_out, &w->fwd_out, stage_forward_out, timed);
	stage(w, STAGE_fragment, &w->frag, stage_fragment, timed);

	stage_tx(w, timed);
	return n;
}

/* One pass in sixteen is timed, and one in 64 while nothing comes. */
uint32_t router(struct worker *w)
{
	uint64_t mask = w->quiet == 0 ? 15 : 63;
	uint32_t n = (w->passes++ & mask) == 0 ? pass(w, true) : pass(w, false);

	w->quiet = n > 0 ? 0 : w->quiet + 1;
	return n;
}
