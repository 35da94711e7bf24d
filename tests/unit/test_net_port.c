/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports, devices and interfaces from one configuration to the next, on devices of DPDK that need no
 * hardware: what is new works, what stays is not touched, what is gone is closed and leaves
 * nothing.
 */
#include "port_bed.h"

static struct iface_conf vlans[4];

static void test_a_port_comes_up(void **state)
{
	const struct iface *f;
	struct port *p;

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	ports[0].iface.mac[0] = 2;
	ports[0].iface.mac[5] = 9;
	apply(1);
	p = port_by_name(net, "lan");
	assert_non_null(p);
	assert_int_equal(iface_by_name(net, "lan"), p->iface);
	f = &net->iface[p->iface];
	assert_int_equal(f->mac, eth_mac_u48((uint8_t[]){2, 0, 0, 0, 0, 9}));
	assert_int_equal(f->addr, 0xc61200fe);
	assert_true(f->flags & IFACE_UP);
	assert_int_equal(kind_of(0xc61200fe), FIB_LOCAL);
	assert_int_equal(kind_of(0xc6120001), FIB_GLEAN);
	assert_int_equal(kind_of(0xc61200ff), FIB_BROADCAST);
	assert_int_equal(queues_of(net->worker[0]) + queues_of(net->worker[1]), p->n_rxq);
	for (int i = 0; i < WORKERS; i++)
		assert_true(net->worker[i]->tx[p->slot].ready);
}

/* A device with fewer queues than workers is reached through those that have one. */
static void test_workers_share_queues(void **state)
{
	const struct txlane *a, *b;
	struct port *p;

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe)->queues = 1;
	apply(1);
	p = port_by_name(net, "lan");
	assert_int_equal(p->n_rxq, 1);
	assert_int_equal(p->n_txq, 1);
	a = &net->worker[p->first]->tx[p->slot];
	b = &net->worker[1 - p->first]->tx[p->slot];
	assert_int_equal(a->via, -1);
	assert_int_equal(b->via, p->first);
	assert_int_equal(queues_of(net->worker[p->first]), 1);
	assert_int_equal(queues_of(net->worker[1 - p->first]), 0);
}

static void test_what_stays_is_not_touched(void **state)
{
	struct port *p;
	uint16_t index;

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	p = port_by_name(net, "lan");
	index = p->iface;
	device(1, "wan", "net_null1", 0xc61201fe);
	ports[0].iface.addrs[1] = (struct addr_conf){.addr = 0xc61202fe, .depth = 24};
	ports[0].iface.n_addrs = 2;
	apply(2);
	assert_ptr_equal(port_by_name(net, "lan"), p);
	assert_int_equal(p->iface, index);
	assert_int_equal(kind_of(0xc61200fe), FIB_LOCAL);
	assert_int_equal(kind_of(0xc61202fe), FIB_LOCAL);
	assert_int_equal(kind_of(0xc61201fe), FIB_LOCAL);
	ports[0].iface.n_addrs = 1;
	apply(2);
	assert_int_equal(kind_of(0xc61202fe), FIB_NONE);
}

static void test_what_is_gone_is_closed(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	assert_int_equal(rte_eth_dev_count_avail(), 2);
	apply(1);
	assert_null(port_by_name(net, "wan"));
	assert_int_equal(iface_by_name(net, "wan"), 0);
	assert_int_equal(kind_of(0xc61201fe), FIB_NONE);
	epoch_drain(net->epoch);
	assert_int_equal(rte_eth_dev_count_avail(), 1);
	device(1, "wan", "net_null1", 0xc61203fe); /* the same device again, elsewhere */
	apply(2);
	assert_int_equal(kind_of(0xc61203fe), FIB_LOCAL);
}

/* A worker that is online may still hold what it saw: nothing is closed under it. */
static void test_nothing_is_closed_under_a_worker(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	epoch_online(net->epoch, 0);
	apply(1);
	epoch_poll(net->epoch);
	assert_int_equal(rte_eth_dev_count_avail(), 2);
	epoch_quiescent(net->epoch, 0);
	epoch_poll(net->epoch);
	assert_int_equal(rte_eth_dev_count_avail(), 1);
	epoch_offline(net->epoch, 0);
}

/* What a worker holds for a port that is gone must not leave by the next one in its place. */
static void test_a_slot_is_free_with_its_ports_end(void **state)
{
	uint16_t slot;

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	slot = port_by_name(net, "wan")->slot;
	epoch_online(net->epoch, 0);
	apply(1);
	device(1, "dmz", "net_null2", 0xc61202fe);
	apply(2);
	assert_int_not_equal(port_by_name(net, "dmz")->slot, slot);
	epoch_quiescent(net->epoch, 0);
	epoch_poll(net->epoch);
	device(2, "wan", "net_null1", 0xc61201fe);
	apply(3);
	assert_int_equal(port_by_name(net, "wan")->slot, slot);
	epoch_offline(net->epoch, 0);
}

/* A grace period that begins while some worker can still find the port is none. */
static const struct port *watched;
static uint32_t ends_too_early, ends;

