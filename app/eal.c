/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL's arguments from the configuration; which CPU is whose; pools and workers. */
#include "eal.h"

#include "base/log.h"
#include "base/numa.h"
#include "base/pci.h"
#include "net/net.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS	   ((PORT_MEMBERS + 1) * PORT_MAX + 32)
#define ARG_SIZE   1024 /* --lcores with WORKER_MAX of them is the longest */
#define POOL_CACHE 256
#define SYS	   "/sys"
#define HUGE_PAGES "/kernel/mm/hugepages/hugepages-2048kB"

/* bytes */
#define HUGE_PAGE	 (2u << 20)
#define SMALL_PAGE	 4096u
#define BUFFER_HEAD	 192u	     /* of a packet buffer: its rte_mbuf, and the pool's word */
#define DESCRIPTOR_BYTES 64u	     /* of a queue: the device's and the driver's */
#define SPARE		 (48u << 20) /* drivers and EAL itself */

static struct {
	char text[ARGS][ARG_SIZE];
	char *list[ARGS + 1];
	int n;
} args;

/* Which CPU runs what. */
static struct {
	uint32_t control;
	uint32_t worker[WORKER_MAX];
	uint32_t n_workers;
	bool shared;
} cpus;

static char runtime_dir[256];

static void arg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void arg(const char *fmt, ...)
{
	va_list ap;

	if (args.n == ARGS)
		return;
	va_start(ap, fmt);
	vsnprintf(args.text[args.n], sizeof(args.text[0]), fmt, ap);
	va_end(ap);
	args.list[args.n] = args.text[args.n];
	args.n++;
}

/* The CPUs that this process may use, in order. */
static uint32_t usable_cpus(uint32_t cpu[CPU_SETSIZE])
{
	cpu_set_t set;
	uint32_t n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu[n++] = i;
	return n;
}

static bool is_usable(const uint32_t *cpu, uint32_t n, uint32_t wanted)
{
	for (uint32_t i = 0; i < n; i++)
		if (cpu[i] == wanted)
			return true;
	return false;
}

/* The CPU asked for, or the first of the usable that is free; round again when none is. */
static uint32_t choose(uint32_t wanted, const uint32_t *cpu, uint32_t n, cpu_set_t *taken)
{
	if (wanted != CONF_CPU_AUTO)
		return wanted;
	for (uint32_t i = 0; i < n; i++) {
		if (!CPU_ISSET(cpu[i], taken)) {
			CPU_SET(cpu[i], taken);
			return cpu[i];
		}
	}
	CPU_ZERO(taken);
	return choose(wanted, cpu, n, taken);
}

static void choose_cpus(const struct system_conf *s, const uint32_t *cpu, uint32_t n)
{
	cpu_set_t taken;

	CPU_ZERO(&taken);
	if (s->control_cpu != CONF_CPU_AUTO)
		CPU_SET(s->control_cpu, &taken);
	for (uint32_t i = 0; i < s->n_workers; i++)
		if (s->worker_cpu[i] != CONF_CPU_AUTO)
			CPU_SET(s->worker_cpu[i], &taken);
	cpus.control = choose(s->control_cpu, cpu, n, &taken);
	cpus.n_workers = s->n_workers;
	for (uint32_t i = 0; i < s->n_workers; i++)
		cpus.worker[i] = choose(s->worker_cpu[i], cpu, n, &taken);
}

