/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ports from one configuration to the next: what is new is opened by build, given to the workers
 * by publish; what is gone is taken from them there and closed when no worker can hold it. A port
 * whose device and queues are the same stays as it is, and only its interfaces change.
 */
#include "net/port.h"

#include "base/log.h"
#include "device.h"
#include "ifaces.h"
#include "net/absent.h"
#include "net/net.h"
#include "net/offload.h"
#include "net/port_link.h"
#include "net/route.h"
#include "wire/eth_hdr.h"

#include <rte_ethdev.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* What build has prepared for publish. */
struct port_table {
	struct port *next[PORT_MAX]; /* by slot: the new configuration's ports */
	struct port_conf *confs[PORT_MAX];
	bool fresh[PORT_MAX];  /* opened by this build */
	bool ending[PORT_MAX]; /* taken from the workers, but one may still hold it */
	struct ports_conf loopback;
};

static struct port_conf *conf_copy(const struct port_conf *c)
{
	struct port_conf *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *c;
	copy->vlans = calloc(c->n_vlans + 1, sizeof(*c->vlans));
	copy->members = calloc(c->n_members + 1, sizeof(*c->members));
	if (copy->vlans == NULL || copy->members == NULL) {
		free(copy->vlans);
		free(copy->members);
		free(copy);
		return NULL;
	}
	if (c->n_vlans > 0)
		memcpy(copy->vlans, c->vlans, c->n_vlans * sizeof(*c->vlans));
	if (c->n_members > 0)
		memcpy(copy->members, c->members, c->n_members * sizeof(*c->members));
	return copy;
}

static void conf_drop(struct port_conf *c)
{
	if (c == NULL)
		return;
	free(c->vlans);
	free(c->members);
	free(c);
}

/* Puts a copied configuration into a port, which owns its lists from now on. */
static void conf_into(struct port *p, struct port_conf *c)
{
	free(p->conf.vlans);
	free(p->conf.members);
	p->conf = *c;
	free(c);
}

static void port_free(struct port *p)
{
	free(p->vlan_iface);
	free(p->groups);
	free(p->conf.vlans);
	free(p->conf.members);
	free(p);
}

static bool same_device(const struct port_conf *a, const struct port_conf *b)
{
	if (a->kind != b->kind || strcmp(a->device, b->device) != 0 ||
		strcmp(a->tap_netns, b->tap_netns) != 0 ||
		strcmp(a->tap_iface, b->tap_iface) != 0 || a->queues != b->queues ||
		a->rx_descriptors != b->rx_descriptors || a->tx_descriptors != b->tx_descriptors ||
		a->n_members != b->n_members || a->promiscuous != b->promiscuous)
		return false;
	for (uint32_t i = 0; i < a->n_members; i++)
		if (strcmp(a->members[i], b->members[i]) != 0)
			return false;
	return true;
}

struct port *port_by_name(struct net *net, const char *name)
{
	for (uint16_t i = 0; i < PORT_MAX; i++)
		if (net->port[i] != NULL && strcmp(net->port[i]->name, name) == 0)
			return net->port[i];
	return NULL;
}

static int free_slot(const struct net *net)
{
	for (int i = 0; i < PORT_MAX; i++)
		if (net->port[i] == NULL && net->ports->next[i] == NULL && !net->ports->ending[i])
			return i;
	return -ENOSPC;
}

/* Opens the device of a new port. 0, or -errno with the cause in e. */
static int open_new(
	struct net *net, const struct port_conf *c, struct errs *e, int slot, struct port **opened)
{
	struct port *p = calloc(1, sizeof(*p));
	struct port_conf *copy = conf_copy(c);
	int rc;

	if (p == NULL || copy == NULL) {
		free(p);
		conf_drop(copy);
		errs_add(e, c->iface.at, "ports", "out of memory");
		return -ENOMEM;
	}
	conf_into(p, copy);
	p->slot = (uint16_t)slot;
	p->first = (uint16_t)slot % net->n_workers;
	snprintf(p->name, sizeof(p->name), "%s", c->iface.name);
	p->vlan_iface = calloc(4096, sizeof(*p->vlan_iface));
	rc = p->vlan_iface == NULL ? -ENOMEM : device_open(net, p, e);
	*opened = rc < 0 ? NULL : p;
	if (rc < 0)
		port_free(p);
	return rc;
}

/*
 * Whether the device takes the new MTU. Until the publish, or for good if there is none, it carries
 * whatever is in force: a larger MTU it has from now on, a smaller one it was only asked for.
 */
