/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neigh_named: neighbours that somebody has named: the kernel, the configuration, the operator, in
 * this order; the last one's word counts. Control's alone; private to lib/net.
 */
#ifndef NET_NEIGH_NAMED_H
#define NET_NEIGH_NAMED_H

#include "neigh_table.h"

/* All that are possible now become static neighbours; of one interface, or of all (0). */
void neigh_named_set(struct net *net, uint16_t only, ticks now);

/* Whoever's word for that neighbour counts, NULL: nobody's. */
const struct neigh_static *neigh_named_find(
	const struct neigh_table *t, const char *iface, uint32_t addr);
/* Whether a list has it. */
bool neigh_named_has(const struct neigh_named *by, const char *iface, uint32_t addr);
/* Whether it is the kernel's word that counts. */
bool neigh_named_is_kernels(const struct net *net, uint16_t iface, uint32_t addr);

/* Into one of the lists, in place of what it has for the address. 0, -EINVAL or -ENOSPC. */
int neigh_named_add(struct net *net, struct neigh_named *by, uint16_t iface, uint32_t addr,
	const uint8_t mac[6], ticks now);
/* Out of one of the lists; another one's word counts now, or it is to be learnt. The interface of
 * that name may be gone. */
void neigh_named_remove(
	struct net *net, struct neigh_named *by, const char *name, uint32_t addr, ticks now);

#endif
