/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoch: when is nobody looking at this any more? (rte_rcu_qsbr with a defer queue)
 *
 * Control unpublishes something and hands its end to epoch_defer(); every worker says once per
 * pass that it holds nothing; epoch_poll() runs the ends that have become safe. Nobody waits.
 *
 * Readers are numbered 0..N-1 and start offline. A reader is online while it may hold pointers
 * (or FIB entries) that control publishes, and goes offline before it sleeps.
 */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

#include <rte_rcu_qsbr.h>

#include <stdalign.h>
#include <stdint.h>

struct epoch_end;

struct epoch {
	struct rte_rcu_qsbr *readers; /* set once; each counter in it: its worker: w, control: r */

	/* control's own: what is deferred, a ring with the oldest at head */
	alignas(64) struct epoch_end *ring;
	uint32_t room; /* 0, or a power of two */
	uint32_t head;
	uint32_t waiting;
};

/* For workers 0 to n_readers - 1, all of them offline. NULL: no memory. Control. */
struct epoch *epoch_new(unsigned int n_readers);

/* Drains, then frees. NULL is allowed. Control. */
void epoch_free(struct epoch *e);

/* Worker `id`, before its first pass and after each sleep. */
static inline void epoch_online(struct epoch *e, unsigned int id)
{
	rte_rcu_qsbr_thread_online(e->readers, id);
}

/* Worker `id`, before it sleeps or ends. It holds nothing any more. */
static inline void epoch_offline(struct epoch *e, unsigned int id)
{
	rte_rcu_qsbr_thread_offline(e->readers, id);
}

/* Worker `id`, online, once per pass: what it read before this call it does not use after. */
static inline void epoch_quiescent(struct epoch *e, unsigned int id)
{
	rte_rcu_qsbr_quiescent(e->readers, id);
}

/*
 * Calls end(arg) from a later epoch_poll(), when every reader that is online now has been quiescent
 * or offline. Ends run in the order in which they were deferred; an end may defer others. Without
 * memory to queue it, an end never runs: what it would have freed is lost, and logged. Control.
 */
void epoch_defer(struct epoch *e, void (*end)(void *arg), void *arg);

/* Runs the ends that are due and returns how many; never waits. Once per pass of control's loop. */
uint32_t epoch_poll(struct epoch *e);

/* Ends that are not due yet. Control. */
static inline uint32_t epoch_waiting(const struct epoch *e)
{
	return e->waiting;
}

/* The workers are gone: runs all ends, and those that they defer. Control. */
void epoch_drain(struct epoch *e);

/* Everybody goes through the calls above; and control never waits for a grace period. */
#pragma GCC poison rte_rcu_qsbr_thread_online rte_rcu_qsbr_thread_offline rte_rcu_qsbr_quiescent
#pragma GCC poison rte_rcu_qsbr_synchronize

#endif
