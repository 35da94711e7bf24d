/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interfaces and their addresses. The configuration is right about what an interface is when it
 * appears and when it is applied; what somebody does to it later (down, another MTU) stays his. Our
 * addresses are put back where somebody takes them away.
 */
#include "kernel_table.h"

#include "base/log.h"
#include "ifaces.h"
#include "net/net.h"
#include "net/port.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define NO_SLOT UINT16_MAX

struct klink *kernel_link_of(const struct net *net, uint32_t index)
{
	const struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < k->n_links; i++)
		if (k->link[i]->index == index)
			return k->link[i];
	return NULL;
}

struct klink *kernel_link_of_iface(const struct net *net, uint16_t iface)
{
	const struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < k->n_links; i++)
		if (k->link[i]->iface == iface)
			return k->link[i];
	return NULL;
}

/* Which interface of ours a link is: false for none. */
static bool is_ours(const struct net *net, const char *name, uint32_t parent, uint16_t vlan,
	bool loopback, uint16_t *iface, uint16_t *slot)
{
	const struct klink *under = vlan == 0 ? NULL : kernel_link_of(net, parent);

	*slot = NO_SLOT;
	*iface = IFACE_LOOPBACK;
	if (loopback)
		return true;
	for (uint16_t i = 0; i < PORT_MAX; i++) {
		const struct port *p = net->port[i];

		if (p == NULL || p->conf.kernel[0] == '\0')
			continue;
		*slot = i;
		*iface = p->iface;
		if (vlan == 0 && strcmp(p->conf.kernel, name) == 0)
			return p->iface != 0;
		if (under != NULL && under->vlan == 0 && under->slot == i && vlan < 4095) {
			*iface = p->vlan_iface[vlan];
			return *iface != 0;
		}
	}
	return false;
}

/* --- what it is --- */

static void set_mac_and_mtu(struct net *net, struct klink *l)
{
	const struct iface *f = &net->iface[l->iface];
	struct rtnl_request q;
	struct ifinfomsg *i = rtnl_begin(&q, RTM_NEWLINK, 0, sizeof(*i));
	uint8_t mac[ETH_MAC_LEN];

	eth_mac_store(mac, f->mac);
	if (memcmp(mac, l->mac, sizeof(mac)) == 0 && f->mtu == l->mtu)
		return;
	i->ifi_index = (int)l->index;
	mnl_attr_put(q.h, IFLA_ADDRESS, sizeof(mac), mac);
	mnl_attr_put_u32(q.h, IFLA_MTU, f->mtu);
	kernel_ask(net, &q, 0, l->name);
}

static void set_up(struct net *net, struct klink *l)
{
	struct rtnl_request q;
	struct ifinfomsg *i = rtnl_begin(&q, RTM_NEWLINK, 0, sizeof(*i));

	i->ifi_index = (int)l->index;
	i->ifi_flags = i->ifi_change = IFF_UP;
	if (!l->up)
		kernel_ask(net, &q, 0, l->name);
}

