/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client: the other end of the control socket: connect, call, close.
 *
 * Needs jansson and libc only, so that other programs may take it as it is. Calls block, within a
 * time-out. One thread at a time for each connection.
 */
#ifndef APP_CLIENT_H
#define APP_CLIENT_H

#include <jansson.h>

#define CLIENT_SOCKET	  "/run/millrace/millrace.sock" /* the default of system.control_socket */
#define CLIENT_TIMEOUT_MS 30000

struct client;

/* path: the control socket's; timeout_ms: to be let in, and for each call as a whole. 0 or -errno.
 */
int client_open(struct client **client, const char *path, int timeout_ms);
/* NULL is allowed. */
void client_close(struct client *c);

/*
 * Calls a method. params: an object, a reference that is taken over, or NULL for none. Returns the
 * result, a new reference; or NULL and in *error, a new reference, what millrace answered: an
 * object with `code`, `message` and perhaps `data`. Where no answer came *error is NULL and errno
 * tells why (ETIMEDOUT, ECONNRESET, EPROTO: not JSON-RPC); the connection is then of no more use.
 */
json_t *client_call(struct client *c, const char *method, json_t *params, json_t **error);

#endif
