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

static void *map(size_t length, int more)
{
	void *area = mmap(
		NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | more, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void *bound(void *area, size_t length, int node)
{
	if (area != NULL && node >= 0 && numa_available() >= 0 && numa_max_node() > 0)
		numa_tonode_memory(area, length, node);
	return area;
}

void *numa_reserve(size_t size, int node)
{
	size_t length = rounded(size);
	void *area = map(length, MAP_NORESERVE);

	if (area != NULL && length >= HUGE)
		madvise(area, length, MADV_HUGEPAGE);
	return bound(area, length, node);
}

void *numa_take(size_t size, int node)
{
	size_t length = rounded(size);
	void *area = length >= HUGE ? map(length, MAP_HUGETLB) : NULL;

	return area != NULL ? bound(area, length, node) : numa_reserve(size, node);
}

void numa_drop(void *area, size_t size)
{
	if (area != NULL)
		munmap(area, rounded(size));
}
