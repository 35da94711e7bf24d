/* SPDX-License-Identifier: BSD-3-Clause */
/* Slices timed by the TSC; the scheduler's group, the CPU and DPDK's memory around them. */
#include "measure.h"

#include <math.h>
#include <rte_common.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define KEPT	   8192 /* slices that the median is taken from: the newest */
#define MIN_SLICES 10

struct slices {
	uint64_t count;
	double least;
	double kept[KEPT]; /* cycles per packet */
};

static struct slices slices;
static uint64_t stopped_at, stood; /* ticks of this slice that do not count */
static bool on_hugepages;

static void time_one(measure_slice_fn *slice, measure_restore_fn *restore, void *arg)
{
	uint64_t begun, packets;
	double cycles;

	if (restore != NULL)
		restore(arg);
	stood = 0;
	begun = rte_rdtsc_precise();
	packets = slice(arg);
	cycles = (double)(rte_rdtsc_precise() - begun - stood) / (double)packets; /* 0: infinity */
	if (slices.count == 0 || cycles < slices.least)
		slices.least = cycles;
	slices.kept[slices.count++ % KEPT] = cycles;
}

void measure_stop(void)
{
	stopped_at = rte_rdtsc_precise();
}

void measure_go_on(void)
{
	stood += rte_rdtsc_precise() - stopped_at;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void measure_slices(
	struct gbench *b, measure_slice_fn *slice, measure_restore_fn *restore, void *arg)
{
	size_t kept;

	slices.count = 0;
	while (gbench_next(b))
		time_one(slice, restore, arg);
	/* Google Benchmark asks for a single iteration when it only probes the length. */
	while (slices.count < MIN_SLICES)
		time_one(slice, restore, arg);
	kept = slices.count < KEPT ? slices.count : KEPT;
	qsort(slices.kept, kept, sizeof(slices.kept[0]), ascending);
	if (isinf(slices.kept[kept - 1])) {
		gbench_fail(b, "a slice did nothing");
		return;
	}
	gbench_counter(b, "cycles_min", slices.least);
	gbench_counter(b, "cycles_median", slices.kept[kept / 2]);
	gbench_counter(b, "slices", (double)slices.count);
}

/* The last CPU that this thread may use: the first one has the machine's own work to do. */
static int measuring_cpu(void)
{
	cpu_set_t allowed;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return 0;
	for (int cpu = CPU_SETSIZE - 1; cpu > 0; cpu--)
		if (CPU_ISSET(cpu, &allowed))
			return cpu;
	return 0;
}

static void set_group(int nice)
{
	FILE *f = fopen("/proc/self/autogroup", "w");

	if (f == NULL)
		return;
	fprintf(f, "%d", nice);
	fclose(f);
}

void measure_alone(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(measuring_cpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	set_group(-20);
}

void measure_among_others(void)
{
	set_group(0);
}

static bool hugepages_free(unsigned int megabytes)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned int pages = 0;

	if (f == NULL)
		return false;
	if (fscanf(f, "%u", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages >= (megabytes + 1) / 2;
}

void measure_eal(unsigned int megabytes)
{
	static char lcores[16], size[16];
	const char *argv[] = {"bench", "--no-pci", "--no-telemetry", "--log-level=error",
		"--lcores", lcores, "-m", size, "--no-shconf", "--no-huge"};

	on_hugepages = hugepages_free(megabytes);
	if (on_hugepages)
		argv[9] = "--in-memory";
	else /* no packet crosses one of 4 KiB: what is larger than half of it takes all */
		megabytes *= 2;
	snprintf(lcores, sizeof(lcores), "0@%d", measuring_cpu());
	snprintf(size, sizeof(size), "%u", megabytes);
	if (rte_eal_init(RTE_DIM(argv), (char **)argv) < 0) {
		fprintf(stderr, "bench: DPDK does not start: %s\n", rte_strerror(rte_errno));
		exit(1);
	}
}

const char *measure_memory(void)
{
	return on_hugepages ? "hugepages" : "plain memory";
}

bool measure_short(void)
{
	return getenv("PERF_SHORT") != NULL;
}
