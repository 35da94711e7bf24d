/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic list, bind and unbind on a machine of files: four cards, of which two share an IOMMU group,
 * one is below a bond with a VLAN that has the default route, and one is a virtio card.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "fake_tree.h"
#include "nic.h"
#include "ssh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>

#define A0 "0000:01:00.0" /* eth0, ixgbe, group 11: alone */
#define B0 "0000:02:00.0" /* eth1, i40e, group 12 with B1 */
#define B1 "0000:02:00.1" /* eth2, i40e; in bond0, below bond0.10 */
#define V0 "0000:03:00.0" /* eth3, virtio-pci, group 13 with a bridge */

static struct host host;
static const char *stubborn; /* a driver that takes no card */
static const char *refuser;  /* and one that does not take it back */
static int hang_up;	     /* a signal that comes when a card has no driver */
static volatile sig_atomic_t hung_up;
static char renamed[64];

/* --- the kernel, as far as it is asked for --- */

static const char *own_driver(const char *address)
{
	return strcmp(address, A0) == 0	  ? "ixgbe"
	       : strcmp(address, V0) == 0 ? "virtio-pci"
					  : "i40e";
}

static void probe(const char *address)
{
	char wanted[SYSFS_NAME], at[128], to[128], full[PATH_MAX];

	sysfs_line(
		wanted, sizeof(wanted), "%s/bus/pci/devices/%s/driver_override", tree_sys, address);
	if (wanted[0] == '\0' || wanted[0] == '(')
		snprintf(wanted, sizeof(wanted), "%s", own_driver(address));
	snprintf(to, sizeof(to), "sys/bus/pci/drivers/%s", wanted);
	tree_path(full, to);
	if (access(full, F_OK) != 0 || (stubborn != NULL && strcmp(stubborn, wanted) == 0) ||
		(refuser != NULL && strcmp(refuser, wanted) == 0))
		return;
	snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/driver", address);
	tree_link(at, to);
}

static int kernel_write(const char *path, const char *text)
{
	char at[256];

	if (strstr(path, "/drivers_probe") != NULL) {
		probe(text);
	} else if (strstr(path, "/driver/unbind") != NULL) {
		snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/driver", text);
		tree_unlink(at);
		if (hang_up != 0)
			raise(hang_up);
		assert_false(hung_up);
	} else {
		assert_non_null(strstr(path, "/driver_override"));
		tree_file(path + strlen(tree_root) + 1, text);
	}
	return 0;
}

static int modprobe(const char *module)
{
	if (strcmp(module, "vfio-pci") == 0)
		tree_folder("sys/bus/pci/drivers/vfio-pci");
	return 0;
}

static int rename_to(const char *iface, const char *name)
{
	snprintf(renamed, sizeof(renamed), "%s %s", iface, name);
	return 0;
}

static const struct {
	const char *iface;
	bool everything;
} no_routes[] = {{NULL, false}}, bond_routes[] = {{"bond0.10", true}, {"lo", false}, {NULL, false}},
  eth_routes[] = {{"eth0", false}, {NULL, false}};
static const void *routes;

static int each_route(kroute_fn *each, void *arg)
{
	for (const __typeof__(no_routes[0]) *r = routes; r->iface != NULL; r++)
		each(arg, r->iface, r->everything);
	return 0;
}

/* 198.18.N.x is reached by ethN, and ethN has 198.18.N.254. */
static int by_number(const struct sockaddr *to, char iface[IF_NAMESIZE])
{
	const struct sockaddr_in *in = (const void *)to;

	if (to->sa_family != AF_INET || ntohl(in->sin_addr.s_addr) >> 16 != 0xc612)
		return -ENODEV;
	snprintf(iface, IF_NAMESIZE, "eth%u", ntohl(in->sin_addr.s_addr) >> 8 & 255);
	return 0;
}

static int by_nothing(const struct sockaddr *to, char iface[IF_NAMESIZE])
{
	(void)to;
	(void)iface;
	return -ENODEV;
}

/* --- the machine --- */

