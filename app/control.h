/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control: the control socket: a Unix stream socket that speaks JSON-RPC, one text per line.
 *
 * Clients are bounded in number, in what they may send before a newline and, as the next request
 * is taken when the last answer is gone, in what waits for them; who sends garbage or does not read
 * costs itself only. Peers are root and the user that the
 * process runs as. Control thread.
 */
#ifndef APP_CONTROL_H
#define APP_CONTROL_H

#include "loop.h"
#include "method.h"

#define CONTROL_CLIENTS 64
#define CONTROL_REQUEST (1u << 20) /* bytes of one line */
#define CONTROL_STALLED                                                                            \
	10000 /* ms in which a client takes nothing of what waits for it: cut off                  \
	       */

struct control;

/*
 * Takes the socket: the very first thing that a process does, since it refuses (-EADDRINUSE) a
 * second one on the same path. A socket that nobody listens on is replaced; its folder is made.
 * Nothing is accepted yet. 0 or -errno, logged.
 */
int control_open(struct control **control, const char *path);

/* Accepts clients from now on and calls the registry's methods for them. 0 or -errno. */
int control_serve(
	struct control *c, struct loop *loop, const struct registry *registry, struct app *app);

/*
 * Goes on with the calls that take more than one turn: from the loop's work function. Returns for
 * how many milliseconds the loop may sleep, as that does. now_ms: loop_now_ms().
 */
int control_work(struct control *c, uint64_t now_ms);

/* Cuts off all clients, removes the socket; before loop_free(). NULL is allowed. */
void control_close(struct control *c);

#endif