static int try_mtu(struct port *p, const struct port_conf *c, struct errs *e)
{
	uint16_t now = p->conf.iface.mtu, then = c->iface.mtu;
	int rc = then == now ? 0 : device_set_mtu(p, then);

	if (rc == 0 && then < now)
		rc = device_set_mtu(p, now);
	if (rc < 0)
		device_mtu_refused(p, c->iface.at, then, rc, e);
	return rc;
}

/* One port of the new configuration: the running one if it is the same device, else opened. */
static int build_one(struct net *net, const struct port_conf *c, struct errs *e)
{
	struct port_table *t = net->ports;
	struct port *p = port_by_name(net, c->iface.name);
	int slot, rc;

	if (p != NULL && same_device(&p->conf, c)) {
		rc = try_mtu(p, c, e);
		if (rc < 0)
			return rc;
		t->next[p->slot] = p;
		t->confs[p->slot] = conf_copy(c);
		return t->confs[p->slot] == NULL ? -ENOMEM : 0;
	}
	if (p != NULL) {
		errs_add(e, c->iface.at, "ports",
			"port %s: another device or other queues need a restart, or another name",
			c->iface.name);
		return -EBUSY;
	}
	slot = free_slot(net);
	if (slot < 0) {
		errs_add(e, c->iface.at, "ports",
			"more than %d ports, those counted that are about to be closed", PORT_MAX);
		return slot;
	}
	rc = open_new(net, c, e, slot, &p);
	if (rc < 0)
		return absent_take(net, c, e) ? 0 : rc;
	t->next[slot] = p;
	t->fresh[slot] = true;
	return 0;
}

/* Whether ports were left out, and no other is there. */
static bool none_works(const struct net *net)
{
	for (int i = 0; i < PORT_MAX; i++)
		if (net->ports->next[i] != NULL)
			return false;
	return net->absents_next != NULL;
}

int port_build(struct net *net, const struct ports_conf *c, struct errs *e)
{
	if (net->ports == NULL)
		net->ports = calloc(1, sizeof(*net->ports));
	if (net->ports == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < c->n; i++) {
		int rc = build_one(net, &c->list[i], e);

		if (rc < 0) {
			port_abandon(net);
			return rc;
		}
	}
	if (none_works(net)) {
		absent_return(net, e);
		port_abandon(net);
		return -ENODEV;
	}
	net->ports->loopback = *c;
	return 0;
}

static void take_back_mtu(struct port *p, const struct port_conf *c)
{
	uint16_t mtu = p->conf.iface.mtu;

	if ((c == NULL || c->iface.mtu > mtu) && device_set_mtu(p, mtu) < 0)
		log_error("port %s: the device does not go back to an MTU of %u", p->name, mtu);
}

void port_abandon(struct net *net)
{
	struct port_table *t = net->ports;

	absent_abandon(net);
	errs_clear(&net->made_do);
	for (int i = 0; t != NULL && i < PORT_MAX; i++) {
		if (t->fresh[i]) {
			device_close(t->next[i]);
			port_free(t->next[i]);
		} else if (t->next[i] != NULL) {
			take_back_mtu(t->next[i], t->confs[i]);
		}
		conf_drop(t->confs[i]);
		t->confs[i] = NULL;
		t->next[i] = NULL;
		t->fresh[i] = false;
	}
}

/* Whether a descriptor is an eventfd, as VFIO and virtio-user have them; a TAP's is the TAP. */
static bool is_eventfd(int fd)
{
	char link[64], target[32] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, target, sizeof(target) - 1) > 0 &&
	       strstr(target, "[eventfd]") != NULL;
}

static struct rxq rxq_of(const struct port *p, uint16_t queue)
{
	struct rxq q = {
		.device = p->device,
		.queue = queue,
		.iface = p->iface,
		.slot = p->slot,
		.fd = -1,
		.lent = p->lends,
	};

	if (!p->rx_interrupts)
		return q;
	q.fd = rte_eth_dev_rx_intr_ctl_q_get_fd(p->device, queue);
	q.counts = q.fd >= 0 && is_eventfd(q.fd);
	if (q.counts && fcntl(q.fd, F_SETFL, fcntl(q.fd, F_GETFL) | O_NONBLOCK) < 0)
		q.fd = -1; /* reading it could block a worker: the queue is polled instead */
	return q;
}

/* The receive queues of one worker, as a new list. */
static struct rxq_list *rxqs_of(const struct net *net, uint16_t worker)
{
	struct rxq_list *l = calloc(1, sizeof(*l) + PORT_MAX * WORKER_MAX * sizeof(l->q[0]));

