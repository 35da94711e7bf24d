/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices are made by hot-plug, also those of the first configuration. Offloads are asked for only
 * where the driver has them; whatever it lacks is done in software elsewhere.
 */
#include "device.h"

#include "base/hash.h"
#include "base/pci.h"
#include "net/net.h"
#include "netns.h"
#include "wire/eth_hdr.h"
#include "wire/vlan_hdr.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_version.h>
#include <rte_vfio.h>

#include <errno.h>
#include <stdlib.h>

#define RSS_WANTED                                                                                 \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP |          \
		RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_FRAG_IPV4)
#define RSS_NEEDED  (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)
#define RETA_MOST   RTE_ETH_RSS_RETA_SIZE_512
#define RX_OFFLOADS (RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_SCATTER)
#define TX_OFFLOADS (RTE_ETH_TX_OFFLOAD_MULTI_SEGS | TX_SUMS | RTE_ETH_TX_OFFLOAD_TCP_TSO)
#define TX_SUMS                                                                                    \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM |                            \
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM)

/* net_tap writes the descriptors of all queues, both ways, into a message that has room for 8. */
#define TAP_QUEUES (RTE_MP_MAX_FD_NUM / 2)

#define XDP_HEADROOM 256 /* XDP_PACKET_HEADROOM of linux/bpf.h */

#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#define BOND_MEMBER "member"
#else
#define BOND_MEMBER "slave"
#endif

static int fail(struct port *p, struct errs *e, int rc, const char *what)
{
	char path[64];

	snprintf(path, sizeof(path), "ports.%s", p->name);
	errs_add(e, p->conf.iface.at, path, "%s: %s", what, strerror(-rc));
	return rc < 0 ? rc : -EIO;
}

static bool is_vdev(const char *name)
{
	return strncmp(name, "net_", 4) == 0;
}

/*
 * "net_x0,args" by hot-plug, or a PCI device, which EAL has found at the start if it was named
 * then: its name is written to name.
 */
static int plug(const char *text, char name[64], const char *more)
{
	const char *comma = strchr(text, ',');
	size_t length = comma == NULL ? strlen(text) : (size_t)(comma - text);
	char args[512];
	uint16_t id;

	if (length == 0 || length >= 64)
		return -EINVAL;
	memcpy(name, text, length);
	name[length] = '\0';
	snprintf(args, sizeof(args), "%s%s", comma == NULL ? "" : comma + 1, more);
	if (!is_vdev(name) && rte_eth_dev_get_port_by_name(name, &id) == 0)
		return 0;
	return rte_eal_hotplug_add(is_vdev(name) ? "vdev" : "pci", name, args);
}

/* "" is a member that it did not come to. */
static void unplug(const char *name)
{
	if (name[0] != '\0')
		rte_eal_hotplug_remove(is_vdev(name) ? "vdev" : "pci", name);
}

/* A PCI device that can be had as things are. 0, or -ENODEV with the sentence in e. */
static int check_pci(const struct net *net, const struct port *p, const char *address,
	const char *option, struct errs *e)
{
	char why[256], path[64];

	if (is_vdev(address))
		return 0;
	if (rte_vfio_is_enabled("vfio") == 0)
		rte_vfio_enable("vfio"); /* its module may have come after our start */
	if (!pci_is_refused(net->sys, address, why, sizeof(why)))
		return 0;
	snprintf(path, sizeof(path), "ports.%s.%s", p->name, option);
	errs_add(e, p->conf.iface.at, path, "%s", why);
	return -ENODEV;
}

