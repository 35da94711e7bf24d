/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI devices as a made-up sysfs has them, and the sentences for those that nobody can have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/pci.h"
#include "fake_tree.h"

#include <errno.h>

static int setup(void **state)
{
	(void)state;
	tree_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tree_remove();
	return 0;
}

static void test_a_device(void **state)
{
	struct pci_device d, *members;

	(void)state;
	tree_pci("0000:01:00.0", "0x020000\n", "8086:1572", "i40e", 12);
	tree_pci("0000:01:00.1", "0x020000\n", "8086:1572", NULL, 12);
	assert_int_equal(pci_read(tree_sys, "0000:01:00.0", &d), 0);
	assert_string_equal(d.address, "0000:01:00.0");
	assert_int_equal(d.class, 0x020000);
	assert_int_equal(d.vendor, 0x8086);
	assert_int_equal(d.device, 0x1572);
	assert_string_equal(d.driver, "i40e");
	assert_int_equal(d.node, 0);
	assert_int_equal(d.group, 12);
	assert_int_equal(pci_group(tree_sys, 12, &members), 2);
	assert_string_equal(members[0].address, "0000:01:00.0");
	assert_string_equal(members[1].driver, "");
	free(members);
	assert_int_equal(pci_group(tree_sys, -1, &members), 0);
	assert_null(members);
	assert_int_equal(pci_read(tree_sys, "0000:02:00.0", &d), -ENODEV);
}

static void test_what_cannot_be_had(void **state)
{
	static const struct {
		const char *driver, *other, *other_class, *why;
	} cases[] = {
		{"vfio-pci", NULL, "0x020000", NULL}, {"vfio-pci", "vfio-pci", "0x020000", NULL},
		{"vfio-pci", "pcieport", "0x060400", NULL},
		{"vfio-pci", "pci-stub", "0x020000", NULL},
		{"vfio-pci", "ixgbe", "0x020000",
			"0000:01:00.0 shares IOMMU group 3 with 0000:01:00.1 (ixgbe), which "
			"vfio-pci has to have, too (millctl nic bind)"},
		{"vfio-pci", "lpc_ich", "0x060100",
			"0000:01:00.0 shares IOMMU group 3 with 0000:01:00.1 (lpc_ich), which "
			"vfio-pci has to have, too (millctl nic bind)"},
		{"ixgbe", NULL, "0x020000",
			"0000:01:00.0 is bound to the kernel's driver ixgbe; `millctl nic bind "
			"0000:01:00.0` gives it to vfio-pci"},
		{"mlx5_core", "mlx5_core", "0x020000", NULL}, /* which is of the kernel and ours */
		{"uio_pci_generic", "ixgbe", "0x020000", NULL},
		{NULL, "ixgbe", "0x020000", NULL}, /* DPDK's driver has the word */
	};
	char why[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool refused;

		tree_remove();
		tree_pci("0000:01:00.0", "0x020000\n", "8086:1528", cases[i].driver, 3);
		tree_pci("0000:01:00.1", cases[i].other_class, "8086:1528", cases[i].other, 3);
		refused = pci_is_refused(tree_sys, "0000:01:00.0", why, sizeof(why));
		assert_int_equal(refused, cases[i].why != NULL);
		if (refused)
			assert_string_equal(why, cases[i].why);
	}
	assert_true(pci_is_refused(tree_sys, "0000:7f:00.0", why, sizeof(why)));
	assert_string_equal(why,
		"there is no PCI device 0000:7f:00.0; `millctl nic list` shows the network cards");
}

static void test_small_files(void **state)
{
	char text[8], (*names)[SYSFS_NAME];

	(void)state;
	tree_file("sys/a/z", "0x10\nmore\n");
	tree_file("sys/a/b", "");
	tree_file("sys/a/.hidden", "1");
	assert_int_equal(sysfs_number(-1, "%s/a/z", tree_sys), 16);
	assert_int_equal(sysfs_number(-1, "%s/a/b", tree_sys), -1);
	assert_int_equal(sysfs_line(text, sizeof(text), "%s/a/b", tree_sys), 0);
	assert_string_equal(text, "");
	assert_int_equal(sysfs_line(text, 4, "%s/a/z", tree_sys), 0);
	assert_string_equal(text, "0x1");
	assert_int_equal(sysfs_line(text, sizeof(text), "%s/a/c", tree_sys), -ENOENT);
	assert_int_equal(sysfs_line_of(text, sizeof(text), "mo", "%s/a/z", tree_sys), 0);
	assert_string_equal(text, "more");
	assert_int_equal(sysfs_line_of(text, sizeof(text), "re", "%s/a/z", tree_sys), -ENOENT);
	assert_string_equal(text, "");
	assert_int_equal(sysfs_list(&names, "%s/a", tree_sys), 2);
	assert_string_equal(names[0], "b");
	assert_string_equal(names[1], "z");
	free(names);
	assert_int_equal(sysfs_list(&names, "%s/none", tree_sys), 0);
	assert_null(names);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_device),
		T(test_what_cannot_be_had),
		T(test_small_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