/* A sentence about an option, with the place where the file has it. */
static void say(const struct conf *c, enum log_level level, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static void say(const struct conf *c, enum log_level level, const char *path, const char *fmt, ...)
{
	struct conf_pos at = conf_at(c, path);
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (at.line != 0)
		log_line(level, "%s:%u:%u: %s: %s", c->file, at.line, at.column, path, text);
	else
		log_line(level, "%s: %s: %s", c->file, path, text);
}

/* Who runs where; the file's word is taken, or refused. */
static int place(const struct conf *c)
{
	const struct system_conf *s = &c->system;
	uint32_t cpu[CPU_SETSIZE], n = usable_cpus(cpu);

	if (n == 0)
		return -errno;
	choose_cpus(s, cpu, n);
	if (!is_usable(cpu, n, cpus.control)) {
		say(c, LEVEL_ERROR, "system.control", "this process may not use CPU %u",
			cpus.control);
		return -EINVAL;
	}
	if (s->n_workers > n)
		say(c, LEVEL_WARNING, "system.workers",
			"%u workers and %u CPUs: they share them, and sleep when idle",
			s->n_workers, n);
	for (uint32_t i = 0; i < s->n_workers; i++) {
		if (!is_usable(cpu, n, cpus.worker[i])) {
			say(c, LEVEL_ERROR, "system.workers", "this process may not use CPU %u",
				cpus.worker[i]);
			return -EINVAL;
		}
		for (uint32_t j = 0; j < i; j++)
			if (cpus.worker[j] == cpus.worker[i])
				cpus.shared = true;
		if (cpus.worker[i] == cpus.control)
			cpus.shared = true;
	}
	return 0;
}

bool eal_shares_cpu(void)
{
	return cpus.shared;
}

uint32_t eal_cpus(const struct conf *c, uint32_t *cpu)
{
	uint32_t usable[CPU_SETSIZE];

	if (cpus.n_workers == 0) /* a started one is pinned, and may use no other any more */
		choose_cpus(&c->system, usable, usable_cpus(usable));
	memcpy(cpu, cpus.worker, cpus.n_workers * sizeof(*cpu));
	return cpus.control;
}

static void arg_lcores(void)
{
	char text[ARG_SIZE - sizeof("--lcores=")];
	size_t used = (size_t)snprintf(text, sizeof(text), "0@%u", cpus.control);

	for (uint32_t i = 0; i < cpus.n_workers && used < sizeof(text); i++)
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, ",%u@%u", i + 1, cpus.worker[i]);
	arg("--lcores=%s", text);
	arg("--main-lcore=0");
}

/* Those that nobody has, and that nobody was promised (a mapping that is not touched yet). */
static uint64_t free_hugepages(void)
{
	int64_t unused = sysfs_number(0, SYS HUGE_PAGES "/free_hugepages");
	int64_t promised = sysfs_number(0, SYS HUGE_PAGES "/resv_hugepages");

	return unused > promised ? (uint64_t)(unused - promised) : 0;
}

/*
 * What a packet buffer takes of pages of that size: rte_mempool lets none of them cross a page's
 * end, so that of ordinary pages one buffer takes one.
 */
static uint64_t buffer_bytes(const struct conf *c, uint64_t page)
{
	uint64_t object = c->system.limits.mbuf_size + RTE_PKTMBUF_HEADROOM + BUFFER_HEAD;

	return object <= page ? page / (page / object) : RTE_ALIGN_CEIL(object, page);
}

static uint64_t memory_needed(const struct conf *c, uint64_t page)
{
	uint64_t need = c->system.limits.mbufs * buffer_bytes(c, page) + SPARE;

	for (uint32_t i = 0; i < c->ports.n; i++)
		need += (uint64_t)c->system.n_workers * DESCRIPTOR_BYTES *
			(c->ports.list[i].rx_descriptors + c->ports.list[i].tx_descriptors);
	for (uint32_t i = 0; i < c->services.n; i++)
		if (c->services.list[i].kind == SERVICE_HTTP) { /* old and new files at once */
			need += 2 * c->services.http.files_bytes;
			break;
		}
	return c->system.memory != 0 ? c->system.memory : need;
}

uint64_t eal_memory(const struct conf *c)
{
	return memory_needed(c, HUGE_PAGE);
}

