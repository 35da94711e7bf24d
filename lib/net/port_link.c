/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Links, polled: neighbours and routes follow each change at once, the log follows a calm one. Of
 * those that come fast the first few are told, then that there are many, then how it ended.
 */
#include "net/port_link.h"

#include "base/log.h"
#include "ifaces.h"
#include "net/net.h"

#include <rte_ethdev.h>

#define POLL_MS 100
#define TOLD	4     /* changes in a row that are told one by one */
#define CALM_MS 10000 /* without a change: the row is over */

bool port_link_is_up(const struct port *p)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(p->device, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

static const char *word(bool up)
{
	return up ? "up" : "down";
}

/* A change, with the log's view of it. */
static void change(struct port_link *l, const char *name, bool up, ticks now)
{
	l->changes++;
	l->row++;
	l->changed = now;
	if (l->row <= TOLD)
		log_notice("port %s: link %s", name, word(up));
	else if (l->row == TOLD + 1)
		log_warning("port %s: link flaps; more is told when it is calm for %d s", name,
			CALM_MS / 1000);
}

static void calm(struct port_link *l, const char *name, bool up, ticks now)
{
	if (l->row == 0 || now - l->changed < clock_of_ms(CALM_MS))
		return;
	if (l->row > TOLD)
		log_notice("port %s: link %s, after %u changes in a row", name, word(up), l->row);
	l->row = 0;
}

static void tell_ifaces(struct net *net, const struct port *p, ticks now)
{
	iface_set_up(net, p->iface, p->link, now);
	for (uint16_t vid = 1; vid < 4095; vid++)
		if (p->vlan_iface[vid] != 0)
			iface_set_up(net, p->vlan_iface[vid], p->link, now);
}

static void poll_one(struct net *net, struct port *p, ticks now)
{
	bool up = port_link_is_up(p);

	if (up == p->link) {
		calm(&p->link_log, p->name, up, now);
		return;
	}
	p->link = up;
	change(&p->link_log, p->name, up, now);
	tell_ifaces(net, p, now);
}

void port_link_poll(struct net *net, ticks now)
{
	if (now < net->next_link_poll)
		return;
	net->next_link_poll = now + clock_of_ms(POLL_MS);
	for (int i = 0; i < PORT_MAX; i++)
		if (net->port[i] != NULL)
			poll_one(net, net->port[i], now);
}
