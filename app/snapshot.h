/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * snapshot: the workers' books, each as it stood at the end of one of its passes.
 *
 * Control asks all workers, and goes on with other things until they have answered. Whoever wants
 * books gets those of a round that began after he asked; several may share one. Control thread.
 */
#ifndef APP_SNAPSHOT_H
#define APP_SNAPSHOT_H

#include "net/worker.h"

#include <stdbool.h>
#include <stdint.h>

struct net;

struct snapshot {
	struct books books[WORKER_MAX]; /* of the last round that is done */

	/* private */
	uint64_t begun, done;	  /* rounds */
	uint64_t unasked;	  /* workers of the round under way, as bits */
	uint64_t unanswered;	  /* those among them whose answer is not in yet */
	uint32_t seq[WORKER_MAX]; /* theirs before they were asked */
};

/* The number of a round that begins from now on. */
uint64_t snapshot_want(const struct snapshot *s);

/* Goes on with the rounds; true when `round` is done: the books are valid until the next call. */
bool snapshot_ready(struct snapshot *s, struct net *net, uint64_t round);

#endif
