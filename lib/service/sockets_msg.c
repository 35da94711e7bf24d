/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request must look like; whoever has asked may read what the call takes without another
 * look at lengths. Bytes only: no DPDK, no state.
 */
#include "service/sockets.h"

#include <errno.h>
#include <string.h>

/* What stands behind the header. */
static const struct {
	uint32_t least;
	uint32_t most;
	uint32_t unit; /* the size is a multiple of it */
} takes[] = {
	[SOCKETS_SOCKET] = {0, 0, 1},
	[SOCKETS_BIND] = {sizeof(struct sockets_name), sizeof(struct sockets_name), 1},
	[SOCKETS_LISTEN] = {0, 0, 1},
	[SOCKETS_ACCEPT] = {0, 0, 1},
	[SOCKETS_CONNECT] = {sizeof(struct sockets_name), sizeof(struct sockets_name), 1},
	[SOCKETS_RECV] = {sizeof(struct sockets_recv), sizeof(struct sockets_recv), 1},
	[SOCKETS_SEND] = {sizeof(struct sockets_name),
		sizeof(struct sockets_name) + SOCKETS_DATA_MAX, 1},
	[SOCKETS_SHUTDOWN] = {0, 0, 1},
	[SOCKETS_CLOSE] = {0, 0, 1},
	[SOCKETS_GETOPT] = {0, 0, 1},
	[SOCKETS_SETOPT] = {0, 16, 1},
	[SOCKETS_COUNT] = {0, 0, 1},
	[SOCKETS_NAME] = {0, 0, 1},
	[SOCKETS_POLL] = {0, SOCKETS_POLL_MAX * sizeof(struct sockets_poll),
		sizeof(struct sockets_poll)},
};
_Static_assert(sizeof(takes) / sizeof(takes[0]) == SOCKETS_CALLS, "each call has a row");
_Static_assert(SOCKETS_POLL_MAX * sizeof(struct sockets_poll) <= SOCKETS_DATA_MAX, "as said");

int sockets_request_check(const void *p, size_t have)
{
	struct sockets_request r;
	uint32_t rest;

	if (have < sizeof(r))
		return (int)sizeof(r);
	memcpy(&r, p, sizeof(r));
	if (r.version != SOCKETS_VERSION || r.zero != 0 || r.call >= SOCKETS_CALLS ||
		r.length < sizeof(r))
		return -EBADMSG;
	rest = r.length - (uint32_t)sizeof(r);
	if (rest < takes[r.call].least || rest > takes[r.call].most ||
		rest % takes[r.call].unit != 0)
		return -EBADMSG;
	return have < r.length ? (int)r.length : 0;
}
