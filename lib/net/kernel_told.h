/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel_told: where routes and neighbours tell the netlink part what has changed. Cheap, and
 * nothing at all while no port has an interface in the kernel. Control's alone.
 */
#ifndef NET_KERNEL_TOLD_H
#define NET_KERNEL_TOLD_H

#include "net/rib4.h"

struct net;

/* A route of the configuration or the operator came, went, or leads elsewhere. */
void kernel_told_route(struct net *net, uint32_t prefix, uint8_t depth, enum rib4_origin origin);
/* The neighbour with that adjacency has another state or MAC, or is gone. */
void kernel_told_neigh(struct net *net, uint32_t adj);

#endif