	for (int slot = 0; l != NULL && slot < PORT_MAX; slot++) {
		const struct port *p = net->port[slot];

		for (uint16_t q = 0; p != NULL && q < p->n_rxq; q++)
			if ((p->first + q) % net->n_workers == worker)
				l->q[l->n++] = rxq_of(p, q);
	}
	return l;
}

/* Workers take up their new queues; the old lists end when nobody walks them. */
static void give_rxqs(struct net *net)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct worker *w = net->worker[i];
		struct rxq_list *l = rxqs_of(net, i), *old = w->rxqs;

		if (l == NULL) {
			log_error("out of memory for the list of receive queues");
			continue;
		}
		atomic_store_explicit(&w->rxqs, l, memory_order_release);
		if (old != NULL)
			epoch_defer(net->epoch, free, old);
		bell_ring(&w->bell);
	}
}

/* What its device does of packets that we send. */
static uint8_t does_of(const struct port *p)
{
	static const struct {
		uint64_t offload;
		uint8_t does;
	} all[] = {
		{RTE_ETH_TX_OFFLOAD_TCP_CKSUM, OFFLOAD_TCP_SUM},
		{RTE_ETH_TX_OFFLOAD_UDP_CKSUM, OFFLOAD_UDP_SUM},
		{RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, OFFLOAD_IP4_SUM},
		{RTE_ETH_TX_OFFLOAD_TCP_TSO, OFFLOAD_TSO},
	};
	uint8_t does = 0;

	for (size_t i = 0; i < RTE_DIM(all); i++)
		if (p->tx_offloads & all[i].offload)
			does |= all[i].does;
	return does;
}

/* Each worker's way to the port: a queue of its own, or a worker that has one. */
static void give_txq(struct net *net, const struct port *p)
{
	for (uint16_t i = 0; i < net->n_workers; i++) {
		struct txlane *t = &net->worker[i]->tx[p->slot];
		uint16_t turn = (uint16_t)(i + net->n_workers - p->first) % net->n_workers;

		t->device = p->device;
		t->queue = turn % p->n_txq;
		t->via = turn < p->n_txq ? -1 : (int8_t)((p->first + t->queue) % net->n_workers);
		t->linear = !p->chains;
		t->pulse = p->conf.n_members > 0;
		t->does = does_of(p);
		t->segs = p->tso_segs;
		t->ready = 1;
		if (net->worker[i]->n_slots <= p->slot)
			net->worker[i]->n_slots = p->slot + 1;
	}
}

static void apply_iface(
	struct net *net, struct port *p, uint16_t index, const struct iface_conf *c, ticks now)
{
	uint8_t mac[ETH_MAC_LEN];

	iface_apply(net, index, p, c, now);
	eth_mac_store(mac, net->iface[index].mac);
	device_hear(p, mac);
}

/* A port's VLANs: new ones get an interface, those that are gone lose it. */
static void apply_vlans(struct net *net, struct port *p, ticks now)
{
	for (uint16_t vid = 1; vid < 4095; vid++) {
		const struct iface_conf *c = NULL;

		for (uint32_t i = 0; i < p->conf.n_vlans; i++)
			if (p->conf.vlans[i].vlan == vid)
				c = &p->conf.vlans[i];
		if (c == NULL && p->vlan_iface[vid] != 0) {
			uint16_t gone = p->vlan_iface[vid];

			p->vlan_iface[vid] = 0;
			iface_return(net, gone, now);
		}
		if (c == NULL)
			continue;
		if (p->vlan_iface[vid] == 0) {
			uint16_t index = iface_take(net, c->name);

			if (index == 0) {
				log_error("no interface left for %s", c->name);
				continue;
			}
			device_hear_tags(p);
			apply_iface(net, p, index, c, now);
			p->vlan_iface[vid] = index;
			continue;
		}
		apply_iface(net, p, p->vlan_iface[vid], c, now);
	}
}

static void apply_ifaces(struct net *net, struct port *p, ticks now)
{
	uint16_t mtu = p->conf.iface.mtu;

	/* a larger one it has since the build; a smaller one it took a moment ago */
	if (p->iface != 0 && net->iface[p->iface].mtu > mtu && device_set_mtu(p, mtu) < 0)
		log_error("port %s: the device keeps a larger MTU than %u", p->name, mtu);
	if (p->iface == 0)
		p->iface = iface_take(net, p->name);
	if (p->iface == 0) {
		log_error("no interface left for %s", p->name);
		return;
	}
	p->link = port_link_is_up(p);
	apply_iface(net, p, p->iface, &p->conf.iface, now);
	apply_vlans(net, p, now);
}