void __real_epoch_defer(struct epoch *e, void (*end)(void *arg), void *arg);
void __wrap_epoch_defer(struct epoch *e, void (*end)(void *arg), void *arg);
void __wrap_epoch_defer(struct epoch *e, void (*end)(void *arg), void *arg)
{
	bool ours = watched != NULL && (arg == watched || arg == &net->iface[watched->iface]);

	for (uint16_t i = 0; ours && i < WORKERS; i++) {
		const struct rxq_list *l = net->worker[i]->rxqs;

		for (uint32_t q = 0; q < l->n; q++)
			ends_too_early += l->q[q].device == watched->device;
	}
	ends += ours;
	__real_epoch_defer(e, end, arg);
}

static void test_its_end_waits_for_the_last_look(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	device(1, "wan", "net_null1", 0xc61201fe);
	apply(2);
	watched = port_by_name(net, "wan");
	apply(1);
	watched = NULL;
	assert_int_equal(ends, 2); /* of the device and of its interface */
	assert_int_equal(ends_too_early, 0);
}

static void test_vlans_come_and_go(void **state)
{
	struct port *p;

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	vlans[0] = (struct iface_conf){.vlan = 10, .mtu = 1500, .n_addrs = 1};
	vlans[0].addrs[0] = (struct addr_conf){.addr = 0xc6120afe, .depth = 24};
	strcpy(vlans[0].name, "lan.10");
	ports[0].vlans = vlans;
	ports[0].n_vlans = 1;
	apply(1);
	p = port_by_name(net, "lan");
	assert_int_equal(p->vlan_iface[10], iface_by_name(net, "lan.10"));
	assert_int_equal(net->iface[p->vlan_iface[10]].vlan, 10);
	assert_int_equal(net->iface[p->vlan_iface[10]].mac, net->iface[p->iface].mac);
	assert_int_equal(kind_of(0xc6120afe), FIB_LOCAL);
	ports[0].n_vlans = 0;
	apply(1);
	assert_int_equal(p->vlan_iface[10], 0);
	assert_int_equal(iface_by_name(net, "lan.10"), 0);
	assert_int_equal(kind_of(0xc6120afe), FIB_NONE);
}

/* An index is another's when an interface has gone; what that had received is not its successor's.
 */
static void test_counters_begin_at_zero(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	ports[0].vlans = vlans;
	ports[0].n_vlans = 1;
	for (uint16_t vid = 10; vid < 13; vid++) {
		uint16_t index;

		vlans[0] = (struct iface_conf){.vlan = vid, .mtu = 1500};
		snprintf(vlans[0].name, sizeof(vlans[0].name), "lan.%u", vid);
		apply(1);
		index = iface_by_name(net, vlans[0].name);
		assert_int_equal(iface_received(net, index).packets, 0);
		assert_int_equal(iface_received(net, index).bytes, 0);
		net->worker[0]->iface_rx[index].packets += 7;
		net->worker[1]->iface_rx[index].packets += 1;
		net->worker[1]->iface_rx[index].bytes += 60;
		assert_int_equal(iface_received(net, index).packets, 8);
		assert_int_equal(iface_received(net, index).bytes, 60);
		ports[0].n_vlans = 0;
		apply(1);
		epoch_drain(net->epoch);
		ports[0].n_vlans = 1;
	}
}

/* A ring's packets may have other holders; those of a driver that fills our buffers have none. */
static void test_whose_buffers_are_lent(void **state)
{
	(void)state;
	device(0, "ring", "net_ring0", 0xc61200fe);
	device(1, "null", "net_null0", 0xc61201fe);
	apply(2);
	assert_true(port_by_name(net, "ring")->lends);
	assert_false(port_by_name(net, "null")->lends);
	for (int w = 0; w < WORKERS; w++) {
		const struct rxq_list *l = net->worker[w]->rxqs;

		for (uint32_t i = 0; i < l->n; i++)
			assert_int_equal(l->q[i].lent, net->port[l->q[i].slot]->lends);
	}
}

/* One device that cannot be made, and nothing has changed. */
static void test_a_failed_build_changes_nothing(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	device(1, "wan", "net_null1", 0xc61201fe);
	device(2, "dmz", "net_nobody0", 0xc61202fe);
	assert_true(build(3) < 0);
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.list[0].path, "ports.dmz");
	assert_int_equal(rte_eth_dev_count_avail(), 1);
	assert_null(port_by_name(net, "wan"));
	assert_int_equal(kind_of(0xc61200fe), FIB_LOCAL);
	apply(1);
}

/* net_ring carries no more than Ethernet's MTU. */
static void test_an_mtu_that_the_device_refuses(void **state)
{
	struct port *p;

	(void)state;
	device(0, "lan", "net_ring0", 0xc61200fe);
	device(1, "wan", "net_null1", 0xc61201fe)->iface.mtu = 1400;
	apply(2);
	p = port_by_name(net, "lan");
	ports[0].iface.mtu = 9000;
	ports[0].iface.at = (struct conf_pos){7, 3};
	ports[1].iface.mtu = 1500;
	assert_int_not_equal(build(2), 0);
	assert_int_equal(errors.n, 1);
	assert_string_equal(errors.list[0].path, "ports.lan.mtu");
	assert_int_equal(errors.list[0].at.line, 7);
	assert_int_equal(net->iface[p->iface].mtu, 1500);
	assert_int_equal(p->conf.iface.mtu, 1500);
	assert_int_equal(net->iface[iface_by_name(net, "wan")].mtu, 1400);

	ports[0].iface.mtu = 1280;
	apply(2);
	assert_int_equal(net->iface[p->iface].mtu, 1280);
}

