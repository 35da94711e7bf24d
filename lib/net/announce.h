/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * announce: our own addresses made known, and defended (RFC 5227 2.3, 2.4).
 *
 * An announcement is an ARP request for an address by itself. It updates those who know an older
 * MAC, and whoever else uses the address answers it, which the workers report as a conflict.
 * Control's alone; part of the neighbour table.
 */
#ifndef NET_ANNOUNCE_H
#define NET_ANNOUNCE_H

#include "base/clock.h"
#include "net/iface.h"
#include "net/msg.h"

struct net;

#define ANNOUNCE_INTERVAL_MS 2000  /* RFC 5227 1.1: ANNOUNCE_INTERVAL */
#define DEFEND_INTERVAL_MS   10000 /* RFC 5227 1.1: DEFEND_INTERVAL */
#define DEFENCES	     16	   /* conflicts that are remembered at a time */

struct announcer {
	uint32_t n; /* interfaces with announcements left */
	struct {
		uint32_t left;
		ticks due;
	} iface[IFACE_MAX];
	struct {
		uint16_t iface;
		uint32_t addr; /* 0: unused */
		ticks at;
	} defence[DEFENCES];
};

/* The addresses of an interface came up: announces all of them `times` times. */
void announce_start(struct net *net, uint16_t iface, uint32_t times, ticks now);
void announce_stop(struct net *net, uint16_t iface);
/* Somebody else uses an address of ours: says so in the log and on the wire, each 10 s at most. */
void announce_conflict(struct net *net, const struct event *e, ticks now);
void announce_tick(struct net *net, ticks now);

#endif