/* NAME.VID on NAME: what is tagged goes up as it came, and the kernel takes the tag off. */
static int make_vlan(struct net *net, const struct klink *under, uint16_t vlan)
{
	char name[2 * RTNL_NAME];
	struct rtnl_request q;
	struct nlattr *info, *data;

	snprintf(name, sizeof(name), "%s.%u", under->name, vlan);
	rtnl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(q.h, IFLA_IFNAME, name);
	mnl_attr_put_u32(q.h, IFLA_LINK, under->index);
	info = mnl_attr_nest_start(q.h, IFLA_LINKINFO);
	mnl_attr_put_strz(q.h, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(q.h, IFLA_INFO_DATA);
	mnl_attr_put_u16(q.h, IFLA_VLAN_ID, vlan);
	mnl_attr_nest_end(q.h, data);
	mnl_attr_nest_end(q.h, info);
	return kernel_ask(net, &q, -EEXIST, name);
}

static void make_vlans(struct net *net, struct klink *l)
{
	const struct port *p = l->slot == NO_SLOT || l->vlan != 0 ? NULL : net->port[l->slot];

	for (uint32_t i = 0; p != NULL && i < p->conf.n_vlans; i++) {
		uint16_t vlan = p->conf.vlans[i].vlan;
		int rc = 0;

		if (p->vlan_iface[vlan] != 0 &&
			kernel_link_of_iface(net, p->vlan_iface[vlan]) == NULL)
			rc = make_vlan(net, l, vlan);
		if (rc < 0 && rc != -EEXIST && !l->no_vlans)
			log_warning("kernel: %s.%u cannot be made: %s (module 8021q)", l->name,
				vlan, strerror(-rc));
		l->no_vlans |= rc < 0 && rc != -EEXIST;
	}
}

/* --- addresses --- */

static int ask_addr(
	struct net *net, const struct klink *l, uint16_t type, uint32_t addr, uint8_t depth)
{
	be32 wire = to_be32(addr);
	struct rtnl_request q;
	struct ifaddrmsg *i = rtnl_begin(
		&q, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0, sizeof(*i));

	i->ifa_family = AF_INET;
	i->ifa_prefixlen = depth;
	i->ifa_index = l->index;
	mnl_attr_put(q.h, IFA_LOCAL, sizeof(wire), &wire);
	mnl_attr_put(q.h, IFA_ADDRESS, sizeof(wire), &wire);
	if (type == RTM_NEWADDR)
		mnl_attr_put_u8(q.h, IFA_PROTO, (uint8_t)net->kernel->conf.protocol);
	return kernel_ask(net, &q, type == RTM_NEWADDR ? -EEXIST : -EADDRNOTAVAIL, l->name);
}

static struct kaddr *find_addr(struct klink *l, uint32_t addr, uint8_t depth)
{
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (l->addrs[i].addr == addr && l->addrs[i].depth == depth)
			return &l->addrs[i];
	return NULL;
}

static bool is_configured(const struct iface *f, const struct kaddr *a)
{
	for (uint32_t i = 0; i < f->n_addrs; i++)
		if (!f->addrs[i].kernels && f->addrs[i].addr == a->addr)
			return true;
	return false;
}

/* Ours go there, those that were ours are taken back. */
static void give_addrs(struct net *net, struct klink *l)
{
	const struct iface *f = &net->iface[l->iface];

	for (uint32_t i = 0; i < f->n_addrs; i++)
		if (!f->addrs[i].kernels &&
			find_addr(l, f->addrs[i].addr, f->addrs[i].depth) == NULL)
			ask_addr(net, l, RTM_NEWADDR, f->addrs[i].addr, f->addrs[i].depth);
	for (uint32_t i = 0; i < l->n_addrs; i++)
		if (l->addrs[i].ours && !is_configured(f, &l->addrs[i]))
			ask_addr(net, l, RTM_DELADDR, l->addrs[i].addr, l->addrs[i].depth);
}

/* The kernel's become addresses of our interface. */
static void take_addrs(struct net *net, struct klink *l, ticks now)
{
	struct iface_addr list[KERNEL_LINK_ADDRS] = {0};
	struct kernel *k = net->kernel;
	uint32_t n = 0, before = net->iface[l->iface].changes, fit;

	for (uint32_t i = 0; k->conf.take_addresses && i < l->n_addrs; i++) {
		const struct kaddr *a = &l->addrs[i];
		uint8_t depth = a->depth == 0 ? 32 : a->depth; /* there no network either */

		if (!a->ours && !is_configured(&net->iface[l->iface], a) &&
			!ip4_src_is_martian(a->addr))
			list[n++] = (struct iface_addr){a->addr, depth, true};
	}
	fit = iface_learn(net, l->iface, list, n, now);
	if (fit < n && !l->full)
		log_warning("kernel: %s: not all of its addresses have room here, only %u", l->name,
			fit);
	l->full = fit < n;
	if (net->iface[l->iface].changes == before)
		return;
	k->topology++;
	kernel_routes_walk(net, false);
}

/* --- links come and go --- */

static void forget(struct net *net, struct klink *l, ticks now)
{
	struct kernel *k = net->kernel;
	uint32_t i = 0;

	while (k->link[i] != l)
		i++;
	k->link[i] = k->link[--k->n_links];
	iface_learn(net, l->iface, NULL, 0, now);
	log_notice("kernel: interface %s is gone", l->name);
	kernel_neighs_take_back(net, l->index);
	free(l);
	k->topology++;
	kernel_routes_walk(net, false);
	kernel_again(net, now); /* its routes have gone without a word */
}

/* It appears, or is up again: the kernel has forgotten what went by it. */
static void came_up(struct net *net, struct klink *l)
{
	kernel_routes_give_all(net);
	kernel_neighs_give(net, l->index);
	net->kernel->topology++;
	kernel_routes_walk(net, false);
}

static void note(struct net *net, struct klink *l, const struct rtnl_link *as, ticks now)
{
	bool was_up = l->up;

	l->mtu = as->mtu;
	l->up = as->up;
	l->round = net->kernel->round;
	memcpy(l->mac, as->mac, sizeof(l->mac));
	memcpy(l->name, as->name, sizeof(l->name));
	if (l->up == was_up)
		return;
	if (l->up) {
		came_up(net, l);
		return;
	}
	log_notice("kernel: interface %s was set down there: the port goes on", l->name);
	net->kernel->topology++;
	kernel_routes_walk(net, false);
	kernel_again(net, now);
}

static void appear(struct net *net, const struct rtnl_link *as, uint16_t iface, uint16_t slot)
{
	struct kernel *k = net->kernel;
	struct klink *l = k->n_links < IFACE_MAX ? calloc(1, sizeof(*l)) : NULL;

	if (l == NULL)
		return;
	*l = (struct klink){.index = as->index,
		.mtu = as->mtu,
		.up = as->up,
		.round = k->round,
		.iface = iface,
		.slot = slot,
		.parent = as->parent,
		.vlan = as->vlan};
	memcpy(l->name, as->name, sizeof(l->name));
	memcpy(l->mac, as->mac, sizeof(l->mac));
	k->link[k->n_links++] = l;
	log_notice("kernel: interface %s is %s", l->name, net->iface[iface].name);
	if (slot != NO_SLOT) {
		set_mac_and_mtu(net, l);
		set_up(net, l);
	}
	if (k->stage == KERNEL_IDLE)
		give_addrs(net, l); /* else when it is known which it has */
	make_vlans(net, l);
	came_up(net, l);
}

void kernel_links_told(struct net *net, const struct rtnl_msg *m, ticks now)
{
	const struct rtnl_link *as = &m->link;
	struct klink *l = kernel_link_of(net, as->index);
	uint16_t iface, slot;
	bool ours = !m->gone &&
		    is_ours(net, as->name, as->parent, as->vlan, as->loopback, &iface, &slot);

	if (l != NULL && (!ours || l->iface != iface)) {
		forget(net, l, now);
		l = NULL;
	}
	if (l != NULL)
		note(net, l, as, now);
	else if (ours && kernel_link_of_iface(net, iface) == NULL)
		appear(net, as, iface, slot);
}

void kernel_links_swept(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = k->n_links; !k->disturbed && i > 0; i--)
		if (k->link[i - 1]->round != k->round)
			forget(net, k->link[i - 1], now);
	for (uint32_t i = 0; i < k->n_links; i++)
		make_vlans(net, k->link[i]); /* one that came before what it is on */
}