static void test_another_device_needs_another_name(void **state)
{
	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	device(0, "lan", "net_null1", 0xc61200fe);
	assert_int_equal(build(1), -EBUSY);
	assert_int_equal(errors.n, 1);
}

static void test_a_namespace_that_is_not_there(void **state)
{
	struct port_conf *c = device(0, "lan", "", 0xc61200fe);

	(void)state;
	c->kind = PORT_TAP;
	strcpy(c->tap_netns, "mrt-nobody-made-this");
	strcpy(c->tap_iface, "lan0");
	assert_int_equal(build(1), -ENODEV);
	assert_int_equal(errors.n, 1);
	assert_non_null(strstr(errors.list[0].text, "namespace"));
}

static void test_loopback_addresses(void **state)
{
	struct addr_conf lo = {.addr = 0xc6127f01, .depth = 32};
	struct ports_conf c = {.n_loopback = 1, .loopback = &lo};

	(void)state;
	assert_int_equal(port_build(net, &c, &errors), 0);
	port_publish(net, 1);
	assert_int_equal(kind_of(0xc6127f01), FIB_LOCAL);
	assert_int_equal(net->iface[IFACE_LOOPBACK].addr, 0xc6127f01);
	apply(0);
	assert_int_equal(kind_of(0xc6127f01), FIB_NONE);
}

/* An address that stays is served all the while: its entry in the FIB is not made anew. */
static void test_a_loopback_address_stays(void **state)
{
	struct addr_conf lo[] = {
		{.addr = 0xc6127f01, .depth = 32}, {.addr = 0xc6127f02, .depth = 32}};
	struct ports_conf c = {.n_loopback = 1, .loopback = lo};
	const fib_entry *slot = fib4_slot(net->fib, lo[0].addr);
	fib_entry group;

	(void)state;
	assert_int_equal(port_build(net, &c, &errors), 0);
	port_publish(net, 1);
	group = fib4_load(slot);
	for (c.n_loopback = 2; c.n_loopback > 0; c.n_loopback--) {
		assert_int_equal(port_build(net, &c, &errors), 0);
		port_publish(net, 1);
		assert_int_equal(fib4_load(slot), group);
		assert_int_equal(kind_of(lo[1].addr), c.n_loopback == 2 ? FIB_LOCAL : FIB_NONE);
	}
	apply(0);
}

/* Whatever the hash, the NIC's table and our map name one owner. */
static void test_the_nic_spreads_as_we_do(void **state)
{
	struct rte_eth_rss_reta_entry64 reta[8];
	struct rte_eth_dev_info info;
	const struct port *p;

	(void)state;
	for (uint32_t i = 0; i < OWNER_MAP; i++)
		net->owner[i] = i % 7 % WORKERS;
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	p = port_by_name(net, "lan");
	assert_true(p->rss_trusted);
	assert_int_equal(rte_eth_dev_info_get(p->device, &info), 0);
	memset(reta, 0xff, sizeof(reta));
	assert_int_equal(rte_eth_dev_rss_reta_query(p->device, reta, info.reta_size), 0);
	for (uint32_t hash = 0; hash < 4096; hash++) {
		uint32_t at = hash & (info.reta_size - 1u);

		assert_int_equal((p->first + reta[at / 64].reta[at % 64]) % WORKERS,
			net->owner[hash & (OWNER_MAP - 1)]);
	}
}

static void test_who_does_what(void **state)
{
	struct port_work works[PORT_WORKS];

	(void)state;
	device(0, "lan", "net_null0", 0xc61200fe);
	apply(1);
	assert_int_equal(port_offloads(port_by_name(net, "lan"), works), PORT_WORKS);
	for (int i = 0; i < PORT_WORKS; i++) {
		assert_non_null(works[i].what);
		assert_non_null(works[i].who);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_a_port_comes_up),
		T(test_workers_share_queues),
		T(test_what_stays_is_not_touched),
		T(test_what_is_gone_is_closed),
		T(test_nothing_is_closed_under_a_worker),
		T(test_a_slot_is_free_with_its_ports_end),
		T(test_its_end_waits_for_the_last_look),
		T(test_vlans_come_and_go),
		T(test_counters_begin_at_zero),
		T(test_whose_buffers_are_lent),
		T(test_a_failed_build_changes_nothing),
		T(test_an_mtu_that_the_device_refuses),
		T(test_another_device_needs_another_name),
		T(test_a_namespace_that_is_not_there),
		T(test_loopback_addresses),
		T(test_a_loopback_address_stays),
		T(test_the_nic_spreads_as_we_do),
		T(test_who_does_what),
	};

	return port_bed() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
