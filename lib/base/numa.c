/* SPDX-License-Identifier: BSD-3-Clause */
/* Anonymous mappings, bound to a node before their first touch. */
#include "base/numa.h"

#include <numa.h>
#include <sys/mman.h>

#define HUGE ((size_t)2 << 20)

int numa_of_cpu(unsigned int cpu)
{
	int node = numa_available() < 0 ? -1 : numa_node_of_cpu((int)cpu);

	return node < 0 ? 0 : node;
}

static size_t rounded(size_t size)
{
	size_t unit = size >= HUGE ? HUGE : 4096;

	return (size + unit - 1) & ~(unit - 1);
}

void *numa_take(size_t size, int node)
{
	size_t length = rounded(size);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	void *area = MAP_FAILED;

	if (length >= HUGE)
		area = mmap(NULL, length, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
	if (area == MAP_FAILED) {
		area = mmap(NULL, length, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (area == MAP_FAILED)
			return NULL;
		if (length >= HUGE)
			madvise(area, length, MADV_HUGEPAGE);
	}
	if (node >= 0 && numa_available() >= 0 && numa_max_node() > 0)
		numa_tonode_memory(area, length, node);
	return area;
}

void numa_drop(void *area, size_t size)
{
	if (area != NULL)
		munmap(area, rounded(size));
}