static int check_members(const struct net *net, const struct port *p, struct errs *e)
{
	for (uint32_t i = 0; i < p->conf.n_members; i++) {
		int rc = check_pci(net, p, p->conf.members[i], "members", e);

		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A bond's members come first; their names become its arguments. */
static int plug_bond_members(struct port *p, char *args, size_t room)
{
	size_t used = 0;

	args[0] = '\0';
	for (uint32_t i = 0; i < p->conf.n_members; i++) {
		int rc = plug(p->conf.members[i], p->member_names[i], "");

		if (rc < 0)
			return rc;
		used += (size_t)snprintf(
			args + used, room - used, ",%s=%s", BOND_MEMBER, p->member_names[i]);
		if (used >= room)
			return -ENAMETOOLONG;
	}
	return 0;
}

static int create_tap(struct port *p)
{
	char text[160], mac[ETH_MAC_TEXT] = "";
	int rc;

	if (!eth_is_zero(p->conf.iface.mac))
		eth_mac_text(p->conf.iface.mac, mac);
	snprintf(text, sizeof(text), "net_tap_%s,iface=%s%s%s", p->name, p->conf.tap_iface,
		mac[0] == '\0' ? "" : ",mac=", mac);
	rc = netns_iface_exists(p->conf.tap_iface);
	if (rc != 0)
		return rc < 0 ? rc : -EEXIST;
	return plug(text, p->devname, "");
}

/* The device itself, unconfigured; a TAP's caller is inside its namespace. */
static int create(const struct net *net, struct port *p, struct errs *e)
{
	char members[256];
	int rc;

	switch (p->conf.kind) {
	case PORT_TAP:
		rc = create_tap(p);
		if (rc < 0)
			return fail(p, e, rc, "the TAP could not be made");
		break;
	case PORT_PCI:
		rc = check_pci(net, p, p->conf.device, "pci", e);
		if (rc < 0)
			return rc;
		rc = plug(p->conf.device, p->devname, "");
		if (rc < 0)
			return fail(p, e, rc,
				"no DPDK driver took this PCI device (`millctl nic list` tells "
				"whether it is vfio-pci's)");
		break;
	case PORT_VDEV:
		rc = check_members(net, p, e);
		if (rc < 0)
			return rc;
		rc = plug_bond_members(p, members, sizeof(members));
		if (rc == 0)
			rc = plug(p->conf.device, p->devname, members);
		if (rc < 0)
			return fail(p, e, rc, "the device could not be made");
		break;
	}
	rc = rte_eth_dev_get_port_by_name(p->devname, &p->device);
	return rc < 0 ? fail(p, e, rc, "the device made no Ethernet port") : 0;
}

static void destroy(struct port *p)
{
	rte_eth_dev_stop(p->device);
	rte_eth_dev_close(p->device);
	unplug(p->devname);
	for (uint32_t i = 0; i < p->conf.n_members; i++)
		unplug(p->member_names[i]);
}

static uint16_t queues(uint16_t wanted, uint16_t workers, uint16_t most)
{
	uint16_t n = wanted == 0 ? workers : RTE_MIN(wanted, workers);

	return RTE_MAX(RTE_MIN(n, most), (uint16_t)1);
}

/* Fewer queues than the file asks for do the work, too. */
static void tell_queues(struct net *net, const struct port *p, const struct rte_eth_dev_info *i)
{
	char path[64];

	if (p->n_rxq >= p->conf.queues)
		return;
	snprintf(path, sizeof(path), "ports.%s.queues", p->name);
	errs_add(&net->made_do, p->conf.iface.at, path,
		"%u; %u is what there can be: the device has %u to receive and %u to send, and %u "
		"workers take one each",
		p->conf.queues, p->n_rxq, i->max_rx_queues, i->max_tx_queues, net->n_workers);
}

static void choose_queues(struct net *net, struct port *p, const struct rte_eth_dev_info *i)
{
	p->n_rxq = queues(p->conf.queues, net->n_workers, i->max_rx_queues);
	p->n_txq = queues(0, net->n_workers, i->max_tx_queues);
	if (p->conf.kind == PORT_TAP)
		p->n_rxq = RTE_MIN(p->n_rxq, (uint16_t)TAP_QUEUES);
	if (p->conf.kind == PORT_TAP || p->conf.queues != 0) /* net_tap wants as many of both */
		p->n_rxq = p->n_txq = RTE_MIN(p->n_rxq, p->n_txq);
	tell_queues(net, p, i);
}

/*
 * What the device offers of the work of sending; a driver that would do it in software is not
 * asked. A packet to be cut comes in many buffers.
 */
static void choose_tx_offloads(struct port *p, const struct rte_eth_dev_info *info)
{
	uint16_t segs = info->tx_desc_lim.nb_seg_max;

	p->tx_offloads = info->tx_offload_capa & TX_OFFLOADS;
	p->chains = p->tx_offloads & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (p->emulates)
		p->tx_offloads &= ~(TX_SUMS | RTE_ETH_TX_OFFLOAD_TCP_TSO);
	if (!p->chains || (p->tx_offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) == 0)
		p->tx_offloads &= ~RTE_ETH_TX_OFFLOAD_TCP_TSO;
	p->tso_segs = segs == 0 ? UINT16_MAX : segs;
}

/* net_tap, or a bond with one in it, whose offloads are its members'. */
static bool is_emulator(const struct port *p, const struct rte_eth_dev_info *info)
{
	for (uint32_t i = 0; i < p->conf.n_members; i++)
		if (strncmp(p->member_names[i], "net_tap", 7) == 0)
			return true;
	return strcmp(info->driver_name, "net_tap") == 0;
}

static int configure(struct net *net, struct port *p, const struct rte_eth_dev_info *info)
{
	uint8_t key[HASH_RSS_KEY_MAX];
	struct rte_eth_conf c = {0};
	int rc;

	choose_queues(net, p, info);
	p->rx_offloads = info->rx_offload_capa & RX_OFFLOADS;
	p->emulates = is_emulator(p, info);
	if (p->emulates) /* it would sum in software, and we do that only where it is asked for */
		p->rx_offloads &= ~RTE_ETH_RX_OFFLOAD_CHECKSUM;
	/*
	 * Drivers fill buffers of the pool that a queue was given: direct, and held once. Not so
	 * net_ring: it passes on the very buffer that its peer put in, who may hold it still.
	 * (A bond cannot have it as a member: it takes no MAC.)
	 */
	p->lends = strcmp(info->driver_name, "net_ring") == 0;
	choose_tx_offloads(p, info);
	p->rss_hf = p->n_rxq > 1 ? info->flow_type_rss_offloads & RSS_WANTED : 0;
	c.rxmode.offloads = p->rx_offloads;
	c.txmode.offloads = p->tx_offloads;
	if (p->rss_hf != 0) {
		uint8_t length = info->hash_key_size == 0 ? 40 : info->hash_key_size;

		hash_rss_key(key, length);
		c.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c.rx_adv_conf.rss_conf.rss_key = key;
		c.rx_adv_conf.rss_conf.rss_key_len = length;
		c.rx_adv_conf.rss_conf.rss_hf = p->rss_hf;
	}
	/* net_e1000_em enables a receive interrupt that does not come (an 82574L, as QEMU has it)
	 */
	p->rx_interrupts = strcmp(info->driver_name, "net_e1000_em") != 0;
	c.intr_conf.rxq = p->rx_interrupts;
	rc = rte_eth_dev_configure(p->device, p->n_rxq, p->n_txq, &c);
	if (rc == 0 || !p->rx_interrupts)
		return rc;
	c.intr_conf.rxq = 0;
	p->rx_interrupts = false;
	return rte_eth_dev_configure(p->device, p->n_rxq, p->n_txq, &c);
}

/* The pool of a node, or of any where that node has none. */
static struct rte_mempool *pool_near(const struct net *net, int node)
{
	if (node >= 0 && node < RTE_MAX_NUMA_NODES && net->pool[node] != NULL)
		return net->pool[node];
	for (int i = 0; i < RTE_MAX_NUMA_NODES; i++)
		if (net->pool[i] != NULL)
			return net->pool[i];
	return NULL;
}

/* They have neither an MTU nor an offload of that name, and spread frames over buffers all the
 * same.
 */
static bool takes_any_mtu(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_vhost") == 0 ||
	       strcmp(info->driver_name, "net_memif") == 0;
}

/* The largest IPv4 packet that fits a frame of the device, and one buffer where it fills no more.
 */
static uint16_t largest_mtu(
	const struct net *net, const struct port *p, const struct rte_eth_dev_info *info)
{
	uint32_t room = net->limits.mbuf_size - ETH_HDR_LEN - VLAN_HDR_LEN;

	if ((p->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER) || p->any_mtu)
		return info->max_mtu;
	if (strcmp(info->driver_name, "net_af_xdp") == 0) /* the kernel keeps room before a frame */
		room -= XDP_HEADROOM;
	return (uint16_t)RTE_MIN(room, (uint32_t)info->max_mtu);
}

static int set_up_queues(struct net *net, struct port *p)
{
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(p->device);
	uint16_t n_rx = p->conf.rx_descriptors, n_tx = p->conf.tx_descriptors;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->device, &n_rx, &n_tx);

	/* a packet of more buffers than descriptors would never be sent */
	p->tso_segs = RTE_MIN(p->tso_segs, n_tx / 2);
	for (uint16_t i = 0; rc == 0 && i < p->n_rxq; i++)
		rc = rte_eth_rx_queue_setup(p->device, i, n_rx, socket, NULL,
			pool_near(net, net->worker[(p->first + i) % net->n_workers]->node));
	for (uint16_t i = 0; rc == 0 && i < p->n_txq; i++)
		rc = rte_eth_tx_queue_setup(p->device, i, n_tx, socket, NULL);
	return rc;
}

/* The NIC's table from hash to queue is filled from the one map, so that everybody agrees. */
static void fill_reta(const struct net *net, struct port *p, uint16_t size)
{
	struct rte_eth_rss_reta_entry64 reta[RETA_MOST / RTE_ETH_RETA_GROUP_SIZE];

	p->rss_trusted = false;
	if (p->rss_hf == 0 || p->n_rxq != net->n_workers || size == 0 || size > RETA_MOST ||
		size % OWNER_MAP != 0 || (p->rss_hf & RSS_NEEDED) != RSS_NEEDED)
		return;
	memset(reta, 0, sizeof(reta));
	for (uint16_t i = 0; i < size; i++) {
		uint16_t queue = (uint16_t)(net->owner[i % OWNER_MAP] + net->n_workers - p->first) %
				 net->n_workers;

		reta[i / RTE_ETH_RETA_GROUP_SIZE].mask |= UINT64_C(1)
							  << i % RTE_ETH_RETA_GROUP_SIZE;
		reta[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] = queue;
	}
	p->rss_trusted = rte_eth_dev_rss_reta_update(p->device, reta, size) == 0;
}

/*
 * Whether a queue has a descriptor to sleep on. ethdev logs an error for each that has none, which
 * is no error of anybody's: most software devices are polled.
 */
static bool can_wake(const struct port *p)
{
	bool can;

	rte_log_set_level_pattern("lib.ethdev", RTE_LOG_CRIT);
	can = rte_eth_dev_rx_intr_ctl_q_get_fd(p->device, 0) >= 0;
	rte_log_set_level_pattern("lib.ethdev", RTE_LOG_INFO);
	return can;
}

/* What the device is called by itself; net_ring is by nothing. */
static void own_mac(struct port *p)
{
	struct rte_ether_addr addr = {0};

	if (rte_eth_macaddr_get(p->device, &addr) != 0 || eth_is_zero(addr.addr_bytes))
		rte_eth_random_addr(addr.addr_bytes);
	memcpy(p->mac, addr.addr_bytes, ETH_MAC_LEN);
}

static int start(struct net *net, struct port *p, struct errs *e)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(p->device, &info);

	if (rc == 0)
		rc = configure(net, p, &info);
	if (rc < 0)
		return fail(p, e, rc, "the device could not be configured");
	rc = set_up_queues(net, p);
	if (rc < 0)
		return fail(p, e, rc, "the device's queues could not be set up");
	p->any_mtu = takes_any_mtu(&info);
	p->mtu_most = largest_mtu(net, p, &info);
	p->mtu_least = RTE_MAX(info.min_mtu, (uint16_t)RTE_ETHER_MIN_MTU);
	rc = device_set_mtu(p, p->conf.iface.mtu);
	if (rc < 0) {
		device_mtu_refused(p, p->conf.iface.at, p->conf.iface.mtu, rc, e);
		return rc;
	}
	rc = rte_eth_dev_start(p->device);
	if (rc < 0)
		return fail(p, e, rc, "the device could not be started");
	p->rx_interrupts = p->rx_interrupts && can_wake(p);
	rc = rte_eth_allmulticast_enable(p->device); /* check.c knows which groups are ours */
	if (p->conf.promiscuous || rc < 0) /* a bond of such members drops even broadcasts */
		rte_eth_promiscuous_enable(p->device);
	rte_eth_stats_reset(p->device); /* a NIC goes on counting from whoever had it before */
	fill_reta(net, p, info.reta_size);
	own_mac(p);
	p->node = rte_eth_dev_socket_id(p->device);
	return 0;
}

