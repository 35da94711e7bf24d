/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * measure: cycles per packet, as the minimum and the median of many short slices.
 *
 * One absolute time means nothing on a machine that others use too: a slice that nobody disturbed
 * is the code's own cost (the minimum), and a median near it says that the figure can be trusted.
 * Cycles are those of the TSC. One thread.
 */
#ifndef PERF_MEASURE_H
#define PERF_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "gbench.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One slice of work, timed as a whole; returns the packets (or lookups, calls) that it did. */
typedef uint64_t measure_slice_fn(void *arg);

/* Runs before each slice, outside the clock: restores what the slice before used up. */
typedef void measure_restore_fn(void *arg);

/*
 * The body of a bench: slices until the bench has run long enough, at least ten. Sets the counters
 * cycles_min, cycles_median and slices. A slice is best between 50 microseconds and a millisecond:
 * longer than the clock's own cost, shorter than a time slice of the scheduler. A slice that
 * returns 0 fails the bench.
 */
void measure_slices(
	struct gbench *b, measure_slice_fn *slice, measure_restore_fn *restore, void *arg);

/* Between the two, inside a slice, the clock stands: for a peer's part of a conversation. */
void measure_stop(void);
void measure_go_on(void);

/*
 * Sets up DPDK for a bench: no device probed, nothing shared with another process, main lcore on
 * the CPU that measures. Takes `megabytes` of hugepages if so many are free, else twice as much of
 * plain memory (about 1.7 times slower, which measure_memory() tells). Exits with a message on
 * failure.
 */
void measure_eal(unsigned int megabytes);

/* "hugepages" or "plain memory" after measure_eal(). */
const char *measure_memory(void);

/*
 * Pins this thread to the last CPU that it may use and puts the session's scheduling group ahead of
 * the others (nice does not work between sessions); the second undoes the group. gbench_run() calls
 * both. Without the right to do so they change nothing.
 */
void measure_alone(void);
void measure_among_others(void);

/* True when PERF_SHORT is set: only whether the bench works is asked; big tables may be small. */
bool measure_short(void);

#ifdef __cplusplus
}
#endif
#endif
