/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock: time as a number that is passed along.
 *
 * A worker reads the TSC once a pass and hands it on as `now`; control does the same once a loop.
 * Units: ticks of the TSC. Durations are turned into ticks once, at set-up.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <rte_cycles.h>

#include <stdint.h>

typedef uint64_t ticks;

static inline ticks clock_now(void)
{
	return rte_rdtsc();
}

static inline ticks clock_of_ms(uint64_t ms)
{
	return ms * (rte_get_tsc_hz() / 1000);
}

static inline ticks clock_of_us(uint64_t us)
{
	return us * (rte_get_tsc_hz() / 1000000);
}

static inline uint64_t clock_to_us(ticks t)
{
	return t / (rte_get_tsc_hz() / 1000000);
}

/* Of at most some minutes: the product has 64 bits. */
static inline uint64_t clock_to_ns(ticks t)
{
	return t * 1000 / (rte_get_tsc_hz() / 1000000);
}

static inline uint64_t clock_to_ms(ticks t)
{
	return t / (rte_get_tsc_hz() / 1000);
}

#endif
