/* SPDX-License-Identifier: BSD-3-Clause */
/* Open addressing; who has gone leaves no gap: those behind him move up. */
#include "inside.h"

#include "base/hash.h"
#include "base/numa.h"
#include "lb/vservice.h"

#include <rte_bitops.h>
#include <rte_common.h>
#include <rte_random.h>

struct host {
	be32 addr; /* 0: nobody */
	uint32_t n;
};

struct lb_inside {
	uint64_t secret[2]; /* who is inside shall not choose where he stands */
	uint32_t mask;	    /* places, a power of two, less one */
	uint16_t first;	    /* port */
	uint32_t ports;
	be32 *with; /* by port, behind the hosts */
	struct host host[];
};

static size_t bytes_of(uint32_t places, uint32_t ports)
{
	return sizeof(struct lb_inside) + places * sizeof(struct host) + ports * sizeof(be32);
}

struct lb_inside *lb_inside_new(uint16_t first, uint16_t last, int node)
{
	uint32_t ports = (uint32_t)last - first + 1, mappings = ports * LB_NAT_PROTOS;
	uint32_t places = rte_align32pow2(mappings + mappings / 4 + 1);
	struct lb_inside *t = numa_reserve(bytes_of(places, ports), node);

	if (t == NULL)
		return NULL;
	t->first = first;
	t->ports = ports;
	t->with = (be32 *)&t->host[places];
	t->secret[0] = rte_rand();
	t->secret[1] = rte_rand();
	t->mask = places - 1;
	return t;
}

void lb_inside_free(void *inside)
{
	struct lb_inside *t = inside;

	if (t != NULL)
		numa_drop(t, bytes_of(t->mask + 1, t->ports));
}

static uint32_t home_of(const struct lb_inside *t, be32 addr)
{
	return hash_secret(t->secret, addr, 0) & t->mask;
}

/* Where a host stands, or would. */
static uint32_t place_of(const struct lb_inside *t, be32 addr)
{
	uint32_t i = home_of(t, addr);

	while (t->host[i].addr != addr && t->host[i].addr != 0)
		i = (i + 1) & t->mask;
	return i;
}

uint32_t lb_inside_count(const struct lb_inside *t, be32 host)
{
	return t->host[place_of(t, host)].n;
}

void lb_inside_took(struct lb_inside *t, be32 host)
{
	struct host *h = &t->host[place_of(t, host)];

	h->addr = host;
	h->n++;
}

/* The place is free; whoever stands behind it, and could stand there, does from now on. */
static void close_gap(struct lb_inside *t, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & t->mask; t->host[i].addr != 0; i = (i + 1) & t->mask) {
		uint32_t home = home_of(t, t->host[i].addr);

		if (((i - home) & t->mask) < ((i - gap) & t->mask))
			continue; /* his home is behind the gap */
		t->host[gap] = t->host[i];
		gap = i;
	}
	t->host[gap] = (struct host){0};
}

void lb_inside_gave(struct lb_inside *t, be32 host)
{
	uint32_t i = place_of(t, host);

	if (--t->host[i].n == 0)
		close_gap(t, i);
}

be32 *lb_inside_with(struct lb_inside *t, uint16_t port)
{
	return &t->with[port - t->first];
}
