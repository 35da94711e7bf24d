/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fib4: IPv4 destination (or source) to next hop, by longest match: DIR-24-8.
 *
 * tbl24 has an entry per /24. Where a /24 holds something longer, its entry is "extended" and
 * names a group of 256 entries in tbl8. Entries are inline: no second look-up for the next hop.
 *
 * One writer, control, through net/rib4.h and nothing else; any number of readers, which take no
 * lock and are online in the epoch (base/epoch.h) that the RIB was made with. A reader sees the old
 * or the new entry, never a mixture, and may use what it names until it is quiescent.
 *
 * Addresses are in host order throughout.
 */
#ifndef NET_FIB4_H
#define NET_FIB4_H

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>

struct epoch;

/*
 * One entry:
 *   [31]     extended: index is a tbl8 group; in tbl24 only, and not in what a look-up returns
 *   [30:27]  enum fib_kind
 *   [26:21]  depth of the route that wrote it: the writer's memory, masked off for readers
 *   [20:0]   index of what the kind says
 * 0 is "no route".
 */
typedef uint32_t fib_entry;

/* What to do with the packet, and what index names. */
enum fib_kind {
	FIB_NONE = 0,	 /* no route */
	FIB_FORWARD,	 /* adjacency */
	FIB_GLEAN,	 /* interface: connected prefix, the neighbour is to be resolved */
	FIB_BROADCAST,	 /* interface: a broadcast address of a connected prefix */
	FIB_GROUP,	 /* ECMP group */
	FIB_LOCAL,	 /* interface: an address of ours */
	FIB_SERVICE,	 /* service: a virtual address or NAT pool */
	FIB_BLACKHOLE,	 /* nothing: drop */
	FIB_UNREACHABLE, /* nothing: drop, and tell the source */
	FIB_KINDS
};

#define FIB_EXTENDED   (UINT32_C(1) << 31)
#define FIB_KIND_SHIFT 27
#define FIB_KIND_MASK  UINT32_C(0xf)
#define FIB_INDEX_MAX  UINT32_C(0x1fffff)

/* In the index of FIB_SERVICE: ARP is answered for the address, where its network is connected. */
#define FIB_SERVICE_ARP (UINT32_C(1) << 20)

/* The bits that a look-up returns. */
#define FIB_VISIBLE (FIB_KIND_MASK << FIB_KIND_SHIFT | FIB_INDEX_MAX)

/* index <= FIB_INDEX_MAX; 0 where the kind names nothing. */
static inline fib_entry fib_entry_make(enum fib_kind kind, uint32_t index)
{
	return (uint32_t)kind << FIB_KIND_SHIFT | index;
}

static inline enum fib_kind fib_entry_kind(fib_entry entry)
{
	return (enum fib_kind)(entry >> FIB_KIND_SHIFT & FIB_KIND_MASK);
}

static inline uint32_t fib_entry_index(fib_entry entry)
{
	return entry & FIB_INDEX_MAX;
}

struct fib4_writer;

struct fib4 {
	/* The pointers are set once, before there are readers. Entries: control: w, workers: r */
	alignas(64) fib_entry *tbl24; /* one per /24 */
	fib_entry *tbl8;	      /* groups of 256 */

	struct fib4_writer *writer; /* control's own */
};
static_assert(sizeof(struct fib4) == 64, "nothing that is written shares the readers' line");

/* The tbl24 entry of an address: prefetched in one pass of a burst, loaded in the next. */
static inline const fib_entry *fib4_slot(const struct fib4 *f, uint32_t addr)
{
	return &f->tbl24[addr >> 8];
}

/* A raw entry, perhaps extended and with its depth: for fib4_follow(). */
static inline fib_entry fib4_load(const fib_entry *slot)
{
	return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

/* Where an extended raw entry leads for addr: to prefetch. */
static inline const fib_entry *fib4_slot8(const struct fib4 *f, fib_entry raw, uint32_t addr)
{
	return &f->tbl8[fib_entry_index(raw) << 8 | (addr & 0xff)];
}

/* From addr's raw entry to the answer: what fib_entry_make() made for the longest match, or 0. */
static inline fib_entry fib4_follow(const struct fib4 *f, fib_entry raw, uint32_t addr)
{
	if (__builtin_expect(raw & FIB_EXTENDED, 0))
		raw = __atomic_load_n(fib4_slot8(f, raw, addr), __ATOMIC_RELAXED);
	return raw & FIB_VISIBLE;
}

/* The same for one address by itself. */
static inline fib_entry fib4_lookup(const struct fib4 *f, uint32_t addr)
{
	return fib4_follow(f, fib4_load(fib4_slot(f, addr)), addr);
}

/* The rest is for the writer, net/rib4.h, alone. */

#define FIB4_TBL8_MAX (FIB_INDEX_MAX + 1)

/*
 * An empty table with at most max_tbl8 groups (1..FIB4_TBL8_MAX) on a NUMA node (-1: any). tbl24's
 * 64 MiB are backed by memory at once, tbl8's 1 KiB per group when used. NULL: no memory.
 */
struct fib4 *fib4_new(uint32_t max_tbl8, int node, struct epoch *epoch);

/* The readers are gone. Drains the epoch, where groups may wait. NULL is allowed. */
void fib4_free(struct fib4 *f);

/* A stored entry as the writer makes it; depth <= 32. No route is 0, of depth 0. */
fib_entry fib4_stored(fib_entry entry, unsigned int depth);

/*
 * In [first, last], puts `stored` (of fib4_stored()) over what routes of depths low..high
 * stored; "no route" counts as depth 0. The range is whole /24s, or within one; in that case the
 * /24 becomes extended if need be, and -ENOSPC says that no group is free for it: nothing was
 * changed. Else 0. A group of 256 same entries that fit tbl24 is folded back and reused after a
 * grace period.
 */
int fib4_replace(struct fib4 *f, uint32_t first, uint32_t last, unsigned int low, unsigned int high,
	fib_entry stored);

/* tbl8 groups that are free now. */
uint32_t fib4_tbl8_free(const struct fib4 *f);

#endif
