/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options: IPv4 options as a router and a host treat them (RFC 791, RFC 1812 5.2.4, RFC 7126).
 *
 * Both functions edit the header in place: it is in a first segment that the caller may write.
 */
#ifndef NET_OPTIONS_H
#define NET_OPTIONS_H

#include "net/worker.h"

#include <stdbool.h>

/*
 * A checked IPv4 packet with options, before its route is looked up; call it once for a packet.
 * True: it goes on, options recorded and checksum right; the destination may have changed (source
 * route, when allowed). False: it was taken (error lane).
 *
 * What is recorded is the address of the interface that the packet leaves by (RFC 1812 5.3.13). A
 * packet for this host records nothing here (its answer does), nor does one whose TTL ends here.
 */
bool options_pass(struct worker *w, struct rte_mbuf *m);

/*
 * The options of a request become those of its answer, whose addresses and length are set: this
 * host records itself and stamps, and a source route is reversed, which changes the destination
 * (RFC 1122 3.2.2.6, RFC 1812 4.3.3.6). Leaves the header's checksum to the caller.
 */
void options_answer(struct ip4_hdr *ip);

#endif
