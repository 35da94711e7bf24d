/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * checks: balanced backends are asked how they are, over our own stack (lb/conf.h: lb_check_conf).
 *
 * Control makes a list of who is to be asked whenever lb_version() says that this may have changed;
 * each worker asks some of them, each for itself: by TCP and UDP from ports whose answers come back
 * to it, by ICMP those whose answers come to it by their addresses. A backend is asked at its
 * own address, from that of the interface on the way, also where it gets its packets in a tunnel.
 * Results go to control as EVENT_CHECKED.
 *
 * Questions are spread over the interval. One that is not answered costs its time-out and nothing
 * else; there is never a second one to the same backend meanwhile.
 */
#ifndef SERVICE_CHECKS_H
#define SERVICE_CHECKS_H

#include "net/stage.h"

struct net;

/* Nothing where there is no balancing. 0 or -ENOMEM. Control, after lb_attach(), before the start.
 */
int checks_attach(struct net *net);
/* The workers have ended, their stacks still are there. Before lb_detach(). */
void checks_detach(struct net *net);

/* Some times a second: another list, and the end of old ones. Control. */
void checks_tick(struct net *net);

/* Asks whose time has come, at most CHECKS_BUDGET packets -> out. Worker, in timed passes. */
void checks_run(struct worker *w);

/* answer (aux: a backend's slot) -> consumed */
stage_fn stage_checks;

#endif
