/* SPDX-License-Identifier: BSD-3-Clause */
/* An rte_ring of whole messages, single producer and single consumer, on memory of our own. */
#include "base/mailbox.h"

#include "base/numa.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	struct rte_ring *ring;
	size_t memory;
	unsigned int size;
};

struct mailbox *mailbox_new(unsigned int entries, unsigned int size, int node)
{
	ssize_t bytes = rte_ring_get_memsize_elem(size, entries);
	struct mailbox *b;
	char *area;

	if (bytes < 0)
		return NULL;
	area = numa_take(RTE_CACHE_LINE_SIZE + (size_t)bytes, node);
	if (area == NULL)
		return NULL;
	b = (struct mailbox *)area;
	b->memory = RTE_CACHE_LINE_SIZE + (size_t)bytes;
	b->size = size;
	b->ring = (struct rte_ring *)(area + RTE_CACHE_LINE_SIZE);
	rte_ring_init(b->ring, "mailbox", entries, RING_F_SP_ENQ | RING_F_SC_DEQ);
	return b;
}

void mailbox_free(struct mailbox *b)
{
	if (b != NULL)
		numa_drop(b, b->memory);
}

bool mailbox_post(struct mailbox *b, const void *message)
{
	return rte_ring_sp_enqueue_elem(b->ring, (void *)(uintptr_t)message, b->size) == 0;
}

unsigned int mailbox_take(struct mailbox *b, void *messages, unsigned int max)
{
	return rte_ring_sc_dequeue_burst_elem(b->ring, messages, b->size, max, NULL);
}

unsigned int mailbox_count(const struct mailbox *b)
{
	return rte_ring_count(b->ring);
}

int bell_open(struct bell *b)
{
	b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&b->armed, 0);
	return b->fd < 0 ? -errno : 0;
}

void bell_close(struct bell *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

void bell_arm(struct bell *b)
{
	/* seq_cst: the sleeper's later look at its queues cannot move before this store */
	atomic_store(&b->armed, 1);
	atomic_thread_fence(memory_order_seq_cst);
}

void bell_disarm(struct bell *b)
{
	uint64_t rung;

	atomic_store(&b->armed, 0);
	if (read(b->fd, &rung, sizeof(rung)) < 0)
		return; /* nobody rang */
}

void bell_ring(struct bell *b)
{
	uint64_t one = 1;

	/* pairs with bell_arm(): the post before us is seen, or armed is */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&b->armed, memory_order_relaxed) == 0)
		return;
	if (write(b->fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the sleeper will wake in any case */
}
