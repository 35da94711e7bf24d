/* SPDX-License-Identifier: BSD-3-Clause */
/* options: IPv4 options as a router and a host treat them; the contract is in net/options.h. */
#include "net/options.h"

#include "net/error.h"
#include "net/lookup.h"
#include "wire/ip4_opt.h"

#include <time.h>

#define DAY_S 86400

/* Octets of a source route: kind, length, pointer (counts from 1), addresses. */
enum { LEN = 1, PTR = 2, ROUTE = 3 };

/* RFC 791: milliseconds since midnight UT. */
static uint32_t time_of_day(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)(t.tv_sec % DAY_S * 1000 + t.tv_nsec / 1000000);
}

/* The address that we have towards dst: the egress interface's, or the router's id. */
static uint32_t address_towards(const struct worker *w, const struct rte_mbuf *m, uint32_t dst)
{
	uint32_t addr = w->net->iface[lookup_egress(w, m, dst)].addr;

	return addr != 0 ? addr : w->net->iface[IFACE_LOOPBACK].addr;
}

static bool is_neighbour(const struct net *net, uint32_t addr)
{
	fib_entry e = fib4_lookup(net->fib, addr);

	switch (fib_entry_kind(e)) {
	case FIB_LOCAL:
	case FIB_GLEAN:
		return true;
	case FIB_FORWARD:
		return net->adj[fib_entry_index(e)].addr == addr;
	default:
		return false;
	}
}

/*
 * RFC 1812 5.2.4.1, 5.3.13.4: as long as the destination is ours and the route goes on, its next
 * address becomes the destination and ours stands in its place. False: the route cannot be gone.
 */
static bool follow(struct worker *w, struct rte_mbuf *m, uint8_t *route)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	bool strict = route[0] == IP4_OPT_SSRR;

	if (strict && !lookup_is_ours(w->net, ip4_hdr_dst(ip)))
		return false; /* a strict route would name us */
	while (route[PTR] <= route[LEN] && lookup_is_ours(w->net, ip4_hdr_dst(ip))) {
		uint8_t *entry = route + route[PTR] - 1;
		uint32_t next, own;

		if (route[PTR] + 3 > route[LEN]) /* some room, but for no address (RFC 791) */
			return false;
		next = from_be32(load32(entry));
		own = address_towards(w, m, next);
		if (strict && !is_neighbour(w->net, next))
			return false;
		store32(entry, own != 0 ? to_be32(own) : ip->dst);
		route[PTR] += 4;
		ip->dst = to_be32(next);
	}
	return true;
}

/* RFC 1812 5.3.13.5, 5.3.13.6 */
static void record(struct worker *w, struct rte_mbuf *m, const struct ip4_opts *found)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	uint32_t wanted = ip4_opt_timestamp_wants(ip, found);
	uint32_t dst = ip4_hdr_dst(ip), own = address_towards(w, m, dst);

	if (ip->ttl <= 1 || lookup_egress(w, m, dst) == IFACE_LOOPBACK || own == 0)
		return;
	ip4_opt_record_route(ip, found, own);
	if (found->timestamp != 0)
		ip4_opt_timestamp(ip, found,
			wanted != 0 && lookup_is_ours(w->net, wanted) ? wanted : own,
			time_of_day());
}

bool options_pass(struct worker *w, struct rte_mbuf *m)
{
	struct ip4_hdr *ip = pkt_ip4(m);
	struct ip4_opts found;
	uint32_t octet = ip4_opt_check(ip, &found);

	if (octet != 0) {
		error_put(w, m, ERROR_OPTION, octet);
		return false;
	}
	if (found.source_route != 0 &&
		(!w->net->set.source_route || !follow(w, m, (uint8_t *)ip + found.source_route))) {
		error_put(w, m, ERROR_SOURCE_ROUTE, 0);
		return false;
	}
	record(w, m, &found);
	ip4_hdr_csum_set(ip);
	return true;
}

/* The way back: the addresses recorded, the last first, and at the end whoever asked. */
static void reverse(struct ip4_hdr *ip, uint8_t *route)
{
	uint32_t n = (route[LEN] - ROUTE) / 4u;
	uint8_t *first = route + ROUTE, *last = first + 4 * n - 4;
	be32 sender = ip->dst;

	route[PTR] = ROUTE + 1;
	if (n == 0)
		return;
	ip->dst = load32(last);
	for (uint8_t *a = first, *b = last - 4; a < b; a += 4, b -= 4) {
		be32 swapped = load32(a);

		store32(a, load32(b));
		store32(b, swapped);
	}
	store32(last, sender);
}

void options_answer(struct ip4_hdr *ip)
{
	struct ip4_opts found;

	ip4_opt_check(ip, &found);
	ip4_opt_record_route(ip, &found, ip4_hdr_src(ip));
	if (found.timestamp != 0)
		ip4_opt_timestamp(ip, &found, ip4_hdr_src(ip), time_of_day());
	if (found.source_route != 0)
		reverse(ip, (uint8_t *)ip + found.source_route);
}
