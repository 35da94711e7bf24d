/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way of a packet through the appliance, a router and a host in one; nothing runs backwards.
 *
 *   rx -> check -> fib(in) -> forward -----------------------------------------> tx
 *           |-> odd ->^ |-> local -> reassemble -> steer -> icmp | udp | tcp
 *                       '-> error -> tcp_output -> fib(out) -> forward_out -> fragment -> tx
 *
 *   fib(in) -> balance -> forward_out   to a virtual address: its backend's, from here on
 *   check -> replies -> forward_out     what backends answer, or is masqueraded; the rest: fib(in)
 *
 * As in router.c, whose contract holds here, too. What differs: tcp gives segments to this worker's
 * stack, and tcp_output alone makes any. A connection lives on one worker, where steer brings it.
 */
#include "pipelines/appliance.h"

#include "lb/stage.h"
#include "net/net.h"
#include "net/stage.h"
#include "service/checks.h"
#include "service/service.h"
#include "service/socket_service.h"
#include "tcp/stage.h"

/* timed: take the TSC after every stage, and look after commands and timers. */
static __rte_always_inline uint32_t pass(struct worker *w, const bool timed)
{
	uint32_t n = 0;

	if (timed) {
		w->stamp = w->now = clock_now();
		service_sync(w);
		if (w->lb != NULL) {
			lb_time(w);
			lb_sync_time(w);
			checks_run(w);
		}
	}

	/* sources: each brings at most its budget */
	n += source(w, STAGE_commands, timed, stage_commands, timed);
	n += source(w, STAGE_unpark, w->released > 0, stage_unpark, timed);
	n += source(w, STAGE_handover, w->net->n_workers > 1, stage_handover, timed);
	n += source(w, STAGE_again, w->again.n > 0, stage_again, timed);
	n += source(w, STAGE_sockets, w->sockets != NULL, stage_sockets, timed);
	n += source(w, STAGE_punted, w->kernel != NULL, stage_punted, timed);
	n += source(w, STAGE_rx, true, stage_rx, timed);
	/* every lane is empty; commands and timers may fill one unasked */
	if (n == 0 && !timed && !w->tcp_waits)
		return 0;

	/* received packets */
	stage(w, STAGE_check, &w->rx, stage_check, timed);
	stage(w, STAGE_odd, &w->odd, stage_odd, timed);
	stage(w, STAGE_arp, &w->arp, stage_arp, timed);
	if (lb_looks_behind(w))
		sieve(w, STAGE_replies, &w->in, stage_replies, timed);
	stage(w, STAGE_fib_in, &w->in, stage_fib_in, timed);
	stage(w, STAGE_balance, &w->service, stage_balance, timed);
	stage(w, STAGE_forward, &w->fwd, stage_forward, timed);

	/* packets for this host */
	stage(w, STAGE_local, &w->local, stage_local, timed);
	stage(w, STAGE_reassemble, &w->reasm, stage_reassemble, timed);
	stage(w, STAGE_steer, &w->steer, stage_steer, timed);
	stage(w, STAGE_icmp, &w->icmp, stage_icmp, timed);
	stage(w, STAGE_quoted, &w->quoted, stage_quoted, timed);
	stage(w, STAGE_udp, &w->udp, stage_udp, timed);
	stage(w, STAGE_checks, &w->answer, stage_checks, timed);
	stage(w, STAGE_datagram, &w->dgram, stage_datagram, timed);
	stage(w, STAGE_sync, &w->sync, stage_sync, timed);
	stage(w, STAGE_tcp, &w->tcp, stage_tcp, timed);
	stage(w, STAGE_punt, &w->punt, stage_punt, timed);

	/* packets of our own */
	stage(w, STAGE_error, &w->error, stage_error, timed);
	if (timed && w->lb != NULL)
		lb_answer(w);
	stage_tcp_output(w, timed);
	if (w->sockets != NULL)
		sockets_tell(w);
	stage(w, STAGE_fib_out, &w->out, stage_fib_out, timed);
	stage(w, STAGE_forward_out, &w->fwd_out, stage_forward_out, timed);
	stage(w, STAGE_fragment, &w->frag, stage_fragment, timed);

	stage_tx(w, timed);
	return n;
}

/* One pass in sixteen is timed, and one in 64 while nothing comes. */
uint32_t appliance(struct worker *w)
{
	uint64_t mask = w->quiet == 0 ? 15 : 63;
	uint32_t n = (w->passes++ & mask) == 0 ? pass(w, true) : pass(w, false);

	w->quiet = n > 0 ? 0 : w->quiet + 1;
	return n;
}
