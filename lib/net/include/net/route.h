/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * route: routes as operators think of them, above the RIB.
 *
 * Control's alone. A route has a prefix, an origin and either next hops (gateways on connected
 * networks; several make an ECMP group), or the verdict blackhole or unreachable. Routes whose
 * gateways are not reachable now wait and enter the RIB when they become so; link down withdraws.
 */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "base/clock.h"
#include "base/err.h"
#include "net/adj.h"
#include "net/rib4.h"

#include <stdbool.h>
#include <stdint.h>

struct net;

enum route_kind { ROUTE_VIA, ROUTE_BLACKHOLE, ROUTE_UNREACHABLE };

struct route_conf {
	struct conf_pos at;
	uint32_t prefix; /* host order */
	uint8_t depth;
	enum route_kind kind;
	uint32_t n_via;
	uint32_t via[GROUP_MEMBERS]; /* gateways, host order */
	uint8_t preference;	     /* lower wins; static 1, operator 1, kernel 20 */
	uint32_t metric;
};

struct routes_conf {
	uint32_t n;
	struct route_conf *list; /* the configuration's memory; copied by build */
};

/* A route as shown. */
struct route_row {
	uint32_t prefix;
	uint8_t depth;
	enum rib4_origin origin;
	uint8_t preference;
	uint32_t metric;
	fib_entry entry;	       /* what the FIB has or would have */
	bool best;		       /* chosen among those for its prefix */
	bool installed;		       /* in the FIB */
	const struct route_conf *conf; /* as asked for; NULL: it follows from an address */
};

int route_new(struct net *net);
void route_free(struct net *net);

int route_check(const struct routes_conf *c, struct errs *e);
int route_build(struct net *net, const struct routes_conf *c);
void route_abandon(struct net *net); /* undoes a build that will not be published */
void route_publish(struct net *net, ticks now);
void route_retire(struct net *net);

/* Operator's changes: 0, -EINVAL (host bits, no gateway on a connected network), -EEXIST, -ENOENT,
 * -ENOSPC. */
int route_add(struct net *net, const struct route_conf *r, enum rib4_origin origin, ticks now);
int route_del(struct net *net, uint32_t prefix, uint8_t depth, enum rib4_origin origin);

/*
 * Makes room for n routes, so that none of route_learn() takes long for want of it: memory is used
 * as they come. 0 or -ENOMEM.
 */
int route_reserve(struct net *net, uint32_t n);
/*
 * The kernel's route of a prefix is this now, in place of the one before. Its gateways need not be
 * reachable. 0, or -ENOSPC: it has none.
 */
int route_learn(struct net *net, const struct route_conf *r, ticks now);
/*
 * The route of the configuration or the operator that counts for exactly this prefix, if what it
 * leads to can be reached; *c is filled in. False: there is none.
 */
bool route_given(const struct net *net, uint32_t prefix, uint8_t depth, struct route_conf *c);

/* An interface's addresses came up or went: connected and local entries, and who depends on them.
 */
void route_iface_up(struct net *net, uint16_t iface, ticks now);
void route_iface_down(struct net *net, uint16_t iface, ticks now);

/* Has groups pass over next hops that do not answer; call it after neigh_tick(). */
void route_tick(struct net *net);

/*
 * Shows routes, in no order, from a cursor on (0 at first): those in the next `most` places, each
 * of which holds the routes of one prefix or none. Returns the cursor to go on with, 0 at the end.
 * Between the calls routes may come and go: those that stay are shown once. A row is borrowed.
 */
uint32_t route_walk(struct net *net, uint32_t cursor, uint32_t most,
	void (*fn)(const struct route_row *, void *), void *arg);
const char *route_origin_name(enum rib4_origin o);

#endif
