/* SPDX-License-Identifier: BSD-3-Clause */
/* Doctor's checks of processors: whether workers have theirs for themselves, and at full speed. */
#include "base/sysfs.h"
#include "exam.h"

#include <stdio.h>
#include <string.h>

#define WAKE_US 20 /* an idle state that takes longer is told */

/* --- whose they are --- */

static void check_cores(struct exam *x)
{
	json_t *list = json_object_get(x->plan, "workers"), *control;
	cpu_set_t missing;

	if (x->plan == NULL) {
		exam_add(x, EXAM_OK, "cores", NULL, "workers and control want one each",
			"%d CPUs are online: %s", CPU_COUNT(&x->online),
			exam_cpus_text(&x->online));
		return;
	}
	CPU_AND(&missing, &x->workers, &x->online);
	CPU_XOR(&missing, &missing, &x->workers);
	control = json_object_get(x->plan, "control");
	if (CPU_COUNT(&missing) > 0)
		exam_add(x, EXAM_BAD, "cores", "name others in system.workers",
			"millrace will not start", "CPUs of workers that are not online: %s",
			exam_cpus_text(&missing));
	else if ((size_t)CPU_COUNT(&x->workers) < json_array_size(list))
		exam_add(x, EXAM_WARN, "cores", "ask for fewer in system.workers",
			"idle workers sleep, and each waits for the others",
			"%zu workers share CPUs %s", json_array_size(list),
			exam_cpus_text(&x->workers));
	else if (CPU_ISSET((size_t)json_integer_value(control), &x->workers))
		exam_add(x, EXAM_WARN, "cores", "leave one for it: system.control",
			"idle workers sleep, and packets wait for control",
			"control shares CPU %d with a worker", (int)json_integer_value(control));
	else
		exam_add(x, EXAM_OK, "cores", NULL, "each thread has its own",
			"workers on CPUs %s, control on %d", exam_cpus_text(&x->workers),
			(int)json_integer_value(control));
}

/* The value of a word on the kernel's command line; "" without it. */
static void kernel_option(const struct host *h, const char *name, char *value, size_t size)
{
	char line[4096], *save, *word;
	size_t n = strlen(name);

	value[0] = '\0';
	sysfs_line(line, sizeof(line), "%s/cmdline", h->proc);
	for (word = strtok_r(line, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		if (strncmp(word, name, n) == 0 && word[n] == '=')
			snprintf(value, size, "%s", word + n + 1);
}

/* Whether a list of CPUs has all of the workers'. */
static void check_kept(struct exam *x, const char *option, const char *list, const char *means)
{
	const char *cpus = exam_cpus_text(&x->workers);
	cpu_set_t kept, both;
	char mend[384];

	exam_cpus(list, &kept);
	CPU_AND(&both, &kept, &x->workers);
	if (x->plan == NULL) {
		exam_add(x, EXAM_OK, option, NULL, "is to name the workers' CPUs", "%s",
			CPU_COUNT(&kept) > 0 ? exam_cpus_text(&kept) : "none");
		return;
	}
	if (CPU_EQUAL(&both, &x->workers)) {
		exam_add(x, EXAM_OK, option, NULL, "the workers' CPUs are among them", "%s",
			exam_cpus_text(&kept));
		return;
	}
	snprintf(mend, sizeof(mend), "%s=%s on the kernel's command line, and a restart", option,
		cpus);
	exam_add(x, EXAM_WARN, option, mend, means, "%s, workers are on %s", exam_cpus_text(&kept),
		cpus);
}

static void check_isolation(struct exam *x)
{
	char list[512], nohz[512], both[sizeof(list) + sizeof(nohz)];

	sysfs_line(list, sizeof(list), "%s/devices/system/cpu/isolated", x->h->sys);
	check_kept(x, "isolcpus", list, "other tasks take turns with workers: packets wait for ms");
	sysfs_line(nohz, sizeof(nohz), "%s/devices/system/cpu/nohz_full", x->h->sys);
	check_kept(x, "nohz_full", nohz, "the scheduler's tick interrupts workers all the time");
	/* which takes its CPUs out of that, too (the kernel's kernel-parameters.txt) */
	kernel_option(x->h, "rcu_nocbs", list, sizeof(list));
	snprintf(both, sizeof(both), "%s%s%s", list, list[0] != '\0' ? "," : "", nohz);
	check_kept(x, "rcu_nocbs", both, "the kernel's clean-up runs on workers' CPUs");
}

static void check_smt(struct exam *x)
{
	cpu_set_t busy = x->workers, shared, siblings;
	json_t *control = json_object_get(x->plan, "control");
	char list[256];

	if (x->plan == NULL)
		return;
	CPU_SET((size_t)json_integer_value(control), &busy);
	CPU_ZERO(&shared);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &x->workers) ||
			sysfs_line(list, sizeof(list),
				"%s/devices/system/cpu/cpu%zu/topology/thread_siblings_list",
				x->h->sys, i) < 0)
			continue;
		exam_cpus(list, &siblings);
		CPU_AND(&siblings, &siblings, &busy);
		if (CPU_COUNT(&siblings) > 1)
			CPU_OR(&shared, &shared, &siblings);
	}
	if (CPU_COUNT(&shared) > 0)
		exam_add(x, EXAM_WARN, "smt",
			"one thread of each core in system.workers, or "
			"`echo off >/sys/devices/system/cpu/smt/control`",
			"two of them have one core's caches and units between them",
			"CPUs %s are threads of the same cores", exam_cpus_text(&shared));
	else
		exam_add(x, EXAM_OK, "smt", NULL, "no core has two of our threads", "CPUs %s",
			exam_cpus_text(&busy));
}

