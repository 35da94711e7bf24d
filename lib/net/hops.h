/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hops: sets of gateways, each shared by all routes that name the same ones, and the FIB entry
 * that they amount to now. Control's alone; part of the route table.
 *
 * One gateway is a FORWARD entry to its adjacency; several are a GROUP of those whose interfaces
 * are up and who answer, if any does. A set of which none can be reached amounts to 0: its routes
 * wait.
 */
#ifndef NET_HOPS_H
#define NET_HOPS_H

#include "net/adj.h"
#include "net/fib4.h"
#include "net/route.h"

#include <sys/queue.h>

#define HOPS_HASH 65536

struct hops {
	LIST_ENTRY(hops) chain;
	LIST_ENTRY(hops) all;
	uint32_t refs;
	enum route_kind kind;
	fib_entry entry; /* what routes have in the RIB, 0: they wait */
	bool changed;	 /* entry is new to them */
	uint32_t group;	 /* 0: none taken */
	uint32_t n;
	uint32_t via[GROUP_MEMBERS]; /* ascending */
	uint32_t adj[GROUP_MEMBERS]; /* of each, 0: not reached now */
	uint32_t n_gone;
	uint32_t gone[GROUP_MEMBERS]; /* adjacencies to let go of once no route has them */
};

LIST_HEAD(hops_list, hops);

struct hops_table {
	struct hops_list all;
	struct hops_list *hash;
};

int hops_new(struct hops_table *t);
void hops_free(struct hops_table *t);

/* The set of a route's gateways (or its verdict), referenced once more. NULL: no memory. */
struct hops *hops_take(struct net *net, const struct route_conf *c);
/* Whoever drops one has taken its route out of the RIB. */
void hops_drop(struct net *net, struct hops *h);

/* Finds its gateways anew; sets `changed` if what they amount to is not what it was. */
void hops_resolve(struct net *net, struct hops *h, ticks now);
/* The routes have followed: `changed` is over. */
void hops_settle(struct net *net, struct hops *h);

/* Gateways fell silent or are heard of again: groups are made up anew. */
void hops_regroup(struct net *net);

/* Whether via is on the network of an interface, up or down, and no address of ours. */
bool hops_possible(const struct net *net, uint32_t via);

#endif
