/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arp: what goes over the wire for ARP and RARP (RFC 826, 903, 1027, 5227).
 *
 * Any worker answers, without control; what a packet says of its sender goes to control as an
 * event where it is news. What to ask, and when, is control's (net/neigh.h, net/announce.h).
 */
#ifndef NET_ARP_H
#define NET_ARP_H

#include "net/worker.h"

struct net;

/* Sends the request that control asked for (COMMAND_ARP_REQUEST) onto a tx lane. Worker. */
void arp_send_request(struct worker *w, const struct command *c);

/*
 * Has a worker ask who has addr on iface (host order): dst is broadcast, or the neighbour's own
 * MAC for a probe; sender is ours, 0 in an RFC 5227 probe, addr itself in an announcement. 0, or
 * -EAGAIN: no worker can send there now. Control.
 */
int arp_request(
	struct net *net, uint16_t iface, const uint8_t dst[6], uint32_t sender, uint32_t addr);

#endif