/* --- how fast they are --- */

static void check_governor(struct exam *x)
{
	char governor[SYSFS_NAME], found[SYSFS_NAME] = "";
	cpu_set_t slow;
	bool any = false;

	CPU_ZERO(&slow);
	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &x->workers) ||
			sysfs_line(governor, sizeof(governor),
				"%s/devices/system/cpu/cpu%zu/cpufreq/scaling_governor", x->h->sys,
				i) < 0)
			continue;
		any = true;
		if (strcmp(governor, "performance") == 0)
			continue;
		CPU_SET(i, &slow);
		snprintf(found, sizeof(found), "%s", governor);
	}
	if (found[0] != '\0')
		exam_add(x, EXAM_WARN, "governor",
			"cpupower frequency-set -g performance (package linux-cpupower)",
			"the clock goes down in a lull, and the next burst finds it low",
			"%s on CPUs %s", found, exam_cpus_text(&slow));
	else
		exam_add(x, EXAM_OK, "governor", NULL, "the clock stays where it is", "%s",
			any ? "performance" : "no frequency scaling to be seen, as in a VM");
}

/* The slowest idle state that a CPU may fall into, in us; its name. */
static int64_t deepest(const struct host *h, size_t cpu, char name[SYSFS_NAME])
{
	int64_t slowest = 0;

	for (int s = 0; s < 16; s++) {
		int64_t us = sysfs_number(
			-1, "%s/devices/system/cpu/cpu%zu/cpuidle/state%d/latency", h->sys, cpu, s);

		if (us <= slowest ||
			sysfs_number(0, "%s/devices/system/cpu/cpu%zu/cpuidle/state%d/disable",
				h->sys, cpu, s) != 0)
			continue;
		slowest = us;
		sysfs_line(name, SYSFS_NAME, "%s/devices/system/cpu/cpu%zu/cpuidle/state%d/name",
			h->sys, cpu, s);
	}
	return slowest;
}

static void check_idle(struct exam *x)
{
	char name[SYSFS_NAME] = "";
	int64_t slowest = 0;

	for (size_t i = 0; i < CPU_SETSIZE; i++) {
		char its[SYSFS_NAME] = "";
		int64_t us = CPU_ISSET(i, &x->workers) ? deepest(x->h, i, its) : 0;

		if (us > slowest) {
			slowest = us;
			memcpy(name, its, sizeof(name));
		}
	}
	if (slowest > WAKE_US && !json_is_true(json_object_get(x->plan, "polls")))
		exam_add(x, EXAM_WARN, "idle",
			"cpupower idle-set -D 20 (package linux-cpupower), or system.idle: poll, "
			"where workers never sleep",
			"a worker that sleeps is so late for the first packet", "%s takes %d us",
			name, (int)slowest);
	else if (slowest > 0)
		exam_add(x, EXAM_OK, "idle", NULL, "who sleeps is soon awake, or nobody sleeps",
			"%s takes %d us", name, (int)slowest);
	else
		exam_add(x, EXAM_OK, "idle", NULL, "nothing to wake from",
			"no power states to be seen, as in a VM");
}

static void check_clock(struct exam *x)
{
	char source[SYSFS_NAME], flags[8192];
	bool steady;

	sysfs_line_of(flags, sizeof(flags), "flags", "%s/cpuinfo", x->h->proc);
	steady = strstr(flags, " constant_tsc") != NULL && strstr(flags, " nonstop_tsc") != NULL;
	sysfs_line(source, sizeof(source),
		"%s/devices/system/clocksource/clocksource0/current_clocksource", x->h->sys);
	if (!steady)
		exam_add(x, EXAM_WARN, "clock", "another machine; in a VM, `-cpu host,+invtsc`",
			"timers and rates follow the clock's changes",
			"the TSC is not invariant; the kernel uses %s", source);
	else if (strcmp(source, "tsc") != 0)
		exam_add(x, EXAM_WARN, "clock",
			"echo tsc "
			">/sys/devices/system/clocksource/clocksource0/current_clocksource",
			"the kernel did not trust the TSC, which is our clock: `dmesg | grep -i "
			"tsc`",
			"the TSC is invariant, but the kernel uses %s", source);
	else
		exam_add(x, EXAM_OK, "clock", NULL, "time is the same on all CPUs",
			"an invariant TSC, which the kernel uses");
}

void exam_cpu(struct exam *x)
{
	check_cores(x);
	check_isolation(x);
	check_smt(x);
	check_governor(x);
	check_idle(x);
	check_clock(x);
}
