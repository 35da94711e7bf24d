/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports whose device is not to be had: the others start; what an apply makes of each. */
#include "port_bed.h"

#include "fake_tree.h"
#include "net/absent.h"

/* The port `i` on a device that cannot be made. */
static struct port_conf *nobody(uint32_t i, const char *name)
{
	return device(i, name, "net_nobody0", 0xc61200fe + (i << 8));
}

static int begin(void **state)
{
	memset(ports, 0, sizeof(ports));
	errs_clear(&errors);
	return set_up(state);
}

static void test_the_others_start(void **state)
{
	const struct absents *absents;

	(void)state;
	nobody(0, "lan")->iface.at = (struct conf_pos){7, 3};
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	assert_int_equal(errors.n, 0);
	assert_null(errors.list);
	assert_null(port_by_name(net, "lan"));
	assert_non_null(port_by_name(net, "wan"));
	assert_int_equal(kind_of(0xc61200fe), FIB_NONE);
	assert_int_equal(kind_of(0xc61201fe), FIB_LOCAL);
	absents = absent_ports(net);
	assert_int_equal(absents->n, 1);
	assert_string_equal(absents->list[0].name, "lan");
	assert_string_equal(absents->list[0].device, "net_nobody0");
	assert_int_equal(absents->list[0].why.at.line, 7);
	assert_string_equal(absents->list[0].why.path, "ports.lan");
}

/* All of them fail: each has its sentence, and nothing starts. */
static void test_none_starts(void **state)
{
	(void)state;
	nobody(0, "lan");
	nobody(1, "wan");
	assert_true(build(2) < 0);
	assert_int_equal(errors.n, 2);
	assert_string_equal(errors.list[1].path, "ports.wan");
	device(1, "wan", "net_null1", 0xc61201fe);
	errs_clear(&errors);
	apply(2); /* it is the start still */
	assert_int_equal(absent_ports(net)->n, 1);
}

static void test_one_that_is_required(void **state)
{
	(void)state;
	nobody(0, "lan")->required = true;
	device(1, "wan", "net_null1", 0xc61201fe);
	assert_true(build(2) < 0);
	assert_int_equal(errors.n, 1);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
}

/* What has failed does not keep other changes from being applied; what is new has to work. */
static void test_what_an_apply_refuses(void **state)
{
	(void)state;
	nobody(0, "lan");
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	device(2, "dmz", "net_null2", 0xc61202fe);
	apply(3);
	assert_int_equal(absent_ports(net)->n, 1);
	assert_non_null(port_by_name(net, "dmz"));

	nobody(2, "new");
	assert_true(build(3) < 0);
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.list[0].path, "ports.new");
	assert_int_equal(absent_ports(net)->n, 1);

	device(2, "dmz", "net_null2", 0xc61202fe);
	strcpy(ports[0].device, "net_nobody1"); /* which is another device */
	errs_clear(&errors);
	assert_true(build(3) < 0);
	strcpy(ports[0].device, "net_nobody0");
	ports[0].required = true;
	errs_clear(&errors);
	assert_true(build(3) < 0);
	ports[0].required = false;
	apply(3);
}

static void test_it_comes_and_goes(void **state)
{
	(void)state;
	nobody(0, "lan");
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(2);
	assert_int_equal(absent_ports(net)->n, 0);
	assert_int_equal(kind_of(0xc61200fe), FIB_LOCAL);
	ports[0] = ports[1];
	apply(1);
	assert_int_equal(absent_ports(net)->n, 0);
}

/* The sentence is about the device, before any driver of DPDK's is asked. */
static void test_pci_devices(void **state)
{
	static const char *const sentences[] = {
		"there is no PCI device 0000:7f:00.0; ",
		"0000:01:00.0 is bound to the kernel's driver ixgbe; ",
		"0000:02:00.0 shares IOMMU group 5 with 0000:02:00.1 (i40e), ",
	};
	static char member[128] = "0000:02:00.0";
	const struct absents *absents;

	(void)state;
	net->sys = tree_sys;
	tree_pci("0000:01:00.0", "0x020000", "8086:10fb", "ixgbe", 4);
	tree_pci("0000:02:00.0", "0x020000", "8086:1572", "vfio-pci", 5);
	tree_pci("0000:02:00.1", "0x020000", "8086:1572", "i40e", 5);
	device(0, "a", "0000:7f:00.0", 0xc61200fe)->kind = PORT_PCI;
	device(1, "b", "0000:01:00.0", 0xc61201fe)->kind = PORT_PCI;
	device(2, "c", "net_bonding0,mode=1", 0xc61202fe)->members = &member;
	ports[2].n_members = 1;
	device(3, "d", "net_null1", 0xc61203fe);
	apply(4);
	absents = absent_ports(net);
	assert_int_equal(absents->n, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_ptr_equal(
			strstr(absents->list[i].why.text, sentences[i]), absents->list[i].why.text);
	assert_string_equal(absents->list[0].why.path, "ports.a.pci");
	assert_string_equal(absents->list[2].why.path, "ports.c.members");
}

static void test_queues_that_there_are_not(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe)->queues = 9;
	apply(1);
	assert_int_equal(port_by_name(net, "lan")->n_rxq, WORKERS);
	assert_int_equal(net->made_do.n, 1);
	assert_string_equal(net->made_do.list[0].path, "ports.lan.queues");
	assert_non_null(strstr(net->made_do.list[0].text, "9; 2 is what there can be"));
}

#undef T
#define T(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_the_others_start),
		T(test_none_starts),
		T(test_one_that_is_required),
		T(test_what_an_apply_refuses),
		T(test_it_comes_and_goes),
		T(test_pci_devices),
		T(test_queues_that_there_are_not),
	};
	int failed;

	tree_make();
	failed = port_bed() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
	tree_remove();
	return failed;
}
