/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * millctl doctor on a machine of files where all is well: each row below spoils one thing, and the
 * check of that name, and no other, says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "doctor.h"
#include "fake_tree.h"

#define CPU  "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/"
#define HUGE "sys/kernel/mm/hugepages/hugepages-2048kB/"
#define CARD "sys/bus/pci/devices/0000:01:00.0/"

static const char good_plan[] =
	"{\"control\": 1, \"workers\": [2, 3], \"polls\": false, "
	"\"hugepages\": \"auto\", \"memory_bytes\": 104857600, \"ports\": "
	"[{\"name\": \"lan\", \"queues\": 0, \"pci\": [\"0000:01:00.0\"]}]}";
static const char good_ports[] =
	"[{\"name\": \"lan\", \"link\": \"up\", \"rx_queues\": 2, \"offloads\": [{\"work\": "
	"\"spreading flows to workers\", \"by\": \"device\"}]}]";
static const char *file_plan, *own_plan, *ports;

static json_t *ask(const struct host *h, const char *method)
{
	(void)h;
	if (ports == NULL)
		return NULL;
	return json_loads(strcmp(method, "show.ports") == 0 ? ports : own_plan, 0, NULL);
}

static json_t *plan(const struct host *h, const char *file)
{
	(void)h;
	assert_string_equal(file, "some.yaml");
	return file_plan != NULL ? json_loads(file_plan, 0, NULL) : NULL;
}

static void make_cpu(int cpu)
{
	char path[128], text[16];

#define AT(name) (snprintf(path, sizeof(path), CPU "cpu%d/%s", cpu, name), path)
	tree_file(AT("cpufreq/scaling_governor"), "performance\n");
	snprintf(text, sizeof(text), "%d,%d\n", cpu % 4, cpu % 4 + 4);
	tree_file(AT("topology/thread_siblings_list"), text);
	tree_folder(AT(cpu % 4 < 2 ? "node1" : "node0"));
	tree_file(AT("cpuidle/state0/latency"), "2\n");
	tree_file(AT("cpuidle/state0/name"), "C1\n");
	tree_file(AT("cpuidle/state0/disable"), "0\n");
	tree_file(AT("cpuidle/state1/latency"), "133\n");
	tree_file(AT("cpuidle/state1/name"), "C6\n");
	tree_file(AT("cpuidle/state1/disable"), "1\n");
#undef AT
}

static void make_machine(void)
{
	tree_remove();
	for (int cpu = 0; cpu < 8; cpu++)
		make_cpu(cpu);
	tree_file(CPU "online", "0-7\n");
	tree_file(CPU "isolated", "2-3,6-7\n");
	tree_file(CPU "nohz_full", "2-3\n");
	tree_file("proc/cmdline", "quiet rcu_nocbs=2-3 iommu=pt\n");
	tree_file("proc/cpuinfo", "flags\t\t: fpu constant_tsc nonstop_tsc\n");
	tree_file("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	tree_file(HUGE "nr_hugepages", "64\n");
	tree_file(HUGE "free_hugepages", "60\n");
	tree_file(NODE "online", "0-1\n");
	tree_file(NODE "node0/hugepages/hugepages-2048kB/free_hugepages", "50\n");
	tree_file(NODE "node1/hugepages/hugepages-2048kB/free_hugepages", "10\n");
	tree_file(NODE "node1/cpulist", "0-1,4-5\n");
	tree_file("proc/self/limits",
		"Max locked memory         unlimited            unlimited bytes\n");
	tree_file("proc/self/status", "CapEff:\t0000000000000000\n");
	tree_file("proc/swaps", "Filename Type\n");
	tree_file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	tree_pci("0000:01:00.0", "0x020000", "8086:1572", "vfio-pci", 7);
	tree_file("sys/bus/pci/drivers/vfio-pci/bind", "");
	tree_file(CARD "current_link_width", "8\n");
	tree_file(CARD "max_link_width", "8\n");
	tree_file(CARD "current_link_speed", "8.0 GT/s PCIe\n");
	tree_file(CARD "max_link_speed", "8.0 GT/s PCIe\n");
}

static json_t *examine(const char *params, int *status)
{
	struct host h = {.sys = tree_sys, .proc = tree_proc, .ask = ask, .plan = plan};
	json_t *p = json_loads(params, 0, NULL), *result = doctor_examine(&h, p);

	json_decref(p);
	*status = h.status;
	return result;
}

static const char *text(const json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));

	return value != NULL ? value : "";
}

