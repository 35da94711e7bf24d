/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_nics: a machine of files for nic list, bind and unbind, and a kernel that moves its cards:
 * four, of which two share an IOMMU group, one is below a bond with a VLAN, and one is a virtio
 * card.
 */
#ifndef TESTS_FAKE_NICS_H
#define TESTS_FAKE_NICS_H

#include "fake_tree.h"
#include "nic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>

#define A0 "0000:01:00.0" /* eth0, ixgbe, group 11: alone */
#define B0 "0000:02:00.0" /* eth1, i40e, group 12 with B1 */
#define B1 "0000:02:00.1" /* eth2, i40e; in bond0, below bond0.10 */
#define V0 "0000:03:00.0" /* eth3, virtio-pci, group 13 with a bridge */

#define CARD(a)	  "{\"address\": [\"" a "\"]}"
#define FORCED(a) "{\"address\": [\"" a "\"], \"force\": true}"

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

#endif
