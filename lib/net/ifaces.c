/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes struct iface; workers read its fields one at a time. */
#include "ifaces.h"

#include "net/neigh.h"
#include "net/net.h"
#include "net/route.h"
#include "wire/eth_hdr.h"
#include "wire/tcp_hdr.h"

#define MSS_AUTO 1
#define MSS_LESS 40 /* IPv4 and TCP header, without options (RFC 9293 3.7.1) */

uint16_t iface_by_name(const struct net *net, const char *name)
{
	for (uint16_t i = 1; i < IFACE_MAX; i++)
		if (strcmp(net->iface[i].name, name) == 0)
			return i;
	return 0;
}

struct pair_count iface_received(const struct net *net, uint16_t index)
{
	const struct pair_count *before = &net->iface[index].before;
	struct pair_count sum = {-before->packets, -before->bytes};

	for (uint16_t i = 0; i < net->n_workers; i++) {
		const struct pair_count *c = &net->worker[i]->iface_rx[index];

		sum.packets += __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
		sum.bytes += __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
	}
	return sum;
}

uint16_t iface_take(struct net *net, const char *name)
{
	uint16_t index = 0;

	for (uint16_t i = 1; i < IFACE_MAX && index == 0; i++)
		if (net->iface[i].name[0] == '\0')
			index = i;
	if (index != 0) {
		net->iface[index] = (struct iface){0};
		net->iface[index].before = iface_received(net, index);
		snprintf(net->iface[index].name, IFACE_NAME, "%s", name);
	}
	return index;
}

static uint64_t mac_of(const struct port *p, const struct iface_conf *c)
{
	if (!eth_is_zero(c->mac))
		return eth_mac_u48(c->mac);
	if (!eth_is_zero(p->conf.iface.mac))
		return eth_mac_u48(p->conf.iface.mac);
	return eth_mac_u48(p->mac);
}

static uint16_t flags_of(const struct iface_conf *c)
{
	uint16_t flags = 0;

	flags |= c->urpf == URPF_STRICT ? IFACE_URPF_STRICT : 0;
	flags |= c->urpf == URPF_LOOSE ? IFACE_URPF_LOOSE : 0;
	flags |= c->proxy_arp ? IFACE_PROXY_ARP : 0;
	flags |= c->directed_broadcast ? IFACE_DIRECTED_BCAST : 0;
	flags |= c->redirects ? IFACE_REDIRECTS : 0;
	return flags;
}

/* The addresses that an interface is to have. */
struct addrs {
	struct iface_addr list[IFACE_ADDRS];
	uint32_t n;
};

/* The first of its kind counts. False: there is no room. */
static bool add_addr(struct addrs *a, struct iface_addr addr)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->list[i].addr == addr.addr)
			return true;
	if (a->n == IFACE_ADDRS)
		return false;
	a->list[a->n++] = addr;
	return true;
}

/* The configuration's, and then those that the kernel has given it. */
static void collect(
	struct addrs *a, const struct iface *f, const struct addr_conf *list, uint32_t n)
{
	a->n = 0;
	for (uint32_t i = 0; i < n; i++)
		add_addr(a, (struct iface_addr){list[i].addr, list[i].depth, false});
	for (uint32_t i = 0; i < f->n_addrs; i++)
		if (f->addrs[i].kernels)
			add_addr(a, f->addrs[i]);
}

static bool addrs_differ(const struct iface *f, const struct addrs *a)
{
	if (f->n_addrs != a->n)
		return true;
	for (uint32_t i = 0; i < a->n; i++)
		if (f->addrs[i].addr != a->list[i].addr || f->addrs[i].depth != a->list[i].depth ||
			f->addrs[i].kernels != a->list[i].kernels)
			return true;
	return false;
}

static void set_addrs(struct iface *f, const struct addrs *a)
{
	f->n_addrs = 0;
	for (uint32_t i = 0; i < a->n; i++)
		f->addrs[i] = a->list[i];
	f->n_addrs = a->n;
	f->addr = a->n == 0 ? 0 : a->list[0].addr;
	f->changes++;
}

static void tell_up(struct net *net, uint16_t index, ticks now)
{
	route_iface_up(net, index, now);
	neigh_iface_up(net, index, now);
}

void iface_apply(struct net *net, uint16_t index, const struct port *p, const struct iface_conf *c,
	ticks now)
{
	struct iface *f = &net->iface[index];
	uint16_t mtu = c->mtu != 0 ? c->mtu : p->conf.iface.mtu;
	uint16_t mss = c->mss == MSS_AUTO ? (uint16_t)(mtu - MSS_LESS) : c->mss;
	uint64_t mac = mac_of(p, c);
	struct addrs addrs;
	bool changed;

	collect(&addrs, f, c->addrs, c->n_addrs);
	changed = f->mac != mac || f->mtu != mtu || f->mss != mss || f->vlan != c->vlan ||
		  f->slot != p->slot || addrs_differ(f, &addrs);

	f->mac = mac;
	f->mtu = mtu;
	f->mss = mss;
	f->vlan = c->vlan;
	f->slot = p->slot;
	f->flags = flags_of(c) | (f->flags & (IFACE_UP | IFACE_KERNEL));
	if (changed)
		set_addrs(f, &addrs);
	if (changed && f->flags & IFACE_UP && p->link)
		tell_up(net, index, now); /* they take the difference; what stays is not touched */
	iface_set_up(net, index, p->link, now);
}

void iface_set_up(struct net *net, uint16_t index, bool up, ticks now)
{
	struct iface *f = &net->iface[index];
	bool is_up = f->flags & IFACE_UP;

	if (up == is_up)
		return;
	if (up) {
		f->flags |= IFACE_UP;
		tell_up(net, index, now);
	} else {
		f->flags &= (uint16_t)~IFACE_UP;
		route_iface_down(net, index, now);
		neigh_iface_down(net, index);
	}
}

uint32_t iface_learn(
	struct net *net, uint16_t index, const struct iface_addr *list, uint32_t n, ticks now)
{
	struct iface *f = &net->iface[index];
	struct addrs addrs = {.n = 0};
	uint32_t fit = 0;

	for (uint32_t i = 0; i < f->n_addrs; i++)
		if (!f->addrs[i].kernels)
			add_addr(&addrs, f->addrs[i]);
	for (uint32_t i = 0; i < n; i++)
		fit += add_addr(&addrs, list[i]);
	if (!addrs_differ(f, &addrs))
		return fit;
	set_addrs(f, &addrs);
	if (index == IFACE_LOOPBACK)
		route_iface_up(net, index, now);
	else if (f->flags & IFACE_UP)
		tell_up(net, index, now);
	return fit;
}

void iface_apply_loopback(struct net *net, const struct addr_conf *list, uint32_t n, ticks now)
{
	struct iface *lo = &net->iface[IFACE_LOOPBACK];
	struct addrs addrs;

	collect(&addrs, lo, list, n);
	for (uint32_t i = 0; i < addrs.n; i++)
		addrs.list[i].depth = 32;
	if (!addrs_differ(lo, &addrs))
		return;
	set_addrs(lo, &addrs);
	route_iface_up(net, IFACE_LOOPBACK, now);
}

static void forget(void *arg)
{
	struct iface *f = arg;

	*f = (struct iface){0};
}

void iface_return(struct net *net, uint16_t index, ticks now)
{
	iface_set_up(net, index, false, now);
	strcpy(net->iface[index].name, "(gone)"); /* its own is free for another */
	epoch_defer(net->epoch, forget, &net->iface[index]);
}
