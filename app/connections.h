/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connections: TCP connections, asked of the workers that own them, or ended by them.
 * Control thread.
 */
#ifndef APP_CONNECTIONS_H
#define APP_CONNECTIONS_H

#include "method.h"

#define CONNECTION_STATES                                                                          \
	"SYN_SENT|SYN_RCVD|ESTABLISHED|FIN_WAIT_1|FIN_WAIT_2|CLOSING|TIME_WAIT|CLOSE_WAIT|LAST_"   \
	"ACK"

/* {next, connections: a list of {worker, local, remote, state, unread, ...}}. */
method_fn connections_show;

/* Ends one, with a reset to its peer; {local, remote}. */
method_fn connections_abort;

#endif
