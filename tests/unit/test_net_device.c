/* SPDX-License-Identifier: BSD-3-Clause */
/* What is asked of devices, by what they offer: one of DPDK's own, whose offers are made up here.
 */
#include "net/offload.h"
#include "port_bed.h"

/* What a device offers beside what it has, and what was asked of it. */
static struct {
	uint64_t offers;
	uint64_t asked;
	uint16_t segs;
	bool taps;	    /* its driver is net_tap */
	uint64_t rx;	    /* with `mtu`: what it offers of receiving, */
	const char *driver; /* its driver, */
	uint16_t mtu;	    /* and the largest that it takes; 0: what it says itself */
	bool wakes;	    /* receive interrupts were asked for, first of all */
	uint32_t configured;
	uint32_t listens; /* how often it was told to listen to all */
} nic;

int __real_rte_eth_promiscuous_enable(uint16_t id);
int __wrap_rte_eth_promiscuous_enable(uint16_t id);
int __wrap_rte_eth_promiscuous_enable(uint16_t id)
{
	nic.listens++;
	return __real_rte_eth_promiscuous_enable(id);
}

int __real_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t id, struct rte_eth_dev_info *info)
{
	int rc = __real_rte_eth_dev_info_get(id, info);

	if (nic.offers == 0)
		return rc;
	info->tx_offload_capa = nic.offers;
	info->tx_desc_lim.nb_seg_max = nic.segs;
	if (nic.taps)
		info->driver_name = "net_tap";
	if (nic.mtu != 0) {
		info->rx_offload_capa = nic.rx;
		info->max_mtu = nic.mtu;
	}
	if (nic.driver != NULL)
		info->driver_name = nic.driver;
	return rc;
}

/* Any MTU that is not more than was said. */
int __real_rte_eth_dev_set_mtu(uint16_t id, uint16_t mtu);
int __wrap_rte_eth_dev_set_mtu(uint16_t id, uint16_t mtu);
int __wrap_rte_eth_dev_set_mtu(uint16_t id, uint16_t mtu)
{
	return nic.mtu == 0 ? __real_rte_eth_dev_set_mtu(id, mtu) : mtu > nic.mtu ? -EINVAL : 0;
}

int __real_rte_eth_dev_configure(
	uint16_t id, uint16_t rxqs, uint16_t txqs, const struct rte_eth_conf *c);
int __wrap_rte_eth_dev_configure(
	uint16_t id, uint16_t rxqs, uint16_t txqs, const struct rte_eth_conf *c);
int __wrap_rte_eth_dev_configure(
	uint16_t id, uint16_t rxqs, uint16_t txqs, const struct rte_eth_conf *c)
{
	struct rte_eth_conf really = *c;

	nic.asked = c->txmode.offloads;
	if (nic.configured++ == 0)
		nic.wakes = c->intr_conf.rxq;
	really.txmode.offloads &= nic.offers == 0 ? UINT64_MAX : 0;
	really.rxmode.offloads &= nic.offers == 0 ? UINT64_MAX : 0;
	return __real_rte_eth_dev_configure(id, rxqs, txqs, &really);
}

#define CHAINS RTE_ETH_TX_OFFLOAD_MULTI_SEGS
#define IP4    RTE_ETH_TX_OFFLOAD_IPV4_CKSUM
#define TCP    RTE_ETH_TX_OFFLOAD_TCP_CKSUM
#define UDP    RTE_ETH_TX_OFFLOAD_UDP_CKSUM
#define TSO    RTE_ETH_TX_OFFLOAD_TCP_TSO
#define ALL    (CHAINS | IP4 | TCP | UDP | TSO)

static const struct {
	const char *name;
	uint64_t offers, asked;
	uint16_t segs, want_segs;
	bool taps;
	uint8_t does;
	const char *sums, *cuts; /* what the start-up table says */
} nics[] = {
	{"all", ALL | RTE_ETH_TX_OFFLOAD_SECURITY, ALL, 20, 20, false, 15, "device", "device"},
	/* but half of its descriptors: one that never finds so many free is never sent */
	{"no limit", ALL, ALL, 0, 32, false, 15, "device", "device"},
	{"a limit beyond its descriptors", ALL, ALL, 255, 32, false, 15, "device", "device"},
	{"chains alone", CHAINS, CHAINS, 8, 8, false, 0, "software", "software"},
	{"virtio", CHAINS | TCP | UDP, CHAINS | TCP | UDP, 8, 8, false,
		OFFLOAD_TCP_SUM | OFFLOAD_UDP_SUM, "device", "software"},
	{"half of the sums", CHAINS | TCP, CHAINS | TCP, 8, 8, false, OFFLOAD_TCP_SUM, "software",
		"software"},
	{"TSO without chains", TCP | UDP | TSO, TCP | UDP, 8, 8, false,
		OFFLOAD_TCP_SUM | OFFLOAD_UDP_SUM, "device", "software"},
	{"TSO without sums", CHAINS | TSO, CHAINS, 8, 8, false, 0, "software", "software"},
	{"a TAP", ALL, CHAINS, 20, 20, true, 0, "software (its driver would emulate it)",
		"software (its driver would emulate it)"},
};

static const char *who(const struct port *p, const char *what)
{
	struct port_work works[PORT_WORKS];
	uint32_t n = port_offloads(p, works);

	for (uint32_t i = 0; i < n; i++)
		if (strcmp(works[i].what, what) == 0)
			return works[i].who;
	fail_msg("no row %s", what);
	return NULL;
}

