/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connections: TCP connections, asked of the workers that own them, or ended by them.
 *
 * A worker fills in its view when it is asked, a page at a time; one call at a time asks, and
 * others wait for their turn. Control thread.
 */
#ifndef APP_CONNECTIONS_H
#define APP_CONNECTIONS_H

#include "method.h"
#include "net/worker.h"

#define CONNECTION_STATES                                                                          \
	"SYN_SENT|SYN_RCVD|ESTABLISHED|FIN_WAIT_1|FIN_WAIT_2|CLOSING|TIME_WAIT|CLOSE_WAIT|LAST_"   \
	"ACK"

/* Whose turn it is, and what is under way. */
struct views {
	const void *owner; /* the state of a call; NULL: nobody's */
	bool asked;	   /* worker `id` has yet to answer, if only an abandoned call */
	uint16_t id;
	uint32_t seq; /* of its view before it was asked */
};

/* {next, connections: a list of {worker, local, remote, state, unread, ...}}. */
method_fn connections_show;

/* Ends one, with a reset to its peer; {local, remote}. */
method_fn connections_abort;

#endif
