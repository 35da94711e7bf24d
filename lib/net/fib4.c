/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The writer's half of the FIB. It knows no routes: rib4 says what to write over what.
 *
 * Each entry is one aligned 32-bit store, so a reader has the old or the new one. The only store
 * that leads a reader on is that of an extended entry: it comes after its group is filled
 * (release), and a group that was unlinked stays as it is until every reader has been quiescent.
 */
#include "net/fib4.h"

#include "base/epoch.h"
#include "base/numa.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define TBL24_SIZE  ((size_t)1 << 24)
#define GROUP	    256
#define PAGE	    4096
#define DEPTH_SHIFT 21
#define DEPTH_MASK  0x3f

/*
 * Groups that were in use go round a ring: [taken, ready) are free, [ready, retired) wait for the
 * readers. Ends run in the order in which they were deferred, so that `ready` is all there is to
 * move. They are preferred to those never used, [fresh, max), which cost memory.
 */
struct fib4_writer {
	struct epoch *epoch;
	uint32_t max;
	uint32_t fresh;
	uint64_t taken;
	uint64_t ready;
	uint64_t retired;
	uint32_t ring[];
};

/* Depths low to low + above. */
struct depths {
	uint32_t low;
	uint32_t above;
};

static inline void put(fib_entry *at, fib_entry stored)
{
	__atomic_store_n(at, stored, __ATOMIC_RELAXED);
}

struct fib4 *fib4_new(uint32_t max_tbl8, int node, struct epoch *epoch)
{
	struct fib4 *f = aligned_alloc(alignof(struct fib4), sizeof(*f));
	struct fib4_writer *w = calloc(1, sizeof(*w) + max_tbl8 * sizeof(w->ring[0]));

	if (f == NULL || w == NULL) {
		free(w);
		free(f);
		return NULL;
	}
	w->epoch = epoch;
	w->max = max_tbl8;
	f->writer = w;
	f->tbl24 = numa_take(TBL24_SIZE * sizeof(fib_entry), node);
	f->tbl8 = numa_take((size_t)max_tbl8 * GROUP * sizeof(fib_entry), node);
	if (f->tbl24 == NULL || f->tbl8 == NULL) {
		fib4_free(f);
		return NULL;
	}
	/* Page faults now, and not in a worker's look-up or in control's slice (3 ms per 2 MiB). */
	for (size_t i = 0; i < TBL24_SIZE; i += PAGE / sizeof(fib_entry))
		put(&f->tbl24[i], 0);
	return f;
}

void fib4_free(struct fib4 *f)
{
	if (f == NULL)
		return;
	epoch_drain(f->writer->epoch);
	numa_drop(f->tbl8, (size_t)f->writer->max * GROUP * sizeof(fib_entry));
	numa_drop(f->tbl24, TBL24_SIZE * sizeof(fib_entry));
	free(f->writer);
	free(f);
}

uint32_t fib4_tbl8_free(const struct fib4 *f)
{
	const struct fib4_writer *w = f->writer;

	return (uint32_t)(w->ready - w->taken) + (w->max - w->fresh);
}

/* A group that no reader sees; false: there is none. */
static bool group_take(struct fib4_writer *w, uint32_t *group)
{
	if (w->taken != w->ready)
		*group = w->ring[w->taken++ % w->max];
	else if (w->fresh < w->max)
		*group = w->fresh++;
	else
		return false;
	return true;
}

static void oldest_ready(void *arg)
{
	struct fib4_writer *w = arg;

	w->ready++;
}

static void group_retire(struct fib4_writer *w, uint32_t group)
{
	w->ring[w->retired++ % w->max] = group;
	epoch_defer(w->epoch, oldest_ready, w);
}

fib_entry fib4_stored(fib_entry entry, unsigned int depth)
{
	return entry == 0 ? 0 : entry | depth << DEPTH_SHIFT;
}

static inline uint32_t depth_of(fib_entry stored)
{
	return stored >> DEPTH_SHIFT & DEPTH_MASK;
}

static inline bool among(struct depths d, fib_entry stored)
{
	return depth_of(stored) - d.low <= d.above;
}

/* Stores in any case: a branch on the depths of a full table costs twice the time. */
static inline void replace(fib_entry *at, struct depths over, fib_entry stored)
{
	put(at, among(over, *at) ? stored : *at);
}

/* The slot becomes extended: n entries of its group, from `from` on, are new. */
static int extend(struct fib4 *f, fib_entry *slot, uint32_t from, uint32_t n, fib_entry stored)
{
	fib_entry before = *slot;
	fib_entry *entries;
	uint32_t group;

	if (!group_take(f->writer, &group))
		return -ENOSPC;
	entries = &f->tbl8[(size_t)group * GROUP];
	for (uint32_t i = 0; i < GROUP; i++)
		entries[i] = i - from < n ? stored : before;
	__atomic_store_n(slot, FIB_EXTENDED | group, __ATOMIC_RELEASE);
	return 0;
}

/* Of an extended slot: n entries from `from` on. Its group goes if nothing tells entries apart. */
static void replace_in_group(struct fib4 *f, fib_entry *slot, uint32_t from, uint32_t n,
	struct depths over, fib_entry stored)
{
	uint32_t group = fib_entry_index(*slot);
	fib_entry *entries = &f->tbl8[(size_t)group * GROUP];

	for (uint32_t i = from; i < from + n; i++)
		replace(&entries[i], over, stored);
	if (depth_of(entries[0]) > 24 ||
		memcmp(entries, entries + 1, (GROUP - 1) * sizeof(*entries)) != 0)
		return;
	put(slot, entries[0]);
	group_retire(f->writer, group);
}

int fib4_replace(struct fib4 *f, uint32_t first, uint32_t last, unsigned int low, unsigned int high,
	fib_entry stored)
{
	fib_entry *slot = &f->tbl24[first >> 8], *end = &f->tbl24[last >> 8];
	struct depths over = {low, high - low};
	uint32_t from = first & 0xff, n = (last & 0xff) - from + 1;

	if (n < GROUP && (*slot & FIB_EXTENDED) == 0)
		return among(over, *slot) ? extend(f, slot, from, n, stored) : 0;
	for (; slot <= end; slot++) {
		if (*slot & FIB_EXTENDED)
			replace_in_group(f, slot, from, n, over, stored);
		else
			replace(slot, over, stored);
	}
	return 0;
}