/* The one check that is not content is this; NULL: all are. */
static void expect(const char *what, json_t *result, const char *check, const char *verdict,
	const char *found, const char *mend)
{
	json_t *row;
	bool seen = false;
	size_t i;

	json_array_foreach (json_object_get(result, "checks"), i, row) {
		if (strcmp(text(row, "verdict"), "ok") == 0)
			continue;
		if (check == NULL || strcmp(text(row, "check"), check) != 0 ||
			strcmp(text(row, "verdict"), verdict) != 0 ||
			strstr(text(row, "found"), found) == NULL ||
			strstr(text(row, "mend"), mend) == NULL)
			fail_msg("%s: %s %s: %s -> %s", what, text(row, "verdict"),
				text(row, "check"), text(row, "found"), text(row, "mend"));
		seen = true;
	}
	if (check != NULL && !seen)
		fail_msg("%s: nothing is said of %s", what, check);
	assert_string_equal(text(result, "verdict"), check != NULL ? verdict : "ok");
	json_decref(result);
}

static void test_all_is_well(void **state)
{
	int status;

	(void)state;
	file_plan = good_plan;
	ports = NULL;
	make_machine();
	expect("a file", examine("{\"file\": \"some.yaml\"}", &status), NULL, NULL, NULL, NULL);
	assert_int_equal(status, 0);
	ports = good_ports;
	own_plan = good_plan;
	expect("a daemon", examine("{}", &status), NULL, NULL, NULL, NULL);
	ports = NULL;
	tree_file(HUGE "nr_hugepages", "600\n");
	tree_file(HUGE "free_hugepages", "600\n");
	expect("a machine", examine("{}", &status), NULL, NULL, NULL, NULL);
}

/* The verdict of one check; "" without it. */
static void is(const json_t *result, const char *check, const char *verdict)
{
	const char *said = "";
	json_t *row;
	size_t i;

	json_array_foreach (json_object_get(result, "checks"), i, row)
		if (strcmp(text(row, "check"), check) == 0)
			said = text(row, "verdict");
	assert_string_equal(said, verdict);
}

/* nohz_full does what rcu_nocbs does, too, and not the other way round. */
static void test_clean_up_elsewhere(void **state)
{
	static const struct {
		const char *nohz, *line, *nohz_full, *rcu_nocbs;
	} cases[] = {
		{"2-3\n", "quiet\n", "ok", "ok"},
		{" (null)\n", "rcu_nocbs=2-3\n", "warn", "ok"},
		{"2\n", "rcu_nocbs=3\n", "warn", "ok"},
		{" (null)\n", "quiet\n", "warn", "warn"},
		{"\n", "quiet rcu_nocbs=2\n", "warn", "warn"},
	};
	json_t *result;
	int status;

	(void)state;
	file_plan = good_plan;
	ports = NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_machine();
		tree_file(CPU "nohz_full", cases[i].nohz);
		tree_file("proc/cmdline", cases[i].line);
		result = examine("{\"file\": \"some.yaml\"}", &status);
		is(result, "nohz_full", cases[i].nohz_full);
		is(result, "rcu_nocbs", cases[i].rcu_nocbs);
		json_decref(result);
	}
}

