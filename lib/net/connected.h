/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * connected: the routes that follow from an interface's addresses, while it is up.
 *
 * For each address: LOCAL for itself, GLEAN for its network, BROADCAST for the first and the last
 * address of that (RFC 1812 4.2.3.1), which /31 (RFC 3021) and /32 do not have. The loopback's are
 * LOCAL alone. Control's alone; part of the route table.
 */
#ifndef NET_CONNECTED_H
#define NET_CONNECTED_H

#include "net/route.h"

struct connected;

/* Brings the RIB to what the interface's addresses are now. 0, -ENOMEM or -ENOSPC (logged). */
int connected_set(struct net *net, uint16_t iface);
/* Withdraws all of them. */
void connected_clear(struct net *net, uint16_t iface);

/* Calls fn for each of an interface's routes. */
void connected_walk(
	struct net *net, uint16_t iface, void (*fn)(const struct route_row *, void *), void *arg);

#endif
