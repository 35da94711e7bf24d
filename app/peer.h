/* SPDX-License-Identifier: BSD-3-Clause */
/* peer: the other instance of a balancer (balancers.sync), as an operator sees it. Control thread.
 */
#ifndef APP_PEER_H
#define APP_PEER_H

#include "method.h"

/*
 * {state: off|down|up, since_s (null: it never changed), listens, address, peer, port, rate,
 * session, counters by their names, pending, unwalked, refused: {reasons by their names}}; of one
 * that is off the state alone.
 */
method_fn peer_show;

#endif
