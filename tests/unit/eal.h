/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * eal: DPDK for a unit test: no devices, no hugepages, nothing left in the file system, and any
 * number of tests beside each other.
 */
#ifndef UNIT_EAL_H
#define UNIT_EAL_H

#include <rte_common.h>
#include <rte_eal.h>

#include <sched.h>
#include <stdio.h>

/*
 * Once, before the first DPDK call: mem_mb MiB of plain memory. 0, or -1. The calling thread
 * becomes the main lcore but keeps its CPUs, so that threads that it makes do not all share one.
 */
static inline int eal_for_tests(unsigned int mem_mb)
{
	char size[16], lcores[16];
	const char *argv[] = {"test", "--no-huge", "-m", size, "--no-pci", "--no-shconf",
		"--no-telemetry", "--log-level=error", "--lcores", lcores};
	cpu_set_t cpus;
	int first = 0;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) < 0)
		return -1;
	while (!CPU_ISSET(first, &cpus))
		first++;
	snprintf(size, sizeof(size), "%u", mem_mb);
	snprintf(lcores, sizeof(lcores), "0@%d", first);
	if (rte_eal_init(RTE_DIM(argv), (char **)argv) < 0)
		return -1;
	return sched_setaffinity(0, sizeof(cpus), &cpus);
}

#endif