static void iface(const char *name, const char *device)
{
	char at[128];

	snprintf(at, sizeof(at), "sys/bus/pci/devices/%s/net/%s", device, name);
	tree_folder(at);
	snprintf(at, sizeof(at), "sys/class/net/%s/carrier", name);
	tree_file(at, "1\n");
	snprintf(at, sizeof(at), "sys/class/net/%s/speed", name);
	tree_file(at, "10000\n");
}

static int setup(void **state)
{
	(void)state;
	tree_make();
	tree_pci(A0, "0x020000\n", "8086:10fb", "ixgbe", 11);
	tree_pci(B0, "0x020000\n", "8086:1572", "i40e", 12);
	tree_pci(B1, "0x020000\n", "8086:1572", "i40e", 12);
	tree_pci(V0, "0x020000\n", "1af4:1041", "virtio-pci", 13);
	tree_pci("0000:00:03.0", "0x060400\n", "8086:3420", "pcieport", 13);
	tree_pci("0000:00:1f.2", "0x010601\n", "8086:2922", "ahci", 1);
	iface("eth0", A0);
	iface("eth1", B0);
	iface("eth2", B1);
	iface("eth3", V0 "/virtio4");
	tree_link("sys/class/net/eth2/upper_bond0", "sys/class/net/bond0");
	tree_link("sys/class/net/bond0/upper_bond0.10", "sys/class/net/bond0.10");
	tree_folder("sys/class/net/bond0.10");
	tree_folder("run");
	tree_file("proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n");
	routes = no_routes;
	stubborn = refuser = NULL;
	hang_up = 0;
	hung_up = 0;
	renamed[0] = '\0';
	host = (struct host){.sys = tree_sys,
		.proc = tree_proc,
		.pid = 400,
		.write = kernel_write,
		.modprobe = modprobe,
		.rename = rename_to,
		.routes = each_route,
		.route_to = by_number,
		.owner = by_nothing};
	static char run[PATH_MAX];
	tree_path(run, "run");
	host.run = run;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

static json_t *call(json_t *(*command)(struct host *, const json_t *), const char *params)
{
	json_t *p = json_loads(params, 0, NULL), *result;

	assert_non_null(p);
	host.why[0] = '\0';
	result = command(&host, p);
	json_decref(p);
	return result;
}

static void refused(
	json_t *(*command)(struct host *, const json_t *), const char *params, const char *why)
{
	json_t *result = call(command, params);

	if (result != NULL || strcmp(host.why, why) != 0)
		fail_msg("%s: %s, %s", params, result != NULL ? "done" : "refused", host.why);
}

static void done(json_t *(*command)(struct host *, const json_t *), const char *params)
{
	json_t *result = call(command, params);

	if (result == NULL)
		fail_msg("%s: %s", params, host.why);
	json_decref(result);
}

static void assert_driver(const char *address, const char *driver)
{
	struct pci_device d;

	assert_int_equal(pci_read(tree_sys, address, &d), 0);
	assert_string_equal(d.driver, driver);
}

/* --- list --- */

static void test_list(void **state)
{
	json_t *rows, *row;

	(void)state;
	routes = bond_routes;
	rows = call(nic_list, "{}");
	assert_int_equal(json_array_size(rows), 4);
	row = json_array_get(rows, 2);
	assert_string_equal(json_string_value(json_object_get(row, "address")), B1);
	assert_string_equal(json_string_value(json_object_get(row, "driver")), "i40e");
	assert_string_equal(json_string_value(json_object_get(row, "id")), "8086:1572");
	assert_string_equal(json_string_value(json_object_get(row, "link")), "up");
	assert_int_equal(json_integer_value(json_object_get(row, "iommu_group")), 12);
	assert_int_equal(json_integer_value(json_object_get(row, "numa")), 0);
	assert_int_equal(json_integer_value(json_object_get(row, "speed_mbps")), 10000);
	assert_int_equal(json_array_size(json_object_get(row, "on_top")), 2);
	assert_string_equal(json_string_value(json_array_get(json_object_get(row, "in_use_by"), 0)),
		"default route");
	row = json_array_get(json_object_get(row, "group_has"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "address")), B0);
	assert_true(json_is_true(json_object_get(row, "in_the_way")));
	row = json_array_get(rows, 3);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(row, "interfaces"), 0)), "eth3");
	assert_int_equal(json_array_size(json_object_get(row, "in_use_by")), 0);
	json_decref(rows);
}