static void test_the_machine(void **state)
{
	static const struct {
		const char *file, *content, *check, *verdict, *found, *mend;
	} cases[] = {
		{CPU "online", "0-2\n", "cores", "bad", "not online: 3", "system.workers"},
		{CPU "isolated", "2\n", "isolcpus", "warn", "2, workers are on 2-3",
			"isolcpus=2-3 on the kernel's command line"},
		{CPU "nohz_full", "\n", "nohz_full", "warn", "none, workers are on 2-3",
			"nohz_full=2-3"},
		{CPU "cpu3/topology/thread_siblings_list", "2-3\n", "smt", "warn",
			"CPUs 2-3 are threads of the same cores", "echo off"},
		{CPU "cpu2/cpufreq/scaling_governor", "powersave\n", "governor", "warn",
			"powersave on CPUs 2", "cpupower frequency-set -g performance"},
		{CPU "cpu2/cpuidle/state1/disable", "0\n", "idle", "warn", "C6 takes 133 us",
			"cpupower idle-set"},
		{"proc/cpuinfo", "flags\t: fpu\n", "clock", "warn", "not invariant", "invtsc"},
		{"sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n",
			"clock", "warn", "the kernel uses hpet", "echo tsc"},
		{HUGE "free_hugepages", "20\n", "hugepages", "warn", "20 of 64 of 2 MiB",
			"echo 95 >/proc/sys/vm/nr_hugepages"},
		{HUGE "resv_hugepages", "30\n", "hugepages", "warn", "30 of 64 of 2 MiB",
			"echo 85 >/proc/sys/vm/nr_hugepages"},
		{CARD "numa_node", "1\n", "numa", "warn", "port lan (0000:01:00.0) is on node 1",
			"among CPUs 0-1,4-5"},
		{"proc/self/limits", "Max locked memory         65536   65536  bytes\n", "memlock",
			"warn", "65536 bytes", "LimitMEMLOCK=infinity"},
		{"proc/swaps", "Filename\n/dev/sda2 partition\n", "swap", "warn", "on",
			"swapoff -a"},
		{"sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n", "thp",
			"warn", "never", "echo madvise"},
		{"sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n", "iommu", "warn",
			"do without", "echo 0"},
		{CARD "current_link_width", "4\n", "slot", "warn", "x4 at 8.0 GT/s", "slot"},
		{CARD "current_link_speed", "2.5 GT/s\n", "slot", "warn", "x8 at 2.5 GT/s", "slot"},
	};
	int status;

	(void)state;
	file_plan = good_plan;
	ports = NULL;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_machine();
		tree_file(cases[i].file, cases[i].content);
		expect(cases[i].file, examine("{\"file\": \"some.yaml\"}", &status), cases[i].check,
			cases[i].verdict, cases[i].found, cases[i].mend);
		assert_int_equal(status, strcmp(cases[i].verdict, "bad") == 0);
	}
}

static void test_the_card(void **state)
{
	int status;

	(void)state;
	file_plan = good_plan;
	ports = NULL;
	make_machine();
	tree_pci("0000:01:00.0", "0x020000", "8086:1572", "i40e", 7);
	expect("the kernel's", examine("{\"file\": \"some.yaml\"}", &status), "card", "bad",
		"port lan: 0000:01:00.0 is bound to the kernel's driver i40e", "nic list");
	assert_int_equal(status, 1);
	tree_unlink(CARD "driver");
	expect("nobody's", examine("{\"file\": \"some.yaml\"}", &status), "card", "bad",
		"0000:01:00.0 has no driver", "millctl nic bind 0000:01:00.0");
	make_machine();
	tree_pci("0000:01:00.1", "0x020000", "8086:1572", "i40e", 7);
	expect("half the group's", examine("{\"file\": \"some.yaml\"}", &status), "card", "bad",
		"shares IOMMU group 7 with 0000:01:00.1 (i40e)", "");
	make_machine();
	tree_unlink("sys/kernel/iommu_groups/7/devices/0000:01:00.0");
	tree_rename("sys/kernel/iommu_groups", "sys/kernel/none");
	expect("without IOMMU", examine("{\"file\": \"some.yaml\"}", &status), "iommu", "bad",
		"off", "intel_iommu=on iommu=pt");
	make_machine();
	tree_file("proc/self/limits", "Max locked memory         65536   65536  bytes\n");
	tree_file("proc/self/status", "CapEff:\t000001ffffffffff\n");
	expect("root", examine("{\"file\": \"some.yaml\"}", &status), NULL, NULL, NULL, NULL);
}

