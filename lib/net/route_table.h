/* SPDX-License-Identifier: BSD-3-Clause */
/* route_table: what lib/net's own files see of the routes. Control's alone. */
#ifndef NET_ROUTE_TABLE_H
#define NET_ROUTE_TABLE_H

#include "connected.h"
#include "hops.h"
#include "net/iface.h"

/* One route as asked for; in the RIB while its hops amount to something. */
struct route {
	struct hops *hops; /* NULL: the place is free */
	uint32_t prefix;
	uint32_t metric;
	uint32_t next; /* of the chain, or the next free place; 0 ends both */
	uint8_t depth;
	uint8_t origin;
	uint8_t preference;
	bool kept; /* seen in the configuration that is being published */
};
static_assert(sizeof(struct route) == 24, "there may be a million");

struct route_table {
	struct connected *connected[IFACE_MAX]; /* NULL while an interface is down */
	struct hops_table hops;
	uint32_t silences; /* neigh_silences() when the groups were last made up */

	struct route *place; /* place 0 is never used */
	uint32_t n_places;   /* of them, that were ever used or are number 0 */
	uint32_t room;
	uint32_t free; /* first free place, 0 for none */
	uint32_t n;
	uint32_t mask; /* of the hash */
	uint32_t *hash;

	struct route *built; /* static routes by route_build(), not published yet */
	uint32_t n_built;
};

#endif
