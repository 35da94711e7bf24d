/* SPDX-License-Identifier: BSD-3-Clause */
/* ifaces: the interface table as control changes it. Private to lib/net. */
#ifndef NET_IFACES_H
#define NET_IFACES_H

#include "base/clock.h"
#include "net/port.h"

/* A free index for an interface called name, 0 when there is none. */
uint16_t iface_take(struct net *net, const char *name);

/*
 * Brings an interface to its configuration on port p. Routes and neighbours hear of it only if
 * something that they follow changed: an address, the MAC, the MTU.
 */
void iface_apply(struct net *net, uint16_t index, const struct port *p, const struct iface_conf *c,
	ticks now);

/*
 * The kernel's addresses of an interface are these now, beside the configuration's, which are left
 * out of the list. Returns how many of them there is room for.
 */
uint32_t iface_learn(
	struct net *net, uint16_t index, const struct iface_addr *list, uint32_t n, ticks now);

/* The loopback's addresses by the configuration. */
void iface_apply_loopback(struct net *net, const struct addr_conf *list, uint32_t n, ticks now);

/* Link came or went (or the interface is to stop): routes and neighbours hear of it. */
void iface_set_up(struct net *net, uint16_t index, bool up, ticks now);

/* Stops an interface; its index is reused once no worker can know it. */
void iface_return(struct net *net, uint16_t index, ticks now);

#endif
