/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * numa: memory on the node of the core that will write it (libnuma).
 *
 * For state that is not handed to a device: workers, tables, counters. Zeroed. Large areas use
 * reserved 2 MiB pages where there are any, else transparent ones where the kernel allows; pages
 * are backed by memory only once touched.
 */
#ifndef BASE_NUMA_H
#define BASE_NUMA_H

#include <stddef.h>

/* The node of a CPU, or 0 where the machine has none to tell apart. */
int numa_of_cpu(unsigned int cpu);

/*
 * size bytes, aligned to a page, zeroed, on node (or anywhere when node < 0). NULL when there is
 * no memory. Free with numa_drop() and the same size.
 */
void *numa_take(size_t size, int node);
/*
 * The same for a table of which perhaps little will be used: it takes no reserved pages, which a
 * reservation would take from others at once.
 */
void *numa_reserve(size_t size, int node);
void numa_drop(void *area, size_t size);

#endif