/* --- bind --- */

static void test_there_and_back(void **state)
{
	json_t *rows, *row;

	(void)state;
	done(nic_bind, "{\"address\": [\"" A0 "\"]}");
	assert_driver(A0, "vfio-pci");
	rows = call(nic_list, "{}");
	row = json_array_get(rows, 0);
	assert_string_equal(json_string_value(json_object_get(row, "driver_before")), "ixgbe");
	json_decref(rows);
	done(nic_bind, "{\"address\": [\"" A0 "\"]}"); /* which it has already */
	done(nic_unbind, "{\"address\": [\"" A0 "\"]}");
	assert_driver(A0, "ixgbe");
	rows = nic_notes(&host);
	assert_int_equal(json_object_size(rows), 0);
	json_decref(rows);
	refused(nic_unbind, "{\"address\": [\"" A0 "\"]}",
		A0 " is the kernel's driver ixgbe's already");
}

/* What the card was called is asked for only by name, and is another now. */
static void test_names(void **state)
{
	(void)state;
	done(nic_bind, "{\"address\": [\"eth0\"]}");
	tree_rename("sys/bus/pci/devices/" A0 "/net/eth0", "sys/bus/pci/devices/" A0 "/net/eth9");
	done(nic_unbind, "{\"address\": [\"01:00.0\"], \"names\": true}");
	assert_string_equal(renamed, "eth9 eth0");
}

static void test_a_group_goes_together(void **state)
{
	(void)state;
	refused(nic_bind, "{\"address\": [\"" B0 "\"]}",
		B0 " shares IOMMU group 12 with " B1
		   " (i40e), so that they go together: millctl nic bind " B0 " " B1);
	assert_driver(B0, "i40e");
	done(nic_bind, "{\"address\": [\"" B0 "\", \"" B1 "\", \"" B0 "\"]}");
	assert_driver(B0, "vfio-pci");
	assert_driver(B1, "vfio-pci");
	done(nic_bind, "{\"address\": [\"" V0 "\"]}"); /* a bridge is in nobody's way */
	tree_pci("0000:01:00.1", "0x010700\n", "1000:0072", "mpt3sas", 11);
	refused(nic_bind, "{\"address\": [\"" A0 "\"], \"force\": true}",
		A0 " shares IOMMU group 11 with 0000:01:00.1 (mpt3sas), not all of them network "
		   "cards: put the card into another slot, or unbind those from their drivers if "
		   "nobody needs them");
}

static void test_not_the_default_route(void **state)
{
	(void)state;
	routes = bond_routes;
	refused(nic_bind, "{\"address\": [\"" B0 "\", \"" B1 "\"]}",
		B1
		" carries a default route, through bond0.10: give it to another interface first, "
		"or --force");
	assert_driver(B0, "i40e"); /* which nothing was wrong with */
	done(nic_bind, "{\"address\": [\"" B0 "\", \"" B1 "\"], \"force\": true}");
	routes = eth_routes;
	refused(nic_bind, "{\"address\": [\"" A0 "\"]}",
		A0 " is in use, by routes through eth0: `ip link set eth0 down`, or --force");
}

/* sudo has taken it from our environment; the shell before it, whose name is odd, still has it. */
static void test_not_our_own_way_in(void **state)
{
	static const char ours[] =
		"HOME=/root\0SSH_CONNECTION=198.18.0.9 40000 198.18.0.254 22\0X=";
	char path[PATH_MAX];
	FILE *f;

	(void)state;
	tree_file("proc/400/stat", "400 (millctl) S 399 400 1\n");
	tree_file("proc/400/environ", "");
	tree_file("proc/399/stat", "399 (a) R 7 (b) S 1 399 1\n");
	tree_path(path, "proc/399/environ");
	f = fopen(path, "w");
	fwrite(ours, 1, sizeof(ours), f);
	fclose(f);
	for (int force = 0; force < 2; force++)
		refused(nic_bind,
			force ? "{\"address\": [\"eth0\"], \"force\": true}"
			      : "{\"address\": [\"eth0\"]}",
			A0
			" carries the SSH session that you are in, through eth0: come by another "
			"way, or from the console");
	assert_driver(A0, "ixgbe");
}

