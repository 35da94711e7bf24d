/* SPDX-License-Identifier: BSD-3-Clause */
/* Doctor's checks of memory: huge pages on each node, what may be locked, swapping. */
#include "base/sysfs.h"
#include "exam.h"

#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_MIB 2

/* All pages, those that nobody has or was promised, as text for each node where there are several.
 */
static void count_pages(
	const struct host *h, int64_t *total, int64_t *unused, char *nodes, size_t size)
{
	char(*names)[SYSFS_NAME];
	uint32_t n = sysfs_list(&names, "%s/devices/system/node", h->sys), seen = 0;
	size_t used = 0;

	*total = sysfs_number(0, "%s/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", h->sys);
	*unused =
		sysfs_number(0, "%s/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", h->sys) -
		sysfs_number(0, "%s/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages", h->sys);
	nodes[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		int64_t here = sysfs_number(-1,
			"%s/devices/system/node/%s/hugepages/hugepages-2048kB/free_hugepages",
			h->sys, names[i]);

		if (here < 0 || used >= size)
			continue;
		used += (size_t)snprintf(nodes + used, size - used, "%s%d free on %s",
			used > 0 ? ", " : ": ", (int)here, names[i]);
		seen++;
	}
	if (seen < 2)
		nodes[0] = '\0';
	free(names);
}

/* How many a plan takes. */
static int64_t pages_of(const json_t *plan)
{
	const char *wish = json_string_value(json_object_get(plan, "hugepages"));

	if (wish == NULL || strcmp(wish, "off") == 0)
		return 0;
	return json_integer_value(json_object_get(plan, "memory_bytes")) / (PAGE_MIB << 20) + 1;
}

static void check_hugepages(struct exam *x)
{
	const char *wish = json_string_value(json_object_get(x->plan, "hugepages"));
	int64_t need = x->plan == NULL ? 512 : pages_of(x->plan), total, unused, have;
	char nodes[256], mend[128];

	count_pages(x->h, &total, &unused, nodes, sizeof(nodes));
	have = unused + pages_of(x->held); /* which it has taken, and gives back when it ends */
	have = have < total ? have : total;
	if (wish != NULL && strcmp(wish, "off") == 0) {
		exam_add(x, EXAM_OK, "hugepages", NULL,
			"system.hugepages is off: none are asked for", "%d of 2 MiB are free",
			(int)unused);
		return;
	}
	snprintf(mend, sizeof(mend), "echo %d >/proc/sys/vm/nr_hugepages",
		(int)(total - have + need));
	if (have >= need)
		exam_add(x, EXAM_OK, "hugepages", NULL, "buffers and rings have room in them",
			"%d of %d of 2 MiB are free, %d are needed%s", (int)unused, (int)total,
			(int)need, nodes);
	else if (wish != NULL && strcmp(wish, "on") == 0)
		exam_add(x, EXAM_BAD, "hugepages", mend,
			"millrace will not start (system.hugepages is on)",
			"%d of %d of 2 MiB are free, %d are needed%s", (int)unused, (int)total,
			(int)need, nodes);
	else
		exam_add(x, EXAM_WARN, "hugepages", mend,
			"it works without them, and each packet costs more",
			"%d of %d of 2 MiB are free, %d are needed%s", (int)unused, (int)total,
			(int)need, nodes);
}

static int node_of_cpu(const struct host *h, int cpu)
{
	char(*names)[SYSFS_NAME];
	uint32_t n = sysfs_list(&names, "%s/devices/system/cpu/cpu%d", h->sys, cpu);
	int node = 0;

	for (uint32_t i = 0; i < n; i++)
		if (strncmp(names[i], "node", 4) == 0)
			node = atoi(names[i] + 4);
	free(names);
	return node;
}

static bool has_worker_on(struct exam *x, int node)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &x->workers) && node_of_cpu(x->h, i) == node)
			return true;
	return false;
}

