/* SPDX-License-Identifier: BSD-3-Clause */
/* What the library alone knows of a socket. Plain values: who sets them orders his own calls. */
#ifndef SOCKETS_STATE_H
#define SOCKETS_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define SOCKETS_MOST 65536 /* as many as the service lets a program have */

struct socket_state {
	bool nonblock;
	uint32_t receive_ms; /* 0: for ever */
	uint32_t send_ms;
};

extern struct socket_state socket_state[SOCKETS_MOST];

#endif
