/* SPDX-License-Identifier: BSD-3-Clause */
/* nic list, bind and unbind on the machine of fake_nics.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"
#include "fake_nics.h"

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
	done(nic_bind, CARD(A0));
	assert_driver(A0, "vfio-pci");
	rows = call(nic_list, "{}");
	row = json_array_get(rows, 0);
	assert_string_equal(json_string_value(json_object_get(row, "driver_before")), "ixgbe");
	json_decref(rows);
	done(nic_bind, CARD(A0)); /* which it has already */
	done(nic_unbind, CARD(A0));
	assert_driver(A0, "ixgbe");
	rows = nic_notes(&host);
	assert_int_equal(json_object_size(rows), 0);
	json_decref(rows);
	refused(nic_unbind, CARD(A0), A0 " is the kernel's driver ixgbe's already");
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
	refused(nic_bind, CARD(B0),
		B0 " shares IOMMU group 12 with " B1
		   " (i40e), so that they go together: millctl nic bind " B0 " " B1);
	assert_driver(B0, "i40e");
	done(nic_bind, "{\"address\": [\"" B0 "\", \"" B1 "\", \"" B0 "\"]}");
	assert_driver(B0, "vfio-pci");
	assert_driver(B1, "vfio-pci");
	done(nic_bind, CARD(V0)); /* a bridge is in nobody's way */
	tree_pci("0000:01:00.1", "0x010700\n", "1000:0072", "mpt3sas", 11);
	refused(nic_bind, FORCED(A0),
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
	refused(nic_bind, CARD(A0),
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
	done(nic_bind, CARD(V0));
}

static int by_last(const struct sockaddr *to, char iface[IF_NAMESIZE])
{
	(void)to;
	strcpy(iface, "eth3");
	return 0;
}

static int by_first(const struct sockaddr *own, char iface[IF_NAMESIZE])
{
	(void)own;
	strcpy(iface, "eth0");
	return 0;
}

/* A neighbour's link-local address leads to any of the links; ours is on one. */
static void test_a_way_in_on_the_link(void **state)
{
	(void)state;
	host.route_to = by_last;
	host.owner = by_first;
	tree_file("proc/400/environ", "SSH_CONNECTION=fe80::9%eth0 40000 fe80::1%eth0 22");
	refused(nic_bind, FORCED(A0),
		A0
		" carries the SSH session that you are in, through eth0: come by another way, or "
		"from the console");
	done(nic_bind, CARD(V0));
	tree_file("proc/400/environ", "SSH_CONNECTION=2001:db8::9 40000 2001:db8:1::1 22");
	done(nic_unbind, CARD(V0));
	refused(nic_bind, FORCED(V0),
		V0
		" carries the SSH session that you are in, through eth3: come by another way, or "
		"from the console");
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
	refused(nic_bind, CARD(V0),
		V0 " carries somebody's SSH session, through eth3: end it first (`ss -tp`), or "
		   "--force");
	done(nic_bind, CARD(A0)); /* 198.18.0.254, which no way leads to */
	host.owner = by_number;
	done(nic_unbind, CARD(A0));
	refused(nic_bind, CARD(A0),
		A0 " carries somebody's SSH session, through eth0: end it first (`ss -tp`), or "
		   "--force");
	done(nic_bind, FORCED(V0));
}

/* Who takes up a terminal of tmux's has come by another session than its shells know of. */
static void test_a_session_taken_up(void **state)
{
	(void)state;
	host.owner = by_number;
	tree_file("proc/400/stat", "400 (millctl) S 399 400 1\n");
	tree_file("proc/400/environ", "SSH_CONNECTION=198.18.3.9 40000 198.18.3.254 22");
	tree_file("proc/399/stat", "399 (tmux: server) S 1 399 1\n");
	tree_file("proc/399/comm", "tmux: server\n");
	tree_file("proc/77/comm", "sshd\n");
	tree_words("proc/77/fd/4", "socket:[1234]");
	tree_file("proc/net/tcp",
		"   0: FE0012C6:0016 090012C6:9C40 01 00000000:00000000 02:000A 00000000     0"
		"        0 1234 4\n");
	refused(nic_bind, FORCED(A0),
		A0
		" carries the SSH session that you are in, through eth0: come by another way, or "
		"from the console");
}

static int no_answer(kroute_fn *each, void *arg)
{
	(void)each;
	(void)arg;
	return -ENOBUFS;
}

static void test_routes_that_are_not_told(void **state)
{
	(void)state;
	host.routes = no_answer;
	refused(nic_bind, CARD(A0),
		"the kernel does not tell its routes, so that nobody knows what " A0
		" (eth0) is in use for: --force if for nothing");
	done(nic_bind, FORCED(A0));
}

static void test_virtual_functions(void **state)
{
	(void)state;
	tree_file("sys/bus/pci/devices/" A0 "/sriov_numvfs", "4\n");
	refused(nic_bind, CARD(A0),
		A0 " has 4 virtual functions, which go with it: "
		   "`echo 0 >/sys/bus/pci/devices/" A0 "/sriov_numvfs`, or --force");
	done(nic_bind, FORCED(A0));
}

/* The default route by the last of many VLANs counts, too. */
static void test_many_vlans(void **state)
{
	static const __typeof__(bond_routes[0]) last[] = {{"eth0.999", true}, {NULL, false}};
	char at[64], to[64];

	(void)state;
	for (int vlan = 100; vlan < 1000; vlan++) {
		snprintf(at, sizeof(at), "sys/class/net/eth0/upper_eth0.%d", vlan);
		snprintf(to, sizeof(to), "sys/class/net/eth0.%d", vlan);
		tree_link(at, to);
	}
	routes = last;
	refused(nic_bind, CARD(A0),
		A0 " carries a default route, through eth0.999: give it to another interface "
		   "first, or --force");
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
	refused(nic_bind, FORCED(A0),
		A0 " has no IOMMU group, which vfio-pci needs: switch VT-d on in the firmware, put "
		   "`intel_iommu=on iommu=pt` on the kernel's command line and restart; or, if the "
		   "card may write anywhere in memory, `modprobe vfio; echo 1 "
		   ">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode` (Debian's kernel has "
		   "no such mode)");
	tree_file("proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\n");
	refused(nic_bind, CARD(A0),
		A0 " has no IOMMU group, which vfio-pci needs: switch the IOMMU on in the "
		   "firmware, put "
		   "`iommu=pt` on the kernel's command line and restart; or, if the "
		   "card may write anywhere in memory, `modprobe vfio; echo 1 "
		   ">/sys/module/vfio/parameters/enable_unsafe_noiommu_mode` (Debian's kernel has "
		   "no such mode)");
	tree_file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
	done(nic_bind, CARD(A0));
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
	refused(nic_bind, CARD(A0),
		A0 " did not go from ixgbe to vfio-pci (No such device), nor did all go back: "
		   "`millctl "
		   "nic unbind " A0 "` tries again");
	notes = nic_notes(&host);
	assert_non_null(json_object_get(notes, A0));
	json_decref(notes);
	stubborn = NULL;
	done(nic_bind, CARD(A0)); /* from no driver; the note is the first */
	refuser = NULL;
	done(nic_unbind, CARD(A0));
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
	done(nic_bind, CARD(A0));
	tree_file("proc/88/comm", "millrace\n");
	tree_words("proc/88/fd/9", "/dev/vfio/11");
	refused(nic_unbind, CARD(A0), A0 " is in use by millrace (process 88): stop that first");
	refused(nic_bind, "{\"address\": [\"" A0 "\"], \"driver\": \"ixgbe\"}",
		A0 " is in use by millrace (process 88): stop that first");
	assert_driver(A0, "vfio-pci");
	tree_unlink("proc/88/fd/9");
	tree_words("proc/88/fd/9", "/dev/vfio/noiommu-11");
	refused(nic_unbind, CARD(A0), A0 " is in use by millrace (process 88): stop that first");
	rows = call(nic_list, "{}");
	used = json_object_get(json_array_get(rows, 0), "in_use_by");
	assert_string_equal(json_string_value(json_array_get(used, 0)), "millrace (process 88)");
	json_decref(rows);
}

/* What one has looked at the other does not change meanwhile. */
static void test_one_at_a_time(void **state)
{
	int lock = nic_lock(&host);

	(void)state;
	assert_true(lock >= 0);
	refused(nic_bind, CARD(A0),
		"another `millctl nic` is at work; try again when it has ended");
	refused(nic_unbind, CARD(A0),
		"another `millctl nic` is at work; try again when it has ended");
	nic_unlock(lock);
	done(nic_bind, CARD(A0));
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
		T(test_a_way_in_on_the_link),
		T(test_not_a_session_of_others),
		T(test_a_session_taken_up),
		T(test_routes_that_are_not_told),
		T(test_virtual_functions),
		T(test_many_vlans),
		T(test_what_is_no_card),
		T(test_no_iommu),
		T(test_all_or_none),
		T(test_neither_there_nor_back),
		T(test_a_session_that_ends),
		T(test_not_under_a_program),
		T(test_one_at_a_time),
		T(test_notes_are_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