/* Whatever is readable of where it came from counts; and no other card. */
static void test_half_of_a_way_in(void **state)
{
	static const char *const variables[] = {
		"SSH_CONNECTION=198.18.0.9 40000 192.0.2.9 22",
		"SSH_CONNECTION=fe80::9%eth0 40000 198.18.0.254 22",
		"SSH_CONNECTION=UNKNOWN 65535 198.18.0.254 22",
	};

	(void)state;
	host.owner = by_number;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		tree_file("proc/400/environ", variables[i]); /* the last of its list */
		refused(nic_bind, "{\"address\": [\"eth0\"]}",
			A0
			" carries the SSH session that you are in, through eth0: come by another "
			"way, or from the console");
	}
	done(nic_bind, "{\"address\": [\"" V0 "\"]}");
}

/* By the address that it came in to, too, where packets back take another way. */
static void test_not_a_session_of_others(void **state)
{
	(void)state;
	tree_file("proc/77/comm", "sshd-session\n");
	tree_words("proc/77/fd/4", "socket:[1234]");
	tree_file("proc/net/tcp",
		"  sl  local_address rem_address   st tx_queue rx_queue ...\n"
		"   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 "
		"00000000     0        0 1233 1\n");
	tree_file("proc/net/tcp6",
		"  sl  local_address ...\n"
		"   0: 0000000000000000FFFF0000FE0012C6:0016 "
		"0000000000000000FFFF0000090312C6:9C40 01 00000000:00000000 02:000A 00000000     0"
		"        0 1234 4\n");
	refused(nic_bind, "{\"address\": [\"" V0 "\"]}",
		V0 " carries somebody's SSH session, through eth3: end it first (`ss -tp`), or "
		   "--force");
	done(nic_bind, "{\"address\": [\"" A0 "\"]}"); /* 198.18.0.254, which no way leads to */
	host.owner = by_number;
	done(nic_unbind, "{\"address\": [\"" A0 "\"]}");
	refused(nic_bind, "{\"address\": [\"" A0 "\"]}",
		A0 " carries somebody's SSH session, through eth0: end it first (`ss -tp`), or "
		   "--force");
	done(nic_bind, "{\"address\": [\"" V0 "\"], \"force\": true}");
}

static void test_what_is_no_card(void **state)
{
	(void)state;
	refused(nic_bind, "{\"address\": [\"0000:00:1f.2\", \"eth7\"]}",
		"0000:00:1f.2 is no network card (class 0106)\n"
		"there is no network card eth7; `millctl nic list` shows which there are");
	tree_pci("0000:05:00.0", "0x020000\n", "8086:10fb", "ixgbe", 20);
	refused(nic_bind, "{\"address\": [\"0000:05:00.0\"]}",
		"0000:05:00.0 is ixgbe's but has no interface here, so that another network "
		"namespace (`ip netns`) may have it: --force if not");
}

static void test_no_iommu(void **state)
{
	(void)state;
	tree_unlink("sys/bus/pci/devices/" A0 "/iommu_group");
	refused(nic_bind, "{\"address\": [\"" A0 "\"], \"force\": true}",
		A0 " has no IOMMU group, which vfio-pci needs: switch VT-d on in the firmware, put "
		   "`intel_iommu=on iommu=pt` on the kernel's command line and restart; or, if the "
		   "card may write anywhere in memory, `modprobe vfio; echo 1 "
		   ">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode` (Debian's kernel has "
		   "no such mode)");
	tree_file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	done(nic_bind, "{\"address\": [\"" A0 "\"]}");
}