/* Both ends of a fresh TAP have the same MAC: ours is the port's, the kernel's gets its own. */
static int part_tap_macs(struct port *p, struct errs *e)
{
	int rc = netns_random_mac(p->conf.tap_iface);

	return rc < 0 ? fail(p, e, rc, "the kernel's end of the TAP took no MAC") : 0;
}

static int open_here(struct net *net, struct port *p, struct errs *e)
{
	int rc = create(net, p, e);

	if (rc < 0) {
		for (uint32_t i = 0; i < p->conf.n_members; i++)
			unplug(p->member_names[i]);
		return rc;
	}
	rc = start(net, p, e);
	if (rc == 0 && p->conf.kind == PORT_TAP)
		rc = part_tap_macs(p, e);
	if (rc == 0 && p->conf.kind != PORT_TAP && !eth_is_zero(p->conf.iface.mac)) {
		rc = device_set_mac(p, p->conf.iface.mac);
		if (rc < 0)
			fail(p, e, rc, "the device does not take this MAC");
	}
	if (rc < 0)
		destroy(p);
	return rc;
}

int device_open(struct net *net, struct port *p, struct errs *e)
{
	bool elsewhere = p->conf.kind == PORT_TAP && p->conf.tap_netns[0] != '\0';
	int home = -1, rc;

	if (elsewhere) {
		home = netns_enter(p->conf.tap_netns);
		if (home < 0)
			return fail(p, e, home, "its network namespace cannot be entered");
	}
	rc = open_here(net, p, e);
	if (elsewhere)
		netns_return(home);
	return rc;
}

