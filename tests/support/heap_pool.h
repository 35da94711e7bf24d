/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * heap_pool: mbufs without EAL. A struct rte_mempool built by hand, each mbuf with its buffer an
 * allocation of its own: a sanitizer sees a byte written past the buffer's end, and (as what is in
 * the pool is poisoned) an mbuf that is used after it was freed. Freeing one twice aborts in any
 * build.
 *
 * All of rte_pktmbuf_* works, indirect mbufs too. One thread. Include it in one file of a program:
 * it registers its mempool ops.
 */
#ifndef TESTS_HEAP_POOL_H
#define TESTS_HEAP_POOL_H

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define HEAP_POOL_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HEAP_POOL_POISONS 1
#endif
#endif

#ifdef HEAP_POOL_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* An object as DPDK wants it: its header directly before the mbuf, its buffer directly behind. */
struct heap_pool_object {
	alignas(RTE_CACHE_LINE_SIZE) uint64_t pooled;
	uint8_t unused[RTE_CACHE_LINE_SIZE - 8 - sizeof(struct rte_mempool_objhdr)];
	struct rte_mempool_objhdr header;
	struct rte_mbuf mbuf;
};
static_assert(offsetof(struct heap_pool_object, header) + sizeof(struct rte_mempool_objhdr) ==
		      offsetof(struct heap_pool_object, mbuf),
	"DPDK finds the header by the mbuf's address");

/* A queue, so that what was freed stays poisoned for as long as can be. */
struct heap_pool_free_list {
	uint32_t size;	/* a power of two */
	uint32_t taken; /* free are [taken, put) */
	uint32_t put;
	void *mbufs[];
};

/* The pool and what rte_mempool_get_priv() finds behind it. */
struct heap_pool_parts {
	struct rte_mempool pool;
	struct rte_pktmbuf_pool_private private;
	struct heap_pool_object *objects[];
};

static inline struct heap_pool_object *heap_pool_object_of(void *mbuf)
{
	return RTE_PTR_SUB(mbuf, offsetof(struct heap_pool_object, mbuf));
}

static inline int heap_pool_put(struct rte_mempool *mp, void *const *mbufs, unsigned int n)
{
	struct heap_pool_free_list *list = mp->pool_data;

	for (unsigned int i = 0; i < n; i++) {
		struct heap_pool_object *o = heap_pool_object_of(mbufs[i]);

		if (o->pooled || o->header.mp != mp) {
			fprintf(stderr, "heap_pool: %p is not in use\n", mbufs[i]);
			abort();
		}
		o->pooled = 1;
		ASAN_POISON_MEMORY_REGION(mbufs[i], mp->elt_size);
		list->mbufs[list->put++ % list->size] = mbufs[i];
	}
	return 0;
}

static inline int heap_pool_take(struct rte_mempool *mp, void **mbufs, unsigned int n)
{
	struct heap_pool_free_list *list = mp->pool_data;

	if (list->put - list->taken < n)
		return -ENOBUFS;
	for (unsigned int i = 0; i < n; i++) {
		mbufs[i] = list->mbufs[list->taken++ % list->size];
		heap_pool_object_of(mbufs[i])->pooled = 0;
		ASAN_UNPOISON_MEMORY_REGION(mbufs[i], mp->elt_size);
	}
	return 0;
}

static inline unsigned int heap_pool_count(const struct rte_mempool *mp)
{
	const struct heap_pool_free_list *list = mp->pool_data;

	return list->put - list->taken;
}

/* The mempool's own: never called, for nobody populates it. */
static inline int heap_pool_alloc(struct rte_mempool *mp)
{
	(void)mp;
	return -ENOTSUP;
}

static const struct rte_mempool_ops heap_pool_ops = {
	.name = "heap_pool",
	.alloc = heap_pool_alloc,
	.enqueue = heap_pool_put,
	.dequeue = heap_pool_take,
	.get_count = heap_pool_count,
};
RTE_MEMPOOL_REGISTER_OPS(heap_pool_ops)

static inline void *heap_pool_zeroed(size_t size)
{
	void *p;

	if (posix_memalign(&p, RTE_CACHE_LINE_SIZE, size) != 0)
		abort();
	return memset(p, 0, size);
}

/* n mbufs with `room` bytes each, the headroom of 128 among them. */
static inline struct rte_mempool *heap_pool_new(uint32_t n, uint16_t room)
{
	struct heap_pool_parts *parts =
		heap_pool_zeroed(sizeof(*parts) + n * sizeof(parts->objects[0]));
	struct heap_pool_free_list *list =
		heap_pool_zeroed(sizeof(*list) + rte_align32pow2(n) * sizeof(list->mbufs[0]));
	struct rte_mempool *mp = &parts->pool;

	static_assert(offsetof(struct heap_pool_parts, private) == sizeof(*mp), "no cache between");
	if (n == 0 || room < RTE_PKTMBUF_HEADROOM)
		abort();
	snprintf(mp->name, sizeof(mp->name), "heap_pool");
	STAILQ_INIT(&mp->elt_list);
	STAILQ_INIT(&mp->mem_list);
	mp->socket_id = SOCKET_ID_ANY;
	mp->size = mp->populated_size = n;
	list->size = rte_align32pow2(n);
	mp->elt_size = (uint32_t)sizeof(struct rte_mbuf) + room;
	mp->header_size = offsetof(struct heap_pool_object, mbuf);
	mp->private_data_size = sizeof(parts->private);
	mp->pool_data = list;
	parts->private.mbuf_data_room_size = room;
	if (rte_mempool_set_ops_byname(mp, heap_pool_ops.name, NULL) != 0)
		abort();
	for (uint32_t i = 0; i < n; i++) {
		struct heap_pool_object *o = heap_pool_zeroed(sizeof(*o) + room);
		void *mbuf = &o->mbuf;

		parts->objects[i] = o;
		o->header.mp = mp;
		o->header.iova = (rte_iova_t)(uintptr_t)mbuf;
		STAILQ_INSERT_TAIL(&mp->elt_list, &o->header, next);
		rte_pktmbuf_init(mp, NULL, mbuf, i);
		heap_pool_put(mp, &mbuf, 1);
	}
	return mp;
}

/* With all its mbufs, in use or not: rte_mempool_in_use_count() says before whether one leaks. */
static inline void heap_pool_free(struct rte_mempool *mp)
{
	struct heap_pool_parts *parts = (struct heap_pool_parts *)mp;

	for (uint32_t i = 0; i < mp->size; i++) {
		ASAN_UNPOISON_MEMORY_REGION(&parts->objects[i]->mbuf, mp->elt_size);
		free(parts->objects[i]);
	}
	free(mp->pool_data);
	free(parts);
}

#endif