static int arg_memory(const struct conf *c)
{
	uint64_t need = eal_memory(c), have = free_hugepages() * HUGE_PAGE;
	bool huge = c->system.hugepages == HUGEPAGES_ON ||
		    (c->system.hugepages == HUGEPAGES_AUTO && have >= need);

	if (huge && have < need) {
		say(c, LEVEL_ERROR, "system.hugepages",
			"%lu MiB of 2 MiB pages are free, %lu are needed "
			"(echo N > /proc/sys/vm/nr_hugepages)",
			(unsigned long)(have >> 20), (unsigned long)(need >> 20));
		return -ENOMEM;
	}
	if (huge) {
		arg("--in-memory");
		return 0;
	}
	arg("--no-huge");
	arg("-m");
	arg("%lu", (unsigned long)((memory_needed(c, SMALL_PAGE) >> 20) + 1));
	if (c->system.hugepages == HUGEPAGES_AUTO)
		log_notice("no hugepages: packets are slower (reserve %lu of 2 MiB)",
			(unsigned long)(need / HUGE_PAGE + 1));
	return 0;
}

/* A device that the configuration names, unless nobody can have it: its port will say so. */
static bool arg_device(const char *name)
{
	char why[256];

	if (strncmp(name, "net_", 4) == 0 || pci_is_refused(SYS, name, why, sizeof(why)))
		return false;
	arg("--allow=%s", name);
	return true;
}

/* A bridge between PCI buses or to the processor: nearly every machine that has PCI has one. */
static bool find_bridge(char address[SYSFS_NAME])
{
	char(*names)[SYSFS_NAME];
	uint32_t n = sysfs_list(&names, SYS "/bus/pci/devices");
	struct pci_device d;
	bool found = false;

	for (uint32_t i = 0; i < n && !found; i++) {
		found = pci_read(SYS, names[i], &d) == 0 && d.class >> 16 == PCI_CLASS_BRIDGE;
		if (found)
			memcpy(address, names[i], SYSFS_NAME);
	}
	free(names);
	return found;
}

/*
 * The PCI devices that the configuration names, in ports and in bonds; no other is probed. A bridge
 * stands at their head, which no driver wants: EAL gives up when all that it probes fail, and one
 * port's device is not worth that; and ports may come later, when EAL without a device at its
 * start would not look at PCI any more.
 */
static void arg_devices(const struct conf *c)
{
	char bridge[SYSFS_NAME];
	bool any = find_bridge(bridge);

	if (any)
		arg("--allow=%s", bridge);
	for (uint32_t i = 0; i < c->ports.n; i++) {
		const struct port_conf *p = &c->ports.list[i];

		if (p->kind == PORT_PCI)
			any |= arg_device(p->device);
		for (uint32_t k = 0; k < p->n_members; k++)
			any |= arg_device(p->members[k]);
	}
	if (!any)
		arg("--no-pci");
}

/* Two instances with two control sockets live side by side. */
static void arg_prefix(const struct conf *c)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *p = c->system.control_socket; *p != '\0'; p++)
		hash = (hash ^ (uint8_t)*p) * 16777619u;
	arg("--file-prefix=millrace-%08x", hash);
}

/* EAL leaves its files behind: they are ours alone, named after our control socket. */
static void remove_runtime_dir(void)
{
	DIR *d = opendir(runtime_dir);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	rmdir(runtime_dir);
}

/*
 * Whether a process of another socket's path, or one whose socket was deleted, holds DPDK's lock
 * there: its files are not ours to remove.
 */