/* What one of them does not take, none has taken. */
static void test_all_or_none(void **state)
{
	json_t *notes;

	(void)state;
	refused(nic_bind, "{\"address\": [\"" A0 "\"], \"driver\": \"uio_pci_generic\"}",
		"this kernel has no driver uio_pci_generic, and `modprobe uio_pci_generic` brings "
		"none");
	stubborn = "vfio-pci";
	refused(nic_bind, "{\"address\": [\"" A0 "\", \"" B0 "\", \"" B1 "\"]}",
		A0 " did not go from ixgbe to vfio-pci (No such device); all have the drivers that "
		   "they "
		   "had, their interfaces no addresses");
	assert_driver(A0, "ixgbe");
	assert_driver(B1, "i40e");
	notes = nic_notes(&host);
	assert_null(json_object_get(notes, A0));
	json_decref(notes);
}

/* What does not even go back is named, and stays noted: unbind knows whose it was. */
static void test_neither_there_nor_back(void **state)
{
	json_t *notes;

	(void)state;
	stubborn = "vfio-pci";
	refuser = "ixgbe";
	refused(nic_bind, "{\"address\": [\"" A0 "\"]}",
		A0 " did not go from ixgbe to vfio-pci (No such device), nor did all go back: "
		   "`millctl "
		   "nic unbind " A0 "` tries again");
	notes = nic_notes(&host);
	assert_non_null(json_object_get(notes, A0));
	json_decref(notes);
	stubborn = NULL;
	done(nic_bind, "{\"address\": [\"" A0 "\"]}"); /* from no driver; the note is the first */
	refuser = NULL;
	done(nic_unbind, "{\"address\": [\"" A0 "\"]}");
	assert_driver(A0, "ixgbe");
}

static void note_signal(int number)
{
	hung_up = number;
}

/* The session goes, and takes us along, when all cards are where they were to go. */
static void test_a_session_that_ends(void **state)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		void (*before)(int) = signal(signals[i], note_signal);

		hang_up = signals[i];
		done(nic_bind, "{\"address\": [\"" B0 "\", \"" B1 "\"]}");
		assert_int_equal(hung_up, signals[i]);
		hung_up = 0;
		assert_driver(B1, "vfio-pci");
		done(nic_unbind, "{\"address\": [\"" B0 "\", \"" B1 "\"]}");
		assert_int_equal(hung_up, signals[i]);
		hung_up = 0;
		assert_driver(B1, "i40e");
		signal(signals[i], before);
	}
}

/* The kernel would wait for the program to let go of it, and the operator for the kernel. */
static void test_not_under_a_program(void **state)
{
	json_t *rows, *used;

	(void)state;
	done(nic_bind, "{\"address\": [\"" A0 "\"]}");
	tree_file("proc/88/comm", "millrace\n");
	tree_words("proc/88/fd/9", "/dev/vfio/11");
	refused(nic_unbind, "{\"address\": [\"" A0 "\"]}",
		A0 " is in use by millrace (process 88): stop that first");
	refused(nic_bind, "{\"address\": [\"" A0 "\"], \"driver\": \"ixgbe\"}",
		A0 " is in use by millrace (process 88): stop that first");
	assert_driver(A0, "vfio-pci");
	rows = call(nic_list, "{}");
	used = json_object_get(json_array_get(rows, 0), "in_use_by");
	assert_string_equal(json_string_value(json_array_get(used, 0)), "millrace (process 88)");
	json_decref(rows);
}

/* What root goes by is not where the daemon's user may write. */
static void test_notes_are_roots(void **state)
{
	struct host here;

	(void)state;
	host_here(&here, CLIENT_SOCKET);
	assert_string_equal(here.run, "/run/millctl");
	assert_null(strstr(CLIENT_SOCKET, here.run));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_list),
		T(test_there_and_back),
		T(test_names),
		T(test_a_group_goes_together),
		T(test_not_the_default_route),
		T(test_not_our_own_way_in),
		T(test_half_of_a_way_in),
		T(test_not_a_session_of_others),
		T(test_what_is_no_card),
		T(test_no_iommu),
		T(test_all_or_none),
		T(test_neither_there_nor_back),
		T(test_a_session_that_ends),
		T(test_not_under_a_program),
		T(test_notes_are_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
