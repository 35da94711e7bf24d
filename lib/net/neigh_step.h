/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neigh_step: a neighbour from one state to the next, with all that others see of it: adjacency,
 * /32 route, what workers are told, requests on the wire. When and why is net/neigh.c's.
 *
 * Every step leaves the neighbour waiting for its next timer, or gone. Control's alone.
 */
#ifndef NET_NEIGH_STEP_H
#define NET_NEIGH_STEP_H

#include "neigh_table.h"

/* Whether a host of that address may be on the interface now, and is not ourselves. */
bool neigh_step_possible(const struct net *net, uint16_t iface, uint32_t addr);

/*
 * A new neighbour, for the caller to take one of the steps below with. learnt: it counts against
 * neighbours.max, and one that nobody needs may have to go. NULL: no room, logged now and then.
 */
struct neigh *neigh_step_make(
	struct net *net, uint16_t iface, uint32_t addr, bool learnt, ticks now);

/* -> INCOMPLETE: everybody is asked for it. */
void neigh_step_ask(struct net *net, struct neigh *n, ticks now);
/* Another request in the same state: to everybody, or to itself while it is PROBING. */
void neigh_step_ask_again(struct net *net, struct neigh *n, ticks now);
/* -> PROBING: it is asked itself. */
void neigh_step_probe(struct net *net, struct neigh *n, ticks now);

/* -> REACHABLE or STATIC, at mac; -> FAILED when the FIB has no room for it. */
void neigh_step_resolve(
	struct net *net, struct neigh *n, enum neigh_state state, const uint8_t mac[6], ticks now);

/* -> FAILED: what waits for it gets its error. */
void neigh_step_fail(struct net *net, struct neigh *n, ticks now);
/* -> FAILED, and nothing is asked until a step comes from outside: its interface is down. */
void neigh_step_suspend(struct net *net, struct neigh *n);

/* It is not where it was: gone, or INCOMPLETE while routes go through it. */
void neigh_step_lose(struct net *net, struct neigh *n, ticks now);
void neigh_step_forget(struct net *net, struct neigh *n);
/* Gone, too, since its address is routed elsewhere: what waits for it goes there. */
void neigh_step_yield(struct net *net, struct neigh *n);
/* What waits for an address, of which there is no neighbour, takes another look at the FIB. */
void neigh_step_release(struct net *net, uint16_t iface, uint32_t addr);

/* Its /32 in the FIB. False: there is no room. */
bool neigh_step_install(struct net *net, struct neigh *n);
/* Tells the workers what it is: all of them, or those that do not know yet. */
void neigh_step_tell_all(struct net *net, struct neigh *n);
void neigh_step_tell(struct net *net, struct neigh *n);

static inline bool neigh_is_resolved(const struct neigh *n)
{
	return n->state == NEIGH_REACHABLE || n->state == NEIGH_PROBING || n->state == NEIGH_STATIC;
}

#endif
