/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rpc: JSON-RPC 2.0 (https://www.jsonrpc.org/specification): one text in, one text out.
 *
 * It knows nothing of sockets: the control socket feeds it today, REST and WebSocket may later.
 * A call may take more than one turn of the loop; a batch is worked off one call a turn.
 */
#ifndef APP_RPC_H
#define APP_RPC_H

#include "method.h"

#include <stddef.h>

#define RPC_BATCH_MAX 1000	 /* calls of one batch */
#define RPC_ANSWER    (4u << 20) /* bytes of results in one answer; those beyond become errors */

struct rpc;

/*
 * Takes in a request or a batch; text need not end with a 0 and is not used after. Never NULL but
 * without memory: what is wrong with the text becomes the answer.
 */
struct rpc *rpc_begin(const struct registry *registry, const char *text, size_t length);

enum rpc_progress {
	RPC_DONE,
	RPC_MORE,  /* there is more to do in the next turn of the loop */
	RPC_WAITS, /* the method under way waits for something: try again in a millisecond */
};

/* Works on it for one call, or one turn of it. */
enum rpc_progress rpc_step(struct rpc *r, struct app *app);

/*
 * The answer to what is done, one line with its newline, for the caller to free(); NULL where
 * there is none (notifications). Frees r.
 */
char *rpc_end(struct rpc *r);

/* Gives up what is not done: the caller went away. */
void rpc_abandon(struct rpc *r);

/* An error that answers no request in particular, as one line; free() it. NULL: no memory. */
char *rpc_refusal(enum rpc_code code, const char *message);

#endif