void device_close(struct port *p)
{
	destroy(p);
}

int device_set_mtu(struct port *p, uint16_t mtu)
{
	int rc = mtu > p->mtu_most ? -EMSGSIZE : rte_eth_dev_set_mtu(p->device, mtu);

	return rc == -ENOTSUP && (mtu <= RTE_ETHER_MTU || p->any_mtu) ? 0 : rc;
}

void device_mtu_refused(
	const struct port *p, struct conf_pos at, uint16_t mtu, int rc, struct errs *e)
{
	uint16_t most = rc == -ENOTSUP ? RTE_ETHER_MTU : p->mtu_most;
	char path[64];

	snprintf(path, sizeof(path), "ports.%s.mtu", p->name);
	if (mtu > most || mtu < p->mtu_least)
		errs_add(e, at, path,
			"%u; the device allows %u to %u with buffers of this size "
			"(limits.mbuf_size)",
			mtu, p->mtu_least, most);
	else
		errs_add(e, at, path, "the device does not take an MTU of %u: %s", mtu,
			strerror(-rc));
}

/*
 * Some drivers (net_ring, net_af_packet) take no MAC: then the port listens to all. One that takes
 * neither (net_virtio_user) has nothing that would hold frames back.
 */
int device_set_mac(struct port *p, const uint8_t mac[6])
{
	struct rte_ether_addr addr;
	int rc;

	memcpy(addr.addr_bytes, mac, ETH_MAC_LEN);
	rc = rte_eth_dev_default_mac_addr_set(p->device, &addr);
	if (rc == -ENOTSUP)
		rc = rte_eth_promiscuous_enable(p->device);
	return rc == -ENOTSUP ? 0 : rc;
}

void device_hear_tags(struct port *p)
{
	struct rte_eth_dev_info info;

	if (rte_eth_dev_info_get(p->device, &info) == 0 &&
		strcmp(info.driver_name, "net_virtio") == 0)
		rte_eth_promiscuous_enable(p->device);
}

void device_hear(struct port *p, const uint8_t mac[6])
{
	struct rte_ether_addr own, addr;

	memcpy(addr.addr_bytes, mac, ETH_MAC_LEN);
	if (p->conf.kind == PORT_TAP || p->conf.promiscuous)
		return;
	if (rte_eth_macaddr_get(p->device, &own) == 0 && rte_is_same_ether_addr(&own, &addr))
		return;
	if (rte_eth_dev_mac_addr_add(p->device, &addr, 0) < 0)
		rte_eth_promiscuous_enable(p->device);
}