/* --- what is told of addresses --- */

void kernel_links_addr_told(struct net *net, const struct rtnl_msg *m, ticks now)
{
	const struct rtnl_addr *as = &m->addr;
	struct kernel *k = net->kernel;
	struct klink *l = kernel_link_of(net, as->index);
	struct kaddr *a = l == NULL ? NULL : find_addr(l, as->addr, as->depth);

	if (m->gone)
		kernel_again(
			net, now); /* and with it, perhaps, routes that had it as their source */
	if (l == NULL || (a == NULL && m->gone))
		return;
	if (a != NULL && !m->gone) {
		a->round = k->round;
		return;
	}
	if (a == NULL && l->n_addrs == KERNEL_LINK_ADDRS)
		return;
	if (a == NULL && k->stage == KERNEL_IDLE)
		kernel_again(net, now); /* neighbours of its network were told before, perhaps */
	if (a == NULL)
		l->addrs[l->n_addrs++] = (struct kaddr){.addr = as->addr,
			.depth = as->depth,
			.round = k->round,
			.ours = as->protocol == k->conf.protocol};
	else
		*a = l->addrs[--l->n_addrs];
	take_addrs(net, l, now);
}

void kernel_links_addrs_swept(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < k->n_links; i++) {
		struct klink *l = k->link[i];
		uint32_t before = l->n_addrs;

		for (uint32_t j = l->n_addrs; !k->disturbed && j > 0; j--)
			if (l->addrs[j - 1].round != k->round)
				l->addrs[j - 1] = l->addrs[--l->n_addrs];
		if (l->n_addrs != before)
			take_addrs(net, l, now);
		give_addrs(net, l);
	}
}

/* --- the configuration --- */

/* A VLAN that the configuration has no more, and that is as we make them. */
static void remove_vlan(struct net *net, const struct klink *l)
{
	struct rtnl_request q;
	struct ifinfomsg *i = rtnl_begin(&q, RTM_DELLINK, 0, sizeof(*i));

	i->ifi_index = (int)l->index;
	kernel_ask(net, &q, -ENODEV, l->name);
}

void kernel_links_follow(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = k->n_links; i > 0; i--) {
		struct klink *l = k->link[i - 1];
		uint16_t iface, slot;
		bool ours = is_ours(
			net, l->name, l->parent, l->vlan, l->slot == NO_SLOT, &iface, &slot);

		if (ours && l->iface == iface) {
			if (l->slot != NO_SLOT)
				set_mac_and_mtu(net, l);
			give_addrs(net, l);
			take_addrs(net, l, now);
			continue;
		}
		if (l->vlan != 0 && kernel_link_of(net, l->parent) != NULL)
			remove_vlan(net, l);
		forget(net, l, now);
	}
	for (uint32_t i = 0; i < k->n_links; i++)
		make_vlans(net, k->link[i]);
}

void kernel_links_leave(struct net *net)
{
	struct kernel *k = net->kernel;

	for (uint32_t i = 0; i < k->n_links; i++) {
		struct klink *l = k->link[i];

		for (uint32_t j = 0; l->slot == NO_SLOT && j < l->n_addrs; j++)
			if (l->addrs[j].ours)
				ask_addr(net, l, RTM_DELADDR, l->addrs[j].addr, l->addrs[j].depth);
	}
}

void kernel_links_end(struct net *net, ticks now)
{
	struct kernel *k = net->kernel;

	kernel_links_leave(net);
	while (k->n_links > 0) {
		struct klink *l = k->link[--k->n_links];

		iface_learn(net, l->iface, NULL, 0, now);
		free(l);
	}
}
