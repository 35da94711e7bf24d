/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vip: virtual addresses' indexes, and the addresses made known on the links that they are of (RFC
 * 5227 2.3): when they are new, and when a link comes up. Who else uses one is net/announce's
 * affair.
 */
#include "control.h"
#include "net/arp.h"
#include "wire/eth_hdr.h"

#include <errno.h>
#include <string.h>

#define INTERVAL_MS 2000 /* RFC 5227 1.1: ANNOUNCE_INTERVAL */
#define AT_ONCE	    64	 /* addresses a tick: workers' mailboxes are for others, too */

/* --- indexes --- */

/* Where an address stands in the table of indexes, or will. */
static uint16_t *index_at(struct lb_control *c, be32 addr)
{
	uint32_t i = lb_binding_hash(addr, 0, 0);

	while (c->vip_at[i & c->vip_at_mask] != LB_NOBODY &&
		c->vip[c->vip_at[i & c->vip_at_mask]].addr != addr)
		i++;
	return &c->vip_at[i & c->vip_at_mask];
}

void lb_vip_begin(struct lb_control *c)
{
	memset(c->vip_at, 0xff, (c->vip_at_mask + 1) * sizeof(*c->vip_at));
	c->vips_from = 0;
	for (uint32_t i = 0; i < c->n_vips; i++)
		if (c->vip[i].addr != 0)
			*index_at(c, c->vip[i].addr) = (uint16_t)i;
}

int lb_vip_take(struct lb_control *c, struct lb_plan *p, uint32_t address, uint16_t *vip)
{
	be32 addr = to_be32(address);
	uint16_t *at = index_at(c, addr);

	if (*at == LB_NOBODY) {
		while (c->vips_from < c->n_vips && c->vip[c->vips_from].addr != 0)
			c->vips_from++; /* a build gives none back */
		if (c->vips_from >= c->max_vips)
			return -ENOSPC;
		*at = (uint16_t)c->vips_from;
		c->n_vips = RTE_MAX(c->n_vips, c->vips_from + 1);
		c->vip[*at] = (struct lb_vip_use){.addr = addr};
		p->new_vip[p->n_new_vips++] = *at;
	}
	*vip = *at;
	return 0;
}

/* --- announcements --- */

static bool is_known_by(const struct net *net, uint16_t i, const struct lb_vip_use *v)
{
	const struct iface *f = &net->iface[i];

	return v->live && v->arp && (f->flags & IFACE_UP) != 0 &&
	       iface_link(f, from_be32(v->addr)) != NULL;
}

/* Links that have come up since. */
static void look_at_links(struct net *net, struct lb_control *c, ticks now)
{
	for (uint16_t i = 1; i < IFACE_MAX; i++) {
		bool up = (net->iface[i].flags & IFACE_UP) != 0, was = c->iface_up[i];

		c->iface_up[i] = up;
		for (uint32_t k = 0; up && !was && k < c->n_vips; k++)
			if (is_known_by(net, i, &c->vip[k]))
				lb_vip_announce(&c->vip[k], now);
	}
}

/* False: no worker could take it, and it is tried again. */
static bool announce(struct net *net, const struct lb_vip_use *v)
{
	static const uint8_t everybody[ETH_MAC_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint32_t addr = from_be32(v->addr);

	for (uint16_t i = 1; i < IFACE_MAX; i++)
		if (is_known_by(net, i, v) && arp_request(net, i, everybody, addr, addr) < 0)
			return false;
	return true;
}

void lb_vip_tick(struct net *net, ticks now)
{
	struct lb_control *c = net->lb->control;
	uint32_t left = AT_ONCE;

	look_at_links(net, c, now);
	for (uint32_t i = 0; left > 0 && i < c->n_vips; i++) {
		struct lb_vip_use *v = &c->vip[i];

		if (!v->live || v->announce == 0 || now < v->due)
			continue;
		left--;
		if (!announce(net, v))
			continue;
		v->announce--;
		v->due = now + clock_of_ms(INTERVAL_MS);
	}
}
