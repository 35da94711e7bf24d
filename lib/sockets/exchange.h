/* SPDX-License-Identifier: BSD-3-Clause */
/* exchange: requests to millrace and their answers, by any number of threads. For lib/sockets. */
#ifndef SOCKETS_EXCHANGE_H
#define SOCKETS_EXCHANGE_H

#include "service/sockets.h"

#include <sys/uio.h>

/* 0 or -errno; NULL: the default path. */
int exchange_open(const char *path);

/*
 * Sends a request whose `call`, `socket`, `timeout_ms` and `flags` are filled in, with what `args`
 * (n_args, at most 2) lead to behind it, and waits for its answer. What that gives is copied to
 * reply, as far as `room` goes, and its size to *got (unless NULL). Returns the result or -errno;
 * -ENETDOWN: there is no service.
 */
int32_t exchange(struct sockets_request *r, const struct iovec *args, int n_args, void *reply,
	uint32_t room, uint32_t *got);

#endif