static bool is_taken(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[sizeof(runtime_dir) + sizeof("/config")];
	bool taken;
	int fd;

	snprintf(path, sizeof(path), "%s/config", runtime_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return false;
	taken = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return taken;
}

/* Says why, as far as EAL told: some of its failures set no errno. */
static int did_not_start(int err)
{
	bool taken;

	snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
	taken = is_taken();
	log_error("DPDK did not start: %s",
		taken	   ? "another millrace with this system.control_socket runs"
		: err != 0 ? rte_strerror(err)
			   : "its reason is above");
	if (!taken)
		remove_runtime_dir();
	runtime_dir[0] = '\0';
	return taken ? -EBUSY : err != 0 ? -err : -EIO;
}

int eal_start(const struct conf *c)
{
	int rc = place(c);

	if (rc < 0)
		return rc;
	arg("millrace");
	arg_lcores();
	rc = arg_memory(c);
	if (rc < 0)
		return rc;
	arg_devices(c);
	arg_prefix(c);
	arg("--single-file-segments");
	/* net_tap complains of a queueing discipline that it can do without; a TAP that really
	 * fails is reported by the port */
	arg("--log-level=pmd.net.tap:critical");
	arg("--log-level=lib.telemetry:error");
	if (rte_eal_init(args.n, args.list) < 0)
		return did_not_start(rte_errno);
	snprintf(runtime_dir, sizeof(runtime_dir), "%s", rte_eal_get_runtime_dir());
	return 0;
}

/*
 * As rte_pktmbuf_pool_create() has it, but for the flag. Without hugepages no device reads memory
 * by itself, so that buffers need not stay clear of the borders of pages: of 4 KiB each would take
 * one, and net_af_xdp (22.11), which counts on a pool without gaps, would not reach the last ones.
 */
static struct rte_mempool *pool_new(const char *name, const struct net_limits *limits, int node)
{
	uint16_t room = (uint16_t)(limits->mbuf_size + RTE_PKTMBUF_HEADROOM);
	struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = room};

	return rte_mempool_create(name, limits->mbufs, (unsigned int)sizeof(struct rte_mbuf) + room,
		POOL_CACHE, sizeof(private), rte_pktmbuf_pool_init, &private, rte_pktmbuf_init,
		NULL, node, rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);
}

static int make_pool(struct net *net, int node)
{
	char name[32];

	if (net->pool[node] != NULL)
		return 0;
	snprintf(name, sizeof(name), "packets_%d", node);
	net->pool[node] = pool_new(name, &net->limits, node);
	if (net->pool[node] != NULL)
		return 0;
	log_error("no memory for %u packet buffers of %u bytes (system.memory)", net->limits.mbufs,
		net->limits.mbuf_size);
	return -ENOMEM;
}

int eal_make_workers(struct net *net, const struct conf *c)
{
	bool adaptive = c->system.idle == IDLE_ADAPTIVE || cpus.shared;

	net->n_workers = (uint16_t)cpus.n_workers;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		net->owner[i] = (uint8_t)(i % cpus.n_workers);
	if (cpus.shared && c->system.idle == IDLE_POLL)
		log_warning("control or workers share a CPU: idle workers sleep all the same");
	for (uint16_t i = 0; i < net->n_workers; i++) {
		int node = numa_of_cpu(cpus.worker[i]);
		int rc = make_pool(net, node);

		if (rc < 0)
			return rc;
		net->worker[i] = worker_new(net, i, i + 1, node, net->pool[node]);
		if (net->worker[i] == NULL) {
			log_error("no memory for worker %u", i);
			return -ENOMEM;
		}
		atomic_store(&net->worker[i]->adaptive, adaptive);
	}
	return 0;
}

struct launch {
	struct worker *w;
	pipeline_fn *pipeline;
};
static struct launch launches[WORKER_MAX];

static int lcore_main(void *arg_)
{
	struct launch *l = arg_;

	worker_loop(l->w, l->pipeline);
	return 0;
}

int eal_launch(struct net *net, pipeline_fn *pipeline)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		launches[i] = (struct launch){net->worker[i], pipeline};
		int rc = rte_eal_remote_launch(lcore_main, &launches[i], net->worker[i]->lcore);

		if (rc < 0)
			return rc;
	}
	return 0;
}

void eal_stop_workers(struct net *net)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		if (net->worker[i] == NULL)
			continue;
		atomic_store(&net->worker[i]->stop, true);
		bell_ring(&net->worker[i]->bell);
	}
	rte_eal_mp_wait_lcore();
}

void eal_free_workers(struct net *net)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		worker_free_all(net->worker[i]);
		net->worker[i] = NULL;
	}
	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++) {
		rte_mempool_free(net->pool[i]);
		net->pool[i] = NULL;
	}
}

void eal_end(void)
{
	if (runtime_dir[0] == '\0')
		return; /* it did not start */
	rte_eal_cleanup();
	remove_runtime_dir();
}
