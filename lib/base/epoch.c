/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The readers' state is rte_rcu_qsbr's; ours is the queue of ends. An end carries the token of its
 * moment; tokens only grow, so that the first end that is not due yet ends a poll.
 */
#include "base/epoch.h"

#include "base/log.h"
#include "base/numa.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct epoch_end {
	uint64_t token;
	void (*end)(void *arg);
	void *arg;
};

struct epoch *epoch_new(unsigned int n_readers)
{
	struct epoch *e = aligned_alloc(alignof(struct epoch), sizeof(*e));
	size_t size = rte_rcu_qsbr_get_memsize(n_readers);

	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->readers = numa_take(size, -1);
	if (e->readers == NULL) {
		free(e);
		return NULL;
	}
	rte_rcu_qsbr_init(e->readers, n_readers);
	for (unsigned int id = 0; id < n_readers; id++)
		rte_rcu_qsbr_thread_register(e->readers, id);
	return e;
}

void epoch_free(struct epoch *e)
{
	if (e == NULL)
		return;
	epoch_drain(e);
	numa_drop(e->readers, rte_rcu_qsbr_get_memsize(e->readers->max_threads));
	free(e->ring);
	free(e);
}

/* Twice the room; what had wrapped round moves behind the old end. */
static bool grow(struct epoch *e)
{
	uint32_t room = e->room == 0 ? 64 : 2 * e->room;
	struct epoch_end *ring = realloc(e->ring, room * sizeof(*ring));

	if (ring == NULL)
		return false;
	memcpy(&ring[e->room], ring, e->head * sizeof(*ring));
	e->ring = ring;
	e->room = room;
	return true;
}

void epoch_defer(struct epoch *e, void (*end)(void *arg), void *arg)
{
	if (e->waiting == e->room && !grow(e)) {
		log_error("no memory to retire what was replaced: it is lost");
		return;
	}
	e->ring[(e->head + e->waiting++) & (e->room - 1)] =
		(struct epoch_end){rte_rcu_qsbr_start(e->readers), end, arg};
}

/* The end is taken off the queue before it runs, since it may defer others. */
static void run_oldest(struct epoch *e)
{
	struct epoch_end oldest = e->ring[e->head];

	e->head = (e->head + 1) & (e->room - 1);
	e->waiting--;
	oldest.end(oldest.arg);
}

uint32_t epoch_poll(struct epoch *e)
{
	uint32_t n = 0;

	while (e->waiting > 0 && rte_rcu_qsbr_check(e->readers, e->ring[e->head].token, false)) {
		run_oldest(e);
		n++;
	}
	return n;
}

void epoch_drain(struct epoch *e)
{
	while (e->waiting > 0)
		run_oldest(e);
}