/* Asked of a device is what it has and does not merely emulate; workers and operators are told. */
static void test_what_devices_do_of_sending(void **state)
{
	(void)state;
	for (size_t i = 0; i < RTE_DIM(nics); i++) {
		const struct port *p;

		nic.offers = nics[i].offers;
		nic.segs = nics[i].segs;
		nic.taps = nics[i].taps;
		device(0, "lan", "net_null0", 0xc61200fe);
		apply(1);
		p = port_by_name(net, "lan");
		if (nic.asked != nics[i].asked)
			fail_msg("%s: asked for %#" PRIx64, nics[i].name, nic.asked);
		for (int w = 0; w < WORKERS; w++) {
			assert_int_equal(net->worker[w]->tx[p->slot].does, nics[i].does);
			assert_int_equal(net->worker[w]->tx[p->slot].segs, nics[i].want_segs);
			assert_int_equal(
				net->worker[w]->tx[p->slot].linear, (nics[i].offers & CHAINS) == 0);
		}
		assert_string_equal(who(p, "tx UDP and TCP checksum"), nics[i].sums);
		assert_string_equal(who(p, "cutting TCP data to segments"), nics[i].cuts);
		apply(0);
		epoch_drain(net->epoch);
	}
	nic.offers = 0;
}

/* Virtio filters tags, and has no wildcard: with VLANs it listens to all. Others are left alone. */
static void test_who_listens_to_all_for_tags(void **state)
{
	static const struct {
		const char *driver;
		bool vlan, all;
	} cases[] = {{"net_virtio", false, false}, {"net_virtio", true, true},
		{"net_ixgbe", false, false}, {"net_ixgbe", true, false}};

	(void)state;
	nic.offers = ALL;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		struct port_conf *c = device(0, "lan", "net_null0", 0xc61200fe);
		struct iface_conf vlan = {.name = "lan.10", .vlan = 10, .mtu = 1500};

		nic.driver = cases[i].driver;
		c->vlans = &vlan;
		c->n_vlans = 0;
		apply(1);
		nic.listens = 0; /* what it did at its start is past */
		c->n_vlans = cases[i].vlan;
		apply(1);
		assert_int_equal(nic.listens > 0, cases[i].all);
		apply(0);
		epoch_drain(net->epoch);
	}
	nic.driver = NULL;
	nic.offers = 0;
}

/* Interrupts to sleep by are asked for, but not of a driver that takes the request and has none. */
static void test_who_is_not_asked_to_wake(void **state)
{
	static const char *const drivers[] = {"net_e1000_igb", "net_e1000_em"};

	(void)state;
	nic.offers = ALL;
	nic.segs = 8;
	nic.taps = false;
	for (size_t i = 0; i < RTE_DIM(drivers); i++) {
		nic.driver = drivers[i];
		nic.configured = 0;
		device(0, "lan", "net_null0", 0xc61200fe);
		apply(1);
		assert_int_equal(nic.wakes, i == 0);
		apply(0);
		epoch_drain(net->epoch);
	}
	nic.driver = NULL;
	nic.offers = 0;
}

/* A frame that one buffer does not hold is not asked of a device that fills no second one. */
static void test_mtu_by_the_buffers(void **state)
{
	static const struct {
		uint64_t rx;
		const char *driver;
		uint16_t mtu, most;
	} cases[] = {
		{0, NULL, 2030, 2030},
		{0, NULL, 2031, 2030},
		{0, "net_af_xdp", 1774, 1774},
		{0, "net_af_xdp", 2000, 1774},
		{RTE_ETH_RX_OFFLOAD_SCATTER, NULL, 9000, 9000},
		{RTE_ETH_RX_OFFLOAD_SCATTER, NULL, 9001, 9000},
	};
	char says[64];

	(void)state;
	nic.offers = CHAINS;
	for (size_t i = 0; i < RTE_DIM(cases); i++) {
		nic.rx = cases[i].rx;
		nic.driver = cases[i].driver;
		nic.mtu = 9000;
		device(0, "lan", "net_null0", 0xc61200fe)->iface.mtu = cases[i].mtu;
		assert_int_equal(build(1) == 0, cases[i].mtu <= cases[i].most);
		port_abandon(net);
		if (cases[i].mtu <= cases[i].most)
			continue;
		snprintf(says, sizeof(says), "%u; the device allows 68 to %u with", cases[i].mtu,
			cases[i].most);
		assert_int_equal(errors.n, 1);
		assert_string_equal(errors.list[0].path, "ports.lan.mtu");
		assert_non_null(strstr(errors.list[0].text, says));
		errs_clear(&errors);
	}
	/* and a running one keeps what it has */
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	ports[0].iface.mtu = 9001;
	assert_true(build(1) < 0);
	assert_string_equal(errors.list[0].path, "ports.lan.mtu");
	errs_clear(&errors);
	assert_int_equal(port_by_name(net, "lan")->conf.iface.mtu, 1500);
	apply(0);
	memset(&nic, 0, sizeof(nic));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_what_devices_do_of_sending),
		T(test_who_listens_to_all_for_tags),
		T(test_who_is_not_asked_to_wake),
		T(test_mtu_by_the_buffers),
	};

	return port_bed() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
