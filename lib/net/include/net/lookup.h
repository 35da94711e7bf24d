/* SPDX-License-Identifier: BSD-3-Clause */
/* lookup: questions to the FIB that stages ask beside a packet's way. Worker. */
#ifndef NET_LOOKUP_H
#define NET_LOOKUP_H

#include "net/net.h"

#include <stdbool.h>

/*
 * The interface by which m would leave for dst (host order), as fib(in) and fib(out) choose it; the
 * loopback when it would not leave.
 */
uint16_t lookup_egress(const struct worker *w, const struct rte_mbuf *m, uint32_t dst);
/*
 * A member of an ECMP group, as an adjacency: one for a flow; fragments have no ports, so they go
 * by addresses.
 */
uint32_t lookup_member(const struct worker *w, uint32_t index, const struct rte_mbuf *m);
/* The same for an ICMP message of our own, made or not. */
uint16_t lookup_icmp_egress(const struct worker *w, uint32_t dst);

/* Whether addr (host order) is one of ours. */
static inline bool lookup_is_ours(const struct net *net, uint32_t addr)
{
	return fib_entry_kind(fib4_lookup(net->fib, addr)) == FIB_LOCAL;
}

/* Whether addr (host order) is a virtual one, of a balancer. */
static inline bool lookup_is_service(const struct net *net, uint32_t addr)
{
	return fib_entry_kind(fib4_lookup(net->fib, addr)) == FIB_SERVICE;
}

/* Whether dst (host order) is more than one host: multicast, or a broadcast that we can know. */
static inline bool lookup_is_group(const struct net *net, uint32_t dst)
{
	return ip4_is_multicast(dst) || ip4_is_broadcast(dst) ||
	       fib_entry_kind(fib4_lookup(net->fib, dst)) == FIB_BROADCAST;
}

/*
 * Whether src (host order) may stand in a packet from outside as its sender: one host, and not us
 * (RFC 1122 3.2.1.3, RFC 1812 5.3.7).
 */
static inline bool lookup_is_peer(const struct net *net, uint32_t src)
{
	enum fib_kind kind = fib_entry_kind(fib4_lookup(net->fib, src));

	return !ip4_src_is_martian(src) && kind != FIB_LOCAL && kind != FIB_BROADCAST &&
	       kind != FIB_SERVICE;
}

#endif