static void check_card_node(struct exam *x, const char *port, const char *pci)
{
	int node = (int)sysfs_number(-1, "%s/bus/pci/devices/%s/numa_node", x->h->sys, pci);
	char cpus[256], mend[384];

	if (node < 0 || has_worker_on(x, node))
		return;
	sysfs_line(cpus, sizeof(cpus), "%s/devices/system/node/node%d/cpulist", x->h->sys, node);
	snprintf(mend, sizeof(mend), "workers among CPUs %s (system.workers)", cpus);
	exam_add(x, EXAM_WARN, "numa", mend,
		"each packet crosses from one processor's memory to the other's",
		"port %s (%s) is on node %d, no worker is", port, pci, node);
}

static void check_numa(struct exam *x)
{
	size_t before = json_array_size(x->rows);
	char nodes[64];

	sysfs_line(nodes, sizeof(nodes), "%s/devices/system/node/online", x->h->sys);
	exam_cards(x, check_card_node);
	if (json_array_size(x->rows) == before)
		exam_add(x, EXAM_OK, "numa", NULL, "no port is far from all workers", "node%s %s",
			strpbrk(nodes, ",-") != NULL ? "s" : "", nodes[0] != '\0' ? nodes : "0");
}

/* The word behind a name at a line's begin in a file of /proc/self; "" without one. */
static void own_word(const struct host *h, const char *file, const char *name, char word[64])
{
	char line[256];

	word[0] = '\0';
	if (sysfs_line_of(line, sizeof(line), name, "%s/self/%s", h->proc, file) == 0)
		sscanf(line + strlen(name), "%63s", word);
}

/* What the process may lock: VFIO locks all memory that a card reaches. */
static void check_memlock(struct exam *x)
{
	char limit[64], caps[64];

	own_word(x->h, "limits", "Max locked memory", limit);
	own_word(x->h, "status", "CapEff:", caps);
	if (strcmp(limit, "unlimited") == 0)
		exam_add(x, EXAM_OK, "memlock", NULL, "a card's memory may be locked", "unlimited");
	else if (strtoull(caps, NULL, 16) >> CAP_IPC_LOCK & 1)
		exam_add(x, EXAM_OK, "memlock", NULL,
			"with CAP_IPC_LOCK, as here, it does not count", "%s bytes", limit);
	else if (exam_cards(x, NULL) == 0)
		exam_add(x, EXAM_OK, "memlock", NULL,
			"no port is a card, for which memory is locked", "%s bytes", limit);
	else
		exam_add(x, EXAM_WARN, "memlock",
			"ulimit -l unlimited, or LimitMEMLOCK=infinity in the unit",
			"VFIO maps no more for a process without CAP_IPC_LOCK", "%s bytes", limit);
}

static void check_swap(struct exam *x)
{
	char line[256];

	/* a partition or a file, behind the heads */
	if (sysfs_line_of(line, sizeof(line), "/", "%s/swaps", x->h->proc) == 0)
		exam_add(x, EXAM_WARN, "swap", "swapoff -a, and out of /etc/fstab",
			"tables that are seldom read may be on the disk when a packet needs them",
			"on");
	else
		exam_add(x, EXAM_OK, "swap", NULL, "what is in memory stays there", "off");
}

static void check_thp(struct exam *x)
{
	char mode[SYSFS_NAME];

	sysfs_line(mode, sizeof(mode), "%s/kernel/mm/transparent_hugepage/enabled", x->h->sys);
	if (strstr(mode, "[never]") != NULL)
		exam_add(x, EXAM_WARN, "thp",
			"echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
			"tables for which no huge pages are reserved take small ones", "never");
	else
		exam_add(x, EXAM_OK, "thp", NULL, "large tables take large pages", "%s", mode);
}

void exam_memory(struct exam *x)
{
	check_hugepages(x);
	check_numa(x);
	check_memlock(x);
	check_swap(x);
	check_thp(x);
}
