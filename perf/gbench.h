/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gbench: Google Benchmark for C, so that a bench is a C file; gbench.cc alone is C++.
 *
 * A bench is named "what/case/who", for instance "fib4/lookup/65536/rte_fib": rows of perf/run that
 * differ in `who` only stand side by side, and `millrace` is the one that the others are compared
 * to. Everything here belongs to the one thread that called gbench_run().
 */
#ifndef PERF_GBENCH_H
#define PERF_GBENCH_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One run of one bench; valid inside its function only. */
struct gbench;

/*
 * The body: `while (gbench_next(b)) { work }`, then counters. It is called several times, with more
 * iterations each time, until they fill the time wanted: what takes long to prepare comes in arg.
 */
typedef void gbench_fn(struct gbench *b, void *arg);

/* Adds a bench; the name is copied, arg must live until gbench_run() returns. */
void gbench_add(const char *name, gbench_fn *fn, void *arg);

/* True while another iteration is wanted. Costs a few nanoseconds: an iteration is best a burst. */
bool gbench_next(struct gbench *b);

/* Between the two the clock stands still. A pair costs about a microsecond. */
void gbench_pause(struct gbench *b);
void gbench_resume(struct gbench *b);

/* Things done in all iterations together; the report gives them per second. */
void gbench_items(struct gbench *b, size_t items);

/* A figure of the report, by name. */
void gbench_counter(struct gbench *b, const char *name, double value);

/* A word printed beside the figures. */
void gbench_label(struct gbench *b, const char *label);

/* Gives up this run: its row carries `why` and gbench_run() fails. gbench_next() is false from now.
 */
void gbench_fail(struct gbench *b, const char *why);

/*
 * Runs every bench added, under Google Benchmark's own options (--benchmark_filter=...,
 * --benchmark_format=json), on one CPU and ahead of other sessions' processes (see measure.h).
 * Returns the exit status: 0, 1 when a bench failed or none ran, 2 for an unknown option.
 */
int gbench_run(int argc, char **argv);

/* Makes the compiler believe that the value is read. */
static inline void gbench_keep(unsigned long value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

#ifdef __cplusplus
}
#endif
#endif