/* What the file wants, on a machine where all is well. */
static void test_the_plan(void **state)
{
	static const struct {
		const char *plan, *check, *verdict, *found;
	} cases[] = {
		{"{\"control\": 2, \"workers\": [2, 3], \"hugepages\": \"off\", \"ports\": []}",
			"cores", "warn", "control shares CPU 2"},
		{"{\"control\": 1, \"workers\": [2, 2], \"hugepages\": \"off\", \"ports\": []}",
			"cores", "warn", "2 workers share CPUs 2"},
		{"{\"control\": 1, \"workers\": [2], \"hugepages\": \"on\", \"memory_bytes\": "
		 "1073741824, \"ports\": []}",
			"hugepages", "bad", "513 are needed"},
		{"{\"control\": 1, \"workers\": [2, 3], \"hugepages\": \"off\", \"ports\": "
		 "[{\"name\": \"lan\", \"queues\": 1, \"pci\": []}]}",
			"rss", "warn", "port lan: 1 queues are asked for, and there are 2 workers"},
	};
	int status;

	(void)state;
	ports = NULL;
	make_machine();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		file_plan = cases[i].plan;
		expect(cases[i].plan, examine("{\"file\": \"some.yaml\"}", &status), cases[i].check,
			cases[i].verdict, cases[i].found, "");
	}
	file_plan = NULL; /* errors of it are millrace's to print */
	assert_null(examine("{\"file\": \"some.yaml\"}", &status));
}

static void test_the_daemon(void **state)
{
	static const struct {
		const char *ports, *check, *verdict, *found;
	} cases[] = {
		{"[{\"name\": \"lan\", \"link\": \"down\", \"error\": \"no such thing\"}]", "port",
			"bad", "port lan: no such thing"},
		{"[{\"name\": \"lan\", \"link\": \"down\", \"rx_queues\": 2, \"offloads\": "
		 "[{\"work\": \"spreading flows to workers\", \"by\": \"device\"}]}]",
			"link", "warn", "port lan: down"},
		{"[{\"name\": \"lan\", \"link\": \"up\", \"rx_queues\": 1, \"offloads\": "
		 "[{\"work\": \"spreading flows to workers\", \"by\": \"software\"}]}]",
			"rss", "warn", "1 queues for 2 workers, spread by software"},
	};
	int status;

	(void)state;
	own_plan = good_plan;
	make_machine();
	tree_file(HUGE "free_hugepages", "4\n"); /* it has the others */
	ports = good_ports;
	file_plan = good_plan; /* to restart it with */
	expect("its file", examine("{\"file\": \"some.yaml\"}", &status), NULL, NULL, NULL, NULL);
	file_plan = "{\"control\": 1, \"workers\": [2], \"hugepages\": \"on\", "
		    "\"memory_bytes\": 209715200, \"ports\": []}";
	expect("a larger file", examine("{\"file\": \"some.yaml\"}", &status), "hugepages", "bad",
		"101 are needed", "echo 110 >");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ports = cases[i].ports;
		expect(cases[i].ports, examine("{}", &status), cases[i].check, cases[i].verdict,
			cases[i].found, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_well),
		cmocka_unit_test(test_clean_up_elsewhere),
		cmocka_unit_test(test_the_machine),
		cmocka_unit_test(test_the_card),
		cmocka_unit_test(test_the_plan),
		cmocka_unit_test(test_the_daemon),
	};
	int failed;

	tree_make();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	tree_remove();
	return failed;
}
