/* SPDX-License-Identifier: BSD-3-Clause */
/* Announcements under way, one record an interface; and the last conflicts. */
#include "announce.h"

#include "base/log.h"
#include "neigh_table.h"
#include "net/arp.h"
#include "net/net.h"
#include "wire/eth_hdr.h"

static const uint8_t everybody[ETH_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* All addresses once; what no worker can send now is tried again with the next tick. */
static void announce(struct net *net, uint16_t iface, ticks now)
{
	struct announcer *a = &net->neigh->announcer;
	const struct iface *f = &net->iface[iface];

	for (uint32_t i = 0; i < f->n_addrs; i++) {
		if (arp_request(net, iface, everybody, f->addrs[i].addr, f->addrs[i].addr) < 0)
			return;
	}
	a->iface[iface].due = now + clock_of_ms(ANNOUNCE_INTERVAL_MS);
	a->n -= --a->iface[iface].left == 0;
}

void announce_start(struct net *net, uint16_t iface, uint32_t times, ticks now)
{
	struct announcer *a = &net->neigh->announcer;

	announce_stop(net, iface);
	if (iface == IFACE_LOOPBACK || times == 0)
		return;
	a->n++;
	a->iface[iface].left = times;
	a->iface[iface].due = now;
	announce(net, iface, now);
}

void announce_stop(struct net *net, uint16_t iface)
{
	struct announcer *a = &net->neigh->announcer;

	a->n -= a->iface[iface].left > 0;
	a->iface[iface].left = 0;
}

void announce_tick(struct net *net, ticks now)
{
	struct announcer *a = &net->neigh->announcer;

	for (uint16_t i = 1; a->n > 0 && i < IFACE_MAX; i++) {
		if (a->iface[i].left > 0 && now >= a->iface[i].due)
			announce(net, i, now);
	}
}

/* Whether an address may be defended now (RFC 5227 2.4 b); if so, that is remembered. */
static bool may_defend(struct announcer *a, uint16_t iface, uint32_t addr, ticks now)
{
	ticks interval = clock_of_ms(DEFEND_INTERVAL_MS);
	int place = -1;

	for (int i = 0; i < DEFENCES; i++) {
		bool over = a->defence[i].addr == 0 || now - a->defence[i].at >= interval;

		if (!over && a->defence[i].addr == addr && a->defence[i].iface == iface)
			return false;
		if (over)
			place = i;
	}
	if (place < 0)
		return false;
	a->defence[place].iface = iface;
	a->defence[place].addr = addr;
	a->defence[place].at = now;
	return true;
}

/*
 * Of an address that came by netlink, its program sees to that: when VRRP moves one, the new owner
 * announces it while the old one still has it, and is right (RFC 5798 6.4.3). So it is with a
 * virtual address that another instance may have; one that is answered for by ARP is ours alone.
 */
static bool is_defended(const struct net *net, const struct iface *f, uint32_t addr)
{
	fib_entry e = fib4_lookup(net->fib, addr);

	if (fib_entry_kind(e) == FIB_SERVICE)
		return (fib_entry_index(e) & FIB_SERVICE_ARP) != 0;
	for (uint32_t i = 0; i < f->n_addrs; i++)
		if (f->addrs[i].addr == addr)
			return !f->addrs[i].kernels;
	return false;
}

void announce_conflict(struct net *net, const struct event *e, ticks now)
{
	const struct iface *f = &net->iface[e->iface];
	char addr[IP4_ADDR_TEXT], mac[ETH_MAC_TEXT];

	if (!is_defended(net, f, e->addr) ||
		!may_defend(&net->neigh->announcer, e->iface, e->addr, now))
		return;
	log_warning("%s on %s is also used by %s", ip4_addr_text(e->addr, addr), f->name,
		eth_mac_text(e->mac, mac));
	arp_request(net, e->iface, everybody, e->addr, e->addr);
}