static void end_port(void *arg)
{
	struct port *p = arg;

	device_close(p);
	*p->ending = false;
	log_notice("port %s closed", p->name);
	port_free(p);
}

/* Whatever workers find a port by; what they had found before is theirs until they are quiescent.
 */
static void withdraw(struct net *net, const struct port *p)
{
	for (uint16_t i = 0; i < net->n_workers; i++)
		net->worker[i]->tx[p->slot].ready = 0;
	net->port[p->slot] = NULL;
}

/* No worker that looks now finds the port. */
static void retire(struct net *net, struct port *p, ticks now)
{
	for (uint16_t vid = 1; vid < 4095; vid++)
		if (p->vlan_iface[vid] != 0)
			iface_return(net, p->vlan_iface[vid], now);
	iface_return(net, p->iface, now);
	p->ending = &net->ports->ending[p->slot];
	*p->ending = true;
	epoch_defer(net->epoch, end_port, p);
}

/* The ports that the new configuration does not have. */
static void remove_gone(struct net *net, ticks now)
{
	struct port *gone[PORT_MAX];
	uint32_t n = 0;

	for (int i = 0; i < PORT_MAX; i++) {
		if (net->port[i] == NULL || net->ports->next[i] != NULL)
			continue;
		gone[n++] = net->port[i];
		withdraw(net, net->port[i]);
	}
	if (n > 0)
		give_rxqs(net);
	for (uint32_t i = 0; i < n; i++)
		retire(net, gone[i], now);
}

void port_publish(struct net *net, ticks now)
{
	struct port_table *t = net->ports;

	absent_publish(net);
	remove_gone(net, now);
	iface_apply_loopback(net, t->loopback.loopback, t->loopback.n_loopback, now);
	for (int i = 0; i < PORT_MAX; i++) {
		struct port *p = t->next[i];

		if (p == NULL)
			continue;
		if (t->confs[i] != NULL)
			conf_into(p, t->confs[i]);
		net->port[i] = p;
		if (t->fresh[i])
			give_txq(net, p);
		apply_ifaces(net, p, now);
		t->next[i] = NULL;
		t->confs[i] = NULL;
		t->fresh[i] = false;
	}
	give_rxqs(net);
}

void port_close_all(struct net *net)
{
	epoch_drain(net->epoch); /* ports that were on their way out look at the table */
	for (int i = 0; i < PORT_MAX; i++) {
		if (net->port[i] == NULL)
			continue;
		device_close(net->port[i]);
		port_free(net->port[i]);
		net->port[i] = NULL;
	}
	absent_free(net);
	free(net->ports);
	net->ports = NULL;
}

#define SUMS (OFFLOAD_TCP_SUM | OFFLOAD_UDP_SUM)

/* Who does some of the work of sending. */
static const char *tx_work(const struct port *p, uint8_t work)
{
	if ((does_of(p) & work) == work)
		return "device";
	return p->emulates ? "software (its driver would emulate it)" : "software";
}

uint32_t port_offloads(const struct port *p, struct port_work works[PORT_WORKS])
{
	const char *device = p->emulates ? "device (emulated by its driver)" : "device";
	bool sums = p->rx_offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM;
	uint32_t n = 0;

	works[n++] = (struct port_work){"rx IPv4 checksum", "software"};
	works[n++] = (struct port_work){"rx UDP and TCP checksum", sums ? device : "software"};
	works[n++] = (struct port_work){"tx IPv4 checksum", "software"};
	works[n++] = (struct port_work){"tx UDP and TCP checksum", tx_work(p, SUMS)};
	works[n++] = (struct port_work){"cutting TCP data to segments", tx_work(p, OFFLOAD_TSO)};
	works[n++] = (struct port_work){"VLAN tags", "software"};
	works[n++] = (struct port_work){"jumbo frames in several buffers",
		p->rx_offloads & RTE_ETH_RX_OFFLOAD_SCATTER ? device : "no"};
	works[n++] = (struct port_work){"sending buffer chains", p->chains ? device : "software"};
	works[n++] = (struct port_work){
		"spreading flows to workers", p->rss_trusted ? device : "software"};
	works[n++] = (struct port_work){
		"waking a sleeping worker", p->rx_interrupts ? device : "software (timer)"};
	return n;
}
